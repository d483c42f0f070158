/*
 * Client sockets. One read for each readable socket in a turn, straight into the turn's scratch memory; one write for
 * all replies of a turn. Invariants: a client waits for writability only while its socket is full; its descriptor is
 * open until the front has said FRONT_CLOSE.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "shell.h"

#include "base/mem.h"
#include "config/config.h"
#include "io/clock.h"
#include "io/log.h"

struct client {
	struct list link; /* clientd.clients */
	struct clientd *clientd;
	struct front_conn *conn; /* NULL until the front adopts it */
	ev_io readable, writable;
	int fd;
};

_Static_assert((int)FRONT_READ_MAX <= (int)TURN_SCRATCH_BYTES, "a read fits into the turn's scratch memory");

static void
step(struct client *c, enum front_event_type type, size_t count)
{
	struct front_event e = shell_event(type);

	e.conn = c->conn;
	e.count = count;
	front_step(c->clientd->front, &e);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client *c = w->data;
	struct turn *turn = &c->clientd->daemon->turn;
	struct front_event e;
	ssize_t n;

	(void)revents;
	n = recv(c->fd, turn->scratch, FRONT_READ_MAX, 0);
	if (n > 0) {
		e = shell_event(FRONT_INPUT);
		e.conn = c->conn;
		e.bytes = slice_of(turn->scratch, (size_t)n);
		front_step(c->clientd->front, &e);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		ev_io_stop(loop, &c->readable);
		step(c, FRONT_HANGUP, n == 0);
	}
}

static void
flush(struct client *c)
{
	struct ev_loop *loop = c->clientd->daemon->loop;
	struct slice out = front_output(c->conn);
	ssize_t n;

	if (out.len == 0)
		return;
	n = send(c->fd, out.data, out.len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		ev_io_stop(loop, &c->writable);
		step(c, FRONT_HANGUP, 0);
		return;
	}
	if (n < 0 || (size_t)n < out.len)
		ev_io_start(loop, &c->writable);
	else
		ev_io_stop(loop, &c->writable);
	if (n > 0)
		step(c, FRONT_WROTE, (size_t)n);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	flush(w->data);
}

/* Port and address of a peer; an IPv4 address that came in through an IPv6 socket is shown as what it is. */
static void
describe_peer(const struct sockaddr_storage *from, struct front_peer *peer)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *four = (const struct sockaddr_in *)from;
	const uint8_t *address = (const uint8_t *)&four->sin_addr;

	*peer = (struct front_peer){ .address_len = 4 };
	if (from->ss_family == AF_INET6) {
		peer->port = ntohs(six->sin6_port);
		address = six->sin6_addr.s6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
			address += 12;
		else
			peer->address_len = 16;
	} else {
		peer->port = ntohs(four->sin_port);
	}
	memcpy(peer->address, address, peer->address_len);
	inet_ntop(peer->address_len == 4 ? AF_INET : AF_INET6, address, peer->text, sizeof peer->text);
}

static void
set_options(const struct clientd *d, int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (d->daemon->config->client_tcp_keep_alive)
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static void
on_accepted(void *owner, int fd, const struct sockaddr_storage *from, socklen_t len)
{
	struct clientd *d = owner;
	struct client *c = mem_zalloc(1, sizeof *c);
	struct front_event e = shell_event(FRONT_OPENED);
	struct front_peer peer;

	(void)len;
	describe_peer(from, &peer);
	set_options(d, fd);
	c->clientd = d;
	c->fd = fd;
	ev_io_init(&c->readable, on_readable, fd, EV_READ);
	ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
	c->readable.data = c->writable.data = c;
	list_append(&d->clients, &c->link);
	e.owner = c;
	e.peer = &peer;
	front_step(d->front, &e);
}

void
clients_init(struct clientd *d)
{
	list_init(&d->clients);
}

void
clients_accept(struct clientd *d)
{
	if (d->listener < 0)
		return;
	acceptor_start(&d->acceptor, d->daemon->loop, d->listener, "client", on_accepted, d);
	d->listener = -1;
}

void
clients_adopt(struct clientd *d, void *owner, struct front_conn *conn)
{
	struct client *c = owner;

	c->conn = conn;
	ev_io_start(d->daemon->loop, &c->readable);
}

void
clients_write(struct clientd *d, void *owner)
{
	struct client *c = owner;

	(void)d;
	/* While the socket is full the loop will say when to go on. */
	if (!ev_is_active(&c->writable))
		flush(c);
}

void
clients_read(struct clientd *d, void *owner, bool on)
{
	struct client *c = owner;

	if (on)
		ev_io_start(d->daemon->loop, &c->readable);
	else
		ev_io_stop(d->daemon->loop, &c->readable);
}

static void
drop(struct client *c)
{
	struct ev_loop *loop = c->clientd->daemon->loop;

	ev_io_stop(loop, &c->readable);
	ev_io_stop(loop, &c->writable);
	list_remove(&c->link);
	close(c->fd);
	mem_free(c);
}

void
clients_close(struct clientd *d, void *owner)
{
	struct client *c = owner;

	/* Input that nobody read would make the kernel send a reset, which can overtake our last reply. */
	(void)recv(c->fd, d->daemon->turn.scratch, TURN_SCRATCH_BYTES, MSG_DONTWAIT);
	drop(c);
}

void
clients_stop(struct clientd *d)
{
	acceptor_stop(&d->acceptor);
	if (d->listener >= 0)
		close(d->listener);
	d->listener = -1;
	list_for_each_safe (e, &d->clients)
		drop(container_of(e, struct client, link));
}
