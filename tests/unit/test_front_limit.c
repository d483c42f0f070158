/*
 * The front and its limits: who asks too much, talks nonsense or never reads. Frames of clients and of syncd in, bytes
 * and frames out; each test reads as what the parties say to each other.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "front_client.h"
#include "ipc/proto.h"
#include "jute/passwd.h"

/* ---- Limits ---- */

START_TEST(test_credit)
{
	struct world_client *c, *reader;

	serve();
	c = client(NULL);
	reader = client(NULL);
	world_role(&w, w.proposed, w.committed, 3);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_END, w.proposed, SLICE_NULL);
	c = client(NULL);
	reader = client(NULL);
	SAY(c, {
		for (int i = 1; i <= 10; i++)
			put_set(b, i, "/none", "");
	});
	ck_assert_uint_eq(w.proposed - w.committed, 3);
	ck_assert(!c->reads);
	SAY(reader, put_path(b, 1, ZK_OP_EXISTS, "/none", false));
	HEAR(reader, 1, ZK_NONODE);
	world_frame(&w, MSG_COMMIT, 0, w.committed + 1, SLICE_NULL);
	HEAR(c, 1, ZK_NONODE);
	ck_assert_uint_eq(w.proposed - w.committed, 3);
	w.auto_commit = true;
	world_run(&w);
	for (int i = 2; i <= 10; i++)
		HEAR(c, i, ZK_NONODE);
	ck_assert(c->reads);
}
END_TEST

START_TEST(test_connections_per_address)
{
	struct world_client *c;

	config.max_per_address = 3;
	serve();
	for (int i = 0; i < 3; i++)
		ck_assert(!world_connect(&w)->closed);
	c = world_connect(&w);
	ck_assert(c->closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "peer=10.0.0.1:1003 limit=maxClientCnxns"));
	world_hangup(&w, &w.clients[0]);
	ck_assert(!world_connect(&w)->closed);
}
END_TEST

START_TEST(test_connections_in_total)
{
	config.max_connections = 1;
	serve();
	ck_assert(!world_connect(&w)->closed);
	ck_assert(world_connect(&w)->closed);
}
END_TEST

START_TEST(test_reader_that_never_reads)
{
	static char big[100000];
	struct world_client *c;
	size_t held;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	memset(big, 'x', sizeof big - 1);
	SAY(c, put_create(b, 1, "/big", big, 0));
	HEAR(c, 1, 0);
	c->stuck = true;
	for (int i = 0; i < 1000 && c->reads; i++)
		SAY(c, put_path(b, i, ZK_OP_GET_DATA, "/big", false));
	ck_assert(!c->reads && !c->closed);
	held = front_output(c->conn).len;
	ck_assert_uint_le(held, FRONT_OUT_PAUSE + 2 * sizeof big);
	world_unstick(&w, c);
	ck_assert(c->reads && !c->closed);
	/* One that stays so loses its session, and with it the connection. */
	c->stuck = true;
	for (int i = 0; i < 1000 && c->reads; i++)
		SAY(c, put_path(b, i, ZK_OP_GET_DATA, "/big", false));
	world_sleep(&w, 14000);
	ck_assert(c->closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "peer=10.0.0.1:1000"));
	ck_assert_ptr_nonnull(strstr(w.traced, "does not read its replies"));
}
END_TEST

START_TEST(test_requests_waiting_are_bounded)
{
	struct world_client *c;
	int sent = 0;

	serve();
	c = client(NULL);
	SAY(c, put_create(b, 1, "/a", "", 0));
	while (c->reads && sent < 1000000) {
		SAY(c, put_path(b, ++sent + 1, ZK_OP_EXISTS, "/a", false));
	}
	ck_assert(!c->reads);
	ck_assert_int_lt(sent, 10000);
	world_commit(&w);
	for (int i = 0; i <= sent; i++)
		HEAR(c, i + 1, 0);
	ck_assert(c->reads && silent(c));
}
END_TEST

/* A deleted subtree tells a watcher more than its socket takes: it gets all, or is closed; never a part. */
START_TEST(test_many_events_at_once)
{
	enum { NODES = 2000 };
	struct world_client *c, *watcher;
	char path[32];

	serve();
	w.auto_commit = true;
	c = client(NULL);
	watcher = client(NULL);
	for (int i = 0; i < NODES; i++) {
		snprintf(path, sizeof path, "/e%d", i);
		SAY(c, put_create(b, i, path, "", 1));
		SAY(watcher, put_path(b, i, ZK_OP_EXISTS, path, true));
		HEAR(watcher, i, 0);
	}
	watcher->stuck = true;
	SAY(c, put_plain(b, 1, ZK_OP_CLOSE_SESSION));
	ck_assert(c->closed && !watcher->closed);
	world_unstick(&w, watcher);
	for (int i = 0; i < NODES; i++)
		ck_assert_int_eq(hear(watcher).xid, -1);
	ck_assert(silent(watcher));
}
END_TEST

/* The client says all it has to say and shuts down its side before the answer is there. */
START_TEST(test_word_of_a_half_closed_client)
{
	struct world_client *c;

	serve();
	c = world_connect(&w);
	c->stuck = true;
	world_input(&w, c, SLICE_LIT("srvr\n"));
	ck_assert(!c->closed);
	world_hangup(&w, c);
	ck_assert(!c->closed);
	world_unstick(&w, c);
	ck_assert(c->closed && !silent(c));
}
END_TEST

/* ---- Bad input: that connection ends, one line names peer and reason ---- */

