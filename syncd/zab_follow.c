/*
 * A learner in its role: proposals go to logd and are acked when durable, commits go to clientd in order, clientd's
 * questions go to the leader. Invariants: a commit is that of the oldest txn not committed, else the connection is made
 * anew and what is missing comes with it: never a gap, never an exit. Source: ZooKeeper, Follower and Observer
 * (processPacket), Learner (ping, request, revalidate).
 */
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "zab_internal.h"

enum {
	ORIGIN_BYTES = 8,
	REQUEST_MIN_BYTES = 16,
	REVALIDATE_BYTES = 12,
	ANSWER_BYTES = 9,
	NOBODYS = 0, /* number of a question whose clientd, or role, is gone */
	ASKS_MAX =
	    100000, /* questions to the leader that are not answered; more of them end clientd's link */
	/* Txns that our logd does not get onto the disk: past this we are no use to the leader. */
	HELD_BYTES_MAX = 256 << 20,
};

const char *
zab_follow_proposal(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	const char *wrong = zab_judge_txn(k->zxid, k->data);

	(void)p;
	if (z->part == ZAB_OBSERVER)
		return NULL;
	if (wrong != NULL)
		return wrong;
	if (!zab_follows(z, k->zxid)) {
		zab_learn_again(z, "a gap between proposals");
		return NULL;
	}
	if (z->window.held > HELD_BYTES_MAX) {
		zab_look(z, "logd does not keep up");
		return NULL;
	}
	zab_accept(z, k->zxid, k->data);
	return NULL;
}

static void
commit_next(struct zab *z, uint64_t zxid)
{
	size_t next = z->window.count - z->open_txns;

	if (next >= z->window.count || window_at(&z->window, next)->zxid != zxid) {
		zab_learn_again(z, "a gap between commits");
		return;
	}
	z->learn.committed = zxid;
	zab_commit(z, zxid);
}

const char *
zab_follow_commit(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	if (z->part != ZAB_FOLLOWER)
		return NULL;
	commit_next(z, k->zxid);
	return k->type == PACKET_COMMITANDACTIVATE ? zab_learn_designated(z, p, k->data) : NULL;
}

const char *
zab_follow_inform(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	struct slice txn = k->data;

	if (k->type == PACKET_INFORMANDACTIVATE) {
		if (txn.len < DESIGNATED_BYTES)
			return "an INFORMANDACTIVATE that is too short";
		txn = slice_of(txn.data + DESIGNATED_BYTES, txn.len - DESIGNATED_BYTES);
	}
	if (zab_judge_txn(k->zxid, txn) != NULL)
		return zab_judge_txn(k->zxid, txn);
	if (!zab_follows(z, k->zxid)) {
		zab_learn_again(z, "a gap between informs");
		return NULL;
	}
	zab_accept(z, k->zxid, txn);
	commit_next(z, k->zxid);
	return k->type == PACKET_INFORMANDACTIVATE ? zab_learn_designated(z, p, k->data) : NULL;
}

const char *
zab_follow_ping(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	zab_put_for(z, p, PACKET_PING, k->zxid, touches_bytes(&z->learn.touches), k->authinfo);
	touches_reset(&z->learn.touches);
	return NULL;
}

/* Answers of the leader */

static void
forget_ask(struct zab_learn *l, size_t i)
{
	l->nasks--;
	memmove(l->asks + i, l->asks + i + 1, (l->nasks - i) * sizeof *l->asks);
}

/* The oldest question of this kind, and session; nasks when there is none. */
static size_t
find_ask(const struct zab_learn *l, uint16_t type, uint64_t session)
{
	size_t i = 0;

	while (i < l->nasks && (l->asks[i].type != type || l->asks[i].session != session))
		i++;
	return i;
}

const char *
zab_follow_sync(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	struct zab_learn *l = &z->learn;
	size_t i = find_ask(l, MSG_SYNC, 0);

	(void)p;
	(void)k;
	if (i == l->nasks)
		return NULL;
	if (l->asks[i].number != NOBODYS)
		zab_send(z, ZAB_CLIENTD, MSG_SYNC, l->asks[i].number, 0, SLICE_NULL);
	forget_ask(l, i);
	return NULL;
}

