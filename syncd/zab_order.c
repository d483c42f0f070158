/*
 * The order of the txns: proposed without a gap, appended in that order, committed in that order when the
 * quorum has them. Invariants: durable <= appended <= proposed while logd's link is up; committed <=
 * proposed; the window holds every txn above min(durable, committed).
 */
#include "zab_internal.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"

static const char BEHIND[] = "the log on disk ends before what was already acknowledged";
static const char AHEAD[] = "the log on disk goes beyond everything that this node has proposed";

static void
append(struct zab *z, uint64_t zxid, struct slice body)
{
	zab_send(z, ZAB_LOGD, MSG_APPEND, 0, zxid, body);
	z->appended = zxid;
}

void
zab_append_rest(struct zab *z)
{
	if (!zab_is_up(z, ZAB_LOGD) || z->disk_failed || z->task.type > ZAB_STORE_EPOCHS)
		return;
	zab_members_keep(z);
	for (size_t i = window_after(&z->window, z->appended); i < z->window.count; i++)
		append(z, window_at(&z->window, i)->zxid, window_body(&z->window, i));
}

/* Forgets the oldest txns that nobody waits for, down to what a learner may ask for. */
void
zab_trim_window(struct zab *z)
{
	uint64_t settled = z->durable < z->committed ? z->durable : z->committed;
	struct window *w = &z->window;

	while (w->count > 0 && window_at(w, 0)->zxid <= settled &&
	       (w->count - z->open_txns > z->config.commit_log_count ||
		w->held - z->open_bytes > z->config.commit_log_bytes))
		window_drop_first(w);
}

/* Commits */

/* A leader's clientd has prepared the txns itself; a learner's gets each, but for those that its load brings. */
static void
tell_commits(struct zab *z, size_t from, size_t to)
{
	const struct window *w = &z->window;

	if (z->phase == ZAB_UNTOLD || z->role == ZAB_LOOKING || z->stage != ZAB_BROADCAST)
		return;
	if (z->role == ZAB_LEADER) {
		zab_send(z, ZAB_CLIENTD, MSG_COMMIT, 0, z->committed, SLICE_NULL);
		return;
	}
	for (size_t i = from; i < to; i++) {
		uint64_t zxid = window_at(w, i)->zxid;

		zab_send(z, ZAB_CLIENTD, MSG_COMMIT, 0, zxid,
			 zxid > z->role_proposed ? window_body(w, i) : SLICE_NULL);
	}
}

/*
 * Learners get commits, and the answers that waited for them, in the one order in which they were asked: a server of
 * ZooKeeper takes a commit that does not belong to the oldest of its own requests for somebody else's, and then never
 * answers that one (CommitProcessor).
 */
static void
broadcast_in_turn(struct zab *z, size_t from, size_t to)
{
	while (from < to) {
		uint64_t due = zab_request_due(z);
		size_t end = window_after(&z->window, due);

		ASSERT(end > from); /* what it waits for was not committed */
		end = end > to ? to : end;
		zab_broadcast_commits(z, from, end);
		zab_request_committed(z, window_at(&z->window, end - 1)->zxid);
		from = end;
	}
}

void
zab_commit(struct zab *z, uint64_t zxid)
{
	struct window *w = &z->window;
	size_t from = w->count - z->open_txns, to = from;

	while (to < w->count && window_at(w, to)->zxid <= zxid) {
		z->open_txns--;
		z->open_bytes -= window_at(w, to++)->len;
	}
	z->committed = zxid;
	trace(z->config.trace, TRACE_DEBUG, "zab", "commit", "zxid=0x%llx open=%u", (unsigned long long)zxid,
	      z->open_txns);
	if (zab_lead_is_on(z)) {
		zab_members_designate(z, zxid);
		broadcast_in_turn(z, from, to);
	}
	tell_commits(z, from, to);
	zab_request_give(z);
	zab_members_committed(z, zxid);
}

static uint64_t
before_pending(const struct zab *z)
{
	const struct quorum_pair *q = &z->config.quorums;
	size_t n;

	if (!q->has_pending)
		return z->committed;
	n = window_after(&z->window, q->pending_from - 1);
	return n == 0 ? z->window.base : window_at(&z->window, n - 1)->zxid;
}

