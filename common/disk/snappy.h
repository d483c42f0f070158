/*
 * .snappy snapshots: Snappy blocks in the frame of snappy-java's streams, which is what ZooKeeper writes.
 *
 *   header   0x82 "SNAPPY" 0x00, version int 1, least compatible version int 1
 *   block    length int, Snappy's raw format: length of the content as varint, then literals and copies    (any number)
 *
 * The raw format is small enough to be written down here; the library would bring the C++ runtime into daemons that hold
 * data. Pure.
 */
#ifndef DISK_SNAPPY_H
#define DISK_SNAPPY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

enum {
	SNAPPY_BLOCK_BYTES = 32 << 10, /* content of a block that we write, as snappy-java's default */
	SNAPPY_CONTENT_MAX = 4 << 20,  /* of one that we read */
	SNAPPY_PACKED_MAX = SNAPPY_CONTENT_MAX + SNAPPY_CONTENT_MAX / 6 + 32,
	SNAPPY_HEADER_BYTES = 16,
};

/* One raw block. The content's length, or -EBADMSG where it is damaged or longer than SNAPPY_CONTENT_MAX. */
int64_t snappy_unpack_block(struct slice packed, struct buf *out);
/* Appends the raw block of at most SNAPPY_BLOCK_BYTES. */
void snappy_pack_block(struct slice content, struct buf *out);

/* Reading a stream. */
struct unsnappy;

struct unsnappy *unsnappy_new(void);
void unsnappy_free(struct unsnappy *u);
/*
 * Takes from *in, which is advanced past what was used, and appends the content of one block at most to out. Bytes added;
 * 0: all of *in was used and more is needed; -EBADMSG: damaged.
 */
int64_t unsnappy_step(struct unsnappy *u, struct slice *in, struct buf *out);
/* Whether the stream may end here: it has no trailer. */
bool unsnappy_done(const struct unsnappy *u);

/* Writing one. */
struct snappy; /* owns the block that fills */

struct snappy *snappy_new(struct buf *out);
void snappy_free(struct snappy *s);
/* Takes all of in; whole blocks are appended to out. */
void snappy_put(struct snappy *s, struct slice in, struct buf *out);
/* The rest. */
void snappy_finish(struct snappy *s, struct buf *out);

#endif
