/*
 * Loading: the newest whole snapshot and the log behind it, as a stream of events in small steps. For clientd at its
 * start, and for learners, by way of logd's helper. Verifies everything that it hands out: seals of snapshots, checksums
 * of entries, and that no zxid is missing. A learner cannot be told to start again: what it gets is read to its end
 * before the first event. A tree gets no txn of a type that nobody knows.
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
	/* For a learner, first where no snapshot comes: the last logged at or below `have`; the txns follow that. */
	void (*log)(void *ctx, uint64_t zxid);
};

enum load_kind {
	LOAD_ALL,  /* a snapshot, and what follows */
	LOAD_TXNS, /* to one with a tree: the txns above `have`, if the log reaches back to it; else all */
	LOAD_SINCE, /* to a learner: log() and txns where the logs hold them and they are not too many; else all */
	LOAD_EVERYTHING /* to a learner: all in any case */
};

struct load_request {
	enum load_kind kind;
	uint64_t have;
	uint64_t upto; /* what is durable: not a byte behind it is looked at */
	/*
	 * LOAD_SINCE: txns of more bytes than this share of the newest snapshot's file are too many; below 0: any are
	 * (ZooKeeper: snapshotSizeFactor).
	 */
	double size_factor;
};

struct load;

struct load *load_new(struct store_disk *d, const struct load_request *request,
		      const struct load_events *events, void *ctx, struct trace *t);
void load_free(struct load *l);
/*
 * A bounded piece of work, at most some 256 KiB of events or one txn. 1: there is more; 0: end() was called; -EUCLEAN:
 * what is on the disk is not enough, see load_error; other -errno: a log could not be read (a snapshot that cannot is
 * passed over like a damaged one), see load_error too; trying again may help.
 */
int load_step(struct load *l);
/* What is wrong where, and the way out. */
const char *load_error(const struct load *l);

#endif
