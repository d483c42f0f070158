/*
 * A leader's front and two learners' fronts under random interleavings. The test is their syncds and the net between
 * them: requests, proposals, commits and answers wait in queues, and a seed says what moves next; learners lose their
 * leader, the leader's clientd dies, clients come back through other servers, sometimes while their old connection
 * still talks. Each client owns a node and knows what every reply must be; at the end all trees are the same.
 *
 * FRONT_PAIR_SEEDS=FROM-TO runs other seeds than the usual ones.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "clientd/front_int.h"
#include "front_client.h"
#include "jute/passwd.h"

enum {
	NODES = 3, /* the first leads */
	USERS = 6,
	STEPS = 6000,
	TXNS = 30000,
	EPOCH = 5,
	EXPECTED = 32,
	TIMEOUT_MS = 1200,
	ON_THE_WAY_MS = 800, /* a touch may take that long to reach the leader */
};
static const uint64_t BASE = (uint64_t)EPOCH << 32;

/* ---- Chance ---- */

static uint64_t chance;

static uint32_t
pick(uint32_t n)
{
	chance = chance * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(chance >> 33) % n;
}

/* ---- The nodes and what lies between them ---- */

struct node {
	struct world w;
	struct buf in;  /* frames for its clientd */
	struct buf out; /* on a learner: frames for the leader's syncd; zxid is the origin */
	uint64_t origin, role_proposed;
	bool load_asked;
	uint64_t have;
};

/* Something that the leader's clientd was given and has not consumed, or has answered. */
struct ask {
	struct list link;
	struct node *node;
	uint64_t number, origin; /* number: the learner's */
	uint64_t after;          /* zxid whose commit the answer waits for */
	uint16_t type;
	bool given;
	struct buf body;
};

static struct node nodes[NODES];
static struct node *const leader = &nodes[0];
static struct list unconsumed, answered;
static uint64_t given, consumed; /* numbers in the leader's role */
static struct buf txns;          /* BULK_TXN frames, the log */
static size_t txn_at[TXNS];
static uint64_t proposed, committed, origins;

static struct frame
log_frame(uint64_t zxid)
{
	struct frame f;
	size_t at = txn_at[zxid - BASE];

	ck_assert(frame_parse(slice_of(buf_head(&txns) + at, buf_len(&txns) - at), &f) > 0);
	return f;
}

static void
to_clientd(struct node *n, uint16_t type, uint64_t seq, uint64_t zxid, struct slice body)
{
	frame_put(&n->in, &(struct frame){ .type = type, .seq = seq, .zxid = zxid, .body = body });
}

static void
free_ask(struct ask *a)
{
	list_remove(&a->link);
	buf_free(&a->body);
	mem_free(a);
}

/* ---- What the leader's syncd does ---- */

static void
flush_answers(void)
{
	list_for_each_safe (e, &answered) {
		struct ask *a = container_of(e, struct ask, link);

		if (a->after > committed)
			break;
		if (a->origin == a->node->origin)
			to_clientd(a->node, a->type, a->number, 0, buf_slice(&a->body));
		free_ask(a);
	}
}

/* The leader's clientd gets what it does not have, once it serves. */
static void
give_all(void)
{
	struct front_facts facts;

	front_facts(leader->w.front, &facts);
	if (!facts.serving)
		return;
	list_for_each (e, &unconsumed) {
		struct ask *a = container_of(e, struct ask, link);

		if (!a->given)
			to_clientd(leader, a->type, ++given, 0,
				   a->type == MSG_SYNC ? SLICE_NULL : buf_slice(&a->body));
		a->given = true;
	}
}

/* A learner's frame has come. */
static void
take_ask(struct node *n, const struct frame *f)
{
	struct ask *a;

	if (f->type == MSG_TOUCH) {
		to_clientd(leader, MSG_TOUCH, 0, 0, f->body);
		return;
	}
	a = mem_zalloc(1, sizeof *a);
	*a = (struct ask){ .node = n, .number = f->seq, .origin = f->zxid, .type = f->type };
	buf_init(&a->body, 1 << 20);
	buf_put_be64(&a->body, f->zxid);
	buf_put(&a->body, f->body.data + 8, f->body.len - 8);
	list_append(&unconsumed, &a->link);
	give_all();
}

