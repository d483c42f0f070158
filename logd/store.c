/*
 * Appending and committing, failure and recovery of the disk, snapshot times. Invariants: `durable` never exceeds what
 * was synced, file name included; while `failed` is not empty nothing is in the batch and no log is open; end.offset
 * is where the durable part of log end.log_zxid ends.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "reserve.h"
#include "store_internal.h"

enum { BATCH_KEEP = 1 << 20, PROBE_BYTES = 64 << 10 };
#define PROBE_NAME "zkd.probe"

/* xorshift64*: only to spread the snapshots of an ensemble over time. */
static uint64_t
next_random(struct store *s)
{
	uint64_t x = s->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	s->random = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t
half_and_random(struct store *s, uint64_t limit)
{
	uint64_t half = limit / 2;

	return half + (half == 0 ? 0 : next_random(s) % half);
}

void
store_schedule_snapshot(struct store *s)
{
	uint64_t bytes = s->settings.snap_size_bytes;

	s->due_txns = half_and_random(s, s->settings.snap_count);
	s->due_bytes = bytes == 0 ? UINT64_MAX : half_and_random(s, bytes);
}

void
store_drop_log(struct store *s)
{
	if (s->handle >= 0)
		s->disk->ops->close(s->disk, s->handle);
	s->handle = -1;
}

int
store_open(struct store **out, struct store_disk *d, const struct store_settings *settings, struct trace *t,
	   char why[FILES_TEXT_BYTES])
{
	struct store *s = mem_zalloc(1, sizeof *s);
	int ret;

	*s = (struct store){
		.disk = d,
		.settings = *settings,
		.trace = t,
		.handle = -1,
		.random = settings->seed | 1,
		.mark_ms = UINT64_MAX,
		.reserve_ms = UINT64_MAX,
		.reserve_due = settings->reserve_bytes > 0,
	};
	buf_init(&s->batch, SIZE_MAX / 4);
	buf_init(&s->members, STORE_MEMBERS_MAX);
	why[0] = '\0';
	store_schedule_snapshot(s);
	ret = recover(s, why);
	if (ret != 0) {
		store_drop_log(s);
		buf_free(&s->members);
		mem_free(s);
		return ret;
	}
	if (settings->reserve_bytes == 0)
		reserve_fill(d, 0);
	*out = s;
	return 0;
}

static bool
same_mark(const struct mark *a, const struct mark *b)
{
	return a->log_zxid == b->log_zxid && a->file_id == b->file_id && a->offset == b->offset &&
	       a->zxid == b->zxid && a->accepted == b->accepted && a->current == b->current;
}

void
store_mark(struct store *s, bool sync)
{
	struct mark m = { .zxid = s->durable };

	s->mark_ms = UINT64_MAX;
	if (!s->settings.force_sync || store_failed(s) != NULL || (s->end.exists && s->handle < 0))
		return;
	if (s->end.exists) {
		m.log_zxid = s->end.log_zxid;
		m.file_id = s->info.id;
		m.offset = s->end.offset;
		m.zxid = s->end.zxid;
	}
	epochs_stored(s, &m.accepted, &m.current);
	if (!same_mark(&m, &s->mark) && mark_write(s->disk, &m, sync) == 0)
		s->mark = m;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	store_mark(s, false);
	store_drop_log(s);
	buf_free(&s->batch);
	buf_free(&s->members);
	mem_free(s);
}

uint64_t
store_durable(const struct store *s)
{
	return s->durable;
}

uint64_t
store_snapshot_zxid(const struct store *s)
{
	return s->snapshot_zxid;
}

uint32_t
store_accepted_epoch(const struct store *s)
{
	return s->accepted_epoch;
}

uint32_t
store_current_epoch(const struct store *s)
{
	return s->current_epoch;
}

const char *
store_failed(const struct store *s)
{
	return s->failed[0] == '\0' ? NULL : s->failed;
}

void
store_fail(struct store *s, uint64_t now_ms, const char *what, const char *where, int error)
{
	snprintf(s->failed, sizeof s->failed, "%s %s: %s", what, where, strerror(-error));
	trace(s->trace, TRACE_ERROR, "store", "disk failed", "error=\"%s\" durable=0x%" PRIx64, s->failed,
	      s->durable);
	store_drop_log(s);
	buf_reset(&s->batch, BATCH_KEEP);
	s->batch_txns = 0;
	s->last = s->durable;
	s->retry_ms = now_ms + STORE_RETRY_MS;
	s->mark_ms = UINT64_MAX;
}

/* A batch could not be made durable: its file is to be cut, or goes. */
static void
fail_batch(struct store *s, uint64_t now_ms, const char *what, int error)
{
	char where[FILES_TEXT_BYTES / 2];

	snprintf(where, sizeof where, "%s/log.%" PRIx64, s->disk->names[STORE_LOG], s->failed_log);
	s->cut_pending = true;
	store_fail(s, now_ms, what, where, error);
}

static void
begin_batch(struct store *s, uint64_t zxid)
{
	s->batch_first = zxid;
	if (s->end.exists && s->settings.log_size_bytes > 0 && s->end.offset > s->settings.log_size_bytes)
		s->roll = true;
	if (s->roll || s->handle < 0)
		txnlog_put_header(&s->batch);
}

bool
store_batch_full(const struct store *s, size_t txn_bytes)
{
	if (s->batch_txns == 0)
		return false;
	if (s->settings.batch_txns > 0 && s->batch_txns >= s->settings.batch_txns)
		return true;
	return buf_len(&s->batch) + txn_bytes + TXNLOG_ENTRY_EXTRA > STORE_BATCH_BYTES;
}

int
store_append(struct store *s, uint64_t zxid, struct slice txn)
{
	struct txnlog_head head;
	size_t len = buf_len(&s->batch);

	if (store_failed(s) != NULL)
		return 0;
	if (txnlog_peek(txn, &head) != 0 || head.zxid != zxid || !zxid_follows(s->last, zxid))
		return -EPROTO;
	if (txn.len > TXNLOG_TXN_MAX)
		return -EPROTO;
	if (len == 0)
		begin_batch(s, zxid);
	ASSERT(len == 0 || !store_batch_full(s, txn.len));
	txnlog_put_entry(&s->batch, txn);
	s->batch_txns++;
	s->last = zxid;
	return 0;
}

/* A disk that is slow holds up the write as well as the sync, so both are counted. */
static void
note_sync(struct store *s, uint64_t took_us)
{
	s->samples_us[s->syncs++ % STORE_SYNC_SAMPLES] =
	    took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;
	if (took_us > s->sync_max_us)
		s->sync_max_us = took_us;
	if (took_us / 1000 > s->settings.sync_warning_ms)
		trace(s->trace, TRACE_WARNING, "store", "sync of the log was slow",
		      "took_ms=%" PRIu64 " bytes=%zu", took_us / 1000, buf_len(&s->batch));
}

/* The padding of the file that is left behind can go, once somebody has time. */
static void
leave_log(struct store *s)
{
	if (s->handle >= 0 && s->end.size > s->end.offset)
		s->trim = (struct store_chore){ STORE_TRIM, s->end.log_zxid, s->end.offset };
	store_drop_log(s);
}

static int
begin_log(struct store *s)
{
	char name[DISK_NAME_BYTES];
	struct store_disk *d = s->disk;
	int ret;

	leave_log(s);
	disk_name_make(name, DISK_LOG, s->batch_first);
	s->handle = d->ops->open(d, STORE_LOG, name, STORE_CREATE);
	if (s->handle < 0)
		return s->handle;
	ret = d->ops->info(d, s->handle, &s->info);
	if (ret != 0)
		return ret;
	trace(s->trace, TRACE_DEBUG, "store", "log begun", "file=%s", name);
	return 0;
}

/*
 * Space that is only allocated costs each sync a change of the file's map besides, and most file systems a commit of
 * their journal: half of the sync's time, and more. So when small batches come to it zeros go behind them, once for
 * many, and never behind the end of the file: what a reader sees of it stays the same. A large batch would gain little.
 */
static int
write_zeros(struct store *s, uint64_t at)
{
	static const uint8_t zeros[STORE_ZEROS_BYTES];
	uint64_t behind = at + buf_len(&s->batch), room = s->end.size > behind ? s->end.size - behind : 0;
	uint64_t len = room < sizeof zeros ? room : sizeof zeros;
	int ret;

	if (len == 0 || !s->disk->in_place || behind <= s->end.zeros ||
	    buf_len(&s->batch) > STORE_ZEROS_BATCH)
		return 0;
	ret = s->disk->ops->write(s->disk, s->handle, behind, zeros, len);
	if (ret == 0)
		s->end.zeros = behind + len;
	/* Where the padding is a hole, as Java's is, they need space that batches can do without. */
	if (ret != -ENOSPC && ret != -EDQUOT)
		return ret;
	s->end.zeros = UINT64_MAX;
	return 0;
}

/* The batch at its place, on the disk when this returns 0; *what names the call that failed. */
static int
write_batch(struct store *s, uint64_t at, bool fresh, const char **what)
{
	struct store_disk *d = s->disk;
	int ret;

	*what = "write to";
	ret = d->ops->write(d, s->handle, at, buf_head(&s->batch), buf_len(&s->batch));
	if (ret != 0 || !s->settings.force_sync)
		return ret;
	/* s->end is of the log before until a fresh one is on the disk. */
	ret = fresh ? 0 : write_zeros(s, at);
	if (ret != 0)
		return ret;
	*what = "sync of";
	ret = d->ops->sync(d, s->handle);
	if (ret == 0 && fresh)
		ret = d->ops->sync_folder(d, STORE_LOG);
	return ret;
}

static void
commit_done(struct store *s, uint64_t at, bool fresh, uint64_t now_ms)
{
	uint64_t len = buf_len(&s->batch);

	if (fresh) {
		s->end = (struct store_end){ .exists = true, .log_zxid = s->batch_first };
		s->roll = s->allocating = false;
	}
	s->end.offset = at + len;
	if (s->end.size < s->end.offset)
		s->end.size = s->end.offset;
	s->durable = s->end.zxid = s->last;
	s->since_txns += s->batch_txns;
	s->since_bytes += len;
	s->txns += s->batch_txns;
	s->bytes += len;
	s->batch_txns = 0;
	buf_reset(&s->batch, BATCH_KEEP);
	/* Before anything in a new log is called durable, that it must be there is on the disk. */
	if (fresh)
		store_mark(s, true);
	else if (s->mark_ms == UINT64_MAX)
		s->mark_ms = now_ms + STORE_MARK_MS;
}

bool
store_commit(struct store *s, uint64_t now_ms)
{
	bool fresh = s->roll || s->handle < 0;
	uint64_t at = fresh ? 0 : s->end.offset;
	const char *what = "create";
	uint64_t began_us;
	int ret = 0;

	if (s->batch_txns == 0)
		return false;
	s->now_ms = now_ms;
	began_us = s->disk->ops->now_us(s->disk);
	s->failed_log = fresh ? s->batch_first : s->end.log_zxid;
	s->failed_log_empty = fresh;
	if (fresh)
		ret = begin_log(s);
	if (ret == 0)
		ret = write_batch(s, at, fresh, &what);
	if (ret != 0) {
		fail_batch(s, now_ms, what, ret);
		return false;
	}
	note_sync(s, s->disk->ops->now_us(s->disk) - began_us);
	commit_done(s, at, fresh, now_ms);
	return true;
}

/* The log that failed, cut to what is durable of it, or gone. */
static int
cut_failed_log(struct store *s)
{
	struct store_disk *d = s->disk;
	char name[DISK_NAME_BYTES];
	int h, ret;

	disk_name_make(name, DISK_LOG, s->failed_log);
	if (s->failed_log_empty) {
		ret = files_remove(d, STORE_LOG, name);
		return ret == 0 ? d->ops->sync_folder(d, STORE_LOG) : ret;
	}
	h = d->ops->open(d, STORE_LOG, name, STORE_WRITE);
	if (h < 0)
		return h;
	ret = d->ops->truncate(d, h, s->end.offset);
	if (ret == 0)
		ret = d->ops->sync(d, h);
	d->ops->close(d, h);
	if (ret == 0)
		s->end.size = s->end.offset;
	return ret;
}

/* A file is made, filled, synced and removed: only then a folder is said to work. */
static int
probe_folder(struct store_disk *d, enum store_folder folder)
{
	int ret = files_remove(d, folder, PROBE_NAME), h;
	uint8_t *bytes;

	if (ret != 0)
		return ret;
	h = d->ops->open(d, folder, PROBE_NAME, STORE_CREATE);
	if (h < 0)
		return h;
	bytes = mem_zalloc(1, PROBE_BYTES);
	ret = d->ops->write(d, h, 0, bytes, PROBE_BYTES);
	if (ret == 0)
		ret = d->ops->sync(d, h);
	d->ops->close(d, h);
	mem_free(bytes);
	if (ret == 0)
		ret = files_remove(d, folder, PROBE_NAME);
	else
		files_remove(d, folder, PROBE_NAME);
	return ret == 0 ? d->ops->sync_folder(d, folder) : ret;
}

static int
probe_disk(struct store_disk *d)
{
	int ret = probe_folder(d, STORE_LOG);

	return ret == 0 && !d->one_folder ? probe_folder(d, STORE_SNAP) : ret;
}

static void
try_again(struct store *s, uint64_t now_ms)
{
	int ret = s->cut_pending ? cut_failed_log(s) : 0;

	if (ret == 0) {
		s->cut_pending = false;
		ret = probe_disk(s->disk);
	}
	if (ret != 0) {
		s->retry_ms = now_ms + STORE_RETRY_MS;
		trace(s->trace, TRACE_DEBUG, "store", "disk still fails", "error=\"%s\"", strerror(-ret));
		return;
	}
	s->failed[0] = '\0';
	s->roll = true; /* the next txn goes into a file that knows nothing of the failure */
	trace(s->trace, TRACE_NOTICE, "store", "disk works again", "durable=0x%" PRIx64, s->durable);
}

bool
store_made_room(struct store *s, int error)
{
	if ((error != -ENOSPC && error != -EDQUOT) || s->settings.reserve_bytes == 0 ||
	    reserve_spend(s->disk) != 0)
		return false;
	trace(s->trace, TRACE_WARNING, "store", "disk is full, a piece of the reserve is spent", "folder=%s",
	      s->disk->names[STORE_SNAP]);
	s->reserve_held = false;
	s->reserve_ms = s->now_ms + STORE_RESERVE_RETRY_MS;
	return true;
}

void
store_tick(struct store *s, uint64_t now_ms)
{
	s->now_ms = now_ms;
	if (now_ms >= s->reserve_ms) {
		s->reserve_ms = UINT64_MAX;
		s->reserve_due = true;
	}
	if (store_failed(s) != NULL && now_ms >= s->retry_ms)
		try_again(s, now_ms);
	if (now_ms >= s->mark_ms)
		store_mark(s, false);
}

uint64_t
store_deadline(const struct store *s)
{
	uint64_t due = store_failed(s) != NULL ? s->retry_ms : s->mark_ms;

	return due < s->reserve_ms ? due : s->reserve_ms;
}

bool
store_snapshot_due(const struct store *s, uint64_t now_ms)
{
	if (s->snapshot_running || s->await_load || store_failed(s) != NULL ||
	    now_ms < s->snapshot_not_before_ms)
		return false;
	return s->since_txns > s->due_txns || s->since_bytes > s->due_bytes;
}

void
store_load_begun(struct store *s)
{
	s->await_load = false;
}

void
store_want_snapshot(struct store *s)
{
	s->since_txns += s->due_txns + 1;
}

void
store_snapshot_begun(struct store *s)
{
	s->snapshot_running = true;
	s->roll = s->end.exists;
	s->since_txns = s->since_bytes = 0;
	store_schedule_snapshot(s);
}

void
store_snapshot_ended(struct store *s, bool ok, uint64_t zxid, uint64_t now_ms)
{
	s->snapshot_running = false;
	if (ok) {
		if (zxid > s->snapshot_zxid)
			s->snapshot_zxid = zxid;
		return;
	}
	/* What was counted before is not lost: the next one is due as soon as it may be tried. */
	s->since_txns += s->due_txns + 1;
	s->snapshot_not_before_ms = now_ms + STORE_SNAPSHOT_RETRY_MS;
}

struct store_chore
store_next_chore(struct store *s)
{
	struct store_chore c = s->trim;
	uint64_t step = s->settings.prealloc_bytes;

	if (c.kind != STORE_NO_CHORE) {
		s->trim.kind = STORE_NO_CHORE;
		return c;
	}
	if (s->reserve_due) {
		s->reserve_due = false;
		return (struct store_chore){ STORE_RESERVE, 0, s->settings.reserve_bytes };
	}
	if (s->handle < 0 || s->roll || s->allocating || step == 0 || s->end.size - s->end.offset > step / 2)
		return c;
	s->allocating = true;
	return (struct store_chore){ STORE_ALLOCATE, s->end.log_zxid, s->end.size + step };
}

int
store_do_chore(struct store_disk *d, const struct store_chore *c)
{
	char name[DISK_NAME_BYTES];
	struct store_info info;
	int h, ret;

	if (c->kind == STORE_RESERVE)
		return reserve_fill(d, c->size);
	disk_name_make(name, DISK_LOG, c->log_zxid);
	h = d->ops->open(d, STORE_LOG, name, STORE_WRITE);
	if (h < 0)
		return h;
	ret = d->ops->info(d, h, &info);
	if (ret == 0 && c->kind == STORE_ALLOCATE)
		ret = info.size >= c->size ? 0 : d->ops->allocate(d, h, c->size);
	else if (ret == 0)
		ret = info.size <= c->size ? 0 : d->ops->truncate(d, h, c->size);
	if (ret == 0)
		ret = d->ops->sync(d, h);
	d->ops->close(d, h);
	return ret;
}

void
store_chore_done(struct store *s, const struct store_chore *c, bool ok)
{
	if (c->kind == STORE_RESERVE) {
		s->reserve_held = ok && c->size > 0;
		s->reserve_ms = ok ? UINT64_MAX : s->now_ms + STORE_RESERVE_RETRY_MS;
	}
	if (c->kind != STORE_ALLOCATE || !s->end.exists || c->log_zxid != s->end.log_zxid)
		return;
	/* After a failure the step is not tried again for this file: `allocating` stays. */
	s->allocating = !ok;
	if (ok && s->end.size < c->size)
		s->end.size = c->size;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void
store_get_facts(const struct store *s, struct store_facts *f)
{
	uint32_t sorted[STORE_SYNC_SAMPLES];
	size_t n = s->syncs < STORE_SYNC_SAMPLES ? (size_t)s->syncs : STORE_SYNC_SAMPLES;

	memcpy(sorted, s->samples_us, sizeof sorted);
	if (n > 0)
		qsort(sorted, n, sizeof *sorted, by_value);
	*f = (struct store_facts){
		.log_zxid = s->end.exists ? s->end.log_zxid : 0,
		.log_bytes = s->end.exists ? s->end.offset : 0,
		.txns = s->txns,
		.bytes = s->bytes,
		.txns_since_snapshot = s->since_txns,
		.waiting_txns = s->batch_txns,
		.syncs = s->syncs,
		.sync_p50_us = n == 0 ? 0 : sorted[n / 2],
		.sync_p99_us = n == 0 ? 0 : sorted[n * 99 / 100],
		.sync_max_us = s->sync_max_us,
		.snapshot_running = s->snapshot_running,
		.reserve_held = s->reserve_held,
	};
}
