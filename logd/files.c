/*
 * See files.h. Invariant: nothing here changes a file but files_replace and files_remove, and these leave either the
 * old or the new state behind after a crash.
 */
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "disk/snapshot.h"

enum { CHUNK_BYTES = 256 << 10, SNAPSHOT_LEAST = 16 + 8 + 5 + 13, GZ_LEAST = 20 };

struct listing {
	struct files *files;
	const struct store_disk *disk;
	enum store_folder folder;
	char *why;
};

static void
add_name(struct file_name **names, size_t *n, enum disk_file_kind kind, uint64_t zxid)
{
	*names = mem_realloc(*names, (*n + 1) * sizeof **names);
	(*names)[(*n)++] = (struct file_name){ .zxid = zxid, .kind = kind };
}

static int
list_name(void *ctx, const char *name)
{
	struct listing *l = ctx;
	uint64_t zxid;
	enum disk_file_kind kind = disk_name_parse(name, &zxid);
	bool log = kind == DISK_LOG;

	if (kind == DISK_FOREIGN)
		return 0;
	if (!l->disk->one_folder && log != (l->folder == STORE_LOG)) {
		snprintf(l->why, FILES_TEXT_BYTES,
			 "%s holds %s, but that folder is for %s (dataDir and dataLogDir were another pair "
			 "before?): "
			 "set them back, or move the files into the right folder",
			 l->disk->names[l->folder], name, log ? "snapshots" : "transaction logs");
		return -EUCLEAN;
	}
	if (log)
		add_name(&l->files->logs, &l->files->nlogs, kind, zxid);
	else
		add_name(&l->files->snapshots, &l->files->nsnapshots, kind, zxid);
	return 0;
}

static int
by_zxid(const void *a, const void *b)
{
	const struct file_name *x = a, *y = b;

	if (x->zxid != y->zxid)
		return x->zxid < y->zxid ? -1 : 1;
	return (int)y->kind - (int)x->kind; /* the plain form of a snapshot last, so that it is preferred */
}

int
files_list(struct files *f, struct store_disk *d, char why[FILES_TEXT_BYTES])
{
	struct listing l = { .files = f, .disk = d, .folder = STORE_SNAP, .why = why };
	int ret;

	*f = (struct files){ 0 };
	why[0] = '\0';
	ret = d->ops->list(d, STORE_SNAP, list_name, &l);
	if (ret == 0 && !d->one_folder) {
		l.folder = STORE_LOG;
		ret = d->ops->list(d, STORE_LOG, list_name, &l);
	}
	if (ret != 0) {
		if (why[0] == '\0')
			snprintf(why, FILES_TEXT_BYTES, "cannot list %s: %s", d->names[l.folder],
				 strerror(-ret));
		files_free(f);
		return ret;
	}
	if (f->nlogs > 0)
		qsort(f->logs, f->nlogs, sizeof *f->logs, by_zxid);
	if (f->nsnapshots > 0)
		qsort(f->snapshots, f->nsnapshots, sizeof *f->snapshots, by_zxid);
	return 0;
}

void
files_free(struct files *f)
{
	mem_free(f->logs);
	mem_free(f->snapshots);
	*f = (struct files){ 0 };
}

size_t
files_log_for(const struct files *f, uint64_t zxid)
{
	size_t i = f->nlogs;

	ASSERT(i > 0);
	while (i > 1 && f->logs[i - 1].zxid > zxid)
		i--;
	return i - 1;
}

/* Header and tail of an open snapshot file. */
static int
check_ends(struct store_disk *d, int h, enum disk_file_kind kind)
{
	uint8_t head[8], tail[5];
	struct store_info info;
	int64_t got;
	int ret = d->ops->info(d, h, &info);

	if (ret != 0)
		return ret;
	if (info.size < (kind == DISK_SNAPSHOT ? SNAPSHOT_LEAST : GZ_LEAST))
		return -EBADMSG;
	got = d->ops->read(d, h, 0, head, sizeof head);
	if (got < 0)
		return (int)got;
	/* Only inflating all of it would tell more of a compressed one (nor does ZooKeeper look at more). */
	if (kind == DISK_SNAPSHOT_GZ)
		return memcmp(head, "\x1f\x8b\x08", 3) == 0 ? 0 : -EBADMSG;
	if (kind == DISK_SNAPSHOT_SNAPPY)
		return memcmp(head, "\x82SNAPPY", 8) == 0 ? 0 : -EBADMSG;
	if (memcmp(head, "ZKSN\0\0\0\2", 8) != 0)
		return -EBADMSG;
	got = d->ops->read(d, h, info.size - sizeof tail, tail, sizeof tail);
	if (got < 0)
		return (int)got;
	return memcmp(tail, "\0\0\0\1/", 5) == 0 ? 0 : -EBADMSG;
}

int
files_check_snapshot(struct store_disk *d, const struct file_name *name)
{
	char text[DISK_NAME_BYTES];
	int h, ret;

	disk_name_make(text, name->kind, name->zxid);
	h = d->ops->open(d, STORE_SNAP, text, STORE_READ);
	if (h < 0)
		return h;
	ret = check_ends(d, h, name->kind);
	d->ops->close(d, h);
	return ret;
}

int
files_snapshot_info(struct store_disk *d, const struct file_name *name, struct store_info *info)
{
	char text[DISK_NAME_BYTES];
	int h, ret;

	disk_name_make(text, name->kind, name->zxid);
	h = d->ops->open(d, STORE_SNAP, text, STORE_READ);
	if (h < 0)
		return h;
	ret = d->ops->info(d, h, info);
	d->ops->close(d, h);
	return ret;
}

