/* The encoding and its records, against bytes of ZooKeeper's own encoder; names, paths and passwords. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jute/jute.h"
#include "jute/op.h"
#include "jute/passwd.h"
#include "jute/path.h"
#include "jute/records.h"
#include "jute/zk_error.h"

static struct buf out;
static struct arena arena;

static void
setup(void)
{
	buf_init(&out, 1 << 20);
	arena_init(&arena, 1 << 20);
}

static void
teardown(void)
{
	buf_free(&out);
	arena_free(&arena);
}

static struct jute_reader
reader_of(struct slice in)
{
	struct jute_reader r;

	jute_reader_init(&r, in, UINT32_MAX);
	return r;
}

/* What was written, as hexadecimal text. */
static const char *
hex_out(void)
{
	static char text[4096];
	size_t n = buf_len(&out);

	ck_assert_uint_lt(n * 2, sizeof text);
	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		snprintf(text + i * 2, 3, "%02x", buf_head(&out)[i]);
	return text;
}

/* Bytes from hexadecimal text, in the arena. */
static struct slice
unhex(const char *text)
{
	size_t n = strlen(text) / 2;
	uint8_t *p = arena_alloc(&arena, n);

	for (size_t i = 0; i < n; i++) {
		unsigned v;
		ck_assert_int_eq(sscanf(text + i * 2, "%2x", &v), 1);
		p[i] = (uint8_t)v;
	}
	return slice_of(p, n);
}

START_TEST(primitives_round)
{
	jute_write_bool(&out, true);
	jute_write_int(&out, -2);
	jute_write_long(&out, INT64_MIN);
	jute_write_buffer(&out, SLICE_NULL);
	jute_write_buffer(&out, SLICE_LIT(""));
	jute_write_string(&out, SLICE_LIT("ab"));
	jute_write_count(&out, -1);
	ck_assert_str_eq(hex_out(), "01"
				    "fffffffe"
				    "8000000000000000"
				    "ffffffff"
				    "00000000"
				    "000000026162"
				    "ffffffff");

	struct jute_reader r = reader_of(buf_slice(&out));
	ck_assert(jute_read_bool(&r));
	ck_assert_int_eq(jute_read_int(&r), -2);
	ck_assert(jute_read_long(&r) == INT64_MIN);
	ck_assert_ptr_null(jute_read_buffer(&r).data);
	struct slice empty = jute_read_buffer(&r);
	ck_assert(empty.data != NULL && empty.len == 0);
	struct slice ab = jute_read_string(&r);
	ck_assert(slice_equal(ab, SLICE_LIT("ab")));
	ck_assert_msg(ab.data > buf_head(&out), "a string is borrowed from the input");
	ck_assert_int_eq(jute_read_count(&r, 4), -1);
	ck_assert(jute_ok(&r) && jute_left(&r) == 0);
}
END_TEST

START_TEST(bool_any_nonzero)
{
	struct jute_reader r = reader_of(SLICE_LIT("\x7f\x00"));

	ck_assert(jute_read_bool(&r));
	ck_assert(!jute_read_bool(&r) && jute_ok(&r));
}
END_TEST

START_TEST(failure_is_sticky)
{
	struct jute_reader r = reader_of(SLICE_LIT("\x00\x00\x00\x01"));

	ck_assert_int_eq(jute_read_long(&r), 0);
	ck_assert(!jute_ok(&r));
	ck_assert_msg(jute_read_int(&r) == 0, "an int was there, but the reader had failed before");
	ck_assert_uint_eq(jute_left(&r), 0);
	ck_assert_ptr_null(jute_rest(&r).data);
	ck_assert_ptr_null(jute_read_raw(&r, 0).data);
	ck_assert_ptr_null(jute_read_alloc(&r, &arena, 1, 1));
}
END_TEST

START_TEST(raw_and_rest)
{
	struct jute_reader r = reader_of(SLICE_LIT("abcde"));

	ck_assert(slice_equal(jute_read_raw(&r, 2), SLICE_LIT("ab")));
	ck_assert(slice_equal(jute_rest(&r), SLICE_LIT("cde")));
	ck_assert_uint_eq(jute_left(&r), 3);
	ck_assert_ptr_null(jute_read_raw(&r, 4).data);
	ck_assert(!jute_ok(&r));
}
END_TEST

START_TEST(null_input)
{
	struct jute_reader r = reader_of(SLICE_NULL);

	ck_assert(jute_ok(&r) && jute_left(&r) == 0);
	ck_assert(jute_rest(&r).data != NULL);
	jute_read_bool(&r);
	ck_assert(!jute_ok(&r));
}
END_TEST

