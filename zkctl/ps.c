/*
 * zkctl ps: the processes of the suite. That they are there zkd knows; what waits in each, and how long the turns of its
 * loop take, it says itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "node.h"
#include "term.h"

enum {
	STATE_AT = 66,  /* its column */
	QUICK_MS = 100, /* for what the daemons say: one that hangs is what people look for with ps */
};

/* A fact that is a number; -1: the daemon does not say. */
static int64_t
number_of(const struct node_status *all, int program, const char *fact)
{
	const char *value = node_find_fact(node_status_of(all, program), fact);

	return value == NULL ? -1 : strtoll(value, NULL, 10);
}

static json_t *
json_number(int64_t v)
{
	return v < 0 ? json_null() : json_integer(v);
}

static void
print_json(const struct node_status *all, const Zkd__Status *s)
{
	json_t *list = json_array();

	for (int i = 0; i < NODE_PROGRAMS; i++) {
		const Zkd__DaemonStatus *d = node_find_daemon(s, node_programs[i]);
		if (d == NULL)
			continue;
		json_array_append_new(
		    list, json_pack("{s:s, s:i, s:I, s:i, s:I, s:b, s:o, s:o, s:o}", "name", d->name, "pid",
				    d->pid, "uptime_ms", (json_int_t)d->uptime_ms, "restarts",
				    (int)d->restarts, "rss_bytes", (json_int_t)d->rss_bytes, "ready",
				    d->ready, "queue", json_number(number_of(all, i, "queue")),
				    "turn_mean_us", json_number(number_of(all, i, "turn_mean_us")),
				    "turn_max_us", json_number(number_of(all, i, "turn_max_us"))));
	}
	json_print(json_pack("{s:o}", "daemons", list));
}

/* "12 us", "1.5 ms", "-" */
static const char *
format_us(int64_t us, char *out, size_t size)
{
	if (us < 0)
		snprintf(out, size, "-");
	else if (us < 1000)
		snprintf(out, size, "%" PRId64 " us", us);
	else if (us < 1000000)
		snprintf(out, size, "%.1f ms", (double)us / 1e3);
	else
		snprintf(out, size, "%.1f s", (double)us / 1e6);
	return out;
}

/* Where a terminal would break the line the least that one has to know; zkctl status tells all of it. */
static void
format_state(const Zkd__DaemonStatus *d, char *out, size_t size)
{
	int n = snprintf(out, size, "%s%s", d->ready ? "" : "not ready: ", d->text);

	if (term_output_is_terminal() && n > term_width() - STATE_AT)
		snprintf(out, size, "%s", d->ready ? "ready" : "not ready");
}

static void
print_row(const struct node_status *all, int program, const Zkd__DaemonStatus *d)
{
	char up[32], memory[32], pid[16], queue[24], turn[32], state[256];
	int64_t waiting = number_of(all, program, "queue");

	snprintf(pid, sizeof pid, "%d", d->pid);
	snprintf(queue, sizeof queue, "%" PRId64, waiting);
	format_state(d, state, sizeof state);
	printf("%-9s %7s %-11s %8" PRIu32 " %10s %5s %8s %s%s%s\n", d->name, d->pid == 0 ? "-" : pid,
	       d->pid == 0 ? "-" : format_duration(d->uptime_ms, up, sizeof up), d->restarts,
	       d->pid == 0 ? "-" : format_bytes(d->rss_bytes, memory, sizeof memory),
	       waiting < 0 ? "-" : queue,
	       format_us(number_of(all, program, "turn_max_us"), turn, sizeof turn),
	       d->ready ? "" : term_style(TERM_BAD), state, d->ready ? "" : term_style(TERM_PLAIN));
}

static void
print_table(const struct node_status *all, const Zkd__Status *s)
{
	printf("%s%-9s %7s %-11s %8s %10s %5s %8s %s%s\n", term_style(TERM_DIM), "NAME", "PID", "UP",
	       "RESTARTS", "MEMORY", "QUEUE", "MAX TURN", "STATE", term_style(TERM_PLAIN));
	for (int i = 0; i < NODE_PROGRAMS; i++) {
		const Zkd__DaemonStatus *d = node_find_daemon(s, node_programs[i]);
		if (d != NULL)
			print_row(all, i, d);
	}
}

int
command_ps(const struct options *o, int argc, char **argv)
{
	struct node_status all;
	struct node n;
	const Zkd__Status *s;
	int status = node_open(o, &n);

	(void)argc;
	(void)argv;
	if (status != ZKCTL_OK)
		return status;
	node_ask_all(&n, &all, QUICK_MS);
	if (node_status_of(&all, NODE_ZKD) == NULL && all.all[NODE_ZKD].error == -ETIMEDOUT)
		node_ask_all(&n, &all, ASK_LIMIT_MS);
	s = node_status_of(&all, NODE_ZKD);
	if (s == NULL)
		status = node_complain(&n, &all.all[NODE_ZKD]);
	else if (o->json)
		print_json(&all, s);
	else
		print_table(&all, s);
	node_close(&n);
	return status;
}
