/*
 * ZooKeeper's snapshot files and the SNAP stream of its quorum protocol (ZooKeeper: FileSnap, SerializeUtils,
 * DataTree).
 *
 *   header     magic "ZKSN", version int 2, dbid long -1                 (files only)
 *   sessions   count int, then id long, timeout int each
 *   ACLs       count int, then key long, vector<ACL> each
 *   nodes      path, data, ACL key long, StatPersisted each; a parent before its children; the root's path is
 * "" terminator path "/" seal       Adler-32 long of every byte so far, path "/"              (files only, as
 * all that follows) digest     zxid long, digest version int, digest long, seal          (optional) zxid
 * lastProcessedZxid long, seal                              (optional, ZooKeeper 3.9)
 *
 * Reader and writer hold no more than one record at a time. Compressed files go through disk/gunzip.h first.
 */
#ifndef DISK_SNAPSHOT_H
#define DISK_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum {
	SNAPSHOT_RECORD_MAX = 64 << 20, /* largest node or ACL list that a reader takes in */
	SNAPSHOT_ACL_OPEN =
	    -1, /* ACL key of world:anyone:all, which is in no table (ZooKeeper: ReferenceCountedACLCache) */
};

/* StatPersisted, in the order of the disk. Times in ms since 1970. */
struct snapshot_stat {
	uint64_t czxid, mzxid;
	int64_t ctime_ms, mtime_ms;
	int32_t version, cversion, aversion;
	int64_t ephemeral_owner;
	uint64_t pzxid;
};

/* Slices are borrowed for the time of the call. */
struct snapshot_node {
	struct slice path; /* "" for the root */
	struct slice data; /* may be null */
	int64_t acl;       /* key, or SNAPSHOT_ACL_OPEN */
	struct snapshot_stat stat;
};

/* What is known when the stream is at its end. */
struct snapshot_end {
	uint64_t sessions, acls, nodes;
	bool has_digest; /* section 7 was there */
	uint64_t digest_zxid;
	int32_t digest_version;
	uint64_t digest;
	bool has_last_zxid; /* section 8 was there */
	uint64_t last_zxid;
};

/*
 * Called as records become whole, in the stream's order; any may be NULL. A negative return ends reading and
 * is what feed returns. Contents are parsed, not judged: that paths are valid, parents there and ACL keys
 * known is the tree's.
 */
struct snapshot_events {
	int (*session)(void *ctx, int64_t session, int32_t timeout_ms);
	/* list = the raw bytes of a vector<ACL>, checked to be whole. */
	int (*acl)(void *ctx, int64_t key, struct slice list);
	int (*node)(void *ctx, const struct snapshot_node *node);
};

enum snapshot_form {
	SNAPSHOT_FILE,
	SNAPSHOT_STREAM, /* of SNAP: no header, no seals; ends with the terminator */
};

struct snapshot_reader {
	struct snapshot_end end;
	uint64_t offset; /* in the inflated stream: of the next byte to parse; where an error is */
	char error[120]; /* after -EBADMSG: what is wrong there, for people */
	/* Private. */
	struct buf in;
	const struct snapshot_events *events;
	void *ctx;
	enum snapshot_form form;
	int state;
	int failed;
	uint32_t left; /* sessions or ACLs still to come */
	uint32_t adler;
};

void snapshot_reader_init(struct snapshot_reader *r, enum snapshot_form form,
			  const struct snapshot_events *events, void *ctx);
void snapshot_reader_free(struct snapshot_reader *r);
/*
 * Takes the next bytes. Returns how many of them belong to the snapshot: all, but for a SNAPSHOT_STREAM whose
 * terminator lies in chunk (then snapshot_reader_done, and the rest is the caller's). -EBADMSG when it is
 * damaged, or what a callback returned; then it stays so.
 */
int64_t snapshot_reader_feed(struct snapshot_reader *r, struct slice chunk);
/* Whether all that must be there was: terminator, and seal in a file. Optional sections may still come. */
bool snapshot_reader_done(const struct snapshot_reader *r);
/* The stream has ended. 0 when it was whole, -EBADMSG otherwise. */
int snapshot_reader_finish(struct snapshot_reader *r);

/*
 * Writer: appends to *out, which the owner may drain between any two calls. Order of the calls is that of the
 * format; counts must be kept. out's sticky error tells when a record did not fit.
 */
struct snapshot_writer {
	struct buf *out;
	uint32_t adler;
};

void snapshot_writer_init(struct snapshot_writer *w, struct buf *out);
void snapshot_write_header(struct snapshot_writer *w);
void snapshot_write_sessions(struct snapshot_writer *w, uint32_t count);
void snapshot_write_session(struct snapshot_writer *w, int64_t session, int32_t timeout_ms);
void snapshot_write_acls(struct snapshot_writer *w, uint32_t count);
/* list = the raw bytes of a vector<ACL>. */
void snapshot_write_acl(struct snapshot_writer *w, int64_t key, struct slice list);
void snapshot_write_node(struct snapshot_writer *w, const struct snapshot_node *node);
/* Terminator and first seal: after it the file is valid. */
void snapshot_write_end(struct snapshot_writer *w);
/* Bytes that are known to be what the format has next. */
void snapshot_write_raw(struct snapshot_writer *w, struct slice bytes);
/* A seal alone, where the terminator was among them. */
void snapshot_write_seal(struct snapshot_writer *w);
/* The terminator alone, as SNAP has it. */
void snapshot_write_terminator(struct snapshot_writer *w);
/* Section 7: the tree's digest at zxid. ZooKeeper's digest version is 2. */
void snapshot_write_digest(struct snapshot_writer *w, uint64_t zxid, int32_t version, uint64_t digest);
/* Section 8. */
void snapshot_write_last_zxid(struct snapshot_writer *w, uint64_t zxid);

/* The whole snapshot.0 of a server that starts with nothing: the built-in nodes, byte for byte as ZooKeeper
 * writes it. */
void snapshot_write_empty(struct buf *out);

#endif
