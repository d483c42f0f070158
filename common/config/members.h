/*
 * The members of an ensemble, and the text in which servers tell each other who they are: what notifications and
 * NEWLEADER carry, reconfig transactions change and /zookeeper/config holds.
 *
 *	server.1=host:2888:3888:participant;0.0.0.0:2181	one line for each; several addresses with '|' between
 *	group.1=1:2:3						with hierarchical quorums
 *	weight.1=1						likewise
 *	version=100000003					last, hexadecimal, without a newline
 *
 * Pure. A struct members owns everything in it, is read-only once made and is released by members_free. Of each server
 * it holds what a line of zoo.cfg says (struct config_server).
 * Source: ZooKeeper, QuorumMaj.toString, QuorumHierarchical.toString, QuorumServer.toString, QuorumPeerConfig.
 */
#ifndef CONFIG_MEMBERS_H
#define CONFIG_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/quorum.h"
#include "base/slice.h"
#include "config.h"

enum {
	MEMBERS_TEXT_MAX = 512 << 10, /* bytes; a notification holds no more */
	MEMBERS_MAX = 256,            /* servers: one for each sid */
};

struct members {
	uint64_t version;
	bool hierarchical;
	const struct config_server *servers; /* by rising sid */
	size_t nservers;
	struct arena arena;
};

/*
 * Reads a text, whoever wrote it. Groups are checked as for zoo.cfg; a text without version has version 0. 0, or -EPROTO
 * with *m NULL: malformed, a sid beyond 0..255 or there twice, no participant at all.
 */
int members_parse(struct slice text, struct members **m);
/* What the configuration file says. c must have passed config_load. */
struct members *members_from_config(const struct config *c);
/* Puts m in place of c's list, with its version. What followed from the list at the start (clientPort) stays. */
void config_set_members(struct config *c, const struct members *m);
/* A copy under another version: what a leader whose list has none sends in NEWLEADER. */
struct members *members_with_version(const struct members *m, uint64_t version);
void members_free(struct members *m);

/*
 * Appends the text, servers and groups in the order in which Java's hash maps give them, so that the bytes are those of
 * a Java server with the same members.
 */
void members_put(const struct members *m, struct buf *out);

/* The server with this sid, or NULL. */
const struct config_server *members_find(const struct members *m, int64_t sid);
/* Who votes, and what is enough. pending may be NULL; its zxid is its version. */
void members_quorums(const struct members *current, const struct members *pending, struct quorum_pair *q);
/* Equal but for the order of lines and for how the text is written; versions count. */
bool members_equal(const struct members *a, const struct members *b);

#endif
