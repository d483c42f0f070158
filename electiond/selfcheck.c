/* See selfcheck.h. Invariant: the socket is open from the beginning of a check until it is heard or the next begins. */
#include "selfcheck.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/log.h"
#include "io/resolver.h"
#include "io/turn.h"

static void
hang_up(struct selfcheck *s)
{
	if (s->fd < 0)
		return;
	ev_io_stop(s->loop, &s->connected);
	close(s->fd);
	s->fd = -1;
}

static void
on_connected(struct ev_loop *loop, ev_io *w, int revents)
{
	struct selfcheck *s = w->data;

	(void)revents;
	ev_io_stop(loop, w);
	/* Where the connect failed, so does this, and the time of the check runs out. */
	(void)send(s->fd, s->message.data, s->message.len, MSG_NOSIGNAL);
}

void
selfcheck_init(struct selfcheck *s, struct ev_loop *loop)
{
	*s = (struct selfcheck){ .loop = loop, .fd = -1 };
}

/* All addresses means: also the loopback. */
static void
make_reachable(struct sockaddr_storage *a)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)a;
	struct sockaddr_in *four = (struct sockaddr_in *)a;

	if (a->ss_family == AF_INET && four->sin_addr.s_addr == htonl(INADDR_ANY))
		four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (a->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr))
		six->sin6_addr = in6addr_loopback;
}

void
selfcheck_add(struct selfcheck *s, int listener)
{
	struct sockaddr_storage *a = &s->targets[s->ntargets];
	socklen_t len = sizeof *a;

	ASSERT(s->ntargets < SELFCHECK_LISTENERS_MAX);
	if (getsockname(listener, (struct sockaddr *)a, &len) < 0 ||
	    (a->ss_family != AF_INET && a->ss_family != AF_INET6))
		return;
	make_reachable(a);
	s->ntargets++;
}

static void
begin(struct selfcheck *s, uint64_t now_ms, uint64_t accepted)
{
	const struct sockaddr_storage *to = &s->targets[s->current];

	hang_up(s);
	s->waiting = true;
	s->begun_ms = now_ms;
	s->accepted_then = accepted;
	s->fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return;
	if (connect(s->fd, (const struct sockaddr *)to, resolver_address_size(to)) < 0 &&
	    errno != EINPROGRESS) {
		close(s->fd);
		s->fd = -1;
		return;
	}
	ev_io_init(&s->connected, on_connected, s->fd, EV_WRITE);
	s->connected.data = s;
	ev_io_start(s->loop, &s->connected);
}

/* Nothing was heard in time. */
static void
conclude(struct selfcheck *s, uint64_t accepted)
{
	if (accepted != s->accepted_then)
		return;
	if (!s->ever && !s->told)
		log_event(LOG_WARNING, "own port cannot be reached from here, so it cannot be watched",
			  "listener=election");
	else if (s->ever && !s->deaf)
		log_event(LOG_ERR, "deaf: a connection to the own port is not accepted", "listener=election");
	s->told = true;
	s->deaf = s->ever;
}

uint64_t
selfcheck_tick(struct selfcheck *s, uint64_t now_ms, uint64_t accepted, struct slice message)
{
	uint64_t every = s->waiting ? SELFCHECK_LIMIT_MS : SELFCHECK_EVERY_MS;

	s->message = message;
	if (s->ntargets == 0)
		return TURN_NO_DEADLINE;
	if (s->begun_ms == 0 || now_ms - s->begun_ms >= every) {
		if (s->waiting)
			conclude(s, accepted);
		begin(s, now_ms, accepted);
		every = SELFCHECK_LIMIT_MS;
	}
	return s->begun_ms + every;
}

static bool
same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a, *b6 = (const struct sockaddr_in6 *)b;
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a, *b4 = (const struct sockaddr_in *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET6)
		return a6->sin6_port == b6->sin6_port && memcmp(&a6->sin6_addr, &b6->sin6_addr, 16) == 0;
	return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
}

bool
selfcheck_heard(struct selfcheck *s, const struct sockaddr_storage *from)
{
	struct sockaddr_storage own = { 0 };
	socklen_t len = sizeof own;

	if (s->fd < 0 || getsockname(s->fd, (struct sockaddr *)&own, &len) < 0 || !same_address(&own, from))
		return false;
	hang_up(s);
	if (s->deaf)
		log_event(LOG_NOTICE, "hears again", "listener=election");
	s->waiting = s->deaf = s->told = false;
	s->ever = true;
	s->heard++;
	s->current = (s->current + 1) % s->ntargets;
	return true;
}

void
selfcheck_stop(struct selfcheck *s)
{
	hang_up(s);
	s->ntargets = 0;
}
