/*
 * Committed txns become the tree's next state (ZooKeeper: DataTree.processTxn). Nothing is judged here but what
 * replay over another server's fuzzy snapshot brings: a node that exists already, is gone already, or has newer
 * children than the txn. Replay makes everything anew that the log has, and so ends in the true state. Invariant: a parent's cversion and pzxid never go down.
 */
#include <errno.h>

#include "base/mem.h"
#include "tree_priv.h"
#include "txn.h"

/* One txn on its way into the tree. */
struct apply {
	struct tree *t;
	const struct jute_txn_header *hdr;
	const struct tree_sink *sink;
};

static void
emit(const struct apply *a, enum zk_event event, struct slice key, uint32_t acl)
{
	if (a->sink != NULL)
		a->sink->event(a->sink->ctx, a->hdr->zxid, event, key.len == 0 ? slice_of("/", 1) : key,
			       aclset_get(&a->t->acls, acl));
}

static struct slice
parent_key(struct slice key)
{
	do
		key.len--;
	while (key.data[key.len] != '/');
	return key;
}

/* ---- delete ---- */

static enum zk_error delete_path(struct apply *a, struct slice path);

/*
 * A deleted node had no children: those that it has come from a fuzzy snapshot, which met a later node of the same
 * name. They go with it, and the txns that made them follow. (ZooKeeper leaves them without a parent.)
 */
static void
delete_below(struct apply *a, uint32_t number)
{
	const struct nodes *s = &a->t->nodes;
	struct buf path;

	buf_init(&path, a->t->scratch.max);
	while (node_at(s, number)->child != NODE_NONE) {
		uint32_t leaf = number;
		while (node_at(s, leaf)->child != NODE_NONE)
			leaf = node_at(s, leaf)->child;
		delete_path(a, node_path(s, leaf, &path));
	}
	buf_free(&path);
}

static enum zk_error
delete_path(struct apply *a, struct slice path)
{
	struct tree *t = a->t;
	struct slice key = node_path_key(path);
	uint32_t parent, number, acl;
	struct node *p;
	int64_t bytes;

	if (key.len == 0 || (parent = tree_find(t, parent_key(key))) == NODE_NONE)
		return ZK_NONODE;
	number = tree_find(t, key);
	p = node_at(&t->nodes, parent);
	if (number != NODE_NONE)
		delete_below(a, number);
	change_begin(t, parent);
	if (a->hdr->zxid > p->pzxid)
		p->pzxid = a->hdr->zxid;
	change_end(t, parent);
	if (number == NODE_NONE)
		return ZK_NONODE;
	acl = node_at(&t->nodes, number)->acl;
	bytes = node_data_len(node_at(&t->nodes, number));
	aclset_hold(&t->acls, acl);
	node_erase(t, number);
	quota_deleted(t, key);
	quota_use(t, key, -bytes, -1);
	emit(a, ZK_EVENT_DELETED, key, acl);
	emit(a, ZK_EVENT_CHILDREN_CHANGED, parent_key(key), p->acl);
	aclset_drop(&t->acls, acl);
	return ZK_OK;
}

static enum zk_error
apply_delete(struct apply *a, const struct txn_op *op, struct tree_result *res)
{
	res->path = op->path;
	return delete_path(a, op->path);
}

/* ---- create ---- */

static int64_t
create_owner(const struct apply *a, const struct txn_op *op)
{
	if (op->type == ZK_OP_CREATE_CONTAINER)
		return ZK_OWNER_CONTAINER;
	if (op->type == ZK_OP_CREATE_TTL)
		return owner_of_ttl(a->t->config, op->ttl_ms);
	return op->ephemeral ? a->hdr->client_id : 0;
}

/*
 * A child was made: the parent counts it, unless it has counted further already. Further is meant across the wrap from
 * the largest number to the smallest, where ZooKeeper's own apply stops to follow its prep: the digest in the txn is
 * that of having counted.
 */
static void
raise_cversion(struct apply *a, uint32_t parent, int32_t cversion)
{
	struct node *p = node_at(&a->t->nodes, parent);

	if (cversion == -1)
		cversion = (int32_t)((uint32_t)p->cversion + 1);
	if ((int32_t)((uint32_t)cversion - (uint32_t)p->cversion) <= 0)
		return;
	change_begin(a->t, parent);
	p->cversion = cversion;
	p->pzxid = a->hdr->zxid;
	change_end(a->t, parent);
}

