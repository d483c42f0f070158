/*
 * A learner, row by row: the test is its leader, and says packet by packet what comes. See zab_net.h.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "disk/snapshot.h"
#include "syncd/packet.h"
#include "zab_talk.h"

enum { LEADER = 2 };

static struct slice
txn(uint64_t zxid)
{
	static uint8_t body[NET_TXN_BYTES];

	memset(body, 0, sizeof body);
	put_be64(body + 12, zxid);
	put_be64(body + 40, zxid);
	return slice_of(body, sizeof body);
}

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
	net_fill(1, 1, 1, 2);
	discover(2);
	say(PACKET_DIFF, ZXID(1, 4));
	say_txn(PACKET_PROPOSAL, ZXID(1, 3));
	say(PACKET_COMMIT, ZXID(1, 3));
	say(PACKET_PING, 0); /* no answer: a Java leader wants its ACK next */
	say_txn(PACKET_PROPOSAL, ZXID(1, 4));
	say(PACKET_COMMIT, ZXID(1, 4));
	say_txn(PACKET_PROPOSAL, ZXID(2, 1)); /* in flight */
	expect("");
	ck_assert_uint_eq(NODE->epochs.current, 1);
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	say(PACKET_NEWLEADER, ZXID(2, 0));
	expect("ACK 200000000, ACK 200000001");
	ck_assert_uint_eq(NODE->epochs.current, 2);
	say_txn(PACKET_PROPOSAL, ZXID(2, 2));
	say(PACKET_COMMIT, ZXID(2, 1));
	expect("ACK 200000002");
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	expect("ACK 200000000");
	ck_assert(net_serves(1));
	ck_assert_uint_eq(NODE->role.proposed, ZXID(2, 2));
	ck_assert_uint_eq(NODE->role.committed, ZXID(2, 1));
	ck_assert_uint_eq(NODE->told.epoch, 2);
	say(PACKET_COMMIT, ZXID(2, 2));
	ck_assert_uint_eq(NODE->applied, ZXID(2, 2));
	ck_assert_uint_eq(NODE->nbodies, 0);
	say_txn(PACKET_PROPOSAL, ZXID(2, 3));
	say(PACKET_COMMIT, ZXID(2, 3));
	expect("ACK 200000003");
	ck_assert_uint_eq(NODE->nbodies, 1);
	say(PACKET_PING, ZXID(2, 3));
	expect("PING 200000003 +0");
}
END_TEST

/* History, then epoch, then ACK: while logd does not answer, nothing of what follows it is said. */
START_TEST(history_before_epoch_before_ack)
{
	uint64_t number;

	discover(1);
	say(PACKET_DIFF, ZXID(1, 1));
	NODE->logd_stuck = true;
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	say(PACKET_COMMIT, ZXID(1, 1));
	say(PACKET_NEWLEADER, ZXID(1, 0));
	expect("");
	ck_assert_int_eq(NODE->zab.task.type, ZAB_NO_TASK);
	net_frame(1, ZAB_LOGD, MSG_DURABLE, 0, 0, ZXID(1, 1), SLICE_NULL);
	net_run();
	expect("");
	ck_assert_int_eq(NODE->zab.task.type, ZAB_STORE_EPOCHS);
	ck_assert_uint_eq(NODE->zab.task.epochs.current, 1);
	number = NODE->zab.task.seq;
	net_frame(1, ZAB_LOGD, MSG_EPOCHS, 0, number, 0, SLICE_NULL);
	net_run();
	expect("ACK 100000000");
}
END_TEST

START_TEST(accepted_epoch_is_stored_before_it_is_promised)
{
	elect(LEADER);
	net_heard();
	NODE->logd_stuck = true;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	expect("");
	net_frame(1, ZAB_LOGD, MSG_EPOCHS, 0, NODE->zab.task.seq, 0, SLICE_NULL);
	net_run();
	expect("ACKEPOCH 0 +4");
}
END_TEST

START_TEST(epochs_that_were_promised_or_passed)
{
	NODE->epochs = (struct zab_epochs){ .accepted = 5, .current = 3 };
	elect(LEADER);
	expect("FOLLOWERINFO 500000000 +20");
	say_data(PACKET_LEADERINFO, ZXID(5, 0), "\0\1\0\0", 4);
	ck_assert_str_eq(net_heard(), "ACKEPOCH 0 +4");
	ck_assert_int_eq(NODE->zab.task.type, ZAB_NO_TASK); /* nothing to store: -1 is said */
	setup();
	NODE->epochs = (struct zab_epochs){ .accepted = 5, .current = 3 };
	elect(LEADER);
	say_data(PACKET_LEADERINFO, ZXID(4, 0), "\0\1\0\0", 4);
	expect_looking("the leader's epoch is below the one we have accepted");
}
END_TEST

START_TEST(epochs_cannot_be_stored)
{
	NODE->refuse_epochs = true;
	elect(LEADER);
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	expect_looking("the epochs could not be stored");
}
END_TEST

