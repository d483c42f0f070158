/* See acceptor.h. Invariant: between turns `spare` is open, so that one descriptor can always be given up. */
#include "io/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"

enum {
	TELL_EVERY_MS = 1000,
	REST_MS = 50, /* when nothing can be accepted, not even to be closed */
};

static void
tell_refused(struct acceptor *a)
{
	uint64_t now = clock_mono_ms();

	if (a->told_ms != 0 && now - a->told_ms < TELL_EVERY_MS)
		return;
	log_event(LOG_WARNING, "out of descriptors", "listener=%s closed=%llu", a->name,
		  (unsigned long long)a->refused);
	a->told_ms = now;
	a->refused = 0;
}

/* Accepts and closes one caller with the spare descriptor's place. 0, -EAGAIN when nobody waits, -EMFILE in vain. */
static int
turn_away(struct acceptor *a)
{
	int fd, error;

	if (a->spare < 0)
		return -EMFILE;
	close(a->spare);
	fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
	error = fd >= 0 ? 0 : errno == EAGAIN ? -EAGAIN : -EMFILE;
	if (fd >= 0) {
		close(fd);
		a->refused++;
	}
	a->spare = eventfd(0, EFD_CLOEXEC);
	return error;
}

/* Whether accept failed for want of something; then the listener may stay readable. */
static bool
lacks_means(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void
on_rested(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct acceptor *a = w->data;

	(void)revents;
	if (a->spare < 0)
		a->spare = eventfd(0, EFD_CLOEXEC);
	if (!a->paused)
		ev_io_start(loop, &a->watcher);
}

/* The loop must not spin on callers for whom nothing can be done. */
static void
rest(struct acceptor *a)
{
	ev_io_stop(a->loop, &a->watcher);
	ev_timer_stop(a->loop, &a->rest);
	ev_timer_set(&a->rest, REST_MS / 1e3, 0.);
	ev_timer_start(a->loop, &a->rest);
}

static void
on_callers(struct ev_loop *loop, ev_io *w, int revents)
{
	struct acceptor *a = w->data;
	struct sockaddr_storage peer;
	socklen_t len;
	int fd, error = 0;

	(void)loop;
	(void)revents;
	for (int i = 0; i < ACCEPTOR_TURN_MAX && error == 0 && ev_is_active(&a->watcher); i++) {
		len = sizeof peer;
		fd = accept4(a->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			a->accepted(a->owner, fd, &peer, len);
			continue;
		}
		error = lacks_means(errno) ? turn_away(a) : -errno;
	}
	if (error == -EMFILE)
		rest(a);
	if (a->refused > 0)
		tell_refused(a);
}

void
acceptor_start(struct acceptor *a, struct ev_loop *loop, int listener, const char *name,
	       acceptor_accepted *accepted, void *owner)
{
	*a = (struct acceptor){
		.loop = loop, .fd = listener, .name = name, .accepted = accepted, .owner = owner
	};
	a->spare = eventfd(0, EFD_CLOEXEC);
	/* A service manager may have made it blocking; then the accept after the last caller would never return. */
	fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
	ev_io_init(&a->watcher, on_callers, listener, EV_READ);
	ev_timer_init(&a->rest, on_rested, 0., 0.);
	a->watcher.data = a->rest.data = a;
	ev_io_start(loop, &a->watcher);
}

void
acceptor_pause(struct acceptor *a)
{
	if (a->loop == NULL)
		return;
	a->paused = true;
	ev_io_stop(a->loop, &a->watcher);
}

void
acceptor_resume(struct acceptor *a)
{
	if (a->loop == NULL)
		return;
	a->paused = false;
	ev_io_start(a->loop, &a->watcher);
}

void
acceptor_stop(struct acceptor *a)
{
	if (a->loop == NULL)
		return;
	ev_io_stop(a->loop, &a->watcher);
	ev_timer_stop(a->loop, &a->rest);
	close(a->fd);
	if (a->spare >= 0)
		close(a->spare);
	*a = (struct acceptor){ 0 };
}
