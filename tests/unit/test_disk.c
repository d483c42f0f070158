/*
 * Codecs of the disk formats, against files that Apache ZooKeeper 3.8.0 wrote (data/java.*) and against every
 * kind of damage.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "disk/gunzip.h"
#include "disk/names.h"
#include "disk/snapshot.h"
#include "disk/txnlog.h"

static struct buf
read_file(const char *name)
{
	char path[512];
	struct buf b;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", TEST_DATA, name);
	f = fopen(path, "rb");
	ck_assert_ptr_nonnull(f);
	buf_init(&b, 1 << 20);
	buf_commit(&b, fread(buf_reserve(&b, 1 << 16), 1, 1 << 16, f));
	fclose(f);
	return b;
}

static void
assert_same(const struct buf *a, const struct buf *b)
{
	ck_assert_uint_eq(buf_len(a), buf_len(b));
	ck_assert_mem_eq(buf_head(a), buf_head(b), buf_len(a));
}

START_TEST(names_round_trip)
{
	static const struct {
		const char *name;
		enum disk_file_kind kind;
		uint64_t zxid;
	} rows[] = {
		{ "log.1", DISK_LOG, 1 },
		{ "log.ffffffffffffffff", DISK_LOG, UINT64_MAX },
		{ "snapshot.0", DISK_SNAPSHOT, 0 },
		{ "snapshot.500000012.gz", DISK_SNAPSHOT_GZ, 0x500000012 },
		{ "snapshot.12.snappy", DISK_SNAPSHOT_SNAPPY, 0x12 },
		{ "log.", DISK_FOREIGN, 0 },
		{ "log.10000000000000000", DISK_FOREIGN, 0 },
		{ "log.1.gz", DISK_FOREIGN, 0 },
		{ "log.x", DISK_FOREIGN, 0 },
		{ "snapshot.1.tmp", DISK_FOREIGN, 0 },
		{ "currentEpoch", DISK_FOREIGN, 0 },
		{ "", DISK_FOREIGN, 0 },
	};
	char name[DISK_NAME_BYTES];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t zxid = 0;
		ck_assert_int_eq(disk_name_parse(rows[i].name, &zxid), rows[i].kind);
		if (rows[i].kind == DISK_FOREIGN)
			continue;
		ck_assert_uint_eq(zxid, rows[i].zxid);
		disk_name_make(name, rows[i].kind, zxid);
		ck_assert_str_eq(name, rows[i].name);
	}
}
END_TEST

/* Reads file in chunks, writes all that was read to *copy, returns how it ended. */
static struct txnlog_end
read_log(struct slice file, size_t chunk, struct buf *copy)
{
	struct txnlog_reader r;
	struct txnlog_entry e;
	struct txnlog_end end;
	enum txnlog_next got;
	size_t at = 0;

	txnlog_reader_init(&r, TXNLOG_TXN_MAX);
	while ((got = txnlog_reader_next(&r, &e)) != TXNLOG_END) {
		if (got == TXNLOG_ENTRY) {
			ck_assert_uint_eq(e.end - e.offset, e.txn.len + TXNLOG_ENTRY_EXTRA);
			if (copy != NULL)
				txnlog_put_entry(copy, e.txn);
			continue;
		}
		size_t n = file.len - at < chunk ? file.len - at : chunk;
		if (n > 0)
			txnlog_reader_feed(&r, slice_of(file.data + at, n));
		else
			txnlog_reader_eof(&r);
		at += n;
	}
	end = r.end;
	txnlog_reader_free(&r);
	return end;
}

