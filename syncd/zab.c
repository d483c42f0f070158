/*
 * The step of the zab core: links, the table of messages, time. See zab.h for the contract and zab_internal.h
 * for how the work is divided. Invariant: an event's descriptor leaves in exactly one action.
 */
#include "zab_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

enum {
	FIRST_ACTIONS = 32,
	SCRATCH_MAX = 256 << 20, /* of one step: what a peer may send at once, and a little more */
};

#define PHASE(p) (1u << (p))

#define ROLE(r)   (1u << (r))
#define ANY_PHASE (PHASE(ZAB_UNTOLD) | PHASE(ZAB_TOLD) | PHASE(ZAB_LOADING) | PHASE(ZAB_READY))
#define ANY_ROLE  (ROLE(ZAB_LOOKING) | ROLE(ZAB_READONLY) | ROLE(ZAB_LEADER) | LEARNER)
#define LEARNER   (ROLE(ZAB_FOLLOWER) | ROLE(ZAB_OBSERVER))

/* Who may send what, and when. What is not here ends the link. */
static const struct rule {
	enum zab_link link;
	uint16_t type;
	unsigned phases, roles; /* clientd's link only */
	zab_handler *handle;
} rules[] = {
	{ ZAB_CLIENTD, MSG_ROLE_ACK, ANY_PHASE, ANY_ROLE, zab_on_role_ack },
	{ ZAB_CLIENTD, MSG_LOAD, PHASE(ZAB_LOADING), ANY_ROLE, zab_on_load },
	{ ZAB_CLIENTD, MSG_READY, PHASE(ZAB_LOADING), ANY_ROLE, zab_on_ready },
	{ ZAB_CLIENTD, MSG_PROPOSE, PHASE(ZAB_READY), ROLE(ZAB_LEADER), zab_on_propose },
	{ ZAB_CLIENTD, MSG_DROP, PHASE(ZAB_READY), ROLE(ZAB_LEADER), zab_on_drop },
	{ ZAB_CLIENTD, MSG_SYNC, PHASE(ZAB_READY), ROLE(ZAB_LEADER), zab_on_sync_answer },
	{ ZAB_CLIENTD, MSG_REVALIDATE, PHASE(ZAB_READY), ROLE(ZAB_LEADER), zab_on_revalidated },
	{ ZAB_CLIENTD, MSG_REQUEST, PHASE(ZAB_READY), LEARNER, zab_on_request },
	{ ZAB_CLIENTD, MSG_SYNC, PHASE(ZAB_READY), LEARNER, zab_on_sync_question },
	{ ZAB_CLIENTD, MSG_REVALIDATE, PHASE(ZAB_READY), LEARNER, zab_on_revalidate_question },
	{ ZAB_CLIENTD, MSG_TOUCH, PHASE(ZAB_READY), LEARNER, zab_on_touch },
	{ ZAB_LOGD, MSG_DURABLE, 0, 0, zab_on_durable },
	{ ZAB_LOGD, MSG_LOAD_CHANNEL, 0, 0, zab_on_load_channel },
	{ ZAB_LOGD, MSG_SNAPSHOT, 0, 0, zab_on_snapshot },
	{ ZAB_LOGD, MSG_DISK, 0, 0, zab_on_disk },
	{ ZAB_LOGD, MSG_EPOCHS, 0, 0, zab_on_epochs },
	{ ZAB_LOGD, MSG_TRUNCATE, 0, 0, zab_on_truncated },
	{ ZAB_LOGD, MSG_INSTALL, 0, 0, zab_on_installed },
	{ ZAB_ELECTIOND, MSG_RESULT, 0, 0, zab_on_result },
	{ ZAB_ELECTIOND, MSG_CONFIG, 0, 0, zab_on_config },
	{ ZAB_ELECTIOND, MSG_DOUBT, 0, 0, zab_on_doubt },
};

static const char *const link_names[ZAB_LINKS] = { "logd", "clientd", "electiond" };

