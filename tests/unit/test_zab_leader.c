/*
 * A leader, row by row: the test is one of its learners, and says packet by packet what comes; then whole ensembles
 * that lose one of them. See zab_net.h.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "syncd/packet.h"
#include "syncd/zab_internal.h"
#include "zab_talk.h"

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

START_TEST(one_course_of_everything)
{
	net_fill(1, 1, 1, 5);
	elect(1);
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 7, 0);
	expect("LEADERINFO 800000000 +4");
	ck_assert_uint_eq(NODE->epochs.accepted, 8);
	ck_assert_uint_eq(NODE->epochs.current, 1);
	say_ackepoch(1, ZXID(1, 3));
	expect("DIFF 100000005, PROPOSAL 100000004 +48, COMMIT 100000004, PROPOSAL 100000005 +48, "
	       "COMMIT 100000005, NEWLEADER 800000000");
	ck_assert_uint_eq(NODE->epochs.current, 8);
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	say(PACKET_ACK, ZXID(8, 0));
	expect("UPTODATE ffffffffffffffff");
	ck_assert(net_serves(1));
	ck_assert_uint_eq(NODE->role.committed, ZXID(1, 5));
	ck_assert_uint_eq(NODE->told.epoch, 8);
	say(PACKET_ACK, ZXID(8, 0));
	net_propose(1, 0);
	net_run();
	expect("PROPOSAL 800000001 +48");
	ck_assert_uint_eq(NODE->applied, ZXID(1, 5));
	say(PACKET_ACK, ZXID(8, 1));
	expect("COMMIT 800000001");
	ck_assert_uint_eq(NODE->applied, ZXID(8, 1));
	say(PACKET_ACK, ZXID(8, 1)); /* once more does no harm */
	expect("");
}
END_TEST

START_TEST(epoch_is_announced_when_it_is_on_disk)
{
	elect(1);
	peer = net_connect(1);
	NODE->logd_stuck = true;
	say_info(PACKET_FOLLOWERINFO, 2, 0, 0);
	expect("");
	net_frame(1, ZAB_LOGD, MSG_EPOCHS, 0, NODE->zab.task.seq, 0, SLICE_NULL);
	net_run();
	expect("LEADERINFO 100000000 +4");
	say_ackepoch(0, 0);
	expect("");
	ck_assert_uint_eq(NODE->zab.task.epochs.current, 1);
	net_frame(1, ZAB_LOGD, MSG_EPOCHS, 0, NODE->zab.task.seq, 0, SLICE_NULL);
	net_run();
	expect("DIFF 0, NEWLEADER 100000000");
}
END_TEST

START_TEST(learners_that_are_none_of_ours)
{
	static const struct {
		int type;
		int64_t sid;
		uint32_t accepted;
		uint64_t version;
		const char *why;
	} rows[] = {
		{ PACKET_FOLLOWERINFO, 1, 0, 0, "it calls itself what we are called" },
		{ PACKET_FOLLOWERINFO, -1, 0, 0, "its number is none of an ensemble" },
		{ PACKET_FOLLOWERINFO, 256, 0, 0, "its number is none of an ensemble" },
		{ PACKET_FOLLOWERINFO, 2, INT32_MAX, 0, "it has accepted an impossible epoch" },
		{ PACKET_PING, 0, 0, 0, "a packet out of its turn" },
		{ PACKET_ACKEPOCH, 0, 0, 0, "a packet out of its turn" },
		{ PACKET_REQUEST, 0, 0, 0, "a packet out of its turn" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		elect(1);
		peer = net_connect(1);
		say_info(rows[i].type, rows[i].sid, rows[i].accepted, rows[i].version);
		expect_gone(rows[i].why);
		ck_assert_int_eq(NODE->zab.part, ZAB_LEADER);
	}
	peer = net_connect(1);
	say_data(PACKET_FOLLOWERINFO, 0, "\0\0\0\0\0\0\0\2\0\1\0\0\0\0\0\0\0\0\0", 19);
	expect_gone("too little is said of the learner");
	peer = net_connect(1);
	say_data(PACKET_FOLLOWERINFO, 0, "\0\0\0\0\0\0\0\2\0\0\377\377\0\0\0\0\0\0\0\0", 20);
	expect_gone("it speaks a protocol older than Zab 1.0");
}
END_TEST

START_TEST(ackepochs)
{
	static const struct {
		int32_t epoch;
		uint64_t zxid;
		const char *heard;
	} rows[] = {
		{ 1, ZXID(1, 5), "DIFF 100000005, NEWLEADER 200000000" },
		{ 1, ZXID(1, 6), "" }, /* ahead */
		{ 2, 0, "" },          /* ahead */
		{ 0, ZXID(9, 9), "TRUNC 100000005, NEWLEADER 200000000" },
		{ -1, ZXID(1, 5), "" }, /* does not count */
		{ 1, UINT64_MAX, "" },  /* nor this: it has no history, and is ahead of nobody */
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		net_fill(1, 1, 1, 5);
		elect(1);
		peer = net_connect(1);
		say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
		net_heard();
		say_ackepoch(rows[i].epoch, rows[i].zxid);
		expect(rows[i].heard);
		if (rows[i].heard[0] == '\0' && rows[i].epoch != -1 && rows[i].zxid != UINT64_MAX)
			expect_gone("it knows more than we do");
	}
	setup();
	elect(1);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
	say_data(PACKET_ACKEPOCH, 0, "123", 3);
	expect_gone("an ACKEPOCH without an epoch");
}
END_TEST

/* One that does not count is synchronised as soon as others make a quorum. */
START_TEST(latecomers_and_those_that_do_not_count)
{
	uint32_t first;

	net_fill(1, 1, 1, 5);
	elect(1);
	first = peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 1, 0);
	say_ackepoch(-1, ZXID(1, 5));
	expect("LEADERINFO 200000000 +4");
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
	expect("LEADERINFO 200000000 +4");
	say_ackepoch(1, ZXID(1, 5));
	expect("DIFF 100000005, NEWLEADER 200000000, DIFF 100000005, NEWLEADER 200000000");
	peer = first;
	say(PACKET_ACK, ZXID(2, 0));
	expect("UPTODATE ffffffffffffffff");
	ck_assert(net_serves(1));
	/* The same server anew: the older connection goes. */
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 2, 0);
	expect_closed("the server has connected again");
	expect("LEADERINFO 200000000 +4");
	/* Ahead of an established leader: cut. */
	say_ackepoch(-1, ZXID(1, 9));
	expect("TRUNC 100000005, NEWLEADER 200000000");
	say(PACKET_ACK, ZXID(2, 0));
	expect("UPTODATE ffffffffffffffff");
}
END_TEST

START_TEST(uninitialised_learner_gets_a_snapshot)
{
	lead();
	NODE->snapshot = ZXID(1, 3);
	peer = net_connect(1);
	say_info(PACKET_OBSERVERINFO, 3, 0, 0);
	net_heard();
	say_ackepoch(0, UINT64_MAX);
	ck_assert_uint_gt(buf_len(&net.heard), 20000);
	ck_assert_int_eq(buf_head(&net.heard)[3], PACKET_SNAP);
}
END_TEST

START_TEST(a_later_epoch_was_promised)
{
	lead();
	peer = net_connect(1);
	say_info(PACKET_OBSERVERINFO, 3, 9, 0); /* no voter */
	expect_closed("it has accepted a later epoch");
	ck_assert_int_eq(NODE->zab.part, ZAB_LEADER);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 1000000, 0); /* out of this world */
	expect_closed("it has accepted a later epoch");
	ck_assert_int_eq(NODE->zab.part, ZAB_LEADER);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 9, 0);
	ck_assert(NODE->looking);
	ck_assert_str_eq(NODE->zab.left, "a voter has accepted a later epoch");
	/* The next epoch is above it, though it need not be there. */
	net_elect(1);
	net_run();
	peer = net_connect(1);
	net_heard();
	say_info(PACKET_FOLLOWERINFO, 2, 2, 0);
	expect("LEADERINFO a00000000 +4");
}
END_TEST

START_TEST(acks_that_make_no_sense)
{
	lead();
	say(PACKET_ACK, ZXID(2, 1));
	expect_gone("an ACK of what was never proposed to it");
	setup();
	net_fill(1, 1, 1, 5);
	elect(1);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
	say_ackepoch(1, ZXID(1, 5));
	say(PACKET_ACK, ZXID(3, 0));
	expect_gone("an ACK of another leader's epoch");
}
END_TEST

/* ZooKeeper's learner logs what a DIFF brought in a thread of its own, and acks each. */
START_TEST(acks_of_a_diff_before_that_of_newleader)
{
	net_fill(1, 1, 1, 5);
	elect(1);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
	say_ackepoch(1, ZXID(1, 3));
	net_heard();
	say(PACKET_ACK, ZXID(1, 4));
	say(PACKET_ACK, ZXID(1, 5));
	expect("");
	say(PACKET_ACK, ZXID(2, 0));
	expect("UPTODATE ffffffffffffffff");
}
END_TEST

/* Its ack before it went counts no more: what it has is said anew. */
START_TEST(acks_end_with_their_connection)
{
	lead();
	NODE->logd_stuck = true;
	net_propose(1, 0);
	say(PACKET_ACK, ZXID(2, 1));
	net_heard();
	net_cut(1, 0);
	net_run();
	net_frame(1, ZAB_LOGD, MSG_DURABLE, 0, 0, ZXID(2, 1), SLICE_NULL);
	ck_assert_uint_eq(NODE->zab.committed, ZXID(1, 5));
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 2, 0);
	say_ackepoch(-1, ZXID(2, 1));
	expect("LEADERINFO 200000000 +4, TRUNC 100000005, NEWLEADER 200000000, PROPOSAL 200000001 +48");
	say(PACKET_ACK, ZXID(2, 0));
	ck_assert_uint_eq(NODE->zab.committed, ZXID(1, 5));
	say(PACKET_ACK, ZXID(2, 1));
	expect("UPTODATE ffffffffffffffff, COMMIT 200000001");
}
END_TEST

