/* A server as a whole. See node.h. */
#include "node.h"

#include <stdio.h>

#include "base/mem.h"

struct node *
node_new(struct sim *s, int sid)
{
	struct node *n = mem_zalloc(1, sizeof *n);

	n->sim = s;
	n->sid = sid;
	sim_disk_init(&n->disk, s);
	logd_init(n);
	syncd_init(n);
	clientd_init(n);
	n->procs[0] = &n->logd.proc;
	n->procs[1] = &n->logd.helper.proc;
	n->procs[2] = &n->syncd.proc;
	n->procs[3] = &n->clientd.proc;
	n->logd_link.owner = &n->logd.proc;
	n->clientd_link.owner = n->client_port.owner = &n->clientd.proc;
	return n;
}

static void
hang_up(struct listener *l, bool crash)
{
	struct conn *c;

	while ((c = listener_accept(l)) != NULL)
		conn_close(c, 1, crash);
}

void
node_power_loss(struct node *n)
{
	sim_trace(n->sim, NULL, "power loss", "node=%d", n->sid);
	for (int i = 0; i < 4; i++)
		proc_kill(n->procs[i]);
	hang_up(&n->logd_link, true);
	hang_up(&n->clientd_link, true);
	hang_up(&n->client_port, true);
	sim_disk_power_loss(&n->disk);
}

void
node_free(struct node *n)
{
	for (int i = 0; i < 4; i++)
		proc_kill(n->procs[i]);
	hang_up(&n->logd_link, false);
	hang_up(&n->clientd_link, false);
	hang_up(&n->client_port, false);
	sim_disk_free(&n->disk);
	mem_free(n);
}
