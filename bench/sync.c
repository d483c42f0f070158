/*
 * bench/sync: what a sync of the log costs, by the size of the batch, in space that was only allocated and in space that
 * zeros were written to before, as logd does. The two are measured by turns, so that both have the same weather.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/append.h"
#include "bench/number.h"
#include "bench/samples.h"
#include "io/clock.h"

enum { SYNCS_DEFAULT = 3000, SYNCS_MAX = 1000000, ROUND = 100, KINDS = 2 };

static const size_t sizes[] = { 200, 2000, 16000 };

static const struct option options[] = {
	{ "folder", required_argument, NULL, 'd' },
	{ "syncs", required_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct arguments {
	const char *folder;
	long syncs;
	bool json;
};

/* One kind of space. */
struct side {
	struct append_file file;
	struct samples samples;
	uint64_t cpu_us;
};

static void
print_help(void)
{
	printf("usage: bench/sync --folder dir [--syncs n] [--json]\n"
	       "Measures an append and its fdatasync, in space only allocated and in space of zeros.\n\n"
	       "  --folder dir  a folder on the file system of the log\n"
	       "  --syncs n     of each kind and size (default %d)\n"
	       "  --json        one JSON object instead of a table\n",
	       SYNCS_DEFAULT);
}

static uint64_t
cpu_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static int
run_round(struct side *s, size_t size, long n)
{
	uint64_t before = cpu_us();
	int error = 0;

	for (long i = 0; i < n && error == 0; i++) {
		uint64_t began = clock_mono_ns();

		error = append_sync(&s->file, size);
		samples_add(&s->samples, clock_mono_ns() - began);
	}
	s->cpu_us += cpu_us() - before;
	return error;
}

static void
print_side(const struct arguments *a, const char *name, size_t size, struct side *s, const char *separator)
{
	double cpu = (double)s->cpu_us / (double)a->syncs;

	samples_sort(&s->samples);
	printf(a->json ? "%s{\"space\":\"%s\",\"bytes\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"cpu_us\":%.1f}"
		       : "%s%-10s %10zu %10.1f %10.1f %10.1f\n",
	       a->json ? separator : "", name, size, samples_us(&s->samples, 0.5),
	       samples_us(&s->samples, 0.99), cpu);
}

static int
measure(const struct arguments *a, size_t size)
{
	struct side sides[KINDS] = { 0 };
	int error = 0, opened = 0;

	for (; opened < KINDS && error == 0; opened++) {
		samples_init(&sides[opened].samples, (size_t)a->syncs);
		error = append_open(&sides[opened].file, a->folder, opened == 1);
	}
	if (error != 0)
		samples_free(&sides[--opened].samples);
	for (long done = 0; done < a->syncs && error == 0; done += ROUND)
		for (int i = 0; i < KINDS && error == 0; i++)
			error = run_round(&sides[i], size, a->syncs - done < ROUND ? a->syncs - done : ROUND);
	if (error == 0) {
		print_side(a, "allocated", size, &sides[0], size == sizes[0] ? "" : ",");
		print_side(a, "zeros", size, &sides[1], ",");
	}
	while (opened-- > 0) {
		append_close(&sides[opened].file);
		samples_free(&sides[opened].samples);
	}
	return error;
}

/* -1 to go on, else the exit status. */
static int
parse(int argc, char **argv, struct arguments *a)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			a->folder = optarg;
			break;
		case 'n':
			if (!number_take("sync", "syncs", optarg, SYNCS_MAX, &a->syncs))
				return 2;
			break;
		case 'j':
			a->json = true;
			break;
		case 'h':
			print_help();
			return EXIT_SUCCESS;
		default:
			return 2;
		}
	}
	if (optind == argc && a->folder != NULL)
		return -1;
	fprintf(stderr, "sync: takes options only, --folder is needed; --help tells more\n");
	return 2;
}

int
main(int argc, char **argv)
{
	struct arguments a = { .syncs = SYNCS_DEFAULT };
	int error = 0, status = parse(argc, argv, &a);

	if (status >= 0)
		return status;
	printf(a.json ? "{\"syncs\":[" : "space           bytes     p50_us     p99_us     cpu_us\n");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes && error == 0; i++)
		error = measure(&a, sizes[i]);
	printf(a.json ? "]}\n" : "");
	if (error != 0)
		fprintf(stderr, "sync: %s: %s\n", a.folder, strerror(-error));
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
