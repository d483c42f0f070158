/*
 * The front as a learner's: own clients' writes go to the leader and are answered by commits; and what both sides make
 * of the beginning and the end of a role. The test is syncd and the leader: it reads what clientd asks, and sends the
 * txns that a leader would.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "front_client.h"
#include "ipc/proto.h"
#include "jute/passwd.h"

enum { EPOCH = 3 };
static const uint64_t BASE = (uint64_t)EPOCH << 32;

/* ---- The role ---- */

static void
take_role(Zkd__RoleState state, uint64_t proposed, uint64_t committed)
{
	Zkd__Role role = ZKD__ROLE__INIT;

	role.state = state;
	role.epoch = EPOCH;
	role.proposed = proposed;
	role.committed = committed;
	role.sid = 2;
	world_role_of(&w, &role);
	world_run(&w);
}

static void
load_nothing(void)
{
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_END, 0, SLICE_NULL);
}

/* A follower of an ensemble in which nothing has happened. */
static void
follow(void)
{
	world_open(&w, &config);
	world_link_up(&w);
	w.keep_frames = true;
	take_role(ZKD__ROLE_STATE__ROLE_FOLLOWER, 0, 0);
	load_nothing();
	buf_reset(&w.frames, 0);
}

static struct front_facts
facts(void)
{
	struct front_facts f;

	front_facts(w.front, &f);
	return f;
}

/* ---- What clientd asks ---- */

struct asked_frame {
	struct frame frame;
	uint64_t origin;
	int64_t session;
	int32_t cxid, type, timeout_ms, nids;
	struct slice body;
};

/* The next frame that clientd said; its bytes stay until it says more. */
static struct frame
next_said(void)
{
	struct frame f;
	int64_t n = frame_parse(buf_slice(&w.frames), &f);

	ck_assert_msg(n > 0, "clientd said nothing more");
	w.frames.off += (size_t)n;
	return f;
}

static struct asked_frame
asks(uint16_t type, uint64_t number)
{
	struct asked_frame a = { .frame = next_said() };
	struct jute_id_vec ids;
	struct jute_reader r;

	ck_assert_uint_eq(a.frame.type, type);
	ck_assert_uint_eq(a.frame.seq, number);
	jute_reader_init(&r, a.frame.body, UINT32_MAX);
	a.origin = (uint64_t)jute_read_long(&r);
	if (type == MSG_REVALIDATE) {
		a.session = jute_read_long(&r);
		a.timeout_ms = jute_read_int(&r);
		ck_assert_uint_eq(jute_left(&r), 0);
	} else {
		jute_read_id_vec(&r, &arena, &ids);
		a.nids = ids.n;
		a.session = jute_read_long(&r);
		a.cxid = jute_read_int(&r);
		a.type = jute_read_int(&r);
		a.body = jute_rest(&r);
	}
	ck_assert(jute_ok(&r));
	ck_assert_uint_eq(a.origin, 0);
	return a;
}

static bool
asks_nothing(void)
{
	return buf_len(&w.frames) == 0;
}

/* ---- What the leader commits ---- */

static struct buf
begin_txn(int64_t session, int32_t cxid, uint64_t zxid, int32_t type)
{
	struct jute_txn_header h = {
		.client_id = session, .cxid = cxid, .zxid = (int64_t)zxid, .time = w.wall_ms, .type = type
	};
	struct buf b = new_buf();

	jute_write_txn_header(&b, &h);
	return b;
}

static void
commit_txn(uint64_t zxid, struct buf *txn)
{
	world_frame(&w, MSG_COMMIT, 0, zxid, buf_slice(txn));
	world_run(&w);
	buf_free(txn);
}

static struct buf
session_txn(int64_t session, uint64_t zxid)
{
	struct buf b = begin_txn(session, 0, zxid, ZK_OP_CREATE_SESSION);

	jute_write_int(&b, 10000);
	return b;
}

static struct buf
create_txn(int64_t session, int32_t cxid, uint64_t zxid, const char *path)
{
	struct buf b = begin_txn(session, cxid, zxid, ZK_OP_CREATE);
	struct jute_create_txn t = { .path = slice_str(path),
				     .acl = { &open_acl, 1 },
				     .parent_cversion = -1 };

	jute_write_create_txn(&b, &t);
	return b;
}

