/* syncd's shell in the simulation: see syncd/main.c. Peers are connections of the simulated network. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "config/members.h"
#include "ipc/msg.h"
#include "jute/op.h"
#include "jute/records.h"
#include "model.h"
#include "node.h"
#include "platter.h"
#include "syncd/zab.h"
#include "syncd/zab_internal.h"

enum {
	WINDOW_TXNS = 64,
	SMALL_WINDOW_TXNS = 2, /* what one server's clients ask for uses it up */
	WINDOW_BYTES = 1 << 20,
	TICK_MS = 2000,
	INIT_LIMIT = 10,
	SYNC_LIMIT = 5,
	FAST_MS = 800,           /* failureDetection=fast */
	SOCKET_BYTES = 64 << 10, /* what a socket takes before it has to be read */
	FULL_US = 2 * MS,        /* until one that is full is tried again */
	KEEP_MIN_US = 200,       /* until zkd has written the members down */
	KEEP_MAX_US = 40 * MS,
};

static struct syncd *
syncd_of(struct proc *p)
{
	return container_of(p, struct syncd, proc);
}

static const char *step(struct syncd *s, struct zab_event *e);

/* ---- The star ---- */

static struct node *
node_of(const struct syncd *s)
{
	return s->proc.node;
}

/* What leaves for clientd as committed is final: the model takes it, and looks for it on the disks. */
static void
check_commit(struct syncd *s, const struct frame *f)
{
	struct model *m = s->proc.sim->model;

	if (s->zab->role == ZAB_LEADER || f->body.len == 0)
		model_commit(m, node_of(s), f->zxid);
	else
		model_deliver(m, node_of(s), f->zxid, f->body);
}

static void
send_frame(struct syncd *s, const struct zab_action *a)
{
	if (a->frame.type == MSG_COMMIT && s->zab->role != ZAB_LEADER &&
	    sim_mutates(s->proc.sim, MUTATE_LOST_COMMIT, 100))
		return;
	if (a->frame.type == MSG_COMMIT)
		check_commit(s, &a->frame);
	if (a->frame.type == MSG_APPEND)
		model_appended(s->proc.sim->model, node_of(s), a->frame.zxid, a->frame.body);
	star_send(&s->links[a->link], &a->frame, a->fd);
}

static void
send_role(struct syncd *s, const struct zab_action *a)
{
	const struct zab_role_told *r = &a->role;
	struct model *model = s->proc.sim->model;
	Zkd__Role m = ZKD__ROLE__INIT;

	m.state = (Zkd__RoleState)r->role;
	m.standalone = r->standalone;
	m.epoch = r->epoch;
	m.proposed = r->proposed;
	m.committed = r->committed;
	m.window_txns = r->window_txns;
	m.window_bytes = r->window_bytes;
	m.sid = r->sid;
	m.reload = r->reload;
	model_commit(model, node_of(s), r->committed);
	node_of(s)->delivered = 0;
	star_send_proto(&s->links[a->link], MSG_ROLE, r->number, 0, &m.base);
}

static void
send_disk(struct syncd *s, const struct zab_action *a)
{
	Zkd__Disk m = ZKD__DISK__INIT;

	m.failed = a->disk.failed;
	m.error = (char *)(uintptr_t)a->disk.error;
	star_send_proto(&s->links[a->link], MSG_DISK, 0, a->frame.zxid, &m.base);
}

static void
send_epochs(struct syncd *s, const struct zab_action *a)
{
	Zkd__Epochs m = ZKD__EPOCHS__INIT;

	m.accepted = a->epochs.accepted;
	m.current = a->epochs.current;
	star_send_proto(&s->links[a->link], MSG_EPOCHS, a->frame.seq, 0, &m.base);
}

static void
send_look(struct syncd *s, const struct zab_action *a)
{
	Zkd__Look m = ZKD__LOOK__INIT;

	m.sid = a->look.sid;
	m.zxid =
	    s->proc.sim->mutation == MUTATE_OLD_VOTE ? platter_snapshot(&node_of(s)->disk) : a->look.zxid;
	m.epoch = a->look.epoch;
	m.observer = a->look.observer;
	m.nominates = a->look.nominates;
	m.nominee = a->look.nominee;
	star_send_proto(&s->links[a->link], MSG_LOOK, a->frame.seq, 0, &m.base);
}

