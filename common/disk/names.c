/* See names.h. Invariant: disk_name_parse accepts exactly what ZooKeeper or disk_name_make writes. */
#include "disk/names.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

static const struct {
	enum disk_file_kind kind;
	const char *prefix, *suffix;
} forms[] = {
	{ DISK_LOG, "log.", "" },
	{ DISK_SNAPSHOT, "snapshot.", "" },
	{ DISK_SNAPSHOT_GZ, "snapshot.", ".gz" },
	{ DISK_SNAPSHOT_SNAPPY, "snapshot.", ".snappy" },
};

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* The number between prefix and suffix: 1 to 16 hex digits, nothing else. */
static bool
parse_form(const char *name, const char *prefix, const char *suffix, uint64_t *zxid)
{
	size_t skip = strlen(prefix), digits = 0;
	uint64_t v = 0;

	if (strncmp(name, prefix, skip) != 0)
		return false;
	for (name += skip; hex_value(*name) >= 0; name++, digits++)
		v = v << 4 | (uint64_t)hex_value(*name);
	if (digits == 0 || digits > 16 || strcmp(name, suffix) != 0)
		return false;
	*zxid = v;
	return true;
}

enum disk_file_kind
disk_name_parse(const char *name, uint64_t *zxid)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (parse_form(name, forms[i].prefix, forms[i].suffix, zxid))
			return forms[i].kind;
	return DISK_FOREIGN;
}

void
disk_name_make(char out[DISK_NAME_BYTES], enum disk_file_kind kind, uint64_t zxid)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (forms[i].kind != kind)
			continue;
		snprintf(out, DISK_NAME_BYTES, "%s%llx%s", forms[i].prefix, (unsigned long long)zxid,
			 forms[i].suffix);
		return;
	}
	ASSERT(!"a file kind with a name");
}
