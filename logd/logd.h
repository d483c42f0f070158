/* What the parts of logd's shell share: main.c (link and store), jobs.c (what the helper does). */
#ifndef LOGD_LOGD_H
#define LOGD_LOGD_H

#include "beat.h"
#include "folders.h"
#include "helper.h"
#include "io/daemon.h"
#include "io/link.h"
#include "posix_disk.h"
#include "store.h"

enum { SCRUB_FIRST_MS = 600000 /* after the start, or the helper's */ };

struct logd {
	struct daemon *daemon;
	struct folders folders;
	struct posix_disk disk, helper_disk;
	struct store *store;
	struct helper helper;
	struct beat beat;
	struct link syncd;
	int keep[5];      /* descriptors of the helper */
	bool told_failed; /* syncd knows that the disk failed */
	uint64_t told_durable;
	struct {
		bool active; /* an INSTALL is to be answered */
		uint64_t seq, number;
	} install;
	bool reserve_missed; /* that there is no reserve was said */
	uint64_t scrub_ms;   /* when the next one is due; UINT64_MAX: never */
	uint64_t scrubs, scrub_damaged;
	char scrub_text[FILES_TEXT_BYTES]; /* the first thing that the last one found */
	bool disk_low;                     /* less space is free than should be */
	uint64_t free_bytes, guard_ms;
	bool sizes_told; /* syncd knows them */
	uint64_t data_bytes, log_bytes;
	uint64_t purge_ms; /* when the next one is due; UINT64_MAX: never */
	uint64_t status_ms, status_zxid;
};

/* Starts the helper; 0 or -errno. */
int jobs_start(struct logd *g);
/* A load for syncd's clientd or a learner: *fd is the end to read from, the caller's. 0 or -errno. */
int jobs_load(struct logd *g, const struct load_request *request, int *fd);
/* A leader's snapshot comes through fd, which is taken over; the answer to seq follows. */
void jobs_install(struct logd *g, uint64_t seq, int fd);
/* What came of it, or comes yet, is no longer wanted; it is answered if it was not. */
void jobs_install_cancel(struct logd *g);
/* Begins a snapshot, where the link is up to ask for one. */
void jobs_snapshot(struct logd *g);
/* Asks for a purge and sets when the next one is due. */
void jobs_purge(struct logd *g, uint64_t now_ms);
/* Has all logs and snapshots read again, and sets when next. */
void jobs_scrub(struct logd *g, uint64_t now_ms);
/* Asks how much space is left, and for a purge where it is too little. */
void jobs_guard(struct logd *g, uint64_t now_ms);
/* Hands on what the store wants done to its files. */
void jobs_chores(struct logd *g);

/* main.c: syncd is told what the disk does, if that has changed. */
void logd_tell_disk(struct logd *g);
/* main.c: so is how large the data is. */
void logd_tell_sizes(struct logd *g);
/* main.c: what a half-done change means only a new start can tell. -EIO. */
int logd_give_up(struct logd *g, const char *what, int error);
/* main.c: the store's history is another from now on; everything that the helper does with the old one ends. */
int logd_end_history(struct logd *g);

#endif
