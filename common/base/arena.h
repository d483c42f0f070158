/*
 * An arena: many small allocations with one end. Used for what a decoded message points to; reset after each
 * message, it allocates nothing in steady state. What it hands out lives until arena_reset or arena_free.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/slice.h"

struct arena_block;

struct arena {
	struct arena_block *head; /* block in use; older ones behind it */
	size_t used;              /* bytes handed out since the last reset */
	size_t max;               /* most bytes it may hand out between resets */
};

void arena_init(struct arena *a, size_t max);
void arena_free(struct arena *a);
/* Everything handed out is gone; one block of ordinary size is kept for the next message. */
void arena_reset(struct arena *a);

/* size bytes aligned for any type, not zeroed; NULL when that would pass the arena's max. */
void *arena_alloc(struct arena *a, size_t size);
/* Zeroed array; NULL on overflow of the product or past max. n 0 gives a valid pointer. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* A copy of s in the arena; the null slice stays null, also when it would pass max. */
struct slice arena_copy(struct arena *a, struct slice s);

#endif