/* A txn in flight that is committed between the learner's DIFF and its NEWLEADER's ACK. */
START_TEST(proposals_come_behind_newleader)
{
	uint32_t follower;

	lead();
	follower = peer;
	net_propose(1, 0);
	net_run();
	net_heard();
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 2, 0);
	say_ackepoch(2, ZXID(1, 5));
	expect("LEADERINFO 200000000 +4, DIFF 100000005, NEWLEADER 200000000, PROPOSAL 200000001 +48");
	net_propose(1, 0);
	net_run();
	expect("PROPOSAL 200000002 +48, PROPOSAL 200000002 +48");
	say(PACKET_ACK, ZXID(2, 0)); /* has 1:5 on disk, no more is said */
	expect("UPTODATE ffffffffffffffff");
	ck_assert_uint_eq(NODE->zab.committed, ZXID(1, 5));
	peer = follower;
	say(PACKET_ACK, ZXID(2, 2));
	expect("COMMIT 200000001, COMMIT 200000002, COMMIT 200000001, COMMIT 200000002");
}
END_TEST

START_TEST(observers_get_informs)
{
	uint32_t follower;

	lead();
	follower = peer;
	net_propose(1, 0);
	net_run();
	net_heard();
	peer = net_connect(1);
	say_info(PACKET_OBSERVERINFO, 300, 2, 0);
	say_ackepoch(1, ZXID(1, 4));
	expect("LEADERINFO 200000000 +4, DIFF 100000005, PROPOSAL 100000005 +48, COMMIT 100000005, "
	       "NEWLEADER 200000000");
	say(PACKET_ACK, ZXID(2, 0));
	net_propose(1, 0);
	net_run();
	expect("UPTODATE ffffffffffffffff, PROPOSAL 200000002 +48");
	say(PACKET_ACK, ZXID(2, 0));
	ck_assert_uint_eq(NODE->zab.committed, ZXID(1, 5));
	peer = follower;
	say(PACKET_ACK, ZXID(2, 2));
	expect("COMMIT 200000001, COMMIT 200000002, INFORM 200000001 +48, INFORM 200000002 +48");
}
END_TEST

START_TEST(observers_wait_for_a_snapshot_in_turn)
{
	uint32_t first;

	lead();
	NODE->config.max_snap_syncs = 1;
	NODE->zab.config.force_snapshot_sync = true;
	NODE->logd_stuck = true;
	first = peer = net_connect(1);
	say_info(PACKET_OBSERVERINFO, 300, 2, 0);
	say_ackepoch(1, ZXID(1, 4));
	peer = net_connect(1);
	say_info(PACKET_OBSERVERINFO, 301, 2, 0);
	say_ackepoch(1, ZXID(1, 4));
	ck_assert_uint_eq(NODE->zab.load_seq, 2); /* clientd's, and one */
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 2, 0); /* never has to wait */
	say_ackepoch(1, ZXID(1, 4));
	ck_assert_uint_eq(NODE->zab.load_seq, 3);
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_CLOSED, .fd = -1, .peer = first });
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_CLOSED, .fd = -1, .peer = peer });
	net_pass(NET_TICK_MS);
	ck_assert_uint_eq(NODE->zab.load_seq, 4);
}
END_TEST

START_TEST(pings)
{
	lead();
	net_pass(NET_TICK_MS);
	expect("PING 200000000, PING 200000000");
	net_propose(1, 0);
	net_run();
	net_heard();
	net_pass(NET_TICK_MS / 2);
	expect("PING 200000001");
	say_data(PACKET_PING, 0, "SSSSSSSSTTTT", 12);
	ck_assert_uint_eq(net_asked(1, MSG_TOUCH)->event.frame.body.len, 12);
	say_data(PACKET_PING, 0, "", 0);
	ck_assert_ptr_null(net_asked(1, MSG_TOUCH));
	say_data(PACKET_PING, 0, "SSSSSSSSTTT", 11);
	expect_gone("a PING with half a session");
}
END_TEST

START_TEST(silent_learners_go)
{
	lead();
	for (int i = 0; i < NET_SYNC - 1; i++)
		net_pass(NET_TICK_MS);
	ck_assert(net_serves(1));
	net_pass(3 * NET_TICK_MS);
	expect_gone("not heard of for syncLimit ticks");
	/* And with it the quorum. */
	ck_assert(NODE->looking);
	ck_assert_str_eq(NODE->zab.left, "too few followers are left for a quorum");
}
END_TEST

/* failureDetection=fast at both ends. */
START_TEST(silent_learners_go_fast)
{
	struct learner_info info = { .sid = 2, .protocol = PACKET_PROTOCOL };
	uint8_t body[LEARNER_INFO_BYTES + 4];

	NODE->zab.config.fast_ms = 80;
	net_fill(1, 1, 1, 5);
	elect(1);
	peer = net_connect(1);
	learner_info_put(body, &info);
	memcpy(body + LEARNER_INFO_BYTES, "zkdF", 4);
	net_packet(1, peer, PACKET_FOLLOWERINFO, ZXID(1, 0), slice_of(body, sizeof body));
	expect("LEADERINFO 200000000 +8");
	say_ackepoch(1, ZXID(1, 5));
	say(PACKET_ACK, ZXID(2, 0));
	net_heard();
	for (int i = 0; i < 20; i++) {
		net_pass(10);
		ck_assert_ptr_nonnull(strstr(net_heard(), "PING 200000000"));
		say(PACKET_PING, ZXID(2, 0));
	}
	net_pass(70);
	ck_assert(net_serves(1));
	net_pass(30);
	expect_gone("not heard of in time");
	/* A server of ZooKeeper has its syncLimit, and reads no further than it knows. */
	setup();
	NODE->zab.config.fast_ms = 80;
	lead();
	net_pass((NET_SYNC - 2) * NET_TICK_MS);
	ck_assert(net_serves(1));
	ck_assert_str_eq(NODE->closed, "");
}
END_TEST

START_TEST(a_proposal_that_is_not_acked)
{
	lead();
	net_propose(1, 0);
	net_propose(1, 0);
	for (int i = 0; i < NET_SYNC; i++) {
		net_pass(NET_TICK_MS);
		say_data(PACKET_PING, 0, "", 0);
		if (i == 2)
			say(PACKET_ACK, ZXID(2, 1));
	}
	ck_assert(net_serves(1)); /* the second counts from the first one's ack */
	for (int i = 0; i < 2; i++) {
		net_pass(NET_TICK_MS);
		say_data(PACKET_PING, 0, "", 0);
	}
	say(PACKET_ACK, ZXID(2, 2));
	ck_assert(net_serves(1));
	net_propose(1, 0);
	for (int i = 0; i < NET_SYNC + 1 && net_serves(1); i++) {
		say_data(PACKET_PING, 0, "", 0);
		net_pass(NET_TICK_MS);
	}
	net_pass(2 * NET_TICK_MS);
	expect_closed("a proposal is not acked for syncLimit ticks");
}
END_TEST

START_TEST(nobody_comes_or_nobody_goes_on)
{
	elect(1);
	net_pass((NET_INIT - 1) * NET_TICK_MS);
	ck_assert(!NODE->looking);
	net_pass(3 * NET_TICK_MS);
	ck_assert(NODE->looking);
	ck_assert_str_eq(NODE->zab.left, "no quorum came to follow within initLimit ticks");
	setup();
	lead();
	peer = net_connect(1); /* says nothing */
	for (int i = 0; i < NET_INIT + 2; i++) {
		uint32_t silent = peer;

		peer = silent - 1;
		say_data(PACKET_PING, 0, "", 0);
		net_pass(NET_TICK_MS);
		peer = silent;
	}
	expect_closed("not synchronised within initLimit ticks");
	ck_assert(net_serves(1));
}
END_TEST

static void
doubt(int sid, uint16_t flags)
{
	net_frame(sid, ZAB_ELECTIOND, MSG_DOUBT, flags, net.nodes[sid].look_number, 0, SLICE_NULL);
	net_run();
}

/* Voters that turn away before anything has begun are not waited for. */
START_TEST(voters_turn_away)
{
	const char *reason = "the voters have turned away, and too few have come to follow";

	elect(1);
	net_frame(1, ZAB_ELECTIOND, MSG_DOUBT, DOUBT_LOST, NODE->look_number - 1, 0, SLICE_NULL);
	ck_assert(!NODE->looking);
	doubt(1, DOUBT_LOST);
	ck_assert(NODE->looking);
	ck_assert_str_eq(NODE->zab.left, reason);
	/* One alone may have been too early, and comes. */
	net_elect(1);
	net_run();
	doubt(1, 0);
	net_pass(150);
	ck_assert(!NODE->looking);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 0, 0);
	net_pass(500);
	doubt(1, DOUBT_LOST);
	ck_assert(!NODE->looking);
	/* Or it goes again. */
	net_cut(1, 0);
	net_run();
	net_pass(10);
	ck_assert(NODE->looking);
	/* Nobody comes at all. */
	setup();
	elect(1);
	doubt(1, 0);
	net_pass(190);
	ck_assert(!NODE->looking);
	net_pass(20);
	ck_assert(NODE->looking);
	/* An established leader is told by its followers. */
	setup();
	lead();
	doubt(1, DOUBT_LOST);
	ck_assert(net_serves(1));
	doubt(1, 2);
	ck_assert_str_eq(NODE->ended, "doubt with unknown flags");
}
END_TEST

