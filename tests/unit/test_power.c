/*
 * Power loss at every call, as ALICE looks for it (Pillai et al., OSDI 2014): a workload that takes every path of the store
 * runs on a disk that records what it does. After each call that changes something the machine dies, and what was not
 * synced is there or not, each piece by itself: every sector of a write, the growth of a file, every name that was made,
 * renamed or removed. Of the pieces that are loose at a time all subsets are tried; where they are more than POWER_BITS
 * all of which one or two are missing, or one or two are there, and 2^POWER_BITS random ones, and the last line says at how
 * many moments. A store is opened on what is left: it must not refuse, must hold all that was answered for, and must go on.
 * POWER_SEEDS is the number of random workloads beside the written one; both are environment variables.
 * Invariant: what is folded into `kept` is on the platter for certain.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/mem.h"
#include "disk/snapshot.h"
#include "fake_disk.h"
#include "logd/load.h"
#include "logd/purge.h"
#include "logd/snapfile.h"
#include "logd/store.h"

enum {
	TXN_BYTES = 200,
	PIECES_MAX = 512,
	HISTORY_MAX = 512,
	WRITTEN_BITS = 16,
	RANDOM_BITS = 7,
	DEFAULT_SEEDS = 2
};

/* ---- What the platter may hold ---- */

enum piece_kind { WRITE, GROW, SIZE, MAKE, RENAME, REMOVE };

struct piece {
	enum piece_kind kind;
	uint64_t file; /* of the first three, and MAKE */
	uint64_t at;   /* offset, or size */
	size_t len;
	uint8_t data[FAKE_SECTOR];
	enum store_folder folder; /* of the last three */
	char name[64], to[64];
};

struct content {
	uint64_t id;
	uint8_t *data;
	size_t size;
};

struct name {
	enum store_folder folder;
	char name[64]; /* "": free */
	uint64_t file;
};

struct platter {
	struct content files[FAKE_FILES];
	struct name names[FAKE_FILES];
};

static struct content *
content_of(struct platter *p, uint64_t id)
{
	struct content *free_one = NULL;

	for (int i = 0; i < FAKE_FILES; i++) {
		if (p->files[i].id == id)
			return &p->files[i];
		if (p->files[i].id == 0 && free_one == NULL)
			free_one = &p->files[i];
	}
	ck_assert_ptr_nonnull(free_one);
	free_one->id = id;
	return free_one;
}

static void
resize(struct content *c, size_t size)
{
	if (size > c->size) {
		c->data = mem_realloc(c->data, size);
		memset(c->data + c->size, 0, size - c->size);
	}
	c->size = size;
}

static struct name *
name_of(struct platter *p, enum store_folder folder, const char *name)
{
	for (int i = 0; i < FAKE_FILES; i++)
		if (p->names[i].folder == folder && strcmp(p->names[i].name, name) == 0)
			return &p->names[i];
	return NULL;
}

static void
set_name(struct platter *p, enum store_folder folder, const char *name, uint64_t file)
{
	struct name *n = name_of(p, folder, name);

	for (int i = 0; i < FAKE_FILES && n == NULL; i++)
		if (p->names[i].name[0] == '\0')
			n = &p->names[i];
	ck_assert_ptr_nonnull(n);
	n->folder = folder;
	strcpy(n->name, name);
	n->file = file;
}

static void
apply_name(struct platter *p, const struct piece *x)
{
	struct name *n = name_of(p, x->folder, x->name);

	if (x->kind == MAKE)
		set_name(p, x->folder, x->name, x->file);
	if (x->kind == MAKE || n == NULL)
		return;
	if (x->kind == RENAME)
		set_name(p, x->folder, x->to, n->file);
	n->name[0] = '\0';
}

static void
apply(struct platter *p, const struct piece *x)
{
	struct content *c;

	if (x->kind >= MAKE) {
		apply_name(p, x);
		return;
	}
	c = content_of(p, x->file);
	if (x->kind == SIZE || c->size < x->at + x->len)
		resize(c, x->at + x->len);
	if (x->kind == WRITE)
		memcpy(c->data + x->at, x->data, x->len);
}

