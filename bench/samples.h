/* A set of measured times and what is said of them. Owned by the caller; released with samples_free. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
	uint64_t *ns;
	size_t n, cap;
};

void samples_init(struct samples *s, size_t cap);
void samples_free(struct samples *s);
/* The first cap are kept. */
void samples_add(struct samples *s, uint64_t ns);
/* Puts them in order; to be called once, before samples_us. */
void samples_sort(struct samples *s);
/* The value, in microseconds, that a share of them (0.5: the median) does not exceed; 0 when there are none. */
double samples_us(const struct samples *s, double share);

#endif
