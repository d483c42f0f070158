/*
 * The election core, row by row. A test tells the core what happens, and compares the actions of each step, written
 * as one line:
 *
 *	2<L3/5/1/0	to peer 2: looking, leader 3, zxid 5, round 1, epoch 0 (F following, D leading, O observing)
 *	dial 2		connect to peer 2; redial 2: in place of the connection there is
 *	=F3/5/1/0	the result
 *	newer 2		peer 2 has a newer configuration
 */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ear.h"
#include "electiond/election.h"

static struct election e;
static uint64_t now;
static char line[8192];
static char last_trace[256];

static void
keep_trace(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	(void)t;
	ear_judge(event, text);
	if (level >= TRACE_NOTICE)
		snprintf(last_trace, sizeof last_trace, "%s %s %s", room, event, text);
}

static struct trace tracer = { .least = TRACE_DEBUG, .emit = keep_trace };

/* Servers 1..n, each a voter. */
static struct election_members
voters(int n)
{
	struct election_members m = { .text = SLICE_LIT("version=0") };

	quorum_init(&m.quorums.current, false);
	for (int sid = 1; sid <= n; sid++)
		ck_assert_int_eq(quorum_add(&m.quorums.current, (uint64_t)sid, 0, 1), 0);
	return m;
}

static void
begin(uint8_t sid, const struct election_members *m)
{
	struct election_config c = {
		.sid = sid,
		.min_interval_ms = ELECTION_MIN_INTERVAL_MS,
		.max_interval_ms = ELECTION_MAX_INTERVAL_MS,
		.finalize_wait_ms = ELECTION_FINALIZE_WAIT_MS,
		.trace = &tracer,
	};

	election_free(&e);
	now = 1000;
	election_init(&e, &c, m);
}

static void
begin_of(int n, uint8_t sid)
{
	struct election_members m = voters(n);

	begin(sid, &m);
}

static void
teardown(void)
{
	election_free(&e);
}

static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	size_t used = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + used, sizeof line - used, fmt, ap);
	va_end(ap);
}

static void
say_vote(const struct vote *v)
{
	say("%c%lld/%llx/%lld/%lld", "LFDO"[v->state], (long long)v -> leader, (long long)v -> zxid,
	    (long long)v -> round, (long long)v -> epoch);
}

static void
say_action(const struct election_action *a)
{
	if (line[0] != '\0')
		say(" ");
	switch (a->type) {
	case ELECTION_SEND:
		say("%lld<", (long long)a->peer);
		say_vote(&a->notification.vote);
		break;
	case ELECTION_CONNECT:
		say("%sdial %lld", a->replace ? "re" : "", (long long)a->peer);
		break;
	case ELECTION_RESULT:
		say("=");
		say_vote(&a->vote);
		break;
	case ELECTION_DOUBT:
		say(a->lost ? "lost" : "doubt");
		break;
	case ELECTION_NEWER_CONFIG:
		say("newer %lld", (long long)a->peer);
		break;
	}
}

static const char *
step(const struct election_event *ev)
{
	struct election_event timed = *ev;
	size_t n;

	timed.now_ms = now;
	election_step(&e, &timed);
	line[0] = '\0';
	const struct election_action *a = election_actions(&e, &n);
	for (size_t i = 0; i < n; i++)
		say_action(&a[i]);
	return line;
}

static const char *
look(int64_t zxid, int64_t epoch)
{
	return step(
	    &(struct election_event){ .type = ELECTION_LOOK, .vote = { .zxid = zxid, .epoch = epoch } });
}

static const char *
on(enum election_event_type type, int64_t peer)
{
	return step(&(struct election_event){ .type = type, .peer = peer });
}

static void
connect_to(int n)
{
	for (int sid = 1; sid <= n; sid++)
		if (sid != e.config.sid)
			on(ELECTION_CONNECTED, sid);
}

/* A notification of the present version; state as say_vote writes it. */
static const char *
hear(int64_t peer, char state, int64_t leader, int64_t zxid, int64_t round, int64_t epoch)
{
	static const char states[] = "LFDO";

	return step(&(struct election_event){
	    .type = ELECTION_NOTIFICATION,
	    .peer = peer,
	    .notification = { .vote = { .state = (enum vote_state)(strchr(states, state) - states),
					.leader = leader,
					.zxid = zxid,
					.round = round,
					.epoch = epoch,
					.version = VOTE_VERSION },
			      .config = SLICE_LIT("version=0") } });
}

static const char *
hear_old(int64_t peer, enum vote_state state, int64_t leader, int64_t round, int64_t epoch)
{
	return step(&(struct election_event){
	    .type = ELECTION_NOTIFICATION,
	    .peer = peer,
	    .notification.vote = { .state = state, .leader = leader, .round = round, .epoch = epoch } });
}

static const char *
pass(uint64_t ms)
{
	now += ms;
	return on(ELECTION_TICK, 0);
}

#define EXPECT(did, want) ck_assert_str_eq((did), (want))

/* Votes */

static struct vote
vote_of(enum vote_state state, int64_t leader, int64_t zxid, int64_t round, int64_t epoch, int32_t version)
{
	return (struct vote){ leader, zxid, round, epoch, version, state };
}

START_TEST(order_of_votes)
{
	/* each is better than the one before; the round does not count */
	const struct vote rising[] = {
		vote_of(VOTE_LOOKING, INT64_MIN, INT64_MIN, 9, INT64_MIN, 0),
		vote_of(VOTE_LOOKING, 9, -1, 9, 0, 0),
		vote_of(VOTE_LOOKING, 1, 0, 3, 0, 0),
		vote_of(VOTE_LOOKING, 2, 0, 2, 0, 0),
		vote_of(VOTE_LOOKING, 1, 5, 1, 0, 0),
		vote_of(VOTE_LOOKING, 1, 4, 1, 1, 0),
	};
	enum { N = sizeof rising / sizeof rising[0] };

	for (int i = 0; i < N; i++)
		for (int k = 0; k < N; k++)
			ck_assert_int_eq(vote_beats(&rising[i], &rising[k]), i > k);
}
END_TEST

START_TEST(equality_of_votes)
{
	const struct vote base = vote_of(VOTE_LOOKING, 3, 5, 7, 2, 2);
	const struct vote settled = vote_of(VOTE_FOLLOWING, 3, 5, 7, 2, 2);
	struct vote v = base;

	/* while one looks, every number counts, and the version does not */
	v.version = 0;
	ck_assert(vote_equal(&base, &v) && vote_equal(&settled, &v));
	v = base, v.leader = 2;
	ck_assert(!vote_equal(&base, &v) && !vote_equal(&settled, &v));
	v = base, v.zxid = 6;
	ck_assert(!vote_equal(&base, &v) && !vote_equal(&v, &settled));
	v = base, v.round = 8;
	ck_assert(!vote_equal(&base, &v) && !vote_equal(&settled, &v));
	v = base, v.epoch = 3;
	ck_assert(!vote_equal(&base, &v) && !vote_equal(&settled, &v));
	/* settled servers: leader and epoch */
	v = vote_of(VOTE_LEADING, 3, 99, 1, 2, 2);
	ck_assert(vote_equal(&settled, &v));
	v.epoch = 3;
	ck_assert(!vote_equal(&settled, &v));
	v.leader = 4, v.epoch = 2;
	ck_assert(!vote_equal(&settled, &v));
	/* one without a version: the leader alone; both: as before */
	v = vote_of(VOTE_FOLLOWING, 3, 0, 0, 9, 0);
	ck_assert(vote_equal(&settled, &v) && vote_equal(&v, &settled));
	const struct vote other = vote_of(VOTE_LEADING, 3, 0, 0, 8, 0);
	ck_assert(!vote_equal(&other, &v));
	v.leader = 2;
	ck_assert(!vote_equal(&settled, &v));
}
END_TEST

