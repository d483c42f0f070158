/* See fake_disk.h. Invariant: `kept` is what a reader finds after a power loss right now if nothing more was lucky. */
#include "fake_disk.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"

static struct fake_disk *
self(struct store_disk *d)
{
	return container_of(d, struct fake_disk, disk);
}

uint64_t
fake_disk_random(struct fake_disk *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return f->random;
}

static enum store_folder
folder_of(const struct fake_disk *f, enum store_folder folder)
{
	return f->disk.one_folder && folder == STORE_LOG ? STORE_SNAP : folder;
}

/* Counts a call; whether it is one that fails. */
static bool
fails(struct fake_disk *f)
{
	uint64_t n = ++f->calls, last = f->fault_at;

	if (f->fault_at == 0)
		return false;
	if (f->fault == FAKE_FAIL_SOME)
		last += 9;
	if (n < f->fault_at || (n > last && f->fault != FAKE_CRASH))
		return false;
	f->faulted = true;
	return true;
}

/* The same for a call that changes nothing. */
static bool
blind(struct fake_disk *f)
{
	if (++f->looks != f->blind_at)
		return false;
	f->faulted = true;
	return true;
}

static struct fake_name *
find_name(struct fake_disk *f, enum store_folder folder, const char *name)
{
	folder = folder_of(f, folder);
	for (int i = 0; i < FAKE_FILES; i++)
		if (f->names[i].folder == folder && strcmp(f->names[i].name, name) == 0)
			return &f->names[i];
	return NULL;
}

static struct fake_name *
make_name(struct fake_disk *f, enum store_folder folder, const char *name)
{
	struct fake_name *n = find_name(f, folder, name);

	if (n != NULL)
		return n;
	for (int i = 0; i < FAKE_FILES; i++) {
		n = &f->names[i];
		if (n->name[0] != '\0')
			continue;
		ASSERT(strlen(name) < sizeof n->name);
		strcpy(n->name, name);
		n->folder = folder_of(f, folder);
		n->cached = n->kept = -1;
		return n;
	}
	ASSERT(!"room for a name");
	return NULL;
}

static void
unref(struct fake_disk *f, int file)
{
	struct fake_file *p;

	if (file < 0)
		return;
	p = &f->files[file];
	if (--p->refs > 0)
		return;
	mem_free(p->cached);
	mem_free(p->kept);
	*p = (struct fake_file){ 0 };
}

static int
ref(struct fake_disk *f, int file)
{
	if (file >= 0)
		f->files[file].refs++;
	return file;
}

static void
set_name(struct fake_disk *f, int *slot, int file)
{
	int old = *slot;

	*slot = ref(f, file);
	unref(f, old);
}

static void
forget_name(struct fake_name *n)
{
	if (n->cached >= 0 || n->kept >= 0)
		return;
	n->name[0] = '\0';
	n->moved = 0;
}

static int
make_file(struct fake_disk *f)
{
	for (int i = 0; i < FAKE_FILES; i++) {
		if (f->files[i].id != 0)
			continue;
		f->files[i].id = ++f->next_id;
		f->files[i].dirty_lo = UINT64_MAX;
		return i;
	}
	ASSERT(!"room for a file");
	return -1;
}

static void
resize(uint8_t **data, uint64_t *size, uint64_t to)
{
	*data = mem_realloc(*data, to);
	if (to > *size)
		memset(*data + *size, 0, to - *size);
	*size = to;
}

static void
dirty(struct fake_file *p, uint64_t lo, uint64_t hi)
{
	if (lo < p->dirty_lo)
		p->dirty_lo = lo;
	if (hi > p->dirty_hi)
		p->dirty_hi = hi;
}

static void
clean(struct fake_file *p)
{
	p->dirty_lo = UINT64_MAX;
	p->dirty_hi = 0;
}

static uint64_t
space_left(const struct fake_disk *f)
{
	uint64_t used = 0;

	for (int i = 0; i < FAKE_FILES; i++)
		used += f->files[i].cached_size;
	if (f->capacity == 0)
		return UINT64_MAX;
	return used < f->capacity ? f->capacity - used : 0;
}

