/*
 * journald's native protocol: one datagram for a line, with fields that journalctl can search.
 *
 *	PRIORITY, SYSLOG_IDENTIFIER, MESSAGE     the line
 *	DAEMON                                   the daemon it is about: its key daemon=, else the program
 *	ZXID, EPOCH, SID, PEER, SESSION          values of the keys of the same names in the line
 *	MESSAGE_ID                               of the events in events.def; systemd/zkd.catalog explains them
 */
#ifndef IO_JOURNAL_H
#define IO_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

enum { JOURNAL_DATAGRAM_BYTES = 2560 };

/* Whether the descriptor is the stream that JOURNAL_STREAM names as "device:inode"; stream may be NULL. */
bool journal_is_behind(int fd, const char *stream);
/* A socket on which journal_send works, or -errno. path NULL: journald's own. */
int journal_connect(const char *path);
/*
 * The datagram of a line into out, its length returned. line has no line break; event is what it begins with, up to
 * its keys.
 */
size_t journal_format(char out[JOURNAL_DATAGRAM_BYTES], int level, const char *program, const char *event,
		      const char *line);
/* A journal that is full loses lines; a daemon that waited for it would lose more. */
void journal_send(int fd, int level, const char *program, const char *event, const char *line);

/* The MESSAGE_ID of an event, NULL for one without. */
const char *journal_message_id(const char *event);

#endif
