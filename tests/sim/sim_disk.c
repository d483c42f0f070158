/* See sim_disk.h. Invariant: outside of [dirty_lo, dirty_hi) cached and kept content are the same. */
#include "sim_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"

enum { SYNC_MIN_US = 60, SYNC_MAX_US = 2500, CALL_US = 2 };

static struct disk_view *
view(struct store_disk *d)
{
	return container_of(d, struct disk_view, disk);
}

static enum store_folder
folder_of(enum store_folder folder)
{
	return folder == STORE_LOG ? STORE_SNAP : folder;
}

/* ---- Files and names ---- */

static void
unref(struct disk_file *f)
{
	if (f == NULL || --f->refs > 0)
		return;
	mem_free(f->cached);
	mem_free(f->kept);
	mem_free(f);
}

static void
set(struct disk_file **slot, struct disk_file *f)
{
	struct disk_file *old = *slot;

	if (f != NULL)
		f->refs++;
	*slot = f;
	unref(old);
}

static struct disk_name *
find(struct sim_disk *d, enum store_folder folder, const char *name)
{
	folder = folder_of(folder);
	for (int i = 0; i < DISK_NAMES; i++)
		if (d->names[i].folder == folder && strcmp(d->names[i].name, name) == 0)
			return &d->names[i];
	return NULL;
}

static struct disk_name *
make(struct sim_disk *d, enum store_folder folder, const char *name)
{
	struct disk_name *n = find(d, folder, name);

	if (n != NULL)
		return n;
	for (int i = 0; i < DISK_NAMES; i++) {
		n = &d->names[i];
		if (n->name[0] != '\0')
			continue;
		ASSERT(strlen(name) < sizeof n->name);
		strcpy(n->name, name);
		n->folder = folder_of(folder);
		return n;
	}
	ASSERT(!"room for a name");
	return NULL;
}

static void
forget(struct disk_name *n)
{
	if (n->cached != NULL || n->kept != NULL)
		return;
	n->name[0] = '\0';
	n->moved = 0;
}

static void
resize(uint8_t **data, uint64_t *size, uint64_t *cap, uint64_t to)
{
	IN_HEAP(NULL);

	if (to > *cap) {
		*cap = to < 4096 ? 4096 : to + to / 2;
		*data = mem_realloc(*data, *cap);
	}
	if (to > *size)
		memset(*data + *size, 0, to - *size);
	*size = to;
}

static void
dirty(struct disk_file *f, uint64_t lo, uint64_t hi)
{
	if (lo < f->dirty_lo)
		f->dirty_lo = lo;
	if (hi > f->dirty_hi)
		f->dirty_hi = hi;
}

static void
resize_cached(struct disk_file *f, uint64_t to)
{
	uint64_t from = f->cached_size;

	resize(&f->cached, &f->cached_size, &f->cached_cap, to);
	if (from != to)
		dirty(f, from < to ? from : to, from < to ? to : from);
}

static void
resize_kept(struct disk_file *f, uint64_t to)
{
	if (to < f->kept_size)
		f->shrunk++;
	resize(&f->kept, &f->kept_size, &f->kept_cap, to);
}

static void
clean(struct disk_file *f)
{
	f->dirty_lo = UINT64_MAX;
	f->dirty_hi = 0;
}

static void
keep_all(struct disk_file *f)
{
	uint64_t hi = f->dirty_hi < f->cached_size ? f->dirty_hi : f->cached_size;

	if (f->dirty_lo < f->kept_size)
		f->shrunk++;
	resize_kept(f, f->cached_size);
	if (f->dirty_lo < hi)
		memcpy(f->kept + f->dirty_lo, f->cached + f->dirty_lo, hi - f->dirty_lo);
	clean(f);
}