static void
resize_cached(struct fake_file *p, uint64_t to)
{
	uint64_t from = p->cached_size;

	resize(&p->cached, &p->cached_size, to);
	dirty(p, from < to ? from : to, from < to ? to : from);
}

static int
fake_open(struct store_disk *d, enum store_folder folder, const char *name, enum store_open how)
{
	struct fake_disk *f = self(d);
	struct fake_name *n = find_name(f, folder, name);
	bool there = n != NULL && n->cached >= 0;

	if (how == STORE_CREATE && there)
		return -EEXIST;
	if (how != STORE_CREATE && !there)
		return -ENOENT;
	if (how != STORE_CREATE && blind(f))
		return -f->error;
	if (how == STORE_CREATE) {
		if (fails(f))
			return -f->error;
		n = make_name(f, folder, name);
		set_name(f, &n->cached, make_file(f));
	}
	for (int h = 0; h < FAKE_FILES; h++) {
		if (f->handles[h] >= 0)
			continue;
		f->handles[h] = ref(f, n->cached);
		return h;
	}
	return -EMFILE;
}

static struct fake_file *
file_of(struct fake_disk *f, int handle)
{
	ASSERT(handle >= 0 && handle < FAKE_FILES && f->handles[handle] >= 0);
	return &f->files[f->handles[handle]];
}

static void
fake_close(struct store_disk *d, int handle)
{
	struct fake_disk *f = self(d);

	file_of(f, handle);
	unref(f, f->handles[handle]);
	f->handles[handle] = -1;
}

static int
fake_info(struct store_disk *d, int handle, struct store_info *info)
{
	struct fake_file *p = file_of(self(d), handle);

	if (blind(self(d)))
		return -self(d)->error;
	*info = (struct store_info){ .size = p->cached_size, .id = p->id };
	return 0;
}

static int64_t
fake_read(struct store_disk *d, int handle, uint64_t offset, void *data, size_t len)
{
	struct fake_file *p = file_of(self(d), handle);

	if (blind(self(d)))
		return -self(d)->error;
	if (offset >= p->cached_size)
		return 0;
	if (len > p->cached_size - offset)
		len = p->cached_size - offset;
	memcpy(data, p->cached + offset, len);
	return (int64_t)len;
}

/* Finds holes as a file system does: whole sectors of zeros. */
static int64_t
fake_next_data(struct store_disk *d, int handle, uint64_t offset)
{
	struct fake_file *p = file_of(self(d), handle);
	uint64_t at = offset;

	if (blind(self(d)))
		return -self(d)->error;
	while (at < p->cached_size && p->cached[at] == 0)
		at++;
	if (at >= p->cached_size)
		return (int64_t)(p->cached_size > offset ? p->cached_size : offset);
	at -= at % FAKE_SECTOR;
	return (int64_t)(at > offset ? at : offset);
}

static int
fake_write(struct store_disk *d, int handle, uint64_t offset, const void *data, size_t len)
{
	struct fake_disk *f = self(d);
	struct fake_file *p = file_of(f, handle);
	bool bad = fails(f);

	if (!bad && offset + len > p->cached_size && offset + len - p->cached_size > space_left(f))
		return -ENOSPC;
	if (bad)
		len = len == 0 ? 0 : fake_disk_random(f) % len;
	if (len > 0 && offset + len > p->cached_size)
		resize_cached(p, offset + len);
	if (len > 0) {
		memcpy(p->cached + offset, data, len);
		dirty(p, offset, offset + len);
	}
	return bad ? -f->error : 0;
}

