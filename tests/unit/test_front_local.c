/*
 * Sessions that only their server knows (localSessionsEnabled), how they become sessions of all, and a node without a
 * quorum that serves those who only want to read.
 */
#include <check.h>
#include <string.h>

#include "base/bytes.h"
#include "front_client.h"
#include "jute/passwd.h"

static void
serve_as(Zkd__RoleState state)
{
	Zkd__Role role = ZKD__ROLE__INIT;

	world_open(&w, &config);
	world_link_up(&w);
	role.state = state;
	role.epoch = state == ZKD__ROLE_STATE__ROLE_READONLY ? 0 : 1;
	role.sid = 2;
	w.unchecked = true;
	w.auto_commit = state == ZKD__ROLE_STATE__ROLE_LEADER;
	world_role_of(&w, &role);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_END, 0, SLICE_NULL);
}

static struct front_facts
facts(void)
{
	struct front_facts f;

	front_facts(w.front, &f);
	return f;
}

/* A client whose session is no txn. */
static struct world_client *
join(int64_t *session)
{
	struct world_client *c = world_connect(&w);
	struct jute_connect_response r;
	int said = w.nsaid;

	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	r = hear_connect(c);
	ck_assert_int_ne(r.session_id, 0);
	ck_assert_int_eq(r.time_out, 10000);
	ck_assert_int_eq(w.nsaid, said);
	*session = r.session_id;
	return c;
}

static struct world_client *
come_back(int64_t session)
{
	struct world_client *c = world_connect(&w);
	uint8_t passwd[PASSWD_BYTES];

	passwd_derive(session, passwd);
	SAY(c, put_connect(b, 0, 10000, session, passwd, true));
	return c;
}

/* A client that only wants to read. */
static struct world_client *
reader(int64_t session)
{
	struct world_client *c = world_connect(&w);
	uint8_t passwd[PASSWD_BYTES] = { 0 };
	struct jute_connect_request rq = { .time_out = 10000,
					   .session_id = session,
					   .has_read_only = true,
					   .read_only = true,
					   .passwd = slice_of(passwd, PASSWD_BYTES) };
	struct buf b = new_buf();
	size_t at = begin(&b);

	if (session != 0)
		passwd_derive(session, passwd);
	jute_write_connect_request(&b, &rq);
	end(&b, at);
	send_buf(c, &b);
	return c;
}

static void
put_multi(struct buf *b, int32_t xid, int32_t flags)
{
	struct jute_create_request rq = { slice_str("/m"), SLICE_NULL, { &open_acl, 1 }, flags };
	struct jute_set_data_request set = { slice_str("/a"), SLICE_NULL, -1 };
	struct jute_multi_header h = { ZK_OP_SET_DATA, false, -1 }, last = { -1, true, -1 };
	size_t at = begin_request(b, xid, ZK_OP_MULTI);

	jute_write_multi_header(b, &h);
	jute_write_set_data_request(b, &set);
	h.type = ZK_OP_CREATE;
	jute_write_multi_header(b, &h);
	jute_write_create_request(b, &rq);
	jute_write_multi_header(b, &last);
	end(b, at);
}

/* Opened, read, written to, closed, without a txn of its own; on a leader all is done here. */
START_TEST(test_life)
{
	struct world_client *c;
	int64_t session;

	config.local_sessions = true;
	serve_as(ZKD__ROLE_STATE__ROLE_LEADER);
	c = join(&session);
	SAY(c, {
		put_create(b, 1, "/a", "x", 0);
		put_path(b, 2, ZK_OP_EXISTS, "/a", false);
		put_create(b, 3, "/e", "x", 1);
		put_multi(b, 4, 1);
		put_multi(b, 5, 0);
		put_plain(b, 6, ZK_OP_CLOSE_SESSION);
	});
	HEAR(c, 1, 0);
	HEAR(c, 2, 0);
	HEAR(c, 3, ZK_EPHEMERALONLOCALSESSION);
	HEAR(c, 4, 0);
	HEAR(c, 5, 0);
	HEAR(c, 6, 0);
	ck_assert(c->closed);
	/* /a, and both multis, of which the first has failed. */
	ck_assert_uint_eq(w.proposed, 0x100000003);
	ck_assert_uint_eq(facts().znodes, 7);
	ck_assert_uint_eq(facts().ephemerals, 0);
	ck_assert_uint_eq(facts().sessions, 0);
	c = come_back(session);
	ck_assert_int_eq(hear_connect(c).session_id, 0);
}
END_TEST

