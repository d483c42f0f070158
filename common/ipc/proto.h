/*
 * Control messages (control.proto) in frames. Pure: protobuf-c packs into our buffers and unpacks into an
 * arena, so that what a sibling sends can take no more memory than the arena's maximum, and one arena_reset
 * frees it.
 */
#ifndef IPC_PROTO_H
#define IPC_PROTO_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ipc/control.pb-c.h"

enum {
	/* A longer control message is refused on both sides. */
	PROTO_BODY_MAX = 1 << 20,
	/* What one unpacked message may take; enough for a body of that size with many small fields. */
	PROTO_ARENA_MAX = 8 << 20,
};

/*
 * Appends one frame with message m as its body. 0; -EMSGSIZE when m is longer than PROTO_BODY_MAX or the
 * buffer overflowed (then nothing is appended).
 */
int proto_put(struct buf *out, uint16_t type, uint64_t seq, uint64_t zxid, const ProtobufCMessage *m);

/*
 * Unpacks a body. The message lives in the arena and is never freed by itself. NULL when it is malformed or
 * too large. const Zkd__Role *role = proto_take(&arena, &zkd__role__descriptor, f->body);
 */
void *proto_take(struct arena *a, const ProtobufCMessageDescriptor *type, struct slice body);

#endif