static void
send_result(struct syncd *s, const struct zab_action *a)
{
	Zkd__Result m = ZKD__RESULT__INIT;

	m.leader = a->result.leader;
	m.election_epoch = a->result.election_epoch;
	m.state = (Zkd__RoleState)a->result.state;
	m.zxid = a->result.zxid;
	m.epoch = a->result.epoch;
	star_send_proto(&s->links[a->link], MSG_RESULT, 0, 0, &m.base);
}

static void
send_learners(struct syncd *s, const struct zab_action *a)
{
	Zkd__Learners m = ZKD__LEARNERS__INIT;

	m.learners = a->learners.learners;
	m.synced_followers = a->learners.synced_followers;
	m.synced_observers = a->learners.synced_observers;
	star_send_proto(&s->links[a->link], MSG_LEARNERS, 0, 0, &m.base);
}

static void
close_fd(struct syncd *s, const struct zab_action *a)
{
	channel_drop(s->proc.sim, a->fd);
}

/* A node that stands alone and whose log ends before what it has acknowledged has lost it. */
static void
role_changed(struct syncd *s, const struct zab_action *a)
{
	char text[200];

	(void)a;
	sim_trace(s->proc.sim, &s->proc, "role", "%s", zab_describe(s->zab, text, sizeof text));
	if (s->zab->trouble != NULL && s->zab->config.standalone)
		sim_fail(s->proc.sim, "the node refuses to lead: %s", s->zab->trouble);
	if (s->zab->role == ZAB_LEADER)
		model_leads(s->proc.sim->model, node_of(s), s->zab->epoch, s->zab->committed);
}

/* ---- Peers ---- */

static struct peer *
find_peer(struct syncd *s, uint32_t number)
{
	list_for_each (e, &s->peers) {
		struct peer *p = container_of(e, struct peer, link);

		if (p->number == number)
			return p;
	}
	return NULL;
}

static void
close_channel(struct peer *p, bool crash)
{
	if (p->channel != NULL)
		conn_close(p->channel, 0, crash);
	p->channel = NULL;
}

static void
drop_peer(struct peer *p, bool crash)
{
	close_channel(p, crash);
	conn_close(p->conn, p->side, crash);
	list_remove(&p->link);
	mem_free(p);
}

static void
tell_opened(struct syncd *s, struct conn *c, int side, uint32_t attempt)
{
	struct peer *p = heap_world_zalloc(1, sizeof *p);

	p->number = ++s->last_peer;
	p->conn = c;
	p->side = side;
	p->reads = true;
	conn_own(c, side, &s->proc);
	list_append(&s->peers, &p->link);
	step(s,
	     &(struct zab_event){ .type = ZAB_PEER_OPENED, .fd = -1, .peer = p->number, .attempt = attempt });
}

static void
dial_leader(struct syncd *s, const struct zab_action *a)
{
	struct node *to = s->proc.sim->nodes[a->dial.sid - 1];

	net_hang_up(&s->dial, false);
	net_dial(&s->dial, &s->proc, net_place(node_of(s)->sid), to, &to->quorum_port);
	s->attempt = a->dial.attempt;
	s->leader = (int)a->dial.sid;
}

/* Bytes of a jute buffer or string at the front, with its length; 0 when it is not all there. */
static size_t
jute_bytes(struct slice in)
{
	uint32_t len = in.len < 4 ? UINT32_MAX : get_be32(in.data);

	if (in.len < 4 || (len != UINT32_MAX && len > in.len - 4))
		return 0;
	return 4 + (len == UINT32_MAX ? 0 : len);
}

/* Bytes of the packet at the front: type, zxid, data, and authinfo of pairs of strings. 0 when it is not all there. */
static size_t
packet_bytes(struct slice in)
{
	size_t at = 12, n = in.len < at ? 0 : jute_bytes(slice_of(in.data + at, in.len - at));
	uint32_t ids;

	if (n == 0 || in.len - at - n < 4)
		return 0;
	at += n;
	ids = get_be32(in.data + at);
	at += 4;
	for (uint32_t i = 0; ids != UINT32_MAX && i < 2 * ids; i++) {
		n = jute_bytes(slice_of(in.data + at, in.len - at));
		if (n == 0)
			return 0;
		at += n;
	}
	return at;
}

