/*
 * Questions to the other programs of the node, at their control sockets in runtimeDir (the working directory). One
 * connection to each, made when it is first asked and again after it has ended; answers are told by their numbers.
 *
 * A question that is sent is answered once: by a frame, or by none when the program is away or silent for ASK_LIMIT_MS.
 * Until then it belongs to the asker, unless it is taken back with ask_cancel.
 */
#ifndef ADMIND_ASK_H
#define ADMIND_ASK_H

#include "base/list.h"
#include "io/stream.h"
#include "ipc/frame.h"
#include "ipc/proto.h"

enum ask_program { ASK_ZKD, ASK_ELECTIOND, ASK_SYNCD, ASK_CLIENTD, ASK_LOGD, ASK_PROGRAMS };
enum { ASK_LIMIT_MS = 2000 };

extern const char *const ask_names[ASK_PROGRAMS];

struct question {
	struct list link;
	uint64_t seq, deadline_ms;
	void *owner;
	/* f is NULL where no answer comes, else borrowed. */
	void (*answered)(struct question *q, const struct frame *f);
};

struct ask_line {
	struct ask *ask;
	enum ask_program program;
	struct stream stream;
	struct list waiting; /* questions, oldest first */
};

struct ask {
	struct turn *turn;
	struct ask_line lines[ASK_PROGRAMS];
	uint64_t seq;
};

void ask_init(struct ask *a, struct turn *t);
/*
 * Sends a question of this type; body may be NULL. 0, or -errno when the program cannot be reached: then the question
 * is not taken, and `answered` is not called.
 */
int ask_send(struct ask *a, struct question *q, enum ask_program to, uint16_t type,
	     const ProtobufCMessage *body, uint64_t now_ms);
/* Questions without an answer yet. */
unsigned ask_waiting(const struct ask *a);
/* No answer is wanted any more. Harmless for a question that was answered or never sent. */
void ask_cancel(struct question *q);
/* Gives up what has waited too long. Returns when it wants to be called again. */
uint64_t ask_tick(struct ask *a, uint64_t now_ms);
/* Closes all; what waits is answered by none. */
void ask_stop(struct ask *a);

#endif
