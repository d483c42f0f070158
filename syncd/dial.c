/*
 * The connection to a leader: its names are looked up at every dial, and its addresses are tried one after the other,
 * each for a limited time, until one answers. The core decides when to dial again. Invariant: whatever an action
 * begins ends in a callback of the loop, never inside the action.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell.h"

#include "io/log.h"

enum {
	LIMIT_TICKS =
	    2 /* for one address to answer, so that an address that drops packets leaves time for the next */
};

static void
drop_socket(struct dial *d)
{
	ev_io_stop(d->syncd->daemon->loop, &d->connected);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

void
dial_stop(struct syncd *s)
{
	struct dial *d = &s->dial;

	drop_socket(d);
	ev_timer_stop(s->daemon->loop, &d->limit);
	resolver_cancel(&d->query);
	d->attempt = 0;
}

static void
fail(struct dial *d)
{
	struct zab_event e = { .type = ZAB_DIAL_FAILED, .attempt = d->attempt, .fd = -1 };

	dial_stop(d->syncd);
	shell_step(d->syncd, &e);
}

static void
set_limit(struct dial *d, double seconds)
{
	struct ev_loop *loop = d->syncd->daemon->loop;

	ev_timer_stop(loop, &d->limit);
	ev_timer_set(&d->limit, seconds, 0.);
	ev_timer_start(loop, &d->limit);
}

/* 0 when a socket is on its way, or -errno. */
static int
begin_connect(struct dial *d, const struct sockaddr_storage *to)
{
	d->fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0)
		return -errno;
	if (connect(d->fd, (const struct sockaddr *)to, resolver_address_size(to)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	ev_io_set(&d->connected, d->fd, EV_WRITE);
	ev_io_start(d->syncd->daemon->loop, &d->connected);
	return 0;
}

static void
tell_refusal(const struct dial *d, int error)
{
	const struct dial_address *a = &d->addresses[d->next - 1];

	log_event(LOG_INFO, "leader not reached", "sid=%llu address=%s port=%u error=\"%s\"",
		  (unsigned long long)d->sid, log_quote(slice_str(a->host)).text, a->port, strerror(error));
}

static void ask_next(struct dial *d);

/* The next address that the present name stands for; after the last the next name. */
static void
try_next(struct dial *d)
{
	drop_socket(d);
	while (d->tried < d->nfound) {
		int r = begin_connect(d, &d->found[d->tried++]);

		if (r == 0) {
			set_limit(d, LIMIT_TICKS * d->syncd->zab.config.tick_ms / 1000.);
			return;
		}
		tell_refusal(d, -r);
		drop_socket(d);
	}
	ask_next(d);
}

static void
on_found(struct resolver_query *q, const struct sockaddr_storage *found, size_t n)
{
	struct dial *d = container_of(q, struct dial, query);
	uint16_t port = d->addresses[d->next - 1].port;

	for (size_t i = 0; i < n; i++) {
		d->found[i] = found[i];
		resolver_set_port(&d->found[i], port);
	}
	d->nfound = n;
	d->tried = 0;
	if (n == 0)
		tell_refusal(d, EHOSTUNREACH);
	try_next(d);
}

static void
ask_next(struct dial *d)
{
	const struct dial_address *a;
	int r;

	d->nfound = d->tried = 0;
	if (d->next == d->naddresses) {
		fail(d);
		return;
	}
	a = &d->addresses[d->next++];
	if (resolver_literal(a->host, a->port, &d->found[0])) {
		d->nfound = 1;
		try_next(d);
		return;
	}
	r = resolver_ask(&d->syncd->daemon->resolver, &d->query, a->host);
	if (r == -EPIPE) { /* on_resolver_lost */
		log_event(LOG_ERR, "no resolver",
			  "consequence=\"this daemon ends, for another to look up names\"");
		daemon_quit(d->syncd->daemon, EXIT_FAILURE);
	} else if (r != 0) {
		tell_refusal(d, EHOSTUNREACH);
		ask_next(d);
	}
}

static void
on_connected(struct ev_loop *loop, ev_io *w, int revents)
{
	struct dial *d = w->data;
	struct syncd *s = d->syncd;
	struct sockaddr_storage to = d->found[d->tried - 1];
	uint32_t attempt = d->attempt;
	int error = 0, fd;
	socklen_t len = sizeof error;

	(void)loop;
	(void)revents;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0) {
		tell_refusal(d, error);
		try_next(d);
		return;
	}
	ev_io_stop(loop, &d->connected);
	fd = d->fd;
	d->fd = -1;
	dial_stop(s);
	peers_open(s, fd, &to, attempt);
}

/* The dial begins, or its present address has had its time. */
static void
on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct dial *d = w->data;

	(void)loop;
	(void)revents;
	if (d->fd >= 0)
		tell_refusal(d, ETIMEDOUT);
	try_next(d);
}

void
dial_init(struct syncd *s)
{
	struct dial *d = &s->dial;

	d->syncd = s;
	d->fd = -1;
	resolver_query_init(&d->query, on_found);
	ev_init(&d->connected, on_connected);
	ev_init(&d->limit, on_limit);
	d->connected.data = d->limit.data = d;
}

/* What the members in force say of it. */
static void
take_addresses(struct dial *d, const struct config_server *server)
{
	d->naddresses = 0;
	for (size_t i = 0; i < server->naddresses && i < CONFIG_ADDRESSES_MAX; i++) {
		const struct config_server_address *from = &server->addresses[i];
		struct dial_address *to = &d->addresses[d->naddresses];

		if (strlen(from->host) >= sizeof to->host)
			continue; /* no name is so long */
		strcpy(to->host, from->host);
		to->port = from->quorum_port;
		d->naddresses++;
	}
}

void
dial_begin(struct syncd *s, const struct zab_action *a)
{
	static const struct config_server nowhere;
	const struct config_server *server = zab_find_server(&s->zab, a->dial.sid);
	struct dial *d = &s->dial;

	dial_stop(s);
	d->attempt = a->dial.attempt;
	d->sid = a->dial.sid;
	d->next = d->nfound = d->tried = 0;
	take_addresses(d, server != NULL ? server : &nowhere);
	if (server == NULL)
		log_event(LOG_WARNING, "leader unknown", "sid=%llu error=\"no server of the list\"",
			  (unsigned long long)a->dial.sid);
	set_limit(d, 0.);
}
