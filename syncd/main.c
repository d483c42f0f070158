/*
 * syncd: the hub of the star. This shell turns what its three links bring into events of the zab core and the core's
 * actions into frames; it decides nothing. Invariant: the core and the links agree on which links are up.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "io/clock.h"
#include "io/daemon.h"
#include "io/link.h"
#include "zab.h"

enum {
	/* Credit in bytes; with its slack it stays below what a link may hold back (LINK_OUT_MAX). */
	WINDOW_BYTES = 64 << 20,
	COMMIT_LOG_BYTES = 16 << 20,
	/* The zxid in STATUS= follows commits at this pace. */
	STATUS_EVERY_MS = 1000,
	/* Java's standalone server calls itself 1, whatever its myid. */
	STANDALONE_SID = 1,
};

struct syncd {
	struct zab zab;
	struct link links[ZAB_LINKS];
	struct daemon *daemon;
	bool status_stale;               /* the role or a link has changed */
	uint64_t status_zxid, status_ms; /* of the newest STATUS= */
	enum zab_phase status_phase;     /* of clientd, then */
};

static const char *const link_paths[ZAB_LINKS] = { "logd.link", "clientd.link", "electiond.link" };

static void
send_role(struct link *l, const struct zab_role_told *r)
{
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
	link_send_proto(l, MSG_ROLE, r->number, 0, &m.base);
}

static void
send_disk(struct link *l, const struct zab_action *a)
{
	Zkd__Disk m = ZKD__DISK__INIT;

	m.failed = a->disk.failed;
	m.error = (char *)a->disk.error;
	link_send_proto(l, MSG_DISK, 0, a->frame.zxid, &m.base);
}

static void
act_send(struct syncd *s, const struct zab_action *a)
{
	struct link *l = &s->links[a->link];

	if (a->fd >= 0)
		link_send_fd(l, &a->frame, a->fd);
	else
		link_send(l, &a->frame);
}

static void
act_send_role(struct syncd *s, const struct zab_action *a)
{
	send_role(&s->links[a->link], &a->role);
}

static void
act_send_disk(struct syncd *s, const struct zab_action *a)
{
	send_disk(&s->links[a->link], a);
}

static void
act_close_fd(struct syncd *s, const struct zab_action *a)
{
	(void)s;
	close(a->fd);
}

static void
act_role_changed(struct syncd *s, const struct zab_action *a)
{
	const struct zab *z = &s->zab;
	char text[200];

	(void)a;
	s->status_stale = true;
	log_event(z->trouble != NULL ? LOG_ERR : LOG_NOTICE, "role", "text=%s epoch=%u proposed=0x%llx",
		  log_quote(slice_str(zab_describe(z, text, sizeof text))).text, z->epoch,
		  (unsigned long long)z->proposed);
}

/* Carries out the core's actions; returns why the link that caused them must end, or NULL. */
static const char *
act(struct syncd *s, enum zab_link from)
{
	static void (*const how[])(struct syncd *, const struct zab_action *) = {
		[ZAB_SEND] = act_send,
		[ZAB_SEND_ROLE] = act_send_role,
		[ZAB_SEND_DISK] = act_send_disk,
		[ZAB_CLOSE_FD] = act_close_fd,
		[ZAB_ROLE_CHANGED] = act_role_changed,
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
			link_drop(&s->links[a[i].link], a[i].reason);
	}
	return reason;
}

static const char *
step(struct syncd *s, struct zab_event *e)
{
	e->now_ms = clock_mono_ms();
	zab_step(&s->zab, e);
	return act(s, e->link);
}

static enum zab_link
which(const struct syncd *s, const struct link *l)
{
	return (enum zab_link)(l - s->links);
}

/* A step that a link's callback takes part in: 0, or -EPROTO when that link must end. */
static int
step_of_link(struct syncd *s, struct link *l, struct zab_event *e)
{
	const char *reason;

	e->link = which(s, l);
	reason = step(s, e);
	return reason == NULL ? 0 : link_refuse(l, "%s", reason);
}

static int
on_frame(void *owner, struct link *l, const struct frame *f)
{
	struct zab_event e = { .type = ZAB_FRAME, .frame = *f, .fd = -1 };

	return step_of_link(owner, l, &e);
}

static int
on_channel(void *owner, struct link *l, const struct frame *f)
{
	struct zab_event e = { .type = ZAB_FRAME, .frame = *f, .fd = link_take_fd(l) };

	return step_of_link(owner, l, &e);
}

