/*
 * The zab core between a fake logd and a fake clientd, all of which die at random, each at any boundary between two
 * actions. A link is a FIFO; when a process dies an arbitrary prefix of what it had sent arrives, and what was sent
 * to it is lost. Connections wait in the listener's backlog for a sibling that is away, and a new syncd may dial before
 * a sibling has read all that the old one sent.
 *
 * Checked at each step: appends continue the log, no zxid has two values, nothing is committed that is not on disk,
 * clientd applies without a gap what the log holds, descriptors are neither lost nor used twice. After the faults stop:
 * clientd serves, a new write is acknowledged, and every write ever acknowledged is there.
 *
 * Set ZAB_CHAOS_SEEDS to see the seeds as they run; one seed is one course of events.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "syncd/zab.h"

enum {
	TXN_BYTES = 40,
	VALUE_AT = 32,
	LOG_MAX = 4096,
	QUEUE_MAX = 4096,
	CHANNELS_MAX = 1024,
	FAULT_STEPS = 600,
	HEAL_STEPS = 4000,
	SEEDS = 3000,
	SEEDS_PER_TEST = 100,
};

struct msg {
	uint16_t type, flags;
	uint64_t seq, zxid, value;
	int fd;
	struct zab_hello hello;
	struct zab_role_told role;
	struct zab_disk disk;
};

struct queue {
	size_t head, tail;
	struct msg *msgs;
};

/* syncd's link to one sibling. */
struct wire {
	bool dialled, accepted;
	bool eof; /* the sibling's end is closed: syncd hears of it after the last message */
	struct queue to_syncd, to_sibling;
	struct queue stale; /* sent by an older syncd, or over an older connection, and not read yet */
	bool stale_open;
};

/* What a load channel brings: the log from one zxid to another. */
struct channel {
	bool open, broken;
	uint64_t from, to;
};

static struct world {
	uint64_t random;
	uint64_t now_ms;
	bool faults;

	bool syncd_alive;
	struct zab zab;
	struct wire wires[2]; /* ZAB_LOGD, ZAB_CLIENTD */

	bool logd_alive, disk_failed;
	uint64_t log[LOG_MAX]; /* value of each zxid; [0] unused */
	uint64_t written, synced;

	bool clientd_alive, has_tree, serving, loading, told;
	uint64_t role_number, role_proposed, floor, applied, last, window;
	uint64_t pending; /* last zxid known to be in the log, to be applied when committed */
	bool leader;

	struct channel channels[CHANNELS_MAX];
	size_t nchannels;

	uint64_t acked;           /* highest zxid that a client was told of */
	uint64_t values[LOG_MAX]; /* as acknowledged */
	uint64_t next_value;
	unsigned commits, crashes, gaps;
} w;

static uint64_t
draw(uint64_t n)
{
	w.random ^= w.random << 13;
	w.random ^= w.random >> 7;
	w.random ^= w.random << 17;
	return (w.random >> 11) % n;
}

/* FIFOs */

static size_t
queue_len(const struct queue *q)
{
	return q->tail - q->head;
}

static void
queue_clear(struct queue *q)
{
	q->head = q->tail = 0;
}

static void
queue_put(struct queue *q, const struct msg *m)
{
	if (queue_len(q) == 0)
		queue_clear(q);
	ck_assert_uint_lt(q->tail, QUEUE_MAX);
	q->msgs[q->tail++] = *m;
}

static struct msg
queue_take(struct queue *q)
{
	return q->msgs[q->head++];
}

static void
lose_channels(const struct queue *q, size_t from)
{
	for (size_t i = from; i < q->tail; i++)
		if (q->msgs[i].fd >= 0)
			w.channels[q->msgs[i].fd].open = false;
}

static void
queue_lose(struct queue *q)
{
	lose_channels(q, q->head);
	queue_clear(q);
}

/* The sender died: what arrives is a prefix of what it had sent. */
static void
queue_cut(struct queue *q)
{
	size_t keep = q->head + draw(queue_len(q) + 1);

	lose_channels(q, keep);
	q->tail = keep;
}

static void
queue_move(struct queue *to, struct queue *from)
{
	struct queue t = *to;

	queue_lose(to);
	*to = *from;
	*from = t;
	queue_clear(from);
}

