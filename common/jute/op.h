/*
 * The numbers of ZooKeeper's client protocol: operations with their names, special xids, watch events,
 * permissions, create flags.
 */
#ifndef JUTE_OP_H
#define JUTE_OP_H

#include <stdint.h>

/* X(NAME, code, name as in ZooKeeper's logs, last operation as `cons` shows it) */
#define ZK_OPS(X)                                                                                            \
	X(NOTIFICATION, 0, "notification", "NA")                                                             \
	X(CREATE, 1, "create", "CREA")                                                                       \
	X(DELETE, 2, "delete", "DELE")                                                                       \
	X(EXISTS, 3, "exists", "EXIS")                                                                       \
	X(GET_DATA, 4, "getData", "GETD")                                                                    \
	X(SET_DATA, 5, "setData", "SETD")                                                                    \
	X(GET_ACL, 6, "getACL", "GETA")                                                                      \
	X(SET_ACL, 7, "setACL", "SETA")                                                                      \
	X(GET_CHILDREN, 8, "getChildren", "GETC")                                                            \
	X(SYNC, 9, "sync", "SYNC")                                                                           \
	X(PING, 11, "ping", "PING")                                                                          \
	X(GET_CHILDREN2, 12, "getChildren2", "GETC")                                                         \
	X(CHECK, 13, "check", "CHEC")                                                                        \
	X(MULTI, 14, "multi", "MULT")                                                                        \
	X(CREATE2, 15, "create2", "CREA")                                                                    \
	X(RECONFIG, 16, "reconfig", "RECO")                                                                  \
	X(CHECK_WATCHES, 17, "checkWatches", "CHKW")                                                         \
	X(REMOVE_WATCHES, 18, "removeWatches", "REMW")                                                       \
	X(CREATE_CONTAINER, 19, "createContainer", "CREA")                                                   \
	X(DELETE_CONTAINER, 20, "deleteContainer", "DELE")                                                   \
	X(CREATE_TTL, 21, "createTTL", "CREA")                                                               \
	X(MULTI_READ, 22, "multiRead", "MLTR")                                                               \
	X(AUTH, 100, "auth", "NA")                                                                           \
	X(SET_WATCHES, 101, "setWatches", "SETW")                                                            \
	X(SASL, 102, "sasl", "NA")                                                                           \
	X(GET_EPHEMERALS, 103, "getEphemerals", "GETE")                                                      \
	X(GET_ALL_CHILDREN_NUMBER, 104, "getAllChildrenNumber", "GETACN")                                    \
	X(SET_WATCHES2, 105, "setWatches2", "STW2")                                                          \
	X(ADD_WATCH, 106, "addWatch", "ADDW")                                                                \
	X(WHO_AM_I, 107, "whoAmI", "HOMI")                                                                   \
	X(ERROR, -1, "error", "NA")                                                                          \
	X(CREATE_SESSION, -10, "createSession", "SESS")                                                      \
	X(CLOSE_SESSION, -11, "closeSession", "CLOS")

enum zk_op {
#define X(name, code, text, lop) ZK_OP_##name = code,
	ZK_OPS(X)
#undef X
};

/* "getData"; NULL for a number that is no operation. Static storage, as the next. */
const char *zk_op_name(int32_t op);
/* "GETD"; "NA" for a number that is no operation. */
const char *zk_op_lop(int32_t op);

/* xids with a meaning of their own; a client's requests count from 1. */
enum zk_xid {
	ZK_XID_NOTIFICATION = -1,
	ZK_XID_PING = -2,
	ZK_XID_AUTH = -4,
	ZK_XID_SET_WATCHES = -8,
};

/* WatcherEvent.type, as far as a server sends them. */
enum zk_event {
	ZK_EVENT_NONE = -1,
	ZK_EVENT_CREATED = 1,
	ZK_EVENT_DELETED = 2,
	ZK_EVENT_DATA_CHANGED = 3,
	ZK_EVENT_CHILDREN_CHANGED = 4,
};

/* WatcherEvent.state: the only one a server sends. */
enum zk_state { ZK_STATE_SYNC_CONNECTED = 3 };

/* The type of checkWatches and removeWatches. */
enum zk_watcher {
	ZK_WATCHER_CHILDREN = 1,
	ZK_WATCHER_DATA = 2,
	ZK_WATCHER_ANY = 3,
	ZK_WATCHER_PERSISTENT = 4,
	ZK_WATCHER_PERSISTENT_RECURSIVE = 5,
};

/* The mode of addWatch. */
enum zk_add_watch {
	ZK_ADD_WATCH_PERSISTENT = 0,
	ZK_ADD_WATCH_PERSISTENT_RECURSIVE = 1,
};

enum zk_perm {
	ZK_PERM_READ = 1,
	ZK_PERM_WRITE = 2,
	ZK_PERM_CREATE = 4,
	ZK_PERM_DELETE = 8,
	ZK_PERM_ADMIN = 16,
	ZK_PERM_ALL = 31,
};

/* The flags of create and its kin. */
enum zk_create_mode {
	ZK_CREATE_PERSISTENT = 0,
	ZK_CREATE_EPHEMERAL = 1,
	ZK_CREATE_PERSISTENT_SEQUENTIAL = 2,
	ZK_CREATE_EPHEMERAL_SEQUENTIAL = 3,
	ZK_CREATE_CONTAINER = 4,
	ZK_CREATE_TTL = 5,
	ZK_CREATE_SEQUENTIAL_TTL = 6,
};

/* ephemeralOwner as stored: what is no session's. */
#define ZK_OWNER_CONTAINER ((int64_t)INT64_MIN)
#define ZK_OWNER_TTL_MASK  ((uint64_t)0xff00000000000000)
#define ZK_TTL_MAX_MS      ((int64_t)0xffffffffff)

#endif
