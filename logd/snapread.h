/*
 * Reading one snapshot file, verified while its content streams by, however it is compressed.
 *
 *	while ((ret = snapread_step(r, &bytes)) > 0)
 *		use(bytes);
 *	ret == 0: it was whole
 */
#ifndef LOGD_SNAPREAD_H
#define LOGD_SNAPREAD_H

#include "base/slice.h"
#include "files.h"

struct snapread;

/* Errors as the disk said. */
int snapread_open(struct snapread **r, struct store_disk *d, const struct file_name *name,
		  enum store_open how);
/* NULL is harmless. */
void snapread_close(struct snapread *r);
/*
 * 1: *bytes is the next piece of the content, verified so far, maybe empty, borrowed until the next call; 0: that was
 * all, and it is whole; -EBADMSG: it is damaged; other -errno: it cannot be read.
 */
int snapread_step(struct snapread *r, struct slice *bytes);
/* Where it is damaged (an offset of the inflated content) and how. */
uint64_t snapread_offset(const struct snapread *r);
const char *snapread_error(const struct snapread *r);

#endif
