/*
 * What the files of the four-letter words share. A word is answered in one go, by a function that appends to `out`.
 * Lists, whose length clients choose, end early: list_more says when (CVE-2017-5637: a word that costs what all watches
 * cost, asked again and again, leaves no time for anybody else).
 */
#ifndef CLIENTD_WORDS_H
#define CLIENTD_WORDS_H

#include "front_int.h"

enum {
	LIST_MAX_BYTES =
	    4 << 20, /* of the lists in one answer, LIST_ITEM_COST for each item looked at included */
	LIST_SECOND_BYTES = 16 << 20, /* of all answers in one second */
	LIST_ITEM_COST = 16,
};

struct word_call {
	struct front *f;
	const struct front_conn *asker;
	struct buf *out;
	size_t mark; /* length of out when the last item was paid for */
	size_t left; /* what the lists may still cost */
	bool cut;    /* a list has ended early */
};

typedef void word_fn(struct word_call *w);

/* One line at most. */
void word_put(struct word_call *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether one more item may be looked at and printed. Once it was false it stays so, and the answer says it. */
bool list_more(struct word_call *w);
/* An average as Java prints a double rounded to four places: "0.0", "1.25". */
const char *word_average(uint64_t total, uint64_t count, char text[32]);

/* ---- word_lists.c ---- */
word_fn word_stat, word_cons, word_dump, word_wchs, word_wchc, word_wchp, word_hash;
/* What stat and srvr have in common: their first lines, and their last. */
word_fn word_put_head, word_put_server;

/* ---- word_mntr.c ---- */
word_fn word_mntr;

#endif
