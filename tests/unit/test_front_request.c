/*
 * The front and its requests: what is answered, in which order, and which watch events come before. Frames of clients
 * and of syncd in, bytes and frames out; each test reads as what the parties say to each other.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "front_client.h"
#include "ipc/proto.h"
#include "jute/passwd.h"

/* ---- Requests ---- */

START_TEST(test_basic_requests)
{
	struct jute_get_data_response data;
	struct jute_stat st;
	struct jute_reader r;
	struct world_client *c;
	struct reply reply;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, put_create(b, 1, "/a", "one", 0));
	reply = hear(c);
	ck_assert_int_eq(reply.xid, 1);
	ck_assert_uint_eq(reply.zxid, 2);
	ck_assert_int_eq(reply.err, 0);
	ck_assert_uint_eq(reply.body.len, 6);
	ck_assert_mem_eq(reply.body.data, "\0\0\0\2/a", 6);
	SAY(c, put_create(b, 2, "/a", "", 0));
	reply = hear(c);
	ck_assert_int_eq(reply.err, ZK_NODEEXISTS);
	ck_assert_uint_eq(reply.zxid, 3);
	ck_assert_uint_eq(reply.body.len, 0);
	SAY(c, put_set(b, 3, "/a", "two"));
	HEAR(c, 3, 0);
	SAY(c, put_path(b, 4, ZK_OP_GET_DATA, "/a", false));
	reply = hear(c);
	jute_reader_init(&r, reply.body, UINT32_MAX);
	ck_assert(jute_read_get_data_response(&r, &arena, &data));
	ck_assert_uint_eq(jute_left(&r), 0);
	ck_assert(slice_equal(data.data, SLICE_LIT("two")));
	ck_assert_int_eq(data.stat.version, 1);
	ck_assert_uint_eq(reply.zxid, 4);
	SAY(c, put_path(b, 5, ZK_OP_EXISTS, "/a", false));
	reply = hear(c);
	jute_reader_init(&r, reply.body, UINT32_MAX);
	ck_assert(jute_read_stat(&r, &arena, &st));
	ck_assert_int_eq(st.data_length, 3);
	SAY(c, put_path(b, 6, ZK_OP_GET_CHILDREN, "/", false));
	reply = hear(c);
	ck_assert_int_eq(first_int(&reply), 2);
	SAY(c, put_delete(b, 7, "/a"));
	HEAR(c, 7, 0);
	SAY(c, put_path(b, 8, ZK_OP_GET_DATA, "/a", false));
	HEAR(c, 8, ZK_NONODE);
	SAY(c, put_plain(b, 77, ZK_OP_PING));
	HEAR(c, -2, 0);
	ck_assert(silent(c));
}
END_TEST

START_TEST(test_order_within_a_session)
{
	struct world_client *c, *other;

	serve();
	c = client(NULL);
	other = client(NULL);
	SAY(c, {
		put_path(b, 1, ZK_OP_EXISTS, "/a", false);
		put_create(b, 2, "/a", "one", 0);
		put_path(b, 3, ZK_OP_GET_DATA, "/a", false);
		put_set(b, 4, "/a", "three");
		put_plain(b, 5, ZK_OP_PING);
		put_path(b, 6, ZK_OP_GET_DATA, "/a", false);
	});
	HEAR(c, 1, ZK_NONODE);
	ck_assert(silent(c));
	ck_assert_uint_eq(w.proposed, 4);
	/* Others do not wait, and do not see what is not committed. */
	SAY(other, put_path(b, 1, ZK_OP_EXISTS, "/a", false));
	HEAR(other, 1, ZK_NONODE);
	/* Both commits come at once: the read between the writes still sees the first only. */
	world_commit(&w);
	HEAR(c, 2, 0);
	struct reply r = hear(c);
	ck_assert_int_eq(r.xid, 3);
	ck_assert_uint_eq(r.zxid, 3);
	ck_assert_int_eq(first_int(&r), 3);
	HEAR(c, 4, 0);
	HEAR(c, -2, 0);
	r = hear(c);
	ck_assert_int_eq(r.xid, 6);
	ck_assert_int_eq(first_int(&r), 5);
	ck_assert(silent(c));
}
END_TEST

