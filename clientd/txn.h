/*
 * A serialized txn decoded: all of it before anything is changed, so that a bad one changes nothing. Private to
 * libtree.
 */
#ifndef CLIENTD_TXN_H
#define CLIENTD_TXN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "jute/records.h"

struct txn_op {
	int32_t type; /* enum zk_op */
	struct slice path, data;
	struct slice acl; /* bytes of vector<ACL> */
	int32_t version;  /* the new version or aversion, or of creates the parent's new cversion */
	bool ephemeral;
	int64_t ttl_ms;
	int32_t timeout_ms;
	int32_t err;
	struct jute_string_vec paths; /* of closeSession; n -1 where the txn has no list */
	struct txn_op *multi;
	int32_t n;
};

struct txn {
	struct jute_txn_header hdr;
	struct txn_op op;
	bool has_digest;
	struct jute_txn_digest digest;
};

/*
 * 0, or -EBADMSG. Slices point into bytes, vectors lie in the arena. Takes what older and newer servers write: creates
 * without parentCVersion (-1 then), closeSession without its list, a missing digest, trailing bytes.
 */
int txn_decode(struct slice bytes, struct arena *a, struct txn *txn);

#endif
