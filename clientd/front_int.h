/*
 * What the files of libfront share: the state of the front and of a connection, and the calls between its parts.
 * front.c has the events and actions, conn.c bytes and frames, connect.c the handshake, request.c the order of
 * requests, ops.c the reading ones, write.c proposals and commits, link.c and load.c the talk with syncd, leader.c and
 * learner.c what of it only those two say, words.c the four-letter words.
 */
#ifndef CLIENTD_FRONT_INT_H
#define CLIENTD_FRONT_INT_H

#include "front.h"

#include "base/arena.h"
#include "base/list.h"
#include "base/table.h"
#include "disk/snapshot.h"
#include "metrics.h"
#include "prep.h"
#include "tree.h"
#include "watch.h"

enum conn_state {
	CONN_NEW,     /* nothing or only part of the connect request has come */
	CONN_OPENING, /* its createSession is on the way */
	CONN_OPEN,
	CONN_CLOSING, /* nothing more is read; closes when its output is written */
	CONN_DEAD,    /* closed; kept while pending writes name it */
};

/* Why a connection's requests are not being worked on. */
enum pause {
	PAUSE_OPENING = 1,  /* waits for its session */
	PAUSE_OUTPUT = 2,   /* does not read its replies */
	PAUSE_WAITING = 4,  /* too much waits behind its writes */
	PAUSE_CREDIT = 8,   /* its next write waits for credit */
	PAUSE_LEAVING = 16, /* has asked for the end of its session */
};

enum { FRAME_PREFIX = 4 };  /* the length before each frame */
enum { AUTH_IDS_MAX = 64 }; /* on one connection; the next auth packet is refused */

struct conn_stats {
	uint64_t received, sent; /* packets */
	uint64_t latency_count, latency_total_ms;
	uint32_t latency_min_ms, latency_max_ms, latency_last_ms;
	uint64_t response_ms; /* when the last reply was made, on the monotonic clock as in ZooKeeper */
	int64_t last_zxid;
	int32_t last_cxid, last_op; /* the former is -1 from a reset to the next request */
};

struct front_conn {
	struct list link;    /* front.conns */
	struct list timer;   /* front.timers while NEW or CLOSING */
	struct list stalled; /* front.stalled while PAUSE_CREDIT */
	uint64_t timer_ms;
	void *owner;
	struct front_peer peer;
	enum conn_state state;
	uint8_t paused;      /* enum pause */
	bool reading;        /* what the shell was told last */
	bool dirty;          /* a FRONT_WRITE is queued, or the shell waits for writability */
	bool greeted;        /* the first four bytes were no word */
	bool local;          /* its session is in front.local */
	bool sent_read_only; /* the connect request had that byte */
	bool close_taken;    /* the shell has let go of the handle */
	uint32_t inflight;   /* pending entries that name this connection */
	uint32_t nwaiting;   /* requests in waiting */
	struct buf in;       /* input not worked on yet */
	struct buf out;
	struct buf waiting;            /* struct waiting entries, oldest first */
	struct buf asked;              /* on a learner, struct asked: its writes that are with the leader */
	struct table_entry by_session; /* front.attached while session != 0; learner.gone once dead */
	int64_t session;
	uint64_t heard_ms;     /* when it last said something */
	int64_t asked_session; /* whose writes are in asked; stays when session is gone */
	uint64_t touched;      /* learner.touch_round in which its session was put into touches */
	int32_t timeout_ms;
	struct watcher watcher;
	struct auth auth;
	struct jute_id *ids;    /* auth.ids once auth packets have come; owned, with their strings */
	struct jute_id ip;      /* auth.ids before */
	int64_t established_ms; /* wall clock */
	struct conn_stats stats;
};

/* One request that waits for its turn: in conn.waiting, followed by `len` bytes of its body. */
enum waiting_kind {
	WAITING_READ,  /* to be worked on when it comes to the front */
	WAITING_TXN,   /* its reply comes with its pending entry */
	WAITING_SYNC,  /* to be worked on when its pending entry is through */
	WAITING_ERROR, /* to be answered with err */
};
struct waiting {
	enum waiting_kind kind;
	uint32_t len;
	int32_t xid, op;
	int32_t err;
	uint64_t start_ms;
};

