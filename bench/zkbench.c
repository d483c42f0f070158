/*
 * zkbench: a load generator for servers that speak ZooKeeper's client protocol. Reads the command line, runs the
 * workload against each server in turn, and reports. Exit status: 0; 1 when a run failed, also because the server
 * answered wrongly; 2 for a wrong invocation.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/nothing.h"
#include "bench/report.h"
#include "bench/zkbench.h"
#include "bench/zkbench_server.h"
#include "io/fdlimit.h"
#include "io/log.h"

enum { SERVERS_MAX = 8, EXIT_USAGE = 2 };

struct arguments {
	struct settings settings;
	struct processes processes; /* --pid, --zkd-runtime: of the only server */
	bool compare, help, version;
	double patience_s;
	unsigned serve_port;
};

static const struct workload {
	const char *name;
	workload_run *run;
} workloads[] = {
	{ "get", load_run },     { "set", load_run },        { "create", load_run },
	{ "exists", load_run },  { "children", load_run },   { "mix", load_run },
	{ "watch", fanout_run }, { "connect", connect_run }, { "idle", idle_run },
};

enum option_kind { OPTION_WHOLE, OPTION_SECONDS, OPTION_OTHER };

/* target: the offset in struct arguments of an unsigned (whole) or a double (seconds). */
struct option_row {
	char letter;
	const char *name, *argument;
	enum option_kind kind;
	size_t target;
	double min, max;
	const char *help;
};

#define AT(field) offsetof(struct arguments, field)

static const struct option_row rows[] = {
	{ 'w', "workload", "name", OPTION_OTHER, 0, 0, 0,
	  "get, set, create, exists, children, mix, watch, connect or idle (default get)" },
	{ 'm', "mix", "percent", OPTION_WHOLE, AT(settings.read_percent), 0, 100,
	  "the workload mix, with so many gets in a hundred; the rest are sets" },
	{ 'c', "connections", "n", OPTION_WHOLE, AT(settings.connections), 1, 1000000,
	  "sessions, each with a connection (default 1)" },
	{ 'p', "in-flight", "n", OPTION_WHOLE, AT(settings.depth), 1, 65536,
	  "requests in flight in each connection (default 1)" },
	{ 's', "size", "bytes", OPTION_WHOLE, AT(settings.size), 0, 1 << 20, "of data (default 128)" },
	{ 'k', "keys", "n", OPTION_WHOLE, AT(settings.keys), 1, 10000000,
	  "znodes that are read, written or listed (default 1000)" },
	{ 'd', "seconds", "s", OPTION_SECONDS, AT(settings.seconds), 0.01, 1e6, "to measure (default 5)" },
	{ 'u', "warm-up", "s", OPTION_SECONDS, AT(settings.warm_s), 0, 1e6, "before that (default 1)" },
	{ 'n', "requests", "n", OPTION_OTHER, 0, 0, 0, "end after so many in place of after a time" },
	{ 'P', "pid", "n", OPTION_OTHER, 0, 0, 0, "a process of the server, for CPU and memory; repeatable" },
	{ 'z', "zkd-runtime", "dir", OPTION_OTHER, 0, 0, 0,
	  "the server is zkd, with this runtimeDir; repeatable" },
	{ 'C', "compare", NULL, OPTION_OTHER, 0, 0, 0,
	  "run against several servers in turn; ratios of the first to the others" },
	{ 'r', "rounds", "n", OPTION_WHOLE, AT(settings.rounds), 1, 1000, "of a comparison (default 3)" },
	{ 'K', "keep", NULL, OPTION_OTHER, 0, 0, 0, "leave the znodes that were created" },
	{ 'T', "session-timeout", "ms", OPTION_WHOLE, AT(settings.timeout_ms), 100, 1e9,
	  "to ask for (default 30000)" },
	{ 'W', "patience", "s", OPTION_SECONDS, AT(patience_s), 0.01, 1e6,
	  "a server that is silent for so long has failed (default 15)" },
	{ 'S', "serve-nothing", "port", OPTION_WHOLE, AT(serve_port), 1, 65535,
	  "be the do-nothing server on this loopback port" },
	{ 'j', "json", NULL, OPTION_OTHER, 0, 0, 0, "one JSON object in place of a table" },
	{ 'h', "help", NULL, OPTION_OTHER, 0, 0, 0, "this" },
	{ 'V', "version", NULL, OPTION_OTHER, 0, 0, 0, "print the version" },
};

