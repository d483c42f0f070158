/* Life signs: the lines of a notify message, and what the kernel says of its sender. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/signs.h"

static struct sign
parse(const char *text)
{
	struct sign s;

	signs_parse(slice_str(text), &s);
	return s;
}

START_TEST(each_line_is_understood)
{
	struct sign s = parse("READY=1");

	ck_assert(s.ready && !s.alive && !s.stopping && s.status.data == NULL);
	s = parse("WATCHDOG=1\n");
	ck_assert(s.alive && !s.ready);
	s = parse("STOPPING=1");
	ck_assert(s.stopping && !s.ready);
	s = parse("STATUS=serving zxid=0x1\nREADY=1\nWATCHDOG=1");
	ck_assert(s.ready && s.alive);
	ck_assert(slice_equal(s.status, SLICE_LIT("serving zxid=0x1")));
	s = parse("X_MEMBERS=server.1=a:1:2:participant,version=7\nWATCHDOG=1");
	ck_assert(s.alive && s.status.data == NULL);
	ck_assert(slice_equal(s.members, SLICE_LIT("server.1=a:1:2:participant,version=7")));
	s = parse("STATUS=");
	ck_assert(s.members.data == NULL);
	ck_assert(s.status.data != NULL && s.status.len == 0);
}
END_TEST

START_TEST(anything_else_means_nothing)
{
	static const char *const texts[] = { "",
					     "\n\n",
					     "READY=0",
					     "READY=11",
					     " READY=1",
					     "ready=1",
					     "WATCHDOG=trigger",
					     "STATU=x",
					     "FDSTORE=1\nMAINPID=1",
					     "=",
					     "STATUS" };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct sign s = parse(texts[i]);

		ck_assert(!s.ready && !s.alive && !s.stopping && s.status.data == NULL);
	}
}
END_TEST

/* What was heard, one line per message. */
static char heard_text[4096];

static void
heard(void *owner, const struct sign *s)
{
	size_t n = strlen(heard_text);

	snprintf(heard_text + n, sizeof heard_text - n, "%s%s%s%.*s;",
		 s->pid == *(pid_t *)owner ? "known " : "stranger ", s->ready ? "ready " : "",
		 s->alive ? "alive " : "", (int)s->status.len, (const char *)s->status.data);
}

static void
open_pair(int pair[2])
{
	int on = 1;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
	heard_text[0] = '\0';
}

START_TEST(the_kernel_names_the_sender)
{
	pid_t self = getpid(), child;
	int pair[2], status;

	open_pair(pair);
	ck_assert_int_eq(send(pair[1], "READY=1", 7, 0), 7);
	child = fork();
	if (child == 0)
		_exit(send(pair[1], "WATCHDOG=1", 10, 0) == 10 ? 0 : 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(send(pair[1], "STATUS=x", 8, 0), 8);
	signs_drain(pair[0], heard, &self);
	ck_assert_str_eq(heard_text, "known ready ;stranger alive ;known x;");
	signs_drain(pair[0], heard, &self);
	ck_assert_str_eq(heard_text, "known ready ;stranger alive ;known x;");
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(descriptors_that_come_along_are_closed)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = (void *)"READY=1", .iov_len = 7 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	pid_t self = getpid();
	int pair[2], pipes[2];
	char byte;

	open_pair(pair);
	ck_assert_int_eq(pipe(pipes), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pipes[1], sizeof(int));
	ck_assert_int_eq(sendmsg(pair[1], &msg, 0), 7);
	close(pipes[1]);
	signs_drain(pair[0], heard, &self);
	ck_assert_str_eq(heard_text, "known ready ;");
	/* The pipe's writing end is gone: nobody keeps it. */
	ck_assert_int_eq(read(pipes[0], &byte, 1), 0);
	close(pipes[0]);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(a_message_that_is_too_long_is_dropped)
{
	static char text[70000];
	pid_t self = getpid();
	int pair[2];

	memset(text, '\n', sizeof text);
	memcpy(text, "READY=1", 7);
	open_pair(pair);
	ck_assert_int_eq(send(pair[1], text, sizeof text, 0), sizeof text);
	ck_assert_int_eq(send(pair[1], "WATCHDOG=1", 10, 0), 10);
	signs_drain(pair[0], heard, &self);
	ck_assert_str_eq(heard_text, "known alive ;");
	close(pair[0]);
	close(pair[1]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("signs");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, each_line_is_understood);
	tcase_add_test(tc, anything_else_means_nothing);
	tcase_add_test(tc, the_kernel_names_the_sender);
	tcase_add_test(tc, descriptors_that_come_along_are_closed);
	tcase_add_test(tc, a_message_that_is_too_long_is_dropped);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
