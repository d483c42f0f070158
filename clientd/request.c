/*
 * The order of requests. Replies go out in the order in which a connection asked. A write is proposed the moment it
 * is parsed; whatever the same connection asks after it waits in conn.waiting until the write is applied, so a
 * client's reads see its own writes, while other connections go on. Between two writes of a connection its reads are
 * worked off before the second is applied. (ZooKeeper: CommitProcessor, FinalRequestProcessor.)
 */
#include "front_int.h"
#include "multi.h"

#include "base/assert.h"
#include "base/bytes.h"

enum op_kind {
	OP_NONE,  /* no operation of ours */
	OP_READ,  /* answered from the tree when it is its turn */
	OP_WRITE, /* becomes a txn */
	OP_SYNC,  /* waits for what is proposed */
	OP_NOW,   /* answered at once */
};

struct op {
	enum op_kind kind;
	op_fn *read;
	void (*now)(struct front *f, struct front_conn *c, const struct request *rq);
};

/*
 * What clients may ask. createSession, deleteContainer and a bare check are missing on purpose: ZooKeeper takes them
 * from clients, which lets anybody delete a node without permission, or harm the database (ZOOKEEPER-2623).
 */
static const struct op low_ops[] = {
	[ZK_OP_CREATE] = { OP_WRITE, NULL, NULL },
	[ZK_OP_DELETE] = { OP_WRITE, NULL, NULL },
	[ZK_OP_EXISTS] = { OP_READ, op_exists, NULL },
	[ZK_OP_GET_DATA] = { OP_READ, op_get_data, NULL },
	[ZK_OP_SET_DATA] = { OP_WRITE, NULL, NULL },
	[ZK_OP_GET_ACL] = { OP_READ, op_get_acl, NULL },
	[ZK_OP_SET_ACL] = { OP_WRITE, NULL, NULL },
	[ZK_OP_GET_CHILDREN] = { OP_READ, op_get_children, NULL },
	[ZK_OP_SYNC] = { OP_SYNC, op_sync, NULL },
	[ZK_OP_PING] = { OP_READ, op_ping, NULL },
	[ZK_OP_GET_CHILDREN2] = { OP_READ, op_get_children2, NULL },
	[ZK_OP_MULTI] = { OP_WRITE, NULL, NULL },
	[ZK_OP_CREATE2] = { OP_WRITE, NULL, NULL },
	[ZK_OP_RECONFIG] = { OP_WRITE, NULL, NULL },
	[ZK_OP_CHECK_WATCHES] = { OP_READ, op_check_watches, NULL },
	[ZK_OP_REMOVE_WATCHES] = { OP_READ, op_remove_watches, NULL },
	[ZK_OP_CREATE_CONTAINER] = { OP_WRITE, NULL, NULL },
	[ZK_OP_CREATE_TTL] = { OP_WRITE, NULL, NULL },
	[ZK_OP_MULTI_READ] = { OP_READ, op_multi_read, NULL },
};
static const struct op high_ops[] = {
	[ZK_OP_AUTH - 100] = { OP_NOW, NULL, op_auth },
	[ZK_OP_SET_WATCHES - 100] = { OP_READ, op_set_watches, NULL },
	[ZK_OP_SASL - 100] = { OP_NOW, NULL, op_sasl },
	[ZK_OP_GET_EPHEMERALS - 100] = { OP_READ, op_get_ephemerals, NULL },
	[ZK_OP_GET_ALL_CHILDREN_NUMBER - 100] = { OP_READ, op_get_all_children_number, NULL },
	[ZK_OP_SET_WATCHES2 - 100] = { OP_READ, op_set_watches2, NULL },
	[ZK_OP_ADD_WATCH - 100] = { OP_READ, op_add_watch, NULL },
	[ZK_OP_WHO_AM_I - 100] = { OP_READ, op_who_am_i, NULL },
};

