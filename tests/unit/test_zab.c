/*
 * The zab core, row by row: each event in each state. A test tells the core what its siblings do, and
 * compares the actions of each step, written as one line.
 */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "ear.h"
#include "syncd/zab.h"

enum { TXN_BYTES = 40, ROLE_BASE = 100 };

static struct zab z;
static uint64_t now;
static char line[4096];
static char traced[512];

static void
keep_trace(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	(void)t;
	(void)room;
	ear_judge(event, text);
	if (level >= TRACE_WARNING)
		snprintf(traced, sizeof traced, "%s: %s", event, text);
}

static struct trace tracer = { .least = TRACE_DEBUG, .emit = keep_trace };

static struct zab_config
standalone_config(void)
{
	struct zab_config c = {
		.sid = 1,
		.standalone = true,
		.window_txns = 4,
		.window_bytes = 1000,
		.commit_log_count = 2,
		.commit_log_bytes = 10000,
		.role_base = ROLE_BASE,
		.trace = &tracer,
	};

	quorum_init(&c.quorums.current, false);
	ck_assert_int_eq(quorum_add(&c.quorums.current, 1, 0, 1), 0);
	return c;
}

static void
setup(void)
{
	struct zab_config c = standalone_config();

	zab_free(&z); /* all zero at first; a test may begin anew */
	now = 1000;
	traced[0] = '\0';
	zab_init(&z, &c);
}

static void
teardown(void)
{
	zab_free(&z);
}

static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	size_t used = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + used, sizeof line - used, fmt, ap);
	va_end(ap);
}

static const char *
type_name(uint16_t type)
{
	static const char *const names[] = {
		[MSG_LOAD] = "load",         [MSG_LOAD_CHANNEL] = "channel", [MSG_COMMIT] = "commit",
		[MSG_SNAPSHOT] = "snapshot", [MSG_APPEND] = "append",
	};

	return type < sizeof names / sizeof names[0] && names[type] != NULL ? names[type] : "?";
}

static void
say_send(const struct zab_action *a)
{
	say("%s %llx", type_name(a->frame.type), (unsigned long long)a->frame.zxid);
	if (a->frame.type == MSG_LOAD || a->frame.type == MSG_LOAD_CHANNEL)
		say(" seq%llu flags%u", (unsigned long long)a->frame.seq, a->frame.flags);
	if (a->fd >= 0)
		say(" fd%d", a->fd);
	if (a->frame.type == MSG_APPEND) {
		ck_assert_uint_ge(a->frame.body.len, TXN_BYTES);
		ck_assert_uint_eq(get_be64(a->frame.body.data + 12), a->frame.zxid);
		ck_assert_uint_eq(a->frame.body.data[a->frame.body.len - 1], (uint8_t)a->frame.zxid);
	}
}

static void
say_action(const struct zab_action *a)
{
	static const char peers[] = "LCE";
	static const char *const roles[] = { "looking", "leader", "follower", "observer" };

	say("%s%c:", line[0] == '\0' ? "" : ", ", peers[a->link]);
	switch (a->type) {
	case ZAB_SEND:
		say_send(a);
		break;
	case ZAB_SEND_ROLE:
		say("role%u %s p%llx c%llx", a->role.number - ROLE_BASE, roles[a->role.role],
		    (unsigned long long)a->role.proposed, (unsigned long long)a->role.committed);
		break;
	case ZAB_SEND_DISK:
		say("disk %s", a->disk.failed ? a->disk.error : "ok");
		break;
	case ZAB_CLOSE_FD:
		say("closefd%d", a->fd);
		break;
	case ZAB_CLOSE:
		say("close(%s)", a->reason);
		break;
	case ZAB_ROLE_CHANGED:
		say("changed");
		break;
	default:
		ck_abort_msg("action %d in a server that stands alone", a->type);
	}
}

