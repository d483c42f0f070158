/*
 * The tree of znodes: nodes, ACLs, sessions and ephemerals, quotas, digest; reading it, applying transactions
 * to it, writing it to a snapshot in slices, loading it (ZooKeeper: DataTree, ZKDatabase).
 *
 * One thread changes a tree. Reads are functions on const struct tree and write no byte of it, so that reader
 * threads may come; memory that a change replaces leaves through one place (tree_retire in node.h).
 *
 * Paths come and go as "/a/b", the root as "/". Slices handed out point into the tree and are good until the
 * next call that changes it.
 */
#ifndef CLIENTD_TREE_H
#define CLIENTD_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/trace.h"
#include "jute/op.h"
#include "jute/records.h"
#include "jute/zk_error.h"
#include "acl.h"
#include "session.h"

struct tree;

/* The keys that concern tree and prep. Owned by the caller, must outlive both. */
struct tree_config {
	struct acl_rules acl;
	bool digest;            /* digest.enabled: keep the tree's digest, put it into txns and snapshots */
	bool extended_types;    /* extendedTypesEnabled: TTL nodes */
	bool emulate_353_ttl;   /* emulate353TTLNodes: the owner's old form is a TTL node too */
	bool enforce_quota;     /* enforceQuota */
	bool close_session_txn; /* closeSessionTxn.enabled: closeSession names the paths that it deletes */
	bool reconfig_enabled;
	bool standalone_enabled;     /* a reconfig may leave no lone voter */
	int64_t container_unused_ms; /* znode.container.maxNeverUsedIntervalMs; 0: never */
	uint8_t seed[16];            /* random: hash of what clients choose */
	struct trace *trace;         /* may be NULL */
};
/* ZooKeeper's defaults; seed zero, no trace. */
void tree_config_init(struct tree_config *c);

/* A fresh tree: the built-in nodes, no sessions, applied zxid 0. */
struct tree *tree_create(const struct tree_config *config);
void tree_destroy(struct tree *t);

uint64_t tree_applied(const struct tree *t); /* zxid of the newest txn that is in it */
uint64_t tree_digest(const struct tree *t);  /* version 2; 0 when digests are off */
struct sessions *tree_sessions(struct tree *t);
const struct sessions *tree_sessions_const(const struct tree *t);

/*
 * Makes text the data of /zookeeper/config as each server of an ensemble does for itself, with no txn: version is the
 * zxid that put it in force (ZooKeeper: ZKDatabase.initConfigInZKDatabase). Outside of the tree's digest.
 */
void tree_show_members(struct tree *t, struct slice text, uint64_t version, int64_t wall_ms);

/* For mntr, srvr and the status. */
struct tree_stats {
	uint64_t nodes; /* as ZooKeeper counts: the root twice */
	uint64_t ephemerals;
	uint64_t data_bytes;   /* paths and data: ZooKeeper's approximate data size */
	uint64_t memory_bytes; /* held for nodes, names, data and index */
	uint64_t acl_lists;
	uint64_t containers, ttl_nodes;
	uint64_t digest_mismatches;
};
void tree_stats(const struct tree *t, struct tree_stats *s);

/* The digests of the past, oldest first: of each zxid that is a multiple of 128, 1024 of them (for the word hash). */
void tree_digests_each(const struct tree *t, void (*visit)(void *ctx, uint64_t zxid, uint64_t digest),
		       void *ctx);
/*
 * The paths of a session's ephemerals, oldest first, until visit returns false. A path is good during its call only.
 */
void tree_ephemerals_each(const struct tree *t, int64_t session, bool (*visit)(void *ctx, struct slice path),
			  void *ctx);

/* ---- Reading. None sets a watch; whether to leave one is front's (exists: also on NONODE). ---- */

/* Whether the node is there, no matter who asks. st may be NULL. For setWatches' comparison with mzxid and
 * pzxid. */
bool tree_stat(const struct tree *t, struct slice path, struct jute_stat *st);
/*
 * Whether who may read the node at path: for filtering a watch event on a path whose node is unknown to the
 * caller. True when there is no such node.
 */
bool tree_may_read(const struct tree *t, struct slice path, const struct auth *who);

/*
 * The requests. Each decodes its body, checks the ACL and appends the response record to out; or returns an
 * error and leaves out as it was. ZK_MARSHALLINGERROR for a body that does not parse. The path (and the watch
 * flag) are in *rq whenever the body did parse, also on errors.
 */
struct tree_read {
	struct slice path;
	bool watch;
};
typedef enum zk_error tree_read_fn(const struct tree *t, const struct auth *who, int64_t session,
				   struct slice body, struct tree_read *rq, struct buf *out);
tree_read_fn tree_read_exists;              /* Stat */
tree_read_fn tree_read_data;                /* data, Stat */
tree_read_fn tree_read_acl;                 /* vector<ACL>, Stat */
tree_read_fn tree_read_children;            /* vector<ustring> */
tree_read_fn tree_read_children2;           /* vector<ustring>, Stat */
tree_read_fn tree_read_all_children_number; /* int */
tree_read_fn tree_read_ephemerals;          /* vector<ustring> of the session's own, under the prefix */
tree_read_fn tree_read_multi;    /* multiRead: a result for each element; their watch flags are ignored */
tree_read_fn tree_read_who_am_i; /* vector<ClientInfo>; no body */

