/*
 * Many election cores joined by queues: delays, lost connections, crashes, restarts and one-way partitions, all drawn
 * from a seed, over a virtual clock. A fake syncd at each node lets a leader with a quorum of followers begin an epoch
 * and append, and looks again where a leader or its quorum is missed.
 *
 * The judge knows nothing of the core but what it says: it has an order of its own (ahead), keeps what each node was told
 * when it had to look (its claims), and reads every notification that is sent.
 *
 * Checked at each notification of a node that looks: what it votes for is the claim with which that server voted for
 * itself in this round; it is not behind the node's own claim, nor behind what it heard in this round; within a round a
 * node only ever changes to what is ahead; its round never falls.
 * Checked at each result: whom it elects leads already, or a quorum did vote so in that round, and its claim is the
 * foremost of a quorum; the vote is that claim; in one round no two leaders have a quorum that settled on them. Checked
 * after the faults: all follow one leader within bounded time; and, where there are no faults but dead servers, without
 * finalizeWait.
 *
 * Set ELECTION_SEED to run one seed, with a line for each decision of a core.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "electiond/election.h"

enum {
	NODES_MAX = 7,
	ITEMS_MAX = 256, /* in a channel */
	ROUNDS = 512,
	CLAIMS_MAX = 1024,
	OWN_MAX = 8, /* restarts within a round */
	FAULT_MS = 4000,
	HEAL_MS = 15000,
	ROLE_CHECK_MS = 20,
	ROLE_PATIENCE_MS = 300,
	LOST_MS = 500,
	SEEDS = 3000,
	QUICK_SEEDS = 1500,
	QUICK_MS = 100, /* of ten hops of at most 10 ms; half of finalizeWait */
};

enum item_type { DIAL, NEWS, NOTIFY };

/* What travels from one node to another; conn is the connection it belongs to. */
struct item {
	enum item_type type;
	enum election_event_type news;
	uint64_t due_ms, conn;
	struct vote vote;
};

struct channel {
	struct item items[ITEMS_MAX];
	size_t head, count;
	uint64_t last_ms;
	bool blocked;
};

/* What a server has: it is the better leader the further ahead it is. */
struct claim {
	int64_t epoch, zxid;
	int sid;
};

struct node {
	struct trace trace;
	bool up, synced, established, closes; /* closes: accepts and hangs up */
	bool led;                             /* ever */
	struct election e;
	int64_t zxid, epoch;
	struct claim claims[CLAIMS_MAX]; /* of each time it had to look */
	int nclaims;
	int64_t said_round; /* of what it said last, since it looks */
	struct claim said;
	int64_t heard_round; /* the foremost that it heard while it looks */
	struct claim heard;
	uint64_t good_ms;         /* when its role was last seen to be well */
	uint64_t conn[NODES_MAX]; /* as it knows them */
};

/* What was ever true of a round; only for checks. A bit for each node. */
struct history {
	uint8_t held[NODES_MAX];    /* nodes that proposed or settled on this leader */
	uint8_t settled[NODES_MAX]; /* nodes that settled on it, since their last start */
	uint8_t followed
	    [NODES_MAX]; /* nodes that ever settled on it: what they said then may still be under way */
	struct claim own[NODES_MAX][OWN_MAX]; /* with which a node voted for itself */
	int nown[NODES_MAX];
	bool began[NODES_MAX];
	struct claim least[NODES_MAX]; /* the least that a node began this round with */
};

static struct node nodes[NODES_MAX];
static struct channel channels[NODES_MAX][NODES_MAX];
static uint64_t conns[NODES_MAX][NODES_MAX]; /* [smaller][larger]; 0: none */
static struct history history[ROUNDS];
static struct election_members members;
static int n;
static uint64_t now, random_state, next_conn, seed;
static unsigned results;
static bool calm; /* nothing is lost without a word */

