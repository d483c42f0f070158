/*
 * A learner at odd moments: its siblings are away or slow when the leader wants something, dials cross, time stands
 * still. The test is its leader and its siblings.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "ear.h"
#include "syncd/packet.h"
#include "syncd/zab_internal.h"
#include "zab_talk.h"

enum { LEADER = 2 };

static void
setup(void)
{
	talk_init(3, 3);
}

static void
teardown(void)
{
	net_free();
}

/* logd's answer to what it was asked last. */
static void
logd_says(uint16_t type, uint16_t flags, uint64_t zxid)
{
	net_frame(1, ZAB_LOGD, type, flags, NODE->zab.task.seq, zxid, SLICE_NULL);
	net_run();
}

static void
disk_says(bool failed, uint64_t durable)
{
	NODE->disk_failed = failed;
	net_frame(1, ZAB_LOGD, MSG_DISK, 0, 0, durable, SLICE_NULL);
	net_run();
}

/* What the leader wants done to the log cannot be asked of a logd that is away: the next try will do. */
START_TEST(logd_is_away_when_the_log_is_to_change)
{
	static const struct {
		int type;
		uint64_t zxid;
		const char *why;
	} rows[] = {
		{ PACKET_TRUNC, ZXID(1, 3), "our logd is away when a TRUNC comes" },
		{ PACKET_SNAP, ZXID(1, 3), "our logd is away when a SNAP comes" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		net_fill(1, 1, 1, 5);
		discover(2);
		net_link_down(1, ZAB_LOGD);
		say(rows[i].type, rows[i].zxid);
		expect_gone(rows[i].why);
		ck_assert(!NODE->looking);
		net_link_up(1, ZAB_LOGD);
		ck_assert(NODE->looking);
		ck_assert_uint_eq(NODE->look.zxid, ZXID(1, 5));
	}
	/* What is no change may come. */
	setup();
	net_fill(1, 1, 1, 5);
	discover(2);
	net_link_down(1, ZAB_LOGD);
	say(PACKET_DIFF, ZXID(1, 5));
	ck_assert_int_eq(zab_leader_peer(&NODE->zab)->state, LEADER_SYNCS);
}
END_TEST

/* A learner that has told its leader that it has nothing, for it cannot cut its log. */
START_TEST(logd_is_away_when_all_is_to_come_anew)
{
	net_fill(1, 1, 1, 5);
	discover(2);
	NODE->refuse_truncate = true;
	say(PACKET_TRUNC, ZXID(1, 3));
	expect("FOLLOWERINFO 200000000 +20");
	say_data(PACKET_LEADERINFO, ZXID(2, 0), "\0\1\0\0", 4);
	expect("ACKEPOCH 0 +4");
	net_link_down(1, ZAB_LOGD);
	say(PACKET_DIFF, ZXID(1, 3));
	expect_gone("our logd is away when a DIFF from nothing comes");
	net_link_up(1, ZAB_LOGD);
	ck_assert(NODE->looking);
	ck_assert_uint_eq(NODE->look.zxid, ZXID(1, 5));
}
END_TEST

/* PROPOSALs may come between NEWLEADER and its ACK: they are on disk before the epoch is, and acked behind it. */
START_TEST(proposals_while_the_epoch_is_stored)
{
	discover(1);
	say(PACKET_DIFF, 0);
	NODE->logd_stuck = true;
	say(PACKET_NEWLEADER, ZXID(1, 0));
	ck_assert_int_eq(NODE->zab.task.type, ZAB_STORE_EPOCHS);
	NODE->logd_stuck = false;
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	ck_assert_uint_eq(NODE->zab.durable, ZXID(1, 1));
	expect("");
	logd_says(MSG_EPOCHS, 0, 0);
	expect("ACK 100000000, ACK 100000001");
}
END_TEST

/* A leader that waits for our disk has nothing to say, and is not left for it. */
START_TEST(a_leader_waits_for_our_disk)
{
	elect(LEADER);
	net_heard();
	NODE->logd_stuck = true;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	net_pass(3 * NET_INIT * NET_TICK_MS);
	ck_assert_int_eq(NODE->zab.part, ZAB_FOLLOWER);
	NODE->logd_stuck = false;
	logd_says(MSG_EPOCHS, 0, 0);
	expect("ACKEPOCH 0 +4");
	/* A snapshot is another thing: there it is the leader who has to say something. */
	say(PACKET_SNAP, ZXID(1, 7));
	net_pass((NET_INIT + 1) * NET_TICK_MS);
	expect_gone("the leader was not heard of in time");
}
END_TEST

/* A repair may find txns that are not on disk yet, and a leader that wants the last of them gone. */
START_TEST(a_cut_behind_what_is_on_disk)
{
	follow(1);
	NODE->logd_stuck = true;
	for (uint32_t n = 1; n <= 3; n++)
		say_txn(PACKET_PROPOSAL, ZXID(1, n));
	say_txn(PACKET_PROPOSAL, ZXID(1, 9));
	ck_assert(ear_heard("synchronise again", "a gap between proposals"));
	net_heard();
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	expect("ACKEPOCH 100000003 +4");
	say(PACKET_TRUNC, ZXID(1, 2));
	ck_assert_uint_eq(NODE->zab.owed, 0);
	logd_says(MSG_TRUNCATE, 0, ZXID(1, 2));
	ck_assert_uint_eq(NODE->zab.proposed, ZXID(1, 2));
	/* Nothing of this makes the node owe what it never had on disk. */
	net_link_down(1, ZAB_LOGD);
	NODE->logd_stuck = false;
	net_link_up(1, ZAB_LOGD);
	ck_assert_ptr_null(NODE->zab.trouble);
	net_run();
	ck_assert_uint_eq(NODE->zab.durable, ZXID(1, 2));
	ck_assert_uint_eq(NODE->nlog, 2);
}
END_TEST

/* The disk fails and works again while logd cuts: nothing is appended behind a cut that is under way. */
START_TEST(nothing_is_appended_while_the_log_changes)
{
	follow(1);
	for (uint32_t n = 1; n <= 3; n++)
		say_txn(PACKET_PROPOSAL, ZXID(1, n));
	say_txn(PACKET_PROPOSAL, ZXID(1, 9));
	net_heard();
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	NODE->logd_stuck = true;
	say(PACKET_TRUNC, ZXID(1, 1));
	ck_assert_int_eq(NODE->zab.task.type, ZAB_TRUNCATE);
	disk_says(true, ZXID(1, 3));
	ck_assert_int_eq(NODE->zab.part, ZAB_LOOKING);
	disk_says(false, ZXID(1, 1));
	ck_assert_uint_eq(NODE->zab.appended, ZXID(1, 1));
	logd_says(MSG_TRUNCATE, 0, ZXID(1, 1));
	ck_assert_uint_eq(NODE->zab.proposed, ZXID(1, 1));
	ck_assert(NODE->looking);
	ck_assert_uint_eq(NODE->look.zxid, ZXID(1, 1));
}
END_TEST

/* What a leader's snapshot lacks is taken back, though it was called committed: its log follows. */
START_TEST(a_snapshot_below_what_is_committed)
{
	static const char stream[] = "\0\0\0\0\0\0\0\0\0\0\0\1/\0\0\0\012BenWasHere";

	for (int dies = 0; dies < 2; dies++) {
		setup();
		follow(1);
		for (uint32_t n = 1; n <= 3; n++) {
			say_txn(PACKET_PROPOSAL, ZXID(1, n));
			say(PACKET_COMMIT, ZXID(1, n));
		}
		hang_up();
		net_elect(LEADER);
		net_run();
		say_data(PACKET_LEADERINFO, ZXID(2, 0), "\0\1\0\0", 4);
		net_heard();
		NODE->logd_stuck = dies;
		say(PACKET_SNAP, ZXID(1, 2));
		net_input(1, net.dialled, slice_of(stream, sizeof stream - 1));
		net_run();
		if (dies) { /* behind the rename, before its answer */
			ck_assert_int_eq(NODE->zab.task.type, ZAB_INSTALL);
			NODE->nlog = NODE->ndurable = 0;
			NODE->base = ZXID(1, 2);
			NODE->logd_stuck = false;
			net_link_down(1, ZAB_LOGD);
			net_link_up(1, ZAB_LOGD);
			ck_assert(NODE->looking);
			ck_assert_uint_eq(NODE->look.zxid, ZXID(1, 2));
		} else {
			ck_assert(NODE->partial);
			say_txn(PACKET_PROPOSAL, ZXID(1, 3));
			say(PACKET_COMMIT, ZXID(1, 3));
			say(PACKET_NEWLEADER, ZXID(2, 0));
			expect("ACK 200000000");
			say(PACKET_UPTODATE, PACKET_NO_ZXID);
			ck_assert(net_serves(1));
			ck_assert(NODE->role.reload);
		}
		ck_assert_uint_eq(NODE->zab.committed, dies ? ZXID(1, 2) : ZXID(1, 3));
		ck_assert_ptr_null(NODE->zab.trouble);
	}
}
END_TEST

/* Dials: an answer counts for the newest attempt only. */
START_TEST(answers_to_an_older_dial)
{
	struct zab_event opened = { .type = ZAB_PEER_OPENED, .fd = -1, .peer = 77 };
	struct zab_event failed = { .type = ZAB_DIAL_FAILED, .fd = -1 };

	net.fake[LEADER] = false;
	elect(LEADER);
	/* Refused; the next one is due later. */
	ck_assert(!NODE->zab.learn.dialling);
	opened.attempt = failed.attempt = NODE->zab.learn.attempt;
	net_step(1, &opened);
	expect_closed("nobody waits for this dial any more");
	/* A dial that the shell is still at. */
	zab_step(&NODE->zab, &(struct zab_event){ .type = ZAB_TICK, .fd = -1, .now_ms = net.now_ms += 1000 });
	ck_assert(NODE->zab.learn.dialling);
	NODE->closed[0] = '\0';
	net_step(1, &failed);
	ck_assert(NODE->zab.learn.dialling);
	opened.peer = 78;
	net_step(1, &opened);
	expect_closed("nobody waits for this dial any more");
	ck_assert_uint_eq(NODE->zab.npeers, 0);
}
END_TEST

/* What lies behind a TRUNC is read when the log is cut, be it what it may. */
START_TEST(garbage_behind_a_trunc)
{
	struct buf out;

	net_fill(1, 1, 1, 5);
	discover(2);
	buf_init(&out, 1000);
	packet_put(&out, PACKET_TRUNC, ZXID(1, 3), SLICE_NULL, SLICE_NULL);
	packet_put(&out, PACKET_UPTODATE, 0, SLICE_NULL, SLICE_NULL);
	NODE->logd_stuck = true;
	net_input(1, net.dialled, buf_slice(&out));
	buf_free(&out);
	ck_assert_int_eq(zab_leader_peer(&NODE->zab)->state, LEADER_TRUNCATING);
	NODE->logd_stuck = false;
	logd_says(MSG_TRUNCATE, 0, ZXID(1, 3));
	expect_looking("a packet out of its turn");
	ck_assert_uint_eq(NODE->look.zxid, ZXID(1, 3));
}
END_TEST

/* logd is given a snapshot as it takes it; the leader is read again when half of what waited has left. */
START_TEST(a_slow_logd_and_a_snapshot)
{
	static char chunk[64 << 10];
	struct zab_event in = { .type = ZAB_PEER_INPUT, .fd = -1, .bytes = slice_of(chunk, sizeof chunk) };
	struct zab_event wrote = { .type = ZAB_INSTALL_WROTE, .fd = -1, .count = 1 << 20 };
	const struct zab_peer *p;

	discover(1);
	say(PACKET_SNAP, ZXID(1, 7));
	in.peer = net.dialled;
	in.now_ms = wrote.now_ms = net.now_ms;
	p = zab_leader_peer(&NODE->zab);
	/* No session, no ACL, one node with 64 MB. */
	memcpy(chunk, "\0\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0", 16);
	zab_step(&NODE->zab, &in);
	memset(chunk, 0, sizeof chunk);
	for (int i = 0; i < 100 && !p->paused; i++)
		zab_step(&NODE->zab, &in);
	ck_assert(p->paused);
	zab_step(&NODE->zab, &wrote);
	zab_step(&NODE->zab, &wrote);
	ck_assert(p->paused);
	zab_step(&NODE->zab, &wrote);
	ck_assert(!p->paused);
}
END_TEST

/* A REQUEST that no leader would take is not sent. */
START_TEST(a_request_larger_than_a_packet)
{
	uint8_t *huge = calloc(1, PACKET_DATA_MAX + 100);

	follow(1);
	net_frame(1, ZAB_CLIENTD, MSG_REQUEST, 0, 1, 0, slice_of(huge, PACKET_DATA_MAX + 9));
	free(huge);
	ck_assert_str_eq(NODE->ended, "malformed body");
	expect("");
}
END_TEST

/* Txns that our logd does not get onto the disk are not collected without end. */
START_TEST(a_logd_that_does_not_keep_up)
{
	size_t held;

	follow(1);
	held = NODE->zab.window.held;
	NODE->zab.window.held = (256 << 20) + 1;
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	NODE->zab.window.held = held;
	expect_looking("logd does not keep up");
	ck_assert_uint_eq(NODE->zab.proposed, 0);
}
END_TEST

/* logd may be away for syncLimit ticks, however long they are; a warning comes before. */
START_TEST(logd_is_away_longer_than_a_warning)
{
	NODE->config.tick_ms = 1000;
	zab_free(&NODE->zab);
	zab_init(&NODE->zab, &NODE->config);
	follow(1);
	net_link_down(1, ZAB_LOGD);
	for (int i = 0; i < 4; i++) {
		say(PACKET_PING, 0);
		net_pass(1000);
		ck_assert(ear_heard("logd absent", "") == (i >= 1));
	}
	ck_assert(net_serves(1));
	say(PACKET_PING, 0);
	net_pass(2000);
	ck_assert_str_eq(NODE->zab.left, "logd is away for syncLimit ticks");
}
END_TEST

/* Standing still forgives the silence of that time, no more: what was before it counts. */
START_TEST(silence_before_we_stood_still)
{
	struct zab_event tick = { .type = ZAB_TICK, .fd = -1 };

	follow(1);
	net_pass((NET_SYNC - 2) * NET_TICK_MS);
	net.now_ms += 60000;
	net_step(1, &tick);
	net_pass(NET_TICK_MS);
	ck_assert(!NODE->looking);
	net_pass(3 * NET_TICK_MS);
	expect_looking("the leader was not heard of in time");
	/* Bytes that came first are what counts: the silence begins with them. */
	setup();
	follow(1);
	net_pass((NET_SYNC - 2) * NET_TICK_MS);
	net.now_ms += 60000;
	say(PACKET_PING, 0);
	net_step(1, &tick);
	net_pass((NET_SYNC - 1) * NET_TICK_MS);
	ck_assert(!NODE->looking);
	net_pass(3 * NET_TICK_MS);
	expect_looking("the leader was not heard of in time");
}
END_TEST

/* Results */

START_TEST(results_of_another_question)
{
	struct zab_event e = { .type = ZAB_FRAME,
			       .link = ZAB_ELECTIOND,
			       .fd = -1,
			       .result = { .leader = 1, .state = ZAB_LEADER },
			       .frame = { .type = MSG_RESULT } };

	net_start(1);
	ck_assert(NODE->zab.election.asked);
	e.frame.seq = NODE->look_number + 1;
	net_step(1, &e);
	ck_assert_int_eq(NODE->zab.part, ZAB_LOOKING);
	ck_assert_str_eq(NODE->ended, "");
	e.frame.seq = NODE->look_number;
	net_step(1, &e);
	ck_assert_int_eq(NODE->zab.part, ZAB_LEADER);
	/* One result for each question. */
	e.result = (struct zab_result){ .leader = 2, .state = ZAB_FOLLOWER };
	net_step(1, &e);
	ck_assert_int_eq(NODE->zab.part, ZAB_LEADER);
}
END_TEST

static void
doubt(uint64_t number)
{
	net_frame(1, ZAB_ELECTIOND, MSG_DOUBT, DOUBT_LOST, number, 0, SLICE_NULL);
}

/* electiond's doubts are of one election, and of a leader that has not answered yet. */
START_TEST(doubts_that_come_too_late)
{
	net_start(1);
	doubt(NODE->look_number);
	ck_assert_int_eq(NODE->zab.part, ZAB_LOOKING);
	ck_assert(NODE->zab.election.asked);
	setup();
	elect(LEADER);
	doubt(NODE->look_number + 1);
	ck_assert_int_eq(NODE->zab.part, ZAB_FOLLOWER);
	doubt(NODE->look_number);
	ck_assert_str_eq(NODE->zab.left, "the voters have turned away from the leader");
	setup();
	follow(1);
	doubt(NODE->look_number);
	ck_assert(net_serves(1));
	/* A repair is with a leader that has led us. */
	net.fake[LEADER] = false;
	say(PACKET_COMMIT, ZXID(1, 9));
	ck_assert_int_eq(NODE->zab.stage, ZAB_DISCOVERY);
	doubt(NODE->look_number);
	ck_assert_int_eq(NODE->zab.part, ZAB_FOLLOWER);
}
END_TEST

/* The disk fails with one error and then with another: that is one failure. */
START_TEST(a_disk_that_fails_twice)
{
	follow(1);
	disk_says(true, 0);
	disk_says(true, 0);
	ck_assert_uint_eq(NODE->leaves, 1);
	ck_assert_str_eq(NODE->zab.left, "the disk failed");
	disk_says(false, 0);
	ck_assert(NODE->looking);
}
END_TEST

/* What came in one piece is read in pieces, as logd takes them: reading stops as often as it has to. */
START_TEST(a_snapshot_in_one_piece)
{
	enum { BYTES = 9 << 20 };
	uint8_t *bytes = calloc(1, BYTES);
	struct zab_event in = { .type = ZAB_PEER_INPUT, .fd = -1, .bytes = slice_of(bytes, BYTES) };
	struct zab_event wrote = { .type = ZAB_INSTALL_WROTE, .fd = -1, .count = 3 << 20 };
	const struct zab_action *a;
	size_t n;

	memcpy(bytes, "\0\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0", 16);
	discover(1);
	say(PACKET_SNAP, ZXID(1, 7));
	in.peer = net.dialled;
	in.now_ms = wrote.now_ms = net.now_ms;
	zab_step(&NODE->zab, &in);
	ck_assert(zab_leader_peer(&NODE->zab)->paused);
	zab_step(&NODE->zab, &wrote);
	ck_assert(zab_leader_peer(&NODE->zab)->paused);
	ck_assert_uint_gt(zab_install_output(&NODE->zab).len, 4 << 20);
	a = zab_actions(&NODE->zab, &n);
	for (size_t i = 0; i < n; i++)
		ck_assert(a[i].type != ZAB_PEER_READ || !a[i].on);
	free(bytes);
}
END_TEST

/* Who does not vote does not lead. */
START_TEST(observers_do_not_lead)
{
	struct zab_event e = { .type = ZAB_FRAME,
			       .link = ZAB_ELECTIOND,
			       .fd = -1,
			       .result = { .leader = 1, .state = ZAB_LEADER },
			       .frame = { .type = MSG_RESULT, .seq = 1 } };

	NODE->config.observer = true;
	zab_free(&NODE->zab);
	zab_init(&NODE->zab, &NODE->config);
	net_start(1);
	net_step(1, &e);
	ck_assert_str_eq(NODE->ended, "a result that makes no sense");
	ck_assert_int_eq(NODE->zab.part, ZAB_LOOKING);
}
END_TEST

/* A log that is found wrong while nobody leads keeps the node out of elections, and clientd is told. */
START_TEST(a_wrong_log_without_a_role)
{
	char text[200];

	net_fill(1, 1, 1, 5);
	net_start(1);
	ck_assert(NODE->looking);
	ck_assert_str_eq(zab_describe(&NODE->zab, text, sizeof text), "looking for a leader");
	net_link_down(1, ZAB_LOGD);
	net_fill(1, 1, 6, 6); /* nobody has proposed it */
	net_link_up(1, ZAB_LOGD);
	ck_assert_uint_eq(NODE->leaves, 1);
	ck_assert(!NODE->looking);
	ck_assert_str_eq(zab_describe(&NODE->zab, text, sizeof text),
			 "not serving: the log on disk goes beyond everything that this node has proposed");
	net_link_down(1, ZAB_LOGD);
	NODE->nlog = NODE->ndurable = 5;
	net_link_up(1, ZAB_LOGD);
	ck_assert(NODE->looking);
}
END_TEST

/* A log that its failing disk told of may go on behind that: the node looks again, from there. */
START_TEST(a_failing_disk_knows_more_than_it_told)
{
	net_fill(1, 1, 1, 5);
	NODE->disk_failed = true;
	net_start(1);
	ck_assert(!NODE->looking);
	net_link_down(1, ZAB_LOGD);
	net_fill(1, 1, 6, 6);
	NODE->disk_failed = false;
	net_link_up(1, ZAB_LOGD);
	ck_assert(NODE->looking);
	ck_assert_ptr_null(NODE->zab.trouble);
	ck_assert_uint_eq(NODE->zab.proposed, ZXID(1, 6));
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("zab learner at odd moments");
	TCase *c = tcase_create("moments");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, logd_is_away_when_the_log_is_to_change);
	tcase_add_test(c, a_failing_disk_knows_more_than_it_told);
	tcase_add_test(c, logd_is_away_when_all_is_to_come_anew);
	tcase_add_test(c, proposals_while_the_epoch_is_stored);
	tcase_add_test(c, a_leader_waits_for_our_disk);
	tcase_add_test(c, a_cut_behind_what_is_on_disk);
	tcase_add_test(c, nothing_is_appended_while_the_log_changes);
	tcase_add_test(c, a_snapshot_below_what_is_committed);
	tcase_add_test(c, answers_to_an_older_dial);
	tcase_add_test(c, garbage_behind_a_trunc);
	tcase_add_test(c, a_slow_logd_and_a_snapshot);
	tcase_add_test(c, a_request_larger_than_a_packet);
	tcase_add_test(c, a_logd_that_does_not_keep_up);
	tcase_add_test(c, logd_is_away_longer_than_a_warning);
	tcase_add_test(c, silence_before_we_stood_still);
	tcase_add_test(c, results_of_another_question);
	tcase_add_test(c, doubts_that_come_too_late);
	tcase_add_test(c, a_disk_that_fails_twice);
	tcase_add_test(c, a_snapshot_in_one_piece);
	tcase_add_test(c, observers_do_not_lead);
	tcase_add_test(c, a_wrong_log_without_a_role);
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
