/* The tree's invariants, computed anew: for tests, the simulator and debugging verbs. Slow. */
#include "base/assert.h"
#include "base/mem.h"
#include "tree_priv.h"

struct check {
	const struct tree *t;
	bool ok;
	struct buf path;
	uint32_t *acl_refs; /* by number, as the nodes have them */
	uint64_t digest, ephemerals, path_bytes, data_bytes;
	uint32_t nodes;
};

static void
wrong(struct check *c, const char *what, uint32_t number)
{
	c->ok = false;
	trace(c->t->config->trace, TRACE_ERROR, "tree", "invariant broken", "what=\"%s\" number=%u", what,
	      number);
}

static void
check_children(struct check *c, uint32_t number)
{
	const struct nodes *s = &c->t->nodes;
	uint32_t count = 0, before = NODE_NONE;

	for (uint32_t i = node_at(s, number)->child; i != NODE_NONE; i = node_at(s, i)->after) {
		if (node_at(s, i)->parent != number || node_at(s, i)->before != before)
			wrong(c, "sibling links", i);
		before = i;
		count++;
	}
	if (count != node_at(s, number)->children)
		wrong(c, "number of children", number);
}

static void
check_special(struct check *c, uint32_t number)
{
	const struct node *n = node_at(&c->t->nodes, number);
	const struct special *s;

	if (n->special == 0)
		return;
	s = &c->t->specials.v[n->special];
	if (s->node != number || owner_kind(c->t->config, s->owner) != (enum owner_kind)s->kind)
		wrong(c, "special", number);
	c->ephemerals += s->kind == OWNER_SESSION;
	if (s->kind == OWNER_SESSION && sessions_find(&c->t->sessions, s->owner) == NULL)
		wrong(c, "owner without session", number);
}

static void
check_node(struct check *c, uint32_t number)
{
	const struct node *n = node_at(&c->t->nodes, number);
	struct slice key = node_path(&c->t->nodes, number, &c->path);

	c->nodes++;
	if (tree_find(c->t, key) != number)
		wrong(c, "index", number);
	if (n->crc != digest_prefix(key, node_data(n)))
		wrong(c, "CRC of path and data", number);
	if (((n->flags & NODE_UNDIGESTED) != 0) != digest_excludes(key))
		wrong(c, "digest flag", number);
	if (n->acl != ACL_OPEN)
		c->acl_refs[n->acl]++;
	check_children(c, number);
	check_special(c, number);
	c->digest += tree_node_digest(c->t, n);
	c->path_bytes += key.len;
	c->data_bytes += node_data_len(n);
}

static void
check_acls(struct check *c)
{
	const struct aclset *a = &c->t->acls;

	for (uint32_t i = 1; i < a->used; i++)
		if ((a->lists[i] == NULL ? 0 : a->lists[i]->refs) != c->acl_refs[i])
			wrong(c, "ACL references", i);
}

bool
tree_check(const struct tree *t)
{
	struct check c = { .t = t, .ok = true };

	buf_init(&c.path, t->scratch.max);
	c.acl_refs = mem_zalloc(t->acls.used, sizeof *c.acl_refs);
	for (uint32_t i = NODE_ROOT; i != NODE_NONE; i = node_next(&t->nodes, i, NODE_ROOT))
		check_node(&c, i);
	check_acls(&c);
	if (c.nodes != t->nodes.count || c.ephemerals != t->ephemerals)
		wrong(&c, "count of nodes", c.nodes);
	if (c.path_bytes != t->path_bytes || c.data_bytes != t->data_bytes)
		wrong(&c, "count of bytes", 0);
	if (c.digest != t->digest)
		wrong(&c, "digest", 0);
	buf_free(&c.path);
	mem_free(c.acl_refs);
	return c.ok;
}

uint64_t
tree_digest_recompute(const struct tree *t)
{
	uint64_t sum = 0;
	struct buf path;

	buf_init(&path, t->scratch.max);
	for (uint32_t i = NODE_ROOT; t->config->digest && i != NODE_NONE;
	     i = node_next(&t->nodes, i, NODE_ROOT)) {
		const struct node *n = node_at(&t->nodes, i);
		struct slice key = node_path(&t->nodes, i, &path);
		struct jute_stat_persisted st;
		node_stat_persisted(n, tree_owner(t, n), &st);
		if (!digest_excludes(key))
			sum += digest_finish(digest_prefix(key, node_data(n)), &st);
	}
	buf_free(&path);
	return sum;
}
