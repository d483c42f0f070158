/*
 * A leader that hands its part over: the test is its follower, server 2, and sees what waits for what; then whole
 * ensembles. See zab_net.h.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "syncd/packet.h"
#include "syncd/zab_internal.h"
#include "zab_talk.h"

#define ZAB (&NODE->zab)

static void
setup(void)
{
	talk_init(3, 3);
	lead();
	net_heard();
}

static void
propose(uint64_t zxid)
{
	uint8_t body[NET_TXN_BYTES] = { 0 };

	put_be64(body + 12, zxid);
	net_frame(1, ZAB_CLIENTD, MSG_PROPOSE, 0, 0, zxid, slice_of(body, sizeof body));
}

static const char *
move(uint64_t sid, bool any)
{
	struct zab_event e = { .type = ZAB_MOVE, .sid = sid, .any = any, .fd = -1 };

	net_step(1, &e);
	net_run();
	return ZAB->move.refused == NULL ? "" : ZAB->move.refused;
}

static void
expect_handed_over(void)
{
	ck_assert(NODE->looking && NODE->look.nominates && NODE->look.nominee == 2);
	ck_assert_uint_eq(NODE->look.zxid, ZAB->proposed);
	ck_assert_str_eq(ZAB->left, "leadership was handed over");
}

START_TEST(at_once_where_nothing_is_under_way)
{
	ck_assert_str_eq(move(2, false), "");
	ck_assert(ZAB->move.on);
	expect("PING 100000005");
	say(PACKET_PING, ZXID(1, 5));
	net_run();
	expect_handed_over();
	/* It stands for one election: the next vote is an honest one. */
	net_link_down(1, ZAB_ELECTIOND);
	net_link_up(1, ZAB_ELECTIOND);
	net_run();
	ck_assert(NODE->looking && !NODE->look.nominates);
}
END_TEST

START_TEST(what_is_proposed_comes_to_its_end_first)
{
	propose(ZXID(2, 1));
	net_run();
	expect("PROPOSAL 200000001 +48");
	ck_assert_str_eq(move(0, true), "");
	say(PACKET_PING, ZXID(1, 5));
	propose(ZXID(2, 2)); /* too late: it waits */
	propose(ZXID(2, 3));
	net_run();
	expect("PING 100000005");
	ck_assert(ZAB->move.on && ZAB->proposed == ZXID(2, 1));
	say(PACKET_ACK, ZXID(2, 1));
	net_run();
	ck_assert_uint_eq(NODE->applied, ZXID(2, 1)); /* so its client is answered */
	expect_handed_over();
	ck_assert_uint_eq(NODE->look.zxid,
			  ZXID(2, 1)); /* and the others' are not, and not lost: they never were */
}
END_TEST

START_TEST(what_waited_goes_on_where_it_is_given_up)
{
	propose(ZXID(2, 1));
	move(2, false);
	propose(ZXID(2, 2));
	propose(ZXID(2, 3));
	net_run();
	net_heard();
	net_pass(NET_TICK_MS + 1);
	ck_assert(!ZAB->move.on && net_serves(1));
	ck_assert_str_eq(ZAB->move.given_up, "that server did not catch up within a tick");
	ck_assert_uint_eq(ZAB->proposed, ZXID(2, 3));
	say(PACKET_ACK, ZXID(2, 3));
	propose(ZXID(2, 4));
	net_run();
	ck_assert_uint_eq(ZAB->committed, ZXID(2, 3));
	ck_assert_uint_eq(ZAB->proposed, ZXID(2, 4));
	/* Once more, and it works. */
	ck_assert_str_eq(move(2, false), "");
	ck_assert_ptr_null(ZAB->move.given_up);
	say(PACKET_ACK, ZXID(2, 4));
	say(PACKET_PING, ZXID(2, 4));
	net_run();
	expect_handed_over();
}
END_TEST

START_TEST(the_follower_must_be_alive_and_stay)
{
	move(2, false);
	net_pass(NET_TICK_MS + 1);
	ck_assert(!ZAB->move.on && net_serves(1)); /* it has not said a word */
	move(2, false);
	net_cut(1, 0);
	net_run();
	ck_assert(!ZAB->move.on);
	ck_assert_str_eq(ZAB->move.given_up, "that server is not in sync any more");
}
END_TEST

START_TEST(clientd_dies_meanwhile)
{
	propose(ZXID(2, 1));
	move(2, false);
	propose(ZXID(2, 2));
	net_run();
	net_link_down(1, ZAB_CLIENTD);
	ck_assert_str_eq(ZAB->move.given_up, "clientd went away");
	net_link_up(1, ZAB_CLIENTD);
	say(PACKET_ACK, ZXID(2, 1));
	net_run();
	ck_assert(net_serves(1));
	ck_assert_uint_eq(ZAB->proposed, ZXID(2, 1)); /* what the dead one proposed behind that is nobody's */
	propose(ZXID(2, 2));
	net_run();
	ck_assert_uint_eq(ZAB->proposed, ZXID(2, 2));
}
END_TEST

