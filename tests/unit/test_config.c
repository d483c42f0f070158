/* zoo.cfg: syntax as Java reads it, values, errors, relations, the canonical text and its hash. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/keys.h"

static struct config *config;
static struct config_report report;

static void
setup(void)
{
	config = NULL;
	config_report_init(&report);
}

static void
teardown(void)
{
	config_free(config);
	config_report_free(&report);
}

static int
parse_with(const char *text, const char *const *overrides, size_t n)
{
	teardown();
	setup();
	return config_parse(slice_str(text), "zoo.cfg", overrides, n, &config, &report);
}

static int
parse(const char *text)
{
	return parse_with(text, NULL, 0);
}

static void
must_parse(const char *text)
{
	int rc = parse(text);

	ck_assert_msg(rc == 0, "%s: %s", text, report.nfindings > 0 ? report.findings[0].text : "?");
}

static bool
found(enum config_severity severity, const char *text)
{
	for (size_t i = 0; i < report.nfindings; i++)
		if (report.findings[i].severity == severity && strcmp(report.findings[i].text, text) == 0)
			return true;
	return false;
}

static void
assert_found(enum config_severity severity, const char *text)
{
	if (found(severity, text))
		return;
	for (size_t i = 0; i < report.nfindings; i++)
		fprintf(stderr, "  found: %s\n", report.findings[i].text);
	ck_abort_msg("not reported: %s", text);
}

static void
print(bool secrets, struct buf *out)
{
	buf_init(out, 1 << 20);
	config_print(config, secrets, out);
	buf_put_u8(out, '\0');
	ck_assert(!out->overflow);
}

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
	ck_assert_int_eq(config->jute_max_buffer_extra_bytes, 1048575);
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
	ck_assert_int_eq(config->purge_interval_ms, 0);
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

/* text (dataDir is added), then the one error it must give. */
static const struct {
	const char *text, *error;
} errors[] = {
	{ "tickTime=fast", "zoo.cfg:2: tickTime: \"fast\" is not a number; allowed: 1..2147483647 (ms)" },
	{ "tickTime=", "zoo.cfg:2: tickTime: \"\" is not a number; allowed: 1..2147483647 (ms)" },
	{ "tickTime=0", "zoo.cfg:2: tickTime: \"0\" is out of range; allowed: 1..2147483647 (ms)" },
	{ "tickTime=2147483648",
	  "zoo.cfg:2: tickTime: \"2147483648\" is out of range; allowed: 1..2147483647 (ms)" },
	{ "tickTime=99999999999999999999",
	  "zoo.cfg:2: tickTime: \"99999999999999999999\" is not a number; allowed: 1..2147483647 (ms)" },
	{ "tickTime=0x10", "zoo.cfg:2: tickTime: \"0x10\" is not a number; allowed: 1..2147483647 (ms)" },
	{ "tickTime=2000 # two seconds", "zoo.cfg:2: tickTime: \"2000 # two seconds\" is not a number; "
					 "allowed: 1..2147483647 (ms); a comment needs a line of its own" },
	{ "clientPort=65536", "zoo.cfg:2: clientPort: \"65536\" is out of range; allowed: 0..65535 (port)" },
	{ "digest.enabled=yes",
	  "zoo.cfg:2: digest.enabled: \"yes\" is neither true nor false; allowed: true, false" },
	{ "forceSync=on", "zoo.cfg:2: forceSync: \"on\" is neither yes nor no; allowed: yes, no" },
	{ "snapshotSizeFactor=nan",
	  "zoo.cfg:2: snapshotSizeFactor: \"nan\" is not a number; allowed: a number such as 0.5" },
	{ "autopurge.purgeInterval=3w", "zoo.cfg:2: autopurge.purgeInterval: \"3w\" is not a number of "
					"hours, nor one with ms, s, m, h or d; "
					"allowed: 0..2147483647 (hours, or with ms, s, m, h or d)" },
	{ "failureDetection=slow",
	  "zoo.cfg:2: failureDetection: \"slow\" is not known; allowed: normal, fast" },
	{ "electionAlg=0", "zoo.cfg:2: electionAlg: \"0\" is not known; allowed: 3" },
	{ "=5", "zoo.cfg:2: a value without a key; allowed: key=value" },
	{ "a=\\u12g4",
	  "zoo.cfg:2: a: malformed \\u escape; allowed: \\u and four hexadecimal digits that name a "
	  "character" },
	{ "a=\\udead",
	  "zoo.cfg:2: a: malformed \\u escape; allowed: \\u and four hexadecimal digits that name a "
	  "character" },
	{ "a=\\u0000", "zoo.cfg:2: a: contains a NUL byte" },
	/* slips */
	{ "tickTme=5", "zoo.cfg:2: tickTme: unknown key; did you mean tickTime?" },
	{ "clientport=5", "zoo.cfg:2: clientport: unknown key; did you mean clientPort?" },
	{ "maxClientCnxn=5", "zoo.cfg:2: maxClientCnxn: unknown key; did you mean maxClientCnxns?" },
	{ "sslQourum=true", "zoo.cfg:2: sslQourum: unknown key; did you mean sslQuorum?" },
	{ "purgeInterval=1", "zoo.cfg:2: purgeInterval: unknown key; did you mean autopurge.purgeInterval?" },
	{ "superDigest=a:b", "zoo.cfg:2: superDigest: unknown key; did you mean "
			     "DigestAuthenticationProvider.superDigest?" },
	/* relations */
	{ "minSessionTimeout=9000\nmaxSessionTimeout=8000",
	  "zoo.cfg: minSessionTimeout: \"9000\" is above maxSessionTimeout \"8000\"; allowed: at most that" },
	{ "clientPortAddress=::1",
	  "zoo.cfg: clientPort: missing, but clientPortAddress is set; allowed: 0..65535 (port)" },
	{ "initLimit=5\nserver.1=a:1:2\nserver.2=b:1:2",
	  "zoo.cfg: syncLimit: missing; an ensemble needs it; allowed: 1..2147483647 (ticks)" },
	{ "syncLimit=5\nserver.1=a:1:2\nserver.2=b:1:2",
	  "zoo.cfg: initLimit: missing; an ensemble needs it; allowed: 1..2147483647 (ticks)" },
	{ "server.1=a:1:2\nserver.2=b:1:2:observer",
	  "zoo.cfg: observers need an ensemble; allowed: at least two server.N that are participants" },
	{ "standaloneEnabled=false",
	  "zoo.cfg: standaloneEnabled: \"false\" needs a server list; allowed: at least one server.N" },
	{ "initLimit=5\nsyncLimit=2\nmyid=3\nserver.1=a:1:2\nserver.2=b:1:2",
	  "zoo.cfg: myid: \"3\" is no server of the list; allowed: the N of a server.N" },
	{ "myid=255\nextendedTypesEnabled=true",
	  "zoo.cfg: myid: \"255\" is too high with extendedTypesEnabled; allowed: 0..254" },
	{ "clientPort=1\nmyid=1\nserver.1=a:1:2;3",
	  "zoo.cfg: clientPort: \"1\" is not the client address of server.1, "
	  "port 3; allowed: one of the two, or the same in both" },
/* the server list */
#define FORM                                                                                                 \
	"; allowed: host:quorumPort:electionPort[:participant|:observer][|more "                             \
	"addresses][;[host:]clientPort]"
	{ "server.1=a", "zoo.cfg:2: server.1: \"a\" has no quorum port (1..65535)" FORM },
	{ "server.1=a:1", "zoo.cfg:2: server.1: \"a:1\" has no election port (1..65535)" FORM },
	{ "server.1=a:1:1", "zoo.cfg:2: server.1: \"a:1:1\" has one port for both quorum and election" FORM },
	{ "server.1=:1:2", "zoo.cfg:2: server.1: \":1:2\" has a malformed host" FORM },
	{ "server.1=[::1:1:2", "zoo.cfg:2: server.1: \"[::1:1:2\" has a malformed host" FORM },
	{ "server.1=a:1:2:leader",
	  "zoo.cfg:2: server.1: \"a:1:2:leader\" has a role that is neither participant nor observer" FORM },
	{ "server.1=a:1:2:observer|b:1:2:participant",
	  "zoo.cfg:2: server.1: \"a:1:2:observer|b:1:2:participant\" has different roles for its "
	  "addresses" FORM },
	{ "server.1=a:1:2;x",
	  "zoo.cfg:2: server.1: \"a:1:2;x\" has a client port that is not 1..65535" FORM },
	{ "server.1=a:1:2;1;2;3", "zoo.cfg:2: server.1: \"a:1:2;1;2;3\" has too many parts" FORM },
	{ "server.one=a:1:2",
	  "zoo.cfg:2: server.one: the server's number is missing; allowed: server.N with N 0 or above" },
	{ "server.1=a:1:2\nserver.01=a:1:2",
	  "zoo.cfg:3: server.01: server 1 is there twice, written differently" },
	{ "server.1=a:1:2\ngroup.1=1:2",
	  "zoo.cfg:3: group.1: \"2\" is not a server of the list; allowed: numbers of server.N "
	  "lines, with ':' between" },
	{ "server.1=a:1:2\ngroup.1=1\ngroup.2=1", "zoo.cfg:4: group.2: server 1 is in more than one group" },
	{ "server.1=a:1:2\ngroup.1=1\nweight.1=-1",
	  "zoo.cfg:4: weight.1: \"-1\" is not a weight; allowed: 0..2147483647" },
	{ "server.1=a:1:2\nweight.1=1",
	  "zoo.cfg:3: server.1 is in no group; with group.N or weight.N lines every "
	  "participant needs one" },
/* refused: TLS, SASL and the like */
#define CANNOT  " asks for what this version cannot give: "
#define NO_TLS  CANNOT "TLS is not built yet; remove the key, and keep the ports on a network you trust"
#define NO_SASL CANNOT "SASL is not built yet; remove the key, and use digest authentication"
	{ "secureClientPort=2281", "zoo.cfg:2: secureClientPort: \"2281\"" NO_TLS },
	{ "sslQuorum=true", "zoo.cfg:2: sslQuorum: \"true\"" NO_TLS },
	{ "portUnification=true", "zoo.cfg:2: portUnification: \"true\"" NO_TLS },
	{ "client.portUnification=true", "zoo.cfg:2: client.portUnification: \"true\"" NO_TLS },
	{ "ssl.keyStore.location=/k", "zoo.cfg:2: ssl.keyStore.location: \"/k\"" NO_TLS },
	{ "zookeeper.ssl.quorum.crl=true", "zoo.cfg:2: ssl.quorum.crl: \"true\"" NO_TLS },
	{ "quorum.auth.enableSasl=true", "zoo.cfg:2: quorum.auth.enableSasl: \"true\"" NO_SASL },
	{ "quorum.auth.serverRequireSasl=true",
	  "zoo.cfg:2: quorum.auth.serverRequireSasl: \"true\"" NO_SASL },
	{ "sessionRequireClientSASLAuth=true", "zoo.cfg:2: sessionRequireClientSASLAuth: \"true\"" NO_SASL },
	{ "enforce.auth.enabled=true",
	  "zoo.cfg:2: enforce.auth.enabled: \"true\"" CANNOT
	  "forced authentication is not built yet; remove the key, and use ACLs" },
	{ "enforce.auth.schemes=x509",
	  "zoo.cfg:2: enforce.auth.schemes: \"x509\"" CANNOT
	  "forced authentication is not built yet; remove the key, and use ACLs" },
	{ "authProvider.1=org.example.Sasl",
	  "zoo.cfg:2: authProvider.1: \"org.example.Sasl\"" CANNOT
	  "authentication providers other than digest, ip and world are not built yet; remove the key" },
	{ "audit.enable=true", "zoo.cfg:2: audit.enable: \"true\"" CANNOT
			       "the audit log is not built yet; set audit.enable=false to run without one" },
	{ "dynamicConfigFile=/x",
	  "zoo.cfg:2: dynamicConfigFile: \"/x\"" CANNOT
	  "a membership file is not read yet; put its server.N lines into this file" },
	{ "server.1=a:1:2;3;4",
	  "zoo.cfg:2: server.1: \"a:1:2;3;4\" has a TLS client port; TLS is not built yet; remove "
	  "the part behind the second ';'" },
};