/*
 * What a learner acks it has for good: the epoch and all before it, or the txn. SECOND_REQUEST: a request leaves ahead of
 * itself.
 */
static void
check_packets(struct syncd *s, struct peer *p, struct slice out)
{
	struct sim *sim = s->proc.sim;
	size_t n;

	for (; (n = packet_bytes(out)) > 0; out = slice_of(out.data + n, out.len - n)) {
		uint32_t type = get_be32(out.data);

		if (type == PACKET_REQUEST && sim_mutates(sim, MUTATE_SECOND_REQUEST, 50))
			conn_send(p->conn, 0, &s->proc, slice_of(out.data, n), -1);
		if (type == PACKET_ACKEPOCH && get_be32(out.data + 16) != UINT32_MAX)
			model_accepts(sim->model, node_of(s), s->leader);
		if (type == PACKET_ACK)
			model_acked(sim->model, node_of(s), get_be64(out.data + 4));
	}
}

/* Sends what the socket takes. The core is told when the actions of this step are done. */
static void
flush_peer(struct syncd *s, struct peer *p)
{
	struct slice out = zab_peer_output(s->zab, p->number);
	size_t room = conn_unread(p->conn, p->side);

	room = room < SOCKET_BYTES ? SOCKET_BYTES - room : 0;
	p->full = out.len > room;
	if (p->full) {
		out.len = room;
		proc_wake(&s->proc, s->proc.sim->now_us + FULL_US);
	}
	if (out.len == 0)
		return;
	if (p->side == 0 && !p->full)
		check_packets(s, p, out);
	conn_send(p->conn, p->side, &s->proc, out, -1);
	p->wrote += out.len;
}

static void
act_flush(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = find_peer(s, a->peer);

	if (p != NULL && p->wrote == 0)
		flush_peer(s, p);
}

static void
act_read(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = find_peer(s, a->peer);

	if (p != NULL)
		p->reads = a->on;
	proc_wake(&s->proc, s->proc.sim->now_us);
}

static void
act_close(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = find_peer(s, a->peer);

	if (p == NULL)
		return;
	sim_trace(s->proc.sim, &s->proc, "peer closed", "peer=%u reason=\"%s\"", a->peer, a->reason);
	drop_peer(p, false);
}

static void
open_channel(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = find_peer(s, a->peer);

	if (p == NULL) {
		channel_drop(s->proc.sim, a->fd);
		return;
	}
	close_channel(p, false);
	p->channel = channel_take(s->proc.sim, a->fd).conn;
	p->channel_reads = true;
	conn_own(p->channel, 0, &s->proc);
}

static void
act_channel_read(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = find_peer(s, a->peer);

	if (p != NULL)
		p->channel_reads = a->on;
	proc_wake(&s->proc, s->proc.sim->now_us);
}

static void
act_channel_close(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = find_peer(s, a->peer);

	if (p != NULL)
		close_channel(p, false);
}

/* ---- Installing ---- */

static void
close_install(struct syncd *s, bool crash)
{
	if (s->install != NULL)
		conn_close(s->install, 0, crash);
	s->install = NULL;
}

static void
open_install(struct syncd *s, const struct zab_action *a)
{
	struct conn *c = conn_new(s->proc.sim, 5, 200);

	close_install(s, false);
	s->install = c;
	s->installed = 0;
	conn_own(c, 0, &s->proc);
	star_send(&s->links[ZAB_LOGD], &(struct frame){ .type = MSG_INSTALL, .seq = a->frame.seq },
		  channel_put(s->proc.sim, c, 1));
}

static void
flush_install(struct syncd *s, const struct zab_action *a)
{
	struct slice out = zab_install_output(s->zab);

	(void)a;
	if (s->install == NULL || s->installed > 0 || out.len == 0)
		return;
	conn_send(s->install, 0, &s->proc, out, -1);
	s->installed = out.len;
}

