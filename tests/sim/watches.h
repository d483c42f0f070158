/*
 * What a client waits for: one-shot watches, and those that stand (persistent and recursive ones), as ZooKeeper's own clients keep them. They outlive a connection: the next one
 * begins with setWatches2, and what has changed meanwhile must be told before its reply.
 */
#ifndef SIM_WATCHES_H
#define SIM_WATCHES_H

#include "ask.h"
#include "base/buf.h"
#include "jute/records.h"

enum { WATCHES_MAX = 128 };

struct client;

/* The last two stand: they are told of all that happens, to their node, or to it and what is below it. */
enum watch_on { WATCH_ON_DATA, WATCH_ON_CREATION, WATCH_ON_CHILDREN, WATCH_STANDS, WATCH_STANDS_BELOW };

struct watch_held {
	char path[ASK_PATH];
	enum watch_on on;
	uint64_t zxid; /* set at; of one that stands: all up to it was told */
	unsigned told; /* that stands: events since */
};

/* A reply at zxid has set it. */
void watches_add(struct client *c, const char *path, enum watch_on on, uint64_t zxid);
/* zxid: of the txn that caused it, or UINT64_MAX. */
void watches_hear(struct client *c, const struct jute_watcher_event *e, uint64_t zxid);
/* A reply at zxid has come: no watch may have been passed by. */
void watches_check(struct client *c, uint64_t zxid);
/* The record of setWatches2. */
void watches_put(const struct client *c, struct buf *b);
/* Its reply has come, at zxid. */
void watches_restored(struct client *c, uint64_t zxid);

#endif
