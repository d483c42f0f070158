/*
 * common/base: buffers and arenas at their limits, tables while they grow, lists, memory, traces,
 * assertions.
 */
#include "config.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/table.h"
#include "base/trace.h"

/* slice, bytes */

START_TEST(slices)
{
	ck_assert_ptr_null(slice_str(NULL).data);
	ck_assert(slice_str("").data != NULL && slice_str("").len == 0);
	ck_assert_uint_eq(SLICE_LIT("a\0b").len, 3);
	ck_assert(slice_equal(SLICE_NULL, SLICE_LIT("")));
	ck_assert(slice_equal(slice_str("ab"), SLICE_LIT("ab")));
	ck_assert(!slice_equal(slice_str("ab"), SLICE_LIT("ac")));
	ck_assert(!slice_equal(slice_str("ab"), SLICE_LIT("a")));
}
END_TEST

START_TEST(integers_are_big_endian)
{
	uint8_t b[8];

	put_be16(b, 0x0102);
	ck_assert_mem_eq(b, "\x01\x02", 2);
	ck_assert_uint_eq(get_be16(b), 0x0102);
	put_be32(b, 0xfffefdfc);
	ck_assert_mem_eq(b, "\xff\xfe\xfd\xfc", 4);
	ck_assert_uint_eq(get_be32(b), 0xfffefdfc);
	put_be64(b, 0x8102030405060708);
	ck_assert_mem_eq(b, "\x81\x02\x03\x04\x05\x06\x07\x08", 8);
	ck_assert(get_be64(b) == 0x8102030405060708);
}
END_TEST

/* buf */

static struct buf buf;

static void
buf_setup(void)
{
	buf_init(&buf, 100);
}

static void
buf_teardown(void)
{
	buf_free(&buf);
}

START_TEST(buf_appends_in_order)
{
	buf_put_u8(&buf, 1);
	buf_put_be16(&buf, 0x0203);
	buf_put_be32(&buf, 0x04050607);
	buf_put_be64(&buf, 0x08090a0b0c0d0e0f);
	buf_put_slice(&buf, SLICE_LIT("xy"));
	buf_put(&buf, "z", 1);
	buf_put_slice(&buf, SLICE_NULL);
	ck_assert(slice_equal(buf_slice(&buf), SLICE_LIT("\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17xyz")));
	ck_assert(!buf.overflow);
}
END_TEST

START_TEST(buf_limit_is_sticky)
{
	uint8_t full[100] = { 0 };

	buf_put(&buf, full, 99);
	buf_put_be16(&buf, 1);
	ck_assert(buf.overflow);
	buf_put_u8(&buf, 1); /* would fit, but the chain is broken */
	ck_assert_uint_eq(buf_len(&buf), 99);
	ck_assert_ptr_null(buf_reserve(&buf, 0));
	buf_truncate(&buf, 99);
	ck_assert(!buf.overflow);
	buf_put_u8(&buf, 1);
	ck_assert(!buf.overflow && buf_len(&buf) == 100);
	buf_put_be32(&buf, 1);
	buf_put_be64(&buf, 1);
	ck_assert(buf.overflow && buf_len(&buf) == 100);
}
END_TEST

START_TEST(buf_refuses_absurd_sizes)
{
	buf_put_u8(&buf, 1);
	ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX));
	ck_assert(buf.overflow);
	ck_assert_uint_eq(buf_len(&buf), 1);
}
END_TEST

START_TEST(buf_max_counts_unread_bytes)
{
	uint8_t chunk[60];

	/* many times max goes through, as long as no more than max is inside */
	for (int i = 0; i < 1000; i++) {
		memset(chunk, i, sizeof chunk);
		buf_put(&buf, chunk, sizeof chunk);
		ck_assert(!buf.overflow);
		ck_assert_uint_eq(buf_head(&buf)[0], (uint8_t)i);
		ck_assert_uint_eq(buf_head(&buf)[59], (uint8_t)i);
		buf_consume(&buf, sizeof chunk);
	}
	ck_assert_uint_le(buf.cap, 1024);
}
END_TEST

START_TEST(buf_slides_and_grows)
{
	struct buf b;
	uint32_t in = 0, seen = 0;

	buf_init(&b, 1 << 20);
	/* three in, two out: the content moves to the front and to larger memory again and again */
	while (in < 30000) {
		for (int k = 0; k < 3; k++)
			buf_put_be32(&b, in++);
		for (int k = 0; k < 2; k++) {
			ck_assert_uint_eq(get_be32(buf_head(&b)), seen++);
			buf_consume(&b, 4);
		}
	}
	while (buf_len(&b) > 0) {
		ck_assert_uint_eq(get_be32(buf_head(&b)), seen++);
		buf_consume(&b, 4);
	}
	ck_assert_uint_eq(seen, in);
	ck_assert(b.off == 0 && b.end == 0);
	buf_free(&b);
}
END_TEST

