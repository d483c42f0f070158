/*
 * What syncd says: the role, the loads, commits (leader.c and learner.c have the rest). A frame that is malformed
 * or does not belong where we stand ends the link (FRONT_LINK_BAD); syncd then dials again and a new ROLE follows.
 */
#include <errno.h>

#include "front_int.h"

#include "ipc/msg.h"
#include "ipc/proto.h"

void
link_told(struct front *f)
{
	if (f->link_told)
		return;
	f->link_told = true;
	front_do(f, FRONT_SEND, NULL);
}

void
link_put(struct front *f, uint16_t type, uint16_t flags, uint64_t seq, uint64_t zxid, struct slice body)
{
	frame_put(&f->link, &(struct frame){ type, flags, seq, zxid, body });
	if (f->link.overflow)
		link_bad(f, "too much waits for syncd");
	else
		link_told(f);
}

/* ---- The end of a role ---- */

static void
close_sessions(struct front *f)
{
	list_for_each_safe (e, &f->conns) {
		struct front_conn *c = container_of(e, struct front_conn, link);

		if (c->state == CONN_OPENING || c->state == CONN_OPEN)
			conn_kill(f, c, NULL);
	}
}

static void
drop_tree(struct front *f)
{
	if (f->tree == NULL)
		return;
	snap_abort(f);
	tree_destroy(f->tree);
	f->tree = NULL;
}

/* Clients go (their sessions live on in the tree), and so does all that was only prepared or pending. */
static void
end_role(struct front *f)
{
	close_sessions(f);
	write_forget(f);
	learner_forget(f);
	local_end(f);
	load_abort(f);
	if (f->prep != NULL)
		prep_destroy(f->prep);
	f->prep = NULL;
	if (f->role.presumed)
		drop_tree(f);
	if (f->tree != NULL)
		sessions_follow(tree_sessions(f->tree));
	f->role = (struct front_role){ 0 };
	f->learners = (struct learners){ 0 };
	f->proposal_sizes = (struct proposal_sizes){ -1, -1, -1 };
	f->expiry_suspended = false;
	f->committed = 0;
}

/* Those that waited for credit have their turn now, which is to be refused. */
static void
refuse_stalled(struct front *f)
{
	while (!list_empty(&f->stalled))
		conn_unpause(f, container_of(list_first(&f->stalled), struct front_conn, stalled),
			     PAUSE_CREDIT);
}

static void
start_over(struct front *f, enum front_phase phase)
{
	end_role(f);
	f->phase = phase;
	f->disk_failed = false;
	buf_reset(&f->link, 0);
	f->link_told = false;
	refuse_stalled(f);
}

void
link_bad(struct front *f, const char *why)
{
	if (f->phase == PHASE_DOWN)
		return;
	start_over(f, PHASE_DOWN);
	front_do(f, FRONT_LINK_BAD, NULL)->why = why;
}

void
link_up(struct front *f, const struct front_event *e)
{
	(void)e;
	start_over(f, PHASE_IDLE);
}

void
link_down(struct front *f, const struct front_event *e)
{
	(void)e;
	start_over(f, PHASE_DOWN);
}

/* ---- ROLE ---- */

/*
 * A tree that is ahead of everything that was ever proposed in this role is of another history: the log was cut, or
 * put back from a copy. Nothing of it may be shown. Where that does not show in the zxids syncd says so.
 */
static void
drop_foreign_tree(struct front *f, bool reload)
{
	if (f->tree == NULL || (!reload && tree_applied(f->tree) <= f->role.proposed))
		return;
	trace(f->trace, TRACE_WARNING, "front", "tree dropped", "applied=0x%llx proposed=0x%llx",
	      (unsigned long long)tree_applied(f->tree), (unsigned long long)f->role.proposed);
	drop_tree(f);
}

static void
take_role(struct front *f, const struct frame *frame)
{
	Zkd__Role *r = proto_take(&f->arena, &zkd__role__descriptor, frame->body);

	if (r == NULL || (unsigned)r->state > ROLE_READONLY) {
		link_bad(f, "malformed ROLE");
		return;
	}
	end_role(f);
	f->role = (struct front_role){
		.number = frame->seq,
		.state = (enum role_state)r->state,
		.standalone = r->standalone,
		.epoch = r->epoch,
		.proposed = r->proposed,
		.committed = r->committed,
		.window_txns = r->window_txns,
		.window_bytes = r->window_bytes,
		.sid = r->sid,
		.leader = r->leader,
		.presumed = r->presumed,
	};
	f->metrics.lookings += f->role.state == ROLE_LOOKING;
	f->committed = r->committed;
	drop_foreign_tree(f, r->reload);
	f->phase = PHASE_LOADING;
	trace(f->trace, TRACE_NOTICE, "front", "role",
	      "number=%llu state=%d epoch=%u proposed=0x%llx committed=0x%llx",
	      (unsigned long long)frame->seq, (int)r->state, r->epoch, (unsigned long long)r->proposed,
	      (unsigned long long)r->committed);
	link_put(f, MSG_ROLE_ACK, 0, frame->seq, 0, SLICE_NULL);
	load_ask(f);
	refuse_stalled(f);
}

/* ---- Commits, disk ---- */

static void
raise_floor(struct front *f, const struct frame *frame)
{
	if (frame->zxid > (front_learns(f) || f->phase == PHASE_LOADING ? f->role.proposed : write_last(f)))
		link_bad(f, "a commit of what was never proposed");
	else if (f->phase == PHASE_LOADING)
		f->committed = frame->zxid > f->committed ? frame->zxid : f->committed;
	else if (write_committed(f, frame->zxid) != 0)
		link_bad(f, "a committed txn cannot be applied");
}

