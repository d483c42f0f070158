/* See number.h. */
#include "bench/number.h"

#include <stdio.h>
#include <stdlib.h>

bool
number_take(const char *program, const char *option, const char *text, long max, long *n)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (end == text || *end != '\0' || v < 1 || v > max) {
		fprintf(stderr, "%s: --%s takes 1 to %ld, not '%s'; --help tells more\n", program, option,
			max, text);
		return false;
	}
	*n = v;
	return true;
}
