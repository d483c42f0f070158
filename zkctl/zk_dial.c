/*
 * Connections of a session: the list of servers, dialling them in turn, the first exchange. Invariant: whatever goes
 * wrong leaves z->fd -1 and a text that names the server and what it did.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "zk_int.h"
#include "zkctl.h"

enum { CONNECT_REPLY_MAX = 4096, PAUSE_MS = 100, STOP_LOOK_MS = 100, PORT_DEFAULT = 2181 };

int
zk_explain(struct zk *z, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(z->why, sizeof z->why, format, ap);
	va_end(ap);
	return error;
}

/* ---- The list ---- */

static bool
port_sound(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n > 0 && n < 6 && text[n] == '\0' && atoi(text) > 0 && atoi(text) < 65536;
}

/* One entry, "host", "host:port", "[v6]:port". */
static bool
parse_server(const char *entry, size_t len, struct zk_server *out)
{
	char text[ZK_HOST_BYTES + 16], *host = text, *end;
	const char *port = "";

	if (len == 0 || len >= sizeof text)
		return false;
	memcpy(text, entry, len);
	text[len] = '\0';
	end = strrchr(text, ':');
	if (text[0] == '[') {
		host = text + 1;
		end = strchr(text, ']');
		if (end == NULL)
			return false;
		*end++ = '\0';
		if (*end != '\0' && *end != ':')
			return false;
	} else if (end != NULL && strchr(text, ':') != end) {
		return false; /* an IPv6 literal without brackets */
	}
	if (end != NULL && *end == ':') {
		*end = '\0';
		port = end + 1;
		if (!port_sound(port))
			return false;
	}
	if (host[0] == '\0' || strlen(host) >= sizeof out->host || strpbrk(host, "/ ") != NULL)
		return false;
	snprintf(out->host, sizeof out->host, "%.*s", ZK_HOST_BYTES - 1, host);
	snprintf(out->port, sizeof out->port, "%d", *port == '\0' ? PORT_DEFAULT : atoi(port));
	return true;
}

int
zk_servers_parse(const char *text, struct zk_servers *out, char why[ZK_WHY_BYTES])
{
	out->n = 0;
	for (const char *p = text, *next; p != NULL; p = next) {
		size_t len = strcspn(p, ",");
		next = p[len] == ',' ? p + len + 1 : NULL;
		if (out->n == ZK_SERVERS_MAX) {
			snprintf(why, ZK_WHY_BYTES, "more than %d servers", ZK_SERVERS_MAX);
			return -EINVAL;
		}
		if (!parse_server(p, len, &out->all[out->n])) {
			snprintf(why, ZK_WHY_BYTES,
				 "\"%.*s\" is no server; allowed: host:port, an IPv6 address in brackets, "
				 "several with commas between them",
				 (int)(len < 100 ? len : 100), p);
			return -EINVAL;
		}
		out->n++;
	}
	return 0;
}

/* ---- One server ---- */

static int
left_ms(int64_t end_ms)
{
	int64_t left = end_ms - clock_ms();

	return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

int
zk_wait(const struct zk *z, int fd, short events, int64_t end_ms, short *ready)
{
	struct pollfd p = { .fd = fd, .events = events };
	int limit = left_ms(end_ms), n;

	if (ready != NULL)
		*ready = 0;
	/* A signal between the question and poll must not be slept over. */
	if (z->config.stop != NULL && z->config.stop())
		return -EINTR;
	if (z->config.stop != NULL && limit > STOP_LOOK_MS)
		limit = STOP_LOOK_MS;
	n = poll(&p, 1, limit);
	if (ready != NULL && n > 0)
		*ready = p.revents;
	return n > 0 || clock_ms() < end_ms ? 0 : -ETIMEDOUT;
}

void
zk_hang_up(struct zk *z)
{
	if (z->fd >= 0)
		close(z->fd);
	z->fd = -1;
	buf_reset(&z->in, 1 << 16);
	buf_reset(&z->out, 1 << 16);
	z->in_frame = 0;
	z->auths_due = 0;
	z->ping_due = false;
}

/* A connected socket, or -errno. */
static int
dial_address(const struct zk *z, const struct addrinfo *a, int64_t end_ms)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, error = 0, r;
	socklen_t len = sizeof error;
	short ready = 0;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	r = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : -errno;
	if (r == -EINPROGRESS) {
		do
			r = zk_wait(z, fd, POLLOUT, end_ms, &ready);
		while (r == 0 && ready == 0);
		if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0)
			r = -error;
	}
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int
dial(struct zk *z, const struct zk_server *s, int64_t end_ms)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	int r = getaddrinfo(s->host, s->port, &hints, &all), fd = -EADDRNOTAVAIL;

	if (r != 0)
		return zk_explain(z, -EADDRNOTAVAIL, "%s: %s", s->host, gai_strerror(r));
	for (struct addrinfo *a = all; a != NULL && fd < 0 && fd != -EINTR; a = a->ai_next)
		fd = dial_address(z, a, end_ms);
	freeaddrinfo(all);
	if (fd < 0)
		return zk_explain(z, fd, "%s:%s: %s", s->host, s->port, strerror(-fd));
	return fd;
}

