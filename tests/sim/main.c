/* zkdsim: seeds one after the other. The only file here that knows of the real world: arguments, output, the clock. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "sim.h"
#include "story.h"

struct options {
	int nodes, observers;
	uint64_t from, to;
	enum mutation mutation;
	bool trace, first;           /* first: stop at the first seed that fails */
	uint64_t seconds;            /* stop after so many real ones; 0: when all seeds are through */
	const char *story, *stories; /* name or "all"; folder of the recorded traces */
	bool rewrite;
};

static const char *const mutation_names[MUTATIONS_END] = { [MUTATE_NOTHING] = "",
#define X(name, text, nodes, what) [MUTATE_##name] = text,
							   MUTATIONS(X)
#undef X
};

static char replay[160];

static void
usage(FILE *to)
{
	fputs(
	    "usage: zkdsim [--nodes N] [--observers N] [--seed S | --seeds FROM..TO] [--seconds N] [--first] "
	    "[--mutate NAME] [--trace]\n"
	    "       zkdsim --story NAME|all [--stories FOLDER] [--rewrite] [--trace]\n"
	    "mutations, and the nodes that they take:\n",
	    to);
#define X(name, text, nodes, what) fprintf(to, "  %-22s %d  %s\n", text, nodes, what);
	MUTATIONS(X)
#undef X
	fputs("stories:\n", to);
	for (size_t i = 0; story_nth(i) != NULL; i++)
		fprintf(to, "  %-34s %s\n", story_nth(i)->name, story_nth(i)->what);
}

static int
bad(const char *what, const char *value)
{
	fprintf(stderr, "zkdsim: %s: %s\n", what, value);
	usage(stderr);
	return 2;
}

static bool
parse_number(const char *text, const char *end, uint64_t *value)
{
	char *stop;

	errno = 0;
	*value = strtoull(text, &stop, 10);
	return errno == 0 && stop != text && (end != NULL ? stop == end : *stop == '\0') && text[0] != '-';
}

static bool
parse_seeds(const char *text, struct options *o)
{
	const char *dots = strstr(text, "..");

	return dots != NULL && parse_number(text, dots, &o->from) && parse_number(dots + 2, NULL, &o->to) &&
	       o->from <= o->to;
}

static bool
parse_mutation(const char *text, struct options *o)
{
	for (int i = 1; i < MUTATIONS_END; i++)
		if (strcmp(mutation_names[i], text) == 0) {
			o->mutation = (enum mutation)i;
			return true;
		}
	return false;
}

/* 0, or the exit status. */
static int
parse_option(const char *name, const char *value, struct options *o)
{
	uint64_t n;

	if (value == NULL)
		return bad("a value is missing", name);
	if (strcmp(name, "--nodes") == 0) {
		if (!parse_number(value, NULL, &n))
			return bad("not a number of nodes", value);
		if (n != 1 && n != 3 && n != 5)
			return bad("1, 3 or 5 nodes are simulated, not", value);
		o->nodes = (int)n;
		return 0;
	}
	if (strcmp(name, "--observers") == 0) {
		if (!parse_number(value, NULL, &n) || n > OBSERVERS_MAX)
			return bad("not a number of observers, 0 to 2", value);
		o->observers = (int)n;
		return 0;
	}
	if (strcmp(name, "--seed") == 0) {
		if (!parse_number(value, NULL, &o->from))
			return bad("not a seed", value);
		o->to = o->from;
		return 0;
	}
	if (strcmp(name, "--seeds") == 0)
		return parse_seeds(value, o) ? 0 : bad("not FROM..TO", value);
	if (strcmp(name, "--seconds") == 0)
		return parse_number(value, NULL, &o->seconds) ? 0 : bad("not a number of seconds", value);
	if (strcmp(name, "--mutate") == 0)
		return parse_mutation(value, o) ? 0 : bad("no such mutation", value);
	if (strcmp(name, "--story") == 0) {
		o->story = value;
		return strcmp(value, "all") == 0 || story_find(value) != NULL ? 0
									      : bad("no such story", value);
	}
	if (strcmp(name, "--stories") == 0) {
		o->stories = value;
		return 0;
	}
	return bad("unknown option", name);
}