START_TEST(lengths_are_checked)
{
	/* with a max_length of 2 */
	static const char *const bad[] = { "fffffffe", "80000000", "7fffffff61", "0000000261",
					   "0000000361626364" };
	struct jute_reader r;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		jute_reader_init(&r, unhex(bad[i]), 2);
		ck_assert_ptr_null(jute_read_buffer(&r).data);
		ck_assert_msg(!jute_ok(&r), "%s", bad[i]);
	}
	jute_reader_init(&r, unhex("00000002616263"), 2);
	ck_assert_uint_eq(jute_read_buffer(&r).len, 2);
	ck_assert(jute_ok(&r) && jute_left(&r) == 1);
}
END_TEST

START_TEST(counts_are_checked_before_memory)
{
	struct jute_string_vec v;
	struct jute_acl_vec acls;
	struct slice two_acls = unhex("00000002"
				      "000000000000000000000000"
				      "000000000000000000000000");
	struct slice bomb = unhex("7fffffff00000000"), negative = unhex("fffffffe");
	size_t used = arena.used;

	struct jute_reader r = reader_of(bomb);
	ck_assert(!jute_read_string_vec(&r, &arena, &v));
	ck_assert(v.v == NULL && v.n == 0);
	r = reader_of(negative);
	ck_assert(!jute_read_string_vec(&r, &arena, &v));
	r = reader_of(slice_of(two_acls.data, two_acls.len - 1));
	ck_assert(!jute_read_acl_vec(&r, &arena, &acls));
	ck_assert_uint_eq(arena.used, used);
	r = reader_of(two_acls);
	ck_assert(jute_read_acl_vec(&r, &arena, &acls));
	ck_assert_int_eq(acls.n, 2);
}
END_TEST

START_TEST(arena_limit_fails_the_reader)
{
	struct arena small;
	struct jute_string_vec v;
	struct jute_reader r = reader_of(unhex("0000000200000000ffffffff"));

	arena_init(&small, sizeof(struct slice));
	ck_assert(!jute_read_string_vec(&r, &small, &v));
	ck_assert(!jute_ok(&r) && v.n == 0);
	arena_free(&small);
}
END_TEST

START_TEST(null_and_empty_vectors)
{
	struct jute_string_vec v;
	struct jute_reader r = reader_of(unhex("ffffffff"
					       "00000000"
					       "00000002ffffffff00000000"));

	ck_assert(jute_read_string_vec(&r, &arena, &v));
	ck_assert(v.n == -1 && v.v == NULL);
	jute_write_string_vec(&out, &v);
	ck_assert(jute_read_string_vec(&r, &arena, &v));
	ck_assert(v.n == 0 && v.v != NULL);
	jute_write_string_vec(&out, &v);
	ck_assert(jute_read_string_vec(&r, &arena, &v));
	ck_assert(v.n == 2 && v.v[0].data == NULL && v.v[1].data != NULL);
	jute_write_string_vec(&out, &v);
	ck_assert_str_eq(hex_out(), "ffffffff0000000000000002ffffffff00000000");
}
END_TEST

START_TEST(connect_request_read_only_is_optional)
{
	const char *old = "00000000"
			  "0000000000000005"
			  "00002710"
			  "0000000000000000"
			  "00000010"
			  "00000000000000000000000000000000";
	struct jute_connect_request req;
	struct jute_reader r = reader_of(unhex(old));

	ck_assert(jute_read_connect_request(&r, &arena, &req));
	ck_assert_int_eq(req.last_zxid_seen, 5);
	ck_assert_int_eq(req.time_out, 10000);
	ck_assert_uint_eq(req.passwd.len, 16);
	ck_assert(!req.has_read_only && !req.read_only);
	jute_write_connect_request(&out, &req);
	ck_assert_uint_eq(buf_len(&out), 44);
	ck_assert_str_eq(hex_out(), old);

	buf_put_u8(&out, 1);
	r = reader_of(buf_slice(&out));
	ck_assert(jute_read_connect_request(&r, &arena, &req));
	ck_assert(req.has_read_only && req.read_only);
}
END_TEST

