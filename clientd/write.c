/*
 * Writes: from a request to a proposed txn, from its commit to the tree, the watches and the reply. Invariants:
 * front.pending holds, in the order of zxids, every txn that is proposed (or was read from the log) and not applied;
 * each entry that names a connection counts in its inflight, and has its mark in the connection's waiting queue.
 */
#include <errno.h>

#include "front_int.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "ipc/msg.h"

enum {
	COMMIT_STALL_MS = 1000, /* no commit for so long: something behind us stands still, nobody expires */
	SWEEP_NODES = 1000,     /* container and TTL nodes looked at in one go */
	SWEEP_PAUSE_MS = 20,
};

/* ---- The pending entries ---- */

static int
push(struct front *f, const struct pending *p, struct slice txn)
{
	size_t before = buf_len(&f->pending);

	buf_put(&f->pending, p, sizeof *p);
	buf_put_slice(&f->pending, txn);
	if (f->pending.overflow) {
		buf_truncate(&f->pending, before);
		return -ENOBUFS;
	}
	f->npending++;
	if (p->conn != NULL)
		p->conn->inflight++;
	return 0;
}

static struct pending
pending_at(const struct front *f, size_t at)
{
	struct pending p;

	memcpy(&p, buf_head(&f->pending) + at, sizeof p);
	return p;
}

static void
pop(struct front *f, const struct pending *p)
{
	buf_consume(&f->pending, sizeof *p + p->len);
	f->npending--;
}

void
write_forget(struct front *f)
{
	while (f->npending > 0) {
		struct pending p = pending_at(f, 0);

		pop(f, &p);
		if (p.conn != NULL)
			conn_landed(p.conn);
	}
	buf_reset(&f->pending, 64 << 10);
}

void
write_abandon(struct front *f, const char *reason)
{
	size_t at = 0;

	for (uint32_t i = 0; i < f->npending; i++) {
		struct pending p = pending_at(f, at);

		if (p.conn != NULL)
			conn_kill(f, p.conn, reason);
		at += sizeof p + p.len;
	}
}

/* ---- Proposing ---- */

/*
 * The last zxid of an epoch is proposed, and no more: syncd then ends the role, and a new epoch begins (17.6, counter
 * exhaustion; a standalone node counts on).
 */
static bool
exhausted(const struct front *f)
{
	return f->prep != NULL && !f->role.standalone && (uint32_t)prep_last(f->prep) == UINT32_MAX;
}

bool
write_credit(const struct front *f)
{
	if (front_learns(f))
		return learner_credit(f);
	if (exhausted(f))
		return false;
	return f->npending < f->role.window_txns && buf_len(&f->pending) < f->role.window_bytes;
}

static void
count_proposal(struct front *f, int64_t bytes)
{
	struct proposal_sizes *s = &f->proposal_sizes;

	f->metrics.proposals += !f->role.standalone;
	s->last = bytes;
	s->least = s->least < 0 || bytes < s->least ? bytes : s->least;
	s->most = bytes > s->most ? bytes : s->most;
}

int
write_propose(struct front *f, uint64_t seq, struct front_conn *conn, const struct prep_request *rq,
	      uint64_t start_ms)
{
	struct frame frame = { .type = MSG_PROPOSE, .seq = seq, .zxid = prep_last(f->prep) + 1 };
	size_t begun;
	struct pending p = {
		.kind = PENDING_TXN,
		.zxid = frame.zxid,
		.conn = conn,
		.start_ms = start_ms,
		.stats_wanted = rq->stats_wanted,
		.xid = rq->cxid,
		.op = rq->type,
	};
	int err;

	if (exhausted(f))
		return -ERANGE;
	if (rq->type == ZK_OP_RECONFIG) {
		const struct prep_members m = { buf_slice(&f->members), f->role.sid, f->learners.followers };

		prep_know_members(f->prep, &m);
	}
	begun = frame_begin(&f->link, &frame);
	prep_write(f->prep, rq, &f->link);
	err = frame_end(&f->link, begun);
	if (err < 0) {
		/* Nobody can be told of this txn: start over with syncd, which knows what was proposed last. */
		if (prep_last(f->prep) == frame.zxid)
			link_bad(f, "a txn too large to be proposed");
		return err;
	}
	p.len = (uint32_t)(buf_len(&f->link) - begun - FRAME_HEADER_BYTES);
	err = push(f, &p, slice_of(buf_head(&f->link) + begun + FRAME_HEADER_BYTES, p.len));
	ASSERT(err == 0);
	count_proposal(f, p.len);
	link_told(f);
	return 0;
}

