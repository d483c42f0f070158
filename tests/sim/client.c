/* See client.h. Invariant: replies come in the order of the requests of one connection, and none is missing. */
#include "client.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "jute/op.h"
#include "jute/records.h"
#include "jute/zk_error.h"
#include "judge.h"
#include "model.h"
#include "node.h"

enum {
	ANSWER_US = 3 * SECOND, /* to a connect request */
	CONNECT_US = SECOND,    /* to a dial */
	THINK_MIN_US = 20 * MS,
	THINK_MAX_US = 420 * MS,
	FOLDERS = 4,
	NAMES = 6,
	FRAME_HEAD = 4,
};

static struct client *
client_of(struct proc *p)
{
	return container_of(p, struct client, proc);
}

struct ask *
client_find_ask(struct sim *s, int64_t session, int32_t xid)
{
	for (int i = 0; i < s->nclients; i++) {
		struct client *c = s->clients[i];

		if (xid > 0 && xid <= c->nasks && c->asks[xid - 1]->session == session)
			return c->asks[xid - 1];
	}
	return NULL;
}

/* ---- Connections ---- */

static void
disconnect(struct client *c, const char *why)
{
	struct sim *s = c->proc.sim;

	if (c->conn == NULL)
		return;
	sim_trace(s, &c->proc, "disconnected", "session=0x%" PRIx64 " reason=\"%s\" unanswered=%d",
		  (uint64_t)c->session, why, c->nasks - c->answered);
	conn_close(c->conn, 0, rng_once_in(&s->net, 2));
	c->conn = NULL;
	c->connected = false;
	for (; c->answered < c->nasks; c->answered++)
		c->asks[c->answered]->lost = true;
	c->restoring = false;
	c->next_us = s->now_us + rng_range(&s->load, 1 * MS, 200 * MS);
}

static void
forget_session(struct client *c)
{
	c->session = 0;
	c->last_zxid = 0;
	c->nwatches = 0;
}

static void
say(struct client *c, struct buf *b)
{
	put_be32(b->data + b->off, (uint32_t)(buf_len(b) - FRAME_HEAD));
	conn_send(c->conn, 0, &c->proc, buf_slice(b), -1);
	buf_free(b);
	c->said_us = c->proc.sim->now_us;
}

static struct buf
begin(int32_t xid, int32_t op)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_put_be32(&b, 0);
	jute_write_request_header(&b, &(struct jute_request_header){ xid, op });
	return b;
}

static void
dial(struct client *c)
{
	struct sim *s = c->proc.sim;

	c->node = (int)rng_below(&s->load, (uint64_t)s->nnodes);
	net_dial(&c->dial, &c->proc, PLACE_CLIENTS, s->nodes[c->node], &s->nodes[c->node]->client_port);
	c->dialled_us = s->now_us;
	c->dial.conn->session = c->session;
	sim_trace(s, &c->proc, "dials", "node=%d session=0x%" PRIx64 " seen=0x%" PRIx64, c->node + 1,
		  (uint64_t)c->session, c->last_zxid);
}

static void
say_connect(struct client *c)
{
	struct jute_connect_request rq = {
		.last_zxid_seen = (int64_t)c->last_zxid,
		.time_out = c->timeout_ms,
		.session_id = c->session,
		.passwd = slice_of(c->password, PASSWORD_BYTES),
		.has_read_only = true,
	};
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_put_be32(&b, 0);
	jute_write_connect_request(&b, &rq);
	say(c, &b);
}

/* How the dial went. */
static void
look_at_dial(struct client *c)
{
	struct sim *s = c->proc.sim;

	if (c->dial.conn == NULL)
		return;
	switch (net_dialled(&c->dial, s)) {
	case DIAL_GOING:
		if (s->now_us - c->dialled_us < CONNECT_US)
			return;
		net_hang_up(&c->dial, false);
		break;
	case DIAL_UP:
		c->conn = c->dial.conn;
		c->dial.conn = NULL;
		say_connect(c);
		return;
	default:
		break;
	}
	c->next_us = s->now_us + rng_range(&s->load, 1 * MS, 200 * MS);
}

