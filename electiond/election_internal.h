/* What the files of the election core share: election.c (events), election_peers.c (what is said to whom), election_count.c
 * (votes), election_doubt.c (votes that come late). Not for anybody else. */
#ifndef ELECTIOND_ELECTION_INTERNAL_H
#define ELECTIOND_ELECTION_INTERNAL_H

#include "election.h"

#define election_trace(e, level, event, ...)                                                                 \
	trace((e)->config.trace, (level), "election", (event), __VA_ARGS__)

/* election_peers.c */
struct election_action *election_act(struct election *e, enum election_action_type type);
struct election_peer *election_peer(struct election *e, int64_t sid);
bool election_is_voter(const struct election *e, int64_t sid);
/* Our vote to every voter; those that are not connected are dialled and get it then. */
void election_tell_all(struct election *e);
/* Our vote to a peer that wants it, unless it got it a moment ago. */
void election_answer(struct election *e, int64_t sid);
/* Our vote to those that look, as far as we have heard. */
void election_answer_calls(struct election *e);
/* The outcome to those that asked for it and have no part in it: they are no voters, or have no data. */
void election_tell_askers(struct election *e);
/* The end of an interval: our vote again, over new connections where the present ones do not work. */
void election_resend(struct election *e);
/* Events of connections. */
void election_peer_connected(struct election *e, const struct election_event *ev);
void election_peer_delivered(struct election *e, const struct election_event *ev);
void election_peer_refused(struct election *e, const struct election_event *ev);
void election_peer_reset(struct election *e, const struct election_event *ev);
void election_peer_closed(struct election *e, const struct election_event *ev);
void election_peer_lost(struct election *e, const struct election_event *ev);

/* election_doubt.c */
/* We have settled, or (not unsure) are in sync with the leader. */
void election_doubt_begin(struct election *e, bool unsure);
/* A voter has spoken after that. */
void election_doubt(struct election *e, int64_t sid, const struct vote *v);
/* A voter is known to be down, after we have settled. */
void election_doubt_down(struct election *e, int64_t sid);

/* election_count.c */
void election_votes_put(struct election_votes *votes, int64_t sid, const struct vote *v);
void election_votes_remove(struct election_votes *votes, int64_t sid);
/* Whether a quorum, of each configuration, has votes equal to v. */
bool election_agreed(const struct election *e, const struct election_votes *votes, const struct vote *v);
/* Whether v's leader is one: it says that it leads, or it is this server and v is of its present round. */
bool election_leader_proven(const struct election *e, const struct election_votes *votes,
			    const struct vote *v);
/* Whether candidate may and should replace the vote: never for a leader of weight 0, always in place of one. */
bool election_preferred(const struct election *e, const struct vote *candidate, const struct vote *vote);
/* Whether a voter that has not voted in this round may still bring a better vote. */
bool election_better_may_come(const struct election *e);

#endif