static void
copy_platter(struct platter *to, const struct platter *from)
{
	*to = *from;
	for (int i = 0; i < FAKE_FILES; i++) {
		if (from->files[i].id == 0)
			continue;
		to->files[i].data = mem_alloc(from->files[i].size + 1);
		if (from->files[i].size > 0)
			memcpy(to->files[i].data, from->files[i].data, from->files[i].size);
	}
}

static void
free_platter(struct platter *p)
{
	for (int i = 0; i < FAKE_FILES; i++)
		mem_free(p->files[i].data);
}

/* ---- The history, and what was answered for ---- */

struct history {
	uint64_t zxids[HISTORY_MAX];
	size_t n;
	size_t least; /* so many of them must be there */
};

struct world {
	struct store_disk disk; /* what the store gets; records */
	struct fake_disk under;
	struct platter kept;
	struct piece *loose;
	size_t nloose;
	bool quiet;

	struct history now, next; /* next.n > 0: either, while a cut or an install is under way */
	bool changing;
	uint32_t accepted, current; /* answered for */
	bool may_lack;  /* an install gave up what was acked: less is there only if the store says so */
	uint64_t acked; /* the most that was ever durable */

	unsigned bits;
	uint64_t random, dice, states, exhausted, sampled;
	size_t most;
};

static char why[FILES_TEXT_BYTES];

static void
fill_txn(uint8_t txn[TXN_BYTES], uint64_t zxid)
{
	memset(txn, (int)(zxid * 31 | 1), TXN_BYTES);
	put_be64(txn, 7);
	put_be32(txn + 8, 1);
	put_be64(txn + 12, zxid);
	put_be64(txn + 20, 1000);
	put_be32(txn + 28, 5);
}

static bool
holds(const struct history *h, const uint64_t *zxids, size_t n, uint64_t snapshot)
{
	size_t i = 0;

	while (i < h->n && h->zxids[i] <= snapshot)
		i++;
	/* A snapshot stands at one of them, or at nothing. */
	if (snapshot != 0 && (i == 0 || h->zxids[i - 1] != snapshot))
		return false;
	if (i + n > h->n || i + n < h->least)
		return false;
	return memcmp(&h->zxids[i], zxids, n * sizeof *zxids) == 0;
}

/* ---- Opening what is left ---- */

struct found {
	uint64_t snapshot, zxids[HISTORY_MAX];
	size_t n;
};

static void
on_snapshot(void *ctx, uint64_t zxid)
{
	*(struct found *)ctx = (struct found){ .snapshot = zxid };
}

static void
on_data(void *ctx, struct slice bytes)
{
	(void)ctx;
	(void)bytes;
}

static void
on_nothing(void *ctx)
{
	(void)ctx;
}

static void
on_txn(void *ctx, uint64_t zxid, struct slice txn)
{
	uint8_t expected[TXN_BYTES];
	struct found *f = ctx;

	fill_txn(expected, zxid);
	ck_assert(txn.len == TXN_BYTES && memcmp(txn.data, expected, TXN_BYTES) == 0);
	ck_assert_uint_lt(f->n, HISTORY_MAX);
	f->zxids[f->n++] = zxid;
}

static void
on_zxid(void *ctx, uint64_t zxid)
{
	(void)ctx;
	(void)zxid;
}

static int
load(struct store_disk *d, uint64_t upto, struct found *found)
{
	static const struct load_events events = {
		on_snapshot, on_data, on_nothing, on_txn, on_zxid, on_zxid
	};
	struct load_request request = { .kind = LOAD_ALL, .upto = upto };
	struct load *l = load_new(d, &request, &events, found, NULL);
	int ret;

	while ((ret = load_step(l)) > 0)
		;
	if (ret != 0)
		snprintf(why, sizeof why, "%s", load_error(l));
	load_free(l);
	return ret;
}