/* One txn, or one sync, between proposal and commit: in front.pending, followed by `len` bytes of txn. */
enum pending_kind { PENDING_TXN, PENDING_SYNC };
struct pending {
	enum pending_kind kind;
	uint32_t len;
	uint64_t zxid;           /* of the txn; for a sync of the last txn before it */
	struct front_conn *conn; /* NULL: nobody here waits for it */
	uint64_t start_ms;
	uint64_t stats_wanted; /* of a multi: see multi.h */
	int32_t xid, op;
};

/* A write of an own client that is with the leader: in conn.asked. */
struct asked {
	uint64_t start_ms;
	uint64_t stats_wanted; /* as in struct pending */
	int32_t xid, op;
	uint32_t bytes; /* of its frame */
};

/* A sync or a re-attach that is with the leader: in learner.questions. */
struct question {
	struct list link;
	uint64_t number;
	bool revalidates;
	struct front_conn *conn;
};

/* What a learner has asked its leader; dies with the role. */
struct learner {
	uint64_t numbered; /* last number given out */
	uint32_t nasked;   /* writes with the leader, and the bytes of their frames: credit used */
	uint64_t asked_bytes;
	struct list questions; /* oldest first */
	struct table gone;     /* dead connections with writes asked, by asked_session */
	struct buf ahead;      /* BULK_TXN frames: what was committed behind the txns that are being loaded */
	struct buf touches;    /* body of the next TOUCH */
	uint64_t touch_round;  /* rises with each TOUCH */
	uint64_t touch_ms;     /* when it is due, while touches is not empty */
};

/* Where the talk with syncd stands; each ROLE goes back to PHASE_LOADING. */
enum front_phase {
	PHASE_DOWN,        /* no link */
	PHASE_IDLE,        /* link, no role yet */
	PHASE_LOADING,     /* LOAD is asked */
	PHASE_CATCHING_UP, /* READY is said; what was proposed when the role began is not all committed */
	PHASE_SERVING,
};

/* As in control.proto. */
enum role_state { ROLE_LOOKING, ROLE_LEADER, ROLE_FOLLOWER, ROLE_OBSERVER, ROLE_READONLY };

struct front_role {
	uint64_t number;
	enum role_state state;
	bool standalone;
	uint32_t epoch;
	uint64_t proposed, committed;
	uint32_t window_txns;
	uint64_t window_bytes;
	uint64_t sid, leader;
	uint64_t since_ms; /* when it began to serve */
	bool presumed;     /* read-only: nobody knows what of the tree is committed */
};

/* Who follows, as syncd tells a leader. */
struct learners {
	uint32_t all, synced_followers, synced_non_voting, synced_observers, pending_syncs;
	struct sid_set followers; /* synced */
};

/* Bytes of the txns that this leader has proposed; -1 before the first. */
struct proposal_sizes {
	int64_t last, least, most;
};

struct load {
	bool open; /* LOAD_CHANNEL has come */
	/*
	 * The snapshot that comes makes no tree. Who reads the file sees its checksum only at the end, and sends an older
	 * one then: until that the rest is passed over.
	 */
	bool spoilt;
	struct tree_load *tree;
	struct snapshot_reader reader;
	uint64_t last; /* newest txn that came through the channel */
	uint64_t asked_ms;
	uint64_t retry_ms; /* ask again then; UINT64_MAX: not waiting */
	uint64_t wait_ms;  /* before the last retry; 0 after a load that was whole */
};

struct snapshot_out {
	bool active, told, walked;
	uint64_t begun_ms;
	struct buf raw; /* what the tree has written */
	struct buf out; /* framed, for the channel */
};

struct action_queue {
	struct front_action *v;    /* ring */
	uint32_t head, count, cap; /* cap is a power of two */
};

/* What the lists of four-letter words have cost in the second that began at since_ms. */
struct list_budget {
	uint64_t since_ms;
	size_t spent;
};

/* What logd has told of the data folders. */
struct sizes {
	bool known;
	uint64_t data_bytes, log_bytes;
};

