/* See zab_net.h. What is queued is owned by its queue until it is delivered. */
#include "zab_net.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "disk/snapshot.h"
#include "ear.h"
#include "ipc/frame.h"
#include "syncd/packet.h"

struct net net;

/* ZAB_NET_TRACE in the environment: each decision on stderr. */
static void
print_trace(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	ear.emit(&ear, level, room, event, text);
	if (getenv("ZAB_NET_TRACE") == NULL)
		return;
	fprintf(stderr, "%6llu n%d %-20s %s\n", (unsigned long long)net.now_ms,
		(int)(container_of(t, struct net_node, trace) - net.nodes), event, text);
}

/* Queues */

static void
queue_put(struct net_queue *q, const struct zab_event *e)
{
	struct net_event *n;

	if (q->tail == q->cap) {
		q->cap = q->cap == 0 ? 64 : 2 * q->cap;
		q->events = realloc(q->events, q->cap * sizeof *q->events);
		ck_assert_ptr_nonnull(q->events);
	}
	n = &q->events[q->tail++];
	*n = (struct net_event){ .event = *e };
	if (e->frame.body.len > 0) {
		n->body = malloc(e->frame.body.len);
		memcpy(n->body, e->frame.body.data, e->frame.body.len);
		n->event.frame.body.data = n->body;
	} else if (e->frame.body.data != NULL) {
		n->event.frame.body = SLICE_LIT("");
	}
}

static void
queue_clear(struct net_queue *q)
{
	for (size_t i = 0; i < q->tail; i++)
		free(q->events[i].body);
	free(q->events);
	memset(q, 0, sizeof *q);
}

static void
tell_frame(struct net_node *n, enum zab_link link, uint16_t type, uint16_t flags, uint64_t seq, uint64_t zxid)
{
	struct zab_event e = { .type = ZAB_FRAME, .link = link, .fd = -1 };

	e.frame = (struct frame){ .type = type, .flags = flags, .seq = seq, .zxid = zxid };
	e.disk = (struct zab_disk){ .failed = n->disk_failed, .error = n->disk_failed ? "EIO" : "" };
	queue_put(&n->inbox, &e);
}

void
net_frame(int sid, enum zab_link link, uint16_t type, uint16_t flags, uint64_t seq, uint64_t zxid,
	  struct slice body)
{
	struct zab_event e = { .type = ZAB_FRAME, .link = link, .fd = -1 };

	e.frame = (struct frame){ .type = type, .flags = flags, .seq = seq, .zxid = zxid, .body = body };
	e.disk = (struct zab_disk){ .failed = net.nodes[sid].disk_failed, .error = "" };
	net_step(sid, &e);
}

/* logd */

static uint64_t
log_end(const struct net_node *n, size_t count)
{
	return count == 0 ? n->base : n->log[count - 1].zxid;
}

static size_t
log_after(const struct net_node *n, uint64_t zxid)
{
	size_t i = 0;

	while (i < n->ndurable && n->log[i].zxid <= zxid)
		i++;
	return i;
}

static size_t
txn_body(const struct net_txn *t, uint8_t *out)
{
	size_t len = t->text == NULL ? 0 : strlen(t->text);

	memset(out, 0, NET_TXN_BYTES);
	put_be64(out + 12, t->zxid);
	put_be32(out + 28, t->type);
	if (t->text == NULL) {
		put_be64(out + 40, t->value);
		return NET_TXN_BYTES;
	}
	put_be32(out + 32, 0);
	put_be32(out + 36, (uint32_t)len);
	memcpy(out + 40, t->text, len);
	put_be32(out + 40 + len, 0);
	return 44 + len;
}

static void
log_append(struct net_node *n, uint64_t zxid, struct slice body)
{
	struct net_txn *t = &n->log[n->nlog++];

	ck_assert_uint_lt(n->nlog, NET_LOG);
	ck_assert_uint_gt(zxid, log_end(n, n->nlog - 1));
	ck_assert_uint_eq(get_be64(body.data + 12), zxid);
	*t = (struct net_txn){ .zxid = zxid, .type = get_be32(body.data + 28) };
	if (t->type == 16)
		t->text = strndup((const char *)body.data + 40, get_be32(body.data + 36));
	else
		t->value = get_be64(body.data + 40);
}

