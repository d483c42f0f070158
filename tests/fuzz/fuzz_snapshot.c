/*
 * ZooKeeper's snapshot, as a file, as a .gz or .snappy file, or as the stream of SNAP. The first byte chooses the
 * form, the second the size of the chunks. Records may be any size but never more than the input holds, and
 * the verdict is the same whatever the chunks are.
 */
#include "fuzz.h"

#include <string.h>

#include "base/mem.h"
#include "disk/gunzip.h"
#include "disk/snappy.h"
#include "disk/snapshot.h"

enum { INFLATED_MAX = 1 << 20, INFLATE_STEP = 4096, SNAPPY_OUT_MAX = 256 << 20 };

struct counts {
	uint64_t sessions, acls, nodes, bytes;
};

static int
count_session(void *ctx, int64_t session, int32_t timeout_ms)
{
	struct counts *c = ctx;

	(void)session;
	(void)timeout_ms;
	c->sessions++;
	return 0;
}

static int
count_acl(void *ctx, int64_t key, struct slice list)
{
	struct counts *c = ctx;

	(void)key;
	c->acls++;
	c->bytes += list.len;
	return 0;
}

static int
count_node(void *ctx, const struct snapshot_node *node)
{
	struct counts *c = ctx;

	c->nodes++;
	c->bytes += node->path.len + node->data.len;
	return 0;
}

/* 0 or an errno; *used is how much belongs to the snapshot. */
static int
read_snapshot(struct slice in, enum snapshot_form form, size_t chunk, size_t *used, struct snapshot_end *end)
{
	static const struct snapshot_events events = { count_session, count_acl, count_node };
	struct counts counts = { 0 };
	struct snapshot_reader r;
	int64_t n = 0;

	snapshot_reader_init(&r, form, &events, &counts);
	for (*used = 0; *used < in.len && n >= 0; *used += (size_t)n) {
		size_t len = in.len - *used < chunk ? in.len - *used : chunk;
		n = snapshot_reader_feed(&r, slice_of(in.data + *used, len));
		if (n < 0)
			break;
		FUZZ_CHECK((size_t)n <= len);
		if ((size_t)n < len) {
			FUZZ_CHECK(form == SNAPSHOT_STREAM && snapshot_reader_done(&r));
			*used += (size_t)n;
			break;
		}
	}
	FUZZ_CHECK(counts.bytes <= in.len);
	int rc = n < 0 ? (int)n : snapshot_reader_finish(&r);
	if (rc == 0)
		FUZZ_CHECK(counts.sessions == r.end.sessions && counts.acls == r.end.acls &&
			   counts.nodes == r.end.nodes);
	else
		FUZZ_CHECK(r.error[0] != '\0');
	*end = r.end;
	snapshot_reader_free(&r);
	return rc;
}

static void
check_snapshot(struct slice in, enum snapshot_form form, size_t chunk)
{
	struct snapshot_end a, b;
	size_t used_a, used_b;
	int rc = read_snapshot(in, form, chunk, &used_a, &a);

	FUZZ_CHECK(rc == read_snapshot(in, form, SIZE_MAX, &used_b, &b));
	if (rc == 0)
		FUZZ_CHECK(used_a == used_b && a.nodes == b.nodes && a.has_digest == b.has_digest &&
			   a.last_zxid == b.last_zxid);
}

static void
check_gz(struct slice in, size_t chunk)
{
	struct gunzip *g = gunzip_new();
	struct buf out;
	int64_t n = 1;

	buf_init(&out, INFLATED_MAX);
	while (in.len > 0 && n >= 0 && !gunzip_done(g) && buf_len(&out) + INFLATE_STEP <= INFLATED_MAX) {
		size_t before = buf_len(&out);
		struct slice piece = slice_of(in.data, in.len < chunk ? in.len : chunk);
		size_t offered = piece.len;
		n = gunzip_step(g, &piece, &out, INFLATE_STEP);
		FUZZ_CHECK(n <= INFLATE_STEP && (n < 0 || buf_len(&out) == before + (size_t)n));
		FUZZ_CHECK(n != 0 || offered > piece.len || gunzip_done(g));
		in = slice_of(in.data + (offered - piece.len), in.len - (offered - piece.len));
	}
	check_snapshot(buf_slice(&out), SNAPSHOT_FILE, chunk);
	buf_free(&out);
	gunzip_free(g);
}

/* The same bytes come out whatever the chunks are, and never more than a block may hold at once. */
static void
check_snappy(struct slice in, size_t chunk)
{
	struct unsnappy *u = unsnappy_new(), *whole = unsnappy_new();
	struct buf out, all;
	struct slice rest = in;
	int64_t n = 0, m;

	buf_init(&out, SNAPPY_OUT_MAX);
	buf_init(&all, SNAPPY_OUT_MAX);
	while ((m = unsnappy_step(whole, &rest, &all)) > 0)
		FUZZ_CHECK(m <= SNAPPY_CONTENT_MAX);
	while (in.len > 0 && n >= 0) {
		struct slice piece = slice_of(in.data, in.len < chunk ? in.len : chunk);
		in = slice_of(in.data + piece.len, in.len - piece.len);
		while ((n = unsnappy_step(u, &piece, &out)) > 0)
			;
		FUZZ_CHECK(n < 0 || piece.len == 0);
	}
	FUZZ_CHECK(n == m && unsnappy_done(u) == unsnappy_done(whole));
	FUZZ_CHECK(slice_equal(buf_slice(&out), buf_slice(&all)));
	check_snapshot(buf_slice(&out), SNAPSHOT_FILE, chunk);
	buf_free(&out);
	buf_free(&all);
	unsnappy_free(u);
	unsnappy_free(whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct slice in = slice_of(data + 2, size - 2);
	size_t chunk = (size_t)data[1] + 1;
	switch (data[0] % 4) {
	case 0:
		check_snapshot(in, SNAPSHOT_FILE, chunk);
		break;
	case 1:
		check_snapshot(in, SNAPSHOT_STREAM, chunk);
		break;
	case 2:
		check_gz(in, chunk);
		break;
	default:
		check_snappy(in, chunk);
	}
	return 0;
}
