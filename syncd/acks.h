/*
 * Who has made what durable: for each server the last zxid that it acked. A server acks in order, so an ack
 * stands for all before it, and the set of servers that have acked a zxid is found without a set per
 * proposal. The own logd's DURABLE is one server's ack like any other. Source: ZooKeeper, Leader.processAck
 * and tryToCommit.
 */
#ifndef SYNCD_ACKS_H
#define SYNCD_ACKS_H

#include <stdint.h>

#include "base/quorum.h"

struct acks {
	uint64_t zxid[SID_LIMIT]; /* 0 = nothing yet */
};

/* Nobody has acked anything. */
void acks_init(struct acks *a);
/* sid has all up to zxid on disk. Lower than before only where a server has lost what it had. */
void acks_put(struct acks *a, uint64_t sid, uint64_t zxid);
/* Those that have acked zxid. */
struct sid_set acks_of(const struct acks *a, const struct quorum *q, uint64_t zxid);
/*
 * The highest zxid that the quorums allow to be committed, not below `committed`. Where the pair has a
 * pending configuration, before_pending is the zxid just before its reconfig txn.
 */
uint64_t acks_committable(const struct acks *a, const struct quorum_pair *q, uint64_t committed,
			  uint64_t before_pending);

#endif
