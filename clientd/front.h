/*
 * front: the side of clientd that clients see, as a pure state machine. Connections, framing, sessions' attachment,
 * the order of each session's requests, watches, replies, four-letter words; and clientd's half of the talk with
 * syncd (role, load, proposals, commits, snapshots). It owns the tree. What it does follows the role that syncd tells:
 * leader (also of learners) or standalone, follower, observer, read-only, or none.
 *
 * Use: the shell tells what happened with front_step, one event each, then takes what is to be done with front_next
 * until nothing is left, in that order; it does so at least once in each turn of its loop. front_deadline says when
 * a FRONT_TICK is due at the latest. Time comes in with each event: now_ms never goes back, wall_ms is what stat
 * times are made of.
 *
 * Connections: FRONT_OPENED makes one, for an owner of the shell's choice, and is answered by FRONT_ADOPT (the
 * handle) or FRONT_CLOSE (refused). The handle is valid until the FRONT_CLOSE of that owner has been taken. Output lies
 * in one buffer for each connection (front_output) and is announced by FRONT_WRITE once; the shell writes as much as
 * the socket takes, says FRONT_WROTE, and waits for writability if something is left.
 *
 * Limits and what happens there: a frame above frame_max, garbage and truncation close that connection with one
 * warning naming peer and reason; unread output above FRONT_OUT_PAUSE and requests waiting behind writes above
 * FRONT_WAITING_MAX stop the reading of that connection (FRONT_READ off); unread output above FRONT_OUT_MAX closes it;
 * a write beyond syncd's credit stops the reading of the connection that sent it until commits free some; connections
 * per address and in total are refused at the door.
 */
#ifndef CLIENTD_FRONT_H
#define CLIENTD_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/trace.h"
#include "ipc/frame.h"
#include "tree.h"

enum {
	FRONT_READ_MAX = 64 << 10,     /* most bytes in one FRONT_INPUT */
	FRONT_OUT_PAUSE = 256 << 10,   /* unread output that stops the reading of requests */
	FRONT_OUT_MAX = 32 << 20,      /* unread output (of notifications, or one reply) that closes */
	FRONT_WAITING_MAX = 256 << 10, /* requests that wait for a write of the same session */
	FRONT_SLICE_BYTES = 64 << 10,  /* of a snapshot, made at one go */
	FRONT_PEER_TEXT = 56,
};

struct front;
struct front_conn;

/* All strings live as long as the front. */
struct front_config {
	uint32_t tick_ms;
	uint32_t min_session_ms, max_session_ms;
	uint32_t max_per_address, max_connections; /* maxClientCnxns, maxCnxns; 0 = no limit */
	uint32_t frame_max;                        /* jute.maxbuffer */
	uint64_t max_descriptors;                  /* of the process, for mntr; 0: not known */
	const uint64_t *base_descriptors; /* those open besides clients' and the link to syncd; may be NULL */
	/* Time to say something at first, and to read the last reply (zookeeper.nio.sessionlessCnxnTimeout). */
	uint32_t silent_ms;
	uint64_t container_check_ms;       /* znode.container.checkIntervalMs */
	uint32_t container_max_per_minute; /* znode.container.maxPerMinute */
	const char *words;                 /* 4lw.commands.whitelist: comma separated, "*" for all */
	const char *version;               /* of the suite */
	const char *conf;                  /* what the word conf prints; in an ensemble the members follow */
	const char *members; /* text of the ensemble's configuration; NULL on a standalone node */
	bool local_sessions, upgrade_sessions; /* localSessionsEnabled, localSessionsUpgradingEnabled */
	bool leader_idle;        /* leaderServes=no: while it leads others it serves no clients */
	const char *environment; /* what envi prints behind the version */
	struct tree_config tree; /* its acl.super_digest is borrowed */
	struct trace *trace;     /* borrowed; may be NULL */
};

/* Where a connection comes from; an IPv4 address mapped into IPv6 has been turned back into IPv4. */
struct front_peer {
	uint8_t address[16];
	uint8_t address_len; /* 4 or 16 */
	uint16_t port;
	char text[FRONT_PEER_TEXT]; /* the address for people and for the scheme ip: "127.0.0.1" */
};

