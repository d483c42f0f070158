/*
 * Memory of simulated processes. Every allocation of a core is counted to the process whose turn it is, so that it can
 * run out in the middle of a step: the process dies there, and all that it had is gone with it. heap.c takes the place of
 * common/base/mem.c; what is not allocated for a process (the world's) never fails.
 */
#ifndef SIM_HEAP_H
#define SIM_HEAP_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct heap {
	struct list blocks;
	uint64_t fail_in; /* this many allocations from now is one too many; 0: there is enough */
	bool guarded;     /* escape is set */
	jmp_buf escape;
};

void heap_init(struct heap *h);
/* Allocations are h's from now on, NULL: the world's. Returns whose they were. */
struct heap *heap_enter(struct heap *h);
/* Frees all that is left. */
void heap_release(struct heap *h);
void *heap_world_zalloc(size_t n, size_t size);

static inline void
heap_leave(struct heap **was)
{
	heap_enter(*was);
}

/* In a function of the world that a process may call: what it allocates is the world's, until it returns. */
#define IN_HEAP(h) __attribute__((cleanup(heap_leave), unused)) struct heap *heap_was = heap_enter(h)

#endif