static void
log_drop(struct net_node *n, size_t keep)
{
	while (n->nlog > keep)
		free(n->log[--n->nlog].text);
}

static void
log_sync(struct net_node *n)
{
	if (n->ndurable == n->nlog || n->disk_failed || n->logd_stuck || !n->logd_up)
		return;
	n->ndurable = n->nlog;
	tell_frame(n, ZAB_LOGD, MSG_DURABLE, 0, 0, log_end(n, n->nlog));
}

static void
log_truncate(struct net_node *n, const struct frame *f)
{
	n->truncates++;
	if (n->refuse_truncate || f->zxid < n->base) {
		tell_frame(n, ZAB_LOGD, MSG_TRUNCATE, STORE_REFUSED, f->seq, 0);
		return;
	}
	while (n->nlog > 0 && n->log[n->nlog - 1].zxid > f->zxid)
		log_drop(n, n->nlog - 1);
	n->ndurable = n->nlog;
	tell_frame(n, ZAB_LOGD, MSG_TRUNCATE, 0, f->seq, log_end(n, n->nlog));
}

static void
channel_put(struct net_channel *c, uint16_t type, uint64_t zxid, struct slice body)
{
	struct zab_event e = { .type = ZAB_CHANNEL_FRAME, .fd = -1 };

	e.frame = (struct frame){ .type = type, .zxid = zxid, .body = body };
	queue_put(&c->frames, &e);
}

/* A snapshot as a file: the root, and a node that says which one it is. */
static void
put_snapshot(struct net_channel *c, uint64_t zxid)
{
	struct snapshot_writer w;
	struct buf file;
	char text[20000];
	int len = snprintf(text, sizeof text, "%0*llx", (int)sizeof text - 1, (unsigned long long)zxid);

	buf_init(&file, 1 << 20);
	snapshot_writer_init(&w, &file);
	snapshot_write_header(&w);
	snapshot_write_sessions(&w, 0);
	snapshot_write_acls(&w, 0);
	snapshot_write_node(&w, &(struct snapshot_node){ .path = SLICE_LIT(""), .acl = SNAPSHOT_ACL_OPEN });
	snapshot_write_node(&w, &(struct snapshot_node){ .path = SLICE_LIT("/n"),
							 .data = slice_of(text, (size_t)len),
							 .acl = SNAPSHOT_ACL_OPEN });
	snapshot_write_end(&w);
	channel_put(c, MSG_BULK_SNAPSHOT, zxid, SLICE_NULL);
	for (size_t off = 0; off < buf_len(&file); off += 1000) {
		size_t left = buf_len(&file) - off;

		channel_put(c, MSG_BULK_DATA, 0, slice_of(buf_head(&file) + off, left < 1000 ? left : 1000));
	}
	channel_put(c, MSG_BULK_SNAPSHOT_END, 0, SLICE_NULL);
	buf_free(&file);
}

static void
fill_channel(struct net_node *n, struct net_channel *c, const struct frame *f)
{
	bool have = (f->flags & LOAD_HAVE_TREE) != 0 && f->zxid >= n->oldest && !n->snapshots_for_learners;
	uint64_t from = have ? f->zxid : n->snapshot;
	uint8_t body[1024];

	if (!have)
		put_snapshot(c, n->snapshot);
	else if ((f->flags & LOAD_LEARNER) != 0)
		channel_put(c, MSG_BULK_LOG, log_end(n, log_after(n, f->zxid)), SLICE_NULL);
	for (size_t i = log_after(n, from); i < n->ndurable; i++)
		channel_put(c, MSG_BULK_TXN, n->log[i].zxid, slice_of(body, txn_body(&n->log[i], body)));
	channel_put(c, MSG_BULK_END, log_end(n, n->ndurable), SLICE_NULL);
}

static void
log_load(struct net_node *n, const struct frame *f)
{
	struct zab_event e = { .type = ZAB_FRAME, .link = ZAB_LOGD };
	int i = 0;

	n->loads++;
	while (n->channels[i].open)
		i++;
	ck_assert_int_lt(i, 16);
	n->channels[i] = (struct net_channel){ .open = true };
	fill_channel(n, &n->channels[i], f);
	e.fd = i;
	e.frame = (struct frame){ .type = MSG_LOAD_CHANNEL, .seq = f->seq };
	queue_put(&n->inbox, &e);
}

