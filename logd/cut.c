/*
 * TRUNC. Invariant: a crash at any point of a cut leaves a log that ends at or behind the target
 * and snapshots that it reaches, so that the cut can be asked for again.
 */
#include <errno.h>
#include <inttypes.h>

#include "store_internal.h"

/* Where the entries up to zxid end in that log; *exact tells whether the last of them is zxid itself. */
static int64_t
find_end(struct store *s, uint64_t log_zxid, uint64_t zxid, bool *exact)
{
	int64_t offset = TXNLOG_HEADER_BYTES;
	struct txnlog_entry e;
	struct walk w;
	int ret = walk_open(&w, s->disk, log_zxid);

	*exact = false;
	if (ret != 0)
		return ret;
	while ((ret = walk_next(&w, &e)) > 0 && e.head.zxid <= zxid) {
		offset = (int64_t)e.end;
		*exact = e.head.zxid == zxid;
	}
	walk_close(&w);
	return ret < 0 ? ret : offset;
}

/* What a cut behind zxid keeps. */
struct cut {
	uint64_t zxid;
	size_t snapshots; /* the first so many; the newest of them looks whole */
	uint64_t snapshot_zxid;
	size_t logs;    /* the first so many */
	int64_t offset; /* where the last of them is cut; -1: there is none */
};

static int
plan_snapshots(struct store *s, const struct files *f, struct cut *c)
{
	bool whole = false;

	for (c->snapshots = 0; c->snapshots < f->nsnapshots; c->snapshots++) {
		const struct file_name *n = &f->snapshots[c->snapshots];
		if (n->zxid > c->zxid)
			break;
		if (files_check_snapshot(s->disk, n) == 0) {
			c->snapshot_zxid = n->zxid;
			whole = true;
		}
	}
	return whole ? 0 : -ENOENT;
}

/* The log must hold the very zxid (else Java cuts one too far), or a snapshot be exact there. */
static int
plan_logs(struct store *s, const struct files *f, struct cut *c)
{
	bool exact = false;

	while (c->logs < f->nlogs && f->logs[c->logs].zxid <= c->zxid)
		c->logs++;
	c->offset = -1;
	if (c->logs > 0)
		c->offset = find_end(s, f->logs[c->logs - 1].zxid, c->zxid, &exact);
	if (c->logs > 0 && c->offset < 0)
		return (int)c->offset;
	return exact || c->snapshot_zxid == c->zxid ? 0 : -ENOENT;
}

static int
remove_snapshots(struct store *s, const struct files *f, size_t from)
{
	char name[DISK_NAME_BYTES];
	int ret = 0;

	for (size_t i = f->nsnapshots; i > from && ret == 0; i--) {
		disk_name_make(name, f->snapshots[i - 1].kind, f->snapshots[i - 1].zxid);
		ret = files_remove(s->disk, STORE_SNAP, name);
	}
	return ret == 0 ? s->disk->ops->sync_folder(s->disk, STORE_SNAP) : ret;
}

/* Newest first, each gone for good before the next, so that no hole is ever left. */
static int
remove_logs(struct store *s, const struct files *f, size_t from)
{
	char name[DISK_NAME_BYTES];
	int ret = 0;

	for (size_t i = f->nlogs; i > from && ret == 0; i--) {
		disk_name_make(name, DISK_LOG, f->logs[i - 1].zxid);
		ret = files_remove(s->disk, STORE_LOG, name);
		if (ret == 0)
			ret = s->disk->ops->sync_folder(s->disk, STORE_LOG);
	}
	return ret;
}

static int
cut_log(struct store *s, uint64_t log_zxid, uint64_t offset)
{
	struct store_disk *d = s->disk;
	char name[DISK_NAME_BYTES];
	int h, ret;

	disk_name_make(name, DISK_LOG, log_zxid);
	h = d->ops->open(d, STORE_LOG, name, STORE_WRITE);
	if (h < 0)
		return h;
	ret = d->ops->truncate(d, h, offset);
	if (ret == 0)
		ret = d->ops->sync(d, h);
	d->ops->close(d, h);
	return ret;
}

static int
carry_out(struct store *s, const struct files *f, const struct cut *c)
{
	int ret = mark_remove(s->disk);

	if (ret == 0)
		ret = remove_snapshots(s, f, c->snapshots);
	if (ret == 0)
		ret = remove_logs(s, f, c->logs);
	if (ret == 0 && c->offset >= 0)
		ret = cut_log(s, f->logs[c->logs - 1].zxid, (uint64_t)c->offset);
	return ret;
}

/* The next txn begins a new file: nothing that is still to be done to the old ones can hurt it (ZOOKEEPER-1489). */
static void
begin_anew(struct store *s, const struct cut *c)
{
	s->end = (struct store_end){ 0 };
	s->roll = true;
	s->allocating = false;
	s->trim.kind = STORE_NO_CHORE;
	s->mark_ms = UINT64_MAX;
	s->last = s->durable = c->zxid;
	s->marked = 0;
	s->snapshot_zxid = c->snapshot_zxid;
	trace(s->trace, TRACE_NOTICE, "store", "log cut", "zxid=0x%" PRIx64 " snapshot=0x%" PRIx64, c->zxid,
	      c->snapshot_zxid);
}

int
store_truncate(struct store *s, uint64_t zxid)
{
	struct cut c = { .zxid = zxid };
	char why[FILES_TEXT_BYTES];
	struct files f;
	int ret;

	if (store_failed(s) != NULL)
		return -EIO;
	if (zxid > s->durable)
		return -ENOENT;
	ret = files_list(&f, s->disk, why);
	if (ret != 0)
		return ret;
	ret = plan_snapshots(s, &f, &c);
	if (ret == 0)
		ret = plan_logs(s, &f, &c);
	if (ret == 0) {
		store_drop_log(s);
		ret = carry_out(s, &f, &c);
	}
	files_free(&f);
	if (ret == 0)
		begin_anew(s, &c);
	return ret;
}
