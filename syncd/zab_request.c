/*
 * What a leader's learners ask, and its clientd answers: writes, syncs, sessions that moved. Invariants: clientd gets
 * each in the order in which it came, and answers in that order; what clientd has not consumed is kept for its
 * successor; an answer to a SYNC or a REVALIDATE leaves behind the COMMIT of all that was proposed before it.
 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "jute/op.h"
#include "zab_internal.h"

enum {
	REQUEST_MIN_BYTES = 16, /* session, cxid, type */
	REQUEST_TYPE = 12,

	ORIGIN_BYTES = 8,
	REVALIDATE_BYTES = 12, /* session, timeout */
	ANSWER_BYTES = 9,      /* session, valid */
};

static struct slice
join(struct zab *z, uint64_t origin, struct slice a, struct slice b)
{
	uint8_t *bytes = arena_alloc(&z->scratch, ORIGIN_BYTES + a.len + b.len);

	ASSERT(bytes != NULL); /* a step's packets come out of one input */
	put_be64(bytes, origin);
	memcpy(bytes + ORIGIN_BYTES, a.data, a.len);
	if (b.len > 0)
		memcpy(bytes + ORIGIN_BYTES + a.len, b.data, b.len);
	return slice_of(bytes, ORIGIN_BYTES + a.len + b.len);
}

/*
 * Each learner keeps to a credit of its own, and together they may ask for many times what the leader's clientd may have
 * under way; what is beyond waits here. clientd's own clients use the same credit, and stop at the same mark.
 */
static bool
has_credit(const struct zab *z)
{
	return z->open_txns + requests_out(&z->requests) < z->config.window_txns &&
	       z->open_bytes + z->requests.out_bytes < z->config.window_bytes;
}

void
zab_request_give(struct zab *z)
{
	const struct learner_request *r;
	struct slice body;
	uint64_t number;

	/* A clientd that comes back serves, and takes requests, when all that it has loaded is committed. */
	if (!zab_lead_is_on(z) || z->phase != ZAB_READY || z->committed < z->role_proposed)
		return;
	while (has_credit(z) && (number = requests_give(&z->requests, &r, &body)) != 0)
		zab_send(z, ZAB_CLIENTD, r->type, number, 0, r->type == MSG_SYNC ? SLICE_NULL : body);
}

static const char *
keep(struct zab *z, struct zab_peer *p, uint16_t type, struct slice a, struct slice b)
{
	struct slice body = join(z, p->origin, a, b);

	if (p->requests >= ZAB_REQUESTS_MAX ||
	    p->request_bytes + body.len > ZAB_REQUEST_BYTES_SLACK * z->config.window_bytes)
		return "more requests than are kept for one learner";
	p->requests++;
	p->request_bytes += body.len;
	requests_add(&z->requests, p->id, type, body);
	zab_request_give(z);
	return NULL;
}

const char *
zab_lead_request(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	bool sync;

	if (k->data.len < REQUEST_MIN_BYTES)
		return "a REQUEST that is too short";
	sync = get_be32(k->data.data + REQUEST_TYPE) == ZK_OP_SYNC;
	return keep(z, p, sync ? MSG_SYNC : MSG_REQUEST, k->authinfo, k->data);
}

const char *
zab_lead_revalidate(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	if (k->data.len < REVALIDATE_BYTES)
		return "a REVALIDATE that is too short";
	return keep(z, p, MSG_REVALIDATE, slice_of(k->data.data, REVALIDATE_BYTES), SLICE_NULL);
}

const char *
zab_request_consumed(struct zab *z, uint64_t number, uint16_t type)
{
	uint64_t expected;
	struct slice body;
	const struct learner_request *r = requests_oldest(&z->requests, &expected, &body);
	struct zab_peer *p;

	if (r == NULL || number != expected)
		return "an answer out of order";
	if (type != MSG_DROP && type != r->type)
		return "an answer of another kind than its question";
	p = zab_find_peer(z, r->peer);
	if (p != NULL) {
		p->requests--;
		p->request_bytes -= body.len;
	}
	requests_consume(&z->requests);
	return NULL;
}

