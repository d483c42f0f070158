/*
 * A snapshot of one moment, written in slices while the tree goes on changing. Nodes carry the generation of the
 * snapshot that has them (or, for younger ones, that must not). A preorder walk writes what it meets and has not been
 * written; a change writes the node first, and before it those of its ancestors that the walk has not met yet, so
 * that parents always precede their children.
 *
 * Invariants while one is written: a node without its generation has not changed since it began; the cursor is a
 * node that is there, or NODE_NONE; everything before the cursor in preorder is written or younger.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/mem.h"
#include "tree_priv.h"

enum {
	GENERATIONS = 1 << 24,
	VISITS_PER_STEP = 10000, /* nodes met in a step, for stretches that are written already */
};

static void
write_node(struct tree *t, uint32_t number)
{
	struct snapshot_walk *w = &t->walk;
	struct node *n = node_at(&t->nodes, number);
	struct snapshot_node out = { .path = node_path(&t->nodes, number, &w->path),
				     .data = node_data(n),
				     .acl = n->acl == ACL_OPEN ? SNAPSHOT_ACL_OPEN : (int64_t)n->acl,
				     .stat = { .czxid = n->czxid,
					       .mzxid = n->mzxid,
					       .ctime_ms = n->ctime_ms,
					       .mtime_ms = n->mtime_ms,
					       .version = n->version,
					       .cversion = n->cversion,
					       .aversion = n->aversion,
					       .ephemeral_owner = tree_owner(t, n),
					       .pzxid = n->pzxid } };

	snapshot_write_node(&w->writer, &out);
	n->generation = w->generation;
}

static bool
wants(const struct tree *t, uint32_t number)
{
	return t->walk.out != NULL && number != NODE_NONE &&
	       node_at(&t->nodes, number)->generation != t->walk.generation;
}

void
walk_before_change(struct tree *t, uint32_t number)
{
	uint32_t depth = 0, top = number, *chain;

	if (!wants(t, number))
		return;
	while (wants(t, node_at(&t->nodes, top)->parent)) {
		top = node_at(&t->nodes, top)->parent;
		depth++;
	}
	if (depth == 0) {
		write_node(t, number);
		return;
	}
	chain = mem_alloc((depth + 1) * sizeof *chain);
	for (uint32_t i = depth + 1, at = number; i > 0; at = node_at(&t->nodes, at)->parent)
		chain[--i] = at;
	for (uint32_t i = 0; i <= depth; i++)
		write_node(t, chain[i]);
	mem_free(chain);
}

void
walk_before_removal(struct tree *t, uint32_t number)
{
	if (t->walk.out != NULL && t->walk.cursor == number)
		t->walk.cursor = node_next(&t->nodes, number, NODE_ROOT);
}

/* The tables as they are now; only sessions whose createSession is applied are part of the state. */
static void
write_tables(struct tree *t)
{
	struct snapshot_writer *w = &t->walk.writer;

	snapshot_write_header(w);
	snapshot_write_sessions(w, t->sessions.applied);
	list_for_each (l, &t->sessions.all) {
		const struct session *s = container_of(l, const struct session, all);
		if (s->applied)
			snapshot_write_session(w, s->id, s->timeout_ms);
	}
	snapshot_write_acls(w, t->acls.count);
	for (uint32_t i = 1; i < t->acls.used; i++)
		if (t->acls.lists[i] != NULL)
			snapshot_write_acl(w, i, aclset_get(&t->acls, i));
}

int
tree_snapshot_begin(struct tree *t, struct buf *out)
{
	struct snapshot_walk *w = &t->walk;

	if (w->out != NULL)
		return -EBUSY;
	w->out = out;
	w->zxid = t->applied;
	w->digest = t->digest;
	w->generation = (w->generation + 1) % GENERATIONS;
	w->cursor = NODE_ROOT;
	snapshot_writer_init(&w->writer, out);
	write_tables(t);
	return 0;
}

static void
write_end(struct tree *t)
{
	struct snapshot_walk *w = &t->walk;

	snapshot_write_end(&w->writer);
	/* A reader finds the last section only behind a digest. */
	if (!t->config->digest)
		return;
	snapshot_write_digest(&w->writer, w->zxid, DIGEST_VERSION, w->digest);
	snapshot_write_last_zxid(&w->writer, w->zxid);
}

int
tree_snapshot_step(struct tree *t, size_t budget_bytes)
{
	struct snapshot_walk *w = &t->walk;
	size_t start;

	if (w->out == NULL)
		return -ENOENT;
	start = buf_len(w->out);
	for (int visits = 0; w->cursor != NODE_NONE && visits < VISITS_PER_STEP && !w->out->overflow &&
			     buf_len(w->out) - start < budget_bytes;
	     visits++) {
		if (wants(t, w->cursor))
			write_node(t, w->cursor);
		w->cursor = node_next(&t->nodes, w->cursor, NODE_ROOT);
	}
	if (w->cursor == NODE_NONE)
		write_end(t);
	if (w->out->overflow) {
		tree_snapshot_abort(t);
		return -ENOBUFS;
	}
	if (w->cursor != NODE_NONE)
		return 1;
	tree_snapshot_abort(t);
	return 0;
}

void
tree_snapshot_abort(struct tree *t)
{
	t->walk.out = NULL;
	t->walk.cursor = NODE_NONE;
	buf_reset(&t->walk.path, 0);
}

bool
tree_snapshot_active(const struct tree *t, uint64_t *zxid)
{
	if (t->walk.out != NULL && zxid != NULL)
		*zxid = t->walk.zxid;
	return t->walk.out != NULL;
}
