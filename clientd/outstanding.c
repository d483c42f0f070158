/*
 * See outstanding.h. Invariants between txns: an entry is in paths and in the queue, which is ordered by zxid; an own
 * ACL has one reference for each state that names it; pending links an entry to its session exactly while
 * now.pending_of says so; the running digest is the tree's when the queue is empty.
 */
#include "outstanding.h"

#include "base/assert.h"
#include "base/mem.h"

/* Entries kept for reuse, and the longest path buffer kept with one. */
enum { SPARES_MAX = 4096, SPARE_PATH_MAX = 1024 };

void
outstanding_init(struct outstanding *o, struct tree *t)
{
	*o = (struct outstanding){ .t = t };
	table_init(&o->paths);
	list_init(&o->queue);
	list_init(&o->spare);
	aclset_init(&o->acls, t->config->seed);
}

static struct change *
of_queue(struct list *l)
{
	return container_of(l, struct change, queue);
}

static void
drop_state(struct outstanding *o, const struct node_state *s)
{
	if (s->own_acl)
		aclset_drop(&o->acls, s->acl);
}

static void
free_change(struct change *c)
{
	mem_free(c->path);
	mem_free(c);
}

/* A session that is no more has let go of its entries itself. */
static void
unlink_pending(struct outstanding *o, struct change *c)
{
	struct session *s = list_empty(&c->pending) ? NULL : sessions_find(&o->t->sessions, c->pending_at);

	list_remove(&c->pending);
	if (s != NULL)
		s->npending--;
}

/* Out of everything, and kept for later. The state's references are gone already. */
static void
recycle(struct outstanding *o, struct change *c)
{
	table_remove(&o->paths, &c->entry);
	list_remove(&c->queue);
	unlink_pending(o, c);
	if (o->spares >= SPARES_MAX || c->path_cap > SPARE_PATH_MAX) {
		free_change(c);
		return;
	}
	list_append(&o->spare, &c->queue);
	o->spares++;
}

void
outstanding_free(struct outstanding *o)
{
	list_for_each_safe (l, &o->queue) {
		drop_state(o, &of_queue(l)->now);
		recycle(o, of_queue(l));
	}
	list_for_each_safe (l, &o->spare)
		free_change(of_queue(l));
	table_free(&o->paths);
	aclset_free(&o->acls);
}

static bool
same_path(const struct table_entry *e, const void *key)
{
	const struct change *c = container_of(e, const struct change, entry);

	return slice_equal(slice_of(c->path, c->path_len), *(const struct slice *)key);
}

static struct node_state
state_of_tree(const struct tree *t, struct slice key, uint32_t hash)
{
	struct node_state s = { 0 };
	uint32_t number = nodes_find(&t->nodes, key, hash);
	const struct node *n;

	if (number == NODE_NONE)
		return s;
	n = node_at(&t->nodes, number);
	s = (struct node_state){ .exists = true,
				 .acl = n->acl,
				 .children = n->children,
				 .prefix = n->crc,
				 .digest = tree_node_digest(t, n),
				 .data_len = node_data_len(n) };
	node_stat_persisted(n, tree_owner(t, n), &s.stat);
	return s;
}

bool
outstanding_view(const struct outstanding *o, struct slice path, struct node_view *v)
{
	struct table_entry *e;

	*v = (struct node_view){ .key = node_path_key(path) };
	v->hash = table_hash(v->key, o->t->config->seed);
	e = table_find(&o->paths, v->hash, same_path, &v->key);
	if (e != NULL) {
		v->change = container_of(e, struct change, entry);
		v->s = v->change->now;
	} else {
		/* The index of nodes has the lower half of the same hash. */
		v->s = state_of_tree(o->t, v->key, (uint32_t)v->hash);
	}
	return v->s.exists;
}

struct slice
outstanding_acl(const struct outstanding *o, const struct node_view *v)
{
	uint32_t number;

	if (v->s.own_acl)
		return aclset_get(&o->acls, v->s.acl);
	if (v->change == NULL)
		return aclset_get(&o->t->acls, v->s.acl);
	/* By the path, not the number: between prep and now the tree may have given the number to another list. */
	number = tree_find(o->t, v->key);
	return number == NODE_NONE ? slice_of("\0\0", 2) : tree_node_acl(o->t, node_at(&o->t->nodes, number));
}

