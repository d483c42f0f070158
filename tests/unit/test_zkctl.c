/* zkctl: asking programs that answer well, badly or not at all; judging what they say; finding the node. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/listen.h"
#include "ipc/frame.h"
#include "ipc/msg.h"
#include "zkctl/health.h"
#include "zkctl/json.h"
#include "zkctl/node.h"
#include "zkctl/shellvars.h"

enum { SERVERS_MAX = 8 };

static char folder[64];
static int dirfd_;
static pid_t servers[SERVERS_MAX];
static size_t nservers;
static struct arena arena;

static void
make_folder(void)
{
	strcpy(folder, "/tmp/test_zkctl.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	dirfd_ = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dirfd_, 0);
	nservers = 0;
	arena_init(&arena, 8 * PROTO_ARENA_MAX);
}

static void
remove_folder(void)
{
	char command[128];

	while (nservers > 0) {
		kill(servers[--nservers], SIGKILL);
		waitpid(servers[nservers], NULL, 0);
	}
	close(dirfd_);
	arena_free(&arena);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* A program that takes one connection after the other, reads the question and lets behave() answer it. */
static void
serve(const char *daemon, void (*behave)(int fd))
{
	char name[64];
	int listener;

	snprintf(name, sizeof name, "%s.control", daemon);
	listener = listen_unix(dirfd_, name, 0600, (uid_t)-1, (gid_t)-1, 8);
	ck_assert_int_ge(listener, 0);
	servers[nservers] = fork();
	ck_assert_int_ge(servers[nservers], 0);
	if (servers[nservers++] > 0) {
		close(listener);
		return;
	}
	fcntl(listener, F_SETFL, 0);
	for (;;) {
		uint8_t question[FRAME_HEADER_BYTES];
		int fd = accept(listener, NULL, NULL);
		if (recv(fd, question, sizeof question, MSG_WAITALL) == sizeof question)
			behave(fd);
		close(fd);
	}
}

static void
put_status(struct buf *out, uint16_t type, uint64_t seq)
{
	Zkd__Status s = ZKD__STATUS__INIT;

	s.daemon = (char *)"logd";
	s.text = (char *)"fine";
	buf_init(out, 4096);
	ck_assert_int_eq(proto_put(out, type, seq, 0, &s.base), 0);
}

static void
send_buf(int fd, struct buf *b)
{
	if (send(fd, buf_head(b), buf_len(b), MSG_NOSIGNAL) < 0)
		_exit(1);
	buf_free(b);
}

static void
answer_well(int fd)
{
	struct buf out;

	put_status(&out, MSG_STATUS, 1);
	send_buf(fd, &out);
}

static void
answer_byte_by_byte(int fd)
{
	struct buf out;

	put_status(&out, MSG_STATUS, 1);
	for (; buf_len(&out) > 0; buf_consume(&out, 1)) {
		send(fd, buf_head(&out), 1, MSG_NOSIGNAL);
		usleep(1000);
	}
	buf_free(&out);
}

static void
answer_half(int fd)
{
	struct buf out;

	put_status(&out, MSG_STATUS, 1);
	buf_truncate(&out, buf_len(&out) / 2);
	send_buf(fd, &out);
}

static void
answer_half_and_stay(int fd)
{
	answer_half(fd);
	pause();
}

static void
answer_another_question(int fd)
{
	struct buf out;

	put_status(&out, MSG_STATUS, 2);
	send_buf(fd, &out);
}

static void
answer_another_type(int fd)
{
	struct buf out;

	put_status(&out, MSG_RESTART, 1);
	send_buf(fd, &out);
}

static void
answer_garbage(int fd)
{
	uint8_t garbage[64];

	memset(garbage, 0xff, sizeof garbage);
	send(fd, garbage, sizeof garbage, MSG_NOSIGNAL);
	pause();
}

/* A body that is no protobuf. */
static void
answer_bad_body(int fd)
{
	struct buf out;

	buf_init(&out, 4096);
	frame_put(&out,
		  &(struct frame){ .type = MSG_STATUS, .seq = 1, .body = SLICE_LIT("\xff\xff\xff\xff") });
	send_buf(fd, &out);
}