START_TEST(create_request_bytes)
{
	struct jute_acl acl = { .perms = 31, .id = { SLICE_LIT("world"), SLICE_LIT("anyone") } };
	struct jute_create_request req = { SLICE_LIT("/a"), SLICE_LIT("d"), { &acl, 1 }, 3 }, got;

	jute_write_create_request(&out, &req);
	ck_assert_str_eq(hex_out(), "000000022f61"
				    "0000000164"
				    "00000001"
				    "0000001f"
				    "00000005776f726c64"
				    "00000006616e796f6e65"
				    "00000003");
	struct jute_reader r = reader_of(buf_slice(&out));
	ck_assert(jute_read_create_request(&r, &arena, &got));
	ck_assert_int_eq(got.acl.n, 1);
	ck_assert_int_eq(got.acl.v[0].perms, 31);
	ck_assert(slice_equal(got.acl.v[0].id.id, SLICE_LIT("anyone")));
	ck_assert_int_eq(got.flags, 3);
}
END_TEST

START_TEST(fixed_sizes)
{
	jute_write_stat(&out, &(struct jute_stat){ 0 });
	ck_assert_uint_eq(buf_len(&out), 68);
	buf_reset(&out, 0);
	jute_write_stat_persisted(&out, &(struct jute_stat_persisted){ 0 });
	ck_assert_uint_eq(buf_len(&out), 60);
	buf_reset(&out, 0);
	jute_write_reply_header(&out,
				&(struct jute_reply_header){ ZK_XID_NOTIFICATION, UINT64_MAX, ZK_NONODE });
	ck_assert_str_eq(hex_out(), "ffffffffffffffffffffffffffffff9b");
	buf_reset(&out, 0);
	jute_write_multi_header(&out, &(struct jute_multi_header){ -1, true, -1 });
	ck_assert_str_eq(hex_out(), "ffffffff01ffffffff");
	buf_reset(&out, 0);
	jute_write_file_header(&out, &(struct jute_file_header){ 0x5a4b4c47, 2, 0 });
	ck_assert_str_eq(hex_out(), "5a4b4c47000000020000000000000000");
}
END_TEST

static size_t tail; /* bytes that may be missing at the end of the record that was filled */

