/*
 * See watch.h. Invariants: a unit has a process exactly in STARTING, READY, STOPPING and HUNG; a process ends
 * only by WATCH_EV_EXITED; WATCH_START is given only for a unit without one.
 */
#include "watch.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/assert.h"

/* Exit statuses of a daemon that mean something to its supervisor (io/daemon.h has them for the daemons). */
enum { STATUS_CONFIG = 2, STATUS_DATA = 3, STATUS_MISMATCH = 79 };

/*
 * The order of stopping, and how long each may take after SIGTERM: clients are let go early, the log closes
 * when nobody can append any more. The sum stays below WATCH_END_MS.
 */
static const struct {
	enum watch_daemon daemon;
	int64_t grace_ms;
} stop_order[WATCH_DAEMONS] = {
	{ WATCH_ADMIND, 200 }, { WATCH_CLIENTD, 1500 },  { WATCH_SYNCD, 1000 },
	{ WATCH_LOGD, 1500 },  { WATCH_ELECTIOND, 500 },
};

static struct watch_action *
act(struct watch_actions *out, enum watch_action_type type, enum watch_daemon d)
{
	struct watch_action *a;

	ASSERT(out->n < WATCH_ACTIONS_MAX);
	a = &out->a[out->n++];
	*a = (struct watch_action){ .type = type, .daemon = d };
	return a;
}

