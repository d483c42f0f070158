/* See beat.h. Invariant: the thread touches nothing but the pulse and the notify socket. */
#include "beat.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "io/notify.h"

enum { STACK_BYTES = 64 << 10, BEATS_A_PERIOD = 4 };

static void *
run(void *arg)
{
	struct beat *b = arg;
	uint64_t ns = b->notify->watchdog_us * 1000 / BEATS_A_PERIOD;
	struct timespec pause = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

	for (;;) {
		nanosleep(&pause, NULL);
		if (pulse_waits(pulse_read(&b->pulse)))
			notify_beat(b->notify);
	}
	return NULL;
}

int
beat_start(struct beat *b, const struct notify *n)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	b->notify = n;
	if (n->watchdog_us == 0)
		return 0;
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	ret = pthread_create(&thread, &attr, run, b);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -ret;
}
