/* The AdminServer's commands: /commands lists them, /commands/NAME answers with a JSON object (ZooKeeper: Commands). */
#ifndef ADMIND_COMMANDS_H
#define ADMIND_COMMANDS_H

#include "http.h"

/* The page of a path below admin.commandURL; NULL for a path that is not there. */
const struct page *commands_find(const struct config *c, const char *path);

#endif
