/*
 * A ZooKeeper client as plain as can be: one blocking connection, one request at a time, nothing but what a
 * measurement needs, so that what is measured is the server.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct client {
	int fd;
	int32_t xid;
	struct buf out, in;
};

/* Connects to host:port (numbers) and opens a session. 0 or -errno; -ECONNRESET when the server does not serve. */
int client_open(struct client *c, const char *host, uint16_t port);
/* Closes session and connection. */
void client_close(struct client *c);

/* 0 with what the server said (enum zk_error) in *code, or -errno. */
int client_create(struct client *c, struct slice path, struct slice data, int32_t *code);
int client_set(struct client *c, struct slice path, struct slice data, int32_t *code);
int client_get(struct client *c, struct slice path, int32_t *code);
int client_delete(struct client *c, struct slice path, int32_t *code);
/* A ping is answered by the room that holds the connection: what it costs is the connection alone. */
int client_ping(struct client *c);

#endif