void
zab_init(struct zab *z, const struct zab_config *config)
{
	ASSERT(config->sid < SID_LIMIT && config->window_txns > 0 && config->window_bytes > 0);
	ASSERT(ZAB_CREDIT_SLACK * config->window_bytes + ZAB_OUT_PAUSE < ZAB_OUT_MAX);
	memset(z, 0, sizeof *z);
	z->config = *config;
	z->role_number = config->role_base;
	z->absence_told = true; /* nobody is missed who was never there */
	acks_init(&z->acks);
	window_init(&z->window, 0);
	requests_init(&z->requests);
	buf_init(&z->move.held, (size_t)(2 * ZAB_CREDIT_SLACK) * config->window_bytes);
	touches_init(&z->learn.touches);
	list_init(&z->dirty);
	list_init(&z->dead);
	arena_init(&z->scratch, SCRATCH_MAX);
	z->learn.redial_ms = UINT64_MAX;
	z->next_origin = (uint64_t)config->role_base << 32;
	zab_install_abandon(z);
	zab_members_init(z);
	z->config.members = SLICE_NULL;
}

void
zab_free(struct zab *z)
{
	if (z->dead.next == NULL)
		return; /* all zero: it was never made */
	zab_install_abandon(z);
	zab_drop_peers(z, "the end");
	zab_bury(z);
	mem_free(z->peers);
	z->peers = NULL;
	z->peers_cap = 0;
	buf_free(&z->snap.out);
	mem_free(z->lead.waits);
	z->lead.waits = NULL;
	mem_free(z->learn.asks);
	z->learn.asks = NULL;
	touches_free(&z->learn.touches);
	requests_free(&z->requests);
	buf_free(&z->move.held);
	zab_members_free(z);
	arena_free(&z->scratch);
	window_free(&z->window);
	mem_free(z->actions);
	z->actions = NULL;
	z->nactions = z->actions_cap = 0;
}

struct zab_action *
zab_act(struct zab *z, enum zab_action_type type, enum zab_link link)
{
	struct zab_action *a;

	if (z->nactions == z->actions_cap) {
		z->actions_cap = z->actions_cap == 0 ? FIRST_ACTIONS : 2 * z->actions_cap;
		z->actions = mem_realloc(z->actions, z->actions_cap * sizeof *z->actions);
	}
	a = &z->actions[z->nactions++];
	memset(a, 0, sizeof *a);
	a->type = type;
	a->link = link;
	a->fd = -1;
	return a;
}

void
zab_send(struct zab *z, enum zab_link link, uint16_t type, uint64_t seq, uint64_t zxid, struct slice body)
{
	struct zab_action *a = zab_act(z, ZAB_SEND, link);

	a->frame = (struct frame){ .type = type, .seq = seq, .zxid = zxid, .body = body };
}

static void
link_gone(struct zab *z, enum zab_link link)
{
	struct zab_link_info *info = &z->links[link];

	info->since_ms = z->now_ms;
	info->up = false;
	if (link == ZAB_LOGD)
		zab_log_gone(z);
	if (link == ZAB_CLIENTD)
		zab_clientd_gone(z);
	if (link == ZAB_ELECTIOND)
		zab_electiond_gone(z);
}

void
zab_end_link(struct zab *z, enum zab_link link, const char *reason)
{
	trace(z->config.trace, TRACE_DEBUG, "zab", "link ended", "peer=%s reason=\"%s\"", link_names[link],
	      reason);
	link_gone(z, link);
	zab_act(z, ZAB_CLOSE, link)->reason = reason;
}

static void
on_down(struct zab *z, const struct zab_event *event)
{
	ASSERT(zab_is_up(z, event->link));
	trace(z->config.trace, TRACE_DEBUG, "zab", "link down", "peer=%s zxid=0x%llx",
	      link_names[event->link], (unsigned long long)z->proposed);
	link_gone(z, event->link);
}

static void
logd_greeted(struct zab *z, const struct zab_hello *hello)
{
	z->absence_told = true;
	z->disk_failed = hello->disk.failed;
	snprintf(z->disk_error, sizeof z->disk_error, "%s", hello->disk.error);
	z->epochs = hello->epochs;
	z->partial = hello->partial;
	zab_members_found(z, hello);
	zab_log_found(z, hello->durable);
	zab_task_again(z);
	zab_channel_log_came(z);
	zab_tell_disk(z);
	if (z->disk_failed)
		zab_look(z, "the disk failed");
	zab_try_look(z);
}