static void
print_trace(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	const struct node *x = container_of(t, struct node, trace);

	(void)level;
	(void)room;
	printf("%6llu node %d %-8s %s\n", (unsigned long long)now, (int)(x - nodes), event, text);
}

static uint64_t
draw(uint64_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % below;
}

static uint64_t *
conn_of(int a, int b)
{
	return a < b ? &conns[a][b] : &conns[b][a];
}

/* More than half of all, counted by the judge itself. */
static bool
enough(uint8_t bits)
{
	return 2 * __builtin_popcount(bits) > n;
}

static void
push(int from, int to, struct item item, uint64_t delay)
{
	struct channel *c = &channels[from][to];

	ck_assert_msg(c->count < ITEMS_MAX, "seed %llu: channel %d-%d is full", (unsigned long long)seed,
		      from, to);
	item.due_ms = now + delay < c->last_ms ? c->last_ms : now + delay;
	c->last_ms = item.due_ms;
	c->items[(c->head + c->count++) % ITEMS_MAX] = item;
}

static void
push_news(int from, int to, enum election_event_type news, uint64_t conn)
{
	push(from, to, (struct item){ .type = NEWS, .news = news, .conn = conn }, 1 + draw(10));
}

static void step(int i, struct election_event ev);

/* Checks */

static struct history *
round_of(int64_t round)
{
	ck_assert_msg(round > 0 && round < ROUNDS, "seed %llu: round %lld", (unsigned long long)seed,
		      (long long)round);
	return &history[round];
}

static void
check_one_leader(const struct history *h)
{
	int leaders = 0;

	for (int l = 0; l < n; l++)
		leaders += enough(h->settled[l]);
	ck_assert_msg(leaders <= 1, "seed %llu: %d leaders in one round", (unsigned long long)seed, leaders);
}

/* The order of ZooKeeper's manual, written down once more: the epoch counts first, then the zxid, then the server. */
static int
ahead(const struct claim *a, const struct claim *b)
{
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch ? 1 : -1;
	if (a->zxid != b->zxid)
		return a->zxid > b->zxid ? 1 : -1;
	return a->sid - b->sid;
}

static struct claim
claim_of(const struct vote *v)
{
	return (struct claim){ .epoch = v->epoch, .zxid = v->zxid, .sid = (int)v->leader };
}

static const struct claim *
own_claim(int i)
{
	return &nodes[i].claims[nodes[i].nclaims - 1];
}

static bool
was_claimed(const struct claim *c)
{
	ck_assert_msg(c->sid >= 0 && c->sid < n, "seed %llu: a vote for %d", (unsigned long long)seed,
		      c->sid);
	for (int k = 0; k < nodes[c->sid].nclaims; k++)
		if (ahead(&nodes[c->sid].claims[k], c) == 0)
			return true;
	return false;
}

static void
note_beginning(int i, struct history *h)
{
	const struct claim *own = own_claim(i);

	if (!h->began[i] || ahead(&h->least[i], own) > 0)
		h->least[i] = *own;
	h->began[i] = true;
}

/* Whether the server voted for itself so in the round; i, who says it, may be that server. */
static bool
was_proposed(int i, struct history *h, const struct claim *c)
{
	int *count = &h->nown[c->sid];

	for (int k = 0; k < *count; k++)
		if (ahead(&h->own[c->sid][k], c) == 0)
			return true;
	if (c->sid != i)
		return false;
	ck_assert_int_lt(*count, OWN_MAX);
	h->own[i][(*count)++] = *c;
	return true;
}

