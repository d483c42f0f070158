/*
 * See zkd.h. Invariants: the core hears of all life signs and exits that can be had before it is told that time has
 * passed; a child's pid is non-zero exactly while the core counts it as running.
 */
#include "zkd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "base/assert.h"
#include "io/clock.h"
#include "io/log.h"
#include "members_kept.h"
#include "signs.h"

enum { STRAYS_MS = 500 };

static const char *
name_of(enum watch_daemon d)
{
	return settings_daemon_name(d);
}

/* ---- upward: what systemd is told of us ---- */

static void
tell_up(struct zkd *z)
{
	char text[sizeof z->told_up];
	unsigned ready = 0, wanted = 0;

	for (unsigned d = 0; d < WATCH_DAEMONS; d++) {
		ready += z->watch.unit[d].state == WATCH_READY;
		wanted += watch_wanted(&z->watch, d);
	}
	snprintf(text, sizeof text, "%s%u of %u daemons ready; %s",
		 z->watch.plan == WATCH_END ? "stopping, " : "", ready, wanted,
		 z->children[WATCH_CLIENTD].status);
	if (strcmp(text, z->told_up) == 0)
		return;
	strcpy(z->told_up, text);
	notify_status(&z->up, text);
}

static void
log_serving(const struct zkd *z)
{
	char ports[4 * SOCKET_ADDRESS_BYTES] = "";
	size_t n = 0;

	for (unsigned i = 0; i < z->sockets.n && n < sizeof ports; i++)
		if (z->sockets.all[i].network)
			n += (size_t)snprintf(ports + n, sizeof ports - n, "%s=%s ", z->sockets.all[i].name,
					      z->sockets.all[i].address);
	log_event(LOG_NOTICE, "serving", "%sruntimeDir=%s", ports, z->runtime.path);
}

static void
note_service(struct zkd *z)
{
	bool all = watch_all_ready(&z->watch);

	if (all && !z->serving) {
		z->serving = true;
		notify_ready(&z->up);
		log_serving(z);
	} else if (all && z->degraded) {
		log_plain(LOG_NOTICE, "all daemons ready again");
	}
	z->degraded = z->serving && !all;
	tell_up(z);
}

/* ---- the core's orders ---- */

/* "signal=SIGKILL" or "exit=3". */
static void
print_end(int status, char *out, size_t size)
{
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (name != NULL)
		snprintf(out, size, "signal=SIG%s%s", name, WCOREDUMP(status) ? " core=yes" : "");
	else if (WIFSIGNALED(status)) /* a real-time signal */
		snprintf(out, size, "signal=%d", WTERMSIG(status));
	else
		snprintf(out, size, "exit=%d", WEXITSTATUS(status));
}

static void
do_start(struct zkd *z, const struct watch_action *a)
{
	struct child_start with = { &z->settings, &z->invocation, &z->sockets };
	struct child *c = &z->children[a->daemon];
	int error = child_spawn(c, a->daemon, &with);

	if (error != 0) {
		log_event(LOG_ERR, "cannot start", "daemon=%s error=\"%s\"", name_of(a->daemon),
			  strerror(-error));
		zkd_tell(z, WATCH_EV_NOT_STARTED, a->daemon);
		return;
	}
	z->started_ms[a->daemon] = clock_mono_ms();
	log_event(LOG_INFO, "started", "daemon=%s pid=%d", name_of(a->daemon), (int)c->pid);
}

static void
do_signal(struct zkd *z, const struct watch_action *a)
{
	pid_t pid = z->children[a->daemon].pid;

	ASSERT(pid > 0);
	kill(pid, a->value);
}

static void
do_obituary(struct zkd *z, const struct watch_action *a)
{
	struct child *c = &z->children[a->daemon];
	char end[64];

	print_end(a->value, end, sizeof end);
	log_event(LOG_ERR, "died",
		  "daemon=%s pid=%d %s uptime_ms=%lld restarts=%u restart_in_ms=%lld status=%s",
		  name_of(a->daemon), (int)c->pid, end, (long long)a->uptime_ms, a->restarts,
		  (long long)a->wait_ms, log_quote(slice_str(c->status)).text);
	c->pid = 0;
}

