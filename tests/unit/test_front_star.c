/*
 * The front and syncd: roles, loads, commits, snapshots, disks that fail, and on a leader what learners ask. Frames
 * of clients and of syncd in, bytes and frames out; each test reads as what the parties say to each other.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "front_client.h"
#include "ipc/proto.h"
#include "jute/passwd.h"

/* ---- syncd ---- */

START_TEST(test_serving_waits_for_commits)
{
	struct world_client *c;
	struct front_event up = { .type = FRONT_LINK_UP, .now_ms = 1000000 };

	world_open(&w, &config);
	front_step(w.front, &up);
	world_role(&w, 5, 3, 100);
	ck_assert_int_eq(count_said(MSG_ROLE_ACK), 1);
	ck_assert_int_eq(count_said(MSG_LOAD), 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	/* The log's end says 5, but no txn came: that is not to be trusted. */
	world_bulk(&w, MSG_BULK_END, 5, SLICE_NULL);
	ck_assert_int_eq(count_said(MSG_READY), 0);
	ck_assert(w.load_closed);
	world_sleep(&w, 200);
	ck_assert_int_eq(count_said(MSG_LOAD), 2);
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert(c->closed);
}
END_TEST

/* What w's clients did comes to a second front by its log. */
static void
feed_log(struct world *to, const struct buf *txns)
{
	struct slice rest = buf_slice(txns);
	struct frame f;
	int64_t n;

	while ((n = frame_parse(rest, &f)) > 0) {
		world_bulk(to, MSG_BULK_TXN, f.zxid, f.body);
		rest = slice_of(rest.data + n, rest.len - (size_t)n);
	}
}

START_TEST(test_load_from_the_log)
{
	struct front_event up = { .type = FRONT_LINK_UP, .now_ms = 1000000 };
	struct front_facts before, after;
	struct world_client *c;
	struct world second;
	struct front_config fc;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, {
		put_create(b, 1, "/a", "x", 0);
		put_create(b, 2, "/a", "x", 0);
		put_create(b, 3, "/a/e", "x", 1);
	});
	front_facts(w.front, &before);
	world_config(&second, &fc);
	world_open(&second, &fc);
	front_step(second.front, &up);
	/* All is proposed, but one is not committed yet. */
	world_role(&second, w.proposed, w.proposed - 1, 100);
	world_frame(&second, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	feed_log(&second, &w.txns);
	world_bulk(&second, MSG_BULK_END, w.proposed, SLICE_NULL);
	front_facts(second.front, &after);
	ck_assert_uint_eq(after.applied_zxid, w.proposed - 1);
	ck_assert(!after.serving);
	world_frame(&second, MSG_COMMIT, 0, w.proposed, SLICE_NULL);
	front_facts(second.front, &after);
	ck_assert(after.serving);
	ck_assert_uint_eq(after.applied_zxid, before.applied_zxid);
	ck_assert_uint_eq(after.znodes, before.znodes);
	ck_assert_uint_eq(after.sessions, before.sessions);
	ck_assert_uint_eq(after.digest_mismatches, 0);
	world_close(&second);
}
END_TEST

/* The last COMMIT there is may come behind its txn, and before the end of the log. */
START_TEST(test_commit_while_loading)
{
	struct front_event up = { .type = FRONT_LINK_UP, .now_ms = 1000000 };
	struct front_facts after;
	struct front_config fc;
	struct world_client *c;
	struct world second;

	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, put_create(b, 1, "/a", "x", 0));
	world_config(&second, &fc);
	world_open(&second, &fc);
	front_step(second.front, &up);
	world_role(&second, w.proposed, w.proposed - 1, 100);
	world_frame(&second, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	feed_log(&second, &w.txns);
	world_frame(&second, MSG_COMMIT, 0, w.proposed, SLICE_NULL);
	world_bulk(&second, MSG_BULK_END, w.proposed, SLICE_NULL);
	front_facts(second.front, &after);
	ck_assert(after.serving);
	ck_assert_uint_eq(after.applied_zxid, w.proposed);
	world_close(&second);
}
END_TEST

/* The snapshot channel of one front is the bulk channel of another. */
static void
feed_snapshot(struct world *to, const struct buf *snapshot, bool whole)
{
	struct slice rest = buf_slice(snapshot);
	struct frame f;
	int64_t n;

	while ((n = frame_parse(rest, &f)) > 0) {
		if (f.type != MSG_BULK_SNAPSHOT_END || whole)
			world_bulk(to, f.type, f.zxid, f.body);
		rest = slice_of(rest.data + n, rest.len - (size_t)n);
	}
	ck_assert_uint_eq(rest.len, 0);
}

START_TEST(test_snapshot_and_load)
{
	struct front_event open = { .type = FRONT_SNAPSHOT_OPENED, .now_ms = 2000000 },
			   up = { .type = FRONT_LINK_UP };
	struct front_facts before, after;
	struct world_client *c;
	struct world second;
	struct front_config fc;
	char path[32];

	serve();
	w.auto_commit = true;
	c = client(NULL);
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof path, "/n%d", i);
		SAY(c, put_create(b, i, path, "some data in each of them", i % 100 == 0));
	}
	front_step(w.front, &open);
	world_run(&w);
	ck_assert(w.snapshot_closed);
	front_facts(w.front, &before);
	world_config(&second, &fc);
	world_open(&second, &fc);
	up.now_ms = second.now_ms;
	front_step(second.front, &up);
	world_role(&second, w.proposed, w.proposed, 100);
	world_frame(&second, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	/* A second BULK_SNAPSHOT starts over. */
	feed_snapshot(&second, &w.snapshot, false);
	feed_snapshot(&second, &w.snapshot, true);
	world_bulk(&second, MSG_BULK_END, w.proposed, SLICE_NULL);
	front_facts(second.front, &after);
	ck_assert(after.serving);
	ck_assert_uint_eq(after.applied_zxid, before.applied_zxid);
	ck_assert_uint_eq(after.znodes, before.znodes);
	ck_assert_uint_eq(after.ephemerals, before.ephemerals);
	ck_assert_uint_eq(after.sessions, 1);
	world_close(&second);
}
END_TEST

