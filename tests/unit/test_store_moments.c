/*
 * The store at odd moments: files that vanish, are replaced or are no files while somebody reads them; histories with
 * odd ends; errors of single calls. The rows that the loops over all calls (test_store_faults, test_store_history) do
 * not reach.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "ear.h"
#include "logd/mark.h"
#include "logd/purge.h"
#include "logd/reserve.h"
#include "store_kit.h"

#define E1(n) (UINT64_C(1) << 32 | (n))
#define E2(n) (UINT64_C(2) << 32 | (n))

/* A disk on which one kind of call fails for one name; what the others do is the disk in memory's. */
static struct store_disk_ops denying, plain;
static struct {
	char op; /* 'o'pen, 'r'ead, 'i'nfo, re'm'ove, 's'pace (by folder) */
	const char *name;
	enum store_folder folder;
	int error;
	int handle;
	uint64_t free_bytes; /* of space, where error is 0 */
} denied;

static int
deny_open(struct store_disk *d, enum store_folder folder, const char *name, enum store_open how)
{
	bool it = strcmp(name, denied.name) == 0;
	int h = it && denied.op == 'o' ? denied.error : plain.open(d, folder, name, how);

	if (it)
		denied.handle = h;
	else if (h == denied.handle)
		denied.handle = -1;
	return h;
}

static int64_t
deny_read(struct store_disk *d, int h, uint64_t offset, void *data, size_t len)
{
	return denied.op == 'r' && h == denied.handle ? denied.error : plain.read(d, h, offset, data, len);
}

static int
deny_info(struct store_disk *d, int h, struct store_info *info)
{
	return denied.op == 'i' && h == denied.handle ? denied.error : plain.info(d, h, info);
}

static int
deny_remove(struct store_disk *d, enum store_folder folder, const char *name)
{
	return denied.op == 'm' && strcmp(name, denied.name) == 0 ? denied.error
								  : plain.remove(d, folder, name);
}

static int
deny_space(struct store_disk *d, enum store_folder folder, uint64_t *free_bytes)
{
	if (denied.op != 's' || folder != denied.folder)
		return plain.space(d, folder, free_bytes);
	*free_bytes = denied.free_bytes;
	return denied.error;
}

static void
deny(struct fake_disk *f, char op, const char *name, int error)
{
	if (f->disk.ops != &denying) {
		plain = denying = *f->disk.ops;
		denying.open = deny_open;
		denying.read = deny_read;
		denying.info = deny_info;
		denying.remove = deny_remove;
		denying.space = deny_space;
		f->disk.ops = &denying;
	}
	denied.op = op;
	denied.name = name;
	denied.error = error;
	denied.handle = -1;
}

/* A file with another name, bytes and all. */
static void
put_as(struct fake_disk *f, enum store_folder folder, const char *from, const char *to)
{
	ck_assert_int_eq(f->disk.ops->rename(&f->disk, folder, from, to), 0);
	ck_assert_int_eq(f->disk.ops->sync_folder(&f->disk, folder), 0);
}

static void
lose(struct fake_disk *f, enum store_folder folder, const char *name)
{
	ck_assert_int_eq(f->disk.ops->remove(&f->disk, folder, name), 0);
	ck_assert_int_eq(f->disk.ops->sync_folder(&f->disk, folder), 0);
}

/* ---- Appending ---- */

