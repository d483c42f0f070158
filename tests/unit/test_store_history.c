/*
 * The store on a disk in memory, and its history: the epochs and the members that are kept beside it, the end that is
 * cut off, the snapshot of a leader that takes its place; with a crash or a failure at every call.
 */
#include <check.h>
#include <errno.h>

#include "logd/purge.h"
#include "store_kit.h"

static const struct epoch_case {
	const char *current, *accepted, *temporary;
	bool high; /* the log goes into epoch 3 */
	int result;
	uint32_t current_is, accepted_is;
} epoch_cases[] = {
	/* None: a standalone server, or one that never began. */
	{ NULL, NULL, NULL, false, 0, 0, 0 },
	{ NULL, NULL, NULL, true, 0, 3, 3 },
	/* Both, and they fit. */
	{ "3", "5", NULL, true, 0, 3, 5 },
	{ "7\n", "7\r\n", NULL, true, 0, 7, 7 },
	/* A crash between log and current epoch, between accepted and current (ZOOKEEPER-1653). */
	{ "2", "3", "3", true, 0, 3, 3 },
	{ "2", "3", "4", true, 0, 3, 3 },
	{ "2", "5", NULL, true, 0, 3, 5 },
	{ "5", "4", NULL, true, 0, 5, 5 },
	{ "3", "2", NULL, true, 0, 3, 3 },
	/* Older than the log. */
	{ "2", "2", NULL, true, -EUCLEAN, 0, 0 },
	{ "1", "2", "3", true, -EUCLEAN, 0, 0 },
	/* The current one is lost: only where log and promise leave one. */
	{ NULL, "3", NULL, true, 0, 3, 3 },
	{ "x", "3", NULL, true, 0, 3, 3 },
	{ NULL, "4", NULL, true, -EUCLEAN, 0, 0 },
	{ "", "4", NULL, true, -EUCLEAN, 0, 0 },
	{ "3x", "2", NULL, true, -EUCLEAN, 0, 0 },
	/* The promise is lost: never, but where the server had just begun. */
	{ "3", NULL, NULL, true, 0, 3, 3 },
	{ "4", NULL, NULL, true, -EUCLEAN, 0, 0 },
	{ "2", NULL, NULL, true, -EUCLEAN, 0, 0 },
	{ "3", "x", NULL, true, -EUCLEAN, 0, 0 },
	{ "3", "-1", NULL, true, -EUCLEAN, 0, 0 },
	{ "3", "2147483648", NULL, true, -EUCLEAN, 0, 0 },
	{ "3", "12345678901", NULL, true, -EUCLEAN, 0, 0 },
	{ "y", "x", NULL, false, -EUCLEAN, 0, 0 },
	{ "y", NULL, NULL, false, -EUCLEAN, 0, 0 },
};

START_TEST(epochs)
{
	const struct epoch_case *c = &epoch_cases[_i];
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 2, 1);
	if (c->high)
		append_range(s, UINT64_C(3) << 32 | 1, UINT64_C(3) << 32 | 1, 1);
	store_close(s);
	if (c->current != NULL)
		fake_disk_put(&f, STORE_SNAP, "currentEpoch", c->current, strlen(c->current));
	if (c->accepted != NULL)
		fake_disk_put(&f, STORE_SNAP, "acceptedEpoch", c->accepted, strlen(c->accepted));
	if (c->temporary != NULL)
		fake_disk_put(&f, STORE_SNAP, "currentEpoch.tmp", c->temporary, strlen(c->temporary));
	ck_assert_int_eq(store_open(&s, &f.disk, &ordinary, listener(), why), c->result);
	if (c->result != 0)
		ck_assert_ptr_nonnull(strstr(why, "Epoch"));
	/* Again: what was raised stays so. */
	for (int again = 0; c->result == 0 && again < 2; again++) {
		ck_assert_uint_eq(store_current_epoch(s), c->current_is);
		ck_assert_uint_eq(store_accepted_epoch(s), c->accepted_is);
		ck_assert_ptr_null(fake_disk_find(&f, STORE_SNAP, "currentEpoch.tmp"));
		store_close(s);
		fake_disk_power_loss(&f);
		s = must_open(&f);
	}
	if (c->result == 0) {
		ck_assert_int_eq(store_set_epochs(s, 9, 8, 0), 0);
		ck_assert_int_eq(store_set_epochs(s, 9, 7, 0), -EPROTO);
		ck_assert_int_eq(store_set_epochs(s, 8, 8, 0), -EPROTO);
		ck_assert_int_eq(store_set_epochs(s, 9, 10, 0), -EPROTO);
		store_close(s);
		fake_disk_power_loss(&f);
		s = must_open(&f);
		ck_assert_uint_eq(store_current_epoch(s), 8);
		ck_assert_uint_eq(store_accepted_epoch(s), 9);
		store_close(s);
	}
	fake_disk_free(&f);
}
END_TEST