/* Any subset of what is dirty gets to the platter. */
static void
keep_some(struct sim *s, struct disk_file *f)
{
	uint64_t lo = f->kept_size < f->cached_size ? f->kept_size : f->cached_size;
	uint64_t hi = f->kept_size < f->cached_size ? f->cached_size : f->kept_size;
	uint64_t at, end;

	if (f->dirty_lo >= f->dirty_hi)
		return;
	f->shrunk++;
	switch (rng_below(&s->disk, 3)) {
	case 0:
		resize_kept(f, f->cached_size);
		break;
	case 1:
		break;
	default:
		resize_kept(f, rng_range(&s->disk, lo, hi));
	}
	end = f->dirty_hi;
	if (end > f->kept_size)
		end = f->kept_size;
	if (end > f->cached_size)
		end = f->cached_size;
	for (at = f->dirty_lo; at < end; at = (at / DISK_SECTOR + 1) * DISK_SECTOR) {
		uint64_t upto = (at / DISK_SECTOR + 1) * DISK_SECTOR;

		if (rng_once_in(&s->disk, 2))
			memcpy(f->kept + at, f->cached + at, (upto < end ? upto : end) - at);
	}
}

/* ---- Faults ---- */

/* Begins a call that changes something. False: the process has died before it. */
static bool
alive(struct disk_view *v)
{
	struct sim_disk *d = v->on;

	v->proc->spent_us += CALL_US;
	if (d->crash_in > 0 && --d->crash_in == 0 && !v->proc->dying) {
		sim_trace(d->sim, v->proc, "dies at a disk call", "failures=%llu",
			  (unsigned long long)d->failures);
		v->proc->dying = true;
	}
	return !v->proc->dying;
}

static int
failed(struct disk_view *v, int error, const char *what)
{
	v->on->failures++;
	sim_trace(v->on->sim, v->proc, "disk call fails", "call=%s error=%s", what, strerror(-error));
	return error;
}

/* ---- The calls ---- */

static int
disk_open(struct store_disk *disk, enum store_folder folder, const char *name, enum store_open how)
{
	struct disk_view *v = view(disk);
	struct sim_disk *d = v->on;
	struct disk_name *n = find(d, folder, name);
	struct disk_file *f;
	bool there = n != NULL && n->cached != NULL;

	if (how == STORE_CREATE && there)
		return -EEXIST;
	if (how != STORE_CREATE && !there)
		return -ENOENT;
	if (how == STORE_CREATE) {
		if (!alive(v))
			return -EIO;
		if (d->full)
			return failed(v, -ENOSPC, "create");
		f = heap_world_zalloc(1, sizeof *f);
		f->id = ++d->next_id;
		clean(f);
		n = make(d, folder, name);
		set(&n->cached, f);
	}
	for (int h = 0; h < DISK_HANDLES; h++) {
		if (v->handles[h] != NULL)
			continue;
		set(&v->handles[h], n->cached);
		return h;
	}
	return -EMFILE;
}

static struct disk_file *
file(struct store_disk *disk, int handle)
{
	struct disk_view *v = view(disk);

	ASSERT(handle >= 0 && handle < DISK_HANDLES && v->handles[handle] != NULL);
	return v->handles[handle];
}

static void
disk_close(struct store_disk *disk, int handle)
{
	file(disk, handle);
	set(&view(disk)->handles[handle], NULL);
}

static int
disk_info(struct store_disk *disk, int handle, struct store_info *info)
{
	const struct disk_file *f = file(disk, handle);

	*info = (struct store_info){ .size = f->cached_size, .id = f->id };
	return 0;
}

static int64_t
disk_read(struct store_disk *disk, int handle, uint64_t offset, void *data, size_t len)
{
	const struct disk_file *f = file(disk, handle);

	if (offset >= f->cached_size)
		return 0;
	if (len > f->cached_size - offset)
		len = (size_t)(f->cached_size - offset);
	memcpy(data, f->cached + offset, len);
	return (int64_t)len;
}

static int64_t
disk_next_data(struct store_disk *disk, int handle, uint64_t offset)
{
	const struct disk_file *f = file(disk, handle);
	uint64_t at = offset;

	while (at < f->cached_size && f->cached[at] == 0)
		at++;
	if (at >= f->cached_size)
		return (int64_t)(f->cached_size > offset ? f->cached_size : offset);
	at -= at % DISK_SECTOR;
	return (int64_t)(at > offset ? at : offset);
}

