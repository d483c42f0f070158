/*
 * What a leader's learner gets from the disk: a bulk channel of logd, turned into SNAP, PROPOSAL and COMMIT as it
 * comes. Invariants: nothing beyond what is committed is sent; a snapshot's stream is never begun twice on a
 * connection; where a channel ends early, the learner goes on from what it was sent, or is closed.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "disk/snapshot.h"
#include "zab_internal.h"

enum {
	SNAPSHOT_MAGIC = 0x5a4b534e, /* "ZKSN" */
	SNAPSHOT_VERSION = 2,
	TRIES_MAX = 4, /* channels that bring a learner nothing */
};

/* Nobody wants to know what is in it, but where it ends. */
static const struct snapshot_events deaf;

static size_t
count_channels(const struct zab *z)
{
	size_t n = 0;

	for (size_t i = 0; i < z->npeers; i++)
		n += z->peers[i]->sync.asked || z->peers[i]->sync.channel;
	return n;
}

static void
ask_logd(struct zab *z, struct zab_peer *p)
{
	struct peer_sync *s = &p->sync;
	struct zab_action *a;

	if (!zab_is_up(z, ZAB_LOGD))
		return;
	s->seq = ++z->load_seq;
	a = zab_act(z, ZAB_SEND, ZAB_LOGD);
	a->frame = (struct frame){ .type = MSG_LOAD, .flags = s->flags, .seq = s->seq };
	if ((s->flags & LOAD_HAVE_TREE) != 0)
		a->frame.zxid = s->decided ? p->sent : p->zxid;
}

void
zab_channel_ask(struct zab *z, struct zab_peer *p, uint16_t flags)
{
	struct peer_sync *s = &p->sync;

	/* Participants are never held back: a quorum may need them. */
	if (p->observer && !s->decided && z->config.max_snap_syncs > 0 &&
	    count_channels(z) >= z->config.max_snap_syncs)
		return;
	if (++s->tries > TRIES_MAX) {
		zab_doom_peer(z, p, "the log did not bring what it misses");
		return;
	}
	if (!s->decided)
		p->state = PEER_DECIDING;
	s->asked = true;
	s->flags = flags;
	s->seq = 0;
	s->log_known = false;
	trace(z->config.trace, TRACE_DEBUG, "zab", "ask the log", "sid=%lld flags=%u zxid=0x%llx",
	      (long long)p->sid, flags, (unsigned long long)(s->decided ? p->sent : p->zxid));
	ask_logd(z, p);
}

bool
zab_channel_open(struct zab *z, const struct zab_event *event)
{
	for (size_t i = 0; i < z->npeers; i++) {
		struct zab_peer *p = z->peers[i];
		struct zab_action *a;

		if (!p->sync.asked || p->sync.seq != event->frame.seq)
			continue;
		p->sync.asked = false;
		p->sync.channel = true;
		p->sync.channel_paused = false;
		a = zab_act(z, ZAB_CHANNEL_OPEN, ZAB_LOGD);
		a->peer = p->id;
		a->fd = event->fd;
		return true;
	}
	return false;
}

static void
forget_reader(struct peer_sync *s)
{
	if (s->reader == NULL)
		return;
	snapshot_reader_free(s->reader);
	mem_free(s->reader);
	s->reader = NULL;
}

void
zab_channel_close(struct zab *z, struct zab_peer *p)
{
	forget_reader(&p->sync);
	if (!p->sync.channel)
		return;
	p->sync.channel = false;
	zab_act(z, ZAB_CHANNEL_CLOSE, ZAB_LOGD)->peer = p->id;
}

void
zab_channel_log_gone(struct zab *z)
{
	for (size_t i = 0; i < z->npeers; i++)
		z->peers[i]->sync.seq = 0;
}

void
zab_channel_log_came(struct zab *z)
{
	for (size_t i = 0; i < z->npeers; i++)
		if (z->peers[i]->sync.asked)
			ask_logd(z, z->peers[i]);
}

static void
say_read(struct zab *z, struct zab_peer *p, bool on)
{
	struct zab_action *a;

	if (p->sync.channel_paused == !on)
		return;
	p->sync.channel_paused = !on;
	a = zab_act(z, ZAB_CHANNEL_READ, ZAB_LOGD);
	a->peer = p->id;
	a->on = on;
}

void
zab_channel_wrote(struct zab *z, struct zab_peer *p)
{
	if (p->sync.channel && buf_len(&p->out) < ZAB_OUT_PAUSE / 2)
		say_read(z, p, true);
}

/* Frames */

typedef const char *bulk_handler(struct zab *z, struct zab_peer *p, const struct frame *f);

static const char *
on_log(struct zab *z, struct zab_peer *p, const struct frame *f)
{
	(void)z;
	if (f->zxid > (p->sync.decided ? p->sent : p->zxid))
		return "logd's log begins beyond what was asked";
	p->sync.log = f->zxid;
	p->sync.log_known = true;
	return NULL;
}

static const char *
on_snapshot(struct zab *z, struct zab_peer *p, const struct frame *f)
{
	struct peer_sync *s = &p->sync;

	if (s->decided)
		return "a snapshot comes where the log was to go on";
	if (f->zxid > zab_sync_limit(z))
		return "the snapshot goes beyond what is committed";
	s->reader = mem_zalloc(1, sizeof *s->reader);
	snapshot_reader_init(s->reader, SNAPSHOT_STREAM, &deaf, NULL);
	s->header_bytes = 0;
	zab_sync_decide(z, p, PACKET_SNAP, f->zxid, f->zxid);
	return NULL;
}

