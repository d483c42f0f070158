/*
 * The log of a program: one event, one line, a short event text and then key=value.
 *
 *	log_event(LOG_NOTICE, "link up", "peer=%s pid=%d", name, pid);
 *	-> clientd: link up peer=syncd pid=77
 *
 * Where journald is behind standard error (JOURNAL_STREAM) lines go to it by its own protocol, with fields taken from
 * the keys of the same names (journal.h); else to standard error, with systemd's <N> prefix
 * where a service manager asked for it (LISTEN_FDS or NOTIFY_SOCKET of a systemd unit, see log_open).
 *
 * A program has one log; it is the one piece of state of common/io that is global, because a line may have to be
 * written wherever something is refused. Only shells log; a core speaks by its trace, and log_trace makes those
 * lines log lines. Bytes below 0x20 and 0x7f are escaped, so that nobody can forge a line; a value that somebody
 * else chose and that may hold spaces is quoted with log_quote. Never secrets, never znode data.
 */
#ifndef IO_LOG_H
#define IO_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

#include "base/quote.h"
#include "base/trace.h"

enum {
	LOG_LINE_BYTES = 1024, /* a longer line is cut */
};

/*
 * Names the program and finds out where its lines go. To be called once, before the door is locked. Until then lines
 * go to standard error.
 */
void log_open(const char *program);

/* Lines less important than level (LOG_ERR ... LOG_DEBUG of syslog.h) are dropped. LOG_NOTICE at the start. */
void log_set_level(int level);
int log_level(void);
/* By name: error, warning, notice, info, debug. 0 or -EINVAL. */
int log_set_level_name(const char *name);

/*
 * Has a core tell every decision, whatever the level: the room that its lines begin with ("zab"). 0, -EINVAL for what is
 * no room's name, -ENOSPC when too many are traced.
 */
int log_set_trace(const char *room, bool on);

/* Writes one line. fmt gives the key=value part; it may be "" (log_plain avoids the compiler's warning). */
void log_event(int level, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void log_plain(int level, const char *event);

/* A value between quotes, see base/quote.h. */
static inline struct quoted
log_quote(struct slice value)
{
	return quote(value);
}

/* The trace to give to cores; owned by the log. Its level follows log_set_level. */
struct trace *log_trace(void);

#endif
