/*
 * A learner's half of the talk with syncd: own clients' writes, syncs and re-attaches on their way to the leader, and
 * what comes back. A write is answered by the COMMIT of a txn with its session and cxid. Invariants: numbers rise by one
 * in a role; conn.asked holds a connection's writes that no COMMIT has answered, oldest first, also after it died (it
 * then lies in learner.gone), since the session may have come back with the same cxids; each such write, and each
 * question, counts in the connection's inflight.
 */
#include <errno.h>

#include "front_int.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "ipc/msg.h"

enum {
	AHEAD_MAX =
	    1 << 30, /* committed while the tree is loaded; beyond it the link ends, and all starts over */
	TOUCHES_PER_TICK = 8, /* a session that was heard of is told that much later at most */
	TOUCH_BYTES = 8 + 4,
};

/* ---- Asking ---- */

static struct frame
next_frame(const struct front *f, uint16_t type)
{
	return (struct frame){ .type = type, .seq = f->learner.numbered + 1 };
}

/* Body of REQUEST and SYNC. The size of the frame; -errno when it is too large, and was taken back. */
static int64_t
put_request(struct front *f, uint16_t type, const struct prep_request *rq)
{
	struct frame frame = next_frame(f, type);
	struct jute_id_vec ids = { .v = (struct jute_id *)rq->auth.ids, .n = rq->auth.n };
	size_t begun = frame_begin(&f->link, &frame);
	int err;

	buf_put_be64(&f->link, 0);
	jute_write_id_vec(&f->link, &ids);
	jute_write_long(&f->link, rq->session);
	jute_write_int(&f->link, rq->cxid);
	jute_write_int(&f->link, rq->type);
	buf_put_slice(&f->link, rq->body);
	err = frame_end(&f->link, begun);
	if (err < 0)
		return err;
	f->learner.numbered++;
	link_told(f);
	return (int64_t)(buf_len(&f->link) - begun);
}

bool
learner_credit(const struct front *f)
{
	return f->learner.nasked < f->role.window_txns && f->learner.asked_bytes < f->role.window_bytes;
}

int
learner_write(struct front *f, struct front_conn *c, const struct prep_request *rq, uint64_t start_ms)
{
	struct asked a = {
		.start_ms = start_ms, .stats_wanted = rq->stats_wanted, .xid = rq->cxid, .op = rq->type
	};
	int64_t n = put_request(f, MSG_REQUEST, rq);

	if (n < 0)
		return (int)n;
	a.bytes = (uint32_t)n;
	buf_put(&c->asked, &a, sizeof a);
	c->asked_session = rq->session;
	c->inflight++;
	f->learner.nasked++;
	f->learner.asked_bytes += a.bytes;
	return 0;
}

static void
add_question(struct front *f, struct front_conn *c, bool revalidates)
{
	struct question *q = mem_alloc(sizeof *q);

	*q = (struct question){ .number = f->learner.numbered, .revalidates = revalidates, .conn = c };
	list_append(&f->learner.questions, &q->link);
	c->inflight++;
}

int
learner_sync(struct front *f, struct front_conn *c, const struct request *rq)
{
	struct prep_request sync = {
		.type = rq->op, .session = c->session, .cxid = rq->xid, .auth = c->auth, .body = rq->body
	};
	int64_t n = put_request(f, MSG_SYNC, &sync);

	if (n < 0)
		return (int)n;
	add_question(f, c, false);
	request_queue_sync(f, c, rq);
	return 0;
}

void
learner_revalidate(struct front *f, struct front_conn *c)
{
	uint8_t body[8 + 8 + 4] = { 0 };

	put_be64(body + 8, (uint64_t)c->session);
	put_be32(body + 16, (uint32_t)c->timeout_ms);
	link_put(f, MSG_REVALIDATE, 0, ++f->learner.numbered, 0, slice_of(body, sizeof body));
	add_question(f, c, true);
}

/* ---- Writes and their txns ---- */

static struct asked
first_asked(const struct front_conn *c)
{
	struct asked a;

	memcpy(&a, buf_head(&c->asked), sizeof a);
	return a;
}

