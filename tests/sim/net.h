/*
 * The network between places: the servers, and one place where all clients are. Each direction between two places can be
 * blocked (a partition, also one-way) or slow. A dial takes a round trip; it is refused by a machine on which zkd does
 * not run, and never answered by one that is off or beyond a partition.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "sim.h"

enum {
	PLACE_NONE = -1,
	NET_MIN_US = 40,
	NET_MAX_US = 900,
};

struct conn;
struct listener;

enum dial_state { DIAL_GOING, DIAL_UP, DIAL_REFUSED, DIAL_LOST };

struct dial {
	struct conn *conn; /* NULL: none under way; side 0 is the dialler's */
	uint64_t known_us; /* when the dialler knows how it ended */
	enum dial_state end;
};

/* The place of node n (1 and up). */
static inline int
net_place(int sid)
{
	return sid;
}

/* Dials a listener of node `to`. Wakes p when the outcome is known. */
void net_dial(struct dial *d, struct proc *p, int from, struct node *to, struct listener *l);
/* How it stands. When it is up the caller takes d->conn away; when it failed that is closed already. */
enum dial_state net_dialled(struct dial *d, const struct sim *s);
/* Given up, by one that lives or by one that dies. */
void net_hang_up(struct dial *d, bool crash);

/* Whether nothing arrives for now: a partition, or the sender's machine is off. */
bool net_is_blocked(const struct sim *s, int from, int to);
/* Blocks or opens one direction. */
void net_block(struct sim *s, int from, int to, bool blocked);
/* The machine is on again: those who still talk to what ran there before hear that it is gone. */
void net_node_is_on(struct node *n);
/* Opens all, none is slow. */
void net_heal(struct sim *s);
/* On one of the connections that bear it. */
void net_flip(struct sim *s);
/* Breaks each connection between two places, in either direction, once in n of them. */
void net_break(struct sim *s, int a, int b, uint64_t once_in);

#endif
