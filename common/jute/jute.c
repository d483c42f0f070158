/*
 * See jute.h. Invariant: p <= end always, and a reader that has failed has p == end, so that no later read
 * can succeed.
 */
#include "jute/jute.h"

#include "base/bytes.h"

void
jute_reader_init(struct jute_reader *r, struct slice in, uint32_t max_length)
{
	static const uint8_t none[1];

	if (in.data == NULL)
		in = slice_of(none, 0);
	*r = (struct jute_reader){ .p = in.data, .end = in.data + in.len, .max_length = max_length };
}

struct slice
jute_rest(const struct jute_reader *r)
{
	return r->failed ? SLICE_NULL : slice_of(r->p, jute_left(r));
}

bool
jute_fail(struct jute_reader *r)
{
	r->failed = true;
	r->p = r->end;
	return false;
}

/* The next n bytes, or NULL and failed. */
static const uint8_t *
take(struct jute_reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->failed || jute_left(r) < n) {
		jute_fail(r);
		return NULL;
	}
	r->p += n;
	return p;
}

bool
jute_read_bool(struct jute_reader *r)
{
	const uint8_t *p = take(r, 1);

	return p != NULL && *p != 0;
}

int32_t
jute_read_int(struct jute_reader *r)
{
	const uint8_t *p = take(r, 4);

	return p == NULL ? 0 : (int32_t)get_be32(p);
}

int64_t
jute_read_long(struct jute_reader *r)
{
	const uint8_t *p = take(r, 8);

	return p == NULL ? 0 : (int64_t)get_be64(p);
}

struct slice
jute_read_raw(struct jute_reader *r, size_t n)
{
	const uint8_t *p = take(r, n);

	return p == NULL ? SLICE_NULL : slice_of(p, n);
}

struct slice
jute_read_buffer(struct jute_reader *r)
{
	int32_t len = jute_read_int(r);

	if (len == -1)
		return SLICE_NULL;
	if (len < 0 || (uint32_t)len > r->max_length) {
		jute_fail(r);
		return SLICE_NULL;
	}
	return jute_read_raw(r, (size_t)len);
}

struct slice
jute_read_string(struct jute_reader *r)
{
	return jute_read_buffer(r);
}

int32_t
jute_read_count(struct jute_reader *r, size_t min_bytes)
{
	int32_t n = jute_read_int(r);

	if (n < -1 || (n > 0 && (size_t)n > jute_left(r) / min_bytes)) {
		jute_fail(r);
		return 0;
	}
	return n;
}

void *
jute_read_alloc(struct jute_reader *r, struct arena *a, int32_t n, size_t size)
{
	void *p = NULL;
	size_t total;

	if (n >= 0 && !r->failed && !__builtin_mul_overflow((size_t)n, size, &total))
		p = arena_alloc(a, total);
	if (p == NULL)
		jute_fail(r);
	return p;
}

void
jute_write_bool(struct buf *b, bool v)
{
	buf_put_u8(b, v ? 1 : 0);
}

void
jute_write_int(struct buf *b, int32_t v)
{
	buf_put_be32(b, (uint32_t)v);
}

void
jute_write_long(struct buf *b, int64_t v)
{
	buf_put_be64(b, (uint64_t)v);
}

void
jute_write_buffer(struct buf *b, struct slice v)
{
	if (v.data == NULL) {
		jute_write_int(b, -1);
		return;
	}
	if (v.len > INT32_MAX) {
		b->overflow = true;
		return;
	}
	jute_write_int(b, (int32_t)v.len);
	buf_put_slice(b, v);
}

void
jute_write_string(struct buf *b, struct slice v)
{
	jute_write_buffer(b, v);
}

void
jute_write_count(struct buf *b, int32_t n)
{
	jute_write_int(b, n);
}