/* Connections of a time when nobody knew who leads. */
START_TEST(held_connections)
{
	uint32_t held;

	net_start(1);
	held = peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 0, 0);
	expect("");
	net_elect(1);
	net_run();
	expect("LEADERINFO 100000000 +4");
	/* Talkative ones. */
	setup();
	net_start(1);
	peer = net_connect(1);
	for (int i = 0; i < 1000 && NODE->closes == 0; i++)
		net_input(1, peer, SLICE_LIT("0123456789"));
	expect_gone("talkative before its turn");
	/* Patient ones, but nobody is elected. */
	peer = net_connect(1);
	net_pass((NET_INIT + 2) * NET_TICK_MS);
	expect_gone("nobody leads here");
	/* Or somebody else is. */
	peer = net_connect(1);
	net_elect(2);
	net_run();
	expect_closed("this server does not lead");
	/* Too many. */
	setup();
	net_start(1);
	for (uint32_t i = 0; i <= ZAB_PEERS_MAX; i++)
		net_step(1, &(struct zab_event){ .type = ZAB_PEER_OPENED, .fd = -1, .peer = 1000 + i });
	expect_closed("too many connections");
	ck_assert_uint_eq(NODE->closes, 1);
	(void)held;
}
END_TEST

START_TEST(garbage_before_it_is_live)
{
	static char junk[1000];

	elect(1);
	peer = net_connect(1);
	/* A packet that promises 50 MB. */
	net_input(1, peer, SLICE_LIT("\0\0\0\013\0\0\0\0\0\0\0\0\3\0\0\0"));
	for (int i = 0; i < 100 && NODE->closes == 0; i++)
		net_input(1, peer, slice_of(junk, sizeof junk));
	expect_gone("talkative before it is synchronised");
	peer = net_connect(1);
	net_input(1, peer, SLICE_LIT("\0\0\0\013\0\0\0\0\0\0\0\0\377\377\377\0"));
	expect_gone("not a packet");
}
END_TEST

/* Requests */

static const char request[] = "SSSSSSSSCCCC\0\0\0\005body";
static const char sync_request[] = "SSSSSSSSCCCC\0\0\0\011/path";

START_TEST(requests_go_to_clientd_and_come_back_as_txns)
{
	const struct net_event *e;

	lead();
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	e = net_asked(1, MSG_REQUEST);
	ck_assert_uint_eq(e->event.frame.seq, 1);
	/* origin, no ids, the request. */
	ck_assert_uint_eq(e->event.frame.body.len, 8 + 4 + sizeof request - 1);
	ck_assert_uint_eq(get_be32(e->event.frame.body.data + 8), UINT32_MAX);
	ck_assert_mem_eq(e->event.frame.body.data + 12, request, sizeof request - 1);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	net_propose(1, 1);
	net_run();
	expect("PROPOSAL 200000001 +48");
	net_frame(1, ZAB_CLIENTD, MSG_DROP, 0, 2, 0, SLICE_NULL);
	ck_assert_str_eq(NODE->ended, "");
	ck_assert_uint_eq(NODE->zab.requests.bytes.count, 0);
}
END_TEST

START_TEST(syncs_wait_for_what_is_outstanding)
{
	lead();
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, sync_request, sizeof sync_request - 1);
	ck_assert_uint_eq(net_asked(1, MSG_SYNC)->event.frame.seq, 1);
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 1, 0, SLICE_NULL);
	net_run();
	expect("SYNC 0");
	net_propose(1, 0);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, sync_request, sizeof sync_request - 1);
	say_data(PACKET_REVALIDATE, PACKET_NO_ZXID, "SSSSSSSSTTTT", 12);
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 2, 0, SLICE_NULL);
	net_frame(1, ZAB_CLIENTD, MSG_REVALIDATE, 0, 3, 0, SLICE_LIT("OOOOOOOOSSSSSSSS\1"));
	net_run();
	expect("PROPOSAL 200000001 +48");
	say(PACKET_ACK, ZXID(2, 1));
	expect("COMMIT 200000001, SYNC 0, REVALIDATE ffffffffffffffff +9");
}
END_TEST

/* Learners have a credit each; what they ask for together waits while the leader's own is used up. */
START_TEST(requests_wait_for_credit)
{
	lead();
	NODE->zab.config.window_txns = 3;
	net_propose(1, 0);
	for (int i = 0; i < 4; i++)
		say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, sync_request, sizeof sync_request - 1);
	ck_assert_uint_eq(NODE->zab.requests.last_number, 2);
	/* A request that becomes a txn leaves the credit as it was. */
	net_propose(1, 1);
	ck_assert_uint_eq(NODE->zab.requests.last_number, 2);
	/* One that does not gives it back, and so does a commit. */
	net_frame(1, ZAB_CLIENTD, MSG_DROP, 0, 2, 0, SLICE_NULL);
	ck_assert_uint_eq(NODE->zab.requests.last_number, 3);
	net_run();
	say(PACKET_ACK, ZXID(2, 2));
	ck_assert_uint_eq(NODE->zab.requests.last_number, 5);
	net_frame(1, ZAB_CLIENTD, MSG_DROP, 0, 3, 0, SLICE_NULL);
	net_frame(1, ZAB_CLIENTD, MSG_DROP, 0, 4, 0, SLICE_NULL);
	ck_assert_uint_eq(net_asked(1, MSG_SYNC)->event.frame.seq, 5);
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 5, 0, SLICE_NULL);
	ck_assert_uint_eq(requests_out(&NODE->zab.requests), 0);
	ck_assert_uint_eq(NODE->zab.requests.out_bytes, 0);
	/* The same in bytes: one is given as long as there is any credit. */
	NODE->zab.config.window_bytes = 8 + 4 + sizeof request - 1;
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	ck_assert_uint_eq(NODE->zab.requests.last_number, 6);
	net_link_down(1, ZAB_CLIENTD);
	net_link_up(1, ZAB_CLIENTD);
	net_run();
	ck_assert_uint_eq(NODE->zab.requests.last_number, 1);
	net_frame(1, ZAB_CLIENTD, MSG_DROP, 0, 1, 0, SLICE_NULL);
	ck_assert_uint_eq(NODE->zab.requests.last_number, 2);
	/* What a learner that has gone still waits for is nobody's; what clientd has, it answers. */
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	net_cut(1, 0);
	net_run();
	net_frame(1, ZAB_CLIENTD, MSG_DROP, 0, 2, 0, SLICE_NULL);
	ck_assert_uint_eq(requests_out(&NODE->zab.requests), 0);
	ck_assert_uint_eq(NODE->zab.requests.out_bytes, 0);
	ck_assert_uint_eq(NODE->zab.requests.bytes.count, 0);
	ck_assert_str_eq(NODE->ended, "");
}
END_TEST

/* Two txns with a sync between them, committed at once: a server of ZooKeeper takes its answers in this order only. */
START_TEST(a_sync_is_answered_between_two_commits)
{
	lead();
	net_propose(1, 0);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, sync_request, sizeof sync_request - 1);
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 1, 0, SLICE_NULL);
	net_propose(1, 0);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, sync_request, sizeof sync_request - 1);
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 2, 0, SLICE_NULL);
	net_propose(1, 0);
	net_run();
	expect("PROPOSAL 200000001 +48, PROPOSAL 200000002 +48, PROPOSAL 200000003 +48");
	say(PACKET_ACK, ZXID(2, 3));
	expect("COMMIT 200000001, SYNC 0, COMMIT 200000002, SYNC 0, COMMIT 200000003");
}
END_TEST

START_TEST(answers_that_make_no_sense)
{
	static const struct {
		uint16_t type;
		uint64_t number;
		size_t len;
		const char *why;
	} rows[] = {
		{ MSG_DROP, 2, 0, "an answer out of order" },
		{ MSG_SYNC, 1, 0, "an answer of another kind than its question" },
		{ MSG_REVALIDATE, 1, 17, "an answer of another kind than its question" },
		{ MSG_REVALIDATE, 1, 16, "malformed body" },
		{ MSG_REQUEST, 1, 0, "unexpected message" },
		{ MSG_TOUCH, 0, 0, "unexpected message" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		lead();
		say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
		net_frame(1, ZAB_CLIENTD, rows[i].type, 0, rows[i].number, 0,
			  slice_of("12345678123456781", rows[i].len));
		ck_assert_str_eq(NODE->ended, rows[i].why);
	}
	setup();
	lead();
	net_frame(1, ZAB_CLIENTD, MSG_DROP, 0, 1, 0, SLICE_NULL);
	ck_assert_str_eq(NODE->ended, "an answer out of order");
	setup();
	lead();
	net_propose(1, 5);
	ck_assert_str_eq(NODE->ended, "an answer out of order");
}
END_TEST

START_TEST(requests_that_are_none)
{
	lead();
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, 15);
	expect_gone("a REQUEST that is too short");
	setup();
	lead();
	say_data(PACKET_REVALIDATE, PACKET_NO_ZXID, request, 11);
	expect_gone("a REVALIDATE that is too short");
	setup();
	lead();
	zab_find_peer(&NODE->zab, peer)->requests = ZAB_REQUESTS_MAX - 1;
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	ck_assert_str_eq(NODE->closed, "");
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	expect_gone("more requests than are kept for one learner");
}
END_TEST

START_TEST(clientd_dies_with_requests)
{
	lead();
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, sync_request, sizeof sync_request - 1);
	ck_assert_uint_eq(net_asked(1, MSG_SYNC)->event.frame.seq, 2);
	net_frame(1, ZAB_CLIENTD, MSG_DROP, 0, 1, 0, SLICE_NULL);
	net_link_down(1, ZAB_CLIENTD);
	net_link_up(1, ZAB_CLIENTD);
	net_run();
	ck_assert_uint_eq(net_asked(1, MSG_SYNC)->event.frame.seq, 1);
	ck_assert(net_serves(1));
	/* The second that dies of it is the last one. */
	net_link_down(1, ZAB_CLIENTD);
	expect_gone("two clientds died of its requests");
	net_link_up(1, ZAB_CLIENTD);
	net_run();
	ck_assert_ptr_null(net_asked(1, MSG_SYNC));
}
END_TEST

