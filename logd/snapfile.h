/*
 * A snapshot on its way to the disk: written and synced in small steps to a temporary file as bytes come, and verified by
 * the reader of common/disk. One of the own tree is then renamed to snapshot.<zxid>. One of a leader, which comes as
 * SNAP has it, gets header and seal, and stays zkd.install.<zxid>.tmp, for store_install. Whatever ends earlier leaves
 * only a temporary file, which is removed.
 */
#ifndef LOGD_SNAPFILE_H
#define LOGD_SNAPFILE_H

#include "base/slice.h"
#include "files.h"

struct snapfile;

#define SNAPFILE_INSTALL "zkd.install."
enum { SNAPFILE_NAME_BYTES = DISK_NAME_BYTES + 16 };

enum snapfile_form {
	SNAPFILE_PLAIN,
	SNAPFILE_GZ,
	SNAPFILE_SNAPPY,
	SNAPFILE_RECEIVED, /* of a leader, stored plain */
};

/*
 * Begins one, exact at zxid. Errors as the disk said; -ENOSPC also later, before less than keep_free bytes are free: a
 * snapshot may not take the space that the log needs (ZOOKEEPER-3082).
 */
int snapfile_new(struct snapfile **f, struct store_disk *d, uint64_t zxid, enum snapfile_form form,
		 uint64_t keep_free);
/* Ends it; what is not finished is removed. NULL is harmless. */
void snapfile_free(struct snapfile *f);
/* The next bytes of the file, inflated. -EBADMSG: they are no snapshot; other -errno: the disk failed. */
int snapfile_data(struct snapfile *f, struct slice bytes);
/* All bytes have come: verifies, syncs, and but for SNAPFILE_RECEIVED renames and syncs the folder. */
int snapfile_finish(struct snapfile *f);
/* A received one that nobody wants. */
void snapfile_remove_received(struct store_disk *d, uint64_t zxid);
/* After -EBADMSG: what is wrong. */
const char *snapfile_error(const struct snapfile *f);

#endif