/* Any subset of what differs between cache and platter gets there. */
static void
keep_some(struct fake_disk *f, struct fake_file *p)
{
	uint64_t low = p->kept_size < p->cached_size ? p->kept_size : p->cached_size;
	uint64_t high = p->kept_size < p->cached_size ? p->cached_size : p->kept_size;

	switch (fake_disk_random(f) % 3) {
	case 0:
		resize(&p->kept, &p->kept_size, p->cached_size);
		break;
	case 1:
		break;
	default:
		resize(&p->kept, &p->kept_size, low + (high > low ? fake_disk_random(f) % (high - low) : 0));
	}
	for (uint64_t at = 0; at < p->kept_size && at < p->cached_size; at += FAKE_SECTOR) {
		uint64_t n = FAKE_SECTOR;
		if (fake_disk_random(f) % 2 == 0 || at + n <= p->dirty_lo || at >= p->dirty_hi)
			continue;
		if (n > p->kept_size - at)
			n = p->kept_size - at;
		if (n > p->cached_size - at)
			n = p->cached_size - at;
		memcpy(p->kept + at, p->cached + at, n);
	}
}

/* What has been written back counts as much as what has not. */
static int
fake_write_back(struct store_disk *d, int handle, uint64_t offset, uint64_t len)
{
	(void)d;
	(void)handle;
	(void)offset;
	(void)len;
	return 0;
}

static int
fake_sync(struct store_disk *d, int handle)
{
	struct fake_disk *f = self(d);
	struct fake_file *p = file_of(f, handle);

	f->clock_us += f->sync_us;
	if (fails(f)) {
		/* As ext4 and others: the pages count as clean from now on, whatever reached the platter. */
		if (f->fault != FAKE_CRASH) {
			keep_some(f, p);
			clean(p);
		}
		return -f->error;
	}
	resize(&p->kept, &p->kept_size, p->cached_size);
	if (p->dirty_hi > p->cached_size)
		p->dirty_hi = p->cached_size;
	if (p->dirty_lo < p->dirty_hi)
		memcpy(p->kept + p->dirty_lo, p->cached + p->dirty_lo, p->dirty_hi - p->dirty_lo);
	clean(p);
	return 0;
}

static int
fake_truncate(struct store_disk *d, int handle, uint64_t size)
{
	struct fake_disk *f = self(d);
	struct fake_file *p = file_of(f, handle);

	if (fails(f))
		return -f->error;
	resize_cached(p, size);
	return 0;
}

static int
fake_allocate(struct store_disk *d, int handle, uint64_t size)
{
	struct fake_file *p = file_of(self(d), handle);

	if (size > p->cached_size && size - p->cached_size > space_left(self(d)))
		return -ENOSPC;
	return size > p->cached_size ? fake_truncate(d, handle, size) : 0;
}

static int
fake_rename(struct store_disk *d, enum store_folder folder, const char *from, const char *to)
{
	struct fake_disk *f = self(d);
	struct fake_name *a = find_name(f, folder, from), *b;

	if (a == NULL || a->cached < 0)
		return -ENOENT;
	if (fails(f))
		return -f->error;
	b = make_name(f, folder, to);
	set_name(f, &b->cached, a->cached);
	set_name(f, &a->cached, -1);
	if (a->moved == 0)
		a->moved = ++f->next_move;
	b->moved = a->moved;
	forget_name(a);
	return 0;
}

static int
fake_remove(struct store_disk *d, enum store_folder folder, const char *name)
{
	struct fake_disk *f = self(d);
	struct fake_name *n = find_name(f, folder, name);

	if (n == NULL || n->cached < 0)
		return -ENOENT;
	if (fails(f))
		return -f->error;
	set_name(f, &n->cached, -1);
	forget_name(n);
	return 0;
}

static int
fake_sync_folder(struct store_disk *d, enum store_folder folder)
{
	struct fake_disk *f = self(d);

	if (fails(f))
		return -f->error;
	for (int i = 0; i < FAKE_FILES; i++) {
		struct fake_name *n = &f->names[i];
		if (n->name[0] == '\0' || n->folder != folder_of(f, folder))
			continue;
		set_name(f, &n->kept, n->cached);
		n->moved = 0;
		forget_name(n);
	}
	return 0;
}

static int
fake_space(struct store_disk *d, enum store_folder folder, uint64_t *free_bytes)
{
	(void)folder;
	*free_bytes = space_left(self(d));
	return blind(self(d)) ? -self(d)->error : 0;
}

