/*
 * The front with a real tree behind it: frames of clients and of syncd in, bytes and frames out. Each test reads as
 * what the parties say to each other.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "front_world.h"
#include "ipc/proto.h"
#include "jute/passwd.h"
#include "jute/records.h"

static struct world w;
static struct front_config config;
static struct arena arena;

static void
setup(void)
{
	world_config(&w, &config);
	arena_init(&arena, 64 << 20);
}

static void
teardown(void)
{
	world_close(&w);
	arena_free(&arena);
}

static void
serve(void)
{
	world_open(&w, &config);
	world_serve(&w);
}

/* ---- What a client says ---- */

static size_t
begin(struct buf *b)
{
	size_t at = buf_len(b);

	buf_put_be32(b, 0);
	return at;
}

static void
end(struct buf *b, size_t at)
{
	put_be32(b->data + b->off + at, (uint32_t)(buf_len(b) - at - 4));
}

static void
send_buf(struct world_client *c, struct buf *b)
{
	world_input(&w, c, buf_slice(b));
	buf_free(b);
}

static struct buf
new_buf(void)
{
	struct buf b;

	buf_init(&b, 64 << 20);
	return b;
}

static void
put_connect(struct buf *b, int64_t zxid, int32_t timeout_ms, int64_t session, const uint8_t *passwd,
	    bool with_byte)
{
	uint8_t none[PASSWD_BYTES] = { 0 };
	struct jute_connect_request rq = {
		.last_zxid_seen = zxid,
		.time_out = timeout_ms,
		.session_id = session,
		.passwd = slice_of(passwd == NULL ? none : passwd, PASSWD_BYTES),
		.has_read_only = with_byte,
	};
	size_t at = begin(b);

	jute_write_connect_request(b, &rq);
	end(b, at);
}

static size_t
begin_request(struct buf *b, int32_t xid, int32_t op)
{
	size_t at = begin(b);

	jute_write_request_header(b, &(struct jute_request_header){ xid, op });
	return at;
}

static void
put_plain(struct buf *b, int32_t xid, int32_t op)
{
	end(b, begin_request(b, xid, op));
}

static void
put_path(struct buf *b, int32_t xid, int32_t op, const char *path, bool watch)
{
	size_t at = begin_request(b, xid, op);

	jute_write_string(b, slice_str(path));
	jute_write_bool(b, watch);
	end(b, at);
}

static struct jute_acl open_acl = { 31, { SLICE_LIT("world"), SLICE_LIT("anyone") } };

static void
put_create(struct buf *b, int32_t xid, const char *path, const char *data, int32_t flags)
{
	struct jute_create_request rq = {
		.path = slice_str(path),
		.data = slice_str(data),
		.acl = { &open_acl, 1 },
		.flags = flags,
	};
	size_t at = begin_request(b, xid, ZK_OP_CREATE);

	jute_write_create_request(b, &rq);
	end(b, at);
}

static void
put_set(struct buf *b, int32_t xid, const char *path, const char *data)
{
	size_t at = begin_request(b, xid, ZK_OP_SET_DATA);

	jute_write_set_data_request(b,
				    &(struct jute_set_data_request){ slice_str(path), slice_str(data), -1 });
	end(b, at);
}

static void
put_delete(struct buf *b, int32_t xid, const char *path)
{
	size_t at = begin_request(b, xid, ZK_OP_DELETE);

	jute_write_delete_request(b, &(struct jute_delete_request){ slice_str(path), -1 });
	end(b, at);
}

#define SAY(c, ...)                                                                                          \
	do {                                                                                                 \
		struct buf say_b = new_buf(), *b = &say_b;                                                   \
		__VA_ARGS__;                                                                                 \
		send_buf(c, b);                                                                              \
	} while (0)

/* ---- What it hears ---- */

struct reply {
	int32_t xid;
	uint64_t zxid;
	int32_t err;
	struct slice body;
};

/* Takes one whole frame; its bytes stay in c->got until the next append. */
static struct slice
hear_frame(struct world_client *c)
{
	struct slice frame;

	ck_assert_msg(buf_len(&c->got) >= 4, "nothing more to hear");
	frame.data = c->got.data + c->got.off + 4;
	frame.len = get_be32(c->got.data + c->got.off);
	ck_assert_uint_le(4 + frame.len, buf_len(&c->got));
	c->got.off += 4 + frame.len;
	return frame;
}

static struct reply
hear(struct world_client *c)
{
	struct slice frame = hear_frame(c);

	ck_assert_uint_ge(frame.len, 16);
	return (struct reply){
		(int32_t)get_be32(frame.data),
		get_be64(frame.data + 4),
		(int32_t)get_be32(frame.data + 12),
		slice_of(frame.data + 16, frame.len - 16),
	};
}

/* The first int of a reply's body. */
static int32_t
first_int(const struct reply *r)
{
	ck_assert_uint_ge(r->body.len, 4);
	return (int32_t)get_be32(r->body.data);
}

#define HEAR(c, x, e)                                                                                        \
	do {                                                                                                 \
		struct reply heard = hear(c);                                                                \
		ck_assert_int_eq(heard.xid, x);                                                              \
		ck_assert_int_eq(heard.err, e);                                                              \
	} while (0)

