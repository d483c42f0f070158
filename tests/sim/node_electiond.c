/*
 * electiond's shell in the simulation: the election core, its connections with other electionds, the link to syncd.
 * Of two servers the one with the larger sid dials; the other one's dial only asks it to.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "config/members.h"
#include "electiond/initial.h"
#include "ipc/msg.h"
#include "node.h"

enum { OUT_MAX = 4096, HALF_US = 5 * SECOND };

static struct electiond *
electiond_of(struct proc *p)
{
	return container_of(p, struct electiond, proc);
}

static void step(struct electiond *d, const struct election_event *e);
static void adopt(struct electiond *d, struct members *m, bool observer);

static void
tell(struct electiond *d, enum election_event_type type, int sid)
{
	step(d, &(struct election_event){ .type = type, .peer = sid });
}

/* ---- Actions ---- */

static void
hang_up(struct elector *v)
{
	if (v->conn != NULL)
		conn_close(v->conn, v->side, false);
	v->conn = NULL;
}

static void
send_notification(struct electiond *d, const struct election_action *a)
{
	struct elector *v = &d->peers[a->peer];
	struct buf b;

	if (v->conn == NULL)
		return;
	buf_init(&b, OUT_MAX);
	notification_put(&b, &a->notification);
	conn_send(v->conn, v->side, &d->proc, buf_slice(&b), -1);
	buf_free(&b);
}

/*
 * A vote proves nothing, so a wrong one has to be borne; a length as well. A list of members that is newer is believed, as
 * ZooKeeper believes it: a flip in its version makes it one that no reconfig has made, and nothing tells. There is no zero
 * in a list, and each notification begins with one.
 */
static bool
may_flip(struct slice unread, size_t at)
{
	static const struct slice list = SLICE_LIT("server.");

	for (size_t i = at + 1; i > 0 && unread.data[i - 1] != '\0'; i--)
		if (unread.len - (i - 1) >= list.len &&
		    slice_equal(slice_of(unread.data + i - 1, list.len), list))
			return false;
	return true;
}

static void
dial(struct electiond *d, const struct election_action *a)
{
	struct elector *v = &d->peers[a->peer];
	struct node *to = d->proc.sim->nodes[a->peer - 1];

	if (a->replace)
		hang_up(v);
	if (v->dial.conn != NULL)
		return;
	net_dial(&v->dial, &d->proc, net_place(d->proc.node->sid), to, &to->election_port);
	v->dial.conn->may_flip = may_flip;
}

static void
tell_result(struct electiond *d, const struct election_action *a)
{
	Zkd__Result m = ZKD__RESULT__INIT;
	static const Zkd__RoleState states[] = {
		[VOTE_LOOKING] = ZKD__ROLE_STATE__ROLE_LOOKING,
		[VOTE_FOLLOWING] = ZKD__ROLE_STATE__ROLE_FOLLOWER,
		[VOTE_LEADING] = ZKD__ROLE_STATE__ROLE_LEADER,
		[VOTE_OBSERVING] = ZKD__ROLE_STATE__ROLE_OBSERVER,
	};

	m.leader = (uint64_t)a->vote.leader;
	m.election_epoch = (uint64_t)a->vote.round;
	m.state = states[a->vote.state];
	m.zxid = (uint64_t)a->vote.zxid;
	m.epoch = (uint32_t)a->vote.epoch;
	star_send_proto(&d->syncd, MSG_RESULT, d->look, 0, &m.base);
}

static void
newer_config(struct electiond *d, const struct election_action *a)
{
	struct frame f = { .type = MSG_CONFIG, .body = a->notification.config };

	if (notification_config_version(f.body, &f.zxid) == 0)
		star_send(&d->syncd, &f, -1);
}

static void
doubt(struct electiond *d, const struct election_action *a)
{
	struct frame f = { .type = MSG_DOUBT, .flags = a->lost ? DOUBT_LOST : 0, .seq = d->look };

	star_send(&d->syncd, &f, -1);
}

