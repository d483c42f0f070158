/*
 * See walk.h. Two orders: entries stand in a list in the order in which they are told, and those that are not yet asked
 * for in a stack, so that what is told next is asked next and little has to be kept. Invariant: only the first entry
 * of the list is ever told, when all its answers are there; its children stand behind it by then.
 */
#include "walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data.h"

struct entry {
	struct list link;      /* in the order to tell */
	struct entry *unasked; /* the next on the stack */
	char *path, *guide;
	unsigned depth;
	unsigned due; /* answers */
	bool asked, gone;
	int32_t error;
	struct jute_stat stat;
	uint8_t *data;
	size_t data_len;
	bool data_null;
	struct arena arena; /* of the ACL, with its text */
	struct jute_acl_vec acl;
};

struct state {
	struct zk *z;
	const struct walk *w;
	struct list entries;
	struct entry *unasked;
	int32_t code;
};

enum { ACL_ARENA_MAX = 16 << 20 };

static struct entry *
new_entry(char *path, char *guide, unsigned depth)
{
	struct entry *e = mem_zalloc(1, sizeof *e);

	e->path = path;
	e->guide = guide;
	e->depth = depth;
	e->acl.n = -1;
	arena_init(&e->arena, ACL_ARENA_MAX);
	return e;
}

static void
free_entry(struct entry *e)
{
	list_remove(&e->link);
	mem_free(e->path);
	mem_free(e->guide);
	mem_free(e->data);
	arena_free(&e->arena);
	mem_free(e);
}

static void
ask_for(struct state *s, struct entry *e)
{
	struct slice path = slice_str(e->path);
	struct zk *z = s->z;

	e->asked = true;
	e->due = 1;
	jute_write_get_children2_request(zk_begin(z, ZK_OP_GET_CHILDREN2),
					 &(struct jute_get_children2_request){ .path = path });
	zk_end(z, e, ZK_REPEATABLE);
	if ((s->w->want & WALK_DATA) != 0) {
		jute_write_get_data_request(zk_begin(z, ZK_OP_GET_DATA),
					    &(struct jute_get_data_request){ .path = path });
		zk_end(z, e, ZK_REPEATABLE);
		e->due++;
	}
	if ((s->w->want & WALK_ACL) != 0) {
		jute_write_get_acl_request(zk_begin(z, ZK_OP_GET_ACL),
					   &(struct jute_get_acl_request){ .path = path });
		zk_end(z, e, ZK_REPEATABLE);
		e->due++;
	}
}

static void
ask_more(struct state *s)
{
	while (s->unasked != NULL && zk_room(s->z)) {
		struct entry *e = s->unasked;
		s->unasked = e->unasked;
		ask_for(s, e);
	}
}

/* ---- Answers ---- */

static char *
extend_guide(const char *guide, unsigned depth, bool last)
{
	char *g = mem_alloc(depth + 2);

	memcpy(g, guide, depth);
	g[depth] = last ? ' ' : '|';
	g[depth + 1] = '\0';
	return g;
}

static int
take_children(struct state *s, struct entry *e, struct zk_news *n)
{
	struct list *behind = &e->link;
	struct jute_string_vec names;
	struct arena arena;
	int r = 0;

	arena_init(&arena, ZK_REPLY_MAX);
	if (!jute_read_string_vec(&n->body, &arena, &names) || !jute_read_stat(&n->body, NULL, &e->stat))
		r = -EPROTO;
	if (r == 0)
		data_sort_names(&names);
	if (s->w->depth_most >= 0 && e->depth >= s->w->depth_most)
		names.n = 0;
	for (int32_t i = names.n - 1; r == 0 && i >= 0; i--) {
		struct entry *child =
		    new_entry(data_join(e->path, names.v[i]),
			      extend_guide(e->guide, e->depth, i == names.n - 1), e->depth + 1);
		list_prepend(behind, &child->link); /* the last one first, so each goes before its elder */
		child->unasked = s->unasked;
		s->unasked = child;
	}
	arena_free(&arena);
	return r;
}

static int
take_data(struct entry *e, struct zk_news *n)
{
	struct slice data = jute_read_buffer(&n->body);

	if (!jute_ok(&n->body))
		return -EPROTO;
	e->data_null = data.data == NULL;
	e->data_len = data.len;
	e->data = mem_alloc(data.len);
	if (data.len > 0)
		memcpy(e->data, data.data, data.len);
	return 0;
}

/* The answer goes with the next: its text is kept. */
static int
take_acl(struct entry *e, struct zk_news *n)
{
	if (!jute_read_acl_vec(&n->body, &e->arena, &e->acl))
		return -EPROTO;
	for (int32_t i = 0; i < e->acl.n; i++) {
		struct jute_id *id = &e->acl.v[i].id;
		id->scheme = arena_copy(&e->arena, id->scheme);
		id->id = arena_copy(&e->arena, id->id);
	}
	return 0;
}

static int
take_answer(struct state *s, struct zk_news *n)
{
	struct entry *e = n->tag;

	e->due--;
	if (n->err == ZK_NONODE)
		e->gone = true;
	else if (n->err != ZK_OK)
		e->error = n->err;
	if (n->err != ZK_OK || e->gone)
		return 0;
	if (n->op == ZK_OP_GET_DATA)
		return take_data(e, n);
	return n->op == ZK_OP_GET_ACL ? take_acl(e, n) : take_children(s, e, n);
}

/* ---- Telling ---- */

static int
tell(struct state *s, const struct entry *e)
{
	struct walk_node node = {
		.path = e->path,
		.guide = e->guide,
		.depth = e->depth,
		.stat = e->stat,
		.data = e->data_null ? SLICE_NULL
				     : slice_of(e->data == NULL ? (const uint8_t *)"" : e->data, e->data_len),
		.acl = &e->acl,
		.error = e->error,
	};

	return s->w->visit(s->w->owner, &node);
}

/* All that is complete at the beginning of the list. */
static int
tell_ready(struct state *s)
{
	while (!list_empty(&s->entries)) {
		struct entry *e = container_of(s->entries.next, struct entry, link);
		int r = 0;
		if (!e->asked || e->due > 0)
			return 0;
		if (!e->gone)
			r = tell(s, e);
		else if (e->depth == 0)
			s->code = ZK_NONODE;
		free_entry(e);
		if (r != 0)
			return r;
	}
	return 0;
}

/* Answers that are still to come belong to entries that go. */
static void
drop_rest(struct state *s)
{
	if (s->z->nflights > 0)
		zk_reset(s->z);
	while (!list_empty(&s->entries))
		free_entry(container_of(s->entries.next, struct entry, link));
}

int
walk_tree(struct zk *z, const char *start, const struct walk *w, int32_t *code)
{
	struct state s = { .z = z, .w = w, .code = ZK_OK };
	struct zk_news n;
	int r = 0;

	list_init(&s.entries);
	s.unasked = new_entry(mem_strndup(start, strlen(start)), mem_strndup("", 0), 0);
	list_append(&s.entries, &s.unasked->link);
	while (r == 0 && !list_empty(&s.entries)) {
		ask_more(&s);
		r = zk_next(z, &n, -1);
		if (r == 0 && n.kind == ZK_NEWS_REPLY)
			r = take_answer(&s, &n);
		if (r == 0)
			r = tell_ready(&s);
	}
	drop_rest(&s);
	*code = s.code;
	return r;
}
