/*
 * Whether electiond still hears: it dials its own listeners, one after the other, and has to find that connection, with
 * its initial message, among those it accepted. ZooKeeper had servers whose election port had died without anybody
 * noticing (ZOOKEEPER-2186), until the next election needed them.
 *
 * It is deaf when that did not happen within SELFCHECK_LIMIT_MS and nobody else was accepted meanwhile (a port that is
 * busy is not deaf). Then it beats its watchdog no more, and is restarted. Where the own address could never be reached
 * (a firewall) nothing is concluded from that, and one line says so.
 */
#ifndef ELECTIOND_SELFCHECK_H
#define ELECTIOND_SELFCHECK_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/slice.h"

enum {
	SELFCHECK_EVERY_MS = 1000,
	SELFCHECK_LIMIT_MS = 1000,
	SELFCHECK_LISTENERS_MAX = 16,
};

struct selfcheck {
	struct ev_loop *loop;
	struct sockaddr_storage targets[SELFCHECK_LISTENERS_MAX];
	unsigned ntargets, current;
	int fd; /* -1: nothing is under way */
	ev_io connected;
	struct slice message; /* borrowed */
	bool waiting;         /* begun and not heard yet */
	uint64_t begun_ms, accepted_then;
	bool ever, deaf, told;
	uint64_t heard; /* checks that succeeded */
};

void selfcheck_init(struct selfcheck *s, struct ev_loop *loop);
/* A listener, before it is handed on. */
void selfcheck_add(struct selfcheck *s, int listener);
/* accepted: connections so far. message: ours, borrowed until the next call. Returns when it wants to be called again. */
uint64_t selfcheck_tick(struct selfcheck *s, uint64_t now_ms, uint64_t accepted, struct slice message);
/* A connection came that says it is this server: true if it is the check's. */
bool selfcheck_heard(struct selfcheck *s, const struct sockaddr_storage *from);
void selfcheck_stop(struct selfcheck *s);

#endif
