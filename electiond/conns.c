/*
 * Connections of the election port: accepting, finding out who it is, notifications in and out. See peers.h. Invariants:
 * a connection is of a peer, or unknown and its time is limited, or about to be freed; nothing but the bytes of an
 * initial message is kept of one that is unknown.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "io/clock.h"
#include "io/log.h"
#include "peers_internal.h"

enum {
	FRAME_MAX = 4 + NOTIFICATION_BODY_MAX,
	OUT_MAX = 2 * FRAME_MAX + INITIAL_BYTES_MAX,
};

struct address_text {
	char text[INET6_ADDRSTRLEN + 8];
};

static struct address_text
print_address(const struct sockaddr_storage *a)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in *four = (const struct sockaddr_in *)a;
	char host[INET6_ADDRSTRLEN] = "?";
	struct address_text out;

	if (a->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, host, sizeof host);
	else if (a->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
	else if (a->ss_family == AF_INET)
		inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
	snprintf(out.text, sizeof out.text, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host,
		 ntohs(a->ss_family == AF_INET6 ? six->sin6_port : four->sin_port));
	return out;
}

void
conn_complain(struct conn *c, const char *why)
{
	struct peers *p = c->peers;
	uint64_t now = clock_mono_ms();

	p->refused++;
	p->untold++;
	if (p->told_ms != 0 && now - p->told_ms < PEERS_TELL_EVERY_MS)
		return;
	log_event(LOG_WARNING, "connection refused", "listener=election from=%s reason=\"%s\" refused=%llu",
		  print_address(&c->from).text, why, (unsigned long long)p->untold);
	p->told_ms = now;
	p->untold = 0;
}

/* Its stream is closed. */
static void
bury(struct conn *c)
{
	if (c->unknown)
		c->peers->nunknown--;
	c->unknown = false;
	c->peer = NULL;
	list_remove(&c->link);
	list_append(&c->peers->dead, &c->link);
}

void
conn_drop(struct conn *c)
{
	stream_close(&c->stream);
	if (c->peer != NULL && c->peer->conn == c)
		c->peer->conn = NULL;
	if (c->asks != NULL)
		c->asks->asking = NULL;
	c->asks = NULL;
	bury(c);
}

void
conn_ask(struct conn *c, struct peer *peer)
{
	if (peer->asking != NULL)
		conn_drop(peer->asking);
	peer->asking = c;
	c->asks = peer;
}

static void
forget_unknown(struct conn *c)
{
	list_remove(&c->link);
	c->unknown = false;
	c->peers->nunknown--;
}

static void
add_unknown(struct conn *c)
{
	struct peers *p = c->peers;

	if (p->nunknown >= PEERS_UNKNOWN_MAX) {
		struct conn *oldest = container_of(list_first(&p->unknown), struct conn, link);

		conn_complain(oldest, "too many that did not say who they are");
		conn_drop(oldest);
	}
	list_append(&p->unknown, &c->link);
	c->unknown = true;
	p->nunknown++;
}

/* What comes in */

static void
take_hints(struct peer *peer, const struct initial *m)
{
	struct sockaddr_storage address;

	peer->nhints = 0;
	for (size_t i = 0; i < m->naddresses; i++) {
		struct hint *h = &peer->hints[peer->nhints];
		struct slice host = m->addresses[i].host;

		if (host.len >= sizeof h->host)
			continue;
		memcpy(h->host, host.data, host.len);
		h->host[host.len] = '\0';
		h->port = m->addresses[i].port;
		peer->nhints += resolver_literal(h->host, h->port, &address);
	}
}

/* 0, or -errno to close the connection. */
static int
identify(struct conn *c, const struct initial *m)
{
	struct peers *p = c->peers;
	int64_t sid = m->sid;
	struct peer *peer;

	if (sid == p->config.sid) {
		if (p->config.is_own == NULL || !p->config.is_own(p->config.owner, &c->from))
			conn_complain(c, "it says that it is this server");
		return -ECONNABORTED;
	}
	if (sid == INITIAL_SID_NONE)
		sid = --p->last_nameless;
	peer = peer_get(p, sid);
	take_hints(peer, m);
	log_event(LOG_DEBUG, "peer dialled", "sid=%lld from=%s", (long long)sid,
		  print_address(&c->from).text);
	if (!initial_keeps(sid, p->config.sid)) {
		conn_drop(c);
		peer_dial_back(peer);
		return 0;
	}
	forget_unknown(c);
	peer_attach(peer, c);
	return 0;
}

