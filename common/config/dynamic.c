/* See dynamic.h. */
#include "dynamic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "properties.h"
#include "room.h"

enum { EDIT_ARENA_MAX = 8 * CONFIG_TEXT_MAX };

static int
compare_lines(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

void
dynamic_put_list(const struct members *m, struct buf *out)
{
	const char **lines = mem_zalloc(4 * MEMBERS_MAX, sizeof *lines);
	struct buf text;
	char *rest, *line;
	size_t n = 0;

	buf_init(&text, MEMBERS_TEXT_MAX);
	members_put(m, &text);
	buf_put_u8(&text, '\0');
	rest = (char *)text.data;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (strncmp(line, "version", 7) != 0 && n < 4 * MEMBERS_MAX)
			lines[n++] = line;
	qsort(lines, n, sizeof *lines, compare_lines);
	for (size_t i = 0; i < n; i++) {
		buf_put(out, lines[i], strlen(lines[i]));
		buf_put_u8(out, '\n');
	}
	buf_free(&text);
	mem_free(lines);
}

static bool
is_replaced(const char *key, bool erase_client)
{
	static const char *const replaced[] = { "server.", "group", "weight", "dynamicConfigFile",
						"peerType" };

	for (size_t i = 0; i < sizeof replaced / sizeof replaced[0]; i++)
		if (strncmp(key, replaced[i], strlen(replaced[i])) == 0)
			return true;
	return erase_client && strncmp(key, "clientPort", 10) == 0 &&
	       strcmp(key, "clientPortListenBacklog") != 0;
}

/* Passes line ends (\n, \r or \r\n) until *line is wanted. */
static void
pass_lines(struct slice text, size_t *pos, int *line, int wanted)
{
	while (*line < wanted && *pos < text.len) {
		uint8_t c = text.data[(*pos)++];

		if (c == '\r' && *pos < text.len && text.data[*pos] == '\n')
			(*pos)++;
		*line += c == '\r' || c == '\n';
	}
}

static void
put_pointer(const char *list_path, struct buf *out)
{
	struct slice so_far = buf_slice(out);

	if (so_far.len > 0 && so_far.data[so_far.len - 1] != '\n')
		buf_put_u8(out, '\n');
	buf_put(out, "dynamicConfigFile=", 18);
	for (; *list_path != '\0'; list_path++) {
		if (*list_path == '\\')
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)*list_path);
	}
	buf_put_u8(out, '\n');
}

int
dynamic_edit_static(struct slice text, const char *list_path, bool erase_client, struct buf *out)
{
	size_t pos = 0, kept = 0; /* of text: where `line` begins; all before is dealt with */
	struct properties in;
	struct property e;
	struct arena a;
	int line = 1, rc;

	arena_init(&a, EDIT_ARENA_MAX);
	properties_init(&in, text);
	while ((rc = properties_next(&in, &e, &a)) > 0) {
		if (!is_replaced(e.key, erase_client))
			continue;
		pass_lines(text, &pos, &line, e.line);
		buf_put(out, text.data + kept, pos - kept);
		kept = pos = in.pos;
		line = in.line;
	}
	if (rc == 0) {
		buf_put(out, text.data + kept, text.len - kept);
		put_pointer(list_path, out);
	}
	properties_free(&in);
	arena_free(&a);
	return rc;
}
