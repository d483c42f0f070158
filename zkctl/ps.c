/* zkctl ps: the processes of the suite, as zkd sees them. */
#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "node.h"
#include "term.h"

enum { STATE_AT = 54 /* its column */ };

static void
print_json(const Zkd__Status *s)
{
	json_t *list = json_array();

	for (int i = 0; i < NODE_PROGRAMS; i++) {
		const Zkd__DaemonStatus *d = node_find_daemon(s, node_programs[i]);
		if (d == NULL)
			continue;
		json_array_append_new(list,
				      json_pack("{s:s, s:i, s:I, s:i, s:I}", "name", d->name, "pid", d->pid,
						"uptime_ms", (json_int_t)d->uptime_ms, "restarts",
						(int)d->restarts, "rss_bytes", (json_int_t)d->rss_bytes));
	}
	json_print(json_pack("{s:o}", "daemons", list));
}

/* The state is cut where a terminal would break the line; zkctl status tells all of it. */
static void
print_row(const Zkd__DaemonStatus *d)
{
	char up[32], memory[32], pid[16], state[256];
	int room = term_output_is_terminal() ? term_width() - STATE_AT : (int)sizeof state - 1, n;

	snprintf(pid, sizeof pid, "%d", d->pid);
	n = snprintf(state, sizeof state, "%s%s", d->ready ? "" : "not ready: ", d->text);
	if (n > room && room > 3)
		snprintf(state + room - 3, 4, "...");
	printf("%-10s %7s  %-11s %8" PRIu32 " %10s  %s%s%s\n", d->name, d->pid == 0 ? "-" : pid,
	       d->pid == 0 ? "-" : format_duration(d->uptime_ms, up, sizeof up), d->restarts,
	       d->pid == 0 ? "-" : format_bytes(d->rss_bytes, memory, sizeof memory),
	       d->ready ? "" : term_style(TERM_BAD), state, d->ready ? "" : term_style(TERM_PLAIN));
}

static void
print_table(const Zkd__Status *s)
{
	printf("%s%-10s %7s  %-11s %8s %10s  %s%s\n", term_style(TERM_DIM), "NAME", "PID", "UP", "RESTARTS",
	       "MEMORY", "STATE", term_style(TERM_PLAIN));
	for (int i = 0; i < NODE_PROGRAMS; i++) {
		const Zkd__DaemonStatus *d = node_find_daemon(s, node_programs[i]);
		if (d != NULL)
			print_row(d);
	}
}

int
command_ps(const struct options *o, int argc, char **argv)
{
	struct node n;
	const Zkd__Status *s;
	int status = node_open(o, &n);

	(void)argc;
	(void)argv;
	if (status != ZKCTL_OK)
		return status;
	s = node_ask_zkd(&n);
	if (s == NULL)
		status = ZKCTL_NO_ANSWER;
	else if (o->json)
		print_json(s);
	else
		print_table(s);
	node_close(&n);
	return status;
}