START_TEST(an_error_names_file_line_key_value_and_what_is_allowed)
{
	char text[512];

	snprintf(text, sizeof text, "dataDir=/d\n%s\n", errors[_i].text);
	ck_assert_int_lt(parse(text), 0);
	ck_assert_ptr_null(config);
	assert_found(CONFIG_ERROR, errors[_i].error);
	ck_assert_uint_eq(report.nerrors, 1);
}
END_TEST

/* What is refused may be written so that it asks for nothing. */
static const char *const harmless[] = {
	"secureClientPort=-1",        "sslQuorum=false",
	"portUnification=FALSE",      "quorum.auth.enableSasl=false",
	"enforce.auth.enabled=false", "sessionRequireClientSASLAuth=false",
	"audit.enable=false",         "ssl.keyStore.location=",
	"secureClientPortAddress=",   "sslQuorum=true\nsslQuorum=false",
};

START_TEST(a_refused_key_that_asks_for_nothing_passes)
{
	char text[256];

	snprintf(text, sizeof text, "dataDir=/d\n%s\n", harmless[_i]);
	must_parse(text);
}
END_TEST

START_TEST(all_errors_are_reported)
{
	ck_assert_int_lt(parse("tickTime=fast\nclientPort=-7\n\ndigest.enabled=maybe\nticktme=3\n"), 0);
	ck_assert_uint_eq(report.nerrors, 5);
	assert_found(CONFIG_ERROR,
		     "zoo.cfg:1: tickTime: \"fast\" is not a number; allowed: 1..2147483647 (ms)");
	assert_found(CONFIG_ERROR, "zoo.cfg:2: clientPort: \"-7\" is out of range; allowed: 0..65535 (port)");
	assert_found(CONFIG_ERROR,
		     "zoo.cfg:4: digest.enabled: \"maybe\" is neither true nor false; allowed: true, false");
	assert_found(CONFIG_ERROR, "zoo.cfg:5: ticktme: unknown key; did you mean tickTime?");
	assert_found(CONFIG_ERROR, "zoo.cfg: dataDir: missing; allowed: the path of a folder");
}
END_TEST

