/*
 * syncd: the hub of the star. The daemon's life, and the core's actions carried out. Invariant: the core is not stepped
 * while its actions are being carried out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shell.h"

#include "config/members.h"
#include "io/clock.h"
#include "io/log.h"

enum {
	/* Credit in bytes; with its slack it stays below what a link may hold back (LINK_OUT_MAX). */
	WINDOW_BYTES = 64 << 20,
	COMMIT_LOG_BYTES = 16 << 20,
	/* The zxid in STATUS= follows commits at this pace. */
	STATUS_EVERY_MS = 1000,
	/* Java's standalone server calls itself 1, whatever its myid. */
	STANDALONE_SID = 1,
	CLIENTD_ABSENT_MS = 1000, /* a leader without its clientd for longer gives up */
	READ_ONLY_MIN_MS = 2000,  /* ZooKeeper: QuorumPeer.run */
	/* failureDetection=fast: well below the 1.5 s for all of a failover, well above what a busy machine keeps one waiting */
	FAST_MS = 800,
	MAX_SNAP_SYNCS = 10, /* leader.maxConcurrentSnapSyncs, Java's default */
};

static void
close_fd(struct syncd *s, const struct zab_action *a)
{
	(void)s;
	close(a->fd);
}

static void
tell_role(struct syncd *s, const struct zab_action *a)
{
	const struct zab *z = &s->zab;
	char text[200];

	(void)a;
	s->status_stale = true;
	log_event(z->trouble != NULL ? LOG_ERR : LOG_NOTICE, "role", "text=%s epoch=%u proposed=0x%llx",
		  log_quote(slice_str(zab_describe(z, text, sizeof text))).text, z->epoch,
		  (unsigned long long)z->proposed);
}

/* How each action is carried out; ZAB_CLOSE is act's own. None of these steps the core. */
static void (*const how[ZAB_ACTIONS])(struct syncd *, const struct zab_action *) = {
	[ZAB_SEND] = star_send,
	[ZAB_SEND_ROLE] = star_send_role,
	[ZAB_SEND_DISK] = star_send_disk,
	[ZAB_CLOSE_FD] = close_fd,
	[ZAB_ROLE_CHANGED] = tell_role,
	[ZAB_SEND_EPOCHS] = star_send_epochs,
	[ZAB_SEND_LOOK] = star_send_look,
	[ZAB_SEND_RESULT] = star_send_result,
	[ZAB_SEND_LEARNERS] = star_send_learners,
	[ZAB_DIAL] = dial_begin,
	[ZAB_PEER_FLUSH] = peers_flush,
	[ZAB_PEER_READ] = peers_read,
	[ZAB_PEER_CLOSE] = peers_close,
	[ZAB_CHANNEL_OPEN] = channel_open,
	[ZAB_CHANNEL_READ] = channel_read,
	[ZAB_CHANNEL_CLOSE] = channel_close,
	[ZAB_INSTALL_OPEN] = install_open,
	[ZAB_INSTALL_FLUSH] = install_flush,
	[ZAB_INSTALL_CLOSE] = install_close,
};

