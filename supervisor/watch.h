/*
 * The supervision core: for each daemon a small state machine that says when to start it, when
 * to take it for hung, how long to wait after an early death and when to turn clients away in its place. Pure:
 * it knows no process, signal or clock; the shell (main.c) tells it what happened and does what it answers, in
 * order.
 *
 *	watch_init(&w, watchdog_ms, now_ms);
 *	watch_step(&w, &event, now_ms, &actions);	after each event; actions holds what is to be done
 *	watch_deadline(&w)				then a WATCH_TICK is due at the latest
 *
 * Only WATCH_TICK lets time act. The shell first tells all that it can hear (life signs, exits) and then
 * ticks, so that a sign which lay in the socket while the machine was busy counts.
 *
 * The rules (HACKING.md, "When a room burns"):
 *  - A daemon that is silent for watchdog_ms gets SIGABRT, WATCH_ABORT_MS later SIGKILL. Before its first
 * sign it has WATCH_FIRST_SIGN_MS: that time goes into loading the program.
 *  - A death restarts at once. A death before READY, or within WATCH_EARLY_MS of the start, is early: the
 * first early one still restarts at once, the next wait 100 ms, doubling to 2 s. WATCH_HEALTHY_MS of being
 * ready forgets them.
 *  - Exit 79 (another suite or configuration) restarts all, in order. Exit 2 (bad configuration), and exit 3
 * (data folder refused) of one that was never ready, end the suite with that status: a restart cannot help.
 *  - A daemon that is not ready WATCH_SHED_MS after its death has its network listeners accepted and closed.
 *  - After a gap in its own loop (it was stopped, or the machine slept) every daemon gets a full watchdog
 * period.
 */
#ifndef SUPERVISOR_WATCH_H
#define SUPERVISOR_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/*
 * In the order of starting; syncd, which dials its siblings, is the last of the four that make a node. admind is a
 * guest: it runs where watch_want says so, nobody waits for it, and nothing that it does ends the suite.
 */
enum watch_daemon { WATCH_ELECTIOND, WATCH_LOGD, WATCH_CLIENTD, WATCH_SYNCD, WATCH_ADMIND, WATCH_DAEMONS };
enum { WATCH_NODE_DAEMONS = WATCH_ADMIND /* those that make a node */ };

enum {
	WATCH_ABORT_MS = 200,
	WATCH_FIRST_SIGN_MS = 10000,
	WATCH_EARLY_MS = 1000,
	WATCH_HEALTHY_MS = 10000,
	WATCH_BACKOFF_FIRST_MS = 100,
	WATCH_BACKOFF_MAX_MS = 2000, /* with a load it still leaves a caller less than 5 s without service */
	WATCH_SHED_MS = 1000,
	/* From the order to stop until the shell leaves, whatever still lives: its own death takes that
	   along. */
	WATCH_END_MS = 4800,
};

#define WATCH_NEVER INT64_MAX

enum watch_state {
	WATCH_DOWN,     /* no process, and none is wanted now */
	WATCH_WAITING,  /* no process; one is started at start_at */
	WATCH_STARTING, /* a process that has not said READY */
	WATCH_READY,
	WATCH_STOPPING, /* told to end; killed at kill_at */
	WATCH_HUNG,     /* fell silent: SIGABRT was sent, SIGKILL follows at kill_at */
};

enum watch_plan {
	WATCH_RUN,   /* all are to live */
	WATCH_RENEW, /* all are stopped in order, then all are started */
	WATCH_END,   /* all are stopped in order, then the shell leaves */
};

struct watch_unit {
	enum watch_state state;
	int64_t started_at;
	int64_t ready_at;                   /* WATCH_NEVER until this process was ready */
	int64_t silent_at;                  /* when silence becomes a hang */
	int64_t start_at, kill_at, shed_at; /* WATCH_NEVER when not armed */
	uint32_t starts;
	uint32_t early; /* early deaths not yet forgotten */
	bool was_ready; /* any process of this daemon, ever */
	bool wanted;    /* it is to run at all */
	bool shedding;
};

