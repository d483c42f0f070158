/*
 * A learner on its way: dial, epochs, the leader's DIFF, TRUNC or SNAP, the txns behind it, NEWLEADER, UPTODATE.
 * Invariants, by construction: the leader's epoch is stored as accepted before ACKEPOCH leaves; txns are appended as
 * they come; the epoch is stored as current only when all that came before NEWLEADER is durable, and only then is
 * NEWLEADER acked; what COMMIT says before UPTODATE stays here. Source: ZooKeeper, Learner (registerWithLeader,
 * syncWithLeader).
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "zab_internal.h"

enum {
	DIALS_MAX = 5,
	REDIAL_MS = 100, /* leaderConnectDelayDuringRetryMs */
	EPOCH_MAX = INT32_MAX,
};

struct zab_peer *
zab_leader_peer(const struct zab *z)
{
	struct zab_peer *p = z->npeers == 0 ? NULL : z->peers[0];

	ASSERT(p == NULL || p->outbound);
	return p;
}

bool
zab_learn_is_led(const struct zab *z)
{
	const struct zab_peer *p = zab_leader_peer(z);

	return z->learn.repairing || (p != NULL && p->state > LEADER_INFO);
}

/* Dialling */

void
zab_learn_try_dial(struct zab *z)
{
	struct zab_learn *l = &z->learn;
	struct zab_action *a;

	l->redial_ms = UINT64_MAX;
	l->dialling = true;
	l->dials++;
	a = zab_act(z, ZAB_DIAL, ZAB_LOGD);
	a->dial.sid = z->election.result.leader;
	a->dial.attempt = ++l->attempt;
}

static void
start_dialling(struct zab *z)
{
	struct zab_learn *l = &z->learn;

	z->stage = ZAB_DISCOVERY;
	l->dials = 0;
	l->heard_ms = z->now_ms;
	l->committed = l->newleader = l->acked = 0;
	l->nasks = 0;
	zab_learn_try_dial(z);
}

void
zab_learn(struct zab *z)
{
	z->part = z->config.observer ? ZAB_OBSERVER : ZAB_FOLLOWER;
	zab_drop_peers(z, "this server does not lead");
	acks_init(&z->acks);
	z->learn.repairing = z->learn.wiped = false;
	zab_act(z, ZAB_ROLE_CHANGED, ZAB_CLIENTD);
	start_dialling(z);
}

void
zab_learn_again(struct zab *z, const char *reason)
{
	trace(z->config.trace, TRACE_WARNING, "zab", "synchronise again", "reason=\"%s\" zxid=0x%llx", reason,
	      (unsigned long long)z->proposed);
	zab_drop_peer(z, zab_leader_peer(z), reason);
	zab_install_abandon(z);
	z->learn.repairing = z->role != ZAB_LOOKING;
	start_dialling(z);
}

void
zab_on_dial_failed(struct zab *z, const struct zab_event *event)
{
	struct zab_learn *l = &z->learn;

	if (!l->dialling || event->attempt != l->attempt)
		return;
	l->dialling = false;
	if (l->dials >= DIALS_MAX)
		zab_look(z, "the leader could not be reached");
	else
		l->redial_ms = z->now_ms + REDIAL_MS;
}

void
zab_learn_opened(struct zab *z, struct zab_peer *p)
{
	uint8_t body[LEARNER_INFO_BYTES + FAST_MARK_BYTES];
	size_t len = LEARNER_INFO_BYTES;
	struct learner_info info = {
		.sid = (int64_t)z->config.sid,
		.protocol = PACKET_PROTOCOL,
		.config_version = zab_members_version(z),
	};

	z->learn.dialling = false;
	z->learn.heard_ms = z->now_ms;
	p->state = LEADER_INFO;
	p->sid = z->election.result.leader;
	learner_info_put(body, &info);
	len += zab_fast_put_mark(z, body + len);
	zab_put(z, p, z->part == ZAB_OBSERVER ? PACKET_OBSERVERINFO : PACKET_FOLLOWERINFO,
		epoch_start(z->epochs.accepted), slice_of(body, len));
}

/* Epochs */

static void
ack_epoch(struct zab *z, struct zab_peer *p, uint32_t epoch)
{
	uint8_t body[4];

	put_be32(body, z->partial ? UINT32_MAX : epoch);
	p->state = LEADER_DECIDES;
	z->stage = ZAB_SYNC;
	zab_put(z, p, PACKET_ACKEPOCH, z->learn.wiped ? 0 : z->proposed, slice_of(body, sizeof body));
}

const char *
zab_learn_leaderinfo(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	uint32_t epoch = epoch_of(k->zxid);

	if (epoch >= EPOCH_MAX || k->data.len < 4)
		return "an epoch that cannot be";
	if (epoch < z->epochs.accepted)
		return "the leader's epoch is below the one we have accepted";
	z->learn.epoch = epoch;
	p->fast = zab_fast_has_mark(z, k->data, 4);
	if (epoch == z->epochs.accepted) {
		ack_epoch(z, p, UINT32_MAX); /* promised before: it counts once */
		return NULL;
	}
	z->learn.wiped = false;
	p->state = LEADER_EPOCH;
	zab_store_epochs(z, epoch, z->epochs.current);
	return NULL;
}

