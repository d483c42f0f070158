/*
 * The zab core of an ensemble, row by row: joined cores that elect, synchronise, broadcast and lose each other, with
 * fake siblings. See zab_net.h.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "zab_net.h"

#define ZXID(epoch, n) ((uint64_t)(epoch) << 32 | (n))

static void
setup(void)
{
	net_init(3, 3);
}

static void
teardown(void)
{
	net_free();
}

static void
expect_serving(int leader, uint32_t epoch)
{
	for (int i = 1; i <= net.nnodes; i++) {
		const struct net_node *n = &net.nodes[i];

		ck_assert_msg(net_serves(i), "node %d does not serve: %s", i, n->closed);
		ck_assert_int_eq(n->role.role, i == leader          ? ZAB_LEADER
					       : n->config.observer ? ZAB_OBSERVER
								    : ZAB_FOLLOWER);
		ck_assert_uint_eq(n->epochs.current, epoch);
		ck_assert_uint_eq(n->epochs.accepted, epoch);
		ck_assert_uint_eq(n->told.epoch, epoch);
		net_expect_same(leader, i);
	}
}

START_TEST(an_empty_ensemble_starts_and_writes)
{
	net_establish(3);
	expect_serving(3, 1);
	ck_assert_uint_eq(net_propose(3, 0), ZXID(1, 1));
	net_run();
	ck_assert_uint_eq(net_propose(3, 0), ZXID(1, 2));
	net_run();
	for (int i = 1; i <= 3; i++)
		ck_assert_uint_eq(net.nodes[i].applied, ZXID(1, 2));
	ck_assert_uint_eq(net.nodes[1].nbodies, 2);
	expect_serving(3, 1);
}
END_TEST

START_TEST(bytes_may_come_one_by_one)
{
	net_fill(1, 1, 1, 5);
	net_fill(2, 1, 1, 3);
	net.chunk = 1;
	net_establish(1);
	net_propose(1, 0);
	net_run();
	expect_serving(1, 2);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("zab net");
	TCase *c = tcase_create("net");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, an_empty_ensemble_starts_and_writes);
	tcase_add_test(c, bytes_may_come_one_by_one);
	suite_add_tcase(s, c);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(make_suite());
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
