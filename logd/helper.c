/* logd's side of the helper, see helper.h. Invariant: at most one helper runs. */
#include "helper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"

enum {
	YOUNG_MS = 1000, /* one that dies before this age is not started again at once */
	KEEP_MAX = 16,
	LOOKS_MISSED_MAX = 2,
};

static const double look_seconds = 1.;

int
helper_send(struct helper *h, const struct helper_job *job, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)job, .iov_len = sizeof *job };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int ret = 0;

	if (fd >= 0) {
		m.msg_control = control.space;
		m.msg_controllen = sizeof control.space;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	if (h->fd < 0)
		ret = -EPIPE;
	else if (sendmsg(h->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret;
}

static int
by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/*
 * A copy of a link's or channel's descriptor would keep it open after logd has closed its own, so all go but those it
 * needs, its errors' way out, and datagram sockets (journal, notify).
 */
static void
close_others(const struct helper *h, int fd)
{
	int keep[KEEP_MAX], n = 0, from = 3;

	keep[n++] = fd;
	for (size_t i = 0; i < h->nkeep && n < KEEP_MAX; i++)
		if (h->keep[i] >= from)
			keep[n++] = h->keep[i];
	for (int i = from; i < 64 && n < KEEP_MAX; i++) {
		int type = 0;
		socklen_t len = sizeof type;
		if (getsockopt(i, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM)
			keep[n++] = i;
	}
	qsort(keep, (size_t)n, sizeof *keep, by_number);
	for (int i = 0; i < n; i++) {
		if (keep[i] > from)
			close_range((unsigned)from, (unsigned)keep[i] - 1, 0);
		from = keep[i] + 1;
	}
	close_range((unsigned)from, ~0U, 0);
}

static _Noreturn void
become_child(struct helper *h, int fd, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	/*
	 * The loop's handlers would write into a pipe that is logd's. And a service manager or a terminal tells every
	 * process to stop: logd decides when its helper goes.
	 */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	close_others(h, fd);
	helper_child(fd, h->disk);
}

static void
end_child(struct helper *h, int *status)
{
	ev_io_stop(h->loop, &h->watcher);
	ev_timer_stop(h->loop, &h->look);
	close(h->fd);
	h->fd = -1;
	kill(h->pid, SIGKILL);
	waitpid(h->pid, status, 0);
}

static void
restart(struct helper *h)
{
	uint64_t age = clock_mono_ms() - h->started_ms;
	int status = 0;

	end_child(h, &status);
	log_event(LOG_ERR, "helper died", "pid=%d status=%d age_ms=%llu", (int)h->pid, status,
		  (unsigned long long)age);
	if (age < YOUNG_MS || helper_start(h) != 0) {
		/* Without it nobody can load: the supervisor's back-off is the right place to wait. */
		log_plain(LOG_ERR, "helper cannot be kept running");
		exit(EXIT_FAILURE);
	}
	h->died(h);
}

static void
on_report(struct ev_loop *loop, ev_io *w, int revents)
{
	struct helper *h = w->data;
	struct helper_report r;
	ssize_t got = recv(h->fd, &r, sizeof r, MSG_DONTWAIT);

	(void)loop;
	(void)revents;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got != (ssize_t)sizeof r)
		restart(h);
	else
		h->report(h, &r);
}

/* One that waits for the disk may do so for as long as it takes; killing it would not help the disk. */
static void
on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct helper *h = w->data;
	unsigned now = pulse_read(h->pulse);

	(void)loop;
	(void)revents;
	h->missed = now == h->seen && !pulse_waits(now) ? h->missed + 1 : 0;
	h->seen = now;
	if (h->missed <= LOOKS_MISSED_MAX)
		return;
	log_event(LOG_ERR, "helper stands still", "pid=%d", (int)h->pid);
	restart(h);
}

/* Shared memory for the pulse, made once. */
static int
make_pulse(struct helper *h)
{
	void *p;

	if (h->pulse == NULL) {
		p = mmap(NULL, sizeof *h->pulse, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return -errno;
		h->pulse = p;
		h->disk->pulse = p;
	}
	/* The one before may have died in a disk call. */
	atomic_store(&h->pulse->count, 0);
	h->seen = h->missed = 0;
	return 0;
}

static void
watch_child(struct helper *h)
{
	h->started_ms = clock_mono_ms();
	ev_io_init(&h->watcher, on_report, h->fd, EV_READ);
	ev_timer_init(&h->look, on_look, look_seconds, look_seconds);
	h->watcher.data = h->look.data = h;
	ev_io_start(h->loop, &h->watcher);
	ev_timer_start(h->loop, &h->look);
}

int
helper_start(struct helper *h)
{
	pid_t parent = getpid();
	int ends[2], ret;

	h->fd = -1;
	ret = make_pulse(h);
	if (ret != 0)
		return ret;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	h->pid = fork();
	if (h->pid < 0) {
		int error = errno;
		close(ends[0]);
		close(ends[1]);
		return -error;
	}
	if (h->pid == 0)
		become_child(h, ends[1], parent);
	close(ends[1]);
	h->fd = ends[0];
	watch_child(h);
	return 0;
}

int
helper_renew(struct helper *h)
{
	int status, ret;

	end_child(h, &status);
	ret = helper_start(h);
	if (ret == 0)
		h->died(h);
	return ret;
}

void
helper_stop(struct helper *h)
{
	if (h->fd < 0)
		return;
	end_child(h, NULL);
}
