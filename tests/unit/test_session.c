/* Sessions: buckets, touches, stalls, owners, what prep and apply make of them, ids. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "jute/passwd.h"
#include "tree_kit.h"

enum { TICK = 1000 };

static struct kit k;
static struct sessions *s;

static void
start(void)
{
	kit_start(&k);
	s = tree_sessions(k.tree);
	ck_assert_int_eq(kit_close(&k, k.session), ZK_OK);
	sessions_lead(s, TICK, 0);
	k.now_ms = 0;
}

static void
end(void)
{
	kit_end(&k);
}

/* A session made at `now` expires at `dies`: exactly then, not a millisecond before. */
START_TEST(expires_at_the_end_of_its_tick)
{
	static const struct {
		int64_t now;
		int32_t timeout;
		int64_t dies;
	} rows[] = {
		{ 0, 4000, 5000 }, /* (t / tick + 1) * tick */
		{ 1, 4000, 5000 }, { 999, 4000, 5000 },   { 1000, 4000, 6000 },    { 0, 3999, 4000 },
		{ 0, 1, 1000 },    { 500, 40000, 41000 }, { 0, 5000000, 5001000 }, /* more than a turn of the wheel */
	};
	int64_t id;

	sessions_lead(s, TICK, rows[_i].now);
	k.now_ms = rows[_i].now;
	kit_open(&k, 7, rows[_i].timeout);
	for (int64_t t = rows[_i].now; t < rows[_i].dies; t += 333)
		ck_assert(!sessions_next_expired(s, t, &id));
	ck_assert(!sessions_next_expired(s, rows[_i].dies - 1, &id));
	ck_assert_int_le(sessions_deadline(s), rows[_i].dies);
	ck_assert(sessions_next_expired(s, rows[_i].dies, &id));
	ck_assert_int_eq(id, 7);
	ck_assert(!sessions_next_expired(s, rows[_i].dies, &id));
	ck_assert_int_eq(sessions_deadline(s), INT64_MAX);
}
END_TEST

START_TEST(deadline_is_the_next_expiry)
{
	int64_t id;

	ck_assert_int_eq(sessions_deadline(s), INT64_MAX);
	kit_open(&k, 1, 10000);
	ck_assert_int_eq(sessions_deadline(s), 11000);
	kit_open(&k, 2, 4000);
	ck_assert_int_eq(sessions_deadline(s), 5000);
	ck_assert(sessions_touch(s, 2, 0, 3000));
	ck_assert_int_eq(sessions_deadline(s), 8000);
	ck_assert(sessions_next_expired(s, 8000, &id));
	ck_assert_int_eq(id, 2);
	ck_assert_int_eq(sessions_deadline(s), 11000);
}
END_TEST

START_TEST(touch_prolongs_and_may_change_the_timeout)
{
	int64_t id;

	kit_open(&k, 1, 4000);
	for (int64_t t = 0; t < 100000; t += 3000) {
		ck_assert(!sessions_next_expired(s, t, &id));
		ck_assert(sessions_touch(s, 1, 0, t));
	}
	ck_assert(sessions_touch(s, 1, 20000, 100000));
	ck_assert(!sessions_next_expired(s, 120999, &id));
	ck_assert(sessions_next_expired(s, 121000, &id));
	/* Closing: nothing brings it back. */
	ck_assert(!sessions_touch(s, 1, 0, 121000));
	ck_assert(!sessions_revalidate(s, 1, 0, 4000, 121000));
	ck_assert_int_eq(sessions_check(s, 1, 0), ZK_SESSIONEXPIRED);
	ck_assert(!sessions_touch(s, 99, 0, 121000));
}
END_TEST

START_TEST(all_of_a_bucket_expire_one_at_a_call)
{
	int64_t id, sum = 0;

	for (int64_t i = 1; i <= 10; i++)
		kit_open(&k, i, 4000);
	for (int i = 0; i < 10; i++) {
		ck_assert(sessions_next_expired(s, 9000, &id));
		sum += id;
	}
	ck_assert_int_eq(sum, 55);
	ck_assert(!sessions_next_expired(s, 9000, &id));
}
END_TEST

START_TEST(time_that_stood_still_expires_nobody)
{
	int64_t id;

	kit_open(&k, 1, 4000);
	sessions_stalled(s, 60000);
	ck_assert(!sessions_next_expired(s, 64999, &id));
	ck_assert_int_eq(sessions_deadline(s), 65000);
	sessions_suspend(s, 64000);
	sessions_suspend(s, 64500);
	ck_assert_int_eq(sessions_deadline(s), INT64_MAX);
	ck_assert(!sessions_next_expired(s, 164000, &id));
	sessions_resume(s, 164000);
	sessions_resume(s, 164000);
	ck_assert(!sessions_next_expired(s, 164999, &id));
	ck_assert(sessions_next_expired(s, 165000, &id));
}
END_TEST

