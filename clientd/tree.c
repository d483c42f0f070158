/*
 * The tree's life, what others read of it whole, and the primitives that change a node. Invariants, checked by
 * tree_check: every node but the root has a parent that is there; its path's hash is in the index; its special, ACL
 * reference and digest flag are right; tree.digest is the sum over all nodes.
 */
#include "tree.h"

#include "base/assert.h"
#include "base/mem.h"
#include "tree_priv.h"

enum { SCRATCH_MAX = 64 << 20 };

static const struct slice key_zookeeper = { (const uint8_t *)"/zookeeper", 10 };
static const struct slice key_quota = { (const uint8_t *)"/zookeeper/quota", 16 };
static const struct slice key_config = { (const uint8_t *)"/zookeeper/config", 17 };

void
tree_config_init(struct tree_config *c)
{
	*c = (struct tree_config){ .digest = true, .close_session_txn = true, .container_unused_ms = 300000 };
}

/* ---- Reading ---- */

int64_t
tree_owner(const struct tree *t, const struct node *n)
{
	return n->special == 0 ? 0 : t->specials.v[n->special].owner;
}

enum owner_kind
tree_kind(const struct tree *t, const struct node *n)
{
	return n->special == 0 ? OWNER_NONE : (enum owner_kind)t->specials.v[n->special].kind;
}

void
tree_wire_stat(const struct tree *t, const struct node *n, struct jute_stat *st)
{
	*st = (struct jute_stat){ .czxid = n->czxid,
				  .mzxid = n->mzxid,
				  .ctime = n->ctime_ms,
				  .mtime = n->mtime_ms,
				  .version = n->version,
				  .cversion = (int32_t)((uint32_t)n->cversion * 2 - n->children),
				  .aversion = n->aversion,
				  .ephemeral_owner = tree_kind(t, n) == OWNER_SESSION ? tree_owner(t, n) : 0,
				  .data_length = (int32_t)node_data_len(n),
				  .num_children = (int32_t)n->children,
				  .pzxid = n->pzxid };
}

uint32_t
tree_node_digest(const struct tree *t, const struct node *n)
{
	struct jute_stat_persisted st;

	if (!t->config->digest || (n->flags & NODE_UNDIGESTED) != 0)
		return 0;
	node_stat_persisted(n, tree_owner(t, n), &st);
	return digest_finish(n->crc, &st);
}

uint64_t
tree_applied(const struct tree *t)
{
	return t->applied;
}

uint64_t
tree_digest(const struct tree *t)
{
	return t->digest;
}

struct sessions *
tree_sessions(struct tree *t)
{
	return &t->sessions;
}

const struct sessions *
tree_sessions_const(const struct tree *t)
{
	return &t->sessions;
}

void
tree_stats(const struct tree *t, struct tree_stats *s)
{
	*s = (struct tree_stats){ .nodes = (uint64_t)t->nodes.count + 1,
				  .ephemerals = t->ephemerals,
				  /* the root's second name is "/" */
				  .data_bytes = t->path_bytes + t->data_bytes + 1,
				  .memory_bytes = nodes_memory(&t->nodes),
				  .acl_lists = t->acls.count,
				  .containers = t->containers.count,
				  .ttl_nodes = t->ttls.count,
				  .digest_mismatches = t->mismatches };
}

void
tree_digests_each(const struct tree *t, void (*visit)(void *ctx, uint64_t zxid, uint64_t digest), void *ctx)
{
	for (uint64_t i = t->npast < DIGESTS_KEPT ? 0 : t->npast - DIGESTS_KEPT; i < t->npast; i++)
		visit(ctx, t->past[i % DIGESTS_KEPT].zxid, t->past[i % DIGESTS_KEPT].digest);
}

/* ---- Changing ---- */

void
change_begin(struct tree *t, uint32_t number)
{
	walk_before_change(t, number);
	t->digest -= tree_node_digest(t, node_at(&t->nodes, number));
}

void
change_end(struct tree *t, uint32_t number)
{
	t->digest += tree_node_digest(t, node_at(&t->nodes, number));
}

/* The list that a node with this owner stands in. */
static struct special_list *
owner_list(struct tree *t, int64_t owner, enum owner_kind kind)
{
	if (kind == OWNER_CONTAINER)
		return &t->containers;
	if (kind == OWNER_TTL)
		return &t->ttls;
	return &sessions_owner(&t->sessions, owner)->ephemerals;
}

static void
set_owner(struct tree *t, uint32_t number, int64_t owner)
{
	enum owner_kind kind = owner_kind(t->config, owner);

	if (kind == OWNER_NONE)
		return;
	node_at(&t->nodes, number)->special =
	    special_add(&t->specials, owner_list(t, owner, kind), number, owner, kind);
	t->ephemerals += kind == OWNER_SESSION;
}

static void
clear_owner(struct tree *t, struct node *n)
{
	enum owner_kind kind = tree_kind(t, n);

	if (kind == OWNER_NONE)
		return;
	for (int i = 0; i < 2; i++)
		if (t->sweep_at[i] == n->special)
			t->sweep_at[i] = t->specials.v[n->special].next;
	special_remove(&t->specials, owner_list(t, tree_owner(t, n), kind), n->special);
	n->special = 0;
	t->ephemerals -= kind == OWNER_SESSION;
}

