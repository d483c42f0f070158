/*
 * Connections between processes: two FIFOs of bytes, each byte with the time at which it arrives, descriptors that
 * travel with a byte, and an end. When a process dies an arbitrary prefix of what it had sent and nobody has read yet
 * arrives, also half a frame, and the other side sees the end whenever it does.
 *
 * Those between two places (net.h) go over the network: what is sent into a partition arrives when that has healed.
 */
#ifndef SIM_PIPE_H
#define SIM_PIPE_H

#include "base/buf.h"
#include "base/list.h"
#include "sim.h"

enum { PIPE_SEGMENTS = 256, PIPE_FDS = 8 };

struct pipe_segment {
	uint64_t upto; /* counted from the first byte ever sent */
	uint64_t at_us;
};

struct pipe_fd {
	uint64_t offset; /* of the byte that it comes with */
	int fd;
};

struct pipe {
	struct buf bytes; /* sent and not read */
	uint64_t read;    /* bytes consumed */
	struct pipe_segment segments[PIPE_SEGMENTS];
	size_t nsegments;
	struct pipe_fd fds[PIPE_FDS];
	size_t nfds;
	uint64_t eof_us;
	bool closed, reset; /* no more is sent; reset: its end is told as one */
	bool reader_gone;
	bool waits;          /* for the partition's end */
	struct proc *reader; /* NULL until somebody has the other end */
	uint64_t latency_min_us, latency_max_us;
};

/* side 0 dialled; pipes[i] carries what side i sends. */
struct conn {
	struct sim *sim;
	struct list link; /* in the network's list */
	int places[2];    /* of each side; PLACE_NONE: not over the network */
	struct pipe pipes[2];
	bool held[2];
	/* Whether a bit of that byte may flip: where the protocol has to bear it. NULL: nowhere. */
	bool (*may_flip)(struct slice unread, size_t at);
	int64_t session;    /* a client's connection: its session once it has one; for the checks */
	uint8_t configs[2]; /* a link of the star: those that each side runs with; for the checks */
};

struct conn *conn_new(struct sim *s, uint64_t latency_min_us, uint64_t latency_max_us);
/* Over the network, from one place to another. */
struct conn *conn_between(struct sim *s, int from, int to);
/* This side is p's from now on; what comes wakes it. */
void conn_own(struct conn *c, int side, struct proc *p);
/* Sends; from is the process that does. A dying process sends nothing. fd -1: none. */
void conn_send(struct conn *c, int side, struct proc *from, struct slice bytes, int fd);
/* What has arrived and is not consumed, borrowed. */
struct slice conn_arrived(const struct conn *c, int side);
/* Wakes the owner when more is under way; false at the end: nothing more will ever come. */
bool conn_open(const struct conn *c, int side);
void conn_consume(struct conn *c, int side, size_t n);
/* The descriptor that came with the first n bytes that are not consumed, or -1. */
int conn_take_fd(struct conn *c, int side, size_t n);
/* Bytes that this side has sent and the other has not taken. */
size_t conn_unread(const struct conn *c, int side);
/* The other side has let go: whatever is sent is lost. */
bool conn_reset(const struct conn *c, int side);
/* Whether the end that conn_open told of was a reset, not an orderly close. */
bool conn_was_reset(const struct conn *c, int side);
/* This side is closed. crash: an arbitrary part of what was not read is lost. */
void conn_close(struct conn *c, int side, bool crash);
/* The network breaks it: both sides lose an arbitrary part, and find it out. Both still have to close. */
void conn_break(struct conn *c);
/* Flips a bit of what this side has sent and the other has not taken. False: there is nothing, or it may not. */
bool conn_flip(struct conn *c, int side, uint64_t bit);
/* The partition between from and to is over: what waited for that is under way. */
void conn_let_pass(struct sim *s, int from, int to);

/* Ends of connections as numbers, the simulation's descriptors. */
struct channel {
	struct conn *conn; /* NULL: free */
	int side;
};

int channel_put(struct sim *s, struct conn *c, int side);
/* The caller has the end now; the number is free. */
struct channel channel_take(struct sim *s, int fd);
/* Closed without having been used. Harmless for -1. */
void channel_drop(struct sim *s, int fd);

/* A listener: connections that were dialled and not accepted. It belongs to the supervisor, so it outlives daemons. */
struct listener {
	struct conn *waiting[CLIENTS_MAX * 4];
	size_t n;
	struct proc *owner;
};

/* False: the backlog is full. */
bool listener_dial(struct listener *l, struct conn *c, uint64_t at_us);
/* The oldest, or NULL. */
struct conn *listener_accept(struct listener *l);

#endif
