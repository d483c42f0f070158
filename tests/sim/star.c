/* See star.h. Invariant: as in link.c, at most one connection is in use and one a candidate. */
#include "star.h"

#include <string.h>

#include "ipc/msg.h"

enum { REDIAL_FIRST_US = 5 * MS, REDIAL_MAX_US = 50 * MS, LINK_MIN_US = 5, LINK_MAX_US = 120 };

static struct hello_identity
identity(const struct star *l)
{
	struct hello_identity me = {
		.daemon = l->ops->self,
		.suite = "sim",
		.incarnation = l->proc->life,
	};

	if (l->proc->sim->mutation != MUTATE_NO_HASH)
		memset(me.config_hash, l->proc->config, sizeof me.config_hash);
	return me;
}

static void
send_hello(struct star *l, struct conn *c)
{
	struct hello_identity me = identity(l);
	Zkd__Hello mine;
	struct buf b;

	buf_init(&b, 1 << 16);
	hello_fill(&mine, &me);
	l->ops->hello(l->proc, l, &mine);
	proto_put(&b, MSG_HELLO, 0, 0, &mine.base);
	c->configs[l->side] = l->proc->config;
	conn_send(c, l->side, l->proc, buf_slice(&b), -1);
	buf_free(&b);
}

static void
dial(struct star *l)
{
	struct sim *s = l->proc->sim;
	struct conn *c = conn_new(s, LINK_MIN_US, LINK_MAX_US);

	l->redial_us = NEVER;
	if (!listener_dial(l->listener, c, s->now_us + rng_range(&s->net, LINK_MIN_US, LINK_MAX_US))) {
		conn_close(c, 1, false);
		conn_close(c, 0, false);
		l->redial_us = s->now_us + REDIAL_MAX_US;
		return;
	}
	l->conn = c;
	conn_own(c, 0, l->proc);
	send_hello(l, c);
}

void
star_init(struct star *l, struct proc *p, const struct star_ops *ops, struct listener *listener, bool dials)
{
	*l = (struct star){
		.proc = p, .ops = ops, .listener = listener, .dials = dials, .side = dials ? 0 : 1
	};
	l->fd = -1;
	arena_init(&l->arena, 1 << 20);
	l->redial_us = dials ? p->sim->now_us : NEVER;
}

static void
schedule_redial(struct star *l)
{
	uint64_t now = l->proc->sim->now_us;

	if (!l->dials)
		return;
	if (l->up_us != 0 && now - l->up_us > REDIAL_MAX_US)
		l->backoff_us = 0;
	l->redial_us = now + l->backoff_us;
	l->backoff_us = l->backoff_us == 0 ? REDIAL_FIRST_US : l->backoff_us * 2;
	if (l->backoff_us > REDIAL_MAX_US)
		l->backoff_us = REDIAL_MAX_US;
	l->up_us = 0;
}

static void
end_conn(struct star *l, const char *why)
{
	bool was_up = l->up;

	sim_trace(l->proc->sim, l->proc, was_up ? "link down" : "link refused", "peer=%s reason=\"%s\"",
		  l->ops->peer, why);
	conn_close(l->conn, l->side, false);
	l->conn = NULL;
	l->up = false;
	schedule_redial(l);
	if (was_up)
		l->ops->down(l->proc, l);
}

void
star_drop(struct star *l, const char *why)
{
	if (l->conn != NULL)
		end_conn(l, why);
}

static void
accept_all(struct star *l)
{
	struct conn *c;

	while (!l->dials && (c = listener_accept(l->listener)) != NULL) {
		if (l->candidate != NULL)
			conn_close(l->candidate, l->side, false);
		l->candidate = c;
		conn_own(c, l->side, l->proc);
	}
}

static void
take_place(struct star *l)
{
	struct conn *older = l->conn;
	bool was_up = l->up;

	l->conn = l->candidate;
	l->candidate = NULL;
	l->up = false;
	if (older == NULL)
		return;
	sim_trace(l->proc->sim, l->proc, "link replaced", "peer=%s", l->ops->peer);
	conn_close(older, l->side, false);
	if (was_up)
		l->ops->down(l->proc, l);
}

