/* See notification.h. Nothing is read before its bytes are known to be there. */
#include "notification.h"

#include <errno.h>

#include "base/assert.h"
#include "base/bytes.h"

enum {
	LENGTH_BYTES = 4,
	BODY_OLDEST = 28,      /* without an epoch */
	BODY_UNVERSIONED = 40, /* 3.4's, which is told by its length alone */
	OFFSET_EPOCH = 28,
	OFFSET_VERSION = 36,
	OFFSET_CONFIG_LENGTH = 40,
	VERSION_WITH_CONFIG = 2, /* the first */
	VERSION_DIGITS_MAX = 16,
};

int64_t
notification_frame(struct slice in, struct slice *body)
{
	if (in.len < LENGTH_BYTES)
		return 0;
	uint32_t len = get_be32(in.data);
	if (len == 0 || len > NOTIFICATION_BODY_MAX)
		return -EPROTO;
	if (in.len - LENGTH_BYTES < len)
		return 0;
	*body = slice_of(in.data + LENGTH_BYTES, len);
	return (int64_t)LENGTH_BYTES + len;
}

static int64_t
get_long(struct slice body, size_t offset)
{
	return (int64_t)get_be64(body.data + offset);
}

static int
parse_config(struct slice body, struct slice *config)
{
	if (body.len < NOTIFICATION_FIXED_BYTES)
		return -EPROTO;
	uint32_t len = get_be32(body.data + OFFSET_CONFIG_LENGTH);
	if (len > body.len - NOTIFICATION_FIXED_BYTES)
		return -EPROTO;
	*config = slice_of(body.data + NOTIFICATION_FIXED_BYTES, len);
	return 0;
}

int
notification_parse(struct slice body, struct notification *n)
{
	if (body.len < BODY_OLDEST || get_be32(body.data) >= VOTE_STATES)
		return -EPROTO;
	n->config = SLICE_NULL;
	n->vote.state = get_be32(body.data);
	n->vote.leader = get_long(body, 4);
	n->vote.zxid = get_long(body, 12);
	n->vote.round = get_long(body, 20);
	n->vote.version = 0;
	if (body.len == BODY_OLDEST) {
		n->vote.epoch = n->vote.zxid >> 32;
		return 0;
	}
	if (body.len < BODY_UNVERSIONED)
		return -EPROTO;
	n->vote.epoch = get_long(body, OFFSET_EPOCH);
	if (body.len == BODY_UNVERSIONED)
		return 0;
	n->vote.version = (int32_t)get_be32(body.data + OFFSET_VERSION);
	return n->vote.version < VERSION_WITH_CONFIG ? 0 : parse_config(body, &n->config);
}

void
notification_put(struct buf *out, const struct notification *n)
{
	ASSERT(n->config.len <= NOTIFICATION_CONFIG_MAX);
	buf_put_be32(out, (uint32_t)(NOTIFICATION_FIXED_BYTES + n->config.len));
	buf_put_be32(out, n->vote.state);
	buf_put_be64(out, (uint64_t)n->vote.leader);
	buf_put_be64(out, (uint64_t)n->vote.zxid);
	buf_put_be64(out, (uint64_t)n->vote.round);
	buf_put_be64(out, (uint64_t)n->vote.epoch);
	buf_put_be32(out, VOTE_VERSION);
	buf_put_be32(out, (uint32_t)n->config.len);
	buf_put_slice(out, n->config);
}

/* The value of a hexadecimal digit, or -1. */
static int
digit_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
notification_config_version(struct slice config, uint64_t *version)
{
	static const struct slice key = SLICE_LIT("version=");
	size_t at = config.len;

	while (at > 0 && config.data[at - 1] != '\n')
		at--;
	if (config.len - at <= key.len || !slice_equal(slice_of(config.data + at, key.len), key))
		return -EPROTO;
	at += key.len;
	if (config.len - at > VERSION_DIGITS_MAX)
		return -EPROTO;
	*version = 0;
	for (; at < config.len; at++) {
		int v = digit_value(config.data[at]);
		if (v < 0)
			return -EPROTO;
		*version = *version << 4 | (uint64_t)v;
	}
	return 0;
}
