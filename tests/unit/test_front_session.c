/*
 * The front and its sessions: the handshake, who a client is, how a session lives and ends. Frames of clients and of
 * syncd in, bytes and frames out; each test reads as what the parties say to each other.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "front_client.h"
#include "ipc/proto.h"
#include "jute/passwd.h"

/* ---- The handshake ---- */

START_TEST(test_connect)
{
	struct jute_connect_response r;
	struct world_client *c;
	uint8_t passwd[PASSWD_BYTES];

	serve();
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 1, 0, NULL, true));
	ck_assert(silent(c));
	ck_assert_uint_eq(w.proposed, 1);
	ck_assert(!c->reads);
	world_commit(&w);
	r = hear_connect(c);
	ck_assert(r.has_read_only && !r.read_only);
	ck_assert_int_eq(r.time_out, 4000);
	ck_assert_int_eq(r.session_id >> 56, 1);
	passwd_derive(r.session_id, passwd);
	ck_assert_mem_eq(r.passwd.data, passwd, sizeof passwd);
	ck_assert(c->reads && !c->closed);
}
END_TEST

START_TEST(test_connect_of_an_old_client)
{
	struct jute_connect_response r;
	struct world_client *c;

	serve();
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 1000000, 0, NULL, false));
	world_commit(&w);
	r = hear_connect(c);
	ck_assert(!r.has_read_only);
	ck_assert_int_eq(r.time_out, 40000);
}
END_TEST

START_TEST(test_connect_byte_by_byte)
{
	struct buf all = new_buf();
	struct world_client *c;

	serve();
	c = world_connect(&w);
	put_connect(&all, 0, 10000, 0, NULL, true);
	for (size_t i = 0; i < buf_len(&all); i++)
		world_input(&w, c, slice_of(buf_head(&all) + i, 1));
	buf_free(&all);
	world_commit(&w);
	hear_connect(c);
	SAY(c, put_plain(b, -2, ZK_OP_PING));
	HEAR(c, -2, 0);
}
END_TEST

START_TEST(test_requests_behind_the_connect)
{
	struct world_client *c;

	serve();
	c = world_connect(&w);
	SAY(c, {
		put_connect(b, 0, 10000, 0, NULL, true);
		put_create(b, 1, "/a", "x", 0);
		put_path(b, 2, ZK_OP_GET_DATA, "/a", false);
	});
	ck_assert_uint_eq(w.proposed, 1);
	world_commit(&w);
	hear_connect(c);
	ck_assert_uint_eq(w.proposed, 2);
	world_commit(&w);
	HEAR(c, 1, 0);
	HEAR(c, 2, 0);
}
END_TEST

START_TEST(test_reattach)
{
	struct world_client *old, *c;
	uint8_t passwd[PASSWD_BYTES];
	int64_t session;

	serve();
	old = client(&session);
	passwd_derive(session, passwd);
	c = world_connect(&w);
	SAY(c, put_connect(b, 1, 10000, session, passwd, true));
	ck_assert_int_eq(hear_connect(c).session_id, session);
	ck_assert(old->closed && !c->closed);
	ck_assert_uint_eq(w.proposed, 1);
	SAY(c, put_path(b, 1, ZK_OP_EXISTS, "/none", false));
	HEAR(c, 1, ZK_NONODE);
}
END_TEST

START_TEST(test_reattach_refused)
{
	uint8_t passwd[PASSWD_BYTES], wrong[PASSWD_BYTES] = { 1 };
	struct world_client *old, *c;
	struct jute_connect_response r;
	int64_t session;

	serve();
	old = client(&session);
	passwd_derive(session, passwd);
	for (int i = 0; i < 2; i++) {
		c = world_connect(&w);
		SAY(c,
		    put_connect(b, 0, 10000, i == 0 ? session : session + 1, i == 0 ? wrong : passwd, true));
		r = hear_connect(c);
		ck_assert_int_eq(r.session_id, 0);
		ck_assert_int_eq(r.time_out, 0);
		ck_assert_mem_eq(r.passwd.data, ((uint8_t[PASSWD_BYTES]){ 0 }), PASSWD_BYTES);
		ck_assert(c->closed && silent(c));
	}
	ck_assert(!old->closed);
}
END_TEST

