/* The tree: stats, events, txns of every age, reads, quotas, the sweeper. Snapshots are in test_tree_snapshot.c. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "jute/op.h"
#include "tree_kit.h"

static struct kit k;

static void
start(void)
{
	struct tree_config c;

	tree_config_init(&c);
	c.extended_types = true;
	kit_start_with(&k, &c);
}

static void
end(void)
{
	ck_assert(tree_check(k.tree));
	ck_assert_uint_eq(tree_digest(k.tree), tree_digest_recompute(k.tree));
	kit_end(&k);
}

static uint64_t
mismatches(void)
{
	struct tree_stats s;

	tree_stats(k.tree, &s);
	return s.digest_mismatches;
}

/* ---- Built-in nodes and stats ---- */

START_TEST(fresh_tree)
{
	struct tree *t = tree_create(&k.config);
	struct jute_stat st;
	struct tree_stats stats;

	ck_assert_uint_eq(tree_digest(t), 1371985504);
	ck_assert_uint_eq(tree_digest_recompute(t), 1371985504);
	ck_assert(tree_check(t));
	tree_stats(t, &stats);
	ck_assert_uint_eq(stats.nodes, 5);
	ck_assert(tree_stat(t, SLICE_LIT("/"), &st));
	ck_assert_int_eq(st.cversion, -1);
	ck_assert_int_eq(st.num_children, 1);
	ck_assert(tree_stat(t, SLICE_LIT("/zookeeper"), &st));
	ck_assert_int_eq(st.cversion, -2);
	ck_assert(tree_stat(t, SLICE_LIT("/zookeeper/config"), &st));
	ck_assert_int_eq(st.aversion, -1);
	ck_assert(!tree_stat(t, SLICE_LIT("/zookeepe"), &st));
	ck_assert(!tree_stat(t, SLICE_LIT("/zookeeper/"), &st));
	ck_assert(!tree_stat(t, SLICE_LIT("zookeeper"), &st));
	ck_assert(!tree_stat(t, SLICE_LIT("//"), &st));
	tree_destroy(t);
}
END_TEST

START_TEST(stat_arithmetic)
{
	struct jute_stat st;

	kit_create(&k, "/a", "data", 0);
	kit_create(&k, "/a/x", NULL, 0);
	kit_create(&k, "/a/y", "", 0);
	kit_delete(&k, "/a/x", 0);
	kit_set(&k, "/a", "longer data", 0);
	st = kit_stat(&k, "/a");
	ck_assert_int_eq(st.cversion, 3);
	ck_assert_int_eq(st.version, 1);
	ck_assert_int_eq(st.num_children, 1);
	ck_assert_int_eq(st.data_length, 11);
	ck_assert_uint_eq(st.czxid, 2);
	ck_assert_uint_eq(st.pzxid, 5);
	ck_assert_uint_eq(st.mzxid, 6);
	kit_create(&k, "/cont", "", 4);
	ck_assert_int_eq(kit_stat(&k, "/cont").ephemeral_owner, 0);
	kit_create(&k, "/eph", "", 1);
	ck_assert_int_eq(kit_stat(&k, "/eph").ephemeral_owner, k.session);
}
END_TEST

START_TEST(without_digests)
{
	struct kit d;
	struct tree_config c;
	struct tree_txn txn;

	tree_config_init(&c);
	c.digest = false;
	kit_start_with(&d, &c);
	kit_create(&d, "/a", "data", 0);
	kit_set(&d, "/a", "data", -1);
	ck_assert_uint_eq(tree_digest(d.tree), 0);
	ck_assert_int_eq(tree_txn_parse(kit_last_txn(&d), &txn), 0);
	ck_assert_uint_eq(txn.record.len, 4 + 2 + 4 + 4 + 4);
	ck_assert(tree_check(d.tree));
	kit_end(&d);
}
END_TEST

START_TEST(many_nodes_come_and_go)
{
	char path[64];
	struct tree_stats before, after;

	kit_create(&k, "/n", "", 0);
	tree_stats(k.tree, &before);
	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof path, "/n/%d", i);
		ck_assert_int_eq(kit_create(&k, path, "x", 0), ZK_OK);
	}
	ck_assert(tree_check(k.tree));
	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof path, "/n/%d", (i * 7919) % 5000);
		ck_assert_int_eq(kit_delete(&k, path, 0), ZK_OK);
		ck_assert(!kit_exists(&k, path));
	}
	tree_stats(k.tree, &after);
	ck_assert_uint_eq(after.nodes, before.nodes);
	ck_assert_uint_eq(after.data_bytes, before.data_bytes);
}
END_TEST

