/*
 * Snapshots: exact at their zxid whatever changes meanwhile, readable, loadable; and those of other servers, which
 * are not exact: replaying the log over them must end in the true state.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "clientd/tree_priv.h"
#include "disk/snapshot.h"
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
	kit_end(&k);
}

/* ---- A workload in which most requests collide ---- */

struct chance {
	uint64_t state;
};

static uint32_t
draw(struct chance *c, uint32_t below)
{
	c->state = c->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(c->state >> 33) % below;
}

/* Depth of the tree, and names in a folder: the fewer, the more often a name comes back. */
static uint32_t spread = 4;

static const char *
random_path(struct chance *c)
{
	static char path[64];
	char *p = path;

	for (uint32_t depth = 1 + draw(c, spread); depth > 0; depth--)
		p += sprintf(p, "/%c", 'a' + (char)draw(c, spread));
	return path;
}

static void
random_acl(struct chance *c, const char *path)
{
	char id[32];
	struct jute_acl entries[] = { { 31, { SLICE_LIT("world"), SLICE_LIT("anyone") } },
				      { 31, { SLICE_LIT("ip"), SLICE_NULL } } };
	struct jute_acl_vec acl = { entries, draw(c, 2) == 0 ? 1 : 2 };

	snprintf(id, sizeof id, "10.0.0.%u", draw(c, 20));
	entries[1].id.id = slice_str(id);
	if (draw(c, 2) == 0)
		kit_set_acl(&k, path, &acl, -1);
	else
		kit_create_acl(&k, path, &acl);
}

static void
random_change(struct chance *c)
{
	static const int32_t flags[] = { 0, 0, 0, 1, 1, 2, 4 };
	int32_t flag = flags[draw(c, 7)];
	const char *path = random_path(c);
	char data[20];

	snprintf(data, sizeof data, "data %u", draw(c, 1000));
	k.session = 20 + draw(c, 5);
	switch (draw(c, 16)) {
	case 0 ... 6:
		kit_create(&k, path, data, flag);
		break;
	case 7 ... 9:
		kit_delete(&k, path, -1);
		break;
	case 10 ... 12:
		kit_set(&k, path, draw(c, 5) == 0 ? NULL : data, -1);
		break;
	case 13:
		random_acl(c, path);
		break;
	case 14:
		kit_add_delete(&k, path, -1);
		kit_add_create(&k, random_path(c), data, 0);
		kit_multi(&k);
		break;
	default:
		if (draw(c, 3) == 0) {
			kit_close(&k, k.session);
			kit_open(&k, k.session, 4000);
		}
	}
}

static void
grow(struct chance *c, int changes)
{
	for (int64_t id = 20; id < 25; id++)
		kit_open(&k, id, 4000);
	kit_create(&k, "/a", "", 0);
	kit_create(&k, "/zookeeper/quota/a", "", 0);
	kit_create(&k, "/zookeeper/quota/a/zookeeper_limits", "count=5,bytes=5", 0);
	kit_create(&k, "/zookeeper/quota/a/zookeeper_stats", "", 0);
	for (int i = 0; i < changes; i++)
		random_change(c);
}

static bool
same_stat(const struct jute_stat *x, const struct jute_stat *y)
{
	struct buf a, b;
	bool same;

	buf_init(&a, 100);
	buf_init(&b, 100);
	jute_write_stat(&a, x);
	jute_write_stat(&b, y);
	same = slice_equal(buf_slice(&a), buf_slice(&b));
	buf_free(&a);
	buf_free(&b);
	return same;
}

