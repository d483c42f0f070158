/*
 * Snappy streams: every kind of content comes back as it was, in chunks of any size; a stream of snappy-java is read; each
 * damage is found or harmless, and none leads outside of what is there.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "disk/inflater.h"
#include "disk/snappy.h"
#include "disk/snapshot.h"

enum { CONTENT_MAX = 100 << 10 };

static uint64_t random_state;

static uint32_t
random_number(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(random_state >> 33);
}

/* Content of a kind: constant, random, text of few words, long repeats far apart. */
static void
fill(uint8_t *p, size_t len, int kind)
{
	static const char *const words[] = { "node", "data of ", "/zookeeper/", "config", "x", "quota-" };

	for (size_t i = 0; i < len;) {
		const char *w = words[random_number() % 6];
		size_t n = strlen(w) < len - i ? strlen(w) : len - i;
		switch (kind) {
		case 0:
			p[i++] = 'a';
			break;
		case 1:
			p[i++] = (uint8_t)random_number();
			break;
		case 2:
			memcpy(p + i, w, n);
			i += n;
			break;
		default:
			p[i] = i < 3000 ? (uint8_t)random_number() : p[i - 3000];
			i++;
		}
	}
}

static int
unpack(struct slice in, size_t chunk, struct buf *out, bool *done)
{
	struct inflater *i = inflater_new(DISK_SNAPSHOT_SNAPPY);
	int64_t got = 0;

	for (size_t at = 0; at < in.len && got >= 0; at += chunk) {
		struct slice part = slice_of(in.data + at, in.len - at < chunk ? in.len - at : chunk);
		while ((got = inflater_step(i, &part, out)) > 0)
			;
		if (got == 0)
			ck_assert_uint_eq(part.len, 0);
	}
	/* Once damaged, always. */
	if (got < 0) {
		struct slice more = slice_of(in.data, in.len);
		ck_assert_int_eq(inflater_step(i, &more, out), -EBADMSG);
	}
	*done = inflater_done(i);
	inflater_free(i);
	return (int)got;
}

static void
pack(const uint8_t *p, size_t len, size_t chunk, struct buf *out)
{
	struct snappy *s = snappy_new(out);

	for (size_t at = 0; at < len; at += chunk)
		snappy_put(s, slice_of(p + at, len - at < chunk ? len - at : chunk), out);
	snappy_finish(s, out);
	snappy_free(s);
}

static const size_t lengths[] = { 0,   1,    3,     4,     59,    60,    61,    255,   256,
				  257, 2000, 32767, 32768, 32769, 65536, 70000, 100000 };

START_TEST(comes_back)
{
	static const size_t chunks[] = { 1, 7, 4096, 1 << 20 };
	uint8_t *p = mem_alloc(CONTENT_MAX);
	size_t len = lengths[_i];

	for (int kind = 0; kind < 4; kind++) {
		struct buf packed, out;
		bool done;
		buf_init(&packed, 1 << 20);
		random_state = (uint64_t)_i * 10 + (uint64_t)kind;
		fill(p, len, kind);
		pack(p, len, chunks[_i % 4], &packed);
		if (kind != 1 && len > 2000)
			ck_assert_uint_lt(buf_len(&packed), len / 2);
		ck_assert_uint_le(buf_len(&packed), len + len / 60 + 40);
		for (size_t c = 0; c < 4; c++) {
			buf_init(&out, 1 << 20);
			ck_assert_int_eq(unpack(buf_slice(&packed), chunks[c], &out, &done), 0);
			ck_assert(done);
			ck_assert_uint_eq(buf_len(&out), len);
			if (len > 0)
				ck_assert_mem_eq(buf_head(&out), p, len);
			buf_free(&out);
		}
		buf_free(&packed);
	}
	mem_free(p);
}
END_TEST

static struct buf
java_file(void)
{
	struct buf b;
	FILE *f = fopen(TEST_DATA "/java.snapshot.58.snappy", "rb");

	ck_assert_ptr_nonnull(f);
	buf_init(&b, 1 << 20);
	buf_commit(&b, fread(buf_reserve(&b, 1 << 16), 1, 1 << 16, f));
	fclose(f);
	return b;
}

/* A snapshot that Apache ZooKeeper 3.8.0 wrote, of four blocks. */
START_TEST(reads_java)
{
	static const struct snapshot_events none;
	struct buf file = java_file(), out;
	struct snapshot_reader r;
	bool done;

	buf_init(&out, 1 << 20);
	ck_assert_int_eq(unpack(buf_slice(&file), 100, &out, &done), 0);
	ck_assert(done);
	ck_assert_uint_eq(buf_len(&out), 101859);
	snapshot_reader_init(&r, SNAPSHOT_FILE, &none, NULL);
	ck_assert_int_eq(snapshot_reader_feed(&r, buf_slice(&out)), 101859);
	ck_assert_int_eq(snapshot_reader_finish(&r), 0);
	ck_assert_uint_eq(r.end.nodes, 91);
	snapshot_reader_free(&r);
	buf_free(&out);
	buf_free(&file);
}
END_TEST

