/*
 * Notifications: the messages between electing servers, as bytes. Each is a length of 4 bytes and a body.
 *
 *	offset	0	4	12	20	28	36	40		44
 *	field	state	leader	zxid	round	epoch	version	config length	config
 *
 * Three bodies are in use: 28 bytes (before epochs; the epoch is the upper half of the zxid), exactly 40 bytes
 * (3.4; its version is not looked at and taken as 0), and 44 + n bytes with the configuration of the sender.
 * Pure functions; a parsed notification borrows the bytes it was parsed from.
 * Source: ZooKeeper, FastLeaderElection.buildMsg and WorkerReceiver; QuorumCnxManager.RecvWorker (the length).
 */
#ifndef ELECTIOND_NOTIFICATION_H
#define ELECTIOND_NOTIFICATION_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "vote.h"

enum {
	NOTIFICATION_BODY_MAX = 524288, /* longer ones end the connection */
	NOTIFICATION_FIXED_BYTES = 44,  /* of the body with a configuration, without it */
	NOTIFICATION_CONFIG_MAX = NOTIFICATION_BODY_MAX - NOTIFICATION_FIXED_BYTES,
};

struct notification {
	struct vote vote;
	struct slice config; /* text of the configuration; null where the sender's version has none */
};

/*
 * Takes one message off the front of a stream: its body, still unparsed. Returns the bytes it used, 0 when there
 * are not enough yet, -EPROTO for a length that ends the connection.
 */
int64_t notification_frame(struct slice in, struct slice *body);

/*
 * Returns 0, or -EPROTO for a body that is to be ignored: too short, cut off, or in an unknown state. Bytes
 * behind what the version defines are allowed, as the Java server allows them.
 */
int notification_parse(struct slice body, struct notification *n);

/* Appends length and body in our version, with the configuration (null counts as empty), which must not be
 * longer than NOTIFICATION_CONFIG_MAX. */
void notification_put(struct buf *out, const struct notification *n);

/* The version in the last line of a configuration text ("version=" and hexadecimal digits). 0 or -EPROTO. */
int notification_config_version(struct slice config, uint64_t *version);

#endif
