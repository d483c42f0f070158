/*
 * The election core: ZooKeeper's fast leader election for one server. Pure: the shell tells it events, it answers
 * with actions.
 *
 *	election_init(&e, &config);
 *	election_step(&e, &event);		one event
 *	actions = election_actions(&e, &n);	carry them out in this order
 *	election_deadline(&e)			when to step with ELECTION_TICK at the latest
 *
 * Ownership: what an event points at is borrowed for the step; the core copies the members. Texts in actions are the
 * core's or the event's, and valid as long as the event's are, until the next step at most.
 *
 * A round of the election: every voter proposes itself, tells all voters, takes over a better vote that it hears of
 * and tells them again. A vote that a quorum holds wins. Where a better one may still come it is waited for
 * (finalize_wait_ms); it cannot come any more once every voter that is not known to be down has voted, so a round in
 * which all that live have spoken takes no time but the messages'. A peer is known to be down when it refused, reset,
 * or closed a connection without a notification on it, until it connects or speaks again; a peer that is merely
 * connected is waited for.
 *
 * What it keeps: a server settles only on a vote that, as far as it was told, a quorum (of the configuration in force
 * and of the pending one) holds in one round, or on a leader that says of itself that it leads. Whom it settles on had
 * the best (epoch, zxid) among a quorum. That there is one leader at a time is not the election's to promise, but
 * syncd's: a leader needs a quorum of followers.
 *
 * Source of the rules: ZooKeeper, FastLeaderElection.lookForLeader. Where this core differs on purpose:
 * - it settles early, as said above; and the wait's end is not put off by notifications that change nothing;
 * - the back-off runs by the clock, whatever arrives, so that chatter of one peer starves no other;
 * - it answers a peer that is no voter only while that one is looking, and no peer twice within ANSWER_GAP_MS
 *   with the same vote: two servers whose configurations differ would answer each other without end;
 * - a non-voter that looks is told the outcome of each election until it says that it looks no more; a voter that was
 *   still settled when it got our vote, and now looks in our round, gets it again; none of them has to wait for the
 *   back-off;
 * - who looks while this server is idle, or a moment before it looks, is heard when it does, and need not ask again;
 * - a peer that went down is no witness that it leads;
 * - a server of weight 0 gives up its own vote for any that can win;
 * - who has settled goes on listening, and says so when voters turn away: who was elected need not wait initLimit for them;
 * - a leader that hands its part over (LOOK nominates) votes at first for that follower, with a zxid one above its own:
 *   the best vote there is, which all others take over by the rules they have. Whether the follower may lead is
 *   judged by epochs and acks afterwards, as always.
 * The oracle of two-server ensembles is not there.
 */
#ifndef ELECTIOND_ELECTION_H
#define ELECTIOND_ELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/quorum.h"
#include "base/trace.h"
#include "notification.h"
#include "vote.h"

enum {
	ELECTION_MIN_INTERVAL_MS = 200,   /* fastleader.minNotificationInterval */
	ELECTION_MAX_INTERVAL_MS = 60000, /* fastleader.maxNotificationInterval */
	ELECTION_FINALIZE_WAIT_MS = 200,
	ELECTION_ANSWER_GAP_MS = 100,
	ELECTION_CALL_MS =
	    1000, /* a vote that came so long before this server looks counts, if it is of its round */
	/* Senders without a place in any configuration (sids outside 0..255) share so many memories. */
	ELECTION_STRANGERS = 16,
	ELECTION_PEERS = SID_LIMIT + ELECTION_STRANGERS,
};

/* Who takes part, as this server knows it. */
struct election_members {
	uint64_t version;
	struct slice text; /* as notifications carry it, at most NOTIFICATION_CONFIG_MAX bytes */
	struct quorum_pair quorums;
	bool observer; /* this server only follows */
};

struct election_config {
	uint8_t sid;
	uint32_t min_interval_ms, max_interval_ms; /* back-off of notifications, from and to */
	uint32_t finalize_wait_ms;
	struct trace *trace; /* or NULL */
};

enum election_event_type {
	/* From syncd. */
	ELECTION_LOOK, /* elect: vote.zxid = last logged (VOTE_ZXID_NONE: never initialised), vote.epoch = current */
	ELECTION_ROLE, /* the node has another role than we know: vote, with its state. Peers that look are told. */
	ELECTION_EPOCH,   /* synchronised: the vote's epoch is now vote.epoch */
	ELECTION_LEAVE,   /* neither looking nor in a role: speak to nobody */
	ELECTION_MEMBERS, /* members; an election that is under way begins again where others vote */
	/* From the network: peer. */
	ELECTION_NOTIFICATION, /* notification */
	ELECTION_CONNECTED, /* there is a connection that stays; it replaces an older one, which is not told of */
	ELECTION_DELIVERED, /* the notification given last has left: the peer's slot is empty */
	ELECTION_REFUSED,   /* a dial was refused */
	ELECTION_RESET,     /* the connection was reset by the peer */
	ELECTION_CLOSED,    /* the connection was closed by the peer */
	ELECTION_LOST, /* a dial or a connection ended otherwise (time, no route): says nothing of the peer.
				* Not told for a dial that ends because the peer has the larger sid. */
	ELECTION_TICK, /* time has passed */
	ELECTION_EVENTS,
};