static void
take_commit(struct front *f, const struct frame *frame)
{
	if (front_learns(f) && frame->body.len > 0)
		learner_commit(f, frame);
	else
		raise_floor(f, frame);
	if (f->phase < PHASE_CATCHING_UP)
		return;
	load_serve(f);
	write_resume(f);
}

static void
disk_fails(struct front *f, const Zkd__Disk *disk)
{
	f->disk_failed = true;
	trace(f->trace, TRACE_ERROR, "front", "disk failed", "error=\"%s\" outstanding=%u", disk->error,
	      f->npending);
	write_abandon(f, NULL);
	if (f->tree != NULL)
		sessions_suspend(tree_sessions(f->tree), (int64_t)f->now_ms);
	refuse_stalled(f);
}

static void
disk_works(struct front *f)
{
	f->disk_failed = f->expiry_suspended = false;
	trace(f->trace, TRACE_NOTICE, "front", "disk works again", "outstanding=%u", f->npending);
	if (f->tree != NULL)
		sessions_resume(tree_sessions(f->tree), (int64_t)f->now_ms);
}

static void
take_disk(struct front *f, const struct frame *frame)
{
	Zkd__Disk *disk = proto_take(&f->arena, &zkd__disk__descriptor, frame->body);

	if (disk == NULL)
		link_bad(f, "malformed DISK");
	else if (disk->failed && !f->disk_failed)
		disk_fails(f, disk);
	else if (!disk->failed && f->disk_failed)
		disk_works(f);
}

static void
take_sizes(struct front *f, const struct frame *frame)
{
	Zkd__Sizes *m = proto_take(&f->arena, &zkd__sizes__descriptor, frame->body);

	if (m == NULL)
		link_bad(f, "malformed SIZES");
	else
		f->sizes = (struct sizes){ true, m->data_bytes, m->log_bytes };
}

static void
take_channel(struct front *f, const struct frame *frame)
{
	(void)frame;
	load_channel(f);
}

/* ---- CONFIG ---- */

void
link_show_members(struct front *f)
{
	if (f->tree != NULL && buf_len(&f->members) > 0)
		tree_show_members(f->tree, buf_slice(&f->members), f->members_version, f->wall_ms);
}

static void
take_config(struct front *f, const struct frame *frame)
{
	buf_reset(&f->members, 0);
	buf_put_slice(&f->members, frame->body);
	if (f->members.overflow) {
		buf_reset(&f->members, 0);
		link_bad(f, "a CONFIG that is too long");
		return;
	}
	f->members_version = frame->zxid;
	if (front_serving(f))
		link_show_members(f);
}

/* ---- Dispatch ---- */

enum {
	IN_IDLE = 1 << PHASE_IDLE,
	IN_LOADING = 1 << PHASE_LOADING,
	IN_CATCHING_UP = 1 << PHASE_CATCHING_UP,
	IN_SERVING = 1 << PHASE_SERVING,
	IN_ROLE = IN_LOADING | IN_CATCHING_UP | IN_SERVING,
	IN_ANY = IN_IDLE | IN_ROLE,
};

enum {
	ON_LEADER = 1 << ROLE_LEADER,
	ON_LEARNER = 1 << ROLE_FOLLOWER | 1 << ROLE_OBSERVER,
	ON_ANY = ON_LEADER | ON_LEARNER | 1 << ROLE_LOOKING | 1 << ROLE_READONLY,
};

static const struct link_message {
	uint16_t type;
	uint8_t phases, roles;
	link_take_fn *take;
} messages[] = {
	{ MSG_ROLE, IN_ANY, ON_ANY, take_role },
	{ MSG_LOAD_CHANNEL, IN_LOADING, ON_ANY, take_channel },
	{ MSG_COMMIT, IN_ROLE, ON_LEADER | ON_LEARNER, take_commit },
	{ MSG_REQUEST, IN_SERVING, ON_LEADER, leader_request },
	{ MSG_SYNC, IN_SERVING, ON_LEADER, leader_sync },
	{ MSG_SYNC, IN_SERVING, ON_LEARNER, learner_synced },
	{ MSG_REVALIDATE, IN_SERVING, ON_LEADER, leader_revalidate },
	{ MSG_REVALIDATE, IN_SERVING, ON_LEARNER, learner_revalidated },
	{ MSG_TOUCH, IN_ROLE, ON_LEADER, leader_touch },
	{ MSG_DISK, IN_ANY, ON_ANY, take_disk },
	{ MSG_SIZES, IN_ANY, ON_ANY, take_sizes },
	{ MSG_CONFIG, IN_ANY, ON_ANY, take_config },
	{ MSG_LEARNERS, IN_ROLE, ON_LEADER, leader_learners },
};

/* What to do with a frame of this type here and now; NULL: nothing, it does not belong. */
static link_take_fn *
find_message(const struct front *f, uint16_t type, const char **why)
{
	*why = "a message of unknown type";
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		const struct link_message *m = &messages[i];

		if (m->type != type)
			continue;
		if ((m->phases & 1 << f->phase) != 0 && (m->roles & 1 << f->role.state) != 0)
			return m->take;
		*why = "a message that does not belong here";
	}
	return NULL;
}

void
link_frame(struct front *f, const struct front_event *e)
{
	link_take_fn *take;
	const char *why;

	if (f->phase == PHASE_DOWN)
		return;
	arena_reset(&f->arena);
	take = find_message(f, e->frame.type, &why);
	if (take != NULL)
		take(f, &e->frame);
	else
		link_bad(f, why);
}
