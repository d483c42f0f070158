/*
 * See snappy.h. Invariants: unpacking never reads before the first byte of its output, nor writes past the length that
 * the block names; a block's hash table holds positions within that block only.
 */
#include "disk/snappy.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

enum {
	TAG_LITERAL,
	TAG_COPY_1, /* so many bytes of offset follow; part of it is in the tag */
	TAG_COPY_2,
	TAG_COPY_4,
	TAG_BITS = 2,
	LITERAL_INLINE = 60, /* lengths from here on follow the tag, in 1 to 4 bytes */
	COPY_MAX = 64,
	COPY_LEAST = 4,
	COPY_1_LENGTH = 12, /* below this, and with such an offset, the short form does */
	COPY_1_OFFSET = 2048,
	HASH_BITS = 13,
	SKIP_BITS = 5, /* after so many bytes without a match one more is stepped over */
	VARINT_BYTES = 5,
};

static const uint8_t header[SNAPPY_HEADER_BYTES] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
						     0,    0,   0,   1,   0,   0,   0,   1 };

/* ---- One block, unpacked ---- */

struct unpack {
	const uint8_t *p, *end;
	uint8_t *out;
	size_t len, room; /* of out: filled, in all */
};

/* n bytes, lowest first; false at the end of the block. */
static bool
take_number(struct unpack *u, int n, uint32_t *v)
{
	*v = 0;
	if (u->end - u->p < n)
		return false;
	for (int i = 0; i < n; i++)
		*v |= (uint32_t)*u->p++ << 8 * i;
	return true;
}