START_TEST(names_of_states)
{
	ck_assert_str_eq(vote_state_name(VOTE_LOOKING), "looking");
	ck_assert_str_eq(vote_state_name(VOTE_OBSERVING), "observing");
}
END_TEST

/* The beginning of a round, and its end */

START_TEST(alone_is_a_quorum_of_one)
{
	begin_of(1, 1);
	EXPECT(look(5, 1), "=D1/5/1/1");
	ck_assert_uint_eq(election_deadline(&e), UINT64_MAX);
	ck_assert_str_eq(last_trace, "election elected leader=1 state=leading round=1 epoch=1 zxid=0x5");
}
END_TEST

START_TEST(dials_all_and_tells_who_connects)
{
	begin_of(3, 1);
	EXPECT(look(5, 1), "dial 2 dial 3");
	ck_assert_uint_eq(election_deadline(&e), 1200);
	EXPECT(on(ELECTION_CONNECTED, 2), "2<L1/5/1/1");
	EXPECT(on(ELECTION_CONNECTED, 9), "");
	EXPECT(on(ELECTION_CONNECTED, 1), "");
	EXPECT(on(ELECTION_DELIVERED, 2), "");
}
END_TEST

START_TEST(settles_at_once_when_all_have_voted)
{
	begin_of(3, 3);
	connect_to(3);
	EXPECT(look(5, 1), "1<L3/5/1/1 2<L3/5/1/1");
	EXPECT(hear(1, 'L', 1, 5, 1, 1), "");
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "");
	EXPECT(hear(1, 'L', 3, 5, 1, 1), "=D3/5/1/1");
}
END_TEST

START_TEST(takes_over_a_better_vote)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<L2/5/1/1 3<L2/5/1/1");
	EXPECT(hear(3, 'L', 3, 5, 1, 1), "2<L3/5/1/1 3<L3/5/1/1 =F3/5/1/1");
}
END_TEST

START_TEST(waits_where_a_better_vote_may_come)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<L2/5/1/1 3<L2/5/1/1");
	/* the quorum is there; server 3 is connected and silent */
	ck_assert_uint_eq(election_deadline(&e), 1200);
	now += 199;
	EXPECT(pass(0), "");
	/* news without effect does not put the end off */
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "");
	/* the wait ends before anything is sent again */
	EXPECT(pass(1), "=F2/5/1/1");
}
END_TEST

START_TEST(the_wait_has_an_end_of_its_own)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	on(ELECTION_DELIVERED, 2);
	on(ELECTION_DELIVERED, 3);
	now += 150;
	hear(2, 'L', 2, 5, 1, 1);
	on(ELECTION_DELIVERED, 2);
	on(ELECTION_DELIVERED, 3);
	ck_assert_uint_eq(election_deadline(&e), 1200);
	EXPECT(pass(50), "2<L2/5/1/1 3<L2/5/1/1");
	ck_assert_uint_eq(election_deadline(&e), 1350);
	EXPECT(pass(150), "=F2/5/1/1");
}
END_TEST

START_TEST(a_better_vote_ends_the_wait)
{
	begin_of(5, 1);
	connect_to(5);
	look(5, 1);
	hear(2, 'L', 2, 5, 1, 1);
	now += 10;
	hear(3, 'L', 2, 5, 1, 1);
	ck_assert_uint_eq(e.finalize_ms, 1210);
	EXPECT(hear(4, 'L', 4, 5, 1, 1), "2<L4/5/1/1 3<L4/5/1/1 4<L4/5/1/1 5<L4/5/1/1");
	ck_assert_uint_eq(e.finalize_ms, 0);
	now += 10;
	EXPECT(hear(2, 'L', 4, 5, 1, 1), "");
	ck_assert_uint_eq(e.finalize_ms, 1220);
	EXPECT(hear(5, 'L', 4, 5, 1, 1), "=F4/5/1/1");
}
END_TEST

/* A voter of the quorum that goes on to another vote takes the quorum along. */
START_TEST(a_lost_quorum_ends_the_wait)
{
	begin_of(5, 5);
	connect_to(5);
	look(5, 1);
	hear(1, 'L', 5, 5, 1, 1);
	EXPECT(hear(2, 'L', 5, 5, 1, 1), "");
	ck_assert_uint_ne(e.finalize_ms, 0);
	EXPECT(hear(2, 'F', 1, 5, 1, 1), "");
	ck_assert_uint_eq(e.finalize_ms, 0);
}
END_TEST

/* Known to be down: refused, reset, closed without a word; never merely connected, nor lost on the way. */
START_TEST(waits_for_none_that_is_known_to_be_down)
{
	static const enum election_event_type down[] = { ELECTION_REFUSED, ELECTION_RESET, ELECTION_CLOSED };

	for (size_t i = 0; i < 3; i++) {
		begin_of(3, 1);
		look(5, 1);
		on(ELECTION_CONNECTED, 2);
		hear(2, 'L', 2, 5, 1, 1);
		ck_assert_int_eq(e.phase, ELECTION_LOOKING);
		if (down[i] != ELECTION_REFUSED)
			EXPECT(on(ELECTION_CONNECTED, 3), "3<L2/5/1/1");
		EXPECT(on(down[i], 3), "=F2/5/1/1");
	}
}
END_TEST

START_TEST(down_before_the_quorum_is_there)
{
	begin_of(3, 1);
	look(5, 1);
	EXPECT(on(ELECTION_REFUSED, 3), "");
	on(ELECTION_CONNECTED, 2);
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<L2/5/1/1 =F2/5/1/1");
}
END_TEST

START_TEST(down_no_more)
{
	begin_of(3, 1);
	look(5, 1);
	on(ELECTION_REFUSED, 3);
	EXPECT(on(ELECTION_CONNECTED, 3), "3<L1/5/1/1");
	/* a dial of ours that ends late says nothing of one that dialled us */
	EXPECT(on(ELECTION_REFUSED, 3), "");
	on(ELECTION_CONNECTED, 2);
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<L2/5/1/1 3<L2/5/1/1");
	ck_assert_int_eq(e.phase, ELECTION_LOOKING);
	on(ELECTION_LOST, 3);
	ck_assert_int_eq(e.phase, ELECTION_LOOKING);
	/* of one that is no voter nothing is remembered */
	EXPECT(on(ELECTION_REFUSED, 9), "");
	EXPECT(on(ELECTION_RESET, 1), "");
	ck_assert(!e.peers[9].down && !e.peers[1].down);
}
END_TEST

START_TEST(a_new_election_asks_again_who_is_down)
{
	begin_of(3, 1);
	look(5, 1);
	on(ELECTION_REFUSED, 3);
	on(ELECTION_CONNECTED, 2);
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<L2/5/1/1 =F2/5/1/1");
	EXPECT(look(5, 1), "2<L1/5/2/1 dial 3");
	EXPECT(hear(2, 'L', 2, 5, 2, 1), "2<L2/5/2/1");
	EXPECT(on(ELECTION_REFUSED, 3), "=F2/5/2/1");
}
END_TEST

