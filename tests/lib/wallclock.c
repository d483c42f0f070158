/*
 * The wall clock of one machine of a test: preloaded into its servers it adds to CLOCK_REALTIME what the file
 * $ZKD_WALLCLOCK holds, an int64_t of milliseconds that the test changes as it likes. Clock namespaces of the kernel have
 * no wall clock of their own. The file is mapped before main, so daemons that lock themselves up go on reading it.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_ms;
static int (*kernel_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void
open_offset(void)
{
	kernel_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	const char *path = getenv("ZKD_WALLCLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		abort();
	void *p = mmap(NULL, sizeof *offset_ms, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		abort();
	offset_ms = p;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!kernel_gettime) /* a constructor that ran before ours */
		kernel_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int r = kernel_gettime(id, ts);
	if (r != 0 || !offset_ms || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
		return r;
	int64_t ms = *offset_ms; /* once: it may change meanwhile */
	int64_t ns = ts->tv_nsec + ms % 1000 * 1000000;
	ts->tv_sec += ms / 1000 + (ns < 0 ? -1 : ns / 1000000000);
	ts->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
	return 0;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return -1;
	*tv = (struct timeval){ .tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000 };
	return 0;
}

time_t
time(time_t *at)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (at)
		*at = ts.tv_sec;
	return ts.tv_sec;
}