static const struct op *
find_op(int32_t code)
{
	static const struct op none = { OP_NONE, NULL, NULL },
			       close_session = { OP_WRITE, op_close_local, NULL };

	if (code == ZK_OP_CLOSE_SESSION)
		return &close_session;
	if (code >= 0 && (size_t)code < sizeof low_ops / sizeof low_ops[0])
		return &low_ops[code];
	if (code >= 100 && (size_t)code - 100 < sizeof high_ops / sizeof high_ops[0])
		return &high_ops[code - 100];
	return &none;
}

/* ---- Replies ---- */

static void
add_latency(struct conn_stats *s, uint64_t ms)
{
	uint32_t latency = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;

	if (s->latency_count == 0 || latency < s->latency_min_ms)
		s->latency_min_ms = latency;
	if (latency > s->latency_max_ms)
		s->latency_max_ms = latency;
	s->latency_last_ms = latency;
	s->latency_total_ms += latency;
	s->latency_count++;
}

void
stats_reset(struct conn_stats *s)
{
	*s = (struct conn_stats){ .last_cxid = -1, .last_zxid = -1 };
}

void
stats_received(struct front *f, struct front_conn *c, size_t bytes)
{
	c->stats.received++;
	f->stats.received++;
	f->metrics.bytes_received += bytes;
}

/* ZooKeeper tells by the txn header, which a session's creation and a write that failed have, too. */
static bool
is_update(int32_t op)
{
	return op == ZK_OP_CREATE_SESSION || find_op(op)->kind == OP_WRITE;
}

void
stats_reply(struct front *f, struct front_conn *c, const struct request *rq, uint64_t zxid)
{
	uint64_t latency_ms = f->now_ms - rq->start_ms;

	quantiles_add(is_update(rq->op) ? &f->metrics.update_ms : &f->metrics.read_ms, latency_ms);
	add_latency(&f->stats, latency_ms);
	add_latency(&c->stats, latency_ms);
	c->stats.response_ms = f->now_ms;
	c->stats.last_zxid = (int64_t)zxid;
	c->stats.last_op = rq->op;
	/* What the client library says by itself, a ping above all, is not its user's last operation. */
	if (rq->xid >= 0)
		c->stats.last_cxid = rq->xid;
}

enum { REPLY_LENGTH = 4, REPLY_ZXID = 8, REPLY_ERR = 16, REPLY_HEAD = 20 };

size_t
reply_begin(struct front_conn *c, int32_t xid, uint64_t zxid)
{
	size_t begun = buf_len(&c->out);
	uint8_t *p = buf_reserve(&c->out, REPLY_HEAD);

	if (p == NULL)
		return begun;
	put_be32(p + REPLY_LENGTH, (uint32_t)xid);
	put_be64(p + REPLY_ZXID, zxid);
	put_be32(p + REPLY_ERR, ZK_OK);
	buf_commit(&c->out, REPLY_HEAD);
	return begun;
}

void
reply_end(struct front *f, struct front_conn *c, size_t begun, const struct request *rq, enum zk_error err)
{
	uint8_t *p;

	if (c->out.overflow) {
		conn_written(f, c);
		return;
	}
	if (err != ZK_OK)
		buf_truncate(&c->out, begun + REPLY_HEAD);
	p = c->out.data + c->out.off + begun;
	put_be32(p, (uint32_t)(buf_len(&c->out) - begun - REPLY_LENGTH));
	put_be32(p + REPLY_ERR, (uint32_t)err);
	c->stats.sent++;
	f->stats.sent++;
	metrics_response(&f->metrics, buf_len(&c->out) - begun - REPLY_LENGTH);
	if (rq->op != ZK_OP_AUTH && rq->op != ZK_OP_SASL && rq->op != ZK_OP_PING)
		f->metrics.response_bytes += buf_len(&c->out) - begun - REPLY_LENGTH;
	if (rq->op != ZK_OP_AUTH && rq->op != ZK_OP_SASL)
		stats_reply(f, c, rq, get_be64(p + REPLY_ZXID));
	conn_written(f, c);
}

