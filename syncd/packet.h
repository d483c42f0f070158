/*
 * The packets of ZooKeeper's quorum port, as bytes. A stream is records one after the other without frames:
 *
 *	type int, zxid long, data buffer, authinfo vector<Id {scheme string, id string}>
 *
 * Pure and streaming: packet_parse looks at what has arrived and never asks for memory, so a length that lies costs
 * nothing: it is refused at once when past the limits below, else the bytes would have to come first.
 * Source: zookeeper.jute (QuorumPacket, LearnerInfo), ZooKeeper: Leader, LearnerHandler.
 */
#ifndef SYNCD_PACKET_H
#define SYNCD_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum packet_type {
	PACKET_REQUEST = 1,
	PACKET_PROPOSAL = 2,
	PACKET_ACK = 3,
	PACKET_COMMIT = 4,
	PACKET_PING = 5,
	PACKET_REVALIDATE = 6,
	PACKET_SYNC = 7,
	PACKET_INFORM = 8,
	PACKET_COMMITANDACTIVATE = 9,
	PACKET_NEWLEADER = 10,
	PACKET_FOLLOWERINFO = 11,
	PACKET_UPTODATE = 12,
	PACKET_DIFF = 13,
	PACKET_TRUNC = 14,
	PACKET_SNAP = 15,
	PACKET_OBSERVERINFO = 16,
	PACKET_LEADERINFO = 17,
	PACKET_ACKEPOCH = 18,
	PACKET_INFORMANDACTIVATE = 19,
	PACKET_TYPES,
};

enum {
	PACKET_DATA_MAX = 60 << 20,    /* with what goes around it, it stays below FRAME_BODY_MAX */
	PACKET_AUTHINFO_MAX = 1 << 20, /* bytes of the whole vector */
	PACKET_PROTOCOL = 0x10000,     /* Zab 1.0 */
};

/* Zxid of a packet that has none. */
#define PACKET_NO_ZXID UINT64_MAX

struct packet {
	int32_t type;
	uint64_t zxid;
	struct slice data;     /* may be null */
	struct slice authinfo; /* the vector as it lies on the wire, with its count */
};

/*
 * Looks at the front of in for one whole packet. Returns its size with *p filled (slices point into in), 0 when more
 * bytes are needed, -EPROTO for a length or count that no packet has.
 */
int64_t packet_parse(struct slice in, struct packet *p);

/* Appends a packet. A null authinfo slice stands for the null vector. */
void packet_put(struct buf *out, enum packet_type type, uint64_t zxid, struct slice data,
		struct slice authinfo);

/* How many bytes the vector<Id> at the front of in takes; 0 when more are needed, -EPROTO. */
int64_t packet_authinfo_size(struct slice in);

/* Body of FOLLOWERINFO and OBSERVERINFO. */
struct learner_info {
	int64_t sid;
	int32_t protocol;
	uint64_t config_version;
};
enum { LEARNER_INFO_BYTES = 20 };
void learner_info_put(uint8_t out[LEARNER_INFO_BYTES], const struct learner_info *info);
/* False for one that is too short. */
bool learner_info_parse(struct slice data, struct learner_info *info);

/* For people. */
const char *packet_name(int32_t type);

#endif
