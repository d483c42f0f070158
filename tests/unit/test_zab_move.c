/*
 * A leader that hands its part over: the test is its follower, server 2, and sees what waits for what; then whole
 * ensembles. See zab_net.h.
 */
#include <check.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "syncd/packet.h"
#include "zab_net.h"

#define ZXID(epoch, n) ((uint64_t)(epoch) << 32 | (n))
#define NODE           (&net.nodes[1])
#define ZAB            (&NODE->zab)

static uint32_t peer; /* the test's connection */

static void
say(int type, uint64_t zxid)
{
	net_packet(1, peer, type, zxid, SLICE_NULL);
}

static void
setup(void)
{
	struct learner_info info = { .sid = 2, .protocol = PACKET_PROTOCOL };
	uint8_t body[LEARNER_INFO_BYTES], epoch[4];

	net_init(3, 3);
	net.nodes[2].alive = net.nodes[3].alive = false;
	net_fill(1, 1, 1, 5);
	net_start(1);
	net_run();
	net_elect(1);
	net_run();
	peer = net_connect(1);
	learner_info_put(body, &info);
	net_packet(1, peer, PACKET_FOLLOWERINFO, ZXID(1, 0), slice_of(body, sizeof body));
	put_be32(epoch, 1);
	net_packet(1, peer, PACKET_ACKEPOCH, ZXID(1, 5), slice_of(epoch, sizeof epoch));
	say(PACKET_ACK, ZXID(2, 0));
	say(PACKET_ACK, ZXID(2, 0));
	ck_assert(net_serves(1));
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
expect(const char *heard)
{
	ck_assert_str_eq(net_heard(), heard);
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