static struct buf
error_txn(int64_t session, int32_t cxid, uint64_t zxid, enum zk_error err)
{
	struct buf b = begin_txn(session, cxid, zxid, ZK_OP_ERROR);

	jute_write_int(&b, err);
	return b;
}

static void
commit_create(int64_t session, int32_t cxid, uint64_t zxid, const char *path)
{
	struct buf b = create_txn(session, cxid, zxid, path);

	commit_txn(zxid, &b);
}

static void
commit_error(int64_t session, int32_t cxid, uint64_t zxid, enum zk_error err)
{
	struct buf b = error_txn(session, cxid, zxid, err);

	commit_txn(zxid, &b);
}

static void
commit_session(int64_t session, uint64_t zxid)
{
	struct buf b = session_txn(session, zxid);

	commit_txn(zxid, &b);
}

/* A client with a session that is created as the number-th request, by txn zxid. */
static struct world_client *
join(uint64_t number, uint64_t zxid, int64_t *session)
{
	struct world_client *c = world_connect(&w);
	struct asked_frame a;

	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	a = asks(MSG_REQUEST, number);
	ck_assert_int_eq(a.type, ZK_OP_CREATE_SESSION);
	*session = a.session;
	commit_session(a.session, zxid);
	ck_assert_int_eq(hear_connect(c).session_id, a.session);
	return c;
}

/* ---- Writes ---- */

START_TEST(test_write_goes_to_the_leader)
{
	struct world_client *c;
	struct asked_frame a;
	struct reply r;

	follow();
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	a = asks(MSG_REQUEST, 1);
	ck_assert_int_eq(a.type, ZK_OP_CREATE_SESSION);
	ck_assert_int_eq(a.cxid, 0);
	/* The id is of this server. */
	ck_assert_int_eq((int)((uint64_t)a.session >> 56), 2);
	ck_assert_uint_eq(a.body.len, 4);
	ck_assert_uint_eq(get_be32(a.body.data), 10000);
	ck_assert(silent(c));
	commit_session(a.session, BASE + 1);
	ck_assert_int_eq(hear_connect(c).session_id, a.session);
	SAY(c, {
		put_create(b, 7, "/a", "", 0);
		put_path(b, 8, ZK_OP_EXISTS, "/a", false);
	});
	a = asks(MSG_REQUEST, 2);
	ck_assert_int_eq(a.cxid, 7);
	ck_assert_int_eq(a.type, ZK_OP_CREATE);
	ck_assert_int_eq(a.nids, 1);
	ck_assert(asks_nothing() && silent(c));
	commit_create(a.session, 7, BASE + 2, "/a");
	r = hear(c);
	ck_assert_int_eq(r.xid, 7);
	ck_assert_int_eq(r.err, 0);
	ck_assert_uint_eq(r.zxid, BASE + 2);
	HEAR(c, 8, 0);
	ck_assert(silent(c));
}
END_TEST

START_TEST(test_others_do_not_wait)
{
	struct world_client *writer, *reader;
	int64_t first, second;

	follow();
	writer = join(1, BASE + 1, &first);
	reader = join(2, BASE + 2, &second);
	SAY(writer, put_create(b, 1, "/a", "", 0));
	asks(MSG_REQUEST, 3);
	SAY(reader, put_path(b, 1, ZK_OP_EXISTS, "/a", true));
	HEAR(reader, 1, ZK_NONODE);
	commit_create(first, 1, BASE + 3, "/a");
	HEAR(writer, 1, 0);
	hear_event(reader, ZK_EVENT_CREATED, "/a");
}
END_TEST

/* The event that a client's own write causes comes before the reply. */
START_TEST(test_event_before_reply)
{
	struct world_client *c;
	int64_t session;

	follow();
	c = join(1, BASE + 1, &session);
	SAY(c, {
		put_path(b, 1, ZK_OP_EXISTS, "/a", true);
		put_create(b, 2, "/a", "", 0);
	});
	HEAR(c, 1, ZK_NONODE);
	commit_create(session, 2, BASE + 2, "/a");
	hear_event(c, ZK_EVENT_CREATED, "/a");
	HEAR(c, 2, 0);
}
END_TEST

