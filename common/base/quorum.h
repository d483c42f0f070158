/*
 * Quorums: which sets of servers are enough to elect or to commit. Two verifiers, as ZooKeeper has them:
 * majority (more than half of the voters), and hierarchical (more than half of a group's weight, in more than
 * half of the groups that have any weight). A quorum owns nothing outside itself and may be copied by
 * assignment.
 *
 * While a reconfiguration is under way two quorums count: see struct quorum_pair.
 * Source of the rules: ZooKeeper, QuorumMaj and QuorumHierarchical.
 */
#ifndef BASE_QUORUM_H
#define BASE_QUORUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Server ids are one byte wide in session ids; so they are here. */
enum { SID_LIMIT = 256 };

/* A set of server ids. All zero is the empty set. */
struct sid_set {
	uint64_t bits[SID_LIMIT / 64];
};

static inline void
sid_set_add(struct sid_set *s, uint64_t sid)
{
	s->bits[(sid / 64) % (SID_LIMIT / 64)] |= UINT64_C(1) << sid % 64;
}

static inline bool
sid_set_has(const struct sid_set *s, uint64_t sid)
{
	return sid < SID_LIMIT && (s->bits[sid / 64] >> sid % 64 & 1) != 0;
}

struct quorum_voter {
	uint8_t sid;
	uint32_t weight; /* 1 in a majority quorum; 0 = never counted */
	uint32_t group;  /* number as configured; hierarchical only */
};

struct quorum {
	bool hierarchical;
	size_t nvoters;
	struct quorum_voter voters[SID_LIMIT];
};

void quorum_init(struct quorum *q, bool hierarchical);
/* Adds a participant (never an observer). -ERANGE for a sid that is no byte, -EEXIST for one that is there
 * already. */
int quorum_add(struct quorum *q, uint64_t sid, uint32_t group, uint32_t weight);
bool quorum_is_voter(const struct quorum *q, uint64_t sid);
/* Whether the set is a quorum. Servers that are no voters do not count; a quorum without voters is never
 * reached. */
bool quorum_reached(const struct quorum *q, const struct sid_set *set);

/*
 * The configuration in force, and the one proposed by a reconfig txn that is not committed yet: that txn and
 * all after it need a quorum of both.
 */
struct quorum_pair {
	struct quorum current;
	bool has_pending;
	uint64_t pending_from; /* zxid of the reconfig txn */
	struct quorum pending;
};

/* Whether the set is enough to commit zxid. */
bool quorum_pair_reached(const struct quorum_pair *p, uint64_t zxid, const struct sid_set *set);

#endif
