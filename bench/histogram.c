/* See histogram.h. Invariant: the buckets' counts add up to count. Below HISTOGRAM_SUB ns each value has its own. */
#include "bench/histogram.h"

static unsigned
bucket_of(uint64_t ns)
{
	unsigned shift, bucket;

	if (ns < HISTOGRAM_SUB)
		return (unsigned)ns;
	shift = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
	bucket = (shift + 1) * HISTOGRAM_SUB + (unsigned)((ns >> shift) & (HISTOGRAM_SUB - 1));
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value that goes into a bucket. */
static uint64_t
bucket_end(unsigned bucket)
{
	unsigned shift;

	if (bucket < HISTOGRAM_SUB)
		return bucket;
	shift = bucket / HISTOGRAM_SUB - 1;
	return ((uint64_t)(HISTOGRAM_SUB + bucket % HISTOGRAM_SUB + 1) << shift) - 1;
}

void
histogram_add(struct histogram *h, uint64_t ns)
{
	h->buckets[bucket_of(ns)]++;
	h->count++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

double
histogram_us(const struct histogram *h, double share)
{
	uint64_t due = (uint64_t)((double)h->count * share), seen = 0;

	if (h->count == 0)
		return 0;
	due = due < h->count ? due + 1 : h->count;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= due) {
			uint64_t end = bucket_end(i);
			return (double)(end < h->max_ns ? end : h->max_ns) / 1e3;
		}
	}
	return histogram_max_us(h);
}

double
histogram_max_us(const struct histogram *h)
{
	return (double)h->max_ns / 1e3;
}
