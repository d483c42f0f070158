/* A server as a whole. See node.h. */
#include "node.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"

enum { RATE = 1000000, RATE_SPREAD = 20000 /* both ways: worse than any real clock's */ };

uint64_t
node_now_ms(const struct node *n)
{
	return n->sim->now_us * n->rate / RATE / MS;
}

uint64_t
node_us_at(const struct node *n, uint64_t ms)
{
	if (ms == UINT64_MAX || ms > UINT64_MAX / MS / RATE)
		return NEVER;
	return (ms * MS * RATE + n->rate - 1) / n->rate;
}

struct node *
node_new(struct sim *s, int sid)
{
	struct node *n = mem_zalloc(1, sizeof *n);

	n->sim = s;
	n->sid = sid;
	n->rate = RATE + (s->seed % 3 == 0 ? rng_below(&s->net, 2 * RATE_SPREAD) - RATE_SPREAD : 0);
	sim_disk_init(&n->disk, s);
	logd_init(n);
	syncd_init(n);
	clientd_init(n);
	electiond_init(n);
	n->procs[0] = &n->logd.proc;
	n->procs[1] = &n->logd.helper.proc;
	n->procs[2] = &n->syncd.proc;
	n->procs[3] = &n->clientd.proc;
	n->procs[4] = &n->electiond.proc;
	n->nprocs = s->nnodes > 1 ? 5 : 4;
	n->logd_link.owner = &n->logd.proc;
	n->clientd_link.owner = n->client_port.owner = &n->clientd.proc;
	n->electiond_link.owner = n->election_port.owner = &n->electiond.proc;
	n->quorum_port.owner = &n->syncd.proc;
	return n;
}

void
node_put_members(const struct sim *s, unsigned voters, uint64_t version, char text[MEMBERS_BYTES])
{
	size_t at = 0;

	for (int i = 1; i <= s->nnodes; i++)
		at += (size_t)snprintf(text + at, MEMBERS_BYTES - at, "server.%d=10.0.0.%d:2888:3888:%s\n", i,
				       i, (voters >> i & 1) != 0 ? "participant" : "observer");
	snprintf(text + at, MEMBERS_BYTES - at, "version=%" PRIx64, version);
}

struct slice
node_members(struct node *n)
{
	return slice_str(n->kept.version != 0 ? n->kept.text : n->sim->members);
}

static void
hang_up(struct listener *l, bool crash)
{
	struct conn *c;

	while ((c = listener_accept(l)) != NULL)
		conn_close(c, 1, crash);
}

static void
kill_all(struct node *n, bool crash)
{
	struct listener *all[] = { &n->logd_link,   &n->clientd_link,  &n->electiond_link,
				   &n->client_port, &n->election_port, &n->quorum_port };

	for (int i = 0; i < n->nprocs; i++)
		proc_kill(n->procs[i]);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		hang_up(all[i], crash);
}

void
node_down(struct node *n)
{
	sim_trace(n->sim, NULL, "zkd dies", "node=%d", n->sid);
	n->down = true;
	kill_all(n, true);
}

void
node_power_loss(struct node *n)
{
	sim_trace(n->sim, NULL, "power loss", "node=%d", n->sid);
	n->off = true;
	kill_all(n, true);
	sim_disk_power_loss(&n->disk);
}

void
node_up(struct node *n)
{
	bool was_off = n->off;

	n->off = n->down = false;
	if (was_off)
		net_node_is_on(n);
}

void
node_free(struct node *n)
{
	kill_all(n, false);
	sim_disk_free(&n->disk);
	mem_free(n);
}