static void
keep_members(struct net_node *n, struct slice text)
{
	buf_reset(&n->members, 0);
	buf_put_slice(&n->members, text);
}

static void
logd_gets(struct net_node *n, const struct frame *f)
{
	if (n->logd_stuck)
		return;
	if (f->type == MSG_APPEND)
		log_append(n, f->zxid, f->body);
	else if (f->type == MSG_TRUNCATE)
		log_truncate(n, f);
	else if (f->type == MSG_LOAD)
		log_load(n, f);
	else if (f->type == MSG_CONFIG)
		keep_members(n, f->body);
	else
		ck_abort_msg("logd got %u", f->type);
}

static void
store_epochs(struct net_node *n, const struct zab_action *a)
{
	if (n->logd_stuck)
		return;
	if (!n->refuse_epochs) {
		n->epochs = a->epochs;
		if (a->epochs.accepted == a->epochs.current)
			n->partial = false;
	}
	tell_frame(n, ZAB_LOGD, MSG_EPOCHS, n->refuse_epochs ? STORE_REFUSED : 0, a->frame.seq, 0);
}

/* What came over the channel of INSTALL is whole or not. */
static void
finish_install(struct net_node *n)
{
	struct slice in = buf_slice(&n->install);
	struct snapshot_reader r;
	uint64_t zxid = 0;
	bool whole = false;
	struct frame f;
	int64_t size;

	snapshot_reader_init(&r, SNAPSHOT_STREAM, &(struct snapshot_events){ NULL }, NULL);
	while ((size = frame_parse(in, &f)) > 0) {
		if (f.type == MSG_BULK_SNAPSHOT)
			zxid = f.zxid;
		if (f.type == MSG_BULK_DATA)
			ck_assert_int_eq(snapshot_reader_feed(&r, f.body), (int64_t)f.body.len);
		if (f.type == MSG_BULK_SNAPSHOT_END)
			whole = snapshot_reader_done(&r);
		in = slice_of(in.data + size, in.len - (size_t)size);
	}
	snapshot_reader_free(&r);
	buf_reset(&n->install, 0);
	if (!whole || n->refuse_install || n->logd_stuck) {
		if (!n->logd_stuck)
			tell_frame(n, ZAB_LOGD, MSG_INSTALL, STORE_REFUSED, n->install_seq, 0);
		return;
	}
	n->installs++;
	n->partial |= log_end(n, n->nlog) > zxid;
	log_drop(n, 0);
	n->ndurable = 0;
	n->base = n->snapshot = n->oldest = zxid;
	tell_frame(n, ZAB_LOGD, MSG_INSTALL, 0, n->install_seq, zxid);
}

/* clientd */

static void
clientd_gets(struct net_node *n, const struct frame *f)
{
	struct zab_event e = { .type = ZAB_FRAME, .fd = -1, .frame = *f };

	if (f->type == MSG_LOAD_CHANNEL) {
		if (!n->clientd_lazy)
			tell_frame(n, ZAB_CLIENTD, MSG_READY, 0, 0, log_end(n, n->ndurable));
		n->ready = !n->clientd_lazy;
	} else if (f->type == MSG_COMMIT) {
		ck_assert_uint_gt(f->zxid, n->applied);
		n->applied = f->zxid;
		ck_assert_int_ne(n->role.role, ZAB_LOOKING);
		if (n->role.role != ZAB_LEADER && f->zxid > n->role.proposed) {
			ck_assert_uint_ge(f->body.len, 40);
			ck_assert_uint_eq(get_be64(f->body.data + 12), f->zxid);
			n->bodies[n->nbodies++] = f->zxid;
		} else {
			ck_assert_uint_eq(f->body.len, 0);
		}
	} else {
		queue_put(&n->asked, &e);
	}
}

static void
take_role(struct net_node *n, const struct zab_role_told *r)
{
	n->role = *r;
	n->ready = false;
	n->applied = r->committed;
	if (n->clientd_lazy)
		return;
	tell_frame(n, ZAB_CLIENTD, MSG_ROLE_ACK, 0, r->number, 0);
	tell_frame(n, ZAB_CLIENTD, MSG_LOAD, 0, 0, 0);
}