/* Whether two trees hold the same: every node with data, list and stat, and the sessions. */
static void
assert_same_but(const struct tree *a, const struct tree *b, bool pzxids)
{
	struct buf path;

	buf_init(&path, 1 << 20);
	ck_assert_uint_eq(a->nodes.count, b->nodes.count);
	for (uint32_t i = NODE_ROOT; i != NODE_NONE; i = node_next(&a->nodes, i, NODE_ROOT)) {
		struct slice key = node_path(&a->nodes, i, &path);
		uint32_t other = tree_find(b, key);
		struct jute_stat x, y;
		ck_assert_msg(other != NODE_NONE, "%.*s", (int)key.len, (const char *)key.data);
		const struct node *n = node_at(&a->nodes, i), *m = node_at(&b->nodes, other);
		tree_wire_stat(a, n, &x);
		tree_wire_stat(b, m, &y);
		if (!pzxids)
			x.pzxid = y.pzxid;
		ck_assert_msg(same_stat(&x, &y),
			      "%.*s: czxid %lu/%lu mzxid %lu/%lu pzxid %lu/%lu version %d/%d cversion %d/%d "
			      "aversion %d/%d",
			      (int)key.len, (const char *)key.data, x.czxid, y.czxid, x.mzxid, y.mzxid,
			      x.pzxid, y.pzxid, x.version, y.version, x.cversion, y.cversion, x.aversion,
			      y.aversion);
		ck_assert_int_eq(tree_owner(a, n), tree_owner(b, m));
		ck_assert_int_eq(node_data(n).data == NULL, node_data(m).data == NULL);
		ck_assert(slice_equal(node_data(n), node_data(m)));
		ck_assert(slice_equal(tree_node_acl(a, n), tree_node_acl(b, m)));
	}
	ck_assert_uint_eq(sessions_count(&a->sessions), sessions_count(&b->sessions));
	list_for_each (l, &a->sessions.all) {
		const struct session *s = container_of(l, const struct session, all);
		struct session_view v;
		ck_assert(sessions_get(&b->sessions, s->id, &v));
		ck_assert_int_eq(v.timeout_ms, s->timeout_ms);
		ck_assert_uint_eq(v.ephemerals, s->ephemerals.count);
	}
	if (pzxids)
		ck_assert_uint_eq(tree_digest(a), tree_digest(b));
	ck_assert_uint_eq(a->acls.count, b->acls.count);
	buf_free(&path);
}

static void
assert_same_tree(const struct tree *a, const struct tree *b)
{
	assert_same_but(a, b, true);
}

/* A tree that has applied the kit's log up to zxid. */
static struct tree *
replay_to(uint64_t zxid)
{
	struct tree *t = tree_create(&k.config);
	struct slice log = buf_slice(&k.log);
	struct tree_result res;

	for (size_t at = 0; at < log.len && tree_applied(t) < zxid;) {
		uint32_t len = get_be32(log.data + at);
		arena_reset(&k.arena);
		ck_assert_int_eq(tree_apply(t, slice_of(log.data + at + 4, len), &k.arena, NULL, &res), 0);
		at += 4 + len;
	}
	return t;
}

/* ---- Our own: exact ---- */

START_TEST(exact_while_all_changes)
{
	struct chance c = { (uint64_t)_i + 1 };
	struct buf out;
	struct tree *loaded, *then;
	uint64_t zxid, active;

	grow(&c, 300);
	zxid = tree_applied(k.tree);
	buf_init(&out, 64 << 20);
	ck_assert_int_eq(tree_snapshot_begin(k.tree, &out), 0);
	do {
		/* Between none and many changes in a slice of a few nodes. */
		for (uint32_t n = draw(&c, 12); n > 0; n--)
			random_change(&c);
		ck_assert(tree_snapshot_active(k.tree, &active));
		ck_assert_uint_eq(active, zxid);
	} while (tree_snapshot_step(k.tree, 1 + draw(&c, 300)) == 1);
	ck_assert(!tree_snapshot_active(k.tree, NULL));
	ck_assert(tree_check(k.tree));
	loaded = kit_load(&k.config, buf_slice(&out), zxid);
	ck_assert_ptr_nonnull(loaded);
	ck_assert(tree_check(loaded));
	then = replay_to(zxid);
	assert_same_tree(loaded, then);
	tree_destroy(then);
	tree_destroy(loaded);
	/* And again, at once: generations do not mix. */
	buf_truncate(&out, 0);
	buf_free(&out);
	out = kit_snapshot(k.tree);
	loaded = kit_load(&k.config, buf_slice(&out), tree_applied(k.tree));
	assert_same_tree(loaded, k.tree);
	tree_destroy(loaded);
	buf_free(&out);
}
END_TEST

