/*
 * From request to transaction, on the node that leads or stands alone (ZooKeeper: PrepRequestProcessor). A
 * write is checked against the tree and against everything prepared before it that is not applied yet (the
 * outstanding changes), and becomes a serialized txn: TxnHeader, record, and TxnDigest with the digest of the
 * tree after it.
 *
 * Every call of prep_write makes exactly one txn and uses up one zxid: a request that fails its checks
 * becomes an error txn (type -1, no digest). Nothing here touches the tree's nodes.
 *
 *	prep = prep_create(&config, tree)                    once per role as leader
 *	prep_start(prep, last proposed)                      at ROLE, when all that was proposed is applied
 *	prep_write(prep, &request, out) -> PROPOSE(number, prep_last(prep), out)
 *	tree_apply(tree, ...); prep_applied(prep, zxid)      at COMMIT, in this order
 *	prep_destroy(prep)                                   when the role ends: all outstanding changes die
 * with it
 *
 * In steady state nothing is allocated.
 */
#ifndef CLIENTD_PREP_H
#define CLIENTD_PREP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/quorum.h"
#include "base/slice.h"
#include "acl.h"
#include "tree.h"

struct prep;

/*
 * More elements of one multi than this are refused as undecodable, however short they are: those who apply it hold a
 * decoded element and a result for each (some 300 bytes) in their arena of 64 MiB.
 */
enum { PREP_MULTI_MAX = 100000 };

/*
 * A session may have so many ephemerals, those not yet committed included; the next is refused with
 * ZK_QUOTAEXCEEDED. The end of a session is one txn, whatever hangs on it: this is what can be prepared and applied
 * without clients noticing much, and without a watchdog. (ZooKeeper has no limit, and fails: ZOOKEEPER-4306.)
 */
enum { PREP_EPHEMERALS_MAX = 100000 };

struct prep_request {
	int32_t type;    /* enum zk_op: one for which prep_takes is true */
	int64_t session; /* 0 for the sweeper */
	int32_t cxid;
	uint64_t owner;    /* number of the learner connection it came through, 0 for an own client */
	bool local;        /* the session may be one that only its server knows: then it owns no ephemerals */
	struct auth auth;  /* ids of its connection */
	struct slice body; /* the request record; empty for closeSession */
	int64_t wall_ms;   /* becomes the txn's time */
	int64_t now_ms;    /* monotonic; a new session's timeout begins here */
	uint64_t stats_wanted; /* of a multi of an own client, for front: see multi.h */
};

/*
 * Operations that become txns: create, create2, createContainer, createTTL, delete, deleteContainer, setData,
 * setACL, multi, createSession, closeSession, reconfig (see prep_know_members) and check (refused alone:
 * UNIMPLEMENTED). What clients may not send (deleteContainer,
 * createSession, closeSession of others, a bare check) is for front to refuse before it comes here.
 */
bool prep_takes(int32_t type);

/* Works on tree and its sessions for its whole life. config must outlive it. */
struct prep *prep_create(const struct tree_config *config, struct tree *tree);
void prep_destroy(struct prep *p);

/* The next txn gets last + 1. tree has applied all up to `last`. */
void prep_start(struct prep *p, uint64_t last);
/* What a reconfig is judged by. */
struct prep_members {
	struct slice text; /* of the members in force (config/members.h); empty where the node stands alone */
	uint64_t sid;      /* of this server, the leader */
	struct sid_set synced; /* followers that are in sync, whether they vote or not */
};

/* To be said anew before each reconfig: m->text is borrowed until prep_write has returned. */
void prep_know_members(struct prep *p, const struct prep_members *m);
/* zxid of the newest txn made. */
uint64_t prep_last(const struct prep *p);
/* The tree has applied all up to zxid: what these txns changed is no longer outstanding. */
void prep_applied(struct prep *p, uint64_t zxid);
/* Paths whose newest change is not applied yet, for the status. */
uint32_t prep_outstanding(const struct prep *p);

/*
 * Makes the txn of rq and appends it to out. Returns what the client will be told when it is applied (ZK_OK
 * for a failed multi: its results tell). When out has no room its overflow flag is set; then nothing was
 * made, no zxid used, and out must be dealt with before the next call.
 */
enum zk_error prep_write(struct prep *p, const struct prep_request *rq, struct buf *out);

#endif
