/*
 * See table.h. While old != NULL an entry is in old when its old slot is not drained yet, else in slots; every insert
 * and removal drains a few old slots, enough that draining ends before the next growth is due.
 */
#include "base/table.h"

#include <sodium/crypto_shorthash.h>

#include "base/assert.h"
#include "base/mem.h"

enum { FIRST_SLOTS = 16, DRAIN_STEP = 4 };

void
table_init(struct table *t)
{
	*t = (struct table){ 0 };
}

void
table_free(struct table *t)
{
	mem_free(t->slots);
	mem_free(t->old);
	table_init(t);
}

/* The chain in which an entry with this hash is now. */
static struct table_entry **
chain(const struct table *t, uint64_t hash)
{
	if (t->old != NULL) {
		size_t i = hash & (t->nold - 1);
		if (i >= t->drained)
			return &t->old[i];
	}
	return &t->slots[hash & (t->nslots - 1)];
}

static void
drain(struct table *t, size_t steps)
{
	for (; t->old != NULL && steps > 0; steps--) {
		struct table_entry *e = t->old[t->drained], *next;
		for (; e != NULL; e = next) {
			struct table_entry **slot = &t->slots[e->hash & (t->nslots - 1)];
			next = e->next;
			e->next = *slot;
			*slot = e;
		}
		if (++t->drained == t->nold) {
			mem_free(t->old);
			t->old = NULL;
		}
	}
}

static void
grow(struct table *t)
{
	drain(t, SIZE_MAX);
	t->old = t->slots;
	t->nold = t->nslots;
	t->drained = 0;
	t->nslots = t->nslots == 0 ? FIRST_SLOTS : t->nslots * 2;
	t->slots = mem_zalloc(t->nslots, sizeof *t->slots);
}

struct table_entry *
table_find(const struct table *t, uint64_t hash, table_match *match, const void *key)
{
	if (t->count == 0)
		return NULL;
	for (struct table_entry *e = *chain(t, hash); e != NULL; e = e->next)
		if (e->hash == hash && match(e, key))
			return e;
	return NULL;
}

void
table_insert(struct table *t, struct table_entry *e, uint64_t hash)
{
	if (t->count >= t->nslots)
		grow(t);
	drain(t, DRAIN_STEP);
	struct table_entry **slot = chain(t, hash);
	e->hash = hash;
	e->next = *slot;
	*slot = e;
	t->count++;
}

void
table_remove(struct table *t, struct table_entry *e)
{
	struct table_entry **p = chain(t, e->hash);

	while (*p != e) {
		ASSERT(*p != NULL);
		p = &(*p)->next;
	}
	*p = e->next;
	e->next = NULL;
	t->count--;
	drain(t, DRAIN_STEP);
}

static void
each_in(struct table_entry **slots, size_t from, size_t n, void (*visit)(struct table_entry *, void *),
	void *ctx)
{
	for (size_t i = from; i < n; i++)
		for (struct table_entry *e = slots[i], *next; e != NULL; e = next) {
			next = e->next;
			visit(e, ctx);
		}
}

void
table_each(struct table *t, void (*visit)(struct table_entry *e, void *ctx), void *ctx)
{
	if (t->old != NULL)
		each_in(t->old, t->drained, t->nold, visit, ctx);
	each_in(t->slots, 0, t->nslots, visit, ctx);
}

static bool
each_while(struct table_entry **slots, size_t from, size_t n,
	   bool (*visit)(const struct table_entry *e, void *ctx), void *ctx)
{
	for (size_t i = from; i < n; i++)
		for (const struct table_entry *e = slots[i]; e != NULL; e = e->next)
			if (!visit(e, ctx))
				return false;
	return true;
}

void
table_each_while(const struct table *t, bool (*visit)(const struct table_entry *e, void *ctx), void *ctx)
{
	if (t->old == NULL || each_while(t->old, t->drained, t->nold, visit, ctx))
		each_while(t->slots, 0, t->nslots, visit, ctx);
}

uint64_t
table_hash(struct slice key, const uint8_t seed[16])
{
	uint64_t h;

	_Static_assert(crypto_shorthash_BYTES == sizeof h && crypto_shorthash_KEYBYTES == 16,
		       "SipHash sizes");
	crypto_shorthash((unsigned char *)&h, key.data, key.len, seed);
	return h;
}

uint64_t
table_hash_u64(uint64_t v)
{
	/* splitmix64's finaliser */
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
	return v ^ (v >> 31);
}
