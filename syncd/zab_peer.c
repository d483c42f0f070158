/*
 * Connections: bytes come in and are cut into packets, packets go to their handlers by one table, output is
 * announced. Invariants: a packet has an effect only in the states that its row names; a closed peer is in no list but
 * that of the dead.
 */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "zab_internal.h"

enum {
	/* What an unknown connection may have said before it is known what we are, and a learner before it is live. */
	HELD_BYTES = 4 << 10,
	EARLY_BYTES = 64 << 10,
	IN_MAX = PACKET_DATA_MAX + 2 * PACKET_AUTHINFO_MAX,
};

#define STATE(s) (1u << (s))
#define IN_SYNC  (STATE(LEADER_SYNCS) | STATE(LEADER_STORING) | STATE(LEADER_ACKED))
#define SERVED   (STATE(PEER_SYNCED) | STATE(PEER_LIVE))

/* Who may send what, and when. What is not here closes the connection. */
static const struct rule {
	int32_t type;
	unsigned states;
	packet_handler *handle;
} rules[] = {
	{ PACKET_FOLLOWERINFO, STATE(PEER_NEW), zab_lead_info },
	{ PACKET_OBSERVERINFO, STATE(PEER_NEW), zab_lead_info },
	{ PACKET_ACKEPOCH, STATE(PEER_TOLD), zab_lead_ackepoch },
	{ PACKET_ACK, STATE(PEER_NEWLEADER), zab_lead_ack_newleader },
	{ PACKET_ACK, SERVED, zab_lead_ack },
	{ PACKET_PING, SERVED, zab_lead_ping },
	{ PACKET_REQUEST, STATE(PEER_LIVE), zab_lead_request },
	{ PACKET_REVALIDATE, STATE(PEER_LIVE), zab_lead_revalidate },

	{ PACKET_LEADERINFO, STATE(LEADER_INFO), zab_learn_leaderinfo },
	{ PACKET_DIFF, STATE(LEADER_DECIDES), zab_learn_diff },
	{ PACKET_TRUNC, STATE(LEADER_DECIDES), zab_learn_trunc },
	{ PACKET_SNAP, STATE(LEADER_DECIDES), zab_learn_snap },
	{ PACKET_PROPOSAL, IN_SYNC, zab_learn_sync_proposal },
	{ PACKET_COMMIT, IN_SYNC, zab_learn_sync_commit },
	{ PACKET_COMMITANDACTIVATE, IN_SYNC, zab_learn_sync_commit },
	{ PACKET_INFORM, IN_SYNC, zab_learn_sync_inform },
	{ PACKET_INFORMANDACTIVATE, IN_SYNC, zab_learn_sync_inform },
	{ PACKET_PING, IN_SYNC, zab_learn_ignore },
	{ PACKET_NEWLEADER, STATE(LEADER_SYNCS), zab_learn_newleader },
	{ PACKET_UPTODATE, STATE(LEADER_ACKED), zab_learn_uptodate },
	{ PACKET_PROPOSAL, STATE(LEADER_LIVE), zab_follow_proposal },
	{ PACKET_COMMIT, STATE(LEADER_LIVE), zab_follow_commit },
	{ PACKET_COMMITANDACTIVATE, STATE(LEADER_LIVE), zab_follow_commit },
	{ PACKET_INFORM, STATE(LEADER_LIVE), zab_follow_inform },
	{ PACKET_INFORMANDACTIVATE, STATE(LEADER_LIVE), zab_follow_inform },
	{ PACKET_PING, STATE(LEADER_LIVE), zab_follow_ping },
	{ PACKET_SYNC, STATE(LEADER_LIVE), zab_follow_sync },
	{ PACKET_REVALIDATE, STATE(LEADER_LIVE), zab_follow_revalidated },
};

struct zab_peer *
zab_find_peer(const struct zab *z, uint32_t id)
{
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->id == id)
			return z->peers[i];
	return NULL;
}

struct slice
zab_peer_output(const struct zab *z, uint32_t peer)
{
	const struct zab_peer *p = zab_find_peer(z, peer);

	return p == NULL ? SLICE_LIT("") : buf_slice(&p->out);
}

static void
refuse(struct zab *z, uint32_t peer, const char *reason)
{
	struct zab_action *a = zab_act(z, ZAB_PEER_CLOSE, ZAB_LOGD);

	a->peer = peer;
	a->reason = reason;
	trace(z->config.trace, TRACE_DEBUG, "zab", "peer refused", "peer=%u reason=\"%s\"", peer, reason);
}

static struct zab_peer *
add_peer(struct zab *z, uint32_t id, bool outbound)
{
	struct zab_peer *p = mem_zalloc(1, sizeof *p);

	ASSERT(id != 0 && zab_find_peer(z, id) == NULL);
	p->id = id;
	p->outbound = outbound;
	p->origin = ++z->next_origin;
	p->heard_ms = z->now_ms;
	buf_init(&p->in, IN_MAX);
	buf_init(&p->out, ZAB_OUT_MAX);
	list_init(&p->dirty);
	if (z->npeers == z->peers_cap) {
		z->peers_cap = z->peers_cap == 0 ? 8 : 2 * z->peers_cap;
		z->peers = mem_realloc(z->peers, z->peers_cap * sizeof *z->peers);
	}
	z->peers[z->npeers++] = p;
	return p;
}

