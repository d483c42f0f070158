/*
 * A leader at odd moments: who is waited for and who is not, what counts while a configuration is pending, learners whose
 * disk, memory or clientd is not where it should be. The test is its learners, its logd's channels and its clientd.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "ear.h"
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

static void
wrote(size_t count)
{
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_WROTE, .fd = -1, .peer = peer, .count = count });
	net_run();
}

/* The test takes no bytes of this connection. */
static void
go_deaf(void)
{
	for (size_t i = 0; i < sizeof net.pipes / sizeof net.pipes[0]; i++)
		if (net.pipes[i].used && net.pipes[i].peer[0] == peer)
			net.pipes[i].deaf[1] = true;
}

/* Time */

static void
until_it_looks(void)
{
	for (int i = 0; i < 2 * NET_INIT * NET_TICK_MS / 10 && NODE->zab.part == ZAB_LEADER; i++)
		net_pass(10);
	ck_assert_int_eq(NODE->zab.part, ZAB_LOOKING);
}

/*
 * Of five servers two come. Who waits for the leader's disk, or for others, has nothing to say and is kept as long as the
 * leader itself; who owes an answer is not.
 */
START_TEST(who_waits_for_us_is_not_to_blame)
{
	static const char ours[] = "no quorum came to follow within initLimit ticks";
	static const struct {
		const char *how;
		bool told, acked, ack_epoch, ack_newleader;
		const char *why;
	} rows[] = {
		{ "its epoch is being stored", false, false, false, false, ours },
		{ "owes ACKEPOCH", true, false, false, false, "not synchronised within initLimit ticks" },
		{ "the epoch is being entered", true, true, true, false, ours },
		{ "owes the ACK of NEWLEADER", true, true, false, false,
		  "not synchronised within initLimit ticks" },
		{ "waits for others' ACKs", true, true, false, true, ours },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		talk_init(5, 5);
		elect(1);
		for (int sid = 2; sid <= 3; sid++) {
			NODE->logd_stuck = sid == 3 && !rows[i].told;
			peer = net_connect(1);
			say_info(PACKET_FOLLOWERINFO, sid, 0, 0);
		}
		for (uint32_t sid = 2; rows[i].acked && sid <= 3; sid++) {
			NODE->logd_stuck = rows[i].ack_epoch;
			peer = sid == 2 ? peer - 1 : peer + 1;
			say_ackepoch(0, 0);
		}
		if (rows[i].ack_newleader)
			say(PACKET_ACK, ZXID(1, 0));
		until_it_looks();
		/* The first that was closed: number 2 and 3, or the other one that owes its ACK. */
		if (!rows[i].ack_newleader)
			ck_assert_msg(strcmp(NODE->closed, rows[i].why) == 0, "%s: %s", rows[i].how,
				      NODE->closed);
		ck_assert_msg(ear_heard("peer closed", rows[i].why), "%s", rows[i].how);
	}
}
END_TEST

/* One in sync is kept as long as another one's synchronisation goes on, though it has nothing to say. */
START_TEST(progress_of_others_keeps_those_in_sync)
{
	static const char file[] = "ZKSN\0\0\0\2........\0\0\0\0\0\0\0\0\0\0\0\1/";
	uint32_t second;

	talk_init(5, 5);
	net_fill(1, 1, 1, 5);
	elect(1);
	second = peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 1, 0);
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 3, 1, 0);
	say_ackepoch(1, ZXID(1, 2));
	NODE->logd_stuck = true;
	peer = second;
	say_ackepoch(1, ZXID(1, 5));
	net_frame(1, ZAB_LOGD, MSG_EPOCHS, 0, NODE->zab.task.seq, 0, SLICE_NULL);
	net_run();
	say(PACKET_ACK, ZXID(2, 0));
	/* It is in sync, but nothing is established: what it has touched is of no use yet. */
	say_data(PACKET_PING, 0, "SSSSSSSSTTTT", 12);
	ck_assert_ptr_null(net_asked(1, MSG_TOUCH));
	peer = second + 1;
	open_channel();
	bulk(MSG_BULK_SNAPSHOT, ZXID(1, 5), NULL, 0);
	for (int i = 0; i < 2 * NET_INIT; i++) {
		wrote(0);
		net_pass(NET_TICK_MS);
	}
	ck_assert_int_eq(NODE->zab.part, ZAB_LEADER);
	bulk(MSG_BULK_DATA, 0, file, sizeof file - 1);
	bulk(MSG_BULK_SNAPSHOT_END, 0, NULL, 0);
	bulk(MSG_BULK_END, ZXID(1, 5), NULL, 0);
	buf_reset(&net.heard, 0);
	NODE->logd_stuck = false;
	say(PACKET_ACK, ZXID(2, 0));
	expect("UPTODATE ffffffffffffffff, UPTODATE ffffffffffffffff");
	ck_assert(net_serves(1));
}
END_TEST