static int
fake_list(struct store_disk *d, enum store_folder folder, int (*visit)(void *ctx, const char *name),
	  void *ctx)
{
	struct fake_disk *f = self(d);
	int ret = blind(f) ? -f->error : 0;

	for (int i = 0; i < FAKE_FILES && ret == 0; i++) {
		const struct fake_name *n = &f->names[i];
		if (n->name[0] != '\0' && n->cached >= 0 && n->folder == folder_of(f, folder))
			ret = visit(ctx, n->name);
	}
	return ret;
}

static uint64_t
fake_now_us(struct store_disk *d)
{
	return self(d)->clock_us;
}

static const struct store_disk_ops fake_ops = {
	.open = fake_open,
	.close = fake_close,
	.info = fake_info,
	.read = fake_read,
	.next_data = fake_next_data,
	.write = fake_write,
	.write_back = fake_write_back,
	.sync = fake_sync,
	.truncate = fake_truncate,
	.allocate = fake_allocate,
	.rename = fake_rename,
	.remove = fake_remove,
	.sync_folder = fake_sync_folder,
	.space = fake_space,
	.list = fake_list,
	.now_us = fake_now_us,
};

void
fake_disk_init(struct fake_disk *f, bool one_folder, uint64_t seed)
{
	*f = (struct fake_disk){
		.disk = { .ops = &fake_ops,
			  .one_folder = one_folder,
			  .in_place = true,
			  .names = { "/data", "/log", "/top" } },
		.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1,
		.error = EIO,
	};
	memset(f->handles, 0xff, sizeof f->handles);
	for (int i = 0; i < FAKE_FILES; i++)
		f->names[i].cached = f->names[i].kept = -1;
}

void
fake_disk_kill(struct fake_disk *f)
{
	for (int h = 0; h < FAKE_FILES; h++)
		if (f->handles[h] >= 0)
			fake_close(&f->disk, h);
	f->fault_at = 0;
}

void
fake_disk_free(struct fake_disk *f)
{
	fake_disk_kill(f);
	for (int i = 0; i < FAKE_FILES; i++) {
		set_name(f, &f->names[i].cached, -1);
		set_name(f, &f->names[i].kept, -1);
	}
}

/* Whether what a name was before the last sync is what it is after the power came back. */
static bool
is_old(struct fake_disk *f, const struct fake_name *n, uint64_t salt)
{
	if (n->moved == 0)
		return fake_disk_random(f) % 2 == 0;
	return ((n->moved * UINT64_C(0x9e3779b97f4a7c15)) ^ salt) >> 40 & 1;
}

void
fake_disk_power_loss(struct fake_disk *f)
{
	uint64_t salt = fake_disk_random(f);

	fake_disk_kill(f);
	for (int i = 0; i < FAKE_FILES; i++) {
		struct fake_name *n = &f->names[i];
		if (n->name[0] == '\0')
			continue;
		set_name(f, &n->kept, is_old(f, n, salt) ? n->kept : n->cached);
		set_name(f, &n->cached, n->kept);
		n->moved = 0;
		forget_name(n);
	}
	for (int i = 0; i < FAKE_FILES; i++) {
		struct fake_file *p = &f->files[i];
		if (p->id == 0)
			continue;
		keep_some(f, p);
		resize(&p->cached, &p->cached_size, p->kept_size);
		if (p->kept_size > 0)
			memcpy(p->cached, p->kept, p->kept_size);
		clean(p);
	}
}

struct fake_file *
fake_disk_find(struct fake_disk *f, enum store_folder folder, const char *name)
{
	struct fake_name *n = find_name(f, folder, name);

	return n == NULL || n->cached < 0 ? NULL : &f->files[n->cached];
}

void
fake_disk_put(struct fake_disk *f, enum store_folder folder, const char *name, const void *data, size_t len)
{
	struct store_disk *d = &f->disk;
	int h;

	fake_remove(d, folder, name);
	h = fake_open(d, folder, name, STORE_CREATE);
	ASSERT(h >= 0);
	ASSERT(fake_write(d, h, 0, data, len) == 0 && fake_sync(d, h) == 0);
	fake_close(d, h);
	ASSERT(fake_sync_folder(d, folder) == 0);
}
