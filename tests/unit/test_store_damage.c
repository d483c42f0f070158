/*
 * The store on a disk in memory: every kind of damage with its outcome, in the log when it is opened and in all files
 * when they are scrubbed; what cannot be read, and what is no file.
 */
#include <check.h>
#include <errno.h>

#include "logd/mark.h"
#include "logd/purge.h"
#include "store_kit.h"

enum outcome { OPENS, CUTS, REFUSES };
enum how { FLIP, ZERO, CUT };

/* Entries 1..10 in one batch each, log.1, then padding. `known`: zkd.mark says that all of it was durable. */
static const struct damage {
	const char *name;
	enum how how;
	size_t at, len;
	bool known;
	enum outcome outcome;
	uint64_t last;    /* zxid left when it opens */
	const char *word; /* in the refusal */
} damages[] = {
	{ "header magic", FLIP, 0, 1, false, REFUSES, 0, "magic is" },
	{ "header magic, known", FLIP, 0, 1, true, REFUSES, 0, "magic is" },
	{ "header version", FLIP, 7, 1, false, REFUSES, 0, "version is" },
	{ "header dbid: nobody reads it", FLIP, 12, 1, true, OPENS, 10, NULL },
	{ "header zeroed", ZERO, 0, 16, false, REFUSES, 0, "zeros" },
	{ "length of a middle record", FLIP, ENTRY_AT(4) + 8, 1, false, REFUSES, 0, "length is" },
	{ "checksum of a middle record", FLIP, ENTRY_AT(4) + 7, 1, false, REFUSES, 0, "checksum is" },
	{ "body of a middle record", FLIP, ENTRY_AT(4) + 50, 1, false, REFUSES, 0, "5 valid records follow" },
	{ "end byte of a middle record", FLIP, ENTRY_AT(5) - 1, 1, false, REFUSES, 0, "end byte is" },
	{ "a middle record zeroed, over a sector's edge", ZERO, ENTRY_AT(4), ENTRY_BYTES, false, CUTS, 4,
	  NULL },
	{ "a middle record zeroed, known", ZERO, ENTRY_AT(4), ENTRY_BYTES, true, REFUSES, 0, "zeros" },
	{ "part of a middle record zeroed", ZERO, ENTRY_AT(5) + 20, 100, false, REFUSES, 0, "checksum is" },
	{ "a sector zeroed in the last batch's reach", ZERO, 1024, 512, false, CUTS, 4, NULL },
	{ "a sector zeroed that was durable", ZERO, 1024, 512, true, REFUSES, 0, "was on the disk up to" },
	{ "length of the last record", FLIP, ENTRY_AT(9) + 10, 1, false, CUTS, 9, NULL },
	{ "checksum of the last record", FLIP, ENTRY_AT(9) + 7, 1, false, CUTS, 9, NULL },
	{ "body of the last record", FLIP, ENTRY_AT(9) + 50, 1, false, CUTS, 9, NULL },
	{ "end byte of the last record", FLIP, ENTRY_AT(10) - 1, 1, false, CUTS, 9, NULL },
	{ "the last record zeroed", ZERO, ENTRY_AT(9), ENTRY_BYTES, false, OPENS, 9, NULL },
	{ "body of the last record, known", FLIP, ENTRY_AT(9) + 50, 1, true, REFUSES, 0,
	  "was on the disk up to" },
	{ "the last record zeroed, known", ZERO, ENTRY_AT(9), ENTRY_BYTES, true, REFUSES, 0,
	  "was on the disk up to" },
	{ "cut in the last record", CUT, ENTRY_AT(9) + 50, 0, false, CUTS, 9, NULL },
	{ "cut in the last record, known", CUT, ENTRY_AT(9) + 50, 0, true, REFUSES, 0,
	  "was on the disk up to" },
	{ "cut behind a record", CUT, ENTRY_AT(7), 0, false, OPENS, 7, NULL },
	{ "cut behind a record, known", CUT, ENTRY_AT(7), 0, true, REFUSES, 0, "was on the disk up to" },
	{ "cut in the first record", CUT, ENTRY_AT(0) + 5, 0, false, OPENS, 0, NULL },
	{ "cut in the header", CUT, 7, 0, false, OPENS, 0, NULL },
	{ "emptied", CUT, 0, 0, false, OPENS, 0, NULL },
	{ "emptied, known", CUT, 0, 0, true, REFUSES, 0, "was on the disk up to" },
	{ "padding written to", FLIP, ENTRY_AT(10) + 700, 3, true, CUTS, 10, NULL },
	{ "nothing", CUT, ENTRY_AT(10), 0, true, OPENS, 10, NULL },
};

