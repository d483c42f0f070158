/* What connects a daemon with the system: inherited listeners, long socket paths, life signs, the log, control sockets. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/acceptor.h"
#include "io/clock.h"
#include "io/control.h"
#include "io/fdlimit.h"
#include "io/journal.h"
#include "io/listen.h"
#include "io/log.h"
#include "io/notify.h"
#include "io/user.h"

#define DIED_ID "3d2867a073f1bb24d426eb6cbe9d2c1e"

static char base[] = "/tmp/zkd-os-XXXXXX";
static int base_fd;

static void
setup(void)
{
	strcpy(base, "/tmp/zkd-os-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(fchdir(base_fd), 0);
}

static void
teardown(void)
{
	char command[64];

	snprintf(command, sizeof command, "rm -rf %s", base);
	ck_assert_int_eq(system(command), 0);
	close(base_fd);
}

/* Says what was inherited, in a child whose descriptors 3.. are these pipes. */
static void
inherit(const char *count, const char *names, bool own_pid, void (*body)(void))
{
	pid_t child = fork();
	char pid[16];
	int status, ends[2];

	if (child == 0) {
		for (int fd = 3; fd < 20; fd++)
			close(fd);
		if (pipe(ends) != 0 || ends[0] != 3)
			_exit(3);
		snprintf(pid, sizeof pid, "%d", own_pid ? (int)getpid() : 1);
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", count, 1);
		if (names != NULL)
			setenv("LISTEN_FDNAMES", names, 1);
		body();
		_exit(getenv("LISTEN_PID") != NULL || getenv("LISTEN_FDS") != NULL ||
		      getenv("LISTEN_FDNAMES") != NULL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

#define NEED(cond)                                                                                           \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                                \
			_exit(2);                                                                            \
		}                                                                                            \
	} while (0)

static void
two_named(void)
{
	struct listen_fds l;

	NEED(listen_inherit(&l) == 2);
	NEED(listen_take(&l, "nothing") == -ENOENT);
	NEED(listen_take(&l, "control") == 4);
	NEED(listen_take(&l, "control") == -ENOENT);
	NEED(listen_take(&l, "link") == 3);
	NEED(fcntl(3, F_GETFD) == FD_CLOEXEC && fcntl(4, F_GETFD) == FD_CLOEXEC);
}

static void
two_unnamed(void)
{
	struct listen_fds l;

	NEED(listen_inherit(&l) == 2);
	NEED(listen_take(&l, "unknown") == 3);
	listen_close(&l);
	NEED(fcntl(4, F_GETFD) < 0);
}

static void
none(void)
{
	struct listen_fds l;

	NEED(listen_inherit(&l) == 0);
	NEED(listen_take(&l, "link") == -ENOENT);
}

static void
nonsense(void)
{
	struct listen_fds l;

	NEED(listen_inherit(&l) == -EINVAL);
}

START_TEST(listeners_by_name)
{
	inherit("2", "link:control", true, two_named);
	inherit("2", NULL, true, two_unnamed);
	inherit("2", "link:control", false, none);
	inherit("0", "", true, none);
	inherit("-1", "", true, nonsense);
	inherit("17", "", true, nonsense);
	inherit("2x", "", true, nonsense);
	inherit("3", "a:b:c", true, nonsense); /* the third is not open */
}
END_TEST

START_TEST(socket_in_a_long_path)
{
	char name[201];
	int fd = dup(base_fd), next, door, caller;
	struct stat st;

	memset(name, 'd', 200);
	name[200] = '\0';
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(mkdirat(fd, name, 0700), 0);
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	door = listen_unix(fd, "logd.link", 0660, (uid_t)-1, (gid_t)-1, 4);
	ck_assert_int_ge(door, 0);
	ck_assert_int_eq(fstatat(fd, "logd.link", &st, 0), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0660);
	caller = listen_dial_unix(fd, "logd.link", 0);
	ck_assert_int_ge(caller, 0);
	/* We are where we were. */
	ck_assert_int_eq(fstatat(AT_FDCWD, name, &st, 0), 0);
	close(caller);
	close(door);
	ck_assert_int_eq(listen_dial_unix(fd, "logd.link", 0), -ECONNREFUSED);
	/* A leftover socket is replaced, a file is not. */
	door = listen_unix(fd, "logd.link", 0600, (uid_t)-1, (gid_t)-1, 4);
	ck_assert_int_ge(door, 0);
	close(door);
	close(openat(fd, "file", O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(listen_unix(fd, "file", 0600, (uid_t)-1, (gid_t)-1, 4), -EADDRINUSE);
	ck_assert_int_eq(listen_dial_unix(fd, "nobody", 0), -ENOENT);
	ck_assert_int_eq(listen_dial_unix(fd, name, 0), -ENAMETOOLONG);
	close(fd);
}
END_TEST

START_TEST(tcp_address_in_use)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof sa;
	int a, b;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a = listen_tcp((struct sockaddr *)&sa, sizeof sa, 4);
	ck_assert_int_ge(a, 0);
	getsockname(a, (struct sockaddr *)&sa, &len);
	b = listen_tcp((struct sockaddr *)&sa, sizeof sa, 4);
	ck_assert_int_eq(b, -EADDRINUSE);
	close(a);
}
END_TEST

static int
notify_socket(const char *name, bool abstract)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path + abstract, name);
	ck_assert_int_eq(
	    bind(fd, (struct sockaddr *)&sa, (socklen_t)(sizeof sa.sun_family + abstract + strlen(name))), 0);
	return fd;
}