static void
free_peer(struct zab_peer *p)
{
	buf_free(&p->in);
	buf_free(&p->out);
	mem_free(p);
}

void
zab_bury(struct zab *z)
{
	list_for_each_safe (e, &z->dead) {
		list_remove(e);
		free_peer(container_of(e, struct zab_peer, dirty));
	}
}

/* Takes it out of everything; what this means for the node is the caller's. */
static void
remove_peer(struct zab *z, struct zab_peer *p)
{
	size_t i = 0;

	zab_sync_end(z, p);
	while (z->peers[i] != p)
		i++;
	z->peers[i] = z->peers[--z->npeers];
	p->closed = true;
	list_remove(&p->dirty);
	list_append(&z->dead, &p->dirty);
}

void
zab_drop_peer(struct zab *z, struct zab_peer *p, const char *reason)
{
	struct zab_action *a;

	trace(z->config.trace, TRACE_DEBUG, "zab", "peer closed", "peer=%u sid=%lld reason=\"%s\"", p->id,
	      (long long)p->sid, reason);
	remove_peer(z, p);
	a = zab_act(z, ZAB_PEER_CLOSE, ZAB_LOGD);
	a->peer = p->id;
	a->reason = reason;
}

static void
peer_gone(struct zab *z, struct zab_peer *p, const char *reason)
{
	if (p->outbound)
		zab_look(z, reason);
	else
		zab_lead_peer_gone(z, p);
}

void
zab_close_peer(struct zab *z, struct zab_peer *p, const char *reason)
{
	if (p->closed)
		return;
	zab_drop_peer(z, p, reason);
	peer_gone(z, p, reason);
}

void
zab_doom_peer(struct zab *z, struct zab_peer *p, const char *reason)
{
	p->doomed = reason;
	zab_touch_peer(z, p);
}

void
zab_drop_peers(struct zab *z, const char *reason)
{
	while (z->npeers > 0)
		zab_drop_peer(z, z->peers[z->npeers - 1], reason);
}

void
zab_on_peer_opened(struct zab *z, const struct zab_event *event)
{
	bool outbound = event->attempt != 0;

	if (z->config.standalone)
		refuse(z, event->peer, "this server has no ensemble");
	else if (outbound && (!z->learn.dialling || event->attempt != z->learn.attempt))
		refuse(z, event->peer, "nobody waits for this dial any more");
	else if (!outbound && z->part != ZAB_LOOKING && z->part != ZAB_LEADER)
		refuse(z, event->peer, "this server does not lead");
	else if (z->npeers >= ZAB_PEERS_MAX)
		refuse(z, event->peer, "too many connections");
	else if (outbound)
		zab_learn_opened(z, add_peer(z, event->peer, true));
	else
		add_peer(z, event->peer, false);
}

void
zab_on_peer_closed(struct zab *z, const struct zab_event *event)
{
	struct zab_peer *p = zab_find_peer(z, event->peer);

	if (p == NULL)
		return;
	trace(z->config.trace, TRACE_DEBUG, "zab", "peer hung up", "peer=%u sid=%lld", p->id,
	      (long long)p->sid);
	remove_peer(z, p);
	peer_gone(z, p, "the leader ended the connection");
}

/* Output */

void
zab_touch_peer(struct zab *z, struct zab_peer *p)
{
	/* One that is closed is among the dead. */
	if (list_empty(&p->dirty))
		list_append(&z->dirty, &p->dirty);
}

/* Packets of the synchronisation are safe: what is to be seen is how its loss is repaired later. */
static bool
is_lost(const struct zab *z, const struct zab_peer *p, int32_t type, uint64_t zxid)
{
	struct zab_filter *f = z->config.filter;

	return f != NULL && (p->state == PEER_LIVE || p->state == LEADER_LIVE) &&
	       f->lose(f, p->sid, type, zxid);
}

void
zab_put_for(struct zab *z, struct zab_peer *p, enum packet_type type, uint64_t zxid, struct slice data,
	    struct slice authinfo)
{
	if (is_lost(z, p, type, zxid))
		return;
	packet_put(&p->out, type, zxid, data, authinfo);
	zab_touch_peer(z, p);
}

void
zab_put(struct zab *z, struct zab_peer *p, enum packet_type type, uint64_t zxid, struct slice data)
{
	zab_put_for(z, p, type, zxid, data, SLICE_NULL);
}

