/*
 * One transaction of a log, told in words. Takes what ZooKeeper 3.8 and 3.9 and zkd write, and what older servers did:
 * creates without parentCVersion, closeSession without its list, no digest.
 */
#ifndef ZKCTL_TXN_H
#define ZKCTL_TXN_H

#include <stdbool.h>

#include "base/arena.h"
#include "disk/txnlog.h"
#include "facts.h"

/* Whether the record can be read: its checksum may be right and its content nonsense. */
bool txn_readable(const struct txnlog_entry *e, struct arena *arena);
/* All of it: zxid, time, session, cxid, type, record, digest. False when the record cannot be read; the rest is told. */
bool txn_tell(const struct txnlog_entry *e, struct arena *arena, struct facts *f);

#endif
