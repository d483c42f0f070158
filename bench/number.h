/* A whole number of a command line, as bench/hop, sync and write-parts take them. */
#ifndef BENCH_NUMBER_H
#define BENCH_NUMBER_H

#include <stdbool.h>

/* Sets *n if text is a number from 1 to max and nothing else; if not, says so on stderr and returns false. */
bool number_take(const char *program, const char *option, const char *text, long max, long *n);

#endif
