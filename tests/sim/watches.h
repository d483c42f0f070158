/*
 * What a client waits for: one-shot watches, as ZooKeeper's own clients keep them. They outlive a connection: the next one
 * begins with setWatches, and what has changed meanwhile must be told before its reply.
 */
#ifndef SIM_WATCHES_H
#define SIM_WATCHES_H

#include "ask.h"
#include "base/buf.h"
#include "jute/records.h"

enum { WATCHES_MAX = 128 };

struct client;

enum watch_on { WATCH_ON_DATA, WATCH_ON_CREATION, WATCH_ON_CHILDREN };

struct watch_held {
	char path[ASK_PATH];
	enum watch_on on;
	uint64_t zxid; /* set at */
};

/* A reply at zxid has set it. */
void watches_add(struct client *c, const char *path, enum watch_on on, uint64_t zxid);
void watches_hear(struct client *c, const struct jute_watcher_event *e);
/* A reply at zxid has come: no watch may have been passed by. */
void watches_check(struct client *c, uint64_t zxid);
/* The record of setWatches. */
void watches_put(const struct client *c, struct buf *b);
/* Its reply has come, at zxid. */
void watches_restored(struct client *c, uint64_t zxid);

#endif
