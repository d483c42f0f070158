/* See ask.h. Invariant: a question is in the list of a line exactly while that line's stream is open and it waits. */
#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "io/listen.h"

const char *const ask_names[ASK_PROGRAMS] = {
	[ASK_ZKD] = "zkd",         [ASK_ELECTIOND] = "electiond", [ASK_SYNCD] = "syncd",
	[ASK_CLIENTD] = "clientd", [ASK_LOGD] = "logd",
};

static const struct stream_limits limits = {
	.in_max = FRAME_HEADER_BYTES + PROTO_BODY_MAX + TURN_SCRATCH_BYTES,
	.out_max = PROTO_BODY_MAX,
};

static void
answer(struct question *q, const struct frame *f)
{
	list_remove(&q->link);
	q->answered(q, f);
}

static void
fail_all(struct ask_line *l)
{
	struct list *e;

	while ((e = list_first(&l->waiting)) != NULL)
		answer(container_of(e, struct question, link), NULL);
}

static void
deliver(struct ask_line *l, const struct frame *f)
{
	list_for_each (e, &l->waiting) {
		struct question *q = container_of(e, struct question, link);

		if (q->seq == f->seq) {
			answer(q, f);
			return;
		}
	}
	/* It was taken back. */
}

static int64_t
on_input(struct stream *s, struct slice data)
{
	struct ask_line *l = s->owner;
	size_t used = 0;
	struct frame f;
	int64_t size;

	while ((size = frame_parse(slice_of(data.data + used, data.len - used), &f)) > 0) {
		if (f.body.len > PROTO_BODY_MAX)
			return -EPROTO;
		deliver(l, &f);
		used += (size_t)size;
	}
	return size < 0 ? size : (int64_t)used;
}

static void
on_closed(struct stream *s, int error)
{
	(void)error;
	fail_all(s->owner);
}

static const struct stream_ops line_ops = { .input = on_input, .closed = on_closed };

void
ask_init(struct ask *a, struct turn *t)
{
	*a = (struct ask){ .turn = t };
	for (int i = 0; i < ASK_PROGRAMS; i++) {
		struct ask_line *l = &a->lines[i];

		l->ask = a;
		l->program = (enum ask_program)i;
		list_init(&l->waiting);
		stream_init(&l->stream, t, &line_ops, l, &limits);
	}
}

static int
open_line(struct ask_line *l)
{
	char name[32];
	int fd;

	if (stream_is_open(&l->stream))
		return 0;
	snprintf(name, sizeof name, "%s.control", ask_names[l->program]);
	fd = listen_dial_unix(AT_FDCWD, name, SOCK_NONBLOCK);
	if (fd < 0)
		return fd;
	stream_open(&l->stream, fd);
	return 0;
}

int
ask_send(struct ask *a, struct question *q, enum ask_program to, uint16_t type, const ProtobufCMessage *body,
	 uint64_t now_ms)
{
	struct ask_line *l = &a->lines[to];
	int error = open_line(l);
	struct buf *out;

	if (error != 0)
		return error;
	out = stream_out(&l->stream);
	q->seq = ++a->seq;
	q->deadline_ms = now_ms + ASK_LIMIT_MS;
	if (body == NULL)
		frame_put_short(out, type, q->seq, 0);
	else
		error = proto_put(out, type, q->seq, 0, body);
	if (error == 0)
		list_append(&l->waiting, &q->link);
	return error;
}

void
ask_cancel(struct question *q)
{
	list_remove(&q->link);
}

unsigned
ask_waiting(const struct ask *a)
{
	unsigned n = 0;

	for (int i = 0; i < ASK_PROGRAMS; i++)
		list_for_each (e, &a->lines[i].waiting)
			n++;
	return n;
}

/*
 * The oldest one waits in front. Who is silent for so long is not asked on that connection again, so that its backlog
 * does not grow.
 */
uint64_t
ask_tick(struct ask *a, uint64_t now_ms)
{
	uint64_t next = TURN_NO_DEADLINE;

	for (int i = 0; i < ASK_PROGRAMS; i++) {
		struct ask_line *l = &a->lines[i];
		struct list *e = list_first(&l->waiting);
		uint64_t deadline;

		if (e == NULL)
			continue;
		deadline = container_of(e, struct question, link)->deadline_ms;
		if (deadline <= now_ms) {
			stream_close(&l->stream);
			fail_all(l);
		} else if (deadline < next) {
			next = deadline;
		}
	}
	return next;
}

void
ask_stop(struct ask *a)
{
	for (int i = 0; i < ASK_PROGRAMS; i++) {
		stream_close(&a->lines[i].stream);
		fail_all(&a->lines[i]);
	}
}
