/*
 * INSTALL: a snapshot of the leader takes the place of this server's history. The received file is whole and synced as
 * zkd.install.ZXID.tmp; its rename to zkd.install.ZXID is the commit point. From there on everything is done again by
 * recovery until it is complete: all logs and snapshots are set aside (also those below ZXID: they may be of a history
 * that was given up, and do not reach ZXID), then the file gets its name. Invariant: snapshot.ZXID and what was before
 * it are never both in the way of recovery.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "snapfile.h"
#include "store_internal.h"

static int
set_aside(struct store_disk *d, enum store_folder folder, const struct file_name *names, size_t n)
{
	char from[DISK_NAME_BYTES], to[DISK_NAME_BYTES + sizeof FILES_ASIDE];
	int ret = 0;

	/* Newest first: a crash leaves the beginning of a history, to whatever program looks. */
	for (size_t i = n; i > 0 && ret == 0; i--) {
		disk_name_make(from, names[i - 1].kind, names[i - 1].zxid);
		snprintf(to, sizeof to, "%s%s", FILES_ASIDE, from);
		ret = d->ops->rename(d, folder, from, to);
	}
	return ret;
}

static int
set_all_aside(struct store_disk *d)
{
	char why[FILES_TEXT_BYTES];
	struct files f;
	int ret = files_list(&f, d, why);

	if (ret != 0)
		return ret;
	ret = set_aside(d, STORE_LOG, f.logs, f.nlogs);
	if (ret == 0)
		ret = set_aside(d, STORE_SNAP, f.snapshots, f.nsnapshots);
	files_free(&f);
	/* Before the snapshot has its name, for then nothing tells any more that they are void. */
	if (ret == 0 && !d->one_folder)
		ret = d->ops->sync_folder(d, STORE_LOG);
	return ret == 0 ? d->ops->sync_folder(d, STORE_SNAP) : ret;
}

/* Everything but the last rename, as often as it takes: once the snapshot has its name it may not be set aside too. */
static int
make_way(struct store_disk *d, const char *committed)
{
	int h = d->ops->open(d, STORE_SNAP, committed, STORE_READ), ret;

	if (h < 0)
		return h;
	d->ops->close(d, h);
	ret = mark_remove(d);
	return ret == 0 ? set_all_aside(d) : ret;
}

/* Behind the commit point; may be repeated. */
static int
complete(struct store_disk *d, uint64_t zxid)
{
	char from[SNAPFILE_NAME_BYTES], to[DISK_NAME_BYTES];
	int ret;

	snprintf(from, sizeof from, "%s%" PRIx64, SNAPFILE_INSTALL, zxid);
	disk_name_make(to, DISK_SNAPSHOT, zxid);
	ret = make_way(d, from);
	if (ret == 0)
		ret = d->ops->rename(d, STORE_SNAP, from, to);
	if (ret == 0 || ret == -ENOENT)
		ret = d->ops->sync_folder(d, STORE_SNAP);
	return ret;
}

/* From the commit point on no error may be taken for the one that says that it was not reached. */
static int
half_way(int error)
{
	return error == -EAGAIN ? -EIO : error;
}

/* To the commit point. -EAGAIN: it was not reached. */
static int
commit(struct store *s, uint64_t zxid)
{
	char from[SNAPFILE_NAME_BYTES], to[SNAPFILE_NAME_BYTES];
	struct store_disk *d = s->disk;
	int ret = store_failed(s) != NULL ? -EAGAIN : 0;

	snprintf(to, sizeof to, "%s%" PRIx64, SNAPFILE_INSTALL, zxid);
	snprintf(from, sizeof from, "%s%" PRIx64 ".tmp", SNAPFILE_INSTALL, zxid);
	if (ret == 0)
		ret = partial_begin(s, zxid);
	if (ret == 0)
		ret = d->ops->rename(d, STORE_SNAP, from, to);
	if (ret == 0)
		return half_way(d->ops->sync_folder(d, STORE_SNAP));
	trace(s->trace, TRACE_ERROR, "store", "snapshot not installed", "zxid=0x%" PRIx64 " reason=\"%s\"",
	      zxid, strerror(-ret));
	snapfile_remove_received(d, zxid);
	return -EAGAIN;
}

int
store_install(struct store *s, uint64_t zxid)
{
	int ret;

	ASSERT(s->batch_txns == 0);
	ret = commit(s, zxid);
	if (ret != 0)
		return ret;
	store_drop_log(s);
	do
		ret = complete(s->disk, zxid);
	while (ret != 0 && store_made_room(s, ret));
	if (ret != 0)
		return half_way(ret);
	trace(s->trace, TRACE_NOTICE, "store", "snapshot installed", "zxid=0x%" PRIx64 " was=0x%" PRIx64,
	      zxid, s->durable);
	store_begin_anew(s, zxid, zxid);
	s->since_txns = s->since_bytes = 0;
	store_clean(s);
	store_mark(s, true);
	return 0;
}

struct committed {
	bool found;
	uint64_t zxid;
};

static int
is_committed(void *ctx, const char *name)
{
	struct committed *c = ctx;
	char other[SNAPFILE_NAME_BYTES];
	uint64_t zxid;

	if (strncmp(name, SNAPFILE_INSTALL, strlen(SNAPFILE_INSTALL)) != 0)
		return 0;
	/* The number is judged as in any other name; one with .tmp behind it is not committed. */
	snprintf(other, sizeof other, "snapshot.%s", name + strlen(SNAPFILE_INSTALL));
	if (disk_name_parse(other, &zxid) == DISK_SNAPSHOT)
		*c = (struct committed){ true, zxid };
	return 0;
}

int
install_recover(struct store *s)
{
	struct committed c = { 0 };
	int ret = s->disk->ops->list(s->disk, STORE_SNAP, is_committed, &c);

	if (ret != 0 || !c.found)
		return ret;
	trace(s->trace, TRACE_NOTICE, "store", "install completed", "zxid=0x%" PRIx64, c.zxid);
	return complete(s->disk, c.zxid);
}
