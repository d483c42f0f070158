/*
 * ZooKeeper's transaction log. The first byte chooses the size of the chunks in which the file arrives. The
 * ending must be told the same whatever the chunks are, and what is whole up to `good` reads the same
 * again.
 */
#include "fuzz.h"

#include <string.h>

#include "disk/txnlog.h"

enum { TXN_MAX = 1 << 16 };

/* Reads a log in chunks; checks the order of what it hands out. */
static struct txnlog_end
read_log(struct slice file, size_t chunk)
{
	struct txnlog_reader r;
	struct txnlog_entry e;
	enum txnlog_next got;
	uint64_t last_end = 0;

	txnlog_reader_init(&r, TXN_MAX);
	while ((got = txnlog_reader_next(&r, &e)) != TXNLOG_END) {
		size_t n = file.len < chunk ? file.len : chunk;
		if (got == TXNLOG_ENTRY) {
			FUZZ_CHECK(e.offset >= last_end &&
				   e.end == e.offset + e.txn.len + TXNLOG_ENTRY_EXTRA);
			FUZZ_CHECK(e.txn.len >= TXNLOG_TXN_MIN && e.txn.len <= TXN_MAX);
			last_end = e.end;
		} else if (n > 0) {
			txnlog_reader_feed(&r, slice_of(file.data, n));
			file = slice_of(file.data + n, file.len - n);
		} else {
			txnlog_reader_eof(&r);
		}
	}
	struct txnlog_end end = r.end;
	txnlog_reader_free(&r);
	return end;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct slice file = slice_of(data + 1, size - 1);
	struct txnlog_end a = read_log(file, (size_t)data[0] + 1), b = read_log(file, SIZE_MAX);
	FUZZ_CHECK(a.kind == b.kind && a.good == b.good && a.entries == b.entries &&
		   a.last_zxid == b.last_zxid);
	FUZZ_CHECK(a.resume == b.resume && a.after == b.after);
	FUZZ_CHECK(a.size == file.len ||
		   a.kind == TXNLOG_FOREIGN); /* of a foreign file only the front is read */
	FUZZ_CHECK(a.good <= file.len);
	if (a.entries > 0) {
		struct txnlog_end cut = read_log(slice_of(file.data, a.good), 4096);
		FUZZ_CHECK(cut.kind == TXNLOG_CLEAN && cut.entries == a.entries &&
			   cut.last_zxid == a.last_zxid);
	}
	return 0;
}
