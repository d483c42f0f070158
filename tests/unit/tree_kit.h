/*
 * A tree with its prep in one process, for the tests of clientd's tree core: requests go in as a client would write
 * them, become txns and, at once or later, are applied.
 */
#ifndef TESTS_TREE_KIT_H
#define TESTS_TREE_KIT_H

#include "base/arena.h"
#include "base/buf.h"
#include "clientd/prep.h"
#include "clientd/tree.h"

enum { KIT_TICK_MS = 2000, KIT_TXNS_MAX = 1 << 16 };

struct kit {
	struct tree_config config;
	struct tree *tree;
	struct prep *prep;
	struct arena arena;        /* of the last result */
	struct buf body, out;      /* scratch */
	struct buf log;            /* every txn: length, bytes */
	size_t applied_at;         /* offset in log of the first txn not applied */
	struct tree_result result; /* of the last applied */
	struct auth auth;
	struct jute_id ids[4];
	int64_t session;
	uint64_t owner;
	int32_t cxid;
	int64_t wall_ms, now_ms;
	struct tree_sink sink;
	bool hold; /* requests are prepared and not applied */
};

void kit_start(struct kit *k);
/* The same with a configuration. */
void kit_start_with(struct kit *k, const struct tree_config *c);
void kit_end(struct kit *k);

/* Prepares a request whose body is in k->body (consumed); applies it unless k->hold. Returns what prep said. */
enum zk_error kit_request(struct kit *k, int32_t type);
/* Applies the next prepared txn, or all. */
bool kit_apply_one(struct kit *k);
void kit_apply(struct kit *k);
/* The bytes of the newest txn. */
struct slice kit_last_txn(struct kit *k);

enum zk_error kit_open(struct kit *k, int64_t session, int32_t timeout_ms);
enum zk_error kit_close(struct kit *k, int64_t session);
enum zk_error kit_create(struct kit *k, const char *path, const char *data, int32_t flags);
enum zk_error kit_create_acl(struct kit *k, const char *path, const struct jute_acl_vec *acl);
enum zk_error kit_delete(struct kit *k, const char *path, int32_t version);
enum zk_error kit_set(struct kit *k, const char *path, const char *data, int32_t version);
enum zk_error kit_set_acl(struct kit *k, const char *path, const struct jute_acl_vec *acl, int32_t version);
/* Elements of a multi, appended to k->body; kit_multi ends it and sends it. */
void kit_add_create(struct kit *k, const char *path, const char *data, int32_t flags);
void kit_add_delete(struct kit *k, const char *path, int32_t version);
void kit_add_set(struct kit *k, const char *path, const char *data, int32_t version);
void kit_add_check(struct kit *k, const char *path, int32_t version);
enum zk_error kit_multi(struct kit *k);

struct jute_stat kit_stat(struct kit *k, const char *path);
bool kit_exists(struct kit *k, const char *path);
/* The whole of a snapshot taken now; the caller frees it. */
struct buf kit_snapshot(struct tree *t);
/* Loads it; NULL when it is refused. */
struct tree *kit_load(const struct tree_config *c, struct slice bytes, uint64_t zxid);

extern const struct jute_acl_vec kit_open_acl;
/* Prints errors: what tree_check finds, refused snapshots, digest mismatches. */
extern struct trace kit_trace;

#endif
