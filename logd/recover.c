/*
 * Opening the store: what is on the disk becomes positions, or a refusal. Invariants: a file is changed only where the
 * comment of store.h allows it (torn tails, empty newest logs, temporary files of our own kind); when recover returns
 * 0 everything that the positions speak of has been synced, because a crash may have left it in the page cache.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "disk/snapshot.h"
#include "snapfile.h"
#include "store_internal.h"

/* A log with more than this before its mark is not read from its beginning: logd is to be back in 300 ms. */
enum { FROM_MARK_BYTES = 4 << 20, PIECE_BYTES = 64 << 10 };

int
store_refuse(char why[FILES_TEXT_BYTES], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, FILES_TEXT_BYTES, fmt, ap);
	va_end(ap);
	return -EUCLEAN;
}

/* Adds to an explanation what can be done about it. */
static int
refuse_with(char why[FILES_TEXT_BYTES], const char *more)
{
	size_t n = strlen(why);

	snprintf(why + n, FILES_TEXT_BYTES - n, "; %s", more);
	return -EUCLEAN;
}

int
store_disk_error(char why[FILES_TEXT_BYTES], int error, const char *doing, const struct store *s,
		 enum store_folder folder)
{
	if (error == -EISDIR)
		return store_refuse(why, "cannot %s in %s: something of that name is no file; move it away",
				    doing, s->disk->names[folder]);
	snprintf(why, FILES_TEXT_BYTES, "cannot %s in %s: %s", doing, s->disk->names[folder],
		 strerror(-error));
	return error;
}

/* Temporary files that a crash left: of epoch files, snapshots, installs and the probe. */
static int
is_temporary(void *ctx, const char *name)
{
	struct buf *names = ctx;
	size_t n = strlen(name);
	char stem[DISK_NAME_BYTES];
	uint64_t zxid;
	bool ours = strcmp(name, "zkd.probe") == 0;
	bool install = strncmp(name, SNAPFILE_INSTALL, strlen(SNAPFILE_INSTALL)) == 0;

	if (n > 4 && n - 4 < sizeof stem && strcmp(name + n - 4, ".tmp") == 0) {
		memcpy(stem, name, n - 4);
		stem[n - 4] = '\0';
		ours = install || strcmp(stem, "currentEpoch") == 0 || strcmp(stem, "acceptedEpoch") == 0 ||
		       strcmp(stem, "zkd.members") == 0 || disk_name_parse(stem, &zxid) != DISK_FOREIGN;
	}
	if (ours)
		buf_put(names, name, n + 1);
	return 0;
}

static int
clean_folder(struct store *s, enum store_folder folder)
{
	struct buf names;
	int ret;

	buf_init(&names, SIZE_MAX / 4);
	ret = s->disk->ops->list(s->disk, folder, is_temporary, &names);
	while (ret == 0 && buf_len(&names) > 0) {
		const char *name = (const char *)buf_head(&names);
		trace(s->trace, TRACE_DEBUG, "store", "temporary file removed", "file=%s", name);
		ret = files_remove(s->disk, folder, name);
		buf_consume(&names, strlen(name) + 1);
	}
	buf_free(&names);
	return ret;
}

int
store_clean(struct store *s)
{
	int ret = clean_folder(s, STORE_SNAP);

	return ret == 0 && !s->disk->one_folder ? clean_folder(s, STORE_LOG) : ret;
}

/* The newest snapshot that looks whole; its zxid, or -ENOENT. Others are named once. */
static int
find_snapshot(struct store *s, const struct files *f, char why[FILES_TEXT_BYTES])
{
	char name[DISK_NAME_BYTES];
	int ret;

	for (size_t i = f->nsnapshots; i-- > 0;) {
		ret = files_check_snapshot(s->disk, &f->snapshots[i]);
		if (ret == 0) {
			s->snapshot_zxid = f->snapshots[i].zxid;
			return 0;
		}
		disk_name_make(name, f->snapshots[i].kind, f->snapshots[i].zxid);
		if (ret == -EISDIR)
			return store_refuse(why, "%s/%s is no file; move it away", s->disk->names[STORE_SNAP],
					    name);
		if (ret != -EBADMSG) {
			snprintf(why, FILES_TEXT_BYTES, "cannot read %s/%s: %s", s->disk->names[STORE_SNAP],
				 name, strerror(-ret));
			return ret;
		}
		trace(s->trace, TRACE_WARNING, "store", "snapshot passed over", "file=%s reason=incomplete",
		      name);
	}
	return -ENOENT;
}

