/*
 * The four-letter words: what they print, who may ask, and what they may cost. The conformance tests compare the shape
 * of each with ZooKeeper's; here the values are looked at.
 */
#include <stdio.h>
#include <string.h>

#include "front_client.h"
#include "metrics.h"
#include "words.h"

/* The answer to a word, which ends the connection. Good until the next call. */
static const char *
ask_bytes(struct slice word)
{
	static char text[2 * LIST_MAX_BYTES];
	struct world_client *c = world_connect(&w);

	world_input(&w, c, word);
	ck_assert(c->closed);
	ck_assert_uint_lt(buf_len(&c->got), sizeof text);
	memcpy(text, buf_head(&c->got), buf_len(&c->got));
	text[buf_len(&c->got)] = '\0';
	w.nclients--;
	buf_free(&c->got);
	return text;
}

static const char *
ask(const char *word)
{
	return ask_bytes(slice_str(word));
}

static bool
says(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

START_TEST(test_words)
{
	struct world_client *c;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, put_path(b, 1, ZK_OP_GET_DATA, "/", true));
	ck_assert_str_eq(ask("ruok"), "imok");
	ck_assert_str_eq(ask("isro\n"), "rw");
	ck_assert_str_eq(ask("srvr\n"),
			 "Zookeeper version: 3.9.5-test\nLatency min/avg/max: 0/0.0/0\nReceived: 5\n"
			 "Sent: 4\nConnections: 2\nOutstanding: 0\nZxid: 0x1\nMode: standalone\n"
			 "Node count: 5\n");
	ck_assert(says(ask("stat"), "\nClients:\n /10.0.0.1:1000[1](queued=0,recved=2,sent=2)\n"));
	ck_assert(says(ask("stat"), "[0](queued=0,recved=1,sent=0)\n\nLatency"));
	ck_assert(says(ask("mntr"), "zk_server_state\tstandalone\n"));
	ck_assert_str_eq(ask("wchs"), "1 connections watching 1 paths\nTotal watches:1\n");
	ck_assert_str_eq(ask("conf"), "clientPort=2181\n");
	ck_assert(says(ask("envi"), "zookeeper.version=3.9.5-test\nos.name=Linux\n"));
	ck_assert(says(ask("dirs"), "not known yet"));
	ck_assert_str_eq(ask("srst"), "Server stats reset.\n");
	ck_assert(says(ask("srvr"), "Received: 1\n"));
}
END_TEST

/* ---- In an ensemble ---- */

static const char members[] = "server.1=a:2888:3888:participant;0.0.0.0:2181\n"
			      "server.2=b:2888:3888:participant;0.0.0.0:2181\n"
			      "server.3=c:2888:3888:participant;0.0.0.0:2181\n"
			      "server.4=d:2888:3888:observer;0.0.0.0:2181\nversion=0";

/* A node with this role, in an ensemble in which a session, if any, was opened. */
static void
serve_as(Zkd__RoleState state)
{
	Zkd__Role role = ZKD__ROLE__INIT;

	config.members = members;
	world_open(&w, &config);
	world_link_up(&w);
	role.state = state;
	role.epoch = 1;
	role.sid = 2;
	role.leader = 3;
	w.unchecked = true;
	world_role_of(&w, &role);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_END, 0, SLICE_NULL);
}

static void
say_learners(void)
{
	Zkd__Learners l = ZKD__LEARNERS__INIT;
	struct buf out = new_buf();
	struct frame f;

	l.learners = 4;
	l.synced_followers = 2;
	l.synced_non_voting_followers = 1;
	l.synced_observers = 3;
	l.pending_syncs = 5;
	proto_put(&out, MSG_LEARNERS, 0, 0, &l.base);
	frame_parse(buf_slice(&out), &f);
	world_frame(&w, MSG_LEARNERS, 0, 0, f.body);
	buf_free(&out);
}

