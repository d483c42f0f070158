/*
 * ZooKeeper's transaction log, log.<hex zxid> (ZooKeeper: FileTxnLog).
 *
 *   header   magic "ZKLG", version int 2, dbid long 0
 *   entry    checksum long (Adler-32 of the txn), length int, txn, end byte 0x42      (any number)
 *   padding  zeros to the end of the file (space allocated ahead)
 *
 * The reader is pushed: feed it the file's bytes in chunks of any size, say when the file has ended, and take
 * entries out with txnlog_reader_next. It tells exactly how a log ends, and goes on past a damaged record far
 * enough to say whether valid ones follow. Memory is bounded by the largest txn plus what was fed since the
 * last next().
 *
 *	struct txnlog_reader r;
 *	txnlog_reader_init(&r, TXNLOG_TXN_MAX);
 *	while ((got = txnlog_reader_next(&r, &e)) != TXNLOG_END) {
 *		if (got == TXNLOG_ENTRY)
 *			use(&e);
 *		else if ((n = read(fd, chunk, sizeof chunk)) > 0)	// TXNLOG_MORE
 *			txnlog_reader_feed(&r, slice_of(chunk, n));
 *		else
 *			txnlog_reader_eof(&r);
 *	}
 *	look at r.end; txnlog_reader_free(&r);
 */
#ifndef DISK_TXNLOG_H
#define DISK_TXNLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum {
	TXNLOG_HEADER_BYTES = 16,
	TXNLOG_ENTRY_EXTRA = 13,   /* checksum, length and end byte around a txn */
	TXNLOG_TXN_MIN = 32,       /* a TxnHeader alone */
	TXNLOG_TXN_MAX = 64 << 20, /* as FRAME_BODY_MAX: what the suite itself can carry */
	TXNLOG_SECTOR = 512,       /* the unit in which a disk may lose un-synced writes */
};

/* What every serialized txn begins with. */
struct txnlog_head {
	int64_t session;
	int32_t cxid;
	uint64_t zxid;
	int64_t time_ms; /* wall clock, since 1970 */
	int32_t type;
};

/* Reads the TxnHeader at the front of txn; -EBADMSG when it is too short. */
int txnlog_peek(struct slice txn, struct txnlog_head *head);

struct txnlog_entry {
	uint64_t offset; /* of its checksum in the file */
	uint64_t end;    /* offset one past its end byte */
	struct txnlog_head head;
	struct slice txn; /* borrowed until the next call on the reader */
};

enum txnlog_end_kind {
	/* End of file, or zeros up to it, right behind a valid entry or the header. */
	TXNLOG_CLEAN,
	/* The file ends inside its header, or is all zeros: a crash when it was made. No entry is lost. */
	TXNLOG_NO_HEADER,
	/* Not a log: magic or version is another. */
	TXNLOG_FOREIGN,
	/*
	 * The last record is unfinished: cut by the end of the file, without end byte, or with a wrong
	 * checksum, and nothing valid behind it.
	 */
	TXNLOG_TORN,
	/* A record is damaged and valid ones follow at `resume`. */
	TXNLOG_DAMAGED,
};

/* How the log ended. Offsets are in the file. */
struct txnlog_end {
	enum txnlog_end_kind kind;
	uint64_t good;      /* one past the last valid entry before any trouble: where to append, or to cut */
	uint64_t last_zxid; /* of that entry; 0 when there is none */
	uint64_t entries;   /* valid ones up to good */
	uint64_t size;      /* bytes of the file */
	/* Of the first bad record (TORN, DAMAGED), which begins at good. */
	const char
	    *what; /* "checksum", "length", "end byte", "zeros", "unfinished"; FOREIGN: "magic", "version" */
	uint64_t expected, found; /* of the field named by what */
	bool complete;            /* length and end byte stand, only the content is wrong */
	bool lost_sector; /* holds a whole sector of zeros, as an un-synced write leaves it after a power loss
			   */
	/* DAMAGED. */
	uint64_t resume; /* offset of the first valid entry behind it */
	uint64_t resume_zxid;
	uint64_t last_end; /* one past the last valid entry of the file */
	uint64_t after;    /* valid entries behind it */
};

enum txnlog_next {
	TXNLOG_ENTRY, /* *e is filled */
	TXNLOG_MORE,  /* feed, or say eof */
	TXNLOG_END,   /* nothing more comes; look at r->end */
};

struct txnlog_reader {
	struct txnlog_end end;
	/* Private. */
	struct buf in;
	uint64_t offset; /* in the file, of the first unread byte */
	uint64_t zeros;  /* zeros fed behind what is in the buffer, not yet taken in */
	size_t max_txn;
	size_t give; /* bytes of the entry handed out last, dropped at the next call */
	int state;
	bool eof;
	enum txnlog_end_kind scan_kind; /* what the end will be called unless more is found */
	uint64_t run;                   /* scanning: offset where the zeros just passed began */
	uint64_t seen;                  /* scanning: zxid of the last valid entry behind the damage */
};

/* For a whole file; txns longer than max_txn count as damage. */
void txnlog_reader_init(struct txnlog_reader *r, size_t max_txn);
/* From the entry at offset on, without looking for a header: to go on at end.resume, or where an earlier run
 * stopped. */
void txnlog_reader_init_at(struct txnlog_reader *r, size_t max_txn, uint64_t offset, uint64_t last_zxid);
void txnlog_reader_free(struct txnlog_reader *r);
/* The next bytes of the file; copied. */
void txnlog_reader_feed(struct txnlog_reader *r, struct slice chunk);
/* The same for n zeros, such as a hole: costs nothing in padding. */
void txnlog_reader_feed_zeros(struct txnlog_reader *r, uint64_t n);
/* The file has no more bytes. */
void txnlog_reader_eof(struct txnlog_reader *r);
enum txnlog_next txnlog_reader_next(struct txnlog_reader *r, struct txnlog_entry *e);

/* Appends a log's header. */
void txnlog_put_header(struct buf *out);
/* Appends one entry: checksum, length, txn, end byte. txn must hold a TxnHeader at least. */
void txnlog_put_entry(struct buf *out, struct slice txn);

#endif
