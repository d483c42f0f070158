/*
 * What zkd.mark vouches for: a history of which a part is missing is refused, with the file or the zxid by name and the
 * way out, and nothing is changed then; where the mark does not bind the same is told, and believed.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "disk/snapshot.h"
#include "fake_disk.h"
#include "logd/mark.h"
#include "logd/snapfile.h"
#include "logd/store.h"

enum { TXN_BYTES = 200, ENTRY_BYTES = TXN_BYTES + TXNLOG_ENTRY_EXTRA };

static char why[FILES_TEXT_BYTES], said[4000];

static void
hear(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	size_t n = strlen(said);

	(void)t;
	(void)level;
	(void)room;
	snprintf(said + n, sizeof said - n, "%s %s\n", event, text);
}

static int
try_open(struct fake_disk *f, bool member, struct store **s)
{
	static struct trace t = { .least = TRACE_WARNING, .emit = hear };
	struct store_settings settings = {
		.snap_count = 100,
		.force_sync = true,
		.sync_warning_ms = 1000,
		.db_autocreate = true,
		.member = member,
		.seed = 7,
	};

	said[0] = '\0';
	return store_open(s, &f->disk, &settings, &t, why);
}

static struct store *
must_open(struct fake_disk *f, bool member)
{
	struct store *s = NULL;

	ck_assert_msg(try_open(f, member, &s) == 0, "%s", why);
	return s;
}

static void
append(struct store *s, uint64_t first, uint64_t last)
{
	uint8_t txn[TXN_BYTES] = { 0 };

	for (uint64_t zxid = first; zxid <= last; zxid++) {
		put_be64(txn + 12, zxid);
		put_be32(txn + 28, 5);
		ck_assert_int_eq(store_append(s, zxid, slice_of(txn, sizeof txn)), 0);
		ck_assert(store_commit(s, 0));
	}
}

static void
put_tree(struct buf *b, bool received)
{
	struct snapshot_writer w;

	buf_init(b, 1 << 20);
	snapshot_writer_init(&w, b);
	if (!received)
		snapshot_write_header(&w);
	snapshot_write_sessions(&w, 0);
	snapshot_write_acls(&w, 0);
	snapshot_write_node(
	    &w, &(struct snapshot_node){ .path = SLICE_LIT(""), .data = SLICE_LIT(""), .acl = -1 });
	if (received)
		snapshot_write_terminator(&w);
	else
		snapshot_write_end(&w);
}

static void
write_snapshot(struct fake_disk *f, uint64_t zxid, enum snapfile_form form)
{
	struct snapfile *file;
	struct buf b;

	ck_assert_int_eq(snapfile_new(&file, &f->disk, zxid, form, 0), 0);
	put_tree(&b, form == SNAPFILE_RECEIVED);
	ck_assert_int_eq(snapfile_data(file, buf_slice(&b)), 0);
	ck_assert_int_eq(snapfile_finish(file), 0);
	snapfile_free(file);
	buf_free(&b);
}

static void
remove_file(struct fake_disk *f, const char *name)
{
	enum store_folder folder = strncmp(name, "log.", 4) == 0 ? STORE_LOG : STORE_SNAP;

	ck_assert_int_eq(f->disk.ops->remove(&f->disk, folder, name), 0);
}

/* Puts the content of a file into a new one of the same name, as cp does. */
static void
copy_file(struct fake_disk *f, enum store_folder folder, const char *name, size_t size)
{
	struct fake_file *p = fake_disk_find(f, folder, name);
	uint8_t *content;

	ck_assert_ptr_nonnull(p);
	size = size < p->cached_size ? size : p->cached_size;
	content = malloc(size);
	memcpy(content, p->cached, size);
	fake_disk_put(f, folder, name, content, size);
	free(content);
}

/* What happens between the one start and the next. */
enum event {
	NOTHING,
	OTHER_MEMBER, /* another program was in epoch 6 */
	COPIED,       /* the mark is a copy */
	NO_EPOCHS,
	OLD_EPOCHS,
	SHORTENED, /* log.9 ends behind 10, as ZooKeeper cuts: at an entry, in place */
	OLD_COPY,  /* the same by another file in its place */
};

