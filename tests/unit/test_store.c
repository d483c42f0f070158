/*
 * The store on a disk in memory: a crash or a failure at every single call, with power losses that keep any subset of
 * what was not synced; every kind of damage with its outcome; cutting, purging, loading.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "disk/snapshot.h"
#include "ear.h"
#include "logd/load.h"
#include "logd/mark.h"
#include "logd/purge.h"
#include "logd/reserve.h"
#include "logd/scrub.h"
#include "logd/snapfile.h"
#include "logd/store.h"
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

/* --- a crash or a failure at every call --- */

struct progress {
	uint64_t acked;             /* durable was said */
	uint64_t appended;          /* the store took it */
	uint32_t accepted, current; /* epochs that were stored */
};

static void
say(struct progress *p, const struct store *s)
{
	ck_assert_uint_ge(store_durable(s), p->acked);
	p->acked = store_durable(s);
}

/* One turn: some txns, one commit; again after a failure, as syncd would. */
static void
write_some(struct store *s, struct progress *p, uint64_t upto)
{
	uint64_t now_ms = 0;

	for (int tries = 0; tries < 20 && store_durable(s) < upto; tries++) {
		for (uint64_t z = store_durable(s) + 1; z <= upto; z++) {
			if (store_failed(s) == NULL)
				p->appended = z > p->appended ? z : p->appended;
			ck_assert_int_eq(append(s, z), 0);
		}
		store_commit(s, now_ms);
		say(p, s);
		now_ms += STORE_RETRY_MS + 1;
		store_tick(s, now_ms);
	}
}

static void
do_chores(struct fake_disk *f, struct store *s)
{
	struct store_chore c;

	while ((c = store_next_chore(s)).kind != STORE_NO_CHORE)
		store_chore_done(s, &c, store_do_chore(&f->disk, &c) == 0);
}

static void
set_epochs(struct store *s, struct progress *p, uint32_t accepted, uint32_t current)
{
	if (store_set_epochs(s, accepted, current, 0) != 0)
		return;
	p->accepted = accepted;
	p->current = current;
}

/* A life with a bit of everything, until it ends or the disk is dead. */
static void
live(struct fake_disk *f, struct progress *p)
{
	struct store *s;

	if (store_open(&s, &f->disk, &ordinary, listener(), why) != 0)
		return;
	say(p, s);
	write_some(s, p, 1);
	do_chores(f, s);
	write_some(s, p, 8);
	set_epochs(s, p, 1, 0);
	store_snapshot_begun(s);
	write_some(s, p, 12);
	store_snapshot_ended(s, write_snapshot(f, store_durable(s), SNAPFILE_PLAIN) == 0, store_durable(s),
			     0);
	do_chores(f, s);
	write_some(s, p, 14);
	set_epochs(s, p, 2, 1);
	store_snapshot_begun(s);
	store_snapshot_ended(s, write_snapshot(f, store_durable(s), SNAPFILE_GZ) == 0, store_durable(s), 0);
	write_some(s, p, 30);
	purge_files(&f->disk, 2, listener());
	do_chores(f, s);
	write_some(s, p, 40);
	store_close(s);
}

/* After whatever happened: it opens, has all that was said to be durable, invents nothing, and works on. */
static void
check_reopened(struct fake_disk *f, const struct progress *p)
{
	struct store *s = NULL;
	struct loaded l;
	int ret = store_open(&s, &f->disk, &ordinary, listener(), why);

	ck_assert_msg(ret == 0, "call %lu: %s", (unsigned long)f->fault_at, why);
	ck_assert_uint_ge(store_durable(s), p->acked);
	ck_assert_uint_le(store_durable(s), p->appended);
	ck_assert_uint_ge(store_accepted_epoch(s), p->accepted);
	ck_assert_uint_ge(store_current_epoch(s), p->current);
	must_load(f, store_durable(s), &l);
	append_range(s, store_durable(s) + 1, store_durable(s) + 3, 2);
	must_load(f, store_durable(s), &l);
	store_close(s);
}

/* How many calls a life takes when nothing fails. */
static uint64_t
count_calls(bool one_folder)
{
	struct progress p = { 0 };
	struct fake_disk f;

	fake_disk_init(&f, one_folder, 1);
	live(&f, &p);
	ck_assert_uint_eq(p.acked, 40);
	fake_disk_free(&f);
	return f.calls;
}

