/* syncd's shell in the simulation: see syncd/main.c. electiond has no part in a node that stands alone. */
#include <stdio.h>
#include <string.h>

#include "ipc/msg.h"
#include "model.h"
#include "node.h"

enum { WINDOW_TXNS = 64, WINDOW_BYTES = 1 << 20 };

static struct syncd *
syncd_of(struct proc *p)
{
	return container_of(p, struct syncd, proc);
}

static const char *step(struct syncd *s, struct zab_event *e);

/* ---- Actions ---- */

/* What leaves for clientd as committed is final: the model takes it, and looks for it on the disk. */
static void
send_frame(struct syncd *s, const struct zab_action *a)
{
	struct sim *sim = s->proc.sim;

	if (a->frame.type == MSG_COMMIT)
		model_commit(sim->model, s->proc.node, a->frame.zxid);
	star_send(&s->links[a->link], &a->frame, a->fd);
}

static void
send_role(struct syncd *s, const struct zab_action *a)
{
	const struct zab_role_told *r = &a->role;
	Zkd__Role m = ZKD__ROLE__INIT;

	m.state = (Zkd__RoleState)r->role;
	m.standalone = r->standalone;
	m.epoch = r->epoch;
	m.proposed = r->proposed;
	m.committed = r->committed;
	m.window_txns = r->window_txns;
	m.window_bytes = r->window_bytes;
	m.sid = r->sid;
	model_commit(s->proc.sim->model, s->proc.node, r->committed);
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
close_fd(struct syncd *s, const struct zab_action *a)
{
	channel_drop(s->proc.sim, a->fd);
}

/* A node whose log ends before what it has acknowledged has lost it. */
static void
role_changed(struct syncd *s, const struct zab_action *a)
{
	(void)a;
	if (s->zab.trouble != NULL)
		sim_fail(s->proc.sim, "the node refuses to lead: %s", s->zab.trouble);
}

static const char *
act(struct syncd *s, enum zab_link from)
{
	static void (*const how[])(struct syncd *, const struct zab_action *) = {
		[ZAB_SEND] = send_frame,   [ZAB_SEND_ROLE] = send_role,       [ZAB_SEND_DISK] = send_disk,
		[ZAB_CLOSE_FD] = close_fd, [ZAB_ROLE_CHANGED] = role_changed,
	};
	const char *reason = NULL;
	size_t n;
	const struct zab_action *a = zab_actions(&s->zab, &n);

	for (size_t i = 0; i < n; i++) {
		if (a[i].type != ZAB_CLOSE)
			how[a[i].type](s, &a[i]);
		else if (a[i].link == from)
			reason = a[i].reason;
		else
			star_drop(&s->links[a[i].link], a[i].reason);
	}
	return reason;
}

static const char *
step(struct syncd *s, struct zab_event *e)
{
	e->now_ms = sim_now_ms(s->proc.sim);
	zab_step(&s->zab, e);
	return act(s, e->link);
}

/* ---- Events ---- */

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
	reason = step(s, &e);
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
	mine->applied_zxid = syncd_of(p)->zab.committed;
	mine->role_number = syncd_of(p)->zab.role_number;
}

static const char *
on_up(struct proc *p, struct star *l, const Zkd__Hello *theirs)
{
	struct syncd *s = syncd_of(p);
	struct zab_event e = { .type = ZAB_UP, .link = which(s, l), .fd = -1 };

	e.hello = (struct zab_hello){
		.durable = theirs->durable_zxid,
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

	if (s->zab.links[e.link].up)
		step(s, &e);
}

static const struct star_ops to_logd = { "syncd", "logd", say_hello, on_up, on_down, on_frame };
static const struct star_ops to_clientd = { "syncd", "clientd", say_hello, on_up, on_down, on_frame };

/* ---- Life ---- */

static uint64_t
syncd_turn(struct proc *p)
{
	struct syncd *s = syncd_of(p);
	struct zab_event tick = { .type = ZAB_TICK, .fd = -1 };
	uint64_t due = NEVER, want;

	for (int i = 0; i < 2; i++) {
		want = star_turn(&s->links[i]);
		due = want < due ? want : due;
	}
	if (zab_deadline(&s->zab) <= sim_now_ms(p->sim))
		step(s, &tick);
	want = zab_deadline(&s->zab);
	return want != UINT64_MAX && want * MS < due ? want * MS : due;
}

static void
syncd_start(struct proc *p)
{
	struct syncd *s = syncd_of(p);
	struct zab_config c = {
		.sid = 1,
		.standalone = true,
		.window_txns = WINDOW_TXNS,
		.window_bytes = WINDOW_BYTES,
		.commit_log_count = 100,
		.commit_log_bytes = 1 << 20,
		.role_base = (uint32_t)rng_below(&p->sim->net, 1 << 20),
		.trace = &p->trace,
	};

	quorum_init(&c.quorums.current, false);
	quorum_add(&c.quorums.current, c.sid, 0, 1);
	zab_init(&s->zab, &c);
	star_init(&s->links[ZAB_LOGD], p, &to_logd, &p->node->logd_link, true);
	star_init(&s->links[ZAB_CLIENTD], p, &to_clientd, &p->node->clientd_link, true);
}

static void
syncd_die(struct proc *p)
{
	struct syncd *s = syncd_of(p);

	for (int i = 0; i < 2; i++)
		star_free(&s->links[i]);
	zab_free(&s->zab);
}

const struct proc_ops syncd_ops = { syncd_start, syncd_turn, syncd_die };

void
syncd_init(struct node *n)
{
	char name[24];

	snprintf(name, sizeof name, "n%d.syncd", n->sid);
	proc_init(&n->syncd.proc, n->sim, n, PROC_SYNCD, &syncd_ops, name);
}
