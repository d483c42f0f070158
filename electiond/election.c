/*
 * The events of an election. Invariants: while looking our own vote is among those received, and the round never
 * falls; the rounds of what is received are the present one; RESULT is given once for each LOOK, and nothing is sent
 * while idle. See election.h.
 */
#include "election.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "election_internal.h"

static void
renew_voters(struct election *e)
{
	const struct quorum_pair *q = &e->members.quorums;

	memset(&e->voters, 0, sizeof e->voters);
	for (size_t i = 0; i < q->current.nvoters; i++)
		sid_set_add(&e->voters, q->current.voters[i].sid);
	for (size_t i = 0; q->has_pending && i < q->pending.nvoters; i++)
		sid_set_add(&e->voters, q->pending.voters[i].sid);
}

static void
adopt_members(struct election *e, const struct election_members *m)
{
	ASSERT(m->text.len <= NOTIFICATION_CONFIG_MAX);
	mem_free((void *)e->members.text.data);
	e->members = *m;
	e->members.text.data = (const uint8_t *)mem_strndup(
	    m->text.data == NULL ? (const uint8_t *)"" : m->text.data, m->text.len);
	renew_voters(e);
}

void
election_init(struct election *e, const struct election_config *config,
	      const struct election_members *members)
{
	ASSERT(config->min_interval_ms > 0 && config->max_interval_ms >= config->min_interval_ms);
	memset(e, 0, sizeof *e);
	e->config = *config;
	adopt_members(e, members);
}

void
election_free(struct election *e)
{
	mem_free((void *)e->members.text.data);
	mem_free(e->actions);
	memset(e, 0, sizeof *e);
}

/* The election is over, by v. What comes from now on is answered with it. */
static void
finish(struct election *e, const struct vote *v)
{
	e->phase = ELECTION_SETTLED;
	e->vote = *v;
	e->vote.state = v->leader == e->config.sid ? VOTE_LEADING
			: e->members.observer      ? VOTE_OBSERVING
						   : VOTE_FOLLOWING;
	e->serial++;
	e->finalize_ms = 0;
	election_doubt_begin(e, true);
	election_trace(e, TRACE_NOTICE, "elected", "leader=%lld state=%s round=%lld epoch=%lld zxid=0x%llx",
		       (long long)e->vote.leader, vote_state_name(e->vote.state), (long long)e->vote.round,
		       (long long)e->vote.epoch, (long long)e->vote.zxid);
	election_act(e, ELECTION_RESULT)->vote = e->vote;
	election_tell_askers(e);
}

/* Settles if a quorum holds our vote and there is nothing left to wait for; begins the wait where there is. */
static void
try_settle(struct election *e)
{
	if (e->phase != ELECTION_LOOKING || e->initial.zxid == VOTE_ZXID_NONE)
		return;
	if (!election_agreed(e, &e->received, &e->vote)) {
		e->finalize_ms = 0;
		return;
	}
	if (e->finalize_ms == 0)
		e->finalize_ms = e->now_ms + e->config.finalize_wait_ms;
	if (e->now_ms >= e->finalize_ms || !election_better_may_come(e))
		finish(e, &e->vote);
}

/* Takes v for our vote in the present round, and tells everybody. */
static void
propose(struct election *e, const struct vote *v)
{
	e->vote = *v;
	e->vote.round = e->round;
	e->vote.state = VOTE_LOOKING;
	e->vote.version = 0;
	e->serial++;
	e->finalize_ms = 0;
	election_votes_put(&e->received, e->config.sid, &e->vote);
	election_trace(e, TRACE_DEBUG, "propose", "leader=%lld round=%lld epoch=%lld zxid=0x%llx",
		       (long long)v->leader, (long long)e->round, (long long)v->epoch, (long long)v->zxid);
	election_tell_all(e);
}

