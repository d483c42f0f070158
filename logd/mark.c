/* See mark.h. Invariant: a mark is written only after what it claims is durable. */
#include "mark.h"

#include <errno.h>
#include <zlib.h>

#include "base/bytes.h"
#include "files.h"

enum { MARK_MAGIC = 0x7a6b646d, MARK_BYTES = 4 + 4 * 8 + 4 };

int
mark_read(struct store_disk *d, struct mark *m)
{
	uint8_t b[MARK_BYTES];
	int64_t got;
	int h = d->ops->open(d, STORE_LOG, MARK_NAME, STORE_READ);

	if (h < 0)
		return h;
	got = d->ops->read(d, h, 0, b, sizeof b);
	d->ops->close(d, h);
	if (got < 0)
		return (int)got;
	if (got != MARK_BYTES || get_be32(b) != MARK_MAGIC ||
	    get_be32(b + MARK_BYTES - 4) != adler32_z(1, b, MARK_BYTES - 4))
		return -ENOENT;
	m->log_zxid = get_be64(b + 4);
	m->file_id = get_be64(b + 12);
	m->offset = get_be64(b + 20);
	m->zxid = get_be64(b + 28);
	return 0;
}

int
mark_write(struct store_disk *d, const struct mark *m)
{
	uint8_t b[MARK_BYTES];
	int ret, h = d->ops->open(d, STORE_LOG, MARK_NAME, STORE_WRITE);

	if (h == -ENOENT)
		h = d->ops->open(d, STORE_LOG, MARK_NAME, STORE_CREATE);
	if (h < 0)
		return h;
	put_be32(b, MARK_MAGIC);
	put_be64(b + 4, m->log_zxid);
	put_be64(b + 12, m->file_id);
	put_be64(b + 20, m->offset);
	put_be64(b + 28, m->zxid);
	put_be32(b + MARK_BYTES - 4, (uint32_t)adler32_z(1, b, MARK_BYTES - 4));
	ret = d->ops->write(d, h, 0, b, sizeof b);
	d->ops->close(d, h);
	return ret;
}

int
mark_remove(struct store_disk *d)
{
	int ret = files_remove(d, STORE_LOG, MARK_NAME);

	return ret == 0 ? d->ops->sync_folder(d, STORE_LOG) : ret;
}
