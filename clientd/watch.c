/*
 * See watch.h. Invariants: a record lies in exactly two lists, that of its path and that of its owner; its modes are
 * never 0; a path with no record is gone from the table; nmode[] counts the records that have each mode, `data` of the
 * registers, of a path and of an owner those records that are more than a child watch.
 */
#include "watch.h"

#include <string.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"

enum { CHUNK_BITS = 10, CHUNK_RECORDS = 1 << CHUNK_BITS };

struct path {
	struct table_entry entry;
	uint32_t first; /* its records */
	uint32_t count, data;
	uint32_t len;
	uint8_t text[];
};

/* Links are record numbers; 0 is none, so record 0 is never handed out. */
struct record {
	struct path *path;
	uint32_t path_next, path_prev;
	uint32_t own_next, own_prev; /* own_next also links the free list */
	uint32_t owner;              /* slot */
	uint32_t modes;
};

struct watches {
	struct table paths;
	uint8_t seed[16];
	struct record **chunks;
	uint32_t nchunks, nrecords; /* numbers handed out so far, free ones included */
	uint32_t live;              /* records in use */
	uint32_t free;
	struct watcher **owners;
	uint32_t nowners, cap_owners;
	uint32_t *free_owners;
	uint32_t nfree_owners;
	uint64_t trigger;
	uint64_t nmode[WATCH_MODES];
	struct watch_summary data;
	uint64_t path_bytes;
};

static bool
match_path(const struct table_entry *e, const void *key)
{
	const struct path *p = container_of(e, const struct path, entry);
	const struct slice *text = key;

	return slice_equal(slice_of(p->text, p->len), *text);
}

static struct path *
find_path(const struct watches *w, struct slice text)
{
	struct table_entry *e = table_find(&w->paths, table_hash(text, w->seed), match_path, &text);

	return e == NULL ? NULL : container_of(e, struct path, entry);
}

static struct path *
make_path(struct watches *w, struct slice text)
{
	struct path *p = mem_alloc(sizeof *p + text.len);

	p->first = p->count = p->data = 0;
	p->len = (uint32_t)text.len;
	memcpy(p->text, text.data, text.len);
	table_insert(&w->paths, &p->entry, table_hash(text, w->seed));
	w->path_bytes += sizeof *p + text.len;
	return p;
}

static void
drop_path(struct watches *w, struct path *p)
{
	w->path_bytes -= sizeof *p + p->len;
	table_remove(&w->paths, &p->entry);
	mem_free(p);
}

static struct record *
record_at(const struct watches *w, uint32_t n)
{
	return &w->chunks[n >> CHUNK_BITS][n & (CHUNK_RECORDS - 1)];
}

static uint32_t
take_record(struct watches *w)
{
	uint32_t n = w->free;

	w->live++;
	if (n != 0) {
		w->free = record_at(w, n)->own_next;
		return n;
	}
	ASSERT(w->nrecords < UINT32_MAX);
	n = w->nrecords++;
	if (n >> CHUNK_BITS == w->nchunks) {
		w->chunks = mem_realloc(w->chunks, (w->nchunks + 1) * sizeof *w->chunks);
		w->chunks[w->nchunks++] = mem_alloc(CHUNK_RECORDS * sizeof(struct record));
	}
	return n;
}

/* ZooKeeper's data table has a row for what is more than a child watch. */
static bool
is_data(unsigned modes)
{
	return (modes & ~(unsigned)WATCH_CHILD) != 0;
}

static void
count_data(struct watches *w, struct record *r, bool add)
{
	struct watcher *owner = w->owners[r->owner - 1];

	if (add) {
		w->data.watches++;
		w->data.paths += r->path->data++ == 0;
		w->data.connections += owner->data++ == 0;
	} else {
		w->data.watches--;
		w->data.paths -= --r->path->data == 0;
		w->data.connections -= --owner->data == 0;
	}
}

/* All counts follow. */
static void
set_modes(struct watches *w, struct record *r, unsigned modes)
{
	for (int i = 0; i < WATCH_MODES; i++)
		w->nmode[i] += (uint64_t)((int)(modes >> i & 1) - (int)(r->modes >> i & 1));
	if (is_data(modes) != is_data(r->modes))
		count_data(w, r, is_data(modes));
	r->modes = modes;
}

/* The record of (owner, path): the shorter of the two lists is searched. */
static uint32_t
find_record(const struct watches *w, const struct watcher *owner, const struct path *p)
{
	uint32_t n;

	if (owner->count <= p->count) {
		for (n = owner->first; n != 0 && record_at(w, n)->path != p; n = record_at(w, n)->own_next)
			;
	} else {
		for (n = p->first; n != 0 && record_at(w, n)->owner != owner->slot;
		     n = record_at(w, n)->path_next)
			;
	}
	return n;
}

