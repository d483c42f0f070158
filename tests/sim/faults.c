/* What goes wrong, and the supervisor that starts again what died. Everything here is drawn from the stream `faults`. */
#include "client.h"
#include "node.h"

enum {
	FAULT_MIN_US = 400 * MS,
	FAULT_MAX_US = 5 * SECOND,
	SUPERVISE_US = 20 * MS,
	BACK_MAX_US = 250 * MS,
	POWER_BACK_US = 800 * MS,
	AWAY_MAX_US = 12 * SECOND,
	PAUSE_MAX_US = 3 * SECOND,
	FULL_MAX_US = 6 * SECOND,
	DISK_CALLS = 14, /* a process dies within so many calls of the disk */
	JUMP_MS = 7200 * 1000,
};

/* One draw in each statement: C does not say in which order the parts of an expression are drawn. */
static struct node *
any_node(struct sim *s)
{
	return s->nodes[rng_below(&s->faults, (uint64_t)s->nnodes)];
}

static struct proc *
any_proc(struct sim *s)
{
	struct node *n = any_node(s);

	return n->procs[rng_below(&s->faults, (uint64_t)n->nprocs)];
}

/* ---- The supervisor ---- */

static void
start_again(struct sim *s, void *who, uint64_t tag)
{
	struct proc *p = who;

	(void)s;
	(void)tag;
	if (p->kind == PROC_HELPER && !p->node->logd.proc.alive)
		return; /* logd brings its own */
	if (p->node->off || p->node->down)
		return;
	proc_start(p);
}

static void
supervise(struct sim *s, void *who, uint64_t tag)
{
	struct node *n = who;

	(void)tag;
	for (int i = 0; i < n->nprocs; i++)
		if (!n->procs[i]->alive && n->back_us[i] <= s->now_us && !n->off && !n->down) {
			n->back_us[i] = s->now_us + rng_range(&s->faults, SUPERVISE_US, BACK_MAX_US);
			sim_at(s, n->back_us[i], start_again, n->procs[i], 0);
		}
	sim_at(s, s->now_us + SUPERVISE_US, supervise, n, 0);
}

/* ---- The faults ---- */

static void
crash_one(struct sim *s)
{
	proc_kill(any_proc(s));
}

static void
crash_two(struct sim *s)
{
	crash_one(s);
	crash_one(s);
}

static void
crash_at_disk_call(struct sim *s)
{
	struct sim_disk *d = &any_node(s)->disk;

	d->crash_in = rng_range(&s->faults, 1, DISK_CALLS);
}

/* The machine or zkd is back, and starts its daemons one after the other. */
static void
node_starts(struct sim *s, void *who, uint64_t tag)
{
	struct node *n = who;

	(void)tag;
	node_up(n);
	for (int i = 0; i < n->nprocs; i++) {
		n->back_us[i] = s->now_us + rng_below(&s->faults, BACK_MAX_US);
		sim_at(s, n->back_us[i], start_again, n->procs[i], 0);
	}
}

static void
lose_power(struct node *n)
{
	struct sim *s = n->sim;

	if (n->off || n->down)
		return;
	node_power_loss(n);
	sim_at(s,
	       s->now_us + rng_range(&s->faults, POWER_BACK_US, s->nnodes > 1 ? AWAY_MAX_US : POWER_BACK_US),
	       node_starts, n, 0);
}

static void
power_loss(struct sim *s)
{
	lose_power(any_node(s));
}

/* zkd dies, and its service manager starts it again. */
static void
zkd_dies(struct sim *s)
{
	struct node *n = any_node(s);

	if (n->off || n->down)
		return;
	node_down(n);
	sim_at(s, s->now_us + rng_range(&s->faults, 100 * MS, s->nnodes > 1 ? AWAY_MAX_US : SECOND),
	       node_starts, n, 0);
}

/* The machine dies in the middle of what logd or its helper is about to do. */
static void
power_loss_soon(struct sim *s)
{
	struct node *n = any_node(s);

	n->disk.crash_in = rng_range(&s->faults, 1, DISK_CALLS);
	n->disk.power_follows = true;
}

static void
fail_sync(struct sim *s)
{
	struct sim_disk *d = &any_node(s)->disk;

	d->fail_syncs = (unsigned)rng_range(&s->faults, 1, 3);
}

static void
fail_write(struct sim *s)
{
	struct sim_disk *d = &any_node(s)->disk;

	d->fail_writes = (unsigned)rng_range(&s->faults, 1, 3);
}