/* ---- Requests ---- */

static void
pick_path(struct client *c, char path[ASK_PATH])
{
	struct rng *r = &c->proc.sim->load;
	int folder = (int)rng_below(r, FOLDERS), name = (int)rng_below(r, NAMES);
	size_t n = 0;

	if (rng_once_in(r, 6))
		snprintf(path, ASK_PATH, "/%c", 'a' + folder);
	else if (rng_once_in(r, 12))
		snprintf(path, ASK_PATH, "/%c/%d/x", 'a' + folder, name);
	else
		snprintf(path, ASK_PATH, "/%c/%d", 'a' + folder, name);
	/* Now and then one of those that were made as sequential. */
	while (rng_once_in(r, 3) && model_each(c->proc.sim->model, n) != NULL)
		n = 1 + (size_t)rng_below(r, 400);
	if (n > 0 && model_each(c->proc.sim->model, n) != NULL)
		snprintf(path, ASK_PATH, "%s", model_each(c->proc.sim->model, n)->path);
}

static void
fill_write(struct client *c, struct ask_op *op, const struct ask *a, int part)
{
	struct rng *r = &c->proc.sim->load;
	static const int32_t types[] = { ZK_OP_CREATE, ZK_OP_CREATE, ZK_OP_SET_DATA, ZK_OP_SET_DATA,
					 ZK_OP_DELETE };

	op->type = types[rng_below(r, sizeof types / sizeof *types)];
	op->version = rng_once_in(r, 3) ? (int32_t)rng_below(r, 3) : -1;
	pick_path(c, op->path);
	snprintf(op->data, sizeof op->data, "c%d.x%d.%d", c->number, a->xid, part);
	if (op->type == ZK_OP_CREATE) {
		op->flags = (int32_t)rng_below(r, 4);
		/* Folders stay folders. */
		if (strchr(op->path + 1, '/') == NULL)
			op->flags = rng_once_in(r, 3) ? 0 : op->flags & ZK_CREATE_PERSISTENT_SEQUENTIAL;
		else if (rng_once_in(r, 6))
			op->flags = (int32_t)rng_range(r, ZK_CREATE_CONTAINER, ZK_CREATE_SEQUENTIAL_TTL);
		if (op->flags >= ZK_CREATE_CONTAINER)
			op->type =
			    op->flags == ZK_CREATE_CONTAINER ? ZK_OP_CREATE_CONTAINER : ZK_OP_CREATE_TTL;
		if (ask_is_sequential(op->flags))
			snprintf(op->path, sizeof op->path, "/%c/q", 'a' + (int)rng_below(r, FOLDERS));
	}
}

static void
fill_ask(struct client *c, struct ask *a)
{
	struct rng *r = &c->proc.sim->load;
	static const int32_t reads[] = { ZK_OP_GET_DATA, ZK_OP_EXISTS, ZK_OP_GET_CHILDREN2 };

	switch (rng_below(r, 100)) {
	case 0:
		a->op.type = ZK_OP_CLOSE_SESSION;
		return;
	case 1 ... 2:
		a->op.type = ZK_OP_SYNC;
		pick_path(c, a->op.path);
		return;
	case 3:
		/* The stories were recorded without them. */
		if (c->proc.sim->story == NULL) {
			a->op.type = ZK_OP_ADD_WATCH;
			a->op.flags =
			    rng_once_in(r, 2) ? ZK_ADD_WATCH_PERSISTENT : ZK_ADD_WATCH_PERSISTENT_RECURSIVE;
			pick_path(c, a->op.path);
			return;
		}
		__attribute__((fallthrough));
	case 4 ... 11:
		a->op.type = ZK_OP_MULTI;
		a->nparts = (int)rng_range(r, 1, ASK_OPS);
		for (int i = 0; i < a->nparts; i++) {
			fill_write(c, &a->parts[i], a, i);
			if (rng_once_in(r, 5))
				a->parts[i].type = ZK_OP_CHECK;
		}
		return;
	case 12 ... 55:
		a->op.type = reads[rng_below(r, 3)];
		a->op.watch = c->nwatches < WATCHES_MAX / 2 && rng_once_in(r, 2);
		pick_path(c, a->op.path);
		return;
	default:
		fill_write(c, &a->op, a, 0);
	}
}

