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
	PARTITION_MAX_US = 15 * SECOND,
	SLOW_MAX_US = 400 * MS,
	DISK_CALLS = 14, /* a process dies within so many calls of the disk */
	SENDS = 40,      /* or messages */
	ALLOCATIONS = 600,
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

/* The operator writes another configuration, and one daemon is started with it. */
static void
reconfigure(struct sim *s)
{
	struct proc *p = any_proc(s);

	p->node->config++;
	proc_kill(p);
}

/* Other servers vote from now on; whoever leads does not look whether they are there. */
static void
change_members(struct sim *s)
{
	unsigned voters = (unsigned)rng_below(&s->faults, UINT64_C(1) << s->nnodes) << 1;

	while (__builtin_popcount(voters) < VOTERS_MIN)
		voters |= 1u << any_node(s)->sid;
	for (int i = 0; i < s->nnodes; i++)
		if (node_leads(s->nodes[i]))
			node_reconfigure(s->nodes[i], voters);
}

/* Part of what a turn has to say leaves, the rest does not. */
static void
crash_between_messages(struct sim *s)
{
	struct proc *p = any_proc(s);

	p->sends_left = (unsigned)rng_range(&s->faults, 1, SENDS);
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

void
faults_lose_power(struct node *n)
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
	faults_lose_power(any_node(s));
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
starve(struct sim *s)
{
	struct proc *p = any_proc(s);

	if (p->alive)
		p->heap.fail_in = rng_range(&s->faults, 1, ALLOCATIONS);
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

/* ---- The network ---- */

/* One direction between two nodes as a number; opens it again. */
static void
open_link(struct sim *s, void *who, uint64_t tag)
{
	(void)who;
	s->links[tag / PLACES][tag % PLACES].slow_us = 0;
	net_block(s, (int)(tag / PLACES), (int)(tag % PLACES), false);
}

static void
block_for(struct sim *s, int from, int to, uint64_t us)
{
	net_block(s, from, to, true);
	sim_at(s, s->now_us + us, open_link, NULL, (uint64_t)(from * PLACES + to));
}

/* The nodes in the set, a bit for each sid, and the others do not hear each other. */
void
faults_partition(struct sim *s, unsigned side, bool one_way, uint64_t us)
{
	sim_trace(s, NULL, "partition", "nodes=0x%x one_way=%d ms=%llu", side, one_way,
		  (unsigned long long)(us / MS));
	for (int a = 1; a <= s->nnodes; a++)
		for (int b = 1; b <= s->nnodes; b++) {
			if ((side >> a & 1) == 0 || (side >> b & 1) != 0)
				continue;
			block_for(s, a, b, us);
			if (!one_way)
				block_for(s, b, a, us);
		}
}

static uint64_t
partition_time(struct sim *s)
{
	return rng_once_in(&s->faults, 3) ? rng_range(&s->faults, 10 * MS, SECOND)
					  : rng_range(&s->faults, SECOND, PARTITION_MAX_US);
}

static void
cut_off_one(struct sim *s)
{
	struct node *n = any_node(s);

	faults_partition(s, 1u << n->sid, false, partition_time(s));
}

static void
cut_off_leader(struct sim *s)
{
	struct node *n = any_node(s);

	for (int i = 0; i < s->nnodes; i++)
		if (node_leads(s->nodes[i]))
			n = s->nodes[i];
	faults_partition(s, 1u << n->sid, false, partition_time(s));
}

static void
cut_one_way(struct sim *s)
{
	struct node *n = any_node(s);
	unsigned side = 1u << n->sid;

	if (rng_once_in(&s->faults, 2))
		side = ~side;
	faults_partition(s, side, true, partition_time(s));
}

static void
cut_in_two(struct sim *s)
{
	unsigned side = (unsigned)rng_below(&s->faults, UINT64_C(1) << s->nnodes) << 1;

	faults_partition(s, side, false, partition_time(s));
}

/* Clients cannot reach a node, or it cannot reach them. */
static void
cut_clients(struct sim *s)
{
	struct node *n = any_node(s);
	uint64_t us = partition_time(s);

	block_for(s, PLACE_CLIENTS, n->sid, us);
	if (rng_once_in(&s->faults, 2))
		block_for(s, n->sid, PLACE_CLIENTS, us);
}

static void
slow_link(struct sim *s)
{
	int a = any_node(s)->sid, b = any_node(s)->sid;

	if (a == b)
		return;
	s->links[a][b].slow_us = rng_range(&s->faults, MS, SLOW_MAX_US);
	sim_at(s, s->now_us + partition_time(s), open_link, NULL, (uint64_t)(a * PLACES + b));
}

static void
break_links(struct sim *s)
{
	int a = any_node(s)->sid, b = any_node(s)->sid;

	net_break(s, a, a == b ? PLACE_CLIENTS : b, rng_range(&s->faults, 1, 3));
}

static void
crash_leader(struct sim *s)
{
	for (int i = 0; i < s->nnodes; i++) {
		struct node *n = s->nodes[i];

		if (node_leads(n)) {
			proc_kill(n->procs[rng_below(&s->faults, (uint64_t)n->nprocs)]);
			return;
		}
	}
}

/* An operator: zkctl move-leader. */
static void
move_leader(struct sim *s)
{
	int to = (int)rng_below(&s->faults, (uint64_t)s->nnodes + 1);

	for (int i = 0; i < s->nnodes; i++)
		if (node_leads(s->nodes[i]))
			s->nodes[i]->syncd.move_to = to == 0 ? -1 : to;
}

static void
flip(struct sim *s, void *who, uint64_t tag)
{
	(void)who;
	if (s->healing || tag == 0)
		return;
	net_flip(s);
	sim_at(s, s->now_us + rng_range(&s->faults, 100, 20 * MS), flip, NULL, tag - 1);
}

/* Elections are short: for the flips to meet one a connection of an election is disturbed with them. */
static void
flip_soon(struct sim *s)
{
	crash_leader(s);
	flip(s, NULL, rng_range(&s->faults, 5, 100));
}

/* All nodes at about the same time: what was committed has to come from the disks. */
static void
power_loss_of_all(struct sim *s)
{
	for (int i = 0; i < s->nnodes; i++)
		faults_lose_power(s->nodes[i]);
}

/* Where a fault may strike. */
enum {
	ANYWHERE,
	ENSEMBLES /* more than one node */,
	CONFIGURED /* one seed in ten */,
	MEMBERED /* members change */,
	MOVED /* two seeds in ten */,
};

static const struct {
	const char *name;
	void (*happen)(struct sim *s);
	unsigned weight, where;
} faults[] = {
	{ "crash", crash_one, 6, ANYWHERE },
	{ "two crashes", crash_two, 2, ANYWHERE },
	{ "out of memory", starve, 4, ANYWHERE },
	{ "crash between messages", crash_between_messages, 4, ANYWHERE },
	{ "crash at a disk call", crash_at_disk_call, 4, ANYWHERE },
	{ "power loss", power_loss, 2, ANYWHERE },
	{ "zkd dies", zkd_dies, 2, ANYWHERE },
	{ "power loss at a disk call", power_loss_soon, 3, ANYWHERE },
	{ "failed sync", fail_sync, 3, ANYWHERE },
	{ "failed write", fail_write, 2, ANYWHERE },
	{ "full disk", fill_disk, 1, ANYWHERE },
	{ "pause", pause_one, 3, ANYWHERE },
	{ "pause of a client", pause_client, 1, ANYWHERE },
	{ "wall clock jumps", jump, 1, ANYWHERE },
	{ "disk slow or fast", slow_disk, 1, ANYWHERE },
	{ "crash at the leader", crash_leader, 6, ENSEMBLES },
	{ "power loss of all", power_loss_of_all, 1, ENSEMBLES },
	{ "a node cut off", cut_off_one, 3, ENSEMBLES },
	{ "the leader cut off", cut_off_leader, 3, ENSEMBLES },
	{ "one way cut", cut_one_way, 3, ENSEMBLES },
	{ "cut in two", cut_in_two, 2, ENSEMBLES },
	{ "clients cut off", cut_clients, 1, ENSEMBLES },
	{ "slow link", slow_link, 2, ENSEMBLES },
	{ "broken connections", break_links, 3, ENSEMBLES },
	{ "bit flips", flip_soon, 3, ENSEMBLES },
	{ "another configuration", reconfigure, 6, CONFIGURED },
	{ "other members", change_members, 14, MEMBERED },
	{ "leadership is moved", move_leader, 20, MOVED },
};

static unsigned
weight_of(const struct sim *s, size_t i)
{
	if ((faults[i].where == ENSEMBLES && s->nnodes == 1) ||
	    (faults[i].where == MEMBERED && !s->reconfigures) ||
	    (faults[i].where == CONFIGURED && s->seed % 10 != 6) ||
	    (faults[i].where == MOVED && (s->nnodes == 1 || (s->seed % 10 != 2 && s->seed % 10 != 9))))
		return 0;
	return faults[i].weight;
}

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
		total += weight_of(s, k);
	pick = (unsigned)rng_below(&s->faults, total);
	for (; pick >= weight_of(s, i); i++)
		pick -= weight_of(s, i);
	s->counts.faults++;
	sim_trace(s, NULL, "fault", "kind=\"%s\"", faults[i].name);
	faults[i].happen(s);
	sim_at(s,
	       s->now_us +
		   rng_range(&s->faults, FAULT_MIN_US, s->nnodes > 1 ? FAULT_MAX_US / 2 : FAULT_MAX_US),
	       strike, NULL, 0);
}

void
faults_died(struct proc *p)
{
	struct node *n = p->node;

	if (n == NULL || !n->disk.power_follows || n->disk.crash_in > 0 ||
	    (p->kind != PROC_LOGD && p->kind != PROC_HELPER))
		return;
	n->disk.power_follows = false;
	faults_lose_power(n);
}

/* Exit status 79: the supervisor ends the others, and starts all. */
static void
end_all(struct sim *s, void *who, uint64_t tag)
{
	struct node *n = who;

	(void)s;
	(void)tag;
	for (int i = 0; i < n->nprocs; i++)
		proc_kill(n->procs[i]);
}

void
faults_mismatch(struct proc *p)
{
	sim_trace(p->sim, p, "another configuration", "%s", "");
	p->dying = true;
	sim_at(p->sim, p->sim->now_us + rng_below(&p->sim->faults, SUPERVISE_US), end_all, p->node, 0);
}

void
faults_begin(struct sim *s)
{
	for (int i = 0; i < s->nnodes; i++)
		sim_at(s, s->now_us, supervise, s->nodes[i], 0);
	if (s->story == NULL)
		sim_at(s, s->now_us + FAULT_MIN_US, strike, NULL, 0);
}

void
faults_heal(struct sim *s)
{
	sim_trace(s, NULL, "heal", "%s", "no more faults");
	s->healing = true;
	net_heal(s);
	for (int i = 0; i < s->nnodes; i++) {
		struct sim_disk *d = &s->nodes[i]->disk;

		d->fail_syncs = d->fail_writes = 0;
		d->crash_in = d->slow_us = 0;
		d->full = d->power_follows = false;
		for (int k = 0; k < s->nodes[i]->nprocs; k++) {
			s->nodes[i]->procs[k]->paused_us = s->now_us;
			s->nodes[i]->procs[k]->sends_left = 0;
			s->nodes[i]->procs[k]->heap.fail_in = 0;
		}
		if (s->nodes[i]->off || s->nodes[i]->down)
			node_starts(s, s->nodes[i], 0);
	}
	for (int i = 0; i < s->nclients; i++) {
		struct client *c = s->clients[i];

		c->proc.paused_us = s->now_us;
		if (c->next_us > s->now_us)
			c->next_us = s->now_us;
		proc_wake(&c->proc, s->now_us);
	}
}
