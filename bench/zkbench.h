/*
 * zkbench in its parts: what is to be done (struct settings), to whom (struct server), and what came of it (struct
 * result). Each workload is one function from the first two to the third; measure_* is the clock that they share.
 */
#ifndef BENCH_ZKBENCH_H
#define BENCH_ZKBENCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench/histogram.h"
#include "bench/processes.h"
#include "bench/swarm.h"

enum { SERVER_NAME_BYTES = 64, WHY_BYTES = 256, SERVER_ADDRESSES_MAX = 16 };

struct settings {
	const char *workload; /* its name */
	unsigned connections, depth, keys, size, read_percent;
	unsigned rounds; /* of a comparison */
	uint32_t timeout_ms, patience_ms;
	uint64_t requests; /* end after so many in place of after a time; 0: no */
	double warm_s, seconds;
	bool keep; /* leave what was created */
	bool json, progress;
};

struct server {
	char name[SERVER_NAME_BYTES];
	struct swarm_address addresses[SERVER_ADDRESSES_MAX]; /* several: an ensemble's servers */
	unsigned naddresses;
	struct processes processes;
	bool
	    keeps_nothing; /* it only answers: contents and versions mean nothing, and nothing is read back */
	pid_t child;       /* our own do-nothing server, or 0 */
};

/* For one run. Server's figures are -1 where nobody knows them. */
struct result {
	char why[WHY_BYTES]; /* the failure, or "" */
	uint64_t operations; /* in the measured time */
	double seconds;
	struct histogram latency;
	double server_cpu_s, own_cpu_s; /* in the measured time */
	int64_t pss_before, pss_after;  /* before the first connection; at the end, all still there */
	uint64_t checked;               /* replies and notifications, all of them */
	uint64_t read_back;             /* acknowledged writes, at the end */
};

/* The measured time of a run. */
struct measure {
	const struct settings *settings;
	const struct server *server;
	struct result *result;
	uint64_t begin_ns, end_ns, began_ns; /* planned; and when it really began */
	enum { MEASURE_WARMING, MEASURE_RUNNING, MEASURE_OVER } state;
	double server_cpu_s, own_cpu_s; /* at began_ns */
	uint64_t told, told_ns;         /* what the progress line has seen */
};

/* The warm-up begins now. */
void measure_start(struct measure *m, uint64_t now_ns);
/* An operation ended now, so long after it was begun. Counts when it is in the measured time. */
void measure_add(struct measure *m, uint64_t now_ns, uint64_t latency_ns);
/* Moves from one state to the next when it is time; true when the measured time is over. */
bool measure_check(struct measure *m, uint64_t now_ns);
/* Ends it now. */
void measure_end(struct measure *m, uint64_t now_ns);
/* The progress line, where one is wanted: what is being done, and how fast when it is measured. */
void measure_tell(struct measure *m, const char *phase, uint64_t now_ns);
/* Removes it. */
void measure_hush(const struct settings *s);

/* A swarm for these settings; depth and frame_max may be more than the settings say. */
struct swarm_config zkbench_config(const struct settings *s, const struct server *server);

/*
 * The workloads. 0, or -EPROTO with the reason in result->why. What they created is gone afterwards, unless they
 * failed or settings->keep is set.
 */
typedef int workload_run(const struct settings *s, const struct server *server, struct result *result);
/* get, set, create, exists, children, mix (load.c) */
workload_run load_run;
/* watch: one change, seen by every other connection (fanout.c) */
workload_run fanout_run;
/* connect: sessions opened and closed; idle: sessions that do nothing (visit.c) */
workload_run connect_run;
workload_run idle_run;

#endif
