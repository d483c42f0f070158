/*
 * Prep: the order of every operation's checks, what outstanding changes do to later requests, multi and its rollback,
 * sequence numbers, error txns, digests. test_oracle.c compares the txns themselves with Java's.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "disk/snapshot.h"
#include "jute/op.h"
#include "tree_kit.h"

enum { ALIVE = 1, CLOSING = 2, MOVED = 3, UNKNOWN = 4 };

static struct kit k;

static struct jute_acl closed_entry[] = { { 31, { SLICE_LIT("digest"), SLICE_LIT("other:x") } } };
static const struct jute_acl_vec closed_acl = { closed_entry, 1 };
static struct jute_acl read_entry[] = { { ZK_PERM_READ, { SLICE_LIT("world"), SLICE_LIT("anyone") } } };
static const struct jute_acl_vec read_acl = { read_entry, 1 };
static const struct jute_acl_vec bad_acl = { NULL, 0 };

static void
start_with(bool extended)
{
	struct tree_config c;

	tree_config_init(&c);
	c.extended_types = extended;
	c.enforce_quota = true;
	kit_start_with(&k, &c);
	kit_open(&k, ALIVE, 10000);
	kit_open(&k, CLOSING, 10000);
	k.owner = 9;
	kit_open(&k, MOVED, 10000);
	k.owner = 0;
	k.session = ALIVE;
	kit_create(&k, "/open", "data", 0);
	kit_create(&k, "/open/child", "data", 0);
	kit_create_acl(&k, "/closed", &kit_open_acl);
	kit_create(&k, "/closed/child", "data", 0);
	kit_create(&k, "/closed/full", "data", 0);
	kit_create(&k, "/closed/full/x", "data", 0);
	kit_set_acl(&k, "/closed", &closed_acl, -1);
	kit_create_acl(&k, "/ro", &read_acl);
	kit_create(&k, "/eph", "data", 1);
	kit_create(&k, "/cont", "data", 4);
	kit_create(&k, "/q", "12345", 0);
	kit_create(&k, "/zookeeper/quota/q", "", 0);
	kit_create(&k, "/zookeeper/quota/q/zookeeper_limits",
		   "count=-1,bytes=-1=;byteHardLimit=9;countHardLimit=2", 0);
	kit_create(&k, "/zookeeper/quota/q/zookeeper_stats", "", 0);
	k.hold = true;
	kit_close(&k, CLOSING);
}

static void
start(void)
{
	start_with(true);
}

static void
end(void)
{
	struct tree_stats s;

	kit_apply(&k);
	ck_assert_uint_eq(prep_outstanding(k.prep), 0);
	ck_assert(tree_check(k.tree));
	tree_stats(k.tree, &s);
	ck_assert_uint_eq(s.digest_mismatches, 0);
	kit_end(&k);
}

/* ---- Order of checks: each row breaks the rule that it names and, mostly, one that comes later ---- */

static const struct {
	int32_t op;
	int64_t session;
	const char *path;
	int32_t flags;
	int64_t ttl;
	const struct jute_acl_vec *acl;
	const char *data;
	enum zk_error err;
} creates[] = {
	/* flags before session */
	{ ZK_OP_CREATE, CLOSING, "/new", 7, -1, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE, CLOSING, "/new", -1, -1, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE, CLOSING, "/new", 4, -1, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE, CLOSING, "/new", 5, -1, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE_CONTAINER, CLOSING, "/new", 0, -1, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE_TTL, CLOSING, "/new", 5, 0, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE_TTL, CLOSING, "/new", 5, ZK_TTL_MAX_MS + 1, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE_TTL, CLOSING, "/new", 0, 5, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE_TTL, CLOSING, "/new", 0, -1, &kit_open_acl, "", ZK_BADARGUMENTS },
	/* session before path */
	{ ZK_OP_CREATE, CLOSING, "new", 0, -1, &kit_open_acl, "", ZK_SESSIONEXPIRED },
	{ ZK_OP_CREATE2, UNKNOWN, "new", 0, -1, &kit_open_acl, "", ZK_SESSIONEXPIRED },
	{ ZK_OP_CREATE, MOVED, "new", 1, -1, &kit_open_acl, "", ZK_SESSIONMOVED },
	{ ZK_OP_CREATE_CONTAINER, MOVED, "new", 4, -1, &kit_open_acl, "", ZK_SESSIONMOVED },
	{ ZK_OP_CREATE_TTL, MOVED, "new", 5, 5, &kit_open_acl, "", ZK_SESSIONMOVED },
	/* path before ACL */
	{ ZK_OP_CREATE, ALIVE, "new", 0, -1, &bad_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE, ALIVE, "", 0, -1, &bad_acl, "", ZK_BADARGUMENTS },
	/* ACL before parent */
	{ ZK_OP_CREATE, ALIVE, "/none/new", 0, -1, &bad_acl, "", ZK_INVALIDACL },
	/* parent before permission, permission before the full path's rules */
	{ ZK_OP_CREATE, ALIVE, "/none//new", 0, -1, &kit_open_acl, "", ZK_NONODE },
	{ ZK_OP_CREATE, ALIVE, "/none/x/new", 0, -1, &kit_open_acl, "", ZK_NONODE },
	{ ZK_OP_CREATE, ALIVE, "/closed/..", 0, -1, &kit_open_acl, "", ZK_NOAUTH },
	{ ZK_OP_CREATE, ALIVE, "/ro/child", 0, -1, &kit_open_acl, "", ZK_NOAUTH },
	/* full path before existence */
	{ ZK_OP_CREATE, ALIVE, "/open/", 0, -1, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE, ALIVE, "/eph/..", 0, -1, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE, ALIVE, "/open/\x01", 0, -1, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE, ALIVE, "//", 0, -1, &kit_open_acl, "", ZK_BADARGUMENTS },
	{ ZK_OP_CREATE, ALIVE, "/open", 0, -1, &kit_open_acl, "", ZK_NODEEXISTS },
	{ ZK_OP_CREATE, ALIVE, "/", 0, -1, &kit_open_acl, "", ZK_NODEEXISTS },
	/* ephemeral parent, then quota */
	{ ZK_OP_CREATE, ALIVE, "/eph/child", 0, -1, &kit_open_acl, "", ZK_NOCHILDRENFOREPHEMERALS },
	{ ZK_OP_CREATE, ALIVE, "/eph/", 2, -1, &kit_open_acl, "", ZK_NOCHILDRENFOREPHEMERALS },
	{ ZK_OP_CREATE, ALIVE, "/q/child", 0, -1, &kit_open_acl, "12345", ZK_QUOTAEXCEEDED },
	{ ZK_OP_CREATE, ALIVE, "/q/child", 0, -1, &kit_open_acl, "1234", ZK_OK },
	/* all well */
	{ ZK_OP_CREATE, ALIVE, "/open/", 2, -1, &kit_open_acl, "", ZK_OK },
	{ ZK_OP_CREATE2, ALIVE, "/cont/child", 1, -1, &kit_open_acl, "", ZK_OK },
	{ ZK_OP_CREATE_CONTAINER, ALIVE, "/cont/cont", 4, -1, &kit_open_acl, "", ZK_OK },
	{ ZK_OP_CREATE_TTL, ALIVE, "/ttl", 5, 1, &kit_open_acl, "", ZK_OK },
	{ ZK_OP_CREATE_TTL, ALIVE, "/ttl", 6, ZK_TTL_MAX_MS, &kit_open_acl, "", ZK_OK },
};

