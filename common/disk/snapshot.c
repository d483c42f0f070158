/*
 * Reader of snapshots: one step function per kind of record, each of which either takes one whole record from
 * the buffer's head or asks for more bytes. Invariant: adler covers exactly the bytes consumed so far.
 */
#include "disk/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "disk/snapshot_format.h"

enum { NEED = 1 }; /* a step's answer: the record is not whole yet */

enum {
	STATE_HEADER,
	STATE_SESSIONS,
	STATE_SESSION,
	STATE_ACLS,
	STATE_ACL,
	STATE_NODE,
	STATE_SEAL,
	STATE_SECTION,
	STATE_LAST_SECTION,
	STATE_TRAILER,
	STATE_TERMINATED, /* of a SNAPSHOT_STREAM */
};

/* What is looked at; at moves over it. short_of is sticky: the record goes on behind the buffer. */
struct cursor {
	const uint8_t *p;
	size_t len, at;
	bool short_of;
};

static int __attribute__((format(printf, 2, 3))) damaged(struct snapshot_reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->error, sizeof r->error, fmt, ap);
	va_end(ap);
	return -EBADMSG;
}

static const uint8_t *
take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p + c->at;

	if (c->short_of || c->len - c->at < n) {
		c->short_of = true;
		return NULL;
	}
	c->at += n;
	return p;
}

static uint32_t
take_u32(struct cursor *c)
{
	const uint8_t *p = take(c, 4);
	return p == NULL ? 0 : get_be32(p);
}

static uint64_t
take_u64(struct cursor *c)
{
	const uint8_t *p = take(c, 8);
	return p == NULL ? 0 : get_be64(p);
}

/* A buffer or string: length and bytes, -1 is null. */
static int
take_bytes(struct snapshot_reader *r, struct cursor *c, const char *name, struct slice *out)
{
	int32_t len = (int32_t)take_u32(c);

	*out = SLICE_NULL;
	if (c->short_of || len == -1)
		return 0;
	if (len < 0 || len > SNAPSHOT_RECORD_MAX)
		return damaged(r, "length of %s is %" PRId32, name, len);
	*out = slice_of(take(c, (size_t)len), (size_t)len);
	return 0;
}

static int
step_header(struct snapshot_reader *r, struct cursor *c)
{
	uint32_t magic = take_u32(c), version = take_u32(c);

	take_u64(c); /* dbid: written as -1, read by nobody */
	if (c->short_of)
		return NEED;
	if (magic != SNAPSHOT_MAGIC)
		return damaged(r, "magic is 0x%08" PRIx32 ", expected 0x%08x", magic, SNAPSHOT_MAGIC);
	if (version != SNAPSHOT_VERSION)
		return damaged(r, "version is %" PRIu32 ", expected %d", version, SNAPSHOT_VERSION);
	r->state = STATE_SESSIONS;
	return 0;
}

static int
take_count(struct snapshot_reader *r, struct cursor *c, const char *name)
{
	r->left = take_u32(c);
	if (c->short_of)
		return NEED;
	if (r->left > INT32_MAX)
		return damaged(r, "number of %s is %" PRId32, name, (int32_t)r->left);
	return 0;
}

static int
step_sessions(struct snapshot_reader *r, struct cursor *c)
{
	int got = take_count(r, c, "sessions");

	if (got == 0)
		r->state = r->left > 0 ? STATE_SESSION : STATE_ACLS;
	return got;
}

static int
step_session(struct snapshot_reader *r, struct cursor *c)
{
	int64_t session = (int64_t)take_u64(c);
	int32_t timeout_ms = (int32_t)take_u32(c);

	if (c->short_of)
		return NEED;
	r->end.sessions++;
	if (--r->left == 0)
		r->state = STATE_ACLS;
	return r->events->session == NULL ? 0 : r->events->session(r->ctx, session, timeout_ms);
}

static int
step_acls(struct snapshot_reader *r, struct cursor *c)
{
	int got = take_count(r, c, "ACL lists");

	if (got == 0)
		r->state = r->left > 0 ? STATE_ACL : STATE_NODE;
	return got;
}

