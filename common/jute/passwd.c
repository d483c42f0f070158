/* See passwd.h. The bytes are four steps of java.util.Random, a linear congruential generator of 48 bits. */
#include "jute/passwd.h"

#include <stddef.h>

#define RANDOM_MULTIPLIER 0x5DEECE66Du
#define RANDOM_ADDEND     0xBu
#define RANDOM_MASK       ((UINT64_C(1) << 48) - 1)
#define PASSWD_SEED       0xB3415C00u /* ZooKeeper's "super secret" */

void
passwd_derive(int64_t session, uint8_t out[PASSWD_BYTES])
{
	uint64_t state = (((uint64_t)session ^ PASSWD_SEED) ^ RANDOM_MULTIPLIER) & RANDOM_MASK;

	for (size_t i = 0; i < PASSWD_BYTES; i += 4) {
		state = (state * RANDOM_MULTIPLIER + RANDOM_ADDEND) & RANDOM_MASK;
		uint32_t word = (uint32_t)(state >> 16);
		for (size_t k = 0; k < 4; k++)
			out[i + k] = (uint8_t)(word >> (8 * k));
	}
}

bool
passwd_check(int64_t session, struct slice passwd)
{
	uint8_t right[PASSWD_BYTES], differs = 0;

	if (passwd.data == NULL || passwd.len != PASSWD_BYTES)
		return false;
	passwd_derive(session, right);
	for (size_t i = 0; i < PASSWD_BYTES; i++)
		differs |= (uint8_t)(right[i] ^ passwd.data[i]);
	return differs == 0;
}
