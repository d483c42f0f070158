/*
 * Requests that read: on a const tree, which they write no byte of (ZooKeeper: FinalRequestProcessor). Each appends
 * its response, or takes back what it has appended.
 */
#include "base/bytes.h"
#include "tree_priv.h"

bool
tree_stat(const struct tree *t, struct slice path, struct jute_stat *st)
{
	uint32_t number = tree_find(t, path);

	if (number != NODE_NONE && st != NULL)
		tree_wire_stat(t, node_at(&t->nodes, number), st);
	return number != NODE_NONE;
}

bool
tree_may_read(const struct tree *t, struct slice path, const struct auth *who)
{
	uint32_t number = tree_find(t, path);

	return number == NODE_NONE ||
	       acl_allows(&t->config->acl, tree_node_acl(t, node_at(&t->nodes, number)), ZK_PERM_READ, who);
}

/* The node at path that who has one of perms on. */
static enum zk_error
find_allowed(const struct tree *t, struct slice path, int32_t perms, const struct auth *who,
	     const struct node **n)
{
	uint32_t number = tree_find(t, path);

	if (number == NODE_NONE)
		return ZK_NONODE;
	*n = node_at(&t->nodes, number);
	return acl_allows(&t->config->acl, tree_node_acl(t, *n), perms, who) ? ZK_OK : ZK_NOAUTH;
}

static void
put_stat(const struct tree *t, const struct node *n, struct buf *out)
{
	struct jute_stat st;

	tree_wire_stat(t, n, &st);
	jute_write_stat(out, &st);
}

/* The body that most reads share: path and watch flag. */
static bool
read_path_watch(struct slice body, struct tree_read *rq)
{
	struct jute_reader r;
	struct jute_exists_request q;

	jute_reader_init(&r, body, UINT32_MAX);
	if (!jute_read_exists_request(&r, NULL, &q) || q.path.data == NULL)
		return false;
	*rq = (struct tree_read){ .path = q.path, .watch = q.watch };
	return true;
}

static bool
read_path_only(struct slice body, struct tree_read *rq)
{
	struct jute_reader r;

	jute_reader_init(&r, body, UINT32_MAX);
	*rq = (struct tree_read){ .path = jute_read_string(&r) };
	return jute_ok(&r) && rq->path.data != NULL;
}

enum zk_error
tree_read_exists(const struct tree *t, const struct auth *who, int64_t session, struct slice body,
		 struct tree_read *rq, struct buf *out)
{
	const struct node *n;
	enum zk_error err;

	(void)session;
	if (!read_path_watch(body, rq))
		return ZK_MARSHALLINGERROR;
	if (memchr(rq->path.data, 0, rq->path.len) != NULL)
		return ZK_BADARGUMENTS;
	err = find_allowed(t, rq->path, ZK_PERM_READ, who, &n);
	if (err == ZK_OK)
		put_stat(t, n, out);
	return err;
}

static enum zk_error
put_data(const struct tree *t, const struct auth *who, struct slice path, struct buf *out)
{
	const struct node *n;
	enum zk_error err = find_allowed(t, path, ZK_PERM_READ, who, &n);

	if (err != ZK_OK)
		return err;
	jute_write_buffer(out, node_data(n));
	put_stat(t, n, out);
	return ZK_OK;
}

enum zk_error
tree_read_data(const struct tree *t, const struct auth *who, int64_t session, struct slice body,
	       struct tree_read *rq, struct buf *out)
{
	(void)session;
	return read_path_watch(body, rq) ? put_data(t, who, rq->path, out) : ZK_MARSHALLINGERROR;
}

enum zk_error
tree_read_acl(const struct tree *t, const struct auth *who, int64_t session, struct slice body,
	      struct tree_read *rq, struct buf *out)
{
	const struct acl_rules *rules = &t->config->acl;
	const struct node *n;
	enum zk_error err;

	(void)session;
	if (!read_path_only(body, rq))
		return ZK_MARSHALLINGERROR;
	err = find_allowed(t, rq->path, ZK_PERM_READ | ZK_PERM_ADMIN, who, &n);
	if (err != ZK_OK)
		return err;
	acl_write_shown(tree_node_acl(t, n), acl_allows(rules, tree_node_acl(t, n), ZK_PERM_ADMIN, who), out);
	put_stat(t, n, out);
	return ZK_OK;
}

static enum zk_error
put_children(const struct tree *t, const struct auth *who, struct slice path, bool with_stat, struct buf *out)
{
	const struct node *n;
	enum zk_error err = find_allowed(t, path, ZK_PERM_READ, who, &n);

	if (err != ZK_OK)
		return err;
	jute_write_count(out, (int32_t)n->children);
	for (uint32_t i = n->child; i != NODE_NONE; i = node_at(&t->nodes, i)->after)
		jute_write_string(out, node_name(node_at(&t->nodes, i)));
	if (with_stat)
		put_stat(t, n, out);
	return ZK_OK;
}

enum zk_error
tree_read_children(const struct tree *t, const struct auth *who, int64_t session, struct slice body,
		   struct tree_read *rq, struct buf *out)
{
	(void)session;
	return read_path_watch(body, rq) ? put_children(t, who, rq->path, false, out) : ZK_MARSHALLINGERROR;
}

enum zk_error
tree_read_children2(const struct tree *t, const struct auth *who, int64_t session, struct slice body,
		    struct tree_read *rq, struct buf *out)
{
	(void)session;
	return read_path_watch(body, rq) ? put_children(t, who, rq->path, true, out) : ZK_MARSHALLINGERROR;
}

