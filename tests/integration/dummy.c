/*
 * A daemon that does nothing but what a test tells it, to see how zkd takes it. It speaks the protocols that zkd
 * speaks with real ones (LISTEN_FDS, NOTIFY_SOCKET) and nothing else. What to do stands in the file
 * $ZKD_DUMMY/NAME, read at each start; NAME is argv[0]. One word and up to two numbers:
 *
 *	ready			say READY, give life signs; the default where there is no such file
 *	slow MS			say READY only after that time
 *	exit STATUS		leave at once
 *	leave MS STATUS		say READY, leave after that time
 *	mute			say READY, give no life sign
 *	stubborn		as ready, but SIGTERM changes nothing
 *
 * Whoever connects to the descriptor named client is told the pid and the connection is closed.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LISTEN_FDS_START = 3 };

static volatile sig_atomic_t told_to_stop;

static void
on_term(int signo)
{
	(void)signo;
	told_to_stop = 1;
}

static long long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void
say(const char *text)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t len;

	if (path == NULL || fd < 0)
		exit(1);
	len = strlen(path);
	memcpy(un.sun_path, path, len);
	if (path[0] == '@')
		un.sun_path[0] = '\0';
	(void)!sendto(fd, text, strlen(text), 0, (struct sockaddr *)&un,
		      (socklen_t)(sizeof un.sun_family + len));
	close(fd);
}

/* The first descriptor of that name, or -1. */
static int
find_descriptor(const char *wanted)
{
	const char *names = getenv("LISTEN_FDNAMES"), *count = getenv("LISTEN_FDS");

	for (int i = 0; names != NULL && count != NULL && i < atoi(count); i++) {
		size_t len = strcspn(names, ":");

		if (len == strlen(wanted) && memcmp(names, wanted, len) == 0)
			return LISTEN_FDS_START + i;
		names += len + (names[len] == ':');
	}
	return -1;
}

struct script {
	char word[16];
	int a, b;
};

static void
read_script(const char *name, struct script *s)
{
	const char *folder = getenv("ZKD_DUMMY");
	char path[4096];
	FILE *f;

	*s = (struct script){ .word = "ready" };
	snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : ".", name);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fscanf(f, "%15s %d %d", s->word, &s->a, &s->b) < 1)
		snprintf(s->word, sizeof s->word, "ready");
	fclose(f);
}

static void
serve(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[32];
	int n, c;

	if (poll(&p, 1, timeout_ms) <= 0 || (c = accept(fd, NULL, NULL)) < 0)
		return;
	n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	(void)!write(c, text, (size_t)n);
	close(c);
}

static void
live(const char *name, const struct script *s)
{
	long long begin = now_ms(), beaten = 0, beat_ms = atoll(getenv("WATCHDOG_USEC")) / 4000;
	int client = find_descriptor("client"), ready = 0;
	char status[64];

	while (!told_to_stop || strcmp(s->word, "stubborn") == 0) {
		long long age = now_ms() - begin;

		if (!ready && (strcmp(s->word, "slow") != 0 || age >= s->a)) {
			ready = 1;
			snprintf(status, sizeof status, "READY=1\nSTATUS=%s plays, zxid=0x7", name);
			say(status);
		}
		if (strcmp(s->word, "leave") == 0 && age >= s->a)
			exit(s->b);
		if (strcmp(s->word, "mute") != 0 && now_ms() - beaten >= beat_ms) {
			say("WATCHDOG=1");
			beaten = now_ms();
		}
		serve(ready ? client : -1, 20);
	}
}

int
main(int argc, char **argv)
{
	struct script s;

	(void)argc;
	signal(SIGTERM, on_term);
	signal(SIGPIPE, SIG_IGN);
	read_script(argv[0], &s);
	if (strcmp(s.word, "exit") == 0)
		return s.a;
	live(argv[0], &s);
	return 0;
}
