/* See mark.h. Invariant: a mark is written only after what it claims is durable. */
#include "mark.h"

#include <errno.h>
#include <zlib.h>

#include "base/bytes.h"
#include "files.h"

enum { MARK_MAGIC = 0x7a6b6d32, MARK_BYTES = 4 + 5 * 8 + 2 * 4 + 4 };

static int
parse(const uint8_t b[MARK_BYTES], uint64_t own_id, struct mark *m)
{
	if (get_be32(b) != MARK_MAGIC || get_be32(b + MARK_BYTES - 4) != adler32_z(1, b, MARK_BYTES - 4))
		return -ENOENT;
	*m = (struct mark){
		.copied = get_be64(b + 4) != own_id,
		.log_zxid = get_be64(b + 12),
		.file_id = get_be64(b + 20),
		.offset = get_be64(b + 28),
		.zxid = get_be64(b + 36),
		.accepted = get_be32(b + 44),
		.current = get_be32(b + 48),
	};
	return 0;
}

int
mark_read(struct store_disk *d, struct mark *m)
{
	uint8_t b[MARK_BYTES];
	struct store_info info;
	int64_t got;
	int ret, h = d->ops->open(d, STORE_SNAP, MARK_NAME, STORE_READ);

	if (h < 0)
		return h;
	ret = d->ops->info(d, h, &info);
	got = ret == 0 ? d->ops->read(d, h, 0, b, sizeof b) : ret;
	d->ops->close(d, h);
	if (got < 0)
		return (int)got;
	return got == MARK_BYTES ? parse(b, info.id, m) : -ENOENT;
}

static void
put(uint8_t b[MARK_BYTES], uint64_t own_id, const struct mark *m)
{
	put_be32(b, MARK_MAGIC);
	put_be64(b + 4, own_id);
	put_be64(b + 12, m->log_zxid);
	put_be64(b + 20, m->file_id);
	put_be64(b + 28, m->offset);
	put_be64(b + 36, m->zxid);
	put_be32(b + 44, m->accepted);
	put_be32(b + 48, m->current);
	put_be32(b + MARK_BYTES - 4, (uint32_t)adler32_z(1, b, MARK_BYTES - 4));
}

static int
write_to(struct store_disk *d, int h, const struct mark *m, bool sync)
{
	uint8_t b[MARK_BYTES];
	struct store_info info;
	int ret = d->ops->info(d, h, &info);

	if (ret != 0)
		return ret;
	put(b, info.id, m);
	ret = d->ops->write(d, h, 0, b, sizeof b);
	return ret == 0 && sync ? d->ops->sync(d, h) : ret;
}

int
mark_write(struct store_disk *d, const struct mark *m, bool sync)
{
	int ret, h = d->ops->open(d, STORE_SNAP, MARK_NAME, STORE_WRITE);
	bool made = h == -ENOENT;

	if (made)
		h = d->ops->open(d, STORE_SNAP, MARK_NAME, STORE_CREATE);
	if (h < 0)
		return h;
	ret = write_to(d, h, m, sync);
	d->ops->close(d, h);
	return ret == 0 && sync && made ? d->ops->sync_folder(d, STORE_SNAP) : ret;
}

int
mark_remove(struct store_disk *d)
{
	int ret = files_remove(d, STORE_SNAP, MARK_NAME);

	return ret == 0 ? d->ops->sync_folder(d, STORE_SNAP) : ret;
}