/* A connection that worked and closed: the peer's process may be gone or not; one dial tells, one in an interval. */
START_TEST(a_closed_connection_is_dialled_again_once)
{
	begin_of(5, 1);
	connect_to(5);
	look(5, 1);
	hear(3, 'L', 1, 5, 1, 1);
	EXPECT(on(ELECTION_CLOSED, 3), "dial 3");
	ck_assert(!e.peers[3].down);
	EXPECT(on(ELECTION_CONNECTED, 3), "3<L1/5/1/1");
	hear(3, 'L', 1, 5, 1, 1);
	EXPECT(on(ELECTION_CLOSED, 3), "");
	now = e.resend_ms;
	ck_assert_ptr_nonnull(strstr(pass(0), "dial 3"));
	on(ELECTION_CONNECTED, 3);
	hear(3, 'L', 1, 5, 1, 1);
	EXPECT(on(ELECTION_CLOSED, 3), "dial 3");
	/* nobody else is dialled for that */
	hear(9, 'L', 9, 5, 1, 1);
	EXPECT(on(ELECTION_CLOSED, 9), "");
	on(ELECTION_LEAVE, 0);
	hear(4, 'L', 1, 5, 1, 1);
	EXPECT(on(ELECTION_CLOSED, 4), "");
}
END_TEST

/* Rounds */

START_TEST(a_later_round_is_joined_with_the_better_vote)
{
	begin_of(3, 2);
	connect_to(3);
	look(5, 1);
	hear(1, 'L', 1, 5, 1, 1);
	/* theirs is worse: our own, whatever we had taken over */
	EXPECT(hear(1, 'L', 1, 5, 7, 1), "1<L2/5/7/1 3<L2/5/7/1");
	/* what was received belongs to the round before */
	ck_assert(sid_set_has(&e.received.present, 1) && !sid_set_has(&e.received.present, 3));
	EXPECT(hear(3, 'L', 3, 5, 8, 1), "1<L3/5/8/1 3<L3/5/8/1");
	EXPECT(hear(1, 'L', 3, 5, 8, 1), "=F3/5/8/1");
}
END_TEST

START_TEST(joining_forgets_a_vote_taken_over)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	hear(3, 'L', 3, 9, 1, 1);
	/* server 3 and its zxid 9 were of the older round */
	EXPECT(hear(2, 'L', 2, 5, 2, 0), "2<L1/5/2/1 3<L1/5/2/1");
}
END_TEST

START_TEST(an_earlier_round_is_told_of_ours)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	look(5, 1);
	EXPECT(hear(2, 'L', 2, 9, 1, 1), "2<L1/5/2/1");
	ck_assert(!sid_set_has(&e.received.present, 2));
	/* also one that proposes nobody we know */
	EXPECT(hear(3, 'L', 77, 9, 1, 1), "3<L1/5/2/1");
}
END_TEST

START_TEST(the_clock_rises_with_each_election)
{
	begin_of(1, 1);
	EXPECT(look(5, 1), "=D1/5/1/1");
	EXPECT(look(6, 2), "=D1/6/2/2");
	EXPECT(look(6, 2), "=D1/6/3/2");
}
END_TEST

START_TEST(votes_from_or_for_strangers_do_not_count)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	EXPECT(hear(2, 'L', 4, 99, 1, 9), "");
	EXPECT(hear(2, 'L', -3, 99, 1, 9), "");
	EXPECT(hear(2, 'F', 4, 99, 1, 9), "");
	EXPECT(hear(2, 'L', INT64_MIN, INT64_MIN, 1, INT64_MIN), "");
	/* from oneself, by mistake or malice */
	EXPECT(hear(1, 'L', 1, 99, 1, 9), "");
	ck_assert_int_eq(e.vote.leader, 1);
	ck_assert_int_eq(e.vote.zxid, 5);
}
END_TEST

/* Uninitialised servers */

START_TEST(without_data_one_neither_counts_nor_is_counted)
{
	begin_of(3, 3);
	connect_to(3);
	EXPECT(look(VOTE_ZXID_NONE, 0), "1<L3/ffffffffffffffff/1/0 2<L3/ffffffffffffffff/1/0");
	EXPECT(hear(1, 'L', 1, 5, 1, 0), "");
	EXPECT(hear(2, 'L', 1, 5, 1, 0), "");
	EXPECT(hear(1, 'F', 2, 5, 1, 0), "");
	EXPECT(hear(2, 'D', 2, 5, 1, 0), "=F2/5/1/0");
	begin_of(3, 1);
	connect_to(3);
	look(5, 0);
	EXPECT(hear(3, 'L', 3, VOTE_ZXID_NONE, 9, 3), "");
	ck_assert_int_eq(e.round, 1);
	/* alone it does not even elect itself */
	begin_of(1, 1);
	EXPECT(look(VOTE_ZXID_NONE, 0), "");
}
END_TEST

/* An ensemble that has a leader */

START_TEST(joins_the_leader_there_is)
{
	begin_of(3, 1);
	connect_to(3);
	look(0x100000005, 1);
	EXPECT(hear(2, 'F', 3, 0x100000002, 6, 2), "");
	EXPECT(hear(3, 'D', 3, 0x100000002, 6, 2), "=F3/100000002/6/2");
	ck_assert_int_eq(e.round, 6);
}
END_TEST

START_TEST(the_clock_falls_to_that_of_the_ensemble)
{
	begin_of(3, 1);
	connect_to(3);
	for (int i = 0; i < 9; i++)
		look(5, 1);
	hear(3, 'D', 3, 2, 6, 2);
	EXPECT(hear(2, 'F', 3, 2, 6, 2), "=F3/2/6/2");
	ck_assert_int_eq(e.round, 6);
}
END_TEST

/* ZOOKEEPER-569: followers of a leader that died do not make it a leader. */
START_TEST(zk569_a_leader_must_say_that_it_leads)
{
	begin_of(5, 1);
	connect_to(5);
	look(5, 1);
	EXPECT(hear(2, 'F', 5, 5, 4, 1), "");
	EXPECT(hear(3, 'F', 5, 5, 4, 1), "");
	EXPECT(hear(4, 'F', 5, 5, 4, 1), "");
	EXPECT(hear(5, 'L', 5, 5, 1, 1), "2<L5/5/1/1 3<L5/5/1/1 4<L5/5/1/1 5<L5/5/1/1");
	ck_assert_int_eq(e.phase, ELECTION_LOOKING);
	EXPECT(hear(5, 'D', 5, 5, 4, 1), "=F5/5/4/1");
}
END_TEST

/* A leader that hands its part over: its vote is above what the others have, and counts like any other. */
START_TEST(a_leader_nominates_another)
{
	struct election_event ev = {
		.type = ELECTION_LOOK, .vote = { .zxid = 5, .epoch = 1 }, .nominates = true, .nominee = 2
	};

	begin_of(3, 3);
	on(ELECTION_CONNECTED, 1);
	on(ELECTION_CONNECTED, 2);
	EXPECT(step(&ev), "1<L2/6/1/1 2<L2/6/1/1");
	EXPECT(hear(1, 'L', 1, 5, 1, 1), "");
	EXPECT(hear(1, 'L', 2, 6, 1, 1), "");
	EXPECT(hear(2, 'L', 2, 6, 1, 1), "=F2/6/1/1");
	/* The next one is its own again, and a nominee that does not vote is none. */
	EXPECT(look(5, 1), "1<L3/5/2/1 2<L3/5/2/1");
	ev.nominee = 9;
	EXPECT(step(&ev), "1<L3/5/3/1 2<L3/5/3/1");
}
END_TEST

/* ZOOKEEPER-569: one that led and then went down is no witness, should its followers' words come later. */
START_TEST(zk569_a_dead_leader_is_no_witness)
{
	begin_of(5, 1);
	connect_to(5);
	look(5, 1);
	hear(5, 'D', 5, 5, 4, 1);
	hear(2, 'F', 5, 5, 4, 1);
	EXPECT(on(ELECTION_RESET, 5), "");
	EXPECT(hear(3, 'F', 5, 5, 4, 1), "");
	EXPECT(hear(4, 'F', 5, 5, 4, 1), "");
	ck_assert_int_eq(e.phase, ELECTION_LOOKING);
}
END_TEST

