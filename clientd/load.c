/*
 * Loading: the newest snapshot and the tail of the log, as frames of a bulk channel, become the tree (msg.h); and the
 * other way, the tree becomes the frames of a snapshot, slice by slice. Invariant: a tree that was only begun is never
 * served; a channel that ends without BULK_END is not trusted, and the load asked for again.
 */
#include <errno.h>

#include "front_int.h"

#include "base/assert.h"
#include "ipc/msg.h"

enum {
	LOAD_RETRY_MS = 100, /* doubles with each load that fails */
	LOAD_RETRY_MAX_MS = 5000,
	SNAP_RAW_MAX = 1 << 30,               /* grows with what changes while the snapshot is written */
	SNAP_OUT_LOW = FRONT_SLICE_BYTES / 2, /* make the next slice when less than this is unwritten */
};

/* ---- Asking ---- */

void
load_ask(struct front *f)
{
	bool have = f->tree != NULL;

	f->load.retry_ms = UINT64_MAX;
	f->load.asked_ms = f->now_ms;
	link_put(f, MSG_LOAD, have ? LOAD_HAVE_TREE : 0, 0, have ? tree_applied(f->tree) : 0, SLICE_NULL);
}

static void
drop_begun(struct front *f)
{
	if (f->load.tree == NULL)
		return;
	tree_load_abort(f->load.tree);
	snapshot_reader_free(&f->load.reader);
	f->load.tree = NULL;
}

void
load_abort(struct front *f)
{
	drop_begun(f);
	f->load.retry_ms = UINT64_MAX;
	f->load.spoilt = false;
	if (!f->load.open)
		return;
	f->load.open = false;
	front_do(f, FRONT_LOAD_CLOSE, NULL);
}

/* What came so far is void. With a tree of our own we go on from where that one is: it holds whole txns only. */
static void
load_failed(struct front *f, const char *why)
{
	trace(f->trace, TRACE_WARNING, "front", "load failed", "reason=\"%s\" applied=0x%llx", why,
	      (unsigned long long)(f->tree == NULL ? 0 : tree_applied(f->tree)));
	write_forget(f);
	load_abort(f);
	f->load.wait_ms = f->load.wait_ms == 0 ? LOAD_RETRY_MS : f->load.wait_ms * 2;
	if (f->load.wait_ms > LOAD_RETRY_MAX_MS)
		f->load.wait_ms = LOAD_RETRY_MAX_MS;
	f->load.retry_ms = f->now_ms + f->load.wait_ms;
}

void
load_channel(struct front *f)
{
	load_abort(f);
	write_forget(f);
	f->load.open = true;
	f->load.last = 0;
}

/* ---- The frames ---- */

static void
take_snapshot(struct front *f, const struct frame *frame)
{
	drop_begun(f);
	write_forget(f);
	f->load.spoilt = false;
	f->load.tree = tree_load_begin(&f->config.tree, frame->zxid);
	snapshot_reader_init(&f->load.reader, SNAPSHOT_FILE, &tree_load_events, f->load.tree);
}

static void
take_data(struct front *f, const struct frame *frame)
{
	if (f->load.spoilt)
		return;
	if (f->load.tree == NULL) {
		load_failed(f, "data outside of a snapshot");
	} else if (snapshot_reader_feed(&f->load.reader, frame->body) < 0) {
		drop_begun(f);
		f->load.spoilt = true;
	}
}

static void
take_tree(struct front *f, struct tree *t)
{
	snap_abort(f);
	if (f->tree != NULL)
		tree_destroy(f->tree);
	f->tree = t;
	trace(f->trace, TRACE_NOTICE, "front", "snapshot loaded", "zxid=0x%llx nodes=%llu sessions=%llu",
	      (unsigned long long)tree_applied(t), (unsigned long long)f->load.reader.end.nodes,
	      (unsigned long long)f->load.reader.end.sessions);
}

static void
take_snapshot_end(struct front *f, const struct frame *frame)
{
	struct tree *t;

	(void)frame;
	if (f->load.tree == NULL) {
		load_failed(f, f->load.spoilt ? "the snapshot holds no tree" : "end of no snapshot");
		return;
	}
	if (snapshot_reader_finish(&f->load.reader) != 0) {
		load_failed(f, "the snapshot is not whole");
		return;
	}
	t = tree_load_end(f->load.tree, &f->load.reader.end);
	f->load.tree = NULL;
	if (t != NULL)
		take_tree(f, t);
	snapshot_reader_free(&f->load.reader);
	if (t == NULL)
		load_failed(f, "the snapshot holds no tree");
}