static struct store_settings
settings(void)
{
	return (struct store_settings){
		.snap_count = 1000,
		.log_size_bytes = 4000,
		.prealloc_bytes = 2048,
		.reserve_bytes = 1024,
		.force_sync = true,
		.sync_warning_ms = 1000,
		.db_autocreate = true,
		.member = true,
		.seed = 7,
	};
}

/* One for the report of a failure: what was lost. */
static void
describe(const struct world *w, const bool *there)
{
	static const char *const kinds[] = { "write", "grow", "size", "make", "rename", "remove" };

	for (size_t i = 0; i < w->nloose; i++) {
		const struct piece *x = &w->loose[i];
		fprintf(stderr, "  %s %s file %lu at %lu length %zu %s %s\n", there[i] ? "there" : "LOST ",
			kinds[x->kind], (unsigned long)x->file, (unsigned long)x->at, x->len, x->name, x->to);
	}
}

static void
put_all(struct fake_disk *f, const struct platter *p)
{
	for (int i = 0; i < FAKE_FILES; i++) {
		const struct name *n = &p->names[i];
		const struct content *c = NULL;
		if (n->name[0] == '\0')
			continue;
		for (int k = 0; k < FAKE_FILES; k++)
			if (p->files[k].id == n->file)
				c = &p->files[k];
		fake_disk_put(f, n->folder, n->name, c == NULL ? NULL : c->data, c == NULL ? 0 : c->size);
		fake_disk_find(f, n->folder, n->name)->id = n->file;
	}
	f->next_id = 1000000;
}

/* NULL, or what is wrong with a store that was opened. */
static const char *
judge(struct world *w, struct fake_disk *f, struct store *s)
{
	uint64_t durable = store_durable(s);
	struct found found = { 0 };

	if (load(&f->disk, durable, &found) != 0)
		return why;
	if (!holds(&w->now, found.zxids, found.n, found.snapshot) &&
	    !(w->changing && holds(&w->next, found.zxids, found.n, found.snapshot)))
		return "another history, or one that is too short";
	if (w->may_lack && durable < w->acked && !store_partial(s) &&
	    store_current_epoch(s) < w->current + 1 && store_accepted_epoch(s) != store_current_epoch(s))
		return "less is there than was acked, and it is not said";
	if (store_accepted_epoch(s) < w->accepted || store_current_epoch(s) < w->current)
		return "epochs are forgotten";
	if (store_accepted_epoch(s) < store_current_epoch(s))
		return "the accepted epoch is below the current one";
	return NULL;
}

/* It goes on: two more txns, and they are there after the next start. */
static const char *
go_on(struct fake_disk *f, struct store **s)
{
	struct store_settings set = settings();
	uint64_t next = store_durable(*s) + 1;
	struct found found = { 0 };
	uint8_t txn[TXN_BYTES];

	for (uint64_t zxid = next; zxid < next + 2; zxid++) {
		fill_txn(txn, zxid);
		if (store_append(*s, zxid, slice_of(txn, sizeof txn)) != 0 || !store_commit(*s, 0))
			return "it takes no txn";
	}
	store_close(*s);
	*s = NULL;
	if (store_open(s, &f->disk, &set, NULL, why) != 0)
		return why;
	if (store_durable(*s) != next + 1)
		return "two more are lost";
	return load(&f->disk, next + 1, &found) == 0 ? NULL : why;
}

static void
try_state(struct world *w, const bool *there)
{
	struct store_settings set = settings();
	struct platter p;
	struct fake_disk f;
	struct store *s = NULL;
	const char *wrong = NULL;
	int ret;

	w->states++;
	copy_platter(&p, &w->kept);
	for (size_t i = 0; i < w->nloose; i++)
		if (there[i])
			apply(&p, &w->loose[i]);
	fake_disk_init(&f, w->disk.one_folder, 5);
	put_all(&f, &p);
	ret = store_open(&s, &f.disk, &set, NULL, why);
	wrong = ret != 0 ? why : judge(w, &f, s);
	if (wrong == NULL && w->states % 4 == 0)
		wrong = go_on(&f, &s);
	if (wrong != NULL) {
		describe(w, there);
		ck_abort_msg("state %lu, after call %lu: %d: %s", (unsigned long)w->states,
			     (unsigned long)w->under.calls, ret, wrong);
	}
	store_close(s);
	fake_disk_free(&f);
	free_platter(&p);
}

