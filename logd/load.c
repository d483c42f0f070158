/*
 * See load.h. One state per kind of work. Invariant: `at` is the zxid up to which the receiver has everything, and the
 * next txn handed out follows it directly.
 */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "disk/snapshot.h"
#include "jute/op.h"
#include "snapread.h"

enum { PIECE_BYTES = 128 << 10, TXNS_A_STEP = 256 };

struct load {
	struct store_disk *disk;
	struct trace *trace;
	struct load_request request;
	const struct load_events *events;
	void *ctx;
	int (*step)(struct load *l);

	struct files files;
	bool listed;
	size_t snapshots; /* those not tried yet: the first so many of files.snapshots */
	uint64_t at;

	struct snapread *snapshot; /* being read, or NULL */
	int unreadable;            /* what the disk said of a snapshot that was passed over */
	bool learner;
	bool trial; /* this snapshot is read to see whether it is whole; for learners */

	/* The log being read. */
	size_t log; /* index into files.logs */
	struct walk walk;
	bool walking;
	char damage[FILES_TEXT_BYTES]; /* how the last log ended, where not well */
	uint64_t sent;                 /* txns */

	/* LOAD_SINCE: looking for where the learner stands. */
	uint64_t stands; /* the last logged txn or whole snapshot at or below `have` */
	bool stands_known;
	uint64_t reached;      /* the last that follows it */
	uint64_t bytes, limit; /* of txns above `have`, and how many there may be */

	char error[FILES_TEXT_BYTES];
};

static int step_pick_snapshot(struct load *l);
static int step_snapshot(struct load *l);
static int step_pick_log(struct load *l);
static int step_log(struct load *l);
static int step_begin_seek(struct load *l);
static int step_seek(struct load *l);
static int step_finish(struct load *l);

static int __attribute__((format(printf, 2, 3))) refuse(struct load *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->error, sizeof l->error, fmt, ap);
	va_end(ap);
	return -EUCLEAN;
}

/* The log being read cannot be: whoever wants the data may ask again. */
static int
log_error(struct load *l, int error)
{
	snprintf(l->error, sizeof l->error, "cannot read %s/log.%" PRIx64 ": %s", l->disk->names[STORE_LOG],
		 l->files.logs[l->log].zxid, strerror(-error));
	return error;
}

static int (*const first_steps[])(struct load *l) = {
	[LOAD_ALL] = step_pick_snapshot,
	[LOAD_TXNS] = step_pick_log,
	[LOAD_SINCE] = step_begin_seek,
	[LOAD_EVERYTHING] = step_pick_snapshot,
};

struct load *
load_new(struct store_disk *d, const struct load_request *request, const struct load_events *events,
	 void *ctx, struct trace *t)
{
	struct load *l = mem_zalloc(1, sizeof *l);

	l->disk = d;
	l->trace = t;
	l->request = *request;
	l->events = events;
	l->ctx = ctx;
	l->at = request->have;
	l->learner = request->kind == LOAD_SINCE || request->kind == LOAD_EVERYTHING;
	if (request->kind == LOAD_TXNS && request->have > request->upto)
		l->request.kind = LOAD_ALL;
	l->step = first_steps[l->request.kind];
	return l;
}

static void
close_snapshot(struct load *l)
{
	snapread_close(l->snapshot);
	l->snapshot = NULL;
}

static void
close_log(struct load *l)
{
	if (l->walking)
		walk_close(&l->walk);
	l->walking = false;
}

void
load_free(struct load *l)
{
	if (l == NULL)
		return;
	close_snapshot(l);
	close_log(l);
	files_free(&l->files);
	mem_free(l);
}

int
load_step(struct load *l)
{
	int ret;

	if (!l->listed) {
		ret = files_list(&l->files, l->disk, l->error);
		if (ret != 0)
			return ret;
		l->listed = true;
		l->snapshots = l->files.nsnapshots;
	}
	return l->step(l);
}

const char *
load_error(const struct load *l)
{
	return l->error;
}

/* No snapshot at all: an empty database, which the store has made sure is meant (snapshot.trust.empty). */
static int
send_empty(struct load *l)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	snapshot_write_empty(&b);
	l->events->snapshot(l->ctx, 0);
	l->events->data(l->ctx, buf_slice(&b));
	l->events->snapshot_end(l->ctx);
	buf_free(&b);
	l->at = 0;
	l->step = step_pick_log;
	return 1;
}

