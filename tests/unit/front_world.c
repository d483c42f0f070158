/* See front_world.h. */
#include "front_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { GOT_MAX = 256 << 20 };

static void
keep_trace(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	struct world *w = (struct world *)((char *)t - offsetof(struct world, trace));

	(void)room;
	if (level < TRACE_WARNING)
		return;
	snprintf(w->traced, sizeof w->traced, "%s %s", event, text);
	w->warnings++;
}

void
world_config(struct world *w, struct front_config *config)
{
	memset(w, 0, sizeof *w);
	w->now_ms = 1000000;
	w->wall_ms = 1700000000000;
	w->trace = (struct trace){ .least = TRACE_DEBUG, .emit = keep_trace };
	buf_init(&w->txns, GOT_MAX);
	buf_init(&w->snapshot, GOT_MAX);
	buf_init(&w->frames, GOT_MAX);
	*config = (struct front_config){
		.tick_ms = 2000,
		.min_session_ms = 4000,
		.max_session_ms = 40000,
		.max_per_address = 0,
		.frame_max = 0xfffff,
		.silent_ms = 10000,
		.container_check_ms = 60000,
		.container_max_per_minute = 10000,
		.words = "*",
		.version = "3.9.5-test",
		.conf = "clientPort=2181\n",
		.environment = "os.name=Linux\n",
		.trace = &w->trace,
	};
	tree_config_init(&config->tree);
	config->tree.trace = &w->trace;
}

void
world_open(struct world *w, const struct front_config *config)
{
	w->front = front_create(config);
}

static struct front_event
event(const struct world *w, enum front_event_type type)
{
	return (struct front_event){ .type = type, .now_ms = w->now_ms, .wall_ms = w->wall_ms };
}

static void
step_conn(struct world *w, enum front_event_type type, struct world_client *c, size_t count)
{
	struct front_event e = event(w, type);

	e.conn = c->conn;
	e.count = count;
	front_step(w->front, &e);
}

static void
flush_client(struct world *w, struct world_client *c)
{
	struct slice out = front_output(c->conn);

	if (c->stuck || out.len == 0)
		return;
	buf_put_slice(&c->got, out);
	c->taken += out.len;
	step_conn(w, FRONT_WROTE, c, out.len);
}

static void
take_proposal(struct world *w, const struct frame *f)
{
	struct frame kept = { .type = MSG_BULK_TXN, .zxid = f->zxid, .body = f->body };

	if (f->zxid != w->proposed + 1 && !w->unchecked)
		abort();
	w->proposed = f->zxid;
	frame_put(&w->txns, &kept);
}

static void
take_frames(struct world *w)
{
	struct buf *link = front_link(w->front);
	struct frame f;
	int64_t n;

	while ((n = frame_parse(buf_slice(link), &f)) > 0) {
		if (w->nsaid == WORLD_FRAMES)
			w->nsaid = 0;
		w->said[w->nsaid].type = f.type;
		w->said[w->nsaid].seq = f.seq;
		w->said[w->nsaid++].zxid = f.zxid;
		if (f.type == MSG_PROPOSE)
			take_proposal(w, &f);
		if (w->keep_frames)
			frame_put(&w->frames, &f);
		buf_consume(link, (size_t)n);
	}
	if (n < 0 || buf_len(link) != 0)
		abort();
}

static void
take_snapshot(struct world *w)
{
	struct slice out = front_snapshot_output(w->front);
	struct front_event e = event(w, FRONT_SNAPSHOT_WROTE);

	buf_put_slice(&w->snapshot, out);
	e.count = out.len;
	front_step(w->front, &e);
}

static void
take_action(struct world *w, const struct front_action *a)
{
	struct world_client *c = a->owner;

	switch (a->type) {
	case FRONT_ADOPT:
		c->conn = a->conn;
		break;
	case FRONT_WRITE:
		flush_client(w, c);
		break;
	case FRONT_READ:
		c->reads = a->on;
		break;
	case FRONT_CLOSE:
		c->closed = true;
		c->conn = NULL;
		break;
	case FRONT_SEND:
		take_frames(w);
		break;
	case FRONT_LINK_BAD:
		w->link_bad = a->why;
		break;
	case FRONT_SNAPSHOT_WRITE:
		take_snapshot(w);
		break;
	case FRONT_SNAPSHOT_CLOSE:
		w->snapshot_closed = true;
		break;
	case FRONT_LOAD_CLOSE:
		w->load_closed = true;
		break;
	}
}

void
world_run(struct world *w)
{
	struct front_action a;

	do {
		while (front_next(w->front, &a))
			take_action(w, &a);
		if (w->auto_commit && w->committed < w->proposed)
			world_frame(w, MSG_COMMIT, 0, w->proposed, SLICE_NULL);
	} while (w->auto_commit && w->committed < w->proposed);
	front_deadline(w->front);
}