START_TEST(test_renewal_and_expiry)
{
	struct world_client *c, *again, *liar;
	int64_t session;

	config.local_sessions = true;
	serve_as(_i == 0 ? ZKD__ROLE_STATE__ROLE_LEADER : ZKD__ROLE_STATE__ROLE_READONLY);
	if (_i == 1) {
		/* Who wants to write is not served. */
		c = world_connect(&w);
		SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
		ck_assert(c->closed && silent(c));
		return;
	}
	c = join(&session);
	liar = world_connect(&w);
	SAY(liar, put_connect(b, 0, 10000, session, NULL, true));
	ck_assert_int_eq(hear_connect(liar).session_id, 0);
	again = come_back(session);
	ck_assert(c->closed && liar->closed);
	ck_assert_int_eq(hear_connect(again).session_id, session);
	for (int i = 0; i < 5; i++) {
		world_sleep(&w, 4000);
		SAY(again, put_plain(b, -2, ZK_OP_PING));
	}
	ck_assert(!again->closed);
	world_sleep(&w, 13000);
	ck_assert(again->closed);
	c = come_back(session);
	ck_assert_int_eq(hear_connect(c).session_id, 0);
	ck_assert_uint_eq(w.proposed, 0);
	/* They end with the role. */
	c = join(&session);
	world_role(&w, 0, 0, 1000);
	ck_assert(c->closed);
}
END_TEST

/* A learner that stood still has not heard what its clients said meanwhile. */
START_TEST(test_standstill)
{
	struct world_client *c;
	int64_t session;

	config.local_sessions = _i == 0;
	serve_as(_i == 0 ? ZKD__ROLE_STATE__ROLE_FOLLOWER : ZKD__ROLE_STATE__ROLE_READONLY);
	if (_i == 1) {
		c = reader(0);
		session = hear_connect(c).session_id;
	} else {
		c = join(&session);
	}
	world_sleep(&w, 1000);
	w.now_ms += 60000;
	world_sleep(&w, 1);
	ck_assert(!c->closed);
	world_sleep(&w, 1000);
	SAY(c, put_plain(b, -2, ZK_OP_PING));
	HEAR(c, -2, 0);
	world_sleep(&w, 9000);
	ck_assert(!c->closed);
	world_sleep(&w, 5000);
	ck_assert(c->closed);
}
END_TEST

START_TEST(test_upgrade)
{
	struct world_client *c, *again;
	int64_t session;

	config.local_sessions = config.upgrade_sessions = true;
	serve_as(ZKD__ROLE_STATE__ROLE_LEADER);
	c = join(&session);
	ck_assert_uint_eq(facts().sessions, 0);
	SAY(c, put_create(b, 1, "/a", "x", 0));
	HEAR(c, 1, 0);
	SAY(c, {
		if (_i == 0)
			put_create(b, 2, "/e", "x", 1);
		else
			put_multi(b, 2, 1);
		put_path(b, 3, ZK_OP_EXISTS, "/a", false);
	});
	HEAR(c, 2, 0);
	HEAR(c, 3, 0);
	/* /a, the session, the ephemeral. */
	ck_assert_uint_eq(w.proposed, 0x100000003);
	ck_assert_uint_eq(facts().sessions, 1);
	ck_assert_uint_eq(facts().ephemerals, 1);
	again = come_back(session);
	ck_assert_int_eq(hear_connect(again).session_id, session);
	SAY(again, put_plain(b, 4, ZK_OP_CLOSE_SESSION));
	HEAR(again, 4, 0);
	ck_assert_uint_eq(facts().sessions, 0);
	ck_assert_uint_eq(facts().ephemerals, 0);
}
END_TEST

