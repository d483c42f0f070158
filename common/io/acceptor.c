/* See acceptor.h. Invariant: between turns `spare` is open, so that one descriptor can always be given up. */
#include "io/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"

enum { TELL_EVERY_MS = 1000 };

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

/* Accepts and closes one caller with the spare descriptor's place. False when there is none. */
static bool
turn_away(struct acceptor *a)
{
	int fd;

	close(a->spare);
	fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	a->spare = eventfd(0, EFD_CLOEXEC);
	if (fd >= 0)
		a->refused++;
	return fd >= 0;
}

static void
on_callers(struct ev_loop *loop, ev_io *w, int revents)
{
	struct acceptor *a = w->data;
	struct sockaddr_storage peer;
	socklen_t len;
	int fd;

	(void)loop;
	(void)revents;
	for (int i = 0; i < ACCEPTOR_TURN_MAX && ev_is_active(&a->watcher); i++) {
		len = sizeof peer;
		fd = accept4(a->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			a->accepted(a->owner, fd, &peer, len);
			continue;
		}
		if (errno != EMFILE && errno != ENFILE)
			break;
		if (!turn_away(a))
			break;
	}
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
	a->watcher.data = a;
	ev_io_start(loop, &a->watcher);
}

void
acceptor_pause(struct acceptor *a)
{
	if (a->loop != NULL)
		ev_io_stop(a->loop, &a->watcher);
}

void
acceptor_resume(struct acceptor *a)
{
	if (a->loop != NULL)
		ev_io_start(a->loop, &a->watcher);
}

void
acceptor_stop(struct acceptor *a)
{
	if (a->loop == NULL)
		return;
	ev_io_stop(a->loop, &a->watcher);
	close(a->fd);
	close(a->spare);
	*a = (struct acceptor){ 0 };
}
