/* How things are said: complaints, suggestions, durations, sizes. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "config/nearest.h"
#include "zkctl.h"

int
complain(int status, const char *format, ...)
{
	va_list ap;

	fputs("zkctl: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

const char *
suggestion(const char *word, const char *const *choices)
{
	static char out[128];
	struct nearest near;

	nearest_init(&near, word);
	for (; *choices != NULL; choices++)
		nearest_offer(&near, *choices);
	out[0] = '\0';
	if (near.best != NULL)
		snprintf(out, sizeof out, ", did you mean %s?", near.best);
	return out;
}

int64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *
format_duration(uint64_t ms, char *out, size_t size)
{
	uint64_t s = ms / 1000, min = s / 60, h = min / 60, d = h / 24;

	if (s == 0)
		snprintf(out, size, "%" PRIu64 " ms", ms);
	else if (min == 0)
		snprintf(out, size, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
	else if (h == 0)
		snprintf(out, size, "%" PRIu64 " min %" PRIu64 " s", min, s % 60);
	else if (d == 0)
		snprintf(out, size, "%" PRIu64 " h %" PRIu64 " min", h, min % 60);
	else
		snprintf(out, size, "%" PRIu64 " d %" PRIu64 " h", d, h % 24);
	return out;
}

const char *
format_bytes(uint64_t bytes, char *out, size_t size)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes / 1024;
	size_t unit = 0;

	while (n >= 1024 && unit < sizeof units / sizeof units[0] - 1) {
		n /= 1024;
		unit++;
	}
	snprintf(out, size, "%.1f %s", n, units[unit]);
	return out;
}