/* ---- Which states ---- */

static void
try_near(struct world *w, bool value)
{
	bool there[PIECES_MAX];

	for (size_t i = 0; i <= w->nloose; i++) {
		for (size_t k = i; k < (i == w->nloose ? i + 1 : w->nloose); k++) {
			for (size_t j = 0; j < w->nloose; j++)
				there[j] = j == i || j == k ? value : !value;
			try_state(w, there);
		}
	}
}

static void
try_random(struct world *w)
{
	bool there[PIECES_MAX];

	for (uint64_t n = 0; n < UINT64_C(1) << w->bits; n++) {
		for (size_t i = 0; i < w->nloose; i++) {
			w->random = w->random * UINT64_C(6364136223846793005) + 1442695040888963407;
			there[i] = w->random >> 63;
		}
		try_state(w, there);
	}
}

/* All subsets of what is loose; `fresh`: of these only where the last piece is there, the others were tried before. */
static void
explore(struct world *w, size_t fresh)
{
	bool there[PIECES_MAX] = { false };
	size_t n = w->nloose;

	if (w->quiet)
		return;
	if (n > w->most)
		w->most = n;
	if (n > w->bits) {
		w->sampled++;
		try_near(w, false);
		try_near(w, true);
		try_random(w);
		return;
	}
	w->exhausted++;
	for (uint64_t set = 0; set < UINT64_C(1) << n; set++) {
		if (fresh > 0 && set >> (n - fresh) == 0)
			continue;
		for (size_t i = 0; i < n; i++)
			there[i] = set >> i & 1;
		try_state(w, there);
	}
}

/* ---- The disk that records ---- */

static struct world *
self(struct store_disk *d)
{
	return container_of(d, struct world, disk);
}

static enum store_folder
folder_of(const struct world *w, enum store_folder folder)
{
	return w->disk.one_folder && folder == STORE_LOG ? STORE_SNAP : folder;
}

static struct piece *
add(struct world *w, enum piece_kind kind)
{
	struct piece *x = &w->loose[w->nloose++];

	ck_assert_uint_lt(w->nloose, PIECES_MAX);
	*x = (struct piece){ .kind = kind };
	return x;
}

static bool
concerns(const struct piece *x, uint64_t file, enum store_folder folder)
{
	return x->kind >= MAKE ? file == 0 && x->folder == folder : x->file == file;
}

/* What was loose of that file, or of the names in that folder, is on the platter. */
static void
fold(struct world *w, uint64_t file, enum store_folder folder)
{
	size_t left = 0;

	for (size_t i = 0; i < w->nloose; i++) {
		if (concerns(&w->loose[i], file, folder))
			apply(&w->kept, &w->loose[i]);
		else
			w->loose[left++] = w->loose[i];
	}
	w->nloose = left;
	explore(w, 0);
}

static uint64_t
id_of(struct world *w, int h, uint64_t *size)
{
	struct store_info info;

	ck_assert_int_eq(w->under.disk.ops->info(&w->under.disk, h, &info), 0);
	*size = info.size;
	return info.id;
}

static int
rec_open(struct store_disk *d, enum store_folder folder, const char *name, enum store_open how)
{
	struct world *w = self(d);
	int h = w->under.disk.ops->open(&w->under.disk, folder, name, how);
	struct piece *x;
	uint64_t size;

	if (h < 0 || how != STORE_CREATE)
		return h;
	x = add(w, MAKE);
	x->folder = folder_of(w, folder);
	x->file = id_of(w, h, &size);
	strcpy(x->name, name);
	explore(w, 1);
	return h;
}

