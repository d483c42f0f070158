/*
 * The workload watch: one session changes a znode that all others watch. Measured is the time from the change's send
 * to the last notification; only when all have come are the watches set again, and only when all are set is the next
 * change sent. Invariant: each watcher gets one notification for each change, and then reads what was written (of a
 * do-nothing server: something).
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "bench/requests.h"
#include "bench/zkbench.h"
#include "io/clock.h"
#include "jute/op.h"

struct fanout {
	const struct settings *settings;
	struct result *result;
	struct measure measure;
	struct requests requests;
	struct swarm swarm;
	struct session *writer; /* the last session; the others watch */
	uint32_t *seen;         /* for each watcher, the last change it was told of */
	char path[REQUEST_BASE_BYTES + 2 + REQUEST_DIGITS + 1];
	unsigned watchers;
	unsigned due;     /* notifications, or replies, until the next step */
	uint32_t mark;    /* changes so far */
	uint64_t sent_ns; /* the change under way */
	const char *phase;
};

static void
set_watches(struct fanout *f)
{
	f->due = f->watchers;
	for (unsigned i = 0; i < f->watchers; i++)
		requests_send(&f->requests, &f->swarm.sessions[i], REQUEST_WATCH, 0, f->mark);
}

static void
change(struct fanout *f)
{
	f->due = f->watchers + 1;
	f->sent_ns = clock_mono_ns();
	requests_send(&f->requests, f->writer, REQUEST_SET, 0, ++f->mark);
}

/* All watches are set: the next change, or the end. */
static void
go_on(struct fanout *f)
{
	uint64_t limit = f->settings->requests;

	f->phase = "watch";
	if (limit > 0 ? f->mark == limit : measure_check(&f->measure, f->swarm.now_ns)) {
		swarm_stop(&f->swarm);
	} else {
		change(f);
	}
}

static void
count_down(struct fanout *f)
{
	if (--f->due == 0)
		set_watches(f);
}

/* NULL, or what is wrong with a notification. */
static const char *
check_event(const struct fanout *f, const struct session *s, const struct jute_watcher_event *e)
{
	if (e->type != ZK_EVENT_DATA_CHANGED || e->state != ZK_STATE_SYNC_CONNECTED)
		return "of another type or state";
	if (!slice_equal(e->path, slice_str(f->path)))
		return "about another znode";
	if (s == f->writer || f->mark == 0 || s->count > 0 || f->seen[s->index] == f->mark)
		return "that was not due";
	return NULL;
}

static void
on_event(void *owner, struct session *s, const struct jute_watcher_event *e)
{
	struct fanout *f = owner;
	const char *wrong = check_event(f, s, e);

	if (wrong != NULL) {
		swarm_fail(&f->swarm, "session %u, change %" PRIu32 ": a notification %s", s->index, f->mark,
			   wrong);
		return;
	}
	f->seen[s->index] = f->mark;
	f->result->checked++;
	/* The last notification alone is counted; the reply to the change may come before or after it. */
	if (f->due == 1 || (f->due == 2 && f->writer->count > 0))
		measure_add(&f->measure, f->swarm.now_ns, f->swarm.now_ns - f->sent_ns);
	count_down(f);
}

static void
on_reply(void *owner, struct session *s, const struct request *r, int32_t err, struct jute_reader *body)
{
	struct fanout *f = owner;
	uint32_t mark;
	const char *wrong = requests_check(&f->requests, r, err, body, &mark);

	if (wrong == NULL && mark != r->mark && !f->measure.server->keeps_nothing)
		wrong = "another version than was due";
	if (wrong != NULL) {
		swarm_fail(&f->swarm, "%s, session %u, change %" PRIu32 ": %s (%s)", requests_name(r->op),
			   s->index, f->mark, wrong, f->requests.base);
		return;
	}
	f->result->checked++;
	if (r->op == REQUEST_SET)
		count_down(f);
	else if (r->op != REQUEST_WATCH && r->op != REQUEST_SYNC)
		swarm_stop(&f->swarm);
	else if (--f->due > 0)
		return;
	else if (r->op == REQUEST_SYNC)
		swarm_stop(&f->swarm);
	else
		go_on(f);
}

static void
on_opened(void *owner, struct session *s)
{
	struct fanout *f = owner;

	(void)s;
	if (f->swarm.open == f->swarm.config.sessions)
		swarm_stop(&f->swarm);
}

