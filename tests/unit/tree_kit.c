/* See tree_kit.h. */
#include "tree_kit.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "disk/snapshot.h"
#include "jute/op.h"

static struct jute_acl open_entries[] = {
	{ .perms = ZK_PERM_ALL, .id = { SLICE_LIT("world"), SLICE_LIT("anyone") } },
};
const struct jute_acl_vec kit_open_acl = { open_entries, 1 };

static void
print_line(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	(void)t;
	(void)level;
	fprintf(stderr, "%s: %s %s\n", room, event, text);
}

struct trace kit_trace = { TRACE_ERROR, print_line };

void
kit_start_with(struct kit *k, const struct tree_config *c)
{
	*k = (struct kit){
		.config = *c, .wall_ms = 1600000000000, .now_ms = 1000, .session = 0x100000000000001
	};
	if (k->config.trace == NULL)
		k->config.trace = &kit_trace;
	k->tree = tree_create(&k->config);
	k->prep = prep_create(&k->config, k->tree);
	arena_init(&k->arena, 64 << 20);
	buf_init(&k->body, 64 << 20);
	buf_init(&k->out, 64 << 20);
	buf_init(&k->log, 1 << 30);
	sessions_lead(tree_sessions(k->tree), KIT_TICK_MS, k->now_ms);
	ck_assert_int_eq(kit_open(k, k->session, 10000), ZK_OK);
}

void
kit_start(struct kit *k)
{
	struct tree_config c;

	tree_config_init(&c);
	kit_start_with(k, &c);
}

void
kit_end(struct kit *k)
{
	prep_destroy(k->prep);
	tree_destroy(k->tree);
	arena_free(&k->arena);
	buf_free(&k->body);
	buf_free(&k->out);
	buf_free(&k->log);
}

enum zk_error
kit_request(struct kit *k, int32_t type)
{
	struct prep_request rq = { .type = type,
				   .session = k->session,
				   .cxid = ++k->cxid,
				   .owner = k->owner,
				   .auth = k->auth,
				   .body = buf_slice(&k->body),
				   .wall_ms = k->wall_ms++,
				   .now_ms = k->now_ms };
	uint64_t last = prep_last(k->prep);
	enum zk_error err;

	buf_truncate(&k->out, 0);
	err = prep_write(k->prep, &rq, &k->out);
	ck_assert(!k->out.overflow);
	ck_assert_uint_eq(prep_last(k->prep), last + 1);
	buf_put_be32(&k->log, (uint32_t)buf_len(&k->out));
	buf_put_slice(&k->log, buf_slice(&k->out));
	buf_truncate(&k->body, 0);
	if (!k->hold)
		kit_apply(k);
	return err;
}

bool
kit_apply_one(struct kit *k)
{
	const uint8_t *p = buf_head(&k->log) + k->applied_at;
	uint32_t len;

	if (k->applied_at == buf_len(&k->log))
		return false;
	len = get_be32(p);
	arena_reset(&k->arena);
	ck_assert_int_eq(
	    tree_apply(k->tree, slice_of(p + 4, len), &k->arena, k->sink.event ? &k->sink : NULL, &k->result),
	    0);
	prep_applied(k->prep, tree_applied(k->tree));
	k->applied_at += 4 + len;
	return true;
}

void
kit_apply(struct kit *k)
{
	while (kit_apply_one(k))
		;
}

struct slice
kit_last_txn(struct kit *k)
{
	return buf_slice(&k->out);
}

enum zk_error
kit_open(struct kit *k, int64_t session, int32_t timeout_ms)
{
	int64_t mine = k->session;
	enum zk_error err;

	k->session = session;
	buf_put_be32(&k->body, (uint32_t)timeout_ms);
	err = kit_request(k, ZK_OP_CREATE_SESSION);
	k->session = mine;
	return err;
}

enum zk_error
kit_close(struct kit *k, int64_t session)
{
	int64_t mine = k->session;
	enum zk_error err;

	k->session = session;
	err = kit_request(k, ZK_OP_CLOSE_SESSION);
	k->session = mine;
	return err;
}

static int32_t
create_op(int32_t flags)
{
	return flags == ZK_CREATE_CONTAINER ? ZK_OP_CREATE_CONTAINER : ZK_OP_CREATE2;
}