/* Epochs */

/* A voter of a later epoch makes a leader look again once it has a history to lose; before that it is told no. */
START_TEST(a_later_epoch_in_each_step)
{
	static const struct {
		int acks; /* ACKEPOCHs that came */
		bool stuck;
		enum zab_lead_step step;
		bool looks;
	} rows[] = {
		{ 0, true, ZAB_LEAD_ACCEPT, false },
		{ 0, false, ZAB_LEAD_ACKS, false },
		{ 1, true, ZAB_LEAD_ENTER, false },
		{ 1, false, ZAB_LEAD_SYNC, true },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		elect(1);
		NODE->logd_stuck = rows[i].stuck && rows[i].acks == 0;
		peer = net_connect(1);
		say_info(PACKET_FOLLOWERINFO, 2, 0, 0);
		NODE->logd_stuck = rows[i].stuck;
		if (rows[i].acks > 0)
			say_ackepoch(0, 0);
		ck_assert_int_eq(NODE->zab.lead.step, rows[i].step);
		peer = net_connect(1);
		say_info(PACKET_FOLLOWERINFO, 3, 9, 0);
		ck_assert_int_eq(NODE->zab.part, rows[i].looks ? ZAB_LOOKING : ZAB_LEADER);
		ck_assert(ear_heard("peer closed", "it has accepted a later epoch") || rows[i].looks);
		ck_assert_uint_eq(NODE->zab.lead.max_accepted, 9);
	}
}
END_TEST

/* Servers without a number do not replace each other. */
START_TEST(nameless_observers_are_many)
{
	lead();
	join(PACKET_OBSERVERINFO, -1, 2, -1, ZXID(1, 5));
	join(PACKET_OBSERVERINFO, -1, 2, -1, ZXID(1, 5));
	ck_assert_uint_eq(NODE->zab.npeers, 3);
	join(PACKET_FOLLOWERINFO, 2, 2, -1, ZXID(1, 5));
	ck_assert_uint_eq(NODE->zab.npeers, 3);
	expect_closed("the server has connected again");
}
END_TEST

/* What a learner lacks */

/* Memory holds 8:1 and more, above 1:5. PROTOCOLS 17.3, walking the committed proposals. */
START_TEST(memory_decides)
{
	static const struct {
		uint64_t has;
		const char *heard;
	} rows[] = {
		{ ZXID(1, 5), "DIFF 800000002, PROPOSAL 800000001 +48, COMMIT 800000001, "
			      "PROPOSAL 800000002 +48, COMMIT 800000002, NEWLEADER 800000000" },
		{ ZXID(8, 1),
		  "DIFF 800000002, PROPOSAL 800000002 +48, COMMIT 800000002, NEWLEADER 800000000" },
		{ ZXID(8, 2), "DIFF 800000002, NEWLEADER 800000000" },
		{ ZXID(8, 3), "TRUNC 800000002, NEWLEADER 800000000" },
		{ ZXID(8, 0), "DIFF 800000002, PROPOSAL 800000001 +48, COMMIT 800000001, "
			      "PROPOSAL 800000002 +48, COMMIT 800000002, NEWLEADER 800000000" },
		{ ZXID(1, 6), "" }, /* of another epoch than what follows: a snapshot */
		{ ZXID(3, 0), "" }, /* the start of an epoch that we know nothing of */
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t seq;

		setup();
		net_fill(1, 1, 1, 5);
		elect(1);
		join(PACKET_FOLLOWERINFO, 2, 7, 1, ZXID(1, 5));
		say(PACKET_ACK, ZXID(8, 0));
		for (uint32_t n = 1; n <= 2; n++) {
			net_propose(1, 0);
			net_run();
			say(PACKET_ACK, ZXID(8, n));
		}
		NODE->logd_stuck = true;
		peer = net_connect(1);
		say_info(PACKET_FOLLOWERINFO, 3, 8, 0);
		net_heard();
		seq = NODE->zab.load_seq;
		say_ackepoch(-1, rows[i].has);
		expect(rows[i].heard);
		ck_assert_uint_eq(NODE->zab.load_seq, seq + (rows[i].heard[0] == '\0'));
	}
}
END_TEST

