/*
 * Inside the zab core: what its files share.
 *
 *	zab.c		the step: links, the table of messages, time
 *	zab_order.c	txns, acks and logd: what is proposed, appended, committed
 *	zab_task.c	what else logd does: epochs, cuts, installs
 *	zab_role.c	what clientd is told
 *	zab_look.c	no role: electiond, and how a role ends
 *	zab_members.c	the text of members and the quorums that it makes
 *	zab_peer.c	connections: bytes to packets, the table of packets
 *	zab_lead.c	a leader on its way: epochs, NEWLEADER
 *	zab_sync.c	what a leader's learner is missing: DIFF, TRUNC, SNAP; channel.c for what comes from the disk
 *	zab_broadcast.c	an established leader: PROPOSAL, COMMIT, INFORM, PING, its limits
 *	zab_request.c	what learners ask, and clientd answers
 *	zab_move.c	a leader that hands its part over
 *	zab_learn.c	a learner on its way: dial, epochs, DIFF, TRUNC, NEWLEADER, UPTODATE
 *	zab_install.c	a learner's SNAP
 *	zab_follow.c	a learner in its role
 *	zab_fast.c	failureDetection=fast
 *	zab_tell.c	how learners are, for people
 *
 * A peer that is closed stays in memory until the next step begins, for actions may point into it.
 */
#ifndef SYNCD_ZAB_INTERNAL_H
#define SYNCD_ZAB_INTERNAL_H

#include "packet.h"
#include "zab.h"

enum {
	/* TxnHeader: clientId long, cxid int, zxid long, time long, type int (ZooKeeper, zookeeper.jute). */
	TXN_HEADER_BYTES = 32,
	TXN_HEADER_ZXID = 12,
	TXN_HEADER_TYPE = 28,
	PEER_KEEP_BYTES = 256 << 10, /* of a buffer that is empty */
	FAST_MARK_BYTES = 4,
	DESIGNATED_BYTES = 8, /* of COMMITANDACTIVATE and INFORMANDACTIVATE: who leads from now on */
};

/* How far a connection is. The first group are learners of ours, the second is our leader. */
enum peer_state {
	PEER_NEW,       /* FOLLOWERINFO or OBSERVERINFO is to come */
	PEER_WAITING,   /* for the new epoch to be stored */
	PEER_TOLD,      /* LEADERINFO is sent, ACKEPOCH is to come */
	PEER_ACKED,     /* waits for its synchronisation to begin */
	PEER_DECIDING,  /* logd's log is being looked into */
	PEER_SYNCING,   /* gets what it misses */
	PEER_NEWLEADER, /* NEWLEADER is sent, its ACK to come; gets what is proposed */
	PEER_SYNCED,    /* UPTODATE is to be sent */
	PEER_LIVE,

	LEADER_INFO,       /* FOLLOWERINFO is sent, LEADERINFO to come */
	LEADER_EPOCH,      /* its epoch is being stored */
	LEADER_DECIDES,    /* ACKEPOCH is sent; DIFF, TRUNC or SNAP to come */
	LEADER_TRUNCATING, /* logd cuts */
	LEADER_SNAP,       /* the raw stream of a snapshot comes */
	LEADER_INSTALLING, /* all of it came, logd stores it */
	LEADER_SYNCS,      /* what we miss comes, then NEWLEADER */
	LEADER_STORING,    /* NEWLEADER came; history and epoch are being made durable */
	LEADER_ACKED,      /* our ACK is sent, UPTODATE to come */
	LEADER_LIVE,
};

/* Where the txns that a learner misses come from. */
struct peer_sync {
	uint64_t seq; /* of LOAD, while `asked` */
	uint16_t flags;
	bool asked, channel, channel_paused;
	bool decided;                   /* DIFF, TRUNC or SNAP is sent */
	uint8_t header[16];             /* of the snapshot's file */
	size_t header_bytes;            /* of it that came */
	struct snapshot_reader *reader; /* of a snapshot that is under way */
	uint64_t log;                   /* of BULK_LOG: our last txn at or below the learner's */
	bool log_known;                 /* BULK_LOG came on this channel */
	unsigned tries;                 /* questions to logd since the last txn that came of one */
};