START_TEST(buf_without_memory)
{
	ck_assert(buf_head(&buf) != NULL && buf_slice(&buf).data != NULL && buf_len(&buf) == 0);
	buf_put_slice(&buf, SLICE_NULL);
	ck_assert(!buf.overflow && buf_len(&buf) == 0);
	ck_assert_ptr_nonnull(buf_reserve(&buf, 0));
}
END_TEST

START_TEST(buf_reserve_and_commit)
{
	uint8_t *p = buf_reserve(&buf, 10);

	memcpy(p, "abcdefghij", 10);
	ck_assert_uint_eq(buf_len(&buf), 0);
	buf_commit(&buf, 3);
	ck_assert(slice_equal(buf_slice(&buf), SLICE_LIT("abc")));
}
END_TEST

START_TEST(buf_truncate_keeps_the_front)
{
	buf_put(&buf, "abcdef", 6);
	buf_consume(&buf, 2);
	buf_truncate(&buf, 1);
	ck_assert(slice_equal(buf_slice(&buf), SLICE_LIT("c")));
	buf_truncate(&buf, 0);
	ck_assert_uint_eq(buf_len(&buf), 0);
}
END_TEST

START_TEST(buf_reset_keeps_small_memory)
{
	buf_put_u8(&buf, 1);
	size_t cap = buf.cap;
	buf_reserve(&buf, 1000); /* overflow */
	buf_reset(&buf, cap);
	ck_assert(!buf.overflow && buf_len(&buf) == 0 && buf.cap == cap);
	buf_reset(&buf, cap - 1);
	ck_assert(buf.cap == 0 && buf.data == NULL && buf.max == 100);
	buf_put_u8(&buf, 2);
	ck_assert_uint_eq(buf_len(&buf), 1);
}
END_TEST

START_TEST(buf_consume_too_much_aborts)
{
	buf_put_u8(&buf, 1);
	fclose(stderr);
	buf_consume(&buf, 2);
}
END_TEST

START_TEST(buf_truncate_too_long_aborts)
{
	fclose(stderr);
	buf_truncate(&buf, 1);
}
END_TEST

/* arena */

START_TEST(arena_limits)
{
	struct arena a;

	arena_init(&a, 1000);
	ck_assert_ptr_null(arena_alloc(&a, 1001));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_nonnull(arena_alloc(&a, 900));
	ck_assert_ptr_null(arena_alloc(&a, 101));
	ck_assert_ptr_nonnull(arena_alloc(&a, 50));
	ck_assert_ptr_null(arena_array(&a, SIZE_MAX / 4, 8));
	arena_reset(&a);
	ck_assert_uint_eq(a.used, 0);
	ck_assert_ptr_nonnull(arena_alloc(&a, 1000));
	arena_free(&a);
}
END_TEST

START_TEST(arena_blocks_do_not_overlap)
{
	enum { N = 300 };
	unsigned char *p[N];
	struct arena a;

	arena_init(&a, 1 << 20);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < N; i++) {
			p[i] = arena_alloc(&a, (size_t)i * 7);
			ck_assert_uint_eq((uintptr_t)p[i] % _Alignof(max_align_t), 0);
			memset(p[i], i, (size_t)i * 7);
		}
		for (int i = 0; i < N; i++)
			for (int k = 0; k < i * 7; k++)
				ck_assert_uint_eq(p[i][k], (unsigned char)i);
		arena_reset(&a);
	}
	arena_free(&a);
	ck_assert_ptr_null(a.head);
}
END_TEST

START_TEST(arena_reset_keeps_one_block)
{
	struct arena a;

	arena_init(&a, 1 << 20);
	arena_alloc(&a, 16);
	arena_alloc(&a, 100000); /* a block of its own */
	arena_alloc(&a, 16);
	arena_reset(&a);
	void *again = arena_alloc(&a, 16);
	ck_assert_msg(a.used == 16, "%zu", a.used);
	arena_reset(&a);
	ck_assert_ptr_eq(arena_alloc(&a, 16), again);
	arena_free(&a);
}
END_TEST