static void
act_close_install(struct syncd *s, const struct zab_action *a)
{
	(void)a;
	close_install(s, false);
}

/* ---- Actions ---- */

static const char *
act(struct syncd *s, enum zab_link from)
{
	static void (*const how[ZAB_ACTIONS])(struct syncd *, const struct zab_action *) = {
		[ZAB_SEND] = send_frame,
		[ZAB_SEND_ROLE] = send_role,
		[ZAB_SEND_DISK] = send_disk,
		[ZAB_CLOSE_FD] = close_fd,
		[ZAB_ROLE_CHANGED] = role_changed,
		[ZAB_SEND_EPOCHS] = send_epochs,
		[ZAB_SEND_LOOK] = send_look,
		[ZAB_SEND_RESULT] = send_result,
		[ZAB_SEND_LEARNERS] = send_learners,
		[ZAB_DIAL] = dial_leader,
		[ZAB_PEER_FLUSH] = act_flush,
		[ZAB_PEER_READ] = act_read,
		[ZAB_PEER_CLOSE] = act_close,
		[ZAB_CHANNEL_OPEN] = open_channel,
		[ZAB_CHANNEL_READ] = act_channel_read,
		[ZAB_CHANNEL_CLOSE] = act_channel_close,
		[ZAB_INSTALL_OPEN] = open_install,
		[ZAB_INSTALL_FLUSH] = flush_install,
		[ZAB_INSTALL_CLOSE] = act_close_install,
	};
	const char *reason = NULL;
	size_t n;
	const struct zab_action *a = zab_actions(s->zab, &n);

	for (size_t i = 0; i < n; i++) {
		if (a[i].type == ZAB_CLOSE && s->proc.sim->mutation == MUTATE_NOTHING)
			sim_fail(s->proc.sim, "syncd finds fault with a sibling: %s", a[i].reason);
		if (a[i].type != ZAB_CLOSE)
			how[a[i].type](s, &a[i]);
		else if (a[i].link == from)
			reason = a[i].reason;
		else
			star_drop(&s->links[a[i].link], a[i].reason);
	}
	return reason;
}

static void
step_wrote(struct syncd *s, enum zab_event_type type, uint32_t peer, size_t count)
{
	step(s, &(struct zab_event){ .type = type, .fd = -1, .peer = peer, .count = count });
}

/* Tells what was written in the step before; that may have more written. */
static void
tell_wrote(struct syncd *s)
{
	list_for_each_safe (e, &s->peers) {
		struct peer *p = container_of(e, struct peer, link);
		size_t wrote = p->wrote;

		if (wrote == 0)
			continue;
		p->wrote = 0;
		step_wrote(s, ZAB_PEER_WROTE, p->number, wrote);
		tell_wrote(s); /* the list may be another one by now */
		return;
	}
	if (s->install != NULL && s->installed > 0) {
		size_t wrote = s->installed;

		s->installed = 0;
		step_wrote(s, ZAB_INSTALL_WROTE, 0, wrote);
		tell_wrote(s);
	}
}

static const char *
step(struct syncd *s, struct zab_event *e)
{
	const char *reason;

	e->now_ms = node_now_ms(node_of(s));
	if (s->proc.sim->mutation == MUTATE_PENDING_IGNORED)
		s->zab->config.quorums.has_pending = false;
	zab_step(s->zab, e);
	reason = act(s, e->link);
	tell_wrote(s);
	return reason;
}

/* ---- Events of the star ---- */

static enum zab_link
which(const struct syncd *s, const struct star *l)
{
	return (enum zab_link)(l - s->links);
}

static struct zab_disk
disk_of(const Zkd__Disk *d)
{
	return (struct zab_disk){ .failed = d != NULL && d->failed, .error = d != NULL ? d->error : "" };
}

static bool
take_result(struct star *l, struct zab_event *e)
{
	const Zkd__Result *r = proto_take(&l->arena, &zkd__result__descriptor, e->frame.body);

	if (r == NULL)
		return false;
	e->result = (struct zab_result){
		.leader = r->leader,
		.election_epoch = r->election_epoch,
		.zxid = r->zxid,
		.state = (enum zab_role)r->state,
		.epoch = r->epoch,
	};
	return true;
}

