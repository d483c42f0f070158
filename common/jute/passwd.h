/*
 * Session passwords as ZooKeeper derives them. They are no secret: anyone who knows a session's id knows its
 * password (only the low 48 bits count). Servers of one ensemble must agree on them, so that a session can
 * move.
 */
#ifndef JUTE_PASSWD_H
#define JUTE_PASSWD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { PASSWD_BYTES = 16 };

/* ZooKeeper: ZooKeeperServer.generatePasswd. */
void passwd_derive(int64_t session, uint8_t out[PASSWD_BYTES]);

/* Whether passwd is that of the session. Takes the same time whatever the bytes are. */
bool passwd_check(int64_t session, struct slice passwd);

#endif