START_TEST(arena_array_and_copy)
{
	static const uint8_t zeros[64];
	struct arena a;

	arena_init(&a, 256);
	memset(arena_alloc(&a, 64), 0xff, 64);
	arena_reset(&a);
	ck_assert_mem_eq(arena_array(&a, 8, 8), zeros, 64);
	ck_assert_ptr_nonnull(arena_array(&a, 0, 8));
	struct slice s = SLICE_LIT("abc"), copy = arena_copy(&a, s);
	ck_assert(slice_equal(s, copy) && s.data != copy.data);
	ck_assert(arena_copy(&a, SLICE_LIT("")).data != NULL);
	ck_assert_ptr_null(arena_copy(&a, SLICE_NULL).data);
	ck_assert_ptr_null(arena_copy(&a, slice_of(zeros, 250)).data);
	arena_free(&a);
}
END_TEST

/* list */

struct item {
	int value;
	struct list link;
};

START_TEST(lists)
{
	struct list head;
	struct item items[4];
	int sum = 0, order = 0;

	list_init(&head);
	ck_assert(list_empty(&head) && list_first(&head) == NULL);
	for (int i = 1; i < 4; i++) {
		items[i].value = i;
		list_append(&head, &items[i].link);
	}
	items[0].value = 0;
	list_prepend(&head, &items[0].link);
	list_for_each (e, &head)
		ck_assert_int_eq(container_of(e, struct item, link)->value, order++);
	ck_assert_int_eq(order, 4);
	list_for_each_safe (e, &head) {
		sum += container_of(e, struct item, link)->value;
		list_remove(e);
		list_remove(e);
	}
	ck_assert_int_eq(sum, 6);
	ck_assert(list_empty(&head));
}
END_TEST

/* table */

struct node {
	uint64_t key;
	struct table_entry entry;
	int visits;
};

static bool
node_match(const struct table_entry *e, const void *key)
{
	return container_of(e, const struct node, entry)->key == *(const uint64_t *)key;
}

static struct node *
find_node(const struct table *t, uint64_t hash, uint64_t key)
{
	struct table_entry *e = table_find(t, hash, node_match, &key);

	return e == NULL ? NULL : container_of(e, struct node, entry);
}

static void
count_visit(struct table_entry *e, void *ctx)
{
	container_of(e, struct node, entry)->visits++;
	++*(size_t *)ctx;
}

START_TEST(table_empty)
{
	struct table t;
	size_t visited = 0;

	table_init(&t);
	ck_assert_ptr_null(find_node(&t, 1, 1));
	table_each(&t, count_visit, &visited);
	ck_assert_uint_eq(visited, 0);
	table_free(&t);
}
END_TEST

/*
 * At every size, so also in the middle of each draining: all that was inserted is found, once, and nothing
 * else is.
 */
START_TEST(table_grows_without_losing)
{
	enum { N = 1200 };
	struct node *nodes = calloc(N, sizeof *nodes);
	struct table t;
	bool drained_midway = false;

	table_init(&t);
	for (uint64_t i = 0; i < N; i++) {
		nodes[i].key = i;
		table_insert(&t, &nodes[i].entry, table_hash_u64(i));
		drained_midway |= t.old != NULL && t.drained > 0;
		ck_assert_uint_eq(t.count, i + 1);
		for (uint64_t k = 0; k <= i; k++)
			ck_assert_ptr_eq(find_node(&t, table_hash_u64(k), k), &nodes[k]);
		ck_assert_ptr_null(find_node(&t, table_hash_u64(i + 1), i + 1));
	}
	ck_assert_msg(drained_midway, "growth was never spread over calls");
	ck_assert_uint_ge(t.nslots, N);
	table_free(&t);
	free(nodes);
}
END_TEST

/* Draining is over before the next growth is due, so that no single call pays for all. */
START_TEST(table_drains_in_time)
{
	enum { N = 5000 };
	struct node *nodes = calloc(N, sizeof *nodes);
	struct table t;

	table_init(&t);
	for (uint64_t i = 0; i < N; i++) {
		size_t before = t.nslots;
		bool draining = t.old != NULL;
		table_insert(&t, &nodes[i].entry, table_hash_u64(i));
		ck_assert_msg(t.nslots == before || !draining, "grew to %zu while draining", t.nslots);
	}
	table_free(&t);
	free(nodes);
}
END_TEST

START_TEST(table_each_visits_once)
{
	enum { N = 600 };
	struct node nodes[N] = { 0 };
	struct table t;

	table_init(&t);
	for (uint64_t i = 0; i < N; i++) {
		size_t visited = 0;
		nodes[i].key = i;
		table_insert(&t, &nodes[i].entry, table_hash_u64(i));
		table_each(&t, count_visit, &visited);
		ck_assert_uint_eq(visited, i + 1);
	}
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(nodes[i].visits, N - i);
	table_free(&t);
}
END_TEST

