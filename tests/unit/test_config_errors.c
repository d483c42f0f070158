/* zoo.cfg: every class of error, and what is worth a notice. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "config_fixture.h"

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
	{ "server1=a:1:2", "zoo.cfg:2: server1: unknown key; did you mean server.N?" },
	{ "sslQourum=true", "zoo.cfg:2: sslQourum: unknown key; did you mean sslQuorum?" },
	{ "purgeInterval=1", "zoo.cfg:2: purgeInterval: unknown key; did you mean autopurge.purgeInterval?" },
	{ "superDigest=a:b", "zoo.cfg:2: superDigest: unknown key; did you mean "
			     "DigestAuthenticationProvider.superDigest?" },
	/* relations */
	{ "minSessionTimeout=9000\nmaxSessionTimeout=8000",
	  "zoo.cfg:2: minSessionTimeout: \"9000\" is above maxSessionTimeout \"8000\"; allowed: at most "
	  "that" },
	{ "clientPortAddress=::1",
	  "zoo.cfg:2: clientPort: missing, but clientPortAddress is set; allowed: 0..65535 (port)" },
	{ "initLimit=5\nserver.1=a:1:2\nserver.2=b:1:2",
	  "zoo.cfg: syncLimit: missing; an ensemble needs it; allowed: 1..2147483647 (ticks)" },
	{ "syncLimit=5\nserver.1=a:1:2\nserver.2=b:1:2",
	  "zoo.cfg: initLimit: missing; an ensemble needs it; allowed: 1..2147483647 (ticks)" },
	{ "server.1=a:1:2\nserver.2=b:1:2:observer",
	  "zoo.cfg: observers need an ensemble; allowed: at least two server.N that are participants" },
	{ "standaloneEnabled=false",
	  "zoo.cfg:2: standaloneEnabled: \"false\" needs a server list; allowed: at least one server.N" },
	{ "initLimit=5\nsyncLimit=2\nmyid=3\nserver.1=a:1:2\nserver.2=b:1:2",
	  "zoo.cfg:4: myid: \"3\" is no server of the list; allowed: the N of a server.N" },
	{ "myid=255\nextendedTypesEnabled=true",
	  "zoo.cfg:2: myid: \"255\" is too high with extendedTypesEnabled; allowed: 0..254" },
	{ "clientPort=1\nmyid=1\nserver.1=a:1:2;3",
	  "zoo.cfg:2: clientPort: \"1\" is not the client address of server.1, "
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
	{ "server.1=a:1:2\ngroup.x=1",
	  "zoo.cfg:3: group.x: the group's number is missing; allowed: group.N with N 0..4294967295" },
	{ "weight.9=1",
	  "zoo.cfg:2: weight.9: there is no such server in the list; allowed: weight.N for a server.N" },
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
	  "zoo.cfg:2: enforce.auth.schemes: missing; enforce.auth.enabled needs it; allowed: digest, ip, or both "
	  "with a comma" },
	{ "enforce.auth.schemes=digest, x509\nenforce.auth.enabled=true",
	  "zoo.cfg:2: enforce.auth.schemes: \"digest, x509\" asks for what this version cannot prove; allowed: "
	  "digest, ip, or both with a comma" },
	{ "authProvider.1=org.example.Sasl",
	  "zoo.cfg:2: authProvider.1: \"org.example.Sasl\"" CANNOT
	  "authentication providers other than digest, ip and world are not built yet; remove the key" },
	{ "audit.enable=true", "zoo.cfg:2: audit.enable: \"true\"" CANNOT
			       "the audit log is not built yet; set audit.enable=false to run without one" },
	{ "DigestAuthenticationProvider.enabled=false",
	  "zoo.cfg:2: DigestAuthenticationProvider.enabled: \"false\"" CANNOT
	  "the digest scheme cannot be switched off yet; remove the key" },
	{ "version=1g", "zoo.cfg:2: version: \"1g\" is no version; allowed: 1 to 16 hexadecimal digits" },
	{ "initLimit=5\nsyncLimit=2\nserver.1=a:1:2\nserver.256=b:1:2",
	  "zoo.cfg: server.256: the number is too high; allowed: server.N with N 0..255" },
	{ "peerType=leader", "zoo.cfg:2: peerType: \"leader\" is not known; allowed: participant, observer" },
	{ "fastleader.minNotificationInterval=70000", "zoo.cfg:2: fastleader.minNotificationInterval: "
						      "\"70000\" is above fastleader.maxNotificationInterval "
						      "\"60000\"; allowed: at most that" },
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

/* A value too low that ZooKeeper corrects, or of a key without effect, ends no start. */
static const char *const forgiven[] = {
	"maxClientCnxns=-1", "maxCnxns=-1",      "autopurge.purgeInterval=-1", "clientPortListenBacklog=-5",
	"snapCount=1",       "commitLogCount=0", "quorum.cnxn.threads.size=0", "admin.httpVersion=-1",
};

