/*
 * The zab core: the order of everything. It stands between three siblings (logd, clientd, electiond) and the other
 * servers of an ensemble, and decides what is sent to whom, in which order. Pure: the shell tells it events, it
 * answers with actions.
 *
 *	zab_init(&z, &config);
 *	zab_step(&z, &event);			one event
 *	actions = zab_actions(&z, &n);		carry them out in this order
 *	zab_deadline(&z)			when to step with ZAB_TICK at the latest
 *
 * Ownership: bodies and strings in an event are borrowed for the step. Bodies in actions are valid until the next
 * step. A descriptor that comes with an event leaves in exactly one action of that step: ZAB_SEND, ZAB_CHANNEL_OPEN
 * or ZAB_CLOSE_FD.
 *
 * Peers are connections on the quorum port: one for each learner of a leader, which dialled us, and one to the leader
 * of a learner, which we dialled. The shell gives each a number (never 0, never that of one which is open) and moves
 * bytes; the core finds the packets in them. What is to be sent lies in zab_peer_output and is announced by
 * ZAB_PEER_FLUSH once; the shell writes as much as the socket takes, says ZAB_PEER_WROTE, and waits for writability
 * where something is left. After ZAB_PEER_CLOSE, and after ZAB_PEER_CLOSED, the number means nothing any more; events
 * of such a peer have no effect.
 *
 * A channel is a bulk channel of logd from which a peer of a leader is fed: after ZAB_CHANNEL_OPEN the shell reads
 * frames from it and tells each. It is the peer's, at most one at a time, and ends by ZAB_CHANNEL_CLOSE or
 * ZAB_CHANNEL_CLOSED, always before the peer does.
 *
 * Installing: ZAB_INSTALL_OPEN lets the shell make a socketpair and send logd one end with MSG_INSTALL. The core's
 * frames for it lie in zab_install_output and are announced and taken as those of a peer, until ZAB_INSTALL_CLOSE.
 *
 * Limits and what happens there: garbage, a packet out of its turn, a length past PACKET_DATA_MAX and output past
 * ZAB_OUT_MAX close that connection, with one reason; so do requests past ZAB_REQUESTS_MAX or ZAB_REQUEST_BYTES_MAX
 * that clientd has not consumed. A channel is not read while its peer has ZAB_OUT_PAUSE to send, a leader not while a
 * snapshot's bytes wait for logd. Connections beyond ZAB_PEERS_MAX are refused.
 *
 * The order of the actions is the contract: an append leaves before any commit or ack that rests on it. Nothing is
 * acked that logd has not called durable.
 *
 * What it keeps: zxids are proposed without a gap, each once; commit rises strictly in order and never passes what a
 * quorum holds on disk; what was committed is never taken back, whichever sibling dies. A learner's history is on
 * disk before its epoch, its epoch before its ack of NEWLEADER.
 */
#ifndef SYNCD_ZAB_H
#define SYNCD_ZAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "acks.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/quorum.h"
#include "base/trace.h"
#include "ipc/frame.h"
#include "ipc/msg.h"
#include "requests.h"
#include "touches.h"
#include "window.h"

enum zab_link { ZAB_LOGD, ZAB_CLIENTD, ZAB_ELECTIOND, ZAB_LINKS };

/* As in control.proto. */
enum zab_role { ZAB_LOOKING, ZAB_LEADER, ZAB_FOLLOWER, ZAB_OBSERVER, ZAB_READONLY };

enum {
	ZAB_ERROR_BYTES = 160, /* of a disk's trouble in words, with its NUL */
	/*
	 * What is proposed may pass the credit by this factor; then the link ends. Requests of learners may be on their
	 * way to clientd while its own clients use up the credit, and a txn may be larger than its request (closeSession).
	 */
	ZAB_CREDIT_SLACK = 3,
	/* logd may be away for so long before it is worth a warning; a leader then gives up. */
	ZAB_LOGD_ABSENT_MS = 2000,
	ZAB_PEERS_MAX = 512,
	ZAB_OUT_PAUSE = 1 << 20, /* bytes waiting for a peer that stop the sources of its synchronisation */
	ZAB_OUT_MAX = 256 << 20, /* that close it; more than all that may be proposed and not committed */
	/* Of one learner, not consumed by clientd. Its own credit limits writes, not what sessions ask that come all at once. */
	ZAB_REQUESTS_MAX = 1 << 20,
	/* The bytes of them, as a factor of the credit: the learner keeps to one, and its last request may go beyond. */
	ZAB_REQUEST_BYTES_SLACK = 2,
};