/* What a cut takes away is not what raised the epoch. */
START_TEST(epochs_outlive_the_log)
{
	uint64_t high = UINT64_C(3) << 32 | 1;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 2, 1);
	append_range(s, high, high, 1);
	store_close(s);
	fake_disk_put(&f, STORE_SNAP, "currentEpoch", "2", 1);
	fake_disk_put(&f, STORE_SNAP, "acceptedEpoch", "3", 1);
	s = must_open(&f);
	ck_assert_int_eq(store_truncate(s, 2), 0);
	store_close(s);
	fake_disk_power_loss(&f);
	s = must_open(&f);
	ck_assert_uint_eq(store_durable(s), 2);
	ck_assert_uint_eq(store_current_epoch(s), 3);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/*
 * Three pairs in a row with a crash or a failure at each call, in a folder with and without the files: what was answered
 * is there, what is there was asked for, the accepted one is never below the current one, and it always opens.
 */
static void
store_three_pairs(struct fake_disk *f, uint32_t sure[2])
{
	static const uint32_t pairs[][2] = { { 4, 3 }, { 4, 4 }, { 6, 4 } };
	uint64_t now_ms = 0;
	struct store *s;

	if (store_open(&s, &f->disk, &ordinary, listener(), why) != 0)
		return;
	for (size_t i = 0; i < 3; i++) {
		int ret = store_set_epochs(s, pairs[i][0], pairs[i][1], now_ms);
		if (ret == 0)
			memcpy(sure, pairs[i], sizeof pairs[i]);
		ck_assert((ret == 0) == (store_failed(s) == NULL));
		ck_assert(ret == 0 || store_set_epochs(s, 20, 20, now_ms) == -EIO);
		now_ms += STORE_RETRY_MS;
		store_tick(s, now_ms);
	}
	store_close(s);
}

static void
check_pairs(struct fake_disk *f, const uint32_t sure[2])
{
	struct store *s = must_open(f);

	ck_assert_uint_ge(store_accepted_epoch(s), sure[0]);
	ck_assert_uint_ge(store_current_epoch(s), sure[1]);
	ck_assert_uint_ge(store_accepted_epoch(s), store_current_epoch(s));
	ck_assert_uint_le(store_accepted_epoch(s), 6);
	ck_assert_uint_le(store_current_epoch(s), 4);
	store_close(s);
}

START_TEST(epochs_at_every_call)
{
	static const enum fake_fault faults[] = { FAKE_CRASH, FAKE_FAIL_ONCE, FAKE_FAIL_SOME };
	uint64_t high = UINT64_C(3) << 32 | 1;

	for (uint64_t at = 1; at < 40; at++) {
		for (uint64_t seed = 1; seed <= 10; seed++) {
			uint32_t sure[2] = { 3, 3 };
			struct fake_disk f;
			fake_disk_init(&f, _i % 2 == 0, seed * 100 + at);
			struct store *s = must_open(&f);
			append_range(s, high, high, 1);
			store_close(s);
			f.fault_at = f.calls + at;
			f.fault = faults[_i / 2];
			store_three_pairs(&f, sure);
			fake_disk_power_loss(&f);
			check_pairs(&f, sure);
			fake_disk_free(&f);
		}
	}
}
END_TEST

