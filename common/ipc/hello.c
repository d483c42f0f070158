/* See hello.h. */
#include "ipc/hello.h"

#include <string.h>

void
hello_fill(Zkd__Hello *h, const struct hello_identity *mine)
{
	zkd__hello__init(h);
	h->daemon = (char *)mine->daemon;
	h->suite = (char *)mine->suite;
	h->config_hash.data = (uint8_t *)mine->config_hash;
	h->config_hash.len = HELLO_HASH_BYTES;
	h->incarnation = mine->incarnation;
}

enum hello_verdict
hello_check(const Zkd__Hello *h, const struct hello_identity *mine, const char *expected_daemon,
	    const char **why)
{
	if (strcmp(h->daemon, expected_daemon) != 0) {
		*why = "another daemon than expected";
		return HELLO_STRANGER;
	}
	if (strcmp(h->suite, mine->suite) != 0) {
		*why = "another version of the suite";
		return HELLO_MISMATCH;
	}
	if (h->config_hash.len != HELLO_HASH_BYTES ||
	    memcmp(h->config_hash.data, mine->config_hash, HELLO_HASH_BYTES) != 0) {
		*why = "another configuration";
		return HELLO_MISMATCH;
	}
	if (h->incarnation == 0) {
		*why = "no incarnation number";
		return HELLO_STRANGER;
	}
	return HELLO_WELCOME;
}