/* The file's header is not part of the stream. Returns what is left of the bytes; null where it is none of a snapshot. */
static struct slice
skip_header(struct peer_sync *s, struct slice bytes)
{
	size_t n = sizeof s->header - s->header_bytes;

	n = bytes.len < n ? bytes.len : n;
	memcpy(s->header + s->header_bytes, bytes.data, n);
	s->header_bytes += n;
	if (s->header_bytes == sizeof s->header &&
	    (get_be32(s->header) != SNAPSHOT_MAGIC || get_be32(s->header + 4) != SNAPSHOT_VERSION))
		return SLICE_NULL;
	return slice_of(bytes.data + n, bytes.len - n);
}

static const char *
on_data(struct zab *z, struct zab_peer *p, const struct frame *f)
{
	struct peer_sync *s = &p->sync;
	struct slice bytes = f->body;
	int64_t taken;

	if (s->reader == NULL)
		return "a snapshot's bytes without a snapshot";
	if (s->header_bytes < sizeof s->header)
		bytes = skip_header(s, bytes);
	if (bytes.data == NULL)
		return "the snapshot is none";
	/* What follows the last node is the file's alone. */
	if (snapshot_reader_done(s->reader) || bytes.len == 0)
		return NULL;
	taken = snapshot_reader_feed(s->reader, bytes);
	if (taken < 0)
		return "the snapshot is damaged";
	buf_put(&p->out, bytes.data, (size_t)taken);
	zab_touch_peer(z, p);
	return NULL;
}

static const char *
on_snapshot_end(struct zab *z, struct zab_peer *p, const struct frame *f)
{
	static const char signature[] = "\0\0\0\012BenWasHere";
	struct peer_sync *s = &p->sync;

	(void)f;
	if (s->reader == NULL || !snapshot_reader_done(s->reader))
		return "the snapshot ends early";
	forget_reader(s);
	buf_put(&p->out, signature, sizeof signature - 1);
	zab_touch_peer(z, p);
	return NULL;
}

static void
ask_snapshot(struct zab *z, struct zab_peer *p)
{
	zab_channel_close(z, p);
	zab_channel_ask(z, p, LOAD_SNAPSHOT);
}

/* The log reaches back to where the learner is; next is its first txn beyond, or 0. False: a snapshot is asked for. */
static bool
decide_by_log(struct zab *z, struct zab_peer *p, uint64_t next)
{
	struct peer_sync *s = &p->sync;
	bool same_epoch = epoch_of(next) == epoch_of(p->zxid);

	if (s->log == p->zxid || ((uint32_t)p->zxid == 0 && same_epoch))
		zab_sync_decide(z, p, PACKET_DIFF, zab_sync_limit(z), p->zxid);
	else if ((uint32_t)p->zxid != 0 && same_epoch)
		zab_sync_decide(z, p, PACKET_TRUNC, s->log, s->log);
	else
		ask_snapshot(z, p);
	return s->decided;
}

static const char *
on_txn(struct zab *z, struct zab_peer *p, const struct frame *f)
{
	const char *wrong = zab_judge_txn(f->zxid, f->body);

	if (wrong != NULL)
		return wrong;
	if (p->sync.reader != NULL || (!p->sync.decided && !p->sync.log_known))
		return "a txn out of its turn";
	if (!p->sync.decided && !decide_by_log(z, p, f->zxid))
		return NULL;
	if (f->zxid <= p->sent || f->zxid > zab_sync_limit(z))
		return NULL;
	p->sync.tries = 0;
	zab_sync_send_committed(z, p, f->zxid, f->body);
	return NULL;
}

static const char *
on_end(struct zab *z, struct zab_peer *p, const struct frame *f)
{
	(void)f;
	if (p->sync.reader != NULL || (!p->sync.decided && !p->sync.log_known))
		return "the end of the log out of its turn";
	if (!p->sync.decided && !decide_by_log(z, p, 0))
		return NULL;
	zab_channel_close(z, p);
	zab_sync_go_on(z, p);
	return NULL;
}

void
zab_on_channel_frame(struct zab *z, const struct zab_event *event)
{
	static const struct {
		uint16_t type;
		bulk_handler *handle;
	} rules[] = {
		{ MSG_BULK_LOG, on_log },   { MSG_BULK_SNAPSHOT, on_snapshot },
		{ MSG_BULK_DATA, on_data }, { MSG_BULK_SNAPSHOT_END, on_snapshot_end },
		{ MSG_BULK_TXN, on_txn },   { MSG_BULK_END, on_end },
	};
	struct zab_peer *p = zab_find_peer(z, event->peer);
	const char *reason = "an unknown frame on a channel of logd";

	if (p == NULL || !p->sync.channel)
		return;
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (rules[i].type == event->frame.type)
			reason = rules[i].handle(z, p, &event->frame);
	if (reason != NULL)
		zab_close_peer(z, p, reason);
	else if (p->sync.channel && !zab_sync_has_room(p))
		say_read(z, p, false);
}

void
zab_on_channel_closed(struct zab *z, const struct zab_event *event)
{
	struct zab_peer *p = zab_find_peer(z, event->peer);

	if (p == NULL || !p->sync.channel)
		return;
	p->sync.channel = false;
	if (p->sync.reader != NULL)
		zab_close_peer(z, p, "logd's channel ended in the middle of a snapshot");
	else if (p->sync.decided)
		zab_sync_go_on(z, p);
	else
		zab_channel_ask(z, p, p->sync.flags);
}
