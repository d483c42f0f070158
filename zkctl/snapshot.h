/* The verbs of zkctl snapshot. Paths are as a client gives them. */
#ifndef ZKCTL_SNAPSHOT_H
#define ZKCTL_SNAPSHOT_H

#include "base/slice.h"
#include "file.h"
#include "zkctl.h"

int snapshot_ls(const struct options *o, const char *file, const char *path);
int snapshot_stat(const struct options *o, const char *file, const char *path);
int snapshot_get(const struct options *o, const char *file, const char *path);
int snapshot_verify(const struct options *o, const char *file);

/* What an ephemeralOwner says of a node (ZooKeeper: EphemeralType). */
enum owner { OWNER_NONE, OWNER_SESSION, OWNER_CONTAINER, OWNER_TTL };
enum owner snapshot_owner(int64_t ephemeral_owner);

/*
 * After snapfile_read came back with ret: ZKCTL_OK when the file is whole, else an exit status after a complaint. A
 * reading that an event stopped counts as good.
 */
int snapshot_status(const char *file, int ret, const struct snapfile *s);

#endif