/* Log lines about connections in the second that began at since_ms. */
struct complaints {
	uint64_t since_ms;
	uint32_t told, left_out;
};

struct front {
	struct front_config config;
	struct trace *trace;
	uint64_t now_ms, due_ms; /* of the event in hand; the deadline given out last */
	int64_t wall_ms;
	struct action_queue actions;
	struct arena arena; /* of the event in hand */

	struct list conns, timers, stalled;
	uint32_t nconns;
	struct table attached;  /* sessions' connections */
	struct table addresses; /* connections per address */
	struct watches *watches;

	enum front_phase phase;
	struct front_role role;
	struct learners learners;
	struct proposal_sizes proposal_sizes;
	struct buf members; /* text of the configuration in force; empty on a standalone node */
	uint64_t members_version;
	bool disk_failed;
	struct buf link;
	bool link_told;
	struct load load;
	struct snapshot_out snap;

	struct tree *tree; /* NULL before the first load */
	struct prep *prep; /* while leading and loaded */
	struct session_ids ids;
	struct sessions *local; /* those of this node alone; NULL where there are none */
	uint64_t committed;     /* commit floor of this role */
	struct buf pending;
	uint32_t npending;
	struct learner learner;
	bool expiry_suspended;
	uint64_t silent_ms;       /* next look at connections that say nothing */
	uint64_t sweep_ms;        /* next look at containers */
	uint64_t sweep_minute_ms; /* when the minute began in which sweep_left more may be removed */
	uint32_t sweep_left;
	struct buf scratch;

	struct conn_stats stats; /* of all connections; last_* unused */
	struct complaints complaints;
	struct list_budget lists;
	struct sizes sizes;
	int64_t trace_mask; /* of stmk */
	struct metrics metrics;
	uint64_t created_ms; /* of the first event */
};

/* ---- front.c ---- */
struct front_action *front_do(struct front *f, enum front_action_type type, struct front_conn *c);
uint64_t front_shown_zxid(const struct front *f);
static inline bool
front_serving(const struct front *f)
{
	return f->phase == PHASE_SERVING;
}
/* Whether clients are served: not by a leader that is told to leave that to the others. */
static inline bool
front_open(const struct front *f)
{
	return front_serving(f) &&
	       !(f->config.leader_idle && !f->role.standalone && f->role.state == ROLE_LEADER);
}
static inline bool
front_leads(const struct front *f)
{
	return f->role.state == ROLE_LEADER;
}
static inline bool
front_learns(const struct front *f)
{
	return f->role.state == ROLE_FOLLOWER || f->role.state == ROLE_OBSERVER;
}

/* ---- conn.c ---- */
void conn_opened(struct front *f, const struct front_event *e);
void conn_input(struct front *f, const struct front_event *e);
void conn_wrote(struct front *f, const struct front_event *e);
void conn_hangup(struct front *f, const struct front_event *e);
/* Works on input that was left lying, when nothing stops it any more. */
void conn_run(struct front *f, struct front_conn *c);
void conn_pause(struct front *f, struct front_conn *c, enum pause why);
void conn_unpause(struct front *f, struct front_conn *c, enum pause why);
/* Something was appended to c->out: announces it, and keeps the limits. */
void conn_written(struct front *f, struct front_conn *c);
/* Nothing more is read; closes when all output is written. */
void conn_finish(struct front *f, struct front_conn *c);
/* Closes now. What the client did wrong, or NULL, goes to the log. */
void conn_kill(struct front *f, struct front_conn *c, const char *reason);
/* The shell has taken its FRONT_CLOSE. */
void conn_closed(struct front *f, struct front_conn *c);
/* A pending entry no longer names c. */
void conn_landed(struct front_conn *c);
void conn_expire_timers(struct front *f);
/* In an ensemble: closes connections that were silent for longer than their sessions may be. */
void conn_close_silent(struct front *f);
uint64_t conn_silent_deadline(const struct front *f);
struct front_conn *conn_of_session(const struct front *f, int64_t session);
void conn_attach(struct front *f, struct front_conn *c, int64_t session);
void conn_detach(struct front *f, struct front_conn *c);
void conn_forget_addresses(struct front *f);

