/* See processes.h. Invariant: the first n pids were there when they were added. */
#include "bench/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "io/listen.h"
#include "ipc/frame.h"
#include "ipc/msg.h"
#include "ipc/proto.h"

enum { ANSWER_SECONDS = 2, READ_STEP = 65536 };

/* Finer than /proc's ticks of 10 ms. */
static int
cpu_ns(pid_t pid, int64_t *ns)
{
	struct timespec t;
	clockid_t clock;
	int error = clock_getcpuclockid(pid, &clock);

	if (error != 0)
		return -error;
	if (clock_gettime(clock, &t) != 0)
		return -errno;
	*ns = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
	return 0;
}

int
processes_add(struct processes *p, pid_t pid)
{
	int64_t ns;

	if (p->n == PROCESSES_MAX)
		return -ENOSPC;
	if (pid <= 0 || cpu_ns(pid, &ns) < 0)
		return -ESRCH;
	p->pids[p->n++] = pid;
	return 0;
}

/* Reads one frame. 0 or -errno. */
static int
receive_frame(int fd, struct buf *in, struct frame *f)
{
	int64_t size;

	while ((size = frame_parse(buf_slice(in), f)) == 0) {
		uint8_t *room = buf_reserve(in, READ_STEP);
		ssize_t n = room == NULL ? -1 : recv(fd, room, READ_STEP, 0);
		if (n <= 0)
			return room == NULL ? -EMSGSIZE : n < 0 ? -errno : -ECONNRESET;
		buf_commit(in, (size_t)n);
	}
	return size < 0 ? (int)size : 0;
}

static int
take_pids(struct processes *p, const Zkd__Status *s)
{
	int error = s == NULL || s->n_daemons == 0 ? -EPROTO : 0;

	for (size_t i = 0; error == 0 && i < s->n_daemons; i++)
		error = processes_add(p, s->daemons[i]->pid);
	return error;
}

static int
ask_zkd(struct processes *p, int fd)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	struct frame question = { .type = MSG_STATUS, .seq = 1 }, answer;
	struct arena arena;
	struct buf out, in;
	int error = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	arena_init(&arena, PROTO_ARENA_MAX);
	buf_init(&out, FRAME_HEADER_BYTES);
	buf_init(&in, FRAME_HEADER_BYTES + PROTO_BODY_MAX + READ_STEP);
	frame_put(&out, &question);
	if (send(fd, buf_head(&out), buf_len(&out), MSG_NOSIGNAL) != (ssize_t)buf_len(&out))
		error = -EPIPE;
	error = error ?: receive_frame(fd, &in, &answer);
	error = error ?: take_pids(p, proto_take(&arena, &zkd__status__descriptor, answer.body));
	buf_free(&out);
	buf_free(&in);
	arena_free(&arena);
	return error;
}

int
processes_add_zkd(struct processes *p, const char *runtime_dir)
{
	int folder = open(runtime_dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, error;

	if (folder < 0)
		return -errno;
	fd = listen_dial_unix(folder, "zkd.control", 0);
	close(folder);
	if (fd < 0)
		return fd;
	error = ask_zkd(p, fd);
	close(fd);
	return error;
}

double
processes_cpu_s(const struct processes *p)
{
	int64_t sum = 0, ns;

	for (unsigned i = 0; i < p->n; i++) {
		if (cpu_ns(p->pids[i], &ns) < 0)
			return -1;
		sum += ns;
	}
	return (double)sum / 1e9;
}

static int64_t
pss_kib(pid_t pid)
{
	int64_t kib = -1;
	char line[256];
	FILE *f;

	snprintf(line, sizeof line, "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(line, "re");
	if (f == NULL)
		return -1;
	while (kib < 0 && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "Pss: %" SCNd64, &kib) != 1)
			kib = -1;
	fclose(f);
	return kib;
}

int64_t
processes_pss_bytes(const struct processes *p)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < p->n; i++) {
		int64_t kib = pss_kib(p->pids[i]);
		if (kib < 0)
			return -1;
		sum += kib * 1024;
	}
	return sum;
}

double
processes_own_cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
