/* See born.h. Invariant: all of it is on the platter. */
#include "born.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "clientd/tree.h"
#include "jute/zk_error.h"
#include "logd/files.h"
#include "logd/snapfile.h"

enum { SNAPSHOT_MAX = 1 << 20, TXN_MAX = 64 };

/* A txn that changes nothing but the zxid of the tree. */
static void
advance(struct tree *t, uint64_t zxid)
{
	struct tree_result result;
	struct arena arena;
	struct buf b;

	arena_init(&arena, SNAPSHOT_MAX);
	buf_init(&b, TXN_MAX);
	jute_write_txn_header(&b, &(struct jute_txn_header){ .zxid = (int64_t)zxid, .type = ZK_OP_ERROR });
	buf_put_be32(&b, (uint32_t)ZK_NONODE);
	ASSERT(tree_apply(t, buf_slice(&b), &arena, NULL, &result) == 0);
	buf_free(&b);
	arena_free(&arena);
}

static void
write_tree(uint64_t zxid, struct buf *out)
{
	struct tree_config config;
	struct tree *t;

	tree_config_init(&config);
	t = tree_create(&config);
	advance(t, zxid);
	ASSERT(tree_snapshot_begin(t, out) == 0);
	while (tree_snapshot_step(t, SNAPSHOT_MAX) > 0)
		;
	tree_destroy(t);
}

static void
store_snapshot(struct store_disk *d, uint64_t zxid)
{
	struct snapfile *f;
	struct buf b;

	buf_init(&b, SNAPSHOT_MAX);
	write_tree(zxid, &b);
	ASSERT(snapfile_new(&f, d, zxid, SNAPFILE_PLAIN, 0) == 0);
	ASSERT(snapfile_data(f, buf_slice(&b)) == 0 && snapfile_finish(f) == 0);
	snapfile_free(f);
	buf_free(&b);
}

void
born_with(struct node *n, uint64_t zxid)
{
	struct disk_view v;
	char epoch[24];

	disk_view_init(&v, &n->disk, &n->logd.proc);
	store_snapshot(&v.disk, zxid);
	if (n->sim->nnodes > 1) {
		snprintf(epoch, sizeof epoch, "%" PRIu64, zxid >> 32);
		ASSERT(files_replace(&v.disk, STORE_SNAP, "currentEpoch", slice_str(epoch)) == 0);
		ASSERT(files_replace(&v.disk, STORE_SNAP, "acceptedEpoch", slice_str(epoch)) == 0);
		n->unbegun = (uint32_t)(zxid >> 32);
		n->promised = n->unbegun - 1;
	}
	disk_view_drop(&v);
}
