/* See pipe.h. Invariant: segments rise in offset and time; the last one ends where the bytes end. */
#include "pipe.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "net.h"

enum { BYTES_MAX = 256 << 20, EOF_DELAY_US = 30 * MS };

struct conn *
conn_new(struct sim *s, uint64_t latency_min_us, uint64_t latency_max_us)
{
	struct conn *c = heap_world_zalloc(1, sizeof *c);

	c->sim = s;
	for (int i = 0; i < 2; i++) {
		buf_init(&c->pipes[i].bytes, BYTES_MAX);
		c->pipes[i].eof_us = NEVER;
		c->pipes[i].latency_min_us = latency_min_us;
		c->pipes[i].latency_max_us = latency_max_us;
		c->held[i] = true;
		c->places[i] = PLACE_NONE;
	}
	list_init(&c->link);
	return c;
}

struct conn *
conn_between(struct sim *s, int from, int to)
{
	struct conn *c = conn_new(s, NET_MIN_US, NET_MAX_US);

	c->places[0] = from;
	c->places[1] = to;
	list_append(&s->net_conns, &c->link);
	return c;
}

static bool
is_blocked(const struct conn *c, int side)
{
	return c->places[side] != PLACE_NONE && net_is_blocked(c->sim, c->places[side], c->places[!side]);
}

/* When what this side sends at that time is there. */
static uint64_t
arrival(struct conn *c, int side, uint64_t sent_us)
{
	struct pipe *p = &c->pipes[side];
	uint64_t at_us = sent_us + rng_range(&c->sim->net, p->latency_min_us, p->latency_max_us);

	if (c->places[side] == PLACE_NONE)
		return at_us;
	if (is_blocked(c, side)) {
		p->waits = true;
		return NEVER;
	}
	return at_us + c->sim->links[c->places[side]][c->places[!side]].slow_us;
}

static void
wake_reader(struct pipe *p, uint64_t at_us)
{
	if (p->reader != NULL)
		proc_wake(p->reader, at_us);
}

/* When the next thing arrives that has not arrived yet. */
static uint64_t
next_arrival(const struct pipe *p, uint64_t now_us)
{
	for (size_t i = 0; i < p->nsegments; i++)
		if (p->segments[i].at_us > now_us)
			return p->segments[i].at_us;
	return p->eof_us > now_us ? p->eof_us : NEVER;
}

void
conn_own(struct conn *c, int side, struct proc *p)
{
	struct pipe *in = &c->pipes[!side];

	in->reader = p;
	proc_wake(p, c->sim->now_us);
}

static void
add_segment(struct pipe *p, uint64_t at_us)
{
	uint64_t upto = p->read + buf_len(&p->bytes);

	if (p->nsegments > 0 && p->segments[p->nsegments - 1].at_us >= at_us)
		at_us = p->segments[p->nsegments - 1].at_us;
	if (p->nsegments > 0 &&
	    (p->segments[p->nsegments - 1].at_us == at_us || p->nsegments == PIPE_SEGMENTS))
		p->nsegments--;
	p->segments[p->nsegments++] = (struct pipe_segment){ upto, at_us };
	wake_reader(p, at_us);
}

void
conn_send(struct conn *c, int side, struct proc *from, struct slice bytes, int fd)
{
	IN_HEAP(NULL);
	struct sim *s = c->sim;
	struct pipe *p = &c->pipes[side];
	uint64_t at_us;

	if (from->sends_left > 0 && --from->sends_left == 0) {
		sim_trace(s, from, "dies between messages", "%s", "");
		from->dying = true;
	}
	if (p->reader_gone || p->closed || from->dying) {
		channel_drop(s, fd);
		return;
	}
	ASSERT(bytes.len > 0);
	if (fd >= 0) {
		ASSERT(p->nfds < PIPE_FDS);
		p->fds[p->nfds++] = (struct pipe_fd){ p->read + buf_len(&p->bytes), fd };
	}
	buf_put_slice(&p->bytes, bytes);
	at_us = arrival(c, side, s->now_us + from->spent_us);
	add_segment(p, at_us);
}

