/* See gzip.h. Invariant: after each call zlib holds nothing of the caller's memory. */
#include "disk/gzip.h"

#include <zlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "disk/zlib_mem.h"

enum { STEP_BYTES = 64 << 10, MEMORY_LEVEL = 8 };

struct gzip {
	z_stream z;
};

struct gzip *
gzip_new(void)
{
	struct gzip *g = mem_zalloc(1, sizeof *g);

	g->z.zalloc = zlib_mem_alloc;
	g->z.zfree = zlib_mem_free;
	/* The fastest level: a snapshot's size matters less than the time its bytes spend in the helper. */
	ASSERT(deflateInit2(&g->z, Z_BEST_SPEED, Z_DEFLATED, ZLIB_WINDOW_GZIP, MEMORY_LEVEL,
			    Z_DEFAULT_STRATEGY) == Z_OK);
	return g;
}

void
gzip_free(struct gzip *g)
{
	if (g == NULL)
		return;
	deflateEnd(&g->z);
	mem_free(g);
}

static void
run(struct gzip *g, struct slice in, struct buf *out, int flush)
{
	int got;

	g->z.next_in = (uint8_t *)(uintptr_t)in.data;
	g->z.avail_in = (unsigned)in.len;
	do {
		uint8_t *p = buf_reserve(out, STEP_BYTES);
		if (p == NULL)
			return;
		g->z.next_out = p;
		g->z.avail_out = STEP_BYTES;
		got = deflate(&g->z, flush);
		ASSERT(got == Z_OK || got == Z_STREAM_END || got == Z_BUF_ERROR);
		buf_commit(out, STEP_BYTES - g->z.avail_out);
	} while (g->z.avail_out == 0 || (flush == Z_FINISH && got != Z_STREAM_END));
}

void
gzip_put(struct gzip *g, struct slice in, struct buf *out)
{
	ASSERT(in.len <= UINT32_MAX);
	if (in.len > 0)
		run(g, in, out, Z_NO_FLUSH);
}

void
gzip_finish(struct gzip *g, struct buf *out)
{
	run(g, SLICE_LIT(""), out, Z_FINISH);
}
