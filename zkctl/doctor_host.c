/* What a doctor sees on this machine: clock, data folders, the zkd node. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>

#include "doctor.h"
#include "health.h"

enum {
	TIGHT_BYTES = 1 << 30, /* free: a warning below */
};

void
doctor_look_at_clock(struct doctor *d)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	if (state < 0)
		return;
	if (state == TIME_ERROR || (t.status & STA_UNSYNC) != 0)
		doctor_say(d, DOCTOR_WARN, "clock",
			   "let chrony or systemd-timesyncd keep it, on every machine",
			   "this machine's clock follows no other; a leader's clock dates the znodes and "
			   "ends those with "
			   "a time to live");
	else
		doctor_say(d, DOCTOR_OK, "clock", NULL,
			   "this machine's clock is kept by another; ask the others there");
}

static void
look_at_space(struct doctor *d, const char *folder, uint64_t space, uint64_t used)
{
	char size[2][32];

	format_bytes(space, size[0], sizeof size[0]);
	format_bytes(used, size[1], sizeof size[1]);
	if (space < used / 2)
		doctor_say(d, DOCTOR_STOP, folder,
			   "make room: a server that comes back may fetch everything anew",
			   "%s free, and %s are there", size[0], size[1]);
	else if (space < used || space < TIGHT_BYTES)
		doctor_say(d, DOCTOR_WARN, folder,
			   "make room, or let old snapshots be purged (autopurge.purgeInterval)",
			   "%s free, and %s are there", size[0], size[1]);
	else
		doctor_say(d, DOCTOR_OK, folder, NULL, "%s free, %s are there", size[0], size[1]);
}

void
doctor_look_at_data(struct doctor *d, const struct census *c)
{
	if (c->data_dir == NULL || c->error != 0)
		return;
	look_at_space(d, c->data_dir, c->free_bytes,
		      c->snapshot_bytes + (strcmp(c->data_dir, c->log_dir) == 0 ? c->log_bytes : 0));
	if (strcmp(c->data_dir, c->log_dir) != 0 && c->log_error == 0)
		look_at_space(d, c->log_dir, c->log_free_bytes, c->log_bytes);
	if (c->newest_snapshot != NULL && c->snapshot_result == 0)
		doctor_say(d, DOCTOR_OK, "snapshot", NULL,
			   "the newest one is whole: %" PRIu64 " znodes, %" PRIu64 " containers, %" PRIu64
			   " with a time to live",
			   c->snapshot.end.nodes, c->containers, c->ttls);
}

bool
doctor_look_at_node(struct doctor *d, const struct options *o)
{
	struct node_status s;
	struct health h;
	struct node n;

	if (node_open(o, &n) != ZKCTL_OK)
		return false;
	node_ask_all(&n, &s, ASK_LIMIT_MS);
	health_judge(&s, &h);
	if (h.answered == 0) {
		complain(ZKCTL_NO_ANSWER,
			 "no node answers in %s; start zkd, or name another folder with --runtime DIR. For "
			 "servers of "
			 "ZooKeeper: --migration",
			 n.path);
		node_close(&n);
		return false;
	}
	for (size_t i = 0; i < h.nproblems; i++)
		doctor_say(d, h.serves ? DOCTOR_WARN : DOCTOR_STOP, "node",
			   "zkctl status --facts and the journal tell more", "%s", h.problems[i]);
	if (h.nproblems == 0)
		doctor_say(d, DOCTOR_OK, "node", NULL, "the node in %s is well", n.path);
	for (int i = 0; i < NODE_PROGRAMS; i++) {
		const Zkd__DaemonStatus *daemon =
		    node_find_daemon(node_status_of(&s, NODE_ZKD), node_programs[i]);
		if (daemon != NULL && daemon->restarts > 0)
			doctor_say(d, DOCTOR_WARN, node_programs[i], "its obituaries are in the journal",
				   "it was restarted %u time%s", daemon->restarts,
				   daemon->restarts == 1 ? "" : "s");
	}
	node_close(&n);
	return true;
}
