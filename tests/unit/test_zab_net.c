/*
 * The zab core of an ensemble, row by row: joined cores that elect, synchronise, broadcast and lose each other, with
 * fake siblings. See zab_net.h.
 */
#include <check.h>
#include <stdio.h>
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

/* Where the learner stands, and what the leader finds for it: the table of PROTOCOLS 17.3. */

static char how[64];

static void
keep_how(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	(void)t;
	(void)level;
	(void)room;
	if (strcmp(event, "synchronise") == 0)
		ck_assert_int_eq(sscanf(text, "sid=%*d how=%60s", how), 1);
}

static struct trace how_trace = { .least = TRACE_DEBUG, .emit = keep_how };

/* Node 1 leads with node 2; node 3 comes later. What the leader decides for it. */
static void
lead_without_3(void)
{
	net.nodes[3].alive = false;
	net_start(1);
	net_start(2);
	net_run();
	net_elect(1);
	net_run();
	ck_assert(net_serves(1) && net_serves(2));
	if (getenv("ZAB_NET_TRACE") == NULL)
		net.nodes[1].zab.config.trace = &how_trace;
}

static void
let_3_join(void)
{
	how[0] = '\0';
	net.nodes[3].alive = true;
	net_start(3);
	net_run();
	net_elect(1);
	net_run();
}

static void
expect_3_synced(const char *by)
{
	ck_assert_msg(net_serves(3), "3 does not serve: %s / %s", net.nodes[3].closed, net.nodes[1].closed);
	if (how[0] != '\0')
		ck_assert_str_eq(how, by);
	net_expect_same(1, 3);
	ck_assert_uint_eq(net.nodes[3].applied, net.nodes[1].applied);
	ck_assert_uint_eq(net.nodes[3].epochs.current, net.nodes[1].epochs.current);
	ck_assert(!net.nodes[3].partial);
	net_propose(1, 0);
	net_run();
	net_expect_same(1, 3);
	ck_assert_uint_eq(net.nodes[3].applied, net.nodes[1].applied);
}

static void
fill_all(uint32_t epoch, uint32_t first, uint32_t last)
{
	for (int i = 1; i <= 3; i++)
		net_fill(i, epoch, first, last);
}

static void
propose_many(int n)
{
	for (int i = 0; i < n; i++) {
		net_propose(1, 0);
		net_run();
	}
}

START_TEST(row_equal_diff)
{
	fill_all(1, 1, 5);
	lead_without_3();
	let_3_join();
	expect_3_synced("DIFF");
	ck_assert_uint_eq(net.nodes[1].loads, 1); /* clientd's own */
}
END_TEST

START_TEST(row_behind_in_memory_diff)
{
	fill_all(1, 1, 5);
	lead_without_3();
	propose_many(10);
	let_3_join();
	expect_3_synced("DIFF");
	ck_assert_uint_eq(net.nodes[1].loads, 1);
}
END_TEST

START_TEST(row_behind_on_disk_diff)
{
	fill_all(1, 1, 5);
	net_fill(1, 1, 6, 30);
	net_fill(2, 1, 6, 30);
	lead_without_3();
	propose_many(30);
	let_3_join();
	expect_3_synced("DIFF");
	ck_assert_uint_gt(net.nodes[1].loads, 1);
}
END_TEST

START_TEST(row_nothing_yet_diff_from_the_start)
{
	net_fill(1, 1, 1, 30);
	net_fill(2, 1, 1, 30);
	lead_without_3();
	let_3_join();
	expect_3_synced("DIFF");
}
END_TEST

START_TEST(row_ahead_trunc)
{
	fill_all(1, 1, 5);
	net_fill_other(3, 1, 6, 8);
	lead_without_3();
	let_3_join();
	expect_3_synced("TRUNC");
	ck_assert_uint_eq(net.nodes[3].truncates, 1);
	ck_assert(net.nodes[3].role.reload);
}
END_TEST

/* The leader of before wrote on; a new epoch has begun meanwhile, in memory. */
START_TEST(row_other_epoch_in_memory_snap)
{
	fill_all(1, 1, 5);
	net_fill_other(3, 1, 6, 8);
	lead_without_3();
	propose_many(3);
	let_3_join();
	expect_3_synced("SNAP");
	ck_assert_uint_eq(net.nodes[3].installs, 1);
}
END_TEST

START_TEST(row_other_epoch_on_disk_snap)
{
	fill_all(1, 1, 5);
	net_fill_other(3, 1, 6, 8);
	lead_without_3();
	propose_many(40);
	let_3_join();
	expect_3_synced("SNAP");
}
END_TEST

START_TEST(row_log_does_not_reach_back_snap)
{
	net_fill(1, 1, 1, 40);
	net_fill(2, 1, 1, 40);
	net_fill(3, 1, 1, 5);
	net.nodes[1].oldest = ZXID(1, 20);
	net.nodes[1].snapshot = ZXID(1, 30);
	lead_without_3();
	let_3_join();
	expect_3_synced("SNAP");
	ck_assert_uint_eq(net.nodes[3].base, ZXID(1, 30));
}
END_TEST

START_TEST(row_log_too_large_snap)
{
	fill_all(1, 1, 5);
	net_fill(1, 1, 6, 30);
	net_fill(2, 1, 6, 30);
	net.nodes[1].snapshot = ZXID(1, 10);
	lead_without_3();
	net.nodes[1].snapshots_for_learners = true;
	let_3_join();
	net.nodes[1].snapshots_for_learners = false;
	expect_3_synced("SNAP");
}
END_TEST

