/* The measured time of a run; see zkbench.h. Invariant: it only moves forward, warming to running to over. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/zkbench.h"

enum { NS_PER_S = 1000000000 };

static const char erase_line[] = "\r\033[K";

static void
begin(struct measure *m, uint64_t now_ns)
{
	m->state = MEASURE_RUNNING;
	m->began_ns = now_ns;
	m->server_cpu_s = processes_cpu_s(&m->server->processes);
	m->own_cpu_s = processes_own_cpu_s();
}

void
measure_start(struct measure *m, uint64_t now_ns)
{
	m->state = MEASURE_WARMING;
	m->begin_ns = now_ns + (uint64_t)(m->settings->warm_s * NS_PER_S);
	m->end_ns = m->begin_ns + (uint64_t)(m->settings->seconds * NS_PER_S);
	/* So many requests are measured from the first to the last. */
	if (m->settings->requests > 0)
		m->end_ns = UINT64_MAX;
	if (m->settings->requests > 0 || m->settings->warm_s <= 0)
		begin(m, now_ns);
}

void
measure_end(struct measure *m, uint64_t now_ns)
{
	struct result *r = m->result;
	double server;

	if (m->state == MEASURE_OVER)
		return;
	if (m->state == MEASURE_WARMING)
		begin(m, now_ns);
	m->state = MEASURE_OVER;
	r->own_cpu_s = processes_own_cpu_s() - m->own_cpu_s;
	server = processes_cpu_s(&m->server->processes);
	r->server_cpu_s = m->server->processes.n == 0 || server < 0 ? -1 : server - m->server_cpu_s;
	r->seconds = (double)(now_ns - m->began_ns) / NS_PER_S;
}

bool
measure_check(struct measure *m, uint64_t now_ns)
{
	if (m->state == MEASURE_WARMING && now_ns >= m->begin_ns)
		begin(m, now_ns);
	if (m->state == MEASURE_RUNNING && now_ns >= m->end_ns)
		measure_end(m, now_ns);
	return m->state == MEASURE_OVER;
}

void
measure_add(struct measure *m, uint64_t now_ns, uint64_t latency_ns)
{
	bool running = m->state == MEASURE_RUNNING;

	if (measure_check(m, now_ns) || !running)
		return;
	m->result->operations++;
	histogram_add(&m->result->latency, latency_ns);
}

void
measure_tell(struct measure *m, const char *phase, uint64_t now_ns)
{
	uint64_t done = m->result->operations;
	double since = (double)(now_ns - m->told_ns) / NS_PER_S;

	if (!m->settings->progress || (m->told_ns != 0 && since < 0.45))
		return;
	if (m->state == MEASURE_RUNNING && m->told_ns != 0)
		fprintf(stderr, "%s%s %s: %.1f s, %.0f/s, p50 %.1f us, p99 %.1f us", erase_line,
			m->server->name, phase, (double)(now_ns - m->began_ns) / NS_PER_S,
			(double)(done - m->told) / since, histogram_us(&m->result->latency, 0.5),
			histogram_us(&m->result->latency, 0.99));
	else
		fprintf(stderr, "%s%s %s", erase_line, m->server->name, phase);
	m->told = done;
	m->told_ns = now_ns;
}

void
measure_hush(const struct settings *s)
{
	if (s->progress)
		fputs(erase_line, stderr);
}

struct swarm_config
zkbench_config(const struct settings *s, const struct server *server)
{
	return (struct swarm_config){
		.addresses = server->addresses,
		.naddresses = server->naddresses,
		.sessions = s->connections,
		.depth = s->depth,
		.timeout_ms = s->timeout_ms,
		.patience_ms = s->patience_ms,
		.frame_max = 512,
	};
}
