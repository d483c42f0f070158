/*
 * The data folders: opened as descriptors before logd's door is locked, claimed for this process and for this server.
 *
 * zkd.lock in dataDir, and in dataLogDir where that is another folder, is held by flock(2) as long as logd or a helper
 * of it lives, and says who has it and whose data this is:
 *
 *	pid 1234
 *	server 1
 *
 * A lock that is held is waited for briefly (the helper of a logd that was killed), then the holder is named. A folder
 * of another server is refused. Files of others (myid, what ZooKeeper does not know) are left alone.
 */
#ifndef LOGD_FOLDERS_H
#define LOGD_FOLDERS_H

#include <stdbool.h>

struct config;

enum {
	FOLDERS_LOCK_WAIT_MS = 2000,
	FOLDERS_LOCKS = 2,
};

struct folders {
	int fds[3];               /* by enum store_folder (disk.h) */
	char *names[3];           /* as people know them */
	int locks[FOLDERS_LOCKS]; /* -1: not used */
	bool one;                 /* dataLogDir is dataDir */
};

/*
 * Makes (datadir.autocreate), opens and locks them; where we are root the files become logd's user's. 0, or an exit
 * status with the reason logged. Everything stays open until the process ends.
 */
int folders_open(struct folders *f, const struct config *c);

#endif
