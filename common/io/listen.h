/*
 * Listening sockets: how a daemon takes the ones it was given (LISTEN_FDS, LISTEN_FDNAMES), and how the supervisor
 * and tests make them. A Unix socket is bound and dialled relative to its folder, so that the folder's path may be of
 * any length.
 */
#ifndef IO_LISTEN_H
#define IO_LISTEN_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

enum {
	LISTEN_MAX = 24, /* descriptors a daemon may be given */
	LISTEN_NAME_BYTES = 32,
};

struct listen_fd {
	char name[LISTEN_NAME_BYTES];
	int fd; /* -1: taken */
};

struct listen_fds {
	struct listen_fd fds[LISTEN_MAX];
	unsigned n;
};

/*
 * Takes what was inherited: LISTEN_PID has to be ours. The descriptors become close-on-exec, the variables leave the
 * environment. Returns the number of descriptors, 0 when none were given, -EINVAL when the variables make no sense.
 */
int listen_inherit(struct listen_fds *l);
/* Hands out the first one of that name; the caller owns it. -ENOENT when there is none (any more). */
int listen_take(struct listen_fds *l, const char *name);
/* Closes what nobody took. */
void listen_close(struct listen_fds *l);

/* A listening TCP socket with SO_REUSEADDR, non-blocking, close-on-exec; -errno of what failed. */
int listen_tcp(const struct sockaddr *address, socklen_t len, int backlog);

/*
 * A listening Unix stream socket at name in the folder dirfd; a leftover of that name is replaced. mode and owner are
 * set before it listens; uid or gid -1 leaves them. Changes the working directory for an instant: for programs with
 * one thread.
 */
int listen_unix(int dirfd, const char *name, mode_t mode, uid_t uid, gid_t gid, int backlog);

/*
 * A connected Unix stream socket, close-on-exec; same way, or -errno. flags: SOCK_NONBLOCK or 0; without it the call
 * waits while the backlog is full. dirfd may be AT_FDCWD.
 */
int listen_dial_unix(int dirfd, const char *name, int flags);

#endif
