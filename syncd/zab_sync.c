/*
 * What a learner is missing, as its leader sees it: the decision between DIFF, TRUNC and SNAP, and the txns that follow
 * from memory. Where memory does not reach back, channel.c asks logd. Invariants: what is sent is of our history, in
 * order, without a gap, and COMMIT goes only for what is committed (of a leader that is not established: its whole
 * initial history, which the learner keeps to itself until UPTODATE). What is not committed is proposed behind NEWLEADER:
 * a COMMIT behind it of a PROPOSAL before it ends a learner of ZooKeeper 3.8.0 in the middle of its log
 * (ZOOKEEPER-4394). Nothing pins the window: it is trimmed as it likes, and what it lost meanwhile comes from the disk.
 * Source: ZooKeeper, LearnerHandler.syncFollower.
 */
#include "base/assert.h"
#include "zab_internal.h"

uint64_t
zab_sync_limit(const struct zab *z)
{
	return zab_lead_is_on(z) ? z->committed : z->lead.history;
}

bool
zab_sync_has_room(const struct zab_peer *p)
{
	return buf_len(&p->out) < ZAB_OUT_PAUSE;
}

void
zab_sync_decide(struct zab *z, struct zab_peer *p, enum packet_type how, uint64_t zxid, uint64_t sent)
{
	trace(z->config.trace, TRACE_NOTICE, "zab", "synchronise",
	      "sid=%lld how=%s zxid=0x%llx learner=0x%llx limit=0x%llx", (long long)p->sid, packet_name(how),
	      (unsigned long long)zxid, (unsigned long long)p->zxid, (unsigned long long)zab_sync_limit(z));
	zab_put(z, p, how, zxid, SLICE_NULL);
	p->state = PEER_SYNCING;
	p->sync.decided = true;
	p->sync.tries = 0;
	p->sent = p->told = sent;
	zab_sync_go_on(z, p);
}

static void
send_diff(struct zab *z, struct zab_peer *p)
{
	zab_sync_decide(z, p, PACKET_DIFF, zab_sync_limit(z), p->zxid);
}

/*
 * The learner's zxid lies between the first and the last committed one in memory, but is none of them. Nothing in memory
 * has a gap within an epoch, so it has txns that we do not have, or is the start of an epoch.
 */
static void
decide_between(struct zab *z, struct zab_peer *p)
{
	const struct window *w = &z->window;
	uint64_t next = window_at(w, window_after(w, p->zxid))->zxid;

	if (p->zxid == epoch_start(epoch_of(next)))
		send_diff(z, p); /* the start of an epoch is no txn: it has all before that epoch */
	else
		zab_channel_ask(z, p, LOAD_SNAPSHOT);
}

void
zab_sync_begin(struct zab *z, struct zab_peer *p)
{
	uint64_t limit = zab_sync_limit(z);

	ASSERT(p->state == PEER_ACKED);
	if (z->config.force_snapshot_sync || p->zxid == PACKET_NO_ZXID)
		zab_channel_ask(z, p, LOAD_SNAPSHOT);
	else if (p->zxid == limit)
		send_diff(z, p);
	else if (p->zxid > limit && (uint32_t)p->zxid != 0)
		zab_sync_decide(z, p, PACKET_TRUNC, limit, limit);
	else if (p->zxid > limit)
		zab_channel_ask(z, p, LOAD_SNAPSHOT);
	else if (p->zxid < z->window.base)
		zab_channel_ask(z, p, LOAD_HAVE_TREE | LOAD_LEARNER);
	else if (window_continues(&z->window, p->zxid))
		send_diff(z, p);
	else
		decide_between(z, p);
}

void
zab_sync_send_committed(struct zab *z, struct zab_peer *p, uint64_t zxid, struct slice txn)
{
	zab_put(z, p, PACKET_PROPOSAL, zxid, txn);
	zab_put(z, p, PACKET_COMMIT, zxid, SLICE_NULL);
	p->sent = p->told = zxid;
}

static void
send_newleader(struct zab *z, struct zab_peer *p)
{
	p->state = PEER_NEWLEADER;
	p->settled = p->told;
	p->heard_ms = z->now_ms;
	zab_put(z, p, PACKET_NEWLEADER, epoch_start(z->epoch), zab_members_text(z));
	trace(z->config.trace, TRACE_DEBUG, "zab", "newleader sent", "sid=%lld epoch=%u zxid=0x%llx",
	      (long long)p->sid, z->epoch, (unsigned long long)p->sent);
}

void
zab_sync_go_on(struct zab *z, struct zab_peer *p)
{
	const struct window *w = &z->window;
	uint64_t limit = zab_sync_limit(z);

	if (p->state != PEER_SYNCING || p->sync.asked || p->sync.channel)
		return;
	if (p->sent < w->base) {
		zab_channel_ask(z, p, LOAD_HAVE_TREE | LOAD_LEARNER);
		return;
	}
	for (size_t i = window_after(w, p->sent); i < w->count; i++) {
		uint64_t zxid = window_at(w, i)->zxid;

		if (zxid > limit)
			break;
		if (!zab_sync_has_room(p))
			return;
		zab_sync_send_committed(z, p, zxid, window_body(w, i));
	}
	send_newleader(z, p);
	zab_broadcast_rest(z, p);
}

void
zab_sync_end(struct zab *z, struct zab_peer *p)
{
	zab_channel_close(z, p);
	p->sync.asked = false;
}