START_TEST(a_touch_during_a_stall_counts_from_its_end)
{
	int64_t id;

	kit_open(&k, 1, 4000);
	sessions_suspend(s, 2000);
	ck_assert(sessions_touch(s, 1, 0, 50000));
	sessions_resume(s, 100000);
	ck_assert(!sessions_next_expired(s, 104999, &id));
	ck_assert(sessions_next_expired(s, 105000, &id));
}
END_TEST

START_TEST(a_new_leader_gives_everybody_full_time)
{
	int64_t id;
	struct session_view v;

	kit_open(&k, 1, 4000);
	kit_open(&k, 2, 4000);
	ck_assert_int_eq(sessions_check(s, 1, 5), ZK_SESSIONMOVED);
	ck_assert(sessions_next_expired(s, 5000, &id));
	/* Prepared only: it dies with the role, like the closing above. */
	k.hold = true;
	kit_open(&k, 3, 4000);
	ck_assert(sessions_get(s, 3, &v));
	ck_assert(!v.applied);
	sessions_follow(s);
	ck_assert(!sessions_next_expired(s, 1000000, &id));
	ck_assert_int_eq(sessions_deadline(s), INT64_MAX);
	sessions_lead(s, TICK, 2000000);
	ck_assert(!sessions_get(s, 3, &v));
	ck_assert(sessions_get(s, 1, &v));
	ck_assert(!v.closing);
	ck_assert(v.owner == SESSION_NO_OWNER);
	ck_assert(!sessions_next_expired(s, 2004999, &id));
	ck_assert(sessions_next_expired(s, 2005000, &id));
	ck_assert(sessions_next_expired(s, 2005000, &id));
}
END_TEST

START_TEST(owners)
{
	uint8_t passwd[PASSWD_BYTES];

	k.owner = 3;
	kit_open(&k, 1, 4000);
	ck_assert_int_eq(sessions_check(s, 1, 3), ZK_OK);
	ck_assert_int_eq(sessions_check(s, 1, 4), ZK_SESSIONMOVED);
	ck_assert_int_eq(sessions_check(s, 2, 4), ZK_SESSIONEXPIRED);
	/* A learner vouches; then its number owns. */
	ck_assert(sessions_revalidate(s, 1, 4, 4000, 0));
	ck_assert_int_eq(sessions_check(s, 1, 4), ZK_OK);
	ck_assert_int_eq(sessions_check(s, 1, 3), ZK_SESSIONMOVED);
	/* An own client shows the password. */
	passwd_derive(1, passwd);
	ck_assert(sessions_renew(s, 1, slice_of(passwd, sizeof passwd), 0, 4000, 0));
	passwd[15] ^= 1;
	ck_assert(!sessions_renew(s, 1, slice_of(passwd, sizeof passwd), 9, 4000, 0));
	ck_assert(!sessions_renew(s, 1, slice_of(passwd, 15), 9, 4000, 0));
	ck_assert(!sessions_renew(s, 1, slice_of("", 0), 9, 4000, 0));
	ck_assert(!sessions_renew(s, 1, SLICE_NULL, 9, 4000, 0));
	ck_assert_int_eq(sessions_check(s, 1, 0), ZK_OK);
	/* After a change of leader the first who asks owns. */
	sessions_lead(s, TICK, 0);
	ck_assert_int_eq(sessions_check(s, 1, 8), ZK_OK);
	ck_assert_int_eq(sessions_check(s, 1, 0), ZK_SESSIONMOVED);
}
END_TEST

START_TEST(a_follower_judges_the_password_only)
{
	uint8_t passwd[PASSWD_BYTES];

	sessions_follow(s);
	passwd_derive(77, passwd);
	ck_assert(sessions_renew(s, 77, slice_of(passwd, sizeof passwd), 0, 4000, 0));
	passwd[0] ^= 1;
	ck_assert(!sessions_renew(s, 77, slice_of(passwd, sizeof passwd), 0, 4000, 0));
}
END_TEST

START_TEST(closing_stops_later_requests)
{
	kit_open(&k, 1, 4000);
	k.session = 1;
	k.hold = true;
	ck_assert_int_eq(kit_create(&k, "/before", "", 0), ZK_OK);
	ck_assert_int_eq(kit_close(&k, 1), ZK_OK);
	ck_assert_int_eq(kit_create(&k, "/after", "", 0), ZK_SESSIONEXPIRED);
	kit_apply(&k);
	ck_assert(kit_exists(&k, "/before"));
	ck_assert(!kit_exists(&k, "/after"));
	ck_assert_uint_eq(sessions_count(s), 0);
}
END_TEST