START_TEST(log_of_java)
{
	static const size_t chunks[] = { 1, 13, 512, 1 << 20 };
	struct buf file = read_file("java.log.1"), copy;

	for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
		struct txnlog_end end;
		buf_init(&copy, 1 << 20);
		txnlog_put_header(&copy);
		end = read_log(buf_slice(&file), chunks[i], &copy);
		ck_assert_int_eq(end.kind, TXNLOG_CLEAN);
		ck_assert_uint_eq(end.good, buf_len(&copy));
		ck_assert_uint_eq(end.size, buf_len(&file));
		ck_assert_uint_eq(end.last_zxid, 0x12);
		ck_assert_uint_eq(end.entries, 0x12);
		while (buf_len(&copy) < buf_len(&file))
			buf_put_u8(&copy, 0);
		assert_same(&copy, &file);
		buf_free(&copy);
	}
	buf_free(&file);
}
END_TEST

enum { TXN_BYTES = 300, ENTRY_BYTES = TXN_BYTES + TXNLOG_ENTRY_EXTRA };

static void
put_txn(struct buf *out, uint64_t zxid)
{
	uint8_t txn[TXN_BYTES];

	memset(txn, 0x55, sizeof txn);
	put_be64(txn, 7);
	put_be32(txn + 8, 1);
	put_be64(txn + 12, zxid);
	put_be64(txn + 20, 1000);
	put_be32(txn + 28, 5);
	txnlog_put_entry(out, slice_of(txn, sizeof txn));
}

/* Where entry n of make_log begins. */
#define ENTRY_AT(n) (TXNLOG_HEADER_BYTES + (size_t)(n)*ENTRY_BYTES)

/* Entries 1..6 and 2 KiB of padding. */
static struct buf
make_log(void)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	txnlog_put_header(&b);
	for (uint64_t zxid = 1; zxid <= 6; zxid++)
		put_txn(&b, zxid);
	while (buf_len(&b) < ENTRY_AT(6) + 2048)
		buf_put_u8(&b, 0);
	return b;
}

enum damage_how { FLIP, ZERO, CUT, SET };

