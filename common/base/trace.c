/* See trace.h. */
#include "base/trace.h"

#include <stdio.h>

enum { LINE_MAX_BYTES = 512 };

void
trace_line(struct trace *t, enum trace_level level, const char *room, const char *event, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	t->emit(t, level, room, event, text);
}
