/*
 * A leader hands its part to a follower that an operator names, with no write lost and as little pause as an election
 * takes. It asks that one for a sign of life and lets what is proposed come to its end, that follower's ack and everybody's
 * commit included; meanwhile what clientd proposes is held back, so clients wait. Then it leaves its role, and votes in the
 * next round for that follower with a zxid one above what all have: the highest vote that there can be, which every other
 * server takes over, also one of ZooKeeper. In the round after that it votes as always: a follower that dies on its way
 * costs one more round.
 *
 * Invariants: a frame of clientd that was held is either taken in its order, when the hand-over is given up, or belongs to
 * the role that has ended; a nomination stands for one LOOK.
 */
#include "zab_internal.h"

enum { LIMIT_TICKS = 1 };

static struct zab_peer *
find_live(const struct zab *z, uint64_t sid)
{
	for (size_t i = 0; i < z->npeers; i++) {
		struct zab_peer *p = z->peers[i];

		if (p->state == PEER_LIVE && p->voter && p->sid == sid && p->doomed == NULL)
			return p;
	}
	return NULL;
}

/* Who has weight 0 is never elected. */
static bool
has_weight(const struct zab *z, uint64_t sid)
{
	const struct quorum *q = &z->config.quorums.current;

	for (size_t i = 0; i < q->nvoters; i++)
		if (q->voters[i].sid == sid)
			return q->voters[i].weight > 0;
	return false;
}

/* The follower that needs least; of equals the largest sid. NULL where there is none. */
static struct zab_peer *
pick(const struct zab *z)
{
	struct zab_peer *best = NULL;

	for (size_t i = 0; i < z->npeers; i++) {
		struct zab_peer *p = z->peers[i];
		uint64_t acked = p->voter ? z->acks.zxid[p->sid] : 0;

		if (p->state != PEER_LIVE || !p->voter || p->doomed != NULL || !has_weight(z, p->sid))
			continue;
		if (best == NULL || acked > z->acks.zxid[best->sid] ||
		    (acked == z->acks.zxid[best->sid] && p->sid > best->sid))
			best = p;
	}
	return best;
}

/* NULL, or why leadership cannot go there. */
static const char *
judge(const struct zab *z, const struct zab_event *event)
{
	if (z->config.standalone)
		return "this server is alone";
	if (!zab_lead_is_on(z))
		return "this server does not lead";
	if (z->move.on)
		return "leadership is on its way already";
	if (z->config.quorums.has_pending)
		return "a reconfiguration is under way";
	if (!event->any && event->sid == z->config.sid)
		return "this server leads already";
	if (!event->any && !quorum_is_voter(&z->config.quorums.current, event->sid))
		return "there is no voter of that number";
	if (!event->any && !has_weight(z, event->sid))
		return "that voter has weight 0, and is never elected";
	if (!event->any && find_live(z, event->sid) == NULL)
		return "that server is not in sync";
	if (event->any && pick(z) == NULL)
		return "no follower is in sync";
	return NULL;
}

void
zab_on_move(struct zab *z, const struct zab_event *event)
{
	struct zab_move *m = &z->move;

	m->refused = judge(z, event);
	if (m->refused != NULL)
		return;
	m->on = m->used = true;
	m->target = event->any ? pick(z)->sid : event->sid;
	m->limit_ms = z->now_ms + ticks_ms(z, LIMIT_TICKS);
	m->given_up = NULL;
	m->answered = false;
	zab_put(z, find_live(z, m->target), PACKET_PING, z->committed, SLICE_NULL);
	trace(z->config.trace, TRACE_NOTICE, "zab", "handing leadership over",
	      "to=%llu proposed=0x%llx open=%u", (unsigned long long)m->target,
	      (unsigned long long)z->proposed, z->open_txns);
}

void
zab_move_heard(struct zab *z, const struct zab_peer *p)
{
	if (z->move.on && p->sid == z->move.target)
		z->move.answered = true;
}

bool
zab_move_holds(struct zab *z, const struct frame *f)
{
	struct zab_move *m = &z->move;

	if (!m->on || (f->type != MSG_PROPOSE && f->type != MSG_SYNC && f->type != MSG_DROP &&
		       f->type != MSG_REVALIDATE))
		return false;
	frame_put(&m->held, f);
	return true;
}

/* Leads on: what was held comes now, in its order. Not freed yet, for actions may point into it. */
static void
give_up(struct zab *z, const char *reason)
{
	struct zab_move *m = &z->move;
	struct zab_event e = { .type = ZAB_FRAME, .link = ZAB_CLIENTD, .now_ms = z->now_ms, .fd = -1 };
	size_t done = 0;
	int64_t n;

	trace(z->config.trace, TRACE_WARNING, "zab", "leadership stays here", "to=%llu reason=\"%s\"",
	      (unsigned long long)m->target, reason);
	m->on = false;
	m->given_up = reason;
	while (zab_is_up(z, ZAB_CLIENTD) && z->phase == ZAB_READY && zab_lead_is_on(z)) {
		struct slice held = buf_slice(&m->held);

		n = frame_parse(slice_of(held.data + done, held.len - done), &e.frame);
		if (n <= 0)
			break;
		zab_take_frame(z, &e);
		done += (size_t)n;
	}
}

static void
hand_over(struct zab *z)
{
	struct zab_move *m = &z->move;

	m->on = false;
	z->election.nominates = true;
	z->election.nominee = m->target;
	zab_look(z, "leadership was handed over");
}

/* Nothing is under way any more, all that has an answer has got it, and the follower is alive. */
static bool
is_quiet(const struct zab *z, uint64_t target)
{
	if (!z->move.answered || z->durable != z->proposed || z->committed != z->proposed ||
	    z->acks.zxid[target] < z->proposed || z->task.type != ZAB_NO_TASK)
		return false;
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->state == PEER_LIVE && buf_len(&z->peers[i]->out) > 0)
			return false;
	return true;
}

void
zab_move_go_on(struct zab *z)
{
	struct zab_move *m = &z->move;

	if (!m->on)
		return;
	if (!zab_lead_is_on(z) || z->config.standalone)
		m->on = false; /* the role has ended for a reason of its own */
	else if (find_live(z, m->target) == NULL)
		give_up(z, "that server is not in sync any more");
	else if (m->held.overflow)
		zab_look(z, "more was proposed than can wait for a hand-over");
	else if (is_quiet(z, m->target))
		hand_over(z);
	else if (z->now_ms >= m->limit_ms)
		give_up(z, "that server did not catch up within a tick");
}

void
zab_move_forget(struct zab *z)
{
	if (!z->move.on && z->move.used)
		buf_reset(&z->move.held, 0);
	z->move.used = z->move.on;
}

void
zab_move_clientd_gone(struct zab *z)
{
	buf_truncate(&z->move.held, 0);
	if (z->move.on) {
		z->move.on = false;
		z->move.given_up = "clientd went away";
	}
}

uint64_t
zab_move_deadline(const struct zab *z)
{
	return z->move.on ? z->move.limit_ms : UINT64_MAX;
}