/* The planted bugs between a learner's clientd and its syncd. True: the frame goes no further. */
static bool
learner_lies(struct syncd *s, struct star *l, const struct frame *f)
{
	struct sim *sim = s->proc.sim;

	if (sim->mutation == MUTATE_NOTHING || which(s, l) != ZAB_CLIENTD || s->zab->role == ZAB_LEADER)
		return false;
	if (f->type == MSG_SYNC && sim->mutation == MUTATE_LOCAL_SYNC) {
		star_send(l, f, -1);
		return true;
	}
	return f->type == MSG_TOUCH && sim->mutation == MUTATE_LOST_TOUCH;
}

static const char *
on_frame(struct proc *p, struct star *l, const struct frame *f, int fd)
{
	struct syncd *s = syncd_of(p);
	struct zab_event e = { .type = ZAB_FRAME, .link = which(s, l), .frame = *f, .fd = fd };
	const char *reason;

	if (f->type == MSG_DISK) {
		const Zkd__Disk *d = proto_take(&l->arena, &zkd__disk__descriptor, f->body);

		if (d == NULL)
			return "malformed body";
		e.disk = disk_of(d);
	}
	if (f->type == MSG_RESULT && !take_result(l, &e))
		return "malformed body";
	if (learner_lies(s, l, f))
		return NULL;
	/* The core lets a server that stands alone go on. */
	s->zab->config.standalone |= s->proc.sim->mutation == MUTATE_NO_ROLLOVER && f->type == MSG_PROPOSE;
	reason = step(s, &e);
	s->zab->config.standalone = s->proc.sim->nnodes == 1;
	if (f->type == MSG_PROPOSE && s->proc.sim->mutation == MUTATE_COMMIT_BEYOND_DURABLE && reason == NULL)
		send_frame(s, &(struct zab_action){ .type = ZAB_SEND,
						    .link = ZAB_CLIENTD,
						    .fd = -1,
						    .frame = { .type = MSG_COMMIT, .zxid = f->zxid } });
	return reason;
}

static void
say_hello(struct proc *p, struct star *l, Zkd__Hello *mine)
{
	(void)l;
	mine->applied_zxid = syncd_of(p)->zab->committed;
	mine->role_number = syncd_of(p)->zab->role_number;
}

static const char *
on_up(struct proc *p, struct star *l, const Zkd__Hello *theirs)
{
	struct syncd *s = syncd_of(p);
	struct zab_event e = { .type = ZAB_UP, .link = which(s, l), .fd = -1 };

	e.hello = (struct zab_hello){
		.durable = theirs->durable_zxid,
		.snapshot = theirs->snapshot_zxid,
		.epochs = { .accepted = theirs->accepted_epoch, .current = theirs->current_epoch },
		.partial = theirs->partial,
		.members = slice_of(theirs->members.data, theirs->members.len),
		.applied = theirs->applied_zxid,
		.has_tree = theirs->has_tree,
		.disk = disk_of(theirs->disk),
	};
	return step(s, &e);
}

static void
on_down(struct proc *p, struct star *l)
{
	struct syncd *s = syncd_of(p);
	struct zab_event e = { .type = ZAB_DOWN, .link = which(s, l), .fd = -1 };

	if (s->zab->links[e.link].up)
		step(s, &e);
}

static const struct star_ops to_siblings[ZAB_LINKS] = {
	[ZAB_LOGD] = { "syncd", "logd", say_hello, on_up, on_down, on_frame },
	[ZAB_CLIENTD] = { "syncd", "clientd", say_hello, on_up, on_down, on_frame },
	[ZAB_ELECTIOND] = { "syncd", "electiond", say_hello, on_up, on_down, on_frame },
};

/* ---- Events of peers ---- */

static void
look_at_dial(struct syncd *s)
{
	struct conn *c = s->dial.conn;

	if (c == NULL)
		return;
	switch (net_dialled(&s->dial, s->proc.sim)) {
	case DIAL_GOING:
		proc_wake(&s->proc, s->dial.known_us);
		break;
	case DIAL_UP:
		s->dial.conn = NULL;
		tell_opened(s, c, 0, s->attempt);
		break;
	default:
		step(s, &(struct zab_event){ .type = ZAB_DIAL_FAILED, .fd = -1, .attempt = s->attempt });
	}
}

