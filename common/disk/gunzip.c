/* See gunzip.h. Invariant: once the stream has ended or failed nothing more is taken from the input. */
#include "disk/gunzip.h"

#include <errno.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "disk/zlib_mem.h"

struct gunzip {
	z_stream z;
	bool done, failed;
};

struct gunzip *
gunzip_new(void)
{
	struct gunzip *g = mem_zalloc(1, sizeof *g);

	g->z.zalloc = zlib_mem_alloc;
	g->z.zfree = zlib_mem_free;
	ASSERT(inflateInit2(&g->z, ZLIB_WINDOW_GZIP) == Z_OK);
	return g;
}

void
gunzip_free(struct gunzip *g)
{
	if (g == NULL)
		return;
	inflateEnd(&g->z);
	mem_free(g);
}

int64_t
gunzip_step(struct gunzip *g, struct slice *in, struct buf *out, size_t room)
{
	uint8_t *p;
	size_t added, used;
	int got;

	if (g->failed)
		return -EBADMSG;
	if (g->done)
		return 0;
	p = buf_reserve(out, room);
	if (p == NULL)
		return -ENOBUFS;
	g->z.next_in = (uint8_t *)(uintptr_t)in->data;
	g->z.avail_in = in->len > UINT32_MAX ? UINT32_MAX : (unsigned)in->len;
	g->z.next_out = p;
	g->z.avail_out = (unsigned)room;
	got = inflate(&g->z, Z_NO_FLUSH);
	used = (size_t)(g->z.next_in - in->data);
	*in = slice_of(in->data + used, in->len - used);
	added = (size_t)(g->z.next_out - p);
	buf_commit(out, added);
	g->done = got == Z_STREAM_END;
	g->failed = got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR;
	return g->failed ? -EBADMSG : (int64_t)added;
}

bool
gunzip_done(const struct gunzip *g)
{
	return g->done;
}
