/* The votes of a round: which are there, whether a quorum agrees, whether a better one may come. See election.h. */
#include "base/assert.h"
#include "election_internal.h"

void
election_votes_put(struct election_votes *votes, int64_t sid, const struct vote *v)
{
	ASSERT(sid >= 0 && sid < SID_LIMIT);
	votes->of[sid] = *v;
	sid_set_add(&votes->present, (uint64_t)sid);
}

void
election_votes_remove(struct election_votes *votes, int64_t sid)
{
	ASSERT(sid >= 0 && sid < SID_LIMIT);
	votes->present.bits[sid / 64] &= ~(UINT64_C(1) << sid % 64);
}

bool
election_agreed(const struct election *e, const struct election_votes *votes, const struct vote *v)
{
	const struct quorum_pair *q = &e->members.quorums;
	struct sid_set agreeing = { 0 };

	for (uint64_t sid = 0; sid < SID_LIMIT; sid++)
		if (sid_set_has(&votes->present, sid) && vote_equal(v, &votes->of[sid]))
			sid_set_add(&agreeing, sid);
	return quorum_reached(&q->current, &agreeing) &&
	       (!q->has_pending || quorum_reached(&q->pending, &agreeing));
}

bool
election_leader_proven(const struct election *e, const struct election_votes *votes, const struct vote *v)
{
	if (v->leader == e->config.sid)
		return v->round == e->round;
	return sid_set_has(&votes->present, (uint64_t)v->leader) &&
	       votes->of[v->leader].state == VOTE_LEADING;
}

static bool
find_weight(const struct quorum *q, int64_t sid, uint32_t *weight)
{
	for (size_t i = 0; i < q->nvoters; i++)
		if (q->voters[i].sid == sid) {
			*weight = q->voters[i].weight;
			return true;
		}
	return false;
}

/* A server of weight 0 never leads. The configuration in force decides, where it knows the server. */
static bool
has_weight(const struct election *e, int64_t sid)
{
	const struct quorum_pair *q = &e->members.quorums;
	uint32_t weight = 0;

	if (!find_weight(&q->current, sid, &weight) && q->has_pending)
		find_weight(&q->pending, sid, &weight);
	return weight > 0;
}

bool
election_preferred(const struct election *e, const struct vote *candidate, const struct vote *vote)
{
	if (!has_weight(e, candidate->leader))
		return false;
	return vote_beats(candidate, vote) || !has_weight(e, vote->leader);
}

/*
 * A voter that has voted in this round holds the best vote it knows of; it can learn of a better one only from a
 * voter that has not. One of weight 0 has no vote of its own to bring.
 */
bool
election_better_may_come(const struct election *e)
{
	for (int64_t sid = 0; sid < SID_LIMIT; sid++) {
		if (!sid_set_has(&e->voters, (uint64_t)sid) || sid == e->config.sid)
			continue;
		if (!sid_set_has(&e->received.present, (uint64_t)sid) && !e->peers[sid].down &&
		    has_weight(e, sid))
			return true;
	}
	return false;
}