enum front_event_type {
	/* Clients. */
	FRONT_OPENED, /* owner, peer */
	FRONT_INPUT,  /* conn, bytes */
	FRONT_WROTE,  /* conn, count of bytes taken from front_output */
	FRONT_HANGUP, /* conn: count 1: the peer has shut down its side; 0: the socket failed */
	/* syncd. */
	FRONT_LINK_UP, /* HELLO has been exchanged */
	FRONT_LINK_DOWN,
	FRONT_FRAME, /* frame from syncd, but HELLO */
	/* The bulk channel of a load. */
	FRONT_BULK,        /* frame */
	FRONT_BULK_CLOSED, /* its other end is closed */
	/* The channel a snapshot is written into. */
	FRONT_SNAPSHOT_OPENED, /* MSG_SNAPSHOT has come with this channel; an older one is given up */
	FRONT_SNAPSHOT_WROTE,  /* count of bytes taken from front_snapshot_output */
	FRONT_SNAPSHOT_CLOSED, /* nobody reads it any more */
	FRONT_TICK,
	FRONT_EVENTS,
};

struct front_event {
	enum front_event_type type;
	uint64_t now_ms;
	int64_t wall_ms;
	struct front_conn *conn;
	void *owner;
	const struct front_peer *peer;
	struct slice bytes;
	size_t count;
	struct frame frame;
};

enum front_action_type {
	FRONT_ADOPT,          /* owner's connection is conn */
	FRONT_WRITE,          /* conn has output */
	FRONT_READ,           /* conn: read its socket, or not, as `on` says; at first on */
	FRONT_CLOSE,          /* owner: close the socket; the handle is gone */
	FRONT_SEND,           /* frames for syncd lie in front_link */
	FRONT_LINK_BAD,       /* syncd broke the protocol: end the link; `why` for the log */
	FRONT_SNAPSHOT_WRITE, /* front_snapshot_output has bytes */
	FRONT_SNAPSHOT_CLOSE, /* the snapshot is written, or given up: close the channel */
	FRONT_LOAD_CLOSE,     /* the bulk channel is done with */
};

struct front_action {
	enum front_action_type type;
	struct front_conn *conn;
	void *owner;
	bool on;
	const char *why; /* static storage */
};

struct front *front_create(const struct front_config *config);
void front_destroy(struct front *f);

void front_step(struct front *f, const struct front_event *e);
/* The next action, in order; false when there is none. */
bool front_next(struct front *f, struct front_action *a);
/* now_ms at which a FRONT_TICK is due at the latest; UINT64_MAX when nothing waits for time. */
uint64_t front_deadline(struct front *f);

/* Unread output of a connection. */
struct slice front_output(const struct front_conn *c);
/* Frames for syncd. The shell takes them off the front with buf_consume. */
struct buf *front_link(struct front *f);
/* Bytes for the snapshot channel; FRONT_SNAPSHOT_WROTE takes them off. */
struct slice front_snapshot_output(const struct front *f);

/*
 * The answer to a four-letter word for who asks at the control socket: no whitelist, no connection, at most max bytes
 * of lists. stmk sets the mask that is given. -ENOENT: no such word; -EAGAIN: the node does not serve, and out is
 * untouched; else 0, or 1 where a list has ended early.
 */
int front_word(struct front *f, const char *word, int64_t mask, size_t max, struct buf *out);

/* What HELLO and the status say. */
struct front_facts {
	const char *mode; /* "standalone", "leader", ...; "not serving" */
	bool has_leader;  /* of an ensemble, which may be this server */
	uint64_t leader;  /* its sid */
	bool serving, has_tree, loading, disk_failed, snapshot;
	bool ready; /* serving, or knows that it is not to serve */
	uint64_t applied_zxid, shown_zxid;
	uint64_t connections, sessions, znodes, ephemerals, watches;
	uint64_t tree_bytes, watch_bytes, data_bytes;
	uint64_t outstanding;
	uint64_t digest_mismatches;
	uint64_t received, sent; /* packets */
};
void front_facts(const struct front *f, struct front_facts *facts);
/* A number that changes when serving, loading or disk_failed may have; cheap enough for every turn. */
unsigned front_state(const struct front *f);

#endif