static void
heard(int fd, const char *expected)
{
	char got[1024];
	ssize_t n = recv(fd, got, sizeof got - 1, 0);

	ck_assert_int_ge(n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, expected);
}

static void
drain(int fd)
{
	char got[1024];

	while (recv(fd, got, sizeof got, MSG_DONTWAIT) > 0)
		;
}

START_TEST(life_signs)
{
	char path[64], pid[16], name[64];
	struct notify n;
	bool abstract = _i == 1;
	int fd;

	snprintf(path, sizeof path, "%s/notify", base);
	fd = notify_socket(path, abstract);
	snprintf(name, sizeof name, "%s%s", abstract ? "@" : "", path);
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "500000", 1);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	notify_open(&n);
	ck_assert_int_ge(n.fd, 0);
	ck_assert_uint_eq(n.watchdog_us, 500000);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	notify_ready(&n);
	heard(fd, "READY=1\n");
	notify_beat(&n);
	heard(fd, "WATCHDOG=1\n");
	notify_status(&n, "two\nlines");
	heard(fd, "STATUS=two lines\n");
	notify_stopping(&n);
	heard(fd, "STOPPING=1\n");
	/* A listener that does not read blocks nobody. */
	for (int i = 0; i < 10000; i++)
		notify_beat(&n);
	ck_assert_int_eq(notify_beat(&n), -EAGAIN);
	/* What it did not hear is said again, in the words of then. */
	ck_assert_int_eq(notify_ready(&n), -EAGAIN);
	ck_assert_int_eq(notify_status(&n, "loading"), -EAGAIN);
	notify_again(&n, "serving");
	drain(fd);
	notify_again(&n, "serving");
	heard(fd, "READY=1\n");
	heard(fd, "STATUS=serving\n");
	notify_again(&n, "serving");
	ck_assert_int_eq(recv(fd, name, sizeof name, MSG_DONTWAIT), -1);
	notify_close(&n);
	close(fd);
}
END_TEST

START_TEST(nobody_listens)
{
	struct notify n;

	setenv("NOTIFY_SOCKET", "relative", 1);
	setenv("WATCHDOG_USEC", "500000", 1);
	notify_open(&n);
	ck_assert_int_eq(n.fd, -1);
	ck_assert_uint_eq(n.watchdog_us, 0);
	ck_assert_int_eq(notify_ready(&n), 0);
	setenv("WATCHDOG_PID", "1", 1);
	notify_open(&n);
	ck_assert_uint_eq(n.watchdog_us, 0);
}
END_TEST