/* The list of members is there after a power loss, or the disk has failed. */
START_TEST(members_are_kept)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 3);
	s = must_open(&f);
	ck_assert_uint_eq(store_members(s).len, 0);
	ck_assert_int_eq(store_set_members(s, SLICE_LIT("server.1=a\nversion=5"), 0), 0);
	ck_assert_int_eq(store_set_members(s, SLICE_LIT("server.2=b\nversion=7"), 0), 0);
	store_close(s);
	fake_disk_power_loss(&f);
	s = must_open(&f);
	ck_assert(slice_equal(store_members(s), SLICE_LIT("server.2=b\nversion=7")));
	f.fault_at = f.calls + 1;
	f.error = EIO;
	ck_assert_int_ne(store_set_members(s, SLICE_LIT("another"), 0), 0);
	ck_assert_ptr_nonnull(store_failed(s));
	ck_assert(slice_equal(store_members(s), SLICE_LIT("server.2=b\nversion=7")));
	ck_assert_int_ne(store_set_members(s, SLICE_LIT("another"), 0), 0);
	store_close(s);
	fake_disk_put(&f, STORE_SNAP, "zkd.members", SLICE_LIT("x").data, 1);
	s = must_open(&f);
	ck_assert_uint_eq(store_members(s).len, 1);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* --- truncate --- */

static const struct {
	uint64_t zxid;
	int result;
	uint64_t snapshot;
} cuts[] = {
	{ 12, 0, 8 }, { 10, 0, 8 }, { 9, 0, 8 }, { 8, 0, 8 },        { 7, 0, 4 },
	{ 4, 0, 4 },  { 1, 0, 0 },  { 0, 0, 0 }, { 13, -ENOENT, 8 },
};

START_TEST(truncate)
{
	uint64_t zxid = cuts[_i].zxid;
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = make_history(&f);
	ck_assert_int_eq(store_truncate(s, zxid), cuts[_i].result);
	if (cuts[_i].result != 0)
		zxid = 12;
	ck_assert_uint_eq(store_durable(s), zxid);
	ck_assert_uint_eq(store_snapshot_zxid(s), cuts[_i].snapshot);
	must_load(&f, zxid, &l);
	ck_assert_uint_eq(l.snapshot_zxid, cuts[_i].snapshot);
	append_range(s, UINT64_C(1) << 32 | 1, UINT64_C(1) << 32 | 3, 1);
	store_close(s);
	fake_disk_power_loss(&f);
	s = must_open(&f);
	ck_assert_uint_eq(store_durable(s), UINT64_C(1) << 32 | 3);
	must_load(&f, store_durable(s), &l);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A target that was never logged leaves everything as it is (Java would leave one entry too many). */
START_TEST(truncate_at_no_entry)
{
	uint64_t next = UINT64_C(1) << 32 | 1;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 4, 1);
	append_range(s, next, next + 3, 1);
	ck_assert_int_eq(store_truncate(s, 5), -ENOENT);
	ck_assert_int_eq(store_truncate(s, next - 1), -ENOENT);
	ck_assert_uint_eq(store_durable(s), next + 3);
	append_range(s, next + 4, next + 4, 1);
	ck_assert_int_eq(store_truncate(s, 4), 0);
	append_range(s, 5, 6, 1);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* What is left must be a database: a hole in the logs behind the snapshot is not cut into shape. */
START_TEST(truncate_refused)
{
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = make_history(&f);
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_SNAP, "snapshot.4"), 0);
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_LOG, "log.1"), 0);
	ck_assert_int_eq(store_truncate(s, 7), -ENOENT); /* from snapshot.0 nothing leads there */
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_SNAP, "snapshot.0"), 0);
	ck_assert_int_eq(store_truncate(s, 7), -ENOENT); /* no snapshot at or below it */
	must_load(&f, 12, &l);
	ck_assert_uint_eq(l.snapshot_zxid, 8);
	append_range(s, 13, 14, 1);
	/* While the disk is failed, nothing. */
	f.fault = FAKE_FAIL_ONCE;
	f.fault_at = f.calls + 1;
	ck_assert_int_eq(append(s, 15), 0);
	ck_assert(!store_commit(s, 0));
	ck_assert_int_eq(store_truncate(s, 9), -ENOENT);
	store_tick(s, STORE_RETRY_MS);
	ck_assert_int_eq(store_truncate(s, 9), 0);
	must_load(&f, 9, &l);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A tree that may be of the history that was cut off does not write a snapshot of it. */