/* Node i, which looks, votes so. */
static void
check_vote(int i, const struct vote *v)
{
	struct node *x = &nodes[i];
	struct claim c = claim_of(v);
	struct history *h = round_of(v->round);

	ck_assert_msg(was_claimed(&c), "seed %llu: node %d votes for what %d never had",
		      (unsigned long long)seed, i, c.sid);
	ck_assert_msg(was_proposed(i, h, &c), "seed %llu: node %d votes for %d, which does not itself",
		      (unsigned long long)seed, i, c.sid);
	ck_assert_msg(v->round != x->heard_round || ahead(&c, &x->heard) >= 0,
		      "seed %llu: node %d votes for less than it heard", (unsigned long long)seed, i);
	ck_assert_msg(ahead(&c, own_claim(i)) >= 0, "seed %llu: node %d votes for less than it has itself",
		      (unsigned long long)seed, i);
	ck_assert_msg(v->round >= x->said_round, "seed %llu: the round of node %d falls",
		      (unsigned long long)seed, i);
	ck_assert_msg(v->round > x->said_round || ahead(&c, &x->said) >= 0,
		      "seed %llu: node %d changes to less within a round", (unsigned long long)seed, i);
	x->said_round = v->round;
	x->said = c;
	h->held[v->leader] |= (uint8_t)(1u << i);
	note_beginning(i, h);
}

/* The nodes that began the round with nothing ahead of c, but for their names. */
static uint8_t
not_ahead(const struct history *h, struct claim c)
{
	uint8_t bits = 0;

	c.sid = n;
	for (int k = 0; k < n; k++)
		if (h->began[k] && ahead(&c, &h->least[k]) > 0)
			bits |= (uint8_t)(1u << k);
	return bits;
}

/* Elected by votes: it is not one that leads already and was only joined. */
static void
check_election(int i, struct history *h, const struct vote *v)
{
	struct claim c = claim_of(v);

	/* It may have joined the round in this very step. */
	h->held[v->leader] |= (uint8_t)(1u << i);
	note_beginning(i, h);
	ck_assert_msg(was_claimed(&c), "seed %llu: node %d settled on what %d never had",
		      (unsigned long long)seed, i, c.sid);
	ck_assert_msg(enough(h->held[v->leader]), "seed %llu: node %d settled on %lld without a quorum",
		      (unsigned long long)seed, i, (long long)v->leader);
	ck_assert_msg(enough(not_ahead(h, c)), "seed %llu: node %d elected one with less than a quorum has",
		      (unsigned long long)seed, i);
}

static void
check_result(int i, const struct vote *v)
{
	struct history *h = round_of(v->round);
	uint8_t others = h->followed[v->leader];

	results++;
	ck_assert_msg((v->state == VOTE_LEADING) == (v->leader == i), "seed %llu: node %d has the wrong part",
		      (unsigned long long)seed, i);
	/* Joined, not elected: one that said that it leads, or this one again, by those who followed it. */
	if (v->leader == i ? !enough(others | (uint8_t)(1u << i)) : !nodes[v->leader].led)
		check_election(i, h, v);
	if (v->leader == i)
		nodes[i].led = true;
	h->followed[v->leader] |= (uint8_t)(1u << i);
	for (int64_t r = v->round + 1; r < ROUNDS; r++)
		for (int l = 0; l < n; l++)
			history[r].settled[l] &= (uint8_t) ~(1u << i);
	h->settled[v->leader] |= (uint8_t)(1u << i);
	check_one_leader(h);
}

/* The network */

static void
do_action(int i, const struct election_action *a)
{
	struct node *x = &nodes[i];
	int to = (int)a->peer;

	switch (a->type) {
	case ELECTION_SEND:
		if (a->notification.vote.state == VOTE_LOOKING)
			check_vote(i, &a->notification.vote);
		push(i, to,
		     (struct item){ .type = NOTIFY, .conn = x->conn[to], .vote = a->notification.vote },
		     1 + draw(10));
		break;
	case ELECTION_CONNECT:
		if (a->replace && x->conn[to] == *conn_of(i, to)) {
			*conn_of(i, to) = 0;
			push_news(i, to, ELECTION_CLOSED, x->conn[to]);
		}
		if (a->replace)
			x->conn[to] = 0;
		push(i, to, (struct item){ .type = DIAL }, 1 + draw(10));
		break;
	case ELECTION_RESULT:
		x->good_ms = now;
		x->synced = x->established = false;
		check_result(i, &a->vote);
		break;
	case ELECTION_DOUBT:
		break; /* its syncd has patience, but not much */
	case ELECTION_NEWER_CONFIG:
		ck_abort_msg("no configuration is newer");
	}
}

