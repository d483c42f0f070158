/* What lies on the quorum port, and what a leader and a learner keep beside it: packets, requests, touches. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "syncd/packet.h"
#include "syncd/requests.h"
#include "syncd/touches.h"

static struct buf out;

static void
setup(void)
{
	buf_init(&out, 1 << 20);
}

static void
teardown(void)
{
	buf_free(&out);
}

START_TEST(a_packet_comes_back)
{
	static const uint8_t ids[] = { 0, 0, 0, 1, 0, 0, 0, 2, 'i', 'p', 0, 0, 0, 1, 'x' };
	struct packet p;

	packet_put(&out, PACKET_REQUEST, PACKET_NO_ZXID, SLICE_LIT("data"), slice_of(ids, sizeof ids));
	ck_assert_int_eq(packet_parse(buf_slice(&out), &p), (int64_t)buf_len(&out));
	ck_assert_int_eq(p.type, PACKET_REQUEST);
	ck_assert_uint_eq(p.zxid, PACKET_NO_ZXID);
	ck_assert(slice_equal(p.data, SLICE_LIT("data")));
	ck_assert(slice_equal(p.authinfo, slice_of(ids, sizeof ids)));
	/* No prefix of it is a packet, and none is refused. */
	for (size_t n = 0; n < buf_len(&out); n++)
		ck_assert_int_eq(packet_parse(slice_of(buf_head(&out), n), &p), 0);
}
END_TEST

