/* See model.h. Invariant: applied is what syncd has called committed, and every txn up to it was seen on the platter. */
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "client.h"
#include "node.h"
#include "platter.h"

enum {
	HASHES = 1024,
	PROPOSALS = 4096, /* remembered, by zxid */
	EPOCHS_MAX = 4096,
	COMPARE_EVERY = 24,     /* commits */
	CLOCK_SLACK = 25,       /* thousandths by which a clock may be fast */
	EXPIRY_SLACK_MS = 6000, /* a tick of rounding, and a restart's */
};

struct session {
	int64_t id;
	int32_t timeout_ms;
	bool created, open; /* as committed; before, it is only proposed */
	bool expiring;      /* its end has been proposed, with reason */
	uint64_t heard_us;
	uint64_t epoch; /* it was created in */
};

/* A committed txn. */
struct entry {
	uint64_t zxid;
	uint32_t sum;
	uint64_t digest; /* of a tree that was at it; 0: none was seen */
};

/* A txn that some node has appended, lately. */
struct proposal {
	uint64_t zxid;
	uint32_t sum;
	int sid;
};

struct model {
	struct sim *sim;
	uint64_t applied;
	unsigned voters,
	    candidates; /* a bit for each sid: who votes by what is final, or may by what was proposed */
	uint64_t members_version;
	struct entry *history; /* all that is committed, in order */
	size_t nhistory, history_cap;
	struct proposal proposals[PROPOSALS];
	uint64_t epoch, epoch_us; /* highest that has begun, and when */
	int leaders[EPOCHS_MAX];
	int accepted[NODES_MAX][EPOCHS_MAX]; /* by each node: of which leader */
	struct znode *hash[HASHES], **all;
	size_t nall, all_cap;
	struct session *sessions;
	size_t nsessions, sessions_cap;
	struct cursor cursors[NODES_MAX], ack_cursors[NODES_MAX];
	uint64_t builtin;           /* nodes of an empty tree, as its statistics count */
	size_t compared[NODES_MAX]; /* length of the history then */
};

/* ---- Znodes ---- */

static unsigned
hash_of(const char *path)
{
	uint32_t h = 2166136261u;

	for (; *path != '\0'; path++)
		h = (h ^ (uint8_t)*path) * 16777619u;
	return h % HASHES;
}

static struct znode *
find(const struct model *m, const char *path)
{
	struct znode *z = m->hash[hash_of(path)];

	while (z != NULL && strcmp(z->path, path) != 0)
		z = z->next;
	return z;
}

const struct znode *
model_find(const struct model *m, const char *path)
{
	return find(m, path);
}

static struct znode *
make(struct model *m, const char *path)
{
	struct znode *z = find(m, path);
	char up[ASK_PATH];
	char *slash;

	if (z != NULL)
		return z;
	z = mem_zalloc(1, sizeof *z);
	snprintf(z->path, sizeof z->path, "%s", path);
	z->next = m->hash[hash_of(path)];
	m->hash[hash_of(path)] = z;
	snprintf(up, sizeof up, "%s", path);
	slash = strrchr(up, '/');
	slash[slash == up ? 1 : 0] = '\0';
	if (strcmp(path, "/") != 0)
		z->parent = make(m, up);
	if (m->nall == m->all_cap) {
		m->all_cap = m->all_cap == 0 ? 64 : m->all_cap * 2;
		m->all = mem_realloc(m->all, m->all_cap * sizeof(struct znode *));
	}
	m->all[m->nall++] = z;
	return z;
}

const struct znode *
model_each(const struct model *m, size_t i)
{
	return i < m->nall ? m->all[i] : NULL;
}

const struct znode_state *
model_at(const struct znode *z, uint64_t zxid)
{
	if (z == NULL)
		return NULL;
	for (size_t i = z->n; i > 0; i--)
		if (z->states[i - 1].zxid <= zxid)
			return z->states[i - 1].there ? &z->states[i - 1] : NULL;
	return NULL;
}

static const struct znode_state *
now(const struct znode *z)
{
	return model_at(z, UINT64_MAX);
}

/* The next state of z, a copy of its last to begin with. */
static struct znode_state *
change(struct znode *z, uint64_t zxid)
{
	if (z->n == z->cap) {
		z->cap = z->cap == 0 ? 4 : z->cap * 2;
		z->states = mem_realloc(z->states, z->cap * sizeof *z->states);
	}
	if (z->n == 0)
		z->states[0] = (struct znode_state){ 0 };
	else
		z->states[z->n] = z->states[z->n - 1];
	z->states[z->n].zxid = zxid;
	return &z->states[z->n++];
}

