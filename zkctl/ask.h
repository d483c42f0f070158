/*
 * Asks control sockets: one frame out, one frame in, all asked at once, none waited for longer than the limit: a
 * daemon that is stopped or hangs costs the others nothing.
 */
#ifndef ZKCTL_ASK_H
#define ZKCTL_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "ipc/proto.h"

enum { ASK_LIMIT_MS = 1000 };

struct question {
	const char *daemon;           /* asked at DAEMON.control */
	uint16_t type;                /* enum msg_type */
	const ProtobufCMessage *body; /* NULL: empty */
	const ProtobufCMessageDescriptor *answer_type;

	/* Filled in by ask. */
	void *answer; /* in the arena; NULL when there is none */
	int error;    /* 0, or why there is none: -errno */

	/* ask's own. */
	int fd;
	struct buf out, in;
};

/* Asks all n in the folder dirfd; ends when all have answered or failed, or after limit_ms. */
void ask(int dirfd, struct question *questions, size_t n, int64_t limit_ms, struct arena *arena);

/* What an error of a question means to people: "is not running" and the like. */
const char *ask_error_text(int error);

#endif
