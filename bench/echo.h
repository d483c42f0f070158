/*
 * Measures hops: two processes with the real link code between them, as syncd and a sibling have it. One sends
 * frames, the other answers each with a frame of the same size; half a round trip is a hop.
 */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include <stddef.h>
#include <stdint.h>

struct echo_case {
	unsigned depth; /* frames in flight: 1 for a lone write, more for what a busy node batches */
	unsigned
	    pause_us; /* before each frame: a process that has slept wakes more slowly than one that has not */
	size_t body_bytes; /* of each frame, both ways */
	size_t frames;     /* to measure, after a tenth as many that are not */
};

struct echo_result {
	double p50_us, p99_us; /* of one hop: half of what a round trip took */
	double cpu_us;         /* user and system time of both processes, for one hop of one frame */
	double user_us;        /* of that, in user mode */
	double hops_per_s;
};

/* 0 or -errno. Forks; the child is gone when it returns. */
int echo_measure(const struct echo_case *c, struct echo_result *r);

/*
 * The same round trip with blocking read and write and nothing else: what the machine takes for it, at best. Half of
 * its median in microseconds, or a negative errno.
 */
double echo_floor_us(size_t frames);

#endif
