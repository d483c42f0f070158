/*
 * One request, one txn: dispatch, multi, error txns, digest. Invariant: outside prep_write no txn is half made; when
 * out has no room all is taken back.
 */
#include "prep_priv.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"

enum {
	ARENA_MAX = 64 << 20, /* a request decoded; requests are limited by jute.maxbuffer long before */
	SCRATCH_MAX = 64 << 20,
};

struct prep *
prep_create(const struct tree_config *config, struct tree *tree)
{
	struct prep *p = mem_zalloc(1, sizeof *p);

	p->config = config;
	p->tree = tree;
	p->last = tree_applied(tree);
	outstanding_init(&p->outstanding, tree);
	arena_init(&p->arena, ARENA_MAX);
	buf_init(&p->path, SCRATCH_MAX);
	buf_init(&p->acl, SCRATCH_MAX);
	prep_init_lists(p);
	return p;
}

void
prep_destroy(struct prep *p)
{
	if (p == NULL)
		return;
	outstanding_free(&p->outstanding);
	arena_free(&p->arena);
	buf_free(&p->path);
	buf_free(&p->acl);
	buf_free(&p->list);
	mem_free(p);
}

void
prep_start(struct prep *p, uint64_t last)
{
	p->last = last;
}

uint64_t
prep_last(const struct prep *p)
{
	return p->last;
}

void
prep_applied(struct prep *p, uint64_t zxid)
{
	outstanding_applied(&p->outstanding, zxid);
}

uint32_t
prep_outstanding(const struct prep *p)
{
	return (uint32_t)p->outstanding.paths.count;
}

bool
prep_takes(int32_t type)
{
	return type == ZK_OP_MULTI || prep_op_find(type) != NULL;
}

static void
write_header(const struct prep_txn *x, int32_t type)
{
	struct jute_txn_header h = { .client_id = x->rq->session,
				     .cxid = x->rq->cxid,
				     .zxid = x->zxid,
				     .time = x->rq->wall_ms,
				     .type = type };

	jute_write_txn_header(x->out, &h);
}

static void
write_digest(const struct prep_txn *x)
{
	struct jute_txn_digest d = { .version = DIGEST_VERSION, .tree_digest = x->p->outstanding.digest };

	if (x->p->config->digest)
		jute_write_txn_digest(x->out, &d);
}

/* ---- multi ---- */

/* One element's header; false at the end, or with the reader failed. */
static const struct prep_op *
next_element(struct jute_reader *r)
{
	struct jute_multi_header h;
	const struct prep_op *op;

	if (!jute_read_multi_header(r, NULL, &h) || h.done)
		return NULL;
	op = prep_op_find(h.type);
	if (op == NULL || !op->in_multi) {
		jute_fail(r);
		return NULL;
	}
	return op;
}

static bool
next_record(struct jute_reader *r, struct arena *a, const struct prep_op *op, union prep_record *q)
{
	return op->decode(r, a, q) || jute_fail(r);
}

/* How many elements there are; -1 when not all of it can be read, or when there are too many. */
static int32_t
count_elements(struct prep *p, struct slice body)
{
	struct jute_reader r;
	const struct prep_op *op;
	union prep_record q;
	int32_t n = 0;

	jute_reader_init(&r, body, UINT32_MAX);
	while ((op = next_element(&r)) != NULL && next_record(&r, &p->arena, op, &q))
		if (++n > PREP_MULTI_MAX)
			return -1;
	return jute_ok(&r) ? n : -1;
}

/* Begins an element: its type, and room for the length of its record. */
static size_t
open_element(struct buf *out, int32_t type)
{
	jute_write_int(out, type);
	jute_write_int(out, 0);
	return buf_len(out);
}

static void
close_element(struct buf *out, size_t start)
{
	if (!out->overflow)
		put_be32(out->data + out->off + start - 4, (uint32_t)(buf_len(out) - start));
}