/* ZOOKEEPER-1208, 2355 and their kin: every order of create, delete, close against commits. */
START_TEST(no_ephemeral_outlives_its_session)
{
	struct session_view v;

	kit_open(&k, 1, 4000);
	kit_open(&k, 2, 4000);
	k.session = 1;
	kit_create(&k, "/committed", "", 1);
	kit_create(&k, "/deleted", "", 1);
	kit_create(&k, "/moved", "", 1);
	kit_create(&k, "/p", "", 0);
	ck_assert(sessions_get(s, 1, &v));
	ck_assert_uint_eq(v.ephemerals, 3);
	k.hold = true;
	kit_create(&k, "/p/pending", "", 1);
	kit_create(&k, "/p/gone", "", 1);
	kit_delete(&k, "/p/gone", -1);
	kit_delete(&k, "/deleted", -1);
	kit_delete(&k, "/moved", -1);
	kit_set(&k, "/committed", "changed", -1);
	k.session = 2;
	kit_create(&k, "/moved", "", 1);
	ck_assert_int_eq(kit_close(&k, 1), ZK_OK);
	if (_i == 1)
		kit_apply_one(&k);
	kit_apply(&k);
	ck_assert(!kit_exists(&k, "/committed"));
	ck_assert(!kit_exists(&k, "/deleted"));
	ck_assert(!kit_exists(&k, "/p/pending"));
	ck_assert(!kit_exists(&k, "/p/gone"));
	ck_assert(kit_exists(&k, "/moved"));
	ck_assert_int_eq(kit_stat(&k, "/moved").ephemeral_owner, 2);
	ck_assert_int_eq(kit_stat(&k, "/p").num_children, 0);
	ck_assert(!sessions_get(s, 1, &v));
	ck_assert(tree_check(k.tree));
}
END_TEST

/* ZOOKEEPER-4306: a close that would not fit in a message names no paths, and deletes the same nodes. */
START_TEST(close_with_very_many_ephemerals)
{
	char path[512];
	struct tree_stats st;
	struct tree_txn txn;

	kit_open(&k, 1, 4000);
	k.session = 1;
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof path, "/%0400d", i);
		ck_assert_int_eq(kit_create(&k, path, "", 1), ZK_OK);
	}
	ck_assert_int_eq(kit_close(&k, 1), ZK_OK);
	ck_assert_int_eq(tree_txn_parse(kit_last_txn(&k), &txn), 0);
	ck_assert_uint_eq(txn.record.len, 12);
	tree_stats(k.tree, &st);
	ck_assert_uint_eq(st.ephemerals, 0);
	ck_assert_uint_eq(st.digest_mismatches, 0);
	ck_assert(tree_check(k.tree));
}
END_TEST

static void
count_visit(const struct session_view *v, void *ctx)
{
	int64_t *last = ctx;

	ck_assert_int_gt(v->id, *last);
	*last = v->id;
}

START_TEST(each_session_oldest_first)
{
	int64_t last = 0;

	for (int64_t i = 1; i < 100; i++)
		kit_open(&k, i, 4000);
	sessions_each(s, count_visit, &last);
	ck_assert_int_eq(last, 99);
	ck_assert_uint_eq(sessions_count(s), 99);
}
END_TEST

START_TEST(new_ids)
{
	struct session_ids ids;
	int64_t a;

	session_ids_init(&ids, 1, 0x114835);
	a = session_ids_take(&ids, s);
	ck_assert_int_eq(a, 0x100001148350000);
	kit_open(&k, a + 1, 4000);
	ck_assert_int_eq(session_ids_take(&ids, s), a + 2);
	/* Neither what marks a container nor what asks for a new session. */
	session_ids_init(&ids, 0x80, 0);
	ck_assert_int_eq(session_ids_take(&ids, s), INT64_MIN + 1);
	session_ids_init(&ids, 0, 0);
	ck_assert_int_eq(session_ids_take(&ids, s), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("session");
	TCase *tc = tcase_create("session");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_add_loop_test(tc, expires_at_the_end_of_its_tick, 0, 8);
	tcase_add_test(tc, deadline_is_the_next_expiry);
	tcase_add_test(tc, touch_prolongs_and_may_change_the_timeout);
	tcase_add_test(tc, all_of_a_bucket_expire_one_at_a_call);
	tcase_add_test(tc, time_that_stood_still_expires_nobody);
	tcase_add_test(tc, a_touch_during_a_stall_counts_from_its_end);
	tcase_add_test(tc, a_new_leader_gives_everybody_full_time);
	tcase_add_test(tc, owners);
	tcase_add_test(tc, a_follower_judges_the_password_only);
	tcase_add_test(tc, closing_stops_later_requests);
	tcase_add_loop_test(tc, no_ephemeral_outlives_its_session, 0, 2);
	tcase_add_test(tc, close_with_very_many_ephemerals);
	tcase_add_test(tc, each_session_oldest_first);
	tcase_add_test(tc, new_ids);
	suite_add_tcase(suite, tc);
	r = srunner_create(suite);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