/* Requests are not lost with their connection once clientd has them; answers to nobody are dropped. */
START_TEST(a_learner_goes_while_its_requests_are_with_clientd)
{
	lead();
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, sync_request, sizeof sync_request - 1);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, sync_request, sizeof sync_request - 1);
	net_cut(1, 0);
	net_run();
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 1, 0, SLICE_NULL);
	net_propose(1, 2);
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 3, 0, SLICE_NULL);
	ck_assert_str_eq(NODE->ended, "");
	ck_assert_uint_eq(NODE->zab.lead.nwaits, 1);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 2, 0);
	say_ackepoch(-1, ZXID(1, 5));
	say(PACKET_ACK, ZXID(2, 0));
	net_heard();
	say(PACKET_ACK, ZXID(2, 1));
	expect("COMMIT 200000001");
	ck_assert_uint_eq(NODE->zab.lead.nwaits, 0);
}
END_TEST

/* Ends of the role */

START_TEST(what_makes_a_leader_step_down)
{
	lead();
	net_link_down(1, ZAB_CLIENTD);
	net_pass(90);
	ck_assert(!NODE->looking);
	net_pass(20);
	ck_assert_str_eq(NODE->zab.left, "clientd is away");
	ck_assert(NODE->looking);

	setup();
	lead();
	net_link_down(1, ZAB_LOGD);
	for (int i = 0; i < 2100 / NET_TICK_MS; i++) {
		net_pass(NET_TICK_MS);
		if (net_find_pipe(1, 0) != NULL)
			say_data(PACKET_PING, 0, "", 0);
	}
	ck_assert_str_eq(NODE->zab.left, "logd is away");

	setup();
	lead();
	NODE->disk_failed = true;
	net_frame(1, ZAB_LOGD, MSG_DISK, 0, 0, ZXID(1, 5), SLICE_NULL);
	ck_assert_str_eq(NODE->zab.left, "the disk failed");
	expect_closed("the disk failed");

	setup();
	lead();
	NODE->refuse_epochs = true;
	NODE->zab.part = ZAB_LEADER;
	ck_assert(net_serves(1));
}
END_TEST

START_TEST(the_epoch_runs_out_of_zxids)
{
	uint8_t body[NET_TXN_BYTES] = { 0 };

	lead();
	NODE->zab.proposed = NODE->zab.committed = ZXID(2, UINT32_MAX - 2);
	window_reset(&NODE->zab.window, NODE->zab.proposed);
	net_propose(1, 0);
	ck_assert_uint_eq(NODE->zab.proposed, ZXID(2, UINT32_MAX - 1));
	put_be64(body + 12, ZXID(2, UINT32_MAX));
	net_frame(1, ZAB_CLIENTD, MSG_PROPOSE, 0, 0, ZXID(2, UINT32_MAX), slice_of(body, sizeof body));
	ck_assert_str_eq(NODE->zab.left, "the epoch has no zxid left");
	ck_assert_uint_eq(NODE->zab.proposed, ZXID(2, UINT32_MAX - 1));
}
END_TEST

START_TEST(epochs_cannot_be_stored)
{
	NODE->refuse_epochs = true;
	elect(1);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
	ck_assert_str_eq(NODE->zab.left, "the epochs could not be stored");
	ck_assert(NODE->looking);
}
END_TEST

/* Channels that lie or end */

static void
ask_for_snapshot(void)
{
	lead();
	NODE->logd_stuck = true;
	NODE->zab.config.force_snapshot_sync = true;
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 2, 0);
	say_ackepoch(1, ZXID(1, 2));
	net_heard();
}

START_TEST(channels_that_lie)
{
	static const char header[] = "ZKSN\0\0\0\2\377\377\377\377\377\377\377\377";
	static const struct {
		uint16_t first;
		uint64_t first_zxid;
		uint16_t type;
		uint64_t zxid;
		const char *body;
		size_t len;
		const char *why;
	} rows[] = {
		{ 0, 0, MSG_BULK_TXN, ZXID(1, 3), NULL, 0, "a txn with another zxid than its message" },
		{ 0, 0, MSG_BULK_DATA, 0, "x", 1, "a snapshot's bytes without a snapshot" },
		{ 0, 0, MSG_BULK_SNAPSHOT_END, 0, NULL, 0, "the snapshot ends early" },
		{ 0, 0, MSG_BULK_END, 0, NULL, 0, "the end of the log out of its turn" },
		{ 0, 0, MSG_BULK_SNAPSHOT, ZXID(1, 6), NULL, 0,
		  "the snapshot goes beyond what is committed" },
		{ 0, 0, MSG_BULK_LOG, ZXID(1, 3), NULL, 0, "logd's log begins beyond what was asked" },
		{ 0, 0, 99, 0, NULL, 0, "an unknown frame on a channel of logd" },
		{ MSG_BULK_SNAPSHOT, ZXID(1, 1), MSG_BULK_SNAPSHOT, ZXID(1, 2), NULL, 0,
		  "a snapshot comes where the log was to go on" },
		{ MSG_BULK_SNAPSHOT, ZXID(1, 1), MSG_BULK_DATA, 0, "ZKSN\0\0\0\3........", 16,
		  "the snapshot is none" },
		{ MSG_BULK_SNAPSHOT, ZXID(1, 1), MSG_BULK_DATA, 0, "XKSN\0\0\0\2........", 16,
		  "the snapshot is none" },
		{ MSG_BULK_SNAPSHOT, ZXID(1, 1), MSG_BULK_END, 0, NULL, 0,
		  "the end of the log out of its turn" },
		{ MSG_BULK_SNAPSHOT, ZXID(1, 1), MSG_BULK_SNAPSHOT_END, 0, NULL, 0,
		  "the snapshot ends early" },
		{ MSG_BULK_SNAPSHOT, ZXID(1, 1), MSG_BULK_DATA, 0,
		  "ZKSN\0\0\0\2........\377\377\377\377\377\377\377\377", 24, "the snapshot is damaged" },
	};

	(void)header;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		ask_for_snapshot();
		open_channel();
		if (rows[i].first != 0)
			bulk(rows[i].first, rows[i].first_zxid, NULL, 0);
		bulk(rows[i].type, rows[i].zxid, rows[i].body, rows[i].len);
		expect_closed(rows[i].why);
		ck_assert(!NODE->channels[15].open);
	}
	setup();
	ask_for_snapshot();
	open_channel();
	bulk(MSG_BULK_TXN, ZXID(1, 3), "............\0\0\0\1\0\0\0\3............", 32);
	expect_closed("a txn out of its turn");
}
END_TEST

START_TEST(channels_that_end)
{
	struct zab_event end = { .type = ZAB_CHANNEL_CLOSED, .fd = -1 };
	uint64_t seq;

	/* Before anything came: asked again, not for ever. */
	ask_for_snapshot();
	end.peer = peer;
	for (int i = 0; i < 3; i++) {
		seq = NODE->zab.load_seq;
		open_channel();
		net_step(1, &end);
		ck_assert_uint_eq(NODE->zab.load_seq, seq + 1);
	}
	open_channel();
	net_step(1, &end);
	expect_closed("the log did not bring what it misses");
	/* In the middle of a snapshot: nothing can mend that connection. */
	setup();
	ask_for_snapshot();
	end.peer = peer;
	open_channel();
	bulk(MSG_BULK_SNAPSHOT, ZXID(1, 1), NULL, 0);
	net_step(1, &end);
	expect_closed("logd's channel ended in the middle of a snapshot");
	/* logd dies before it answers: its successor is asked. */
	setup();
	ask_for_snapshot();
	net_link_down(1, ZAB_LOGD);
	NODE->logd_stuck = false;
	seq = NODE->zab.load_seq;
	net_link_up(1, ZAB_LOGD);
	net_run();
	ck_assert_uint_gt(NODE->zab.load_seq, seq);
	ck_assert_uint_gt(buf_len(&net.heard), 20000);
	/* An answer that nobody waits for is closed. */
	NODE->channels[14] = (struct net_channel){ .open = true };
	net_step(1, &(struct zab_event){ .type = ZAB_FRAME,
					 .link = ZAB_LOGD,
					 .fd = 14,
					 .frame = { .type = MSG_LOAD_CHANNEL, .seq = 12345 } });
	ck_assert(!NODE->channels[14].open);
}
END_TEST

/* A learner that takes nothing: its channel is not read, and what is proposed closes it in the end. */
START_TEST(a_learner_that_reads_nothing)
{
	static char chunk[1 << 20];

	ask_for_snapshot();
	net_find_pipe(1, 0);
	for (size_t i = 0; i < sizeof net.pipes / sizeof net.pipes[0]; i++)
		if (net.pipes[i].used && net.pipes[i].peer[0] == peer)
			net.pipes[i].deaf[1] = true;
	open_channel();
	bulk(MSG_BULK_SNAPSHOT, ZXID(1, 1), NULL, 0);
	memcpy(chunk, "ZKSN\0\0\0\2........\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\0", 32);
	bulk(MSG_BULK_DATA, 0, chunk, 32);
	ck_assert(!NODE->channels[15].deaf);
	memset(chunk, 0, sizeof chunk);
	bulk(MSG_BULK_DATA, 0, chunk, sizeof chunk);
	ck_assert(NODE->channels[15].deaf);
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_WROTE, .fd = -1, .peer = peer, .count = 900000 });
	ck_assert(!NODE->channels[15].deaf);
}
END_TEST

