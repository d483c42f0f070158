/*
 * What is said to whom, and what is known of the connections. Invariants: nothing is sent to a peer that is not
 * connected; a voter that connects while we look is sent our vote at once; a peer is dialled at most once in an
 * interval, and once more when a connection closes that had worked. See election.h.
 */
#include "base/mem.h"
#include "election_internal.h"

enum { ACTIONS_FIRST = 16 };

struct election_action *
election_act(struct election *e, enum election_action_type type)
{
	if (e->nactions == e->actions_cap) {
		e->actions_cap = e->actions_cap == 0 ? ACTIONS_FIRST : e->actions_cap * 2;
		e->actions = mem_realloc(e->actions, e->actions_cap * sizeof *e->actions);
	}
	struct election_action *a = &e->actions[e->nactions++];
	*a = (struct election_action){ .type = type };
	return a;
}

struct election_peer *
election_peer(struct election *e, int64_t sid)
{
	if (sid >= 0 && sid < SID_LIMIT)
		return &e->peers[sid];
	return &e->peers[SID_LIMIT + (uint64_t)sid % ELECTION_STRANGERS];
}

bool
election_is_voter(const struct election *e, int64_t sid)
{
	return sid >= 0 && sid_set_has(&e->voters, (uint64_t)sid);
}

static void
send_vote(struct election *e, int64_t sid)
{
	struct election_action *a = election_act(e, ELECTION_SEND);

	a->peer = sid;
	a->notification = (struct notification){ .vote = e->vote, .config = e->members.text };
	election_peer(e, sid)->undelivered = true;
}

static void
dial(struct election *e, int64_t sid, bool replace)
{
	struct election_action *a = election_act(e, ELECTION_CONNECT);

	a->peer = sid;
	a->replace = replace;
	e->peers[sid].dialled = true;
	e->peers[sid].connected = false;
}

static void
tell(struct election *e, int64_t sid)
{
	if (e->peers[sid].connected)
		send_vote(e, sid);
	else if (!e->peers[sid].dialled)
		dial(e, sid, false);
}

static bool
is_other_voter(const struct election *e, int64_t sid)
{
	return election_is_voter(e, sid) && sid != e->config.sid;
}

void
election_tell_all(struct election *e)
{
	for (int64_t sid = 0; sid < SID_LIMIT; sid++)
		if (is_other_voter(e, sid))
			tell(e, sid);
}

void
election_answer(struct election *e, int64_t sid)
{
	struct election_peer *p = election_peer(e, sid);

	if (p->answered_serial == e->serial && e->now_ms - p->answered_ms < ELECTION_ANSWER_GAP_MS)
		return;
	p->answered_serial = e->serial;
	p->answered_ms = e->now_ms;
	send_vote(e, sid);
}

void
election_answer_calls(struct election *e)
{
	for (int64_t sid = 0; sid < SID_LIMIT; sid++) {
		struct election_peer *p = &e->peers[sid];

		if (p->looks) /* so it is connected */
			election_answer(e, sid);
		p->called = false;
	}
}

void
election_tell_askers(struct election *e)
{
	for (int64_t sid = 0; sid < SID_LIMIT; sid++) {
		struct election_peer *p = &e->peers[sid];

		if (p->asked && p->connected)
			election_answer(e, sid);
	}
}

void
election_resend(struct election *e)
{
	for (int64_t sid = 0; sid < SID_LIMIT; sid++) {
		struct election_peer *p = &e->peers[sid];

		if (!is_other_voter(e, sid))
			continue;
		p->dialled = p->redialled = false;
		if (p->connected && p->undelivered)
			dial(e, sid, true);
		else
			tell(e, sid);
	}
}

void
election_peer_connected(struct election *e, const struct election_event *ev)
{
	struct election_peer *p = election_peer(e, ev->peer);

	p->connected = true;
	p->down = p->heard = p->undelivered = p->called = p->looks = false;
	p->answered_serial = 0;
	if (e->phase == ELECTION_LOOKING && is_other_voter(e, ev->peer))
		send_vote(e, ev->peer);
}

void
election_peer_delivered(struct election *e, const struct election_event *ev)
{
	election_peer(e, ev->peer)->undelivered = false;
}

static void
mark_down(struct election *e, int64_t sid)
{
	if (!is_other_voter(e, sid))
		return;
	election_trace(e, TRACE_DEBUG, "down", "peer=%lld", (long long)sid);
	e->peers[sid].down = true;
	election_votes_remove(&e->outside, sid);
	election_doubt_down(e, sid);
}

void
election_peer_refused(struct election *e, const struct election_event *ev)
{
	/* it may have dialled us meanwhile */
	if (!election_peer(e, ev->peer)->connected)
		mark_down(e, ev->peer);
}

static void
disconnect(struct election_peer *p)
{
	p->connected = p->undelivered = p->called = p->looks = false;
}

void
election_peer_reset(struct election *e, const struct election_event *ev)
{
	disconnect(election_peer(e, ev->peer));
	mark_down(e, ev->peer);
}

/* Whether it matters whether the peer is there: to who looks any other voter, to who has just settled the leader. */
static bool
wants_to_know(const struct election *e, int64_t sid)
{
	if (e->phase == ELECTION_LOOKING)
		return is_other_voter(e, sid);
	return e->phase == ELECTION_SETTLED && e->unsure && sid == e->vote.leader;
}

/* A connection that had worked may have ended with its process, or with the role it was for: a dial tells. */
void
election_peer_closed(struct election *e, const struct election_event *ev)
{
	struct election_peer *p = election_peer(e, ev->peer);

	disconnect(p);
	if (!p->heard) {
		mark_down(e, ev->peer);
	} else if (wants_to_know(e, ev->peer) && !p->redialled) {
		p->redialled = true;
		dial(e, ev->peer, false);
	}
	p->heard = false;
}

void
election_peer_lost(struct election *e, const struct election_event *ev)
{
	disconnect(election_peer(e, ev->peer));
}
