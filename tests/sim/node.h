/*
 * A server: four processes around the real cores, one disk, the supervisor's listeners. The rooms below are what the
 * daemons' shells are, without the operating system; where a shell decides something, the room decides the same way
 * and names the function.
 */
#ifndef SIM_NODE_H
#define SIM_NODE_H

#include "clientd/front.h"
#include "electiond/election.h"
#include "logd/load.h"
#include "logd/snapfile.h"
#include "logd/store.h"
#include "net.h"
#include "pipe.h"
#include "sim_disk.h"
#include "star.h"

enum { LOADS_MAX = 4 };

struct members;

/* ---- logd and its helper (logd/main.c, jobs.c, helper_child.c) ---- */

struct load_job {
	struct helper *helper;
	struct conn *conn; /* NULL: free */
	struct load *load;
	uint64_t cuts, upto;
};

/* A snapshot that comes in: of the own tree, or of a leader to be installed. */
struct intake {
	struct conn *conn; /* NULL: none under way */
	struct snapfile *file;
	enum snapfile_form form;
	uint64_t zxid;
};

struct helper {
	struct proc proc;
	struct disk_view view;
	struct load_job loads[LOADS_MAX];
	struct intake snapshot, install;
	struct store_chore chore;
	bool purge;
};

enum install_report { REPORT_NONE, REPORT_RECEIVED, REPORT_FAILED };

struct logd {
	struct proc proc;
	struct disk_view view;
	struct store *store;
	struct star syncd;
	struct helper helper;
	bool told_failed, installing;
	enum install_report report; /* of the helper, not heard yet; received is its zxid */
	uint64_t install_seq, received;
	uint64_t told_durable, given, cuts, purge_us;
};

/* ---- syncd (syncd/main.c) ---- */

enum { PEERS_MAX = 64, SYNCD_LINKS = 3 };

/* A connection on the quorum port: of a leader's learner (side 1), or to the leader (side 0). */
struct peer {
	struct list link;
	uint32_t number;
	struct conn *conn;
	int side;
	bool reads, full; /* full: the socket took less than there was */
	size_t wrote;     /* and the core was not told yet */
	struct conn *channel;
	bool channel_reads;
};

struct zab;

struct syncd {
	struct proc proc;
	struct zab *zab;
	struct star links[SYNCD_LINKS];
	int nlinks;
	struct list peers;
	uint32_t last_peer, attempt;
	int leader; /* that was dialled last */
	struct dial dial;
	struct conn *install;
	size_t installed; /* written, and the core was not told yet */
	uint64_t members_told;
	unsigned reconfigure; /* to these voters, in the next turn; 0: not */
	int move_to; /* an operator wants this server to lead; 0: nothing of the kind, -1: whichever is best */
};

/* ---- clientd (clientd/main.c, star.c, clients.c) ---- */

struct guest {
	struct list link;
	struct clientd *clientd;
	struct conn *conn;
	struct front_conn *handle;
	size_t socket;          /* bytes that it takes before they have to be read */
	bool reads, full, told; /* full: the socket took less than there was; told of the end */
	uint8_t head[4];        /* of the frame that is coming in, for the checks */
	uint32_t nhead, left;
	struct buf held; /* WATCH_AFTER_REPLY, SWAP_REPLIES: a frame kept back */
};

struct clientd {
	struct proc proc;
	struct front *front;
	struct star syncd;
	struct conn *load, *snapshot;
	struct list guests;
	bool slice_due;
};

/* ---- electiond (electiond/main.c) ---- */

/* A connection on which a notification comes; at first one that was accepted and has not said whose it is. */
struct caller {
	struct list link;
	struct conn *conn;
};

struct elector {
	struct dial dial;
	struct conn *conn;
	int side;
	uint64_t half_us; /* since when half a notification is there; 0: there is none */
};

struct electiond {
	struct proc proc;
	struct election election;
	struct star syncd;
	uint64_t look; /* number of the election that syncd asked for */
	bool looking;
	struct members *members;
	struct list callers;
	struct elector peers[NODES_MAX + 1]; /* by sid */
};

struct kept_members {
	uint64_t version; /* 0: none */
	char text[MEMBERS_BYTES];
};

struct node {
	struct sim *sim;
	int sid;
	bool off, down; /* the machine; zkd on it */
	uint8_t config; /* number of the configuration that daemons are started with */
	uint64_t rate;  /* its monotonic clock goes so many millionths of a second in a second */
	/* For the checks: what its logd has called durable, its syncd committed, and handed to clientd last in this role. */
	uint64_t acked, committed, delivered;
	uint64_t cutting; /* 1 + where its log may end, for it was being cut there; 0: it was not */
	/* The epoch that its files have but that has still to begin, or 0; what it has promised meanwhile. See born.h. */
	uint32_t unbegun, promised;
	struct kept_members kept, keeping; /* by zkd: on the disk, and on the way there */
	struct sim_disk disk;
	struct listener logd_link, clientd_link, electiond_link, client_port, election_port, quorum_port;
	struct logd logd;
	struct syncd syncd;
	struct clientd clientd;
	struct electiond electiond;
	int nprocs;
	struct proc *procs[PROCS];
	uint64_t back_us[PROCS]; /* when the supervisor starts each again */
};

struct node *node_new(struct sim *s, int sid);
void node_free(struct node *n);
/* All processes die at once, and of what was not synced any subset is there. */
void node_power_loss(struct node *n);

/* zkd dies, and with it all its processes; what they had to say may be lost. */
void node_down(struct node *n);
/* The machine is on, zkd runs: connections come in again. */
void node_up(struct node *n);

extern const struct proc_ops logd_ops, helper_ops, syncd_ops, clientd_ops, electiond_ops;
void logd_init(struct node *n);
void syncd_init(struct node *n);
void clientd_init(struct node *n);
void electiond_init(struct node *n);
/* Whether its syncd leads, and in which epoch it is. */
bool node_leads(const struct node *n);
uint64_t node_epoch(const struct node *n);
/* Whether its clientd lives and serves; its tree, NULL while there is none. */
bool node_serves(const struct node *n);
const struct tree *node_tree(const struct node *n);
/* The node's monotonic clock, and when it will show that; NEVER for UINT64_MAX. */
uint64_t node_now_ms(const struct node *n);
uint64_t node_us_at(const struct node *n, uint64_t ms);
/* The members that its daemons are started with: what its zkd has written down, else the configuration file's. */
struct slice node_members(struct node *n);
/* Writes them as text: who of all servers is in the set (a bit for each sid) votes, the others observe. */
void node_put_members(const struct sim *s, unsigned voters, uint64_t version, char text[MEMBERS_BYTES]);
/* Version of the members in force, as its syncd knows them; 0: it has none. */
uint64_t node_members_version(const struct node *n);
/*
 * Its leader's syncd is given a reconfig txn after which those in the set vote, as if its clientd had proposed it. That
 * one, which knows nothing of it, is made to load it: its link is broken. Nothing happens where the node does not lead, or
 * cannot propose just now.
 */
void node_reconfigure(struct node *n, unsigned voters);

#endif
