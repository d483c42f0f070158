/*
 * A subtree, read with many requests in flight, told in order: each znode before those below it, siblings sorted. What
 * vanishes while it is walked is left out. Memory holds what is known and not yet told, which a visitor that reads a
 * long list of children cannot avoid.
 */
#ifndef ZKCTL_WALK_H
#define ZKCTL_WALK_H

#include "zk.h"

enum walk_want { WALK_CHILDREN = 0, WALK_DATA = 1, WALK_ACL = 2 };

struct walk_node {
	const char *path;
	const char
	    *guide;     /* one byte for each level below the start: '|' where a sibling follows, else ' ' */
	unsigned depth; /* of the start: 0 */
	struct jute_stat stat;
	struct slice data;              /* with WALK_DATA */
	const struct jute_acl_vec *acl; /* with WALK_ACL */
	int32_t error;                  /* the children (or data, ACL) cannot be read: enum zk_error */
};

struct walk {
	unsigned want;      /* bits of enum walk_want */
	int64_t depth_most; /* -1: all */
	/* 0 to go on; anything else ends the walk, which returns it. */
	int (*visit)(void *owner, const struct walk_node *n);
	void *owner;
};

/*
 * 0 when all was told; what visit returned; -errno of the session. *code is ZK_NONODE where there is no start, else
 * ZK_OK.
 */
int walk_tree(struct zk *z, const char *start, const struct walk *w, int32_t *code);

#endif
