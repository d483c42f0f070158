/* See judge.h. The rules themselves are the model's; here its results are compared, field by field. */
#include "judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "jute/op.h"
#include "jute/zk_error.h"
#include "model.h"
#include "node.h"

static void
fail(struct client *c, const struct ask *a, const char *what)
{
	sim_fail(c->proc.sim, "%s: %s of %s (xid %d, model: zxid 0x%" PRIx64 " err %d): %s", c->proc.name,
		 zk_op_name(a->op.type), a->op.path, a->xid, a->zxid, a->err, what);
}

static bool
same_stat(const struct jute_stat *st, const struct znode_state *s)
{
	return st->czxid == s->czxid && st->mzxid == s->mzxid && st->pzxid == s->pzxid &&
	       st->version == s->version && st->cversion == 2 * s->created - s->nchildren &&
	       st->num_children == s->nchildren && st->ephemeral_owner == model_shown_owner(s);
}

static bool
same_children(struct client *c, const char *path, const struct jute_string_vec *names, uint64_t zxid)
{
	char child[2 * ASK_PATH];

	for (int32_t i = 0; i < names->n; i++) {
		snprintf(child, sizeof child, "%s/%.*s", path, (int)names->v[i].len,
			 (const char *)names->v[i].data);
		if (model_at(model_find(c->proc.sim->model, child), zxid) == NULL)
			return false;
	}
	return true;
}

static enum watch_on
watch_of(const struct ask *a, int32_t err)
{
	if (a->op.type == ZK_OP_GET_CHILDREN2)
		return WATCH_ON_CHILDREN;
	return err == ZK_OK ? WATCH_ON_DATA : WATCH_ON_CREATION;
}

static void
judge_read(struct client *c, struct ask *a, const struct jute_reply_header *h, struct jute_reader *r)
{
	const struct znode_state *s = model_at(model_find(c->proc.sim->model, a->op.path), h->zxid);
	struct jute_string_vec names;
	struct jute_stat st;
	struct slice data;
	struct arena arena;

	if (a->op.watch && (h->err == ZK_OK || a->op.type == ZK_OP_EXISTS))
		watches_add(c, a->op.path, watch_of(a, h->err), h->zxid);
	if (s == NULL || h->err != ZK_OK) {
		if (s != NULL || h->err != ZK_NONODE)
			fail(c, a, s == NULL ? "found what is not there" : "did not find what is there");
		return;
	}
	arena_init(&arena, 1 << 20);
	if (a->op.type == ZK_OP_GET_DATA) {
		data = jute_read_buffer(r);
		if (!slice_equal(data, slice_str(s->data)))
			fail(c, a, "other data");
	}
	if (a->op.type == ZK_OP_GET_CHILDREN2 &&
	    (!jute_read_string_vec(r, &arena, &names) || names.n != s->nchildren ||
	     !same_children(c, a->op.path, &names, h->zxid)))
		fail(c, a, "other children");
	if (!jute_read_stat(r, &arena, &st) || !same_stat(&st, s))
		fail(c, a, "another stat");
	arena_free(&arena);
}

/* ZooKeeper: FinalRequestProcessor. What has a stat in its result is a create2. */
static int32_t
result_type(int32_t type)
{
	return ask_creates(type) && type != ZK_OP_CREATE ? ZK_OP_CREATE2 : type;
}

static void
judge_multi(struct client *c, const struct ask *a, struct jute_reader *r)
{
	struct jute_multi_header h;
	struct jute_stat st;
	struct slice path;

	for (int i = 0; i < a->nparts; i++) {
		const struct ask_op *op = &a->parts[i];
		int32_t err;

		if (!jute_read_multi_header(r, NULL, &h) || h.done) {
			fail(c, a, "a short multi");
			return;
		}
		if (a->err != ZK_OK) {
			err = jute_read_int(r);
			if (h.type != ZK_OP_ERROR || err != op->err)
				fail(c, a, "another error in a multi");
		} else if (h.type != result_type(op->type)) {
			fail(c, a, "another result in a multi");
		} else if (ask_creates(op->type)) {
			path = jute_read_string(r);
			if (!slice_equal(path, slice_str(op->made)))
				fail(c, a, "another path in a multi");
			if (h.type != ZK_OP_CREATE && !jute_read_stat(r, NULL, &st))
				fail(c, a, "no stat in a multi");
		} else if (h.type == ZK_OP_SET_DATA) {
			if (!jute_read_stat(r, NULL, &st) || st.version != op->version_then)
				fail(c, a, "another version in a multi");
		}
	}
}