/* On a learner the upgrade goes to the leader before the write that needs it. */
START_TEST(test_upgrade_on_a_learner)
{
	struct world_client *c;
	struct frame f;
	struct buf txn = new_buf();
	int64_t session;

	config.local_sessions = config.upgrade_sessions = true;
	serve_as(ZKD__ROLE_STATE__ROLE_FOLLOWER);
	c = join(&session);
	w.keep_frames = true;
	SAY(c, {
		put_create(b, 1, "/e", "x", 1);
		put_path(b, 2, ZK_OP_EXISTS, "/e", false);
	});
	for (int i = 0; i < 2; i++) {
		int64_t n = frame_parse(buf_slice(&w.frames), &f);
		ck_assert_uint_eq(f.type, MSG_REQUEST);
		ck_assert_uint_eq(f.seq, (uint64_t)i + 1);
		buf_consume(&w.frames, (size_t)n);
	}
	ck_assert_uint_eq(buf_len(&w.frames), 0);
	struct jute_txn_header h = { session, 0, 0x100000001, 0, ZK_OP_CREATE_SESSION };
	jute_write_txn_header(&txn, &h);
	jute_write_int(&txn, 10000);
	world_frame(&w, MSG_COMMIT, 0, 0x100000001, buf_slice(&txn));
	ck_assert(silent(c) && !c->closed);
	buf_reset(&txn, 0);
	h = (struct jute_txn_header){ session, 1, 0x100000002, 0, ZK_OP_CREATE };
	struct jute_create_txn t = { slice_str("/e"), SLICE_NULL, { &open_acl, 1 }, true, 1 };
	jute_write_txn_header(&txn, &h);
	jute_write_create_txn(&txn, &t);
	world_frame(&w, MSG_COMMIT, 0, 0x100000002, buf_slice(&txn));
	world_run(&w);
	HEAR(c, 1, 0);
	HEAR(c, 2, 0);
	/* From now on it is the leader that keeps it: it is told that the session was heard of. */
	SAY(c, put_plain(b, -2, ZK_OP_PING));
	world_sleep(&w, 300);
	frame_parse(buf_slice(&w.frames), &f);
	ck_assert_uint_eq(f.type, MSG_TOUCH);
	buf_free(&txn);
}
END_TEST

/* The leader takes the writes of sessions that only a learner knows, but lets them own nothing. */
START_TEST(test_local_session_of_a_learner)
{
	static const struct {
		bool enabled;
		int64_t session;
		int32_t flags, err;
	} cases[] = {
		{ true, 0x100000000000001, 0, 0 },
		{ true, 0x100000000000001, 1, ZK_SESSIONEXPIRED },
		{ true, 0x200000000000001, 0, ZK_SESSIONEXPIRED }, /* of this server: no more */
		{ false, 0x100000000000001, 0, ZK_SESSIONEXPIRED },
	};
	struct jute_id_vec none = { NULL, 0 };
	struct jute_create_request rq = { slice_str("/a"), SLICE_NULL, { &open_acl, 1 }, cases[_i].flags };
	struct buf body = new_buf();
	struct front_facts before;

	config.local_sessions = cases[_i].enabled;
	serve_as(ZKD__ROLE_STATE__ROLE_LEADER);
	before = facts();
	jute_write_long(&body, 7);
	jute_write_id_vec(&body, &none);
	jute_write_long(&body, cases[_i].session);
	jute_write_int(&body, 1);
	jute_write_int(&body, ZK_OP_CREATE);
	jute_write_create_request(&body, &rq);
	world_frame(&w, MSG_REQUEST, 1, 0, buf_slice(&body));
	world_run(&w);
	ck_assert_uint_eq(w.proposed, 0x100000001);
	ck_assert_uint_eq(facts().znodes - before.znodes, cases[_i].err == 0 ? 1 : 0);
	buf_free(&body);
}
END_TEST

/* ---- Without a quorum ---- */

START_TEST(test_read_only)
{
	struct world_client *c, *word;
	struct jute_connect_response r;
	int said;

	config.local_sessions = _i == 1;
	serve_as(ZKD__ROLE_STATE__ROLE_READONLY);
	ck_assert(facts().serving);
	ck_assert_str_eq(facts().mode, "read-only");
	said = w.nsaid;
	c = reader(0);
	r = hear_connect(c);
	ck_assert_int_ne(r.session_id, 0);
	ck_assert(r.read_only);
	SAY(c, {
		put_path(b, 1, ZK_OP_EXISTS, "/", true);
		put_create(b, 2, "/a", "", 0);
		put_path(b, 3, ZK_OP_SYNC, "/", false);
		put_multi(b, 4, 0);
		put_plain(b, -2, ZK_OP_PING);
	});
	HEAR(c, 1, 0);
	HEAR(c, 2, ZK_NOTREADONLY);
	HEAR(c, 3, ZK_NOTREADONLY);
	HEAR(c, 4, ZK_NOTREADONLY);
	HEAR(c, -2, 0);
	SAY(c, put_path(b, 6, ZK_OP_CHECK, "/", false));
	HEAR(c, 6, ZK_NOTREADONLY);
	SAY(c, put_plain(b, 5, ZK_OP_CLOSE_SESSION));
	HEAR(c, 5, 0);
	ck_assert(c->closed);
	/* A session of another such server goes on, where sessions are not local by rule. */
	c = reader(0x700000000000001);
	r = hear_connect(c);
	ck_assert_int_eq(r.session_id, _i == 1 ? 0 : 0x700000000000001);
	ck_assert(r.read_only);
	/* Clients that want to write, and old ones that do not say. */
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert(c->closed && silent(c));
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, false));
	ck_assert(c->closed && silent(c));
	word = world_connect(&w);
	world_input(&w, word, SLICE_LIT("isro"));
	ck_assert_int_eq(memcmp(buf_head(&word->got), "ro", 2), 0);
	word = world_connect(&w);
	world_input(&w, word, SLICE_LIT("srvr"));
	buf_put_u8(&word->got, 0);
	ck_assert_ptr_nonnull(strstr((const char *)buf_head(&word->got),
				     "\nREAD-ONLY mode; serving only read-only clients\nLatency"));
	ck_assert_ptr_nonnull(strstr((const char *)buf_head(&word->got), "\nMode: read-only\n"));
	ck_assert_int_eq(w.nsaid, said);
}
END_TEST