static int
parse(int argc, char **argv, struct options *o)
{
	int status;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			usage(stdout);
			exit(0);
		}
		if (strcmp(argv[i], "--trace") == 0) {
			o->trace = true;
			continue;
		}
		if (strcmp(argv[i], "--first") == 0) {
			o->first = true;
			continue;
		}
		if (strcmp(argv[i], "--rewrite") == 0) {
			o->rewrite = true;
			continue;
		}
		status = parse_option(argv[i], i + 1 < argc ? argv[i + 1] : NULL, o);
		if (status != 0)
			return status;
		i++;
	}
	return 0;
}

static double
real_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* An assertion of a core ends the process: the seed has to be known then too. */
static void
on_abort(int number)
{
	ssize_t n = write(STDOUT_FILENO, replay, strlen(replay));

	(void)n;
	signal(number, SIG_DFL);
	raise(number);
}

static bool
run(const struct options *o, const char *program, uint64_t seed, struct sim_counts *sum, double *simulated)
{
	struct sim *s = mem_zalloc(1, sizeof *s);
	char observers[24] = "";
	bool failed;

	if (o->observers != BY_SEED)
		snprintf(observers, sizeof observers, " --observers %d", o->observers);
	snprintf(replay, sizeof replay, "replay: %s --nodes %d%s --seed %" PRIu64 "%s%s --trace\n", program,
		 o->nodes, observers, seed, o->mutation != MUTATE_NOTHING ? " --mutate " : "",
		 mutation_names[o->mutation]);
	s->nvoters = o->nodes;
	s->nobservers = o->nodes == 1 ? 0 : o->observers;
	s->mutation = o->mutation;
	s->tracing = o->trace;
	sim_run(s, seed);
	failed = s->failed;
	if (failed)
		printf("seed %" PRIu64 " FAILED at %.6f s: %s\n%s", seed, (double)s->now_us / SECOND,
		       s->failure, replay);
	sum->calls += s->counts.calls;
	sum->answers += s->counts.answers;
	sum->faults += s->counts.faults;
	sum->txns += s->counts.txns;
	sum->events += s->counts.events;
	*simulated += (double)s->now_us / SECOND;
	mem_free(s);
	return failed;
}

static int
play(const struct options *o)
{
	size_t failures = 0, played = 0;

	for (size_t i = 0; story_nth(i) != NULL; i++) {
		if (strcmp(o->story, "all") != 0 && strcmp(o->story, story_nth(i)->name) != 0)
			continue;
		played++;
		failures += !story_play(story_nth(i), o->stories, o->rewrite, o->trace);
	}
	printf("%zu stories, %zu failures\n", played, failures);
	return failures == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct options o = {
		.nodes = 1, .observers = BY_SEED, .from = 1, .to = 100, .stories = "tests/sim/stories"
	};
	struct sim_counts sum = { 0 };
	double simulated = 0, began = real_seconds(), told = began, now = began;
	uint64_t seeds = 0, failures = 0;
	int status = parse(argc, argv, &o);

	if (status != 0)
		return status;
	signal(SIGABRT, on_abort);
	signal(SIGSEGV, on_abort);
	if (o.story != NULL)
		return play(&o);
	for (uint64_t seed = o.from;; seed++) {
		failures += run(&o, argv[0], seed, &sum, &simulated);
		seeds++;
		now = real_seconds();
		if (seed == o.to || (o.first && failures > 0) ||
		    (o.seconds > 0 && now - began >= (double)o.seconds))
			break;
		if (now - told >= 10) {
			told = now;
			printf("at seed %" PRIu64 ": %" PRIu64 " failures\n", seed, failures);
			fflush(stdout);
		}
	}
	printf("%" PRIu64 " calls, %" PRIu64 " answers, %" PRIu64 " txns, %" PRIu64
	       " faults; in each simulated second "
	       "%.1f calls, %.2f faults\n",
	       sum.calls, sum.answers, sum.txns, sum.faults, (double)sum.calls / simulated,
	       (double)sum.faults / simulated);
	printf("%" PRIu64 " seeds, %.0f simulated seconds, x%.0f real time, %" PRIu64 " failures\n", seeds,
	       simulated, simulated / (now > began ? now - began : 1e-9), failures);
	return failures == 0 ? 0 : 1;
}