START_TEST(test_partial_commit)
{
	struct world_client *c;

	serve();
	c = client(NULL);
	SAY(c, {
		put_create(b, 1, "/a", "", 0);
		put_create(b, 2, "/b", "", 0);
		put_path(b, 3, ZK_OP_EXISTS, "/b", false);
	});
	world_frame(&w, MSG_COMMIT, 0, 2, SLICE_NULL);
	HEAR(c, 1, 0);
	ck_assert(silent(c));
	world_frame(&w, MSG_COMMIT, 0, 3, SLICE_NULL);
	HEAR(c, 2, 0);
	HEAR(c, 3, 0);
}
END_TEST

START_TEST(test_sync_waits_for_what_is_proposed)
{
	struct world_client *c, *other;

	serve();
	c = client(NULL);
	other = client(NULL);
	SAY(other, put_create(b, 1, "/a", "", 0));
	SAY(c, {
		put_path(b, 1, ZK_OP_SYNC, "/a", false);
		put_path(b, 2, ZK_OP_EXISTS, "/a", false);
	});
	ck_assert(silent(c));
	world_commit(&w);
	struct reply r = hear(c);
	ck_assert_int_eq(r.xid, 1);
	ck_assert_mem_eq(r.body.data, "\0\0\0\2/a", 6);
	HEAR(c, 2, 0);
	SAY(c, put_path(b, 3, ZK_OP_SYNC, "/", false));
	HEAR(c, 3, 0);
}
END_TEST

static void
put_multi(struct buf *b, int32_t xid, bool fails)
{
	struct jute_multi_header create = { ZK_OP_CREATE, false, -1 }, check = { ZK_OP_CHECK, false, -1 },
				 done = { -1, true, -1 };
	struct jute_create_request rq = { SLICE_LIT("/m"), SLICE_LIT("x"), { &open_acl, 1 }, 0 };
	struct jute_check_version_request version = { SLICE_LIT("/m"), fails ? 5 : 0 };
	size_t at = begin_request(b, xid, ZK_OP_MULTI);

	jute_write_multi_header(b, &create);
	jute_write_create_request(b, &rq);
	jute_write_multi_header(b, &check);
	jute_write_check_version_request(b, &version);
	jute_write_multi_header(b, &done);
	end(b, at);
}

START_TEST(test_multi)
{
	struct world_client *c;
	struct reply r;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, put_multi(b, 1, true));
	r = hear(c);
	ck_assert_int_eq(r.err, 0);
	ck_assert_int_eq(first_int(&r), -1);
	SAY(c, put_path(b, 2, ZK_OP_EXISTS, "/m", false));
	HEAR(c, 2, ZK_NONODE);
	SAY(c, put_multi(b, 3, false));
	r = hear(c);
	ck_assert_int_eq(r.err, 0);
	ck_assert_int_eq(first_int(&r), ZK_OP_CREATE);
	SAY(c, put_path(b, 4, ZK_OP_EXISTS, "/m", false));
	HEAR(c, 4, 0);
}
END_TEST

START_TEST(test_refused_operations)
{
	static const int32_t ops[] = { 10, 23,  99,  108,         5000,
				       -1, -10, -12, ZK_OP_CHECK, ZK_OP_DELETE_CONTAINER };

	serve();
	w.auto_commit = true;
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		struct world_client *c = client(NULL);
		uint64_t before = w.proposed;

		SAY(c, put_path(b, 5, ops[i], "/", false));
		struct reply r = hear(c);
		ck_assert_int_eq(r.xid, 5);
		ck_assert_int_eq(r.err, ZK_UNIMPLEMENTED);
		ck_assert_uint_eq(r.zxid, UINT64_MAX);
		ck_assert(c->closed);
		ck_assert_uint_eq(w.proposed, before);
	}
}
END_TEST

