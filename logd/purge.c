/* See purge.h. Invariant: snapshots go before the logs that only they needed, and logs go oldest first. */
#include "purge.h"

#include <errno.h>

/* Index of the oldest snapshot to keep, or -ENOENT when there are not enough of them. */
static int64_t
oldest_kept(struct store_disk *d, const struct files *f, unsigned retain)
{
	for (size_t i = f->nsnapshots; i-- > 0;) {
		if (files_check_snapshot(d, &f->snapshots[i]) == 0 && --retain == 0)
			return (int64_t)i;
	}
	return -ENOENT;
}

static int
remove_files(struct store_disk *d, enum store_folder folder, const struct file_name *names, size_t n,
	     struct trace *t)
{
	char name[DISK_NAME_BYTES];
	int ret = 0;

	for (size_t i = 0; i < n && ret == 0; i++) {
		disk_name_make(name, names[i].kind, names[i].zxid);
		ret = files_remove(d, folder, name);
		if (ret == 0)
			trace(t, TRACE_DEBUG, "store", "purged", "file=%s", name);
	}
	if (ret == 0 && n > 0)
		ret = d->ops->sync_folder(d, folder);
	return ret;
}

int
purge_files(struct store_disk *d, unsigned retain, struct trace *t)
{
	char why[FILES_TEXT_BYTES];
	struct files f;
	int64_t keep;
	size_t logs = 0;
	int ret = files_list(&f, d, why);

	if (ret != 0)
		return ret;
	keep = oldest_kept(d, &f, retain);
	if (keep >= 0) {
		if (f.nlogs > 0)
			logs = files_log_for(&f, f.snapshots[keep].zxid);
		ret = remove_files(d, STORE_SNAP, f.snapshots, (size_t)keep, t);
		if (ret == 0)
			ret = remove_files(d, STORE_LOG, f.logs, logs, t);
	}
	files_free(&f);
	if (ret != 0)
		return ret;
	return keep < 0 ? 0 : (int)((size_t)keep + logs);
}