struct zab_filter;

struct zab_config {
	uint64_t sid; /* of this server */
	bool standalone;
	bool observer; /* this server only follows, and does not vote */
	struct quorum_pair
	    quorums;          /* standalone: this server alone; else those of members, where there are */
	struct slice members; /* the text of config/members.h; need not outlive zab_init */
	/* reconfigEnabled: the leader's list takes the place of ours. Without it ours is what the file says until a
	 * reconfig txn is committed: a leader gives the first list a version, which nobody has to know later. */
	bool reconfig;
	uint32_t tick_ms, init_limit, sync_limit; /* of an ensemble; limits in ticks */
	uint32_t fast_ms; /* peers that have it too may be silent for so long, when in sync; 0: sync_limit */
	uint32_t clientd_absent_ms; /* a leader whose clientd is away for longer gives up */
	uint32_t read_only_ms;      /* who looks for so long serves those that only read; 0: nobody */
	uint32_t max_snap_syncs;    /* snapshots on their way before an observer has to wait for one */
	bool force_snapshot_sync;   /* zookeeper.forceSnapshotSync */
	uint32_t window_txns;       /* credit: proposed but not committed */
	uint64_t window_bytes;
	size_t commit_log_count; /* committed txns kept in memory, and at most so many bytes of them */
	size_t commit_log_bytes;
	/* Random: role numbers, and numbers of connections, start above it, so that none of an older syncd matches. */
	uint32_t role_base;
	struct trace *trace;       /* or NULL */
	struct zab_filter *filter; /* or NULL */
};

/*
 * Loses packets on purpose, for experiments. It is asked for each one that would be put into the output of a peer that
 * is in sync; true: that one is not sent, and nobody here knows. type is one of enum packet_type.
 */
struct zab_filter {
	bool (*lose)(struct zab_filter *f, uint64_t sid, int32_t type, uint64_t zxid);
};

struct zab_disk {
	bool failed;
	const char *error; /* what failed, for people; never NULL */
};

struct zab_epochs {
	uint32_t accepted, current;
};

/* A sibling's HELLO. The exchange, and the comparison of suite and configuration, are the shell's. */
struct zab_hello {
	uint64_t durable;         /* logd */
	uint64_t snapshot;        /* logd */
	struct zab_epochs epochs; /* logd */
	bool partial;             /* logd */
	struct slice members;     /* logd: the text that it keeps; may be empty */
	uint64_t applied;         /* clientd, if has_tree */
	bool has_tree;
	struct zab_disk disk; /* logd */
};

/* As in control.proto. */
struct zab_result {
	uint64_t leader, election_epoch, zxid;
	enum zab_role state;
	uint32_t epoch;
};

struct zab_look {
	/* nominates: vote for nominee at first, with a zxid one above ours. */
	bool nominates;
	uint64_t nominee;
	uint64_t sid, zxid; /* zxid UINT64_MAX: this server cannot vouch for what it has, and does not vote */
	uint32_t epoch;
	bool observer;
};

enum zab_event_type {
	ZAB_UP,    /* a link is there and HELLOs are exchanged: hello is the sibling's */
	ZAB_DOWN,  /* a link ended, by the sibling or by the shell; not told after ZAB_CLOSE of that link */
	ZAB_FRAME, /* any other frame: frame, fd; for MSG_DISK also disk, for MSG_RESULT also result */
	ZAB_TICK,  /* time has passed */

	ZAB_PEER_OPENED, /* peer is a new connection: inbound, or what the dial `attempt` (not 0) has brought */
	ZAB_PEER_INPUT,     /* peer has sent bytes */
	ZAB_PEER_WROTE,     /* count bytes were taken from zab_peer_output(peer) */
	ZAB_PEER_CLOSED,    /* peer's connection ended */
	ZAB_DIAL_FAILED,    /* attempt */
	ZAB_CHANNEL_FRAME,  /* frame from peer's channel */
	ZAB_CHANNEL_CLOSED, /* its other end is closed, or it carried no frame */
	ZAB_INSTALL_WROTE,  /* count bytes were taken from zab_install_output */
	ZAB_INSTALL_CLOSED, /* logd reads no more */
	/* An operator wants server sid, or (any) whichever is best, to lead in place of us; move.refused answers. */
	ZAB_MOVE,
	ZAB_EVENTS,
};