START_TEST(following_in_our_own_round)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	/* our vote for ourselves is not theirs; two are a quorum, once the leader is heard */
	EXPECT(hear(2, 'F', 3, 5, 1, 1), "");
	EXPECT(hear(3, 'D', 3, 5, 1, 1), "=F3/5/1/1");
}
END_TEST

/* One follower has synchronised and renewed its epoch, the other has not: one round, one leader. */
START_TEST(epochs_half_renewed_in_our_round)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	EXPECT(hear(3, 'D', 3, 5, 1, 2), "");
	EXPECT(hear(2, 'F', 3, 5, 1, 1), "=F3/5/1/1");
	/* in another round they are two votes */
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	EXPECT(hear(3, 'D', 3, 5, 6, 2), "");
	EXPECT(hear(2, 'F', 3, 5, 6, 1), "");
	EXPECT(hear(2, 'F', 3, 5, 6, 2), "=F3/5/6/2");
}
END_TEST

/* ZOOKEEPER-1732: servers without versions keep the old epoch in their votes. */
START_TEST(zk1732_senders_without_version)
{
	begin_of(5, 1);
	connect_to(5);
	look(5, 1);
	EXPECT(hear(5, 'D', 5, 5, 6, 2), "");
	EXPECT(hear_old(2, VOTE_FOLLOWING, 5, 6, 1), "");
	EXPECT(hear(3, 'F', 5, 5, 6, 2), "=F5/5/6/2");
	/* two without: their epochs must agree; with one that has a version they need not */
	begin_of(5, 1);
	connect_to(5);
	look(5, 1);
	EXPECT(hear_old(5, VOTE_LEADING, 5, 6, 2), "");
	EXPECT(hear_old(2, VOTE_FOLLOWING, 5, 6, 1), "");
	EXPECT(hear_old(3, VOTE_FOLLOWING, 5, 6, 1), "");
	EXPECT(hear(4, 'F', 5, 5, 6, 2), "=F5/5/6/2");
}
END_TEST

/* The others follow us: we lead, if they mean this round. */
START_TEST(elected_by_those_that_were_faster)
{
	begin_of(3, 3);
	connect_to(3);
	look(5, 1);
	EXPECT(hear(1, 'F', 3, 5, 1, 1), "=D3/5/1/1");
	/* followers of the server we were before our restart */
	begin_of(3, 3);
	connect_to(3);
	look(5, 1);
	EXPECT(hear(1, 'F', 3, 5, 4, 1), "");
	EXPECT(hear(2, 'F', 3, 5, 4, 1), "");
	ck_assert_int_eq(e.phase, ELECTION_LOOKING);
}
END_TEST

START_TEST(observers_words_are_ignored)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	EXPECT(hear(2, 'O', 3, 5, 1, 1), "");
	EXPECT(hear(3, 'O', 3, 5, 1, 1), "");
	ck_assert(!sid_set_has(&e.received.present, 2) && !sid_set_has(&e.outside.present, 2));
}
END_TEST

/* Settled */

START_TEST(answers_who_looks)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	hear(2, 'L', 2, 5, 1, 1);
	EXPECT(hear(3, 'L', 3, 5, 1, 1), "2<L3/5/1/1 3<L3/5/1/1 =F3/5/1/1");
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<F3/5/1/1");
	EXPECT(hear(3, 'D', 3, 5, 1, 1), "");
	EXPECT(hear(2, 'F', 3, 5, 1, 1), "");
	/* synchronised: latecomers see the new epoch (ZOOKEEPER-1732) */
	step(&(struct election_event){ .type = ELECTION_EPOCH, .vote.epoch = 2 });
	EXPECT(hear(2, 'L', 2, 5, 9, 1), "2<F3/5/1/2");
	/* a connection alone is told nothing */
	EXPECT(on(ELECTION_CONNECTED, 2), "");
}
END_TEST

/* Two that lose their leader one after the other. */
START_TEST(a_vote_that_came_a_moment_too_early)
{
	for (int late = 0; late <= 1; late++) {
		begin_of(3, 1);
		connect_to(3);
		look(5, 1);
		hear(3, 'L', 3, 5, 1, 1);
		EXPECT(hear(2, 'L', 3, 5, 1, 1), "=F3/5/1/1");
		step(&(struct election_event){ .type = ELECTION_EPOCH, .vote.epoch = 2 });
		EXPECT(hear(2, 'L', 2, 6, 2, 2), "2<F3/5/1/2");
		EXPECT(on(ELECTION_RESET, 3), "");
		now += late == 0 ? ELECTION_CALL_MS : ELECTION_CALL_MS + 1;
		look(6, 2);
		EXPECT(on(ELECTION_REFUSED, 3), late == 0 ? "=F2/6/2/2" : "");
		teardown();
	}
	/* It has settled since, or is gone. */
	begin_of(3, 1);
	connect_to(3);
	hear(2, 'L', 2, 6, 1, 2);
	hear(2, 'F', 3, 6, 1, 2);
	EXPECT(look(6, 2), "2<L1/6/1/2 3<L1/6/1/2");
	hear(3, 'L', 3, 6, 1, 2);
	on(ELECTION_RESET, 3);
	EXPECT(look(6, 2), "2<L1/6/2/2 dial 3");
}
END_TEST

/* Who was elected hears when those who elected it change their minds. */
START_TEST(second_thoughts_of_voters)
{
	begin_of(5, 1);
	connect_to(5);
	look(5, 1);
	hear(2, 'L', 1, 5, 1, 1);
	EXPECT(hear(3, 'L', 1, 5, 1, 1), "");
	EXPECT(pass(200), "=D1/5/1/1");
	/* Votes that give way to ours, or do not know of it. */
	EXPECT(hear(4, 'L', 4, 4, 1, 1), "4<D1/5/1/1");
	EXPECT(hear(5, 'L', 5, 9, 0, 1), "5<D1/5/1/1");
	EXPECT(hear(2, 'F', 1, 5, 1, 1), "");
	EXPECT(hear(3, 'L', -1, VOTE_ZXID_NONE, 7, 1), "3<D1/5/1/1");
	/* A better one; a later round; another leader: each once. */
	EXPECT(hear(5, 'L', 5, 9, 1, 1), "doubt");
	EXPECT(hear(5, 'L', 5, 9, 1, 1), "");
	EXPECT(hear(2, 'L', 2, 4, 2, 1), "doubt 2<D1/5/1/1");
	EXPECT(hear(4, 'F', 5, 9, 1, 1), "lost");
	/* One that thinks better of it. */
	EXPECT(hear(2, 'F', 1, 5, 1, 1), "");
	now += ELECTION_ANSWER_GAP_MS;
	EXPECT(hear(2, 'L', 2, 4, 2, 1), "lost 2<D1/5/1/1");
	/* All that is forgotten in the next election. */
	look(5, 1);
	hear(2, 'L', 1, 5, 2, 1);
	hear(3, 'L', 1, 5, 2, 1);
	EXPECT(pass(200), "=D1/5/2/1");
	EXPECT(hear(4, 'F', 5, 9, 1, 1), "doubt");
}
END_TEST

