/*
 * The helper's life, see helper.h: a poll loop over its jobs, each a small state machine. It waits for the disk as
 * long as that takes; the log's syncs do not wait behind it. Invariants: neither a purge nor a scrub runs beside a load; every job is
 * answered by one report, unless the helper dies, or another one of its kind overtakes it.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "helper.h"
#include "io/clock.h"
#include "io/log.h"
#include "ipc/frame.h"
#include "ipc/msg.h"
#include "purge.h"
#include "scrub.h"
#include "snapfile.h"

enum {
	LOADS_MAX = 16,     /* more are refused by closing their channel: clientd's, and learners' */
	OUT_FULL = 1 << 20, /* produced ahead of what the reader took */
	IN_BYTES = 256 << 10,
	SNAPSHOT_RATE =
	    64 << 20,  /* bytes a second of the own tree, so that requests have the disk and the processors */
	BEAT_MS = 300, /* shows that it lives while there is nothing to do */
};

struct load_job {
	int fd; /* -1: free */
	struct load *load;
	struct buf out;
	bool complete; /* all is produced */
	uint64_t sent;
	enum load_kind kind;
};

/* A snapshot that comes in: of the own tree, or of a leader to be installed. */
struct intake {
	int fd; /* -1: none */
	enum helper_kind kind;
	struct snapfile *file; /* NULL before its BULK_SNAPSHOT */
	enum snapfile_form form;
	uint64_t zxid, bytes, number, keep_free;
	uint64_t resume_us; /* nothing is read before; 0: at once */
	struct buf in;
};

struct child {
	int fd;
	struct store_disk *disk;
	struct pulse *pulse;
	struct load_job loads[LOADS_MAX];
	struct intake snapshot, install;
	struct helper_job purge; /* or guard; done when nobody loads */
	bool purge_due;
	struct purge *purging; /* the one that is due, begun */
	struct purge_known known;
	struct scrub *scrub;           /* NULL: none */
	uint64_t scrub_rate, scrub_ms; /* bytes a second; when it may go on */
};

static void
send_report(struct child *c, struct helper_report *r)
{
	/* Nothing may keep the reports from logd; when logd is gone so are we. */
	if (send(c->fd, r, sizeof *r, MSG_NOSIGNAL) != (ssize_t)sizeof *r)
		_exit(EXIT_FAILURE);
}

static void
put_frame(struct load_job *j, uint16_t type, uint64_t zxid, struct slice body)
{
	frame_put(&j->out, &(struct frame){ .type = type, .zxid = zxid, .body = body });
}

static void
on_snapshot(void *ctx, uint64_t zxid)
{
	put_frame(ctx, MSG_BULK_SNAPSHOT, zxid, SLICE_NULL);
}

static void
on_data(void *ctx, struct slice bytes)
{
	put_frame(ctx, MSG_BULK_DATA, 0, bytes);
}

static void
on_snapshot_end(void *ctx)
{
	put_frame(ctx, MSG_BULK_SNAPSHOT_END, 0, SLICE_NULL);
}

static void
on_txn(void *ctx, uint64_t zxid, struct slice txn)
{
	put_frame(ctx, MSG_BULK_TXN, zxid, txn);
}

static void
on_end(void *ctx, uint64_t zxid)
{
	put_frame(ctx, MSG_BULK_END, zxid, SLICE_NULL);
}

static void
on_log(void *ctx, uint64_t zxid)
{
	put_frame(ctx, MSG_BULK_LOG, zxid, SLICE_NULL);
}

static const struct load_events to_frames = { on_snapshot, on_data, on_snapshot_end, on_txn, on_end, on_log };

static void
end_load(struct child *c, struct load_job *j, int error)
{
	struct helper_report r = { .kind = HELPER_LOAD, .error = error, .count = j->sent, .load = j->kind };

	if (error != 0)
		snprintf(r.text, sizeof r.text, "%s",
			 load_error(j->load)[0] != '\0' ? load_error(j->load) : strerror(-error));
	load_free(j->load);
	buf_free(&j->out);
	close(j->fd);
	*j = (struct load_job){ .fd = -1 };
	send_report(c, &r);
}

