/* See acks.h. */
#include "acks.h"

#include <string.h>

#include "base/assert.h"

void
acks_init(struct acks *a)
{
	memset(a, 0, sizeof *a);
}

void
acks_put(struct acks *a, uint64_t sid, uint64_t zxid)
{
	ASSERT(sid < SID_LIMIT);
	a->zxid[sid] = zxid;
}

static void
collect(const struct acks *a, const struct quorum *q, uint64_t zxid, struct sid_set *set)
{
	for (size_t i = 0; i < q->nvoters; i++)
		if (a->zxid[q->voters[i].sid] >= zxid)
			sid_set_add(set, q->voters[i].sid);
}

struct sid_set
acks_of(const struct acks *a, const struct quorum *q, uint64_t zxid)
{
	struct sid_set set = { { 0 } };

	collect(a, q, zxid, &set);
	return set;
}

static bool
enough(const struct acks *a, const struct quorum_pair *q, uint64_t zxid)
{
	struct sid_set set = { { 0 } };

	collect(a, &q->current, zxid, &set);
	if (q->has_pending)
		collect(a, &q->pending, zxid, &set);
	return quorum_pair_reached(q, zxid, &set);
}

/* The set that acked a zxid changes only at the voters' own positions, so only those need a look. */
static uint64_t
best_position(const struct acks *a, const struct quorum_pair *q, const struct quorum *voters, uint64_t best)
{
	for (size_t i = 0; i < voters->nvoters; i++) {
		uint64_t zxid = a->zxid[voters->voters[i].sid];

		if (zxid > best && enough(a, q, zxid))
			best = zxid;
	}
	return best;
}

uint64_t
acks_committable(const struct acks *a, const struct quorum_pair *q, uint64_t committed,
		 uint64_t before_pending)
{
	uint64_t best = best_position(a, q, &q->current, committed);

	if (!q->has_pending)
		return best;
	if (before_pending > best && enough(a, q, before_pending))
		best = before_pending;
	return best_position(a, q, &q->pending, best);
}