struct zab_event {
	enum zab_event_type type;
	enum zab_link link;
	uint64_t now_ms; /* monotonic */
	struct zab_hello hello;
	struct frame frame;
	struct zab_disk disk;
	struct zab_result result;
	int fd; /* came with the frame, or -1 */
	uint32_t peer, attempt;
	struct slice bytes;
	size_t count;
	uint64_t sid;
	bool any;
};

enum zab_action_type {
	ZAB_SEND,      /* frame, and fd if not -1, which is then closed here */
	ZAB_SEND_ROLE, /* MSG_ROLE with seq = role.number */
	ZAB_SEND_DISK, /* MSG_DISK with frame.zxid */
	ZAB_CLOSE_FD,
	ZAB_CLOSE,        /* the link; reason says why. The shell dials it again. */
	ZAB_ROLE_CHANGED, /* what the node is has changed: log it, renew the status line */

	ZAB_SEND_EPOCHS,   /* MSG_EPOCHS with frame.seq: epochs */
	ZAB_SEND_LOOK,     /* MSG_LOOK with frame.seq: look */
	ZAB_SEND_RESULT,   /* MSG_RESULT with seq 0: result */
	ZAB_SEND_LEARNERS, /* MSG_LEARNERS: learners */

	/*
	 * Connect to the quorum port of server sid; answered by ZAB_PEER_OPENED or ZAB_DIAL_FAILED with this attempt. A
	 * newer dial replaces one that is under way; of the older attempt nothing need be told.
	 */
	ZAB_DIAL,
	ZAB_PEER_FLUSH, /* peer has output */
	ZAB_PEER_READ,  /* read peer's socket, or not, as `on` says; at first on */
	ZAB_PEER_CLOSE, /* peer; reason */

	ZAB_CHANNEL_OPEN,  /* peer is fed from fd */
	ZAB_CHANNEL_READ,  /* read peer's channel, or not, as `on` says; at first on */
	ZAB_CHANNEL_CLOSE, /* peer's channel is done with */

	ZAB_INSTALL_OPEN,  /* a new channel for MSG_INSTALL with frame.seq; it replaces an older one */
	ZAB_INSTALL_FLUSH, /* zab_install_output has bytes */
	ZAB_INSTALL_CLOSE, /* all is written, or given up: close the channel */
	ZAB_ACTIONS,
};

struct zab_role_told {
	uint32_t number;
	enum zab_role role;
	bool standalone;
	uint64_t leader; /* sid */
	bool reload, presumed;
	uint32_t epoch;
	uint64_t proposed, committed;
	uint32_t window_txns;
	uint64_t window_bytes;
	uint64_t sid;
};

/* As in control.proto. */
struct zab_learners {
	struct sid_set followers; /* synced, voting or not */
	uint32_t learners, synced_followers, synced_non_voting_followers, synced_observers, pending_syncs;
};

struct zab_action {
	enum zab_action_type type;
	enum zab_link link;
	int fd;
	uint32_t peer;
	struct frame frame;
	union {
		struct zab_role_told role;
		struct zab_disk disk;
		struct zab_epochs epochs;
		struct zab_look look;
		struct zab_result result;
		struct zab_learners learners;
		struct {
			uint64_t sid;
			uint32_t attempt;
		} dial;
		bool on;
		const char *reason; /* a constant */
	};
};

/* How far clientd is in its role. */
enum zab_phase {
	ZAB_UNTOLD,  /* no link, or no role to tell yet */
	ZAB_TOLD,    /* ROLE is sent; whatever comes before its ROLE_ACK belongs to an older role */
	ZAB_LOADING, /* ROLE_ACK came */
	ZAB_READY,
};

struct zab_link_info {
	bool up;
	uint64_t since_ms; /* of the last change between up and not up */
};

/* clientd's wish for the data, kept until logd's answer is handed on. */
struct zab_load {
	bool wanted, asked;
	uint16_t flags;
	uint64_t have; /* zxid of LOAD */
	uint64_t seq;  /* of the question to logd */
};

/* How far the node is on its way to the role that the election gave it. */
enum zab_stage {
	ZAB_ELECTION,  /* none yet */
	ZAB_DISCOVERY, /* epochs are compared */
	ZAB_SYNC,      /* histories are made one */
	ZAB_BROADCAST, /* clientd has the role */
};

/* What logd was asked to do and has not answered: one thing at a time, and no txn is appended behind it. */
enum zab_task_type { ZAB_NO_TASK, ZAB_STORE_EPOCHS, ZAB_TRUNCATE, ZAB_INSTALL };
struct zab_task {
	enum zab_task_type type;
	uint64_t seq; /* of the newest */
	bool asked;   /* this logd has been told of it: epochs wait where there is none */
	struct zab_epochs epochs;
	uint64_t zxid;
};

