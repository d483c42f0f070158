/* clientd's shell in the simulation: see clientd/main.c, star.c and clients.c. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "clientd/front_int.h"
#include "ipc/msg.h"
#include "model.h"
#include "node.h"

enum {
	TICK_MS = 2000,
	FAST = 4 /* EARLY_EXPIRY */,
	SLICE_PAUSE_US = 20,
	EVENT_XID = -1,
	SOCKET = 64 << 10,
	SMALL_SOCKET = 500,
	FULL_US = 500
};

static struct clientd *
clientd_of(struct proc *p)
{
	return container_of(p, struct clientd, proc);
}

static uint64_t
speed(const struct clientd *d)
{
	return d->proc.sim->mutation == MUTATE_EARLY_EXPIRY ? FAST : 1;
}

static struct front_event
event(const struct clientd *d, enum front_event_type type)
{
	return (struct front_event){
		.type = type,
		.now_ms = node_now_ms(d->proc.node) * speed(d),
		.wall_ms = sim_wall_ms(d->proc.sim),
	};
}

static void
step(struct clientd *d, enum front_event_type type, struct guest *g, size_t count)
{
	struct front_event e = event(d, type);

	e.conn = g == NULL ? NULL : g->handle;
	e.count = count;
	front_step(d->front, &e);
}

static void do_write(struct clientd *d, const struct front_action *a);

/* ---- Clients ---- */

static void
accept_guests(struct clientd *d)
{
	static const struct front_peer peer = {
		.address = { 10, 0, 0, 1 }, .address_len = 4, .port = 1, .text = "10.0.0.1"
	};
	struct conn *c;

	while ((c = listener_accept(&d->proc.node->client_port)) != NULL) {
		struct front_event e = event(d, FRONT_OPENED);
		struct guest *g = heap_world_zalloc(1, sizeof *g);

		g->clientd = d;
		g->conn = c;
		g->socket = rng_once_in(&d->proc.sim->net, 8) ? SMALL_SOCKET : SOCKET;
		buf_init(&g->held, 1 << 20);
		list_append(&d->guests, &g->link);
		conn_own(c, 1, &d->proc);
		e.owner = g;
		e.peer = &peer;
		front_step(d->front, &e);
	}
}

/* Whether the bytes end a frame: half of one is no sign of life. */
static bool
ends_frame(struct guest *g, struct slice in)
{
	bool ended = false;

	for (size_t i = 0; i < in.len;) {
		size_t n = in.len - i < g->left ? in.len - i : g->left;

		if (g->left == 0) {
			g->head[g->nhead++] = in.data[i++];
			if (g->nhead == sizeof g->head) {
				g->left = get_be32(g->head);
				g->nhead = 0;
			}
			continue;
		}
		i += n;
		g->left -= (uint32_t)n;
		ended |= g->left == 0;
	}
	return ended;
}

static void
read_guest(struct clientd *d, struct guest *g)
{
	struct slice in = conn_arrived(g->conn, 1);
	struct front_event e = event(d, FRONT_INPUT);

	if (in.len > FRONT_READ_MAX)
		in.len = FRONT_READ_MAX;
	if (in.len > 0) {
		e.conn = g->handle;
		e.bytes = in;
		front_step(d->front, &e);
		if (ends_frame(g, in))
			model_heard(d->proc.sim->model, d->proc.node, g->conn->session);
		conn_consume(g->conn, 1, in.len);
	}
	if (!conn_open(g->conn, 1) && !g->told) {
		g->told = true;
		step(d, FRONT_HANGUP, g, 1);
	}
}

static void
read_guests(struct clientd *d)
{
	list_for_each_safe (e, &d->guests) {
		struct guest *g = container_of(e, struct guest, link);

		if (g->handle != NULL && g->full)
			do_write(d, &(struct front_action){ .type = FRONT_WRITE, .owner = g });
		if (g->handle != NULL && g->reads)
			read_guest(d, g);
	}
}

