/*
 * Requests and replies of a session. See zk.h. Invariants: flights stand in the order of their xids, which is the
 * order of their frames in the stream; a server answers them in that order, so the next reply is the oldest one's.
 */
#include "zk.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "zk_int.h"
#include "zkctl.h"

enum {
	READ_STEP = 1 << 16,
	CLOSE_MS = 1000, /* for the answer to closeSession */
	TRIES_MAX = 3,   /* connections that end while a request is in flight */
	ARENA_MAX = 1 << 30,
};

/* ---- Requests ---- */

static void
put_frame(struct zk *z, struct flight *f)
{
	f->begins_at = z->out_total;
	buf_put(&z->out, f->frame, f->len);
	z->out_total += f->len;
}

bool
zk_room(const struct zk *z)
{
	return z->nflights < ZK_WINDOW && z->flight_bytes < ZK_WINDOW_BYTES;
}

struct buf *
zk_begin(struct zk *z, int32_t op)
{
	z->xid = z->xid == INT32_MAX ? 1 : z->xid + 1;
	z->frame_op = op;
	buf_reset(&z->frame, 1 << 16);
	buf_put_be32(&z->frame, 0);
	jute_write_request_header(&z->frame, &(struct jute_request_header){ .xid = z->xid, .type = op });
	return &z->frame;
}

void
zk_end(struct zk *z, void *tag, enum zk_repeat repeat)
{
	size_t len = buf_len(&z->frame);
	struct flight *f = mem_alloc(sizeof *f + len);

	*f = (struct flight){ .xid = z->xid, .op = z->frame_op, .tag = tag, .repeat = repeat, .len = len };
	memcpy(f->frame, buf_head(&z->frame), len);
	put_be32(f->frame, (uint32_t)(len - 4));
	list_append(&z->flights, &f->link);
	z->nflights++;
	z->flight_bytes += len;
	if (z->fd >= 0)
		put_frame(z, f);
}

static void
drop_flight(struct zk *z, struct flight *f)
{
	list_remove(&f->link);
	z->nflights--;
	z->flight_bytes -= f->len;
	mem_free(f);
}

/* ---- A connection is lost ---- */

/*
 * What has not begun to leave, or does no harm when it is done twice, is sent again; the rest is lost. So is what ended
 * one connection after the other: the server may close them because of it.
 */
static void
mark_lost(struct zk *z)
{
	uint64_t left_total = z->out_total - buf_len(&z->out);

	list_for_each (e, &z->flights) {
		struct flight *f = container_of(e, struct flight, link);
		if (f->begins_at < left_total && (f->repeat == ZK_ONCE || ++f->tries == TRIES_MAX))
			f->begins_at = UINT64_MAX;
	}
}

static int
reconnect(struct zk *z)
{
	int r;

	mark_lost(z);
	zk_hang_up(z);
	/* The next one: this one may be going down. */
	z->next_server = (z->next_server + 1) % z->config.servers.n;
	r = zk_connect(z, ZK_AGAIN_MS);
	if (r == -EKEYEXPIRED && z->config.session == 0) {
		z->session = 0;
		memset(z->passwd, 0, sizeof z->passwd);
		r = zk_connect(z, ZK_AGAIN_MS);
		z->renewed = r == 0;
	}
	z->reconnected = r == 0 && !z->renewed;
	if (r < 0)
		return r;
	list_for_each (e, &z->flights) {
		struct flight *f = container_of(e, struct flight, link);
		if (f->begins_at != UINT64_MAX)
			put_frame(z, f);
	}
	return 0;
}

/* ---- Sending and receiving ---- */