static enum zk_error
create_row(int i)
{
	struct jute_create_ttl_request rq = { .path = slice_str(creates[i].path),
					      .data = slice_str(creates[i].data),
					      .acl = *creates[i].acl,
					      .flags = creates[i].flags,
					      .ttl = creates[i].ttl };
	struct jute_create_request plain = {
		.path = rq.path, .data = rq.data, .acl = rq.acl, .flags = rq.flags
	};

	if (creates[i].op == ZK_OP_CREATE_TTL)
		jute_write_create_ttl_request(&k.body, &rq);
	else
		jute_write_create_request(&k.body, &plain);
	k.session = creates[i].session;
	return kit_request(&k, creates[i].op);
}

/* What a txn that failed its checks looks like: type -1, the code, no digest. */
static void
assert_error_txn(enum zk_error err)
{
	struct tree_txn txn;

	ck_assert_int_eq(tree_txn_parse(kit_last_txn(&k), &txn), 0);
	ck_assert_int_eq(txn.hdr.type, ZK_OP_ERROR);
	ck_assert_uint_eq(txn.record.len, 4);
	ck_assert_int_eq((int32_t)get_be32(txn.record.data), err);
}

START_TEST(create_checks)
{
	enum zk_error err = create_row(_i);
	uint32_t before;

	ck_assert_msg((int)err == (int)creates[_i].err, "row %d: %d", _i, err);
	if (err != ZK_OK) {
		before = prep_outstanding(k.prep);
		assert_error_txn(err);
		create_row(_i);
		ck_assert_uint_eq(prep_outstanding(k.prep), before);
	}
	kit_apply(&k);
	ck_assert_int_eq(k.result.err, err);
	ck_assert_uint_eq(k.result.has_stat, err == ZK_OK && creates[_i].op != ZK_OP_CREATE);
}
END_TEST

START_TEST(ttl_nodes_must_be_enabled)
{
	struct jute_create_ttl_request rq = {
		.path = SLICE_LIT("new"), .acl = kit_open_acl, .flags = 5, .ttl = 0
	};

	k.session = CLOSING;
	jute_write_create_ttl_request(&k.body, &rq);
	ck_assert_int_eq(kit_request(&k, ZK_OP_CREATE_TTL), ZK_UNIMPLEMENTED);
}
END_TEST

/* emulate353TTLNodes: the top bit and the time, up to 60 bits of it. */
START_TEST(ttl_nodes_of_3_5_3)
{
	static const struct {
		int64_t ttl;
		enum zk_error err;
		uint64_t owner;
	} rows[] = {
		{ 0, ZK_BADARGUMENTS, 0 },
		{ 5, ZK_OK, 0x8000000000000005 },
		{ ZK_TTL_MAX_MS + 1, ZK_OK, 0x8000010000000000 },
		{ 0x0fffffffffffffff, ZK_OK, 0x8fffffffffffffff },
		{ 0x1000000000000000, ZK_BADARGUMENTS, 0 },
	};
	char path[16];
	struct buf snap;

	kit_apply(&k);
	k.hold = false;
	k.session = ALIVE;
	k.config.emulate_353_ttl = true;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct jute_create_ttl_request rq = { .acl = kit_open_acl, .flags = 5, .ttl = rows[i].ttl };
		snprintf(path, sizeof path, "/t%zu", i);
		rq.path = slice_str(path);
		jute_write_create_ttl_request(&k.body, &rq);
		ck_assert_int_eq(kit_request(&k, ZK_OP_CREATE_TTL), rows[i].err);
		if (rows[i].err == ZK_OK)
			ck_assert_int_eq(kit_stat(&k, path).ephemeral_owner, 0);
	}
	snap = kit_snapshot(k.tree);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t owner[8];
		put_be64(owner, rows[i].owner);
		if (rows[i].err == ZK_OK)
			ck_assert_ptr_nonnull(memmem(buf_head(&snap), buf_len(&snap), owner, 8));
	}
	buf_free(&snap);
}
END_TEST