START_TEST(test_leader)
{
	struct world_client *c;
	const char *text;

	serve_as(ZKD__ROLE_STATE__ROLE_LEADER);
	w.auto_commit = true;
	ck_assert(says(ask("srvr"), "Zxid: 0x100000000\nMode: leader\nNode count: 5\n"
				    "Proposal sizes last/min/max: -1/-1/-1\n"));
	ck_assert(says(ask("mntr"), "zk_min_proposal_size\t-1\n"));
	c = client(NULL);
	SAY(c, put_create(b, 1, "/a", "some data", 0));
	ck_assert(says(ask("stat"), "Proposal sizes last/min/max: 95/48/95\n"));
	say_learners();
	world_sleep(&w, 1000);
	text = ask("mntr");
	ck_assert(says(text, "zk_server_state\tleader\nzk_peer_state\tleading - broadcast\n"));
	ck_assert(says(text, "zk_quorum_size\t3\nzk_learners\t4\nzk_followers\t4\nzk_synced_followers\t2\n"
			     "zk_synced_non_voting_followers\t1\nzk_synced_observers\t3\n"
			     "zk_pending_syncs\t5\nzk_leader_uptime\t1000\nzk_last_proposal_size\t95\n"
			     "zk_min_proposal_size\t48\nzk_max_proposal_size\t95\n"));
	ck_assert(says(text, "zk_proposal_count\t2\n") && says(text, "zk_commit_count\t2\n"));
	ck_assert(!says(text, "zk_observer_master_id"));
	ask("srst");
	ck_assert(says(ask("srvr"), "Proposal sizes last/min/max: -1/-1/-1\n"));
	world_frame(&w, MSG_LEARNERS, 0, 0, SLICE_LIT("\xff\xff"));
	ck_assert_str_eq(w.link_bad, "malformed LEARNERS");
}
END_TEST

START_TEST(test_learners)
{
	const char *text;

	serve_as(_i == 0 ? ZKD__ROLE_STATE__ROLE_FOLLOWER : ZKD__ROLE_STATE__ROLE_OBSERVER);
	ck_assert(says(ask("srvr"),
		       _i == 0 ? "Mode: follower\nNode count: 5\n" : "Mode: observer\nNode count: 5\n"));
	ck_assert(!says(ask("srvr"), "Proposal"));
	ck_assert_str_eq(ask("isro"), "rw");
	text = ask("mntr");
	ck_assert(says(text, _i == 0 ? "zk_server_state\tfollower\nzk_peer_state\tfollowing - broadcast\n"
				     : "zk_server_state\tobserver\nzk_peer_state\tobserving - broadcast\n"
				       "zk_observer_master_id\t3\n"));
	ck_assert(says(text, "zk_quorum_size\t3\n") && !says(text, "zk_learners"));
	say_learners();
	ck_assert_str_eq(w.link_bad, "a message that does not belong here");
}
END_TEST

/* The members come from the file first, and then from whoever changes them; /zookeeper/config shows them. */
START_TEST(test_members)
{
	struct world_client *c;
	struct jute_reader r;
	struct jute_stat st;
	struct reply reply;
	struct slice data;

	config.conf = "serverId=2\nmembership: \n";
	serve_as(ZKD__ROLE_STATE__ROLE_LEADER);
	w.auto_commit = true;
	ck_assert(
	    says(ask("conf"), "serverId=2\nmembership: \nserver.1=a:2888:3888:participant;0.0.0.0:2181\n"));
	c = client(NULL);
	for (int i = 0; i < 2; i++) {
		SAY(c, put_path(b, 1, ZK_OP_GET_DATA, "/zookeeper/config", false));
		reply = hear(c);
		jute_reader_init(&r, reply.body, UINT32_MAX);
		data = jute_read_buffer(&r);
		ck_assert(jute_read_stat(&r, &arena, &st));
		ck_assert(
		    slice_equal(data, slice_str(i == 0 ? members : "server.9=x:1:2:participant\nversion=7")));
		ck_assert_int_eq(st.mzxid, i == 0 ? 0 : 7);
		ck_assert_int_eq(st.version, -1);
		ck_assert_int_eq(st.aversion, -1);
		world_frame(&w, MSG_CONFIG, 0, 7, SLICE_LIT("server.9=x:1:2:participant\nversion=7"));
	}
	ck_assert(says(ask("conf"), "membership: \nserver.9=x:1:2:participant\nversion=7"));
	ck_assert(says(ask("mntr"), "zk_quorum_size\t1\n"));
}
END_TEST

