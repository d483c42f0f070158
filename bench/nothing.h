/*
 * A server that does no work: it gives sessions and answers each request with what was made up at its start, of the
 * right shape and size. It keeps nothing but who watches: whatever is set, all of them are told. What a load reaches
 * against it is the ceiling that kernel, loopback and the load generator leave to any server with one thread.
 */
#ifndef BENCH_NOTHING_H
#define BENCH_NOTHING_H

#include <stdint.h>

struct nothing_config {
	unsigned size, keys; /* bytes of data; children of any znode */
};

/* A listener on a loopback port (0: any free one, which *port then tells), or -errno. */
int nothing_listen(uint16_t *port);
/* Serves until SIGTERM or SIGINT; with lifeline >= 0 also until the other side of that pipe is closed. 0 or -errno. */
int nothing_serve(int listener, const struct nothing_config *config, int lifeline);

#endif
