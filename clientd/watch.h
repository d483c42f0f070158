/*
 * The watch registers of ZooKeeper (data, child, persistent, recursive), keyed by (path, connection).
 *
 * ZooKeeper keeps two tables, data and child. Here one record holds all modes that a connection has on a path, so a
 * delete tells each connection once without comparing sets. A record takes 32 bytes and is found by index, a path is
 * stored once: a million watches of one client on a million paths cost about a hundred bytes each, of a million
 * clients on one path about a third of that.
 *
 * The module owns records and paths; a struct watcher is embedded in a connection by the caller, who gives it in
 * with watch_join and takes it out, with all its watches, by watch_leave. Pure: it tells who is to be notified by a
 * callback and sends nothing.
 */
#ifndef CLIENTD_WATCH_H
#define CLIENTD_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/table.h"
#include "jute/op.h"

/* What a record may hold; several at once. */
enum watch_mode {
	WATCH_DATA = 1,  /* one-shot: getData, exists */
	WATCH_CHILD = 2, /* one-shot: getChildren */
	WATCH_PERSISTENT = 4,
	WATCH_RECURSIVE = 8,
};
enum { WATCH_MODES = 4, WATCH_ALL_MODES = 15 };

/* One for each connection, embedded there. count is for the owner to read, the rest is private. */
struct watcher {
	uint32_t slot;  /* index + 1 in the owners' array; 0 = not joined */
	uint32_t first; /* its records, newest first */
	uint32_t count;
	uint32_t data; /* those of its records that lie in ZooKeeper's data table */
	uint64_t told; /* the trigger that notified it last */
};

struct watches;

/* seed: for the table of paths, which clients choose. */
struct watches *watch_create(const uint8_t seed[16]);
/* All watchers must have left, or never be used again. */
void watch_destroy(struct watches *w);

void watch_join(struct watches *w, struct watcher *owner);
/* Drops all watches of owner. Harmless when it has not joined. */
void watch_leave(struct watches *w, struct watcher *owner);

/* Adds modes to what owner watches on path; what is there already stays. */
void watch_add(struct watches *w, struct watcher *owner, struct slice path, unsigned modes);
/* The modes that owner has on path, 0 if none. */
unsigned watch_modes(const struct watches *w, const struct watcher *owner, struct slice path);
/* Takes modes away; returns those that were there. */
unsigned watch_remove(struct watches *w, struct watcher *owner, struct slice path, unsigned modes);

/* Called once for each watcher that is to be told. It may add or remove no watch. */
typedef void watch_hit(void *ctx, struct watcher *owner);

/*
 * Something happened to path: calls hit for each watcher concerned, at most once each, and removes the one-shot
 * watches that fired. CREATED and DATA_CHANGED reach data watches, DELETED data and child watches,
 * CHILDREN_CHANGED (of path as the parent) child watches; persistent ones are told all four, recursive ones on path
 * or an ancestor all but CHILDREN_CHANGED. (ZooKeeper: DataTree, WatchManager.triggerWatch.)
 */
void watch_fire(struct watches *w, struct slice path, enum zk_event event, watch_hit *hit, void *ctx);

/* For mntr and wchs. Registrations as ZooKeeper counts them: a persistent watch lies in both its tables. */
uint64_t watch_total(const struct watches *w);
struct watch_summary {
	uint64_t connections, paths, watches; /* of the data table */
};
void watch_summarize(const struct watches *w, struct watch_summary *s);

/*
 * For wchp and wchc: calls visit for every record, those of one path (of one owner) after each other, in no other order,
 * until it returns false. It changes nothing.
 */
typedef bool watch_visit(void *ctx, const struct watcher *owner, struct slice path, unsigned modes);
void watch_each_by_path(const struct watches *w, watch_visit *visit, void *ctx);
void watch_each_by_owner(const struct watches *w, watch_visit *visit, void *ctx);
/* Bytes held, for the status. */
uint64_t watch_bytes(const struct watches *w);

#endif
