/*
 * Connections on the quorum port. Bytes go to the core as they come, one read for each readable socket in a turn; what
 * the core has for a peer leaves in one write at the end of the turn. Invariants: a peer waits for writability only
 * while its socket is full; one that is over is out of the table at once and freed at the end of the turn.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shell.h"

#include "base/mem.h"
#include "io/clock.h"
#include "io/log.h"

enum { REFUSALS_EVERY_MS = 10000 };

static void
step(struct peer *p, enum zab_event_type type, size_t count)
{
	struct zab_event e = { .type = type, .peer = p->number, .count = count, .fd = -1 };

	shell_step(p->syncd, &e);
}

/* Takes it out of the world; its memory stays until the end of the turn. */
static void
remove_peer(struct peer *p)
{
	struct syncd *s = p->syncd;

	ev_io_stop(s->daemon->loop, &p->readable);
	ev_io_stop(s->daemon->loop, &p->writable);
	turn_unmark(&p->item);
	stream_close(&p->channel);
	close(p->fd);
	p->fd = -1;
	s->peers[p->number % ZAB_PEERS_MAX] = NULL;
	list_append(&s->gone, &p->link);
	turn_again(&s->daemon->turn);
}

/* The other side ended it, or the network did. */
static void
lose(struct peer *p, const char *how)
{
	uint32_t number = p->number;
	struct zab_event e = { .type = ZAB_PEER_CLOSED, .peer = number, .fd = -1 };

	log_event(LOG_INFO, "peer closed", "peer=%s reason=%s", p->name, log_quote(slice_str(how)).text);
	remove_peer(p);
	shell_step(p->syncd, &e);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct peer *p = w->data;
	struct turn *turn = &p->syncd->daemon->turn;
	struct zab_event e = { .type = ZAB_PEER_INPUT, .peer = p->number, .fd = -1 };
	ssize_t n;

	(void)loop;
	(void)revents;
	n = recv(p->fd, turn->scratch, PEER_READ_BYTES, 0);
	if (n > 0) {
		e.bytes = slice_of(turn->scratch, (size_t)n);
		shell_step(p->syncd, &e);
	} else if (n == 0) {
		lose(p, "closed");
	} else if (errno != EAGAIN && errno != EINTR) {
		lose(p, strerror(errno));
	}
}

static void
flush(struct peer *p)
{
	struct ev_loop *loop = p->syncd->daemon->loop;
	struct slice out = zab_peer_output(&p->syncd->zab, p->number);
	ssize_t n;

	if (out.len == 0)
		return;
	n = send(p->fd, out.data, out.len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		lose(p, strerror(errno));
		return;
	}
	if (n < 0 || (size_t)n < out.len)
		ev_io_start(loop, &p->writable);
	else
		ev_io_stop(loop, &p->writable);
	if (n > 0)
		step(p, ZAB_PEER_WROTE, (size_t)n);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	flush(w->data);
}

static void
on_turn_end(struct turn_item *item)
{
	flush(container_of(item, struct peer, item));
}

/* ADDRESS:PORT. */
static void
name_peer(const struct sockaddr_storage *address, char *out, size_t size)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	char text[INET6_ADDRSTRLEN] = "?";

	if (address->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
		snprintf(out, size, "[%s]:%u", text, ntohs(six->sin6_port));
	} else {
		inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
		snprintf(out, size, "%s:%u", text, ntohs(four->sin_port));
	}
}

