/*
 * Connections: bytes in, frames to request.c and connect.c, bytes out; limits, pauses, the end. Invariants: a
 * connection is in front.conns until it is dead, in front.attached iff session != 0, in front.timers iff it is NEW or
 * CLOSING; its input is worked on only while nothing pauses it; FRONT_CLOSE is queued exactly once.
 */
#include <stdio.h>

#include "front_int.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/quote.h"

enum {
	COMPLAINTS_PER_SECOND = 100,
	KEEP_BYTES = 16 << 10, /* an empty buffer larger than this gives its memory back */
	SILENT_LOOKS = 4,      /* in one tick, at all connections */
	ASKED_MAX = 64 << 20,  /* the credit, and what may wait in a connection, keep it far below */
};

/* How many connections come from one address. */
struct address {
	struct table_entry entry;
	uint8_t bytes[16];
	uint8_t len;
	uint32_t count;
};

static bool
match_address(const struct table_entry *e, const void *key)
{
	const struct address *a = container_of(e, const struct address, entry);
	const struct front_peer *peer = key;

	return a->len == peer->address_len && memcmp(a->bytes, peer->address, a->len) == 0;
}

static uint64_t
hash_address(const struct front *f, const struct front_peer *peer)
{
	return table_hash(slice_of(peer->address, peer->address_len), f->config.tree.seed);
}

static struct address *
find_address(const struct front *f, const struct front_peer *peer)
{
	struct table_entry *e = table_find(&f->addresses, hash_address(f, peer), match_address, peer);

	return e == NULL ? NULL : container_of(e, struct address, entry);
}

static void
count_address(struct front *f, const struct front_peer *peer)
{
	struct address *a = find_address(f, peer);

	if (a == NULL) {
		a = mem_zalloc(1, sizeof *a);
		memcpy(a->bytes, peer->address, sizeof a->bytes);
		a->len = peer->address_len;
		table_insert(&f->addresses, &a->entry, hash_address(f, peer));
	}
	a->count++;
}

static void
uncount_address(struct front *f, const struct front_peer *peer)
{
	struct address *a = find_address(f, peer);

	if (--a->count == 0) {
		table_remove(&f->addresses, &a->entry);
		mem_free(a);
	}
}

static void
free_address(struct table_entry *e, void *ctx)
{
	(void)ctx;
	mem_free(container_of(e, struct address, entry));
}

void
conn_forget_addresses(struct front *f)
{
	table_each(&f->addresses, free_address, NULL);
	table_free(&f->addresses);
}

/* Why the door stays shut for this peer, or NULL. */
static const char *
refuse_peer(const struct front *f, const struct front_peer *peer)
{
	const struct address *a;

	if (f->config.max_connections != 0 && f->nconns >= f->config.max_connections)
		return "maxCnxns";
	a = f->config.max_per_address == 0 ? NULL : find_address(f, peer);
	return a != NULL && a->count >= f->config.max_per_address ? "maxClientCnxns" : NULL;
}

/* All timers run equally long, so the list is in their order. */
static void
start_timer(struct front *f, struct front_conn *c)
{
	list_remove(&c->timer);
	c->timer_ms = f->now_ms + f->config.silent_ms;
	list_append(&f->timers, &c->timer);
}

static void
init_auth(struct front_conn *c)
{
	c->ip = (struct jute_id){ .scheme = SLICE_LIT("ip"), .id = slice_str(c->peer.text) };
	c->auth = (struct auth){ &c->ip, 1 };
}

/*
 * Whether one more line about a connection may go to the log: those who knock all night shall not fill the disk. What
 * is left out is counted, and told with the first line of a later second.
 */
static bool
may_complain(struct front *f)
{
	struct complaints *k = &f->complaints;

	if (f->now_ms - k->since_ms >= 1000) {
		if (k->left_out > 0)
			trace(f->trace, TRACE_WARNING, "front", "more connections closed", "count=%u",
			      k->left_out);
		*k = (struct complaints){ .since_ms = f->now_ms };
	}
	if (k->told < COMPLAINTS_PER_SECOND) {
		k->told++;
		return true;
	}
	k->left_out++;
	return false;
}

