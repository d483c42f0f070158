/* See store_kit.h. */
#include "store_kit.h"

#include <check.h>
#include <stdio.h>

#include "base/bytes.h"
#include "disk/snapshot.h"
#include "ear.h"

const struct store_settings ordinary = {
	.snap_count = 100,
	.prealloc_bytes = 8192,
	.force_sync = true,
	.sync_warning_ms = 1000,
	.db_autocreate = true,
	.seed = 7,
};

char why[FILES_TEXT_BYTES];

struct trace *
listener(void)
{
	static unsigned n;

	return n++ % 2 == 0 ? &ear : NULL;
}

void
fill_txn(uint8_t txn[TXN_BYTES], uint64_t zxid)
{
	memset(txn, (int)(zxid * 31 | 1), TXN_BYTES);
	put_be64(txn, 7);
	put_be32(txn + 8, 1);
	put_be64(txn + 12, zxid);
	put_be64(txn + 20, 1000);
	put_be32(txn + 28, 5);
}

int
append(struct store *s, uint64_t zxid)
{
	uint8_t txn[TXN_BYTES];

	fill_txn(txn, zxid);
	return store_append(s, zxid, slice_of(txn, sizeof txn));
}

struct store *
must_open(struct fake_disk *f)
{
	struct store *s = NULL;
	int ret = store_open(&s, &f->disk, &ordinary, listener(), why);

	ck_assert_msg(ret == 0, "%d: %s", ret, why);
	return s;
}

void
append_range(struct store *s, uint64_t first, uint64_t last, uint64_t n)
{
	for (uint64_t z = first; z <= last; z++) {
		ck_assert_int_eq(append(s, z), 0);
		if ((z - first + 1) % n == 0 || z == last)
			ck_assert(store_commit(s, 0));
	}
	ck_assert_uint_eq(store_durable(s), last);
}

void
live_and_write(struct fake_disk *f, uint64_t first, uint64_t last)
{
	struct store *s = must_open(f);

	append_range(s, first, last, 1);
	store_close(s);
}

void
do_chores(struct fake_disk *f, struct store *s)
{
	struct store_chore c;

	while ((c = store_next_chore(s)).kind != STORE_NO_CHORE)
		store_chore_done(s, &c, store_do_chore(&f->disk, &c) == 0);
}

/* Loads */

static void
on_snapshot(void *ctx, uint64_t zxid)
{
	struct loaded *l = ctx;

	l->snapshots++;
	l->snapshot_zxid = l->last = zxid;
	l->in_snapshot = true;
	buf_reset(&l->data, SIZE_MAX);
}

static void
on_data(void *ctx, struct slice bytes)
{
	struct loaded *l = ctx;

	ck_assert(l->in_snapshot);
	buf_put_slice(&l->data, bytes);
}

static void
on_snapshot_end(void *ctx)
{
	struct loaded *l = ctx;

	l->in_snapshot = false;
}

static void
on_txn(void *ctx, uint64_t zxid, struct slice txn)
{
	struct loaded *l = ctx;
	uint8_t expected[TXN_BYTES];

	ck_assert(!l->in_snapshot && !l->ended);
	fill_txn(expected, zxid);
	ck_assert_uint_eq(txn.len, TXN_BYTES);
	ck_assert_mem_eq(txn.data, expected, TXN_BYTES);
	if (l->txns++ == 0)
		l->first = zxid;
	l->last = zxid;
}

static void
on_end(void *ctx, uint64_t zxid)
{
	struct loaded *l = ctx;

	l->ended = true;
	l->end = zxid;
}

static void
on_log(void *ctx, uint64_t zxid)
{
	struct loaded *l = ctx;

	ck_assert(l->snapshots == 0 && l->txns == 0 && !l->ended && !l->log);
	l->log = true;
	l->log_zxid = l->last = zxid;
}

const struct load_events collect = { on_snapshot, on_data, on_snapshot_end, on_txn, on_end, on_log };

