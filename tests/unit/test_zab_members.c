/*
 * Who takes part: texts that come from the leader, from a peer of the election, from a txn, and what counts as a quorum
 * meanwhile. See zab_talk.h; more of it, from the leader's side, in test_zab_leader.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "ear.h"
#include "syncd/packet.h"
#include "syncd/zab_internal.h"
#include "zab_talk.h"

static const char four[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
			   "server.3=c:1:2:participant\nserver.4=d:1:2:participant\nversion=200000002";
static const char early[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
			    "server.3=c:1:2:participant\nversion=5";

static const char members_two[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=0";

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

static const struct quorum_pair *
quorums(void)
{
	return &NODE->zab.config.quorums;
}

static void
electiond_says(const char *text)
{
	net_frame(1, ZAB_ELECTIOND, MSG_CONFIG, 0, 0, 0, slice_str(text));
}

/* clientd is told of members with its role, unless they are those of its own configuration. */
START_TEST(told_with_the_role)
{
	const struct net_event *e;

	with_members(1, members_0);
	net_start(1);
	ck_assert_ptr_null(net_asked(1, MSG_CONFIG));
	net_link_down(1, ZAB_CLIENTD);
	electiond_says(early);
	ck_assert_uint_eq(quorums()->current.nvoters, 3);
	ck_assert_ptr_null(net_asked(1, MSG_CONFIG));
	net_link_up(1, ZAB_CLIENTD);
	e = net_asked(1, MSG_CONFIG);
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_eq(e->event.frame.zxid, 5);
	ck_assert_ptr_null(net_asked(1, MSG_CONFIG));
}
END_TEST

/* Texts that change nothing: none at all, and any where the configuration has none. */
START_TEST(texts_that_change_nothing)
{
	with_members(1, members_0);
	net_start(1);
	electiond_says("");
	ck_assert_str_eq(NODE->ended, "");
	ck_assert_uint_eq(quorums()->current.nvoters, 2);
	setup();
	net_start(1);
	electiond_says(early);
	electiond_says("nonsense");
	ck_assert_str_eq(NODE->ended, "");
	ck_assert_ptr_null(net_asked(1, MSG_CONFIG));
}
END_TEST

/* Siblings that are away when members change are told when they come. */
START_TEST(siblings_away_when_members_change)
{
	with_members(1, members_0);
	elect(2);
	net_link_down(1, ZAB_ELECTIOND);
	net_link_down(1, ZAB_CLIENTD);
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, 0);
	say_data(PACKET_NEWLEADER, ZXID(1, 0), early, sizeof early - 1);
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	ck_assert_uint_eq(quorums()->current.nvoters, 3);
	ck_assert_ptr_null(net_asked(1, MSG_CONFIG));
	net_link_up(1, ZAB_CLIENTD);
	net_run();
	ck_assert_uint_eq(net_asked(1, MSG_CONFIG)->event.frame.zxid, 5);
}
END_TEST

/* A leader offers its newest list, also what it has only proposed: in force that is with its commit. */
START_TEST(what_is_offered_may_be_only_proposed)
{
	static const char next[] =
	    "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
	    "server.3=c:1:2:participant\nserver.4=d:1:2:participant\nversion=100000001";
	uint8_t body[1024];

	with_members(1, members_0);
	elect(2);
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, 0);
	say_data(PACKET_NEWLEADER, ZXID(1, 0), next, sizeof next - 1);
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	ck_assert(quorums()->has_pending);
	ck_assert_uint_eq(quorums()->current.nvoters, 2);
	net_packet(1, net.dialled, PACKET_PROPOSAL, ZXID(1, 1),
		   slice_of(body, reconfig_body(body, ZXID(1, 1), next)));
	say_data(PACKET_COMMITANDACTIVATE, ZXID(1, 1), "\0\0\0\0\0\0\0\2", 8);
	ck_assert(!quorums()->has_pending);
	ck_assert_uint_eq(quorums()->current.nvoters, 4);
}
END_TEST

/* A list that is older than a reconfig in the log leaves that one pending. */
START_TEST(an_older_list_leaves_a_later_one_pending)
{
	follow_to_reconfig(four);
	hang_up();
	electiond_says(early);
	ck_assert_uint_eq(quorums()->current.nvoters, 3);
	ck_assert(quorums()->has_pending);
	ck_assert_uint_eq(quorums()->pending.nvoters, 4);
}
END_TEST

/* What is cut behind a reconfig leaves it; what is committed before it does not bring it into force. */
START_TEST(cuts_and_commits_beside_a_reconfig)
{
	uint8_t body[1024];

	with_members(1, members_0);
	follow(1);
	say_txn(PACKET_PROPOSAL, ZXID(1, 1));
	net_packet(1, net.dialled, PACKET_PROPOSAL, ZXID(1, 2),
		   slice_of(body, reconfig_body(body, ZXID(1, 2), four)));
	say_txn(PACKET_PROPOSAL, ZXID(1, 3));
	ck_assert(quorums()->has_pending);
	say(PACKET_COMMIT, ZXID(1, 1));
	ck_assert(quorums()->has_pending);
	hang_up();
	net_elect(2);
	net_run();
	say_data(PACKET_LEADERINFO, ZXID(2, 0), "\0\1\0\0", 4);
	say(PACKET_TRUNC, ZXID(1, 2));
	ck_assert_uint_eq(NODE->zab.proposed, ZXID(1, 2));
	ck_assert(quorums()->has_pending);
	say(PACKET_NEWLEADER, ZXID(2, 0));
	ck_assert(quorums()->has_pending);
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	ck_assert(!quorums()->has_pending);
	ck_assert_uint_eq(quorums()->current.nvoters, 4);
}
END_TEST

