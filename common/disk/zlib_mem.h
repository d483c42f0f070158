/* zlib's allocations through base/mem, so that the simulator can fail them; and its window size for gzip streams. */
#ifndef DISK_ZLIB_MEM_H
#define DISK_ZLIB_MEM_H

#include "base/mem.h"

enum { ZLIB_WINDOW_GZIP = 15 + 16 };

static inline void *
zlib_mem_alloc(void *opaque, unsigned n, unsigned size)
{
	(void)opaque;
	return mem_zalloc(n, size);
}

static inline void
zlib_mem_free(void *opaque, void *p)
{
	(void)opaque;
	mem_free(p);
}

#endif
