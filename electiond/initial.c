/* See initial.h. Nothing is read before its bytes are known to be there. */
#include "initial.h"

#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"

#define PROTOCOL_ONE     INT64_C(-65536)
#define PROTOCOL_SEVERAL INT64_C(-65535)

enum { SID_BYTES = 8, PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

/* Cuts s at the first c: what stands before it is returned, *rest becomes what follows, null without c. */
static struct slice
cut(struct slice s, char c, struct slice *rest)
{
	const uint8_t *at = memchr(s.data, c, s.len);

	if (at == NULL) {
		*rest = SLICE_NULL;
		return s;
	}
	size_t before = (size_t)(at - s.data);
	*rest = slice_of(at + 1, s.len - before - 1);
	return slice_of(s.data, before);
}

static int
parse_port(struct slice s, uint16_t *port)
{
	uint32_t v = 0;

	if (s.len == 0 || s.len > PORT_DIGITS_MAX)
		return -EPROTO;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return -EPROTO;
		v = v * 10 + (uint32_t)(s.data[i] - '0');
	}
	if (v == 0 || v > PORT_MAX)
		return -EPROTO;
	*port = (uint16_t)v;
	return 0;
}

/* host:port, or [literal]:port */
static int
parse_address(struct slice s, struct initial_address *a)
{
	struct slice port, rest;

	if (s.len > 0 && s.data[0] == '[') {
		a->host = cut(slice_of(s.data + 1, s.len - 1), ']', &port);
		if (port.len == 0 || port.data[0] != ':')
			return -EPROTO;
		port = slice_of(port.data + 1, port.len - 1);
	} else {
		a->host = cut(s, ':', &port);
	}
	if (a->host.len == 0 || port.data == NULL)
		return -EPROTO;
	return parse_port(cut(port, ':', &rest), &a->port) != 0 || rest.data != NULL ? -EPROTO : 0;
}

/* Who names a wildcard address does not say where it can be reached. */
static bool
is_wildcard(struct slice host)
{
	static const struct slice wildcards[] = {
		SLICE_LIT("0.0.0.0"),
		SLICE_LIT("::"),
		SLICE_LIT("0:0:0:0:0:0:0:0"),
	};

	for (size_t i = 0; i < sizeof wildcards / sizeof wildcards[0]; i++)
		if (slice_equal(host, wildcards[i]))
			return true;
	return false;
}

static int
parse_addresses(struct slice text, struct initial *m)
{
	while (text.data != NULL) {
		struct initial_address a;
		int err = parse_address(cut(text, '|', &text), &a);

		if (err != 0)
			return err;
		if (is_wildcard(a.host))
			continue;
		if (m->naddresses == INITIAL_ADDRESSES_MAX)
			return -EPROTO;
		m->addresses[m->naddresses++] = a;
	}
	return 0;
}

int64_t
initial_parse(struct slice in, struct initial *m)
{
	if (in.len < SID_BYTES)
		return 0;
	int64_t protocol = (int64_t)get_be64(in.data);
	m->naddresses = 0;
	if (protocol >= 0) {
		m->form = INITIAL_SID_ONLY;
		m->sid = protocol;
		return SID_BYTES;
	}
	if (protocol != PROTOCOL_ONE && protocol != PROTOCOL_SEVERAL)
		return -EPROTO;
	if (in.len < INITIAL_HEADER_BYTES)
		return 0;
	m->form = protocol == PROTOCOL_ONE ? INITIAL_ONE : INITIAL_SEVERAL;
	m->sid = (int64_t)get_be64(in.data + 8);
	uint32_t len = get_be32(in.data + 16);
	if (m->sid < 0 || len == 0 || len > INITIAL_TEXT_MAX)
		return -EPROTO;
	if (in.len - INITIAL_HEADER_BYTES < len)
		return 0;
	if (parse_addresses(slice_of(in.data + INITIAL_HEADER_BYTES, len), m) != 0)
		return -EPROTO;
	return (int64_t)INITIAL_HEADER_BYTES + len;
}

static void
put_address(struct buf *out, const struct initial_address *a)
{
	bool literal = memchr(a->host.data, ':', a->host.len) != NULL;
	char port[PORT_DIGITS_MAX + 2];

	buf_put(out, "[", literal);
	buf_put_slice(out, a->host);
	buf_put(out, "]", literal);
	buf_put(out, port, (size_t)snprintf(port, sizeof port, ":%u", a->port));
}

int
initial_put(struct buf *out, const struct initial *m)
{
	size_t n = m->form == INITIAL_ONE && m->naddresses > 1 ? 1 : m->naddresses;
	struct buf text;
	int err = 0;

	ASSERT(m->sid >= 0 && n <= INITIAL_ADDRESSES_MAX);
	if (m->form == INITIAL_SID_ONLY) {
		buf_put_be64(out, (uint64_t)m->sid);
		return 0;
	}
	buf_init(&text, INITIAL_TEXT_MAX);
	for (size_t i = 0; i < n; i++) {
		buf_put(&text, "|", i > 0);
		put_address(&text, &m->addresses[i]);
	}
	if (text.overflow || buf_len(&text) == 0) {
		err = -EMSGSIZE;
	} else {
		buf_put_be64(out, (uint64_t)(m->form == INITIAL_ONE ? PROTOCOL_ONE : PROTOCOL_SEVERAL));
		buf_put_be64(out, (uint64_t)m->sid);
		buf_put_be32(out, (uint32_t)buf_len(&text));
		buf_put_slice(out, buf_slice(&text));
	}
	buf_free(&text);
	return err;
}

bool
initial_keeps(int64_t dialler, int64_t acceptor)
{
	return dialler > acceptor;
}
