/*
 * The workloads of single requests: get, set, create, exists, children and mix. A run is a row of phases, each a
 * source of requests that every session draws from until it is dry: znodes are made, the load is run, all that was
 * acknowledged is read back, and everything is removed.
 *
 * Invariants: a key is written by one session only, so that its writes have an order (its mark counts them); and for
 * each key acked <= sent, both equal when nothing is in flight.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bench/requests.h"
#include "bench/zkbench.h"
#include "io/clock.h"

enum {
	STEP_DEPTH = 64, /* in flight in a session while znodes are made, read back and removed */
	CREATED_MAX = 1 << 28,
	RANDOM_SEED = 0x2545f491,
};

/* How many writes of a key were sent and acknowledged. */
struct key {
	uint32_t sent, acked;
};

struct load;

/* The session's next request. False: it has none, now and in all this phase. */
typedef bool next_fn(struct load *l, struct session *s);

struct load {
	const struct settings *settings;
	const struct server *server;
	struct result *result;
	struct measure measure;
	struct requests requests;
	struct swarm swarm;
	struct key *keys;
	next_fn *next; /* of this phase */
	const char *phase;
	unsigned depth;       /* of this phase */
	uint32_t op;          /* of a phase of one operation */
	uint32_t cursor, end; /* the numbers that it still goes through */
	uint32_t created;
	uint64_t asked; /* requests of the load */
	uint64_t random;
};

static uint32_t
draw(struct load *l, uint32_t below)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (uint32_t)(((l->random & UINT32_MAX) * below) >> 32);
}

static bool
next_step(struct load *l, struct session *s)
{
	if (l->cursor == l->end)
		return false;
	requests_send(&l->requests, s, l->op, l->cursor++, 0);
	return true;
}

/* Reading a key says what the session itself has written before; of others' keys it may see less. */
static void
send_read(struct load *l, struct session *s, uint32_t op)
{
	uint32_t key = draw(l, l->settings->keys);
	bool own = key % l->settings->connections == s->index;

	requests_send(&l->requests, s, op, key, own ? l->keys[key].sent : UINT32_MAX);
}

static void
send_set(struct load *l, struct session *s)
{
	unsigned conns = l->settings->connections;
	uint32_t own = (l->settings->keys - s->index + conns - 1) / conns;
	uint32_t key = s->index + conns * draw(l, own);

	requests_send(&l->requests, s, REQUEST_SET, key, ++l->keys[key].sent);
}

/* Whether the load goes on: neither its time nor its number of requests is used up. */
static bool
ask(struct load *l)
{
	uint64_t limit = l->settings->requests;

	if (limit > 0 ? l->asked == limit : measure_check(&l->measure, l->swarm.now_ns))
		return false;
	l->asked++;
	return true;
}

static bool
next_get(struct load *l, struct session *s)
{
	if (!ask(l))
		return false;
	send_read(l, s, REQUEST_GET);
	return true;
}

static bool
next_exists(struct load *l, struct session *s)
{
	if (!ask(l))
		return false;
	send_read(l, s, REQUEST_EXISTS);
	return true;
}

static bool
next_children(struct load *l, struct session *s)
{
	if (!ask(l))
		return false;
	requests_send(&l->requests, s, REQUEST_CHILDREN, 0, 0);
	return true;
}

static bool
next_set(struct load *l, struct session *s)
{
	if (!ask(l))
		return false;
	send_set(l, s);
	return true;
}

static bool
next_mix(struct load *l, struct session *s)
{
	if (!ask(l))
		return false;
	if (draw(l, 100) < l->settings->read_percent)
		send_read(l, s, REQUEST_GET);
	else
		send_set(l, s);
	return true;
}

static bool
next_create(struct load *l, struct session *s)
{
	if (l->created == CREATED_MAX || !ask(l))
		return false;
	requests_send(&l->requests, s, REQUEST_CREATE, l->created++, 0);
	return true;
}