static void
on_ended(void *owner, struct session *s)
{
	struct fanout *f = owner;

	(void)s;
	if (f->swarm.closing == 0)
		swarm_stop(&f->swarm);
}

static void
on_tick(void *owner)
{
	struct fanout *f = owner;

	measure_tell(&f->measure, f->phase, f->swarm.now_ns);
	/* A notification that never comes is no reply that is due; the swarm does not miss it. */
	if (f->due > 0 && f->swarm.now_ns - f->swarm.heard_ns > f->settings->patience_ms * UINT64_C(1000000))
		swarm_fail(&f->swarm, "change %" PRIu32 ": %u notifications missing", f->mark, f->due);
}

static const struct swarm_ops fanout_ops = { on_opened, on_reply, on_event, on_ended, on_tick };

/* One request of the writer, alone. */
static int
call(struct fanout *f, uint32_t op)
{
	f->swarm.now_ns = clock_mono_ns();
	requests_send(&f->requests, f->writer, op, 0, op == REQUEST_GET ? f->mark : 0);
	return swarm_run(&f->swarm);
}

/* What one server of an ensemble acknowledged is seen at the others from now on. */
static int
catch_up(struct fanout *f)
{
	if (f->measure.server->naddresses == 1)
		return 0;
	f->swarm.now_ns = clock_mono_ns();
	f->due = f->watchers;
	for (unsigned i = 0; i < f->watchers; i++)
		requests_send(&f->requests, &f->swarm.sessions[i], REQUEST_SYNC, 0, 0);
	return swarm_run(&f->swarm);
}

static int
watch(struct fanout *f)
{
	int error;

	f->swarm.now_ns = clock_mono_ns();
	measure_start(&f->measure, f->swarm.now_ns);
	set_watches(f);
	error = swarm_run(&f->swarm);
	measure_end(&f->measure, clock_mono_ns());
	return error;
}

static int
run(struct fanout *f)
{
	int error;

	swarm_open(&f->swarm);
	error = swarm_run(&f->swarm);
	error = error ?: call(f, REQUEST_CREATE_BASE);
	error = error ?: call(f, REQUEST_CREATE_KEY);
	error = error ?: catch_up(f);
	error = error ?: watch(f);
	error = error ?: call(f, REQUEST_GET);
	f->result->read_back = error == 0 && !f->measure.server->keeps_nothing ? f->mark : 0;
	f->result->pss_after = processes_pss_bytes(&f->measure.server->processes);
	return error;
}

/* The watchers leave first: they are not told that the znode goes. */
static int
leave(struct fanout *f)
{
	int error = 0;

	f->phase = "closing";
	f->swarm.now_ns = clock_mono_ns();
	for (unsigned i = 0; i < f->watchers; i++)
		swarm_close_session(&f->swarm.sessions[i]);
	error = swarm_run(&f->swarm);
	error = error ?: call(f, REQUEST_DELETE_KEY);
	error = error ?: call(f, REQUEST_DELETE_BASE);
	swarm_close_all(&f->swarm);
	return error ?: swarm_run(&f->swarm);
}

int
fanout_run(const struct settings *settings, const struct server *server, struct result *result)
{
	struct fanout f = { .settings = settings, .result = result, .phase = "opening" };
	struct swarm_config config = zkbench_config(settings, server);
	int error;

	f.measure = (struct measure){ .settings = settings, .server = server, .result = result };
	f.watchers = settings->connections;
	requests_init(&f.requests, settings->size, 1, server->keeps_nothing);
	config.sessions = f.watchers + 1;
	config.frame_max = requests_frame_max(&f.requests);
	f.seen = mem_zalloc(f.watchers, sizeof *f.seen);
	snprintf(f.path, sizeof f.path, "%s/k%08x", f.requests.base, 0u);
	swarm_init(&f.swarm, &config, &fanout_ops, &f);
	f.writer = &f.swarm.sessions[f.watchers];
	error = run(&f);
	error = error ?: leave(&f);
	snprintf(result->why, sizeof result->why, "%s", f.swarm.failure);
	swarm_free(&f.swarm);
	mem_free(f.seen);
	requests_free(&f.requests);
	measure_hush(settings);
	return error;
}
