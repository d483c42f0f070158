/* See snapread.h. Invariant: what is handed out was fed to the reader of common/disk before. */
#include "snapread.h"

#include <errno.h>

#include "base/mem.h"
#include "disk/inflater.h"
#include "disk/snapshot.h"

enum { PIECE_BYTES = 128 << 10 };

struct snapread {
	struct store_disk *disk;
	int handle;
	uint64_t offset; /* of the file, of the next byte to read */
	struct snapshot_reader reader;
	struct inflater *inflater; /* NULL: it is not compressed */
	struct slice packed;       /* of piece, not yet inflated */
	bool inflating;            /* there may be more to come out */
	struct buf inflated;
	const char *error;
	uint8_t piece[PIECE_BYTES];
};

static const struct snapshot_events check_only;

int
snapread_open(struct snapread **out, struct store_disk *d, const struct file_name *name, enum store_open how)
{
	char text[DISK_NAME_BYTES];
	struct snapread *r;
	int h;

	disk_name_make(text, name->kind, name->zxid);
	h = d->ops->open(d, STORE_SNAP, text, how);
	if (h < 0)
		return h;
	r = mem_zalloc(1, sizeof *r);
	r->disk = d;
	r->handle = h;
	r->inflater = inflater_new(name->kind);
	snapshot_reader_init(&r->reader, SNAPSHOT_FILE, &check_only, NULL);
	buf_init(&r->inflated, SIZE_MAX / 4);
	*out = r;
	return 0;
}

void
snapread_close(struct snapread *r)
{
	if (r == NULL)
		return;
	r->disk->ops->close(r->disk, r->handle);
	snapshot_reader_free(&r->reader);
	inflater_free(r->inflater);
	buf_free(&r->inflated);
	mem_free(r);
}

static int
damaged(struct snapread *r, const char *error)
{
	r->error = error;
	return -EBADMSG;
}

static int
check(struct snapread *r, struct slice bytes)
{
	return snapshot_reader_feed(&r->reader, bytes) < 0 ? damaged(r, r->reader.error) : 1;
}

static int
finish(struct snapread *r)
{
	if (r->inflater != NULL && !inflater_done(r->inflater))
		return damaged(r, "the compressed file is incomplete");
	return snapshot_reader_finish(&r->reader) != 0 ? damaged(r, r->reader.error) : 0;
}

static int
inflate_piece(struct snapread *r, struct slice *bytes)
{
	int64_t got;

	buf_reset(&r->inflated, SIZE_MAX);
	got = inflater_step(r->inflater, &r->packed, &r->inflated);
	if (got < 0)
		return damaged(r, "the compressed data is damaged");
	r->inflating = got > 0;
	*bytes = buf_slice(&r->inflated);
	return check(r, *bytes);
}

int
snapread_step(struct snapread *r, struct slice *bytes)
{
	int64_t got;

	*bytes = SLICE_NULL;
	if (r->inflating)
		return inflate_piece(r, bytes);
	got = r->disk->ops->read(r->disk, r->handle, r->offset, r->piece, PIECE_BYTES);
	if (got < 0)
		return (int)got;
	if (got == 0)
		return finish(r);
	r->offset += (uint64_t)got;
	r->packed = slice_of(r->piece, (size_t)got);
	if (r->inflater != NULL)
		return inflate_piece(r, bytes);
	*bytes = r->packed;
	return check(r, *bytes);
}

uint64_t
snapread_offset(const struct snapread *r)
{
	return r->reader.offset;
}

const char *
snapread_error(const struct snapread *r)
{
	return r->error;
}
