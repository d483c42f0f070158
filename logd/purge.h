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

#endif