struct zab_peer {
	struct list dirty; /* in zab.dirty, or zab.dead */
	uint32_t id;       /* the shell's */
	bool outbound, closed, flushing, paused;
	bool fast; /* it and we have failureDetection=fast */
	enum peer_state state;
	const char *doomed; /* to be closed at the end of the step, and why */
	struct buf in, out;
	uint64_t heard_ms; /* when bytes last came, or were taken, until it is live */

	/* A learner of ours. */
	uint64_t sid, origin;
	bool observer, voter;
	uint32_t accepted, epoch; /* of FOLLOWERINFO, ACKEPOCH */
	bool counts;              /* its ACKEPOCH does */
	uint64_t zxid;            /* of ACKEPOCH */
	uint64_t sent;            /* last txn proposed to it */
	uint64_t told;            /* last txn it was told to be committed */
	uint64_t settled;         /* told, when NEWLEADER was sent: its ACK says that all that is on disk */
	uint64_t ack_zxid;        /* the proposal whose ACK is waited for since ack_ms; 0: none */
	uint64_t ack_ms;
	struct peer_sync sync;
	size_t requests, request_bytes; /* not consumed */
};

/* Takes a frame; NULL, or why the link that it came from must end. */
typedef const char *zab_handler(struct zab *z, const struct zab_event *event);
/* Takes a packet; NULL, or why its connection must end. */
typedef const char *packet_handler(struct zab *z, struct zab_peer *p, const struct packet *k);
typedef void event_handler(struct zab *z, const struct zab_event *event);

static inline bool
zab_is_up(const struct zab *z, enum zab_link link)
{
	return z->links[link].up;
}

static inline uint64_t
epoch_start(uint32_t epoch)
{
	return (uint64_t)epoch << 32;
}

static inline uint32_t
epoch_of(uint64_t zxid)
{
	return (uint32_t)(zxid >> 32);
}

static inline uint64_t
ticks_ms(const struct zab *z, uint32_t ticks)
{
	return (uint64_t)z->config.tick_ms * ticks;
}

/* zab.c: the actions. */
struct zab_action *zab_act(struct zab *z, enum zab_action_type type, enum zab_link link);
void zab_send(struct zab *z, enum zab_link link, uint16_t type, uint64_t seq, uint64_t zxid,
	      struct slice body);
void zab_end_link(struct zab *z, enum zab_link link, const char *reason);
/* Gives a frame to its handler, or ends its link. */
void zab_take_frame(struct zab *z, const struct zab_event *event);

/* Time in which nobody could be heard is added to when somebody was. */
void zab_forgive(uint64_t *heard_ms, uint64_t late_ms, uint64_t now_ms);

/* zab_fast.c */
/* Writes the mark, where we have one; returns its bytes. */
size_t zab_fast_put_mark(const struct zab *z, uint8_t *out);
/* Whether it stands at offset, and is ours, too. */
bool zab_fast_has_mark(const struct zab *z, struct slice data, size_t offset);
uint64_t zab_fast_deadline(const struct zab *z);
void zab_fast_beat(struct zab *z);

/* zab_order.c */
/* logd's positions by its HELLO: begins, goes on, or finds that the node must not serve. */
void zab_log_found(struct zab *z, uint64_t durable);
void zab_log_gone(struct zab *z);
/* clientd has applied zxid. */
void zab_applied_found(struct zab *z, uint64_t zxid);
zab_handler zab_on_propose, zab_on_durable, zab_on_disk;
/* Checks that body is a txn of that zxid; NULL or what is wrong. */
const char *zab_judge_txn(uint64_t zxid, struct slice body);
/* The next txn: into the window and to logd. */
void zab_accept(struct zab *z, uint64_t zxid, struct slice body);
/* Whether zxid may follow all that was proposed. */
bool zab_follows(const struct zab *z, uint64_t zxid);
/* All up to zxid is committed: the window, learners, clientd. */
void zab_commit(struct zab *z, uint64_t zxid);
/* Whether the acks allow to commit more, on a leader. */
void zab_try_commit(struct zab *z);
/* Gives logd what it does not have. */
void zab_append_rest(struct zab *z);
/* The log ends at zxid now. */
void zab_log_cut(struct zab *z, uint64_t zxid);
void zab_trim_window(struct zab *z);