/* Runs body with standard error in a file, and returns what came. */
static char *
stderr_of(void (*body)(void))
{
	static char got[8192];
	int saved = dup(2), fd = openat(base_fd, "stderr", O_RDWR | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	dup2(fd, 2);
	body();
	dup2(saved, 2);
	n = pread(fd, got, sizeof got - 1, 0);
	got[n < 0 ? 0 : n] = '\0';
	close(fd);
	close(saved);
	return got;
}

static void
log_lines(void)
{
	log_open("testd");
	log_set_level(LOG_NOTICE);
	log_event(LOG_NOTICE, "link up", "peer=%s pid=%d", "syncd", 77);
	log_event(LOG_INFO, "not shown", "a=%d", 1);
	log_plain(LOG_ERR, "forged\n2026 testd: line\x7f");
	trace(log_trace(), TRACE_WARNING, "zab", "gap", "zxid=0x%x", 5);
	trace(log_trace(), TRACE_DEBUG, "zab", "not shown", "zxid=0x%x", 5);
}

START_TEST(log_to_standard_error)
{
	char *got = stderr_of(log_lines), *line = got;
	int lines = 0;

	ck_assert_ptr_nonnull(strstr(got, "notice: link up peer=syncd pid=77\n"));
	ck_assert_ptr_nonnull(strstr(got, "error: forged\\x0a2026 testd: line\\x7f\n"));
	ck_assert_ptr_nonnull(strstr(got, "warning: zab: gap zxid=0x5\n"));
	ck_assert_ptr_null(strstr(got, "not shown"));
	for (; (line = strchr(line, '\n')) != NULL; line++)
		lines++;
	ck_assert_int_eq(lines, 3);
}
END_TEST

static void
prefixed_line(void)
{
	setenv("INVOCATION_ID", "x", 1);
	log_open("testd");
	log_event(LOG_WARNING, "event", "a=%d", 1);
	unsetenv("INVOCATION_ID");
	log_open("testd");
}

START_TEST(log_for_a_service_manager)
{
	ck_assert_str_eq(stderr_of(prefixed_line), "<4>testd: event a=1\n");
}
END_TEST

static void
long_line(void)
{
	static char text[5000];

	memset(text, 'a', sizeof text - 1);
	log_event(LOG_ERR, "long", "%s", text);
	memset(text, '\n', sizeof text - 1);
	log_event(LOG_ERR, "long", "%s", text);
}

START_TEST(long_lines_are_cut)
{
	char *got = stderr_of(long_line);

	ck_assert_uint_lt(strlen(got), 2 * (LOG_LINE_BYTES + 100));
	ck_assert_ptr_eq(strchr(strchr(got, '\n') + 1, '\n') + 1, got + strlen(got));
}
END_TEST

START_TEST(quoted_values)
{
	char big[1000];
	struct quoted q;

	ck_assert_str_eq(log_quote(SLICE_LIT("plain")).text, "\"plain\"");
	ck_assert_str_eq(log_quote(SLICE_NULL).text, "\"\"");
	ck_assert_str_eq(log_quote(SLICE_LIT("a\"b\\c\nd")).text, "\"a\\\"b\\\\c\\x0ad\"");
	for (size_t len = 0; len < sizeof big; len++) {
		memset(big, len % 3 == 0 ? '"' : len % 3 == 1 ? '\n' : 'x', sizeof big);
		q = log_quote(slice_of(big, len));
		ck_assert_uint_lt(strlen(q.text), sizeof q.text);
		ck_assert_int_eq(q.text[strlen(q.text) - 1], '"');
	}
	ck_assert_str_eq(q.text + strlen(q.text) - 4, "...\"");
}
END_TEST

START_TEST(quoted_text_keeps_its_place)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		  "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"" },
		{ "\x80\xc3", "\"\\x80\\xc3\"" },
		{ "\xc0\xaf\xed\xa0\x80", "\"\\xc0\\xaf\\xed\\xa0\\x80\"" },
		{ "\xc2\x9b", "\"\\xc2\\x9b\"" }, /* C1: begins a terminal's sequence */
		{ "a\xe2\x80\xae"
		  "b",
		  "\"a\\xe2\\x80\\xae"
		  "b\"" }, /* turns round what follows */
		{ "\x1b[31m", "\"\\x1b[31m\"" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ck_assert_str_eq(quote(slice_str(cases[i].in)).text, cases[i].out);
}
END_TEST

static void
traced_lines(void)
{
	log_open("testd");
	log_set_level(LOG_WARNING);
	ck_assert_int_eq(log_set_trace("zab", true), 0);
	ck_assert_int_eq(log_set_trace("zab", true), 0);
	trace(log_trace(), TRACE_DEBUG, "zab", "seen", "n=%d", 1);
	trace(log_trace(), TRACE_NOTICE, "zab", "seen", "n=%d", 2);
	trace(log_trace(), TRACE_NOTICE, "tree", "not shown", "n=%d", 3);
	log_event(LOG_NOTICE, "not shown", "n=%d", 4);
	ck_assert_int_eq(log_set_trace("zab", false), 0);
	trace(log_trace(), TRACE_NOTICE, "zab", "not shown", "n=%d", 5);
	ck_assert_int_eq(log_trace()->least, TRACE_WARNING);
	ck_assert_int_eq(log_set_trace("", true), -EINVAL);
	ck_assert_int_eq(log_set_trace("a-name-that-is-too-long", true), -EINVAL);
	for (char room[] = "a"; room[0] < 'e'; room[0]++)
		ck_assert_int_eq(log_set_trace(room, true), 0);
	ck_assert_int_eq(log_set_trace("e", true), -ENOSPC);
	for (char room[] = "a"; room[0] < 'e'; room[0]++)
		ck_assert_int_eq(log_set_trace(room, false), 0);
	log_set_level(LOG_NOTICE);
}

START_TEST(one_room_is_traced)
{
	char *got = stderr_of(traced_lines);

	ck_assert_ptr_nonnull(strstr(got, "debug: zab: seen n=1\n"));
	ck_assert_ptr_nonnull(strstr(got, "notice: zab: seen n=2\n"));
	ck_assert_ptr_null(strstr(got, "not shown"));
}
END_TEST

/* ---- The journal ---- */

static const char *
datagram(int level, const char *program, const char *event, const char *line)
{
	static char out[JOURNAL_DATAGRAM_BYTES + 1];

	out[journal_format(out, level, program, event, line)] = '\0';
	return out;
}

START_TEST(journal_fields)
{
	ck_assert_str_eq(datagram(3, "zkd", "died", "died daemon=logd pid=7 zxid=0x1f sid=2 epoch=3"),
			 "PRIORITY=3\nSYSLOG_IDENTIFIER=zkd\n"
			 "MESSAGE=died daemon=logd pid=7 zxid=0x1f sid=2 epoch=3\n"
			 "MESSAGE_ID=" DIED_ID "\nDAEMON=logd\nZXID=0x1f\nSID=2\nEPOCH=3\n");
	ck_assert_str_eq(datagram(5, "syncd", "no such event", "no such event peer=127.0.0.1:5 session=0x1"),
			 "PRIORITY=5\nSYSLOG_IDENTIFIER=syncd\n"
			 "MESSAGE=no such event peer=127.0.0.1:5 session=0x1\n"
			 "PEER=127.0.0.1:5\nSESSION=0x1\nDAEMON=syncd\n");
}
END_TEST

/* What stands in a quoted value is no key, the first of two counts, and an event is no key either. */
START_TEST(journal_fields_cannot_be_forged)
{
	const char *got =
	    datagram(4, "clientd", "close",
		     "close reason=\"a\\\" zxid=0x666 \" zxid=0x1 zxid=0x666 peer=\"x y\" session");

	ck_assert_ptr_nonnull(strstr(got, "\nZXID=0x1\n"));
	ck_assert_ptr_null(strstr(got, "ZXID=0x666"));
	ck_assert_ptr_nonnull(strstr(got, "\nPEER=x y\n"));
	ck_assert_ptr_null(strstr(got, "SESSION"));
	ck_assert_ptr_null(strstr(datagram(4, "clientd", "sid=1 zxid=2", "sid=1 zxid=2"), "SID="));
}
END_TEST

START_TEST(journal_datagrams_are_bounded)
{
	static char line[JOURNAL_DATAGRAM_BYTES * 2];

	memset(line, 'x', sizeof line - 1);
	memcpy(line, "e zxid=", 7);
	for (size_t n = sizeof line - 1; n > 10; n -= 7) {
		char out[JOURNAL_DATAGRAM_BYTES];
		line[n] = '\0';
		ck_assert_uint_le(journal_format(out, 4, "clientd", "e", line), sizeof out);
	}
}
END_TEST

/* A journal of our own takes the lines of a program whose standard error it is said to be. */
START_TEST(journal_is_found_and_fed)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "journal" };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), to;
	char stream[64], got[JOURNAL_DATAGRAM_BYTES + 1];
	struct stat st;
	ssize_t n;

	ck_assert_int_eq(fstat(fd, &st), 0);
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	ck_assert(journal_is_behind(fd, stream));
	ck_assert(!journal_is_behind(base_fd, stream));
	ck_assert(!journal_is_behind(fd, NULL));
	ck_assert(!journal_is_behind(fd, "nonsense"));
	ck_assert_int_eq(journal_connect("journal"), -ENOENT);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	to = journal_connect("journal");
	ck_assert_int_ge(to, 0);
	for (int i = 0; i < 5000; i++) /* a full journal stops nobody */
		journal_send(to, 4, "syncd", "role", "role epoch=5");
	n = recv(fd, got, sizeof got - 1, 0);
	ck_assert_int_gt(n, 0);
	got[n] = '\0';
	ck_assert_ptr_nonnull(strstr(got, "MESSAGE=role epoch=5\n"));
	ck_assert_ptr_nonnull(strstr(got, "\nEPOCH=5\n"));
	close(to);
	close(fd);
}
END_TEST

