/*
 * The locked door: each case forks a child that locks itself as a daemon would and then tries, first what its room
 * needs, then what it must not do.
 */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/listen.h"
#include "io/probe.h"
#include "io/sandbox.h"

enum { SIGNAL_SCOPE_ABI = 6 };

static char base[] = "/tmp/zkd-sandbox-XXXXXX";
static char inside[64], outside[64], secret[80];
static int folder, base_fd, tcp, tcp_port, victim;

static void
write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "secret\n", 7), 7);
	close(fd);
}

static void
setup(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof sa;

	strcpy(base, "/tmp/zkd-sandbox-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(inside, sizeof inside, "%s/inside", base);
	snprintf(outside, sizeof outside, "%s/outside", base);
	snprintf(secret, sizeof secret, "%s/secret", outside);
	ck_assert_int_eq(mkdir(inside, 0700), 0);
	ck_assert_int_eq(mkdir(outside, 0700), 0);
	write_file(secret);
	folder = open(inside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	base_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	tcp = listen_tcp((struct sockaddr *)&sa, sizeof sa, 4);
	ck_assert_int_ge(tcp, 0);
	getsockname(tcp, (struct sockaddr *)&sa, &len);
	tcp_port = ntohs(sa.sin_port);
	victim = fork();
	if (victim == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
}

static void
teardown(void)
{
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	unlink(secret);
	unlinkat(folder, "log.1", 0);
	unlinkat(base_fd, "door", 0);
	rmdir(inside);
	rmdir(outside);
	rmdir(base);
	close(folder);
	close(base_fd);
	close(tcp);
}

/* Runs body in a child behind the door; the child reports a failed check by its line number. */
static void
behind(const struct sandbox *s, void (*body)(void))
{
	int status = -1;
	pid_t child;

	fflush(NULL);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct sandbox_report report;
		ck_assert_int_eq(chdir(base), 0);
		if (sandbox_lock(s, &report) != 0)
			_exit(1);
		body();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "see standard error (status %x)",
		      status);
}

/* In the child: Check's own assertions need files. */
#define NEED(cond)                                                                                           \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			dprintf(2, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, strerror(errno));          \
			_exit(2);                                                                            \
		}                                                                                            \
	} while (0)
#define REFUSED(call) NEED((call) < 0 && (errno == EPERM || errno == EACCES))

/* What zkctl debug probe asks, which must be refused to everybody. */
static void
probe_all(void)
{
	Zkd__ProbeRequest q = ZKD__PROBE_REQUEST__INIT;
	struct probe p;

	q.file = secret;
	q.data_dir = outside;
	q.exec = (char *)"/bin/true";
	q.port = (uint32_t)tcp_port;
	q.pid = victim;
	probe_run(&p, &q);
	NEED(p.reply.n_results == PROBE_ATTEMPTS);
	for (int i = 0; i < PROBE_ATTEMPTS; i++) {
		if (!p.results[i].refused)
			dprintf(2, "%s: %s\n", p.results[i].attempt, p.results[i].detail);
		NEED(p.results[i].refused);
	}
}

static void
work_of_any_room(void)
{
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ends[2];
	char c;

	NEED(p != MAP_FAILED && munmap(p, 1 << 20) == 0);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	NEED(send(ends[0], "x", 1, 0) == 1 && recv(ends[1], &c, 1, 0) == 1);
	free(malloc(100 << 20));
	NEED(close(ends[0]) == 0);
}

static void
plain_room(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };

	work_of_any_room();
	probe_all();
	REFUSED(open("/etc/passwd", O_RDONLY));
	REFUSED(open("made", O_WRONLY | O_CREAT, 0600));
	REFUSED(unlink(secret));
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(bind(tcp, (struct sockaddr *)&sa, sizeof sa));
	REFUSED(setuid(0));
	REFUSED(unshare(CLONE_NEWUSER));
	REFUSED((int)syscall(SYS_bpf, 0, NULL, 0));
	REFUSED((int)syscall(SYS_process_vm_writev, victim, NULL, 0, NULL, 0, 0));
#ifndef ZKD_SANITIZERS
	REFUSED(fork());
	REFUSED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	REFUSED((int)syscall(SYS_ptrace, 16, victim, NULL, NULL));
	REFUSED(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		    ? -1
		    : 0);
#endif
}

START_TEST(plain)
{
	behind(&(struct sandbox){ 0 }, plain_room);
}
END_TEST

static void
room_that_dials(void)
{
	struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0zkd-sandbox-test" };
	int fd = listen_dial_unix(AT_FDCWD, "door", SOCK_NONBLOCK);

	NEED(fd >= 0);
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	NEED(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&abstract, sizeof abstract) < 0);
	probe_all();
}