static void
do_stopped(struct zkd *z, const struct watch_action *a)
{
	struct child *c = &z->children[a->daemon];
	char end[64];

	print_end(a->value, end, sizeof end);
	log_event(a->value == 0 ? LOG_INFO : LOG_WARNING, "stopped", "daemon=%s pid=%d %s uptime_ms=%lld",
		  name_of(a->daemon), (int)c->pid, end, (long long)a->uptime_ms);
	c->pid = 0;
}

static void
do_silent(struct zkd *z, const struct watch_action *a)
{
	log_event(LOG_ERR, "hangs and is killed", "daemon=%s pid=%d watchdog_ms=%lld status=%s",
		  name_of(a->daemon), (int)z->children[a->daemon].pid, (long long)z->watch.watchdog_ms,
		  log_quote(slice_str(z->children[a->daemon].status)).text);
}

static void
do_shed(struct zkd *z, const struct watch_action *a)
{
	bool on = a->type == WATCH_SHED_ON;

	if (sockets_shed(&z->sockets, z->loop, a->daemon, on) && on)
		log_event(LOG_WARNING, "is away, its callers are turned away", "daemon=%s",
			  name_of(a->daemon));
}

static void
do_gap(struct zkd *z, const struct watch_action *a)
{
	(void)z;
	log_event(LOG_WARNING, "stood still myself, nobody's silence counts", "gap_ms=%lld",
		  (long long)a->wait_ms);
}

static void
do_mismatch(struct zkd *z, const struct watch_action *a)
{
	(void)z;
	log_event(LOG_ERR, "met a sibling of another suite or configuration, all are restarted", "daemon=%s",
		  name_of(a->daemon));
}

/* The moment for a new configuration: nobody runs with the old one. */
static void
do_all_down(struct zkd *z, const struct watch_action *a)
{
	(void)a;
	if (z->next.config == NULL)
		return;
	settings_free(&z->settings);
	z->settings = z->next;
	z->next = (struct settings){ .text_fd = -1 };
	watch_set_watchdog(&z->watch, settings_watchdog_ms(&z->settings));
	log_plain(LOG_NOTICE, "new configuration in force");
}

static void
do_give_up(struct zkd *z, const struct watch_action *a)
{
	(void)z;
	log_event(LOG_ERR, "no restart can help, giving up",
		  "daemon=%s exit=%d hint=\"its own line above says why\"", name_of(a->daemon), a->value);
}

static void
do_leave(struct zkd *z, const struct watch_action *a)
{
	z->exit_status = a->value;
	ev_break(z->loop, EVBREAK_ALL);
}

static void (*const doers[])(struct zkd *, const struct watch_action *) = {
	[WATCH_START] = do_start,       [WATCH_SIGNAL] = do_signal,   [WATCH_OBITUARY] = do_obituary,
	[WATCH_STOPPED] = do_stopped,   [WATCH_SILENT] = do_silent,   [WATCH_SHED_ON] = do_shed,
	[WATCH_SHED_OFF] = do_shed,     [WATCH_GAP] = do_gap,         [WATCH_MISMATCH] = do_mismatch,
	[WATCH_ALL_DOWN] = do_all_down, [WATCH_GIVE_UP] = do_give_up, [WATCH_LEAVE] = do_leave,
};

static void
tell(struct zkd *z, const struct watch_event *ev)
{
	enum watch_plan before = z->watch.plan;
	struct watch_actions out;

	watch_step(&z->watch, ev, (int64_t)clock_mono_ms(), &out);
	for (unsigned i = 0; i < out.n; i++)
		doers[out.a[i].type](z, &out.a[i]);
	if (before != WATCH_END && z->watch.plan == WATCH_END) {
		notify_stopping(&z->up);
		sockets_close_network(&z->sockets);
	}
}

void
zkd_tell(struct zkd *z, enum watch_event_type type, enum watch_daemon d)
{
	struct watch_event ev = { .type = type, .daemon = d };

	tell(z, &ev);
}

/* ---- what happens ---- */

