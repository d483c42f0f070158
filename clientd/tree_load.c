/*
 * A new tree from the records of a snapshot (ZooKeeper: DataTree.deserialize). The records are another server's or a
 * disk's: nothing is taken for granted but what the reader has checked, that they are whole. In preorder nodes of one
 * parent come in runs, so the last parent is remembered.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/quote.h"
#include "tree_priv.h"

/* A snapshot's own number for an ACL list. */
struct acl_key {
	struct table_entry entry;
	int64_t key;
	uint32_t number;
	struct acl_key *next;
};

struct tree_load {
	struct tree *t;
	struct table keys;
	struct acl_key *first;
	uint32_t parent; /* of the last node */
	struct buf parent_key;
	uint64_t missing_acls;
	uint64_t newest; /* the highest zxid of any Stat */
};

struct tree_load *
tree_load_begin(const struct tree_config *config, uint64_t zxid)
{
	struct tree_load *l = mem_zalloc(1, sizeof *l);

	l->t = tree_create_bare(config);
	l->t->applied = zxid;
	table_init(&l->keys);
	buf_init(&l->parent_key, l->t->scratch.max);
	return l;
}

static int
refuse(struct tree_load *l, const char *why, struct slice path)
{
	trace(l->t->config->trace, TRACE_ERROR, "tree", "snapshot refused", "reason=\"%s\" path=%s", why,
	      quote(path).text);
	return -EBADMSG;
}

static int
load_session(void *ctx, int64_t session, int32_t timeout_ms)
{
	struct tree_load *l = ctx;

	sessions_applied_create(&l->t->sessions, session, timeout_ms);
	return 0;
}

static bool
same_key(const struct table_entry *e, const void *key)
{
	return container_of(e, const struct acl_key, entry)->key == *(const int64_t *)key;
}

static struct acl_key *
find_key(const struct tree_load *l, int64_t key)
{
	struct table_entry *e = table_find(&l->keys, table_hash_u64((uint64_t)key), same_key, &key);

	return e == NULL ? NULL : container_of(e, struct acl_key, entry);
}

static int
load_acl(void *ctx, int64_t key, struct slice list)
{
	struct tree_load *l = ctx;
	struct acl_key *k;

	if (!acl_list_valid(list) || find_key(l, key) != NULL)
		return refuse(l, "bad ACL table", slice_of("", 0));
	k = mem_zalloc(1, sizeof *k);
	k->key = key;
	/* Held until the end of loading; what no node uses goes then. */
	k->number = aclset_take(&l->t->acls, list);
	k->next = l->first;
	l->first = k;
	table_insert(&l->keys, &k->entry, table_hash_u64((uint64_t)key));
	return 0;
}

/*
 * The list for a node, with a reference. A key without a list comes from ZooKeeper's fuzzy snapshots; usually the log
 * brings the right list. Until then nobody but the super user may touch the node: never open what may be closed.
 */
static uint32_t
acl_of(struct tree_load *l, int64_t key)
{
	static const struct slice nobody = { (const uint8_t *)"\0\0\0\1\0\0\0\0\0\0\0\5world\0\0\0\6anyone",
					     27 };
	const struct acl_key *k;

	if (key == SNAPSHOT_ACL_OPEN)
		return ACL_OPEN;
	k = find_key(l, key);
	if (k == NULL) {
		l->missing_acls++;
		return aclset_take(&l->t->acls, nobody);
	}
	aclset_hold(&l->t->acls, k->number);
	return k->number;
}

/* The parent of key, which must have been loaded; NODE_NONE if not. */
static uint32_t
parent_of(struct tree_load *l, struct slice key)
{
	size_t len = key.len;

	while (key.data[--len] != '/')
		;
	if (l->parent == NODE_NONE || !slice_equal(buf_slice(&l->parent_key), slice_of(key.data, len))) {
		l->parent = tree_find(l->t, slice_of(key.data, len));
		buf_truncate(&l->parent_key, 0);
		buf_put(&l->parent_key, key.data, len);
	}
	return l->parent;
}