/* ---- connect.c ---- */
/* The connect request. False when it has to wait for credit. */
bool connect_request(struct front *f, struct front_conn *c, struct slice frame);
/* Its createSession, p, is committed. */
void connect_created(struct front *f, struct front_conn *c, const struct pending *p);
/* The leader has said whether its session is still there. */
void connect_revalidated(struct front *f, struct front_conn *c, bool valid);

/* ---- request.c ---- */
struct request {
	int32_t xid, op;
	struct slice body;
	uint64_t start_ms;
};
/* One frame of an established session. False when it has to wait for credit. */
bool request_frame(struct front *f, struct front_conn *c, struct slice frame);
/* Queues a sync that waits for what is pending, or is with the leader. */
void request_queue_sync(struct front *f, struct front_conn *c, const struct request *rq);
/* The leader has answered c's oldest sync: it is answered when its turn comes. */
void request_synced(struct front *f, struct front_conn *c);
/* Whether c's oldest waiting entry is this write. */
bool request_awaits(const struct front_conn *c, const struct asked *a);
/* Nothing is pending: answers a sync at once. */
void request_answer(struct front *f, struct front_conn *c, const struct request *rq);
/* c's oldest waiting entry, a txn or sync, is through: answers a sync (a txn is answered already) and takes it off. */
void request_landed(struct front *f, struct front_conn *c);
/* Works off what waits at the front until the next write. */
void request_drain(struct front *f, struct front_conn *c);
/*
 * A reply: begin writes the header with err 0, the caller appends the body, end sets the error (dropping the body if
 * there is one), the length and the statistics.
 */
size_t reply_begin(struct front_conn *c, int32_t xid, uint64_t zxid);
void reply_end(struct front *f, struct front_conn *c, size_t begun, const struct request *rq,
	       enum zk_error err);
void reply_error(struct front *f, struct front_conn *c, const struct request *rq, uint64_t zxid,
		 enum zk_error err);
void stats_reset(struct conn_stats *s);
/* A packet has come, of so many bytes with its length prefix. */
void stats_received(struct front *f, struct front_conn *c, size_t bytes);
/* A reply has been made: latencies, and what cons shows. */
void stats_reply(struct front *f, struct front_conn *c, const struct request *rq, uint64_t zxid);

/* ---- ops.c ---- */
/* Appends the response record to c->out, or returns an error and may leave half of it there. */
typedef enum zk_error op_fn(struct front *f, struct front_conn *c, const struct request *rq);
op_fn op_exists, op_get_data, op_get_acl, op_get_children, op_get_children2, op_get_all_children_number,
    op_get_ephemerals, op_multi_read, op_who_am_i, op_set_watches, op_set_watches2, op_add_watch,
    op_check_watches, op_remove_watches, op_ping, op_sync, op_close_local;
/* Answered at once, out of order, as ZooKeeper does. */
void op_auth(struct front *f, struct front_conn *c, const struct request *rq);
void op_sasl(struct front *f, struct front_conn *c, const struct request *rq);
/* One notification to c. */
void notify(struct front *f, struct front_conn *c, uint64_t zxid, enum zk_event event, struct slice path);

/* ---- write.c ---- */
/* Whether one more own write may go to syncd. */
bool write_credit(const struct front *f);
/* Sends an own client's write on its way: proposes its txn, or on a learner asks the leader for it. */
int write_begin(struct front *f, struct front_conn *conn, const struct prep_request *rq, uint64_t start_ms);
/* Makes a txn and proposes it. seq: the learner's request it answers, 0 for an own one. conn may be NULL. */
int write_propose(struct front *f, uint64_t seq, struct front_conn *conn, const struct prep_request *rq,
		  uint64_t start_ms);
/* The sync of an own client: takes its place behind what is proposed. */
void write_sync(struct front *f, struct front_conn *c, const struct request *rq);
/* Adds a txn from the log to what waits for its commit. 0, or -ENOBUFS: too many wait. */
int write_replayed(struct front *f, uint64_t zxid, struct slice txn);
/* On a learner: the same for a txn that is committed; a is the write that it answers, of conn, or both are NULL. */
int write_learned(struct front *f, uint64_t zxid, struct slice txn, struct front_conn *conn,
		  const struct asked *a);
