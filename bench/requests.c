/* See requests.h. Invariant: a template is a whole frame but for xid, number and mark. */
#include "bench/requests.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "jute/op.h"
#include "jute/zk_error.h"

enum { FRAME_ROOM = 4096, XID_AT = 4 };

typedef const char *check_fn(const struct requests *q, const struct request *r, struct jute_reader *body,
			     uint32_t *mark);
typedef void build_fn(const struct requests *q, struct buf *b, struct slice path);

static const char unreadable[] = "a reply that is too short or too long";

static bool
all_read(const struct jute_reader *r)
{
	return jute_ok(r) && jute_left(r) == 0;
}

static const char *
check_stat_of(const struct requests *q, const struct jute_stat *stat, uint32_t *mark)
{
	if (stat->data_length != (int32_t)q->size)
		return "a stat with another dataLength than what was written";
	*mark = (uint32_t)stat->version;
	return NULL;
}

static const char *
check_data(const struct requests *q, const struct request *r, struct jute_reader *body, uint32_t *mark)
{
	struct jute_get_data_response a;

	if (!jute_read_get_data_response(body, NULL, &a) || !all_read(body))
		return unreadable;
	if (a.data.len != q->size)
		return "data of another size than what was written";
	if (!q->loose && q->size >= REQUEST_MARK_BYTES) {
		if (get_be32(a.data.data) != r->key)
			return "the data of another znode";
		if (get_be32(a.data.data + 4) != (uint32_t)a.stat.version)
			return "data that do not belong to their version";
	}
	return check_stat_of(q, &a.stat, mark);
}

static const char *
check_stat(const struct requests *q, const struct request *r, struct jute_reader *body, uint32_t *mark)
{
	struct jute_set_data_response a;

	(void)r;
	if (!jute_read_set_data_response(body, NULL, &a) || !all_read(body))
		return unreadable;
	return check_stat_of(q, &a.stat, mark);
}

static const char *
check_children(const struct requests *q, const struct request *r, struct jute_reader *body, uint32_t *mark)
{
	int32_t n = jute_read_count(body, 4);
	bool named = true;

	(void)r;
	(void)mark;
	for (int32_t i = 0; i < n; i++)
		named &= jute_read_string(body).len == 1 + REQUEST_DIGITS;
	if (!all_read(body))
		return unreadable;
	return n == (int32_t)q->keys && named ? NULL : "other children than there are";
}

static const char *
check_created(const struct requests *q, const struct request *r, struct jute_reader *body, uint32_t *mark)
{
	const struct request_template *t = &q->templates[r->op];
	size_t at = XID_AT + 8 + 4, base = strlen(q->base);
	struct jute_create_response a;
	char digits[REQUEST_DIGITS + 1];

	(void)mark;
	if (!jute_read_create_response(body, NULL, &a) || !all_read(body))
		return unreadable;
	snprintf(digits, sizeof digits, "%08x", r->key);
	if (t->number_at == 0 ? !slice_equal(a.path, slice_str(q->base))
			      : (a.path.len != base + 2 + REQUEST_DIGITS ||
				 memcmp(a.path.data, t->bytes + at, base + 2) != 0 ||
				 memcmp(a.path.data + base + 2, digits, REQUEST_DIGITS) != 0))
		return "the path of another znode";
	return NULL;
}

static const char *
check_nothing(const struct requests *q, const struct request *r, struct jute_reader *body, uint32_t *mark)
{
	(void)q;
	(void)r;
	(void)mark;
	return all_read(body) ? NULL : unreadable;
}

static const char *
check_path(const struct requests *q, const struct request *r, struct jute_reader *body, uint32_t *mark)
{
	struct slice path = jute_read_string(body);

	(void)r;
	(void)mark;
	if (!all_read(body))
		return unreadable;
	return slice_equal(path, slice_str(q->base)) ? NULL : "the path of another znode";
}

static struct slice
data_of(const struct requests *q)
{
	static const uint8_t none[1];
	uint8_t *p;

	if (q->size == 0)
		return slice_of(none, 0);
	p = mem_alloc(q->size);
	memset(p, 'z', q->size);
	return slice_of(p, q->size);
}

static void
free_data(const struct requests *q, struct slice data)
{
	if (q->size > 0)
		mem_free((void *)data.data);
}

static void
build_get(const struct requests *q, struct buf *b, struct slice path)
{
	(void)q;
	jute_write_get_data_request(b, &(struct jute_get_data_request){ .path = path });
}

static void
build_watch(const struct requests *q, struct buf *b, struct slice path)
{
	(void)q;
	jute_write_get_data_request(b, &(struct jute_get_data_request){ .path = path, .watch = true });
}

static void
build_set(const struct requests *q, struct buf *b, struct slice path)
{
	struct slice data = data_of(q);

	jute_write_set_data_request(
	    b, &(struct jute_set_data_request){ .path = path, .data = data, .version = -1 });
	free_data(q, data);
}

static void
build_create(const struct requests *q, struct buf *b, struct slice path)
{
	struct jute_acl open = { .perms = ZK_PERM_ALL, .id = { SLICE_LIT("world"), SLICE_LIT("anyone") } };
	struct slice data = data_of(q);

	jute_write_create_request(
	    b, &(struct jute_create_request){ .path = path, .data = data, .acl = { &open, 1 } });
	free_data(q, data);
}

static void
build_sync(const struct requests *q, struct buf *b, struct slice path)
{
	(void)q;
	jute_write_string(b, path);
}

