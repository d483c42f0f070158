/*
 * The link to syncd. What comes in becomes an event of the core; see common/ipc/msg.h for what each message means.
 * Invariant: while the link is down the node neither looks nor has a role, as far as peers are told.
 */
#include <errno.h>

#include "io/log.h"
#include "shell.h"

static const struct {
	Zkd__RoleState role;
	enum vote_state state;
} states[] = {
	{ ZKD__ROLE_STATE__ROLE_LOOKING, VOTE_LOOKING },
	{ ZKD__ROLE_STATE__ROLE_LEADER, VOTE_LEADING },
	{ ZKD__ROLE_STATE__ROLE_FOLLOWER, VOTE_FOLLOWING },
	{ ZKD__ROLE_STATE__ROLE_OBSERVER, VOTE_OBSERVING },
};

static Zkd__RoleState
role_of(enum vote_state state)
{
	size_t i = 0;

	while (states[i].state != state)
		i++;
	return states[i].role;
}

/* False for a number that is none. */
static bool
state_of(Zkd__RoleState role, enum vote_state *state)
{
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (states[i].role == role) {
			*state = states[i].state;
			return true;
		}
	return false;
}

static int
on_look(void *owner, struct link *l, const struct frame *f)
{
	struct electiond *e = owner;
	const Zkd__Look *look = link_take_proto(l, f, &zkd__look__descriptor);
	struct election_event ev = { .type = ELECTION_LOOK };

	if (look == NULL)
		return link_refuse(l, "malformed");
	if (look->sid != (uint64_t)e->daemon->config->myid)
		return link_refuse(l, "it is for server %llu, this is %lld", (unsigned long long)look->sid,
				   (long long)e->daemon->config->myid);
	if (look->observer != e->core.members.observer)
		electiond_adopt(e, members_with_version(e->members, e->members->version), look->observer);
	e->look_seq = f->seq;
	e->offered_version = 0;
	ev.vote.zxid = (int64_t)look->zxid;
	ev.vote.epoch = look->epoch;
	ev.nominates = look->nominates;
	ev.nominee = (int64_t)look->nominee;
	log_event(LOG_INFO, "looking for a leader", "election=%llu zxid=0x%llx epoch=%u",
		  (unsigned long long)f->seq, (unsigned long long)look->zxid, look->epoch);
	electiond_tell(e, &ev);
	return 0;
}

static int
on_role(void *owner, struct link *l, const struct frame *f)
{
	struct electiond *e = owner;
	const Zkd__Result *role = link_take_proto(l, f, &zkd__result__descriptor);
	struct election_event ev = { .type = ELECTION_ROLE };

	if (role == NULL || !state_of(role->state, &ev.vote.state) || role->election_epoch > INT64_MAX)
		return link_refuse(l, "malformed");
	if (ev.vote.state == VOTE_LOOKING)
		return link_refuse(l, "looking is no role");
	ev.vote.leader = (int64_t)role->leader;
	ev.vote.round = (int64_t)role->election_epoch;
	ev.vote.zxid = (int64_t)role->zxid;
	ev.vote.epoch = role->epoch;
	if (election_has_role(&e->core, &ev.vote))
		ev.type = ELECTION_EPOCH;
	electiond_tell(e, &ev);
	return 0;
}

static int
on_config(void *owner, struct link *l, const struct frame *f)
{
	struct electiond *e = owner;
	struct members *m;

	if (members_parse(f->body, &m) != 0)
		return link_refuse(l, "no configuration of an ensemble");
	if (m->version != f->zxid) {
		uint64_t version = m->version;

		members_free(m);
		return link_refuse(l, "its text has version 0x%llx", (unsigned long long)version);
	}
	log_event(LOG_INFO, "members", "version=0x%llx servers=%zu", (unsigned long long)m->version,
		  m->nservers);
	electiond_adopt(e, m, electiond_is_observer(e, m));
	return 0;
}

static int
on_leave(void *owner, struct link *l, const struct frame *f)
{
	struct election_event ev = { .type = ELECTION_LEAVE };

	(void)l;
	(void)f;
	electiond_tell(owner, &ev);
	return 0;
}

static int
on_up(void *owner, struct link *l, const Zkd__Hello *theirs)
{
	(void)l;
	(void)theirs;
	electiond_describe(owner);
	return 0;
}

static void
on_down(void *owner, struct link *l)
{
	struct electiond *e = owner;
	struct election_event ev = { .type = ELECTION_LEAVE };

	(void)l;
	if (e->ensemble)
		electiond_tell(e, &ev);
	electiond_describe(e);
}

static void
on_mismatch(void *owner, struct link *l, const char *why)
{
	(void)owner;
	daemon_mismatch(l->ops->peer, why);
}

static const struct link_message messages[] = {
	{ MSG_LOOK, false, LINK_ANY_STATE, "LOOK", on_look },
	{ MSG_RESULT, false, LINK_ANY_STATE, "RESULT", on_role },
	{ MSG_CONFIG, false, LINK_ANY_STATE, "CONFIG", on_config },
	{ MSG_LEAVE, false, LINK_ANY_STATE, "LEAVE", on_leave },
};

static const struct link_ops ensemble_ops = {
	.peer = "syncd",
	.messages = messages,
	.nmessages = sizeof messages / sizeof messages[0],
	.up = on_up,
	.down = on_down,
	.mismatch = on_mismatch,
};

/* No message of the star is meant for a daemon without peers: whatever comes after HELLO ends the link. */
static const struct link_ops standalone_ops = {
	.peer = "syncd",
	.up = on_up,
	.down = on_down,
	.mismatch = on_mismatch,
};

void
star_listen(struct electiond *e, int listener)
{
	link_init(&e->syncd, &e->daemon->turn, e->ensemble ? &ensemble_ops : &standalone_ops, e,
		  &e->daemon->identity);
	link_listen(&e->syncd, listener);
}

void
star_result(struct electiond *e, const struct vote *v)
{
	Zkd__Result result = ZKD__RESULT__INIT;

	result.leader = (uint64_t)v->leader;
	result.election_epoch = (uint64_t)v->round;
	result.state = role_of(v->state);
	result.zxid = (uint64_t)v->zxid;
	result.epoch = (uint32_t)v->epoch;
	link_send_proto(&e->syncd, MSG_RESULT, e->look_seq, 0, &result.base);
}

void
star_doubt(struct electiond *e, bool lost)
{
	struct frame f = { .type = MSG_DOUBT, .flags = lost ? DOUBT_LOST : 0, .seq = e->look_seq };

	link_send(&e->syncd, &f);
}

void
star_newer_config(struct electiond *e, struct slice text)
{
	struct frame f = { .type = MSG_CONFIG, .body = text };
	struct members *m;

	/* The core has looked at the last line only; each peer that has it says it with each of its votes. */
	if (notification_config_version(text, &f.zxid) != 0 || f.zxid <= e->offered_version ||
	    members_parse(text, &m) != 0)
		return;
	members_free(m);
	e->offered_version = f.zxid;
	link_send(&e->syncd, &f);
}
