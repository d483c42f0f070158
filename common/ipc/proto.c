/* See proto.h. Invariant: protobuf-c allocates from the caller's arena and nowhere else. */
#include "ipc/proto.h"

#include <errno.h>

#include "ipc/frame.h"

static void *
take_from_arena(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void
leave_in_arena(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

int
proto_put(struct buf *out, uint16_t type, uint64_t seq, uint64_t zxid, const ProtobufCMessage *m)
{
	size_t size = protobuf_c_message_get_packed_size(m), begun;
	uint8_t *p;

	if (size > PROTO_BODY_MAX)
		return -EMSGSIZE;
	begun = frame_begin(out, &(struct frame){ .type = type, .seq = seq, .zxid = zxid });
	p = buf_reserve(out, size);
	if (p != NULL)
		buf_commit(out, protobuf_c_message_pack(m, p));
	return frame_end(out, begun);
}

void *
proto_take(struct arena *a, const ProtobufCMessageDescriptor *type, struct slice body)
{
	ProtobufCAllocator allocator = { .alloc = take_from_arena,
					 .free = leave_in_arena,
					 .allocator_data = a };

	if (body.len > PROTO_BODY_MAX)
		return NULL;
	return protobuf_c_message_unpack(type, &allocator, body.len, body.data);
}
