/* How the learners of a leader are, for people. Reads, changes nothing. */
#include "base/assert.h"
#include "zab_internal.h"

static const char *const states[] = {
	[PEER_NEW] = "connected",     [PEER_WAITING] = "joining",  [PEER_TOLD] = "joining",
	[PEER_ACKED] = "waiting",     [PEER_DECIDING] = "syncing", [PEER_SYNCING] = "syncing",
	[PEER_NEWLEADER] = "syncing", [PEER_SYNCED] = "synced",    [PEER_LIVE] = "synced",
};

bool
zab_learner_at(const struct zab *z, size_t i, struct zab_learner *out)
{
	const struct zab_peer *p;

	if (z->part != ZAB_LEADER || i >= z->npeers)
		return false;
	p = z->peers[i];
	ASSERT(p->state <= PEER_LIVE);
	*out = (struct zab_learner){
		.peer = p->id,
		.known = p->state > PEER_NEW,
		.sid = p->sid,
		.observer = p->observer,
		.voter = p->voter,
		.state = states[p->state],
		.sent = p->sent,
		.acked = p->voter ? z->acks.zxid[p->sid] : p->told,
		.silent_ms = z->now_ms - p->heard_ms,
	};
	return true;
}