static void
crash_everywhere(bool one_folder, bool power, unsigned seeds)
{
	uint64_t calls = count_calls(one_folder);

	ck_assert_uint_gt(calls, 40);
	for (uint64_t at = 1; at <= calls; at++) {
		for (uint64_t seed = 1; seed <= seeds; seed++) {
			struct progress p = { 0 };
			struct fake_disk f;
			fake_disk_init(&f, one_folder, seed * 1000 + at);
			f.fault_at = at;
			f.fault = FAKE_CRASH;
			live(&f, &p);
			ck_assert(f.faulted);
			if (power)
				fake_disk_power_loss(&f);
			else
				fake_disk_kill(&f);
			check_reopened(&f, &p);
			fake_disk_free(&f);
		}
	}
}

START_TEST(killed_at_every_call)
{
	crash_everywhere(_i == 0, false, 1);
}
END_TEST

START_TEST(power_lost_at_every_call)
{
	crash_everywhere(_i == 0, true, 12);
}
END_TEST

/* A crash in the recovery from a crash. */
START_TEST(power_lost_twice)
{
	uint64_t calls = count_calls(true);

	for (uint64_t at = 1; at <= calls; at += 3) {
		for (uint64_t second = 1; second <= 12; second++) {
			struct progress p = { 0 };
			struct store *s = NULL;
			struct fake_disk f;
			fake_disk_init(&f, true, at * 100 + second);
			f.fault_at = at;
			f.fault = FAKE_CRASH;
			live(&f, &p);
			fake_disk_power_loss(&f);
			f.calls = 0;
			f.fault_at = second;
			if (store_open(&s, &f.disk, &ordinary, listener(), why) == 0)
				store_close(s);
			fake_disk_power_loss(&f);
			check_reopened(&f, &p);
			fake_disk_free(&f);
		}
	}
}
END_TEST

static const struct {
	enum fake_fault fault;
	int error;
} failures[] = { { FAKE_FAIL_ONCE, EIO }, { FAKE_FAIL_SOME, EIO }, { FAKE_FAIL_ONCE, ENOSPC } };

START_TEST(failure_at_every_call)
{
	uint64_t calls = count_calls(true);

	for (uint64_t at = 1; at <= calls; at++) {
		for (uint64_t seed = 1; seed <= 10; seed++) {
			struct progress p = { 0 };
			struct fake_disk f;
			fake_disk_init(&f, true, seed * 1000 + at);
			f.fault_at = at;
			f.fault = failures[_i].fault;
			f.error = failures[_i].error;
			live(&f, &p);
			ck_assert(f.faulted);
			fake_disk_power_loss(&f);
			check_reopened(&f, &p);
			fake_disk_free(&f);
		}
	}
}
END_TEST

/*
 * The sync fails, its pages are clean, and logd dies before it could cut. The next one finds the txns in the page cache
 * and a sync that says done: what it calls durable then has to survive the power all the same.
 */