static void
hear_sign(void *owner, const struct sign *sign)
{
	struct zkd *z = owner;

	for (unsigned d = 0; d < WATCH_DAEMONS; d++) {
		struct child *c = &z->children[d];

		if (c->pid != sign->pid)
			continue;
		if (sign->status.data != NULL)
			snprintf(c->status, sizeof c->status, "%.*s", (int)sign->status.len,
				 (const char *)sign->status.data);
		if (d == WATCH_SYNCD && sign->members.data != NULL)
			members_kept(&z->settings, &z->invocation, z->runtime.path, sign->members);
		if (sign->alive)
			zkd_tell(z, WATCH_EV_ALIVE, d);
		if (sign->ready && z->watch.unit[d].state == WATCH_STARTING) {
			log_event(LOG_INFO, "ready", "daemon=%s pid=%d after_ms=%llu", name_of(d),
				  (int)c->pid, (unsigned long long)(clock_mono_ms() - z->started_ms[d]));
			zkd_tell(z, WATCH_EV_READY, d);
		}
	}
}

/* Collects every dead process: the daemons, and as process 1 also strangers whose parents are gone. */
static void
reap(struct zkd *z)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned d = 0; d < WATCH_DAEMONS; d++) {
			struct watch_event ev = { .type = WATCH_EV_EXITED, .daemon = d, .status = status };

			if (z->children[d].pid == pid) {
				tell(z, &ev);
				break;
			}
		}
	}
}

/* The end of each turn of the loop: first all that can be heard, then the time. */
static uint64_t
end_turn(void *owner, uint64_t now_ms)
{
	struct zkd *z = owner;

	(void)now_ms;
	signs_drain(z->sockets.notify_fd, hear_sign, z);
	reap(z);
	zkd_tell(z, WATCH_EV_TICK, 0);
	note_service(z);
	return (uint64_t)watch_deadline(&z->watch);
}

static void
on_signs(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop; /* end_turn reads them */
	(void)w;
	(void)revents;
}

static void
on_child(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)loop; /* end_turn reaps */
	(void)w;
	(void)revents;
}

static void
on_stop(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct zkd *z = w->data;

	(void)loop;
	(void)revents;
	log_event(LOG_NOTICE, "stopping", "signal=SIG%s", sigabbrev_np(w->signum));
	zkd_tell(z, WATCH_EV_END, 0);
}

static void
on_beat(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct zkd *z = w->data;

	(void)loop;
	(void)revents;
	notify_beat(&z->up);
	notify_again(&z->up, z->told_up);
}

/* ---- reload ---- */

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Where this server listens for its peers. */
static bool
same_own_addresses(const struct config *a, const struct config *b)
{
	const struct config_server *x = config_find_server(a, a->myid), *y = config_find_server(b, b->myid);

	if (config_is_ensemble(a) != config_is_ensemble(b) ||
	    a->quorum_listen_on_all_ips != b->quorum_listen_on_all_ips)
		return false;
	if (!config_is_ensemble(a) || x == NULL || y == NULL)
		return x == y || !config_is_ensemble(a);
	return members_same_place(x, y);
}

/* Of admind's listeners. */
static const char *
changed_guest_key(const struct config *old, const struct config *new)
{
	bool metrics = old->metrics == CONFIG_METRICS_PROMETHEUS;

	if (old->admin_enabled != new->admin_enabled)
		return "admin.enableServer";
	if (old->admin_enabled && old->admin_port != new->admin_port)
		return "admin.serverPort";
	if (old->admin_enabled && !same_text(old->admin_address, new->admin_address))
		return "admin.serverAddress";
	if (metrics != (new->metrics == CONFIG_METRICS_PROMETHEUS))
		return "metricsProvider.className";
	if (metrics && old->metrics_port != new->metrics_port)
		return "metricsProvider.httpPort";
	return metrics && !same_text(old->metrics_host, new->metrics_host) ? "metricsProvider.httpHost"
									   : NULL;
}

/* What was bound or locked at the start stays as long as zkd does. */
static bool
needs_new_zkd(const struct settings *old, const struct settings *new)
{
	const char *key = NULL;

	if (old->config->client_port != new->config->client_port)
		key = "clientPort";
	else if (!same_text(old->config->client_port_address, new->config->client_port_address))
		key = "clientPortAddress";
	else if (!same_text(old->runtime_key, new->runtime_key))
		key = "runtimeDir";
	else if (!same_own_addresses(old->config, new->config))
		key = "server.N";
	else
		key = changed_guest_key(old->config, new->config);
	if (key != NULL)
		log_event(LOG_ERR, "reload refused: this key needs a restart of zkd", "key=%s", key);
	return key != NULL;
}