static void
hear_event(struct world_client *c, int32_t type, const char *path)
{
	struct reply r = hear(c);
	struct jute_watcher_event e;
	struct jute_reader reader;

	ck_assert_int_eq(r.xid, -1);
	jute_reader_init(&reader, r.body, UINT32_MAX);
	ck_assert(jute_read_watcher_event(&reader, &arena, &e));
	ck_assert_int_eq(e.type, type);
	ck_assert_int_eq(e.state, 3);
	ck_assert(slice_equal(e.path, slice_str(path)));
}

static bool
silent(const struct world_client *c)
{
	return buf_len(&c->got) == 0;
}

static struct jute_connect_response
hear_connect(struct world_client *c)
{
	struct slice frame = hear_frame(c);
	struct jute_connect_response r;
	struct jute_reader reader;

	jute_reader_init(&reader, frame, UINT32_MAX);
	ck_assert(jute_read_connect_response(&reader, &arena, &r));
	ck_assert_uint_eq(frame.len, r.has_read_only ? 37 : 36);
	ck_assert_uint_eq(r.passwd.len, PASSWD_BYTES);
	return r;
}

/* A client with a session of 10 s. */
static struct world_client *
client(int64_t *session)
{
	struct world_client *c = world_connect(&w);
	struct jute_connect_response r;

	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	world_commit(&w);
	r = hear_connect(c);
	ck_assert_int_eq(r.time_out, 10000);
	if (session != NULL)
		*session = r.session_id;
	return c;
}

static int
count_said(uint16_t type)
{
	int n = 0;

	for (int i = 0; i < w.nsaid; i++)
		n += w.said[i].type == type;
	return n;
}

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

static void
put_path_int(struct buf *b, int32_t xid, int32_t op, const char *path, int32_t v)
{
	size_t at = begin_request(b, xid, op);

	jute_write_string(b, slice_str(path));
	jute_write_int(b, v);
	end(b, at);
}

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

/* ---- Limits ---- */

START_TEST(test_credit)
{
	struct world_client *c, *reader;

	serve();
	c = client(NULL);
	reader = client(NULL);
	world_role(&w, w.proposed, w.committed, 3);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_END, w.proposed, SLICE_NULL);
	c = client(NULL);
	reader = client(NULL);
	SAY(c, {
		for (int i = 1; i <= 10; i++)
			put_set(b, i, "/none", "");
	});
	ck_assert_uint_eq(w.proposed - w.committed, 3);
	ck_assert(!c->reads);
	SAY(reader, put_path(b, 1, ZK_OP_EXISTS, "/none", false));
	HEAR(reader, 1, ZK_NONODE);
	world_frame(&w, MSG_COMMIT, 0, w.committed + 1, SLICE_NULL);
	HEAR(c, 1, ZK_NONODE);
	ck_assert_uint_eq(w.proposed - w.committed, 3);
	w.auto_commit = true;
	world_run(&w);
	for (int i = 2; i <= 10; i++)
		HEAR(c, i, ZK_NONODE);
	ck_assert(c->reads);
}
END_TEST

START_TEST(test_connections_per_address)
{
	struct world_client *c;

	config.max_per_address = 3;
	serve();
	for (int i = 0; i < 3; i++)
		ck_assert(!world_connect(&w)->closed);
	c = world_connect(&w);
	ck_assert(c->closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "peer=10.0.0.1:1003 limit=maxClientCnxns"));
	world_hangup(&w, &w.clients[0]);
	ck_assert(!world_connect(&w)->closed);
}
END_TEST

START_TEST(test_connections_in_total)
{
	config.max_connections = 1;
	serve();
	ck_assert(!world_connect(&w)->closed);
	ck_assert(world_connect(&w)->closed);
}
END_TEST

START_TEST(test_reader_that_never_reads)
{
	static char big[100000];
	struct world_client *c;
	size_t held;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	memset(big, 'x', sizeof big - 1);
	SAY(c, put_create(b, 1, "/big", big, 0));
	HEAR(c, 1, 0);
	c->stuck = true;
	for (int i = 0; i < 1000 && c->reads; i++)
		SAY(c, put_path(b, i, ZK_OP_GET_DATA, "/big", false));
	ck_assert(!c->reads && !c->closed);
	held = front_output(c->conn).len;
	ck_assert_uint_le(held, FRONT_OUT_PAUSE + 2 * sizeof big);
	world_unstick(&w, c);
	ck_assert(c->reads && !c->closed);
	/* One that stays so loses its session, and with it the connection. */
	c->stuck = true;
	for (int i = 0; i < 1000 && c->reads; i++)
		SAY(c, put_path(b, i, ZK_OP_GET_DATA, "/big", false));
	world_sleep(&w, 14000);
	ck_assert(c->closed);
}
END_TEST