START_TEST(no_snapshot_before_the_next_load)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 150, 10);
	ck_assert(store_snapshot_due(s, 0));
	fake_disk_put(&f, STORE_SNAP, "snapshot.96.tmp", "begun", 5);
	ck_assert_int_eq(store_truncate(s, 149), 0);
	ck_assert_ptr_null(fake_disk_find(&f, STORE_SNAP, "snapshot.96.tmp"));
	ck_assert(!store_snapshot_due(s, 0));
	store_load_begun(s);
	ck_assert(store_snapshot_due(s, 0));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

static const struct {
	enum fake_fault fault;
	int error;
	bool power;
} cut_faults[] = {
	{ FAKE_CRASH, EIO, false },       { FAKE_CRASH, EIO, true },     { FAKE_FAIL_ONCE, EIO, true },
	{ FAKE_FAIL_ONCE, ENOSPC, true }, { FAKE_FAIL_SOME, EIO, true },
};

/*
 * However far a cut came before the process or the power went, or a call failed (ZOOKEEPER-3701): it never says that it
 * is done when it is not, it opens, and the cut can be asked for again.
 */
START_TEST(truncate_at_every_call)
{
	for (uint64_t at = 1; at < 30; at++) {
		for (uint64_t seed = 1; seed <= 12; seed++) {
			struct fake_disk f;
			struct loaded l;
			struct store *s;
			int ret;
			fake_disk_init(&f, _i % 2 == 0, at * 100 + seed);
			s = make_history(&f);
			f.fault_at = f.calls + at;
			f.fault = cut_faults[_i].fault;
			f.error = cut_faults[_i].error;
			ret = store_truncate(s, 3);
			ck_assert_int_ne(ret, -ENOENT);
			ck_assert(ret == 0 || f.faulted);
			store_close(s);
			if (cut_faults[_i].power)
				fake_disk_power_loss(&f);
			else
				fake_disk_kill(&f);
			s = must_open(&f);
			ck_assert_uint_ge(store_durable(s), 3);
			ck_assert(ret != 0 || store_durable(s) == 3);
			must_load(&f, store_durable(s), &l);
			ck_assert_int_eq(store_truncate(s, 3), 0);
			must_load(&f, 3, &l);
			append_range(s, 4, 5, 1);
			store_close(s);
			fake_disk_free(&f);
		}
	}
}
END_TEST

/* --- install --- */

/* Zxids of a leader: below, within, at the end of and far above what make_history has. */
static const uint64_t installs[] = { 2, 8, 10, 12, 40, UINT64_C(2) << 32 | 7 };

START_TEST(install)
{
	static const char *const aside[] = { "zkd.aside.snapshot.0", "zkd.aside.snapshot.4",
					     "zkd.aside.snapshot.8", "zkd.aside.log.1",
					     "zkd.aside.log.5",      "zkd.aside.log.9" };
	uint64_t zxid = installs[_i / 2];
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, _i % 2 == 0, 5);
	s = make_history(&f);
	ck_assert_int_eq(receive_snapshot(&f, zxid), 0);
	must_load(&f, 12, &l); /* nothing has changed yet */
	ck_assert_int_eq(store_install(s, zxid), 0);
	ck_assert_uint_eq(store_durable(s), zxid);
	ck_assert_uint_eq(store_snapshot_zxid(s), zxid);
	ck_assert(!store_snapshot_due(s, 0));
	for (size_t i = 0; i < sizeof aside / sizeof *aside; i++)
		ck_assert_ptr_nonnull(fake_disk_find(&f, i < 3 ? STORE_SNAP : STORE_LOG, aside[i]));
	must_load(&f, zxid, &l);
	ck_assert_uint_eq(l.snapshots, 1);
	ck_assert_uint_eq(l.txns, 0);
	append_range(s, zxid + 1, zxid + 3, 1);
	store_close(s);
	fake_disk_power_loss(&f);
	s = must_open(&f);
	ck_assert_uint_eq(store_durable(s), zxid + 3);
	must_load(&f, zxid + 3, &l);
	ck_assert_uint_eq(l.snapshot_zxid, zxid);
	ck_assert_uint_eq(l.txns, 3);
	/* The old history goes with the first purge that has enough of the new one. */
	ck_assert_int_eq(purge_files(&f.disk, 3, listener()), 0);
	ck_assert_int_eq(write_snapshot(&f, zxid + 2, SNAPFILE_PLAIN), 0);
	ck_assert_int_eq(write_snapshot(&f, zxid + 3, SNAPFILE_PLAIN), 0);
	ck_assert_int_eq(purge_files(&f.disk, 3, listener()), 6);
	ck_assert_ptr_null(fake_disk_find(&f, STORE_LOG, "zkd.aside.log.9"));
	must_load(&f, zxid + 3, &l);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* What was acked before an install is missed until it has come again, or the leader's history is whole without it. */
