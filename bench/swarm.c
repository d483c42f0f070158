/* See swarm.h. Invariant: in_flight is the sum of all sessions' counts, and a session that is not open has none. */
#include "bench/swarm.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "io/clock.h"
#include "jute/op.h"

enum { REPLY_MAX = 64 << 20, PINGS_ROOM = 64, NS_PER_MS = 1000000, PINGS_PER_TIMEOUT = 3 };

void
swarm_fail(struct swarm *w, const char *format, ...)
{
	va_list args;

	if (w->failure[0] == '\0') {
		va_start(args, format);
		vsnprintf(w->failure, sizeof w->failure, format, args);
		va_end(args);
	}
	swarm_stop(w);
}

void
swarm_stop(struct swarm *w)
{
	ev_break(w->loop, EVBREAK_ALL);
}

/* A new connection's first bytes: the request for a session. */
static void
put_connect_request(struct session *s)
{
	static const uint8_t no_passwd[16];
	struct jute_connect_request q = { .time_out = (int32_t)s->swarm->config.timeout_ms,
					  .passwd = slice_of(no_passwd, sizeof no_passwd),
					  .has_read_only = true };
	struct buf *out = swarm_out(s);
	size_t at = buf_len(out);

	buf_put_be32(out, 0);
	jute_write_connect_request(out, &q);
	put_be32(out->data + out->off + at, (uint32_t)(buf_len(out) - at - 4));
}