START_TEST(test_requests_waiting_are_bounded)
{
	struct world_client *c;
	int sent = 0;

	serve();
	c = client(NULL);
	SAY(c, put_create(b, 1, "/a", "", 0));
	while (c->reads && sent < 1000000) {
		SAY(c, put_path(b, ++sent + 1, ZK_OP_EXISTS, "/a", false));
	}
	ck_assert(!c->reads);
	ck_assert_int_lt(sent, 10000);
	world_commit(&w);
	for (int i = 0; i <= sent; i++)
		HEAR(c, i + 1, 0);
	ck_assert(c->reads && silent(c));
}
END_TEST

/* ---- Bad input: that connection ends, one line names peer and reason ---- */

struct bad {
	const char *what;
	struct slice bytes;
	bool session;       /* sent behind a good handshake */
	const char *reason; /* of the log line; NULL: none, an ordinary end */
};

static const struct bad bads[] = {
	{ "length zero", SLICE_LIT("\0\0\0\0"), false, "frame length 0 outside" },
	{ "length negative", SLICE_LIT("\xff\xff\xff\xff"), false, "frame length -1 outside" },
	{ "most negative", SLICE_LIT("\x80\0\0\0"), false, "frame length -2147483648 outside" },
	{ "length huge", SLICE_LIT("\x7f\xff\xff\xff"), false, "frame length 2147483647 outside" },
	{ "one above the limit", SLICE_LIT("\x00\x10\x00\x00"), false, "frame length 1048576 outside" },
	{ "http", SLICE_LIT("GET / HTTP/1.1\r\n\r\n"), false, "first bytes \"GET.\"" },
	{ "tls", SLICE_LIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), false,
	  "frame length 369295618 outside" },
	{ "telnet interrupt", SLICE_LIT("\xff\xf4\xff\xfd\x06"), false, NULL },
	{ "connect of one byte", SLICE_LIT("\0\0\0\1\0"), false, "malformed connect request" },
	{ "connect with a bad password length",
	  SLICE_LIT("\0\0\0\x1c"
		    "\0\0\0\0"
		    "\0\0\0\0\0\0\0\0"
		    "\0\0\x10\0"
		    "\0\0\0\0\0\0\0\0"
		    "\x7f\xff\xff\xff"),
	  false, "malformed connect request" },
	{ "request of length zero", SLICE_LIT("\0\0\0\0"), true, "frame length 0 outside" },
	{ "request of negative length", SLICE_LIT("\xff\xff\xff\xfe"), true, "frame length -2 outside" },
	{ "huge request", SLICE_LIT("\x7f\xff\xff\xff"), true, "frame length 2147483647 outside" },
	{ "request without a header", SLICE_LIT("\0\0\0\7\0\0\0\1\0\0\0"), true, "request without a header" },
	{ "word behind the handshake", SLICE_LIT("srvr"), true, "frame length 1936881266 outside" },
};

START_TEST(test_bad_input)
{
	const struct bad *bad = &bads[_i];
	struct world_client *c, *good;

	serve();
	w.auto_commit = true;
	good = client(NULL);
	c = bad->session ? client(NULL) : world_connect(&w);
	w.warnings = 0;
	w.traced[0] = '\0';
	world_input(&w, c, bad->bytes);
	ck_assert_msg(c->closed, "%s: still open", bad->what);
	ck_assert_msg(silent(c), "%s: answered", bad->what);
	ck_assert_int_eq(w.warnings, bad->reason != NULL);
	if (bad->reason != NULL) {
		ck_assert_msg(strstr(w.traced, bad->reason) != NULL, "%s: %s", bad->what, w.traced);
		ck_assert_ptr_nonnull(strstr(w.traced, "peer=10.0.0.1:100"));
	}
	SAY(good, put_plain(b, -2, ZK_OP_PING));
	HEAR(good, -2, 0);
}
END_TEST

START_TEST(test_truncated)
{
	struct world_client *c, *silent_one;

	serve();
	c = world_connect(&w);
	silent_one = world_connect(&w);
	world_input(&w, c, SLICE_LIT("\0\0\0\x2d\0\0\0\0"));
	world_hangup(&w, c);
	ck_assert(c->closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "in the middle of its first frame"));
	world_sleep(&w, 9000);
	ck_assert(!silent_one->closed);
	world_sleep(&w, 2000);
	ck_assert(silent_one->closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "no connect request in time"));
}
END_TEST

START_TEST(test_one_byte_a_second)
{
	struct world_client *c;
	struct buf b = new_buf();
	size_t i;

	serve();
	c = world_connect(&w);
	put_connect(&b, 0, 10000, 0, NULL, true);
	for (i = 0; i < buf_len(&b) && !c->closed; i++) {
		world_input(&w, c, slice_of(buf_head(&b) + i, 1));
		world_sleep(&w, 1000);
	}
	ck_assert(c->closed);
	ck_assert_uint_le(i, 11);
	buf_free(&b);
}
END_TEST

/* Whoever comes again and again does not fill the log. */
START_TEST(test_complaints_are_bounded)
{
	serve();
	for (int i = 0; i < 1000; i++) {
		struct world_client *c = world_connect(&w);

		world_input(&w, c, SLICE_LIT("\0\0\0\0"));
		ck_assert(c->closed);
		w.nclients--;
		buf_free(&c->got);
	}
	ck_assert_int_eq(w.warnings, 100);
	world_sleep(&w, 2000);
	world_input(&w, world_connect(&w), SLICE_LIT("\0\0\0\0"));
	ck_assert_int_eq(w.warnings, 102);
}
END_TEST

