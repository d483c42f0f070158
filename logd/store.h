/*
 * The store: ZooKeeper's transaction log, snapshots' bookkeeping and epoch files of one server. A pure core but for
 * the disk (disk.h), which it calls and waits for. logd's shell feeds it; the jobs that read or write much (load.h,
 * snapfile.h, purge.h) run beside it, on the same folders, in logd's helper.
 *
 * Promises
 *   - What store_durable says is on the disk, names and all, in a form that ZooKeeper reads.
 *   - After a failed write or sync the same pages are never tried again: the file is dropped, and every second the
 *     store cuts it to what is durable and proves that the disk works before it takes anything (ATC'20: a sync that is
 *     repeated after a failure lies).
 *   - On a full disk the epoch files can still be written and the log cut, out of the reserve.
 *   - Opening cuts what can never have been durable, and nothing else. A damaged record that was durable, or that may
 *     have been, is refused with an explanation.
 *
 * How the two are told apart. A batch is one write and one sync, at most STORE_BATCH_BYTES, and the next is not begun
 * before; so only the bytes of the last batch can be lost by a power failure, in sectors of any order. The file zkd.mark
 * beside the snapshots says how far which log was durable at least (never more; it is written without haste, and is
 * bound to itself and the log by their file numbers, so that a copied folder is judged without it). A bad record is cut
 *   - when nothing valid follows it, and the mark does not claim it;
 *   - when valid ones follow within a batch's length, the mark does not claim it, and it holds a sector of zeros, as
 *     only a write that did not happen leaves it.
 *
 * A file that is missing leaves no trace but the mark: the log that it names, or a later one, must be there, and the
 * history must go as far, and so must a member's epochs. A log is named there, on the disk, before anything in it is
 * called durable, and after a cut or an install it names the zxid alone. It does not bind where the epoch files speak of
 * epochs beyond those that were stored here: then another program was a member on this folder, whose leader may have had
 * it cut its log. That is told, and the folder believed.
 */
#ifndef LOGD_STORE_H
#define LOGD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/trace.h"
#include "disk.h"
#include "files.h"

enum {
	STORE_BATCH_BYTES =
	    4 << 20, /* a batch is committed before it would grow past this; a single txn may be longer */
	STORE_ZEROS_BYTES = 64 << 10,    /* written ahead, so that syncs find the space used */
	STORE_ZEROS_BATCH = 16 << 10,    /* behind batches up to this */
	STORE_RETRY_MS = 1000,           /* between attempts to use a failed disk again */
	STORE_MEMBERS_MAX = 1 << 20,     /* bytes of the list of members */
	STORE_MARK_MS = 1000,            /* zkd.mark is at most this old while txns come */
	STORE_SNAPSHOT_RETRY_MS = 10000, /* after a snapshot that was not finished */
	STORE_RESERVE_RETRY_MS = 60000,  /* after the reserve was spent, or could not be had */
	STORE_SYNC_SAMPLES = 1024,       /* syncs that the percentiles are about */
};

struct store_settings {
	uint32_t
	    snap_count; /* txns between snapshots, as ZooKeeper's snapCount: half, and a random part of the half */
	uint64_t snap_size_bytes; /* the same for log bytes; 0: no limit */
	uint64_t log_size_bytes;  /* a log file past this is closed; 0: no limit */
	uint64_t prealloc_bytes;  /* space is asked for in steps of this; 0: never */
	uint64_t reserve_bytes;   /* size of zkd.reserve (reserve.h); 0: none */
	uint32_t batch_txns;      /* a batch is committed when it has so many; 0: no limit */
	bool force_sync;          /* false: never sync the log (zoo.cfg: forceSync=no) */
	uint64_t sync_warning_ms;
	bool db_autocreate; /* an empty folder may begin a new database */
	bool member; /* of an ensemble: where it may not it begins one that is partial until it has synced */
	bool trust_empty; /* logs without any snapshot are replayed from nothing */
	uint64_t seed;    /* of the random part of snapshot times */
};

struct store;

/*
 * Recovers and opens. 0; -EUCLEAN: refused, *why tells what, where, what was expected and the way out; other -errno:
 * the disk failed, *why tells at what. What is there is on the disk when this returns 0.
 */
int store_open(struct store **s, struct store_disk *d, const struct store_settings *settings, struct trace *t,
	       char why[FILES_TEXT_BYTES]);
/* Writes the mark and closes; what was appended and not committed is gone. NULL is harmless. */
void store_close(struct store *s);

/*
 * Positions. Epochs come from their files, or from the last zxid where there are none; epochs.c says what is made of
 * files that do not fit together.
 */
uint64_t store_durable(const struct store *s);
uint64_t store_snapshot_zxid(const struct store *s);
uint32_t store_accepted_epoch(const struct store *s);
uint32_t store_current_epoch(const struct store *s);

/*
 * Whether the batch has to be committed before a txn of that many bytes is appended: demanded of the caller.
 */