int
files_read_small(struct store_disk *d, enum store_folder folder, const char *name, struct buf *out)
{
	enum { SMALL_MAX = 4096 };
	uint8_t *p = buf_reserve(out, SMALL_MAX);
	int64_t got;
	int h;

	ASSERT(p != NULL);
	h = d->ops->open(d, folder, name, STORE_READ);
	if (h < 0)
		return h;
	got = d->ops->read(d, h, 0, p, SMALL_MAX);
	d->ops->close(d, h);
	if (got < 0)
		return (int)got;
	if (got == SMALL_MAX)
		return -EFBIG;
	buf_commit(out, (size_t)got);
	return 0;
}

int
files_replace(struct store_disk *d, enum store_folder folder, const char *name, struct slice content)
{
	char tmp[DISK_NAME_BYTES + 4];
	int h, ret;

	snprintf(tmp, sizeof tmp, "%s.tmp", name);
	ret = files_remove(d, folder, tmp);
	if (ret != 0)
		return ret;
	h = d->ops->open(d, folder, tmp, STORE_CREATE);
	if (h < 0)
		return h;
	ret = d->ops->write(d, h, 0, content.data, content.len);
	if (ret == 0)
		ret = d->ops->sync(d, h);
	d->ops->close(d, h);
	if (ret == 0)
		ret = d->ops->rename(d, folder, tmp, name);
	if (ret == 0)
		ret = d->ops->sync_folder(d, folder);
	return ret;
}

int
files_remove(struct store_disk *d, enum store_folder folder, const char *name)
{
	int ret = d->ops->remove(d, folder, name);

	return ret == -ENOENT ? 0 : ret;
}

static int
open_walk(struct walk *w, struct store_disk *d, uint64_t log_zxid, enum store_open how)
{
	char name[DISK_NAME_BYTES];
	int ret;

	*w = (struct walk){ .disk = d, .handle = -1 };
	disk_name_make(name, DISK_LOG, log_zxid);
	w->handle = d->ops->open(d, STORE_LOG, name, how);
	if (w->handle < 0)
		return w->handle;
	ret = d->ops->info(d, w->handle, &w->info);
	if (ret != 0) {
		d->ops->close(d, w->handle);
		return ret;
	}
	w->chunk = mem_alloc(CHUNK_BYTES);
	txnlog_reader_init(&w->reader, TXNLOG_TXN_MAX);
	return 0;
}

int
walk_open(struct walk *w, struct store_disk *d, uint64_t log_zxid)
{
	return open_walk(w, d, log_zxid, STORE_READ);
}

int
walk_open_cold(struct walk *w, struct store_disk *d, uint64_t log_zxid)
{
	return open_walk(w, d, log_zxid, STORE_COLD);
}

void
walk_begin_at(struct walk *w, uint64_t offset, uint64_t last_zxid)
{
	txnlog_reader_free(&w->reader);
	txnlog_reader_init_at(&w->reader, TXNLOG_TXN_MAX, offset, last_zxid);
	w->offset = offset;
}

/* The next piece of the file, or its end, for the reader. */
static int
feed_walk(struct walk *w)
{
	struct store_disk *d = w->disk;
	int64_t data = d->ops->next_data(d, w->handle, w->offset), got;

	if (data < 0)
		return (int)data;
	if ((uint64_t)data > w->offset) {
		txnlog_reader_feed_zeros(&w->reader, (uint64_t)data - w->offset);
		w->offset = (uint64_t)data;
		return 0;
	}
	got = d->ops->read(d, w->handle, w->offset, w->chunk, CHUNK_BYTES);
	if (got < 0)
		return (int)got;
	if (got == 0)
		txnlog_reader_eof(&w->reader);
	else
		txnlog_reader_feed(&w->reader, slice_of(w->chunk, (size_t)got));
	w->offset += (uint64_t)got;
	return 0;
}

int
walk_next(struct walk *w, struct txnlog_entry *e)
{
	enum txnlog_next got;

	while ((got = txnlog_reader_next(&w->reader, e)) == TXNLOG_MORE) {
		int ret = feed_walk(w);
		if (ret != 0)
			return ret;
	}
	return got == TXNLOG_ENTRY;
}

void
walk_close(struct walk *w)
{
	txnlog_reader_free(&w->reader);
	mem_free(w->chunk);
	w->disk->ops->close(w->disk, w->handle);
}

void
walk_explain(char text[FILES_TEXT_BYTES], const struct store_disk *d, uint64_t log_zxid,
	     const struct txnlog_end *end)
{
	int n = snprintf(text, FILES_TEXT_BYTES, "%s/log.%" PRIx64 " at offset %" PRIu64 ": %s",
			 d->names[STORE_LOG], log_zxid, end->good, end->what == NULL ? "ends" : end->what);

	if (end->expected != end->found)
		n += snprintf(text + n, FILES_TEXT_BYTES - (size_t)n,
			      " is 0x%" PRIx64 ", expected 0x%" PRIx64, end->found, end->expected);
	n += snprintf(text + n, FILES_TEXT_BYTES - (size_t)n, "; last good zxid 0x%" PRIx64, end->last_zxid);
	if (end->kind == TXNLOG_DAMAGED)
		snprintf(text + n, FILES_TEXT_BYTES - (size_t)n,
			 ", %" PRIu64 " valid records follow from offset %" PRIu64 " (zxid 0x%" PRIx64 ")",
			 end->after, end->resume, end->resume_zxid);
}

bool
zxid_follows(uint64_t prev, uint64_t next)
{
	return next == prev + 1 || (next >> 32 > prev >> 32 && (uint32_t)next == 1);
}
