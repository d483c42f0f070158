/*
 * A non-blocking byte stream in the loop, with an input and an output buffer: the machinery under star links, bulk
 * channels, control connections and client connections.
 *
 * Input: the callback sees everything that has arrived and says how much of it was whole; the rest is kept and shown
 * again with what comes next. Bytes are read in large pieces into the turn's scratch memory, so an idle stream holds
 * none. Output: append to stream_out(); it leaves with one system call at the end of the turn, directly; only when
 * the socket is full does the stream wait for writability.
 *
 * Limits: input that is not consumed is bounded by in_max (the stream fails with -EMSGSIZE), output by out_max
 * (-ENOBUFS), descriptors waiting to be taken by STREAM_FDS_MAX (-EBADMSG).
 *
 * The owner embeds or allocates struct stream and finds itself by container_of or s->owner. A stream that failed has
 * closed its descriptor before it calls `closed`, which may free it. Inside `input` a stream must not be freed:
 * return -errno instead, or call stream_close and free it later.
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "io/turn.h"

enum {
	STREAM_FDS_MAX = 8,          /* descriptors received and not yet taken, or waiting to be sent */
	STREAM_TURN_BYTES = 1 << 20, /* read from one stream before others have their turn */
};

struct stream;

struct stream_ops {
	/* Returns the bytes consumed from the front of data (0: it is not whole yet), or -errno, which fails the stream. */
	int64_t (*input)(struct stream *s, struct slice data);
	/* Ended: error 0 by the other side in an orderly way or by stream_finish, else -errno. May free s. */
	void (*closed)(struct stream *s, int error);
	/* May be NULL: all output has left; a producer appends its next piece here. */
	void (*drained)(struct stream *s);
};

struct stream_limits {
	size_t in_max, out_max;
	size_t keep;      /* memory that an empty buffer may keep for the next use */
	bool descriptors; /* a Unix socket on which descriptors may travel */
};

/* A descriptor and the place in the stream it belongs to. */
struct stream_fd {
	int fd;
	uint64_t at;
};

struct stream_fds {
	struct stream_fd fds[STREAM_FDS_MAX];
	unsigned n;
};

struct stream {
	const struct stream_ops *ops;
	void *owner;
	struct turn *turn;
	struct turn_item item;
	struct stream_limits limits;
	int fd; /* -1: closed */
	ev_io readable, writable;
	struct buf in, out;
	uint64_t received, consumed, sent; /* bytes since it was opened */
	struct stream_fds fds_in, fds_out;
	bool paused;    /* by the owner: nothing is read */
	bool finishing; /* nothing more is read; closes when the output has left */
	bool reading;   /* inside ops->input */
};

/* Prepares a closed stream. */
void stream_init(struct stream *s, struct turn *t, const struct stream_ops *ops, void *owner,
		 const struct stream_limits *limits);
/* Takes over a connected descriptor and makes it non-blocking. The stream must be closed. */
void stream_open(struct stream *s, int fd);
static inline bool
stream_is_open(const struct stream *s)
{
	return s->fd >= 0;
}
/* Closes at once, silently: no callback, unsent output and untaken descriptors are dropped. Harmless when closed. */
void stream_close(struct stream *s);
/* Reads no more; what was appended still leaves, then `closed` is called with 0. */
void stream_finish(struct stream *s);

/* Where output is appended; it leaves at the end of the turn. Appending to a closed stream is lost. */
struct buf *stream_out(struct stream *s);
/* Output that has not left yet, in bytes. */
static inline size_t
stream_backlog(const struct stream *s)
{
	return buf_len(&s->out);
}
/* The next byte appended carries fd, which the stream owns from now on. 0, or -ENOBUFS: fd is gone,
 * and the stream is closed or ends at the end of the turn, because too many wait. */
int stream_send_fd(struct stream *s, int fd);
/* The oldest descriptor received, which the caller owns, or -ENOENT. */
int stream_take_fd(struct stream *s);

/* What an error given to `closed` means, for the log. */
const char *stream_error_text(int error);

/* Back pressure to the other side; only for edges, never for star links. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

#endif