static int64_t
take_initial(struct conn *c, struct slice data)
{
	struct initial m;
	int64_t n = initial_parse(data, &m);
	int error;

	if (n < 0)
		conn_complain(c, "no initial message of an election");
	if (n <= 0)
		return n;
	error = identify(c, &m);
	return error < 0 ? error : n;
}

static int64_t
take_notification(struct conn *c, struct slice data)
{
	struct notification m;
	struct slice body;
	int64_t n = notification_frame(data, &body);

	if (n < 0)
		conn_complain(c, "a notification of absurd length");
	if (n <= 0)
		return n;
	/* As in ZooKeeper one that makes no sense is passed over. */
	if (notification_parse(body, &m) == 0)
		peer_heard(c->peer, &m);
	else
		log_event(LOG_DEBUG, "notification makes no sense", "sid=%lld bytes=%zu",
			  (long long)c->peer->sid, body.len);
	return n;
}

static int64_t
on_input(struct stream *s, struct slice data)
{
	struct conn *c = s->owner;
	int64_t n = 1, used = 0;

	if (c->asks != NULL)
		return -ECONNABORTED; /* nobody answers there */
	while (n > 0 && stream_is_open(s)) {
		n = c->peer == NULL ? take_initial(c, data) : take_notification(c, data);
		if (n > 0) {
			used += n;
			data = slice_of(data.data + n, data.len - (size_t)n);
		}
	}
	if (c->peer == NULL || data.len == 0)
		c->half_ms = 0;
	else if (c->half_ms == 0 || used > 0)
		c->half_ms = clock_mono_ms();
	return n < 0 ? n : used;
}

static void
on_drained(struct stream *s)
{
	struct conn *c = s->owner;

	/* No more comes, as a server of ZooKeeper would say by closing; but the end of it is still to be heard. */
	if (c->asks != NULL)
		shutdown(s->fd, SHUT_WR);
	if (c->peer == NULL)
		return;
	if (c->peer->has_slot)
		peer_pump(c->peer);
	else if (c->spoken)
		peer_happened(c->peer, ELECTION_DELIVERED);
}

static bool
is_reset(int error)
{
	return error == -ECONNRESET || error == -EPIPE;
}

/*
 * The kernel takes connections for a process that is dead or dying, as long as anybody holds its listener, and resets
 * them when that goes. Who is alive reads what we said and closes.
 */
static void
asking_ended(struct peer *peer, int error)
{
	peer->asking = NULL;
	if (is_reset(error) && peer->conn == NULL && !peer->dial.active)
		peer_happened(peer, ELECTION_RESET);
}

static void
on_closed(struct stream *s, int error)
{
	struct conn *c = s->owner;
	struct peer *peer = c->peer;

	if (c->asks != NULL)
		asking_ended(c->asks, error);
	c->asks = NULL;

	if (peer != NULL) {
		log_event(LOG_DEBUG, "connection ended", "sid=%lld reason=\"%s\"", (long long)peer->sid,
			  stream_error_text(error));
		peer->conn = NULL;
		peer_happened(peer, error == 0        ? ELECTION_CLOSED
				    : is_reset(error) ? ELECTION_RESET
						      : ELECTION_LOST);
		if (peer->dial_back_ms != 0)
			peer_dial_back(peer);
	}
	bury(c);
}

static const struct stream_ops stream_ops = { .input = on_input, .closed = on_closed, .drained = on_drained };

/* Making them */

static void
set_options(const struct peers *p, int fd)
{
	unsigned silent_ms = (unsigned)p->config.dial_ms;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	/* A vote that nobody acknowledges ends the connection: the next one is dialled. */
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof silent_ms);
	if (p->config.keep_alive)
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static struct conn *
make(struct peers *p, int fd)
{
	static const struct stream_limits limits = { .in_max = FRAME_MAX, .out_max = OUT_MAX };
	struct conn *c = mem_zalloc(1, sizeof *c);

	c->peers = p;
	c->since_ms = clock_mono_ms();
	list_init(&c->link);
	set_options(p, fd);
	stream_init(&c->stream, p->config.turn, &stream_ops, c, &limits);
	stream_open(&c->stream, fd);
	return c;
}

void
conn_accepted(void *owner, int fd, const struct sockaddr_storage *from, socklen_t len)
{
	struct peers *p = owner;
	struct conn *c = make(p, fd);

	(void)len;
	p->accepted++;
	c->from = *from;
	add_unknown(c);
}

struct conn *
conn_dialled(struct peers *p, int fd)
{
	struct conn *c = make(p, fd);
	socklen_t len = sizeof c->from;

	(void)getpeername(fd, (struct sockaddr *)&c->from, &len);
	buf_put_slice(stream_out(&c->stream), buf_slice(&p->initial));
	return c;
}