void
zab_try_commit(struct zab *z)
{
	uint64_t zxid;

	if (!zab_lead_is_on(z) || z->lead.resigned)
		return;
	zxid = acks_committable(&z->acks, &z->config.quorums, z->committed, before_pending(z));
	if (zxid > z->committed)
		zab_commit(z, zxid);
}

/* Own logd holds all up to zxid. */
static void
ack_own(struct zab *z, uint64_t zxid)
{
	z->durable = zxid;
	if (zxid > z->owed)
		z->owed = zxid;
	acks_put(&z->acks, z->config.sid, zxid);
	zab_try_commit(z);
	if (z->part == ZAB_FOLLOWER || z->part == ZAB_OBSERVER)
		zab_learn_durable(z);
	zab_try_look(z);
}

/* The log and nothing else says what there is. */
static void
take_log(struct zab *z, uint64_t durable)
{
	window_reset(&z->window, durable);
	z->open_txns = 0;
	z->open_bytes = 0;
	z->proposed = z->appended = durable;
	if (z->committed > durable)
		z->committed = durable;
	z->log_known = true;
	z->log_unknown = false;
	z->log_doubtful = z->disk_failed;
}

/* The first look at a log. Standalone: all of it is committed, and ours to lead from. */
static void
begin(struct zab *z, uint64_t durable)
{
	take_log(z, durable);
	z->look_began_ms = z->now_ms;
	if (z->config.standalone) {
		z->committed = durable;
		z->epoch = epoch_of(durable);
		z->part = ZAB_LEADER;
		z->stage = ZAB_BROADCAST;
		z->lead.step = ZAB_LEAD_ON;
	}
	z->trouble = NULL;
	ack_own(z, durable);
	if (z->config.standalone)
		zab_become(z, ZAB_LEADER);
}

static void
refuse(struct zab *z, const char *trouble, uint64_t durable)
{
	trace(z->config.trace, TRACE_ERROR, "zab", "refuse",
	      "reason=\"%s\" durable=0x%llx owed=0x%llx proposed=0x%llx", trouble,
	      (unsigned long long)durable, (unsigned long long)z->owed, (unsigned long long)z->proposed);
	z->trouble = trouble;
	z->durable = z->appended = durable;
	if (z->config.standalone) {
		z->part = ZAB_LOOKING;
		zab_become(z, ZAB_LOOKING);
	} else {
		zab_look(z, trouble);
	}
}

/* What keeps the node from going on with a log that ends at durable, or NULL. */
static const char *
find_trouble(const struct zab *z, uint64_t durable)
{
	if (durable < z->owed &&
	    (!window_continues(&z->window, durable) || z->owed > window_last(&z->window)))
		return BEHIND;
	if (z->log_known && durable > z->proposed)
		return AHEAD;
	return NULL;
}

/* The log ends at durable: the rest is appended again. */
static void
go_on(struct zab *z, uint64_t durable)
{
	bool refused = z->trouble != NULL;

	if (durable < z->durable)
		trace(z->config.trace, TRACE_WARNING, "zab", "log shorter", "durable=0x%llx was=0x%llx",
		      (unsigned long long)durable, (unsigned long long)z->durable);
	z->trouble = NULL;
	z->log_doubtful = z->log_doubtful && z->disk_failed;
	z->appended = durable;
	if (refused && z->config.standalone)
		z->part = ZAB_LEADER;
	zab_append_rest(z);
	ack_own(z, durable);
	if (refused && z->config.standalone)
		zab_become(z, ZAB_LEADER);
}

void
zab_log_found(struct zab *z, uint64_t durable)
{
	const char *trouble = find_trouble(z, durable);
	/* What could not be synced was read from the disk after all: nobody here knows it, and nothing took its place. */
	bool longer = z->log_doubtful && durable > z->durable;

	if (z->log_unknown)
		begin(z, durable);
	else if (trouble != NULL && (trouble != AHEAD || !longer))
		refuse(z, trouble, durable);
	else if (!z->log_known || longer)
		begin(z, durable);
	else
		go_on(z, durable);
	zab_try_load(z);
}

void
zab_log_cut(struct zab *z, uint64_t zxid)
{
	struct window *w = &z->window;
	size_t closed = w->count - z->open_txns;

	zab_members_undone(z, zxid);
	window_cut(w, zxid);
	z->open_txns = closed < w->count ? (uint32_t)(w->count - closed) : 0;
	z->open_bytes = 0;
	for (size_t i = w->count - z->open_txns; i < w->count; i++)
		z->open_bytes += window_at(w, i)->len;
	z->proposed = z->appended = z->durable = zxid;
	if (z->owed > zxid)
		z->owed = zxid;
	if (z->committed > zxid)
		z->committed = zxid;
	acks_put(&z->acks, z->config.sid, zxid);
}