struct slice
conn_arrived(const struct conn *c, int side)
{
	const struct pipe *p = &c->pipes[!side];
	uint64_t upto = p->read;

	for (size_t i = 0; i < p->nsegments && p->segments[i].at_us <= c->sim->now_us; i++)
		upto = p->segments[i].upto;
	return slice_of(buf_head(&p->bytes), (size_t)(upto - p->read));
}

bool
conn_open(const struct conn *c, int side)
{
	const struct pipe *p = &c->pipes[!side];
	uint64_t next = next_arrival(p, c->sim->now_us);

	if (next != NEVER)
		wake_reader((struct pipe *)p, next);
	return p->eof_us > c->sim->now_us || conn_arrived(c, side).len < buf_len(&p->bytes);
}

void
conn_consume(struct conn *c, int side, size_t n)
{
	struct pipe *p = &c->pipes[!side];
	size_t gone = 0;

	buf_consume(&p->bytes, n);
	p->read += n;
	while (gone < p->nsegments && p->segments[gone].upto <= p->read)
		gone++;
	p->nsegments -= gone;
	memmove(p->segments, p->segments + gone, p->nsegments * sizeof *p->segments);
	if (buf_len(&p->bytes) == 0)
		buf_reset(&p->bytes, 64 << 10);
}

int
conn_take_fd(struct conn *c, int side, size_t n)
{
	struct pipe *p = &c->pipes[!side];
	int fd;

	if (p->nfds == 0 || p->fds[0].offset >= p->read + n)
		return -1;
	fd = p->fds[0].fd;
	p->nfds--;
	memmove(p->fds, p->fds + 1, p->nfds * sizeof *p->fds);
	return fd;
}

size_t
conn_unread(const struct conn *c, int side)
{
	return buf_len(&c->pipes[side].bytes);
}

bool
conn_reset(const struct conn *c, int side)
{
	return c->pipes[side].reader_gone;
}

bool
conn_was_reset(const struct conn *c, int side)
{
	return c->pipes[!side].reset;
}

static void
drop_fds_from(struct sim *s, struct pipe *p, uint64_t offset)
{
	size_t kept = 0;

	while (kept < p->nfds && p->fds[kept].offset < offset)
		kept++;
	for (size_t i = kept; i < p->nfds; i++)
		channel_drop(s, p->fds[i].fd);
	p->nfds = kept;
}

/* The sender died: any prefix of what nobody has read arrives. */
static void
cut(struct sim *s, struct pipe *p)
{
	size_t len = buf_len(&p->bytes), keep;

	if (len == 0)
		return;
	keep = rng_once_in(&s->net, 2) ? len : (size_t)rng_below(&s->net, len + 1);
	buf_truncate(&p->bytes, keep);
	while (p->nsegments > 1 && p->segments[p->nsegments - 2].upto >= p->read + keep)
		p->nsegments--;
	if (p->nsegments > 0)
		p->segments[p->nsegments - 1].upto = p->read + keep;
	if (keep == 0)
		p->nsegments = 0;
	drop_fds_from(s, p, p->read + keep);
}

/* Nothing more is sent from this side; the other one is told when all else has arrived. */
static void
end_pipe(struct conn *c, int side, bool crash)
{
	struct sim *s = c->sim;
	struct pipe *out = &c->pipes[side];
	uint64_t last;

	if (out->closed)
		return;
	out->closed = true;
	if (crash) {
		cut(s, out);
		out->reset = c->places[side] != PLACE_NONE && rng_once_in(&s->net, 2);
	}
	last = out->nsegments > 0 ? out->segments[out->nsegments - 1].at_us : s->now_us;
	if (last < s->now_us)
		last = s->now_us;
	if (last == NEVER || is_blocked(c, side)) {
		out->waits = true;
		return;
	}
	out->eof_us = last + rng_below(&s->net, crash && rng_once_in(&s->net, 3) ? EOF_DELAY_US : 100);
	wake_reader(out, out->eof_us);
}

