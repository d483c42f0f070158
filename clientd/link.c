/*
 * What syncd says: the role, the loads, commits, and on a leader the requests of learners. A frame that is malformed
 * or does not belong where we stand ends the link (FRONT_LINK_BAD); syncd then dials again and a new ROLE follows.
 */
#include <errno.h>

#include "front_int.h"

#include "base/bytes.h"
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

/* Clients go (their sessions live on in the tree), and so does all that was only prepared or pending. */
static void
end_role(struct front *f)
{
	close_sessions(f);
	write_forget(f);
	load_abort(f);
	if (f->prep != NULL)
		prep_destroy(f->prep);
	f->prep = NULL;
	if (f->tree != NULL)
		sessions_follow(tree_sessions(f->tree));
	f->role = (struct front_role){ 0 };
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
 * put back from a copy. Nothing of it may be shown.
 */
static void
drop_foreign_tree(struct front *f)
{
	if (f->tree == NULL || tree_applied(f->tree) <= f->role.proposed)
		return;
	trace(f->trace, TRACE_WARNING, "front", "tree dropped", "applied=0x%llx proposed=0x%llx",
	      (unsigned long long)tree_applied(f->tree), (unsigned long long)f->role.proposed);
	snap_abort(f);
	tree_destroy(f->tree);
	f->tree = NULL;
}

static void
take_role(struct front *f, const struct frame *frame)
{
	Zkd__Role *r = proto_take(&f->arena, &zkd__role__descriptor, frame->body);

	if (r == NULL) {
		link_bad(f, "malformed ROLE");
		return;
	}
	end_role(f);
	f->role = (struct front_role){
		.number = frame->seq,
		.leads = r->state == ZKD__ROLE_STATE__ROLE_LEADER,
		.standalone = r->standalone,
		.epoch = r->epoch,
		.proposed = r->proposed,
		.committed = r->committed,
		.window_txns = r->window_txns,
		.window_bytes = r->window_bytes,
		.sid = r->sid,
	};
	f->committed = r->committed;
	drop_foreign_tree(f);
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
take_commit(struct front *f, const struct frame *frame)
{
	if (f->phase == PHASE_LOADING) {
		if (frame->zxid > f->committed)
			f->committed = frame->zxid;
		return;
	}
	if (frame->zxid > write_last(f)) {
		link_bad(f, "a commit of what was never proposed");
		return;
	}
	if (write_committed(f, frame->zxid) != 0) {
		link_bad(f, "a committed txn cannot be applied");
		return;
	}
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
take_channel(struct front *f, const struct frame *frame)
{
	(void)frame;
	load_channel(f);
}

/* ---- On a leader: what learners ask ---- */

static void
take_request(struct front *f, const struct frame *frame)
{
	struct jute_id_vec ids;
	struct jute_reader r;
	struct prep_request rq = { .wall_ms = f->wall_ms, .now_ms = (int64_t)f->now_ms };

	jute_reader_init(&r, frame->body, UINT32_MAX);
	rq.owner = (uint64_t)jute_read_long(&r);
	jute_read_id_vec(&r, &f->arena, &ids);
	rq.session = jute_read_long(&r);
	rq.cxid = jute_read_int(&r);
	rq.type = jute_read_int(&r);
	if (!jute_ok(&r)) {
		link_bad(f, "malformed REQUEST");
		return;
	}
	rq.body = jute_rest(&r);
	rq.auth = (struct auth){ ids.v, ids.n };
	/* What no client may ask, its server may not either, but for the sessions that it opens and closes. */
	if (!prep_takes(rq.type) || rq.type == ZK_OP_DELETE_CONTAINER || rq.type == ZK_OP_CHECK)
		link_put(f, MSG_DROP, 0, frame->seq, 0, SLICE_NULL);
	else if (write_propose(f, frame->seq, NULL, &rq, f->now_ms) != 0)
		link_bad(f, "a learner's request cannot be proposed");
}

static void
take_sync(struct front *f, const struct frame *frame)
{
	link_put(f, MSG_SYNC, 0, frame->seq, 0, SLICE_NULL);
}

static void
take_revalidate(struct front *f, const struct frame *frame)
{
	uint8_t answer[8 + 8 + 1];
	struct jute_reader r;
	uint64_t origin;
	int64_t session;
	int32_t timeout_ms;

	jute_reader_init(&r, frame->body, UINT32_MAX);
	origin = (uint64_t)jute_read_long(&r);
	session = jute_read_long(&r);
	timeout_ms = jute_read_int(&r);
	if (!jute_ok(&r)) {
		link_bad(f, "malformed REVALIDATE");
		return;
	}
	put_be64(answer, origin);
	put_be64(answer + 8, (uint64_t)session);
	answer[16] =
	    sessions_revalidate(tree_sessions(f->tree), session, origin, timeout_ms, (int64_t)f->now_ms);
	link_put(f, MSG_REVALIDATE, 0, frame->seq, 0, slice_of(answer, sizeof answer));
}

static void
take_touch(struct front *f, const struct frame *frame)
{
	struct jute_reader r;

	jute_reader_init(&r, frame->body, UINT32_MAX);
	while (jute_left(&r) > 0) {
		int64_t session = jute_read_long(&r);
		int32_t timeout_ms = jute_read_int(&r);

		if (!jute_ok(&r)) {
			link_bad(f, "malformed TOUCH");
			return;
		}
		sessions_touch(tree_sessions(f->tree), session, timeout_ms, (int64_t)f->now_ms);
	}
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

struct link_message {
	uint16_t type;
	uint8_t phases;
	bool leader_only;
	void (*take)(struct front *f, const struct frame *frame);
};

static const struct link_message messages[] = {
	{ MSG_ROLE, IN_ANY, false, take_role },      { MSG_LOAD_CHANNEL, IN_LOADING, false, take_channel },
	{ MSG_COMMIT, IN_ROLE, true, take_commit },  { MSG_REQUEST, IN_SERVING, true, take_request },
	{ MSG_SYNC, IN_SERVING, true, take_sync },   { MSG_REVALIDATE, IN_SERVING, true, take_revalidate },
	{ MSG_TOUCH, IN_SERVING, true, take_touch }, { MSG_DISK, IN_ANY, false, take_disk },
};

void
link_frame(struct front *f, const struct front_event *e)
{
	const struct frame *frame = &e->frame;

	if (f->phase == PHASE_DOWN)
		return;
	arena_reset(&f->arena);
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		const struct link_message *m = &messages[i];

		if (m->type != frame->type)
			continue;
		if ((m->phases & 1 << f->phase) == 0 || (m->leader_only && !f->role.leads))
			link_bad(f, "a message that does not belong here");
		else
			m->take(f, frame);
		return;
	}
	link_bad(f, "a message of unknown type");
}
