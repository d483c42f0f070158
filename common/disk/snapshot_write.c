/* Writer of snapshots. Invariant: adler covers exactly the bytes that this writer has appended so far. */
#include "disk/snapshot.h"

#include <zlib.h>

#include "base/bytes.h"
#include "disk/snapshot_format.h"

enum { STAT_BYTES = 60 };

static void
put(struct snapshot_writer *w, const void *data, size_t len)
{
	buf_put(w->out, data, len);
	w->adler = (uint32_t)adler32_z(w->adler, data, len);
}

static void
put_u32(struct snapshot_writer *w, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	put(w, b, sizeof b);
}

static void
put_u64(struct snapshot_writer *w, uint64_t v)
{
	uint8_t b[8];

	put_be64(b, v);
	put(w, b, sizeof b);
}

static void
put_bytes(struct snapshot_writer *w, struct slice s)
{
	put_u32(w, s.data == NULL ? UINT32_MAX : (uint32_t)s.len);
	if (s.len > 0)
		put(w, s.data, s.len);
}

void
snapshot_write_raw(struct snapshot_writer *w, struct slice bytes)
{
	put(w, bytes.data, bytes.len);
}

void
snapshot_write_seal(struct snapshot_writer *w)
{
	put_u64(w, w->adler);
	put_bytes(w, SLICE_LIT("/"));
}

void
snapshot_writer_init(struct snapshot_writer *w, struct buf *out)
{
	*w = (struct snapshot_writer){ .out = out, .adler = SNAPSHOT_ADLER_START };
}

void
snapshot_write_header(struct snapshot_writer *w)
{
	put_u32(w, SNAPSHOT_MAGIC);
	put_u32(w, SNAPSHOT_VERSION);
	put_u64(w, UINT64_MAX);
}

void
snapshot_write_sessions(struct snapshot_writer *w, uint32_t count)
{
	put_u32(w, count);
}

void
snapshot_write_session(struct snapshot_writer *w, int64_t session, int32_t timeout_ms)
{
	put_u64(w, (uint64_t)session);
	put_u32(w, (uint32_t)timeout_ms);
}

void
snapshot_write_acls(struct snapshot_writer *w, uint32_t count)
{
	put_u32(w, count);
}

void
snapshot_write_acl(struct snapshot_writer *w, int64_t key, struct slice list)
{
	put_u64(w, (uint64_t)key);
	put(w, list.data, list.len);
}

void
snapshot_write_node(struct snapshot_writer *w, const struct snapshot_node *node)
{
	const struct snapshot_stat *s = &node->stat;
	uint8_t b[8 + STAT_BYTES];

	put_bytes(w, node->path);
	put_bytes(w, node->data);
	put_be64(b, (uint64_t)node->acl);
	put_be64(b + 8, s->czxid);
	put_be64(b + 16, s->mzxid);
	put_be64(b + 24, (uint64_t)s->ctime_ms);
	put_be64(b + 32, (uint64_t)s->mtime_ms);
	put_be32(b + 40, (uint32_t)s->version);
	put_be32(b + 44, (uint32_t)s->cversion);
	put_be32(b + 48, (uint32_t)s->aversion);
	put_be64(b + 52, (uint64_t)s->ephemeral_owner);
	put_be64(b + 60, s->pzxid);
	put(w, b, sizeof b);
}

void
snapshot_write_terminator(struct snapshot_writer *w)
{
	put_bytes(w, SLICE_LIT("/"));
}

void
snapshot_write_end(struct snapshot_writer *w)
{
	snapshot_write_terminator(w);
	snapshot_write_seal(w);
}

void
snapshot_write_digest(struct snapshot_writer *w, uint64_t zxid, int32_t version, uint64_t digest)
{
	put_u64(w, zxid);
	put_u32(w, (uint32_t)version);
	put_u64(w, digest);
	snapshot_write_seal(w);
}

void
snapshot_write_last_zxid(struct snapshot_writer *w, uint64_t zxid)
{
	put_u64(w, zxid);
	snapshot_write_seal(w);
}

/* One ACL: READ for world:anyone, as /zookeeper/config has it (ZOOKEEPER-2014). */
static const uint8_t read_only_list[] = "\0\0\0\1"
					"\0\0\0\1"
					"\0\0\0\5world"
					"\0\0\0\6anyone";

void
snapshot_write_empty(struct buf *out)
{
	static const struct {
		const char *path;
		int64_t acl;
		int32_t aversion; /* setACL with version -1 stores -1 */
	} nodes[] = {
		{ "", SNAPSHOT_ACL_OPEN, 0 },
		{ "/zookeeper", SNAPSHOT_ACL_OPEN, 0 },
		{ "/zookeeper/config", 1, -1 },
		{ "/zookeeper/quota", SNAPSHOT_ACL_OPEN, 0 },
	};
	struct snapshot_writer w;

	snapshot_writer_init(&w, out);
	snapshot_write_header(&w);
	snapshot_write_sessions(&w, 0);
	snapshot_write_acls(&w, 1);
	snapshot_write_acl(&w, 1, slice_of(read_only_list, sizeof read_only_list - 1));
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		snapshot_write_node(&w, &(struct snapshot_node){
					    .path = slice_str(nodes[i].path),
					    .data = SLICE_LIT(""),
					    .acl = nodes[i].acl,
					    .stat.aversion = nodes[i].aversion,
					});
	snapshot_write_end(&w);
	/* ZooKeeper writes the digest of an empty history, which is 0 and not that of these nodes. */
	snapshot_write_digest(&w, 0, 2, 0);
}
