/*
 * The operations on znodes: what each checks, in ZooKeeper's order, and the txn that it becomes (ZooKeeper:
 * PrepRequestProcessor.pRequest2Txn). All checks come before the first change.
 */
#include "prep_priv.h"

#include <string.h>

#include "jute/path.h"

/* ZooKeeper: LeaderSessionTracker.checkSession. */
enum zk_error
prep_check_session(struct prep_txn *x)
{
	struct sessions *sessions = &x->p->tree->sessions;
	struct session_view view;

	if (x->rq->local && !sessions_get(sessions, x->rq->session, &view))
		return ZK_OK;
	return sessions_check(sessions, x->rq->session, x->rq->owner);
}

/* What is to live as long as the session needs one that all servers know. */
static enum zk_error
check_owner(struct prep_txn *x, bool ephemeral)
{
	if (ephemeral)
		return sessions_check(&x->p->tree->sessions, x->rq->session, x->rq->owner);
	return prep_check_session(x);
}

enum zk_error
prep_check_acl(const struct prep_txn *x, const struct node_view *v, int32_t perm)
{
	struct slice list = outstanding_acl(&x->p->outstanding, v);

	return acl_allows(&x->p->config->acl, list, perm, &x->rq->auth) ? ZK_OK : ZK_NOAUTH;
}

/* -1 matches any version; the next one is never -1, which clients could not name (ZOOKEEPER-4743). */
static bool
version_matches(int32_t expected, int32_t current)
{
	return expected == -1 || expected == current;
}

static int32_t
next_version(int32_t current)
{
	return current == -2 ? 0 : (int32_t)((uint32_t)current + 1);
}

/* ---- create, create2, createContainer, createTTL ---- */

struct mode {
	bool ephemeral, sequential, container, ttl;
};

/* By enum zk_create_mode. */
static const struct mode modes[] = {
	{ 0 },
	{ .ephemeral = true },
	{ .sequential = true },
	{ .ephemeral = true, .sequential = true },
	{ .container = true },
	{ .ttl = true },
	{ .ttl = true, .sequential = true },
};

/* A create on its way through its checks. */
struct creation {
	const struct jute_create_ttl_request *q;
	struct mode mode;
	int32_t op; /* create, create2, ... */
	int64_t owner;
	struct slice path; /* with its number, if sequential */
	struct node_view parent, node;
};

static enum zk_error
check_mode(const struct prep_txn *x, struct creation *c)
{
	const struct tree_config *config = x->p->config;

	if (c->q->flags < 0 || (size_t)c->q->flags >= sizeof modes / sizeof modes[0])
		return ZK_BADARGUMENTS;
	c->mode = modes[c->q->flags];
	if (c->mode.ttl && !config->extended_types)
		return ZK_UNIMPLEMENTED;
	if (c->mode.ttl ? owner_of_ttl(config, c->q->ttl) == 0 : c->q->ttl >= 0)
		return ZK_BADARGUMENTS;
	/* A txn's type alone makes a container or TTL node when it is applied: the mode must not say otherwise. */
	if (c->mode.container != (c->op == ZK_OP_CREATE_CONTAINER) ||
	    c->mode.ttl != (c->op == ZK_OP_CREATE_TTL))
		return ZK_BADARGUMENTS;
	c->owner = c->mode.container   ? ZK_OWNER_CONTAINER
		   : c->mode.ttl       ? owner_of_ttl(config, c->q->ttl)
		   : c->mode.ephemeral ? x->rq->session
				       : 0;
	return ZK_OK;
}

/* The path with the parent's count of creations behind it: ten characters or more, as Java's %010d. */
static struct slice
numbered(struct prep *p, struct slice path, int32_t number)
{
	uint8_t digits[10];
	uint32_t u = number < 0 ? 0 - (uint32_t)number : (uint32_t)number;
	size_t width = 10;

	for (size_t i = sizeof digits; i > 0; i--, u /= 10)
		digits[i - 1] = (uint8_t)('0' + u % 10);
	buf_truncate(&p->path, 0);
	buf_put_slice(&p->path, path);
	if (number < 0) {
		buf_put_u8(&p->path, '-');
		/* The minus takes one of the ten columns, if there is one to take. */
		width = digits[0] == '0' ? 9 : 10;
	}
	buf_put(&p->path, digits + sizeof digits - width, width);
	return buf_slice(&p->path);
}

static enum zk_error
check_parent(struct prep_txn *x, struct creation *c)
{
	struct outstanding *o = &x->p->outstanding;
	struct slice path = c->q->path;

	if (memchr(path.data, '/', path.len) == NULL || memchr(path.data, 0, path.len) != NULL)
		return ZK_BADARGUMENTS;
	if (acl_normalise(&c->q->acl, &x->rq->auth, &x->p->acl) != ZK_OK)
		return ZK_INVALIDACL;
	if (!outstanding_view(o, path_parent(path), &c->parent))
		return ZK_NONODE;
	return prep_check_acl(x, &c->parent, ZK_PERM_CREATE);
}

