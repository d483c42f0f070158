/*
 * A leader on its way: from the election's result to an established leader, one step after the other.
 *
 *	INFOS	a quorum has told its accepted epochs; the new one is above them all
 *	ACCEPT	logd has stored it as accepted
 *	ACKS	a quorum has promised to follow nobody older, and none of it knows more than we do
 *	ENTER	logd has stored it as current
 *	SYNC	a quorum has our history on disk, and the epoch behind it
 *	ON	so all of our history is committed
 *
 * Invariants: LEADERINFO leaves after the accepted epoch is on disk, NEWLEADER after the current one; nothing is
 * proposed and nothing called committed here before ON. Source: ZooKeeper, Leader (lead, getEpochToPropose,
 * waitForEpochAck, waitForNewLeaderAck).
 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "zab_internal.h"

enum {
	EPOCH_MAX = INT32_MAX, /* Java's epochs are signed */
	/* An accepted epoch so far above ours comes from no election of this ensemble. */
	EPOCH_LEAP_MAX = 1 << 10,
	NOT_COUNTED = -1,
	/* Those who elected us as well are on their way; a voter that looks again may come later. */
	DOUBT_MS = 200,
};

static bool
is_quorum(const struct zab *z, const struct sid_set *set)
{
	const struct quorum_pair *q = &z->config.quorums;

	return quorum_pair_reached(q, q->has_pending ? UINT64_MAX : 0, set);
}

static void
tell_epoch(struct zab *z, struct zab_peer *p)
{
	uint8_t protocol[4 + FAST_MARK_BYTES];
	size_t len = 4;

	put_be32(protocol, PACKET_PROTOCOL);
	if (p->fast)
		len += zab_fast_put_mark(z, protocol + len);
	p->state = PEER_TOLD;
	zab_put(z, p, PACKET_LEADERINFO, epoch_start(z->epoch), slice_of(protocol, len));
}

static void
go_live(struct zab *z, struct zab_peer *p)
{
	p->state = PEER_LIVE;
	zab_put(z, p, PACKET_UPTODATE, PACKET_NO_ZXID, SLICE_NULL);
	trace(z->config.trace, TRACE_NOTICE, "zab", "learner in sync", "sid=%lld observer=%d zxid=0x%llx",
	      (long long)p->sid, p->observer, (unsigned long long)p->sent);
}

static void
try_establish(struct zab *z)
{
	ASSERT(z->lead.step == ZAB_LEAD_SYNC);
	if (!is_quorum(z, &z->lead.newleader_acks))
		return;
	z->lead.step = ZAB_LEAD_ON;
	z->stage = ZAB_BROADCAST;
	zab_commit(z, z->lead.history);
	trace(z->config.trace, TRACE_NOTICE, "zab", "leading", "epoch=%u zxid=0x%llx", z->epoch,
	      (unsigned long long)z->committed);
	zab_adopt_members(z, zab_members_text(z));
	zab_become(z, ZAB_LEADER);
	zab_tell_electiond(z);
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->state == PEER_SYNCED)
			go_live(z, z->peers[i]);
}

static void
enter(struct zab *z)
{
	z->lead.step = ZAB_LEAD_SYNC;
	z->stage = ZAB_SYNC;
	z->lead.progress_ms = z->now_ms;
	sid_set_add(&z->lead.newleader_acks, z->config.sid);
	acks_put(&z->acks, z->config.sid, z->durable);
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->state == PEER_ACKED)
			zab_sync_begin(z, z->peers[i]);
	try_establish(z);
}

static void
try_enter(struct zab *z)
{
	if (z->lead.step != ZAB_LEAD_ACKS || !is_quorum(z, &z->lead.epoch_acks))
		return;
	z->lead.step = ZAB_LEAD_ENTER;
	zab_store_epochs(z, z->epoch, z->epoch);
}

static void
announce(struct zab *z)
{
	z->lead.step = ZAB_LEAD_ACKS;
	z->lead.progress_ms = z->now_ms;
	sid_set_add(&z->lead.epoch_acks, z->config.sid);
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->state == PEER_WAITING)
			tell_epoch(z, z->peers[i]);
	try_enter(z);
}

void
zab_lead_epochs_stored(struct zab *z)
{
	if (z->lead.step == ZAB_LEAD_ACCEPT)
		announce(z);
	else
		enter(z);
}

