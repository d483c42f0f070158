/*
 * Votes: whom a server wants as its leader, and why. The numbers are signed because they are Java's longs: an
 * observer proposes the smallest of them, and a server without data has zxid -1.
 * Source of the rules: ZooKeeper, Vote.equals and FastLeaderElection.totalOrderPredicate.
 */
#ifndef ELECTIOND_VOTE_H
#define ELECTIOND_VOTE_H

#include <stdbool.h>
#include <stdint.h>

/* What the sender of a vote is doing; the values are those on the wire. */
enum vote_state { VOTE_LOOKING, VOTE_FOLLOWING, VOTE_LEADING, VOTE_OBSERVING, VOTE_STATES };

enum {
	VOTE_VERSION = 2, /* of the notifications we send */
};

/* The zxid of a server that was never initialised: it neither counts votes nor is its vote counted. */
#define VOTE_ZXID_NONE INT64_C(-1)

struct vote {
	int64_t leader;  /* sid of the proposed leader */
	int64_t zxid;    /* its last logged zxid */
	int64_t round;   /* logical clock of the election ("electionEpoch") */
	int64_t epoch;   /* the proposed leader's current epoch ("peerEpoch") */
	int32_t version; /* of the notification that brought it; 0: from before versions */
	enum vote_state state;
};

/* Whether a is better than b: higher (epoch, zxid, leader). Weights are the caller's matter. */
bool vote_beats(const struct vote *a, const struct vote *b);

/*
 * Whether both are for the same leader. Where either sender is looking all numbers must agree. Between settled
 * servers leader and epoch do (ZOOKEEPER-1805: zxid and round of an established ensemble may differ), or the
 * leader alone where just one of them has no version (ZOOKEEPER-1732: such a server does not renew its epoch).
 */
bool vote_equal(const struct vote *a, const struct vote *b);

/* "looking", ... */
const char *vote_state_name(enum vote_state state);

#endif
