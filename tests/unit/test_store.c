/*
 * The store on a disk in memory: how it starts; what it appends, in which calls, and where a log ends; space and zeros
 * ahead of it. Other themes have files of their own: test_store_faults, _damage, _history, _load and _files.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "logd/mark.h"
#include "store_kit.h"

START_TEST(fresh_folder)
{
	struct fake_disk f;
	struct store *s;
	struct loaded l;

	fake_disk_init(&f, _i == 0, 1);
	s = must_open(&f);
	ck_assert_uint_eq(store_durable(s), 0);
	ck_assert_uint_eq(store_current_epoch(s), 0);
	ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_SNAP, "snapshot.0"));
	ck_assert_ptr_null(fake_disk_find(&f, STORE_SNAP, "snapshot.0.tmp"));
	must_load(&f, 0, &l);
	ck_assert_uint_eq(l.snapshots, 1);
	append_range(s, 1, 10, 3);
	ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_LOG, "log.1"));
	must_load(&f, 10, &l);
	ck_assert_uint_eq(l.txns, 10);
	/* Not a byte behind what was durable when the load began. */
	must_load(&f, 4, &l);
	ck_assert_uint_eq(l.txns, 4);
	store_close(s);
	s = must_open(&f);
	ck_assert_uint_eq(store_durable(s), 10);
	append_range(s, 11, 12, 1);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

START_TEST(not_autocreated)
{
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct store *s;

	settings.db_autocreate = false;
	fake_disk_init(&f, true, 1);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "initialize"));
	fake_disk_put(&f, STORE_LOG_TOP, "initialize", "", 0);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	ck_assert_ptr_null(fake_disk_find(&f, STORE_LOG_TOP, "initialize"));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A member of an ensemble begins all the same, but votes for nothing before it has synced, or its operator knows better. */
START_TEST(empty_member)
{
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct store *s;

	settings.db_autocreate = false;
	settings.member = true;
	fake_disk_init(&f, true, 1);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
		ck_assert(store_partial(s));
		store_close(s);
		fake_disk_power_loss(&f);
	}
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	append_range(s, 1, 2, 1);
	ck_assert(store_partial(s));
	ck_assert_int_eq(store_set_epochs(s, 1, 1, 0), 0);
	ck_assert(!store_partial(s));
	store_close(s);
	fake_disk_free(&f);
	fake_disk_init(&f, true, 1);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	store_close(s);
	fake_disk_put(&f, STORE_LOG_TOP, "initialize", "", 0);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	ck_assert(!store_partial(s));
	store_close(s);
	fake_disk_free(&f);
	/* With the file at once, and with db.autocreate. */
	for (int i = 0; i < 2; i++) {
		fake_disk_init(&f, true, 1);
		if (i == 0)
			fake_disk_put(&f, STORE_LOG_TOP, "initialize", "", 0);
		settings.db_autocreate = i == 1;
		ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
		ck_assert(!store_partial(s));
		store_close(s);
		fake_disk_free(&f);
	}
}
END_TEST

START_TEST(append_order)
{
	struct fake_disk f;
	struct store *s;
	uint8_t txn[TXN_BYTES];

	fake_disk_init(&f, true, 1);
	s = must_open(&f);
	ck_assert_int_eq(append(s, 2), -EPROTO);
	ck_assert_int_eq(append(s, 0), -EPROTO);
	append_range(s, 1, 3, 1);
	ck_assert_int_eq(append(s, 3), -EPROTO);
	ck_assert_int_eq(append(s, 5), -EPROTO);
	fill_txn(txn, 9);
	ck_assert_int_eq(store_append(s, 4, slice_of(txn, sizeof txn)), -EPROTO);
	ck_assert_int_eq(store_append(s, 4, slice_of(txn, 31)), -EPROTO);
	append_range(s, UINT64_C(1) << 32 | 1, UINT64_C(1) << 32 | 2, 1);
	ck_assert_int_eq(append(s, 4), -EPROTO);
	ck_assert(!store_commit(s, 0));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

START_TEST(batch_limits)
{
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct store *s;

	settings.batch_txns = 3;
	fake_disk_init(&f, true, 1);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	ck_assert(!store_batch_full(s, STORE_BATCH_BYTES * 2));
	for (uint64_t z = 1; z <= 3; z++) {
		ck_assert(!store_batch_full(s, TXN_BYTES));
		ck_assert_int_eq(append(s, z), 0);
	}
	ck_assert(store_batch_full(s, TXN_BYTES));
	ck_assert(store_commit(s, 0));
	ck_assert_int_eq(append(s, 4), 0);
	ck_assert(store_batch_full(s, STORE_BATCH_BYTES));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* In the steady state a commit is one write and one sync, and nothing else. */
START_TEST(append_path)
{
	struct fake_disk f;
	struct store *s;
	uint64_t calls;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 1, 1);
	calls = f.calls;
	append_range(s, 2, 41, 4);
	ck_assert_uint_eq(f.calls, calls + 20);
	ck_assert_uint_eq(store_deadline(s), STORE_MARK_MS);
	store_tick(s, STORE_MARK_MS);
	ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_SNAP, MARK_NAME));
	ck_assert_uint_eq(store_deadline(s), UINT64_MAX);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

