/* zoo.cfg: syntax as Java reads it, values, the server list, the canonical text and its hash, the table of keys. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "config/keys.h"
#include "config_fixture.h"

START_TEST(the_embedded_default_is_a_lone_server_on_loopback)
{
	must_parse(config_default_text);
	ck_assert_uint_eq(report.nfindings, 0);
	ck_assert_int_eq(config->client_port, 2181);
	ck_assert_str_eq(config->client_port_address, "127.0.0.1");
	ck_assert_str_eq(config->data_dir, "./zkd-data");
	ck_assert_str_eq(config->data_log_dir, "./zkd-data");
	ck_assert_int_eq(config->tick_time_ms, 2000);
	ck_assert_int_eq(config->min_session_timeout_ms, 4000);
	ck_assert_int_eq(config->max_session_timeout_ms, 40000);
	ck_assert(config_word_allowed(config, "srvr"));
	ck_assert(!config_word_allowed(config, "dump"));
	ck_assert(!config_is_ensemble(config));
}
END_TEST

/* What is not said is what ZooKeeper's master does. */
START_TEST(defaults_are_those_of_zookeeper)
{
	must_parse("dataDir=/d");
	ck_assert_int_eq(config->client_port, -1);
	ck_assert_ptr_null(config->client_port_address);
	ck_assert_int_eq(config->tick_time_ms, 3000);
	ck_assert_int_eq(config->max_client_cnxns, 60);
	ck_assert_int_eq(config->max_cnxns, 0);
	ck_assert_int_eq(config->jute_max_buffer_bytes, 1048575);
	ck_assert_int_eq(config->global_outstanding_limit, 1000);
	ck_assert_int_eq(config->snap_count, 100000);
	ck_assert_int_eq(config->prealloc_bytes, 64 << 20);
	ck_assert_int_eq(config->snap_size_limit_bytes, INT64_C(4) << 30);
	ck_assert_int_lt(config->txn_log_size_limit_bytes, 0);
	ck_assert(config->force_sync && config->digest_enabled && config->close_session_txn_enabled);
	ck_assert(!config->skip_acl && !config->extended_types_enabled && !config->read_only_mode_enabled);
	ck_assert_int_eq(config->fsync_warning_ms, 1000);
	ck_assert_int_eq(config->commit_log_count, 500);
	ck_assert_int_eq(config->snap_retain_count, 3);
	ck_assert_int_eq(config->purge_interval_ms, 3600000);
	ck_assert_int_eq(config->sessionless_cnxn_timeout_ms, 10000);
	ck_assert_int_eq(config->container_max_never_used_ms, 300000);
	ck_assert_int_eq(config->snapshot_compression, CONFIG_COMPRESSION_NONE);
	ck_assert_int_eq(config->failure_detection, CONFIG_FAILURE_NORMAL);
	ck_assert_int_eq(config->myid, -1);
	ck_assert_ptr_null(config->super_digest);
	ck_assert(config_word_allowed(config, "srvr"));
	ck_assert(!config_word_allowed(config, "ruok"));
}
END_TEST