/* syncd's end of a connection is gone; the sibling may still read what had been sent. */
static void
syncd_end_gone(struct wire *l)
{
	if (l->accepted && !l->eof) {
		queue_move(&l->stale, &l->to_sibling);
		l->stale_open = true;
	}
	queue_lose(&l->to_sibling);
	queue_lose(&l->to_syncd);
	l->dialled = l->accepted = l->eof = false;
}

static void
sibling_end_gone(struct wire *l, bool died)
{
	queue_lose(&l->stale);
	l->stale_open = false;
	if (!l->dialled || !l->accepted)
		return;
	if (died)
		queue_cut(&l->to_syncd);
	queue_lose(&l->to_sibling);
	l->eof = true;
}

static void
reply(enum zab_link link, struct msg m)
{
	struct wire *l = &w.wires[link];

	if (l->dialled && l->accepted && !l->eof)
		queue_put(&l->to_syncd, &m);
	else if (m.fd >= 0)
		w.channels[m.fd].open = false;
}

/* syncd */

static void
start_syncd(void)
{
	struct zab_config c = {
		.sid = 1,
		.standalone = true,
		.window_txns = 16,
		.window_bytes = 16 * TXN_BYTES,
		.commit_log_count = draw(2) ? 0 : 8,
		.commit_log_bytes = 1 << 20,
		.role_base = (uint32_t)draw(1 << 30),
	};

	quorum_init(&c.quorums.current, false);
	quorum_add(&c.quorums.current, 1, 0, 1);
	zab_init(&w.zab, &c);
	w.syncd_alive = true;
}

static void
kill_syncd(void)
{
	if (!w.syncd_alive)
		return;
	for (int i = 0; i < 2; i++) {
		queue_cut(&w.wires[i].to_sibling);
		syncd_end_gone(&w.wires[i]);
	}
	zab_free(&w.zab);
	w.syncd_alive = false;
	w.crashes++;
}

static void
close_fd(int fd)
{
	ck_assert(w.channels[fd].open);
	w.channels[fd].open = false;
}

static void
carry_out(const struct zab_action *a)
{
	struct wire *l = &w.wires[a->link];
	struct msg m = { .type = a->frame.type, .flags = a->frame.flags, .seq = a->frame.seq, .fd = a->fd };

	m.zxid = a->frame.zxid;
	switch (a->type) {
	case ZAB_SEND:
		ck_assert(a->fd < 0 || w.channels[a->fd].open);
		if (a->frame.type == MSG_APPEND)
			m.value = get_be64(a->frame.body.data + VALUE_AT);
		if (a->frame.type == MSG_COMMIT) {
			ck_assert_uint_le(m.zxid, w.synced);
			w.commits++;
		}
		break;
	case ZAB_SEND_ROLE:
		m = (struct msg){ .type = MSG_ROLE, .seq = a->role.number, .role = a->role, .fd = -1 };
		ck_assert_uint_le(a->role.committed, w.synced);
		break;
	case ZAB_SEND_DISK:
		m.type = MSG_DISK;
		break;
	case ZAB_CLOSE_FD:
		close_fd(a->fd);
		return;
	case ZAB_CLOSE:
		syncd_end_gone(l);
		return;
	case ZAB_ROLE_CHANGED:
		return;
	default:
		ck_abort_msg("action %d in a server that stands alone", a->type);
	}
	if (l->dialled && l->accepted && !l->eof)
		queue_put(&l->to_sibling, &m);
	else if (m.fd >= 0)
		close_fd(m.fd);
}

static void
step_syncd(struct zab_event *e)
{
	const struct zab_action *a;
	size_t n, stop;

	e->now_ms = w.now_ms;
	zab_step(&w.zab, e);
	a = zab_actions(&w.zab, &n);
	/* It may die between any two actions. */
	stop = w.faults && draw(200) == 0 ? draw(n + 1) : n + 1;
	for (size_t i = 0; i < n; i++) {
		if (i == stop) {
			for (size_t k = i; k < n; k++)
				if (a[k].fd >= 0)
					close_fd(a[k].fd);
			break;
		}
		carry_out(&a[i]);
	}
	if (stop <= n)
		kill_syncd();
}