START_TEST(one_at_a_time)
{
	struct buf a, b;

	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	ck_assert_int_eq(tree_snapshot_step(k.tree, 100), -ENOENT);
	tree_snapshot_abort(k.tree);
	ck_assert_int_eq(tree_snapshot_begin(k.tree, &a), 0);
	ck_assert_int_eq(tree_snapshot_begin(k.tree, &b), -EBUSY);
	tree_snapshot_abort(k.tree);
	kit_create(&k, "/a", "", 0);
	ck_assert_int_eq(tree_snapshot_begin(k.tree, &b), 0);
	while (tree_snapshot_step(k.tree, 1) == 1)
		;
	struct tree *t = kit_load(&k.config, buf_slice(&b), tree_applied(k.tree));
	assert_same_tree(t, k.tree);
	tree_destroy(t);
	buf_free(&a);
	buf_free(&b);
}
END_TEST

START_TEST(a_full_buffer_fails_the_snapshot_only)
{
	struct chance c = { 5 };
	struct buf out;

	grow(&c, 100);
	buf_init(&out, 1000);
	ck_assert_int_eq(tree_snapshot_begin(k.tree, &out), 0);
	for (int i = 0; i < 50; i++)
		random_change(&c);
	while (tree_snapshot_step(k.tree, 100) == 1)
		;
	ck_assert(!tree_snapshot_active(k.tree, NULL));
	ck_assert(out.overflow);
	for (int i = 0; i < 50; i++)
		random_change(&c);
	buf_free(&out);
}
END_TEST

/* Ancestors come first, however many have not been met yet. */
START_TEST(a_deep_node_changes_first)
{
	enum { DEPTH = 300 };
	char path[2 * DEPTH + 1] = "";
	struct buf out;
	struct tree *t, *then;
	uint64_t zxid;

	for (int i = 0; i < DEPTH; i++) {
		strcat(path, "/d");
		kit_create(&k, path, "", 0);
	}
	zxid = tree_applied(k.tree);
	buf_init(&out, 1 << 20);
	ck_assert_int_eq(tree_snapshot_begin(k.tree, &out), 0);
	kit_set(&k, path, "changed", -1);
	kit_delete(&k, path, -1);
	while (tree_snapshot_step(k.tree, 1) == 1)
		;
	t = kit_load(&k.config, buf_slice(&out), zxid);
	ck_assert_ptr_nonnull(t);
	then = replay_to(zxid);
	assert_same_tree(t, then);
	tree_destroy(t);
	tree_destroy(then);
	buf_free(&out);
}
END_TEST

START_TEST(without_digest)
{
	struct buf out;
	struct tree *t;

	k.config.digest = false;
	kit_end(&k);
	struct tree_config c;
	tree_config_init(&c);
	c.digest = false;
	kit_start_with(&k, &c);
	kit_create(&k, "/a", "x", 0);
	out = kit_snapshot(k.tree);
	t = kit_load(&k.config, buf_slice(&out), tree_applied(k.tree));
	assert_same_tree(t, k.tree);
	tree_destroy(t);
	buf_free(&out);
}
END_TEST

/* ---- Of other servers: fuzzy ---- */

static struct tree *live; /* moves on while the snapshot is written */
static size_t live_at;
static bool live_rests;
static uint64_t zxid_before, digest_before; /* of live, before its last txn */

static void
live_step(uint32_t txns)
{
	struct slice log = buf_slice(&k.log);
	struct tree_result res;

	for (; txns > 0 && live_at < log.len && !live_rests; txns--) {
		uint32_t len = get_be32(log.data + live_at);
		arena_reset(&k.arena);
		zxid_before = tree_applied(live);
		digest_before = tree_digest(live);
		ck_assert_int_eq(
		    tree_apply(live, slice_of(log.data + live_at + 4, len), &k.arena, NULL, &res), 0);
		live_at += 4 + len;
	}
}

