/*
 * See stream.h. Invariants: a closed stream (fd -1) has no watcher running, nothing marked and no descriptor held;
 * the writable watcher runs only after the socket refused bytes; fds_in and fds_out are in stream order.
 */
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"

union cmsg_space {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * STREAM_FDS_MAX)];
};

static void
close_fds(struct stream_fds *q)
{
	for (unsigned i = 0; i < q->n; i++)
		close(q->fds[i].fd);
	q->n = 0;
}

static int
pop_fd(struct stream_fds *q)
{
	int fd = q->fds[0].fd;

	q->n--;
	memmove(q->fds, q->fds + 1, q->n * sizeof *q->fds);
	return fd;
}

/* What is appended to a closed stream goes nowhere: not one byte fits. */
static void
shut_out(struct stream *s)
{
	buf_free(&s->out);
	s->out.max = 0;
	s->out.overflow = true;
}

static void
fail(struct stream *s, int error)
{
	stream_close(s);
	turn_again(s->turn);
	s->ops->closed(s, error);
}

/* Queues what came with a message. False when there are too many: then all are closed. */
static bool
keep_fds(struct stream *s, struct msghdr *m)
{
	bool fits = (m->msg_flags & MSG_CTRUNC) == 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (s->fds_in.n < STREAM_FDS_MAX) {
				s->fds_in.fds[s->fds_in.n++] = (struct stream_fd){ fd, 0 };
			} else {
				close(fd);
				fits = false;
			}
		}
	}
	return fits;
}