const struct net_event *
net_asked(int sid, uint16_t type)
{
	struct net_queue *q = &net.nodes[sid].asked;

	while (q->head < q->tail) {
		const struct net_event *e = &q->events[q->head++];

		if (e->event.frame.type == type)
			return e;
	}
	return NULL;
}

/* Connections */

static struct net_pipe *
pipe_of(int sid, uint32_t peer, int *end)
{
	for (size_t i = 0; i < sizeof net.pipes / sizeof net.pipes[0]; i++)
		for (*end = 0; *end < 2; (*end)++)
			if (net.pipes[i].used && net.pipes[i].node[*end] == sid &&
			    net.pipes[i].peer[*end] == peer)
				return &net.pipes[i];
	return NULL;
}

struct net_pipe *
net_find_pipe(int a, int b)
{
	for (size_t i = 0; i < sizeof net.pipes / sizeof net.pipes[0]; i++) {
		struct net_pipe *p = &net.pipes[i];

		if (p->used && ((p->node[0] == a && p->node[1] == b) || (p->node[0] == b && p->node[1] == a)))
			return p;
	}
	return NULL;
}

static void
tell_peer(int sid, enum zab_event_type type, uint32_t peer, uint32_t attempt)
{
	struct zab_event e = { .type = type, .fd = -1, .peer = peer, .attempt = attempt };

	if (sid != 0 && net.nodes[sid].alive)
		queue_put(&net.nodes[sid].inbox, &e);
}

static void
dial(struct net_node *n, const struct zab_action *a)
{
	int to = (int)a->dial.sid;
	struct net_pipe *p = net.pipes;

	if (net.fake[to]) {
		while (p->used)
			p++;
		*p = (struct net_pipe){ .used = true, .node = { n->sid, 0 } };
		net.dialled = p->peer[0] = ++net.next_peer;
		tell_peer(n->sid, ZAB_PEER_OPENED, p->peer[0], a->dial.attempt);
		return;
	}
	if (!net.nodes[to].alive || net.dial_refused[to]) {
		tell_peer(n->sid, ZAB_DIAL_FAILED, 0, a->dial.attempt);
		return;
	}
	while (p->used)
		p++;
	*p = (struct net_pipe){ .used = true, .node = { n->sid, to } };
	p->peer[0] = ++net.next_peer;
	p->peer[1] = ++net.next_peer;
	tell_peer(to, ZAB_PEER_OPENED, p->peer[1], 0);
	tell_peer(n->sid, ZAB_PEER_OPENED, p->peer[0], a->dial.attempt);
}

static void
close_peer(struct net_node *n, const struct zab_action *a)
{
	int end;
	struct net_pipe *p = pipe_of(n->sid, a->peer, &end);

	snprintf(n->closed, sizeof n->closed, "%s", a->reason);
	n->closes++;
	if (p == NULL)
		return;
	p->used = false;
	tell_peer(p->node[1 - end], ZAB_PEER_CLOSED, p->peer[1 - end], 0);
}

void
net_cut(int a, int b)
{
	struct net_pipe *p = net_find_pipe(a, b);

	ck_assert_ptr_nonnull(p);
	p->used = false;
	tell_peer(p->node[0], ZAB_PEER_CLOSED, p->peer[0], 0);
	tell_peer(p->node[1], ZAB_PEER_CLOSED, p->peer[1], 0);
}

static bool
move_bytes(struct net_pipe *p, int end)
{
	struct net_node *from = &net.nodes[p->node[end]], *to = &net.nodes[p->node[1 - end]];
	struct slice out;
	struct zab_event in = { .type = ZAB_PEER_INPUT, .fd = -1, .peer = p->peer[1 - end] };
	struct zab_event wrote = { .type = ZAB_PEER_WROTE, .fd = -1, .peer = p->peer[end] };

	if (!p->used || !p->flush[end] || !from->alive)
		return false;
	out = zab_peer_output(&from->zab, p->peer[end]);
	if (out.len == 0) {
		p->flush[end] = false;
		return false;
	}
	if (!p->cut && p->deaf[1 - end])
		return false;
	out.len = out.len > net.chunk ? net.chunk : out.len;
	wrote.count = out.len;
	in.frame.body = out;
	/* Behind what the other side is still to be told, its connection for one. */
	if (!p->cut && p->node[1 - end] == 0)
		buf_put_slice(&net.heard, out);
	else if (!p->cut && to->alive)
		queue_put(&to->inbox, &in);
	net_step(from->sid, &wrote);
	return true;
}

