/*
 * A znode's share of the tree's digest, which is the sum over all nodes modulo 2^64 (ZooKeeper: DigestCalculator,
 * digest version 2): CRC-32 of path, data and stat. The root's path is "" in here. Pure.
 */
#ifndef DISK_DIGEST_H
#define DISK_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "jute/records.h"

enum { DIGEST_VERSION = 2 };

/* Whether the node is no part of the digest: it lies below /zookeeper. */
bool digest_excludes(struct slice path);
/* CRC-32 of path and data: the prefix that a node's digest continues. */
uint32_t digest_prefix(struct slice path, struct slice data);
/* The node's share. */
uint32_t digest_finish(uint32_t prefix, const struct jute_stat_persisted *st);

#endif
