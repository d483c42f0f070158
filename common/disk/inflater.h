/*
 * Inflating a compressed snapshot, whichever way it was compressed. Pure: compressed bytes in, inflated bytes out,
 * bounded steps.
 */
#ifndef DISK_INFLATER_H
#define DISK_INFLATER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"
#include "disk/names.h"

struct inflater;

/* NULL for a kind that is not compressed. */
struct inflater *inflater_new(enum disk_file_kind kind);
void inflater_free(struct inflater *i);
/*
 * Takes from *in, which is advanced past what was used, and appends to out, some 4 MiB at most (SNAPPY_CONTENT_MAX). To
 * be called until it returns 0: then *in is used up, but for what lies behind the stream's end. Bytes added, or -EBADMSG.
 */
int64_t inflater_step(struct inflater *i, struct slice *in, struct buf *out);
/* Whether the stream may end here. */
bool inflater_done(const struct inflater *i);

#endif
