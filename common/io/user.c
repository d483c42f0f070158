/* See user.h. */
#include "io/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Numbers for systems without our accounts: one for each daemon, so that none can touch another. */
static const struct {
	const char *daemon;
	uid_t uid;
} fixed[] = {
	{ "electiond", 64211 }, { "syncd", 64212 },  { "clientd", 64213 },
	{ "logd", 64214 },      { "admind", 64215 },
};

/* A plain number is taken as it is, with the group of the same number where it has no account. */
static int
find_configured(const char *name, struct user *u)
{
	const struct passwd *pw = getpwnam(name);
	char *end;
	unsigned long n;

	if (pw == NULL) {
		errno = 0;
		n = strtoul(name, &end, 10);
		if (errno != 0 || end == name || *end != '\0' || n == 0 || n >= (uid_t)-1)
			return -ENOENT;
		*u = (struct user){ .uid = (uid_t)n, .gid = (gid_t)n };
		pw = getpwuid((uid_t)n);
	}
	if (pw != NULL)
		*u = (struct user){ .uid = pw->pw_uid, .gid = pw->pw_gid };
	return 0;
}

int
user_find(const char *daemon, const char *configured, struct user *u)
{
	char account[64];

	if (configured != NULL)
		return find_configured(configured, u);
	snprintf(account, sizeof account, "zkd-%s", daemon);
	if (find_configured(account, u) == 0)
		return 0;
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
		if (strcmp(fixed[i].daemon, daemon) == 0) {
			*u = (struct user){ .uid = fixed[i].uid, .gid = fixed[i].uid, .by_number = true };
			return 0;
		}
	}
	return -EINVAL;
}

int
user_become(const struct user *u)
{
	if (setgroups(0, NULL) != 0 || setresgid(u->gid, u->gid, u->gid) != 0 ||
	    setresuid(u->uid, u->uid, u->uid) != 0)
		return -errno;
	/* Whatever the system let us do: if there is a way back, this is not the user we were asked to be. */
	if (u->uid != 0 &&
	    (setuid(0) == 0 || getuid() != u->uid || geteuid() != u->uid || getgid() != u->gid))
		return -EPERM;
	return 0;
}
