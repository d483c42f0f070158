/* What the files of the connection manager share: peers.c (servers, orders, events) and conns.c (connections and what
 * comes over them). Not for anybody else. */
#ifndef ELECTIOND_PEERS_INTERNAL_H
#define ELECTIOND_PEERS_INTERNAL_H

#include <netinet/in.h>

#include "initial.h"
#include "io/stream.h"
#include "peers.h"

/* Where a server said it is reached. Only literals are taken: it is no member's word. */
struct hint {
	char host[INET6_ADDRSTRLEN];
	uint16_t port;
};

struct peer {
	struct peers *peers;
	int64_t sid;
	struct list link; /* peers.strangers, or none */
	struct conn *conn;
	struct conn *asking; /* a dial of ours that only asks it to dial us, until it ends that */
	struct dial dial;
	bool has_slot;
	struct buf slot; /* a notification, as bytes */
	struct hint hints[INITIAL_ADDRESSES_MAX];
	size_t nhints;
	uint64_t dialled_ms;
	uint64_t dial_back_ms;     /* when it is to be dialled back; 0: not */
	struct peer_event *newest; /* a notification that was not taken yet, and the last of its events */
};

struct conn {
	struct stream stream;
	struct list link; /* peers.unknown, peers.dead, or none */
	struct peers *peers;
	struct peer *peer; /* NULL: who it is, is not known or does not matter */
	struct peer *asks; /* who is asked over it to dial us */
	bool unknown;      /* it is in that list */
	bool spoken;       /* a notification was given to the stream */
	struct sockaddr_storage from;
	uint64_t since_ms;
	uint64_t half_ms; /* since when a beginning of a notification waits for its rest; 0: none does */
};

/* peers.c */
/* The server, which becomes one if it is not. */
struct peer *peer_get(struct peers *p, int64_t sid);
void peer_happened(struct peer *peer, enum election_event_type type);
void peer_heard(struct peer *peer, const struct notification *n);
/* c is from now on the connection to peer. */
void peer_attach(struct peer *peer, struct conn *c);
/* It dialled us, and it is for us to dial. */
void peer_dial_back(struct peer *peer);
/* What waits in the slot goes to the connection if that is free. */
void peer_pump(struct peer *peer);

/* conns.c */
void conn_accepted(void *owner, int fd, const struct sockaddr_storage *from, socklen_t len);
/* Over a dialled socket; our initial message is on its way. */
struct conn *conn_dialled(struct peers *p, int fd);
/* It is not for us to dial peer: our initial message asks it to. That it resets the connection shows that it is down. */
void conn_ask(struct conn *c, struct peer *peer);
/* Closes at once, and nobody is told. It is freed at the end of the turn. */
void conn_drop(struct conn *c);
/* One line in a while for all of them. */
void conn_complain(struct conn *c, const char *why);

#endif
