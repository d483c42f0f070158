/*
 * See session.h. The tracker is a wheel of ticks: a session lies in the slot of the tick at which it expires, so a
 * touch moves it in constant time and most touches move nothing. Invariants: a session is in the wheel exactly when
 * it is tracked (leading, not closing); nothing in the wheel expires at or before `swept`.
 */
#include "session_table.h"

#include "base/assert.h"
#include "base/mem.h"
#include "jute/passwd.h"

void
sessions_init(struct sessions *s)
{
	*s = (struct sessions){ .tick_ms = 1, .suspended_at = -1 };
	table_init(&s->table);
	list_init(&s->all);
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		list_init(&s->wheel[i]);
}

static struct session *
of_all(struct list *l)
{
	return container_of(l, struct session, all);
}

void
sessions_free(struct sessions *s)
{
	list_for_each_safe (l, &s->all)
		mem_free(of_all(l));
	table_free(&s->table);
}

static bool
same_id(const struct table_entry *e, const void *key)
{
	return container_of(e, const struct session, entry)->id == *(const int64_t *)key;
}

struct session *
sessions_find(const struct sessions *s, int64_t id)
{
	struct table_entry *e = table_find(&s->table, table_hash_u64((uint64_t)id), same_id, &id);

	return e == NULL ? NULL : container_of(e, struct session, entry);
}

struct session *
sessions_owner(struct sessions *s, int64_t id)
{
	struct session *n = sessions_find(s, id);

	if (n != NULL)
		return n;
	n = mem_zalloc(1, sizeof *n);
	n->id = id;
	n->owner = SESSION_NO_OWNER;
	list_init(&n->slot);
	list_init(&n->pending);
	list_append(&s->all, &n->all);
	table_insert(&s->table, &n->entry, table_hash_u64((uint64_t)id));
	return n;
}

/* ---- The wheel ---- */

static int64_t
tracker_clock(const struct sessions *s, int64_t now_ms)
{
	return (s->suspended_at >= 0 ? s->suspended_at : now_ms) - s->still_ms;
}

static void
untrack(struct sessions *s, struct session *n)
{
	if (list_empty(&n->slot))
		return;
	list_remove(&n->slot);
	s->tracked--;
}

static struct list *
slot_at(struct sessions *s, int64_t expires)
{
	return &s->wheel[(uint64_t)(expires / s->tick_ms) % WHEEL_SLOTS];
}

/* The session lives for live_ms from now, rounded up to the end of its tick. */
static void
track(struct sessions *s, struct session *n, int64_t now_ms)
{
	int64_t expires;

	if (!s->leading || n->closing)
		return;
	if (now_ms > s->now_ms)
		s->now_ms = now_ms;
	expires = ((tracker_clock(s, now_ms) + n->live_ms) / s->tick_ms + 1) * s->tick_ms;
	if (!list_empty(&n->slot) && expires == n->expires)
		return;
	untrack(s, n);
	n->expires = expires > s->swept ? expires : s->swept + s->tick_ms;
	list_append(slot_at(s, n->expires), &n->slot);
	s->tracked++;
}

static void
forget(struct sessions *s, struct session *n)
{
	untrack(s, n);
	while (!list_empty(&n->pending))
		list_remove(n->pending.next);
	ASSERT(n->ephemerals.count == 0);
	s->applied -= n->applied;
	list_remove(&n->all);
	table_remove(&s->table, &n->entry);
	mem_free(n);
}

/* ---- The replicated table ---- */

void
sessions_applied_create(struct sessions *s, int64_t id, int32_t timeout_ms)
{
	struct session *n = sessions_owner(s, id);

	s->applied += !n->applied;
	n->applied = true;
	n->timeout_ms = timeout_ms;
	if (n->live_ms == 0)
		n->live_ms = timeout_ms;
	if (list_empty(&n->slot))
		track(s, n, s->now_ms);
}

void
sessions_applied_close(struct sessions *s, int64_t id)
{
	struct session *n = sessions_find(s, id);

	if (n != NULL)
		forget(s, n);
}