static const struct {
	int64_t session;
	const char *path;
	int32_t version;
	enum zk_error err;
} deletes[] = {
	{ CLOSING, "/", -1, ZK_SESSIONEXPIRED },
	{ MOVED, "/", -1, ZK_SESSIONMOVED },
	{ UNKNOWN, "/open", -1, ZK_SESSIONEXPIRED },
	{ ALIVE, "", -1, ZK_BADARGUMENTS },
	{ ALIVE, "open", -1, ZK_BADARGUMENTS },
	{ ALIVE, "/", 7, ZK_BADARGUMENTS },
	{ ALIVE, "/zookeeper", 7, ZK_BADARGUMENTS },
	{ ALIVE, "/zookeeper/quota", 7, ZK_BADARGUMENTS },
	{ ALIVE, "/zookeeper/config", 7, ZK_BADARGUMENTS },
	{ ALIVE, "/none/x", 7, ZK_NONODE },
	{ ALIVE, "/closed/none", 7, ZK_NOAUTH }, /* permission before existence */
	{ ALIVE, "/closed/child", 7, ZK_NOAUTH },
	{ ALIVE, "/none", 7, ZK_NONODE },
	{ ALIVE, "/open", 7, ZK_BADVERSION }, /* version before children */
	{ ALIVE, "/closed/full", -1, ZK_NOAUTH },
	{ ALIVE, "/open", 0, ZK_NOTEMPTY },
	{ ALIVE, "/open", -1, ZK_NOTEMPTY },
	{ ALIVE, "/closed", -1, ZK_NOTEMPTY }, /* the parent's list counts, not its own */
	{ ALIVE, "/ro", 0, ZK_OK },
	{ ALIVE, "/open/child", 0, ZK_OK },
	{ ALIVE, "/eph", -1, ZK_OK },
};

START_TEST(delete_checks)
{
	k.session = deletes[_i].session;
	ck_assert_int_eq(kit_delete(&k, deletes[_i].path, deletes[_i].version), deletes[_i].err);
	kit_apply(&k);
	ck_assert_int_eq(k.result.err, deletes[_i].err);
}
END_TEST

static const struct {
	int64_t session;
	const char *path, *data;
	int32_t version;
	enum zk_error err;
} sets[] = {
	{ CLOSING, "open", "", 7, ZK_SESSIONEXPIRED },
	{ MOVED, "open", "", 7, ZK_SESSIONMOVED },
	{ ALIVE, "open", "", 7, ZK_BADARGUMENTS },
	{ ALIVE, "/open/", "", 7, ZK_BADARGUMENTS },
	{ ALIVE, "/none", "", 7, ZK_NONODE },
	{ ALIVE, "/ro", "", 7, ZK_NOAUTH },
	{ ALIVE, "/q", "1234567890", 7, ZK_QUOTAEXCEEDED }, /* quota before version */
	{ ALIVE, "/q", "123456789", 7, ZK_BADVERSION },
	{ ALIVE, "/open", "", 7, ZK_BADVERSION },
	{ ALIVE, "/q", "123456789", 0, ZK_OK },
	{ ALIVE, "/open", NULL, 0, ZK_OK },
	{ ALIVE, "/", "x", -1, ZK_OK },
};

START_TEST(set_data_checks)
{
	k.session = sets[_i].session;
	ck_assert_int_eq(kit_set(&k, sets[_i].path, sets[_i].data, sets[_i].version), sets[_i].err);
}
END_TEST

static const struct {
	int64_t session;
	const char *path;
	const struct jute_acl_vec *acl;
	int32_t version;
	enum zk_error err;
} set_acls[] = {
	{ CLOSING, "open", &bad_acl, 7, ZK_SESSIONEXPIRED },
	{ ALIVE, "open", &bad_acl, 7, ZK_BADARGUMENTS },
	{ ALIVE, "/none", &bad_acl, 7, ZK_INVALIDACL },
	{ ALIVE, "/none", &kit_open_acl, 7, ZK_NONODE },
	{ ALIVE, "/ro", &kit_open_acl, 7, ZK_NOAUTH },
	{ ALIVE, "/open", &kit_open_acl, 7, ZK_BADVERSION },
	{ ALIVE, "/open", &closed_acl, 0, ZK_OK },
};

START_TEST(set_acl_checks)
{
	k.session = set_acls[_i].session;
	ck_assert_int_eq(kit_set_acl(&k, set_acls[_i].path, set_acls[_i].acl, set_acls[_i].version),
			 set_acls[_i].err);
}
END_TEST

static const struct {
	int64_t session;
	const char *path;
	int32_t version;
	enum zk_error err;
} checks[] = {
	{ CLOSING, "open", 7, ZK_SESSIONEXPIRED },
	{ ALIVE, "open", 7, ZK_BADARGUMENTS },
	{ ALIVE, "/none", 7, ZK_NONODE },
	{ ALIVE, "/closed", 7, ZK_NOAUTH },
	{ ALIVE, "/open", 7, ZK_BADVERSION },
	{ ALIVE, "/open", 0, ZK_OK },
	{ ALIVE, "/ro", -1, ZK_OK },
};

START_TEST(check_checks)
{
	k.session = checks[_i].session;
	kit_add_check(&k, checks[_i].path, checks[_i].version);
	ck_assert_int_eq(kit_multi(&k), ZK_OK);
	kit_apply(&k);
	ck_assert_int_eq(k.result.n, 1);
	ck_assert_int_eq(k.result.multi[0].err, checks[_i].err);
	ck_assert_int_eq(k.result.multi[0].type, checks[_i].err == ZK_OK ? ZK_OP_CHECK : ZK_OP_ERROR);
}
END_TEST

static enum zk_error
delete_container(const char *path)
{
	k.session = 0;
	tree_sweep_body(slice_str(path), &k.body);
	return kit_request(&k, ZK_OP_DELETE_CONTAINER);
}

