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

/* The same of the node whose control socket is open: whatever its whitelist says. */
struct node;
int word_ask_node(struct node *n, const char *word, char **answer);

#endif
