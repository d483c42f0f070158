/* The server's processes: the processor time and memory that they take, as the kernel counts them. */
#ifndef BENCH_PROCESSES_H
#define BENCH_PROCESSES_H

#include <stdint.h>
#include <sys/types.h>

enum { PROCESSES_MAX = 64 };

struct processes {
	pid_t pids[PROCESSES_MAX];
	unsigned n;
};

/* 0, -ENOSPC, or -ESRCH for a process that is not there. */
int processes_add(struct processes *p, pid_t pid);
/* zkd and its daemons, asked from zkd's control socket in the node's runtimeDir. 0 or -errno. */
int processes_add_zkd(struct processes *p, const char *runtime_dir);

/* Seconds of all threads of all processes since they began, in user and kernel mode; -1 when one is gone. */
double processes_cpu_s(const struct processes *p);
/* Proportional set size in bytes; -1 when it may not be read (that takes root, or the processes' own user). */
int64_t processes_pss_bytes(const struct processes *p);
/* Of this process. */
double processes_own_cpu_s(void);

#endif
