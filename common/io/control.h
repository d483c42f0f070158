/*
 * A control socket: where zkctl asks a program how it is. Connections carry frames (ipc/frame.h); each question has
 * one answer with the same type and seq. A bad question ends its connection. The supervisor and all daemons serve
 * one; the daemon skeleton (daemon.h) answers what all daemons answer alike.
 */
#ifndef IO_CONTROL_H
#define IO_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "io/acceptor.h"
#include "io/stream.h"
#include "ipc/frame.h"
#include "ipc/msg.h"
#include "ipc/proto.h"

enum { CONTROL_CONNECTIONS_MAX = 16 /* more are closed at once */ };

struct control_conn;

struct control_message {
	uint16_t type;
	bool asks; /* changes no more than a stranger may (control_restrict) */
	/* Answers by control_reply, now or later in the same turn. 0, or -errno to end the connection. */
	int (*handle)(void *owner, struct control_conn *c, const struct frame *f);
};

struct control {
	struct turn *turn;
	struct acceptor acceptor;
	const struct control_message *messages;
	size_t nmessages;
	void *owner;
	struct list conns;
	unsigned nconns;
	bool restricted;
	uid_t asker; /* where restricted: the user who may only ask */
};

/* Serves the listener, which the control socket owns from now on. */
void control_start(struct control *c, struct turn *t, int listener, const struct control_message *messages,
		   size_t nmessages, void *owner);
/* From now on connections of this user, admind's, may send only what is marked as asking. */
void control_restrict(struct control *c, uid_t asker);
/* Closes listener and connections. Harmless on one that is zeroed. */
void control_stop(struct control *c);

/* Unpacks a question's body; NULL when malformed. Lives until the handler returns. */
void *control_take(struct control_conn *c, const struct frame *f, const ProtobufCMessageDescriptor *type);
void control_reply(struct control_conn *c, const struct frame *question, const ProtobufCMessage *answer);
/* Answers with an Answer message. */
void control_answer(struct control_conn *c, const struct frame *question, bool ok, const char *text);

/*
 * Collects a Status. The writer's arena owns everything; names and values are copied.
 */
struct status_writer {
	struct arena arena;
	Zkd__Status status;
	size_t cap;
};

void status_begin(struct status_writer *w, const char *daemon);
/* One sentence for people. */
void status_text(struct status_writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One fact; those that zkctl shows in this order. */
void status_fact(struct status_writer *w, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * What all programs call `queue`: things that were taken and are not finished; the room says what they are.
 */
void status_queue(struct status_writer *w, uint64_t length);
/* How long the loop's turns take. */
void status_turns(struct status_writer *w, const struct turn *t);
void status_end(struct status_writer *w);

#endif