/* What was held back arrives one latency from now. */
static void
let_pass(struct conn *c, int side)
{
	struct pipe *p = &c->pipes[side];
	uint64_t at_us = arrival(c, side, c->sim->now_us);

	p->waits = false;
	if (p->nsegments > 0 && p->segments[p->nsegments - 1].at_us == NEVER) {
		if (p->nsegments > 1 && p->segments[p->nsegments - 2].at_us > at_us)
			at_us = p->segments[p->nsegments - 2].at_us;
		p->segments[p->nsegments - 1].at_us = at_us;
		wake_reader(p, at_us);
	}
	if (p->closed && p->eof_us == NEVER) {
		p->eof_us = at_us + 1;
		wake_reader(p, p->eof_us);
	}
}

void
conn_close(struct conn *c, int side, bool crash)
{
	struct sim *s = c->sim;
	struct pipe *out = &c->pipes[side], *in = &c->pipes[!side];

	ASSERT(c->held[side]);
	c->held[side] = false;
	end_pipe(c, side, crash);
	in->reader_gone = true;
	in->reader = NULL;
	drop_fds_from(s, in, 0);
	if (c->held[!side]) {
		wake_reader(out, s->now_us);
		return;
	}
	drop_fds_from(s, out, 0);
	buf_free(&out->bytes);
	buf_free(&in->bytes);
	list_remove(&c->link);
	mem_free(c);
}

void
conn_break(struct conn *c)
{
	for (int side = 0; side < 2; side++) {
		end_pipe(c, side, true);
		c->pipes[side].reset = true;
	}
}

bool
conn_flip(struct conn *c, int side, uint64_t bit)
{
	struct buf *b = &c->pipes[side].bytes;

	if (c->may_flip == NULL || buf_len(b) == 0)
		return false;
	bit %= buf_len(b) * 8;
	if (!c->may_flip(buf_slice(b), bit / 8))
		return false;
	b->data[b->off + bit / 8] ^= (uint8_t)(1u << bit % 8);
	return true;
}

void
conn_let_pass(struct sim *s, int from, int to)
{
	list_for_each (e, &s->net_conns) {
		struct conn *c = container_of(e, struct conn, link);

		for (int side = 0; side < 2; side++)
			if (c->places[side] == from && c->places[!side] == to && c->pipes[side].waits)
				let_pass(c, side);
	}
}

int
channel_put(struct sim *s, struct conn *c, int side)
{
	IN_HEAP(NULL);
	size_t i = 0;

	while (i < s->nchannels && s->channels[i].conn != NULL)
		i++;
	if (i == s->nchannels) {
		if (s->nchannels == s->channels_cap) {
			s->channels_cap = s->channels_cap == 0 ? 16 : 2 * s->channels_cap;
			s->channels = mem_realloc(s->channels, s->channels_cap * sizeof *s->channels);
		}
		s->nchannels++;
	}
	s->channels[i] = (struct channel){ c, side };
	return (int)i;
}

struct channel
channel_take(struct sim *s, int fd)
{
	struct channel c;

	ASSERT(fd >= 0 && (size_t)fd < s->nchannels && s->channels[fd].conn != NULL);
	c = s->channels[fd];
	s->channels[fd].conn = NULL;
	return c;
}

void
channel_drop(struct sim *s, int fd)
{
	struct channel c;

	if (fd < 0)
		return;
	c = channel_take(s, fd);
	conn_close(c.conn, c.side, false);
}

bool
listener_dial(struct listener *l, struct conn *c, uint64_t at_us)
{
	if (l->n == sizeof l->waiting / sizeof *l->waiting)
		return false;
	l->waiting[l->n++] = c;
	proc_wake(l->owner, at_us);
	return true;
}

struct conn *
listener_accept(struct listener *l)
{
	struct conn *c;

	if (l->n == 0)
		return NULL;
	c = l->waiting[0];
	l->n--;
	memmove(l->waiting, l->waiting + 1, l->n * sizeof *l->waiting);
	return c;
}