static void
inflict(struct fake_file *p, const struct damage *d)
{
	if (d->how == CUT)
		p->cached_size = p->kept_size = d->at;
	for (size_t i = 0; d->how != CUT && i < d->len; i++)
		p->cached[d->at + i] = p->kept[d->at + i] = d->how == ZERO ? 0 : p->cached[d->at + i] ^ 0x10;
}

START_TEST(damage)
{
	const struct damage *d = &damages[_i];
	struct fake_disk f;
	struct fake_file *p;
	struct loaded l;
	struct store *s;
	int ret;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 10, 1);
	do_chores(&f, s);
	store_close(s);
	if (!d->known)
		ck_assert_int_eq(mark_remove(&f.disk), 0);
	p = fake_disk_find(&f, STORE_LOG, "log.1");
	inflict(p, d);
	ret = store_open(&s, &f.disk, &ordinary, listener(), why);
	if (d->outcome == REFUSES) {
		ck_assert_msg(ret == -EUCLEAN, "%s: %d", d->name, ret);
		ck_assert_msg(strstr(why, d->word) != NULL, "%s: %s", d->name, why);
		ck_assert_ptr_nonnull(strstr(why, "/log/log.1 at offset"));
		ck_assert_ptr_nonnull(strstr(why, "way out"));
		fake_disk_free(&f);
		return;
	}
	ck_assert_msg(ret == 0, "%s: %s", d->name, why);
	ck_assert_msg(store_durable(s) == d->last, "%s: %lu", d->name, (unsigned long)store_durable(s));
	p = fake_disk_find(&f, STORE_LOG, "log.1");
	if (d->outcome == CUTS)
		ck_assert_uint_eq(p->kept_size, ENTRY_AT(d->last));
	append_range(s, d->last + 1, d->last + 5, 2);
	must_load(&f, d->last + 5, &l);
	ck_assert_uint_eq(l.txns, d->last + 5);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A copied folder has other file numbers: its mark, perhaps newer than the copied log, binds nobody. */
START_TEST(copied_folder)
{
	struct fake_disk f;
	struct store *s;
	struct fake_file *p;
	uint8_t copy[ENTRY_AT(8) + 20];

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, 10, 1);
	store_close(s);
	p = fake_disk_find(&f, STORE_LOG, "log.1");
	memcpy(copy, p->cached, sizeof copy);
	fake_disk_put(&f, STORE_LOG, "log.1", copy, sizeof copy);
	p = fake_disk_find(&f, STORE_SNAP, MARK_NAME);
	memcpy(copy, p->cached, p->cached_size);
	fake_disk_put(&f, STORE_SNAP, MARK_NAME, copy, p->cached_size);
	s = must_open(&f);
	ck_assert_uint_eq(store_durable(s), 8);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/*
 * A long log is read from its mark on when it is opened, so damage before it shows when it is loaded; what comes behind
 * the mark is judged as ever.
 */
