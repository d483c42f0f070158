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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { LOG_FIELDS_BYTES = 512, LOG_PROGRAM_BYTES = 32 };

static const char journal_path[] = "/run/systemd/journal/socket";
static const char *const level_names[] = { "emerg",   "alert",  "crit", "error",
					   "warning", "notice", "info", "debug" };
/* Keys of a line that also become fields of the journal, under the same name in capitals. */
static const char *const field_keys[] = { "zxid", "sid", "session", "peer" };

static void emit_trace(struct trace *t, enum trace_level level, const char *room, const char *event,
		       const char *text);

/* The program's one log. */
static struct {
	char program[LOG_PROGRAM_BYTES];
	int level;
	int journal; /* connected datagram socket, -1: standard error */
	bool prefix; /* lines to standard error start with <N>, and who reads them adds the time */
	struct trace trace;
} log_state = { .program = "zkd",
		.level = LOG_NOTICE,
		.journal = -1,
		.trace = { .least = TRACE_NOTICE, .emit = emit_trace } };

/* Whether standard error is the stream that the variable names as "device:inode". */
static bool
stderr_is_journal(const char *stream)
{
	unsigned long long dev, ino;
	struct stat st;

	if (stream == NULL || sscanf(stream, "%llu:%llu", &dev, &ino) != 2 || fstat(STDERR_FILENO, &st) != 0)
		return false;
	return st.st_dev == dev && st.st_ino == ino;
}

static int
connect_journal(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	memcpy(sa.sun_path, journal_path, sizeof journal_path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void
log_open(const char *program)
{
	snprintf(log_state.program, sizeof log_state.program, "%s", program);
	/* libc reads the system's time zone once, also for the UTC of our lines; behind a locked door it could not. */
	tzset();
	if (log_state.journal >= 0)
		close(log_state.journal);
	log_state.journal = -1;
	if (stderr_is_journal(getenv("JOURNAL_STREAM")))
		log_state.journal = connect_journal();
	log_state.prefix = log_state.journal < 0 && getenv("INVOCATION_ID") != NULL && !isatty(STDERR_FILENO);
}

void
log_set_level(int level)
{
	static const enum trace_level least[] = {
		[LOG_EMERG] = TRACE_ERROR, [LOG_ALERT] = TRACE_ERROR,     [LOG_CRIT] = TRACE_ERROR,
		[LOG_ERR] = TRACE_ERROR,   [LOG_WARNING] = TRACE_WARNING, [LOG_NOTICE] = TRACE_NOTICE,
		[LOG_INFO] = TRACE_NOTICE, [LOG_DEBUG] = TRACE_DEBUG,
	};

	log_state.level = level < LOG_EMERG ? LOG_EMERG : level > LOG_DEBUG ? LOG_DEBUG : level;
	log_state.trace.least = least[log_state.level];
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

/* The fields of the journal that the line's keys name. */
static size_t
take_fields(char *to, size_t size, const char *line)
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof field_keys / sizeof *field_keys; i++) {
		size_t len = strlen(field_keys[i]);
		for (const char *p = line; (p = strstr(p, field_keys[i])) != NULL; p += len) {
			if (p == line || p[-1] != ' ' || p[len] != '=')
				continue;
			size_t value = strcspn(p + len + 1, " ");
			if (size - n < len + value + 3)
				break;
			for (size_t k = 0; k < len; k++)
				to[n++] = (char)(field_keys[i][k] - 'a' + 'A');
			memcpy(to + n, p + len, value + 1);
			n += value + 1;
			to[n++] = '\n';
			break;
		}
	}
	return n;
}

static void
write_journal(int level, const char *line, size_t len)
{
	char head[64 + LOG_PROGRAM_BYTES], fields[LOG_FIELDS_BYTES];
	int n = snprintf(head, sizeof head, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=", level,
			 log_state.program);
	struct iovec iov[] = {
		{ head, (size_t)n },
		{ (void *)line, len },
		{ (void *)"\n", 1 },
		{ fields, take_fields(fields, sizeof fields, line) },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = sizeof iov / sizeof *iov };

	/* A journal that is full loses lines; a daemon that waits for it would lose more. */
	(void)!sendmsg(log_state.journal, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
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
		write_journal(level, line, len);
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

struct log_quoted
log_quote(struct slice value)
{
	static const char cut[] = "...\"";
	struct log_quoted q;
	size_t n = 0, added, room = sizeof q.text - sizeof cut, i;

	q.text[n++] = '"';
	for (i = 0; i < value.len; i++) {
		unsigned char c = value.data[i];
		if (c == '"' || c == '\\') {
			added = room - n >= 2 ? 2 : 0;
			if (added > 0) {
				q.text[n] = '\\';
				q.text[n + 1] = (char)c;
			}
		} else {
			added = put_escaped(q.text + n, room - n, c);
		}
		if (added == 0)
			break;
		n += added;
	}
	memcpy(q.text + n, i < value.len ? cut : "\"", i < value.len ? sizeof cut : 2);
	return q;
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
	if (levels[level] > log_state.level)
		return;
	snprintf(named, sizeof named, "%s: %s", room, event);
	write_line(levels[level], named, text);
}

struct trace *
log_trace(void)
{
	return &log_state.trace;
}