/* A load that never comes whole is asked for less and less often. */
START_TEST(test_load_retries_back_off)
{
	struct front_event up = { .type = FRONT_LINK_UP, .now_ms = 1000000 },
			   closed = { .type = FRONT_BULK_CLOSED };
	int asked = 0;

	world_open(&w, &config);
	front_step(w.front, &up);
	world_role(&w, 0, 0, 100);
	for (int ms = 0; ms < 60000; ms += 50) {
		if (count_said(MSG_LOAD) > asked) {
			asked++;
			world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
			closed.now_ms = w.now_ms;
			front_step(w.front, &closed);
			world_run(&w);
		}
		world_sleep(&w, 50);
	}
	ck_assert_int_ge(asked, 15);
	ck_assert_int_le(asked, 20);
}
END_TEST

START_TEST(test_load_that_breaks_off)
{
	struct front_event open = { .type = FRONT_SNAPSHOT_OPENED, .now_ms = 2000000 },
			   up = { .type = FRONT_LINK_UP }, closed = { .type = FRONT_BULK_CLOSED };
	struct world second;
	struct front_config fc;
	struct front_facts facts;

	serve();
	front_step(w.front, &open);
	world_run(&w);
	world_config(&second, &fc);
	world_open(&second, &fc);
	up.now_ms = closed.now_ms = second.now_ms;
	front_step(second.front, &up);
	world_role(&second, 0, 0, 100);
	world_frame(&second, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	feed_snapshot(&second, &w.snapshot, false);
	front_step(second.front, &closed);
	front_facts(second.front, &facts);
	ck_assert(!facts.has_tree && !facts.serving);
	world_sleep(&second, 150);
	ck_assert_int_eq(second.said[second.nsaid - 1].type, MSG_LOAD);
	world_frame(&second, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	feed_snapshot(&second, &w.snapshot, true);
	world_bulk(&second, MSG_BULK_END, 0, SLICE_NULL);
	front_facts(second.front, &facts);
	ck_assert(facts.serving);
	world_close(&second);
}
END_TEST

START_TEST(test_link_lost)
{
	struct front_event down = { .type = FRONT_LINK_DOWN }, up = { .type = FRONT_LINK_UP };
	uint8_t passwd[PASSWD_BYTES];
	struct world_client *c, *again;
	int64_t session;

	serve();
	c = client(&session);
	SAY(c, put_create(b, 1, "/a", "", 0));
	down.now_ms = up.now_ms = w.now_ms;
	front_step(w.front, &down);
	world_run(&w);
	ck_assert(c->closed && silent(c));
	front_step(w.front, &up);
	/* The create was logged all the same. The tree is kept, so only the log above it is wanted. */
	world_role(&w, 2, 2, 100);
	ck_assert_uint_eq(w.said[w.nsaid - 1].zxid, 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	feed_log(&w, &w.txns);
	world_bulk(&w, MSG_BULK_END, 2, SLICE_NULL);
	again = world_connect(&w);
	passwd_derive(session, passwd);
	SAY(again, put_connect(b, 1, 10000, session, passwd, true));
	ck_assert_int_eq(hear_connect(again).session_id, session);
	SAY(again, put_path(b, 2, ZK_OP_EXISTS, "/a", false));
	HEAR(again, 2, 0);
}
END_TEST

/* Who waits for credit to open a session must not wait for a commit that may never come. */
START_TEST(test_role_ends_with_a_newcomer_waiting)
{
	struct front_event down = { .type = FRONT_LINK_DOWN };
	struct world_client *c;

	serve();
	world_role(&w, 0, 0, 1);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(&w, MSG_BULK_END, 0, SLICE_NULL);
	SAY(client(NULL), put_create(b, 1, "/a", "", 0));
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert(!c->reads && !c->closed && silent(c));
	down.now_ms = w.now_ms;
	if (_i == 0)
		front_step(w.front, &down);
	else
		world_role(&w, 2, 2, 1);
	world_run(&w);
	ck_assert(c->closed && silent(c));
}
END_TEST

START_TEST(test_tree_of_another_history)
{
	struct front_facts facts;

	serve();
	w.auto_commit = true;
	SAY(client(NULL), put_create(b, 1, "/a", "", 0));
	ck_assert_uint_eq(w.committed, 2);
	world_role(&w, 1, 1, 100);
	front_facts(w.front, &facts);
	ck_assert(!facts.has_tree);
	ck_assert_uint_eq(w.said[w.nsaid - 1].type, MSG_LOAD);
	ck_assert_uint_eq(w.said[w.nsaid - 1].zxid, 0);
}
END_TEST

/* A connection may end while its session, or a write, is on the way. */
START_TEST(test_hangup_in_flight)
{
	struct world_client *opening, *writer, *watcher;
	struct front_facts facts;

	serve();
	watcher = client(NULL);
	SAY(watcher, put_path(b, 1, ZK_OP_EXISTS, "/a", true));
	HEAR(watcher, 1, ZK_NONODE);
	writer = client(NULL);
	opening = world_connect(&w);
	SAY(opening, put_connect(b, 0, 10000, 0, NULL, true));
	SAY(writer, {
		put_create(b, 1, "/a", "", 0);
		put_path(b, 2, ZK_OP_SYNC, "/a", false);
		put_path(b, 3, ZK_OP_EXISTS, "/a", false);
	});
	world_hangup(&w, opening);
	world_hangup(&w, writer);
	ck_assert(opening->closed && writer->closed);
	world_commit(&w);
	hear_event(watcher, ZK_EVENT_CREATED, "/a");
	front_facts(w.front, &facts);
	ck_assert_uint_eq(facts.connections, 1);
	ck_assert_uint_eq(facts.sessions, 3);
	ck_assert_uint_eq(facts.outstanding, 0);
}
END_TEST

static void
say_disk(bool failed)
{
	Zkd__Disk disk = ZKD__DISK__INIT;
	struct frame f;
	struct buf out = new_buf();

	disk.failed = failed;
	disk.error = (char *)"EIO";
	proto_put(&out, MSG_DISK, 0, 0, &disk.base);
	frame_parse(buf_slice(&out), &f);
	world_frame(&w, MSG_DISK, 0, 0, f.body);
	buf_free(&out);
	world_run(&w);
}

START_TEST(test_disk_fails)
{
	uint8_t passwd[PASSWD_BYTES];
	struct world_client *writer, *reader, *c;
	int64_t session;
	int warnings;

	serve();
	writer = client(NULL);
	reader = client(&session);
	SAY(writer, put_create(b, 1, "/a", "", 0));
	say_disk(true);
	ck_assert(writer->closed && silent(writer));
	SAY(reader, {
		put_path(b, 1, ZK_OP_EXISTS, "/", false);
		put_create(b, 2, "/b", "", 0);
	});
	HEAR(reader, 1, 0);
	HEAR(reader, 2, ZK_NOTREADONLY);
	/* The write that is on the way may be so for long. */
	SAY(reader, {
		put_path(b, 3, ZK_OP_SYNC, "/", false);
		put_path(b, 4, ZK_OP_EXISTS, "/a", false);
	});
	HEAR(reader, 3, 0);
	HEAR(reader, 4, ZK_NONODE);
	c = world_connect(&w);
	SAY(c, put_connect(b, 0, 10000, 0, NULL, true));
	ck_assert(c->closed && silent(c));
	world_sleep(&w, 60000);
	ck_assert(!reader->closed);
	c = world_connect(&w);
	passwd_derive(session, passwd);
	SAY(c, put_connect(b, 0, 10000, session, passwd, true));
	ck_assert_int_eq(hear_connect(c).session_id, session);
	say_disk(false);
	/* The oldest write has waited for long, but not because this process stood still. */
	warnings = w.warnings;
	SAY(c, put_path(b, 2, ZK_OP_EXISTS, "/a", false));
	HEAR(c, 2, ZK_NONODE);
	ck_assert_int_eq(w.warnings, warnings);
	world_commit(&w);
	SAY(c, put_path(b, 3, ZK_OP_EXISTS, "/a", false));
	HEAR(c, 3, 0);
	SAY(c, put_create(b, 4, "/b", "", 0));
	world_commit(&w);
	HEAR(c, 4, 0);
}
END_TEST

START_TEST(test_bad_frames_of_syncd)
{
	serve();
	world_frame(&w, MSG_APPEND, 0, 0, SLICE_NULL);
	ck_assert_str_eq(w.link_bad, "a message of unknown type");
	w.link_bad = NULL;
	world_serve(&w);
	world_frame(&w, MSG_ROLE, 1, 0, SLICE_LIT("\xff\xff"));
	ck_assert_str_eq(w.link_bad, "malformed ROLE");
	w.link_bad = NULL;
	world_serve(&w);
	world_frame(&w, MSG_LOAD_CHANNEL, 1, 0, SLICE_NULL);
	ck_assert_str_eq(w.link_bad, "a message that does not belong here");
	w.link_bad = NULL;
	world_serve(&w);
	world_frame(&w, MSG_REQUEST, 1, 0, SLICE_LIT("\1"));
	ck_assert_str_eq(w.link_bad, "malformed REQUEST");
}
END_TEST

/* A learner's requests are consumed in order, each by exactly one answer with its number. */
START_TEST(test_requests_of_learners)
{
	struct jute_id_vec none = { NULL, 0 };
	struct buf body = new_buf();
	int at;

	serve();
	at = w.nsaid;
	jute_write_long(&body, 7);
	jute_write_id_vec(&body, &none);
	jute_write_long(&body, 0x200000000000001);
	jute_write_int(&body, 0);
	jute_write_int(&body, ZK_OP_CREATE_SESSION);
	jute_write_int(&body, 10000);
	world_frame(&w, MSG_REQUEST, 1, 0, buf_slice(&body));
	world_frame(&w, MSG_SYNC, 2, 0, SLICE_NULL);
	buf_reset(&body, 0);
	jute_write_long(&body, 7);
	jute_write_long(&body, 0x200000000000001);
	jute_write_int(&body, 10000);
	world_frame(&w, MSG_REVALIDATE, 3, 0, buf_slice(&body));
	buf_reset(&body, 0);
	jute_write_long(&body, 7);
	jute_write_id_vec(&body, &none);
	jute_write_long(&body, 0x200000000000001);
	jute_write_int(&body, 1);
	jute_write_int(&body, ZK_OP_DELETE_CONTAINER);
	world_frame(&w, MSG_REQUEST, 4, 0, buf_slice(&body));
	ck_assert_int_eq(w.nsaid - at, 4);
	static const uint16_t types[] = { MSG_PROPOSE, MSG_SYNC, MSG_REVALIDATE, MSG_DROP };
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(w.said[at + i].type, types[i]);
		ck_assert_uint_eq(w.said[at + i].seq, (uint64_t)i + 1);
	}
	buf_free(&body);
}
END_TEST

/* ---- More of syncd ---- */

static void
put_touch(struct buf *body, int64_t session, int32_t timeout_ms)
{
	jute_write_long(body, session);
	jute_write_int(body, timeout_ms);
}

START_TEST(test_touch_by_learners)
{
	struct world_client *c, *untouched;
	struct buf body = new_buf();
	int64_t session, other;

	serve();
	w.auto_commit = true;
	c = client(&session);
	untouched = client(&other);
	put_touch(&body, session, 10000);
	for (int i = 0; i < 5; i++) {
		world_sleep(&w, 4000);
		world_frame(&w, MSG_TOUCH, 0, 0, buf_slice(&body));
	}
	ck_assert(!c->closed && untouched->closed);
	world_frame(&w, MSG_TOUCH, 0, 0, SLICE_LIT("\0"));
	ck_assert_str_eq(w.link_bad, "malformed TOUCH");
	buf_free(&body);
}
END_TEST

/* The session goes on through another server: its old connection ends, also for one that reads (as seen with ZooKeeper). */
START_TEST(test_session_moved)
{
	struct buf body = new_buf();
	struct world_client *c;
	int64_t session;

	serve();
	w.auto_commit = true;
	c = client(&session);
	jute_write_long(&body, 7);
	put_touch(&body, session, 10000);
	world_frame(&w, MSG_REVALIDATE, 1, 0, buf_slice(&body));
	world_run(&w);
	ck_assert(c->closed && silent(c));
	buf_free(&body);
}
END_TEST

static void
put_container(struct buf *b, int32_t xid, const char *path)
{
	struct jute_create_request rq = {
		slice_str(path), SLICE_NULL, { &open_acl, 1 }, ZK_CREATE_CONTAINER
	};
	size_t at = begin_request(b, xid, ZK_OP_CREATE_CONTAINER);

	jute_write_create_request(b, &rq);
	end(b, at);
}

/* A minute passes for a client that pings; the events it hears in that time. */
static int
events_in_a_minute(struct world_client *c)
{
	int events = 0;

	for (int i = 0; i < 15; i++) {
		world_sleep(&w, 4000);
		SAY(c, put_plain(b, -2, ZK_OP_PING));
	}
	while (!silent(c))
		events += hear(c).xid == -1;
	return events;
}

START_TEST(test_containers_are_swept)
{
	struct world_client *c;

	config.container_check_ms = 20000;
	config.container_max_per_minute = 1;
	serve();
	w.auto_commit = true;
	c = client(NULL);
	SAY(c, {
		put_container(b, 1, "/box");
		put_container(b, 2, "/tub");
		put_create(b, 3, "/box/a", "", 0);
		put_create(b, 4, "/tub/a", "", 0);
		put_path(b, 5, ZK_OP_EXISTS, "/box", true);
		put_path(b, 6, ZK_OP_EXISTS, "/tub", true);
	});
	for (int i = 1; i <= 6; i++)
		HEAR(c, i, 0);
	ck_assert_int_eq(events_in_a_minute(c), 0);
	SAY(c, {
		put_delete(b, 7, "/box/a");
		put_delete(b, 8, "/tub/a");
	});
	HEAR(c, 7, 0);
	HEAR(c, 8, 0);
	/* Both are due, but no more than one a minute goes. */
	ck_assert_int_eq(events_in_a_minute(c), 1);
	ck_assert_int_eq(events_in_a_minute(c), 1);
	SAY(c, put_path(b, 9, ZK_OP_EXISTS, "/box", false));
	HEAR(c, 9, ZK_NONODE);
}
END_TEST

/* A channel that says what it may not: the load is begun anew, the node does not serve, and does not fall. */
START_TEST(test_bad_bulk)
{
	static const struct {
		uint16_t first, type;
		struct slice body;
	} bads2[] = {
		{ 0, MSG_BULK_DATA, SLICE_LIT("data outside of a snapshot") },
		{ 0, MSG_BULK_SNAPSHOT_END, { NULL, 0 } },
		{ MSG_BULK_SNAPSHOT, MSG_BULK_SNAPSHOT_END, { NULL, 0 } },
		{ MSG_BULK_SNAPSHOT, MSG_BULK_TXN, SLICE_LIT("x") },
		{ MSG_BULK_SNAPSHOT, MSG_BULK_END, { NULL, 0 } },
		{ 0, MSG_BULK_TXN, SLICE_LIT("no txn") },
		{ 0, MSG_COMMIT, { NULL, 0 } },
	};
	struct front_event up = { .type = FRONT_LINK_UP, .now_ms = 1000000 };
	struct front_facts facts;

	world_open(&w, &config);
	front_step(w.front, &up);
	world_role(&w, 1, 1, 100);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	if (bads2[_i].first != 0)
		world_bulk(&w, bads2[_i].first, 0, SLICE_NULL);
	world_bulk(&w, bads2[_i].type, 1, bads2[_i].body);
	front_facts(w.front, &facts);
	ck_assert(!facts.serving && w.load_closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "load failed"));
	world_sleep(&w, 150);
	ck_assert_int_eq(w.said[w.nsaid - 1].type, MSG_LOAD);
}
END_TEST

/*
 * A damaged snapshot makes no tree. Who reads the file sees that only by the checksum at its end, and sends another one:
 * the channel has to stay open for that. Where none comes the load is begun anew.
 */
START_TEST(test_snapshot_that_makes_no_tree)
{
	static const uint16_t ends[] = { MSG_BULK_SNAPSHOT_END, MSG_BULK_TXN, MSG_BULK_END };
	struct front_event up = { .type = FRONT_LINK_UP, .now_ms = 1000000 };
	struct front_facts facts;

	world_open(&w, &config);
	front_step(w.front, &up);
	world_role(&w, 1, 1, 0);
	world_frame(&w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	for (int i = 0; i < 2; i++) {
		world_bulk(&w, MSG_BULK_SNAPSHOT, 9, SLICE_NULL);
		world_bulk(&w, MSG_BULK_DATA, 0, SLICE_LIT("this is no snapshot"));
		world_bulk(&w, MSG_BULK_DATA, 0, SLICE_LIT("nor is this"));
		ck_assert(!w.load_closed);
	}
	world_bulk(&w, ends[_i], 1, SLICE_NULL);
	front_facts(w.front, &facts);
	ck_assert(!facts.serving && w.load_closed);
	ck_assert_ptr_nonnull(strstr(w.traced, "load failed"));
	world_sleep(&w, 150);
	ck_assert_int_eq(w.said[w.nsaid - 1].type, MSG_LOAD);
}
END_TEST

START_TEST(test_snapshot_reader_gone)
{
	struct front_event open = { .type = FRONT_SNAPSHOT_OPENED }, gone = { .type = FRONT_SNAPSHOT_CLOSED };
	struct front_facts facts;

	serve();
	w.auto_commit = true;
	SAY(client(NULL), put_create(b, 1, "/a", "", 0));
	open.now_ms = gone.now_ms = w.now_ms;
	front_step(w.front, &open);
	front_step(w.front, &gone);
	world_run(&w);
	front_facts(w.front, &facts);
	ck_assert(!facts.snapshot && w.snapshot_closed);
	/* The next one is whole. */
	w.snapshot_closed = false;
	front_step(w.front, &open);
	world_run(&w);
	ck_assert(w.snapshot_closed);
	ck_assert_uint_gt(buf_len(&w.snapshot), 100);
	SAY(client(NULL), put_create(b, 1, "/b", "", 0));
	front_facts(w.front, &facts);
	ck_assert_uint_eq(facts.digest_mismatches, 0);
}
END_TEST

/* An older channel's end and a newer channel may come in one turn; then the newer one stays open. */
START_TEST(test_snapshot_channel_replaced)
{
	struct front_event open = { .type = FRONT_SNAPSHOT_OPENED }, gone = { .type = FRONT_SNAPSHOT_CLOSED };
	struct front_action a;
	struct front_facts facts;

	serve();
	open.now_ms = gone.now_ms = w.now_ms;
	front_step(w.front, &open);
	if (_i == 0)
		front_step(w.front, &gone);
	front_step(w.front, &open);
	while (front_next(w.front, &a))
		ck_assert_int_ne(a.type, FRONT_SNAPSHOT_CLOSE);
	front_facts(w.front, &facts);
	ck_assert(facts.snapshot);
	front_step(w.front, &gone);
	world_run(&w);
	ck_assert(w.snapshot_closed);
}
END_TEST

START_TEST(test_load_channel_replaced)
{
	struct front_event up = { .type = FRONT_LINK_UP }, gone = { .type = FRONT_BULK_CLOSED },
			   channel = { .type = FRONT_FRAME, .frame = { .type = MSG_LOAD_CHANNEL } };

	world_open(&w, &config);
	up.now_ms = gone.now_ms = channel.now_ms = w.now_ms;
	front_step(w.front, &up);
	world_role(&w, 0, 0, 1000);
	front_step(w.front, &channel);
	if (_i == 0)
		front_step(w.front, &gone);
	front_step(w.front, &channel);
	world_run(&w);
	ck_assert(!w.load_closed);
	world_bulk(&w, MSG_BULK_END, 0, SLICE_NULL);
	ck_assert(w.load_closed);
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, test_serving_waits_for_commits);
	tcase_add_test(t, test_load_from_the_log);
	tcase_add_test(t, test_commit_while_loading);
	tcase_add_test(t, test_snapshot_and_load);
	tcase_add_test(t, test_load_retries_back_off);
	tcase_add_test(t, test_load_that_breaks_off);
	tcase_add_test(t, test_link_lost);
	tcase_add_loop_test(t, test_role_ends_with_a_newcomer_waiting, 0, 2);
	tcase_add_test(t, test_tree_of_another_history);
	tcase_add_test(t, test_hangup_in_flight);
	tcase_add_test(t, test_disk_fails);
	tcase_add_test(t, test_bad_frames_of_syncd);
	tcase_add_test(t, test_requests_of_learners);
	tcase_add_test(t, test_touch_by_learners);
	tcase_add_test(t, test_session_moved);
	tcase_add_test(t, test_containers_are_swept);
	tcase_add_loop_test(t, test_bad_bulk, 0, 7);
	tcase_add_loop_test(t, test_snapshot_that_makes_no_tree, 0, 3);
	tcase_add_test(t, test_snapshot_reader_gone);
	tcase_add_loop_test(t, test_snapshot_channel_replaced, 0, 2);
	tcase_add_loop_test(t, test_load_channel_replaced, 0, 2);
}

int
main(void)
{
	return front_main("front star", add_tests);
}