START_TEST(delete_container_checks)
{
	struct tree_txn txn;

	ck_assert_int_eq(delete_container("/"), ZK_BADARGUMENTS);
	ck_assert_int_eq(delete_container("/none/x"), ZK_NONODE);
	ck_assert_int_eq(delete_container("/none"), ZK_NONODE);
	ck_assert_int_eq(delete_container("/open"), ZK_NOTEMPTY);
	ck_assert_int_eq(delete_container("/eph"), ZK_BADVERSION);
	k.session = ALIVE;
	kit_create(&k, "/cont/late", "", 0);
	ck_assert_int_eq(delete_container("/cont"), ZK_NOTEMPTY);
	k.session = ALIVE;
	kit_delete(&k, "/cont/late", -1);
	ck_assert_int_eq(delete_container("/cont"), ZK_OK);
	ck_assert_int_eq(tree_txn_parse(kit_last_txn(&k), &txn), 0);
	ck_assert_int_eq(txn.hdr.type, ZK_OP_DELETE_CONTAINER);
	ck_assert_int_eq(txn.hdr.client_id, 0);
	kit_apply(&k);
	ck_assert(!kit_exists(&k, "/cont"));
}
END_TEST

/* ---- Requests that never get to their checks ---- */

START_TEST(what_does_not_parse_is_a_marshalling_error)
{
	static const int32_t types[] = { ZK_OP_CREATE,        ZK_OP_CREATE2, ZK_OP_CREATE_CONTAINER,
					 ZK_OP_CREATE_TTL,    ZK_OP_DELETE,  ZK_OP_DELETE_CONTAINER,
					 ZK_OP_SET_DATA,      ZK_OP_SET_ACL, ZK_OP_MULTI,
					 ZK_OP_CREATE_SESSION };

	k.session = ALIVE;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		ck_assert_int_eq(kit_request(&k, types[i]), ZK_MARSHALLINGERROR);
		assert_error_txn(ZK_MARSHALLINGERROR);
		/* A null path, then nothing. */
		buf_put_be32(&k.body, UINT32_MAX);
		if (types[i] != ZK_OP_CREATE_SESSION)
			ck_assert_int_eq(kit_request(&k, types[i]), ZK_MARSHALLINGERROR);
		buf_truncate(&k.body, 0);
	}
}
END_TEST

START_TEST(a_multi_with_what_may_not_be_in_it)
{
	static const int32_t types[] = { ZK_OP_GET_DATA,      ZK_OP_SET_ACL,
					 ZK_OP_MULTI,         ZK_OP_DELETE_CONTAINER,
					 ZK_OP_CLOSE_SESSION, ZK_OP_CREATE_SESSION,
					 ZK_OP_ERROR,         12345 };

	k.session = ALIVE;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct jute_multi_header h = { .type = types[i], .err = -1 };
		kit_add_create(&k, "/m", "", 0);
		jute_write_multi_header(&k.body, &h);
		jute_write_string(&k.body, SLICE_LIT("/open"));
		buf_put_be32(&k.body, 0);
		ck_assert_int_eq(kit_multi(&k), ZK_MARSHALLINGERROR);
		assert_error_txn(ZK_MARSHALLINGERROR);
	}
	kit_apply(&k);
	ck_assert(!kit_exists(&k, "/m"));
}
END_TEST

/* The longest that is taken can be applied with the arena that its users have. */
START_TEST(the_longest_multi)
{
	k.session = ALIVE;
	for (int i = 0; i < PREP_MULTI_MAX; i++)
		kit_add_check(&k, "/", -1);
	ck_assert_int_eq(kit_multi(&k), ZK_OK);
	kit_apply(&k);
	ck_assert_int_eq(k.result.n, PREP_MULTI_MAX);
	for (int i = 0; i <= PREP_MULTI_MAX; i++)
		kit_add_check(&k, "/", -1);
	ck_assert_int_eq(kit_multi(&k), ZK_MARSHALLINGERROR);
	kit_apply(&k);
}
END_TEST

START_TEST(refused_operations)
{
	struct jute_check_version_request rq = { .path = SLICE_LIT("/open"), .version = -1 };

	k.session = ALIVE;
	jute_write_check_version_request(&k.body, &rq);
	ck_assert_int_eq(kit_request(&k, ZK_OP_CHECK), ZK_UNIMPLEMENTED);
	ck_assert_int_eq(kit_request(&k, ZK_OP_RECONFIG), ZK_RECONFIGDISABLED);
	k.config.reconfig_enabled = true;
	ck_assert_int_eq(kit_request(&k, ZK_OP_RECONFIG), ZK_UNIMPLEMENTED);
	ck_assert_int_eq(kit_request(&k, 999), ZK_UNIMPLEMENTED);
	ck_assert(!prep_takes(999));
	ck_assert(!prep_takes(ZK_OP_GET_DATA));
	ck_assert(!prep_takes(ZK_OP_ERROR));
	ck_assert(prep_takes(ZK_OP_MULTI));
}
END_TEST

static enum zk_error
reconfigure(const char *joining, const char *leaving, const char *whole, int64_t version)
{
	struct jute_reconfig_request rq = {
		.joining_servers = slice_str(joining),
		.leaving_servers = slice_str(leaving),
		.new_members = slice_str(whole),
		.cur_config_id = version,
	};

	jute_write_reconfig_request(&k.body, &rq);
	return kit_request(&k, ZK_OP_RECONFIG);
}