/* Moves over one vector<ACL>: perms int, scheme and id strings each. */
static int
take_acl_list(struct snapshot_reader *r, struct cursor *c)
{
	int32_t count = (int32_t)take_u32(c);
	struct slice s;

	if (count < -1)
		return damaged(r, "number of ACLs in a list is %" PRId32, count);
	for (int32_t i = 0; i < count && !c->short_of; i++) {
		take_u32(c);
		if (take_bytes(r, c, "ACL scheme", &s) != 0 || take_bytes(r, c, "ACL id", &s) != 0)
			return -EBADMSG;
		if (c->at > SNAPSHOT_RECORD_MAX)
			return damaged(r, "ACL list of more than %d bytes", SNAPSHOT_RECORD_MAX);
	}
	return 0;
}

static int
step_acl(struct snapshot_reader *r, struct cursor *c)
{
	int64_t key = (int64_t)take_u64(c);
	size_t begin = c->at;

	if (take_acl_list(r, c) != 0)
		return -EBADMSG;
	if (c->short_of)
		return NEED;
	r->end.acls++;
	if (--r->left == 0)
		r->state = STATE_NODE;
	if (r->events->acl == NULL)
		return 0;
	return r->events->acl(r->ctx, key, slice_of(c->p + begin, c->at - begin));
}

static void
take_stat(struct cursor *c, struct snapshot_stat *s)
{
	s->czxid = take_u64(c);
	s->mzxid = take_u64(c);
	s->ctime_ms = (int64_t)take_u64(c);
	s->mtime_ms = (int64_t)take_u64(c);
	s->version = (int32_t)take_u32(c);
	s->cversion = (int32_t)take_u32(c);
	s->aversion = (int32_t)take_u32(c);
	s->ephemeral_owner = (int64_t)take_u64(c);
	s->pzxid = take_u64(c);
}

static int
step_node(struct snapshot_reader *r, struct cursor *c)
{
	struct snapshot_node node;

	if (take_bytes(r, c, "path", &node.path) != 0)
		return -EBADMSG;
	if (c->short_of)
		return NEED;
	if (node.path.data == NULL)
		return damaged(r, "path is null");
	if (slice_equal(node.path, SLICE_LIT("/"))) {
		r->state = r->form == SNAPSHOT_FILE ? STATE_SEAL : STATE_TERMINATED;
		return 0;
	}
	if (take_bytes(r, c, "data", &node.data) != 0)
		return -EBADMSG;
	node.acl = (int64_t)take_u64(c);
	take_stat(c, &node.stat);
	if (c->short_of)
		return NEED;
	r->end.nodes++;
	return r->events->node == NULL ? 0 : r->events->node(r->ctx, &node);
}

static int
check_seal(struct snapshot_reader *r, const uint8_t *p, uint32_t sum)
{
	if (get_be64(p) != sum)
		return damaged(r, "checksum is 0x%" PRIx64 ", expected 0x%" PRIx32, get_be64(p), sum);
	if (memcmp(p + 8, "\0\0\0\1/", 5) != 0)
		return damaged(r, "seal does not end with /");
	return 0;
}

static int
step_seal(struct snapshot_reader *r, struct cursor *c)
{
	const uint8_t *p = take(c, SNAPSHOT_SEAL_BYTES);

	if (p == NULL)
		return NEED;
	r->state = STATE_SECTION;
	return check_seal(r, p, r->adler);
}

/* The zxid section, when what lies at the cursor is one with a right seal. */
static bool
take_last_zxid(struct snapshot_reader *r, struct cursor *c)
{
	const uint8_t *p = c->p + c->at;

	if (check_seal(r, p + 8, adler32_z(r->adler, p, 8)) != 0)
		return false;
	r->end.has_last_zxid = true;
	r->end.last_zxid = get_be64(p);
	take(c, 8 + SNAPSHOT_SEAL_BYTES);
	r->state = STATE_TRAILER;
	return true;
}