/* zab_task.c */
void zab_store_epochs(struct zab *z, uint32_t accepted, uint32_t current);
void zab_truncate(struct zab *z, uint64_t zxid);
/* Asks logd to take in a snapshot of that zxid. */
void zab_install(struct zab *z, uint64_t zxid);
void zab_task_lost(struct zab *z);
void zab_task_again(struct zab *z);
zab_handler zab_on_epochs, zab_on_truncated, zab_on_installed;

/* zab_role.c */
/* The node is something else now, and clientd is told. */
void zab_become(struct zab *z, enum zab_role role);
/* Gives clientd its role over a fresh link, if there is one to give. */
void zab_tell_clientd(struct zab *z);
void zab_clientd_gone(struct zab *z);
/* Sends clientd's LOAD on as soon as logd can answer it in full. */
void zab_try_load(struct zab *z);
/* Tells clientd how the disk is, if that is news to it. */
void zab_tell_disk(struct zab *z);
zab_handler zab_on_role_ack, zab_on_load, zab_on_load_channel, zab_on_ready, zab_on_snapshot;

/* zab_look.c */
/* The role ends, for this reason; another one comes from the election. */
void zab_look(struct zab *z, const char *reason);
/* When the node begins to serve those that only read; UINT64_MAX: not as things are. */
uint64_t zab_read_only_deadline(const struct zab *z);
/* Asks electiond as soon as the log is known and at rest. */
void zab_try_look(struct zab *z);
void zab_electiond_gone(struct zab *z);
void zab_electiond_came(struct zab *z);
/* Tells electiond what this server's part is. */
void zab_tell_electiond(struct zab *z);
zab_handler zab_on_result, zab_on_doubt;

/* zab_members.c */
void zab_members_init(struct zab *z);
void zab_members_free(struct zab *z);
/* Whether the server votes, in the configuration in force or in the pending one. */
bool zab_is_voter(const struct zab *z, uint64_t sid);
/* Whether what this learner says counts in a quorum. */
bool zab_counts(const struct zab *z, const struct zab_peer *p);
/* A text that the leader or a peer sent: it is in force if it is newer than ours. False where it makes no sense. */
bool zab_adopt_members(struct zab *z, struct slice text);
/* What NEWLEADER says is not in force before UPTODATE: until then both quorums count. False where it makes no sense. */
bool zab_members_offered(struct zab *z, struct slice text);
void zab_members_settled(struct zab *z);
/* What logd says that it keeps; called before anything is made of its log. */
void zab_members_found(struct zab *z, const struct zab_hello *hello);
/* logd keeps the newest list: called before what rests on it leaves. */
void zab_members_keep(struct zab *z);
/* The history that we had is given up for another: what was pending in it is not pending any more. */
void zab_members_replaced(struct zab *z);
/* A proposed txn; and one that is committed. Where it is a reconfig, the quorums change. */
void zab_members_proposed(struct zab *z, uint64_t zxid, struct slice txn);
void zab_members_committed(struct zab *z, uint64_t zxid);
/* On a leader, before learners are told of the commit: who leads behind it (ZooKeeper: Leader.getDesignatedLeader). */
void zab_members_designate(struct zab *z, uint64_t zxid);
/* Proposals above zxid are undone. */
void zab_members_undone(struct zab *z, uint64_t zxid);
/* What NEWLEADER carries. */
struct slice zab_members_text(struct zab *z);
void zab_tell_members(struct zab *z, enum zab_link link);
zab_handler zab_on_config;