/* An observer proposes nobody: what is smaller than all is replaced by the first vote that comes. */
static struct vote
initial_vote(const struct election *e)
{
	if (e->members.observer)
		return (struct vote){ .leader = INT64_MIN, .zxid = INT64_MIN, .epoch = INT64_MIN };
	if (e->nominates)
		return (struct vote){ .leader = e->nominee, .zxid = e->own_zxid + 1, .epoch = e->own_epoch };
	return (struct vote){ .leader = e->config.sid, .zxid = e->own_zxid, .epoch = e->own_epoch };
}

static void
begin_round(struct election *e)
{
	e->phase = ELECTION_LOOKING;
	e->round++;
	e->initial = initial_vote(e);
	e->interval_ms = e->config.min_interval_ms;
	e->resend_ms = e->now_ms + e->interval_ms;
	memset(&e->received.present, 0, sizeof e->received.present);
	memset(&e->outside.present, 0, sizeof e->outside.present);
	for (size_t i = 0; i < ELECTION_PEERS; i++) {
		struct election_peer *p = &e->peers[i];

		p->down = p->dialled = p->redialled = p->settled = false;
	}
	propose(e, &e->initial);
}

static void
on_role(struct election *e, const struct election_event *ev)
{
	ASSERT(ev->vote.state != VOTE_LOOKING);
	e->phase = ELECTION_SETTLED;
	e->vote = ev->vote;
	e->serial++;
	election_doubt_begin(e, false);
	if (e->round < ev->vote.round)
		e->round = ev->vote.round;
	election_answer_calls(e);
	election_tell_askers(e);
}

static void
on_epoch(struct election *e, const struct election_event *ev)
{
	if (e->phase != ELECTION_SETTLED)
		return;
	e->vote.epoch = ev->vote.epoch;
	e->serial++;
	election_doubt_begin(e, false);
}

static void
on_leave(struct election *e, const struct election_event *ev)
{
	(void)ev;
	e->phase = ELECTION_IDLE;
}

static bool
same_voters(const struct quorum *a, const struct quorum *b)
{
	bool same = a->hierarchical == b->hierarchical && a->nvoters == b->nvoters;

	for (size_t i = 0; i < a->nvoters && same; i++)
		same = a->voters[i].sid == b->voters[i].sid && a->voters[i].weight == b->voters[i].weight &&
		       a->voters[i].group == b->voters[i].group;
	return same;
}

/*
 * Who votes is what matters to a round. A leader gives the text another version with each epoch; to begin again for that
 * would leave servers behind that have just elected us in the round before.
 */
static void
on_members(struct election *e, const struct election_event *ev)
{
	const struct quorum_pair *was = &e->members.quorums, *is = &ev->members->quorums;
	bool same = ev->members->observer == e->members.observer &&
		    same_voters(&was->current, &is->current) && was->has_pending == is->has_pending &&
		    (!is->has_pending || same_voters(&was->pending, &is->pending));

	adopt_members(e, ev->members);
	election_trace(e, TRACE_NOTICE, "members", "version=0x%llx", (unsigned long long)e->members.version);
	if (e->phase == ELECTION_LOOKING && !same)
		begin_round(e);
}

static void
on_tick(struct election *e, const struct election_event *ev)
{
	(void)ev;
	if (e->phase != ELECTION_LOOKING || e->now_ms < e->resend_ms)
		return;
	if (e->finalize_ms != 0 && e->now_ms >= e->finalize_ms)
		return; /* settles now: there is nothing to say again */
	e->interval_ms =
	    e->interval_ms > e->config.max_interval_ms / 2 ? e->config.max_interval_ms : e->interval_ms * 2;
	e->resend_ms = e->now_ms + e->interval_ms;
	election_trace(e, TRACE_DEBUG, "resend", "next_ms=%u", e->interval_ms);
	election_resend(e);
}

/* A vote of a later round than ours: join that round, with the better of it and what we would propose at first. */
static void
join_round(struct election *e, const struct vote *v)
{
	e->round = v->round;
	memset(&e->received.present, 0, sizeof e->received.present);
	propose(e, election_preferred(e, v, &e->initial) ? v : &e->initial);
}

