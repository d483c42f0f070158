/*
 * The operations that need no txn: reads, watches, auth. Each leaves a watch as ZooKeeper does: after success, and
 * for exists also on a node that is not there (ZooKeeper: FinalRequestProcessor, DataTree).
 */
#include "front_int.h"

#include "base/assert.h"
#include "base/mem.h"

/* ---- Reads of the tree ---- */

static enum zk_error
read_tree(struct front *f, struct front_conn *c, const struct request *rq, tree_read_fn *fn, unsigned mode)
{
	struct tree_read read = { 0 };
	enum zk_error err = fn(f->tree, &c->auth, c->session, rq->body, &read, &c->out);

	if (read.watch && mode != 0 && (err == ZK_OK || (fn == tree_read_exists && err == ZK_NONODE)))
		watch_add(f->watches, &c->watcher, read.path, mode);
	return err;
}

#define READ_OP(name, fn, mode)                                                                              \
	enum zk_error op_##name(struct front *f, struct front_conn *c, const struct request *rq)             \
	{                                                                                                    \
		return read_tree(f, c, rq, fn, mode);                                                        \
	}
READ_OP(exists, tree_read_exists, WATCH_DATA)
READ_OP(get_data, tree_read_data, WATCH_DATA)
READ_OP(get_acl, tree_read_acl, 0)
READ_OP(get_children, tree_read_children, WATCH_CHILD)
READ_OP(get_children2, tree_read_children2, WATCH_CHILD)
READ_OP(get_all_children_number, tree_read_all_children_number, 0)
READ_OP(get_ephemerals, tree_read_ephemerals, 0)
READ_OP(multi_read, tree_read_multi, 0)
READ_OP(who_am_i, tree_read_who_am_i, 0)

enum zk_error
op_ping(struct front *f, struct front_conn *c, const struct request *rq)
{
	(void)f;
	(void)c;
	(void)rq;
	return ZK_OK;
}

enum zk_error
op_sync(struct front *f, struct front_conn *c, const struct request *rq)
{
	struct jute_sync_request sync;
	struct jute_reader r;

	jute_reader_init(&r, rq->body, UINT32_MAX);
	if (!jute_read_sync_request(&r, &f->arena, &sync))
		return ZK_MARSHALLINGERROR;
	jute_write_string(&c->out, sync.path);
	return ZK_OK;
}

/* ---- Watches ---- */

void
notify(struct front *f, struct front_conn *c, uint64_t zxid, enum zk_event event, struct slice path)
{
	struct jute_watcher_event e = { event, ZK_STATE_SYNC_CONNECTED, path };
	struct jute_reply_header header = { ZK_XID_NOTIFICATION, zxid, ZK_OK };

	if (c->state != CONN_OPEN)
		return;
	jute_write_int(&c->out, (int32_t)(16 + 12 + path.len));
	metrics_response(&f->metrics, 16 + 12 + path.len);
	f->metrics.watch_bytes += 16 + 12 + path.len;
	jute_write_reply_header(&c->out, &header);
	jute_write_watcher_event(&c->out, &e);
	c->stats.sent++;
	f->stats.sent++;
	conn_written(f, c);
}

/* What became of a path since a client last heard of it: an event, or 0 and the watch is left again. */
typedef int32_t catch_up(bool there, const struct jute_stat *st, int64_t since);

static int32_t
missed_data(bool there, const struct jute_stat *st, int64_t since)
{
	if (!there)
		return ZK_EVENT_DELETED;
	return (int64_t)st->mzxid > since ? ZK_EVENT_DATA_CHANGED : 0;
}

static int32_t
missed_creation(bool there, const struct jute_stat *st, int64_t since)
{
	(void)st;
	(void)since;
	return there ? ZK_EVENT_CREATED : 0;
}

static int32_t
missed_children(bool there, const struct jute_stat *st, int64_t since)
{
	if (!there)
		return ZK_EVENT_DELETED;
	return (int64_t)st->pzxid > since ? ZK_EVENT_CHILDREN_CHANGED : 0;
}

static int32_t
missed_nothing(bool there, const struct jute_stat *st, int64_t since)
{
	(void)there;
	(void)st;
	(void)since;
	return 0;
}