/* As ZooKeeper writes: each node as it is when the walk comes to it, its children as they were then. */
static void
write_fuzzy(struct snapshot_writer *w, struct chance *c, struct slice key)
{
	uint32_t number = tree_find(live, key), n = 0;
	struct buf scratch;
	struct slice *children;
	const struct node *node;
	struct snapshot_node out;
	struct jute_stat_persisted st;

	if (number == NODE_NONE)
		return;
	node = node_at(&live->nodes, number);
	node_stat_persisted(node, tree_owner(live, node), &st);
	out = (struct snapshot_node){ .path = key,
				      .data = node_data(node),
				      .acl = node->acl == ACL_OPEN ? SNAPSHOT_ACL_OPEN
								   : (int64_t)node->acl + 1000,
				      .stat = { st.czxid, st.mzxid, st.ctime, st.mtime, st.version,
						st.cversion, st.aversion, st.ephemeral_owner, st.pzxid } };
	snapshot_write_node(w, &out);
	buf_init(&scratch, 1 << 20);
	children = mem_zalloc(node->children + 1, sizeof *children);
	for (uint32_t i = node->child; i != NODE_NONE; i = node_at(&live->nodes, i)->after) {
		struct slice path = node_path(&live->nodes, i, &scratch);
		children[n++] = slice_of(mem_strndup(path.data, path.len), path.len);
	}
	for (uint32_t i = 0; i < n; i++) {
		live_step(draw(c, 40));
		write_fuzzy(w, c, children[i]);
		mem_free((void *)children[i].data);
	}
	mem_free(children);
	buf_free(&scratch);
}

static void
write_fuzzy_nodes(struct snapshot_writer *w, struct buf *out, struct chance *c)
{
	const struct sessions *s = &live->sessions;

	snapshot_writer_init(w, out);
	snapshot_write_header(w);
	snapshot_write_sessions(w, sessions_count(s));
	list_for_each (l, &s->all) {
		const struct session *n = container_of(l, const struct session, all);
		snapshot_write_session(w, n->id, n->timeout_ms);
	}
	snapshot_write_acls(w, live->acls.count);
	for (uint32_t i = 1; i < live->acls.used; i++)
		if (live->acls.lists[i] != NULL)
			snapshot_write_acl(w, (int64_t)i + 1000, aclset_get(&live->acls, i));
	live_step(draw(c, 4));
	write_fuzzy(w, c, slice_of("", 0));
	snapshot_write_end(w);
}

/* behind: the walk ended inside a txn, so the digest is of the one before. */
static void
write_fuzzy_snapshot(struct buf *out, struct chance *c, bool behind)
{
	struct snapshot_writer w;

	write_fuzzy_nodes(&w, out, c);
	if (behind)
		snapshot_write_digest(&w, zxid_before, 2, digest_before);
	else
		snapshot_write_digest(&w, tree_applied(live), 2, tree_digest(live));
}

/* Numbers of lists that are used again for others would be another server's error, not fuzziness: ours does it. */
static void
never_reuse_numbers(struct tree *t)
{
	t->acls.nspare = 0;
}

START_TEST(replay_over_a_fuzzy_snapshot)
{
	struct chance c = { (uint64_t)_i + 1000 };
	struct buf out;
	struct tree *loaded;
	struct tree_result res;
	struct tree_stats stats;
	struct slice log;
	uint64_t zxid, until;
	size_t from;

	/*
	 * Without its list a closeSession does not delete what a later session has made under the same name, and where
	 * the snapshot has neither, nothing tells that the parent lost a child: its pzxid is lost (ZOOKEEPER-3145).
	 */
	k.config.close_session_txn = _i % 2 == 0;
	spread = 2 + (uint32_t)_i % 3;
	grow(&c, 600);
	live = tree_create(&k.config);
	live_at = 0;
	live_step(200);
	never_reuse_numbers(live);
	zxid = tree_applied(live);
	from = live_at;
	buf_init(&out, 64 << 20);
	write_fuzzy_snapshot(&out, &c, _i % 5 < 2);
	until = tree_applied(live);
	ck_assert_uint_gt(until, zxid);
	loaded = kit_load(&k.config, buf_slice(&out), zxid);
	ck_assert_ptr_nonnull(loaded);
	log = buf_slice(&k.log);
	for (size_t at = from; at < log.len; at += 4 + get_be32(log.data + at)) {
		arena_reset(&k.arena);
		ck_assert_int_eq(tree_apply(loaded, slice_of(log.data + at + 4, get_be32(log.data + at)),
					    &k.arena, NULL, &res),
				 0);
	}
	ck_assert(tree_check(loaded));
	tree_loaded(loaded);
	tree_stats(loaded, &stats);
	if (k.config.close_session_txn)
		ck_assert_uint_eq(stats.digest_mismatches, 0);
	assert_same_but(loaded, k.tree, k.config.close_session_txn);
	tree_destroy(loaded);
	tree_destroy(live);
	buf_free(&out);
}
END_TEST

