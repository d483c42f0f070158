/*
 * The ensemble that a node belongs to, put together of what can be had at once: the node's own syncd knows the members,
 * the leader, and if it leads each learner; the other servers, of zkd or of ZooKeeper, are asked for srvr at their
 * client ports, which ZooKeeper's whitelist allows where nothing else is said. What is not known is said to be unknown.
 */
#ifndef ZKCTL_ENSEMBLE_H
#define ZKCTL_ENSEMBLE_H

#include <jansson.h>

#include "config/members.h"
#include "node.h"
#include "words.h"

enum { ENSEMBLE_LIMIT_MS = 1000, ENSEMBLE_WORD_BYTES = 32, ENSEMBLE_WHY_BYTES = 160 };

/* How a server is, from best to worst. */
enum server_state {
	SERVER_SERVES, /* it has a role and its clients are answered, so it is in sync */
	SERVER_SYNCED, /* the leader says so; its client port says nothing */
	SERVER_SYNCING,
	SERVER_IDLE, /* it answers that it does not serve: it looks for a leader, or is being synchronised */
	SERVER_UNKNOWN,
	SERVER_DOWN,
	SERVER_STATES,
};

struct server {
	const struct config_server *member;
	bool own;
	enum server_state state;
	char role[ENSEMBLE_WORD_BYTES];    /* leader, follower, observer, looking; "" where it is not known */
	char version[ENSEMBLE_WORD_BYTES]; /* "zkd 0.1.0", "ZooKeeper 3.8.0"; likewise */
	bool zxid_known;
	uint64_t zxid;
	int64_t lag;                  /* txns behind the leader; -1: not known */
	char why[ENSEMBLE_WHY_BYTES]; /* what is wrong, and what might help; "" where nothing is */
	struct word_question asked;   /* server.host "": it is not */
};

struct ensemble {
	struct members *members;
	struct server *servers;
	size_t nservers;
	int64_t leader; /* sid, -1: not known */
	uint32_t epoch;
	size_t voters, voters_in_sync;
	bool quorum;    /* those in sync are one, or this server would not serve */
	bool counted;   /* it is the former */
	unsigned spare; /* so many of them may fail, whichever these are */
};

/* What the node itself knows. False where it is no member of an ensemble, or its syncd does not tell. */
bool ensemble_begin(struct ensemble *e, const struct node_status *s);
/* Asks the others, for at most limit_ms, and judges. */
void ensemble_ask(struct ensemble *e, int64_t limit_ms);
void ensemble_free(struct ensemble *e);

/* For people, at 80 columns. */
void ensemble_print(const struct ensemble *e);
json_t *ensemble_json(const struct ensemble *e);

/* "1 of 3 voters": how the quorum is, one sentence without a full stop; returns text. */
const char *ensemble_describe(const struct ensemble *e, char *text, size_t size);

#endif