void
reply_error(struct front *f, struct front_conn *c, const struct request *rq, uint64_t zxid, enum zk_error err)
{
	reply_end(f, c, reply_begin(c, rq->xid, zxid), rq, err);
}

/* ---- One request ---- */

static void
answer_read(struct front *f, struct front_conn *c, const struct request *rq)
{
	const struct op *op = find_op(rq->op);
	size_t begun;

	if (op->read == NULL) {
		reply_error(f, c, rq, UINT64_MAX, ZK_UNIMPLEMENTED);
		conn_finish(f, c);
		return;
	}
	/* Events of a catch-up come before the reply, so the operation writes its own header. */
	if (op->read == op_set_watches || op->read == op_set_watches2) {
		op->read(f, c, rq);
		return;
	}
	begun = reply_begin(c, rq->op == ZK_OP_PING ? ZK_XID_PING : rq->xid, front_shown_zxid(f));
	reply_end(f, c, begun, rq, op->read(f, c, rq));
	if (rq->op == ZK_OP_CLOSE_SESSION)
		conn_finish(f, c);
}

static void
queue(struct front *f, struct front_conn *c, enum waiting_kind kind, const struct request *rq,
      enum zk_error err)
{
	struct waiting w = {
		.kind = kind,
		.len = kind == WAITING_READ || kind == WAITING_SYNC ? (uint32_t)rq->body.len : 0,
		.xid = rq->xid,
		.op = rq->op,
		.err = err,
		.start_ms = rq->start_ms,
	};

	buf_put(&c->waiting, &w, sizeof w);
	buf_put(&c->waiting, rq->body.data, w.len);
	ASSERT(!c->waiting.overflow);
	c->nwaiting++;
	if (buf_len(&c->waiting) > FRONT_WAITING_MAX)
		conn_pause(f, c, PAUSE_WAITING);
}

static void
read_now_or_later(struct front *f, struct front_conn *c, const struct request *rq)
{
	if (c->nwaiting == 0)
		answer_read(f, c, rq);
	else
		queue(f, c, WAITING_READ, rq, ZK_OK);
}

static void
refuse(struct front *f, struct front_conn *c, const struct request *rq, enum zk_error err)
{
	if (c->nwaiting == 0)
		reply_error(f, c, rq, front_shown_zxid(f), err);
	else
		queue(f, c, WAITING_ERROR, rq, err);
}

/*
 * While the disk does not work the node may be read, but not written. Who wants to end its session is cut off: the
 * session ends by itself once the disk works again.
 */
static void
refuse_write(struct front *f, struct front_conn *c, const struct request *rq)
{
	if (rq->op == ZK_OP_CLOSE_SESSION)
		conn_finish(f, c);
	else
		refuse(f, c, rq, ZK_NOTREADONLY);
}

static void
start_write(struct front *f, struct front_conn *c, const struct request *rq)
{
	bool closes = rq->op == ZK_OP_CLOSE_SESSION;
	struct prep_request prep = {
		.type = rq->op,
		.session = c->session,
		.cxid = rq->xid,
		.auth = c->auth,
		.body = closes ? slice_of(rq->body.data, 0) : rq->body,
		.wall_ms = f->wall_ms,
		.now_ms = (int64_t)f->now_ms,
		.local = c->local,
	};

	if (rq->op == ZK_OP_MULTI)
		prep.stats_wanted = multi_stats_wanted(rq->body, &f->arena);
	if (write_begin(f, c, &prep, rq->start_ms) != 0) {
		refuse(f, c, rq, ZK_SYSTEMERROR);
		return;
	}
	queue(f, c, WAITING_TXN, rq, ZK_OK);
	if (closes)
		conn_pause(f, c, PAUSE_LEAVING);
}

