/*
 * The programs of the daemons and their processes. The executables are opened once, when zkd starts, and run from those
 * descriptors: what an upgrade puts on the disk is run by the next zkd, never beside the old ones.
 */
#ifndef SUPERVISOR_CHILD_H
#define SUPERVISOR_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "settings.h"
#include "sockets.h"

enum { CHILD_STATUS_BYTES = 200 };

struct child {
	int program_fd;                  /* -1: admind's, where it is not to run */
	pid_t pid;                       /* 0: none */
	char status[CHILD_STATUS_BYTES]; /* its last STATUS= line */
};

/*
 * Opens the executables: in pkglibexecdir, or beside a zkd that runs from its build tree. 0, or an exit status after
 * a log line. admind's only where it is wanted; without it the node runs all the same, after a warning.
 */
int child_open_programs(struct child children[WATCH_DAEMONS], bool admind);

/* What a daemon is started with. */
struct child_start {
	const struct settings *settings;
	const struct invocation *invocation;
	const struct sockets *sockets;
};

/* Starts daemon d in c->pid. 0 or -errno. What goes wrong behind the fork is told by the process's exit status. */
int child_spawn(struct child *c, enum watch_daemon d, const struct child_start *with);

/* Processor time that a process has used, 0 when it cannot be known. */
uint64_t child_cpu_ms(pid_t pid);
/* Resident memory of a process in bytes, 0 when it cannot be known. */
uint64_t child_rss_bytes(pid_t pid);

#endif
