/* ACLs: who may do what, what lists may be set, what getACL shows, auth packets. */
#include <check.h>
#include <stdlib.h>

#include "clientd/acl.h"
#include "jute/op.h"

static struct buf out;
static struct arena arena;

static void
start(void)
{
	buf_init(&out, 1 << 20);
	arena_init(&arena, 1 << 20);
}

static void
end(void)
{
	buf_free(&out);
	arena_free(&arena);
}

/* A list of one entry as vector<ACL>. */
static struct slice
list_of(int32_t perms, const char *scheme, const char *id)
{
	struct jute_acl acl = { .perms = perms, .id = { slice_str(scheme), slice_str(id) } };
	struct jute_acl_vec v = { &acl, 1 };
	size_t start_at = buf_len(&out);

	jute_write_acl_vec(&out, &v);
	return slice_of(buf_head(&out) + start_at, buf_len(&out) - start_at);
}

static const struct {
	const char *scheme, *id; /* of the entry, which gives READ and CREATE */
	int32_t perm;
	const char *shown_scheme, *shown_id;
	bool allowed;
} evaluations[] = {
	{ "world", "anyone", ZK_PERM_READ, NULL, NULL, true },
	{ "world", "anyone", ZK_PERM_CREATE, NULL, NULL, true },
	{ "world", "anyone", ZK_PERM_WRITE, NULL, NULL, false },
	{ "world", "anyone", ZK_PERM_WRITE | ZK_PERM_READ, NULL, NULL, true },
	{ "world", "anyone", ZK_PERM_WRITE, "super", "", true },
	{ "world", "someone", ZK_PERM_READ, NULL, NULL, false },
	{ "world", "someone", ZK_PERM_READ, "world", "someone", false },
	{ "digest", "u:x", ZK_PERM_READ, "digest", "u:x", true },
	{ "digest", "u:x", ZK_PERM_WRITE, "digest", "u:x", false },
	{ "digest", "u:x", ZK_PERM_READ, "digest", "u:y", false },
	{ "digest", "u:x", ZK_PERM_READ, "ip", "u:x", false },
	{ "digest", "u:x", ZK_PERM_READ, NULL, NULL, false },
	{ "nothing", "u", ZK_PERM_READ, "nothing", "u", false },
	{ "auth", "", ZK_PERM_READ, "auth", "", false },
	{ "ip", "10.1.2.3", ZK_PERM_READ, "ip", "10.1.2.3", true },
	{ "ip", "10.1.2.3", ZK_PERM_READ, "ip", "10.1.2.4", false },
	{ "ip", "10.1.2.3", ZK_PERM_READ, "digest", "10.1.2.3", false },
	{ "ip", "10.1.0.0/16", ZK_PERM_READ, "ip", "10.1.2.4", true },
	{ "ip", "10.1.2.0/16", ZK_PERM_READ, "ip", "10.1.9.9", true },
	{ "ip", "10.1.0.0/16", ZK_PERM_READ, "ip", "10.2.0.0", false },
	{ "ip", "10.1.2.8/29", ZK_PERM_READ, "ip", "10.1.2.15", true },
	{ "ip", "10.1.2.8/29", ZK_PERM_READ, "ip", "10.1.2.16", false },
	{ "ip", "10.1.2.8/29", ZK_PERM_READ, "ip", "10.1.2.7", false },
	{ "ip", "0.0.0.0/0", ZK_PERM_READ, "ip", "255.1.2.3", true },
	{ "ip", "0.0.0.0/0", ZK_PERM_READ, "ip", "::1", false },
	{ "ip", "::/0", ZK_PERM_READ, "ip", "10.1.2.3", false },
	{ "ip", "::1", ZK_PERM_READ, "ip", "0:0:0:0:0:0:0:1", true },
	{ "ip", "fe80::/10", ZK_PERM_READ, "ip", "febf:1::2", true },
	{ "ip", "fe80::/10", ZK_PERM_READ, "ip", "fec0::", false },
	{ "ip", "2001:db8::ff00:0/112", ZK_PERM_READ, "ip", "2001:db8:0:0:0:0:ff00:9", true },
	{ "ip", "2001:db8::ff00:0/112", ZK_PERM_READ, "ip", "2001:db8:0:0:0:0:ff01:9", false },
};