START_TEST(test_error_of_the_leader)
{
	struct world_client *c;
	int64_t session;

	follow();
	c = join(1, BASE + 1, &session);
	SAY(c, {
		put_set(b, 1, "/none", "");
		put_path(b, 2, ZK_OP_EXISTS, "/none", false);
	});
	commit_error(session, 1, BASE + 2, ZK_NONODE);
	HEAR(c, 1, ZK_NONODE);
	HEAR(c, 2, ZK_NONODE);
	SAY(c, put_set(b, 3, "/none", ""));
	commit_error(session, 3, BASE + 3, ZK_SESSIONMOVED);
	ck_assert(c->closed && silent(c));
}
END_TEST

/* Txns of others, and of the same session through other servers, answer nobody here. */
START_TEST(test_txns_of_others)
{
	struct world_client *c;
	struct buf txn;
	int64_t session;

	follow();
	c = join(1, BASE + 1, &session);
	SAY(c, {
		put_create(b, 5, "/a", "", 0);
		put_create(b, 6, "/b", "", 0);
	});
	commit_create(session + 1, 5, BASE + 2, "/x");
	commit_create(session, 4, BASE + 3, "/y");
	/* A write of another kind with the same cxid, and one whose turn it is not. */
	txn = begin_txn(session, 5, BASE + 4, ZK_OP_DELETE);
	jute_write_string(&txn, slice_str("/y"));
	commit_txn(BASE + 4, &txn);
	commit_create(session, 6, BASE + 5, "/z");
	ck_assert(silent(c));
	commit_create(session, 5, BASE + 6, "/a");
	HEAR(c, 5, 0);
	commit_create(session, 6, BASE + 7, "/b");
	HEAR(c, 6, 0);
	ck_assert_uint_eq(facts().applied_zxid, BASE + 7);
}
END_TEST

START_TEST(test_close_session)
{
	struct world_client *c, *other, *elsewhere;
	struct buf txn;
	int64_t session, second, third;

	follow();
	c = join(1, BASE + 1, &session);
	other = join(2, BASE + 2, &second);
	elsewhere = join(3, BASE + 3, &third);
	SAY(c, put_plain(b, 9, ZK_OP_CLOSE_SESSION));
	ck_assert_int_eq(asks(MSG_REQUEST, 4).type, ZK_OP_CLOSE_SESSION);
	ck_assert(!c->closed);
	txn = begin_txn(session, 9, BASE + 4, ZK_OP_CLOSE_SESSION);
	commit_txn(BASE + 4, &txn);
	HEAR(c, 9, 0);
	ck_assert(c->closed);
	/* The leader expires one; another was closed through another server. */
	txn = begin_txn(second, 0, BASE + 5, ZK_OP_CLOSE_SESSION);
	commit_txn(BASE + 5, &txn);
	ck_assert(other->closed && silent(other) && !elsewhere->closed);
	ck_assert_uint_eq(facts().sessions, 1);
}
END_TEST

START_TEST(test_credit)
{
	Zkd__Role role = ZKD__ROLE__INIT;
	struct world_client *c;
	int64_t session;

	world_open(&w, &config);
	world_link_up(&w);
	w.keep_frames = true;
	role.state = ZKD__ROLE_STATE__ROLE_FOLLOWER;
	role.epoch = EPOCH;
	role.window_txns = 1;
	world_role_of(&w, &role);
	load_nothing();
	buf_reset(&w.frames, 0);
	c = join(1, BASE + 1, &session);
	SAY(c, {
		put_create(b, 1, "/a", "", 0);
		put_create(b, 2, "/b", "", 0);
	});
	ck_assert_int_eq(asks(MSG_REQUEST, 2).cxid, 1);
	ck_assert(asks_nothing() && !c->reads);
	commit_create(session, 1, BASE + 2, "/a");
	ck_assert_int_eq(asks(MSG_REQUEST, 3).cxid, 2);
	/* Who is gone uses its credit until the answer comes. */
	world_hangup(&w, c);
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert(asks_nothing() && !c->reads);
	commit_create(session, 2, BASE + 3, "/b");
	asks(MSG_REQUEST, 4);
}
END_TEST