static const struct list {
	const char *joining, *leaving, *whole;
	int64_t version;
	enum zk_error err;
	const char *made; /* its text, but for the version */
} lists[] = {
	{ NULL, "3", NULL, -1, ZK_OK, "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n" },
	{ "server.3=d:5:6:observer;7", " 3 ,2", NULL, 0x10, ZK_OK,
	  "" }, /* one voter: see standalone_enabled */
	{ "server.3=d:5:6:observer;7", " 3 ", NULL, 0x10, ZK_OK,
	  "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=d:5:6:observer;0.0.0.0:7\n" },
	{ NULL, NULL, "server.2=b:1:2,server.1=a:1:2", -1, ZK_OK,
	  "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n" },
	{ NULL, "3", NULL, 0x11, ZK_BADVERSION, NULL },
	{ NULL, "2,3", NULL, -1, ZK_BADARGUMENTS, NULL },
	{ NULL, "1,2,3", NULL, -1, ZK_BADARGUMENTS, NULL },
	{ NULL, "x", NULL, -1, ZK_MARSHALLINGERROR, NULL },
	{ NULL, "1234567", NULL, -1, ZK_MARSHALLINGERROR, NULL },
	{ "server.4", NULL, NULL, -1, ZK_BADARGUMENTS, NULL },
	{ "server.4=d:1:2;3=4", NULL, NULL, -1, ZK_BADARGUMENTS, NULL },
	{ "server.q=d:1:2;3", NULL, NULL, -1, ZK_MARSHALLINGERROR, NULL },
	{ "server.4=d:1:2", NULL, NULL, -1, ZK_BADARGUMENTS, NULL },
	{ "server.4=b:1:9;3", NULL, NULL, -1, ZK_BADARGUMENTS, NULL },
	{ "server.4=d:1:2;b:2", NULL, NULL, -1, ZK_BADARGUMENTS, NULL },
	{ "server.300=d:1:2;3", NULL, NULL, -1, ZK_BADARGUMENTS, NULL },
	{ "server.4=d:1:2;3,server.4=e:1:2;3", NULL, NULL, -1, ZK_BADARGUMENTS, NULL },
	{ "server.4=d:1:2;3,server.5=e:1:2;3", "3", NULL, -1, ZK_NEWCONFIGNOQUORUM, NULL },
	{ NULL, NULL, "nonsense", -1, ZK_BADARGUMENTS, NULL },
	{ NULL, NULL, "server.4=d:1:2\nserver.5=e:1:2", -1, ZK_NEWCONFIGNOQUORUM, NULL },
};

static void
know_three(void)
{
	struct prep_members m = { .text = SLICE_LIT("server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
						    "server.3=c:1:2:participant\nversion=10"),
				  .sid = 1 };

	sid_set_add(&m.synced, 2);
	prep_know_members(k.prep, &m);
	k.config.reconfig_enabled = k.config.standalone_enabled = true;
	k.config.acl.skip = true;
	k.session = ALIVE;
}

START_TEST(lists_of_members)
{
	const struct list *l = &lists[_i];
	char text[300];

	know_three();
	if (l->made != NULL && l->made[0] == '\0')
		k.config.standalone_enabled = false;
	ck_assert_int_eq(reconfigure(l->joining, l->leaving, l->whole, l->version), l->err);
	kit_apply(&k);
	if (l->err != ZK_OK || l->made[0] == '\0')
		return;
	snprintf(text, sizeof text, "%sversion=%llx", l->made, (unsigned long long)prep_last(k.prep));
	ck_assert_msg(slice_equal(k.result.data, slice_str(text)), "%.*s", (int)k.result.data.len,
		      (const char *)k.result.data.data);
	ck_assert_int_eq(kit_stat(&k, "/zookeeper/config").version, -1);
	ck_assert_int_eq(kit_stat(&k, "/zookeeper/config").mzxid, (int64_t)prep_last(k.prep));
}
END_TEST

START_TEST(one_list_at_a_time)
{
	know_three();
	k.hold = true;
	ck_assert_int_eq(reconfigure(NULL, "3", NULL, -1), ZK_OK);
	ck_assert_int_eq(reconfigure(NULL, "2", NULL, -1), ZK_RECONFIGINPROGRESS);
	kit_apply(&k);
	ck_assert_int_eq(reconfigure(NULL, "3", NULL, -1), ZK_OK);
	kit_apply(&k);
	k.hold = false;
	k.config.acl.skip = false;
	ck_assert_int_eq(reconfigure(NULL, "3", NULL, -1), ZK_NOAUTH);
	buf_put(&k.body, "abc", 3);
	ck_assert_int_eq(kit_request(&k, ZK_OP_RECONFIG), ZK_MARSHALLINGERROR);
}
END_TEST

/* ---- Outstanding changes ---- */

START_TEST(later_requests_see_earlier_ones)
{
	k.session = ALIVE;
	ck_assert_int_eq(kit_create(&k, "/n", "1", 0), ZK_OK);
	ck_assert_int_eq(kit_create(&k, "/n", "1", 0), ZK_NODEEXISTS);
	ck_assert_int_eq(kit_create(&k, "/n/c", "1", 0), ZK_OK);
	ck_assert_int_eq(kit_delete(&k, "/n", -1), ZK_NOTEMPTY);
	ck_assert_int_eq(kit_set(&k, "/n", "2", 0), ZK_OK);
	ck_assert_int_eq(kit_set(&k, "/n", "2", 0), ZK_BADVERSION);
	ck_assert_int_eq(kit_set_acl(&k, "/n", &read_acl, 0), ZK_OK);
	ck_assert_int_eq(kit_set(&k, "/n", "3", 1), ZK_NOAUTH);
	ck_assert_int_eq(kit_create(&k, "/n/d", "1", 0), ZK_NOAUTH);
	ck_assert_int_eq(kit_delete(&k, "/n/c", -1), ZK_NOAUTH);
	ck_assert_int_eq(kit_delete(&k, "/open/child", 0), ZK_OK);
	ck_assert_int_eq(kit_set(&k, "/open/child", "", -1), ZK_NONODE);
	ck_assert_int_eq(kit_delete(&k, "/open", 0), ZK_OK);
	ck_assert_int_eq(kit_create(&k, "/open/child", "", 0), ZK_NONODE);
	ck_assert_int_eq(kit_create(&k, "/open", "", 1), ZK_OK);
	ck_assert_int_eq(kit_create(&k, "/open/child", "", 0), ZK_NOCHILDRENFOREPHEMERALS);
	ck_assert_int_gt(prep_outstanding(k.prep), 0);
	kit_apply(&k);
	ck_assert_int_eq(kit_stat(&k, "/open").ephemeral_owner, ALIVE);
}
END_TEST