static void
restore(struct front *f, struct front_conn *c, const struct jute_string_vec *paths, unsigned mode,
	catch_up *missed, int64_t since)
{
	for (int32_t i = 0; i < paths->n; i++) {
		struct jute_stat st = { 0 };
		bool there = tree_stat(f->tree, paths->v[i], &st);
		int32_t event = missed(there, &st, since);

		if (event != 0)
			notify(f, c, UINT64_MAX, (enum zk_event)event, paths->v[i]);
		else
			watch_add(f->watches, &c->watcher, paths->v[i], mode);
	}
}

static void
reply_plain(struct front *f, struct front_conn *c, const struct request *rq, enum zk_error err)
{
	if (c->state == CONN_OPEN)
		reply_error(f, c, rq, front_shown_zxid(f), err);
}

static void
restore_one_shot(struct front *f, struct front_conn *c, const struct jute_set_watches *w)
{
	restore(f, c, &w->data_watches, WATCH_DATA, missed_data, w->relative_zxid);
	restore(f, c, &w->exist_watches, WATCH_DATA, missed_creation, w->relative_zxid);
	restore(f, c, &w->child_watches, WATCH_CHILD, missed_children, w->relative_zxid);
}

/* A null path cannot be watched; Java answers a marshalling error too. */
static bool
have_paths(const struct jute_string_vec *paths)
{
	for (int32_t i = 0; i < paths->n; i++)
		if (paths->v[i].data == NULL)
			return false;
	return true;
}

enum zk_error
op_set_watches(struct front *f, struct front_conn *c, const struct request *rq)
{
	struct jute_set_watches w;
	struct jute_reader r;
	enum zk_error err = ZK_MARSHALLINGERROR;

	jute_reader_init(&r, rq->body, UINT32_MAX);
	if (jute_read_set_watches(&r, &f->arena, &w) && have_paths(&w.data_watches) &&
	    have_paths(&w.exist_watches) && have_paths(&w.child_watches)) {
		restore_one_shot(f, c, &w);
		err = ZK_OK;
	}
	reply_plain(f, c, rq, err);
	return err;
}

enum zk_error
op_set_watches2(struct front *f, struct front_conn *c, const struct request *rq)
{
	struct jute_set_watches2 w;
	struct jute_reader r;
	enum zk_error err = ZK_MARSHALLINGERROR;

	jute_reader_init(&r, rq->body, UINT32_MAX);
	if (jute_read_set_watches2(&r, &f->arena, &w) && have_paths(&w.data_watches) &&
	    have_paths(&w.exist_watches) && have_paths(&w.child_watches) &&
	    have_paths(&w.persistent_watches) && have_paths(&w.persistent_recursive_watches)) {
		restore_one_shot(f, c,
				 &(struct jute_set_watches){ w.relative_zxid, w.data_watches, w.exist_watches,
							     w.child_watches });
		restore(f, c, &w.persistent_watches, WATCH_PERSISTENT, missed_nothing, 0);
		restore(f, c, &w.persistent_recursive_watches, WATCH_RECURSIVE, missed_nothing, 0);
		err = ZK_OK;
	}
	reply_plain(f, c, rq, err);
	return err;
}

enum zk_error
op_add_watch(struct front *f, struct front_conn *c, const struct request *rq)
{
	static const unsigned modes[] = {
		[ZK_ADD_WATCH_PERSISTENT] = WATCH_PERSISTENT,
		[ZK_ADD_WATCH_PERSISTENT_RECURSIVE] = WATCH_RECURSIVE,
	};
	struct jute_add_watch_request add;
	struct jute_reader r;

	jute_reader_init(&r, rq->body, UINT32_MAX);
	if (!jute_read_add_watch_request(&r, &f->arena, &add) || add.path.data == NULL || add.mode < 0 ||
	    (size_t)add.mode >= sizeof modes / sizeof modes[0])
		return ZK_MARSHALLINGERROR;
	watch_add(f->watches, &c->watcher, add.path, modes[add.mode]);
	jute_write_int(&c->out, ZK_OK);
	return ZK_OK;
}

