/* What came of runs: rows of a table or members of a JSON object on standard output, and ratios at the end. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench/zkbench.h"

/* Before the first run. */
void report_begin(const struct settings *s);
void report_run(const struct settings *s, const struct server *server, unsigned round,
		const struct result *r);
/*
 * The first server's figures over each other's, of the same round: the smallest, the median and the largest.
 * results[round * nservers + server].
 */
void report_ratios(const struct settings *s, const struct server *servers, unsigned nservers,
		   const struct result *results);
/* After the last run; failure: what went wrong, or NULL. */
void report_end(const struct settings *s, const char *failure);

#endif