static bool
has_room_for_ephemeral(const struct prep_txn *x)
{
	const struct session *s = sessions_find(&x->p->tree->sessions, x->rq->session);

	if (s == NULL || s->ephemerals.count + s->npending < PREP_EPHEMERALS_MAX)
		return true;
	trace(x->p->config->trace, TRACE_DEBUG, "tree", "too many ephemerals", "session=0x%llx limit=%d",
	      (unsigned long long)s->id, PREP_EPHEMERALS_MAX);
	return false;
}

static enum zk_error
check_name(struct prep_txn *x, struct creation *c)
{
	const struct prep *p = x->p;

	c->path = c->q->path;
	if (c->mode.sequential)
		c->path = numbered(x->p, c->path, c->parent.s.stat.cversion);
	if (!path_valid(c->path))
		return ZK_BADARGUMENTS;
	if (outstanding_view(&p->outstanding, c->path, &c->node))
		return ZK_NODEEXISTS;
	if (owner_kind(p->config, c->parent.s.stat.ephemeral_owner) == OWNER_SESSION)
		return ZK_NOCHILDRENFOREPHEMERALS;
	if (c->mode.ephemeral && !has_room_for_ephemeral(x))
		return ZK_QUOTAEXCEEDED;
	return quota_check(p->tree, c->node.key, (int64_t)c->q->data.len, 1);
}

static void
write_create(struct prep_txn *x, const struct creation *c)
{
	struct buf *out = x->out;

	jute_write_string(out, c->path);
	jute_write_buffer(out, c->q->data);
	buf_put_slice(out, buf_slice(&x->p->acl));
	if (c->op == ZK_OP_CREATE || c->op == ZK_OP_CREATE2)
		jute_write_bool(out, c->mode.ephemeral);
	jute_write_int(out, (int32_t)((uint32_t)c->parent.s.stat.cversion + 1));
	if (c->op == ZK_OP_CREATE_TTL)
		jute_write_long(out, c->q->ttl);
}

static void
change_create(struct prep_txn *x, const struct creation *c)
{
	struct outstanding *o = &x->p->outstanding;
	struct change *n = outstanding_touch(o, &c->node);

	outstanding_set_acl(o, n, buf_slice(&x->p->acl));
	n->now.exists = true;
	n->now.children = 0;
	n->now.data_len = (uint32_t)c->q->data.len;
	n->now.prefix = digest_prefix(c->node.key, c->q->data);
	n->now.stat = (struct jute_stat_persisted){ .czxid = x->zxid,
						    .mzxid = x->zxid,
						    .pzxid = x->zxid,
						    .ctime = x->rq->wall_ms,
						    .mtime = x->rq->wall_ms,
						    .ephemeral_owner = c->owner };
	n->now.pending_of = c->mode.ephemeral ? c->owner : 0;
	outstanding_changed(o, n);
	prep_touch_parent(x, &c->parent, 1);
}

static enum zk_error
run_create(struct prep_txn *x, const struct jute_create_ttl_request *q, int32_t op)
{
	struct creation c = { .q = q, .op = op };
	enum zk_error err;

	buf_truncate(&x->p->acl, 0);
	if ((err = check_mode(x, &c)) != ZK_OK || (err = check_owner(x, c.mode.ephemeral)) != ZK_OK ||
	    (err = check_parent(x, &c)) != ZK_OK || (err = check_name(x, &c)) != ZK_OK)
		return err;
	write_create(x, &c);
	change_create(x, &c);
	return ZK_OK;
}

static bool
decode_create(struct jute_reader *r, struct arena *a, union prep_record *q)
{
	struct jute_create_request c;

	if (!jute_read_create_request(r, a, &c) || c.path.data == NULL)
		return false;
	q->create = (struct jute_create_ttl_request){
		.path = c.path, .data = c.data, .acl = c.acl, .flags = c.flags, .ttl = -1
	};
	return true;
}

static bool
decode_create_ttl(struct jute_reader *r, struct arena *a, union prep_record *q)
{
	return jute_read_create_ttl_request(r, a, &q->create) && q->create.path.data != NULL;
}

static enum zk_error
run_create1(struct prep_txn *x, const union prep_record *q)
{
	return run_create(x, &q->create, ZK_OP_CREATE);
}

static enum zk_error
run_create2(struct prep_txn *x, const union prep_record *q)
{
	return run_create(x, &q->create, ZK_OP_CREATE2);
}

static enum zk_error
run_create_container(struct prep_txn *x, const union prep_record *q)
{
	return run_create(x, &q->create, ZK_OP_CREATE_CONTAINER);
}

