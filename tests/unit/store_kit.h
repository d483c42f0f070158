/*
 * What the store's tests share: txns, snapshots, loads, on a disk in memory. Names are short here; what fails, fails the
 * test.
 */
#ifndef TESTS_STORE_KIT_H
#define TESTS_STORE_KIT_H

#include "base/buf.h"
#include "fake_disk.h"
#include "logd/load.h"
#include "logd/scrub.h"
#include "logd/snapfile.h"
#include "logd/store.h"

enum { TXN_BYTES = 200, ENTRY_BYTES = TXN_BYTES + TXNLOG_ENTRY_EXTRA };
#define ENTRY_AT(n) (TXNLOG_HEADER_BYTES + (size_t)(n)*ENTRY_BYTES)

extern const struct store_settings ordinary;
/* What the newest refusal said. */
extern char why[FILES_TEXT_BYTES];

/* For those that trace: every second one is opened with nobody to listen. */
struct trace *listener(void);

void fill_txn(uint8_t txn[TXN_BYTES], uint64_t zxid);
int append(struct store *s, uint64_t zxid);
struct store *must_open(struct fake_disk *f);
/* Appends first..last, committed in batches of n. */
void append_range(struct store *s, uint64_t first, uint64_t last, uint64_t n);
/* A life: opens, appends first..last one by one, closes. */
void live_and_write(struct fake_disk *f, uint64_t first, uint64_t last);
/* What the helper does, until nothing more is asked of it. */
void do_chores(struct fake_disk *f, struct store *s);

/* What a load brought. */
struct loaded {
	unsigned snapshots;
	uint64_t snapshot_zxid, first, last, txns, end;
	bool ended, in_snapshot;
	bool log; /* log() came */
	uint64_t log_zxid;
	struct buf data;
};

extern const struct load_events collect;
int load_all(struct fake_disk *f, const struct load_request *request, struct loaded *l);
void must_load(struct fake_disk *f, uint64_t upto, struct loaded *l);

/* A snapshot exact at zxid, as clientd would stream it; and what a leader sends of it. */
void make_snapshot(struct buf *b, uint64_t zxid);
void make_stream(struct buf *b, uint64_t zxid);
int write_snapshot(struct fake_disk *f, uint64_t zxid, enum snapfile_form form);
/* Up to where store_install may be called. */
int receive_snapshot(struct fake_disk *f, uint64_t zxid);

/* An open store of txns 1 to 12, in log.1, log.5 and log.9, with snapshots at 0, 4 and 8. */
struct store *make_history(struct fake_disk *f);

void scrub_all(struct fake_disk *f, uint64_t upto, struct scrub_result *r);
/* Turns a bit of a file. */
void flip(struct fake_disk *f, enum store_folder folder, const char *name, size_t at);

#endif