static void
feed_syncd(enum zab_link link)
{
	struct wire *l = &w.wires[link];
	struct zab_event e = { .type = ZAB_DOWN, .link = link, .fd = -1 };
	uint8_t body[TXN_BYTES] = { 0 };
	struct msg m;

	if (queue_len(&l->to_syncd) == 0) {
		if (!l->eof)
			return;
		l->dialled = l->accepted = l->eof = false;
		if (w.zab.links[link].up)
			step_syncd(&e);
		return;
	}
	m = queue_take(&l->to_syncd);
	put_be64(body + 12, m.zxid);
	put_be64(body + VALUE_AT, m.value);
	e.type = m.type == MSG_HELLO ? ZAB_UP : ZAB_FRAME;
	e.hello = m.hello;
	e.disk = m.disk;
	e.fd = m.fd;
	e.frame = (struct frame){ .type = m.type, .flags = m.flags, .seq = m.seq, .zxid = m.zxid };
	if (m.type == MSG_PROPOSE)
		e.frame.body = slice_of(body, sizeof body);
	step_syncd(&e);
}

/* logd: what is written survives its death (the page cache), what is synced survives a failing disk. */

static void
kill_logd(void)
{
	if (!w.logd_alive)
		return;
	w.logd_alive = false;
	w.crashes++;
	if (w.disk_failed)
		w.written = w.synced;
	sibling_end_gone(&w.wires[ZAB_LOGD], true);
}

static void
start_logd(void)
{
	w.logd_alive = true;
	w.disk_failed = false;
	w.synced = w.written;
}

static struct zab_disk
disk_state(void)
{
	return (struct zab_disk){ .failed = w.disk_failed, .error = w.disk_failed ? "EIO" : "" };
}

static void
logd_sync(void)
{
	if (w.disk_failed || w.synced == w.written)
		return;
	w.synced = w.written;
	reply(ZAB_LOGD, (struct msg){ .type = MSG_DURABLE, .zxid = w.synced, .fd = -1 });
}

static void
logd_append(const struct msg *m)
{
	if (w.disk_failed)
		return;
	if (m->zxid != w.written + 1) {
		/* Sent before syncd knew of the disk's trouble; the way back is HELLO. */
		w.gaps++;
		sibling_end_gone(&w.wires[ZAB_LOGD], false);
		return;
	}
	ck_assert_uint_lt(m->zxid, LOG_MAX);
	ck_assert(m->zxid > w.acked || w.values[m->zxid] == m->value);
	w.written = m->zxid;
	w.log[w.written] = m->value;
}

static int
open_channel(uint64_t from, uint64_t to)
{
	ck_assert_uint_lt(w.nchannels, CHANNELS_MAX);
	w.channels[w.nchannels] =
	    (struct channel){ .open = true, .broken = w.faults && draw(8) == 0, .from = from, .to = to };
	return (int)w.nchannels++;
}

static void
logd_load(const struct msg *m)
{
	int fd = open_channel(m->flags & LOAD_HAVE_TREE ? m->zxid : 0, w.written);

	reply(ZAB_LOGD, (struct msg){ .type = MSG_LOAD_CHANNEL, .seq = m->seq, .fd = fd });
}

static void
logd_takes(const struct msg *m)
{
	if (m->type == MSG_APPEND)
		logd_append(m);
	else if (m->type == MSG_LOAD)
		logd_load(m);
	else
		ck_abort_msg("logd got message %u", m->type);
}

static void
toggle_disk(void)
{
	if (!w.logd_alive)
		return;
	w.disk_failed = !w.disk_failed;
	if (w.disk_failed)
		w.written = w.synced;
	reply(ZAB_LOGD, (struct msg){ .type = MSG_DISK, .zxid = w.synced, .disk = disk_state(), .fd = -1 });
}

/* clientd: its tree is the prefix of the log up to `applied`. */

static void
kill_clientd(void)
{
	if (!w.clientd_alive)
		return;
	w.clientd_alive = w.has_tree = w.serving = w.told = w.loading = false;
	w.applied = w.pending = 0;
	w.crashes++;
	sibling_end_gone(&w.wires[ZAB_CLIENTD], true);
}

static void
apply(void)
{
	uint64_t to = w.pending < w.floor ? w.pending : w.floor;

	while (w.applied < to) {
		uint64_t value = w.log[++w.applied];

		/* It is on disk, and was never anything else. */
		ck_assert_uint_le(w.applied, w.synced);
		ck_assert(w.applied > w.acked || w.values[w.applied] == value);
		w.values[w.applied] = value;
		if (w.applied > w.acked)
			w.acked = w.applied;
	}
}