static void
ack_txns(struct zab *z, struct zab_peer *p)
{
	const struct window *w = &z->window;
	struct zab_learn *l = &z->learn;

	if (z->part != ZAB_FOLLOWER)
		return;
	for (size_t i = window_after(w, l->acked); i < w->count && window_at(w, i)->zxid <= z->durable; i++) {
		l->acked = window_at(w, i)->zxid;
		zab_put(z, p, PACKET_ACK, l->acked, SLICE_NULL);
	}
}

static void
ack_newleader(struct zab *z, struct zab_peer *p)
{
	p->state = LEADER_ACKED;
	trace(z->config.trace, TRACE_DEBUG, "zab", "ack newleader", "epoch=%u zxid=0x%llx", z->learn.epoch,
	      (unsigned long long)z->durable);
	zab_put(z, p, PACKET_ACK, epoch_start(z->learn.epoch), SLICE_NULL);
	ack_txns(z, p);
}

void
zab_learn_epochs_stored(struct zab *z)
{
	struct zab_peer *p = zab_leader_peer(z);

	ASSERT(p != NULL && (p->state == LEADER_EPOCH || p->state == LEADER_STORING));
	if (p->state == LEADER_EPOCH)
		ack_epoch(z, p, z->epochs.current);
	else
		ack_newleader(z, p);
}

/* DIFF and TRUNC */

void
zab_learn_settled(struct zab *z, struct zab_peer *p, uint64_t installed)
{
	z->learn.committed = z->proposed;
	z->learn.installed = installed;
	z->learn.wiped = false;
	z->learn.heard_ms = z->now_ms;
	p->state = LEADER_SYNCS;
	zab_resume(z, p);
}

const char *
zab_learn_diff(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	trace(z->config.trace, TRACE_NOTICE, "zab", "diff", "zxid=0x%llx from=0x%llx",
	      (unsigned long long)k->zxid, (unsigned long long)z->proposed);
	if (!z->learn.wiped) {
		zab_learn_settled(z, p, 0);
		return NULL;
	}
	if (!zab_is_up(z, ZAB_LOGD))
		return "our logd is away when a DIFF from nothing comes";
	zab_install_empty(z, p);
	return NULL;
}

const char *
zab_learn_trunc(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	if (k->zxid > z->proposed)
		return "a TRUNC beyond our log";
	if (k->zxid < z->committed) {
		trace(z->config.trace, TRACE_ERROR, "zab", "leader lacks commits",
		      "leader=0x%llx committed=0x%llx", (unsigned long long)k->zxid,
		      (unsigned long long)z->committed);
		return "the leader lacks what is committed";
	}
	if (k->zxid == z->proposed) {
		zab_learn_settled(z, p, 0);
		return NULL;
	}
	if (!zab_is_up(z, ZAB_LOGD))
		return "our logd is away when a TRUNC comes";
	p->state = LEADER_TRUNCATING;
	zab_pause(z, p);
	zab_truncate(z, k->zxid);
	return NULL;
}

void
zab_learn_truncated(struct zab *z, uint64_t zxid, bool refused)
{
	struct zab_peer *p = zab_leader_peer(z);

	ASSERT(p != NULL && p->state == LEADER_TRUNCATING);
	if (refused) {
		/* Only a snapshot helps. This leader has judged our true zxid in this epoch: it is asked again with none. */
		z->learn.wiped = true;
		zab_learn_again(z, "the log cannot be cut where the leader wants it");
	} else if (zxid != z->task.zxid) {
		zab_learn_again(z, "the log does not have the txn to be cut behind");
	} else {
		zab_learn_settled(z, p, 0);
	}
}

/* What follows */

/*
 * A leader of ZooKeeper begins to forward before it looks how far the tree is of which it sends a snapshot: what was
 * applied in between, PROPOSAL and COMMIT, comes as well (LearnerHandler.syncFollower, then run).
 */
static bool
is_in_snapshot(const struct zab *z, uint64_t zxid)
{
	return zxid <= z->learn.installed;
}

const char *
zab_learn_sync_proposal(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	const char *wrong = zab_judge_txn(k->zxid, k->data);

	(void)p;
	if (wrong != NULL)
		return wrong;
	if (is_in_snapshot(z, k->zxid))
		return NULL;
	if (!zab_follows(z, k->zxid))
		return "a gap between proposals";
	zab_accept(z, k->zxid, k->data);
	return NULL;
}

const char *
zab_learn_designated(struct zab *z, struct zab_peer *p, struct slice data)
{
	if (data.len < DESIGNATED_BYTES)
		return "a reconfiguration that names no leader";
	/* The leader stops committing; whoever was named is to lead (ZooKeeper: QuorumPeer.processReconfig). */
	if (!p->closed && z->config.reconfig && get_be64(data.data) != p->sid)
		zab_look(z, "a reconfiguration has named another leader");
	return NULL;
}