/* Refused at the door because the disk failed: it must never be carried out (model.c: do_ask). */
static bool
is_refusal(struct client *c, struct ask *a, const struct jute_reply_header *h)
{
	if (h->err != ZK_NOTREADONLY || a->committed)
		return false;
	if (h->zxid > model_shown(c->proc.sim->model) || c->proc.sim->nodes[c->node]->disk.failures == 0)
		fail(c, a, "refused without reason");
	a->refused = true;
	return true;
}

static void
judge_write(struct client *c, struct ask *a, const struct jute_reply_header *h, struct jute_reader *r)
{
	struct sim *s = c->proc.sim;
	struct jute_stat st;

	if (is_refusal(c, a, h))
		return;
	if (!a->committed) {
		fail(c, a, "acknowledged, but it is not committed");
		return;
	}
	if (h->zxid != a->zxid) {
		fail(c, a, "another zxid");
		return;
	}
	if (h->zxid > s->acked)
		s->acked = h->zxid;
	if (a->op.type == ZK_OP_MULTI && a->err != ZK_SESSIONEXPIRED) {
		judge_multi(c, a, r);
		return;
	}
	if (h->err != a->err)
		fail(c, a, "another error");
	if (h->err != ZK_OK)
		return;
	if (ask_creates(a->op.type) && !slice_equal(jute_read_string(r), slice_str(a->op.made)))
		fail(c, a, "another path");
	if (a->op.type == ZK_OP_SET_DATA &&
	    (!jute_read_stat(r, NULL, &st) || st.version != a->op.version_then))
		fail(c, a, "another version");
}

/* It has passed through the leader: all that anybody knew to be done when it was sent is there. */
static void
judge_sync(struct client *c, struct ask *a, const struct jute_reply_header *h, struct jute_reader *r)
{
	const struct node *n = c->proc.sim->nodes[c->node];

	if (is_refusal(c, a, h))
		return;
	if (h->err != ZK_OK || !slice_equal(jute_read_string(r), slice_str(a->op.path)))
		fail(c, a, "another answer to sync");
	/* A leader that was deposed and does not know it yet may answer: ZooKeeper's sync is no round of the quorum. */
	if (model_is_present(c->proc.sim->model, n) && h->zxid < a->acked_then)
		fail(c, a, "a sync that is answered with an older state");
}

static void
judge_add_watch(struct client *c, struct ask *a, const struct jute_reply_header *h, struct jute_reader *r)
{
	if (h->err != ZK_OK || jute_read_int(r) != ZK_OK || r->failed)
		fail(c, a, "another answer to addWatch");
	watches_add(c, a->op.path,
		    a->op.flags == ZK_ADD_WATCH_PERSISTENT_RECURSIVE ? WATCH_STANDS_BELOW : WATCH_STANDS,
		    h->zxid);
}

void
judge_reply(struct client *c, struct ask *a, const struct jute_reply_header *h, struct jute_reader *r)
{
	struct sim *s = c->proc.sim;

	if (h->zxid < c->last_zxid || h->zxid > model_shown(s->model))
		fail(c, a,
		     h->zxid < c->last_zxid ? "the session goes back in time"
					    : "a zxid that is not committed");
	c->last_zxid = h->zxid;
	watches_check(c, h->zxid);
	if (a->op.type == ZK_OP_ADD_WATCH)
		judge_add_watch(c, a, h, r);
	else if (a->op.type == ZK_OP_SYNC)
		judge_sync(c, a, h, r);
	else if (a->op.type != ZK_OP_GET_DATA && a->op.type != ZK_OP_EXISTS &&
		 a->op.type != ZK_OP_GET_CHILDREN2)
		judge_write(c, a, h, r);
	else
		judge_read(c, a, h, r);
}