START_TEST(learners_are_told_to_clientd)
{
	const struct net_event *e;

	lead();
	e = net_asked(1, MSG_LEARNERS);
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_eq(e->event.frame.seq, 1);
	net_cut(1, 0);
	net_run();
	ck_assert_uint_eq(net_asked(1, MSG_LEARNERS)->event.frame.seq, 0);
}
END_TEST

/* Whole ensembles */

static void
whole(int n, int voters)
{
	net_init(n, voters);
}

static void
expect_all(int leader)
{
	for (int i = 1; i <= net.nnodes; i++) {
		if (!net.nodes[i].alive)
			continue;
		ck_assert_msg(net_serves(i), "%d does not serve: %s", i, net.nodes[i].closed);
		net_expect_same(leader, i);
		ck_assert_uint_eq(net.nodes[i].applied, net.nodes[leader].applied);
	}
}

START_TEST(the_leader_dies_and_another_goes_on)
{
	whole(3, 3);
	net_establish(3);
	for (int i = 0; i < 5; i++)
		net_propose(3, 0);
	net_run();
	net_propose(3, 0); /* reaches nobody */
	net_crash(3);
	net.nodes[3].alive = false;
	net_run();
	ck_assert(net.nodes[1].looking && net.nodes[2].looking);
	net_elect(2);
	net_run();
	net_propose(2, 0);
	net_run();
	expect_all(2);
	ck_assert_uint_eq(net.nodes[2].epochs.current, 2);
	/* The old one comes back with what it alone had. */
	net.nodes[3].alive = true;
	net_start(3);
	net_run();
	net_elect(2);
	net_run();
	expect_all(2);
	ck_assert_uint_eq(net.nodes[1].applied, ZXID(2, 1));
}
END_TEST

START_TEST(five_servers_and_an_observer)
{
	whole(5, 4);
	net_fill(2, 1, 1, 9);
	net_fill(4, 1, 1, 3);
	net_establish(2);
	net_pass(NET_TICK_MS); /* the observer waits until the disk has nobody else to serve */
	expect_all(2);
	net.chunk = 13;
	for (int i = 0; i < 50; i++)
		net_propose(2, 0);
	net_run();
	expect_all(2);
	ck_assert_int_eq(net.nodes[5].role.role, ZAB_OBSERVER);
	/* An observer alone is no quorum. */
	for (int i = 1; i <= 4; i++)
		if (i != 2) {
			net_crash(i);
			net.nodes[i].alive = false;
		}
	net_run();
	net_pass(3 * NET_TICK_MS);
	ck_assert(net.nodes[2].looking);
	ck_assert_str_eq(net.nodes[2].zab.left, "too few followers are left for a quorum");
}
END_TEST

START_TEST(connections_that_carry_nothing_end_on_both_sides)
{
	whole(3, 3);
	net_establish(1);
	net_find_pipe(1, 2)->cut = true;
	net_find_pipe(1, 3)->cut = true;
	net_pass((NET_SYNC + 3) * NET_TICK_MS);
	for (int i = 1; i <= 3; i++)
		ck_assert_int_eq(net.nodes[i].role.role, ZAB_LOOKING);
	net_elect(1);
	net_run();
	expect_all(1);
}
END_TEST

START_TEST(held_learners_make_it_fast)
{
	whole(3, 3);
	net_fill(1, 1, 1, 3);
	for (int i = 1; i <= 3; i++)
		net_start(i);
	/* 2 and 3 know it before 1 does. */
	net.nodes[1].looking = false;
	net_elect(1);
	net_run();
	ck_assert_int_eq(net.nodes[2].zab.part, ZAB_FOLLOWER);
	net.nodes[1].looking = true;
	net_elect(1);
	net_run();
	expect_all(1);
	ck_assert_uint_eq(net.nodes[2].zab.learn.attempt, 1);
}
END_TEST

START_TEST(a_member_of_one)
{
	whole(1, 1);
	net_establish(1);
	expect_all(1);
	net_propose(1, 0);
	net_run();
	ck_assert_uint_eq(net.nodes[1].applied, ZXID(1, 1));
	net_pass(10 * NET_TICK_MS);
	expect_all(1);
}
END_TEST

/* Members */

/* Without reconfigEnabled each goes by its file, and a version that a leader made up is soon forgotten. */
START_TEST(file_says_who_takes_part)
{
	whole(2, 2);
	for (int i = 1; i <= 2; i++) {
		with_members(i, members_0);
		zab_free(&net.nodes[i].zab);
		net.nodes[i].config.reconfig = false;
		zab_init(&net.nodes[i].zab, &net.nodes[i].config);
	}
	net_establish(1);
	expect_all(1);
	for (int i = 1; i <= 2; i++) {
		ck_assert_ptr_null(net_asked(i, MSG_CONFIG));
	}
}
END_TEST

START_TEST(first_version_comes_with_the_epoch)
{
	const struct net_event *e;

	whole(2, 2);
	with_members(1, members_0);
	with_members(2, members_0);
	net_establish(1);
	expect_all(1);
	for (int i = 1; i <= 2; i++) {
		e = net_asked(i, MSG_CONFIG);
		ck_assert_ptr_nonnull(e);
		ck_assert_uint_eq(e->event.frame.zxid, ZXID(1, 0));
		ck_assert_ptr_nonnull(
		    memmem(e->event.frame.body.data, e->event.frame.body.len, "version=100000000", 17));
	}
}
END_TEST

START_TEST(members_from_a_peer_of_the_election)
{
	static const char newer[] =
	    "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\n"
	    "version=500000001";

	with_members(1, members_0);
	net_start(1);
	net_frame(1, ZAB_ELECTIOND, MSG_CONFIG, 0, 0, ZXID(5, 1), slice_str(newer));
	ck_assert_uint_eq(NODE->zab.config.quorums.current.nvoters, 3);
	ck_assert_uint_eq(net_asked(1, MSG_CONFIG)->event.frame.zxid, ZXID(5, 1));
	/* An older one is none. */
	net_frame(1, ZAB_ELECTIOND, MSG_CONFIG, 0, 0, 0, slice_str(members_0));
	ck_assert_uint_eq(NODE->zab.config.quorums.current.nvoters, 3);
	/* To who comes later too. */
	net_link_down(1, ZAB_CLIENTD);
	net_link_up(1, ZAB_CLIENTD);
	ck_assert_ptr_nonnull(net_asked(1, MSG_CONFIG));
	net_frame(1, ZAB_ELECTIOND, MSG_CONFIG, 0, 0, 0, SLICE_LIT("nonsense"));
	ck_assert_str_eq(NODE->ended, "malformed members");
	/* A learner of a later one is not ours. */
	net_link_up(1, ZAB_ELECTIOND);
	net_elect(1);
	net_run();
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 0, ZXID(5, 2));
	expect_gone("it has a later configuration than we have");
}
END_TEST

START_TEST(a_leader_reconfigures)
{
	static const char next[] =
	    "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
	    "server.3=c:1:2:participant\nserver.4=d:1:2:participant\nversion=100000001";
	uint8_t body[1024];
	const struct quorum_pair *q = &NODE->zab.config.quorums;

	net_init(3, 3);
	net.fake[2] = true;
	net.nodes[2].alive = net.nodes[3].alive = false;
	with_members(1, members_0);
	net_start(1);
	net_elect(2);
	net_run();
	peer = net.dialled;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, 0);
	say_data(PACKET_NEWLEADER, ZXID(1, 0), "nonsense", 8); /* Java goes on too */
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	ck_assert(net_serves(1));
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(1, 1),
		   slice_of(body, reconfig_body(body, ZXID(1, 1), next)));
	ck_assert(q->has_pending);
	ck_assert_uint_eq(q->pending.nvoters, 4);
	ck_assert_uint_eq(q->current.nvoters, 2);
	say_data(PACKET_COMMITANDACTIVATE, ZXID(1, 1), "\0\0\0\0\0\0\0\2", 8);
	ck_assert(!q->has_pending);
	ck_assert_uint_eq(q->current.nvoters, 4);
	ck_assert_uint_eq(net_asked(1, MSG_CONFIG)->event.frame.zxid, ZXID(1, 1));
	ck_assert_uint_eq(NODE->applied, ZXID(1, 1));
	/* One that makes no sense changes nothing; one that is cut is undone. */
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(1, 2),
		   slice_of(body, reconfig_body(body, ZXID(1, 2), "nonsense")));
	ck_assert(!q->has_pending);
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(1, 3),
		   slice_of(body, reconfig_body(body, ZXID(1, 3), members_0)));
	ck_assert(q->has_pending);
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(1, 4),
		   slice_of(body, reconfig_body(body, ZXID(1, 4), next)));
	net_cut(1, 0);
	net_run();
	net_elect(2);
	net_run();
	peer = net.dialled;
	say_data(PACKET_LEADERINFO, ZXID(2, 0), "\0\1\0\0", 4);
	say(PACKET_TRUNC, ZXID(1, 2));
	ck_assert(!q->has_pending);
	ck_assert_uint_eq(q->current.nvoters, 4);
}
END_TEST

