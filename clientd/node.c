/*
 * See node.h. Invariants: a number below or at `used` is either in the index, its parent's list and counted, or on
 * the free list with NODE_FREE; a node's hash is that of its path; while old != NULL a node is in old when its old
 * slot is not drained yet, else in slots, and draining ends before the next growth is due.
 */
#include "node.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/table.h"

enum { FIRST_SLOTS = 64, DRAIN_STEP = 8 };

void
tree_retire(void *p)
{
	mem_free(p);
}

void
nodes_init(struct nodes *s, const uint8_t seed[16])
{
	*s = (struct nodes){ .nslots = FIRST_SLOTS };
	s->slots = mem_zalloc(s->nslots, sizeof *s->slots);
	memcpy(s->seed, seed, sizeof s->seed);
}

void
nodes_free(struct nodes *s)
{
	for (uint32_t i = 1; i <= s->used; i++)
		mem_free(node_at(s, i)->text);
	for (uint32_t i = 0; i < s->nchunks; i++)
		mem_free(s->chunks[i]);
	mem_free(s->chunks);
	mem_free(s->slots);
	mem_free(s->old);
	*s = (struct nodes){ 0 };
}

uint32_t
nodes_hash(const struct nodes *s, struct slice key)
{
	return (uint32_t)table_hash(key, s->seed);
}

/* The chain in which a node with this hash is now. */
static uint32_t *
index_chain(const struct nodes *s, uint32_t hash)
{
	if (s->old != NULL) {
		uint32_t i = hash & (s->nold - 1);
		if (i >= s->drained)
			return &s->old[i];
	}
	return &s->slots[hash & (s->nslots - 1)];
}

static void
index_drain(struct nodes *s, uint32_t steps)
{
	for (; s->old != NULL && steps > 0; steps--) {
		for (uint32_t i = s->old[s->drained], next; i != NODE_NONE; i = next) {
			struct node *n = node_at(s, i);
			uint32_t *slot = &s->slots[n->hash & (s->nslots - 1)];
			next = n->next;
			n->next = *slot;
			*slot = i;
		}
		if (++s->drained == s->nold) {
			tree_retire(s->old);
			s->old = NULL;
		}
	}
}

static void
index_grow(struct nodes *s)
{
	index_drain(s, UINT32_MAX);
	ASSERT(s->nslots < UINT32_MAX / 2);
	s->old = s->slots;
	s->nold = s->nslots;
	s->drained = 0;
	s->nslots *= 2;
	s->slots = mem_zalloc(s->nslots, sizeof *s->slots);
}

static void
index_insert(struct nodes *s, uint32_t number, uint32_t hash)
{
	struct node *n = node_at(s, number);
	uint32_t *slot;

	/* At most half full: each further node in a chain is a cache miss. */
	if (s->count >= s->nslots / 2)
		index_grow(s);
	index_drain(s, DRAIN_STEP);
	slot = index_chain(s, hash);
	n->hash = hash;
	n->next = *slot;
	*slot = number;
}

static void
index_remove(struct nodes *s, uint32_t number)
{
	uint32_t *p = index_chain(s, node_at(s, number)->hash);

	while (*p != number) {
		ASSERT(*p != NODE_NONE);
		p = &node_at(s, *p)->next;
	}
	*p = node_at(s, number)->next;
	index_drain(s, DRAIN_STEP);
}

/* Whether the node's path is key: compares names from the last to the first, going up. */
static bool
has_path(const struct nodes *s, const struct node *n, struct slice key)
{
	size_t end = key.len;

	for (; n->parent != NODE_NONE; n = node_at(s, n->parent)) {
		uint32_t len = n->text->name_len;
		if (end < len + 1u || memcmp(key.data + end - len, n->text->bytes, len) != 0 ||
		    key.data[end - len - 1] != '/')
			return false;
		end -= len + 1u;
	}
	return end == 0;
}

uint32_t
nodes_find(const struct nodes *s, struct slice key, uint32_t hash)
{
	for (uint32_t i = *index_chain(s, hash); i != NODE_NONE; i = node_at(s, i)->next)
		if (node_at(s, i)->hash == hash && has_path(s, node_at(s, i), key))
			return i;
	return NODE_NONE;
}

/* The array of chunks doubles: it is full when their number is a power of two. */
static void
add_chunk(struct nodes *s)
{
	if ((s->nchunks & (s->nchunks - 1)) == 0) {
		struct node **chunks = mem_alloc((s->nchunks == 0 ? 1 : s->nchunks * 2) * sizeof *chunks);
		if (s->nchunks > 0)
			memcpy(chunks, s->chunks, s->nchunks * sizeof *chunks);
		tree_retire(s->chunks);
		s->chunks = chunks;
	}
	s->chunks[s->nchunks++] = mem_alloc(NODES_PER_CHUNK * sizeof **s->chunks);
}