/* zab_peer.c */
event_handler zab_on_peer_opened, zab_on_peer_input, zab_on_peer_wrote, zab_on_peer_closed;
struct zab_peer *zab_find_peer(const struct zab *z, uint32_t id);
/* Puts a packet into its output; too much of it closes it at the end of the step. */
void zab_put(struct zab *z, struct zab_peer *p, enum packet_type type, uint64_t zxid, struct slice data);
void zab_put_for(struct zab *z, struct zab_peer *p, enum packet_type type, uint64_t zxid, struct slice data,
		 struct slice authinfo);
/* Something lies in its output. */
void zab_touch_peer(struct zab *z, struct zab_peer *p);
void zab_close_peer(struct zab *z, struct zab_peer *p, const char *reason);
/* The same, now, and it means nothing for the node. */
void zab_drop_peer(struct zab *z, struct zab_peer *p, const char *reason);
void zab_drop_peers(struct zab *z, const char *reason);
/* The same as closing it, but at the end of the step: for those that walk over peers. */
void zab_doom_peer(struct zab *z, struct zab_peer *p, const char *reason);
/* Stop reading its packets; or go on with what it has sent. */
void zab_pause(struct zab *z, struct zab_peer *p);
void zab_resume(struct zab *z, struct zab_peer *p);
/* Reads what inbound connections have sent while nobody knew what we are. */
void zab_hear_held(struct zab *z);
/* At the end of a step: closes the doomed, announces output. */
void zab_settle_peers(struct zab *z);
/* Begins a step: frees those closed in the last one. */
void zab_bury(struct zab *z);

/* zab_lead.c */
void zab_lead(struct zab *z);
packet_handler zab_lead_info, zab_lead_ackepoch, zab_lead_ack_newleader, zab_lead_ack;
void zab_lead_epochs_stored(struct zab *z);
/* When a leader that a voter has turned away from gives up; UINT64_MAX: not as things are. */
uint64_t zab_lead_doubt_deadline(const struct zab *z);
void zab_lead_peer_gone(struct zab *z, struct zab_peer *p);
/* Whether the history of our predecessors is committed, and ours goes on. */
static inline bool
zab_lead_is_on(const struct zab *z)
{
	return z->part == ZAB_LEADER && z->lead.step == ZAB_LEAD_ON;
}

/* zab_move.c */
event_handler zab_on_move;
/* A PING came from a learner. */
void zab_move_heard(struct zab *z, const struct zab_peer *p);
/* At the end of a step: goes on with a hand-over, or gives it up. */
void zab_move_go_on(struct zab *z);
/* Whether the frame of clientd has to wait for the hand-over; it is copied. */
bool zab_move_holds(struct zab *z, const struct frame *f);
/* Begins a step. */
void zab_move_forget(struct zab *z);
void zab_move_clientd_gone(struct zab *z);
uint64_t zab_move_deadline(const struct zab *z);

/* zab_sync.c */
/* Finds out what the learner misses and begins to send it. */
void zab_sync_begin(struct zab *z, struct zab_peer *p);
/* Sends more of it, as there is room. */
void zab_sync_go_on(struct zab *z, struct zab_peer *p);
void zab_sync_end(struct zab *z, struct zab_peer *p);
/* Up to here our history may be called committed to a learner. */
uint64_t zab_sync_limit(const struct zab *z);
/* Says how what follows is to be taken; sent is where the learner stands then. */
void zab_sync_decide(struct zab *z, struct zab_peer *p, enum packet_type how, uint64_t zxid, uint64_t sent);
void zab_sync_send_committed(struct zab *z, struct zab_peer *p, uint64_t zxid, struct slice txn);
bool zab_sync_has_room(const struct zab_peer *p);

/* zab_channel.c */
/* Asks logd for what the learner misses beyond `sent`. */
void zab_channel_ask(struct zab *z, struct zab_peer *p, uint16_t flags);
/* LOAD_CHANNEL for a learner: false if none of them has asked for it. */
bool zab_channel_open(struct zab *z, const struct zab_event *event);
void zab_channel_close(struct zab *z, struct zab_peer *p);
void zab_channel_wrote(struct zab *z, struct zab_peer *p);
void zab_channel_log_gone(struct zab *z);
void zab_channel_log_came(struct zab *z);
event_handler zab_on_channel_frame, zab_on_channel_closed;