/* The same of the disk: 1:1 to 1:5, then 3:1 to 3:5. */
START_TEST(disk_decides)
{
	static const struct {
		uint64_t has, log, next;
		const char *heard;
	} rows[] = {
		{ ZXID(1, 5), ZXID(1, 5), ZXID(3, 1),
		  "DIFF 300000005, PROPOSAL 300000001 +48, COMMIT 300000001" },
		{ ZXID(3, 0), ZXID(1, 5), ZXID(3, 1),
		  "DIFF 300000005, PROPOSAL 300000001 +48, COMMIT 300000001" },
		{ ZXID(2, 0), ZXID(1, 5), ZXID(3, 1), "" }, /* other epochs: a snapshot */
		{ ZXID(2, 4), ZXID(1, 5), ZXID(3, 1), "" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t seq;

		setup();
		net_fill(1, 1, 1, 5);
		net_fill(1, 3, 1, 5);
		elect(1);
		join(PACKET_FOLLOWERINFO, 2, 3, 3, ZXID(3, 5));
		say(PACKET_ACK, ZXID(4, 0));
		NODE->logd_stuck = true;
		join(PACKET_FOLLOWERINFO, 3, 4, 3, rows[i].has);
		net_heard();
		seq = NODE->zab.load_seq;
		open_channel();
		bulk(MSG_BULK_LOG, rows[i].log, NULL, 0);
		bulk_txn(rows[i].next);
		expect(rows[i].heard);
		ck_assert_uint_eq(NODE->zab.load_seq, seq + (rows[i].heard[0] == '\0'));
	}
}
END_TEST

static void
propose_large(uint32_t n)
{
	static uint8_t body[300000];

	memset(body, 0, sizeof body);
	put_be64(body + 12, ZXID(2, n));
	net_frame(1, ZAB_CLIENTD, MSG_PROPOSE, 0, 0, ZXID(2, n), slice_of(body, sizeof body));
	net_run();
	say(PACKET_ACK, ZXID(2, n));
	net_heard();
}

/* What memory has is not poured out over a learner that does not take it. */
START_TEST(memory_is_sent_as_there_is_room)
{
	const struct zab_peer *p;

	NODE->zab.config.window_bytes = NODE->zab.config.commit_log_bytes = 100 << 20;
	lead();
	for (uint32_t n = 1; n <= 10; n++)
		propose_large(n);
	peer = net_connect(1);
	say_info(PACKET_OBSERVERINFO, 4, 2, 0);
	net_heard();
	go_deaf();
	say_ackepoch(-1, ZXID(1, 5));
	p = zab_find_peer(&NODE->zab, peer);
	ck_assert_uint_ge(buf_len(&p->out), ZAB_OUT_PAUSE);
	ck_assert_uint_lt(buf_len(&p->out), ZAB_OUT_PAUSE + 400000);
	ck_assert_int_eq(p->state, PEER_SYNCING);
	/* A little room is room. */
	wrote(300000);
	ck_assert_uint_ge(buf_len(&p->out), ZAB_OUT_PAUSE);
	ck_assert_int_eq(p->state, PEER_SYNCING);
	for (int i = 0; i < 10 && p->state == PEER_SYNCING; i++)
		wrote(buf_len(&p->out));
	ck_assert_int_eq(p->state, PEER_NEWLEADER);
	ck_assert_uint_eq(p->sent, ZXID(2, 10));
}
END_TEST

/* Channels */

static void
lead_with_snapshots(void)
{
	lead();
	NODE->logd_stuck = true;
	NODE->zab.config.force_snapshot_sync = true;
}

/* A snapshot is under way until its channel ends, and holds up observers that long. */
START_TEST(open_channels_hold_up_observers)
{
	uint32_t first;

	lead_with_snapshots();
	join(PACKET_OBSERVERINFO, 300, 2, 1, ZXID(1, 4));
	first = peer;
	open_channel();
	join(PACKET_OBSERVERINFO, 301, 2, 1, ZXID(1, 4));
	ck_assert_uint_eq(NODE->zab.load_seq, 2); /* clientd's, and the first one's */
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_CLOSED, .fd = -1, .peer = first });
	net_pass(NET_TICK_MS);
	ck_assert_uint_eq(NODE->zab.load_seq, 3);
	/* 0: nobody has to wait. */
	setup();
	NODE->zab.config.max_snap_syncs = 0;
	lead_with_snapshots();
	join(PACKET_OBSERVERINFO, 300, 2, 1, ZXID(1, 4));
	join(PACKET_OBSERVERINFO, 301, 2, 1, ZXID(1, 4));
	ck_assert_uint_eq(NODE->zab.load_seq, 3);
}
END_TEST

