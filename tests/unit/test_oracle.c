/*
 * The tree core against Apache ZooKeeper: requests that tests/conformance/record_tree.py sent to a Java server must
 * become the very txns that are in its log, byte for byte and digest for digest, and get the very same replies; its
 * snapshot must be the tree that they made.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "disk/snapshot.h"
#include "disk/txnlog.h"
#include "jute/op.h"
#include "tree_kit.h"

/* Another recording may be given by TREE_RECORDING=FOLDER. */
static struct buf
read_file(const char *name)
{
	const char *folder = getenv("TREE_RECORDING");
	char path[512];
	struct buf b;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder == NULL ? TEST_DATA : folder, name);
	f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "%s", path);
	buf_init(&b, 256 << 20);
	for (size_t n; (n = fread(buf_reserve(&b, 1 << 16), 1, 1 << 16, f)) > 0;)
		buf_commit(&b, n);
	fclose(f);
	return b;
}

struct request {
	int64_t session;
	int32_t connection, cxid, type;
	struct jute_id_vec auth;
	int32_t err;
	uint64_t zxid;
	struct slice body, response;
};

/* A txn made and not yet applied: the more there are, the more prep works on outstanding changes. */
struct late {
	struct request q;
	struct buf txn;
};
enum { LAG_MAX = 32 };

struct oracle {
	struct kit k;
	struct late late[LAG_MAX];
	size_t first, last, lag;
	struct buf requests, log;
	struct jute_reader next;
	struct txnlog_reader txns;
	struct arena arena; /* of the request */
	int number;
};

static bool
next_request(struct oracle *o, struct request *q)
{
	struct jute_reader r;
	struct slice s;

	if (jute_left(&o->next) == 0)
		return false;
	s = jute_read_buffer(&o->next);
	ck_assert(jute_ok(&o->next));
	arena_reset(&o->arena);
	jute_reader_init(&r, s, UINT32_MAX);
	q->session = jute_read_long(&r);
	q->connection = jute_read_int(&r);
	q->cxid = jute_read_int(&r);
	q->type = jute_read_int(&r);
	jute_read_id_vec(&r, &o->arena, &q->auth);
	q->err = jute_read_int(&r);
	q->zxid = (uint64_t)jute_read_long(&r);
	q->body = jute_read_buffer(&r);
	q->response = jute_read_buffer(&r);
	ck_assert(jute_ok(&r));
	o->number++;
	return true;
}

static void
oracle_start(struct oracle *o)
{
	*o = (struct oracle){ .k.config = { .digest = true,
					    .close_session_txn = true,
					    .extended_types = true,
					    .enforce_quota = true,
					    .trace = &kit_trace,
					    .seed = "0123456789abcde",
					    .acl.super_digest =
						SLICE_LIT("super:4zm/OHLYTBL7s1kMOs93hPBVpYs=") } };
	o->k.tree = tree_create(&o->k.config);
	o->k.prep = prep_create(&o->k.config, o->k.tree);
	sessions_lead(tree_sessions(o->k.tree), 2000, 0);
	arena_init(&o->k.arena, 64 << 20);
	buf_init(&o->k.out, 64 << 20);
	buf_init(&o->k.body, 64 << 20);
	buf_init(&o->k.log, 1);
	arena_init(&o->arena, 64 << 20);
	o->requests = read_file("java.tree.requests");
	o->log = read_file("java.tree.log");
	jute_reader_init(&o->next, buf_slice(&o->requests), UINT32_MAX);
	txnlog_reader_init(&o->txns, TXNLOG_TXN_MAX);
	txnlog_reader_feed(&o->txns, buf_slice(&o->log));
	txnlog_reader_eof(&o->txns);
}

static void
oracle_end(struct oracle *o)
{
	kit_end(&o->k);
	arena_free(&o->arena);
	buf_free(&o->requests);
	buf_free(&o->log);
	txnlog_reader_free(&o->txns);
}

static int
by_bytes(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int c = n == 0 ? 0 : memcmp(x->data, y->data, n);

	return c != 0 ? c : (x->len > y->len) - (x->len < y->len);
}

/* A vector of strings at `at` in s, sorted: Java's are in the order of a hash table. */
static void
sort_strings(struct slice s, size_t at, struct buf *out)
{
	struct jute_reader r;
	struct jute_string_vec v;
	struct arena a;

	arena_init(&a, 16 << 20);
	buf_put(out, s.data, at);
	jute_reader_init(&r, slice_of(s.data + at, s.len - at), UINT32_MAX);
	ck_assert(jute_read_string_vec(&r, &a, &v));
	if (v.n > 0)
		qsort(v.v, (size_t)v.n, sizeof *v.v, by_bytes);
	jute_write_string_vec(out, &v);
	buf_put_slice(out, jute_rest(&r));
	arena_free(&a);
}

static void
dump(const char *who, struct slice s)
{
	fprintf(stderr, "%s %zu:", who, s.len);
	for (size_t i = 0; i < s.len; i++)
		fprintf(stderr, s.data[i] >= 0x20 && s.data[i] < 0x7f ? "%c" : "\\%02x", s.data[i]);
	fprintf(stderr, "\n");
}