static const struct load_kind {
	const char *name;
	next_fn *next;
	bool writes;
} load_kinds[] = {
	{ "get", next_get, false },           { "set", next_set, true },
	{ "create", next_create, true },      { "exists", next_exists, false },
	{ "children", next_children, false }, { "mix", next_mix, true },
};

static void
fill(struct load *l, struct session *s)
{
	while (s->count < l->depth && l->swarm.failure[0] == '\0' && l->next(l, s))
		;
	if (l->swarm.in_flight == 0)
		swarm_stop(&l->swarm);
}

/* What the mark of a reply has to be, given what was asked and what is known. NULL, or what is wrong. */
static const char *
check_mark(struct load *l, const struct request *r, uint32_t mark)
{
	const struct key *k =
	    &l->keys[r->op == REQUEST_GET || r->op == REQUEST_EXISTS || r->op == REQUEST_SET ? r->key : 0];

	if (l->server->keeps_nothing)
		return NULL;
	if (r->op == REQUEST_GET || r->op == REQUEST_EXISTS) {
		if (r->mark == UINT32_MAX)
			return mark <= k->sent ? NULL : "a version that nobody wrote";
		return mark == r->mark  ? NULL
		       : mark < r->mark ? "an older version than what this session wrote"
					: "a newer version than what was written";
	}
	return mark == r->mark ? NULL : "another version than was due";
}

static void
on_reply(void *owner, struct session *s, const struct request *r, int32_t err, struct jute_reader *body)
{
	struct load *l = owner;
	uint32_t mark;
	const char *wrong = requests_check(&l->requests, r, err, body, &mark);

	wrong = wrong ?: check_mark(l, r, mark);
	if (wrong != NULL) {
		swarm_fail(&l->swarm, "%s of number %" PRIu32 " in %s, session %u, xid %" PRId32 ": %s (%s)",
			   requests_name(r->op), r->key, l->phase, s->index, r->xid, wrong, l->requests.base);
		return;
	}
	l->result->checked++;
	if (r->op == REQUEST_SET)
		l->keys[r->key].acked = r->mark;
	if (l->asked > 0)
		measure_add(&l->measure, l->swarm.now_ns, l->swarm.now_ns - r->sent_ns);
	fill(l, s);
}

static void
on_opened(void *owner, struct session *s)
{
	struct load *l = owner;

	(void)s;
	if (l->swarm.open == l->settings->connections)
		swarm_stop(&l->swarm);
}

static void
on_event(void *owner, struct session *s, const struct jute_watcher_event *e)
{
	struct load *l = owner;

	(void)e;
	swarm_fail(&l->swarm, "session %u: a notification nobody asked for", s->index);
}

static void
on_ended(void *owner, struct session *s)
{
	struct load *l = owner;

	(void)s;
	if (l->swarm.closing == 0)
		swarm_stop(&l->swarm);
}

static void
on_tick(void *owner)
{
	struct load *l = owner;

	measure_tell(&l->measure, l->phase, l->swarm.now_ns);
}

static const struct swarm_ops load_ops = { on_opened, on_reply, on_event, on_ended, on_tick };

/* Runs a phase to its end. */
static int
run_phase(struct load *l, const char *name, next_fn *next, unsigned depth)
{
	l->phase = name;
	l->next = next;
	l->depth = depth;
	l->swarm.now_ns = l->swarm.heard_ns = clock_mono_ns();
	for (unsigned i = 0; i < l->settings->connections && l->swarm.failure[0] == '\0'; i++) {
		while (l->swarm.sessions[i].count < depth && next(l, &l->swarm.sessions[i]))
			;
	}
	return l->swarm.in_flight == 0 ? 0 : swarm_run(&l->swarm);
}

/* One operation on all numbers below end. */
static int
run_step(struct load *l, const char *name, uint32_t op, uint32_t end)
{
	l->op = op;
	l->cursor = 0;
	l->end = end;
	return run_phase(l, name, next_step, STEP_DEPTH);
}

/* One of each session: the phase asks them in order, and cursor is the next. */
static bool
next_sync(struct load *l, struct session *s)
{
	if (s->index != l->cursor)
		return false;
	requests_send(&l->requests, s, REQUEST_SYNC, l->cursor++, 0);
	return true;
}