/* Nor does one wait that has been promised a DIFF, however many snapshots are under way. */
START_TEST(a_promised_diff_goes_on)
{
	struct zab_event end = { .type = ZAB_CHANNEL_CLOSED, .fd = -1 };
	uint32_t observer;

	lead();
	NODE->logd_stuck = true;
	join(PACKET_OBSERVERINFO, 300, 2, 1, ZXID(1, 2));
	observer = end.peer = peer;
	open_channel();
	bulk(MSG_BULK_LOG, ZXID(1, 2), NULL, 0);
	bulk_txn(ZXID(1, 3));
	join(PACKET_FOLLOWERINFO, 3, 2, 1, ZXID(1, 2));
	ck_assert_uint_eq(NODE->zab.load_seq, 3);
	net_step(1, &end);
	ck_assert_uint_eq(NODE->zab.load_seq, 4);
	ck_assert(zab_find_peer(&NODE->zab, observer)->sync.asked);
}
END_TEST

/* Each gets the channel that it asked for. */
START_TEST(channels_find_their_learner)
{
	uint32_t first;

	lead_with_snapshots();
	join(PACKET_FOLLOWERINFO, 3, 2, 1, ZXID(1, 4));
	first = peer;
	join(PACKET_FOLLOWERINFO, 4, 2, 1, ZXID(1, 4));
	open_channel();
	ck_assert_uint_eq(NODE->channels[15].peer, peer);
	ck_assert(zab_find_peer(&NODE->zab, first)->sync.asked);
}
END_TEST

START_TEST(a_txn_in_the_middle_of_a_snapshot)
{
	lead_with_snapshots();
	join(PACKET_FOLLOWERINFO, 3, 2, 1, ZXID(1, 2));
	open_channel();
	bulk(MSG_BULK_SNAPSHOT, ZXID(1, 1), NULL, 0);
	bulk_txn(ZXID(1, 2));
	expect_closed("a txn out of its turn");
}
END_TEST

/* A channel is read again when half of what waits has left, not before. */
START_TEST(a_channel_waits_for_room)
{
	static char chunk[1200000];

	lead_with_snapshots();
	join(PACKET_FOLLOWERINFO, 3, 2, 1, ZXID(1, 2));
	net_heard();
	go_deaf();
	open_channel();
	bulk(MSG_BULK_SNAPSHOT, ZXID(1, 1), NULL, 0);
	bulk(MSG_BULK_DATA, 0, "ZKSN\0\0\0\2........\0\0\0\0\0\0\0\0\0\0\0\0\0\40\0\0", 32);
	bulk(MSG_BULK_DATA, 0, chunk, sizeof chunk);
	ck_assert(NODE->channels[15].deaf);
	wrote(300000);
	ck_assert(NODE->channels[15].deaf);
	wrote(500000);
	ck_assert(!NODE->channels[15].deaf);
}
END_TEST

/* Limits */

START_TEST(limits_close_a_learner)
{
	static const char request[] = "SSSSSSSSCCCC\0\0\0\005body";
	enum { HUGE_BYTES = PACKET_DATA_MAX + 3 * PACKET_AUTHINFO_MAX };
	uint8_t *huge;

	/* Output: what does not fit any more. */
	lead();
	go_deaf();
	zab_find_peer(&NODE->zab, peer)->out.max = 100;
	net_propose(1, 0);
	ck_assert_str_eq(NODE->closed, "");
	net_propose(1, 0);
	expect_closed("too slow for what it has to be sent");
	/* Input: more than any packet has. */
	setup();
	lead();
	huge = calloc(1, HUGE_BYTES);
	memcpy(huge, "\0\0\0\5\0\0\0\0\0\0\0\0\3\277\377\377", 16);
	net_input(1, peer, slice_of(huge, HUGE_BYTES));
	free(huge);
	expect_gone("a packet without end");
	/* Requests that clientd has not consumed, by their bytes. */
	setup();
	lead();
	zab_find_peer(&NODE->zab, peer)->request_bytes =
	    ZAB_REQUEST_BYTES_SLACK * NODE->zab.config.window_bytes - 32;
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1); /* origin, no ids, 20 */
	ck_assert_str_eq(NODE->closed, "");
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	expect_gone("more requests than are kept for one learner");
}
END_TEST