static void
apply_log(struct tree *t, size_t from)
{
	struct slice log = buf_slice(&k.log);
	struct tree_result res;

	for (size_t at = from; at < log.len; at += 4 + get_be32(log.data + at)) {
		arena_reset(&k.arena);
		ck_assert_int_eq(
		    tree_apply(t, slice_of(log.data + at + 4, get_be32(log.data + at)), &k.arena, NULL, &res),
		    0);
	}
}

/*
 * What a leader under load sends as SNAP: no digest tells how far the walk was ahead. The digests on the way there are no
 * mismatch; one that never comes right is.
 */
START_TEST(a_fuzzy_snapshot_without_a_digest_settles)
{
	bool wrong = _i % 4 == 3;
	struct snapshot_writer w;
	struct chance c = { (uint64_t)_i + 9000 };
	struct tree_stats stats;
	struct tree *loaded;
	struct buf out;
	uint64_t zxid;
	size_t from;

	spread = 2 + (uint32_t)_i % 3;
	grow(&c, 600);
	live = tree_create(&k.config);
	live_at = 0;
	live_step(200);
	never_reuse_numbers(live);
	zxid = tree_applied(live);
	from = live_at;
	buf_init(&out, 64 << 20);
	write_fuzzy_nodes(&w, &out, &c);
	loaded = kit_load(&k.config, buf_slice(&out), zxid);
	ck_assert_ptr_nonnull(loaded);
	ck_assert_uint_gt(loaded->settling, 0);
	if (wrong) {
		kit_trace.least = TRACE_ERROR + 1;
		loaded->digest ^= 0x10;
		loaded->settling = 100;
	}
	tree_loaded(loaded);
	apply_log(loaded, from);
	tree_stats(loaded, &stats);
	if (wrong) {
		ck_assert_uint_gt(stats.digest_mismatches, 0);
	} else {
		ck_assert_uint_eq(stats.digest_mismatches, 0);
		ck_assert_uint_eq(loaded->settling, 0);
		assert_same_but(loaded, k.tree, true);
	}
	tree_destroy(loaded);
	tree_destroy(live);
	buf_free(&out);
}
END_TEST

/* A digest that is not the tree's is one mismatch, unless the next txn shows that the tree is right. */
START_TEST(a_wrong_digest_is_found_where_no_txn_explains_it)
{
	struct chance c = { (uint64_t)_i + 5000 };
	bool explained = _i % 2 == 1;
	struct tree_result res;
	struct tree_stats stats;
	struct tree *loaded;
	struct slice log;
	struct buf out;
	uint64_t zxid;
	size_t from;

	spread = 4;
	grow(&c, 300);
	log = buf_slice(&k.log);
	live = tree_create(&k.config);
	live_at = 0;
	live_step(explained ? 200 : UINT32_MAX);
	from = live_at;
	zxid = tree_applied(live);
	live->digest ^= 0x10;
	buf_init(&out, 64 << 20);
	live_rests = true;
	write_fuzzy_snapshot(&out, &c, false);
	live_rests = false;
	loaded = kit_load(&k.config, buf_slice(&out), zxid);
	for (size_t at = from; at < log.len; at += 4 + get_be32(log.data + at)) {
		arena_reset(&k.arena);
		tree_apply(loaded, slice_of(log.data + at + 4, get_be32(log.data + at)), &k.arena, NULL,
			   &res);
	}
	kit_trace.least = TRACE_ERROR + 1;
	tree_loaded(loaded);
	tree_stats(loaded, &stats);
	ck_assert_uint_eq(stats.digest_mismatches, explained ? 0 : 1);
	tree_destroy(loaded);
	tree_destroy(live);
	buf_free(&out);
}
END_TEST