/* From follower to observer and back; and out of the list, where it follows without a vote. */
START_TEST(a_reconfig_changes_our_part)
{
	static const char *const lists[] = {
		"server.1=a:1:2:observer\nserver.2=b:1:2:participant\nversion=100000001",
		"server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=200000001",
		"server.2=b:1:2:participant\nversion=200000002",
	};
	uint8_t body[1024 + 8] = { [7] = 2 };

	net.fake[2] = true;
	with_members(1, members_0);
	net_start(1);
	net_elect(2);
	net_run();
	peer = net.dialled;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, 0);
	say(PACKET_NEWLEADER, ZXID(1, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(1, 1),
		   slice_of(body, reconfig_body(body, ZXID(1, 1), lists[0])));
	ck_assert(net_serves(1));
	say_data(PACKET_COMMITANDACTIVATE, ZXID(1, 1), "\0\0\0\0\0\0\0\2", 8);
	ck_assert_str_eq(NODE->closed, "this server has another part now");
	ck_assert(NODE->looking && NODE->look.observer);
	ck_assert_ptr_nonnull(zab_find_server(&NODE->zab, 2));
	ck_assert_ptr_null(zab_find_server(&NODE->zab, 3));

	net_heard();
	net_elect(2);
	net_run();
	peer = net.dialled;
	ck_assert_str_eq(net_heard(), "OBSERVERINFO 100000000 +20");
	say_data(PACKET_LEADERINFO, ZXID(2, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, ZXID(1, 1));
	say(PACKET_NEWLEADER, ZXID(2, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	ck_assert_int_eq(NODE->role.role, ZAB_OBSERVER);
	net_packet(1, peer, PACKET_INFORMANDACTIVATE, ZXID(2, 1),
		   slice_of(body, 8 + reconfig_body(body + 8, ZXID(2, 1), lists[1])));
	ck_assert(NODE->looking && !NODE->look.observer);

	net_heard();
	net_elect(2);
	net_run();
	peer = net.dialled;
	ck_assert_str_eq(net_heard(), "FOLLOWERINFO 200000000 +20");
	say_data(PACKET_LEADERINFO, ZXID(2, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, ZXID(2, 1));
	say(PACKET_NEWLEADER, ZXID(2, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(2, 2),
		   slice_of(body, reconfig_body(body, ZXID(2, 2), lists[2])));
	say_data(PACKET_COMMITANDACTIVATE, ZXID(2, 2), "\0\0\0\0\0\0\0\2", 8);
	ck_assert(net_serves(1));
	net_cut(1, 0);
	net_run();
	ck_assert(NODE->looking && NODE->look.observer);
}
END_TEST

/* Whoever leads with a reconfig at the end of its log completes it. */
START_TEST(a_reconfig_in_the_initial_history)
{
	static const char next[] = "server.1=a:1:2:participant\nversion=100000001";
	uint8_t body[1024];

	net_init(3, 3);
	net.fake[2] = true;
	net.nodes[2].alive = net.nodes[3].alive = false;
	with_members(1, members_0);
	net_start(1);
	net_elect(2);
	net_run();
	peer = net.dialled;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, 0);
	say(PACKET_NEWLEADER, ZXID(1, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(1, 1),
		   slice_of(body, reconfig_body(body, ZXID(1, 1), next)));
	net_cut(1, 0);
	net_run();
	net_elect(1);
	net_run();
	/* One of one is not enough while the other configuration counts too. */
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	peer = net_connect(1);
	net_heard();
	say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
	expect("LEADERINFO 200000000 +4");
	say_ackepoch(1, ZXID(1, 1));
	say(PACKET_ACK, ZXID(2, 0));
	ck_assert(net_serves(1));
	ck_assert_uint_eq(NODE->zab.config.quorums.current.nvoters, 1);
	net_propose(1, 0);
	net_run();
	ck_assert_uint_eq(NODE->applied, ZXID(2, 1));
}
END_TEST

/* Server 1 has a reconfig in its log, of which it knows no more than that it was proposed. */
static void
follow_a_reconfig(const char *next)
{
	uint8_t body[1024];

	net.fake[2] = true;
	with_members(1, members_0);
	net_start(1);
	net_elect(2);
	net_run();
	peer = net.dialled;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, 0);
	say(PACKET_NEWLEADER, ZXID(1, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(1, 1),
		   slice_of(body, reconfig_body(body, ZXID(1, 1), next)));
	net_cut(1, 0);
	net_run();
}

/* logd keeps it: else the old voters alone would be enough for whoever was born again. */
START_TEST(a_reborn_syncd_knows_the_pending_reconfig)
{
	follow_a_reconfig("server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
			  "server.4=d:1:2:participant\nserver.5=e:1:2:participant\nversion=100000001");
	net_crash(1);
	net_start(1);
	ck_assert(NODE->zab.config.quorums.has_pending);
	ck_assert_uint_eq(NODE->zab.config.quorums.pending.nvoters, 4);
	ck_assert_uint_eq(NODE->zab.config.quorums.current.nvoters, 2);
	net_elect(1);
	net_run();
	net_heard();
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
	expect("");
	/* Who is no more than an observer as far as it knows itself has promised all the same. */
	peer = net_connect(1);
	say_info(PACKET_OBSERVERINFO, 4, 1, 0);
	expect("LEADERINFO 200000000 +4, LEADERINFO 200000000 +4");
}
END_TEST

/* What did not get into the log was nowhere committed; and below a snapshot nothing is pending. */
START_TEST(a_reconfig_that_is_in_no_log)
{
	static const char kept[] = "server.1=a:1:2:participant\nversion=100000001";

	with_members(1, members_0);
	buf_put(&NODE->members, kept, sizeof kept - 1);
	net_start(1);
	ck_assert(NODE->zab.config.quorums.has_pending);
	net_elect(1);
	net_run();
	ck_assert(!NODE->zab.config.quorums.has_pending);
	net_crash(1);
	buf_reset(&NODE->members, 0);
	buf_put(&NODE->members, kept, sizeof kept - 1);
	NODE->base = NODE->snapshot = NODE->oldest = ZXID(2, 7);
	net_start(1);
	ck_assert(!NODE->zab.config.quorums.has_pending);
}
END_TEST

START_TEST(a_leader_that_votes_no_more_gives_up)
{
	follow_a_reconfig("server.1=a:1:2:observer\nserver.2=b:1:2:participant\nversion=100000001");
	net_elect(1);
	net_run();
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
	say_ackepoch(1, ZXID(1, 1));
	say(PACKET_ACK, ZXID(2, 0));
	ck_assert_str_eq(NODE->closed, "this server does not vote any more");
	ck_assert(NODE->looking && NODE->look.observer);
}
END_TEST

/* A learner whose missing txns come from the disk: server 3, which has 1:2 (or what is said), of a leader that has
 * forgotten all but the last ones. The test is logd's channel too. */
static void
ask_for_log(uint64_t has)
{
	lead();
	NODE->logd_stuck = true;
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 2, 0);
	say_ackepoch(1, has);
	net_heard();
}

START_TEST(log_and_memory_meet)
{
	uint32_t learner, follower;

	ask_for_log(ZXID(1, 2));
	learner = peer;
	follower = peer - 1;
	open_channel();
	bulk(MSG_BULK_LOG, ZXID(1, 2), NULL, 0);
	expect("");
	bulk_txn(ZXID(1, 3));
	expect("DIFF 100000005, PROPOSAL 100000003 +48, COMMIT 100000003");
	/* Meanwhile memory runs away from where the learner stands. */
	NODE->logd_stuck = false;
	peer = follower;
	for (uint32_t i = 1; i <= 40; i++) {
		net_propose(1, 0);
		net_run();
		say(PACKET_ACK, ZXID(2, i));
	}
	net_heard();
	NODE->logd_stuck = true;
	peer = learner;
	bulk(MSG_BULK_END, ZXID(1, 5), NULL, 0);
	expect("");
	open_channel();
	bulk(MSG_BULK_LOG, ZXID(1, 3), NULL, 0);
	bulk_txn(ZXID(1, 3)); /* has it */
	bulk_txn(ZXID(1, 4));
	bulk_txn(ZXID(1, 5));
	net_heard();
	for (uint32_t i = 1; i <= 30; i++)
		bulk_txn(ZXID(2, i));
	net_heard();
	bulk_txn(ZXID(2, 99)); /* beyond what is committed */
	expect("");
	bulk(MSG_BULK_END, ZXID(2, 99), NULL, 0);
	ck_assert_ptr_nonnull(strstr(net_heard(), "PROPOSAL 20000001f +48"));
	expect("");
	say(PACKET_ACK, ZXID(2, 0));
	expect("UPTODATE ffffffffffffffff");
}
END_TEST

START_TEST(log_decides)
{
	static const struct {
		uint64_t has, log, next;
		const char *heard;
	} rows[] = {
		{ ZXID(1, 3), ZXID(1, 2), ZXID(1, 4),
		  "TRUNC 100000002, PROPOSAL 100000004 +48, COMMIT 100000004" }, /* one that we do not have */
		{ ZXID(1, 0), 0, ZXID(1, 1), "DIFF 100000005, PROPOSAL 100000001 +48, COMMIT 100000001" },
		{ ZXID(0, 7), 0, ZXID(1, 1), "" },
		{ ZXID(0, 0), 0, 0,
		  "DIFF 100000005" }, /* the log ends with it: what is missing is in memory */
		{ ZXID(1, 3), ZXID(1, 2), 0, "" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t seq;

		setup();
		ask_for_log(rows[i].has);
		seq = NODE->zab.load_seq;
		open_channel();
		bulk(MSG_BULK_LOG, rows[i].log, NULL, 0);
		if (rows[i].next != 0)
			bulk_txn(rows[i].next);
		else
			bulk(MSG_BULK_END, rows[i].log, NULL, 0);
		expect(rows[i].heard);
		/* Where that is nothing a snapshot is asked for; else, at the end, the rest. */
		ck_assert_uint_eq(NODE->zab.load_seq, seq + (rows[i].heard[0] == '\0' || rows[i].next == 0));
	}
}
END_TEST

START_TEST(channel_ends_behind_its_decision)
{
	struct zab_event end = { .type = ZAB_CHANNEL_CLOSED, .fd = -1 };
	uint64_t seq;

	ask_for_log(ZXID(1, 2));
	end.peer = peer;
	open_channel();
	bulk(MSG_BULK_LOG, ZXID(1, 2), NULL, 0);
	bulk_txn(ZXID(1, 3));
	seq = NODE->zab.load_seq;
	net_step(1, &end);
	ck_assert_uint_eq(NODE->zab.load_seq, seq + 1); /* from 1:3 */
	net_step(1, &end);                              /* there is none */
	bulk(MSG_BULK_END, 0, NULL, 0);
	ck_assert_uint_eq(NODE->zab.load_seq, seq + 1);
	open_channel();
	bulk(MSG_BULK_LOG, ZXID(1, 4), NULL, 0);
	expect_closed("logd's log begins beyond what was asked");
	/* logd is away when it is to be asked. */
	setup();
	lead();
	net_link_down(1, ZAB_LOGD);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 2, 0);
	say_ackepoch(1, ZXID(1, 2));
	net_heard();
	net_link_up(1, ZAB_LOGD);
	net_run();
	expect("DIFF 100000005, PROPOSAL 100000003 +48, COMMIT 100000003, PROPOSAL 100000004 +48, "
	       "COMMIT 100000004, PROPOSAL 100000005 +48, COMMIT 100000005, NEWLEADER 200000000");
}
END_TEST

/* A snapshot's file in odd pieces; what follows the last node stays here. */
START_TEST(snapshot_file_in_odd_pieces)
{
	static const char file[] = "ZKSN\0\0\0\2........\0\0\0\0\0\0\0\0\0\0\0\1/";

	ask_for_snapshot();
	open_channel();
	bulk(MSG_BULK_SNAPSHOT, ZXID(1, 1), NULL, 0);
	bulk(MSG_BULK_DATA, 0, file, 5);
	bulk(MSG_BULK_DATA, 0, file + 5, 11);
	bulk(MSG_BULK_DATA, 0, "", 0);
	bulk(MSG_BULK_DATA, 0, file + 16, sizeof file - 1 - 16);
	bulk(MSG_BULK_DATA, 0, "a seal", 6);
	bulk(MSG_BULK_SNAPSHOT_END, 0, NULL, 0);
	/* SNAP, 13 bytes of stream, 14 of signature. */
	ck_assert_uint_eq(buf_len(&net.heard), 20 + sizeof file - 1 - 16 + 14);
	bulk(MSG_BULK_END, ZXID(1, 5), NULL, 0);
	ck_assert_str_eq(NODE->closed, "");
}
END_TEST

START_TEST(learners_on_their_way_get_nothing_else)
{
	uint32_t follower, observer;

	lead();
	follower = peer;
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 2, 0);
	expect("LEADERINFO 200000000 +4");
	net_propose(1, 0);
	net_run();
	expect("PROPOSAL 200000001 +48"); /* the follower's alone */
	observer = peer = net_connect(1);
	say_info(PACKET_OBSERVERINFO, 4, 2, 0);
	net_heard();
	peer = follower;
	say(PACKET_ACK, ZXID(2, 1));
	expect("COMMIT 200000001");
	net_pass(NET_TICK_MS);
	expect("PING 200000001, PING 200000001");
	/* A quorum's check counts who is in sync. */
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_CLOSED, .fd = -1, .peer = follower });
	net_pass(2 * NET_TICK_MS);
	ck_assert_str_eq(NODE->zab.left, "too few followers are left for a quorum");
	(void)observer;
}
END_TEST

START_TEST(early_observers_and_strangers_do_not_count)
{
	elect(1);
	peer = net_connect(1);
	say_info(PACKET_OBSERVERINFO, 4, 9, 0);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 77, 9, 0); /* not in the configuration */
	expect("");
	net_connect(1); /* says nothing */
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 0, 0);
	/* The epoch is above those of voters; the two are told, and cannot follow it. */
	ck_assert_uint_eq(NODE->zab.epoch, 1);
	say_ackepoch(0, 0);
	say(PACKET_ACK, ZXID(1, 0));
	ck_assert(net_serves(1));
	net_heard();
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 77, 1, 0);
	say_ackepoch(0, 0);
	say(PACKET_ACK, ZXID(1, 0));
	net_propose(1, 0);
	net_run();
	say(PACKET_ACK, ZXID(1, 1));
	ck_assert_uint_eq(NODE->zab.committed, 0);
	net_heard();
	/* Too late for a vote, too early for a new epoch. */
	setup();
	elect(1);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 0, 0);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 5, 0);
	expect_closed("it has accepted a later epoch");
	ck_assert_int_eq(NODE->zab.part, ZAB_LEADER);
}
END_TEST