START_TEST(test_malformed_bodies)
{
	static const int32_t ops[] = { ZK_OP_EXISTS,        ZK_OP_GET_DATA,       ZK_OP_GET_CHILDREN,
				       ZK_OP_GET_CHILDREN2, ZK_OP_GET_ACL,        ZK_OP_SYNC,
				       ZK_OP_SET_WATCHES,   ZK_OP_SET_WATCHES2,   ZK_OP_ADD_WATCH,
				       ZK_OP_CHECK_WATCHES, ZK_OP_REMOVE_WATCHES, ZK_OP_CREATE,
				       ZK_OP_DELETE,        ZK_OP_SET_DATA,       ZK_OP_SET_ACL,
				       ZK_OP_MULTI,         ZK_OP_MULTI_READ };
	struct world_client *c;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		SAY(c, {
			size_t at = begin_request(b, (int32_t)i + 1, ops[i]);
			buf_put_be32(b, 1000000);
			end(b, at);
		});
		HEAR(c, (int32_t)i + 1, ZK_MARSHALLINGERROR);
	}
	SAY(c, put_plain(b, 100, ZK_OP_EXISTS));
	HEAR(c, 100, ZK_MARSHALLINGERROR);
	ck_assert(!c->closed);
}
END_TEST

/* ---- Watches ---- */

START_TEST(test_event_before_reply)
{
	struct world_client *c;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, {
		put_path(b, 1, ZK_OP_EXISTS, "/a", true);
		put_path(b, 2, ZK_OP_GET_CHILDREN, "/", true);
		put_create(b, 3, "/a", "", 0);
		put_set(b, 4, "/a", "x");
	});
	HEAR(c, 1, ZK_NONODE);
	HEAR(c, 2, 0);
	hear_event(c, ZK_EVENT_CREATED, "/a");
	hear_event(c, ZK_EVENT_CHILDREN_CHANGED, "/");
	HEAR(c, 3, 0);
	HEAR(c, 4, 0);
	ck_assert(silent(c));
}
END_TEST

START_TEST(test_watch_of_another)
{
	struct world_client *c, *other;
	struct reply r;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	other = client(NULL);
	SAY(c, put_create(b, 1, "/a", "", 0));
	HEAR(c, 1, 0);
	SAY(other, {
		put_path(b, 1, ZK_OP_GET_DATA, "/a", true);
		put_path(b, 2, ZK_OP_GET_DATA, "/none", true);
		put_path(b, 3, ZK_OP_GET_CHILDREN2, "/a", true);
	});
	HEAR(other, 1, 0);
	HEAR(other, 2, ZK_NONODE);
	HEAR(other, 3, 0);
	SAY(c, put_delete(b, 2, "/a"));
	HEAR(c, 2, 0);
	r = hear(other);
	ck_assert_int_eq(r.xid, -1);
	ck_assert_uint_eq(r.zxid, w.proposed);
	ck_assert_int_eq(first_int(&r), ZK_EVENT_DELETED);
	/* Told once for both watches; getData of a missing node leaves none. */
	SAY(c, put_create(b, 3, "/none", "", 0));
	HEAR(c, 3, 0);
	ck_assert(silent(other));
}
END_TEST

static void
put_set_watches(struct buf *b, int64_t zxid, const char *data, const char *exist, const char *child)
{
	struct slice paths[3] = { slice_str(data), slice_str(exist), slice_str(child) };
	struct jute_set_watches rq = { zxid, { &paths[0], 1 }, { &paths[1], 1 }, { &paths[2], 1 } };
	size_t at = begin_request(b, -8, ZK_OP_SET_WATCHES);

	jute_write_set_watches(b, &rq);
	end(b, at);
}