/* What is done to the log of make_log, and how its end must then be called. */
static const struct damage {
	const char *name;
	enum damage_how how;
	size_t at, len;
	enum txnlog_end_kind kind;
	unsigned good;   /* entries */
	unsigned resume; /* number of the entry it goes on with, DAMAGED */
	bool lost_sector;
} damages[] = {
	{ "none", ZERO, ENTRY_AT(6), 1, TXNLOG_CLEAN, 6, 0, false },
	{ "no padding", CUT, ENTRY_AT(6), 0, TXNLOG_CLEAN, 6, 0, false },
	{ "header alone", CUT, TXNLOG_HEADER_BYTES, 0, TXNLOG_CLEAN, 0, 0, false },
	{ "empty file", CUT, 0, 0, TXNLOG_NO_HEADER, 0, 0, false },
	{ "header torn", CUT, 9, 0, TXNLOG_NO_HEADER, 0, 0, false },
	{ "header zeroed", ZERO, 0, 16, TXNLOG_DAMAGED, 0, 0, false },
	{ "all zeroed", ZERO, 0, ENTRY_AT(6), TXNLOG_NO_HEADER, 0, 0, true },
	{ "magic flipped", FLIP, 2, 1, TXNLOG_FOREIGN, 0, 0, false },
	{ "version flipped", FLIP, 7, 1, TXNLOG_FOREIGN, 0, 0, false },
	{ "checksum flipped, middle", FLIP, ENTRY_AT(2) + 6, 1, TXNLOG_DAMAGED, 2, 3, false },
	{ "checksum's upper half flipped", FLIP, ENTRY_AT(2) + 1, 1, TXNLOG_DAMAGED, 2, 3, false },
	{ "checksum flipped, last", FLIP, ENTRY_AT(5) + 6, 1, TXNLOG_TORN, 5, 0, false },
	{ "length flipped", FLIP, ENTRY_AT(2) + 10, 1, TXNLOG_DAMAGED, 2, 3, false },
	{ "length negative", FLIP, ENTRY_AT(2) + 8, 1, TXNLOG_DAMAGED, 2, 3, false },
	{ "length zeroed", ZERO, ENTRY_AT(2) + 8, 4, TXNLOG_DAMAGED, 2, 3, false },
	{ "checksum and length zeroed", ZERO, ENTRY_AT(2), 12, TXNLOG_DAMAGED, 2, 3, false },
	{ "length flipped, last", FLIP, ENTRY_AT(5) + 10, 1, TXNLOG_TORN, 5, 0, false },
	{ "body flipped", FLIP, ENTRY_AT(0) + 100, 1, TXNLOG_DAMAGED, 0, 1, false },
	{ "body flipped, last", FLIP, ENTRY_AT(5) + 100, 1, TXNLOG_TORN, 5, 0, false },
	{ "end byte flipped", FLIP, ENTRY_AT(3) - 1, 1, TXNLOG_DAMAGED, 2, 3, false },
	{ "end byte zeroed, last", ZERO, ENTRY_AT(6) - 1, 1, TXNLOG_TORN, 5, 0, false },
	{ "cut in checksum", CUT, ENTRY_AT(4) + 5, 0, TXNLOG_TORN, 4, 0, false },
	{ "cut in length", CUT, ENTRY_AT(4) + 11, 0, TXNLOG_TORN, 4, 0, false },
	{ "cut in body", CUT, ENTRY_AT(4) + 99, 0, TXNLOG_TORN, 4, 0, false },
	{ "cut before end byte", CUT, ENTRY_AT(5) - 1, 0, TXNLOG_TORN, 4, 0, false },
	{ "cut in checksum's zeros", CUT, ENTRY_AT(4) + 3, 0, TXNLOG_CLEAN, 4, 0, false },
	{ "padding flipped", FLIP, ENTRY_AT(6) + 1000, 1, TXNLOG_TORN, 6, 0, false },
	{ "an entry zeroed", ZERO, ENTRY_AT(2), ENTRY_BYTES, TXNLOG_DAMAGED, 2, 3, false },
	{ "a sector zeroed", ZERO, 512, 512, TXNLOG_DAMAGED, 1, 4, true },
	{ "half a sector zeroed", ZERO, 512, 256, TXNLOG_DAMAGED, 1, 3, false },
	{ "a sector zeroed, last", ZERO, 1536, 512, TXNLOG_TORN, 4, 0, true },
};

static void
inflict(struct buf *b, const struct damage *d)
{
	uint8_t *p = b->data + b->off;

	if (d->how == CUT)
		buf_truncate(b, d->at);
	else if (d->how == ZERO)
		memset(p + d->at, 0, d->len);
	else
		for (size_t i = 0; i < d->len; i++)
			p[d->at + i] ^= 0x80;
}

START_TEST(log_damage)
{
	const struct damage *d = &damages[_i];
	static const size_t chunks[] = { 1, 100, 1 << 20 };

	for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
		struct buf b = make_log();
		struct txnlog_end end;
		inflict(&b, d);
		end = read_log(buf_slice(&b), chunks[i], NULL);
		ck_assert_msg(end.kind == d->kind, "%s: kind %d, expected %d", d->name, end.kind, d->kind);
		if (d->kind != TXNLOG_FOREIGN)
			ck_assert_uint_eq(end.size, buf_len(&b));
		ck_assert_uint_eq(end.entries, d->good);
		if (d->kind == TXNLOG_CLEAN || d->kind == TXNLOG_TORN) {
			ck_assert_uint_eq(end.good, ENTRY_AT(d->good));
			ck_assert_uint_eq(end.last_zxid, d->good);
		}
		if (d->kind == TXNLOG_DAMAGED) {
			ck_assert_uint_eq(end.resume, ENTRY_AT(d->resume));
			ck_assert_uint_eq(end.resume_zxid, d->resume + 1);
			ck_assert_uint_eq(end.after, 6 - d->resume);
			ck_assert_uint_eq(end.last_end, ENTRY_AT(6));
			ck_assert_msg(end.lost_sector == d->lost_sector, "%s: lost sector", d->name);
		}
		buf_free(&b);
	}
}
END_TEST