static void
drop_guest(struct guest *g, bool crash)
{
	list_remove(&g->link);
	conn_close(g->conn, 1, crash);
	buf_free(&g->held);
	mem_free(g);
}

static void
do_adopt(struct clientd *d, const struct front_action *a)
{
	struct guest *g = a->owner;

	g->handle = a->conn;
	g->reads = true;
	proc_wake(&d->proc, d->proc.sim->now_us);
}

/* The planted bugs of the way back to the client. One frame is looked at. */
static void
send_mutated(struct guest *g, struct slice frame)
{
	struct sim *s = g->clientd->proc.sim;
	int32_t xid = (int32_t)get_be32(frame.data + 4);
	bool told = xid == EVENT_XID;
	bool hold = (s->mutation == MUTATE_WATCH_AFTER_REPLY && told) ||
		    (xid > 0 && buf_len(&g->held) == 0 && sim_mutates(s, MUTATE_SWAP_REPLIES, 100));

	if ((told && sim_mutates(s, MUTATE_LOST_EVENT, 20)) ||
	    (xid > 0 && sim_mutates(s, MUTATE_LOST_REPLY, 100)))
		return;
	if (hold) {
		buf_put_slice(&g->held, frame);
		return;
	}
	conn_send(g->conn, 1, &g->clientd->proc, frame, -1);
	if (buf_len(&g->held) > 0 && xid > 0) {
		conn_send(g->conn, 1, &g->clientd->proc, buf_slice(&g->held), -1);
		buf_reset(&g->held, SIZE_MAX);
	}
}

/* What the socket takes; the rest is tried again. */
static size_t
what_fits(struct guest *g, size_t len)
{
	size_t unread = conn_unread(g->conn, 1), room = unread < g->socket ? g->socket - unread : 0;

	g->full = len > room;
	if (!g->full)
		return len;
	proc_wake(&g->clientd->proc, g->clientd->proc.sim->now_us + FULL_US);
	return room;
}

static void
do_write(struct clientd *d, const struct front_action *a)
{
	struct guest *g = a->owner;
	struct slice out = front_output(g->handle);
	size_t at = 0;

	if (out.len == 0)
		return;
	if (d->proc.sim->mutation == MUTATE_NOTHING) {
		at = what_fits(g, out.len);
		if (at > 0)
			conn_send(g->conn, 1, &d->proc, slice_of(out.data, at), -1);
		out.len = at;
	}
	while (out.len - at >= 8) {
		size_t n = 4 + get_be32(out.data + at);

		send_mutated(g, slice_of(out.data + at, n));
		at += n;
	}
	if (at > 0)
		step(d, FRONT_WROTE, g, out.len);
}

static void
do_read(struct clientd *d, const struct front_action *a)
{
	((struct guest *)a->owner)->reads = a->on;
	proc_wake(&d->proc, d->proc.sim->now_us);
}

static void
do_close(struct clientd *d, const struct front_action *a)
{
	(void)d;
	drop_guest(a->owner, false);
}

/* ---- The star ---- */

/* What is proposed is looked at before it leaves: whether a session is closed that was heard of lately. */
static void
do_send(struct clientd *d, const struct front_action *a)
{
	struct buf *out = front_link(d->front);
	struct slice all = buf_slice(out);
	struct frame f;
	int64_t n;

	(void)a;
	for (size_t at = 0; (n = frame_parse(slice_of(all.data + at, all.len - at), &f)) > 0; at += (size_t)n)
		if (f.type == MSG_PROPOSE)
			model_proposed(d->proc.sim->model, d->proc.node, f.body);
	star_send_bytes(&d->syncd, all);
	buf_consume(out, all.len);
}

static void
do_drop_link(struct clientd *d, const struct front_action *a)
{
	star_drop(&d->syncd, a->why);
}

static void
do_write_snapshot(struct clientd *d, const struct front_action *a)
{
	(void)a;
	d->slice_due = true;
	proc_wake(&d->proc, d->proc.sim->now_us + SLICE_PAUSE_US);
}

