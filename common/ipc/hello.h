/*
 * HELLO: the first message each way on a star link, and the only way in which two daemons begin to work
 * together, at the first start as after any death. What both sides compare alike is here; positions are the
 * daemons' own matter.
 */
#ifndef IPC_HELLO_H
#define IPC_HELLO_H

#include <stdint.h>

#include "ipc/proto.h"

enum { HELLO_HASH_BYTES = 32 };

/* What a daemon is; the same for all its links. */
struct hello_identity {
	const char *daemon;                    /* electiond, syncd, clientd, logd */
	const char *suite;                     /* version of the suite */
	uint8_t config_hash[HELLO_HASH_BYTES]; /* of the effective configuration */
	uint64_t incarnation;                  /* differs for each start */
};

enum hello_verdict {
	HELLO_WELCOME,
	/* Not the daemon that belongs on this link, or no incarnation: the link ends, nothing else happens.
	 */
	HELLO_STRANGER,
	/* Another suite version or configuration: the suite has to be restarted as a whole. */
	HELLO_MISMATCH,
};

/* An initialised Hello with the identity in it; it borrows from mine. The daemon adds its positions. */
void hello_fill(Zkd__Hello *h, const struct hello_identity *mine);

/* Judges what the other side said; *why gets a few fixed words for the log unless it is welcome. */
enum hello_verdict hello_check(const Zkd__Hello *h, const struct hello_identity *mine,
			       const char *expected_daemon, const char **why);

#endif
