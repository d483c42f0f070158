/* See ear.h. */
#include "ear.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LINES = 64, LINE = 512 };

static struct {
	char event[LINE], text[LINE];
} heard[LINES];
static unsigned count;

/* Behind one key=value, or NULL. */
static const char *
skip_pair(const char *s)
{
	const char *at = s;

	while (islower((unsigned char)*at) || *at == '_')
		at++;
	if (at == s || *at++ != '=')
		return NULL;
	if (*at != '"')
		return at + strcspn(at, " ");
	at = strchr(at + 1, '"');
	return at == NULL ? NULL : at + 1;
}

void
ear_judge(const char *event, const char *text)
{
	const char *at = text;

	ck_assert_msg(event[0] != '\0' && event[strspn(event, "abcdefghijklmnopqrstuvwxyz .,")] == '\0',
		      "event \"%s\"", event);
	while ((at = skip_pair(at)) != NULL && *at == ' ')
		at++;
	ck_assert_msg(at != NULL && *at == '\0', "%s: \"%s\" is not key=value ...", event, text);
}

static void
hear(struct trace *t, enum trace_level level, const char *room, const char *event, const char *text)
{
	(void)t;
	(void)level;
	ck_assert_str_ne(room, "");
	ear_judge(event, text);
	snprintf(heard[count % LINES].event, LINE, "%s", event);
	snprintf(heard[count++ % LINES].text, LINE, "%s", text);
}

struct trace ear = { .least = TRACE_DEBUG, .emit = hear };

bool
ear_heard(const char *event, const char *part)
{
	for (unsigned i = 0; i < LINES && i < count; i++)
		if (strcmp(heard[i].event, event) == 0 && strstr(heard[i].text, part) != NULL)
			return true;
	return false;
}

void
ear_forget(void)
{
	count = 0;
}