/* Whatever single byte is changed, no entry with other content is handed out and none before it is lost. */
START_TEST(log_every_flip)
{
	struct buf b = make_log();
	uint8_t *p = b.data + b.off;

	for (size_t at = TXNLOG_HEADER_BYTES; at < ENTRY_AT(6); at++) {
		unsigned hit = (unsigned)((at - TXNLOG_HEADER_BYTES) / ENTRY_BYTES);
		struct txnlog_end end;
		p[at] ^= 1u << at % 8;
		end = read_log(buf_slice(&b), 1 << 20, NULL);
		ck_assert_uint_eq(end.good, ENTRY_AT(hit));
		ck_assert_int_eq(end.kind, hit == 5 ? TXNLOG_TORN : TXNLOG_DAMAGED);
		p[at] ^= 1u << at % 8;
	}
	buf_free(&b);
}
END_TEST

/*
 * Entries of chosen sizes: 1 ends at `first`, 2 at `second`, which is so near to the end of a sector that of entry 3 only
 * zeros lie in it. That sector is lost: whole, or from where its durable part ends (found by the simulator).
 */
static const struct {
	size_t first, second, lost_from;
} edges[] = {
	{ 300, 1022, 512 }, /* the sector holds nothing of entry 1 */
	{ 600, 1021, 600 }, /* entry 1 was durable in it */
	{ 600, 1020, 600 },
};

static void
put_sized(struct buf *out, uint64_t zxid, size_t end)
{
	uint8_t txn[1024];

	memset(txn, 0x55, sizeof txn);
	put_be64(txn + 12, zxid);
	txnlog_put_entry(out, slice_of(txn, end - buf_len(out) - TXNLOG_ENTRY_EXTRA));
}

START_TEST(log_sector_lost_up_to_zeros)
{
	struct txnlog_end end;
	struct buf b;

	buf_init(&b, 1 << 20);
	txnlog_put_header(&b);
	put_sized(&b, 1, edges[_i].first);
	put_sized(&b, 2, edges[_i].second);
	put_sized(&b, 3, edges[_i].second + 300);
	memset(b.data + b.off + edges[_i].lost_from, 0, 1024 - edges[_i].lost_from);
	end = read_log(buf_slice(&b), 1 << 20, NULL);
	ck_assert_int_eq(end.kind, TXNLOG_DAMAGED);
	ck_assert_uint_eq(end.resume, edges[_i].second);
	ck_assert(end.lost_sector);
	buf_free(&b);
}
END_TEST