static void
clientd_greeted(struct zab *z, const struct zab_hello *hello)
{
	if (hello->has_tree)
		zab_applied_found(z, hello->applied);
	if (z->phase == ZAB_UNTOLD)
		zab_tell_clientd(z);
}

static void
on_up(struct zab *z, const struct zab_event *event)
{
	struct zab_link_info *info = &z->links[event->link];

	ASSERT(!info->up);
	info->up = true;
	info->since_ms = z->now_ms;
	trace(z->config.trace, TRACE_DEBUG, "zab", "link up", "peer=%s durable=0x%llx applied=0x%llx",
	      link_names[event->link], (unsigned long long)event->hello.durable,
	      (unsigned long long)event->hello.applied);
	if (event->link == ZAB_LOGD)
		logd_greeted(z, &event->hello);
	if (event->link == ZAB_CLIENTD)
		clientd_greeted(z, &event->hello);
	if (event->link == ZAB_ELECTIOND)
		zab_electiond_came(z);
}

/* A type may have one meaning on a leader and another one on a learner. */
static const struct rule *
find_rule(const struct zab *z, enum zab_link link, uint16_t type)
{
	const struct rule *found = NULL;

	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		if (rules[i].link != link || rules[i].type != type)
			continue;
		if (found == NULL || (rules[i].roles & ROLE(z->role)) != 0)
			found = &rules[i];
	}
	return found;
}

/* NULL, or why the link must end. */
static const char *
judge_frame(struct zab *z, const struct zab_event *event)
{
	const struct rule *rule = find_rule(z, event->link, event->frame.type);

	if (rule == NULL)
		return "unexpected message";
	if (rule->link == ZAB_CLIENTD && (rule->phases & PHASE(z->phase)) == 0) {
		/* What clientd sent before it read the newest role belongs to an older one. */
		return z->phase < ZAB_LOADING ? NULL : "message out of its turn";
	}
	if (rule->link == ZAB_CLIENTD && (rule->roles & ROLE(z->role)) == 0)
		return "unexpected message";
	if (rule->link == ZAB_CLIENTD && zab_move_holds(z, &event->frame))
		return NULL;
	return rule->handle(z, event);
}

void
zab_take_frame(struct zab *z, const struct zab_event *event)
{
	const char *reason = judge_frame(z, event);

	if (reason != NULL)
		zab_end_link(z, event->link, reason);
}

static void
on_frame(struct zab *z, const struct zab_event *event)
{
	bool handed_on = false;

	zab_take_frame(z, event);
	if (event->fd < 0)
		return;
	for (size_t i = 0; i < z->nactions; i++)
		handed_on |= z->actions[i].fd == event->fd;
	if (!handed_on)
		zab_act(z, ZAB_CLOSE_FD, event->link)->fd = event->fd;
}

/* Time */

static uint64_t
logd_deadline(const struct zab *z)
{
	if (z->absence_told)
		return UINT64_MAX;
	return z->links[ZAB_LOGD].since_ms + ZAB_LOGD_ABSENT_MS;
}

static uint64_t
clientd_deadline(const struct zab *z)
{
	uint64_t since = z->links[ZAB_CLIENTD].since_ms;

	if (z->config.standalone || z->role != ZAB_LEADER || zab_is_up(z, ZAB_CLIENTD))
		return UINT64_MAX;
	return (since > z->role_began_ms ? since : z->role_began_ms) + z->config.clientd_absent_ms;
}

static void
check_logd(struct zab *z)
{
	if (z->now_ms < logd_deadline(z))
		return;
	z->absence_told = true;
	trace(z->config.trace, TRACE_WARNING, "zab", "logd absent", "proposed=0x%llx durable=0x%llx",
	      (unsigned long long)z->proposed, (unsigned long long)z->durable);
	zab_act(z, ZAB_ROLE_CHANGED, ZAB_LOGD);
	if (z->part == ZAB_LEADER)
		zab_look(z, "logd is away");
}

