/* Four-letter words: the questions to a server that need no session. */
#ifndef ZKCTL_WORDS_H
#define ZKCTL_WORDS_H

#include "zk.h"

enum { WORD_MS = 5000, WORD_ANSWER_MAX = 256 << 20 };

/*
 * The whole answer as text, to be released with mem_free. 0, or an exit status after a complaint, also where the word
 * is not on the server's whitelist.
 */
int word_ask(const struct zk_server *server, const char word[4], char **answer);

/* The same without a complaint: why there is no answer goes into why. */
int word_fetch(const struct zk_server *server, const char word[4], char **answer, char why[ZK_WHY_BYTES]);

/* One server among several that are asked at once. */
struct word_question {
	struct zk_server server;
	/* Filled in: the answer, to be released with mem_free, or NULL and why there is none, a constant. */
	char *answer;
	const char *why;
};

/*
 * Asks all n at once; what has no answer after limit_ms is given up, also where it is the name's look-up that hangs. Each
 * is asked by a child of its own, for a look-up cannot be waited for otherwise. Complains of nothing. An answer is cut
 * at WORD_SHORT_MAX.
 */
enum { WORD_SHORT_MAX = 16 << 10 };
void words_ask_all(struct word_question *q, size_t n, const char word[4], int64_t limit_ms);

/* A word to the node whose control socket is open: whatever its whitelist says. */
struct node;
int word_ask_node(struct node *n, const char *word, char **answer);

#endif
