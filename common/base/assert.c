/* The end of a daemon that found itself wrong: one line, then abort. No allocation, no stdio. */
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
put(const char *s)
{
	if (write(STDERR_FILENO, s, strlen(s)) < 0)
		return;
}

void
assert_failed(const char *expr, const char *file, int line)
{
	char digits[16];
	int i = sizeof digits;

	digits[--i] = '\0';
	do {
		digits[--i] = (char)('0' + line % 10);
		line /= 10;
	} while (line > 0);
	put("assertion failed: ");
	put(expr);
	put(" at ");
	put(file);
	put(":");
	put(digits + i);
	put("\n");
	abort();
}

void
assert_panic(const char *reason)
{
	put("panic: ");
	put(reason);
	put("\n");
	abort();
}
