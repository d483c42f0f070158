/*
 * The store on a disk in memory, and what is loaded of it: from which snapshot and which logs, for a tree that has
 * nothing or most of it and for learners; and what is refused where something is missing.
 */
#include <check.h>
#include <errno.h>

#include "base/bytes.h"
#include "logd/purge.h"
#include "store_kit.h"

START_TEST(snapshots_missing)
{
	struct store_settings trusting = ordinary;
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 10, 1);
	store_close(s);
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_SNAP, "snapshot.0"), 0);
	ck_assert_int_eq(store_open(&s, &f.disk, &ordinary, listener(), why), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "snapshot.trust.empty"));
	trusting.trust_empty = true;
	ck_assert_int_eq(store_open(&s, &f.disk, &trusting, listener(), why), 0);
	must_load(&f, 10, &l);
	ck_assert_uint_eq(l.txns, 10);
	store_close(s);
	/* One that is not whole is not "none": nothing is trusted then. */
	fake_disk_put(&f, STORE_SNAP, "snapshot.3", "ZKSN", 4);
	ck_assert_int_eq(store_open(&s, &f.disk, &trusting, listener(), why), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "snapshot.3"));
	fake_disk_free(&f);
}
END_TEST

START_TEST(snapshot_damaged_midway)
{
	struct fake_disk f;
	struct fake_file *p;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 4, 1);
	ck_assert_int_eq(write_snapshot(&f, 4, _i == 1), 0);
	store_snapshot_begun(s);
	store_snapshot_ended(s, true, 4, 0);
	append_range(s, 5, 9, 1);
	store_close(s);
	s = must_open(&f);
	ck_assert_uint_eq(store_snapshot_zxid(s), 4);
	must_load(&f, 9, &l);
	ck_assert_uint_eq(l.snapshots, 1);
	ck_assert_uint_eq(l.first, 5);
	p = fake_disk_find(&f, STORE_SNAP, _i == 1 ? "snapshot.4.gz" : "snapshot.4");
	p->cached[p->cached_size / 2] ^= 1;
	/* Header and tail look well, so it is begun; the older one follows, with the log behind that. */
	must_load(&f, 9, &l);
	ck_assert_uint_eq(l.snapshots, 2);
	ck_assert_uint_eq(l.snapshot_zxid, 0);
	ck_assert_uint_eq(l.txns, 9);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

START_TEST(load_with_tree)
{
	struct load_request request = { .kind = LOAD_TXNS, .have = 6, .upto = 9 };
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 9, 1);
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert_uint_eq(l.snapshots, 0);
	ck_assert_uint_eq(l.first, 7);
	ck_assert_uint_eq(l.end, 9);
	request.have = 9;
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert_uint_eq(l.snapshots + l.txns, 0);
	ck_assert(l.ended);
	/* It has what is not in the log any more, or more than the log: it starts from a snapshot. */
	request.have = 12;
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert_uint_eq(l.snapshots, 1);
	ck_assert_int_eq(write_snapshot(&f, 9, false), 0);
	store_snapshot_begun(s);
	append_range(s, 10, 12, 1);
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_LOG, "log.1"), 0);
	request = (struct load_request){ .kind = LOAD_TXNS, .have = 6, .upto = 12 };
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert_uint_eq(l.snapshots, 1);
	ck_assert_uint_eq(l.first, 10);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A server that stands alone has no new epoch when the counter is used up, and goes on. */
START_TEST(load_over_the_end_of_an_epoch)
{
	struct load_request since = { .kind = LOAD_TXNS, .have = UINT32_MAX - 1 };
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	ck_assert_int_eq(write_snapshot(&f, UINT32_MAX - 2, SNAPFILE_PLAIN), 0);
	s = must_open(&f);
	append_range(s, UINT32_MAX - 1, UINT64_C(1) << 32 | 2, 1);
	since.upto = store_durable(s);
	must_load(&f, UINT64_C(1) << 32 | 2, &l);
	ck_assert_uint_eq(l.txns, 5);
	ck_assert_int_eq(load_all(&f, &since, &l), 0);
	ck_assert_uint_eq(l.txns, 4);
	store_close(s);
	s = must_open(&f);
	ck_assert_uint_eq(store_durable(s), UINT64_C(1) << 32 | 2);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A hole in the logs behind the only snapshot is refused, with what is missing. */
START_TEST(load_with_hole)
{
	struct load_request request = { .upto = 12 };
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 4, 1);
	store_snapshot_begun(s);
	append_range(s, 5, 8, 1);
	store_snapshot_ended(s, false, 0, 0);
	store_snapshot_begun(s);
	append_range(s, 9, 12, 1);
	must_load(&f, 12, &l);
	ck_assert_uint_eq(l.txns, 12);
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_LOG, "log.5"), 0);
	ck_assert_int_eq(load_all(&f, &request, &l), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "after zxid 0x4 are missing, the next one in the logs is 0x9"));
	ck_assert(!l.ended);
	/* Damage in an older log says which. */
	fake_disk_put(&f, STORE_LOG, "log.5", "garbage in place of a log", 25);
	ck_assert_int_eq(load_all(&f, &request, &l), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "/log/log.5 at offset 0: magic is"));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Files that look like snapshots at first sight; the same one twice; one of a history that was cut off. */
