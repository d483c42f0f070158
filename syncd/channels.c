/*
 * Bulk channels of logd: those that learners are fed from, one for each peer, and the one that a leader's snapshot goes
 * to. Frames go to the core as they are; it judges them. Invariant: a channel is open only while its peer is.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shell.h"

#include "io/log.h"

enum {
	CHANNEL_IN_MAX = FRAME_BODY_MAX + (1 << 20),
	INSTALL_OUT_MAX = 64 << 20,
};

/* ---- From logd to a learner ---- */

static int64_t
on_channel_input(struct stream *c, struct slice data)
{
	struct peer *p = c->owner;
	struct zab_event e = { .type = ZAB_CHANNEL_FRAME, .peer = p->number, .fd = -1 };
	size_t done = 0;
	int64_t n;

	while ((n = frame_parse(slice_of(data.data + done, data.len - done), &e.frame)) > 0) {
		shell_step(p->syncd, &e);
		done += (size_t)n;
		if (!stream_is_open(c))
			break;
	}
	return n < 0 ? n : (int64_t)done;
}

static void
on_channel_closed(struct stream *c, int error)
{
	struct peer *p = c->owner;
	struct zab_event e = { .type = ZAB_CHANNEL_CLOSED, .peer = p->number, .fd = -1 };

	if (error != 0)
		log_event(LOG_WARNING, "learner's channel ended", "peer=%s reason=%s", p->name,
			  stream_error_text(error));
	shell_step(p->syncd, &e);
	turn_again(&p->syncd->daemon->turn);
}

void
channel_init(struct peer *p)
{
	static const struct stream_ops ops = { .input = on_channel_input, .closed = on_channel_closed };
	static const struct stream_limits limits = { .in_max = CHANNEL_IN_MAX, .out_max = 1 };

	stream_init(&p->channel, &p->syncd->daemon->turn, &ops, p, &limits);
}

void
channel_open(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = peers_find(s, a->peer);

	if (p == NULL) {
		close(a->fd);
		return;
	}
	stream_close(&p->channel);
	stream_open(&p->channel, a->fd);
}

void
channel_read(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = peers_find(s, a->peer);

	if (p == NULL || !stream_is_open(&p->channel))
		return;
	if (a->on)
		stream_resume(&p->channel);
	else
		stream_pause(&p->channel);
}

void
channel_close(struct syncd *s, const struct zab_action *a)
{
	struct peer *p = peers_find(s, a->peer);

	if (p != NULL)
		stream_close(&p->channel);
}

/* ---- From a leader to logd ---- */

static int64_t
on_install_input(struct stream *c, struct slice data)
{
	(void)c;
	(void)data;
	return -EPROTO;
}

static void
on_install_drained(struct stream *c)
{
	struct syncd *s = c->owner;
	struct zab_event e = { .type = ZAB_INSTALL_WROTE, .count = s->install_given, .fd = -1 };

	s->install_given = 0;
	if (e.count > 0)
		shell_step(s, &e);
	install_flush(s, NULL);
	turn_again(&s->daemon->turn);
}

/* What could not be opened has closed: told when the actions in hand are done. */
void
install_settle(struct syncd *s)
{
	struct zab_event e = { .type = ZAB_INSTALL_CLOSED, .fd = -1 };

	if (!s->install_failed)
		return;
	s->install_failed = false;
	shell_step(s, &e);
}

static void
on_install_closed(struct stream *c, int error)
{
	struct syncd *s = c->owner;
	struct zab_event e = { .type = ZAB_INSTALL_CLOSED, .fd = -1 };

	(void)error;
	s->install_given = 0;
	shell_step(s, &e);
	turn_again(&s->daemon->turn);
}

void
install_init(struct syncd *s)
{
	static const struct stream_ops ops = {
		.input = on_install_input,
		.closed = on_install_closed,
		.drained = on_install_drained,
	};
	static const struct stream_limits limits = { .in_max = 1, .out_max = INSTALL_OUT_MAX };

	stream_init(&s->install, &s->daemon->turn, &ops, s, &limits);
}

void
install_open(struct syncd *s, const struct zab_action *a)
{
	struct frame f = { .type = MSG_INSTALL, .seq = a->frame.seq, .zxid = a->frame.zxid };
	int ends[2];

	stream_close(&s->install);
	s->install_given = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		log_event(LOG_ERR, "no channel for a snapshot", "error=\"%s\"", strerror(errno));
		s->install_failed = true;
		turn_again(&s->daemon->turn);
		return;
	}
	stream_open(&s->install, ends[1]);
	link_send_fd(&s->links[ZAB_LOGD], &f, ends[0]);
}

/* The next piece goes when the one before has left: the core is told then how much, and makes more. */
void
install_flush(struct syncd *s, const struct zab_action *a)
{
	struct slice out = zab_install_output(&s->zab);

	(void)a;
	if (!stream_is_open(&s->install) || s->install_given > 0 || out.len == 0)
		return;
	buf_put_slice(stream_out(&s->install), out);
	s->install_given = out.len;
}

void
install_close(struct syncd *s, const struct zab_action *a)
{
	(void)a;
	stream_close(&s->install);
	s->install_given = 0;
}