/* ---- Events ---- */

static char events[1000];

static void
note_event(void *ctx, uint64_t zxid, enum zk_event event, struct slice path, struct slice acl)
{
	size_t used = strlen(events);

	(void)ctx;
	ck_assert_uint_eq(zxid, prep_last(k.prep));
	ck_assert(acl_list_valid(acl));
	snprintf(events + used, sizeof events - used, "%d:%.*s ", event, (int)path.len,
		 (const char *)path.data);
}

static void
assert_events(const char *expected)
{
	ck_assert_str_eq(events, expected);
	events[0] = '\0';
}

START_TEST(events_in_order)
{
	k.sink.event = note_event;
	kit_create(&k, "/a", "", 0);
	assert_events("1:/a 4:/ ");
	kit_create(&k, "/a/b", "", 1);
	assert_events("1:/a/b 4:/a ");
	kit_set(&k, "/a", "", -1);
	assert_events("3:/a ");
	kit_set_acl(&k, "/a", &kit_open_acl, -1);
	assert_events("");
	kit_delete(&k, "/a", -1);
	assert_events("");
	kit_add_set(&k, "/a", "x", -1);
	kit_add_create(&k, "/a/c", "", 0);
	kit_add_delete(&k, "/a/c", -1);
	kit_multi(&k);
	assert_events("3:/a 1:/a/c 4:/a 2:/a/c 4:/a ");
	kit_add_set(&k, "/a", "x", -1);
	kit_add_delete(&k, "/none", -1);
	kit_multi(&k);
	assert_events("");
	kit_close(&k, k.session);
	assert_events("2:/a/b 4:/a ");
	kit_open(&k, k.session, 1000);
	assert_events("");
}
END_TEST

/* CVE-2024-23944: the list that decides who hears of it is the node's own, also when it is gone. */
static void
check_acl_of_event(void *ctx, uint64_t zxid, enum zk_event event, struct slice path, struct slice acl)
{
	static const struct acl_rules rules;
	static const struct auth nobody;
	bool *seen = ctx;

	(void)zxid;
	if (event == ZK_EVENT_DELETED) {
		ck_assert(slice_equal(path, SLICE_LIT("/secret")));
		ck_assert(!acl_allows(&rules, acl, ZK_PERM_READ, &nobody));
		*seen = true;
	}
}

START_TEST(events_carry_the_list_of_the_node)
{
	struct jute_acl entry = { 31, { SLICE_LIT("digest"), SLICE_LIT("u:x") } };
	struct jute_acl_vec acl = { &entry, 1 };
	bool seen = false;

	kit_create_acl(&k, "/secret", &acl);
	k.sink = (struct tree_sink){ check_acl_of_event, &seen };
	kit_delete(&k, "/secret", -1);
	ck_assert(seen);
}
END_TEST

/* ---- Digests of the past ---- */

struct past {
	uint64_t n, last, digest;
};

static void
note_past(void *ctx, uint64_t zxid, uint64_t digest)
{
	struct past *p = ctx;

	ck_assert_uint_eq(zxid % 128, 0);
	if (p->last != 0)
		ck_assert_uint_eq(zxid, p->last + 128);
	p->n++;
	p->last = zxid;
	p->digest = digest;
}

START_TEST(digests_of_the_past)
{
	struct past p = { 0 };

	tree_digests_each(k.tree, note_past, &p);
	ck_assert_uint_eq(p.n, 0);
	kit_create(&k, "/a", "", 0);
	while (tree_applied(k.tree) < 128)
		kit_set(&k, "/a", "", -1);
	tree_digests_each(k.tree, note_past, &p);
	ck_assert_uint_eq(p.n, 1);
	ck_assert_uint_eq(p.last, 128);
	ck_assert_uint_eq(p.digest, tree_digest(k.tree));
	while (tree_applied(k.tree) < 128 * 1030)
		kit_set(&k, "/a", "", -1);
	p = (struct past){ 0 };
	tree_digests_each(k.tree, note_past, &p);
	ck_assert_uint_eq(p.n, 1024);
	ck_assert_uint_eq(p.last, 128 * 1030);
}
END_TEST

/* ---- Txns of every age and shape ---- */

static void
put_header(struct buf *b, int32_t type, uint64_t zxid)
{
	struct jute_txn_header h = {
		.client_id = k.session, .cxid = 1, .zxid = zxid, .time = 5, .type = type
	};

	buf_truncate(b, 0);
	jute_write_txn_header(b, &h);
}

