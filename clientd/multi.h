/* A look into the body of a client's multi, before or beside prep: what kinds of elements it has. */
#ifndef CLIENTD_MULTI_H
#define CLIENTD_MULTI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "jute/jute.h"

struct multi_element {
	int32_t type;
	int32_t flags; /* of create and create2 */
};

/* The next element; r begins at the body's start. False at the end, or where it cannot be read. */
bool multi_next(struct jute_reader *r, struct arena *a, struct multi_element *e);

/*
 * Which elements are create2: bit i is that of element i, the last bit that of all from there on. Their txns are those of
 * create, for a server of ZooKeeper before 3.9 applies no multi with another one; only the reply has a Stat more.
 */
uint64_t multi_stats_wanted(struct slice body, struct arena *a);

#endif