static void
link_record(struct watches *w, uint32_t n, struct watcher *owner, struct path *p)
{
	struct record *r = record_at(w, n);

	*r = (struct record){
		.path = p, .owner = owner->slot, .path_next = p->first, .own_next = owner->first
	};
	if (p->first != 0)
		record_at(w, p->first)->path_prev = n;
	if (owner->first != 0)
		record_at(w, owner->first)->own_prev = n;
	p->first = owner->first = n;
	p->count++;
	owner->count++;
}

static void
unlink_from_path(struct watches *w, struct record *r)
{
	struct path *p = r->path;

	if (r->path_prev != 0)
		record_at(w, r->path_prev)->path_next = r->path_next;
	else
		p->first = r->path_next;
	if (r->path_next != 0)
		record_at(w, r->path_next)->path_prev = r->path_prev;
	p->count--;
}

static void
unlink_from_owner(struct watches *w, struct record *r)
{
	struct watcher *owner = w->owners[r->owner - 1];

	if (r->own_prev != 0)
		record_at(w, r->own_prev)->own_next = r->own_next;
	else
		owner->first = r->own_next;
	if (r->own_next != 0)
		record_at(w, r->own_next)->own_prev = r->own_prev;
	owner->count--;
}

/* Nobody watches anything: what a crowd of watchers took is given back. */
static void
forget_records(struct watches *w)
{
	while (w->nchunks > 1)
		mem_free(w->chunks[--w->nchunks]);
	w->nrecords = 1;
	w->free = 0;
}

/* Takes the record out of both lists; its path stays, even when nobody watches it any more. */
static void
free_record(struct watches *w, uint32_t n)
{
	struct record *r = record_at(w, n);

	unlink_from_path(w, r);
	unlink_from_owner(w, r);
	r->own_next = w->free;
	w->free = n;
	if (--w->live == 0)
		forget_records(w);
}

struct watches *
watch_create(const uint8_t seed[16])
{
	struct watches *w = mem_zalloc(1, sizeof *w);

	table_init(&w->paths);
	memcpy(w->seed, seed, sizeof w->seed);
	w->nrecords = 1;
	w->chunks = mem_alloc(sizeof *w->chunks);
	w->chunks[w->nchunks++] = mem_alloc(CHUNK_RECORDS * sizeof(struct record));
	return w;
}

static void
free_path(struct table_entry *e, void *ctx)
{
	(void)ctx;
	mem_free(container_of(e, struct path, entry));
}

void
watch_destroy(struct watches *w)
{
	table_each(&w->paths, free_path, NULL);
	table_free(&w->paths);
	for (uint32_t i = 0; i < w->nchunks; i++)
		mem_free(w->chunks[i]);
	mem_free(w->chunks);
	mem_free(w->owners);
	mem_free(w->free_owners);
	mem_free(w);
}

void
watch_join(struct watches *w, struct watcher *owner)
{
	uint32_t i;

	*owner = (struct watcher){ 0 };
	if (w->nfree_owners > 0) {
		i = w->free_owners[--w->nfree_owners];
	} else {
		if (w->nowners == w->cap_owners) {
			w->cap_owners = w->cap_owners == 0 ? 64 : w->cap_owners * 2;
			w->owners = mem_realloc(w->owners, w->cap_owners * sizeof *w->owners);
			w->free_owners = mem_realloc(w->free_owners, w->cap_owners * sizeof *w->free_owners);
		}
		i = w->nowners++;
	}
	w->owners[i] = owner;
	owner->slot = i + 1;
}

void
watch_leave(struct watches *w, struct watcher *owner)
{
	if (owner->slot == 0)
		return;
	while (owner->first != 0) {
		struct record *r = record_at(w, owner->first);
		struct path *p = r->path;

		set_modes(w, r, 0);
		free_record(w, owner->first);
		if (p->first == 0)
			drop_path(w, p);
	}
	w->owners[owner->slot - 1] = NULL;
	w->free_owners[w->nfree_owners++] = owner->slot - 1;
	owner->slot = 0;
}

void
watch_add(struct watches *w, struct watcher *owner, struct slice path, unsigned modes)
{
	struct path *p = find_path(w, path);
	uint32_t n = p == NULL ? 0 : find_record(w, owner, p);

	ASSERT(owner->slot != 0 && modes != 0 && modes <= WATCH_ALL_MODES);
	if (p == NULL)
		p = make_path(w, path);
	if (n == 0) {
		n = take_record(w);
		link_record(w, n, owner, p);
	}
	struct record *r = record_at(w, n);
	set_modes(w, r, r->modes | modes);
}

unsigned
watch_modes(const struct watches *w, const struct watcher *owner, struct slice path)
{
	const struct path *p = find_path(w, path);
	uint32_t n = p == NULL || owner->slot == 0 ? 0 : find_record(w, owner, p);

	return n == 0 ? 0 : record_at(w, n)->modes;
}

