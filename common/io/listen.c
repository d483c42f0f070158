/* See listen.h. Invariant: every descriptor handed out is close-on-exec. */
#include "io/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_FDS_START = 3 /* sd_listen_fds(3) */ };

static int
parse_count(const char *s)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno != 0 || end == s || *end != '\0' || n < 0 || n > LISTEN_MAX)
		return -EINVAL;
	return (int)n;
}

/* Gives fds their names from "a:b:c"; those without one are called "unknown", as systemd does. */
static void
name_fds(struct listen_fds *l, const char *names)
{
	for (unsigned i = 0; i < l->n; i++) {
		size_t len = names == NULL ? 0 : strcspn(names, ":");
		snprintf(l->fds[i].name, sizeof l->fds[i].name, "%.*s", len == 0 ? 7 : (int)len,
			 len == 0 ? "unknown" : names);
		if (names != NULL)
			names = names[len] == ':' ? names + len + 1 : NULL;
	}
}

int
listen_inherit(struct listen_fds *l)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int n = 0, flags;

	l->n = 0;
	if (pid != NULL && count != NULL && strtol(pid, NULL, 10) == getpid())
		n = parse_count(count);
	for (int i = 0; i < n; i++) {
		int fd = LISTEN_FDS_START + i;
		flags = fcntl(fd, F_GETFD);
		if (flags < 0) {
			n = -EINVAL;
			break;
		}
		fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
		l->fds[l->n++].fd = fd;
	}
	if (n >= 0)
		name_fds(l, getenv("LISTEN_FDNAMES"));
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return n;
}

int
listen_take(struct listen_fds *l, const char *name)
{
	for (unsigned i = 0; i < l->n; i++) {
		if (l->fds[i].fd >= 0 && strcmp(l->fds[i].name, name) == 0) {
			int fd = l->fds[i].fd;
			l->fds[i].fd = -1;
			return fd;
		}
	}
	return -ENOENT;
}

void
listen_close(struct listen_fds *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		if (l->fds[i].fd >= 0)
			close(l->fds[i].fd);
	}
	l->n = 0;
}

static int
fail_with(int fd, int error)
{
	close(fd);
	return -error;
}

int
listen_tcp(const struct sockaddr *address, socklen_t len, int backlog)
{
	int one = 1, fd;

	fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, address, len) != 0 || listen(fd, backlog) != 0)
		return fail_with(fd, errno);
	return fd;
}

static int
unix_address(const char *name, struct sockaddr_un *sa)
{
	size_t len = strlen(name);

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len == 0 || len >= sizeof sa->sun_path)
		return -ENAMETOOLONG;
	memcpy(sa->sun_path, name, len);
	return 0;
}

/* Does what `act` does while dirfd is the working directory. */
static int
in_folder(int dirfd, int fd, const struct sockaddr_un *sa,
	  int (*act)(int, const struct sockaddr *, socklen_t))
{
	int here = -1, error = 0;

	if (dirfd != AT_FDCWD) {
		here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (here < 0 || fchdir(dirfd) != 0)
			error = errno;
	}
	if (error == 0 && act(fd, (const struct sockaddr *)sa, sizeof *sa) != 0)
		error = errno;
	if (here >= 0) {
		if (fchdir(here) != 0 && error == 0)
			error = errno;
		close(here);
	}
	return -error;
}

int
listen_unix(int dirfd, const char *name, mode_t mode, uid_t uid, gid_t gid, int backlog)
{
	struct sockaddr_un sa;
	struct stat st;
	int fd, r = unix_address(name, &sa);

	if (r < 0)
		return r;
	/* Only a socket is replaced: a file of that name is somebody's mistake, and not ours to remove. */
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
		unlinkat(dirfd, name, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = in_folder(dirfd, fd, &sa, bind);
	if (r < 0)
		return fail_with(fd, -r);
	if (fchmodat(dirfd, name, mode, 0) != 0 ||
	    fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0 || listen(fd, backlog) != 0)
		return fail_with(fd, errno);
	return fd;
}

int
listen_dial_unix(int dirfd, const char *name, int flags)
{
	struct sockaddr_un sa;
	int fd, r = unix_address(name, &sa);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -errno;
	r = in_folder(dirfd, fd, &sa, connect);
	return r < 0 ? fail_with(fd, -r) : fd;
}
