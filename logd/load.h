/*
 * Loading: the newest whole snapshot and the log behind it, as a stream of events in small steps. For clientd at its
 * start, by way of logd's helper. Verifies everything that it hands out: seals of snapshots, checksums of entries, and
 * that no zxid is missing.
 */
#ifndef LOGD_LOAD_H
#define LOGD_LOAD_H

#include "base/trace.h"
#include "files.h"

/* What comes, in order: [snapshot data... snapshot_end] txn... end. A second snapshot() means: start again. */
struct load_events {
	void (*snapshot)(void *ctx, uint64_t zxid);
	void (*data)(void *ctx, struct slice bytes); /* the file, inflated; borrowed */
	void (*snapshot_end)(void *ctx);
	void (*txn)(void *ctx, uint64_t zxid, struct slice txn); /* borrowed */
	void (*end)(void *ctx, uint64_t zxid);                   /* the last logged */
};

struct load_request {
	bool have_tree; /* only txns above `have` are wanted, if the log reaches back to it */
	uint64_t have;
	uint64_t upto; /* what is durable: not a byte behind it is looked at */
};

struct load;

struct load *load_new(struct store_disk *d, const struct load_request *request,
		      const struct load_events *events, void *ctx, struct trace *t);
void load_free(struct load *l);
/*
 * A bounded piece of work, at most some 256 KiB of events or one txn. 1: there is more; 0: end() was called; -EUCLEAN:
 * what is on the disk is not enough, see load_error; other -errno: the disk failed.
 */
int load_step(struct load *l);
/* What is wrong where, and the way out. */
const char *load_error(const struct load *l);

#endif
