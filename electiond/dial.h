/*
 * One attempt to reach a peer: names are resolved, and all addresses are tried, the next one DIAL_STAGGER_MS after the one
 * before or as soon as that has failed, so that one dead path costs little. The first connection that stands is the
 * result; the others are closed. The time for all of it is limited.
 *
 * The owner embeds struct dial. `done` is called once for each dial_begin, later, in the loop, unless dial_stop came
 * first; inside it the dial may be begun again.
 */
#ifndef ELECTIOND_DIAL_H
#define ELECTIOND_DIAL_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "io/resolver.h"

enum {
	DIAL_TARGETS_MAX = 32,    /* hosts of one dial; further ones are left out */
	DIAL_CANDIDATES_MAX = 32, /* addresses; likewise */
	DIAL_STAGGER_MS = 250,
};

struct dial_target {
	const char *host; /* name or literal, without brackets */
	uint16_t port;
};

struct dial_name {
	struct resolver_query query;
	struct dial *dial;
	uint16_t port;
};

struct dial_attempt {
	struct dial *dial;
	int fd; /* -1: over */
	ev_io watcher;
};

struct dial {
	struct ev_loop *loop;
	struct resolver *resolver;
	/*
	 * fd is a connected, non-blocking socket that the callee owns, or -1 and error says why: -ECONNREFUSED only where
	 * each address refused, -ETIMEDOUT, -EHOSTUNREACH where no name had an address, or what connect failed with.
	 */
	void (*done)(struct dial *d, int fd, int error);
	bool active;
	struct dial_name names[DIAL_TARGETS_MAX];
	size_t nnames, nwaiting; /* names that have no answer yet */
	struct sockaddr_storage candidates[DIAL_CANDIDATES_MAX];
	struct dial_attempt attempts[DIAL_CANDIDATES_MAX]; /* the i-th is for the i-th candidate */
	size_t ncandidates, nattempts, nopen;
	bool refused; /* all that failed so far refused */
	int error;    /* the last other failure */
	ev_timer limit, stagger;
};

void dial_init(struct dial *d, struct ev_loop *loop, struct resolver *resolver,
	       void (*done)(struct dial *d, int fd, int error));
/* Begins; the dial must not be active. The targets are borrowed for the call. */
void dial_begin(struct dial *d, const struct dial_target *targets, size_t n, int limit_ms);
/* Ends it without a callback. Harmless when it is not active. */
void dial_stop(struct dial *d);

#endif
