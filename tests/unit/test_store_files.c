/*
 * The store on a disk in memory, and the files in its folders: those of others, those that are not what they should be;
 * snapshots, when and what; what is purged; a full disk, and the reserve for it.
 */
#include <check.h>
#include <errno.h>

#include "disk/snapshot.h"
#include "logd/purge.h"
#include "logd/reserve.h"
#include "store_kit.h"

START_TEST(wrong_folder)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, false, 5);
	fake_disk_put(&f, STORE_LOG, "snapshot.7", "x", 1);
	ck_assert_int_eq(store_open(&s, &f.disk, &ordinary, listener(), why), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "/log holds snapshot.7"));
	fake_disk_free(&f);
	fake_disk_init(&f, false, 5);
	fake_disk_put(&f, STORE_SNAP, "log.7", "x", 1);
	ck_assert_int_eq(store_open(&s, &f.disk, &ordinary, listener(), why), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "/data holds log.7"));
	fake_disk_free(&f);
}
END_TEST

START_TEST(foreign_files_stay)
{
	static const char *const theirs[] = { "zoo.cfg.dynamic.next", "log.txt", "notes",
					      "snapshot.old.tmp" };
	static const char *const ours[] = { "snapshot.9.tmp", "currentEpoch.tmp", "snapshot.9.gz.tmp",
					    "zkd.probe" };
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	for (int i = 0; i < 4; i++) {
		fake_disk_put(&f, STORE_SNAP, theirs[i], "x", 1);
		fake_disk_put(&f, STORE_SNAP, ours[i], "x", 1);
	}
	s = must_open(&f);
	for (int i = 0; i < 4; i++) {
		ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_SNAP, theirs[i]));
		ck_assert_ptr_null(fake_disk_find(&f, STORE_SNAP, ours[i]));
	}
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

static const struct {
	const char *text;
	size_t len;
	bool partial;
} partials[] = {
	{ "0x3\n", 4, true }, { "0x2\n", 4, false }, { "0xFF\n", 5, true }, { "0x:", 3, true },
	{ "junk", 4, true },  { "", 0, true },       { "0x00", 4, true },
};

/* To doubt is safe. */
START_TEST(partial_files)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 2, 1);
	store_close(s);
	fake_disk_put(&f, STORE_SNAP, "zkd.partial", partials[_i].text, partials[_i].len);
	s = must_open(&f);
	ck_assert_int_eq(store_partial(s), partials[_i].partial);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Far too long for what they are. */
START_TEST(small_files_that_are_not)
{
	static const char *const names[] = { "zkd.partial", "currentEpoch" };
	static const char zeros[5000];
	struct fake_disk f;
	struct store *s;
	int ret;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 2, 1);
	store_close(s);
	fake_disk_put(&f, STORE_SNAP, names[_i], zeros, sizeof zeros);
	ret = store_open(&s, &f.disk, &ordinary, listener(), why);
	ck_assert_int_eq(ret, _i == 0 ? 0 : -EUCLEAN);
	if (ret == 0)
		ck_assert(store_partial(s));
	if (ret == 0)
		store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* --- snapshots --- */

