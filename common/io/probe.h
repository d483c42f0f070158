/*
 * For debug builds: tries, from inside a locked room, what the room must not be able to do. `zkctl debug probe` asks
 * for it, a test sees each refused.
 */
#ifndef IO_PROBE_H
#define IO_PROBE_H

#include "ipc/proto.h"

enum { PROBE_ATTEMPTS = 5 };

/* Room for an answer; what reply points to lives in it. */
struct probe {
	Zkd__ProbeReply reply;
	Zkd__ProbeResult results[PROBE_ATTEMPTS], *list[PROBE_ATTEMPTS];
	char details[PROBE_ATTEMPTS][96];
};

/* Makes all attempts; fields of the request that are empty or 0 are not tried. */
void probe_run(struct probe *p, const Zkd__ProbeRequest *request);

#endif