static void
on_looking_vote(struct election *e, int64_t sid, const struct vote *v)
{
	bool was_settled = e->peers[sid].settled;

	e->peers[sid].settled = false;
	if (v->round < e->round) {
		if (!e->members.observer)
			election_answer(e, sid);
		return;
	}
	if (!election_is_voter(e, v->leader) || e->initial.zxid == VOTE_ZXID_NONE ||
	    v->zxid == VOTE_ZXID_NONE)
		return;
	if (v->round > e->round)
		join_round(e, v);
	else if (election_preferred(e, v, &e->vote))
		propose(e, v);
	else if (was_settled && !vote_equal(v, &e->vote))
		election_answer(e, sid);
	election_votes_put(&e->received, sid, v);
}

/* A peer that follows or leads: enough of them show us the leader there is. */
static void
on_settled_vote(struct election *e, int64_t sid, const struct vote *v)
{
	struct vote unversioned = *v;

	e->peers[sid].settled = true;
	if (!election_is_voter(e, v->leader))
		return;
	/* As in ZooKeeper votes lose their version where those of the round are kept. So, compared with one that
	 * has a version, the leader alone counts, and a follower that has not renewed its epoch yet agrees with
	 * one that has. */
	unversioned.version = 0;
	if (v->round == e->round) {
		election_votes_put(&e->received, sid, &unversioned);
		if (election_agreed(e, &e->received, v) && election_leader_proven(e, &e->received, v)) {
			finish(e, v);
			return;
		}
	}
	election_votes_put(&e->outside, sid, v);
	if (election_agreed(e, &e->outside, v) && election_leader_proven(e, &e->outside, v)) {
		e->round = v->round;
		finish(e, v);
	}
}

/*
 * Whether the peer waits for nothing but our vote. Two servers that lose their leader hardly do so at the same time: the
 * vote of the first finds the second one still settled, and would be said again only after the first interval.
 */
static bool
is_calling(const struct election *e, const struct election_peer *p)
{
	return p->called ||
	       (p->looks && p->call.round >= e->round && e->now_ms - p->call_ms <= ELECTION_CALL_MS);
}

static void
on_look(struct election *e, const struct election_event *ev)
{
	e->own_zxid = ev->vote.zxid;
	e->own_epoch = ev->vote.epoch;
	e->nominates = ev->nominates && election_is_voter(e, ev->nominee);
	e->nominee = ev->nominee;
	begin_round(e);
	for (int64_t sid = 0; sid < SID_LIMIT; sid++) {
		struct election_peer *p = &e->peers[sid];

		if (is_calling(e, p) && election_is_voter(e, sid))
			on_looking_vote(e, sid, &p->call);
		p->called = false;
	}
}

static void
on_observing_vote(struct election *e, int64_t sid, const struct vote *v)
{
	(void)v;
	e->peers[sid].settled = true;
}

static void
look_at_config(struct election *e, const struct election_event *ev)
{
	struct slice text = ev->notification.config;
	uint64_t version;

	if (text.data == NULL || notification_config_version(text, &version) != 0 ||
	    version <= e->members.version)
		return;
	struct election_action *a = election_act(e, ELECTION_NEWER_CONFIG);
	a->peer = ev->peer;
	a->notification.config = text;
}

/*
 * Whom no configuration lets vote is not counted; while it looks it is told our vote, and each that we settle on later: it
 * may be a minute before it asks again. An observer that has not found its leader has none to tell.
 */
static void
on_non_voter(struct election *e, const struct election_event *ev)
{
	bool looks = ev->notification.vote.state == VOTE_LOOKING;

	if (looks && (e->phase != ELECTION_LOOKING || !e->members.observer))
		election_answer(e, ev->peer);
}

static void
on_late_vote(struct election *e, int64_t sid, const struct vote *v)
{
	election_doubt(e, sid, v);
	if (v->state == VOTE_LOOKING)
		election_answer(e, sid);
}

