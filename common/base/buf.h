/*
 * A bounded byte queue: bytes are appended at the end and consumed at the front. It grows up to `max` bytes of
 * unread content; whatever would pass that sets a sticky error, and every later append is ignored, so a chain of
 * appends is checked once at its end (after OpenSSH's sshbuf). What to do at the limit (close, refuse, pause) is the
 * owner's written policy.
 *
 * The buffer owns its memory. Pointers into it are valid until the next call that appends or frees.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
	uint8_t *data;
	size_t off;    /* first unread byte */
	size_t end;    /* one past the last byte */
	size_t cap;    /* allocated */
	size_t max;    /* most unread bytes it may hold */
	bool overflow; /* sticky: an append did not fit */
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);
/* Empty again, error cleared; memory is kept when it is not more than keep bytes. */
void buf_reset(struct buf *b, size_t keep);

static inline size_t
buf_len(const struct buf *b)
{
	return b->end - b->off;
}

/* The first unread byte; never NULL, so that nothing read is an empty slice and no null one. */
static inline const uint8_t *
buf_head(const struct buf *b)
{
	return b->data == NULL ? (const uint8_t *)"" : b->data + b->off;
}

static inline struct slice
buf_slice(const struct buf *b)
{
	return slice_of(buf_head(b), buf_len(b));
}

/*
 * Room for n bytes at the end, to be filled by the caller and made part of the content by buf_commit(b, <= n).
 * NULL when they do not fit (sticky error).
 */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

/* Drops n bytes from the front; n must not exceed buf_len. */
void buf_consume(struct buf *b, size_t n);
/* Drops bytes from the end so that n unread bytes stay; clears the sticky error: the way to undo a failed append. */
void buf_truncate(struct buf *b, size_t n);

void buf_put(struct buf *b, const void *data, size_t len);
void buf_put_slice(struct buf *b, struct slice s);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_be16(struct buf *b, uint16_t v);
void buf_put_be32(struct buf *b, uint32_t v);
void buf_put_be64(struct buf *b, uint64_t v);

#endif