static void
clientd_role(const struct msg *m)
{
	w.told = true;
	w.serving = false;
	w.leader = m->role.role == ZAB_LEADER;
	w.role_number = m->seq;
	w.role_proposed = w.last = m->role.proposed;
	w.floor = m->role.committed;
	w.window = m->role.window_txns;
	w.pending = w.applied;
	reply(ZAB_CLIENTD, (struct msg){ .type = MSG_ROLE_ACK, .seq = m->seq, .fd = -1 });
	reply(ZAB_CLIENTD, (struct msg){ .type = MSG_LOAD,
					 .flags = w.has_tree ? LOAD_HAVE_TREE : 0,
					 .zxid = w.has_tree ? w.applied : 0,
					 .fd = -1 });
	w.loading = true;
}

static void
clientd_channel(const struct msg *m)
{
	struct channel *c = &w.channels[m->fd];

	ck_assert(c->open);
	c->open = false;
	ck_assert(w.loading);
	if (c->broken) {
		w.has_tree = false;
		w.applied = w.pending = 0;
		reply(ZAB_CLIENTD, (struct msg){ .type = MSG_LOAD, .fd = -1 });
		return;
	}
	ck_assert_uint_le(c->from, w.applied);
	w.has_tree = true;
	w.loading = false;
	w.pending = c->to;
	apply();
	reply(ZAB_CLIENTD, (struct msg){ .type = MSG_READY, .zxid = c->to, .fd = -1 });
	w.serving = w.leader;
}

static void
clientd_takes(const struct msg *m)
{
	switch (m->type) {
	case MSG_ROLE:
		clientd_role(m);
		break;
	case MSG_LOAD_CHANNEL:
		clientd_channel(m);
		break;
	case MSG_COMMIT:
		ck_assert_uint_gt(m->zxid, w.floor);
		w.floor = m->zxid;
		apply();
		break;
	case MSG_DISK:
		break;
	default:
		ck_abort_msg("clientd got message %u", m->type);
	}
}

/* A client writes, if clientd serves and has credit. */
static void
clientd_write(void)
{
	if (!w.serving || w.applied < w.role_proposed || w.last - w.applied >= w.window)
		return;
	w.last++;
	ck_assert_uint_lt(w.last, LOG_MAX);
	reply(ZAB_CLIENTD,
	      (struct msg){ .type = MSG_PROPOSE, .zxid = w.last, .value = ++w.next_value, .fd = -1 });
	w.pending = w.last; /* it knows its own txns; what it applies is looked up in the log */
}

/* The links, seen by a sibling */

static bool
sibling_alive(enum zab_link link)
{
	return link == ZAB_LOGD ? w.logd_alive : w.clientd_alive;
}

static void
accept_link(enum zab_link link)
{
	struct wire *l = &w.wires[link];
	struct msg hello = { .type = MSG_HELLO, .fd = -1 };

	if (!sibling_alive(link) || !l->dialled || l->accepted)
		return;
	queue_lose(&l->stale);
	l->stale_open = false;
	l->accepted = true;
	hello.hello.disk = disk_state();
	if (link == ZAB_LOGD) {
		/* What it has written and not synced is made durable before it is spoken of. */
		if (!w.disk_failed)
			w.synced = w.written;
		hello.hello.durable = w.synced;
	} else {
		w.told = w.serving = w.loading = false;
		hello.hello.has_tree = w.has_tree;
		hello.hello.applied = w.applied;
	}
	queue_put(&l->to_syncd, &hello);
}

static void
feed_sibling(enum zab_link link)
{
	struct wire *l = &w.wires[link];
	struct queue *q = l->stale_open ? &l->stale : &l->to_sibling;
	struct msg m;

	if (!sibling_alive(link))
		return;
	if (queue_len(q) == 0) {
		if (l->stale_open && link == ZAB_CLIENTD)
			w.told = w.serving = w.loading = false;
		l->stale_open = false;
		return;
	}
	m = queue_take(q);
	if (link == ZAB_LOGD)
		logd_takes(&m);
	else
		clientd_takes(&m);
}

static void
dial(enum zab_link link)
{
	struct wire *l = &w.wires[link];

	if (w.syncd_alive && !l->dialled) {
		l->dialled = true;
		l->accepted = l->eof = false;
	}
}

