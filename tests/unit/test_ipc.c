/* Frames, control messages and the comparison of HELLOs. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "ipc/frame.h"
#include "ipc/hello.h"
#include "ipc/msg.h"
#include "ipc/proto.h"

static struct buf out;
static struct arena arena;

static void setup(void)
{
	buf_init(&out, 4096);
	arena_init(&arena, PROTO_ARENA_MAX);
}

static void teardown(void)
{
	buf_free(&out);
	arena_free(&arena);
}

START_TEST(frame_layout)
{
	static const uint8_t expected[] = {
		0, 0, 0, 23, 0, 7, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 9, 'a', 'b', 'c',
	};

	frame_put(&out, &(struct frame){ .type = MSG_PROPOSE,
					 .flags = 0x1234,
					 .seq = 5,
					 .zxid = 0x100000009,
					 .body = SLICE_LIT("abc") });
	ck_assert(slice_equal(buf_slice(&out), slice_of(expected, sizeof expected)));
}
END_TEST

START_TEST(frame_round_trip)
{
	struct frame f = { .type = 16, .flags = 3, .seq = UINT64_MAX, .zxid = 1, .body = SLICE_LIT("body") },
		     got;

	frame_put(&out, &f);
	frame_put_short(&out, MSG_COMMIT, 2, 3);
	ck_assert_int_eq(frame_parse(buf_slice(&out), &got), FRAME_HEADER_BYTES + 4);
	ck_assert_uint_eq(got.type, f.type);
	ck_assert_uint_eq(got.flags, f.flags);
	ck_assert_uint_eq(got.seq, f.seq);
	ck_assert_uint_eq(got.zxid, f.zxid);
	ck_assert(slice_equal(got.body, f.body));
	buf_consume(&out, FRAME_HEADER_BYTES + 4);
	ck_assert_int_eq(frame_parse(buf_slice(&out), &got), FRAME_HEADER_BYTES);
	ck_assert_uint_eq(got.type, MSG_COMMIT);
	ck_assert_uint_eq(got.body.len, 0);
}
END_TEST

START_TEST(every_prefix_needs_more)
{
	struct frame got;

	frame_put(&out, &(struct frame){ .type = 1, .body = SLICE_LIT("some body") });
	for (size_t n = 0; n < buf_len(&out); n++)
		ck_assert_int_eq(frame_parse(slice_of(buf_head(&out), n), &got), 0);
}
END_TEST

START_TEST(bad_lengths_are_refused)
{
	static const uint32_t bad[] = { 0, 1, 19, FRAME_BODY_MAX + 21, 0x7fffffff, 0x80000000, UINT32_MAX };
	uint8_t head[4];
	struct frame got;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		put_be32(head, bad[i]);
		ck_assert_int_eq(frame_parse(slice_of(head, sizeof head), &got), -EPROTO);
	}
	put_be32(head, FRAME_BODY_MAX + 20);
	ck_assert_int_eq(frame_parse(slice_of(head, sizeof head), &got), 0);
}
END_TEST

START_TEST(begun_frame_is_whole_or_gone)
{
	struct frame got;
	size_t begun;

	frame_put_short(&out, MSG_DURABLE, 0, 7);
	begun = frame_begin(&out, &(struct frame){ .type = MSG_APPEND, .zxid = 8 });
	buf_put_be32(&out, 42);
	ck_assert_int_eq(frame_end(&out, begun), 0);
	ck_assert_int_eq(frame_parse(slice_of(buf_head(&out) + begun, buf_len(&out) - begun), &got), 28);
	ck_assert_uint_eq(get_be32(got.body.data), 42);

	begun = frame_begin(&out, &(struct frame){ .type = MSG_APPEND, .zxid = 9 });
	buf_put(&out, arena_array(&arena, 1, 4096), 4096);
	ck_assert_int_eq(frame_end(&out, begun), -EMSGSIZE);
	ck_assert_uint_eq(buf_len(&out), begun);
	ck_assert(!out.overflow);
}
END_TEST

START_TEST(proto_round_trip)
{
	Zkd__Role role = ZKD__ROLE__INIT, *got;
	struct frame f;

	role.state = ZKD__ROLE_STATE__ROLE_LEADER;
	role.proposed = 0x500000001;
	ck_assert_int_eq(proto_put(&out, MSG_ROLE, 4, 0, &role.base), 0);
	ck_assert_int_eq(frame_parse(buf_slice(&out), &f), (int64_t)buf_len(&out));
	ck_assert_uint_eq(f.seq, 4);
	got = proto_take(&arena, &zkd__role__descriptor, f.body);
	ck_assert_ptr_nonnull(got);
	ck_assert_int_eq(got->state, ZKD__ROLE_STATE__ROLE_LEADER);
	ck_assert_uint_eq(got->proposed, 0x500000001);
	/* A cut body is refused or decodes to something else, but never reads past its end. */
	for (size_t n = 1; n < f.body.len; n++)
		proto_take(&arena, &zkd__role__descriptor, slice_of(f.body.data, n));
	ck_assert_ptr_null(proto_take(&arena, &zkd__role__descriptor, SLICE_LIT("\x0a\xff\xff\xff\xff\x0f")));
}
END_TEST