static int
apply_bytes(const struct buf *b)
{
	arena_reset(&k.arena);
	return tree_apply(k.tree, buf_slice(b), &k.arena, NULL, &k.result);
}

START_TEST(old_and_new_forms)
{
	struct jute_create_txn_v0 v0 = { .path = SLICE_LIT("/v0"), .acl = kit_open_acl };
	struct jute_create_txn create = {
		.path = SLICE_LIT("/eph"), .acl = kit_open_acl, .ephemeral = true, .parent_cversion = -1
	};
	struct jute_txn_digest digest = { .version = 2 };
	struct buf b;

	buf_init(&b, 1000);
	put_header(&b, ZK_OP_CREATE, 10);
	jute_write_create_txn_v0(&b, &v0);
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert(kit_exists(&k, "/v0"));
	ck_assert_int_eq(kit_stat(&k, "/").cversion, 2 * 1 - 2);
	put_header(&b, ZK_OP_CREATE2, 11);
	jute_write_create_txn(&b, &create);
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert_int_eq(kit_stat(&k, "/").cversion, 2 * 2 - 3);
	/* A null list is an open one. */
	create.path = SLICE_LIT("/null");
	create.acl.n = -1;
	put_header(&b, ZK_OP_CREATE, 12);
	jute_write_create_txn(&b, &create);
	ck_assert_int_eq(apply_bytes(&b), 0);
	/* closeSession without its list, with a digest that has another version, with more behind. */
	digest.version = 2;
	digest.tree_digest = 1;
	put_header(&b, ZK_OP_CLOSE_SESSION, 13);
	jute_write_txn_digest(&b, &digest);
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert_uint_eq(mismatches(), 1);
	ck_assert(!kit_exists(&k, "/eph"));
	ck_assert(!kit_exists(&k, "/null"));
	digest.version = 1;
	put_header(&b, ZK_OP_DELETE, 14);
	jute_write_string(&b, SLICE_LIT("/v0"));
	jute_write_txn_digest(&b, &digest);
	buf_put(&b, "something new", 13);
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert(!kit_exists(&k, "/v0"));
	ck_assert_uint_eq(mismatches(), 1);
	/* The bare form with nothing at all. */
	put_header(&b, ZK_OP_CLOSE_SESSION, 15);
	ck_assert_int_eq(apply_bytes(&b), 0);
	buf_free(&b);
}
END_TEST

START_TEST(what_is_not_next_is_left_alone)
{
	struct buf b;

	buf_init(&b, 1000);
	put_header(&b, ZK_OP_DELETE, tree_applied(k.tree));
	jute_write_string(&b, SLICE_LIT("/none"));
	ck_assert_int_eq(apply_bytes(&b), -EALREADY);
	put_header(&b, ZK_OP_ERROR, tree_applied(k.tree) + 5);
	buf_put_be32(&b, (uint32_t)ZK_NONODE);
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert_int_eq(k.result.err, ZK_NONODE);
	ck_assert_int_eq(tree_result_error(&k.result), ZK_NONODE);
	ck_assert_uint_eq(tree_applied(k.tree), 6);
	buf_free(&b);
}
END_TEST

/* Every txn cut short anywhere is refused and changes nothing. */
static void
assert_no_prefix_applies(void)
{
	uint64_t digest = tree_digest(k.tree), applied = tree_applied(k.tree);
	struct tree_txn txn;
	struct slice whole = kit_last_txn(&k);

	ck_assert_int_eq(tree_txn_parse(whole, &txn), 0);
	for (size_t len = 0; len < whole.len - 12; len++) {
		/* A copy of its own, so that a sanitizer sees a read past its end. */
		uint8_t *copy = mem_alloc(len);
		memcpy(copy, whole.data, len);
		arena_reset(&k.arena);
		/* closeSession without its list is whole. */
		if (!(txn.hdr.type == ZK_OP_CLOSE_SESSION && len == 32)) {
			/* Before 3.3 creates ended one field earlier. */
			bool old = (txn.hdr.type == ZK_OP_CREATE || txn.hdr.type == ZK_OP_CREATE2) &&
				   len == whole.len - 16;
			if (!old)
				ck_assert_int_eq(
				    tree_apply(k.tree, slice_of(copy, len), &k.arena, NULL, &k.result),
				    -EBADMSG);
		}
		mem_free(copy);
	}
	ck_assert_uint_eq(tree_digest(k.tree), digest);
	ck_assert_uint_eq(tree_applied(k.tree), applied);
	kit_apply(&k);
}