static int
prepare_next(struct zkd *z, struct settings *next)
{
	if (needs_new_zkd(&z->settings, next))
		return -EINVAL;
	if (geteuid() == 0 && settings_find_users(next) != 0)
		return -EINVAL;
	if (data_folders_prepare(next) != 0)
		return -EINVAL;
	return settings_seal(next, z->runtime.path);
}

static void
reload(struct zkd *z)
{
	struct settings next;

	if (settings_load(&next, &z->invocation) != 0) {
		log_plain(LOG_ERR, "reload refused: the new configuration is bad, the old one stays");
		return;
	}
	if (memcmp(next.hash, z->settings.hash, sizeof next.hash) == 0) {
		log_plain(LOG_NOTICE, "reload: nothing has changed");
		settings_free(&next);
		return;
	}
	if (prepare_next(z, &next) != 0) {
		settings_free(&next);
		return;
	}
	settings_free(&z->next);
	z->next = next;
	log_plain(LOG_NOTICE, "reload: all daemons are restarted, as their configurations must agree");
	zkd_tell(z, WATCH_EV_RENEW, 0);
}

static void
on_hup(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct zkd *z = w->data;

	(void)loop;
	(void)revents;
	if (z->watch.plan != WATCH_END)
		reload(z);
}

/* ---- the loop ---- */

static void
watch_signal(struct zkd *z, ev_signal *w, int signo, void (*callback)(struct ev_loop *, ev_signal *, int))
{
	ev_signal_init(w, callback, signo);
	w->data = z;
	ev_signal_start(z->loop, w);
}

/* As process 1 a signal without a handler would simply be lost, so all that end a service have one. */
static void
start_watchers(struct zkd *z)
{
	sigset_t none;

	signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* of daemons' helpers */
	watch_signal(z, &z->on_term, SIGTERM, on_stop);
	watch_signal(z, &z->on_int, SIGINT, on_stop);
	watch_signal(z, &z->on_quit, SIGQUIT, on_stop);
	watch_signal(z, &z->on_hup, SIGHUP, on_hup);
	watch_signal(z, &z->on_child, SIGCHLD, on_child);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL); /* main held them */
	ev_io_init(&z->on_signs, on_signs, z->sockets.notify_fd, EV_READ);
	ev_io_start(z->loop, &z->on_signs);
	if (z->up.watchdog_us > 0) {
		double period = (double)z->up.watchdog_us / 3e6;

		ev_timer_init(&z->beat, on_beat, period, period);
		z->beat.data = z;
		ev_timer_start(z->loop, &z->beat);
	}
}

/* ---- the end ---- */

/* Children that are left: helpers whose daemons are gone. */
static void
kill_strays(void)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	int pid;

	while (f != NULL && fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	if (f != NULL)
		fclose(f);
}

/* When zkd is gone nothing of the node is left. Helpers end by themselves when their daemons do; one that is stopped
 * cannot. */
static void
await_strays(void)
{
	uint64_t began_ms = clock_mono_ms();
	bool killed = false;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		uint64_t waited_ms = clock_mono_ms() - began_ms;

		if (pid > 0)
			continue;
		if (waited_ms > 2 * STRAYS_MS)
			return;
		if (waited_ms > STRAYS_MS && !killed) {
			kill_strays();
			killed = true;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
}

int
zkd_run(struct zkd *z)
{
	/* Not the default loop: that one would reap our children itself. */
	z->loop = ev_loop_new(EVFLAG_AUTO);
	if (z->loop == NULL) {
		log_event(LOG_ERR, "cannot make the event loop", "error=\"%s\"", strerror(errno));
		return 1;
	}
	z->zkd_started_ms = clock_mono_ms();
	z->next = (struct settings){ .text_fd = -1 };
	start_watchers(z);
	watch_init(&z->watch, settings_watchdog_ms(&z->settings), (int64_t)clock_mono_ms());
	if (sockets_any(&z->sockets, WATCH_ADMIND))
		watch_want_admind(&z->watch);
	turn_start(&z->turn, z->loop, end_turn, z);
	answers_start(z);
	zkd_tell(z, WATCH_EV_BEGIN, 0);
	ev_run(z->loop, 0);
	control_stop(&z->control);
	turn_stop(&z->turn);
	ev_loop_destroy(z->loop);
	await_strays();
	return z->exit_status;
}