static void
rec_close(struct store_disk *d, int h)
{
	self(d)->under.disk.ops->close(&self(d)->under.disk, h);
}

static int
rec_info(struct store_disk *d, int h, struct store_info *info)
{
	return self(d)->under.disk.ops->info(&self(d)->under.disk, h, info);
}

static int64_t
rec_read(struct store_disk *d, int h, uint64_t at, void *data, size_t len)
{
	return self(d)->under.disk.ops->read(&self(d)->under.disk, h, at, data, len);
}

static int64_t
rec_next_data(struct store_disk *d, int h, uint64_t at)
{
	return self(d)->under.disk.ops->next_data(&self(d)->under.disk, h, at);
}

static int
rec_write(struct store_disk *d, int h, uint64_t at, const void *data, size_t len)
{
	struct world *w = self(d);
	size_t before = w->nloose;
	struct piece *x;
	uint64_t size, id = id_of(w, h, &size);

	if (at + len > size) {
		x = add(w, GROW);
		x->file = id;
		x->at = at + len;
	}
	for (size_t from = 0, n; from < len; from += n) {
		n = FAKE_SECTOR - (at + from) % FAKE_SECTOR;
		n = n < len - from ? n : len - from;
		x = add(w, WRITE);
		x->file = id;
		x->at = at + from;
		x->len = n;
		memcpy(x->data, (const uint8_t *)data + from, n);
	}
	ck_assert_int_eq(w->under.disk.ops->write(&w->under.disk, h, at, data, len), 0);
	explore(w, w->nloose - before);
	return 0;
}

static int
rec_sync(struct store_disk *d, int h)
{
	struct world *w = self(d);
	uint64_t size, id = id_of(w, h, &size);

	ck_assert_int_eq(w->under.disk.ops->sync(&w->under.disk, h), 0);
	fold(w, id, STORE_SNAP);
	return 0;
}

static int
set_size(struct world *w, int h, enum piece_kind kind, uint64_t size)
{
	struct piece *x = add(w, kind);
	uint64_t old;

	x->file = id_of(w, h, &old);
	x->at = size;
	explore(w, 1);
	return 0;
}

static int
rec_truncate(struct store_disk *d, int h, uint64_t size)
{
	struct world *w = self(d);

	ck_assert_int_eq(w->under.disk.ops->truncate(&w->under.disk, h, size), 0);
	return set_size(w, h, SIZE, size);
}

static int
rec_allocate(struct store_disk *d, int h, uint64_t size)
{
	struct world *w = self(d);

	ck_assert_int_eq(w->under.disk.ops->allocate(&w->under.disk, h, size), 0);
	return set_size(w, h, GROW, size);
}

static int
rec_rename(struct store_disk *d, enum store_folder folder, const char *from, const char *to)
{
	struct world *w = self(d);
	int ret = w->under.disk.ops->rename(&w->under.disk, folder, from, to);
	struct piece *x;

	if (ret != 0)
		return ret;
	x = add(w, RENAME);
	x->folder = folder_of(w, folder);
	strcpy(x->name, from);
	strcpy(x->to, to);
	explore(w, 1);
	return 0;
}

static int
rec_remove(struct store_disk *d, enum store_folder folder, const char *name)
{
	struct world *w = self(d);
	int ret = w->under.disk.ops->remove(&w->under.disk, folder, name);
	struct piece *x;

	if (ret != 0)
		return ret;
	x = add(w, REMOVE);
	x->folder = folder_of(w, folder);
	strcpy(x->name, name);
	explore(w, 1);
	return 0;
}

static int
rec_sync_folder(struct store_disk *d, enum store_folder folder)
{
	struct world *w = self(d);

	ck_assert_int_eq(w->under.disk.ops->sync_folder(&w->under.disk, folder), 0);
	fold(w, 0, folder_of(w, folder));
	return 0;
}

static int
rec_space(struct store_disk *d, enum store_folder folder, uint64_t *free_bytes)
{
	return self(d)->under.disk.ops->space(&self(d)->under.disk, folder, free_bytes);
}