static void
step(int i, struct election_event ev)
{
	struct election_action todo[64];
	size_t count;

	ev.now_ms = now;
	election_step(&nodes[i].e, &ev);
	const struct election_action *a = election_actions(&nodes[i].e, &count);
	ck_assert_uint_le(count, 64);
	memcpy(todo, a, count * sizeof *a);
	for (size_t k = 0; k < count; k++) {
		do_action(i, &todo[k]);
		/* nearly always the socket takes it at once */
		if (todo[k].type == ELECTION_SEND && draw(50) != 0)
			step(i, (struct election_event){ .type = ELECTION_DELIVERED, .peer = todo[k].peer });
	}
}

static void
arrive_dial(int from, int to)
{
	if (!nodes[to].up) {
		push_news(to, from, !calm && draw(10) == 0 ? ELECTION_LOST : ELECTION_REFUSED, 0);
		return;
	}
	/* the one with the larger sid dials */
	if (from < to) {
		if (!nodes[to].closes)
			push(to, from, (struct item){ .type = DIAL }, 1 + draw(10));
		return;
	}
	uint64_t conn = ++next_conn, old = nodes[to].conn[from];
	*conn_of(from, to) = nodes[to].closes ? 0 : conn;
	nodes[to].conn[from] = nodes[to].closes ? 0 : conn;
	push_news(to, from, ELECTION_CONNECTED, conn);
	if (nodes[to].closes) {
		push_news(to, from, ELECTION_CLOSED, conn);
		if (old != 0)
			step(to, (struct election_event){ .type = ELECTION_CLOSED, .peer = from });
		return;
	}
	step(to, (struct election_event){ .type = ELECTION_CONNECTED, .peer = from });
}

static void
arrive_news(int from, int to, const struct item *m)
{
	struct node *x = &nodes[to];

	if (!x->up)
		return;
	if (m->conn != 0 && m->news == ELECTION_CONNECTED)
		x->conn[from] = m->conn;
	else if (m->conn != x->conn[from])
		return; /* of a connection that was replaced */
	else if (m->conn != 0)
		x->conn[from] = 0;
	step(to, (struct election_event){ .type = m->news, .peer = from });
}

/* Node i, which looks, is told of a vote. */
static void
note_hearing(int i, const struct vote *v)
{
	struct node *x = &nodes[i];
	struct claim c = claim_of(v);

	if (x->e.phase != ELECTION_LOOKING || v->state != VOTE_LOOKING || v->round < x->heard_round)
		return;
	if (v->round > x->heard_round || ahead(&c, &x->heard) > 0)
		x->heard = c;
	x->heard_round = v->round;
}

static void
arrive(int from, int to)
{
	struct channel *c = &channels[from][to];
	struct item m = c->items[c->head];

	c->head = (c->head + 1) % ITEMS_MAX;
	c->count--;
	if (m.type == DIAL)
		arrive_dial(from, to);
	else if (m.type == NEWS)
		arrive_news(from, to, &m);
	else if (nodes[to].up && m.conn != 0 && m.conn == *conn_of(from, to) &&
		 m.conn == nodes[to].conn[from]) {
		note_hearing(to, &m.vote);
		step(to, (struct election_event){
			     .type = ELECTION_NOTIFICATION, .peer = from, .notification.vote = m.vote });
	}
}