START_TEST(snapshot_times)
{
	struct fake_disk f;
	struct store *s;
	uint64_t z = 0;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	while (!store_snapshot_due(s, 0)) {
		z++;
		append_range(s, z, z, 1);
	}
	ck_assert_uint_gt(z, 50);
	ck_assert_uint_le(z, 101);
	store_snapshot_begun(s);
	append_range(s, z + 1, z + 200, 10);
	ck_assert(!store_snapshot_due(s, 0)); /* one at a time */
	store_snapshot_ended(s, false, 0, 1000);
	ck_assert(!store_snapshot_due(s, 1000));
	ck_assert(store_snapshot_due(s, 1000 + STORE_SNAPSHOT_RETRY_MS));
	store_close(s);
	/* Many short lives do not put it off. */
	s = must_open(&f);
	ck_assert(store_snapshot_due(s, 0));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Snapshots by bytes; limits of nothing and of one. */
START_TEST(snapshot_times_by_bytes)
{
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct store *s;

	settings.snap_count = 100000;
	settings.snap_size_bytes = _i == 0 ? 4000 : 1;
	fake_disk_init(&f, true, 5);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	ck_assert(!store_snapshot_due(s, 0));
	append_range(s, 1, 25, 1);
	ck_assert(store_snapshot_due(s, 0));
	store_snapshot_begun(s);
	store_snapshot_ended(s, true, 20, 0);
	store_snapshot_begun(s);
	store_snapshot_ended(s, true, 10, 0); /* an older one changes nothing */
	ck_assert_uint_eq(store_snapshot_zxid(s), 20);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

START_TEST(snapshot_refused)
{
	struct fake_disk f;
	struct snapfile *file;
	struct buf b;

	fake_disk_init(&f, true, 5);
	make_snapshot(&b, 5);
	ck_assert_int_eq(snapfile_new(&file, &f.disk, 5, SNAPFILE_PLAIN, 0), 0);
	ck_assert_int_eq(snapfile_data(file, slice_of(buf_head(&b), buf_len(&b) - 3)), 0);
	ck_assert_int_eq(snapfile_finish(file), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(snapfile_error(file), "seal"));
	snapfile_free(file);
	b.data[b.off + 30] ^= 1;
	ck_assert_int_eq(snapfile_new(&file, &f.disk, 5, SNAPFILE_PLAIN, 0), 0);
	ck_assert_int_eq(snapfile_data(file, buf_slice(&b)), -EBADMSG);
	snapfile_free(file);
	for (int i = 0; i < FAKE_FILES; i++)
		ck_assert_int_lt(f.names[i].cached, 0);
	buf_free(&b);
	fake_disk_free(&f);
}
END_TEST

/* --- purge --- */

START_TEST(purge)
{
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, _i == 0, 5);
	s = make_history(&f);
	ck_assert_int_eq(purge_files(&f.disk, 3, listener()), 0);
	/* Not whole: it does not count as one of the three. */
	fake_disk_put(&f, STORE_SNAP, "snapshot.b", "ZKSN", 4);
	ck_assert_int_eq(purge_files(&f.disk, 3, listener()), 0);
	ck_assert_int_eq(purge_files(&f.disk, 2, listener()),
			 1); /* snapshot.0; 4 still needs log.1, which may reach past it */
	ck_assert_ptr_null(fake_disk_find(&f, STORE_SNAP, "snapshot.0"));
	ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_LOG, "log.1"));
	ck_assert_int_eq(purge_files(&f.disk, 1, listener()), 2); /* snapshot.4, log.1 */
	ck_assert_ptr_null(fake_disk_find(&f, STORE_LOG, "log.1"));
	ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_LOG, "log.5"));
	must_load(&f, 12, &l);
	ck_assert_uint_eq(l.snapshot_zxid, 8);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* One that looks whole but is not does not count: what the older ones need stays (ZOOKEEPER-3231). */
START_TEST(purge_counts_whole_ones)
{
	struct purge_known known = { 0 };
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, _i == 0, 5);
	s = make_history(&f);
	fake_disk_find(&f, STORE_SNAP, "snapshot.8")->cached[40] ^= 1;
	ck_assert_int_eq(purge_files(&f.disk, 2, listener()), 0); /* 0 and 4 */
	ck_assert_int_eq(purge_files(&f.disk, 1, listener()), 1); /* snapshot.0 */
	must_load(&f, 12, &l);
	ck_assert_uint_eq(l.snapshot_zxid, 4);
	ck_assert_int_eq(write_snapshot(&f, 12, SNAPFILE_SNAPPY), 0);
	/* What was found whole is not read again while it is the same file. */
	for (int again = 0; again < 2; again++) {
		struct purge *p =
		    purge_new(&f.disk, &(struct purge_request){ .retain = 2 }, &known, listener());
		int ret, steps = 0;
		while ((ret = purge_step(p)) > 0)
			steps++;
		ck_assert_int_eq(ret, 0);
		ck_assert_uint_eq(purge_removed(p), 0);
		ck_assert_int_eq(steps, again == 0 ? 12 : 7);
		purge_free(p);
	}
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* --- a full disk --- */

static uint64_t
used_bytes(const struct fake_disk *f)
{
	uint64_t used = 0;

	for (int i = 0; i < FAKE_FILES; i++)
		used += f->files[i].cached_size;
	return used;
}

static struct store *
open_with_reserve(struct fake_disk *f, uint64_t bytes)
{
	struct store_settings settings = ordinary;
	struct store *s;
	int ret;

	settings.reserve_bytes = bytes;
	settings.prealloc_bytes = 0;
	ret = store_open(&s, &f->disk, &settings, listener(), why);
	ck_assert_msg(ret == 0, "%d: %s", ret, why);
	return s;
}

