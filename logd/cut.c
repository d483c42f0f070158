/*
 * TRUNC. Invariant: a crash at any point of a cut leaves a log that ends at or behind the target
 * and snapshots that it reaches, so that the cut can be asked for again.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "store_internal.h"

/* What a cut behind zxid keeps. */
struct cut {
	uint64_t zxid;
	size_t snapshots; /* the first so many; the newest of them looks whole */
	uint64_t snapshot_zxid;
	size_t logs;     /* the first so many */
	uint64_t offset; /* where the last of them is cut; 0: it is not */
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

/* Reads one log up to the target; *at moves with the entries that follow each other. */
static int
follow_log(struct store *s, uint64_t log_zxid, struct cut *c, uint64_t *at)
{
	struct txnlog_entry e;
	struct walk w;
	int ret = walk_open(&w, s->disk, log_zxid);

	if (ret != 0)
		return ret;
	c->offset = TXNLOG_HEADER_BYTES;
	while ((ret = walk_next(&w, &e)) > 0 && e.head.zxid <= c->zxid) {
		c->offset = e.end;
		if (e.head.zxid <= *at)
			continue;
		if (!zxid_follows(*at, e.head.zxid))
			break;
		*at = e.head.zxid;
	}
	walk_close(&w);
	return ret < 0 ? ret : 0;
}

/*
 * Every txn from the snapshot to the very target must be there: else what is left would be no database (and Java cuts
 * one entry too far where the target is not in the log).
 */
static int
plan_logs(struct store *s, const struct files *f, struct cut *c)
{
	uint64_t at = c->snapshot_zxid;
	size_t i = f->nlogs == 0 ? 0 : files_log_for(f, at + 1);
	int ret = 0;

	while (c->logs < f->nlogs && f->logs[c->logs].zxid <= c->zxid)
		c->logs++;
	for (; i < c->logs && ret == 0; i++)
		ret = follow_log(s, f->logs[i].zxid, c, &at);
	return ret == 0 && at != c->zxid ? -ENOENT : ret;
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
	if (ret == 0 && c->offset > 0)
		ret = cut_log(s, f->logs[c->logs - 1].zxid, c->offset);
	return ret;
}

/*
 * The next txn begins a new file: nothing that is still to be done to the old ones can hurt it (ZOOKEEPER-1489). And no
 * snapshot is asked for before the tree is known to be of this history.
 */
void
store_begin_anew(struct store *s, uint64_t zxid, uint64_t snapshot_zxid)
{
	s->end = (struct store_end){ 0 };
	s->roll = s->await_load = true;
	s->allocating = false;
	s->trim.kind = STORE_NO_CHORE;
	s->mark_ms = UINT64_MAX;
	s->mark = (struct mark){ 0 };
	s->last = s->durable = zxid;
	s->snapshot_zxid = snapshot_zxid;
}

/* Whether it can be done; nothing is changed. -ENOENT: no, whatever the reason: a snapshot of the leader mends it. */
static int
plan_cut(struct store *s, struct files *f, struct cut *c)
{
	char why[FILES_TEXT_BYTES] = "";
	int ret = c->zxid > s->durable ? -ENOENT : files_list(f, s->disk, why);

	if (ret == 0)
		ret = plan_snapshots(s, f, c);
	if (ret == 0)
		ret = plan_logs(s, f, c);
	if (ret == 0)
		return 0;
	trace(s->trace, TRACE_WARNING, "store", "log not cut",
	      "zxid=0x%" PRIx64 " durable=0x%" PRIx64 " snapshot=0x%" PRIx64 " reason=\"%s\"", c->zxid,
	      s->durable, c->snapshot_zxid,
	      ret == -ENOENT ? "it does not follow from a snapshot" : strerror(-ret));
	return -ENOENT;
}

int
store_truncate(struct store *s, uint64_t zxid)
{
	struct cut c = { .zxid = zxid };
	struct files f = { 0 };
	int ret;

	ASSERT(s->batch_txns == 0);
	if (store_failed(s) != NULL)
		return -ENOENT;
	ret = plan_cut(s, &f, &c);
	if (ret == 0) {
		store_drop_log(s);
		do
			ret = carry_out(s, &f, &c);
		while (ret != 0 && store_made_room(s, ret));
		if (ret == 0) {
			trace(s->trace, TRACE_NOTICE, "store", "log cut",
			      "zxid=0x%" PRIx64 " snapshot=0x%" PRIx64, c.zxid, c.snapshot_zxid);
			store_begin_anew(s, c.zxid, c.snapshot_zxid);
			store_clean(s);
			store_mark(s, true);
		}
	}
	files_free(&f);
	return ret;
}