int
write_begin(struct front *f, struct front_conn *conn, const struct prep_request *rq, uint64_t start_ms)
{
	return front_leads(f) ? write_propose(f, 0, conn, rq, start_ms)
			      : learner_write(f, conn, rq, start_ms);
}

void
write_sync(struct front *f, struct front_conn *c, const struct request *rq)
{
	struct pending p = {
		.kind = PENDING_SYNC,
		.zxid = prep_last(f->prep),
		.conn = c,
		.start_ms = rq->start_ms,
		.xid = rq->xid,
		.op = rq->op,
	};

	/* While the disk fails nothing that is pending is promised to anybody, nor will it land soon. */
	if (f->npending == 0 || f->disk_failed) {
		request_answer(f, c, rq);
		return;
	}
	if (push(f, &p, SLICE_NULL) == 0)
		request_queue_sync(f, c, rq);
	else
		conn_kill(f, c, "too much is pending for its sync");
}

int
write_replayed(struct front *f, uint64_t zxid, struct slice txn)
{
	struct pending p = {
		.kind = PENDING_TXN, .zxid = zxid, .len = (uint32_t)txn.len, .start_ms = f->now_ms
	};

	return push(f, &p, txn);
}

int
write_learned(struct front *f, uint64_t zxid, struct slice txn, struct front_conn *conn,
	      const struct asked *a)
{
	struct pending p = { .kind = PENDING_TXN,
			     .zxid = zxid,
			     .conn = conn,
			     .len = (uint32_t)txn.len,
			     .start_ms = f->now_ms };

	if (a != NULL) {
		p.start_ms = a->start_ms;
		p.stats_wanted = a->stats_wanted;
		p.xid = a->xid;
		p.op = a->op;
	}
	return push(f, &p, txn) != 0 ? -ENOBUFS : write_committed(f, zxid);
}

/* ---- Committing ---- */

struct fired {
	struct front *front;
	uint64_t zxid;
	enum zk_event event;
	struct slice path, acl;
	uint32_t told;
};

static void
tell_watcher(void *ctx, struct watcher *w)
{
	struct fired *fired = ctx;
	struct front_conn *c = container_of(w, struct front_conn, watcher);

	fired->told++;
	/* Who may not read the node does not hear of it; the watch is used up all the same (CVE-2024-23944). */
	if (acl_allows(&fired->front->config.tree.acl, fired->acl, ZK_PERM_READ, &c->auth))
		notify(fired->front, c, fired->zxid, fired->event, fired->path);
}

static struct summary *
told_by(struct metrics *m, enum zk_event event)
{
	switch (event) {
	case ZK_EVENT_CREATED:
		return &m->created_watches;
	case ZK_EVENT_DELETED:
		return &m->deleted_watches;
	case ZK_EVENT_CHILDREN_CHANGED:
		return &m->children_watches;
	default:
		return &m->changed_watches;
	}
}

static void
fire(void *ctx, uint64_t zxid, enum zk_event event, struct slice path, struct slice acl)
{
	struct front *f = ctx;
	struct fired fired = { f, zxid, event, path, acl, 0 };

	watch_fire(f->watches, path, event, tell_watcher, &fired);
	if (fired.told > 0)
		summary_add(told_by(&f->metrics, event), fired.told);
}