static int
disk_write(struct store_disk *disk, int handle, uint64_t offset, const void *data, size_t len)
{
	struct disk_view *v = view(disk);
	struct sim_disk *d = v->on;
	struct disk_file *f = file(disk, handle);
	int error = 0;

	if (!alive(v))
		error = -EIO;
	else if (d->fail_writes > 0) {
		d->fail_writes--;
		error = failed(v, -EIO, "write");
	} else if (d->full && offset + len > f->kept_size)
		error = failed(v, -ENOSPC, "write");
	if (error == 0 && sim_mutates(d->sim, MUTATE_LOST_APPEND, 50) && v->proc->kind == PROC_LOGD)
		return 0;
	if (error != 0)
		len = len == 0 ? 0 : (size_t)rng_below(&d->sim->disk, len);
	if (len == 0)
		return error;
	if (offset + len > f->cached_size)
		resize_cached(f, offset + len);
	memcpy(f->cached + offset, data, len);
	dirty(f, offset, offset + len);
	return error;
}

/* What has been written back counts as much as what has not. */
static int
disk_write_back(struct store_disk *d, int handle, uint64_t offset, uint64_t len)
{
	(void)d;
	(void)handle;
	(void)offset;
	(void)len;
	return 0;
}

static int
disk_sync(struct store_disk *disk, int handle)
{
	struct disk_view *v = view(disk);
	struct sim_disk *d = v->on;
	struct disk_file *f = file(disk, handle);
	bool log = v->proc->kind == PROC_LOGD;

	if (!alive(v))
		return -EIO;
	v->proc->spent_us += rng_range(&d->sim->disk, SYNC_MIN_US, SYNC_MAX_US) + d->slow_us;
	if (d->fail_syncs > 0) {
		d->fail_syncs--;
		keep_some(d->sim, f);
		/* As ext4 and others: the pages count as clean from now on. */
		clean(f);
		if (log && d->sim->mutation == MUTATE_RETRY_SYNC)
			return 0;
		return failed(v, -EIO, "sync");
	}
	if (log && d->sim->mutation == MUTATE_ACK_BEFORE_SYNC)
		return 0;
	if (!log && d->sim->mutation == MUTATE_NO_SNAPSHOT_SYNC)
		return 0;
	keep_all(f);
	return 0;
}

static int
disk_truncate(struct store_disk *disk, int handle, uint64_t size)
{
	struct disk_view *v = view(disk);
	struct disk_file *f = file(disk, handle);

	if (!alive(v))
		return -EIO;
	if (v->on->sim->mutation == MUTATE_NO_CUT && size < f->cached_size)
		return 0;
	resize_cached(f, size);
	return 0;
}

static int
disk_allocate(struct store_disk *disk, int handle, uint64_t size)
{
	struct disk_view *v = view(disk);

	if (v->on->full)
		return failed(v, -ENOSPC, "allocate");
	return size > file(disk, handle)->cached_size ? disk_truncate(disk, handle, size) : 0;
}

static int
disk_rename(struct store_disk *disk, enum store_folder folder, const char *from, const char *to)
{
	struct disk_view *v = view(disk);
	struct disk_name *a = find(v->on, folder, from), *b;

	if (a == NULL || a->cached == NULL)
		return -ENOENT;
	if (!alive(v))
		return -EIO;
	b = make(v->on, folder, to);
	set(&b->cached, a->cached);
	set(&a->cached, NULL);
	if (a->moved == 0)
		a->moved = ++v->on->next_move;
	b->moved = a->moved;
	forget(a);
	return 0;
}

static int
disk_remove(struct store_disk *disk, enum store_folder folder, const char *name)
{
	struct disk_view *v = view(disk);
	struct disk_name *n = find(v->on, folder, name);

	if (n == NULL || n->cached == NULL)
		return -ENOENT;
	if (!alive(v))
		return -EIO;
	set(&n->cached, NULL);
	forget(n);
	return 0;
}

static int
disk_sync_folder(struct store_disk *disk, enum store_folder folder)
{
	struct disk_view *v = view(disk);
	struct sim_disk *d = v->on;

	if (!alive(v))
		return -EIO;
	v->proc->spent_us += rng_range(&d->sim->disk, SYNC_MIN_US, SYNC_MAX_US);
	if (d->fail_syncs > 0) {
		d->fail_syncs--;
		return failed(v, -EIO, "sync of the folder");
	}
	if (d->sim->mutation == MUTATE_FORGET_FOLDER_SYNC)
		return 0;
	for (int i = 0; i < DISK_NAMES; i++) {
		struct disk_name *n = &d->names[i];

		if (n->name[0] == '\0' || n->folder != folder_of(folder))
			continue;
		set(&n->kept, n->cached);
		n->moved = 0;
		forget(n);
	}
	return 0;
}