static void
try_epoch(struct zab *z)
{
	if (z->lead.step != ZAB_LEAD_INFOS || !is_quorum(z, &z->lead.infos))
		return;
	z->lead.step = ZAB_LEAD_ACCEPT;
	z->epoch = z->lead.max_accepted + 1;
	trace(z->config.trace, TRACE_NOTICE, "zab", "new epoch", "epoch=%u", z->epoch);
	zab_store_epochs(z, z->epoch, z->epochs.current);
}

void
zab_lead(struct zab *z)
{
	struct zab_lead *l = &z->lead;

	/* A reconfig that did not get into our log was nowhere committed. */
	zab_members_undone(z, z->proposed);
	z->part = ZAB_LEADER;
	z->stage = ZAB_DISCOVERY;
	l->step = ZAB_LEAD_INFOS;
	memset(&l->infos, 0, sizeof l->infos);
	memset(&l->epoch_acks, 0, sizeof l->epoch_acks);
	memset(&l->newleader_acks, 0, sizeof l->newleader_acks);
	l->designated = z->config.sid;
	l->resigned = false;
	l->own = z->epochs;
	l->history = z->proposed;
	l->progress_ms = z->now_ms;
	l->doubted = l->lost = false;
	l->nwaits = 0;
	if (l->max_accepted < z->epochs.accepted)
		l->max_accepted = z->epochs.accepted;
	memset(&l->told, 0, sizeof l->told);
	acks_init(&z->acks);
	requests_reset(&z->requests);
	sid_set_add(&l->infos, z->config.sid);
	zab_act(z, ZAB_ROLE_CHANGED, ZAB_CLIENTD);
	zab_hear_held(z);
	try_epoch(z);
}

/* NULL, or why this learner is not ours. */
static const char *
judge_info(const struct zab *z, const struct packet *k, const struct learner_info *info)
{
	bool observer = k->type == PACKET_OBSERVERINFO;

	if (info->protocol < PACKET_PROTOCOL)
		return "it speaks a protocol older than Zab 1.0";
	if (info->sid == (int64_t)z->config.sid)
		return "it calls itself what we are called";
	if (!observer && (info->sid < 0 || info->sid >= SID_LIMIT))
		return "its number is none of an ensemble";
	if (epoch_of(k->zxid) >= EPOCH_MAX)
		return "it has accepted an impossible epoch";
	/* A version that leaders of the past gave to the text of zoo.cfg dies with each syncd: its learners may have it. */
	if (zab_members_version(z) != 0 && info->config_version > zab_members_version(z))
		return "it has a later configuration than we have";
	return NULL;
}

static void
replace_older(struct zab *z, const struct zab_peer *p)
{
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i] != p && z->peers[i]->state > PEER_NEW && z->peers[i]->sid == p->sid &&
		    p->sid < SID_LIMIT)
			zab_doom_peer(z, z->peers[i], "the server has connected again");
}

/* A voter that has promised a later epoch can follow only a leader of one still later. */
static const char *
outpaced(struct zab *z, const struct zab_peer *p)
{
	if (!p->voter || p->accepted - z->epoch > EPOCH_LEAP_MAX)
		return "it has accepted a later epoch";
	z->lead.max_accepted = p->accepted;
	if (z->lead.step == ZAB_LEAD_ON || z->lead.step == ZAB_LEAD_SYNC)
		zab_look(z, "a voter has accepted a later epoch");
	return "it has accepted a later epoch";
}

const char *
zab_lead_info(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	struct learner_info info;
	const char *reason;

	if (!learner_info_parse(k->data, &info))
		return "too little is said of the learner";
	reason = judge_info(z, k, &info);
	if (reason != NULL)
		return reason;
	p->sid = (uint64_t)info.sid;
	p->observer = k->type == PACKET_OBSERVERINFO;
	p->voter = zab_counts(z, p);
	p->accepted = epoch_of(k->zxid);
	p->fast = zab_fast_has_mark(z, k->data, LEARNER_INFO_BYTES);
	p->state = PEER_WAITING;
	replace_older(z, p);
	trace(z->config.trace, TRACE_DEBUG, "zab", "learner", "peer=%u sid=%lld observer=%d accepted=%u",
	      p->id, (long long)info.sid, p->observer, p->accepted);
	if (z->lead.step != ZAB_LEAD_INFOS && p->accepted > z->epoch)
		return outpaced(z, p);
	if (z->lead.step >= ZAB_LEAD_ACKS)
		tell_epoch(z, p);
	if (z->lead.step != ZAB_LEAD_INFOS)
		return NULL;
	if (p->voter && p->accepted > z->lead.max_accepted)
		z->lead.max_accepted = p->accepted;
	if (p->voter)
		sid_set_add(&z->lead.infos, p->sid);
	try_epoch(z);
	return NULL;
}