/* A frame said to be as long as any may be, of which nothing comes to an end. */
static void
answer_endlessly(int fd)
{
	static uint8_t bytes[65536];

	put_be32(bytes, FRAME_BODY_MAX);
	while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
		;
}

static void
hang_up(int fd)
{
	(void)fd;
}

static void
say_nothing(int fd)
{
	(void)fd;
	pause();
}

static struct question
question_to(const char *daemon)
{
	return (struct question){
		.daemon = daemon,
		.type = MSG_STATUS,
		.answer_type = &zkd__status__descriptor,
	};
}

static const struct {
	void (*behave)(int fd);
	int error, error_too; /* either */
} behaviours[] = {
	{ answer_well, 0, 0 },
	{ answer_byte_by_byte, 0, 0 },
	{ answer_half, -ECONNRESET, -ECONNRESET },
	{ answer_half_and_stay, -ETIMEDOUT, -ETIMEDOUT },
	{ answer_another_question, -EPROTO, -EPROTO },
	{ answer_another_type, -EPROTO, -EPROTO },
	{ answer_garbage, -EPROTO, -EPROTO },
	{ answer_bad_body, -EPROTO, -EPROTO },
	{ answer_endlessly, -EPROTO, -EPROTO },
	{ hang_up, -ECONNRESET, -EPIPE },
	{ say_nothing, -ETIMEDOUT, -ETIMEDOUT },
};

START_TEST(each_kind_of_answer_has_its_end)
{
	struct question q = question_to("logd");
	int64_t begun;

	serve("logd", behaviours[_i].behave);
	begun = clock_ms();
	ask(dirfd_, &q, 1, 300, &arena);
	ck_assert_int_lt(clock_ms() - begun, 2000);
	ck_assert_msg(q.error == behaviours[_i].error || q.error == behaviours[_i].error_too, "%d", q.error);
	ck_assert((q.answer != NULL) == (q.error == 0));
	if (q.error == 0)
		ck_assert_str_eq(((Zkd__Status *)q.answer)->text, "fine");
}
END_TEST

START_TEST(one_that_hangs_costs_the_others_nothing)
{
	struct question q[4] = { question_to("zkd"), question_to("syncd"), question_to("logd"),
				 question_to("clientd") };
	int64_t begun;

	serve("zkd", say_nothing);
	serve("syncd", answer_well);
	serve("logd", answer_byte_by_byte);
	begun = clock_ms();
	ask(dirfd_, q, 4, 400, &arena);
	ck_assert_int_ge(clock_ms() - begun, 350);
	ck_assert_int_lt(clock_ms() - begun, 2000);
	ck_assert_int_eq(q[0].error, -ETIMEDOUT);
	ck_assert_int_eq(q[1].error, 0);
	ck_assert_int_eq(q[2].error, 0);
	ck_assert_int_eq(q[3].error, -ENOENT);
}
END_TEST

START_TEST(a_socket_that_nobody_serves_is_not_running)
{
	struct question q = question_to("logd");
	int fd = listen_unix(dirfd_, "logd.control", 0600, (uid_t)-1, (gid_t)-1, 8);

	close(fd);
	ask(dirfd_, &q, 1, 300, &arena);
	ck_assert_int_eq(q.error, -ECONNREFUSED);
	ck_assert_str_eq(ask_error_text(q.error), "is not running");
}
END_TEST

/* The backlog of a stopped program may be full: then even connecting has to wait, and no longer than the limit. */
START_TEST(a_full_backlog_is_waited_for_and_given_up)
{
	struct question q = question_to("logd");
	int listener = listen_unix(dirfd_, "logd.control", 0600, (uid_t)-1, (gid_t)-1, 0), fd;
	int64_t begun;

	while ((fd = listen_dial_unix(dirfd_, "logd.control", SOCK_NONBLOCK)) >= 0)
		continue;
	ck_assert_int_eq(fd, -EAGAIN);
	begun = clock_ms();
	ask(dirfd_, &q, 1, 200, &arena);
	ck_assert_int_eq(q.error, -ETIMEDOUT);
	ck_assert_int_lt(clock_ms() - begun, 1500);
	close(listener);
}
END_TEST