/* Both ends hear of it, each after what was under way; what was under way is lost. */
static void
cut(int a, int b)
{
	uint64_t conn = *conn_of(a, b);

	if (conn == 0)
		return;
	*conn_of(a, b) = 0;
	push_news(a, b, draw(2) == 0 ? ELECTION_RESET : ELECTION_CLOSED, conn);
	push_news(b, a, draw(2) == 0 ? ELECTION_RESET : draw(2) == 0 ? ELECTION_LOST : ELECTION_CLOSED, conn);
}

/* Nodes */

static void
look(int i)
{
	struct node *x = &nodes[i];

	x->synced = x->established = false;
	ck_assert_int_lt(x->nclaims, CLAIMS_MAX);
	x->said_round = x->heard_round = 0; /* who joined a running ensemble took over its round */
	x->claims[x->nclaims++] = (struct claim){ .epoch = x->epoch, .zxid = x->zxid, .sid = i };
	step(i, (struct election_event){ .type = ELECTION_LOOK,
					 .vote = { .zxid = x->zxid, .epoch = x->epoch } });
}

static void
crash(int i)
{
	struct node *x = &nodes[i];

	if (!x->up)
		return;
	for (int k = 0; k < n; k++)
		if (k != i)
			cut(i, k);
	memset(x->conn, 0, sizeof x->conn);
	x->up = false;
	x->said_round = x->heard_round = 0;
	election_free(&x->e);
	for (int r = 0; r < ROUNDS; r++)
		for (int l = 0; l < n; l++)
			history[r].settled[l] &= (uint8_t) ~(1u << i);
}

static void
boot(int i)
{
	struct election_config config = {
		.sid = (uint8_t)i,
		.min_interval_ms = ELECTION_MIN_INTERVAL_MS,
		.max_interval_ms = ELECTION_MAX_INTERVAL_MS,
		.finalize_wait_ms = ELECTION_FINALIZE_WAIT_MS,
		.trace = getenv("ELECTION_SEED") == NULL ? NULL : &nodes[i].trace,
	};

	if (nodes[i].up)
		return;
	nodes[i].trace.emit = print_trace;
	nodes[i].up = true;
	election_init(&nodes[i].e, &config, &members);
	look(i);
}

/* The fake syncd */

static bool
follows(int f, int l)
{
	const struct node *x = &nodes[f], *y = &nodes[l];

	return x->up && y->up && x->e.phase == ELECTION_SETTLED && x->e.vote.leader == l &&
	       y->e.phase == ELECTION_SETTLED && y->e.vote.leader == l && !channels[f][l].blocked &&
	       !channels[l][f].blocked;
}

static void
set_epoch(int i, int64_t epoch)
{
	nodes[i].epoch = epoch;
	step(i, (struct election_event){ .type = ELECTION_EPOCH, .vote.epoch = epoch });
}

static void
lead(int l)
{
	struct node *y = &nodes[l];
	uint8_t with = 0;
	int64_t epoch = 0;

	for (int k = 0; k < n; k++)
		if (follows(k, l)) {
			with |= (uint8_t)(1u << k);
			epoch = nodes[k].epoch > epoch ? nodes[k].epoch : epoch;
		}
	if (!enough(with))
		return;
	y->good_ms = now;
	if (!y->established) {
		y->established = true;
		set_epoch(l, epoch + 1);
	}
	if (draw(4) == 0)
		y->zxid = y->zxid >> 32 == y->epoch ? y->zxid + 1 : (y->epoch << 32 | 1);
	for (int k = 0; k < n; k++)
		if (k != l && (with >> k & 1) != 0 && draw(3) != 0) {
			nodes[k].zxid = y->zxid;
			nodes[k].synced = true;
			if (nodes[k].epoch != y->epoch)
				set_epoch(k, y->epoch);
		}
}

static void
check_role(int i)
{
	struct node *x = &nodes[i];

	if (!x->up || x->e.phase != ELECTION_SETTLED)
		return;
	int l = (int)x->e.vote.leader;
	if (l == i)
		lead(i);
	else if (follows(i, l) && nodes[l].established)
		x->good_ms = now;
	if (now - x->good_ms > ROLE_PATIENCE_MS)
		look(i);
}