void
conn_opened(struct front *f, const struct front_event *e)
{
	const char *limit = refuse_peer(f, e->peer);
	struct front_conn *c;

	if (limit != NULL) {
		f->metrics.connections_rejected++;
		if (may_complain(f))
			trace(f->trace, TRACE_WARNING, "front", "refuse",
			      "peer=%s:%u limit=%s connections=%u", e->peer->text, e->peer->port, limit,
			      f->nconns);
		front_do(f, FRONT_CLOSE, NULL)->owner = e->owner;
		return;
	}
	c = mem_zalloc(1, sizeof *c);
	c->owner = e->owner;
	c->peer = *e->peer;
	c->reading = true;
	c->established_ms = f->wall_ms;
	list_append(&f->conns, &c->link);
	list_init(&c->timer);
	list_init(&c->stalled);
	buf_init(&c->in, FRAME_PREFIX + (size_t)f->config.frame_max + FRONT_READ_MAX);
	buf_init(&c->out, FRONT_OUT_MAX);
	buf_init(&c->waiting,
		 FRONT_WAITING_MAX + FRAME_PREFIX + (size_t)f->config.frame_max + sizeof(struct waiting));
	buf_init(&c->asked, ASKED_MAX);
	init_auth(c);
	watch_join(f->watches, &c->watcher);
	f->nconns++;
	count_address(f, &c->peer);
	start_timer(f, c);
	front_do(f, FRONT_ADOPT, c);
}

/* ---- Input ---- */

/* Bytes of a client for a line of the log. */
static void
show_bytes(const uint8_t *bytes, size_t n, char *text)
{
	for (size_t i = 0; i < n; i++)
		text[i] = bytes[i] > ' ' && bytes[i] < 0x7f && bytes[i] != '"' ? (char)bytes[i] : '.';
	text[n] = '\0';
}

enum { SHOWN_PATH_MAX = 200, HEADER_BYTES = 8, MULTI_HEADER_BYTES = 9 };

/*
 * What a frame that is too long asks for, and of which znode, as far as its begin has come: the path is the first
 * field of nearly all requests, in a multi of its first operation. What has no path has a length here that is none.
 */
static void
describe_request(struct slice begin, char *text, size_t size)
{
	char path[SHOWN_PATH_MAX + 1] = "";
	int32_t op, len;

	text[0] = '\0';
	if (begin.len < HEADER_BYTES + 4)
		return;
	op = (int32_t)get_be32(begin.data + 4);
	begin = slice_of(begin.data + HEADER_BYTES, begin.len - HEADER_BYTES);
	if (op == ZK_OP_MULTI && begin.len >= MULTI_HEADER_BYTES + 4)
		begin = slice_of(begin.data + MULTI_HEADER_BYTES, begin.len - MULTI_HEADER_BYTES);
	len = (int32_t)get_be32(begin.data);
	if (len > 0 && len <= SHOWN_PATH_MAX && begin.len >= 4 + (size_t)len && begin.data[4] == '/')
		show_bytes(begin.data + 4, (size_t)len, path);
	snprintf(text, size, ", op=%s path=%s", zk_op_lop(op), path[0] == '\0' ? "unknown" : path);
}

/* ZooKeeper closes without a word to anybody, and clients blame the network. */
static void
refuse_length(struct front *f, struct front_conn *c, struct slice data, int32_t len)
{
	char reason[96 + SHOWN_PATH_MAX], text[FRAME_PREFIX + 1];
	char what[32 + SHOWN_PATH_MAX] = "";

	if (c->state == CONN_NEW) {
		show_bytes(data.data, FRAME_PREFIX, text);
		snprintf(what, sizeof what, ", first bytes \"%s\"", text);
	} else {
		describe_request(slice_of(data.data + FRAME_PREFIX, data.len - FRAME_PREFIX), what,
				 sizeof what);
	}
	snprintf(reason, sizeof reason, "frame length %d outside 1..%u (jute.maxbuffer)%s", len,
		 f->config.frame_max, what);
	conn_kill(f, c, reason);
}

/* Works on the first frame in data; the bytes it took, 0 when more have to come or c is paused or gone. */
static size_t
take_frame(struct front *f, struct front_conn *c, struct slice data)
{
	struct slice frame;
	int32_t len;
	bool taken;

	if (data.len < FRAME_PREFIX)
		return 0;
	if (!c->greeted && word_answer(f, c, data))
		return 0;
	c->greeted = true;
	len = (int32_t)get_be32(data.data);
	if (len < 1 || (uint32_t)len > f->config.frame_max) {
		refuse_length(f, c, data, len);
		return 0;
	}
	if (data.len - FRAME_PREFIX < (uint32_t)len)
		return 0;
	frame = slice_of(data.data + FRAME_PREFIX, (size_t)len);
	taken = c->state == CONN_NEW ? connect_request(f, c, frame) : request_frame(f, c, frame);
	return taken ? FRAME_PREFIX + (size_t)len : 0;
}