/* Takes modes off record n and frees it when none is left; returns those that were there. */
static unsigned
take_modes(struct watches *w, uint32_t n, unsigned modes)
{
	struct record *r = record_at(w, n);

	modes &= r->modes;
	set_modes(w, r, r->modes & ~modes);
	if (r->modes == 0)
		free_record(w, n);
	return modes;
}

unsigned
watch_remove(struct watches *w, struct watcher *owner, struct slice path, unsigned modes)
{
	struct path *p = find_path(w, path);
	uint32_t n = p == NULL || owner->slot == 0 ? 0 : find_record(w, owner, p);
	unsigned had;

	if (n == 0)
		return 0;
	had = take_modes(w, n, modes);
	if (p->first == 0)
		drop_path(w, p);
	return had;
}

/* Which modes an event on the watched path itself reaches. */
static const unsigned reached[] = {
	[ZK_EVENT_CREATED] = WATCH_DATA | WATCH_PERSISTENT | WATCH_RECURSIVE,
	[ZK_EVENT_DELETED] = WATCH_ALL_MODES,
	[ZK_EVENT_DATA_CHANGED] = WATCH_DATA | WATCH_PERSISTENT | WATCH_RECURSIVE,
	[ZK_EVENT_CHILDREN_CHANGED] = WATCH_CHILD | WATCH_PERSISTENT,
};

static void
tell(struct watches *w, uint32_t slot, watch_hit *hit, void *ctx)
{
	struct watcher *owner = w->owners[slot - 1];

	if (owner->told == w->trigger)
		return;
	owner->told = w->trigger;
	hit(ctx, owner);
}

static void
fire_path(struct watches *w, struct path *p, unsigned modes, watch_hit *hit, void *ctx)
{
	for (uint32_t n = p->first, next; n != 0; n = next) {
		struct record *r = record_at(w, n);

		next = r->path_next;
		if ((r->modes & modes) == 0)
			continue;
		tell(w, r->owner, hit, ctx);
		take_modes(w, n, modes & (WATCH_DATA | WATCH_CHILD));
	}
	if (p->first == 0)
		drop_path(w, p);
}

/* The parent of path, or the null slice behind the root. */
static struct slice
parent_of(struct slice path)
{
	if (path.len <= 1)
		return SLICE_NULL;
	do
		path.len--;
	while (path.len > 0 && path.data[path.len] != '/');
	return path.len == 0 ? SLICE_LIT("/") : path;
}

void
watch_fire(struct watches *w, struct slice path, enum zk_event event, watch_hit *hit, void *ctx)
{
	struct path *p = find_path(w, path);

	w->trigger++;
	if (p != NULL)
		fire_path(w, p, reached[event], hit, ctx);
	if (event == ZK_EVENT_CHILDREN_CHANGED || w->nmode[3] == 0)
		return;
	for (struct slice up = parent_of(path); up.data != NULL; up = parent_of(up)) {
		p = find_path(w, up);
		if (p != NULL)
			fire_path(w, p, WATCH_RECURSIVE, hit, ctx);
	}
}

uint64_t
watch_total(const struct watches *w)
{
	return w->nmode[0] + w->nmode[1] + 2 * w->nmode[2] + w->nmode[3];
}

void
watch_summarize(const struct watches *w, struct watch_summary *s)
{
	*s = w->data;
}

/* ---- All of them ---- */

struct tour {
	const struct watches *w;
	watch_visit *visit;
	void *ctx;
};

static bool
visit_path(const struct table_entry *e, void *ctx)
{
	const struct tour *t = ctx;
	const struct path *p = container_of(e, const struct path, entry);
	const struct record *r;

	for (uint32_t n = p->first; n != 0; n = r->path_next) {
		r = record_at(t->w, n);
		if (!t->visit(t->ctx, t->w->owners[r->owner - 1], slice_of(p->text, p->len), r->modes))
			return false;
	}
	return true;
}

void
watch_each_by_path(const struct watches *w, watch_visit *visit, void *ctx)
{
	struct tour t = { w, visit, ctx };

	table_each_while(&w->paths, visit_path, &t);
}

static bool
visit_owner(const struct tour *t, const struct watcher *owner)
{
	const struct record *r;

	for (uint32_t n = owner->first; n != 0; n = r->own_next) {
		r = record_at(t->w, n);
		if (!t->visit(t->ctx, owner, slice_of(r->path->text, r->path->len), r->modes))
			return false;
	}
	return true;
}

void
watch_each_by_owner(const struct watches *w, watch_visit *visit, void *ctx)
{
	struct tour t = { w, visit, ctx };

	for (uint32_t i = 0; i < w->nowners; i++)
		if (w->owners[i] != NULL && !visit_owner(&t, w->owners[i]))
			return;
}

uint64_t
watch_bytes(const struct watches *w)
{
	return w->path_bytes + (uint64_t)w->nchunks * CHUNK_RECORDS * sizeof(struct record) +
	       w->paths.nslots * sizeof(void *) +
	       w->cap_owners * (sizeof *w->owners + sizeof *w->free_owners);
}
