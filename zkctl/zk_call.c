/* The operations, one request each: what is sent, and how its answer is read. See zk.h. */
#include <errno.h>
#include <string.h>

#include "zk_int.h"

static struct jute_acl open_entry[] = { { ZK_PERM_ALL, { SLICE_LIT("world"), SLICE_LIT("anyone") } } };
const struct jute_acl_vec zk_acl_open = { open_entry, 1 };

/* Sends the request begun and reads its answer with take, which may be NULL. */
static int
finish(struct zk *z, enum zk_repeat repeat, struct zk_answer *a, int32_t *code,
       bool (*take)(struct jute_reader *r, struct arena *arena, struct zk_answer *a))
{
	struct zk_news n;
	int r;

	zk_end(z, NULL, repeat);
	r = zk_reply(z, &n);
	if (r < 0)
		return r;
	*code = n.err;
	arena_reset(&z->arena);
	if (n.err != ZK_OK || take == NULL)
		return 0;
	*a = (struct zk_answer){ .number = 0 };
	return take(&n.body, &z->arena, a) ? 0 : zk_explain(z, -EPROTO, "an answer cannot be understood");
}

static bool
take_data(struct jute_reader *r, struct arena *arena, struct zk_answer *a)
{
	a->data = jute_read_buffer(r);
	return jute_read_stat(r, arena, &a->stat);
}

static bool
take_stat(struct jute_reader *r, struct arena *arena, struct zk_answer *a)
{
	return jute_read_stat(r, arena, &a->stat);
}

static bool
take_children(struct jute_reader *r, struct arena *arena, struct zk_answer *a)
{
	return jute_read_string_vec(r, arena, &a->names) && jute_read_stat(r, arena, &a->stat);
}

static bool
take_acl(struct jute_reader *r, struct arena *arena, struct zk_answer *a)
{
	return jute_read_acl_vec(r, arena, &a->acl) && jute_read_stat(r, arena, &a->stat);
}

static bool
take_number(struct jute_reader *r, struct arena *arena, struct zk_answer *a)
{
	(void)arena;
	a->number = jute_read_int(r);
	return jute_ok(r);
}

/* create answers the path alone, its younger kin the Stat too. */
static bool
take_created(struct jute_reader *r, struct arena *arena, struct zk_answer *a)
{
	a->path = jute_read_string(r);
	return jute_read_stat(r, arena, &a->stat);
}

int
zk_get(struct zk *z, const char *path, struct zk_answer *a, int32_t *code)
{
	struct jute_get_data_request q = { .path = slice_str(path) };

	jute_write_get_data_request(zk_begin(z, ZK_OP_GET_DATA), &q);
	return finish(z, ZK_REPEATABLE, a, code, take_data);
}

int
zk_exists(struct zk *z, const char *path, struct zk_answer *a, int32_t *code)
{
	struct jute_exists_request q = { .path = slice_str(path) };

	jute_write_exists_request(zk_begin(z, ZK_OP_EXISTS), &q);
	return finish(z, ZK_REPEATABLE, a, code, take_stat);
}

int
zk_children(struct zk *z, const char *path, struct zk_answer *a, int32_t *code)
{
	struct jute_get_children2_request q = { .path = slice_str(path) };

	jute_write_get_children2_request(zk_begin(z, ZK_OP_GET_CHILDREN2), &q);
	return finish(z, ZK_REPEATABLE, a, code, take_children);
}

int
zk_get_acl(struct zk *z, const char *path, struct zk_answer *a, int32_t *code)
{
	struct jute_get_acl_request q = { .path = slice_str(path) };

	jute_write_get_acl_request(zk_begin(z, ZK_OP_GET_ACL), &q);
	return finish(z, ZK_REPEATABLE, a, code, take_acl);
}

int
zk_set(struct zk *z, const char *path, struct slice data, int32_t version, struct zk_answer *a, int32_t *code)
{
	struct jute_set_data_request q = { .path = slice_str(path), .data = data, .version = version };

	jute_write_set_data_request(zk_begin(z, ZK_OP_SET_DATA), &q);
	return finish(z, ZK_ONCE, a, code, take_stat);
}

int
zk_set_acl(struct zk *z, const char *path, const struct jute_acl_vec *acl, int32_t version,
	   struct zk_answer *a, int32_t *code)
{
	struct jute_set_acl_request q = { .path = slice_str(path), .acl = *acl, .version = version };

	jute_write_set_acl_request(zk_begin(z, ZK_OP_SET_ACL), &q);
	return finish(z, ZK_ONCE, a, code, take_stat);
}

int
zk_delete(struct zk *z, const char *path, int32_t version, int32_t *code)
{
	struct jute_delete_request q = { .path = slice_str(path), .version = version };

	jute_write_delete_request(zk_begin(z, ZK_OP_DELETE), &q);
	return finish(z, ZK_ONCE, NULL, code, NULL);
}

int
zk_count(struct zk *z, const char *path, struct zk_answer *a, int32_t *code)
{
	struct jute_get_all_children_number_request q = { .path = slice_str(path) };

	jute_write_get_all_children_number_request(zk_begin(z, ZK_OP_GET_ALL_CHILDREN_NUMBER), &q);
	return finish(z, ZK_REPEATABLE, a, code, take_number);
}

int
zk_add_watch(struct zk *z, const char *path, enum zk_add_watch mode, int32_t *code)
{
	struct jute_add_watch_request q = { .path = slice_str(path), .mode = (int32_t)mode };

	jute_write_add_watch_request(zk_begin(z, ZK_OP_ADD_WATCH), &q);
	return finish(z, ZK_REPEATABLE, NULL, code, NULL);
}

void
zk_put_create(struct zk *z, const struct zk_create *c)
{
	bool ttl = c->mode == ZK_CREATE_TTL || c->mode == ZK_CREATE_SEQUENTIAL_TTL;

	if (ttl)
		jute_write_create_ttl_request(zk_begin(z, ZK_OP_CREATE_TTL),
					      &(struct jute_create_ttl_request){
						  c->path, c->data, c->acl, (int32_t)c->mode, c->ttl_ms });
	else
		jute_write_create_request(
		    zk_begin(z, c->mode == ZK_CREATE_CONTAINER ? ZK_OP_CREATE_CONTAINER : ZK_OP_CREATE2),
		    &(struct jute_create_request){ c->path, c->data, c->acl, (int32_t)c->mode });
}

int
zk_create(struct zk *z, const struct zk_create *c, struct zk_answer *a, int32_t *code)
{
	zk_put_create(z, c);
	return finish(z, ZK_ONCE, a, code, take_created);
}
