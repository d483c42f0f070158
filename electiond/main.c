/*
 * electiond: fast leader election with the node's peers. A standalone node has no peers: there electiond holds its link
 * to syncd, so that the star is whole, and waits. Invariants: it never refuses syncd's HELLO for being without peers; the
 * core's actions are carried out before it is given the next event.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "io/clock.h"
#include "io/log.h"
#include "shell.h"

static void
do_send(struct electiond *e, const struct election_action *a)
{
	peers_send(&e->peers, a->peer, &a->notification);
}

static void
do_connect(struct electiond *e, const struct election_action *a)
{
	peers_connect(&e->peers, a->peer, a->replace);
}

static void
do_result(struct electiond *e, const struct election_action *a)
{
	e->elections++;
	star_result(e, &a->vote);
}

static void
do_newer_config(struct electiond *e, const struct election_action *a)
{
	star_newer_config(e, a->notification.config);
}

static void
do_doubt(struct electiond *e, const struct election_action *a)
{
	star_doubt(e, a->lost);
}

void
electiond_tell(struct electiond *e, struct election_event *ev)
{
	static void (*const doers[])(struct electiond *, const struct election_action *) = {
		[ELECTION_SEND] = do_send,     [ELECTION_CONNECT] = do_connect,
		[ELECTION_RESULT] = do_result, [ELECTION_NEWER_CONFIG] = do_newer_config,
		[ELECTION_DOUBT] = do_doubt,
	};
	const struct election_action *actions;
	size_t n;

	ev->now_ms = clock_mono_ms();
	election_step(&e->core, ev);
	actions = election_actions(&e->core, &n);
	for (size_t i = 0; i < n; i++)
		doers[actions[i].type](e, &actions[i]);
	turn_again(&e->daemon->turn);
}

void
electiond_describe(struct electiond *e)
{
	const char *without = link_is_up(&e->syncd) ? "" : ", waiting for syncd";
	char text[120];

	if (!e->ensemble)
		daemon_status(e->daemon, "standalone: no peers to vote with%s", without);
	else
		daemon_status(e->daemon, "%s%s", election_describe(&e->core, text, sizeof text), without);
}

bool
electiond_is_observer(const struct electiond *e, const struct members *m)
{
	const struct config_server *own = members_find(m, e->daemon->config->myid);

	return own == NULL || own->observer;
}

/* What the core is told of the members; text is the caller's, to be freed after the core has copied it. */
static void
describe_members(const struct members *m, bool observer, struct buf *text, struct election_members *out)
{
	buf_init(text, NOTIFICATION_CONFIG_MAX);
	members_put(m, text);
	if (text->overflow)
		buf_truncate(text, 0);
	*out =
	    (struct election_members){ .version = m->version, .text = buf_slice(text), .observer = observer };
	members_quorums(m, NULL, &out->quorums);
}

void
electiond_adopt(struct electiond *e, struct members *m, bool observer)
{
	struct election_members members;
	struct election_event ev = { .type = ELECTION_MEMBERS, .members = &members };
	struct buf text;

	describe_members(m, observer, &text, &members);
	peers_set_members(&e->peers, m);
	electiond_tell(e, &ev);
	members_free(e->members);
	e->members = m;
	buf_free(&text);
}

/* Beginning */

static bool
is_own(void *owner, const struct sockaddr_storage *from)
{
	struct electiond *e = owner;

	return selfcheck_heard(&e->selfcheck, from);
}

static int
identify_ms(const struct config *c)
{
	int ms;

	if (c->quorum_cnxn_timeout_ms > 0)
		return c->quorum_cnxn_timeout_ms;
	return __builtin_mul_overflow(c->tick_time_ms, c->sync_limit_ticks, &ms) ? INT32_MAX : ms;
}

static void
init_core(struct electiond *e, const struct config *c)
{
	struct election_config config = {
		.sid = (uint8_t)c->myid,
		.min_interval_ms = (uint32_t)c->min_notification_interval_ms,
		.max_interval_ms = (uint32_t)c->max_notification_interval_ms,
		.finalize_wait_ms = ELECTION_FINALIZE_WAIT_MS,
		.trace = log_trace(),
	};
	struct election_members members;
	struct buf text;

	e->members = members_from_config(c);
	describe_members(e->members, electiond_is_observer(e, e->members), &text, &members);
	election_init(&e->core, &config, &members);
	buf_free(&text);
}

static void
on_resolver_lost(void *owner)
{
	struct electiond *e = owner;

	/* The next process has a new one; nobody misses this one meanwhile. */
	daemon_quit(e->daemon, EXIT_FAILURE);
}

/* 0 or an exit status. */
static int
start_peers(struct electiond *e)
{
	struct daemon *d = e->daemon;
	const struct config *c = d->config;
	struct peers_config config = {
		.turn = &d->turn,
		.resolver = &d->resolver,
		.sid = c->myid,
		.several_addresses = c->multi_address_enabled,
		.keep_alive = c->tcp_keep_alive,
		.dial_ms = c->cnx_timeout_ms,
		.identify_ms = identify_ms(c),
		.is_own = is_own,
		.owner = e,
	};
	int fd;

	init_core(e, c);
	resolver_start(&d->resolver, d->loop, on_resolver_lost, e);
	peers_init(&e->peers, &config);
	peers_set_members(&e->peers, e->members);
	selfcheck_init(&e->selfcheck, d->loop);
	while (e->peers.nlisteners < PEERS_LISTENERS_MAX &&
	       (fd = listen_take(&d->listeners, "election")) >= 0) {
		selfcheck_add(&e->selfcheck, fd);
		peers_listen(&e->peers, fd);
	}
	if (e->peers.nlisteners == 0) {
		log_plain(LOG_ERR, "no listener named election was passed");
		return EXIT_BAD_INVOCATION;
	}
	return 0;
}

