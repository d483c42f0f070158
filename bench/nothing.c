/*
 * See nothing.h. Invariant: a reply is a header and one of the bodies made at the start, but that create repeats the
 * path it was given; a visitor is among the watchers from a getData that sets a watch to the next setData of anybody.
 */
#include "bench/nothing.h"

#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "io/acceptor.h"
#include "io/fdlimit.h"
#include "io/log.h"
#include "io/stream.h"
#include "jute/op.h"
#include "jute/records.h"

enum { REQUEST_MAX = 16 << 20, OUT_MAX = 256 << 20, BODY_ROOM = 4096, BACKLOG = 4096, REQUEST_HEADER = 8 };

struct nothing {
	struct ev_loop *loop;
	struct turn turn;
	struct acceptor acceptor;
	struct list visitors, watchers;
	int64_t sessions;
	struct buf data, stat, children; /* bodies of replies */
};

struct visitor {
	struct list link, watcher;
	struct stream stream;
	struct nothing *nothing;
	bool greeted;
};

/* The first field of a request, or an empty slice. */
static struct slice
path_of(struct slice request)
{
	struct jute_reader r;
	struct slice path;

	jute_reader_init(&r, slice_of(request.data + REQUEST_HEADER, request.len - REQUEST_HEADER),
			 UINT32_MAX);
	path = jute_read_string(&r);
	return jute_ok(&r) ? path : SLICE_NULL;
}

static struct slice
body_of(const struct nothing *n, int32_t type, struct slice request)
{
	struct slice path;

	switch (type) {
	case ZK_OP_GET_DATA:
		return buf_slice(&n->data);
	case ZK_OP_SET_DATA:
	case ZK_OP_EXISTS:
		return buf_slice(&n->stat);
	case ZK_OP_GET_CHILDREN:
		return buf_slice(&n->children);
	case ZK_OP_CREATE:
		/* The path as it came, with its length before it. */
		path = path_of(request);
		return path.len > 0 ? slice_of(path.data - 4, path.len + 4) : SLICE_NULL;
	default:
		return SLICE_NULL;
	}
}

static size_t
begin_frame(struct buf *out)
{
	buf_put_be32(out, 0);
	return buf_len(out);
}

static void
end_frame(struct buf *out, size_t begun)
{
	if (!out->overflow)
		put_be32(out->data + out->off + begun - 4, (uint32_t)(buf_len(out) - begun));
}

static void
put_session(struct visitor *v, struct slice request)
{
	static const uint8_t passwd[16];
	struct jute_connect_request q;
	struct jute_connect_response a = { .passwd = slice_of(passwd, sizeof passwd), .has_read_only = true };
	struct buf *out = stream_out(&v->stream);
	size_t begun = begin_frame(out);
	struct jute_reader r;

	jute_reader_init(&r, request, UINT32_MAX);
	a.time_out = jute_read_connect_request(&r, NULL, &q) ? q.time_out : 0;
	a.session_id = ++v->nothing->sessions;
	jute_write_connect_response(out, &a);
	end_frame(out, begun);
}

static void
tell_watchers(struct nothing *n, struct slice path)
{
	const struct jute_reply_header h = { .xid = ZK_XID_NOTIFICATION, .zxid = -1 };
	const struct jute_watcher_event e = { ZK_EVENT_DATA_CHANGED, ZK_STATE_SYNC_CONNECTED, path };
	struct list *first;

	while ((first = list_first(&n->watchers)) != NULL) {
		struct buf *out = stream_out(&container_of(first, struct visitor, watcher)->stream);
		size_t begun = begin_frame(out);

		list_remove(first);
		jute_write_reply_header(out, &h);
		jute_write_watcher_event(out, &e);
		end_frame(out, begun);
	}
}

static void
put_reply(struct visitor *v, int32_t type, struct slice request)
{
	struct jute_reply_header h = { .xid = (int32_t)get_be32(request.data), .zxid = 1 };
	struct buf *out = stream_out(&v->stream);
	size_t begun = begin_frame(out);

	jute_write_reply_header(out, &h);
	buf_put_slice(out, body_of(v->nothing, type, request));
	end_frame(out, begun);
}

/* 0, or -EPROTO for what is no request. */
static int
answer(struct visitor *v, struct slice request)
{
	int32_t type;

	if (!v->greeted) {
		v->greeted = true;
		put_session(v, request);
		return 0;
	}
	if (request.len < REQUEST_HEADER)
		return -EPROTO;
	type = (int32_t)get_be32(request.data + 4);
	/* The flag whether to watch is a getData's last byte. */
	if (type == ZK_OP_GET_DATA && request.data[request.len - 1] != 0 && list_empty(&v->watcher))
		list_append(&v->nothing->watchers, &v->watcher);
	if (type == ZK_OP_SET_DATA)
		tell_watchers(v->nothing, path_of(request));
	put_reply(v, type, request);
	if (type == ZK_OP_CLOSE_SESSION)
		stream_finish(&v->stream);
	return 0;
}

