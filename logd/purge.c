/* See purge.h. Invariant: snapshots go before the logs that only they needed, and logs go oldest first. */
#include "purge.h"

#include <errno.h>
#include <string.h>

/* Index of the oldest snapshot to keep, or -ENOENT when there are not enough of them. */
static int64_t
oldest_kept(struct store_disk *d, const struct files *f, unsigned retain)
{
	for (size_t i = f->nsnapshots; i-- > 0;) {
		if (files_check_snapshot(d, &f->snapshots[i]) == 0 && --retain == 0)
			return (int64_t)i;
	}
	return -ENOENT;
}

static int
remove_files(struct store_disk *d, enum store_folder folder, const struct file_name *names, size_t n,
	     struct trace *t)
{
	char name[DISK_NAME_BYTES];
	int ret = 0;

	for (size_t i = 0; i < n && ret == 0; i++) {
		disk_name_make(name, names[i].kind, names[i].zxid);
		ret = files_remove(d, folder, name);
		if (ret == 0)
			trace(t, TRACE_DEBUG, "store", "purged", "file=%s", name);
	}
	if (ret == 0 && n > 0)
		ret = d->ops->sync_folder(d, folder);
	return ret;
}

static int
is_aside(void *ctx, const char *name)
{
	if (strncmp(name, FILES_ASIDE, strlen(FILES_ASIDE)) == 0)
		buf_put(ctx, name, strlen(name) + 1);
	return 0;
}

/* What an INSTALL put out of the way; number of files or -errno. */
static int
remove_aside(struct store_disk *d, enum store_folder folder, struct trace *t)
{
	struct buf names;
	int ret, n = 0;

	buf_init(&names, SIZE_MAX / 4);
	ret = d->ops->list(d, folder, is_aside, &names);
	for (; ret == 0 && buf_len(&names) > 0; n++) {
		const char *name = (const char *)buf_head(&names);
		ret = files_remove(d, folder, name);
		trace(t, TRACE_DEBUG, "store", "purged", "file=%s", name);
		buf_consume(&names, strlen(name) + 1);
	}
	if (ret == 0 && n > 0)
		ret = d->ops->sync_folder(d, folder);
	buf_free(&names);
	return ret == 0 ? n : ret;
}

static int
remove_all_aside(struct store_disk *d, struct trace *t)
{
	int n = remove_aside(d, STORE_SNAP, t), m = 0;

	if (n >= 0 && !d->one_folder)
		m = remove_aside(d, STORE_LOG, t);
	return n < 0 ? n : m < 0 ? m : n + m;
}

int
purge_files(struct store_disk *d, unsigned retain, struct trace *t)
{
	char why[FILES_TEXT_BYTES];
	struct files f;
	int64_t keep;
	size_t logs = 0;
	int ret = files_list(&f, d, why);

	if (ret != 0)
		return ret;
	keep = oldest_kept(d, &f, retain);
	if (keep >= 0) {
		if (f.nlogs > 0)
			logs = files_log_for(&f, f.snapshots[keep].zxid);
		ret = remove_files(d, STORE_SNAP, f.snapshots, (size_t)keep, t);
		if (ret == 0)
			ret = remove_files(d, STORE_LOG, f.logs, logs, t);
	}
	files_free(&f);
	if (ret != 0 || keep < 0)
		return ret;
	ret = remove_all_aside(d, t);
	return ret < 0 ? ret : ret + (int)keep + (int)logs;
}

int
purge_hard(struct store_disk *d, unsigned retain, struct trace *t)
{
	int aside = remove_all_aside(d, t), n = aside < 0 ? aside : purge_files(d, retain, t);

	return n < 0 ? n : n + aside;
}

/* Bytes of the newest snapshot's file, or 0. */
static int
newest_size(struct store_disk *d, uint64_t *size)
{
	char why[FILES_TEXT_BYTES];
	struct store_info info;
	struct files f;
	int ret = files_list(&f, d, why);

	*size = 0;
	if (ret != 0)
		return ret;
	if (f.nsnapshots > 0 && files_snapshot_info(d, &f.snapshots[f.nsnapshots - 1], &info) == 0)
		*size = info.size;
	files_free(&f);
	return 0;
}

int
purge_space(struct store_disk *d, uint64_t keep_free, uint64_t *free_bytes, uint64_t *wanted_bytes)
{
	uint64_t other, snapshot;
	int ret = d->ops->space(d, STORE_SNAP, free_bytes);

	if (ret == 0)
		ret = d->ops->space(d, STORE_LOG, &other);
	if (ret == 0)
		ret = newest_size(d, &snapshot);
	if (ret != 0)
		return ret;
	if (other < *free_bytes)
		*free_bytes = other;
	*wanted_bytes = keep_free + snapshot;
	return 0;
}

struct sum {
	struct store_disk *d;
	enum store_folder folder;
	uint64_t bytes;
};

/* What is gone before it is looked at, or is no file, has no size. */
static int
add_size(void *ctx, const char *name)
{
	struct sum *s = ctx;
	struct store_info info;
	int file = s->d->ops->open(s->d, s->folder, name, STORE_READ);

	if (file < 0)
		return 0;
	if (s->d->ops->info(s->d, file, &info) == 0)
		s->bytes += info.size;
	s->d->ops->close(s->d, file);
	return 0;
}

int
purge_sizes(struct store_disk *d, uint64_t *data_bytes, uint64_t *log_bytes)
{
	struct sum data = { .d = d, .folder = STORE_SNAP }, log = { .d = d, .folder = STORE_LOG };
	int ret = d->ops->list(d, STORE_SNAP, add_size, &data);

	if (ret == 0)
		ret = d->ops->list(d, STORE_LOG, add_size, &log);
	*data_bytes = data.bytes;
	*log_bytes = log.bytes;
	return ret;
}
