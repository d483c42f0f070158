/* "Did you mean": of the words offered the one nearest to what was typed, if it is near enough to be a slip.
 */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

#include <stddef.h>

enum { NEAREST_WORD_MAX = 80 }; /* longer words are near nothing */

struct nearest {
	const char *word; /* what was typed; borrowed */
	const char *best; /* nearest so far, NULL when none is near; borrowed */
	size_t distance;  /* of best; before that the first distance that is too far */
};

void nearest_init(struct nearest *n, const char *word);
void nearest_offer(struct nearest *n, const char *candidate);

#endif
