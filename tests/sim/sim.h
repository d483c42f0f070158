/*
 * The simulated world: one thread, one virtual clock, one seed. Whatever happens is an event with a time; events of the
 * same time happen in the order in which they were asked for. All chance comes from the seed, in streams of their
 * own for what has nothing to do with each other; no address, no hash order and no clock of the machine takes part, so
 * one seed is one course of events under any compiler.
 *
 * A process (struct proc) is a daemon, logd's helper or a client. It does something only in its turn: it takes what has
 * come, steps its core, carries out actions. It can die between two turns, or inside one at a call of the disk.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/trace.h"
#include "heap.h"
#include "mutate.h"

enum {
	VOTERS_MAX = 5,
	OBSERVERS_MAX = 2,
	NODES_MAX = VOTERS_MAX + OBSERVERS_MAX,
	BY_SEED = -1,           /* of what is drawn unless it is asked for */
	PLACES = NODES_MAX + 1, /* of the network: 0 the clients', then the nodes by sid */
	PLACE_CLIENTS = 0,
	PROCS = 5, /* of a node */
	CLIENTS_MAX = 12,
	MEMBERS_BYTES = 600,
	VOTERS_MIN = 3, /* that a reconfiguration leaves */
	MS = 1000,      /* microseconds */
	SECOND = 1000 * MS,
};
#define NEVER UINT64_MAX

struct sim;
struct node;
struct proc;

/* ---- Chance ---- */

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);
/* 0 to n - 1; n must not be 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Once in n times. */
bool rng_once_in(struct rng *r, uint64_t n);
/* lo to hi, both included. */
uint64_t rng_range(struct rng *r, uint64_t lo, uint64_t hi);

/* ---- Events ---- */

typedef void sim_event_fn(struct sim *s, void *who, uint64_t tag);

struct sim_event {
	uint64_t at_us, number;
	sim_event_fn *fire;
	void *who;
	uint64_t tag;
};

/* ---- Processes ---- */

enum proc_kind { PROC_LOGD, PROC_HELPER, PROC_SYNCD, PROC_CLIENTD, PROC_ELECTIOND, PROC_CLIENT, PROC_KINDS };

struct proc_ops {
	void (*start)(struct proc *p);
	/* Does what is due; returns the microsecond of its next turn if nothing comes before, or NEVER. */
	uint64_t (*turn)(struct proc *p);
	/* Frees what the process had; its connections break. */
	void (*die)(struct proc *p);
};

struct proc {
	struct sim *sim;
	struct node *node; /* NULL: a client */
	enum proc_kind kind;
	char name[24]; /* for the trace: "n1.clientd", "c3" */
	const struct proc_ops *ops;
	bool alive;
	bool dying;          /* dies at the end of this turn: nothing it does from here on happens */
	uint64_t life;       /* number of its start */
	uint8_t config;      /* number of the configuration that it was started with */
	unsigned sends_left; /* it dies at that message; 0: it does not */
	uint64_t paused_us, wake_us;
	uint64_t spent_us;  /* time that this turn has taken so far, in calls of the disk */
	struct trace trace; /* of its cores */
	struct heap heap;
	bool starved; /* dies of want of memory: its cores are in no state to be freed */
};

void proc_init(struct proc *p, struct sim *s, struct node *n, enum proc_kind kind, const struct proc_ops *ops,
	       const char *name);
void proc_start(struct proc *p);
void proc_kill(struct proc *p);
/* Has a turn at that time, or earlier. Harmless for a dead one. */
void proc_wake(struct proc *p, uint64_t at_us);
/* Does nothing until then. */
void proc_pause(struct proc *p, uint64_t until_us);

/* ---- The world ---- */

struct model;
struct client;
struct channel;
struct story;
struct buf;

/* One direction between two places. */
struct net_link {
	bool blocked;
	uint64_t slow_us;
};

struct sim_counts {
	uint64_t calls, answers, faults, txns, events;
};

struct sim {
	uint64_t seed, now_us;
	uint64_t first_zxid; /* that is on all disks when it begins */
	int64_t wall_jump_ms;
	struct rng net, disk, faults, load; /* streams of chance */
	struct sim_event *heap;
	size_t nheap, heap_cap;
	uint64_t event_number, lives;

	struct net_link links[PLACES][PLACES];
	struct list net_conns;

	int nvoters, nobservers, nnodes; /* nnodes: all of them */
	unsigned observers;              /* a bit for each sid */
	bool reconfigures;               /* members change */
	char members[MEMBERS_BYTES];     /* text of the configuration file */
	struct node *nodes[NODES_MAX];
	int nclients;
	struct client *clients[CLIENTS_MAX];
	struct model *model;
	struct channel *channels; /* ends of bulk channels, by number */
	size_t nchannels, channels_cap;

	bool healing;   /* no more faults */
	bool quiet;     /* no more requests */
	uint64_t think; /* factor of the time between requests */
	enum mutation mutation;
	struct rng mutate;
	bool tracing, failed;

	const struct story *story; /* NULL: a seed */
	unsigned variant, said;    /* said: times that what the scene waits for was heard */
	int scene;
	struct node *story_node;
	uint64_t scenes_from_us;
	struct buf *record; /* the trace of the story, or NULL */

	char failure[400];
	uint64_t acked; /* highest zxid of a write that a client knows to be done */
	struct sim_counts counts;
};

void sim_at(struct sim *s, uint64_t at_us, sim_event_fn *fire, void *who, uint64_t tag);
/* Lets the next event happen; there must be one. */
void sim_next(struct sim *s);
/* Runs one seed to its end. Fields before: nvoters, nobservers (or BY_SEED), mutation, tracing. */
void sim_run(struct sim *s, uint64_t seed);

static inline uint64_t
sim_now_ms(const struct sim *s)
{
	return s->now_us / MS;
}

int64_t sim_wall_ms(const struct sim *s);

static inline bool
sim_observes(const struct sim *s, int sid)
{
	return (s->observers >> sid & 1) != 0;
}

/* A check does not hold. The first one is kept, and the seed ends. */
void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One line of the trace: who NULL for the world itself. */
void sim_line(struct sim *s, const struct proc *who, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define sim_trace(s, who, event, ...)                                                                        \
	do {                                                                                                 \
		if ((s)->tracing || (s)->story != NULL)                                                      \
			sim_line((s), (who), (event), __VA_ARGS__);                                          \
	} while (0)

/* Whether the planted bug of that name is to show now: always, or as often as chance allows. */
bool sim_mutates(struct sim *s, enum mutation m, uint64_t once_in);

/* faults.c */
void faults_begin(struct sim *s);
/* A process has died. */
void faults_died(struct proc *p);
/* It has met a sibling of another configuration: all of its node are started anew. */
void faults_mismatch(struct proc *p);
/* The machine of n goes off, and on again later. */
void faults_lose_power(struct node *n);
/* The nodes in the set (a bit for each sid) are not heard by the others; nor do they hear them, unless one_way. */
void faults_partition(struct sim *s, unsigned side, bool one_way, uint64_t us);
/* Everything works from now on. */
void faults_heal(struct sim *s);

#endif