START_TEST(install_leaves_less_than_was_acked)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, _i % 2 == 0, 5);
	s = make_history(&f); /* to 12 */
	ck_assert(!store_partial(s));
	ck_assert_int_eq(store_set_epochs(s, 1, 0, 0), 0);
	ck_assert_int_eq(receive_snapshot(&f, 12), 0);
	ck_assert_int_eq(store_install(s, 12), 0);
	ck_assert(!store_partial(s));
	ck_assert_int_eq(receive_snapshot(&f, 8), 0);
	ck_assert_int_eq(store_install(s, 8), 0);
	ck_assert(store_partial(s));
	ck_assert_int_eq(store_set_epochs(s, 2, 0, 0), 0); /* another leader; nothing came of it yet */
	ck_assert(store_partial(s));
	append_range(s, 9, 11, 1);
	store_close(s);
	fake_disk_power_loss(&f);
	s = must_open(&f);
	ck_assert(store_partial(s));
	if (_i < 2)
		append_range(s, 12, 12, 1);
	else
		ck_assert_int_eq(store_set_epochs(s, 2, 2, 0), 0);
	ck_assert(!store_partial(s));
	store_close(s);
	fake_disk_power_loss(&f);
	s = must_open(&f);
	ck_assert(!store_partial(s));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A mark that cannot be read is believed. */
START_TEST(install_mark_damaged)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = make_history(&f);
	ck_assert_int_eq(receive_snapshot(&f, 8), 0);
	ck_assert_int_eq(store_install(s, 8), 0);
	store_close(s);
	ck_assert_int_eq(files_replace(&f.disk, STORE_SNAP, "zkd.partial", SLICE_LIT("what?")), 0);
	s = must_open(&f);
	append_range(s, 9, 20, 1);
	ck_assert(store_partial(s));
	ck_assert_int_eq(store_set_epochs(s, 1, 1, 0), 0);
	ck_assert(!store_partial(s));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Exactly what ZooKeeper would have written of the same tree. */
