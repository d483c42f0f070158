/*
 * A star link: frames between two daemons over a Unix stream socket.
 *
 * syncd dials (link_dial): at once when the link goes down, then with a back-off of 5 to 50 ms. The others accept
 * (link_listen): a connection takes the place of an older one as soon as its HELLO has been found good. Both sides
 * send HELLO first; link compares it (ipc/hello.h) and adds the daemon's own positions by a callback; only then
 * does the link count as up and frames reach the daemon's handlers.
 *
 * Frames are dispatched by a const table: type, name, the states in which it may come, its handler. A state is a
 * small number that belongs to the daemon (link_set_state); it is 0 when the link comes up. A frame that is unknown,
 * not permitted in the state, malformed, or refused by its handler ends the link, never the daemon, with one log line
 * that names the sibling, the message and the reason. The way back is a new HELLO.
 *
 * Sending never blocks and never fails: what is sent while the link is down is lost, as it would be with the daemon
 * behind it, and HELLO sorts it out. Output that passes out_max ends the link.
 */
#ifndef IO_LINK_H
#define IO_LINK_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "io/acceptor.h"
#include "io/stream.h"
#include "io/turn.h"
#include "ipc/frame.h"
#include "ipc/hello.h"
#include "ipc/proto.h"

enum {
	LINK_TYPES = 64,          /* message types on star links are below this */
	LINK_OUT_MAX = 256 << 20, /* output that a sibling has not read; it is ended then */
	LINK_REDIAL_FIRST_MS = 5,
	LINK_REDIAL_MAX_MS = 50,
};

#define LINK_STATE(n)  (1u << (n))
#define LINK_ANY_STATE (~0u)

struct link;

struct link_message {
	uint16_t type;    /* enum msg_type */
	bool descriptor;  /* it carries exactly one, to be taken with link_take_fd */
	uint32_t states;  /* LINK_STATE bits in which it may come */
	const char *name; /* for the log */
	/* 0, or -errno (best by link_refuse) to end the link. The frame's body is borrowed. */
	int (*handle)(void *owner, struct link *l, const struct frame *f);
};

struct link_ops {
	const char *peer; /* the daemon that must be at the other end */
	const struct link_message *messages;
	size_t nmessages;
	/* Adds the daemon's positions to its HELLO; called whenever one is sent. May be NULL. */
	void (*hello)(void *owner, struct link *l, Zkd__Hello *mine);
	/* Both HELLOs are exchanged and frames may be sent. theirs is borrowed. 0, or -errno to end the link. */
	int (*up)(void *owner, struct link *l, const Zkd__Hello *theirs);
	/* A link that was up has ended. Not called by link_close. */
	void (*down)(void *owner, struct link *l);
	/* The other side is of another suite or configuration. Usually daemon_mismatch, which does not return. */
	void (*mismatch)(void *owner, struct link *l, const char *why);
};

struct link_conn;

struct link {
	const struct link_ops *ops;
	void *owner;
	struct turn *turn;
	const struct hello_identity *identity;
	const struct link_message *by_type[LINK_TYPES];
	struct link_conn *conn;      /* the connection in use, dialled or found good */
	struct link_conn *candidate; /* accepted, its HELLO is awaited */
	unsigned state;              /* the daemon's */
	struct acceptor acceptor;
	size_t out_max;   /* LINK_OUT_MAX unless set lower between link_init and the start */
	const char *path; /* dialled, relative to the working directory; NULL: accepts */
	ev_timer redial;
	uint32_t backoff_ms;
	bool complained; /* that nobody can be dialled, since it was last up */
	uint64_t up_ms; /* clock_mono_ms when it came up */
	uint64_t ups;   /* how often it came up */
	struct arena arena;
	char why[160]; /* reason given by link_refuse */
};

/* Everything pointed to must live as long as the link. The link starts when it is dialled or listens. */
void link_init(struct link *l, struct turn *t, const struct link_ops *ops, void *owner,
	       const struct hello_identity *identity);
/* Dials path, which is relative to the working directory (see daemon.h), now and whenever the link is down. */
void link_dial(struct link *l, const char *path);
/* Accepts on a listener, which the link owns from now on. */
void link_listen(struct link *l, int listener);
/* Ends what there is without a callback, dials and accepts no more. */
void link_close(struct link *l);
/* Ends the connection in use with a log line, as a bad frame would; `down` is called. It comes back by itself. */
void link_drop(struct link *l, const char *why);

bool link_is_up(const struct link *l);
static inline void
link_set_state(struct link *l, unsigned state)
{
	l->state = state;
}

/* All of these are lost when the link is not up. */
void link_send(struct link *l, const struct frame *f);
void link_send_short(struct link *l, uint16_t type, uint64_t seq, uint64_t zxid);
void link_send_proto(struct link *l, uint16_t type, uint64_t seq, uint64_t zxid, const ProtobufCMessage *m);
/* fd travels with the frame; the link owns it from now on, whatever happens. */
void link_send_fd(struct link *l, const struct frame *f, int fd);
/* The output buffer, for frame_begin and frame_end; NULL when the link is not up. */
struct buf *link_out(struct link *l);
/* Bytes that the sibling has not read yet. */
size_t link_backlog(const struct link *l);

/* For handlers: the descriptor of the frame (owned by the caller), or -ENOENT. */
int link_take_fd(struct link *l);
/* For handlers: unpacks the frame's proto body; NULL when it is malformed. Lives until the handler returns. */
void *link_take_proto(struct link *l, const struct frame *f, const ProtobufCMessageDescriptor *type);
/* For handlers: gives the reason and returns -EPROTO. */
int link_refuse(struct link *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