static bool
answers(const struct jute_txn_header *hdr, const struct front_conn *c)
{
	struct asked a;

	if (buf_len(&c->asked) == 0 || c->asked_session != hdr->client_id)
		return false;
	a = first_asked(c);
	return a.xid == hdr->cxid && (a.op == hdr->type || hdr->type == ZK_OP_ERROR);
}

static bool
match_gone(const struct table_entry *e, const void *key)
{
	return answers(key, container_of(e, const struct front_conn, by_session));
}

/* The connection whose oldest write the txn answers: one that died, before the one that has its session now. */
static struct front_conn *
find_asker(const struct front *f, const struct jute_txn_header *hdr)
{
	struct table_entry *e = NULL;
	struct front_conn *c;

	if (f->learner.gone.count > 0)
		e = table_find(&f->learner.gone, table_hash_u64((uint64_t)hdr->client_id), match_gone, hdr);
	if (e != NULL)
		return container_of(e, struct front_conn, by_session);
	c = conn_of_session(f, hdr->client_id);
	return c != NULL && answers(hdr, c) ? c : NULL;
}

static void
take_asked(struct front *f, struct front_conn *c, struct asked *a)
{
	*a = first_asked(c);
	buf_consume(&c->asked, sizeof *a);
	f->learner.nasked--;
	f->learner.asked_bytes -= a->bytes;
	if (buf_len(&c->asked) > 0)
		return;
	buf_reset(&c->asked, 4096);
	if (c->state == CONN_DEAD)
		table_remove(&f->learner.gone, &c->by_session);
}

/* A committed txn takes effect, and whoever asked for it is answered. */
static int
learn(struct front *f, uint64_t zxid, struct slice txn, const struct jute_txn_header *hdr)
{
	struct front_conn *c = find_asker(f, hdr);
	struct asked a;
	int err;

	if (c == NULL)
		return write_learned(f, zxid, txn, NULL, NULL);
	take_asked(f, c, &a);
	/* The session of an open connection is created when it is upgraded, and nobody waits for that. */
	if (c->state == CONN_OPEN && a.op != ZK_OP_CREATE_SESSION && !request_awaits(c, &a))
		conn_kill(f, c, "the leader answers its requests out of order");
	err = write_learned(f, zxid, txn, c, &a);
	conn_landed(c);
	return err;
}

void
learner_commit(struct front *f, const struct frame *frame)
{
	struct tree_txn txn;

	if (frame->zxid <= f->committed || frame->zxid <= f->role.proposed) {
		link_bad(f, "a commit out of order");
		return;
	}
	if (tree_txn_parse(frame->body, &txn) != 0 || (uint64_t)txn.hdr.zxid != frame->zxid) {
		link_bad(f, "a commit with another txn");
		return;
	}
	f->metrics.learned++;
	if (f->phase != PHASE_LOADING) {
		if (learn(f, frame->zxid, frame->body, &txn.hdr) != 0)
			link_bad(f, "a committed txn cannot be applied");
		return;
	}
	f->committed = frame->zxid;
	frame_put(&f->learner.ahead,
		  &(struct frame){ .type = MSG_BULK_TXN, .zxid = frame->zxid, .body = frame->body });
	if (f->learner.ahead.overflow)
		link_bad(f, "more is committed than may wait for the load");
}

int
learner_catch_up(struct front *f)
{
	struct slice rest = buf_slice(&f->learner.ahead);
	struct frame frame;
	int64_t n;
	int err = 0;

	while (err == 0 && (n = frame_parse(rest, &frame)) > 0) {
		err = write_learned(f, frame.zxid, frame.body, NULL, NULL);
		rest = slice_of(rest.data + n, rest.len - (size_t)n);
	}
	buf_reset(&f->learner.ahead, 0);
	return err;
}

void
learner_conn_gone(struct front *f, struct front_conn *c)
{
	if (buf_len(&c->asked) > 0)
		table_insert(&f->learner.gone, &c->by_session, table_hash_u64((uint64_t)c->asked_session));
}

/* ---- Answers to questions ---- */