START_TEST(cut_txns_change_nothing)
{
	k.hold = true;
	kit_create(&k, "/a", "data", 0);
	assert_no_prefix_applies();
	kit_create(&k, "/c", "data", 4);
	assert_no_prefix_applies();
	kit_set(&k, "/a", "other", -1);
	assert_no_prefix_applies();
	kit_set_acl(&k, "/a", &kit_open_acl, -1);
	assert_no_prefix_applies();
	kit_add_create(&k, "/a/b", "x", 1);
	kit_add_set(&k, "/a", "x", -1);
	kit_add_check(&k, "/a", -1);
	kit_multi(&k);
	assert_no_prefix_applies();
	kit_delete(&k, "/a/b", -1);
	assert_no_prefix_applies();
	kit_create(&k, "/e", "x", 1);
	kit_apply(&k);
	kit_close(&k, k.session);
	assert_no_prefix_applies();
}
END_TEST

START_TEST(bad_txns)
{
	static const struct {
		int32_t type;
		const char *path;
	} rows[] = { { ZK_OP_DELETE, "" },
		     { ZK_OP_DELETE, "a" },
		     { ZK_OP_DELETE, "//" },
		     { ZK_OP_DELETE, "/a/" },
		     { ZK_OP_DELETE, "/a//b" },
		     { ZK_OP_DELETE, NULL },
		     { 99, "/a" },
		     { ZK_OP_GET_DATA, "/a" } };
	struct buf b;

	buf_init(&b, 1000);
	put_header(&b, rows[_i].type, 100);
	jute_write_string(&b, slice_str(rows[_i].path));
	ck_assert_int_eq(apply_bytes(&b), -EBADMSG);
	buf_free(&b);
}
END_TEST

/* ---- Replay over what is there already ---- */

/* The node is made anew, its list goes (ZOOKEEPER-4846), the parent has counted and says when. */
START_TEST(creating_what_exists)
{
	struct jute_create_txn c = { .path = SLICE_LIT("/a/b"),
				     .data = SLICE_LIT("first"),
				     .acl = kit_open_acl,
				     .parent_cversion = 7 };
	struct jute_acl entry = { 3, { SLICE_LIT("world"), SLICE_LIT("anyone") } };
	struct jute_acl_vec acl = { &entry, 1 };
	struct tree_stats s;
	struct buf b;

	buf_init(&b, 1000);
	kit_create(&k, "/a", "", 0);
	kit_create_acl(&k, "/a/b", &acl);
	kit_set(&k, "/a/b", "later data", 0);
	put_header(&b, _i == 0 ? ZK_OP_CREATE : ZK_OP_CREATE2, 50);
	jute_write_create_txn(&b, &c);
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert_int_eq(kit_stat(&k, "/a/b").data_length, 5);
	ck_assert_int_eq(kit_stat(&k, "/a/b").version, 0);
	ck_assert_uint_eq(kit_stat(&k, "/a/b").czxid, 50);
	ck_assert_int_eq(kit_stat(&k, "/a").cversion, 2 * 7 - 1);
	ck_assert_uint_eq(kit_stat(&k, "/a").pzxid, 50);
	tree_stats(k.tree, &s);
	ck_assert_uint_eq(s.acl_lists, 1);
	/* A count never goes down. */
	c.parent_cversion = 3;
	put_header(&b, _i == 0 ? ZK_OP_CREATE : ZK_OP_CREATE2, 51);
	jute_write_create_txn(&b, &c);
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert_int_eq(kit_stat(&k, "/a").cversion, 2 * 7 - 1);
	/* The root is never made anew. */
	c.path = SLICE_LIT("/");
	put_header(&b, ZK_OP_CREATE, 52);
	jute_write_create_txn(&b, &c);
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert_int_eq(k.result.err, ZK_NODEEXISTS);
	ck_assert(kit_exists(&k, "/a/b"));
	buf_free(&b);
}
END_TEST

START_TEST(deleting_what_is_gone)
{
	struct buf b;

	buf_init(&b, 1000);
	kit_create(&k, "/a", "", 0);
	put_header(&b, ZK_OP_DELETE, 50);
	jute_write_string(&b, SLICE_LIT("/a/b"));
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert_int_eq(k.result.err, ZK_NONODE);
	ck_assert_uint_eq(kit_stat(&k, "/a").pzxid, 50);
	put_header(&b, ZK_OP_DELETE, 51);
	jute_write_string(&b, SLICE_LIT("/x/y"));
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert_int_eq(k.result.err, ZK_NONODE);
	buf_free(&b);
}
END_TEST