static bool
reserve_held(const struct store *s)
{
	struct store_facts facts;

	store_get_facts(s, &facts);
	return facts.reserve_held;
}

/* Nothing can be appended any more, but epochs are stored and the log is cut; and when space returns all is well. */
START_TEST(full_disk)
{
	struct fake_disk f;
	struct loaded l;
	struct store *s;
	uint64_t bytes = _i % 2 == 0 ? 5000 : 3 << 20, last;

	fake_disk_init(&f, _i < 2, 5);
	s = open_with_reserve(&f, bytes);
	ck_assert(!reserve_held(s));
	do_chores(&f, s);
	ck_assert(reserve_held(s));
	ck_assert_uint_eq(fake_disk_find(&f, STORE_SNAP, RESERVE_NAME)->kept_size, bytes);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_LOG, RESERVE_NAME)->kept_size, bytes);
	append_range(s, 1, 10, 1);
	ck_assert_int_eq(store_set_epochs(s, 1, 0, 0), 0);
	f.capacity = used_bytes(&f) + ENTRY_BYTES;
	append_range(s, 11, 11, 1);
	ck_assert_int_eq(store_set_epochs(s, 2, 1, 100), 0);
	ck_assert_int_eq(append(s, 12), 0);
	f.capacity = used_bytes(&f);
	ck_assert(!store_commit(s, 200));
	ck_assert_ptr_nonnull(strstr(store_failed(s), "No space left"));
	store_tick(s, 200 + STORE_RETRY_MS);
	ck_assert_ptr_nonnull(store_failed(s));
	must_load(&f, 11, &l);
	/* It starts on the full disk, and the next leader finds it ready. */
	store_close(s);
	fake_disk_power_loss(&f);
	s = open_with_reserve(&f, bytes);
	do_chores(&f, s);
	ck_assert(!reserve_held(s));
	ck_assert_uint_eq(store_accepted_epoch(s), 2);
	last = store_durable(s);
	ck_assert_uint_eq(last, 11);
	f.capacity = used_bytes(&f);
	ck_assert_int_eq(store_truncate(s, 8), 0);
	f.capacity = 0;
	append_range(s, 9, 20, 1);
	store_tick(s, STORE_RESERVE_RETRY_MS + 1);
	do_chores(&f, s);
	ck_assert(reserve_held(s));
	ck_assert_uint_eq(store_deadline(s), UINT64_MAX);
	store_close(s);
	/* Not wanted any more. */
	s = must_open(&f);
	ck_assert_ptr_null(fake_disk_find(&f, STORE_SNAP, RESERVE_NAME));
	ck_assert_ptr_null(fake_disk_find(&f, STORE_LOG, RESERVE_NAME));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* On a disk too small for it there is none, and nothing is taken from the log for it. */
START_TEST(no_room_for_a_reserve)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	f.capacity = 9000;
	s = open_with_reserve(&f, 5000);
	do_chores(&f, s);
	ck_assert(!reserve_held(s));
	ck_assert_uint_eq(fake_disk_find(&f, STORE_SNAP, RESERVE_NAME)->cached_size, 0);
	append_range(s, 1, 10, 1);
	store_tick(s, STORE_MARK_MS);
	ck_assert_uint_eq(store_deadline(s), STORE_RESERVE_RETRY_MS);
	f.capacity = used_bytes(&f);
	ck_assert_int_eq(store_set_epochs(s, 1, 1, 100), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(store_failed(s), "store the epochs in /data: No space left"));
	store_tick(s, 100 + STORE_RETRY_MS);
	ck_assert_ptr_nonnull(store_failed(s));
	f.capacity = 0;
	store_tick(s, 100 + 2 * STORE_RETRY_MS);
	ck_assert_ptr_null(store_failed(s));
	ck_assert_int_eq(store_set_epochs(s, 1, 1, 2200), 0);
	append_range(s, 11, 12, 1);
	store_tick(s, 100 + STORE_RESERVE_RETRY_MS);
	do_chores(&f, s);
	ck_assert(reserve_held(s));
	/* A smaller one is made of it. */
	store_close(s);
	s = open_with_reserve(&f, 2000);
	do_chores(&f, s);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_SNAP, RESERVE_NAME)->kept_size, 2000);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A cut takes from the reserve what it lacks, and gives up only when that is used up. */
