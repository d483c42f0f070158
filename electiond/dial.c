/* See dial.h. Invariant: an active dial has a candidate that is tried or will be, a name without an answer, or a timer
 * that is due at once. */
#include "dial.h"

#include <errno.h>
#include <unistd.h>

#include "base/assert.h"

static void
stop_attempt(struct dial_attempt *a)
{
	if (a->fd < 0)
		return;
	ev_io_stop(a->dial->loop, &a->watcher);
	close(a->fd);
	a->fd = -1;
	a->dial->nopen--;
}

void
dial_stop(struct dial *d)
{
	if (!d->active)
		return;
	d->active = false;
	ev_timer_stop(d->loop, &d->limit);
	ev_timer_stop(d->loop, &d->stagger);
	for (size_t i = 0; i < d->nnames; i++)
		resolver_cancel(&d->names[i].query);
	for (size_t i = 0; i < d->nattempts; i++)
		stop_attempt(&d->attempts[i]);
}

static void
finish(struct dial *d, int fd, int error)
{
	dial_stop(d);
	d->done(d, fd, error);
}

static void
note_failure(struct dial *d, int error)
{
	/* A listener that goes while it has us in its queue resets us. */
	if (error == -ECONNREFUSED || error == -ECONNRESET)
		return;
	d->refused = false;
	d->error = error;
}

static void go_on(struct dial *d);

static void
on_connected(struct ev_loop *loop, ev_io *w, int revents)
{
	struct dial_attempt *a = w->data;
	struct dial *d = a->dial;
	socklen_t len = sizeof(int);
	int error = 0, fd = a->fd;

	(void)revents;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		ev_io_stop(loop, &a->watcher);
		a->fd = -1;
		d->nopen--;
		finish(d, fd, 0);
		return;
	}
	stop_attempt(a);
	note_failure(d, -error);
	go_on(d);
}

/* Tries the next candidate. False when it has failed already. */
static bool
attempt(struct dial *d)
{
	const struct sockaddr_storage *to = &d->candidates[d->nattempts];
	struct dial_attempt *a = &d->attempts[d->nattempts++];

	a->dial = d;
	a->fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0) {
		note_failure(d, -errno);
		return false;
	}
	d->nopen++;
	ev_io_init(&a->watcher, on_connected, a->fd, EV_WRITE);
	a->watcher.data = a;
	ev_io_start(d->loop, &a->watcher);
	if (connect(a->fd, (const struct sockaddr *)to, resolver_address_size(to)) < 0 &&
	    errno != EINPROGRESS) {
		note_failure(d, -errno);
		stop_attempt(a);
		return false;
	}
	return true;
}

/* The next candidate now; when none is left and none is open the dial is over. */
static void
go_on(struct dial *d)
{
	while (d->nattempts < d->ncandidates)
		if (attempt(d))
			break;
	if (d->nopen == 0 && d->nwaiting == 0) {
		bool refused = d->refused && d->nattempts > 0;

		finish(d, -1, refused ? -ECONNREFUSED : d->error);
		return;
	}
	ev_timer_stop(d->loop, &d->stagger);
	if (d->nattempts < d->ncandidates) {
		ev_timer_set(&d->stagger, DIAL_STAGGER_MS / 1e3, 0.);
		ev_timer_start(d->loop, &d->stagger);
	}
}

static void
on_stagger(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	go_on(w->data);
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	finish(w->data, -1, -ETIMEDOUT);
}

static void
add_candidate(struct dial *d, const struct sockaddr_storage *address)
{
	if (d->ncandidates < DIAL_CANDIDATES_MAX)
		d->candidates[d->ncandidates++] = *address;
}

static void
on_resolved(struct resolver_query *q, const struct sockaddr_storage *found, size_t n)
{
	struct dial_name *name = (struct dial_name *)q;
	struct dial *d = name->dial;

	d->nwaiting--;
	if (n == 0)
		d->refused = false;
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_storage address = found[i];

		resolver_set_port(&address, name->port);
		add_candidate(d, &address);
	}
	/* One that is under way has its time before the next. */
	if (d->nopen == 0)
		go_on(d);
	else if (!ev_is_active(&d->stagger) && d->nattempts < d->ncandidates) {
		ev_timer_set(&d->stagger, DIAL_STAGGER_MS / 1e3, 0.);
		ev_timer_start(d->loop, &d->stagger);
	}
}

static void
add_target(struct dial *d, const struct dial_target *t)
{
	struct sockaddr_storage address;
	struct dial_name *name;

	if (resolver_literal(t->host, t->port, &address)) {
		add_candidate(d, &address);
		return;
	}
	if (d->nnames == DIAL_TARGETS_MAX)
		return;
	name = &d->names[d->nnames++];
	name->dial = d;
	name->port = t->port;
	resolver_query_init(&name->query, on_resolved);
	if (resolver_ask(d->resolver, &name->query, t->host) == 0)
		d->nwaiting++;
	else
		d->refused = false;
}

void
dial_init(struct dial *d, struct ev_loop *loop, struct resolver *resolver,
	  void (*done)(struct dial *d, int fd, int error))
{
	*d = (struct dial){ .loop = loop, .resolver = resolver, .done = done };
	ev_timer_init(&d->limit, on_limit, 0., 0.);
	ev_timer_init(&d->stagger, on_stagger, 0., 0.);
	d->limit.data = d->stagger.data = d;
}

void
dial_begin(struct dial *d, const struct dial_target *targets, size_t n, int limit_ms)
{
	ASSERT(!d->active);
	d->active = true;
	d->nnames = d->nwaiting = d->ncandidates = d->nattempts = d->nopen = 0;
	d->refused = true;
	d->error = -EHOSTUNREACH;
	for (size_t i = 0; i < n; i++)
		add_target(d, &targets[i]);
	ev_timer_set(&d->limit, limit_ms / 1e3, 0.);
	ev_timer_start(d->loop, &d->limit);
	/* Not from here: what is known at once would call `done` before the caller has gone on. */
	ev_timer_set(&d->stagger, 0., 0.);
	ev_timer_start(d->loop, &d->stagger);
}