static int
rec_list(struct store_disk *d, enum store_folder folder, int (*visit)(void *, const char *), void *ctx)
{
	return self(d)->under.disk.ops->list(&self(d)->under.disk, folder, visit, ctx);
}

static uint64_t
rec_now_us(struct store_disk *d)
{
	return self(d)->under.disk.ops->now_us(&self(d)->under.disk);
}

static int
rec_write_back(struct store_disk *d, int h, uint64_t at, uint64_t len)
{
	return self(d)->under.disk.ops->write_back(&self(d)->under.disk, h, at, len);
}

static const struct store_disk_ops recording = {
	.open = rec_open,
	.close = rec_close,
	.info = rec_info,
	.read = rec_read,
	.next_data = rec_next_data,
	.write = rec_write,
	.write_back = rec_write_back,
	.sync = rec_sync,
	.truncate = rec_truncate,
	.allocate = rec_allocate,
	.rename = rec_rename,
	.remove = rec_remove,
	.sync_folder = rec_sync_folder,
	.space = rec_space,
	.list = rec_list,
	.now_us = rec_now_us,
};

/* ---- The workload ---- */

static void
append(struct world *w, struct store *s, uint64_t first, uint64_t last, unsigned batch)
{
	uint8_t txn[TXN_BYTES];

	for (uint64_t zxid = first; zxid <= last; zxid++) {
		fill_txn(txn, zxid);
		ck_assert_int_eq(store_append(s, zxid, slice_of(txn, sizeof txn)), 0);
		w->now.zxids[w->now.n++] = zxid;
		if ((zxid - first + 1) % batch != 0 && zxid != last)
			continue;
		ck_assert(store_commit(s, 0));
		w->now.least = w->now.n;
		w->acked = zxid > w->acked ? zxid : w->acked;
		explore(w, 0);
	}
}

static void
set_epochs(struct world *w, struct store *s, uint32_t accepted, uint32_t current)
{
	ck_assert_int_eq(store_set_epochs(s, accepted, current, 0), 0);
	w->accepted = accepted;
	w->current = current;
	if (accepted == current) {
		w->may_lack = false;
		w->acked = store_durable(s);
	}
	explore(w, 0);
}

static void
do_chores(struct world *w, struct store *s)
{
	struct store_chore c;

	while ((c = store_next_chore(s)).kind != STORE_NO_CHORE)
		store_chore_done(s, &c, store_do_chore(&w->disk, &c) == 0);
}

static void
put_tree(struct buf *b, bool received)
{
	struct snapshot_writer w;

	buf_init(b, 1 << 20);
	snapshot_writer_init(&w, b);
	if (!received)
		snapshot_write_header(&w);
	snapshot_write_sessions(&w, 0);
	snapshot_write_acls(&w, 0);
	snapshot_write_node(
	    &w, &(struct snapshot_node){ .path = SLICE_LIT(""), .data = SLICE_LIT(""), .acl = -1 });
	if (received)
		snapshot_write_terminator(&w);
	else
		snapshot_write_end(&w);
}

static void
write_snapshot(struct world *w, uint64_t zxid, enum snapfile_form form)
{
	struct snapfile *file;
	struct buf b;

	ck_assert_int_eq(snapfile_new(&file, &w->disk, zxid, form, 0), 0);
	put_tree(&b, form == SNAPFILE_RECEIVED);
	ck_assert_int_eq(snapfile_data(file, buf_slice(&b)), 0);
	ck_assert_int_eq(snapfile_finish(file), 0);
	snapfile_free(file);
	buf_free(&b);
}

static void
take_snapshot(struct world *w, struct store *s, enum snapfile_form form)
{
	store_snapshot_begun(s);
	write_snapshot(w, store_durable(s), form);
	store_snapshot_ended(s, true, store_durable(s), 0);
}