/* The leader's clientd consumes the oldest. */
static struct ask *
consume(uint64_t seq)
{
	struct ask *a;

	ck_assert_msg(!list_empty(&unconsumed) && seq == ++consumed, "request %llu answered out of order",
		      (unsigned long long)seq);
	a = container_of(list_first(&unconsumed), struct ask, link);
	list_remove(&a->link);
	return a;
}

static void
take_proposal(const struct frame *f)
{
	ck_assert_uint_eq(f->zxid, proposed + 1);
	proposed = f->zxid;
	ck_assert_uint_lt(proposed - BASE, TXNS);
	txn_at[proposed - BASE] = buf_len(&txns);
	frame_put(&txns, &(struct frame){ .type = MSG_BULK_TXN, .zxid = f->zxid, .body = f->body });
	if (f->seq != 0)
		free_ask(consume(f->seq));
}

static void
take_answer(const struct frame *f)
{
	struct ask *a = consume(f->seq);

	ck_assert_uint_eq(a->type, f->type);
	buf_reset(&a->body, 0);
	buf_put_slice(&a->body, f->body);
	a->after = proposed;
	list_append(&answered, &a->link);
	flush_answers();
}

static void
take_said(struct node *n)
{
	struct frame f;
	int64_t size;

	while ((size = frame_parse(buf_slice(&n->w.frames), &f)) > 0) {
		if (f.type == MSG_LOAD) {
			n->load_asked = true;
			n->have = f.zxid;
		} else if (f.type == MSG_PROPOSE) {
			take_proposal(&f);
		} else if (n == leader && (f.type == MSG_SYNC || f.type == MSG_REVALIDATE)) {
			take_answer(&f);
		} else if (f.type == MSG_DROP) {
			free_ask(consume(f.seq));
		} else if (f.type != MSG_ROLE_ACK && f.type != MSG_READY) {
			f.zxid = n->origin;
			frame_put(&n->out, &f);
		}
		buf_consume(&n->w.frames, (size_t)size);
	}
	ck_assert_msg(n->w.link_bad == NULL, "link ended: %s", n->w.link_bad);
}

static void
run_node(struct node *n)
{
	world_run(&n->w);
	take_said(n);
}

static void
commit_one(void)
{
	if (committed == proposed)
		return;
	committed++;
	for (int i = 0; i < NODES; i++) {
		bool with_body = i > 0 && committed > nodes[i].role_proposed;

		to_clientd(&nodes[i], MSG_COMMIT, 0, committed,
			   with_body ? log_frame(committed).body : SLICE_NULL);
	}
	flush_answers();
}

static bool
deliver(struct node *n)
{
	struct frame f;
	int64_t size = frame_parse(buf_slice(&n->in), &f);

	if (size <= 0)
		return false;
	world_frame(&n->w, f.type, f.seq, f.zxid, f.body);
	buf_consume(&n->in, (size_t)size);
	run_node(n);
	give_all();
	return true;
}

static bool
deliver_out(struct node *n)
{
	struct frame f;
	int64_t size = frame_parse(buf_slice(&n->out), &f);

	if (size <= 0)
		return false;
	take_ask(n, &f);
	buf_consume(&n->out, (size_t)size);
	return true;
}

/* ---- Roles and loads ---- */

static void
begin_role(struct node *n)
{
	Zkd__Role role = ZKD__ROLE__INIT;

	role.state = n == leader      ? ZKD__ROLE_STATE__ROLE_LEADER
		     : n == &nodes[1] ? ZKD__ROLE_STATE__ROLE_FOLLOWER
				      : ZKD__ROLE_STATE__ROLE_OBSERVER;
	role.epoch = EPOCH;
	role.proposed = proposed == BASE ? 0 : proposed;
	role.committed = committed == BASE ? 0 : committed;
	role.sid = (uint64_t)(n - nodes) + 1;
	role.window_txns = 8;
	n->role_proposed = proposed;
	n->origin = ++origins;
	buf_reset(&n->in, 1 << 16);
	world_role_of(&n->w, &role);
	run_node(n);
}