START_TEST(what_is_refused)
{
	ck_assert_str_eq(move(1, false), "this server leads already");
	ck_assert_str_eq(move(9, false), "there is no voter of that number");
	ck_assert_str_eq(move(3, false), "that server is not in sync");
	ck_assert_str_eq(move(2, false), "");
	ck_assert_str_eq(move(2, false), "leadership is on its way already");
	say(PACKET_PING, ZXID(1, 5));
	net_run();
	ck_assert_str_eq(move(2, false), "this server does not lead");
}
END_TEST

START_TEST(nobody_is_in_sync)
{
	net_cut(1, 0);
	net_run();
	ck_assert_str_eq(move(0, true), "no follower is in sync");
}
END_TEST

/* Another follower in sync, server 3; the test goes on as server 2. */
static uint32_t
join_3(void)
{
	uint32_t two = peer, three;

	join(PACKET_FOLLOWERINFO, 3, 2, -1, ZXID(1, 5));
	say(PACKET_ACK, ZXID(2, 0));
	net_heard();
	three = peer;
	peer = two;
	return three;
}

static void
ack_as(uint32_t connection, uint64_t zxid)
{
	net_packet(1, connection, PACKET_ACK, zxid, SLICE_NULL);
}

/* Whoever needs least gets it; of equals the largest number; nobody who cannot be elected. */
START_TEST(who_is_picked)
{
	static const struct {
		bool two_again; /* 2 connects behind 3 */
		int acks;       /* number of the one that has acked more */
		uint32_t weight_3;
		uint64_t target;
	} rows[] = {
		{ false, 0, 1, 3 }, { true, 0, 1, 3 },  { false, 2, 1, 2 },
		{ true, 2, 1, 2 },  { false, 3, 1, 3 }, { false, 0, 0, 2 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint32_t three;

		setup();
		three = join_3();
		if (rows[i].two_again) {
			join(PACKET_FOLLOWERINFO, 2, 2, -1, ZXID(1, 5));
			say(PACKET_ACK, ZXID(2, 0));
		}
		join(PACKET_OBSERVERINFO, 9, 2, -1, ZXID(1, 5));
		say(PACKET_ACK, ZXID(2, 0));
		net_connect(1);
		propose(ZXID(2, 1));
		net_run();
		for (size_t k = 0; k < ZAB->npeers; k++)
			if (ZAB->peers[k]->sid == (uint64_t)rows[i].acks && rows[i].acks != 0)
				ack_as(ZAB->peers[k]->id, ZXID(2, 1));
		ZAB->config.quorums.current.voters[2].weight = rows[i].weight_3;
		ck_assert_str_eq(move(0, true), "");
		ck_assert_uint_eq(ZAB->move.target, rows[i].target);
		(void)three;
	}
	setup();
	join_3();
	ZAB->config.quorums.current.voters[2].weight = 0;
	ck_assert_str_eq(move(3, false), "that voter has weight 0, and is never elected");
}
END_TEST

START_TEST(refused_alone_or_while_members_change)
{
	static const char two[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=100000003";
	uint8_t body[1024];

	talk_init(3, 3);
	with_members(1, two);
	lead();
	net_frame(1, ZAB_CLIENTD, MSG_PROPOSE, 0, 0, ZXID(2, 1),
		  slice_of(body, reconfig_body(body, ZXID(2, 1), members_0)));
	ck_assert_str_eq(move(2, false), "a reconfiguration is under way");
	talk_init(3, 3);
	NODE->config.standalone = true;
	zab_free(ZAB);
	zab_init(ZAB, &NODE->config);
	net_start(1);
	ck_assert_str_eq(move(2, false), "this server is alone");
}
END_TEST

/* The sign of life has to come from the one that is to lead. */
START_TEST(another_one_is_alive)
{
	uint32_t three = join_3();

	move(2, false);
	net_packet(1, three, PACKET_PING, ZXID(1, 5), SLICE_NULL);
	ck_assert(ZAB->move.on && !ZAB->move.answered);
	say(PACKET_PING, ZXID(1, 5));
	expect_handed_over();
}
END_TEST

/* Each thing that has to come to its end by itself. */
START_TEST(what_is_waited_for)
{
	uint32_t three;

	/* The one that is to lead has all, though others are enough to commit. */
	three = join_3();
	propose(ZXID(2, 1));
	net_run();
	move(2, false);
	say(PACKET_PING, ZXID(1, 5));
	ack_as(three, ZXID(2, 1));
	ck_assert_uint_eq(ZAB->committed, ZXID(2, 1));
	ck_assert(ZAB->move.on);
	say(PACKET_ACK, ZXID(2, 1));
	expect_handed_over();
	/* Our own disk. */
	setup();
	three = join_3();
	NODE->logd_stuck = true;
	propose(ZXID(2, 1));
	net_run();
	move(2, false);
	say(PACKET_PING, ZXID(1, 5));
	ack_as(three, ZXID(2, 1));
	say(PACKET_ACK, ZXID(2, 1));
	ck_assert_uint_eq(ZAB->committed, ZXID(2, 1));
	ck_assert(ZAB->move.on);
	net_frame(1, ZAB_LOGD, MSG_DURABLE, 0, 0, ZXID(2, 1), SLICE_NULL);
	net_run();
	expect_handed_over();
	/* What others are still to be told. */
	setup();
	three = join_3();
	for (size_t i = 0; i < sizeof net.pipes / sizeof net.pipes[0]; i++)
		net.pipes[i].deaf[1] = net.pipes[i].used && net.pipes[i].peer[0] == three;
	propose(ZXID(2, 1));
	net_run();
	move(2, false);
	say(PACKET_PING, ZXID(1, 5));
	say(PACKET_ACK, ZXID(2, 1));
	ck_assert_uint_eq(ZAB->committed, ZXID(2, 1));
	ck_assert(ZAB->move.on);
	net_step(1, &(struct zab_event){ .type = ZAB_PEER_WROTE,
					 .fd = -1,
					 .peer = three,
					 .count = zab_peer_output(ZAB, three).len });
	net_run();
	expect_handed_over();
}
END_TEST

/* All that clientd says of requests waits; what it says of itself does not. */
START_TEST(answers_wait_too)
{
	static const char sync_request[] = "SSSSSSSSCCCC\0\0\0\011/path";
	static const char request[] = "SSSSSSSSCCCC\0\0\0\005body";
	uint8_t valid[17] = { 0 };

	say_data(PACKET_REQUEST, PACKET_NO_ZXID, sync_request, sizeof sync_request - 1);
	say_data(PACKET_REQUEST, PACKET_NO_ZXID, request, sizeof request - 1);
	say_data(PACKET_REVALIDATE, PACKET_NO_ZXID, "SSSSSSSSTTTT", 12);
	move(2, false);
	net_heard();
	net_frame(1, ZAB_CLIENTD, MSG_SYNC, 0, 1, 0, SLICE_NULL);
	net_frame(1, ZAB_CLIENTD, MSG_DROP, 0, 2, 0, SLICE_NULL);
	net_frame(1, ZAB_CLIENTD, MSG_REVALIDATE, 0, 3, 0, slice_of(valid, sizeof valid));
	net_frame(1, ZAB_CLIENTD, MSG_ROLE_ACK, 0, 1, 0, SLICE_NULL); /* of an older role */
	net_run();
	expect("");
	ck_assert_uint_eq(ZAB->requests.bytes.count, 3);
	net_pass(NET_TICK_MS + 1);
	ck_assert(!ZAB->move.on);
	ck_assert_uint_eq(ZAB->requests.bytes.count, 0);
	ck_assert_ptr_nonnull(strstr(net_heard(), "SYNC 0, REVALIDATE ffffffffffffffff +9"));
	ck_assert_str_eq(NODE->ended, "");
}
END_TEST

/* A frame that makes no sense ends clientd's link when it is taken, and with it all behind it. */
START_TEST(nonsense_waits_too)
{
	move(2, false);
	propose(ZXID(2, 2));
	propose(ZXID(2, 1));
	ck_assert_str_eq(NODE->ended, "");
	net_pass(NET_TICK_MS + 1);
	ck_assert_str_eq(NODE->ended, "proposal out of order");
	ck_assert_uint_eq(ZAB->proposed, ZXID(1, 5));
	ck_assert_int_eq(ZAB->part, ZAB_LEADER);
}
END_TEST

/* More than can wait, or a role that ends otherwise: there is no hand-over, and nobody is nominated. */
START_TEST(other_ends)
{
	move(2, false);
	ZAB->move.held.max = 10;
	propose(ZXID(2, 1));
	net_run();
	ck_assert_str_eq(ZAB->left, "more was proposed than can wait for a hand-over");
	ck_assert(NODE->looking && !NODE->look.nominates);
	setup();
	move(2, false);
	NODE->disk_failed = true;
	net_frame(1, ZAB_LOGD, MSG_DISK, 0, 0, ZXID(1, 5), SLICE_NULL);
	ck_assert_str_eq(ZAB->left, "the disk failed");
	ck_assert(!ZAB->move.on);
	NODE->disk_failed = false;
	net_frame(1, ZAB_LOGD, MSG_DISK, 0, 0, ZXID(1, 5), SLICE_NULL);
	ck_assert(NODE->looking && !NODE->look.nominates);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("zab_move");
	TCase *c = tcase_create("a leader hands its part over");

	tcase_add_checked_fixture(c, setup, net_free);
	tcase_add_test(c, at_once_where_nothing_is_under_way);
	tcase_add_test(c, what_is_proposed_comes_to_its_end_first);
	tcase_add_test(c, what_waited_goes_on_where_it_is_given_up);
	tcase_add_test(c, the_follower_must_be_alive_and_stay);
	tcase_add_test(c, clientd_dies_meanwhile);
	tcase_add_test(c, what_is_refused);
	tcase_add_test(c, nobody_is_in_sync);
	tcase_add_test(c, who_is_picked);
	tcase_add_test(c, refused_alone_or_while_members_change);
	tcase_add_test(c, another_one_is_alive);
	tcase_add_test(c, what_is_waited_for);
	tcase_add_test(c, answers_wait_too);
	tcase_add_test(c, nonsense_waits_too);
	tcase_add_test(c, other_ends);
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