/* Carries out the core's actions; returns why the link that caused them (ZAB_LINKS: none) must end, or NULL. */
static const char *
act(struct syncd *s, enum zab_link from)
{
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

const char *
shell_step_link(struct syncd *s, struct zab_event *e, enum zab_link link)
{
	e->now_ms = clock_mono_ms();
	zab_step(&s->zab, e);
	return act(s, link);
}

void
shell_step(struct syncd *s, struct zab_event *e)
{
	shell_step_link(s, e, ZAB_LINKS);
}

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

/*
 * The list of members in force is zkd's to keep. Those of the start it knows. Without a zkd, and without an ensemble whose
 * list may change, nobody listens. What finds the socket full is said again at the next step.
 */
static void
tell_members(struct syncd *s)
{
	uint64_t version = zab_members_version(&s->zab);
	struct buf text;

	if (version == s->members_told || !s->zab.config.reconfig)
		return;
	buf_init(&text, MEMBERS_TEXT_MAX);
	zab_members_put(&s->zab, &text);
	buf_put_u8(&text, '\0');
	if (text.overflow || notify_members(&s->daemon->notify, (char *)text.data) != -EAGAIN)
		s->members_told = version;
	buf_free(&text);
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

	install_settle(s);
	if (zab_deadline(&s->zab) <= now_ms)
		shell_step(s, &tick);
	peers_bury(s);
	tell_members(s);
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
	d->sandbox.grants |= SANDBOX_DIAL_UNIX;
	if (config_is_ensemble(d->config))
		d->sandbox.grants |= SANDBOX_DIAL_INET;
	return 0;
}

/*
 * Only a new process can have a new one. While the node has a role it needs no name, and a new syncd would cost it the
 * role: so dial.c ends it when a name is wanted, which is never before the role has ended.
 */
static void
on_resolver_lost(void *owner)
{
	(void)owner;
	log_event(LOG_ERR, "resolver lost",
		  "consequence=\"this daemon ends as soon as a name is to be looked up\"");
}

/* Of an ensemble: who takes part, and the times. text is what zab_config.members borrows. */
static void
add_ensemble(struct zab_config *z, const struct config *c, struct buf *text)
{
	struct members *m = members_from_config(c);

	members_put(m, text);
	members_quorums(m, NULL, &z->quorums);
	z->members = buf_slice(text);
	members_free(m);
	z->standalone = false;
	z->sid = (uint64_t)c->myid;
	z->reconfig = c->reconfig_enabled;
	z->observer = config_find_server(c, c->myid)->observer;
	z->init_limit = (uint32_t)c->init_limit_ticks;
	z->sync_limit = (uint32_t)c->sync_limit_ticks;
	if (c->failure_detection == CONFIG_FAILURE_FAST)
		z->fast_ms = FAST_MS;
	if (c->read_only_mode_enabled)
		z->read_only_ms = z->tick_ms > READ_ONLY_MIN_MS ? z->tick_ms : READ_ONLY_MIN_MS;
}

static struct zab_config
core_config(const struct daemon *d, struct buf *text)
{
	const struct config *c = d->config;
	struct zab_config z = {
		.sid = STANDALONE_SID,
		.standalone = true,
		.tick_ms = (uint32_t)c->tick_time_ms,
		.clientd_absent_ms = CLIENTD_ABSENT_MS,
		.max_snap_syncs = MAX_SNAP_SYNCS,
		.window_txns = (uint32_t)c->global_outstanding_limit,
		.window_bytes = WINDOW_BYTES,
		.commit_log_count = (size_t)c->commit_log_count,
		.commit_log_bytes = COMMIT_LOG_BYTES,
		.role_base = (uint32_t)(d->identity.incarnation ^ d->identity.incarnation >> 32),
		.trace = log_trace(),
	};

	if (config_is_ensemble(c)) {
		add_ensemble(&z, c, text);
		return z;
	}
	quorum_init(&z.quorums.current, false);
	quorum_add(&z.quorums.current, z.sid, 0, 1);
	return z;
}

static int
syncd_start(struct daemon *d)
{
	struct syncd *s = d->room;
	struct zab_config c;
	struct buf text;

	s->daemon = d;
	s->status_stale = true;
	buf_init(&text, MEMBERS_TEXT_MAX);
	c = core_config(d, &text);
	loss_init(&s->loss);
	c.filter = &s->loss.filter;
	zab_init(&s->zab, &c);
	s->members_told = zab_members_version(&s->zab);
	buf_free(&text);
	install_init(s);
	dial_init(s);
	if (d->spec->resolves && config_is_ensemble(d->config))
		resolver_start(&d->resolver, d->loop, on_resolver_lost, s);
	peers_start(s);
	star_start(s);
	daemon_ready(d);
	return 0;
}

static int
answer_lose(void *owner, struct control_conn *c, const struct frame *f)
{
	const struct daemon *d = owner;
	struct syncd *s = d->room;

	loss_take(&s->loss, &s->zab, c, f);
	return 0;
}

/* The answer comes when the hand-over has begun, or will not; what comes of it the facts tell. */
static int
answer_move(void *owner, struct control_conn *c, const struct frame *f)
{
	const Zkd__MoveRequest *q = control_take(c, f, &zkd__move_request__descriptor);
	struct zab_event e = { .type = ZAB_MOVE, .fd = -1 };
	Zkd__MoveAnswer a = ZKD__MOVE_ANSWER__INIT;
	const struct daemon *d = owner;
	struct syncd *s = d->room;

	if (q == NULL)
		return -EPROTO;
	e.any = q->any;
	e.sid = q->sid;
	shell_step(s, &e);
	a.sid = s->zab.move.target;
	if (s->zab.move.refused != NULL)
		a.refused = (char *)(uintptr_t)s->zab.move.refused;
	control_reply(c, f, &a.base);
	return 0;
}

static const struct control_message questions[] = {
	{ MSG_MOVE, false, answer_move },
	{ MSG_LOSE, false, answer_lose },
};

/* Nothing here outlives the process: what matters is in logd's log. */
static bool
syncd_stop(struct daemon *d)
{
	struct syncd *s = d->room;

	star_stop(s);
	dial_stop(s);
	peers_stop(s);
	stream_close(&s->install);
	resolver_stop(&s->daemon->resolver);
	zab_free(&s->zab);
	return true;
}

static const struct daemon_spec spec = {
	.name = "syncd",
	.purpose = "puts all writes into one order and says which are committed",
	.dials = true,
	.resolves = true,
	.open = syncd_open,
	.start = syncd_start,
	.step = syncd_step,
	.status = shell_status,
	.questions = questions,
	.nquestions = sizeof questions / sizeof questions[0],
	.stop = syncd_stop,
};

int
main(int argc, char **argv)
{
	static struct syncd s;

	return daemon_run(&spec, &s, argc, argv);
}