START_TEST(log_rolls_by_size)
{
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	settings.log_size_bytes = 1000;
	settings.prealloc_bytes = 0;
	fake_disk_init(&f, true, 5);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	append_range(s, 1, 12, 1);
	ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_LOG, "log.6"));
	ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_LOG, "log.b"));
	ck_assert_int_eq(store_next_chore(s).kind, STORE_NO_CHORE);
	must_load(&f, 12, &l);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

START_TEST(no_sync_where_told_so)
{
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct store *s;
	uint64_t calls;

	settings.force_sync = false;
	fake_disk_init(&f, true, 5);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	append_range(s, 1, 1, 1);
	calls = f.calls;
	append_range(s, 2, 9, 1);
	ck_assert_uint_eq(f.calls, calls + 8); /* writes alone */
	store_tick(s, 5000);
	ck_assert_ptr_null(fake_disk_find(&f, STORE_SNAP, MARK_NAME));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

struct capture {
	struct trace trace;
	char lines[4000];
};

static void
capture_line(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	struct capture *c = (struct capture *)t;
	size_t n = strlen(c->lines);

	(void)level;
	snprintf(c->lines + n, sizeof c->lines - n, "%s: %s %s\n", room, event, text);
}

START_TEST(slow_sync_is_told)
{
	struct capture c = { .trace = { .least = TRACE_WARNING, .emit = capture_line } };
	struct store_facts facts;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	ck_assert_int_eq(store_open(&s, &f.disk, &ordinary, &c.trace, why), 0);
	append_range(s, 1, 10, 1);
	ck_assert_str_eq(c.lines, "");
	f.sync_us = 1001000;
	append_range(s, 11, 11, 1);
	ck_assert_ptr_nonnull(strstr(c.lines, "sync of the log was slow took_ms=1001"));
	store_get_facts(s, &facts);
	ck_assert_uint_eq(facts.syncs, 11);
	ck_assert_uint_eq(facts.sync_p50_us, 0);
	ck_assert_uint_eq(facts.sync_max_us, 1001000);
	ck_assert_uint_eq(facts.txns, 11);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* --- space and zeros ahead --- */

START_TEST(space_ahead)
{
	struct fake_disk f;
	struct store_chore c;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	ck_assert_int_eq(store_next_chore(s).kind, STORE_NO_CHORE);
	append_range(s, 1, 1, 1);
	c = store_next_chore(s);
	ck_assert_int_eq(c.kind, STORE_ALLOCATE);
	ck_assert_uint_eq(c.log_zxid, 1);
	ck_assert_int_eq(store_next_chore(s).kind, STORE_NO_CHORE); /* one at a time */
	append_range(s, 2, 3, 1);                                   /* appended while the helper is at it */
	ck_assert_int_eq(store_do_chore(&f.disk, &c), 0);
	store_chore_done(s, &c, true);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_LOG, "log.1")->cached_size, ENTRY_AT(1) + 8192);
	ck_assert_int_eq(store_next_chore(s).kind, STORE_NO_CHORE); /* enough is left */
	append_range(s, 4, 22, 1);
	ck_assert_int_eq(store_next_chore(s).kind, STORE_ALLOCATE);
	/* The file is left: its padding goes, once the new one is there. */
	store_snapshot_begun(s);
	ck_assert_int_eq(store_next_chore(s).kind, STORE_NO_CHORE);
	append_range(s, 23, 23, 1);
	c = store_next_chore(s);
	ck_assert_int_eq(c.kind, STORE_TRIM);
	ck_assert_int_eq(store_do_chore(&f.disk, &c), 0);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_LOG, "log.1")->kept_size, ENTRY_AT(22));
	ck_assert_int_eq(store_next_chore(s).kind, STORE_ALLOCATE);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Which writes of zeros there were: of the last one, where, and how long. */
static struct {
	const struct store_disk_ops *below;
	struct store_disk_ops ops;
	unsigned count;
	uint64_t at, len;
	int error; /* that they end with */
} zeros_seen;

static int
watch_write(struct store_disk *d, int handle, uint64_t offset, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	size_t n = 0;

	while (n < len && bytes[n] == 0)
		n++;
	if (n == len) {
		zeros_seen.count++;
		zeros_seen.at = offset;
		zeros_seen.len = len;
		if (zeros_seen.error != 0)
			return zeros_seen.error;
	}
	return zeros_seen.below->write(d, handle, offset, data, len);
}

static void
watch_zeros(struct fake_disk *f)
{
	zeros_seen.below = f->disk.ops;
	zeros_seen.ops = *f->disk.ops;
	zeros_seen.ops.write = watch_write;
	zeros_seen.count = 0;
	zeros_seen.error = 0;
	f->disk.ops = &zeros_seen.ops;
}