/* A socket takes a notification at once; the core is told when the step's actions are done. */
static void
step(struct electiond *d, const struct election_event *event)
{
	static void (*const how[])(struct electiond *, const struct election_action *) = {
		[ELECTION_SEND] = send_notification,
		[ELECTION_CONNECT] = dial,
		[ELECTION_RESULT] = tell_result,
		[ELECTION_NEWER_CONFIG] = newer_config,
		[ELECTION_DOUBT] = doubt,
	};
	struct election_event e = *event;
	bool sent[NODES_MAX + 1] = { false };
	const struct election_action *a;
	size_t n;

	e.now_ms = node_now_ms(d->proc.node);
	election_step(&d->election, &e);
	a = election_actions(&d->election, &n);
	for (size_t i = 0; i < n; i++) {
		how[a[i].type](d, &a[i]);
		sent[a[i].peer] |= a[i].type == ELECTION_SEND;
	}
	for (int sid = 1; sid <= NODES_MAX; sid++)
		if (sent[sid])
			tell(d, ELECTION_DELIVERED, sid);
}

/* ---- Peers ---- */

static void
keep(struct electiond *d, int sid, struct conn *c, int side)
{
	struct elector *v = &d->peers[sid];

	hang_up(v);
	v->conn = c;
	v->side = side;
	v->half_us = 0;
	tell(d, ELECTION_CONNECTED, sid);
}

static void
say_initial(struct electiond *d, struct conn *c)
{
	struct initial m = { .form = INITIAL_ONE, .sid = d->proc.node->sid, .naddresses = 1 };
	struct buf b;

	m.addresses[0] = (struct initial_address){ SLICE_LIT("10.0.0.1"), 3888 };
	buf_init(&b, OUT_MAX);
	initial_put(&b, &m);
	conn_send(c, 0, &d->proc, buf_slice(&b), -1);
	buf_free(&b);
}

static void
look_at_dial(struct electiond *d, int sid)
{
	struct elector *v = &d->peers[sid];
	struct conn *c = v->dial.conn;

	switch (net_dialled(&v->dial, d->proc.sim)) {
	case DIAL_GOING:
		break;
	case DIAL_UP:
		v->dial.conn = NULL;
		say_initial(d, c);
		if (initial_keeps(d->proc.node->sid, sid))
			keep(d, sid, c, 0);
		else
			conn_close(c, 0, false);
		break;
	case DIAL_REFUSED:
		tell(d, ELECTION_REFUSED, sid);
		break;
	case DIAL_LOST:
		tell(d, ELECTION_LOST, sid);
		break;
	}
}

/* Half a notification, for too long: its length may be wrong, and then nothing more would ever be heard. */
static bool
is_stuck(struct electiond *d, struct elector *v)
{
	uint64_t now_us = d->proc.sim->now_us;

	if (conn_arrived(v->conn, v->side).len == 0) {
		v->half_us = 0;
		return false;
	}
	if (v->half_us == 0)
		v->half_us = now_us;
	proc_wake(&d->proc, v->half_us + HALF_US);
	return now_us - v->half_us >= HALF_US;
}

static void
read_peer(struct electiond *d, int sid)
{
	struct elector *v = &d->peers[sid];
	struct conn *c;

	while ((c = v->conn) != NULL) {
		struct election_event e = { .type = ELECTION_NOTIFICATION, .peer = sid };
		struct slice body;
		int64_t n = notification_frame(conn_arrived(c, v->side), &body);

		if (n == 0 && !is_stuck(d, v))
			break;
		if (n <= 0) {
			hang_up(v);
			tell(d, ELECTION_LOST, sid);
			return;
		}
		v->half_us = 0;
		if (notification_parse(body, &e.notification) == 0)
			step(d, &e);
		if (v->conn == c)
			conn_consume(c, v->side, (size_t)n);
	}
	if (v->conn != NULL && !conn_open(v->conn, v->side)) {
		bool reset = conn_was_reset(v->conn, v->side);

		hang_up(v);
		tell(d, reset ? ELECTION_RESET : ELECTION_CLOSED, sid);
	}
}

/* ---- Callers ---- */

static void
drop_caller(struct caller *k, bool crash)
{
	if (k->conn != NULL)
		conn_close(k->conn, 1, crash);
	list_remove(&k->link);
	mem_free(k);
}