START_TEST(the_elected_leader_itself_looks_again)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	hear(2, 'L', 2, 5, 1, 1);
	EXPECT(pass(200), "=F2/5/1/1");
	/* It settles a little later, and says so again meanwhile. */
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<F2/5/1/1");
	EXPECT(hear(2, 'D', 2, 5, 1, 1), "");
	/* Born again it begins with the first round. */
	EXPECT(hear(2, 'L', 2, 5, 0, 1), "lost");
	EXPECT(hear(2, 'D', 2, 5, 1, 1), "");
	EXPECT(hear(2, 'F', 3, 6, 1, 1), "lost");
	EXPECT(hear(3, 'D', 3, 6, 1, 1), "lost");
	/* Whether it is there is asked as soon as its connection ends. */
	look(5, 1);
	hear(2, 'L', 2, 5, 2, 1);
	EXPECT(pass(200), "=F2/5/2/1");
	EXPECT(on(ELECTION_CLOSED, 3), "");
	EXPECT(on(ELECTION_CLOSED, 2), "dial 2");
	EXPECT(on(ELECTION_REFUSED, 2), "lost");
	look(5, 1);
	hear(2, 'L', 2, 5, 3, 1);
	EXPECT(pass(200), "=F2/5/3/1");
	EXPECT(on(ELECTION_RESET, 3), "");
	EXPECT(on(ELECTION_RESET, 2), "lost");
	look(5, 1);
	hear(2, 'L', 2, 5, 4, 1);
	EXPECT(pass(200), "=F2/5/4/1");
	/* In sync it will hear so from the leader. */
	step(&(struct election_event){ .type = ELECTION_EPOCH, .vote.epoch = 2 });
	EXPECT(hear(2, 'L', 2, 5, 9, 1), "2<F2/5/4/2");
	EXPECT(on(ELECTION_CLOSED, 2), "");
}
END_TEST

START_TEST(epoch_is_of_no_use_while_looking)
{
	begin_of(3, 1);
	look(5, 1);
	step(&(struct election_event){ .type = ELECTION_EPOCH, .vote.epoch = 9 });
	EXPECT(on(ELECTION_CONNECTED, 2), "2<L1/5/1/1");
}
END_TEST

START_TEST(idle_speaks_to_nobody)
{
	char text[80];

	begin_of(3, 1);
	EXPECT(on(ELECTION_CONNECTED, 2), "");
	EXPECT(hear(2, 'F', 2, 5, 1, 1), "");
	ck_assert_str_eq(election_describe(&e, text, sizeof text), "idle");
	ck_assert_uint_eq(election_deadline(&e), UINT64_MAX);
	look(5, 1);
	ck_assert_str_eq(election_describe(&e, text, sizeof text), "looking: round 1, votes for 1");
	EXPECT(on(ELECTION_LEAVE, 0), "");
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "");
	EXPECT(pass(100000), "");
}
END_TEST

/* Those who looked first need not ask again: their votes count when this server looks, and are answered when it has a role. */
START_TEST(a_call_to_an_idle_one_is_not_lost)
{
	begin_of(3, 1);
	connect_to(3);
	EXPECT(hear(2, 'L', 2, 4, 1, 1), "");
	EXPECT(hear(3, 'L', 3, 4, 1, 1), "");
	EXPECT(hear(3, 'L', 3, 9, 1, 1), "");
	EXPECT(look(5, 1), "2<L1/5/1/1 3<L1/5/1/1 2<L3/9/1/1 3<L3/9/1/1 =F3/9/1/1");
	/* what was said before a connection ended, or by one that does not look any more, is not heard */
	on(ELECTION_LEAVE, 0);
	EXPECT(hear(2, 'L', 2, 99, 2, 1), "");
	on(ELECTION_CLOSED, 2);
	EXPECT(hear(3, 'L', 3, 99, 2, 1), "");
	EXPECT(hear(3, 'F', 2, 99, 2, 1), "");
	EXPECT(look(5, 1), "dial 2 3<L1/5/2/1");
	on(ELECTION_LEAVE, 0);
	on(ELECTION_CONNECTED, 2);
	EXPECT(hear(2, 'L', 2, 5, 3, 1), "");
	EXPECT(step(&(struct election_event){ .type = ELECTION_ROLE,
					      .vote = vote_of(VOTE_FOLLOWING, 3, 5, 7, 2, 2) }),
	       "2<F3/5/7/2");
}
END_TEST

/* electiond was restarted: syncd tells it the role that the node still has. */
START_TEST(a_role_without_an_election)
{
	char text[80];

	begin_of(3, 1);
	connect_to(3);
	EXPECT(step(&(struct election_event){ .type = ELECTION_ROLE,
					      .vote = vote_of(VOTE_FOLLOWING, 3, 5, 7, 2, 2) }),
	       "");
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<F3/5/7/2");
	ck_assert_str_eq(election_describe(&e, text, sizeof text), "following: leader 3, elected in round 7");
	EXPECT(look(5, 2), "2<L1/5/8/2 3<L1/5/8/2");
	/* its round may also be an old one */
	step(&(struct election_event){ .type = ELECTION_ROLE, .vote = vote_of(VOTE_LEADING, 1, 5, 3, 2, 2) });
	EXPECT(look(5, 2), "2<L1/5/9/2 3<L1/5/9/2");
}
END_TEST

/* The vote went to a peer that was settled then, and looks now: its vote for itself shows that it lost ours. */
START_TEST(a_voter_that_was_settled_is_told_again)
{
	begin_of(3, 2);
	connect_to(3);
	look(9, 1);
	EXPECT(hear(1, 'F', 3, 5, 6, 1), "");
	EXPECT(hear(1, 'L', 1, 5, 1, 1), "1<L2/9/1/1");
	EXPECT(hear(1, 'L', 1, 5, 1, 1), "");
	EXPECT(hear(3, 'F', 3, 5, 6, 1), "");
	EXPECT(hear(3, 'L', 2, 9, 1, 1), "=D2/9/1/1");
}
END_TEST

/* Back-off and connections */

START_TEST(backs_off_from_200_ms_to_60_s)
{
	static const uint64_t gaps[] = { 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000 };
	uint64_t last;

	begin_of(3, 1);
	look(5, 1);
	last = now;
	for (size_t i = 0; i < sizeof gaps / sizeof gaps[0]; i++) {
		ck_assert_uint_eq(election_deadline(&e), last + gaps[i]);
		EXPECT(pass(gaps[i] - 1), "");
		EXPECT(pass(1), "dial 2 dial 3");
		last = now;
	}
	/* a new election begins anew */
	look(5, 1);
	ck_assert_uint_eq(election_deadline(&e), now + 200);
}
END_TEST

START_TEST(resends_over_what_works)
{
	begin_of(5, 1);
	on(ELECTION_CONNECTED, 2);
	on(ELECTION_CONNECTED, 3);
	on(ELECTION_CONNECTED, 9);
	EXPECT(look(5, 1), "2<L1/5/1/1 3<L1/5/1/1 dial 4 dial 5");
	on(ELECTION_DELIVERED, 2);
	/* 3's slot is still full: a new connection; that again must end to be dialled again */
	EXPECT(pass(200), "2<L1/5/1/1 redial 3 dial 4 dial 5");
	EXPECT(on(ELECTION_CONNECTED, 3), "3<L1/5/1/1");
	/* between two timeouts nobody is dialled twice */
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<L2/5/1/1 3<L2/5/1/1");
}
END_TEST

START_TEST(time_does_not_go_back)
{
	begin_of(3, 1);
	look(5, 1);
	now += 500;
	pass(0);
	now -= 400;
	pass(0);
	ck_assert_uint_eq(election_deadline(&e), 1900);
}
END_TEST

/* Non-voters */

