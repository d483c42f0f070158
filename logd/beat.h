/*
 * The watchdog of a daemon that waits for its disk. The loop beats as in every daemon; while it is inside a disk call
 * it cannot, so a thread beats in its place, and only then: a slow disk does not get logd killed, a loop that hangs
 * for another reason does, and so does a logd that is stopped (its threads are, too).
 */
#ifndef LOGD_BEAT_H
#define LOGD_BEAT_H

#include "pulse.h"

struct notify;

struct beat {
	const struct notify *notify;
	struct pulse pulse; /* of the main thread */
};

/* Starts the thread, for the life of the process, where somebody counts our beats. 0 or -errno. */
int beat_start(struct beat *b, const struct notify *n);

#endif