START_TEST(evaluation)
{
	struct acl_rules rules = { 0 };
	struct jute_id id = { slice_str(evaluations[_i].shown_scheme), slice_str(evaluations[_i].shown_id) };
	struct auth who = { &id, id.scheme.data != NULL };
	struct slice list =
	    list_of(ZK_PERM_READ | ZK_PERM_CREATE, evaluations[_i].scheme, evaluations[_i].id);

	ck_assert_int_eq(acl_allows(&rules, list, evaluations[_i].perm, &who), evaluations[_i].allowed);
	rules.skip = true;
	ck_assert(acl_allows(&rules, list, evaluations[_i].perm, &who));
}
END_TEST

START_TEST(empty_lists_allow_and_broken_ones_do_not)
{
	struct acl_rules rules = { 0 };
	struct auth nobody = { 0 };
	struct jute_id super = { SLICE_LIT("super"), SLICE_LIT("") };
	struct auth root = { &super, 1 };
	struct slice open = acl_open;

	ck_assert(acl_allows(&rules, SLICE_NULL, ZK_PERM_ADMIN, &nobody));
	ck_assert(acl_allows(&rules, slice_of("\0\0\0\0", 4), ZK_PERM_ADMIN, &nobody));
	ck_assert(acl_allows(&rules, slice_of("\377\377\377\377", 4), ZK_PERM_ADMIN, &nobody));
	for (size_t len = 1; len < open.len; len++) {
		struct slice cut = list_of(31, "world", "anyone");
		cut.len = len;
		ck_assert(!acl_list_valid(cut));
		ck_assert(!acl_allows(&rules, cut, ZK_PERM_READ, &nobody));
	}
	ck_assert(acl_list_valid(acl_open));
	ck_assert(acl_list_valid(acl_read_only));
	ck_assert(acl_allows(&rules, acl_read_only, ZK_PERM_READ, &nobody));
	ck_assert(!acl_allows(&rules, acl_read_only, ZK_PERM_ADMIN, &nobody));
	ck_assert(acl_allows(&rules, acl_read_only, ZK_PERM_ADMIN, &root));
}
END_TEST

static const struct {
	const char *scheme, *id;
	enum zk_error err;
} submissions[] = {
	{ "world", "anyone", ZK_OK },
	{ "world", "someone", ZK_INVALIDACL },
	{ "world", NULL, ZK_INVALIDACL },
	{ NULL, "anyone", ZK_INVALIDACL },
	{ "", "", ZK_INVALIDACL },
	{ "super", "", ZK_INVALIDACL },
	{ "sasl", "bob", ZK_INVALIDACL },
	{ "x509", "CN=bob", ZK_INVALIDACL },
	{ "digest", "u:x", ZK_OK },
	{ "digest", "u", ZK_INVALIDACL },
	{ "digest", "u:x:y", ZK_INVALIDACL },
	{ "digest", ":x", ZK_OK },
	{ "digest", "u:", ZK_INVALIDACL },
	{ "digest", "u:x:", ZK_OK }, /* as Java's split has it */
	{ "digest", "", ZK_INVALIDACL },
	{ "ip", "1.2.3.4", ZK_OK },
	{ "ip", "1.2.3.4/32", ZK_OK },
	{ "ip", "1.2.3.4/0", ZK_OK },
	{ "ip", "1.2.3.4/33", ZK_INVALIDACL },
	{ "ip", "1.2.3.4/", ZK_INVALIDACL },
	{ "ip", "1.2.3.4/-1", ZK_INVALIDACL },
	{ "ip", "1.2.3.4/8/8", ZK_INVALIDACL },
	{ "ip", "1.2.3", ZK_INVALIDACL },
	{ "ip", "1.2.3.", ZK_INVALIDACL },
	{ "ip", "1.2.3.4.5", ZK_INVALIDACL },
	{ "ip", "1.2.3.256", ZK_INVALIDACL },
	{ "ip", "1.2.3.99999999999", ZK_INVALIDACL },
	{ "ip", "a.b.c.d", ZK_INVALIDACL },
	{ "ip", "", ZK_INVALIDACL },
	{ "ip", "/8", ZK_INVALIDACL },
	{ "ip", "::", ZK_OK },
	{ "ip", "::1/128", ZK_OK },
	{ "ip", "::1/129", ZK_INVALIDACL },
	{ "ip", "1::", ZK_OK },
	{ "ip", "1:2:3:4:5:6:7:8", ZK_OK },
	{ "ip", "1:2:3:4:5:6:7", ZK_INVALIDACL },
	{ "ip", "1:2:3:4:5:6:7:8:9", ZK_INVALIDACL },
	{ "ip", "1::2::3", ZK_INVALIDACL },
	{ "ip", ":1", ZK_INVALIDACL },
	{ "ip", ":::", ZK_INVALIDACL },
	{ "ip", "12345::", ZK_INVALIDACL },
	{ "ip", "g::", ZK_INVALIDACL },
	{ "ip", "1:2:3:4:5:6:7::8", ZK_INVALIDACL },
	{ "auth", "", ZK_INVALIDACL }, /* by a caller who has shown nothing that counts */
};