START_TEST(entries_die_when_applied_and_not_before)
{
	uint32_t start_count;

	k.session = ALIVE;
	kit_apply(&k);
	start_count = prep_outstanding(k.prep);
	ck_assert_uint_eq(start_count, 0);
	kit_create(&k, "/a", "", 0);
	ck_assert_uint_eq(prep_outstanding(k.prep), 2);
	kit_set(&k, "/a", "", -1);
	kit_create(&k, "/b", "", 0);
	ck_assert_uint_eq(prep_outstanding(k.prep), 3);
	/* /a was changed again, the root as well. */
	kit_apply_one(&k);
	ck_assert_uint_eq(prep_outstanding(k.prep), 3);
	kit_apply_one(&k);
	ck_assert_uint_eq(prep_outstanding(k.prep), 2);
	kit_apply_one(&k);
	ck_assert_uint_eq(prep_outstanding(k.prep), 0);
}
END_TEST

/* The tree's list may change hands while a path's entry outlives it. */
START_TEST(acl_of_an_outstanding_node_is_the_newest)
{
	k.session = ALIVE;
	ck_assert_int_eq(kit_set(&k, "/ro", "", -1), ZK_NOAUTH);
	ck_assert_int_eq(kit_create(&k, "/x", "", 0), ZK_OK);
	ck_assert_int_eq(kit_set_acl(&k, "/x", &read_acl, -1), ZK_OK);
	kit_apply_one(&k);
	kit_apply_one(&k);
	ck_assert_int_eq(kit_set(&k, "/x", "", -1), ZK_NOAUTH);
	kit_apply(&k);
	ck_assert_int_eq(kit_set(&k, "/x", "", -1), ZK_NOAUTH);
	ck_assert_int_eq(kit_delete(&k, "/x", -1), ZK_OK);
	ck_assert_int_eq(kit_create(&k, "/x", "", 0), ZK_OK);
	ck_assert_int_eq(kit_set(&k, "/x", "", -1), ZK_OK);
}
END_TEST

/* ---- Sequences ---- */

START_TEST(sequence_counts_creations_prepared_too)
{
	k.session = ALIVE;
	kit_create(&k, "/open/s", "", 2);
	kit_create(&k, "/open/plain", "", 0);
	kit_create(&k, "/open/s", "", 3);
	kit_delete(&k, "/open/plain", -1);
	kit_create(&k, "/open/", "", 2);
	/* A failed one takes no number (ZOOKEEPER-1046). */
	kit_create(&k, "/open/plain/x", "", 2);
	kit_create(&k, "/open/t", "", 2);
	kit_apply(&k);
	ck_assert(kit_exists(&k, "/open/s0000000001"));
	ck_assert(kit_exists(&k, "/open/s0000000003"));
	ck_assert(kit_exists(&k, "/open/0000000004"));
	ck_assert(kit_exists(&k, "/open/t0000000005"));
}
END_TEST

/* A parent of another server's making, with any cversion. */
static struct tree *
tree_with_cversion(int32_t cversion)
{
	struct tree_load *l = tree_load_begin(&k.config, 100);
	struct snapshot_node n = { .path = slice_of("", 0),
				   .data = slice_of("", 0),
				   .acl = SNAPSHOT_ACL_OPEN };
	struct snapshot_end e = { 0 };

	ck_assert_int_eq(tree_load_events.node(l, &n), 0);
	n.path = SLICE_LIT("/p");
	n.stat.cversion = cversion;
	ck_assert_int_eq(tree_load_events.node(l, &n), 0);
	return tree_load_end(l, &e);
}

START_TEST(sequence_numbers_at_their_end)
{
	static const struct {
		int32_t cversion;
		const char *name;
	} rows[] = {
		{ 0, "/p/x0000000000" },          { INT32_MAX, "/p/x2147483647" },
		{ INT32_MIN, "/p/x-2147483648" }, { -1, "/p/x-000000001" },
		{ -999999999, "/p/x-999999999" }, { -1000000000, "/p/x-1000000000" },
	};
	struct jute_create_request c = { .path = SLICE_LIT("/p/x"), .acl = kit_open_acl, .flags = 2 };
	struct tree *t = tree_with_cversion(rows[_i].cversion);
	struct prep *p = prep_create(&k.config, t);
	struct prep_request rq = { .type = ZK_OP_CREATE, .session = 5 };
	struct buf body, out;
	struct tree_result res;
	struct tree_stats stats;

	buf_init(&body, 1000);
	buf_init(&out, 1000);
	sessions_lead(tree_sessions(t), 2000, 0);
	buf_put_be32(&body, 1000);
	rq.body = buf_slice(&body);
	rq.type = ZK_OP_CREATE_SESSION;
	ck_assert_int_eq(prep_write(p, &rq, &out), ZK_OK);
	buf_truncate(&body, 0);
	buf_truncate(&out, 0);
	jute_write_create_request(&body, &c);
	rq.body = buf_slice(&body);
	rq.type = ZK_OP_CREATE;
	ck_assert_int_eq(prep_write(p, &rq, &out), ZK_OK);
	ck_assert_int_eq(tree_apply(t, buf_slice(&out), &k.arena, NULL, &res), 0);
	ck_assert(tree_stat(t, slice_str(rows[_i].name), NULL));
	tree_stats(t, &stats);
	ck_assert_uint_eq(stats.digest_mismatches, 0);
	prep_destroy(p);
	tree_destroy(t);
	buf_free(&body);
	buf_free(&out);
}
END_TEST

/* ---- multi ---- */

