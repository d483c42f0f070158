/*
 * Every record of ZooKeeper's protocols and files. The first byte chooses the record, the rest is its
 * encoding. Whatever can be read must be written again in as many bytes, and read back to the same bytes.
 */
#include "fuzz.h"

#include "jute/records.h"

enum { ARENA_MAX = 8 << 20, OUT_MAX = 4 << 20 };

#define RECORD(name)                                                                                         \
	static bool round_##name(struct jute_reader *r, struct arena *a, struct buf *out)                    \
	{                                                                                                    \
		struct jute_##name v;                                                                        \
		if (!jute_read_##name(r, a, &v))                                                             \
			return false;                                                                        \
		jute_write_##name(out, &v);                                                                  \
		return true;                                                                                 \
	}
#include "jute/records.def"

static bool (*const rounds[])(struct jute_reader *r, struct arena *a, struct buf *out) = {
#define RECORD(name) round_##name,
#include "jute/records.def"
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jute_reader r;
	struct arena arena;
	struct buf once, twice;

	if (size == 0)
		return 0;
	size_t which = data[0] % (sizeof rounds / sizeof rounds[0]);
	arena_init(&arena, ARENA_MAX);
	buf_init(&once, OUT_MAX);
	buf_init(&twice, OUT_MAX);
	jute_reader_init(&r, slice_of(data + 1, size - 1), UINT32_MAX);
	if (rounds[which](&r, &arena, &once)) {
		FUZZ_CHECK(buf_len(&once) == size - 1 - jute_left(&r));
		jute_reader_init(&r, buf_slice(&once), UINT32_MAX);
		FUZZ_CHECK(rounds[which](&r, &arena, &twice));
		FUZZ_CHECK(jute_left(&r) == 0);
		FUZZ_CHECK(slice_equal(buf_slice(&once), buf_slice(&twice)));
	} else {
		FUZZ_CHECK(!jute_ok(&r) && jute_left(&r) == 0);
	}
	buf_free(&once);
	buf_free(&twice);
	arena_free(&arena);
	return 0;
}