static int
refuse_without_snapshot(const struct store *s, const struct files *f, char why[FILES_TEXT_BYTES])
{
	char name[DISK_NAME_BYTES];
	const struct file_name *newest = f->nsnapshots == 0 ? NULL : &f->snapshots[f->nsnapshots - 1];

	if (newest == NULL)
		return store_refuse(
		    why,
		    "%s holds transaction logs, but %s no snapshot: starting would serve an incomplete "
		    "database; restore the snapshots, or set snapshot.trust.empty=true once if the logs "
		    "are known to be complete (a server upgraded from ZooKeeper 3.4)",
		    s->disk->names[STORE_LOG], s->disk->names[STORE_SNAP]);
	disk_name_make(name, newest->kind, newest->zxid);
	return store_refuse(why,
			    "%s holds %zu snapshots, newest %s, and none of them is whole; " STORE_WAY_OUT,
			    s->disk->names[STORE_SNAP], f->nsnapshots, name);
}

/* What to do with the end of the newest log. */
enum judgement { KEEP, CUT, REFUSE };

static enum judgement
judge_end(const struct txnlog_end *end, const struct mark *mark)
{
	bool claimed = mark != NULL && mark->offset > end->good;

	if (end->kind == TXNLOG_FOREIGN || claimed)
		return REFUSE;
	if (end->kind == TXNLOG_CLEAN)
		return KEEP;
	if (end->kind != TXNLOG_DAMAGED)
		return CUT;
	return end->lost_sector && end->last_end - end->good <= STORE_BATCH_BYTES ? CUT : REFUSE;
}

static int
refuse_log(const struct store *s, uint64_t log_zxid, const struct txnlog_end *end, const struct mark *mark,
	   char why[FILES_TEXT_BYTES])
{
	bool claimed = mark != NULL && mark->offset > end->good;
	size_t n;

	walk_explain(why, s->disk, log_zxid, end);
	n = strlen(why);
	if (claimed)
		snprintf(why + n, FILES_TEXT_BYTES - n,
			 "; but it was on the disk up to offset %" PRIu64 ", zxid 0x%" PRIx64, mark->offset,
			 mark->zxid);
	refuse_with(why, STORE_WAY_OUT);
	return claimed && end->kind != TXNLOG_DAMAGED && end->kind != TXNLOG_FOREIGN
		   ? refuse_with(why, "or, where the loss is meant, remove " MARK_NAME)
		   : -EUCLEAN;
}

/* Whether a log that long is read from its mark on: what lies before was read when it was loaded, and is again. */
static bool
begins_at_mark(const struct mark *m, uint64_t log_zxid, const struct store_info *info)
{
	return m != NULL && m->log_zxid == log_zxid && m->offset >= FROM_MARK_BYTES &&
	       m->offset <= info->size;
}

/* Reads log_zxid to its end; *last is where its last entry begins. *mark becomes NULL when it speaks of another file. */
static int
read_log(struct store *s, uint64_t log_zxid, struct mark **mark, struct txnlog_end *end, uint64_t *last)
{
	struct txnlog_entry e;
	struct walk w;
	int ret = walk_open(&w, s->disk, log_zxid);

	if (ret != 0)
		return ret;
	if (*mark != NULL && ((*mark)->log_zxid != log_zxid || (*mark)->file_id != w.info.id))
		*mark = NULL;
	if (begins_at_mark(*mark, log_zxid, &w.info))
		walk_begin_at(&w, (*mark)->offset, (*mark)->zxid);
	*last = UINT64_MAX;
	while ((ret = walk_next(&w, &e)) > 0)
		*last = e.offset;
	*end = w.reader.end;
	walk_close(&w);
	return ret;
}