/* A later node of the same name was met, with children that did not exist when the txn was made. */
START_TEST(deleting_what_has_children)
{
	struct buf b;

	buf_init(&b, 1000);
	kit_create(&k, "/a", "", 0);
	kit_create(&k, "/a/b", "", 0);
	kit_create(&k, "/a/b/c", "", 1);
	kit_create(&k, "/a/d", "", 0);
	put_header(&b, ZK_OP_DELETE, 50);
	jute_write_string(&b, SLICE_LIT("/a"));
	ck_assert_int_eq(apply_bytes(&b), 0);
	ck_assert(!kit_exists(&k, "/a"));
	ck_assert(!kit_exists(&k, "/a/b/c"));
	ck_assert_int_eq(kit_stat(&k, "/").num_children, 1);
	buf_free(&b);
}
END_TEST

/* The node that the root's digest shares its path with: "" and "/" are one. */
START_TEST(root_is_a_node_like_others)
{
	kit_set(&k, "/", "data", -1);
	kit_create(&k, "/a", "", 0);
	kit_set_acl(&k, "/", &kit_open_acl, 0);
	ck_assert_int_eq(kit_stat(&k, "/").version, 1);
	ck_assert_int_eq(kit_stat(&k, "/").aversion, 1);
	ck_assert(tree_stat(k.tree, slice_of("", 0), NULL));
	ck_assert_uint_eq(mismatches(), 0);
}
END_TEST

/* ---- ACL table: no leaks, nothing dangling (ZOOKEEPER-2141, 3306, 4689) ---- */

START_TEST(lists_go_with_their_last_user)
{
	struct jute_acl entry = { 31, { SLICE_LIT("ip"), SLICE_LIT("127.0.0.1") } };
	struct jute_acl_vec acl = { &entry, 1 };
	struct tree_stats s;
	char id[32];

	tree_stats(k.tree, &s);
	ck_assert_uint_eq(s.acl_lists, 1);
	for (int i = 0; i < 300; i++) {
		snprintf(id, sizeof id, "127.0.%d.%d", i / 100, i % 100);
		entry.id.id = slice_str(id);
		kit_create_acl(&k, "/a", &acl);
		kit_create_acl(&k, "/b", &acl);
		tree_stats(k.tree, &s);
		ck_assert_uint_eq(s.acl_lists, 2);
		kit_set_acl(&k, "/b", &kit_open_acl, -1);
		kit_delete(&k, "/a", -1);
		kit_delete(&k, "/b", -1);
	}
	tree_stats(k.tree, &s);
	ck_assert_uint_eq(s.acl_lists, 1);
}
END_TEST

/* ---- Reads ---- */

static struct buf answer;

static enum zk_error
ask(tree_read_fn *fn, const char *path, const struct auth *who)
{
	struct tree_read rq;
	enum zk_error err;

	buf_truncate(&k.body, 0);
	jute_write_string(&k.body, slice_str(path));
	buf_put_u8(&k.body, 1);
	buf_truncate(&answer, 0);
	err = fn(k.tree, who, k.session, buf_slice(&k.body), &rq, &answer);
	ck_assert(slice_equal(rq.path, slice_str(path)));
	if (err != ZK_OK)
		ck_assert_uint_eq(buf_len(&answer), 0);
	buf_truncate(&k.body, 0);
	return err;
}

