/* See snapfile.h. Invariant: the final name appears only for a whole, verified, synced file. */
#include "snapfile.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "disk/gzip.h"
#include "disk/snapshot.h"

enum {
	SYNC_STEP_BYTES =
	    8 << 20, /* not more dirty pages than this, so that the log's syncs do not wait behind them */
	WRITE_STEP_BYTES = 256 << 10,
};

struct snapfile {
	struct store_disk *disk;
	int handle;
	uint64_t written, synced;
	char name[DISK_NAME_BYTES], temporary[DISK_NAME_BYTES + 4];
	struct snapshot_reader reader;
	struct gzip *gzip; /* NULL: stored as it is */
	struct buf out;
};

static const struct snapshot_events check_only;

int
snapfile_new(struct snapfile **out, struct store_disk *d, uint64_t zxid, bool gz)
{
	struct snapfile *f = mem_zalloc(1, sizeof *f);
	int ret;

	f->disk = d;
	disk_name_make(f->name, gz ? DISK_SNAPSHOT_GZ : DISK_SNAPSHOT, zxid);
	snprintf(f->temporary, sizeof f->temporary, "%s.tmp", f->name);
	snapshot_reader_init(&f->reader, SNAPSHOT_FILE, &check_only, NULL);
	buf_init(&f->out, SIZE_MAX / 4);
	if (gz)
		f->gzip = gzip_new();
	f->handle = -1;
	ret = files_remove(d, STORE_SNAP, f->temporary);
	if (ret == 0) {
		f->handle = d->ops->open(d, STORE_SNAP, f->temporary, STORE_CREATE);
		ret = f->handle < 0 ? f->handle : 0;
	}
	if (ret != 0) {
		snapfile_free(f);
		return ret;
	}
	*out = f;
	return 0;
}

void
snapfile_free(struct snapfile *f)
{
	if (f == NULL)
		return;
	if (f->handle >= 0) {
		f->disk->ops->close(f->disk, f->handle);
		files_remove(f->disk, STORE_SNAP, f->temporary);
	}
	snapshot_reader_free(&f->reader);
	gzip_free(f->gzip);
	buf_free(&f->out);
	mem_free(f);
}

static int
write_out(struct snapfile *f)
{
	struct store_disk *d = f->disk;
	size_t len = buf_len(&f->out);
	int ret = d->ops->write(d, f->handle, f->written, buf_head(&f->out), len);

	if (ret != 0)
		return ret;
	f->written += len;
	buf_reset(&f->out, SIZE_MAX);
	if (f->written - f->synced < SYNC_STEP_BYTES)
		return 0;
	f->synced = f->written;
	return d->ops->sync(d, f->handle);
}

int
snapfile_data(struct snapfile *f, struct slice bytes)
{
	int64_t got = snapshot_reader_feed(&f->reader, bytes);

	if (got < 0)
		return (int)got;
	if (f->gzip != NULL)
		gzip_put(f->gzip, bytes, &f->out);
	else
		buf_put_slice(&f->out, bytes);
	return buf_len(&f->out) < WRITE_STEP_BYTES ? 0 : write_out(f);
}

int
snapfile_finish(struct snapfile *f)
{
	struct store_disk *d = f->disk;
	int ret = snapshot_reader_finish(&f->reader);

	if (ret != 0)
		return ret;
	if (f->gzip != NULL)
		gzip_finish(f->gzip, &f->out);
	ret = write_out(f);
	if (ret == 0)
		ret = d->ops->sync(d, f->handle);
	if (ret == 0)
		ret = d->ops->rename(d, STORE_SNAP, f->temporary, f->name);
	if (ret != 0)
		return ret;
	d->ops->close(d, f->handle);
	f->handle = -1;
	return d->ops->sync_folder(d, STORE_SNAP);
}

const char *
snapfile_error(const struct snapfile *f)
{
	return f->reader.error;
}