static const char *
take_hello(struct star *l, const struct conn *c, const struct frame *f)
{
	struct hello_identity me = identity(l);
	enum hello_verdict verdict;
	const Zkd__Hello *theirs;
	const char *why;

	arena_reset(&l->arena);
	theirs = f->type == MSG_HELLO ? proto_take(&l->arena, &zkd__hello__descriptor, f->body) : NULL;
	if (theirs == NULL)
		return "no HELLO";
	verdict = hello_check(theirs, &me, l->ops->peer, &why);
	if (verdict == HELLO_MISMATCH)
		faults_mismatch(l->proc);
	if (verdict != HELLO_WELCOME)
		return why;
	if (c->configs[1 - l->side] != l->proc->config)
		sim_fail(l->proc->sim, "%s works with a %s of another configuration", l->proc->name,
			 l->ops->peer);
	if (!l->dials) {
		take_place(l);
		send_hello(l, l->conn);
	}
	l->up = true;
	l->up_us = l->proc->sim->now_us;
	sim_trace(l->proc->sim, l->proc, "link up", "peer=%s incarnation=%llu", l->ops->peer,
		  (unsigned long long)theirs->incarnation);
	return l->ops->up(l->proc, l, theirs);
}

/* Takes one frame from c, which is the candidate or in use. False: there is none, or c is gone. */
static bool
take_frame(struct star *l, struct conn *c)
{
	struct sim *s = l->proc->sim;
	struct slice in = conn_arrived(c, l->side);
	const char *why = NULL;
	struct frame f;
	int64_t n = frame_parse(in, &f);
	int fd;

	if (n == 0)
		return false;
	fd = n > 0 ? conn_take_fd(c, l->side, (size_t)n) : -1;
	if (n < 0)
		why = "absurd frame length";
	else if (c == l->conn && l->up) {
		l->fd = fd;
		l->fd_conn = fd >= 0 ? s->channels[fd].conn : NULL;
		why = l->ops->frame(l->proc, l, &f, fd);
		l->fd = -1;
	} else {
		channel_drop(s, fd);
		why = take_hello(l, c, &f);
	}
	if (why != NULL && c == l->candidate) {
		conn_close(c, l->side, false);
		l->candidate = NULL;
		return false;
	}
	if (c != l->conn)
		return false;
	if (why != NULL) {
		end_conn(l, why);
		return false;
	}
	conn_consume(c, l->side, (size_t)n);
	return true;
}

uint64_t
star_turn(struct star *l)
{
	struct conn *c;

	accept_all(l);
	if (l->redial_us <= l->proc->sim->now_us)
		dial(l);
	while ((c = l->candidate) != NULL && take_frame(l, c))
		;
	while ((c = l->conn) != NULL && take_frame(l, c))
		;
	if (l->candidate != NULL && !conn_open(l->candidate, l->side)) {
		conn_close(l->candidate, l->side, false);
		l->candidate = NULL;
	}
	if (l->conn != NULL && !conn_open(l->conn, l->side))
		end_conn(l, "end of stream");
	return l->redial_us;
}

void
star_send_bytes(struct star *l, struct slice bytes)
{
	if (l->up && bytes.len > 0)
		conn_send(l->conn, l->side, l->proc, bytes, -1);
}

void
star_send(struct star *l, const struct frame *f, int fd)
{
	struct buf b;

	if (!l->up) {
		channel_drop(l->proc->sim, fd);
		return;
	}
	buf_init(&b, SIZE_MAX / 4);
	frame_put(&b, f);
	conn_send(l->conn, l->side, l->proc, buf_slice(&b), fd);
	buf_free(&b);
}

void
star_send_proto(struct star *l, uint16_t type, uint64_t seq, uint64_t zxid, const ProtobufCMessage *m)
{
	struct buf b;

	if (!l->up)
		return;
	buf_init(&b, SIZE_MAX / 4);
	proto_put(&b, type, seq, zxid, m);
	conn_send(l->conn, l->side, l->proc, buf_slice(&b), -1);
	buf_free(&b);
}

void
star_free(struct star *l)
{
	if (l->candidate != NULL)
		conn_close(l->candidate, l->side, true);
	if (l->conn != NULL)
		conn_close(l->conn, l->side, true);
	l->candidate = l->conn = NULL;
	l->up = false;
	/* It died over a frame whose descriptor it had not taken yet. */
	if (l->fd >= 0 && l->proc->sim->channels[l->fd].conn == l->fd_conn && l->fd_conn != NULL)
		channel_drop(l->proc->sim, l->fd);
	l->fd = -1;
	if (!l->proc->starved)
		arena_free(&l->arena);
}
