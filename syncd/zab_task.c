/*
 * What logd does besides appending: it stores epochs, cuts, installs. One at a time; while the log itself is being
 * changed nothing is appended. Invariant: a task is answered, or lost with its link: a log that was being changed is
 * then unknown until HELLO tells.
 */
#include "base/assert.h"
#include "zab_internal.h"

static void
ask(struct zab *z, enum zab_task_type type, uint64_t zxid)
{
	ASSERT(z->task.type == ZAB_NO_TASK && zab_is_up(z, ZAB_LOGD));
	z->task.type = type;
	z->task.zxid = zxid;
	z->task.seq++;
}

static void
send_epochs(struct zab *z)
{
	struct zab_action *a = zab_act(z, ZAB_SEND_EPOCHS, ZAB_LOGD);

	z->task.asked = true;
	a->frame.seq = z->task.seq;
	a->epochs = z->task.epochs;
}

void
zab_store_epochs(struct zab *z, uint32_t accepted, uint32_t current)
{
	ASSERT(accepted >= current && accepted >= z->epochs.accepted && current >= z->epochs.current);
	ASSERT(z->task.type == ZAB_NO_TASK);
	z->task.type = ZAB_STORE_EPOCHS;
	z->task.seq++;
	z->task.epochs = (struct zab_epochs){ .accepted = accepted, .current = current };
	trace(z->config.trace, TRACE_DEBUG, "zab", "store epochs", "accepted=%u current=%u", accepted,
	      current);
	zab_members_keep(z);
	if (zab_is_up(z, ZAB_LOGD))
		send_epochs(z);
}

void
zab_truncate(struct zab *z, uint64_t zxid)
{
	ask(z, ZAB_TRUNCATE, zxid);
	trace(z->config.trace, TRACE_NOTICE, "zab", "truncate", "zxid=0x%llx was=0x%llx",
	      (unsigned long long)zxid, (unsigned long long)z->proposed);
	if (z->owed > zxid)
		z->owed = zxid;
	z->reload = true;
	zab_send(z, ZAB_LOGD, MSG_TRUNCATE, z->task.seq, zxid, SLICE_NULL);
}

void
zab_install(struct zab *z, uint64_t zxid)
{
	ask(z, ZAB_INSTALL, zxid);
	trace(z->config.trace, TRACE_NOTICE, "zab", "install", "zxid=0x%llx was=0x%llx",
	      (unsigned long long)zxid, (unsigned long long)z->proposed);
	if (z->owed > zxid)
		z->owed = zxid;
	z->reload = true;
	zab_act(z, ZAB_INSTALL_OPEN, ZAB_LOGD)->frame.seq = z->task.seq;
}

void
zab_task_lost(struct zab *z)
{
	z->task.asked = false;
	if (z->task.type == ZAB_TRUNCATE || z->task.type == ZAB_INSTALL) {
		z->task.type = ZAB_NO_TASK;
		z->log_unknown = true;
		zab_look(z, "logd went away while it changed the log");
	}
}

void
zab_task_again(struct zab *z)
{
	/* A logd that was born again may have raised what its log proves (epochs.c): nothing is asked below that. */
	if (z->task.epochs.current < z->epochs.current)
		z->task.epochs.current = z->epochs.current;
	if (z->task.epochs.accepted < z->epochs.accepted)
		z->task.epochs.accepted = z->epochs.accepted;
	zab_members_keep(z);
	/* What it says of its log may have led to the task a moment ago. */
	if (z->task.type == ZAB_STORE_EPOCHS && !z->task.asked)
		send_epochs(z);
}

/* NULL where this is the answer to what logd is doing. */
static const char *
take_answer(struct zab *z, const struct zab_event *event, enum zab_task_type type)
{
	if (z->task.type != type || event->frame.seq != z->task.seq)
		return "an answer to what was not asked";
	z->task.type = ZAB_NO_TASK;
	z->task.asked = false;
	return NULL;
}

static bool
is_refused(const struct zab_event *event)
{
	return (event->frame.flags & STORE_REFUSED) != 0;
}

const char *
zab_on_epochs(struct zab *z, const struct zab_event *event)
{
	const char *wrong = take_answer(z, event, ZAB_STORE_EPOCHS);

	if (wrong != NULL)
		return wrong;
	if (is_refused(event)) {
		zab_look(z, "the epochs could not be stored");
		return NULL;
	}
	if (z->task.epochs.accepted == z->task.epochs.current)
		z->partial = false;
	z->epochs = z->task.epochs;
	if (z->part == ZAB_LEADER)
		zab_lead_epochs_stored(z);
	else if (z->part != ZAB_LOOKING)
		zab_learn_epochs_stored(z);
	else
		zab_try_look(z);
	return NULL;
}

const char *
zab_on_truncated(struct zab *z, const struct zab_event *event)
{
	const char *wrong = take_answer(z, event, ZAB_TRUNCATE);

	if (wrong != NULL)
		return wrong;
	if (!is_refused(event) && event->frame.zxid > z->task.zxid)
		return "the log was cut elsewhere";
	if (!is_refused(event))
		zab_log_cut(z, event->frame.zxid);
	if (z->part == ZAB_LOOKING)
		zab_try_look(z);
	else
		zab_learn_truncated(z, event->frame.zxid, is_refused(event));
	return NULL;
}

const char *
zab_on_installed(struct zab *z, const struct zab_event *event)
{
	const char *wrong = take_answer(z, event, ZAB_INSTALL);
	bool less = z->task.zxid < z->proposed;

	if (wrong != NULL)
		return wrong;
	if (!is_refused(event) && (event->frame.zxid != z->task.zxid || !z->snap.ended) &&
	    z->part != ZAB_LOOKING)
		return "another snapshot was installed";
	if (!is_refused(event)) {
		z->partial = z->partial || less;
		zab_members_replaced(z);
		zab_log_cut(z, event->frame.zxid);
	}
	if (z->part == ZAB_LOOKING)
		zab_try_look(z);
	else
		zab_learn_installed(z, is_refused(event));
	return NULL;
}