void
zab_log_gone(struct zab *z)
{
	z->load.asked = false;
	z->absence_told = false;
	zab_channel_log_gone(z);
	zab_task_lost(z);
}

void
zab_applied_found(struct zab *z, uint64_t zxid)
{
	/* In an ensemble others hold what is committed, and our own log may well come later than a commit. */
	if (zxid <= z->owed || !z->config.standalone)
		return;
	z->owed = zxid;
	/* Before logd is known nothing is decided; then its HELLO is measured against what is owed. */
	if (z->role == ZAB_LEADER)
		refuse(z, BEHIND, z->durable);
}

/* Proposals */

const char *
zab_judge_txn(uint64_t zxid, struct slice body)
{
	if (body.len < TXN_HEADER_BYTES || get_be64(body.data + TXN_HEADER_ZXID) != zxid)
		return "a txn with another zxid than its message";
	return NULL;
}

bool
zab_follows(const struct zab *z, uint64_t zxid)
{
	uint64_t last = z->proposed;

	if (z->part == ZAB_LEADER && last < epoch_start(z->epoch))
		last = epoch_start(z->epoch);
	return zxid == last + 1 ||
	       (z->part != ZAB_LEADER && epoch_of(zxid) > epoch_of(last) && (uint32_t)zxid == 1);
}

void
zab_accept(struct zab *z, uint64_t zxid, struct slice body)
{
	window_push(&z->window, zxid, body);
	z->proposed = zxid;
	z->open_txns++;
	z->open_bytes += body.len;
	zab_members_proposed(z, zxid, body);
	zab_append_rest(z);
	if (z->part == ZAB_LEADER)
		zab_broadcast_proposal(z, zxid, body);
}

const char *
zab_on_propose(struct zab *z, const struct zab_event *event)
{
	const struct frame *f = &event->frame;
	uint64_t limit_bytes = ZAB_CREDIT_SLACK * z->config.window_bytes;
	const char *wrong = NULL;

	if (!zab_follows(z, f->zxid))
		return "proposal out of order";
	if (f->body.len < TXN_HEADER_BYTES || get_be64(f->body.data + TXN_HEADER_ZXID) != f->zxid)
		return "proposal whose txn has another zxid";
	if (z->open_txns >= (uint64_t)ZAB_CREDIT_SLACK * z->config.window_txns ||
	    f->body.len > limit_bytes - z->open_bytes)
		return "proposals beyond all credit";
	/* The last zxid of an epoch is nobody's (ZooKeeper: Leader.propose, XidRolloverException). */
	if (!z->config.standalone && (uint32_t)f->zxid == UINT32_MAX) {
		zab_look(z, "the epoch has no zxid left");
		return NULL;
	}
	if (f->seq != 0)
		wrong = zab_request_consumed(z, f->seq, MSG_REQUEST);
	if (wrong == NULL)
		zab_accept(z, f->zxid, f->body);
	return wrong;
}

const char *
zab_on_durable(struct zab *z, const struct zab_event *event)
{
	uint64_t zxid = event->frame.zxid;

	if (zxid < z->durable || zxid > z->appended)
		return "durable out of order";
	if (zxid == z->durable)
		return NULL;
	ack_own(z, zxid);
	zab_try_load(z);
	return NULL;
}

const char *
zab_on_disk(struct zab *z, const struct zab_event *event)
{
	bool was_failed = z->disk_failed;

	z->disk_failed = event->disk.failed;
	snprintf(z->disk_error, sizeof z->disk_error, "%s", event->disk.error);
	trace(z->config.trace, z->disk_failed ? TRACE_ERROR : TRACE_NOTICE, "zab",
	      z->disk_failed ? "disk failed" : "disk works again", "durable=0x%llx error=\"%s\"",
	      (unsigned long long)event->frame.zxid, z->disk_error);
	z->members_kept = UINT64_MAX;
	if (was_failed && !z->disk_failed)
		zab_log_found(z, event->frame.zxid);
	zab_tell_disk(z);
	if (z->disk_failed && !z->config.standalone)
		zab_look(z, "the disk failed");
	return NULL;
}