START_TEST(touches_come_when_clientd_cannot_use_them)
{
	lead();
	net_link_down(1, ZAB_CLIENTD);
	say_data(PACKET_PING, 0, "SSSSSSSSTTTT", 12);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	ck_assert_uint_eq(NODE->zab.requests.bytes.count, 1);
	net_link_up(1, ZAB_CLIENTD);
	net_run();
	ck_assert_uint_eq(net_asked(1, MSG_REQUEST)->event.frame.seq, 1);
}
END_TEST

START_TEST(siblings_away_while_it_is_established)
{
	/* logd when the epoch is to be stored, electiond and clientd all the time. */
	elect(1);
	net_link_down(1, ZAB_LOGD);
	net_link_down(1, ZAB_ELECTIOND);
	net_link_down(1, ZAB_CLIENTD);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 0, 0);
	expect("");
	net_link_up(1, ZAB_LOGD);
	net_run();
	expect("LEADERINFO 100000000 +4");
	NODE->tells = 0;
	net_link_up(1, ZAB_ELECTIOND); /* told what we are about to be */
	ck_assert_uint_eq(NODE->tells, 1);
	ck_assert_uint_eq(NODE->told.epoch, 0);
	net_link_down(1, ZAB_ELECTIOND);
	say_ackepoch(0, 0);
	say(PACKET_ACK, ZXID(1, 0));
	expect("DIFF 0, NEWLEADER 100000000, UPTODATE ffffffffffffffff");
	ck_assert_int_eq(NODE->zab.role, ZAB_LEADER);
	ck_assert_uint_eq(NODE->tells, 1);
	net_link_up(1, ZAB_CLIENTD);
	net_run();
	ck_assert(net_serves(1));
	net_frame(1, ZAB_LOGD, MSG_EPOCHS, 0, 99, 0, SLICE_NULL);
	ck_assert_str_eq(NODE->ended, "an answer to what was not asked");
}
END_TEST

START_TEST(many_answers_wait)
{
	lead();
	net_propose(1, 0);
	net_run();
	for (uint64_t i = 1; i <= 40; i++) {
		say_data(PACKET_REQUEST, PACKET_NO_ZXID, sync_request, sizeof sync_request - 1);
		if (i == 20) {
			net_propose(1, 0);
			net_run();
		}
		net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, i, 0, SLICE_NULL);
	}
	net_run();
	net_heard();
	ck_assert_uint_eq(NODE->zab.lead.nwaits, 40);
	say(PACKET_ACK, ZXID(2, 1));
	ck_assert_uint_eq(NODE->zab.lead.nwaits, 21);
	say(PACKET_ACK, ZXID(2, 2));
	ck_assert_uint_eq(NODE->zab.lead.nwaits, 0);
}
END_TEST

/* The list is the file's where reconfig is off: the leader's version is nobody's. */
START_TEST(members_without_reconfig)
{
	with_members(1, members_0);
	NODE->zab.config.reconfig = false;
	net_start(1);
	net_frame(1, ZAB_ELECTIOND, MSG_CONFIG, 0, 0, ZXID(5, 1),
		  SLICE_LIT("server.1=a:1:2:participant\nversion=500000001"));
	ck_assert_uint_eq(NODE->zab.config.quorums.current.nvoters, 2);
	net_elect(1);
	net_run();
	/* Not while in a role either. */
	NODE->zab.config.reconfig = true;
	net_frame(1, ZAB_ELECTIOND, MSG_CONFIG, 0, 0, ZXID(5, 1),
		  SLICE_LIT("server.1=a:1:2:participant\nversion=500000001"));
	ck_assert_uint_eq(NODE->zab.config.quorums.current.nvoters, 2);
}
END_TEST

/* What logd has done is measured by time only when it is up. */
START_TEST(a_small_disk_holds_up_nobody)
{
	lead();
	NODE->disk_failed = true;
	net_link_down(1, ZAB_LOGD);
	net_link_up(1, ZAB_LOGD);
	ck_assert_str_eq(NODE->zab.left, "the disk failed");
	ck_assert_uint_eq(NODE->leaves, 1);
	NODE->disk_failed = false;
	net_frame(1, ZAB_LOGD, MSG_DISK, 0, 0, ZXID(1, 5), SLICE_NULL);
	ck_assert(NODE->looking);
}
END_TEST

