/*
 * A value that somebody else chose, for a line of the log or of a trace: between quotes, with quotes, backslashes,
 * control characters and what is no UTF-8 escaped, so that nobody can end the value, the field or the line, or turn
 * round what a terminal shows.
 */
#ifndef BASE_QUOTE_H
#define BASE_QUOTE_H

#include "base/slice.h"

enum { QUOTE_BYTES = 400 /* a longer value is cut and ends in ... */ };

struct quoted {
	char text[QUOTE_BYTES];
};

/* Null gives "". */
struct quoted quote(struct slice value);

#endif