static void
settle_peer(struct zab *z, struct zab_peer *p)
{
	list_remove(&p->dirty);
	if (p->out.overflow)
		p->doomed = "too slow for what it has to be sent";
	if (p->doomed != NULL) {
		zab_close_peer(z, p, p->doomed);
	} else if (buf_len(&p->out) > 0 && !p->flushing) {
		p->flushing = true;
		zab_act(z, ZAB_PEER_FLUSH, ZAB_LOGD)->peer = p->id;
	}
}

void
zab_settle_peers(struct zab *z)
{
	struct list *e;

	while ((e = list_first(&z->dirty)) != NULL)
		settle_peer(z, container_of(e, struct zab_peer, dirty));
}

void
zab_on_peer_wrote(struct zab *z, const struct zab_event *event)
{
	struct zab_peer *p = zab_find_peer(z, event->peer);

	if (p == NULL)
		return;
	buf_consume(&p->out, event->count);
	if (buf_len(&p->out) == 0) {
		p->flushing = false;
		buf_reset(&p->out, PEER_KEEP_BYTES);
	}
	if (p->outbound)
		return;
	/* Taking a snapshot may last; what counts is that it goes on. Behind NEWLEADER its ACK counts, not that it takes PINGs. */
	if (p->state < PEER_NEWLEADER)
		p->heard_ms = z->now_ms;
	if (p->state < PEER_NEWLEADER && z->lead.step == ZAB_LEAD_SYNC)
		z->lead.progress_ms = z->now_ms;
	zab_channel_wrote(z, p);
	zab_sync_go_on(z, p);
}

/* Input */

static packet_handler *
find_handler(const struct zab_peer *p, int32_t type)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (rules[i].type == type && (rules[i].states & STATE(p->state)) != 0)
			return rules[i].handle;
	return NULL;
}

/* The packet at the front of its input. NULL or why the connection must end; *more: there may be another one. */
static const char *
read_packet(struct zab *z, struct zab_peer *p, bool *more)
{
	struct packet k;
	packet_handler *handle;
	int64_t size = packet_parse(buf_slice(&p->in), &k);
	const char *reason;

	*more = size > 0;
	if (size < 0)
		return "not a packet";
	if (size == 0)
		return NULL;
	handle = find_handler(p, k.type);
	if (handle == NULL) {
		trace(z->config.trace, TRACE_WARNING, "zab", "packet out of turn",
		      "peer=%u sid=%lld type=%s state=%d", p->id, (long long)p->sid, packet_name(k.type),
		      (int)p->state);
		return "a packet out of its turn";
	}
	reason = handle(z, p, &k);
	/* Bytes stay where they are, for actions point into them. */
	buf_consume(&p->in, (size_t)size);
	return reason;
}

static bool
is_held(const struct zab *z, const struct zab_peer *p)
{
	return !p->outbound && z->part == ZAB_LOOKING;
}

static void
read_packets(struct zab *z, struct zab_peer *p)
{
	const char *reason = NULL;
	bool more = !is_held(z, p);

	while (more && reason == NULL && !p->closed && !p->paused)
		reason = p->state == LEADER_SNAP ? zab_install_feed(z, p, &more) : read_packet(z, p, &more);
	if (reason != NULL)
		zab_close_peer(z, p, reason);
}

/* NULL, or why it has said too much. */
static const char *
judge_input(const struct zab *z, const struct zab_peer *p)
{
	if (p->in.overflow)
		return "a packet without end";
	if (is_held(z, p) && buf_len(&p->in) > HELD_BYTES)
		return "talkative before its turn";
	if (!p->outbound && p->state < PEER_LIVE && buf_len(&p->in) > EARLY_BYTES)
		return "talkative before it is synchronised";
	return NULL;
}

void
zab_on_peer_input(struct zab *z, const struct zab_event *event)
{
	struct zab_peer *p = zab_find_peer(z, event->peer);
	const char *reason;

	if (p == NULL)
		return;
	p->heard_ms = z->now_ms;
	if (buf_len(&p->in) == 0)
		buf_reset(&p->in, PEER_KEEP_BYTES);
	buf_put_slice(&p->in, event->bytes);
	read_packets(z, p);
	reason = p->closed ? NULL : judge_input(z, p);
	if (reason != NULL)
		zab_close_peer(z, p, reason);
}

void
zab_pause(struct zab *z, struct zab_peer *p)
{
	struct zab_action *a;

	p->paused = true;
	a = zab_act(z, ZAB_PEER_READ, ZAB_LOGD);
	a->peer = p->id;
	a->on = false;
}

void
zab_resume(struct zab *z, struct zab_peer *p)
{
	struct zab_action *a;

	if (!p->paused)
		return;
	p->paused = false;
	p->heard_ms = z->now_ms;
	read_packets(z, p);
	if (p->closed || p->paused)
		return;
	a = zab_act(z, ZAB_PEER_READ, ZAB_LOGD);
	a->peer = p->id;
	a->on = true;
}

void
zab_hear_held(struct zab *z)
{
	/* One that is closed gives its place to the last, which has been heard. */
	for (size_t i = z->npeers; i-- > 0;)
		read_packets(z, z->peers[i]);
}