START_TEST(dials_siblings)
{
	int door = listen_unix(base_fd, "door", 0600, (uid_t)-1, (gid_t)-1, 4);

	ck_assert_int_ge(door, 0);
	behind(&(struct sandbox){ .grants = SANDBOX_DIAL_UNIX }, room_that_dials);
	close(door);
}
END_TEST

static void
room_that_dials_peers(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)tcp_port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	NEED(fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0);
	sa.sin_port = 0;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	REFUSED(bind(fd, (struct sockaddr *)&sa, sizeof sa));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(open(secret, O_RDONLY));
}

START_TEST(dials_peers)
{
	behind(&(struct sandbox){ .grants = SANDBOX_DIAL_INET }, room_that_dials_peers);
}
END_TEST

static void
disk_room(void)
{
	int fd = openat(folder, "log.tmp", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), status;
	pid_t child;

	NEED(fd >= 0);
	NEED(fallocate(fd, 0, 0, 4096) == 0 && pwrite(fd, "txn", 3, 0) == 3 && fdatasync(fd) == 0);
	NEED(ftruncate(fd, 3) == 0);
	NEED(renameat(folder, "log.tmp", folder, "log.1") == 0 && fsync(folder) == 0);
	NEED(mkdirat(folder, "aside", 0700) == 0 && unlinkat(folder, "aside", AT_REMOVEDIR) == 0);
	child = fork();
	if (child == 0)
		pause();
	NEED(child > 0 && kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);

	probe_all();
	REFUSED(openat(folder, "../outside/secret", O_RDONLY));
	REFUSED(renameat(folder, "log.1", AT_FDCWD, secret));
	REFUSED(symlinkat("/etc/passwd", folder, "link"));
	REFUSED(mknodat(folder, "device", S_IFCHR | 0600, makedev(1, 3)));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(kill(getppid(), 0));
}

START_TEST(disk)
{
	struct sandbox s = { .grants = SANDBOX_FILES | SANDBOX_FORK, .folders = { folder }, .nfolders = 1 };
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);

	/* Without Landlock's signal scope a room with children can also signal others of its user. */
	if (abi < SIGNAL_SCOPE_ABI) {
		printf("skipped: Landlock ABI %d\n", abi);
		return;
	}
	behind(&s, disk_room);
}
END_TEST

static void *
thread(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static void
room_with_threads(void)
{
	pthread_t t;
	int ran = 0;

	NEED(pthread_create(&t, NULL, thread, &ran) == 0 && pthread_join(t, NULL) == 0 && ran);
#ifndef ZKD_SANITIZERS
	REFUSED(fork());
#endif
	REFUSED(open(secret, O_RDONLY));
}

START_TEST(threads)
{
	behind(&(struct sandbox){ .grants = SANDBOX_THREADS }, room_with_threads);
}
END_TEST

static void
hidden_memory(void)
{
	struct rlimit core;

	NEED(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
	abort();
}

START_TEST(aborts_without_a_core)
{
	struct sandbox s = { 0 };
	struct sandbox_report report;
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		if (sandbox_lock(&s, &report) != 0)
			_exit(1);
		hidden_memory();
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGABRT);
	ck_assert(!WCOREDUMP(status));
}
END_TEST

static int report_pipe[2];

START_TEST(report_names_what_is_missing)
{
	struct sandbox s = { 0 };
	struct sandbox_report report;
	pid_t child;
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);

	ck_assert_int_eq(pipe(report_pipe), 0);
	child = fork();
	if (child == 0) {
		int r = sandbox_lock(&s, &report);
		if (r != 0)
			report.landlock_abi = -1;
		(void)!write(report_pipe[1], &report, sizeof report);
		_exit(0);
	}
	ck_assert_int_eq(read(report_pipe[0], &report, sizeof report), (ssize_t)sizeof report);
	waitpid(child, NULL, 0);
	ck_assert_int_eq(report.landlock_abi, abi < 0 ? 0 : abi);
	ck_assert((report.missing[0] == '\0') == (abi >= SIGNAL_SCOPE_ABI));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sandbox");
	TCase *tc = tcase_create("sandbox");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, plain);
	tcase_add_test(tc, dials_siblings);
	tcase_add_test(tc, dials_peers);
	tcase_add_test(tc, disk);
	tcase_add_test(tc, threads);
	tcase_add_test(tc, aborts_without_a_core);
	tcase_add_test(tc, report_names_what_is_missing);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