static void
put_op(struct buf *b, const struct ask_op *op)
{
	static struct jute_acl open_acl = { ZK_PERM_ALL, { SLICE_LIT("world"), SLICE_LIT("anyone") } };
	struct slice path = slice_str(op->path), data = slice_str(op->data);

	if (op->type == ZK_OP_CREATE_TTL)
		jute_write_create_ttl_request(b, &(struct jute_create_ttl_request){
						     path, data, { &open_acl, 1 }, op->flags, ASK_TTL_MS });
	else if (ask_creates(op->type))
		jute_write_create_request(
		    b, &(struct jute_create_request){ path, data, { &open_acl, 1 }, op->flags });
	else if (op->type == ZK_OP_SET_DATA)
		jute_write_set_data_request(b, &(struct jute_set_data_request){ path, data, op->version });
	else if (op->type == ZK_OP_DELETE || op->type == ZK_OP_CHECK)
		jute_write_delete_request(b, &(struct jute_delete_request){ path, op->version });
	else if (op->type == ZK_OP_SYNC)
		jute_write_string(b, path);
	else if (op->type == ZK_OP_ADD_WATCH) {
		jute_write_string(b, path);
		buf_put_be32(b, (uint32_t)op->flags);
	} else if (op->type != ZK_OP_CLOSE_SESSION) {
		jute_write_string(b, path);
		jute_write_bool(b, op->watch);
	}
}

static void
send_ask(struct client *c, const struct ask *a)
{
	struct buf b = begin(a->xid, a->op.type);

	for (int i = 0; i < a->nparts; i++) {
		jute_write_multi_header(&b, &(struct jute_multi_header){ a->parts[i].type, false, -1 });
		put_op(&b, &a->parts[i]);
	}
	if (a->op.type == ZK_OP_MULTI)
		jute_write_multi_header(&b, &(struct jute_multi_header){ -1, true, -1 });
	else
		put_op(&b, &a->op);
	say(c, &b);
}

static void
ask(struct client *c)
{
	struct sim *s = c->proc.sim;
	struct ask *a = mem_zalloc(1, sizeof *a);

	if (c->nasks == c->asks_cap) {
		c->asks_cap = c->asks_cap == 0 ? 64 : c->asks_cap * 2;
		c->asks = mem_realloc(c->asks, (size_t)c->asks_cap * sizeof(struct ask *));
	}
	c->asks[c->nasks++] = a;
	a->xid = c->nasks;
	a->session = c->session;
	a->sent_us = s->now_us;
	a->acked_then = s->acked;
	a->sent = true;
	fill_ask(c, a);
	s->counts.calls++;
	sim_trace(s, &c->proc, "asks", "xid=%d op=%s path=%s version=%d flags=%d watch=%d parts=%d", a->xid,
		  zk_op_name(a->op.type), a->op.path, a->op.version, a->op.flags, a->op.watch, a->nparts);
	send_ask(c, a);
}

/* ---- What it hears ---- */

static void
hear_event(struct client *c, const struct jute_reply_header *h, struct jute_reader *r)
{
	struct jute_watcher_event e;

	if (jute_read_watcher_event(r, NULL, &e))
		watches_hear(c, &e, h->zxid);
	else
		sim_fail(c->proc.sim, "%s: a malformed event", c->proc.name);
}

static void
hear_reply(struct client *c, const struct jute_reply_header *h, struct jute_reader *r)
{
	struct sim *s = c->proc.sim;
	struct ask *a;

	if (h->xid != c->answered + 1 || h->xid > c->nasks) {
		sim_fail(s, "%s: reply %d comes where %d is due", c->proc.name, h->xid, c->answered + 1);
		return;
	}
	a = c->asks[c->answered++];
	a->answered = true;
	s->counts.answers++;
	c->worked++;
	sim_trace(s, &c->proc, "answer", "xid=%d zxid=0x%" PRIx64 " err=%d", h->xid, h->zxid, h->err);
	judge_reply(c, a, h, r);
	if (a->op.type == ZK_OP_CLOSE_SESSION) {
		disconnect(c, "closed its session");
		forget_session(c);
	}
}