/* text, then what dataDir is: each row was compared with java.util.Properties and String.trim. */
static const struct {
	const char *text, *data_dir;
} syntax[] = {
	{ "dataDir=/d", "/d" },
	{ "dataDir:/d", "/d" },
	{ "dataDir /d", "/d" },
	{ "dataDir\t=\t/d", "/d" },
	{ "  dataDir = /d  \n", "/d" },
	{ "dataDir = = /d", "= /d" },
	{ "dataDir==/d", "=/d" },
	{ "dataDir : = /d", "= /d" },
	{ "dataDir=/a b", "/a b" },
	{ "dataDir=/d # no comment", "/d # no comment" },
	{ "#dataDir=/x\n!dataDir=/y\n  # z\ndataDir=/d\n", "/d" },
	{ "# ends in a backslash \\\ndataDir=/d", "/d" },
	{ "dataDir=/a\\\n   /b", "/a/b" },
	{ "dataDir=/a\\\r\n\t/b", "/a/b" },
	{ "dataDir=/a\\\\\nclientPort=1", "/a\\" },
	{ "dataDir=/a\\\n\nclientPort=1", "/a" },
	{ "dataDir=/a\\\n#b", "/a#b" },
	{ "dataDir=/a\\", "/a" },
	{ "data\\\n  Dir=/d", "/d" },
	{ "\\\n# comment\ndataDir=/d", "/d" },
	{ "data\\Dir=/d", "/d" },
	{ "dataDir=C:\\dir", "C:dir" },
	{ "dataDir=/a\\tb\\nc\\rd\\fe", "/a\tb\nc\rd\fe" },
	{ "dataDir=\\ \\u0020/d\\u0020", "/d" },
	{ "dataDir=/\\u00fc", "/\xc3\xbc" },
	{ "dataDir=/\\ud83d\\ude00", "/\xf0\x9f\x98\x80" },
	{ "dataDir=/\\u20AC\\u00fC", "/\xe2\x82\xac\xc3\xbc" },
	{ "dataDir=/\xc3\xbc", "/\xc3\xbc" },
	{ "dataDir=/\\=\\:\\#\\!", "/=:#!" },
	{ "dataDir=/a\rclientPort=1\r", "/a" },
	{ "dataDir=/a\fb", "/a\fb" },
	{ "zookeeper.dataDir=/d", "/d" },
	{ "dataDir=/a\ndataDir=/b", "/b" },
};

START_TEST(syntax_is_that_of_java_properties)
{
	must_parse(syntax[_i].text);
	ck_assert_str_eq(config->data_dir, syntax[_i].data_dir);
}
END_TEST

START_TEST(overrides_win_and_take_every_spelling)
{
	static const char *const overrides[] = { "tickTime=500", "zookeeper.snapCount = 7",
						 " jute.maxbuffer=0xfff", "zookeeper.jute.maxbuffer=4096",
						 "dataDir=/o" };

	ck_assert_int_eq(parse_with("dataDir=/d\ntickTime=fast\nsnapCount=5", overrides, 5), 0);
	ck_assert_uint_eq(report.nfindings, 1); /* no clientPort */
	ck_assert_int_eq(config->tick_time_ms, 500);
	ck_assert_int_eq(config->snap_count, 7);
	ck_assert_int_eq(config->jute_max_buffer_bytes, 4096);
	ck_assert_str_eq(config->data_dir, "/o");
}
END_TEST

START_TEST(numbers_are_read_as_their_key_reads_them)
{
	must_parse(
	    "dataDir=/"
	    "d\nsnapCount=0x10\nmaxCnxns=010\ntickTime=+2000\npreAllocSize=2\nautopurge.purgeInterval=2\n"
	    "snapSizeLimitInKb=-1\ncommitLogCount=#FFF\n");
	ck_assert_int_eq(config->snap_count, 16);
	ck_assert_int_eq(config->max_cnxns, 8);
	ck_assert_int_eq(config->tick_time_ms, 2000);
	ck_assert_int_eq(config->prealloc_bytes, 2048);
	ck_assert_int_eq(config->purge_interval_ms, 2 * 3600000);
	ck_assert_int_lt(config->snap_size_limit_bytes, 0);
	ck_assert_int_eq(config->commit_log_count, 4095);
	must_parse("dataDir=/d\nautopurge.purgeInterval=90M\n");
	ck_assert_int_eq(config->purge_interval_ms, 90 * 60000);
}
END_TEST

START_TEST(session_bounds_follow_the_tick_and_do_not_overflow)
{
	must_parse("dataDir=/d\ntickTime=2147483647\n");
	ck_assert_int_eq(config->min_session_timeout_ms, INT32_MAX);
	ck_assert_int_eq(config->max_session_timeout_ms, INT32_MAX);
	must_parse("dataDir=/d\ntickTime=100\nmaxSessionTimeout=250\n");
	ck_assert_int_eq(config->min_session_timeout_ms, 200);
	ck_assert_int_eq(config->max_session_timeout_ms, 250);
}
END_TEST

