/*
 * The bytes of the election port: notifications in their three forms, initial messages in theirs, and what is refused.
 * The golden bytes were sent by Apache ZooKeeper 3.8.0; tests/conformance/test_election_wire.py reads fresh ones.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "electiond/initial.h"
#include "electiond/notification.h"

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

static void
put_fixed(uint32_t state, uint64_t leader, uint64_t zxid, uint64_t round)
{
	buf_put_be32(&out, state);
	buf_put_be64(&out, leader);
	buf_put_be64(&out, zxid);
	buf_put_be64(&out, round);
}

static int
parse(struct notification *n)
{
	memset(n, 0x55, sizeof *n);
	return notification_parse(buf_slice(&out), n);
}

START_TEST(body_of_28_bytes)
{
	struct notification n;

	put_fixed(0, 3, 0x500000007, 9);
	ck_assert_int_eq(parse(&n), 0);
	ck_assert_int_eq(n.vote.state, VOTE_LOOKING);
	ck_assert_int_eq(n.vote.leader, 3);
	ck_assert_int_eq(n.vote.zxid, 0x500000007);
	ck_assert_int_eq(n.vote.round, 9);
	ck_assert_int_eq(n.vote.epoch, 5);
	ck_assert_int_eq(n.vote.version, 0);
	ck_assert_ptr_null(n.config.data);
	buf_reset(&out, 0);
	put_fixed(0, 3, UINT64_MAX, 9);
	ck_assert_int_eq(parse(&n), 0);
	ck_assert_int_eq(n.vote.zxid, VOTE_ZXID_NONE);
	ck_assert_int_eq(n.vote.epoch, -1);
}
END_TEST

START_TEST(body_of_40_bytes_has_no_version)
{
	struct notification n;

	put_fixed(2, 3, 0x500000007, 9);
	buf_put_be64(&out, 6);
	buf_put_be32(&out, 1);
	ck_assert_int_eq(parse(&n), 0);
	ck_assert_int_eq(n.vote.state, VOTE_LEADING);
	ck_assert_int_eq(n.vote.epoch, 6);
	ck_assert_int_eq(n.vote.version, 0);
	ck_assert_ptr_null(n.config.data);
}
END_TEST

START_TEST(body_with_a_config)
{
	static const struct notification sent = {
		.vote = { .leader = 2, .zxid = 0x100000002, .round = 3, .epoch = 4, .state = VOTE_FOLLOWING },
		.config = SLICE_LIT("server.1=a:1:2:participant\nversion=100000000"),
	};
	struct notification n;
	struct slice body;

	notification_put(&out, &sent);
	ck_assert_int_eq(notification_frame(buf_slice(&out), &body), (int64_t)buf_len(&out));
	ck_assert_uint_eq(body.len, NOTIFICATION_FIXED_BYTES + sent.config.len);
	ck_assert_int_eq(notification_parse(body, &n), 0);
	ck_assert_int_eq(n.vote.state, VOTE_FOLLOWING);
	ck_assert_int_eq(n.vote.leader, 2);
	ck_assert_int_eq(n.vote.zxid, 0x100000002);
	ck_assert_int_eq(n.vote.round, 3);
	ck_assert_int_eq(n.vote.epoch, 4);
	ck_assert_int_eq(n.vote.version, VOTE_VERSION);
	ck_assert(slice_equal(n.config, sent.config));
	/* more than the config is allowed, less is not */
	ck_assert_int_eq(notification_parse(slice_of(body.data, body.len - 1), &n), -EPROTO);
	buf_put_u8(&out, 0);
	ck_assert_int_eq(notification_parse(slice_of(buf_head(&out) + 4, body.len + 1), &n), 0);
	ck_assert_uint_eq(n.config.len, sent.config.len);
}
END_TEST

static void
put_hex(const char *hex)
{
	for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		buf_put_u8(&out, (uint8_t)byte);
}