static void
set_options(const struct syncd *s, int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (s->daemon->config->tcp_keep_alive)
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

/* A number whose slot is free; 0 when there is none. */
static uint32_t
pick_number(struct syncd *s)
{
	for (uint32_t slot = 0; slot < ZAB_PEERS_MAX; slot++)
		if (s->peers[slot] == NULL) {
			if (++s->peer_generation >= UINT32_MAX / ZAB_PEERS_MAX)
				s->peer_generation = 1;
			return s->peer_generation * ZAB_PEERS_MAX + slot;
		}
	return 0;
}

/* As many connections as there may be: one line for all that are turned away within a while. */
static void
tell_full(struct syncd *s, const struct sockaddr_storage *address)
{
	uint64_t now_ms = clock_mono_ms();
	char name[64];

	s->peers_refused++;
	if (s->peers_refused > 1 && now_ms - s->refusal_told_ms < REFUSALS_EVERY_MS)
		return;
	name_peer(address, name, sizeof name);
	log_event(LOG_WARNING, "too many peers", "peer=%s limit=%d refused=%llu", name, (int)ZAB_PEERS_MAX,
		  (unsigned long long)s->peers_refused);
	s->refusal_told_ms = now_ms;
}

void
peers_open(struct syncd *s, int fd, const struct sockaddr_storage *address, uint32_t attempt)
{
	struct zab_event e = { .type = ZAB_PEER_OPENED, .attempt = attempt, .fd = -1 };
	struct peer *p;

	e.peer = pick_number(s);
	if (e.peer == 0) {
		tell_full(s, address);
		close(fd);
		e.type = ZAB_DIAL_FAILED;
		if (attempt != 0)
			shell_step(s, &e);
		return;
	}
	set_options(s, fd);
	p = mem_zalloc(1, sizeof *p);
	p->syncd = s;
	p->fd = fd;
	p->number = e.peer;
	name_peer(address, p->name, sizeof p->name);
	turn_item_init(&p->item, on_turn_end);
	channel_init(p);
	ev_io_init(&p->readable, on_readable, fd, EV_READ);
	ev_io_init(&p->writable, on_writable, fd, EV_WRITE);
	p->readable.data = p->writable.data = p;
	s->peers[p->number % ZAB_PEERS_MAX] = p;
	ev_io_start(s->daemon->loop, &p->readable);
	log_event(LOG_INFO, "peer opened", "peer=%s dialled=%d", p->name, attempt != 0);
	shell_step(s, &e);
}

struct peer *
peers_find(struct syncd *s, uint32_t number)
{
	struct peer *p = s->peers[number % ZAB_PEERS_MAX];

	return p != NULL && p->number == number ? p : NULL;
}

void
peers_flush(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = peers_find(s, a->peer);

	/* While the socket is full the loop will say when to go on. */
	if (p != NULL && !ev_is_active(&p->writable))
		turn_mark(&s->daemon->turn, &p->item);
}

void
peers_read(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = peers_find(s, a->peer);

	if (p == NULL)
		return;
	if (a->on)
		ev_io_start(s->daemon->loop, &p->readable);
	else
		ev_io_stop(s->daemon->loop, &p->readable);
}

void
peers_close(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = peers_find(s, a->peer);

	if (p == NULL)
		return;
	log_event(LOG_NOTICE, "peer ended", "peer=%s reason=%s", p->name,
		  log_quote(slice_str(a->reason)).text);
	remove_peer(p);
}

void
peers_bury(struct syncd *s)
{
	list_for_each_safe (e, &s->gone) {
		list_remove(e);
		mem_free(container_of(e, struct peer, link));
	}
}

static void
on_accepted(void *owner, int fd, const struct sockaddr_storage *from, socklen_t len)
{
	(void)len;
	peers_open(owner, fd, from, 0);
}

void
peers_start(struct syncd *s)
{
	list_init(&s->gone);
	while (s->nacceptors < QUORUM_LISTENERS_MAX) {
		int fd = listen_take(&s->daemon->listeners, "quorum");

		if (fd < 0)
			return;
		acceptor_start(&s->acceptors[s->nacceptors++], s->daemon->loop, fd, "quorum", on_accepted, s);
	}
}

void
peers_stop(struct syncd *s)
{
	for (unsigned i = 0; i < s->nacceptors; i++)
		acceptor_stop(&s->acceptors[i]);
	for (size_t i = 0; i < ZAB_PEERS_MAX; i++)
		if (s->peers[i] != NULL)
			remove_peer(s->peers[i]);
	peers_bury(s);
}