/* The content's length at the front: seven bits a byte, lowest first. */
static bool
take_length(struct unpack *u, uint64_t *len)
{
	*len = 0;
	for (int i = 0; i < VARINT_BYTES && u->p < u->end; i++) {
		uint8_t byte = *u->p++;
		*len |= (uint64_t)(byte & 0x7f) << 7 * i;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool
take_literal(struct unpack *u, uint8_t tag)
{
	uint32_t more = tag >> TAG_BITS;
	size_t len;

	if (more >= LITERAL_INLINE && !take_number(u, (int)more - LITERAL_INLINE + 1, &more))
		return false;
	len = (size_t)more + 1;
	if (len > (size_t)(u->end - u->p) || len > u->room - u->len)
		return false;
	memcpy(u->out + u->len, u->p, len);
	u->p += len;
	u->len += len;
	return true;
}

static bool
take_copy(struct unpack *u, uint8_t tag)
{
	uint32_t offset, len;

	if ((tag & 3) == TAG_COPY_1) {
		if (!take_number(u, 1, &offset))
			return false;
		len = (tag >> TAG_BITS & 7) + COPY_LEAST;
		offset |= (uint32_t)(tag >> 5) << 8;
	} else {
		if (!take_number(u, (tag & 3) == TAG_COPY_2 ? 2 : 4, &offset))
			return false;
		len = (uint32_t)(tag >> TAG_BITS) + 1;
	}
	if (offset == 0 || offset > u->len || len > u->room - u->len)
		return false;
	/* Byte by byte: what is copied may lie within what it makes. */
	for (; len > 0; len--, u->len++)
		u->out[u->len] = u->out[u->len - offset];
	return true;
}

int64_t
snappy_unpack_block(struct slice packed, struct buf *out)
{
	struct unpack u = { .p = packed.data, .end = packed.data + packed.len };
	uint64_t len;

	if (!take_length(&u, &len) || len > SNAPPY_CONTENT_MAX)
		return -EBADMSG;
	u.room = (size_t)len;
	u.out = buf_reserve(out, u.room);
	if (u.out == NULL)
		return -ENOBUFS;
	while (u.p < u.end) {
		uint8_t tag = *u.p++;
		if ((tag & 3) == TAG_LITERAL ? !take_literal(&u, tag) : !take_copy(&u, tag))
			return -EBADMSG;
	}
	if (u.len != u.room)
		return -EBADMSG;
	buf_commit(out, u.len);
	return (int64_t)u.len;
}

/* ---- One block, packed ---- */

static void
put_literal(struct buf *out, const uint8_t *p, size_t len)
{
	size_t n = len - 1;

	if (len == 0)
		return;
	if (n < LITERAL_INLINE) {
		buf_put_u8(out, (uint8_t)(n << TAG_BITS | TAG_LITERAL));
	} else {
		buf_put_u8(out, (uint8_t)((n < 256 ? LITERAL_INLINE : LITERAL_INLINE + 1) << TAG_BITS));
		buf_put_u8(out, (uint8_t)n);
		if (n >= 256)
			buf_put_u8(out, (uint8_t)(n >> 8));
	}
	buf_put(out, p, len);
}

static void
put_copy_2(struct buf *out, size_t offset, size_t len)
{
	buf_put_u8(out, (uint8_t)((len - 1) << TAG_BITS | TAG_COPY_2));
	buf_put_u8(out, (uint8_t)offset);
	buf_put_u8(out, (uint8_t)(offset >> 8));
}

static void
put_copy(struct buf *out, size_t offset, size_t len)
{
	/* What is left behind a full one is no shorter than a copy may be. */
	for (; len >= COPY_MAX + COPY_LEAST; len -= COPY_MAX)
		put_copy_2(out, offset, COPY_MAX);
	if (len > COPY_MAX) {
		put_copy_2(out, offset, COPY_MAX - COPY_LEAST);
		len -= COPY_MAX - COPY_LEAST;
	}
	if (len >= COPY_1_LENGTH || offset >= COPY_1_OFFSET) {
		put_copy_2(out, offset, len);
		return;
	}
	buf_put_u8(out, (uint8_t)(offset >> 8 << 5 | (len - COPY_LEAST) << TAG_BITS | TAG_COPY_1));
	buf_put_u8(out, (uint8_t)offset);
}

static uint32_t
hash_at(const uint8_t *p)
{
	return (get_be32(p) * UINT32_C(0x9e3779b1)) >> (32 - HASH_BITS);
}

static size_t
match_length(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
	size_t n = COPY_LEAST;

	while (b + n < end && a[n] == b[n])
		n++;
	return n;
}

void
snappy_pack_block(struct slice content, struct buf *out)
{
	uint16_t seen[1 << HASH_BITS] = { 0 }; /* position + 1 */
	const uint8_t *p = content.data, *end = p + content.len;
	size_t at = 0, literal = 0, len = content.len;

	for (; len >= 0x80; len >>= 7)
		buf_put_u8(out, (uint8_t)(len | 0x80));
	buf_put_u8(out, (uint8_t)len);
	while (at + COPY_LEAST <= content.len) {
		uint32_t h = hash_at(p + at);
		size_t before = seen[h], n;
		seen[h] = (uint16_t)(at + 1);
		if (before == 0 || memcmp(p + before - 1, p + at, COPY_LEAST) != 0) {
			at += 1 + ((at - literal) >> SKIP_BITS);
			continue;
		}
		n = match_length(p + before - 1, p + at, end);
		put_literal(out, p + literal, at - literal);
		put_copy(out, at - (before - 1), n);
		at += n;
		literal = at;
	}
	put_literal(out, p + literal, content.len - literal);
}

/* ---- Streams ---- */

struct unsnappy {
	struct buf in;
	bool begun, failed;
};

struct unsnappy *
unsnappy_new(void)
{
	struct unsnappy *u = mem_zalloc(1, sizeof *u);

	buf_init(&u->in, SNAPPY_PACKED_MAX + 4);
	return u;
}

void
unsnappy_free(struct unsnappy *u)
{
	if (u == NULL)
		return;
	buf_free(&u->in);
	mem_free(u);
}

/* Fills the buffer up to so many bytes; false: more are needed. */
static bool
gather(struct unsnappy *u, struct slice *in, size_t want)
{
	size_t have = buf_len(&u->in), n = want > have ? want - have : 0;

	if (n > in->len)
		n = in->len;
	buf_put(&u->in, in->data, n);
	*in = slice_of(in->data + n, in->len - n);
	return buf_len(&u->in) >= want;
}

static int64_t
take_block(struct unsnappy *u, struct slice *in, struct buf *out)
{
	size_t len;
	int64_t got;

	if (!gather(u, in, 4))
		return 0;
	len = get_be32(buf_head(&u->in));
	if (len == 0 || len > SNAPPY_PACKED_MAX)
		return -EBADMSG;
	if (!gather(u, in, 4 + len))
		return 0;
	got = snappy_unpack_block(slice_of(buf_head(&u->in) + 4, len), out);
	buf_consume(&u->in, 4 + len);
	return got;
}

int64_t
unsnappy_step(struct unsnappy *u, struct slice *in, struct buf *out)
{
	int64_t got = 0;

	if (u->failed)
		return -EBADMSG;
	if (!u->begun) {
		if (!gather(u, in, SNAPPY_HEADER_BYTES))
			return 0;
		u->failed = memcmp(buf_head(&u->in), header, SNAPPY_HEADER_BYTES) != 0;
		u->begun = true;
		buf_consume(&u->in, SNAPPY_HEADER_BYTES);
	}
	/* A block may have no content. */
	while (!u->failed && got == 0 && in->len > 0)
		got = take_block(u, in, out);
	u->failed |= got < 0;
	return u->failed ? (got < 0 ? got : -EBADMSG) : got;
}

bool
unsnappy_done(const struct unsnappy *u)
{
	return u->begun && !u->failed && buf_len(&u->in) == 0;
}

struct snappy {
	struct buf block;
	struct buf packed;
};

struct snappy *
snappy_new(struct buf *out)
{
	struct snappy *s = mem_zalloc(1, sizeof *s);

	buf_init(&s->block, SIZE_MAX / 4);
	buf_init(&s->packed, SIZE_MAX / 4);
	buf_put(out, header, sizeof header);
	return s;
}

void
snappy_free(struct snappy *s)
{
	if (s == NULL)
		return;
	buf_free(&s->block);
	buf_free(&s->packed);
	mem_free(s);
}

static void
put_block(struct snappy *s, struct buf *out)
{
	snappy_pack_block(buf_slice(&s->block), &s->packed);
	buf_put_be32(out, (uint32_t)buf_len(&s->packed));
	buf_put_slice(out, buf_slice(&s->packed));
	buf_reset(&s->packed, SIZE_MAX);
	buf_reset(&s->block, SIZE_MAX);
}

void
snappy_put(struct snappy *s, struct slice in, struct buf *out)
{
	while (in.len > 0) {
		size_t n = SNAPPY_BLOCK_BYTES - buf_len(&s->block);

		if (n > in.len)
			n = in.len;
		buf_put(&s->block, in.data, n);
		in = slice_of(in.data + n, in.len - n);
		if (buf_len(&s->block) == SNAPPY_BLOCK_BYTES)
			put_block(s, out);
	}
}

void
snappy_finish(struct snappy *s, struct buf *out)
{
	if (buf_len(&s->block) > 0)
		put_block(s, out);
}
