/*
 * Accepts connections from a listener in the loop: many per turn, so that a storm of connects is served quickly, but
 * a bounded number, so that it starves nobody. When descriptors run out, connections are accepted and closed by means
 * of one that was kept in reserve, so that callers see an end instead of silence; one log line a second says so. Where
 * not even that helps (the whole system is out of them) it rests for a moment instead of spinning.
 */
#ifndef IO_ACCEPTOR_H
#define IO_ACCEPTOR_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ACCEPTOR_TURN_MAX = 256 /* connections taken in one turn */ };

struct acceptor;

/* A new connection, non-blocking and close-on-exec; the callee owns fd. */
typedef void acceptor_accepted(void *owner, int fd, const struct sockaddr_storage *peer, socklen_t len);

struct acceptor {
	struct ev_loop *loop;
	ev_io watcher;
	ev_timer rest; /* after which it is tried again, when not even the spare descriptor helps */
	bool paused;
	int fd, spare;
	const char *name;
	acceptor_accepted *accepted;
	void *owner;
	uint64_t refused, told_ms; /* closed for want of descriptors since the last log line; when that was */
};

/* Takes over the listening descriptor. name is for the log. */
void acceptor_start(struct acceptor *a, struct ev_loop *loop, int listener, const char *name,
		    acceptor_accepted *accepted, void *owner);
/* Stops accepting; the listener stays open, and callers wait in its backlog. */
void acceptor_pause(struct acceptor *a);
void acceptor_resume(struct acceptor *a);
/* Stops and closes our copy of the listener. Harmless on one that is zeroed or stopped. */
void acceptor_stop(struct acceptor *a);

#endif