/* ZooKeeper reads a reconfig before it numbers it, unlike all other writes: what does not decode is no txn. */
static bool
is_unreadable(struct front *f, const struct request *rq)
{
	struct jute_reconfig_request q;
	struct jute_reader r;

	if (rq->op != ZK_OP_RECONFIG)
		return false;
	jute_reader_init(&r, rq->body, UINT32_MAX);
	return !jute_read_reconfig_request(&r, &f->arena, &q);
}

/* The end of a session that only this node knows: its turn comes behind what was asked before. */
static void
close_local(struct front *f, struct front_conn *c, const struct request *rq)
{
	conn_pause(f, c, PAUSE_LEAVING);
	read_now_or_later(f, c, rq);
}

/* Whether the node takes no writes at all. */
static bool
is_read_only(const struct front *f)
{
	return f->disk_failed || f->role.state == ROLE_READONLY;
}

/* Without a quorum what only servers may ask is refused before anybody looks who asked (ReadOnlyRequestProcessor). */
static bool
refuses_unasked(const struct front *f, int32_t op)
{
	return f->role.state == ROLE_READONLY && (op == ZK_OP_CHECK || op == ZK_OP_DELETE_CONTAINER);
}

static void
upgrade_and_write(struct front *f, struct front_conn *c, const struct request *rq)
{
	enum zk_error err = local_upgrade(f, c, rq);

	if (err == ZK_OK)
		start_write(f, c, rq);
	else
		refuse(f, c, rq, err);
}

static bool
dispatch(struct front *f, struct front_conn *c, const struct request *rq)
{
	const struct op *op = find_op(rq->op);

	switch (op->kind) {
	case OP_WRITE:
		if (c->local && rq->op == ZK_OP_CLOSE_SESSION)
			close_local(f, c, rq);
		else if (is_read_only(f))
			refuse_write(f, c, rq);
		else if (is_unreadable(f, rq))
			refuse(f, c, rq, ZK_MARSHALLINGERROR);
		else if (!write_credit(f))
			return false;
		else
			upgrade_and_write(f, c, rq);
		break;
	case OP_SYNC:
		if (f->role.state == ROLE_READONLY)
			refuse(f, c, rq, ZK_NOTREADONLY);
		else if (front_learns(f) && learner_sync(f, c, rq) != 0)
			refuse(f, c, rq, ZK_SYSTEMERROR);
		else if (!front_learns(f))
			write_sync(f, c, rq);
		break;
	case OP_NOW:
		op->now(f, c, rq);
		break;
	case OP_NONE:
		if (refuses_unasked(f, rq->op)) {
			refuse(f, c, rq, ZK_NOTREADONLY);
			break;
		}
		/* fallthrough */
	case OP_READ:
		read_now_or_later(f, c, rq);
		break;
	}
	return true;
}

static void
heard_of(struct front *f, struct front_conn *c)
{
	c->heard_ms = f->now_ms;
	if (c->session == 0)
		return;
	if (c->local)
		sessions_touch(f->local, c->session, c->timeout_ms, (int64_t)f->now_ms);
	else if (front_leads(f))
		sessions_touch(tree_sessions(f->tree), c->session, c->timeout_ms, (int64_t)f->now_ms);
	else
		learner_touch(f, c);
}

/* enforce.auth: who has proven nothing may do nothing but that. Answered out of turn, as in ZooKeeper. */
static bool
is_stranger(const struct front *f, const struct front_conn *c, const struct request *rq)
{
	return find_op(rq->op)->kind != OP_NOW && !auth_enough(&f->config.tree.acl, &c->auth);
}

static void
turn_away(struct front *f, struct front_conn *c, const struct request *rq)
{
	trace(f->trace, TRACE_WARNING, "front", "not authenticated", "peer=%s:%u session=0x%llx needs=%.*s",
	      c->peer.text, c->peer.port, (unsigned long long)c->session,
	      (int)f->config.tree.acl.enforced.len, (const char *)f->config.tree.acl.enforced.data);
	reply_error(f, c, rq, 0, ZK_SESSIONCLOSEDREQUIRESASLAUTH);
	conn_finish(f, c);
}

