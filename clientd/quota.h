/*
 * Quotas: limits that clients put below /zookeeper/quota, and the usage that every server counts for itself beside
 * them (ZooKeeper: Quotas, StatsTrack, DataTree). Only the deepest limited ancestor of a path counts. Private to
 * libtree.
 */
#ifndef CLIENTD_QUOTA_H
#define CLIENTD_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/table.h"
#include "jute/zk_error.h"

struct tree;

/* The paths that have limits. */
struct quotas {
	struct table paths;
};

/* The text of limits or usage; -1 = not set. */
struct quota_track {
	int64_t count, bytes, count_hard, bytes_hard;
};

enum { QUOTA_TEXT_MAX = 128 };

void quotas_init(struct quotas *q);
void quotas_free(struct quotas *q);

/* Parses "count=N,bytes=M=;byteHardLimit=X;countHardLimit=Y"; what is missing or no number is -1. */
struct quota_track quota_parse(struct slice text);
/* Writes it the same way, with hard limits that are set; returns the length. */
size_t quota_format(const struct quota_track *q, char out[QUOTA_TEXT_MAX]);

/* A node was made or is about to go: whether it is one of the quota tree's own, and what follows from that. */
void quota_created(struct tree *t, struct slice key);
void quota_deleted(struct tree *t, struct slice key);
/* The use of path changed by so much: rewrites the stats node of its quota, if it has one. */
void quota_use(struct tree *t, struct slice key, int64_t bytes, int64_t count);
/* Whether such a change is allowed: ZK_OK or ZK_QUOTAEXCEEDED; always ZK_OK unless enforceQuota. */
enum zk_error quota_check(const struct tree *t, struct slice key, int64_t bytes, int64_t count);
/* After loading: finds all limits and counts their use anew. */
void quota_load(struct tree *t);

#endif
