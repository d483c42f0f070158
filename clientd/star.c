/*
 * The link to syncd and the two bulk channels that come with it. Frames go to the front as they are; it judges them.
 */
#include <errno.h>
#include <unistd.h>

#include "shell.h"

#include "io/log.h"
#include "ipc/msg.h"

enum {
	CHANNEL_IN_MAX = FRAME_BODY_MAX + (1 << 20),
	CHANNEL_OUT_MAX = 64 << 20,
};

static const struct stream_limits channel_limits = { .in_max = CHANNEL_IN_MAX, .out_max = CHANNEL_OUT_MAX };

static void
step(struct clientd *d, enum front_event_type type, size_t count)
{
	struct front_event e = shell_event(type);

	e.count = count;
	front_step(d->front, &e);
}

/* ---- The channel that a tree comes through ---- */

static int64_t
on_bulk(struct stream *s, struct slice data)
{
	struct clientd *d = s->owner;
	struct front_event e = shell_event(FRONT_BULK);
	size_t done = 0;
	int64_t n;

	while ((n = frame_parse(slice_of(data.data + done, data.len - done), &e.frame)) > 0) {
		front_step(d->front, &e);
		done += (size_t)n;
	}
	return n < 0 ? n : (int64_t)done;
}

static void
on_bulk_closed(struct stream *s, int error)
{
	struct clientd *d = s->owner;

	if (error != 0)
		log_event(LOG_WARNING, "load channel ended", "reason=%s", stream_error_text(error));
	step(d, FRONT_BULK_CLOSED, 0);
	turn_again(&d->daemon->turn);
}

static const struct stream_ops load_ops = { .input = on_bulk, .closed = on_bulk_closed };

static int
on_load_channel(void *owner, struct link *l, const struct frame *f)
{
	struct clientd *d = owner;
	struct front_event e = shell_event(FRONT_FRAME);
	int fd = link_take_fd(l);

	if (fd < 0)
		return link_refuse(l, "no descriptor");
	stream_close(&d->load);
	stream_open(&d->load, fd);
	e.frame = *f;
	front_step(d->front, &e);
	return 0;
}

void
star_close_load(struct clientd *d)
{
	stream_close(&d->load);
}

/* ---- The channel that a snapshot goes through ---- */

static int64_t
on_snapshot_input(struct stream *s, struct slice data)
{
	(void)s;
	(void)data;
	return -EPROTO;
}

static void
on_snapshot_drained(struct stream *s)
{
	struct clientd *d = s->owner;
	size_t given = d->snapshot_given;

	d->snapshot_given = 0;
	step(d, FRONT_SNAPSHOT_WROTE, given);
	turn_again(&d->daemon->turn);
}

static void
on_snapshot_closed(struct stream *s, int error)
{
	struct clientd *d = s->owner;

	(void)error;
	step(d, FRONT_SNAPSHOT_CLOSED, 0);
	turn_again(&d->daemon->turn);
}

static const struct stream_ops snapshot_ops = {
	.input = on_snapshot_input,
	.closed = on_snapshot_closed,
	.drained = on_snapshot_drained,
};

static int
on_snapshot(void *owner, struct link *l, const struct frame *f)
{
	struct clientd *d = owner;
	int fd = link_take_fd(l);

	(void)f;
	if (fd < 0)
		return link_refuse(l, "no descriptor");
	/* An older one is given up; the front says so by FRONT_SNAPSHOT_CLOSE, which must not hit the new channel. */
	step(d, FRONT_SNAPSHOT_CLOSED, 0);
	stream_close(&d->snapshot);
	d->snapshot_given = 0;
	stream_open(&d->snapshot, fd);
	step(d, FRONT_SNAPSHOT_OPENED, 0);
	return 0;
}

/*
 * The next slice leaves in a turn of its own: between two slices the loop looks at all sockets, so that clients wait
 * for one at most.
 */
void
star_write_snapshot(struct clientd *d)
{
	ev_timer_stop(d->daemon->loop, &d->slice);
	ev_timer_set(&d->slice, 0., 0.);
	ev_timer_start(d->daemon->loop, &d->slice);
}

