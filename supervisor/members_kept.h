/*
 * The list of members while it changes: what syncd says is in force is written down as ZooKeeper writes it, so that the
 * node, or a server of ZooKeeper in its place, starts with it; and given to daemons that are started from now on. Only
 * with reconfigEnabled; without it the list is the operator's.
 *
 * The text was written by syncd's own hand of what it parsed, and is parsed again here; nothing of it is a path.
 */
#ifndef SUPERVISOR_MEMBERS_KEPT_H
#define SUPERVISOR_MEMBERS_KEPT_H

#include "base/slice.h"
#include "config/config.h"
#include "settings.h"

/*
 * text has commas for line ends (io/notify.h). What is older than what we have, or no list, changes nothing. Logs what it
 * did, and what it could not do; runtime_dir as for settings_seal.
 */
void members_kept(struct settings *s, const struct invocation *inv, const char *runtime_dir,
		  struct slice text);

/* Whether peers reach the server where they did. */
bool members_same_place(const struct config_server *x, const struct config_server *y);

#endif