static const char *
step(struct zab_event e)
{
	const struct zab_action *a;
	size_t n;

	e.now_ms = now;
	line[0] = '\0';
	zab_step(&z, &e);
	a = zab_actions(&z, &n);
	for (size_t i = 0; i < n; i++)
		say_action(&a[i]);
	return line;
}

static const char *
down(enum zab_link link)
{
	return step((struct zab_event){ .type = ZAB_DOWN, .link = link, .fd = -1 });
}

static const char *
logd_hello(uint64_t durable)
{
	return step((struct zab_event){
	    .type = ZAB_UP, .link = ZAB_LOGD, .fd = -1, .hello = { .durable = durable, .disk.error = "" } });
}

static const char *
clientd_hello(bool has_tree, uint64_t applied)
{
	return step(
	    (struct zab_event){ .type = ZAB_UP,
				.link = ZAB_CLIENTD,
				.fd = -1,
				.hello = { .has_tree = has_tree, .applied = applied, .disk.error = "" } });
}

static const char *
frame_fd(enum zab_link link, uint16_t type, uint64_t seq, uint64_t zxid, int fd)
{
	return step((struct zab_event){
	    .type = ZAB_FRAME, .link = link, .fd = fd, .frame = { .type = type, .seq = seq, .zxid = zxid } });
}

static const char *
frame(enum zab_link link, uint16_t type, uint64_t seq, uint64_t zxid)
{
	return frame_fd(link, type, seq, zxid, -1);
}

static const char *
propose_as(uint64_t zxid, uint64_t inner, size_t len)
{
	static uint8_t body[2000];

	memset(body, 0, sizeof body);
	put_be64(body + 12, inner);
	body[len - 1] = (uint8_t)inner;
	return step((struct zab_event){
	    .type = ZAB_FRAME,
	    .link = ZAB_CLIENTD,
	    .fd = -1,
	    .frame = { .type = MSG_PROPOSE, .zxid = zxid, .body = slice_of(body, len) } });
}

static const char *
propose(uint64_t zxid)
{
	return propose_as(zxid, zxid, TXN_BYTES);
}

static const char *
durable(uint64_t zxid)
{
	return frame(ZAB_LOGD, MSG_DURABLE, 0, zxid);
}

static const char *
disk(bool failed, uint64_t zxid)
{
	return step((struct zab_event){ .type = ZAB_FRAME,
					.link = ZAB_LOGD,
					.fd = -1,
					.frame = { .type = MSG_DISK, .zxid = zxid },
					.disk = { .failed = failed, .error = failed ? "EIO" : "" } });
}

static const char *
tick(uint64_t ms)
{
	now += ms;
	return step((struct zab_event){ .type = ZAB_TICK, .fd = -1 });
}

#define EXPECT(call, text) ck_assert_str_eq(call, text)

/* logd's log ends at zxid; clientd is fresh, and its role begins. */
static void
lead_from(uint64_t zxid)
{
	char want[128];

	EXPECT(logd_hello(zxid), "C:changed");
	snprintf(want, sizeof want, "C:role1 leader p%llx c%llx", (unsigned long long)zxid,
		 (unsigned long long)zxid);
	EXPECT(clientd_hello(false, 0), want);
	EXPECT(frame(ZAB_CLIENTD, MSG_ROLE_ACK, ROLE_BASE + 1, 0), "");
}

static void
serve_from(uint64_t zxid)
{
	lead_from(zxid);
	EXPECT(frame(ZAB_CLIENTD, MSG_LOAD, 0, 0), "L:load 0 seq1 flags0");
	EXPECT(frame_fd(ZAB_LOGD, MSG_LOAD_CHANNEL, 1, 0, 9), "C:channel 0 seq1 flags0 fd9");
	EXPECT(frame(ZAB_CLIENTD, MSG_READY, 0, zxid), "");
	ck_assert_int_eq(z.phase, ZAB_READY);
}