/* Links an entry to the session that its state names, or to none. */
static void
link_pending(struct outstanding *o, struct change *c)
{
	struct session *s;

	unlink_pending(o, c);
	if (c->now.pending_of == 0 || !c->now.exists)
		return;
	s = sessions_find(&o->t->sessions, c->now.pending_of);
	if (s == NULL)
		return;
	list_append(&s->pending, &c->pending);
	c->pending_at = s->id;
	s->npending++;
}

static struct change *
make_change(struct outstanding *o, const struct node_view *v)
{
	struct list *l = list_first(&o->spare);
	struct change *c = l == NULL ? mem_zalloc(1, sizeof *c) : of_queue(l);

	if (l != NULL) {
		list_remove(l);
		o->spares--;
	}
	if (c->path_cap < v->key.len || c->path == NULL) {
		c->path = mem_realloc(c->path, v->key.len + 16);
		c->path_cap = (uint32_t)v->key.len + 16;
	}
	if (v->key.len > 0)
		memcpy(c->path, v->key.data, v->key.len);
	c->path_len = (uint32_t)v->key.len;
	c->fresh = true;
	c->in_txn = false;
	c->now = v->s;
	list_init(&c->queue);
	list_init(&c->pending);
	table_insert(&o->paths, &c->entry, v->hash);
	return c;
}

struct change *
outstanding_touch(struct outstanding *o, const struct node_view *v)
{
	struct change *c = v->change != NULL ? v->change : make_change(o, v);

	if (!c->in_txn) {
		c->in_txn = true;
		c->fresh = v->change == NULL;
		c->before = c->now;
		if (c->before.own_acl)
			aclset_hold(&o->acls, c->before.acl);
		c->touched = o->touched;
		o->touched = c;
	}
	o->digest -= c->now.digest;
	return c;
}

void
outstanding_changed(struct outstanding *o, struct change *c)
{
	struct slice key = slice_of(c->path, c->path_len);

	c->now.digest = 0;
	if (c->now.exists && o->t->config->digest && !digest_excludes(key))
		c->now.digest = digest_finish(c->now.prefix, &c->now.stat);
	o->digest += c->now.digest;
	link_pending(o, c);
}

void
outstanding_set_acl(struct outstanding *o, struct change *c, struct slice list)
{
	uint32_t acl = aclset_take(&o->acls, list);

	drop_state(o, &c->now);
	c->now.own_acl = true;
	c->now.acl = acl;
}

void
outstanding_begin(struct outstanding *o)
{
	ASSERT(o->touched == NULL);
	if (list_empty(&o->queue))
		o->digest = o->t->digest;
	o->digest_before = o->digest;
}

void
outstanding_rollback(struct outstanding *o)
{
	struct change *next;

	for (struct change *c = o->touched; c != NULL; c = next) {
		next = c->touched;
		drop_state(o, &c->now);
		c->in_txn = false;
		if (c->fresh) {
			drop_state(o, &c->before);
			recycle(o, c);
			continue;
		}
		c->now = c->before;
		link_pending(o, c);
	}
	o->touched = NULL;
	o->digest = o->digest_before;
}

void
outstanding_commit(struct outstanding *o, uint64_t zxid)
{
	struct change *next;

	for (struct change *c = o->touched; c != NULL; c = next) {
		next = c->touched;
		drop_state(o, &c->before);
		c->in_txn = false;
		c->fresh = false;
		c->zxid = zxid;
		list_remove(&c->queue);
		list_append(&o->queue, &c->queue);
	}
	o->touched = NULL;
}

void
outstanding_applied(struct outstanding *o, uint64_t zxid)
{
	struct list *l;

	while ((l = list_first(&o->queue)) != NULL && of_queue(l)->zxid <= zxid) {
		drop_state(o, &of_queue(l)->now);
		recycle(o, of_queue(l));
	}
}
