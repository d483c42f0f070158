/* The log window against a plain model. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "syncd/window.h"

enum { MODEL_MAX = 512 };

/* Deterministic, so that a failure is found again. */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t
len_of(uint64_t zxid)
{
	return (size_t)(zxid * 2654435761u % 9973 % (zxid % 50 == 0 ? 9000 : 300)) + 1;
}

static void
check_body(const struct window *w, size_t i)
{
	uint64_t zxid = window_at(w, i)->zxid;
	struct slice body = window_body(w, i);

	ck_assert_uint_eq(body.len, len_of(zxid));
	for (size_t k = 0; k < body.len; k++)
		if (body.data[k] != (uint8_t)(zxid + k))
			ck_abort_msg("zxid %llu differs at %zu", (unsigned long long)zxid, k);
}

static void
push(struct window *w, uint64_t zxid)
{
	uint8_t body[9001];

	for (size_t k = 0; k < len_of(zxid); k++)
		body[k] = (uint8_t)(zxid + k);
	window_push(w, zxid, slice_of(body, len_of(zxid)));
}

START_TEST(holds_what_was_pushed)
{
	struct window w;
	uint64_t seed = 42 + (uint64_t)_i, zxid = 0;

	window_init(&w, 0);
	for (int turn = 0; turn < 20000; turn++) {
		uint64_t r = next_random(&seed);
		bool push_wanted = turn % 2000 < 1000 ? r % 3 != 0 : r % 3 == 0;

		if (push_wanted && w.count < MODEL_MAX) {
			push(&w, ++zxid);
		} else if (w.count > 0) {
			window_drop_first(&w);
		}
		ck_assert_uint_eq(window_last(&w), zxid);
		ck_assert_uint_eq(w.base + w.count, zxid);
		if (w.count > 0) {
			ck_assert_uint_eq(window_at(&w, 0)->zxid, w.base + 1);
			check_body(&w, 0);
			check_body(&w, (size_t)(r >> 8) % w.count);
			check_body(&w, w.count - 1);
		} else {
			ck_assert_uint_eq(w.held, 0);
		}
	}
	window_free(&w);
}
END_TEST

/* A ring that is used to its last byte is full, not empty. */
START_TEST(full_to_the_last_byte)
{
	static uint8_t body[1024];
	struct window w;
	size_t size;

	window_init(&w, 0);
	for (uint64_t z = 1; z <= 64; z++) {
		memset(body, (int)z, sizeof body);
		window_push(&w, z, slice_of(body, sizeof body));
	}
	size = w.size;
	ck_assert_uint_eq(size, w.held);
	for (uint64_t z = 65; z <= 200; z++) {
		window_drop_first(&w);
		memset(body, (int)z, sizeof body);
		window_push(&w, z, slice_of(body, sizeof body));
		for (size_t i = 0; i < w.count; i++)
			ck_assert_uint_eq(window_body(&w, i).data[1023], (uint8_t)window_at(&w, i)->zxid);
	}
	ck_assert_uint_eq(w.size, size); /* steady state allocates nothing */
	window_push(&w, 201, slice_of(body, 1));
	ck_assert_uint_gt(w.size, size);
	for (size_t i = 0; i + 1 < w.count; i++)
		ck_assert_uint_eq(window_body(&w, i).data[0], (uint8_t)window_at(&w, i)->zxid);
	window_free(&w);
}
END_TEST

START_TEST(finds_positions)
{
	struct window w;

	window_init(&w, 7);
	ck_assert(window_continues(&w, 7));
	ck_assert(!window_continues(&w, 6));
	ck_assert(!window_continues(&w, 8));
	push(&w, 8);
	push(&w, 9);
	push(&w, UINT64_C(1) << 32 | 1); /* a new epoch */
	ck_assert(window_continues(&w, 7));
	ck_assert(window_continues(&w, 9));
	ck_assert(!window_continues(&w, 10));
	ck_assert(window_continues(&w, UINT64_C(1) << 32 | 1));
	ck_assert_uint_eq(window_after(&w, 0), 0);
	ck_assert_uint_eq(window_after(&w, 8), 1);
	ck_assert_uint_eq(window_after(&w, 9), 2);
	ck_assert_uint_eq(window_after(&w, 10), 2);
	ck_assert_uint_eq(window_after(&w, UINT64_MAX), 3);
	window_drop_first(&w);
	ck_assert(!window_continues(&w, 7));
	ck_assert(window_continues(&w, 8));
	window_reset(&w, 3);
	ck_assert_uint_eq(window_last(&w), 3);
	ck_assert_uint_eq(w.held, 0);
	window_free(&w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("window");
	TCase *t = tcase_create("window");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, holds_what_was_pushed, 0, 8);
	tcase_add_test(t, full_to_the_last_byte);
	tcase_add_test(t, finds_positions);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