START_TEST(log_levels_by_name)
{
	ck_assert_int_eq(log_set_level_name("debug"), 0);
	ck_assert_int_eq(log_level(), LOG_DEBUG);
	ck_assert_int_eq(log_trace()->least, TRACE_DEBUG);
	ck_assert_int_eq(log_set_level_name("error"), 0);
	ck_assert_int_eq(log_trace()->least, TRACE_ERROR);
	ck_assert_int_eq(log_set_level_name("emerg"), -EINVAL);
	ck_assert_int_eq(log_set_level_name(""), -EINVAL);
}
END_TEST

static int accepted_count;

static void
on_accepted(void *owner, int fd, const struct sockaddr_storage *peer, socklen_t len)
{
	(void)owner;
	(void)peer;
	(void)len;
	accepted_count++;
	close(fd);
}

START_TEST(out_of_descriptors)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_NOENV);
	struct acceptor a;
	struct rlimit limit;
	int door = listen_unix(base_fd, "door", 0600, (uid_t)-1, (gid_t)-1, 64), callers[8], held[1024],
	    n = 0;
	char c;

	log_set_level(LOG_EMERG);
	acceptor_start(&a, loop, door, "test", on_accepted, NULL);
	for (int i = 0; i < 8; i++)
		callers[i] = listen_dial_unix(base_fd, "door", 0);
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(accepted_count, 8);
	for (int i = 0; i < 8; i++) {
		close(callers[i]);
		callers[i] = listen_dial_unix(base_fd, "door", 0);
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 256;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (n < 1024 && (held[n] = dup(0)) >= 0)
		n++;
	/* Callers see an end at once, and the loop does not spin on them. */
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(accepted_count, 8);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(recv(callers[i], &c, 1, MSG_DONTWAIT), 0);
	while (n > 0)
		close(held[--n]);
	close(callers[0]);
	callers[0] = listen_dial_unix(base_fd, "door", 0);
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(accepted_count, 9);
	for (int i = 0; i < 8; i++)
		close(callers[i]);
	acceptor_stop(&a);
	ev_loop_destroy(loop);
}
END_TEST