START_TEST(bytes_of_java)
{
	static const char config[] = "server.1=127.0.0.1:23024:23080:participant\n"
				     "server.2=127.0.0.1:23007:23068:participant\n"
				     "server.3=127.0.0.1:23053:23020:participant\n"
				     "version=0";
	struct notification n;
	struct initial m;
	struct slice body;
	struct buf again;

	put_hex("000000b6000000000000000000000001000000000000000000000000000000010000000000000000000000020000"
		"008a");
	buf_put(&out, config, strlen(config));
	ck_assert_int_eq(notification_frame(buf_slice(&out), &body), (int64_t)buf_len(&out));
	ck_assert_int_eq(notification_parse(body, &n), 0);
	ck_assert_int_eq(n.vote.state, VOTE_LOOKING);
	ck_assert_int_eq(n.vote.leader, 1);
	ck_assert_int_eq(n.vote.zxid, 0);
	ck_assert_int_eq(n.vote.round, 1);
	ck_assert_int_eq(n.vote.epoch, 0);
	ck_assert_int_eq(n.vote.version, 2);
	ck_assert(slice_equal(n.config, slice_str(config)));
	buf_init(&again, 1 << 20);
	notification_put(&again, &n);
	ck_assert(slice_equal(buf_slice(&again), buf_slice(&out)));

	buf_reset(&out, 0);
	buf_reset(&again, 0);
	put_hex("ffffffffffff000000000000000000010000000f3132372e302e302e313a3233303830");
	ck_assert_int_eq(initial_parse(buf_slice(&out), &m), (int64_t)buf_len(&out));
	ck_assert_int_eq(m.form, INITIAL_ONE);
	ck_assert_int_eq(m.sid, 1);
	ck_assert_uint_eq(m.addresses[0].port, 23080);
	ck_assert_int_eq(initial_put(&again, &m), 0);
	ck_assert(slice_equal(buf_slice(&again), buf_slice(&out)));
	buf_free(&again);
}
END_TEST

START_TEST(body_with_an_empty_config)
{
	static const struct notification sent = { .vote = { .leader = 1 } };
	struct notification n;
	struct slice body;

	notification_put(&out, &sent);
	ck_assert_int_gt(notification_frame(buf_slice(&out), &body), 0);
	ck_assert_uint_eq(body.len, NOTIFICATION_FIXED_BYTES);
	ck_assert_int_eq(notification_parse(body, &n), 0);
	ck_assert_ptr_nonnull(n.config.data);
	ck_assert_uint_eq(n.config.len, 0);
}
END_TEST

/* ZOOKEEPER-2186, 3769: short and random bytes. Only whole fields are read, at every length. */
START_TEST(short_bodies_are_ignored)
{
	struct notification n;

	put_fixed(1, 3, 7, 9);
	buf_put_be64(&out, 6);
	buf_put_be32(&out, 2);
	buf_put_be32(&out, 0);
	for (size_t len = 0; len <= NOTIFICATION_FIXED_BYTES; len++) {
		uint8_t *exact = malloc(len + 1);
		memcpy(exact, buf_head(&out), len);
		ck_assert_int_eq(notification_parse(slice_of(exact, len), &n),
				 len == 28 || len == 40 || len == 44 ? 0 : -EPROTO);
		free(exact);
	}
}
END_TEST

START_TEST(bodies_without_config_of_other_lengths)
{
	struct notification n;

	put_fixed(1, 3, 7, 9);
	buf_put_be64(&out, 6);
	buf_put_be32(&out, 1);
	buf_put_u8(&out, 0);
	ck_assert_int_eq(parse(&n), 0);
	ck_assert_int_eq(n.vote.version, 1);
	ck_assert_ptr_null(n.config.data);
}
END_TEST

START_TEST(config_lengths_beyond_the_body)
{
	static const uint32_t lengths[] = { 1, 44, 0x7fffffff, 0x80000000, 0xffffffff };
	struct notification n;

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		buf_reset(&out, 0);
		put_fixed(1, 3, 7, 9);
		buf_put_be64(&out, 6);
		buf_put_be32(&out, 2);
		buf_put_be32(&out, lengths[i]);
		ck_assert_int_eq(parse(&n), -EPROTO);
	}
}
END_TEST

START_TEST(unknown_states)
{
	struct notification n;

	put_fixed(4, 3, 7, 9);
	ck_assert_int_eq(parse(&n), -EPROTO);
	buf_reset(&out, 0);
	put_fixed(UINT32_MAX, 3, 7, 9);
	ck_assert_int_eq(parse(&n), -EPROTO);
}
END_TEST

START_TEST(frames)
{
	struct slice body;

	ck_assert_int_eq(notification_frame(SLICE_LIT("\0\0\0"), &body), 0);
	ck_assert_int_eq(notification_frame(SLICE_LIT("\0\0\0\2x"), &body), 0);
	ck_assert_int_eq(notification_frame(SLICE_LIT("\0\0\0\2xyz"), &body), 6);
	ck_assert_uint_eq(body.len, 2);
	ck_assert_int_eq(notification_frame(SLICE_LIT("\0\0\0\0"), &body), -EPROTO);
	ck_assert_int_eq(notification_frame(SLICE_LIT("\0\x08\0\0"), &body), 0);
	ck_assert_int_eq(notification_frame(SLICE_LIT("\0\x08\0\1"), &body), -EPROTO);
	ck_assert_int_eq(notification_frame(SLICE_LIT("\xff\xff\xff\xff"), &body), -EPROTO);
}
END_TEST

