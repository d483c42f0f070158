/* See control.h. Invariant: a connection in the list is open; its buffers hold at most one large question. */
#include "io/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/clock.h"
#include "io/log.h"

struct control_conn {
	struct list link;
	struct stream stream;
	struct control *control;
	struct arena arena;
	bool asks_only;
};

static const struct stream_limits conn_limits = {
	.in_max = FRAME_HEADER_BYTES + PROTO_BODY_MAX + TURN_SCRATCH_BYTES,
	.out_max = 4 * PROTO_BODY_MAX,
	.keep = 0,
};

static void
conn_free(struct control_conn *c)
{
	stream_close(&c->stream);
	list_remove(&c->link);
	c->control->nconns--;
	arena_free(&c->arena);
	mem_free(c);
}

static int
dispatch(struct control_conn *c, const struct frame *f)
{
	struct control *control = c->control;

	arena_reset(&c->arena);
	for (size_t i = 0; i < control->nmessages; i++) {
		const struct control_message *m = &control->messages[i];

		if (m->type == f->type)
			return c->asks_only && !m->asks ? -EPERM : m->handle(control->owner, c, f);
	}
	return -EPROTO;
}

static int64_t
on_input(struct stream *s, struct slice data)
{
	struct control_conn *c = s->owner;
	size_t used = 0;
	struct frame f;
	int64_t size;
	int r;

	while ((size = frame_parse(slice_of(data.data + used, data.len - used), &f)) > 0) {
		if (f.body.len > PROTO_BODY_MAX)
			return -EPROTO;
		r = dispatch(c, &f);
		if (r < 0)
			return r;
		used += (size_t)size;
	}
	return size < 0 ? size : (int64_t)used;
}

static void
on_closed(struct stream *s, int error)
{
	if (error != 0)
		log_event(LOG_WARNING, "control connection closed", "reason=%s",
			  log_quote(slice_str(stream_error_text(error))).text);
	conn_free(s->owner);
}

static const struct stream_ops conn_ops = { .input = on_input, .closed = on_closed };

static bool
is_asker(const struct control *control, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	/* Where all run as one user there is nobody to tell apart. */
	if (!control->restricted || control->asker == geteuid())
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || peer.uid == control->asker;
}

static void
on_accepted(void *owner, int fd, const struct sockaddr_storage *peer, socklen_t len)
{
	struct control *control = owner;
	struct control_conn *c;

	(void)peer;
	(void)len;
	if (control->nconns == CONTROL_CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	c = mem_zalloc(1, sizeof *c);
	c->control = control;
	c->asks_only = is_asker(control, fd);
	arena_init(&c->arena, PROTO_ARENA_MAX);
	stream_init(&c->stream, control->turn, &conn_ops, c, &conn_limits);
	stream_open(&c->stream, fd);
	list_append(&control->conns, &c->link);
	control->nconns++;
}

void
control_start(struct control *c, struct turn *t, int listener, const struct control_message *messages,
	      size_t nmessages, void *owner)
{
	*c = (struct control){ .turn = t, .messages = messages, .nmessages = nmessages, .owner = owner };
	list_init(&c->conns);
	acceptor_start(&c->acceptor, t->loop, listener, "control", on_accepted, c);
}

void
control_restrict(struct control *c, uid_t asker)
{
	c->restricted = true;
	c->asker = asker;
}

void
control_stop(struct control *c)
{
	struct list *e;

	if (c->turn == NULL)
		return;
	acceptor_stop(&c->acceptor);
	while ((e = list_first(&c->conns)) != NULL)
		conn_free(container_of(e, struct control_conn, link));
	c->turn = NULL;
}

void *
control_take(struct control_conn *c, const struct frame *f, const ProtobufCMessageDescriptor *type)
{
	return proto_take(&c->arena, type, f->body);
}

void
control_reply(struct control_conn *c, const struct frame *question, const ProtobufCMessage *answer)
{
	proto_put(stream_out(&c->stream), question->type, question->seq, 0, answer);
}

void
control_answer(struct control_conn *c, const struct frame *question, bool ok, const char *text)
{
	Zkd__Answer answer = ZKD__ANSWER__INIT;

	answer.ok = ok;
	answer.text = (char *)text;
	control_reply(c, question, &answer.base);
}

void
status_begin(struct status_writer *w, const char *daemon)
{
	*w = (struct status_writer){ .status = ZKD__STATUS__INIT };
	arena_init(&w->arena, PROTO_ARENA_MAX);
	w->status.daemon = (char *)daemon;
}

static char *__attribute__((format(printf, 2, 0)))
format(struct status_writer *w, const char *fmt, va_list ap)
{
	char text[512];
	int n = vsnprintf(text, sizeof text, fmt, ap);

	n = n < 0 ? 0 : n >= (int)sizeof text ? (int)sizeof text - 1 : n;
	/* The copy has its NUL. */
	return (char *)arena_copy(&w->arena, slice_of(text, (size_t)n + 1)).data;
}

void
status_text(struct status_writer *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	w->status.text = format(w, fmt, ap);
	va_end(ap);
}

void
status_fact(struct status_writer *w, const char *name, const char *fmt, ...)
{
	Zkd__Fact *fact = arena_alloc(&w->arena, sizeof *fact), **facts;
	va_list ap;

	zkd__fact__init(fact);
	fact->name = (char *)arena_copy(&w->arena, slice_of(name, strlen(name) + 1)).data;
	va_start(ap, fmt);
	fact->value = format(w, fmt, ap);
	va_end(ap);
	if (w->status.n_facts == w->cap) {
		w->cap = w->cap == 0 ? 16 : w->cap * 2;
		facts = arena_array(&w->arena, w->cap, sizeof(Zkd__Fact *));
		for (size_t i = 0; i < w->status.n_facts; i++)
			facts[i] = w->status.facts[i];
		w->status.facts = facts;
	}
	w->status.facts[w->status.n_facts++] = fact;
}

void
status_queue(struct status_writer *w, uint64_t length)
{
	status_fact(w, "queue", "%llu", (unsigned long long)length);
}

void
status_turns(struct status_writer *w, const struct turn *t)
{
	const struct turn_times *times = &t->times;

	status_fact(w, "turns", "%llu", (unsigned long long)times->turns);
	status_fact(w, "turn_mean_us", "%llu",
		    (unsigned long long)(times->turns == 0 ? 0 : times->busy_us / times->turns));
	status_fact(w, "turn_max_us", "%llu", (unsigned long long)turn_longest_us(t, clock_mono_ms()));
}

void
status_end(struct status_writer *w)
{
	arena_free(&w->arena);
}
