/*
 * zkd.partial: how far the log went that a leader's snapshot took the place of. What was acked up to there is not all
 * here until the txns behind the snapshot have come, or the leader's history has turned out to be shorter: until
 * then the node must not vote, for with its vote a committed txn could be lost (control.proto: Hello.partial). The file is
 * there before the snapshot is installed, and goes when the epoch of the leader that it came from is stored, for that
 * comes behind its whole history. Invariant: the file is there, on the disk, whenever the node may have less than it acked.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "store_internal.h"

#define PARTIAL_NAME "zkd.partial"
enum { PARTIAL_BYTES = 1 << 16 };

/* Digits behind "0x"; 0 where there are none. */
static uint64_t
parse(struct slice text)
{
	uint64_t zxid = 0;

	for (size_t i = 2; i < text.len && text.data[i] != '\n'; i++) {
		uint8_t c = text.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return 0;
		zxid = zxid << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return zxid;
}

static int
begin(struct store *s, uint64_t was)
{
	char text[24];
	int n = snprintf(text, sizeof text, "0x%" PRIx64 "\n", was);
	int ret = files_replace(s->disk, STORE_SNAP, PARTIAL_NAME, slice_of(text, (size_t)n));

	if (ret == 0)
		s->partial = was;
	return ret;
}

int
partial_begin(struct store *s, uint64_t zxid)
{
	return s->durable <= zxid || s->partial >= s->durable ? 0 : begin(s, s->durable);
}

int
partial_begin_empty(struct store *s)
{
	return begin(s, UINT64_MAX);
}

int
partial_end(struct store *s)
{
	int ret;

	if (s->partial == 0)
		return 0;
	ret = files_remove(s->disk, STORE_SNAP, PARTIAL_NAME);
	if (ret == 0)
		ret = s->disk->ops->sync_folder(s->disk, STORE_SNAP);
	if (ret == 0)
		s->partial = 0;
	return ret;
}

int
partial_recover(struct store *s)
{
	struct buf b;
	int ret;

	buf_init(&b, PARTIAL_BYTES);
	ret = files_read_small(s->disk, STORE_SNAP, PARTIAL_NAME, &b);
	/* A file that makes no sense is not of our making; to doubt is safe, to trust is not. */
	if (ret == 0)
		s->partial = parse(buf_slice(&b));
	if (ret == -EFBIG || (ret == 0 && s->partial == 0))
		s->partial = UINT64_MAX;
	buf_free(&b);
	if (store_partial(s))
		trace(s->trace, TRACE_WARNING, "store", "history is not whole",
		      "durable=0x%" PRIx64 " was=0x%" PRIx64, s->durable, s->partial);
	return ret == -ENOENT || ret == -EFBIG ? 0 : ret;
}

bool
store_partial(const struct store *s)
{
	return s->durable < s->partial;
}