START_TEST(test_set_watches)
{
	struct world_client *c, *late;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, {
		put_create(b, 1, "/a", "", 0);
		put_create(b, 2, "/a/b", "", 0);
		put_create(b, 3, "/c", "", 0);
	});
	for (int i = 1; i <= 3; i++)
		HEAR(c, i, 0);
	late = client(NULL);
	SAY(late, put_set_watches(b, 0, "/gone", "/c", "/a"));
	hear_event(late, ZK_EVENT_DELETED, "/gone");
	hear_event(late, ZK_EVENT_CREATED, "/c");
	hear_event(late, ZK_EVENT_CHILDREN_CHANGED, "/a");
	HEAR(late, -8, 0);
	SAY(late, put_set_watches(b, (int64_t)w.proposed, "/a", "/new", "/a"));
	HEAR(late, -8, 0);
	SAY(c, {
		put_delete(b, 4, "/a/b");
		put_create(b, 5, "/new", "", 0);
		put_set(b, 6, "/a", "y");
	});
	hear_event(late, ZK_EVENT_CHILDREN_CHANGED, "/a");
	hear_event(late, ZK_EVENT_CREATED, "/new");
	hear_event(late, ZK_EVENT_DATA_CHANGED, "/a");
	ck_assert(silent(late));
}
END_TEST

START_TEST(test_persistent_watches)
{
	struct world_client *c;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, {
		put_path_int(b, 1, ZK_OP_ADD_WATCH, "/a", ZK_ADD_WATCH_PERSISTENT_RECURSIVE);
		put_path_int(b, 2, ZK_OP_ADD_WATCH, "/a", 2);
		put_path_int(b, 3, ZK_OP_CHECK_WATCHES, "/a", ZK_WATCHER_PERSISTENT_RECURSIVE);
		put_path_int(b, 4, ZK_OP_CHECK_WATCHES, "/a", ZK_WATCHER_DATA);
		put_path_int(b, 5, ZK_OP_CHECK_WATCHES, "/a", 9);
		put_create(b, 6, "/a", "", 0);
		put_create(b, 7, "/a/b", "", 0);
		put_path_int(b, 8, ZK_OP_REMOVE_WATCHES, "/a", ZK_WATCHER_ANY);
		put_path_int(b, 9, ZK_OP_REMOVE_WATCHES, "/a", ZK_WATCHER_ANY);
		put_delete(b, 10, "/a/b");
	});
	HEAR(c, 1, 0);
	HEAR(c, 2, ZK_MARSHALLINGERROR);
	HEAR(c, 3, 0);
	HEAR(c, 4, ZK_NOWATCHER);
	HEAR(c, 5, ZK_MARSHALLINGERROR);
	hear_event(c, ZK_EVENT_CREATED, "/a");
	HEAR(c, 6, 0);
	hear_event(c, ZK_EVENT_CREATED, "/a/b");
	HEAR(c, 7, 0);
	HEAR(c, 8, 0);
	HEAR(c, 9, ZK_NOWATCHER);
	HEAR(c, 10, 0);
	ck_assert(silent(c));
}
END_TEST

START_TEST(test_set_watches2)
{
	struct slice path = SLICE_LIT("/a");
	struct jute_set_watches2 rq = { .relative_zxid = 0 };
	struct world_client *c;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	rq.persistent_watches.v = rq.persistent_recursive_watches.v = &path;
	rq.persistent_recursive_watches.n = 1;
	SAY(c, {
		size_t at = begin_request(b, -8, ZK_OP_SET_WATCHES2);

		jute_write_set_watches2(b, &rq);
		end(b, at);
		put_create(b, 1, "/a", "", 0);
		put_set(b, 2, "/a", "x");
	});
	HEAR(c, -8, 0);
	hear_event(c, ZK_EVENT_CREATED, "/a");
	HEAR(c, 1, 0);
	hear_event(c, ZK_EVENT_DATA_CHANGED, "/a");
	HEAR(c, 2, 0);
	ck_assert(silent(c));
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, test_basic_requests);
	tcase_add_test(t, test_order_within_a_session);
	tcase_add_test(t, test_partial_commit);
	tcase_add_test(t, test_sync_waits_for_what_is_proposed);
	tcase_add_test(t, test_multi);
	tcase_add_test(t, test_refused_operations);
	tcase_add_test(t, test_malformed_bodies);
	tcase_add_test(t, test_event_before_reply);
	tcase_add_test(t, test_watch_of_another);
	tcase_add_test(t, test_set_watches);
	tcase_add_test(t, test_persistent_watches);
	tcase_add_test(t, test_set_watches2);
}

int
main(void)
{
	return front_main("front request", add_tests);
}
