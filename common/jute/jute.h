/*
 * Jute: the encoding of everything ZooKeeper sends and stores. Big-endian integers, length-prefixed bytes,
 * counted vectors, records as their fields in order without tag or padding. This header has the primitives;
 * records.h has the records.
 *
 * Reading: a reader walks borrowed bytes. Its error is sticky: after the first bad or missing byte every read
 * gives zero or null, so a decoder reads all its fields and asks jute_ok once. A length or count is compared
 * with what is left before anything is allocated. Strings and buffers are slices into the input and live as
 * long as it does; vectors lie in the caller's arena.
 *
 * Writing appends to a struct buf, whose own sticky error stands for the whole chain.
 *
 * Null (length or count -1) and empty (0) are two values: a null slice has data NULL, a null vector has n -1.
 */
#ifndef JUTE_JUTE_H
#define JUTE_JUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

/* jute.maxbuffer of a server that was not told otherwise: the largest frame a client may send. */
enum { JUTE_MAX_BUFFER_DEFAULT = 0xfffff };

struct jute_reader {
	const uint8_t *p, *end; /* what is not read yet */
	uint32_t max_length;    /* longest string or buffer that is taken */
	bool failed;            /* sticky */
};

/*
 * Over the bytes of in, which must outlive whatever is decoded from them. max_length is the limit on one
 * string or buffer (ZooKeeper: jute.maxbuffer plus extrasize); pass UINT32_MAX where the size of in is limit
 * enough.
 */
void jute_reader_init(struct jute_reader *r, struct slice in, uint32_t max_length);

static inline bool
jute_ok(const struct jute_reader *r)
{
	return !r->failed;
}

static inline size_t
jute_left(const struct jute_reader *r)
{
	return (size_t)(r->end - r->p);
}

/* The bytes not read yet; null when the reader has failed. */
struct slice jute_rest(const struct jute_reader *r);

/* Marks the input as bad, for rules that the encoding itself does not know. Returns false. */
bool jute_fail(struct jute_reader *r);

/* Any non-zero byte is true. */
bool jute_read_bool(struct jute_reader *r);
int32_t jute_read_int(struct jute_reader *r);
int64_t jute_read_long(struct jute_reader *r);
/* A length below -1, above max_length or above what is left fails. */
struct slice jute_read_buffer(struct jute_reader *r);
/* The same bytes as a buffer; whether they are UTF-8 is for whoever gives them a meaning (see path.h). */
struct slice jute_read_string(struct jute_reader *r);
/*
 * The count of a vector whose elements take at least min_bytes (> 0) each: -1 for null. Fails when it is
 * below -1 or when that many elements cannot be in what is left.
 */
int32_t jute_read_count(struct jute_reader *r, size_t min_bytes);
/* Memory for n elements from the arena; fails the reader where they would pass the arena's limit. */
void *jute_read_alloc(struct jute_reader *r, struct arena *a, int32_t n, size_t size);
/* Takes n raw bytes; null and failed when there are fewer. */
struct slice jute_read_raw(struct jute_reader *r, size_t n);

void jute_write_bool(struct buf *b, bool v);
void jute_write_int(struct buf *b, int32_t v);
void jute_write_long(struct buf *b, int64_t v);
void jute_write_buffer(struct buf *b, struct slice v);
void jute_write_string(struct buf *b, struct slice v);
/* The count of a vector, -1 for null; the elements follow. */
void jute_write_count(struct buf *b, int32_t n);

#endif
