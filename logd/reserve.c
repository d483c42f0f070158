/* See reserve.h. Invariant: a fill that fails leaves no more space taken than before. */
#include "reserve.h"

#include <errno.h>

#include "files.h"

/* The file is open and has another size. */
static int
resize(struct store_disk *d, enum store_folder folder, int h, uint64_t from, uint64_t to)
{
	uint64_t free_bytes;
	int ret;

	if (to < from)
		return d->ops->truncate(d, h, to);
	ret = d->ops->space(d, folder, &free_bytes);
	if (ret == 0 && free_bytes / 2 < to - from)
		return -ENOSPC;
	if (ret == 0)
		ret = d->ops->allocate(d, h, to);
	if (ret != 0)
		d->ops->truncate(d, h, from);
	return ret;
}

static int
fill_folder(struct store_disk *d, enum store_folder folder, uint64_t bytes)
{
	struct store_info info;
	int h, ret;

	if (bytes == 0)
		return files_remove(d, folder, RESERVE_NAME);
	h = d->ops->open(d, folder, RESERVE_NAME, STORE_WRITE);
	if (h == -ENOENT)
		h = d->ops->open(d, folder, RESERVE_NAME, STORE_CREATE);
	if (h < 0)
		return h;
	ret = d->ops->info(d, h, &info);
	if (ret == 0 && info.size != bytes) {
		ret = resize(d, folder, h, info.size, bytes);
		if (ret == 0)
			ret = d->ops->sync(d, h);
	}
	d->ops->close(d, h);
	return ret == 0 ? d->ops->sync_folder(d, folder) : ret;
}

int
reserve_fill(struct store_disk *d, uint64_t bytes)
{
	int ret = fill_folder(d, STORE_SNAP, bytes), other;

	if (d->one_folder)
		return ret;
	other = fill_folder(d, STORE_LOG, bytes);
	return ret == 0 ? other : ret;
}

static int
spend_folder(struct store_disk *d, enum store_folder folder)
{
	int h = d->ops->open(d, folder, RESERVE_NAME, STORE_WRITE);
	struct store_info info;
	int ret;

	if (h < 0)
		return h == -ENOENT ? -ENOSPC : h;
	ret = d->ops->info(d, h, &info);
	if (ret == 0 && info.size == 0)
		ret = -ENOSPC;
	if (ret == 0)
		ret = d->ops->truncate(d, h,
				       info.size > RESERVE_PIECE_BYTES ? info.size - RESERVE_PIECE_BYTES : 0);
	/* Only what is synced is free in the eyes of every file system. */
	if (ret == 0)
		ret = d->ops->sync(d, h);
	d->ops->close(d, h);
	return ret;
}

int
reserve_spend(struct store_disk *d)
{
	int ret = spend_folder(d, STORE_SNAP), other;

	if (d->one_folder)
		return ret;
	/* One of the two is full, and which does not matter. */
	other = spend_folder(d, STORE_LOG);
	return ret == 0 ? ret : other;
}