static void
reply_txn(struct front *f, const struct pending *p, const struct tree_result *result)
{
	struct request rq = { p->xid, p->op, SLICE_NULL, p->start_ms };
	enum zk_error err = tree_result_error(result);
	struct front_conn *c = p->conn;
	size_t begun;

	if (result->err == ZK_SESSIONMOVED) {
		conn_kill(f, c, "session moved to another server");
		return;
	}
	begun = reply_begin(c, p->xid, p->zxid);
	if (err == ZK_OK)
		tree_result_write(result, p->stats_wanted, &c->out);
	reply_end(f, c, begun, &rq, err);
	if (p->op == ZK_OP_CLOSE_SESSION)
		conn_finish(f, c);
}

/* A session is over: by its client's wish, which then gets its reply first, or by expiry. */
static void
end_session(struct front *f, const struct pending *p, int64_t session)
{
	struct front_conn *c = conn_of_session(f, session);

	if (c == NULL || c == p->conn)
		return;
	/* Who does not read is not heard either, so that its session ends: that is worth a line. */
	conn_kill(f, c,
		  c->paused & PAUSE_OUTPUT ? "does not read its replies, until its session expired" : NULL);
}

static void
answer(struct front *f, const struct pending *p, const struct tree_result *result)
{
	struct front_conn *c = p->conn;

	if (c == NULL || c->state == CONN_DEAD || c->state == CONN_CLOSING)
		return;
	if (p->op == ZK_OP_CREATE_SESSION) {
		connect_created(f, c, p);
		return;
	}
	reply_txn(f, p, result);
	request_landed(f, c);
}

static int
land_txn(struct front *f, const struct pending *p)
{
	struct slice txn = slice_of(buf_head(&f->pending) + sizeof *p, p->len);
	const struct tree_sink sink = { fire, f };
	struct tree_result result;
	int err;

	arena_reset(&f->arena);
	err = tree_apply(f->tree, txn, &f->arena, &sink, &result);
	if (err == -EALREADY)
		return 0;
	if (err != 0)
		return err;
	if (f->prep != NULL) {
		prep_applied(f->prep, p->zxid);
		f->metrics.commits += !f->role.standalone;
	}
	if (result.type == ZK_OP_CLOSE_SESSION)
		end_session(f, p, (int64_t)get_be64(txn.data));
	/* What was read from the log is no news. */
	if (p->op != 0)
		quantiles_add(&f->metrics.propagation_ms, f->now_ms - p->start_ms);
	answer(f, p, &result);
	return 0;
}

/* The first pending entry is through. */
static int
land(struct front *f)
{
	struct pending p = pending_at(f, 0);
	int err = 0;

	if (p.kind == PENDING_TXN)
		err = land_txn(f, &p);
	else if (p.conn->state == CONN_OPEN)
		request_landed(f, p.conn);
	if (err != 0)
		return err;
	pop(f, &p);
	if (p.conn != NULL) {
		if (p.conn->state == CONN_OPEN)
			request_drain(f, p.conn);
		conn_landed(p.conn);
	}
	return 0;
}

uint64_t
write_last(const struct front *f)
{
	uint64_t applied = tree_applied(f->tree), last = f->prep != NULL ? prep_last(f->prep) : f->load.last;

	last = last > f->role.proposed ? last : f->role.proposed;
	return last > applied ? last : applied;
}

int
write_committed(struct front *f, uint64_t zxid)
{
	int err = 0;

	if (zxid > f->committed)
		f->committed = zxid;
	while (err == 0 && f->npending > 0 && pending_at(f, 0).zxid <= f->committed)
		err = land(f);
	if (err == 0 && f->expiry_suspended && !f->disk_failed) {
		f->expiry_suspended = false;
		sessions_resume(tree_sessions(f->tree), (int64_t)f->now_ms);
	}
	return err;
}

void
write_resume(struct front *f)
{
	struct list *e;

	while (write_credit(f) && (e = list_first(&f->stalled)) != NULL)
		conn_unpause(f, container_of(e, struct front_conn, stalled), PAUSE_CREDIT);
}

