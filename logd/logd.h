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
	uint64_t cuts;     /* TRUNCATEs carried out */
	uint64_t purge_ms; /* when the next one is due; UINT64_MAX: never */
	uint64_t status_ms, status_zxid;
};

/* Starts the helper; 0 or -errno. */
int jobs_start(struct logd *g);
/* A load for syncd's clientd: *fd is the end to read from, the caller's. 0 or -errno. */
int jobs_load(struct logd *g, const struct load_request *request, int *fd);
/* Begins a snapshot, where the link is up to ask for one. */
void jobs_snapshot(struct logd *g);
/* Asks for a purge and sets when the next one is due. */
void jobs_purge(struct logd *g, uint64_t now_ms);
/* Hands on what the store wants done to its files. */
void jobs_chores(struct logd *g);

#endif