START_TEST(install_makes_a_snapshot_file)
{
	struct fake_file *file;
	struct fake_disk f;
	struct store *s;
	struct buf b;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	ck_assert_int_eq(receive_snapshot(&f, 9), 0);
	ck_assert_int_eq(store_install(s, 9), 0);
	file = fake_disk_find(&f, STORE_SNAP, "snapshot.9");
	make_snapshot(&b, 9);
	ck_assert_uint_eq(file->kept_size, buf_len(&b));
	ck_assert_mem_eq(file->kept, buf_head(&b), buf_len(&b));
	buf_free(&b);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

START_TEST(install_refused)
{
	struct snapfile *file;
	struct fake_disk f;
	struct store *s;
	struct buf b;

	fake_disk_init(&f, true, 5);
	s = make_history(&f);
	make_stream(&b, 20);
	/* It ends too early. */
	ck_assert_int_eq(snapfile_new(&file, &f.disk, 20, SNAPFILE_RECEIVED, 0), 0);
	ck_assert_int_eq(snapfile_data(file, slice_of(buf_head(&b), buf_len(&b) - 1)), 0);
	ck_assert_int_eq(snapfile_finish(file), -EBADMSG);
	snapfile_free(file);
	/* Something follows it. */
	buf_put(&b, "BenWasHere", 10);
	ck_assert_int_eq(snapfile_new(&file, &f.disk, 20, SNAPFILE_RECEIVED, 0), 0);
	ck_assert_int_eq(snapfile_data(file, buf_slice(&b)), -EBADMSG);
	ck_assert_str_eq(snapfile_error(file), "bytes follow its end");
	snapfile_free(file);
	buf_free(&b);
	ck_assert_int_eq(store_install(s, 20), -EAGAIN); /* nothing is there */
	/* Nobody wants it any more. */
	ck_assert_int_eq(receive_snapshot(&f, 21), 0);
	snapfile_remove_received(&f.disk, 21);
	ck_assert_int_eq(store_install(s, 21), -EAGAIN);
	/* The disk is failed. */
	ck_assert_int_eq(receive_snapshot(&f, 22), 0);
	f.fault = FAKE_FAIL_ONCE;
	f.fault_at = f.calls + 1;
	ck_assert_int_eq(append(s, 13), 0);
	ck_assert(!store_commit(s, 0));
	ck_assert_int_eq(store_install(s, 22), -EAGAIN);
	store_tick(s, STORE_RETRY_MS);
	append_range(s, 13, 14, 1);
	for (int i = 0; i < FAKE_FILES; i++)
		ck_assert_ptr_null(strstr(f.names[i].name, "install"));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A SNAP interrupted at each step: one history or the other, whole, and the answer tells which where there is one. */
START_TEST(install_at_every_call)
{
	uint64_t zxid = UINT64_C(2) << 32 | 7;

	for (uint64_t at = 1; at < 40; at++) {
		for (uint64_t seed = 1; seed <= 12; seed++) {
			struct fake_disk f;
			struct loaded l;
			struct store *s;
			int ret;
			fake_disk_init(&f, _i % 2 == 0, at * 100 + seed);
			s = make_history(&f);
			f.fault_at = f.calls + at;
			f.fault = cut_faults[_i].fault;
			f.error = cut_faults[_i].error;
			ret = receive_snapshot(&f, zxid);
			ret = ret == 0 ? store_install(s, zxid) : -EAGAIN;
			ck_assert(ret == 0 || f.faulted);
			if (ret == 0 || ret == -EAGAIN) {
				ck_assert_uint_eq(store_durable(s), ret == 0 ? zxid : 12);
				ck_assert(f.fault == FAKE_CRASH || append(s, store_durable(s) + 1) == 0);
			}
			store_close(s);
			if (cut_faults[_i].power)
				fake_disk_power_loss(&f);
			else
				fake_disk_kill(&f);
			s = must_open(&f);
			ck_assert_msg(store_durable(s) == 12 || store_durable(s) == zxid,
				      "at %lu seed %lu ret %d durable %lx", at, seed, ret, store_durable(s));
			ck_assert(ret != 0 || store_durable(s) == zxid);
			ck_assert(ret != -EAGAIN || store_durable(s) == 12);
			must_load(&f, store_durable(s), &l);
			for (int i = 0; i < FAKE_FILES; i++)
				ck_assert_ptr_null(strstr(f.names[i].name, "install"));
			append_range(s, store_durable(s) + 1, store_durable(s) + 2, 1);
			must_load(&f, store_durable(s), &l);
			store_close(s);
			fake_disk_free(&f);
		}
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("history of a store");
	TCase *t = tcase_create("history"), *faults = tcase_create("faults");

	tcase_add_loop_test(t, epochs, 0, sizeof epoch_cases / sizeof *epoch_cases);
	tcase_add_test(t, epochs_outlive_the_log);
	tcase_add_test(t, members_are_kept);
	tcase_add_loop_test(t, truncate, 0, sizeof cuts / sizeof *cuts);
	tcase_add_test(t, truncate_at_no_entry);
	tcase_add_test(t, truncate_refused);
	tcase_add_test(t, no_snapshot_before_the_next_load);
	tcase_add_loop_test(t, install, 0, 2 * sizeof installs / sizeof *installs);
	tcase_add_loop_test(t, install_leaves_less_than_was_acked, 0, 4);
	tcase_add_test(t, install_mark_damaged);
	tcase_add_test(t, install_makes_a_snapshot_file);
	tcase_add_test(t, install_refused);
	suite_add_tcase(suite, t);
	tcase_add_loop_test(faults, epochs_at_every_call, 0, 6);
	tcase_add_loop_test(faults, truncate_at_every_call, 0, sizeof cut_faults / sizeof *cut_faults);
	tcase_add_loop_test(faults, install_at_every_call, 0, sizeof cut_faults / sizeof *cut_faults);
	tcase_set_timeout(faults, 120);
	suite_add_tcase(suite, faults);
	return suite;
}

int
main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