static void
on_slice(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct clientd *d = w->data;
	struct slice out = front_snapshot_output(d->front);

	(void)loop;
	(void)revents;
	if (!stream_is_open(&d->snapshot) || d->snapshot_given > 0)
		return;
	buf_put_slice(stream_out(&d->snapshot), out);
	d->snapshot_given = out.len;
}

void
star_close_snapshot(struct clientd *d)
{
	stream_close(&d->snapshot);
	d->snapshot_given = 0;
}

/* ---- The link ---- */

static int
on_frame(void *owner, struct link *l, const struct frame *f)
{
	struct clientd *d = owner;
	struct front_event e = shell_event(FRONT_FRAME);

	(void)l;
	e.frame = *f;
	front_step(d->front, &e);
	return 0;
}

/* Where a message belongs is the front's to judge: it ends the link by FRONT_LINK_BAD. */
static const struct link_message messages[] = {
	{ MSG_ROLE, false, LINK_ANY_STATE, "ROLE", on_frame },
	{ MSG_LOAD_CHANNEL, true, LINK_ANY_STATE, "LOAD_CHANNEL", on_load_channel },
	{ MSG_COMMIT, false, LINK_ANY_STATE, "COMMIT", on_frame },
	{ MSG_REQUEST, false, LINK_ANY_STATE, "REQUEST", on_frame },
	{ MSG_SYNC, false, LINK_ANY_STATE, "SYNC", on_frame },
	{ MSG_TOUCH, false, LINK_ANY_STATE, "TOUCH", on_frame },
	{ MSG_REVALIDATE, false, LINK_ANY_STATE, "REVALIDATE", on_frame },
	{ MSG_SNAPSHOT, true, LINK_ANY_STATE, "SNAPSHOT", on_snapshot },
	{ MSG_DISK, false, LINK_ANY_STATE, "DISK", on_frame },
	{ MSG_CONFIG, false, LINK_ANY_STATE, "CONFIG", on_frame },
	{ MSG_LEARNERS, false, LINK_ANY_STATE, "LEARNERS", on_frame },
	{ MSG_SIZES, false, LINK_ANY_STATE, "SIZES", on_frame },
};

static void
add_positions(void *owner, struct link *l, Zkd__Hello *mine)
{
	struct clientd *d = owner;
	struct front_facts facts;

	(void)l;
	front_facts(d->front, &facts);
	mine->has_tree = facts.has_tree;
	mine->applied_zxid = facts.applied_zxid;
}

static int
on_up(void *owner, struct link *l, const Zkd__Hello *theirs)
{
	(void)l;
	(void)theirs;
	step(owner, FRONT_LINK_UP, 0);
	return 0;
}

static void
on_down(void *owner, struct link *l)
{
	struct clientd *d = owner;

	(void)l;
	step(d, FRONT_LINK_DOWN, 0);
	turn_again(&d->daemon->turn);
}

static void
on_mismatch(void *owner, struct link *l, const char *why)
{
	(void)owner;
	daemon_mismatch(l->ops->peer, why);
}

static const struct link_ops syncd_ops = {
	.peer = "syncd",
	.messages = messages,
	.nmessages = sizeof messages / sizeof messages[0],
	.hello = add_positions,
	.up = on_up,
	.down = on_down,
	.mismatch = on_mismatch,
};

void
star_start(struct clientd *d, int listener)
{
	stream_init(&d->load, &d->daemon->turn, &load_ops, d, &channel_limits);
	stream_init(&d->snapshot, &d->daemon->turn, &snapshot_ops, d, &channel_limits);
	ev_init(&d->slice, on_slice);
	d->slice.data = d;
	link_init(&d->syncd, &d->daemon->turn, &syncd_ops, d, &d->daemon->identity);
	link_listen(&d->syncd, listener);
}

void
star_send(struct clientd *d)
{
	struct buf *from = front_link(d->front), *to = link_out(&d->syncd);

	if (to != NULL)
		buf_put_slice(to, buf_slice(from));
	buf_consume(from, buf_len(from));
}

void
star_drop(struct clientd *d, const char *why)
{
	link_drop(&d->syncd, why);
}

void
star_stop(struct clientd *d)
{
	link_close(&d->syncd);
	ev_timer_stop(d->daemon->loop, &d->slice);
	stream_close(&d->load);
	stream_close(&d->snapshot);
}
