/* See arena.h. Blocks form a stack; only the top one is allocated from. */
#include "base/arena.h"

#include <stdalign.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK_SIZE = 8192 };

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
	alignas(max_align_t) unsigned char bytes[];
};

void
arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

static void
free_blocks(struct arena_block *b)
{
	while (b != NULL) {
		struct arena_block *next = b->next;
		mem_free(b);
		b = next;
	}
}

void
arena_free(struct arena *a)
{
	free_blocks(a->head);
	a->head = NULL;
	a->used = 0;
}

void
arena_reset(struct arena *a)
{
	struct arena_block *b, *keep = NULL;

	while ((b = a->head) != NULL) {
		a->head = b->next;
		if (keep == NULL && b->cap == BLOCK_SIZE)
			keep = b;
		else
			mem_free(b);
	}
	if (keep != NULL) {
		keep->used = 0;
		keep->next = NULL;
	}
	a->head = keep;
	a->used = 0;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->head;
	const size_t align = alignof(max_align_t);

	if (size > a->max || a->used > a->max - size)
		return NULL;
	size = (size + align - 1) / align * align;
	if (b == NULL || b->cap - b->used < size) {
		size_t cap = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		b = mem_alloc(sizeof *b + cap);
		b->used = 0;
		b->cap = cap;
		b->next = a->head;
		a->head = b;
	}
	void *p = b->bytes + b->used;
	b->used += size;
	a->used += size;
	return p;
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	p = arena_alloc(a, total);
	if (p != NULL && total > 0)
		memset(p, 0, total);
	return p;
}

struct slice
arena_copy(struct arena *a, struct slice s)
{
	uint8_t *p;

	if (s.data == NULL || (p = arena_alloc(a, s.len)) == NULL)
		return SLICE_NULL;
	if (s.len > 0)
		memcpy(p, s.data, s.len);
	return slice_of(p, s.len);
}