void
sessions_prepared_create(struct sessions *s, int64_t id, int32_t timeout_ms, uint64_t owner, int64_t now_ms)
{
	struct session *n = sessions_owner(s, id);

	if (!n->applied)
		n->timeout_ms = timeout_ms;
	n->live_ms = timeout_ms;
	n->owner = owner;
	track(s, n, now_ms);
}

void
sessions_prepared_close(struct sessions *s, int64_t id)
{
	struct session *n = sessions_find(s, id);

	if (n == NULL)
		return;
	n->closing = true;
	untrack(s, n);
}

uint32_t
sessions_count(const struct sessions *s)
{
	return s->applied;
}

uint32_t
sessions_held(const struct sessions *s)
{
	return (uint32_t)s->table.count;
}

static struct session_view
view_of(const struct session *n)
{
	return (struct session_view){ .id = n->id,
				      .timeout_ms = n->timeout_ms,
				      .closing = n->closing,
				      .applied = n->applied,
				      .owner = n->owner,
				      .ephemerals = n->ephemerals.count };
}

bool
sessions_get(const struct sessions *s, int64_t id, struct session_view *v)
{
	const struct session *n = sessions_find(s, id);

	if (n == NULL)
		return false;
	*v = view_of(n);
	return true;
}

void
sessions_each(const struct sessions *s, void (*visit)(const struct session_view *v, void *ctx), void *ctx)
{
	list_for_each (l, &s->all) {
		struct session_view v = view_of(of_all(l));
		visit(&v, ctx);
	}
}

/* ---- The tracker ---- */

static void
stop_tracking(struct sessions *s)
{
	list_for_each_safe (l, &s->all) {
		struct session *n = of_all(l);
		untrack(s, n);
		n->closing = false;
		n->owner = SESSION_NO_OWNER;
		n->live_ms = n->timeout_ms;
		if (!n->applied && n->ephemerals.count == 0)
			forget(s, n);
	}
	s->leading = false;
	s->still_ms = 0;
	s->suspended_at = -1;
}

void
sessions_lead(struct sessions *s, int32_t tick_ms, int64_t now_ms)
{
	ASSERT(tick_ms > 0 && now_ms >= 0);
	stop_tracking(s);
	s->leading = true;
	s->tick_ms = tick_ms;
	s->now_ms = now_ms;
	s->swept = now_ms / tick_ms * tick_ms;
	/* Also owners of ephemerals whose session is not in the table: they close after a tick, as nobody can attach. */
	list_for_each (l, &s->all)
		track(s, of_all(l), now_ms);
}

void
sessions_follow(struct sessions *s)
{
	stop_tracking(s);
}

int64_t
sessions_deadline(const struct sessions *s)
{
	if (!s->leading || s->tracked == 0 || s->suspended_at >= 0)
		return INT64_MAX;
	for (int64_t t = s->swept + s->tick_ms;; t += s->tick_ms) {
		const struct list *slot = &s->wheel[(uint64_t)(t / s->tick_ms) % WHEEL_SLOTS];
		if (!list_empty(slot) || t >= s->swept + (int64_t)WHEEL_SLOTS * s->tick_ms)
			return t + s->still_ms;
	}
}

/* The first in the slot of tick `at` that expires in this turn of the wheel. */
static struct session *
due_at(struct sessions *s, int64_t at)
{
	list_for_each (l, slot_at(s, at)) {
		struct session *n = container_of(l, struct session, slot);
		if (n->expires <= at)
			return n;
	}
	return NULL;
}

bool
sessions_next_expired(struct sessions *s, int64_t now_ms, int64_t *id)
{
	int64_t clock;
	struct session *n;

	if (!s->leading || s->suspended_at >= 0)
		return false;
	if (now_ms > s->now_ms)
		s->now_ms = now_ms;
	clock = tracker_clock(s, s->now_ms);
	for (; s->tracked > 0 && s->swept + s->tick_ms <= clock; s->swept += s->tick_ms) {
		n = due_at(s, s->swept + s->tick_ms);
		if (n == NULL)
			continue;
		n->closing = true;
		untrack(s, n);
		*id = n->id;
		return true;
	}
	if (s->tracked == 0 && clock > s->swept)
		s->swept = clock / s->tick_ms * s->tick_ms;
	return false;
}