START_TEST(snapshots_of_all_kinds)
{
	static const struct {
		const char *name;
		char head[9], tail[6];
	} odd[] = {
		{ "snapshot.9", "ZKSX", "\0\0\0\1/" },
		{ "snapshot.a", "ZKSN\0\0\0\2", "\0\0\0\1?" },
		{ "snapshot.a.gz", "\x1f\x8b\x07", "" },
		{ "snapshot.b.snappy", "\x82SNAPPX", "" },
		{ "snapshot.c", "", "" },
	};
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, _i == 0, 5);
	s = make_history(&f);
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		char content[120] = { 0 };
		memcpy(content, odd[i].head, 8);
		memcpy(content + sizeof content - 5, odd[i].tail, 5);
		fake_disk_put(&f, STORE_SNAP, odd[i].name, content, i == 4 ? 3 : sizeof content);
	}
	ck_assert_int_eq(write_snapshot(&f, 8, SNAPFILE_GZ), 0);
	ck_assert_int_eq(write_snapshot(&f, 50, SNAPFILE_PLAIN), 0);
	must_load(&f, 12, &l);
	ck_assert_uint_eq(l.snapshot_zxid, 8);
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_SNAP, "snapshot.8"), 0);
	must_load(&f, 12, &l);
	ck_assert_uint_eq(l.snapshot_zxid, 8);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

START_TEST(logs_without_snapshot)
{
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 5, 1);
	store_close(s);
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_SNAP, "snapshot.0"), 0);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), -EUCLEAN);
	settings.trust_empty = true;
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	ck_assert_uint_eq(store_durable(s), 5);
	must_load(&f, 5, &l);
	ck_assert(l.snapshots == 1 && l.txns == 5);
	ck_assert(store_snapshot_due(s, 0)); /* trusting them once is enough */
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A txn that no tree can apply is named once, instead of being tried for ever; learners get it as it is. */
START_TEST(unknown_type)
{
	struct load_request request = { .kind = LOAD_ALL, .upto = 3 };
	uint8_t txn[TXN_BYTES];
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 2, 1);
	fill_txn(txn, 3);
	put_be32(txn + 28, 99);
	ck_assert_int_eq(store_append(s, 3, slice_of(txn, sizeof txn)), 0);
	ck_assert(store_commit(s, 0));
	ck_assert_int_eq(load_all(&f, &request, &l), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "/log.1 at offset 442: transaction 0x3 is of type 99"));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* While the disk takes no writes it is still read: what is durable can be loaded. */
START_TEST(load_while_failed)
{
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, (uint64_t)_i);
	s = make_history(&f);
	f.fault = FAKE_CRASH;
	f.fault_at = f.calls + 1 + (uint64_t)_i % 2;
	ck_assert_int_eq(append(s, 13), 0);
	ck_assert(!store_commit(s, 0));
	must_load(&f, 12, &l);
	store_tick(s, STORE_RETRY_MS);
	ck_assert_ptr_nonnull(store_failed(s));
	must_load(&f, 12, &l);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* --- loads for learners --- */

/* make_history: logs 1..4, 5..8, 9..12 then (1, 1..3); snapshots 0, 4 and 8, of some 100 bytes each. */
#define E1(n) (UINT64_C(1) << 32 | (n))
static const struct since {
	uint64_t have;
	double factor;
	bool log;
	uint64_t stands, txns;
	const char *lost;
} sinces[] = {
	{ 12, 100, true, 12, 3, NULL },
	{ 11, 100, true, 11, 4, NULL },
	{ 8, 100, true, 8, 7, NULL },
	{ 2, 100, true, 2, 13, NULL },
	{ 0, 100, true, 0, 15, NULL },
	{ 20, 100, true, 12, 3, NULL },       /* a txn that we do not have */
	{ E1(0), 100, true, 12, 3, NULL },    /* the new epoch, nothing of it yet */
	{ E1(3), 100, true, E1(3), 0, NULL }, /* all */
	{ E1(9), 100, true, E1(3), 0, NULL }, /* more than all */
	{ UINT64_C(9) << 32, 100, true, E1(3), 0, NULL },
	{ E1(3), -1, true, E1(3), 0, NULL },
	{ 12, -1, false, 0, 0, NULL }, /* snapshotSizeFactor */
	{ 12, 0, true, 12, 3, NULL },  /* as ZooKeeper: no limit */
	{ 2, 0, true, 2, 13, NULL },
	{ 2, 0.33, false, 0, 0, NULL },
	{ 12, 0.33, true, 12, 3, NULL }, /* a snapshot would not go beyond what it has */
	{ 8, 0.33, true, 8, 7, NULL },
	{ 2, 100, false, 0, 0, "log.1" }, /* does not reach back */
	{ 4, 100, true, 4, 11, "log.1" }, /* but to the snapshot */
	{ 2, 100, false, 0, 0, "log.5" }, /* a hole */
	{ 9, 100, true, 9, 6, "log.5" },
};

