/* See digest.h. */
#include "disk/digest.h"

#include <string.h>
#include <zlib.h>

#include "base/bytes.h"

bool
digest_excludes(struct slice path)
{
	static const struct slice below = { (const uint8_t *)"/zookeeper/", 11 };

	return path.len >= below.len && memcmp(path.data, below.data, below.len) == 0;
}

uint32_t
digest_prefix(struct slice path, struct slice data)
{
	uLong crc = crc32_z(0, NULL, 0);

	if (path.len > 0)
		crc = crc32_z(crc, path.data, path.len);
	if (data.len > 0)
		crc = crc32_z(crc, data.data, data.len);
	return (uint32_t)crc;
}

uint32_t
digest_finish(uint32_t prefix, const struct jute_stat_persisted *st)
{
	uint8_t b[60];

	put_be64(b, st->czxid);
	put_be64(b + 8, st->mzxid);
	put_be64(b + 16, st->pzxid);
	put_be64(b + 24, (uint64_t)st->ctime);
	put_be64(b + 32, (uint64_t)st->mtime);
	put_be32(b + 40, (uint32_t)st->version);
	put_be32(b + 44, (uint32_t)st->cversion);
	put_be32(b + 48, (uint32_t)st->aversion);
	put_be64(b + 52, (uint64_t)st->ephemeral_owner);
	return (uint32_t)crc32_z(prefix, b, sizeof b);
}