static void
accept_peers(struct syncd *s)
{
	struct conn *c;

	while ((c = listener_accept(&node_of(s)->quorum_port)) != NULL)
		tell_opened(s, c, 1, 0);
}

/* What has arrived, sometimes in two pieces. */
static void
read_peer(struct syncd *s, uint32_t number)
{
	struct zab_event e = { .type = ZAB_PEER_INPUT, .fd = -1, .peer = number };
	struct peer *p = find_peer(s, number);
	struct slice in = conn_arrived(p->conn, p->side);
	struct slice pieces[2] = { in };
	size_t first =
	    in.len > 1 && rng_once_in(&s->proc.sim->net, 8) ? rng_below(&s->proc.sim->net, in.len) : 0;

	if (first > 0) {
		pieces[0] = slice_of(in.data, first);
		pieces[1] = slice_of(in.data + first, in.len - first);
	}
	for (int i = 0; i < 2 && p != NULL && pieces[i].len > 0; i++) {
		e.bytes = pieces[i];
		step(s, &e);
		p = find_peer(s, number);
	}
	if (p != NULL)
		conn_consume(p->conn, p->side, in.len);
}

static void
read_channel(struct syncd *s, uint32_t number)
{
	struct zab_event e = { .type = ZAB_CHANNEL_FRAME, .fd = -1, .peer = number };
	struct peer *p;
	int64_t n;

	while ((p = find_peer(s, number)) != NULL && p->channel != NULL && p->channel_reads) {
		struct conn *c = p->channel;

		n = frame_parse(conn_arrived(c, 0), &e.frame);
		if (n <= 0)
			break;
		step(s, &e);
		p = find_peer(s, number);
		if (p != NULL && p->channel == c)
			conn_consume(c, 0, (size_t)n);
	}
	if (p == NULL || p->channel == NULL || !p->channel_reads || conn_open(p->channel, 0))
		return;
	close_channel(p, false);
	step(s, &(struct zab_event){ .type = ZAB_CHANNEL_CLOSED, .fd = -1, .peer = number });
}

static void
serve_peer(struct syncd *s, uint32_t number)
{
	struct peer *p = find_peer(s, number);

	if (p == NULL)
		return;
	if (p->full) {
		flush_peer(s, p);
		tell_wrote(s);
	}
	p = find_peer(s, number);
	if (p != NULL && p->reads && conn_arrived(p->conn, p->side).len > 0)
		read_peer(s, number);
	read_channel(s, number);
	p = find_peer(s, number);
	if (p == NULL || (!p->reads && conn_arrived(p->conn, p->side).len > 0) || conn_open(p->conn, p->side))
		return;
	drop_peer(p, false);
	step(s, &(struct zab_event){ .type = ZAB_PEER_CLOSED, .fd = -1, .peer = number });
}

/* ---- Members ---- */

/* supervisor/members_kept.c: it is on the disk before anybody is started with it. */
static void
keep_members(struct sim *s, void *who, uint64_t tag)
{
	struct node *n = who;

	(void)s;
	if (!n->off && !n->down && n->keeping.version == tag)
		n->kept = n->keeping;
}

/* main.c: tell_members. */
static void
tell_members(struct syncd *s)
{
	struct node *n = node_of(s);
	uint64_t version = zab_members_version(s->zab);
	struct buf text;

	if (version == s->members_told || !s->zab->config.reconfig)
		return;
	s->members_told = version;
	if (s->proc.dying)
		return;
	buf_init(&text, MEMBERS_BYTES);
	zab_members_put(s->zab, &text);
	buf_put_u8(&text, 0);
	ASSERT(!text.overflow);
	n->keeping.version = version;
	memcpy(n->keeping.text, buf_slice(&text).data, buf_len(&text));
	buf_free(&text);
	sim_at(n->sim, n->sim->now_us + rng_range(&n->sim->disk, KEEP_MIN_US, KEEP_MAX_US), keep_members, n,
	       version);
}