/* Appends some value of each record, no two fields alike. */
#define RECORD(name)                                                                                         \
	static void fill_##name(void)                                                                        \
	{
#define END(name) }
#define BOOL(f)   jute_write_bool(&out, true);
#define INT(f)    jute_write_int(&out, 0x01020300 + (int)buf_len(&out));
#define LONG(f)   jute_write_long(&out, 0x0102030405060700 + (int)buf_len(&out));
#define ULONG(f)  jute_write_long(&out, -1 - (int)buf_len(&out));
#define BUFFER(f) jute_write_buffer(&out, SLICE_LIT("data " #f));
#define STRING(f) jute_write_string(&out, SLICE_LIT("/" #f));
#define STRINGS(f)                                                                                           \
	jute_write_count(&out, 2);                                                                           \
	jute_write_string(&out, SLICE_LIT(""));                                                              \
	jute_write_string(&out, SLICE_LIT(#f));
#define NESTED(type, f) fill_##type();
#define VECTOR(type, f)                                                                                      \
	jute_write_count(&out, 2);                                                                           \
	fill_##type();                                                                                       \
	fill_##type();
#define TAIL_BOOL(f)                                                                                         \
	tail = 1;                                                                                            \
	jute_write_bool(&out, true);
#include "jute/records.def"

/* Reads a record and writes it again. */
#define RECORD(name)                                                                                         \
	static bool round_##name(struct jute_reader *r, struct buf *again)                                   \
	{                                                                                                    \
		struct jute_##name v;                                                                        \
		bool ok = jute_read_##name(r, &arena, &v);                                                   \
		if (ok)                                                                                      \
			jute_write_##name(again, &v);                                                        \
		return ok;                                                                                   \
	}
#include "jute/records.def"

static const struct record_case {
	const char *name;
	void (*fill)(void);
	bool (*round)(struct jute_reader *r, struct buf *again);
} record_cases[] = {
#define RECORD(name) { #name, fill_##name, round_##name },
#include "jute/records.def"
};

enum { RECORD_CASES = sizeof record_cases / sizeof record_cases[0] };

/* Every field comes out as it went in, and every proper prefix is refused. */
START_TEST(every_record_rounds)
{
	const struct record_case *c = &record_cases[_i];
	struct buf again;

	tail = 0;
	c->fill();
	buf_init(&again, 1 << 20);
	struct jute_reader r = reader_of(buf_slice(&out));
	ck_assert_msg(c->round(&r, &again), "%s", c->name);
	ck_assert_uint_eq(jute_left(&r), 0);
	ck_assert_msg(slice_equal(buf_slice(&out), buf_slice(&again)), "%s", c->name);
	for (size_t n = 0; n < buf_len(&out) - tail; n++) {
		r = reader_of(slice_of(buf_head(&out), n));
		ck_assert_msg(!c->round(&r, &again), "%s cut to %zu", c->name, n);
	}
	buf_free(&again);
}
END_TEST

START_TEST(writer_limit_is_sticky)
{
	struct buf small;

	buf_init(&small, 70);
	jute_write_stat(&small, &(struct jute_stat){ 0 });
	ck_assert(!small.overflow);
	jute_write_string(&small, SLICE_LIT("x"));
	ck_assert(small.overflow);
	ck_assert_uint_eq(buf_len(&small), 68);
	buf_free(&small);
}
END_TEST

START_TEST(error_names)
{
	ck_assert_int_eq(ZK_NONODE, -101);
	ck_assert_int_eq(ZK_THROTTLEDOP, -127);
	ck_assert_str_eq(zk_error_name(ZK_OK), "OK");
	ck_assert_str_eq(zk_error_name(-124), "SESSIONCLOSEDREQUIRESASLAUTH");
	ck_assert_str_eq(zk_error_name(-99), "UNKNOWN");
}
END_TEST

START_TEST(op_names)
{
	ck_assert_int_eq(ZK_OP_WHO_AM_I, 107);
	ck_assert_str_eq(zk_op_name(ZK_OP_CLOSE_SESSION), "closeSession");
	ck_assert_str_eq(zk_op_lop(ZK_OP_GET_ALL_CHILDREN_NUMBER), "GETACN");
	ck_assert_str_eq(zk_op_lop(10), "NA");
	ck_assert_ptr_null(zk_op_name(10));
}
END_TEST

static const char *const good_paths[] = { "/",
					  "/a",
					  "/a/b",
					  "/a.",
					  "/.a",
					  "/...",
					  "/a/..b",
					  "/ ~",
					  "/\xc2\xa0",
					  "/\xed\x9f\xbf",
					  "/\xef\xa4\x80",
					  "/\xef\xbf\xaf",
					  "/\xdf\xbf/\xe0\xa0\x80" };

START_TEST(good_path)
{
	ck_assert_msg(path_valid(slice_str(good_paths[_i])), "%s", good_paths[_i]);
}
END_TEST

#define BAD(s)                                                                                               \
	{                                                                                                    \
		s, sizeof(s) - 1                                                                             \
	}
static const struct {
	const char *text;
	size_t len;
} bad_paths[] = {
	BAD(""),
	BAD("a"),
	BAD("a/b"),
	BAD("//"),
	BAD("/a/"),
	BAD("/a//b"),
	BAD("//a"),
	BAD("/."),
	BAD("/.."),
	BAD("/a/./b"),
	BAD("/a/../b"),
	BAD("/a/.."),
	BAD("/a\0b"),
	BAD("/\x01"),
	BAD("/\x1f"),
	BAD("/\x7f"),
	BAD("/\xc2\x80"),
	BAD("/\xc2\x9f"),
	BAD("/\xed\xa0\x80"), /* C1 controls, a surrogate */
	BAD("/\xee\x80\x80"),
	BAD("/\xef\xa3\xbf"), /* U+E000, U+F8FF */
	BAD("/\xef\xbf\xb0"),
	BAD("/\xef\xbf\xbd"),
	BAD("/\xef\xbf\xbf"),     /* U+FFF0, U+FFFD, U+FFFF */
	BAD("/\xf0\x9f\x98\x80"), /* beyond U+FFFF */
	BAD("/\x80"),
	BAD("/\xc0\xaf"),
	BAD("/\xc1\xbf"),
	BAD("/\xe0\x80\xaf"),
	BAD("/\xe0\x9f\xbf"), /* overlong */
	BAD("/\xc3"),
	BAD("/\xe2\x82"),
	BAD("/\xe2\x28\xa1"),
	BAD("/\xff"),
	BAD("/\xc3/"), /* cut or no UTF-8 */
};

START_TEST(bad_path)
{
	ck_assert_msg(!path_valid(slice_of(bad_paths[_i].text, bad_paths[_i].len)), "%s", bad_paths[_i].text);
}
END_TEST

START_TEST(null_path)
{
	ck_assert(!path_valid(SLICE_NULL));
	ck_assert_ptr_null(path_parent(SLICE_NULL).data);
	ck_assert_ptr_null(path_last(SLICE_NULL).data);
}
END_TEST

START_TEST(path_parts)
{
	ck_assert(slice_equal(path_parent(SLICE_LIT("/a/b")), SLICE_LIT("/a")));
	ck_assert(slice_equal(path_parent(SLICE_LIT("/a")), SLICE_LIT("/")));
	ck_assert_ptr_null(path_parent(SLICE_LIT("/")).data);
	ck_assert_ptr_null(path_parent(SLICE_LIT("a")).data);
	ck_assert(slice_equal(path_parent(SLICE_LIT("/a/")), SLICE_LIT("/a")));
	ck_assert(slice_equal(path_last(SLICE_LIT("/a/bc")), SLICE_LIT("bc")));
	ck_assert(slice_equal(path_last(SLICE_LIT("/")), SLICE_LIT("")));
	ck_assert(slice_equal(path_last(SLICE_LIT("x")), SLICE_LIT("x")));
}
END_TEST

START_TEST(path_containment)
{
	ck_assert(path_within(SLICE_LIT("/a/b"), SLICE_LIT("/a")));
	ck_assert(path_within(SLICE_LIT("/a"), SLICE_LIT("/a")));
	ck_assert(path_within(SLICE_LIT("/a"), SLICE_LIT("/")));
	ck_assert(path_within(SLICE_LIT("/"), SLICE_LIT("/")));
	ck_assert(!path_within(SLICE_LIT("/ab"), SLICE_LIT("/a")));
	ck_assert(!path_within(SLICE_LIT("/a"), SLICE_LIT("/a/b")));
	ck_assert(!path_within(SLICE_NULL, SLICE_LIT("/")));
}
END_TEST

/* Taken from the Java server. */
static const struct {
	int64_t session;
	const char *passwd;
} passwd_vectors[] = {
	{ 0x1, "054cc74a37327db215e702e20c73f005" },
	{ 0x100000000000000, "f22acd4a97e69d6d20a49bb638eadb38" },
	{ 0x10000abcdef0000, "6392a56db477dd0a797bc8b31d917902" },
};

START_TEST(passwd_vector)
{
	int64_t session = passwd_vectors[_i].session;
	uint8_t p[PASSWD_BYTES];

	passwd_derive(session, p);
	ck_assert_mem_eq(p, unhex(passwd_vectors[_i].passwd).data, PASSWD_BYTES);
	ck_assert(passwd_check(session, slice_of(p, sizeof p)));
	ck_assert(!passwd_check(session + 1, slice_of(p, sizeof p)));
	ck_assert(!passwd_check(session, slice_of(p, sizeof p - 1)));
	ck_assert(!passwd_check(session, SLICE_NULL));
	p[15] ^= 1;
	ck_assert(!passwd_check(session, slice_of(p, sizeof p)));
}
END_TEST

static void
add_encoding(Suite *s)
{
	TCase *t = tcase_create("encoding");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, primitives_round);
	tcase_add_test(t, bool_any_nonzero);
	tcase_add_test(t, failure_is_sticky);
	tcase_add_test(t, raw_and_rest);
	tcase_add_test(t, null_input);
	tcase_add_test(t, lengths_are_checked);
	tcase_add_test(t, counts_are_checked_before_memory);
	tcase_add_test(t, arena_limit_fails_the_reader);
	tcase_add_test(t, null_and_empty_vectors);
	tcase_add_test(t, connect_request_read_only_is_optional);
	tcase_add_test(t, create_request_bytes);
	tcase_add_test(t, fixed_sizes);
	tcase_add_loop_test(t, every_record_rounds, 0, RECORD_CASES);
	tcase_add_test(t, writer_limit_is_sticky);
	suite_add_tcase(s, t);
}

static void
add_meaning(Suite *s)
{
	TCase *t = tcase_create("meaning");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, error_names);
	tcase_add_test(t, op_names);
	tcase_add_loop_test(t, good_path, 0, sizeof good_paths / sizeof good_paths[0]);
	tcase_add_loop_test(t, bad_path, 0, sizeof bad_paths / sizeof bad_paths[0]);
	tcase_add_test(t, null_path);
	tcase_add_test(t, path_parts);
	tcase_add_test(t, path_containment);
	tcase_add_loop_test(t, passwd_vector, 0, sizeof passwd_vectors / sizeof passwd_vectors[0]);
	suite_add_tcase(s, t);
}

int
main(void)
{
	Suite *s = suite_create("jute");

	add_encoding(s);
	add_meaning(s);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
