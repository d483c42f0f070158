/*
 * See txnlog.h. Invariants of the reader: `offset` is the file position of the first byte in `in`; pending
 * `zeros` lie behind all of `in`; while entries are read nothing before end.good is in doubt; once scanning
 * has begun end.good stays, and the first bad record begins there.
 */
#include "disk/txnlog.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/bytes.h"

enum {
	LOG_MAGIC = 0x5a4b4c47,
	LOG_VERSION = 2,
	ENTRY_FRONT = 12, /* checksum and length */
	ENTRY_END = 0x42,
	ZEROS_STEP = 64 << 10,
	/* A checksum's leading zero bytes: four always, three more of its low half may be. */
	CHECKSUM_ZEROS = 7,
};

enum { STATE_HEADER, STATE_ENTRIES, STATE_SCAN, STATE_ENDED };
enum { AGAIN = TXNLOG_END + 1 }; /* a state's answer: look again, state or buffer has changed */

static const uint8_t zero_bytes[ZEROS_STEP];

int
txnlog_peek(struct slice txn, struct txnlog_head *head)
{
	const uint8_t *p = txn.data;

	if (txn.len < TXNLOG_TXN_MIN)
		return -EBADMSG;
	head->session = (int64_t)get_be64(p);
	head->cxid = (int32_t)get_be32(p + 8);
	head->zxid = get_be64(p + 12);
	head->time_ms = (int64_t)get_be64(p + 20);
	head->type = (int32_t)get_be32(p + 28);
	return 0;
}

void
txnlog_put_header(struct buf *out)
{
	buf_put_be32(out, LOG_MAGIC);
	buf_put_be32(out, LOG_VERSION);
	buf_put_be64(out, 0);
}

void
txnlog_put_entry(struct buf *out, struct slice txn)
{
	uint8_t *p = buf_reserve(out, txn.len + TXNLOG_ENTRY_EXTRA);

	ASSERT(txn.len >= TXNLOG_TXN_MIN);
	if (p == NULL)
		return;
	put_be64(p, adler32_z(1, txn.data, txn.len));
	put_be32(p + 8, (uint32_t)txn.len);
	memcpy(p + ENTRY_FRONT, txn.data, txn.len);
	p[ENTRY_FRONT + txn.len] = ENTRY_END;
	buf_commit(out, txn.len + TXNLOG_ENTRY_EXTRA);
}

void
txnlog_reader_init(struct txnlog_reader *r, size_t max_txn)
{
	*r = (struct txnlog_reader){ .max_txn = max_txn, .state = STATE_HEADER };
	buf_init(&r->in, SIZE_MAX / 4);
}

void
txnlog_reader_init_at(struct txnlog_reader *r, size_t max_txn, uint64_t offset, uint64_t last_zxid)
{
	txnlog_reader_init(r, max_txn);
	r->state = STATE_ENTRIES;
	r->offset = r->end.good = offset;
	r->end.last_zxid = last_zxid;
}

void
txnlog_reader_free(struct txnlog_reader *r)
{
	buf_free(&r->in);
}

void
txnlog_reader_feed(struct txnlog_reader *r, struct slice chunk)
{
	ASSERT(!r->eof && r->zeros == 0);
	buf_put_slice(&r->in, chunk);
}

void
txnlog_reader_feed_zeros(struct txnlog_reader *r, uint64_t n)
{
	ASSERT(!r->eof);
	r->zeros += n;
}

void
txnlog_reader_eof(struct txnlog_reader *r)
{
	r->eof = true;
}

/* More bytes for the buffer, from the pending zeros or from the feeder; AGAIN when there are, or when there
 * never will be. */
static int
want_bytes(struct txnlog_reader *r)
{
	size_t n = r->zeros < ZEROS_STEP ? (size_t)r->zeros : ZEROS_STEP;

	if (n == 0)
		return r->eof ? AGAIN : TXNLOG_MORE;
	buf_put(&r->in, zero_bytes, n);
	r->zeros -= n;
	return AGAIN;
}

static bool
at_end(const struct txnlog_reader *r)
{
	return r->eof && r->zeros == 0;
}

/* Position of the first byte that is not zero, or len. */
static size_t
skip_zeros(const uint8_t *p, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t step = len - i < ZEROS_STEP ? len - i : ZEROS_STEP;
		if (memcmp(p + i, zero_bytes, step) == 0) {
			i += step;
			continue;
		}
		while (p[i] == 0)
			i++;
		return i;
	}
	return len;
}

static int
end_with(struct txnlog_reader *r, enum txnlog_end_kind kind)
{
	r->end.kind = kind;
	r->end.size = r->offset + buf_len(&r->in) + r->zeros;
	r->state = STATE_ENDED;
	return TXNLOG_END;
}