static void
accept_callers(struct electiond *d)
{
	struct conn *c;

	while ((c = listener_accept(&d->proc.node->election_port)) != NULL) {
		struct caller *k = heap_world_zalloc(1, sizeof *k);

		k->conn = c;
		conn_own(c, 1, &d->proc);
		list_append(&d->callers, &k->link);
	}
}

/* A smaller sid is dialled back. */
static void
take_caller(struct electiond *d, struct caller *k, int64_t sid)
{
	struct conn *c = k->conn;

	if (sid < 1 || sid > d->proc.sim->nnodes || sid == d->proc.node->sid) {
		drop_caller(k, false);
		return;
	}
	if (initial_keeps(sid, d->proc.node->sid)) {
		k->conn = NULL;
		drop_caller(k, false);
		keep(d, (int)sid, c, 1);
		return;
	}
	drop_caller(k, false);
	dial(d, &(struct election_action){ .type = ELECTION_CONNECT, .peer = sid });
}

static void
read_callers(struct electiond *d)
{
	list_for_each_safe (e, &d->callers) {
		struct caller *k = container_of(e, struct caller, link);
		struct initial m;
		int64_t n = initial_parse(conn_arrived(k->conn, 1), &m);

		if (n > 0) {
			conn_consume(k->conn, 1, (size_t)n);
			take_caller(d, k, m.sid);
		} else if (n < 0 || !conn_open(k->conn, 1)) {
			drop_caller(k, false);
		}
	}
}

/* ---- The star ---- */

static const char *
on_look(struct electiond *d, const struct frame *f)
{
	const Zkd__Look *m = proto_take(&d->syncd.arena, &zkd__look__descriptor, f->body);

	if (m == NULL)
		return "malformed body";
	if (m->observer != d->election.members.observer)
		adopt(d, members_with_version(d->members, d->members->version), m->observer);
	d->look = f->seq;
	step(d, &(struct election_event){ .type = ELECTION_LOOK,
					  .nominates = m->nominates,
					  .nominee = (int64_t)m->nominee,
					  .vote = { .zxid = (int64_t)m->zxid, .epoch = m->epoch } });
	return NULL;
}

/* The role that the node has: told to one that did not see the election, and when the epoch has begun. */
static const char *
on_role(struct electiond *d, const struct frame *f)
{
	const Zkd__Result *m = proto_take(&d->syncd.arena, &zkd__result__descriptor, f->body);
	struct election_event e = { .type = ELECTION_ROLE };
	static const enum vote_state states[] = { VOTE_LOOKING, VOTE_LEADING, VOTE_FOLLOWING,
						  VOTE_OBSERVING };

	if (m == NULL || (unsigned)m->state > ZKD__ROLE_STATE__ROLE_OBSERVER)
		return "malformed body";
	e.vote = (struct vote){
		.leader = (int64_t)m->leader,
		.zxid = (int64_t)m->zxid,
		.round = (int64_t)m->election_epoch,
		.epoch = m->epoch,
		.state = states[m->state],
	};
	if (election_has_role(&d->election, &e.vote))
		e.type = ELECTION_EPOCH;
	step(d, &e);
	return NULL;
}

static bool
is_observer(const struct electiond *d, const struct members *m)
{
	const struct config_server *own = members_find(m, d->proc.node->sid);

	return own == NULL || own->observer;
}

/* main.c: describe_members. */
static struct election_members
describe_members(const struct members *m, bool observer, struct buf *text)
{
	struct election_members out = { .version = m->version, .observer = observer };

	buf_init(text, OUT_MAX);
	members_put(m, text);
	out.text = buf_slice(text);
	members_quorums(m, NULL, &out.quorums);
	return out;
}

/* main.c: electiond_adopt. */
static void
adopt(struct electiond *d, struct members *m, bool observer)
{
	struct election_members members;
	struct buf text;

	members = describe_members(m, observer, &text);
	step(d, &(struct election_event){ .type = ELECTION_MEMBERS, .members = &members });
	members_free(d->members);
	d->members = m;
	buf_free(&text);
}

static const char *
on_config(struct electiond *d, const struct frame *f)
{
	struct members *m;

	if (members_parse(f->body, &m) != 0)
		return "no configuration of an ensemble";
	adopt(d, m, is_observer(d, m));
	return NULL;
}

