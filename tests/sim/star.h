/*
 * A link of the star as common/io/link.c makes it, without libev: dialling again, HELLO both ways, the newer connection
 * that replaces the older, frames. It decides nothing that link.c does not.
 */
#ifndef SIM_STAR_H
#define SIM_STAR_H

#include "base/arena.h"
#include "ipc/frame.h"
#include "ipc/hello.h"
#include "pipe.h"

struct star;

struct star_ops {
	const char *self, *peer;
	void (*hello)(struct proc *p, struct star *l, Zkd__Hello *mine);
	/* NULL, or why the link must end; so the next. */
	const char *(*up)(struct proc *p, struct star *l, const Zkd__Hello *theirs);
	void (*down)(struct proc *p, struct star *l);
	/* fd: the descriptor that came with the frame, the callee's; or -1. */
	const char *(*frame)(struct proc *p, struct star *l, const struct frame *f, int fd);
};

struct star {
	struct proc *proc;
	const struct star_ops *ops;
	struct listener *listener; /* where it accepts, or dials */
	bool dials, up, ending;
	struct conn *conn, *candidate;
	int side;
	struct arena arena;
	int fd; /* of the frame that is being taken, or -1 */
	struct conn *fd_conn;
	uint64_t redial_us, backoff_us, up_us;
};

void star_init(struct star *l, struct proc *p, const struct star_ops *ops, struct listener *listener,
	       bool dials);
/* Takes what has come. Returns when it wants to be called again, or NEVER. */
uint64_t star_turn(struct star *l);
/* Sends if the link is up; fd is gone either way. */
void star_send(struct star *l, const struct frame *f, int fd);
void star_send_bytes(struct star *l, struct slice bytes);
void star_send_proto(struct star *l, uint16_t type, uint64_t seq, uint64_t zxid, const ProtobufCMessage *m);
/* Ends it from outside of its own callbacks; `down` is called. */
void star_drop(struct star *l, const char *why);
/* Its process died. */
void star_free(struct star *l);

#endif
