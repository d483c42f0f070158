/*
 * logd's helper: a child that does what would keep the append path waiting: loading, writing snapshots and receiving a
 * leader's, allocating and trimming logs, purging, scrubbing. It lives in the same locked room, on the same folders, dies with logd, and is started again
 * when it dies alone or stands still outside a disk call; what it had in hand then is lost, and whoever waits for it sees its channel end.
 */
#ifndef LOGD_HELPER_H
#define LOGD_HELPER_H

#include <ev.h>
#include <sys/types.h>

#include "files.h"
#include "load.h"
#include "posix_disk.h"
#include "snapfile.h"
#include "store.h"

enum helper_kind {
	HELPER_LOAD,
	HELPER_SNAPSHOT,
	HELPER_INSTALL,
	HELPER_CHORE,
	HELPER_PURGE,
	HELPER_SCRUB,
	HELPER_GUARD, /* looks how much space is left, and purges where it is too little */
};

/* Both directions are whole datagrams between two images of one program. */
struct helper_job {
	enum helper_kind kind; /* LOAD, SNAPSHOT and INSTALL carry a channel's descriptor */
	struct load_request load;
	struct store_chore chore;
	uint32_t retain;         /* PURGE, GUARD; 0: nothing is removed */
	enum snapfile_form form; /* SNAPSHOT */
	uint64_t
	    keep_free; /* SNAPSHOT, INSTALL: so much space is left to the log; PURGE: only where less is free */
	uint64_t upto, rate; /* SCRUB: what is durable; bytes a second */
	uint64_t number;     /* INSTALL: comes back in the report */
};

struct helper_report {
	enum helper_kind kind;
	int error;     /* 0, or -errno */
	uint64_t zxid; /* SNAPSHOT, INSTALL: exact at */
	uint64_t
	    count; /* LOAD: bytes sent; SNAPSHOT, INSTALL: bytes; PURGE, GUARD: files removed; SCRUB: damaged */
	enum load_kind load; /* LOAD: of the job */
	struct store_chore chore;
	uint64_t free_bytes, wanted_bytes; /* GUARD */
	uint64_t data_bytes, log_bytes;    /* GUARD: of all files there */
	uint64_t files, bytes;             /* SCRUB: read */
	uint64_t number;                   /* INSTALL: of the job */
	char text[FILES_TEXT_BYTES];       /* what went wrong */
};

struct helper {
	struct ev_loop *loop;
	struct posix_disk *disk; /* the child's own */
	const int *keep;         /* descriptors that the child needs, -1 where unused */
	size_t nkeep;
	void (*report)(struct helper *h, const struct helper_report *r);
	void (*died)(struct helper *h); /* it is running again already; what it had is lost */
	ev_io watcher;
	ev_timer look;
	struct pulse *pulse;   /* of the child, in memory shared with it */
	unsigned seen, missed; /* its pulse at the last look; looks at which nothing had changed */
	int fd;                /* -1: not running */
	pid_t pid;
	uint64_t started_ms;
};

/* Starts it; the fields up to `died` are the caller's. 0 or -errno. */
int helper_start(struct helper *h);
/* Ends it and starts another: the files that it reads and writes are about to change under it. 0 or -errno. */
int helper_renew(struct helper *h);
/* Ends it. */
void helper_stop(struct helper *h);
/* Gives it a job; fd (-1: none) is closed here in any case. 0, or -errno: it did not get it. */
int helper_send(struct helper *h, const struct helper_job *job, int fd);

/* helper_child.c: the child's life, on its end of the socket. */
_Noreturn void helper_child(int fd, struct posix_disk *d);

#endif