/* Removes a newest log that holds nothing. */
static int
remove_empty(struct store *s, uint64_t log_zxid)
{
	char name[DISK_NAME_BYTES];
	int ret;

	disk_name_make(name, DISK_LOG, log_zxid);
	trace(s->trace, TRACE_NOTICE, "store", "empty log removed", "file=%s", name);
	ret = files_remove(s->disk, STORE_LOG, name);
	return ret == 0 ? s->disk->ops->sync_folder(s->disk, STORE_LOG) : ret;
}

/*
 * Where the bytes begin that may not have been synced: behind the mark, and at most one batch, or one txn that is longer
 * than a batch.
 */
static uint64_t
find_doubtful(const struct txnlog_end *end, const struct mark *mark, uint64_t last)
{
	uint64_t from = end->good > STORE_BATCH_BYTES ? end->good - STORE_BATCH_BYTES : 0;

	if (last < from)
		from = last;
	if (mark != NULL && mark->offset > from)
		from = mark->offset;
	return from < end->good ? from : end->good;
}

/*
 * Writes the same bytes anew. A process before this one may have seen a sync of them fail and have died before it
 * could cut: their pages are clean then, a reader finds them, and a sync says done, but the disk does not have them.
 * Only what is written again is what the next sync is about (ATC'20).
 */
static int
write_again(struct store *s, uint64_t from, uint64_t to)
{
	struct store_disk *d = s->disk;
	uint8_t *piece = mem_alloc(PIECE_BYTES);
	int ret = 0;

	while (from < to && ret == 0) {
		size_t n = to - from < PIECE_BYTES ? (size_t)(to - from) : PIECE_BYTES;
		int64_t got = d->ops->read(d, s->handle, from, piece, n);

		if (got <= 0)
			ret = got < 0 ? (int)got : -EIO;
		else
			ret = d->ops->write(d, s->handle, from, piece, (size_t)got);
		from += got > 0 ? (uint64_t)got : 0;
	}
	mem_free(piece);
	return ret;
}

/* Opens the newest log for appending, cut where it is torn, and synced; what is behind `doubtful` is written again. */
static int
open_log(struct store *s, uint64_t log_zxid, const struct txnlog_end *end, bool cut, uint64_t doubtful)
{
	struct store_disk *d = s->disk;
	char name[DISK_NAME_BYTES];
	int ret = 0;

	disk_name_make(name, DISK_LOG, log_zxid);
	s->handle = d->ops->open(d, STORE_LOG, name, STORE_WRITE);
	if (s->handle < 0)
		return s->handle;
	if (cut) {
		trace(s->trace, TRACE_WARNING, "store", "torn tail cut",
		      "file=%s offset=%" PRIu64 " bytes=%" PRIu64 " last=0x%" PRIx64, name, end->good,
		      end->size - end->good, end->last_zxid);
		ret = d->ops->truncate(d, s->handle, end->good);
	}
	if (ret == 0)
		ret = write_again(s, doubtful, end->good);
	if (ret == 0)
		ret = d->ops->sync(d, s->handle);
	if (ret == 0)
		ret = d->ops->info(d, s->handle, &s->info);
	s->end = (struct store_end){ true, log_zxid, end->good, end->last_zxid, s->info.size, 0 };
	s->durable = end->last_zxid;
	return ret;
}

