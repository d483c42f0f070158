/*
 * See log.h. Invariant: one event is one write (or one datagram) of one line, whatever the values hold. Formatting is
 * bounded and allocates nothing, so that a line can be written from anywhere.
 */
#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "io/journal.h"

enum { LOG_PROGRAM_BYTES = 32, LOG_ROOM_BYTES = 16, LOG_TRACED_MAX = 4 };

static const char *const level_names[] = { "emerg",   "alert",  "crit", "error",
					   "warning", "notice", "info", "debug" };

static void emit_trace(struct trace *t, enum trace_level level, const char *room, const char *event,
		       const char *text);

/* The program's one log. */
static struct {
	char program[LOG_PROGRAM_BYTES];
	int level;
	int journal; /* connected datagram socket, -1: standard error */
	bool prefix; /* lines to standard error start with <N>, and who reads them adds the time */
	struct trace trace;
	char traced[LOG_TRACED_MAX]
		   [LOG_ROOM_BYTES]; /* rooms whose every decision is wanted; "": a free place */
} log_state = { .program = "zkd",
		.level = LOG_NOTICE,
		.journal = -1,
		.trace = { .least = TRACE_NOTICE, .emit = emit_trace } };

void
log_open(const char *program)
{
	snprintf(log_state.program, sizeof log_state.program, "%s", program);
	/* libc reads the system's time zone once, also for the UTC of our lines; behind a locked door it could not. */
	tzset();
	if (log_state.journal >= 0)
		close(log_state.journal);
	log_state.journal = -1;
	if (journal_is_behind(STDERR_FILENO, getenv("JOURNAL_STREAM")))
		log_state.journal = journal_connect(NULL);
	log_state.prefix = log_state.journal < 0 && getenv("INVOCATION_ID") != NULL && !isatty(STDERR_FILENO);
}

static char *
find_traced(const char *room)
{
	for (int i = 0; i < LOG_TRACED_MAX; i++)
		if (strcmp(log_state.traced[i], room) == 0)
			return log_state.traced[i];
	return NULL;
}

/* What cores have to tell, so that no line is made for nothing: all, if one room is traced. */
static void
set_least(void)
{
	static const enum trace_level least[] = {
		[LOG_EMERG] = TRACE_ERROR, [LOG_ALERT] = TRACE_ERROR,     [LOG_CRIT] = TRACE_ERROR,
		[LOG_ERR] = TRACE_ERROR,   [LOG_WARNING] = TRACE_WARNING, [LOG_NOTICE] = TRACE_NOTICE,
		[LOG_INFO] = TRACE_NOTICE, [LOG_DEBUG] = TRACE_DEBUG,
	};

	log_state.trace.least = least[log_state.level];
	for (int i = 0; i < LOG_TRACED_MAX; i++)
		if (log_state.traced[i][0] != '\0')
			log_state.trace.least = TRACE_DEBUG;
}

void
log_set_level(int level)
{
	log_state.level = level < LOG_EMERG ? LOG_EMERG : level > LOG_DEBUG ? LOG_DEBUG : level;
	set_least();
}

int
log_set_trace(const char *room, bool on)
{
	char *place = find_traced(room);

	if (room[0] == '\0' || strlen(room) >= LOG_ROOM_BYTES)
		return -EINVAL;
	if (!on && place != NULL)
		place[0] = '\0';
	if (on && place == NULL) {
		place = find_traced("");
		if (place == NULL)
			return -ENOSPC;
		strcpy(place, room);
	}
	set_least();
	return 0;
}

int
log_level(void)
{
	return log_state.level;
}

int
log_set_level_name(const char *name)
{
	for (int i = LOG_ERR; i <= LOG_DEBUG; i++) {
		if (strcasecmp(name, level_names[i]) == 0) {
			log_set_level(i);
			return 0;
		}
	}
	return -EINVAL;
}

/* Appends c as it may stand in a line. */
static size_t
put_escaped(char *to, size_t room, unsigned char c)
{
	if (c >= 0x20 && c != 0x7f) {
		if (room < 1)
			return 0;
		*to = (char)c;
		return 1;
	}
	if (room < 5)
		return 0;
	snprintf(to, 5, "\\x%02x", c);
	return 4;
}

/* Copies text with its unprintable bytes escaped; returns the length, always with a NUL behind it. */
static size_t
escape(char *to, size_t size, const char *text)
{
	size_t n = 0, added;

	for (; *text != '\0'; text++) {
		added = put_escaped(to + n, size - 1 - n, (unsigned char)*text);
		if (added == 0)
			break;
		n += added;
	}
	to[n] = '\0';
	return n;
}

static void
write_stderr(int level, const char *line, size_t len)
{
	char head[96];
	struct timespec ts;
	struct tm tm;
	int n;

	if (log_state.prefix) {
		n = snprintf(head, sizeof head, "<%d>%s: ", level, log_state.program);
	} else {
		clock_gettime(CLOCK_REALTIME, &ts);
		gmtime_r(&ts.tv_sec, &tm);
		n = snprintf(head, sizeof head,
			     "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s[%d] %s: ", tm.tm_year + 1900,
			     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
			     ts.tv_nsec / 1000000, log_state.program, (int)getpid(), level_names[level]);
	}
	struct iovec iov[] = { { head, (size_t)n }, { (void *)line, len }, { (void *)"\n", 1 } };
	(void)!writev(STDERR_FILENO, iov, sizeof iov / sizeof *iov);
}

static void
write_line(int level, const char *event, const char *text)
{
	char raw[LOG_LINE_BYTES], line[LOG_LINE_BYTES];
	int saved = errno;
	size_t len;

	snprintf(raw, sizeof raw, "%s%s%s", event, text[0] != '\0' ? " " : "", text);
	len = escape(line, sizeof line, raw);
	if (log_state.journal >= 0)
		journal_send(log_state.journal, level, log_state.program, event, line);
	else
		write_stderr(level, line, len);
	errno = saved;
}

void
log_event(int level, const char *event, const char *fmt, ...)
{
	char text[LOG_LINE_BYTES];
	va_list ap;

	if (level > log_state.level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	write_line(level, event, text);
}

void
log_plain(int level, const char *event)
{
	if (level <= log_state.level)
		write_line(level, event, "");
}

static void
emit_trace(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	static const int levels[] = {
		[TRACE_DEBUG] = LOG_DEBUG,
		[TRACE_NOTICE] = LOG_NOTICE,
		[TRACE_WARNING] = LOG_WARNING,
		[TRACE_ERROR] = LOG_ERR,
	};
	char named[128];

	(void)t;
	if (levels[level] > log_state.level && find_traced(room) == NULL)
		return;
	snprintf(named, sizeof named, "%s: %s", room, event);
	write_line(levels[level], named, text);
}

struct trace *
log_trace(void)
{
	return &log_state.trace;
}