const char *
zab_learn_sync_commit(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	size_t next = window_after(&z->window, z->learn.committed);

	if (!is_in_snapshot(z, k->zxid)) {
		if (next >= z->window.count || window_at(&z->window, next)->zxid != k->zxid)
			return "a gap between commits";
		z->learn.committed = k->zxid;
	}
	return k->type == PACKET_COMMITANDACTIVATE ? zab_learn_designated(z, p, k->data) : NULL;
}

const char *
zab_learn_sync_inform(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	struct packet txn = *k;
	const char *wrong;

	if (k->type == PACKET_INFORMANDACTIVATE) {
		if (k->data.len < DESIGNATED_BYTES)
			return "an INFORMANDACTIVATE that is too short";
		txn.data = slice_of(k->data.data + DESIGNATED_BYTES, k->data.len - DESIGNATED_BYTES);
	}
	wrong = zab_learn_sync_proposal(z, p, &txn);
	if (wrong == NULL)
		wrong = zab_learn_sync_commit(z, p, k);
	return wrong == NULL && k->type == PACKET_INFORMANDACTIVATE ? zab_learn_designated(z, p, k->data)
								    : wrong;
}

const char *
zab_learn_ignore(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	(void)z;
	(void)p;
	(void)k;
	return NULL;
}

/* NEWLEADER */

static void
try_store(struct zab *z, struct zab_peer *p)
{
	if (p->state == LEADER_STORING && z->durable >= z->learn.newleader && z->task.type == ZAB_NO_TASK)
		zab_store_epochs(z, z->learn.epoch, z->learn.epoch);
}

void
zab_learn_durable(struct zab *z)
{
	struct zab_peer *p = zab_leader_peer(z);

	if (p == NULL)
		return;
	try_store(z, p);
	if (p->state >= LEADER_ACKED)
		ack_txns(z, p);
}

const char *
zab_learn_newleader(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	if (k->zxid != epoch_start(z->learn.epoch))
		return "a NEWLEADER of another epoch";
	if (!zab_members_offered(z, k->data))
		trace(z->config.trace, TRACE_WARNING, "zab", "members not understood", "epoch=%u",
		      z->learn.epoch);
	p->state = LEADER_STORING;
	z->learn.newleader = z->proposed;
	z->learn.acked = z->learn.committed;
	try_store(z, p);
	return NULL;
}

const char *
zab_learn_uptodate(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	(void)k;
	zab_put(z, p, PACKET_ACK, epoch_start(z->learn.epoch), SLICE_NULL);
	p->state = LEADER_LIVE;
	z->epoch = z->learn.epoch;
	z->learn.dials = 0;
	zab_members_settled(z);
	if (z->learn.committed > z->committed)
		zab_commit(z, z->learn.committed);
	z->stage = ZAB_BROADCAST;
	z->learn.repairing = false;
	trace(z->config.trace, TRACE_NOTICE, "zab", "following", "leader=%llu epoch=%u zxid=0x%llx",
	      (unsigned long long)p->sid, z->epoch, (unsigned long long)z->committed);
	zab_become(z, z->part);
	zab_tell_electiond(z);
	return NULL;
}

/* Time */

/*
 * A leader pings every half tick. One that stands still is to be replaced within syncLimit ticks, and an election and a
 * synchronisation take their time, too: they have the last half tick.
 */
static uint64_t
patience_ms(const struct zab *z, const struct zab_peer *p)
{
	if (p == NULL || p->state < LEADER_ACKED)
		return ticks_ms(z, z->config.init_limit);
	return ticks_ms(z, z->config.sync_limit) - (z->config.sync_limit > 2 ? z->config.tick_ms / 2 : 0);
}

uint64_t
zab_learn_deadline(const struct zab *z)
{
	const struct zab_peer *p;
	uint64_t heard_ms = z->learn.heard_ms;

	if (z->part != ZAB_FOLLOWER && z->part != ZAB_OBSERVER)
		return UINT64_MAX;
	p = zab_leader_peer(z);
	/* While it waits for us it has nothing to say. */
	if (z->task.type != ZAB_NO_TASK && (p == NULL || p->state != LEADER_SNAP))
		return UINT64_MAX;
	if (p != NULL && p->heard_ms > heard_ms)
		heard_ms = p->heard_ms;
	return heard_ms + patience_ms(z, p) + 1;
}

static const char *
find_fault(const struct zab *z)
{
	if (z->now_ms >= zab_learn_deadline(z))
		return "the leader was not heard of in time";
	if (!zab_is_up(z, ZAB_LOGD) &&
	    z->now_ms - z->links[ZAB_LOGD].since_ms > ticks_ms(z, z->config.sync_limit))
		return "logd is away for syncLimit ticks";
	return NULL;
}

void
zab_learn_beat(struct zab *z)
{
	const char *fault = find_fault(z);

	if (fault != NULL)
		zab_look(z, fault);
}