/* One that cannot be used: the next older one may do. */
static int
pass_over(struct load *l, const struct file_name *n, int error)
{
	char name[DISK_NAME_BYTES];

	disk_name_make(name, n->kind, n->zxid);
	trace(l->trace, TRACE_ERROR, "store", "snapshot passed over", "file=%s/%s reason=\"%s\"",
	      l->disk->names[STORE_SNAP], name, error == -EBADMSG ? "incomplete" : strerror(-error));
	if (error != -EBADMSG && error != -ENOENT && error != -EISDIR)
		l->unreadable = error;
	l->step = step_pick_snapshot;
	return 1;
}

static int
open_snapshot(struct load *l, const struct file_name *n)
{
	int ret = snapread_open(&l->snapshot, l->disk, n, STORE_READ);

	if (ret != 0)
		return pass_over(l, n, ret);
	l->at = n->zxid;
	if (!l->trial)
		l->events->snapshot(l->ctx, n->zxid);
	l->step = step_snapshot;
	return 1;
}

static int
step_pick_snapshot(struct load *l)
{
	while (l->snapshots > 0) {
		const struct file_name *n = &l->files.snapshots[--l->snapshots];
		int ret;
		/* One above what is durable is of another history: it was made before a cut that did not finish. */
		if (n->zxid > l->request.upto)
			continue;
		ret = files_check_snapshot(l->disk, n);
		if (ret == 0) {
			l->trial = l->learner;
			return open_snapshot(l, n);
		}
		pass_over(l, n, ret);
	}
	if (l->files.nsnapshots == 0)
		return send_empty(l);
	if (l->unreadable != 0) {
		snprintf(l->error, sizeof l->error, "cannot read any snapshot in %s: %s",
			 l->disk->names[STORE_SNAP], strerror(-l->unreadable));
		return l->unreadable;
	}
	return refuse(
	    l,
	    "no snapshot of %zu in %s is whole; the way out: restore one from a backup, with the logs "
	    "behind it; in an ensemble, move the version-2 folders away and let the server fetch its "
	    "data from the leader",
	    l->files.nsnapshots, l->disk->names[STORE_SNAP]);
}

/* The one being read turned out to be damaged, or cannot be read: the next older one, from the start. */
static int
give_up_snapshot(struct load *l, const char *reason)
{
	trace(l->trace, TRACE_ERROR, "store", "snapshot is damaged",
	      "zxid=0x%" PRIx64 " offset=%" PRIu64 " reason=\"%s\"", l->at, snapread_offset(l->snapshot),
	      reason);
	close_snapshot(l);
	l->step = step_pick_snapshot;
	return 1;
}

static int
end_snapshot(struct load *l)
{
	close_snapshot(l);
	if (l->trial) {
		l->trial = false;
		return open_snapshot(l, &l->files.snapshots[l->snapshots]);
	}
	l->events->snapshot_end(l->ctx);
	l->step = step_pick_log;
	return 1;
}

static int
step_snapshot(struct load *l)
{
	struct slice bytes;
	int ret = snapread_step(l->snapshot, &bytes);

	if (ret == 0)
		return end_snapshot(l);
	if (ret == -EBADMSG)
		return give_up_snapshot(l, snapread_error(l->snapshot));
	if (ret < 0) {
		l->unreadable = ret;
		return give_up_snapshot(l, strerror(-ret));
	}
	if (bytes.len > 0 && !l->trial)
		l->events->data(l->ctx, bytes);
	return 1;
}

/* The txns that are wanted are not in the logs. To one with a tree a snapshot is sent instead, if a newer one is there. */
static int
missing(struct load *l, uint64_t next)
{
	char what[64] = "the logs end there";

	if (l->request.kind == LOAD_TXNS && l->sent == 0) {
		l->request.kind = LOAD_ALL;
		close_log(l);
		l->step = step_pick_snapshot;
		return 1;
	}
	if (next != 0)
		snprintf(what, sizeof what, "the next one in the logs is 0x%" PRIx64, next);
	return refuse(l,
		      "%s: transactions after zxid 0x%" PRIx64 " are missing, %s, expected up to 0x%" PRIx64
		      "%s%s; the way out: restore the logs from a backup; in an ensemble, move the version-2 "
		      "folders away and let the server fetch its data from the leader",
		      l->disk->names[STORE_LOG], l->at, what, l->request.upto,
		      l->damage[0] == '\0' ? "" : "; ", l->damage);
}