/* As a Java leader writes it: both null. */
START_TEST(null_is_not_empty)
{
	static const uint8_t commit[] = { 0, 0, 0,    4,    0,    0,    0,    1,    0,    0,
					  0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct packet p;

	packet_put(&out, PACKET_COMMIT, 0x100000002, SLICE_NULL, SLICE_NULL);
	ck_assert(slice_equal(buf_slice(&out), slice_of(commit, sizeof commit)));
	ck_assert_int_eq(packet_parse(buf_slice(&out), &p), sizeof commit);
	ck_assert_ptr_null(p.data.data);
	buf_reset(&out, 0);
	packet_put(&out, PACKET_PING, 0, SLICE_LIT(""), SLICE_NULL);
	ck_assert_int_eq(packet_parse(buf_slice(&out), &p), sizeof commit);
	ck_assert_ptr_nonnull(p.data.data);
	ck_assert_uint_eq(p.data.len, 0);
}
END_TEST

START_TEST(lengths_that_lie_are_refused_at_once)
{
	static const struct {
		uint32_t data, count, scheme;
	} rows[] = {
		{ (uint32_t)-2, 0, 0 },
		{ PACKET_DATA_MAX + 1, 0, 0 },
		{ INT32_MAX, 0, 0 },
		{ 0x80000000, 0, 0 },
		{ 0, (uint32_t)-2, 0 },
		{ 0, INT32_MAX, 0 },
		{ 0, PACKET_AUTHINFO_MAX, 0 },
		{ 0, 1, (uint32_t)-2 },
		{ 0, 1, PACKET_AUTHINFO_MAX + 1 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct packet p;

		buf_reset(&out, 4096);
		buf_put_be32(&out, PACKET_PING);
		buf_put_be64(&out, 0);
		buf_put_be32(&out, rows[i].data);
		buf_put_be32(&out, rows[i].count);
		buf_put_be32(&out, rows[i].scheme);
		ck_assert_int_eq(packet_parse(buf_slice(&out), &p), -EPROTO);
	}
}
END_TEST

/* Many ids, each small, past the limit of all together. */
START_TEST(authinfo_has_an_end)
{
	struct buf big;

	buf_init(&big, 8 << 20);
	buf_put_be32(&big, 4);
	for (int i = 0; i < 8; i++) {
		buf_put_be32(&big, PACKET_AUTHINFO_MAX / 4);
		buf_commit(&big, 0);
		for (int k = 0; k < PACKET_AUTHINFO_MAX / 4 / 8; k++)
			buf_put_be64(&big, 0);
	}
	ck_assert_int_eq(packet_authinfo_size(buf_slice(&big)), -EPROTO);
	buf_free(&big);
	ck_assert_int_eq(packet_authinfo_size(SLICE_LIT("\0\0\0")), 0);
}
END_TEST

START_TEST(learner_info_has_20_bytes)
{
	struct learner_info info = { .sid = 3, .protocol = PACKET_PROTOCOL, .config_version = 7 }, back;
	uint8_t bytes[LEARNER_INFO_BYTES];

	learner_info_put(bytes, &info);
	ck_assert(learner_info_parse(slice_of(bytes, sizeof bytes), &back));
	ck_assert_int_eq(back.sid, 3);
	ck_assert_int_eq(back.protocol, PACKET_PROTOCOL);
	ck_assert_uint_eq(back.config_version, 7);
	ck_assert(!learner_info_parse(slice_of(bytes, sizeof bytes - 1), &back));
}
END_TEST

START_TEST(names_are_for_people)
{
	for (int32_t type = -1; type <= PACKET_TYPES; type++)
		ck_assert_uint_gt(strlen(packet_name(type)), 1);
	ck_assert_str_eq(packet_name(PACKET_SNAP), "SNAP");
	ck_assert_str_eq(packet_name(99), "unknown");
}
END_TEST

/* Requests */

static uint64_t
give(struct requests *r, char want)
{
	const struct learner_request *q;
	struct slice body;
	uint64_t number = requests_give(r, &q, &body);

	if (number != 0)
		ck_assert_int_eq(body.data[0], want);
	return number;
}

static void
add(struct requests *r, uint32_t peer, char what)
{
	requests_add(r, peer, 9, slice_of(&what, 1));
}

START_TEST(requests_are_numbered_and_consumed_in_order)
{
	struct requests r;
	struct slice body;
	uint64_t number;

	requests_init(&r);
	ck_assert_ptr_null(requests_oldest(&r, &number, &body));
	ck_assert_uint_eq(give(&r, 0), 0);
	for (int i = 0; i < 200; i++) {
		add(&r, 1, 'a');
		add(&r, 2, 'b');
		ck_assert_uint_eq(give(&r, 'a'), 2 * (uint64_t)i + 1);
		ck_assert_uint_eq(give(&r, 'b'), 2 * (uint64_t)i + 2);
		ck_assert_uint_eq(give(&r, 0), 0);
		if (i < 100)
			continue;
		ck_assert_uint_eq(requests_oldest(&r, &number, &body)->peer, 1);
		ck_assert_uint_eq(number, 2 * ((uint64_t)i - 100) + 1);
		requests_consume(&r);
		requests_consume(&r);
	}
	requests_reset(&r);
	add(&r, 3, 'c');
	ck_assert_uint_eq(give(&r, 'c'), 1);
	requests_free(&r);
}
END_TEST

START_TEST(requests_of_a_closed_connection_leave_unless_given)
{
	struct requests r;
	struct slice body;
	uint64_t number;

	requests_init(&r);
	add(&r, 1, 'a');
	add(&r, 2, 'b');
	ck_assert_uint_eq(give(&r, 'a'), 1);
	add(&r, 1, 'c');
	add(&r, 2, 'd');
	requests_drop_peer(&r, 1);
	ck_assert_uint_eq(give(&r, 'b'), 2);
	ck_assert_uint_eq(give(&r, 'd'), 3);
	ck_assert_uint_eq(requests_oldest(&r, &number, &body)->peer, 1);
	requests_consume(&r);
	requests_consume(&r);
	ck_assert_uint_eq(requests_oldest(&r, &number, &body)->peer, 2);
	ck_assert_uint_eq(number, 3);
	ck_assert_int_eq(body.data[0], 'd');
	requests_consume(&r);
	ck_assert_ptr_null(requests_oldest(&r, &number, &body));
	requests_free(&r);
}
END_TEST

START_TEST(requests_have_two_lives)
{
	struct requests r;

	requests_init(&r);
	add(&r, 1, 'a');
	add(&r, 2, 'b');
	ck_assert_uint_eq(give(&r, 'a'), 1);
	requests_take_back(&r, true);
	ck_assert_uint_eq(requests_find_deadly(&r), 0);
	ck_assert_uint_eq(give(&r, 'a'), 1);
	ck_assert_uint_eq(give(&r, 'b'), 2);
	/* A new role of a living clientd is no death. */
	requests_take_back(&r, false);
	ck_assert_uint_eq(requests_find_deadly(&r), 0);
	ck_assert_uint_eq(give(&r, 'a'), 1);
	requests_take_back(&r, true);
	ck_assert_uint_eq(requests_find_deadly(&r), 1);
	requests_drop_peer(&r, 1);
	ck_assert_uint_eq(requests_find_deadly(&r), 0);
	ck_assert_uint_eq(give(&r, 'b'), 1);
	requests_free(&r);
}
END_TEST

/* Touches */

static void
touch(struct touches *t, uint64_t session, uint32_t timeout)
{
	uint8_t bytes[TOUCH_BYTES];

	put_be64(bytes, session);
	put_be32(bytes + 8, timeout);
	touches_add(t, slice_of(bytes, sizeof bytes));
}

START_TEST(the_last_timeout_of_a_session_wins)
{
	struct touches t;
	struct slice s;

	touches_init(&t);
	ck_assert_ptr_nonnull(touches_bytes(&t).data);
	ck_assert_uint_eq(touches_bytes(&t).len, 0);
	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 1; i <= 1000; i++)
			touch(&t, i, 1);
		for (uint64_t i = 1; i <= 1000; i += 2)
			touch(&t, i, 2);
		s = touches_bytes(&t);
		ck_assert_uint_eq(s.len, 1000 * TOUCH_BYTES);
		for (uint64_t i = 0; i < 1000; i++) {
			ck_assert_uint_eq(get_be64(s.data + i * TOUCH_BYTES), i + 1);
			ck_assert_uint_eq(get_be32(s.data + i * TOUCH_BYTES + 8), i % 2 == 0 ? 2 : 1);
		}
		touches_reset(&t);
	}
	ck_assert_uint_eq(touches_bytes(&t).len, 0);
	touches_free(&t);
}
END_TEST

START_TEST(touches_have_an_end)
{
	struct touches t;

	touches_init(&t);
	for (uint64_t i = 0; i <= TOUCHES_MAX; i++)
		touch(&t, i, 1);
	ck_assert_uint_eq(touches_bytes(&t).len, (size_t)TOUCHES_MAX * TOUCH_BYTES);
	touch(&t, 0, 5);
	ck_assert_uint_eq(get_be32(touches_bytes(&t).data + 8), 5);
	touches_free(&t);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("packet");
	TCase *c = tcase_create("packet");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_packet_comes_back);
	tcase_add_test(c, null_is_not_empty);
	tcase_add_test(c, lengths_that_lie_are_refused_at_once);
	tcase_add_test(c, authinfo_has_an_end);
	tcase_add_test(c, learner_info_has_20_bytes);
	tcase_add_test(c, names_are_for_people);
	tcase_add_test(c, requests_are_numbered_and_consumed_in_order);
	tcase_add_test(c, requests_of_a_closed_connection_leave_unless_given);
	tcase_add_test(c, requests_have_two_lives);
	tcase_add_test(c, the_last_timeout_of_a_session_wins);
	tcase_add_test(c, touches_have_an_end);
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
