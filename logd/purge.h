/*
 * Removing what is not needed any more (ZooKeeper: PurgeTxnLog): keeps the newest `retain` whole snapshots and every log
 * that the oldest of them needs (ZOOKEEPER-3231). Snapshots that are not whole do not count and go when they are older
 * than those kept. What an INSTALL set aside goes with the first purge that finds so many snapshots: by then the new
 * history stands by itself.
 */
#ifndef LOGD_PURGE_H
#define LOGD_PURGE_H

#include "base/trace.h"
#include "files.h"

/* Number of files removed, or -errno. Fewer whole snapshots than `retain`: nothing is removed. */
int purge_files(struct store_disk *d, unsigned retain, struct trace *t);

/*
 * How much is free in the folder that has less, and how much should be: what keep_free says and room for another
 * snapshot like the newest. 0, or what the disk said.
 */
int purge_space(struct store_disk *d, uint64_t keep_free, uint64_t *free_bytes, uint64_t *wanted_bytes);
/* The bytes of all files in the folder of snapshots and in that of logs, which may be one. 0, or what the disk said. */
int purge_sizes(struct store_disk *d, uint64_t *data_bytes, uint64_t *log_bytes);
/* As purge_files, where space is short: what was set aside goes in any case. */
int purge_hard(struct store_disk *d, unsigned retain, struct trace *t);

#endif
