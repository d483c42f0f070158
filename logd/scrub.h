/*
 * Scrubbing: reading all logs and snapshots again, to find what rots behind the live end while there is still a copy: the
 * tree in memory, the other servers, older snapshots. In small steps, at the pace of the caller; nothing is changed.
 */
#ifndef LOGD_SCRUB_H
#define LOGD_SCRUB_H

#include "base/trace.h"
#include "files.h"

struct scrub_result {
	uint64_t files, bytes;        /* read */
	uint64_t damaged;             /* files with damage, and gaps between logs */
	char first[FILES_TEXT_BYTES]; /* what is wrong with the first of them, where */
};

struct scrub;

/* upto: what is durable now; not a txn behind it is judged. */
struct scrub *scrub_new(struct store_disk *d, uint64_t upto, struct trace *t);
void scrub_free(struct scrub *s);
/* Reads some 256 KiB. 1: there is more; 0: it is done; -errno: the folders cannot be listed. */
int scrub_step(struct scrub *s);
const struct scrub_result *scrub_so_far(const struct scrub *s);

#endif
