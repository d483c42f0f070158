/* See zk_error.h. */
#include "jute/zk_error.h"

#include <stddef.h>

const char *
zk_error_name(int32_t code)
{
	static const struct {
		int32_t code;
		const char *name;
	} names[] = {
#define X(name, code) { code, #name },
		ZK_ERRORS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].code == code)
			return names[i].name;
	return "UNKNOWN";
}
