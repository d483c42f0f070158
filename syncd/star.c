/*
 * The links to the siblings: their frames as events of the core, and the core's messages as frames. Which message may
 * come when is the core's to judge. Invariant: the core and the links agree on which links are up.
 */
#include "shell.h"

static const char *const link_paths[ZAB_LINKS] = { "logd.link", "clientd.link", "electiond.link" };

/* ---- What the core sends ---- */

void
star_send(struct syncd *s, const struct zab_action *a)
{
	struct link *l = &s->links[a->link];

	if (a->fd >= 0)
		link_send_fd(l, &a->frame, a->fd);
	else
		link_send(l, &a->frame);
}

void
star_send_role(struct syncd *s, const struct zab_action *a)
{
	const struct zab_role_told *r = &a->role;
	Zkd__Role m = ZKD__ROLE__INIT;

	m.state = (Zkd__RoleState)r->role;
	m.standalone = r->standalone;
	m.epoch = r->epoch;
	m.proposed = r->proposed;
	m.committed = r->committed;
	m.window_txns = r->window_txns;
	m.window_bytes = r->window_bytes;
	m.sid = r->sid;
	m.reload = r->reload;
	m.presumed = r->presumed;
	m.leader = r->leader;
	link_send_proto(&s->links[a->link], MSG_ROLE, r->number, 0, &m.base);
}

void
star_send_disk(struct syncd *s, const struct zab_action *a)
{
	Zkd__Disk m = ZKD__DISK__INIT;

	m.failed = a->disk.failed;
	m.error = (char *)a->disk.error;
	link_send_proto(&s->links[a->link], MSG_DISK, 0, a->frame.zxid, &m.base);
}

void
star_send_epochs(struct syncd *s, const struct zab_action *a)
{
	Zkd__Epochs m = ZKD__EPOCHS__INIT;

	m.accepted = a->epochs.accepted;
	m.current = a->epochs.current;
	link_send_proto(&s->links[ZAB_LOGD], MSG_EPOCHS, a->frame.seq, 0, &m.base);
}

void
star_send_look(struct syncd *s, const struct zab_action *a)
{
	Zkd__Look m = ZKD__LOOK__INIT;

	m.sid = a->look.sid;
	m.zxid = a->look.zxid;
	m.epoch = a->look.epoch;
	m.observer = a->look.observer;
	m.nominates = a->look.nominates;
	m.nominee = a->look.nominee;
	link_send_proto(&s->links[ZAB_ELECTIOND], MSG_LOOK, a->frame.seq, 0, &m.base);
}

void
star_send_result(struct syncd *s, const struct zab_action *a)
{
	Zkd__Result m = ZKD__RESULT__INIT;

	m.leader = a->result.leader;
	m.election_epoch = a->result.election_epoch;
	m.state = (Zkd__RoleState)a->result.state;
	m.zxid = a->result.zxid;
	m.epoch = a->result.epoch;
	link_send_proto(&s->links[ZAB_ELECTIOND], MSG_RESULT, a->frame.seq, 0, &m.base);
}

void
star_send_learners(struct syncd *s, const struct zab_action *a)
{
	Zkd__Learners m = ZKD__LEARNERS__INIT;
	uint8_t followers[SID_LIMIT];

	m.learners = a->learners.learners;
	m.synced_followers = a->learners.synced_followers;
	m.synced_non_voting_followers = a->learners.synced_non_voting_followers;
	m.synced_observers = a->learners.synced_observers;
	m.pending_syncs = a->learners.pending_syncs;
	for (unsigned sid = 0; sid < SID_LIMIT; sid++)
		if (sid_set_has(&a->learners.followers, sid))
			followers[m.followers.len++] = (uint8_t)sid;
	m.followers.data = followers;
	link_send_proto(&s->links[ZAB_CLIENTD], MSG_LEARNERS, 0, 0, &m.base);
}

/* ---- What the siblings send ---- */

static enum zab_link
which(const struct syncd *s, const struct link *l)
{
	return (enum zab_link)(l - s->links);
}

