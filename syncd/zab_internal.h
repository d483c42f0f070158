/*
 * Inside the zab core: what its files share. Order (zab_order.c) knows txns, acks and logd; role (zab_role.c)
 * knows what clientd is told; zab.c has the step, the links and the table of messages.
 */
#ifndef SYNCD_ZAB_INTERNAL_H
#define SYNCD_ZAB_INTERNAL_H

#include "zab.h"

/* Takes a frame; NULL, or why the link that it came from must end. */
typedef const char *zab_handler(struct zab *z, const struct zab_event *event);

/* zab.c: the actions. */
struct zab_action *zab_act(struct zab *z, enum zab_action_type type, enum zab_link link);
void zab_send(struct zab *z, enum zab_link link, uint16_t type, uint64_t seq, uint64_t zxid,
	      struct slice body);
void zab_end_link(struct zab *z, enum zab_link link, const char *reason);
static inline bool
zab_is_up(const struct zab *z, enum zab_link link)
{
	return z->links[link].up;
}

/* zab_order.c */
/* logd's positions by its HELLO: begins, goes on, or finds that the node must not serve. */
void zab_log_found(struct zab *z, uint64_t durable);
void zab_log_gone(struct zab *z);
/* clientd has applied zxid. */
void zab_applied_found(struct zab *z, uint64_t zxid);
zab_handler zab_on_propose, zab_on_durable, zab_on_disk;

/* zab_role.c */
/* The node is something else now, and clientd is told. */
void zab_become(struct zab *z, enum zab_role role);
/* Gives clientd its role over a fresh link, if there is one to give. */
void zab_tell_clientd(struct zab *z);
void zab_clientd_gone(struct zab *z);
/* Sends clientd's LOAD on as soon as logd can answer it in full. */
void zab_try_load(struct zab *z);
/* Tells clientd how the disk is, if that is news to it. */
void zab_tell_disk(struct zab *z);
zab_handler zab_on_role_ack, zab_on_load, zab_on_load_channel, zab_on_ready, zab_on_snapshot;

#endif