static void
tick(void)
{
	struct zab_event e = { .type = ZAB_TICK, .fd = -1 };

	w.now_ms += draw(500);
	if (w.syncd_alive)
		step_syncd(&e);
}

static void
fault(void)
{
	switch (draw(6)) {
	case 0:
		kill_syncd();
		break;
	case 1:
		kill_logd();
		break;
	case 2:
		kill_clientd();
		break;
	case 3:
		kill_syncd();
		kill_logd();
		kill_clientd();
		break;
	default:
		toggle_disk();
		break;
	}
}

static void
restart(void)
{
	if (!w.syncd_alive && draw(2))
		start_syncd();
	if (!w.logd_alive && draw(2))
		start_logd();
	if (!w.clientd_alive && draw(2))
		w.clientd_alive = true;
}

static void
one_event(void)
{
	enum zab_link link = draw(2) ? ZAB_LOGD : ZAB_CLIENTD;

	switch (draw(9)) {
	case 0:
	case 1:
		if (w.syncd_alive)
			feed_syncd(link);
		break;
	case 2:
	case 3:
		feed_sibling(link);
		break;
	case 4:
		dial(link);
		accept_link(draw(2) ? ZAB_LOGD : ZAB_CLIENTD);
		break;
	case 5:
		if (w.logd_alive)
			logd_sync();
		break;
	case 6:
		clientd_write();
		break;
	case 7:
		restart();
		break;
	default:
		if (draw(20) == 0)
			tick();
		if (w.faults && draw(8) == 0)
			fault();
		break;
	}
	ck_assert(!w.syncd_alive || w.zab.trouble == NULL);
}

static void
begin(uint64_t seed)
{
	struct msg *msgs[6];

	for (int i = 0; i < 2; i++) {
		msgs[3 * i] = w.wires[i].to_syncd.msgs;
		msgs[3 * i + 1] = w.wires[i].to_sibling.msgs;
		msgs[3 * i + 2] = w.wires[i].stale.msgs;
	}
	memset(&w, 0, sizeof w);
	for (int i = 0; i < 6; i++)
		if (msgs[i] == NULL)
			msgs[i] = malloc(QUEUE_MAX * sizeof **msgs);
	for (int i = 0; i < 2; i++) {
		w.wires[i].to_syncd.msgs = msgs[3 * i];
		w.wires[i].to_sibling.msgs = msgs[3 * i + 1];
		w.wires[i].stale.msgs = msgs[3 * i + 2];
	}
	w.random = seed * 0x9e3779b97f4a7c15 + 1;
	w.now_ms = 1000;
	start_syncd();
	start_logd();
	w.clientd_alive = true;
}

static void
finish(void)
{
	uint64_t acked_before;

	w.faults = false;
	if (w.disk_failed)
		toggle_disk();
	acked_before = w.acked;
	for (int i = 0; i < HEAL_STEPS && w.acked < acked_before + 20; i++)
		one_event();
	/* Liveness: it serves again, and new writes go through. */
	ck_assert_uint_ge(w.acked, acked_before + 20);
	for (uint64_t zxid = 1; zxid <= w.acked; zxid++)
		ck_assert_uint_eq(w.log[zxid], w.values[zxid]);
	ck_assert_uint_eq(w.zab.open_txns, w.zab.proposed - w.zab.committed);
	zab_free(&w.zab);
}

START_TEST(nothing_acknowledged_is_lost)
{
	unsigned commits = 0, crashes = 0;

	for (int i = 0; i < SEEDS_PER_TEST; i++) {
		uint64_t seed = (uint64_t)(_i * SEEDS_PER_TEST + i + 1);

		if (getenv("ZAB_CHAOS_SEEDS") != NULL)
			fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
		begin(seed);
		w.faults = true;
		for (int turn = 0; turn < FAULT_STEPS; turn++)
			one_event();
		finish();
		commits += w.commits;
		crashes += w.crashes;
	}
	/* The faults must leave room for work, and the work must meet faults. */
	ck_assert_uint_gt(commits, 100 * SEEDS_PER_TEST / 10);
	ck_assert_uint_gt(crashes, 3 * SEEDS_PER_TEST);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("zab chaos");
	TCase *t = tcase_create("zab chaos");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, nothing_acknowledged_is_lost, 0, SEEDS / SEEDS_PER_TEST);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
