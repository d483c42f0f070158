/*
 * An established leader: what is proposed goes to its followers, what is committed to followers and observers, and
 * every half tick it looks who is still there. Invariants: each learner gets PROPOSALs (observers INFORMs) in order and
 * each once, from where its synchronisation ended; COMMIT for a txn only behind its PROPOSAL. Source: ZooKeeper,
 * Leader (propose, commit, inform, lead), LearnerHandler (SyncLimitCheck).
 */
#include <string.h>

#include "base/bytes.h"
#include "zab_internal.h"

static void
propose_to(struct zab *z, struct zab_peer *p, uint64_t zxid, struct slice txn)
{
	zab_put(z, p, PACKET_PROPOSAL, zxid, txn);
	p->sent = zxid;
	if (p->ack_zxid == 0) {
		p->ack_zxid = zxid;
		p->ack_ms = z->now_ms;
	}
}

void
zab_broadcast_proposal(struct zab *z, uint64_t zxid, struct slice txn)
{
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->state >= PEER_NEWLEADER && !z->peers[i]->observer)
			propose_to(z, z->peers[i], zxid, txn);
}

void
zab_broadcast_rest(struct zab *z, struct zab_peer *p)
{
	const struct window *w = &z->window;

	if (p->observer)
		return;
	for (size_t i = window_after(w, p->sent); i < w->count; i++)
		propose_to(z, p, window_at(w, i)->zxid, window_body(w, i));
}

/* The reconfig that is being committed: who leads from now on goes with it, and to an observer the txn. */
static void
activate(struct zab *z, struct zab_peer *p, uint64_t zxid, struct slice txn)
{
	size_t len = DESIGNATED_BYTES + (p->observer ? txn.len : 0);
	uint8_t *data = arena_array(&z->scratch, 1, len);

	put_be64(data, z->lead.designated);
	if (p->observer)
		memcpy(data + DESIGNATED_BYTES, txn.data, txn.len);
	zab_put(z, p, p->observer ? PACKET_INFORMANDACTIVATE : PACKET_COMMITANDACTIVATE, zxid,
		slice_of(data, len));
}

/* The txns of the window from index `from` to before `to` are committed. */
static void
commit_to(struct zab *z, struct zab_peer *p, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		uint64_t zxid = window_at(&z->window, i)->zxid;

		if (zxid <= p->told || (!p->observer && zxid > p->sent))
			continue;
		if (z->pending_members != NULL && zxid == z->pending_zxid)
			activate(z, p, zxid, window_body(&z->window, i));
		else if (p->observer)
			zab_put(z, p, PACKET_INFORM, zxid, window_body(&z->window, i));
		else
			zab_put(z, p, PACKET_COMMIT, zxid, SLICE_NULL);
		p->told = zxid;
		if (p->observer)
			p->sent = zxid;
	}
}

void
zab_broadcast_commits(struct zab *z, size_t from, size_t to)
{
	/* A learner that is not in sync finds them in the window when it comes to them. */
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->state >= PEER_NEWLEADER)
			commit_to(z, z->peers[i], from, to);
}

const char *
zab_lead_ping(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	if (k->data.len % TOUCH_BYTES != 0)
		return "a PING with half a session";
	zab_move_heard(z, p);
	/* A clientd that is ready has the role of a leader: it is told of it when we lead. */
	if (k->data.len > 0 && z->phase == ZAB_READY)
		zab_send(z, ZAB_CLIENTD, MSG_TOUCH, 0, 0, k->data);
	return NULL;
}

/* NULL, or why a learner has to go. */
static const char *
find_fault(const struct zab *z, const struct zab_peer *p)
{
	uint64_t silent_ms = z->now_ms - p->heard_ms, late_ms = z->now_ms - p->ack_ms;
	bool ours = p->state == PEER_WAITING || p->state == PEER_ACKED || p->state == PEER_SYNCED;

	if (p->state == PEER_LIVE && silent_ms > ticks_ms(z, z->config.sync_limit))
		return "not heard of for syncLimit ticks";
	if (p->state == PEER_LIVE && p->ack_zxid != 0 && late_ms > ticks_ms(z, z->config.sync_limit))
		return "a proposal is not acked for syncLimit ticks";
	/* Who waits for us is not to blame. */
	if (!ours && p->state < PEER_LIVE && silent_ms > ticks_ms(z, z->config.init_limit))
		return "not synchronised within initLimit ticks";
	return NULL;
}

static bool
has_quorum(const struct zab *z)
{
	const struct quorum_pair *q = &z->config.quorums;
	struct sid_set set = { { 0 } };

	sid_set_add(&set, z->config.sid);
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->voter && z->peers[i]->state >= PEER_SYNCED)
			sid_set_add(&set, z->peers[i]->sid);
	return quorum_pair_reached(q, q->has_pending ? UINT64_MAX : 0, &set);
}

void
zab_broadcast_ping(struct zab *z, struct zab_peer *p)
{
	uint64_t last = z->proposed > epoch_start(z->epoch) ? z->proposed : epoch_start(z->epoch);

	zab_put(z, p, PACKET_PING, last, SLICE_NULL);
}

static void
beat_peer(struct zab *z, struct zab_peer *p)
{
	const char *fault = find_fault(z, p);

	if (fault != NULL)
		zab_doom_peer(z, p, fault);
	else if (p->state == PEER_ACKED && z->lead.step >= ZAB_LEAD_SYNC)
		zab_sync_begin(z, p); /* an observer that had to wait for its turn */
	else if (p->state >= PEER_NEWLEADER)
		zab_broadcast_ping(z, p);
}

void
zab_broadcast_beat(struct zab *z)
{
	for (size_t i = 0; i < z->npeers; i++)
		beat_peer(z, z->peers[i]);
	zab_settle_peers(z); /* those who have to go are not counted any more */
	if (!zab_lead_is_on(z)) {
		if (z->now_ms - z->lead.progress_ms > ticks_ms(z, z->config.init_limit))
			zab_look(z, "no quorum came to follow within initLimit ticks");
	} else if (z->odd_beat && !has_quorum(z)) {
		zab_look(z, "too few followers are left for a quorum");
	} else if (z->odd_beat && z->lead.resigned && z->now_ms - z->lead.progress_ms > ticks_ms(z, 1)) {
		zab_look(z, "a reconfiguration has named another leader");
	}
}

static struct zab_learners
count_learners(const struct zab *z)
{
	struct zab_learners n;

	memset(&n, 0, sizeof n); /* compared as bytes */
	n.pending_syncs = (uint32_t)z->lead.nwaits;
	for (size_t i = 0; i < z->npeers; i++) {
		const struct zab_peer *p = z->peers[i];

		n.learners++;
		if (p->state < PEER_SYNCED)
			continue;
		n.synced_observers += p->observer;
		n.synced_followers += !p->observer;
		if (!p->observer && p->sid < SID_LIMIT)
			sid_set_add(&n.followers, p->sid);
		n.synced_non_voting_followers += !p->observer && !p->voter;
	}
	return n;
}

void
zab_broadcast_tell_learners(struct zab *z)
{
	struct zab_learners n = count_learners(z);
	struct zab_learners *told = &z->lead.told;

	told->pending_syncs = n.pending_syncs;
	if (!zab_lead_is_on(z) || z->phase != ZAB_READY || memcmp(&n, told, sizeof n) == 0)
		return;
	*told = n;
	zab_act(z, ZAB_SEND_LEARNERS, ZAB_CLIENTD)->learners = n;
}