static void
put_create(struct kit *k, const char *path, const char *data, const struct jute_acl_vec *acl, int32_t flags)
{
	struct jute_create_request rq = {
		.path = slice_str(path), .data = slice_str(data), .acl = *acl, .flags = flags
	};

	jute_write_create_request(&k->body, &rq);
}

enum zk_error
kit_create(struct kit *k, const char *path, const char *data, int32_t flags)
{
	put_create(k, path, data, &kit_open_acl, flags);
	return kit_request(k, create_op(flags));
}

enum zk_error
kit_create_acl(struct kit *k, const char *path, const struct jute_acl_vec *acl)
{
	put_create(k, path, "", acl, 0);
	return kit_request(k, ZK_OP_CREATE);
}

static void
put_delete(struct kit *k, const char *path, int32_t version)
{
	struct jute_delete_request rq = { .path = slice_str(path), .version = version };

	jute_write_delete_request(&k->body, &rq);
}

enum zk_error
kit_delete(struct kit *k, const char *path, int32_t version)
{
	put_delete(k, path, version);
	return kit_request(k, ZK_OP_DELETE);
}

static void
put_set(struct kit *k, const char *path, const char *data, int32_t version)
{
	struct jute_set_data_request rq = { .path = slice_str(path),
					    .data = slice_str(data),
					    .version = version };

	jute_write_set_data_request(&k->body, &rq);
}

enum zk_error
kit_set(struct kit *k, const char *path, const char *data, int32_t version)
{
	put_set(k, path, data, version);
	return kit_request(k, ZK_OP_SET_DATA);
}

enum zk_error
kit_set_acl(struct kit *k, const char *path, const struct jute_acl_vec *acl, int32_t version)
{
	struct jute_set_acl_request rq = { .path = slice_str(path), .acl = *acl, .version = version };

	jute_write_set_acl_request(&k->body, &rq);
	return kit_request(k, ZK_OP_SET_ACL);
}

static void
put_header(struct kit *k, int32_t type)
{
	struct jute_multi_header h = { .type = type, .done = type == -1, .err = -1 };

	jute_write_multi_header(&k->body, &h);
}

void
kit_add_create(struct kit *k, const char *path, const char *data, int32_t flags)
{
	put_header(k, create_op(flags));
	put_create(k, path, data, &kit_open_acl, flags);
}

void
kit_add_delete(struct kit *k, const char *path, int32_t version)
{
	put_header(k, ZK_OP_DELETE);
	put_delete(k, path, version);
}

void
kit_add_set(struct kit *k, const char *path, const char *data, int32_t version)
{
	put_header(k, ZK_OP_SET_DATA);
	put_set(k, path, data, version);
}

void
kit_add_check(struct kit *k, const char *path, int32_t version)
{
	put_header(k, ZK_OP_CHECK);
	put_delete(k, path, version);
}

enum zk_error
kit_multi(struct kit *k)
{
	put_header(k, -1);
	return kit_request(k, ZK_OP_MULTI);
}

struct jute_stat
kit_stat(struct kit *k, const char *path)
{
	struct jute_stat st;

	ck_assert_msg(tree_stat(k->tree, slice_str(path), &st), "%s is not there", path);
	return st;
}

bool
kit_exists(struct kit *k, const char *path)
{
	return tree_stat(k->tree, slice_str(path), NULL);
}

struct buf
kit_snapshot(struct tree *t)
{
	struct buf out;

	buf_init(&out, 1 << 30);
	ck_assert_int_eq(tree_snapshot_begin(t, &out), 0);
	while (tree_snapshot_step(t, 4096) == 1)
		;
	ck_assert(!tree_snapshot_active(t, NULL));
	return out;
}

struct tree *
kit_load(const struct tree_config *c, struct slice bytes, uint64_t zxid)
{
	struct tree_load *l = tree_load_begin(c, zxid);
	struct snapshot_reader r;
	struct tree *t = NULL;

	snapshot_reader_init(&r, SNAPSHOT_FILE, &tree_load_events, l);
	if (snapshot_reader_feed(&r, bytes) < 0 || snapshot_reader_finish(&r) != 0)
		tree_load_abort(l);
	else
		t = tree_load_end(l, &r.end);
	snapshot_reader_free(&r);
	return t;
}
