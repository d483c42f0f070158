/* See fault.h. Invariant: the harm is done in a later turn than the answer, which has left by then. */
#include "config.h"

#include "io/fault.h"

#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "io/log.h"

void
fault_refuse(struct control_conn *c, const struct frame *question)
{
	control_answer(c, question, false,
		       "this daemon is built without debugging verbs; ./configure --enable-debug has them");
}

#ifdef ZKD_DEBUG

enum { AFTER_MS = 10 };

static void
stand_still(uint32_t ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	log_event(LOG_WARNING, "stalls on request", "ms=%u", ms);
	while (nanosleep(&left, &left) < 0)
		;
	log_event(LOG_WARNING, "goes on after a stall", "ms=%u", ms);
}

static void
on_due(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fault *f = w->data;

	(void)loop;
	(void)revents;
	if (f->stall_ms == 0)
		assert_panic("crash on request");
	stand_still(f->stall_ms);
}

/* NULL, or what is wrong with the question. */
static const char *
judge(const Zkd__FaultRequest *q)
{
	bool stall = strcmp(q->fault, "stall") == 0;

	if (!stall && strcmp(q->fault, "crash") != 0)
		return "faults are stall and crash";
	if (stall && (q->ms == 0 || q->ms > FAULT_STALL_MS_MAX))
		return "a stall lasts from 1 to 600000 ms";
	return NULL;
}

void
fault_take(struct fault *f, struct ev_loop *loop, struct control_conn *c, const struct frame *question)
{
	const Zkd__FaultRequest *q = control_take(c, question, &zkd__fault_request__descriptor);
	const char *wrong = q == NULL ? "malformed" : judge(q);

	control_answer(c, question, wrong == NULL, wrong == NULL ? "" : wrong);
	if (wrong != NULL || ev_is_active(&f->due))
		return;
	f->stall_ms = strcmp(q->fault, "crash") == 0 ? 0 : q->ms;
	ev_timer_init(&f->due, on_due, AFTER_MS / 1e3, 0.);
	f->due.data = f;
	ev_timer_start(loop, &f->due);
}

#else

void
fault_take(struct fault *f, struct ev_loop *loop, struct control_conn *c, const struct frame *question)
{
	(void)f;
	(void)loop;
	fault_refuse(c, question);
}

#endif
