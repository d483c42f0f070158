/* See special.h. Invariant: every number below `used` is in one list, or in the list of free ones. */
#include "special.h"

#include <string.h>

#include "base/mem.h"
#include "node.h"
#include "tree.h"

enum owner_kind
owner_kind(const struct tree_config *c, int64_t owner)
{
	uint64_t o = (uint64_t)owner;

	if (owner == 0)
		return OWNER_NONE;
	if (owner == ZK_OWNER_CONTAINER)
		return OWNER_CONTAINER;
	if (c->extended_types && c->emulate_353_ttl && owner < 0)
		return OWNER_TTL;
	/*
	 * Also where TTL nodes are switched off: taken for a session's, as ZooKeeper does then, they would all be deleted
	 * because no such session lives. A session id looks like this only in a server's first hours after 1970.
	 */
	if ((o & ~(uint64_t)ZK_TTL_MAX_MS) == ZK_OWNER_TTL_MASK)
		return OWNER_TTL;
	return OWNER_SESSION;
}

enum { TTL_353_SHIFT = 60 };

int64_t
owner_of_ttl(const struct tree_config *c, int64_t ttl_ms)
{
	int64_t max = c->emulate_353_ttl ? ((int64_t)1 << TTL_353_SHIFT) - 1 : ZK_TTL_MAX_MS;

	if (ttl_ms < 1 || ttl_ms > max)
		return 0;
	return (int64_t)((uint64_t)ttl_ms | (c->emulate_353_ttl ? (uint64_t)INT64_MIN : ZK_OWNER_TTL_MASK));
}

int64_t
owner_ttl_ms(const struct tree_config *c, int64_t owner)
{
	return c->emulate_353_ttl ? owner & INT64_MAX : owner & ZK_TTL_MAX_MS;
}

void
specials_free(struct specials *s)
{
	mem_free(s->v);
	*s = (struct specials){ 0 };
}

static uint32_t
take_number(struct specials *s)
{
	uint32_t number = s->free, size;
	struct special *v;

	if (number != 0) {
		s->free = s->v[number].next;
		return number;
	}
	if (s->used + 1 >= s->size) {
		size = s->size == 0 ? 16 : s->size * 2;
		v = mem_alloc(size * sizeof *v);
		if (s->v != NULL)
			memcpy(v, s->v, (s->used + 1) * sizeof *v);
		tree_retire(s->v);
		s->v = v;
		s->size = size;
	}
	return ++s->used;
}

uint32_t
special_add(struct specials *s, struct special_list *list, uint32_t node, int64_t owner, enum owner_kind kind)
{
	uint32_t number = take_number(s);

	s->v[number] =
	    (struct special){ .owner = owner, .node = node, .prev = list->last, .kind = (uint8_t)kind };
	if (list->last != 0)
		s->v[list->last].next = number;
	else
		list->first = number;
	list->last = number;
	list->count++;
	return number;
}

void
special_remove(struct specials *s, struct special_list *list, uint32_t number)
{
	struct special *p = &s->v[number];

	if (p->prev != 0)
		s->v[p->prev].next = p->next;
	else
		list->first = p->next;
	if (p->next != 0)
		s->v[p->next].prev = p->prev;
	else
		list->last = p->prev;
	list->count--;
	*p = (struct special){ .next = s->free };
	s->free = number;
}