static int
electiond_open(struct daemon *d)
{
	if (config_is_ensemble(d->config))
		d->sandbox.grants |= SANDBOX_DIAL_INET;
	return 0;
}

static int
electiond_start(struct daemon *d)
{
	struct electiond *e = d->room;
	int listener = listen_take(&d->listeners, "link"), status;

	if (listener < 0) {
		log_plain(LOG_ERR, "no listener named link was passed");
		return EXIT_BAD_INVOCATION;
	}
	e->daemon = d;
	e->ensemble = config_is_ensemble(d->config);
	if (e->ensemble && (status = start_peers(e)) != 0)
		return status;
	star_listen(e, listener);
	electiond_describe(e);
	daemon_ready(d);
	return 0;
}

/* Turns */

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
electiond_step(struct daemon *d, uint64_t now_ms)
{
	struct electiond *e = d->room;
	struct election_event ev;
	uint64_t next;

	if (!e->ensemble)
		return TURN_NO_DEADLINE;
	while (peers_next(&e->peers, &ev))
		electiond_tell(e, &ev);
	if (now_ms >= election_deadline(&e->core)) {
		ev = (struct election_event){ .type = ELECTION_TICK };
		electiond_tell(e, &ev);
	}
	next = election_deadline(&e->core);
	next = earlier(next, peers_tick(&e->peers, now_ms));
	next = earlier(
	    next, selfcheck_tick(&e->selfcheck, now_ms, e->peers.accepted, buf_slice(&e->peers.initial)));
	electiond_describe(e);
	return next;
}

static bool
electiond_healthy(struct daemon *d)
{
	const struct electiond *e = d->room;

	return !e->selfcheck.deaf;
}

static bool
electiond_stop(struct daemon *d)
{
	struct electiond *e = d->room;

	link_close(&e->syncd);
	if (!e->ensemble)
		return true;
	selfcheck_stop(&e->selfcheck);
	peers_stop(&e->peers);
	resolver_stop(&d->resolver);
	election_free(&e->core);
	members_free(e->members);
	return true;
}

/* Being asked */

static void
tell_vote(struct status_writer *w, const char *kind, int64_t sid, const struct vote *v)
{
	char name[40];

	snprintf(name, sizeof name, "%s.%lld", kind, (long long)sid);
	status_fact(w, name, "state=%s leader=%lld round=%lld epoch=%lld zxid=0x%llx",
		    vote_state_name(v->state), (long long)v->leader, (long long)v->round, (long long)v->epoch,
		    (unsigned long long)v->zxid);
}

static void
tell_votes(struct status_writer *w, const struct election *core)
{
	for (int64_t sid = 0; sid < SID_LIMIT; sid++) {
		if (sid != core->config.sid && sid_set_has(&core->received.present, (uint64_t)sid))
			tell_vote(w, "vote", sid, &core->received.of[sid]);
		if (core->phase == ELECTION_LOOKING && sid_set_has(&core->outside.present, (uint64_t)sid))
			tell_vote(w, "outside", sid, &core->outside.of[sid]);
	}
}

static void
tell_peers(struct status_writer *w, const struct electiond *e)
{
	char name[40];

	for (size_t i = 0; i < e->members->nservers; i++) {
		int64_t sid = e->members->servers[i].sid;

		if (sid == e->daemon->config->myid)
			continue;
		snprintf(name, sizeof name, "peer.%lld", (long long)sid);
		status_fact(w, name, "%s",
			    peers_is_connected(&e->peers, sid) ? "connected"
			    : e->core.peers[sid].down          ? "down"
							       : "not connected");
	}
}

static void
electiond_status(struct daemon *d, struct status_writer *w)
{
	static const char *const phases[] = { "idle", "looking", "settled" };
	struct electiond *e = d->room;

	status_fact(w, "syncd", "%s", link_is_up(&e->syncd) ? "up" : "down");
	if (!e->ensemble) {
		status_fact(w, "peers", "0");
		status_queue(w, 0);
		return;
	}
	status_fact(w, "sid", "%lld", (long long)d->config->myid);
	status_fact(w, "peers", "%zu", e->members->nservers - 1);
	status_fact(w, "connected", "%u", peers_connected(&e->peers));
	status_fact(w, "members_version", "0x%llx", (unsigned long long)e->members->version);
	status_fact(w, "phase", "%s", phases[e->core.phase]);
	status_fact(w, "round", "%lld", (long long)e->core.round);
	status_fact(w, "elections", "%llu", (unsigned long long)e->elections);
	status_fact(w, "accepted", "%llu", (unsigned long long)e->peers.accepted);
	status_fact(w, "unknown", "%u", e->peers.nunknown);
	status_fact(w, "refused", "%llu", (unsigned long long)e->peers.refused);
	status_queue(w, peers_waiting(&e->peers));
	status_fact(w, "self_checks", "%llu", (unsigned long long)e->selfcheck.heard);
	if (e->core.phase != ELECTION_IDLE)
		tell_vote(w, "vote", d->config->myid, &e->core.vote);
	tell_votes(w, &e->core);
	tell_peers(w, e);
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "electiond",
		.purpose = "elects the leader of an ensemble; idle on a standalone node.",
		.resolves = true,
		.open = electiond_open,
		.start = electiond_start,
		.step = electiond_step,
		.status = electiond_status,
		.healthy = electiond_healthy,
		.stop = electiond_stop,
	};
	static struct electiond electiond;

	return daemon_run(&spec, &electiond, argc, argv);
}