START_TEST(log_holes)
{
	struct buf b = make_log();
	struct txnlog_reader r;
	struct txnlog_entry e;
	const uint64_t hole = UINT64_C(1) << 40;

	/* Entries 1..3, a terabyte of hole, entries 4..6. */
	txnlog_reader_init(&r, TXNLOG_TXN_MAX);
	txnlog_reader_feed(&r, slice_of(buf_head(&b), ENTRY_AT(3)));
	while (txnlog_reader_next(&r, &e) == TXNLOG_ENTRY)
		;
	txnlog_reader_feed_zeros(&r, hole);
	ck_assert_int_eq(txnlog_reader_next(&r, &e), TXNLOG_MORE);
	ck_assert_uint_lt(r.in.cap, 1 << 20);
	txnlog_reader_feed(&r, slice_of(buf_head(&b) + ENTRY_AT(3), ENTRY_AT(6) - ENTRY_AT(3)));
	txnlog_reader_eof(&r);
	ck_assert_int_eq(txnlog_reader_next(&r, &e), TXNLOG_END);
	ck_assert_int_eq(r.end.kind, TXNLOG_DAMAGED);
	ck_assert_uint_eq(r.end.resume, ENTRY_AT(3) + hole);
	ck_assert_uint_eq(r.end.after, 3);
	ck_assert(r.end.lost_sector);
	txnlog_reader_free(&r);

	/* Going on behind the damage. */
	txnlog_reader_init_at(&r, TXNLOG_TXN_MAX, ENTRY_AT(4), 4);
	txnlog_reader_feed(&r, slice_of(buf_head(&b) + ENTRY_AT(4), ENTRY_AT(6) - ENTRY_AT(4)));
	txnlog_reader_feed_zeros(&r, hole);
	txnlog_reader_eof(&r);
	ck_assert_int_eq(txnlog_reader_next(&r, &e), TXNLOG_ENTRY);
	ck_assert_uint_eq(e.head.zxid, 5);
	ck_assert_uint_eq(e.offset, ENTRY_AT(4));
	ck_assert_int_eq(e.head.session, 7);
	ck_assert_int_eq(txnlog_reader_next(&r, &e), TXNLOG_ENTRY);
	ck_assert_int_eq(txnlog_reader_next(&r, &e), TXNLOG_END);
	ck_assert_int_eq(r.end.kind, TXNLOG_CLEAN);
	ck_assert_uint_eq(r.end.size, ENTRY_AT(6) + hole);
	txnlog_reader_free(&r);
	buf_free(&b);
}
END_TEST

START_TEST(log_txn_too_long)
{
	struct buf b = make_log();
	struct txnlog_reader r;
	struct txnlog_entry e;

	txnlog_reader_init(&r, TXN_BYTES - 1);
	txnlog_reader_feed(&r, buf_slice(&b));
	txnlog_reader_eof(&r);
	ck_assert_int_eq(txnlog_reader_next(&r, &e), TXNLOG_END);
	ck_assert_int_eq(r.end.kind, TXNLOG_TORN);
	ck_assert_str_eq(r.end.what, "length");
	ck_assert_uint_eq(r.end.found, TXN_BYTES);
	txnlog_reader_free(&r);
	buf_free(&b);
}
END_TEST

/* Writes again what it reads. */
struct rewriter {
	struct buf records[3]; /* of sessions, ACLs, nodes */
	uint32_t sessions, acls;
	int fail_at; /* which node's callback fails, -1 none */
};

static int
again_session(void *ctx, int64_t session, int32_t timeout_ms)
{
	struct rewriter *rw = ctx;
	struct snapshot_writer w;

	snapshot_writer_init(&w, &rw->records[0]);
	snapshot_write_session(&w, session, timeout_ms);
	rw->sessions++;
	return 0;
}

static int
again_acl(void *ctx, int64_t key, struct slice list)
{
	struct rewriter *rw = ctx;
	struct snapshot_writer w;

	snapshot_writer_init(&w, &rw->records[1]);
	snapshot_write_acl(&w, key, list);
	rw->acls++;
	return 0;
}

static int
again_node(void *ctx, const struct snapshot_node *node)
{
	struct rewriter *rw = ctx;
	struct snapshot_writer w;

	if (rw->fail_at-- == 0)
		return -ECANCELED;
	snapshot_writer_init(&w, &rw->records[2]);
	snapshot_write_node(&w, node);
	return 0;
}

static const struct snapshot_events again = { again_session, again_acl, again_node };

static void
rewriter_init(struct rewriter *rw)
{
	*rw = (struct rewriter){ .fail_at = -1 };
	for (int i = 0; i < 3; i++)
		buf_init(&rw->records[i], 1 << 20);
}

static void
rewriter_free(struct rewriter *rw)
{
	for (int i = 0; i < 3; i++)
		buf_free(&rw->records[i]);
}

