/*
 * A learner's SNAP: the leader's raw stream, handed to logd as it comes. The stream has no length: the reader of
 * common/disk finds its end, then the signature is checked. Invariants: SNAPSHOT_END is written only behind a whole
 * stream with its signature, so logd puts nothing in place that did not come whole; what waits for logd is bounded,
 * for the leader is not read meanwhile. Source: ZooKeeper, Learner.syncWithLeader, LearnerHandler.
 */
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "disk/snapshot.h"
#include "zab_internal.h"

enum {
	CHUNK_BYTES = 64 << 10,
	OUT_PAUSE = 4 << 20, /* bytes waiting for logd that stop the leader */
	OUT_MAX = 64 << 20,
};

static const char signature[] = "\0\0\0\012BenWasHere";
enum { SIGNATURE_BYTES = sizeof signature - 1 };

/* Nobody wants to know what is in it, but where it ends. */
static const struct snapshot_events deaf;

struct slice
zab_install_output(const struct zab *z)
{
	return buf_slice(&z->snap.out);
}

static void
flush(struct zab *z)
{
	struct zab_snap *s = &z->snap;

	ASSERT(s->open && buf_len(&s->out) > 0);
	if (s->flushing)
		return;
	s->flushing = true;
	zab_act(z, ZAB_INSTALL_FLUSH, ZAB_LOGD);
}

static void
put(struct zab *z, uint16_t type, uint64_t zxid, struct slice body)
{
	frame_put(&z->snap.out, &(struct frame){ .type = type, .zxid = zxid, .body = body });
}

static void
forget_reader(struct zab_snap *s)
{
	if (s->reader == NULL)
		return;
	snapshot_reader_free(s->reader);
	mem_free(s->reader);
	s->reader = NULL;
}

void
zab_install_abandon(struct zab *z)
{
	struct zab_snap *s = &z->snap;

	forget_reader(s);
	if (s->open)
		zab_act(z, ZAB_INSTALL_CLOSE, ZAB_LOGD);
	buf_free(&s->out);
	buf_init(&s->out, OUT_MAX);
	s->open = s->flushing = s->whole = s->ended = false;
}

static void
begin(struct zab *z, uint64_t zxid)
{
	struct zab_snap *s = &z->snap;

	zab_install_abandon(z);
	s->open = true;
	zab_install(z, zxid);
	put(z, MSG_BULK_SNAPSHOT, zxid, SLICE_NULL);
}

static void
end(struct zab *z, struct zab_peer *p)
{
	put(z, MSG_BULK_SNAPSHOT_END, 0, SLICE_NULL);
	z->snap.ended = true;
	p->state = LEADER_INSTALLING;
	zab_pause(z, p);
	flush(z);
}

const char *
zab_learn_snap(struct zab *z, struct zab_peer *p, const struct packet *k)
{
	if (!zab_is_up(z, ZAB_LOGD))
		return "our logd is away when a SNAP comes";
	begin(z, k->zxid);
	z->snap.reader = mem_zalloc(1, sizeof *z->snap.reader);
	snapshot_reader_init(z->snap.reader, SNAPSHOT_STREAM, &deaf, NULL);
	p->state = LEADER_SNAP;
	return NULL;
}

void
zab_install_empty(struct zab *z, struct zab_peer *p)
{
	enum { HEADER_BYTES = 16 };
	struct snapshot_reader r;
	struct buf file;
	struct slice stream;
	int64_t n;

	buf_init(&file, CHUNK_BYTES);
	snapshot_write_empty(&file);
	stream = slice_of(buf_head(&file) + HEADER_BYTES, buf_len(&file) - HEADER_BYTES);
	snapshot_reader_init(&r, SNAPSHOT_STREAM, &deaf, NULL);
	n = snapshot_reader_feed(&r, stream);
	begin(z, 0);
	put(z, MSG_BULK_DATA, 0, slice_of(stream.data, n > 0 ? (size_t)n : 0));
	end(z, p);
	snapshot_reader_free(&r);
	buf_free(&file);
}

/* A bit of the stream. */
static const char *
feed_stream(struct zab *z, struct zab_peer *p)
{
	struct zab_snap *s = &z->snap;
	struct slice in = buf_slice(&p->in);
	int64_t taken;

	in.len = in.len > CHUNK_BYTES ? CHUNK_BYTES : in.len;
	taken = snapshot_reader_feed(s->reader, in);
	if (taken < 0)
		return "a damaged snapshot";
	put(z, MSG_BULK_DATA, 0, slice_of(in.data, (size_t)taken));
	buf_consume(&p->in, (size_t)taken);
	s->whole = snapshot_reader_done(s->reader);
	flush(z);
	if (buf_len(&s->out) > OUT_PAUSE)
		zab_pause(z, p);
	return NULL;
}

static const char *
take_signature(struct zab *z, struct zab_peer *p)
{
	if (memcmp(buf_head(&p->in), signature, SIGNATURE_BYTES) != 0)
		return "a snapshot without its signature";
	buf_consume(&p->in, SIGNATURE_BYTES);
	forget_reader(&z->snap);
	end(z, p);
	return NULL;
}

const char *
zab_install_feed(struct zab *z, struct zab_peer *p, bool *more)
{
	size_t wanted = z->snap.whole ? SIGNATURE_BYTES : 1;

	*more = buf_len(&p->in) >= wanted;
	if (!*more)
		return NULL;
	return z->snap.whole ? take_signature(z, p) : feed_stream(z, p);
}

void
zab_on_install_wrote(struct zab *z, const struct zab_event *event)
{
	struct zab_snap *s = &z->snap;

	if (!s->open)
		return;
	buf_consume(&s->out, event->count);
	z->learn.heard_ms = z->now_ms;
	if (buf_len(&s->out) == 0) {
		s->flushing = false;
		buf_reset(&s->out, CHUNK_BYTES);
		if (s->ended) {
			s->open = false;
			zab_act(z, ZAB_INSTALL_CLOSE, ZAB_LOGD);
		}
	}
	if (!s->ended && buf_len(&s->out) < OUT_PAUSE / 2)
		zab_resume(z, zab_leader_peer(z));
}

/* logd's answer says whether that is the end of it; a logd that died is told of by its link. */
void
zab_on_install_closed(struct zab *z, const struct zab_event *event)
{
	(void)event;
	if (!z->snap.open)
		return;
	z->snap.open = false;
	buf_reset(&z->snap.out, CHUNK_BYTES);
	if (!z->snap.ended)
		zab_look(z, "logd did not take the snapshot");
}

void
zab_learn_installed(struct zab *z, bool refused)
{
	struct zab_peer *p = zab_leader_peer(z);

	ASSERT(p != NULL && (refused || p->state == LEADER_INSTALLING));
	if (refused)
		zab_look(z, "the leader's snapshot could not be stored");
	else
		zab_learn_settled(z, p, z->proposed);
}