static int
step_header(struct txnlog_reader *r, struct txnlog_entry *e)
{
	const uint8_t *p;

	(void)e;
	if (buf_len(&r->in) < TXNLOG_HEADER_BYTES) {
		if (!at_end(r))
			return want_bytes(r);
		return end_with(r, TXNLOG_NO_HEADER);
	}
	p = buf_head(&r->in);
	if (skip_zeros(p, TXNLOG_HEADER_BYTES) == TXNLOG_HEADER_BYTES) {
		r->end.what = "zeros";
		r->state = STATE_SCAN;
		r->scan_kind = TXNLOG_NO_HEADER;
		return AGAIN;
	}
	if (get_be32(p) != LOG_MAGIC || get_be32(p + 4) != LOG_VERSION) {
		bool magic = get_be32(p) != LOG_MAGIC;
		r->end.what = magic ? "magic" : "version";
		r->end.expected = magic ? LOG_MAGIC : LOG_VERSION;
		r->end.found = get_be32(magic ? p : p + 4);
		return end_with(r, TXNLOG_FOREIGN);
	}
	buf_consume(&r->in, TXNLOG_HEADER_BYTES);
	r->offset = r->end.good = TXNLOG_HEADER_BYTES;
	r->state = STATE_ENTRIES;
	return AGAIN;
}

enum verdict { VALID, SHORT, BAD };

struct probe {
	size_t total;     /* bytes of the whole entry */
	const char *what; /* BAD */
	uint64_t expected, found;
	bool complete;
};

static enum verdict
bad(struct probe *pr, const char *what, uint64_t expected, uint64_t found)
{
	pr->what = what;
	pr->expected = expected;
	pr->found = found;
	return BAD;
}

/* Judges what lies at the buffer's head as an entry. */
static enum verdict
probe_entry(const struct txnlog_reader *r, struct probe *pr)
{
	const uint8_t *p = buf_head(&r->in);
	size_t have = buf_len(&r->in);
	uint64_t stored, sum;
	uint32_t len;

	*pr = (struct probe){ 0 };
	if (have < ENTRY_FRONT)
		return SHORT;
	stored = get_be64(p);
	len = get_be32(p + 8);
	if (len < TXNLOG_TXN_MIN || len > r->max_txn)
		return bad(pr, "length", r->max_txn, len);
	if (stored >> 32 != 0)
		return bad(pr, "checksum", 0, stored);
	pr->total = len + (size_t)TXNLOG_ENTRY_EXTRA;
	if (have < pr->total)
		return SHORT;
	if (p[pr->total - 1] != ENTRY_END)
		return bad(pr, "end byte", ENTRY_END, p[pr->total - 1]);
	sum = adler32_z(1, p + ENTRY_FRONT, len);
	if (sum != stored) {
		pr->complete = true;
		return bad(pr, "checksum", stored, sum);
	}
	return VALID;
}

/* From here on nothing is handed out: what follows is only looked at for valid entries. */
static int
begin_scan(struct txnlog_reader *r, enum txnlog_end_kind kind, const struct probe *pr)
{
	r->scan_kind = kind;
	r->run = r->offset;
	r->end.what = pr->what;
	r->end.expected = pr->expected;
	r->end.found = pr->found;
	r->end.complete = pr->complete;
	r->state = STATE_SCAN;
	return AGAIN;
}

static int
take_entry(struct txnlog_reader *r, struct txnlog_entry *e, size_t total)
{
	e->offset = r->offset;
	e->end = r->offset + total;
	e->txn = slice_of(buf_head(&r->in) + ENTRY_FRONT, total - TXNLOG_ENTRY_EXTRA);
	ASSERT(txnlog_peek(e->txn, &e->head) == 0);
	r->end.entries++;
	r->end.good = e->end;
	r->end.last_zxid = e->head.zxid;
	r->give = total;
	return TXNLOG_ENTRY;
}

/* Bytes that are no whole entry although no more come. */
static int
end_unfinished(struct txnlog_reader *r)
{
	size_t len = buf_len(&r->in);
	struct probe pr = { .what = "unfinished", .found = len };

	if (skip_zeros(buf_head(&r->in), len) == len)
		return end_with(r, TXNLOG_CLEAN);
	pr.expected =
	    len < ENTRY_FRONT ? ENTRY_FRONT : get_be32(buf_head(&r->in) + 8) + (uint64_t)TXNLOG_ENTRY_EXTRA;
	return begin_scan(r, TXNLOG_TORN, &pr);
}