/* Its log may have grown since the role began. */
static void
load(struct node *n)
{
	uint64_t end = n->role_proposed + pick((uint32_t)(proposed - n->role_proposed) + 1);

	n->load_asked = false;
	world_frame(&n->w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	for (uint64_t z = n->have < BASE ? BASE + 1 : n->have + 1; z <= end; z++)
		world_bulk(&n->w, MSG_BULK_TXN, z, log_frame(z).body);
	world_bulk(&n->w, MSG_BULK_END, end == BASE ? 0 : end, SLICE_NULL);
	run_node(n);
	give_all();
}

static void
open_node(struct node *n)
{
	struct front_config fc;
	uint64_t now_ms = n->w.now_ms;
	int64_t wall_ms = n->w.wall_ms;

	world_config(&n->w, &fc);
	fc.min_session_ms = 1000;
	fc.tick_ms = 500;
	n->w.keep_frames = true;
	n->w.unchecked = true;
	if (now_ms != 0) {
		n->w.now_ms = now_ms;
		/* A process takes longer to start. */
		n->w.wall_ms = wall_ms + 1;
	}
	world_open(&n->w, &fc);
	world_link_up(&n->w);
}

/* A learner has lost its leader: what it had asked may have left or not. */
static void
lose_leader(struct node *n)
{
	Zkd__Role looking = ZKD__ROLE__INIT;

	world_role_of(&n->w, &looking);
	run_node(n);
	if (pick(2) == 0)
		buf_reset(&n->out, 0);
	n->load_asked = false;
	begin_role(n);
}

static void hang_up_users_of(struct node *n);

/* The leader's clientd dies: its successor gets what was not consumed again. */
static void
lose_clientd(struct node *n)
{
	hang_up_users_of(n);
	world_close(&n->w);
	open_node(n);
	n->load_asked = false;
	if (n != leader)
		buf_reset(&n->out, 0);
	if (n == leader) {
		given = consumed = 0;
		list_for_each (e, &unconsumed)
			container_of(e, struct ask, link)->given = false;
	}
	begin_role(n);
}

/* ---- Clients ---- */

enum expect_kind {
	EXPECT_STATUS,
	EXPECT_DATA,
	EXPECT_STATE,
	EXPECT_SHARED,
	EXPECT_SYNC,
	EXPECT_MARK,
	EXPECT_CLOSE,
};

struct expect {
	enum expect_kind kind;
	int32_t xid, err;
	uint32_t value;
	uint64_t least; /* zxid that the reply must have reached */
};

struct user {
	int at; /* its node */
	struct world_client *c, *zombie;
	int zombie_at;
	int64_t session;
	uint64_t seen;
	int32_t xid;
	bool opening, known;    /* known: the state of its node is */
	bool leaving;           /* has said closeSession, perhaps on a connection that is gone */
	bool there;             /* its node, when all that was asked is done */
	uint32_t value, values; /* in the node; the newest ever written */
	uint32_t marks;
	int32_t version;
	uint64_t shared_mzxid; /* of the read that left a watch; 0: no watch is left */
	uint64_t heard_ms;
	char path[16];
	struct expect expect[EXPECTED];
	uint32_t nexpect;
	struct buf say;
	uint32_t replies;
};

static struct user users[USERS];
static uint64_t told; /* newest zxid that any client has heard of */

static void
forget_connection(struct user *u)
{
	u->c = NULL;
	u->opening = u->known = false;
	u->nexpect = 0;
	u->shared_mzxid = 0;
	buf_reset(&u->say, 0);
}

static void
hang_up(struct user *u)
{
	if (u->c != NULL && !u->c->closed)
		world_hangup(&nodes[u->at].w, u->c);
	if (u->c != NULL)
		u->c->spare = true;
	forget_connection(u);
}

static void
drop_zombie(struct user *u)
{
	if (u->zombie != NULL && !u->zombie->closed)
		world_hangup(&nodes[u->zombie_at].w, u->zombie);
	if (u->zombie != NULL)
		u->zombie->spare = true;
	u->zombie = NULL;
}

static void
hang_up_users_of(struct node *n)
{
	for (int i = 0; i < USERS; i++) {
		if (&nodes[users[i].at] == n)
			hang_up(&users[i]);
		if (&nodes[users[i].zombie_at] == n)
			drop_zombie(&users[i]);
	}
}

static void
expect(struct user *u, enum expect_kind kind, int32_t err, uint32_t value)
{
	ck_assert_uint_lt(u->nexpect, EXPECTED);
	u->expect[u->nexpect++] = (struct expect){ kind, u->xid, err, value, told };
}

static void
dial(struct user *u)
{
	uint8_t passwd[PASSWD_BYTES] = { 0 };

	if (u->session != 0)
		passwd_derive(u->session, passwd);
	u->at = (int)pick(NODES);
	u->c = world_connect(&nodes[u->at].w);
	u->xid = 0;
	u->opening = true;
	put_connect(&u->say, (int64_t)u->seen, TIMEOUT_MS, u->session, passwd, true);
}

static void
do_sync(struct user *u)
{
	put_path(&u->say, u->xid, ZK_OP_SYNC, "/", false);
	expect(u, EXPECT_SYNC, ZK_OK, 0);
}

/* A node that nobody else makes: its reply names it. */
static void
do_mark(struct user *u)
{
	struct jute_create_request rq = { .acl = { &open_acl, 1 }, .flags = 1 };
	size_t at = begin_request(&u->say, u->xid, ZK_OP_CREATE);
	char path[32];

	rq.path = slice_of(path, (size_t)snprintf(path, sizeof path, "%s-%08u", u->path, ++u->marks));
	jute_write_create_request(&u->say, &rq);
	end(&u->say, at);
	expect(u, EXPECT_MARK, ZK_OK, u->marks);
}

/*
 * Who comes back counts its requests anew, and at once asks what it may have asked before. Then it reads its own node,
 * behind all that it ever wrote.
 */
static void
look(struct user *u)
{
	u->xid++;
	do_mark(u);
	u->xid++;
	do_sync(u);
	put_path(&u->say, ++u->xid, ZK_OP_GET_DATA, u->path, false);
	expect(u, EXPECT_STATE, 0, 0);
}

static void
put_value(struct buf *b, int32_t xid, const char *path, uint32_t value, int32_t version)
{
	uint8_t data[4];
	struct jute_set_data_request rq = { slice_str(path), slice_of(data, 4), version };
	size_t at = begin_request(b, xid, ZK_OP_SET_DATA);

	put_be32(data, value);
	jute_write_set_data_request(b, &rq);
	end(b, at);
}

static void
do_create(struct user *u)
{
	struct jute_create_request rq = {
		.path = slice_str(u->path),
		.data = SLICE_LIT("\0\0\0\0"),
		.acl = { &open_acl, 1 },
		.flags = (int32_t)pick(2),
	};
	size_t at = begin_request(&u->say, u->xid, ZK_OP_CREATE);

	jute_write_create_request(&u->say, &rq);
	end(&u->say, at);
	expect(u, EXPECT_STATUS, u->there ? ZK_NODEEXISTS : ZK_OK, 0);
	if (u->there)
		return;
	u->there = true;
	u->value = u->version = 0;
}

static void
do_set(struct user *u)
{
	bool wrong = pick(3) == 0;
	enum zk_error err = !u->there ? ZK_NONODE : wrong ? ZK_BADVERSION : ZK_OK;

	put_value(&u->say, u->xid, u->path, ++u->values, wrong ? u->version + 1 : u->version);
	expect(u, EXPECT_STATUS, err, 0);
	if (err != ZK_OK)
		return;
	u->value = u->values;
	u->version++;
}

static void
do_delete(struct user *u)
{
	put_delete(&u->say, u->xid, u->path);
	expect(u, EXPECT_STATUS, u->there ? ZK_OK : ZK_NONODE, 0);
	u->there = false;
}

static void
do_get(struct user *u)
{
	put_path(&u->say, u->xid, ZK_OP_GET_DATA, u->path, false);
	expect(u, EXPECT_DATA, u->there ? ZK_OK : ZK_NONODE, u->value);
}

static void
do_ping(struct user *u)
{
	put_plain(&u->say, -2, ZK_OP_PING);
	u->xid--;
}

static void
do_set_shared(struct user *u)
{
	put_value(&u->say, u->xid, "/zookeeper/quota", u->xid == 0 ? 1 : 2, -1);
	expect(u, EXPECT_STATUS, ZK_OK, 0);
}

static void
do_get_shared(struct user *u)
{
	put_path(&u->say, u->xid, ZK_OP_GET_DATA, "/zookeeper/quota", true);
	expect(u, EXPECT_SHARED, ZK_OK, 0);
}

static void
do_close(struct user *u)
{
	u->leaving = true;
	put_plain(&u->say, u->xid, ZK_OP_CLOSE_SESSION);
	expect(u, EXPECT_CLOSE, ZK_OK, 0);
}

static void (*const doings[])(struct user *u) = {
	do_mark, do_create, do_set,  do_set,  do_set,        do_delete,     do_get,        do_get,
	do_get,  do_sync,   do_ping, do_ping, do_set_shared, do_get_shared, do_get_shared,
};

static void
ask_something(struct user *u)
{
	/* Nothing is said after closeSession. */
	if (u->nexpect > 0 && u->expect[u->nexpect - 1].kind == EXPECT_CLOSE)
		return;
	u->xid++;
	if (pick(150) == 0)
		do_close(u);
	else
		doings[pick(sizeof doings / sizeof doings[0])](u);
}

/* ---- What they hear ---- */

static void
hear_opened(struct user *u)
{
	struct jute_connect_response r;
	uint64_t now_ms = nodes[u->at].w.now_ms;

	arena_reset(&arena);
	r = hear_connect(u->c);
	u->opening = false;
	if (r.session_id == 0) {
		/* A session may expire only while nothing was heard of its client. */
		ck_assert_msg(u->leaving || now_ms - u->heard_ms > TIMEOUT_MS - ON_THE_WAY_MS,
			      "session 0x%llx refused after %llu ms", (unsigned long long)u->session,
			      (unsigned long long)(now_ms - u->heard_ms));
		u->session = 0;
		u->seen = 0;
		u->leaving = false;
		hang_up(u);
		return;
	}
	ck_assert(u->session == 0 || u->session == r.session_id);
	u->session = r.session_id;
	u->heard_ms = now_ms;
	look(u);
}

static void
check_mark(const struct expect *x, const struct reply *r)
{
	char number[16];

	snprintf(number, sizeof number, "-%08u", x->value);
	ck_assert_msg(r->err == ZK_OK && r->body.len == 4 + 3 + 9, "mark %s: error %d", number, r->err);
	ck_assert_int_eq(memcmp(r->body.data + 7, number, 9), 0);
}

static void
learn_state(struct user *u, const struct reply *r)
{
	struct jute_reader reader;
	struct jute_stat st;

	ck_assert(r->err == ZK_OK || r->err == ZK_NONODE);
	u->known = true;
	u->there = r->err == ZK_OK;
	if (!u->there)
		return;
	u->value = get_be32(r->body.data + 4);
	ck_assert_uint_le(u->value, u->values);
	jute_reader_init(&reader, slice_of(r->body.data + 8, r->body.len - 8), UINT32_MAX);
	ck_assert(jute_read_stat(&reader, &arena, &st));
	u->version = st.version;
}

/* A change is not seen before the event that tells of it. */
static void
check_shared(struct user *u, const struct reply *r)
{
	struct jute_reader reader;
	struct jute_stat st;
	struct slice data;

	ck_assert_int_eq(r->err, ZK_OK);
	jute_reader_init(&reader, r->body, UINT32_MAX);
	data = jute_read_buffer(&reader);
	(void)data;
	ck_assert(jute_read_stat(&reader, &arena, &st));
	ck_assert(u->shared_mzxid == 0 || u->shared_mzxid == (uint64_t)st.mzxid + 1);
	u->shared_mzxid = (uint64_t)st.mzxid + 1;
}

static void
check_reply(struct user *u, const struct expect *x, const struct reply *r)
{
	ck_assert_int_eq(r->xid, x->xid);
	if (x->kind == EXPECT_STATE) {
		learn_state(u, r);
		return;
	}
	if (x->kind == EXPECT_SHARED) {
		check_shared(u, r);
		return;
	}
	ck_assert_msg(r->err == x->err, "xid %d of %s: error %d instead of %d", x->xid, u->path, r->err,
		      x->err);
	if (x->kind == EXPECT_DATA && r->err == ZK_OK)
		ck_assert_uint_eq(get_be32(r->body.data + 4), x->value);
	if (x->kind == EXPECT_MARK)
		check_mark(x, r);
	if (x->kind == EXPECT_SYNC)
		ck_assert_uint_ge(r->zxid, x->least);
}

static void
hear_reply(struct user *u)
{
	struct reply r = hear(u->c);
	struct expect x;

	arena_reset(&arena);
	if (r.xid == -1) {
		ck_assert_uint_ne(u->shared_mzxid, 0);
		u->shared_mzxid = 0;
		return;
	}
	ck_assert_msg(r.zxid >= u->seen, "zxid goes back");
	u->seen = r.zxid;
	told = r.zxid > told ? r.zxid : told;
	if (r.xid == -2)
		return;
	ck_assert_uint_gt(u->nexpect, 0);
	x = u->expect[0];
	memmove(u->expect, u->expect + 1, --u->nexpect * sizeof x);
	u->replies++;
	check_reply(u, &x, &r);
	if (x.kind == EXPECT_CLOSE) {
		u->session = 0;
		u->seen = 0;
		u->leaving = false;
		hang_up(u);
	}
}

static void
hear_all(struct user *u)
{
	while (u->c != NULL && buf_len(&u->c->got) > 0)
		if (u->opening)
			hear_opened(u);
		else
			hear_reply(u);
	if (u->c != NULL && u->c->closed)
		hang_up(u);
}

/* Says the next frame that is to be said, if it is listened to. */
static void
say(struct user *u)
{
	size_t n;

	if (buf_len(&u->say) == 0 || !u->c->reads)
		return;
	n = 4 + get_be32(buf_head(&u->say));
	if (!u->opening)
		u->heard_ms = nodes[u->at].w.now_ms;
	world_input(&nodes[u->at].w, u->c, slice_of(buf_head(&u->say), n));
	buf_consume(&u->say, n);
	run_node(&nodes[u->at]);
}

static void
step_user(struct user *u)
{
	hear_all(u);
	if (u->zombie != NULL && (u->zombie->closed || pick(30) == 0))
		drop_zombie(u);
	if (u->c == NULL) {
		dial(u);
	} else if (pick(120) == 0) {
		hang_up(u);
	} else if (pick(150) == 0 && u->zombie == NULL && !u->opening && u->c->reads) {
		/* It goes elsewhere; what it had said may still be read on the old connection. */
		if (buf_len(&u->say) > 0)
			say(u);
		if (u->c != NULL && !u->c->closed) {
			u->zombie = u->c;
			u->zombie_at = u->at;
		}
		forget_connection(u);
	} else {
		if (u->known && u->nexpect < EXPECTED - 2)
			ask_something(u);
		say(u);
	}
}

/* ---- The whole ---- */

static void
pass_time(uint32_t ms)
{
	for (int i = 0; i < NODES; i++) {
		world_sleep(&nodes[i].w, ms);
		take_said(&nodes[i]);
	}
}

static void
step_world(void)
{
	struct node *n = &nodes[pick(NODES)];

	switch (pick(8)) {
	case 0:
	case 1:
		commit_one();
		break;
	case 2:
	case 3:
		deliver(n);
		break;
	case 4:
	case 5:
		deliver_out(&nodes[1 + pick(NODES - 1)]);
		break;
	case 6:
		if (n->load_asked)
			load(n);
		break;
	default:
		if (pick(8) == 0)
			pass_time(pick(100));
		break;
	}
	if (pick(4000) == 0)
		lose_leader(&nodes[1 + pick(NODES - 1)]);
	if (pick(6000) == 0)
		lose_clientd(n);
}

/* Everything that is on its way arrives. */
static void
settle(void)
{
	bool more = true;

	while (more) {
		more = false;
		for (int i = 0; i < NODES; i++) {
			if (nodes[i].load_asked) {
				load(&nodes[i]);
				more = true;
			}
			more = deliver(&nodes[i]) || more;
			more = (i > 0 && deliver_out(&nodes[i])) || more;
		}
		more = committed < proposed || more;
		commit_one();
		for (int i = 0; i < USERS; i++) {
			hear_all(&users[i]);
			if (users[i].c != NULL && buf_len(&users[i].say) > 0 && users[i].c->reads) {
				say(&users[i]);
				more = true;
			}
		}
	}
}

static void
check_same(void)
{
	struct front_facts first, other;

	front_facts(leader->w.front, &first);
	ck_assert_uint_eq(first.applied_zxid, proposed);
	for (int i = 0; i < NODES; i++) {
		front_facts(nodes[i].w.front, &other);
		ck_assert(other.serving);
		ck_assert_uint_eq(other.outstanding, 0);
		ck_assert_uint_eq(other.digest_mismatches, 0);
		ck_assert_uint_eq(other.applied_zxid, first.applied_zxid);
		ck_assert_uint_eq(other.znodes, first.znodes);
		ck_assert_uint_eq(other.sessions, first.sessions);
		ck_assert_uint_eq(other.ephemerals, first.ephemerals);
		ck_assert(tree_digest(nodes[i].w.front->tree) == tree_digest(leader->w.front->tree));
		ck_assert(tree_check(nodes[i].w.front->tree));
		ck_assert_uint_eq(nodes[i].w.front->learner.nasked, 0);
		ck_assert_uint_eq(nodes[i].w.front->learner.asked_bytes, 0);
		ck_assert(list_empty(&nodes[i].w.front->learner.questions));
		ck_assert_uint_eq(nodes[i].w.front->learner.gone.count, 0);
	}
}

static void
begin_all(uint64_t seed)
{
	chance = seed * 2654435761u + 12345;
	list_init(&unconsumed);
	list_init(&answered);
	buf_init(&txns, 64 << 20);
	proposed = committed = BASE;
	given = consumed = told = 0;
	for (int i = 0; i < NODES; i++) {
		nodes[i] = (struct node){ 0 };
		buf_init(&nodes[i].in, 64 << 20);
		buf_init(&nodes[i].out, 64 << 20);
		open_node(&nodes[i]);
		begin_role(&nodes[i]);
	}
	for (int i = 0; i < USERS; i++) {
		users[i] = (struct user){ 0 };
		snprintf(users[i].path, sizeof users[i].path, "/u%d", i);
		buf_init(&users[i].say, 1 << 20);
	}
}

static void
end_all(void)
{
	for (int i = 0; i < USERS; i++)
		buf_free(&users[i].say);
	while (!list_empty(&unconsumed))
		free_ask(container_of(list_first(&unconsumed), struct ask, link));
	while (!list_empty(&answered))
		free_ask(container_of(list_first(&answered), struct ask, link));
	for (int i = 0; i < NODES; i++) {
		world_close(&nodes[i].w);
		buf_free(&nodes[i].in);
		buf_free(&nodes[i].out);
	}
	buf_free(&txns);
}

static void
first_and_last(int *from, int *to)
{
	const char *seeds = getenv("FRONT_PAIR_SEEDS");

	*from = 0;
	*to = 30;
	if (seeds != NULL && sscanf(seeds, "%d-%d", from, to) != 2)
		exit(2);
}

START_TEST(test_interleavings)
{
	uint32_t replies = 0;

	begin_all((uint64_t)_i);
	for (int i = 0; i < STEPS; i++) {
		for (int k = 0; k < 3; k++)
			step_world();
		step_user(&users[pick(USERS)]);
	}
	for (int i = 0; i < USERS; i++)
		drop_zombie(&users[i]);
	settle();
	for (int i = 0; i < USERS; i++) {
		ck_assert_msg(users[i].nexpect == 0, "user %d waits for ever", i);
		replies += users[i].replies;
	}
	check_same();
	/* The test is of use only while things happen. */
	ck_assert_uint_gt(replies, 500);
	end_all();
}
END_TEST

static void
add_tests(TCase *t)
{
	int from, to;

	first_and_last(&from, &to);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_interleavings, from, to);
}

/* Not front_main: the fronts here are the test's own. */
static void
setup(void)
{
	arena_init(&arena, 64 << 20);
}

static void
teardown(void)
{
	arena_free(&arena);
}

int
main(void)
{
	Suite *s = suite_create("front pair");
	TCase *t = tcase_create("front pair");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	add_tests(t);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
