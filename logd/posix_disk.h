/*
 * The store's disk by system calls, relative to folders opened before logd's door is locked. `busy` is set while a call
 * may be waiting for the disk, for the watchdog thread (beat.h).
 */
#ifndef LOGD_POSIX_DISK_H
#define LOGD_POSIX_DISK_H

#include <stdatomic.h>

#include "disk.h"

struct posix_disk {
	struct store_disk disk;
	int folders[3];    /* by enum store_folder; owned by who opened them */
	atomic_bool *busy; /* NULL: nobody looks */
};

void posix_disk_init(struct posix_disk *p, const int folders[3], const char *const names[3], bool one_folder);

#endif