static int
disk_space(struct store_disk *disk, enum store_folder folder, uint64_t *free_bytes)
{
	(void)folder;
	*free_bytes = view(disk)->on->full ? 0 : UINT64_C(1) << 40;
	return 0;
}

static int
disk_list(struct store_disk *disk, enum store_folder folder, int (*visit)(void *ctx, const char *name),
	  void *ctx)
{
	struct sim_disk *d = view(disk)->on;
	int ret = 0;

	for (int i = 0; i < DISK_NAMES && ret == 0; i++) {
		const struct disk_name *n = &d->names[i];

		if (n->name[0] != '\0' && n->cached != NULL && n->folder == folder_of(folder))
			ret = visit(ctx, n->name);
	}
	return ret;
}

static uint64_t
disk_now_us(struct store_disk *disk)
{
	struct disk_view *v = view(disk);

	return v->on->sim->now_us + v->proc->spent_us;
}

static const struct store_disk_ops disk_ops = {
	.open = disk_open,
	.close = disk_close,
	.info = disk_info,
	.read = disk_read,
	.next_data = disk_next_data,
	.write = disk_write,
	.write_back = disk_write_back,
	.sync = disk_sync,
	.truncate = disk_truncate,
	.allocate = disk_allocate,
	.rename = disk_rename,
	.remove = disk_remove,
	.sync_folder = disk_sync_folder,
	.space = disk_space,
	.list = disk_list,
	.now_us = disk_now_us,
};

/* ---- Life ---- */

void
sim_disk_init(struct sim_disk *d, struct sim *s)
{
	*d = (struct sim_disk){ .sim = s };
}

void
sim_disk_free(struct sim_disk *d)
{
	for (int i = 0; i < DISK_NAMES; i++) {
		set(&d->names[i].cached, NULL);
		set(&d->names[i].kept, NULL);
	}
}

void
disk_view_init(struct disk_view *v, struct sim_disk *d, struct proc *p)
{
	*v = (struct disk_view){
		.disk = { .ops = &disk_ops,
			  .one_folder = true,
			  .in_place = true,
			  .names = { "/data", "/data", "/top" } },
		.on = d,
		.proc = p,
	};
}

void
disk_view_drop(struct disk_view *v)
{
	for (int h = 0; h < DISK_HANDLES; h++)
		set(&v->handles[h], NULL);
}

/* Whether what a name was before the last sync is what it is after the power came back. */
static bool
is_old(struct sim_disk *d, const struct disk_name *n)
{
	bool old = rng_once_in(&d->sim->disk, 2);

	/* Both names of a rename share its fate, as journals have it. */
	if (n->moved == 0)
		return old;
	return ((n->moved ^ d->sim->now_us) * UINT64_C(0x9e3779b97f4a7c15)) >> 63;
}

void
sim_disk_power_loss(struct sim_disk *d)
{
	struct disk_file *done[2 * DISK_NAMES];
	size_t ndone = 0;

	for (int i = 0; i < DISK_NAMES; i++) {
		struct disk_name *n = &d->names[i];

		if (n->name[0] == '\0')
			continue;
		set(&n->kept, is_old(d, n) ? n->kept : n->cached);
		set(&n->cached, n->kept);
		n->moved = 0;
		forget(n);
	}
	for (int i = 0; i < DISK_NAMES; i++) {
		struct disk_file *f = d->names[i].cached;
		bool seen = false;

		if (f == NULL)
			continue;
		for (size_t k = 0; k < ndone; k++)
			seen |= done[k] == f;
		if (seen)
			continue;
		done[ndone++] = f;
		keep_some(d->sim, f);
		resize(&f->cached, &f->cached_size, &f->cached_cap, f->kept_size);
		if (f->kept_size > 0)
			memcpy(f->cached, f->kept, f->kept_size);
		clean(f);
	}
}