static uint32_t
take_number(struct nodes *s)
{
	uint32_t number = s->free;

	if (number != NODE_NONE) {
		s->free = node_at(s, number)->next;
		return number;
	}
	ASSERT(s->used < UINT32_MAX - NODES_PER_CHUNK);
	if (s->used == s->nchunks << NODES_PER_CHUNK_BITS)
		add_chunk(s);
	return ++s->used;
}

static struct node_text *
make_text(struct nodes *s, struct slice name, struct slice data)
{
	struct node_text *text = mem_alloc(sizeof *text + name.len + data.len);

	text->name_len = (uint32_t)name.len;
	text->data_len = data.data == NULL ? DATA_NULL : (uint32_t)data.len;
	if (name.len > 0)
		memcpy(text->bytes, name.data, name.len);
	if (data.len > 0)
		memcpy(text->bytes + name.len, data.data, data.len);
	s->text_bytes += sizeof *text + name.len + data.len;
	return text;
}

static void
drop_text(struct nodes *s, struct node_text *text)
{
	s->text_bytes -= sizeof *text + text->name_len + (text->data_len == DATA_NULL ? 0 : text->data_len);
	tree_retire(text);
}

uint32_t
nodes_add(struct nodes *s, uint32_t parent, struct slice name, struct slice data, uint32_t hash)
{
	uint32_t number = take_number(s);
	struct node *n = node_at(s, number);

	*n = (struct node){ .parent = parent, .text = make_text(s, name, data) };
	index_insert(s, number, hash);
	s->count++;
	if (parent != NODE_NONE) {
		struct node *p = node_at(s, parent);
		n->after = p->child;
		if (p->child != NODE_NONE)
			node_at(s, p->child)->before = number;
		p->child = number;
		p->children++;
	}
	return number;
}

void
nodes_remove(struct nodes *s, uint32_t number)
{
	struct node *n = node_at(s, number), *p = node_at(s, n->parent);

	ASSERT(n->children == 0 && number != NODE_ROOT);
	index_remove(s, number);
	if (n->before != NODE_NONE)
		node_at(s, n->before)->after = n->after;
	else
		p->child = n->after;
	if (n->after != NODE_NONE)
		node_at(s, n->after)->before = n->before;
	p->children--;
	s->count--;
	drop_text(s, n->text);
	*n = (struct node){ .next = s->free, .flags = NODE_FREE };
	s->free = number;
}

void
nodes_set_data(struct nodes *s, struct node *n, struct slice data)
{
	struct node_text *old = n->text;

	n->text = make_text(s, slice_of(old->bytes, old->name_len), data);
	drop_text(s, old);
}

uint64_t
nodes_memory(const struct nodes *s)
{
	return s->text_bytes + (uint64_t)s->nchunks * NODES_PER_CHUNK * sizeof(struct node) +
	       ((uint64_t)s->nslots + (s->old == NULL ? 0 : s->nold)) * sizeof *s->slots;
}

struct slice
node_name(const struct node *n)
{
	return slice_of(n->text->bytes, n->text->name_len);
}

struct slice
node_data(const struct node *n)
{
	if (n->text->data_len == DATA_NULL)
		return SLICE_NULL;
	return slice_of(n->text->bytes + n->text->name_len, n->text->data_len);
}

/* Length of the path key. */
static uint32_t
key_len(const struct nodes *s, const struct node *n)
{
	uint32_t len = 0;

	for (; n->parent != NODE_NONE; n = node_at(s, n->parent))
		len += n->text->name_len + 1;
	return len;
}

uint32_t
node_path_len(const struct nodes *s, uint32_t number)
{
	return number == NODE_ROOT ? 1 : key_len(s, node_at(s, number));
}

struct slice
node_path(const struct nodes *s, uint32_t number, struct buf *scratch)
{
	const struct node *n = node_at(s, number);
	uint32_t len = key_len(s, n), end = len;
	uint8_t *out;

	buf_truncate(scratch, 0);
	out = buf_reserve(scratch, len + 1);
	ASSERT(out != NULL);
	for (; n->parent != NODE_NONE; n = node_at(s, n->parent)) {
		end -= n->text->name_len;
		memcpy(out + end, n->text->bytes, n->text->name_len);
		out[--end] = '/';
	}
	buf_commit(scratch, len);
	return slice_of(out, len);
}

uint32_t
node_next(const struct nodes *s, uint32_t number, uint32_t top)
{
	const struct node *n = node_at(s, number);

	if (n->child != NODE_NONE)
		return n->child;
	for (; number != top; number = n->parent) {
		n = node_at(s, number);
		if (n->after != NODE_NONE)
			return n->after;
	}
	return NODE_NONE;
}

void
node_stat_persisted(const struct node *n, int64_t owner, struct jute_stat_persisted *st)
{
	*st = (struct jute_stat_persisted){ .czxid = n->czxid,
					    .mzxid = n->mzxid,
					    .ctime = n->ctime_ms,
					    .mtime = n->mtime_ms,
					    .version = n->version,
					    .cversion = n->cversion,
					    .aversion = n->aversion,
					    .ephemeral_owner = owner,
					    .pzxid = n->pzxid };
}
