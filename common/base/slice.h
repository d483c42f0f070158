/*
 * A borrowed run of bytes. A slice owns nothing: whoever hands it out says how long it lives.
 * ZooKeeper tells a null buffer or string (length -1 on the wire) from an empty one: null is data == NULL,
 * empty is data != NULL with len 0.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *data;
	size_t len;
};

#define SLICE_NULL ((struct slice){ NULL, 0 })
/* A string literal as a slice, without its NUL. */
#define SLICE_LIT(s) ((struct slice){ (const uint8_t *)(s), sizeof(s) - 1 })

static inline struct slice
slice_of(const void *data, size_t len)
{
	return (struct slice){ (const uint8_t *)data, len };
}

/* A C string as a slice; NULL gives the null slice. */
static inline struct slice
slice_str(const char *s)
{
	return s == NULL ? SLICE_NULL : slice_of(s, strlen(s));
}

/* Same bytes; null and empty are equal here. */
static inline bool
slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

#endif