/* The modes that checkWatches and removeWatches mean; 0 for a type that is none. */
static unsigned
modes_of_type(int32_t type)
{
	static const unsigned modes[] = {
		[ZK_WATCHER_CHILDREN] = WATCH_CHILD,
		[ZK_WATCHER_DATA] = WATCH_DATA,
		[ZK_WATCHER_ANY] = WATCH_ALL_MODES,
		[ZK_WATCHER_PERSISTENT] = WATCH_PERSISTENT,
		[ZK_WATCHER_PERSISTENT_RECURSIVE] = WATCH_RECURSIVE,
	};

	return type < 0 || (size_t)type >= sizeof modes / sizeof modes[0] ? 0 : modes[type];
}

enum zk_error
op_check_watches(struct front *f, struct front_conn *c, const struct request *rq)
{
	struct jute_check_watches_request check;
	struct jute_reader r;
	unsigned modes;

	jute_reader_init(&r, rq->body, UINT32_MAX);
	if (!jute_read_check_watches_request(&r, &f->arena, &check) ||
	    (modes = modes_of_type(check.type)) == 0)
		return ZK_MARSHALLINGERROR;
	return watch_modes(f->watches, &c->watcher, check.path) & modes ? ZK_OK : ZK_NOWATCHER;
}

enum zk_error
op_remove_watches(struct front *f, struct front_conn *c, const struct request *rq)
{
	struct jute_remove_watches_request remove;
	struct jute_reader r;
	unsigned modes;

	jute_reader_init(&r, rq->body, UINT32_MAX);
	if (!jute_read_remove_watches_request(&r, &f->arena, &remove) ||
	    (modes = modes_of_type(remove.type)) == 0)
		return ZK_MARSHALLINGERROR;
	return watch_remove(f->watches, &c->watcher, remove.path, modes) ? ZK_OK : ZK_NOWATCHER;
}

/* ---- Auth ---- */

static bool
has_id(const struct auth *auth, const struct jute_id *id)
{
	for (int32_t i = 0; i < auth->n; i++)
		if (slice_equal(auth->ids[i].scheme, id->scheme) && slice_equal(auth->ids[i].id, id->id))
			return true;
	return false;
}

static struct slice
keep(struct slice s)
{
	return slice_of(mem_strndup(s.data, s.len), s.len);
}

static bool
add_id(struct front_conn *c, const struct jute_id *id)
{
	struct jute_id *ids;

	if (has_id(&c->auth, id))
		return true;
	if (c->auth.n >= AUTH_IDS_MAX)
		return false;
	ids = mem_realloc(c->ids, (size_t)(c->auth.n + 1) * sizeof *ids);
	if (c->ids == NULL)
		ids[0] = c->ip;
	c->auth.ids = c->ids = ids;
	ids[c->auth.n++] = (struct jute_id){ .scheme = keep(id->scheme), .id = keep(id->id) };
	return true;
}

static enum zk_error
authenticate(struct front *f, struct front_conn *c, const struct request *rq)
{
	struct jute_id ids[AUTH_IDS_PER_PACKET];
	struct jute_auth_packet packet;
	struct jute_reader r;
	int32_t n = 0;
	enum zk_error err;

	jute_reader_init(&r, rq->body, UINT32_MAX);
	if (!jute_read_auth_packet(&r, &f->arena, &packet))
		return ZK_AUTHFAILED;
	err = auth_packet(&f->config.tree.acl, packet.scheme, packet.auth, &f->arena, ids, &n);
	for (int32_t i = 0; err == ZK_OK && i < n; i++)
		if (!add_id(c, &ids[i]))
			err = ZK_AUTHFAILED;
	return err;
}

void
op_auth(struct front *f, struct front_conn *c, const struct request *rq)
{
	enum zk_error err = authenticate(f, c, rq);

	reply_error(f, c, rq, 0, err);
	if (err == ZK_OK)
		return;
	trace(f->trace, TRACE_WARNING, "front", "authentication failed", "peer=%s:%u session=0x%llx",
	      c->peer.text, c->peer.port, (unsigned long long)c->session);
	conn_finish(f, c);
}

/* SASL is not configured: ZooKeeper then answers with a null token. */
void
op_sasl(struct front *f, struct front_conn *c, const struct request *rq)
{
	size_t begun = reply_begin(c, rq->xid, 0);

	jute_write_buffer(&c->out, SLICE_NULL);
	reply_end(f, c, begun, rq, ZK_OK);
}
