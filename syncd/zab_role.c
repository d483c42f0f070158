/*
 * What clientd is told: its role, its data, and what logd wants of it. A role is told once per link of
 * clientd and once per change; each telling has a number of its own, and nothing that clientd sends counts
 * before it has taken the newest one. Once told, every commit follows on the same link, so clientd misses
 * none.
 */
#include <string.h>

#include "zab_internal.h"

void
zab_tell_disk(struct zab *z)
{
	struct zab_action *a;

	if (z->phase == ZAB_UNTOLD || z->disk_told == z->disk_failed)
		return;
	z->disk_told = z->disk_failed;
	a = zab_act(z, ZAB_SEND_DISK, ZAB_CLIENTD);
	a->frame.zxid = z->durable;
	a->disk = (struct zab_disk){ .failed = z->disk_failed, .error = z->disk_error };
}

void
zab_tell_clientd(struct zab *z)
{
	/* This syncd was in no role yet: the log may end with what nobody committed. It is shown all the same, as by ZooKeeper. */
	bool presumed = z->role == ZAB_READONLY && z->committed == 0;
	struct zab_action *a;

	if (!zab_is_up(z, ZAB_CLIENTD) ||
	    (z->config.standalone && z->role == ZAB_LOOKING && z->trouble == NULL))
		return;
	z->phase = ZAB_TOLD;
	z->role_number++;
	z->role_proposed = z->proposed;
	z->load.wanted = z->load.asked = false;
	requests_take_back(&z->requests, false);
	zab_follow_forget(z);
	a = zab_act(z, ZAB_SEND_ROLE, ZAB_CLIENTD);
	a->role = (struct zab_role_told){
		.number = z->role_number,
		.role = z->role,
		.standalone = z->config.standalone,
		.epoch = z->epoch,
		.proposed = z->proposed,
		.committed = presumed ? z->proposed : z->committed,
		.presumed = presumed,
		.window_txns = z->config.window_txns,
		.window_bytes = z->config.window_bytes,
		.sid = z->config.sid,
		.reload = z->reload,
		.leader = z->role == ZAB_FOLLOWER || z->role == ZAB_OBSERVER ? z->election.result.leader
									     : z->config.sid,
	};
	z->disk_told = false;
	zab_tell_disk(z);
	zab_tell_members(z, ZAB_CLIENTD);
}

void
zab_become(struct zab *z, enum zab_role role)
{
	z->role = role;
	z->role_began_ms = z->now_ms;
	zab_act(z, ZAB_ROLE_CHANGED, ZAB_CLIENTD);
	zab_tell_clientd(z);
}

void
zab_clientd_gone(struct zab *z)
{
	z->phase = ZAB_UNTOLD;
	z->load.wanted = z->load.asked = false;
	zab_follow_forget(z);
	zab_request_clientd_gone(z);
	zab_move_clientd_gone(z);
}

const char *
zab_on_role_ack(struct zab *z, const struct zab_event *event)
{
	if (event->frame.seq != z->role_number)
		return NULL; /* of an older role */
	if (z->phase != ZAB_TOLD)
		return "role taken twice";
	z->phase = ZAB_LOADING;
	return NULL;
}

/*
 * What was proposed when the role began must be in what logd brings, or clientd would come up without it and
 * miss it in the commits too. So the question waits until all of that is durable.
 */
void
zab_try_load(struct zab *z)
{
	struct zab_load *load = &z->load;
	struct zab_action *a;

	if (!load->wanted || load->asked || !zab_is_up(z, ZAB_LOGD) || z->role == ZAB_LOOKING ||
	    z->durable < z->role_proposed)
		return;
	load->asked = true;
	load->seq = ++z->load_seq;
	a = zab_act(z, ZAB_SEND, ZAB_LOGD);
	a->frame =
	    (struct frame){ .type = MSG_LOAD, .flags = load->flags, .seq = load->seq, .zxid = load->have };
}

const char *
zab_on_load(struct zab *z, const struct zab_event *event)
{
	const struct frame *f = &event->frame;

	if ((f->flags & ~LOAD_HAVE_TREE) != 0)
		return "load with unknown flags";
	z->load.wanted = true;
	z->load.asked = false;
	z->load.flags = f->flags;
	z->load.have = f->zxid;
	zab_try_load(z);
	return NULL;
}

/* Hands the frame on to clientd with the descriptor that came with it. */
static void
hand_on(struct zab *z, const struct zab_event *event)
{
	struct zab_action *a = zab_act(z, ZAB_SEND, ZAB_CLIENTD);

	a->frame = event->frame;
	a->fd = event->fd;
}

const char *
zab_on_load_channel(struct zab *z, const struct zab_event *event)
{
	if (event->fd < 0)
		return "load channel without its descriptor";
	if (zab_channel_open(z, event))
		return NULL;
	/* An answer to a clientd that is gone, or to a question that was asked anew, is of no use. */
	if (!z->load.asked || event->frame.seq != z->load.seq)
		return NULL;
	z->load.wanted = z->load.asked = false;
	hand_on(z, event);
	return NULL;
}

const char *
zab_on_ready(struct zab *z, const struct zab_event *event)
{
	uint64_t zxid = event->frame.zxid;

	if (zxid < z->role_proposed || zxid > z->proposed)
		return "ready with other data than the log's";
	z->phase = ZAB_READY;
	z->reload = false;
	memset(&z->lead.told, 0, sizeof z->lead.told);
	trace(z->config.trace, TRACE_NOTICE, "zab", "clientd ready", "zxid=0x%llx role=%u",
	      (unsigned long long)zxid, z->role_number);
	zab_request_give(z);
	return NULL;
}

const char *
zab_on_snapshot(struct zab *z, const struct zab_event *event)
{
	if (event->fd < 0)
		return "snapshot channel without its descriptor";
	/* Without a whole tree of what is committed at the other end logd sees the channel close, and asks again later. */
	if (z->phase == ZAB_READY && z->role != ZAB_READONLY)
		hand_on(z, event);
	return NULL;
}
