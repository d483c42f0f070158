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
#include "disk/gunzip.h"
#include "disk/snapshot.h"

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

	/* The snapshot being read. */
	int handle;
	uint64_t offset;
	struct snapshot_reader reader;
	bool reading;
	struct gunzip *gunzip; /* NULL: it is not compressed */
	struct slice packed;   /* of piece, not yet inflated */
	bool inflating;        /* there is more to come out, without more going in */
	struct buf inflated;
	uint8_t *piece;

	/* The log being read. */
	size_t log; /* index into files.logs */
	struct walk walk;
	bool walking;
	char damage[FILES_TEXT_BYTES]; /* how the last log ended, where not well */
	uint64_t sent;                 /* txns */

	char error[FILES_TEXT_BYTES];
};

static int step_pick_snapshot(struct load *l);
static int step_snapshot(struct load *l);
static int step_pick_log(struct load *l);
static int step_log(struct load *l);
static int step_finish(struct load *l);

static const struct snapshot_events check_only;

static int __attribute__((format(printf, 2, 3))) refuse(struct load *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->error, sizeof l->error, fmt, ap);
	va_end(ap);
	return -EUCLEAN;
}

static int
disk_error(struct load *l, int error, const char *what)
{
	if (error != -EUCLEAN)
		snprintf(l->error, sizeof l->error, "cannot read %s: %s", what, strerror(-error));
	return error;
}

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
	l->request.have_tree = request->have_tree && request->have <= request->upto;
	l->step = l->request.have_tree ? step_pick_log : step_pick_snapshot;
	l->handle = -1;
	l->piece = mem_alloc(PIECE_BYTES);
	buf_init(&l->inflated, 4 * PIECE_BYTES);
	return l;
}

static void
close_snapshot(struct load *l)
{
	if (l->handle >= 0)
		l->disk->ops->close(l->disk, l->handle);
	l->handle = -1;
	if (l->reading)
		snapshot_reader_free(&l->reader);
	l->reading = false;
	gunzip_free(l->gunzip);
	l->gunzip = NULL;
	l->inflating = false;
	l->packed = SLICE_NULL;
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
	buf_free(&l->inflated);
	mem_free(l->piece);
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

static int
open_snapshot(struct load *l, const struct file_name *n)
{
	char name[DISK_NAME_BYTES];

	disk_name_make(name, n->kind, n->zxid);
	l->handle = l->disk->ops->open(l->disk, STORE_SNAP, name, STORE_READ);
	if (l->handle < 0)
		return disk_error(l, l->handle, name);
	snapshot_reader_init(&l->reader, SNAPSHOT_FILE, &check_only, NULL);
	l->reading = true;
	if (n->kind == DISK_SNAPSHOT_GZ)
		l->gunzip = gunzip_new();
	l->offset = 0;
	l->at = n->zxid;
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
		if (ret == 0)
			return open_snapshot(l, n);
		if (ret != -EBADMSG && ret != -ENOTSUP && ret != -ENOENT)
			return disk_error(l, ret, "a snapshot");
	}
	if (l->files.nsnapshots == 0)
		return send_empty(l);
	return refuse(
	    l,
	    "no snapshot of %zu in %s is whole; the way out: restore one from a backup, with the logs "
	    "behind it; in an ensemble, move the version-2 folders away and let the server fetch its "
	    "data from the leader",
	    l->files.nsnapshots, l->disk->names[STORE_SNAP]);
}

/* The one being read turned out to be damaged: the next older one, from the start. */
static int
give_up_snapshot(struct load *l, const char *reason)
{
	trace(l->trace, TRACE_ERROR, "store", "snapshot is damaged",
	      "zxid=0x%" PRIx64 " offset=%" PRIu64 " reason=%s", l->at, l->reader.offset, reason);
	close_snapshot(l);
	l->step = step_pick_snapshot;
	return 1;
}

static int
end_snapshot(struct load *l)
{
	if (l->gunzip != NULL && !gunzip_done(l->gunzip))
		return give_up_snapshot(l, "compressed file is incomplete");
	if (snapshot_reader_finish(&l->reader) != 0)
		return give_up_snapshot(l, l->reader.error);
	close_snapshot(l);
	l->events->snapshot_end(l->ctx);
	l->step = step_pick_log;
	return 1;
}

static int
pass_on(struct load *l, struct slice bytes)
{
	if (bytes.len == 0)
		return 1;
	if (snapshot_reader_feed(&l->reader, bytes) < 0)
		return give_up_snapshot(l, l->reader.error);
	l->events->data(l->ctx, bytes);
	return 1;
}

static int
step_gunzip(struct load *l)
{
	int64_t got;
	int ret;

	got = gunzip_step(l->gunzip, &l->packed, &l->inflated, PIECE_BYTES);
	if (got < 0)
		return give_up_snapshot(l, "compressed data is damaged");
	l->inflating = got == PIECE_BYTES;
	if (gunzip_done(l->gunzip) || got == 0)
		l->packed = SLICE_NULL;
	ret = pass_on(l, buf_slice(&l->inflated));
	buf_reset(&l->inflated, SIZE_MAX);
	return ret;
}

static int
step_snapshot(struct load *l)
{
	int64_t got;

	if (l->packed.len > 0 || l->inflating)
		return step_gunzip(l);
	got = l->disk->ops->read(l->disk, l->handle, l->offset, l->piece, PIECE_BYTES);
	if (got < 0)
		return disk_error(l, (int)got, "a snapshot");
	if (got == 0)
		return end_snapshot(l);
	l->offset += (uint64_t)got;
	if (l->gunzip == NULL)
		return pass_on(l, slice_of(l->piece, (size_t)got));
	l->packed = slice_of(l->piece, (size_t)got);
	return step_gunzip(l);
}

/* The txns that are wanted are not in the logs. To one with a tree a snapshot is sent instead, if a newer one is there. */
static int
missing(struct load *l, uint64_t next)
{
	char what[64] = "the logs end there";

	if (l->request.have_tree && l->sent == 0) {
		l->request.have_tree = false;
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
	int ret = walk_open(&l->walk, l->disk, l->files.logs[l->log].zxid);

	if (ret != 0)
		return disk_error(l, ret, "a log");
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

static int
step_log(struct load *l)
{
	struct txnlog_entry e;
	size_t bytes = 0;

	for (int i = 0; i < TXNS_A_STEP && bytes < PIECE_BYTES; i++) {
		int ret = walk_next(&l->walk, &e);
		if (ret < 0)
			return disk_error(l, ret, "a log");
		if (ret == 0)
			return end_log(l);
		if (e.head.zxid <= l->at)
			continue;
		if (!zxid_follows(l->at, e.head.zxid) || e.head.zxid > l->request.upto)
			return missing(l, e.head.zxid);
		l->events->txn(l->ctx, e.head.zxid, e.txn);
		l->at = e.head.zxid;
		l->sent++;
		bytes += e.txn.len;
		if (l->at == l->request.upto)
			return step_finish(l);
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