struct election_event {
	enum election_event_type type;
	uint64_t now_ms; /* monotonic */
	struct vote vote;
	/* Of LOOK: this server hands the lead to nominee. Its first vote is for that one, above all that others may have. */
	bool nominates;
	int64_t nominee;
	const struct election_members *members;
	int64_t peer;
	struct notification notification;
};

enum election_action_type {
	/* Put the notification into the peer's slot, over what may still be there; it leaves when it can. Only to
	 * peers that are connected. */
	ELECTION_SEND,
	/* Dial the peer unless that is under way; with `replace` a connection that there is, is given up. */
	ELECTION_CONNECT,
	/* To syncd: the election is over. vote.state is this server's part, vote.leader whom it follows. */
	ELECTION_RESULT,
	/* To syncd: a peer has a newer configuration, notification.config. ELECTION_MEMBERS adopts it. */
	ELECTION_NEWER_CONFIG,
	/* To syncd: since the result another voter has turned to another leader or looks in a later round; with `lost`
	 * the rest is no quorum, or the leader itself is among them. Not after ELECTION_EPOCH. */
	ELECTION_DOUBT,
};

struct election_action {
	enum election_action_type type;
	bool replace, lost;
	int64_t peer;
	struct vote vote; /* of ELECTION_RESULT */
	struct notification notification;
};

enum election_phase { ELECTION_IDLE, ELECTION_LOOKING, ELECTION_SETTLED };

struct election_peer {
	bool connected;
	bool heard;       /* a notification came over the present connection */
	bool undelivered; /* its slot is not empty */
	bool down;        /* known to be */
	bool dialled;     /* in the present interval */
	bool redialled;   /* likewise, because a connection closed that had worked */
	bool settled;     /* spoke last, in the present election, as one that does not look */
	bool asked;       /* no voter, or without data, and looked when it spoke last */
	bool called;      /* looked while we were idle, and has not heard our vote */
	bool looks;       /* spoke last as one that looks */
	struct vote call; /* what it said last, */
	uint64_t call_ms; /* and when */
	uint64_t answered_ms;
	uint64_t answered_serial; /* which of our votes it was answered with last; 0: none */
};

/* The last vote of each server; present says which are there. */
struct election_votes {
	struct sid_set present;
	struct vote of[SID_LIMIT];
};

/* Fields are for the core; the shell reads them to say how things are. */
struct election {
	struct election_config config;
	struct election_members members; /* text is owned */
	struct sid_set voters;           /* of both configurations */

	enum election_phase phase;
	int64_t round; /* logical clock */
	uint64_t now_ms;
	int64_t own_zxid, own_epoch; /* of LOOK */
	bool nominates;              /* likewise: not this server is proposed at first, but nominee */
	int64_t nominee;
	struct vote initial; /* what this server proposes at first */
	struct vote vote;    /* proposed while looking, else in force */
	uint64_t serial;     /* counts our votes */

	struct election_votes received; /* of this round */
	struct election_votes outside;  /* of servers that do not look, whatever their round */
	bool unsure;                    /* settled, and not known to be in sync with the leader yet */
	struct sid_set against;         /* then: voters that hold with another leader or round by now */
	struct election_peer peers[ELECTION_PEERS];
	uint32_t interval_ms;
	uint64_t resend_ms;   /* end of the present interval */
	uint64_t finalize_ms; /* end of the wait for a better vote; 0: there is no quorum */

	struct election_action *actions;
	size_t nactions, actions_cap;
};

/* The members are what the configuration file says; ELECTION_MEMBERS changes them. */
void election_init(struct election *e, const struct election_config *config,
		   const struct election_members *members);
void election_free(struct election *e);
/* Takes one event; the actions of the step before are forgotten. */
void election_step(struct election *e, const struct election_event *event);
const struct election_action *election_actions(const struct election *e, size_t *n);
/* Monotonic ms at which ELECTION_TICK is due; UINT64_MAX when nothing waits for time. */
uint64_t election_deadline(const struct election *e);

/*
 * Whether v is the role that the node is known to have: syncd says it again when it is synchronised (ELECTION_EPOCH). It
 * may have another one than we gave it: newer members, which a peer has sent us, come to syncd before our result does,
 * and make a voter of an observer (ELECTION_ROLE).
 */
bool election_has_role(const struct election *e, const struct vote *v);

/* One sentence for people about what the election is doing; returns text. */
const char *election_describe(const struct election *e, char *text, size_t size);

#endif