static struct zab_disk
disk_of(const Zkd__Disk *d)
{
	return (struct zab_disk){ .failed = d != NULL && d->failed, .error = d != NULL ? d->error : "" };
}

static int
on_disk(void *owner, struct link *l, const struct frame *f)
{
	struct zab_event e = { .type = ZAB_FRAME, .frame = *f, .fd = -1 };
	const Zkd__Disk *d = link_take_proto(l, f, &zkd__disk__descriptor);

	if (d == NULL)
		return link_refuse(l, "malformed body");
	e.disk = disk_of(d);
	return step_of_link(owner, l, &e);
}

/* The states in which a message may come are the core's matter. */
#define MESSAGE(type, name, handle)                                                                          \
	{                                                                                                    \
		type, false, LINK_ANY_STATE, name, handle                                                    \
	}
#define CHANNEL(type, name)                                                                                  \
	{                                                                                                    \
		type, true, LINK_ANY_STATE, name, on_channel                                                 \
	}

static const struct link_message logd_messages[] = {
	MESSAGE(MSG_DURABLE, "DURABLE", on_frame),
	CHANNEL(MSG_LOAD_CHANNEL, "LOAD_CHANNEL"),
	CHANNEL(MSG_SNAPSHOT, "SNAPSHOT"),
	MESSAGE(MSG_DISK, "DISK", on_disk),
};

static const struct link_message clientd_messages[] = {
	MESSAGE(MSG_ROLE_ACK, "ROLE_ACK", on_frame),
	MESSAGE(MSG_LOAD, "LOAD", on_frame),
	MESSAGE(MSG_READY, "READY", on_frame),
	MESSAGE(MSG_PROPOSE, "PROPOSE", on_frame),
};

static void
say_hello(void *owner, struct link *l, Zkd__Hello *mine)
{
	const struct syncd *s = owner;

	(void)l;
	mine->applied_zxid = s->zab.committed;
	mine->role_number = s->zab.role_number;
}

static int
on_up(void *owner, struct link *l, const Zkd__Hello *theirs)
{
	struct syncd *s = owner;
	struct zab_event e = { .type = ZAB_UP, .fd = -1 };

	e.hello = (struct zab_hello){
		.durable = theirs->durable_zxid,
		.epochs = { .accepted = theirs->accepted_epoch, .current = theirs->current_epoch },
		.partial = theirs->partial,
		.applied = theirs->applied_zxid,
		.has_tree = theirs->has_tree,
		.disk = disk_of(theirs->disk),
	};
	s->status_stale = true;
	return step_of_link(s, l, &e);
}

/* Where the core itself has ended the link it knows already. */
static void
on_down(void *owner, struct link *l)
{
	struct syncd *s = owner;
	struct zab_event e = { .type = ZAB_DOWN, .link = which(s, l), .fd = -1 };

	s->status_stale = true;
	if (s->zab.links[e.link].up)
		step(s, &e);
}

static void
on_mismatch(void *owner, struct link *l, const char *why)
{
	(void)owner;
	daemon_mismatch(l->ops->peer, why);
}

#define STAR_LINK(name, table, n)                                                                            \
	{                                                                                                    \
		.peer = name, .messages = table, .nmessages = n, .hello = say_hello, .up = on_up,            \
		.down = on_down, .mismatch = on_mismatch                                                     \
	}

static const struct link_ops link_ops[ZAB_LINKS] = {
	[ZAB_LOGD] = STAR_LINK("logd", logd_messages, sizeof logd_messages / sizeof logd_messages[0]),
	[ZAB_CLIENTD] =
	    STAR_LINK("clientd", clientd_messages, sizeof clientd_messages / sizeof clientd_messages[0]),
	[ZAB_ELECTIOND] = STAR_LINK("electiond", NULL, 0),
};