START_TEST(who_may_read_what)
{
	struct jute_acl entries[] = { { ZK_PERM_ADMIN, { SLICE_LIT("digest"), SLICE_LIT("admin:x") } },
				      { ZK_PERM_READ, { SLICE_LIT("digest"), SLICE_LIT("reader:x") } } };
	struct jute_acl_vec acl = { entries, 2 };
	struct jute_id admin_id = entries[0].id, reader_id = entries[1].id;
	struct auth nobody = { 0 }, admin = { &admin_id, 1 }, reader = { &reader_id, 1 };
	const struct {
		tree_read_fn *fn;
		enum zk_error nobody, reader, admin, none;
	} rows[] = {
		{ tree_read_exists, ZK_NOAUTH, ZK_OK, ZK_NOAUTH, ZK_NONODE },
		{ tree_read_data, ZK_NOAUTH, ZK_OK, ZK_NOAUTH, ZK_NONODE },
		{ tree_read_children, ZK_NOAUTH, ZK_OK, ZK_NOAUTH, ZK_NONODE },
		{ tree_read_children2, ZK_NOAUTH, ZK_OK, ZK_NOAUTH, ZK_NONODE },
		{ tree_read_all_children_number, ZK_NOAUTH, ZK_OK, ZK_NOAUTH, ZK_NONODE },
		{ tree_read_acl, ZK_NOAUTH, ZK_OK, ZK_OK, ZK_NONODE },
	};

	buf_init(&answer, 1 << 20);
	kit_create_acl(&k, "/s", &acl);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_int_eq(ask(rows[i].fn, "/s", &nobody), rows[i].nobody);
		ck_assert_int_eq(ask(rows[i].fn, "/s", &reader), rows[i].reader);
		ck_assert_int_eq(ask(rows[i].fn, "/s", &admin), rows[i].admin);
		ck_assert_int_eq(ask(rows[i].fn, "/none", &nobody), rows[i].none);
		ck_assert_int_eq(ask(rows[i].fn, "not a path", &nobody), rows[i].none);
	}
	ck_assert(!tree_may_read(k.tree, SLICE_LIT("/s"), &nobody));
	ck_assert(tree_may_read(k.tree, SLICE_LIT("/s"), &reader));
	ck_assert(tree_may_read(k.tree, SLICE_LIT("/none"), &nobody));
	buf_free(&answer);
}
END_TEST

START_TEST(bodies_that_do_not_parse)
{
	static tree_read_fn *const fns[] = { tree_read_exists,     tree_read_data,
					     tree_read_acl,        tree_read_children,
					     tree_read_children2,  tree_read_all_children_number,
					     tree_read_ephemerals, tree_read_multi };
	struct auth nobody = { 0 };
	struct tree_read rq;

	buf_init(&answer, 1 << 20);
	for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++) {
		ck_assert_int_eq(fns[i](k.tree, &nobody, 1, slice_of("\0\0\0\5/", 5), &rq, &answer),
				 ZK_MARSHALLINGERROR);
		ck_assert_int_eq(fns[i](k.tree, &nobody, 1, SLICE_NULL, &rq, &answer), ZK_MARSHALLINGERROR);
		ck_assert_uint_eq(buf_len(&answer), 0);
	}
	buf_free(&answer);
}
END_TEST

START_TEST(ephemerals_and_who_am_i)
{
	struct jute_id ids[] = { { SLICE_LIT("ip"), SLICE_LIT("::1") },
				 { SLICE_LIT("digest"), SLICE_LIT("u:secret") } };
	struct auth who = { ids, 2 };
	struct jute_who_am_i_response w;
	struct jute_string_vec v;
	struct jute_reader r;
	struct tree_read rq;

	buf_init(&answer, 1 << 20);
	kit_create(&k, "/e1", "", 1);
	kit_create(&k, "/e2", "", 1);
	kit_create(&k, "/other", "", 1);
	ck_assert_int_eq(ask(tree_read_ephemerals, "/e", &who), ZK_OK);
	jute_reader_init(&r, buf_slice(&answer), UINT32_MAX);
	ck_assert(jute_read_string_vec(&r, &k.arena, &v));
	ck_assert_int_eq(v.n, 2);
	ck_assert(slice_equal(v.v[0], SLICE_LIT("/e1")));
	ck_assert_int_eq(ask(tree_read_ephemerals, "/", &who), ZK_OK);
	ck_assert_uint_eq(get_be32(buf_head(&answer)), 3);
	buf_truncate(&answer, 0);
	ck_assert_int_eq(tree_read_who_am_i(k.tree, &who, 1, SLICE_NULL, &rq, &answer), ZK_OK);
	jute_reader_init(&r, buf_slice(&answer), UINT32_MAX);
	ck_assert(jute_read_who_am_i_response(&r, &k.arena, &w));
	ck_assert_int_eq(w.client_info.n, 2);
	ck_assert(slice_equal(w.client_info.v[0].user, SLICE_LIT("::1")));
	ck_assert(slice_equal(w.client_info.v[1].user, SLICE_LIT("u")));
	buf_free(&answer);
}
END_TEST

/* An answer that does not fit leaves the flag for its owner to see. */
START_TEST(answers_that_do_not_fit)
{
	struct auth nobody = { 0 };

	buf_init(&answer, 20);
	kit_create(&k, "/a", "much more data than twenty bytes", 0);
	ask(tree_read_data, "/a", &nobody);
	ck_assert(answer.overflow);
	buf_free(&answer);
}
END_TEST

