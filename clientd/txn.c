/* See txn.h (ZooKeeper: SerializeUtils.deserializeTxn, DataTree.processTxn). One decoder for each type of txn. */
#include "txn.h"

#include <errno.h>

#include "jute/op.h"
#include "acl.h"
#include "tree.h"

typedef void decode_fn(struct jute_reader *r, struct arena *a, struct txn_op *op);

/*
 * A path that the tree can hold: "/", or names behind slashes. What characters a client may use was checked by
 * whoever made the txn; here a stricter rule than the leader's would lose its data.
 */
static bool
path_sound(struct slice path)
{
	if (path.len == 0 || path.data[0] != '/')
		return false;
	for (size_t i = 1; i < path.len; i++)
		if (path.data[i] == '/' && path.data[i - 1] == '/')
			return false;
	return path.len == 1 || path.data[path.len - 1] != '/';
}

static struct slice
read_path(struct jute_reader *r)
{
	struct slice path = jute_read_string(r);

	if (jute_ok(r) && !path_sound(path))
		jute_fail(r);
	return path;
}

static void
read_node(struct jute_reader *r, struct txn_op *op)
{
	op->path = read_path(r);
	op->data = jute_read_buffer(r);
	op->acl = acl_read_raw(r);
}

static void
decode_create(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	(void)a;
	read_node(r, op);
	op->ephemeral = jute_read_bool(r);
	/* Before 3.3 the record ended here. */
	op->version = jute_ok(r) && jute_left(r) == 0 ? -1 : jute_read_int(r);
}

static void
decode_create_container(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	(void)a;
	read_node(r, op);
	op->version = jute_read_int(r);
}

static void
decode_create_ttl(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	decode_create_container(r, a, op);
	op->ttl_ms = jute_read_long(r);
}

static void
decode_delete(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	(void)a;
	op->path = read_path(r);
}

static void
decode_set_data(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	(void)a;
	op->path = read_path(r);
	op->data = jute_read_buffer(r);
	op->version = jute_read_int(r);
}

static void
decode_set_acl(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	(void)a;
	op->path = read_path(r);
	op->acl = acl_read_raw(r);
	op->version = jute_read_int(r);
}

static void
decode_check(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	(void)a;
	op->path = jute_read_string(r);
	op->version = jute_read_int(r);
}

static void
decode_create_session(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	(void)a;
	op->timeout_ms = jute_read_int(r);
}

/*
 * Without its list the record is empty, and what follows may be a bare digest: version 2 and eight bytes. As a list
 * that would be two empty strings, which no session can own.
 */
static void
decode_close_session(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	struct jute_reader peek = *r;

	op->paths = (struct jute_string_vec){ .n = -1 };
	if (jute_left(r) == 0 || (jute_left(r) == 12 && jute_read_int(&peek) == 2))
		return;
	jute_read_string_vec(r, a, &op->paths);
	for (int32_t i = 0; i < op->paths.n && jute_ok(r); i++)
		if (!path_sound(op->paths.v[i]))
			jute_fail(r);
}

static void
decode_error(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	(void)a;
	op->err = jute_read_int(r);
}

static void decode_multi(struct jute_reader *r, struct arena *a, struct txn_op *op);

static const struct {
	int32_t type;
	bool in_multi;
	decode_fn *decode;
} decoders[] = {
	{ ZK_OP_CREATE, true, decode_create },
	{ ZK_OP_CREATE2, true, decode_create },
	{ ZK_OP_CREATE_CONTAINER, true, decode_create_container },
	{ ZK_OP_CREATE_TTL, true, decode_create_ttl },
	{ ZK_OP_DELETE, true, decode_delete },
	{ ZK_OP_DELETE_CONTAINER, true, decode_delete },
	{ ZK_OP_SET_DATA, true, decode_set_data },
	{ ZK_OP_RECONFIG, false, decode_set_data },
	{ ZK_OP_SET_ACL, false, decode_set_acl },
	{ ZK_OP_CHECK, true, decode_check },
	{ ZK_OP_ERROR, true, decode_error },
	{ ZK_OP_CREATE_SESSION, false, decode_create_session },
	{ ZK_OP_CLOSE_SESSION, false, decode_close_session },
	{ ZK_OP_MULTI, false, decode_multi },
};

static void
decode_op(struct jute_reader *r, struct arena *a, bool in_multi, struct txn_op *op)
{
	for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++)
		if (decoders[i].type == op->type && (decoders[i].in_multi || !in_multi)) {
			decoders[i].decode(r, a, op);
			return;
		}
	jute_fail(r);
}

/* Where one element failed none has an effect, and what the others hold does not matter. */
static void
void_elements(struct txn_op *op)
{
	bool failed = false;

	for (int32_t i = 0; i < op->n; i++)
		failed = failed || op->multi[i].type == ZK_OP_ERROR;
	if (!failed)
		return;
	failed = false;
	for (int32_t i = 0; i < op->n; i++) {
		if (op->multi[i].type == ZK_OP_ERROR) {
			failed = true;
			continue;
		}
		op->multi[i] =
		    (struct txn_op){ .type = ZK_OP_ERROR, .err = failed ? ZK_RUNTIMEINCONSISTENCY : ZK_OK };
	}
}

static void
decode_multi(struct jute_reader *r, struct arena *a, struct txn_op *op)
{
	int32_t n = jute_read_count(r, 8);

	op->n = n < 0 ? 0 : n;
	op->multi = jute_read_alloc(r, a, op->n, sizeof *op->multi);
	for (int32_t i = 0; jute_ok(r) && i < op->n; i++) {
		struct txn_op *sub = &op->multi[i];
		struct jute_reader inner;
		*sub = (struct txn_op){ .type = jute_read_int(r) };
		jute_reader_init(&inner, jute_read_buffer(r), UINT32_MAX);
		decode_op(&inner, a, true, sub);
		if (!jute_ok(&inner))
			jute_fail(r);
	}
	if (jute_ok(r))
		void_elements(op);
}

int
tree_txn_parse(struct slice bytes, struct tree_txn *txn)
{
	struct jute_reader r;

	jute_reader_init(&r, bytes, UINT32_MAX);
	if (!jute_read_txn_header(&r, NULL, &txn->hdr))
		return -EBADMSG;
	txn->record = jute_rest(&r);
	return 0;
}

int
txn_decode(struct slice bytes, struct arena *a, struct txn *txn)
{
	struct jute_reader r;

	*txn = (struct txn){ 0 };
	jute_reader_init(&r, bytes, UINT32_MAX);
	if (!jute_read_txn_header(&r, a, &txn->hdr))
		return -EBADMSG;
	txn->op.type = txn->hdr.type;
	decode_op(&r, a, false, &txn->op);
	if (!jute_ok(&r))
		return -EBADMSG;
	if (jute_left(&r) >= 12)
		txn->has_digest = jute_read_txn_digest(&r, a, &txn->digest);
	return 0;
}