/* ---- What is refused ---- */

static const struct row {
	const char *path;
	int64_t acl;
} refused[][3] = {
	{ { "/a", -1 } }, /* no root */
	{ { "", -1 }, { "", -1 } },
	{ { "", -1 }, { "/a", -1 }, { "/a", -1 } },
	{ { "", -1 }, { "/a/b", -1 } },
	{ { "", -1 }, { "/a", -1 }, { "/b/c", -1 } },
	{ { "", -1 }, { "a", -1 } },
	{ { "", -1 }, { "/a/", -1 } },
	{ { "", -1 }, { "//", -1 } },
	{ { "", -1 }, { "//a", -1 } },
};

START_TEST(what_cannot_be_a_tree)
{
	struct tree_load *l = tree_load_begin(&k.config, 5);
	int err = 0;

	kit_trace.least = TRACE_ERROR + 1;
	for (size_t i = 0; i < 3 && refused[_i][i].path != NULL && err == 0; i++) {
		struct snapshot_node n = { .path = slice_str(refused[_i][i].path),
					   .acl = refused[_i][i].acl };
		err = tree_load_events.node(l, &n);
	}
	ck_assert_int_eq(err, -EBADMSG);
	tree_load_abort(l);
	l = tree_load_begin(&k.config, 5);
	ck_assert_ptr_null(tree_load_end(l, &(struct snapshot_end){ 0 }));
	l = tree_load_begin(&k.config, 5);
	ck_assert_int_eq(tree_load_events.acl(l, 1, acl_open), 0);
	ck_assert_int_eq(tree_load_events.acl(l, 1, acl_open), -EBADMSG);
	ck_assert_int_eq(tree_load_events.acl(l, 2, slice_of(acl_open.data, 10)), -EBADMSG);
	tree_load_abort(l);
	tree_load_abort(NULL);
}
END_TEST

/* A key without a list closes the node rather than open it. */
START_TEST(missing_acls_are_closed)
{
	struct tree_load *l = tree_load_begin(&k.config, 5);
	struct snapshot_node n = { .path = slice_of("", 0), .acl = -1 };
	struct jute_id super = { SLICE_LIT("super"), SLICE_LIT("") };
	struct auth nobody = { 0 }, root = { &super, 1 };
	struct tree *t;

	ck_assert_int_eq(tree_load_events.node(l, &n), 0);
	n.path = SLICE_LIT("/a");
	n.acl = 77;
	ck_assert_int_eq(tree_load_events.node(l, &n), 0);
	t = tree_load_end(l, &(struct snapshot_end){ 0 });
	ck_assert_ptr_nonnull(t);
	ck_assert(!tree_may_read(t, SLICE_LIT("/a"), &nobody));
	ck_assert(tree_may_read(t, SLICE_LIT("/a"), &root));
	/* What every tree has was missing, and is there. */
	ck_assert(tree_stat(t, SLICE_LIT("/zookeeper/config"), NULL));
	ck_assert(tree_check(t));
	tree_destroy(t);
}
END_TEST