START_TEST(load_since)
{
	const struct since *c = &sinces[_i];
	struct load_request request = {
		.kind = LOAD_SINCE, .have = c->have, .upto = E1(3), .size_factor = c->factor
	};
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = make_history(&f);
	append_range(s, E1(1), E1(3), 1);
	if (c->lost != NULL)
		ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_LOG, c->lost), 0);
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert(l.ended);
	ck_assert_uint_eq(l.end, E1(3));
	ck_assert_int_eq(l.log, c->log);
	ck_assert_uint_eq(l.snapshots, c->log ? 0 : 1);
	if (c->log) {
		ck_assert_uint_eq(l.log_zxid, c->stands);
		ck_assert_uint_eq(l.txns, c->txns);
	} else {
		ck_assert_uint_eq(l.snapshot_zxid, 8);
		ck_assert_uint_eq(l.txns, 7);
	}
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Behind an install there is nothing but its snapshot. */
START_TEST(load_since_install)
{
	struct load_request request = { .kind = LOAD_SINCE, .upto = 43, .size_factor = 100 };
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = make_history(&f);
	ck_assert_int_eq(receive_snapshot(&f, 40), 0);
	ck_assert_int_eq(store_install(s, 40), 0);
	request.have = request.upto = 40;
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert(l.log && l.log_zxid == 40 && l.txns == 0);
	request.have = 39;
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert(!l.log && l.snapshot_zxid == 40);
	append_range(s, 41, 43, 1);
	request.have = 40;
	request.upto = 43;
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert(l.log && l.log_zxid == 40 && l.txns == 3);
	request.have = 12;
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert(!l.log && l.snapshot_zxid == 40);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A learner cannot be told to begin again: a damaged snapshot is found before the first byte of it is sent. */
START_TEST(load_everything)
{
	struct load_request request = { .kind = LOAD_EVERYTHING, .have = 12, .upto = 12 };
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = make_history(&f);
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert(l.snapshots == 1 && l.snapshot_zxid == 8 && l.txns == 4);
	fake_disk_find(&f, STORE_SNAP, "snapshot.8")->cached[50] ^= 1;
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert(l.snapshots == 1 && l.snapshot_zxid == 4 && l.txns == 8);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Logs of many steps, to a tree and to learners. */
START_TEST(load_in_many_steps)
{
	struct load_request request = { .kind = LOAD_SINCE, .have = 7, .upto = 2000, .size_factor = 1e9 };
	struct store_settings settings = ordinary;
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	settings.log_size_bytes = 100000;
	settings.prealloc_bytes = 0;
	fake_disk_init(&f, true, 5);
	ck_assert_int_eq(store_open(&s, &f.disk, &settings, listener(), why), 0);
	append_range(s, 1, 2000, 50);
	must_load(&f, 2000, &l);
	ck_assert_uint_eq(l.txns, 2000);
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert(l.log && l.log_zxid == 7 && l.txns == 1993);
	ck_assert_int_eq(write_snapshot(&f, 1000, SNAPFILE_PLAIN), 0);
	request.size_factor = 1; /* of some hundred bytes */
	ck_assert_int_eq(load_all(&f, &request, &l), 0);
	ck_assert(!l.log && l.snapshot_zxid == 1000 && l.txns == 1000);
	/* A log that ends too early, and a gap in the middle, for one who has a tree and one who learns. */
	for (uint64_t gap = 0; gap < 2; gap++) {
		if (gap == 1)
			ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_LOG, "log.1f5"), 0);
		request = (struct load_request){ .kind = LOAD_TXNS, .have = 7, .upto = 2001 - gap };
		ck_assert_int_eq(load_all(&f, &request, &l), -EUCLEAN);
		request.kind = LOAD_SINCE;
		request.size_factor = 1e9;
		ck_assert_int_eq(load_all(&f, &request, &l), gap == 0 ? -EUCLEAN : 0);
		ck_assert(!l.log);
	}
	store_close(s);
	store_close(NULL);
	load_free(NULL);
	purge_free(NULL);
	fake_disk_free(&f);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("loads of a store");
	TCase *t = tcase_create("loads");

	tcase_add_test(t, snapshots_missing);
	tcase_add_loop_test(t, snapshot_damaged_midway, 0, 2);
	tcase_add_test(t, load_with_tree);
	tcase_add_test(t, load_over_the_end_of_an_epoch);
	tcase_add_test(t, load_with_hole);
	tcase_add_loop_test(t, snapshots_of_all_kinds, 0, 2);
	tcase_add_test(t, logs_without_snapshot);
	tcase_add_test(t, unknown_type);
	tcase_add_loop_test(t, load_while_failed, 1, 9);
	tcase_add_loop_test(t, load_since, 0, sizeof sinces / sizeof *sinces);
	tcase_add_test(t, load_since_install);
	tcase_add_test(t, load_everything);
	tcase_add_test(t, load_in_many_steps);
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
