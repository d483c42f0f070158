/*
 * What clients and syncd say to clientd's front. The first byte says how to begin (bit 0: txns commit at
 * once, bit 1: the clients have sessions, bit 2: no link yet); then follow steps: a byte that names one,
 * and what it takes. Whatever they say, a client that behaves is still answered at the end, as long as
 * syncd behaved too.
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
	uint64_t zxid = w->proposed + take_byte(in) - 4;
	struct slice body = take_bytes(in, take_byte(in));

	if (bulk)
		world_bulk(w, type, zxid, body);
	else
		world_frame(w, type, 1, zxid, body);
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
		if (w->proposed > w->committed)
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

	w->auto_commit = true;
	world_run(w);
	say_connect(w, c);
	world_run(w);
	FUZZ_CHECK(!c->closed && buf_len(&c->got) == 41);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct input in = { data, data + size };
	struct front_config config;
	uint8_t how = take_byte(&in);
	bool behaved = (how & 4) == 0;

	world_config(&w, &config);
	w.trace.least = TRACE_WARNING;
	w.unchecked = true;
	world_open(&w, &config);
	if (behaved)
		world_serve(&w);
	for (int i = 0; i < TALKERS; i++) {
		world_connect(&w);
		if (how & 2) {
			say_connect(&w, &w.clients[i]);
			world_commit(&w);
		}
	}
	w.auto_commit = how & 1;
	while (in.p < in.end)
		behaved &= take_step(&w, &in);
	if (behaved)
		check_served(&w);
	world_close(&w);
	return 0;
}