bool store_batch_full(const struct store *s, size_t txn_bytes);
/*
 * Adds a txn to the batch. The zxid must be in the txn's header too, and follow the last appended: +1, or the first of
 * a later epoch. -EPROTO otherwise. While the disk is failed it is dropped: syncd has it, and sends it again.
 */
int store_append(struct store *s, uint64_t zxid, struct slice txn);
/* Writes and syncs the batch. Returns whether store_durable moved. */
bool store_commit(struct store *s, uint64_t now_ms);
/* What is wrong with the disk, or NULL while it works. Appends are to be repeated from store_durable on after it. */
const char *store_failed(const struct store *s);

/*
 * Time has passed: tries a failed disk again, writes the mark. store_deadline says when it wants to be called, in the
 * same clock, UINT64_MAX for never.
 */
void store_tick(struct store *s, uint64_t now_ms);
uint64_t store_deadline(const struct store *s);

/*
 * Cuts the log behind zxid, which must follow without a gap from a whole snapshot at or below it, and removes snapshots
 * above it; the batch must be committed. -ENOENT: it cannot be done and nothing was changed, also because the disk had
 * failed or could not be read. Any other error: the disk failed half-way, the store must be opened anew, and the cut asked
 * for again. Whoever reads the files meanwhile has to be stopped before.
 */
int store_truncate(struct store *s, uint64_t zxid);
/*
 * Puts the snapshot that an intake of kind INTAKE_INSTALL (snapfile.h) has received in place of all there is: logs and
 * snapshots are set aside as zkd.aside.NAME, where recovery does not look and purging finds them; the batch must be
 * committed. -EAGAIN: nothing was changed (the disk had failed, or failed now), and the received file is gone. Any other
 * error: the disk failed half-way, the store must be opened anew, and finds either history whole.
 */
int store_install(struct store *s, uint64_t zxid);
/*
 * Whether the log ends before what it held when a leader's snapshot took its place, and what follows that has not come:
 * the node may lack what it has acked. Ends when it has come, or with epochs that are equal: the leader's whole history
 * is on the disk before those.
 */
bool store_partial(const struct store *s);
/*
 * Stores the epochs, acceptedEpoch first; the batch must be committed. -EPROTO: they are below what is stored, or the
 * accepted one is below the current one. Other -errno: the disk failed, and counts as failed from now on; what the
 * positions say stays, although a new start may find the new epochs, which is no lie: the history came before.
 */
int store_set_epochs(struct store *s, uint32_t accepted, uint32_t current, uint64_t now_ms);

/*
 * Stores the text of the newest list of members that is known here, in force or not; the batch must be committed. -errno:
 * the disk failed, and counts as failed from now on.
 */
int store_set_members(struct store *s, struct slice text, uint64_t now_ms);
/* What was stored last; empty where nothing was. */
struct slice store_members(const struct store *s);

/*
 * Whether a snapshot should be begun now: enough txns or bytes since the last, and none under way. Never between a cut
 * or an install and the next load by the tree's owner, which is told here: its tree may hold what was given up.
 */
bool store_snapshot_due(const struct store *s, uint64_t now_ms);
void store_load_begun(struct store *s);
/* One is due as soon as it may be: what is on the disk is not as good as the tree. */
void store_want_snapshot(struct store *s);
/* One is begun: counts start again, the next txn begins a new log file. */
void store_snapshot_begun(struct store *s);
/* It is on the disk, exact at zxid; or it came to nothing (ok false). */
void store_snapshot_ended(struct store *s, bool ok, uint64_t zxid, uint64_t now_ms);

/* Work for the helper on a log file, or on the reserve, that is not urgent. */
enum store_chore_kind { STORE_NO_CHORE, STORE_ALLOCATE, STORE_TRIM, STORE_RESERVE };

struct store_chore {
	enum store_chore_kind kind;
	uint64_t log_zxid; /* which file */
	uint64_t size;     /* to grow it to, with zeros; or to cut its padding at; of the reserve */
};

/* The next one, STORE_NO_CHORE when there is none. */
struct store_chore store_next_chore(struct store *s);
/* Does it; for the helper, which has its own disk on the same folders. */
int store_do_chore(struct store_disk *d, const struct store_chore *c);
/* It is done, or failed: the file grows by its writes then. */
void store_chore_done(struct store *s, const struct store_chore *c, bool ok);

/* For MSG_STATUS. */
struct store_facts {
	uint64_t log_zxid;    /* name of the log in use; 0: none yet */
	uint64_t log_bytes;   /* used of it */
	uint64_t txns, bytes; /* appended since the start */
	uint64_t txns_since_snapshot;
	uint64_t waiting_txns;             /* appended, and not on the disk */
	uint64_t syncs;                    /* batches written, and synced unless force_sync is off */
	uint64_t sync_p50_us, sync_p99_us; /* of the last STORE_SYNC_SAMPLES */
	uint64_t sync_max_us;
	bool snapshot_running;
	bool reserve_held; /* zkd.reserve has its size */
};

void store_get_facts(const struct store *s, struct store_facts *f);

#endif
