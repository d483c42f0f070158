/* A request of a simulated client, and what the model says about it. */
#ifndef SIM_ASK_H
#define SIM_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "jute/op.h"

enum { ASK_PATH = 48, ASK_DATA = 32, ASK_OPS = 4, ASK_TTL_MS = 3000 };

struct ask_op {
	int32_t type; /* CREATE, SET_DATA, DELETE, CHECK; of a request also reads, MULTI, CLOSE_SESSION */
	char path[ASK_PATH];
	char data[ASK_DATA];
	int32_t flags, version;
	bool watch;
	/* The model's answer. */
	int32_t err;
	char made[ASK_PATH];
	int32_t version_then;
};

static inline bool
ask_creates(int32_t type)
{
	return type == ZK_OP_CREATE || type == ZK_OP_CREATE_CONTAINER || type == ZK_OP_CREATE_TTL;
}

static inline bool
ask_is_sequential(int32_t flags)
{
	return flags == ZK_CREATE_PERSISTENT_SEQUENTIAL || flags == ZK_CREATE_EPHEMERAL_SEQUENTIAL ||
	       flags == ZK_CREATE_SEQUENTIAL_TTL;
}

struct ask {
	int32_t xid;
	int64_t session;
	struct ask_op op;
	struct ask_op parts[ASK_OPS]; /* of a MULTI */
	int nparts;
	uint64_t sent_us, acked_then;       /* highest zxid acknowledged to anybody when it was sent */
	bool sent, answered, refused, lost; /* lost: its connection ended before the answer */
	/* The model's answer, once committed. */
	bool committed;
	uint64_t zxid;
	int32_t err;
};

#endif