static void
put_reconfig(const struct syncd *s, uint64_t zxid, struct buf *txn)
{
	char text[MEMBERS_BYTES];

	node_put_members(s->proc.sim, s->reconfigure, zxid, text);
	jute_write_txn_header(txn, &(struct jute_txn_header){ .zxid = (int64_t)zxid,
							      .time = sim_wall_ms(s->proc.sim),
							      .type = ZK_OP_RECONFIG });
	jute_write_set_data_txn(
	    txn, &(struct jute_set_data_txn){ SLICE_LIT("/zookeeper/config"), slice_str(text), -1 });
}

/* ZooKeeper: PrepRequestProcessor, reconfig; Leader.isQuorumSynced. */
static bool
has_quorum_of(const struct zab *z, unsigned voters)
{
	unsigned there = 1u << z->config.sid;

	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->state == PEER_LIVE && !z->peers[i]->observer)
			there |= 1u << z->peers[i]->sid;
	return 2 * __builtin_popcount(there & voters) > __builtin_popcount(voters);
}

static void
reconfigure(struct syncd *s)
{
	struct zab_event e = { .type = ZAB_FRAME, .link = ZAB_CLIENTD, .fd = -1 };
	const struct zab *z = s->zab;
	uint64_t begin = (uint64_t)z->epoch << 32, zxid = (z->proposed > begin ? z->proposed : begin) + 1;
	struct buf txn;

	if (z->role == ZAB_LEADER && z->phase == ZAB_READY && z->pending_members == NULL &&
	    z->open_txns < z->config.window_txns && (uint32_t)zxid != UINT32_MAX &&
	    has_quorum_of(z, s->reconfigure)) {
		buf_init(&txn, 2 * MEMBERS_BYTES);
		put_reconfig(s, zxid, &txn);
		sim_trace(s->proc.sim, &s->proc, "reconfigures", "zxid=0x%llx voters=0x%x",
			  (unsigned long long)zxid, s->reconfigure);
		e.frame = (struct frame){ .type = MSG_PROPOSE, .zxid = zxid, .body = buf_slice(&txn) };
		ASSERT(step(s, &e) == NULL);
		buf_free(&txn);
		star_drop(&s->links[ZAB_CLIENTD], "a reconfiguration that it does not know");
	}
	s->reconfigure = 0;
}

void
node_reconfigure(struct node *n, unsigned voters)
{
	n->syncd.reconfigure = voters;
	proc_wake(&n->syncd.proc, n->sim->now_us);
}

uint64_t
node_members_version(const struct node *n)
{
	return n->syncd.zab == NULL ? 0 : zab_members_version(n->syncd.zab);
}

/* ---- Life ---- */

static uint64_t
syncd_turn(struct proc *p)
{
	struct syncd *s = syncd_of(p);
	struct zab_event tick = { .type = ZAB_TICK, .fd = -1 };
	uint32_t numbers[PEERS_MAX];
	uint64_t due = NEVER, want;
	int n = 0;

	for (int i = 0; i < s->nlinks; i++) {
		want = star_turn(&s->links[i]);
		due = want < due ? want : due;
	}
	look_at_dial(s);
	accept_peers(s);
	list_for_each (e, &s->peers)
		if (n < PEERS_MAX)
			numbers[n++] = container_of(e, struct peer, link)->number;
	for (int i = 0; i < n; i++)
		serve_peer(s, numbers[i]);
	if (s->install != NULL && conn_reset(s->install, 0)) {
		close_install(s, false);
		step(s, &(struct zab_event){ .type = ZAB_INSTALL_CLOSED, .fd = -1 });
	}
	if (zab_deadline(s->zab) <= node_now_ms(p->node))
		step(s, &tick);
	if (s->reconfigure != 0)
		reconfigure(s);
	tell_members(s);
	if (s->move_to != 0) {
		step(s, &(struct zab_event){
			    .type = ZAB_MOVE, .fd = -1, .any = s->move_to < 0, .sid = (uint64_t)s->move_to });
		sim_trace(p->sim, p, "move", "to=%d refused=\"%s\"", s->move_to,
			  s->zab->move.refused == NULL ? "" : s->zab->move.refused);
		s->move_to = 0;
	}
	want = node_us_at(p->node, zab_deadline(s->zab));
	return want < due ? want : due;
}