/* A step that a link's callback takes part in: 0, or -EPROTO when that link must end. */
static int
step_of_link(struct syncd *s, struct link *l, struct zab_event *e)
{
	const char *reason;

	e->link = which(s, l);
	reason = shell_step_link(s, e, e->link);
	return reason == NULL ? 0 : link_refuse(l, "%s", reason);
}

static int
on_frame(void *owner, struct link *l, const struct frame *f)
{
	struct zab_event e = { .type = ZAB_FRAME, .frame = *f, .fd = -1 };

	return step_of_link(owner, l, &e);
}

static int
on_channel(void *owner, struct link *l, const struct frame *f)
{
	struct zab_event e = { .type = ZAB_FRAME, .frame = *f, .fd = link_take_fd(l) };

	return step_of_link(owner, l, &e);
}

static struct zab_disk
disk_of(const Zkd__Disk *d)
{
	return (struct zab_disk){ .failed = d != NULL && d->failed, .error = d != NULL ? d->error : "" };
}

static int
on_disk(void *owner, struct link *l, const struct frame *f)
{
	struct zab_event e = { .type = ZAB_FRAME, .frame = *f, .fd = -1 };
	const Zkd__Disk *d = link_take_proto(l, f, &zkd__disk__descriptor);

	if (d == NULL)
		return link_refuse(l, "malformed body");
	e.disk = disk_of(d);
	return step_of_link(owner, l, &e);
}

/* Not the core's matter: it goes on to clientd, now and whenever that comes back. */
static void
tell_sizes(struct syncd *s)
{
	Zkd__Sizes m = ZKD__SIZES__INIT;

	if (!s->sizes_known || !link_is_up(&s->links[ZAB_CLIENTD]))
		return;
	m.data_bytes = s->data_bytes;
	m.log_bytes = s->log_bytes;
	link_send_proto(&s->links[ZAB_CLIENTD], MSG_SIZES, 0, 0, &m.base);
}

static int
on_sizes(void *owner, struct link *l, const struct frame *f)
{
	const Zkd__Sizes *m = link_take_proto(l, f, &zkd__sizes__descriptor);
	struct syncd *s = owner;

	if (m == NULL)
		return link_refuse(l, "malformed body");
	s->sizes_known = true;
	s->data_bytes = m->data_bytes;
	s->log_bytes = m->log_bytes;
	tell_sizes(s);
	return 0;
}

static int
on_result(void *owner, struct link *l, const struct frame *f)
{
	struct zab_event e = { .type = ZAB_FRAME, .frame = *f, .fd = -1 };
	const Zkd__Result *r = link_take_proto(l, f, &zkd__result__descriptor);

	if (r == NULL || (unsigned)r->state > ZAB_OBSERVER)
		return link_refuse(l, "malformed body");
	e.result = (struct zab_result){
		.leader = r->leader,
		.election_epoch = r->election_epoch,
		.zxid = r->zxid,
		.state = (enum zab_role)r->state,
		.epoch = r->epoch,
	};
	return step_of_link(owner, l, &e);
}

/* The states in which a message may come are the core's matter. */
#define MESSAGE(type, name, handle)                                                                          \
	{                                                                                                    \
		type, false, LINK_ANY_STATE, name, handle                                                    \
	}
#define CHANNEL(type, name)                                                                                  \
	{                                                                                                    \
		type, true, LINK_ANY_STATE, name, on_channel                                                 \
	}

static const struct link_message logd_messages[] = {
	MESSAGE(MSG_DURABLE, "DURABLE", on_frame), CHANNEL(MSG_LOAD_CHANNEL, "LOAD_CHANNEL"),
	CHANNEL(MSG_SNAPSHOT, "SNAPSHOT"),         MESSAGE(MSG_DISK, "DISK", on_disk),
	MESSAGE(MSG_EPOCHS, "EPOCHS", on_frame),   MESSAGE(MSG_TRUNCATE, "TRUNCATE", on_frame),
	MESSAGE(MSG_INSTALL, "INSTALL", on_frame), MESSAGE(MSG_SIZES, "SIZES", on_sizes),
};

