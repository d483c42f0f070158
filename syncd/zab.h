/*
 * The zab core: the order of everything. It stands between three siblings (logd, clientd, electiond) and
 * decides what is sent to whom, in which order. Pure: the shell tells it events, it answers with actions.
 *
 *	zab_init(&z, &config);
 *	zab_step(&z, &event);			one event
 *	actions = zab_actions(&z, &n);		carry them out in this order
 *	zab_deadline(&z)			when to step with ZAB_TICK at the latest
 *
 * Ownership: bodies and strings in an event are borrowed for the step. Bodies in actions are valid until the
 * next step. A descriptor that comes with an event leaves in exactly one action of that step, ZAB_SEND or
 * ZAB_CLOSE_FD.
 *
 * The order of the actions is the contract: an append leaves before any commit that rests on it.
 *
 * What it keeps: zxids are proposed without a gap, each once; commit rises
 * strictly in order and never passes what a quorum holds on disk; what was committed is never taken back,
 * whichever sibling dies.
 */
#ifndef SYNCD_ZAB_H
#define SYNCD_ZAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "acks.h"
#include "base/quorum.h"
#include "base/trace.h"
#include "ipc/frame.h"
#include "ipc/msg.h"
#include "window.h"

enum zab_link { ZAB_LOGD, ZAB_CLIENTD, ZAB_ELECTIOND, ZAB_LINKS };

/* As in control.proto. */
enum zab_role { ZAB_LOOKING, ZAB_LEADER, ZAB_FOLLOWER, ZAB_OBSERVER };

enum {
	ZAB_ERROR_BYTES = 160, /* of a disk's trouble in words, with its NUL */
	/* What is proposed may pass the credit by this factor (sockets read, expiry); then the link ends. */
	ZAB_CREDIT_SLACK = 2,
	/* logd may be away for so long before it is worth a warning. */
	ZAB_LOGD_ABSENT_MS = 2000,
};

struct zab_config {
	uint64_t sid; /* of this server */
	bool standalone;
	struct quorum_pair quorums; /* standalone: this server alone */
	uint32_t window_txns;       /* credit: proposed but not committed */
	uint64_t window_bytes;
	size_t commit_log_count; /* committed txns kept in memory, and at most so many bytes of them */
	size_t commit_log_bytes;
	uint32_t role_base;  /* random: role numbers start above it, so that none of an older syncd matches */
	struct trace *trace; /* or NULL */
};

struct zab_disk {
	bool failed;
	const char *error; /* what failed, for people; never NULL */
};

/* A sibling's HELLO. The exchange, and the comparison of suite and configuration, are the shell's. */
struct zab_hello {
	uint64_t durable; /* logd */
	uint64_t applied; /* clientd, if has_tree */
	bool has_tree;
	struct zab_disk disk; /* logd */
};

enum zab_event_type {
	ZAB_UP,    /* a link is there and HELLOs are exchanged: hello is the sibling's */
	ZAB_DOWN,  /* a link ended, by the sibling or by the shell; not told after ZAB_CLOSE of that link */
	ZAB_FRAME, /* any other frame: frame, fd; for MSG_DISK also disk */
	ZAB_TICK,  /* time has passed */
};

struct zab_event {
	enum zab_event_type type;
	enum zab_link link;
	uint64_t now_ms; /* monotonic */
	struct zab_hello hello;
	struct frame frame;
	struct zab_disk disk;
	int fd; /* came with the frame, or -1 */
};

enum zab_action_type {
	ZAB_SEND,      /* frame, and fd if not -1, which is then closed here */
	ZAB_SEND_ROLE, /* MSG_ROLE with seq = role.number */
	ZAB_SEND_DISK, /* MSG_DISK with frame.zxid */
	ZAB_CLOSE_FD,
	ZAB_CLOSE,        /* the link; reason says why. The shell dials it again. */
	ZAB_ROLE_CHANGED, /* what the node is has changed: log it, renew the status line */
};

struct zab_role_told {
	uint32_t number;
	enum zab_role role;
	bool standalone;
	uint32_t epoch;
	uint64_t proposed, committed;
	uint32_t window_txns;
	uint64_t window_bytes;
	uint64_t sid;
};

struct zab_action {
	enum zab_action_type type;
	enum zab_link link;
	int fd;
	struct frame frame;
	union {
		struct zab_role_told role;
		struct zab_disk disk;
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
	uint64_t seq;  /* of the newest question to logd */
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
	bool absence_told; /* logd's present absence */
	uint64_t now_ms;

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

/* One sentence for people about what the node is doing; returns text. */
const char *zab_describe(const struct zab *z, char *text, size_t size);

#endif
