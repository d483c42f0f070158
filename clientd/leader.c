/*
 * A leader's half of the talk with syncd: what learners ask for their clients. Invariant: each request, sync and
 * question is answered once, with its number, in the order in which they came; a session belongs to the connection
 * of a learner (origin), or to this node, that opened or re-attached it last.
 */
#include <errno.h>

#include "front_int.h"

#include "base/bytes.h"
#include "ipc/msg.h"
#include "ipc/proto.h"

void
leader_request(struct front *f, const struct frame *frame)
{
	struct jute_id_vec ids;
	struct jute_reader r;
	struct prep_request rq = { .wall_ms = f->wall_ms, .now_ms = (int64_t)f->now_ms };
	int err;

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
	/* The server that made its id may know a session that we do not. */
	rq.local = f->config.local_sessions && (uint64_t)rq.session >> 56 != (f->role.sid & 0xff);
	rq.auth = (struct auth){ ids.v, ids.n };
	/* What no client may ask, its server may not either, but for the sessions that it opens and closes. */
	if (!prep_takes(rq.type) || rq.type == ZK_OP_DELETE_CONTAINER || rq.type == ZK_OP_CHECK) {
		link_put(f, MSG_DROP, 0, frame->seq, 0, SLICE_NULL);
		return;
	}
	err = write_propose(f, frame->seq, NULL, &rq, f->now_ms);
	/* Where the epoch has no zxid left the role is about to end, and with it the request. */
	if (err != 0 && err != -ERANGE)
		link_bad(f, "a learner's request cannot be proposed");
}

void
leader_sync(struct front *f, const struct frame *frame)
{
	link_put(f, MSG_SYNC, 0, frame->seq, 0, SLICE_NULL);
}

/* The session goes on through a learner: whatever its old connection here asked, ZooKeeper would close it. */
static void
leave_to_learner(struct front *f, int64_t session)
{
	struct front_conn *c = conn_of_session(f, session);

	if (c != NULL)
		conn_kill(f, c, NULL);
}

void
leader_revalidate(struct front *f, const struct frame *frame)
{
	uint8_t answer[8 + 8 + 1];
	struct jute_reader r;
	uint64_t origin;
	int64_t session;
	int32_t timeout_ms;
	bool valid;

	jute_reader_init(&r, frame->body, UINT32_MAX);
	origin = (uint64_t)jute_read_long(&r);
	session = jute_read_long(&r);
	timeout_ms = jute_read_int(&r);
	if (!jute_ok(&r)) {
		link_bad(f, "malformed REVALIDATE");
		return;
	}
	f->metrics.revalidations++;
	valid = sessions_revalidate(tree_sessions(f->tree), session, origin, timeout_ms, (int64_t)f->now_ms);
	if (valid)
		leave_to_learner(f, session);
	put_be64(answer, origin);
	put_be64(answer + 8, (uint64_t)session);
	answer[16] = valid;
	link_put(f, MSG_REVALIDATE, 0, frame->seq, 0, slice_of(answer, sizeof answer));
}

void
leader_touch(struct front *f, const struct frame *frame)
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
		if (front_serving(f))
			sessions_touch(tree_sessions(f->tree), session, timeout_ms, (int64_t)f->now_ms);
	}
}

void
leader_learners(struct front *f, const struct frame *frame)
{
	Zkd__Learners *l = proto_take(&f->arena, &zkd__learners__descriptor, frame->body);

	if (l == NULL) {
		link_bad(f, "malformed LEARNERS");
		return;
	}
	f->learners = (struct learners){
		.all = l->learners,
		.synced_followers = l->synced_followers,
		.synced_non_voting = l->synced_non_voting_followers,
		.synced_observers = l->synced_observers,
		.pending_syncs = l->pending_syncs,
	};
	for (size_t i = 0; i < l->followers.len; i++)
		sid_set_add(&f->learners.followers, l->followers.data[i]);
}
