/*
 * Life signs: what the daemons say by systemd's notify protocol, and from which process it came. The kernel vouches
 * for the process; what a stranger sends is dropped by whoever gets it from here.
 */
#ifndef SUPERVISOR_SIGNS_H
#define SUPERVISOR_SIGNS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/slice.h"

struct sign {
	pid_t pid; /* of the sender */
	bool ready, alive, stopping;
	struct slice status;  /* null when nothing was said; lives until the callback returns */
	struct slice members; /* likewise: X_MEMBERS, with commas for line ends */
};

enum { SIGNS_TURN_MAX = 1000 /* messages taken in one go; a flood must not keep us here */ };

typedef void signs_heard(void *owner, const struct sign *sign);

/* Takes all that lies in the socket. */
void signs_drain(int fd, signs_heard *heard, void *owner);

/* Pure: one message's lines into *sign (but its pid). Unknown lines mean nothing. */
void signs_parse(struct slice text, struct sign *sign);

#endif