/* ---- Words ---- */

static const char *
ask(const char *word)
{
	static char text[65536];
	struct world_client *c = world_connect(&w);

	world_input(&w, c, slice_str(word));
	ck_assert(c->closed);
	ck_assert_uint_lt(buf_len(&c->got), sizeof text);
	memcpy(text, buf_head(&c->got), buf_len(&c->got));
	text[buf_len(&c->got)] = '\0';
	w.nclients--;
	buf_free(&c->got);
	return text;
}

START_TEST(test_words)
{
	struct world_client *c;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, put_path(b, 1, ZK_OP_GET_DATA, "/", true));
	ck_assert_str_eq(ask("ruok"), "imok");
	ck_assert_str_eq(ask("isro\n"), "rw");
	ck_assert_str_eq(ask("srvr\n"),
			 "Zookeeper version: 3.9.5-test\nLatency min/avg/max: 0/0.0/0\nReceived: 2\n"
			 "Sent: 2\nConnections: 2\nOutstanding: 0\nZxid: 0x1\nMode: standalone\n"
			 "Node count: 5\n");
	ck_assert_ptr_nonnull(
	    strstr(ask("stat"), "\nClients:\n /10.0.0.1:1000[1](queued=0,recved=2,sent=2)\n"));
	ck_assert_ptr_nonnull(strstr(ask("cons"), ",lop=GETD,"));
	ck_assert_ptr_nonnull(strstr(ask("mntr"), "zk_server_state\tstandalone\n"));
	ck_assert_str_eq(ask("wchs"), "1 connections watching 1 paths\nTotal watches:1\n");
	ck_assert_str_eq(ask("conf"), "clientPort=2181\n");
	ck_assert_ptr_nonnull(strstr(ask("envi"), "zookeeper.version=3.9.5-test\nos.name=Linux\n"));
	ck_assert_str_eq(ask("srst"), "Server stats reset.\n");
	ck_assert_ptr_nonnull(strstr(ask("srvr"), "Received: 0\n"));
}
END_TEST

START_TEST(test_whitelist)
{
	config.words = "srvr, ruok";
	serve();
	ck_assert_str_eq(ask("ruok"), "imok");
	ck_assert_str_eq(ask("mntr"), "mntr is not executed because it is not in the whitelist.\n");
}
END_TEST

/* ---- syncd ---- */

START_TEST(test_serving_waits_for_commits)
{
	struct world_client *c;
	struct front_event up = { .type = FRONT_LINK_UP, .now_ms = 1000000 };

	world_open(&w, &config);
	front_step(w.front, &up);
	world_role(&w, 5, 3, 100);
	ck_assert_int_eq(count_said(MSG_ROLE_ACK), 1);
	ck_assert_int_eq(count_said(MSG_LOAD), 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	/* The log's end says 5, but no txn came: that is not to be trusted. */
	world_bulk(&w, MSG_BULK_END, 5, SLICE_NULL);
	ck_assert_int_eq(count_said(MSG_READY), 0);
	ck_assert(w.load_closed);
	world_sleep(&w, 200);
	ck_assert_int_eq(count_said(MSG_LOAD), 2);
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert(c->closed);
}
END_TEST

/* What w's clients did comes to a second front by its log. */
static void
feed_log(struct world *to, const struct buf *txns)
{
	struct slice rest = buf_slice(txns);
	struct frame f;
	int64_t n;

	while ((n = frame_parse(rest, &f)) > 0) {
		world_bulk(to, MSG_BULK_TXN, f.zxid, f.body);
		rest = slice_of(rest.data + n, rest.len - (size_t)n);
	}
}

START_TEST(test_load_from_the_log)
{
	struct front_event up = { .type = FRONT_LINK_UP, .now_ms = 1000000 };
	struct front_facts before, after;
	struct world_client *c;
	struct world second;
	struct front_config fc;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, {
		put_create(b, 1, "/a", "x", 0);
		put_create(b, 2, "/a", "x", 0);
		put_create(b, 3, "/a/e", "x", 1);
	});
	front_facts(w.front, &before);
	world_config(&second, &fc);
	world_open(&second, &fc);
	front_step(second.front, &up);
	/* All is proposed, but one is not committed yet. */
	world_role(&second, w.proposed, w.proposed - 1, 100);
	world_frame(&second, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	feed_log(&second, &w.txns);
	world_bulk(&second, MSG_BULK_END, w.proposed, SLICE_NULL);
	front_facts(second.front, &after);
	ck_assert_uint_eq(after.applied_zxid, w.proposed - 1);
	ck_assert(!after.serving);
	world_frame(&second, MSG_COMMIT, 0, w.proposed, SLICE_NULL);
	front_facts(second.front, &after);
	ck_assert(after.serving);
	ck_assert_uint_eq(after.applied_zxid, before.applied_zxid);
	ck_assert_uint_eq(after.znodes, before.znodes);
	ck_assert_uint_eq(after.sessions, before.sessions);
	ck_assert_uint_eq(after.digest_mismatches, 0);
	world_close(&second);
}
END_TEST

/* The snapshot channel of one front is the bulk channel of another. */
static void
feed_snapshot(struct world *to, const struct buf *snapshot, bool whole)
{
	struct slice rest = buf_slice(snapshot);
	struct frame f;
	int64_t n;

	while ((n = frame_parse(rest, &f)) > 0) {
		if (f.type != MSG_BULK_SNAPSHOT_END || whole)
			world_bulk(to, f.type, f.zxid, f.body);
		rest = slice_of(rest.data + n, rest.len - (size_t)n);
	}
	ck_assert_uint_eq(rest.len, 0);
}

START_TEST(test_snapshot_and_load)
{
	struct front_event open = { .type = FRONT_SNAPSHOT_OPENED, .now_ms = 2000000 },
			   up = { .type = FRONT_LINK_UP };
	struct front_facts before, after;
	struct world_client *c;
	struct world second;
	struct front_config fc;
	char path[32];

	serve();
	w.auto_commit = true;
	c = client(NULL);
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof path, "/n%d", i);
		SAY(c, put_create(b, i, path, "some data in each of them", i % 100 == 0));
	}
	front_step(w.front, &open);
	world_run(&w);
	ck_assert(w.snapshot_closed);
	front_facts(w.front, &before);
	world_config(&second, &fc);
	world_open(&second, &fc);
	up.now_ms = second.now_ms;
	front_step(second.front, &up);
	world_role(&second, w.proposed, w.proposed, 100);
	world_frame(&second, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	/* A second BULK_SNAPSHOT starts over. */
	feed_snapshot(&second, &w.snapshot, false);
	feed_snapshot(&second, &w.snapshot, true);
	world_bulk(&second, MSG_BULK_END, w.proposed, SLICE_NULL);
	front_facts(second.front, &after);
	ck_assert(after.serving);
	ck_assert_uint_eq(after.applied_zxid, before.applied_zxid);
	ck_assert_uint_eq(after.znodes, before.znodes);
	ck_assert_uint_eq(after.ephemerals, before.ephemerals);
	ck_assert_uint_eq(after.sessions, 1);
	world_close(&second);
}
END_TEST

