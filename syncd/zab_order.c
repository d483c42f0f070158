/*
 * The order of the txns: proposed without a gap, appended in that order, committed in that order when the
 * quorum has them. Invariants: durable <= appended <= proposed while logd's link is up; committed <=
 * proposed; the window holds every txn above min(durable, committed).
 */
#include "zab_internal.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"

enum {
	/* TxnHeader: clientId long, cxid int, zxid long, time long, type int (ZooKeeper, zookeeper.jute). */
	TXN_HEADER_BYTES = 32,
	TXN_HEADER_ZXID = 12,
};

static const char BEHIND[] = "the log on disk ends before what was already acknowledged";
static const char AHEAD[] = "the log on disk goes beyond everything that this node has proposed";

static void
append(struct zab *z, uint64_t zxid, struct slice body)
{
	zab_send(z, ZAB_LOGD, MSG_APPEND, 0, zxid, body);
	z->appended = zxid;
}

/* Gives logd what it does not have. */
static void
append_rest(struct zab *z)
{
	if (!zab_is_up(z, ZAB_LOGD) || z->disk_failed)
		return;
	for (size_t i = window_after(&z->window, z->appended); i < z->window.count; i++)
		append(z, window_at(&z->window, i)->zxid, window_body(&z->window, i));
}

/* Forgets the oldest txns that nobody waits for, down to what a learner may ask for. */
static void
trim_window(struct zab *z)
{
	uint64_t settled = z->durable < z->committed ? z->durable : z->committed;
	struct window *w = &z->window;

	while (w->count > 0 && window_at(w, 0)->zxid <= settled &&
	       (w->count - z->open_txns > z->config.commit_log_count ||
		w->held - z->open_bytes > z->config.commit_log_bytes))
		window_drop_first(w);
}

static void
commit(struct zab *z, uint64_t zxid)
{
	struct window *w = &z->window;

	for (size_t i = w->count - z->open_txns; i < w->count && window_at(w, i)->zxid <= zxid; i++) {
		z->open_txns--;
		z->open_bytes -= window_at(w, i)->len;
	}
	z->committed = zxid;
	trace(z->config.trace, TRACE_DEBUG, "zab", "commit", "zxid=0x%llx open=%u", (unsigned long long)zxid,
	      z->open_txns);
	if (z->phase != ZAB_UNTOLD)
		zab_send(z, ZAB_CLIENTD, MSG_COMMIT, 0, zxid, SLICE_NULL);
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

/* Own logd holds all up to zxid. */
static void
ack_own(struct zab *z, uint64_t zxid)
{
	uint64_t committable;

	z->durable = zxid;
	if (zxid > z->owed)
		z->owed = zxid;
	acks_put(&z->acks, z->config.sid, zxid);
	committable = acks_committable(&z->acks, &z->config.quorums, z->committed, before_pending(z));
	if (committable > z->committed)
		commit(z, committable);
	trim_window(z);
}

/* The first look at a log: all in it is ours to lead from. Standalone: all of it is committed. */
static void
begin(struct zab *z, uint64_t durable)
{
	window_reset(&z->window, durable);
	z->proposed = z->committed = z->appended = durable;
	z->epoch = (uint32_t)(durable >> 32);
	ack_own(z, durable);
	z->trouble = NULL;
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
	zab_become(z, ZAB_LOOKING);
}

static bool
has_led(const struct zab *z)
{
	return z->role == ZAB_LEADER || z->window.count > 0 || z->proposed > 0;
}

/* What keeps the node from going on with a log that ends at durable, or NULL. */
static const char *
find_trouble(const struct zab *z, uint64_t durable)
{
	if (durable < z->owed &&
	    (!window_continues(&z->window, durable) || z->owed > window_last(&z->window)))
		return BEHIND;
	if (has_led(z) && durable > z->proposed)
		return AHEAD;
	return NULL;
}

/* The log ends at durable: the rest is appended again. */
static void
go_on(struct zab *z, uint64_t durable)
{
	if (durable < z->durable)
		trace(z->config.trace, TRACE_WARNING, "zab", "log shorter", "durable=0x%llx was=0x%llx",
		      (unsigned long long)durable, (unsigned long long)z->durable);
	z->appended = durable;
	append_rest(z);
	ack_own(z, durable);
	if (z->role == ZAB_LEADER)
		return;
	z->trouble = NULL;
	zab_become(z, ZAB_LEADER);
}

void
zab_log_found(struct zab *z, uint64_t durable)
{
	const char *trouble = find_trouble(z, durable);

	if (trouble != NULL)
		refuse(z, trouble, durable);
	else if (!has_led(z))
		begin(z, durable);
	else
		go_on(z, durable);
	zab_try_load(z);
}

void
zab_log_gone(struct zab *z)
{
	z->load.asked = false;
	z->absence_told = false;
}

void
zab_applied_found(struct zab *z, uint64_t zxid)
{
	if (zxid <= z->owed)
		return;
	z->owed = zxid;
	/* Before logd is known nothing is decided; then its HELLO is measured against what is owed. */
	if (z->role == ZAB_LEADER)
		refuse(z, BEHIND, z->durable);
}

const char *
zab_on_propose(struct zab *z, const struct zab_event *event)
{
	const struct frame *f = &event->frame;
	uint64_t limit_bytes = ZAB_CREDIT_SLACK * z->config.window_bytes;

	if (f->zxid != z->proposed + 1)
		return "proposal out of order";
	if (f->seq != 0)
		return "proposal for a request that was never given";
	if (f->body.len < TXN_HEADER_BYTES || get_be64(f->body.data + TXN_HEADER_ZXID) != f->zxid)
		return "proposal whose txn has another zxid";
	if (z->open_txns >= ZAB_CREDIT_SLACK * z->config.window_txns ||
	    f->body.len > limit_bytes - z->open_bytes)
		return "proposals beyond all credit";
	window_push(&z->window, f->zxid, f->body);
	z->proposed = f->zxid;
	z->open_txns++;
	z->open_bytes += f->body.len;
	append_rest(z);
	return NULL;
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
	if (was_failed && !z->disk_failed)
		zab_log_found(z, event->frame.zxid);
	zab_tell_disk(z);
	return NULL;
}