START_TEST(multi_is_all)
{
	k.session = ALIVE;
	kit_add_create(&k, "/m", "1", 0);
	kit_add_create(&k, "/m/s", "", 2);
	kit_add_create(&k, "/m/s", "", 2);
	kit_add_set(&k, "/m", "2", 0);
	kit_add_check(&k, "/m", 1);
	kit_add_delete(&k, "/m/s0000000000", 0);
	ck_assert_int_eq(kit_multi(&k), ZK_OK);
	kit_apply(&k);
	ck_assert_int_eq(k.result.err, ZK_OK);
	ck_assert_int_eq(k.result.n, 6);
	ck_assert(slice_equal(k.result.multi[2].path, SLICE_LIT("/m/s0000000001")));
	ck_assert_int_eq(kit_stat(&k, "/m").version, 1);
	ck_assert_int_eq(kit_stat(&k, "/m").num_children, 1);
	/* One zxid for all. */
	ck_assert_uint_eq(kit_stat(&k, "/m").czxid, kit_stat(&k, "/m/s0000000001").czxid);
}
END_TEST

START_TEST(multi_is_nothing)
{
	static const enum zk_error errors[] = { 0, 0, 0, ZK_BADVERSION, ZK_RUNTIMEINCONSISTENCY };
	uint64_t digest;
	uint32_t outstanding;

	k.session = ALIVE;
	kit_create(&k, "/m", "", 0);
	kit_create(&k, "/m/s", "", 2);
	kit_set(&k, "/open", "once", 0);
	outstanding = prep_outstanding(k.prep);
	kit_add_create(&k, "/m/s", "", 2);
	kit_add_set(&k, "/open", "twice", 1);
	kit_add_create(&k, "/m/e", "", 1);
	kit_add_delete(&k, "/open", 77);
	kit_add_create(&k, "/later", "", 0);
	ck_assert_int_eq(kit_multi(&k), ZK_OK);
	ck_assert_uint_eq(prep_outstanding(k.prep), outstanding);
	/* As if it had not been: numbers, versions, ephemerals (ZOOKEEPER-1624). */
	ck_assert_int_eq(kit_create(&k, "/m/s", "", 2), ZK_OK);
	ck_assert_int_eq(kit_set(&k, "/open", "twice", 1), ZK_OK);
	ck_assert_int_eq(kit_close(&k, ALIVE), ZK_OK);
	for (int i = 0; i < 5; i++)
		kit_apply_one(&k);
	digest = tree_digest(k.tree);
	ck_assert_int_eq(k.result.type, ZK_OP_MULTI);
	ck_assert_int_eq(k.result.err, ZK_BADVERSION);
	ck_assert_int_eq(tree_result_error(&k.result), ZK_OK);
	ck_assert_int_eq(k.result.n, 5);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(k.result.multi[i].type, ZK_OP_ERROR);
		ck_assert_int_eq(k.result.multi[i].err, errors[i]);
	}
	ck_assert_uint_eq(digest, tree_digest_recompute(k.tree));
	kit_apply(&k);
	ck_assert(kit_exists(&k, "/m/s0000000001"));
	ck_assert(!kit_exists(&k, "/m/e"));
	ck_assert(!kit_exists(&k, "/later"));
}
END_TEST

START_TEST(multi_log_form_when_it_fails)
{
	struct tree_txn txn;
	struct jute_reader r;
	struct jute_multi_txn m;
	struct jute_txn_digest d;
	uint64_t digest;

	k.session = ALIVE;
	kit_apply(&k);
	digest = tree_digest(k.tree);
	kit_add_create(&k, "/ok", "", 0);
	kit_add_delete(&k, "/none", -1);
	kit_add_create(&k, "/late", "", 0);
	ck_assert_int_eq(kit_multi(&k), ZK_OK);
	ck_assert_int_eq(tree_txn_parse(kit_last_txn(&k), &txn), 0);
	ck_assert_int_eq(txn.hdr.type, ZK_OP_MULTI);
	jute_reader_init(&r, txn.record, UINT32_MAX);
	ck_assert(jute_read_multi_txn(&r, &k.arena, &m));
	ck_assert_int_eq(m.txns.n, 3);
	ck_assert_int_eq(m.txns.v[0].type, ZK_OP_CREATE);
	ck_assert_int_eq(m.txns.v[1].type, ZK_OP_ERROR);
	ck_assert_int_eq((int32_t)get_be32(m.txns.v[1].data.data), ZK_NONODE);
	ck_assert_int_eq(m.txns.v[2].type, ZK_OP_ERROR);
	ck_assert_int_eq((int32_t)get_be32(m.txns.v[2].data.data), ZK_RUNTIMEINCONSISTENCY);
	ck_assert(jute_read_txn_digest(&r, NULL, &d));
	ck_assert_uint_eq(d.tree_digest, digest);
	ck_assert_uint_eq(jute_left(&r), 0);
}
END_TEST

START_TEST(empty_multi)
{
	k.session = CLOSING;
	ck_assert_int_eq(kit_multi(&k), ZK_OK);
	kit_apply(&k);
	ck_assert_int_eq(k.result.type, ZK_OP_MULTI);
	ck_assert_int_eq(k.result.n, 0);
}
END_TEST

/* ---- No room ---- */