static int
open_log(struct load *l)
{
	uint64_t zxid = l->files.logs[l->log].zxid;
	int ret = walk_open(&l->walk, l->disk, zxid);

	if (ret == -EISDIR)
		return refuse(l, "%s/log.%" PRIx64 " is no file; move it away", l->disk->names[STORE_LOG],
			      zxid);
	if (ret != 0)
		return log_error(l, ret);
	l->walking = true;
	l->step = step_log;
	return 1;
}

static int
step_pick_log(struct load *l)
{
	if (l->at == l->request.upto)
		return step_finish(l);
	if (l->files.nlogs == 0)
		return missing(l, 0);
	l->log = files_log_for(&l->files, l->at + 1);
	return open_log(l);
}

/* The end of one log file: an unclean end is only remembered, whether it matters shows the next txn. */
static int
end_log(struct load *l)
{
	const struct txnlog_end *end = &l->walk.reader.end;

	if (end->kind != TXNLOG_CLEAN)
		walk_explain(l->damage, l->disk, l->files.logs[l->log].zxid, end);
	close_log(l);
	if (++l->log == l->files.nlogs)
		return missing(l, 0);
	return open_log(l);
}

/* What ZooKeeper's servers log (DataTree.processTxn); `check` is what 3.8.0 logs of a bare one (ZOOKEEPER-2623). */
static bool
is_txn(int32_t type)
{
	static const int32_t types[] = {
		ZK_OP_CREATE,         ZK_OP_CREATE2,
		ZK_OP_CREATE_TTL,     ZK_OP_CREATE_CONTAINER,
		ZK_OP_DELETE,         ZK_OP_DELETE_CONTAINER,
		ZK_OP_SET_DATA,       ZK_OP_SET_ACL,
		ZK_OP_RECONFIG,       ZK_OP_MULTI,
		ZK_OP_CHECK,          ZK_OP_ERROR,
		ZK_OP_CREATE_SESSION, ZK_OP_CLOSE_SESSION,
	};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i] == type)
			return true;
	return false;
}

/* No tree can be made of it, now or later, so this is told where it can be named. */
static int
refuse_type(struct load *l, const struct txnlog_entry *e)
{
	return refuse(
	    l,
	    "%s/log.%" PRIx64 " at offset %" PRIu64 ": transaction 0x%" PRIx64 " is of type %" PRId32
	    ", which is unknown here: it was written by another program or a later version; the way out: "
	    "start the program that wrote it, or restore a backup from before it",
	    l->disk->names[STORE_LOG], l->files.logs[l->log].zxid, e->offset, e->head.zxid, e->head.type);
}

static int
step_log(struct load *l)
{
	struct txnlog_entry e;
	size_t bytes = 0;

	for (int i = 0; i < TXNS_A_STEP && bytes < PIECE_BYTES; i++) {
		int ret = walk_next(&l->walk, &e);
		if (ret < 0)
			return log_error(l, ret);
		if (ret == 0)
			return end_log(l);
		if (e.head.zxid <= l->at)
			continue;
		if (!zxid_follows(l->at, e.head.zxid) || e.head.zxid > l->request.upto)
			return missing(l, e.head.zxid);
		if (!l->learner && !is_txn(e.head.type))
			return refuse_type(l, &e);
		l->events->txn(l->ctx, e.head.zxid, e.txn);
		l->at = e.head.zxid;
		l->sent++;
		bytes += e.txn.len;
		if (l->at == l->request.upto)
			return step_finish(l);
	}
	return 1;
}

/* ---- Where a learner stands ---- */

/* It cannot be brought up to date from the logs. */
static int
seek_in_vain(struct load *l, const char *reason)
{
	trace(l->trace, TRACE_NOTICE, "store", "learner needs a snapshot", "have=0x%" PRIx64 " reason=\"%s\"",
	      l->request.have, reason);
	close_log(l);
	l->step = step_pick_snapshot;
	return 1;
}

