/*
 * The step of the zab core: links, the table of messages, time. See zab.h for the contract and zab_internal.h
 * for how the work is divided. Invariant: an event's descriptor leaves in exactly one action.
 */
#include "zab_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

enum { FIRST_ACTIONS = 32 };

#define PHASE(p) (1u << (p))

/* Who may send what, and when. What is not here ends the link. */
static const struct rule {
	enum zab_link link;
	uint16_t type;
	unsigned phases; /* clientd's links only */
	zab_handler *handle;
} rules[] = {
	{ ZAB_CLIENTD, MSG_ROLE_ACK,
	  PHASE(ZAB_UNTOLD) | PHASE(ZAB_TOLD) | PHASE(ZAB_LOADING) | PHASE(ZAB_READY), zab_on_role_ack },
	{ ZAB_CLIENTD, MSG_LOAD, PHASE(ZAB_LOADING), zab_on_load },
	{ ZAB_CLIENTD, MSG_READY, PHASE(ZAB_LOADING), zab_on_ready },
	{ ZAB_CLIENTD, MSG_PROPOSE, PHASE(ZAB_READY), zab_on_propose },
	{ ZAB_LOGD, MSG_DURABLE, 0, zab_on_durable },
	{ ZAB_LOGD, MSG_LOAD_CHANNEL, 0, zab_on_load_channel },
	{ ZAB_LOGD, MSG_SNAPSHOT, 0, zab_on_snapshot },
	{ ZAB_LOGD, MSG_DISK, 0, zab_on_disk },
};

static const char *const link_names[ZAB_LINKS] = { "logd", "clientd", "electiond" };

void
zab_init(struct zab *z, const struct zab_config *config)
{
	ASSERT(config->sid < SID_LIMIT && config->window_txns > 0 && config->window_bytes > 0);
	memset(z, 0, sizeof *z);
	z->config = *config;
	z->role_number = config->role_base;
	z->absence_told = true; /* nobody is missed who was never there */
	acks_init(&z->acks);
	window_init(&z->window, 0);
}

void
zab_free(struct zab *z)
{
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
	zab_log_found(z, hello->durable);
	zab_tell_disk(z);
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
}

static const struct rule *
find_rule(enum zab_link link, uint16_t type)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (rules[i].link == link && rules[i].type == type)
			return &rules[i];
	return NULL;
}

/* NULL, or why the link must end. */
static const char *
judge_frame(struct zab *z, const struct zab_event *event)
{
	const struct rule *rule = find_rule(event->link, event->frame.type);

	if (rule == NULL)
		return "unexpected message";
	if (rule->link == ZAB_CLIENTD && (rule->phases & PHASE(z->phase)) == 0) {
		/* What clientd sent before it read the newest role belongs to an older one. */
		return z->phase < ZAB_LOADING ? NULL : "message out of its turn";
	}
	return rule->handle(z, event);
}

static void
on_frame(struct zab *z, const struct zab_event *event)
{
	const char *reason = judge_frame(z, event);
	bool handed_on = false;

	if (reason != NULL)
		zab_end_link(z, event->link, reason);
	if (event->fd < 0)
		return;
	for (size_t i = 0; i < z->nactions; i++)
		handed_on |= z->actions[i].fd == event->fd;
	if (!handed_on)
		zab_act(z, ZAB_CLOSE_FD, event->link)->fd = event->fd;
}

static void
on_tick(struct zab *z, const struct zab_event *event)
{
	(void)event;
	if (z->now_ms < zab_deadline(z))
		return;
	z->absence_told = true;
	trace(z->config.trace, TRACE_WARNING, "zab", "logd absent", "proposed=0x%llx durable=0x%llx",
	      (unsigned long long)z->proposed, (unsigned long long)z->durable);
	zab_act(z, ZAB_ROLE_CHANGED, ZAB_LOGD);
}

/* A server that stands alone has no peers. */
static void
on_peer_opened(struct zab *z, const struct zab_event *event)
{
	struct zab_action *a = zab_act(z, ZAB_PEER_CLOSE, ZAB_LOGD);

	a->peer = event->peer;
	a->reason = "this server has no ensemble";
}

static void
on_nothing(struct zab *z, const struct zab_event *event)
{
	(void)z;
	(void)event;
}

struct slice
zab_peer_output(const struct zab *z, uint32_t peer)
{
	(void)z;
	(void)peer;
	return SLICE_LIT("");
}

struct slice
zab_install_output(const struct zab *z)
{
	(void)z;
	return SLICE_LIT("");
}

void
zab_step(struct zab *z, const struct zab_event *event)
{
	static void (*const on[])(struct zab *, const struct zab_event *) = {
		[ZAB_DOWN] = on_down,
		[ZAB_UP] = on_up,
		[ZAB_FRAME] = on_frame,
		[ZAB_TICK] = on_tick,
		[ZAB_PEER_OPENED] = on_peer_opened,
		[ZAB_PEER_INPUT] = on_nothing,
		[ZAB_PEER_WROTE] = on_nothing,
		[ZAB_PEER_CLOSED] = on_nothing,
		[ZAB_DIAL_FAILED] = on_nothing,
		[ZAB_CHANNEL_FRAME] = on_nothing,
		[ZAB_CHANNEL_CLOSED] = on_nothing,
		[ZAB_INSTALL_WROTE] = on_nothing,
		[ZAB_INSTALL_CLOSED] = on_nothing,
	};

	ASSERT(event->type < ZAB_EVENTS && event->link < ZAB_LINKS);
	z->now_ms = event->now_ms;
	z->nactions = 0;
	on[event->type](z, event);
	ASSERT(z->committed <= z->proposed && z->open_txns <= z->window.count);
}

const struct zab_action *
zab_actions(const struct zab *z, size_t *n)
{
	*n = z->nactions;
	return z->actions;
}

uint64_t
zab_deadline(const struct zab *z)
{
	if (z->absence_told || zab_is_up(z, ZAB_LOGD))
		return UINT64_MAX;
	return z->links[ZAB_LOGD].since_ms + ZAB_LOGD_ABSENT_MS;
}

/* What keeps a leader from serving just now, or NULL. */
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

const char *
zab_describe(const struct zab *z, char *text, size_t size)
{
	unsigned long long zxid = z->committed;
	const char *obstacle = find_obstacle(z);

	if (z->trouble != NULL)
		snprintf(text, size, "not serving: %s", z->trouble);
	else if (z->role == ZAB_LOOKING)
		snprintf(text, size, "waiting for logd to tell what is on disk");
	else
		snprintf(text, size, "leading alone at zxid 0x%llx%s%s", zxid, obstacle != NULL ? ", " : "",
			 obstacle != NULL ? obstacle : "");
	return text;
}