/* Leadership on its way to a follower. */
struct zab_move {
	bool on, used; /* used: it was on in this step */
	bool answered; /* the follower has answered a PING since */
	uint64_t target, limit_ms;
	struct buf held; /* frames of clientd that have to wait */
	const char
	    *refused; /* of the newest ZAB_MOVE: why nothing came of it, a constant; NULL: it has begun */
	const char *given_up; /* why the last one did not come to its end; or NULL */
};

/* The election, as syncd sees it. */
struct zab_election {
	uint64_t number; /* of the newest LOOK */
	bool asked;      /* its RESULT is to come */
	bool left;       /* LEAVE is sent over this link */
	bool nominates;  /* the next LOOK votes for nominee */
	uint64_t nominee;
	struct zab_result result;
};

enum zab_lead_step {
	ZAB_LEAD_INFOS,  /* a quorum's accepted epochs are to come */
	ZAB_LEAD_ACCEPT, /* logd stores the new epoch as accepted */
	ZAB_LEAD_ACKS,   /* a quorum's ACKEPOCHs are to come */
	ZAB_LEAD_ENTER,  /* logd stores the new epoch as current */
	ZAB_LEAD_SYNC,   /* a quorum's ACKs of NEWLEADER are to come */
	ZAB_LEAD_ON,
};

/* An answer to a learner that waits until zxid is committed. */
struct zab_wait {
	uint64_t zxid;
	uint32_t peer;
	uint16_t type;   /* MSG_SYNC or MSG_REVALIDATE */
	uint8_t data[9]; /* of a REVALIDATE packet */
};

/* A leader's state. */
struct zab_lead {
	enum zab_lead_step step;
	struct sid_set infos, epoch_acks, newleader_acks;
	uint32_t max_accepted;
	uint64_t designated;   /* sid of whom the newest reconfig has made the leader */
	bool resigned;         /* it is another one: nothing is committed any more */
	struct zab_epochs own; /* before */
	uint64_t history;      /* last zxid of the initial history */
	/* When the step began, or a learner last took bytes of what it misses, or acked NEWLEADER. That learners come
	 * again, or take PINGs, is no progress. */
	uint64_t progress_ms;
	bool doubted, lost;     /* a voter looks again; so many that the rest is no quorum */
	struct zab_wait *waits; /* in the order of their zxids */
	size_t nwaits, waits_cap;
	struct zab_learners told;
};

/* A question of our clientd that the leader has not answered. */
struct zab_ask {
	uint64_t number;
	uint64_t session; /* REVALIDATE */
	uint16_t type;
};

/* A learner's state; its peer's says how far it is. */
struct zab_learn {
	uint32_t attempt; /* of the newest dial */
	unsigned dials;   /* for this connection */
	uint64_t redial_ms;
	bool dialling;  /* the shell is at it, or will be at redial_ms */
	bool repairing; /* clientd has its role, the connection is made again */
	bool wiped;     /* the leader was, or will be, told that we have nothing, for we cannot cut our log */
	uint32_t epoch; /* the leader's */
	uint64_t committed;   /* last COMMIT; before UPTODATE nobody else knows of it */
	uint64_t installed;   /* this sync's snapshot; 0: DIFF or TRUNC */
	uint64_t newleader;   /* last proposal before NEWLEADER */
	uint64_t acked;       /* last proposal that needs no ack any more */
	uint64_t heard_ms;    /* when the leader last sent bytes */
	uint64_t offered;     /* version of the members in NEWLEADER; 0: none that is new */
	uint64_t last_number; /* of clientd's questions in this role */
	struct touches touches;
	struct zab_ask *asks; /* oldest first */
	size_t nasks, asks_cap;
};

struct config_server;
struct members;
struct snapshot_reader;
struct zab_peer;

/* The leader's snapshot on its way to logd. */
struct zab_snap {
	struct snapshot_reader *reader; /* NULL: none */
	struct buf out;                 /* frames for logd */
	bool open, flushing, paused;
	bool whole; /* the stream's end was there, its signature is to come */
	bool ended; /* all is in out */
};

/* Fields are for the core; the shell reads them to say how things are. */
struct zab {
	struct zab_config config;
	struct zab_link_info links[ZAB_LINKS];

