/*
 * zkd.mark, beside the snapshots: how far this server's history was on the disk at least, in which log, and which epochs
 * were stored. See store.h for what it decides. One small record with its own checksum, rewritten in place; a torn
 * one counts as none. It is synced when it names another log than before, else written about once a second and not
 * waited for. A long log is read from its mark on when logd starts, so that it is back soon. A server without one
 * cannot tell a log that is missing from one that never was, nor a damaged last record from a torn one.
 *
 * It knows the number of its own file: one that was copied, with the folder or alone, speaks of another place and binds
 * nobody here.
 */
#ifndef LOGD_MARK_H
#define LOGD_MARK_H

#include "disk.h"

#define MARK_NAME "zkd.mark"

struct mark {
	uint64_t log_zxid;          /* name of the newest log; 0: there was none behind the snapshot */
	uint64_t file_id;           /* store_info.id of it */
	uint64_t offset;            /* all of it before this was durable */
	uint64_t zxid;              /* of the last entry before it, or of the snapshot */
	uint32_t accepted, current; /* what the epoch files said; 0: there were none */
	bool copied;                /* by mark_read: it was not written here */
};

/* 0, or -ENOENT when there is none that makes sense, or what the disk said. */
int mark_read(struct store_disk *d, struct mark *m);
/* m->copied is not looked at. Unless `sync`, it gets to the disk when it may. */
int mark_write(struct store_disk *d, const struct mark *m, bool sync);
/* There is none from now on, and that is on the disk: before a log is cut on purpose. */
int mark_remove(struct store_disk *d);

#endif