/* zab_broadcast.c */
/* A txn was accepted; zxid up to which all is committed has risen from `from`. */
void zab_broadcast_proposal(struct zab *z, uint64_t zxid, struct slice txn);
/* NEWLEADER is sent: what is proposed behind it, and not committed. */
void zab_broadcast_rest(struct zab *z, struct zab_peer *p);
void zab_broadcast_commits(struct zab *z, size_t from, size_t to);
void zab_broadcast_beat(struct zab *z);
void zab_broadcast_ping(struct zab *z, struct zab_peer *p);
void zab_broadcast_tell_learners(struct zab *z);
packet_handler zab_lead_ping;

/* zab_request.c */
packet_handler zab_lead_request, zab_lead_revalidate;
zab_handler zab_on_sync_answer, zab_on_drop, zab_on_revalidated;
/* clientd has proposed what request `number` asked for; NULL or what is wrong. */
const char *zab_request_consumed(struct zab *z, uint64_t number, uint16_t type);
void zab_request_give(struct zab *z);
/* The zxid that the oldest answer waits for; UINT64_MAX: none waits. */
uint64_t zab_request_due(const struct zab *z);
/* Answers what has waited for zxid. */
void zab_request_committed(struct zab *z, uint64_t zxid);
void zab_request_clientd_gone(struct zab *z);
void zab_request_peer_gone(struct zab *z, struct zab_peer *p);

/* zab_learn.c */
void zab_learn(struct zab *z);
event_handler zab_on_dial_failed;
struct zab_peer *zab_leader_peer(const struct zab *z);
/* Whether a leader has told its epoch, so that it had a quorum a moment ago. */
bool zab_learn_is_led(const struct zab *z);
void zab_learn_opened(struct zab *z, struct zab_peer *p);
/* The same leader once more, without an election. */
void zab_learn_again(struct zab *z, const char *reason);
void zab_learn_epochs_stored(struct zab *z);
void zab_learn_truncated(struct zab *z, uint64_t zxid, bool refused);
void zab_learn_durable(struct zab *z);
void zab_learn_beat(struct zab *z);
/* When the leader has been silent for too long; UINT64_MAX: not as things are. */
uint64_t zab_learn_deadline(const struct zab *z);
void zab_learn_try_dial(struct zab *z);
/* The log is where the leader's DIFF, TRUNC or SNAP wanted it. installed: the SNAP's zxid, 0 for the others. */
void zab_learn_settled(struct zab *z, struct zab_peer *p, uint64_t installed);
/* What COMMITANDACTIVATE and INFORMANDACTIVATE begin with. NULL, or what is wrong. */
const char *zab_learn_designated(struct zab *z, struct zab_peer *p, struct slice data);
packet_handler zab_learn_leaderinfo, zab_learn_diff, zab_learn_trunc, zab_learn_newleader, zab_learn_uptodate,
    zab_learn_sync_proposal, zab_learn_sync_commit, zab_learn_sync_inform, zab_learn_ignore;

/* zab_install.c */
event_handler zab_on_install_wrote, zab_on_install_closed;
packet_handler zab_learn_snap;
/* Takes raw bytes from the front of its input; NULL, or why its connection must end. */
const char *zab_install_feed(struct zab *z, struct zab_peer *p, bool *more);
void zab_install_begin(struct zab *z, struct zab_peer *p, uint64_t zxid);
/* Nothing but the built-in nodes. */
void zab_install_empty(struct zab *z, struct zab_peer *p);
void zab_install_abandon(struct zab *z);
void zab_learn_installed(struct zab *z, bool refused);

/* zab_follow.c */
packet_handler zab_follow_proposal, zab_follow_commit, zab_follow_inform, zab_follow_ping, zab_follow_sync,
    zab_follow_revalidated;
zab_handler zab_on_request, zab_on_sync_question, zab_on_revalidate_question, zab_on_touch;
void zab_follow_forget(struct zab *z);

#endif
