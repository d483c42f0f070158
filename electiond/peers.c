/*
 * The servers of the election port, what is ordered of them and what happens to them. See peers.h. Invariants: a peer
 * has at most one connection and one dial; servers that are no members are in `strangers`, and of those there are at
 * most PEERS_STRANGERS_MAX; an event outlives its peer.
 */
#include "peers.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "io/clock.h"
#include "io/log.h"
#include "peers_internal.h"

struct peer_event {
	struct list link;
	struct peer *peer; /* NULL: gone, or a later event follows */
	enum election_event_type type;
	int64_t sid;
	struct notification notification;
	uint8_t *config; /* owned; what the notification's config points at */
};

/* Events */

static void
free_event(struct peer_event *e)
{
	if (e->peer != NULL && e->peer->newest == e)
		e->peer->newest = NULL;
	list_remove(&e->link);
	mem_free(e->config);
	mem_free(e);
}

static struct peer_event *
add_event(struct peer *peer, enum election_event_type type)
{
	struct peer_event *e = mem_zalloc(1, sizeof *e);

	e->type = type;
	e->sid = peer->sid;
	e->peer = peer;
	list_append(&peer->peers->events, &e->link);
	peer->newest = NULL;
	turn_again(peer->peers->config.turn);
	return e;
}

void
peer_happened(struct peer *peer, enum election_event_type type)
{
	add_event(peer, type);
}

void
peer_heard(struct peer *peer, const struct notification *n)
{
	struct peer_event *e = peer->newest;

	peer->dial_back_ms = 0; /* the connection is alive */
	if (e == NULL)
		e = add_event(peer, ELECTION_NOTIFICATION);
	peer->newest = e;
	mem_free(e->config);
	e->config = NULL;
	e->notification = *n;
	if (n->config.data != NULL) {
		e->config = (uint8_t *)mem_strndup((const char *)n->config.data, n->config.len);
		e->notification.config.data = e->config;
	}
}

bool
peers_next(struct peers *p, struct election_event *ev)
{
	struct list *first;

	if (p->taken != NULL)
		free_event(p->taken);
	p->taken = NULL;
	first = list_first(&p->events);
	if (first == NULL)
		return false;
	p->taken = container_of(first, struct peer_event, link);
	list_remove(first);
	if (p->taken->peer != NULL && p->taken->peer->newest == p->taken)
		p->taken->peer->newest = NULL;
	*ev = (struct election_event){ .type = p->taken->type,
				       .peer = p->taken->sid,
				       .notification = p->taken->notification };
	return true;
}

/* Servers */

static struct peer *
find_peer(const struct peers *p, int64_t sid)
{
	if (sid >= 0 && sid < SID_LIMIT)
		return p->known[sid];
	list_for_each (e, &p->strangers) {
		struct peer *peer = container_of(e, struct peer, link);

		if (peer->sid == sid)
			return peer;
	}
	return NULL;
}

static bool
is_stranger(const struct peer *peer)
{
	return !list_empty(&peer->link);
}

static void
make_stranger(struct peer *peer)
{
	list_append(&peer->peers->strangers, &peer->link);
	peer->peers->nstrangers++;
}

static void
make_member(struct peer *peer)
{
	list_remove(&peer->link);
	peer->peers->nstrangers--;
}

static void
free_peer(struct peer *peer)
{
	struct peers *p = peer->peers;

	dial_stop(&peer->dial);
	if (peer->conn != NULL)
		conn_drop(peer->conn);
	if (peer->asking != NULL)
		conn_drop(peer->asking);
	list_for_each (e, &p->events) {
		struct peer_event *event = container_of(e, struct peer_event, link);

		if (event->peer == peer)
			event->peer = NULL;
	}
	if (p->taken != NULL && p->taken->peer == peer)
		p->taken->peer = NULL;
	if (is_stranger(peer))
		make_member(peer);
	if (peer->sid >= 0 && peer->sid < SID_LIMIT)
		p->known[peer->sid] = NULL;
	buf_free(&peer->slot);
	mem_free(peer);
}

