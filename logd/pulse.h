/*
 * A count that shows from outside whether a thread lives: odd while it may be waiting for the disk, different whenever
 * it has done something. Written by one thread, read by others, also across a fork where it lies in shared memory.
 */
#ifndef LOGD_PULSE_H
#define LOGD_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>

struct pulse {
	atomic_uint count;
};

/* Before and after a call that may wait for the disk; must not be nested. */
static inline void
pulse_flip(struct pulse *p)
{
	atomic_fetch_add_explicit(&p->count, 1, memory_order_relaxed);
}

/* Something was done. */
static inline void
pulse_beat(struct pulse *p)
{
	atomic_fetch_add_explicit(&p->count, 2, memory_order_relaxed);
}

static inline unsigned
pulse_read(struct pulse *p)
{
	return atomic_load_explicit(&p->count, memory_order_relaxed);
}

static inline bool
pulse_waits(unsigned count)
{
	return count % 2 != 0;
}

#endif
