/*
 * What clients and syncd say to clientd's front. The first byte says how to begin (bit 0: txns commit at
 * once, bit 1: the clients have sessions, bit 2: no link yet, bits 3 to 5: a role other than standalone, bit 6: local
 * sessions); then follow steps: a byte that names one, and what it takes. Whatever they say, a client that behaves is
 * still answered at the end, as long as syncd behaved too. Of a learner the target is the leader: it refuses
 * every write, and opens every session.
 */
#include "fuzz.h"

#include <string.h>

#include "base/bytes.h"
#include "tests/unit/front_world.h"
#include "jute/records.h"

enum { TALKERS = 2 };

struct input {
	const uint8_t *p, *end;
};

static uint8_t
take_byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static struct slice
take_bytes(struct input *in, size_t n)
{
	size_t left = (size_t)(in->end - in->p);
	struct slice s = slice_of(in->p, n < left ? n : left);

	in->p += s.len;
	return s;
}

static void
say(struct world *w, struct world_client *c, struct slice bytes)
{
	if (!c->closed && c->reads)
		world_input(w, c, bytes);
}

static void
say_connect(struct world *w, struct world_client *c)
{
	static const uint8_t passwd[16];
	struct jute_connect_request rq = { .time_out = 30000,
					   .passwd = slice_of(passwd, 16),
					   .has_read_only = true };
	struct buf b;

	buf_init(&b, 100);
	buf_put_be32(&b, 45);
	jute_write_connect_request(&b, &rq);
	say(w, c, buf_slice(&b));
	buf_free(&b);
}

/* A request whose frame and header are right. */
static void
say_request(struct world *w, struct world_client *c, struct input *in)
{
	uint8_t op = take_byte(in);
	struct slice body = take_bytes(in, take_byte(in));
	struct buf b;

	buf_init(&b, 400);
	buf_put_be32(&b, (uint32_t)(8 + body.len));
	buf_put_be32(&b, 1);
	buf_put_be32(&b, op >= 240 ? (uint32_t)((int32_t)op - 256) : op);
	buf_put_slice(&b, body);
	say(w, c, buf_slice(&b));
	buf_free(&b);
}

static void
say_frame(struct world *w, struct input *in, bool bulk)
{
	uint8_t type = take_byte(in);
	uint64_t seq = w->keep_frames ? take_byte(in) : 1;
	uint64_t zxid = w->proposed + take_byte(in) - 4;
	struct slice body = take_bytes(in, take_byte(in));

	if (bulk)
		world_bulk(w, type, zxid, body);
	else
		world_frame(w, type, seq, zxid, body);
}

/* The leader's answer to one frame of a learner. */
static void
answer(struct world *w, const struct frame *f)
{
	struct jute_txn_header h = { .zxid = (int64_t)w->committed + 1, .type = ZK_OP_ERROR };
	struct jute_id_vec ids;
	struct jute_reader r;
	struct arena arena;
	struct buf b;

	arena_init(&arena, 1 << 20);
	buf_init(&b, 1 << 20);
	jute_reader_init(&r, f->body, UINT32_MAX);
	jute_read_long(&r);
	if (f->type == MSG_REQUEST) {
		FUZZ_CHECK(jute_read_id_vec(&r, &arena, &ids));
		h.client_id = jute_read_long(&r);
		h.cxid = jute_read_int(&r);
		if (jute_read_int(&r) == ZK_OP_CREATE_SESSION)
			h.type = ZK_OP_CREATE_SESSION;
		FUZZ_CHECK(jute_ok(&r));
		jute_write_txn_header(&b, &h);
		jute_write_int(&b, h.type == ZK_OP_ERROR ? ZK_NONODE : 30000);
		world_frame(w, MSG_COMMIT, 0, (uint64_t)h.zxid, buf_slice(&b));
	} else if (f->type == MSG_SYNC) {
		world_frame(w, MSG_SYNC, f->seq, 0, SLICE_NULL);
	} else if (f->type == MSG_REVALIDATE) {
		jute_write_long(&b, 0);
		jute_write_long(&b, jute_read_long(&r));
		jute_write_bool(&b, true);
		world_frame(w, MSG_REVALIDATE, f->seq, 0, buf_slice(&b));
	}
	buf_free(&b);
	arena_free(&arena);
}

/* The leader of a learner does what it was asked. */
static void
lead(struct world *w)
{
	struct frame f;
	int64_t n;

	while ((n = frame_parse(buf_slice(&w->frames), &f)) > 0) {
		struct buf copy;

		buf_init(&copy, 1 << 20);
		buf_put_slice(&copy, f.body);
		f.body = buf_slice(&copy);
		buf_consume(&w->frames, (size_t)n);
		answer(w, &f);
		buf_free(&copy);
		world_run(w);
	}
}

/* False once syncd has said something of its own. */
static bool
take_step(struct world *w, struct input *in)
{
	uint8_t what = take_byte(in);
	struct world_client *c = &w->clients[what >> 7];

	switch (what & 7) {
	case 0:
	case 1:
		say(w, c, take_bytes(in, take_byte(in)));
		break;
	case 2:
	case 3:
		say_request(w, c, in);
		break;
	case 4:
		if (w->keep_frames)
			lead(w);
		else if (w->proposed > w->committed)
			world_commit(w);
		break;
	case 5:
		world_sleep(w, 64 * (uint64_t)take_byte(in));
		break;
	default:
		say_frame(w, in, what & 1);
		return false;
	}
	world_run(w);
	return true;
}

static void
check_served(struct world *w)
{
	struct world_client *c = world_connect(w);

	w->auto_commit = !w->keep_frames;
	world_run(w);
	if (w->keep_frames)
		lead(w);
	say_connect(w, c);
	world_run(w);
	if (w->keep_frames)
		lead(w);
	FUZZ_CHECK(!c->closed && buf_len(&c->got) == 41);
}

/* A member of an ensemble in which nothing has happened. True when its clients are to be served. */
static bool
serve_as(struct world *w, Zkd__RoleState state)
{
	Zkd__Role role = ZKD__ROLE__INIT;

	w->keep_frames = state != ZKD__ROLE_STATE__ROLE_LEADER;
	world_link_up(w);
	role.state = state;
	role.sid = 2;
	world_role_of(w, &role);
	world_frame(w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(w, MSG_BULK_END, 0, SLICE_NULL);
	buf_reset(&w->frames, 0);
	return state != ZKD__ROLE_STATE__ROLE_LOOKING && state != ZKD__ROLE_STATE__ROLE_READONLY;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct input in = { data, data + size };
	struct front_config config;
	uint8_t how = take_byte(&in);
	bool behaved = (how & 4) == 0;
	uint8_t part = how >> 3 & 7;

	world_config(&w, &config);
	w.trace.least = TRACE_WARNING;
	w.unchecked = true;
	config.local_sessions = config.upgrade_sessions = how >> 6 & 1;
	world_open(&w, &config);
	if (behaved && part >= 1 && part <= 5)
		behaved = serve_as(&w, (Zkd__RoleState)(part - 1));
	else if (behaved)
		world_serve(&w);
	for (int i = 0; i < TALKERS; i++) {
		world_connect(&w);
		if (how & 2) {
			say_connect(&w, &w.clients[i]);
			if (w.keep_frames)
				lead(&w);
			else
				world_commit(&w);
		}
	}
	w.auto_commit = (how & 1) && !w.keep_frames;
	while (in.p < in.end)
		behaved &= take_step(&w, &in);
	if (behaved)
		check_served(&w);
	world_close(&w);
	return 0;
}
