/*
 * For debug builds: what `zkctl debug stall` and `zkctl debug crash` ask of a daemon, any of them: to stand still, or to
 * die as it would of an assertion. It answers first.
 */
#ifndef IO_FAULT_H
#define IO_FAULT_H

#include <ev.h>
#include <stdint.h>

#include "io/control.h"

enum { FAULT_STALL_MS_MAX = 600000 };

struct fault {
	ev_timer due;
	uint32_t stall_ms; /* 0: crash */
};

/* Takes MSG_FAULT; in builds without debugging it answers that it will not. f outlives the loop. */
void fault_take(struct fault *f, struct ev_loop *loop, struct control_conn *c, const struct frame *question);
/* The answer of a build that has no debugging verbs. */
void fault_refuse(struct control_conn *c, const struct frame *question);

#endif
