/* See heap.h. Invariant: a block is in the list of the heap that was entered when it was allocated, or in none. */
#include "heap.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

struct block {
	struct list link;
};

_Static_assert(sizeof(struct block) % 16 == 0, "memory stays aligned");

static struct heap *current;

void (*mem_exhausted)(void);

void
heap_init(struct heap *h)
{
	*h = (struct heap){ .fail_in = 0 };
	list_init(&h->blocks);
}

struct heap *
heap_enter(struct heap *h)
{
	struct heap *was = current;

	current = h;
	return was;
}

void
heap_release(struct heap *h)
{
	list_for_each_safe (e, &h->blocks)
		free(container_of(e, struct block, link));
	heap_init(h);
}

static void
count(void)
{
	struct heap *h = current;

	if (h == NULL || !h->guarded || h->fail_in == 0 || --h->fail_in > 0)
		return;
	longjmp(h->escape, 1);
}

static void *
enlist(struct block *b)
{
	ASSERT(b != NULL);
	if (current != NULL)
		list_append(&current->blocks, &b->link);
	else
		list_init(&b->link);
	return b + 1;
}

void *
mem_alloc(size_t size)
{
	count();
	return enlist(malloc(sizeof(struct block) + size));
}

void *
mem_zalloc(size_t n, size_t size)
{
	size_t bytes;

	count();
	ASSERT(!__builtin_mul_overflow(n, size, &bytes));
	return enlist(calloc(1, sizeof(struct block) + bytes));
}

void *
heap_world_zalloc(size_t n, size_t size)
{
	IN_HEAP(NULL);

	return mem_zalloc(n, size);
}

/* It stays in its list. */
void *
mem_realloc(void *p, size_t size)
{
	struct block *b = p == NULL ? NULL : (struct block *)p - 1;
	struct list *next, *prev;
	bool alone;

	if (b == NULL)
		return mem_alloc(size);
	count();
	next = b->link.next;
	prev = b->link.prev;
	alone = list_empty(&b->link);
	b = realloc(b, sizeof *b + size);
	ASSERT(b != NULL);
	if (alone)
		list_init(&b->link);
	else
		next->prev = prev->next = &b->link;
	return b + 1;
}

char *
mem_strndup(const void *s, size_t len)
{
	char *p = mem_alloc(len + 1);

	if (len > 0)
		memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

void
mem_free(void *p)
{
	struct block *b = p == NULL ? NULL : (struct block *)p - 1;

	if (b == NULL)
		return;
	list_remove(&b->link);
	free(b);
}
