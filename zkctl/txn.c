/*
 * See txn.h (ZooKeeper: SerializeUtils.deserializeTxn). One function for each type of record, which reads all of it
 * before it tells any.
 */
#include "txn.h"

#include <stdio.h>

#include "jute/op.h"
#include "jute/records.h"
#include "jute/zk_error.h"

typedef void tell_fn(struct jute_reader *r, struct arena *a, struct facts *f);

enum { DIGEST_BYTES = 12 };

static void
tell_create(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_create_txn_v0 t;
	int32_t parent_cversion = -1;

	jute_read_create_txn_v0(r, a, &t);
	/* Before 3.3 the record ended here. */
	if (jute_left(r) > 0)
		parent_cversion = jute_read_int(r);
	if (!jute_ok(r))
		return;
	facts_word(f, "path", t.path);
	facts_data(f, t.data);
	facts_acl(f, &t.acl);
	facts_flag(f, "ephemeral", t.ephemeral);
	facts_number(f, "parent_cversion", parent_cversion);
}

static void
tell_create_container(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_create_container_txn t;

	if (!jute_read_create_container_txn(r, a, &t))
		return;
	facts_word(f, "path", t.path);
	facts_data(f, t.data);
	facts_acl(f, &t.acl);
	facts_number(f, "parent_cversion", t.parent_cversion);
}

static void
tell_create_ttl(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_create_ttl_txn t;

	if (!jute_read_create_ttl_txn(r, a, &t))
		return;
	facts_word(f, "path", t.path);
	facts_data(f, t.data);
	facts_acl(f, &t.acl);
	facts_number(f, "parent_cversion", t.parent_cversion);
	facts_number(f, "ttl_ms", t.ttl);
}

static void
tell_delete(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_delete_txn t;

	if (jute_read_delete_txn(r, a, &t))
		facts_word(f, "path", t.path);
}

static void
tell_set_data(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_set_data_txn t;

	if (!jute_read_set_data_txn(r, a, &t))
		return;
	facts_word(f, "path", t.path);
	facts_data(f, t.data);
	facts_number(f, "version", t.version);
}

static void
tell_set_acl(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_set_acl_txn t;

	if (!jute_read_set_acl_txn(r, a, &t))
		return;
	facts_word(f, "path", t.path);
	facts_acl(f, &t.acl);
	facts_number(f, "version", t.version);
}

static void
tell_check(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_check_version_txn t;

	if (!jute_read_check_version_txn(r, a, &t))
		return;
	facts_word(f, "path", t.path);
	facts_number(f, "version", t.version);
}

static void
tell_error(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_error_txn t;

	if (!jute_read_error_txn(r, a, &t))
		return;
	facts_word(f, "error", slice_str(zk_error_name(t.err)));
	facts_number(f, "code", t.err);
}

static void
tell_create_session(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_create_session_txn t;

	if (jute_read_create_session_txn(r, a, &t))
		facts_number(f, "timeout_ms", t.time_out);
}

/* Without its list the record is empty, and what follows may be a bare digest of version 2. */
static void
tell_close_session(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_close_session_txn t;
	struct jute_reader peek = *r;

	if (jute_left(r) == 0 || (jute_left(r) == DIGEST_BYTES && jute_read_int(&peek) == 2))
		return;
	if (!jute_read_close_session_txn(r, a, &t))
		return;
	facts_list(f, "deleted", t.paths2delete.n);
	for (int32_t i = 0; i < t.paths2delete.n; i++)
		facts_item(f, "deleted", t.paths2delete.v[i]);
}

static bool tell_record(int32_t type, struct jute_reader *r, struct arena *a, struct facts *f);

static void
tell_type(int32_t type, struct facts *f)
{
	const char *name = zk_op_name(type);
	char number[24];

	snprintf(number, sizeof number, "type-%d", type);
	facts_word(f, "type", slice_str(name == NULL ? number : name));
}