/* Ephemerals of a session that the table does not know close with it, by the leader's own txn. */
START_TEST(orphans_expire)
{
	struct tree_load *l = tree_load_begin(&k.config, 5);
	struct snapshot_node n = { .path = slice_of("", 0), .acl = -1 };
	struct tree *t;
	int64_t id;

	ck_assert_int_eq(tree_load_events.node(l, &n), 0);
	n.path = SLICE_LIT("/e");
	n.stat.ephemeral_owner = 77;
	ck_assert_int_eq(tree_load_events.node(l, &n), 0);
	t = tree_load_end(l, &(struct snapshot_end){ 0 });
	ck_assert_uint_eq(sessions_count(tree_sessions(t)), 0);
	sessions_lead(tree_sessions(t), 1000, 0);
	ck_assert(!sessions_revalidate(tree_sessions(t), 78, 0, 1000, 0));
	ck_assert(!sessions_next_expired(tree_sessions(t), 999, &id));
	ck_assert(sessions_next_expired(tree_sessions(t), 1000, &id));
	ck_assert_int_eq(id, 77);
	tree_destroy(t);
}
END_TEST

START_TEST(a_wrong_digest_is_counted)
{
	struct tree_stats s;

	for (int i = 0; i < 2; i++) {
		struct tree_load *l = tree_load_begin(&k.config, 5);
		struct snapshot_node n = { .path = slice_of("", 0), .acl = -1 };
		struct snapshot_end e = { .has_digest = true,
					  .digest_zxid = 5,
					  .digest_version = 2,
					  .digest = 1371985504 + (uint64_t)i };
		ck_assert_int_eq(tree_load_events.node(l, &n), 0);
		struct tree *t = tree_load_end(l, &e);
		tree_loaded(t);
		tree_stats(t, &s);
		ck_assert_uint_eq(s.digest_mismatches, (uint64_t)i);
		tree_destroy(t);
	}
}
END_TEST

/* ---- The checker itself ---- */

static void
spoil(int how)
{
	struct tree *t = k.tree;
	struct node *n = node_at(&t->nodes, tree_find(t, SLICE_LIT("/a")));

	switch (how) {
	case 0:
		n->children++;
		break;
	case 1:
		n->crc ^= 1;
		break;
	case 2:
		n->hash ^= 1;
		break;
	case 3:
		n->mzxid++;
		break;
	case 4:
		t->acls.lists[n->acl]->refs++;
		break;
	case 5:
		n->flags = NODE_UNDIGESTED;
		break;
	case 6:
		t->ephemerals++;
		break;
	case 7:
		t->data_bytes++;
		break;
	case 8:
		node_at(&t->nodes, n->child)->before = NODE_ROOT;
		break;
	case 9:
		t->specials.v[node_at(&t->nodes, n->child)->special].node = NODE_ROOT;
		break;
	default:
		t->nodes.count++;
	}
}

START_TEST(the_checker_sees)
{
	struct jute_acl entry = { 31, { SLICE_LIT("ip"), SLICE_LIT("::1") } };
	struct jute_acl_vec acl = { &entry, 1 };
	struct kit other;

	kit_create(&k, "/a", "", 0);
	kit_create(&k, "/a/b", "", 1);
	kit_set_acl(&k, "/a", &acl, -1);
	ck_assert(tree_check(k.tree));
	spoil(_i);
	kit_trace.least = TRACE_ERROR + 1;
	ck_assert(!tree_check(k.tree));
	/* The fixture's end wants a whole one. */
	other = k;
	kit_start_with(&k, &other.config);
	kit_end(&other);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tree snapshot");
	TCase *tc = tcase_create("snapshot");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_add_loop_test(tc, exact_while_all_changes, 0, 40);
	tcase_add_test(tc, one_at_a_time);
	tcase_add_test(tc, a_full_buffer_fails_the_snapshot_only);
	tcase_add_test(tc, a_deep_node_changes_first);
	tcase_add_test(tc, without_digest);
	tcase_add_loop_test(tc, replay_over_a_fuzzy_snapshot, 0, 100);
	tcase_add_loop_test(tc, a_fuzzy_snapshot_without_a_digest_settles, 0, 40);
	tcase_add_loop_test(tc, a_wrong_digest_is_found_where_no_txn_explains_it, 0, 4);
	tcase_add_loop_test(tc, what_cannot_be_a_tree, 0, 9);
	tcase_add_test(tc, missing_acls_are_closed);
	tcase_add_test(tc, orphans_expire);
	tcase_add_test(tc, a_wrong_digest_is_counted);
	tcase_add_loop_test(tc, the_checker_sees, 0, 11);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