/* From here to `changed` either history may be found. */
static void
change_to(struct world *w, uint64_t zxid, bool install)
{
	w->next = (struct history){ 0 };
	if (install)
		w->next.zxids[w->next.n++] = zxid;
	for (size_t i = 0; !install && i < w->now.n && w->now.zxids[i] <= zxid; i++)
		w->next.zxids[w->next.n++] = w->now.zxids[i];
	w->next.least = w->next.n;
	/* A cut that did not finish may stand anywhere between. */
	if (!install)
		w->now.least = w->next.n;
	w->changing = true;
}

static void
changed(struct world *w)
{
	w->now = w->next;
	w->changing = false;
	explore(w, 0);
}

static void
truncate_to(struct world *w, struct store *s, uint64_t zxid)
{
	change_to(w, zxid, false);
	ck_assert_int_eq(store_truncate(s, zxid), 0);
	w->acked = zxid;
	changed(w);
	store_load_begun(s);
}

static void
install(struct world *w, struct store *s, uint64_t zxid)
{
	write_snapshot(w, zxid, SNAPFILE_RECEIVED);
	change_to(w, zxid, true);
	w->may_lack = zxid < w->acked;
	ck_assert_int_eq(store_install(s, zxid), 0);
	changed(w);
	store_load_begun(s);
}

static struct store *
open_store(struct world *w)
{
	struct store_settings set = settings();
	struct store *s = NULL;
	int ret = store_open(&s, &w->disk, &set, NULL, why);

	ck_assert_msg(ret == 0, "%s", why);
	return s;
}

/* An ensemble's member: writes, rolls, snapshots, purges, is cut, gets the leader's snapshot twice, and restarts. */
static void
work(struct world *w)
{
	uint64_t e1 = UINT64_C(1) << 32, e2 = UINT64_C(2) << 32, e3 = UINT64_C(3) << 32;
	struct store *s = open_store(w);

	do_chores(w, s); /* the reserve */
	set_epochs(w, s, 1, 0);
	set_epochs(w, s, 1, 1);
	append(w, s, e1 + 1, e1 + 6, 3);
	do_chores(w, s);                  /* space ahead */
	append(w, s, e1 + 7, e1 + 22, 4); /* and past it; the log is full */
	store_tick(s, STORE_MARK_MS);
	append(w, s, e1 + 23, e1 + 25, 1);
	do_chores(w, s); /* what is left of the former log's space */
	take_snapshot(w, s, SNAPFILE_PLAIN);
	append(w, s, e1 + 26, e1 + 29, 2);
	take_snapshot(w, s, SNAPFILE_GZ);
	append(w, s, e1 + 30, e1 + 31, 1);
	append(w, s, e1 + 32, e1 + 70, 8); /* two more logs */
	ck_assert_int_ge(purge_files(&w->disk, 2, NULL), 1);
	/* A leader that knows nothing of the last ones. */
	set_epochs(w, s, 2, 1);
	truncate_to(w, s, e1 + 30);
	set_epochs(w, s, 2, 2);
	append(w, s, e2 + 1, e2 + 5, 2);
	store_close(s);
	s = open_store(w);
	append(w, s, e2 + 6, e2 + 9, 4);
	/* One that sends a snapshot, which is older than what was acked here. */
	set_epochs(w, s, 3, 2);
	install(w, s, e2 + 4);
	append(w, s, e2 + 5, e2 + 6, 1);
	set_epochs(w, s, 3, 3);
	append(w, s, e3 + 1, e3 + 4, 2);
	take_snapshot(w, s, SNAPFILE_PLAIN);
	append(w, s, e3 + 5, e3 + 6, 1);
	take_snapshot(w, s, SNAPFILE_SNAPPY);
	install(w, s, e3 + 40);
	append(w, s, e3 + 41, e3 + 43, 1);
	take_snapshot(w, s, SNAPFILE_PLAIN);
	ck_assert_int_ge(purge_files(&w->disk, 2, NULL), 1);
	append(w, s, e3 + 44, e3 + 45, 1);
	store_close(s);
}

/* ---- The same steps in any order ---- */

static uint64_t
draw(struct world *w, uint64_t n)
{
	w->dice = w->dice * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (w->dice >> 33) % n;
}