static void
act_signal(struct watch_actions *out, enum watch_daemon d, int signo)
{
	act(out, WATCH_SIGNAL, d)->value = signo;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void
watch_init(struct watch *w, int64_t watchdog_ms, int64_t now)
{
	ASSERT(watchdog_ms >= 4);
	memset(w, 0, sizeof *w);
	w->watchdog_ms = watchdog_ms;
	w->last = now;
	w->plan = WATCH_RUN;
	w->end_by = WATCH_NEVER;
	for (unsigned d = 0; d < WATCH_DAEMONS; d++) {
		struct watch_unit *u = &w->unit[d];

		u->state = WATCH_DOWN;
		u->wanted = d != WATCH_ADMIND;
		u->ready_at = u->silent_at = u->start_at = u->kill_at = u->shed_at = WATCH_NEVER;
	}
}

void
watch_want_admind(struct watch *w)
{
	ASSERT(!watch_running(w, WATCH_ADMIND));
	w->unit[WATCH_ADMIND].wanted = true;
}

bool
watch_wanted(const struct watch *w, enum watch_daemon d)
{
	return w->unit[d].wanted;
}

void
watch_set_watchdog(struct watch *w, int64_t watchdog_ms)
{
	ASSERT(watchdog_ms >= 4);
	w->watchdog_ms = watchdog_ms;
}

bool
watch_running(const struct watch *w, enum watch_daemon d)
{
	return w->unit[d].state != WATCH_DOWN && w->unit[d].state != WATCH_WAITING;
}

bool
watch_all_ready(const struct watch *w)
{
	for (unsigned d = 0; d < WATCH_NODE_DAEMONS; d++)
		if (w->unit[d].state != WATCH_READY)
			return false;
	return true;
}

uint32_t
watch_restarts(const struct watch *w, enum watch_daemon d)
{
	return w->unit[d].starts > 0 ? w->unit[d].starts - 1 : 0;
}

static bool
is_watched(const struct watch_unit *u)
{
	return u->state == WATCH_STARTING || u->state == WATCH_READY;
}

/* Has d started: now, or by the next tick after at. */
static void
start_at(struct watch *w, enum watch_daemon d, int64_t at, int64_t now, struct watch_actions *out)
{
	struct watch_unit *u = &w->unit[d];

	ASSERT(!watch_running(w, d));
	if (at > now) {
		u->state = WATCH_WAITING;
		u->start_at = at;
		return;
	}
	u->state = WATCH_STARTING;
	u->start_at = u->kill_at = u->ready_at = WATCH_NEVER;
	u->started_at = now;
	u->silent_at = now + (w->watchdog_ms > WATCH_FIRST_SIGN_MS ? w->watchdog_ms : WATCH_FIRST_SIGN_MS);
	u->starts++;
	act(out, WATCH_START, d);
}

static void
stop_one(struct watch *w, enum watch_daemon d, int64_t grace_ms, int64_t now, struct watch_actions *out)
{
	w->unit[d].state = WATCH_STOPPING;
	w->unit[d].kill_at = now + grace_ms;
	act_signal(out, d, SIGTERM);
}

static int64_t
grace_of(enum watch_daemon d)
{
	for (unsigned i = 0; i < WATCH_DAEMONS; i++)
		if (stop_order[i].daemon == d)
			return stop_order[i].grace_ms;
	return 0;
}

/* All are down: start them again, or leave. */
static void
finish_stop(struct watch *w, int64_t now, struct watch_actions *out)
{
	if (w->plan == WATCH_END) {
		act(out, WATCH_LEAVE, 0)->value = w->exit_status;
		return;
	}
	w->plan = WATCH_RUN;
	act(out, WATCH_ALL_DOWN, 0);
	for (unsigned d = 0; d < WATCH_DAEMONS; d++)
		if (w->unit[d].wanted)
			start_at(w, d, w->again_at, now, out);
}

/* Goes on with the order of stopping until somebody has to be waited for. */
static void
advance_stop(struct watch *w, int64_t now, struct watch_actions *out)
{
	while (w->stage < WATCH_DAEMONS) {
		enum watch_daemon d = stop_order[w->stage].daemon;

		if (is_watched(&w->unit[d]))
			stop_one(w, d, stop_order[w->stage].grace_ms, now, out);
		if (watch_running(w, d))
			return;
		w->unit[d].state = WATCH_DOWN;
		w->unit[d].start_at = WATCH_NEVER;
		w->stage++;
	}
	finish_stop(w, now, out);
}

static void
begin_renew(struct watch *w, int64_t again_at, int64_t now, struct watch_actions *out)
{
	if (w->plan == WATCH_END)
		return;
	w->again_at = again_at;
	if (w->plan != WATCH_RENEW) {
		w->plan = WATCH_RENEW;
		w->stage = 0;
	}
	advance_stop(w, now, out);
}

static void
begin_end(struct watch *w, int exit_status, int64_t now, struct watch_actions *out)
{
	if (w->plan == WATCH_END)
		return;
	w->plan = WATCH_END;
	w->exit_status = exit_status;
	w->end_by = now + WATCH_END_MS;
	w->stage = 0;
	advance_stop(w, now, out);
}

/*
 * How long the successor of u waits (the rule of early deaths), and the count that goes with it. A daemon
 * that saw another suite has not worked, however long it took to see it, so `refused` makes the death an
 * early one.
 */
static int64_t
backoff_ms(struct watch_unit *u, bool refused, int64_t now)
{
	bool was_ready = u->ready_at != WATCH_NEVER;
	int64_t delay = 0;

	if (was_ready && now - u->ready_at >= WATCH_HEALTHY_MS)
		u->early = 0;
	if (was_ready && now - u->started_at >= WATCH_EARLY_MS && !refused)
		return 0;
	if (u->early > 0) {
		delay = WATCH_BACKOFF_FIRST_MS;
		for (uint32_t i = 1; i < u->early && delay < WATCH_BACKOFF_MAX_MS; i++)
			delay *= 2;
	}
	u->early++;
	return earlier(delay, WATCH_BACKOFF_MAX_MS);
}

/*
 * Whether no restart can help. Data that is refused before the node ever served will be refused again: at logd's start,
 * or when clientd loads. Of one that has served there is something to keep alive while the operator mends it.
 */
static bool
is_hopeless(const struct watch *w, const struct watch_unit *u, int status)
{
	if (u == &w->unit[WATCH_ADMIND])
		return false;
	return status == STATUS_CONFIG ||
	       (status == STATUS_DATA && (!u->was_ready || !w->unit[WATCH_CLIENTD].was_ready));
}

/* A death that nobody had asked for, while all are to live. */
static void
mourn(struct watch *w, enum watch_daemon d, int status, int64_t now, struct watch_actions *out)
{
	struct watch_unit *u = &w->unit[d];
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	int64_t delay = backoff_ms(u, code == STATUS_MISMATCH, now);
	struct watch_action *a = act(out, WATCH_OBITUARY, d);

	a->value = status;
	a->uptime_ms = now - u->started_at;
	a->restarts = watch_restarts(w, d);
	a->wait_ms = delay;
	u->shed_at = now + WATCH_SHED_MS;
	if (is_hopeless(w, u, code)) {
		act(out, WATCH_GIVE_UP, d)->value = code;
		begin_end(w, code, now, out);
	} else if (code == STATUS_MISMATCH) {
		act(out, WATCH_MISMATCH, d);
		begin_renew(w, now + delay, now, out);
	} else {
		start_at(w, d, now + delay, now, out);
	}
}

static void
on_begin(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out)
{
	(void)ev;
	for (unsigned d = 0; d < WATCH_DAEMONS; d++) {
		if (!w->unit[d].wanted)
			continue;
		start_at(w, d, now, now, out);
		w->unit[d].shed_at = now + WATCH_SHED_MS;
	}
}

static void
on_alive(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out)
{
	struct watch_unit *u = &w->unit[ev->daemon];

	(void)out;
	if (is_watched(u))
		u->silent_at = now + w->watchdog_ms;
}

static void
on_ready(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out)
{
	struct watch_unit *u = &w->unit[ev->daemon];

	on_alive(w, ev, now, out);
	if (u->state != WATCH_STARTING)
		return;
	u->state = WATCH_READY;
	u->ready_at = now;
	u->was_ready = true;
	u->shed_at = WATCH_NEVER;
	if (u->shedding)
		act(out, WATCH_SHED_OFF, ev->daemon);
	u->shedding = false;
}

static void
on_exited(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out)
{
	enum watch_daemon d = ev->daemon;
	struct watch_unit *u = &w->unit[d];
	bool asked = u->state == WATCH_STOPPING;

	ASSERT(watch_running(w, d));
	u->state = WATCH_DOWN;
	u->silent_at = u->kill_at = WATCH_NEVER;
	if (w->plan == WATCH_RUN && !asked) {
		mourn(w, d, ev->status, now, out);
		return;
	}
	struct watch_action *a = act(out, WATCH_STOPPED, d);
	a->value = ev->status;
	a->uptime_ms = now - u->started_at;
	u->shed_at = now + WATCH_SHED_MS;
	if (w->plan == WATCH_RUN)
		start_at(w, d, now, now, out);
	else
		advance_stop(w, now, out);
}

/* No process came to be: as if it had died at once. */
static void
on_not_started(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out)
{
	struct watch_unit *u = &w->unit[ev->daemon];

	ASSERT(u->state == WATCH_STARTING);
	u->state = WATCH_DOWN;
	u->silent_at = WATCH_NEVER;
	if (u->early == 0) /* there is no "at once" for a machine that has no process to give */
		u->early = 1;
	start_at(w, ev->daemon, now + backoff_ms(u, false, now), now, out);
}

static void
on_restart(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out)
{
	struct watch_unit *u = &w->unit[ev->daemon];

	if (w->plan != WATCH_RUN)
		return;
	if (is_watched(u))
		stop_one(w, ev->daemon, grace_of(ev->daemon), now, out);
	else if (u->state == WATCH_WAITING)
		start_at(w, ev->daemon, now, now, out);
}

static void
on_renew(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out)
{
	(void)ev;
	begin_renew(w, now, now, out);
}

static void
on_end(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out)
{
	(void)ev;
	begin_end(w, 0, now, out);
}

static void
tick_unit(struct watch *w, enum watch_daemon d, int64_t now, struct watch_actions *out)
{
	struct watch_unit *u = &w->unit[d];

	if (u->state == WATCH_WAITING && now >= u->start_at)
		start_at(w, d, now, now, out);
	if (is_watched(u) && now >= u->silent_at) {
		act(out, WATCH_SILENT, d);
		act_signal(out, d, SIGABRT);
		u->state = WATCH_HUNG;
		u->kill_at = now + WATCH_ABORT_MS;
	}
	if (watch_running(w, d) && now >= u->kill_at) {
		act_signal(out, d, SIGKILL);
		u->kill_at = WATCH_NEVER;
	}
	if (now >= u->shed_at) {
		u->shed_at = WATCH_NEVER;
		if (!u->shedding && w->plan != WATCH_END) {
			act(out, WATCH_SHED_ON, d);
			u->shedding = true;
		}
	}
}

static void
on_tick(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out)
{
	(void)ev;
	for (unsigned d = 0; d < WATCH_DAEMONS; d++)
		tick_unit(w, d, now, out);
	if (now >= w->end_by) {
		w->end_by = WATCH_NEVER;
		act(out, WATCH_LEAVE, 0)->value = w->exit_status;
	}
}

static void (*const handlers[WATCH_EVENTS])(struct watch *, const struct watch_event *, int64_t,
					    struct watch_actions *) = {
	[WATCH_EV_BEGIN] = on_begin,
	[WATCH_EV_ALIVE] = on_alive,
	[WATCH_EV_READY] = on_ready,
	[WATCH_EV_EXITED] = on_exited,
	[WATCH_EV_NOT_STARTED] = on_not_started,
	[WATCH_EV_RESTART] = on_restart,
	[WATCH_EV_RENEW] = on_renew,
	[WATCH_EV_END] = on_end,
	[WATCH_EV_TICK] = on_tick,
};

/*
 * This loop itself stood still (SIGSTOP, suspended machine): what the daemons said meanwhile may have been
 * lost, as the socket holds only a few messages. Nobody's silence counts, all begin a new watchdog period.
 */
static void
note_gap(struct watch *w, int64_t now, struct watch_actions *out)
{
	int64_t gap = now - w->last;

	if (gap <= w->watchdog_ms / 2)
		return;
	act(out, WATCH_GAP, 0)->wait_ms = gap;
	for (unsigned d = 0; d < WATCH_DAEMONS; d++)
		if (is_watched(&w->unit[d]) && w->unit[d].silent_at < now + w->watchdog_ms)
			w->unit[d].silent_at = now + w->watchdog_ms;
}

void
watch_step(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out)
{
	ASSERT(ev->type < WATCH_EVENTS && ev->daemon < WATCH_DAEMONS);
	out->n = 0;
	note_gap(w, now, out);
	handlers[ev->type](w, ev, now, out);
	w->last = now;
}

int64_t
watch_deadline(const struct watch *w)
{
	int64_t at = earlier(w->last + w->watchdog_ms / 4, w->end_by);

	for (unsigned d = 0; d < WATCH_DAEMONS; d++) {
		const struct watch_unit *u = &w->unit[d];

		at = earlier(at, earlier(u->shed_at, u->start_at));
		if (watch_running(w, d))
			at = earlier(at, earlier(u->kill_at, is_watched(u) ? u->silent_at : WATCH_NEVER));
	}
	return at;
}