static int
send_some(struct zk *z)
{
	while (buf_len(&z->out) > 0) {
		ssize_t n = send(z->fd, buf_head(&z->out), buf_len(&z->out), MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		buf_consume(&z->out, (size_t)n);
		z->sent_ms = clock_ms();
	}
	return 0;
}

static int
receive_some(struct zk *z)
{
	uint8_t *room = buf_reserve(&z->in, READ_STEP);
	ssize_t n;

	if (room == NULL)
		return -EMSGSIZE;
	n = recv(z->fd, room, READ_STEP, 0);
	if (n == 0)
		return -ECONNRESET;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	buf_commit(&z->in, (size_t)n);
	z->heard_ms = clock_ms();
	return 0;
}

static void
put_ping(struct zk *z)
{
	size_t before = buf_len(&z->out);

	buf_put_be32(&z->out, 8);
	jute_write_request_header(&z->out,
				  &(struct jute_request_header){ .xid = ZK_XID_PING, .type = ZK_OP_PING });
	z->out_total += buf_len(&z->out) - before;
	z->ping_due = true;
}

/* When something has to be done although nothing arrives: a ping, or to give the server up. */
static int64_t
next_duty(const struct zk *z)
{
	bool expects = z->ping_due || z->nflights > 0;
	int64_t give_up = z->heard_ms + (int64_t)z->timeout_ms * 2 / 3;
	int64_t ping = z->sent_ms + (int64_t)z->timeout_ms / 3;

	return z->ping_due || (expects && give_up < ping) ? give_up : ping;
}

static int
do_duty(struct zk *z)
{
	if (clock_ms() < next_duty(z))
		return 0;
	if (z->ping_due)
		return -ETIMEDOUT;
	put_ping(z);
	return 0;
}

/* ---- What arrived ---- */

static int
take_auth_reply(struct zk *z, const struct jute_reply_header *h)
{
	if (z->auths_due > 0)
		z->auths_due--;
	if (h->err == ZK_OK)
		return 0;
	zk_hang_up(z);
	return zk_explain(z, -EACCES,
			  "the server refuses the credential of --auth (%s); is its scheme enabled there?",
			  zk_error_name(h->err));
}

static int
take_reply(struct zk *z, const struct jute_reply_header *h, struct jute_reader *r, struct zk_news *n)
{
	struct flight *f =
	    list_empty(&z->flights) ? NULL : container_of(z->flights.next, struct flight, link);

	if (f == NULL || f->xid != h->xid) {
		zk_explain(z, -EPROTO, "%s:%s answered what was not asked (xid %d)", z->server->host,
			   z->server->port, h->xid);
		return -EPROTO;
	}
	*n = (struct zk_news){
		.kind = ZK_NEWS_REPLY,
		.op = f->op,
		.tag = f->tag,
		.err = h->err,
		.zxid = h->zxid,
		.body = *r,
	};
	drop_flight(z, f);
	return 1;
}

/* A whole frame stands first in z->in. 1: it is news, 0: it is none, else -errno. */
static int
take_frame(struct zk *z, size_t size, struct zk_news *n)
{
	struct jute_reply_header h;
	struct jute_reader r;

	jute_reader_init(&r, slice_of(buf_head(&z->in) + 4, size - 4), UINT32_MAX);
	if (!jute_read_reply_header(&r, NULL, &h))
		return -EPROTO;
	if ((int64_t)h.zxid > (int64_t)z->last_zxid)
		z->last_zxid = h.zxid;
	if (h.xid == ZK_XID_PING) {
		z->ping_due = false;
		return 0;
	}
	if (h.xid == ZK_XID_AUTH)
		return take_auth_reply(z, &h);
	if (h.xid != ZK_XID_NOTIFICATION)
		return take_reply(z, &h, &r, n);
	*n = (struct zk_news){ .kind = ZK_NEWS_EVENT, .zxid = h.zxid };
	return jute_read_watcher_event(&r, NULL, &n->event) ? 1 : -EPROTO;
}

/* 1: there is news in n; 0: more has to arrive first. */
static int
look(struct zk *z, struct zk_news *n)
{
	int r = 0;

	buf_consume(&z->in, z->in_frame);
	z->in_frame = 0;
	while (r == 0 && buf_len(&z->in) >= 4) {
		size_t size = 4 + (size_t)get_be32(buf_head(&z->in));
		if (size > ZK_REPLY_MAX)
			return -EMSGSIZE;
		if (buf_len(&z->in) < size)
			return 0;
		r = take_frame(z, size, n);
		if (r > 0)
			z->in_frame = size; /* its bytes are looked at until the next call */
		else if (r == 0)
			buf_consume(&z->in, size);
	}
	return r;
}

/* News that needs no server: a reconnect, a request that was lost. */
static bool
own_news(struct zk *z, struct zk_news *n)
{
	struct flight *f =
	    list_empty(&z->flights) ? NULL : container_of(z->flights.next, struct flight, link);

	if (z->reconnected || z->renewed) {
		*n = (struct zk_news){ .kind = z->renewed ? ZK_NEWS_NEW_SESSION : ZK_NEWS_RECONNECTED };
		z->reconnected = z->renewed = false;
		return true;
	}
	if (f == NULL || f->begins_at != UINT64_MAX)
		return false;
	*n = (struct zk_news){
		.kind = ZK_NEWS_REPLY,
		.op = f->op,
		.tag = f->tag,
		.err = ZK_CONNECTIONLOSS,
	};
	drop_flight(z, f);
	return true;
}

/* One round of sending and waiting. */
static int
pump(struct zk *z, int64_t end_ms)
{
	int64_t duty = next_duty(z);
	short ready = 0;
	int r = do_duty(z);

	r = r < 0 ? r : send_some(z);
	if (r < 0)
		return r;
	r = zk_wait(z, z->fd, buf_len(&z->out) > 0 ? POLLIN | POLLOUT : POLLIN, duty < end_ms ? duty : end_ms,
		    &ready);
	if (r == -EINTR)
		return r;
	return (ready & (POLLIN | POLLHUP | POLLERR)) != 0 ? receive_some(z) : 0;
}

/* Whether an error is one of the connection, that another connection may not have. */
static bool
is_lost(int error)
{
	return error != -EINTR && error != -EACCES && error != -EMSGSIZE && error != -EPROTO;
}

int
zk_next(struct zk *z, struct zk_news *n, int64_t limit_ms)
{
	int64_t end_ms = limit_ms < 0 ? INT64_MAX : clock_ms() + limit_ms;
	int r;

	for (;;) {
		if (own_news(z, n))
			return 0;
		r = z->fd < 0 ? -ENOTCONN : look(z, n);
		if (r > 0)
			return 0;
		if (r == 0 && limit_ms >= 0 && clock_ms() >= end_ms && limit_ms > 0)
			return -ETIMEDOUT;
		if (r == 0)
			r = pump(z, end_ms);
		if (r == 0 && limit_ms == 0) {
			r = look(z, n);
			if (r >= 0)
				return r > 0 ? 0 : -ETIMEDOUT;
		}
		if (r < 0 && is_lost(r))
			r = reconnect(z);
		if (r < 0)
			return r == -EMSGSIZE
				   ? zk_explain(z, r, "a reply is longer than %d MiB", ZK_REPLY_MAX >> 20)
				   : r;
	}
}

int
zk_reply(struct zk *z, struct zk_news *n)
{
	int r;

	do
		r = zk_next(z, n, -1);
	while (r == 0 && n->kind != ZK_NEWS_REPLY);
	return r;
}

int
zk_idle(struct zk *z)
{
	struct zk_news n;
	int r;

	do
		r = zk_next(z, &n, 0);
	while (r == 0);
	return r == -ETIMEDOUT ? 0 : r;
}

void
zk_reset(struct zk *z)
{
	zk_hang_up(z);
	while (!list_empty(&z->flights))
		drop_flight(z, container_of(z->flights.next, struct flight, link));
}

/* ---- Begin and end ---- */

int
zk_open(struct zk *z, const struct zk_config *config)
{
	*z = (struct zk){ .config = *config, .fd = -1, .session = config->session };
	buf_init(&z->out, SIZE_MAX / 4);
	buf_init(&z->in, (size_t)ZK_REPLY_MAX + READ_STEP);
	buf_init(&z->frame, SIZE_MAX / 4);
	arena_init(&z->arena, ARENA_MAX);
	list_init(&z->flights);
	if (config->session != 0)
		passwd_derive(config->session, z->passwd);
	return zk_connect(z, config->wait_ms);
}

void
zk_abandon(struct zk *z)
{
	if (z->flights.next == NULL)
		return;
	zk_reset(z);
	buf_free(&z->out);
	buf_free(&z->in);
	buf_free(&z->frame);
	arena_free(&z->arena);
	*z = (struct zk){ .fd = -1 };
}

void
zk_close(struct zk *z)
{
	int64_t end_ms = clock_ms() + CLOSE_MS;
	struct zk_news n;

	if (z->flights.next != NULL && z->fd >= 0) {
		zk_begin(z, ZK_OP_CLOSE_SESSION);
		zk_end(z, NULL, ZK_ONCE);
		z->config.stop = NULL;
		while (clock_ms() < end_ms && z->fd >= 0 && z->nflights > 0) {
			int r = look(z, &n);
			if (r < 0 || (r == 0 && pump(z, end_ms) < 0))
				break;
		}
	}
	zk_abandon(z);
}