START_TEST(no_room_takes_all_back)
{
	struct jute_create_request c = { .path = SLICE_LIT("/big"), .acl = kit_open_acl, .flags = 1 };
	struct prep_request rq = { .type = ZK_OP_CREATE, .session = ALIVE };
	uint64_t last = prep_last(k.prep);
	uint32_t outstanding = prep_outstanding(k.prep);
	struct buf body, out;
	enum zk_error err;

	buf_init(&body, 1000);
	jute_write_create_request(&body, &c);
	rq.body = buf_slice(&body);
	for (size_t room = 1;; room++) {
		buf_init(&out, room);
		buf_put_u8(&out, 'x');
		err = prep_write(k.prep, &rq, &out);
		ck_assert_uint_eq(out.overflow, err != ZK_OK);
		if (err == ZK_OK)
			break;
		ck_assert_uint_eq(buf_len(&out), 1);
		ck_assert_uint_eq(prep_last(k.prep), last);
		ck_assert_uint_eq(prep_outstanding(k.prep), outstanding);
		buf_free(&out);
	}
	ck_assert_uint_eq(prep_last(k.prep), last + 1);
	/* So that the fixture's end finds every txn in the log. */
	buf_put_be32(&k.log, (uint32_t)buf_len(&out) - 1);
	buf_put(&k.log, buf_head(&out) + 1, buf_len(&out) - 1);
	buf_free(&out);
	buf_free(&body);
}
END_TEST

/* ---- At random: what prep expects is what apply makes ---- */

struct chance {
	uint64_t state;
};

static uint32_t
draw(struct chance *c, uint32_t below)
{
	c->state = c->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(c->state >> 33) % below;
}

static const char *
random_path(struct chance *c)
{
	static char path[32];
	char *p = path;

	for (uint32_t depth = 1 + draw(c, 3); depth > 0; depth--) {
		*p++ = '/';
		*p++ = (char)('a' + draw(c, 3));
	}
	*p = '\0';
	return path;
}

static void
random_request(struct chance *c)
{
	static const int32_t flags[] = { 0, 0, 0, 1, 2, 3, 4 };
	int32_t version = (int32_t)draw(c, 5) - 2;

	if (version < 0)
		version = -1;
	k.session = 10 + draw(c, 4);
	switch (draw(c, 12)) {
	case 0 ... 3:
		kit_create(&k, random_path(c), "data", flags[draw(c, 7)]);
		break;
	case 4 ... 5:
		kit_delete(&k, random_path(c), version);
		break;
	case 6:
		kit_set(&k, random_path(c), "other data", version);
		break;
	case 7:
		kit_set_acl(&k, random_path(c), draw(c, 3) == 0 ? &read_acl : &kit_open_acl, version);
		break;
	case 8:
		if (draw(c, 4) == 0) {
			int64_t id = k.session;
			kit_close(&k, id);
			kit_apply(&k);
			kit_open(&k, id, 10000);
		}
		break;
	default:
		for (uint32_t n = draw(c, 5); n > 0; n--) {
			if (draw(c, 2) == 0)
				kit_add_create(&k, random_path(c), "m", flags[draw(c, 7)]);
			else if (draw(c, 2) == 0)
				kit_add_delete(&k, random_path(c), -1);
			else
				kit_add_set(&k, random_path(c), "m2", version);
		}
		kit_multi(&k);
	}
}

START_TEST(prep_and_apply_agree)
{
	struct chance c = { (uint64_t)_i + 1 };
	struct tree_stats s;

	kit_apply(&k);
	k.hold = false;
	for (int64_t id = 10; id < 14; id++)
		kit_open(&k, id, 10000);
	k.hold = true;
	for (int i = 0; i < 3000; i++) {
		random_request(&c);
		/* Commits lag by up to some tens of txns. */
		for (uint32_t n = draw(&c, 3); n > 0; n--)
			kit_apply_one(&k);
		if (draw(&c, 40) == 0)
			kit_apply(&k);
		if (i % 100 == 0)
			ck_assert_uint_eq(tree_digest(k.tree), tree_digest_recompute(k.tree));
	}
	kit_apply(&k);
	tree_stats(k.tree, &s);
	ck_assert_uint_eq(s.digest_mismatches, 0);
	ck_assert_uint_gt(s.nodes, 15);
}
END_TEST

static void
start_without_ttl(void)
{
	start_with(false);
}

#define ROWS(t) (sizeof(t) / sizeof(t)[0])

int
main(void)
{
	Suite *s = suite_create("prep");
	TCase *tc = tcase_create("prep"), *plain = tcase_create("plain");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_add_checked_fixture(plain, start_without_ttl, end);
	tcase_add_loop_test(tc, create_checks, 0, ROWS(creates));
	tcase_add_test(plain, ttl_nodes_must_be_enabled);
	tcase_add_test(tc, ttl_nodes_of_3_5_3);
	tcase_add_loop_test(tc, delete_checks, 0, ROWS(deletes));
	tcase_add_loop_test(tc, set_data_checks, 0, ROWS(sets));
	tcase_add_loop_test(tc, set_acl_checks, 0, ROWS(set_acls));
	tcase_add_loop_test(tc, check_checks, 0, ROWS(checks));
	tcase_add_test(tc, delete_container_checks);
	tcase_add_test(tc, what_does_not_parse_is_a_marshalling_error);
	tcase_add_test(tc, a_multi_with_what_may_not_be_in_it);
	tcase_add_test(tc, the_longest_multi);
	tcase_add_test(tc, refused_operations);
	tcase_add_loop_test(tc, lists_of_members, 0, sizeof lists / sizeof lists[0]);
	tcase_add_test(tc, one_list_at_a_time);
	tcase_add_test(tc, later_requests_see_earlier_ones);
	tcase_add_test(tc, entries_die_when_applied_and_not_before);
	tcase_add_test(tc, acl_of_an_outstanding_node_is_the_newest);
	tcase_add_test(tc, sequence_counts_creations_prepared_too);
	tcase_add_loop_test(tc, sequence_numbers_at_their_end, 0, 6);
	tcase_add_test(tc, multi_is_all);
	tcase_add_test(tc, multi_is_nothing);
	tcase_add_test(tc, multi_log_form_when_it_fails);
	tcase_add_test(tc, empty_multi);
	tcase_add_test(tc, no_room_takes_all_back);
	tcase_add_loop_test(tc, prep_and_apply_agree, 0, 10);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, plain);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
