/*
 * Local sessions: those that only this node knows, so that opening, keeping and closing one is no txn
 * (localSessionsEnabled; and all of a node in read-only mode). A session that wants to own a node becomes one of all
 * servers first, where that is allowed. Invariant: conn.local says that its session is in front.local; they all die
 * with the role (ZooKeeper: LocalSessionTracker, UpgradeableSessionTracker).
 */
#include <errno.h>

#include "front_int.h"

#include "base/bytes.h"
#include "multi.h"
#include "jute/passwd.h"

void
local_begin(struct front *f)
{
	bool wanted = (f->config.local_sessions && !f->role.standalone) || f->role.state == ROLE_READONLY;

	if (!wanted)
		return;
	f->local = sessions_create();
	sessions_lead(f->local, (int32_t)f->config.tick_ms, (int64_t)f->now_ms);
}

void
local_end(struct front *f)
{
	if (f->local != NULL)
		sessions_destroy(f->local);
	f->local = NULL;
}

void
local_open(struct front *f, struct front_conn *c, int64_t session)
{
	sessions_add(f->local, session, c->timeout_ms, (int64_t)f->now_ms);
	c->local = true;
}

/*
 * What was opened at another server that serves reads only may be gone on with at this one: nobody knows such a session
 * but its client. One that all servers know may not, since nobody could be asked whether it still lives.
 */
static bool
may_adopt(const struct front *f, int64_t session, struct slice passwd)
{
	struct session_view view;

	return f->role.state == ROLE_READONLY && !f->config.local_sessions && passwd_check(session, passwd) &&
	       !sessions_get(tree_sessions_const(f->tree), session, &view);
}

bool
local_renew(struct front *f, struct front_conn *c, int64_t session, struct slice passwd)
{
	if (f->local == NULL)
		return false;
	if (sessions_renew(f->local, session, passwd, 0, c->timeout_ms, (int64_t)f->now_ms))
		c->local = true;
	else if (may_adopt(f, session, passwd))
		local_open(f, c, session);
	return c->local;
}

enum zk_error
op_close_local(struct front *f, struct front_conn *c, const struct request *rq)
{
	(void)rq;
	sessions_drop(f->local, c->session);
	return ZK_OK;
}

/* ---- Becoming a session of all ---- */

static bool
is_ephemeral(int32_t flags)
{
	return flags == ZK_CREATE_EPHEMERAL || flags == ZK_CREATE_EPHEMERAL_SEQUENTIAL;
}

static bool
multi_creates_ephemeral(struct jute_reader *r, struct arena *a)
{
	struct multi_element e;

	while (multi_next(r, a, &e))
		if ((e.type == ZK_OP_CREATE || e.type == ZK_OP_CREATE2) && is_ephemeral(e.flags))
			return true;
	return false;
}

static bool
wants_to_own(struct front *f, const struct request *rq)
{
	struct jute_create_request q;
	struct jute_reader r;

	jute_reader_init(&r, rq->body, UINT32_MAX);
	if (rq->op == ZK_OP_MULTI)
		return multi_creates_ephemeral(&r, &f->arena);
	return (rq->op == ZK_OP_CREATE || rq->op == ZK_OP_CREATE2) &&
	       jute_read_create_request(&r, &f->arena, &q) && is_ephemeral(q.flags);
}

enum zk_error
local_upgrade(struct front *f, struct front_conn *c, const struct request *rq)
{
	uint8_t body[4];
	struct prep_request create = {
		.type = ZK_OP_CREATE_SESSION,
		.session = c->session,
		.auth = c->auth,
		.body = slice_of(body, sizeof body),
		.wall_ms = f->wall_ms,
		.now_ms = (int64_t)f->now_ms,
	};

	if (!c->local || !wants_to_own(f, rq))
		return ZK_OK;
	/* A multi says in its results that it failed: whoever prepares it finds no such session. */
	if (!f->config.upgrade_sessions)
		return rq->op == ZK_OP_MULTI ? ZK_OK : ZK_EPHEMERALONLOCALSESSION;
	put_be32(body, (uint32_t)c->timeout_ms);
	if (write_begin(f, c, &create, f->now_ms) != 0)
		return ZK_SYSTEMERROR;
	sessions_drop(f->local, c->session);
	c->local = false;
	return ZK_OK;
}

/* ---- Expiry ---- */

void
local_tick(struct front *f)
{
	int64_t session;

	if (f->local == NULL)
		return;
	while (sessions_next_expired(f->local, (int64_t)f->now_ms, &session)) {
		struct front_conn *c = conn_of_session(f, session);

		sessions_drop(f->local, session);
		if (c != NULL)
			conn_kill(f, c, NULL);
		f->metrics.sessions_expired++;
	}
}

uint64_t
local_deadline(const struct front *f)
{
	int64_t due = f->local == NULL ? INT64_MAX : sessions_deadline(f->local);

	return due == INT64_MAX ? UINT64_MAX : due < 0 ? 0 : (uint64_t)due;
}