static uint64_t
last_of(const struct world *w)
{
	return w->now.n == 0 ? 0 : w->now.zxids[w->now.n - 1];
}

static void
do_append(struct world *w, struct store *s)
{
	uint64_t last = last_of(w), n = 1 + draw(w, 12);
	uint64_t first = last >> 32 == w->current ? last + 1 : (uint64_t)w->current << 32 | 1;

	append(w, s, first, first + n - 1, 1 + (unsigned)draw(w, 10));
}

static void
do_snapshot(struct world *w, struct store *s)
{
	static const enum snapfile_form forms[] = { SNAPFILE_PLAIN, SNAPFILE_GZ, SNAPFILE_SNAPPY };

	if (store_durable(s) == last_of(w) && store_durable(s) > store_snapshot_zxid(s))
		take_snapshot(w, s, forms[draw(w, 3)]);
}

/* A leader of a new epoch: it has less, as much, or another history; then its epoch. */
static void
do_new_leader(struct world *w, struct store *s)
{
	size_t n = w->now.n, back = draw(w, n < 20 ? n + 1 : 20);
	uint64_t target = back == n ? 0 : w->now.zxids[n - 1 - back];
	uint32_t epoch = w->accepted + 1;

	set_epochs(w, s, epoch, w->current);
	if (draw(w, 2) == 0 && target >= store_snapshot_zxid(s))
		truncate_to(w, s, target);
	else if (draw(w, 2) == 0)
		install(w, s, target == 0 ? (uint64_t)w->current << 32 | 5 : target);
	set_epochs(w, s, epoch, epoch);
}

static void
do_purge(struct world *w, struct store *s)
{
	(void)s;
	ck_assert_int_ge(purge_files(&w->disk, 2, NULL), 0);
}

static void
do_mark(struct world *w, struct store *s)
{
	(void)w;
	store_tick(s, STORE_MARK_MS);
}

static void
work_at_random(struct world *w)
{
	static void (*const steps[])(struct world *, struct store *) = { do_append,   do_append,    do_append,
									 do_snapshot, do_chores,    do_mark,
									 do_purge,    do_new_leader };
	struct store *s = open_store(w);

	set_epochs(w, s, 1, 1);
	for (int i = 0; i < 40 && w->now.n < HISTORY_MAX - 20; i++) {
		if (draw(w, 10) == 0) {
			store_close(s);
			s = open_store(w);
			continue;
		}
		steps[draw(w, sizeof steps / sizeof *steps)](w, s);
	}
	store_close(s);
}

static unsigned
number_from(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : (unsigned)atoi(text);
}

START_TEST(every_call)
{
	struct world *w = mem_zalloc(1, sizeof *w);

	fake_disk_init(&w->under, _i % 2 == 0, 5);
	w->disk = w->under.disk;
	w->disk.ops = &recording;
	w->loose = mem_zalloc(PIECES_MAX, sizeof *w->loose);
	w->bits = number_from("POWER_BITS", _i < 2 ? WRITTEN_BITS : RANDOM_BITS);
	w->random = 1;
	w->dice = (uint64_t)_i;
	if (_i < 2)
		work(w);
	else
		work_at_random(w);
	printf("workload %d: %lu calls, %lu states; at %lu moments all subsets, at %lu so many pieces were "
	       "loose (up "
	       "to %zu) that "
	       "some were chosen\n",
	       _i, (unsigned long)w->under.calls, (unsigned long)w->states, (unsigned long)w->exhausted,
	       (unsigned long)w->sampled, w->most);
	ck_assert_uint_gt(w->exhausted, 100);
	free_platter(&w->kept);
	fake_disk_free(&w->under);
	mem_free(w->loose);
	mem_free(w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("power");
	TCase *t = tcase_create("power");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(t, every_call, 0, 2 + (int)number_from("POWER_SEEDS", DEFAULT_SEEDS));
	tcase_set_timeout(t, getenv("POWER_SEEDS") == NULL ? 300 : 0);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
