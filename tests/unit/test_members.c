/* The members of an ensemble as text: what Java servers write and read, and what is no such text. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/dynamic.h"
#include "common/config/members.h"
#include "config_fixture.h"

static struct members *m;

static void
read_text(const char *text)
{
	members_free(m);
	ck_assert_msg(members_parse(slice_str(text), &m) == 0, "refused: %s", text);
}

static void
assert_text(const struct members *of, const char *expected)
{
	struct buf out;

	buf_init(&out, MEMBERS_TEXT_MAX);
	members_put(of, &out);
	buf_put_u8(&out, '\0');
	ck_assert_str_eq((const char *)buf_head(&out), expected);
	buf_free(&out);
}

static void
forget(void)
{
	members_free(m);
	m = NULL;
}

START_TEST(what_a_server_writes_is_read_and_written_again)
{
	static const char *const texts[] = {
		"server.1=127.0.0.1:2888:3888:participant\nserver.2=127.0.0.1:2889:3889:participant\nversion="
		"0",
		"server.1=a.example:2888:3888:participant;0.0.0.0:2181\n"
		"server.2=b.example:2888:3888:observer;[::1]:2181\nversion=100000003",
		"server.1=10.0.0.1:2888:3888|10.0.0.2:2889:3889:participant\nversion=0",
		"server.3=[fe80:0:0:0:0:0:0:1]:2888:3888:participant\nversion=ffffffffffffffff",
		"server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:observer\n"
		"group.1=1\ngroup.2=2\nweight.1=1\nweight.2=5\nversion=a",
	};

	for (int i = 0; i < COUNT(texts); i++) {
		read_text(texts[i]);
		assert_text(m, texts[i]);
	}
}
END_TEST

START_TEST(fields)
{
	struct quorum_pair q;

	read_text("server.2=b:3:4:observer;2182\nserver.1=[::1]:1:2;127.0.0.1:2181\nversion=10");
	ck_assert_uint_eq(m->version, 0x10);
	ck_assert_uint_eq(m->nservers, 2);
	ck_assert_int_eq(m->servers[0].sid, 1);
	ck_assert_str_eq(m->servers[0].addresses[0].host, "::1");
	ck_assert_uint_eq(m->servers[0].addresses[0].election_port, 2);
	ck_assert_int_eq(m->servers[0].client.port, 2181);
	ck_assert(members_find(m, 2)->observer);
	ck_assert_ptr_null(members_find(m, 3));
	members_quorums(m, NULL, &q);
	ck_assert(!q.has_pending);
	ck_assert_uint_eq(q.current.nvoters, 1);
	ck_assert(quorum_is_voter(&q.current, 1));
	members_quorums(m, m, &q);
	ck_assert(q.has_pending);
	ck_assert_uint_eq(q.pending_from, 0x10);
	ck_assert_uint_eq(q.pending.nvoters, 1);
}
END_TEST

/* A java.util.HashMap of 16 places gives 32 before 17 and 17 before 3. */
START_TEST(order_of_java)
{
	read_text("server.3=a:1:2\nserver.17=a:1:2\nserver.32=a:1:2\nversion=0");
	assert_text(m, "server.32=a:1:2:participant\nserver.17=a:1:2:participant\nserver.3=a:1:2:"
		       "participant\nversion=0");
	/* addresses by their hosts */
	read_text("server.1=b:1:2|a:3:4\nversion=0");
	assert_text(m, "server.1=a:3:4|b:1:2:participant\nversion=0");
}
END_TEST

START_TEST(a_table_grows_past_three_quarters)
{
	char text[1024] = "";
	struct buf out;

	/* 12 servers leave the table at 16 places, where 16 stands first; 13 make it 32, where it stands in its order */
	for (int last = 12; last <= 13; last++) {
		text[0] = '\0';
		for (int sid = 5; sid < 5 + last; sid++)
			sprintf(text + strlen(text), "server.%d=a:1:2\n", sid);
		read_text(text);
		buf_init(&out, MEMBERS_TEXT_MAX);
		members_put(m, &out);
		const char *first = last == 12 ? "server.16=" : "server.5=";
		ck_assert_int_eq(memcmp(buf_head(&out), first, strlen(first)), 0);
		buf_free(&out);
	}
}
END_TEST

