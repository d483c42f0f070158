/*
 * electiond: fast leader election with the node's peers. A standalone node has no peers: electiond holds its link to
 * syncd, so that the star is whole, and waits. Invariant: it never refuses syncd's HELLO for being without peers.
 */
#include "io/daemon.h"
#include "io/link.h"

struct electiond {
	struct daemon *daemon;
	struct link syncd;
};

static int
on_up(void *owner, struct link *l, const Zkd__Hello *theirs)
{
	struct electiond *e = owner;

	(void)l;
	(void)theirs;
	daemon_status(e->daemon, "standalone: no peers to vote with");
	return 0;
}

static void
on_down(void *owner, struct link *l)
{
	struct electiond *e = owner;

	(void)l;
	daemon_status(e->daemon, "standalone, waiting for syncd");
}

static void
on_mismatch(void *owner, struct link *l, const char *why)
{
	(void)owner;
	daemon_mismatch(l->ops->peer, why);
}

/* No message of the star is meant for a daemon without peers: whatever comes after HELLO ends the link. */
static const struct link_ops syncd_ops = {
	.peer = "syncd",
	.up = on_up,
	.down = on_down,
	.mismatch = on_mismatch,
};

static int
start(struct daemon *d)
{
	struct electiond *e = d->room;
	int listener = listen_take(&d->listeners, "link");

	if (listener < 0) {
		log_plain(LOG_ERR, "no listener named link was passed");
		return EXIT_BAD_INVOCATION;
	}
	e->daemon = d;
	link_init(&e->syncd, &d->turn, &syncd_ops, e, &d->identity);
	link_listen(&e->syncd, listener);
	on_down(e, &e->syncd);
	daemon_ready(d);
	return 0;
}

static void
status(struct daemon *d, struct status_writer *w)
{
	struct electiond *e = d->room;

	status_fact(w, "peers", "0");
	status_fact(w, "syncd", "%s", link_is_up(&e->syncd) ? "up" : "down");
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "electiond",
		.purpose = "elects the leader of an ensemble; idle on a standalone node.",
		.start = start,
		.status = status,
	};
	struct electiond electiond = { 0 };

	return daemon_run(&spec, &electiond, argc, argv);
}