int
load_all(struct fake_disk *f, const struct load_request *request, struct loaded *l)
{
	struct load *job;
	int ret;

	*l = (struct loaded){ .last = request->have };
	buf_init(&l->data, 1 << 24);
	job = load_new(&f->disk, request, &collect, l, listener());
	while ((ret = load_step(job)) > 0)
		;
	if (ret != 0)
		snprintf(why, sizeof why, "%s", load_error(job));
	load_free(job);
	buf_free(&l->data);
	return ret;
}

void
must_load(struct fake_disk *f, uint64_t upto, struct loaded *l)
{
	struct load_request request = { .upto = upto };
	int ret = load_all(f, &request, l);

	ck_assert_msg(ret == 0, "%d: %s", ret, why);
	ck_assert(l->ended);
	ck_assert_uint_eq(l->end, upto);
	ck_assert_uint_eq(l->last, upto);
}

void
make_snapshot(struct buf *b, uint64_t zxid)
{
	struct snapshot_writer w;

	buf_init(b, 1 << 20);
	snapshot_writer_init(&w, b);
	snapshot_write_header(&w);
	snapshot_write_sessions(&w, 1);
	snapshot_write_session(&w, (int64_t)zxid, 1000);
	snapshot_write_acls(&w, 0);
	snapshot_write_node(
	    &w, &(struct snapshot_node){ .path = SLICE_LIT(""), .data = SLICE_LIT(""), .acl = -1 });
	snapshot_write_end(&w);
}

int
write_snapshot(struct fake_disk *f, uint64_t zxid, enum snapfile_form form)
{
	struct snapfile *file;
	struct buf b;
	int ret = snapfile_new(&file, &f->disk, zxid, form, 0);

	if (ret != 0)
		return ret;
	make_snapshot(&b, zxid);
	ret = snapfile_data(file, buf_slice(&b));
	if (ret == 0)
		ret = snapfile_finish(file);
	snapfile_free(file);
	buf_free(&b);
	return ret;
}

void
make_stream(struct buf *b, uint64_t zxid)
{
	struct snapshot_writer w;

	buf_init(b, 1 << 20);
	snapshot_writer_init(&w, b);
	snapshot_write_sessions(&w, 1);
	snapshot_write_session(&w, (int64_t)zxid, 1000);
	snapshot_write_acls(&w, 0);
	snapshot_write_node(
	    &w, &(struct snapshot_node){ .path = SLICE_LIT(""), .data = SLICE_LIT(""), .acl = -1 });
	snapshot_write_terminator(&w);
}

int
receive_snapshot(struct fake_disk *f, uint64_t zxid)
{
	struct snapfile *file;
	struct buf b;
	int ret = snapfile_new(&file, &f->disk, zxid, SNAPFILE_RECEIVED, 0);

	if (ret != 0)
		return ret;
	make_stream(&b, zxid);
	for (size_t at = 0; at < buf_len(&b) && ret == 0; at += 7)
		ret = snapfile_data(file,
				    slice_of(buf_head(&b) + at, buf_len(&b) - at < 7 ? buf_len(&b) - at : 7));
	if (ret == 0)
		ret = snapfile_finish(file);
	snapfile_free(file);
	buf_free(&b);
	return ret;
}

void
scrub_all(struct fake_disk *f, uint64_t upto, struct scrub_result *r)
{
	struct scrub *s = scrub_new(&f->disk, upto, listener());
	int ret;

	while ((ret = scrub_step(s)) > 0)
		;
	ck_assert_int_eq(ret, 0);
	*r = *scrub_so_far(s);
	scrub_free(s);
}

void
flip(struct fake_disk *f, enum store_folder folder, const char *name, size_t at)
{
	fake_disk_find(f, folder, name)->cached[at] ^= 0x10;
}

struct store *
make_history(struct fake_disk *f)
{
	struct store *s = must_open(f);

	for (uint64_t z = 4; z <= 8; z += 4) {
		append_range(s, z - 3, z, 1);
		store_snapshot_begun(s);
		ck_assert_int_eq(write_snapshot(f, z, SNAPFILE_PLAIN), 0);
		store_snapshot_ended(s, true, z, 0);
	}
	append_range(s, 9, 12, 1);
	return s;
}