struct watch {
	struct watch_unit unit[WATCH_DAEMONS];
	enum watch_plan plan;
	unsigned stage; /* place in the order of stopping */
	int64_t watchdog_ms;
	int64_t last;     /* time of the last step */
	int64_t again_at; /* WATCH_RENEW: not started again before this */
	int64_t end_by;   /* WATCH_END */
	int exit_status;  /* WATCH_END: what the shell exits with */
};

enum watch_event_type {
	WATCH_EV_BEGIN,       /* start all */
	WATCH_EV_ALIVE,       /* a daemon said WATCHDOG=1 */
	WATCH_EV_READY,       /* a daemon said READY=1 */
	WATCH_EV_EXITED,      /* its process is gone; status as from waitpid */
	WATCH_EV_NOT_STARTED, /* the process that WATCH_START asked for could not be made */
	WATCH_EV_RESTART,     /* somebody asked for a new process of one daemon */
	WATCH_EV_RENEW,       /* the configuration changed: all anew */
	WATCH_EV_END,         /* told to stop */
	WATCH_EV_TICK,        /* time passed */
	WATCH_EVENTS
};

struct watch_event {
	enum watch_event_type type;
	enum watch_daemon daemon; /* where the event has one */
	int status;               /* EXITED */
};

enum watch_action_type {
	WATCH_START,    /* daemon */
	WATCH_SIGNAL,   /* daemon, value = signal */
	WATCH_OBITUARY, /* daemon, value = wait status, wait_ms = until the restart */
	WATCH_STOPPED,  /* daemon, value = wait status: it ended because it was told to */
	WATCH_SILENT,   /* daemon fell silent; WATCH_SIGNAL follows */
	WATCH_SHED_ON,  /* accept and close in the place of daemon */
	WATCH_SHED_OFF,
	WATCH_GAP,      /* wait_ms = how long this loop stood still: a line for the log */
	WATCH_MISMATCH, /* daemon saw another suite or configuration: all are restarted */
	WATCH_ALL_DOWN, /* WATCH_RENEW: nothing runs; take the new configuration and programs now */
	WATCH_GIVE_UP,  /* daemon, value = exit status for which no restart helps */
	WATCH_LEAVE,    /* value = exit status of the shell */
};

struct watch_action {
	enum watch_action_type type;
	enum watch_daemon daemon;
	int value;
	int64_t wait_ms;
	int64_t uptime_ms; /* OBITUARY, STOPPED */
	uint32_t restarts; /* OBITUARY: restarts so far */
};

/* One step yields at most six actions for a daemon, and two for all. */
enum { WATCH_ACTIONS_MAX = 6 * WATCH_DAEMONS + 2 };

struct watch_actions {
	unsigned n;
	struct watch_action a[WATCH_ACTIONS_MAX];
};

/* Nothing runs until WATCH_EV_BEGIN; then the four do. Times are monotonic milliseconds. */
void watch_init(struct watch *w, int64_t watchdog_ms, int64_t now);

/* The guest is to run too. Before WATCH_EV_BEGIN. */
void watch_want_admind(struct watch *w);
/* Whether d is to run at all. */
bool watch_wanted(const struct watch *w, enum watch_daemon d);

/* Another period, for processes started from now on; to be called while none runs. */
void watch_set_watchdog(struct watch *w, int64_t watchdog_ms);

/* Takes one event; out is overwritten with what the shell has to do, in order. */
void watch_step(struct watch *w, const struct watch_event *ev, int64_t now, struct watch_actions *out);

/*
 * When the next WATCH_TICK is due. Never further than a quarter of the watchdog period after the last step:
 * that makes a gap in the shell's own loop visible.
 */
int64_t watch_deadline(const struct watch *w);

/* A process of this daemon exists. */
bool watch_running(const struct watch *w, enum watch_daemon d);
/* The four are ready. */
bool watch_all_ready(const struct watch *w);
/* Restarts since WATCH_EV_BEGIN: starts beyond the first. */
uint32_t watch_restarts(const struct watch *w, enum watch_daemon d);

#endif