static int
first_voter(const struct sim *s)
{
	int sid = 1;

	while (sim_observes(s, sid))
		sid++;
	return sid;
}

static void
syncd_start(struct proc *p)
{
	struct syncd *s = syncd_of(p);
	struct node *n = p->node;
	struct zab_config c = {
		.sid = (uint64_t)n->sid,
		.standalone = p->sim->nnodes == 1,
		.members = node_members(n),
		.reconfig = p->sim->reconfigures,
		.tick_ms = TICK_MS,
		.init_limit = INIT_LIMIT,
		.sync_limit = SYNC_LIMIT,
		.fast_ms = p->sim->story == NULL && p->sim->seed % 8 == 6 ? FAST_MS : 0,
		.clientd_absent_ms = 1000,
		.max_snap_syncs = 10,
		.window_txns =
		    p->sim->story == NULL && p->sim->seed % 4 == 1 ? SMALL_WINDOW_TXNS : WINDOW_TXNS,
		.window_bytes = WINDOW_BYTES,
		.commit_log_count = p->sim->story != NULL ? 20 : 100,
		.commit_log_bytes = 1 << 20,
		.role_base = (uint32_t)rng_below(&p->sim->net, 1 << 20),
		.trace = &p->trace,
	};
	struct listener *to[ZAB_LINKS] = { [ZAB_LOGD] = &n->logd_link,
					   [ZAB_CLIENTD] = &n->clientd_link,
					   [ZAB_ELECTIOND] = &n->electiond_link };

	char alone[sizeof p->sim->members];
	struct members *file;

	ASSERT(members_parse(c.members, &file) == 0);
	members_quorums(file, NULL, &c.quorums);
	c.observer = members_find(file, n->sid)->observer;
	members_free(file);
	if (p->sim->mutation == MUTATE_OBSERVER_ACKS && c.observer) {
		c.sid = (uint64_t)first_voter(p->sim);
		c.observer = false;
	}
	if (p->sim->mutation == MUTATE_QUORUM_OF_ONE) {
		snprintf(alone, sizeof alone, "server.%d=10.0.0.1:2888:3888:participant\nversion=0", n->sid);
		c.members = slice_str(alone);
		quorum_init(&c.quorums.current, false);
		quorum_add(&c.quorums.current, c.sid, 0, 1);
	}
	s->zab = mem_zalloc(1, sizeof *s->zab);
	zab_init(s->zab, &c);
	s->members_told = zab_members_version(s->zab);
	s->reconfigure = 0;
	list_init(&s->peers);
	s->last_peer = c.role_base;
	s->dial.conn = s->install = NULL;
	s->installed = 0;
	s->nlinks = c.standalone ? 2 : ZAB_LINKS;
	for (int i = 0; i < s->nlinks; i++)
		star_init(&s->links[i], p, &to_siblings[i], to[i], true);
}

static void
syncd_die(struct proc *p)
{
	struct syncd *s = syncd_of(p);

	for (int i = 0; i < s->nlinks; i++)
		star_free(&s->links[i]);
	list_for_each_safe (e, &s->peers)
		drop_peer(container_of(e, struct peer, link), true);
	net_hang_up(&s->dial, true);
	close_install(s, true);
	if (!p->starved) {
		zab_free(s->zab);
		mem_free(s->zab);
	}
	s->zab = NULL;
}

bool
node_leads(const struct node *n)
{
	return n->syncd.zab != NULL && n->syncd.zab->role == ZAB_LEADER;
}

uint64_t
node_epoch(const struct node *n)
{
	return n->syncd.zab != NULL ? n->syncd.zab->epoch : 0;
}

_Static_assert((int)ZAB_LINKS == (int)SYNCD_LINKS, "links of syncd");

const struct proc_ops syncd_ops = { syncd_start, syncd_turn, syncd_die };

void
syncd_init(struct node *n)
{
	char name[24];

	snprintf(name, sizeof name, "n%d.syncd", n->sid);
	proc_init(&n->syncd.proc, n->sim, n, PROC_SYNCD, &syncd_ops, name);
}