START_TEST(long_log)
{
	enum { LONG = (5 << 20) / ENTRY_BYTES };
	struct load_request request = { .upto = LONG + 2 };
	struct fake_disk f;
	struct fake_file *p;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, true, 5);
	s = must_open(&f);
	append_range(s, 1, LONG, 1000);
	store_close(s);
	s = must_open(&f);
	ck_assert_uint_eq(store_durable(s), LONG);
	append_range(s, LONG + 1, LONG + 2, 1);
	f.fault_at = 1; /* killed: no mark speaks of the last two */
	f.fault = FAKE_CRASH;
	store_close(s);
	f.fault_at = 0;
	s = must_open(&f);
	ck_assert_uint_eq(store_durable(s), LONG + 2);
	must_load(&f, LONG + 2, &l);
	p = fake_disk_find(&f, STORE_LOG, "log.1");
	p->cached[ENTRY_AT(7) + 50] ^= 1;
	store_close(s);
	s = must_open(&f);
	ck_assert_int_eq(load_all(&f, &request, &l), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "after zxid 0x7 are missing"));
	ck_assert_ptr_nonnull(strstr(why, "/log/log.1 at offset"));
	store_close(s);
	p->cached_size = ENTRY_AT(LONG);
	ck_assert_int_eq(store_open(&s, &f.disk, &ordinary, listener(), why), -EUCLEAN);
	fake_disk_free(&f);
}
END_TEST

/* --- what cannot be read --- */

/* Reads of one file fail. */
static struct store_disk_ops bad_ops;
static const char *bad_name;
static int bad_handle = -1;
static int64_t (*plain_read)(struct store_disk *, int, uint64_t, void *, size_t);
static int (*plain_open)(struct store_disk *, enum store_folder, const char *, enum store_open);

static int
open_and_note(struct store_disk *d, enum store_folder folder, const char *name, enum store_open how)
{
	int h = plain_open(d, folder, name, how);

	if (strcmp(name, bad_name) == 0)
		bad_handle = h;
	else if (h == bad_handle)
		bad_handle = -1;
	return h;
}

static int64_t
read_but_one(struct store_disk *d, int handle, uint64_t offset, void *data, size_t len)
{
	return handle == bad_handle ? -EIO : plain_read(d, handle, offset, data, len);
}

static void
make_unreadable(struct fake_disk *f, const char *name)
{
	if (f->disk.ops != &bad_ops) {
		plain_open = f->disk.ops->open;
		plain_read = f->disk.ops->read;
		bad_ops = *f->disk.ops;
	}
	bad_name = name;
	bad_ops.open = open_and_note;
	bad_ops.read = read_but_one;
	f->disk.ops = &bad_ops;
}

START_TEST(bad_sectors)
{
	struct load_request request = { .kind = LOAD_ALL, .upto = 12 };
	struct scrub_result r;
	struct fake_disk f;
	struct loaded l;
	struct store *s;

	fake_disk_init(&f, false, 5);
	s = make_history(&f);
	/* A snapshot: the older one does. */
	make_unreadable(&f, "snapshot.8");
	must_load(&f, 12, &l);
	ck_assert_uint_eq(l.snapshot_zxid, 4);
	scrub_all(&f, 12, &r);
	ck_assert_uint_eq(r.damaged, 1);
	ck_assert_str_eq(r.first, "/data/snapshot.8: Input/output error");
	ck_assert_int_eq(purge_files(&f.disk, 2, listener()), 0);
	/* A log that is needed: said, and tried again when asked again. */
	make_unreadable(&f, "log.9");
	ck_assert_int_eq(load_all(&f, &request, &l), -EIO);
	ck_assert_str_eq(why, "cannot read /log/log.9: Input/output error");
	scrub_all(&f, 12, &r);
	ck_assert_uint_ge(r.damaged, 1);
	ck_assert_str_eq(r.first, "/log/log.9 at offset 0: Input/output error");
	request = (struct load_request){ .kind = LOAD_SINCE, .have = 9, .upto = 12, .size_factor = 100 };
	ck_assert_int_eq(load_all(&f, &request, &l), -EIO);
	ck_assert(!l.log);
	make_unreadable(&f, "none");
	must_load(&f, 12, &l);
	/* No snapshot at all: not a refusal for good, for the disk may come back. */
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_SNAP, "snapshot.0"), 0);
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_SNAP, "snapshot.4"), 0);
	make_unreadable(&f, "snapshot.8");
	request = (struct load_request){ .kind = LOAD_ALL, .upto = 12 };
	ck_assert_int_eq(load_all(&f, &request, &l), -EIO);
	ck_assert_str_eq(why, "cannot read any snapshot in /data: Input/output error");
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* What has the name of a file but is none is named, and not tried again and again. */
static struct store_disk_ops dir_ops;
static const char *dir_name;