bool
request_frame(struct front *f, struct front_conn *c, struct slice frame)
{
	struct jute_request_header header;
	struct jute_reader r;
	struct request rq;

	arena_reset(&f->arena);
	jute_reader_init(&r, frame, UINT32_MAX);
	if (!jute_read_request_header(&r, &f->arena, &header)) {
		conn_kill(f, c, "request without a header");
		return true;
	}
	rq = (struct request){ header.xid, header.type, jute_rest(&r), f->now_ms };
	if (is_stranger(f, c, &rq)) {
		turn_away(f, c, &rq);
	} else if (!dispatch(f, c, &rq)) {
		conn_pause(f, c, PAUSE_CREDIT);
		return false;
	}
	stats_received(f, c, FRAME_PREFIX + frame.len);
	heard_of(f, c);
	return true;
}

/* ---- What waits ---- */

static struct waiting
first_waiting(const struct front_conn *c)
{
	struct waiting w;

	memcpy(&w, buf_head(&c->waiting), sizeof w);
	return w;
}

static void
take_off(struct front_conn *c, const struct waiting *w)
{
	buf_consume(&c->waiting, sizeof *w + w->len);
	c->nwaiting--;
}

static struct request
waiting_request(const struct front_conn *c, const struct waiting *w)
{
	return (struct request){ w->xid, w->op, slice_of(buf_head(&c->waiting) + sizeof *w, w->len),
				 w->start_ms };
}

void
request_queue_sync(struct front *f, struct front_conn *c, const struct request *rq)
{
	queue(f, c, WAITING_SYNC, rq, ZK_OK);
}

/* The kind is changed where it lies: syncs are answered in the order in which they were asked. */
void
request_synced(struct front *f, struct front_conn *c)
{
	uint8_t *at = c->waiting.data + c->waiting.off;
	struct waiting w;

	for (uint32_t i = 0; i < c->nwaiting; i++, at += sizeof w + w.len) {
		memcpy(&w, at, sizeof w);
		if (w.kind != WAITING_SYNC)
			continue;
		w.kind = WAITING_READ;
		memcpy(at, &w, sizeof w);
		break;
	}
	request_drain(f, c);
}

bool
request_awaits(const struct front_conn *c, const struct asked *a)
{
	struct waiting w;

	if (c->nwaiting == 0)
		return false;
	w = first_waiting(c);
	return w.kind == WAITING_TXN && w.xid == a->xid && w.op == a->op;
}

void
request_answer(struct front *f, struct front_conn *c, const struct request *rq)
{
	answer_read(f, c, rq);
}

void
request_landed(struct front *f, struct front_conn *c)
{
	struct waiting w;
	struct request rq;

	ASSERT(c->nwaiting > 0);
	w = first_waiting(c);
	rq = waiting_request(c, &w);
	ASSERT(w.kind == WAITING_TXN || w.kind == WAITING_SYNC);
	if (w.kind == WAITING_SYNC && c->state == CONN_OPEN)
		answer_read(f, c, &rq);
	take_off(c, &w);
}

void
request_drain(struct front *f, struct front_conn *c)
{
	while (c->nwaiting > 0 && c->state == CONN_OPEN) {
		struct waiting w = first_waiting(c);
		struct request rq = waiting_request(c, &w);

		if (w.kind == WAITING_TXN || w.kind == WAITING_SYNC)
			break;
		if (w.kind == WAITING_READ)
			answer_read(f, c, &rq);
		else
			reply_error(f, c, &rq, front_shown_zxid(f), w.err);
		take_off(c, &w);
	}
	if (c->state != CONN_OPEN)
		return;
	if (c->nwaiting == 0)
		buf_reset(&c->waiting, 4096);
	if (buf_len(&c->waiting) <= FRONT_WAITING_MAX / 2)
		conn_unpause(f, c, PAUSE_WAITING);
}
