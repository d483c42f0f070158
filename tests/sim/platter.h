/*
 * What lies on a simulated disk for good: read from what would be left if the power went now, not from what the store
 * says. It shares with the daemons only the reader of txn headers.
 */
#ifndef SIM_PLATTER_H
#define SIM_PLATTER_H

#include "base/slice.h"
#include "disk/txnlog.h"
#include "sim_disk.h"

/* Where the txn behind `after` begins, as found last. */
struct cursor {
	const struct disk_file *file; /* NULL: look for it */
	uint64_t id, shrunk, offset, after;
};

/*
 * The txn that follows the one with zxid `after` (0: the first). False: there is none, or `after` itself is neither in a
 * log nor the zxid of a snapshot. *txn is valid until the disk changes.
 */
bool platter_next(const struct sim_disk *d, struct cursor *c, uint64_t after, struct slice *txn,
		  struct txnlog_head *h);
/* Whether the txn with that zxid is there, or a snapshot at it. */
bool platter_reaches(const struct sim_disk *d, struct cursor *c, uint64_t zxid);
/* Each whole entry, by rising file and offset. */
void platter_each(const struct sim_disk *d,
		  void (*visit)(void *ctx, struct slice txn, const struct txnlog_head *h), void *ctx);
/* Zxid of the newest snapshot by its name; 0: none. */
uint64_t platter_snapshot(const struct sim_disk *d);
/* The number in acceptedEpoch or currentEpoch; 0 where there is no such file. */
uint64_t platter_number(const struct sim_disk *d, const char *name);

#endif