static void
happen(struct fake_disk *f, enum event event)
{
	static const char *const epochs[] = { "acceptedEpoch", "currentEpoch" };
	size_t two = TXNLOG_HEADER_BYTES + 2 * ENTRY_BYTES;
	struct fake_file *log = fake_disk_find(f, STORE_LOG, "log.9");

	for (int i = 0; i < 2 && event == NO_EPOCHS; i++)
		remove_file(f, epochs[i]);
	for (int i = 0; i < 2 && (event == OTHER_MEMBER || event == OLD_EPOCHS); i++)
		fake_disk_put(f, STORE_SNAP, epochs[i], event == OTHER_MEMBER ? "6" : "4", 1);
	if (event == COPIED)
		copy_file(f, STORE_SNAP, MARK_NAME, SIZE_MAX);
	if (event == OLD_COPY)
		copy_file(f, STORE_LOG, "log.9", two);
	if (event == SHORTENED)
		log->cached_size = log->kept_size = two;
}

/* Logs 1..4, 5..8 and 9..12, snapshots 0, 4 and 8; epochs 5 and 5. */
static struct store *
make_history(struct fake_disk *f)
{
	struct store *s = must_open(f, true);

	ck_assert_int_eq(store_set_epochs(s, 5, 5, 0), 0);
	for (uint64_t z = 4; z <= 12; z += 4) {
		append(s, z - 3, z);
		if (z == 12)
			break;
		store_snapshot_begun(s);
		write_snapshot(f, z, SNAPFILE_PLAIN);
		store_snapshot_ended(s, true, z, 0);
	}
	return s;
}

enum end { CLOSED, KILLED, CRASHED };

static const struct missing {
	const char *gone[4];
	enum event event;
	enum end end;
	bool alone;       /* not a member */
	uint64_t durable; /* 0: refused */
	const char *word; /* in the refusal, or the warning */
} cases[] = {
	{ { NULL }, NOTHING, CLOSED, false, 12, NULL },
	{ { "log.9" },
	  NOTHING,
	  CLOSED,
	  false,
	  0,
	  "/log/log.9 is missing: it held transactions up to zxid 0xc" },
	{ { "log.9" }, NOTHING, CLOSED, true, 0, "/log/log.9 is missing" },
	/* A new log is known before its first txn is durable. */
	{ { "log.9" },
	  NOTHING,
	  KILLED,
	  false,
	  0,
	  "/log/log.9 is missing: it held transactions up to zxid 0x9" },
	{ { "log.9" }, NOTHING, CRASHED, true, 0, "/log/log.9 is missing" },
	{ { "log.1", "log.5", "log.9" }, NOTHING, CLOSED, false, 0, "/log/log.9 is missing" },
	{ { "log.5", "log.9", "snapshot.8" }, NOTHING, CLOSED, true, 0, "/log/log.9 is missing" },
	{ { "log.1", "log.5" }, NOTHING, CLOSED, false, 12, NULL },
	{ { "snapshot.8" }, NOTHING, CLOSED, false, 12, NULL },
	{ { "snapshot.0", "snapshot.4", "snapshot.8" }, NOTHING, CLOSED, false, 0, "no snapshot" },
	/* A leader of a later epoch may have had another program cut the log; who copies a folder gets what he copied. */
	{ { "log.9" },
	  OTHER_MEMBER,
	  CLOSED,
	  false,
	  8,
	  "found=0x8 mark=0xc believed=\"the folder, for another program" },
	{ { NULL }, OTHER_MEMBER, CLOSED, false, 12, NULL },
	{ { "log.9" },
	  COPIED,
	  CLOSED,
	  false,
	  8,
	  "found=0x8 mark=0xc believed=\"the folder, for the mark was copied" },
	{ { NULL }, COPIED, CLOSED, false, 12, NULL },
	{ { "log.9", MARK_NAME }, NOTHING, CLOSED, false, 8, NULL },
	{ { NULL }, SHORTENED, CLOSED, false, 0, "was on the disk up to" },
	{ { NULL }, OLD_COPY, CLOSED, false, 0, "end at zxid 0xa, expected 0xc" },
	{ { NULL }, OLD_COPY, KILLED, false, 10, NULL },
	/* Promises. */
	{ { NULL }, NO_EPOCHS, CLOSED, false, 0, "they say 0 and 0, expected at least 5 and 5" },
	{ { NULL }, OLD_EPOCHS, CLOSED, false, 0, "they say 4 and 4, expected at least 5 and 5" },
	{ { NULL }, NO_EPOCHS, CLOSED, true, 12, NULL },
	{ { MARK_NAME }, NO_EPOCHS, CLOSED, false, 12, NULL },
};

static void
end_store(struct fake_disk *f, struct store *s, enum end end)
{
	if (end == CLOSED) {
		store_close(s);
		return;
	}
	f->fault_at = f->calls + 1;
	f->fault = FAKE_CRASH;
	store_close(s);
	if (end == KILLED)
		fake_disk_kill(f);
	else
		fake_disk_power_loss(f);
}