static void
tell_multi(struct jute_reader *r, struct arena *a, struct facts *f)
{
	struct jute_multi_txn t;
	bool failed = false;

	if (!jute_read_multi_txn(r, a, &t))
		return;
	facts_list(f, "elements", t.txns.n);
	for (int32_t i = 0; i < t.txns.n; i++) {
		struct jute_reader inner;
		struct facts part;
		failed = failed || t.txns.v[i].type == ZK_OP_ERROR;
		jute_reader_init(&inner, t.txns.v[i].data, UINT32_MAX);
		if (f != NULL) {
			part = facts_part(f, "elements");
			tell_type(t.txns.v[i].type, &part);
		}
		/* Nothing is in a multi that is in a multi. */
		if (t.txns.v[i].type == ZK_OP_MULTI ||
		    !tell_record(t.txns.v[i].type, &inner, a, f == NULL ? NULL : &part))
			jute_fail(r);
	}
	/* Then none of its elements had an effect. */
	facts_flag(f, "failed", failed);
}

/* False where it cannot be read. */
static bool
tell_record(int32_t type, struct jute_reader *r, struct arena *a, struct facts *f)
{
	static const struct {
		int32_t type;
		tell_fn *tell;
	} records[] = {
		{ ZK_OP_CREATE, tell_create },
		{ ZK_OP_CREATE2, tell_create },
		{ ZK_OP_CREATE_CONTAINER, tell_create_container },
		{ ZK_OP_CREATE_TTL, tell_create_ttl },
		{ ZK_OP_DELETE, tell_delete },
		{ ZK_OP_DELETE_CONTAINER, tell_delete },
		{ ZK_OP_SET_DATA, tell_set_data },
		{ ZK_OP_RECONFIG, tell_set_data },
		{ ZK_OP_SET_ACL, tell_set_acl },
		{ ZK_OP_CHECK, tell_check },
		{ ZK_OP_ERROR, tell_error },
		{ ZK_OP_CREATE_SESSION, tell_create_session },
		{ ZK_OP_CLOSE_SESSION, tell_close_session },
		{ ZK_OP_MULTI, tell_multi },
	};

	for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
		if (records[i].type == type) {
			records[i].tell(r, a, f);
			return jute_ok(r);
		}
	return false;
}

static void
begin(const struct txnlog_entry *e, struct arena *a, struct jute_reader *r)
{
	arena_reset(a);
	jute_reader_init(r, slice_of(e->txn.data + TXNLOG_TXN_MIN, e->txn.len - TXNLOG_TXN_MIN), UINT32_MAX);
}

bool
txn_readable(const struct txnlog_entry *e, struct arena *arena)
{
	struct jute_reader r;

	begin(e, arena, &r);
	return tell_record(e->head.type, &r, arena, NULL);
}

static void
tell_head(const struct txnlog_head *h, struct facts *f)
{
	char zxid[24];

	if (f->line == NULL) {
		facts_hex(f, "zxid", h->zxid);
	} else {
		snprintf(zxid, sizeof zxid, "0x%llx", (unsigned long long)h->zxid);
		buf_put(f->line, zxid, strlen(zxid));
	}
	facts_time(f, "time", h->time_ms);
	facts_hex(f, "session", (uint64_t)h->session);
	facts_number(f, "cxid", h->cxid);
	tell_type(h->type, f);
}

bool
txn_tell(const struct txnlog_entry *e, struct arena *arena, struct facts *f)
{
	struct jute_txn_digest digest;
	struct jute_reader r;

	tell_head(&e->head, f);
	if (!txn_readable(e, arena)) {
		facts_number(f, "unreadable_bytes", (int64_t)(e->txn.len - TXNLOG_TXN_MIN));
		return false;
	}
	begin(e, arena, &r);
	tell_record(e->head.type, &r, arena, f);
	if (jute_left(&r) < DIGEST_BYTES || !jute_read_txn_digest(&r, arena, &digest))
		return true;
	facts_number(f, "digest_version", digest.version);
	facts_hex(f, "digest", digest.tree_digest);
	return true;
}
