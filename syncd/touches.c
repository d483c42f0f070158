/* See touches.h. Invariant: each entry has one slot, found by linear probing from its session's hash. */
#include "touches.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/table.h"

enum { FIRST_TOUCHES = 64 };

void
touches_init(struct touches *t)
{
	memset(t, 0, sizeof *t);
}

void
touches_free(struct touches *t)
{
	mem_free(t->bytes);
	mem_free(t->slots);
	touches_init(t);
}

void
touches_reset(struct touches *t)
{
	if (t->count > 0)
		memset(t->slots, 0, 2 * t->cap * sizeof *t->slots);
	t->count = 0;
}

/* The slot of a session: its own, or the free one where it belongs. */
static uint32_t *
find_slot(const struct touches *t, uint64_t session)
{
	size_t mask = 2 * t->cap - 1, i = table_hash_u64(session) & mask;

	while (t->slots[i] != 0 && get_be64(t->bytes + (size_t)(t->slots[i] - 1) * TOUCH_BYTES) != session)
		i = (i + 1) & mask;
	return &t->slots[i];
}

static void
grow(struct touches *t)
{
	t->cap = t->cap == 0 ? FIRST_TOUCHES : 2 * t->cap;
	t->bytes = mem_realloc(t->bytes, t->cap * TOUCH_BYTES);
	mem_free(t->slots);
	t->slots = mem_zalloc(2 * t->cap, sizeof *t->slots);
	for (size_t i = 0; i < t->count; i++)
		*find_slot(t, get_be64(t->bytes + i * TOUCH_BYTES)) = (uint32_t)i + 1;
}

static void
add_one(struct touches *t, const uint8_t *entry)
{
	uint32_t *slot;

	if (t->count == t->cap)
		grow(t);
	slot = find_slot(t, get_be64(entry));
	if (*slot == 0) {
		if (t->count == TOUCHES_MAX)
			return;
		*slot = (uint32_t)++t->count;
	}
	memcpy(t->bytes + (size_t)(*slot - 1) * TOUCH_BYTES, entry, TOUCH_BYTES);
}

void
touches_add(struct touches *t, struct slice entries)
{
	ASSERT(entries.len % TOUCH_BYTES == 0);
	for (size_t i = 0; i < entries.len; i += TOUCH_BYTES)
		add_one(t, entries.data + i);
}

struct slice
touches_bytes(const struct touches *t)
{
	return t->count == 0 ? SLICE_LIT("") : slice_of(t->bytes, t->count * TOUCH_BYTES);
}
