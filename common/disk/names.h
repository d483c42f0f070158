/*
 * Names of the files in a version-2 folder, as ZooKeeper gives them (FileTxnLog, FileSnap): log.<hex zxid>,
 * snapshot.<hex zxid>, snapshot.<hex zxid>.gz, snapshot.<hex zxid>.snappy. Everything else is foreign and
 * left alone.
 */
#ifndef DISK_NAMES_H
#define DISK_NAMES_H

#include <stdint.h>

enum disk_file_kind {
	DISK_FOREIGN,
	DISK_LOG,      /* zxid = first txn in the file */
	DISK_SNAPSHOT, /* zxid = last processed when writing began */
	DISK_SNAPSHOT_GZ,
	DISK_SNAPSHOT_SNAPPY,
};

enum { DISK_NAME_BYTES = 40 }; /* room for any name made here, with its NUL */

/* What name is, with *zxid set unless it is foreign. */
enum disk_file_kind disk_name_parse(const char *name, uint64_t *zxid);
/* The name of a file of that kind, which must not be DISK_FOREIGN, written to out. */
void disk_name_make(char out[DISK_NAME_BYTES], enum disk_file_kind kind, uint64_t zxid);

#endif