START_TEST(a_non_voter_is_answered)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	/* while looking: what we propose; it is not counted */
	EXPECT(hear(7, 'L', INT64_MIN, INT64_MIN, 1, INT64_MIN), "7<L1/5/1/1");
	EXPECT(hear(7, 'L', 3, 99, 50, 9), "");
	ck_assert_int_eq(e.round, 1);
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<L2/5/1/1 3<L2/5/1/1");
	/* and the outcome as soon as there is one */
	EXPECT(hear(3, 'L', 2, 5, 1, 1), "=F2/5/1/1 7<F2/5/1/1");
	now += ELECTION_ANSWER_GAP_MS;
	EXPECT(hear(7, 'L', INT64_MIN, INT64_MIN, 1, INT64_MIN), "7<F2/5/1/1");
	EXPECT(hear(7, 'O', 2, 5, 1, 1), "");
}
END_TEST

START_TEST(an_asker_that_went_away_is_not_told)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	hear(7, 'L', INT64_MIN, INT64_MIN, 1, INT64_MIN);
	on(ELECTION_RESET, 7);
	hear(2, 'L', 2, 5, 1, 1);
	EXPECT(hear(3, 'L', 2, 5, 1, 1), "=F2/5/1/1");
}
END_TEST

/* Whom it was told to follow leads no more, and it may be a minute before it asks again. */
START_TEST(an_asker_is_told_of_the_next_leader_too)
{
	begin_of(3, 1);
	connect_to(3);
	on(ELECTION_CONNECTED, 7);
	look(5, 1);
	hear(2, 'L', 2, 5, 1, 1);
	EXPECT(hear(3, 'L', 2, 5, 1, 1), "=F2/5/1/1");
	EXPECT(hear(7, 'L', INT64_MIN, INT64_MIN, 1, INT64_MIN), "7<F2/5/1/1");
	look(5, 1);
	hear(2, 'L', 3, 6, 2, 1);
	EXPECT(hear(3, 'L', 3, 6, 2, 1), "=F3/6/2/1 7<F3/6/2/1");
	EXPECT(hear(7, 'O', 3, 6, 2, 1), "");
	look(5, 1);
	hear(2, 'L', 3, 6, 3, 1);
	EXPECT(hear(3, 'L', 3, 6, 3, 1), "=F3/6/3/1");
}
END_TEST

/* Nor does a voter without data have a part in a round: it looks for whoever leads, and may ask again only after a minute. */
START_TEST(a_voter_without_data_is_told_of_the_leader_too)
{
	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	EXPECT(hear(3, 'L', 3, VOTE_ZXID_NONE, 9, 1), "");
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<L2/5/1/1 3<L2/5/1/1");
	EXPECT(pass(200), "=F2/5/1/1 3<F2/5/1/1");
	look(5, 1);
	EXPECT(hear(2, 'L', 2, 5, 2, 1), "2<L2/5/2/1 3<L2/5/2/1");
	EXPECT(pass(200), "=F2/5/2/1 3<F2/5/2/1");
	/* it has found its leader */
	EXPECT(hear(3, 'F', 2, 5, 2, 1), "");
	look(5, 1);
	on(ELECTION_REFUSED, 3);
	hear(2, 'L', 2, 5, 3, 1);
	EXPECT(pass(200), "=F2/5/3/1");
}
END_TEST

/* Who called while we were idle may be no voter any more when we look: it is no part of the round. */
START_TEST(a_call_of_one_who_votes_no_more)
{
	struct election_members m = voters(3);

	begin_of(3, 1);
	connect_to(3);
	EXPECT(hear(3, 'L', 3, 9, 1, 1), "");
	m.quorums.current.nvoters = 2;
	step(&(struct election_event){ .type = ELECTION_MEMBERS, .members = &m });
	EXPECT(look(5, 1), "2<L1/5/1/1");
	ck_assert_int_eq(e.vote.leader, 1);
}
END_TEST

/* As many actions as there are voters. */
START_TEST(a_large_ensemble)
{
	const struct election_action *a;
	size_t n;

	begin_of(100, 1);
	connect_to(100);
	look(5, 1);
	a = election_actions(&e, &n);
	ck_assert_uint_eq(n, 99);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(a[i].type, ELECTION_SEND);
		ck_assert_int_eq(a[i].peer, (int64_t)i + 2);
		ck_assert_int_eq(a[i].notification.vote.leader, 1);
	}
}
END_TEST

/* Servers whose configurations differ, each no voter to the other, would answer each other's answers. */
START_TEST(no_storm_of_answers)
{
	begin_of(3, 1);
	look(5, 1);
	EXPECT(hear(7, 'L', 7, 5, 1, 1), "7<L1/5/1/1");
	for (int i = 0; i < 1000; i++)
		EXPECT(hear(7, 'L', 7, 5, 1, 1), "");
	now += ELECTION_ANSWER_GAP_MS;
	EXPECT(hear(7, 'L', 7, 5, 1, 1), "7<L1/5/1/1");
	/* over a new connection it is told again at once */
	on(ELECTION_CONNECTED, 7);
	EXPECT(hear(7, 'L', 7, 5, 1, 1), "7<L1/5/1/1");
}
END_TEST

START_TEST(sids_that_no_configuration_can_have)
{
	static const int64_t sids[] = { -1, -16, 256, INT64_MIN, INT64_MAX };

	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	for (size_t i = 0; i < sizeof sids / sizeof sids[0]; i++) {
		char want[64];

		on(ELECTION_CONNECTED, sids[i]);
		snprintf(want, sizeof want, "%lld<L1/5/1/1", (long long)sids[i]);
		EXPECT(hear(sids[i], 'L', 3, 99, 1, 1), want);
		EXPECT(on(ELECTION_CLOSED, sids[i]), "");
		EXPECT(on(ELECTION_REFUSED, sids[i]), "");
	}
	ck_assert_int_eq(e.vote.leader, 1);
}
END_TEST

/* Observers */

START_TEST(an_observer_finds_the_leader)
{
	struct election_members m = voters(3);

	m.observer = true;
	begin(7, &m);
	connect_to(3);
	EXPECT(look(5, 1), "1<L-9223372036854775808/8000000000000000/1/-9223372036854775808 "
			   "2<L-9223372036854775808/8000000000000000/1/-9223372036854775808 "
			   "3<L-9223372036854775808/8000000000000000/1/-9223372036854775808");
	EXPECT(hear(1, 'F', 3, 5, 4, 1), "");
	EXPECT(hear(3, 'D', 3, 5, 4, 1), "=O3/5/4/1");
	EXPECT(hear(1, 'L', 1, 5, 4, 1), "1<O3/5/4/1");
}
END_TEST

START_TEST(an_observer_watches_an_election)
{
	struct election_members m = voters(3);

	m.observer = true;
	begin(7, &m);
	look(VOTE_ZXID_NONE, 0);
	EXPECT(hear(1, 'L', 3, 5, 4, 1), "1<L3/5/4/1");
	/* its own vote is none: two voters are needed, and the third may know better */
	EXPECT(hear(2, 'L', 3, 5, 4, 1), "");
	EXPECT(hear(3, 'L', 3, 5, 4, 1), "=O3/5/4/1");
}
END_TEST

/* It would tell a voter of an earlier round its vote, the voter would answer the non-voter, and so on. */
START_TEST(an_observer_does_not_call_back)
{
	struct election_members m = voters(3);

	m.observer = true;
	begin(7, &m);
	look(5, 1);
	look(5, 1);
	EXPECT(hear(1, 'L', 1, 5, 1, 1), "");
	EXPECT(hear(8, 'L', 8, 5, 1, 1), "");
}
END_TEST

/* Configurations */

