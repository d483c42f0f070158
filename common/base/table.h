/*
 * Hash table with intrusive entries, chained, keyed by a 64-bit hash that the caller computes. It owns only its slot
 * array; entries belong to the caller and stay where they are. Growth is spread over later calls (no pause at a
 * million entries). Lookups write no byte.
 *
 * Never iterate a table to make bytes that are replicated or compared: the order means nothing.
 * Keys that clients choose are hashed with table_hash and a random seed, against flooding.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct table_entry {
	struct table_entry *next;
	uint64_t hash;
};

struct table {
	struct table_entry **slots, **old; /* old is drained into slots step by step */
	size_t nslots, nold, drained;
	size_t count;
};

/* Whether entry e has the key that ctx points to; called only for equal hashes. */
typedef bool table_match(const struct table_entry *e, const void *key);

void table_init(struct table *t);
/* Frees the slot array, not the entries. */
void table_free(struct table *t);

struct table_entry *table_find(const struct table *t, uint64_t hash, table_match *match, const void *key);
/* Adds e under hash; the caller has made sure that its key is not there yet. */
void table_insert(struct table *t, struct table_entry *e, uint64_t hash);
/* Takes e out; e must be in the table. */
void table_remove(struct table *t, struct table_entry *e);

/* Calls visit for each entry, in no order; visit may free e but not change the table. */
void table_each(struct table *t, void (*visit)(struct table_entry *e, void *ctx), void *ctx);
/* The same, until visit returns false; visit changes nothing. */
void table_each_while(const struct table *t, bool (*visit)(const struct table_entry *e, void *ctx), void *ctx);

/* Keyed hash of bytes (SipHash-2-4 by libsodium). */
uint64_t table_hash(struct slice key, const uint8_t seed[16]);
/* For integers that nobody outside chooses. */
uint64_t table_hash_u64(uint64_t v);

#endif