/* Digest or zxid section: nothing tells them apart but where the right seal stands. */
static int
step_section(struct snapshot_reader *r, struct cursor *c)
{
	const uint8_t *p;

	if (c->len >= 8 + SNAPSHOT_SEAL_BYTES && take_last_zxid(r, c))
		return 0;
	p = take(c, SNAPSHOT_DIGEST_BYTES + SNAPSHOT_SEAL_BYTES);
	if (p == NULL)
		return NEED;
	if (check_seal(r, p + SNAPSHOT_DIGEST_BYTES, adler32_z(r->adler, p, SNAPSHOT_DIGEST_BYTES)) != 0)
		return -EBADMSG;
	r->end.has_digest = true;
	r->end.digest_zxid = get_be64(p);
	r->end.digest_version = (int32_t)get_be32(p + 8);
	r->end.digest = get_be64(p + 12);
	r->state = STATE_LAST_SECTION;
	return 0;
}

static int
step_last_section(struct snapshot_reader *r, struct cursor *c)
{
	if (c->len < 8 + SNAPSHOT_SEAL_BYTES)
		return NEED;
	return take_last_zxid(r, c) ? 0 : -EBADMSG;
}

/* Sections of a ZooKeeper to come: passed over, as ZooKeeper does. */
static int
step_trailer(struct snapshot_reader *r, struct cursor *c)
{
	(void)r;
	take(c, c->len);
	return 0;
}

static int
step_terminated(struct snapshot_reader *r, struct cursor *c)
{
	(void)r;
	(void)c;
	return NEED;
}

static int (*const steps[])(struct snapshot_reader *, struct cursor *) = {
	[STATE_HEADER] = step_header,
	[STATE_SESSIONS] = step_sessions,
	[STATE_SESSION] = step_session,
	[STATE_ACLS] = step_acls,
	[STATE_ACL] = step_acl,
	[STATE_NODE] = step_node,
	[STATE_SEAL] = step_seal,
	[STATE_SECTION] = step_section,
	[STATE_LAST_SECTION] = step_last_section,
	[STATE_TRAILER] = step_trailer,
	[STATE_TERMINATED] = step_terminated,
};

void
snapshot_reader_init(struct snapshot_reader *r, enum snapshot_form form, const struct snapshot_events *events,
		     void *ctx)
{
	static const struct snapshot_events nobody_listens;

	*r = (struct snapshot_reader){
		.events = events != NULL ? events : &nobody_listens,
		.ctx = ctx,
		.form = form,
		.state = form == SNAPSHOT_FILE ? STATE_HEADER : STATE_SESSIONS,
		.adler = SNAPSHOT_ADLER_START,
	};
	buf_init(&r->in, SIZE_MAX / 4);
}

void
snapshot_reader_free(struct snapshot_reader *r)
{
	buf_free(&r->in);
}

int64_t
snapshot_reader_feed(struct snapshot_reader *r, struct slice chunk)
{
	int got = 0;
	size_t rest;

	if (r->failed != 0)
		return r->failed;
	buf_put_slice(&r->in, chunk);
	while (buf_len(&r->in) > 0) {
		struct cursor c = { .p = buf_head(&r->in), .len = buf_len(&r->in) };
		got = steps[r->state](r, &c);
		if (got != 0)
			break;
		r->adler = (uint32_t)adler32_z(r->adler, c.p, c.at);
		r->offset += c.at;
		buf_consume(&r->in, c.at);
	}
	if (got < 0)
		return r->failed = got;
	if (r->state != STATE_TERMINATED)
		return (int64_t)chunk.len;
	rest = buf_len(&r->in);
	buf_reset(&r->in, 0);
	return (int64_t)(chunk.len - rest);
}

bool
snapshot_reader_done(const struct snapshot_reader *r)
{
	return r->failed == 0 && r->state >= STATE_SECTION;
}

int
snapshot_reader_finish(struct snapshot_reader *r)
{
	if (r->failed != 0)
		return r->failed;
	if (r->state < STATE_SECTION)
		r->failed = damaged(r, "ends before its seal");
	else if (buf_len(&r->in) > 0)
		r->failed = damaged(r, "ends within a section behind its seal");
	return r->failed;
}
