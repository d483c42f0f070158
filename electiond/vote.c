/* See vote.h. */
#include "vote.h"

#include "base/assert.h"

bool
vote_beats(const struct vote *a, const struct vote *b)
{
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	if (a->zxid != b->zxid)
		return a->zxid > b->zxid;
	return a->leader > b->leader;
}

bool
vote_equal(const struct vote *a, const struct vote *b)
{
	if (a->leader != b->leader)
		return false;
	if (a->state == VOTE_LOOKING || b->state == VOTE_LOOKING)
		return a->zxid == b->zxid && a->round == b->round && a->epoch == b->epoch;
	return (a->version > 0) != (b->version > 0) || a->epoch == b->epoch;
}

const char *
vote_state_name(enum vote_state state)
{
	static const char *const names[VOTE_STATES] = { "looking", "following", "leading", "observing" };

	ASSERT(state < VOTE_STATES);
	return names[state];
}