/* The newest txn that was proposed, or that the log held. */
uint64_t write_last(const struct front *f);
/* All up to zxid is committed. 0, or -errno: what was committed cannot be applied. */
int write_committed(struct front *f, uint64_t zxid);
/* Forgets all that is pending. */
void write_forget(struct front *f);
/* Closes the connections of writes in flight. */
void write_abandon(struct front *f, const char *reason);
void write_tick(struct front *f);
uint64_t write_deadline(const struct front *f);
/* Credit may have come back: goes on with connections that waited for it. */
void write_resume(struct front *f);

/* ---- link.c ---- */
void link_up(struct front *f, const struct front_event *e);
void link_down(struct front *f, const struct front_event *e);
void link_frame(struct front *f, const struct front_event *e);
void link_put(struct front *f, uint16_t type, uint16_t flags, uint64_t seq, uint64_t zxid, struct slice body);
void link_bad(struct front *f, const char *why);
/* Frames lie in f->link. */
void link_told(struct front *f);
/* Shows clients the configuration in force, as the data of /zookeeper/config. */
void link_show_members(struct front *f);

/* ---- local.c ---- */
/* The role begins and ends. */
void local_begin(struct front *f);
void local_end(struct front *f);
/* c gets a session that only this node knows. */
void local_open(struct front *f, struct front_conn *c, int64_t session);
/* Whether c may go on with it as such a session. */
bool local_renew(struct front *f, struct front_conn *c, int64_t session, struct slice passwd);
/*
 * Before a write: a local session that is to own an ephemeral becomes one of all servers, or the error to refuse the
 * write with is returned.
 */
enum zk_error local_upgrade(struct front *f, struct front_conn *c, const struct request *rq);
void local_tick(struct front *f);
uint64_t local_deadline(const struct front *f);

/* ---- leader.c: what learners ask, and who they are ---- */
typedef void link_take_fn(struct front *f, const struct frame *frame);
link_take_fn leader_request, leader_sync, leader_revalidate, leader_touch, leader_learners;

/* ---- learner.c ---- */
void learner_init(struct front *f);
void learner_free(struct front *f);
/* The role ends: nobody waits for an answer any more. */
void learner_forget(struct front *f);
bool learner_credit(const struct front *f);
/* Asks the leader for a write. 0; -errno when it cannot be sent, of which the client is to be told. */
int learner_write(struct front *f, struct front_conn *c, const struct prep_request *rq, uint64_t start_ms);
int learner_sync(struct front *f, struct front_conn *c, const struct request *rq);
/* Asks whether c's session is still there; connect_revalidated brings the answer. */
void learner_revalidate(struct front *f, struct front_conn *c);
/* c's session was heard of. */
void learner_touch(struct front *f, struct front_conn *c);
/* Sends the touches when they are due. */
void learner_tick(struct front *f);
uint64_t learner_deadline(const struct front *f);
/* All is loaded: what was committed meanwhile follows. 0, or -errno: it cannot be applied. */
int learner_catch_up(struct front *f);
/* c died: its writes go on, and their answers are for nobody. */
void learner_conn_gone(struct front *f, struct front_conn *c);
link_take_fn learner_commit, learner_synced, learner_revalidated;

/* ---- load.c ---- */
void load_ask(struct front *f);
void load_abort(struct front *f);
void load_channel(struct front *f);
void load_bulk(struct front *f, const struct front_event *e);
void load_closed(struct front *f, const struct front_event *e);
void load_serve(struct front *f); /* serves if all that was proposed when the role began is applied */
void snap_opened(struct front *f, const struct front_event *e);
void snap_wrote(struct front *f, const struct front_event *e);
void snap_closed(struct front *f, const struct front_event *e);
void snap_abort(struct front *f);

/* ---- words.c ---- */
/*
 * data: what has come of a connection's first bytes, at least four. If they are a word (or what hangs up telnet), answers,
 * ends the connection and returns true; so also, without having done anything, while a part of the word is missing.
 */
bool word_answer(struct front *f, struct front_conn *c, struct slice data);

#endif