uint64_t
model_change(const struct model *m, const char *path, bool children, uint64_t after)
{
	const struct znode *z = find(m, path);
	uint64_t first = NEVER;

	for (size_t i = z == NULL ? 0 : z->n; i > 0 && z->states[i - 1].zxid > after; i--) {
		const struct znode_state *s = &z->states[i - 1];
		bool was = i > 1 && z->states[i - 2].there;
		bool data = s->there != was || (was && s->mzxid != z->states[i - 2].mzxid);
		bool kids = was && (!s->there || s->pzxid != z->states[i - 2].pzxid);

		if (children ? kids : data)
			first = s->zxid;
	}
	return first;
}

/* The event that the i-th state of z is, for those who watch z. A state that only another name shares has none. */
static int32_t
event_of(const struct znode *z, size_t i)
{
	const struct znode_state *s = &z->states[i], *was = i > 0 ? &z->states[i - 1] : NULL;
	bool there = was != NULL && was->there;

	if (s->there != there)
		return s->there ? ZK_EVENT_CREATED : ZK_EVENT_DELETED;
	if (s->version != was->version)
		return ZK_EVENT_DATA_CHANGED;
	return ZK_EVENT_CHILDREN_CHANGED;
}

static unsigned
count_events(const struct znode *z, bool children, uint64_t after, uint64_t zxid)
{
	unsigned n = 0;

	for (size_t i = z->n; i > 0 && z->states[i - 1].zxid > after; i--)
		n += z->states[i - 1].zxid <= zxid &&
		     (children || event_of(z, i - 1) != ZK_EVENT_CHILDREN_CHANGED);
	return n;
}

