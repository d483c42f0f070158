/* See turn.h. Invariant: when the loop waits, no item is marked and nothing is left to step. */
#include "io/turn.h"

#include "base/mem.h"
#include "io/clock.h"

static void
flush_marked(struct turn *t)
{
	struct list batch, *e;

	/* What is marked while we flush has to wait for the next round. */
	list_init(&batch);
	while ((e = list_first(&t->marked)) != NULL) {
		list_remove(e);
		list_append(&batch, e);
	}
	while ((e = list_first(&batch)) != NULL) {
		struct turn_item *item = container_of(e, struct turn_item, link);
		list_remove(e);
		item->flush(item);
	}
}

static void
arm(struct turn *t, uint64_t deadline, uint64_t now)
{
	/* A timer that fires too early costs one step; re-arming it for each message would cost more. */
	if (deadline >= t->armed_ms)
		return;
	ev_now_update(t->loop);
	ev_timer_stop(t->loop, &t->timer);
	ev_timer_set(&t->timer, deadline <= now ? 0. : (double)(deadline - now) / 1e3, 0.);
	ev_timer_start(t->loop, &t->timer);
	t->armed_ms = deadline;
}

void
turn_finish(struct turn *t)
{
	uint64_t deadline = TURN_NO_DEADLINE, now = clock_mono_ms();
	int round = 0;

	do {
		t->again = false;
		if (t->step != NULL)
			deadline = t->step(t->owner, now);
		flush_marked(t);
		now = clock_mono_ms();
	} while ((t->again || !list_empty(&t->marked)) && ++round < TURN_ROUNDS_MAX);
	if (t->again || !list_empty(&t->marked))
		deadline = now;
	arm(t, deadline, now);
}

static void
begin_turn(struct ev_loop *loop, ev_check *w, int revents)
{
	struct turn *t = w->data;

	(void)loop;
	(void)revents;
	t->woken_us = clock_mono_us();
}

static void
renew_period(struct turn_times *times, uint64_t now_ms)
{
	uint64_t age = now_ms - times->period_ms;

	if (age < TURN_PERIOD_MS)
		return;
	times->before_us = age < 2 * TURN_PERIOD_MS ? times->longest_us : 0;
	times->longest_us = 0;
	times->period_ms = now_ms;
}

static void
count_turn(struct turn *t)
{
	uint64_t now_us = clock_mono_us(), took = now_us - t->woken_us;

	if (t->woken_us == 0)
		return;
	t->woken_us = 0;
	renew_period(&t->times, now_us / 1000);
	t->times.turns++;
	t->times.busy_us += took;
	if (took > t->times.longest_us)
		t->times.longest_us = took;
}

uint64_t
turn_longest_us(const struct turn *t, uint64_t now_ms)
{
	struct turn_times times = t->times;

	renew_period(&times, now_ms);
	return times.longest_us > times.before_us ? times.longest_us : times.before_us;
}

static void
end_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct turn *t = w->data;

	(void)loop;
	(void)revents;
	turn_finish(t);
	count_turn(t);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct turn *t = w->data;

	/* The turn that this ends calls step. */
	(void)loop;
	(void)revents;
	t->armed_ms = TURN_NO_DEADLINE;
}

void
turn_start(struct turn *t, struct ev_loop *loop, turn_step *step, void *owner)
{
	*t = (struct turn){ .loop = loop, .step = step, .owner = owner, .armed_ms = TURN_NO_DEADLINE };
	t->times.period_ms = clock_mono_ms();
	t->scratch = mem_alloc(TURN_SCRATCH_BYTES);
	list_init(&t->marked);
	ev_timer_init(&t->timer, on_deadline, 0., 0.);
	t->timer.data = t;
	ev_check_init(&t->check, begin_turn);
	ev_set_priority(&t->check, EV_MAXPRI);
	ev_prepare_init(&t->prepare, end_turn);
	t->check.data = t->prepare.data = t;
	ev_check_start(loop, &t->check);
	ev_unref(loop);
	ev_prepare_start(loop, &t->prepare);
	ev_unref(loop);
}

void
turn_stop(struct turn *t)
{
	if (t->loop == NULL)
		return;
	ev_timer_stop(t->loop, &t->timer);
	ev_ref(t->loop);
	ev_prepare_stop(t->loop, &t->prepare);
	ev_ref(t->loop);
	ev_check_stop(t->loop, &t->check);
	mem_free(t->scratch);
	*t = (struct turn){ 0 };
}

void
turn_item_init(struct turn_item *i, void (*flush)(struct turn_item *item))
{
	list_init(&i->link);
	i->flush = flush;
}

void
turn_mark(struct turn *t, struct turn_item *i)
{
	if (list_empty(&i->link))
		list_append(&t->marked, &i->link);
}

void
turn_unmark(struct turn_item *i)
{
	list_remove(&i->link);
}

void
turn_again(struct turn *t)
{
	t->again = true;
}