/* ---- Applying ---- */

/* A txn taken apart. Slices point into its bytes. */
struct tree_txn {
	struct jute_txn_header hdr;
	struct slice record; /* from behind the header to the end: record, digest, whatever else */
};
/* -EBADMSG when the bytes are too few for a header. */
int tree_txn_parse(struct slice bytes, struct tree_txn *txn);

/* What a change does to watches, in order. path and acl are good during the call only. */
struct tree_sink {
	/* acl: the list to check READ against: the node's (of a deleted one its last), for CHILDREN_CHANGED
	 * the parent's. The callback must not use the tree: a txn may be half applied. */
	void (*event)(void *ctx, uint64_t zxid, enum zk_event event, struct slice path, struct slice acl);
	void *ctx;
};

/* What became of a txn, for the reply to whoever asked for it. */
struct tree_result {
	int32_t type;      /* as in its header; of a multi's element: the type of its result */
	enum zk_error err; /* of a failed multi: the first error in it */
	struct slice path; /* of creates: into the txn's bytes */
	struct slice data; /* of a reconfig: likewise */
	bool has_stat;
	struct jute_stat stat;
	struct tree_result *multi; /* type ZK_OP_MULTI: n results, in the arena */
	int32_t n;
};

/*
 * Applies the next committed txn. Results lie in a. Replaying over a snapshot of another server, which may hold
 * later states already, ends in the true state: what a create finds is made anew, what a delete misses is gone, a
 * parent's count and pzxid never go down. sink may be NULL.
 * 0; -EBADMSG for a txn that does not parse: the tree is as before, and nothing more may be applied to it;
 * -EALREADY when its zxid is not above tree_applied: nothing was done.
 */
int tree_apply(struct tree *t, struct slice txn, struct arena *a, const struct tree_sink *sink,
	       struct tree_result *result);

/* ReplyHeader.err for the result: 0 also for a failed multi. */
enum zk_error tree_result_error(const struct tree_result *r);
/*
 * Appends the response record that follows the ReplyHeader, nothing where the operation has none. stats_wanted: which
 * creates of a multi were asked for as create2 (bit i for element i, bit 63 for all from there on).
 */
void tree_result_write(const struct tree_result *r, uint64_t stats_wanted, struct buf *out);

/* ---- Snapshots. A tree writes at most one at a time. ---- */

/*
 * Begins a snapshot of the state as it is now. Everything goes to out, which must live until the end and is
 * drained by the owner whenever it likes; only appends happen here. Until the end each change to a node that
 * is not written yet appends its old content first, so out grows with changes too: its max bounds that, and
 * when it is reached the snapshot has failed (tree_snapshot_step says so) while the tree goes on. -EBUSY when
 * one is being written.
 */
int tree_snapshot_begin(struct tree *t, struct buf *out);
/* Writes about budget_bytes more. 1 while there is more, 0 when all is in out (and the snapshot over),
 * -ENOBUFS when out was full, -ENOENT when none is being written. */
int tree_snapshot_step(struct tree *t, size_t budget_bytes);
/* Its reader is gone. Harmless without a snapshot. */
void tree_snapshot_abort(struct tree *t);
/* Whether one is being written, and at which zxid. */
bool tree_snapshot_active(const struct tree *t, uint64_t *zxid);

/* ---- Loading: a new tree from the records of a snapshot, pushed by disk/snapshot.h's reader ---- */

struct tree_load;
struct snapshot_events;
struct snapshot_end;

/* Records go to a tree of their own. zxid: what the snapshot is exact at (its file name). */
struct tree_load *tree_load_begin(const struct tree_config *config, uint64_t zxid);
/* The callbacks for snapshot_reader_init; their ctx is the struct tree_load. They return 0, or -EBADMSG for
 * what cannot be part of a tree (trace says what). Each call does a bounded amount of work. */
extern const struct snapshot_events tree_load_events;
/*
 * All is read; end is what the reader found. Gives the tree, owned by the caller (apply the log's txns above
 * tree_applied next), and frees l. NULL when it is no whole tree.
 */
struct tree *tree_load_end(struct tree_load *l, const struct snapshot_end *end);
/* No more txns of the log, or of a leader, will come: what the snapshot's digest left in doubt is decided. */
void tree_loaded(struct tree *t);
void tree_load_abort(struct tree_load *l);

/* ---- Sweeping containers and TTL nodes, on the node that leads ---- */

/*
 * Looks at up to `budget` container and TTL nodes, going on where the last call stopped. Appends nothing and
 * changes no node: calls found for each that has become due by wall_ms, upon which the caller
 * prepares a ZK_OP_DELETE_CONTAINER with tree_sweep_body. False when this round is through: the next begins
 * with the next call, after znode.container.checkIntervalMs.
 */
bool tree_sweep(struct tree *t, int64_t wall_ms, uint32_t budget, void (*found)(void *ctx, struct slice path),
		void *ctx);
/* Appends the request record that prep takes. */
void tree_sweep_body(struct slice path, struct buf *out);

/* ---- For tests and the debugging verbs ---- */

/* The digest computed anew from every node; a pause of a second at some million nodes. */
uint64_t tree_digest_recompute(const struct tree *t);
/* Whether every invariant of nodes, index, lists, references and digest holds; trace says which does not. */
bool tree_check(const struct tree *t);

#endif