/* Zeros are written into allocated space, once for many small batches, and never past its end. */
START_TEST(zeros_ahead)
{
	enum { SPACE = 3 * STORE_ZEROS_BYTES, FILLED = STORE_ZEROS_BYTES / ENTRY_BYTES };
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct store_chore c;
	struct loaded l;
	struct store *s;

	settings.prealloc_bytes = SPACE;
	fake_disk_init(&f, true, 5);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	watch_zeros(&f);
	append_range(s, 1, 2, 1);
	ck_assert_uint_eq(zeros_seen.count, 0); /* nothing is allocated */
	c = store_next_chore(s);
	ck_assert_int_eq(c.kind, STORE_ALLOCATE);
	ck_assert_int_eq(store_do_chore(&f.disk, &c), 0);
	store_chore_done(s, &c, true);
	append_range(s, 3, 2 + FILLED, 1);
	ck_assert_uint_eq(zeros_seen.count, 1);
	ck_assert_uint_eq(zeros_seen.at, ENTRY_AT(3));
	ck_assert_uint_eq(zeros_seen.len, STORE_ZEROS_BYTES);
	/* A large batch passes the end of the zeros without any, the next small one sees to it. */
	append_range(s, 3 + FILLED, 3 + FILLED + STORE_ZEROS_BATCH / ENTRY_BYTES, UINT64_MAX);
	ck_assert_uint_eq(zeros_seen.count, 1);
	append_range(s, store_durable(s) + 1, store_durable(s) + 1, 1);
	ck_assert_uint_eq(zeros_seen.count, 2);
	ck_assert_uint_eq(zeros_seen.at, ENTRY_AT(store_durable(s)));
	/* The space ends here. */
	append_range(s, store_durable(s) + 1, store_durable(s) + 1 + FILLED, 1);
	ck_assert_uint_eq(zeros_seen.count, 3);
	ck_assert_uint_eq(zeros_seen.at + zeros_seen.len, c.size);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_LOG, "log.1")->cached_size, c.size);
	must_load(&f, store_durable(s), &l);
	ck_assert_uint_eq(l.txns, store_durable(s));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Without space for zeros the batches go on without; another error is one of the disk. */
START_TEST(zeros_refused)
{
	static const int errors[] = { -ENOSPC, -EDQUOT, -EIO };
	struct fake_disk f;
	struct store_chore c;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	watch_zeros(&f);
	zeros_seen.error = errors[_i];
	append_range(s, 1, 1, 1);
	c = store_next_chore(s);
	ck_assert_int_eq(store_do_chore(&f.disk, &c), 0);
	store_chore_done(s, &c, true);
	if (_i < 2) {
		append_range(s, 2, 9, 1);
	} else {
		ck_assert_int_eq(append(s, 2), 0);
		ck_assert(!store_commit(s, 0));
		ck_assert_ptr_nonnull(store_failed(s));
	}
	ck_assert_uint_eq(zeros_seen.count, 1);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Who does not sync has nothing to gain, nor who copies on write. */
START_TEST(no_zeros)
{
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct store_chore c;
	struct store *s;

	settings.force_sync = _i == 1;
	fake_disk_init(&f, true, 5);
	f.disk.in_place = _i == 0;
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	watch_zeros(&f);
	append_range(s, 1, 1, 1);
	c = store_next_chore(s);
	ck_assert_int_eq(store_do_chore(&f.disk, &c), 0);
	store_chore_done(s, &c, true);
	append_range(s, 2, 9, 1);
	ck_assert_uint_eq(zeros_seen.count, 0);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* What the helper is asked for on a file that is gone, or that has grown or shrunk meanwhile. */
START_TEST(late_chores)
{
	struct store_chore c = { STORE_ALLOCATE, 77, 5000 };
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	ck_assert_int_eq(store_do_chore(&f.disk, &c), -ENOENT);
	store_chore_done(s, &c, false);
	append_range(s, 1, 2, 1);
	store_chore_done(s, &c, true); /* of another log */
	c = (struct store_chore){ STORE_ALLOCATE, 1, 100 };
	ck_assert_int_eq(store_do_chore(&f.disk, &c), 0);
	store_chore_done(s, &c, true);
	c = (struct store_chore){ STORE_TRIM, 1, 1000000 };
	ck_assert_int_eq(store_do_chore(&f.disk, &c), 0);
	ck_assert_uint_eq(fake_disk_find(&f, STORE_LOG, "log.1")->cached_size, ENTRY_AT(2));
	append_range(s, 3, 4, 1);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("store");
	TCase *t = tcase_create("store");

	tcase_add_loop_test(t, fresh_folder, 0, 2);
	tcase_add_test(t, not_autocreated);
	tcase_add_test(t, empty_member);
	tcase_add_test(t, append_order);
	tcase_add_test(t, batch_limits);
	tcase_add_test(t, append_path);
	tcase_add_test(t, log_rolls_by_size);
	tcase_add_test(t, no_sync_where_told_so);
	tcase_add_test(t, slow_sync_is_told);
	tcase_add_test(t, space_ahead);
	tcase_add_test(t, zeros_ahead);
	tcase_add_loop_test(t, zeros_refused, 0, 3);
	tcase_add_loop_test(t, no_zeros, 0, 2);
	tcase_add_test(t, late_chores);
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
