/*
 * The inside of struct tree, and the primitives by which apply, loading, quotas and snapshots change and read it.
 * Private to libtree; prep reads through it too.
 */
#ifndef CLIENTD_TREE_PRIV_H
#define CLIENTD_TREE_PRIV_H

#include "base/buf.h"
#include "disk/snapshot.h"
#include "aclset.h"
#include "node.h"
#include "quota.h"
#include "session_table.h"
#include "special.h"
#include "tree.h"

/* A snapshot being written; out is NULL when there is none. */
struct snapshot_walk {
	struct buf *out;
	struct snapshot_writer writer;
	uint64_t zxid, digest;
	uint32_t generation; /* nodes with this one are written, or younger than the snapshot */
	uint32_t cursor;     /* next node of the preorder walk; NODE_NONE behind the last */
	struct buf path;     /* scratch */
};

/* Digests kept for comparing servers by hand. */
enum { DIGEST_EVERY = 128, DIGESTS_KEPT = 1024 };
/* Txns that a leader may have carried out while it sent its tree: far above what one does in the time. */
enum { TREE_SETTLING_TXNS = 65536 };
struct past_digest {
	uint64_t zxid, digest;
};

struct tree {
	const struct tree_config *config;
	struct nodes nodes;
	struct aclset acls;
	struct specials specials;
	struct sessions sessions;
	struct special_list containers, ttls;
	struct quotas quotas;
	struct snapshot_walk walk;
	uint64_t applied;
	uint64_t digest;
	uint64_t path_bytes, data_bytes;
	uint64_t ephemerals;
	uint64_t mismatches;
	/*
	 * A snapshot of another server was loaded, written while txns went on: digests mean nothing until this zxid, at
	 * which fuzzy_digest is the right one; 0: they do. ZooKeeper puts the digest of the last whole txn behind a
	 * walk that may have met a part of the next one, so a wrong digest there is only a mismatch (in_doubt) if that
	 * txn does not set it right, or does not come.
	 */
	uint64_t fuzzy_until, fuzzy_digest;
	bool in_doubt;
	/*
	 * The same without a digest, as a leader's SNAP brings it: nobody knows how far the walk was ahead, but where it
	 * ends the digest is right. So many more txns may pass until it is, 0: it has been.
	 */
	uint32_t settling;
	struct past_digest *past; /* a ring of DIGESTS_KEPT; NULL until the first */
	uint64_t npast;           /* ever noted */
	uint32_t sweep_at[2];     /* next special to sweep: containers, TTL nodes; 0: none */
	bool sweeping;            /* a round has begun and not ended */
	struct buf scratch;       /* a path, for the length of one primitive */
};

/* A tree without nodes, to be filled by loading. */
struct tree *tree_create_bare(const struct tree_config *config);
/* The nodes that every tree has, where they are missing. */
void tree_make_builtins(struct tree *t);

/* ---- Reading ---- */

static inline uint32_t
tree_find(const struct tree *t, struct slice path)
{
	struct slice key = node_path_key(path);

	return nodes_find(&t->nodes, key, nodes_hash(&t->nodes, key));
}

int64_t tree_owner(const struct tree *t, const struct node *n);
enum owner_kind tree_kind(const struct tree *t, const struct node *n);
/* The Stat as clients see it: cversion counts deletions too, owners that are no sessions are 0. */
void tree_wire_stat(const struct tree *t, const struct node *n, struct jute_stat *st);
/* The node's share of the digest; 0 where it has none. */
uint32_t tree_node_digest(const struct tree *t, const struct node *n);
static inline struct slice
tree_node_acl(const struct tree *t, const struct node *n)
{
	return aclset_get(&t->acls, n->acl);
}

/* ---- Changing ---- */

/* Around every change of a stat, data or ACL: the snapshot gets its old state first, the digest follows. */
void change_begin(struct tree *t, uint32_t number);
void change_end(struct tree *t, uint32_t number);

/* A node as a txn or a snapshot brings it; its ACL number carries a reference that the node takes over. */
struct new_node {
	struct slice key, data;
	uint32_t parent; /* NODE_NONE for the root */
	uint32_t hash;
	uint32_t acl;
	struct jute_stat_persisted stat;
};
uint32_t node_insert(struct tree *t, const struct new_node *n);
/* Takes out a node that has no children. */
void node_erase(struct tree *t, uint32_t number);
/* Between change_begin and change_end. */
void node_replace_data(struct tree *t, uint32_t number, struct slice key, struct slice data);

/* At the zxid of a fuzzy snapshot's digest: is the tree what it says? */
void tree_judge_fuzzy(struct tree *t);
/* The tree's digest is not what it should be: counted, and told once. */
void tree_report_mismatch(struct tree *t, uint64_t zxid, uint64_t expected);

/* ---- Snapshot hooks (snapshot.c) ---- */

/* The node is about to change or go: writes it first if the snapshot wants it. */
void walk_before_change(struct tree *t, uint32_t number);
/* The node is about to go: the walk steps past it. */
void walk_before_removal(struct tree *t, uint32_t number);

#endif
