/* See purge.h. Invariant: snapshots go before the logs that only they needed, and logs go oldest first. */
#include "purge.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "snapread.h"

struct purge {
	struct store_disk *disk;
	struct trace *trace;
	struct purge_request request;
	struct purge_known *known;
	int (*step)(struct purge *p);
	struct files files;
	size_t next;             /* snapshots from here on were looked at */
	unsigned whole, removed; /* of those; files */
	struct snapread *reader;
	struct store_info info; /* of the one that is read */
};

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

static bool
is_known(const struct purge *p, const struct file_name *n)
{
	for (unsigned i = 0; p->known != NULL && i < PURGE_KNOWN_MAX; i++) {
		const struct purge_snapshot *k = &p->known->snapshots[i];
		if (k->name.zxid == n->zxid && k->name.kind == n->kind && k->info.id == p->info.id &&
		    k->info.size == p->info.size)
			return true;
	}
	return false;
}

static void
count_whole(struct purge *p)
{
	if (p->known != NULL)
		p->known->snapshots[p->known->next++ % PURGE_KNOWN_MAX] =
		    (struct purge_snapshot){ p->files.snapshots[p->next], p->info };
	p->whole++;
}

/* Everything older than the snapshot at `next` goes, and the logs that it does not need. */
static int
step_remove(struct purge *p)
{
	struct store_disk *d = p->disk;
	size_t logs = 0;
	int ret;

	if (p->files.nlogs > 0)
		logs = files_log_for(&p->files, p->files.snapshots[p->next].zxid);
	ret = remove_files(d, STORE_SNAP, p->files.snapshots, p->next, p->trace);
	if (ret == 0)
		ret = remove_files(d, STORE_LOG, p->files.logs, logs, p->trace);
	if (ret != 0)
		return ret;
	p->removed += (unsigned)(p->next + logs);
	ret = remove_all_aside(d, p->trace);
	p->removed += ret > 0 ? (unsigned)ret : 0;
	return ret < 0 ? ret : 0;
}

static int
step_verify(struct purge *p)
{
	struct slice bytes;
	int ret = snapread_step(p->reader, &bytes);

	if (ret > 0)
		return 1;
	if (ret == 0)
		count_whole(p);
	else
		trace(p->trace, TRACE_ERROR, "store", "snapshot is damaged and does not count",
		      "zxid=0x%" PRIx64 " reason=\"%s\"", p->files.snapshots[p->next].zxid,
		      ret == -EBADMSG ? snapread_error(p->reader) : strerror(-ret));
	snapread_close(p->reader);
	p->reader = NULL;
	return 1;
}

static int
step_look(struct purge *p)
{
	const struct file_name *n;

	if (p->reader != NULL)
		return step_verify(p);
	if (p->whole == p->request.retain) {
		p->step = step_remove;
		return 1;
	}
	if (p->next == 0)
		return 0;
	n = &p->files.snapshots[--p->next];
	if (files_check_snapshot(p->disk, n) != 0 || files_snapshot_info(p->disk, n, &p->info) != 0)
		return 1;
	if (is_known(p, n))
		p->whole++;
	else
		snapread_open(&p->reader, p->disk, n, STORE_READ); /* one that cannot be does not count */
	return 1;
}

static int
step_list(struct purge *p)
{
	char why[FILES_TEXT_BYTES];
	int ret = p->request.hard ? remove_all_aside(p->disk, p->trace) : 0;

	p->removed += ret > 0 ? (unsigned)ret : 0;
	if (ret >= 0)
		ret = files_list(&p->files, p->disk, why);
	if (ret != 0)
		return ret;
	p->next = p->files.nsnapshots;
	p->step = step_look;
	return 1;
}

struct purge *
purge_new(struct store_disk *d, const struct purge_request *rq, struct purge_known *known, struct trace *t)
{
	struct purge *p = mem_zalloc(1, sizeof *p);

	p->disk = d;
	p->trace = t;
	p->request = *rq;
	p->known = known;
	p->step = step_list;
	return p;
}

void
purge_free(struct purge *p)
{
	if (p == NULL)
		return;
	snapread_close(p->reader);
	files_free(&p->files);
	mem_free(p);
}

int
purge_step(struct purge *p)
{
	return p->step(p);
}

unsigned
purge_removed(const struct purge *p)
{
	return p->removed;
}

int
purge_files(struct store_disk *d, unsigned retain, struct trace *t)
{
	struct purge *p = purge_new(d, &(struct purge_request){ .retain = retain }, NULL, t);
	int ret;

	while ((ret = purge_step(p)) > 0)
		;
	if (ret == 0)
		ret = (int)p->removed;
	purge_free(p);
	return ret;
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