START_TEST(proto_memory_is_bounded)
{
	enum { MANY = PROTO_BODY_MAX / 2 };
	uint8_t *body = malloc(PROTO_BODY_MAX + 1);

	/* The worst that fits: hundreds of thousands of empty repeated messages. */
	for (size_t i = 0; i < MANY; i++) {
		body[2 * i] = 0x1a;
		body[2 * i + 1] = 0;
	}
	proto_take(&arena, &zkd__status__descriptor, slice_of(body, PROTO_BODY_MAX));
	ck_assert_uint_le(arena.used, PROTO_ARENA_MAX);
	ck_assert_ptr_null(proto_take(&arena, &zkd__status__descriptor, slice_of(body, PROTO_BODY_MAX + 1)));
	free(body);
}
END_TEST

START_TEST(proto_too_long_to_send)
{
	Zkd__Answer answer = ZKD__ANSWER__INIT;
	char *text = malloc(PROTO_BODY_MAX + 1);

	memset(text, 'x', PROTO_BODY_MAX);
	text[PROTO_BODY_MAX] = 0;
	answer.text = text;
	ck_assert_int_eq(proto_put(&out, MSG_RESTART, 1, 0, &answer.base), -EMSGSIZE);
	text[5000] = 0;
	ck_assert_int_eq(proto_put(&out, MSG_RESTART, 1, 0, &answer.base), -EMSGSIZE);
	ck_assert_uint_eq(buf_len(&out), 0);
	text[50] = 0;
	ck_assert_int_eq(proto_put(&out, MSG_RESTART, 1, 0, &answer.base), 0);
	free(text);
}
END_TEST

START_TEST(hello_verdicts)
{
	struct hello_identity logd = { "logd", "0.1.0", { 1, 2, 3 }, 77 };
	struct hello_identity syncd = { "syncd", "0.1.0", { 1, 2, 3 }, 78 };
	const char *why = NULL;
	Zkd__Hello h;

	hello_fill(&h, &logd);
	ck_assert_int_eq(hello_check(&h, &syncd, "logd", &why), HELLO_WELCOME);
	ck_assert_int_eq(hello_check(&h, &syncd, "clientd", &why), HELLO_STRANGER);
	h.incarnation = 0;
	ck_assert_int_eq(hello_check(&h, &syncd, "logd", &why), HELLO_STRANGER);
	h.suite = (char *)"0.1.1";
	ck_assert_int_eq(hello_check(&h, &syncd, "logd", &why), HELLO_MISMATCH);
	ck_assert_str_eq(why, "another version of the suite");
	logd.config_hash[31] = 9;
	hello_fill(&h, &logd);
	ck_assert_int_eq(hello_check(&h, &syncd, "logd", &why), HELLO_MISMATCH);
	ck_assert_str_eq(why, "another configuration");
	h.config_hash.len = 0;
	ck_assert_int_eq(hello_check(&h, &syncd, "logd", &why), HELLO_MISMATCH);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ipc");
	TCase *tc = tcase_create("ipc");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, frame_layout);
	tcase_add_test(tc, frame_round_trip);
	tcase_add_test(tc, every_prefix_needs_more);
	tcase_add_test(tc, bad_lengths_are_refused);
	tcase_add_test(tc, begun_frame_is_whole_or_gone);
	tcase_add_test(tc, proto_round_trip);
	tcase_add_test(tc, proto_memory_is_bounded);
	tcase_add_test(tc, proto_too_long_to_send);
	tcase_add_test(tc, hello_verdicts);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
