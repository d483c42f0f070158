/*
 * No role: how one ends, and how the next one comes from electiond. Invariants: at the end of a role nothing of it is
 * left but the log and what is known to be committed; electiond is asked only when the log is at rest, so that what the
 * vote says of it is on disk and stays true; a result counts only for the question asked last.
 */
#include "base/assert.h"
#include "zab_internal.h"

void
zab_look(struct zab *z, const char *reason)
{
	bool had_part = z->part != ZAB_LOOKING;

	if (z->config.standalone)
		return;
	z->left = reason;
	z->election.asked = false;
	if (had_part) {
		trace(z->config.trace, TRACE_NOTICE, "zab", "looking",
		      "reason=\"%s\" epoch=%u proposed=0x%llx committed=0x%llx durable=0x%llx", reason,
		      z->epoch, (unsigned long long)z->proposed, (unsigned long long)z->committed,
		      (unsigned long long)z->durable);
		z->part = ZAB_LOOKING;
		z->stage = ZAB_ELECTION;
		z->look_began_ms = z->now_ms;
		zab_drop_peers(z, reason);
		zab_install_abandon(z);
		zab_follow_forget(z);
		requests_reset(&z->requests);
		z->lead.nwaits = 0;
		z->learn.dialling = z->learn.repairing = z->learn.wiped = false;
		z->learn.redial_ms = UINT64_MAX;
	}
	if (z->trouble != NULL || (z->role != ZAB_LOOKING && z->role != ZAB_READONLY))
		zab_become(z, ZAB_LOOKING);
	else if (had_part)
		zab_act(z, ZAB_ROLE_CHANGED, ZAB_CLIENTD);
	zab_try_look(z);
}

static bool
is_log_at_rest(const struct zab *z)
{
	if (!zab_is_up(z, ZAB_LOGD))
		return false;
	ASSERT(z->log_known && !z->log_unknown);
	return z->task.type == ZAB_NO_TASK && z->durable == z->proposed;
}

/*
 * Read-only mode begins when no leader was found for a while, and ends with the election, whether or not its leader then
 * keeps us (ZooKeeper: QuorumPeer.run, ReadOnlyZooKeeperServer). The log has to be at rest, for clientd loads from it.
 */
uint64_t
zab_read_only_deadline(const struct zab *z)
{
	if (z->config.read_only_ms == 0 || z->part != ZAB_LOOKING || z->role == ZAB_READONLY ||
	    z->trouble != NULL || !is_log_at_rest(z))
		return UINT64_MAX;
	return z->look_began_ms + z->config.read_only_ms;
}

/* What keeps us out of elections, or NULL. */
static bool
must_leave(const struct zab *z)
{
	return z->trouble != NULL || (zab_is_up(z, ZAB_LOGD) && z->disk_failed);
}

static void
send_look(struct zab *z)
{
	struct zab_action *a = zab_act(z, ZAB_SEND_LOOK, ZAB_ELECTIOND);

	z->election.asked = true;
	z->election.left = false;
	a->frame.seq = ++z->election.number;
	a->look = (struct zab_look){
		.sid = z->config.sid,
		.zxid = z->partial ? UINT64_MAX : z->durable,
		.epoch = z->epochs.current,
		/* A server that the list does not have, or not yet, only follows. */
		.observer = z->config.observer || !zab_is_voter(z, z->config.sid),
		.nominates = z->election.nominates,
		.nominee = z->election.nominee,
	};
	z->election.nominates = false;
	trace(z->config.trace, TRACE_DEBUG, "zab", "look", "number=%llu zxid=0x%llx epoch=%u",
	      (unsigned long long)z->election.number, (unsigned long long)a->look.zxid, a->look.epoch);
}

void
zab_try_look(struct zab *z)
{
	if (z->config.standalone || z->part != ZAB_LOOKING || !zab_is_up(z, ZAB_ELECTIOND))
		return;
	if (must_leave(z)) {
		if (!z->election.left)
			zab_send(z, ZAB_ELECTIOND, MSG_LEAVE, 0, 0, SLICE_NULL);
		z->election.left = true;
		z->election.asked = false;
		return;
	}
	if (!z->election.asked && is_log_at_rest(z))
		send_look(z);
}

const char *
zab_on_result(struct zab *z, const struct zab_event *event)
{
	const struct zab_result *r = &event->result;
	bool leads = r->state == ZAB_LEADER;

	if (!z->election.asked || event->frame.seq != z->election.number)
		return NULL;
	if (r->state == ZAB_LOOKING || leads != (r->leader == z->config.sid) ||
	    (leads && (z->config.observer || z->partial || !zab_is_voter(z, z->config.sid))))
		return "a result that makes no sense";
	z->election.asked = false;
	z->election.result = *r;
	z->left = NULL;
	if (z->role == ZAB_READONLY)
		zab_become(z, ZAB_LOOKING);
	trace(z->config.trace, TRACE_NOTICE, "zab", "elected", "leader=%llu round=%llu",
	      (unsigned long long)r->leader, (unsigned long long)r->election_epoch);
	if (leads)
		zab_lead(z);
	else
		zab_learn(z);
	return NULL;
}

/*
 * Who was elected and is not there yet need not wait initLimit for those who have changed their minds. A leader looks whether
 * they come all the same; a learner goes where its leader has not answered it yet.
 */
const char *
zab_on_doubt(struct zab *z, const struct zab_event *event)
{
	bool lost = (event->frame.flags & DOUBT_LOST) != 0;

	if ((event->frame.flags & ~DOUBT_LOST) != 0)
		return "doubt with unknown flags";
	if (event->frame.seq != z->election.number || z->part == ZAB_LOOKING || z->stage == ZAB_BROADCAST)
		return NULL;
	if (z->part != ZAB_LEADER) {
		if (lost && !zab_learn_is_led(z))
			zab_look(z, "the voters have turned away from the leader");
		return NULL;
	}
	z->lead.doubted = true;
	z->lead.lost = z->lead.lost || lost;
	if (z->now_ms >= zab_lead_doubt_deadline(z))
		zab_look(z, "the voters have turned away, and too few have come to follow");
	return NULL;
}

void
zab_tell_electiond(struct zab *z)
{
	struct zab_action *a;

	if (!zab_is_up(z, ZAB_ELECTIOND))
		return;
	if (z->stage == ZAB_BROADCAST)
		z->election.result.epoch = z->epoch;
	a = zab_act(z, ZAB_SEND_RESULT, ZAB_ELECTIOND);
	a->result = z->election.result;
	a->result.state = z->part;
}

void
zab_electiond_came(struct zab *z)
{
	zab_tell_members(z, ZAB_ELECTIOND);
	if (z->part != ZAB_LOOKING && !z->config.standalone)
		zab_tell_electiond(z);
	else
		zab_try_look(z);
}

void
zab_electiond_gone(struct zab *z)
{
	z->election.asked = z->election.left = false;
}