START_TEST(role_waits_for_logd)
{
	EXPECT(clientd_hello(false, 0), "");
	EXPECT(logd_hello(0x200000007), "C:changed, C:role1 leader p200000007 c200000007");
	ck_assert_uint_eq(z.epoch, 2);
}
END_TEST

START_TEST(one_write)
{
	serve_from(5);
	EXPECT(propose(6), "L:append 6");
	EXPECT(durable(6), "C:commit 6");
	EXPECT(durable(6), "");
}
END_TEST

/* The own disk is one voice of three. */
START_TEST(one_server_is_no_quorum_of_three)
{
	struct zab_config c = standalone_config();

	ck_assert_int_eq(quorum_add(&c.quorums.current, 2, 0, 1), 0);
	ck_assert_int_eq(quorum_add(&c.quorums.current, 3, 0, 1), 0);
	zab_free(&z);
	zab_init(&z, &c);
	serve_from(5);
	EXPECT(propose(6), "L:append 6");
	EXPECT(durable(6), "");
	ck_assert_uint_eq(z.committed, 5);
	ck_assert_uint_eq(z.durable, 6);
	/* What is durable and not committed stays in memory. */
	ck_assert_uint_eq(z.window.count, 1);
}
END_TEST

START_TEST(many_writes_one_fsync)
{
	serve_from(5);
	EXPECT(propose(6), "L:append 6");
	EXPECT(propose(7), "L:append 7");
	EXPECT(propose(8), "L:append 8");
	EXPECT(durable(7), "C:commit 7");
	ck_assert_uint_eq(z.open_txns, 1);
	ck_assert_uint_eq(z.open_bytes, TXN_BYTES);
	EXPECT(durable(8), "C:commit 8");
	ck_assert_uint_eq(z.open_bytes, 0);
	/* Only commitLogCount committed txns stay in memory. */
	ck_assert_uint_eq(z.window.count, 2);
	ck_assert_uint_eq(z.window.base, 6);
}
END_TEST

START_TEST(counter_rolls_over_in_standalone)
{
	serve_from(0x1ffffffff);
	EXPECT(propose(0x200000001), "C:close(proposal out of order)");
	setup();
	serve_from(0x1ffffffff);
	EXPECT(propose(0x200000000), "L:append 200000000");
	EXPECT(durable(0x200000000), "C:commit 200000000");
}
END_TEST