START_TEST(test_load_that_breaks_off)
{
	struct front_event open = { .type = FRONT_SNAPSHOT_OPENED, .now_ms = 2000000 },
			   up = { .type = FRONT_LINK_UP }, closed = { .type = FRONT_BULK_CLOSED };
	struct world second;
	struct front_config fc;
	struct front_facts facts;

	serve();
	front_step(w.front, &open);
	world_run(&w);
	world_config(&second, &fc);
	world_open(&second, &fc);
	up.now_ms = closed.now_ms = second.now_ms;
	front_step(second.front, &up);
	world_role(&second, 0, 0, 100);
	world_frame(&second, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	feed_snapshot(&second, &w.snapshot, false);
	front_step(second.front, &closed);
	front_facts(second.front, &facts);
	ck_assert(!facts.has_tree && !facts.serving);
	world_sleep(&second, 150);
	ck_assert_int_eq(second.said[second.nsaid - 1].type, MSG_LOAD);
	world_frame(&second, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	feed_snapshot(&second, &w.snapshot, true);
	world_bulk(&second, MSG_BULK_END, 0, SLICE_NULL);
	front_facts(second.front, &facts);
	ck_assert(facts.serving);
	world_close(&second);
}
END_TEST

START_TEST(test_link_lost)
{
	struct front_event down = { .type = FRONT_LINK_DOWN }, up = { .type = FRONT_LINK_UP };
	uint8_t passwd[PASSWD_BYTES];
	struct world_client *c, *again;
	int64_t session;

	serve();
	c = client(&session);
	SAY(c, put_create(b, 1, "/a", "", 0));
	down.now_ms = up.now_ms = w.now_ms;
	front_step(w.front, &down);
	world_run(&w);
	ck_assert(c->closed && silent(c));
	front_step(w.front, &up);
	/* The create was logged all the same. The tree is kept, so only the log above it is wanted. */
	world_role(&w, 2, 2, 100);
	ck_assert_uint_eq(w.said[w.nsaid - 1].zxid, 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	feed_log(&w, &w.txns);
	world_bulk(&w, MSG_BULK_END, 2, SLICE_NULL);
	again = world_connect(&w);
	passwd_derive(session, passwd);
	SAY(again, put_connect(b, 1, 10000, session, passwd, true));
	ck_assert_int_eq(hear_connect(again).session_id, session);
	SAY(again, put_path(b, 2, ZK_OP_EXISTS, "/a", false));
	HEAR(again, 2, 0);
}
END_TEST

START_TEST(test_tree_of_another_history)
{
	struct front_facts facts;

	serve();
	w.auto_commit = true;
	SAY(client(NULL), put_create(b, 1, "/a", "", 0));
	ck_assert_uint_eq(w.committed, 2);
	world_role(&w, 1, 1, 100);
	front_facts(w.front, &facts);
	ck_assert(!facts.has_tree);
	ck_assert_uint_eq(w.said[w.nsaid - 1].type, MSG_LOAD);
	ck_assert_uint_eq(w.said[w.nsaid - 1].zxid, 0);
}
END_TEST

/* A connection may end while its session, or a write, is on the way. */
START_TEST(test_hangup_in_flight)
{
	struct world_client *opening, *writer, *watcher;
	struct front_facts facts;

	serve();
	watcher = client(NULL);
	SAY(watcher, put_path(b, 1, ZK_OP_EXISTS, "/a", true));
	HEAR(watcher, 1, ZK_NONODE);
	writer = client(NULL);
	opening = world_connect(&w);
	SAY(opening, put_connect(b, 0, 10000, 0, NULL, true));
	SAY(writer, {
		put_create(b, 1, "/a", "", 0);
		put_path(b, 2, ZK_OP_SYNC, "/a", false);
		put_path(b, 3, ZK_OP_EXISTS, "/a", false);
	});
	world_hangup(&w, opening);
	world_hangup(&w, writer);
	ck_assert(opening->closed && writer->closed);
	world_commit(&w);
	hear_event(watcher, ZK_EVENT_CREATED, "/a");
	front_facts(w.front, &facts);
	ck_assert_uint_eq(facts.connections, 1);
	ck_assert_uint_eq(facts.sessions, 3);
	ck_assert_uint_eq(facts.outstanding, 0);
}
END_TEST

/* A deleted subtree tells a watcher more than its socket takes: it gets all, or is closed; never a part. */
START_TEST(test_many_events_at_once)
{
	enum { NODES = 2000 };
	struct world_client *c, *watcher;
	char path[32];

	serve();
	w.auto_commit = true;
	c = client(NULL);
	watcher = client(NULL);
	for (int i = 0; i < NODES; i++) {
		snprintf(path, sizeof path, "/e%d", i);
		SAY(c, put_create(b, i, path, "", 1));
		SAY(watcher, put_path(b, i, ZK_OP_EXISTS, path, true));
		HEAR(watcher, i, 0);
	}
	watcher->stuck = true;
	SAY(c, put_plain(b, 1, ZK_OP_CLOSE_SESSION));
	ck_assert(c->closed && !watcher->closed);
	world_unstick(&w, watcher);
	for (int i = 0; i < NODES; i++)
		ck_assert_int_eq(hear(watcher).xid, -1);
	ck_assert(silent(watcher));
}
END_TEST

/* The client says all it has to say and shuts down its side before the answer is there. */
START_TEST(test_word_of_a_half_closed_client)
{
	struct world_client *c;

	serve();
	c = world_connect(&w);
	c->stuck = true;
	world_input(&w, c, SLICE_LIT("srvr\n"));
	ck_assert(!c->closed);
	world_hangup(&w, c);
	ck_assert(!c->closed);
	world_unstick(&w, c);
	ck_assert(c->closed && !silent(c));
}
END_TEST

static void
say_disk(bool failed)
{
	Zkd__Disk disk = ZKD__DISK__INIT;
	struct frame f;
	struct buf out = new_buf();

	disk.failed = failed;
	disk.error = (char *)"EIO";
	proto_put(&out, MSG_DISK, 0, 0, &disk.base);
	frame_parse(buf_slice(&out), &f);
	world_frame(&w, MSG_DISK, 0, 0, f.body);
	buf_free(&out);
	world_run(&w);
}

START_TEST(test_disk_fails)
{
	uint8_t passwd[PASSWD_BYTES];
	struct world_client *writer, *reader, *c;
	int64_t session;

	serve();
	writer = client(NULL);
	reader = client(&session);
	SAY(writer, put_create(b, 1, "/a", "", 0));
	say_disk(true);
	ck_assert(writer->closed && silent(writer));
	SAY(reader, {
		put_path(b, 1, ZK_OP_EXISTS, "/", false);
		put_create(b, 2, "/b", "", 0);
	});
	HEAR(reader, 1, 0);
	HEAR(reader, 2, ZK_NOTREADONLY);
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert(c->closed && silent(c));
	world_sleep(&w, 60000);
	ck_assert(!reader->closed);
	c = world_connect(&w);
	passwd_derive(session, passwd);
	SAY(c, put_connect(b, 0, 10000, session, passwd, true));
	ck_assert_int_eq(hear_connect(c).session_id, session);
	say_disk(false);
	world_commit(&w);
	SAY(c, put_path(b, 3, ZK_OP_EXISTS, "/a", false));
	HEAR(c, 3, 0);
	SAY(c, put_create(b, 4, "/b", "", 0));
	world_commit(&w);
	HEAR(c, 4, 0);
}
END_TEST

START_TEST(test_bad_frames_of_syncd)
{
	serve();
	world_frame(&w, MSG_APPEND, 0, 0, SLICE_NULL);
	ck_assert_str_eq(w.link_bad, "a message of unknown type");
	w.link_bad = NULL;
	world_serve(&w);
	world_frame(&w, MSG_ROLE, 1, 0, SLICE_LIT("\xff\xff"));
	ck_assert_str_eq(w.link_bad, "malformed ROLE");
	w.link_bad = NULL;
	world_serve(&w);
	world_frame(&w, MSG_LOAD_CHANNEL, 1, 0, SLICE_NULL);
	ck_assert_str_eq(w.link_bad, "a message that does not belong here");
	w.link_bad = NULL;
	world_serve(&w);
	world_frame(&w, MSG_REQUEST, 1, 0, SLICE_LIT("\1"));
	ck_assert_str_eq(w.link_bad, "malformed REQUEST");
}
END_TEST

/* A learner's requests are consumed in order, each by exactly one answer with its number. */
START_TEST(test_requests_of_learners)
{
	struct jute_id_vec none = { NULL, 0 };
	struct buf body = new_buf();
	int at;

	serve();
	at = w.nsaid;
	jute_write_long(&body, 7);
	jute_write_id_vec(&body, &none);
	jute_write_long(&body, 0x200000000000001);
	jute_write_int(&body, 0);
	jute_write_int(&body, ZK_OP_CREATE_SESSION);
	jute_write_int(&body, 10000);
	world_frame(&w, MSG_REQUEST, 1, 0, buf_slice(&body));
	world_frame(&w, MSG_SYNC, 2, 0, SLICE_NULL);
	buf_reset(&body, 0);
	jute_write_long(&body, 7);
	jute_write_long(&body, 0x200000000000001);
	jute_write_int(&body, 10000);
	world_frame(&w, MSG_REVALIDATE, 3, 0, buf_slice(&body));
	buf_reset(&body, 0);
	jute_write_long(&body, 7);
	jute_write_id_vec(&body, &none);
	jute_write_long(&body, 0x200000000000001);
	jute_write_int(&body, 1);
	jute_write_int(&body, ZK_OP_DELETE_CONTAINER);
	world_frame(&w, MSG_REQUEST, 4, 0, buf_slice(&body));
	ck_assert_int_eq(w.nsaid - at, 4);
	static const uint16_t types[] = { MSG_PROPOSE, MSG_SYNC, MSG_REVALIDATE, MSG_DROP };
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(w.said[at + i].type, types[i]);
		ck_assert_uint_eq(w.said[at + i].seq, (uint64_t)i + 1);
	}
	buf_free(&body);
}
END_TEST

/* ---- More of syncd ---- */

static void
put_touch(struct buf *body, int64_t session, int32_t timeout_ms)
{
	jute_write_long(body, session);
	jute_write_int(body, timeout_ms);
}

START_TEST(test_touch_by_learners)
{
	struct world_client *c, *untouched;
	struct buf body = new_buf();
	int64_t session, other;

	serve();
	w.auto_commit = true;
	c = client(&session);
	untouched = client(&other);
	put_touch(&body, session, 10000);
	for (int i = 0; i < 5; i++) {
		world_sleep(&w, 4000);
		world_frame(&w, MSG_TOUCH, 0, 0, buf_slice(&body));
	}
	ck_assert(!c->closed && untouched->closed);
	world_frame(&w, MSG_TOUCH, 0, 0, SLICE_LIT("\0"));
	ck_assert_str_eq(w.link_bad, "malformed TOUCH");
	buf_free(&body);
}
END_TEST

/* The session goes on through another server: what still comes through the old connection is refused, and ends it. */
START_TEST(test_session_moved)
{
	struct buf body = new_buf();
	struct world_client *c;
	int64_t session;

	serve();
	w.auto_commit = true;
	c = client(&session);
	jute_write_long(&body, 7);
	put_touch(&body, session, 10000);
	world_frame(&w, MSG_REVALIDATE, 1, 0, buf_slice(&body));
	SAY(c, {
		put_create(b, 1, "/a", "", 0);
		put_path(b, 2, ZK_OP_EXISTS, "/a", false);
	});
	ck_assert(c->closed && silent(c));
	ck_assert_ptr_nonnull(strstr(w.traced, "moved to another server"));
	buf_free(&body);
}
END_TEST

START_TEST(test_containers_are_swept)
{
	struct world_client *c;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, {
		struct jute_create_request rq = {
			SLICE_LIT("/box"), SLICE_NULL, { &open_acl, 1 }, ZK_CREATE_CONTAINER
		};
		size_t at = begin_request(b, 1, ZK_OP_CREATE_CONTAINER);

		jute_write_create_request(b, &rq);
		end(b, at);
		put_create(b, 2, "/box/a", "", 0);
		put_path(b, 3, ZK_OP_EXISTS, "/box", true);
	});
	for (int i = 1; i <= 3; i++)
		HEAR(c, i, 0);
	for (int i = 0; i < 30; i++) {
		world_sleep(&w, 4000);
		SAY(c, put_plain(b, -2, ZK_OP_PING));
		HEAR(c, -2, 0);
	}
	SAY(c, put_delete(b, 4, "/box/a"));
	HEAR(c, 4, 0);
	for (int i = 0; i < 30 && silent(c); i++) {
		world_sleep(&w, 4000);
		if (silent(c)) {
			SAY(c, put_plain(b, -2, ZK_OP_PING));
			HEAR(c, -2, 0);
		}
	}
	hear_event(c, ZK_EVENT_DELETED, "/box");
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

/* A channel that says what it may not: the load is begun anew, the node does not serve, and does not fall. */
START_TEST(test_bad_bulk)
{
	static const struct {
		uint16_t first, type;
		struct slice body;
	} bads2[] = {
		{ 0, MSG_BULK_DATA, SLICE_LIT("data outside of a snapshot") },
		{ 0, MSG_BULK_SNAPSHOT_END, { NULL, 0 } },
		{ MSG_BULK_SNAPSHOT, MSG_BULK_DATA, SLICE_LIT("this is no snapshot") },
		{ MSG_BULK_SNAPSHOT, MSG_BULK_SNAPSHOT_END, { NULL, 0 } },
		{ MSG_BULK_SNAPSHOT, MSG_BULK_TXN, SLICE_LIT("x") },
		{ MSG_BULK_SNAPSHOT, MSG_BULK_END, { NULL, 0 } },
		{ 0, MSG_BULK_TXN, SLICE_LIT("no txn") },
		{ 0, MSG_COMMIT, { NULL, 0 } },
	};
	struct front_event up = { .type = FRONT_LINK_UP, .now_ms = 1000000 };
	struct front_facts facts;

	world_open(&w, &config);
	front_step(w.front, &up);
	world_role(&w, 1, 1, 100);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	if (bads2[_i].first != 0)
		world_bulk(&w, bads2[_i].first, 0, SLICE_NULL);
	world_bulk(&w, bads2[_i].type, 1, bads2[_i].body);
	front_facts(w.front, &facts);
	ck_assert(!facts.serving && w.load_closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "load failed"));
	world_sleep(&w, 150);
	ck_assert_int_eq(w.said[w.nsaid - 1].type, MSG_LOAD);
}
END_TEST

START_TEST(test_snapshot_reader_gone)
{
	struct front_event open = { .type = FRONT_SNAPSHOT_OPENED }, gone = { .type = FRONT_SNAPSHOT_CLOSED };
	struct front_facts facts;

	serve();
	w.auto_commit = true;
	SAY(client(NULL), put_create(b, 1, "/a", "", 0));
	open.now_ms = gone.now_ms = w.now_ms;
	front_step(w.front, &open);
	front_step(w.front, &gone);
	world_run(&w);
	front_facts(w.front, &facts);
	ck_assert(!facts.snapshot && w.snapshot_closed);
	/* The next one is whole. */
	w.snapshot_closed = false;
	front_step(w.front, &open);
	world_run(&w);
	ck_assert(w.snapshot_closed);
	ck_assert_uint_gt(buf_len(&w.snapshot), 100);
	SAY(client(NULL), put_create(b, 1, "/b", "", 0));
	front_facts(w.front, &facts);
	ck_assert_uint_eq(facts.digest_mismatches, 0);
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
	tcase_add_test(t, test_auth);
	tcase_add_test(t, test_auth_refused);
	tcase_add_test(t, test_auth_ids_are_bounded);
	tcase_add_test(t, test_sasl_is_not_configured);
	tcase_add_test(t, test_close_session);
	tcase_add_test(t, test_expiry);
	tcase_add_test(t, test_standstill_expires_nobody);
	tcase_add_test(t, test_no_expiry_without_commits);
	tcase_add_test(t, test_credit);
	tcase_add_test(t, test_connections_per_address);
	tcase_add_test(t, test_connections_in_total);
	tcase_add_test(t, test_reader_that_never_reads);
	tcase_add_test(t, test_requests_waiting_are_bounded);
	tcase_add_loop_test(t, test_bad_input, 0, sizeof bads / sizeof bads[0]);
	tcase_add_test(t, test_truncated);
	tcase_add_test(t, test_one_byte_a_second);
	tcase_add_test(t, test_complaints_are_bounded);
	tcase_add_test(t, test_words);
	tcase_add_test(t, test_whitelist);
	tcase_add_test(t, test_serving_waits_for_commits);
	tcase_add_test(t, test_load_from_the_log);
	tcase_add_test(t, test_snapshot_and_load);
	tcase_add_test(t, test_load_that_breaks_off);
	tcase_add_test(t, test_link_lost);
	tcase_add_test(t, test_tree_of_another_history);
	tcase_add_test(t, test_hangup_in_flight);
	tcase_add_test(t, test_many_events_at_once);
	tcase_add_test(t, test_word_of_a_half_closed_client);
	tcase_add_test(t, test_disk_fails);
	tcase_add_test(t, test_bad_frames_of_syncd);
	tcase_add_test(t, test_requests_of_learners);
	tcase_add_test(t, test_touch_by_learners);
	tcase_add_test(t, test_session_moved);
	tcase_add_test(t, test_containers_are_swept);
	tcase_add_test(t, test_set_watches2);
	tcase_add_loop_test(t, test_bad_bulk, 0, 8);
	tcase_add_test(t, test_snapshot_reader_gone);
}

int
main(void)
{
	Suite *s = suite_create("front");
	TCase *t = tcase_create("front");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	add_tests(t);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
