/*
 * The assignments of a shell script, such as ZooKeeper's java.env and zookeeper-env.sh, read without running it:
 * NAME=value, also behind export, with quotes, continued lines and the variables that were assigned before. Whatever
 * else a shell can do (conditions, commands in backquotes) is passed over; a variable that is not known stays in the
 * value as ${NAME}. Pure.
 */
#ifndef ZKCTL_SHELLVARS_H
#define ZKCTL_SHELLVARS_H

#include <stddef.h>

#include "base/arena.h"
#include "base/slice.h"

enum { SHELLVARS_MAX = 256, SHELLVARS_TEXT_MAX = 1 << 20 };

struct shellvar {
	const char *name, *value;
	int line; /* where it was assigned last, from 1 */
};

struct shellvars {
	struct arena *arena; /* borrowed; owns the strings */
	struct shellvar v[SHELLVARS_MAX];
	size_t n;
};

void shellvars_init(struct shellvars *s, struct arena *arena);
/* Adds what the text assigns; a name assigned again has its new value. */
void shellvars_read(struct shellvars *s, struct slice text);
/* NULL where it was not assigned. */
const struct shellvar *shellvars_find(const struct shellvars *s, const char *name);

#endif
