/* The loop's turn and the streams in it. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/stream.h"

enum { IN_MAX = 600000, OUT_MAX = 4 << 20, GIVE_UP_MS = 5000 };

static struct ev_loop *loop;
static struct turn turn;
static struct stream s;
static int far; /* the other end, blocking */

/* What the stream under test saw. */
static struct {
	struct buf got;
	size_t line;    /* consume in units of so many bytes; 0: consume nothing */
	int64_t answer; /* negative: what input returns */
	bool close_inside, echo;
	int inputs, closes, drains, steps;
	int error;
	size_t produce; /* bytes that drained still has to append */
	uint64_t deadline;
} saw;

static int64_t
on_input(struct stream *in, struct slice data)
{
	size_t take = saw.line == 0 ? 0 : data.len - data.len % saw.line;

	saw.inputs++;
	if (saw.answer < 0)
		return saw.answer;
	buf_put(&saw.got, data.data, take);
	if (saw.echo)
		buf_put(stream_out(in), data.data, take);
	if (saw.close_inside)
		stream_close(in);
	return (int64_t)take;
}

static void
on_closed(struct stream *in, int error)
{
	ck_assert(!stream_is_open(in));
	saw.closes++;
	saw.error = error;
}

static void
on_drained(struct stream *in)
{
	static const char piece[60000];
	size_t n = saw.produce < sizeof piece ? saw.produce : sizeof piece;

	saw.drains++;
	saw.produce -= n;
	if (n > 0)
		buf_put(stream_out(in), piece, n);
}

static const struct stream_ops ops = { on_input, on_closed, on_drained };
static const struct stream_limits limits = { .in_max = IN_MAX, .out_max = OUT_MAX, .keep = 4096 };

static uint64_t
on_step(void *owner, uint64_t now_ms)
{
	(void)owner;
	(void)now_ms;
	saw.steps++;
	return saw.deadline;
}

static void
setup(void)
{
	int ends[2];

	memset(&saw, 0, sizeof saw);
	saw.line = 1;
	saw.deadline = TURN_NO_DEADLINE;
	buf_init(&saw.got, 64 << 20);
	loop = ev_loop_new(EVFLAG_NOENV);
	turn_start(&turn, loop, on_step, NULL);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	far = ends[1];
	stream_init(&s, &turn, &ops, NULL, &limits);
	stream_open(&s, ends[0]);
}

static void
teardown(void)
{
	stream_close(&s);
	turn_stop(&turn);
	ev_loop_destroy(loop);
	buf_free(&saw.got);
	close(far);
}

/* One turn that does not wait. */
static void
once(void)
{
	ev_run(loop, EVRUN_NOWAIT);
}

static void
far_sends(const char *text)
{
	ck_assert_int_eq(write(far, text, strlen(text)), (ssize_t)strlen(text));
}

START_TEST(input_is_kept_until_whole)
{
	saw.line = 4;
	far_sends("abcdef");
	once();
	ck_assert(slice_equal(buf_slice(&saw.got), SLICE_LIT("abcd")));
	far_sends("g");
	once();
	ck_assert_uint_eq(buf_len(&saw.got), 4);
	far_sends("hij");
	once();
	ck_assert(slice_equal(buf_slice(&saw.got), SLICE_LIT("abcdefgh")));
	ck_assert_int_eq(saw.inputs, 3);
}
END_TEST

START_TEST(idle_stream_holds_no_memory)
{
	char big[5000];

	memset(big, 'x', sizeof big);
	saw.echo = true;
	ck_assert_int_eq(write(far, big, sizeof big), (ssize_t)sizeof big);
	once();
	once();
	ck_assert_int_eq(read(far, big, sizeof big), (ssize_t)sizeof big);
	ck_assert_uint_eq(s.in.cap, 0);
	ck_assert_uint_le(s.out.cap, limits.keep);
}
END_TEST

START_TEST(output_leaves_at_the_end_of_the_turn)
{
	char got[16];

	buf_put(stream_out(&s), "one ", 4);
	ck_assert_int_eq(recv(far, got, sizeof got, MSG_DONTWAIT), -1);
	buf_put(stream_out(&s), "two", 3);
	once();
	ck_assert_int_eq(recv(far, got, sizeof got, MSG_DONTWAIT), 7);
	ck_assert_int_eq(saw.drains, 1);
}
END_TEST

