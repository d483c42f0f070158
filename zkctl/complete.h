/* How a command line may go on: for the shells' completion files, and for zkctl shell. */
#ifndef ZKCTL_COMPLETE_H
#define ZKCTL_COMPLETE_H

#include "zkctl.h"

enum complete_kind {
	COMPLETE_WORDS, /* a word is whole: a space may follow */
	COMPLETE_PATHS, /* paths of znodes: more may follow without a space */
	COMPLETE_FILES, /* names of files, which the shell knows better */
};

/*
 * Offers each way in which the last of the words may go on, about may be NULL. words are those behind "zkctl" (in our
 * shell: all), the last one may be "". Says nothing on standard error but what data_open has to say.
 */
enum complete_kind complete(const struct options *base, int nwords, char **words,
			    void (*offer)(void *ctx, const char *word, const char *about), void *ctx);

#endif