START_TEST(config_versions)
{
	static const struct {
		struct slice text;
		int err;
		uint64_t version;
	} rows[] = {
		{ SLICE_LIT("version=0"), 0, 0 },
		{ SLICE_LIT("server.1=a:1:2:participant\nversion=10000000a"), 0, 0x10000000a },
		{ SLICE_LIT("version=FFffFFffFFffFFff"), 0, UINT64_MAX },
		{ SLICE_LIT("version=1\nversion=2"), 0, 2 },
		{ SLICE_LIT("version=00000000000000001"), -EPROTO, 0 },
		{ SLICE_LIT("version="), -EPROTO, 0 },
		{ SLICE_LIT("version=1\n"), -EPROTO, 0 },
		{ SLICE_LIT("version=-1"), -EPROTO, 0 },
		{ SLICE_LIT("version=g"), -EPROTO, 0 },
		{ SLICE_LIT("version=G"), -EPROTO, 0 },
		{ SLICE_LIT("version=1/"), -EPROTO, 0 },
		{ SLICE_LIT("version=:"), -EPROTO, 0 },
		{ SLICE_LIT("Version=10"), -EPROTO, 0 },
		{ SLICE_LIT(""), -EPROTO, 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t version = 77;
		ck_assert_int_eq(notification_config_version(rows[i].text, &version), rows[i].err);
		if (rows[i].err == 0)
			ck_assert_uint_eq(version, rows[i].version);
	}
}
END_TEST

/* Initial messages */

static void
put_initial(int64_t protocol, int64_t sid, const char *text)
{
	buf_reset(&out, 0);
	buf_put_be64(&out, (uint64_t)protocol);
	buf_put_be64(&out, (uint64_t)sid);
	buf_put_be32(&out, (uint32_t)strlen(text));
	buf_put(&out, text, strlen(text));
}

/* What is parsed as text: "form sid host port, host port". */
static const char *
parsed(void)
{
	static char text[4096];
	struct initial m;
	int64_t n = initial_parse(buf_slice(&out), &m);

	if (n <= 0)
		return n == 0 ? "more" : "refused";
	ck_assert_int_eq(n, (int64_t)buf_len(&out));
	int used = snprintf(text, sizeof text, "%d %lld", m.form, (long long)m.sid);
	for (size_t i = 0; i < m.naddresses; i++)
		used += snprintf(text + used, sizeof text - (size_t)used, "%s %.*s %u", i > 0 ? "," : "",
				 (int)m.addresses[i].host.len, (const char *)m.addresses[i].host.data,
				 m.addresses[i].port);
	return text;
}

START_TEST(initial_forms)
{
	put_initial(-65536, 2, "10.0.0.1:3888");
	ck_assert_str_eq(parsed(), "1 2 10.0.0.1 3888");
	put_initial(-65535, 2, "a:1|[2001:db8::1]:65535|b:3");
	ck_assert_str_eq(parsed(), "2 2 a 1, 2001:db8::1 65535, b 3");
	buf_reset(&out, 0);
	buf_put_be64(&out, 5);
	ck_assert_str_eq(parsed(), "0 5");
	put_initial(-65536, INT64_MAX, "a:1");
	ck_assert_str_eq(parsed(), "1 9223372036854775807 a 1");
	/* a wildcard address cannot be dialled */
	put_initial(-65535, 2, "0.0.0.0:1|a:2|[::]:3|[0:0:0:0:0:0:0:0]:4");
	ck_assert_str_eq(parsed(), "2 2 a 2");
}
END_TEST

START_TEST(initial_addresses_refused)
{
	static const char *const bad[] = { "a",        ":1",     "a:",   "a:0",  "a:65536",
					   "a:123456", "a:1:2",  "a:+1", "a:x",  "[::1]",
					   "[::1]1",   "[::1:1", "[]:1", "a:1|", "|a:1",
					   "a:1||b:1", "|",      "[",    "a:/" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		put_initial(-65535, 2, bad[i]);
		ck_assert_str_eq(parsed(), "refused");
	}
}
END_TEST

START_TEST(initial_bounds)
{
	char text[INITIAL_TEXT_MAX + 2];
	struct initial m;

	put_initial(-65534, 2, "a:1");
	ck_assert_str_eq(parsed(), "refused");
	put_initial(-1, 2, "a:1");
	ck_assert_str_eq(parsed(), "refused");
	put_initial(-65536, -2, "a:1");
	ck_assert_str_eq(parsed(), "refused");
	put_initial(-65536, 2, "");
	ck_assert_str_eq(parsed(), "refused");
	memset(text, 'a', sizeof text);
	text[INITIAL_TEXT_MAX + 1] = '\0';
	put_initial(-65536, 2, text);
	ck_assert_str_eq(parsed(), "refused");
	text[INITIAL_TEXT_MAX] = '\0';
	memcpy(text + INITIAL_TEXT_MAX - 2, ":1", 2);
	put_initial(-65536, 2, text);
	ck_assert_int_eq(initial_parse(buf_slice(&out), &m), INITIAL_BYTES_MAX);
	/* one more address than there is room for */
	put_initial(-65535, 2, "a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1");
	ck_assert_int_gt(initial_parse(buf_slice(&out), &m), 0);
	ck_assert_uint_eq(m.naddresses, INITIAL_ADDRESSES_MAX);
	put_initial(-65535, 2, "a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1|a:1");
	ck_assert_str_eq(parsed(), "refused");
}
END_TEST

/* A message that is not complete waits for more, at every cut; a hopeless one is refused as soon as it shows. */
START_TEST(initial_cuts)
{
	struct initial m;

	put_initial(-65536, 2, "host:3888");
	for (size_t len = 0; len < buf_len(&out); len++)
		ck_assert_int_eq(initial_parse(slice_of(buf_head(&out), len), &m), 0);
	put_initial(-65536, 2, "");
	ck_assert_int_eq(initial_parse(slice_of(buf_head(&out), INITIAL_HEADER_BYTES), &m), -EPROTO);
}
END_TEST

START_TEST(initial_round_trip)
{
	static const struct initial sent = {
		.form = INITIAL_SEVERAL,
		.sid = 9,
		.naddresses = 2,
		.addresses = { { SLICE_LIT("host"), 3888 }, { SLICE_LIT("::1"), 3889 } },
	};
	struct initial m = sent;

	ck_assert_int_eq(initial_put(&out, &m), 0);
	ck_assert_str_eq(parsed(), "2 9 host 3888, ::1 3889");
	/* the older protocol carries one address */
	buf_reset(&out, 0);
	m.form = INITIAL_ONE;
	ck_assert_int_eq(initial_put(&out, &m), 0);
	ck_assert_str_eq(parsed(), "1 9 host 3888");
	m.naddresses = 0;
	ck_assert_int_eq(initial_put(&out, &m), -EMSGSIZE);
	ck_assert_str_eq(parsed(), "1 9 host 3888");
	buf_reset(&out, 0);
	m.form = INITIAL_SID_ONLY;
	ck_assert_int_eq(initial_put(&out, &m), 0);
	ck_assert_str_eq(parsed(), "0 9");
}
END_TEST

START_TEST(initial_too_long)
{
	static uint8_t name[INITIAL_TEXT_MAX];
	struct initial m = { .form = INITIAL_ONE, .sid = 1, .naddresses = 1 };

	memset(name, 'n', sizeof name);
	m.addresses[0] = (struct initial_address){ slice_of(name, sizeof name - 2), 1 };
	ck_assert_int_eq(initial_put(&out, &m), 0);
	ck_assert_uint_eq(buf_len(&out), INITIAL_BYTES_MAX);
	buf_reset(&out, 0);
	m.addresses[0].port = 10;
	ck_assert_int_eq(initial_put(&out, &m), -EMSGSIZE);
	ck_assert_uint_eq(buf_len(&out), 0);
}
END_TEST

START_TEST(larger_sid_keeps_its_connection)
{
	ck_assert(initial_keeps(2, 1));
	ck_assert(!initial_keeps(1, 2));
	ck_assert(!initial_keeps(2, 2));
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("election port");
	Suite *s = suite_create("notification");
	SRunner *r = srunner_create(s);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, body_of_28_bytes);
	tcase_add_test(t, body_of_40_bytes_has_no_version);
	tcase_add_test(t, body_with_a_config);
	tcase_add_test(t, bytes_of_java);
	tcase_add_test(t, body_with_an_empty_config);
	tcase_add_test(t, short_bodies_are_ignored);
	tcase_add_test(t, bodies_without_config_of_other_lengths);
	tcase_add_test(t, config_lengths_beyond_the_body);
	tcase_add_test(t, unknown_states);
	tcase_add_test(t, frames);
	tcase_add_test(t, config_versions);
	tcase_add_test(t, initial_forms);
	tcase_add_test(t, initial_addresses_refused);
	tcase_add_test(t, initial_bounds);
	tcase_add_test(t, initial_cuts);
	tcase_add_test(t, initial_round_trip);
	tcase_add_test(t, initial_too_long);
	tcase_add_test(t, larger_sid_keeps_its_connection);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
