/*
 * A turn of the loop: read all, step all, flush each output once.
 *
 * libev calls the watchers of everything that is readable or due; their callbacks only feed cores and append to
 * output buffers. When all are done, and before the loop waits again, the turn calls the shell's step, then flushes
 * every output that was marked. What a flush causes (an output that has drained, a connection found dead) is stepped
 * and flushed again in the same turn.
 */
#ifndef IO_TURN_H
#define IO_TURN_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum {
	TURN_SCRATCH_BYTES = 256 << 10, /* largest single read */
	TURN_PERIOD_MS = 30000, /* of turn_times */
	TURN_ROUNDS_MAX = 16, /* step and flush at most so often before the loop looks at its sockets again */
};

#define TURN_NO_DEADLINE UINT64_MAX

/*
 * Called at the end of each turn, and when the deadline that it returned last time is reached: runs the cores and
 * their actions until they have nothing to do. Returns when it wants to be called at the latest, in clock_mono_ms,
 * or TURN_NO_DEADLINE. The timer is only re-armed when a deadline comes nearer, so a deadline that keeps moving away
 * costs nothing.
 */
typedef uint64_t turn_step(void *owner, uint64_t now_ms);

struct turn_item {
	struct list link;
	void (*flush)(struct turn_item *item);
};

/* How long turns take: from the end of the loop's wait to the beginning of the next. */
struct turn_times {
	uint64_t turns, busy_us; /* of all turns since the start */
	uint64_t longest_us; /* of this period */
	uint64_t before_us; /* and of the whole one before it */
	uint64_t period_ms; /* when this one began, monotonic */
};

struct turn {
	struct ev_loop *loop;
	ev_check check;
	ev_prepare prepare;
	ev_timer timer;
	uint64_t armed_ms; /* when the timer fires; TURN_NO_DEADLINE: it is off */
	turn_step *step;
	void *owner;
	struct list marked;
	bool again;
	uint64_t woken_us; /* when the wait ended; 0: the turn has been counted */
	struct turn_times times;
	uint8_t *
	    scratch; /* what is read into when nothing is left over from the last read; one for all streams */
};

/* step may be NULL. Runs in loop until turn_stop. */
void turn_start(struct turn *t, struct ev_loop *loop, turn_step *step, void *owner);
void turn_stop(struct turn *t);

/* Ends a turn at once: the last step and flush of a program whose loop has ended. */
void turn_finish(struct turn *t);

/* The longest turn of the last 30 to 60 seconds (of all, before that), in microseconds. */
uint64_t turn_longest_us(const struct turn *t, uint64_t now_ms);

void turn_item_init(struct turn_item *i, void (*flush)(struct turn_item *item));
/* The item is flushed at the end of this turn. */
void turn_mark(struct turn *t, struct turn_item *i);
void turn_unmark(struct turn_item *i);
/* Something happened while outputs were flushed: step once more before the loop waits. */
void turn_again(struct turn *t);

#endif
