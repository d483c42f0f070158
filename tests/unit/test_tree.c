/* The tree: built-in nodes, stats, digests, applying, reads, snapshots, loading, sweeping. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "disk/snapshot.h"
#include "jute/op.h"
#include "tree_kit.h"

/* ---- Built-in nodes and stats ---- */

START_TEST(fresh_tree)
{
	struct tree_config c;
	struct tree *t;
	struct jute_stat st;
	struct tree_stats stats;

	tree_config_init(&c);
	t = tree_create(&c);
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
	tree_destroy(t);
}
END_TEST

START_TEST(stat_arithmetic)
{
	struct kit k;
	struct jute_stat st;

	kit_start(&k);
	ck_assert_int_eq(kit_create(&k, "/a", "data", 0), ZK_OK);
	ck_assert_int_eq(kit_create(&k, "/a/x", NULL, 0), ZK_OK);
	ck_assert_int_eq(kit_create(&k, "/a/y", "", 0), ZK_OK);
	ck_assert_int_eq(kit_delete(&k, "/a/x", 0), ZK_OK);
	ck_assert_int_eq(kit_set(&k, "/a", "longer data", 0), ZK_OK);
	st = kit_stat(&k, "/a");
	ck_assert_int_eq(st.cversion, 3);
	ck_assert_int_eq(st.version, 1);
	ck_assert_int_eq(st.num_children, 1);
	ck_assert_int_eq(st.data_length, 11);
	ck_assert_uint_eq(st.czxid, 2);
	ck_assert_uint_eq(st.pzxid, 5);
	ck_assert_uint_eq(st.mzxid, 6);
	ck_assert(tree_check(k.tree));
	kit_end(&k);
}
END_TEST

static Suite *
tree_suite(void)
{
	Suite *s = suite_create("tree");
	TCase *tc = tcase_create("basic");

	tcase_add_test(tc, fresh_tree);
	tcase_add_test(tc, stat_arithmetic);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(tree_suite());

	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