/* The counts and records, through w so that seals come out right. */
static void
write_again(const struct rewriter *rw, struct snapshot_writer *w)
{
	snapshot_write_sessions(w, rw->sessions);
	w->adler = (uint32_t)adler32_z(w->adler, buf_head(&rw->records[0]), buf_len(&rw->records[0]));
	buf_put_slice(w->out, buf_slice(&rw->records[0]));
	snapshot_write_acls(w, rw->acls);
	for (int i = 1; i < 3; i++) {
		w->adler = (uint32_t)adler32_z(w->adler, buf_head(&rw->records[i]), buf_len(&rw->records[i]));
		buf_put_slice(w->out, buf_slice(&rw->records[i]));
	}
}

static int
read_snapshot(struct slice file, size_t chunk, struct rewriter *rw, struct snapshot_end *end)
{
	struct snapshot_reader r;
	int64_t got = 0;
	int ret;

	snapshot_reader_init(&r, SNAPSHOT_FILE, &again, rw);
	for (size_t at = 0; at < file.len && got >= 0; at += chunk)
		got = snapshot_reader_feed(
		    &r, slice_of(file.data + at, file.len - at < chunk ? file.len - at : chunk));
	ret = got < 0 ? (int)got : snapshot_reader_finish(&r);
	ck_assert(ret == 0 || ret == -ECANCELED || r.error[0] != '\0');
	if (end != NULL)
		*end = r.end;
	snapshot_reader_free(&r);
	return ret;
}

START_TEST(snapshot_of_java)
{
	static const size_t chunks[] = { 1, 17, 1 << 20 };
	struct buf file = read_file("java.snapshot.12");

	for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
		struct rewriter rw;
		struct snapshot_end end;
		struct snapshot_writer w;
		struct buf copy;
		rewriter_init(&rw);
		ck_assert_int_eq(read_snapshot(buf_slice(&file), chunks[i], &rw, &end), 0);
		ck_assert_uint_eq(end.sessions, 1);
		ck_assert_uint_eq(end.acls, 3);
		ck_assert_uint_eq(end.nodes, 13);
		ck_assert(end.has_digest && !end.has_last_zxid);
		ck_assert_uint_eq(end.digest_zxid, 0x12);
		ck_assert_int_eq(end.digest_version, 2);
		buf_init(&copy, 1 << 20);
		snapshot_writer_init(&w, &copy);
		snapshot_write_header(&w);
		write_again(&rw, &w);
		snapshot_write_end(&w);
		snapshot_write_digest(&w, end.digest_zxid, end.digest_version, end.digest);
		assert_same(&copy, &file);
		buf_free(&copy);
		rewriter_free(&rw);
	}
	buf_free(&file);
}
END_TEST

START_TEST(snapshot_empty_as_java)
{
	struct buf file = read_file("java.snapshot.0"), own;

	buf_init(&own, 1 << 16);
	snapshot_write_empty(&own);
	assert_same(&own, &file);
	buf_free(&own);
	buf_free(&file);
}
END_TEST

/* Any changed byte is found out, and so is any cut but the one right behind the first seal. */
START_TEST(snapshot_every_flip_and_cut)
{
	struct buf file = read_file("java.snapshot.12");
	uint8_t *p = file.data + file.off;
	size_t len = buf_len(&file);
	struct rewriter rw;

	for (size_t at = 0; at < len; at++) {
		rewriter_init(&rw);
		p[at] ^= 1u << at % 8;
		ck_assert_int_eq(read_snapshot(slice_of(p, len), 1 << 20, &rw, NULL), -EBADMSG);
		p[at] ^= 1u << at % 8;
		rewriter_free(&rw);
		rewriter_init(&rw);
		ck_assert_int_eq(read_snapshot(slice_of(p, at), 1 << 20, &rw, NULL),
				 at == len - 33 ? 0 : -EBADMSG);
		rewriter_free(&rw);
	}
	buf_free(&file);
}
END_TEST