static int32_t
count_below(const struct tree *t, uint32_t top)
{
	uint32_t n = 0;

	if (top == NODE_ROOT)
		return (int32_t)(t->nodes.count - 1);
	for (uint32_t i = node_next(&t->nodes, top, top); i != NODE_NONE; i = node_next(&t->nodes, i, top))
		n++;
	return (int32_t)n;
}

enum zk_error
tree_read_all_children_number(const struct tree *t, const struct auth *who, int64_t session,
			      struct slice body, struct tree_read *rq, struct buf *out)
{
	const struct node *n;
	enum zk_error err;

	(void)session;
	if (!read_path_only(body, rq))
		return ZK_MARSHALLINGERROR;
	err = find_allowed(t, rq->path, ZK_PERM_READ, who, &n);
	if (err == ZK_OK)
		jute_write_int(out, count_below(t, tree_find(t, rq->path)));
	return err;
}

void
tree_ephemerals_each(const struct tree *t, int64_t session, bool (*visit)(void *ctx, struct slice path),
		     void *ctx)
{
	const struct session *s = sessions_find(&t->sessions, session);
	struct buf path;

	buf_init(&path, t->scratch.max);
	for (uint32_t i = s == NULL ? 0 : s->ephemerals.first; i != 0; i = t->specials.v[i].next)
		if (!visit(ctx, node_path(&t->nodes, t->specials.v[i].node, &path)))
			break;
	buf_free(&path);
}

/* A node's path is within a prefix by bytes, as ZooKeeper compares: "/ab" lies under "/a". */
struct ephemeral_list {
	struct slice prefix;
	struct buf *out;
	uint32_t n;
};

static bool
put_ephemeral(void *ctx, struct slice path)
{
	struct ephemeral_list *l = ctx;

	if (path.len < l->prefix.len ||
	    (l->prefix.len > 0 && memcmp(path.data, l->prefix.data, l->prefix.len) != 0))
		return true;
	jute_write_string(l->out, path);
	l->n++;
	return !l->out->overflow;
}

enum zk_error
tree_read_ephemerals(const struct tree *t, const struct auth *who, int64_t session, struct slice body,
		     struct tree_read *rq, struct buf *out)
{
	struct ephemeral_list list;
	struct jute_reader r;
	size_t start = buf_len(out);

	(void)who;
	jute_reader_init(&r, body, UINT32_MAX);
	*rq = (struct tree_read){ .path = jute_read_string(&r) };
	if (!jute_ok(&r))
		return ZK_MARSHALLINGERROR;
	list = (struct ephemeral_list){ .prefix = rq->path, .out = out };
	jute_write_count(out, 0);
	tree_ephemerals_each(t, session, put_ephemeral, &list);
	if (!out->overflow)
		put_be32(out->data + out->off + start, list.n);
	return ZK_OK;
}

enum zk_error
tree_read_who_am_i(const struct tree *t, const struct auth *who, int64_t session, struct slice body,
		   struct tree_read *rq, struct buf *out)
{
	(void)t;
	(void)session;
	(void)body;
	*rq = (struct tree_read){ .path = SLICE_NULL };
	jute_write_count(out, who->n < 0 ? 0 : who->n);
	for (int32_t i = 0; i < who->n; i++) {
		jute_write_string(out, who->ids[i].scheme);
		jute_write_string(out, auth_user(&who->ids[i]));
	}
	return ZK_OK;
}

/* ---- multiRead ---- */

static bool
next_element(struct jute_reader *r, struct jute_multi_header *h, struct jute_exists_request *rq)
{
	if (!jute_read_multi_header(r, NULL, h) || h->done)
		return false;
	if (h->type != ZK_OP_GET_DATA && h->type != ZK_OP_GET_CHILDREN)
		return jute_fail(r);
	return jute_read_exists_request(r, NULL, rq) && (rq->path.data != NULL || jute_fail(r));
}

static void
put_element(const struct tree *t, const struct auth *who, int32_t type, struct slice path, struct buf *out)
{
	struct jute_multi_header h = { .type = type };
	size_t start = buf_len(out);
	enum zk_error err;

	jute_write_multi_header(out, &h);
	err = type == ZK_OP_GET_DATA ? put_data(t, who, path, out) : put_children(t, who, path, false, out);
	if (err == ZK_OK || out->overflow)
		return;
	buf_truncate(out, start);
	h = (struct jute_multi_header){ .type = ZK_OP_ERROR, .err = err };
	jute_write_multi_header(out, &h);
	jute_write_int(out, err);
}

enum zk_error
tree_read_multi(const struct tree *t, const struct auth *who, int64_t session, struct slice body,
		struct tree_read *rq, struct buf *out)
{
	static const struct jute_multi_header end = { .type = -1, .done = true, .err = -1 };
	struct jute_reader r;
	struct jute_multi_header h;
	struct jute_exists_request q;
	size_t start = buf_len(out);

	(void)session;
	*rq = (struct tree_read){ .path = SLICE_NULL };
	jute_reader_init(&r, body, UINT32_MAX);
	while (next_element(&r, &h, &q))
		put_element(t, who, h.type, q.path, out);
	if (!jute_ok(&r)) {
		if (!out->overflow)
			buf_truncate(out, start);
		return ZK_MARSHALLINGERROR;
	}
	jute_write_multi_header(out, &end);
	return ZK_OK;
}