static void on_dialled(struct dial *d, int fd, int error);

static struct peer *
make_peer(struct peers *p, int64_t sid)
{
	struct peer *peer = mem_zalloc(1, sizeof *peer);

	peer->peers = p;
	peer->sid = sid;
	list_init(&peer->link);
	buf_init(&peer->slot, 4 + NOTIFICATION_BODY_MAX);
	dial_init(&peer->dial, p->config.turn->loop, p->config.resolver, on_dialled);
	if (sid >= 0 && sid < SID_LIMIT)
		p->known[sid] = peer;
	return peer;
}

struct peer *
peer_get(struct peers *p, int64_t sid)
{
	struct peer *peer = find_peer(p, sid);

	if (peer != NULL)
		return peer;
	if (members_find(p->members, sid) != NULL)
		return make_peer(p, sid);
	if (p->nstrangers == PEERS_STRANGERS_MAX)
		free_peer(container_of(list_first(&p->strangers), struct peer, link));
	peer = make_peer(p, sid);
	make_stranger(peer);
	return peer;
}

/* Connections */

void
peer_pump(struct peer *peer)
{
	struct conn *c = peer->conn;

	/* Our initial message may still be there: it leaves together with the first notification. */
	if (c == NULL || !peer->has_slot || (c->spoken && stream_backlog(&c->stream) > 0))
		return;
	buf_put_slice(stream_out(&c->stream), buf_slice(&peer->slot));
	buf_reset(&peer->slot, 0);
	peer->has_slot = false;
	c->spoken = true;
}

void
peer_attach(struct peer *peer, struct conn *c)
{
	if (peer->conn != NULL)
		conn_drop(peer->conn);
	/* A dial of ours that arrives now would only be closed and dialled back. */
	dial_stop(&peer->dial);
	if (peer->asking != NULL)
		conn_drop(peer->asking);
	peer->dial_back_ms = 0;
	peer->has_slot = false;
	peer->conn = c;
	c->peer = peer;
	peer_happened(peer, ELECTION_CONNECTED);
}

static size_t
list_targets(const struct peer *peer, struct dial_target targets[DIAL_TARGETS_MAX])
{
	const struct config_server *s = members_find(peer->peers->members, peer->sid);
	size_t n = 0;

	for (size_t i = 0; s != NULL && i < s->naddresses; i++)
		targets[n++] = (struct dial_target){ s->addresses[i].host, s->addresses[i].election_port };
	for (size_t i = 0; i < peer->nhints; i++) {
		bool there = false;

		for (size_t k = 0; k < n; k++)
			there |= targets[k].port == peer->hints[i].port &&
				 strcmp(targets[k].host, peer->hints[i].host) == 0;
		if (!there)
			targets[n++] = (struct dial_target){ peer->hints[i].host, peer->hints[i].port };
	}
	return n;
}

static void
begin_dial(struct peer *peer)
{
	struct dial_target targets[DIAL_TARGETS_MAX];
	size_t n = list_targets(peer, targets);

	peer->dial_back_ms = 0;
	peer->dialled_ms = clock_mono_ms();
	if (n == 0)
		peer_happened(peer, ELECTION_LOST);
	else
		dial_begin(&peer->dial, targets, n, peer->peers->config.dial_ms);
}

static void
on_dialled(struct dial *d, int fd, int error)
{
	struct peer *peer = container_of(d, struct peer, dial);
	struct conn *c;

	if (fd < 0) {
		log_event(LOG_DEBUG, "cannot reach a peer", "sid=%lld reason=\"%s\"", (long long)peer->sid,
			  strerror(-error));
		/* It may have dialled us meanwhile. */
		if (peer->conn == NULL)
			peer_happened(peer, error == -ECONNREFUSED ? ELECTION_REFUSED : ELECTION_LOST);
		return;
	}
	c = conn_dialled(peer->peers, fd);
	if (initial_keeps(peer->peers->config.sid, peer->sid))
		peer_attach(peer, c);
	else
		conn_ask(c, peer);
}

