/* See json.h. */
#include "json.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

void
json_print(json_t *v)
{
	ASSERT(v != NULL);
	json_dumpf(v, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(v);
}

json_t *
json_text(const char *s)
{
	json_t *v = json_string(s);
	char *plain;

	if (v != NULL)
		return v;
	plain = mem_strndup(s, strlen(s));
	for (char *p = plain; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	v = json_string(plain);
	mem_free(plain);
	return v;
}