/* Whether it has asked for the end of its session, and was cut off before the answer: that may come about any time. */
static bool
has_asked_to_close(const struct client *c)
{
	for (int i = c->nasks; i > 0 && c->asks[i - 1]->session == c->session; i--)
		if (c->asks[i - 1]->op.type == ZK_OP_CLOSE_SESSION)
			return true;
	return false;
}

static void
restore_watches(struct client *c)
{
	struct buf b = begin(ZK_XID_SET_WATCHES, ZK_OP_SET_WATCHES2);

	c->restoring = true;
	watches_put(c, &b);
	say(c, &b);
}

/*
 * A server that still follows a leader of the past does not know a younger session, and says what ZooKeeper says of
 * one that it does not know. A client that has heard of a zxid is turned away instead (lastZxidSeen); this one never
 * had a reply.
 */
static bool
is_a_stranger(const struct client *c)
{
	const struct sim *s = c->proc.sim;

	return c->last_zxid == 0 && model_is_unheard_of(s->model, s->nodes[c->node], c->session);
}

static void
hear_connected(struct client *c, struct jute_reader *r)
{
	struct sim *s = c->proc.sim;
	struct jute_connect_response h;

	if (!jute_read_connect_response(r, NULL, &h) || h.passwd.len != PASSWORD_BYTES) {
		sim_fail(s, "%s: a malformed connect response", c->proc.name);
		return;
	}
	sim_trace(s, &c->proc, "connected", "session=0x%" PRIx64 " timeout_ms=%d", (uint64_t)h.session_id,
		  h.time_out);
	if (h.session_id == 0) {
		if (!has_asked_to_close(c) && !model_may_be_over(s->model, c->session) && !is_a_stranger(c))
			sim_fail(s, "%s: session 0x%" PRIx64 " is said to be over", c->proc.name,
				 (uint64_t)c->session);
		if (s->quiet && c->calm && !has_asked_to_close(c))
			sim_fail(s, "%s: session 0x%" PRIx64 " has expired in a calm", c->proc.name,
				 (uint64_t)c->session);
		forget_session(c);
		disconnect(c, "session expired");
		return;
	}
	if (c->session != 0 && h.session_id != c->session)
		sim_fail(s, "%s: another session", c->proc.name);
	if (!model_was_created(s->model, h.session_id))
		sim_fail(s, "%s: session 0x%" PRIx64 " is not committed", c->proc.name,
			 (uint64_t)h.session_id);
	c->connected = true;
	c->session = c->conn->session = h.session_id;
	memcpy(c->password, h.passwd.data, PASSWORD_BYTES);
	if (c->nwatches > 0)
		restore_watches(c);
}

static void
hear(struct client *c, struct slice frame)
{
	struct jute_reply_header h;
	struct jute_reader r;

	jute_reader_init(&r, frame, UINT32_MAX);
	c->heard_us = c->proc.sim->now_us;
	if (!c->connected) {
		hear_connected(c, &r);
		return;
	}
	if (!jute_read_reply_header(&r, NULL, &h)) {
		sim_fail(c->proc.sim, "%s: a malformed reply", c->proc.name);
		return;
	}
	if (h.xid == ZK_XID_NOTIFICATION)
		hear_event(c, &h, &r);
	else if (h.xid == ZK_XID_SET_WATCHES)
		watches_restored(c, h.zxid);
	else if (h.xid != ZK_XID_PING)
		hear_reply(c, &h, &r);
}