/* --- health --- */

static Zkd__Fact facts_[NODE_PROGRAMS][4], *fact_lists[NODE_PROGRAMS][4];
static Zkd__Status statuses[NODE_PROGRAMS];
static Zkd__DaemonStatus daemons_[NODE_PROGRAMS], *daemon_list[NODE_PROGRAMS];
static struct node_status all;
static struct health health;

/* A node that is well. */
static void
make_node(void)
{
	for (int i = 0; i < NODE_PROGRAMS; i++) {
		zkd__status__init(&statuses[i]);
		statuses[i].text = (char *)"working";
		statuses[i].facts = fact_lists[i];
		zkd__daemon_status__init(&daemons_[i]);
		daemons_[i].name = (char *)node_programs[i];
		daemons_[i].ready = true;
		daemons_[i].text = (char *)"loading";
		daemon_list[i] = &daemons_[i];
		all.all[i] = (struct question){ .daemon = node_programs[i], .answer = &statuses[i] };
	}
	statuses[NODE_ZKD].daemons = daemon_list;
	statuses[NODE_ZKD].n_daemons = NODE_PROGRAMS;
}

static void
add_fact(int program, const char *name, const char *value)
{
	size_t n = statuses[program].n_facts++;

	zkd__fact__init(&facts_[program][n]);
	facts_[program][n].name = (char *)name;
	facts_[program][n].value = (char *)value;
	fact_lists[program][n] = &facts_[program][n];
}

static void
fail_program(int program, int error)
{
	all.all[program].answer = NULL;
	all.all[program].error = error;
}

START_TEST(a_node_whose_programs_say_so_is_well)
{
	add_fact(NODE_CLIENTD, "serving", "yes");
	add_fact(NODE_SYNCD, "serving", "1");
	add_fact(NODE_LOGD, "disk", "ok");
	add_fact(NODE_CLIENTD, "digest_mismatches", "0");
	health_judge(&all, &health);
	ck_assert_uint_eq(health.nproblems, 0);
	ck_assert(health.serves);
	ck_assert_uint_eq(health.answered, NODE_PROGRAMS);
}
END_TEST

START_TEST(a_daemon_that_does_not_answer_is_named)
{
	fail_program(NODE_LOGD, -ETIMEDOUT);
	health_judge(&all, &health);
	ck_assert_uint_eq(health.nproblems, 1);
	ck_assert_str_eq(health.problems[0], "logd does not answer (stopped, or it hangs)");
	ck_assert(!health.serves);
}
END_TEST

START_TEST(a_daemon_that_is_not_ready_is_named)
{
	daemons_[NODE_CLIENTD].ready = false;
	health_judge(&all, &health);
	ck_assert_uint_eq(health.nproblems, 1);
	ck_assert_str_eq(health.problems[0], "clientd is not ready: loading");
	ck_assert(!health.serves);
}
END_TEST

static const struct {
	const char *name, *value, *problem;
	bool serves;
} bad_facts[] = {
	{ "serving", "no", "clientd does not serve: working", false },
	{ "serving", "0", "clientd does not serve: working", false },
	{ "disk", "failed", "clientd says that the disk failed", true },
	{ "disk", "No space left on device", "clientd says that the disk failed: No space left on device",
	  true },
	{ "digest_mismatches", "2", "clientd counts digest mismatches: 2", true },
};

START_TEST(a_fact_may_say_that_something_is_wrong)
{
	add_fact(NODE_CLIENTD, bad_facts[_i].name, bad_facts[_i].value);
	health_judge(&all, &health);
	ck_assert_uint_eq(health.nproblems, 1);
	ck_assert_str_eq(health.problems[0], bad_facts[_i].problem);
	ck_assert(health.serves == bad_facts[_i].serves);
}
END_TEST

