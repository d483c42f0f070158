/* See quorum.h. Voters are kept in the order of their groups, so that one walk adds up each group. */
#include "base/quorum.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

void
quorum_init(struct quorum *q, bool hierarchical)
{
	memset(q, 0, sizeof *q);
	q->hierarchical = hierarchical;
}

bool
quorum_is_voter(const struct quorum *q, uint64_t sid)
{
	for (size_t i = 0; i < q->nvoters; i++)
		if (q->voters[i].sid == sid)
			return true;
	return false;
}

int
quorum_add(struct quorum *q, uint64_t sid, uint32_t group, uint32_t weight)
{
	size_t at = q->nvoters;

	if (sid >= SID_LIMIT)
		return -ERANGE;
	if (quorum_is_voter(q, sid))
		return -EEXIST;
	ASSERT(q->nvoters < SID_LIMIT);
	for (; at > 0 && q->voters[at - 1].group > group; at--)
		q->voters[at] = q->voters[at - 1];
	q->voters[at] = (struct quorum_voter){ .sid = (uint8_t)sid, .weight = weight, .group = group };
	q->nvoters++;
	return 0;
}

static bool
majority_reached(const struct quorum *q, const struct sid_set *set)
{
	size_t have = 0;

	for (size_t i = 0; i < q->nvoters; i++)
		have += sid_set_has(set, q->voters[i].sid);
	return have > q->nvoters / 2;
}

static bool
groups_reached(const struct quorum *q, const struct sid_set *set)
{
	size_t groups = 0, won = 0;

	for (size_t i = 0; i < q->nvoters;) {
		uint32_t group = q->voters[i].group;
		uint64_t weight = 0, have = 0;

		for (; i < q->nvoters && q->voters[i].group == group; i++) {
			weight += q->voters[i].weight;
			if (sid_set_has(set, q->voters[i].sid))
				have += q->voters[i].weight;
		}
		groups += weight > 0;
		won += have > weight / 2;
	}
	return won > groups / 2;
}

bool
quorum_reached(const struct quorum *q, const struct sid_set *set)
{
	return q->hierarchical ? groups_reached(q, set) : majority_reached(q, set);
}

bool
quorum_pair_reached(const struct quorum_pair *p, uint64_t zxid, const struct sid_set *set)
{
	if (!quorum_reached(&p->current, set))
		return false;
	return !p->has_pending || zxid < p->pending_from || quorum_reached(&p->pending, set);
}