static int64_t
on_input(struct stream *s, struct slice data)
{
	struct visitor *v = s->owner;
	size_t used = 0;

	while (data.len - used >= 4) {
		uint32_t size = get_be32(data.data + used);
		if (size > REQUEST_MAX)
			return -EPROTO;
		if (data.len - used - 4 < size)
			break;
		if (answer(v, slice_of(data.data + used + 4, size)) < 0)
			return -EPROTO;
		used += 4 + (size_t)size;
	}
	return (int64_t)used;
}

static void
on_closed(struct stream *s, int error)
{
	struct visitor *v = s->owner;

	(void)error;
	list_remove(&v->link);
	list_remove(&v->watcher);
	mem_free(v);
}

static const struct stream_ops visitor_ops = { .input = on_input, .closed = on_closed };

static void
on_accepted(void *owner, int fd, const struct sockaddr_storage *peer, socklen_t len)
{
	struct stream_limits limits = { .in_max = REQUEST_MAX + TURN_SCRATCH_BYTES, .out_max = OUT_MAX };
	struct nothing *n = owner;
	struct visitor *v = mem_zalloc(1, sizeof *v);
	int one = 1;

	(void)peer;
	(void)len;
	limits.keep = 1 << 20;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	v->nothing = n;
	list_append(&n->visitors, &v->link);
	list_init(&v->watcher);
	stream_init(&v->stream, &n->turn, &visitor_ops, v, &limits);
	stream_open(&v->stream, fd);
}

static void
on_end(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
on_lifeline(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
make_bodies(struct nothing *n, const struct nothing_config *config)
{
	struct jute_stat stat = { .czxid = 1, .mzxid = 1, .pzxid = 1, .data_length = (int32_t)config->size };
	char name[16];

	buf_init(&n->data, (size_t)config->size + BODY_ROOM);
	buf_init(&n->stat, BODY_ROOM);
	buf_init(&n->children, (size_t)config->keys * sizeof name + BODY_ROOM);
	buf_put_be32(&n->data, config->size);
	for (unsigned i = 0; i < config->size; i++)
		buf_put_u8(&n->data, 'z');
	jute_write_stat(&n->data, &stat);
	jute_write_stat(&n->stat, &stat);
	jute_write_count(&n->children, (int32_t)config->keys);
	for (unsigned i = 0; i < config->keys; i++) {
		snprintf(name, sizeof name, "k%08x", i);
		jute_write_string(&n->children, slice_str(name));
	}
}

int
nothing_listen(uint16_t *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(*port) };
	socklen_t len = sizeof sa;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&sa, len) != 0 || listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) != 0) {
		error = -errno;
		close(fd);
		return error;
	}
	*port = ntohs(sa.sin_port);
	return fd;
}

static void
stop(struct nothing *n)
{
	struct list *e;

	while ((e = list_first(&n->visitors)) != NULL) {
		struct visitor *v = container_of(e, struct visitor, link);
		stream_close(&v->stream);
		list_remove(e);
		list_remove(&v->watcher);
		mem_free(v);
	}
	buf_free(&n->data);
	buf_free(&n->stat);
	buf_free(&n->children);
}

int
nothing_serve(int listener, const struct nothing_config *config, int lifeline)
{
	struct nothing n = { .loop = ev_default_loop(EVFLAG_NOENV | EVBACKEND_EPOLL) };
	ev_signal ends[2];
	ev_io life;

	fdlimit_raise();
	log_set_level(LOG_WARNING);
	list_init(&n.visitors);
	list_init(&n.watchers);
	make_bodies(&n, config);
	turn_start(&n.turn, n.loop, NULL, NULL);
	acceptor_start(&n.acceptor, n.loop, listener, "client", on_accepted, &n);
	ev_signal_init(&ends[0], on_end, SIGTERM);
	ev_signal_init(&ends[1], on_end, SIGINT);
	ev_signal_start(n.loop, &ends[0]);
	ev_signal_start(n.loop, &ends[1]);
	ev_io_init(&life, on_lifeline, lifeline, EV_READ);
	if (lifeline >= 0)
		ev_io_start(n.loop, &life);
	ev_run(n.loop, 0);
	acceptor_stop(&n.acceptor);
	ev_io_stop(n.loop, &life);
	stop(&n);
	turn_stop(&n.turn);
	return 0;
}