static void
renew_status(struct syncd *s, uint64_t now_ms)
{
	char text[200];

	s->status_stale = false;
	s->status_zxid = s->zab.committed;
	s->status_phase = s->zab.phase;
	s->status_ms = now_ms;
	daemon_status(s->daemon, "%s", zab_describe(&s->zab, text, sizeof text));
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
syncd_step(struct daemon *d, uint64_t now_ms)
{
	struct syncd *s = d->room;
	struct zab_event tick = { .type = ZAB_TICK, .fd = -1 };

	if (zab_deadline(&s->zab) <= now_ms)
		step(s, &tick);
	if (s->status_stale || s->status_phase != s->zab.phase ||
	    (s->status_zxid != s->zab.committed && now_ms - s->status_ms >= STATUS_EVERY_MS))
		renew_status(s, now_ms);
	if (s->status_zxid == s->zab.committed)
		return zab_deadline(&s->zab);
	return earlier(zab_deadline(&s->zab), s->status_ms + STATUS_EVERY_MS);
}

static int
syncd_open(struct daemon *d)
{
	if (config_is_ensemble(d->config)) {
		log_plain(LOG_ERR, "ensembles are not built yet");
		return EXIT_BAD_INVOCATION;
	}
	d->sandbox.grants |= SANDBOX_DIAL_UNIX;
	return 0;
}

static struct zab_config
core_config(const struct daemon *d)
{
	struct zab_config c = {
		.sid = STANDALONE_SID,
		.standalone = true,
		.window_txns = (uint32_t)d->config->global_outstanding_limit,
		.window_bytes = WINDOW_BYTES,
		.commit_log_count = (size_t)d->config->commit_log_count,
		.commit_log_bytes = COMMIT_LOG_BYTES,
		.role_base = (uint32_t)(d->identity.incarnation ^ d->identity.incarnation >> 32),
		.trace = log_trace(),
	};

	quorum_init(&c.quorums.current, false);
	quorum_add(&c.quorums.current, c.sid, 0, 1);
	return c;
}

static int
syncd_start(struct daemon *d)
{
	struct syncd *s = d->room;
	struct zab_config c = core_config(d);

	s->daemon = d;
	s->status_stale = true;
	zab_init(&s->zab, &c);
	for (int i = 0; i < ZAB_LINKS; i++) {
		link_init(&s->links[i], &d->turn, &link_ops[i], s, &d->identity);
		link_dial(&s->links[i], link_paths[i]);
	}
	daemon_ready(d);
	return 0;
}

static void
syncd_status(struct daemon *d, struct status_writer *w)
{
	static const char *const roles[] = { "looking", "leader", "follower", "observer" };
	static const char *const names[ZAB_LINKS] = { "logd", "clientd", "electiond" };
	const struct syncd *s = d->room;
	const struct zab *z = &s->zab;
	char text[200];

	status_text(w, "%s", zab_describe(z, text, sizeof text));
	status_fact(w, "role", "%s", roles[z->role]);
	status_fact(w, "standalone", "%d", z->config.standalone);
	status_fact(w, "epoch", "%u", z->epoch);
	status_fact(w, "proposed_zxid", "0x%llx", (unsigned long long)z->proposed);
	status_fact(w, "committed_zxid", "0x%llx", (unsigned long long)z->committed);
	status_fact(w, "durable_zxid", "0x%llx", (unsigned long long)z->durable);
	for (int i = 0; i < ZAB_LINKS; i++)
		status_fact(w, names[i], "%s", z->links[i].up ? "up" : "down");
	status_fact(w, "serving", "%d", z->role != ZAB_LOOKING && z->phase == ZAB_READY);
	status_fact(w, "disk", "%s", z->disk_failed ? z->disk_error : "ok");
	status_fact(w, "credit_txns", "%u of %u", z->open_txns, z->config.window_txns);
	status_fact(w, "credit_bytes", "%llu of %llu", (unsigned long long)z->open_bytes,
		    (unsigned long long)z->config.window_bytes);
	status_fact(w, "window_txns", "%zu", z->window.count);
	status_fact(w, "window_bytes", "%zu", z->window.held);
}

/* Nothing here outlives the process: what matters is in logd's log. */
static bool
syncd_stop(struct daemon *d)
{
	struct syncd *s = d->room;

	for (int i = 0; i < ZAB_LINKS; i++)
		link_close(&s->links[i]);
	zab_free(&s->zab);
	return true;
}

static const struct daemon_spec spec = {
	.name = "syncd",
	.purpose = "puts all writes into one order and says which are committed",
	.dials = true,
	.open = syncd_open,
	.start = syncd_start,
	.step = syncd_step,
	.status = syncd_status,
	.stop = syncd_stop,
};

int
main(int argc, char **argv)
{
	static struct syncd s;

	return daemon_run(&spec, &s, argc, argv);
}
