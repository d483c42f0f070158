/*
 * The log window: the newest txns of the log, in memory, in order. It holds what logd has not made durable or
 * the quorum has not committed yet, and behind that the last committed ones, from which a learner that is a
 * little behind is brought up to date. Txns enter at the end and leave at the front; in steady state nothing
 * is allocated: the bytes lie in one ring, the index in another, and both grow (by doubling) only when more
 * is held than ever before.
 *
 * The window owns its memory. A body that it hands out is valid, also when its txn is dropped, until the first
 * window_push after the next window_settle.
 */
#ifndef SYNCD_WINDOW_H
#define SYNCD_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct window_txn {
	uint64_t zxid;
	size_t off, len; /* in window.bytes, in one piece */
};

struct window {
	struct window_txn *txns;
	size_t cap;          /* of txns; a power of two, or 0 */
	size_t first, count; /* ring position of the oldest */
	uint8_t *bytes;
	uint8_t **outgrown; /* rings that bodies handed out may still lie in */
	size_t noutgrown;
	size_t size; /* of bytes */
	size_t head; /* one past the newest txn's last byte */
	size_t held; /* bytes of all txns held */
	uint64_t
	    base; /* the zxid before the oldest one: where a log must end for the window to continue it */
};

/* An empty window that continues a log whose last zxid is base. */
void window_init(struct window *w, uint64_t base);
void window_free(struct window *w);
/* Empties it, keeping the memory. */
void window_reset(struct window *w, uint64_t base);

/* Copies a txn to the end; zxid must be above all before it, the body must not be empty. */
void window_push(struct window *w, uint64_t zxid, struct slice body);
/* Drops the oldest; there must be one. Not between a window_push and the use of bodies handed out before it. */
void window_drop_first(struct window *w);
/* Drops all above zxid; where the window does not reach back to zxid, it is empty then and continues zxid. */
void window_cut(struct window *w, uint64_t zxid);
/* Nobody uses the bodies handed out so far any more. */
void window_settle(struct window *w);

/* The i-th oldest, i < count. */
const struct window_txn *window_at(const struct window *w, size_t i);
struct slice window_body(const struct window *w, size_t i);
/* Zxid of the newest; base when it is empty. */
uint64_t window_last(const struct window *w);
/* Number of txns held with a zxid of at most zxid: the index of the first one after it. */
size_t window_after(const struct window *w, uint64_t zxid);
/* Whether a log that ends with zxid can be continued from here: zxid is the base or one of the txns held. */
bool window_continues(const struct window *w, uint64_t zxid);

#endif
