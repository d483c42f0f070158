/*
 * Streaming inflation of .gz snapshots. Pure: compressed bytes in, inflated bytes out, bounded steps.
 */
#ifndef DISK_GUNZIP_H
#define DISK_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

struct gunzip; /* owns zlib's state */

struct gunzip *gunzip_new(void);
void gunzip_free(struct gunzip *g);
/*
 * Inflates from *in, which is advanced past what was used, into out, at most room bytes (and what out can
 * hold). Call again while *in is not empty or room was used up. Returns bytes added; 0 also when more input
 * is needed; -EBADMSG when the stream is damaged.
 */
int64_t gunzip_step(struct gunzip *g, struct slice *in, struct buf *out, size_t room);
/* Whether the stream has ended with a right trailer. */
bool gunzip_done(const struct gunzip *g);

#endif
