/*
 * The two clocks of a shell. Timeouts and deadlines use the monotonic one, which never jumps; only what ZooKeeper
 * stores or shows as a date (ctime, mtime, txn time) uses the wall clock.
 */
#ifndef IO_CLOCK_H
#define IO_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);
uint64_t clock_mono_ns(void);
/* Since 1970. */
uint64_t clock_wall_ms(void);

#endif
