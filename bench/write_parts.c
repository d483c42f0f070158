/*
 * bench/write-parts: a lone durable write of a running standalone node, split into its parts.
 *
 * The whole is measured at the client: setData, one at a time. Three parts are measured by themselves, on the same
 * machine and in the same minute: the client's connection (a ping goes to clientd and back, and to nobody else), the
 * four hops between the daemons (bench/hop's measure of single frames to a process that has slept), and fdatasync
 * after an append of the txn's size as logd appends (in the folder named, which has to be on the file system
 * of the node's log). What remains is the daemons' own work and whatever waiting the parts do not show by themselves.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/append.h"
#include "bench/client.h"
#include "bench/echo.h"
#include "bench/number.h"
#include "bench/samples.h"
#include "io/clock.h"
#include "jute/zk_error.h"

enum {
	WRITES_DEFAULT = 2000,
	WRITES_MAX = 1000000,
	PORT_MAX = 65535,
	HOPS = 4, /* clientd, syncd, logd, syncd, clientd */
	DATA_BYTES = 100,
	TXN_BYTES = 200, /* of such a setData in the log, about */
	PAUSE_US = 150,  /* about what a daemon sleeps between two messages of a lone write */
};

struct arguments {
	const char *host, *folder;
	long port, writes;
	bool json;
};

struct parts {
	struct samples write, read, ping, sync;
	struct echo_result hop;
};

static const struct option options[] = {
	{ "host", required_argument, NULL, 'H' },
	{ "port", required_argument, NULL, 'p' },
	{ "folder", required_argument, NULL, 'd' },
	{ "writes", required_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char path_text[] = "/zkd-bench-write-parts";

static void
print_help(void)
{
	printf(
	    "usage: bench/write-parts --folder dir [--host address] [--port n] [--writes n] [--json]\n"
	    "Splits a lone durable write of a running node into its parts.\n\n"
	    "  --folder dir    a folder on the file system of the node's log, for the measure of fdatasync\n"
	    "  --host address  default 127.0.0.1\n"
	    "  --port n        default 2181\n"
	    "  --writes n      default %d\n"
	    "  --json          one JSON object instead of a table\n",
	    WRITES_DEFAULT);
}

/* Times one call of the client into a set. */
static int
time_call(struct samples *s, int error, int32_t code, uint64_t began)
{
	if (error < 0)
		return error;
	if (code != ZK_OK)
		return -EREMOTEIO;
	samples_add(s, clock_mono_ns() - began);
	return 0;
}

/* One of each, so that all parts are measured in the same weather. */
static int
measure_once(struct client *c, struct append_file *log, struct parts *p)
{
	static const uint8_t data[DATA_BYTES];
	struct slice path = slice_str(path_text), value = slice_of(data, sizeof data);
	uint64_t began = clock_mono_ns();
	int32_t code = ZK_OK;
	int error;

	error = client_set(c, path, value, &code);
	error = time_call(&p->write, error, code, began);
	began = clock_mono_ns();
	error = error ?: client_ping(c);
	error = time_call(&p->ping, error, ZK_OK, began);
	began = clock_mono_ns();
	error = error ?: client_get(c, path, &code);
	error = time_call(&p->read, error, code, began);
	began = clock_mono_ns();
	error = error ?: append_sync(log, TXN_BYTES);
	return time_call(&p->sync, error, ZK_OK, began);
}

static int
measure(const struct arguments *a, struct parts *p)
{
	struct echo_case hop = {
		.depth = 1, .body_bytes = TXN_BYTES, .pause_us = PAUSE_US, .frames = (size_t)a->writes
	};
	struct append_file log;
	struct client c;
	int32_t code;
	int error = append_open(&log, a->folder, true);

	if (error < 0)
		return error;
	error = client_open(&c, a->host, (uint16_t)a->port);
	if (error == 0) {
		error = client_create(&c, slice_str(path_text), SLICE_LIT("x"), &code);
		for (long i = 0; i < a->writes && error == 0; i++)
			error = measure_once(&c, &log, p);
		client_delete(&c, slice_str(path_text), &code);
		client_close(&c);
	}
	append_close(&log);
	return error ?: echo_measure(&hop, &p->hop);
}

static void
print_row(const char *name, double p50, double p99, bool json, const char *end)
{
	if (json)
		printf("\"%s\":{\"p50_us\":%.1f,\"p99_us\":%.1f}%s", name, p50, p99, end);
	else if (p99 > 0)
		printf("%-28s %10.1f %10.1f\n", name, p50, p99);
	else
		printf("%-28s %10.1f\n", name, p50);
}

static void
print_set(const char *name, struct samples *s, bool json)
{
	print_row(name, samples_us(s, 0.5), samples_us(s, 0.99), json, ",");
}

static void
print_parts(const struct arguments *a, struct parts *p)
{
	double hops = HOPS * p->hop.p50_us, rest;

	samples_sort(&p->write);
	samples_sort(&p->read);
	samples_sort(&p->ping);
	samples_sort(&p->sync);
	rest = samples_us(&p->write, 0.5) - samples_us(&p->ping, 0.5) - hops - samples_us(&p->sync, 0.5);
	printf(a->json ? "{" : "part                            p50 (us)   p99 (us)\n");
	print_set("write", &p->write, a->json);
	print_set("connection", &p->ping, a->json);
	print_row("four_hops", hops, HOPS * p->hop.p99_us, a->json, ",");
	print_set("append_and_fdatasync", &p->sync, a->json);
	print_row("rest", rest, 0, a->json, ",");
	print_row("read", samples_us(&p->read, 0.5), samples_us(&p->read, 0.99), a->json,
		  a->json ? "}\n" : "");
}

/* -1 to go on, else the exit status. */
static int
parse(int argc, char **argv, struct arguments *a)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'H':
			a->host = optarg;
			break;
		case 'p':
			if (!number_take("write-parts", "port", optarg, PORT_MAX, &a->port))
				return 2;
			break;
		case 'd':
			a->folder = optarg;
			break;
		case 'n':
			if (!number_take("write-parts", "writes", optarg, WRITES_MAX, &a->writes))
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
	fprintf(stderr, "write-parts: takes options only, --folder is needed; --help tells more\n");
	return 2;
}

int
main(int argc, char **argv)
{
	struct arguments a = { .host = "127.0.0.1", .port = 2181, .writes = WRITES_DEFAULT };
	struct parts p = { 0 };
	int error, status = parse(argc, argv, &a);

	if (status >= 0)
		return status;
	samples_init(&p.write, (size_t)a.writes);
	samples_init(&p.read, (size_t)a.writes);
	samples_init(&p.ping, (size_t)a.writes);
	samples_init(&p.sync, (size_t)a.writes);
	error = measure(&a, &p);
	if (error == 0)
		print_parts(&a, &p);
	else
		fprintf(stderr, "write-parts: %s\n", strerror(-error));
	samples_free(&p.write);
	samples_free(&p.read);
	samples_free(&p.ping);
	samples_free(&p.sync);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
