/*
 * The front's events and actions; see front.h. Invariant: what one event causes is in the action queue when front_step
 * returns, in the order in which it is to be done.
 */
#include "front_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "ipc/msg.h"

enum {
	ARENA_MAX = 64 << 20, /* one request's vectors, one txn's results */
	LINK_MAX = 256 << 20,
	PENDING_MAX = 1 << 30, /* the credit keeps it far below */
	MEMBERS_MAX = 1 << 20, /* what is told of members is far shorter */
	TRACE_MASK = 306,      /* ZooKeeper's, before anybody sets another */
	LATE_MS = 100,         /* an event so long after the deadline: the loop stood still */
	LOOK_MS = 250, /* between deadlines while somebody is connected: only they tell of a standstill */
};

/* ---- Actions ---- */

struct front_action *
front_do(struct front *f, enum front_action_type type, struct front_conn *c)
{
	struct action_queue *q = &f->actions;
	struct front_action *a;

	if (q->count == q->cap) {
		uint32_t cap = q->cap == 0 ? 256 : q->cap * 2;
		struct front_action *v = mem_alloc(cap * sizeof *v);

		for (uint32_t i = 0; i < q->count; i++)
			v[i] = q->v[(q->head + i) & (q->cap - 1)];
		mem_free(q->v);
		*q = (struct action_queue){ v, 0, q->count, cap };
	}
	a = &q->v[(q->head + q->count++) & (q->cap - 1)];
	*a = (struct front_action){ .type = type, .conn = c, .owner = c == NULL ? NULL : c->owner };
	return a;
}

/*
 * What a dead connection was still to do is void, but for its close. So is the close of a channel that another has
 * taken the place of since: the shell has closed that one when the next came, and this would hit the next.
 */
static bool
is_void(const struct front *f, const struct front_action *a)
{
	if (a->type == FRONT_SNAPSHOT_CLOSE)
		return f->snap.active;
	if (a->type == FRONT_LOAD_CLOSE)
		return f->load.open;
	return a->conn != NULL && a->conn->state == CONN_DEAD && a->type != FRONT_CLOSE;
}

bool
front_next(struct front *f, struct front_action *a)
{
	struct action_queue *q = &f->actions;

	do {
		if (q->count == 0)
			return false;
		*a = q->v[q->head];
		q->head = (q->head + 1) & (q->cap - 1);
		q->count--;
	} while (is_void(f, a));
	if (a->type == FRONT_CLOSE && a->conn != NULL)
		conn_closed(f, a->conn);
	if (a->type == FRONT_CLOSE)
		a->conn = NULL;
	if (a->type == FRONT_SEND)
		f->link_told = false;
	return true;
}

struct buf *
front_link(struct front *f)
{
	return &f->link;
}

/* ---- Events ---- */

static void
tick(struct front *f, const struct front_event *e)
{
	(void)e;
	conn_expire_timers(f);
	if (f->phase == PHASE_LOADING && f->now_ms >= f->load.retry_ms)
		load_ask(f);
	write_tick(f);
	learner_tick(f);
	conn_close_silent(f);
	local_tick(f);
}

static void (*const handlers[])(struct front *f, const struct front_event *e) = {
	[FRONT_OPENED] = conn_opened,
	[FRONT_INPUT] = conn_input,
	[FRONT_WROTE] = conn_wrote,
	[FRONT_HANGUP] = conn_hangup,
	[FRONT_LINK_UP] = link_up,
	[FRONT_LINK_DOWN] = link_down,
	[FRONT_FRAME] = link_frame,
	[FRONT_BULK] = load_bulk,
	[FRONT_BULK_CLOSED] = load_closed,
	[FRONT_SNAPSHOT_OPENED] = snap_opened,
	[FRONT_SNAPSHOT_WROTE] = snap_wrote,
	[FRONT_SNAPSHOT_CLOSED] = snap_closed,
	[FRONT_TICK] = tick,
};

/*
 * An event long after the deadline means that this process stood still (stopped, or starved): what clients sent in
 * that time is still in their sockets. All of the gap is given to every session, and time to be heard to every
 * connection.
 */
static void
note_standstill(struct front *f, uint64_t now_ms)
{
	if (!front_serving(f) || f->due_ms == UINT64_MAX || now_ms < f->due_ms + LATE_MS)
		return;
	/* A deadline may have passed already when it was told. */
	if (now_ms < f->now_ms + LATE_MS)
		return;
	trace(f->trace, TRACE_WARNING, "front", "stood still", "ms=%llu",
	      (unsigned long long)(now_ms - f->now_ms));
	sessions_stalled(tree_sessions(f->tree), (int64_t)(now_ms - f->now_ms));
	if (f->local != NULL)
		sessions_stalled(f->local, (int64_t)(now_ms - f->now_ms));
	f->silent_ms = now_ms + f->config.tick_ms;
}

void
front_step(struct front *f, const struct front_event *e)
{
	ASSERT(e->type < FRONT_EVENTS);
	note_standstill(f, e->now_ms);
	f->due_ms = UINT64_MAX;
	f->now_ms = e->now_ms;
	f->wall_ms = e->wall_ms;
	if (f->created_ms == 0)
		f->created_ms = e->now_ms;
	handlers[e->type](f, e);
}

