/* See ask.h. A question is open (fd >= 0, or error -EAGAIN: still to be dialled) until it has an answer or an error. */
#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/listen.h"
#include "ipc/frame.h"
#include "zkctl.h"

enum {
	ASK_MAX = 8, /* questions at once */
	ASK_SEQ = 1,
	READ_STEP = 65536,
	REDIAL_MS = 10, /* where the backlog is full */
	NAME_BYTES = 48,
};

static void
finish(struct question *q, int error)
{
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	q->error = error;
	buf_free(&q->out);
	buf_free(&q->in);
}

static bool
is_open(const struct question *q)
{
	return q->error == -EAGAIN;
}

static void
dial(int dirfd, struct question *q)
{
	char name[NAME_BYTES];
	int fd;

	snprintf(name, sizeof name, "%s.control", q->daemon);
	fd = listen_dial_unix(dirfd, name, SOCK_NONBLOCK);
	if (fd >= 0)
		q->fd = fd;
	else if (fd != -EAGAIN)
		finish(q, fd);
}

static void
begin(struct question *q)
{
	struct frame f = { .type = q->type, .seq = ASK_SEQ };

	q->answer = NULL;
	q->error = -EAGAIN;
	q->fd = -1;
	buf_init(&q->out, PROTO_BODY_MAX + FRAME_HEADER_BYTES);
	buf_init(&q->in, PROTO_BODY_MAX + FRAME_HEADER_BYTES + READ_STEP);
	if (q->body == NULL)
		frame_put(&q->out, &f);
	else
		ASSERT(proto_put(&q->out, q->type, ASK_SEQ, 0, q->body) == 0);
}

static void
send_rest(struct question *q)
{
	ssize_t n = send(q->fd, buf_head(&q->out), buf_len(&q->out), MSG_NOSIGNAL);

	if (n >= 0)
		buf_consume(&q->out, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		finish(q, -errno);
}

/* A whole frame with our type and number is the answer; anything else is not spoken here. */
static void
take_answer(struct question *q, struct arena *arena)
{
	struct frame f;
	int64_t n = frame_parse(buf_slice(&q->in), &f);

	if (n == 0)
		return;
	if (n > 0 && f.type == q->type && f.seq == ASK_SEQ)
		q->answer = proto_take(arena, q->answer_type, f.body);
	finish(q, q->answer == NULL ? -EPROTO : 0);
}

static void
receive(struct question *q, struct arena *arena)
{
	uint8_t *room = buf_reserve(&q->in, READ_STEP);
	ssize_t n;

	if (room == NULL) {
		finish(q, -EPROTO);
		return;
	}
	n = recv(q->fd, room, READ_STEP, 0);
	if (n > 0) {
		buf_commit(&q->in, (size_t)n);
		take_answer(q, arena);
	} else if (n == 0) {
		finish(q, -ECONNRESET);
	} else if (errno != EAGAIN && errno != EINTR) {
		finish(q, -errno);
	}
}

static int
left_ms(int64_t end)
{
	int64_t left = end - clock_ms();

	return left < 0 ? 0 : (int)left;
}

/* Waits for whatever comes next; true while something is open. */
static bool
wait_for_any(const struct question *questions, size_t n, struct pollfd *fds, int64_t end)
{
	bool open = false, redial = false;
	int limit = left_ms(end);

	for (size_t i = 0; i < n; i++) {
		const struct question *q = &questions[i];
		fds[i] = (struct pollfd){ .fd = q->fd };
		fds[i].events = buf_len(&q->out) > 0 ? POLLIN | POLLOUT : POLLIN;
		open |= is_open(q);
		redial |= is_open(q) && q->fd < 0;
	}
	if (!open || limit == 0)
		return false;
	poll(fds, n, redial && limit > REDIAL_MS ? REDIAL_MS : limit);
	return true;
}

void
ask(int dirfd, struct question *questions, size_t n, int64_t limit_ms, struct arena *arena)
{
	struct pollfd fds[ASK_MAX];
	int64_t end = clock_ms() + limit_ms;

	ASSERT(n <= ASK_MAX);
	for (size_t i = 0; i < n; i++) {
		begin(&questions[i]);
		dial(dirfd, &questions[i]);
	}
	while (wait_for_any(questions, n, fds, end)) {
		for (size_t i = 0; i < n; i++) {
			struct question *q = &questions[i];
			if (is_open(q) && q->fd < 0)
				dial(dirfd, q);
			if (q->fd >= 0 && (fds[i].revents & POLLOUT) != 0)
				send_rest(q);
			if (q->fd >= 0 && (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
				receive(q, arena);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (is_open(&questions[i]))
			finish(&questions[i], -ETIMEDOUT);
}

const char *
ask_error_text(int error)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "is not running";
	case -ETIMEDOUT:
		return "does not answer (stopped, or it hangs)";
	case -EACCES:
	case -EPERM:
		return "may not be asked by this user; try as root";
	case -ECONNRESET:
	case -EPIPE:
		return "closed the connection without an answer";
	case -EPROTO:
		return "gave an answer that is not understood; is it of another version?";
	default:
		return strerror(-error);
	}
}