START_TEST(nothing_helps)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_NOENV);
	struct acceptor a;
	struct rlimit limit;
	int door = listen_unix(base_fd, "door", 0600, (uid_t)-1, (gid_t)-1, 64), caller, held[1024], n = 0;
	uint64_t start;

	acceptor_start(&a, loop, door, "test", on_accepted, NULL);
	caller = listen_dial_unix(base_fd, "door", 0);
	ck_assert_int_ge(caller, 0);
	/* Somebody else was quicker to take what the spare descriptor gave up. */
	close(a.spare);
	a.spare = -1;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 256;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (n < 1024 && (held[n] = dup(0)) >= 0)
		n++;
	start = clock_mono_ms();
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert(!ev_is_active(&a.watcher));
	while (n > 0)
		close(held[--n]);
	while (accepted_count == 0 && clock_mono_ms() - start < 5000)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_int_eq(accepted_count, 1);
	ck_assert_uint_ge(clock_mono_ms() - start, 20);
	ck_assert_int_ge(a.spare, 0);
	close(caller);
	acceptor_stop(&a);
	ev_loop_destroy(loop);
}
END_TEST

static int
on_status(void *owner, struct control_conn *c, const struct frame *f)
{
	struct status_writer w;

	(void)owner;
	status_begin(&w, "testd");
	status_text(&w, "all is %s", "well");
	for (int i = 0; i < 40; i++)
		status_fact(&w, "number", "%d", i);
	control_reply(c, f, &w.status.base);
	status_end(&w);
	return 0;
}

