/*
 * What nodes with an owner have beside their record: ephemerals are listed at their session, containers and TTL nodes
 * at the tree for the sweeper. Addressed by numbers as nodes are. Private to libtree.
 */
#ifndef CLIENTD_SPECIAL_H
#define CLIENTD_SPECIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "session_table.h"

/* What ephemeralOwner means. */
enum owner_kind {
	OWNER_NONE,
	OWNER_SESSION,
	OWNER_CONTAINER,
	OWNER_TTL,
};

struct special {
	int64_t owner; /* as stored */
	uint32_t node;
	uint32_t next, prev; /* in its list, or the next free one */
	uint8_t kind;        /* enum owner_kind */
};

struct specials {
	struct special *v; /* v[0] is unused */
	uint32_t size, used;
	uint32_t free;
};

struct tree_config;

/* ZooKeeper: EphemeralType.get. */
enum owner_kind owner_kind(const struct tree_config *c, int64_t owner);
/* ttl as ephemeralOwner; 0 when it is out of range. */
int64_t owner_of_ttl(const struct tree_config *c, int64_t ttl_ms);
/* The ttl of an OWNER_TTL. */
int64_t owner_ttl_ms(const struct tree_config *c, int64_t owner);

void specials_free(struct specials *s);
/* A new one at the end of list. */
uint32_t special_add(struct specials *s, struct special_list *list, uint32_t node, int64_t owner,
		     enum owner_kind kind);
void special_remove(struct specials *s, struct special_list *list, uint32_t number);

#endif
