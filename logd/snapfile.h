/*
 * A snapshot on its way to the disk: snapshot.<zxid>.tmp, written and synced in small steps as bytes come, verified by
 * the reader of common/disk, then renamed. Whatever ends earlier leaves only a temporary file, which is removed.
 */
#ifndef LOGD_SNAPFILE_H
#define LOGD_SNAPFILE_H

#include "base/slice.h"
#include "files.h"

struct snapfile;

/* Begins one, exact at zxid; gz: it is stored compressed. Errors as the disk said. */
int snapfile_new(struct snapfile **f, struct store_disk *d, uint64_t zxid, bool gz);
/* Ends it; what is not finished is removed. NULL is harmless. */
void snapfile_free(struct snapfile *f);
/* The next bytes of the file, inflated. -EBADMSG: they are no snapshot; other -errno: the disk failed. */
int snapfile_data(struct snapfile *f, struct slice bytes);
/* All bytes have come: verifies, syncs, renames, syncs the folder. */
int snapfile_finish(struct snapfile *f);
/* After -EBADMSG: what is wrong. */
const char *snapfile_error(const struct snapfile *f);

#endif