/* "" for the root, else names behind slashes. */
static bool
key_sound(struct slice key)
{
	if (key.len == 0)
		return true;
	for (size_t i = 1; i < key.len; i++)
		if (key.data[i] == '/' && key.data[i - 1] == '/')
			return false;
	return key.data[0] == '/' && key.data[key.len - 1] != '/';
}

static void
note_zxid(struct tree_load *l, uint64_t zxid)
{
	if (zxid > l->newest)
		l->newest = zxid;
}

static int
load_node(void *ctx, const struct snapshot_node *in)
{
	struct tree_load *l = ctx;
	struct tree *t = l->t;
	struct new_node n = { .key = in->path,
			      .data = in->data,
			      .hash = nodes_hash(&t->nodes, in->path),
			      .stat = { .czxid = in->stat.czxid,
					.mzxid = in->stat.mzxid,
					.ctime = in->stat.ctime_ms,
					.mtime = in->stat.mtime_ms,
					.version = in->stat.version,
					.cversion = in->stat.cversion,
					.aversion = in->stat.aversion,
					.ephemeral_owner = in->stat.ephemeral_owner,
					.pzxid = in->stat.pzxid } };

	if (!key_sound(in->path))
		return refuse(l, "bad path", in->path);
	if (nodes_find(&t->nodes, in->path, n.hash) != NODE_NONE)
		return refuse(l, "node twice", in->path);
	if (in->path.len > 0 && (n.parent = parent_of(l, in->path)) == NODE_NONE)
		return refuse(l, "node without parent", in->path);
	if (in->path.len == 0 && t->nodes.count > 0)
		return refuse(l, "root not first", in->path);
	n.acl = acl_of(l, in->acl);
	node_insert(t, &n);
	note_zxid(l, in->stat.czxid);
	note_zxid(l, in->stat.mzxid);
	note_zxid(l, in->stat.pzxid);
	return 0;
}

const struct snapshot_events tree_load_events = {
	.session = load_session,
	.acl = load_acl,
	.node = load_node,
};

static void
free_load(struct tree_load *l)
{
	for (struct acl_key *k = l->first, *next; k != NULL; k = next) {
		next = k->next;
		mem_free(k);
	}
	table_free(&l->keys);
	buf_free(&l->parent_key);
	mem_free(l);
}

/*
 * A digest beyond the snapshot's zxid: it was written while txns went on, which the log will bring. Likewise nodes beyond
 * it, where no digest tells how far: a leader's SNAP has none.
 */
static void
note_digest(struct tree *t, const struct snapshot_end *end, uint64_t newest)
{
	if (!end->has_digest && newest > t->applied)
		t->settling = TREE_SETTLING_TXNS;
	if (!t->config->digest || !end->has_digest || end->digest_version != 2 || end->digest_zxid == 0)
		return;
	if (end->digest_zxid < t->applied)
		return;
	t->fuzzy_until = end->digest_zxid;
	t->fuzzy_digest = end->digest;
	tree_judge_fuzzy(t);
}

struct tree *
tree_load_end(struct tree_load *l, const struct snapshot_end *end)
{
	struct tree *t = l->t;

	if (t->nodes.count == 0) {
		refuse(l, "no root", slice_of("", 0));
		tree_load_abort(l);
		return NULL;
	}
	for (const struct acl_key *k = l->first; k != NULL; k = k->next)
		aclset_drop(&t->acls, k->number);
	if (l->missing_acls > 0)
		trace(t->config->trace, TRACE_WARNING, "tree", "ACL lists missing in snapshot",
		      "nodes=%llu; they are closed until the log says otherwise",
		      (unsigned long long)l->missing_acls);
	tree_make_builtins(t);
	note_digest(t, end, l->newest);
	quota_load(t);
	free_load(l);
	return t;
}

void
tree_load_abort(struct tree_load *l)
{
	if (l == NULL)
		return;
	tree_destroy(l->t);
	free_load(l);
}