static struct slice
last_name(struct slice key)
{
	size_t i = key.len;

	while (i > 0 && key.data[i - 1] != '/')
		i--;
	return slice_of(key.data + i, key.len - i);
}

uint32_t
node_insert(struct tree *t, const struct new_node *new)
{
	uint32_t number = nodes_add(&t->nodes, new->parent, last_name(new->key), new->data, new->hash);
	struct node *n = node_at(&t->nodes, number);
	const struct jute_stat_persisted *st = &new->stat;

	n->czxid = st->czxid;
	n->mzxid = st->mzxid;
	n->pzxid = st->pzxid;
	n->ctime_ms = st->ctime;
	n->mtime_ms = st->mtime;
	n->version = st->version;
	n->cversion = st->cversion;
	n->aversion = st->aversion;
	n->acl = new->acl;
	n->generation = t->walk.generation;
	n->flags = digest_excludes(new->key) ? NODE_UNDIGESTED : 0;
	n->crc = digest_prefix(new->key, new->data);
	set_owner(t, number, st->ephemeral_owner);
	t->path_bytes += new->key.len;
	t->data_bytes += new->data.len;
	t->digest += tree_node_digest(t, n);
	return number;
}

void
node_erase(struct tree *t, uint32_t number)
{
	struct node *n = node_at(&t->nodes, number);

	change_begin(t, number);
	walk_before_removal(t, number);
	clear_owner(t, n);
	aclset_drop(&t->acls, n->acl);
	t->path_bytes -= node_path_len(&t->nodes, number);
	t->data_bytes -= node_data_len(n);
	nodes_remove(&t->nodes, number);
}

void
node_replace_data(struct tree *t, uint32_t number, struct slice key, struct slice data)
{
	struct node *n = node_at(&t->nodes, number);

	t->data_bytes += data.len;
	t->data_bytes -= node_data_len(n);
	nodes_set_data(&t->nodes, n, data);
	n->crc = digest_prefix(key, data);
}

void
tree_show_members(struct tree *t, struct slice text, uint64_t version, int64_t wall_ms)
{
	uint32_t number = tree_find(t, key_config);
	struct node *n = number == NODE_NONE ? NULL : node_at(&t->nodes, number);

	if (n == NULL || ((uint64_t)n->mzxid == version && slice_equal(node_data(n), text)))
		return;
	change_begin(t, number);
	node_replace_data(t, number, key_config, text);
	n->mtime_ms = wall_ms;
	n->mzxid = (int64_t)version;
	n->version = -1;
	change_end(t, number);
}

void
tree_report_mismatch(struct tree *t, uint64_t zxid, uint64_t expected)
{
	if (t->mismatches++ == 0)
		trace(t->config->trace, TRACE_ERROR, "tree", "digest mismatch",
		      "zxid=0x%llx expected=%llu found=%llu; later ones are only counted",
		      (unsigned long long)zxid, (unsigned long long)expected, (unsigned long long)t->digest);
}

/* ---- Life ---- */

/* A node that is there from the start: all zero, born by no txn. */
static void
make_builtin(struct tree *t, struct slice key, struct slice acl, int32_t aversion)
{
	struct new_node n = { .key = key, .data = slice_of("", 0), .stat.aversion = aversion };
	struct slice parent = slice_of(key.data, key.len - last_name(key).len);

	n.hash = nodes_hash(&t->nodes, key);
	if (nodes_find(&t->nodes, key, n.hash) != NODE_NONE)
		return;
	if (key.len > 0)
		n.parent = tree_find(t, slice_of(parent.data, parent.len - 1));
	n.acl = aclset_take(&t->acls, acl);
	node_insert(t, &n);
}

void
tree_make_builtins(struct tree *t)
{
	make_builtin(t, slice_of("", 0), acl_open, 0);
	make_builtin(t, key_zookeeper, acl_open, 0);
	make_builtin(t, key_quota, acl_open, 0);
	/* ZooKeeper sets this ACL by setACL with version -1. */
	make_builtin(t, key_config, acl_read_only, -1);
}

struct tree *
tree_create_bare(const struct tree_config *config)
{
	struct tree *t = mem_zalloc(1, sizeof *t);

	t->config = config;
	nodes_init(&t->nodes, config->seed);
	aclset_init(&t->acls, config->seed);
	sessions_init(&t->sessions);
	quotas_init(&t->quotas);
	buf_init(&t->scratch, SCRATCH_MAX);
	buf_init(&t->walk.path, SCRATCH_MAX);
	return t;
}

struct tree *
tree_create(const struct tree_config *config)
{
	struct tree *t = tree_create_bare(config);

	tree_make_builtins(t);
	return t;
}

void
tree_destroy(struct tree *t)
{
	if (t == NULL)
		return;
	nodes_free(&t->nodes);
	aclset_free(&t->acls);
	specials_free(&t->specials);
	sessions_free(&t->sessions);
	quotas_free(&t->quotas);
	mem_free(t->past);
	buf_free(&t->scratch);
	buf_free(&t->walk.path);
	mem_free(t);
}
