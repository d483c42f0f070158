/* See notify.h. */
#include "io/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { NOTIFY_TEXT_BYTES = 512 };

/* A path, or with a leading @ a name in the abstract space. -1 where nobody is there. */
static int
connect_to(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd;

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof sa.sun_path)
		return -1;
	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) !=
	    0) {
		close(fd);
		return -1;
	}
	return fd;
}

static uint64_t
read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(usec, NULL, 10);
}

void
notify_open(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*n = (struct notify){ .fd = name == NULL ? -1 : connect_to(name) };
	n->watchdog_us = n->fd < 0 ? 0 : read_watchdog();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

int
notify_send(const struct notify *n, const char *text)
{
	if (n->fd < 0)
		return 0;
	return send(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int
notify_ready(struct notify *n)
{
	int r = notify_send(n, "READY=1\n");

	n->ready_owed = r == -EAGAIN;
	return r;
}

int
notify_beat(const struct notify *n)
{
	return notify_send(n, "WATCHDOG=1\n");
}

int
notify_stopping(const struct notify *n)
{
	return notify_send(n, "STOPPING=1\n");
}

int
notify_status(struct notify *n, const char *text)
{
	char line[NOTIFY_TEXT_BYTES];
	int len = snprintf(line, sizeof line - 1, "STATUS=%s", text), r;

	if (len >= (int)sizeof line - 1)
		len = sizeof line - 2;
	for (int i = 0; i < len; i++) {
		if (line[i] == '\n' || line[i] == '\r')
			line[i] = ' ';
	}
	line[len] = '\n';
	line[len + 1] = '\0';
	r = notify_send(n, line);
	n->status_owed = r == -EAGAIN;
	return r;
}

void
notify_again(struct notify *n, const char *status)
{
	if (n->ready_owed)
		notify_ready(n);
	if (n->status_owed)
		notify_status(n, status);
}

int
notify_members(const struct notify *n, const char *text)
{
	char *line;
	int rc;

	if (asprintf(&line, "X_MEMBERS=%s", text) < 0)
		abort();
	for (char *p = line; *p != '\0'; p++)
		if (*p == '\n')
			*p = ',';
	rc = notify_send(n, line);
	free(line);
	return rc;
}