/*
 * Where there is a connection its next sign of life shows that the dial crossed it; where there was a dial a moment ago
 * another one would let anybody keep us dialling.
 */
void
peer_dial_back(struct peer *peer)
{
	uint64_t now = clock_mono_ms(), due = peer->dialled_ms + PEERS_DIAL_BACK_GAP_MS;

	if (peer->dial.active)
		return;
	if (peer->conn == NULL && now >= due)
		begin_dial(peer);
	else if (peer->dial_back_ms == 0)
		peer->dial_back_ms = now > due ? now + PEERS_DIAL_BACK_GAP_MS : due;
}

/* Orders */

void
peers_connect(struct peers *p, int64_t sid, bool replace)
{
	struct peer *peer = peer_get(p, sid);

	if (replace && peer->conn != NULL)
		conn_drop(peer->conn);
	if (peer->dial.active)
		return;
	if (peer->conn != NULL)
		peer_happened(peer, ELECTION_CONNECTED);
	else
		begin_dial(peer);
}

void
peers_send(struct peers *p, int64_t sid, const struct notification *n)
{
	struct peer *peer = find_peer(p, sid);

	if (peer == NULL || peer->conn == NULL)
		return;
	buf_reset(&peer->slot, NOTIFICATION_FIXED_BYTES);
	notification_put(&peer->slot, n);
	peer->has_slot = true;
	peer_pump(peer);
}

bool
peers_is_connected(const struct peers *p, int64_t sid)
{
	const struct peer *peer = find_peer(p, sid);

	return peer != NULL && peer->conn != NULL;
}

unsigned
peers_connected(const struct peers *p)
{
	unsigned n = 0;

	for (int64_t sid = 0; sid < SID_LIMIT; sid++)
		n += p->known[sid] != NULL && p->known[sid]->conn != NULL;
	return n;
}

unsigned
peers_waiting(const struct peers *p)
{
	unsigned n = 0;

	for (int64_t sid = 0; sid < SID_LIMIT; sid++)
		n += p->known[sid] != NULL && p->known[sid]->conn != NULL &&
		     stream_backlog(&p->known[sid]->conn->stream) > 0;
	return n;
}

/* The whole */

void
peers_init(struct peers *p, const struct peers_config *config)
{
	*p = (struct peers){ .config = *config };
	list_init(&p->strangers);
	list_init(&p->unknown);
	list_init(&p->dead);
	list_init(&p->events);
	buf_init(&p->initial, INITIAL_BYTES_MAX);
}

void
peers_listen(struct peers *p, int fd)
{
	ASSERT(p->nlisteners < PEERS_LISTENERS_MAX);
	acceptor_start(&p->listeners[p->nlisteners++], p->config.turn->loop, fd, "election", conn_accepted,
		       p);
}

/* Where we say that we are reached. */
static void
write_initial(struct peers *p, const struct config_server *own)
{
	struct initial m = { .form = p->config.several_addresses ? INITIAL_SEVERAL : INITIAL_ONE,
			     .sid = p->config.sid,
			     .naddresses = own->naddresses };

	for (size_t i = 0; i < own->naddresses; i++)
		m.addresses[i] = (struct initial_address){ slice_str(own->addresses[i].host),
							   own->addresses[i].election_port };
	buf_reset(&p->initial, INITIAL_BYTES_MAX);
	if (initial_put(&p->initial, &m) == 0)
		return;
	/* Too long: one address has to do. */
	m.form = INITIAL_ONE;
	(void)initial_put(&p->initial, &m);
}

