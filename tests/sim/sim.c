/* The world: events in order of time, processes and their turns, the trace. See sim.h. */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/buf.h"
#include "base/mem.h"
#include "node.h"
#include "story.h"

enum { WALL_START_MS = 1700000000 };

/* splitmix64 */
uint64_t
rng_next(struct rng *r)
{
	uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

bool
rng_once_in(struct rng *r, uint64_t n)
{
	return rng_below(r, n) == 0;
}

uint64_t
rng_range(struct rng *r, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

bool
sim_mutates(struct sim *s, enum mutation m, uint64_t once_in)
{
	return s->mutation == m && rng_once_in(&s->mutate, once_in);
}

int64_t
sim_wall_ms(const struct sim *s)
{
	return (int64_t)WALL_START_MS * 1000 + (int64_t)sim_now_ms(s) + s->wall_jump_ms;
}

/* ---- Trace and failure ---- */

static void
print_line(struct sim *s, const struct proc *who, const char *event, const char *text)
{
	IN_HEAP(NULL);
	char line[800];
	int n =
	    snprintf(line, sizeof line, "%5" PRIu64 ".%06" PRIu64 "  %-12s %-26s %s\n", s->now_us / SECOND,
		     s->now_us % SECOND, who != NULL ? who->name : "world", event, text);

	if (n >= (int)sizeof line) {
		n = sizeof line - 1;
		line[n - 1] = '\n';
	}
	if (s->tracing)
		fwrite(line, 1, (size_t)n, stdout);
	if (s->record != NULL && s->scene > 0 && !s->healing && story_keeps(who, event))
		buf_put(s->record, line, (size_t)n);
}

void
sim_line(struct sim *s, const struct proc *who, const char *event, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	print_line(s, who, event, text);
	if (s->story != NULL && who != NULL)
		story_hear(s, (struct proc *)(uintptr_t)who, event, text);
}

static void
emit(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	struct proc *p = container_of(t, struct proc, trace);
	char what[64];

	(void)level;
	snprintf(what, sizeof what, "%s: %s", room, event);
	print_line(p->sim, p, what, text);
	if (p->sim->story != NULL)
		story_hear(p->sim, p, what, text);
}

void
sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (s->failed)
		return;
	s->failed = true;
	va_start(ap, fmt);
	vsnprintf(s->failure, sizeof s->failure, fmt, ap);
	va_end(ap);
	sim_trace(s, NULL, "FAILED", "%s", s->failure);
}

/* ---- Events: a binary heap ---- */

static bool
before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us < b->at_us || (a->at_us == b->at_us && a->number < b->number);
}

void
sim_at(struct sim *s, uint64_t at_us, sim_event_fn *fire, void *who, uint64_t tag)
{
	IN_HEAP(NULL);
	struct sim_event e = {
		.at_us = at_us < s->now_us ? s->now_us : at_us,
		.number = s->event_number++,
		.fire = fire,
		.who = who,
		.tag = tag,
	};
	size_t i = s->nheap++;

	if (s->nheap > s->heap_cap) {
		s->heap_cap = s->heap_cap == 0 ? 256 : s->heap_cap * 2;
		s->heap = mem_realloc(s->heap, s->heap_cap * sizeof *s->heap);
	}
	for (; i > 0 && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

static struct sim_event
take_first(struct sim *s)
{
	struct sim_event first = s->heap[0], last = s->heap[--s->nheap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->nheap) {
		if (child + 1 < s->nheap && before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (before(&last, &s->heap[child]))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return first;
}

void
sim_next(struct sim *s)
{
	struct sim_event e = take_first(s);

	s->now_us = e.at_us;
	s->counts.events++;
	e.fire(s, e.who, e.tag);
}

/* ---- Processes ---- */

void
proc_init(struct proc *p, struct sim *s, struct node *n, enum proc_kind kind, const struct proc_ops *ops,
	  const char *name)
{
	*p = (struct proc){ .sim = s, .node = n, .kind = kind, .ops = ops, .wake_us = NEVER };
	snprintf(p->name, sizeof p->name, "%s", name);
	heap_init(&p->heap);
	p->trace = (struct trace){ .least = s->tracing || s->story != NULL ? TRACE_DEBUG : TRACE_ERROR + 1,
				   .emit = emit };
}

/* Clients are the world's; so is what helps to carry out a turn. */
static uint64_t
guarded_turn(struct proc *p)
{
	struct heap *was = heap_enter(p->node == NULL ? NULL : &p->heap);
	uint64_t due = NEVER;

	if (p->heap.fail_in == 0) {
		due = p->ops->turn(p);
	} else if (setjmp(p->heap.escape) == 0) {
		p->heap.guarded = true;
		due = p->ops->turn(p);
	} else {
		sim_trace(p->sim, p, "out of memory", "%s", "");
		p->dying = p->starved = true;
	}
	p->heap.guarded = false;
	heap_enter(was);
	return due;
}

static void
have_turn(struct sim *s, void *who, uint64_t tag)
{
	struct proc *p = who;
	uint64_t due;

	if (!p->alive || tag != p->life || s->now_us != p->wake_us)
		return; /* another turn was asked for since */
	p->wake_us = NEVER;
	if (s->now_us < p->paused_us) {
		proc_wake(p, p->paused_us);
		return;
	}
	p->spent_us = 0;
	due = guarded_turn(p);
	if (p->dying) {
		proc_kill(p);
		return;
	}
	if (p->spent_us > 0)
		p->paused_us = s->now_us + p->spent_us;
	if (due != NEVER)
		proc_wake(p, due);
	if (p->wake_us < p->paused_us)
		proc_wake(p, p->paused_us);
	p->spent_us = 0;
}

void
proc_wake(struct proc *p, uint64_t at_us)
{
	struct sim *s = p->sim;

	if (!p->alive || at_us == NEVER)
		return;
	if (at_us < s->now_us)
		at_us = s->now_us;
	if (at_us >= p->wake_us)
		return;
	p->wake_us = at_us;
	sim_at(s, at_us, have_turn, p, p->life);
}

void
proc_pause(struct proc *p, uint64_t until_us)
{
	if (p->paused_us < until_us)
		p->paused_us = until_us;
}

void
proc_start(struct proc *p)
{
	if (p->alive)
		return;
	p->alive = true;
	p->dying = false;
	p->life = ++p->sim->lives;
	p->config = p->node == NULL ? 0 : p->node->config;
	p->wake_us = NEVER;
	p->paused_us = 0;
	p->spent_us = 0;
	p->sends_left = 0;
	sim_trace(p->sim, p, "start", "incarnation=%" PRIu64, p->life);
	{
		IN_HEAP(p->node == NULL ? NULL : &p->heap);

		p->ops->start(p);
	}
	if (p->dying)
		proc_kill(p);
	else
		proc_wake(p, p->sim->now_us + p->spent_us);
}

void
proc_kill(struct proc *p)
{
	if (!p->alive)
		return;
	sim_trace(p->sim, p, "dead", "incarnation=%" PRIu64, p->life);
	p->alive = false;
	p->ops->die(p);
	heap_release(&p->heap);
	p->dying = p->starved = false;
	p->wake_us = NEVER;
	faults_died(p);
}