START_TEST(missing)
{
	const struct missing *c = &cases[_i / 2];
	struct store *s = NULL;
	struct fake_disk f;
	int ret;

	fake_disk_init(&f, _i % 2 == 0, 5);
	end_store(&f, make_history(&f), c->end);
	for (size_t i = 0; i < 4 && c->gone[i] != NULL; i++)
		remove_file(&f, c->gone[i]);
	happen(&f, c->event);
	if (c->durable == 0) {
		uint64_t calls = f.calls;
		for (int again = 0; again < 2; again++) {
			ck_assert_int_eq(try_open(&f, !c->alone, &s), -EUCLEAN);
			ck_assert_msg(strstr(why, c->word) != NULL, "%s", why);
			ck_assert_ptr_nonnull(strstr(why, "restore"));
		}
		/* The newest log is synced, never changed. */
		ck_assert_uint_le(f.calls, calls + 8);
		fake_disk_free(&f);
		return;
	}
	ret = try_open(&f, !c->alone, &s);
	ck_assert_msg(ret == 0, "%d: %s", ret, why);
	ck_assert_uint_eq(store_durable(s), c->durable);
	ck_assert_msg(c->word == NULL || strstr(said, c->word) != NULL, "%s", said);
	ck_assert(c->word != NULL || strstr(said, "shorter") == NULL);
	store_close(s);
	/* It is told once; from then on the mark binds again. */
	s = must_open(&f, !c->alone);
	ck_assert_ptr_null(strstr(said, "shorter"));
	append(s, c->durable + 1, c->durable + 2);
	store_close(s);
	store_close(must_open(&f, !c->alone));
	fake_disk_free(&f);
}
END_TEST

/* What a cut or an install left is no less than a log. */
START_TEST(after_a_cut_or_an_install)
{
	bool install = _i / 2 == 1;
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, _i % 2 == 0, 5);
	s = make_history(&f);
	if (install)
		write_snapshot(&f, 40, SNAPFILE_RECEIVED);
	ck_assert_int_eq(install ? store_install(s, 40) : store_truncate(s, 7), 0);
	end_store(&f, s, CRASHED);
	store_close(must_open(&f, true));
	remove_file(&f, install ? "snapshot.28" : "log.5");
	ck_assert_int_eq(try_open(&f, true, &s), -EUCLEAN);
	ck_assert_msg(strstr(why, install ? "end at zxid 0x0, expected 0x28" : "zxid 0x7") != NULL, "%s",
		      why);
	fake_disk_free(&f);
}
END_TEST

/* Epoch files alone: a server that has lost everything else. A member may go on, for it does not vote. */
START_TEST(bare_epochs)
{
	struct fake_disk f;
	struct store *s;

	fake_disk_init(&f, _i == 0, 5);
	fake_disk_put(&f, STORE_SNAP, "acceptedEpoch", "3", 1);
	fake_disk_put(&f, STORE_SNAP, "currentEpoch", "3", 1);
	ck_assert_int_eq(try_open(&f, false, &s), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(why, "neither snapshots nor logs"));
	s = must_open(&f, true);
	ck_assert(store_partial(s));
	store_close(s);
	fake_disk_free(&f);
}
END_TEST

/* A mark of any other bytes is none. */
START_TEST(damaged_mark)
{
	struct fake_disk f;
	struct fake_file *p;
	struct mark m;

	fake_disk_init(&f, true, 5);
	store_close(make_history(&f));
	p = fake_disk_find(&f, STORE_SNAP, MARK_NAME);
	ck_assert_int_eq(mark_read(&f.disk, &m), 0);
	for (size_t i = 0; i < p->cached_size; i++) {
		p->cached[i] ^= 0x10;
		ck_assert_int_eq(mark_read(&f.disk, &m), -ENOENT);
		p->cached[i] ^= 0x10;
	}
	p->cached_size--;
	ck_assert_int_eq(mark_read(&f.disk, &m), -ENOENT);
	remove_file(&f, "log.9");
	store_close(must_open(&f, true));
	fake_disk_free(&f);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("vouch");
	TCase *t = tcase_create("vouch");

	tcase_add_loop_test(t, missing, 0, 2 * (int)(sizeof cases / sizeof *cases));
	tcase_add_loop_test(t, after_a_cut_or_an_install, 0, 4);
	tcase_add_loop_test(t, bare_epochs, 0, 2);
	tcase_add_test(t, damaged_mark);
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
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
