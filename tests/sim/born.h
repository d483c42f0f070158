/*
 * What lies on the disks when a seed begins: nothing, or the end of a long history of which only a snapshot is left, so
 * that the zxids of an epoch run out.
 */
#ifndef SIM_BORN_H
#define SIM_BORN_H

#include "node.h"

/*
 * An empty tree at zxid. In an ensemble its epoch has still to begin for the servers, though their files say that it
 * has: a leader gives it anew, and goes on with the zxids of that snapshot (logd's room, node_logd.c).
 */
void born_with(struct node *n, uint64_t zxid);

#endif