static void
close_channel(struct conn **c, bool crash)
{
	if (*c != NULL)
		conn_close(*c, 0, crash);
	*c = NULL;
}

static void
do_close_snapshot(struct clientd *d, const struct front_action *a)
{
	(void)a;
	close_channel(&d->snapshot, false);
}

static void
do_close_load(struct clientd *d, const struct front_action *a)
{
	(void)a;
	close_channel(&d->load, false);
}

static void
write_slice(struct clientd *d)
{
	struct slice out = front_snapshot_output(d->front);

	d->slice_due = false;
	if (d->snapshot == NULL)
		return;
	if (conn_reset(d->snapshot, 0)) {
		close_channel(&d->snapshot, false);
		step(d, FRONT_SNAPSHOT_CLOSED, NULL, 0);
		return;
	}
	if (out.len > 0)
		conn_send(d->snapshot, 0, &d->proc, out, -1);
	step(d, FRONT_SNAPSHOT_WROTE, NULL, out.len);
}

static void
read_load(struct clientd *d)
{
	struct front_event e = event(d, FRONT_BULK);
	int64_t n;

	while (d->load != NULL && (n = frame_parse(conn_arrived(d->load, 0), &e.frame)) > 0) {
		front_step(d->front, &e);
		conn_consume(d->load, 0, (size_t)n);
	}
	if (d->load == NULL || conn_open(d->load, 0))
		return;
	close_channel(&d->load, false);
	step(d, FRONT_BULK_CLOSED, NULL, 0);
}

static void
take_load(struct clientd *d, const struct frame *f, struct conn *c)
{
	struct front_event e = event(d, FRONT_FRAME);

	close_channel(&d->load, false);
	d->load = c;
	conn_own(c, 0, &d->proc);
	e.frame = *f;
	front_step(d->front, &e);
}

static void
take_snapshot(struct clientd *d, struct conn *c)
{
	/* star.c: on_snapshot */
	close_channel(&d->snapshot, false);
	d->snapshot = c;
	step(d, FRONT_SNAPSHOT_CLOSED, NULL, 0);
	step(d, FRONT_SNAPSHOT_OPENED, NULL, 0);
}

/* What a learner has heard of counts when the leader's clientd is told. */
static void
note_sessions(struct clientd *d, const struct frame *f)
{
	struct model *m = d->proc.sim->model;
	size_t at = f->type == MSG_REVALIDATE ? 8 : 0;

	for (; (f->type == MSG_TOUCH || f->type == MSG_REVALIDATE) && at + 12 <= f->body.len; at += 12)
		if (front_serving(d->front))
			model_heard(m, d->proc.node, (int64_t)get_be64(f->body.data + at));
}

static const char *
on_frame(struct proc *p, struct star *l, const struct frame *f, int fd)
{
	struct clientd *d = clientd_of(p);
	struct front_event e = event(d, FRONT_FRAME);
	bool channel = f->type == MSG_LOAD_CHANNEL || f->type == MSG_SNAPSHOT;

	(void)l;
	if (channel && fd < 0)
		return "no descriptor";
	if (f->type == MSG_LOAD_CHANNEL) {
		take_load(d, f, channel_take(p->sim, fd).conn);
	} else if (f->type == MSG_SNAPSHOT) {
		take_snapshot(d, channel_take(p->sim, fd).conn);
	} else {
		channel_drop(p->sim, fd);
		note_sessions(d, f);
		e.frame = *f;
		front_step(d->front, &e);
	}
	return NULL;
}

static void
say_hello(struct proc *p, struct star *l, Zkd__Hello *mine)
{
	struct front_facts facts;

	(void)l;
	front_facts(clientd_of(p)->front, &facts);
	mine->has_tree = facts.has_tree;
	mine->applied_zxid = facts.applied_zxid;
}

static const char *
on_up(struct proc *p, struct star *l, const Zkd__Hello *theirs)
{
	(void)l;
	(void)theirs;
	step(clientd_of(p), FRONT_LINK_UP, NULL, 0);
	return NULL;
}