START_TEST(snapshot_sections)
{
	static const struct {
		bool digest, last_zxid;
		size_t cut;
		int result;
	} rows[] = {
		{ false, false, 0, 0 },       { true, false, 0, 0 },       { false, true, 0, 0 },
		{ true, true, 0, 0 },         { true, true, 1, -EBADMSG }, { false, true, 1, -EBADMSG },
		{ true, true, 20, -EBADMSG }, { true, true, 21, 0 },       { true, false, 32, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct snapshot_writer w;
		struct snapshot_end end;
		struct rewriter rw;
		struct buf b;
		buf_init(&b, 1 << 16);
		rewriter_init(&rw);
		snapshot_writer_init(&w, &b);
		snapshot_write_header(&w);
		snapshot_write_sessions(&w, 0);
		snapshot_write_acls(&w, 0);
		snapshot_write_end(&w);
		if (rows[i].digest)
			snapshot_write_digest(&w, 9, 2, 77);
		if (rows[i].last_zxid)
			snapshot_write_last_zxid(&w, 10);
		buf_truncate(&b, buf_len(&b) - rows[i].cut);
		ck_assert_int_eq(read_snapshot(buf_slice(&b), 5, &rw, &end), rows[i].result);
		if (rows[i].cut == 0) {
			ck_assert(end.has_digest == rows[i].digest && end.has_last_zxid == rows[i].last_zxid);
			ck_assert(!end.has_digest || end.digest == 77);
			ck_assert(!end.has_last_zxid || end.last_zxid == 10);
		}
		rewriter_free(&rw);
		buf_free(&b);
	}
}
END_TEST

/* The SNAP stream has neither header nor seal, and what follows it is not touched. */
START_TEST(snapshot_stream)
{
	struct buf file = read_file("java.snapshot.12"), b;
	struct rewriter rw;
	struct snapshot_writer w;
	struct snapshot_reader r;
	size_t whole;

	rewriter_init(&rw);
	ck_assert_int_eq(read_snapshot(buf_slice(&file), 1 << 20, &rw, NULL), 0);
	buf_init(&b, 1 << 16);
	snapshot_writer_init(&w, &b);
	write_again(&rw, &w);
	snapshot_write_terminator(&w);
	whole = buf_len(&b);
	buf_put_slice(&b, SLICE_LIT("\0\0\0\nBenWasHere"));
	for (size_t first = 0; first <= buf_len(&b); first++) {
		int64_t got;
		struct snapshot_events none = { 0 };
		snapshot_reader_init(&r, SNAPSHOT_STREAM, &none, NULL);
		got = snapshot_reader_feed(&r, slice_of(buf_head(&b), first));
		ck_assert_int_eq(got, (int64_t)(first < whole ? first : whole));
		ck_assert_int_eq(snapshot_reader_done(&r), first >= whole);
		got += snapshot_reader_feed(&r, slice_of(buf_head(&b) + got, buf_len(&b) - (size_t)got));
		ck_assert_int_eq(got, (int64_t)whole);
		ck_assert(snapshot_reader_done(&r));
		ck_assert_int_eq(snapshot_reader_finish(&r), 0);
		ck_assert_uint_eq(r.end.nodes, 13);
		snapshot_reader_free(&r);
	}
	rewriter_free(&rw);
	buf_free(&b);
	buf_free(&file);
}
END_TEST

START_TEST(snapshot_refusals)
{
	static const struct {
		struct slice bytes; /* behind a right header */
		const char *error;
	} rows[] = {
		{ SLICE_LIT("\xff\xff\xff\xff"), "number of sessions is -1" },
		{ SLICE_LIT("\0\0\0\0\x80\0\0\0"), "number of ACL lists is -2147483648" },
		{ SLICE_LIT("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\xff\xff\xff\xfe"),
		  "number of ACLs in a list is -2" },
		{ SLICE_LIT("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1\xff\0\0\0"),
		  "length of ACL scheme is -16777216" },
		{ SLICE_LIT("\0\0\0\0\0\0\0\0\x7f\xff\xff\xff"), "length of path is 2147483647" },
		{ SLICE_LIT("\0\0\0\0\0\0\0\0\xff\xff\xff\xff"), "path is null" },
		{ SLICE_LIT("\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xfe"), "length of data is -2" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct snapshot_events none = { 0 };
		struct snapshot_reader r;
		struct snapshot_writer w;
		struct buf b;
		buf_init(&b, 1 << 10);
		snapshot_writer_init(&w, &b);
		snapshot_write_header(&w);
		buf_put_slice(&b, rows[i].bytes);
		snapshot_reader_init(&r, SNAPSHOT_FILE, &none, NULL);
		ck_assert_int_eq(snapshot_reader_feed(&r, buf_slice(&b)), -EBADMSG);
		ck_assert_str_eq(r.error, rows[i].error);
		ck_assert_int_eq(snapshot_reader_feed(&r, buf_slice(&b)), -EBADMSG);
		snapshot_reader_free(&r);
		buf_free(&b);
	}
}
END_TEST

START_TEST(snapshot_callback_ends)
{
	struct buf file = read_file("java.snapshot.12");
	struct rewriter rw;

	rewriter_init(&rw);
	rw.fail_at = 2;
	ck_assert_int_eq(read_snapshot(buf_slice(&file), 64, &rw, NULL), -ECANCELED);
	rewriter_free(&rw);
	buf_free(&file);
}
END_TEST

static int64_t
inflate_all(struct slice in, size_t chunk, struct buf *out, bool *done)
{
	struct gunzip *g = gunzip_new();
	int64_t got = 0;

	for (size_t at = 0; at < in.len && got >= 0; at += chunk) {
		struct slice part = slice_of(in.data + at, in.len - at < chunk ? in.len - at : chunk);
		do
			got = gunzip_step(g, &part, out, 100);
		while (got == 100 || (got > 0 && part.len > 0));
	}
	*done = gunzip_done(g);
	gunzip_free(g);
	return got;
}

START_TEST(gunzip_of_java)
{
	static const size_t chunks[] = { 1, 50, 1 << 20 };
	struct buf gz = read_file("java.snapshot.12.gz"), plain = read_file("java.snapshot.12");
	struct buf out;
	bool done;

	for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
		buf_init(&out, 1 << 20);
		ck_assert_int_ge(inflate_all(buf_slice(&gz), chunks[i], &out, &done), 0);
		ck_assert(done);
		assert_same(&out, &plain);
		buf_reset(&out, 0);
		inflate_all(slice_of(buf_head(&gz), buf_len(&gz) - 1), chunks[i], &out, &done);
		ck_assert(!done);
		buf_free(&out);
	}
	gz.data[gz.off + 200] ^= 4;
	buf_init(&out, 1 << 20);
	ck_assert_int_eq(inflate_all(buf_slice(&gz), 1 << 20, &out, &done), -EBADMSG);
	ck_assert(!done);
	buf_free(&out);
	buf_free(&gz);
	buf_free(&plain);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("disk");
	TCase *t = tcase_create("disk");
	SRunner *sr;
	int failed;

	tcase_add_test(t, names_round_trip);
	tcase_add_test(t, log_of_java);
	tcase_add_loop_test(t, log_damage, 0, sizeof damages / sizeof *damages);
	tcase_add_test(t, log_every_flip);
	tcase_add_loop_test(t, log_sector_lost_up_to_zeros, 0, sizeof edges / sizeof *edges);
	tcase_add_test(t, log_holes);
	tcase_add_test(t, log_txn_too_long);
	tcase_add_test(t, snapshot_of_java);
	tcase_add_test(t, snapshot_empty_as_java);
	tcase_add_test(t, snapshot_every_flip_and_cut);
	tcase_add_test(t, snapshot_sections);
	tcase_add_test(t, snapshot_stream);
	tcase_add_test(t, snapshot_refusals);
	tcase_add_test(t, snapshot_callback_ends);
	tcase_add_test(t, gunzip_of_java);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