START_TEST(a_newer_config_is_passed_on)
{
	struct election_event ev = {
		.type = ELECTION_NOTIFICATION,
		.peer = 2,
		.notification = { .vote = vote_of(VOTE_LOOKING, 2, 5, 1, 1, 2),
				  .config = SLICE_LIT("version=5") },
	};

	begin_of(3, 1);
	look(5, 1);
	/* it is counted all the same */
	EXPECT(step(&ev), "newer 2 2<L2/5/1/1");
	ev.notification.config = SLICE_LIT("nonsense");
	EXPECT(step(&ev), "");
	ev.notification.config = SLICE_NULL;
	EXPECT(step(&ev), "");
	/* one that does not look leaves that to its leader */
	ev.notification.config = SLICE_LIT("version=5");
	EXPECT(step(&(struct election_event){ .type = ELECTION_ROLE,
					      .vote = vote_of(VOTE_FOLLOWING, 3, 5, 7, 2, 2) }),
	       "2<F3/5/7/2");
	now += ELECTION_ANSWER_GAP_MS;
	EXPECT(step(&ev), "2<F3/5/7/2");
}
END_TEST

START_TEST(new_members_begin_the_election_again)
{
	struct election_members m = voters(3);
	struct election_event ev = { .type = ELECTION_MEMBERS, .members = &m };

	begin_of(3, 1);
	connect_to(3);
	look(5, 1);
	/* the same voters under another version: who has voted for us in this round need not do it again */
	m.version = 0x100000001;
	m.text = SLICE_LIT("version=100000001");
	EXPECT(step(&ev), "");
	ck_assert_str_eq(last_trace, "election members version=0x100000001");
	ck_assert(slice_equal(e.members.text, m.text));
	m.quorums.current.nvoters = 2;
	EXPECT(step(&ev), "2<L1/5/2/1");
	m.quorums.current.voters[1].weight = 2;
	EXPECT(step(&ev), "2<L1/5/3/1");
	m.quorums.has_pending = true;
	m.quorums.pending = m.quorums.current;
	EXPECT(step(&ev), "2<L1/5/4/1");
	m.quorums.pending.voters[0].weight = 2;
	EXPECT(step(&ev), "2<L1/5/5/1");
	m.observer = true;
	EXPECT(step(&ev), "2<L-9223372036854775808/8000000000000000/6/-9223372036854775808");
	m.version++;
	EXPECT(step(&ev), "");
	/* who they are, and how they are grouped, matters too */
	m.observer = false;
	EXPECT(step(&ev), "2<L1/5/7/1");
	m.quorums.current.voters[1].sid = 3;
	m.quorums.has_pending = false;
	EXPECT(step(&ev), "3<L1/5/8/1");
	m.quorums.current.hierarchical = true;
	EXPECT(step(&ev), "3<L1/5/9/1");
	m.quorums.current.voters[1].group = 1;
	EXPECT(step(&ev), "3<L1/5/10/1");
	m.version++;
	EXPECT(step(&ev), "");
	/* a settled one just notes them */
	on(ELECTION_LEAVE, 0);
	m.version++;
	m.text = SLICE_NULL;
	EXPECT(step(&ev), "");
	ck_assert_uint_eq(e.members.text.len, 0);
}
END_TEST

/*
 * The peer that shows the leader has newer members, too: the election ends by the old ones, and syncd follows by the new
 * ones. Who looks counts no observer, and may ask again only after a minute.
 */
START_TEST(newer_members_make_a_voter_of_who_has_settled)
{
	struct vote role = vote_of(VOTE_FOLLOWING, 3, 5, 4, 1, 0);
	struct election_members m = voters(3);

	m.observer = true;
	begin(4, &m);
	connect_to(3);
	look(5, 1);
	hear(1, 'F', 3, 5, 4, 1);
	EXPECT(hear(3, 'D', 3, 5, 4, 1), "=O3/5/4/1");
	m = voters(4);
	m.version = 0x100000001;
	EXPECT(step(&(struct election_event){ .type = ELECTION_MEMBERS, .members = &m }), "");
	EXPECT(hear(2, 'L', 2, 5, 4, 1), "2<O3/5/4/1");
	ck_assert(!election_has_role(&e, &role));
	EXPECT(step(&(struct election_event){ .type = ELECTION_ROLE, .vote = role }), "2<F3/5/4/1");
	ck_assert(election_has_role(&e, &role));
	role.round++;
	ck_assert(!election_has_role(&e, &role));
	role.round--;
	role.leader = 1;
	ck_assert(!election_has_role(&e, &role));
	look(5, 1);
	role = e.vote;
	ck_assert(!election_has_role(&e, &role));
}
END_TEST

START_TEST(says_no_more_than_is_asked)
{
	struct election_members m = voters(3);

	begin(1, &m);
	last_trace[0] = '\0';
	tracer.least = TRACE_WARNING;
	look(5, 1);
	on(ELECTION_REFUSED, 3);
	pass(200);
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<L2/5/1/1 =F2/5/1/1");
	step(&(struct election_event){ .type = ELECTION_MEMBERS, .members = &m });
	tracer.least = TRACE_DEBUG;
	ck_assert_str_eq(last_trace, "");
}
END_TEST

/* While a reconfiguration is pending both configurations must agree. */
START_TEST(pending_config)
{
	struct election_members m = voters(3);

	m.quorums.has_pending = true;
	quorum_init(&m.quorums.pending, false);
	for (uint64_t sid = 3; sid <= 7; sid++)
		ck_assert_int_eq(quorum_add(&m.quorums.pending, sid, 0, 1), 0);
	begin(1, &m);
	EXPECT(look(5, 1), "dial 2 dial 3 dial 4 dial 5 dial 6 dial 7");
	hear(2, 'L', 1, 5, 1, 1);
	hear(3, 'L', 1, 5, 1, 1);
	/* all of the old, one of the new */
	ck_assert_uint_eq(e.finalize_ms, 0);
	hear(4, 'L', 1, 5, 1, 1);
	hear(5, 'L', 1, 5, 1, 1);
	ck_assert_uint_ne(e.finalize_ms, 0);
	/* a server of the new one alone may lead too */
	EXPECT(hear(7, 'L', 7, 9, 1, 1), "2<L7/9/1/1 3<L7/9/1/1 4<L7/9/1/1 5<L7/9/1/1 7<L7/9/1/1");
	/* half of the old one is missing: nobody else may settle that */
	hear(6, 'L', 7, 9, 1, 1);
	hear(5, 'L', 7, 9, 1, 1);
	ck_assert_uint_eq(e.finalize_ms, 0);
	EXPECT(hear(3, 'L', 7, 9, 1, 1), "=F7/9/1/1");
}
END_TEST

/* Groups and weights: 1 2 3 | 4 5 6 | 7 8 9, the last of weight 0. */
static struct election_members
groups(void)
{
	struct election_members m = { .text = SLICE_LIT("version=0") };

	quorum_init(&m.quorums.current, true);
	for (uint64_t sid = 1; sid <= 9; sid++)
		ck_assert_int_eq(quorum_add(&m.quorums.current, sid, (uint32_t)(sid - 1) / 3, sid <= 6), 0);
	return m;
}

START_TEST(hierarchical_quorum)
{
	struct election_members m = groups();

	begin(1, &m);
	look(5, 1);
	hear(2, 'L', 1, 5, 1, 1);
	hear(3, 'L', 1, 5, 1, 1);
	hear(4, 'L', 1, 5, 1, 1);
	hear(7, 'L', 1, 5, 1, 1);
	hear(8, 'L', 1, 5, 1, 1);
	/* six voters, but of the two groups that have weight only one */
	ck_assert_uint_eq(e.finalize_ms, 0);
	hear(5, 'L', 1, 5, 1, 1);
	ck_assert_uint_ne(e.finalize_ms, 0);
	/* 9 has not voted; having no weight it has nothing to say */
	EXPECT(hear(6, 'L', 1, 5, 1, 1), "=D1/5/1/1");
}
END_TEST

