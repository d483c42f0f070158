/* See frame.h. Invariant: a buffer holds whole frames only, also after an append that did not fit. */
#include "ipc/frame.h"

#include <errno.h>

#include "base/assert.h"
#include "base/bytes.h"

enum {
	AT_LENGTH = 0,
	AT_TYPE = 4,
	AT_FLAGS = 6,
	AT_SEQ = 8,
	AT_ZXID = 16,
};

static void
write_header(uint8_t *p, const struct frame *f, size_t body_bytes)
{
	put_be32(p + AT_LENGTH, (uint32_t)(FRAME_HEADER_BYTES - AT_TYPE + body_bytes));
	put_be16(p + AT_TYPE, f->type);
	put_be16(p + AT_FLAGS, f->flags);
	put_be64(p + AT_SEQ, f->seq);
	put_be64(p + AT_ZXID, f->zxid);
}

void
frame_put(struct buf *out, const struct frame *f)
{
	ASSERT(f->body.len <= FRAME_BODY_MAX);
	uint8_t *p = buf_reserve(out, FRAME_HEADER_BYTES + f->body.len);

	if (p == NULL)
		return;
	write_header(p, f, f->body.len);
	if (f->body.len > 0)
		memcpy(p + FRAME_HEADER_BYTES, f->body.data, f->body.len);
	buf_commit(out, FRAME_HEADER_BYTES + f->body.len);
}

void
frame_put_short(struct buf *out, uint16_t type, uint64_t seq, uint64_t zxid)
{
	frame_put(out, &(struct frame){ .type = type, .seq = seq, .zxid = zxid });
}

size_t
frame_begin(struct buf *out, const struct frame *f)
{
	size_t begun = buf_len(out);
	uint8_t *p = buf_reserve(out, FRAME_HEADER_BYTES);

	if (p != NULL) {
		write_header(p, f, 0);
		buf_commit(out, FRAME_HEADER_BYTES);
	}
	return begun;
}

int
frame_end(struct buf *out, size_t begun)
{
	size_t body;

	ASSERT(begun <= buf_len(out));
	body = buf_len(out) - begun;
	body = body < FRAME_HEADER_BYTES ? 0 : body - FRAME_HEADER_BYTES;
	if (out->overflow || body > FRAME_BODY_MAX) {
		buf_truncate(out, begun);
		return -EMSGSIZE;
	}
	put_be32(out->data + out->off + begun + AT_LENGTH, (uint32_t)(FRAME_HEADER_BYTES - AT_TYPE + body));
	return 0;
}

int64_t
frame_parse(struct slice data, struct frame *f)
{
	uint32_t length;

	if (data.len < AT_TYPE)
		return 0;
	length = get_be32(data.data + AT_LENGTH);
	if (length < FRAME_HEADER_BYTES - AT_TYPE || length > FRAME_HEADER_BYTES - AT_TYPE + FRAME_BODY_MAX)
		return -EPROTO;
	if (data.len < AT_TYPE + (size_t)length)
		return 0;
	*f = (struct frame){
		.type = get_be16(data.data + AT_TYPE),
		.flags = get_be16(data.data + AT_FLAGS),
		.seq = get_be64(data.data + AT_SEQ),
		.zxid = get_be64(data.data + AT_ZXID),
		.body = slice_of(data.data + FRAME_HEADER_BYTES, length - (FRAME_HEADER_BYTES - AT_TYPE)),
	};
	return AT_TYPE + (int64_t)length;
}