/* Sends the connect request and receives a whole frame; both are short. */
static int
exchange(struct zk *z, int64_t end_ms)
{
	ssize_t n = send(z->fd, buf_head(&z->out), buf_len(&z->out), MSG_NOSIGNAL);
	size_t size;
	int r;

	if (n != (ssize_t)buf_len(&z->out))
		return n < 0 ? -errno : -EIO;
	buf_consume(&z->out, (size_t)n);
	do {
		uint8_t *room = buf_reserve(&z->in, CONNECT_REPLY_MAX);
		r = zk_wait(z, z->fd, POLLIN, end_ms, NULL);
		if (r < 0)
			return r;
		n = recv(z->fd, room, CONNECT_REPLY_MAX, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return n == 0 ? -ECONNRESET : -errno;
		if (n > 0)
			buf_commit(&z->in, (size_t)n);
		size = buf_len(&z->in) < 4 ? 4 : 4 + (size_t)get_be32(buf_head(&z->in));
		if (size > CONNECT_REPLY_MAX)
			return -EPROTO;
	} while (buf_len(&z->in) < size);
	return (int)size;
}

static void
put_connect_request(struct zk *z)
{
	struct jute_connect_request q = {
		.last_zxid_seen = (int64_t)z->last_zxid,
		.time_out = ZK_TIMEOUT_MS,
		.session_id = z->session,
		.passwd = slice_of(z->passwd, PASSWD_BYTES),
		.read_only = z->config.read_only,
		.has_read_only = true,
	};
	size_t at = z->out.end - z->out.off;

	buf_put_be32(&z->out, 0);
	jute_write_connect_request(&z->out, &q);
	put_be32(z->out.data + z->out.off + at, (uint32_t)(buf_len(&z->out) - at - 4));
}

/* The session is ours, or is refused: -EKEYEXPIRED. */
static int
take_connect_response(struct zk *z, size_t size)
{
	struct jute_connect_response a;
	struct jute_reader r;

	jute_reader_init(&r, slice_of(buf_head(&z->in) + 4, size - 4), UINT32_MAX);
	if (!jute_read_connect_response(&r, NULL, &a))
		return -EPROTO;
	if (a.time_out <= 0)
		return -EKEYEXPIRED;
	z->timeout_ms = (uint32_t)a.time_out;
	z->session = a.session_id;
	memset(z->passwd, 0, sizeof z->passwd);
	memcpy(z->passwd, a.passwd.data, a.passwd.len < PASSWD_BYTES ? a.passwd.len : PASSWD_BYTES);
	buf_consume(&z->in, size);
	return 0;
}

static void
put_auths(struct zk *z)
{
	for (unsigned i = 0; i < z->config.nauths; i++) {
		const struct zk_auth *a = &z->config.auths[i];
		size_t at = buf_len(&z->out);
		buf_put_be32(&z->out, 0);
		jute_write_request_header(
		    &z->out, &(struct jute_request_header){ .xid = ZK_XID_AUTH, .type = ZK_OP_AUTH });
		jute_write_auth_packet(
		    &z->out, &(struct jute_auth_packet){ .scheme = a->scheme, .auth = a->credential });
		put_be32(z->out.data + z->out.off + at, (uint32_t)(buf_len(&z->out) - at - 4));
	}
	z->auths_due = z->config.nauths;
}

static int
explain_refusal(struct zk *z, const struct zk_server *s, int error)
{
	switch (error) {
	case -ECONNRESET:
	case -EPIPE:
		return zk_explain(
		    z, error, "%s:%s closed the connection without opening a session: it does not serve now",
		    s->host, s->port);
	case -ETIMEDOUT:
		return zk_explain(z, error, "%s:%s accepted the connection and does not answer", s->host,
				  s->port);
	case -EPROTO:
		return zk_explain(z, error, "%s:%s does not speak ZooKeeper's protocol", s->host, s->port);
	case -EKEYEXPIRED:
		return zk_explain(z, error, "%s:%s says that the session is over", s->host, s->port);
	default:
		return zk_explain(z, error, "%s:%s: %s", s->host, s->port, strerror(-error));
	}
}

static int
open_at(struct zk *z, struct zk_server *s)
{
	int64_t end_ms = clock_ms() + ZK_DIAL_MS;
	int r;

	zk_hang_up(z);
	z->server = s;
	z->fd = dial(z, s, end_ms);
	if (z->fd < 0)
		return z->fd;
	put_connect_request(z);
	r = exchange(z, end_ms);
	if (r > 0)
		r = take_connect_response(z, (size_t)r);
	if (r < 0) {
		zk_hang_up(z);
		return explain_refusal(z, s, r);
	}
	put_auths(z);
	z->out_total = buf_len(&z->out);
	z->heard_ms = z->sent_ms = clock_ms();
	return 0;
}

int
zk_connect(struct zk *z, int64_t wait_ms)
{
	int64_t end_ms = clock_ms() + wait_ms;
	int r = -EINVAL;

	for (;;) {
		for (unsigned i = 0; i < z->config.servers.n; i++) {
			struct zk_server *s = &z->config.servers.all[z->next_server];
			r = open_at(z, s);
			if (r >= 0 || r == -EINTR || r == -EKEYEXPIRED)
				return r;
			z->next_server = (z->next_server + 1) % z->config.servers.n;
		}
		if (clock_ms() + PAUSE_MS > end_ms)
			return r;
		for (int64_t again_ms = clock_ms() + PAUSE_MS; clock_ms() < again_ms;)
			if (zk_wait(z, -1, 0, again_ms, NULL) == -EINTR)
				return -EINTR;
	}
}