START_TEST(wrong_proposals_end_the_link)
{
	static const struct {
		uint64_t zxid, inner;
		size_t len;
		const char *want;
	} rows[] = {
		{ 5, 5, TXN_BYTES, "C:close(proposal out of order)" },
		{ 7, 7, TXN_BYTES, "C:close(proposal out of order)" },
		{ 6, 7, TXN_BYTES, "C:close(proposal whose txn has another zxid)" },
		{ 6, 6, 31, "C:close(proposal whose txn has another zxid)" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setup();
		serve_from(5);
		EXPECT(propose_as(rows[i].zxid, rows[i].inner, rows[i].len), rows[i].want);
		ck_assert_uint_eq(z.proposed, 5);
		teardown();
	}
	setup();
	serve_from(5);
	EXPECT(step((struct zab_event){ .type = ZAB_FRAME,
					.link = ZAB_CLIENTD,
					.fd = -1,
					.frame = { .type = MSG_PROPOSE, .seq = 1, .zxid = 6 } }),
	       "C:close(proposal whose txn has another zxid)");
}
END_TEST

START_TEST(credit_has_an_end)
{
	serve_from(0);
	for (uint64_t zxid = 1; zxid <= 12; zxid++)
		propose(zxid);
	ck_assert_uint_eq(z.open_txns, 12);
	EXPECT(propose(13), "C:close(proposals beyond all credit)");
	/* What was taken stays. */
	EXPECT(durable(12), "");
	ck_assert_uint_eq(z.committed, 12);
}
END_TEST

START_TEST(credit_in_bytes)
{
	serve_from(0);
	for (uint64_t zxid = 1; zxid <= 3; zxid++) {
		uint8_t body[990] = { 0 };

		put_be64(body + 12, zxid);
		body[sizeof body - 1] = (uint8_t)zxid;
		step((struct zab_event){
		    .type = ZAB_FRAME,
		    .link = ZAB_CLIENTD,
		    .fd = -1,
		    .frame = { .type = MSG_PROPOSE, .zxid = zxid, .body = slice_of(body, sizeof body) } });
	}
	ck_assert_uint_eq(z.open_bytes, 2970);
	EXPECT(propose(4), "C:close(proposals beyond all credit)");
}
END_TEST

START_TEST(nothing_counts_before_role_ack)
{
	static const uint16_t types[] = { MSG_READY, MSG_PROPOSE, MSG_LOAD };

	logd_hello(5);
	clientd_hello(false, 0);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		EXPECT(frame(ZAB_CLIENTD, types[i], 0, 99), "");
	EXPECT(frame(ZAB_CLIENTD, MSG_ROLE_ACK, ROLE_BASE, 0), "");
	ck_assert_int_eq(z.phase, ZAB_TOLD);
	EXPECT(frame(ZAB_CLIENTD, MSG_ROLE_ACK, ROLE_BASE + 1, 0), "");
	ck_assert_int_eq(z.phase, ZAB_LOADING);
	EXPECT(frame(ZAB_CLIENTD, MSG_ROLE_ACK, ROLE_BASE + 1, 0), "C:close(role taken twice)");
}
END_TEST

START_TEST(messages_out_of_their_turn)
{
	lead_from(5);
	EXPECT(propose(6), "C:close(message out of its turn)");
	setup();
	serve_from(5);
	EXPECT(frame(ZAB_CLIENTD, MSG_LOAD, 0, 0), "C:close(message out of its turn)");
	setup();
	serve_from(5);
	EXPECT(frame(ZAB_CLIENTD, MSG_READY, 0, 5), "C:close(message out of its turn)");
}
END_TEST

/* Every type that has no business on a link ends it, and its descriptor is closed. */
START_TEST(foreign_messages_end_the_link)
{
	static const uint16_t of_links[ZAB_LINKS][8] = {
		[ZAB_LOGD] = { MSG_DURABLE, MSG_LOAD_CHANNEL, MSG_SNAPSHOT, MSG_DISK, MSG_EPOCHS,
			       MSG_TRUNCATE, MSG_INSTALL },
		[ZAB_CLIENTD] = { MSG_ROLE_ACK, MSG_LOAD, MSG_READY, MSG_PROPOSE, MSG_DROP, MSG_SYNC,
				  MSG_REVALIDATE },
		[ZAB_ELECTIOND] = { MSG_RESULT, MSG_CONFIG, MSG_DOUBT },
	};

	for (uint16_t type = 0; type < 70; type++) {
		for (int link = 0; link < ZAB_LINKS; link++) {
			bool known = false;
			char want[64];

			for (size_t i = 0; i < 8; i++)
				known |= type != 0 && of_links[link][i] == type;
			if (known)
				continue;
			setup();
			serve_from(5);
			step((struct zab_event){
			    .type = ZAB_UP, .link = ZAB_ELECTIOND, .fd = -1, .hello.disk.error = "" });
			snprintf(want, sizeof want, "%c:close(unexpected message), %c:closefd7", "LCE"[link],
				 "LCE"[link]);
			EXPECT(frame_fd((enum zab_link)link, type, 0, 0, 7), want);
			teardown();
		}
	}
	setup();
}
END_TEST

START_TEST(durable_must_rise_within_what_was_appended)
{
	serve_from(5);
	propose(6);
	EXPECT(durable(7), "L:close(durable out of order)");
	setup();
	serve_from(5);
	EXPECT(durable(4), "L:close(durable out of order)");
}
END_TEST

START_TEST(logd_dies_with_appends_under_way)
{
	serve_from(5);
	propose(6);
	propose(7);
	durable(6);
	EXPECT(down(ZAB_LOGD), "");
	EXPECT(propose(8), ""); /* goes on into memory */
	EXPECT(propose(9), "");
	/* It had made 7 durable without being able to say so. */
	EXPECT(logd_hello(7), "L:append 8, L:append 9, C:commit 7");
	EXPECT(durable(9), "C:commit 9");
	EXPECT(propose(10), "L:append a");
}
END_TEST

START_TEST(logd_comes_back_with_less_but_memory_has_it)
{
	serve_from(5);
	for (uint64_t zxid = 6; zxid <= 8; zxid++) {
		propose(zxid);
		durable(zxid);
	}
	down(ZAB_LOGD);
	EXPECT(logd_hello(6), "L:append 7, L:append 8");
	ck_assert_ptr_nonnull(strstr(traced, "log shorter"));
	ck_assert_uint_eq(z.committed, 8);
	EXPECT(durable(7), "");
	EXPECT(durable(8), "");
	EXPECT(propose(9), "L:append 9");
	EXPECT(durable(9), "C:commit 9");
}
END_TEST

START_TEST(logd_lost_what_was_acknowledged)
{
	char text[200];

	serve_from(5);
	for (uint64_t zxid = 6; zxid <= 8; zxid++) {
		propose(zxid);
		durable(zxid);
	}
	down(ZAB_LOGD);
	EXPECT(logd_hello(5), "C:changed, C:role2 looking p8 c8");
	ck_assert_ptr_nonnull(strstr(traced, "refuse"));
	ck_assert_str_eq(zab_describe(&z, text, sizeof text),
			 "not serving: the log on disk ends before what was already acknowledged");
	/* Nothing is taken or promised any more. */
	EXPECT(propose(9), "");
	EXPECT(frame(ZAB_CLIENTD, MSG_ROLE_ACK, ROLE_BASE + 2, 0), "");
	EXPECT(frame(ZAB_CLIENTD, MSG_LOAD, 0, 0), "");
	EXPECT(propose(9), "C:close(message out of its turn)");
	EXPECT(clientd_hello(false, 0), "C:role3 looking p8 c8");
	/* The disk is back with all of it. */
	down(ZAB_LOGD);
	EXPECT(logd_hello(8), "C:changed, C:role4 leader p8 c8");
	ck_assert_ptr_null(z.trouble);
}
END_TEST

START_TEST(logd_knows_more_than_was_proposed)
{
	serve_from(5);
	down(ZAB_LOGD);
	EXPECT(logd_hello(6), "C:changed, C:role2 looking p5 c5");
	ck_assert_ptr_nonnull(strstr(traced, "beyond everything"));
}
END_TEST

/*
 * What a failing disk would not sync may be read from it all the same, by the logd that comes next. A syncd that was
 * born in between never saw it, and starts anew from there, whatever was proposed to it meanwhile.
 */
static void
find_longer(bool proposed)
{
	const struct zab_event failing = {
		.type = ZAB_UP, .link = ZAB_LOGD, .fd = -1, .hello = { .durable = 5, .disk = { true, "EIO" } }
	};

	EXPECT(step(failing), "C:changed");
	EXPECT(clientd_hello(false, 0), "C:role1 leader p5 c5, C:disk EIO");
	EXPECT(frame(ZAB_CLIENTD, MSG_ROLE_ACK, ROLE_BASE + 1, 0), "");
	EXPECT(frame(ZAB_CLIENTD, MSG_LOAD, 0, 0), "L:load 0 seq1 flags0");
	EXPECT(frame_fd(ZAB_LOGD, MSG_LOAD_CHANNEL, 1, 0, 9), "C:channel 0 seq1 flags0 fd9");
	EXPECT(frame(ZAB_CLIENTD, MSG_READY, 0, 5), "");
	if (proposed)
		EXPECT(propose(6), "");
	down(ZAB_LOGD);
	EXPECT(logd_hello(6), "C:changed, C:role2 leader p6 c6");
	ck_assert_ptr_null(z.trouble);
	/* From now on it is known again. */
	down(ZAB_LOGD);
	EXPECT(logd_hello(7), "C:changed, C:role3 looking p6 c6");
}

START_TEST(logd_knows_more_than_its_failing_disk_told)
{
	find_longer(false);
	setup();
	find_longer(true);
}
END_TEST

START_TEST(clientd_applied_more_than_the_log_has)
{
	/* syncd reborn; clientd lives and speaks first. */
	EXPECT(clientd_hello(true, 9), "");
	EXPECT(logd_hello(8), "C:changed, C:role1 looking p0 c0");
	/* The other order. */
	setup();
	EXPECT(logd_hello(8), "C:changed");
	EXPECT(clientd_hello(true, 9), "C:changed, C:role1 looking p8 c8");
	down(ZAB_LOGD);
	EXPECT(logd_hello(8), "C:changed, C:role2 looking p8 c8");
}
END_TEST

START_TEST(syncd_reborn_beside_living_siblings)
{
	EXPECT(clientd_hello(true, 7), "");
	EXPECT(logd_hello(8), "C:changed, C:role1 leader p8 c8");
	frame(ZAB_CLIENTD, MSG_ROLE_ACK, ROLE_BASE + 1, 0);
	EXPECT(step((struct zab_event){ .type = ZAB_FRAME,
					.link = ZAB_CLIENTD,
					.fd = -1,
					.frame = { .type = MSG_LOAD, .flags = LOAD_HAVE_TREE, .zxid = 7 } }),
	       "L:load 7 seq1 flags1");
}
END_TEST

START_TEST(clientd_dies_and_its_writes_stay)
{
	serve_from(5);
	propose(6);
	propose(7);
	EXPECT(down(ZAB_CLIENTD), "");
	EXPECT(durable(6), "");
	EXPECT(clientd_hello(false, 0), "C:role2 leader p7 c6");
	EXPECT(frame(ZAB_CLIENTD, MSG_ROLE_ACK, ROLE_BASE + 2, 0), "");
	/* Its data must hold all that was proposed, so the question waits for logd. */
	EXPECT(frame(ZAB_CLIENTD, MSG_LOAD, 0, 0), "");
	EXPECT(durable(7), "C:commit 7, L:load 0 seq2 flags0");
	EXPECT(frame_fd(ZAB_LOGD, MSG_LOAD_CHANNEL, 2, 0, 4), "C:channel 0 seq2 flags0 fd4");
	EXPECT(frame(ZAB_CLIENTD, MSG_READY, 0, 7), "");
	EXPECT(propose(8), "L:append 8");
}
END_TEST

START_TEST(ready_must_match_the_log)
{
	lead_from(5);
	frame(ZAB_CLIENTD, MSG_LOAD, 0, 0);
	frame_fd(ZAB_LOGD, MSG_LOAD_CHANNEL, 1, 0, 4);
	EXPECT(frame(ZAB_CLIENTD, MSG_READY, 0, 4), "C:close(ready with other data than the log's)");
	setup();
	lead_from(5);
	EXPECT(frame(ZAB_CLIENTD, MSG_READY, 0, 6), "C:close(ready with other data than the log's)");
}
END_TEST

START_TEST(load_is_repeated_to_a_new_logd)
{
	lead_from(5);
	EXPECT(frame(ZAB_CLIENTD, MSG_LOAD, 0, 0), "L:load 0 seq1 flags0");
	down(ZAB_LOGD);
	EXPECT(logd_hello(5), "L:load 0 seq2 flags0");
	/* The answer to the first question is worth nothing any more. */
	EXPECT(frame_fd(ZAB_LOGD, MSG_LOAD_CHANNEL, 1, 0, 3), "L:closefd3");
	EXPECT(frame_fd(ZAB_LOGD, MSG_LOAD_CHANNEL, 2, 0, 4), "C:channel 0 seq2 flags0 fd4");
	EXPECT(frame_fd(ZAB_LOGD, MSG_LOAD_CHANNEL, 2, 0, 5), "L:closefd5");
}
END_TEST

START_TEST(load_asked_while_logd_is_away)
{
	lead_from(5);
	down(ZAB_LOGD);
	EXPECT(frame(ZAB_CLIENTD, MSG_LOAD, 0, 0), "");
	EXPECT(logd_hello(5), "L:load 0 seq1 flags0");
	/* Asked again, say because the channel broke off: the newest question counts. */
	EXPECT(frame(ZAB_CLIENTD, MSG_LOAD, 0, 0), "L:load 0 seq2 flags0");
	EXPECT(down(ZAB_CLIENTD), "");
	EXPECT(frame_fd(ZAB_LOGD, MSG_LOAD_CHANNEL, 2, 0, 4), "L:closefd4");
}
END_TEST

START_TEST(load_with_unknown_flags)
{
	lead_from(5);
	EXPECT(step((struct zab_event){ .type = ZAB_FRAME,
					.link = ZAB_CLIENTD,
					.fd = -1,
					.frame = { .type = MSG_LOAD, .flags = 2 } }),
	       "C:close(load with unknown flags)");
}
END_TEST

START_TEST(channels_need_their_descriptor)
{
	serve_from(5);
	EXPECT(frame(ZAB_LOGD, MSG_SNAPSHOT, 0, 0), "L:close(snapshot channel without its descriptor)");
	setup();
	serve_from(5);
	EXPECT(frame(ZAB_LOGD, MSG_LOAD_CHANNEL, 0, 0), "L:close(load channel without its descriptor)");
	/* And nothing else may bring one along. */
	setup();
	serve_from(5);
	EXPECT(frame_fd(ZAB_LOGD, MSG_DURABLE, 0, 5, 3), "L:closefd3");
}
END_TEST

START_TEST(snapshot_goes_to_a_ready_clientd_only)
{
	lead_from(5);
	EXPECT(frame_fd(ZAB_LOGD, MSG_SNAPSHOT, 0, 0, 3), "L:closefd3");
	down(ZAB_CLIENTD);
	EXPECT(frame_fd(ZAB_LOGD, MSG_SNAPSHOT, 0, 0, 3), "L:closefd3");
	setup();
	serve_from(5);
	EXPECT(frame_fd(ZAB_LOGD, MSG_SNAPSHOT, 0, 0, 3), "C:snapshot 0 fd3");
}
END_TEST

START_TEST(disk_fails_and_works_again)
{
	char text[200];

	serve_from(5);
	propose(6);
	propose(7);
	EXPECT(durable(6), "C:commit 6");
	EXPECT(disk(true, 0), "C:disk EIO");
	ck_assert_str_eq(zab_describe(&z, text, sizeof text), "leading alone at zxid 0x6, the disk failed");
	EXPECT(propose(8), "");
	/* A new clientd hears of it with its role. */
	down(ZAB_CLIENTD);
	EXPECT(clientd_hello(false, 0), "C:role2 leader p8 c6, C:disk EIO");
	EXPECT(disk(false, 6), "L:append 7, L:append 8, C:disk ok");
	EXPECT(durable(8), "C:commit 8");
}
END_TEST

START_TEST(disk_failed_logd_dies)
{
	serve_from(5);
	disk(true, 0);
	down(ZAB_LOGD);
	EXPECT(step((struct zab_event){ .type = ZAB_UP,
					.link = ZAB_LOGD,
					.fd = -1,
					.hello = { .durable = 5, .disk = { true, "ENOSPC" } } }),
	       "");
	EXPECT(propose(6), "");
	down(ZAB_LOGD);
	EXPECT(logd_hello(5), "L:append 6, C:disk ok");
}
END_TEST

START_TEST(disk_works_again_with_less)
{
	serve_from(5);
	for (uint64_t zxid = 6; zxid <= 9; zxid++) {
		propose(zxid);
		durable(zxid);
	}
	disk(true, 0);
	EXPECT(disk(false, 6), "C:changed, C:role2 looking p9 c9");
}
END_TEST

START_TEST(logd_absent)
{
	char text[200];

	ck_assert_uint_eq(zab_deadline(&z), UINT64_MAX);
	serve_from(5);
	ck_assert_uint_eq(zab_deadline(&z), UINT64_MAX);
	now = 5000;
	down(ZAB_LOGD);
	ck_assert_uint_eq(zab_deadline(&z), 7000);
	EXPECT(tick(1999), "");
	EXPECT(tick(1), "L:changed");
	ck_assert_ptr_nonnull(strstr(traced, "logd absent"));
	ck_assert_str_eq(zab_describe(&z, text, sizeof text), "leading alone at zxid 0x5, waiting for logd");
	ck_assert_uint_eq(zab_deadline(&z), UINT64_MAX);
	EXPECT(propose(6), "");
	EXPECT(logd_hello(5), "L:append 6");
}
END_TEST

START_TEST(electiond_is_not_missed)
{
	serve_from(5);
	EXPECT(step((struct zab_event){
		   .type = ZAB_UP, .link = ZAB_ELECTIOND, .fd = -1, .hello.disk.error = "" }),
	       "");
	EXPECT(down(ZAB_ELECTIOND), "");
	EXPECT(propose(6), "L:append 6");
	ck_assert_uint_eq(zab_deadline(&z), UINT64_MAX);
}
END_TEST

START_TEST(an_empty_log)
{
	serve_from(0);
	EXPECT(propose(1), "L:append 1");
	EXPECT(durable(1), "C:commit 1");
	down(ZAB_LOGD);
	/* Nothing is left of it, but memory has all there ever was. */
	EXPECT(logd_hello(0), "L:append 1");
}
END_TEST

START_TEST(says_how_it_is)
{
	char text[200];

	ck_assert_str_eq(zab_describe(&z, text, sizeof text), "waiting for logd to tell what is on disk");
	logd_hello(5);
	ck_assert_str_eq(zab_describe(&z, text, sizeof text),
			 "leading alone at zxid 0x5, waiting for clientd");
	clientd_hello(false, 0);
	ck_assert_str_eq(zab_describe(&z, text, sizeof text),
			 "leading alone at zxid 0x5, clientd is loading");
	setup();
	serve_from(5);
	ck_assert_str_eq(zab_describe(&z, text, sizeof text), "leading alone at zxid 0x5");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { role_waits_for_logd,
				       one_write,
				       one_server_is_no_quorum_of_three,
				       many_writes_one_fsync,
				       counter_rolls_over_in_standalone,
				       wrong_proposals_end_the_link,
				       credit_has_an_end,
				       credit_in_bytes,
				       nothing_counts_before_role_ack,
				       messages_out_of_their_turn,
				       foreign_messages_end_the_link,
				       durable_must_rise_within_what_was_appended,
				       logd_dies_with_appends_under_way,
				       logd_comes_back_with_less_but_memory_has_it,
				       logd_lost_what_was_acknowledged,
				       logd_knows_more_than_was_proposed,
				       logd_knows_more_than_its_failing_disk_told,
				       clientd_applied_more_than_the_log_has,
				       syncd_reborn_beside_living_siblings,
				       clientd_dies_and_its_writes_stay,
				       ready_must_match_the_log,
				       load_is_repeated_to_a_new_logd,
				       load_asked_while_logd_is_away,
				       load_with_unknown_flags,
				       channels_need_their_descriptor,
				       snapshot_goes_to_a_ready_clientd_only,
				       disk_fails_and_works_again,
				       disk_failed_logd_dies,
				       disk_works_again_with_less,
				       logd_absent,
				       electiond_is_not_missed,
				       an_empty_log,
				       says_how_it_is };
	Suite *s = suite_create("zab");
	TCase *t = tcase_create("zab");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