START_TEST(the_whitelist_is_read_as_zookeeper_reads_it)
{
	must_parse("dataDir=/d\n4lw.commands.whitelist= stat, ruok ,,nonsense\n");
	ck_assert(config_word_allowed(config, "stat"));
	ck_assert(config_word_allowed(config, "ruok"));
	ck_assert(config_word_allowed(config, "srvr"));
	ck_assert(!config_word_allowed(config, "nons"));
	ck_assert(!config_word_allowed(config, "isro"));
	must_parse("dataDir=/d\n4lw.commands.whitelist=*\n");
	ck_assert(config_word_allowed(config, "dump"));
	must_parse("dataDir=/d\n4lw.commands.whitelist=\nreadonlymode.enabled=true\n");
	ck_assert(config_word_allowed(config, "isro"));
	ck_assert(config_word_allowed(config, "srvr"));
}
END_TEST

START_TEST(the_server_list_is_parsed_in_full)
{
	const struct config_server *s;

	must_parse(ENSEMBLE);
	ck_assert(config_is_ensemble(config));
	ck_assert_uint_eq(config->nservers, 3);
	s = config_find_server(config, 1);
	ck_assert_ptr_eq(s, &config->servers[0]);
	ck_assert_str_eq(s->addresses[0].host, "fe80::1");
	ck_assert_uint_eq(s->addresses[0].quorum_port, 2888);
	ck_assert_uint_eq(s->addresses[0].election_port, 3888);
	ck_assert_str_eq(s->client.host, "::1");
	ck_assert_int_eq(s->client.port, 2182);
	ck_assert(!s->observer);
	s = config_find_server(config, 2);
	ck_assert_uint_eq(s->naddresses, 2);
	ck_assert_str_eq(s->addresses[1].host, "b2");
	ck_assert_uint_eq(s->addresses[1].election_port, 3889);
	ck_assert_str_eq(s->client.host, "b.example");
	s = config_find_server(config, 3);
	ck_assert(s->observer);
	ck_assert_ptr_null(s->client.host);
	ck_assert_int_eq(s->client.port, 2181);
	ck_assert_ptr_null(config_find_server(config, 4));
	ck_assert(!config->hierarchical);
}
END_TEST

START_TEST(groups_and_weights_are_parsed)
{
	must_parse(ENSEMBLE "group.1=1\ngroup.7=2:3\nweight.2=4\n");
	ck_assert(config->hierarchical);
	ck_assert_int_eq(config->servers[0].group, 1);
	ck_assert_int_eq(config->servers[1].group, 7);
	ck_assert_int_eq(config->servers[2].group, 7);
	ck_assert_int_eq(config->servers[0].weight, 1);
	ck_assert_int_eq(config->servers[1].weight, 4);
}
END_TEST

START_TEST(an_address_may_stand_in_brackets)
{
	must_parse("dataDir=/d\nclientPort=1\nclientPortAddress=[::1]\n");
	ck_assert_str_eq(config->client_port_address, "::1");
	must_parse("dataDir=/d\nclientPort=1\nclientPortAddress=[]\n");
	ck_assert_str_eq(config->client_port_address, "[]");
}
END_TEST

START_TEST(one_server_in_the_list_is_standalone)
{
	must_parse("dataDir=/d\nserver.1=a:2888:3888\n");
	ck_assert(!config_is_ensemble(config));
	must_parse("dataDir=/d\nstandaloneEnabled=false\ninitLimit=1\nsyncLimit=1\nserver.1=a:2888:3888\n");
	ck_assert(config_is_ensemble(config));
}
END_TEST

START_TEST(myid_brings_the_client_port_of_its_line)
{
	must_parse(ENSEMBLE);
	ck_assert_int_eq(config_take_myid(config, slice_str(" 1\n"), "myid", &report), 0);
	ck_assert_int_eq(config->myid, 1);
	ck_assert_int_eq(config->client_port, 2182);
	ck_assert_str_eq(config->client_port_address, "::1");
	must_parse(ENSEMBLE "myid=3\n");
	ck_assert_int_eq(config->client_port, 2181);
	ck_assert_ptr_null(config->client_port_address);
}
END_TEST

