/*
 * Streaming compression of snapshots to the .gz form. Pure.
 */
#ifndef DISK_GZIP_H
#define DISK_GZIP_H

#include "base/buf.h"
#include "base/slice.h"

struct gzip; /* owns zlib's state */

struct gzip *gzip_new(void);
void gzip_free(struct gzip *g);
/* Takes all of in; what is ready is appended to out, whose sticky error tells when it did not fit. */
void gzip_put(struct gzip *g, struct slice in, struct buf *out);
/* The rest, and the trailer. */
void gzip_finish(struct gzip *g, struct buf *out);

#endif
