/*
 * The folders of a node: runtimeDir with its sockets and lock, and the data folders, which zkd only creates and gives
 * to logd. No path is limited in length: everything below runtimeDir is done relative to its descriptor.
 */
#ifndef SUPERVISOR_FOLDERS_H
#define SUPERVISOR_FOLDERS_H

#include "settings.h"

struct runtime_folder {
	char *path; /* absolute */
	int fd;
	int lock_fd; /* locked for as long as zkd lives */
};

/*
 * Creates and opens runtimeDir, and locks it against a second zkd. Returns 0 or the exit status of zkd, after a log
 * line for people.
 */
int runtime_folder_open(struct runtime_folder *f, const struct settings *s);
void runtime_folder_close(struct runtime_folder *f);

/*
 * Makes dataDir and dataLogDir where datadir.autocreate allows; where zkd is root they become logd's, with what
 * ZooKeeper keeps in them. Returns 0 or an exit status, after a log line.
 */
int data_folders_prepare(const struct settings *s);

#endif