static bool
is_ahead(const struct zab *z, const struct zab_peer *p)
{
	const struct zab_lead *l = &z->lead;

	return p->epoch > l->own.current || (p->epoch == l->own.current && p->zxid > l->history);
}

const char *
zab_lead_ackepoch(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	if (k->data.len < 4)
		return "an ACKEPOCH without an epoch";
	p->epoch = get_be32(k->data.data);
	p->zxid = k->zxid;
	p->counts = p->epoch != (uint32_t)NOT_COUNTED && p->zxid != PACKET_NO_ZXID;
	p->state = PEER_ACKED;
	/* Later a quorum has already found that nobody needs what this one knows beyond us. */
	if (z->lead.step == ZAB_LEAD_ACKS && p->epoch != (uint32_t)NOT_COUNTED && is_ahead(z, p))
		return "it knows more than we do";
	if (p->voter && p->counts)
		sid_set_add(&z->lead.epoch_acks, p->sid);
	if (z->lead.step >= ZAB_LEAD_SYNC)
		zab_sync_begin(z, p);
	else
		try_enter(z);
	return NULL;
}

const char *
zab_lead_ack_newleader(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	/* ZooKeeper's learner logs what a DIFF brought in another thread, whose ACKs may come first; this one covers them. */
	if ((uint32_t)k->zxid != 0 && k->zxid <= p->settled)
		return NULL;
	if (k->zxid != epoch_start(z->epoch))
		return "an ACK of another leader's epoch";
	p->state = PEER_SYNCED;
	if (p->ack_zxid != 0)
		p->ack_ms = z->now_ms;
	z->lead.progress_ms = z->now_ms;
	zab_sync_end(z, p);
	if (p->voter) {
		sid_set_add(&z->lead.newleader_acks, p->sid);
		acks_put(&z->acks, p->sid, p->settled);
	}
	if (z->lead.step == ZAB_LEAD_ON) {
		go_live(z, p);
		zab_try_commit(z);
	} else {
		try_establish(z);
	}
	return NULL;
}

/* One for each PROPOSAL. That of the new epoch itself comes a second time, behind UPTODATE. */
const char *
zab_lead_ack(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	if ((uint32_t)k->zxid == 0)
		return NULL;
	if (k->zxid > p->sent)
		return "an ACK of what was never proposed to it";
	if (k->zxid >= p->ack_zxid) {
		p->ack_zxid = k->zxid < p->sent ? p->sent : 0;
		p->ack_ms = z->now_ms;
	}
	if (!p->voter || z->acks.zxid[p->sid] >= k->zxid)
		return NULL;
	acks_put(&z->acks, p->sid, k->zxid);
	zab_try_commit(z);
	return NULL;
}

/* Whether enough learners are here, however far they are. */
static bool
has_learners(const struct zab *z)
{
	struct sid_set set = { { 0 } };

	sid_set_add(&set, z->config.sid);
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->voter && z->peers[i]->state > PEER_NEW && z->peers[i]->doomed == NULL)
			sid_set_add(&set, z->peers[i]->sid);
	return is_quorum(z, &set);
}

uint64_t
zab_lead_doubt_deadline(const struct zab *z)
{
	if (z->part != ZAB_LEADER || zab_lead_is_on(z) || !z->lead.doubted || has_learners(z))
		return UINT64_MAX;
	return z->lead.lost ? 0 : z->lead.progress_ms + DOUBT_MS;
}

void
zab_lead_peer_gone(struct zab *z, struct zab_peer *p)
{
	if (z->part != ZAB_LEADER || p->state == PEER_NEW)
		return;
	/* What it has acked may be cut when it comes again: it says anew what it has. */
	if (p->voter)
		acks_put(&z->acks, p->sid, 0);
	zab_request_peer_gone(z, p);
}
