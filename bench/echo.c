/*
 * See echo.h. The parent is the dialler (as syncd), the child accepts (as a sibling). Invariant: depth frames are in
 * flight from the first to the last, so that each answer causes the next frame in the same turn.
 */
#include "bench/echo.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/samples.h"
#include "io/clock.h"
#include "io/link.h"
#include "io/listen.h"
#include "io/log.h"
#include "io/sandbox.h"
#include "ipc/msg.h"

static const char socket_name[] = "bench.link";

/* One process's end. Frames carry in zxid when they were sent. */
struct end {
	struct ev_loop *loop;
	struct turn turn;
	struct link link;
	struct hello_identity identity;
	const struct echo_case *c;
	struct slice body;
	struct samples samples;
	size_t sent, answered, warm;
	uint64_t began_ns, ended_ns;
	struct rusage usage;
};

static void
send_one(struct end *e)
{
	struct timespec pause = { .tv_nsec = e->c->pause_us * 1000L };

	if (e->c->pause_us > 0)
		nanosleep(&pause, NULL);
	e->sent++;
	link_send(&e->link, &(struct frame){ .type = MSG_APPEND, .zxid = clock_mono_ns(), .body = e->body });
}

static int
on_answer(void *owner, struct link *l, const struct frame *f)
{
	struct end *e = owner;
	uint64_t now = clock_mono_ns();

	(void)l;
	e->answered++;
	if (e->answered == e->warm) {
		getrusage(RUSAGE_SELF, &e->usage);
		e->began_ns = now;
	} else if (e->answered > e->warm) {
		samples_add(&e->samples, now - f->zxid);
	}
	if (e->sent < e->warm + e->c->frames)
		send_one(e);
	if (e->answered == e->warm + e->c->frames) {
		e->ended_ns = now;
		ev_break(e->loop, EVBREAK_ALL);
	}
	return 0;
}

static int
on_question(void *owner, struct link *l, const struct frame *f)
{
	(void)owner;
	link_send(l, &(struct frame){ .type = MSG_APPEND, .zxid = f->zxid, .body = f->body });
	return 0;
}

static int
dialler_up(void *owner, struct link *l, const Zkd__Hello *theirs)
{
	struct end *e = owner;

	(void)l;
	(void)theirs;
	for (unsigned i = 0; i < e->c->depth; i++)
		send_one(e);
	return 0;
}

static int
acceptor_up(void *owner, struct link *l, const Zkd__Hello *theirs)
{
	(void)owner;
	(void)l;
	(void)theirs;
	return 0;
}

static void
on_down(void *owner, struct link *l)
{
	struct end *e = owner;

	(void)l;
	ev_break(e->loop, EVBREAK_ALL);
}

static void
on_mismatch(void *owner, struct link *l, const char *why)
{
	(void)why;
	on_down(owner, l);
}

static const struct link_message answers[] = { { MSG_APPEND, false, LINK_ANY_STATE, "APPEND", on_answer } };
static const struct link_message questions[] = { { MSG_APPEND, false, LINK_ANY_STATE, "APPEND",
						   on_question } };
static const struct link_ops dialler_ops = { "logd", answers, 1, NULL, dialler_up, on_down, on_mismatch };
static const struct link_ops acceptor_ops = {
	"syncd", questions, 1, NULL, acceptor_up, on_down, on_mismatch
};

static void
end_start(struct end *e, const struct echo_case *c, const char *daemon, const struct link_ops *ops)
{
	*e = (struct end){ .c = c, .warm = c->frames / 10 + c->depth };
	e->identity = (struct hello_identity){ .daemon = daemon, .suite = "bench", .incarnation = 1 };
	e->loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
	turn_start(&e->turn, e->loop, NULL, NULL);
	link_init(&e->link, &e->turn, ops, e, &e->identity);
}

static void
end_stop(struct end *e)
{
	link_close(&e->link);
	turn_stop(&e->turn);
	ev_loop_destroy(e->loop);
}