START_TEST(what_input_causes_leaves_in_the_same_turn)
{
	char got[16];

	saw.echo = true;
	far_sends("ping");
	/* The events of an iteration are handled after its prepare; the next prepare is where the turn ends. */
	once();
	once();
	ck_assert_int_eq(recv(far, got, sizeof got, MSG_DONTWAIT), 4);
}
END_TEST

START_TEST(writability_is_awaited_only_when_full)
{
	static const char piece[1 << 20];
	size_t total = 0;
	char got[65536];
	ssize_t n;

	buf_put(stream_out(&s), piece, 1);
	once();
	ck_assert(!ev_is_active(&s.writable));
	buf_put(stream_out(&s), piece, sizeof piece);
	once();
	ck_assert(ev_is_active(&s.writable));
	while (total < sizeof piece + 1) {
		n = recv(far, got, sizeof got, MSG_DONTWAIT);
		if (n > 0)
			total += (size_t)n;
		once();
	}
	ck_assert_uint_eq(stream_backlog(&s), 0);
	ck_assert(!ev_is_active(&s.writable));
}
END_TEST

START_TEST(producer_is_asked_for_more)
{
	enum { TOTAL = 3000000 };
	size_t total = 0;
	char got[65536];
	ssize_t n;

	saw.produce = TOTAL;
	buf_put(stream_out(&s), "x", 1);
	for (int i = 0; i < 10000 && total < TOTAL + 1; i++) {
		once();
		n = recv(far, got, sizeof got, MSG_DONTWAIT);
		if (n > 0)
			total += (size_t)n;
	}
	ck_assert_uint_eq(total, TOTAL + 1);
	/* It never held more than a piece. */
	ck_assert_uint_lt(s.out.cap, 1 << 18);
}
END_TEST

START_TEST(output_limit_closes)
{
	char *big = calloc(1, OUT_MAX + 1);

	buf_put(stream_out(&s), big, OUT_MAX + 1);
	once();
	ck_assert_int_eq(saw.closes, 1);
	ck_assert_int_eq(saw.error, -ENOBUFS);
	free(big);
}
END_TEST

START_TEST(slow_reader_reaches_the_limit)
{
	static const char piece[1 << 16];

	for (int i = 0; i < 2 * OUT_MAX / (int)sizeof piece && saw.closes == 0; i++) {
		buf_put(stream_out(&s), piece, sizeof piece);
		once();
	}
	ck_assert_int_eq(saw.error, -ENOBUFS);
	ck_assert_uint_eq(s.out.cap, 0);
}
END_TEST