static enum zk_error
run_create_ttl(struct prep_txn *x, const union prep_record *q)
{
	return run_create(x, &q->create, ZK_OP_CREATE_TTL);
}

/* ---- delete, deleteContainer ---- */

static bool
is_reserved(struct slice path)
{
	return slice_equal(path, SLICE_LIT("/")) || slice_equal(path, SLICE_LIT("/zookeeper")) ||
	       slice_equal(path, SLICE_LIT("/zookeeper/quota")) ||
	       slice_equal(path, SLICE_LIT("/zookeeper/config"));
}

static bool
deletable(struct slice path)
{
	return memchr(path.data, '/', path.len) != NULL && memchr(path.data, 0, path.len) == NULL &&
	       !is_reserved(path);
}

static void
make_delete(struct prep_txn *x, struct slice path, const struct node_view *parent,
	    const struct node_view *node)
{
	struct jute_delete_txn txn = { .path = path };

	jute_write_delete_txn(x->out, &txn);
	prep_touch_gone(x, node);
	prep_touch_parent(x, parent, -1);
}

static bool
decode_delete(struct jute_reader *r, struct arena *a, union prep_record *q)
{
	return jute_read_delete_request(r, a, &q->delete) && q->delete.path.data != NULL;
}

static enum zk_error
run_delete(struct prep_txn *x, const union prep_record *q)
{
	const struct outstanding *o = &x->p->outstanding;
	struct slice path = q->delete.path;
	struct node_view parent, node;
	enum zk_error err = prep_check_session(x);

	if (err != ZK_OK)
		return err;
	if (!deletable(path))
		return ZK_BADARGUMENTS;
	if (!outstanding_view(o, path_parent(path), &parent))
		return ZK_NONODE;
	if ((err = prep_check_acl(x, &parent, ZK_PERM_DELETE)) != ZK_OK)
		return err;
	if (!outstanding_view(o, path, &node))
		return ZK_NONODE;
	if (!version_matches(q->delete.version, node.s.stat.version))
		return ZK_BADVERSION;
	if (node.s.children > 0)
		return ZK_NOTEMPTY;
	make_delete(x, path, &parent, &node);
	return ZK_OK;
}

static bool
decode_delete_container(struct jute_reader *r, struct arena *a, union prep_record *q)
{
	struct jute_delete_container_request d;

	if (!jute_read_delete_container_request(r, a, &d) || d.path.data == NULL)
		return false;
	q->delete = (struct jute_delete_request){ .path = d.path, .version = -1 };
	return true;
}

/* The sweeper's: neither session nor ACL is asked. */
static enum zk_error
run_delete_container(struct prep_txn *x, const union prep_record *q)
{
	const struct outstanding *o = &x->p->outstanding;
	struct slice path = q->delete.path;
	struct node_view parent, node;

	if (!deletable(path))
		return ZK_BADARGUMENTS;
	if (!outstanding_view(o, path_parent(path), &parent) || !outstanding_view(o, path, &node))
		return ZK_NONODE;
	if (node.s.children > 0)
		return ZK_NOTEMPTY;
	if (owner_kind(x->p->config, node.s.stat.ephemeral_owner) == OWNER_SESSION)
		return ZK_BADVERSION;
	make_delete(x, path, &parent, &node);
	return ZK_OK;
}

/* ---- setData, setACL, check ---- */

static enum zk_error
find_node(struct prep_txn *x, struct slice path, struct node_view *v)
{
	return outstanding_view(&x->p->outstanding, path, v) ? ZK_OK : ZK_NONODE;
}

static enum zk_error
check_request(struct prep_txn *x, struct slice path)
{
	enum zk_error err = prep_check_session(x);

	if (err != ZK_OK)
		return err;
	return path_valid(path) ? ZK_OK : ZK_BADARGUMENTS;
}

static bool
decode_set_data(struct jute_reader *r, struct arena *a, union prep_record *q)
{
	return jute_read_set_data_request(r, a, &q->set_data);
}

void
prep_make_set_data(struct prep_txn *x, struct slice path, struct slice data, int32_t version,
		   const struct node_view *v)
{
	struct outstanding *o = &x->p->outstanding;
	struct jute_set_data_txn txn = { .path = path, .data = data, .version = version };
	struct change *c;

	jute_write_set_data_txn(x->out, &txn);
	c = outstanding_touch(o, v);
	c->now.data_len = (uint32_t)data.len;
	c->now.prefix = digest_prefix(v->key, data);
	c->now.stat.version = txn.version;
	c->now.stat.mtime = x->rq->wall_ms;
	c->now.stat.mzxid = x->zxid;
	outstanding_changed(o, c);
}

