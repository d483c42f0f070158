/*
 * The connections of the election port: who may be spoken to, over which connection, and what is waiting for each.
 * (ZooKeeper: QuorumCnxManager.)
 *
 *	peers_init(&p, &config);
 *	peers_set_members(&p, members);		whom it dials, and where; again when they change
 *	peers_listen(&p, fd);			for each listener
 *	peers_connect, peers_send		what the core orders
 *	while (peers_next(&p, &event)) ...	what happened, in order, for the core
 *	deadline = peers_tick(&p, now_ms)	at the end of each turn
 *
 * Of two servers the one with the larger sid dials. A smaller one that dials is closed and dialled back, where the
 * members have it and where it says it is; the connection that there was stays until the new one stands. Else a newer
 * connection takes the place of an older. The last notification for a peer waits in its slot until all before it has
 * left; one that comes later takes its place. On the receiving side likewise: of several notifications that came from a
 * peer in one turn the core hears the last.
 *
 * Who connects has identify_ms to say who it is, and of those who have not yet there are PEERS_UNKNOWN_MAX: a further one
 * closes the oldest. So the port is open to a peer, who says it with its first bytes, however many others connect. What
 * is no initial message or no notification ends that connection, and costs one log line a second for all of them.
 * Servers that no configuration knows are heard too, a few at a time (observers, and servers that are being added).
 */
#ifndef ELECTIOND_PEERS_H
#define ELECTIOND_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "config/members.h"
#include "dial.h"
#include "election.h"
#include "io/acceptor.h"
#include "io/turn.h"

enum {
	PEERS_LISTENERS_MAX = CONFIG_ADDRESSES_MAX,
	PEERS_UNKNOWN_MAX = 256,                  /* connections that have not said who they are */
	PEERS_STRANGERS_MAX = ELECTION_STRANGERS, /* servers heard that no configuration knows */
	PEERS_DIAL_BACK_GAP_MS = 100,             /* between two dials that a peer's dials cause */
	PEERS_TELL_EVERY_MS = 1000,
};

struct peers_config {
	struct turn *turn;
	struct resolver *resolver;
	int64_t sid;
	bool several_addresses; /* the initial message has all of ours */
	bool keep_alive;
	int dial_ms, identify_ms;
	/* A connection that says our own sid: whether it is the self-check's; then nobody is told. May be NULL. */
	bool (*is_own)(void *owner, const struct sockaddr_storage *from);
	void *owner;
};

struct peer;
struct peer_event;
struct conn;

struct peers {
	struct peers_config config;
	const struct members *members;
	struct acceptor listeners[PEERS_LISTENERS_MAX];
	unsigned nlisteners;
	struct peer *known[SID_LIMIT]; /* NULL: never heard of */
	struct list strangers;         /* by age; sids outside the table too */
	unsigned nstrangers;
	int64_t last_nameless; /* number given to the last server without one */
	struct list unknown;   /* connections, by age */
	unsigned nunknown;
	struct list dead; /* connections to be freed at the end of the turn */
	struct list events;
	struct peer_event *taken; /* what peers_next gave out last */
	struct buf initial;       /* our initial message */
	uint64_t accepted, refused, told_ms, untold;
};

void peers_init(struct peers *p, const struct peers_config *config);
/* Closes everything. */
void peers_stop(struct peers *p);
/* Accepts on a listener, which is owned from now on. */
void peers_listen(struct peers *p, int fd);
/* Borrowed until the next call. The server with our sid must be among them or have been. */
void peers_set_members(struct peers *p, const struct members *m);

void peers_connect(struct peers *p, int64_t sid, bool replace);
void peers_send(struct peers *p, int64_t sid, const struct notification *n);

/* The oldest event that was not taken yet. What it points at lives until the next call or peers_tick. */
bool peers_next(struct peers *p, struct election_event *ev);
/* Closes whose time is over, frees what is dead. Returns when it wants to be called again. */
uint64_t peers_tick(struct peers *p, uint64_t now_ms);

bool peers_is_connected(const struct peers *p, int64_t sid);
unsigned peers_connected(const struct peers *p);
/* Servers whose connection has not taken all that was said to them. */
unsigned peers_waiting(const struct peers *p);

#endif