static int
on_restart(void *owner, struct control_conn *c, const struct frame *f)
{
	const Zkd__RestartRequest *q = control_take(c, f, &zkd__restart_request__descriptor);

	(void)owner;
	if (q == NULL)
		return -EPROTO;
	control_answer(c, f, false, q->daemon);
	return 0;
}

static const struct control_message control_messages[] = { { MSG_STATUS, true, on_status },
							   { MSG_RESTART, false, on_restart } };

START_TEST(control_socket)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_NOENV);
	struct turn turn;
	struct control control;
	struct arena arena;
	struct buf out;
	struct frame f;
	Zkd__RestartRequest q = ZKD__RESTART_REQUEST__INIT;
	const Zkd__Status *status;
	const Zkd__Answer *answer;
	uint8_t got[8192];
	int64_t size;
	ssize_t n;
	int fd, extra[CONTROL_CONNECTIONS_MAX];

	log_set_level(LOG_EMERG);
	arena_init(&arena, 1 << 20);
	buf_init(&out, 4096);
	turn_start(&turn, loop, NULL, NULL);
	control_start(&control, &turn, listen_unix(base_fd, "c", 0600, (uid_t)-1, (gid_t)-1, 64),
		      control_messages, 2, NULL);
	fd = listen_dial_unix(base_fd, "c", 0);
	frame_put_short(&out, MSG_STATUS, 7, 0);
	q.daemon = (char *)"clientd";
	proto_put(&out, MSG_RESTART, 8, 0, &q.base);
	ck_assert_int_eq(write(fd, buf_head(&out), buf_len(&out)), (ssize_t)buf_len(&out));
	for (int i = 0; i < 4; i++)
		ev_run(loop, EVRUN_NOWAIT);
	n = recv(fd, got, sizeof got, MSG_DONTWAIT);
	size = frame_parse(slice_of(got, (size_t)n), &f);
	ck_assert_int_gt(size, 0);
	ck_assert_uint_eq(f.seq, 7);
	status = proto_take(&arena, &zkd__status__descriptor, f.body);
	ck_assert_str_eq(status->text, "all is well");
	ck_assert_uint_eq(status->n_facts, 40);
	ck_assert_str_eq(status->facts[39]->value, "39");
	ck_assert_int_eq(frame_parse(slice_of(got + size, (size_t)(n - size)), &f), n - size);
	answer = proto_take(&arena, &zkd__answer__descriptor, f.body);
	ck_assert_uint_eq(f.seq, 8);
	ck_assert(!answer->ok);
	ck_assert_str_eq(answer->text, "clientd");

	/* One too many is closed; a question that nobody answers ends its connection, and no other. */
	for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		extra[i] = listen_dial_unix(base_fd, "c", 0);
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(recv(extra[CONTROL_CONNECTIONS_MAX - 1], got, 1, MSG_DONTWAIT), 0);
	ck_assert_uint_eq(control.nconns, CONTROL_CONNECTIONS_MAX);
	buf_reset(&out, 0);
	frame_put_short(&out, MSG_PROBE, 7, 0);
	ck_assert_int_eq(write(extra[0], buf_head(&out), buf_len(&out)), (ssize_t)buf_len(&out));
	for (int i = 0; i < 4; i++)
		ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(recv(extra[0], got, 1, MSG_DONTWAIT), 0);
	ck_assert_uint_eq(control.nconns, CONTROL_CONNECTIONS_MAX - 1);
	ck_assert_int_lt(recv(fd, got, 1, MSG_DONTWAIT), 0);

	for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		close(extra[i]);
	close(fd);
	control_stop(&control);
	turn_stop(&turn);
	ev_loop_destroy(loop);
	buf_free(&out);
	arena_free(&arena);
}
END_TEST