/* The world's clock */

static uint64_t
next_event(uint64_t limit, int *from, int *to, int *node)
{
	uint64_t best = limit;

	*from = *to = *node = -1;
	for (int a = 0; a < n; a++) {
		if (nodes[a].up && election_deadline(&nodes[a].e) < best) {
			best = election_deadline(&nodes[a].e);
			*node = a, *from = -1;
		}
		for (int b = 0; b < n; b++) {
			const struct channel *c = &channels[a][b];
			if (c->count > 0 && !c->blocked && c->items[c->head].due_ms < best) {
				best = c->items[c->head].due_ms;
				*from = a, *to = b, *node = -1;
			}
		}
	}
	return best;
}

/* Runs until `until`. */
static void
run(uint64_t until)
{
	int from, to, node;

	for (;;) {
		uint64_t t = next_event(until, &from, &to, &node);

		if (from < 0 && node < 0)
			break;
		now = t > now ? t : now;
		if (from >= 0)
			arrive(from, to);
		else
			step(node, (struct election_event){ .type = ELECTION_TICK });
	}
	now = until;
}

static void
run_roles(uint64_t until)
{
	while (now < until) {
		run(now + ROLE_CHECK_MS);
		for (int i = 0; i < n; i++)
			check_role(i);
	}
}

static void
begin(uint64_t s)
{
	static const int sizes[] = { 3, 5, 7 };

	for (int i = 0; i < NODES_MAX; i++)
		election_free(&nodes[i].e);
	memset(nodes, 0, sizeof nodes);
	for (int a = 0; a < NODES_MAX; a++)
		for (int b = 0; b < NODES_MAX; b++)
			channels[a][b] = (struct channel){ .head = 0 };
	memset(conns, 0, sizeof conns);
	memset(history, 0, sizeof history);
	seed = s;
	random_state = s * 2654435761u + 1;
	now = 1000;
	draw(2);
	n = sizes[s % 3];
	members = (struct election_members){ .text = SLICE_LIT("version=0") };
	quorum_init(&members.quorums.current, false);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(quorum_add(&members.quorums.current, (uint64_t)i, 0, 1), 0);
		nodes[i].epoch = (int64_t)draw(2);
		nodes[i].zxid = nodes[i].epoch << 32 | (int64_t)draw(4);
	}
}

static void
one_fault(void)
{
	int a = (int)draw((uint64_t)n), b = (int)draw((uint64_t)n);

	switch (draw(8)) {
	case 0:
		crash(a);
		break;
	case 1:
	case 2:
		boot(a);
		break;
	case 3:
		cut(a, b);
		break;
	case 4:
		channels[a][b].blocked = true; /* one way */
		break;
	case 5:
	case 6:
		channels[a][b].blocked = false;
		break;
	case 7:
		nodes[a].closes = !nodes[a].closes;
		break;
	}
}

static void
heal(void)
{
	for (int a = 0; a < n; a++) {
		nodes[a].closes = false;
		boot(a);
		for (int b = 0; b < n; b++)
			channels[a][b].blocked = false;
	}
}

/* The node that all follow, or -1. */
static int
common_leader(void)
{
	int l = nodes[0].up && nodes[0].e.phase == ELECTION_SETTLED ? (int)nodes[0].e.vote.leader : -1;

	for (int i = 0; i < n && l >= 0; i++)
		if (!follows(i, l))
			l = -1;
	return l >= 0 && nodes[l].established ? l : -1;
}

static void
chaos(uint64_t s)
{
	begin(s);
	calm = false;
	while (now < FAULT_MS) {
		one_fault();
		run_roles(now + ROLE_CHECK_MS * (1 + draw(8)));
	}
	heal();
	while (now < FAULT_MS + HEAL_MS && common_leader() < 0)
		run_roles(now + ROLE_CHECK_MS);
	ck_assert_msg(common_leader() >= 0, "seed %llu: %d nodes do not settle", (unsigned long long)s, n);
}