/* The first txn of an epoch is its number 1; nothing else can ever be loaded again. */
START_TEST(epochs_begin_with_one)
{
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	append_range(s, E1(1), E1(3), 1);
	ck_assert_int_eq(append(s, E2(2)), -EPROTO);
	ck_assert_int_eq(append(s, E2(0)), -EPROTO);
	append_range(s, E2(1), E2(2), 1);
	must_load(&f, E2(2), &l);
	ck_assert_uint_eq(l.txns, 5);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* What no log can hold is refused before anything is written of it. */
START_TEST(a_txn_beyond_any_log)
{
	uint8_t *txn = calloc(1, (size_t)TXNLOG_TXN_MAX + 1);
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	fill_txn(txn, 1);
	ck_assert_int_eq(store_append(s, 1, slice_of(txn, (size_t)TXNLOG_TXN_MAX + 1)), -EPROTO);
	ck_assert(!store_commit(s, 0));
	append_range(s, 1, 1, 1);
	store_close(s);
	fake_disk_free(&f);
	free(txn);
}
END_TEST

/* A sync that took more than an hour is one of the longest that is told of. */
START_TEST(a_sync_of_hours)
{
	struct store_facts facts;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	f.sync_us = UINT64_C(5) << 32;
	append_range(s, 1, 1, 1);
	store_get_facts(s, &facts);
	ck_assert_uint_eq(facts.sync_p99_us, UINT32_MAX);
	ck_assert_uint_ge(facts.sync_max_us, UINT64_C(5) << 32);
	ck_assert(ear_heard("sync of the log was slow", "took_ms="));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/*
 * A txn longer than a batch, whose sync fails, and then the process dies: all of it is written again, not only its end
 * (test_store_faults: failed_sync_then_death_then_power_loss).
 */
START_TEST(a_long_txn_is_written_again_from_its_beginning)
{
	size_t len = STORE_BATCH_BYTES + (1 << 20);
	uint8_t *txn = malloc(len);
	struct fake_disk f;
	struct store *s;
	uint64_t durable;

	memset(txn, 'x', len);
	fill_txn(txn, 3);
	fake_disk_init(&f, true, (uint64_t)_i + 1);
	s = must_open(&f);
	append_range(s, 1, 2, 1);
	f.fault = FAKE_FAIL_ONCE;
	f.fault_at = f.calls + 2;
	ck_assert_int_eq(store_append(s, 3, slice_of(txn, len)), 0);
	ck_assert(!store_commit(s, 100));
	ck_assert(f.faulted);
	store_close(s);
	s = must_open(&f);
	durable = store_durable(s);
	store_close(s);
	fake_disk_power_loss(&f);
	s = must_open(&f);
	ck_assert_uint_ge(store_durable(s), durable);
	store_close(s);
	fake_disk_free(&f);
	free(txn);
}
END_TEST

START_TEST(when_a_snapshot_is_due)
{
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct store *s;

	settings.snap_count = 2;
	fake_disk_init(&f, true, 1);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	append_range(s, 1, 5, 1);
	ck_assert(store_snapshot_due(s, 0));
	/* Not while one is under way, though as many txns came since; nor on a disk that has failed. */
	store_snapshot_begun(s);
	append_range(s, 6, 10, 1);
	ck_assert(!store_snapshot_due(s, 0));
	store_snapshot_ended(s, true, 5, 0);
	ck_assert(store_snapshot_due(s, 0));
	f.fault = FAKE_FAIL_ONCE;
	f.fault_at = f.calls + 1;
	ck_assert_int_eq(append(s, 11), 0);
	ck_assert(!store_commit(s, 0));
	ck_assert(!store_snapshot_due(s, 0));
	store_tick(s, STORE_RETRY_MS);
	ck_assert_ptr_null(store_failed(s));
	ck_assert(store_snapshot_due(s, STORE_RETRY_MS));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* The log that failed cannot be opened to be cut, or the probe not be made: tried again, later. */
START_TEST(a_failed_disk_that_goes_on_failing)
{
	static const char *const names[] = { "log.1", "zkd.probe" };
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	append_range(s, 1, 3, 1);
	f.fault = FAKE_FAIL_ONCE;
	f.fault_at = f.calls + 1;
	ck_assert_int_eq(append(s, 4), 0);
	ck_assert(!store_commit(s, 0));
	ck_assert(ear_heard("disk failed", "log.1: "));
	for (uint64_t i = 0; i < 2; i++) {
		deny(&f, 'o', names[i], -EIO);
		store_tick(s, (i + 1) * STORE_RETRY_MS);
		ck_assert_ptr_nonnull(store_failed(s));
		ck_assert_uint_eq(store_deadline(s), (i + 2) * STORE_RETRY_MS);
		ck_assert_int_eq(append(s, 4), 0); /* dropped */
	}
	deny(&f, 'm', "zkd.probe", -EIO);
	store_tick(s, 3 * STORE_RETRY_MS);
	ck_assert_ptr_nonnull(store_failed(s));
	deny(&f, ' ', "", 0);
	store_tick(s, 4 * STORE_RETRY_MS);
	ck_assert_ptr_null(store_failed(s));
	ck_assert(ear_heard("disk works again", "durable=0x3"));
	append_range(s, 4, 5, 1);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* ---- Opening ---- */

/* Folders in the state that some crash may leave, each of which makes opening do something of its own. */
static void
leave_empty_log(struct fake_disk *f)
{
	live_and_write(f, 1, 3);
	fake_disk_put(f, STORE_LOG, "log.4", "", 0);
}

static void
leave_torn_tail(struct fake_disk *f)
{
	live_and_write(f, 1, 3);
	lose(f, STORE_SNAP, MARK_NAME);
	fake_disk_find(f, STORE_LOG, "log.1")->cached[ENTRY_AT(3) - 30] ^= 1;
}

static void
leave_partial(struct fake_disk *f)
{
	live_and_write(f, 1, 3);
	fake_disk_put(f, STORE_SNAP, "zkd.partial", "0x9\n", 4);
}

static void
leave_install(struct fake_disk *f)
{
	live_and_write(f, 1, 3);
	ck_assert_int_eq(receive_snapshot(f, 7), 0);
	put_as(f, STORE_SNAP, "zkd.install.7.tmp", "zkd.install.7");
}

static void
leave_temporary(struct fake_disk *f)
{
	live_and_write(f, 1, 3);
	fake_disk_put(f, STORE_SNAP, "acceptedEpoch.tmp", "1", 1);
	fake_disk_put(f, STORE_SNAP, "zkd.mark.tmp", "1", 1);
}

static void
leave_nothing(struct fake_disk *f)
{
	fake_disk_put(f, STORE_LOG_TOP, "initialize", "", 0);
}

static const struct {
	void (*leave)(struct fake_disk *f);
	uint64_t durable;
} folders[] = {
	{ leave_empty_log, 3 }, { leave_torn_tail, 2 }, { leave_partial, 3 },
	{ leave_install, 7 },   { leave_temporary, 3 }, { leave_nothing, 0 },
};

/*
 * Whatever call fails while the store is opened: it opens, or says what it could not do, and the next try finds the same
 * history. Once with the calls that change something, once with those that only look.
 */
START_TEST(every_call_of_opening_fails)
{
	unsigned failed = 0;

	for (uint64_t at = 1; at < 120; at++) {
		struct store *s = NULL;
		struct fake_disk f;
		int ret;

		fake_disk_init(&f, at % 2 == 0, at);
		folders[_i / 2].leave(&f);
		f.fault = FAKE_FAIL_ONCE;
		*(_i % 2 == 0 ? &f.fault_at : &f.blind_at) = (_i % 2 == 0 ? f.calls : f.looks) + (at + 1) / 2;
		ret = store_open(&s, &f.disk, &ordinary, listener(), why);
		if (ret != 0) {
			ck_assert_int_eq(ret, -EIO);
			ck_assert_msg(strstr(why, "cannot ") == why, "%s", why);
			failed++;
		} else {
			ck_assert_uint_eq(store_durable(s), folders[_i / 2].durable);
			store_close(s);
		}
		f.fault_at = f.blind_at = 0;
		if (folders[_i / 2].leave == leave_nothing)
			fake_disk_put(&f, STORE_LOG_TOP, "initialize", "", 0);
		s = must_open(&f);
		ck_assert_uint_eq(store_durable(s), folders[_i / 2].durable);
		append_range(s, folders[_i / 2].durable + 1, folders[_i / 2].durable + 2, 1);
		store_close(s);
		fake_disk_free(&f);
	}
	ck_assert_uint_gt(failed, 0);
}
END_TEST

/* A log that was given another name ends before its name begins: nobody can say what it is. */
START_TEST(a_log_with_the_name_of_another)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	live_and_write(&f, 1, 10);
	lose(&f, STORE_SNAP, MARK_NAME);
	put_as(&f, STORE_LOG, "log.1", "log.14");
	ck_assert_int_eq(store_open(&s, &f.disk, &ordinary, listener(), why), -EUCLEAN);
	ck_assert_str_eq(why,
			 "/log/log.14 ends with 0xa, before the zxid of its name; move it away, or restore "
			 "the name that it had");
	put_as(&f, STORE_LOG, "log.14", "log.1");
	s = must_open(&f);
	ck_assert_uint_eq(store_durable(s), 10);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/*
 * A sector that never came to the disk, in the last batch: a torn tail. The same with more behind it than a batch can
 * hold: that was synced once, and is damage.
 */
START_TEST(a_lost_sector_and_how_far_the_end_is)
{
	static const struct {
		uint64_t txns;
		int result;
	} rows[] = { { 20, 0 }, { (STORE_BATCH_BYTES / ENTRY_BYTES) + 20, -EUCLEAN } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fake_disk f;
		struct store *s;

		fake_disk_init(&f, true, 1);
		s = must_open(&f);
		append_range(s, 1, rows[i].txns, 1000);
		store_close(s);
		lose(&f, STORE_SNAP, MARK_NAME);
		memset(fake_disk_find(&f, STORE_LOG, "log.1")->cached + (size_t)2 * FAKE_SECTOR, 0,
		       FAKE_SECTOR);
		ck_assert_int_eq(store_open(&s, &f.disk, &ordinary, listener(), why), rows[i].result);
		if (rows[i].result == 0) {
			ck_assert_uint_eq(store_durable(s), 4);
			store_close(s);
		} else {
			ck_assert_ptr_nonnull(strstr(why, "valid records follow"));
		}
		fake_disk_free(&f);
	}
}
END_TEST

/* Files that only look like ours stay, however long their names. */
START_TEST(long_names_stay)
{
	static const char name[] = "log.123456789012345678901234567890123456789012345678.tmp";
	struct fake_disk f;

	fake_disk_init(&f, true, 1);
	fake_disk_put(&f, STORE_SNAP, name, "x", 1);
	fake_disk_put(&f, STORE_SNAP, ".tmp", "x", 1);
	live_and_write(&f, 1, 2);
	ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_SNAP, name));
	ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_SNAP, ".tmp"));
	fake_disk_free(&f);
}
END_TEST