/* ---- Syncs ---- */

START_TEST(test_sync)
{
	struct world_client *c;
	struct asked_frame a;
	struct reply r;
	int64_t session;

	follow();
	c = join(1, BASE + 1, &session);
	SAY(c, {
		put_path(b, 1, ZK_OP_SYNC, "/", false);
		put_path(b, 2, ZK_OP_EXISTS, "/x", false);
		put_create(b, 3, "/a", "", 0);
		put_path(b, 4, ZK_OP_SYNC, "/", false);
	});
	a = asks(MSG_SYNC, 2);
	ck_assert_int_eq(a.type, ZK_OP_SYNC);
	ck_assert_int_eq(a.cxid, 1);
	ck_assert_int_eq(a.session, session);
	asks(MSG_REQUEST, 3);
	asks(MSG_SYNC, 4);
	ck_assert(silent(c));
	commit_create(session + 1, 1, BASE + 2, "/x");
	world_frame(&w, MSG_SYNC, 2, 0, SLICE_NULL);
	r = hear(c);
	ck_assert_int_eq(r.xid, 1);
	ck_assert_uint_eq(r.zxid, BASE + 2);
	HEAR(c, 2, 0);
	ck_assert(silent(c));
	/* An answer that is early waits for its turn. */
	world_frame(&w, MSG_SYNC, 4, 0, SLICE_NULL);
	ck_assert(silent(c));
	commit_create(session, 3, BASE + 3, "/a");
	HEAR(c, 3, 0);
	HEAR(c, 4, 0);
	ck_assert_ptr_null(w.link_bad);
	world_frame(&w, MSG_SYNC, 4, 0, SLICE_NULL);
	ck_assert_str_eq(w.link_bad, "an answer to a sync that was not asked");
}
END_TEST

/* ---- Sessions ---- */

static struct world_client *
come_back(int64_t session)
{
	struct world_client *c = world_connect(&w);
	uint8_t passwd[PASSWD_BYTES];

	passwd_derive(session, passwd);
	SAY(c, put_connect(b, 0, 10000, session, passwd, true));
	return c;
}

static void
say_valid(uint64_t number, int64_t session, bool valid)
{
	struct buf b = new_buf();

	jute_write_long(&b, 0);
	jute_write_long(&b, session);
	jute_write_bool(&b, valid);
	world_frame(&w, MSG_REVALIDATE, number, 0, buf_slice(&b));
	world_run(&w);
	buf_free(&b);
}

START_TEST(test_revalidate)
{
	/* Of another server, and not known here yet. */
	static const int64_t session = 0x100000000000001;
	struct world_client *c, *again, *liar;
	struct asked_frame a;

	follow();
	c = come_back(session);
	a = asks(MSG_REVALIDATE, 1);
	ck_assert_int_eq(a.session, session);
	ck_assert_int_eq(a.timeout_ms, 10000);
	ck_assert(silent(c) && !c->closed);
	/* A wrong password is judged here, and harms nobody. */
	liar = world_connect(&w);
	SAY(liar, put_connect(b, 0, 10000, session, NULL, true));
	ck_assert_int_eq(hear_connect(liar).session_id, 0);
	ck_assert(liar->closed && !c->closed && asks_nothing());
	say_valid(1, session, true);
	ck_assert_int_eq(hear_connect(c).session_id, session);
	/* A newer connection takes the session over. */
	again = come_back(session);
	ck_assert(c->closed);
	asks(MSG_REVALIDATE, 2);
	SAY(again, put_path(b, 1, ZK_OP_EXISTS, "/", false));
	ck_assert(silent(again));
	say_valid(2, session, false);
	ck_assert_int_eq(hear_connect(again).session_id, 0);
	ck_assert(again->closed);
	/* One that gives up while the question is on its way, and its successor. */
	c = come_back(session);
	asks(MSG_REVALIDATE, 3);
	world_hangup(&w, c);
	again = come_back(session);
	asks(MSG_REVALIDATE, 4);
	say_valid(3, session, true);
	ck_assert(silent(again));
	say_valid(4, session, true);
	ck_assert_int_eq(hear_connect(again).session_id, session);
	ck_assert_ptr_null(w.link_bad);
	say_valid(4, session, true);
	ck_assert_str_eq(w.link_bad, "an answer for a session that was not asked for");
}
END_TEST