static int
open_but_dir(struct store_disk *d, enum store_folder folder, const char *name, enum store_open how)
{
	return strcmp(name, dir_name) == 0 ? -EISDIR : plain_open(d, folder, name, how);
}

static const char *const dirs[] = { "log.9", "snapshot.8", "currentEpoch", "log.5" };

START_TEST(folder_in_the_way)
{
	struct load_request request = { .kind = LOAD_TXNS, .have = 4, .upto = 12 };
	struct fake_disk f;
	struct loaded l;
	struct store *s;
	int ret;

	fake_disk_init(&f, true, 5);
	s = make_history(&f);
	store_close(s);
	plain_open = f.disk.ops->open;
	dir_ops = *f.disk.ops;
	dir_ops.open = open_but_dir;
	f.disk.ops = &dir_ops;
	dir_name = dirs[_i];
	ret = store_open(&s, &f.disk, &ordinary, listener(), why);
	if (ret == 0) { /* an old log: when it is needed */
		store_close(s);
		ret = load_all(&f, &request, &l);
	}
	ck_assert_int_eq(ret, -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "is no file; move it away"));
	fake_disk_free(&f);
}
END_TEST

/* --- scrub --- */

static void
rot_log(struct fake_disk *f)
{
	flip(f, STORE_LOG, "log.5", ENTRY_AT(1) + 100);
}

static void
rot_last_of_log(struct fake_disk *f)
{
	flip(f, STORE_LOG, "log.5", ENTRY_AT(3) + 100);
}

static void
rot_newest_log(struct fake_disk *f)
{
	flip(f, STORE_LOG, "log.9", ENTRY_AT(3) + 100);
}

static void
rot_header(struct fake_disk *f)
{
	flip(f, STORE_LOG, "log.1", 2);
}

static void
rot_snapshot(struct fake_disk *f)
{
	flip(f, STORE_SNAP, "snapshot.4", 40);
}

static void
cut_snapshot(struct fake_disk *f)
{
	fake_disk_put(f, STORE_SNAP, "snapshot.8", "ZKSN", 4);
}

static void
lose_log(struct fake_disk *f)
{
	ck_assert_int_eq(f->disk.ops->remove(&f->disk, STORE_LOG, "log.5"), 0);
}

static void
lose_newest_log(struct fake_disk *f)
{
	ck_assert_int_eq(f->disk.ops->remove(&f->disk, STORE_LOG, "log.9"), 0);
}

/* A crash tore its end, and the server went on in another file: nothing is lost. */
static void
tear_old_end(struct fake_disk *f)
{
	uint8_t txn[TXN_BYTES];
	struct buf b;

	buf_init(&b, 1 << 20);
	txnlog_put_header(&b);
	for (uint64_t z = 5; z <= 8; z++) {
		fill_txn(txn, z);
		txnlog_put_entry(&b, slice_of(txn, sizeof txn));
	}
	buf_put(&b, "\0\0\0\0torn", 8);
	fake_disk_put(f, STORE_LOG, "log.5", buf_head(&b), buf_len(&b));
	buf_free(&b);
}

static void
all_well(struct fake_disk *f)
{
	(void)f;
}

