/*
 * See nearest.h. Distance: letters to insert, drop, replace or swap with their neighbour, whatever their case
 * (optimal string alignment).
 */
#include "nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

void
nearest_init(struct nearest *n, const char *word)
{
	size_t len = strlen(word);

	/* One slip in a short word, two in an ordinary one, three in a long one. */
	*n = (struct nearest){ .word = word, .distance = len < 5 ? 2 : len < 12 ? 3 : 4 };
	if (len > NEAREST_WORD_MAX || len < 2)
		n->distance = 0;
}

static bool
same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

static size_t
distance(const char *a, size_t la, const char *b, size_t lb)
{
	uint8_t rows[3][NEAREST_WORD_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= lb; j++)
		above[j] = (uint8_t)j;
	for (size_t i = 1; i <= la; i++) {
		row[0] = (uint8_t)i;
		for (size_t j = 1; j <= lb; j++) {
			size_t d =
			    min3(above[j] + 1u, row[j - 1] + 1u, above[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				d = min3(d, before[j - 2] + 1u, d);
			row[j] = (uint8_t)d;
		}
		uint8_t *oldest = before;
		before = above;
		above = row;
		row = oldest;
	}
	return above[lb];
}

void
nearest_offer(struct nearest *n, const char *candidate)
{
	size_t la = strlen(n->word), lb = strlen(candidate), gap = la > lb ? la - lb : lb - la, d;

	if (gap >= n->distance || lb > NEAREST_WORD_MAX)
		return;
	d = distance(n->word, la, candidate, lb);
	/* A word all of whose letters would change is another word. */
	if (d < n->distance && d < lb) {
		n->distance = d;
		n->best = candidate;
	}
}
