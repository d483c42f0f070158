/*
 * bench/hop: what a hop over a star link costs. Two processes, the real link code, a Unix socket between them. Depth 1
 * is a lone write's hop, wake-up included; at a greater depth frames share turns and system calls, as in a busy node.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/echo.h"
#include "bench/number.h"

enum { FRAMES_DEFAULT = 100000, FRAMES_MAX = 10000000, TXN_BYTES = 200, PAUSE_US = 200, PAUSED_SHARE = 10 };

static const struct option options[] = {
	{ "frames", required_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void
print_help(void)
{
	printf("usage: bench/hop [--json] [--frames n]\n"
	       "Measures a hop over a link between two processes: half a round trip of one frame.\n\n"
	       "  --frames n  frames to measure per line of the table (default %d)\n"
	       "  --json      one JSON object instead of a table\n",
	       FRAMES_DEFAULT);
}

static void
print_row(const struct echo_case *c, const struct echo_result *r, bool json, bool first)
{
	if (json)
		printf("%s{\"depth\":%u,\"pause_us\":%u,\"body_bytes\":%zu,\"p50_us\":%.2f,\"p99_us\":%.2f,"
		       "\"cpu_us\":%.2f,"
		       "\"user_us\":%.2f,\"hops_per_s\":%.0f}",
		       first ? "" : ",", c->depth, c->pause_us, c->body_bytes, r->p50_us, r->p99_us,
		       r->cpu_us, r->user_us, r->hops_per_s);
	else
		printf("%5u %8u %10zu %10.2f %10.2f %10.2f %10.2f %12.0f\n", c->depth, c->pause_us,
		       c->body_bytes, r->p50_us, r->p99_us, r->cpu_us, r->user_us, r->hops_per_s);
	fflush(stdout);
}

static int
measure_all(size_t frames, bool json)
{
	static const struct echo_case cases[] = {
		{ .depth = 1, .body_bytes = 0 },
		{ .depth = 1, .body_bytes = TXN_BYTES },
		{ .depth = 1, .body_bytes = TXN_BYTES, .pause_us = PAUSE_US },
		{ .depth = 4, .body_bytes = TXN_BYTES },
		{ .depth = 16, .body_bytes = TXN_BYTES },
		{ .depth = 64, .body_bytes = TXN_BYTES },
		{ .depth = 512, .body_bytes = TXN_BYTES },
	};
	struct echo_result r;
	double floor_us;
	int error;

	if (json)
		printf("{\"hop\":[");
	else
		printf(
		    "depth pause_us body_bytes     p50_us     p99_us     cpu_us    user_us       hops/s\n");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct echo_case c = cases[i];
		/* With pauses it would take minutes, and wake-ups are told apart by fewer. */
		c.frames = c.pause_us > 0 ? frames / PAUSED_SHARE + 1 : frames;
		error = echo_measure(&c, &r);
		if (error < 0) {
			fprintf(stderr, "hop: %s\n", strerror(-error));
			return EXIT_FAILURE;
		}
		print_row(&c, &r, json, i == 0);
	}
	floor_us = echo_floor_us(frames);
	if (json)
		printf("],\"floor_us\":%.2f}\n", floor_us);
	else
		printf("bare read and write, p50: %.2f us\n", floor_us);
	return floor_us < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	long frames = FRAMES_DEFAULT;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			if (!number_take("hop", "frames", optarg, FRAMES_MAX, &frames))
				return 2;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			print_help();
			return EXIT_SUCCESS;
		default:
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "hop: takes no '%s'; --help tells more\n", argv[optind]);
		return 2;
	}
	return measure_all((size_t)frames, json);
}