static void
begin_load(struct child *c, const struct helper_job *job, int fd)
{
	struct load_job *j = NULL;

	for (size_t i = 0; i < LOADS_MAX && j == NULL; i++)
		if (c->loads[i].fd < 0)
			j = &c->loads[i];
	if (j == NULL) {
		log_event(LOG_WARNING, "too many loads at once", "limit=%d", LOADS_MAX);
		close(fd);
		return;
	}
	*j = (struct load_job){ .fd = fd, .kind = job->load.kind };
	buf_init(&j->out, SIZE_MAX / 4);
	j->load = load_new(c->disk, &job->load, &to_frames, j, log_trace());
}

/* The channel takes more: produce, send. */
static void
advance_load(struct child *c, struct load_job *j)
{
	ssize_t n;

	while (!j->complete && buf_len(&j->out) < OUT_FULL) {
		int ret = load_step(j->load);
		if (ret < 0) {
			end_load(c, j, ret);
			return;
		}
		j->complete = ret == 0;
	}
	n = send(j->fd, buf_head(&j->out), buf_len(&j->out), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* Whoever wanted it is gone; that is no failure of ours. */
		end_load(c, j, 0);
		return;
	}
	if (n > 0) {
		buf_consume(&j->out, (size_t)n);
		j->sent += (uint64_t)n;
	}
	if (j->complete && buf_len(&j->out) == 0)
		end_load(c, j, 0);
}

static void
end_intake(struct child *c, struct intake *k, int error, const char *text)
{
	struct helper_report r = {
		.kind = k->kind, .error = error, .zxid = k->zxid, .count = k->bytes, .number = k->number
	};

	if (error != 0)
		snprintf(r.text, sizeof r.text, "%s",
			 text != NULL && text[0] != '\0' ? text : strerror(-error));
	snapfile_free(k->file);
	close(k->fd);
	buf_free(&k->in);
	*k = (struct intake){ .fd = -1 };
	send_report(c, &r);
}

static int
take_begin(struct child *c, struct intake *k, const struct frame *f)
{
	snapfile_free(k->file);
	k->file = NULL;
	k->zxid = f->zxid;
	k->bytes = 0;
	return snapfile_new(&k->file, c->disk, f->zxid, k->form, k->keep_free);
}

static int
take_data(struct child *c, struct intake *k, const struct frame *f)
{
	(void)c;
	if (k->file == NULL)
		return -EPROTO;
	k->bytes += f->body.len;
	return snapfile_data(k->file, f->body);
}

/* 1: it is done. */
static int
take_end(struct child *c, struct intake *k, const struct frame *f)
{
	int ret;

	(void)c;
	(void)f;
	if (k->file == NULL)
		return -EPROTO;
	ret = snapfile_finish(k->file);
	return ret == 0 ? 1 : ret;
}

static const struct {
	uint16_t type;
	int (*take)(struct child *c, struct intake *k, const struct frame *f);
} intake_messages[] = {
	{ MSG_BULK_SNAPSHOT, take_begin },
	{ MSG_BULK_DATA, take_data },
	{ MSG_BULK_SNAPSHOT_END, take_end },
};

static int
take_frame(struct child *c, struct intake *k, const struct frame *f)
{
	for (size_t i = 0; i < sizeof intake_messages / sizeof *intake_messages; i++)
		if (intake_messages[i].type == f->type)
			return intake_messages[i].take(c, k, f);
	return -EPROTO;
}

/* Takes whole frames from the buffer. 0: more are needed; 1: the snapshot is on the disk; or -errno. */
static int
take_frames(struct child *c, struct intake *k)
{
	struct frame f;
	int64_t n = 0;
	int ret = 0;

	while (ret == 0 && (n = frame_parse(buf_slice(&k->in), &f)) > 0) {
		ret = take_frame(c, k, &f);
		buf_consume(&k->in, (size_t)n);
	}
	return ret == 0 && n < 0 ? (int)n : ret;
}

static void
advance_intake(struct child *c, struct intake *k)
{
	uint8_t *p = buf_reserve(&k->in, IN_BYTES);
	ssize_t got;
	int ret;

	ASSERT(p != NULL);
	got = recv(k->fd, p, IN_BYTES, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		end_intake(c, k, got < 0 ? -errno : -ECONNRESET, "the stream ended before the snapshot did");
		return;
	}
	buf_commit(&k->in, (size_t)got);
	if (k->kind == HELPER_SNAPSHOT)
		k->resume_us = clock_mono_us() + (uint64_t)got * 1000000 / SNAPSHOT_RATE;
	ret = take_frames(c, k);
	if (ret > 0)
		end_intake(c, k, 0, NULL);
	else if (ret < 0)
		end_intake(c, k, ret, ret == -EBADMSG ? snapfile_error(k->file) : NULL);
}