START_TEST(test_reattach_without_password)
{
	struct jute_connect_request rq = { .time_out = 10000, .has_read_only = true };
	struct world_client *c;
	int64_t session;

	serve();
	client(&session);
	rq.session_id = session;
	c = world_connect(&w);
	SAY(c, {
		size_t at = begin(b);
		jute_write_connect_request(b, &rq);
		end(b, at);
	});
	ck_assert_int_eq(hear_connect(c).session_id, 0);
	ck_assert(c->closed);
}
END_TEST

START_TEST(test_client_that_is_ahead)
{
	struct world_client *c;

	serve();
	c = world_connect(&w);
	SAY(c, put_connect(b, 1, 10000, 0, NULL, true));
	ck_assert(c->closed && silent(c));
	ck_assert_uint_eq(w.proposed, 0);
}
END_TEST

START_TEST(test_not_serving)
{
	struct world_client *c, *word;

	world_open(&w, &config);
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert(c->closed && silent(c));
	word = world_connect(&w);
	world_input(&w, word, SLICE_LIT("srvr"));
	ck_assert(word->closed);
	ck_assert(slice_equal(buf_slice(&word->got),
			      SLICE_LIT("This ZooKeeper instance is not currently serving requests\n")));
}
END_TEST

/* ---- Auth ---- */

static void
put_auth(struct buf *b, const char *scheme, const char *data)
{
	size_t at = begin_request(b, -4, ZK_OP_AUTH);

	jute_write_auth_packet(b, &(struct jute_auth_packet){ 0, slice_str(scheme), slice_str(data) });
	end(b, at);
}

static void
put_create_for(struct buf *b, int32_t xid, const char *path, struct jute_acl *acl)
{
	size_t at = begin_request(b, xid, ZK_OP_CREATE);

	jute_write_create_request(
	    b, &(struct jute_create_request){ slice_str(path), SLICE_LIT("s"), { acl, 1 }, 0 });
	end(b, at);
}

START_TEST(test_auth)
{
	struct jute_acl mine = { 31, { SLICE_LIT("auth"), SLICE_LIT("") } };
	struct world_client *c, *other;
	struct reply r;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	other = client(NULL);
	SAY(c, {
		put_auth(b, "digest", "user:pass");
		put_create_for(b, 1, "/mine", &mine);
		put_path(b, 2, ZK_OP_GET_DATA, "/mine", false);
	});
	r = hear(c);
	ck_assert_int_eq(r.xid, -4);
	ck_assert_uint_eq(r.zxid, 0);
	ck_assert_int_eq(r.err, 0);
	HEAR(c, 1, 0);
	HEAR(c, 2, 0);
	/* Another one may not read it, nor hear of it. */
	SAY(other, {
		put_path(b, 1, ZK_OP_GET_DATA, "/mine", true);
		put_path_int(b, 2, ZK_OP_ADD_WATCH, "/mine", ZK_ADD_WATCH_PERSISTENT);
	});
	HEAR(other, 1, ZK_NOAUTH);
	HEAR(other, 2, 0);
	SAY(c, put_set(b, 3, "/mine", "t"));
	HEAR(c, 3, 0);
	ck_assert(silent(other));
	SAY(other, put_auth(b, "digest", "user:pass"));
	HEAR(other, -4, 0);
	SAY(c, put_set(b, 4, "/mine", "u"));
	hear_event(other, ZK_EVENT_DATA_CHANGED, "/mine");
}
END_TEST

START_TEST(test_auth_refused)
{
	struct world_client *c;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, put_auth(b, "kerberos", "x"));
	HEAR(c, -4, ZK_AUTHFAILED);
	ck_assert(c->closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "authentication failed peer=10.0.0.1"));
}
END_TEST

START_TEST(test_auth_ids_are_bounded)
{
	struct world_client *c;
	char id[32];

	serve();
	w.auto_commit = true;
	c = client(NULL);
	for (int i = 0; i < 1000 && !c->closed; i++) {
		snprintf(id, sizeof id, "u%d:p", i);
		SAY(c, put_auth(b, "digest", id));
	}
	ck_assert(c->closed);
}
END_TEST

START_TEST(test_sasl_is_not_configured)
{
	struct world_client *c;
	struct reply r;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, put_plain(b, 3, ZK_OP_SASL));
	r = hear(c);
	ck_assert_int_eq(r.err, 0);
	ck_assert_uint_eq(r.zxid, 0);
	ck_assert_mem_eq(r.body.data, "\xff\xff\xff\xff", 4);
}
END_TEST

/* ---- Sessions ---- */

