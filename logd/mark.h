/*
 * zkd.mark, beside the logs: how far which log was durable at least. See store.h for what it decides. One small record
 * with its own checksum, rewritten in place and never waited for; a torn one counts as none. A long log is read from its
 * mark on when logd starts, so that it is back soon. Removing it is harmless,
 * but then a damaged last record of a log cannot be told from one that a power failure tore.
 */
#ifndef LOGD_MARK_H
#define LOGD_MARK_H

#include "disk.h"

#define MARK_NAME "zkd.mark"

struct mark {
	uint64_t log_zxid; /* name of the log */
	uint64_t file_id;  /* store_info.id of it */
	uint64_t offset;   /* all before it was durable */
	uint64_t zxid;     /* of the last entry before it */
};

/* 0, or -ENOENT when there is none that makes sense, or what the disk said. */
int mark_read(struct store_disk *d, struct mark *m);
/* Written, not synced. */
int mark_write(struct store_disk *d, const struct mark *m);
/* There is none from now on, and that is on the disk: before a log is cut on purpose. */
int mark_remove(struct store_disk *d);

#endif
