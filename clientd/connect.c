/*
 * The handshake: a connect request becomes a new session (a txn), a re-attached one, or an end (ZooKeeper:
 * ZooKeeperServer.processConnectRequest, finishSessionInit).
 */
#include "front_int.h"

#include "base/bytes.h"
#include "jute/passwd.h"

static int32_t
clamp_timeout(const struct front *f, int32_t wanted_ms)
{
	int32_t least = (int32_t)f->config.min_session_ms, most = (int32_t)f->config.max_session_ms;

	return wanted_ms < least ? least : wanted_ms > most ? most : wanted_ms;
}

/* session 0 refuses. The last byte goes out only to those who sent theirs: old clients count the bytes. */
static void
respond(struct front *f, struct front_conn *c, int64_t session)
{
	uint8_t passwd[PASSWD_BYTES] = { 0 };
	struct jute_connect_response response = {
		.time_out = session == 0 ? 0 : c->timeout_ms,
		.session_id = session,
		.passwd = slice_of(passwd, sizeof passwd),
		.has_read_only = c->sent_read_only,
		.read_only = f->role.state == ROLE_READONLY,
	};

	if (session != 0)
		passwd_derive(session, passwd);
	jute_write_int(&c->out, c->sent_read_only ? 37 : 36);
	jute_write_connect_response(&c->out, &response);
	c->stats.sent++;
	f->stats.sent++;
	conn_written(f, c);
}

static void
refuse_session(struct front *f, struct front_conn *c, int64_t session)
{
	trace(f->trace, TRACE_DEBUG, "front", "session refused", "peer=%s:%u session=0x%llx", c->peer.text,
	      c->peer.port, (unsigned long long)session);
	respond(f, c, 0);
	conn_finish(f, c);
}

static void
open_session(struct front *f, struct front_conn *c)
{
	c->state = CONN_OPEN;
	respond(f, c, c->session);
	conn_unpause(f, c, PAUSE_OPENING);
}

static void
create_session(struct front *f, struct front_conn *c)
{
	uint8_t body[4];
	struct prep_request rq = {
		.type = ZK_OP_CREATE_SESSION,
		.session = session_ids_take(&f->ids, tree_sessions_const(f->tree)),
		.auth = c->auth,
		.body = slice_of(body, sizeof body),
		.wall_ms = f->wall_ms,
		.now_ms = (int64_t)f->now_ms,
	};

	put_be32(body, (uint32_t)c->timeout_ms);
	list_remove(&c->timer);
	conn_attach(f, c, rq.session);
	if (f->local != NULL) {
		local_open(f, c, rq.session);
		open_session(f, c);
		return;
	}
	c->state = CONN_OPENING;
	conn_pause(f, c, PAUSE_OPENING);
	if (write_begin(f, c, &rq, f->now_ms) != 0)
		conn_kill(f, c, "its session cannot be proposed");
}

void
connect_created(struct front *f, struct front_conn *c, const struct pending *p)
{
	struct request rq = { .op = ZK_OP_CREATE_SESSION, .start_ms = p->start_ms };

	if (c->state != CONN_OPENING)
		return;
	stats_reply(f, c, &rq, p->zxid);
	open_session(f, c);
}

void
connect_revalidated(struct front *f, struct front_conn *c, bool valid)
{
	int64_t session = c->session;

	if (c->state != CONN_OPENING)
		return;
	if (valid) {
		open_session(f, c);
		return;
	}
	conn_detach(f, c);
	refuse_session(f, c, session);
}

/*
 * Where this node leads its own table knows; else the leader's, and here only the password is judged. A session that
 * a learner's client has been given may not be applied here yet; one that an own client waits for is nobody else's.
 */
static bool
may_renew(struct front *f, const struct front_conn *c, const struct jute_connect_request *rq)
{
	struct sessions *sessions = tree_sessions(f->tree);
	const struct front_conn *old = conn_of_session(f, rq->session_id);

	if (f->role.state == ROLE_READONLY || (front_leads(f) && old != NULL && old->state == CONN_OPENING))
		return false;
	return sessions_renew(sessions, rq->session_id, rq->passwd, 0, c->timeout_ms, (int64_t)f->now_ms);
}

/* An id is easily guessed, so nothing happens to the session's connection before the password was looked at. */
static void
renew_session(struct front *f, struct front_conn *c, const struct jute_connect_request *rq)
{
	struct front_conn *old;

	f->metrics.connections_renewed++;
	if (!local_renew(f, c, rq->session_id, rq->passwd) && !may_renew(f, c, rq)) {
		refuse_session(f, c, rq->session_id);
		return;
	}
	old = conn_of_session(f, rq->session_id);
	if (old != NULL)
		conn_kill(f, old, NULL);
	conn_attach(f, c, rq->session_id);
	if (front_leads(f) || c->local) {
		open_session(f, c);
		return;
	}
	c->state = CONN_OPENING;
	conn_pause(f, c, PAUSE_OPENING);
	learner_revalidate(f, c);
}

/* Without a quorum only those are served who only want to read, with sessions that nobody else has to know. */
static bool
is_for_a_quorum(const struct front *f, const struct jute_connect_request *rq)
{
	struct session_view view;

	return f->role.state == ROLE_READONLY &&
	       (!rq->has_read_only || !rq->read_only ||
		sessions_get(tree_sessions_const(f->tree), rq->session_id, &view));
}

static void
serve(struct front *f, struct front_conn *c, const struct jute_connect_request *rq)
{
	if (is_for_a_quorum(f, rq)) {
		conn_kill(f, c, NULL);
	} else if (rq->last_zxid_seen > (int64_t)front_shown_zxid(f)) {
		trace(f->trace, TRACE_NOTICE, "front", "client is ahead",
		      "peer=%s:%u seen=0x%llx ours=0x%llx", c->peer.text, c->peer.port,
		      (unsigned long long)rq->last_zxid_seen, (unsigned long long)front_shown_zxid(f));
		conn_kill(f, c, NULL);
	} else if (rq->session_id != 0) {
		renew_session(f, c, rq);
	} else if (f->disk_failed && f->role.state != ROLE_READONLY) {
		conn_kill(f, c, NULL);
	} else {
		create_session(f, c);
	}
}

bool
connect_request(struct front *f, struct front_conn *c, struct slice frame)
{
	struct jute_connect_request rq;
	struct jute_reader r;

	arena_reset(&f->arena);
	jute_reader_init(&r, frame, UINT32_MAX);
	if (!jute_read_connect_request(&r, &f->arena, &rq)) {
		conn_kill(f, c, "malformed connect request");
		return true;
	}
	if (!front_open(f)) {
		f->metrics.closed_not_serving++;
		conn_kill(f, c, NULL);
		return true;
	}
	if (rq.session_id == 0 && f->local == NULL && !f->disk_failed && !write_credit(f)) {
		conn_pause(f, c, PAUSE_CREDIT);
		return false;
	}
	stats_received(f, c, FRAME_PREFIX + frame.len);
	f->metrics.connection_requests++;
	c->sent_read_only = rq.has_read_only;
	c->timeout_ms = clamp_timeout(f, rq.time_out);
	c->heard_ms = f->now_ms;
	serve(f, c, &rq);
	return true;
}