/* The shell */

static void
channel_of(struct net_node *n, const struct zab_action *a)
{
	for (int i = 0; i < 16; i++) {
		struct net_channel *c = &n->channels[i];

		if (!c->open || c->peer != a->peer)
			continue;
		if (a->type == ZAB_CHANNEL_READ)
			c->deaf = !a->on;
		else
			c->open = false;
		if (!c->open)
			queue_clear(&c->frames);
	}
}

static void
close_fd(struct net_node *n, int fd)
{
	ck_assert(n->channels[fd].open);
	n->channels[fd].open = false;
	queue_clear(&n->channels[fd].frames);
}

static void
send(struct net_node *n, const struct zab_action *a)
{
	if (a->link == ZAB_LOGD && n->logd_up)
		logd_gets(n, &a->frame);
	if (a->link == ZAB_CLIENTD && n->clientd_up)
		clientd_gets(n, &a->frame);
	if (a->link == ZAB_ELECTIOND && n->electiond_up) {
		n->leaves += a->frame.type == MSG_LEAVE;
		n->looking = n->looking && a->frame.type != MSG_LEAVE;
	}
	if (a->fd >= 0)
		close_fd(n, a->fd);
}

static void
install_flush(struct net_node *n)
{
	struct zab_event e = { .type = ZAB_INSTALL_WROTE, .fd = -1 };
	struct slice out = zab_install_output(&n->zab);

	out.len = out.len > net.chunk ? net.chunk : out.len;
	buf_put_slice(&n->install, out);
	e.count = out.len;
	queue_put(&n->inbox, &e);
}

static void
end_link(struct net_node *n, enum zab_link link)
{
	if (link == ZAB_LOGD)
		n->logd_up = false;
	if (link == ZAB_CLIENTD)
		n->clientd_up = n->ready = false;
	if (link == ZAB_ELECTIOND)
		n->electiond_up = n->looking = false;
}

static void
carry_out(struct net_node *n, const struct zab_action *a)
{
	int end;
	struct net_pipe *p = pipe_of(n->sid, a->peer, &end);
	struct zab_event e = { .type = ZAB_FRAME, .fd = -1, .frame = { .type = MSG_LEARNERS } };

	switch (a->type) {
	case ZAB_SEND:
		send(n, a);
		break;
	case ZAB_SEND_ROLE:
		if (n->clientd_up)
			take_role(n, &a->role);
		break;
	case ZAB_CLOSE:
		snprintf(n->ended, sizeof n->ended, "%s", a->reason);
		end_link(n, a->link);
		break;
	case ZAB_CLOSE_FD:
		close_fd(n, a->fd);
		break;
	case ZAB_SEND_EPOCHS:
		store_epochs(n, a);
		break;
	case ZAB_SEND_LOOK:
		n->looking = true;
		n->look_number = a->frame.seq;
		n->look = a->look;
		break;
	case ZAB_SEND_RESULT:
		n->told = a->result;
		n->tells++;
		break;
	case ZAB_SEND_LEARNERS:
		e.frame.seq = a->learners.synced_followers;
		queue_put(&n->asked, &e);
		break;
	case ZAB_DIAL:
		dial(n, a);
		break;
	case ZAB_PEER_FLUSH:
		if (p != NULL)
			p->flush[end] = true;
		break;
	case ZAB_PEER_READ:
		if (p != NULL)
			p->deaf[end] = !a->on;
		break;
	case ZAB_PEER_CLOSE:
		close_peer(n, a);
		break;
	case ZAB_CHANNEL_OPEN:
		n->channels[a->fd].peer = a->peer;
		break;
	case ZAB_CHANNEL_READ:
	case ZAB_CHANNEL_CLOSE:
		channel_of(n, a);
		break;
	case ZAB_INSTALL_OPEN:
		buf_reset(&n->install, 0);
		n->install_seq = a->frame.seq;
		break;
	case ZAB_INSTALL_FLUSH:
		install_flush(n);
		break;
	case ZAB_INSTALL_CLOSE:
		finish_install(n);
		break;
	case ZAB_SEND_DISK:
	case ZAB_ROLE_CHANGED:
	case ZAB_ACTIONS:
		break;
	}
}