/*
 * A learner gets what came after the beginning of its role with the COMMITs, and a node without a quorum has no use
 * for what it may not apply.
 */
static bool
passes_over(const struct front *f, uint64_t zxid)
{
	if (front_learns(f))
		return zxid > f->role.proposed;
	return !front_leads(f) && zxid > f->committed;
}

static void
take_txn(struct front *f, const struct frame *frame)
{
	if (f->load.tree != NULL || f->load.spoilt) {
		load_failed(f, "a txn inside of a snapshot");
		return;
	}
	/* A node that was never used has no snapshot, and its log begins with the first txn. */
	if (f->tree == NULL)
		f->tree = tree_create(&f->config.tree);
	if (frame->zxid <= tree_applied(f->tree))
		return;
	f->load.last = frame->zxid;
	if (passes_over(f, frame->zxid))
		return;
	if (write_replayed(f, frame->zxid, frame->body) != 0)
		load_failed(f, "too many txns of the log are not committed");
	else if (write_committed(f, f->committed) != 0)
		load_failed(f, "a txn of the log cannot be applied");
}

static void
take_end(struct front *f, const struct frame *frame)
{
	uint64_t last;

	if (f->load.tree != NULL || f->load.spoilt) {
		load_failed(f, "the channel ends inside of a snapshot");
		return;
	}
	if (f->tree == NULL)
		f->tree = tree_create(&f->config.tree);
	last = f->load.last > tree_applied(f->tree) ? f->load.last : tree_applied(f->tree);
	if (frame->zxid > last || f->role.proposed > last) {
		load_failed(f, "txns are missing before its end");
		return;
	}
	load_abort(f);
	/* What was committed while it came. */
	if (learner_catch_up(f) != 0 || write_committed(f, f->committed) != 0) {
		link_bad(f, "a committed txn cannot be applied");
		return;
	}
	f->load.wait_ms = 0;
	summary_add(&f->metrics.load_ms, f->now_ms - f->load.asked_ms);
	f->phase = PHASE_CATCHING_UP;
	link_put(f, MSG_READY, 0, 0, frame->zxid, SLICE_NULL);
	if (f->phase == PHASE_CATCHING_UP)
		load_serve(f);
}

static const struct {
	uint16_t type;
	void (*take)(struct front *f, const struct frame *frame);
} bulk[] = {
	{ MSG_BULK_SNAPSHOT, take_snapshot },
	{ MSG_BULK_DATA, take_data },
	{ MSG_BULK_SNAPSHOT_END, take_snapshot_end },
	{ MSG_BULK_TXN, take_txn },
	{ MSG_BULK_END, take_end },
};

void
load_bulk(struct front *f, const struct front_event *e)
{
	if (!f->load.open)
		return;
	arena_reset(&f->arena);
	for (size_t i = 0; i < sizeof bulk / sizeof bulk[0]; i++) {
		if (bulk[i].type == e->frame.type) {
			bulk[i].take(f, &e->frame);
			return;
		}
	}
	load_failed(f, "an unknown frame");
}

void
load_closed(struct front *f, const struct front_event *e)
{
	(void)e;
	if (f->load.open)
		load_failed(f, "the channel was closed before its end");
}

/* ---- Serving ---- */

static void
lead(struct front *f)
{
	uint64_t last = f->role.proposed > tree_applied(f->tree) ? f->role.proposed : tree_applied(f->tree);
	uint64_t epoch = (uint64_t)f->role.epoch << 32;

	/* A new epoch's first zxid is its number with 1 behind it. */
	last = epoch > last ? epoch : last;
	f->prep = prep_create(&f->config.tree, f->tree);
	prep_start(f->prep, last);
	sessions_lead(tree_sessions(f->tree), (int32_t)f->config.tick_ms, (int64_t)f->now_ms);
	if (f->disk_failed)
		sessions_suspend(tree_sessions(f->tree), (int64_t)f->now_ms);
	f->sweep_ms = f->now_ms + f->config.container_check_ms;
}

/* Ids of an earlier role of this process may still be on their way: none is given twice, also if the clock is set back. */
static void
renew_session_ids(struct front *f)
{
	uint8_t server = f->role.standalone ? 1 : (uint8_t)f->role.sid;
	uint64_t last = (uint64_t)f->ids.next;
	struct session_ids ids;

	session_ids_init(&ids, server, f->wall_ms);
	if (last >> 56 != server || (uint64_t)ids.next > last)
		f->ids = ids;
}