void
swarm_open_session(struct swarm *w, struct session *s)
{
	const struct swarm_address *to = &w->config.addresses[s->index % w->config.naddresses];
	const struct sockaddr *address = (const struct sockaddr *)&to->address;
	int one = 1, fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ASSERT(s->state == SESSION_CLOSED);
	if (fd < 0) {
		swarm_fail(w, "session %u: no socket: %s", s->index, strerror(errno));
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	s->began_ns = clock_mono_ns();
	if (connect(fd, address, to->len) != 0 && errno != EINPROGRESS) {
		swarm_fail(w, "session %u: cannot connect: %s", s->index, strerror(errno));
		close(fd);
		return;
	}
	s->state = SESSION_OPENING;
	s->xid = 0;
	w->opening++;
	stream_open(&s->stream, fd);
	put_connect_request(s);
}

static void
open_more(struct swarm *w)
{
	while (w->next_to_open < w->config.sessions && w->opening < SWARM_OPENING_MAX &&
	       w->failure[0] == '\0')
		swarm_open_session(w, &w->sessions[w->next_to_open++]);
}

void
swarm_open(struct swarm *w)
{
	w->heard_ns = clock_mono_ns();
	open_more(w);
}

static void
take_connect_response(struct session *s, struct slice body)
{
	struct swarm *w = s->swarm;
	struct jute_connect_response a;
	struct jute_reader r;

	jute_reader_init(&r, body, UINT32_MAX);
	if (!jute_read_connect_response(&r, NULL, &a) || a.session_id == 0 || a.time_out <= 0) {
		swarm_fail(w, "session %u: the server gave no session", s->index);
		return;
	}
	s->state = SESSION_OPEN;
	w->opening--;
	w->open++;
	w->ops->opened(w->owner, s);
	open_more(w);
}

struct request *
swarm_request(struct session *s)
{
	struct request *r = &s->ring[(s->first + s->count) & (s->swarm->ring_size - 1)];

	ASSERT(s->count < s->swarm->ring_size && s->state == SESSION_OPEN);
	s->count++;
	s->swarm->in_flight++;
	s->xid = s->xid == INT32_MAX ? 1 : s->xid + 1;
	r->xid = s->xid;
	r->sent_ns = s->swarm->now_ns;
	return r;
}

void
swarm_close_session(struct session *s)
{
	struct request *r = swarm_request(s);
	struct buf *out = swarm_out(s);

	buf_put_be32(out, 8);
	buf_put_be32(out, (uint32_t)r->xid);
	buf_put_be32(out, (uint32_t)ZK_OP_CLOSE_SESSION);
	s->state = SESSION_CLOSING;
	s->swarm->open--;
	s->swarm->closing++;
}

void
swarm_close_all(struct swarm *w)
{
	w->now_ns = clock_mono_ns();
	for (unsigned i = 0; i < w->config.sessions; i++)
		if (w->sessions[i].state == SESSION_OPEN)
			swarm_close_session(&w->sessions[i]);
}

static void
take_event(struct session *s, struct jute_reader *r)
{
	struct swarm *w = s->swarm;
	struct jute_watcher_event e;

	if (!jute_read_watcher_event(r, NULL, &e))
		swarm_fail(w, "session %u: a notification that cannot be read", s->index);
	else
		w->ops->event(w->owner, s, &e);
}

static void
take_reply(struct session *s, struct slice body)
{
	struct swarm *w = s->swarm;
	struct jute_reply_header h;
	struct jute_reader reader;
	struct request r;

	jute_reader_init(&reader, body, UINT32_MAX);
	if (!jute_read_reply_header(&reader, NULL, &h)) {
		swarm_fail(w, "session %u: a reply of %zu bytes", s->index, body.len);
	} else if (h.xid == ZK_XID_NOTIFICATION) {
		take_event(s, &reader);
	} else if (h.xid == ZK_XID_PING) {
		return;
	} else if (s->count == 0 || s->ring[s->first].xid != h.xid) {
		swarm_fail(w, "session %u: a reply with xid %" PRId32 " where %" PRId32 " was due", s->index,
			   h.xid, s->count == 0 ? 0 : s->ring[s->first].xid);
	} else {
		r = s->ring[s->first];
		s->first = (s->first + 1) & (w->ring_size - 1);
		s->count--;
		w->in_flight--;
		if (s->state != SESSION_CLOSING || s->count > 0)
			w->ops->reply(w->owner, s, &r, h.err, &reader);
		else if (h.err != 0)
			swarm_fail(w, "session %u: not closed, error %" PRId32, s->index, h.err);
	}
}

static int64_t
on_input(struct stream *stream, struct slice data)
{
	struct session *s = stream->owner;
	struct swarm *w = s->swarm;
	size_t used = 0;

	w->now_ns = w->heard_ns = clock_mono_ns();
	while (data.len - used >= 4 && w->failure[0] == '\0') {
		uint32_t size = get_be32(data.data + used);
		if (size > REPLY_MAX) {
			swarm_fail(w, "session %u: a frame of %" PRIu32 " bytes", s->index, size);
			break;
		}
		if (data.len - used - 4 < size)
			break;
		if (s->state == SESSION_OPENING)
			take_connect_response(s, slice_of(data.data + used + 4, size));
		else
			take_reply(s, slice_of(data.data + used + 4, size));
		used += 4 + (size_t)size;
	}
	return (int64_t)used;
}

static void
on_closed(struct stream *stream, int error)
{
	struct session *s = stream->owner;
	struct swarm *w = s->swarm;

	if (s->state == SESSION_CLOSING && s->count == 0) {
		s->state = SESSION_CLOSED;
		w->closing--;
		w->now_ns = clock_mono_ns();
		w->ops->ended(w->owner, s);
	} else if (s->state == SESSION_OPENING) {
		swarm_fail(
		    w,
		    "session %u: closed by the server before it was open: %s (%u are open; a limit such as "
		    "maxClientCnxns?)",
		    s->index, stream_error_text(error), w->open);
	} else {
		swarm_fail(w, "session %u: connection lost: %s, %u requests in flight", s->index,
			   stream_error_text(error), s->count);
	}
}

static const struct stream_ops session_ops = { .input = on_input, .closed = on_closed };

static void
put_ping(struct session *s)
{
	struct buf *out = swarm_out(s);

	buf_put_be32(out, 8);
	buf_put_be32(out, (uint32_t)ZK_XID_PING);
	buf_put_be32(out, (uint32_t)ZK_OP_PING);
}

void
swarm_ping(struct swarm *w)
{
	unsigned ticks = w->config.timeout_ms / PINGS_PER_TIMEOUT / SWARM_TICK_MS;
	unsigned n = w->config.sessions / (ticks > 0 ? ticks : 1) + 1;

	for (unsigned i = 0; i < n; i++) {
		struct session *s = &w->sessions[w->next_to_ping];
		if (s->state == SESSION_OPEN)
			put_ping(s);
		w->next_to_ping = (w->next_to_ping + 1) % w->config.sessions;
	}
}

static void
on_tick(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct swarm *w = t->data;
	uint64_t patience_ns = (uint64_t)w->config.patience_ms * NS_PER_MS;

	(void)loop;
	(void)revents;
	w->now_ns = clock_mono_ns();
	if (w->in_flight + w->opening + w->closing > 0 && w->now_ns - w->heard_ns > patience_ns)
		swarm_fail(w, "no reply for %u ms: %" PRIu64 " requests in flight, %u sessions opening",
			   w->config.patience_ms, w->in_flight, w->opening);
	else
		w->ops->tick(w->owner);
}

static void
start_session(struct swarm *w, unsigned index)
{
	struct stream_limits limits = { .keep = 1 << 20 };
	struct session *s = &w->sessions[index];

	limits.in_max = (size_t)REPLY_MAX + TURN_SCRATCH_BYTES;
	limits.out_max = (w->config.frame_max + PINGS_ROOM) * (w->ring_size + 1);
	s->swarm = w;
	s->index = index;
	s->ring = mem_zalloc(w->ring_size, sizeof *s->ring);
	stream_init(&s->stream, &w->turn, &session_ops, s, &limits);
}

void
swarm_init(struct swarm *w, const struct swarm_config *config, const struct swarm_ops *ops, void *owner)
{
	*w = (struct swarm){ .config = *config, .ops = ops, .owner = owner, .ring_size = 1 };
	w->loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
	turn_start(&w->turn, w->loop, NULL, NULL);
	while (w->ring_size < config->depth + 1)
		w->ring_size *= 2;
	w->sessions = mem_zalloc(config->sessions, sizeof *w->sessions);
	for (unsigned i = 0; i < config->sessions; i++)
		start_session(w, i);
	ev_timer_init(&w->timer, on_tick, SWARM_TICK_MS / 1e3, SWARM_TICK_MS / 1e3);
	w->timer.data = w;
	ev_timer_start(w->loop, &w->timer);
}

void
swarm_free(struct swarm *w)
{
	for (unsigned i = 0; i < w->config.sessions; i++) {
		stream_close(&w->sessions[i].stream);
		mem_free(w->sessions[i].ring);
	}
	mem_free(w->sessions);
	ev_timer_stop(w->loop, &w->timer);
	turn_stop(&w->turn);
	ev_loop_destroy(w->loop);
	*w = (struct swarm){ 0 };
}

int
swarm_run(struct swarm *w)
{
	w->now_ns = w->heard_ns = clock_mono_ns();
	if (w->failure[0] == '\0')
		ev_run(w->loop, 0);
	return w->failure[0] == '\0' ? 0 : -EPROTO;
}
