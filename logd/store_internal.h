/* What the parts of the store share: store.c (append, commit, failure), recover.c (opening), cut.c (TRUNC, epochs). */
#ifndef LOGD_STORE_INTERNAL_H
#define LOGD_STORE_INTERNAL_H

#include "base/buf.h"
#include "mark.h"
#include "store.h"

/* Where the durable part of the newest log ends. */
struct store_end {
	bool exists;       /* there is a log file with entries */
	uint64_t log_zxid; /* its name */
	uint64_t offset;   /* one past its last durable entry */
	uint64_t zxid;     /* of that entry */
	uint64_t size;     /* of the file, padding included */
	uint64_t zeros;    /* up to here zeros were written ahead; UINT64_MAX: no more are to be */
};

struct store {
	struct store_disk *disk;
	struct store_settings settings;
	struct trace *trace;

	struct store_end end;
	int handle;             /* of the log at end.log_zxid, or -1 */
	struct store_info info; /* of that file, as of when it was opened */
	bool roll;              /* the next batch begins a new file */

	struct buf batch;
	uint64_t batch_first; /* zxid */
	uint32_t batch_txns;
	uint64_t last; /* zxid last appended, durable or not */
	uint64_t durable;

	uint64_t snapshot_zxid;
	uint32_t accepted_epoch, current_epoch;
	uint64_t partial;   /* the log went so far before a snapshot took its place; 0: none did since */
	struct buf members; /* text of the newest list, see members.c */
	bool stored[2];     /* epochs.c: which of them its file holds for certain */

	uint64_t since_txns, since_bytes; /* since the last snapshot was begun */
	uint64_t due_txns, due_bytes;     /* when the next one is; UINT64_MAX: never by bytes */
	bool snapshot_running;
	bool await_load; /* the tree may be of a history that was given up */
	uint64_t snapshot_not_before_ms;
	uint64_t random;

	char failed[FILES_TEXT_BYTES]; /* "" while the disk works */
	bool cut_pending;              /* the failed log is still to be cut to end.offset */
	uint64_t failed_log;           /* its zxid */
	bool failed_log_empty;         /* nothing in it is durable: it is removed instead */
	uint64_t retry_ms;

	struct mark found; /* what zkd.mark said at the start */
	bool vouched;      /* and that it is of this folder and of no other program's time */
	struct mark mark;  /* what it says now */
	uint64_t mark_ms;  /* when it is to be written next; UINT64_MAX: nothing to write */

	uint64_t now_ms;     /* the latest that was told */
	uint64_t reserve_ms; /* when the reserve is to be filled; UINT64_MAX: not now */
	bool reserve_due;    /* the helper is to do it */
	bool reserve_held;

	bool allocating;
	struct store_chore trim;

	uint64_t txns, bytes, syncs, sync_max_us;
	uint32_t samples_us[STORE_SYNC_SAMPLES];
};

/* Of data that is damaged or missing, in a refusal. */
#define STORE_WAY_OUT                                                                                        \
	"the way out: restore the file from a backup; in an ensemble, move the version-2 folders away and "  \
	"let the server fetch its data from the leader"

/* recover.c: fills in positions and end of a fresh store. As store_open. */
int recover(struct store *s, char why[FILES_TEXT_BYTES]);

/* Explains a refusal; -EUCLEAN. */
int store_refuse(char why[FILES_TEXT_BYTES], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Explains what the disk said, unless that was done already; the error. */
int store_disk_error(char why[FILES_TEXT_BYTES], int error, const char *doing, const struct store *s,
		     enum store_folder folder);
/*
 * vouch.c: reads zkd.mark, into s->found, and whether it binds: not one that was copied here, and not where another
 * program was a member of a later epoch on this folder since, for its leader may have had it cut its log.
 */
int vouch_read(struct store *s);
/* The newest log is never purged: if the one of the mark is not there a later one must be. 0 or refused. */
int vouch_log(struct store *s, const struct files *f, char why[FILES_TEXT_BYTES]);
/* Before anything is changed: whether a history that ends at last, or with the snapshot, is all. 0 or refused. */
int vouch_history(struct store *s, uint64_t last, char why[FILES_TEXT_BYTES]);
/* recover.c: removes temporary files. 0 or what the disk said. */
int store_clean(struct store *s);
/* cut.c: the history ends at zxid, behind that snapshot; all there was of logs is closed. */
void store_begin_anew(struct store *s, uint64_t zxid, uint64_t snapshot_zxid);
/* install.c: finishes an install that a crash interrupted behind its commit point. 0 or what the disk said. */
int install_recover(struct store *s);
/* partial.c: a snapshot at zxid is about to take the place of the log. What the disk said. */
int partial_begin(struct store *s, uint64_t zxid);
/* partial.c: nothing is here, and nobody knows what there was. What the disk said. */
int partial_begin_empty(struct store *s);
/* The leader's history is here, whatever its length. What the disk said. */
int partial_end(struct store *s);
/* Behind the positions. What the disk said. */
int partial_recover(struct store *s);
/* members.c: what the file holds. What the disk said. */
int members_recover(struct store *s);
/* epochs.c: whether the files speak of epochs beyond these. 0 or what the disk said. */
int epochs_beyond(struct store *s, uint32_t accepted, uint32_t current, bool *beyond);
/* epochs.c: what the files hold for certain; 0: nothing. */
void epochs_stored(const struct store *s, uint32_t *accepted, uint32_t *current);
/* epochs.c: the epochs, of their files or of the durable zxid. As store_open. */
int epochs_recover(struct store *s, char why[FILES_TEXT_BYTES]);

/* store.c: zkd.mark says what is durable now. Advice only: one that cannot be written is an old one. */
void store_mark(struct store *s, bool sync);
/* store.c: whether what ended with that error may be tried once more, because space was given back for it. */
bool store_made_room(struct store *s, int error);
/* store.c: the disk failed at what, in where; everything that is not durable is forgotten, the open log with it. */
void store_fail(struct store *s, uint64_t now_ms, const char *what, const char *where, int error);
/* store.c: when snapshots are due anew, from now on. */
void store_schedule_snapshot(struct store *s);
/* Closes the log in use, if any. */
void store_drop_log(struct store *s);

#endif