static void
listen(struct client *c)
{
	while (c->conn != NULL && !c->proc.sim->failed) {
		struct slice in = conn_arrived(c->conn, 0);
		struct conn *conn = c->conn;
		uint32_t len;

		if (in.len < FRAME_HEAD || in.len - FRAME_HEAD < (len = get_be32(in.data)))
			break;
		hear(c, slice_of(in.data + FRAME_HEAD, len));
		if (c->conn == conn)
			conn_consume(conn, 0, FRAME_HEAD + len);
	}
	if (c->conn != NULL && !conn_open(c->conn, 0))
		disconnect(c, "the server hung up");
}

/* ---- Life ---- */

/* Goes away without a word: its session has to die alone, if it does not come back. */
static void
leave(struct client *c)
{
	struct sim *s = c->proc.sim;
	uint64_t gone_us = rng_range(&s->load, 100 * MS, 20 * SECOND);

	disconnect(c, "leaves");
	c->next_us = s->now_us + gone_us;
	if (rng_once_in(&s->load, 3))
		forget_session(c);
}

static void
do_something(struct client *c)
{
	struct sim *s = c->proc.sim;
	uint64_t n = rng_range(&s->load, 1, 4);

	c->next_us = s->now_us + rng_range(&s->load, THINK_MIN_US, s->think * THINK_MAX_US);
	if (s->quiet)
		return;
	if (!s->healing && rng_once_in(&s->load, 150)) {
		leave(c);
		return;
	}
	while (n-- > 0 && c->nasks - c->answered < PIPELINE_MAX &&
	       (c->nasks == c->answered || c->asks[c->nasks - 1]->op.type != ZK_OP_CLOSE_SESSION))
		ask(c);
}

static void
keep_alive(struct client *c)
{
	struct sim *s = c->proc.sim;
	uint64_t timeout_us = (uint64_t)c->timeout_ms * MS;
	struct buf b;

	if (!c->connected && s->now_us - c->dialled_us >= ANSWER_US) {
		disconnect(c, "no answer to the connect request");
	} else if (c->connected && s->now_us - c->heard_us >= timeout_us * 2 / 3) {
		disconnect(c, "no answer to a ping");
	} else if (c->connected && s->now_us - c->said_us >= timeout_us / 3) {
		b = begin(ZK_XID_PING, ZK_OP_PING);
		say(c, &b);
	}
}

static uint64_t
client_turn(struct proc *p)
{
	struct client *c = client_of(p);
	struct sim *s = p->sim;
	uint64_t due;

	look_at_dial(c);
	listen(c);
	if (c->conn == NULL && c->dial.conn == NULL && c->next_us <= s->now_us)
		dial(c);
	if (c->conn != NULL)
		keep_alive(c);
	if (c->connected && c->next_us <= s->now_us)
		do_something(c);
	if (c->dial.conn != NULL)
		return c->dial.known_us < c->dialled_us + CONNECT_US ? c->dial.known_us
								     : c->dialled_us + CONNECT_US;
	if (c->conn == NULL)
		return c->next_us;
	due = c->connected ? c->said_us + (uint64_t)c->timeout_ms * MS / 3 : c->dialled_us + ANSWER_US;
	return c->connected && c->next_us < due ? c->next_us : due;
}

static void
client_start(struct proc *p)
{
	struct client *c = client_of(p);

	c->next_us = p->sim->now_us + rng_below(&p->sim->load, 500 * MS);
}

static void
client_die(struct proc *p)
{
	net_hang_up(&client_of(p)->dial, true);
	disconnect(client_of(p), "end of the simulation");
}

static const struct proc_ops client_ops = { client_start, client_turn, client_die };

struct client *
client_new(struct sim *s, int number)
{
	struct client *c = mem_zalloc(1, sizeof *c);
	char name[24];

	c->number = number;
	c->timeout_ms = (int32_t)rng_range(&s->load, 4, 12) * 1000;
	snprintf(name, sizeof name, "c%d", number);
	proc_init(&c->proc, s, NULL, PROC_CLIENT, &client_ops, name);
	return c;
}

void
client_free(struct client *c)
{
	proc_kill(&c->proc);
	for (int i = 0; i < c->nasks; i++)
		mem_free(c->asks[i]);
	mem_free(c->asks);
	mem_free(c);
}