static void
not_full(struct sim *s, void *who, uint64_t tag)
{
	struct sim_disk *d = who;

	(void)tag;
	if (d->full)
		sim_trace(s, NULL, "disk has room", "%s", "");
	d->full = false;
}

static void
fill_disk(struct sim *s)
{
	struct sim_disk *d = &any_node(s)->disk;

	d->full = true;
	sim_at(s, s->now_us + rng_range(&s->faults, 10 * MS, FULL_MAX_US), not_full, d, 0);
}

static void
pause_one(struct sim *s)
{
	struct proc *p = any_proc(s);
	uint64_t us = rng_range(&s->faults, 1 * MS, PAUSE_MAX_US);

	sim_trace(s, p, "paused", "ms=%llu", (unsigned long long)(us / MS));
	proc_pause(p, s->now_us + us);
}

static void
pause_client(struct sim *s)
{
	struct proc *p = &s->clients[rng_below(&s->faults, (uint64_t)s->nclients)]->proc;

	proc_pause(p, s->now_us + rng_range(&s->faults, 100 * MS, 16 * SECOND));
}

static void
jump(struct sim *s)
{
	s->wall_jump_ms += (int64_t)rng_below(&s->faults, 2 * JUMP_MS) - JUMP_MS;
}

static void
slow_disk(struct sim *s)
{
	struct sim_disk *d = &any_node(s)->disk;

	d->slow_us = rng_once_in(&s->faults, 2) ? 0 : rng_range(&s->faults, 1 * MS, 300 * MS);
}

static const struct {
	const char *name;
	void (*happen)(struct sim *s);
	unsigned weight;
} faults[] = {
	{ "crash", crash_one, 6 },
	{ "two crashes", crash_two, 2 },
	{ "crash at a disk call", crash_at_disk_call, 4 },
	{ "power loss", power_loss, 2 },
	{ "zkd dies", zkd_dies, 2 },
	{ "power loss at a disk call", power_loss_soon, 3 },
	{ "failed sync", fail_sync, 3 },
	{ "failed write", fail_write, 2 },
	{ "full disk", fill_disk, 1 },
	{ "pause", pause_one, 3 },
	{ "pause of a client", pause_client, 1 },
	{ "wall clock jumps", jump, 1 },
	{ "disk slow or fast", slow_disk, 1 },
};

static void
strike(struct sim *s, void *who, uint64_t tag)
{
	unsigned total = 0, pick;
	size_t i = 0;

	(void)who;
	(void)tag;
	if (s->healing)
		return;
	for (size_t k = 0; k < sizeof faults / sizeof *faults; k++)
		total += faults[k].weight;
	pick = (unsigned)rng_below(&s->faults, total);
	for (; pick >= faults[i].weight; i++)
		pick -= faults[i].weight;
	s->counts.faults++;
	sim_trace(s, NULL, "fault", "kind=\"%s\"", faults[i].name);
	faults[i].happen(s);
	sim_at(s, s->now_us + rng_range(&s->faults, FAULT_MIN_US, FAULT_MAX_US), strike, NULL, 0);
}

void
faults_died(struct proc *p)
{
	struct node *n = p->node;

	if (n == NULL || !n->disk.power_follows || (p->kind != PROC_LOGD && p->kind != PROC_HELPER))
		return;
	n->disk.power_follows = false;
	lose_power(n);
}

void
faults_begin(struct sim *s)
{
	for (int i = 0; i < s->nnodes; i++)
		sim_at(s, s->now_us, supervise, s->nodes[i], 0);
	sim_at(s, s->now_us + FAULT_MIN_US, strike, NULL, 0);
}

void
faults_heal(struct sim *s)
{
	sim_trace(s, NULL, "heal", "%s", "no more faults");
	s->healing = true;
	for (int i = 0; i < s->nnodes; i++) {
		struct sim_disk *d = &s->nodes[i]->disk;

		d->fail_syncs = d->fail_writes = 0;
		d->crash_in = d->slow_us = 0;
		d->full = d->power_follows = false;
		for (int k = 0; k < s->nodes[i]->nprocs; k++)
			s->nodes[i]->procs[k]->paused_us = s->now_us;
	}
	for (int i = 0; i < s->nclients; i++) {
		struct client *c = s->clients[i];

		c->proc.paused_us = s->now_us;
		if (c->next_us > s->now_us)
			c->next_us = s->now_us;
		proc_wake(&c->proc, s->now_us);
	}
}
