/* See packet.h. Invariant: nothing is read beyond `in`, and nothing is allocated by parsing. */
#include "packet.h"

#include <errno.h>

#include "base/bytes.h"

enum {
	TYPE_BYTES = 4,
	HEAD_BYTES = 16, /* type, zxid, length of data */
	COUNT_BYTES = 4,
	ID_MIN_BYTES = 8, /* two empty strings */
};

/* Bytes of a buffer or string at off, with its length; 0: more are needed. */
static int64_t
string_size(struct slice in, size_t off, size_t max)
{
	int32_t len;

	if (in.len - off < 4)
		return 0;
	len = (int32_t)get_be32(in.data + off);
	if (len < -1 || (len > 0 && (size_t)len > max))
		return -EPROTO;
	len = len < 0 ? 0 : len;
	return in.len - off - 4 < (size_t)len ? 0 : 4 + (int64_t)len;
}

int64_t
packet_authinfo_size(struct slice in)
{
	size_t off = COUNT_BYTES;
	int32_t n;

	if (in.len < COUNT_BYTES)
		return 0;
	n = (int32_t)get_be32(in.data);
	if (n < -1 || n > PACKET_AUTHINFO_MAX / ID_MIN_BYTES)
		return -EPROTO;
	for (int32_t i = 0; i < 2 * n; i++) {
		int64_t size = string_size(in, off, PACKET_AUTHINFO_MAX);

		if (size <= 0)
			return size;
		off += (size_t)size;
		if (off > PACKET_AUTHINFO_MAX)
			return -EPROTO;
	}
	return (int64_t)off;
}

int64_t
packet_parse(struct slice in, struct packet *p)
{
	int64_t data, authinfo;
	size_t off = HEAD_BYTES - 4;

	if (in.len < HEAD_BYTES)
		return 0;
	p->type = (int32_t)get_be32(in.data);
	p->zxid = get_be64(in.data + TYPE_BYTES);
	data = string_size(in, off, PACKET_DATA_MAX);
	if (data <= 0)
		return data;
	p->data = (int32_t)get_be32(in.data + off) < 0 ? SLICE_NULL
						       : slice_of(in.data + HEAD_BYTES, (size_t)data - 4);
	off += (size_t)data;
	authinfo = packet_authinfo_size(slice_of(in.data + off, in.len - off));
	if (authinfo <= 0)
		return authinfo;
	p->authinfo = slice_of(in.data + off, (size_t)authinfo);
	return (int64_t)off + authinfo;
}

void
packet_put(struct buf *out, enum packet_type type, uint64_t zxid, struct slice data, struct slice authinfo)
{
	buf_put_be32(out, type);
	buf_put_be64(out, zxid);
	buf_put_be32(out, data.data == NULL ? UINT32_MAX : (uint32_t)data.len);
	buf_put_slice(out, data);
	if (authinfo.data == NULL)
		buf_put_be32(out, UINT32_MAX);
	else
		buf_put_slice(out, authinfo);
}

void
learner_info_put(uint8_t out[LEARNER_INFO_BYTES], const struct learner_info *info)
{
	put_be64(out, (uint64_t)info->sid);
	put_be32(out + 8, (uint32_t)info->protocol);
	put_be64(out + 12, info->config_version);
}

bool
learner_info_parse(struct slice data, struct learner_info *info)
{
	if (data.len < LEARNER_INFO_BYTES)
		return false;
	info->sid = (int64_t)get_be64(data.data);
	info->protocol = (int32_t)get_be32(data.data + 8);
	info->config_version = get_be64(data.data + 12);
	return true;
}

const char *
packet_name(int32_t type)
{
	static const char *const names[PACKET_TYPES] = {
		[PACKET_REQUEST] = "REQUEST",
		[PACKET_PROPOSAL] = "PROPOSAL",
		[PACKET_ACK] = "ACK",
		[PACKET_COMMIT] = "COMMIT",
		[PACKET_PING] = "PING",
		[PACKET_REVALIDATE] = "REVALIDATE",
		[PACKET_SYNC] = "SYNC",
		[PACKET_INFORM] = "INFORM",
		[PACKET_COMMITANDACTIVATE] = "COMMITANDACTIVATE",
		[PACKET_NEWLEADER] = "NEWLEADER",
		[PACKET_FOLLOWERINFO] = "FOLLOWERINFO",
		[PACKET_UPTODATE] = "UPTODATE",
		[PACKET_DIFF] = "DIFF",
		[PACKET_TRUNC] = "TRUNC",
		[PACKET_SNAP] = "SNAP",
		[PACKET_OBSERVERINFO] = "OBSERVERINFO",
		[PACKET_LEADERINFO] = "LEADERINFO",
		[PACKET_ACKEPOCH] = "ACKEPOCH",
		[PACKET_INFORMANDACTIVATE] = "INFORMANDACTIVATE",
	};

	return type > 0 && type < PACKET_TYPES ? names[type] : "unknown";
}
