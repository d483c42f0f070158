/* The histogram of zkbench: what it gives back is what was put in, less than 1 % too high and never too low. */
#include <check.h>
#include <stdlib.h>

#include "bench/histogram.h"

START_TEST(test_empty)
{
	static struct histogram h;

	ck_assert_uint_eq(h.count, 0);
	ck_assert(histogram_us(&h, 0.5) == 0);
	ck_assert(histogram_max_us(&h) == 0);
}
END_TEST

/* With a second, larger value the median is the bucket of the first and not the maximum. */
START_TEST(test_precision)
{
	static const uint64_t factors[] = { 1, 127, 128, 129, 255, 256, 1023 };

	for (int shift = 0; shift < 30; shift++) {
		for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
			struct histogram *h = calloc(1, sizeof *h);
			uint64_t ns = factors[i] << shift;
			histogram_add(h, ns);
			histogram_add(h, ns);
			histogram_add(h, ns * 2);
			ck_assert(histogram_us(h, 0.5) >= (double)ns / 1e3);
			ck_assert(histogram_us(h, 0.5) <= (double)ns / 1e3 * 1.01);
			ck_assert(histogram_max_us(h) == (double)ns * 2 / 1e3);
			free(h);
		}
	}
}
END_TEST

START_TEST(test_percentiles)
{
	static struct histogram h;

	for (uint64_t i = 1; i <= 1000; i++)
		histogram_add(&h, i * 1000);
	ck_assert_uint_eq(h.count, 1000);
	ck_assert_double_eq_tol(histogram_us(&h, 0.5), 501, 5);
	ck_assert_double_eq_tol(histogram_us(&h, 0.9), 901, 9);
	ck_assert_double_eq_tol(histogram_us(&h, 0.99), 991, 10);
	ck_assert(histogram_us(&h, 1) == 1000);
}
END_TEST

START_TEST(test_too_long)
{
	static struct histogram h;

	histogram_add(&h, UINT64_MAX);
	histogram_add(&h, 5000);
	ck_assert_uint_eq(h.buckets[HISTOGRAM_BUCKETS - 1], 1);
	ck_assert(histogram_max_us(&h) == (double)UINT64_MAX / 1e3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("histogram");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, test_empty);
	tcase_add_test(t, test_precision);
	tcase_add_test(t, test_percentiles);
	tcase_add_test(t, test_too_long);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