static void
write_error_element(struct buf *out, enum zk_error err)
{
	size_t start = open_element(out, ZK_OP_ERROR);

	jute_write_int(out, err);
	close_element(out, start);
}

/* The element's txn, or its error and with it the end of all that the multi has changed. */
static enum zk_error
run_element(struct prep_txn *x, const struct prep_op *op, const union prep_record *q)
{
	/* Servers of ZooKeeper before 3.9 know no create2 in a multi's txn, and apply nothing of it. */
	int32_t type = op->type == ZK_OP_CREATE2 ? ZK_OP_CREATE : op->type;
	size_t before = buf_len(x->out), start = open_element(x->out, type);
	enum zk_error err = op->run(x, q);

	if (err == ZK_OK) {
		close_element(x->out, start);
		return ZK_OK;
	}
	if (!x->out->overflow)
		buf_truncate(x->out, before);
	write_error_element(x->out, err);
	outstanding_rollback(&x->p->outstanding);
	return err;
}

/* ZK_OK also when an element fails: its error is in the results. */
static enum zk_error
run_multi(struct prep_txn *x)
{
	struct prep *p = x->p;
	enum zk_error err = ZK_OK;
	int32_t n = count_elements(p, x->rq->body);
	struct jute_reader r;
	union prep_record q;

	if (n < 0)
		return ZK_MARSHALLINGERROR;
	x->in_multi = true;
	jute_write_count(x->out, n);
	jute_reader_init(&r, x->rq->body, UINT32_MAX);
	/* What could be read once can be read again, into the same memory. */
	arena_reset(&p->arena);
	while (n-- > 0) {
		const struct prep_op *op = next_element(&r);
		bool read = op != NULL && next_record(&r, &p->arena, op, &q);
		ASSERT(read);
		if (err != ZK_OK)
			write_error_element(x->out, ZK_RUNTIMEINCONSISTENCY);
		else
			err = run_element(x, op, &q);
	}
	return ZK_OK;
}

/* ---- The whole ---- */

static enum zk_error
run_single(struct prep_txn *x, const struct prep_op *op, union prep_record *q)
{
	struct jute_reader r;

	if (op == NULL)
		return ZK_UNIMPLEMENTED;
	jute_reader_init(&r, x->rq->body, UINT32_MAX);
	if (!op->decode(&r, &x->p->arena, q))
		return ZK_MARSHALLINGERROR;
	return op->run(x, q);
}

/* The txn in out; on an error an error txn, which has no digest. */
static enum zk_error
make_txn(struct prep_txn *x, const struct prep_op *op, union prep_record *q)
{
	size_t start = buf_len(x->out);
	enum zk_error err;

	write_header(x, x->rq->type);
	err = x->rq->type == ZK_OP_MULTI ? run_multi(x) : run_single(x, op, q);
	if (err == ZK_OK) {
		write_digest(x);
		return ZK_OK;
	}
	if (!x->out->overflow)
		buf_truncate(x->out, start);
	write_header(x, ZK_OP_ERROR);
	jute_write_int(x->out, err);
	return err;
}

enum zk_error
prep_write(struct prep *p, const struct prep_request *rq, struct buf *out)
{
	struct prep_txn x = { .p = p, .rq = rq, .zxid = p->last + 1, .out = out };
	const struct prep_op *op = prep_op_find(rq->type);
	size_t start = buf_len(out);
	union prep_record q;
	enum zk_error err;

	if (out->overflow)
		return ZK_SYSTEMERROR;
	arena_reset(&p->arena);
	outstanding_begin(&p->outstanding);
	err = make_txn(&x, op, &q);
	if (out->overflow) {
		buf_truncate(out, start);
		out->overflow = true;
		outstanding_rollback(&p->outstanding);
		return ZK_SYSTEMERROR;
	}
	p->last = x.zxid;
	outstanding_commit(&p->outstanding, x.zxid);
	if (err == ZK_OK && op != NULL && op->made != NULL)
		op->made(&x, &q);
	return err;
}