static const struct link_message clientd_messages[] = {
	MESSAGE(MSG_ROLE_ACK, "ROLE_ACK", on_frame),
	MESSAGE(MSG_LOAD, "LOAD", on_frame),
	MESSAGE(MSG_READY, "READY", on_frame),
	MESSAGE(MSG_PROPOSE, "PROPOSE", on_frame),
	MESSAGE(MSG_REQUEST, "REQUEST", on_frame),
	MESSAGE(MSG_SYNC, "SYNC", on_frame),
	MESSAGE(MSG_DROP, "DROP", on_frame),
	MESSAGE(MSG_TOUCH, "TOUCH", on_frame),
	MESSAGE(MSG_REVALIDATE, "REVALIDATE", on_frame),
};

static const struct link_message electiond_messages[] = {
	MESSAGE(MSG_RESULT, "RESULT", on_result),
	MESSAGE(MSG_CONFIG, "CONFIG", on_frame),
	MESSAGE(MSG_DOUBT, "DOUBT", on_frame),
};

static void
say_hello(void *owner, struct link *l, Zkd__Hello *mine)
{
	const struct syncd *s = owner;

	(void)l;
	mine->applied_zxid = s->zab.committed;
	mine->role_number = s->zab.role_number;
}

static int
on_up(void *owner, struct link *l, const Zkd__Hello *theirs)
{
	struct syncd *s = owner;
	struct zab_event e = { .type = ZAB_UP, .fd = -1 };
	int ret;

	e.hello = (struct zab_hello){
		.durable = theirs->durable_zxid,
		.snapshot = theirs->snapshot_zxid,
		.epochs = { .accepted = theirs->accepted_epoch, .current = theirs->current_epoch },
		.partial = theirs->partial,
		.members = slice_of(theirs->members.data, theirs->members.len),
		.applied = theirs->applied_zxid,
		.has_tree = theirs->has_tree,
		.disk = disk_of(theirs->disk),
	};
	s->status_stale = true;
	ret = step_of_link(s, l, &e);
	if (ret == 0 && l == &s->links[ZAB_CLIENTD])
		tell_sizes(s);
	return ret;
}

/* Where the core itself has ended the link it knows already. */
static void
on_down(void *owner, struct link *l)
{
	struct syncd *s = owner;
	struct zab_event e = { .type = ZAB_DOWN, .link = which(s, l), .fd = -1 };

	s->status_stale = true;
	if (s->zab.links[e.link].up)
		shell_step(s, &e);
}

static void
on_mismatch(void *owner, struct link *l, const char *why)
{
	(void)owner;
	daemon_mismatch(l->ops->peer, why);
}

#define STAR_LINK(name, table, n)                                                                            \
	{                                                                                                    \
		.peer = name, .messages = table, .nmessages = n, .hello = say_hello, .up = on_up,            \
		.down = on_down, .mismatch = on_mismatch                                                     \
	}

static const struct link_ops link_ops[ZAB_LINKS] = {
	[ZAB_LOGD] = STAR_LINK("logd", logd_messages, sizeof logd_messages / sizeof logd_messages[0]),
	[ZAB_CLIENTD] =
	    STAR_LINK("clientd", clientd_messages, sizeof clientd_messages / sizeof clientd_messages[0]),
	[ZAB_ELECTIOND] = STAR_LINK("electiond", electiond_messages,
				    sizeof electiond_messages / sizeof electiond_messages[0]),
};

void
star_start(struct syncd *s)
{
	for (int i = 0; i < ZAB_LINKS; i++) {
		link_init(&s->links[i], &s->daemon->turn, &link_ops[i], s, &s->daemon->identity);
		link_dial(&s->links[i], link_paths[i]);
	}
}

void
star_stop(struct syncd *s)
{
	for (int i = 0; i < ZAB_LINKS; i++)
		link_close(&s->links[i]);
}