START_TEST(findings_are_bounded)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	for (int i = 0; i < 5000; i++)
		buf_put(&text, "=x\n", 3);
	ck_assert_int_lt(config_parse(buf_slice(&text), "zoo.cfg", NULL, 0, &config, &report), 0);
	ck_assert_uint_eq(report.nfindings, CONFIG_FINDINGS_MAX);
	buf_free(&text);
}
END_TEST

START_TEST(a_file_too_large_is_refused)
{
	struct buf text;
	uint8_t *room;

	buf_init(&text, 2 << 20);
	room = buf_reserve(&text, CONFIG_TEXT_MAX + 1);
	memset(room, '\n', CONFIG_TEXT_MAX + 1);
	buf_commit(&text, CONFIG_TEXT_MAX + 1);
	ck_assert_int_lt(config_parse(buf_slice(&text), "zoo.cfg", NULL, 0, &config, &report), 0);
	assert_found(CONFIG_ERROR, "zoo.cfg: the file has 1048577 bytes; allowed: 1048576");
	buf_free(&text);
}
END_TEST

START_TEST(notices_tell_what_does_not_stop_the_start)
{
	must_parse("dataDir=/d\nclientPort=1\nclientPort=2\nwhat.is.this=1\nadmin.serverPort=8081\n"
		   "admin.enableServer=true\nautopurge.snapRetainCount=1\nforceSync=no\nskipACL=yes\n");
	assert_found(CONFIG_NOTICE, "zoo.cfg:3: clientPort: set again; this value holds, not that of line 2");
	assert_found(CONFIG_NOTICE, "zoo.cfg:4: what.is.this: unknown key, ignored");
	assert_found(CONFIG_NOTICE,
		     "zoo.cfg: accepted but not honoured: admin.enableServer, admin.serverPort");
	assert_found(CONFIG_NOTICE,
		     "zoo.cfg:7: autopurge.snapRetainCount: 1 is too low; 3 is used, as ZooKeeper does");
	assert_found(CONFIG_NOTICE, "zoo.cfg: forceSync: no: a power failure loses acknowledged writes");
	assert_found(CONFIG_NOTICE,
		     "zoo.cfg: skipACL: yes: no ACL is checked, every client may do everything");
	ck_assert_uint_eq(report.nfindings, 6);
	ck_assert_int_eq(config->client_port, 2);
	ck_assert_int_eq(config->snap_retain_count, 3);
	ck_assert_uint_eq(config->nignored, 2);
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

START_TEST(errors_of_overrides_name_them)
{
	static const char *const overrides[] = { "tickTime=fast", "quiet", "=3" };

	ck_assert_int_lt(parse_with("dataDir=/d\nclientPort=1", overrides, 3), 0);
	assert_found(CONFIG_ERROR, "-D tickTime: \"fast\" is not a number; allowed: 1..2147483647 (ms)");
	assert_found(CONFIG_ERROR, "-D quiet: has no value; allowed: -D key=value");
	assert_found(CONFIG_ERROR, "-D a value without a key; allowed: -D key=value");
	ck_assert_uint_eq(report.nerrors, 3);
}
END_TEST

START_TEST(a_secret_stays_out_of_messages_and_shown_text)
{
	struct buf out;

	must_parse("dataDir=/d\nDigestAuthenticationProvider.superDigest=super:secret=\n"
		   "SASLAuthenticationProvider.superPassword=secret\n");
	ck_assert_str_eq(config->super_digest, "super:secret=");
	for (size_t i = 0; i < report.nfindings; i++)
		ck_assert_ptr_null(strstr(report.findings[i].text, "secret"));
	print(false, &out);
	ck_assert_ptr_null(strstr((const char *)buf_head(&out), "secret"));
	ck_assert_ptr_nonnull(strstr((const char *)buf_head(&out),
				     "# DigestAuthenticationProvider.superDigest is set, not shown\n"));
	buf_free(&out);
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
	ck_assert(!config_word_allowed(config, "srvr"));
	ck_assert(!config_word_allowed(config, "nons"));
	ck_assert(!config_word_allowed(config, "isro"));
	must_parse("dataDir=/d\n4lw.commands.whitelist=*\n");
	ck_assert(config_word_allowed(config, "dump"));
	must_parse("dataDir=/d\n4lw.commands.whitelist=\nreadonlymode.enabled=true\n");
	ck_assert(config_word_allowed(config, "isro"));
	ck_assert(!config_word_allowed(config, "srvr"));
}
END_TEST

#define ENSEMBLE                                                                                             \
	"dataDir=/d\ninitLimit=10\nsyncLimit=5\n"                                                            \
	"server.3=c.example:2888:3888:observer;2181\n"                                                       \
	"server.1=[fe80::1]:2888:3888:participant;[::1]:2182\n"                                              \
	"server.2=b1:2888:3888|b2:2889:3889;b.example:2183\n"

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

START_TEST(a_bad_myid_file_is_refused)
{
	must_parse(ENSEMBLE);
	ck_assert_int_lt(config_take_myid(config, slice_str("one\n"), "/d/myid", &report), 0);
	assert_found(CONFIG_ERROR,
		     "/d/myid:1: \"one\" is not a server number; allowed: 0..9223372036854775807");
	ck_assert_int_lt(config_take_myid(config, SLICE_NULL, "/d/myid", &report), 0);
	ck_assert_int_lt(config_take_myid(config, slice_str("9"), "/d/myid", &report), 0);
	assert_found(CONFIG_ERROR,
		     "/d/myid:1: myid: \"9\" is no server of the list; allowed: the N of a server.N");
}
END_TEST

/* parse -> print: the golden text of a file that uses every syntax. */
static const char golden_in[] =
    "# comment\n! another\n zookeeper.snapCount : 0x3e8\ndataDir /da\\\n   ta\n4lw.commands.whitelist=srvr, "
    "ruok\n"
    "clientPort=2181\nautopurge.purgeInterval=24\nleaderServes=FALSE\nserver.2=[::2]:1:2\nserver.1=a:1:2|b:3:"
    "4;5\n"
    "group.1=1\ngroup.2=2\nweight.2=3\ninitLimit=10\nsyncLimit=5\nuser.logd=zk\ntcpKeepAlive=true\nmyid=2\n"
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
				 "group.1=1\n"
				 "group.2=2\n"
				 "weight.1=1\n"
				 "weight.2=3\n"
				 "standaloneEnabled=true\n";
static const char golden_tail[] = "myid=2\n"
				  "failureDetection=normal\n"
				  "user.logd=zk\n"
				  "# accepted, not honoured\n"
				  "tcpKeepAlive=true\n";

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
	ck_assert_ptr_nonnull(strstr(text, "\nleaderServes=no\n"));
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
	"dataDir=\\==\nadmin.commandURL=:x\nssl.x=\njute.maxbuffer=5\nforceSync=no\nsnapshot.compression."
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

/* Every tier-1 key is honoured, but those of the HTTP programs, which are no part of a node. */
START_TEST(every_tier_1_key_is_honoured)
{
	for (size_t i = 0; i < config_nkeys; i++) {
		const struct config_key *k = &config_keys[i];
		if (k->tier == 1 && strncmp(k->name, "admin.", 6) != 0 &&
		    strncmp(k->name, "metricsProvider.", 16) != 0)
			ck_assert_msg(k->status == CONFIG_HONOURED, "%s", k->name);
	}
}
END_TEST

static char folder[64];

static void
make_folder(void)
{
	setup();
	strcpy(folder, "/tmp/test_config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
	teardown();
}

static void
write_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static int
load(const char *name)
{
	char path[256];
	struct config_source s = { .file = path, .fd = -1 };

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return config_load(&s, &config, &report);
}

START_TEST(a_file_is_loaded)
{
	write_file("zoo.cfg", "dataDir=/d\nclientPort=3\n");
	ck_assert_int_eq(load("zoo.cfg"), 0);
	ck_assert_int_eq(config->client_port, 3);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
	char expected[256];

	ck_assert_int_lt(load("none.cfg"), 0);
	snprintf(expected, sizeof expected, "%s/none.cfg: cannot be read: No such file or directory", folder);
	assert_found(CONFIG_ERROR, expected);
	config_report_free(&report);
	ck_assert_int_lt(load("."), 0);
	snprintf(expected, sizeof expected, "%s/.: cannot be read: Is a directory", folder);
	assert_found(CONFIG_ERROR, expected);
}
END_TEST

START_TEST(a_descriptor_is_read_from_its_start_every_time)
{
	char path[256];
	struct config_source s = { .file = "named.cfg" };
	FILE *f;

	write_file("zoo.cfg", "dataDir=/d\nclientPort=3\ntickTme=3\n");
	snprintf(path, sizeof path, "%s/zoo.cfg", folder);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	s.fd = fileno(f);
	for (int i = 0; i < 2; i++) {
		config_report_free(&report);
		ck_assert_int_lt(config_load(&s, &config, &report), 0);
		assert_found(CONFIG_ERROR, "named.cfg:3: tickTme: unknown key; did you mean tickTime?");
	}
	fclose(f);
}
END_TEST

START_TEST(no_file_is_the_embedded_default)
{
	struct config_source s = { .file = NULL, .fd = -1 };

	ck_assert_int_eq(config_load(&s, &config, &report), 0);
	ck_assert_int_eq(config->client_port, 2181);
}
END_TEST

START_TEST(an_ensemble_is_refused_at_start)
{
	char expected[512], text[512];

	snprintf(text, sizeof text, ENSEMBLE "dataDir=%s\n", folder);
	write_file("zoo.cfg", text);
	ck_assert_int_lt(load("zoo.cfg"), 0);
	snprintf(
	    expected, sizeof expected,
	    "%s/myid: No such file or directory; an ensemble needs the server's number there, or -D myid=N",
	    folder);
	assert_found(CONFIG_ERROR, expected);
	config_report_free(&report);
	write_file("myid", "2\n");
	ck_assert_int_lt(load("zoo.cfg"), 0);
	snprintf(expected, sizeof expected,
		 "%s/zoo.cfg: 3 servers are listed, and ensembles are not built yet; to run a standalone "
		 "node remove the "
		 "server.N lines",
		 folder);
	assert_found(CONFIG_ERROR, expected);
}
END_TEST

START_TEST(a_lone_server_takes_its_client_port_by_myid)
{
	char text[512];

	snprintf(text, sizeof text, "dataDir=%s\nserver.4=a:1:2;127.0.0.1:77\n", folder);
	write_file("zoo.cfg", text);
	ck_assert_int_eq(load("zoo.cfg"), 0);
	ck_assert_int_eq(config->client_port, -1);
	config_free(config);
	write_file("myid", "4");
	ck_assert_int_eq(load("zoo.cfg"), 0);
	ck_assert_int_eq(config->client_port, 77);
	ck_assert_str_eq(config->client_port_address, "127.0.0.1");
}
END_TEST

START_TEST(the_runtime_folder_is_made_where_it_is_named)
{
	char text[256], *path, *paths[2];
	struct stat st;

	snprintf(text, sizeof text, "dataDir=%s/data\nruntimeDir=%s/a/b\n", folder, folder);
	must_parse(text);
	ck_assert_int_eq(config_runtime_dir(config, &path), 0);
	ck_assert_str_eq(path, config->runtime_dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
	mem_free(path);
	ck_assert_uint_eq(config_runtime_candidates(config, paths), 1);
	ck_assert_str_eq(paths[0], config->runtime_dir);
	mem_free(paths[0]);
	write_file("file", "");
	snprintf(text, sizeof text, "dataDir=%s/data\nruntimeDir=%s/file/b\n", folder, folder);
	must_parse(text);
	ck_assert_int_lt(config_runtime_dir(config, &path), 0);
	mem_free(path);
}
END_TEST

START_TEST(a_running_node_is_looked_for_in_its_data_folder_first)
{
	char *paths[2];

	must_parse("dataDir=/d\n");
	ck_assert_uint_eq(config_runtime_candidates(config, paths), 2);
	ck_assert_str_eq(paths[0], "/d/run");
	ck_assert_str_eq(paths[1], "/run/zkd");
	mem_free(paths[0]);
	mem_free(paths[1]);
}
END_TEST

#define COUNT(t) ((int)(sizeof(t) / sizeof((t)[0])))

static Suite *
suite(void)
{
	Suite *s = suite_create("config");
	TCase *parsing = tcase_create("parse"), *loading = tcase_create("load");

	tcase_add_checked_fixture(parsing, setup, teardown);
	tcase_add_test(parsing, the_embedded_default_is_a_lone_server_on_loopback);
	tcase_add_test(parsing, defaults_are_those_of_zookeeper);
	tcase_add_loop_test(parsing, syntax_is_that_of_java_properties, 0, COUNT(syntax));
	tcase_add_loop_test(parsing, an_error_names_file_line_key_value_and_what_is_allowed, 0,
			    COUNT(errors));
	tcase_add_loop_test(parsing, a_refused_key_that_asks_for_nothing_passes, 0, COUNT(harmless));
	tcase_add_test(parsing, all_errors_are_reported);
	tcase_add_test(parsing, findings_are_bounded);
	tcase_add_test(parsing, a_file_too_large_is_refused);
	tcase_add_test(parsing, notices_tell_what_does_not_stop_the_start);
	tcase_add_test(parsing, overrides_win_and_take_every_spelling);
	tcase_add_test(parsing, errors_of_overrides_name_them);
	tcase_add_test(parsing, a_secret_stays_out_of_messages_and_shown_text);
	tcase_add_test(parsing, numbers_are_read_as_their_key_reads_them);
	tcase_add_test(parsing, session_bounds_follow_the_tick_and_do_not_overflow);
	tcase_add_test(parsing, the_whitelist_is_read_as_zookeeper_reads_it);
	tcase_add_test(parsing, the_server_list_is_parsed_in_full);
	tcase_add_test(parsing, groups_and_weights_are_parsed);
	tcase_add_test(parsing, one_server_in_the_list_is_standalone);
	tcase_add_test(parsing, myid_brings_the_client_port_of_its_line);
	tcase_add_test(parsing, a_bad_myid_file_is_refused);
	tcase_add_test(parsing, canonical_text_is_golden);
	tcase_add_loop_test(parsing, what_was_printed_reads_the_same, 0, COUNT(round_trips));
	tcase_add_test(parsing, the_hash_follows_meaning_not_spelling);
	tcase_add_test(parsing, the_table_is_sound);
	tcase_add_test(parsing, every_tier_1_key_is_honoured);
	suite_add_tcase(s, parsing);
	tcase_add_checked_fixture(loading, make_folder, remove_folder);
	tcase_add_test(loading, a_file_is_loaded);
	tcase_add_test(loading, a_file_that_cannot_be_read_is_an_error);
	tcase_add_test(loading, a_descriptor_is_read_from_its_start_every_time);
	tcase_add_test(loading, no_file_is_the_embedded_default);
	tcase_add_test(loading, an_ensemble_is_refused_at_start);
	tcase_add_test(loading, a_lone_server_takes_its_client_port_by_myid);
	tcase_add_test(loading, the_runtime_folder_is_made_where_it_is_named);
	tcase_add_test(loading, a_running_node_is_looked_for_in_its_data_folder_first);
	suite_add_tcase(s, loading);
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