START_TEST(row_forced_snap)
{
	fill_all(1, 1, 5);
	net.nodes[1].zab.config.force_snapshot_sync = true;
	net.nodes[1].snapshot = ZXID(1, 2);
	lead_without_3();
	let_3_join();
	expect_3_synced("SNAP");
	ck_assert_uint_eq(net.nodes[3].base, ZXID(1, 2));
}
END_TEST

/* The start of an epoch is no txn: what a Java learner may call its last zxid. */
START_TEST(row_epoch_start)
{
	static const struct {
		uint64_t last;
		int writes;
		const char *how;
	} rows[] = {
		{ ZXID(2, 0), 3, "DIFF" },  /* of the leader's epoch */
		{ ZXID(2, 0), 40, "DIFF" }, /* the same, on disk */
		{ ZXID(2, 0), 0, "SNAP" },  /* of no epoch that the leader has written in */
		{ ZXID(3, 0), 3, "SNAP" },  /* above all */
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		net_init(3, 3);
		fill_all(1, 1, 5);
		net.nodes[3].nlog = net.nodes[3].ndurable = 0;
		net.nodes[3].base = rows[i].last;
		lead_without_3();
		net.nodes[3].epochs = net.nodes[1].epochs;
		propose_many(rows[i].writes);
		let_3_join();
		ck_assert_str_eq(how, rows[i].how);
		expect_3_synced(rows[i].how);
	}
}
END_TEST

START_TEST(log_cannot_be_cut_so_a_snapshot_comes)
{
	fill_all(1, 1, 5);
	net_fill_other(3, 1, 6, 8);
	net.nodes[3].refuse_truncate = true;
	net.nodes[1].oldest = net.nodes[1].snapshot = ZXID(1, 2);
	lead_without_3();
	let_3_join();
	expect_3_synced("SNAP");
	ck_assert_uint_eq(net.nodes[3].installs, 1);
}
END_TEST

/* The same, and the leader's answer to one that has nothing is its whole log: what is there has to go first. */
START_TEST(log_cannot_be_cut_and_the_whole_log_comes)
{
	fill_all(1, 1, 5);
	net_fill_other(3, 1, 6, 8);
	net.nodes[3].refuse_truncate = true;
	lead_without_3();
	let_3_join();
	expect_3_synced("DIFF");
	ck_assert_uint_eq(net.nodes[3].installs, 1);
	ck_assert_uint_eq(net.nodes[3].nlog, 6);
}
END_TEST

START_TEST(cut_finds_less_than_asked_and_the_leader_judges_anew)
{
	fill_all(1, 1, 5);
	net_fill_other(3, 1, 6, 8);
	net.nodes[3].nlog = net.nodes[3].ndurable = 7;
	memmove(&net.nodes[3].log[4], &net.nodes[3].log[5], 2 * sizeof net.nodes[3].log[0]);
	net.nodes[3].nlog = net.nodes[3].ndurable = 6;
	lead_without_3();
	let_3_join();
	expect_3_synced("DIFF");
}
END_TEST

START_TEST(a_snapshot_crawls_through_small_pipes)
{
	net_fill(1, 1, 1, 40);
	net_fill(2, 1, 1, 40);
	net.nodes[1].oldest = net.nodes[1].snapshot = ZXID(1, 30);
	net.chunk = 7;
	lead_without_3();
	let_3_join();
	expect_3_synced("SNAP");
}
END_TEST

START_TEST(snapshot_below_what_was_acked_makes_no_voter)
{
	fill_all(1, 1, 5);
	net.nodes[1].zab.config.force_snapshot_sync = true;
	net.nodes[1].snapshot = ZXID(1, 2);
	lead_without_3();
	net.nodes[3].alive = true;
	net_start(3);
	net_run();
	net_elect(1);
	/* Stops when the snapshot is in place and nothing followed yet. */
	for (int i = 0; i < 10000 && net.nodes[3].installs == 0; i++) {
		net.chunk = 100;
		net_run_once();
	}
	ck_assert(net.nodes[3].partial);
	net_crash(3);
	net_start(3);
	ck_assert(net.nodes[3].looking);
	ck_assert_uint_eq(net.nodes[3].look.zxid, UINT64_MAX);
	net_elect(1);
	net_run();
	expect_3_synced("SNAP");
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
	tcase_add_test(c, row_equal_diff);
	tcase_add_test(c, row_behind_in_memory_diff);
	tcase_add_test(c, row_behind_on_disk_diff);
	tcase_add_test(c, row_nothing_yet_diff_from_the_start);
	tcase_add_test(c, row_ahead_trunc);
	tcase_add_test(c, row_other_epoch_in_memory_snap);
	tcase_add_test(c, row_other_epoch_on_disk_snap);
	tcase_add_test(c, row_log_does_not_reach_back_snap);
	tcase_add_test(c, row_log_too_large_snap);
	tcase_add_test(c, row_forced_snap);
	tcase_add_test(c, row_epoch_start);
	tcase_add_test(c, log_cannot_be_cut_so_a_snapshot_comes);
	tcase_add_test(c, log_cannot_be_cut_and_the_whole_log_comes);
	tcase_add_test(c, cut_finds_less_than_asked_and_the_leader_judges_anew);
	tcase_add_test(c, a_snapshot_crawls_through_small_pipes);
	tcase_add_test(c, snapshot_below_what_was_acked_makes_no_voter);
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