void
zab_forgive(uint64_t *heard_ms, uint64_t late_ms, uint64_t now_ms)
{
	*heard_ms = now_ms - *heard_ms < late_ms ? now_ms : *heard_ms + late_ms;
}

/* Time in which we stood still is nobody's silence: what was sent meanwhile is still to be read. */
static void
forgive_all(struct zab *z, uint64_t late_ms)
{
	for (size_t i = 0; i < z->npeers; i++) {
		zab_forgive(&z->peers[i]->heard_ms, late_ms, z->now_ms);
		zab_forgive(&z->peers[i]->ack_ms, late_ms, z->now_ms);
	}
	zab_forgive(&z->lead.progress_ms, late_ms, z->now_ms);
	zab_forgive(&z->learn.heard_ms, late_ms, z->now_ms);
}

/*
 * Connections that came while nobody knew what we are, and for which nobody knows it still. Who was elected knows it at
 * about the time of its learners; these have elected us in a round that we do not know of, and have to look again.
 */
static void
beat_held(struct zab *z)
{
	for (size_t i = 0; i < z->npeers; i++)
		if (z->now_ms - z->peers[i]->heard_ms > z->config.tick_ms / 2)
			zab_doom_peer(z, z->peers[i], "nobody leads here");
}

static void
check_beat(struct zab *z)
{
	uint64_t half_ms = z->config.tick_ms / 2, late_ms;

	if (z->config.standalone || z->now_ms < z->beat_ms)
		return;
	late_ms = z->beat_ms == 0 ? 0 : z->now_ms - z->beat_ms;
	if (late_ms > half_ms)
		forgive_all(z, late_ms);
	z->beat_ms = z->now_ms + half_ms;
	z->odd_beat = !z->odd_beat;
	if (z->part == ZAB_LEADER)
		zab_broadcast_beat(z);
	else if (z->part == ZAB_LOOKING)
		beat_held(z);
	else
		zab_learn_beat(z);
}

static void
on_tick(struct zab *z, const struct zab_event *event)
{
	(void)event;
	check_logd(z);
	check_beat(z);
	if (z->now_ms >= zab_learn_deadline(z))
		zab_learn_beat(z);
	if (z->now_ms >= zab_fast_deadline(z))
		zab_fast_beat(z);
	if (z->now_ms >= clientd_deadline(z))
		zab_look(z, "clientd is away");
	if (z->now_ms >= z->learn.redial_ms)
		zab_learn_try_dial(z);
	if (z->now_ms >= zab_lead_doubt_deadline(z))
		zab_look(z, "a voter looks again, and too few have come to follow");
	if (z->now_ms >= zab_read_only_deadline(z))
		zab_become(z, ZAB_READONLY);
}

uint64_t
zab_deadline(const struct zab *z)
{
	const uint64_t due[] = { zab_move_deadline(z),
				 logd_deadline(z),
				 clientd_deadline(z),
				 z->learn.redial_ms,
				 zab_read_only_deadline(z),
				 zab_lead_doubt_deadline(z),
				 zab_fast_deadline(z),
				 zab_learn_deadline(z),
				 z->config.standalone ? UINT64_MAX : z->beat_ms };
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < sizeof due / sizeof due[0]; i++)
		first = due[i] < first ? due[i] : first;
	return first;
}

static void
begin_step(struct zab *z, const struct zab_event *event)
{
	z->now_ms = event->now_ms;
	z->nactions = 0;
	zab_bury(z);
	window_settle(&z->window);
	window_settle(&z->requests.bytes);
	arena_reset(&z->scratch);
	zab_move_forget(z);
}

/* A reconfiguration may have made a follower an observer, or the reverse: it connects anew as what it is now. */
static void
check_part(struct zab *z)
{
	if ((z->part == ZAB_FOLLOWER && z->config.observer) ||
	    (z->part == ZAB_OBSERVER && !z->config.observer))
		zab_look(z, "this server has another part now");
	/* It has committed that it votes no more, and the others look for a voter (ZooKeeper: Leader.allowedToCommit). One
	 * that has named its successor goes a little later, for its followers must hear of it. */
	if (z->part == ZAB_LEADER && !z->config.standalone && !z->lead.resigned &&
	    !zab_is_voter(z, z->config.sid))
		zab_look(z, "this server does not vote any more");
}