/* leaderServes=no: the leader orders the writes of others and serves nobody. */
START_TEST(test_leader_that_serves_nobody)
{
	struct world_client *c;
	struct front_facts facts;

	config.leader_idle = true;
	serve_as(_i == 0 ? ZKD__ROLE_STATE__ROLE_LEADER : ZKD__ROLE_STATE__ROLE_FOLLOWER);
	front_facts(w.front, &facts);
	ck_assert(facts.serving);
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert(c->closed == (_i == 0));
	ck_assert(says(ask("srvr"), "not currently serving") == (_i == 0));
	ck_assert_str_eq(ask("isro"), _i == 0 ? "null" : "rw");
}
END_TEST

START_TEST(test_dump_of_a_learner)
{
	static const uint8_t txn[] = { 1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0,    0,    0,    0,    0, 1, 0,  0,
				       0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xf6, 0, 0, 39, 16 };

	serve_as(ZKD__ROLE_STATE__ROLE_FOLLOWER);
	world_frame(&w, MSG_COMMIT, 0, 0x100000001, slice_of(txn, sizeof txn));
	ck_assert_ptr_null(w.link_bad);
	ck_assert(says(ask("dump"),
		       "SessionTracker dump:\nGlobal Sessions(1):\n0x100000000000009\t10000ms\n"
		       "ephemeral nodes dump:\nSessions with Ephemerals (0):\nConnections dump:\n"));
}
END_TEST

START_TEST(test_dump_of_local_sessions)
{
	struct world_client *c;
	const char *text;

	config.local_sessions = true;
	serve_as(_i == 0 ? ZKD__ROLE_STATE__ROLE_LEADER : ZKD__ROLE_STATE__ROLE_FOLLOWER);
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	hear_connect(c);
	text = ask("dump");
	ck_assert_int_eq(strncmp(text, "SessionTracker dump:\nLocal Session Sets (1)/(1):\n1 expire at ", 61),
			 0);
	ck_assert(says(text, _i == 0 ? "\nGlobal Session Sets (0)/(0):\nephemeral"
				     : "\nGlobal Sessions(0):\nephemeral"));
	ck_assert(says(ask("mntr"), "zk_global_sessions\t0\nzk_local_sessions\t1\n"));
}
END_TEST

START_TEST(test_whitelist)
{
	config.words = "srvr, ruok";
	serve();
	ck_assert_str_eq(ask("ruok"), "imok");
	ck_assert_str_eq(ask("mntr"), "mntr is not executed because it is not in the whitelist.\n");
	ck_assert_str_eq(ask("stmk"), "stmk is not executed because it is not in the whitelist.\n");
}
END_TEST

START_TEST(test_before_serving)
{
	world_open(&w, &config);
	ck_assert_str_eq(ask("ruok"), "imok");
	ck_assert_str_eq(ask("isro"), "null");
	ck_assert_str_eq(ask("gtmk"), "306");
	ck_assert_str_eq(ask("dump"), "This ZooKeeper instance is not currently serving requests\n");
}
END_TEST

START_TEST(test_telnet_interrupt)
{
	serve();
	ck_assert_str_eq(ask_bytes(SLICE_LIT("\xff\xf4\xff\xfd")), "");
	ck_assert_int_eq(w.warnings, 0);
}
END_TEST

START_TEST(test_trace_mask)
{
	struct world_client *c;

	serve();
	c = world_connect(&w);
	world_input(&w, c, SLICE_LIT("stmk\0\0\0"));
	ck_assert(!c->closed && buf_len(&c->got) == 0);
	world_input(&w, c, SLICE_LIT("\0\0\0\x01\x02"));
	ck_assert(c->closed);
	ck_assert(slice_equal(buf_slice(&c->got), SLICE_LIT("258")));
	ck_assert_str_eq(ask("gtmk"), "258");
	ck_assert_str_eq(ask_bytes(SLICE_LIT("stmk\xff\xff\xff\xff\xff\xff\xff\xfe")), "-2");
}
END_TEST

