/*
 * Second thoughts: what voters say after this server has settled. Invariant: `against` holds the voters whose last word
 * since then was for another leader, or for another round; each that joins them is told to syncd once. See election.h.
 */
#include <string.h>

#include "election_internal.h"

void
election_doubt_begin(struct election *e, bool unsure)
{
	e->unsure = unsure;
	memset(&e->against, 0, sizeof e->against);
}

/* A vote of our round that ours beats will give way to it; one of an older round will be brought up to it. */
static bool
looks_elsewhere(const struct election *e, const struct vote *v)
{
	return v->round > e->vote.round || (v->round == e->vote.round && election_preferred(e, v, &e->vote));
}

static bool
is_against(const struct election *e, int64_t sid, const struct vote *v)
{
	if (v->state != VOTE_LOOKING)
		return v->leader != e->vote.leader;
	/* A leader that looks in an older round was born again meanwhile. */
	return looks_elsewhere(e, v) || (sid == e->vote.leader && v->round != e->vote.round);
}

/* Whether those that are not against our leader are no quorum any more, or it is itself. */
static bool
is_lost(const struct election *e)
{
	const struct quorum_pair *q = &e->members.quorums;
	struct sid_set left = e->voters;

	if (sid_set_has(&e->against, (uint64_t)e->vote.leader))
		return true;
	for (size_t i = 0; i < sizeof left.bits / sizeof left.bits[0]; i++)
		left.bits[i] &= ~e->against.bits[i];
	return !quorum_reached(&q->current, &left) || (q->has_pending && !quorum_reached(&q->pending, &left));
}

static void
turn_away(struct election *e, int64_t sid)
{
	struct election_action *a;

	if (sid_set_has(&e->against, (uint64_t)sid))
		return;
	sid_set_add(&e->against, (uint64_t)sid);
	a = election_act(e, ELECTION_DOUBT);
	a->lost = is_lost(e);
	election_trace(e, TRACE_DEBUG, "doubt", "peer=%lld lost=%d", (long long)sid, a->lost);
}

/* Others that are down may come back while there is a leader. */
void
election_doubt_down(struct election *e, int64_t sid)
{
	if (e->phase == ELECTION_SETTLED && e->unsure && sid == e->vote.leader)
		turn_away(e, sid);
}

void
election_doubt(struct election *e, int64_t sid, const struct vote *v)
{
	/* Who has no data votes for nobody, and follows whoever leads. */
	if (!e->unsure || v->zxid == VOTE_ZXID_NONE)
		return;
	if (!is_against(e, sid, v)) {
		e->against.bits[sid / 64] &= ~(UINT64_C(1) << sid % 64);
		return;
	}
	turn_away(e, sid);
}