START_TEST(faults_then_one_leader)
{
	const char *one = getenv("ELECTION_SEED");
	uint64_t from = (uint64_t)_i * SEEDS / 10;

	if (one != NULL) {
		chaos(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t s = from; s < from + SEEDS / 10; s++)
		chaos(s);
	ck_assert_uint_gt(results, SEEDS / 10);
}
END_TEST

static void
check_quick(uint8_t dead)
{
	int best = -1;

	for (int i = 0; i < n; i++)
		if ((dead >> i & 1) == 0 && (best < 0 || ahead(own_claim(i), own_claim(best)) > 0))
			best = i;
	for (int i = 0; i < n; i++)
		if ((dead >> i & 1) == 0)
			ck_assert_msg(nodes[i].e.phase == ELECTION_SETTLED && nodes[i].e.vote.leader == best,
				      "seed %llu: node %d did not settle on %d without waiting",
				      (unsigned long long)seed, i, best);
}

/* A minority is dead from the start, the others start at nearly the same time. */
START_TEST(no_wait_where_all_that_live_have_voted)
{
	for (uint64_t s = 0; s < QUICK_SEEDS; s++) {
		uint8_t dead = 0;

		begin(s);
		calm = true;
		for (uint64_t k = draw((uint64_t)n / 2 + 1); k > 0; k--)
			dead |= (uint8_t)(1u << draw((uint64_t)n));
		for (int i = 0; i < n; i++)
			if ((dead >> i & 1) == 0) {
				boot(i);
				run(now + draw(3));
			}
		run(now + QUICK_MS);
		check_quick(dead);
	}
}
END_TEST

/* The leader dies, its followers notice one after the other: some still answer that they follow it. */
START_TEST(no_wait_after_a_leader_died)
{
	for (uint64_t s = 0; s < QUICK_SEEDS; s++) {
		begin(s);
		calm = true;
		for (int i = 0; i < n; i++)
			boot(i);
		while (now < HEAL_MS && common_leader() < 0)
			run_roles(now + ROLE_CHECK_MS);
		run_roles(now + 500);
		int l = common_leader();
		ck_assert_int_ge(l, 0);
		crash(l);
		for (int i = 0; i < n; i++)
			if (i != l) {
				run(now + draw(15));
				look(i);
			}
		run(now + QUICK_MS);
		check_quick((uint8_t)(1u << l));
	}
}
END_TEST

/* One of them hears and says nothing, and nobody knows whether it lives: it is waited for, but not for ever. */
START_TEST(a_silent_one_is_waited_for_once)
{
	for (uint64_t s = 0; s < QUICK_SEEDS; s++) {
		begin(s);
		calm = true;
		int silent = (int)draw((uint64_t)n);
		boot(silent);
		for (int k = 0; k < n; k++)
			channels[silent][k].blocked = true;
		for (int i = 0; i < n; i++)
			if (i != silent)
				boot(i);
		run(now + ELECTION_FINALIZE_WAIT_MS / 2);
		for (int i = 0; i < n; i++)
			ck_assert_msg(i == silent || nodes[i].e.phase == ELECTION_LOOKING,
				      "seed %llu: node %d did not wait", (unsigned long long)s, i);
		run(now + ELECTION_FINALIZE_WAIT_MS / 2 + QUICK_MS);
		check_quick((uint8_t)(1u << silent));
	}
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("nodes");
	Suite *s = suite_create("election of many");
	SRunner *r = srunner_create(s);

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, faults_then_one_leader, 0, 10);
	tcase_add_test(t, no_wait_where_all_that_live_have_voted);
	tcase_add_test(t, no_wait_after_a_leader_died);
	tcase_add_test(t, a_silent_one_is_waited_for_once);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
