/*
 * Reader of the Java Properties syntax, which is zoo.cfg's: '#' and '!' comments, key=value, key:value and
 * key value, a backslash that continues the line, the escapes \t \n \r \f \uXXXX, and \c for any other c.
 * Source: java.util.Properties.load (LineReader and loadConvert), compared with a running JVM.
 *
 * Two differences, both on purpose. Bytes above 0x7f are passed on as they stand (Java reads Latin-1, which
 * garbles a UTF-8 path); \uXXXX becomes UTF-8. A NUL, an unpaired surrogate and a malformed \u are refused.
 */
#ifndef CONFIG_PROPERTIES_H
#define CONFIG_PROPERTIES_H

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

struct properties {
	struct slice text; /* borrowed */
	size_t pos;
	int line;           /* of the next byte, from 1 */
	struct buf logical; /* the logical line in work */
};

struct property {
	int line;            /* where it began, from 1 */
	char *key;           /* unescaped; trimmed at both ends of bytes <= 0x20, as QuorumPeerConfig does */
	char *value;         /* likewise */
	const char *problem; /* set with -EINVAL: what is wrong with it */
};

void properties_init(struct properties *p, struct slice text);
void properties_free(struct properties *p);

/*
 * The next entry, its strings in a. Returns 1, 0 at the end, -EINVAL for an entry that has no meaning
 * (problem and line are set; reading may go on).
 */
int properties_next(struct properties *p, struct property *e, struct arena *a);

#endif