/* Takes it off the list; NULL when nothing of this kind and number was asked. */
static struct front_conn *
take_question(struct front *f, uint64_t number, bool revalidates)
{
	list_for_each (e, &f->learner.questions) {
		struct question *q = container_of(e, struct question, link);
		struct front_conn *c = q->conn;

		if (q->number != number || q->revalidates != revalidates)
			continue;
		list_remove(&q->link);
		mem_free(q);
		return c;
	}
	return NULL;
}

void
learner_synced(struct front *f, const struct frame *frame)
{
	struct front_conn *c = take_question(f, frame->seq, false);

	if (c == NULL) {
		link_bad(f, "an answer to a sync that was not asked");
		return;
	}
	if (c->state == CONN_OPEN)
		request_synced(f, c);
	conn_landed(c);
}

void
learner_revalidated(struct front *f, const struct frame *frame)
{
	struct jute_reader r;
	struct front_conn *c;
	int64_t session;
	bool valid;

	jute_reader_init(&r, frame->body, UINT32_MAX);
	jute_read_long(&r); /* origin */
	session = jute_read_long(&r);
	valid = jute_read_bool(&r);
	if (!jute_ok(&r)) {
		link_bad(f, "malformed REVALIDATE");
		return;
	}
	c = take_question(f, frame->seq, true);
	if (c == NULL || (c->state == CONN_OPENING && c->session != session))
		link_bad(f, "an answer for a session that was not asked for");
	else
		connect_revalidated(f, c, valid);
	if (c != NULL)
		conn_landed(c);
}

/* ---- Touches ---- */

static void
send_touches(struct front *f)
{
	struct learner *l = &f->learner;

	link_put(f, MSG_TOUCH, 0, 0, 0, buf_slice(&l->touches));
	buf_reset(&l->touches, 64 << 10);
	l->touch_round++;
}

void
learner_touch(struct front *f, struct front_conn *c)
{
	struct learner *l = &f->learner;

	if (!front_learns(f) || c->touched == l->touch_round)
		return;
	if (buf_len(&l->touches) + TOUCH_BYTES > FRAME_BODY_MAX)
		send_touches(f);
	if (buf_len(&l->touches) == 0)
		l->touch_ms = f->now_ms + f->config.tick_ms / TOUCHES_PER_TICK;
	c->touched = l->touch_round;
	jute_write_long(&l->touches, c->session);
	jute_write_int(&l->touches, c->timeout_ms);
}

void
learner_tick(struct front *f)
{
	if (f->now_ms >= learner_deadline(f))
		send_touches(f);
}

uint64_t
learner_deadline(const struct front *f)
{
	return buf_len(&f->learner.touches) > 0 ? f->learner.touch_ms : UINT64_MAX;
}

/* ---- Life ---- */

void
learner_init(struct front *f)
{
	struct learner *l = &f->learner;

	list_init(&l->questions);
	table_init(&l->gone);
	buf_init(&l->ahead, AHEAD_MAX);
	buf_init(&l->touches, FRAME_BODY_MAX);
	l->touch_round = 1;
}

void
learner_free(struct front *f)
{
	learner_forget(f);
	table_free(&f->learner.gone);
	buf_free(&f->learner.ahead);
	buf_free(&f->learner.touches);
}

/* The last call may free c. */
static void
forget_asked(struct front_conn *c)
{
	size_t n = buf_len(&c->asked) / sizeof(struct asked);

	buf_reset(&c->asked, 0);
	while (n-- > 0)
		conn_landed(c);
}

static void
forget_gone(struct table_entry *e, void *ctx)
{
	(void)ctx;
	forget_asked(container_of(e, struct front_conn, by_session));
}

void
learner_forget(struct front *f)
{
	struct learner *l = &f->learner;

	list_for_each_safe (e, &l->questions) {
		struct question *q = container_of(e, struct question, link);

		list_remove(&q->link);
		conn_landed(q->conn);
		mem_free(q);
	}
	list_for_each_safe (e, &f->conns)
		forget_asked(container_of(e, struct front_conn, link));
	table_each(&l->gone, forget_gone, NULL);
	table_free(&l->gone);
	table_init(&l->gone);
	buf_reset(&l->ahead, 0);
	buf_reset(&l->touches, 0);
	l->touch_round++;
	l->numbered = l->asked_bytes = l->nasked = 0;
}
