/*
 * createSession and closeSession. The table learns of both as soon as their txns are made, so that no later request
 * of the session slips in between (ZOOKEEPER-1208, 2355).
 */
#include "prep_priv.h"

#include "base/assert.h"
#include "jute/path.h"

/*
 * Longest list of paths in a closeSession: what another server takes with its default jute.maxbuffer. A session with
 * more closes without list, as before 3.6: every server then deletes the ephemerals that it has, which are the same
 * ones (ZOOKEEPER-4306).
 */
enum { CLOSE_LIST_MAX = 1000000 };

void
prep_touch_parent(struct prep_txn *x, const struct node_view *parent, int32_t more)
{
	struct outstanding *o = &x->p->outstanding;
	struct change *c = outstanding_touch(o, parent);

	c->now.children += (uint32_t)more;
	if (more > 0)
		c->now.stat.cversion = (int32_t)((uint32_t)c->now.stat.cversion + 1);
	c->now.stat.pzxid = x->zxid;
	outstanding_changed(o, c);
}

void
prep_touch_gone(struct prep_txn *x, const struct node_view *node)
{
	struct outstanding *o = &x->p->outstanding;
	struct change *c = outstanding_touch(o, node);

	c->now.exists = false;
	outstanding_changed(o, c);
}

bool
prep_decode_nothing(struct jute_reader *r, struct arena *a, union prep_record *q)
{
	(void)a;
	(void)q;
	return jute_ok(r);
}

bool
prep_decode_session(struct jute_reader *r, struct arena *a, union prep_record *q)
{
	return jute_read_create_session_txn(r, a, &q->session);
}

enum zk_error
prep_run_create_session(struct prep_txn *x, const union prep_record *q)
{
	jute_write_create_session_txn(x->out, &q->session);
	return ZK_OK;
}

void
prep_made_create_session(struct prep_txn *x, const union prep_record *q)
{
	sessions_prepared_create(&x->p->tree->sessions, x->rq->session, q->session.time_out, x->rq->owner,
				 x->rq->now_ms);
}

/* One ephemeral of the session goes with it. */
static void
close_node(struct prep_txn *x, const struct node_view *node)
{
	struct node_view parent;

	jute_write_string(&x->p->list, node->key);
	if (outstanding_view(&x->p->outstanding, path_parent(node->key), &parent))
		prep_touch_parent(x, &parent, -1);
	prep_touch_gone(x, node);
}

/* Those of the tree that no uncommitted txn has deleted or given to another, then the uncommitted ones. */
static int32_t
close_nodes(struct prep_txn *x, const struct session *s)
{
	struct prep *p = x->p;
	const struct tree *t = p->tree;
	struct node_view v;
	struct list *l;
	int32_t n = 0;

	for (uint32_t i = s->ephemerals.first; i != 0; i = t->specials.v[i].next) {
		struct slice path = node_path(&t->nodes, t->specials.v[i].node, &p->path);
		if (!outstanding_view(&p->outstanding, path, &v) || v.s.stat.ephemeral_owner != s->id)
			continue;
		close_node(x, &v);
		n++;
	}
	while ((l = list_first(&s->pending)) != NULL) {
		const struct change *c = container_of(l, struct change, pending);
		bool there = outstanding_view(&p->outstanding, slice_of(c->path, c->path_len), &v);
		ASSERT(there && v.s.pending_of == s->id);
		close_node(x, &v);
		n++;
	}
	return n;
}

enum zk_error
prep_run_close_session(struct prep_txn *x, const union prep_record *q)
{
	const struct session *s = sessions_find(&x->p->tree->sessions, x->rq->session);
	struct buf *list = &x->p->list;
	int32_t n;

	(void)q;
	buf_reset(list, CLOSE_LIST_MAX);
	n = s == NULL ? 0 : close_nodes(x, s);
	if (!x->p->config->close_session_txn || list->overflow)
		return ZK_OK;
	jute_write_count(x->out, n);
	buf_put_slice(x->out, buf_slice(list));
	return ZK_OK;
}

void
prep_made_close_session(struct prep_txn *x, const union prep_record *q)
{
	(void)q;
	sessions_prepared_close(&x->p->tree->sessions, x->rq->session);
}

void
prep_init_lists(struct prep *p)
{
	buf_init(&p->list, CLOSE_LIST_MAX);
}