/* A reconfig whose record is none is a txn like any other. */
START_TEST(a_reconfig_without_a_record)
{
	uint8_t body[40] = { 0 };

	with_members(1, members_0);
	follow(1);
	put_be64(body + 12, ZXID(1, 1));
	put_be32(body + 28, 16);
	put_be32(body + 32, 1000); /* a path that is not there */
	net_packet(1, net.dialled, PACKET_PROPOSAL, ZXID(1, 1), slice_of(body, sizeof body));
	ck_assert(ear_heard("reconfig without members", "zxid=0x100000001"));
	ck_assert(!quorums()->has_pending);
	expect("ACK 100000001");
}
END_TEST

/* A leader with its follower, server 2, in epoch 2; members have a version. */
static uint32_t
lead_with_members(void)
{
	static const char two[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=100000003";

	with_members(1, two);
	lead();
	return peer;
}

static void
propose_reconfig(uint64_t zxid, const char *text)
{
	uint8_t body[1024];

	net_frame(1, ZAB_CLIENTD, MSG_PROPOSE, 0, 0, zxid, slice_of(body, reconfig_body(body, zxid, text)));
	net_run();
}

/* A learner's configuration may be as old or as new as the leader's, not newer. */
START_TEST(learners_and_their_versions)
{
	static const struct {
		uint64_t version;
		bool taken;
	} rows[] = { { 0, true }, { ZXID(1, 3), true }, { ZXID(1, 4), false } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		lead_with_members();
		peer = net_connect(1);
		say_info(PACKET_OBSERVERINFO, 7, 2, rows[i].version);
		expect(rows[i].taken ? "LEADERINFO 200000000 +4" : "");
		expect_closed(rows[i].taken ? "" : "it has a later configuration than we have");
	}
}
END_TEST

/*
 * From its proposal on a reconfig, and what follows it, needs a quorum of both configurations; what was before it one of
 * the old one alone (PROTOCOLS 17.6, Commit).
 */
START_TEST(commits_need_both_quorums)
{
	uint32_t two = lead_with_members(), three;

	join(PACKET_FOLLOWERINFO, 3, 2, -1, ZXID(1, 5));
	three = peer;
	say(PACKET_ACK, ZXID(2, 0));
	ck_assert(!zab_find_peer(&NODE->zab, three)->voter);
	join(PACKET_OBSERVERINFO, 4, 2, -1, ZXID(1, 5));
	net_connect(1); /* has not said who it is */
	net_propose(1, 0);
	net_run();
	propose_reconfig(ZXID(2, 2), four);
	ck_assert(zab_find_peer(&NODE->zab, three)->voter);
	ck_assert(!zab_find_peer(&NODE->zab, peer)->voter); /* connected as an observer */
	peer = three;
	say(PACKET_ACK, ZXID(2, 2));
	ck_assert_uint_eq(NODE->zab.committed, ZXID(1, 5)); /* 1 and 3: no quorum of the old one */
	peer = two;
	say(PACKET_ACK, ZXID(2, 1));
	ck_assert_uint_eq(NODE->zab.committed, ZXID(2, 1));
	say(PACKET_ACK, ZXID(2, 2));
	ck_assert_uint_eq(NODE->zab.committed, ZXID(2, 2));
	ck_assert_uint_eq(quorums()->current.nvoters, 4);
	ck_assert(!quorums()->has_pending);
}
END_TEST

/* The same where the reconfig is the first txn that memory holds, and the old quorum is not enough for it. */
START_TEST(a_reconfig_comes_first)
{
	static const char other[] =
	    "server.1=a:1:2:participant\nserver.4=d:1:2:participant\nversion=200000001";
	uint32_t two = lead_with_members();

	propose_reconfig(ZXID(2, 1), other);
	peer = two;
	say(PACKET_ACK, ZXID(2, 1));
	ck_assert_uint_eq(NODE->zab.committed, ZXID(1, 5));
	ck_assert(quorums()->has_pending);
}
END_TEST

/* And a leader stays one only while a quorum of both is in sync. */
START_TEST(a_leader_needs_both_quorums)
{
	uint32_t three;

	lead_with_members();
	join(PACKET_FOLLOWERINFO, 3, 2, -1, ZXID(1, 5));
	three = peer;
	say(PACKET_ACK, ZXID(2, 0));
	net_propose(1, 0);
	propose_reconfig(ZXID(2, 2), four);
	net_pass(2 * NET_TICK_MS);
	ck_assert_int_eq(NODE->zab.part, ZAB_LEADER);
	ck_assert(quorums()->has_pending);
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_CLOSED, .fd = -1, .peer = three });
	net_pass(2 * NET_TICK_MS);
	ck_assert_str_eq(NODE->zab.left, "too few followers are left for a quorum");
}
END_TEST

