/*
 * The store on a disk in memory: a crash or a failure at every single call of its life, with power losses that keep any
 * subset of what was not synced; and a sync that failed, of which nothing may be believed.
 */
#include <check.h>
#include <errno.h>

#include "logd/purge.h"
#include "store_kit.h"

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

/* --- every call of all that is asked for --- */

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

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("store with faults");
	TCase *t = tcase_create("syncs"), *faults = tcase_create("faults");

	tcase_add_loop_test(t, failed_sync_then_death_then_power_loss, 0, 16);
	tcase_add_test(t, failed_sync_is_not_believed);
	suite_add_tcase(suite, t);
	tcase_add_loop_test(faults, killed_at_every_call, 0, 2);
	tcase_add_loop_test(faults, power_lost_at_every_call, 0, 2);
	tcase_add_test(faults, power_lost_twice);
	tcase_add_loop_test(faults, failure_at_every_call, 0, sizeof failures / sizeof *failures);
	tcase_add_loop_test(faults, every_look_fails, 0, 6);
	tcase_add_loop_test(faults, every_change_fails, 0, 4);
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