/* The newest log with an entry becomes the one in use; newer ones without any go. */
static int
recover_log(struct store *s, const struct files *f, char why[FILES_TEXT_BYTES])
{
	struct mark *mark;
	struct txnlog_end end;
	enum judgement j;
	uint64_t last;
	int ret;

	for (size_t i = f->nlogs; i-- > 0;) {
		uint64_t zxid = f->logs[i].zxid;
		mark = s->vouched ? &s->found : NULL;
		ret = read_log(s, zxid, &mark, &end, &last);
		if (ret == -EISDIR)
			return store_refuse(why, "%s/log.%" PRIx64 " is no file; move it away",
					    s->disk->names[STORE_LOG], zxid);
		if (ret != 0)
			return store_disk_error(why, ret, "read the newest log", s, STORE_LOG);
		j = judge_end(&end, mark);
		if (j == REFUSE)
			return refuse_log(s, zxid, &end, mark, why);
		if (end.good > TXNLOG_HEADER_BYTES && end.last_zxid < zxid)
			return store_refuse(
			    why,
			    "%s/log.%" PRIx64 " ends with 0x%" PRIx64
			    ", before the zxid of its name; move it away, or restore the name that it "
			    "had",
			    s->disk->names[STORE_LOG], zxid, end.last_zxid);
		if (end.good > TXNLOG_HEADER_BYTES) {
			ret = vouch_history(s, end.last_zxid, why);
			if (ret != 0)
				return ret;
			ret = open_log(s, zxid, &end, j == CUT, find_doubtful(&end, mark, last));
			return ret == 0 ? 0 : store_disk_error(why, ret, "open the newest log", s, STORE_LOG);
		}
		ret = remove_empty(s, zxid);
		if (ret != 0)
			return store_disk_error(why, ret, "remove an empty log", s, STORE_LOG);
	}
	return vouch_history(s, 0, why);
}

/* snapshot.0 of a server that begins, as ZooKeeper writes it. */
static int
write_first_snapshot(struct store *s)
{
	struct buf b;
	int ret;

	buf_init(&b, 1 << 16);
	snapshot_write_empty(&b);
	ret = files_replace(s->disk, STORE_SNAP, "snapshot.0", buf_slice(&b));
	buf_free(&b);
	return ret;
}

/* Whether there is a file `initialize`, which lets an empty server begin (ZooKeeper: FileTxnSnapLog.restore). */
static bool
may_initialize(struct store *s)
{
	int h = s->disk->ops->open(s->disk, STORE_LOG_TOP, "initialize", STORE_READ);

	if (h < 0)
		return false;
	s->disk->ops->close(s->disk, h);
	return true;
}

/* The epoch files of a server that has lost all else. */
static int
refuse_bare_epochs(const struct store *s, char why[FILES_TEXT_BYTES])
{
	return store_refuse(why,
			    "%s holds epoch files, but neither snapshots nor logs: they are missing; restore "
			    "them, or make a file named initialize in %s to begin a new database",
			    s->disk->names[STORE_SNAP], s->disk->names[STORE_LOG_TOP]);
}

static int
begin_database(struct store *s, char why[FILES_TEXT_BYTES])
{
	bool bare, trusted = may_initialize(s);
	int ret = epochs_beyond(s, 0, 0, &bare);

	if (ret != 0)
		return store_disk_error(why, ret, "read the epoch files", s, STORE_SNAP);
	trusted |= s->settings.db_autocreate && !bare;
	if (!trusted && !s->settings.member && bare)
		return refuse_bare_epochs(s, why);
	if (!trusted && !s->settings.member)
		return store_refuse(
		    why,
		    "%s is empty and db.autocreate=false: make a file named initialize in %s to begin a new "
		    "database, or restore the data",
		    s->disk->names[STORE_SNAP], s->disk->names[STORE_LOG_TOP]);
	/* As ZooKeeper's zxid of -1: it may have been more, so the server does not vote before it has synced. */
	ret = trusted ? 0 : partial_begin_empty(s);
	if (ret == 0)
		ret = write_first_snapshot(s);
	if (ret == 0)
		trace(s->trace, TRACE_NOTICE, "store", "new database", "folder=%s",
		      s->disk->names[STORE_SNAP]);
	return ret == 0 ? 0 : store_disk_error(why, ret, "write snapshot.0", s, STORE_SNAP);
}