START_TEST(test_close_session)
{
	struct world_client *c, *other;

	serve();
	c = client(NULL);
	other = client(NULL);
	w.auto_commit = true;
	SAY(c, put_create(b, 1, "/e", "", 1));
	HEAR(c, 1, 0);
	SAY(other, put_path(b, 1, ZK_OP_EXISTS, "/e", true));
	HEAR(other, 1, 0);
	SAY(c, {
		put_plain(b, 2, ZK_OP_CLOSE_SESSION);
		put_path(b, 3, ZK_OP_EXISTS, "/e", false);
	});
	HEAR(c, 2, 0);
	ck_assert(c->closed && silent(c));
	hear_event(other, ZK_EVENT_DELETED, "/e");
	SAY(other, put_path(b, 2, ZK_OP_EXISTS, "/e", false));
	HEAR(other, 2, ZK_NONODE);
}
END_TEST

START_TEST(test_expiry)
{
	struct world_client *c, *alive;
	struct front_facts facts;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	alive = client(NULL);
	SAY(c, put_create(b, 1, "/e", "", 1));
	HEAR(c, 1, 0);
	world_hangup(&w, c);
	for (int i = 0; i < 3; i++) {
		world_sleep(&w, 3000);
		SAY(alive, put_path(b, 1, ZK_OP_EXISTS, "/e", false));
		HEAR(alive, 1, 0);
	}
	for (int i = 0; i < 2; i++) {
		world_sleep(&w, 2000);
		SAY(alive, put_plain(b, -2, ZK_OP_PING));
		HEAR(alive, -2, 0);
	}
	SAY(alive, put_path(b, 2, ZK_OP_EXISTS, "/e", false));
	HEAR(alive, 2, ZK_NONODE);
	front_facts(w.front, &facts);
	ck_assert_uint_eq(facts.sessions, 1);
	/* One that is silent is cut off with its session. */
	world_sleep(&w, 13000);
	ck_assert(alive->closed);
}
END_TEST

START_TEST(test_standstill_expires_nobody)
{
	struct world_client *c;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	world_sleep(&w, 5000);
	front_deadline(w.front);
	w.now_ms += 60000;
	world_sleep(&w, 1);
	ck_assert(!c->closed);
	world_sleep(&w, 4000);
	ck_assert(!c->closed);
	world_sleep(&w, 8000);
	ck_assert(c->closed);
}
END_TEST

/* A short one as well, far from any session's end: while somebody is connected there is a deadline soon to tell it by. */
START_TEST(test_short_standstill)
{
	struct world_client *c;
	uint64_t due;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	world_sleep(&w, 100);
	due = front_deadline(w.front);
	ck_assert_uint_gt(due, w.now_ms);
	ck_assert_uint_le(due, w.now_ms + 250);
	world_hangup(&w, c);
	ck_assert_uint_gt(front_deadline(w.front), w.now_ms + 250);
}
END_TEST

START_TEST(test_no_expiry_without_commits)
{
	struct world_client *c, *writer;

	serve();
	c = client(NULL);
	writer = client(NULL);
	SAY(writer, put_create(b, 1, "/a", "", 0));
	world_sleep(&w, 60000);
	ck_assert(!c->closed && !writer->closed);
	ck_assert_uint_eq(w.proposed, 3);
	world_commit(&w);
	HEAR(writer, 1, 0);
	w.auto_commit = true;
	world_sleep(&w, 20000);
	ck_assert(c->closed);
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, test_connect);
	tcase_add_test(t, test_connect_of_an_old_client);
	tcase_add_test(t, test_connect_byte_by_byte);
	tcase_add_test(t, test_requests_behind_the_connect);
	tcase_add_test(t, test_reattach);
	tcase_add_test(t, test_reattach_refused);
	tcase_add_test(t, test_reattach_without_password);
	tcase_add_test(t, test_client_that_is_ahead);
	tcase_add_test(t, test_not_serving);
	tcase_add_test(t, test_auth);
	tcase_add_test(t, test_auth_refused);
	tcase_add_test(t, test_auth_ids_are_bounded);
	tcase_add_test(t, test_sasl_is_not_configured);
	tcase_add_test(t, test_close_session);
	tcase_add_test(t, test_expiry);
	tcase_add_test(t, test_standstill_expires_nobody);
	tcase_add_test(t, test_short_standstill);
	tcase_add_test(t, test_no_expiry_without_commits);
}

int
main(void)
{
	return front_main("front session", add_tests);
}