START_TEST(equality_and_versions)
{
	struct members *other, *raised;

	read_text("server.1=a:1:2\nserver.2=b:1:2\nversion=1");
	ck_assert_int_eq(
	    members_parse(slice_str("server.2=b:1:2:participant\n\n# so\nserver.1=a:1:2\nversion=1\n"),
			  &other),
	    0);
	ck_assert(members_equal(m, other));
	raised = members_with_version(m, 0x200000000);
	ck_assert(!members_equal(m, raised));
	assert_text(raised, "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=200000000");
	members_free(other);
	members_free(raised);
}
END_TEST

START_TEST(of_a_file)
{
	struct members *of;

	must_parse("dataDir=/x\nclientPort=2181\nmyid=1\ninitLimit=5\nsyncLimit=2\nversion=7\n"
		   "server.1=a:1:2\nserver.2=b:1:2;2182\ngroup.1=1:2\n");
	of = members_from_config(config);
	assert_text(of, "server.1=a:1:2:participant\nserver.2=b:1:2:participant;0.0.0.0:2182\n"
			"group.1=1:2\nweight.1=1\nweight.2=1\nversion=7");
	members_free(of);
}
END_TEST

/* As QuorumPeerConfig.writeDynamicConfig has it. */
START_TEST(the_file_of_a_list)
{
	struct buf out;

	read_text("server.10=j:1:2:participant;0.0.0.0:3\nserver.9=i:1:2:observer\ngroup.1=10\nweight.10="
		  "2\nversion=ab");
	buf_init(&out, MEMBERS_TEXT_MAX);
	dynamic_put_list(m, &out);
	buf_put_u8(&out, '\0');
	ck_assert_str_eq(
	    (const char *)buf_head(&out),
	    "group.1=10\nserver.10=j:1:2:participant;0.0.0.0:3\nserver.9=i:1:2:observer\nweight.10=2\n");
	buf_free(&out);
}
END_TEST

/* before, whether the client's port goes, after. */
static const struct edit {
	const char *before;
	bool erase;
	const char *after;
} edits[] = {
	{ "", false, "" },
	{ "tickTime=5", false, "tickTime=5\n" },
	{ "# a\nserver.1=a:1:2\n  server.2 = b:1:2\n# b\ndataDir=/d\npeerType=observer\n", false,
	  "# a\n# b\ndataDir=/d\n" },
	{ "clientPort=1\nclientPortAddress=::1\nclientPortListenBacklog=5\nx=y\n", true,
	  "clientPortListenBacklog=5\nx=y\n" },
	{ "clientPort=1\ngroup.1=1:2\nweight.1=2\n", false, "clientPort=1\n" },
	{ "a=b\\\n c\nserver.1=\\\n  a:1\\\n\t:2\nd=e\r\ndynamicConfigFile=/old\r\nf=g", false,
	  "a=b\\\n c\nd=e\r\nf=g\n" },
	{ "server.1=a:1:2\n#server.1=a:1:2\n\n! x", false, "#server.1=a:1:2\n\n! x\n" },
};

START_TEST(a_file_points_at_its_list)
{
	const struct edit *e = &edits[_i];
	char want[256];
	struct buf out;

	buf_init(&out, 1024);
	ck_assert_int_eq(
	    dynamic_edit_static(slice_str(e->before), "/etc/z o.cfg\\.dynamic.7", e->erase, &out), 0);
	buf_put_u8(&out, '\0');
	snprintf(want, sizeof want, "%sdynamicConfigFile=/etc/z o.cfg\\\\.dynamic.7\n", e->after);
	ck_assert_str_eq((const char *)buf_head(&out), want);
	buf_free(&out);
}
END_TEST

