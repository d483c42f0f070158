/*
 * See metrics.h. Invariant: the buckets of a quantile sum up to its count; bucket i holds values below those of bucket
 * i + 1.
 */
#include "metrics.h"

enum { FIRST_BITS = 6, STEPS = 1 << (FIRST_BITS - 1) };

void
metrics_reset(struct metrics *m)
{
	*m = (struct metrics){ .response_last = -1, .response_min = -1, .response_max = -1 };
}

void
summary_add(struct summary *s, uint64_t v)
{
	if (s->count == 0 || v < s->min)
		s->min = v;
	if (v > s->max)
		s->max = v;
	s->sum += v;
	s->count++;
}

/* How far v is shifted so that its first six bits are left. */
static unsigned
shift_of(uint32_t v)
{
	return v < QUANTILE_EXACT ? 0 : 32 - (unsigned)__builtin_clz(v) - FIRST_BITS;
}

void
quantiles_add(struct quantiles *q, uint64_t v)
{
	uint32_t value = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
	unsigned shift = shift_of(value);

	summary_add(&q->summary, v);
	q->buckets[STEPS * shift + (value >> shift)]++;
}

/* The largest value of a bucket. */
static uint64_t
bucket_end(unsigned i)
{
	unsigned shift = i < QUANTILE_EXACT ? 0 : i / STEPS - 1;

	return ((uint64_t)(i - STEPS * shift + 1) << shift) - 1;
}

uint64_t
quantiles_at(const struct quantiles *q, unsigned thousandths)
{
	uint64_t seen = 0, end;

	for (unsigned i = 0; i < QUANTILE_BUCKETS; i++) {
		seen += q->buckets[i];
		if (seen * 1000 < q->summary.count * thousandths || seen == 0)
			continue;
		end = bucket_end(i);
		return end < q->summary.max ? end : q->summary.max;
	}
	return 0;
}

void
metrics_response(struct metrics *m, uint64_t bytes)
{
	m->response_last = (int64_t)bytes;
	if (m->response_min < 0 || m->response_last < m->response_min)
		m->response_min = m->response_last;
	if (m->response_last > m->response_max)
		m->response_max = m->response_last;
}
