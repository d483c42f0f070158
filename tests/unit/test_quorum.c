/* Quorums (base/quorum.h) and what they let syncd commit (syncd/acks.h). */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/quorum.h"
#include "syncd/acks.h"

static struct sid_set
set_of(const char *sids)
{
	struct sid_set s = { { 0 } };

	for (; *sids != '\0'; sids++)
		sid_set_add(&s, (uint64_t)(*sids - '0'));
	return s;
}

static bool
reached(const struct quorum *q, const char *sids)
{
	struct sid_set s = set_of(sids);

	return quorum_reached(q, &s);
}

static void
majority(struct quorum *q, const char *sids)
{
	quorum_init(q, false);
	for (; *sids != '\0'; sids++)
		ck_assert_int_eq(quorum_add(q, (uint64_t)(*sids - '0'), 0, 1), 0);
}

START_TEST(majority_is_more_than_half)
{
	struct quorum q;

	majority(&q, "");
	ck_assert(!reached(&q, ""));
	ck_assert(!reached(&q, "1"));
	majority(&q, "1");
	ck_assert(!reached(&q, ""));
	ck_assert(!reached(&q, "2"));
	ck_assert(reached(&q, "1"));
	majority(&q, "1234");
	ck_assert(!reached(&q, "12"));
	ck_assert(!reached(&q, "1289"));
	ck_assert(reached(&q, "124"));
	majority(&q, "12345");
	ck_assert(!reached(&q, "35"));
	ck_assert(reached(&q, "531"));
}
END_TEST

START_TEST(sids_are_bytes_and_unique)
{
	struct quorum q;
	struct sid_set s = { { 0 } };

	quorum_init(&q, false);
	ck_assert_int_eq(quorum_add(&q, 256, 0, 1), -ERANGE);
	ck_assert_int_eq(quorum_add(&q, 255, 0, 1), 0);
	ck_assert_int_eq(quorum_add(&q, 255, 0, 1), -EEXIST);
	ck_assert(quorum_is_voter(&q, 255));
	ck_assert(!quorum_is_voter(&q, 254));
	sid_set_add(&s, 255);
	ck_assert(sid_set_has(&s, 255));
	ck_assert(!sid_set_has(&s, 511));
	ck_assert(quorum_reached(&q, &s));
}
END_TEST

/* The example of ZooKeeper's administrator's guide: three groups of three, all of weight 1. */
START_TEST(groups_need_a_majority_of_groups)
{
	struct quorum q;

	quorum_init(&q, true);
	for (uint64_t sid = 1; sid <= 9; sid++)
		ck_assert_int_eq(quorum_add(&q, 10 - sid, (uint32_t)((9 - sid) / 3), 1), 0);
	ck_assert(reached(&q, "1245"));
	ck_assert(reached(&q, "1278"));
	ck_assert(!reached(&q, ""));
	ck_assert(!reached(&q, "123"));
	ck_assert(!reached(&q, "1234"));
	ck_assert(!reached(&q, "147"));
	ck_assert(reached(&q, "123456789"));
}
END_TEST

START_TEST(weight_zero_counts_for_nothing)
{
	struct quorum q;

	/* Group 3 has no weight, so two groups are left, and both are needed. */
	quorum_init(&q, true);
	ck_assert_int_eq(quorum_add(&q, 1, 1, 3), 0);
	ck_assert_int_eq(quorum_add(&q, 2, 1, 1), 0);
	ck_assert_int_eq(quorum_add(&q, 3, 2, 1), 0);
	ck_assert_int_eq(quorum_add(&q, 4, 3, 0), 0);
	ck_assert(reached(&q, "13"));
	ck_assert(!reached(&q, "23"));
	ck_assert(!reached(&q, "124"));
	ck_assert(!reached(&q, "34"));
}
END_TEST

START_TEST(pending_needs_both)
{
	struct quorum_pair p = { .has_pending = true, .pending_from = 10 };
	struct sid_set s;

	majority(&p.current, "123");
	majority(&p.pending, "345");
	s = set_of("12");
	ck_assert(quorum_pair_reached(&p, 9, &s));
	ck_assert(!quorum_pair_reached(&p, 10, &s));
	s = set_of("345");
	ck_assert(!quorum_pair_reached(&p, 9, &s));
	s = set_of("134");
	ck_assert(quorum_pair_reached(&p, 10, &s));
	p.has_pending = false;
	s = set_of("12");
	ck_assert(quorum_pair_reached(&p, 10, &s));
}
END_TEST

START_TEST(commit_point)
{
	struct quorum_pair p = { .has_pending = false };
	struct acks a;

	majority(&p.current, "123");
	acks_init(&a);
	ck_assert_uint_eq(acks_committable(&a, &p, 0, 0), 0);
	acks_put(&a, 1, 7);
	ck_assert_uint_eq(acks_committable(&a, &p, 0, 0), 0);
	acks_put(&a, 3, 5);
	ck_assert_uint_eq(acks_committable(&a, &p, 0, 0), 5);
	acks_put(&a, 9, 100); /* no voter */
	ck_assert_uint_eq(acks_committable(&a, &p, 0, 0), 5);
	acks_put(&a, 2, 6);
	ck_assert_uint_eq(acks_committable(&a, &p, 5, 5), 6);
	/* What is committed stays so when a server lost its log. */
	acks_put(&a, 1, 0);
	acks_put(&a, 2, 0);
	ck_assert_uint_eq(acks_committable(&a, &p, 6, 6), 6);
}
END_TEST

START_TEST(commit_point_before_a_pending_configuration)
{
	struct quorum_pair p = { .has_pending = true, .pending_from = 10 };
	struct sid_set s;
	struct acks a;

	majority(&p.current, "1");
	majority(&p.pending, "123");
	acks_init(&a);
	acks_put(&a, 1, 12);
	/* The old configuration alone is enough up to the reconfig txn, and no further. */
	ck_assert_uint_eq(acks_committable(&a, &p, 3, 9), 9);
	acks_put(&a, 2, 11);
	ck_assert_uint_eq(acks_committable(&a, &p, 9, 9), 11);
	s = acks_of(&a, &p.pending, 11);
	ck_assert(sid_set_has(&s, 2));
	s = acks_of(&a, &p.pending, 12);
	ck_assert(sid_set_has(&s, 1));
	ck_assert(!sid_set_has(&s, 2));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("quorum");
	TCase *t = tcase_create("quorum");
	SRunner *r;
	int failed;

	tcase_add_test(t, majority_is_more_than_half);
	tcase_add_test(t, sids_are_bytes_and_unique);
	tcase_add_test(t, groups_need_a_majority_of_groups);
	tcase_add_test(t, weight_zero_counts_for_nothing);
	tcase_add_test(t, pending_needs_both);
	tcase_add_test(t, commit_point);
	tcase_add_test(t, commit_point_before_a_pending_configuration);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