struct bad {
	const char *what;
	struct slice bytes;
	bool session;       /* sent behind a good handshake */
	const char *reason; /* of the log line; NULL: none, an ordinary end */
};

static const struct bad bads[] = {
	{ "length zero", SLICE_LIT("\0\0\0\0"), false, "frame length 0 outside" },
	{ "length negative", SLICE_LIT("\xff\xff\xff\xff"), false, "frame length -1 outside" },
	{ "most negative", SLICE_LIT("\x80\0\0\0"), false, "frame length -2147483648 outside" },
	{ "length huge", SLICE_LIT("\x7f\xff\xff\xff"), false, "frame length 2147483647 outside" },
	{ "one above the limit", SLICE_LIT("\x00\x10\x00\x00"), false, "frame length 1048576 outside" },
	{ "http", SLICE_LIT("GET / HTTP/1.1\r\n\r\n"), false, "first bytes \\\"GET.\\\"" },
	{ "tls", SLICE_LIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), false,
	  "frame length 369295618 outside" },
	{ "telnet interrupt", SLICE_LIT("\xff\xf4\xff\xfd\x06"), false, NULL },
	{ "connect of one byte", SLICE_LIT("\0\0\0\1\0"), false, "malformed connect request" },
	{ "connect with a bad password length",
	  SLICE_LIT("\0\0\0\x1c"
		    "\0\0\0\0"
		    "\0\0\0\0\0\0\0\0"
		    "\0\0\x10\0"
		    "\0\0\0\0\0\0\0\0"
		    "\x7f\xff\xff\xff"),
	  false, "malformed connect request" },
	{ "request of length zero", SLICE_LIT("\0\0\0\0"), true, "frame length 0 outside" },
	{ "request of negative length", SLICE_LIT("\xff\xff\xff\xfe"), true, "frame length -2 outside" },
	{ "huge request", SLICE_LIT("\x7f\xff\xff\xff"), true, "frame length 2147483647 outside" },
	{ "request without a header", SLICE_LIT("\0\0\0\7\0\0\0\1\0\0\0"), true, "request without a header" },
	{ "word behind the handshake", SLICE_LIT("srvr"), true, "frame length 1936881266 outside" },
};

START_TEST(test_bad_input)
{
	const struct bad *bad = &bads[_i];
	struct world_client *c, *good;

	serve();
	w.auto_commit = true;
	good = client(NULL);
	c = bad->session ? client(NULL) : world_connect(&w);
	w.warnings = 0;
	w.traced[0] = '\0';
	world_input(&w, c, bad->bytes);
	ck_assert_msg(c->closed, "%s: still open", bad->what);
	ck_assert_msg(silent(c), "%s: answered", bad->what);
	ck_assert_int_eq(w.warnings, bad->reason != NULL);
	if (bad->reason != NULL) {
		ck_assert_msg(strstr(w.traced, bad->reason) != NULL, "%s: %s", bad->what, w.traced);
		ck_assert_ptr_nonnull(strstr(w.traced, "peer=10.0.0.1:100"));
	}
	SAY(good, put_plain(b, -2, ZK_OP_PING));
	HEAR(good, -2, 0);
}
END_TEST

START_TEST(test_truncated)
{
	struct world_client *c, *silent_one;

	serve();
	c = world_connect(&w);
	silent_one = world_connect(&w);
	world_input(&w, c, SLICE_LIT("\0\0\0\x2d\0\0\0\0"));
	world_hangup(&w, c);
	ck_assert(c->closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "in the middle of its first frame"));
	world_sleep(&w, 9000);
	ck_assert(!silent_one->closed);
	world_sleep(&w, 2000);
	ck_assert(silent_one->closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "no connect request in time"));
}
END_TEST

START_TEST(test_one_byte_a_second)
{
	struct world_client *c;
	struct buf b = new_buf();
	size_t i;

	serve();
	c = world_connect(&w);
	put_connect(&b, 0, 10000, 0, NULL, true);
	for (i = 0; i < buf_len(&b) && !c->closed; i++) {
		world_input(&w, c, slice_of(buf_head(&b) + i, 1));
		world_sleep(&w, 1000);
	}
	ck_assert(c->closed);
	ck_assert_uint_le(i, 11);
	buf_free(&b);
}
END_TEST

/* Whoever comes again and again does not fill the log. */
START_TEST(test_complaints_are_bounded)
{
	serve();
	for (int i = 0; i < 1000; i++) {
		struct world_client *c = world_connect(&w);

		world_input(&w, c, SLICE_LIT("\0\0\0\0"));
		ck_assert(c->closed);
		w.nclients--;
		buf_free(&c->got);
	}
	ck_assert_int_eq(w.warnings, 100);
	world_sleep(&w, 2000);
	world_input(&w, world_connect(&w), SLICE_LIT("\0\0\0\0"));
	ck_assert_int_eq(w.warnings, 102);
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, test_credit);
	tcase_add_test(t, test_connections_per_address);
	tcase_add_test(t, test_connections_in_total);
	tcase_add_test(t, test_reader_that_never_reads);
	tcase_add_test(t, test_requests_waiting_are_bounded);
	tcase_add_test(t, test_many_events_at_once);
	tcase_add_test(t, test_word_of_a_half_closed_client);
	tcase_add_loop_test(t, test_bad_input, 0, sizeof bads / sizeof bads[0]);
	tcase_add_test(t, test_truncated);
	tcase_add_test(t, test_one_byte_a_second);
	tcase_add_test(t, test_complaints_are_bounded);
}

int
main(void)
{
	return front_main("front limit", add_tests);
}
