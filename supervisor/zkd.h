/*
 * The shell of the supervisor: one loop around the supervision core (watch.h). All state of the process is in one
 * struct, made by main.c; zkd.c turns what happens into events of the core and carries out what it answers; answers.c
 * serves the control socket.
 */
#ifndef SUPERVISOR_ZKD_H
#define SUPERVISOR_ZKD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "child.h"
#include "folders.h"
#include "io/control.h"
#include "io/notify.h"
#include "io/turn.h"
#include "settings.h"
#include "sockets.h"
#include "watch.h"

struct zkd {
	struct invocation invocation;
	struct settings settings; /* in force */
	struct settings next;     /* after a reload, until all daemons are down; config NULL: none */
	struct runtime_folder runtime;
	struct sockets sockets;
	struct child children[WATCH_DAEMONS];
	struct watch watch;
	uint64_t started_ms[WATCH_DAEMONS], zkd_started_ms;

	struct ev_loop *loop;
	struct turn turn;
	struct control control;
	ev_io on_signs;
	ev_signal on_term, on_int, on_quit, on_hup, on_child;

	struct notify up; /* to whoever started zkd */
	ev_timer beat;
	char told_up[CHILD_STATUS_BYTES + 60]; /* the last STATUS= that it was told */
	bool serving;                          /* the four were ready, and READY=1 was sent */
	bool degraded;                         /* somebody is not ready now */
	int exit_status;
};

/* Runs until told to stop, or until no restart helps. Returns the exit status. */
int zkd_run(struct zkd *z);

/* For answers.c: hands the core an event and does what it answers. */
void zkd_tell(struct zkd *z, enum watch_event_type type, enum watch_daemon d);

/* Serves the control socket. */
void answers_start(struct zkd *z);

#endif