static enum zk_error
apply_create(struct apply *a, const struct txn_op *op, struct tree_result *res)
{
	struct tree *t = a->t;
	struct slice key = node_path_key(op->path);
	struct new_node n = { .key = key, .data = op->data, .hash = nodes_hash(&t->nodes, key) };
	uint32_t number;

	res->path = op->path;
	if (key.len == 0)
		return ZK_NODEEXISTS;
	n.parent = tree_find(t, parent_key(key));
	if (n.parent == NODE_NONE)
		return ZK_NONODE;
	/*
	 * It is there: another server's fuzzy snapshot was ahead, with this node or a later one of its name, and earlier
	 * txns of the replay may have spoilt it. Made anew, it becomes what it was, as what follows will be replayed too.
	 * (ZooKeeper keeps it, with a new ACL since ZOOKEEPER-4846.)
	 */
	if (nodes_find(&t->nodes, key, n.hash) != NODE_NONE)
		delete_path(a, op->path);
	n.stat = (struct jute_stat_persisted){ .czxid = a->hdr->zxid,
					       .mzxid = a->hdr->zxid,
					       .pzxid = a->hdr->zxid,
					       .ctime = a->hdr->time,
					       .mtime = a->hdr->time,
					       .ephemeral_owner = create_owner(a, op) };
	n.acl = aclset_take(&t->acls, op->acl);
	raise_cversion(a, n.parent, op->version);
	number = node_insert(t, &n);
	tree_wire_stat(t, node_at(&t->nodes, number), &res->stat);
	res->has_stat = op->type != ZK_OP_CREATE;
	quota_created(t, key);
	quota_use(t, key, (int64_t)op->data.len, 1);
	emit(a, ZK_EVENT_CREATED, key, n.acl);
	emit(a, ZK_EVENT_CHILDREN_CHANGED, parent_key(key), node_at(&t->nodes, n.parent)->acl);
	return ZK_OK;
}

/* ---- setData, setACL, the rest ---- */

static enum zk_error
apply_set_data(struct apply *a, const struct txn_op *op, struct tree_result *res)
{
	struct tree *t = a->t;
	struct slice key = node_path_key(op->path);
	uint32_t number = tree_find(t, key);
	struct node *n;
	int64_t before;

	res->path = op->path;
	res->data = op->data;
	if (number == NODE_NONE)
		return ZK_NONODE;
	n = node_at(&t->nodes, number);
	before = node_data_len(n);
	change_begin(t, number);
	node_replace_data(t, number, key, op->data);
	n->mtime_ms = a->hdr->time;
	n->mzxid = a->hdr->zxid;
	n->version = op->version;
	change_end(t, number);
	tree_wire_stat(t, n, &res->stat);
	res->has_stat = true;
	quota_use(t, key, (int64_t)op->data.len - before, 0);
	emit(a, ZK_EVENT_DATA_CHANGED, key, n->acl);
	return ZK_OK;
}

static enum zk_error
apply_set_acl(struct apply *a, const struct txn_op *op, struct tree_result *res)
{
	struct tree *t = a->t;
	uint32_t number = tree_find(t, op->path), acl;
	struct node *n;

	res->path = op->path;
	if (number == NODE_NONE)
		return ZK_NONODE;
	n = node_at(&t->nodes, number);
	acl = aclset_take(&t->acls, op->acl);
	change_begin(t, number);
	aclset_drop(&t->acls, n->acl);
	n->acl = acl;
	n->aversion = op->version;
	change_end(t, number);
	tree_wire_stat(t, n, &res->stat);
	res->has_stat = true;
	return ZK_OK;
}

static enum zk_error
apply_check(struct apply *a, const struct txn_op *op, struct tree_result *res)
{
	(void)a;
	res->path = op->path;
	return ZK_OK;
}

static enum zk_error
apply_error(struct apply *a, const struct txn_op *op, struct tree_result *res)
{
	(void)a;
	(void)res;
	return (enum zk_error)op->err;
}