void
load_serve(struct front *f)
{
	if (f->phase != PHASE_CATCHING_UP || f->role.state == ROLE_LOOKING)
		return;
	if (f->role.state != ROLE_READONLY && (f->npending > 0 || f->committed < f->role.proposed))
		return;
	renew_session_ids(f);
	link_show_members(f);
	local_begin(f);
	if (front_leads(f))
		lead(f);
	/* The next txn will be our own, with the digest of this very tree. A learner's come from its leader. */
	if (front_leads(f))
		tree_loaded(f->tree);
	f->phase = PHASE_SERVING;
	f->role.since_ms = f->now_ms;
	trace(f->trace, TRACE_NOTICE, "front", "serving", "zxid=0x%llx sessions=%u",
	      (unsigned long long)front_shown_zxid(f), sessions_count(tree_sessions(f->tree)));
}

/* ---- Writing a snapshot ---- */

void
snap_abort(struct front *f)
{
	if (!f->snap.active)
		return;
	if (!f->snap.walked)
		tree_snapshot_abort(f->tree);
	buf_free(&f->snap.raw);
	buf_free(&f->snap.out);
	f->snap.active = f->snap.told = false;
	front_do(f, FRONT_SNAPSHOT_CLOSE, NULL);
}

static void
frame_raw(struct front *f)
{
	while (buf_len(&f->snap.raw) > 0) {
		size_t n =
		    buf_len(&f->snap.raw) < FRONT_SLICE_BYTES ? buf_len(&f->snap.raw) : FRONT_SLICE_BYTES;

		frame_put(&f->snap.out, &(struct frame){ .type = MSG_BULK_DATA,
							 .body = slice_of(buf_head(&f->snap.raw), n) });
		buf_consume(&f->snap.raw, n);
	}
}

static void
write_slice(struct front *f)
{
	int more = 1;

	while (buf_len(&f->snap.out) < FRONT_SLICE_BYTES && more == 1) {
		more = tree_snapshot_step(f->tree, FRONT_SLICE_BYTES);
		if (more < 0) {
			trace(f->trace, TRACE_WARNING, "front", "snapshot given up", "error=%d", more);
			f->snap.walked = true;
			snap_abort(f);
			return;
		}
		frame_raw(f);
	}
	if (more == 0) {
		f->snap.walked = true;
		frame_put_short(&f->snap.out, MSG_BULK_SNAPSHOT_END, 0, 0);
	}
	if (!f->snap.told) {
		f->snap.told = true;
		front_do(f, FRONT_SNAPSHOT_WRITE, NULL);
	}
}

void
snap_opened(struct front *f, const struct front_event *e)
{
	uint64_t zxid;

	(void)e;
	snap_abort(f);
	buf_init(&f->snap.raw, SNAP_RAW_MAX);
	buf_init(&f->snap.out, SNAP_RAW_MAX + (1 << 20));
	if (f->tree == NULL || f->phase < PHASE_CATCHING_UP ||
	    tree_snapshot_begin(f->tree, &f->snap.raw) != 0) {
		front_do(f, FRONT_SNAPSHOT_CLOSE, NULL);
		return;
	}
	f->snap.active = true;
	f->snap.begun_ms = f->now_ms;
	f->snap.walked = false;
	ASSERT(tree_snapshot_active(f->tree, &zxid));
	trace(f->trace, TRACE_NOTICE, "front", "snapshot begun", "zxid=0x%llx", (unsigned long long)zxid);
	frame_put_short(&f->snap.out, MSG_BULK_SNAPSHOT, 0, zxid);
	write_slice(f);
}

struct slice
front_snapshot_output(const struct front *f)
{
	return f->snap.active ? buf_slice(&f->snap.out) : SLICE_NULL;
}

void
snap_wrote(struct front *f, const struct front_event *e)
{
	if (!f->snap.active)
		return;
	buf_consume(&f->snap.out, e->count);
	if (buf_len(&f->snap.out) == 0)
		f->snap.told = false;
	if (!f->snap.walked && buf_len(&f->snap.out) < SNAP_OUT_LOW)
		write_slice(f);
	else if (f->snap.walked && buf_len(&f->snap.out) == 0) {
		summary_add(&f->metrics.snapshot_ms, f->now_ms - f->snap.begun_ms);
		snap_abort(f);
	}
}

void
snap_closed(struct front *f, const struct front_event *e)
{
	(void)e;
	if (!f->snap.active)
		return;
	trace(f->trace, TRACE_WARNING, "front", "snapshot given up", "its reader is gone");
	snap_abort(f);
}