START_TEST(a_value_that_does_no_harm_passes)
{
	char text[256];

	snprintf(text, sizeof text, "dataDir=/d\nclientPort=1\n%s\n", forgiven[_i]);
	must_parse(text);
	ck_assert_uint_eq(report.nfindings, 1);
}
END_TEST

/* One fault is one error: a key with a bad value is not missing as well. */
START_TEST(a_bad_value_is_reported_once)
{
	ck_assert_int_lt(parse("dataDir=/d\nclientPort=x\nclientPortAddress=::1\ninitLimit=x\nsyncLimit=x\n"
			       "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n"),
			 0);
	ck_assert_uint_eq(report.nerrors, 3);
	ck_assert_uint_eq(report.nfindings, 3);
}
END_TEST

START_TEST(what_is_off_anyway_is_not_named)
{
	must_parse("dataDir=/d\nclientPort=1\nadmin.enableServer=false\nleaderServes=YES\nelectionAlg=3\n");
	ck_assert_uint_eq(report.nfindings, 0);
	ck_assert_uint_eq(config->nignored, 0);
}
END_TEST

/* What is refused may be written so that it asks for nothing. */
static const char *const harmless[] = {
	"secureClientPort=-1",
	"sslQuorum=false",
	"portUnification=FALSE",
	"quorum.auth.enableSasl=false",
	"enforce.auth.enabled=false",
	"enforce.auth.schemes=x509",
	"enforce.auth.enabled=true\nenforce.auth.schemes=digest",
	"enforce.auth.enabled=true\nenforce.auth.schemes= ip , digest",
	"sessionRequireClientSASLAuth=false",
	"audit.enable=false",
	"DigestAuthenticationProvider.enabled=true",
	"ssl.keyStore.location=",
	"secureClientPortAddress=",
	"sslQuorum=true\nsslQuorum=false",
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

/* However many notices come first. */
START_TEST(an_error_is_always_told)
{
	struct buf text;

	buf_init(&text, CONFIG_TEXT_MAX);
	for (int i = 0; i < 500; i++)
		buf_put(&text, "dataDir=/d\n", 11);
	buf_put(&text, "clientPort=x\n", 13);
	ck_assert_int_lt(config_parse(buf_slice(&text), "zoo.cfg", NULL, 0, &config, &report), 0);
	assert_found(CONFIG_ERROR,
		     "zoo.cfg:501: clientPort: \"x\" is not a number; allowed: 0..65535 (port)");
	ck_assert_uint_eq(report.nfindings, CONFIG_NOTICES_MAX + 1);
	buf_free(&text);
}
END_TEST

START_TEST(too_many_keys_are_refused)
{
	struct buf text;
	char line[32];

	buf_init(&text, CONFIG_TEXT_MAX);
	for (int i = 0; i <= CONFIG_ENTRIES_MAX; i++)
		buf_put(&text, line, (size_t)snprintf(line, sizeof line, "metricsProvider.k%d=v\n", i));
	ck_assert_int_lt(config_parse(buf_slice(&text), "zoo.cfg", NULL, 0, &config, &report), 0);
	assert_found(CONFIG_ERROR, "zoo.cfg:2001: metricsProvider.k2000: too many keys; allowed: 2000");
	buf_free(&text);
}
END_TEST

/* The one line that names them all stays one line that can be read. */
START_TEST(many_keys_without_effect_are_cut_short)
{
	struct buf text;
	char line[32];
	size_t last;

	buf_init(&text, CONFIG_TEXT_MAX);
	buf_put(&text, "dataDir=/d\n", 11);
	for (int i = 0; i < 200; i++)
		buf_put(&text, line, (size_t)snprintf(line, sizeof line, "metricsProvider.k%d=v\n", i));
	ck_assert_int_eq(config_parse(buf_slice(&text), "zoo.cfg", NULL, 0, &config, &report), 0);
	last = report.nfindings - 1;
	ck_assert_uint_eq(config->nignored, 200);
	ck_assert_uint_lt(strlen(report.findings[last].text), 600);
	ck_assert_ptr_nonnull(strstr(report.findings[last].text, ", ..."));
	buf_free(&text);
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
	static const char text[] = "dataDir=/d\ndataLogDir=/a\0b\n";

	ck_assert_int_lt(config_parse(slice_of(text, sizeof text - 1), "zoo.cfg", NULL, 0, &config, &report),
			 0);
	assert_found(CONFIG_ERROR, "zoo.cfg:2: dataLogDir: contains a NUL byte");
}
END_TEST

/* A long or binary value neither fills nor harms a terminal. */
START_TEST(a_value_in_a_message_is_cut_and_clean)
{
	char text[512] = "dataDir=/d\ntickTime=1\x1b[2J";

	memset(text + strlen(text), 'x', 300);
	ck_assert_int_lt(parse(text), 0);
	ck_assert_ptr_eq(strchr(report.findings[0].text, 0x1b), NULL);
	ck_assert_ptr_nonnull(strstr(report.findings[0].text, "tickTime: \"1?[2Jxxx"));
	ck_assert_ptr_nonnull(strstr(report.findings[0].text, "xxx...\" is not a number"));
	ck_assert_uint_lt(strlen(report.findings[0].text), 250);
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

START_TEST(what_an_ensemble_tolerates_is_said)
{
#define LIMITS "dataDir=/d\nclientPort=1\ninitLimit=5\nsyncLimit=2\nserver.1=a:1:2\nserver.2=b:1:2\n"
	must_parse(LIMITS);
	assert_found(CONFIG_NOTICE,
		     "zoo.cfg: 2 participants: the failure of no server is tolerated; that takes three");
	must_parse(LIMITS "server.3=c:1:2\n");
	ck_assert_uint_eq(report.nfindings, 0);
	must_parse(LIMITS "server.3=c:1:2\nserver.4=d:1:2\n");
	assert_found(CONFIG_NOTICE, "zoo.cfg: 4 participants tolerate no more failures than 3 do");
	must_parse(LIMITS "server.3=c:1:2\nserver.4=d:1:2:observer\nmyid=4\n");
	assert_found(
	    CONFIG_NOTICE,
	    "zoo.cfg: peerType: participant, but server.4 is an observer in the list, which decides");
	must_parse(LIMITS "server.3=c:1:2\nserver.4=d:1:2:observer\nmyid=3\npeerType=observer\n");
	assert_found(
	    CONFIG_NOTICE,
	    "zoo.cfg:10: peerType: observer, but server.3 is a participant in the list, which decides");
	must_parse(LIMITS "server.3=c:1:2\nserver.4=d:1:2:observer\nmyid=4\npeerType=observer\n");
	ck_assert_uint_eq(report.nfindings, 0);
}
END_TEST

START_TEST(notices_tell_what_does_not_stop_the_start)
{
	must_parse("dataDir=/d\nclientPort=1\nclientPort=2\nwhat.is.this=1\noraclePath=/o\n"
		   "admin.httpVersion=2\nautopurge.snapRetainCount=1\nforceSync=no\nskipACL=yes\n");
	assert_found(CONFIG_NOTICE, "zoo.cfg:3: clientPort: set again; this value holds, not that of line 2");
	assert_found(CONFIG_NOTICE, "zoo.cfg:4: what.is.this: unknown key, ignored");
	assert_found(CONFIG_NOTICE, "zoo.cfg: accepted but not honoured: admin.httpVersion, oraclePath");
	assert_found(CONFIG_NOTICE,
		     "zoo.cfg:7: autopurge.snapRetainCount: 1 is too low; 3 is used, as ZooKeeper does");
	assert_found(CONFIG_NOTICE, "zoo.cfg:8: forceSync: no: a power failure loses acknowledged writes");
	assert_found(CONFIG_NOTICE,
		     "zoo.cfg:9: skipACL: yes: no ACL is checked, every client may do everything");
	ck_assert_uint_eq(report.nfindings, 6);
	ck_assert_int_eq(config->client_port, 2);
	ck_assert_int_eq(config->snap_retain_count, 3);
	ck_assert_uint_eq(config->nignored, 2);
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

static Suite *
suite(void)
{
	Suite *s = suite_create("config errors");
	TCase *t = tcase_create("config errors");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, an_error_names_file_line_key_value_and_what_is_allowed, 0, COUNT(errors));
	tcase_add_loop_test(t, a_value_that_does_no_harm_passes, 0, COUNT(forgiven));
	tcase_add_test(t, a_bad_value_is_reported_once);
	tcase_add_test(t, what_is_off_anyway_is_not_named);
	tcase_add_loop_test(t, a_refused_key_that_asks_for_nothing_passes, 0, COUNT(harmless));
	tcase_add_test(t, all_errors_are_reported);
	tcase_add_test(t, findings_are_bounded);
	tcase_add_test(t, an_error_is_always_told);
	tcase_add_test(t, too_many_keys_are_refused);
	tcase_add_test(t, many_keys_without_effect_are_cut_short);
	tcase_add_test(t, a_nul_byte_is_refused);
	tcase_add_test(t, a_value_in_a_message_is_cut_and_clean);
	tcase_add_test(t, a_file_too_large_is_refused);
	tcase_add_test(t, what_an_ensemble_tolerates_is_said);
	tcase_add_test(t, notices_tell_what_does_not_stop_the_start);
	tcase_add_test(t, errors_of_overrides_name_them);
	tcase_add_test(t, a_secret_stays_out_of_messages_and_shown_text);
	tcase_add_test(t, a_bad_myid_file_is_refused);
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
