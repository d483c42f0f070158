/*
 * The sessions that a learner's clients were heard of since the leader's last PING, each once with its newest
 * timeout: what the reply to that PING carries (ZooKeeper: LearnerSessionTracker, snapshot of touches). Kept as the
 * bytes of the reply, in the order in which sessions were first heard of, with an index beside them. The memory is
 * used again for the next PING. Past TOUCHES_MAX a session is left out: it will be heard of again.
 */
#ifndef SYNCD_TOUCHES_H
#define SYNCD_TOUCHES_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum { TOUCHES_MAX = 1 << 20, TOUCH_BYTES = 12 };

struct touches {
	uint8_t *bytes;  /* (session long, timeout int)* */
	uint32_t *slots; /* 1 + position of an entry, or 0; a power of two, at least twice cap */
	size_t count, cap;
};

void touches_init(struct touches *t);
void touches_free(struct touches *t);
void touches_reset(struct touches *t);
/* Takes over entries in the form above; len is a multiple of TOUCH_BYTES. */
void touches_add(struct touches *t, struct slice entries);
/* All of them; never null. Valid until the next call that is not this one. */
struct slice touches_bytes(const struct touches *t);

#endif
