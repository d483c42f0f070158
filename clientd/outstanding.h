/*
 * What prep has changed and the tree has not yet: for each path its newest state, and the tree's running digest
 * (ZooKeeper: ZooKeeperServer.outstandingChanges). Private to libtree.
 *
 * Work is done in units of one txn: outstanding_begin, any number of views and touches, then outstanding_commit or
 * outstanding_rollback, after which it is as if nothing had been. Entries die when their newest txn is applied.
 */
#ifndef CLIENTD_OUTSTANDING_H
#define CLIENTD_OUTSTANDING_H

#include "tree_priv.h"

/* One znode as the next txn will find it. */
struct node_state {
	bool exists;
	bool own_acl; /* acl is in outstanding.acls; else it is the tree's node's */
	uint32_t acl;
	uint32_t children;
	uint32_t prefix; /* CRC-32 of path and data */
	uint32_t digest; /* share of the tree's digest; 0 outside it */
	uint32_t data_len;
	struct jute_stat_persisted stat;
	int64_t pending_of; /* session that prep created it for as an ephemeral; 0: none */
};

struct change {
	struct table_entry entry;
	struct list queue;      /* by zxid */
	struct list pending;    /* at its session */
	int64_t pending_at;     /* that session, while it is there */
	struct change *touched; /* next in the txn being made */
	uint8_t *path;          /* its key */
	uint32_t path_len, path_cap;
	uint64_t zxid;
	bool fresh;                    /* the txn being made brought it in */
	bool in_txn;                   /* the txn being made touched it */
	struct node_state now, before; /* before: for a rollback */
};

struct outstanding {
	struct tree *t;
	struct table paths;
	struct list queue; /* oldest zxid first */
	struct list spare; /* entries to use again */
	struct change *touched;
	struct aclset acls;
	uint64_t digest;        /* of the tree with all changes */
	uint64_t digest_before; /* of the txn being made */
	uint32_t spares;
};

/* A path looked up: its newest state. Good until the same path is touched, or the txn ends. */
struct node_view {
	struct slice key;
	uint64_t hash;
	struct change *change; /* NULL: the state is the tree's */
	struct node_state s;
};

void outstanding_init(struct outstanding *o, struct tree *t);
void outstanding_free(struct outstanding *o);

void outstanding_begin(struct outstanding *o);
/* Drops what outstanding_begin has seen since. */
void outstanding_rollback(struct outstanding *o);
/* All that was touched is the work of txn zxid. */
void outstanding_commit(struct outstanding *o, uint64_t zxid);
/* The tree has applied all up to zxid. */
void outstanding_applied(struct outstanding *o, uint64_t zxid);

/* The newest state of path; false when there is no such node. v->key refers to path's bytes. */
bool outstanding_view(const struct outstanding *o, struct slice path, struct node_view *v);
/* The ACL list of a node that exists. */
struct slice outstanding_acl(const struct outstanding *o, const struct node_view *v);
/*
 * The entry of v's path, to be changed in `now`, which begins as v's state; call outstanding_changed when done. The
 * running digest no longer has the node's share until then.
 */
struct change *outstanding_touch(struct outstanding *o, const struct node_view *v);
/* Computes the share anew; with new data the prefix has been set by the caller. */
void outstanding_changed(struct outstanding *o, struct change *c);
/* Gives the entry a list of its own. */
void outstanding_set_acl(struct outstanding *o, struct change *c, struct slice list);

#endif