/* A learner's reconfig that was never committed: the next leader knows better; and one that changes nothing. */
START_TEST(a_reconfig_that_is_overtaken)
{
	static const char pending[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
				      "server.4=d:1:2:participant\nversion=100000001";
	static const char later[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
				    "server.3=c:1:2:participant\nversion=200000000";
	const struct quorum_pair *q = &NODE->zab.config.quorums;
	uint8_t body[1024];

	net.fake[2] = true;
	with_members(1, members_0);
	net_start(1);
	net_elect(2);
	net_run();
	peer = net.dialled;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, 0);
	say(PACKET_NEWLEADER, ZXID(1, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(1, 1),
		   slice_of(body, reconfig_body(body, ZXID(1, 1), pending)));
	ck_assert(q->has_pending);
	net_cut(1, 0);
	net_run();
	net_elect(2);
	net_run();
	peer = net.dialled;
	say_data(PACKET_LEADERINFO, ZXID(2, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, ZXID(1, 1));
	say_data(PACKET_NEWLEADER, ZXID(2, 0), later, sizeof later - 1);
	/* Nobody has agreed to it yet. */
	ck_assert(q->has_pending);
	ck_assert_uint_eq(q->current.nvoters, 2);
	ck_assert_uint_eq(q->pending.nvoters, 3);
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	ck_assert(!q->has_pending);
	ck_assert_uint_eq(q->current.nvoters, 3);
	ck_assert(net_serves(1));
	/* Older than what is in force: a txn like any other. */
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(2, 1),
		   slice_of(body, reconfig_body(body, ZXID(2, 1), members_0)));
	ck_assert(q->has_pending);
	say(PACKET_COMMIT, ZXID(2, 1));
	ck_assert(!q->has_pending);
	ck_assert_uint_eq(q->current.nvoters, 3);
}
END_TEST

/* Those who vote only in the pending configuration count too, from the reconfig txn on. */
START_TEST(voters_of_the_pending_configuration)
{
	static const char pending[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
				      "server.4=d:1:2:participant\nversion=100000001";
	uint8_t body[1024];

	net.fake[2] = true;
	with_members(1, members_0);
	net_start(1);
	net_elect(2);
	net_run();
	peer = net.dialled;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, 0);
	say(PACKET_NEWLEADER, ZXID(1, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	net_packet(1, peer, PACKET_PROPOSAL, ZXID(1, 1),
		   slice_of(body, reconfig_body(body, ZXID(1, 1), pending)));
	net_cut(1, 0);
	net_run();
	net_elect(1);
	net_run();
	net_heard();
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 4, 1, 0);
	expect(""); /* 1 and 4 are a quorum of the new one, not of the old */
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
	expect("LEADERINFO 200000000 +4, LEADERINFO 200000000 +4");
	say_ackepoch(1, ZXID(1, 1));
	say(PACKET_ACK, ZXID(2, 0));
	ck_assert(net_serves(1));
	ck_assert(!NODE->zab.config.quorums.has_pending);
	ck_assert_uint_eq(NODE->zab.config.quorums.current.nvoters, 3);
}
END_TEST

/* Server 1 leads, server 2 follows; the reconfig is its clientd's. */
static void
reconfigure_as_leader(const char *list)
{
	static const char three[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
				    "server.3=c:1:2:participant\nversion=0";
	uint8_t body[1024];

	net.fake[2] = true;
	net.nodes[2].alive = net.nodes[3].alive = false;
	with_members(1, three);
	net_start(1);
	net_elect(1);
	net_run();
	net_heard();
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 0, 0);
	say_ackepoch(0, 0);
	say(PACKET_ACK, ZXID(1, 0));
	ck_assert(net_serves(1));
	net_heard();
	net_frame(1, ZAB_CLIENTD, MSG_PROPOSE, 0, 0, ZXID(1, 1),
		  slice_of(body, reconfig_body(body, ZXID(1, 1), list)));
	net_run();
}

static void
expect_designated(uint8_t sid)
{
	const struct quorum_pair *q = &NODE->zab.config.quorums;
	const struct net_event *e;
	uint64_t version = 0;

	ck_assert(q->has_pending);
	net_heard();
	say(PACKET_ACK, ZXID(1, 1));
	expect("COMMITANDACTIVATE 100000001 +8");
	ck_assert_uint_eq(NODE->zab.lead.designated, sid);
	ck_assert(!q->has_pending);
	while ((e = net_asked(1, MSG_CONFIG)) != NULL)
		version = e->event.frame.zxid;
	ck_assert_uint_eq(version, ZXID(1, 1));
}

START_TEST(a_reconfig_of_our_own)
{
	reconfigure_as_leader("server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=100000001");
	expect_designated(1);
	ck_assert(!NODE->zab.lead.resigned && net_serves(1));
	net_propose(1, 0);
	net_run();
	net_heard();
	say(PACKET_ACK, ZXID(1, 2));
	expect("COMMIT 100000002");
}
END_TEST

START_TEST(a_reconfig_that_ends_our_lead)
{
	static const char *const lists[] = {
		"server.2=b:1:2:participant\nserver.3=c:1:2:participant\nserver.4=d:1:2:participant\nversion="
		"100000001",
		"server.1=a:1:2:observer\nserver.2=b:1:2:participant\nversion=100000001",
		"server.1=a:9:2:participant\nserver.2=b:1:2:participant\nversion=100000001",
	};

	reconfigure_as_leader(lists[_i]);
	if (_i == 0) { /* needs two of the three new ones */
		say(PACKET_ACK, ZXID(1, 1));
		ck_assert_ptr_null(strstr(net_heard(), "COMMIT"));
		ck_assert(NODE->zab.config.quorums.has_pending);
		return;
	}
	expect_designated(2);
	ck_assert(NODE->zab.lead.resigned);
	/* What is proposed from here on is the next leader's to commit. */
	net_propose(1, 0);
	net_run();
	net_heard();
	say(PACKET_ACK, ZXID(1, 2));
	expect("");
	ck_assert_uint_eq(NODE->zab.committed, ZXID(1, 1));
	for (int i = 0; i < 8 && !NODE->looking; i++) {
		net_pass(NET_TICK_MS / 2);
		if (!NODE->looking)
			say(PACKET_PING, 0);
	}
	ck_assert(NODE->looking);
	ck_assert_int_eq(NODE->look.observer, _i == 1);
}
END_TEST

/* One that stands alone has no peers. */
START_TEST(standalone_has_no_peers)
{
	NODE->config.standalone = true;
	zab_free(&NODE->zab);
	zab_init(&NODE->zab, &NODE->config);
	net_start(1);
	ck_assert(net_serves(1) || NODE->role.standalone);
	net_connect(1);
	ck_assert_str_eq(NODE->closed, "this server has no ensemble");
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("zab leader");
	TCase *c = tcase_create("leader");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, one_course_of_everything);
	tcase_add_test(c, epoch_is_announced_when_it_is_on_disk);
	tcase_add_test(c, learners_that_are_none_of_ours);
	tcase_add_test(c, ackepochs);
	tcase_add_test(c, latecomers_and_those_that_do_not_count);
	tcase_add_test(c, uninitialised_learner_gets_a_snapshot);
	tcase_add_test(c, a_later_epoch_was_promised);
	tcase_add_test(c, acks_that_make_no_sense);
	tcase_add_test(c, acks_of_a_diff_before_that_of_newleader);
	tcase_add_test(c, acks_end_with_their_connection);
	tcase_add_test(c, proposals_come_behind_newleader);
	tcase_add_test(c, observers_get_informs);
	tcase_add_test(c, observers_wait_for_a_snapshot_in_turn);
	tcase_add_test(c, pings);
	tcase_add_test(c, silent_learners_go);
	tcase_add_test(c, silent_learners_go_fast);
	tcase_add_test(c, a_proposal_that_is_not_acked);
	tcase_add_test(c, nobody_comes_or_nobody_goes_on);
	tcase_add_test(c, voters_turn_away);
	tcase_add_test(c, held_connections);
	tcase_add_test(c, garbage_before_it_is_live);
	tcase_add_test(c, requests_go_to_clientd_and_come_back_as_txns);
	tcase_add_test(c, requests_wait_for_credit);
	tcase_add_test(c, syncs_wait_for_what_is_outstanding);
	tcase_add_test(c, a_sync_is_answered_between_two_commits);
	tcase_add_test(c, answers_that_make_no_sense);
	tcase_add_test(c, requests_that_are_none);
	tcase_add_test(c, clientd_dies_with_requests);
	tcase_add_test(c, a_learner_goes_while_its_requests_are_with_clientd);
	tcase_add_test(c, what_makes_a_leader_step_down);
	tcase_add_test(c, the_epoch_runs_out_of_zxids);
	tcase_add_test(c, epochs_cannot_be_stored);
	tcase_add_test(c, channels_that_lie);
	tcase_add_test(c, channels_that_end);
	tcase_add_test(c, a_learner_that_reads_nothing);
	tcase_add_test(c, learners_are_told_to_clientd);
	tcase_add_test(c, the_leader_dies_and_another_goes_on);
	tcase_add_test(c, five_servers_and_an_observer);
	tcase_add_test(c, connections_that_carry_nothing_end_on_both_sides);
	tcase_add_test(c, held_learners_make_it_fast);
	tcase_add_test(c, a_member_of_one);
	tcase_add_test(c, first_version_comes_with_the_epoch);
	tcase_add_test(c, file_says_who_takes_part);
	tcase_add_test(c, members_from_a_peer_of_the_election);
	tcase_add_test(c, a_leader_reconfigures);
	tcase_add_test(c, a_reconfig_changes_our_part);
	tcase_add_test(c, a_reconfig_in_the_initial_history);
	tcase_add_test(c, a_reborn_syncd_knows_the_pending_reconfig);
	tcase_add_test(c, a_reconfig_that_is_in_no_log);
	tcase_add_test(c, a_leader_that_votes_no_more_gives_up);
	tcase_add_test(c, log_and_memory_meet);
	tcase_add_test(c, log_decides);
	tcase_add_test(c, channel_ends_behind_its_decision);
	tcase_add_test(c, snapshot_file_in_odd_pieces);
	tcase_add_test(c, learners_on_their_way_get_nothing_else);
	tcase_add_test(c, early_observers_and_strangers_do_not_count);
	tcase_add_test(c, touches_come_when_clientd_cannot_use_them);
	tcase_add_test(c, siblings_away_while_it_is_established);
	tcase_add_test(c, many_answers_wait);
	tcase_add_test(c, members_without_reconfig);
	tcase_add_test(c, a_small_disk_holds_up_nobody);
	tcase_add_test(c, a_reconfig_that_is_overtaken);
	tcase_add_test(c, voters_of_the_pending_configuration);
	tcase_add_test(c, a_reconfig_of_our_own);
	tcase_add_loop_test(c, a_reconfig_that_ends_our_lead, 0, 3);
	tcase_add_test(c, standalone_has_no_peers);
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