void
net_step(int sid, struct zab_event *e)
{
	struct net_node *n = &net.nodes[sid];
	const struct zab_action *a;
	size_t count;

	if (!n->alive)
		return;
	e->now_ms = net.now_ms;
	zab_step(&n->zab, e);
	a = zab_actions(&n->zab, &count);
	for (size_t i = 0; i < count; i++)
		carry_out(n, &a[i]);
	if (e->type == ZAB_INSTALL_WROTE && zab_install_output(&n->zab).len > 0)
		install_flush(n);
}

static bool
run_inbox(struct net_node *n)
{
	struct net_event e;

	if (!n->alive || n->inbox.head == n->inbox.tail)
		return false;
	e = n->inbox.events[n->inbox.head];
	n->inbox.events[n->inbox.head++].body = NULL;
	if (e.event.type == ZAB_PEER_INPUT)
		e.event.bytes = e.event.frame.body;
	/* A link that ended meanwhile has nothing to say any more. */
	if (e.event.type != ZAB_FRAME || n->zab.links[e.event.link].up)
		net_step(n->sid, &e.event);
	else if (e.event.fd >= 0)
		close_fd(n, e.event.fd);
	free(e.body);
	return true;
}

static bool
run_channels(struct net_node *n)
{
	bool moved = false;

	for (int i = 0; i < 16; i++) {
		struct net_channel *c = &n->channels[i];
		struct net_event e;

		if (!c->open || c->peer == 0 || c->deaf || c->frames.head == c->frames.tail)
			continue;
		e = c->frames.events[c->frames.head];
		c->frames.events[c->frames.head++].body = NULL;
		e.event.peer = c->peer;
		net_step(n->sid, &e.event);
		free(e.body);
		moved = true;
	}
	return moved;
}

bool
net_run_once(void)
{
	bool moved = false;

	for (int i = 1; i <= net.nnodes; i++) {
		moved |= run_inbox(&net.nodes[i]);
		moved |= run_channels(&net.nodes[i]);
	}
	for (size_t i = 0; i < sizeof net.pipes / sizeof net.pipes[0]; i++) {
		moved |= move_bytes(&net.pipes[i], 0);
		moved |= move_bytes(&net.pipes[i], 1);
	}
	for (int i = 1; i <= net.nnodes && !moved; i++) {
		size_t before = net.nodes[i].inbox.tail;

		log_sync(&net.nodes[i]);
		moved |= before != net.nodes[i].inbox.tail;
	}
	return moved;
}

void
net_run(void)
{
	for (unsigned rounds = 0; net_run_once(); rounds++)
		ck_assert_uint_lt(rounds, 1000000);
}

void
net_pass(uint64_t ms)
{
	uint64_t end = net.now_ms + ms;

	while (net.now_ms < end) {
		net.now_ms += 10;
		for (int i = 1; i <= net.nnodes; i++) {
			struct zab_event e = { .type = ZAB_TICK, .fd = -1 };

			if (net.nodes[i].alive && zab_deadline(&net.nodes[i].zab) <= net.now_ms)
				net_step(i, &e);
		}
		net_run();
	}
}

/* Life */

static struct zab_config
make_config(int sid, int voters)
{
	struct zab_config c = {
		.sid = (uint64_t)sid,
		.observer = sid > voters,
		.tick_ms = NET_TICK_MS,
		.init_limit = NET_INIT,
		.sync_limit = NET_SYNC,
		.clientd_absent_ms = 100,
		.max_snap_syncs = 1,
		.reconfig = true,
		.window_txns = 100,
		.window_bytes = 100000,
		.commit_log_count = 20,
		.commit_log_bytes = 100000,
		.role_base = (uint32_t)sid * 1000,
	};

	quorum_init(&c.quorums.current, false);
	for (int i = 1; i <= voters; i++)
		ck_assert_int_eq(quorum_add(&c.quorums.current, (uint64_t)i, 0, 1), 0);
	return c;
}

