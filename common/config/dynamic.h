/*
 * The two files in which ZooKeeper keeps a list of members that changes while servers run: zoo.cfg.dynamic.VERSION with
 * the list, and zoo.cfg, whose dynamicConfigFile names it. Pure: texts in, texts out; who owns the files writes them.
 * Source: ZooKeeper, QuorumPeerConfig (writeDynamicConfig, editStaticConfig), QuorumPeer.makeDynamicConfigFilename.
 */
#ifndef CONFIG_DYNAMIC_H
#define CONFIG_DYNAMIC_H

#include "base/buf.h"
#include "base/slice.h"
#include "config.h"
#include "members.h"

/* Appends the list as it stands in its file: lines sorted, without the version, which the file's name has. */
void dynamic_put_list(const struct members *m, struct buf *out);

/*
 * Appends zoo.cfg without what the list replaces (servers, groups, weights, peerType and an older dynamicConfigFile), then
 * the new pointer. erase_client: also without clientPort and clientPortAddress, which this server's own line in the list
 * tells. Everything else stays as it was written, comments too. 0, or -EINVAL for a text that config_load refuses.
 */
int dynamic_edit_static(struct slice text, const char *list_path, bool erase_client, struct buf *out);

#endif
