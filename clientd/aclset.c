/* See aclset.h. Invariant: a list is in the index and in lists[number] exactly as long as refs > 0. */
#include "aclset.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "acl.h"
#include "node.h"

void
aclset_init(struct aclset *s, const uint8_t seed[16])
{
	*s = (struct aclset){ .used = 1 };
	table_init(&s->index);
	memcpy(s->seed, seed, sizeof s->seed);
}

void
aclset_free(struct aclset *s)
{
	for (uint32_t i = 1; i < s->used; i++)
		mem_free(s->lists[i]);
	mem_free(s->lists);
	mem_free(s->spare);
	table_free(&s->index);
}

static bool
same_list(const struct table_entry *e, const void *key)
{
	const struct aclset_list *l = container_of(e, const struct aclset_list, entry);

	return slice_equal(slice_of(l->bytes, l->len), *(const struct slice *)key);
}

static void
make_room(struct aclset *s)
{
	uint32_t size = s->size == 0 ? 16 : s->size * 2;
	struct aclset_list **lists;

	if (s->used < s->size)
		return;
	lists = mem_zalloc(size, sizeof *lists);
	if (s->lists != NULL)
		memcpy(lists, s->lists, s->used * sizeof *lists);
	tree_retire(s->lists);
	s->lists = lists;
	s->spare = mem_realloc(s->spare, size * sizeof *s->spare);
	s->size = size;
}

static uint32_t
take_number(struct aclset *s)
{
	if (s->nspare > 0)
		return s->spare[--s->nspare];
	make_room(s);
	return s->used++;
}

uint32_t
aclset_take(struct aclset *s, struct slice list)
{
	uint64_t hash;
	struct table_entry *e;
	struct aclset_list *l;

	if (slice_equal(list, acl_open))
		return ACL_OPEN;
	hash = table_hash(list, s->seed);
	e = table_find(&s->index, hash, same_list, &list);
	if (e != NULL) {
		l = container_of(e, struct aclset_list, entry);
		l->refs++;
		return l->number;
	}
	l = mem_alloc(sizeof *l + list.len);
	l->number = take_number(s);
	l->refs = 1;
	l->len = (uint32_t)list.len;
	if (list.len > 0)
		memcpy(l->bytes, list.data, list.len);
	s->lists[l->number] = l;
	s->count++;
	table_insert(&s->index, &l->entry, hash);
	return l->number;
}

void
aclset_hold(struct aclset *s, uint32_t number)
{
	if (number != ACL_OPEN)
		s->lists[number]->refs++;
}

void
aclset_drop(struct aclset *s, uint32_t number)
{
	struct aclset_list *l;

	if (number == ACL_OPEN)
		return;
	l = s->lists[number];
	ASSERT(l->refs > 0);
	if (--l->refs > 0)
		return;
	table_remove(&s->index, &l->entry);
	s->lists[number] = NULL;
	s->spare[s->nspare++] = number;
	s->count--;
	tree_retire(l);
}

struct slice
aclset_get(const struct aclset *s, uint32_t number)
{
	return number == ACL_OPEN ? acl_open : slice_of(s->lists[number]->bytes, s->lists[number]->len);
}