START_TEST(table_equal_hashes)
{
	struct node nodes[40] = { 0 };
	struct table t;

	table_init(&t);
	for (uint64_t i = 0; i < 40; i++) {
		nodes[i].key = i;
		table_insert(&t, &nodes[i].entry, 7);
	}
	for (uint64_t i = 0; i < 40; i += 2)
		table_remove(&t, &nodes[i].entry);
	for (uint64_t i = 0; i < 40; i++)
		ck_assert_ptr_eq(find_node(&t, 7, i), i % 2 == 0 ? NULL : &nodes[i]);
	ck_assert_uint_eq(t.count, 20);
	table_free(&t);
}
END_TEST

/* Random inserts and removals against an array that says what is inside. */
START_TEST(table_against_a_model)
{
	enum { N = 4096, STEPS = 60000 };
	struct node *nodes = calloc(N, sizeof *nodes);
	bool *inside = calloc(N, sizeof *inside);
	size_t count = 0;
	struct table t;
	uint64_t random = 42;

	table_init(&t);
	for (int step = 0; step < STEPS; step++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		/* the working set widens, so that growth happens with removals around it */
		uint64_t i = (random >> 33) % (N * (uint64_t)(step + 1) / STEPS + 1) % N;
		uint64_t hash = table_hash_u64(i) & 0xfff; /* collisions too */
		if (inside[i]) {
			ck_assert_ptr_eq(find_node(&t, hash, i), &nodes[i]);
			table_remove(&t, &nodes[i].entry);
			count--;
		} else {
			ck_assert_ptr_null(find_node(&t, hash, i));
			nodes[i].key = i;
			table_insert(&t, &nodes[i].entry, hash);
			count++;
		}
		inside[i] = !inside[i];
		ck_assert_uint_eq(t.count, count);
	}
	for (uint64_t i = 0; i < N; i++)
		ck_assert_ptr_eq(find_node(&t, table_hash_u64(i) & 0xfff, i), inside[i] ? &nodes[i] : NULL);
	table_free(&t);
	free(nodes);
	free(inside);
}
END_TEST

START_TEST(table_remove_absent_aborts)
{
	struct node a = { .key = 1 }, b = { .key = 2 };
	struct table t;

	table_init(&t);
	table_insert(&t, &a.entry, 1);
	b.entry.hash = 1;
	fclose(stderr);
	table_remove(&t, &b.entry);
}
END_TEST

START_TEST(table_hash_is_siphash)
{
	uint8_t seed[16], text[15];

	/* the vector in the paper that introduced SipHash-2-4 */
	for (uint8_t i = 0; i < 16; i++)
		seed[i] = i;
	for (uint8_t i = 0; i < 15; i++)
		text[i] = i;
	uint64_t h = table_hash(slice_of(text, sizeof text), seed);
	ck_assert_mem_eq(&h, "\xe5\x45\xbe\x49\x61\xca\x29\xa1", 8);
	seed[0] = 1;
	ck_assert(h != table_hash(slice_of(text, sizeof text), seed));
	ck_assert(table_hash_u64(1) != table_hash_u64(2));
}
END_TEST

/* mem */

START_TEST(mem_sizes)
{
	static const char zeros[24];
	char *p = mem_zalloc(3, 8);

	ck_assert_mem_eq(p, zeros, sizeof zeros);
	p = mem_realloc(p, 100);
	ck_assert_mem_eq(p, zeros, sizeof zeros);
	mem_free(p);
	p = mem_alloc(0);
	ck_assert_ptr_nonnull(p);
	mem_free(p);
	p = mem_zalloc(0, 8);
	ck_assert_ptr_nonnull(p);
	p = mem_realloc(p, 0);
	ck_assert_ptr_nonnull(p);
	mem_free(p);
	p = mem_strndup("ab\0cd", 4);
	ck_assert_mem_eq(p, "ab\0c\0", 5);
	mem_free(p);
	mem_free(NULL);
}
END_TEST

#ifndef ZKD_SANITIZERS /* they refuse such sizes before malloc is asked */
static void
leave_42(void)
{
	_exit(42);
}

/* A product or a size beyond all memory reaches mem_exhausted; nobody sees NULL. */
START_TEST(mem_exhaustion_calls_the_hook)
{
	volatile size_t huge = SIZE_MAX / 2 - 4096;

	mem_exhausted = leave_42;
	if (_i == 0)
		mem_alloc(huge);
	else if (_i == 1)
		mem_zalloc(huge, 16);
	else
		mem_realloc(NULL, huge);
	_exit(1);
}
END_TEST