void
net_init(int n, int voters)
{
	net_free();
	net.now_ms = 1000;
	net.nnodes = n;
	net.chunk = SIZE_MAX;
	buf_init(&net.heard, 64 << 20);
	for (int i = 1; i <= n; i++) {
		struct net_node *node = &net.nodes[i];

		node->sid = i;
		node->alive = true;
		node->config = make_config(i, voters);
		node->trace = (struct trace){ .least = TRACE_DEBUG, .emit = print_trace };
		/* Core 1 has somebody to listen, the others speak to nobody. */
		node->config.trace = i == 1 || getenv("ZAB_NET_TRACE") != NULL ? &node->trace : NULL;
		buf_init(&node->install, 64 << 20);
		buf_init(&node->members, 1 << 16);
		zab_init(&node->zab, &node->config);
	}
}

void
net_free(void)
{
	for (int i = 1; i <= NET_NODES; i++) {
		struct net_node *n = &net.nodes[i];

		zab_free(&n->zab);
		queue_clear(&n->inbox);
		queue_clear(&n->asked);
		buf_free(&n->install);
		buf_free(&n->members);
		for (int k = 0; k < 16; k++)
			queue_clear(&n->channels[k].frames);
		for (size_t k = 0; k < n->nlog; k++)
			free(n->log[k].text);
	}
	buf_free(&net.heard);
	memset(&net, 0, sizeof net);
	ear_forget();
}

static void
fill(int sid, uint32_t epoch, uint32_t first, uint32_t last, uint64_t salt)
{
	struct net_node *n = &net.nodes[sid];

	for (uint32_t i = first; i <= last; i++) {
		uint64_t zxid = (uint64_t)epoch << 32 | i;

		n->log[n->nlog++] = (struct net_txn){ .zxid = zxid, .value = zxid ^ salt };
	}
	n->ndurable = n->nlog;
	if (n->epochs.current < epoch)
		n->epochs = (struct zab_epochs){ .accepted = epoch, .current = epoch };
}

void
net_fill(int sid, uint32_t epoch, uint32_t first, uint32_t last)
{
	fill(sid, epoch, first, last, 0);
}

void
net_fill_other(int sid, uint32_t epoch, uint32_t first, uint32_t last)
{
	fill(sid, epoch, first, last, 0xbad);
}

void
net_link_up(int sid, enum zab_link link)
{
	struct net_node *n = &net.nodes[sid];
	struct zab_event e = { .type = ZAB_UP, .link = link, .fd = -1, .hello.disk.error = "" };

	if (link == ZAB_LOGD) {
		n->logd_up = true;
		log_drop(n, n->ndurable);
		e.hello.durable = log_end(n, n->ndurable);
		e.hello.epochs = n->epochs;
		e.hello.snapshot = n->snapshot;
		e.hello.partial = n->partial;
		e.hello.members = buf_slice(&n->members);
		e.hello.disk.failed = n->disk_failed;
	} else if (link == ZAB_CLIENTD) {
		n->clientd_up = true;
	} else {
		n->electiond_up = true;
	}
	net_step(sid, &e);
}

void
net_link_down(int sid, enum zab_link link)
{
	struct net_node *n = &net.nodes[sid];
	struct zab_event e = { .type = ZAB_DOWN, .link = link, .fd = -1 };

	end_link(n, link);
	net_step(sid, &e);
}

void
net_start(int sid)
{
	net_link_up(sid, ZAB_LOGD);
	net_link_up(sid, ZAB_CLIENTD);
	net_link_up(sid, ZAB_ELECTIOND);
}

/* syncd and all it holds are gone; logd keeps what is durable. */
void
net_crash(int sid)
{
	struct net_node *n = &net.nodes[sid];

	for (size_t i = 0; i < sizeof net.pipes / sizeof net.pipes[0]; i++)
		for (int end = 0; end < 2; end++)
			if (net.pipes[i].used && net.pipes[i].node[end] == sid) {
				net.pipes[i].used = false;
				tell_peer(net.pipes[i].node[1 - end], ZAB_PEER_CLOSED,
					  net.pipes[i].peer[1 - end], 0);
			}
	zab_free(&n->zab);
	queue_clear(&n->inbox);
	for (int k = 0; k < 16; k++) {
		queue_clear(&n->channels[k].frames);
		n->channels[k].open = false;
	}
	log_drop(n, n->ndurable);
	n->logd_up = n->clientd_up = n->electiond_up = n->looking = n->ready = false;
	zab_init(&n->zab, &n->config);
}