void
world_frame(struct world *w, uint16_t type, uint64_t seq, uint64_t zxid, struct slice body)
{
	struct front_event e = event(w, FRONT_FRAME);
	struct front_action a;

	if (type == MSG_COMMIT)
		w->committed = zxid;
	e.frame = (struct frame){ .type = type, .seq = seq, .zxid = zxid, .body = body };
	front_step(w->front, &e);
	while (front_next(w->front, &a))
		take_action(w, &a);
}

void
world_bulk(struct world *w, uint16_t type, uint64_t zxid, struct slice body)
{
	struct front_event e = event(w, FRONT_BULK);

	e.frame = (struct frame){ .type = type, .zxid = zxid, .body = body };
	front_step(w->front, &e);
	world_run(w);
}

void
world_role_of(struct world *w, const Zkd__Role *r)
{
	Zkd__Role role = *r;
	struct frame f;
	struct buf out;

	role.window_txns = r->window_txns == 0 ? 1000 : r->window_txns;
	role.window_bytes = 64 << 20;
	buf_init(&out, 4096);
	proto_put(&out, MSG_ROLE, ++w->role, 0, &role.base);
	frame_parse(buf_slice(&out), &f);
	w->proposed = r->proposed;
	w->committed = r->committed;
	world_frame(w, MSG_ROLE, w->role, 0, f.body);
	buf_free(&out);
}

void
world_role(struct world *w, uint64_t proposed, uint64_t committed, uint32_t window)
{
	Zkd__Role role = ZKD__ROLE__INIT;

	role.state = ZKD__ROLE_STATE__ROLE_LEADER;
	role.standalone = 1;
	role.epoch = (uint32_t)(proposed >> 32);
	role.proposed = proposed;
	role.committed = committed;
	role.window_txns = window;
	world_role_of(w, &role);
}

void
world_link_up(struct world *w)
{
	struct front_event e = event(w, FRONT_LINK_UP);

	front_step(w->front, &e);
}

void
world_serve(struct world *w)
{
	world_link_up(w);
	world_role(w, 0, 0, 1000);
	world_frame(w, MSG_LOAD_CHANNEL, 0, 0, SLICE_NULL);
	world_bulk(w, MSG_BULK_END, 0, SLICE_NULL);
}

void
world_close(struct world *w)
{
	struct front_event e = event(w, FRONT_LINK_DOWN);

	front_step(w->front, &e);
	world_run(w);
	for (int i = 0; i < w->nclients; i++)
		buf_free(&w->clients[i].got);
	front_destroy(w->front);
	buf_free(&w->txns);
	buf_free(&w->snapshot);
	buf_free(&w->frames);
}

void
world_commit(struct world *w)
{
	world_frame(w, MSG_COMMIT, 0, w->proposed, SLICE_NULL);
	world_run(w);
}

void
world_sleep(struct world *w, uint64_t ms)
{
	uint64_t end = w->now_ms + ms;

	while (w->now_ms < end) {
		uint64_t due = front_deadline(w->front), next = due < end ? due : end;

		if (next <= w->now_ms)
			next = w->now_ms + 1;
		w->wall_ms += (int64_t)(next - w->now_ms);
		w->now_ms = next;
		struct front_event e = event(w, FRONT_TICK);
		front_step(w->front, &e);
		world_run(w);
	}
}

static struct world_client *
new_client(struct world *w)
{
	for (int i = 0; i < w->nclients; i++) {
		struct world_client *c = &w->clients[i];

		if (c->spare && c->closed) {
			buf_free(&c->got);
			return c;
		}
	}
	if (w->nclients == WORLD_CLIENTS)
		abort();
	return &w->clients[w->nclients++];
}

struct world_client *
world_connect(struct world *w)
{
	struct front_peer peer = { .address = { 10, 0, 0, 1 },
				   .address_len = 4,
				   .port = (uint16_t)(1000 + w->nclients) };
	struct world_client *c = new_client(w);
	struct front_event e = event(w, FRONT_OPENED);

	strcpy(peer.text, "10.0.0.1");
	*c = (struct world_client){ .reads = true };
	buf_init(&c->got, GOT_MAX);
	e.owner = c;
	e.peer = &peer;
	front_step(w->front, &e);
	world_run(w);
	return c;
}

void
world_input(struct world *w, struct world_client *c, struct slice bytes)
{
	struct front_event e = event(w, FRONT_INPUT);

	while (bytes.len > 0 && !c->closed && c->reads) {
		e.conn = c->conn;
		e.bytes = slice_of(bytes.data, bytes.len < FRONT_READ_MAX ? bytes.len : FRONT_READ_MAX);
		front_step(w->front, &e);
		world_run(w);
		bytes.data += e.bytes.len;
		bytes.len -= e.bytes.len;
	}
}

void
world_hangup(struct world *w, struct world_client *c)
{
	step_conn(w, FRONT_HANGUP, c, 1);
	world_run(w);
}

void
world_unstick(struct world *w, struct world_client *c)
{
	c->stuck = false;
	while (!c->closed && front_output(c->conn).len > 0) {
		flush_client(w, c);
		world_run(w);
	}
}
