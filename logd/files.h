/*
 * What lies in the version-2 folders, sorted: the view that recovery, loading, cutting and purging share. All of it
 * goes through the disk (disk.h).
 */
#ifndef LOGD_FILES_H
#define LOGD_FILES_H

#include "base/buf.h"
#include "disk/names.h"
#include "disk/txnlog.h"
#include "disk.h"

/* In front of the name of a file that an INSTALL set aside: foreign to everybody, until it is purged. */
#define FILES_ASIDE "zkd.aside."

enum { FILES_TEXT_BYTES = 700 }; /* room for an explanation to the operator */

struct file_name {
	uint64_t zxid;
	enum disk_file_kind kind;
};

/* Owned arrays, by rising zxid. */
struct files {
	struct file_name *logs, *snapshots;
	size_t nlogs, nsnapshots;
};

/*
 * Lists both folders. Snapshots among the logs or logs among the snapshots, where these are two folders, are -EUCLEAN
 * with *why, as ZooKeeper refuses them (FileTxnSnapLog).
 */
int files_list(struct files *f, struct store_disk *d, char why[FILES_TEXT_BYTES]);
void files_free(struct files *f);

/* Index of the newest log that begins at or before zxid, or 0 when all are later. f->nlogs must not be 0. */
size_t files_log_for(const struct files *f, uint64_t zxid);

/*
 * Whether a snapshot looks whole by its header and its last bytes, which is what ZooKeeper looks at before it reads
 * one (SnapStream.isValidSnapshot). 0, -EBADMSG, or what the disk said.
 */
int files_check_snapshot(struct store_disk *d, const struct file_name *name);

/* Size and number of a snapshot's file. */
int files_snapshot_info(struct store_disk *d, const struct file_name *name, struct store_info *info);

/* Reads a small file whole into out; -EFBIG when it does not fit, -ENOENT. */
int files_read_small(struct store_disk *d, enum store_folder folder, const char *name, struct buf *out);
/* Replaces a small file atomically: temporary file NAME.tmp, sync, rename, sync of the folder. */
int files_replace(struct store_disk *d, enum store_folder folder, const char *name, struct slice content);
/* Removes what is there; -ENOENT counts as done. The folder is not synced. */
int files_remove(struct store_disk *d, enum store_folder folder, const char *name);

/* Walks the entries of one log file. */
struct walk {
	struct txnlog_reader reader;
	struct store_disk *disk;
	uint8_t *chunk;
	int handle;
	uint64_t offset;
	struct store_info info;
};

int walk_open(struct walk *w, struct store_disk *d, uint64_t log_zxid);
/* As STORE_COLD. */
int walk_open_cold(struct walk *w, struct store_disk *d, uint64_t log_zxid);
/* Before the first walk_next: from the entry at offset on, behind last_zxid. */
void walk_begin_at(struct walk *w, uint64_t offset, uint64_t last_zxid);
/* 1: an entry, borrowed until the next call; 0: the end, see reader.end; or what the disk said. */
int walk_next(struct walk *w, struct txnlog_entry *e);
void walk_close(struct walk *w);

/* What is wrong at the end of a log, in words: "log.5 at offset 1024: checksum is 0x..., expected 0x...; ...". */
void walk_explain(char text[FILES_TEXT_BYTES], const struct store_disk *d, uint64_t log_zxid,
		  const struct txnlog_end *end);

/*
 * Whether next can follow prev directly: the next number, or the first of a later epoch. A server that stands alone goes on
 * behind the last of an epoch with the one whose counter is 0.
 */
bool zxid_follows(uint64_t prev, uint64_t next);

#endif
