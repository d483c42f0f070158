/*
 * The simulated disk: files of sectors, of which each knows what is cached and what is on the platter, and names of which
 * the same is known. A process that dies leaves the cache as it is; a power loss keeps of what was not synced any
 * subset of sectors, sizes and names, though never half a rename; a failed sync marks the pages clean, whatever reached the platter.
 *
 * Two views of one disk exist, logd's and its helper's: they share files and names, and differ in handles and in
 * the process that is charged for the time.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "logd/disk.h"
#include "sim.h"

enum { DISK_NAMES = 128, DISK_HANDLES = 32, DISK_SECTOR = 512 };

struct disk_file {
	uint64_t id;
	unsigned refs; /* names and handles */
	uint8_t *cached, *kept;
	uint64_t cached_size, cached_cap, kept_size, kept_cap;
	uint64_t dirty_lo, dirty_hi; /* what may differ lies between */
	uint64_t shrunk;             /* times that kept content was lost or changed other than by growing */
};

struct disk_name {
	char name[48]; /* "": free */
	enum store_folder folder;
	struct disk_file *cached, *kept;
	uint64_t moved; /* number of the rename that touched it since the last sync, as it did another */
};

struct sim_disk {
	struct sim *sim;
	struct disk_name names[DISK_NAMES];
	uint64_t next_id, next_move;
	/* Faults. */
	unsigned fail_syncs, fail_writes; /* so many of the next ones fail */
	bool full;                        /* nothing grows */
	uint64_t crash_in;  /* the process dies in the call with this number from now; 0: it does not */
	uint64_t slow_us;   /* each sync takes so much longer */
	uint64_t failures;  /* calls that failed, ever */
	bool power_follows; /* with that death the power goes */
};

struct disk_view {
	struct store_disk disk;
	struct sim_disk *on;
	struct proc *proc;
	struct disk_file *handles[DISK_HANDLES];
};

void sim_disk_init(struct sim_disk *d, struct sim *s);
void sim_disk_free(struct sim_disk *d);
void disk_view_init(struct disk_view *v, struct sim_disk *d, struct proc *p);
/* The process died. */
void disk_view_drop(struct disk_view *v);
/* After both views were dropped. */
void sim_disk_power_loss(struct sim_disk *d);

#endif