START_TEST(weight_0_never_leads)
{
	struct election_members m = groups();

	begin(1, &m);
	look(5, 1);
	EXPECT(hear(9, 'L', 9, 99, 1, 9), "");
	ck_assert_int_eq(e.vote.leader, 1);
	EXPECT(hear(9, 'L', 9, 99, 2, 9), "9<L1/5/2/1");
	/* and gives itself up, however good it is */
	begin(9, &m);
	look(99, 9);
	EXPECT(hear(2, 'L', 2, 5, 1, 1), "2<L2/5/1/1");
	EXPECT(hear(1, 'L', 1, 5, 1, 1), "");
	ck_assert_int_eq(e.vote.leader, 2);
}
END_TEST

/* Stories of ZooKeeper's history */

/* 335, 1081, 1082: the current epoch goes before the zxid: who was in the later epoch leads, with fewer txns or none. */
START_TEST(zk335_zk1081_zk1082_epoch_before_zxid)
{
	begin_of(3, 1);
	connect_to(3);
	look(0x100000000, 2);
	EXPECT(hear(3, 'L', 3, 0x1000000ff, 1, 1), "");
	ck_assert_int_eq(e.vote.leader, 1);
	EXPECT(hear(2, 'L', 2, 0x100000000, 1, 2), "2<L2/100000000/1/2 3<L2/100000000/1/2 =F2/100000000/1/2");
}
END_TEST

/* 1154, 1156: the server with the highest zxid comes late. In the same epoch it wins, as long as the wait runs. */
START_TEST(zk1154_zk1156_the_best_comes_late)
{
	begin_of(3, 1);
	connect_to(3);
	look(0x100000005, 1);
	hear(2, 'L', 2, 0x100000005, 1, 1);
	ck_assert_uint_ne(e.finalize_ms, 0);
	now += 150;
	EXPECT(hear(3, 'L', 3, 0x100000009, 1, 1), "2<L3/100000009/1/1 3<L3/100000009/1/1 =F3/100000009/1/1");
	/* after the wait it follows whom a quorum elected, though that has less */
	begin_of(3, 3);
	connect_to(3);
	look(0x100000009, 1);
	hear(1, 'F', 2, 0x100000005, 1, 2);
	EXPECT(hear(2, 'D', 2, 0x100000005, 1, 2), "=F2/100000005/1/2");
}
END_TEST

/* 1818: votes whose zxid, round and epoch come from different times must not add up to a quorum of those that look. */
START_TEST(zk1818_mixed_votes)
{
	begin_of(5, 1);
	connect_to(5);
	look(5, 1);
	hear(5, 'L', 5, 9, 1, 1);
	EXPECT(hear(2, 'L', 5, 8, 1, 1), "");
	EXPECT(hear(3, 'F', 5, 9, 1, 2), "");
	EXPECT(hear(4, 'F', 5, 8, 1, 1), "");
	ck_assert_uint_eq(e.finalize_ms, 0);
	/* settled ones of one leader do, whatever their round, once it says that it leads */
	EXPECT(hear(3, 'F', 5, 8, 7, 2), "");
	EXPECT(hear(4, 'F', 5, 9, 6, 2), "");
	EXPECT(hear(5, 'D', 5, 9, 8, 2), "=F5/9/8/2");
}
END_TEST

/* 1419: five servers, 5 leads and dies. Those that still follow it, and those that look, in any order, settle. */
START_TEST(zk1419_five_servers_and_a_dead_leader)
{
	begin_of(5, 2);
	connect_to(5);
	step(&(struct election_event){ .type = ELECTION_ROLE,
				       .vote = vote_of(VOTE_FOLLOWING, 5, 5, 1, 1, 2) });
	/* 1 looks already */
	EXPECT(hear(1, 'L', 1, 5, 2, 1), "1<F5/5/1/1");
	EXPECT(on(ELECTION_RESET, 5), "");
	EXPECT(look(5, 1), "1<L2/5/2/1 3<L2/5/2/1 4<L2/5/2/1 dial 5");
	EXPECT(on(ELECTION_REFUSED, 5), "");
	/* 3 and 4 have not noticed */
	EXPECT(hear(3, 'F', 5, 5, 1, 1), "");
	EXPECT(hear(4, 'F', 5, 5, 1, 1), "");
	EXPECT(hear(1, 'L', 2, 5, 2, 1), "");
	/* now they do; 4 lost our vote when it was settled, but its own is better */
	EXPECT(hear(3, 'L', 3, 5, 2, 1), "1<L3/5/2/1 3<L3/5/2/1 4<L3/5/2/1");
	EXPECT(hear(4, 'L', 4, 5, 2, 1), "1<L4/5/2/1 3<L4/5/2/1 4<L4/5/2/1");
	EXPECT(hear(3, 'L', 4, 5, 2, 1), "=F4/5/2/1");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		order_of_votes,
		equality_of_votes,
		names_of_states,
		alone_is_a_quorum_of_one,
		dials_all_and_tells_who_connects,
		settles_at_once_when_all_have_voted,
		takes_over_a_better_vote,
		waits_where_a_better_vote_may_come,
		the_wait_has_an_end_of_its_own,
		a_better_vote_ends_the_wait,
		a_lost_quorum_ends_the_wait,
		waits_for_none_that_is_known_to_be_down,
		down_before_the_quorum_is_there,
		down_no_more,
		a_new_election_asks_again_who_is_down,
		a_closed_connection_is_dialled_again_once,
		a_later_round_is_joined_with_the_better_vote,
		joining_forgets_a_vote_taken_over,
		an_earlier_round_is_told_of_ours,
		the_clock_rises_with_each_election,
		votes_from_or_for_strangers_do_not_count,
		without_data_one_neither_counts_nor_is_counted,
		joins_the_leader_there_is,
		the_clock_falls_to_that_of_the_ensemble,
		zk569_a_leader_must_say_that_it_leads,
		a_leader_nominates_another,
		zk569_a_dead_leader_is_no_witness,
		following_in_our_own_round,
		epochs_half_renewed_in_our_round,
		zk1732_senders_without_version,
		elected_by_those_that_were_faster,
		observers_words_are_ignored,
		answers_who_looks,
		a_vote_that_came_a_moment_too_early,
		second_thoughts_of_voters,
		the_elected_leader_itself_looks_again,
		epoch_is_of_no_use_while_looking,
		idle_speaks_to_nobody,
		a_role_without_an_election,
		a_voter_that_was_settled_is_told_again,
		a_call_to_an_idle_one_is_not_lost,
		backs_off_from_200_ms_to_60_s,
		resends_over_what_works,
		time_does_not_go_back,
		a_non_voter_is_answered,
		an_asker_that_went_away_is_not_told,
		an_asker_is_told_of_the_next_leader_too,
		a_voter_without_data_is_told_of_the_leader_too,
		a_call_of_one_who_votes_no_more,
		a_large_ensemble,
		no_storm_of_answers,
		sids_that_no_configuration_can_have,
		an_observer_finds_the_leader,
		an_observer_watches_an_election,
		an_observer_does_not_call_back,
		a_newer_config_is_passed_on,
		new_members_begin_the_election_again,
		newer_members_make_a_voter_of_who_has_settled,
		says_no_more_than_is_asked,
		pending_config,
		hierarchical_quorum,
		weight_0_never_leads,
		zk335_zk1081_zk1082_epoch_before_zxid,
		zk1154_zk1156_the_best_comes_late,
		zk1818_mixed_votes,
		zk1419_five_servers_and_a_dead_leader,
	};
	TCase *t = tcase_create("core");
	Suite *s = suite_create("election");
	SRunner *r = srunner_create(s);

	tcase_add_checked_fixture(t, NULL, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