/* clientd */

START_TEST(clientd_answers_what_nobody_asked)
{
	lead();
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 1, 0, SLICE_NULL);
	ck_assert_str_eq(NODE->ended, "an answer out of order");
}
END_TEST

/* A clientd that comes back gets requests when all that it has loaded is committed: only then it serves. */
START_TEST(a_new_clientd_gets_requests_behind_its_load)
{
	static const char request[] = "SSSSSSSSCCCC\0\0\0\005body";

	lead();
	net_propose(1, 0);
	net_run(); /* on our disk, not on the follower's */
	net_link_down(1, ZAB_CLIENTD);
	net_link_up(1, ZAB_CLIENTD);
	net_run();
	ck_assert_uint_eq(NODE->role.proposed, ZXID(2, 1));
	ck_assert_int_eq(NODE->zab.phase, ZAB_READY);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	ck_assert_ptr_null(net_asked(1, MSG_REQUEST));
	say(PACKET_ACK, ZXID(2, 1));
	ck_assert_uint_eq(net_asked(1, MSG_REQUEST)->event.frame.seq, 1);
}
END_TEST

/* The learner is gone, two clientds have died of its request: nobody is given it again. */
START_TEST(a_deadly_request_of_one_who_is_gone)
{
	static const char request[] = "SSSSSSSSCCCC\0\0\0\005body";

	lead();
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_CLOSED, .fd = -1, .peer = peer });
	for (int life = 0; life < REQUEST_LIVES; life++) {
		ck_assert_ptr_nonnull(net_asked(1, MSG_REQUEST));
		ck_assert_ptr_nonnull(net_asked(1, MSG_REQUEST));
		ck_assert_ptr_null(net_asked(1, MSG_REQUEST));
		net_link_down(1, ZAB_CLIENTD);
		net_link_up(1, ZAB_CLIENTD);
		net_run();
	}
	ck_assert_ptr_null(net_asked(1, MSG_REQUEST));
	ck_assert_uint_eq(NODE->zab.requests.bytes.count, 0);
}
END_TEST

/* For experiments and for people */

static bool losing;
static unsigned lost;

static bool
lose(struct zab_filter *f, uint64_t sid, int32_t type, uint64_t zxid)
{
	(void)f;
	(void)zxid;
	ck_assert_uint_eq(sid, 2);
	lost += losing && type == PACKET_PROPOSAL;
	return losing;
}

/* Packets are lost on purpose only between servers that are in sync. */
START_TEST(packets_lost_on_purpose)
{
	static struct zab_filter filter = { .lose = lose };
	uint32_t follower;

	lead();
	follower = peer;
	losing = true;
	lost = 0;
	NODE->zab.config.filter = &filter;
	net_propose(1, 0);
	net_run();
	expect("");
	ck_assert_uint_eq(lost, 1);
	join(PACKET_FOLLOWERINFO, 3, 2, -1, ZXID(1, 5));
	expect("LEADERINFO 200000000 +4, DIFF 100000005, NEWLEADER 200000000, PROPOSAL 200000001 +48");
	losing = false;
	peer = follower;
	net_propose(1, 0);
	net_run();
	ck_assert_ptr_nonnull(strstr(net_heard(), "PROPOSAL 200000002 +48"));
	/* Its gap is found by the next one, and repaired by coming again. */
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_CLOSED, .fd = -1, .peer = follower });
	join(PACKET_FOLLOWERINFO, 2, 2, -1, ZXID(1, 5));
	ck_assert_ptr_nonnull(
	    strstr(net_heard(), "NEWLEADER 200000000, PROPOSAL 200000001 +48, PROPOSAL 200000002 +48"));
}
END_TEST