void
sessions_stalled(struct sessions *s, int64_t ms)
{
	if (s->leading && s->suspended_at < 0 && ms > 0)
		s->still_ms += ms;
}

void
sessions_suspend(struct sessions *s, int64_t now_ms)
{
	if (s->leading && s->suspended_at < 0)
		s->suspended_at = now_ms;
}

void
sessions_resume(struct sessions *s, int64_t now_ms)
{
	if (s->suspended_at < 0)
		return;
	s->still_ms += now_ms - s->suspended_at;
	s->suspended_at = -1;
}

static int64_t
expires_ms(const struct sessions *s, const struct session *n, int64_t now_ms)
{
	int64_t left = n->expires - tracker_clock(s, now_ms);

	return list_empty(&n->slot) ? -1 : left > 0 ? left : 0;
}

uint32_t
sessions_due(const struct sessions *s, int64_t now_ms, struct session_due *v, uint32_t max)
{
	uint32_t i = 0;

	list_for_each (l, &s->all) {
		const struct session *n = of_all(l);

		if (i == max)
			break;
		v[i++] = (struct session_due){ n->id, expires_ms(s, n, now_ms), n->ephemerals.count };
	}
	return i;
}

int64_t
sessions_expires(const struct sessions *s, int64_t now_ms, int64_t id)
{
	const struct session *n = sessions_find(s, id);

	return n == NULL ? -1 : expires_ms(s, n, now_ms);
}

bool
sessions_touch(struct sessions *s, int64_t id, int32_t timeout_ms, int64_t now_ms)
{
	struct session *n = sessions_find(s, id);

	if (n == NULL || n->closing)
		return false;
	if (timeout_ms > 0)
		n->live_ms = timeout_ms;
	track(s, n, now_ms);
	return true;
}

enum zk_error
sessions_check(struct sessions *s, int64_t id, uint64_t owner)
{
	struct session *n = sessions_find(s, id);

	if (n == NULL || n->closing)
		return ZK_SESSIONEXPIRED;
	if (n->owner == SESSION_NO_OWNER)
		n->owner = owner;
	return n->owner == owner ? ZK_OK : ZK_SESSIONMOVED;
}

bool
sessions_revalidate(struct sessions *s, int64_t id, uint64_t owner, int32_t timeout_ms, int64_t now_ms)
{
	struct session *n = sessions_find(s, id);

	/* One without a timeout is only the owner of ephemerals that a snapshot had without it. */
	if (n == NULL || n->closing || (!n->applied && n->timeout_ms == 0))
		return false;
	n->owner = owner;
	return sessions_touch(s, id, timeout_ms, now_ms);
}

bool
sessions_renew(struct sessions *s, int64_t id, struct slice passwd, uint64_t owner, int32_t timeout_ms,
	       int64_t now_ms)
{
	if (!passwd_check(id, passwd))
		return false;
	return !s->leading || sessions_revalidate(s, id, owner, timeout_ms, now_ms);
}

struct sessions *
sessions_create(void)
{
	struct sessions *s = mem_alloc(sizeof *s);

	sessions_init(s);
	return s;
}

void
sessions_destroy(struct sessions *s)
{
	sessions_free(s);
	mem_free(s);
}

void
sessions_add(struct sessions *s, int64_t id, int32_t timeout_ms, int64_t now_ms)
{
	sessions_prepared_create(s, id, timeout_ms, 0, now_ms);
}

void
sessions_drop(struct sessions *s, int64_t id)
{
	sessions_applied_close(s, id);
}

void
session_ids_init(struct session_ids *ids, uint8_t server_id, int64_t start_ms)
{
	ids->next = (int64_t)((uint64_t)start_ms << 24 >> 8 | (uint64_t)server_id << 56);
}

int64_t
session_ids_take(struct session_ids *ids, const struct sessions *s)
{
	int64_t id;

	/* INT64_MIN marks containers; 0 asks for a new session. */
	do {
		id = ids->next;
		ids->next = (int64_t)((uint64_t)id + 1);
	} while (id == INT64_MIN || id == 0 || sessions_find(s, id) != NULL);
	return id;
}
