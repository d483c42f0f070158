/* See samples.h. */
#include "bench/samples.h"

#include <stdlib.h>

#include "base/mem.h"

void
samples_init(struct samples *s, size_t cap)
{
	*s = (struct samples){ .ns = mem_zalloc(cap, sizeof *s->ns), .cap = cap };
}

void
samples_free(struct samples *s)
{
	mem_free(s->ns);
	*s = (struct samples){ 0 };
}

void
samples_add(struct samples *s, uint64_t ns)
{
	if (s->n < s->cap)
		s->ns[s->n++] = ns;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void
samples_sort(struct samples *s)
{
	if (s->n > 0)
		qsort(s->ns, s->n, sizeof *s->ns, compare);
}

double
samples_us(const struct samples *s, double share)
{
	size_t at = (size_t)((double)s->n * share);

	if (s->n == 0)
		return 0;
	return (double)s->ns[at < s->n ? at : s->n - 1] / 1e3;
}
