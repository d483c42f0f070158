/* See snapfile.h. Invariant: what has its last name is whole, verified and synced. */
#include "snapfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "disk/gzip.h"
#include "disk/snappy.h"
#include "disk/snapshot.h"

enum {
	/*
	 * Not more dirty pages than this, for the log's syncs wait behind them; written back and not synced, for each sync
	 * of a file that grows is a commit of the file system's journal, behind which they would wait too.
	 */
	BACK_STEP_BYTES = 1 << 20,
	WRITE_STEP_BYTES = 256 << 10,
};

struct snapfile {
	struct store_disk *disk;
	int handle;
	enum snapfile_form form;
	uint64_t written, given, keep_free; /* given: up to there written back */
	char name[DISK_NAME_BYTES], temporary[SNAPFILE_NAME_BYTES];
	struct snapshot_reader reader;
	struct gzip *gzip;     /* GZ */
	struct snappy *snappy; /* SNAPPY */
	struct buf out;
	struct snapshot_writer writer; /* RECEIVED: of header and seal */
};

static const struct snapshot_events check_only;

static void
name_files(struct snapfile *f, uint64_t zxid)
{
	static const enum disk_file_kind kinds[] = {
		[SNAPFILE_PLAIN] = DISK_SNAPSHOT,
		[SNAPFILE_GZ] = DISK_SNAPSHOT_GZ,
		[SNAPFILE_SNAPPY] = DISK_SNAPSHOT_SNAPPY,
		[SNAPFILE_RECEIVED] = DISK_SNAPSHOT,
	};

	disk_name_make(f->name, kinds[f->form], zxid);
	if (f->form == SNAPFILE_RECEIVED)
		snprintf(f->temporary, sizeof f->temporary, "%s%" PRIx64 ".tmp", SNAPFILE_INSTALL, zxid);
	else
		snprintf(f->temporary, sizeof f->temporary, "%s.tmp", f->name);
}

static void
begin_content(struct snapfile *f)
{
	bool received = f->form == SNAPFILE_RECEIVED;

	snapshot_reader_init(&f->reader, received ? SNAPSHOT_STREAM : SNAPSHOT_FILE, &check_only, NULL);
	buf_init(&f->out, SIZE_MAX / 4);
	snapshot_writer_init(&f->writer, &f->out);
	if (received)
		snapshot_write_header(&f->writer);
	if (f->form == SNAPFILE_GZ)
		f->gzip = gzip_new();
	if (f->form == SNAPFILE_SNAPPY)
		f->snappy = snappy_new(&f->out);
}

int
snapfile_new(struct snapfile **out, struct store_disk *d, uint64_t zxid, enum snapfile_form form,
	     uint64_t keep_free)
{
	struct snapfile *f = mem_zalloc(1, sizeof *f);
	int ret;

	f->disk = d;
	f->form = form;
	f->keep_free = keep_free;
	f->handle = -1;
	name_files(f, zxid);
	begin_content(f);
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
	snappy_free(f->snappy);
	buf_free(&f->out);
	mem_free(f);
}

static int
write_out(struct snapfile *f)
{
	struct store_disk *d = f->disk;
	size_t len = buf_len(&f->out);
	int ret = d->ops->write(d, f->handle, f->written, buf_head(&f->out), len);
	uint64_t free_bytes;

	if (ret != 0)
		return ret;
	f->written += len;
	buf_reset(&f->out, SIZE_MAX);
	if (f->written - f->given < BACK_STEP_BYTES)
		return 0;
	ret = d->ops->space(d, STORE_SNAP, &free_bytes);
	if (ret == 0 && free_bytes < f->keep_free)
		return -ENOSPC;
	if (ret == 0)
		ret = d->ops->write_back(d, f->handle, f->given, f->written - f->given);
	f->given = f->written;
	return ret;
}

int
snapfile_data(struct snapfile *f, struct slice bytes)
{
	int64_t got = snapshot_reader_feed(&f->reader, bytes);

	if (got < 0)
		return (int)got;
	if ((size_t)got < bytes.len) { /* behind the end of a stream */
		snprintf(f->reader.error, sizeof f->reader.error, "bytes follow its end");
		return -EBADMSG;
	}
	if (f->form == SNAPFILE_RECEIVED)
		snapshot_write_raw(&f->writer, bytes);
	else if (f->gzip != NULL)
		gzip_put(f->gzip, bytes, &f->out);
	else if (f->snappy != NULL)
		snappy_put(f->snappy, bytes, &f->out);
	else
		buf_put_slice(&f->out, bytes);
	return buf_len(&f->out) < WRITE_STEP_BYTES ? 0 : write_out(f);
}

static void
end_content(struct snapfile *f)
{
	if (f->form == SNAPFILE_RECEIVED)
		snapshot_write_seal(&f->writer);
	if (f->gzip != NULL)
		gzip_finish(f->gzip, &f->out);
	if (f->snappy != NULL)
		snappy_finish(f->snappy, &f->out);
}

int
snapfile_finish(struct snapfile *f)
{
	struct store_disk *d = f->disk;
	int ret = snapshot_reader_finish(&f->reader);

	if (ret != 0)
		return ret;
	end_content(f);
	ret = write_out(f);
	if (ret == 0)
		ret = d->ops->sync(d, f->handle);
	if (ret == 0 && f->form != SNAPFILE_RECEIVED)
		ret = d->ops->rename(d, STORE_SNAP, f->temporary, f->name);
	if (ret != 0)
		return ret;
	d->ops->close(d, f->handle);
	f->handle = -1;
	return f->form == SNAPFILE_RECEIVED ? 0 : d->ops->sync_folder(d, STORE_SNAP);
}

void
snapfile_remove_received(struct store_disk *d, uint64_t zxid)
{
	char name[SNAPFILE_NAME_BYTES];

	snprintf(name, sizeof name, "%s%" PRIx64 ".tmp", SNAPFILE_INSTALL, zxid);
	files_remove(d, STORE_SNAP, name);
}

const char *
snapfile_error(const struct snapfile *f)
{
	return f->reader.error;
}
