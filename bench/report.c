/* See report.h. Invariant: with --json standard output is one JSON object on one line, also after a failure. */
#include "bench/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MIB = 1 << 20 };

static double
throughput(const struct result *r)
{
	return r->seconds > 0 ? (double)r->operations / r->seconds : -1;
}

static double
per_cpu_second(const struct result *r)
{
	return r->server_cpu_s > 0 ? (double)r->operations / r->server_cpu_s : -1;
}

static double
p50(const struct result *r)
{
	return r->operations > 0 ? histogram_us(&r->latency, 0.5) : -1;
}

static double
p99(const struct result *r)
{
	return r->operations > 0 ? histogram_us(&r->latency, 0.99) : -1;
}

static double
memory(const struct result *r)
{
	return (double)r->pss_after;
}

static const struct metric {
	const char *key, *text;
	double (*value)(const struct result *r); /* negative: unknown */
} metrics[] = {
	{ "throughput", "throughput", throughput },
	{ "per_cpu_second", "per CPU second", per_cpu_second },
	{ "p50", "p50", p50 },
	{ "p99", "p99", p99 },
	{ "memory", "memory", memory },
};

enum { METRICS = sizeof metrics / sizeof *metrics };

void
report_begin(const struct settings *s)
{
	if (s->json) {
		printf("{\"workload\":\"%s\",\"connections\":%u,\"in_flight\":%u,\"size\":%u,\"keys\":%u,"
		       "\"read_percent\":%u,\"runs\":[",
		       s->workload, s->connections, s->depth, s->size, s->keys, s->read_percent);
		return;
	}
	printf("%s: %u connections, %u in flight in each, %u bytes of data, %u keys\n", s->workload,
	       s->connections, s->depth, s->size, s->keys);
	printf("%-14s %9s %9s %9s %9s %9s %9s %8s %9s %8s %8s %8s\n", "server", "ops/s", "p50 us", "p90 us",
	       "p99 us", "p99.9 us", "max us", "CPU", "ops/CPU-s", "MiB", "+MiB", "own CPU");
	fflush(stdout);
}

static void
json_number(const char *key, double value)
{
	if (value < 0)
		printf(",\"%s\":null", key);
	else
		printf(",\"%s\":%.4f", key, value);
}

static void
json_run(const struct server *server, unsigned round, const struct result *r)
{
	printf("{\"server\":\"%s\",\"round\":%u,\"operations\":%" PRIu64 ",\"seconds\":%.3f", server->name,
	       round + 1, r->operations, r->seconds);
	json_number("ops_per_s", throughput(r));
	json_number("p50_us", histogram_us(&r->latency, 0.5));
	json_number("p90_us", histogram_us(&r->latency, 0.9));
	json_number("p99_us", histogram_us(&r->latency, 0.99));
	json_number("p999_us", histogram_us(&r->latency, 0.999));
	json_number("max_us", histogram_max_us(&r->latency));
	json_number("server_cpu_s", r->server_cpu_s);
	json_number("ops_per_cpu_s", per_cpu_second(r));
	json_number("own_cpu_s", r->own_cpu_s);
	json_number("pss_before_bytes", (double)r->pss_before);
	json_number("pss_after_bytes", (double)r->pss_after);
	printf(",\"checked\":%" PRIu64 ",\"read_back\":%" PRIu64 "}", r->checked, r->read_back);
}

/* Into a column, "-" where it is not known. */
static void
print_cell(int width, int digits, double value)
{
	if (value < 0)
		printf(" %*s", width, "-");
	else
		printf(" %*.*f", width, digits, value);
}

static void
print_run(const struct server *server, const struct result *r)
{
	printf("%-14s", server->name);
	print_cell(9, 0, throughput(r));
	print_cell(9, 1, histogram_us(&r->latency, 0.5));
	print_cell(9, 1, histogram_us(&r->latency, 0.9));
	print_cell(9, 1, histogram_us(&r->latency, 0.99));
	print_cell(9, 1, histogram_us(&r->latency, 0.999));
	print_cell(9, 1, histogram_max_us(&r->latency));
	print_cell(8, 2, r->server_cpu_s < 0 ? -1 : r->server_cpu_s / r->seconds);
	print_cell(9, 0, per_cpu_second(r));
	print_cell(8, 1, r->pss_after < 0 ? -1 : (double)r->pss_after / MIB);
	if (r->pss_before < 0 || r->pss_after < 0)
		print_cell(8, 1, -1);
	else
		printf(" %8.1f", (double)(r->pss_after - r->pss_before) / MIB);
	print_cell(8, 2, r->own_cpu_s / r->seconds);
	printf("\n");
	fflush(stdout);
}

void
report_run(const struct settings *s, const struct server *server, unsigned round, const struct result *r)
{
	static bool later;

	if (s->json) {
		printf(later ? "," : "");
		json_run(server, round, r);
		later = true;
	} else {
		print_run(server, r);
	}
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct spread {
	double min, median, max;
};

/* False when one of the rounds does not know the metric. */
static bool
find_spread(const struct settings *s, const struct metric *m, unsigned other, unsigned nservers,
	    const struct result *results, struct spread *spread)
{
	double *ratios = mem_zalloc(s->rounds, sizeof *ratios);
	bool known = true;
	unsigned n = s->rounds;

	for (unsigned i = 0; i < n; i++) {
		double mine = m->value(&results[i * nservers]);
		double theirs = m->value(&results[i * nservers + other]);
		known &= mine >= 0 && theirs > 0;
		ratios[i] = known ? mine / theirs : 0;
	}
	qsort(ratios, n, sizeof *ratios, compare);
	*spread = (struct spread){ ratios[0], (ratios[(n - 1) / 2] + ratios[n / 2]) / 2, ratios[n - 1] };
	mem_free(ratios);
	return known;
}

static void
print_spread(const struct settings *s, const struct metric *m, const struct spread *p)
{
	if (s->json)
		printf(",\"%s\":{\"min\":%.3f,\"median\":%.3f,\"max\":%.3f}", m->key, p->min, p->median,
		       p->max);
	else
		printf("  %-15s %8.2f  (%.2f to %.2f)\n", m->text, p->median, p->min, p->max);
}

void
report_ratios(const struct settings *s, const struct server *servers, unsigned nservers,
	      const struct result *results)
{
	struct spread spread;

	if (s->json)
		printf("],\"ratios\":[");
	for (unsigned other = 1; other < nservers; other++) {
		if (s->json)
			printf("%s{\"of\":\"%s\",\"to\":\"%s\"", other > 1 ? "," : "", servers[0].name,
			       servers[other].name);
		else
			printf("%s / %s, median of %u rounds (smallest to largest)\n", servers[0].name,
			       servers[other].name, s->rounds);
		for (unsigned i = 0; i < METRICS; i++)
			if (find_spread(s, &metrics[i], other, nservers, results, &spread))
				print_spread(s, &metrics[i], &spread);
		printf(s->json ? "}" : "");
	}
}

void
report_end(const struct settings *s, const char *failure)
{
	if (s->json && failure == NULL)
		printf("]}\n");
	else if (s->json)
		printf("],\"failed\":true}\n");
	fflush(stdout);
	if (failure != NULL)
		fprintf(stderr, "zkbench: %s\n", failure);
}
