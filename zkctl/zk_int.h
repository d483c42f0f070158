/* Between the files of the client: zk.c (requests and replies), zk_dial.c (connections), zk_call.c (operations). */
#ifndef ZKCTL_ZK_INT_H
#define ZKCTL_ZK_INT_H

#include "zk.h"

/* One request in flight. */
struct flight {
	struct list link;
	int32_t xid, op;
	void *tag;
	enum zk_repeat repeat;
	unsigned tries;
	uint64_t begins_at; /* in the stream of this connection; UINT64_MAX: lost with an earlier one */
	size_t len;
	uint8_t frame[]; /* with its length field */
};

/* Closes the connection, and forgets what was received on it. */
void zk_hang_up(struct zk *z);
/*
 * Connects to the next server that serves, and opens or renews the session; every server is tried at least once, and
 * again until wait_ms have passed. Then the auth packets are in z->out. 0, -EINTR, or -errno with z->why.
 */
int zk_connect(struct zk *z, int64_t wait_ms);
/* Waits until fd is ready: 0, -ETIMEDOUT at end_ms, -EINTR when told to stop. */
int zk_wait(const struct zk *z, int fd, short events, int64_t end_ms, short *ready);
/* Sets z->why; returns error. */
int zk_explain(struct zk *z, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