/* ---- Partial ---- */

/* What cannot be read of the file is doubted: the node is partial, and not by a number that somebody made up. */
START_TEST(partial_texts)
{
	static const struct {
		const char *text;
		uint64_t until; /* partial below it */
	} rows[] = {
		{ "0x9\n", 9 },
		{ "0xa0\n", 0xa0 },
		{ "0x9", 9 },
		{ "0x/\n", UINT64_MAX },
		{ "0x:\n", UINT64_MAX },
		{ "0x`\n", UINT64_MAX },
		{ "0xg\n", UINT64_MAX },
		{ "0x1A\n", UINT64_MAX },
		{ "0x0\n", UINT64_MAX },
		{ "0x9 9\n", UINT64_MAX },
		{ "\n", UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fake_disk f;
		struct store *s;

		fake_disk_init(&f, true, 1);
		live_and_write(&f, 1, 8);
		fake_disk_put(&f, STORE_SNAP, "zkd.partial", rows[i].text, strlen(rows[i].text));
		s = must_open(&f);
		ck_assert_msg(store_partial(s), "%s", rows[i].text);
		append_range(s, 9, 9, 1);
		ck_assert_msg(store_partial(s) == (rows[i].until > 9), "%s", rows[i].text);
		append_range(s, 10, 0xa0, 1);
		ck_assert_msg(store_partial(s) == (rows[i].until > 0xa0), "%s", rows[i].text);
		store_close(s);
		fake_disk_free(&f);
	}
}
END_TEST

/* A second snapshot below a first one does not make it forget how far the log once went. */
START_TEST(partial_keeps_the_farthest)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	append_range(s, 1, 10, 1);
	for (uint64_t zxid = 6; zxid >= 4; zxid -= 2) {
		ck_assert_int_eq(receive_snapshot(&f, zxid), 0);
		ck_assert_int_eq(store_install(s, zxid), 0);
		ck_assert(store_partial(s));
	}
	store_close(s);
	s = must_open(&f);
	append_range(s, 5, 9, 1);
	ck_assert(store_partial(s));
	append_range(s, 10, 10, 1);
	ck_assert(!store_partial(s));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/*
 * An install below what was acked, then the epochs of the leader that it came from, and at each call an error, a death, a
 * power loss: whoever has less than it acked knows it until the epochs are stored.
 */
START_TEST(partial_at_every_call)
{
	for (uint64_t at = 1; at < 60; at++) {
		struct fake_disk f;
		struct store *s;
		bool stored = false;

		fake_disk_init(&f, at % 2 == 0, at);
		s = must_open(&f);
		ck_assert_int_eq(store_set_epochs(s, 1, 1, 0), 0);
		append_range(s, E1(1), E1(10), 1);
		f.fault_at = f.calls + at;
		f.fault = _i == 0 ? FAKE_FAIL_ONCE : FAKE_CRASH;
		if (receive_snapshot(&f, E1(5)) == 0 && store_install(s, E1(5)) == 0) {
			ck_assert(store_partial(s));
			stored = store_set_epochs(s, 2, 2, 0) == 0;
			ck_assert_int_eq(store_partial(s), !stored);
		}
		store_close(s);
		if (_i == 2)
			fake_disk_power_loss(&f);
		else
			fake_disk_kill(&f);
		s = must_open(&f);
		if (store_durable(s) < E1(10) && !stored)
			ck_assert_msg(store_partial(s) || store_current_epoch(s) == 2, "at %lu", at);
		if (store_durable(s) == E1(10))
			ck_assert(!store_partial(s));
		store_close(s);
		fake_disk_free(&f);
	}
}
END_TEST

/* ---- Cutting and installing ---- */

/* The snapshot that a cut rests on may lie in the middle of a log. */
START_TEST(cut_behind_a_snapshot_within_a_log)
{
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	append_range(s, 1, 10, 1);
	ck_assert_int_eq(write_snapshot(&f, 5, SNAPFILE_PLAIN), 0);
	ck_assert_int_eq(store_truncate(s, 7), 0);
	ck_assert_uint_eq(store_durable(s), 7);
	must_load(&f, 7, &l);
	ck_assert_uint_eq(l.snapshot_zxid, 5);
	ck_assert_uint_eq(l.txns, 2);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* There may be no log at all: then nothing but the snapshot itself can be cut to. */
START_TEST(cut_without_logs)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	ck_assert_int_eq(receive_snapshot(&f, 20), 0);
	ck_assert_int_eq(store_install(s, 20), 0);
	ck_assert_int_eq(store_truncate(s, 19), -ENOENT);
	ck_assert_int_eq(store_truncate(s, 21), -ENOENT);
	ck_assert_uint_eq(store_durable(s), 20);
	ck_assert_int_eq(store_truncate(s, 20), 0);
	append_range(s, 21, 22, 1);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A log on the way to the target that cannot be read: nothing is changed. */
START_TEST(cut_over_a_log_that_cannot_be_read)
{
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = make_history(&f);
	lose(&f, STORE_SNAP, "snapshot.8");
	deny(&f, 'r', "log.5", -EIO);
	ck_assert_int_eq(store_truncate(s, 10), -ENOENT);
	ck_assert(ear_heard("log not cut", "Input/output error"));
	deny(&f, ' ', "", 0);
	must_load(&f, 12, &l);
	append_range(s, 13, 13, 1);
	ck_assert_int_eq(store_truncate(s, 10), 0);
	must_load(&f, 10, &l);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Whatever a disk calls its errors, -EAGAIN of an install means that nothing was changed. */
START_TEST(install_on_a_disk_that_says_again)
{
	unsigned begun = 0;

	for (uint64_t at = 1; at < 40; at++) {
		struct fake_disk f;
		struct loaded l;
		struct store *s;
		int ret;

		fake_disk_init(&f, at % 2 == 0, at);
		s = make_history(&f);
		ck_assert_int_eq(receive_snapshot(&f, 20), 0);
		f.fault_at = f.calls + at;
		f.fault = FAKE_FAIL_SOME;
		f.error = EAGAIN;
		ret = store_install(s, 20);
		begun += ret != 0 && ret != -EAGAIN;
		f.fault_at = 0;
		store_close(s);
		fake_disk_kill(&f);
		s = must_open(&f);
		ck_assert_uint_eq(store_durable(s), ret == -EAGAIN ? 12 : 20);
		must_load(&f, store_durable(s), &l);
		store_close(s);
		fake_disk_free(&f);
	}
	ck_assert_uint_gt(begun, 0);
}
END_TEST

/* ---- Loading ---- */

/* A purge takes the snapshot away that is to be sent: what comes is whole, of that one or of another. */
START_TEST(snapshot_vanishes_while_it_is_tried)
{
	struct load_request request = { .kind = LOAD_EVERYTHING, .upto = 12 };
	bool older = false, newer = false;

	for (int steps = 0; steps < 8; steps++) {
		struct loaded l = { 0 };
		struct fake_disk f;
		struct store *s;
		struct load *job;
		int ret = 1;

		fake_disk_init(&f, true, 1);
		s = make_history(&f);
		buf_init(&l.data, 1 << 24);
		job = load_new(&f.disk, &request, &collect, &l, listener());
		for (int i = 0; i < steps && ret > 0; i++)
			ret = load_step(job);
		lose(&f, STORE_SNAP, "snapshot.8");
		while (ret > 0)
			ret = load_step(job);
		ck_assert_int_eq(ret, 0);
		ck_assert_uint_eq(l.last, 12);
		ck_assert_uint_eq(l.txns, 12 - l.snapshot_zxid);
		older |= l.snapshot_zxid == 4;
		newer |= l.snapshot_zxid == 8;
		load_free(job);
		buf_free(&l.data);
		store_close(s);
		fake_disk_free(&f);
	}
	ck_assert(older && newer);
}
END_TEST

/* Why there is no snapshot decides what is said, and whether another try may help. */
START_TEST(no_snapshot_to_load)
{
	static const struct {
		char op;
		int error, result;
		const char *says;
	} rows[] = {
		{ 'o', -EISDIR, -EUCLEAN, "no snapshot of 1 in /data is whole" },
		{ 'o', -ENOENT, -EUCLEAN, "no snapshot of 1 in /data is whole" },
		{ 'o', -EIO, -EIO, "cannot read any snapshot in /data: Input/output error" },
		{ 'r', -EIO, -EIO, "cannot read any snapshot in /data: Input/output error" },
		{ ' ', 0, -EUCLEAN, "no snapshot of 1 in /data is whole" }, /* damaged */
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct load_request request = { .kind = LOAD_ALL, .upto = 3 };
		struct fake_disk f;
		struct loaded l;

		fake_disk_init(&f, true, 1);
		live_and_write(&f, 1, 3);
		deny(&f, rows[i].op, "snapshot.0", rows[i].error);
		if (rows[i].op == ' ')
			flip(&f, STORE_SNAP, "snapshot.0", 40);
		ck_assert_int_eq(load_all(&f, &request, &l), rows[i].result);
		ck_assert_msg(strstr(why, rows[i].says) != NULL, "%zu: %s", i, why);
		fake_disk_free(&f);
	}
}
END_TEST

/* The end of an epoch is missing: that the next one goes on is no comfort. */
START_TEST(an_epoch_without_its_end)
{
	struct load_request request = { .kind = LOAD_ALL, .upto = E1(7) };
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	append_range(s, E1(1), E1(5), 1);
	append_range(s, E2(1), E2(2), 1);
	ck_assert_int_eq(load_all(&f, &request, &l), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why,
				     "transactions after zxid 0x100000005 are missing, the next one in the "
				     "logs is 0x200000001, expected up to 0x100000007"));
	ck_assert(!l.ended);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

static void
count_txn(void *ctx, uint64_t zxid, struct slice txn)
{
	struct loaded *l = ctx;

	(void)txn;
	l->txns++;
	l->last = zxid;
}

/* A step hands out no more than it promises, however long the txns are. */
START_TEST(steps_are_bounded_by_bytes)
{
	enum { LARGE = 60000, TXNS = 20 };
	struct load_request request = { .kind = LOAD_ALL, .upto = TXNS };
	struct loaded l = { 0 };
	static uint8_t txn[LARGE];
	struct fake_disk f;
	struct store *s;
	struct load *job;
	unsigned steps = 0;
	int ret;
	struct load_events count = collect;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	for (uint64_t z = 1; z <= TXNS; z++) {
		fill_txn(txn, z);
		ck_assert_int_eq(store_append(s, z, slice_of(txn, sizeof txn)), 0);
	}
	ck_assert(store_commit(s, 0));
	buf_init(&l.data, 1 << 20);
	count.txn = count_txn;
	job = load_new(&f.disk, &request, &count, &l, listener());
	do {
		l.txns = 0;
		ret = load_step(job);
		ck_assert_uint_le(l.txns, 5);
		steps++;
	} while (ret > 0);
	ck_assert_int_eq(ret, 0);
	ck_assert(l.ended);
	ck_assert_uint_ge(steps, TXNS / 5);
	load_free(job);
	buf_free(&l.data);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

static void
expect_since(struct fake_disk *f, uint64_t have, uint64_t upto, double factor, bool log, uint64_t from)
{
	struct load_request request = {
		.kind = LOAD_SINCE, .have = have, .upto = upto, .size_factor = factor
	};
	struct loaded l;

	ck_assert_int_eq(load_all(f, &request, &l), 0);
	ck_assert_int_eq(l.log, log);
	ck_assert_uint_eq(l.snapshots, log ? 0 : 1);
	ck_assert_uint_eq(log ? l.log_zxid : l.snapshot_zxid, from);
	ck_assert_uint_eq(l.end, upto);
}

/* What a learner gets depends on the newest snapshot: how large it is, and whether it is of this history. */
START_TEST(since_and_the_newest_snapshot)
{
	static const char large[100000];
	struct store_settings trusting = ordinary;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = make_history(&f);
	/* Its size cannot be had: a snapshot is sent, the older one. */
	deny(&f, 'i', "snapshot.8", -EIO);
	expect_since(&f, 2, 12, 100, false, 4);
	deny(&f, ' ', "", 0);
	expect_since(&f, 2, 12, 100, true, 2);
	/* One above what is durable says nothing, large as it may be. */
	expect_since(&f, 2, 6, 100, true, 2);
	fake_disk_put(&f, STORE_SNAP, "snapshot.8", large, sizeof large);
	expect_since(&f, 2, 6, 1, false, 4);
	store_close(s);
	fake_disk_free(&f);
	/* None at all: no limit. */
	fake_disk_init(&f, true, 1);
	live_and_write(&f, 1, 10);
	lose(&f, STORE_SNAP, "snapshot.0");
	trusting.trust_empty = true;
	ck_assert_int_eq(store_open(&s, &f.disk, &trusting, listener(), why), 0);
	expect_since(&f, 2, 10, 0.001, true, 2);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* The txns right behind what the learner has are gone: what follows cannot be put behind it. */
START_TEST(since_over_a_gap)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = make_history(&f);
	lose(&f, STORE_LOG, "log.5");
	expect_since(&f, 4, 12, 100, false, 8);
	expect_since(&f, 8, 12, 100, true, 8); /* a snapshot says where that is */
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A compressed snapshot without its last bytes is none, though all that can be unpacked of it is. */
START_TEST(a_compressed_snapshot_without_its_end)
{
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	append_range(s, 1, 5, 1);
	ck_assert_int_eq(write_snapshot(&f, 4, SNAPFILE_GZ), 0);
	must_load(&f, 5, &l);
	ck_assert_uint_eq(l.snapshot_zxid, 4);
	fake_disk_find(&f, STORE_SNAP, "snapshot.4.gz")->cached_size -= 3;
	must_load(&f, 5, &l);
	ck_assert_uint_eq(l.snapshot_zxid, 0);
	ck_assert(ear_heard("snapshot is damaged", "the compressed file is incomplete") ||
		  ear_heard("snapshot passed over", "incomplete"));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* ---- Snapshot files ---- */

START_TEST(snapshot_files_that_cannot_be_made)
{
	struct snapfile *file = NULL;
	struct fake_disk f;
	struct store *s;

	snapfile_free(NULL);
	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	fake_disk_put(&f, STORE_SNAP, "snapshot.4.tmp", "x", 1);
	deny(&f, 'm', "snapshot.4.tmp", -EIO);
	ck_assert_int_eq(snapfile_new(&file, &f.disk, 4, SNAPFILE_PLAIN, 0), -EIO);
	ck_assert_ptr_null(file);
	deny(&f, ' ', "", 0);
	ck_assert_int_eq(write_snapshot(&f, 4, SNAPFILE_PLAIN), 0);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* ---- Purging ---- */

/* Snapshots that were read to their end once are not read again, unless they are others by now. */
START_TEST(purge_knows_what_it_has_read)
{
	struct purge_request request = { .retain = 2 };
	struct purge_known known = { 0 };
	struct fake_file *file;
	struct fake_disk f;
	struct buf b;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = make_history(&f);
	for (int turn = 0; turn < 3; turn++) {
		struct purge *p = purge_new(&f.disk, &request, &known, listener());
		int ret;

		while ((ret = purge_step(p)) > 0)
			;
		ck_assert_int_eq(ret, 0);
		/* Turn 0: snapshot.0 goes; 4 and 8 stay, and the logs from where 4 is. Then 8 is the same file with
		 * another size, then another file with the same size, both of no use: 4 has to stay. */
		ck_assert_uint_eq(purge_removed(p), turn == 0 ? 1 : 0);
		ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_SNAP, "snapshot.4"));
		purge_free(p);
		make_snapshot(&b, 8);
		file = fake_disk_find(&f, STORE_SNAP, "snapshot.8");
		if (turn == 0) {
			file->cached_size -= 3;
		} else {
			lose(&f, STORE_SNAP, "snapshot.8");
			fake_disk_put(&f, STORE_SNAP, "snapshot.8", buf_head(&b), buf_len(&b));
			flip(&f, STORE_SNAP, "snapshot.8", 20);
		}
		buf_free(&b);
		request.retain = 1;
	}
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Snapshots without logs are purged too. */
START_TEST(purge_without_logs)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	ck_assert_int_eq(write_snapshot(&f, 4, SNAPFILE_PLAIN), 0);
	ck_assert_int_eq(purge_files(&f.disk, 1, listener()), 1);
	ck_assert_ptr_null(fake_disk_find(&f, STORE_SNAP, "snapshot.0"));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Space: the scarcer folder counts, and room for another snapshot where one can be seen. */
START_TEST(space_of_two_folders)
{
	uint64_t free_bytes, wanted;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, false, 1);
	s = must_open(&f);
	deny(&f, 's', "", 0);
	denied.folder = STORE_LOG;
	denied.free_bytes = 12345;
	ck_assert_int_eq(purge_space(&f.disk, 1000, &free_bytes, &wanted), 0);
	ck_assert_uint_eq(free_bytes, 12345);
	ck_assert_uint_gt(wanted, 1000);
	denied.folder = STORE_SNAP;
	denied.free_bytes = 999;
	ck_assert_int_eq(purge_space(&f.disk, 1000, &free_bytes, &wanted), 0);
	ck_assert_uint_eq(free_bytes, 999);
	deny(&f, 'i', "snapshot.0", -EIO);
	ck_assert_int_eq(purge_space(&f.disk, 1000, &free_bytes, &wanted), 0);
	ck_assert_uint_eq(wanted, 1000);
	deny(&f, ' ', "", 0);
	lose(&f, STORE_SNAP, "snapshot.0");
	ck_assert_int_eq(purge_space(&f.disk, 1000, &free_bytes, &wanted), 0);
	ck_assert_uint_eq(wanted, 1000);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* ---- The reserve ---- */

START_TEST(reserve_of_two_folders)
{
	enum { BYTES = 2 * RESERVE_PIECE_BYTES };
	struct fake_disk f;

	fake_disk_init(&f, false, 1);
	ck_assert_int_eq(reserve_spend(&f.disk), -ENOSPC); /* there is none */
	ck_assert_int_eq(reserve_fill(&f.disk, BYTES), 0);
	/* One folder's is enough. */
	lose(&f, STORE_SNAP, RESERVE_NAME);
	ck_assert_int_eq(reserve_spend(&f.disk), 0);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_LOG, RESERVE_NAME)->cached_size,
			  BYTES - RESERVE_PIECE_BYTES);
	ck_assert_int_eq(reserve_spend(&f.disk), 0);
	ck_assert_int_eq(reserve_spend(&f.disk), -ENOSPC); /* used up */
	/* Its size cannot be had, or it cannot be opened: nothing is spent, nothing is filled. */
	ck_assert_int_eq(reserve_fill(&f.disk, BYTES), 0);
	deny(&f, 'i', RESERVE_NAME, -EIO);
	ck_assert_int_eq(reserve_spend(&f.disk), -EIO);
	ck_assert_int_eq(reserve_fill(&f.disk, 10), -EIO);
	deny(&f, 'o', RESERVE_NAME, -EACCES);
	ck_assert_int_eq(reserve_spend(&f.disk), -EACCES);
	ck_assert_int_eq(reserve_fill(&f.disk, 10), -EACCES);
	deny(&f, ' ', "", 0);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_SNAP, RESERVE_NAME)->cached_size, BYTES);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_LOG, RESERVE_NAME)->cached_size, BYTES);
	fake_disk_free(&f);
}
END_TEST

