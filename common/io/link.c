/*
 * See link.h. Invariants: at most one connection is in use and at most one is a candidate; the daemon's handlers see
 * frames of a connection in use only, after both HELLOs; a connection that was replaced acts on nothing any more.
 */
#include "io/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "io/clock.h"
#include "io/listen.h"
#include "io/log.h"
#include "ipc/msg.h"

/* One connection, from its first byte to its end. */
struct link_conn {
	struct stream stream;
	struct link *link;
	char who[96]; /* for the log */
	bool up;      /* both HELLOs are exchanged */
};

static const struct stream_limits link_limits = {
	.in_max = FRAME_HEADER_BYTES + FRAME_BODY_MAX + TURN_SCRATCH_BYTES,
	.keep = 1 << 20,
	.descriptors = true,
};

static const struct stream_ops conn_ops;

/* The kernel tells an acceptor who dialled; a dialler only hears who made the listener, which is the supervisor. */
static void
describe(struct link_conn *c)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof peer;
	int n = snprintf(c->who, sizeof c->who, "peer=%s", c->link->ops->peer);

	if (c->link->path == NULL && getsockopt(c->stream.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		snprintf(c->who + n, sizeof c->who - (size_t)n, " pid=%d uid=%d gid=%d", (int)peer.pid,
			 (int)peer.uid, (int)peer.gid);
}

static struct link_conn *
conn_new(struct link *l, int fd)
{
	struct link_conn *c = mem_zalloc(1, sizeof *c);
	struct stream_limits limits = link_limits;

	c->link = l;
	limits.out_max = l->out_max;
	stream_init(&c->stream, l->turn, &conn_ops, c, &limits);
	stream_open(&c->stream, fd);
	describe(c);
	return c;
}

static void
conn_free(struct link_conn *c)
{
	if (c == NULL)
		return;
	/* A handler ends its own link by what it returns; here the callback's caller would still hold the stream. */
	ASSERT(!c->stream.reading);
	stream_close(&c->stream);
	mem_free(c);
}

static void
log_end(const struct link *l, const struct link_conn *c, int error)
{
	const char *event = c->up ? "link down" : "link refused";
	const char *why = l->why[0] != '\0' ? l->why : stream_error_text(error);

	/* A sibling that goes away is its supervisor's news; one that misbehaves is ours. */
	log_event(error == 0 || error == -ECONNRESET || error == -EPIPE ? LOG_NOTICE : LOG_WARNING, event,
		  "%s reason=%s", c->who, log_quote(slice_str(why)).text);
}

static void
schedule_redial(struct link *l)
{
	uint64_t lived_ms = clock_mono_ms() - l->up_ms;

	if (l->path == NULL)
		return;
	/* At once when a link that had worked goes down; one that keeps failing waits longer and longer. */
	if (l->up_ms != 0 && lived_ms > LINK_REDIAL_MAX_MS)
		l->backoff_ms = 0;
	ev_timer_stop(l->turn->loop, &l->redial);
	ev_timer_set(&l->redial, l->backoff_ms / 1e3, 0.);
	ev_timer_start(l->turn->loop, &l->redial);
	l->backoff_ms = l->backoff_ms == 0 ? LINK_REDIAL_FIRST_MS : l->backoff_ms * 2;
	if (l->backoff_ms > LINK_REDIAL_MAX_MS)
		l->backoff_ms = LINK_REDIAL_MAX_MS;
	l->up_ms = 0;
}

/* The connection has ended: the link forgets it, tells its daemon, and thinks of the next one. */
static void
conn_ended(struct link_conn *c, int error)
{
	struct link *l = c->link;
	bool was_up = c->up;

	if (was_up || error != 0)
		log_end(l, c, error);
	l->why[0] = '\0';
	if (l->candidate == c)
		l->candidate = NULL;
	if (l->conn == c) {
		l->conn = NULL;
		schedule_redial(l);
		if (was_up && l->ops->down != NULL)
			l->ops->down(l->owner, l);
	}
	mem_free(c);
}

static void
on_closed(struct stream *s, int error)
{
	conn_ended(s->owner, error);
}

static void
send_hello(struct link *l, struct link_conn *c)
{
	Zkd__Hello mine;

	hello_fill(&mine, l->identity);
	if (l->ops->hello != NULL)
		l->ops->hello(l->owner, l, &mine);
	proto_put(stream_out(&c->stream), MSG_HELLO, 0, 0, &mine.base);
}

/* A candidate has proved itself: whatever was there before gives way. */
static void
take_place(struct link *l, struct link_conn *c)
{
	struct link_conn *older = l->conn;

	l->candidate = NULL;
	l->conn = c;
	if (older == NULL)
		return;
	log_event(LOG_NOTICE, "link replaced", "%s", older->who);
	conn_free(older);
	if (l->ops->down != NULL)
		l->ops->down(l->owner, l);
}

static int
take_hello(struct link *l, struct link_conn *c, const struct frame *f)
{
	const Zkd__Hello *theirs;
	const char *why = NULL;

	if (f->type != MSG_HELLO)
		return link_refuse(l, "HELLO expected, type %u came", f->type);
	arena_reset(&l->arena);
	theirs = proto_take(&l->arena, &zkd__hello__descriptor, f->body);
	if (theirs == NULL)
		return link_refuse(l, "malformed HELLO");
	switch (hello_check(theirs, l->identity, l->ops->peer, &why)) {
	case HELLO_STRANGER:
		return link_refuse(l, "HELLO: %s", why);
	case HELLO_MISMATCH:
		l->ops->mismatch(l->owner, l, why);
		return link_refuse(l, "HELLO: %s", why);
	case HELLO_WELCOME:
		break;
	}
	if (l->path == NULL) {
		take_place(l, c);
		send_hello(l, c);
	}
	c->up = true;
	l->complained = false;
	l->state = 0;
	l->ups++;
	l->up_ms = clock_mono_ms();
	log_event(LOG_NOTICE, "link up", "%s incarnation=%llx", c->who,
		  (unsigned long long)theirs->incarnation);
	return l->ops->up(l->owner, l, theirs);
}

static int
dispatch(struct link *l, struct link_conn *c, const struct frame *f)
{
	const struct link_message *m = f->type < LINK_TYPES ? l->by_type[f->type] : NULL;
	unsigned held = c->stream.fds_in.n;
	int r;

	if (!c->up)
		return take_hello(l, c, f);
	if (m == NULL)
		return link_refuse(l, "unknown message, type %u", f->type);
	if (l->state >= 32 || (m->states & LINK_STATE(l->state)) == 0)
		return link_refuse(l, "%s: not expected in state %u", m->name, l->state);
	if (m->descriptor && held == 0)
		return link_refuse(l, "%s: its descriptor is missing", m->name);
	arena_reset(&l->arena);
	r = m->handle(l->owner, l, f);
	/* The handler had no use for its descriptor. */
	if (r == 0 && m->descriptor && c->stream.fds_in.n == held)
		close(stream_take_fd(&c->stream));
	if (r < 0 && l->why[0] == '\0')
		return link_refuse(l, "%s: %s", m->name, strerror(-r));
	return r;
}

static int64_t
on_input(struct stream *s, struct slice data)
{
	struct link_conn *c = s->owner;
	struct link *l = c->link;
	size_t used = 0;
	struct frame f;
	int64_t size;
	int r;

	while ((size = frame_parse(slice_of(data.data + used, data.len - used), &f)) > 0) {
		r = dispatch(l, c, &f);
		if (r < 0)
			return r;
		if (s->fd < 0)
			return 0;
		used += (size_t)size;
	}
	if (size < 0)
		return link_refuse(l, "absurd frame length");
	return (int64_t)used;
}

static const struct stream_ops conn_ops = { .input = on_input, .closed = on_closed };

static void
on_accepted(void *owner, int fd, const struct sockaddr_storage *peer, socklen_t len)
{
	struct link *l = owner;

	(void)peer;
	(void)len;
	conn_free(l->candidate);
	l->candidate = conn_new(l, fd);
}

/* Once, and not of a sibling that is about to listen. Its supervisor listens for it, so this is the operator's to mend. */
static void
complain(struct link *l, int error)
{
	if (l->complained || l->backoff_ms < LINK_REDIAL_MAX_MS)
		return;
	l->complained = true;
	log_event(LOG_WARNING, "cannot dial", "peer=%s path=runtimeDir/%s reason=%s", l->ops->peer, l->path,
		  log_quote(slice_str(strerror(-error))).text);
}

static void
dial(struct link *l)
{
	int fd = listen_dial_unix(AT_FDCWD, l->path, SOCK_NONBLOCK);

	if (fd < 0) {
		complain(l, fd);
		schedule_redial(l);
		return;
	}
	l->conn = conn_new(l, fd);
	send_hello(l, l->conn);
}

static void
on_redial(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	dial(w->data);
}

void
link_init(struct link *l, struct turn *t, const struct link_ops *ops, void *owner,
	  const struct hello_identity *identity)
{
	*l = (struct link){
		.ops = ops, .owner = owner, .turn = t, .identity = identity, .out_max = LINK_OUT_MAX
	};
	for (size_t i = 0; i < ops->nmessages; i++) {
		ASSERT(ops->messages[i].type < LINK_TYPES);
		l->by_type[ops->messages[i].type] = &ops->messages[i];
	}
	arena_init(&l->arena, PROTO_ARENA_MAX);
	ev_timer_init(&l->redial, on_redial, 0., 0.);
	l->redial.data = l;
}

void
link_dial(struct link *l, const char *path)
{
	l->path = path;
	dial(l);
}

void
link_listen(struct link *l, int listener)
{
	acceptor_start(&l->acceptor, l->turn->loop, listener, "link", on_accepted, l);
}

void
link_close(struct link *l)
{
	ev_timer_stop(l->turn->loop, &l->redial);
	acceptor_stop(&l->acceptor);
	conn_free(l->candidate);
	conn_free(l->conn);
	l->candidate = l->conn = NULL;
	l->path = NULL;
	arena_free(&l->arena);
}

void
link_drop(struct link *l, const char *why)
{
	struct link_conn *c = l->conn;

	if (c == NULL)
		return;
	ASSERT(!c->stream.reading);
	link_refuse(l, "%s", why);
	stream_close(&c->stream);
	turn_again(l->turn);
	conn_ended(c, -EPROTO);
}

bool
link_is_up(const struct link *l)
{
	return l->conn != NULL && l->conn->up;
}

struct buf *
link_out(struct link *l)
{
	return link_is_up(l) ? stream_out(&l->conn->stream) : NULL;
}

void
link_send(struct link *l, const struct frame *f)
{
	if (link_is_up(l))
		frame_put(stream_out(&l->conn->stream), f);
}

void
link_send_short(struct link *l, uint16_t type, uint64_t seq, uint64_t zxid)
{
	link_send(l, &(struct frame){ .type = type, .seq = seq, .zxid = zxid });
}

void
link_send_proto(struct link *l, uint16_t type, uint64_t seq, uint64_t zxid, const ProtobufCMessage *m)
{
	if (link_is_up(l))
		proto_put(stream_out(&l->conn->stream), type, seq, zxid, m);
}

void
link_send_fd(struct link *l, const struct frame *f, int fd)
{
	if (!link_is_up(l)) {
		close(fd);
		return;
	}
	if (stream_send_fd(&l->conn->stream, fd) == 0)
		frame_put(stream_out(&l->conn->stream), f);
}

size_t
link_backlog(const struct link *l)
{
	return l->conn == NULL ? 0 : stream_backlog(&l->conn->stream);
}

int
link_take_fd(struct link *l)
{
	return l->conn == NULL ? -ENOENT : stream_take_fd(&l->conn->stream);
}

void *
link_take_proto(struct link *l, const struct frame *f, const ProtobufCMessageDescriptor *type)
{
	return proto_take(&l->arena, type, f->body);
}

int
link_refuse(struct link *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->why, sizeof l->why, fmt, ap);
	va_end(ap);
	return -EPROTO;
}