static void
build_delete(const struct requests *q, struct buf *b, struct slice path)
{
	(void)q;
	jute_write_delete_request(b, &(struct jute_delete_request){ .path = path, .version = -1 });
}

/* letter: of the znode's name; 0 for the base. data: the request carries some, with number and mark. */
static const struct request_kind {
	int32_t type;
	char letter;
	bool data;
	build_fn *build;
	check_fn *check;
} kinds[REQUEST_OPS] = {
	[REQUEST_GET] = { ZK_OP_GET_DATA, 'k', false, build_get, check_data },
	[REQUEST_WATCH] = { ZK_OP_GET_DATA, 'k', false, build_watch, check_data },
	[REQUEST_SET] = { ZK_OP_SET_DATA, 'k', true, build_set, check_stat },
	[REQUEST_EXISTS] = { ZK_OP_EXISTS, 'k', false, build_get, check_stat },
	[REQUEST_CHILDREN] = { ZK_OP_GET_CHILDREN, 0, false, build_get, check_children },
	[REQUEST_SYNC] = { ZK_OP_SYNC, 0, false, build_sync, check_path },
	[REQUEST_CREATE] = { ZK_OP_CREATE, 'n', true, build_create, check_created },
	[REQUEST_GET_NODE] = { ZK_OP_GET_DATA, 'n', false, build_get, check_data },
	[REQUEST_DELETE_NODE] = { ZK_OP_DELETE, 'n', false, build_delete, check_nothing },
	[REQUEST_CREATE_BASE] = { ZK_OP_CREATE, 0, true, build_create, check_created },
	[REQUEST_CREATE_KEY] = { ZK_OP_CREATE, 'k', true, build_create, check_created },
	[REQUEST_DELETE_KEY] = { ZK_OP_DELETE, 'k', false, build_delete, check_nothing },
	[REQUEST_DELETE_BASE] = { ZK_OP_DELETE, 0, false, build_delete, check_nothing },
};

const char *
requests_name(uint32_t op)
{
	return zk_op_name(kinds[op].type);
}

static void
make_template(struct requests *q, uint32_t op)
{
	const struct request_kind *k = &kinds[op];
	struct request_template *t = &q->templates[op];
	char path[REQUEST_BASE_BYTES + 2 + REQUEST_DIGITS + 1];
	struct buf b;

	if (k->letter == 0)
		snprintf(path, sizeof path, "%s", q->base);
	else
		snprintf(path, sizeof path, "%s/%c%08x", q->base, k->letter, 0u);
	buf_init(&b, q->size + FRAME_ROOM);
	buf_put_be32(&b, 0);
	jute_write_request_header(&b, &(struct jute_request_header){ .type = k->type });
	k->build(q, &b, slice_str(path));
	t->len = buf_len(&b);
	t->bytes = mem_alloc(t->len);
	memcpy(t->bytes, buf_head(&b), t->len);
	put_be32(t->bytes, (uint32_t)(t->len - 4));
	buf_free(&b);
	if (k->letter != 0)
		t->number_at = XID_AT + 8 + 4 + strlen(q->base) + 2;
	if (k->data && q->size >= REQUEST_MARK_BYTES)
		t->data_at = XID_AT + 8 + 4 + strlen(path) + 4;
}

void
requests_init(struct requests *q, unsigned size, unsigned keys, bool loose)
{
	uint32_t run = 0;

	*q = (struct requests){ .size = size, .keys = keys, .loose = loose };
	if (getrandom(&run, sizeof run, 0) != (ssize_t)sizeof run)
		assert_panic("no randomness");
	snprintf(q->base, sizeof q->base, "/zkbench-%08x", run);
	for (uint32_t op = 0; op < REQUEST_OPS; op++)
		make_template(q, op);
}

void
requests_free(struct requests *q)
{
	for (uint32_t op = 0; op < REQUEST_OPS; op++)
		mem_free(q->templates[op].bytes);
}

size_t
requests_frame_max(const struct requests *q)
{
	size_t max = 0;

	for (uint32_t op = 0; op < REQUEST_OPS; op++)
		max = q->templates[op].len > max ? q->templates[op].len : max;
	return max;
}

static void
put_hex(uint8_t *p, uint32_t v)
{
	for (int i = REQUEST_DIGITS - 1; i >= 0; i--, v >>= 4)
		p[i] = (uint8_t) "0123456789abcdef"[v & 15];
}

void
requests_send(const struct requests *q, struct session *s, uint32_t op, uint32_t key, uint32_t mark)
{
	const struct request_template *t = &q->templates[op];
	struct request *r = swarm_request(s);
	struct buf *out = swarm_out(s);
	uint8_t *p = buf_reserve(out, t->len);

	r->op = op;
	r->key = key;
	r->mark = mark;
	if (p == NULL)
		return;
	memcpy(p, t->bytes, t->len);
	put_be32(p + XID_AT, (uint32_t)r->xid);
	if (t->number_at > 0)
		put_hex(p + t->number_at, key);
	if (t->data_at > 0) {
		put_be32(p + t->data_at, key);
		put_be32(p + t->data_at + 4, mark);
	}
	buf_commit(out, t->len);
}

const char *
requests_check(const struct requests *q, const struct request *r, int32_t err, struct jute_reader *body,
	       uint32_t *mark)
{
	*mark = r->mark;
	if (err != ZK_OK)
		return zk_error_name(err);
	return kinds[r->op].check(q, r, body, mark);
}
