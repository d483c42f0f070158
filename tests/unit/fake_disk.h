/*
 * A disk in memory for the store's tests: files of sectors, of which each knows what is cached and what is on the
 * platter. Any call can be made to fail, or to be the last before a crash; a power loss keeps an arbitrary subset of what
 * was not synced: sectors, sizes, names. A rename is there or not, as journals have it: never half of it.
 */
#ifndef TESTS_FAKE_DISK_H
#define TESTS_FAKE_DISK_H

#include "logd/disk.h"

enum { FAKE_FILES = 64, FAKE_SECTOR = 512 };

struct fake_file {
	uint64_t id;            /* 0: free */
	unsigned refs;          /* handles and names */
	uint8_t *cached, *kept; /* the platter's view is kept */
	uint64_t cached_size, kept_size;
	uint64_t dirty_lo, dirty_hi; /* what a sync writes; what else differs was lost by one that failed */
};

struct fake_name {
	char name[64]; /* "": free */
	enum store_folder folder;
	int cached, kept; /* file index, -1: no such name there */
	uint64_t moved;   /* number of the rename that touched it since the last sync, as it did another */
};

enum fake_fault {
	FAKE_FAIL_ONCE, /* that call fails, later ones work */
	FAKE_FAIL_SOME, /* it and the next nine */
	FAKE_CRASH,     /* it and all later ones do nothing and fail: the process is dead */
};

struct fake_disk {
	struct store_disk disk;
	struct fake_file files[FAKE_FILES];
	struct fake_name names[FAKE_FILES];
	int handles[FAKE_FILES]; /* file index, -1 */
	uint64_t random, next_id, next_move, clock_us;
	uint64_t calls;    /* that change or sync, so far */
	uint64_t fault_at; /* number of the call that fails; 0: none */
	enum fake_fault fault;
	int error; /* what a failing call says */
	bool faulted;
	uint64_t looks;    /* calls that change nothing, so far */
	uint64_t blind_at; /* number of the one that fails; 0: none */
	uint64_t capacity; /* bytes of all files; 0: no limit */
	uint64_t sync_us;  /* how long a sync takes */
};

void fake_disk_init(struct fake_disk *f, bool one_folder, uint64_t seed);
void fake_disk_free(struct fake_disk *f);
/* The process died: handles are gone, the cache stays. */
void fake_disk_kill(struct fake_disk *f);
/* The machine died: of what was not synced, any subset is there. */
void fake_disk_power_loss(struct fake_disk *f);
/* The cached file of that name, or NULL. */
struct fake_file *fake_disk_find(struct fake_disk *f, enum store_folder folder, const char *name);
/* Makes a file with that content, synced, or replaces it. */
void fake_disk_put(struct fake_disk *f, enum store_folder folder, const char *name, const void *data,
		   size_t len);
uint64_t fake_disk_random(struct fake_disk *f);

#endif