static void
end_step(struct zab *z)
{
	check_part(z);
	zab_move_go_on(z);
	zab_trim_window(z);
	zab_settle_peers(z);
	zab_broadcast_tell_learners(z);
	ASSERT(z->committed <= z->proposed && z->open_txns <= z->window.count);
}

void
zab_step(struct zab *z, const struct zab_event *event)
{
	static event_handler *const on[ZAB_EVENTS] = {
		[ZAB_DOWN] = on_down,
		[ZAB_UP] = on_up,
		[ZAB_FRAME] = on_frame,
		[ZAB_TICK] = on_tick,
		[ZAB_PEER_OPENED] = zab_on_peer_opened,
		[ZAB_PEER_INPUT] = zab_on_peer_input,
		[ZAB_PEER_WROTE] = zab_on_peer_wrote,
		[ZAB_PEER_CLOSED] = zab_on_peer_closed,
		[ZAB_DIAL_FAILED] = zab_on_dial_failed,
		[ZAB_CHANNEL_FRAME] = zab_on_channel_frame,
		[ZAB_CHANNEL_CLOSED] = zab_on_channel_closed,
		[ZAB_INSTALL_WROTE] = zab_on_install_wrote,
		[ZAB_INSTALL_CLOSED] = zab_on_install_closed,
		[ZAB_MOVE] = zab_on_move,
	};

	ASSERT(event->type < ZAB_EVENTS && event->link < ZAB_LINKS);
	begin_step(z, event);
	on[event->type](z, event);
	end_step(z);
}

const struct zab_action *
zab_actions(const struct zab *z, size_t *n)
{
	*n = z->nactions;
	return z->actions;
}

/* What keeps the node from serving just now, or NULL. */
static const char *
find_obstacle(const struct zab *z)
{
	if (!zab_is_up(z, ZAB_LOGD))
		return "waiting for logd";
	if (z->disk_failed)
		return "the disk failed";
	if (!zab_is_up(z, ZAB_CLIENTD))
		return "waiting for clientd";
	return z->phase == ZAB_READY ? NULL : "clientd is loading";
}

static const char *
describe_part(const struct zab *z)
{
	static const char *const on_way[] = {
		[ZAB_LEADER] = "elected; waiting for a quorum of followers",
		[ZAB_FOLLOWER] = "joining the leader",
		[ZAB_OBSERVER] = "joining the leader as an observer",
	};
	static const char *const there[] = {
		[ZAB_LEADER] = "leading",
		[ZAB_FOLLOWER] = "following",
		[ZAB_OBSERVER] = "observing",
	};

	if (z->config.standalone)
		return "leading alone";
	return z->stage == ZAB_BROADCAST ? there[z->part] : on_way[z->part];
}

const char *
zab_describe(const struct zab *z, char *text, size_t size)
{
	unsigned long long zxid = z->committed;
	const char *obstacle = find_obstacle(z);

	if (z->trouble != NULL)
		snprintf(text, size, "not serving: %s", z->trouble);
	else if (z->part == ZAB_LOOKING && !z->log_known)
		snprintf(text, size, "waiting for logd to tell what is on disk");
	else if (z->part == ZAB_LOOKING)
		snprintf(text, size, "looking for a leader%s%s%s",
			 z->role == ZAB_READONLY ? ", read-only meanwhile" : "", z->left != NULL ? ": " : "",
			 z->left != NULL ? z->left : "");
	else if (z->stage != ZAB_BROADCAST)
		snprintf(text, size, "%s", describe_part(z));
	else
		snprintf(text, size, "%s at zxid 0x%llx%s%s", describe_part(z), zxid,
			 obstacle != NULL ? ", " : "", obstacle != NULL ? obstacle : "");
	return text;
}