START_TEST(failed_sync_then_death_then_power_loss)
{
	struct fake_disk f;
	struct store *s;
	uint64_t durable;

	fake_disk_init(&f, true, (uint64_t)_i + 1);
	s = must_open(&f);
	append_range(s, 1, 4, 2);
	if (_i % 2 == 0)
		store_tick(s, STORE_MARK_MS + 10); /* with a mark, and without */
	f.fault = FAKE_FAIL_ONCE;
	f.fault_at = f.calls + 2;
	ck_assert_int_eq(append(s, 5), 0);
	ck_assert_int_eq(append(s, 6), 0);
	ck_assert(!store_commit(s, 100));
	store_close(s); /* with a failed log it does nothing that a death would not */
	s = must_open(&f);
	durable = store_durable(s);
	ck_assert_uint_ge(durable, 4);
	store_close(s);
	fake_disk_power_loss(&f);
	s = must_open(&f);
	ck_assert_uint_ge(store_durable(s), durable);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* The sync fails, and the pages that it was about are clean afterwards: nothing of them may be believed. */
START_TEST(failed_sync_is_not_believed)
{
	struct fake_disk f;
	struct store *s;
	struct loaded l;

	fake_disk_init(&f, true, 3);
	s = must_open(&f);
	append_range(s, 1, 4, 2);
	f.fault = FAKE_FAIL_ONCE;
	f.fault_at = f.calls + 2; /* write works, sync does not */
	ck_assert_int_eq(append(s, 5), 0);
	ck_assert_int_eq(append(s, 6), 0);
	ck_assert(!store_commit(s, 100));
	ck_assert_ptr_nonnull(strstr(store_failed(s), "sync of"));
	ck_assert_uint_eq(store_durable(s), 4);
	ck_assert_uint_eq(store_deadline(s), 100 + STORE_RETRY_MS);
	/* Dropped without a word while it is failed. */
	ck_assert_int_eq(append(s, 5), 0);
	ck_assert(!store_commit(s, 200));
	store_tick(s, 100 + STORE_RETRY_MS - 1);
	ck_assert_ptr_nonnull(store_failed(s));
	store_tick(s, 100 + STORE_RETRY_MS);
	ck_assert_ptr_null(store_failed(s));
	ck_assert_ptr_null(fake_disk_find(&f, STORE_LOG, "zkd.probe"));
	ck_assert_uint_eq(fake_disk_find(&f, STORE_LOG, "log.1")->kept_size, ENTRY_AT(4));
	append_range(s, 5, 7, 1);
	ck_assert_ptr_nonnull(fake_disk_find(&f, STORE_LOG, "log.5"));
	must_load(&f, 7, &l);
	ck_assert_uint_eq(l.txns, 7);
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* --- damage --- */

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

static const struct {
	uint64_t zxid;
	int result;
	uint64_t snapshot;
} cuts[] = {
	{ 12, 0, 8 }, { 10, 0, 8 }, { 9, 0, 8 }, { 8, 0, 8 },        { 7, 0, 4 },
	{ 4, 0, 4 },  { 1, 0, 0 },  { 0, 0, 0 }, { 13, -ENOENT, 8 },
};

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

/* Exactly what ZooKeeper would have written of the same tree. */
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

/* --- corners --- */

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

/*
 * Everything that a store is asked for, with one call failing: whatever it was, what was answered is so, and a new start
 * finds all that was durable, readable.
 */
struct errand {
	uint64_t acked;   /* durable since the last change of the history */
	uint64_t history; /* 0: as begun; 1: cut or maybe; 2: installed or maybe */
};

static void
look_around(struct fake_disk *f, uint64_t upto)
{
	static const enum load_kind kinds[] = { LOAD_ALL, LOAD_TXNS, LOAD_SINCE, LOAD_EVERYTHING };
	struct purge_known known = { 0 };
	uint64_t have, want;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct load_request rq = {
			.kind = kinds[i], .have = upto - 3, .upto = upto, .size_factor = 100
		};
		struct loaded l;
		int ret = load_all(f, &rq, &l);
		/* An error or the whole, never less in silence. */
		ck_assert(ret != 0 || (l.ended && l.last == upto));
	}
	for (int hard = 0; hard < 2; hard++) {
		struct purge *p = purge_new(&f->disk, &(struct purge_request){ .retain = 3, .hard = hard },
					    &known, listener());
		while (purge_step(p) > 0)
			;
		purge_free(p);
	}
	purge_space(&f->disk, 1000, &have, &want);
	purge_sizes(&f->disk, &have, &want);
	struct scrub *s = scrub_new(&f->disk, upto, listener());
	while (scrub_step(s) > 0)
		;
	scrub_free(s);
}

static void
go_through_all(struct fake_disk *f, struct errand *e, enum snapfile_form form)
{
	struct progress p = { 0 };
	struct store_settings settings = ordinary;
	struct store *s;
	int ret;

	settings.reserve_bytes = 2000;
	if (store_open(&s, &f->disk, &settings, listener(), why) != 0)
		return;
	do_chores(f, s);
	write_some(s, &p, 6);
	store_set_epochs(s, 2, 1, 0);
	for (uint64_t z = 6; z <= 18; z += 4) {
		store_snapshot_begun(s);
		store_snapshot_ended(s, write_snapshot(f, store_durable(s), form) == 0, store_durable(s), 0);
		write_some(s, &p, z + 4);
		do_chores(f, s);
	}
	e->acked = p.acked;
	look_around(f, store_durable(s));
	store_close(s);
	if (store_open(&s, &f->disk, &settings, listener(), why) != 0)
		return;
	ret = store_truncate(s, 17);
	if (ret != -ENOENT) {
		e->history = 1;
		e->acked = 17;
	}
	if (ret == 0 || ret == -ENOENT) {
		write_some(s, &p, 0);
		ret = receive_snapshot(f, 300);
		if (ret == 0)
			ret = store_install(s, 300);
		e->history = ret == 0 || (ret != -EAGAIN && store_durable(s) == 300) ? 2 : e->history;
		if (ret == 0) {
			e->acked = 300;
			look_around(f, 300);
		}
	}
	store_close(s);
}

static void
check_errand(struct fake_disk *f, const struct errand *e)
{
	struct store *s = must_open(f);
	struct loaded l;

	if (e->history == 2)
		ck_assert_uint_eq(store_durable(s), 300);
	else
		ck_assert_uint_ge(store_durable(s), e->acked);
	must_load(f, store_durable(s), &l);
	store_close(s);
}

START_TEST(every_look_fails)
{
	static const enum snapfile_form forms[] = { SNAPFILE_PLAIN, SNAPFILE_GZ, SNAPFILE_SNAPPY };

	for (uint64_t at = 1;; at++) {
		struct errand e = { 0 };
		struct fake_disk f;
		fake_disk_init(&f, _i % 2 == 0, at);
		f.blind_at = at;
		go_through_all(&f, &e, forms[_i / 2]);
		f.blind_at = 0;
		fake_disk_power_loss(&f);
		check_errand(&f, &e);
		fake_disk_free(&f);
		if (!f.faulted)
			break;
	}
}
END_TEST

START_TEST(every_change_fails)
{
	for (uint64_t at = 1;; at++) {
		struct errand e = { 0 };
		struct fake_disk f;
		fake_disk_init(&f, _i % 2 == 0, at);
		f.fault_at = at;
		f.fault = FAKE_FAIL_ONCE;
		f.error = _i < 2 ? EIO : ENOSPC;
		go_through_all(&f, &e, SNAPFILE_PLAIN);
		f.fault_at = 0;
		fake_disk_power_loss(&f);
		check_errand(&f, &e);
		fake_disk_free(&f);
		if (!f.faulted)
			break;
	}
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

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("store");
	TCase *t = tcase_create("store"), *faults = tcase_create("faults");

	tcase_add_loop_test(t, fresh_folder, 0, 2);
	tcase_add_test(t, not_autocreated);
	tcase_add_test(t, empty_member);
	tcase_add_test(t, append_order);
	tcase_add_test(t, batch_limits);
	tcase_add_test(t, append_path);
	tcase_add_test(t, failed_sync_is_not_believed);
	tcase_add_loop_test(t, failed_sync_then_death_then_power_loss, 0, 16);
	tcase_add_loop_test(t, damage, 0, sizeof damages / sizeof *damages);
	tcase_add_test(t, copied_folder);
	tcase_add_test(t, long_log);
	tcase_add_test(t, snapshots_missing);
	tcase_add_loop_test(t, snapshot_damaged_midway, 0, 2);
	tcase_add_test(t, load_with_tree);
	tcase_add_test(t, load_over_the_end_of_an_epoch);
	tcase_add_test(t, load_with_hole);
	tcase_add_test(t, wrong_folder);
	tcase_add_test(t, foreign_files_stay);
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
	tcase_add_loop_test(t, load_since, 0, sizeof sinces / sizeof *sinces);
	tcase_add_test(t, load_since_install);
	tcase_add_test(t, load_everything);
	tcase_add_test(t, unknown_type);
	tcase_add_loop_test(t, load_while_failed, 1, 9);
	tcase_add_loop_test(t, purge, 0, 2);
	tcase_add_loop_test(t, purge_counts_whole_ones, 0, 2);
	tcase_add_loop_test(t, scrub_finds, 0, sizeof rots / sizeof *rots);
	tcase_add_test(t, scrub_of_what_changes);
	tcase_add_test(t, bad_sectors);
	tcase_add_test(t, load_in_many_steps);
	tcase_add_loop_test(t, snapshots_of_all_kinds, 0, 2);
	tcase_add_test(t, logs_without_snapshot);
	tcase_add_loop_test(t, snapshot_times_by_bytes, 0, 2);
	tcase_add_test(t, late_chores);
	tcase_add_loop_test(t, partial_files, 0, sizeof partials / sizeof *partials);
	tcase_add_loop_test(t, small_files_that_are_not, 0, 2);
	tcase_add_loop_test(t, full_disk, 0, 4);
	tcase_add_test(t, no_room_for_a_reserve);
	tcase_add_loop_test(t, cut_out_of_the_reserve, 0, 2);
	tcase_add_test(t, space_is_guarded);
	tcase_add_loop_test(t, folder_in_the_way, 0, sizeof dirs / sizeof *dirs);
	tcase_add_test(t, snapshot_times);
	tcase_add_test(t, snapshot_refused);
	tcase_add_test(t, log_rolls_by_size);
	tcase_add_test(t, space_ahead);
	tcase_add_test(t, zeros_ahead);
	tcase_add_loop_test(t, zeros_refused, 0, 3);
	tcase_add_loop_test(t, no_zeros, 0, 2);
	tcase_add_test(t, slow_sync_is_told);
	tcase_add_test(t, no_sync_where_told_so);
	suite_add_tcase(suite, t);
	tcase_add_loop_test(faults, killed_at_every_call, 0, 2);
	tcase_add_loop_test(faults, power_lost_at_every_call, 0, 2);
	tcase_add_test(faults, power_lost_twice);
	tcase_add_loop_test(faults, failure_at_every_call, 0, sizeof failures / sizeof *failures);
	tcase_add_loop_test(faults, every_look_fails, 0, 6);
	tcase_add_loop_test(faults, every_change_fails, 0, 4);
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
