/*
 * Removing what is not needed any more (ZooKeeper: PurgeTxnLog): keeps the newest `retain` whole snapshots and every log
 * that the oldest of them needs (ZOOKEEPER-3231). Whole is what was read to its end with right checksums, not what merely
 * looks so: others do not count, and go when they are older than those kept. What an INSTALL set aside goes with the first
 * purge that finds so many snapshots: by then the new history stands by itself.
 */
#ifndef LOGD_PURGE_H
#define LOGD_PURGE_H

#include "base/trace.h"
#include "files.h"

enum { PURGE_KNOWN_MAX = 16 };

/* Snapshots that were found whole, so that they are not read again at each purge. Begins as zeros. */
struct purge_known {
	struct purge_snapshot {
		struct file_name name;
		struct store_info info;
	} snapshots[PURGE_KNOWN_MAX];
	unsigned next;
};

struct purge_request {
	unsigned retain;
	bool hard; /* space is short: what was set aside goes in any case */
};

struct purge;

/* known may be NULL. Nothing may load between two steps, for files go. */
struct purge *purge_new(struct store_disk *d, const struct purge_request *rq, struct purge_known *known,
			struct trace *t);
void purge_free(struct purge *p);
/* A bounded piece of work. 1: there is more; 0: done, or fewer whole snapshots than are to be kept; -errno. */
int purge_step(struct purge *p);
/* Files removed so far. */
unsigned purge_removed(const struct purge *p);
/* All steps at once, knowing nothing: files removed, or -errno. */
int purge_files(struct store_disk *d, unsigned retain, struct trace *t);

/*
 * How much is free in the folder that has less, and how much should be: what keep_free says and room for another
 * snapshot like the newest. 0, or what the disk said.
 */
int purge_space(struct store_disk *d, uint64_t keep_free, uint64_t *free_bytes, uint64_t *wanted_bytes);
/* The bytes of all files in the folder of snapshots and in that of logs, which may be one. 0, or what the disk said. */
int purge_sizes(struct store_disk *d, uint64_t *data_bytes, uint64_t *log_bytes);

#endif