static bool
may_run(const struct front_conn *c)
{
	return c->state < CONN_CLOSING && c->paused == 0;
}

/* Works on the frames in data until something stops it; the bytes that are done with. */
static size_t
take_frames(struct front *f, struct front_conn *c, struct slice data)
{
	size_t done = 0, n;

	while (may_run(c)) {
		n = take_frame(f, c, slice_of(data.data + done, data.len - done));
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

void
conn_run(struct front *f, struct front_conn *c)
{
	size_t done;

	if (buf_len(&c->in) == 0 || !may_run(c))
		return;
	done = take_frames(f, c, buf_slice(&c->in));
	if (c->state >= CONN_CLOSING)
		return;
	buf_consume(&c->in, done);
	if (buf_len(&c->in) == 0)
		buf_reset(&c->in, KEEP_BYTES);
}

void
conn_input(struct front *f, const struct front_event *e)
{
	struct front_conn *c = e->conn;
	size_t done = 0;

	if (c->state >= CONN_CLOSING)
		return;
	/* The usual case: whole frames straight from the shell's buffer, nothing copied. */
	if (buf_len(&c->in) == 0 && c->paused == 0)
		done = take_frames(f, c, e->bytes);
	if (c->state >= CONN_CLOSING || done == e->bytes.len)
		return;
	buf_put(&c->in, e->bytes.data + done, e->bytes.len - done);
	if (c->in.overflow)
		conn_kill(f, c, "more input than it may have waiting");
	else if (buf_len(&c->in) > e->bytes.len - done)
		conn_run(f, c);
}

/* ---- Pauses ---- */

static void
set_reading(struct front *f, struct front_conn *c, bool on)
{
	if (c->reading == on)
		return;
	c->reading = on;
	front_do(f, FRONT_READ, c)->on = on;
}

void
conn_pause(struct front *f, struct front_conn *c, enum pause why)
{
	c->paused |= why;
	if (why == PAUSE_CREDIT && list_empty(&c->stalled))
		list_append(&f->stalled, &c->stalled);
	set_reading(f, c, false);
}

void
conn_unpause(struct front *f, struct front_conn *c, enum pause why)
{
	if ((c->paused & why) == 0)
		return;
	c->paused &= (uint8_t)~why;
	if (why == PAUSE_CREDIT)
		list_remove(&c->stalled);
	if (c->paused != 0 || c->state >= CONN_CLOSING)
		return;
	conn_run(f, c);
	if (may_run(c))
		set_reading(f, c, true);
}

/* ---- Output ---- */

void
conn_written(struct front *f, struct front_conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	if (c->out.overflow) {
		conn_kill(f, c, "more output waits for it than it may have");
		return;
	}
	if (!c->dirty) {
		c->dirty = true;
		front_do(f, FRONT_WRITE, c);
	}
	if (buf_len(&c->out) > FRONT_OUT_PAUSE)
		conn_pause(f, c, PAUSE_OUTPUT);
}

void
conn_wrote(struct front *f, const struct front_event *e)
{
	struct front_conn *c = e->conn;

	buf_consume(&c->out, e->count);
	if (buf_len(&c->out) == 0) {
		buf_reset(&c->out, KEEP_BYTES);
		c->dirty = false;
		if (c->state == CONN_CLOSING) {
			conn_kill(f, c, NULL);
			return;
		}
	}
	if (buf_len(&c->out) <= FRONT_OUT_PAUSE / 2)
		conn_unpause(f, c, PAUSE_OUTPUT);
}

struct slice
front_output(const struct front_conn *c)
{
	return buf_slice(&c->out);
}

/* ---- Sessions' connections ---- */

static bool
match_session(const struct table_entry *e, const void *key)
{
	return container_of(e, const struct front_conn, by_session)->session == *(const int64_t *)key;
}

struct front_conn *
conn_of_session(const struct front *f, int64_t session)
{
	struct table_entry *e =
	    table_find(&f->attached, table_hash_u64((uint64_t)session), match_session, &session);

	return e == NULL ? NULL : container_of(e, struct front_conn, by_session);
}

void
conn_attach(struct front *f, struct front_conn *c, int64_t session)
{
	ASSERT(c->session == 0 && session != 0);
	c->session = session;
	table_insert(&f->attached, &c->by_session, table_hash_u64((uint64_t)session));
	list_remove(&c->timer);
}

void
conn_detach(struct front *f, struct front_conn *c)
{
	if (c->session != 0)
		table_remove(&f->attached, &c->by_session);
	c->session = 0;
}

/* ---- The end ---- */

void
conn_finish(struct front *f, struct front_conn *c)
{
	if (c->state >= CONN_CLOSING)
		return;
	if (buf_len(&c->out) == 0) {
		conn_kill(f, c, NULL);
		return;
	}
	c->state = CONN_CLOSING;
	list_remove(&c->stalled);
	set_reading(f, c, false);
	start_timer(f, c);
}

static void
free_auth(struct front_conn *c)
{
	for (int32_t i = 0; c->ids != NULL && i < c->auth.n; i++)
		if (c->ids[i].id.data != c->ip.id.data) {
			mem_free((void *)c->ids[i].scheme.data);
			mem_free((void *)c->ids[i].id.data);
		}
	mem_free(c->ids);
	c->ids = NULL;
	c->auth.n = 0;
}

void
conn_kill(struct front *f, struct front_conn *c, const char *reason)
{
	if (c->state == CONN_DEAD)
		return;
	if (reason != NULL && may_complain(f))
		trace(f->trace, TRACE_WARNING, "front", "close", "peer=%s:%u session=0x%llx reason=%s",
		      c->peer.text, c->peer.port, (unsigned long long)c->session,
		      quote(slice_str(reason)).text);
	c->state = CONN_DEAD;
	conn_detach(f, c);
	learner_conn_gone(f, c);
	list_remove(&c->link);
	list_remove(&c->timer);
	list_remove(&c->stalled);
	uncount_address(f, &c->peer);
	f->nconns--;
	front_do(f, FRONT_CLOSE, c);
}

static void
release(struct front_conn *c)
{
	if (!c->close_taken || c->inflight > 0)
		return;
	buf_free(&c->asked);
	mem_free(c);
}

/* Not at once in conn_kill: whoever called that may stand in the middle of the buffers, or of the watches. */
void
conn_closed(struct front *f, struct front_conn *c)
{
	watch_leave(f->watches, &c->watcher);
	buf_free(&c->in);
	buf_free(&c->out);
	buf_free(&c->waiting);
	free_auth(c);
	c->close_taken = true;
	release(c);
}

void
conn_landed(struct front_conn *c)
{
	ASSERT(c->inflight > 0);
	c->inflight--;
	release(c);
}

void
conn_hangup(struct front *f, const struct front_event *e)
{
	struct front_conn *c = e->conn;

	/* A client may shut down its side and still read our last words; the timer sees to those that do not. */
	if (c->state == CONN_CLOSING && e->count != 0) {
		set_reading(f, c, false);
		return;
	}
	f->metrics.connections_dropped++;
	if (c->state == CONN_NEW && buf_len(&c->in) > 0)
		conn_kill(f, c, "closed in the middle of its first frame");
	else
		conn_kill(f, c, NULL);
}

/*
 * Where a node stands alone a session's expiry closes its connection. In an ensemble the session may go on elsewhere
 * while the peer of its old connection is gone without a word.
 */
static void
close_if_silent(struct front *f, struct front_conn *c)
{
	if ((c->state == CONN_OPEN || c->state == CONN_OPENING) &&
	    f->now_ms > c->heard_ms + (uint64_t)c->timeout_ms + f->config.tick_ms)
		conn_kill(f, c, NULL);
}

uint64_t
conn_silent_deadline(const struct front *f)
{
	return front_serving(f) && !f->role.standalone && f->nconns > 0 ? f->silent_ms : UINT64_MAX;
}

/* A part of them at each look; the list goes round. */
void
conn_close_silent(struct front *f)
{
	if (f->now_ms < conn_silent_deadline(f))
		return;
	f->silent_ms = f->now_ms + f->config.tick_ms / SILENT_LOOKS;
	for (uint32_t n = f->nconns / SILENT_LOOKS + 1; n > 0 && f->nconns > 0; n--) {
		struct list *e = list_first(&f->conns);

		list_remove(e);
		list_append(&f->conns, e);
		close_if_silent(f, container_of(e, struct front_conn, link));
	}
}

void
conn_expire_timers(struct front *f)
{
	struct list *e;

	while ((e = list_first(&f->timers)) != NULL) {
		struct front_conn *c = container_of(e, struct front_conn, timer);

		if (c->timer_ms > f->now_ms)
			return;
		f->metrics.silent_expired += c->state == CONN_NEW;
		conn_kill(f, c,
			  c->state == CONN_NEW ? "no connect request in time"
					       : "does not read its last reply");
	}
}
