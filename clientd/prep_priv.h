/* The inside of prep, shared by its dispatcher (prep.c) and the operations (prep_op.c, prep_session.c). */
#ifndef CLIENTD_PREP_PRIV_H
#define CLIENTD_PREP_PRIV_H

#include "base/arena.h"
#include "outstanding.h"
#include "prep.h"

struct prep {
	const struct tree_config *config;
	struct tree *tree;
	struct outstanding outstanding;
	uint64_t last;          /* zxid of the newest txn made */
	uint64_t reconfig_zxid; /* of the newest reconfig; 0: none in this role */
	struct prep_members members;
	struct arena arena;         /* of the request being decoded */
	struct buf path, acl, list; /* scratch: a name made, a list normalised, the paths of a closeSession */
};

/* The txn being made. */
struct prep_txn {
	struct prep *p;
	const struct prep_request *rq;
	uint64_t zxid;
	struct buf *out;
	bool in_multi;
};

/* A request of any type, decoded. */
union prep_record {
	struct jute_create_ttl_request create; /* of every create; ttl -1 where there is none */
	struct jute_delete_request delete;
	struct jute_set_data_request set_data;
	struct jute_set_acl_request set_acl;
	struct jute_check_version_request check;
	struct jute_create_session_txn session;
};

struct prep_op {
	int32_t type;
	bool in_multi; /* may be an element of one */
	bool (*decode)(struct jute_reader *r, struct arena *a, union prep_record *q);
	/* Checks, then appends the txn's record and makes the outstanding changes. Changes nothing on an error. */
	enum zk_error (*run)(struct prep_txn *x, const union prep_record *q);
	/* The txn is made and will not be taken back. May be NULL. */
	void (*made)(struct prep_txn *x, const union prep_record *q);
};

/* NULL when type makes no txn, or is multi. */
const struct prep_op *prep_op_find(int32_t type);

/* The session may act for whoever asks: with nearly every operation the first check. */
enum zk_error prep_check_session(struct prep_txn *x);

enum zk_error prep_check_acl(const struct prep_txn *x, const struct node_view *v, int32_t perm);
/* The record of a setData, or of a reconfig, and its outstanding change. */
void prep_make_set_data(struct prep_txn *x, struct slice path, struct slice data, int32_t version,
			const struct node_view *v);

/* prep_reconfig.c */
enum zk_error prep_run_reconfig(struct prep_txn *x, const union prep_record *q);

/* prep_session.c */
void prep_init_lists(struct prep *p);
bool prep_decode_nothing(struct jute_reader *r, struct arena *a, union prep_record *q);
bool prep_decode_session(struct jute_reader *r, struct arena *a, union prep_record *q);
enum zk_error prep_run_create_session(struct prep_txn *x, const union prep_record *q);
void prep_made_create_session(struct prep_txn *x, const union prep_record *q);
enum zk_error prep_run_close_session(struct prep_txn *x, const union prep_record *q);
void prep_made_close_session(struct prep_txn *x, const union prep_record *q);
/* The parent of a node that comes or goes by txn x: `more` children more. */
void prep_touch_parent(struct prep_txn *x, const struct node_view *parent, int32_t more);
/* The node goes. */
void prep_touch_gone(struct prep_txn *x, const struct node_view *node);

#endif
