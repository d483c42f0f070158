/* Star links: the real dialler and the real acceptor against each other, and each against raw sockets. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/clock.h"
#include "io/link.h"
#include "io/listen.h"
#include "io/log.h"
#include "ipc/msg.h"

enum { GIVE_UP_MS = 5000, STATE_OPEN = 0, STATE_SHUT = 1 };

static struct ev_loop *loop;
static struct turn turn;
static int folder;
static char folder_path[] = "/tmp/zkd-link-XXXXXX";

/* One end of a link as a daemon has it. */
struct end {
	struct link link;
	struct hello_identity identity;
	int ups, downs, mismatches;
	uint64_t their_zxid;
	struct buf
	    heard;    /* seq of each DURABLE, APPEND and COMMIT as u8, and what came through descriptors */
	int refuse;   /* what the handler returns */
	size_t bytes; /* of bodies */
	bool leave_fd;
};

static struct end hub, spoke;

static int
hear(void *owner, struct link *l, const struct frame *f)
{
	struct end *e = owner;

	(void)l;
	buf_put_u8(&e->heard, (uint8_t)f->seq);
	e->bytes += f->body.len;
	return e->refuse;
}

static int
hear_role(void *owner, struct link *l, const struct frame *f)
{
	const Zkd__Role *role = link_take_proto(l, f, &zkd__role__descriptor);

	if (role == NULL)
		return link_refuse(l, "malformed Role");
	return hear(owner, l, f);
}

static int
hear_channel(void *owner, struct link *l, const struct frame *f)
{
	struct end *e = owner;
	char c;
	int fd;

	hear(owner, l, f);
	if (e->leave_fd)
		return 0;
	fd = link_take_fd(l);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(read(fd, &c, 1), 1);
	buf_put_u8(&e->heard, (uint8_t)c);
	close(fd);
	return 0;
}

static void
on_hello(void *owner, struct link *l, Zkd__Hello *mine)
{
	struct end *e = owner;

	(void)l;
	mine->durable_zxid = e == &hub ? 11 : 22;
}

static int
on_up(void *owner, struct link *l, const Zkd__Hello *theirs)
{
	struct end *e = owner;

	(void)l;
	e->ups++;
	e->their_zxid = theirs->durable_zxid;
	return 0;
}

static void
on_down(void *owner, struct link *l)
{
	struct end *e = owner;

	(void)l;
	e->downs++;
}

static void
on_mismatch(void *owner, struct link *l, const char *why)
{
	struct end *e = owner;

	(void)l;
	(void)why;
	e->mismatches++;
}

static const struct link_message messages[] = {
	{ MSG_ROLE, false, LINK_ANY_STATE, "ROLE", hear_role },
	{ MSG_DURABLE, false, LINK_STATE(STATE_OPEN), "DURABLE", hear },
	{ MSG_COMMIT, false, LINK_STATE(STATE_OPEN), "COMMIT", hear },
	{ MSG_LOAD_CHANNEL, true, LINK_ANY_STATE, "LOAD_CHANNEL", hear_channel },
};
#define NMESSAGES (sizeof messages / sizeof *messages)

static const struct link_ops hub_ops = { "logd", messages, NMESSAGES, on_hello, on_up, on_down, on_mismatch };
static const struct link_ops spoke_ops = {
	"syncd", messages, NMESSAGES, on_hello, on_up, on_down, on_mismatch
};

static void
end_init(struct end *e, const char *name, const struct link_ops *ops)
{
	*e = (struct end){ .identity = { name, "0.1.0", { 7 }, 99 } };
	buf_init(&e->heard, 1 << 20);
	link_init(&e->link, &turn, ops, e, &e->identity);
}