START_TEST(without_zkd_the_four_may_run_as_units)
{
	fail_program(NODE_ZKD, -ENOENT);
	health_judge(&all, &health);
	ck_assert(health.split && health.serves);
	ck_assert_uint_eq(health.nproblems, 0);
	fail_program(NODE_ZKD, -ECONNREFUSED);
	health_judge(&all, &health);
	ck_assert(!health.split && !health.serves);
	ck_assert_str_eq(health.problems[0], "zkd is not running");
}
END_TEST

START_TEST(nothing_that_answers_is_no_split_node)
{
	for (int i = 0; i < NODE_PROGRAMS; i++)
		fail_program(i, -ENOENT);
	health_judge(&all, &health);
	ck_assert(!health.split && !health.serves);
	ck_assert_uint_eq(health.answered, 0);
}
END_TEST

/* --- where --- */

START_TEST(the_folder_where_a_node_listens_is_preferred)
{
	char empty[128];
	struct places p = { { folder, empty }, 2 };
	struct node n;

	snprintf(empty, sizeof empty, "%s/none", folder);
	ck_assert_int_eq(node_open_at(&p, &n), 0);
	ck_assert_str_eq(n.path, folder);
	node_close(&n);
	p = (struct places){ { (char *)"/tmp", folder }, 2 };
	ck_assert_int_eq(node_open_at(&p, &n), 0);
	ck_assert_str_eq(n.path, "/tmp");
	node_close(&n);
	serve("zkd", answer_well);
	ck_assert_int_eq(node_open_at(&p, &n), 0);
	ck_assert_str_eq(n.path, folder);
	node_close(&n);
	p = (struct places){ { empty }, 1 };
	ck_assert_int_eq(node_open_at(&p, &n), -ENOENT);
	node_close(&n);
}
END_TEST

/* --- words --- */

START_TEST(durations_and_sizes_are_for_people)
{
	char out[32];

	ck_assert_str_eq(format_duration(7, out, sizeof out), "7 ms");
	ck_assert_str_eq(format_duration(1999, out, sizeof out), "1.9 s");
	ck_assert_str_eq(format_duration(61000, out, sizeof out), "1 min 1 s");
	ck_assert_str_eq(format_duration(3661000, out, sizeof out), "1 h 1 min");
	ck_assert_str_eq(format_duration(90000000, out, sizeof out), "1 d 1 h");
	ck_assert_str_eq(format_bytes(3 << 20, out, sizeof out), "3.0 MiB");
	ck_assert_str_eq(format_bytes(1536, out, sizeof out), "1.5 KiB");
}
END_TEST

START_TEST(json_text_is_always_utf8)
{
	static const struct {
		const char *in, *out;
	} texts[] = { { "plain", "plain" }, { "\xc3\xbc", "\xc3\xbc" }, { "a\xff\xc3", "a??" } };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		json_t *v = json_text(texts[i].in);
		ck_assert_str_eq(json_string_value(v), texts[i].out);
		json_decref(v);
	}
}
END_TEST

START_TEST(a_slip_gets_a_suggestion_and_another_word_none)
{
	static const char *const words[] = { "status", "ps", "restart", NULL };

	ck_assert_str_eq(suggestion("stauts", words), ", did you mean status?");
	ck_assert_str_eq(suggestion("Restart", words), ", did you mean restart?");
	ck_assert_str_eq(suggestion("frobnicate", words), "");
	ck_assert_str_eq(suggestion("", words), "");
}
END_TEST