/* There is no whole snapshot. */
static int
recover_without_snapshot(struct store *s, const struct files *f, char why[FILES_TEXT_BYTES])
{
	if (f->nsnapshots == 0 && !s->end.exists)
		return begin_database(s, why);
	if (f->nsnapshots == 0 && s->settings.trust_empty) {
		trace(s->trace, TRACE_WARNING, "store", "logs without snapshot are trusted",
		      "last=0x%" PRIx64, s->durable);
		return 0;
	}
	return refuse_without_snapshot(s, f, why);
}

/* How much was logged since the snapshot, so that many short lives do not put the next one off for ever. */
static void
count_since_snapshot(struct store *s)
{
	if (s->snapshot_zxid >= s->durable)
		return;
	s->since_txns =
	    s->snapshot_zxid >> 32 == s->durable >> 32 ? s->durable - s->snapshot_zxid : (uint32_t)s->durable;
	s->since_bytes = s->end.offset;
}

/* Files and names that a crash of ours, not of the machine, may have left in the page cache alone. */
static int
sync_folders(struct store *s)
{
	struct store_disk *d = s->disk;
	int ret = d->ops->sync_folder(d, STORE_SNAP);

	if (ret == 0 && !d->one_folder)
		ret = d->ops->sync_folder(d, STORE_LOG);
	files_remove(d, STORE_LOG_TOP, "initialize");
	return ret;
}

/* Epochs and what depends on them, once the positions are known. */
static int
recover_promises(struct store *s, char why[FILES_TEXT_BYTES])
{
	int ret = epochs_recover(s, why);

	if (ret != 0)
		return ret;
	ret = partial_recover(s);
	/* The operator says that there was nothing. */
	if (ret == 0 && s->durable == 0 && s->partial == UINT64_MAX && may_initialize(s))
		ret = partial_end(s);
	if (ret == 0)
		ret = members_recover(s);
	return ret == 0 ? 0 : store_disk_error(why, ret, "read zkd.partial and zkd.members", s, STORE_SNAP);
}

static int
recover_positions(struct store *s, const struct files *f, char why[FILES_TEXT_BYTES])
{
	int ret = vouch_log(s, f, why), found;

	if (ret != 0)
		return ret;
	found = find_snapshot(s, f, why);
	if (found != 0 && found != -ENOENT)
		return found;
	ret = recover_log(s, f, why);
	if (ret == 0 && found == -ENOENT)
		ret = recover_without_snapshot(s, f, why);
	if (ret == 0 && s->durable < s->snapshot_zxid) {
		s->durable = s->snapshot_zxid;
		s->roll = true; /* the log in use ends before the snapshot */
	}
	s->last = s->durable;
	return ret;
}

static int
recover_files(struct store *s, const struct files *f, char why[FILES_TEXT_BYTES])
{
	int ret = vouch_read(s);

	if (ret != 0)
		return store_disk_error(why, ret, "read " MARK_NAME, s, STORE_SNAP);
	ret = recover_positions(s, f, why);
	if (ret == 0)
		ret = recover_promises(s, why);
	if (ret != 0)
		return ret;
	count_since_snapshot(s);
	/* Logs that were trusted once are not to be asked about again: as ZooKeeper, which takes one at every start. */
	if (f->nsnapshots == 0 && s->end.exists)
		store_want_snapshot(s);
	/* One that does not bind would be met again. What was just synced may be claimed from now on. */
	if (!s->vouched && s->found.zxid > 0)
		ret = mark_remove(s->disk);
	s->mark_ms = 0;
	return ret == 0 ? 0 : store_disk_error(why, ret, "renew " MARK_NAME, s, STORE_SNAP);
}

int
recover(struct store *s, char why[FILES_TEXT_BYTES])
{
	struct files f;
	int ret = install_recover(s);

	if (ret != 0)
		return store_disk_error(why, ret, "complete an install", s, STORE_SNAP);
	ret = files_list(&f, s->disk, why);
	if (ret != 0)
		return ret;
	ret = recover_files(s, &f, why);
	files_free(&f);
	if (ret != 0)
		return ret;
	ret = store_clean(s);
	if (ret == 0)
		ret = sync_folders(s);
	return ret == 0 ? 0 : store_disk_error(why, ret, "clean up", s, STORE_SNAP);
}