/* A client that comes back may count its requests anew: what it asked before is not taken for an answer. */
START_TEST(test_writes_of_a_lost_connection)
{
	struct world_client *c;
	int64_t session;

	follow();
	c = join(1, BASE + 1, &session);
	SAY(c, {
		put_create(b, 1, "/a", "", 0);
		put_create(b, 2, "/b", "", 0);
	});
	if (_i == 0)
		world_hangup(&w, c);
	c = come_back(session);
	say_valid(4, session, true);
	ck_assert_int_eq(hear_connect(c).session_id, session);
	SAY(c, {
		put_create(b, 1, "/c", "", 0);
		put_path(b, 2, ZK_OP_EXISTS, "/b", false);
	});
	commit_create(session, 1, BASE + 2, "/a");
	commit_create(session, 2, BASE + 3, "/b");
	ck_assert(silent(c));
	commit_create(session, 1, BASE + 4, "/c");
	HEAR(c, 1, 0);
	HEAR(c, 2, 0);
}
END_TEST

/* An id that was given away in an older role may still be on its way: it is not given again, whatever the clock says. */
START_TEST(test_session_ids)
{
	int64_t first, again;

	follow();
	SAY(world_connect(&w), put_connect(b, 0, 10000, 0, NULL, true));
	first = asks(MSG_REQUEST, 1).session;
	w.wall_ms -= 5000 * _i;
	take_role(ZKD__ROLE_STATE__ROLE_FOLLOWER, 0, 0);
	load_nothing();
	buf_reset(&w.frames, 0);
	SAY(world_connect(&w), put_connect(b, 0, 10000, 0, NULL, true));
	again = asks(MSG_REQUEST, 1).session;
	ck_assert_int_gt(again, first);
}
END_TEST

START_TEST(test_touches)
{
	struct world_client *c, *other;
	struct jute_reader r;
	struct frame f;
	int64_t session, second;

	follow();
	c = join(1, BASE + 1, &session);
	other = join(2, BASE + 2, &second);
	world_sleep(&w, 1000);
	buf_reset(&w.frames, 0);
	for (int i = 0; i < 3; i++) {
		SAY(c, put_plain(b, -2, ZK_OP_PING));
		SAY(other, put_plain(b, -2, ZK_OP_PING));
	}
	ck_assert(asks_nothing());
	world_sleep(&w, 250);
	f = next_said();
	ck_assert_uint_eq(f.type, MSG_TOUCH);
	jute_reader_init(&r, f.body, UINT32_MAX);
	ck_assert_int_eq(jute_read_long(&r), session);
	ck_assert_int_eq(jute_read_int(&r), 10000);
	ck_assert_int_eq(jute_read_long(&r), second);
	ck_assert_int_eq(jute_read_int(&r), 10000);
	ck_assert_uint_eq(jute_left(&r), 0);
	/* A learner never expires a session, but who says nothing may have gone elsewhere. */
	world_sleep(&w, 9000);
	SAY(other, put_plain(b, -2, ZK_OP_PING));
	ck_assert(!c->closed);
	world_sleep(&w, 5000);
	ck_assert(c->closed && !other->closed && facts().sessions == 2);
	buf_reset(&w.frames, 0);
	SAY(other, put_plain(b, -2, ZK_OP_PING));
	world_sleep(&w, 250);
	f = next_said();
	ck_assert_uint_eq(f.type, MSG_TOUCH);
	ck_assert_uint_eq(f.body.len, 12);
}
END_TEST

/* ---- Roles ---- */