START_TEST(normalisation)
{
	struct jute_acl acl = { 31, { slice_str(submissions[_i].scheme), slice_str(submissions[_i].id) } };
	struct jute_acl_vec v = { &acl, 1 };
	struct jute_id ip = { SLICE_LIT("ip"), SLICE_LIT("127.0.0.1") };
	struct auth who = { &ip, 1 };

	buf_put(&out, "before", 6);
	ck_assert_int_eq(acl_normalise(&v, &who, &out), submissions[_i].err);
	if (submissions[_i].err != ZK_OK)
		ck_assert_uint_eq(buf_len(&out), 6);
	else
		ck_assert(acl_list_valid(slice_of(buf_head(&out) + 6, buf_len(&out) - 6)));
}
END_TEST

START_TEST(auth_expands_to_the_caller)
{
	struct jute_id ids[] = { { SLICE_LIT("ip"), SLICE_LIT("127.0.0.1") },
				 { SLICE_LIT("super"), SLICE_LIT("") },
				 { SLICE_LIT("digest"), SLICE_LIT("u:x") },
				 { SLICE_LIT("digest"), SLICE_LIT("v:y") } };
	struct auth who = { ids, 4 };
	struct jute_acl acls[] = { { 1, { SLICE_LIT("world"), SLICE_LIT("anyone") } },
				   { 30, { SLICE_LIT("auth"), SLICE_LIT("ignored") } },
				   { 1, { SLICE_LIT("world"), SLICE_LIT("anyone") } } };
	struct jute_acl_vec in = { acls, 3 }, got;
	struct jute_reader r;

	ck_assert_int_eq(acl_normalise(&in, &who, &out), ZK_OK);
	jute_reader_init(&r, buf_slice(&out), UINT32_MAX);
	ck_assert(jute_read_acl_vec(&r, &arena, &got));
	ck_assert_int_eq(got.n, 3);
	ck_assert(slice_equal(got.v[0].id.id, SLICE_LIT("anyone")));
	ck_assert(slice_equal(got.v[1].id.id, SLICE_LIT("u:x")));
	ck_assert(slice_equal(got.v[2].id.id, SLICE_LIT("v:y")));
	ck_assert_int_eq(got.v[1].perms, 30);
}
END_TEST

START_TEST(no_list_and_too_long_ones_are_invalid)
{
	static struct jute_acl many[ACL_ENTRIES_MAX + 1];
	struct jute_acl_vec none = { NULL, -1 }, empty = { many, 0 }, big = { many, ACL_ENTRIES_MAX + 1 };
	struct auth nobody = { 0 };

	for (int i = 0; i <= ACL_ENTRIES_MAX; i++)
		many[i] = (struct jute_acl){ i, { SLICE_LIT("world"), SLICE_LIT("anyone") } };
	ck_assert_int_eq(acl_normalise(&none, &nobody, &out), ZK_INVALIDACL);
	ck_assert_int_eq(acl_normalise(&empty, &nobody, &out), ZK_INVALIDACL);
	ck_assert_int_eq(acl_normalise(&big, &nobody, &out), ZK_INVALIDACL);
	big.n--;
	ck_assert_int_eq(acl_normalise(&big, &nobody, &out), ZK_OK);
}
END_TEST