static enum zk_error
apply_create_session(struct apply *a, const struct txn_op *op, struct tree_result *res)
{
	(void)res;
	sessions_applied_create(&a->t->sessions, a->hdr->client_id, op->timeout_ms);
	return ZK_OK;
}

/* The nodes that the txn names, then whatever the session still has. */
static enum zk_error
apply_close_session(struct apply *a, const struct txn_op *op, struct tree_result *res)
{
	struct tree *t = a->t;
	struct session *s = sessions_find(&t->sessions, a->hdr->client_id);

	(void)res;
	for (int32_t i = 0; i < op->paths.n; i++)
		delete_path(a, op->paths.v[i]);
	if (s != NULL && op->paths.n >= 0 && s->ephemerals.count > 0)
		trace(t->config->trace, TRACE_WARNING, "tree",
		      "session had more ephemerals than its close txn names",
		      "session=0x%llx zxid=0x%llx more=%u", (unsigned long long)s->id,
		      (unsigned long long)a->hdr->zxid, s->ephemerals.count);
	while (s != NULL && s->ephemerals.count > 0) {
		uint32_t number = t->specials.v[s->ephemerals.first].node;
		struct buf path;
		buf_init(&path, t->scratch.max);
		delete_path(a, node_path(&t->nodes, number, &path));
		buf_free(&path);
	}
	sessions_applied_close(&t->sessions, a->hdr->client_id);
	return ZK_OK;
}

static enum zk_error apply_multi(struct apply *a, const struct txn_op *op, struct tree_result *res);

static const struct {
	int32_t type;
	enum zk_error (*apply)(struct apply *a, const struct txn_op *op, struct tree_result *res);
} appliers[] = {
	{ ZK_OP_CREATE, apply_create },
	{ ZK_OP_CREATE2, apply_create },
	{ ZK_OP_CREATE_CONTAINER, apply_create },
	{ ZK_OP_CREATE_TTL, apply_create },
	{ ZK_OP_DELETE, apply_delete },
	{ ZK_OP_DELETE_CONTAINER, apply_delete },
	{ ZK_OP_SET_DATA, apply_set_data },
	{ ZK_OP_RECONFIG, apply_set_data },
	{ ZK_OP_SET_ACL, apply_set_acl },
	{ ZK_OP_CHECK, apply_check },
	{ ZK_OP_ERROR, apply_error },
	{ ZK_OP_CREATE_SESSION, apply_create_session },
	{ ZK_OP_CLOSE_SESSION, apply_close_session },
	{ ZK_OP_MULTI, apply_multi },
};

static void
apply_op(struct apply *a, const struct txn_op *op, struct tree_result *res)
{
	res->type = op->type;
	for (size_t i = 0; i < sizeof appliers / sizeof appliers[0]; i++)
		if (appliers[i].type == op->type)
			res->err = appliers[i].apply(a, op, res);
}

static enum zk_error
apply_multi(struct apply *a, const struct txn_op *op, struct tree_result *res)
{
	enum zk_error err = ZK_OK;

	for (int32_t i = 0; i < op->n; i++) {
		apply_op(a, &op->multi[i], &res->multi[i]);
		if (err == ZK_OK)
			err = res->multi[i].err;
	}
	return err;
}

/* ---- The whole ---- */

void
tree_judge_fuzzy(struct tree *t)
{
	if (t->applied < t->fuzzy_until)
		return;
	t->in_doubt = t->applied == t->fuzzy_until && t->digest != t->fuzzy_digest;
	if (!t->in_doubt)
		t->fuzzy_until = 0;
}

void
tree_loaded(struct tree *t)
{
	if (!t->in_doubt)
		return;
	tree_report_mismatch(t, t->fuzzy_until, t->fuzzy_digest);
	t->in_doubt = false;
	t->fuzzy_until = 0;
}

static void
compare_digest(struct tree *t, const struct txn *txn)
{
	bool known = txn->has_digest && txn->digest.version == 2;

	if (!t->config->digest)
		return;
	if (t->fuzzy_until != 0 && !t->in_doubt) {
		tree_judge_fuzzy(t);
		return;
	}
	/* A failed txn has no digest, changes nothing, and leaves the doubt. */
	if (!known)
		return;
	t->in_doubt = false;
	t->fuzzy_until = 0;
	if (txn->digest.tree_digest == t->digest)
		t->settling = 0;
	else if (t->settling == 0 || --t->settling == 0)
		tree_report_mismatch(t, txn->hdr.zxid, txn->digest.tree_digest);
}