/* ---- Expiry and sweeping, while leading ---- */

static void
close_expired(struct front *f, int64_t session)
{
	struct prep_request rq = {
		.type = ZK_OP_CLOSE_SESSION,
		.session = session,
		.body = slice_of("", 0),
		.wall_ms = f->wall_ms,
		.now_ms = (int64_t)f->now_ms,
	};

	write_propose(f, 0, NULL, &rq, f->now_ms);
}

static void
expire_sessions(struct front *f)
{
	uint32_t n = 0;
	int64_t session;

	while (write_credit(f) &&
	       sessions_next_expired(tree_sessions(f->tree), (int64_t)f->now_ms, &session)) {
		trace(f->trace, TRACE_DEBUG, "front", "session expired", "session=0x%llx",
		      (unsigned long long)session);
		close_expired(f, session);
		n++;
	}
	f->metrics.sessions_expired += n;
	if (n > 0)
		trace(f->trace, TRACE_NOTICE, "front", "sessions expired", "count=%u left=%u", n,
		      sessions_count(tree_sessions(f->tree)));
}

static void
sweep_node(void *ctx, struct slice path)
{
	struct front *f = ctx;
	struct prep_request rq = {
		.type = ZK_OP_DELETE_CONTAINER,
		.wall_ms = f->wall_ms,
		.now_ms = (int64_t)f->now_ms,
	};

	/* What finds no credit now, or comes above the limit, comes again with the next round. */
	if (f->sweep_left == 0 || !write_credit(f))
		return;
	f->sweep_left--;
	buf_reset(&f->scratch, 4096);
	tree_sweep_body(path, &f->scratch);
	rq.body = buf_slice(&f->scratch);
	write_propose(f, 0, NULL, &rq, f->now_ms);
}

static void
sweep(struct front *f)
{
	if (f->now_ms < f->sweep_ms)
		return;
	if (f->now_ms - f->sweep_minute_ms >= 60000) {
		f->sweep_minute_ms = f->now_ms;
		f->sweep_left = f->config.container_max_per_minute;
	}
	if (tree_sweep(f->tree, f->wall_ms, SWEEP_NODES, sweep_node, f))
		f->sweep_ms = f->now_ms + SWEEP_PAUSE_MS;
	else
		f->sweep_ms = f->now_ms + f->config.container_check_ms;
}

static void
suspend_when_stalled(struct front *f)
{
	if (f->expiry_suspended || f->npending == 0 ||
	    f->now_ms < pending_at(f, 0).start_ms + COMMIT_STALL_MS)
		return;
	f->expiry_suspended = true;
	sessions_suspend(tree_sessions(f->tree), (int64_t)f->now_ms);
	trace(f->trace, TRACE_WARNING, "front", "expiry suspended", "outstanding=%u no commit for %d ms",
	      f->npending, COMMIT_STALL_MS);
}

void
write_tick(struct front *f)
{
	if (f->prep == NULL || !front_serving(f))
		return;
	suspend_when_stalled(f);
	if (f->expiry_suspended || f->disk_failed)
		return;
	expire_sessions(f);
	sweep(f);
}

uint64_t
write_deadline(const struct front *f)
{
	uint64_t due = UINT64_MAX;
	int64_t expiry;

	if (f->prep == NULL || !front_serving(f) || f->disk_failed || f->expiry_suspended)
		return due;
	if (f->npending > 0)
		due = pending_at(f, 0).start_ms + COMMIT_STALL_MS;
	/* Without credit nothing can be proposed; commits bring it back, and a tick after them. */
	if (!write_credit(f))
		return due;
	expiry = sessions_deadline(tree_sessions_const(f->tree));
	if (expiry != INT64_MAX && (uint64_t)expiry < due)
		due = expiry < 0 ? 0 : (uint64_t)expiry;
	return f->sweep_ms < due ? f->sweep_ms : due;
}