static void
assert_same(struct oracle *o, const struct request *q, const char *what, struct slice ours,
	    struct slice theirs)
{
	if (slice_equal(ours, theirs))
		return;
	dump("ours  ", ours);
	dump("theirs", theirs);
	dump("body  ", q->body);
	ck_abort_msg("request %d, type %d: %s differs", o->number, q->type, what);
}

static void
assert_same_sorted(struct oracle *o, const struct request *q, const char *what, struct slice ours,
		   struct slice theirs, size_t at)
{
	struct buf a, b;

	buf_init(&a, 16 << 20);
	buf_init(&b, 16 << 20);
	sort_strings(ours, at, &a);
	sort_strings(theirs, at, &b);
	assert_same(o, q, what, buf_slice(&a), buf_slice(&b));
	buf_free(&a);
	buf_free(&b);
}

enum { TXN_HEADER_BYTES = 32 };

static void
check_reply(struct oracle *o, const struct request *q)
{
	const struct tree_result *res = &o->k.result;
	struct buf reply;

	if (q->type == ZK_OP_CREATE_SESSION)
		return;
	ck_assert_uint_eq(q->zxid, tree_applied(o->k.tree));
	ck_assert_int_eq(tree_result_error(res), q->err);
	buf_init(&reply, 16 << 20);
	if (q->err == 0)
		tree_result_write(res, 0, &reply);
	assert_same(o, q, "reply", buf_slice(&reply), q->response);
	buf_free(&reply);
}

static void
apply_late(struct oracle *o, size_t but)
{
	while (o->last - o->first > but) {
		struct late *l = &o->late[o->first++ % LAG_MAX];
		arena_reset(&o->k.arena);
		ck_assert_int_eq(tree_apply(o->k.tree, buf_slice(&l->txn), &o->k.arena, NULL, &o->k.result),
				 0);
		prep_applied(o->k.prep, tree_applied(o->k.tree));
		check_reply(o, &l->q);
		buf_free(&l->txn);
	}
	if (but == 0)
		ck_assert_uint_eq(prep_outstanding(o->k.prep), 0);
}

static void
check_write(struct oracle *o, const struct request *q)
{
	struct late *l = &o->late[o->last++ % LAG_MAX];
	struct prep_request rq = { .type = q->type,
				   .session = q->session,
				   .cxid = q->cxid,
				   .auth = { q->auth.v, q->auth.n },
				   .body = q->body };
	struct txnlog_entry e;
	bool quota;

	ck_assert_int_eq(txnlog_reader_next(&o->txns, &e), TXNLOG_ENTRY);
	rq.wall_ms = e.head.time_ms;
	l->q = *q;
	buf_init(&l->txn, 16 << 20);
	prep_write(o->k.prep, &rq, &l->txn);
	if (q->type == ZK_OP_CLOSE_SESSION)
		assert_same_sorted(o, q, "txn", buf_slice(&l->txn), e.txn, TXN_HEADER_BYTES);
	else
		assert_same(o, q, "txn", buf_slice(&l->txn), e.txn);
	/* Quotas are checked against what is applied, so that the order of time counts: as they were sent, one by one. */
	quota = q->body.len > 0 && memmem(q->body.data, q->body.len, "/q", 2) != NULL;
	apply_late(o, quota ? 0 : o->lag);
}

static const struct {
	int32_t type;
	tree_read_fn *read;
	bool strings; /* the answer begins with a vector of strings */
} reads[] = {
	{ ZK_OP_EXISTS, tree_read_exists, false },
	{ ZK_OP_GET_DATA, tree_read_data, false },
	{ ZK_OP_GET_ACL, tree_read_acl, false },
	{ ZK_OP_GET_CHILDREN, tree_read_children, true },
	{ ZK_OP_GET_CHILDREN2, tree_read_children2, true },
	{ ZK_OP_GET_ALL_CHILDREN_NUMBER, tree_read_all_children_number, false },
	{ ZK_OP_GET_EPHEMERALS, tree_read_ephemerals, true },
	{ ZK_OP_MULTI_READ, tree_read_multi, false },
};

static void
check_read(struct oracle *o, const struct request *q)
{
	struct auth who = { q->auth.v, q->auth.n };
	struct tree_read rq;
	struct buf reply;
	size_t i = 0;
	enum zk_error err;

	while (i < sizeof reads / sizeof reads[0] && reads[i].type != q->type)
		i++;
	ck_assert_msg(i < sizeof reads / sizeof reads[0], "type %d", q->type);
	buf_init(&reply, 16 << 20);
	err = reads[i].read(o->k.tree, &who, q->session, q->body, &rq, &reply);
	/* 3.8.0 does not ask for READ on exists, later versions do. */
	if (q->type == ZK_OP_EXISTS && err == ZK_NOAUTH && q->err == ZK_OK) {
		buf_free(&reply);
		return;
	}
	ck_assert_msg((int)err == q->err, "request %d, type %d: %d, not %d", o->number, q->type, err, q->err);
	if (reads[i].strings && err == ZK_OK)
		assert_same_sorted(o, q, "reply", buf_slice(&reply), q->response, 0);
	else
		assert_same(o, q, "reply", buf_slice(&reply), q->response);
	buf_free(&reply);
}