static enum zk_error
run_set_data(struct prep_txn *x, const union prep_record *record)
{
	const struct jute_set_data_request *q = &record->set_data;
	struct node_view v;
	enum zk_error err;

	if ((err = check_request(x, q->path)) != ZK_OK || (err = find_node(x, q->path, &v)) != ZK_OK ||
	    (err = prep_check_acl(x, &v, ZK_PERM_WRITE)) != ZK_OK)
		return err;
	err = quota_check(x->p->tree, v.key, (int64_t)q->data.len - v.s.data_len, 0);
	if (err != ZK_OK)
		return err;
	if (!version_matches(q->version, v.s.stat.version))
		return ZK_BADVERSION;
	prep_make_set_data(x, q->path, q->data, next_version(v.s.stat.version), &v);
	return ZK_OK;
}

static bool
decode_set_acl(struct jute_reader *r, struct arena *a, union prep_record *q)
{
	return jute_read_set_acl_request(r, a, &q->set_acl);
}

static void
make_set_acl(struct prep_txn *x, const struct jute_set_acl_request *q, const struct node_view *v)
{
	struct outstanding *o = &x->p->outstanding;
	int32_t aversion = next_version(v->s.stat.aversion);
	struct change *c;

	jute_write_string(x->out, q->path);
	buf_put_slice(x->out, buf_slice(&x->p->acl));
	jute_write_int(x->out, aversion);
	c = outstanding_touch(o, v);
	outstanding_set_acl(o, c, buf_slice(&x->p->acl));
	c->now.stat.aversion = aversion;
	outstanding_changed(o, c);
}

static enum zk_error
run_set_acl(struct prep_txn *x, const union prep_record *record)
{
	const struct jute_set_acl_request *q = &record->set_acl;
	struct node_view v;
	enum zk_error err = check_request(x, q->path);

	if (err != ZK_OK)
		return err;
	buf_truncate(&x->p->acl, 0);
	if ((err = acl_normalise(&q->acl, &x->rq->auth, &x->p->acl)) != ZK_OK ||
	    (err = find_node(x, q->path, &v)) != ZK_OK ||
	    (err = prep_check_acl(x, &v, ZK_PERM_ADMIN)) != ZK_OK)
		return err;
	if (!version_matches(q->version, v.s.stat.aversion))
		return ZK_BADVERSION;
	make_set_acl(x, q, &v);
	return ZK_OK;
}

static bool
decode_check(struct jute_reader *r, struct arena *a, union prep_record *q)
{
	return jute_read_check_version_request(r, a, &q->check) && q->check.path.data != NULL;
}

static enum zk_error
run_check(struct prep_txn *x, const union prep_record *record)
{
	const struct jute_check_version_request *q = &record->check;
	struct jute_check_version_txn txn = { .path = q->path };
	struct node_view v;
	enum zk_error err;

	/* Alone it would be logged as a write that writes nothing (ZOOKEEPER-2623, 4680). */
	if (!x->in_multi)
		return ZK_UNIMPLEMENTED;
	if ((err = check_request(x, q->path)) != ZK_OK || (err = find_node(x, q->path, &v)) != ZK_OK ||
	    (err = prep_check_acl(x, &v, ZK_PERM_READ)) != ZK_OK)
		return err;
	if (!version_matches(q->version, v.s.stat.version))
		return ZK_BADVERSION;
	txn.version = next_version(v.s.stat.version);
	jute_write_check_version_txn(x->out, &txn);
	return ZK_OK;
}

static const struct prep_op ops[] = {
	{ ZK_OP_CREATE, true, decode_create, run_create1, NULL },
	{ ZK_OP_CREATE2, true, decode_create, run_create2, NULL },
	{ ZK_OP_CREATE_CONTAINER, true, decode_create, run_create_container, NULL },
	{ ZK_OP_CREATE_TTL, true, decode_create_ttl, run_create_ttl, NULL },
	{ ZK_OP_DELETE, true, decode_delete, run_delete, NULL },
	{ ZK_OP_DELETE_CONTAINER, false, decode_delete_container, run_delete_container, NULL },
	{ ZK_OP_SET_DATA, true, decode_set_data, run_set_data, NULL },
	{ ZK_OP_SET_ACL, false, decode_set_acl, run_set_acl, NULL },
	{ ZK_OP_CHECK, true, decode_check, run_check, NULL },
	{ ZK_OP_RECONFIG, false, prep_decode_nothing, prep_run_reconfig, NULL },
	{ ZK_OP_CREATE_SESSION, false, prep_decode_session, prep_run_create_session,
	  prep_made_create_session },
	{ ZK_OP_CLOSE_SESSION, false, prep_decode_nothing, prep_run_close_session, prep_made_close_session },
};

const struct prep_op *
prep_op_find(int32_t type)
{
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
		if (ops[i].type == type)
			return &ops[i];
	return NULL;
}