/* How learners are, in words. */
START_TEST(learners_in_words)
{
	struct zab_learner l;

	ck_assert(!zab_learner_at(&NODE->zab, 0, &l));
	lead();
	net_propose(1, 0);
	net_run();
	say(PACKET_ACK, ZXID(2, 1));
	net_heard();
	net_connect(1);
	peer = net_connect(1);
	say_info(PACKET_OBSERVERINFO, 7, 2, 0);
	join(PACKET_OBSERVERINFO, 8, 2, -1, ZXID(2, 1));
	say(PACKET_ACK, ZXID(2, 0));
	net.now_ms += 70;
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_INPUT, .fd = -1, .peer = peer });
	ck_assert(zab_learner_at(&NODE->zab, 0, &l));
	ck_assert(l.known && l.voter && !l.observer && l.sid == 2);
	ck_assert_str_eq(l.state, "synced");
	ck_assert_uint_eq(l.acked, ZXID(2, 1));
	ck_assert_uint_eq(l.silent_ms, 70);
	ck_assert(zab_learner_at(&NODE->zab, 1, &l));
	ck_assert(!l.known);
	ck_assert_str_eq(l.state, "connected");
	ck_assert(zab_learner_at(&NODE->zab, 2, &l));
	ck_assert(l.known && l.observer && l.sid == 7);
	ck_assert_str_eq(l.state, "joining");
	ck_assert(zab_learner_at(&NODE->zab, 3, &l));
	ck_assert(l.observer && !l.voter && l.sid == 8);
	ck_assert_str_eq(l.state, "synced");
	ck_assert_uint_eq(l.sent, ZXID(2, 1));
	ck_assert_uint_eq(l.acked, ZXID(2, 1)); /* told, for it acks nothing */
	ck_assert_uint_eq(l.silent_ms, 0);
	ck_assert(!zab_learner_at(&NODE->zab, 4, &l));
}
END_TEST

/* What memory keeps for learners is bounded by its bytes too. */
START_TEST(memory_is_bounded_by_bytes)
{
	talk_init(1, 1);
	NODE->zab.config.commit_log_count = 1000;
	NODE->zab.config.commit_log_bytes = 5 * NET_TXN_BYTES;
	elect(1);
	for (int i = 0; i < 20; i++) {
		net_propose(1, 0);
		net_run();
	}
	ck_assert_uint_eq(NODE->applied, ZXID(1, 20));
	ck_assert_uint_eq(NODE->zab.window.count, 5);
}
END_TEST

/* logd */

START_TEST(an_old_answer_of_logd)
{
	elect(1);
	NODE->logd_stuck = true;
	peer = net_connect(1);
	say_info(PACKET_FOLLOWERINFO, 2, 0, 0);
	net_frame(1, ZAB_LOGD, MSG_EPOCHS, 0, NODE->zab.task.seq - 1, 0, SLICE_NULL);
	ck_assert_str_eq(NODE->ended, "an answer to what was not asked");
	ck_assert_int_eq(NODE->zab.lead.step, ZAB_LEAD_ACCEPT);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("zab leader at odd moments");
	TCase *c = tcase_create("moments");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, who_waits_for_us_is_not_to_blame);
	tcase_add_test(c, progress_of_others_keeps_those_in_sync);
	tcase_add_test(c, a_later_epoch_in_each_step);
	tcase_add_test(c, nameless_observers_are_many);
	tcase_add_test(c, memory_decides);
	tcase_add_test(c, disk_decides);
	tcase_add_test(c, memory_is_sent_as_there_is_room);
	tcase_add_test(c, open_channels_hold_up_observers);
	tcase_add_test(c, a_promised_diff_goes_on);
	tcase_add_test(c, channels_find_their_learner);
	tcase_add_test(c, a_txn_in_the_middle_of_a_snapshot);
	tcase_add_test(c, a_channel_waits_for_room);
	tcase_add_test(c, limits_close_a_learner);
	tcase_add_test(c, clientd_answers_what_nobody_asked);
	tcase_add_test(c, a_new_clientd_gets_requests_behind_its_load);
	tcase_add_test(c, a_deadly_request_of_one_who_is_gone);
	tcase_add_test(c, packets_lost_on_purpose);
	tcase_add_test(c, learners_in_words);
	tcase_add_test(c, memory_is_bounded_by_bytes);
	tcase_add_test(c, an_old_answer_of_logd);
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
