/* See client.h. */
#include "bench/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "jute/op.h"
#include "jute/records.h"

enum { SESSION_TIMEOUT_MS = 10000, REPLY_MAX = 1 << 20, PERMS_ALL = 31 };

static int
exchange(struct client *c)
{
	ssize_t n;
	size_t size;

	put_be32(c->out.data + c->out.off, (uint32_t)(buf_len(&c->out) - 4));
	n = send(c->fd, buf_head(&c->out), buf_len(&c->out), MSG_NOSIGNAL);
	if (n != (ssize_t)buf_len(&c->out))
		return n < 0 ? -errno : -EIO;
	buf_reset(&c->in, REPLY_MAX);
	do {
		uint8_t *p = buf_reserve(&c->in, 4096);
		if (p == NULL)
			return -EMSGSIZE;
		n = recv(c->fd, p, 4096, 0);
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		buf_commit(&c->in, (size_t)n);
		size = buf_len(&c->in) < 4 ? 4 : 4 + (size_t)get_be32(buf_head(&c->in));
	} while (buf_len(&c->in) < size);
	buf_consume(&c->in, 4);
	return 0;
}

static void
begin(struct client *c, int32_t xid, int32_t type)
{
	buf_reset(&c->out, REPLY_MAX);
	buf_put_be32(&c->out, 0);
	jute_write_request_header(&c->out, &(struct jute_request_header){ .xid = xid, .type = type });
}

/* Sends what stands in `out` and takes its reply, which has to be the next one. */
static int
call(struct client *c, int32_t xid, int32_t *code)
{
	struct jute_reply_header header;
	struct jute_reader r;
	int error = exchange(c);

	if (error < 0)
		return error;
	jute_reader_init(&r, buf_slice(&c->in), UINT32_MAX);
	if (!jute_read_reply_header(&r, NULL, &header) || header.xid != xid)
		return -EPROTO;
	*code = header.err;
	return 0;
}

static int
open_session(struct client *c)
{
	struct jute_connect_request q = { .time_out = SESSION_TIMEOUT_MS, .passwd = slice_of("", 0) };
	struct jute_connect_response a;
	struct jute_reader r;
	int error;

	buf_put_be32(&c->out, 0);
	jute_write_connect_request(&c->out, &q);
	error = exchange(c);
	if (error < 0)
		return error;
	jute_reader_init(&r, buf_slice(&c->in), UINT32_MAX);
	if (!jute_read_connect_response(&r, NULL, &a))
		return -EPROTO;
	return a.time_out > 0 ? 0 : -ECONNREFUSED;
}

int
client_open(struct client *c, const char *host, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, error = 0;

	*c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	buf_init(&c->out, REPLY_MAX);
	buf_init(&c->in, REPLY_MAX);
	if (c->fd < 0)
		return -errno;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (inet_pton(AF_INET, host, &sa.sin_addr) != 1)
		error = -EINVAL;
	else if (connect(c->fd, (struct sockaddr *)&sa, sizeof sa) != 0)
		error = -errno;
	error = error ?: open_session(c);
	if (error < 0) {
		close(c->fd);
		c->fd = -1;
	}
	return error;
}

void
client_close(struct client *c)
{
	int32_t code;

	if (c->fd >= 0) {
		begin(c, ++c->xid, ZK_OP_CLOSE_SESSION);
		(void)call(c, c->xid, &code);
		close(c->fd);
	}
	c->fd = -1;
	buf_free(&c->out);
	buf_free(&c->in);
}

int
client_create(struct client *c, struct slice path, struct slice data, int32_t *code)
{
	struct jute_acl open = { .perms = PERMS_ALL, .id = { SLICE_LIT("world"), SLICE_LIT("anyone") } };
	struct jute_create_request q = { .path = path, .data = data, .acl = { &open, 1 } };

	begin(c, ++c->xid, ZK_OP_CREATE);
	jute_write_create_request(&c->out, &q);
	return call(c, c->xid, code);
}

int
client_set(struct client *c, struct slice path, struct slice data, int32_t *code)
{
	begin(c, ++c->xid, ZK_OP_SET_DATA);
	jute_write_set_data_request(
	    &c->out, &(struct jute_set_data_request){ .path = path, .data = data, .version = -1 });
	return call(c, c->xid, code);
}

int
client_get(struct client *c, struct slice path, int32_t *code)
{
	begin(c, ++c->xid, ZK_OP_GET_DATA);
	jute_write_get_data_request(&c->out, &(struct jute_get_data_request){ .path = path });
	return call(c, c->xid, code);
}

int
client_delete(struct client *c, struct slice path, int32_t *code)
{
	begin(c, ++c->xid, ZK_OP_DELETE);
	jute_write_delete_request(&c->out, &(struct jute_delete_request){ .path = path, .version = -1 });
	return call(c, c->xid, code);
}

int
client_ping(struct client *c)
{
	int32_t code;

	begin(c, ZK_XID_PING, ZK_OP_PING);
	return call(c, ZK_XID_PING, &code);
}