static void
run_all(struct oracle *o)
{
	struct request q;

	while (next_request(o, &q)) {
		if (prep_takes(q.type)) {
			check_write(o, &q);
			continue;
		}
		apply_late(o, 0);
		check_read(o, &q);
	}
	apply_late(o, 0);
}

START_TEST(same_txns_and_replies)
{
	struct oracle o;
	struct txnlog_entry e;
	struct tree_stats s;

	oracle_start(&o);
	o.lag = (size_t)_i * (LAG_MAX - 1);
	run_all(&o);
	ck_assert_int_gt(o.number, 500);
	ck_assert_int_eq(txnlog_reader_next(&o.txns, &e), TXNLOG_END);
	tree_stats(o.k.tree, &s);
	ck_assert_uint_eq(s.digest_mismatches, 0);
	ck_assert(tree_check(o.k.tree));
	oracle_end(&o);
}
END_TEST

/* The tables, ACLs and nodes of a snapshot, each as one text, sorted. */
struct content {
	struct buf lines[2000];
	struct slice acls[64];
	int64_t keys[64];
	size_t n, nacls;
	struct buf acl_bytes;
};

static int
take_session(void *ctx, int64_t session, int32_t timeout_ms)
{
	struct content *c = ctx;
	struct buf *b = &c->lines[c->n++];

	buf_init(b, 1 << 20);
	buf_put(b, "session", 7);
	buf_put_be64(b, (uint64_t)session);
	buf_put_be32(b, (uint32_t)timeout_ms);
	return 0;
}

static int
take_acl(void *ctx, int64_t key, struct slice list)
{
	struct content *c = ctx;
	uint8_t *copy = malloc(list.len);

	memcpy(copy, list.data, list.len);
	c->keys[c->nacls] = key;
	c->acls[c->nacls++] = slice_of(copy, list.len);
	return 0;
}

static int
take_node(void *ctx, const struct snapshot_node *n)
{
	struct content *c = ctx;
	struct buf *b = &c->lines[c->n++];
	struct slice acl = acl_open;

	for (size_t i = 0; i < c->nacls; i++)
		if (c->keys[i] == n->acl)
			acl = c->acls[i];
	buf_init(b, 1 << 20);
	jute_write_string(b, n->path);
	jute_write_buffer(b, n->data);
	buf_put_slice(b, acl);
	buf_put(b, &n->stat, sizeof n->stat);
	return 0;
}

static int
by_line(const void *a, const void *b)
{
	struct slice x = buf_slice(a), y = buf_slice(b);

	return by_bytes(&x, &y);
}

static struct content *
content_of(struct slice snapshot)
{
	static const struct snapshot_events events = { take_session, take_acl, take_node };
	struct content *c = calloc(1, sizeof *c);
	struct snapshot_reader r;

	snapshot_reader_init(&r, SNAPSHOT_FILE, &events, c);
	ck_assert_int_eq(snapshot_reader_feed(&r, snapshot), (int64_t)snapshot.len);
	ck_assert_int_eq(snapshot_reader_finish(&r), 0);
	snapshot_reader_free(&r);
	qsort(c->lines, c->n, sizeof *c->lines, by_line);
	return c;
}

static void
content_free(struct content *c)
{
	for (size_t i = 0; i < c->n; i++)
		buf_free(&c->lines[i]);
	for (size_t i = 0; i < c->nacls; i++)
		free((void *)c->acls[i].data);
	free(c);
}

START_TEST(same_snapshot)
{
	struct oracle o;
	struct buf theirs, ours;
	struct content *a, *b;
	struct tree *t;
	uint64_t digest;

	oracle_start(&o);
	run_all(&o);
	theirs = read_file("java.tree.snapshot");
	ours = kit_snapshot(o.k.tree);
	a = content_of(buf_slice(&theirs));
	b = content_of(buf_slice(&ours));
	ck_assert_uint_eq(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		ck_assert(slice_equal(buf_slice(&a->lines[i]), buf_slice(&b->lines[i])));
	digest = tree_digest(o.k.tree);
	t = kit_load(&o.k.config, buf_slice(&theirs), tree_applied(o.k.tree));
	ck_assert_ptr_nonnull(t);
	ck_assert_uint_eq(tree_digest(t), digest);
	ck_assert(tree_check(t));
	tree_destroy(t);
	content_free(a);
	content_free(b);
	buf_free(&theirs);
	buf_free(&ours);
	oracle_end(&o);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("oracle");
	TCase *tc = tcase_create("java");
	SRunner *r;
	int failed;

	/* Each txn applied at once, and as late as the next read allows. */
	tcase_add_loop_test(tc, same_txns_and_replies, 0, 2);
	tcase_add_test(tc, same_snapshot);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
