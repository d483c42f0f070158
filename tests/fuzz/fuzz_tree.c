/*
 * The tree core. The first byte chooses: requests through prep, applied sooner or later; txns as a peer or
 * a log may bring them; a snapshot to load. Whatever comes, the tree's invariants hold afterwards, what
 * prep said would be is, and a snapshot of the tree loads as the same tree.
 */
#include "fuzz.h"

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "clientd/prep.h"
#include "clientd/tree.h"
#include "disk/snapshot.h"
#include "jute/op.h"

enum { QUEUE_MAX = 16, BODY_MAX = 1 << 16 };

static struct tree_config config;

static struct tree *
load(struct slice in, uint64_t zxid)
{
	struct tree_load *l = tree_load_begin(&config, zxid);
	struct snapshot_reader r;
	struct tree *t = NULL;

	snapshot_reader_init(&r, SNAPSHOT_FILE, &tree_load_events, l);
	if (snapshot_reader_feed(&r, in) < 0 || snapshot_reader_finish(&r) != 0)
		tree_load_abort(l);
	else
		t = tree_load_end(l, &r.end);
	snapshot_reader_free(&r);
	return t;
}

/* Holds for every tree at any time. */
static void
check_tree(struct tree *t)
{
	struct buf out;
	struct tree *again;

	FUZZ_CHECK(tree_check(t));
	FUZZ_CHECK(tree_digest(t) == tree_digest_recompute(t));
	buf_init(&out, 64 << 20);
	tree_snapshot_abort(t);
	FUZZ_CHECK(tree_snapshot_begin(t, &out) == 0);
	while (tree_snapshot_step(t, 1000) == 1)
		;
	FUZZ_CHECK(!out.overflow);
	again = load(buf_slice(&out), tree_applied(t));
	FUZZ_CHECK(again != NULL && tree_check(again));
	/* Loading makes the nodes that every tree has; a txn of a mad leader may have taken them away. */
	if (tree_stat(t, SLICE_LIT("/zookeeper"), NULL))
		FUZZ_CHECK(tree_digest(again) == tree_digest(t));
	tree_destroy(again);
	buf_free(&out);
}

/* Cuts a length and so many bytes off the input. */
static struct slice
take_piece(struct slice *in)
{
	size_t len;
	struct slice piece;

	if (in->len < 2)
		return SLICE_NULL;
	len = get_be16(in->data);
	if (len > in->len - 2)
		len = in->len - 2;
	piece = slice_of(in->data + 2, len);
	*in = slice_of(piece.data + len, in->len - 2 - len);
	return piece;
}

/* ---- Requests ---- */

struct world {
	struct tree *t;
	struct prep *p;
	struct arena arena;
	struct buf queue[QUEUE_MAX];
	size_t first, last;
};

static void
apply_one(struct world *w)
{
	struct buf *b = &w->queue[w->first++ % QUEUE_MAX];
	struct tree_result res;
	struct buf reply;

	arena_reset(&w->arena);
	FUZZ_CHECK(tree_apply(w->t, buf_slice(b), &w->arena, NULL, &res) == 0);
	prep_applied(w->p, tree_applied(w->t));
	buf_init(&reply, 1 << 20);
	tree_result_write(&res, UINT64_MAX, &reply);
	buf_free(&reply);
	buf_free(b);
}

static void
ask(struct world *w, int32_t type, int64_t session, struct slice body)
{
	static const struct jute_id id = { SLICE_LIT("digest"), SLICE_LIT("u:x") };
	struct prep_request rq = { .type = type, .session = session, .cxid = 1, .body = body, .wall_ms = 1 };
	struct buf *out;

	if (w->last - w->first == QUEUE_MAX)
		apply_one(w);
	out = &w->queue[w->last++ % QUEUE_MAX];
	buf_init(out, 1 << 20);
	rq.auth = (struct auth){ &id, session % 2 == 0 };
	prep_write(w->p, &rq, out);
	FUZZ_CHECK(!out->overflow && buf_len(out) >= 32);
}

static void
fuzz_requests(struct slice in)
{
	static const int32_t types[] = { ZK_OP_CREATE,
					 ZK_OP_CREATE2,
					 ZK_OP_CREATE_CONTAINER,
					 ZK_OP_CREATE_TTL,
					 ZK_OP_DELETE,
					 ZK_OP_DELETE_CONTAINER,
					 ZK_OP_SET_DATA,
					 ZK_OP_SET_ACL,
					 ZK_OP_CHECK,
					 ZK_OP_MULTI,
					 ZK_OP_CREATE_SESSION,
					 ZK_OP_CLOSE_SESSION,
					 ZK_OP_RECONFIG,
					 77 };
	struct world w = { .t = tree_create(&config) };
	struct tree_stats s;

	w.p = prep_create(&config, w.t);
	arena_init(&w.arena, 64 << 20);
	sessions_lead(tree_sessions(w.t), 1000, 0);
	for (int64_t id = 0; id < 3; id++)
		ask(&w, ZK_OP_CREATE_SESSION, id, slice_of("\0\0\20\0", 4));
	while (in.len > 3) {
		uint8_t head = in.data[0];
		in = slice_of(in.data + 1, in.len - 1);
		ask(&w, types[(head & 15) % (sizeof types / sizeof types[0])], head >> 6, take_piece(&in));
		if ((head & 16) != 0)
			apply_one(&w);
		if ((head & 32) != 0)
			while (w.first < w.last)
				apply_one(&w);
	}
	while (w.first < w.last)
		apply_one(&w);
	FUZZ_CHECK(prep_outstanding(w.p) == 0);
	tree_stats(w.t, &s);
	FUZZ_CHECK(s.digest_mismatches == 0);
	check_tree(w.t);
	prep_destroy(w.p);
	tree_destroy(w.t);
	arena_free(&w.arena);
}

/* ---- Txns ---- */

static void
fuzz_txns(struct slice in)
{
	struct tree *t = tree_create(&config);
	struct arena arena;
	struct tree_result res;
	uint64_t digest;

	arena_init(&arena, 64 << 20);
	while (in.len > 2) {
		struct slice piece = take_piece(&in);
		uint8_t *copy = mem_alloc(piece.len);
		memcpy(copy, piece.data, piece.len);
		/* The next in line, or it would not be looked at. */
		if (piece.len >= 20)
			put_be64(copy + 12, tree_applied(t) + 1);
		arena_reset(&arena);
		digest = tree_digest(t);
		if (tree_apply(t, slice_of(copy, piece.len), &arena, NULL, &res) != 0)
			FUZZ_CHECK(tree_digest(t) == digest);
		mem_free(copy);
	}
	check_tree(t);
	tree_destroy(t);
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree *t;

	if (size < 2)
		return 0;
	tree_config_init(&config);
	config.extended_types = (data[0] & 64) != 0;
	config.enforce_quota = true;
	if (data[0] % 3 == 0)
		fuzz_requests(slice_of(data + 1, size - 1));
	else if (data[0] % 3 == 1)
		fuzz_txns(slice_of(data + 1, size - 1));
	else if ((t = load(slice_of(data + 1, size - 1), 1)) != NULL) {
		check_tree(t);
		tree_destroy(t);
	}
	return 0;
}