_Noreturn static void
answer(const struct echo_case *c, int listener)
{
	struct sandbox room = { 0 };
	struct sandbox_report report;
	struct end e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	end_start(&e, c, "logd", &acceptor_ops);
	link_listen(&e.link, listener);
	/* As a daemon is: every system call passes the filter. */
	if (sandbox_lock(&room, &report) != 0)
		_exit(1);
	ev_run(e.loop, 0);
	end_stop(&e);
	_exit(0);
}

static double
us_of(struct timeval t)
{
	return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static void
evaluate(struct end *e, const struct rusage *mine, const struct rusage *child, struct echo_result *r)
{
	/* The child's time cannot be read at the end of the warm-up: it is spread over all frames. */
	double hops = 2. * (double)e->c->frames, all = 2. * (double)e->answered;

	samples_sort(&e->samples);
	r->p50_us = samples_us(&e->samples, 0.5) / 2;
	r->p99_us = samples_us(&e->samples, 0.99) / 2;
	r->user_us = (us_of(mine->ru_utime) - us_of(e->usage.ru_utime)) / hops + us_of(child->ru_utime) / all;
	r->cpu_us = r->user_us + (us_of(mine->ru_stime) - us_of(e->usage.ru_stime)) / hops +
		    us_of(child->ru_stime) / all;
	r->hops_per_s = hops / ((double)(e->ended_ns - e->began_ns) / 1e9);
}

static int
ask(const struct echo_case *c, pid_t child, struct echo_result *r)
{
	struct rusage mine, theirs;
	struct end e;
	int error = 0;

	end_start(&e, c, "syncd", &dialler_ops);
	e.body = slice_of(mem_zalloc(1, c->body_bytes), c->body_bytes);
	samples_init(&e.samples, c->frames);
	link_dial(&e.link, socket_name);
	ev_run(e.loop, 0);
	getrusage(RUSAGE_SELF, &mine);
	end_stop(&e);
	if (wait4(child, NULL, 0, &theirs) != child || e.answered < e.warm + c->frames)
		error = -EPIPE;
	else
		evaluate(&e, &mine, &theirs, r);
	samples_free(&e.samples);
	mem_free((void *)e.body.data);
	return error;
}

int
echo_measure(const struct echo_case *c, struct echo_result *r)
{
	char folder[] = "/tmp/zkd-bench-XXXXXX";
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), listener, error;
	pid_t child;

	if (here < 0 || mkdtemp(folder) == NULL || chdir(folder) != 0)
		return -errno;
	log_set_level(LOG_WARNING);
	listener = listen_unix(AT_FDCWD, socket_name, 0600, (uid_t)-1, (gid_t)-1, 4);
	child = listener < 0 ? -1 : fork();
	if (child == 0)
		answer(c, listener);
	error = listener < 0 ? listener : child < 0 ? -errno : 0;
	if (listener >= 0)
		close(listener);
	if (error == 0)
		error = ask(c, child, r);
	unlink(socket_name);
	if (fchdir(here) != 0 && error == 0)
		error = -errno;
	rmdir(folder);
	close(here);
	return error;
}

static void
answer_plainly(int fd)
{
	char frame[FRAME_HEADER_BYTES];

	while (read(fd, frame, sizeof frame) == (ssize_t)sizeof frame) {
		if (write(fd, frame, sizeof frame) < 0)
			break;
	}
	_exit(0);
}

double
echo_floor_us(size_t frames)
{
	char frame[FRAME_HEADER_BYTES] = { 0 };
	struct samples s;
	double result = -EPIPE;
	int ends[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	child = fork();
	if (child == 0) {
		close(ends[0]);
		answer_plainly(ends[1]);
	}
	close(ends[1]);
	samples_init(&s, frames);
	for (size_t i = 0; i < frames && child > 0; i++) {
		uint64_t began = clock_mono_ns();
		if (write(ends[0], frame, sizeof frame) < 0 || read(ends[0], frame, sizeof frame) <= 0)
			break;
		samples_add(&s, clock_mono_ns() - began);
	}
	close(ends[0]);
	if (child > 0)
		waitpid(child, NULL, 0);
	samples_sort(&s);
	if (s.n == frames)
		result = samples_us(&s, 0.5) / 2;
	samples_free(&s);
	return result;
}