static const struct {
	const char *text, *value; /* of X; NULL: not assigned */
	int line;
} scripts[] = {
	{ "X=1", "1", 1 },
	{ "\n\n  export X=a Y=b\n", "a", 3 },
	{ "X=\"a b\" ; Y=2", "a b", 1 },
	{ "X='a $HOME \"b\"'c\n", "a $HOME \"b\"c", 1 },
	{ "Y=one\nX=\"$Y-${Y}s ${Z:-default} $Z\"", "one-ones default $Z", 2 },
	{ "X=1\nX=\"$X 2\"\n", "1 2", 2 },
	{ "X=a\\\nb\n", "ab", 1 },
	{ "X=\"a\\\nb\\\"\"", "ab\"", 1 },
	{ "# X=1\necho X = 1 # X=2\n", NULL, 0 },
	{ "if [ -n \"$X\" ]; then X=in; fi", "in", 1 },
	{ "(X=1)\n", "1", 1 },
	{ "X=$(date)", "$", 1 },
	{ "X=${Y", "${Y", 1 },
	{ "X=\"never ends", "never ends", 1 },
	{ "X=$", "$", 1 },
	{ "X=\\", "\\", 1 },
	{ "XX=1 MY_X=2 X2=3", NULL, 0 },
};

START_TEST(a_script_is_read_for_what_it_assigns)
{
	struct shellvars vars;
	struct arena own;

	arena_init(&own, 1 << 20);
	shellvars_init(&vars, &own);
	shellvars_read(&vars, slice_str(scripts[_i].text));
	const struct shellvar *x = shellvars_find(&vars, "X");
	if (scripts[_i].value == NULL) {
		ck_assert_ptr_null(x);
	} else {
		ck_assert_ptr_nonnull(x);
		ck_assert_str_eq(x->value, scripts[_i].value);
		ck_assert_int_eq(x->line, scripts[_i].line);
	}
	arena_free(&own);
}
END_TEST

/* Whatever the bytes, it ends and stays within them. */
START_TEST(a_script_may_hold_anything)
{
	static const char bytes[] = "X=\"'$\\{}:-;#\n (";
	struct shellvars vars;
	struct arena own;
	char text[12];

	srand((unsigned)_i);
	for (int round = 0; round < 2000; round++) {
		size_t len = (size_t)rand() % sizeof text;
		char *exact = malloc(len == 0 ? 1 : len);
		for (size_t i = 0; i < len; i++)
			exact[i] = bytes[(size_t)rand() % (sizeof bytes - 1)];
		arena_init(&own, 1 << 20);
		shellvars_init(&vars, &own);
		shellvars_read(&vars, slice_of(exact, len));
		ck_assert_uint_le(vars.n, len);
		arena_free(&own);
		free(exact);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("zkctl");
	TCase *asking = tcase_create("ask"), *judging = tcase_create("health"),
	      *words = tcase_create("words");

	tcase_add_checked_fixture(asking, make_folder, remove_folder);
	tcase_set_timeout(asking, 20);
	tcase_add_loop_test(asking, each_kind_of_answer_has_its_end, 0,
			    sizeof behaviours / sizeof behaviours[0]);
	tcase_add_test(asking, one_that_hangs_costs_the_others_nothing);
	tcase_add_test(asking, a_socket_that_nobody_serves_is_not_running);
	tcase_add_test(asking, a_full_backlog_is_waited_for_and_given_up);
	tcase_add_test(asking, the_folder_where_a_node_listens_is_preferred);
	suite_add_tcase(s, asking);
	tcase_add_checked_fixture(judging, make_node, NULL);
	tcase_add_test(judging, a_node_whose_programs_say_so_is_well);
	tcase_add_test(judging, a_daemon_that_does_not_answer_is_named);
	tcase_add_test(judging, a_daemon_that_is_not_ready_is_named);
	tcase_add_loop_test(judging, a_fact_may_say_that_something_is_wrong, 0,
			    sizeof bad_facts / sizeof bad_facts[0]);
	tcase_add_test(judging, without_zkd_the_four_may_run_as_units);
	tcase_add_test(judging, nothing_that_answers_is_no_split_node);
	suite_add_tcase(s, judging);
	tcase_add_test(words, durations_and_sizes_are_for_people);
	tcase_add_test(words, json_text_is_always_utf8);
	tcase_add_test(words, a_slip_gets_a_suggestion_and_another_word_none);
	tcase_add_loop_test(words, a_script_is_read_for_what_it_assigns, 0,
			    sizeof scripts / sizeof scripts[0]);
	tcase_add_loop_test(words, a_script_may_hold_anything, 0, 4);
	suite_add_tcase(s, words);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
