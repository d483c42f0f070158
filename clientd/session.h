/*
 * Sessions: the replicated table (id and timeout, what snapshots hold) and, on a node that leads or stands
 * alone, who owns each and when it expires (ZooKeeper: SessionTrackerImpl, ExpiryQueue).
 *
 * The table belongs to its tree (tree_sessions). createSession and closeSession txns change it through
 * tree_apply; prep adds a session as soon as it makes its createSession txn, so that later requests find it.
 *
 * Expiry works on buckets of one tick: a session touched at t with timeout T expires at (((t + T) / tick) +
 * 1) * tick, that is up to one tick late and never early. Time in which this process, the disk or the loop
 * stood still is taken out of the tracker's clock (sessions_stalled, sessions_suspend): it expires nobody.
 */
#ifndef CLIENTD_SESSION_H
#define CLIENTD_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "jute/zk_error.h"

struct sessions;

/* Owner of a session nobody has claimed yet; the first request claims it. Own clients are 0, learners'
 * connections have numbers that are never used again. */
#define SESSION_NO_OWNER UINT64_MAX

struct session_view {
	int64_t id;
	int32_t timeout_ms; /* as created */
	bool closing;       /* its closeSession is on the way */
	bool applied;       /* its createSession is applied; else only prepared */
	uint64_t owner;
	uint32_t ephemerals; /* applied ones */
};

uint32_t sessions_count(const struct sessions *s);
/* Those that are only prepared included. */
uint32_t sessions_held(const struct sessions *s);
/* False when there is no such session. */
bool sessions_get(const struct sessions *s, int64_t id, struct session_view *v);
/* Calls visit for each session, oldest first. visit may not change the table. */
void sessions_each(const struct sessions *s, void (*visit)(const struct session_view *v, void *ctx),
		   void *ctx);

/*
 * Up to max sessions, oldest first; returns how many. For the word dump. expires_ms counts from now_ms; -1 for a session
 * that does not expire here: it is closing, or this node does not lead.
 */
struct session_due {
	int64_t id;
	int64_t expires_ms;
	uint32_t ephemerals;
};
uint32_t sessions_due(const struct sessions *s, int64_t now_ms, struct session_due *v, uint32_t max);
/* expires_ms of one session; -1 also when there is no such session. */
int64_t sessions_expires(const struct sessions *s, int64_t now_ms, int64_t id);

/*
 * This node now leads (or stands alone), or comes back to it: every session gets its full timeout from now on
 * and no owner, those whose closing was prepared but not applied are open again, those only prepared are
 * gone.
 */
void sessions_lead(struct sessions *s, int32_t tick_ms, int64_t now_ms);
/* This node no longer leads: nothing expires, nobody owns. */
void sessions_follow(struct sessions *s);

/* now_ms when the next expiry is due; INT64_MAX when nothing can expire. */
int64_t sessions_deadline(const struct sessions *s);
/*
 * One session that has expired by now_ms, or false. It is marked closing, and the caller prepares its
 * closeSession (prep_request with type ZK_OP_CLOSE_SESSION, cxid 0). Call until false, or until the credit is
 * used up; what is left comes at the next call.
 */
bool sessions_next_expired(struct sessions *s, int64_t now_ms, int64_t *id);
/* The loop stood still for ms: nobody expires for it. */
void sessions_stalled(struct sessions *s, int64_t ms);
/* The disk failed (suspend), or works again: expiry stands still in between. Calling either twice is
 * harmless. */
void sessions_suspend(struct sessions *s, int64_t now_ms);
void sessions_resume(struct sessions *s, int64_t now_ms);

/* A request, ping or TOUCH: the session lives for timeout_ms (<= 0: its own) from now. False if unknown or
 * closing. */
bool sessions_touch(struct sessions *s, int64_t id, int32_t timeout_ms, int64_t now_ms);

/*
 * Whether owner may act in this session: ZK_OK, ZK_SESSIONEXPIRED (unknown or closing) or ZK_SESSIONMOVED
 * (another owns it). A session without owner becomes owner's (ZooKeeper: SessionTrackerImpl.checkSession).
 */
enum zk_error sessions_check(struct sessions *s, int64_t id, uint64_t owner);

/*
 * Re-attach of an own client: passwd must be what the id gives (jute/passwd.h). On success owner owns the session and it
 * lives for timeout_ms from now. On a node that does not lead only the password is judged here: the leader decides
 * (REVALIDATE).
 */
bool sessions_renew(struct sessions *s, int64_t id, struct slice passwd, uint64_t owner, int32_t timeout_ms,
		    int64_t now_ms);
/* REVALIDATE on the leader: the same for a client of a learner, which has judged the password. */
bool sessions_revalidate(struct sessions *s, int64_t id, uint64_t owner, int32_t timeout_ms, int64_t now_ms);

/*
 * A table beside the tree's, of sessions that only this node knows (localSessionsEnabled, read-only mode): made by
 * sessions_create, put to work by sessions_lead, filled and emptied by its owner. sessions_drop is harmless for an id
 * that it does not have.
 */
struct sessions *sessions_create(void);
void sessions_destroy(struct sessions *s);
void sessions_add(struct sessions *s, int64_t id, int32_t timeout_ms, int64_t now_ms);
void sessions_drop(struct sessions *s, int64_t id);

/*
 * Ids for new sessions of this server: server_id (1 when standalone) in the top byte, then 40 bits of
 * start_ms, then a counter (ZooKeeper: SessionTrackerImpl.initializeNextSessionId). start_ms must be past
 * that of any earlier start of this server; ids still in use are left out.
 */
struct session_ids {
	int64_t next;
};
void session_ids_init(struct session_ids *ids, uint8_t server_id, int64_t start_ms);
int64_t session_ids_take(struct session_ids *ids, const struct sessions *s);

#endif