static const struct {
	void (*rot)(struct fake_disk *f);
	uint64_t damaged;
	const char *first;
} rots[] = {
	{ all_well, 0, "" },
	{ tear_old_end, 0, "" },
	{ rot_log, 1, "/log.5 at offset 229: checksum is" },
	{ rot_last_of_log, 1, "transactions after zxid 0x7 are missing, the next one is 0x9; " },
	{ rot_newest_log, 1, "transactions after zxid 0xb are missing, durable was 0xc; " },
	{ rot_header, 1, "/log.1 at offset 0: magic is" },
	{ rot_snapshot, 1, "/snapshot.4 at offset" },
	{ cut_snapshot, 1, "/snapshot.8 at offset 0 of its content: ends before its seal" },
	{ lose_log, 1, "transactions after zxid 0x4 are missing, the next one is 0x9" },
	{ lose_newest_log, 1, "transactions after zxid 0x8 are missing, durable was 0xc" },
};

START_TEST(scrub_finds)
{
	struct scrub_result r;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, _i % 2 == 0, 5);
	s = make_history(&f);
	ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_SNAP, "snapshot.0"), 0);
	ck_assert_int_eq(write_snapshot(&f, 3, SNAPFILE_GZ), 0);
	/* Half a batch behind what is durable is nobody's business. */
	ck_assert_int_eq(append(s, 13), 0);
	ck_assert(store_commit(s, 0));
	flip(&f, STORE_LOG, "log.9", ENTRY_AT(4) + 50);
	rots[_i].rot(&f);
	/* Snapshot 8 would close the gap that ends at it. */
	if (rots[_i].rot == rot_last_of_log || rots[_i].rot == lose_log)
		ck_assert_int_eq(f.disk.ops->remove(&f.disk, STORE_SNAP, "snapshot.8"), 0);
	scrub_all(&f, 12, &r);
	ck_assert_msg(r.damaged == rots[_i].damaged, "%lu: %s", (unsigned long)r.damaged, r.first);
	ck_assert_msg(strstr(r.first, rots[_i].first) != NULL, "%s", r.first);
	ck_assert_uint_gt(r.bytes, 1000);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* Logs that were purged between two steps, and a history that an install began. */
START_TEST(scrub_of_what_changes)
{
	struct scrub_result r;
	struct scrub *scrub;
	struct fake_disk f;
	struct store *s;
	int ret;

	fake_disk_init(&f, true, 5);
	s = make_history(&f);
	scrub = scrub_new(&f.disk, 12, listener());
	ck_assert_int_eq(scrub_step(scrub), 1);
	ck_assert_int_eq(scrub_step(scrub), 1);
	ck_assert_int_eq(purge_files(&f.disk, 1, listener()), 3);
	while ((ret = scrub_step(scrub)) > 0)
		;
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(scrub_so_far(scrub)->damaged, 0);
	scrub_free(scrub);
	ck_assert_int_eq(receive_snapshot(&f, 40), 0);
	ck_assert_int_eq(store_install(s, 40), 0);
	scrub_all(&f, 40, &r);
	ck_assert_uint_eq(r.damaged, 0);
	append_range(s, 41, 43, 1);
	scrub_all(&f, 43, &r);
	ck_assert_uint_eq(r.damaged, 0);
	ck_assert_uint_eq(r.files, 2);
	/* What it finds is a reason for a snapshot of the tree, which is as it should be. */
	store_load_begun(s);
	ck_assert(!store_snapshot_due(s, 0));
	store_want_snapshot(s);
	ck_assert(store_snapshot_due(s, 0));
	store_close(s);
	scrub = scrub_new(&f.disk, 43, listener());
	ck_assert_int_eq(scrub_step(scrub), 1);
	ck_assert_int_eq(scrub_step(scrub), 1);
	scrub_free(scrub);
	scrub_free(NULL);
	fake_disk_free(&f);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("store with damage");
	TCase *t = tcase_create("damage");

	tcase_add_loop_test(t, damage, 0, sizeof damages / sizeof *damages);
	tcase_add_test(t, copied_folder);
	tcase_add_test(t, long_log);
	tcase_add_test(t, bad_sectors);
	tcase_add_loop_test(t, folder_in_the_way, 0, sizeof dirs / sizeof *dirs);
	tcase_add_loop_test(t, scrub_finds, 0, sizeof rots / sizeof *rots);
	tcase_add_test(t, scrub_of_what_changes);
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