void
peers_set_members(struct peers *p, const struct members *m)
{
	const struct config_server *own = members_find(m, p->config.sid);

	p->members = m;
	if (own != NULL)
		write_initial(p, own);
	ASSERT(buf_len(&p->initial) > 0);
	for (int64_t sid = 0; sid < SID_LIMIT; sid++) {
		struct peer *peer = p->known[sid];

		if (peer == NULL || is_stranger(peer) == (members_find(m, sid) == NULL))
			continue;
		if (is_stranger(peer))
			make_member(peer);
		else
			make_stranger(peer);
	}
	while (p->nstrangers > PEERS_STRANGERS_MAX)
		free_peer(container_of(list_first(&p->strangers), struct peer, link));
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
tick_dials(struct peers *p, uint64_t now_ms)
{
	uint64_t next = TURN_NO_DEADLINE;

	for (int64_t sid = 0; sid < SID_LIMIT; sid++) {
		struct peer *peer = p->known[sid];

		if (peer == NULL || peer->dial_back_ms == 0)
			continue;
		if (now_ms >= peer->dial_back_ms)
			begin_dial(peer);
		else
			next = earlier(next, peer->dial_back_ms);
	}
	return next;
}

/* Of a stranger without connection nothing is kept. */
static uint64_t
tick_strangers(struct peers *p, uint64_t now_ms)
{
	uint64_t next = TURN_NO_DEADLINE;

	list_for_each_safe (e, &p->strangers) {
		struct peer *peer = container_of(e, struct peer, link);

		if (peer->dial_back_ms != 0 && now_ms >= peer->dial_back_ms && !peer->dial.active)
			begin_dial(peer);
		else if (peer->dial_back_ms != 0)
			next = earlier(next, peer->dial_back_ms);
		else if (peer->conn == NULL && !peer->dial.active)
			free_peer(peer);
	}
	return next;
}

static uint64_t
tick_unknown(struct peers *p, uint64_t now_ms)
{
	uint64_t limit = (uint64_t)p->config.identify_ms;
	struct list *first;

	while ((first = list_first(&p->unknown)) != NULL) {
		struct conn *c = container_of(first, struct conn, link);

		if (now_ms - c->since_ms < limit)
			return c->since_ms + limit;
		conn_complain(c, "it did not say who it is");
		conn_drop(c);
	}
	return TURN_NO_DEADLINE;
}

/*
 * Half a notification, for longer than one takes: its length may be wrong, and then nothing that the peer says would be
 * heard any more. It is dialled again.
 */
static uint64_t
tick_halves(struct peers *p, uint64_t now_ms)
{
	uint64_t next = TURN_NO_DEADLINE, limit = (uint64_t)p->config.identify_ms;

	for (int64_t sid = 0; sid < SID_LIMIT; sid++) {
		struct peer *peer = p->known[sid];
		struct conn *c = peer == NULL ? NULL : peer->conn;

		if (c == NULL || c->half_ms == 0)
			continue;
		if (now_ms - c->half_ms < limit) {
			next = earlier(next, c->half_ms + limit);
			continue;
		}
		conn_complain(c, "the rest of a notification did not come");
		conn_drop(c);
		peer_happened(peer, ELECTION_LOST);
	}
	return next;
}

static void
free_dead(struct peers *p)
{
	list_for_each_safe (e, &p->dead) {
		list_remove(e);
		mem_free(container_of(e, struct conn, link));
	}
}

uint64_t
peers_tick(struct peers *p, uint64_t now_ms)
{
	uint64_t next = tick_unknown(p, now_ms);

	next = earlier(next, tick_dials(p, now_ms));
	next = earlier(next, tick_strangers(p, now_ms));
	next = earlier(next, tick_halves(p, now_ms));
	free_dead(p);
	return next;
}

void
peers_stop(struct peers *p)
{
	struct list *e;

	for (unsigned i = 0; i < p->nlisteners; i++)
		acceptor_stop(&p->listeners[i]);
	while ((e = list_first(&p->unknown)) != NULL)
		conn_drop(container_of(e, struct conn, link));
	while ((e = list_first(&p->strangers)) != NULL)
		free_peer(container_of(e, struct peer, link));
	for (int64_t sid = 0; sid < SID_LIMIT; sid++)
		if (p->known[sid] != NULL)
			free_peer(p->known[sid]);
	while ((e = list_first(&p->events)) != NULL)
		free_event(container_of(e, struct peer_event, link));
	if (p->taken != NULL)
		free_event(p->taken);
	free_dead(p);
	buf_free(&p->initial);
	*p = (struct peers){ 0 };
}