/* parse -> print: the golden text of a file that uses every syntax. */
static const char golden_in[] =
    "# comment\n! another\n zookeeper.snapCount : 0x3e8\ndataDir /da\\\n   ta\n4lw.commands.whitelist=srvr, "
    "ruok\n"
    "clientPort=2181\nautopurge.purgeInterval=24\nforceSync=NO\nserver.2=[::2]:1:2\nserver.1=a:1:2|b:3:"
    "4;5\n"
    "group.1=1:3\ngroup.2=2\nweight.2=3\nversion=1F\nserver.3=c:1:2\ninitLimit=10\nsyncLimit=5\nuser.logd="
    "zk\nreconfigEnabled=true\nensembleAuthName=e\nmyid=2\n"
    "DigestAuthenticationProvider.superDigest==\\ x\\\\\n";
static const char golden_out[] = "clientPort=2181\n"
				 "clientPortListenBacklog=-1\n"
				 "dataDir=/data\n"
				 "dataLogDir=/data\n"
				 "tickTime=3000\n"
				 "initLimit=10\n"
				 "syncLimit=5\n"
				 "minSessionTimeout=6000\n"
				 "maxSessionTimeout=60000\n"
				 "maxClientCnxns=60\n"
				 "autopurge.purgeInterval=86400000ms\n"
				 "autopurge.snapRetainCount=3\n"
				 "server.1=a:1:2:participant|b:3:4:participant;5\n"
				 "server.2=[::2]:1:2:participant\n"
				 "server.3=c:1:2:participant\n"
				 "group.1=1:3\n"
				 "group.2=2\n"
				 "weight.1=1\n"
				 "weight.2=3\n"
				 "weight.3=1\n"
				 "standaloneEnabled=true\n"
				 "localSessionsEnabled=false\n"
				 "localSessionsUpgradingEnabled=false\n"
				 "reconfigEnabled=true\n"
				 "version=1f\n"
				 "peerType=participant\n";
static const char golden_tail[] = "myid=2\n"
				  "scrubInterval=86400000ms\n"
				  "scrubRate=8192\n"
				  "diskReserve=65536\n"
				  "failureDetection=normal\n"
				  "user.logd=zk\n"
				  "# accepted, not honoured\n"
				  "ensembleAuthName=e\n";

START_TEST(canonical_text_is_golden)
{
	struct buf out;
	const char *text;

	must_parse(golden_in);
	print(true, &out);
	text = (const char *)buf_head(&out);
	ck_assert_msg(strncmp(text, golden_out, sizeof golden_out - 1) == 0, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "\nsnapCount=1000\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n4lw.commands.whitelist=srvr,ruok\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nforceSync=no\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nDigestAuthenticationProvider.superDigest=\\= x\\\\\n"));
	ck_assert_str_eq(text + strlen(text) - (sizeof golden_tail - 1), golden_tail);
	buf_free(&out);
}
END_TEST

static const char *const round_trips[] = {
	config_default_text,
	golden_in,
	ENSEMBLE,
	"dataDir=/a\\tb\\\\c\\u00fc=:#!\n4lw.commands.whitelist=*\nautopurge.purgeInterval=1ms\nwhat.ever=\n",
	"dataDir=\\==\noraclePath=:x\nssl.x=\njute.maxbuffer=5\nforceSync=no\nsnapshot.compression."
	"method=GZ\n",
	"dataDir=/d\nmetricsProvider.a\\ b=c d\nmetricsProvider.\\#x=\\u0001y\n",
};

START_TEST(what_was_printed_reads_the_same)
{
	struct buf first, second;
	uint8_t hash[2][CONFIG_HASH_BYTES];

	must_parse(round_trips[_i]);
	print(true, &first);
	config_hash(config, hash[0]);
	must_parse((const char *)buf_head(&first));
	print(true, &second);
	config_hash(config, hash[1]);
	ck_assert_str_eq((const char *)buf_head(&first), (const char *)buf_head(&second));
	ck_assert_mem_eq(hash[0], hash[1], CONFIG_HASH_BYTES);
	buf_free(&first);
	buf_free(&second);
}
END_TEST