/* What cons says of the last operation: pings are seen there, but their xid is none of the client's. */
START_TEST(test_cons)
{
	struct world_client *c;

	serve();
	c = client(NULL);
	ck_assert(says(ask("cons"), ",lop=SESS,"));
	ck_assert(says(ask("cons"), ",lcxid=0x0,lzxid=0x1,"));
	w.auto_commit = false;
	SAY(c, put_create(b, 7, "/a", "", 0));
	world_sleep(&w, 3);
	ck_assert(says(ask("cons"), "(queued=1,"));
	world_commit(&w);
	ck_assert(says(ask("cons"), ",lop=CREA,"));
	/* The session took no time and the write three: an average of one and a half, which loses its half. */
	ck_assert(says(ask("cons"), ",llat=3,minlat=0,avglat=1,maxlat=3)"));
	ck_assert(says(ask("srvr"), "Latency min/avg/max: 0/1.5/3\n"));
	SAY(c, put_plain(b, ZK_XID_PING, ZK_OP_PING));
	ck_assert(says(ask("cons"), ",lop=PING,"));
	ck_assert(says(ask("cons"), ",lcxid=0x7,"));
	ask("crst");
	ck_assert(says(ask("cons"), ",lop=NA,"));
	ck_assert(says(ask("cons"), ",lzxid=0xffffffffffffffff,lresp=0,llat=0,minlat=0,avglat=0,maxlat=0)"));
	ck_assert(!says(ask("cons"), "lcxid"));
}
END_TEST

START_TEST(test_watch_lists)
{
	char text[128], *p = text;
	struct world_client *c;
	int64_t session, other;

	serve();
	w.auto_commit = true;
	c = client(&session);
	SAY(c, put_path(b, 1, ZK_OP_EXISTS, "/a", true));
	SAY(c, put_path(b, 2, ZK_OP_GET_CHILDREN, "/", true));
	ck_assert_str_eq(ask("wchs"), "1 connections watching 1 paths\nTotal watches:1\n");
	snprintf(p, sizeof text, "0x%llx\n\t/a\n\n", (unsigned long long)session);
	ck_assert_str_eq(ask("wchc"), text);
	SAY(client(&other), put_path(b, 1, ZK_OP_EXISTS, "/a", true));
	snprintf(p, sizeof text, "/a\n\t0x%llx\n\t0x%llx\n\n", (unsigned long long)other,
		 (unsigned long long)session);
	ck_assert_str_eq(ask("wchp"), text);
	SAY(c, put_create(b, 3, "/a", "", 0));
	ck_assert_str_eq(ask("wchp"), "\n");
	ck_assert_str_eq(ask("wchs"), "0 connections watching 0 paths\nTotal watches:0\n");
}
END_TEST

START_TEST(test_dump)
{
	char text[512];
	int64_t session;

	serve();
	w.auto_commit = true;
	SAY(client(&session), put_create(b, 1, "/e", "", 1));
	const char *got = ask("dump");
	const char *date = strstr(got, "expire at ");

	ck_assert_ptr_nonnull(date);
	snprintf(text, sizeof text,
		 "SessionTracker dump:\nSession Sets (1)/(1):\n1 %.38s:\n\t0x%llx\n"
		 "ephemeral nodes dump:\nSessions with Ephemerals (1):\n0x%llx:\n\t/e\n"
		 "Connections dump:\nConnections Sets (",
		 date, (unsigned long long)session, (unsigned long long)session);
	ck_assert_str_eq(strndupa(got, strlen(text)), text);
	ck_assert(says(got, "\tip: /10.0.0.1:1000 sessionId: 0x"));
	ck_assert(says(got, " sessionId: 0x0\n"));
}
END_TEST

