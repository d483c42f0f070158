/*
 * admind: HTTP for people and machines that watch the node, the AdminServer's commands and metrics for Prometheus. A
 * guest of the suite: it asks the others at their control sockets, as zkctl does, and nobody waits for it. Invariant:
 * it holds no file and can dial nothing but Unix sockets, of which it sees only runtimeDir's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "config/config.h"
#include "io/daemon.h"
#include "metrics.h"

struct admind {
	struct daemon *daemon;
	struct ask ask;
	struct http http;
	struct site admin, metrics;
};

static int
open_room(struct daemon *d)
{
	d->sandbox.grants |= SANDBOX_DIAL_UNIX;
	return 0;
}

/* Serves the listener of that name where one was given. 0 or an exit status. */
static int
start_site(struct admind *a, struct site *s, const char *name, unsigned idle_ms,
	   const struct page *(*find)(const struct config *c, const char *path))
{
	int listener = listen_take(&a->daemon->listeners, name), error;

	if (listener < 0)
		return 0;
	error = site_start(s, &a->http, name, listener, idle_ms, find);
	if (error != 0)
		log_event(LOG_ERR, "cannot start the HTTP library", "site=%s reason=%s", name,
			  log_quote(slice_str(strerror(-error))).text);
	return error == 0 ? 0 : EXIT_FAILURE;
}

static int
start(struct daemon *d)
{
	struct admind *a = d->room;
	unsigned idle_ms = (unsigned)d->config->admin_idle_ms;
	int status;

	a->daemon = d;
	a->http = (struct http){ .turn = &d->turn, .ask = &a->ask, .config = d->config };
	ask_init(&a->ask, &d->turn);
	status = start_site(a, &a->admin, "admin", idle_ms, commands_find);
	if (status == 0)
		status = start_site(a, &a->metrics, "metrics", idle_ms, metrics_find);
	if (status != 0)
		return status;
	if (a->admin.mhd == NULL && a->metrics.mhd == NULL)
		daemon_status(d, "no listener named admin or metrics: nothing to serve");
	else
		daemon_status(d, "serving%s%s", a->admin.mhd != NULL ? " commands" : "",
			      a->metrics.mhd != NULL ? " metrics" : "");
	daemon_ready(d);
	return 0;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
step(struct daemon *d, uint64_t now_ms)
{
	struct admind *a = d->room;
	uint64_t next = ask_tick(&a->ask, now_ms);

	next = earlier(next, site_step(&a->admin, now_ms));
	next = earlier(next, site_step(&a->metrics, now_ms));
	/* What was asked just now has a deadline of its own. */
	return earlier(next, ask_tick(&a->ask, now_ms));
}

static void
status(struct daemon *d, struct status_writer *w)
{
	const struct admind *a = d->room;

	status_fact(w, "admin_requests", "%llu", (unsigned long long)a->admin.requests);
	status_fact(w, "admin_refused", "%llu", (unsigned long long)a->admin.refused);
	status_fact(w, "metrics_requests", "%llu", (unsigned long long)a->metrics.requests);
	status_fact(w, "metrics_refused", "%llu", (unsigned long long)a->metrics.refused);
	status_queue(w, ask_waiting(&a->ask));
	status_fact(w, "held_bytes", "%zu", a->http.held);
}

static bool
stop(struct daemon *d)
{
	struct admind *a = d->room;

	ask_stop(&a->ask);
	site_stop(&a->admin);
	site_stop(&a->metrics);
	return true;
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "admind",
		.purpose = "serves the AdminServer's commands and metrics over HTTP.",
		.dials = true,
		.open = open_room,
		.start = start,
		.step = step,
		.status = status,
		.stop = stop,
	};
	static struct admind admind;

	return daemon_run(&spec, &admind, argc, argv);
}