START_TEST(mem_exhaustion_aborts)
{
	volatile size_t huge = SIZE_MAX / 2 - 4096;

	fclose(stderr);
	mem_alloc(huge);
}
END_TEST
#endif

/* trace */

struct recorder {
	struct trace trace;
	int lines;
	char text[256];
};

static void
record_line(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	struct recorder *r = container_of(t, struct recorder, trace);

	r->lines++;
	snprintf(r->text, sizeof r->text, "%d %s %s %s", level, room, event, text);
}

START_TEST(traces)
{
	struct recorder r = { .trace = { .least = TRACE_NOTICE, .emit = record_line } };

	trace(NULL, TRACE_ERROR, "x", "nobody listens", "%d", 1);
	trace(&r.trace, TRACE_DEBUG, "x", "below", "%d", 1);
	ck_assert_int_eq(r.lines, 0);
	trace(&r.trace, TRACE_WARNING, "tree", "bad txn", "zxid=0x%x type=%d", 0x10, -1);
	ck_assert_int_eq(r.lines, 1);
	ck_assert_str_eq(r.text, "2 tree bad txn zxid=0x10 type=-1");
}
END_TEST

START_TEST(trace_cuts_long_lines)
{
	struct recorder r = { .trace = { .least = TRACE_DEBUG, .emit = record_line } };

	trace(&r.trace, TRACE_DEBUG, "x", "long", "%05000d", 1);
	ck_assert_int_eq(r.lines, 1);
	ck_assert_uint_gt(strlen(r.text), 100);
}
END_TEST

/* assert */

START_TEST(assert_holds)
{
	ASSERT(1 + 1 == 2);
}
END_TEST

START_TEST(assert_aborts)
{
	fclose(stderr);
	ASSERT(1 + 1 == 3);
}
END_TEST

START_TEST(assert_panic_aborts)
{
	fclose(stderr);
	assert_panic("test");
}
END_TEST

static void
add_buf(Suite *s)
{
	TCase *t = tcase_create("buf");

	tcase_add_checked_fixture(t, buf_setup, buf_teardown);
	tcase_add_test(t, buf_appends_in_order);
	tcase_add_test(t, buf_limit_is_sticky);
	tcase_add_test(t, buf_refuses_absurd_sizes);
	tcase_add_test(t, buf_max_counts_unread_bytes);
	tcase_add_test(t, buf_slides_and_grows);
	tcase_add_test(t, buf_without_memory);
	tcase_add_test(t, buf_reserve_and_commit);
	tcase_add_test(t, buf_truncate_keeps_the_front);
	tcase_add_test(t, buf_reset_keeps_small_memory);
	tcase_add_test_raise_signal(t, buf_consume_too_much_aborts, SIGABRT);
	tcase_add_test_raise_signal(t, buf_truncate_too_long_aborts, SIGABRT);
	suite_add_tcase(s, t);
}

static void
add_table(Suite *s)
{
	TCase *t = tcase_create("table");

	tcase_set_timeout(t, 20);
	tcase_add_test(t, table_empty);
	tcase_add_test(t, table_grows_without_losing);
	tcase_add_test(t, table_drains_in_time);
	tcase_add_test(t, table_each_visits_once);
	tcase_add_test(t, table_equal_hashes);
	tcase_add_test(t, table_against_a_model);
	tcase_add_test_raise_signal(t, table_remove_absent_aborts, SIGABRT);
	tcase_add_test(t, table_hash_is_siphash);
	suite_add_tcase(s, t);
}

static void
add_small(Suite *s)
{
	TCase *t = tcase_create("small");

	tcase_add_test(t, slices);
	tcase_add_test(t, integers_are_big_endian);
	tcase_add_test(t, arena_limits);
	tcase_add_test(t, arena_blocks_do_not_overlap);
	tcase_add_test(t, arena_reset_keeps_one_block);
	tcase_add_test(t, arena_array_and_copy);
	tcase_add_test(t, lists);
	tcase_add_test(t, mem_sizes);
	tcase_add_test(t, traces);
	tcase_add_test(t, trace_cuts_long_lines);
	tcase_add_test(t, assert_holds);
	tcase_add_test_raise_signal(t, assert_aborts, SIGABRT);
	tcase_add_test_raise_signal(t, assert_panic_aborts, SIGABRT);
#ifndef ZKD_SANITIZERS
	tcase_add_loop_exit_test(t, mem_exhaustion_calls_the_hook, 42, 0, 3);
	tcase_add_test_raise_signal(t, mem_exhaustion_aborts, SIGABRT);
#endif
	suite_add_tcase(s, t);
}

int
main(void)
{
	Suite *s = suite_create("base");

	add_buf(s);
	add_table(s);
	add_small(s);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
