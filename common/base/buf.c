/* See buf.h. Invariant: off <= end <= cap, and end - off <= max unless overflow is set (then nothing was added). */
#include "base/buf.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"

enum { BUF_FIRST = 512 };

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_free(struct buf *b)
{
	mem_free(b->data);
	*b = (struct buf){ .max = b->max };
}

void
buf_reset(struct buf *b, size_t keep)
{
	if (b->cap > keep) {
		buf_free(b);
		return;
	}
	b->off = b->end = 0;
	b->overflow = false;
}

static void
make_room(struct buf *b, size_t n)
{
	size_t len = buf_len(b), cap;

	/* Sliding costs len; do it only when at least as much is won, so that each byte moves O(1) times. */
	if (b->data != NULL && b->off >= len && b->cap - len >= n) {
		memmove(b->data, b->data + b->off, len);
	} else {
		cap = b->cap < BUF_FIRST ? BUF_FIRST : b->cap * 2;
		while (cap < len + n)
			cap *= 2;
		uint8_t *data = mem_alloc(cap);
		if (len > 0)
			memcpy(data, b->data + b->off, len);
		mem_free(b->data);
		b->data = data;
		b->cap = cap;
	}
	b->off = 0;
	b->end = len;
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
	if (b->overflow || n > b->max || buf_len(b) > b->max - n) {
		b->overflow = true;
		return NULL;
	}
	if (b->cap - b->end < n || b->data == NULL)
		make_room(b, n);
	return b->data + b->end;
}

void
buf_commit(struct buf *b, size_t n)
{
	ASSERT(n <= b->cap - b->end);
	b->end += n;
}

void
buf_consume(struct buf *b, size_t n)
{
	ASSERT(n <= buf_len(b));
	b->off += n;
	if (b->off == b->end)
		b->off = b->end = 0;
}

void
buf_truncate(struct buf *b, size_t n)
{
	ASSERT(n <= buf_len(b));
	b->end = b->off + n;
	b->overflow = false;
}

void
buf_put(struct buf *b, const void *data, size_t len)
{
	uint8_t *p = buf_reserve(b, len);

	if (p == NULL)
		return;
	if (len > 0)
		memcpy(p, data, len);
	b->end += len;
}

void
buf_put_slice(struct buf *b, struct slice s)
{
	buf_put(b, s.data, s.len);
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

void
buf_put_be16(struct buf *b, uint16_t v)
{
	uint8_t *p = buf_reserve(b, sizeof v);

	if (p == NULL)
		return;
	put_be16(p, v);
	b->end += sizeof v;
}

void
buf_put_be32(struct buf *b, uint32_t v)
{
	uint8_t *p = buf_reserve(b, sizeof v);

	if (p == NULL)
		return;
	put_be32(p, v);
	b->end += sizeof v;
}

void
buf_put_be64(struct buf *b, uint64_t v)
{
	uint8_t *p = buf_reserve(b, sizeof v);

	if (p == NULL)
		return;
	put_be64(p, v);
	b->end += sizeof v;
}