START_TEST(test_dates)
{
	static const struct {
		int64_t wall_ms;
		const char *text;
	} dates[] = {
		{ 951782400000, "Tue Feb 29 00:00:00 UTC 2000" },
		{ 951868799999, "Tue Feb 29 23:59:59 UTC 2000" },
		{ 951868800000, "Wed Mar 01 00:00:00 UTC 2000" },
		{ 1795348784000, "Sun Nov 22 11:59:44 UTC 2026" },
		{ 4107542399000, "Sun Feb 28 23:59:59 UTC 2100" },
		{ 4107542400000, "Mon Mar 01 00:00:00 UTC 2100" },
		{ 1735689599000, "Tue Dec 31 23:59:59 UTC 2024" },
		{ 1735689600000, "Wed Jan 01 00:00:00 UTC 2025" },
	};

	serve();
	for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
		struct world_client *c = world_connect(&w);
		const char *got;

		/* The asker's own timer: ten seconds, and the rest of a tick. */
		w.wall_ms = dates[i].wall_ms - 10000 - (config.tick_ms - w.now_ms % config.tick_ms);
		got = ask("dump");
		ck_assert_msg(says(got, dates[i].text), "%s: %s", dates[i].text, got);
		world_hangup(&w, c);
	}
}
END_TEST

static void
mntr_says(const char *key, long long value)
{
	char line[96];

	snprintf(line, sizeof line, "\nzk_%s\t%lld\n", key, value);
	ck_assert_msg(says(ask("mntr"), line), "%s", line + 1);
}

START_TEST(test_mntr)
{
	struct world_client *c;

	config.max_descriptors = 1000;
	serve();
	mntr_says("min_client_response_size", -1);
	c = client(NULL);
	mntr_says("connection_request_count", 1);
	mntr_says("cnt_updatelatency", 1);
	mntr_says("cnt_readlatency", 0);
	SAY(c, put_path(b, 1, ZK_OP_EXISTS, "/a", true));
	mntr_says("last_client_response_size", 16);
	mntr_says("response_bytes", 16);
	SAY(c, put_create(b, 2, "/a", "x", 0));
	world_sleep(&w, 7);
	world_commit(&w);
	/* The header, and the path: the event went before. */
	mntr_says("last_client_response_size", 22);
	mntr_says("max_client_response_size", 30);
	mntr_says("min_client_response_size", 16);
	mntr_says("response_bytes", 38);
	mntr_says("watch_bytes", 30);
	mntr_says("cnt_node_created_watch_count", 1);
	mntr_says("max_node_created_watch_count", 1);
	mntr_says("cnt_node_changed_watch_count", 0);
	mntr_says("cnt_updatelatency", 2);
	mntr_says("p50_updatelatency", 0);
	mntr_says("p99_updatelatency", 7);
	mntr_says("sum_propagation_latency", 7);
	mntr_says("cnt_readlatency", 1);
	mntr_says("max_file_descriptor_count", 1000);
	mntr_says("connection_drop_count", 0);
	SAY(c, put_plain(b, ZK_XID_PING, ZK_OP_PING));
	mntr_says("response_bytes", 38);
	mntr_says("cnt_readlatency", 2);
	world_hangup(&w, c);
	mntr_says("connection_drop_count", 1);
	world_sleep(&w, 30000);
	mntr_says("stale_sessions_expired", 1);
	ask("srst");
	mntr_says("cnt_updatelatency", 0);
	mntr_says("max_client_response_size", -1);
	/* This one, and the two words before. */
	mntr_says("bytes_received_count", 12);
}
END_TEST

START_TEST(test_quantiles)
{
	static struct quantiles q, wide;
	uint64_t last = 0;

	serve();
	ck_assert_uint_eq(quantiles_at(&q, 999), 0);
	for (uint64_t v = 1; v <= 1000; v++)
		quantiles_add(&q, v);
	ck_assert_uint_eq(quantiles_at(&q, 50), 50);
	for (unsigned p = 1; p <= 1000; p++) {
		uint64_t at = quantiles_at(&q, p);

		ck_assert_uint_ge(at, p);
		ck_assert_uint_le(at, p + p / 32);
	}
	ck_assert_uint_eq(quantiles_at(&q, 1000), 1000);
	ck_assert_uint_eq(q.summary.sum, 500500);
	/* Each power of two and what is around it, up to what no longer fits. */
	for (int bit = 0; bit < 40; bit++)
		for (int around = -1; around <= 1; around++)
			quantiles_add(&wide, (UINT64_C(1) << bit) + (uint64_t)around);
	for (unsigned p = 0; p <= 1000; p++) {
		ck_assert_uint_ge(quantiles_at(&wide, p), last);
		last = quantiles_at(&wide, p);
	}
	ck_assert_uint_eq(last, UINT32_MAX);
	ck_assert_uint_eq(wide.summary.max, (UINT64_C(1) << 39) + 1);
}
END_TEST