const char *
zab_on_drop(struct zab *z, const struct zab_event *event)
{
	const char *reason = zab_request_consumed(z, event->frame.seq, MSG_DROP);

	if (reason == NULL)
		zab_request_give(z);
	return reason;
}

/* Answers */

static void
answer(struct zab *z, const struct zab_wait *w)
{
	struct zab_peer *p = zab_find_peer(z, w->peer);

	if (p == NULL)
		return;
	if (w->type == MSG_SYNC)
		zab_put(z, p, PACKET_SYNC, 0, SLICE_NULL);
	else
		zab_put(z, p, PACKET_REVALIDATE, PACKET_NO_ZXID, slice_of(w->data, sizeof w->data));
}

/* At once where nothing is outstanding, else when all that is proposed now is committed. */
static void
answer_in_turn(struct zab *z, const struct zab_wait *w)
{
	struct zab_lead *l = &z->lead;

	if (w->zxid <= z->committed) {
		answer(z, w);
		return;
	}
	if (l->nwaits == l->waits_cap) {
		l->waits_cap = l->waits_cap == 0 ? 16 : 2 * l->waits_cap;
		l->waits = mem_realloc(l->waits, l->waits_cap * sizeof *l->waits);
	}
	l->waits[l->nwaits++] = *w;
}

uint64_t
zab_request_due(const struct zab *z)
{
	return z->lead.nwaits == 0 ? UINT64_MAX : z->lead.waits[0].zxid;
}

void
zab_request_committed(struct zab *z, uint64_t zxid)
{
	struct zab_lead *l = &z->lead;
	size_t n = 0;

	while (n < l->nwaits && l->waits[n].zxid <= zxid)
		answer(z, &l->waits[n++]);
	if (n == 0)
		return;
	l->nwaits -= n;
	memmove(l->waits, l->waits + n, l->nwaits * sizeof *l->waits);
}

/* Who asked what clientd answers now; 0: nobody, or nobody who is still there. */
static uint32_t
find_asker(const struct zab *z)
{
	uint64_t number;
	struct slice body;
	const struct learner_request *r = requests_oldest(&z->requests, &number, &body);

	return r == NULL ? 0 : r->peer;
}

const char *
zab_on_sync_answer(struct zab *z, const struct zab_event *event)
{
	struct zab_wait w = { .zxid = z->proposed, .peer = find_asker(z), .type = MSG_SYNC };
	const char *reason = zab_request_consumed(z, event->frame.seq, MSG_SYNC);

	if (reason == NULL) {
		answer_in_turn(z, &w);
		zab_request_give(z);
	}
	return reason;
}

const char *
zab_on_revalidated(struct zab *z, const struct zab_event *event)
{
	struct zab_wait w = { .zxid = z->proposed, .peer = find_asker(z), .type = MSG_REVALIDATE };
	const char *reason;

	if (event->frame.body.len != ORIGIN_BYTES + ANSWER_BYTES)
		return "malformed body";
	memcpy(w.data, event->frame.body.data + ORIGIN_BYTES, ANSWER_BYTES);
	reason = zab_request_consumed(z, event->frame.seq, MSG_REVALIDATE);
	if (reason == NULL) {
		answer_in_turn(z, &w);
		zab_request_give(z);
	}
	return reason;
}

/* Ends */

void
zab_request_peer_gone(struct zab *z, struct zab_peer *p)
{
	requests_drop_peer(&z->requests, p->id);
}

void
zab_request_clientd_gone(struct zab *z)
{
	uint32_t peer;

	requests_take_back(&z->requests, true);
	while ((peer = requests_find_deadly(&z->requests)) != 0) {
		struct zab_peer *p = zab_find_peer(z, peer);

		trace(z->config.trace, TRACE_WARNING, "zab", "deadly request", "peer=%u", peer);
		if (p != NULL)
			zab_close_peer(z, p, "two clientds died of its requests");
		else
			requests_drop_peer(&z->requests, peer);
	}
}