static void
on_notification(struct election *e, const struct election_event *ev)
{
	static void (*const count[VOTE_STATES])(struct election *, int64_t, const struct vote *) = {
		[VOTE_LOOKING] = on_looking_vote,
		[VOTE_FOLLOWING] = on_settled_vote,
		[VOTE_LEADING] = on_settled_vote,
		[VOTE_OBSERVING] = on_observing_vote,
	};
	const struct vote *v = &ev->notification.vote;
	struct election_peer *p = election_peer(e, ev->peer);

	p->connected = p->heard = true;
	p->down = false;
	if (ev->peer == e->config.sid)
		return;
	p->looks = v->state == VOTE_LOOKING;
	p->asked = p->looks && (v->zxid == VOTE_ZXID_NONE || !election_is_voter(e, ev->peer));
	p->call = *v;
	p->call_ms = e->now_ms;
	if (e->phase == ELECTION_IDLE) {
		p->called = p->looks;
		return;
	}
	election_trace(e, TRACE_DEBUG, "vote",
		       "peer=%lld state=%s leader=%lld round=%lld epoch=%lld zxid=0x%llx",
		       (long long)ev->peer, vote_state_name(v->state), (long long)v->leader,
		       (long long)v->round, (long long)v->epoch, (long long)v->zxid);
	if (e->phase == ELECTION_LOOKING)
		look_at_config(e, ev);
	if (!election_is_voter(e, ev->peer))
		on_non_voter(e, ev);
	else if (e->phase == ELECTION_LOOKING)
		count[v->state](e, ev->peer, v);
	else
		on_late_vote(e, ev->peer, v);
}

void
election_step(struct election *e, const struct election_event *event)
{
	static void (*const handlers[ELECTION_EVENTS])(struct election *, const struct election_event *) = {
		[ELECTION_LOOK] = on_look,
		[ELECTION_ROLE] = on_role,
		[ELECTION_EPOCH] = on_epoch,
		[ELECTION_LEAVE] = on_leave,
		[ELECTION_MEMBERS] = on_members,
		[ELECTION_NOTIFICATION] = on_notification,
		[ELECTION_CONNECTED] = election_peer_connected,
		[ELECTION_DELIVERED] = election_peer_delivered,
		[ELECTION_REFUSED] = election_peer_refused,
		[ELECTION_RESET] = election_peer_reset,
		[ELECTION_CLOSED] = election_peer_closed,
		[ELECTION_LOST] = election_peer_lost,
		[ELECTION_TICK] = on_tick,
	};

	ASSERT(event->type < ELECTION_EVENTS);
	e->nactions = 0;
	if (e->now_ms < event->now_ms)
		e->now_ms = event->now_ms;
	handlers[event->type](e, event);
	try_settle(e);
}

const struct election_action *
election_actions(const struct election *e, size_t *n)
{
	*n = e->nactions;
	return e->actions;
}

uint64_t
election_deadline(const struct election *e)
{
	if (e->phase != ELECTION_LOOKING)
		return UINT64_MAX;
	return e->finalize_ms != 0 && e->finalize_ms < e->resend_ms ? e->finalize_ms : e->resend_ms;
}

bool
election_has_role(const struct election *e, const struct vote *v)
{
	return e->phase == ELECTION_SETTLED && e->vote.leader == v->leader && e->vote.round == v->round &&
	       e->vote.state == v->state;
}

const char *
election_describe(const struct election *e, char *text, size_t size)
{
	switch (e->phase) {
	case ELECTION_IDLE:
		snprintf(text, size, "idle");
		break;
	case ELECTION_LOOKING:
		snprintf(text, size, "looking: round %lld, votes for %lld", (long long)e->round,
			 (long long)e->vote.leader);
		break;
	case ELECTION_SETTLED:
		snprintf(text, size, "%s: leader %lld, elected in round %lld", vote_state_name(e->vote.state),
			 (long long)e->vote.leader, (long long)e->vote.round);
		break;
	}
	return text;
}