/* What is proposed when the role begins comes by LOAD; what is committed behind it may come first. */
START_TEST(test_commits_while_loading)
{
	struct buf txn[6];
	struct world_client *c;

	for (int i = 1; i < 6; i++) {
		char path[3] = { '/', (char)('a' + i), 0 };
		txn[i] = create_txn(9, i, BASE + (uint64_t)i, path);
	}
	world_open(&w, &config);
	world_link_up(&w);
	take_role(ZKD__ROLE_STATE__ROLE_FOLLOWER, BASE + 3, BASE + 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	for (int i = 1; i < 3; i++)
		world_bulk(&w, MSG_BULK_TXN, BASE + (uint64_t)i, buf_slice(&txn[i]));
	ck_assert_uint_eq(facts().applied_zxid, BASE + 1);
	if (_i > 0)
		world_frame(&w, MSG_COMMIT, 0, BASE + 3, SLICE_NULL);
	if (_i > 1)
		world_frame(&w, MSG_COMMIT, 0, BASE + 4, buf_slice(&txn[4]));
	/* A load that breaks off does not lose it: it comes from the start again. */
	if (_i > 2) {
		struct front_event gone = { .type = FRONT_BULK_CLOSED, .now_ms = w.now_ms };

		front_step(w.front, &gone);
		world_sleep(&w, 200);
		world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
		world_bulk(&w, MSG_BULK_TXN, BASE + 2, buf_slice(&txn[2]));
	}
	/* The log has grown: nobody knows here whether 5 will be committed. */
	for (int i = 3; i < 6; i++)
		world_bulk(&w, MSG_BULK_TXN, BASE + (uint64_t)i, buf_slice(&txn[i]));
	world_bulk(&w, MSG_BULK_END, BASE + 5, SLICE_NULL);
	ck_assert(facts().serving == (_i > 0));
	ck_assert_uint_eq(facts().applied_zxid, BASE + (_i == 0 ? 1 : _i == 1 ? 3 : 4));
	if (_i == 0)
		world_frame(&w, MSG_COMMIT, 0, BASE + 3, SLICE_NULL);
	ck_assert(facts().serving);
	if (_i < 2)
		world_frame(&w, MSG_COMMIT, 0, BASE + 4, buf_slice(&txn[4]));
	world_frame(&w, MSG_COMMIT, 0, BASE + 5, buf_slice(&txn[5]));
	ck_assert_uint_eq(facts().applied_zxid, BASE + 5);
	ck_assert_ptr_null(w.link_bad);
	c = world_connect(&w);
	world_input(&w, c, SLICE_LIT("isro"));
	ck_assert_int_eq(memcmp(c->got.data, "rw", 2), 0);
	for (int i = 1; i < 6; i++)
		buf_free(&txn[i]);
}
END_TEST

START_TEST(test_looking_closes_clients)
{
	struct world_client *c, *opening, *word;
	int64_t session;

	follow();
	c = join(1, BASE + 1, &session);
	opening = come_back(session + 5);
	SAY(c, put_create(b, 1, "/a", "", 0));
	take_role(ZKD__ROLE_STATE__ROLE_LOOKING, BASE + 2, BASE + 1);
	ck_assert(c->closed && opening->closed && silent(c) && silent(opening));
	ck_assert(facts().ready && !facts().serving);
	ck_assert_str_eq(facts().mode, "not serving");
	word = world_connect(&w);
	world_input(&w, word, SLICE_LIT("srvr"));
	ck_assert_int_eq(
	    memcmp(word->got.data, "This ZooKeeper instance is not currently serving requests", 57), 0);
	c = come_back(session);
	ck_assert(c->closed && silent(c));
	/* In the new role numbers begin anew, and what was asked in the old one is nobody's. */
	take_role(ZKD__ROLE_STATE__ROLE_OBSERVER, BASE + 1, BASE + 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_END, BASE + 1, SLICE_NULL);
	ck_assert_str_eq(facts().mode, "observer");
	buf_reset(&w.frames, 0);
	c = come_back(session);
	asks(MSG_REVALIDATE, 1);
	say_valid(1, session, true);
	hear_connect(c);
	SAY(c, put_create(b, 1, "/b", "", 0));
	asks(MSG_REQUEST, 2);
	ck_assert_uint_eq(facts().sessions, 1);
}
END_TEST

/* A node that looks for its role loads its snapshot, and of its log only what is known to be committed. */
START_TEST(test_looking_loads)
{
	struct buf one = create_txn(9, 1, BASE + 1, "/a"), two = create_txn(9, 2, BASE + 2, "/b");

	world_open(&w, &config);
	world_link_up(&w);
	take_role(ZKD__ROLE_STATE__ROLE_LOOKING, BASE + 2, BASE + 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_TXN, BASE + 1, buf_slice(&one));
	world_bulk(&w, MSG_BULK_TXN, BASE + 2, buf_slice(&two));
	world_bulk(&w, MSG_BULK_END, BASE + 2, SLICE_NULL);
	ck_assert_int_eq(count_said(MSG_READY), 1);
	ck_assert(!facts().serving && facts().has_tree);
	ck_assert_uint_eq(facts().applied_zxid, BASE + 1);
	ck_assert_uint_eq(facts().outstanding, 0);
	take_role(ZKD__ROLE_STATE__ROLE_FOLLOWER, BASE + 2, BASE + 2);
	ck_assert_uint_eq(w.said[w.nsaid - 1].zxid, BASE + 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_TXN, BASE + 2, buf_slice(&two));
	world_bulk(&w, MSG_BULK_END, BASE + 2, SLICE_NULL);
	ck_assert(facts().serving);
	buf_free(&one);
	buf_free(&two);
}
END_TEST

/* The tree may be of a history that was cut off, though its zxid lies in the new one: then syncd says so. */
START_TEST(test_reload)
{
	Zkd__Role role = ZKD__ROLE__INIT;

	follow();
	commit_create(9, 1, BASE + 1, "/a");
	role.state = ZKD__ROLE_STATE__ROLE_FOLLOWER;
	role.epoch = EPOCH + 1;
	role.proposed = role.committed = BASE + 100;
	role.reload = true;
	world_role_of(&w, &role);
	ck_assert(!facts().has_tree);
	ck_assert_int_eq(w.said[w.nsaid - 1].type, MSG_LOAD);
	ck_assert_uint_eq(w.said[w.nsaid - 1].zxid, 0);
}
END_TEST

/* An epoch begins with its number shown and its first zxid proposed, whatever came before. */
START_TEST(test_new_leader)
{
	struct buf txn = create_txn(9, 1, BASE - 5, "/a");

	world_open(&w, &config);
	world_link_up(&w);
	w.unchecked = true;
	take_role(ZKD__ROLE_STATE__ROLE_LEADER, BASE - 5, BASE - 5);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_TXN, BASE - 5, buf_slice(&txn));
	world_bulk(&w, MSG_BULK_END, BASE - 5, SLICE_NULL);
	ck_assert(facts().serving);
	ck_assert_str_eq(facts().mode, "leader");
	ck_assert_uint_eq(facts().shown_zxid, BASE);
	SAY(world_connect(&w), put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert_uint_eq(w.proposed, BASE + 1);
	/* Another leader of the same epoch cannot be; but its clientd may come again. */
	take_role(ZKD__ROLE_STATE__ROLE_LEADER, BASE + 1, BASE + 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_END, BASE + 1, SLICE_NULL);
	/* The log lacks what was proposed. */
	ck_assert(!facts().serving);
	buf_free(&txn);
}
END_TEST

/* The epoch has no zxid left: nothing is proposed, until syncd makes an end of the role. */
START_TEST(test_epoch_used_up)
{
	struct buf txn = create_txn(9, 1, BASE + UINT32_MAX - 1, "/a");
	struct jute_id_vec none = { NULL, 0 };
	struct buf body = new_buf();
	struct world_client *c;

	world_open(&w, &config);
	world_link_up(&w);
	take_role(ZKD__ROLE_STATE__ROLE_LEADER, BASE + UINT32_MAX - 1, BASE + UINT32_MAX - 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_TXN, BASE + UINT32_MAX - 1, buf_slice(&txn));
	world_bulk(&w, MSG_BULK_END, BASE + UINT32_MAX - 1, SLICE_NULL);
	w.auto_commit = true;
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert_uint_eq(w.proposed, BASE + UINT32_MAX);
	ck_assert_int_ne(hear_connect(c).session_id, 0);
	SAY(c, put_create(b, 1, "/b", "", 0));
	jute_write_long(&body, 7);
	jute_write_id_vec(&body, &none);
	jute_write_long(&body, 5);
	jute_write_int(&body, 0);
	jute_write_int(&body, ZK_OP_CREATE_SESSION);
	jute_write_int(&body, 10000);
	world_frame(&w, MSG_REQUEST, 1, 0, buf_slice(&body));
	world_sleep(&w, 9000);
	ck_assert_uint_eq(w.proposed, BASE + UINT32_MAX);
	ck_assert_ptr_null(w.link_bad);
	ck_assert(silent(c) && !c->closed);
	take_role(ZKD__ROLE_STATE__ROLE_LOOKING, BASE + UINT32_MAX, BASE + UINT32_MAX);
	ck_assert(c->closed);
	buf_free(&txn);
	buf_free(&body);
}
END_TEST

/* ---- What syncd may not say ---- */

static void
refuses(const char *why)
{
	ck_assert_ptr_nonnull(w.link_bad);
	ck_assert_str_eq(w.link_bad, why);
	ck_assert(!facts().serving);
}

START_TEST(test_bad_commits)
{
	struct buf good, bad;

	follow();
	good = create_txn(9, 1, BASE + 2, "/a");
	bad = new_buf();
	if (_i == 0) {
		commit_create(9, 1, BASE + 2, "/b");
		world_frame(&w, MSG_COMMIT, 0, BASE + 2, buf_slice(&good));
		refuses("a commit out of order");
	} else if (_i == 1) {
		world_frame(&w, MSG_COMMIT, 0, BASE + 3, buf_slice(&good));
		refuses("a commit with another txn");
	} else if (_i == 2) {
		world_frame(&w, MSG_COMMIT, 0, BASE + 3, SLICE_LIT("no txn"));
		refuses("a commit with another txn");
	} else if (_i == 3) {
		world_frame(&w, MSG_COMMIT, 0, BASE + 3, SLICE_NULL);
		refuses("a commit of what was never proposed");
	} else if (_i == 4) {
		buf_put(&bad, good.data + good.off, 33);
		world_frame(&w, MSG_COMMIT, 0, BASE + 2, buf_slice(&bad));
		refuses("a committed txn cannot be applied");
	} else if (_i == 5) {
		world_frame(&w, MSG_REVALIDATE, 1, 0, SLICE_LIT("short"));
		refuses("malformed REVALIDATE");
	} else {
		/* A learner is asked nothing. */
		world_frame(&w, _i == 6 ? MSG_REQUEST : MSG_TOUCH, 1, 0, SLICE_NULL);
		refuses("a message that does not belong here");
	}
	buf_free(&good);
	buf_free(&bad);
}
END_TEST

/* A leader that answers a session's requests in another order is not believed. */
START_TEST(test_answers_out_of_order)
{
	struct world_client *c;
	int64_t session;

	follow();
	c = join(1, BASE + 1, &session);
	SAY(c, {
		put_path(b, 1, ZK_OP_SYNC, "/", false);
		put_create(b, 2, "/a", "", 0);
	});
	commit_create(session, 2, BASE + 2, "/a");
	ck_assert(c->closed && silent(c));
	ck_assert_uint_eq(facts().applied_zxid, BASE + 2);
	world_frame(&w, MSG_SYNC, 2, 0, SLICE_NULL);
	ck_assert_ptr_null(w.link_bad);
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, test_write_goes_to_the_leader);
	tcase_add_test(t, test_others_do_not_wait);
	tcase_add_test(t, test_event_before_reply);
	tcase_add_test(t, test_error_of_the_leader);
	tcase_add_test(t, test_txns_of_others);
	tcase_add_test(t, test_close_session);
	tcase_add_test(t, test_credit);
	tcase_add_test(t, test_sync);
	tcase_add_test(t, test_revalidate);
	tcase_add_loop_test(t, test_writes_of_a_lost_connection, 0, 2);
	tcase_add_loop_test(t, test_session_ids, 0, 2);
	tcase_add_test(t, test_touches);
	tcase_add_loop_test(t, test_commits_while_loading, 0, 4);
	tcase_add_test(t, test_looking_closes_clients);
	tcase_add_test(t, test_looking_loads);
	tcase_add_test(t, test_reload);
	tcase_add_test(t, test_new_leader);
	tcase_add_test(t, test_epoch_used_up);
	tcase_add_loop_test(t, test_bad_commits, 0, 8);
	tcase_add_test(t, test_answers_out_of_order);
}

int
main(void)
{
	return front_main("front learner", add_tests);
}
