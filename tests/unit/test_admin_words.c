/* The texts of the four-letter words as JSON: what ZooKeeper would say, and what no server ever said. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "admind/words.h"

static json_t *o;

static void
setup(void)
{
	o = json_object();
}

static void
teardown(void)
{
	json_decref(o);
}

/* What was collected, as compact text with sorted names. */
static void
expect(const char *wanted)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);

	ck_assert_str_eq(text, wanted);
	free(text);
}

START_TEST(values_are_numbers_where_they_are_numbers)
{
	words_monitor(o,
		      SLICE_LIT("zk_version\t3.9.5-x\nzk_a\t0\nzk_b\t-1\nzk_c\t1.25\nzk_d\t1.2.3\nzk_e\t-\n"
				"zk_f\t\nzk_g\t0x10\nzk_h\t9223372036854775807\nno metric\nzk_i 5\nzk_j\t7"));
	expect("{\"a\":0,\"b\":-1,\"c\":1.25,\"d\":\"1.2.3\",\"e\":\"-\",\"f\":\"\",\"g\":\"0x10\","
	       "\"h\":9223372036854775807,\"j\":7,\"version\":\"3.9.5-x\"}");
}
END_TEST

START_TEST(connections_of_both_families)
{
	words_connections(
	    o,
	    SLICE_LIT(" /10.0.0.1:2345[1](queued=2,recved=3,sent=4,sid=0xffffffffffffffff,lop=PING,est=5,"
		      "to=6,lcxid=0x7,lzxid=0xffffffffffffffff,lresp=8,llat=9,minlat=1,avglat=2,maxlat=3)\n"
		      " /[::1]:9[0](queued=0,recved=1,sent=0)\n\n"),
	    true);
	expect("{\"connections\":[{\"avg_latency\":2,\"established\":5,\"interest_ops\":1,\"last_cxid\":7,"
	       "\"last_latency\":9,\"last_operation\":\"PING\",\"last_response_time\":8,\"last_zxid\":-1,"
	       "\"max_latency\":3,\"min_latency\":1,\"outstanding_requests\":2,\"packets_received\":3,"
	       "\"packets_sent\":4,\"remote_socket_address\":\"10.0.0.1:2345\",\"session_id\":-1,"
	       "\"session_timeout\":6},{\"interest_ops\":0,\"outstanding_requests\":0,\"packets_received\":1,"
	       "\"packets_sent\":0,\"remote_socket_address\":\"[::1]:9\"}],\"secure_connections\":[]}");
}
END_TEST

START_TEST(lists_under_headings)
{
	words_dump(
	    o, SLICE_LIT(
		   "SessionTracker dump:\nSession Sets (1)/(2):\n2 expire at Sun Nov 22 11:59:44 UTC 2026:\n"
		   "\t0x1\n\t0x2\nephemeral nodes dump:\nSessions with Ephemerals (1):\n0x2:\n\t/a\n\t/b c\n"
		   "Connections dump:\nConnections Sets (1)/(1):\n1 expire at Sun Nov 22 11:59:44 UTC 2026:\n"
		   "\tip: /127.0.0.1:1 sessionId: 0x1\n"));
	words_watches(o, SLICE_LIT("0x1\n\t/a\n\t/b\n0x2\n\t/a\n\n"));
	words_watches_by_path(o, SLICE_LIT("/a\n\t0x1\n\t0x2\n/b\n\t0x1\n\n"));
	words_watch_summary(o, SLICE_LIT("2 connections watching 3 paths\nTotal watches:4\n"));
	words_hash(o, SLICE_LIT("80: -5\nnothing\n"));
	expect(
	    "{\"digests\":[{\"digest\":-5,\"digest_version\":2,\"zxid\":128}],"
	    "\"expiry_time_to_session_ids\":{\"1795348784000\":[1,2]},\"num_connections\":2,\"num_paths\":3,"
	    "\"num_total_watches\":4,\"path_to_session_ids\":{\"/a\":[1,2],\"/b\":[1]},"
	    "\"session_id_to_ephemeral_paths\":{\"2\":[\"/a\",\"/b c\"]},"
	    "\"session_id_to_watched_paths\":{\"1\":[\"/a\",\"/b\"],\"2\":[\"/a\"]}}");
}
END_TEST

START_TEST(bytes_that_are_no_text)
{
	words_watches(o, SLICE_LIT("0x1\n\t/a\xff\xfe\n\t/\xc3\xa9\n\t/\"\\\n"));
	expect("{\"session_id_to_watched_paths\":{\"1\":[\"/a??\",\"/\xc3\xa9\",\"/\\\"\\\\\"]}}");
}
END_TEST

START_TEST(what_ends_early_is_left_out)
{
	static const char cons[] =
	    " /10.0.0.1:2345[1](queued=2,recved=3,sent=4,sid=0x1,lop=PING,est=5,to=6,lcxid=0x7)\n";
	static const char dump[] = "SessionTracker dump:\n1 expire at Sun Nov 22 11:59:44 UTC 2026:\n\t0x1\n"
				   "ephemeral nodes dump:\n0x1:\n\t/a\n";

	for (size_t n = 0; n < sizeof cons; n++)
		words_connections(o, slice_of(cons, n), true);
	for (size_t n = 0; n < sizeof dump; n++) {
		words_dump(o, slice_of(dump, n));
		words_watches(o, slice_of(dump, n));
		words_hash(o, slice_of(dump, n));
		words_configuration(o, slice_of(dump, n));
		words_environment(o, slice_of(dump, n));
		words_watch_summary(o, slice_of(dump, n));
		words_server_stats(o, slice_of(dump, n), slice_of(cons, n < sizeof cons ? n : 0));
	}
}
END_TEST

/* Any bytes at all, of the kinds that the texts are made of. */
START_TEST(noise)
{
	static const char alphabet[] = "\n\t /[](),=:.0123456789abcdefxzk_-\xff"
				       " expire at ";
	uint32_t random = (uint32_t)_i * 2654435761u + 1;
	char text[600];

	for (size_t i = 0; i < sizeof text; i++) {
		random = random * 1664525u + 1013904223u;
		text[i] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
	}
	/* On the heap and to the byte, so that a sanitizer sees a step too far. */
	for (size_t n = sizeof text; n > 0; n /= 2) {
		char *copy = malloc(n);

		memcpy(copy, text, n);
		words_monitor(o, slice_of(copy, n));
		words_connections(o, slice_of(copy, n), true);
		words_dump(o, slice_of(copy, n));
		words_watches(o, slice_of(copy, n));
		words_watches_by_path(o, slice_of(copy, n));
		words_hash(o, slice_of(copy, n));
		words_environment(o, slice_of(copy, n));
		words_server_stats(o, slice_of(copy, n), slice_of(copy, n));
		free(copy);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("admin words");
	TCase *t = tcase_create("words");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, values_are_numbers_where_they_are_numbers);
	tcase_add_test(t, connections_of_both_families);
	tcase_add_test(t, lists_under_headings);
	tcase_add_test(t, bytes_that_are_no_text);
	tcase_add_test(t, what_ends_early_is_left_out);
	tcase_add_loop_test(t, noise, 0, 300);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