	enum zab_role role;
	uint32_t epoch;
	const char *trouble; /* why the node must not serve, a constant; NULL when nothing is wrong */

	enum zab_phase phase;
	uint32_t role_number;   /* of the newest ROLE */
	uint64_t role_proposed; /* last proposed when it was told */
	struct zab_load load;

	uint64_t proposed; /* last zxid accepted */
	uint64_t committed;
	uint64_t appended; /* last zxid given to logd over its present link */
	uint64_t durable;  /* what logd says */
	uint64_t owed;     /* highest zxid ever known to be durable or applied: less must not be served */
	struct acks acks;
	struct window window;
	uint32_t open_txns; /* credit used: proposed, not committed */
	uint64_t open_bytes;

	bool disk_failed, disk_told; /* as logd says; as clientd was told in its role */
	char disk_error[ZAB_ERROR_BYTES];
	bool absence_told; /* logd's present absence; or it is there */
	uint64_t now_ms;

	/* Of an ensemble. */
	enum zab_role part; /* what the election made of us; role is what clientd was told */
	enum zab_stage stage;
	const char *left;         /* why the last role ended, a constant; or NULL */
	struct zab_epochs epochs; /* as logd has them */
	bool partial;             /* as logd said: we do not vote */
	bool reload;              /* what clientd has loaded may be of another history */
	bool log_known;           /* logd has told of it once */
	bool log_unknown;         /* a cut or an install was under way when logd died */
	bool log_doubtful;        /* its end was told by a logd whose disk had failed; there may be more */
	uint64_t role_began_ms;
	uint64_t fast_due_ms;   /* next beat of the fast detection */
	uint64_t look_began_ms; /* when the last part ended, or the log was known */
	struct zab_task task;
	struct zab_election election;
	struct members *members; /* in force; NULL where the configuration gives quorums alone */
	struct members
	    *pending_members; /* of the reconfig txn pending_zxid, which is not committed; or NULL */
	uint64_t pending_zxid, first_version;
	uint64_t members_kept;   /* version of what logd keeps; UINT64_MAX: nobody knows */
	struct buf members_text; /* to write it into */
	struct zab_lead lead;
	struct zab_move move;
	struct zab_learn learn;
	struct zab_snap snap;
	struct requests requests;
	struct zab_peer **peers;
	size_t npeers, peers_cap;
	struct list dirty; /* peers with something to do at the end of the step */
	struct list dead;  /* peers closed in this step */
	uint64_t load_seq; /* of the newest LOAD, whoever it is for */
	uint64_t next_origin;
	uint64_t beat_ms; /* when the next half tick is due */
	bool odd_beat;
	struct arena scratch; /* bodies of this step's actions */

	struct zab_action *actions;
	size_t nactions, actions_cap;
};

void zab_init(struct zab *z, const struct zab_config *config);
void zab_free(struct zab *z);
/* Takes one event; the actions of the step before are forgotten. */
void zab_step(struct zab *z, const struct zab_event *event);
const struct zab_action *zab_actions(const struct zab *z, size_t *n);
/* Monotonic ms at which ZAB_TICK is due; UINT64_MAX when nothing waits for time. */
uint64_t zab_deadline(const struct zab *z);

/* What is to be sent to a peer; empty where there is none of that number. Valid until the next step. */
struct slice zab_peer_output(const struct zab *z, uint32_t peer);
/* Frames for the channel of MSG_INSTALL. Valid until the next step. */
struct slice zab_install_output(const struct zab *z);

/* The version of the members in force; 0 where there are none. */
uint64_t zab_members_version(const struct zab *z);
/* Appends their text. */
void zab_members_put(const struct zab *z, struct buf *out);
/* The server as they list it, or NULL. Valid until the next step. */
const struct config_server *zab_find_server(const struct zab *z, uint64_t sid);

/* A connection to a leader, as people want to know of it. */
struct zab_learner {
	uint32_t peer; /* the shell's number */
	bool known;    /* it has said who it is: what follows means something */
	uint64_t sid;
	bool observer, voter;
	const char *state; /* joining, waiting (for its turn to get a snapshot), syncing, synced */
	/* Last txn; an observer acks nothing: what it was told to be committed. */
	uint64_t sent, acked;
	uint64_t silent_ms;
};
/* The i-th, from 0; false where there are no more, or this server does not lead. */
bool zab_learner_at(const struct zab *z, size_t i, struct zab_learner *out);

/* One sentence for people about what the node is doing; returns text. */
const char *zab_describe(const struct zab *z, char *text, size_t size);

#endif