/* A store without a reserve that it was told to give up holds none. */
START_TEST(reserve_of_nothing)
{
	struct store_facts facts;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	store_chore_done(s, &(struct store_chore){ STORE_RESERVE, 0, 0 }, true);
	store_get_facts(s, &facts);
	ck_assert(!facts.reserve_held);
	store_chore_done(s, &(struct store_chore){ STORE_RESERVE, 0, 100 }, true);
	store_get_facts(s, &facts);
	ck_assert(facts.reserve_held);
	store_chore_done(s, &(struct store_chore){ STORE_RESERVE, 0, 100 }, false);
	store_get_facts(s, &facts);
	ck_assert(!facts.reserve_held);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* ---- Scrubbing ---- */

/* Only the first damage has room in the result; the others are said. */
START_TEST(scrub_says_all_damage)
{
	struct scrub_result r;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = make_history(&f);
	flip(&f, STORE_LOG, "log.1", ENTRY_AT(1) + 50);
	flip(&f, STORE_LOG, "log.5", ENTRY_AT(1) + 50);
	flip(&f, STORE_SNAP, "snapshot.4", 40);
	ear_forget();
	for (int i = 0; i < 2; i++) { /* one of the two is listened to */
		scrub_all(&f, 12, &r);
		ck_assert_uint_eq(r.damaged, 3);
		ck_assert_ptr_nonnull(strstr(r.first, "log.1 at offset"));
	}
	ck_assert(ear_heard("scrub found more damage", "log.5 at offset"));
	ck_assert(ear_heard("scrub found more damage", "snapshot.4 at offset"));
	ck_assert(!ear_heard("scrub found more damage", "log.1 at offset"));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Gaps between logs, and whether a snapshot closes them. */
START_TEST(scrub_and_gaps)
{
	static const struct {
		const char *log, *snapshots[2]; /* lost */
		uint64_t upto;
		unsigned damaged;
	} rows[] = {
		{ "log.5", { NULL }, 12, 0 },         /* snapshot.8 goes on */
		{ "log.5", { "snapshot.8" }, 12, 1 }, /* nothing does */
		{ "log.5", { "snapshot.8", "snapshot.4" }, 12, 1 },
		{ "log.1", { NULL }, 12, 0 }, /* what was before, nobody knows */
		{ "log.9", { NULL }, 8, 0 },  /* all that was durable */
		{ "log.9", { NULL }, 12, 1 },
		{ NULL, { NULL }, 8, 0 }, /* newer logs are not looked at */
		{ NULL, { NULL }, 7, 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct scrub_result r;
		struct fake_disk f;
		struct store *s;

		fake_disk_init(&f, true, 1);
		s = make_history(&f);
		if (rows[i].log != NULL)
			lose(&f, STORE_LOG, rows[i].log);
		for (int k = 0; k < 2 && rows[i].snapshots[k] != NULL; k++)
			lose(&f, STORE_SNAP, rows[i].snapshots[k]);
		scrub_all(&f, rows[i].upto, &r);
		ck_assert_msg(r.damaged == rows[i].damaged, "row %zu: %u, %s", i, (unsigned)r.damaged,
			      r.first);
		store_close(s);
		fake_disk_free(&f);
	}
}
END_TEST

/* A snapshot that was installed closes the end too: nothing was logged since. */
START_TEST(scrub_ends_with_a_snapshot)
{
	struct scrub_result r;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = make_history(&f);
	ck_assert_int_eq(write_snapshot(&f, 20, SNAPFILE_PLAIN), 0);
	scrub_all(&f, 20, &r);
	ck_assert_uint_eq(r.damaged, 0);
	scrub_all(&f, 19, &r);
	ck_assert_uint_eq(r.damaged, 1);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* What is behind what was durable is nobody's yet: it is neither damage nor a comfort. */
START_TEST(scrub_looks_no_further)
{
	struct scrub_result r;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 1);
	s = make_history(&f);
	lose(&f, STORE_SNAP, "snapshot.8");
	fake_disk_find(&f, STORE_LOG, "log.5")->cached_size = ENTRY_AT(2);
	scrub_all(&f, 8, &r);
	ck_assert_uint_eq(r.damaged, 1);
	ck_assert_ptr_nonnull(strstr(r.first, "durable was 0x8"));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Logs are purged, and newer ones begun, while it reads: nothing of that is damage. */
START_TEST(scrub_and_logs_that_come_and_go)
{
	struct fake_disk f;
	struct store *s;
	struct scrub *job;
	int ret;

	fake_disk_init(&f, true, 1);
	s = make_history(&f);
	job = scrub_new(&f.disk, 8, listener());
	ck_assert_int_eq(scrub_step(job), 1); /* the list: log.9 is above what is looked at */
	ck_assert_int_eq(scrub_step(job), 1);
	lose(&f, STORE_LOG, "log.5");
	lose(&f, STORE_SNAP, "snapshot.0");
	while ((ret = scrub_step(job)) > 0)
		;
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(scrub_so_far(job)->damaged, 0);
	scrub_free(job);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A step reads no more than it promises. */
START_TEST(scrub_steps_are_bounded)
{
	struct scrub_result r;
	struct fake_disk f;
	struct store *s;
	struct scrub *job;
	unsigned steps = 0;

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	append_range(s, 1, 3000, 500); /* some 600 KB */
	job = scrub_new(&f.disk, 3000, listener());
	for (uint64_t before = 0; scrub_step(job) > 0; steps++) {
		r = *scrub_so_far(job);
		ck_assert_uint_le(r.bytes - before, 300000);
		before = r.bytes;
	}
	ck_assert_uint_ge(steps, 3);
	ck_assert_uint_eq(scrub_so_far(job)->damaged, 0);
	scrub_free(job);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("store at odd moments");
	TCase *t = tcase_create("moments");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, epochs_begin_with_one);
	tcase_add_test(t, a_txn_beyond_any_log);
	tcase_add_test(t, a_sync_of_hours);
	tcase_add_loop_test(t, a_long_txn_is_written_again_from_its_beginning, 0, 4);
	tcase_add_test(t, when_a_snapshot_is_due);
	tcase_add_test(t, a_failed_disk_that_goes_on_failing);
	tcase_add_loop_test(t, every_call_of_opening_fails, 0, 2 * (int)(sizeof folders / sizeof folders[0]));
	tcase_add_test(t, a_log_with_the_name_of_another);
	tcase_add_test(t, a_lost_sector_and_how_far_the_end_is);
	tcase_add_test(t, long_names_stay);
	tcase_add_test(t, partial_texts);
	tcase_add_test(t, partial_keeps_the_farthest);
	tcase_add_loop_test(t, partial_at_every_call, 0, 3);
	tcase_add_test(t, cut_behind_a_snapshot_within_a_log);
	tcase_add_test(t, cut_without_logs);
	tcase_add_test(t, cut_over_a_log_that_cannot_be_read);
	tcase_add_test(t, install_on_a_disk_that_says_again);
	tcase_add_test(t, snapshot_vanishes_while_it_is_tried);
	tcase_add_test(t, no_snapshot_to_load);
	tcase_add_test(t, an_epoch_without_its_end);
	tcase_add_test(t, steps_are_bounded_by_bytes);
	tcase_add_test(t, since_and_the_newest_snapshot);
	tcase_add_test(t, since_over_a_gap);
	tcase_add_test(t, a_compressed_snapshot_without_its_end);
	tcase_add_test(t, snapshot_files_that_cannot_be_made);
	tcase_add_test(t, purge_knows_what_it_has_read);
	tcase_add_test(t, purge_without_logs);
	tcase_add_test(t, space_of_two_folders);
	tcase_add_test(t, reserve_of_two_folders);
	tcase_add_test(t, reserve_of_nothing);
	tcase_add_test(t, scrub_says_all_damage);
	tcase_add_test(t, scrub_and_gaps);
	tcase_add_test(t, scrub_ends_with_a_snapshot);
	tcase_add_test(t, scrub_looks_no_further);
	tcase_add_test(t, scrub_and_logs_that_come_and_go);
	tcase_add_test(t, scrub_steps_are_bounded);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(make_suite());
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