enum { ROWS = sizeof rows / sizeof *rows };

static void
print_help(void)
{
	char left[64];

	printf("usage: zkbench [options] server\n"
	       "       zkbench [options] --compare server server ...\n"
	       "       zkbench [--size bytes] [--keys n] --serve-nothing port\n"
	       "A server is [name=]host:port[,host:port...][,pid=n...][,runtime=dir...], or nothing: one "
	       "that does no work.\n\n");
	for (size_t i = 0; i < ROWS; i++) {
		snprintf(left, sizeof left, "-%c, --%s %s", rows[i].letter, rows[i].name,
			 rows[i].argument != NULL ? rows[i].argument : "");
		printf("  %-27s %s\n", left, rows[i].help);
	}
}

static int
usage_error(const char *what, const char *which)
{
	fprintf(stderr, "zkbench: %s%s; --help tells more\n", what, which);
	return EXIT_USAGE;
}

/* 0 or EXIT_USAGE, as the next ones. */
static int
take_number(struct arguments *a, const struct option_row *row, const char *text)
{
	char *end;
	double v = strtod(text, &end);
	bool whole = row->kind == OPTION_WHOLE;

	if (end == text || *end != '\0' || !(v >= row->min && v <= row->max) ||
	    (whole && v != (double)(unsigned)v)) {
		fprintf(stderr, "zkbench: --%s takes %g to %g; --help tells more\n", row->name, row->min,
			row->max);
		return EXIT_USAGE;
	}
	if (whole)
		*(unsigned *)((char *)a + row->target) = (unsigned)v;
	else
		*(double *)((char *)a + row->target) = v;
	return 0;
}

static const struct workload *
find_workload(const char *name)
{
	for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
		if (strcmp(workloads[i].name, name) == 0)
			return &workloads[i];
	return NULL;
}

static int
take_requests(struct arguments *a, const char *text)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	if (end == text || *end != '\0' || n < 1)
		return usage_error("--requests takes a number above 0", "");
	a->settings.requests = (uint64_t)n;
	return 0;
}

static int
take_process(struct arguments *a, char letter, const char *text)
{
	int error = letter == 'z' ? processes_add_zkd(&a->processes, text)
				  : processes_add(&a->processes, (pid_t)strtol(text, NULL, 10));

	if (error < 0)
		fprintf(stderr, "zkbench: %s: %s\n", text, strerror(-error));
	return error < 0 ? EXIT_USAGE : 0;
}

static int
take_other(struct arguments *a, char letter, const char *text)
{
	switch (letter) {
	case 'w':
		if (find_workload(text) == NULL)
			return usage_error("no such workload: ", text);
		a->settings.workload = text;
		return 0;
	case 'n':
		return take_requests(a, text);
	case 'P':
	case 'z':
		return take_process(a, letter, text);
	case 'C':
		a->compare = true;
		return 0;
	case 'K':
		a->settings.keep = true;
		return 0;
	case 'j':
		a->settings.json = true;
		return 0;
	case 'h':
		a->help = true;
		return 0;
	default:
		a->version = true;
		return 0;
	}
}

static const struct option_row *
find_row(int letter)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

