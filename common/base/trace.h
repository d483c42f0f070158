/*
 * How a pure core speaks: one line for each decision. A core never logs, it hands lines to the trace it was given;
 * the shell turns notices and warnings into log lines and debug lines into output when the room's trace is on, the
 * simulator prints them in columns. A trace may be NULL: then nobody listens.
 *
 * A line is a room, an event in a few fixed words, and "key=value ..." text. Never secrets, never znode data.
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum trace_level {
	TRACE_DEBUG,   /* each decision; off unless asked for */
	TRACE_NOTICE,  /* an operator wants to see it once: role, epoch, snapshot, session expiry at large */
	TRACE_WARNING, /* somebody or something misbehaved and was dealt with */
	TRACE_ERROR,   /* needs the operator */
};

struct trace {
	enum trace_level least; /* lines below this are not formatted */
	void (*emit)(struct trace *t, enum trace_level level, const char *room, const char *event,
		     const char *text);
};

void trace_line(struct trace *t, enum trace_level level, const char *room, const char *event, const char *fmt,
		...) __attribute__((format(printf, 5, 6)));

static inline bool
trace_wants(const struct trace *t, enum trace_level level)
{
	return t != NULL && level >= t->least;
}

/* The test is inline, so that a trace that is off costs a compare. */
#define trace(t, level, room, event, ...)                                                                    \
	do {                                                                                                 \
		struct trace *trace_to = (t);                                                                \
		if (trace_wants(trace_to, (level)))                                                          \
			trace_line(trace_to, (level), (room), (event), __VA_ARGS__);                         \
	} while (0)

#endif