static bool
is_below(const char *path, const char *top)
{
	size_t len = strcmp(top, "/") == 0 ? 0 : strlen(top);

	return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

unsigned
model_events(const struct model *m, const char *path, bool below, uint64_t after, uint64_t zxid)
{
	const struct znode *z = find(m, path);
	unsigned n = 0;

	if (!below)
		return z == NULL ? 0 : count_events(z, true, after, zxid);
	for (size_t i = 0; i < m->nall; i++) {
		z = m->all[i];
		if (z->n > 0 && z->states[z->n - 1].zxid > after && is_below(z->path, path))
			n += count_events(z, false, after, zxid);
	}
	return n;
}

bool
model_happened(const struct model *m, const char *path, int32_t type, uint64_t zxid)
{
	const struct znode *z = find(m, path);

	for (size_t i = z == NULL ? 0 : z->n; i > 0 && z->states[i - 1].zxid >= zxid; i--)
		if (z->states[i - 1].zxid == zxid && event_of(z, i - 1) == type)
			return true;
	return false;
}

/* ---- Sessions ---- */

static struct session *
find_session(const struct model *m, int64_t id)
{
	for (size_t i = m->nsessions; i > 0; i--)
		if (m->sessions[i - 1].id == id)
			return &m->sessions[i - 1];
	return NULL;
}

static struct session *
add_session(struct model *m, int64_t id)
{
	if (m->nsessions == m->sessions_cap) {
		m->sessions_cap = m->sessions_cap == 0 ? 32 : m->sessions_cap * 2;
		m->sessions = mem_realloc(m->sessions, m->sessions_cap * sizeof *m->sessions);
	}
	m->sessions[m->nsessions] = (struct session){ .id = id };
	return &m->sessions[m->nsessions++];
}

/* Its client was heard of then, whenever it is committed. */
static void
propose_session(struct model *m, int64_t id)
{
	struct session *s = find_session(m, id);

	if (s == NULL)
		s = add_session(m, id);
	s->heard_us = m->sim->now_us;
}

static void
open_session(struct model *m, int64_t id, int32_t timeout_ms, uint64_t epoch)
{
	struct session *s = find_session(m, id);

	if (s == NULL || s->created) {
		sim_fail(m->sim, "session 0x%" PRIx64 " is created %s", (uint64_t)id,
			 s == NULL ? "and was never proposed" : "twice");
		return;
	}
	s->created = s->open = true;
	s->timeout_ms = timeout_ms;
	s->epoch = epoch;
}

bool
model_is_present(const struct model *m, const struct node *n)
{
	return m->sim->nnodes == 1 || node_epoch(n) == m->epoch;
}

bool
model_is_leader(const struct model *m, const struct node *n)
{
	return m->sim->nnodes == 1 || (m->epoch < EPOCHS_MAX && m->leaders[m->epoch] == n->sid);
}

void
model_heard(struct model *m, const struct node *n, int64_t session)
{
	IN_HEAP(NULL);
	struct session *s = session == 0 || !model_is_leader(m, n) ? NULL : find_session(m, session);

	if (s != NULL)
		s->heard_us = m->sim->now_us;
}

static bool
silent(const struct model *m, const struct session *s)
{
	return m->sim->now_us - s->heard_us >= (uint64_t)s->timeout_ms * (MS - CLOCK_SLACK);
}

bool
model_may_be_over(const struct model *m, int64_t session)
{
	const struct session *s = find_session(m, session);

	return s == NULL || !s->open || s->expiring || silent(m, s);
}

bool
model_is_unheard_of(const struct model *m, const struct node *n, int64_t session)
{
	const struct session *s = find_session(m, session);

	return s != NULL && node_epoch(n) < s->epoch;
}

bool
model_was_created(const struct model *m, int64_t session)
{
	const struct session *s = find_session(m, session);

	return s != NULL && s->created;
}

bool
model_is_open(const struct model *m, int64_t session)
{
	const struct session *s = find_session(m, session);

	return s != NULL && s->open;
}

void
model_proposed(struct model *m, const struct node *n, struct slice txn)
{
	IN_HEAP(NULL);
	struct session *s;
	struct txnlog_head h;

	if (txnlog_peek(txn, &h) != 0) {
		sim_fail(m->sim, "clientd proposes what is no txn");
		return;
	}
	if (h.type == ZK_OP_CREATE_SESSION)
		propose_session(m, h.session);
	s = find_session(m, h.session);
	if (h.type != ZK_OP_CLOSE_SESSION || h.cxid != 0 || s == NULL || !model_is_leader(m, n))
		return;
	s->expiring = true;
	if (!silent(m, s))
		sim_fail(m->sim,
			 "session 0x%" PRIx64 " is expired after %" PRIu64
			 " ms of silence, its timeout is %d ms",
			 (uint64_t)s->id, (m->sim->now_us - s->heard_us) / MS, s->timeout_ms);
}

/* A leader gives every session its full time when it begins. */
void
model_check_sessions(struct model *m)
{
	for (size_t i = 0; i < m->nsessions; i++) {
		const struct session *s = &m->sessions[i];
		uint64_t since_us = s->heard_us > m->epoch_us ? s->heard_us : m->epoch_us;

		if (s->open && m->sim->now_us - since_us > (uint64_t)(s->timeout_ms + EXPIRY_SLACK_MS) * MS)
			sim_fail(m->sim,
				 "session 0x%" PRIx64 " is silent for %" PRIu64
				 " ms and alive, its timeout is %d",
				 (uint64_t)s->id, (m->sim->now_us - since_us) / MS, s->timeout_ms);
	}
}

/* ---- Requests, by ZooKeeper's rules ---- */

static void
remove_node(struct znode *z, uint64_t zxid)
{
	struct znode_state *s = change(z, zxid), *up = change(z->parent, zxid);

	s->there = false;
	up->nchildren--;
	up->pzxid = zxid;
}

static bool
is_session(int64_t owner)
{
	return owner != 0 && owner != ZK_OWNER_CONTAINER &&
	       ((uint64_t)owner & ZK_OWNER_TTL_MASK) != ZK_OWNER_TTL_MASK;
}

int64_t
model_shown_owner(const struct znode_state *s)
{
	return is_session(s->owner) ? s->owner : 0;
}

static int64_t
owner_of(int32_t flags, int64_t session)
{
	if (flags == ZK_CREATE_CONTAINER)
		return ZK_OWNER_CONTAINER;
	if (flags == ZK_CREATE_TTL || flags == ZK_CREATE_SEQUENTIAL_TTL)
		return (int64_t)(ZK_OWNER_TTL_MASK | ASK_TTL_MS);
	return flags & ZK_CREATE_EPHEMERAL ? session : 0;
}

static int32_t
do_create(struct model *m, struct ask_op *op, uint64_t zxid, int64_t session)
{
	char parent[ASK_PATH];
	const struct znode_state *up;
	struct znode_state *s;
	struct znode *z;

	snprintf(parent, sizeof parent, "%s", op->path);
	*strrchr(parent, '/') = '\0';
	up = now(find(m, parent[0] == '\0' ? "/" : parent));
	if (up == NULL)
		return ZK_NONODE;
	snprintf(op->made, sizeof op->made, ask_is_sequential(op->flags) ? "%s%010d" : "%s", op->path,
		 up->created);
	if (now(find(m, op->made)) != NULL)
		return ZK_NODEEXISTS;
	if (is_session(up->owner))
		return ZK_NOCHILDRENFOREPHEMERALS;
	z = make(m, op->made);
	s = change(z, zxid);
	*s = (struct znode_state){ .zxid = zxid, .there = true, .czxid = zxid, .mzxid = zxid, .pzxid = zxid };
	s->owner = owner_of(op->flags, session);
	memcpy(s->data, op->data, sizeof s->data);
	s = change(z->parent, zxid);
	s->nchildren++;
	s->created++;
	s->pzxid = zxid;
	return ZK_OK;
}

static int32_t
do_other(struct model *m, struct ask_op *op, uint64_t zxid)
{
	struct znode *z = find(m, op->path);
	const struct znode_state *is = now(z);
	struct znode_state *s;

	if (is == NULL)
		return ZK_NONODE;
	if (op->version >= 0 && op->version != is->version)
		return ZK_BADVERSION;
	if (op->type == ZK_OP_DELETE && is->nchildren > 0)
		return ZK_NOTEMPTY;
	if (op->type == ZK_OP_DELETE)
		remove_node(z, zxid);
	if (op->type != ZK_OP_SET_DATA)
		return ZK_OK;
	s = change(z, zxid);
	s->mzxid = zxid;
	op->version_then = ++s->version;
	memcpy(s->data, op->data, sizeof s->data);
	return ZK_OK;
}

static int32_t
do_op(struct model *m, struct ask_op *op, uint64_t zxid, int64_t session)
{
	op->err = ask_creates(op->type) ? do_create(m, op, zxid, session) : do_other(m, op, zxid);
	return op->err;
}

/* What a multi had done before it failed never was. */
static void
take_back(struct model *m, uint64_t zxid)
{
	for (size_t i = 0; i < m->nall; i++)
		while (m->all[i]->n > 0 && m->all[i]->states[m->all[i]->n - 1].zxid == zxid)
			m->all[i]->n--;
}

static int32_t
do_multi(struct model *m, struct ask *a, uint64_t zxid)
{
	int failed = -1;

	for (int i = 0; i < a->nparts && failed < 0; i++)
		if (do_op(m, &a->parts[i], zxid, a->session) != ZK_OK)
			failed = i;
	if (failed < 0)
		return ZK_OK;
	take_back(m, zxid);
	for (int i = failed + 1; i < a->nparts; i++)
		a->parts[i].err = ZK_RUNTIMEINCONSISTENCY;
	return a->parts[failed].err;
}

static void
do_close(struct model *m, int64_t session, uint64_t zxid)
{
	struct session *s = find_session(m, session);

	if (s != NULL)
		s->open = false;
	for (size_t i = 0; i < m->nall; i++) {
		const struct znode_state *is = now(m->all[i]);

		if (is != NULL && is->owner == session)
			remove_node(m->all[i], zxid);
	}
}

/* Nobody asked: only a container or a TTL node may go, and only without children. The wall clock says when. */
static void
do_sweep(struct model *m, const struct txnlog_head *h, struct slice txn)
{
	const struct znode_state *is;
	char path[ASK_PATH] = "";
	struct jute_reader r;
	struct slice name;
	struct znode *z;

	if (h->type == ZK_OP_ERROR)
		return;
	jute_reader_init(&r, slice_of(txn.data + TXNLOG_TXN_MIN, txn.len - TXNLOG_TXN_MIN), UINT32_MAX);
	name = jute_read_string(&r);
	if (name.len < sizeof path)
		memcpy(path, name.data, name.len);
	z = find(m, path);
	is = now(z);
	if (h->type != ZK_OP_DELETE_CONTAINER || is == NULL || is->nchildren > 0 || is->owner == 0 ||
	    is_session(is->owner)) {
		sim_fail(m->sim, "txn 0x%" PRIx64 " of type %d on %s, for which nobody asked", h->zxid,
			 h->type, path);
		return;
	}
	remove_node(z, h->zxid);
}

/* Who votes after a reconfig txn. */
static unsigned
voters_in(struct slice txn)
{
	char text[MEMBERS_BYTES] = "";
	unsigned voters = 0;
	struct jute_set_data_txn t;
	struct jute_reader r;

	jute_reader_init(&r, slice_of(txn.data + TXNLOG_TXN_MIN, txn.len - TXNLOG_TXN_MIN), UINT32_MAX);
	if (jute_read_set_data_txn(&r, NULL, &t) && t.data.len < sizeof text)
		memcpy(text, t.data.data, t.data.len);
	for (const char *at = text; (at = strstr(at, "server.")) != NULL; at++)
		if (strncmp(at + strcspn(at, "\n") - strlen(":participant"), ":participant", 12) == 0)
			voters |= 1u << atoi(at + strlen("server."));
	return voters;
}

static void
do_reconfig(struct model *m, struct slice txn)
{
	m->voters = voters_in(txn);
	m->members_version = m->applied;
}

/* The error that a txn holds: its own, or that of the first part of a multi; ZK_OK where there is none. */
static int32_t
error_in(const struct txnlog_head *h, struct slice txn)
{
	const uint8_t *record = txn.data + TXNLOG_TXN_MIN;
	size_t len = txn.len - TXNLOG_TXN_MIN;

	if (h->type == ZK_OP_ERROR)
		return (int32_t)get_be32(record);
	/* number of parts, type of the first, length of its record */
	if (h->type != ZK_OP_MULTI || len < 16 || (int32_t)get_be32(record + 4) != ZK_OP_ERROR)
		return ZK_OK;
	return (int32_t)get_be32(record + 12);
}

static void
do_ask(struct model *m, const struct txnlog_head *h, struct slice txn)
{
	struct ask *a = client_find_ask(m->sim, h->session, h->cxid);
	int32_t error = error_in(h, txn);

	if (a == NULL || !a->sent) {
		sim_fail(m->sim,
			 "txn 0x%" PRIx64 " of type %d: session 0x%" PRIx64 " never asked for it (xid %d)",
			 h->zxid, h->type, (uint64_t)h->session, h->cxid);
		return;
	}
	if (a->refused)
		sim_fail(m->sim, "request %d of session 0x%" PRIx64 " was refused, and is carried out",
			 a->xid, (uint64_t)a->session);
	if (a->committed) {
		sim_fail(m->sim,
			 "request %d of session 0x%" PRIx64 " is carried out twice: 0x%" PRIx64
			 " and 0x%" PRIx64,
			 a->xid, (uint64_t)a->session, a->zxid, h->zxid);
		return;
	}
	if (h->zxid <= a->acked_then)
		sim_fail(m->sim,
			 "request %d is at 0x%" PRIx64 ", but 0x%" PRIx64
			 " was acknowledged before it was sent",
			 a->xid, h->zxid, a->acked_then);
	a->committed = true;
	a->zxid = h->zxid;
	if (error == ZK_SESSIONMOVED && m->sim->nnodes > 1)
		a->err = error; /* its client has dialled another server, even if it stays with this one */
	else if (!model_is_open(m, a->session) && a->op.type != ZK_OP_CLOSE_SESSION)
		a->err = ZK_SESSIONEXPIRED; /* closing twice is no error: the second finds nothing to do */
	else if (a->op.type == ZK_OP_MULTI)
		a->err = do_multi(m, a, h->zxid);
	else if (a->op.type != ZK_OP_CLOSE_SESSION)
		a->err = do_op(m, &a->op, h->zxid, a->session);
	else
		do_close(m, a->session, h->zxid);
	/* What a failed multi says of its parts is compared with its reply (judge.c). */
	if (error != a->err && a->op.type != ZK_OP_MULTI)
		sim_fail(m->sim,
			 "request %d of session 0x%" PRIx64 " at 0x%" PRIx64
			 " is a txn of type %d, error %d; its result should be %d",
			 a->xid, (uint64_t)a->session, h->zxid, h->type, error, a->err);
}

/* ---- What is final ---- */

static uint32_t
sum_of(struct slice txn)
{
	return (uint32_t)crc32(0, txn.data, (uInt)txn.len);
}

static void
add_entry(struct model *m, uint64_t zxid, uint32_t sum)
{
	if (m->nhistory == m->history_cap) {
		m->history_cap = m->history_cap == 0 ? 1024 : m->history_cap * 2;
		m->history = mem_realloc(m->history, m->history_cap * sizeof *m->history);
	}
	m->history[m->nhistory++] = (struct entry){ .zxid = zxid, .sum = sum };
}

static void
apply(struct model *m, struct slice txn)
{
	struct txnlog_head h;

	txnlog_peek(txn, &h);
	if (h.zxid != m->applied + 1 && !(h.zxid >> 32 > m->applied >> 32 && (uint32_t)h.zxid == 1))
		sim_fail(m->sim, "0x%" PRIx64 " is committed behind 0x%" PRIx64, h.zxid, m->applied);
	/* The last of an epoch is nobody's, and the first is the epoch's own. */
	if (m->sim->nnodes > 1 && (uint32_t)h.zxid + 1 <= 1)
		sim_fail(m->sim, "0x%" PRIx64 " is a txn's", h.zxid);
	m->applied = h.zxid;
	add_entry(m, h.zxid, sum_of(txn));
	m->sim->counts.txns++;
	sim_trace(m->sim, NULL, "txn", "zxid=0x%" PRIx64 " session=0x%" PRIx64 " xid=%d op=%s", h.zxid,
		  (uint64_t)h.session, h.cxid, zk_op_name(h.type));
	if (h.type == ZK_OP_RECONFIG)
		do_reconfig(m, txn);
	else if (h.type == ZK_OP_CREATE_SESSION)
		open_session(m, h.session, (int32_t)get_be32(txn.data + TXNLOG_TXN_MIN), h.zxid >> 32);
	else if (h.type == ZK_OP_CLOSE_SESSION && h.cxid == 0)
		do_close(m, h.session, h.zxid);
	else if (h.session == 0)
		do_sweep(m, &h, txn);
	else
		do_ask(m, &h, txn);
}

static bool
is_majority(unsigned set, unsigned voters)
{
	return 2 * __builtin_popcount(set & voters) > __builtin_popcount(voters);
}

/* Whether what a majority has on its platters begins with this txn, behind all that is final. */
static bool
next_of_majority(struct model *m, struct slice *txn, struct txnlog_head *h)
{
	struct slice txns[NODES_MAX];
	struct txnlog_head heads[NODES_MAX];
	bool there[NODES_MAX];

	for (int i = 0; i < m->sim->nnodes; i++)
		there[i] =
		    platter_next(&m->sim->nodes[i]->disk, &m->cursors[i], m->applied, &txns[i], &heads[i]);
	for (int i = 0; i < m->sim->nnodes; i++) {
		unsigned same = 0;

		for (int k = 0; k < m->sim->nnodes; k++)
			if (there[i] && there[k] && slice_equal(txns[i], txns[k]))
				same |= 1u << (k + 1);
		if (same != 0 && is_majority(same, m->voters) &&
		    (heads[i].type != ZK_OP_RECONFIG || is_majority(same, voters_in(txns[i])))) {
			*txn = txns[i];
			*h = heads[i];
			return true;
		}
	}
	return false;
}

void
model_commit(struct model *m, struct node *n, uint64_t zxid)
{
	IN_HEAP(NULL);
	struct txnlog_head h;
	struct slice txn;

	while (m->applied < zxid && !m->sim->failed) {
		if (!next_of_majority(m, &txn, &h) || h.zxid > zxid) {
			sim_fail(m->sim,
				 "n%d calls 0x%" PRIx64 " committed, but what follows 0x%" PRIx64
				 " is not on the disks of a quorum",
				 n->sid, zxid, m->applied);
			return;
		}
		apply(m, txn);
	}
	if (zxid > n->committed)
		n->committed = zxid;
}

static struct entry *
find_entry(const struct model *m, uint64_t zxid)
{
	size_t lo = 0, hi = m->nhistory;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (m->history[mid].zxid < zxid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->nhistory && m->history[lo].zxid == zxid ? &m->history[lo] : NULL;
}

void
model_deliver(struct model *m, struct node *n, uint64_t zxid, struct slice txn)
{
	IN_HEAP(NULL);
	const struct entry *e;

	model_commit(m, n, zxid);
	e = find_entry(m, zxid);
	if (m->sim->failed)
		return;
	if (e == NULL || e->sum != sum_of(txn))
		sim_fail(m->sim, "n%d delivers another txn than the committed one at 0x%" PRIx64, n->sid,
			 zxid);
	else if (n->delivered != 0 && e > m->history && e[-1].zxid != n->delivered)
		sim_fail(m->sim,
			 "n%d delivers 0x%" PRIx64 " behind 0x%" PRIx64 ", but 0x%" PRIx64 " is between",
			 n->sid, zxid, n->delivered, e[-1].zxid);
	n->delivered = zxid;
}

/* ---- A node's log as a whole ---- */

struct chain {
	struct model *m;
	struct node *n;
	const struct entry *last; /* the entry before, if it is final */
	uint64_t before;
	bool strange; /* it is not final */
};

/*
 * What is final lies in each log in its order and without a gap; what is not comes behind it, but for what an older
 * leader left there that nobody has cut yet.
 */
static void
look_at_entry(void *ctx, struct slice txn, const struct txnlog_head *h)
{
	struct chain *c = ctx;
	struct model *m = c->m;
	const struct entry *e = find_entry(m, h->zxid);

	if (e != NULL && e->sum != sum_of(txn))
		sim_fail(m->sim, "another txn than the committed one is at 0x%" PRIx64 " on n%d", h->zxid,
			 c->n->sid);
	if (h->zxid <= c->before)
		sim_fail(m->sim, "0x%" PRIx64 " comes behind 0x%" PRIx64 " in the log of n%d", h->zxid,
			 c->before, c->n->sid);
	if (e != NULL && c->strange)
		sim_fail(m->sim,
			 "the committed 0x%" PRIx64 " comes behind 0x%" PRIx64
			 ", which never was, in the log of n%d",
			 h->zxid, c->before, c->n->sid);
	if (e != NULL && c->last != NULL && e != c->last + 1 && e[-1].zxid > platter_snapshot(&c->n->disk))
		sim_fail(m->sim,
			 "0x%" PRIx64 " follows 0x%" PRIx64 " in the log of n%d: 0x%" PRIx64 " is missing",
			 h->zxid, c->last->zxid, c->n->sid, e[-1].zxid);
	c->last = e;
	c->strange = e == NULL;
	c->before = h->zxid;
}

void
model_check_log(struct model *m, struct node *n)
{
	IN_HEAP(NULL);
	struct chain c = { .m = m, .n = n };

	platter_each(&n->disk, look_at_entry, &c);
}

void
model_recovered(struct model *m, struct node *n, uint64_t durable)
{
	IN_HEAP(NULL);
	if (durable < n->acked && (n->cutting == 0 || durable < n->cutting - 1))
		sim_fail(m->sim,
			 "the log of n%d ends at 0x%" PRIx64 " after a restart, but 0x%" PRIx64
			 " was durable",
			 n->sid, durable, n->acked);
	n->acked = durable;
	n->cutting = 0;
	model_check_log(m, n);
}

void
model_durable(struct model *m, struct node *n, uint64_t zxid, bool cut)
{
	(void)m;
	if (cut || zxid > n->acked)
		n->acked = zxid;
	if (cut)
		n->cutting = 0;
}

static bool
may_vote(const struct model *m, const struct node *n)
{
	return (m->candidates >> n->sid & 1) != 0;
}

/* History before epoch before ack. */
static void
check_epoch_ack(struct model *m, struct node *n, uint64_t epoch)
{
	uint64_t accepted = platter_number(&n->disk, "acceptedEpoch");
	uint64_t current = platter_number(&n->disk, "currentEpoch");

	if (accepted < epoch || current != epoch)
		sim_fail(m->sim,
			 "n%d acks epoch %" PRIu64 ", but on its disk accepted is %" PRIu64
			 ", current %" PRIu64,
			 n->sid, epoch, accepted, current);
}

void
model_acked(struct model *m, struct node *n, uint64_t zxid)
{
	IN_HEAP(NULL);
	struct cursor *c = &m->ack_cursors[n->sid - 1];

	if ((uint32_t)zxid == 0)
		check_epoch_ack(m, n, zxid >> 32);
	else if (!may_vote(m, n) && m->sim->mutation != MUTATE_OBSERVER_ACKS)
		sim_fail(m->sim, "n%d is an observer and acks 0x%" PRIx64, n->sid, zxid);
	else if (!platter_reaches(&n->disk, c, zxid))
		sim_fail(m->sim, "n%d acks 0x%" PRIx64 ", which is not on its disk", n->sid, zxid);
}

void
model_cuts(struct model *m, struct node *n, uint64_t zxid)
{
	(void)m;
	n->cutting = zxid + 1;
}

void
model_accepts(struct model *m, struct node *n, int leader)
{
	uint64_t epoch = platter_number(&n->disk, "acceptedEpoch");
	int *of;

	if (epoch >= EPOCHS_MAX)
		return;
	of = &m->accepted[n->sid - 1][epoch];
	if (*of != 0 && *of != leader)
		sim_fail(m->sim, "n%d accepts epoch %" PRIu64 " of n%d, and had accepted it of n%d", n->sid,
			 epoch, leader, *of);
	*of = leader;
}

/* ---- Leaders ---- */

void
model_appended(struct model *m, struct node *n, uint64_t zxid, struct slice txn)
{
	IN_HEAP(NULL);
	struct proposal *p = &m->proposals[(zxid ^ zxid >> 22) % PROPOSALS];
	uint32_t sum = sum_of(txn);
	struct txnlog_head h;

	if (m->sim->nnodes > 1 && p->zxid == zxid && p->sum != sum)
		sim_fail(m->sim, "n%d appends another txn at 0x%" PRIx64 " than n%d did", n->sid, zxid,
			 p->sid);
	*p = (struct proposal){ zxid, sum, n->sid };
	if (txnlog_peek(txn, &h) == 0 && h.type == ZK_OP_RECONFIG)
		m->candidates |= voters_in(txn);
}

void
model_check_members(struct model *m, const struct node *n)
{
	if (m->members_version != 0 && node_members_version(n) != m->members_version)
		sim_fail(m->sim, "the members of n%d are of 0x%" PRIx64 ", those in force of 0x%" PRIx64,
			 n->sid, node_members_version(n), m->members_version);
}

/* A leader leads when a quorum has its history, and behind it the epoch. Some may have gone on to a later one. */
static void
check_established(struct model *m, const struct node *n, uint64_t epoch)
{
	unsigned entered = 0;

	for (int i = 0; i < m->sim->nnodes; i++)
		if (platter_number(&m->sim->nodes[i]->disk, "currentEpoch") >= epoch)
			entered |= 1u << (i + 1);
	if (!is_majority(entered, m->voters) && m->sim->nnodes > 1)
		sim_fail(m->sim,
			 "n%d leads in epoch %" PRIu64 ", which only 0x%x of the voters 0x%x have entered",
			 n->sid, epoch, entered & m->voters, m->voters);
	if (!may_vote(m, n))
		sim_fail(m->sim, "n%d is an observer and leads", n->sid);
}

void
model_leads(struct model *m, struct node *n, uint64_t epoch, uint64_t committed)
{
	IN_HEAP(NULL);
	if (epoch >= EPOCHS_MAX)
		return;
	if (m->leaders[epoch] != 0 && m->leaders[epoch] != n->sid)
		sim_fail(m->sim, "n%d leads in epoch %" PRIu64 ", and so did n%d", n->sid, epoch,
			 m->leaders[epoch]);
	if (m->leaders[epoch] == 0)
		check_established(m, n, epoch);
	if (m->leaders[epoch] == 0 && epoch > m->epoch) {
		m->epoch = epoch;
		m->epoch_us = m->sim->now_us;
		if (committed < m->applied && m->sim->nnodes > 1)
			sim_fail(m->sim,
				 "n%d begins epoch %" PRIu64 " with 0x%" PRIx64 ", but 0x%" PRIx64
				 " was committed",
				 n->sid, epoch, committed, m->applied);
	}
	m->leaders[epoch] = n->sid;
}

uint64_t
model_zxid(const struct model *m)
{
	return m->applied;
}

uint64_t
model_shown(const struct model *m)
{
	uint64_t begun = m->epoch << 32;

	return m->sim->nnodes > 1 && begun > m->applied ? begun : m->applied;
}

/* ---- The tree ---- */

static void
compare_node(struct model *m, const struct tree *t, const struct znode *z, uint64_t zxid)
{
	const struct znode_state *s = model_at(z, zxid);
	struct jute_stat st;
	bool there = tree_stat(t, slice_str(z->path), &st);

	if (there != (s != NULL)) {
		sim_fail(m->sim, "at 0x%" PRIx64 " %s is %s in the tree", zxid, z->path,
			 there ? "there" : "missing");
		return;
	}
	if (s == NULL || z->parent == NULL)
		return;
	if (st.czxid != s->czxid || st.mzxid != s->mzxid || st.pzxid != s->pzxid ||
	    st.version != s->version || st.cversion != 2 * s->created - s->nchildren ||
	    st.ephemeral_owner != model_shown_owner(s) || st.num_children != s->nchildren ||
	    (size_t)st.data_length != strlen(s->data))
		sim_fail(m->sim,
			 "at 0x%" PRIx64 " the stat of %s differs: version %d for %d, pzxid 0x%" PRIx64
			 " for 0x%" PRIx64 ", cversion %d for %d",
			 zxid, z->path, st.version, s->version, st.pzxid, s->pzxid, st.cversion,
			 2 * s->created - s->nchildren);
}

static void
compare_sessions(struct model *m, const struct tree *t)
{
	for (size_t i = 0; i < m->nsessions; i++) {
		struct session_view v;
		bool there = sessions_get(tree_sessions_const(t), m->sessions[i].id, &v) && v.applied;

		if (there != m->sessions[i].open)
			sim_fail(m->sim, "session 0x%" PRIx64 " is %s in the tree",
				 (uint64_t)m->sessions[i].id, there ? "alive" : "missing");
	}
}

static void
compare_digest(struct model *m, const struct tree *t, uint64_t zxid)
{
	struct tree_stats st;
	struct entry *e;

	tree_stats(t, &st);
	if (st.digest_mismatches > 0 || tree_digest_recompute(t) != tree_digest(t) || !tree_check(t))
		sim_fail(m->sim,
			 "at 0x%" PRIx64 " the tree is not sound: %" PRIu64 " digests differ from the log's",
			 zxid, st.digest_mismatches);
	e = find_entry(m, zxid);
	if (e == NULL) {
		if (zxid != 0)
			sim_fail(m->sim, "a tree is at 0x%" PRIx64 ", which never was", zxid);
		return;
	}
	if (e->digest != 0 && e->digest != tree_digest(t))
		sim_fail(m->sim, "two digests at 0x%" PRIx64, zxid);
	e->digest = tree_digest(t);
}

void
model_compare(struct model *m, const struct node *n)
{
	IN_HEAP(NULL);
	const struct tree *t = node_tree(n);
	struct tree_stats st;
	uint64_t zxid = tree_applied(t), there = 0;

	m->compared[n->sid - 1] = m->nhistory;
	if (zxid > m->applied) {
		sim_fail(m->sim, "the tree is at 0x%" PRIx64 ", committed is 0x%" PRIx64, zxid, m->applied);
		return;
	}
	for (size_t i = 0; i < m->nall; i++) {
		compare_node(m, t, m->all[i], zxid);
		there += m->all[i]->parent != NULL && model_at(m->all[i], zxid) != NULL;
	}
	tree_stats(t, &st);
	if (st.nodes != there + m->builtin)
		sim_fail(m->sim, "at 0x%" PRIx64 " the tree has %" PRIu64 " nodes, not %" PRIu64, zxid,
			 st.nodes, there + m->builtin);
	if (zxid == m->applied)
		compare_sessions(m, t);
	compare_digest(m, t, zxid);
}

void
model_look(struct model *m, const struct node *n)
{
	IN_HEAP(NULL);
	if (node_tree(n) != NULL && node_serves(n) && m->nhistory >= m->compared[n->sid - 1] + COMPARE_EVERY)
		model_compare(m, n);
}

/* ---- Life ---- */

struct model *
model_new(struct sim *s)
{
	struct model *m = mem_zalloc(1, sizeof *m);
	struct tree_config config;
	struct tree_stats st;
	struct tree *t;

	m->sim = s;
	change(make(m, "/"), 0)->there = true;
	tree_config_init(&config);
	t = tree_create(&config);
	tree_stats(t, &st);
	m->builtin = st.nodes;
	for (int sid = 1; sid <= s->nnodes; sid++)
		m->voters |= sim_observes(s, sid) ? 0 : 1u << sid;
	m->candidates = m->voters;
	m->applied = s->first_zxid;
	if (m->applied != 0)
		add_entry(m, m->applied, 0);
	tree_destroy(t);
	return m;
}

void
model_free(struct model *m)
{
	for (size_t i = 0; i < m->nall; i++) {
		mem_free(m->all[i]->states);
		mem_free(m->all[i]);
	}
	mem_free(m->all);
	mem_free(m->history);
	mem_free(m->sessions);
	mem_free(m);
}