START_TEST(packets_that_make_no_sense_end_the_connection)
{
	static const struct {
		int type;
		uint64_t zxid;
		const char *data;
		size_t len;
		const char *why;
	} rows[] = {
		{ PACKET_DIFF, 0, NULL, 0, "a packet out of its turn" },
		{ 0, 0, NULL, 0, "a packet out of its turn" },
		{ -1, 0, NULL, 0, "a packet out of its turn" },
		{ 99, 0, NULL, 0, "a packet out of its turn" },
		{ PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0", 3, "an epoch that cannot be" },
		{ PACKET_LEADERINFO, UINT64_MAX, "\0\1\0\0", 4, "an epoch that cannot be" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		elect(LEADER);
		say_data(rows[i].type, rows[i].zxid, rows[i].data, rows[i].len);
		expect_looking(rows[i].why);
	}
}
END_TEST

/* Behind DIFF at 1:2. */
START_TEST(what_breaks_a_synchronisation)
{
	static const struct {
		int type;
		uint64_t zxid, inner;
		const char *why;
	} rows[] = {
		{ PACKET_PROPOSAL, ZXID(1, 4), ZXID(1, 4), "a gap between proposals" },
		{ PACKET_PROPOSAL, ZXID(1, 2), ZXID(1, 2), "a gap between proposals" },
		{ PACKET_PROPOSAL, ZXID(2, 2), ZXID(2, 2), "a gap between proposals" },
		{ PACKET_PROPOSAL, ZXID(1, 3), ZXID(1, 4), "a txn with another zxid than its message" },
		{ PACKET_PROPOSAL, ZXID(1, 3), 0, "a txn with another zxid than its message" },
		{ PACKET_COMMIT, ZXID(1, 3), 0, "a gap between commits" },
		{ PACKET_INFORM, ZXID(1, 4), ZXID(1, 4), "a gap between proposals" },
		{ PACKET_INFORMANDACTIVATE, ZXID(1, 3), 0, "an INFORMANDACTIVATE that is too short" },
		{ PACKET_NEWLEADER, ZXID(3, 0), 0, "a NEWLEADER of another epoch" },
		{ PACKET_UPTODATE, PACKET_NO_ZXID, 0, "a packet out of its turn" },
		{ PACKET_DIFF, ZXID(1, 2), 0, "a packet out of its turn" },
		{ PACKET_SYNC, 0, 0, "a packet out of its turn" },
		{ PACKET_ACK, 0, 0, "a packet out of its turn" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		net_fill(1, 1, 1, 2);
		discover(2);
		say(PACKET_DIFF, ZXID(1, 2));
		net_packet(1, net.dialled, rows[i].type, rows[i].zxid,
			   rows[i].inner == 0 ? SLICE_NULL : txn(rows[i].inner));
		expect_looking(rows[i].why);
	}
}
END_TEST

START_TEST(informs_may_come_in_a_synchronisation)
{
	char body[8 + NET_TXN_BYTES] = { [7] = LEADER };

	discover(1);
	say(PACKET_DIFF, ZXID(1, 2));
	say_txn(PACKET_INFORM, ZXID(1, 1));
	memcpy(body + 8, txn(ZXID(1, 2)).data, NET_TXN_BYTES);
	say_data(PACKET_INFORMANDACTIVATE, ZXID(1, 2), body, sizeof body);
	say(PACKET_NEWLEADER, ZXID(1, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	ck_assert(net_serves(1));
	ck_assert_uint_eq(NODE->role.committed, ZXID(1, 2));
}
END_TEST

START_TEST(a_gap_in_the_role_is_repaired_in_place)
{
	static const int types[] = { PACKET_PROPOSAL, PACKET_COMMIT };

	for (size_t i = 0; i < 2; i++) {
		uint32_t role;

		setup();
		follow(1);
		say_txn(PACKET_PROPOSAL, ZXID(1, 1));
		say(PACKET_COMMIT, ZXID(1, 1));
		net_heard();
		role = NODE->role.number;
		say_txn(types[i], ZXID(1, 3));
		/* Not looking: the same leader again, in the same epoch, which is promised. */
		ck_assert(!NODE->looking);
		ck_assert_int_eq(NODE->role.role, ZAB_FOLLOWER);
		ck_assert_uint_eq(NODE->role.number, role);
		expect("FOLLOWERINFO 100000000 +20");
		/* What clientd asks meanwhile is asked again in its next role. */
		net_frame(1, ZAB_CLIENTD, MSG_TOUCH, 0, 0, 0, SLICE_LIT("123456789012"));
		say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
		expect("ACKEPOCH 100000001 +4");
		say(PACKET_DIFF, ZXID(1, 3));
		for (uint32_t n = 2; n <= 3; n++) {
			say_txn(PACKET_PROPOSAL, ZXID(1, n));
			say(PACKET_COMMIT, ZXID(1, n));
		}
		say(PACKET_NEWLEADER, ZXID(1, 0));
		expect("ACK 100000000");
		say(PACKET_UPTODATE, PACKET_NO_ZXID);
		ck_assert_uint_eq(NODE->role.number, role + 1);
		ck_assert_uint_eq(NODE->role.committed, ZXID(1, 3));
		ck_assert(net_serves(1));
	}
}
END_TEST

/* The same while the reports of the connection lie: a repair that fails ends in an election. */
START_TEST(a_repair_that_fails_is_an_election)
{
	follow(1);
	net.fake[LEADER] = false;
	say(PACKET_COMMIT, ZXID(1, 3));
	ck_assert(!NODE->looking);
	net_pass(2000);
	ck_assert(NODE->looking);
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
}
END_TEST

START_TEST(dials_are_tried_five_times)
{
	unsigned dials;

	net.fake[LEADER] = false;
	elect(LEADER);
	ck_assert(!NODE->looking);
	dials = NODE->zab.learn.attempt;
	ck_assert_uint_eq(dials, 1);
	net_pass(350);
	ck_assert_uint_eq(NODE->zab.learn.attempt, 4);
	ck_assert(!NODE->looking);
	net_pass(200);
	ck_assert_uint_eq(NODE->zab.learn.attempt, 5);
	ck_assert(NODE->looking);
}
END_TEST

START_TEST(dials_nobody_waits_for)
{
	struct zab_event opened = { .type = ZAB_PEER_OPENED, .fd = -1, .peer = 77, .attempt = 99 };
	struct zab_event failed = { .type = ZAB_DIAL_FAILED, .fd = -1, .attempt = 99 };

	follow(1);
	net_step(1, &opened);
	ck_assert_str_eq(NODE->closed, "nobody waits for this dial any more");
	net_step(1, &failed);
	ck_assert(net_serves(1));
	/* Nor is anybody to be led here. */
	net_connect(1);
	ck_assert_str_eq(NODE->closed, "this server does not lead");
	/* Numbers that mean nothing have no effect. */
	for (int type = ZAB_PEER_INPUT; type < ZAB_EVENTS; type++) {
		struct zab_event e = { .type = (enum zab_event_type)type, .fd = -1, .peer = 1234 };

		net_step(1, &e);
	}
	ck_assert(net_serves(1));
	ck_assert_uint_eq(zab_peer_output(&NODE->zab, 1234).len, 0);
}
END_TEST

/* The leader that was elected looks again itself: who waits for it does, too. */
START_TEST(leader_turns_away)
{
	elect(LEADER);
	expect("FOLLOWERINFO 0 +20");
	net_frame(1, ZAB_ELECTIOND, MSG_DOUBT, 0, NODE->look_number, 0, SLICE_NULL);
	ck_assert(!NODE->looking);
	net_frame(1, ZAB_ELECTIOND, MSG_DOUBT, DOUBT_LOST, NODE->look_number, 0, SLICE_NULL);
	expect_looking("the voters have turned away from the leader");
	/* One that had a quorum to make an epoch with says itself when it goes. */
	net_elect(LEADER);
	net_run();
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	net_frame(1, ZAB_ELECTIOND, MSG_DOUBT, DOUBT_LOST, NODE->look_number, 0, SLICE_NULL);
	ck_assert(!NODE->looking);
}
END_TEST

START_TEST(leader_falls_silent)
{
	/* In its role after syncLimit ticks, before that after initLimit ticks. */
	follow(1);
	net_pass((NET_SYNC - 1) * NET_TICK_MS);
	ck_assert(!NODE->looking);
	say(PACKET_PING, 0);
	net_pass((NET_SYNC - 1) * NET_TICK_MS);
	ck_assert(!NODE->looking);
	/* The last half tick is for the election. */
	net_pass(NET_TICK_MS / 2 + 10);
	expect_looking("the leader was not heard of in time");
	setup();
	discover(1);
	net_pass((NET_INIT - 1) * NET_TICK_MS);
	ck_assert(!NODE->looking);
	net_pass(2 * NET_TICK_MS);
	expect_looking("the leader was not heard of in time");
}
END_TEST

static void
follow_fast(const char *leaderinfo, size_t len)
{
	NODE->zab.config.fast_ms = 80;
	elect(LEADER);
	expect("FOLLOWERINFO 0 +24");
	say_data(PACKET_LEADERINFO, ZXID(1, 0), leaderinfo, len);
	expect("ACKEPOCH 0 +4");
	say(PACKET_DIFF, 0);
	say(PACKET_NEWLEADER, ZXID(1, 0));
	net_pass(100); /* until then initLimit holds */
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	net_heard();
	ck_assert(net_serves(1));
}

/* failureDetection=fast at both ends; a server of ZooKeeper has its syncLimit. */
START_TEST(a_fast_leader_falls_silent)
{
	struct zab_event tick = { .type = ZAB_TICK, .fd = -1 };

	follow_fast("\0\1\0\0zkdF", 8);
	net_pass(70);
	say(PACKET_PING, 0);
	net_pass(70);
	ck_assert(!NODE->looking);
	/* It was us who stood still. */
	net.now_ms += 1000;
	net_step(1, &tick);
	ck_assert(!NODE->looking);
	net_pass(100);
	expect_looking("the leader was not heard of in time");
	setup();
	follow_fast("\0\1\0\0", 4);
	net_pass((NET_SYNC - 2) * NET_TICK_MS);
	ck_assert(!NODE->looking);
}
END_TEST

START_TEST(time_in_which_we_stood_still_is_nobodys_silence)
{
	struct zab_event tick = { .type = ZAB_TICK, .fd = -1 };

	follow(1);
	net_pass(NET_TICK_MS);
	net.now_ms += 60000;
	net_step(1, &tick);
	ck_assert(!NODE->looking);
	net_pass((NET_SYNC + 2) * NET_TICK_MS);
	ck_assert(NODE->looking);
}
END_TEST

START_TEST(leader_hangs_up)
{
	follow(1);
	hang_up();
	ck_assert(NODE->looking);
	ck_assert_str_eq(NODE->zab.left, "the leader ended the connection");
}
END_TEST

START_TEST(logd_dies_under_a_follower)
{
	follow(1);
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	expect("ACK 100000001");
	net_link_down(1, ZAB_LOGD);
	say_txn(PACKET_PROPOSAL, ZXID(1, 2));
	say(PACKET_COMMIT, ZXID(1, 1));
	say(PACKET_COMMIT, ZXID(1, 2)); /* the quorum has it; we apply it before we have it on disk */
	expect("");
	ck_assert_uint_eq(NODE->applied, ZXID(1, 2));
	net_link_up(1, ZAB_LOGD);
	net_run();
	expect("ACK 100000002");
	ck_assert_uint_eq(NODE->ndurable, 2);
	net_link_down(1, ZAB_LOGD);
	for (int i = 0; i < NET_SYNC + 2; i++) {
		net_pass(NET_TICK_MS);
		if (!NODE->zab.left)
			say(PACKET_PING, 0);
	}
	ck_assert_str_eq(NODE->zab.left, "logd is away for syncLimit ticks");
	ck_assert(!NODE->looking); /* the log is not known to be at rest */
	net_link_up(1, ZAB_LOGD);
	ck_assert(NODE->looking);
	ck_assert_uint_eq(NODE->look.zxid, ZXID(1, 2));
}
END_TEST

START_TEST(logd_dies_while_an_epoch_is_stored)
{
	elect(LEADER);
	net_heard();
	NODE->logd_stuck = true;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	net_link_down(1, ZAB_LOGD);
	NODE->logd_stuck = false;
	net_link_up(1, ZAB_LOGD);
	net_run();
	expect("ACKEPOCH 0 +4");
	ck_assert_uint_eq(NODE->epochs.accepted, 1);
}
END_TEST

START_TEST(logd_dies_while_it_cuts)
{
	net_fill(1, 1, 1, 5);
	discover(2);
	NODE->logd_stuck = true;
	say(PACKET_TRUNC, ZXID(1, 3));
	ck_assert_int_eq(NODE->zab.task.type, ZAB_TRUNCATE);
	net_link_down(1, ZAB_LOGD);
	ck_assert_str_eq(NODE->zab.left, "logd went away while it changed the log");
	ck_assert(!NODE->looking);
	/* It had cut. */
	NODE->logd_stuck = false;
	NODE->nlog = NODE->ndurable = 3;
	net_link_up(1, ZAB_LOGD);
	ck_assert(NODE->looking);
	ck_assert_uint_eq(NODE->look.zxid, ZXID(1, 3));
	ck_assert_ptr_null(NODE->zab.trouble);
}
END_TEST

START_TEST(trunc_rows)
{
	static const struct {
		uint64_t zxid;
		const char *why;
		uint64_t end;
	} rows[] = {
		{ ZXID(1, 6), "a TRUNC beyond our log", 0 },
		{ ZXID(1, 5), NULL, ZXID(1, 5) },
		{ ZXID(1, 3), NULL, ZXID(1, 3) },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		net_fill(1, 1, 1, 5);
		discover(2);
		say(PACKET_TRUNC, rows[i].zxid);
		if (rows[i].why != NULL) {
			expect_looking(rows[i].why);
			continue;
		}
		ck_assert_uint_eq(NODE->zab.proposed, rows[i].end);
		ck_assert_uint_eq(NODE->zab.durable, rows[i].end);
		say_txn(PACKET_PROPOSAL, rows[i].end + 1);
		say(PACKET_COMMIT, rows[i].end + 1);
		say(PACKET_NEWLEADER, ZXID(2, 0));
		expect("ACK 200000000");
		say(PACKET_UPTODATE, PACKET_NO_ZXID);
		ck_assert(net_serves(1));
		ck_assert_uint_eq(NODE->ndurable, rows[i].end - ZXID(1, 0) + 1);
	}
}
END_TEST

/* What is known to be committed is not given up, whoever says so. */
START_TEST(trunc_below_the_commit_floor)
{
	follow(1);
	for (uint32_t n = 1; n <= 3; n++) {
		say_txn(PACKET_PROPOSAL, ZXID(1, n));
		say(PACKET_COMMIT, ZXID(1, n));
	}
	hang_up();
	net_elect(LEADER);
	net_run();
	say_data(PACKET_LEADERINFO, ZXID(2, 0), "\0\1\0\0", 4);
	say(PACKET_TRUNC, ZXID(1, 2));
	expect_looking("the leader lacks what is committed");
	ck_assert_uint_eq(NODE->ndurable, 3);
}
END_TEST

/* A SNAP in bytes: what the leader sends behind the packet. */
static struct buf stream;

static void
make_stream(void)
{
	static char data[300000];
	struct snapshot_writer w;

	buf_free(&stream);
	buf_init(&stream, 1 << 20);
	memset(data, 'x', sizeof data);
	snapshot_writer_init(&w, &stream);
	snapshot_write_sessions(&w, 1);
	snapshot_write_session(&w, 1, 2);
	snapshot_write_acls(&w, 0);
	snapshot_write_node(&w, &(struct snapshot_node){ .path = SLICE_LIT(""), .acl = SNAPSHOT_ACL_OPEN });
	snapshot_write_node(&w, &(struct snapshot_node){ .path = SLICE_LIT("/a"),
							 .data = slice_of(data, sizeof data),
							 .acl = SNAPSHOT_ACL_OPEN });
	snapshot_write_terminator(&w);
}

static void
say_bytes(const void *bytes, size_t len)
{
	net_input(1, net.dialled, slice_of(bytes, len));
	net_run();
}

START_TEST(snap_in_pieces)
{
	static const char signature[] = "\0\0\0\012BenWasHere";

	make_stream();
	net_fill(1, 1, 1, 5);
	discover(3);
	say(PACKET_SNAP, ZXID(2, 9));
	for (size_t off = 0; off < buf_len(&stream); off += 9999) {
		size_t left = buf_len(&stream) - off;

		say_bytes(buf_head(&stream) + off, left < 9999 ? left : 9999);
		ck_assert_uint_eq(NODE->installs, 0);
	}
	for (size_t i = 0; i < sizeof signature - 1; i++) {
		ck_assert_uint_eq(NODE->installs, 0);
		say_bytes(signature + i, 1);
	}
	ck_assert_uint_eq(NODE->installs, 1);
	ck_assert_uint_eq(NODE->zab.proposed, ZXID(2, 9));
	ck_assert(!NODE->partial); /* nothing went beyond it */
	say_txn(PACKET_PROPOSAL, ZXID(2, 10));
	say(PACKET_COMMIT, ZXID(2, 10));
	say(PACKET_NEWLEADER, ZXID(3, 0));
	expect("ACK 300000000");
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	ck_assert(net_serves(1));
	ck_assert(NODE->role.reload);
	buf_free(&stream);
}
END_TEST

START_TEST(snap_with_all_behind_it_in_one_piece)
{
	struct buf all;

	make_stream();
	buf_init(&all, 1 << 20);
	packet_put(&all, PACKET_SNAP, ZXID(1, 7), SLICE_NULL, SLICE_NULL);
	buf_put_slice(&all, buf_slice(&stream));
	buf_put(&all, "\0\0\0\012BenWasHere", 14);
	packet_put(&all, PACKET_PROPOSAL, ZXID(1, 8), txn(ZXID(1, 8)), SLICE_NULL);
	packet_put(&all, PACKET_COMMIT, ZXID(1, 8), SLICE_NULL, SLICE_NULL);
	packet_put(&all, PACKET_NEWLEADER, ZXID(2, 0), SLICE_NULL, SLICE_NULL);
	discover(2);
	say_bytes(buf_head(&all), buf_len(&all));
	expect("ACK 200000000");
	ck_assert_uint_eq(NODE->zab.durable, ZXID(1, 8));
	buf_free(&all);
	buf_free(&stream);
}
END_TEST

/* A leader of ZooKeeper forwards what is under way before it looks how far its tree is: what went in between comes twice. */
START_TEST(snap_and_some_of_it_once_more)
{
	make_stream();
	discover(2);
	say(PACKET_SNAP, ZXID(1, 7));
	say_bytes(buf_head(&stream), buf_len(&stream));
	say_bytes("\0\0\0\012BenWasHere", 14);
	say_txn(PACKET_PROPOSAL, ZXID(1, 6));
	say(PACKET_COMMIT, ZXID(1, 6));
	say_txn(PACKET_PROPOSAL, ZXID(1, 7));
	say_txn(PACKET_PROPOSAL, ZXID(1, 8));
	say(PACKET_COMMIT, ZXID(1, 7));
	say(PACKET_COMMIT, ZXID(1, 8));
	say(PACKET_NEWLEADER, ZXID(2, 0));
	expect("ACK 200000000");
	ck_assert_uint_eq(NODE->zab.durable, ZXID(1, 8));
	/* A DIFF has no such excuse. */
	setup();
	net_fill(1, 1, 1, 8);
	discover(2);
	say(PACKET_DIFF, ZXID(1, 8));
	say_txn(PACKET_PROPOSAL, ZXID(1, 7));
	ck_assert_str_eq(NODE->closed, "a gap between proposals");
	buf_free(&stream);
}
END_TEST

START_TEST(snaps_that_are_none)
{
	make_stream();
	/* Damaged. */
	discover(1);
	say(PACKET_SNAP, ZXID(1, 7));
	say_bytes("\377\377\377\377\377\377\377\377", 8);
	ck_assert_str_eq(NODE->closed, "a damaged snapshot");
	ck_assert_uint_eq(NODE->installs, 0);
	ck_assert(NODE->looking);
	/* Another signature. */
	setup();
	discover(1);
	say(PACKET_SNAP, ZXID(1, 7));
	say_bytes(buf_head(&stream), buf_len(&stream));
	say_bytes("\0\0\0\012BenWasThere", 15);
	ck_assert_str_eq(NODE->closed, "a snapshot without its signature");
	ck_assert_uint_eq(NODE->installs, 0);
	ck_assert(NODE->looking);
	/* The leader goes in the middle. */
	setup();
	discover(1);
	say(PACKET_SNAP, ZXID(1, 7));
	say_bytes(buf_head(&stream), 1000);
	hang_up();
	net_run();
	ck_assert_uint_eq(NODE->installs, 0);
	ck_assert(NODE->looking);
	/* It falls silent in the middle. */
	setup();
	discover(1);
	say(PACKET_SNAP, ZXID(1, 7));
	say_bytes(buf_head(&stream), 1000);
	net_pass((NET_INIT + 2) * NET_TICK_MS);
	ck_assert_str_eq(NODE->closed, "the leader was not heard of in time");
	/* It cannot be stored. */
	setup();
	NODE->refuse_install = true;
	discover(1);
	say(PACKET_SNAP, ZXID(1, 7));
	say_bytes(buf_head(&stream), buf_len(&stream));
	say_bytes("\0\0\0\012BenWasHere", 14);
	ck_assert_str_eq(NODE->closed, "the leader's snapshot could not be stored");
	/* logd closes the channel, and dies. */
	setup();
	discover(1);
	say(PACKET_SNAP, ZXID(1, 7));
	net_step(1, &(struct zab_event){ .type = ZAB_INSTALL_CLOSED, .fd = -1 });
	ck_assert_str_eq(NODE->closed, "logd did not take the snapshot");
	ck_assert(!NODE->looking);
	net_link_down(1, ZAB_LOGD);
	net_link_up(1, ZAB_LOGD);
	ck_assert(NODE->looking);
	buf_free(&stream);
}
END_TEST

/* The leader is not read while logd is slow. */
START_TEST(snap_is_paused_while_logd_is_slow)
{
	static char data[1 << 20];
	struct snapshot_writer w;
	struct zab *z = &NODE->zab;
	struct zab_event in = { .type = ZAB_PEER_INPUT, .fd = -1 };
	const struct zab_action *a;
	bool paused = false;
	size_t n;

	buf_init(&stream, 16 << 20);
	snapshot_writer_init(&w, &stream);
	snapshot_write_sessions(&w, 0);
	snapshot_write_acls(&w, 0);
	for (int i = 0; i < 8; i++)
		snapshot_write_node(&w, &(struct snapshot_node){ .path = SLICE_LIT("/a"),
								 .data = slice_of(data, sizeof data),
								 .acl = SNAPSHOT_ACL_OPEN });
	discover(1);
	say(PACKET_SNAP, ZXID(1, 7));
	in.peer = net.dialled;
	in.now_ms = net.now_ms;
	for (size_t off = 0; off < buf_len(&stream) && !paused; off += 65536) {
		in.bytes = slice_of(buf_head(&stream) + off, 65536);
		zab_step(z, &in);
		a = zab_actions(z, &n);
		for (size_t i = 0; i < n; i++)
			paused |= a[i].type == ZAB_PEER_READ && !a[i].on;
	}
	ck_assert(paused);
	ck_assert_uint_gt(zab_install_output(z).len, 4 << 20);
	ck_assert_uint_lt(zab_install_output(z).len, 5 << 20);
	zab_step(z, &(struct zab_event){
			.type = ZAB_INSTALL_WROTE, .fd = -1, .now_ms = net.now_ms, .count = 3 << 20 });
	a = zab_actions(z, &n);
	for (size_t i = 0; i < n; i++)
		paused &= !(a[i].type == ZAB_PEER_READ && a[i].on);
	ck_assert(!paused);
	buf_free(&stream);
}
END_TEST

/* Requests of our clients */

static struct slice
body_of(const void *bytes, size_t len)
{
	static uint8_t body[256];

	memset(body, 0, 8);
	memcpy(body + 8, bytes, len);
	return slice_of(body, 8 + len);
}

START_TEST(questions_of_clientd_go_to_the_leader)
{
	static const char request[] = "\377\377\377\377SSSSSSSSCCCC\0\0\0\005body";
	static const char revalidate[] = "SSSSSSSSTTTT";
	const struct net_event *e;

	follow(1);
	net_frame(1, ZAB_CLIENTD, MSG_REQUEST, 0, 1, 0, body_of(request, sizeof request - 1));
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 2, 0, body_of(request, sizeof request - 1));
	net_frame(1, ZAB_CLIENTD, MSG_REVALIDATE, 0, 3, 0, body_of(revalidate, sizeof revalidate - 1));
	net_frame(1, ZAB_CLIENTD, MSG_REVALIDATE, 0, 4, 0, body_of("ssssssss----", 12));
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 5, 0, body_of(request, sizeof request - 1));
	net_run();
	expect("REQUEST ffffffffffffffff +20, REQUEST ffffffffffffffff +20, REVALIDATE ffffffffffffffff +12, "
	       "REVALIDATE ffffffffffffffff +12, REQUEST ffffffffffffffff +20");
	say(PACKET_SYNC, 0);
	ck_assert_uint_eq(net_asked(1, MSG_SYNC)->event.frame.seq, 2);
	say_data(PACKET_REVALIDATE, PACKET_NO_ZXID, "ssssssss\1", 9);
	e = net_asked(1, MSG_REVALIDATE);
	ck_assert_uint_eq(e->event.frame.seq, 4);
	ck_assert_uint_eq(e->event.frame.body.len, 17);
	ck_assert_int_eq(e->event.frame.body.data[16], 1);
	say_data(PACKET_REVALIDATE, PACKET_NO_ZXID, "SSSSSSSS\0", 9);
	ck_assert_uint_eq(net_asked(1, MSG_REVALIDATE)->event.frame.seq, 3);
	say(PACKET_SYNC, 0);
	ck_assert_uint_eq(net_asked(1, MSG_SYNC)->event.frame.seq, 5);
	/* Answers to what nobody asks any more. */
	say(PACKET_SYNC, 0);
	say_data(PACKET_REVALIDATE, PACKET_NO_ZXID, "SSSSSSSS\0", 9);
	ck_assert_ptr_null(net_asked(1, MSG_SYNC));
	say_data(PACKET_REVALIDATE, PACKET_NO_ZXID, "SSSSSSSS", 8);
	expect_looking("a REVALIDATE that is too short");
}
END_TEST

START_TEST(questions_that_are_none)
{
	static const char request[] = "\377\377\377\377SSSSSSSSCCCC\0\0\0\005";
	static const struct {
		uint16_t type;
		uint64_t number;
		size_t len;
		const char *data, *why;
	} rows[] = {
		{ MSG_REQUEST, 2, 20, request, "a question out of order" },
		{ MSG_REQUEST, 1, 15, request, "malformed body" },
		{ MSG_REQUEST, 1, 19, request, "malformed body" },
		{ MSG_REQUEST, 1, 20, "\0\0\0\001\377\377\377\376SSSSSSSSSSSS", "malformed body" },
		{ MSG_SYNC, 1, 19, request, "malformed body" },
		{ MSG_SYNC, 0, 20, request, "a question out of order" },
		{ MSG_REVALIDATE, 1, 11, request, "malformed body" },
		{ MSG_TOUCH, 0, 5, request, "malformed body" },
		{ MSG_PROPOSE, 0, 20, request, "unexpected message" },
		{ MSG_DROP, 1, 0, request, "unexpected message" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		follow(1);
		net_frame(1, ZAB_CLIENTD, rows[i].type, 0, rows[i].number, 0,
			  body_of(rows[i].data, rows[i].len));
		ck_assert_str_eq(NODE->ended, rows[i].why);
		ck_assert(!NODE->looking); /* clientd's death costs no role */
	}
}
END_TEST

START_TEST(touches_wait_for_the_next_ping)
{
	follow(1);
	net_frame(1, ZAB_CLIENTD, MSG_TOUCH, 0, 0, 0, slice_of("SSSSSSSSTTTTssssssss----", 24));
	net_frame(1, ZAB_CLIENTD, MSG_TOUCH, 0, 0, 0, slice_of("SSSSSSSS1111", 12));
	say(PACKET_PING, 5);
	expect("PING 5 +24");
	say(PACKET_PING, 6);
	expect("PING 6 +0");
}
END_TEST

START_TEST(clientd_is_reborn_in_the_role)
{
	follow(1);
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	say(PACKET_COMMIT, ZXID(1, 1));
	say_txn(PACKET_PROPOSAL, ZXID(1, 2));
	net_link_down(1, ZAB_CLIENTD);
	say(PACKET_COMMIT, ZXID(1, 2));
	say_txn(PACKET_PROPOSAL, ZXID(1, 3));
	net_link_up(1, ZAB_CLIENTD);
	net_run();
	ck_assert(net_serves(1));
	ck_assert_uint_eq(NODE->role.committed, ZXID(1, 2));
	ck_assert_uint_eq(NODE->role.proposed, ZXID(1, 3));
	say(PACKET_COMMIT, ZXID(1, 3));
	ck_assert_uint_eq(NODE->applied, ZXID(1, 3));
}
END_TEST

/* What the clientd before has asked is answered all the same, and not taken for an answer to its successor. */
START_TEST(clientd_is_reborn_with_questions_under_way)
{
	static const char request[] = "\377\377\377\377SSSSSSSSCCCC\0\0\0\005body";
	static const char revalidate[] = "SSSSSSSSTTTT";

	follow(1);
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 1, 0, body_of(request, sizeof request - 1));
	net_frame(1, ZAB_CLIENTD, MSG_REVALIDATE, 0, 2, 0, body_of(revalidate, sizeof revalidate - 1));
	net_link_down(1, ZAB_CLIENTD);
	net_link_up(1, ZAB_CLIENTD);
	net_run();
	net_frame(1, ZAB_CLIENTD, MSG_REVALIDATE, 0, 1, 0, body_of(revalidate, sizeof revalidate - 1));
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 2, 0, body_of(request, sizeof request - 1));
	say(PACKET_SYNC, 0);
	say_data(PACKET_REVALIDATE, PACKET_NO_ZXID, "SSSSSSSS\0", 9);
	ck_assert_ptr_null(net_asked(1, MSG_SYNC));
	ck_assert_ptr_null(net_asked(1, MSG_REVALIDATE));
	say(PACKET_SYNC, 0);
	say_data(PACKET_REVALIDATE, PACKET_NO_ZXID, "SSSSSSSS\1", 9);
	ck_assert_uint_eq(net_asked(1, MSG_SYNC)->event.frame.seq, 2);
	ck_assert_uint_eq(net_asked(1, MSG_REVALIDATE)->event.frame.seq, 1);
}
END_TEST

/* Observers */

static void
observe(void)
{
	net_init(3, 2);
	net.nodes[1].config.observer = true;
	zab_free(&net.nodes[1].zab);
	zab_init(&net.nodes[1].zab, &net.nodes[1].config);
	net.fake[LEADER] = true;
	net.nodes[2].alive = net.nodes[3].alive = false;
}

START_TEST(observer_in_its_role)
{
	char body[8 + NET_TXN_BYTES] = { [7] = LEADER };

	observe();
	discover(1);
	say(PACKET_DIFF, ZXID(1, 1));
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	say(PACKET_COMMIT, ZXID(1, 1));
	say(PACKET_NEWLEADER, ZXID(1, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	expect("ACK 100000000, ACK 100000000");
	ck_assert(net_serves(1));
	ck_assert_int_eq(NODE->role.role, ZAB_OBSERVER);
	ck_assert(NODE->look.observer);
	say_txn(PACKET_INFORM, ZXID(1, 2));
	memcpy(body + 8, txn(ZXID(1, 3)).data, NET_TXN_BYTES);
	say_data(PACKET_INFORMANDACTIVATE, ZXID(1, 3), body, sizeof body);
	ck_assert_uint_eq(NODE->applied, ZXID(1, 3));
	/* No business of an observer: Java's ignores them too. */
	say_txn(PACKET_PROPOSAL, ZXID(1, 9));
	say(PACKET_COMMIT, ZXID(1, 9));
	expect("");
	ck_assert_uint_eq(NODE->ndurable, 3);
	say_txn(PACKET_INFORM, ZXID(1, 5));
	expect("OBSERVERINFO 100000000 +20"); /* a gap */
}
END_TEST

/* The leader of a reconfiguration says who leads from then on (ZooKeeper: QuorumPeer.processReconfig). */
START_TEST(another_leader_is_designated)
{
	char body[8 + NET_TXN_BYTES] = { [7] = 3 };

	follow(1);
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	say_data(PACKET_COMMITANDACTIVATE, ZXID(1, 1), "\0\0\0\0\0\0\0\2", 8);
	ck_assert(net_serves(1));
	say_txn(PACKET_PROPOSAL, ZXID(1, 2));
	say_data(PACKET_COMMITANDACTIVATE, ZXID(1, 2), "\0\0\0\0\0\0\0\3", 8);
	expect_looking("a reconfiguration has named another leader");
	ck_assert_uint_eq(NODE->applied, ZXID(1, 2));
	setup();
	follow(1);
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	say_data(PACKET_COMMITANDACTIVATE, ZXID(1, 1), "1234567", 7);
	expect_looking("a reconfiguration that names no leader");
	observe();
	follow(1);
	memcpy(body + 8, txn(ZXID(1, 1)).data, NET_TXN_BYTES);
	say_data(PACKET_INFORMANDACTIVATE, ZXID(1, 1), body, sizeof body);
	expect_looking("a reconfiguration has named another leader");
	/* Before it is in sync too. */
	setup();
	discover(1);
	say(PACKET_DIFF, ZXID(1, 1));
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	say_data(PACKET_COMMITANDACTIVATE, ZXID(1, 1), "\0\0\0\0\0\0\0\3", 8);
	expect_looking("a reconfiguration has named another leader");
	/* Whoever takes no part in reconfigurations stays where it is. */
	setup();
	NODE->zab.config.reconfig = false;
	follow(1);
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	say_data(PACKET_COMMITANDACTIVATE, ZXID(1, 1), "\0\0\0\0\0\0\0\3", 8);
	ck_assert(net_serves(1));
}
END_TEST

START_TEST(informs_that_make_no_sense)
{
	observe();
	follow(1);
	say_data(PACKET_INFORMANDACTIVATE, ZXID(1, 1), "1234567", 7);
	expect_looking("an INFORMANDACTIVATE that is too short");
	observe();
	follow(1);
	net_packet(1, net.dialled, PACKET_INFORM, ZXID(1, 1), txn(ZXID(1, 2)));
	expect_looking("a txn with another zxid than its message");
	setup();
	follow(1);
	net_packet(1, net.dialled, PACKET_PROPOSAL, ZXID(1, 1), txn(ZXID(1, 2)));
	expect_looking("a txn with another zxid than its message");
	setup();
	follow(1);
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	expect_looking("a packet out of its turn");
	setup();
	follow(1);
	say_bytes("\0\0\0\002\0\0\0\0\0\0\0\0\377\377\377\376", 16);
	expect_looking("not a packet");
}
END_TEST

/* Looking */

START_TEST(what_a_vote_needs)
{
	/* electiond first: nothing is known yet. */
	net_link_up(1, ZAB_ELECTIOND);
	ck_assert(!NODE->looking);
	net_fill(1, 2, 1, 7);
	net_link_up(1, ZAB_LOGD);
	ck_assert(NODE->looking);
	ck_assert_uint_eq(NODE->look.zxid, ZXID(2, 7));
	ck_assert_uint_eq(NODE->look.epoch, 2);
	ck_assert_uint_eq(NODE->look_number, 1);
	/* electiond is reborn: the question is asked again, and the old answer is none. */
	net_link_down(1, ZAB_ELECTIOND);
	net_link_up(1, ZAB_ELECTIOND);
	ck_assert_uint_eq(NODE->look_number, 2);
	NODE->look_number = 1;
	net_elect(LEADER);
	net_run();
	ck_assert_int_eq(NODE->zab.part, ZAB_LOOKING);
	/* The disk fails: no vote, and nobody is spoken to. */
	NODE->looking = true;
	NODE->disk_failed = true;
	net_frame(1, ZAB_LOGD, MSG_DISK, 0, 0, ZXID(2, 7), SLICE_NULL);
	ck_assert_uint_eq(NODE->leaves, 1);
	ck_assert(!NODE->looking);
	NODE->disk_failed = false;
	net_frame(1, ZAB_LOGD, MSG_DISK, 0, 0, ZXID(2, 7), SLICE_NULL);
	ck_assert(NODE->looking);
	ck_assert_uint_eq(NODE->look_number, 3);
}
END_TEST

START_TEST(results_that_make_no_sense)
{
	static const struct zab_result rows[] = {
		{ .leader = 2, .state = ZAB_LOOKING },
		{ .leader = 1, .state = ZAB_FOLLOWER },
		{ .leader = 2, .state = ZAB_LEADER },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct zab_event e = { .type = ZAB_FRAME,
				       .link = ZAB_ELECTIOND,
				       .fd = -1,
				       .result = rows[i],
				       .frame = { .type = MSG_RESULT, .seq = 1 } };

		setup();
		net_start(1);
		net_step(1, &e);
		ck_assert_str_eq(NODE->ended, "a result that makes no sense");
		ck_assert_int_eq(NODE->zab.part, ZAB_LOOKING);
	}
}
END_TEST

START_TEST(disk_fails_in_the_role)
{
	follow(1);
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	NODE->disk_failed = true;
	net_frame(1, ZAB_LOGD, MSG_DISK, 0, 0, ZXID(1, 1), SLICE_NULL);
	ck_assert_str_eq(NODE->closed, "the disk failed");
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	ck_assert_uint_eq(NODE->leaves, 1);
	ck_assert(!NODE->looking);
	NODE->disk_failed = false;
	net_frame(1, ZAB_LOGD, MSG_DISK, 0, 0, ZXID(1, 1), SLICE_NULL);
	net_run();
	ck_assert(NODE->looking);
}
END_TEST

static void
expect_read_only(bool presumed, uint64_t committed)
{
	ck_assert_int_eq(NODE->role.role, ZAB_READONLY);
	ck_assert(NODE->role.presumed == presumed);
	ck_assert_uint_eq(NODE->role.committed, committed);
	ck_assert(NODE->ready && NODE->looking);
	ck_assert_int_eq(NODE->zab.part, ZAB_LOOKING);
}

/* Without a quorum those who only want to read are served, until there is a leader. */
START_TEST(read_only_while_it_looks)
{
	char text[200];

	NODE->zab.config.read_only_ms = 300;
	net_fill(1, 1, 1, 3);
	net_start(1);
	net_run();
	net_pass(290);
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	net_pass(20);
	expect_read_only(true, ZXID(1, 3));
	ck_assert_str_eq(zab_describe(&NODE->zab, text, sizeof text),
			 "looking for a leader, read-only meanwhile");
	net_pass(1000);
	net_elect(LEADER);
	net_run();
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	expect("FOLLOWERINFO 100000000 +20");
	say_data(PACKET_LEADERINFO, ZXID(2, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, ZXID(1, 3));
	say(PACKET_NEWLEADER, ZXID(2, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	ck_assert(net_serves(1));
	/* Now it is known what is committed, and nothing else is shown. */
	say_txn(PACKET_PROPOSAL, ZXID(2, 1));
	hang_up();
	net_pass(290);
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	net_pass(20);
	expect_read_only(false, ZXID(1, 3));
	ck_assert_uint_eq(NODE->role.proposed, ZXID(2, 1));
}
END_TEST

START_TEST(read_only_whichever_sibling_dies)
{
	struct zab_event snapshot = { .type = ZAB_FRAME, .link = ZAB_LOGD };

	NODE->zab.config.read_only_ms = 300;
	net_fill(1, 1, 1, 3);
	net_start(1);
	net_pass(400);
	expect_read_only(true, ZXID(1, 3));
	net_link_down(1, ZAB_LOGD);
	net_pass(400);
	ck_assert_int_eq(NODE->role.role, ZAB_READONLY);
	net_link_up(1, ZAB_LOGD);
	net_link_down(1, ZAB_CLIENTD);
	net_link_up(1, ZAB_CLIENTD);
	net_link_down(1, ZAB_ELECTIOND);
	net_link_up(1, ZAB_ELECTIOND);
	net_run();
	expect_read_only(true, ZXID(1, 3));
	/* The tree may hold what nobody committed: no snapshot is made of it. */
	snapshot.frame.type = MSG_SNAPSHOT;
	NODE->channels[0].open = true;
	net_step(1, &snapshot);
	ck_assert(!NODE->channels[0].open);
	NODE->disk_failed = true;
	net_frame(1, ZAB_LOGD, MSG_DISK, 0, 0, ZXID(1, 3), SLICE_NULL);
	net_run();
	ck_assert_int_eq(NODE->role.role, ZAB_READONLY);
	/* A log that lost what was acked is nothing to be read. */
	net_link_down(1, ZAB_LOGD);
	NODE->disk_failed = false;
	NODE->nlog = NODE->ndurable = 2;
	net_link_up(1, ZAB_LOGD);
	net_pass(1000);
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	ck_assert(!NODE->ready);
}
END_TEST

START_TEST(electiond_is_reborn_in_the_role)
{
	follow(1);
	net_link_down(1, ZAB_ELECTIOND);
	NODE->tells = 0;
	net_link_up(1, ZAB_ELECTIOND);
	ck_assert_uint_eq(NODE->tells, 1);
	ck_assert_int_eq(NODE->told.state, ZAB_FOLLOWER);
	ck_assert_uint_eq(NODE->told.leader, LEADER);
	ck_assert_uint_eq(NODE->told.epoch, 1);
	ck_assert(!NODE->looking);
}
END_TEST

/* Memory does not have what the log has lost: such a server is none. */
START_TEST(a_log_that_lost_what_was_acked)
{
	char text[200];

	follow(1);
	for (uint32_t n = 1; n <= 40; n++) {
		say_txn(PACKET_PROPOSAL, ZXID(1, n));
		say(PACKET_COMMIT, ZXID(1, n));
	}
	net_link_down(1, ZAB_LOGD);
	NODE->nlog = NODE->ndurable = 10;
	net_link_up(1, ZAB_LOGD);
	net_run();
	ck_assert_ptr_nonnull(strstr(zab_describe(&NODE->zab, text, sizeof text), "not serving"));
	ck_assert(!NODE->looking);
	ck_assert_uint_eq(NODE->leaves, 1);
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
	/* It comes back with all of it. */
	net_link_down(1, ZAB_LOGD);
	for (uint32_t n = 11; n <= 40; n++)
		NODE->log[n - 1] = (struct net_txn){ .zxid = ZXID(1, n), .value = ZXID(1, n) };
	NODE->nlog = NODE->ndurable = 40;
	net_link_up(1, ZAB_LOGD);
	net_run();
	ck_assert(NODE->looking);
	ck_assert_ptr_null(NODE->zab.trouble);
}
END_TEST

/* clientd may have applied what our log does not have: others do. */
START_TEST(clientd_is_ahead_of_the_log)
{
	struct zab_event up = { .type = ZAB_UP, .link = ZAB_CLIENTD, .fd = -1 };

	net_fill(1, 1, 1, 3);
	net_link_up(1, ZAB_LOGD);
	up.hello = (struct zab_hello){ .has_tree = true, .applied = ZXID(1, 5), .disk.error = "" };
	net_step(1, &up);
	net_link_up(1, ZAB_ELECTIOND);
	ck_assert(NODE->looking);
	ck_assert_ptr_null(NODE->zab.trouble);
}
END_TEST

START_TEST(answers_of_logd_that_were_not_asked_for)
{
	static const uint16_t types[] = { MSG_EPOCHS, MSG_TRUNCATE, MSG_INSTALL };

	for (size_t i = 0; i < 3; i++) {
		setup();
		follow(1);
		net_frame(1, ZAB_LOGD, types[i], 0, 1, 0, SLICE_NULL);
		ck_assert_str_eq(NODE->ended, "an answer to what was not asked");
	}
	setup();
	net_fill(1, 1, 1, 5);
	discover(2);
	NODE->logd_stuck = true;
	say(PACKET_TRUNC, ZXID(1, 3));
	net_frame(1, ZAB_LOGD, MSG_TRUNCATE, 0, NODE->zab.task.seq, ZXID(1, 4), SLICE_NULL);
	ck_assert_str_eq(NODE->ended, "the log was cut elsewhere");
	setup();
	discover(2);
	say(PACKET_SNAP, ZXID(1, 3));
	net_frame(1, ZAB_LOGD, MSG_INSTALL, 0, NODE->zab.task.seq, ZXID(1, 4), SLICE_NULL);
	ck_assert_str_eq(NODE->ended, "another snapshot was installed");
}
END_TEST

/* The leader goes while logd cuts or installs: what it answers still counts. */
START_TEST(logd_answers_when_the_role_is_over)
{
	static const struct {
		uint16_t flags;
		uint64_t zxid, end;
	} rows[] = { { 0, ZXID(1, 3), ZXID(1, 3) }, { STORE_REFUSED, 0, ZXID(1, 5) } };

	for (size_t i = 0; i < 2; i++) {
		setup();
		net_fill(1, 1, 1, 5);
		discover(2);
		NODE->logd_stuck = true;
		say(PACKET_TRUNC, ZXID(1, 3));
		hang_up();
		ck_assert(!NODE->looking);
		net_frame(1, ZAB_LOGD, MSG_TRUNCATE, rows[i].flags, NODE->zab.task.seq, rows[i].zxid,
			  SLICE_NULL);
		ck_assert(NODE->looking);
		ck_assert_uint_eq(NODE->look.zxid, rows[i].end);
	}
	setup();
	elect(LEADER);
	NODE->logd_stuck = true;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	hang_up();
	ck_assert(!NODE->looking);
	net_frame(1, ZAB_LOGD, MSG_EPOCHS, 0, NODE->zab.task.seq, 0, SLICE_NULL);
	ck_assert(NODE->looking);
	ck_assert_uint_eq(NODE->zab.epochs.accepted, 1);
}
END_TEST

START_TEST(says_how_it_is)
{
	char text[200];

	ck_assert_str_eq(zab_describe(&NODE->zab, text, sizeof text),
			 "waiting for logd to tell what is on disk");
	elect(LEADER);
	ck_assert_str_eq(zab_describe(&NODE->zab, text, sizeof text), "joining the leader");
	setup();
	follow(1);
	ck_assert_str_eq(zab_describe(&NODE->zab, text, sizeof text), "following at zxid 0x0");
	net_link_down(1, ZAB_CLIENTD);
	ck_assert_str_eq(zab_describe(&NODE->zab, text, sizeof text),
			 "following at zxid 0x0, waiting for clientd");
	say(PACKET_UPTODATE, 0);
	ck_assert_str_eq(zab_describe(&NODE->zab, text, sizeof text),
			 "looking for a leader: a packet out of its turn");
}
END_TEST

START_TEST(questions_while_a_repair_is_under_way)
{
	static const char request[] = "\377\377\377\377SSSSSSSSCCCC\0\0\0\005";

	follow(1);
	say(PACKET_COMMIT, ZXID(1, 9));
	net_heard();
	net_frame(1, ZAB_CLIENTD, MSG_REQUEST, 0, 1, 0, body_of(request, 20));
	net_frame(1, ZAB_CLIENTD, MSG_REVALIDATE, 0, 2, 0, body_of("SSSSSSSSTTTT", 12));
	net_frame(1, ZAB_LOGD, MSG_DURABLE, 0, 0, 0, SLICE_NULL);
	net_run();
	expect("");
	ck_assert_str_eq(NODE->ended, "");
}
END_TEST

START_TEST(questions_have_an_end)
{
	static const char request[] = "\377\377\377\377SSSSSSSSCCCC\0\0\0\011";

	follow(1);
	net_find_pipe(1, 0)->cut = true;
	for (uint64_t i = 1; i <= 100001 && NODE->ended[0] == '\0'; i++)
		net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, i, 0, body_of(request, 20));
	ck_assert_str_eq(NODE->ended, "more questions than are kept");
}
END_TEST

START_TEST(commits_of_what_is_not_there)
{
	follow(1);
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	say_txn(PACKET_PROPOSAL, ZXID(1, 2));
	net_heard();
	say(PACKET_COMMIT, ZXID(1, 2));
	expect("FOLLOWERINFO 100000000 +20");
	setup();
	discover(1);
	say(PACKET_DIFF, ZXID(1, 2));
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	say_txn(PACKET_PROPOSAL, ZXID(1, 2));
	say(PACKET_COMMIT, ZXID(1, 2));
	expect_looking("a gap between commits");
}
END_TEST

/* A first redial is due when the role is over: it is not made. */
START_TEST(no_dial_without_a_role)
{
	uint32_t dials;

	net.fake[LEADER] = false;
	elect(LEADER);
	dials = NODE->zab.learn.attempt;
	net_link_down(1, ZAB_LOGD);
	NODE->disk_failed = true;
	net_link_up(1, ZAB_LOGD);
	ck_assert_str_eq(NODE->zab.left, "the disk failed");
	net_pass(1000);
	ck_assert_uint_eq(NODE->zab.learn.attempt, dials);
	net_step(1, &(struct zab_event){ .type = ZAB_DIAL_FAILED, .fd = -1, .attempt = dials });
	ck_assert_int_eq(NODE->zab.part, ZAB_LOOKING);
}
END_TEST

/* The channel of INSTALL is closed by logd when it has all; nothing is wrong with that. */
START_TEST(logd_closes_a_channel_that_is_done)
{
	make_stream();
	discover(1);
	NODE->logd_stuck = true;
	say(PACKET_SNAP, ZXID(1, 7));
	say_bytes(buf_head(&stream), buf_len(&stream));
	say_bytes("\0\0\0\012BenWasHer", 13);
	/* Nobody takes the last bytes; then logd is gone from the channel. */
	net_input(1, net.dialled, SLICE_LIT("e"));
	net_step(1, &(struct zab_event){ .type = ZAB_INSTALL_CLOSED, .fd = -1 });
	net_step(1, &(struct zab_event){ .type = ZAB_INSTALL_CLOSED, .fd = -1 });
	net_step(1, &(struct zab_event){ .type = ZAB_INSTALL_WROTE, .fd = -1, .count = 1 });
	ck_assert(!NODE->looking);
	net_frame(1, ZAB_LOGD, MSG_INSTALL, 0, NODE->zab.task.seq, ZXID(1, 7), SLICE_NULL);
	net_run();
	say(PACKET_NEWLEADER, ZXID(1, 0));
	ck_assert_uint_eq(NODE->zab.proposed, ZXID(1, 7));
	buf_free(&stream);
}
END_TEST

/* An answer that comes before the question is complete. */
START_TEST(logd_answers_too_early)
{
	discover(1);
	say(PACKET_SNAP, ZXID(1, 7));
	net_frame(1, ZAB_LOGD, MSG_INSTALL, 0, NODE->zab.task.seq, ZXID(1, 7), SLICE_NULL);
	ck_assert_str_eq(NODE->ended, "another snapshot was installed");
}
END_TEST

START_TEST(an_install_ends_when_the_role_is_over)
{
	make_stream();
	discover(1);
	NODE->logd_stuck = true;
	say(PACKET_SNAP, ZXID(1, 7));
	say_bytes(buf_head(&stream), buf_len(&stream));
	say_bytes("\0\0\0\012BenWasHere", 14);
	hang_up();
	ck_assert(!NODE->looking);
	net_frame(1, ZAB_LOGD, MSG_INSTALL, 0, NODE->zab.task.seq, ZXID(1, 7), SLICE_NULL);
	ck_assert(NODE->looking);
	ck_assert_uint_eq(NODE->look.zxid, ZXID(1, 7));
	buf_free(&stream);
}
END_TEST

/* Nobody who cannot vouch for its log leads. */
START_TEST(partial_logs_do_not_lead)
{
	struct zab_event e = { .type = ZAB_FRAME,
			       .link = ZAB_ELECTIOND,
			       .fd = -1,
			       .result = { .leader = 1, .state = ZAB_LEADER },
			       .frame = { .type = MSG_RESULT, .seq = 1 } };

	NODE->partial = true;
	net_start(1);
	ck_assert_uint_eq(NODE->look.zxid, UINT64_MAX);
	net_step(1, &e);
	ck_assert_str_eq(NODE->ended, "a result that makes no sense");
	/* Its ACKEPOCH counts for nobody. */
	net_link_up(1, ZAB_ELECTIOND);
	net_elect(LEADER);
	net_run();
	expect("FOLLOWERINFO 0 +20");
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	ck_assert_uint_eq(buf_len(&net.heard), 24);
	ck_assert_uint_eq(get_be32(buf_head(&net.heard) + 16), UINT32_MAX);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("zab learner");
	TCase *c = tcase_create("learner");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, one_course_of_everything);
	tcase_add_test(c, history_before_epoch_before_ack);
	tcase_add_test(c, accepted_epoch_is_stored_before_it_is_promised);
	tcase_add_test(c, epochs_that_were_promised_or_passed);
	tcase_add_test(c, epochs_cannot_be_stored);
	tcase_add_test(c, packets_that_make_no_sense_end_the_connection);
	tcase_add_test(c, what_breaks_a_synchronisation);
	tcase_add_test(c, informs_may_come_in_a_synchronisation);
	tcase_add_test(c, a_gap_in_the_role_is_repaired_in_place);
	tcase_add_test(c, a_repair_that_fails_is_an_election);
	tcase_add_test(c, dials_are_tried_five_times);
	tcase_add_test(c, dials_nobody_waits_for);
	tcase_add_test(c, leader_turns_away);
	tcase_add_test(c, leader_falls_silent);
	tcase_add_test(c, a_fast_leader_falls_silent);
	tcase_add_test(c, time_in_which_we_stood_still_is_nobodys_silence);
	tcase_add_test(c, leader_hangs_up);
	tcase_add_test(c, logd_dies_under_a_follower);
	tcase_add_test(c, logd_dies_while_an_epoch_is_stored);
	tcase_add_test(c, logd_dies_while_it_cuts);
	tcase_add_test(c, trunc_rows);
	tcase_add_test(c, trunc_below_the_commit_floor);
	tcase_add_test(c, snap_in_pieces);
	tcase_add_test(c, snap_with_all_behind_it_in_one_piece);
	tcase_add_test(c, snap_and_some_of_it_once_more);
	tcase_add_test(c, snaps_that_are_none);
	tcase_add_test(c, snap_is_paused_while_logd_is_slow);
	tcase_add_test(c, questions_of_clientd_go_to_the_leader);
	tcase_add_test(c, questions_that_are_none);
	tcase_add_test(c, touches_wait_for_the_next_ping);
	tcase_add_test(c, clientd_is_reborn_in_the_role);
	tcase_add_test(c, clientd_is_reborn_with_questions_under_way);
	tcase_add_test(c, observer_in_its_role);
	tcase_add_test(c, another_leader_is_designated);
	tcase_add_test(c, informs_that_make_no_sense);
	tcase_add_test(c, what_a_vote_needs);
	tcase_add_test(c, results_that_make_no_sense);
	tcase_add_test(c, disk_fails_in_the_role);
	tcase_add_test(c, read_only_while_it_looks);
	tcase_add_test(c, read_only_whichever_sibling_dies);
	tcase_add_test(c, electiond_is_reborn_in_the_role);
	tcase_add_test(c, a_log_that_lost_what_was_acked);
	tcase_add_test(c, clientd_is_ahead_of_the_log);
	tcase_add_test(c, answers_of_logd_that_were_not_asked_for);
	tcase_add_test(c, logd_answers_when_the_role_is_over);
	tcase_add_test(c, says_how_it_is);
	tcase_add_test(c, questions_while_a_repair_is_under_way);
	tcase_add_test(c, questions_have_an_end);
	tcase_add_test(c, commits_of_what_is_not_there);
	tcase_add_test(c, no_dial_without_a_role);
	tcase_add_test(c, logd_closes_a_channel_that_is_done);
	tcase_add_test(c, logd_answers_too_early);
	tcase_add_test(c, an_install_ends_when_the_role_is_over);
	tcase_add_test(c, partial_logs_do_not_lead);
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