START_TEST(a_file_that_is_none)
{
	struct buf out;

	buf_init(&out, 1024);
	ck_assert_int_eq(dynamic_edit_static(SLICE_LIT("a=\\uxyz\n"), "/l", false, &out), -EINVAL);
	buf_free(&out);
}
END_TEST

START_TEST(a_configuration_takes_another_list)
{
	uint8_t before[CONFIG_HASH_BYTES], after[CONFIG_HASH_BYTES];

	must_parse("dataDir=/d\nclientPort=1\ninitLimit=1\nsyncLimit=1\nreconfigEnabled=true\n"
		   "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n");
	config_hash(config, before);
	read_text("server.1=a:1:2:observer;9\nserver.7=g:3:4:participant\nversion=5");
	config_set_members(config, m);
	forget();
	ck_assert_uint_eq(config->nservers, 2);
	ck_assert_uint_eq(config->servers_version, 5);
	ck_assert_str_eq(config_find_server(config, 7)->addresses[0].host, "g");
	ck_assert(config_find_server(config, 1)->observer);
	/* Daemons of before and after meet. */
	config_hash(config, after);
	ck_assert_mem_eq(before, after, CONFIG_HASH_BYTES);
	/* Where the list is the operator's it is part of what they must agree on. */
	config->reconfig_enabled = false;
	config_hash(config, before);
	config->servers_version = 6;
	config_hash(config, after);
	ck_assert_mem_ne(before, after, CONFIG_HASH_BYTES);
}
END_TEST

START_TEST(what_is_no_such_text)
{
	static const char *const texts[] = {
		"",
		"version=1",
		"server.1=a:1:2:observer\nversion=1",
		"server.1=a:1\nversion=1",
		"server.1=a:1:2\nserver.1=b:1:2\nversion=1",
		"server.256=a:1:2\nversion=1",
		"server.-1=a:1:2\nversion=1",
		"server.x=a:1:2\nversion=1",
		"server.1\nversion=1",
		"server.1=a:1:2\nversion=",
		"server.1=a:1:2\nversion=1g",
		"server.1=a:1:2\nversion=11111111111111111",
		"server.1=a:1:2\nother=1\nversion=1",
		"server.1=a:1:2\nserver.2=a:1:2\ngroup.1=1\nversion=1",
		"server.1=a:1:2\ngroup.1=1:1\nversion=1",
		"server.1=a:1:2\ngroup.1=2\nversion=1",
		"server.1=a:1:2\ngroup.1=\nversion=1",
		"server.1=a:1:2\ngroup.4294967296=1\nversion=1",
		"server.1=a:1:2\ngroup.1=1\nweight.1=-1\nversion=1",
		"server.1=a:1:2\nweight.2=1\nversion=1",
	};

	for (int i = 0; i < COUNT(texts); i++) {
		ck_assert_msg(members_parse(slice_str(texts[i]), &m) == -EPROTO, "taken: %s", texts[i]);
		ck_assert_ptr_null(m);
	}
	ck_assert_int_eq(members_parse(slice_of("server.1=a:1:2\nversion=1\0x", 27), &m), -EPROTO);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("members");
	Suite *s = suite_create("members");
	SRunner *r = srunner_create(s);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_checked_fixture(t, NULL, forget);
	tcase_add_test(t, what_a_server_writes_is_read_and_written_again);
	tcase_add_test(t, fields);
	tcase_add_test(t, order_of_java);
	tcase_add_test(t, a_table_grows_past_three_quarters);
	tcase_add_test(t, equality_and_versions);
	tcase_add_test(t, of_a_file);
	tcase_add_test(t, the_file_of_a_list);
	tcase_add_loop_test(t, a_file_points_at_its_list, 0, COUNT(edits));
	tcase_add_test(t, a_file_that_is_none);
	tcase_add_test(t, a_configuration_takes_another_list);
	tcase_add_test(t, what_is_no_such_text);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