/* ---- Quotas ---- */

static const char *
stats_text(void)
{
	static char text[200];
	struct auth nobody = { 0 };
	struct jute_get_data_response rs;
	struct jute_reader r;

	buf_init(&answer, 1 << 20);
	ck_assert_int_eq(ask(tree_read_data, "/zookeeper/quota/q/zookeeper_stats", &nobody), ZK_OK);
	jute_reader_init(&r, buf_slice(&answer), UINT32_MAX);
	ck_assert(jute_read_get_data_response(&r, NULL, &rs));
	snprintf(text, sizeof text, "%.*s", (int)rs.data.len, (const char *)rs.data.data);
	buf_free(&answer);
	return text;
}

START_TEST(quota_usage_is_counted)
{
	struct buf snap;
	struct tree *t;

	kit_create(&k, "/q", "12345", 0);
	kit_create(&k, "/q/a", "12", 0);
	kit_create(&k, "/zookeeper/quota/q", "", 0);
	kit_create(&k, "/zookeeper/quota/q/zookeeper_limits", "count=2,bytes=3", 0);
	kit_create(&k, "/zookeeper/quota/q/zookeeper_stats", "", 0);
	ck_assert_str_eq(stats_text(), "count=2,bytes=7");
	kit_create(&k, "/q/b", "123", 0);
	kit_create(&k, "/qq", "123", 0);
	ck_assert_str_eq(stats_text(), "count=3,bytes=10");
	kit_set(&k, "/q/a", NULL, -1);
	ck_assert_str_eq(stats_text(), "count=3,bytes=8");
	kit_delete(&k, "/q/b", -1);
	ck_assert_str_eq(stats_text(), "count=2,bytes=5");
	/* No version, no mzxid. */
	ck_assert_int_eq(kit_stat(&k, "/zookeeper/quota/q/zookeeper_stats").version, 0);
	/* What a client wrote there is counted anew at load. */
	kit_set(&k, "/zookeeper/quota/q/zookeeper_stats", "count=99,bytes=99", -1);
	snap = kit_snapshot(k.tree);
	t = kit_load(&k.config, buf_slice(&snap), tree_applied(k.tree));
	tree_destroy(k.tree);
	k.tree = t;
	ck_assert_str_eq(stats_text(), "count=2,bytes=5");
	buf_free(&snap);
}
END_TEST

START_TEST(broken_quota_texts_harm_nobody)
{
	static const char *const texts[] = { "",
					     "=",
					     "count",
					     "count=",
					     "count=x,bytes=y",
					     "count=1,,;;=,bytes=99999999999999999999",
					     "bytes=-",
					     ";count=1=2=3" };

	k.config.enforce_quota = true;
	kit_create(&k, "/q", "", 0);
	kit_create(&k, "/zookeeper/quota/q", "", 0);
	kit_create(&k, "/zookeeper/quota/q/zookeeper_limits", texts[_i], 0);
	kit_create(&k, "/zookeeper/quota/q/zookeeper_stats", texts[_i], 0);
	kit_set(&k, "/zookeeper/quota/q/zookeeper_stats", texts[_i], -1);
	ck_assert_int_eq(kit_create(&k, "/q/a", "x", 0), ZK_OK);
	ck_assert_int_eq(kit_set(&k, "/q/a", "xx", 0), ZK_OK);
	ck_assert_int_eq(kit_delete(&k, "/zookeeper/quota/q/zookeeper_stats", -1), ZK_OK);
	ck_assert_int_eq(kit_create(&k, "/q/b", "x", 0), ZK_OK);
	/* Limits of the root are none. */
	ck_assert_int_eq(kit_create(&k, "/zookeeper/quota/zookeeper_limits", "count=0=;countHardLimit=0", 0),
			 ZK_OK);
	ck_assert_int_eq(kit_create(&k, "/free", "x", 0), ZK_OK);
}
END_TEST

/* ---- Sweeper ---- */

static char swept[200];

static void
note_swept(void *ctx, struct slice path)
{
	size_t used = strlen(swept);

	(void)ctx;
	snprintf(swept + used, sizeof swept - used, "%.*s ", (int)path.len, (const char *)path.data);
}

static const char *
sweep(int64_t wall_ms)
{
	swept[0] = '\0';
	while (tree_sweep(k.tree, wall_ms, 1, note_swept, NULL))
		;
	return swept;
}