/* Only what is committed is shown, and a session that all servers know is not gone on with. */
START_TEST(test_read_only_data)
{
	Zkd__Role role = ZKD__ROLE__INIT;
	struct jute_txn_header h = { 0x100000000000001, 0, 1, 0, ZK_OP_CREATE_SESSION };
	struct world_client *c;
	struct buf txn = new_buf();

	world_open(&w, &config);
	world_link_up(&w);
	role.state = ZKD__ROLE_STATE__ROLE_READONLY;
	role.proposed = 2;
	role.committed = 1;
	role.sid = 2;
	world_role_of(&w, &role);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	jute_write_txn_header(&txn, &h);
	jute_write_int(&txn, 10000);
	world_bulk(&w, MSG_BULK_TXN, 1, buf_slice(&txn));
	world_bulk(&w, MSG_BULK_TXN, 2, buf_slice(&txn));
	world_bulk(&w, MSG_BULK_END, 2, SLICE_NULL);
	ck_assert(facts().serving);
	ck_assert_uint_eq(facts().shown_zxid, 1);
	ck_assert_uint_eq(facts().outstanding, 0);
	c = reader(0x100000000000001);
	ck_assert(c->closed && silent(c));
	c = reader(0);
	ck_assert(hear_connect(c).read_only);
	/* With the quorum back all start anew. */
	role.state = ZKD__ROLE_STATE__ROLE_LOOKING;
	world_role_of(&w, &role);
	world_run(&w);
	ck_assert(c->closed);
	buf_free(&txn);
}
END_TEST

/*
 * Where nobody knows what is committed all of the log is shown, and forgotten with the role: it may be cut. A disk that
 * failed keeps nobody out who only wants to read.
 */
START_TEST(test_read_only_presumed)
{
	Zkd__Role role = ZKD__ROLE__INIT;
	struct front_event down = { .type = FRONT_LINK_DOWN };
	struct jute_txn_header h = { 0x100000000000001, 0, 1, 0, ZK_OP_CREATE_SESSION };
	struct buf txn = new_buf();

	world_open(&w, &config);
	world_link_up(&w);
	role.state = ZKD__ROLE_STATE__ROLE_READONLY;
	role.proposed = role.committed = 1;
	role.presumed = true;
	role.sid = 2;
	world_role_of(&w, &role);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	jute_write_txn_header(&txn, &h);
	jute_write_int(&txn, 10000);
	world_bulk(&w, MSG_BULK_TXN, 1, buf_slice(&txn));
	world_bulk(&w, MSG_BULK_END, 1, SLICE_NULL);
	ck_assert(facts().serving);
	ck_assert_uint_eq(facts().applied_zxid, 1);
	world_frame(&w, MSG_DISK, 0, 0, slice_of("\x08\x01", 2)); /* failed */
	ck_assert(hear_connect(reader(0)).read_only);
	if (_i == 0) {
		role.state = ZKD__ROLE_STATE__ROLE_LOOKING;
		role.presumed = false;
		world_role_of(&w, &role);
	} else {
		down.now_ms = w.now_ms;
		front_step(w.front, &down);
	}
	ck_assert(!facts().has_tree);
	buf_free(&txn);
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, test_life);
	tcase_add_loop_test(t, test_renewal_and_expiry, 0, 2);
	tcase_add_loop_test(t, test_standstill, 0, 2);
	tcase_add_loop_test(t, test_upgrade, 0, 2);
	tcase_add_test(t, test_upgrade_on_a_learner);
	tcase_add_loop_test(t, test_local_session_of_a_learner, 0, 4);
	tcase_add_loop_test(t, test_read_only, 0, 2);
	tcase_add_test(t, test_read_only_data);
	tcase_add_loop_test(t, test_read_only_presumed, 0, 2);
}

int
main(void)
{
	return front_main("front local", add_tests);
}