/* Cut anywhere it is unfinished but between two blocks; changed anywhere it does not lead astray. */
START_TEST(damage)
{
	struct buf file = java_file(), out;
	size_t whole = 0;
	bool done;

	for (size_t len = 0; len < buf_len(&file); len += len < 64 ? 1 : 13) {
		buf_init(&out, 1 << 20);
		ck_assert_int_eq(unpack(slice_of(buf_head(&file), len), 1 << 20, &out, &done), 0);
		whole += done;
		buf_free(&out);
	}
	ck_assert_uint_le(whole, 5);
	random_state = 5;
	for (int i = 0; i < 3000; i++) {
		uint8_t *p = file.data + file.off + random_number() % buf_len(&file), before = *p;
		*p = (uint8_t)random_number();
		buf_init(&out, 8 << 20);
		unpack(buf_slice(&file), 1 << 20, &out, &done);
		ck_assert_uint_le(buf_len(&out), 8 << 20);
		buf_free(&out);
		*p = before;
	}
	buf_free(&file);
}
END_TEST

static const struct {
	const char *bytes;
	size_t len;
	int64_t result;
} blocks[] = {
	{ "\x00", 1, 0 }, /* empty */
	{ "\x05\x10"
	  "abcde",
	  7, 5 }, /* a literal */
	{ "\x08\x04"
	  "ab\x05\x02",
	  6, -EBADMSG }, /* two, and five copied of them: one too few */
	{ "\x08\x04"
	  "ab\x0d\x02",
	  6, -EBADMSG }, /* one too many */
	{ "\x08\x04"
	  "ab\x06\x02\x00"
	  "\x01\x02",
	  9, 8 }, /* copies of 2 + 4 */
	{ "\x06\x04"
	  "ab\x01\x02",
	  6, 6 },
	{ "\x06\x04"
	  "ab\x01\x03",
	  6, -EBADMSG }, /* from before the beginning */
	{ "\x06\x04"
	  "ab\x01\x00",
	  6, -EBADMSG }, /* from itself */
	{ "\x06\x04"
	  "ab\x0f\x02\x00\x00\x00",
	  9, 6 }, /* the long form */
	{ "\x06\x04"
	  "ab\x0f\x02\x00\x00",
	  8, -EBADMSG },
	{ "\x06\x04"
	  "ab\x0e\x02",
	  6, -EBADMSG },
	{ "\x06\x04"
	  "ab\x01",
	  5, -EBADMSG },
	{ "\x05\x10"
	  "abcd",
	  6, -EBADMSG }, /* a literal of less */
	{ "\x04\x10"
	  "abcde",
	  7, -EBADMSG }, /* of more than was said */
	{ "\x06\x10"
	  "abcde",
	  7, -EBADMSG }, /* the end comes early */
	{ "\x03\xf0\x02"
	  "abc",
	  6, 3 }, /* lengths in one, two, three, four bytes */
	{ "\x03\xf4\x02\x00"
	  "abc",
	  7, 3 },
	{ "\x03\xf8\x02\x00\x00"
	  "abc",
	  8, 3 },
	{ "\x03\xfc\x02\x00\x00\x00"
	  "abc",
	  9, 3 },
	{ "\x03\xfc\x02\x00\x00", 5, -EBADMSG },
	{ "\x03\xfc\xff\xff\xff\xff"
	  "abc",
	  9, -EBADMSG },
	{ "\x80\x80\x80\x80\x80\x01", 6, -EBADMSG }, /* a length without end */
	{ "\xff\xff\xff\xff\x0f", 5, -EBADMSG },     /* of 4 GiB */
	{ "\x80", 1, -EBADMSG },
	{ "", 0, -EBADMSG },
};

START_TEST(one_block)
{
	struct buf out;
	int64_t got;

	buf_init(&out, 8 << 20);
	got = snappy_unpack_block(slice_of(blocks[_i].bytes, blocks[_i].len), &out);
	ck_assert_int_eq(got, blocks[_i].result);
	ck_assert_uint_eq(buf_len(&out), got < 0 ? 0 : (size_t)got);
	buf_free(&out);
}
END_TEST

#define HEADER "\x82SNAPPY\0\0\0\0\1\0\0\0\1"
static const struct {
	const char *bytes;
	size_t len;
	int result;
	bool done;
} streams[] = {
	{ HEADER, 16, 0, true },
	{ HEADER, 15, 0, false },
	{ "\x82SNAPPX\0\0\0\0\1\0\0\0\1", 16, -EBADMSG, false },
	{ HEADER "\0\0\0\1\0"
		 "\0\0\0\3\1\0x",
	  16 + 5 + 7, 0, true }, /* a block of nothing before one of something */
	{ HEADER "\0\0\0\0", 20, -EBADMSG, false },
	{ HEADER "\xff\xff\xff\xff", 20, -EBADMSG, false },
	{ HEADER "\0\0\0\3\1\0", 22, 0, false },
};

START_TEST(one_stream)
{
	struct buf out;
	bool done;

	buf_init(&out, 8 << 20);
	for (size_t chunk = 1; chunk < 40; chunk += 3) {
		ck_assert_int_eq(unpack(slice_of(streams[_i].bytes, streams[_i].len), chunk, &out, &done),
				 streams[_i].result);
		ck_assert_int_eq(done, streams[_i].done);
	}
	buf_free(&out);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("snappy");
	TCase *t = tcase_create("snappy");

	tcase_add_loop_test(t, comes_back, 0, sizeof lengths / sizeof *lengths);
	tcase_add_test(t, reads_java);
	tcase_add_test(t, damage);
	tcase_add_loop_test(t, one_block, 0, sizeof blocks / sizeof *blocks);
	tcase_add_loop_test(t, one_stream, 0, sizeof streams / sizeof *streams);
	tcase_set_timeout(t, 60);
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