START_TEST(cut_out_of_the_reserve)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = open_with_reserve(&f, 2 << 20);
	do_chores(&f, s);
	append_range(s, 1, 8, 1);
	f.fault = FAKE_FAIL_ONCE;
	f.error = _i == 0 ? ENOSPC : EDQUOT;
	f.fault_at = f.calls + 1;
	ck_assert_int_eq(store_truncate(s, 6), 0);
	ck_assert(f.faulted);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_SNAP, RESERVE_NAME)->kept_size, 1 << 20);
	ck_assert_int_eq(receive_snapshot(&f, 30), 0);
	f.fault_at = f.calls + 3;
	ck_assert_int_eq(store_install(s, 30), 0);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_SNAP, RESERVE_NAME)->kept_size, 0);
	append_range(s, 31, 34, 1);
	f.fault_at = f.calls + 1;
	ck_assert_int_eq(store_truncate(s, 32), -f.error);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A snapshot leaves the log what it needs (ZOOKEEPER-3082), and a purge in time what a snapshot needs. */
START_TEST(space_is_guarded)
{
	uint8_t data[1 << 20] = { 0 };
	struct snapfile *file;
	struct purge *job;
	struct fake_disk f;
	struct store *s;
	uint64_t have, want;
	struct buf b;
	int ret;

	fake_disk_init(&f, true, 5);
	s = make_history(&f);
	ck_assert_int_eq(receive_snapshot(&f, 20), 0);
	ck_assert_int_eq(store_install(s, 20), 0);
	f.capacity = used_bytes(&f) + (20 << 20);
	ck_assert_int_eq(purge_space(&f.disk, 1000, &have, &want), 0);
	ck_assert_uint_eq(have, 20 << 20);
	ck_assert_uint_eq(want, 1000 + fake_disk_find(&f, STORE_SNAP, "snapshot.14")->cached_size);
	job = purge_new(&f.disk, &(struct purge_request){ .retain = 3, .hard = true }, NULL, listener());
	while ((ret = purge_step(job)) > 0)
		;
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(purge_removed(job), 6);
	purge_free(job);
	ck_assert_ptr_null(fake_disk_find(&f, STORE_SNAP, "zkd.aside.snapshot.8"));

	buf_init(&b, 1 << 26);
	ck_assert_int_eq(snapfile_new(&file, &f.disk, 30, SNAPFILE_PLAIN, 9 << 20), 0);
	{
		struct snapshot_writer w;
		snapshot_writer_init(&w, &b);
		snapshot_write_header(&w);
		snapshot_write_sessions(&w, 0);
		snapshot_write_acls(&w, 0);
	}
	ret = snapfile_data(file, buf_slice(&b));
	for (int i = 0; ret == 0 && i < 20; i++) {
		struct snapshot_writer w;
		buf_reset(&b, SIZE_MAX);
		snapshot_writer_init(&w, &b);
		snapshot_write_node(&w, &(struct snapshot_node){ .path = SLICE_LIT(""),
								 .data = slice_of(data, sizeof data),
								 .acl = -1 });
		ret = snapfile_data(file, buf_slice(&b));
	}
	ck_assert_int_eq(ret, -ENOSPC);
	ck_assert_uint_ge(f.capacity - used_bytes(&f), 3 << 20);
	snapfile_free(file);
	buf_free(&b);
	ck_assert_uint_ge(f.capacity - used_bytes(&f), 20 << 20);
	append_range(s, 21, 22, 1);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("files of a store");
	TCase *t = tcase_create("files");

	tcase_add_test(t, wrong_folder);
	tcase_add_test(t, foreign_files_stay);
	tcase_add_loop_test(t, partial_files, 0, sizeof partials / sizeof *partials);
	tcase_add_loop_test(t, small_files_that_are_not, 0, 2);
	tcase_add_test(t, snapshot_times);
	tcase_add_loop_test(t, snapshot_times_by_bytes, 0, 2);
	tcase_add_test(t, snapshot_refused);
	tcase_add_loop_test(t, purge, 0, 2);
	tcase_add_loop_test(t, purge_counts_whole_ones, 0, 2);
	tcase_add_loop_test(t, full_disk, 0, 4);
	tcase_add_test(t, no_room_for_a_reserve);
	tcase_add_loop_test(t, cut_out_of_the_reserve, 0, 2);
	tcase_add_test(t, space_is_guarded);
	suite_add_tcase(suite, t);
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