/* It is known, and that all behind it is there: now the txns, from the log that was found once more. */
static int
end_seek(struct load *l)
{
	close_log(l);
	l->events->log(l->ctx, l->stands);
	l->at = l->stands;
	l->step = l->at == l->request.upto ? step_finish : step_pick_log;
	return 1;
}

/*
 * How many bytes of txns are not too many (ZooKeeper: ZKDatabase.calculateTxnLogSizeLimit). A snapshot that does not go
 * beyond what the learner has would bring more and not less: here, unlike there, it is one from the disk, with all
 * txns since to follow.
 */
static int
find_limit(struct load *l)
{
	l->limit = UINT64_MAX;
	for (size_t i = l->files.nsnapshots; i-- > 0;) {
		const struct file_name *n = &l->files.snapshots[i];
		struct store_info info;
		int ret;
		if (n->zxid > l->request.upto)
			continue;
		if (n->zxid <= l->request.have)
			return 0;
		ret = files_snapshot_info(l->disk, n, &info);
		if (ret != 0)
			return ret;
		l->limit = (uint64_t)((double)info.size * l->request.size_factor);
		if (l->limit == 0)
			l->limit = UINT64_MAX;
		return 0;
	}
	return 0;
}

static int
step_begin_seek(struct load *l)
{
	uint64_t have = l->request.have, upto = l->request.upto;

	if (have >= upto) {
		l->stands = upto;
		return end_seek(l);
	}
	if (l->request.size_factor < 0)
		return seek_in_vain(l, "snapshotSizeFactor is below 0");
	if (l->files.nlogs == 0)
		return seek_in_vain(l, "there are no logs");
	if (find_limit(l) != 0)
		return seek_in_vain(l, "the newest snapshot cannot be read");
	l->log = files_log_for(&l->files, have);
	l->step = step_seek;
	return 1;
}

/* The first txn above `have`: it must follow the last one at or below it, or a snapshot. */
static bool
find_stand(struct load *l, uint64_t next)
{
	if (l->stands_known && zxid_follows(l->stands, next))
		return true;
	for (size_t i = l->files.nsnapshots; i-- > 0;) {
		uint64_t zxid = l->files.snapshots[i].zxid;
		if (zxid > l->request.have || !zxid_follows(zxid, next))
			continue;
		l->stands = zxid;
		return true;
	}
	return false;
}

/* Whether e goes on from what was reached; counts it. */
static bool
seek_entry(struct load *l, const struct txnlog_entry *e)
{
	uint64_t zxid = e->head.zxid;

	if (zxid <= l->request.have) {
		l->stands = zxid;
		l->stands_known = true;
		return true;
	}
	if (l->reached == 0 ? !find_stand(l, zxid) : !zxid_follows(l->reached, zxid))
		return false;
	l->reached = zxid;
	l->bytes += e->txn.len + TXNLOG_ENTRY_EXTRA;
	return true;
}

static int
step_seek(struct load *l)
{
	struct txnlog_entry e;

	if (!l->walking) {
		if (l->log == l->files.nlogs)
			return seek_in_vain(l, "the logs end too early");
		if (walk_open(&l->walk, l->disk, l->files.logs[l->log++].zxid) != 0)
			return seek_in_vain(l, "a log cannot be read");
		l->walking = true;
	}
	for (int i = 0; i < TXNS_A_STEP; i++) {
		int ret = walk_next(&l->walk, &e);
		if (ret < 0)
			return seek_in_vain(l, "a log cannot be read");
		if (ret == 0) {
			close_log(l);
			return 1;
		}
		if (!seek_entry(l, &e))
			return seek_in_vain(l, "the logs do not reach back so far without a gap");
		if (l->bytes > l->limit)
			return seek_in_vain(l, "the transactions are more than snapshotSizeFactor allows");
		if (l->reached == l->request.upto)
			return end_seek(l);
	}
	return 1;
}

static int
step_finish(struct load *l)
{
	close_log(l);
	l->events->end(l->ctx, l->at);
	l->step = NULL;
	return 0;
}