START_TEST(test_hash)
{
	struct world_client *c;
	char line[64];

	serve();
	w.auto_commit = true;
	c = client(NULL);
	ck_assert_str_eq(ask("hash"), "");
	for (int i = 0; i < 127; i++)
		SAY(c, put_set(b, i + 1, "/", ""));
	strcpy(line, ask("hash"));
	ck_assert_int_eq(strncmp(line, "80: ", 4), 0);
	ck_assert_str_eq(strchr(line, '\n'), "\n");
}
END_TEST

/* ---- What lists may cost ---- */

enum { MANY = 150000 };

static void
watch_many(struct world_client *c)
{
	struct buf b = new_buf();
	char path[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(path, sizeof path, "/watched/%08d", i);
		put_path(&b, i + 1, ZK_OP_EXISTS, path, true);
		if (i % 256 == 255 || i == MANY - 1) {
			send_buf(c, &b);
			b = new_buf();
			buf_truncate(&c->got, 0);
		}
	}
	buf_free(&b);
}

static const char *
last_line(const char *text)
{
	size_t n = strlen(text);

	while (n > 1 && text[n - 2] != '\n')
		n--;
	return text + n - 1;
}

START_TEST(test_lists_are_bounded)
{
	static const char *const lists[] = { "wchp", "wchc", "wchp", "wchc" };

	serve();
	w.auto_commit = true;
	watch_many(client(NULL));
	ck_assert(says(ask("wchs"), "Total watches:150000\n"));
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		const char *got = ask(lists[i]);

		ck_assert_uint_gt(strlen(got), LIST_MAX_BYTES / 4);
		ck_assert_uint_lt(strlen(got), LIST_MAX_BYTES + 200);
		ck_assert_int_eq(strncmp(last_line(got), "cut short: ", 11), 0);
	}
	/* The second is used up: only what has no length of clients' choice is left. */
	ck_assert_uint_lt(strlen(ask("wchp")), 200);
	ck_assert_int_eq(strncmp(last_line(ask("stat")), "cut short: ", 11), 0);
	ck_assert(says(ask("stat"), "Mode: standalone\n"));
	ck_assert(says(ask("srvr"), "Mode: standalone\n"));
	world_sleep(&w, 1000);
	ck_assert_uint_gt(strlen(ask("wchp")), LIST_MAX_BYTES / 4);
	ck_assert(!says(ask("stat"), "cut short"));
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, test_words);
	tcase_add_test(t, test_leader);
	tcase_add_loop_test(t, test_learners, 0, 2);
	tcase_add_test(t, test_members);
	tcase_add_loop_test(t, test_leader_that_serves_nobody, 0, 2);
	tcase_add_test(t, test_dump_of_a_learner);
	tcase_add_loop_test(t, test_dump_of_local_sessions, 0, 2);
	tcase_add_test(t, test_whitelist);
	tcase_add_test(t, test_before_serving);
	tcase_add_test(t, test_telnet_interrupt);
	tcase_add_test(t, test_trace_mask);
	tcase_add_test(t, test_cons);
	tcase_add_test(t, test_watch_lists);
	tcase_add_test(t, test_dump);
	tcase_add_test(t, test_dates);
	tcase_add_test(t, test_mntr);
	tcase_add_test(t, test_quantiles);
	tcase_add_test(t, test_hash);
	tcase_add_test(t, test_lists_are_bounded);
}

int
main(void)
{
	return front_main("front words", add_tests);
}
