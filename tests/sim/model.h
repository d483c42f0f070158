/*
 * What must be true: a tree that grows by the requests of the clients, in the order of the zxids that lie on the
 * simulated platter. The model shares no code with the daemons but the reader of log files: a request is found by its
 * session and xid, and judged by ZooKeeper's rules written down here a second time. Each znode keeps all its states,
 * so that any reply can be compared with the state at its zxid.
 *
 * A zxid is final from the moment when the first syncd calls it committed. Then it must be on the platters of a quorum,
 * in files whose names are there too, right behind what was final before; every leader that comes has it, every log
 * that goes as far has it in its place.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "ask.h"
#include "base/slice.h"
#include "sim.h"

struct tree;

struct znode_state {
	uint64_t zxid; /* from which on it is like this */
	bool there;
	char data[ASK_DATA];
	uint64_t czxid, mzxid, pzxid;
	int32_t version, created, nchildren; /* created: children, ever: what numbers sequential ones */
	int64_t owner;                       /* a session; or the mark of a container or a TTL node */
};

struct znode {
	char path[ASK_PATH];
	struct znode *parent, *next; /* next: in the chain of its hash */
	struct znode_state *states;
	size_t n, cap;
};

struct model;

struct model *model_new(struct sim *s);
void model_free(struct model *m);

/* ---- What the world tells ---- */

/* syncd says that all up to zxid is committed: a quorum has it on its platters. */
void model_commit(struct model *m, struct node *n, uint64_t zxid);
/* A learner's syncd hands that txn to its clientd as committed, behind n->delivered. */
void model_deliver(struct model *m, struct node *n, uint64_t zxid, struct slice txn);
/* logd has opened its data, which end at durable. */
void model_recovered(struct model *m, struct node *n, uint64_t durable);
/* logd says so; cut: it was told to end there. */
void model_durable(struct model *m, struct node *n, uint64_t zxid, bool cut);
/* logd begins to cut its log behind zxid, or to put a snapshot at zxid in its place; it may die over that. */
void model_cuts(struct model *m, struct node *n, uint64_t zxid);
/* A learner sends this ACK: of a txn, or of a leader's epoch (the lower half is 0) and all that came before. */
void model_acked(struct model *m, struct node *n, uint64_t zxid);
/* A learner accepts the epoch that is in its file now, and its leader's claim to it: no epoch of two leaders. */
void model_accepts(struct model *m, struct node *n, int leader);
/* What lies in the log of n agrees with all that is final. */
void model_check_log(struct model *m, struct node *n);
/* syncd gives that txn to its logd: in an ensemble, where each start of a leader is an epoch, no zxid has two. */
void model_appended(struct model *m, struct node *n, uint64_t zxid, struct slice txn);
/* syncd says that it leads in that epoch, and that so much is committed. */
void model_leads(struct model *m, struct node *n, uint64_t epoch, uint64_t committed);
/* The clientd of n has heard of that session, 0 for none. Only the leader's word counts: it expires. */
void model_heard(struct model *m, const struct node *n, int64_t session);
/* clientd proposes a txn. */
void model_proposed(struct model *m, const struct node *n, struct slice txn);
/* clientd's turn is over: its tree is compared, now and then. */
void model_look(struct model *m, const struct node *n);
/* The same, at once. */
void model_compare(struct model *m, const struct node *n);

/* The end: the members in force there are those of the last reconfiguration that is final. */
void model_check_members(struct model *m, const struct node *n);
/* The end: no session is alive that nobody has spoken for. */
void model_check_sessions(struct model *m);

/* ---- What clients ask ---- */

uint64_t model_zxid(const struct model *m);
/* The highest that a server may show: it counts the beginning of an epoch too. */
uint64_t model_shown(const struct model *m);
/* Whether the server is in the newest epoch. */
bool model_is_present(const struct model *m, const struct node *n);
/* Whether it leads there. */
bool model_is_leader(const struct model *m, const struct node *n);
/* NULL: it never existed. */
const struct znode *model_find(const struct model *m, const char *path);
/* As it was at zxid; NULL: it was not there, or never. */
const struct znode_state *model_at(const struct znode *z, uint64_t zxid);
/* Each that was ever there, in the order in which they were made. */
const struct znode *model_each(const struct model *m, size_t i);
/* As the stat shows it: of sessions only. */
int64_t model_shown_owner(const struct znode_state *s);
/* The zxid of the first change after `after` of what a data watch (or a child watch) on path is about, or NEVER. */
uint64_t model_change(const struct model *m, const char *path, bool children, uint64_t after);
/* What happened at path (below: and at what is under it) after `after`, up to zxid: how many events there are of it. */
unsigned model_events(const struct model *m, const char *path, bool below, uint64_t after, uint64_t zxid);
/* Whether there was an event of that type at that very zxid. */
bool model_happened(const struct model *m, const char *path, int32_t type, uint64_t zxid);
/* Whether the session may be over by now: closed, or silent for so long that it may be closed. */
bool model_may_be_over(const struct model *m, int64_t session);
/* Whether the session was created in an epoch that the server does not know yet. */
bool model_is_unheard_of(const struct model *m, const struct node *n, int64_t session);
/* Whether its creation is committed; it may be over again. */
bool model_was_created(const struct model *m, int64_t session);
bool model_is_open(const struct model *m, int64_t session);

#endif