/* Servers that are in no configuration do not vote, and those of the pending one do. */
START_TEST(who_votes)
{
	with_members(1, members_0);
	ck_assert(zab_is_voter(&NODE->zab, 1));
	ck_assert(!zab_is_voter(&NODE->zab, 4));
	follow_to_reconfig(four);
	ck_assert(zab_is_voter(&NODE->zab, 1));
	ck_assert(zab_is_voter(&NODE->zab, 4));
	ck_assert(!zab_is_voter(&NODE->zab, 5));
}
END_TEST

/* A list that is newer than a reconfig which was never committed puts an end to it. */
START_TEST(a_later_list_ends_a_pending_one)
{
	static const char later[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
				    "server.3=c:1:2:participant\nversion=300000000";

	follow_to_reconfig(four);
	hang_up();
	electiond_says(later);
	ck_assert(!quorums()->has_pending);
	ck_assert_uint_eq(quorums()->current.nvoters, 3);
}
END_TEST

/* What NEWLEADER offers is in force with UPTODATE, unless it may not be, is not newer, or something newer was proposed. */
START_TEST(offers_of_a_leader)
{
	static const struct {
		const char *text;
		bool reconfig, proposed;
		size_t voters;
	} rows[] = {
		{ early, true, false, 3 },
		{ early, false, false, 2 },
		{ members_two, true, false, 2 },
		{ early, true, true, 2 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t body[1024];

		setup();
		with_members(1, members_0);
		NODE->zab.config.reconfig = rows[i].reconfig;
		discover(1);
		say(PACKET_DIFF, 0);
		say_data(PACKET_NEWLEADER, ZXID(1, 0), rows[i].text, strlen(rows[i].text));
		ck_assert_uint_eq(quorums()->current.nvoters, 2);
		if (rows[i].proposed)
			net_packet(1, net.dialled, PACKET_PROPOSAL, ZXID(1, 1),
				   slice_of(body, reconfig_body(body, ZXID(1, 1), four)));
		say(PACKET_UPTODATE, PACKET_NO_ZXID);
		ck_assert(net_serves(1));
		ck_assert_uint_eq(quorums()->current.nvoters, rows[i].voters);
		ck_assert_int_eq(quorums()->has_pending, rows[i].proposed);
	}
}
END_TEST

/* Who is in no list does not lead, whatever electiond says. */
START_TEST(who_does_not_vote_does_not_lead)
{
	struct zab_event e = { .type = ZAB_FRAME,
			       .link = ZAB_ELECTIOND,
			       .fd = -1,
			       .result = { .leader = 1, .state = ZAB_LEADER },
			       .frame = { .type = MSG_RESULT, .seq = 1 } };

	with_members(1, "server.2=b:1:2:participant\nserver.3=c:1:2:participant\nversion=1");
	net_start(1);
	ck_assert(NODE->look.observer);
	net_step(1, &e);
	ck_assert_str_eq(NODE->ended, "a result that makes no sense");
}
END_TEST

/* What people are told of the list. */
START_TEST(the_list_in_words)
{
	struct buf out;

	buf_init(&out, 1000);
	zab_members_put(&NODE->zab, &out);
	ck_assert_uint_eq(buf_len(&out), 0);
	ck_assert_ptr_null(zab_find_server(&NODE->zab, 1));
	with_members(1, members_0);
	zab_members_put(&NODE->zab, &out);
	ck_assert(slice_equal(buf_slice(&out), slice_str(members_0)));
	ck_assert_ptr_nonnull(zab_find_server(&NODE->zab, 2));
	ck_assert_ptr_null(zab_find_server(&NODE->zab, 3));
	ck_assert_ptr_null(zab_find_server(&NODE->zab, UINT64_MAX));
	buf_free(&out);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("zab members");
	TCase *c = tcase_create("members");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, told_with_the_role);
	tcase_add_test(c, texts_that_change_nothing);
	tcase_add_test(c, siblings_away_when_members_change);
	tcase_add_test(c, what_is_offered_may_be_only_proposed);
	tcase_add_test(c, an_older_list_leaves_a_later_one_pending);
	tcase_add_test(c, cuts_and_commits_beside_a_reconfig);
	tcase_add_test(c, a_reconfig_without_a_record);
	tcase_add_test(c, learners_and_their_versions);
	tcase_add_test(c, commits_need_both_quorums);
	tcase_add_test(c, a_reconfig_comes_first);
	tcase_add_test(c, a_leader_needs_both_quorums);
	tcase_add_test(c, who_votes);
	tcase_add_test(c, a_later_list_ends_a_pending_one);
	tcase_add_test(c, offers_of_a_leader);
	tcase_add_test(c, who_does_not_vote_does_not_lead);
	tcase_add_test(c, the_list_in_words);
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
