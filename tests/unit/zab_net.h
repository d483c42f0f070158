/*
 * A few zab cores in one process, joined by queues: fake logd, clientd and electiond beside each, byte pipes between
 * them. Everything happens when the test says so: net_run carries on until nothing moves, net_pass lets time pass.
 * What a test wants to see it finds in the nodes.
 */
#ifndef TESTS_ZAB_NET_H
#define TESTS_ZAB_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "syncd/zab.h"

enum { NET_NODES = 5, NET_LOG = 4096, NET_TXN_BYTES = 48, NET_TICK_MS = 100, NET_INIT = 10, NET_SYNC = 5 };

struct net_txn {
	uint64_t zxid, value;
	uint32_t type; /* of the txn */
	char *text;    /* of a reconfig */
};

/* Something that syncd will be told. */
struct net_event {
	struct zab_event event;
	uint8_t *body;
	char *error;
};

struct net_queue {
	struct net_event *events;
	size_t head, tail, cap;
};

struct net_pipe {
	bool used, cut; /* cut: what is sent is lost, nobody is told */
	int node[2];    /* the dialling one first */
	uint32_t peer[2];
	bool flush[2], deaf[2];
};

struct net_channel {
	bool open, deaf;
	uint32_t peer;
	struct net_queue frames;
};

struct net_node {
	int sid;
	bool alive;
	struct zab zab;
	struct zab_config config;
	struct trace trace;
	struct net_queue inbox;

	/* logd */
	bool logd_up, logd_stuck, disk_failed; /* stuck: answers nothing */
	struct net_txn log[NET_LOG];
	size_t nlog, ndurable;
	uint64_t base;     /* what the log continues: the zxid of the snapshot */
	uint64_t snapshot; /* newest one */
	uint64_t oldest;   /* logs are gone up to here */
	struct zab_epochs epochs;
	bool partial, refuse_truncate, refuse_epochs, refuse_install, snapshots_for_learners;
	unsigned truncates, installs, loads;
	struct buf members; /* that it keeps */
	struct buf install;
	uint64_t install_seq;
	struct net_channel channels[16];

	/* clientd */
	bool clientd_up, clientd_lazy; /* lazy: takes no role by itself */
	struct zab_role_told role;
	uint64_t role_acked;
	bool ready;
	uint64_t applied; /* by COMMIT, or the floor of its role */
	uint64_t bodies[NET_LOG];
	size_t nbodies;
	struct net_queue asked; /* REQUEST, SYNC, REVALIDATE, TOUCH, CONFIG, LEARNERS that it got */

	/* electiond */
	bool electiond_up, looking;
	uint64_t look_number;
	struct zab_look look;
	struct zab_result told;
	unsigned tells, leaves;

	/* what the shell saw */
	char closed[256]; /* the reason of the newest ZAB_PEER_CLOSE */
	char ended[256];  /* of the newest ZAB_CLOSE */
	unsigned closes;
};

struct net {
	uint64_t now_ms;
	int nnodes;
	struct net_node nodes[NET_NODES + 1]; /* by sid, from 1 */
	struct net_pipe pipes[64];
	uint32_t next_peer;
	size_t chunk; /* most bytes that move at once */
	bool dial_refused[NET_NODES + 1];
	bool fake[NET_NODES + 1]; /* the test plays this server: a dial to it is taken */
	struct buf heard;         /* what came on connections that the test holds an end of */
	uint32_t dialled;         /* the dialling node's number of the newest connection to a fake */
};

extern struct net net;

/* n nodes; observers are those with a higher sid than voters. All alive, none looked. */
void net_init(int n, int voters);
void net_free(void);
/* Until nothing moves. */
void net_run(void);
/* Everything that can move moves once; false when nothing could. */
bool net_run_once(void);
void net_pass(uint64_t ms);

/* Gives a log: txns first..last of one epoch follow what is there; durable. */
void net_fill(int sid, uint32_t epoch, uint32_t first, uint32_t last);
/* The same with another content than all other nodes have under that zxid. */
void net_fill_other(int sid, uint32_t epoch, uint32_t first, uint32_t last);
/* Brings up logd, clientd, electiond of a node; or syncd again with all of them. */
void net_start(int sid);
void net_link_up(int sid, enum zab_link link);
void net_link_down(int sid, enum zab_link link);
void net_crash(int sid);

/* Those that look get this result; the others know it. */
void net_elect(int leader);
/* All start, one is elected, all run. */
void net_establish(int leader);

/* clientd of the leader proposes. */
uint64_t net_propose(int sid, uint64_t number);
/* A frame from a sibling. */
void net_frame(int sid, enum zab_link link, uint16_t type, uint16_t flags, uint64_t seq, uint64_t zxid,
	       struct slice body);
/* Bytes from a connection that the test makes itself. */
uint32_t net_connect(int sid);
void net_input(int sid, uint32_t peer, struct slice bytes);
void net_packet(int sid, uint32_t peer, int type, uint64_t zxid, struct slice data);
/* The packets that came on such connections since the last call: "ACK 100000001, PING 0 +12"; + is for the bytes of data. */
const char *net_heard(void);
void net_step(int sid, struct zab_event *e);

/* The pipe between two nodes. */
struct net_pipe *net_find_pipe(int a, int b);
void net_cut(int a, int b); /* both ends are told */

bool net_serves(int sid);                                  /* clientd is ready, in a role */
void net_expect_same(int a, int b);                        /* logs */
const struct net_event *net_asked(int sid, uint16_t type); /* the next of this type, taken; or NULL */

#endif