static void
create_ttl(const char *path, int64_t ttl)
{
	struct jute_create_ttl_request rq = {
		.path = slice_str(path), .acl = kit_open_acl, .flags = 5, .ttl = ttl
	};

	jute_write_create_ttl_request(&k.body, &rq);
	ck_assert_int_eq(kit_request(&k, ZK_OP_CREATE_TTL), ZK_OK);
}

START_TEST(what_is_swept)
{
	int64_t t;

	k.config.container_unused_ms = 0;
	kit_create(&k, "/unused", "", 4);
	kit_create(&k, "/used", "", 4);
	kit_create(&k, "/used/x", "", 0);
	kit_create(&k, "/plain", "", 0);
	create_ttl("/ttl", 500);
	create_ttl("/ttl2", 5000);
	create_ttl("/full", 500);
	kit_create(&k, "/full/x", "", 0);
	t = kit_stat(&k, "/ttl").mtime;
	ck_assert_str_eq(sweep(t), "");
	kit_delete(&k, "/used/x", -1);
	ck_assert_str_eq(sweep(t + 500), "/used ");
	ck_assert_str_eq(sweep(t + 501), "/used /ttl ");
	/* Time counts from the last change of data. */
	k.wall_ms = t + 1000;
	kit_set(&k, "/ttl", "", -1);
	ck_assert_str_eq(sweep(t + 1400), "/used ");
	k.config.container_unused_ms = 300000;
	ck_assert_str_eq(sweep(t + 400000), "/unused /used /ttl /ttl2 ");
	/* TTL nodes switched off: they stay as they are, and are nobody's ephemerals. */
	k.config.extended_types = false;
	ck_assert_str_eq(sweep(t + 1000000), "/unused /used ");
	ck_assert_int_eq(kit_stat(&k, "/ttl").ephemeral_owner, 0);
}
END_TEST

static void
delete_swept(void *ctx, struct slice path)
{
	char text[64];

	(void)ctx;
	snprintf(text, sizeof text, "%.*s", (int)path.len, (const char *)path.data);
	note_swept(ctx, path);
	/* The next in line goes while the sweeper stands on it. */
	if (strcmp(text, "/c1") == 0)
		strcpy(swept, "now");
}

START_TEST(nodes_that_go_while_swept)
{
	char path[16];
	bool more = true;

	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof path, "/c%d", i);
		kit_create(&k, path, "", 4);
	}
	swept[0] = '\0';
	for (int i = 0; more; i++) {
		more = tree_sweep(k.tree, INT64_MAX, 1, delete_swept, NULL);
		if (strcmp(swept, "now") == 0) {
			kit_delete(&k, "/c2", -1);
			kit_delete(&k, "/c1", -1);
			swept[0] = '\0';
		}
		ck_assert_int_lt(i, 10);
	}
	ck_assert_str_eq(swept, "/c3 /c4 /c5 ");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tree");
	TCase *tc = tcase_create("tree");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_add_test(tc, fresh_tree);
	tcase_add_test(tc, stat_arithmetic);
	tcase_add_test(tc, without_digests);
	tcase_add_test(tc, many_nodes_come_and_go);
	tcase_add_test(tc, events_in_order);
	tcase_add_test(tc, events_carry_the_list_of_the_node);
	tcase_add_test(tc, digests_of_the_past);
	tcase_add_test(tc, old_and_new_forms);
	tcase_add_test(tc, what_is_not_next_is_left_alone);
	tcase_add_test(tc, cut_txns_change_nothing);
	tcase_add_loop_test(tc, bad_txns, 0, 8);
	tcase_add_loop_test(tc, creating_what_exists, 0, 2);
	tcase_add_test(tc, deleting_what_is_gone);
	tcase_add_test(tc, deleting_what_has_children);
	tcase_add_test(tc, root_is_a_node_like_others);
	tcase_add_test(tc, lists_go_with_their_last_user);
	tcase_add_test(tc, who_may_read_what);
	tcase_add_test(tc, bodies_that_do_not_parse);
	tcase_add_test(tc, ephemerals_and_who_am_i);
	tcase_add_test(tc, answers_that_do_not_fit);
	tcase_add_test(tc, quota_usage_is_counted);
	tcase_add_loop_test(tc, broken_quota_texts_harm_nobody, 0, 8);
	tcase_add_test(tc, what_is_swept);
	tcase_add_test(tc, nodes_that_go_while_swept);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
