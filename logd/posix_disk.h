/*
 * The store's disk by system calls, relative to folders opened before logd's door is locked. Each call that may wait for
 * the disk shows in the pulse.
 */
#ifndef LOGD_POSIX_DISK_H
#define LOGD_POSIX_DISK_H

#include "disk.h"
#include "pulse.h"

struct posix_disk {
	struct store_disk disk;
	int folders[3];      /* by enum store_folder; owned by who opened them */
	struct pulse *pulse; /* NULL: nobody looks */
};

void posix_disk_init(struct posix_disk *p, const int folders[3], const char *const names[3], bool one_folder);

#endif
