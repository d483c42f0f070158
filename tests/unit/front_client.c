/* See front_client.h. */
#include "front_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "jute/passwd.h"

struct world w;
struct front_config config;
struct arena arena;

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

void
serve(void)
{
	world_open(&w, &config);
	world_serve(&w);
}

/* ---- What a client says ---- */

size_t
begin(struct buf *b)
{
	size_t at = buf_len(b);

	buf_put_be32(b, 0);
	return at;
}

void
end(struct buf *b, size_t at)
{
	put_be32(b->data + b->off + at, (uint32_t)(buf_len(b) - at - 4));
}

void
send_buf(struct world_client *c, struct buf *b)
{
	world_input(&w, c, buf_slice(b));
	buf_free(b);
}

struct buf
new_buf(void)
{
	struct buf b;

	buf_init(&b, 64 << 20);
	return b;
}

void
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

size_t
begin_request(struct buf *b, int32_t xid, int32_t op)
{
	size_t at = begin(b);

	jute_write_request_header(b, &(struct jute_request_header){ xid, op });
	return at;
}

void
put_plain(struct buf *b, int32_t xid, int32_t op)
{
	end(b, begin_request(b, xid, op));
}

void
put_path(struct buf *b, int32_t xid, int32_t op, const char *path, bool watch)
{
	size_t at = begin_request(b, xid, op);

	jute_write_string(b, slice_str(path));
	jute_write_bool(b, watch);
	end(b, at);
}

struct jute_acl open_acl = { 31, { SLICE_LIT("world"), SLICE_LIT("anyone") } };

void
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

void
put_set(struct buf *b, int32_t xid, const char *path, const char *data)
{
	size_t at = begin_request(b, xid, ZK_OP_SET_DATA);

	jute_write_set_data_request(b,
				    &(struct jute_set_data_request){ slice_str(path), slice_str(data), -1 });
	end(b, at);
}

void
put_delete(struct buf *b, int32_t xid, const char *path)
{
	size_t at = begin_request(b, xid, ZK_OP_DELETE);

	jute_write_delete_request(b, &(struct jute_delete_request){ slice_str(path), -1 });
	end(b, at);
}

/* ---- What it hears ---- */

/* Takes one whole frame; its bytes stay in c->got until the next append. */
struct slice
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

struct reply
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
int32_t
first_int(const struct reply *r)
{
	ck_assert_uint_ge(r->body.len, 4);
	return (int32_t)get_be32(r->body.data);
}

void
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

bool
silent(const struct world_client *c)
{
	return buf_len(&c->got) == 0;
}

struct jute_connect_response
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
struct world_client *
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

int
count_said(uint16_t type)
{
	int n = 0;

	for (int i = 0; i < w.nsaid; i++)
		n += w.said[i].type == type;
	return n;
}

void
put_path_int(struct buf *b, int32_t xid, int32_t op, const char *path, int32_t v)
{
	size_t at = begin_request(b, xid, op);

	jute_write_string(b, slice_str(path));
	jute_write_int(b, v);
	end(b, at);
}

int
front_main(const char *name, void (*add)(TCase *t))
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create(name);
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	add(t);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