/* ZooKeeper: DataTree.logZxidDigest. */
static void
note_digest(struct tree *t)
{
	if (!t->config->digest || t->applied % DIGEST_EVERY != 0 || t->fuzzy_until != 0 || t->settling != 0)
		return;
	if (t->past == NULL)
		t->past = mem_zalloc(DIGESTS_KEPT, sizeof *t->past);
	t->past[t->npast++ % DIGESTS_KEPT] = (struct past_digest){ t->applied, t->digest };
}

int
tree_apply(struct tree *t, struct slice bytes, struct arena *arena, const struct tree_sink *sink,
	   struct tree_result *res)
{
	struct txn txn;
	struct apply a = { .t = t, .hdr = &txn.hdr, .sink = sink };
	int err = txn_decode(bytes, arena, &txn);

	*res = (struct tree_result){ 0 };
	if (err != 0)
		return err;
	if (txn.hdr.zxid <= t->applied)
		return -EALREADY;
	if (txn.op.type == ZK_OP_MULTI) {
		res->n = txn.op.n;
		res->multi = arena_array(arena, (size_t)txn.op.n, sizeof *res->multi);
		if (res->multi == NULL)
			return -EBADMSG;
	}
	apply_op(&a, &txn.op, res);
	t->applied = txn.hdr.zxid;
	compare_digest(t, &txn);
	note_digest(t);
	return 0;
}

enum zk_error
tree_result_error(const struct tree_result *r)
{
	return r->type == ZK_OP_MULTI ? ZK_OK : r->err;
}

/* ---- Replies ---- */

static void
write_one(const struct tree_result *r, struct buf *out)
{
	if (r->type == ZK_OP_CREATE || r->type == ZK_OP_CREATE2 || r->type == ZK_OP_CREATE_CONTAINER ||
	    r->type == ZK_OP_CREATE_TTL)
		jute_write_string(out, r->path);
	if (r->type == ZK_OP_RECONFIG) /* a GetDataResponse (ZooKeeper: FinalRequestProcessor) */
		jute_write_buffer(out, r->data);
	if (r->has_stat)
		jute_write_stat(out, &r->stat);
}

/* The header type of a multi's result: create2 stands for all creates with a Stat. */
static int32_t
shown_type(const struct tree_result *r)
{
	return r->type == ZK_OP_CREATE_CONTAINER || r->type == ZK_OP_CREATE_TTL ? ZK_OP_CREATE2 : r->type;
}

/* As its client asked for it: the txn of a create2 in a multi is a create. */
static struct tree_result
as_asked(const struct tree_result *r, int32_t i, uint64_t stats_wanted)
{
	struct tree_result asked = *r;

	if (r->type == ZK_OP_CREATE && (stats_wanted >> (i < 63 ? i : 63) & 1) != 0) {
		asked.type = ZK_OP_CREATE2;
		asked.has_stat = true;
	}
	return asked;
}

static void
write_multi(const struct tree_result *res, uint64_t stats_wanted, struct buf *out)
{
	static const struct jute_multi_header end = { .type = -1, .done = true, .err = -1 };

	for (int32_t i = 0; i < res->n; i++) {
		const struct tree_result asked = as_asked(&res->multi[i], i, stats_wanted), *r = &asked;
		struct jute_multi_header h = { .type = shown_type(r) };
		if (r->type == ZK_OP_ERROR) {
			h.err = r->err;
			jute_write_multi_header(out, &h);
			jute_write_int(out, r->err);
			continue;
		}
		jute_write_multi_header(out, &h);
		write_one(r, out);
	}
	jute_write_multi_header(out, &end);
}

void
tree_result_write(const struct tree_result *r, uint64_t stats_wanted, struct buf *out)
{
	if (r->type == ZK_OP_MULTI)
		write_multi(r, stats_wanted, out);
	else if (r->err == ZK_OK)
		write_one(r, out);
}