/* CVE-2019-0201: without ADMIN nobody sees a digest. */
START_TEST(digests_are_masked)
{
	struct jute_acl acls[] = { { 31, { SLICE_LIT("digest"), SLICE_LIT("user:secret=") } },
				   { 1, { SLICE_LIT("world"), SLICE_LIT("anyone") } },
				   { 1, { SLICE_LIT("digest"), SLICE_LIT("nocolon") } },
				   { 1, { SLICE_LIT("ip"), SLICE_LIT("::1") } } };
	struct jute_acl_vec v = { acls, 4 }, got;
	struct buf list, shown;
	struct jute_reader r;

	buf_init(&list, 1 << 16);
	buf_init(&shown, 1 << 16);
	jute_write_acl_vec(&list, &v);
	acl_write_shown(buf_slice(&list), false, &shown);
	jute_reader_init(&r, buf_slice(&shown), UINT32_MAX);
	ck_assert(jute_read_acl_vec(&r, &arena, &got));
	ck_assert_uint_eq(jute_left(&r), 0);
	ck_assert_int_eq(got.n, 4);
	ck_assert(slice_equal(got.v[0].id.id, SLICE_LIT("user:x")));
	ck_assert(slice_equal(got.v[1].id.id, SLICE_LIT("anyone")));
	ck_assert(slice_equal(got.v[2].id.id, SLICE_LIT("nocolon")));
	ck_assert(slice_equal(got.v[3].id.id, SLICE_LIT("::1")));
	buf_truncate(&shown, 0);
	acl_write_shown(buf_slice(&list), true, &shown);
	ck_assert(slice_equal(buf_slice(&list), buf_slice(&shown)));
	buf_free(&list);
	buf_free(&shown);
}
END_TEST

START_TEST(auth_packets)
{
	struct acl_rules rules = { .super_digest = SLICE_LIT("user:smGaoVKd/cQkjm7b88GyorAUz20=") };
	struct jute_id ids[AUTH_IDS_PER_PACKET];
	int32_t n;

	ck_assert_int_eq(auth_packet(&rules, SLICE_LIT("digest"), SLICE_LIT("user:pass"), &arena, ids, &n),
			 ZK_OK);
	ck_assert_int_eq(n, 2);
	ck_assert(slice_equal(ids[0].scheme, SLICE_LIT("super")));
	ck_assert(slice_equal(ids[1].id, SLICE_LIT("user:smGaoVKd/cQkjm7b88GyorAUz20=")));
	ck_assert(slice_equal(auth_user(&ids[1]), SLICE_LIT("user")));
	rules.super_digest = SLICE_NULL;
	ck_assert_int_eq(auth_packet(&rules, SLICE_LIT("digest"), SLICE_LIT("user:pass"), &arena, ids, &n),
			 ZK_OK);
	ck_assert_int_eq(n, 1);
	/* Without a colon all of it is the user. */
	ck_assert_int_eq(auth_packet(&rules, SLICE_LIT("digest"), SLICE_LIT("u"), &arena, ids, &n), ZK_OK);
	ck_assert(slice_equal(auth_user(&ids[0]), SLICE_LIT("u")));
	ck_assert_int_eq(auth_packet(&rules, SLICE_LIT("digest"), slice_of("", 0), &arena, ids, &n), ZK_OK);
	ck_assert_int_eq(auth_packet(&rules, SLICE_LIT("digest"), SLICE_NULL, &arena, ids, &n),
			 ZK_AUTHFAILED);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(auth_packet(&rules, SLICE_LIT("ip"), SLICE_LIT("1.2.3.4"), &arena, ids, &n), ZK_OK);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(auth_packet(&rules, SLICE_LIT("super"), SLICE_LIT(""), &arena, ids, &n),
			 ZK_AUTHFAILED);
	ck_assert_int_eq(auth_packet(&rules, SLICE_LIT("world"), SLICE_LIT("anyone"), &arena, ids, &n),
			 ZK_AUTHFAILED);
	ck_assert_int_eq(auth_packet(&rules, SLICE_NULL, SLICE_LIT("x"), &arena, ids, &n), ZK_AUTHFAILED);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("acl");
	TCase *tc = tcase_create("acl");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_add_loop_test(tc, evaluation, 0, sizeof evaluations / sizeof evaluations[0]);
	tcase_add_loop_test(tc, normalisation, 0, sizeof submissions / sizeof submissions[0]);
	tcase_add_test(tc, empty_lists_allow_and_broken_ones_do_not);
	tcase_add_test(tc, auth_expands_to_the_caller);
	tcase_add_test(tc, no_list_and_too_long_ones_are_invalid);
	tcase_add_test(tc, digests_are_masked);
	tcase_add_test(tc, auth_packets);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