/* What one server of an ensemble acknowledged is seen at the others from now on. */
static int
catch_up(struct load *l)
{
	l->cursor = 0;
	return l->server->naddresses == 1 || l->server->keeps_nothing
		   ? 0
		   : run_phase(l, "synchronising", next_sync, 1);
}

static int
prepare(struct load *l)
{
	int error = run_step(l, "preparing", REQUEST_CREATE_BASE, 1);

	error = error ?: run_step(l, "preparing", REQUEST_CREATE_KEY, l->settings->keys);
	return error ?: catch_up(l);
}

static int
run_load(struct load *l, const struct load_kind *kind)
{
	int error;

	measure_start(&l->measure, clock_mono_ns());
	error = run_phase(l, kind->name, kind->next, l->settings->depth);
	measure_end(&l->measure, clock_mono_ns());
	l->asked = 0;
	return error;
}

static bool
next_read_back(struct load *l, struct session *s)
{
	/* Not always by the session that wrote it: cursor and end are keys, and sessions draw as they are free. */
	if (l->cursor == l->end)
		return false;
	requests_send(&l->requests, s, REQUEST_GET, l->cursor, l->keys[l->cursor].acked);
	l->cursor++;
	return true;
}

static int
read_back(struct load *l)
{
	int error;

	if (l->server->keeps_nothing)
		return 0;
	l->cursor = 0;
	l->end = l->settings->keys;
	error = run_phase(l, "reading back", next_read_back, STEP_DEPTH);
	error = error ?: run_step(l, "reading back", REQUEST_GET_NODE, l->created);
	for (unsigned i = 0; i < l->settings->keys && error == 0; i++)
		l->result->read_back += l->keys[i].acked;
	l->result->read_back += l->created;
	return error;
}

static int
clean_up(struct load *l)
{
	int error = 0;

	if (l->settings->keep || l->server->keeps_nothing)
		return 0;
	error = run_step(l, "removing", REQUEST_DELETE_NODE, l->created);
	error = error ?: run_step(l, "removing", REQUEST_DELETE_KEY, l->settings->keys);
	return error ?: run_step(l, "removing", REQUEST_DELETE_BASE, 1);
}

static int
close_all(struct load *l)
{
	l->phase = "closing";
	swarm_close_all(&l->swarm);
	return swarm_run(&l->swarm);
}

static const struct load_kind *
find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof load_kinds / sizeof *load_kinds; i++)
		if (strcmp(load_kinds[i].name, name) == 0)
			return &load_kinds[i];
	return NULL;
}

int
load_run(const struct settings *settings, const struct server *server, struct result *result)
{
	struct load l = { .settings = settings, .server = server, .result = result, .random = RANDOM_SEED };
	struct swarm_config config = zkbench_config(settings, server);
	int error;

	l.measure = (struct measure){ .settings = settings, .server = server, .result = result };
	requests_init(&l.requests, settings->size, settings->keys, server->keeps_nothing);
	l.keys = mem_zalloc(settings->keys, sizeof *l.keys);
	config.depth = settings->depth > STEP_DEPTH ? settings->depth : STEP_DEPTH;
	config.frame_max = requests_frame_max(&l.requests);
	l.phase = "opening";
	swarm_init(&l.swarm, &config, &load_ops, &l);
	swarm_open(&l.swarm);
	error = swarm_run(&l.swarm);
	error = error ?: prepare(&l);
	error = error ?: run_load(&l, find_kind(settings->workload));
	error = error ?: catch_up(&l);
	error = error ?: read_back(&l);
	result->pss_after = processes_pss_bytes(&server->processes);
	error = error ?: clean_up(&l);
	error = error ?: close_all(&l);
	snprintf(result->why, sizeof result->why, "%s", l.swarm.failure);
	swarm_free(&l.swarm);
	mem_free(l.keys);
	requests_free(&l.requests);
	measure_hush(settings);
	return error;
}