static int
step_entries(struct txnlog_reader *r, struct txnlog_entry *e)
{
	struct probe pr;
	size_t have = buf_len(&r->in);

	if (have >= ENTRY_FRONT && skip_zeros(buf_head(&r->in), ENTRY_FRONT) == ENTRY_FRONT) {
		pr = (struct probe){ .what = "zeros" };
		return begin_scan(r, TXNLOG_CLEAN, &pr);
	}
	switch (probe_entry(r, &pr)) {
	case VALID:
		return take_entry(r, e, pr.total);
	case SHORT:
		return at_end(r) ? end_unfinished(r) : want_bytes(r);
	default:
		return begin_scan(r, TXNLOG_TORN, &pr);
	}
}

/*
 * Zeros from r->run up to offset `to`: is one sector of them whole? The first may have begun before the bad
 * record; the four zeros that any entry begins with prove nothing.
 */
static void
note_zeros(struct txnlog_reader *r, uint64_t to)
{
	uint64_t edge = to - to % TXNLOG_SECTOR;
	uint64_t least = r->run <= r->end.good ? 5 : TXNLOG_SECTOR;

	if (edge >= r->run + least)
		r->end.lost_sector = true;
}

/* Drops n scanned bytes, keeping the account of lost sectors up to the first valid entry. */
static void
discard(struct txnlog_reader *r, size_t n)
{
	const uint8_t *p = buf_head(&r->in);

	for (size_t i = 0; i < n && r->scan_kind != TXNLOG_DAMAGED;) {
		size_t zeros = skip_zeros(p + i, n - i);
		i += zeros;
		if (zeros > 0)
			note_zeros(r, r->offset + i);
		if (i < n) {
			r->run = r->offset + ++i;
			if (r->scan_kind == TXNLOG_CLEAN)
				r->scan_kind = TXNLOG_TORN;
		}
	}
	buf_consume(&r->in, n);
	r->offset += n;
}

/* The buffer begins with at least ENTRY_FRONT zeros: go to where the next entry could begin. */
static int
scan_zeros(struct txnlog_reader *r)
{
	size_t len = buf_len(&r->in), first = skip_zeros(buf_head(&r->in), len);

	discard(r, first - CHECKSUM_ZEROS);
	if (first < len)
		return AGAIN;
	/* What stays are zeros too, so pending ones may as well lie before it. */
	r->offset += r->zeros;
	r->zeros = 0;
	return want_bytes(r);
}

static void
count_valid(struct txnlog_reader *r, uint64_t zxid, size_t total)
{
	struct txnlog_end *end = &r->end;

	if (r->scan_kind != TXNLOG_DAMAGED) {
		/* The zeros that it begins with may be the end of the lost sector. */
		note_zeros(r, r->offset + skip_zeros(buf_head(&r->in), CHECKSUM_ZEROS));
		end->resume = r->offset;
		end->resume_zxid = zxid;
		if (r->scan_kind == TXNLOG_NO_HEADER)
			end->good = 0;
		r->scan_kind = TXNLOG_DAMAGED;
	}
	end->after++;
	end->last_end = r->offset + total;
	r->seen = zxid;
	discard(r, total);
}

/* Zxids rise, so one that does not is a chance hit or an old leftover. */
static bool
plausible(const struct txnlog_reader *r, uint64_t *zxid)
{
	*zxid = get_be64(buf_head(&r->in) + ENTRY_FRONT + 12);
	return *zxid > r->end.last_zxid && *zxid > r->seen;
}

static int
step_scan(struct txnlog_reader *r, struct txnlog_entry *e)
{
	size_t have = buf_len(&r->in);
	struct probe pr;
	enum verdict v;
	uint64_t zxid;

	(void)e;
	if (have < TXNLOG_TXN_MIN + TXNLOG_ENTRY_EXTRA && at_end(r)) {
		discard(r, have);
		return end_with(r, r->scan_kind);
	}
	if (have >= ENTRY_FRONT && skip_zeros(buf_head(&r->in), ENTRY_FRONT) == ENTRY_FRONT)
		return scan_zeros(r);
	v = probe_entry(r, &pr);
	if (v == SHORT && !at_end(r))
		return want_bytes(r);
	if (v == VALID && plausible(r, &zxid))
		count_valid(r, zxid, pr.total);
	else
		discard(r, 1);
	return AGAIN;
}

static int
step_ended(struct txnlog_reader *r, struct txnlog_entry *e)
{
	(void)r;
	(void)e;
	return TXNLOG_END;
}

enum txnlog_next
txnlog_reader_next(struct txnlog_reader *r, struct txnlog_entry *e)
{
	static int (*const steps[])(struct txnlog_reader *, struct txnlog_entry *) = {
		[STATE_HEADER] = step_header,
		[STATE_ENTRIES] = step_entries,
		[STATE_SCAN] = step_scan,
		[STATE_ENDED] = step_ended,
	};
	int got;

	buf_consume(&r->in, r->give);
	r->offset += r->give;
	r->give = 0;
	do
		got = steps[r->state](r, e);
	while (got == AGAIN);
	return (enum txnlog_next)got;
}
