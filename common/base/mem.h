/*
 * Memory. Every allocation of the suite goes through these, so that the simulator can make one fail.
 * None returns NULL: out of memory ends the daemon, and its supervisor restarts it (nothing acknowledged is lost).
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Uninitialised; size 0 gives a pointer that may be freed. Owned by the caller, released with mem_free. */
void *mem_alloc(size_t size);
/* Zeroed array of n elements; an overflowing product panics. */
void *mem_zalloc(size_t n, size_t size);
void *mem_realloc(void *p, size_t size);
/* Copies len bytes and adds a NUL behind them. */
char *mem_strndup(const void *s, size_t len);
void mem_free(void *p);

/* Called in place of the panic when memory is used up; the simulator sets it to crash one node. It must not return. */
extern void (*mem_exhausted)(void);

#endif
