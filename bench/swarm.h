/*
 * A swarm of ZooKeeper sessions in one loop, each with many requests in flight. The swarm opens connections and
 * sessions, keeps for each request when it was sent and what it asked, and gives each reply to the owner together
 * with its request; a reply with another xid than the next that is due is a failure of the server. Whoever embeds a
 * workload gives it the five callbacks of struct swarm_ops and calls swarm_run until its work is done.
 *
 * The swarm owns its sessions, their connections and buffers: swarm_init to swarm_free. Nothing is allocated for a
 * request once the buffers have grown to what is in flight.
 */
#ifndef BENCH_SWARM_H
#define BENCH_SWARM_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "io/stream.h"
#include "io/turn.h"
#include "jute/jute.h"
#include "jute/records.h"

enum {
	SWARM_OPENING_MAX = 64, /* sessions on their way at once, so that a server's backlog is not flooded */
	SWARM_TICK_MS = 100,
};

/* What was asked. op, key and mark mean what the owner wants. */
struct request {
	uint64_t sent_ns;
	int32_t xid;
	uint32_t op, key, mark;
};

enum session_state { SESSION_CLOSED, SESSION_OPENING, SESSION_OPEN, SESSION_CLOSING };

struct session {
	struct swarm *swarm;
	struct stream stream;
	unsigned index;
	enum session_state state;
	int32_t xid;          /* of the last request */
	uint64_t began_ns;    /* when its connection was begun */
	struct request *ring; /* oldest at first; swarm.ring_size of them */
	unsigned first, count;
};

struct swarm_ops {
	void (*opened)(void *owner, struct session *s);
	/* err: what the server said (enum zk_error); body: what comes after the header. */
	void (*reply)(void *owner, struct session *s, const struct request *r, int32_t err,
		      struct jute_reader *body);
	void (*event)(void *owner, struct session *s, const struct jute_watcher_event *e);
	/* A closed session's connection is gone. */
	void (*ended)(void *owner, struct session *s);
	/* Ten times a second. */
	void (*tick)(void *owner);
};

struct swarm_address {
	struct sockaddr_storage address;
	socklen_t len;
};

struct swarm_config {
	const struct swarm_address *addresses; /* the sessions take them in turn; outlive the swarm */
	unsigned naddresses;
	unsigned sessions, depth; /* depth: most requests in flight in a session */
	uint32_t timeout_ms;      /* of the sessions */
	uint32_t patience_ms;     /* no reply for so long, though one is due, is a failure */
	size_t frame_max;         /* largest request */
};

struct swarm {
	struct swarm_config config;
	const struct swarm_ops *ops;
	void *owner;
	struct ev_loop *loop;
	struct turn turn;
	ev_timer timer;
	struct session *sessions;
	unsigned next_to_open, opening, open, closing;
	unsigned ring_size; /* a power of two */
	uint64_t now_ns;    /* when what is looked at now has arrived */
	uint64_t heard_ns;  /* when anything last came */
	uint64_t in_flight; /* requests, of all sessions */
	unsigned next_to_ping;
	char failure[256]; /* "": none so far */
};

void swarm_init(struct swarm *w, const struct swarm_config *config, const struct swarm_ops *ops, void *owner);
void swarm_free(struct swarm *w);

/* Begins to open all sessions. */
void swarm_open(struct swarm *w);
/* Opens one that is closed. */
void swarm_open_session(struct swarm *w, struct session *s);

/*
 * A new request at the end of the session's ring, with xid and time filled in; the owner fills in the rest and
 * appends the frame to swarm_out. There must be room: count < config.depth.
 */
struct request *swarm_request(struct session *s);
static inline struct buf *
swarm_out(struct session *s)
{
	return stream_out(&s->stream);
}
/* Asks the server to close the session; `ended` follows when it has. */
void swarm_close_session(struct session *s);
/* All that are open; `ended` follows for each. */
void swarm_close_all(struct swarm *w);
/* Pings sessions so that all have been pinged within a third of their timeout; to be called at each tick. */
void swarm_ping(struct swarm *w);

/* Runs until swarm_stop. 0, or -EPROTO with the reason in `failure`. */
int swarm_run(struct swarm *w);
void swarm_stop(struct swarm *w);
/* Ends the run: the server did not do as it should. The first reason stays. */
void swarm_fail(struct swarm *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