static const char *
on_frame(struct proc *p, struct star *l, const struct frame *f, int fd)
{
	struct electiond *d = electiond_of(p);

	(void)l;
	channel_drop(p->sim, fd);
	switch (f->type) {
	case MSG_LOOK:
		return on_look(d, f);
	case MSG_RESULT:
		return on_role(d, f);
	case MSG_LEAVE:
		step(d, &(struct election_event){ .type = ELECTION_LEAVE });
		return NULL;
	case MSG_CONFIG:
		return on_config(d, f);
	default:
		return "unknown message";
	}
}

static void
say_hello(struct proc *p, struct star *l, Zkd__Hello *mine)
{
	(void)p;
	(void)l;
	(void)mine;
}

static const char *
on_up(struct proc *p, struct star *l, const Zkd__Hello *theirs)
{
	(void)p;
	(void)l;
	(void)theirs;
	return NULL;
}

/* A node without syncd has no role: nobody is to be told of one. */
static void
on_down(struct proc *p, struct star *l)
{
	(void)l;
	step(electiond_of(p), &(struct election_event){ .type = ELECTION_LEAVE });
}

static const struct star_ops syncd_link = { "electiond", "syncd", say_hello, on_up, on_down, on_frame };

/* ---- Life ---- */

static uint64_t
electiond_turn(struct proc *p)
{
	struct electiond *d = electiond_of(p);
	struct sim *s = p->sim;
	uint64_t due = star_turn(&d->syncd), want;

	accept_callers(d);
	read_callers(d);
	for (int sid = 1; sid <= s->nnodes; sid++) {
		if (d->peers[sid].dial.conn != NULL)
			look_at_dial(d, sid);
		read_peer(d, sid);
	}
	if (election_deadline(&d->election) <= node_now_ms(p->node))
		step(d, &(struct election_event){ .type = ELECTION_TICK });
	for (int sid = 1; sid <= s->nnodes; sid++)
		if (d->peers[sid].dial.conn != NULL && d->peers[sid].dial.known_us < due)
			due = d->peers[sid].dial.known_us;
	want = node_us_at(p->node, election_deadline(&d->election));
	return want < due ? want : due;
}

static void
electiond_start(struct proc *p)
{
	struct electiond *d = electiond_of(p);
	struct election_members members;
	struct buf text;
	struct election_config c = {
		.sid = (uint8_t)p->node->sid,
		.min_interval_ms = ELECTION_MIN_INTERVAL_MS,
		.max_interval_ms = ELECTION_MAX_INTERVAL_MS,
		.finalize_wait_ms = ELECTION_FINALIZE_WAIT_MS,
		.trace = &p->trace,
	};

	ASSERT(members_parse(node_members(p->node), &d->members) == 0);
	members = describe_members(d->members, is_observer(d, d->members), &text);
	election_init(&d->election, &c, &members);
	buf_free(&text);
	list_init(&d->callers);
	memset(d->peers, 0, sizeof d->peers);
	star_init(&d->syncd, p, &syncd_link, &p->node->electiond_link, false);
}

static void
electiond_die(struct proc *p)
{
	struct electiond *d = electiond_of(p);

	list_for_each_safe (e, &d->callers)
		drop_caller(container_of(e, struct caller, link), true);
	for (int sid = 1; sid <= NODES_MAX; sid++) {
		net_hang_up(&d->peers[sid].dial, true);
		if (d->peers[sid].conn != NULL)
			conn_close(d->peers[sid].conn, d->peers[sid].side, true);
		d->peers[sid].conn = NULL;
	}
	star_free(&d->syncd);
	if (!p->starved) {
		election_free(&d->election);
		members_free(d->members);
	}
	d->members = NULL;
}

const struct proc_ops electiond_ops = { electiond_start, electiond_turn, electiond_die };

void
electiond_init(struct node *n)
{
	char name[24];

	snprintf(name, sizeof name, "n%d.electiond", n->sid);
	proc_init(&n->electiond.proc, n->sim, n, PROC_ELECTIOND, &electiond_ops, name);
}