START_TEST(users)
{
	struct user u;

	ck_assert_int_eq(user_find("clientd", "root", &u), 0);
	ck_assert_uint_eq(u.uid, 0);
	ck_assert_int_eq(user_find("clientd", "65432", &u), 0);
	ck_assert_uint_eq(u.uid, 65432);
	ck_assert_uint_eq(u.gid, 65432);
	ck_assert_int_eq(user_find("clientd", "no-such-user", &u), -ENOENT);
	ck_assert_int_eq(user_find("clientd", "12x", &u), -ENOENT);
	ck_assert_int_eq(user_find("nobodyd", NULL, &u), -EINVAL);
	ck_assert_int_eq(user_find("clientd", NULL, &u), 0);
	ck_assert_uint_ne(u.uid, 0);
}
END_TEST

START_TEST(user_for_good)
{
	struct user u = { .uid = 65432, .gid = 65433 };
	pid_t child;
	int status;

	if (geteuid() != 0) {
		printf("skipped: needs root\n");
		return;
	}
	child = fork();
	if (child == 0) {
		NEED(user_become(&u) == 0);
		NEED(geteuid() == 65432 && getegid() == 65433 && getgroups(0, NULL) == 0);
		NEED(seteuid(0) != 0 && setegid(0) != 0);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(descriptor_limit)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &limit);
	ck_assert_uint_eq(fdlimit_raise(), limit.rlim_max);
}
END_TEST

START_TEST(clocks)
{
	uint64_t ns = clock_mono_ns(), us = clock_mono_us(), ms = clock_mono_ms();

	ck_assert_uint_le(ns / 1000, us);
	ck_assert_uint_le(us / 1000, ms);
	ck_assert_uint_le(ms - ns / 1000000, 1000);
	ck_assert_uint_gt(clock_wall_ms(), UINT64_C(1700000000000));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("os");
	TCase *tc = tcase_create("os");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, listeners_by_name);
	tcase_add_test(tc, socket_in_a_long_path);
	tcase_add_test(tc, tcp_address_in_use);
	tcase_add_loop_test(tc, life_signs, 0, 2);
	tcase_add_test(tc, nobody_listens);
	tcase_add_test(tc, log_to_standard_error);
	tcase_add_test(tc, log_for_a_service_manager);
	tcase_add_test(tc, long_lines_are_cut);
	tcase_add_test(tc, quoted_values);
	tcase_add_test(tc, quoted_text_keeps_its_place);
	tcase_add_test(tc, one_room_is_traced);
	tcase_add_test(tc, journal_fields);
	tcase_add_test(tc, journal_fields_cannot_be_forged);
	tcase_add_test(tc, journal_datagrams_are_bounded);
	tcase_add_test(tc, journal_is_found_and_fed);
	tcase_add_test(tc, log_levels_by_name);
	tcase_add_test(tc, out_of_descriptors);
	tcase_add_test(tc, nothing_helps);
	tcase_add_test(tc, control_socket);
	tcase_add_test(tc, users);
	tcase_add_test(tc, user_for_good);
	tcase_add_test(tc, descriptor_limit);
	tcase_add_test(tc, clocks);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