static void
hash_of(const char *text, uint8_t hash[CONFIG_HASH_BYTES])
{
	must_parse(text);
	config_hash(config, hash);
}

START_TEST(the_hash_follows_meaning_not_spelling)
{
	uint8_t a[CONFIG_HASH_BYTES], b[CONFIG_HASH_BYTES];

	hash_of("dataDir=/d\ntickTime=2000\nclientPort=1", a);
	hash_of(
	    "# hello\nclientPort : 1\nzookeeper.tickTime=2000\ndataDir=/d\ndataLogDir=/d\nsnapCount=0x186a0",
	    b);
	ck_assert_mem_eq(a, b, sizeof a);
	hash_of("dataDir=/d\ntickTime=2001\nclientPort=1", b);
	ck_assert_mem_ne(a, b, sizeof a);
	hash_of("dataDir=/d\ntickTime=2000\nclientPort=1\nDigestAuthenticationProvider.superDigest=super:x",
		b);
	ck_assert_mem_ne(a, b, sizeof a);
	hash_of("dataDir=/d\ntickTime=2000\nclientPort=1\nmyid=4", b);
	ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

/* The table itself: names once, defaults that their own reader takes, text for people on each row. */
START_TEST(the_table_is_sound)
{
	for (size_t i = 0; i < config_nkeys; i++) {
		const struct config_key *k = &config_keys[i];
		ck_assert_msg(k->about != NULL && k->about[0] != '\0', "%s", k->name);
		ck_assert_int_ge(k->tier, 1);
		ck_assert_int_le(k->tier, 3);
		ck_assert_msg(!config_key_is_pattern(k) == (config_key_find(k->name) == k), "%s", k->name);
		for (size_t j = 0; j < i; j++)
			ck_assert_msg(strcmp(k->name, config_keys[j].name) != 0, "%s twice", k->name);
		if (k->def == NULL || config_key_is_pattern(k) || strcmp(k->name, "dataDir") == 0)
			continue;
		char text[256];
		snprintf(text, sizeof text, "dataDir=/d\n%s=%s\n", k->name, k->def);
		must_parse(text);
	}
}
END_TEST

/* Every key that a stock zoo.cfg may have does what it does in ZooKeeper. */
START_TEST(every_tier_1_key_is_honoured)
{
	for (size_t i = 0; i < config_nkeys; i++) {
		const struct config_key *k = &config_keys[i];
		if (k->tier == 1)
			ck_assert_msg(k->status == CONFIG_HONOURED, "%s", k->name);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_embedded_default_is_a_lone_server_on_loopback);
	tcase_add_test(t, defaults_are_those_of_zookeeper);
	tcase_add_loop_test(t, syntax_is_that_of_java_properties, 0, COUNT(syntax));
	tcase_add_test(t, overrides_win_and_take_every_spelling);
	tcase_add_test(t, numbers_are_read_as_their_key_reads_them);
	tcase_add_test(t, session_bounds_follow_the_tick_and_do_not_overflow);
	tcase_add_test(t, the_whitelist_is_read_as_zookeeper_reads_it);
	tcase_add_test(t, the_server_list_is_parsed_in_full);
	tcase_add_test(t, groups_and_weights_are_parsed);
	tcase_add_test(t, an_address_may_stand_in_brackets);
	tcase_add_test(t, one_server_in_the_list_is_standalone);
	tcase_add_test(t, myid_brings_the_client_port_of_its_line);
	tcase_add_test(t, canonical_text_is_golden);
	tcase_add_loop_test(t, what_was_printed_reads_the_same, 0, COUNT(round_trips));
	tcase_add_test(t, the_hash_follows_meaning_not_spelling);
	tcase_add_test(t, the_table_is_sound);
	tcase_add_test(t, every_tier_1_key_is_honoured);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
