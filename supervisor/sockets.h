/*
 * All listeners of the suite. They are bound once and live in the supervisor, so that the death of a daemon refuses
 * nobody: callers wait in the backlog until its successor accepts. While a daemon is away for longer its network
 * listeners are shed: connections are accepted and closed, so that callers go elsewhere.
 */
#ifndef SUPERVISOR_SOCKETS_H
#define SUPERVISOR_SOCKETS_H

#include <ev.h>

#include "folders.h"
#include "io/acceptor.h"
#include "settings.h"

enum {
	/* Seven Unix sockets, the one for clients, and two for each of this server's addresses. */
	SOCKETS_MAX = 11 + 2 * CONFIG_ADDRESSES_MAX,
	SOCKET_ADDRESS_BYTES = 64,
};

struct socket {
	int fd;           /* -1: closed */
	const char *name; /* in LISTEN_FDNAMES */
	enum watch_daemon daemon;
	bool network; /* else a Unix socket in runtimeDir */
	bool shedding;
	char address[SOCKET_ADDRESS_BYTES]; /* for people */
	struct acceptor shed;               /* owns fd once it was used */
};

struct sockets {
	struct socket all[SOCKETS_MAX];
	unsigned n;
	int control_fd;           /* zkd's own */
	int notify_fd;            /* where the daemons send their life signs */
	char notify_address[108]; /* NOTIFY_SOCKET for them */
};

/* Whether d has a listener. */
bool sockets_any(const struct sockets *s, enum watch_daemon d);

/*
 * Binds everything. Where zkd is root the Unix sockets are given to those who may use them: links to syncd's user,
 * control sockets to group zkd. 0, or an exit status after a log line that names the port and whom to look for; but
 * admind's ports, bound where it is to run, may be missing, after a warning; without any it has no socket at all.
 */
int sockets_open(struct sockets *s, const struct settings *set, const struct runtime_folder *f, bool admind);
void sockets_close(struct sockets *s);

/* Accepts and closes in the place of d, or leaves its network listeners alone again. Whether d has any. */
bool sockets_shed(struct sockets *s, struct ev_loop *loop, enum watch_daemon d, bool on);
/* From now on callers are refused. */
void sockets_close_network(struct sockets *s);

#endif
