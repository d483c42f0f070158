/*
 * Frames: how messages lie on our Unix sockets.
 *
 *   u32 length (of all that follows) | u16 type | u16 flags | u64 seq | u64 zxid | body
 *
 * all big-endian. Pure: bytes in, frames out; the sockets are io/link's.
 */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum {
	FRAME_HEADER_BYTES = 24,
	/* The largest txn is bounded by jute.maxbuffer and what the server adds; a longer body ends the link.
	 */
	FRAME_BODY_MAX = 64 << 20,
};

struct frame {
	uint16_t type; /* enum msg_type */
	uint16_t flags;
	uint64_t seq;
	uint64_t zxid;
	struct slice body; /* borrowed */
};

/* Appends one frame. The buffer's sticky error tells when it did not fit. */
void frame_put(struct buf *out, const struct frame *f);
/* The same without a body, for those that carry only numbers. */
void frame_put_short(struct buf *out, uint16_t type, uint64_t seq, uint64_t zxid);

/*
 * For a body that is written in place: frame_begin appends the header (f->body is not looked at) and returns
 * where it stands, the caller appends the body, frame_end fills in the length. frame_end returns 0; -EMSGSIZE
 * when the body is past FRAME_BODY_MAX or the buffer overflowed: then the whole frame is taken back.
 */
size_t frame_begin(struct buf *out, const struct frame *f);
int frame_end(struct buf *out, size_t begun);

/*
 * Looks at the front of data for one whole frame. Returns its size in bytes with *f filled (the body points
 * into data), 0 when more bytes are needed, -EPROTO when the length is below the header's or above
 * FRAME_BODY_MAX.
 */
int64_t frame_parse(struct slice data, struct frame *f);

#endif
