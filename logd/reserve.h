/*
 * zkd.reserve, a file of zeros in each version-2 folder: space that a full disk gives back, piece by piece, to what must
 * be written all the same: epoch files, and the few blocks that cutting a log or installing a snapshot may need.
 */
#ifndef LOGD_RESERVE_H
#define LOGD_RESERVE_H

#include "disk.h"

#define RESERVE_NAME "zkd.reserve"

enum { RESERVE_PIECE_BYTES = 1 << 20 };

/*
 * Makes the reserve of each folder so large; 0 removes it. -ENOSPC, also where less than twice of what lacks is free:
 * then what was there stays. Other -errno: the disk failed, or knows no allocation.
 */
int reserve_fill(struct store_disk *d, uint64_t bytes);
/* Gives a piece of each back, for certain. -ENOSPC: there is none. */
int reserve_spend(struct store_disk *d);

#endif