static void
begin_intake(struct child *c, struct intake *k, const struct helper_job *job, int fd)
{
	if (k->fd >= 0)
		end_intake(c, k, -ECANCELED, "a newer one was begun");
	*k = (struct intake){
		.fd = fd, .kind = job->kind, .number = job->number, .keep_free = job->keep_free
	};
	buf_init(&k->in, FRAME_HEADER_BYTES + FRAME_BODY_MAX + IN_BYTES);
}

static void
begin_snapshot(struct child *c, const struct helper_job *job, int fd)
{
	begin_intake(c, &c->snapshot, job, fd);
	c->snapshot.form = job->form;
}

/* What the own tree writes now would be of a history that ends. */
static void
begin_install(struct child *c, const struct helper_job *job, int fd)
{
	if (c->snapshot.fd >= 0)
		end_intake(c, &c->snapshot, -ECANCELED, "a leader's snapshot comes");
	begin_intake(c, &c->install, job, fd);
	c->install.form = SNAPFILE_RECEIVED;
}

static void
do_chore(struct child *c, const struct helper_job *job, int fd)
{
	struct helper_report r = { .kind = HELPER_CHORE, .chore = job->chore };

	(void)fd;
	r.error = store_do_chore(c->disk, &job->chore);
	send_report(c, &r);
}

static void
note_purge(struct child *c, const struct helper_job *job, int fd)
{
	(void)fd;
	if (c->purge_due && job->kind == HELPER_GUARD)
		return; /* a purge is as good */
	/* There are more files now than when it was begun: again, and both are answered by one report. */
	purge_free(c->purging);
	c->purging = NULL;
	c->purge = *job;
	c->purge_due = true;
}

static void
end_purge(struct child *c, int error)
{
	struct helper_report r = { .kind = c->purge.kind, .error = error };

	if (c->purging != NULL)
		r.count = purge_removed(c->purging);
	if (error == 0 && r.kind == HELPER_GUARD)
		r.error = purge_space(c->disk, c->purge.keep_free, &r.free_bytes, &r.wanted_bytes);
	if (r.error == 0 && r.kind == HELPER_GUARD)
		r.error = purge_sizes(c->disk, &r.data_bytes, &r.log_bytes);
	purge_free(c->purging);
	c->purging = NULL;
	c->purge_due = false;
	send_report(c, &r);
}

/* Where less is free than should be, what need not be kept goes now, and not at the next hour. */
static void
begin_purge(struct child *c)
{
	struct purge_request rq = { .retain = c->purge.retain, .hard = c->purge.kind == HELPER_GUARD };
	uint64_t free_bytes, wanted;
	int ret = 0;

	if (rq.hard) {
		ret = purge_space(c->disk, c->purge.keep_free, &free_bytes, &wanted);
		if (ret != 0 || free_bytes >= wanted || rq.retain == 0) {
			end_purge(c, ret);
			return;
		}
	}
	c->purging = purge_new(c->disk, &rq, &c->known, log_trace());
}

static void
advance_purge(struct child *c)
{
	int ret;

	if (c->purging == NULL)
		begin_purge(c);
	if (c->purging == NULL)
		return;
	ret = purge_step(c->purging);
	if (ret <= 0)
		end_purge(c, ret);
}

static void
begin_scrub(struct child *c, const struct helper_job *job, int fd)
{
	(void)fd;
	scrub_free(c->scrub);
	c->scrub = scrub_new(c->disk, job->upto, log_trace());
	c->scrub_rate = job->rate;
	c->scrub_ms = clock_mono_ms();
}

static void
end_scrub(struct child *c, int error)
{
	const struct scrub_result *found = scrub_so_far(c->scrub);
	struct helper_report r = { .kind = HELPER_SCRUB,
				   .error = error,
				   .count = found->damaged,
				   .files = found->files,
				   .bytes = found->bytes };

	memcpy(r.text, found->first, sizeof r.text);
	scrub_free(c->scrub);
	c->scrub = NULL;
	send_report(c, &r);
}