static void
on_down(struct proc *p, struct star *l)
{
	(void)l;
	step(clientd_of(p), FRONT_LINK_DOWN, NULL, 0);
}

static const struct star_ops syncd_link = { "clientd", "syncd", say_hello, on_up, on_down, on_frame };

/* ---- Life ---- */

static void
carry_out(struct clientd *d)
{
	static void (*const how[])(struct clientd *, const struct front_action *) = {
		[FRONT_ADOPT] = do_adopt,
		[FRONT_WRITE] = do_write,
		[FRONT_READ] = do_read,
		[FRONT_CLOSE] = do_close,
		[FRONT_SEND] = do_send,
		[FRONT_LINK_BAD] = do_drop_link,
		[FRONT_SNAPSHOT_WRITE] = do_write_snapshot,
		[FRONT_SNAPSHOT_CLOSE] = do_close_snapshot,
		[FRONT_LOAD_CLOSE] = do_close_load,
	};
	struct front_action a;

	while (front_next(d->front, &a)) {
		if (a.type == FRONT_LINK_BAD && d->proc.sim->mutation == MUTATE_NOTHING &&
		    strstr(a.why, "too much waits") == NULL)
			sim_fail(d->proc.sim, "clientd finds fault with syncd: %s", a.why);
		how[a.type](d, &a);
	}
}

static uint64_t
clientd_turn(struct proc *p)
{
	struct clientd *d = clientd_of(p);
	uint64_t due = star_turn(&d->syncd), want;

	accept_guests(d);
	read_guests(d);
	read_load(d);
	if (d->slice_due)
		write_slice(d);
	if (front_deadline(d->front) <= node_now_ms(p->node) * speed(d))
		step(d, FRONT_TICK, NULL, 0);
	carry_out(d);
	model_look(p->sim->model, p->node);
	want = front_deadline(d->front);
	if (want == UINT64_MAX)
		return due;
	want = node_us_at(p->node, (want + speed(d) - 1) / speed(d));
	return want < due ? want : due;
}

static void
clientd_start(struct proc *p)
{
	struct clientd *d = clientd_of(p);
	struct front_config config = {
		.tick_ms = TICK_MS,
		.min_session_ms = 2 * TICK_MS,
		.max_session_ms = 20 * TICK_MS,
		.frame_max = 0xfffff,
		.silent_ms = 10000,
		.container_check_ms = 5000,
		.container_max_per_minute = 10000,
		.words = "*",
		.version = "3.9.5-sim",
		.conf = "",
		.environment = "",
		.trace = &p->trace,
	};

	tree_config_init(&config.tree);
	config.tree.extended_types = true;
	config.tree.trace = &p->trace;
	memcpy(config.tree.seed, &(uint64_t){ rng_next(&p->sim->net) }, sizeof(uint64_t));
	d->front = front_create(&config);
	d->load = d->snapshot = NULL;
	d->slice_due = false;
	list_init(&d->guests);
	star_init(&d->syncd, p, &syncd_link, &p->node->clientd_link, false);
}

static void
clientd_die(struct proc *p)
{
	struct clientd *d = clientd_of(p);

	list_for_each_safe (e, &d->guests)
		drop_guest(container_of(e, struct guest, link), true);
	close_channel(&d->load, true);
	close_channel(&d->snapshot, true);
	star_free(&d->syncd);
	if (!p->starved)
		front_destroy(d->front);
	d->front = NULL;
}

bool
node_serves(const struct node *n)
{
	return n->clientd.front != NULL && front_serving(n->clientd.front);
}

const struct tree *
node_tree(const struct node *n)
{
	return n->clientd.front != NULL ? n->clientd.front->tree : NULL;
}

const struct proc_ops clientd_ops = { clientd_start, clientd_turn, clientd_die };

void
clientd_init(struct node *n)
{
	char name[24];

	snprintf(name, sizeof name, "n%d.clientd", n->sid);
	proc_init(&n->clientd.proc, n->sim, n, PROC_CLIENTD, &clientd_ops, name);
}