/* Reads once. Bytes read, 0 at the end, -errno. */
static ssize_t
receive(struct stream *s, uint8_t *p, size_t room)
{
	struct iovec iov = { p, room };
	union cmsg_space space;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned before = s->fds_in.n;
	ssize_t n;

	if (s->limits.descriptors) {
		m.msg_control = &space;
		m.msg_controllen = sizeof space;
	}
	do
		n = recvmsg(s->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	s->received += (size_t)n;
	if (s->limits.descriptors && !keep_fds(s, &m))
		return -EBADMSG;
	/* The kernel ends a read behind the piece that carried descriptors: they belong to bytes before `received`. */
	for (unsigned i = before; i < s->fds_in.n; i++)
		s->fds_in.fds[i].at = s->received;
	return n;
}

/* Shows data to the owner. Bytes consumed, or -errno; -ESHUTDOWN when the owner closed the stream meanwhile. */
static int64_t
show(struct stream *s, struct slice data)
{
	int64_t consumed;

	s->reading = true;
	consumed = s->ops->input(s, data);
	s->reading = false;
	if (s->fd < 0) {
		buf_free(&s->in);
		return -ESHUTDOWN;
	}
	if (consumed < 0)
		return consumed;
	ASSERT((size_t)consumed <= data.len);
	s->consumed += (size_t)consumed;
	/* All frames that it may have belonged to are gone, and none of them took it. */
	if (s->fds_in.n > 0 && s->fds_in.fds[0].at <= s->consumed)
		return -EBADMSG;
	return consumed;
}

static int
show_kept(struct stream *s)
{
	int64_t consumed = show(s, buf_slice(&s->in));

	if (consumed < 0)
		return (int)consumed;
	buf_consume(&s->in, (size_t)consumed);
	if (buf_len(&s->in) == 0)
		buf_reset(&s->in, s->limits.keep);
	return 0;
}

/* One read and its delivery. 1: there may be more; 0: not now; -errno. */
static int
read_once(struct stream *s, size_t *budget)
{
	size_t kept = buf_len(&s->in), room = TURN_SCRATCH_BYTES;
	uint8_t *p = s->turn->scratch;
	int64_t done;
	ssize_t n;

	if (kept > 0) {
		room = s->limits.in_max - kept < room ? s->limits.in_max - kept : room;
		if (room == 0)
			return -EMSGSIZE;
		p = buf_reserve(&s->in, room);
	}
	n = receive(s, p, room);
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	if (n == 0) {
		stream_finish(s);
		return 0;
	}
	*budget -= *budget < (size_t)n ? *budget : (size_t)n;
	if (kept > 0) {
		buf_commit(&s->in, (size_t)n);
		done = show_kept(s);
	} else {
		done = show(s, slice_of(p, (size_t)n));
		if (done >= 0 && done < n)
			buf_put(&s->in, p + done, (size_t)(n - done));
		if (s->in.overflow)
			return -EMSGSIZE;
	}
	if (done < 0)
		return (int)done;
	return (size_t)n == room && *budget > 0 && !s->paused;
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct stream *s = w->data;
	size_t budget = STREAM_TURN_BYTES;
	int r = 1;

	(void)loop;
	/* Fed by stream_resume: what was left unread has its turn first. */
	if ((revents & EV_CUSTOM) != 0 && buf_len(&s->in) > 0 && !s->paused)
		r = show_kept(s) ?: 1;
	while (r > 0 && !s->paused && !s->finishing)
		r = read_once(s, &budget);
	if (r < 0 && r != -ESHUTDOWN)
		fail(s, r);
}

/* Sends once, with the descriptor that belongs to the first byte, up to the byte to which the next belongs. */
static ssize_t
send_once(struct stream *s)
{
	union cmsg_space space;
	struct stream_fds *q = &s->fds_out;
	struct iovec iov = { s->out.data + s->out.off, buf_len(&s->out) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	bool carries = q->n > 0 && q->fds[0].at == s->sent;
	unsigned next = carries ? 1 : 0;
	ssize_t n;

	if (next < q->n)
		iov.iov_len = q->fds[next].at - s->sent;
	if (carries) {
		m.msg_control = &space;
		m.msg_controllen = CMSG_SPACE(sizeof(int));
		memset(&space, 0, sizeof space);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &q->fds[0].fd, sizeof(int));
	}
	do
		n = sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (carries)
		close(pop_fd(q));
	s->sent += (size_t)n;
	buf_consume(&s->out, (size_t)n);
	return n;
}

static void
flush(struct turn_item *item)
{
	struct stream *s = container_of(item, struct stream, item);
	bool had = buf_len(&s->out) > 0;
	ssize_t n;

	if (s->out.overflow) {
		fail(s, -ENOBUFS);
		return;
	}
	if (ev_is_active(&s->writable))
		return;
	while (buf_len(&s->out) > 0) {
		n = send_once(s);
		if (n == -EAGAIN) {
			ev_io_start(s->turn->loop, &s->writable);
			return;
		}
		if (n < 0) {
			fail(s, (int)n);
			return;
		}
	}
	buf_reset(&s->out, s->limits.keep);
	if (s->finishing) {
		fail(s, 0);
	} else if (had && s->ops->drained != NULL) {
		turn_again(s->turn);
		s->ops->drained(s);
	}
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct stream *s = w->data;

	(void)revents;
	ev_io_stop(loop, &s->writable);
	turn_mark(s->turn, &s->item);
}

void
stream_init(struct stream *s, struct turn *t, const struct stream_ops *ops, void *owner,
	    const struct stream_limits *limits)
{
	*s = (struct stream){ .ops = ops, .owner = owner, .turn = t, .limits = *limits, .fd = -1 };
	turn_item_init(&s->item, flush);
	buf_init(&s->in, limits->in_max);
	shut_out(s);
}

void
stream_open(struct stream *s, int fd)
{
	ASSERT(s->fd < 0);
	s->fd = fd;
	buf_init(&s->out, s->limits.out_max);
	s->received = s->consumed = s->sent = 0;
	s->paused = s->finishing = false;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	ev_io_init(&s->readable, on_readable, fd, EV_READ);
	ev_io_init(&s->writable, on_writable, fd, EV_WRITE);
	s->readable.data = s->writable.data = s;
	ev_io_start(s->turn->loop, &s->readable);
}

void
stream_close(struct stream *s)
{
	if (s->fd < 0)
		return;
	ev_io_stop(s->turn->loop, &s->readable);
	ev_io_stop(s->turn->loop, &s->writable);
	turn_unmark(&s->item);
	close_fds(&s->fds_in);
	close_fds(&s->fds_out);
	close(s->fd);
	s->fd = -1;
	/* Inside ops->input the slice that the owner looks at may lie in s->in. */
	if (!s->reading)
		buf_free(&s->in);
	shut_out(s);
}

void
stream_finish(struct stream *s)
{
	if (s->fd < 0)
		return;
	s->finishing = true;
	ev_io_stop(s->turn->loop, &s->readable);
	turn_mark(s->turn, &s->item);
}

struct buf *
stream_out(struct stream *s)
{
	if (s->fd >= 0)
		turn_mark(s->turn, &s->item);
	return &s->out;
}

int
stream_send_fd(struct stream *s, int fd)
{
	struct stream_fds *q = &s->fds_out;

	if (s->fd < 0 || q->n == STREAM_FDS_MAX) {
		/* What it should have travelled with must not leave alone: the flush ends the stream. */
		s->out.overflow = true;
		close(fd);
		return -ENOBUFS;
	}
	uint64_t at = s->sent + buf_len(&s->out);
	ASSERT(q->n == 0 || q->fds[q->n - 1].at < at);
	q->fds[q->n++] = (struct stream_fd){ fd, at };
	return 0;
}

int
stream_take_fd(struct stream *s)
{
	return s->fds_in.n > 0 ? pop_fd(&s->fds_in) : -ENOENT;
}

void
stream_pause(struct stream *s)
{
	s->paused = true;
	if (s->fd >= 0)
		ev_io_stop(s->turn->loop, &s->readable);
}

void
stream_resume(struct stream *s)
{
	if (!s->paused)
		return;
	s->paused = false;
	if (s->fd < 0 || s->finishing)
		return;
	ev_io_start(s->turn->loop, &s->readable);
	if (buf_len(&s->in) > 0)
		ev_feed_event(s->turn->loop, &s->readable, EV_CUSTOM);
}

const char *
stream_error_text(int error)
{
	switch (error) {
	case 0:
		return "closed";
	case -EMSGSIZE:
		return "input limit reached";
	case -ENOBUFS:
		return "output limit reached";
	case -EBADMSG:
		return "unexpected descriptors";
	default:
		return strerror(-error);
	}
}