START_TEST(input_limit_closes)
{
	static const char piece[100000];

	saw.line = 0;
	for (int i = 0; i < 20 && saw.closes == 0; i++) {
		if (send(far, piece, sizeof piece, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			ck_assert(errno == EAGAIN || errno == EPIPE);
		once();
	}
	ck_assert_int_eq(saw.error, -EMSGSIZE);
}
END_TEST

START_TEST(refused_input_closes)
{
	saw.answer = -EPROTO;
	far_sends("x");
	once();
	ck_assert_int_eq(saw.closes, 1);
	ck_assert_int_eq(saw.error, -EPROTO);
}
END_TEST

START_TEST(closing_inside_input_is_silent)
{
	saw.close_inside = true;
	saw.line = 3;
	far_sends("abcd");
	once();
	once();
	ck_assert_int_eq(saw.closes, 0);
	ck_assert(!stream_is_open(&s));
	/* Appending to it afterwards is lost, not kept. */
	buf_put(stream_out(&s), "x", 1);
	once();
	ck_assert_uint_eq(stream_backlog(&s), 0);
}
END_TEST

START_TEST(end_of_input_lets_the_answer_out)
{
	char got[16];

	saw.echo = true;
	far_sends("ruok");
	shutdown(far, SHUT_WR);
	for (int i = 0; i < 5; i++)
		once();
	ck_assert_int_eq(recv(far, got, sizeof got, MSG_DONTWAIT), 4);
	ck_assert_int_eq(recv(far, got, sizeof got, MSG_DONTWAIT), 0);
	ck_assert_int_eq(saw.closes, 1);
	ck_assert_int_eq(saw.error, 0);
}
END_TEST

START_TEST(finish_sends_the_rest)
{
	char got[16];

	buf_put(stream_out(&s), "bye", 3);
	stream_finish(&s);
	far_sends("ignored");
	once();
	ck_assert_int_eq(saw.closes, 1);
	ck_assert_int_eq(saw.inputs, 0);
	ck_assert_int_eq(recv(far, got, sizeof got, MSG_DONTWAIT), 3);
}
END_TEST

START_TEST(paused_stream_reads_nothing)
{
	saw.line = 4;
	far_sends("abcdef");
	once();
	stream_pause(&s);
	far_sends("gh");
	once();
	ck_assert_int_eq(saw.inputs, 1);
	stream_resume(&s);
	once();
	once();
	ck_assert(slice_equal(buf_slice(&saw.got), SLICE_LIT("abcdefgh")));
}
END_TEST

START_TEST(resume_shows_what_was_left)
{
	/* The owner left whole lines unread when it paused; nothing more comes from outside. */
	saw.line = 0;
	far_sends("abcd");
	once();
	stream_pause(&s);
	saw.line = 4;
	stream_resume(&s);
	once();
	ck_assert(slice_equal(buf_slice(&saw.got), SLICE_LIT("abcd")));
}
END_TEST

START_TEST(reset_by_the_other_side)
{
	far_sends("unread by us");
	buf_put(stream_out(&s), "x", 1);
	close(far);
	far = -1;
	for (int i = 0; i < 5; i++)
		once();
	ck_assert_int_eq(saw.closes, 1);
}
END_TEST

START_TEST(descriptors_without_leave_are_closed)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} space;
	struct iovec iov = { (void *)"x", 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space
	};
	int ends[2];
	char c;

	/* A stream that takes no descriptors does not get any: the kernel drops them. */
	ck_assert_int_eq(pipe(ends), 0);
	memset(&space, 0, sizeof space);
	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &ends[1], sizeof(int));
	ck_assert_int_eq(sendmsg(far, &m, 0), 1);
	close(ends[1]);
	once();
	ck_assert_uint_eq(buf_len(&saw.got), 1);
	ck_assert_int_eq(read(ends[0], &c, 1), 0);
	close(ends[0]);
}
END_TEST

START_TEST(deadline_calls_step)
{
	uint64_t start = clock_mono_ms();

	saw.deadline = start + 30;
	once();
	ck_assert_int_eq(saw.steps, 1);
	/* Waits for the timer, and for nothing else. */
	ev_run(loop, EVRUN_ONCE);
	ck_assert_uint_ge(clock_mono_ms() - start, 30);
	ck_assert_uint_lt(clock_mono_ms() - start, GIVE_UP_MS);
	saw.deadline = TURN_NO_DEADLINE;
	once();
	ck_assert_int_eq(saw.steps, 3);
	ck_assert_uint_eq(turn.armed_ms, TURN_NO_DEADLINE);
}
END_TEST

START_TEST(receding_deadline_does_not_touch_the_timer)
{
	uint64_t armed;

	saw.deadline = clock_mono_ms() + 1000;
	once();
	armed = turn.armed_ms;
	saw.deadline += 500;
	once();
	ck_assert_uint_eq(turn.armed_ms, armed);
	saw.deadline = armed - 200;
	once();
	ck_assert_uint_eq(turn.armed_ms, armed - 200);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stream");
	TCase *tc = tcase_create("stream");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, input_is_kept_until_whole);
	tcase_add_test(tc, idle_stream_holds_no_memory);
	tcase_add_test(tc, output_leaves_at_the_end_of_the_turn);
	tcase_add_test(tc, what_input_causes_leaves_in_the_same_turn);
	tcase_add_test(tc, writability_is_awaited_only_when_full);
	tcase_add_test(tc, producer_is_asked_for_more);
	tcase_add_test(tc, output_limit_closes);
	tcase_add_test(tc, slow_reader_reaches_the_limit);
	tcase_add_test(tc, input_limit_closes);
	tcase_add_test(tc, refused_input_closes);
	tcase_add_test(tc, closing_inside_input_is_silent);
	tcase_add_test(tc, end_of_input_lets_the_answer_out);
	tcase_add_test(tc, finish_sends_the_rest);
	tcase_add_test(tc, paused_stream_reads_nothing);
	tcase_add_test(tc, resume_shows_what_was_left);
	tcase_add_test(tc, reset_by_the_other_side);
	tcase_add_test(tc, descriptors_without_leave_are_closed);
	tcase_add_test(tc, deadline_calls_step);
	tcase_add_test(tc, receding_deadline_does_not_touch_the_timer);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
