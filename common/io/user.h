/* The users that the daemons run as when they were started by root. */
#ifndef IO_USER_H
#define IO_USER_H

#include <stdbool.h>
#include <sys/types.h>

struct user {
	uid_t uid;
	gid_t gid;
	bool by_number; /* no such account exists: a fixed number of ours is used */
};

/*
 * The user of a daemon: the configured name or number (user.DAEMON), else zkd-DAEMON where that account exists, else
 * a fixed number of our own. 0; -ENOENT when a configured user does not exist, -EINVAL for an unknown daemon.
 */
int user_find(const char *daemon, const char *configured, struct user *u);

/* Becomes that user for good: no other groups, no way back. 0 or -errno; the caller has to exit then. */
int user_become(const struct user *u);

#endif