const char *
zab_follow_revalidated(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	struct zab_learn *l = &z->learn;
	uint8_t *body;
	size_t i;

	(void)p;
	if (k->data.len < ANSWER_BYTES)
		return "a REVALIDATE that is too short";
	i = find_ask(l, MSG_REVALIDATE, get_be64(k->data.data));
	if (i == l->nasks)
		return NULL;
	body = arena_array(&z->scratch, 1, ORIGIN_BYTES + ANSWER_BYTES);
	memcpy(body + ORIGIN_BYTES, k->data.data, ANSWER_BYTES);
	if (l->asks[i].number != NOBODYS)
		zab_send(z, ZAB_CLIENTD, MSG_REVALIDATE, l->asks[i].number, 0,
			 slice_of(body, ORIGIN_BYTES + ANSWER_BYTES));
	forget_ask(l, i);
	return NULL;
}

/* Questions of clientd */

/* The leader's answers still come, in their order: they must not be taken for those to later questions. */
void
zab_follow_forget(struct zab *z)
{
	for (size_t i = 0; i < z->learn.nasks; i++)
		z->learn.asks[i].number = NOBODYS;
	z->learn.last_number = 0;
	touches_reset(&z->learn.touches);
}

/* The leader, if it can be asked just now; otherwise clientd gets a new role soon, and asks again. */
static struct zab_peer *
find_leader(const struct zab *z)
{
	return z->stage == ZAB_BROADCAST ? zab_leader_peer(z) : NULL;
}

/* NULL, or why the question is none. */
static const char *
take_number(struct zab *z, const struct frame *f, size_t least)
{
	if (f->seq != z->learn.last_number + 1)
		return "a question out of order";
	if (f->body.len < ORIGIN_BYTES + least)
		return "malformed body";
	z->learn.last_number = f->seq;
	return NULL;
}

static const char *
remember(struct zab *z, uint16_t type, uint64_t number, uint64_t session)
{
	struct zab_learn *l = &z->learn;

	/* What did not leave is not answered. */
	if (find_leader(z) == NULL)
		return NULL;
	if (l->nasks >= ASKS_MAX)
		return "more questions than are kept";
	if (l->nasks == l->asks_cap) {
		l->asks_cap = l->asks_cap == 0 ? 16 : 2 * l->asks_cap;
		l->asks = mem_realloc(l->asks, l->asks_cap * sizeof *l->asks);
	}
	l->asks[l->nasks++] = (struct zab_ask){ .number = number, .session = session, .type = type };
	return NULL;
}

static const char *
send_request(struct zab *z, const struct frame *f)
{
	struct slice rest = slice_of(f->body.data + ORIGIN_BYTES, f->body.len - ORIGIN_BYTES);
	int64_t size = packet_authinfo_size(rest);
	struct zab_peer *p = find_leader(z);

	if (size <= 0 || rest.len - (size_t)size < REQUEST_MIN_BYTES || rest.len > PACKET_DATA_MAX)
		return "malformed body";
	if (p != NULL)
		zab_put_for(z, p, PACKET_REQUEST, PACKET_NO_ZXID,
			    slice_of(rest.data + size, rest.len - (size_t)size),
			    slice_of(rest.data, (size_t)size));
	return NULL;
}

const char *
zab_on_request(struct zab *z, const struct zab_event *event)
{
	const char *wrong = take_number(z, &event->frame, REQUEST_MIN_BYTES);

	return wrong != NULL ? wrong : send_request(z, &event->frame);
}

const char *
zab_on_sync_question(struct zab *z, const struct zab_event *event)
{
	const char *wrong = take_number(z, &event->frame, REQUEST_MIN_BYTES);

	if (wrong == NULL)
		wrong = send_request(z, &event->frame);
	return wrong != NULL ? wrong : remember(z, MSG_SYNC, event->frame.seq, 0);
}

const char *
zab_on_revalidate_question(struct zab *z, const struct zab_event *event)
{
	const struct frame *f = &event->frame;
	const char *wrong = take_number(z, f, REVALIDATE_BYTES);
	struct zab_peer *p = find_leader(z);

	if (wrong != NULL)
		return wrong;
	if (p != NULL)
		zab_put(z, p, PACKET_REVALIDATE, PACKET_NO_ZXID,
			slice_of(f->body.data + ORIGIN_BYTES, REVALIDATE_BYTES));
	return remember(z, MSG_REVALIDATE, f->seq, get_be64(f->body.data + ORIGIN_BYTES));
}

const char *
zab_on_touch(struct zab *z, const struct zab_event *event)
{
	if (event->frame.body.len % TOUCH_BYTES != 0)
		return "malformed body";
	touches_add(&z->learn.touches, event->frame.body);
	return NULL;
}