/* What a step has read is paid for with time. */
static void
advance_scrub(struct child *c)
{
	uint64_t before = scrub_so_far(c->scrub)->bytes, now_ms = clock_mono_ms();
	int ret;

	if (now_ms < c->scrub_ms)
		return;
	ret = scrub_step(c->scrub);
	c->scrub_ms = now_ms + (scrub_so_far(c->scrub)->bytes - before) * 1000 / c->scrub_rate;
	if (ret <= 0)
		end_scrub(c, ret);
}

static int
receive_job(struct child *c, struct helper_job *job, int *fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = job, .iov_len = sizeof *job };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.space,
			    .msg_controllen = sizeof control };
	ssize_t got = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*fd = -1;
	if (h != NULL && h->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(h), sizeof *fd);
	return got == (ssize_t)sizeof *job ? 0 : -EPIPE;
}

static void
take_job(struct child *c)
{
	static void (*const begin[])(struct child *, const struct helper_job *, int) = {
		[HELPER_LOAD] = begin_load,       [HELPER_SNAPSHOT] = begin_snapshot,
		[HELPER_INSTALL] = begin_install, [HELPER_CHORE] = do_chore,
		[HELPER_PURGE] = note_purge,      [HELPER_SCRUB] = begin_scrub,
		[HELPER_GUARD] = note_purge,
	};
	struct helper_job job;
	int fd;

	if (receive_job(c, &job, &fd) != 0)
		_exit(EXIT_SUCCESS); /* logd has closed its end */
	begin[job.kind](c, &job, fd);
}

static bool
loading(const struct child *c)
{
	for (size_t i = 0; i < LOADS_MAX; i++)
		if (c->loads[i].fd >= 0)
			return true;
	return false;
}

static int
until(uint64_t then_ms, uint64_t now_ms, int most)
{
	return then_ms <= now_ms ? 0 : then_ms - now_ms < (uint64_t)most ? (int)(then_ms - now_ms) : most;
}

/*
 * How long may be waited for a socket: a purge goes on at once, a scrub and the own snapshot in their time; no purge and
 * no scrub beside a load.
 */
static int
patience(const struct child *c)
{
	uint64_t now_us = clock_mono_us();
	int wait = BEAT_MS;

	if (c->snapshot.fd >= 0 && c->snapshot.resume_us > now_us)
		wait = until((c->snapshot.resume_us + 999) / 1000, now_us / 1000, wait);
	if (loading(c))
		return wait;
	if (c->purge_due)
		return 0;
	return c->scrub == NULL ? wait : until(c->scrub_ms, now_us / 1000, wait);
}

static void
turn(struct child *c)
{
	struct pollfd p[3 + LOADS_MAX] = {
		{ .fd = c->fd, .events = POLLIN },
		{ .fd = c->snapshot.resume_us > clock_mono_us() ? -1 : c->snapshot.fd, .events = POLLIN },
		{ .fd = c->install.fd, .events = POLLIN },
	};

	for (size_t i = 0; i < LOADS_MAX; i++)
		p[3 + i] = (struct pollfd){ .fd = c->loads[i].fd, .events = POLLOUT };
	pulse_beat(c->pulse);
	if (poll(p, 3 + LOADS_MAX, patience(c)) < 0)
		return;
	for (size_t i = 0; i < LOADS_MAX; i++)
		if (p[3 + i].revents != 0)
			advance_load(c, &c->loads[i]);
	if (p[1].revents != 0)
		advance_intake(c, &c->snapshot);
	if (p[2].revents != 0)
		advance_intake(c, &c->install);
	if (p[0].revents != 0)
		take_job(c);
	if (loading(c))
		return;
	if (c->purge_due)
		advance_purge(c);
	else if (c->scrub != NULL)
		advance_scrub(c);
}

_Noreturn void
helper_child(int fd, struct posix_disk *d)
{
	struct child c = {
		.fd = fd, .disk = &d->disk, .pulse = d->pulse, .snapshot.fd = -1, .install.fd = -1
	};

	for (size_t i = 0; i < LOADS_MAX; i++)
		c.loads[i].fd = -1;
	for (;;)
		turn(&c);
}