uint64_t
front_deadline(struct front *f)
{
	uint64_t due = write_deadline(f), touch = learner_deadline(f), silent = conn_silent_deadline(f);
	struct list *first = list_first(&f->timers);

	if (first != NULL && container_of(first, struct front_conn, timer)->timer_ms < due)
		due = container_of(first, struct front_conn, timer)->timer_ms;
	if (f->phase == PHASE_LOADING && f->load.retry_ms < due)
		due = f->load.retry_ms;
	due = touch < due ? touch : due;
	due = silent < due ? silent : due;
	due = local_deadline(f) < due ? local_deadline(f) : due;
	if (front_serving(f) && f->nconns > 0 && f->now_ms + LOOK_MS < due)
		due = f->now_ms + LOOK_MS;
	f->due_ms = due;
	return due;
}

/* ---- Life ---- */

struct front *
front_create(const struct front_config *config)
{
	struct front *f = mem_zalloc(1, sizeof *f);

	f->config = *config;
	f->trace = config->trace;
	ASSERT(config->frame_max < FRAME_BODY_MAX / 2);
	list_init(&f->conns);
	list_init(&f->timers);
	list_init(&f->stalled);
	table_init(&f->attached);
	table_init(&f->addresses);
	arena_init(&f->arena, ARENA_MAX);
	buf_init(&f->link, LINK_MAX);
	buf_init(&f->pending, PENDING_MAX);
	buf_init(&f->scratch, 2 * (size_t)config->frame_max);
	learner_init(f);
	buf_init(&f->members, MEMBERS_MAX);
	if (config->members != NULL)
		buf_put_slice(&f->members, slice_str(config->members));
	f->watches = watch_create(config->tree.seed);
	f->load.retry_ms = f->due_ms = UINT64_MAX;
	f->trace_mask = TRACE_MASK;
	metrics_reset(&f->metrics);
	return f;
}

void
front_destroy(struct front *f)
{
	struct front_action a;

	link_down(f, NULL);
	list_for_each_safe (e, &f->conns)
		conn_kill(f, container_of(e, struct front_conn, link), NULL);
	snap_abort(f);
	while (front_next(f, &a))
		;
	if (f->tree != NULL)
		tree_destroy(f->tree);
	watch_destroy(f->watches);
	table_free(&f->attached);
	conn_forget_addresses(f);
	arena_free(&f->arena);
	buf_free(&f->link);
	buf_free(&f->pending);
	buf_free(&f->scratch);
	learner_free(f);
	buf_free(&f->members);
	mem_free(f->actions.v);
	mem_free(f);
}

/* ---- What others may know ---- */

uint64_t
front_shown_zxid(const struct front *f)
{
	uint64_t applied = f->tree == NULL ? 0 : tree_applied(f->tree), epoch = (uint64_t)f->role.epoch << 32;

	return front_serving(f) && epoch > applied ? epoch : applied;
}

static const char *
mode_of(const struct front *f)
{
	static const char *const modes[] = {
		[ROLE_LEADER] = "leader",
		[ROLE_FOLLOWER] = "follower",
		[ROLE_OBSERVER] = "observer",
		[ROLE_READONLY] = "read-only",
	};

	if (!front_serving(f))
		return "not serving";
	return f->role.standalone ? "standalone" : modes[f->role.state];
}

static void
add_tree_facts(const struct front *f, struct front_facts *facts)
{
	struct tree_stats stats;

	tree_stats(f->tree, &stats);
	facts->has_tree = true;
	facts->applied_zxid = tree_applied(f->tree);
	facts->sessions = sessions_count(tree_sessions_const(f->tree));
	facts->znodes = stats.nodes;
	facts->ephemerals = stats.ephemerals;
	facts->tree_bytes = stats.memory_bytes;
	facts->data_bytes = stats.data_bytes;
	facts->digest_mismatches = stats.digest_mismatches;
}

void
front_facts(const struct front *f, struct front_facts *facts)
{
	*facts = (struct front_facts){
		.mode = mode_of(f),
		.has_leader = front_serving(f) && !f->role.standalone && f->role.state != ROLE_READONLY,
		.leader = f->role.leader,
		.serving = front_serving(f),
		.ready = front_serving(f) || (f->phase >= PHASE_LOADING && f->role.state == ROLE_LOOKING),
		.loading = f->phase == PHASE_LOADING,
		.disk_failed = f->disk_failed,
		.snapshot = f->snap.active,
		.shown_zxid = front_shown_zxid(f),
		.connections = f->nconns,
		.watches = watch_total(f->watches),
		.watch_bytes = watch_bytes(f->watches),
		.outstanding = f->npending,
		.received = f->stats.received,
		.sent = f->stats.sent,
	};
	if (f->tree != NULL)
		add_tree_facts(f, facts);
}

unsigned
front_state(const struct front *f)
{
	return (unsigned)f->phase << 4 | (unsigned)f->role.state << 1 | (unsigned)f->disk_failed;
}
