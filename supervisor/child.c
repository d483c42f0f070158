/*
 * See child.h. Between fork and exec the child is the one thread of a copy of zkd; it changes only itself. What it
 * inherits is said here in full: descriptors 0, 1, 2 and its listeners; all others are close-on-exec.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/daemon.h"
#include "io/log.h"

enum {
	FIRST_FD = 3,  /* of LISTEN_FDS */
	ASIDE_FD = 64, /* descriptors on their way to their place are at or above this */
	ARGS_MAX = 8,
	EXIT_NO_EXEC = 126,
};

/* ---- programs ---- */

/* The folder that holds electiond/electiond and so on, when this zkd is BUILD/supervisor/zkd. */
static bool
find_build_tree(char *out, size_t size)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *dir;

	if (n <= 0)
		return false;
	self[n] = '\0';
	dir = dirname(self);
	if (strcmp(strrchr(dir, '/') != NULL ? strrchr(dir, '/') : "", "/supervisor") != 0)
		return false;
	snprintf(out, size, "%s", dirname(dir));
	return true;
}

static int
open_program(const char *tree, enum watch_daemon d, int priority)
{
	const char *name = settings_daemon_name(d);
	char path[PATH_MAX + 64];
	int fd;

	if (tree != NULL)
		snprintf(path, sizeof path, "%s/%s/%s", tree, name, name);
	else
		snprintf(path, sizeof path, ZKD_LIBEXECDIR "/%s", name);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0) {
		log_event(priority, "cannot run a daemon", "program=%s error=\"%s\"", path, strerror(errno));
		return -1;
	}
	return fd;
}

int
child_open_programs(struct child children[WATCH_DAEMONS], bool admind)
{
	char tree[PATH_MAX];
	bool from_tree = find_build_tree(tree, sizeof tree);

	for (unsigned d = 0; d < WATCH_NODE_DAEMONS; d++) {
		children[d] =
		    (struct child){ .program_fd = open_program(from_tree ? tree : NULL, d, LOG_ERR) };
		if (children[d].program_fd < 0)
			return 1;
	}
	children[WATCH_ADMIND].program_fd =
	    admind ? open_program(from_tree ? tree : NULL, WATCH_ADMIND, LOG_WARNING) : -1;
	return 0;
}

/* ---- behind the fork ---- */

/* What a child is to inherit: descriptors and their names, in order. */
struct inheritance {
	int fds[SOCKETS_MAX + 1];
	unsigned n;
	char names[512];
};

static void
bequeath(struct inheritance *i, int fd, const char *name)
{
	size_t len = strlen(i->names);

	ASSERT(i->n < sizeof i->fds / sizeof i->fds[0]);
	i->fds[i->n++] = fd;
	snprintf(i->names + len, sizeof i->names - len, "%s%s", len > 0 ? ":" : "", name);
}

static void
list_inheritance(struct inheritance *i, enum watch_daemon d, const struct child_start *with)
{
	*i = (struct inheritance){ .n = 0 };
	for (unsigned k = 0; k < with->sockets->n; k++)
		if (with->sockets->all[k].daemon == d && with->sockets->all[k].fd >= 0)
			bequeath(i, with->sockets->all[k].fd, with->sockets->all[k].name);
	bequeath(i, with->settings->text_fd, "config");
}

_Noreturn static void
fail_child(const char *what)
{
	log_event(LOG_ERR, "cannot become a daemon", "step=%s error=\"%s\"", what, strerror(errno));
	_exit(EXIT_NO_EXEC);
}

/* Puts the descriptors at 3, 4, ...: first all out of the way, so that none is overwritten before it was moved. */
static void
place_descriptors(struct inheritance *in, int *program_fd)
{
	*program_fd = fcntl(*program_fd, F_DUPFD_CLOEXEC, ASIDE_FD);
	if (*program_fd < 0)
		fail_child("program");
	for (unsigned i = 0; i < in->n; i++)
		if ((in->fds[i] = fcntl(in->fds[i], F_DUPFD_CLOEXEC, ASIDE_FD)) < 0)
			fail_child("descriptors");
	for (unsigned i = 0; i < in->n; i++)
		if (dup2(in->fds[i], FIRST_FD + (int)i) < 0)
			fail_child("descriptors");
}

static void
set_number(const char *name, long long value)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", value);
	if (setenv(name, text, 1) < 0)
		fail_child("environment");
}

static void
set_environment(const struct inheritance *in, pid_t zkd, const struct child_start *with)
{
	set_number("LISTEN_PID", getpid());
	set_number("LISTEN_FDS", in->n);
	set_number("WATCHDOG_PID", getpid());
	set_number("WATCHDOG_USEC", settings_watchdog_ms(with->settings) * 1000);
	set_number("ZKD_PARENT_PID", zkd);
	if (setenv("LISTEN_FDNAMES", in->names, 1) < 0 ||
	    setenv("NOTIFY_SOCKET", with->sockets->notify_address, 1) < 0)
		fail_child("environment");
}

/* Signals as a new process expects them; a process group of its own, so that ^C reaches zkd alone, which stops
 * the daemons in order. */
static void
reset_process(pid_t zkd)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		fail_child("PR_SET_PDEATHSIG");
	if (getppid() != zkd) /* it died before that took hold */
		_exit(EXIT_NO_EXEC);
}

static void
list_arguments(const char *args[ARGS_MAX], enum watch_daemon d, const struct child_start *with)
{
	unsigned n = 0;

	args[n++] = settings_daemon_name(d);
	if (with->invocation->config_file != NULL) {
		args[n++] = "-c"; /* for its messages; the text comes as a descriptor */
		args[n++] = with->invocation->config_file;
	}
	for (int i = 0; i < with->invocation->verbose && i < 2; i++)
		args[n++] = "-v";
	args[n] = NULL;
}

_Noreturn static void
become_daemon(int program_fd, enum watch_daemon d, pid_t zkd, const struct child_start *with)
{
	struct inheritance in;
	const char *args[ARGS_MAX];

	reset_process(zkd);
	list_inheritance(&in, d, with);
	set_environment(&in, zkd, with);
	list_arguments(args, d, with);
	place_descriptors(&in, &program_fd);
	fexecve(program_fd, (char *const *)args, environ);
	fail_child("exec");
}

int
child_spawn(struct child *c, enum watch_daemon d, const struct child_start *with)
{
	pid_t zkd = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_daemon(c->program_fd, d, zkd, with);
	c->pid = pid;
	c->status[0] = '\0';
	return 0;
}

uint64_t
child_cpu_ms(pid_t pid)
{
	unsigned long long user = 0, kernel = 0;
	char path[40];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	/* Our programs' names have no parenthesis or blank. */
	if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &kernel) != 2)
		user = kernel = 0;
	fclose(f);
	return (user + kernel) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t
child_rss_bytes(pid_t pid)
{
	unsigned long long pages = 0;
	char path[40];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
