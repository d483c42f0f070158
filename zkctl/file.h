/*
 * ZooKeeper's files as zkctl reads them: opened for reading only, never locked, never changed, also while a
 * server appends to them. What cannot be opened is complained about here, with the way out.
 */
#ifndef ZKCTL_FILE_H
#define ZKCTL_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "disk/snapshot.h"
#include "disk/txnlog.h"

enum { FILE_TEXT_BYTES = 256 };

/* A descriptor, or -1 after a complaint. */
int file_open(const char *name);
/* The part of a path behind its last slash. */
const char *file_base_name(const char *name);

/* A log read from its beginning, or on behind damage. */
struct logfile {
	const char *name;
	int fd;
	struct txnlog_reader reader;
	uint8_t *chunk;
	int error; /* of a read; then the end is not known */
};

/* 0, or ZKCTL_USAGE after a complaint. */
int logfile_open(struct logfile *l, const char *name);
void logfile_close(struct logfile *l);
/* Whether there is a next entry. After the last look at l->error and l->reader.end. */
bool logfile_next(struct logfile *l, struct txnlog_entry *e);
/* After a TXNLOG_DAMAGED end: go on with the first valid entry behind the damage. */
void logfile_resume(struct logfile *l);
/* Where and why a log ended that has not ended well, into text. */
const char *logfile_explain(const struct txnlog_end *end, char text[FILE_TEXT_BYTES]);

/* How reading a snapshot ended. */
struct snapfile {
	struct snapshot_end end;
	const char *compression;       /* "none", "gz" */
	uint64_t size, plain_size;     /* of the file, and inflated */
	char problem[FILE_TEXT_BYTES]; /* after -EBADMSG and -EIO: where and what */
};

/*
 * Reads all of a snapshot. 0 when it is whole; -EBADMSG when it is damaged, -EIO when it cannot be read; what an
 * event returned; ZKCTL_USAGE after a complaint when it cannot be opened.
 */
int snapfile_read(const char *name, const struct snapshot_events *events, void *ctx, struct snapfile *out);

#endif
