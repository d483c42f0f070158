/*
 * The ACL lists that nodes share: each list once, counted by its users, known by a number (ZooKeeper:
 * ReferenceCountedACLCache). Number 0 is world:anyone:all, which is never counted and in no table. Private to libtree.
 */
#ifndef CLIENTD_ACLSET_H
#define CLIENTD_ACLSET_H

#include <stdint.h>

#include "base/slice.h"
#include "base/table.h"

enum { ACL_OPEN = 0 };

struct aclset_list {
	struct table_entry entry;
	uint32_t number, refs, len;
	uint8_t bytes[]; /* vector<ACL> */
};

struct aclset {
	struct table index;         /* by content */
	struct aclset_list **lists; /* by number; NULL where free */
	uint32_t size, used;        /* allocated; numbers ever handed out */
	uint32_t count;
	uint32_t *spare; /* numbers to use again */
	uint32_t nspare;
	uint8_t seed[16];
};

void aclset_init(struct aclset *s, const uint8_t seed[16]);
void aclset_free(struct aclset *s);

/* The number of this list, with one more reference. */
uint32_t aclset_take(struct aclset *s, struct slice list);
/* One more reference to a number that has one. */
void aclset_hold(struct aclset *s, uint32_t number);
/* One less; the last one frees the list and, later, its number. */
void aclset_drop(struct aclset *s, uint32_t number);
/* The list's bytes. Good until its last reference goes. */
struct slice aclset_get(const struct aclset *s, uint32_t number);

#endif
