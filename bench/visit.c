/*
 * The workloads of sessions that ask for nothing. connect: each slot opens a connection and a session, closes the
 * session, waits until the server has closed the connection, and begins again; an operation is such a visit. idle:
 * sessions that only ping; their number is what is measured, and the memory that they take.
 */
#include <stdio.h>

#include "bench/zkbench.h"
#include "io/clock.h"

struct visit {
	const struct settings *settings;
	struct result *result;
	struct measure measure;
	struct swarm swarm;
	uint64_t visits; /* begun, of the connect workload */
	bool connect;
	const char *phase;
};

/* Whether a slot of connect begins another visit. */
static bool
go_on(struct visit *v)
{
	uint64_t limit = v->settings->requests;

	return limit > 0 ? v->visits < limit : !measure_check(&v->measure, v->swarm.now_ns);
}

static void
on_opened(void *owner, struct session *s)
{
	struct visit *v = owner;

	v->result->checked++;
	if (v->connect) {
		swarm_close_session(s);
	} else {
		measure_add(&v->measure, v->swarm.now_ns, v->swarm.now_ns - s->began_ns);
		if (v->swarm.open == v->settings->connections)
			swarm_stop(&v->swarm);
	}
}

static void
on_ended(void *owner, struct session *s)
{
	struct visit *v = owner;

	if (v->connect) {
		measure_add(&v->measure, v->swarm.now_ns, v->swarm.now_ns - s->began_ns);
		v->result->checked++;
		if (go_on(v)) {
			v->visits++;
			swarm_open_session(&v->swarm, s);
			return;
		}
	}
	if (v->swarm.closing + v->swarm.opening + v->swarm.open == 0)
		swarm_stop(&v->swarm);
}

static void
on_reply(void *owner, struct session *s, const struct request *r, int32_t err, struct jute_reader *body)
{
	struct visit *v = owner;

	(void)r;
	(void)err;
	(void)body;
	swarm_fail(&v->swarm, "session %u: a reply nobody asked for", s->index);
}

static void
on_event(void *owner, struct session *s, const struct jute_watcher_event *e)
{
	struct visit *v = owner;

	(void)e;
	swarm_fail(&v->swarm, "session %u: a notification nobody asked for", s->index);
}

static void
on_tick(void *owner)
{
	struct visit *v = owner;

	measure_tell(&v->measure, v->phase, v->swarm.now_ns);
	if (v->connect)
		return;
	swarm_ping(&v->swarm);
	if (v->swarm.open == v->settings->connections && v->measure.state == MEASURE_OVER)
		return;
	if (v->swarm.open == v->settings->connections && measure_check(&v->measure, v->swarm.now_ns))
		swarm_stop(&v->swarm);
}

static const struct swarm_ops visit_ops = { on_opened, on_reply, on_event, on_ended, on_tick };

static void
begin(struct visit *v, const struct settings *settings, const struct server *server, struct result *result)
{
	struct swarm_config config = zkbench_config(settings, server);

	*v = (struct visit){ .settings = settings, .result = result };
	v->measure = (struct measure){ .settings = settings, .server = server, .result = result };
	swarm_init(&v->swarm, &config, &visit_ops, v);
}

static void
end(struct visit *v)
{
	snprintf(v->result->why, sizeof v->result->why, "%s", v->swarm.failure);
	swarm_free(&v->swarm);
	measure_hush(v->settings);
}

int
connect_run(const struct settings *settings, const struct server *server, struct result *result)
{
	struct visit v;
	int error;

	begin(&v, settings, server, result);
	v.connect = true;
	v.phase = "connect";
	v.visits = settings->connections;
	measure_start(&v.measure, clock_mono_ns());
	swarm_open(&v.swarm);
	error = swarm_run(&v.swarm);
	measure_end(&v.measure, clock_mono_ns());
	result->pss_after = processes_pss_bytes(&server->processes);
	end(&v);
	return error;
}

int
idle_run(const struct settings *settings, const struct server *server, struct result *result)
{
	struct settings whole = *settings;
	struct visit v;
	int error;

	/* Opening is counted from the first session on; then they are idle for the time asked for. */
	whole.warm_s = 0;
	begin(&v, &whole, server, result);
	v.phase = "opening";
	measure_start(&v.measure, clock_mono_ns());
	v.measure.end_ns = UINT64_MAX;
	swarm_open(&v.swarm);
	error = swarm_run(&v.swarm);
	v.phase = "idle";
	v.measure.end_ns = clock_mono_ns() + (uint64_t)(settings->seconds * 1e9);
	error = error ?: swarm_run(&v.swarm);
	measure_end(&v.measure, clock_mono_ns());
	result->pss_after = processes_pss_bytes(&server->processes);
	v.phase = "closing";
	swarm_close_all(&v.swarm);
	error = error ?: swarm_run(&v.swarm);
	end(&v);
	return error;
}