static int
listener(void)
{
	int fd = listen_unix(folder, "logd.link", 0600, (uid_t)-1, (gid_t)-1, 16);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
setup(void)
{
	strcpy(folder_path, "/tmp/zkd-link-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder_path));
	folder = open(folder_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(fchdir(folder), 0);
	log_set_level(LOG_EMERG);
	loop = ev_loop_new(EVFLAG_NOENV);
	turn_start(&turn, loop, NULL, NULL);
	end_init(&hub, "syncd", &hub_ops);
	end_init(&spoke, "logd", &spoke_ops);
}

static void
teardown(void)
{
	link_close(&hub.link);
	link_close(&spoke.link);
	turn_stop(&turn);
	ev_loop_destroy(loop);
	buf_free(&hub.heard);
	buf_free(&spoke.heard);
	unlinkat(folder, "logd.link", 0);
	close(folder);
	rmdir(folder_path);
}

static void
on_tick(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
}

/* Runs the loop until cond holds; what is waited for never takes longer than GIVE_UP_MS, or the test fails. */
#define UNTIL(cond)                                                                                          \
	do {                                                                                                 \
		uint64_t until_start = clock_mono_ms();                                                      \
		ev_timer tick;                                                                               \
		ev_timer_init(&tick, on_tick, 0., 0.002);                                                    \
		ev_timer_start(loop, &tick);                                                                 \
		while (!(cond) && clock_mono_ms() - until_start < GIVE_UP_MS)                                \
			ev_run(loop, EVRUN_ONCE);                                                            \
		ev_timer_stop(loop, &tick);                                                                  \
		ck_assert(cond);                                                                             \
	} while (0)

static void
run_for(uint64_t ms)
{
	uint64_t start = clock_mono_ms();

	UNTIL(clock_mono_ms() - start >= ms);
}

static void
both_up(void)
{
	link_listen(&spoke.link, listener());
	link_dial(&hub.link, "logd.link");
	UNTIL(hub.ups == 1 && spoke.ups == 1);
}

/* A raw caller at the spoke's door. */
static int
call(void)
{
	int fd = listen_dial_unix(folder, "logd.link", 0);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
say(int fd, struct buf *b)
{
	ck_assert_int_eq(send(fd, buf_head(b), buf_len(b), MSG_NOSIGNAL), (ssize_t)buf_len(b));
	buf_reset(b, 0);
	buf_free(b);
}

static void
put_hello(struct buf *b, const char *daemon)
{
	struct hello_identity me = { daemon, "0.1.0", { 7 }, 5 };
	Zkd__Hello h;

	hello_fill(&h, &me);
	proto_put(b, MSG_HELLO, 0, 0, &h.base);
}

/* Calls and says HELLO; the spoke's link is up. */
static int
call_in(void)
{
	struct buf b;
	int fd = call(), before = spoke.ups;

	buf_init(&b, 4096);
	put_hello(&b, "syncd");
	say(fd, &b);
	UNTIL(spoke.ups == before + 1);
	return fd;
}

static bool
ended(int fd)
{
	char got[4096];
	ssize_t n;

	do
		n = recv(fd, got, sizeof got, MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || (n < 0 && errno != EAGAIN);
}

static int
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* A descriptor from which one byte can be read. */
static int
token(char c)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(write(ends[1], &c, 1), 1);
	close(ends[1]);
	return ends[0];
}

START_TEST(hello_both_ways)
{
	both_up();
	ck_assert_uint_eq(spoke.their_zxid, 11);
	ck_assert_uint_eq(hub.their_zxid, 22);
	ck_assert(link_is_up(&hub.link) && link_is_up(&spoke.link));
}
END_TEST

START_TEST(frames_in_order_both_ways)
{
	both_up();
	for (uint64_t i = 1; i <= 100; i++) {
		link_send_short(&hub.link, MSG_DURABLE, i, i);
		link_send_short(&spoke.link, MSG_COMMIT, i, i);
	}
	UNTIL(buf_len(&hub.heard) == 100 && buf_len(&spoke.heard) == 100);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(buf_head(&hub.heard)[i], i + 1);
}
END_TEST

START_TEST(large_frames_pass_a_full_socket)
{
	enum { BODY = 3 << 20, COUNT = 8 };
	uint8_t *body = calloc(1, BODY);

	both_up();
	for (uint64_t i = 0; i < COUNT; i++) {
		link_send(&hub.link,
			  &(struct frame){ .type = MSG_DURABLE, .seq = i, .body = slice_of(body, BODY) });
		link_send(&spoke.link,
			  &(struct frame){ .type = MSG_DURABLE, .seq = i, .body = slice_of(body, BODY) });
	}
	UNTIL(hub.bytes == COUNT * (size_t)BODY && spoke.bytes == COUNT * (size_t)BODY);
	ck_assert_int_eq(hub.downs + spoke.downs, 0);
	free(body);
}
END_TEST

START_TEST(body_written_in_place)
{
	struct buf *out;
	size_t begun;

	ck_assert_ptr_null(link_out(&hub.link));
	both_up();
	out = link_out(&hub.link);
	begun = frame_begin(out, &(struct frame){ .type = MSG_DURABLE, .seq = 3 });
	buf_put(out, "body", 4);
	ck_assert_int_eq(frame_end(out, begun), 0);
	UNTIL(spoke.bytes == 4);
}
END_TEST

START_TEST(byte_by_byte)
{
	struct buf b;
	int fd;

	link_listen(&spoke.link, listener());
	fd = call();
	buf_init(&b, 4096);
	put_hello(&b, "syncd");
	frame_put(&b, &(struct frame){ .type = MSG_DURABLE, .seq = 1, .body = SLICE_LIT("abc") });
	frame_put_short(&b, MSG_DURABLE, 2, 0);
	while (buf_len(&b) > 0) {
		ck_assert_int_eq(write(fd, buf_head(&b), 1), 1);
		buf_consume(&b, 1);
		ev_run(loop, EVRUN_NOWAIT);
	}
	UNTIL(buf_len(&spoke.heard) == 2);
	ck_assert_uint_eq(spoke.bytes, 3);
	buf_free(&b);
	close(fd);
}
END_TEST

START_TEST(half_a_frame_and_the_end)
{
	struct buf b;
	int fd;

	link_listen(&spoke.link, listener());
	fd = call_in();
	buf_init(&b, 4096);
	frame_put_short(&b, MSG_DURABLE, 1, 0);
	buf_truncate(&b, 10);
	say(fd, &b);
	close(fd);
	UNTIL(spoke.downs == 1);
	ck_assert_uint_eq(buf_len(&spoke.heard), 0);
	/* And the next one is served. */
	close(call_in());
}
END_TEST

/* What a sibling may not say once it has said HELLO, and in which state of ours. */
static const struct {
	uint16_t type;
	unsigned state;
	const char *body;
	int handler;
} bad[] = {
	{ 63, STATE_OPEN, "", 0 }, /* unknown */
	{ 64, STATE_OPEN, "", 0 }, /* a control message */
	{ 65535, STATE_OPEN, "", 0 },
	{ MSG_HELLO, STATE_OPEN, "", 0 },                /* a second one */
	{ MSG_DURABLE, STATE_SHUT, "", 0 },              /* not in this state */
	{ MSG_DURABLE, STATE_OPEN, "", -EPROTO },        /* refused by its handler */
	{ MSG_ROLE, STATE_OPEN, "\xff\xff\xff\xff", 0 }, /* malformed */
	{ MSG_LOAD_CHANNEL, STATE_OPEN, "", 0 },         /* without its descriptor */
};

START_TEST(bad_frame_ends_the_link)
{
	struct buf b;
	int fd;

	link_listen(&spoke.link, listener());
	fd = call_in();
	link_set_state(&spoke.link, bad[_i].state);
	spoke.refuse = bad[_i].handler;
	buf_init(&b, 4096);
	frame_put(&b, &(struct frame){ .type = bad[_i].type, .body = slice_str(bad[_i].body) });
	say(fd, &b);
	UNTIL(spoke.downs == 1);
	UNTIL(ended(fd));
	close(fd);
	spoke.refuse = 0;
	close(call_in());
}
END_TEST

static const char *const garbage[] = { "GET / HTTP/1.0\r\n\r\n", "\0\0\0\1", "\xff\xff\xff\xff",
				       "\0\0\0\x14\0\7" };
static const size_t garbage_len[] = { 18, 4, 4, 24 };

START_TEST(garbage_disturbs_nobody)
{
	char bytes[24] = { 0 };
	int fd;

	both_up();
	fd = call();
	memcpy(bytes, garbage[_i], garbage_len[_i] == 24 ? 6 : garbage_len[_i]);
	ck_assert_int_eq(write(fd, bytes, garbage_len[_i]), (ssize_t)garbage_len[_i]);
	UNTIL(ended(fd));
	close(fd);
	link_send_short(&hub.link, MSG_DURABLE, 1, 0);
	UNTIL(buf_len(&spoke.heard) == 1);
	ck_assert_int_eq(spoke.ups, 1);
	ck_assert_int_eq(hub.downs + spoke.downs, 0);
}
END_TEST

START_TEST(stranger_is_refused)
{
	struct buf b;
	int fd;

	link_listen(&spoke.link, listener());
	fd = call();
	buf_init(&b, 4096);
	put_hello(&b, "clientd");
	say(fd, &b);
	UNTIL(ended(fd));
	ck_assert_int_eq(spoke.ups + spoke.mismatches, 0);
	close(fd);
}
END_TEST

START_TEST(mismatch_is_told)
{
	hub.identity.config_hash[0]++;
	link_listen(&spoke.link, listener());
	link_dial(&hub.link, "logd.link");
	UNTIL(spoke.mismatches > 0);
	ck_assert_int_eq(spoke.ups + hub.ups, 0);
}
END_TEST

START_TEST(newer_link_replaces_older)
{
	struct buf b;
	int older, newer;

	link_listen(&spoke.link, listener());
	older = call_in();
	newer = call_in();
	ck_assert_int_eq(spoke.downs, 1);
	UNTIL(ended(older));
	buf_init(&b, 4096);
	frame_put_short(&b, MSG_DURABLE, 4, 0);
	say(newer, &b);
	UNTIL(buf_len(&spoke.heard) == 1);
	close(older);
	close(newer);
}
END_TEST

START_TEST(nothing_of_the_older_is_acted_on)
{
	struct buf b;
	int older, newer;

	link_listen(&spoke.link, listener());
	older = call_in();
	newer = call();
	buf_init(&b, 4096);
	put_hello(&b, "syncd");
	say(newer, &b);
	/* Frames of the older one that arrive with or after the HELLO of the newer one may come first, but not later. */
	UNTIL(spoke.ups == 2);
	buf_init(&b, 4096);
	frame_put_short(&b, MSG_DURABLE, 4, 0);
	(void)!send(older, buf_head(&b), buf_len(&b), MSG_NOSIGNAL);
	run_for(20);
	ck_assert_uint_eq(buf_len(&spoke.heard), 0);
	buf_free(&b);
	close(older);
	close(newer);
}
END_TEST

START_TEST(dialler_comes_back)
{
	link_dial(&hub.link, "logd.link");
	UNTIL(hub.link.backoff_ms == LINK_REDIAL_MAX_MS);
	link_listen(&spoke.link, listener());
	UNTIL(hub.ups == 1 && spoke.ups == 1);
	run_for(LINK_REDIAL_MAX_MS + 20);
	link_drop(&spoke.link, "a test");
	UNTIL(hub.downs == 1);
	/* At once, for it had worked for long enough; the wait after that would be the first of the back-off. */
	ck_assert_uint_eq(hub.link.backoff_ms, LINK_REDIAL_FIRST_MS);
	UNTIL(hub.ups == 2 && spoke.ups == 2);
	ck_assert_int_eq(hub.downs, 1);
	ck_assert_int_eq(spoke.downs, 1);
}
END_TEST

START_TEST(dialler_backs_off)
{
	uint64_t start = clock_mono_ms();

	/* Nobody listens: the attempts are those of the back-off, not a busy loop. */
	link_dial(&hub.link, "logd.link");
	UNTIL(hub.link.backoff_ms == LINK_REDIAL_MAX_MS);
	/* 0, 5, 10, 20 ms, and the longest is next. */
	ck_assert_uint_ge(clock_mono_ms() - start, 30);
	link_listen(&spoke.link, listener());
	UNTIL(hub.ups == 1);
}
END_TEST

START_TEST(link_that_keeps_failing_is_not_redialled_in_a_loop)
{
	uint64_t start = clock_mono_ms();

	spoke.refuse = -EPROTO;
	link_listen(&spoke.link, listener());
	link_dial(&hub.link, "logd.link");
	while (hub.ups < 6 && clock_mono_ms() - start < GIVE_UP_MS) {
		link_send_short(&hub.link, MSG_DURABLE, 1, 1);
		ev_run(loop, EVRUN_ONCE);
	}
	ck_assert_int_eq(hub.ups, 6);
	/* 0, 5, 10, 20 and 40 ms between them. */
	ck_assert_uint_ge(clock_mono_ms() - start, 70);
}
END_TEST

START_TEST(waits_in_the_backlog)
{
	int door = listener();

	/* The listener is the supervisor's; the daemon behind it comes later. */
	link_dial(&hub.link, "logd.link");
	run_for(30);
	ck_assert_int_eq(hub.ups, 0);
	link_listen(&spoke.link, door);
	UNTIL(hub.ups == 1 && spoke.ups == 1);
	ck_assert_int_eq(hub.downs, 0);
}
END_TEST

START_TEST(sending_while_down_is_lost)
{
	int before = open_descriptors();

	link_send_short(&hub.link, MSG_DURABLE, 1, 1);
	link_send_fd(&hub.link, &(struct frame){ .type = MSG_LOAD_CHANNEL }, token('x'));
	ck_assert_int_eq(open_descriptors(), before);
	both_up();
	run_for(20);
	ck_assert_uint_eq(buf_len(&spoke.heard), 0);
}
END_TEST

START_TEST(descriptors_travel_with_their_frames)
{
	uint8_t *body = calloc(1, 300000);
	int before;

	both_up();
	before = open_descriptors();
	for (uint64_t i = 1; i <= 5; i++) {
		link_send(&hub.link, &(struct frame){ .type = MSG_DURABLE,
						      .seq = i,
						      .body = slice_of(body, 100000 * (i % 4)) });
		link_send_fd(&hub.link, &(struct frame){ .type = MSG_LOAD_CHANNEL, .seq = 10 + i },
			     token((char)('a' + i)));
	}
	UNTIL(buf_len(&spoke.heard) == 15);
	for (int i = 0; i < 5; i++) {
		const uint8_t *h = buf_head(&spoke.heard) + 3 * i;
		ck_assert_uint_eq(h[0], i + 1);
		ck_assert_uint_eq(h[1], 11 + i);
		ck_assert_uint_eq(h[2], 'b' + i);
	}
	ck_assert_int_eq(open_descriptors(), before);
	free(body);
}
END_TEST

START_TEST(descriptor_nobody_wants_is_closed)
{
	int before;

	both_up();
	before = open_descriptors();
	spoke.leave_fd = true;
	link_send_fd(&hub.link, &(struct frame){ .type = MSG_LOAD_CHANNEL, .seq = 1 }, token('x'));
	UNTIL(buf_len(&spoke.heard) == 1);
	ck_assert_int_eq(open_descriptors(), before);
	ck_assert_int_eq(spoke.downs, 0);
}
END_TEST

START_TEST(unexpected_descriptor_ends_the_link)
{
	int before;

	both_up();
	before = open_descriptors();
	link_send_fd(&hub.link, &(struct frame){ .type = MSG_DURABLE, .seq = 1 }, token('x'));
	UNTIL(spoke.downs == 1);
	UNTIL(hub.ups == 2 && spoke.ups == 2);
	ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(descriptors_in_flight_are_not_leaked)
{
	uint8_t *body = calloc(1, 4 << 20);
	int before;

	both_up();
	before = open_descriptors();
	/* They wait behind output that nobody reads when the link ends. */
	link_send(&hub.link, &(struct frame){ .type = MSG_DURABLE, .body = slice_of(body, 4 << 20) });
	for (int i = 0; i < 3; i++)
		link_send_fd(&hub.link, &(struct frame){ .type = MSG_LOAD_CHANNEL }, token('x'));
	link_drop(&hub.link, "a test");
	UNTIL(hub.ups == 2 && spoke.ups == 2);
	ck_assert_int_eq(open_descriptors(), before);
	free(body);
}
END_TEST

START_TEST(too_many_descriptors_end_the_link)
{
	enum { MANY = STREAM_FDS_MAX + 4 };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * MANY)];
	} space;
	struct iovec iov = { (void *)"\0", 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space
	};
	int fds[MANY], fd, before;

	link_listen(&spoke.link, listener());
	fd = call_in();
	before = open_descriptors();
	for (int i = 0; i < MANY; i++)
		fds[i] = token('x');
	memset(&space, 0, sizeof space);
	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, sizeof fds);
	ck_assert_int_eq(sendmsg(fd, &m, 0), 1);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	UNTIL(spoke.downs == 1);
	/* The connection itself is gone too. */
	ck_assert_int_eq(open_descriptors(), before - 1);
	close(fd);
}
END_TEST

START_TEST(flood_over_the_limit_ends_the_link)
{
	static uint8_t body[1 << 16];
	int fd;

	spoke.link.out_max = 1 << 20;
	link_listen(&spoke.link, listener());
	fd = call_in();
	/* The other side reads nothing. */
	for (int i = 0; i < 200 && spoke.downs == 0; i++) {
		link_send(&spoke.link,
			  &(struct frame){ .type = MSG_COMMIT, .body = slice_of(body, sizeof body) });
		ev_run(loop, EVRUN_NOWAIT);
	}
	ck_assert_int_eq(spoke.downs, 1);
	ck_assert_uint_eq(link_backlog(&spoke.link), 0);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("link");
	TCase *tc = tcase_create("link");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, hello_both_ways);
	tcase_add_test(tc, frames_in_order_both_ways);
	tcase_add_test(tc, large_frames_pass_a_full_socket);
	tcase_add_test(tc, body_written_in_place);
	tcase_add_test(tc, byte_by_byte);
	tcase_add_test(tc, half_a_frame_and_the_end);
	tcase_add_loop_test(tc, bad_frame_ends_the_link, 0, (int)(sizeof bad / sizeof *bad));
	tcase_add_loop_test(tc, garbage_disturbs_nobody, 0, 4);
	tcase_add_test(tc, stranger_is_refused);
	tcase_add_test(tc, mismatch_is_told);
	tcase_add_test(tc, newer_link_replaces_older);
	tcase_add_test(tc, nothing_of_the_older_is_acted_on);
	tcase_add_test(tc, dialler_comes_back);
	tcase_add_test(tc, dialler_backs_off);
	tcase_add_test(tc, link_that_keeps_failing_is_not_redialled_in_a_loop);
	tcase_add_test(tc, waits_in_the_backlog);
	tcase_add_test(tc, sending_while_down_is_lost);
	tcase_add_test(tc, descriptors_travel_with_their_frames);
	tcase_add_test(tc, descriptor_nobody_wants_is_closed);
	tcase_add_test(tc, unexpected_descriptor_ends_the_link);
	tcase_add_test(tc, descriptors_in_flight_are_not_leaked);
	tcase_add_test(tc, too_many_descriptors_end_the_link);
	tcase_add_test(tc, flood_over_the_limit_ends_the_link);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