void
net_elect(int leader)
{
	for (int i = 1; i <= net.nnodes; i++) {
		struct net_node *n = &net.nodes[i];
		struct zab_event e = { .type = ZAB_FRAME, .link = ZAB_ELECTIOND, .fd = -1 };

		if (!n->alive || !n->looking)
			continue;
		n->looking = false;
		e.frame = (struct frame){ .type = MSG_RESULT, .seq = n->look_number };
		e.result = (struct zab_result){
			.leader = (uint64_t)leader,
			.election_epoch = 1,
			.zxid = net.nodes[leader].look.zxid,
			.epoch = net.nodes[leader].look.epoch,
			.state = i == leader          ? ZAB_LEADER
				 : n->config.observer ? ZAB_OBSERVER
						      : ZAB_FOLLOWER,
		};
		queue_put(&n->inbox, &e);
	}
}

void
net_establish(int leader)
{
	for (int i = 1; i <= net.nnodes; i++)
		net_start(i);
	net_run();
	net_elect(leader);
	net_run();
}

uint64_t
net_propose(int sid, uint64_t number)
{
	struct net_node *n = &net.nodes[sid];
	uint64_t start = (uint64_t)n->zab.epoch << 32;
	uint64_t zxid = (n->zab.proposed > start ? n->zab.proposed : start) + 1;
	struct net_txn t = { .zxid = zxid, .value = zxid ^ number };
	uint8_t body[1024];

	net_frame(sid, ZAB_CLIENTD, MSG_PROPOSE, 0, number, zxid, slice_of(body, txn_body(&t, body)));
	return zxid;
}

uint32_t
net_connect(int sid)
{
	struct net_pipe *p = net.pipes;
	struct zab_event e = { .type = ZAB_PEER_OPENED, .fd = -1, .peer = ++net.next_peer };

	while (p->used)
		p++;
	*p = (struct net_pipe){ .used = true, .node = { sid, 0 }, .peer = { e.peer, 0 } };
	net_step(sid, &e);
	return e.peer;
}

void
net_input(int sid, uint32_t peer, struct slice bytes)
{
	struct zab_event e = { .type = ZAB_PEER_INPUT, .fd = -1, .peer = peer, .bytes = bytes };

	net_step(sid, &e);
}

void
net_packet(int sid, uint32_t peer, int type, uint64_t zxid, struct slice data)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	packet_put(&out, (enum packet_type)type, zxid, data, SLICE_NULL);
	net_input(sid, peer, buf_slice(&out));
	buf_free(&out);
	net_run();
}

const char *
net_heard(void)
{
	static char text[4096];
	size_t len = 0;
	struct packet k;
	int64_t size;

	text[0] = '\0';
	while ((size = packet_parse(buf_slice(&net.heard), &k)) > 0 && len < sizeof text - 100) {
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s %llx", len == 0 ? "" : ", ",
					packet_name(k.type), (unsigned long long)k.zxid);
		if (k.data.data != NULL)
			len += (size_t)snprintf(text + len, sizeof text - len, " +%zu", k.data.len);
		buf_consume(&net.heard, (size_t)size);
	}
	ck_assert_int_ge(size, 0);
	return text;
}

bool
net_serves(int sid)
{
	const struct net_node *n = &net.nodes[sid];

	return n->alive && n->ready && n->zab.phase == ZAB_READY && n->role.role != ZAB_LOOKING;
}

void
net_expect_same(int a, int b)
{
	const struct net_node *x = &net.nodes[a], *y = &net.nodes[b];
	uint64_t from = x->base > y->base ? x->base : y->base;
	size_t i = log_after(x, from), k = log_after(y, from);

	ck_assert_uint_eq(log_end(x, x->ndurable), log_end(y, y->ndurable));
	for (; i < x->ndurable && k < y->ndurable; i++, k++) {
		ck_assert_uint_eq(x->log[i].zxid, y->log[k].zxid);
		ck_assert_uint_eq(x->log[i].value, y->log[k].value);
	}
	ck_assert_uint_eq(x->ndurable - i, 0);
	ck_assert_uint_eq(y->ndurable - k, 0);
}
