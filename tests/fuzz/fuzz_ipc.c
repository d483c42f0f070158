/*
 * What comes over a star link: frames in any cut, and their bodies as each of the control messages. A frame
 * that is parsed is put together again to the same bytes; a message that is unpacked can be packed again.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "ipc/frame.h"
#include "ipc/hello.h"
#include "ipc/proto.h"

static const ProtobufCMessageDescriptor *const messages[] = {
	&zkd__hello__descriptor,
	&zkd__role__descriptor,
	&zkd__epochs__descriptor,
	&zkd__disk__descriptor,
	&zkd__look__descriptor,
	&zkd__result__descriptor,
	&zkd__fact__descriptor,
	&zkd__daemon_status__descriptor,
	&zkd__status__descriptor,
	&zkd__probe_request__descriptor,
	&zkd__probe_result__descriptor,
	&zkd__probe_reply__descriptor,
	&zkd__restart_request__descriptor,
	&zkd__log_level_request__descriptor,
	&zkd__answer__descriptor,
};

static void
check_hello(const Zkd__Hello *h)
{
	static const struct hello_identity mine = { "syncd", "1", { 1 }, 1 };
	const char *why = NULL;
	enum hello_verdict v = hello_check(h, &mine, "logd", &why);

	FUZZ_CHECK(v == HELLO_WELCOME || why != NULL);
}

static void
check_message(const ProtobufCMessageDescriptor *type, struct slice body)
{
	struct arena arena;
	struct buf out;
	struct frame f;

	arena_init(&arena, PROTO_ARENA_MAX);
	const ProtobufCMessage *m = proto_take(&arena, type, body);
	if (m != NULL) {
		buf_init(&out, PROTO_BODY_MAX * 2);
		if (proto_put(&out, 1, 2, 3, m) == 0) {
			FUZZ_CHECK(frame_parse(buf_slice(&out), &f) == (int64_t)buf_len(&out));
			/* may be refused: protobuf-c reads a field number 0 that it would not write */
			proto_take(&arena, type, f.body);
		}
		if (type == &zkd__hello__descriptor)
			check_hello((const Zkd__Hello *)m);
		buf_free(&out);
	}
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct frame f;
	struct buf again;
	int64_t n;

	while ((n = frame_parse(in, &f)) > 0) {
		FUZZ_CHECK((size_t)n <= in.len);
		FUZZ_CHECK(f.body.len + FRAME_HEADER_BYTES == (size_t)n);
		buf_init(&again, (size_t)n);
		frame_put(&again, &f);
		FUZZ_CHECK(slice_equal(buf_slice(&again), slice_of(in.data, (size_t)n)));
		buf_free(&again);
		check_message(messages[f.type % (sizeof messages / sizeof messages[0])], f.body);
		in = slice_of(in.data + n, in.len - (size_t)n);
	}
	return 0;
}
