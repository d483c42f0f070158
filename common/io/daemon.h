/*
 * The skeleton of a daemon. Each daemon's main is the same short form filled in differently:
 *
 *	static const struct daemon_spec spec = { .name = "electiond", .open = ..., .start = ..., ... };
 *	int main(int argc, char **argv) { struct electiond e = { 0 }; return daemon_run(&spec, &e, argc, argv); }
 *
 * daemon_run does, in this order:
 *	arguments (-c FILE, -D key=value, -d, -n, -v, --help, --version); listeners and configuration
 *	(LISTEN_FDS, LISTEN_FDNAMES: link, control, config, ...), which leave the environment;
 *	dying with zkd where zkd is the parent (ZKD_PARENT_PID, see below);
 *	spec->open: the room opens what it will need, as whoever started us (root, or its own user);
 *	the working directory becomes runtimeDir for who dials its siblings, / for the others;
 *	own user where started as root; a child for names where spec->resolves; the door is locked (sandbox.h);
 *	loop, turn, control socket, watchdog; spec->start: links and watchers;
 *	the loop, until SIGTERM or SIGINT, which calls spec->stop; exit status.
 *
 * READY=1 is the room's word (daemon_ready): when it can do its work. The watchdog is beaten from the loop at a third
 * of its time, so a loop that hangs is noticed.
 *
 * ZKD_PARENT_PID=pid in the environment says that the parent is zkd: the daemon asks the kernel to be killed with it
 * (PR_SET_PDEATHSIG), and exits when it is already gone. Under systemd the variable is absent. ZKD_CORE_DUMPS leaves a
 * daemon of a debug build dumpable.
 */
#ifndef IO_DAEMON_H
#define IO_DAEMON_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/control.h"
#include "io/fault.h"
#include "io/listen.h"
#include "io/log.h"
#include "io/notify.h"
#include "io/resolver.h"
#include "io/sandbox.h"
#include "io/turn.h"
#include "ipc/hello.h"

enum {
	EXIT_BAD_INVOCATION = 2, /* arguments or configuration */
	EXIT_DATA_DIR = 3,       /* the data folder cannot be used or is refused */
	EXIT_BIND = 14,
	EXIT_SUITE_MISMATCH = 79, /* a sibling is of another suite or configuration: restart all */
	DAEMON_QUESTIONS_MAX = 8, /* that a control socket answers */
	DAEMON_STOP_MS = 3000,    /* an orderly stop that takes longer is cut short */
};

struct config;
struct daemon;

struct daemon_spec {
	const char *name;
	const char *purpose; /* one line for --help */
	bool dials;          /* its working directory is runtimeDir after open */
	bool resolves;       /* in an ensemble it has a child that knows names: daemon.resolver, forked */
	/* Before the lock. May add to d->sandbox. 0 or an exit status (of the enum above); it has logged why. */
	int (*open)(struct daemon *d);
	/* After the lock, with loop and turn. Same. */
	int (*start)(struct daemon *d);
	/* End of turn, see turn.h. May be NULL. */
	uint64_t (*step)(struct daemon *d, uint64_t now_ms);
	/* What the room's control socket answers beyond what all do; their owner is the struct daemon. May be NULL. */
	const struct control_message *questions;
	size_t nquestions;
	/* Adds its text and facts to the answer to MSG_STATUS. May be NULL. */
	void (*status)(struct daemon *d, struct status_writer *w);
	/*
	 * Asked before each beat of the watchdog: false withholds it, so that a daemon that finds itself broken is
	 * restarted like one that hangs. May be NULL.
	 */
	bool (*healthy)(struct daemon *d);
	/*
	 * SIGTERM: begin to stop. True: all is done; false: daemon_stop_done follows. NULL: nothing to do. Once it is
	 * done the room is not called any more.
	 */
	bool (*stop)(struct daemon *d);
};

struct daemon {
	const struct daemon_spec *spec;
	void *room;                  /* as given to daemon_run */
	const struct config *config; /* lives as long as the process */
	char *data_dir; /* in full, for whoever asks which node this is; NULL where it cannot be told */
	struct hello_identity identity;
	struct listen_fds listeners; /* to be taken from in open or start */
	struct sandbox sandbox;      /* filled by open */
	struct resolver resolver;    /* where spec->resolves, in an ensemble */
	struct notify notify;
	struct ev_loop *loop;
	struct turn turn;
	struct control control;
	struct control_message messages[DAEMON_QUESTIONS_MAX];
	uid_t asker; /* admind's */
	struct fault fault;
	ev_timer beat, stop_limit;
	ev_signal on_term, on_int;
	uint64_t started_ms;
	int exit_status;
	bool ready, stopping;
	bool stopped;          /* the orderly stop is complete: the room is not called any more */
	char status_line[200]; /* the last daemon_status */
};

/* The whole life of a daemon. It ends by exit, never by returning; the int is for main's sake. */
int daemon_run(const struct daemon_spec *spec, void *room, int argc, char **argv);

/* The room works: READY=1 the first time, nothing after. */
void daemon_ready(struct daemon *d);
/* What it is doing, one sentence: STATUS=, and text of MSG_STATUS where the room gives none. */
void daemon_status(struct daemon *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The orderly stop that spec->stop began is complete. */
void daemon_stop_done(struct daemon *d);
/* Leaves the loop at the end of this turn with that exit status. For what cannot go on. */
void daemon_quit(struct daemon *d, int exit_status);
/* Exits at once with EXIT_SUITE_MISMATCH. */
_Noreturn void daemon_mismatch(const char *peer, const char *why);

#endif
