/*
 * Latencies in buckets of logarithmic width: whatever is recorded comes back less than 1 % too high, in a few
 * kilobytes that never grow. Zeroed memory is an empty histogram; it owns nothing.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_SUB_BITS = 7,
	HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS, /* buckets for each doubling */
	HISTOGRAM_DOUBLINGS = 34,                /* up to half an hour; what is longer counts as that */
	HISTOGRAM_BUCKETS = (HISTOGRAM_DOUBLINGS + 1) * HISTOGRAM_SUB,
};

struct histogram {
	uint64_t count, max_ns;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);
/* The time in microseconds that a share of them (0.5: the median) does not exceed; 0 when there are none. */
double histogram_us(const struct histogram *h, double share);
double histogram_max_us(const struct histogram *h);

#endif