static int
parse(int argc, char **argv, struct arguments *a)
{
	struct option options[ROWS + 1] = { 0 };
	char letters[2 * ROWS + 1] = "";
	int c, error = 0;

	for (size_t i = 0; i < ROWS; i++) {
		char one[3] = { rows[i].letter, rows[i].argument != NULL ? ':' : '\0', '\0' };
		options[i] =
		    (struct option){ rows[i].name, rows[i].argument != NULL ? required_argument : no_argument,
				     NULL, rows[i].letter };
		strcat(letters, one);
	}
	while (error == 0 && (c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		const struct option_row *row = find_row(c);
		if (row == NULL)
			return EXIT_USAGE;
		error = row->kind == OPTION_OTHER ? take_other(a, row->letter, optarg)
						  : take_number(a, row, optarg);
		if (row->letter == 'm')
			a->settings.workload = "mix";
	}
	return error;
}

/* What goes together and what does not. */
static int
check(struct arguments *a, int nservers)
{
	struct settings *s = &a->settings;

	if (a->serve_port > 0)
		return nservers == 0 ? 0 : usage_error("--serve-nothing takes no server", "");
	if (nservers == 0)
		return usage_error("no server is named", "");
	if (!a->compare && nservers > 1)
		return usage_error("several servers without --compare", "");
	if (a->compare && (nservers < 2 || nservers > SERVERS_MAX))
		return usage_error("--compare takes two to eight servers", "");
	if (a->processes.n > 0 && a->compare)
		return usage_error("with --compare, pid= and runtime= belong to a server", "");
	if (!a->compare)
		s->rounds = 1;
	/* Each session has keys of its own to write. */
	if (s->keys < s->connections)
		s->keys = s->connections;
	s->patience_ms = (uint32_t)(a->patience_s * 1e3);
	s->progress = isatty(STDERR_FILENO) == 1;
	return 0;
}

static int
run_once(const struct settings *s, const struct server *server, unsigned round, struct result *r)
{
	r->pss_before = processes_pss_bytes(&server->processes);
	r->server_cpu_s = -1;
	if (server->processes.n == 0)
		r->pss_before = -1;
	int error = find_workload(s->workload)->run(s, server, r);
	if (server->processes.n == 0)
		r->pss_after = -1;
	if (error == 0)
		report_run(s, server, round, r);
	return error;
}

static int
run_all(const struct settings *s, const struct server *servers, unsigned n)
{
	struct result *results = mem_zalloc((size_t)s->rounds * n, sizeof *results);
	char failure[SERVER_NAME_BYTES + WHY_BYTES + 4];
	int error = 0;

	report_begin(s);
	for (unsigned round = 0; round < s->rounds && error == 0; round++) {
		for (unsigned i = 0; i < n && error == 0; i++) {
			/* Forward and back by turns, so that a drift of the machine favours nobody. */
			unsigned which = round % 2 == 0 ? i : n - 1 - i;
			struct result *r = &results[round * n + which];
			error = run_once(s, &servers[which], round, r);
			if (error < 0)
				snprintf(failure, sizeof failure, "%s: %s", servers[which].name, r->why);
		}
	}
	if (error == 0 && n > 1)
		report_ratios(s, servers, n, results);
	report_end(s, error < 0 ? failure : NULL);
	mem_free(results);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
serve(const struct arguments *a)
{
	struct nothing_config config = { .size = a->settings.size, .keys = a->settings.keys };
	uint16_t port = (uint16_t)a->serve_port;
	int listener = nothing_listen(&port);

	if (listener < 0) {
		fprintf(stderr, "zkbench: port %u: %s\n", a->serve_port, strerror(-listener));
		return EXIT_FAILURE;
	}
	return nothing_serve(listener, &config, -1) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
bench(struct arguments *a, char **names, unsigned n)
{
	struct server servers[SERVERS_MAX] = { 0 };
	unsigned parsed = 0;
	int status = 0;

	for (; parsed < n && status == 0; parsed++) {
		struct server *server = &servers[parsed];
		if (server_parse(server, names[parsed], &a->settings) < 0)
			status = EXIT_USAGE;
	}
	if (a->processes.n > 0)
		servers[0].processes = a->processes;
	if (status == 0)
		status = run_all(&a->settings, servers, n);
	for (unsigned i = 0; i < parsed; i++)
		server_end(&servers[i]);
	return status;
}

int
main(int argc, char **argv)
{
	struct arguments a = { .patience_s = 15 };
	int status;

	a.settings = (struct settings){ .workload = "get", .connections = 1, .depth = 1, .size = 128 };
	a.settings.keys = 1000;
	a.settings.rounds = 3;
	a.settings.timeout_ms = 30000;
	a.settings.warm_s = 1;
	a.settings.seconds = 5;
	a.settings.read_percent = 90;
	status = parse(argc, argv, &a);
	if (status == 0 && (a.help || a.version)) {
		if (a.help)
			print_help();
		else
			printf("zkbench %s\n", PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	status = status != 0 ? status : check(&a, argc - optind);
	if (status != 0)
		return status;
	log_set_level(LOG_WARNING);
	fdlimit_raise();
	return a.serve_port > 0 ? serve(&a) : bench(&a, argv + optind, (unsigned)(argc - optind));
}
