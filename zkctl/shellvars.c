/* See shellvars.h. Every step of the reader consumes a byte, so that it always ends. */
#include "shellvars.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"

struct reader {
	struct shellvars *vars;
	const char *p, *end;
	int line;
	struct buf word; /* the value being read */
};

void
shellvars_init(struct shellvars *s, struct arena *arena)
{
	*s = (struct shellvars){ .arena = arena };
}

static const struct shellvar *
find(const struct shellvars *s, const char *name, size_t len)
{
	for (size_t i = 0; i < s->n; i++)
		if (strlen(s->v[i].name) == len && memcmp(s->v[i].name, name, len) == 0)
			return &s->v[i];
	return NULL;
}

const struct shellvar *
shellvars_find(const struct shellvars *s, const char *name)
{
	return find(s, name, strlen(name));
}

static const char *
copy(struct shellvars *s, const void *text, size_t len)
{
	char *out = arena_alloc(s->arena, len + 1);

	ASSERT(out != NULL);
	memcpy(out, text, len);
	out[len] = '\0';
	return out;
}

static void
assign(struct reader *r, const char *name, size_t len, int line)
{
	struct shellvars *s = r->vars;
	const struct shellvar *old = find(s, name, len);
	struct shellvar *v = old != NULL ? &s->v[old - s->v] : &s->v[s->n];

	if (old == NULL && s->n == SHELLVARS_MAX)
		return;
	s->n += old == NULL;
	*v = (struct shellvar){ copy(s, name, len), copy(s, buf_head(&r->word), buf_len(&r->word)), line };
}

static size_t
name_length(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end &&
	       (isalpha((unsigned char)p[n]) || p[n] == '_' || (n > 0 && isdigit((unsigned char)p[n]))))
		n++;
	return n;
}

/* The next byte, counted. */
static char
take(struct reader *r)
{
	char c = *r->p++;

	r->line += c == '\n';
	return c;
}

/* At a '$': what the variable holds, or itself where that is not known. ${NAME:-word} is its word where NAME is unset. */
static void
take_variable(struct reader *r)
{
	const char *begin = r->p, *name = r->p + 1, *word = NULL, *stop;
	bool braces = name < r->end && *name == '{';
	const struct shellvar *v;
	size_t len;

	name += braces;
	len = name_length(name, r->end);
	stop = name + len;
	if (braces) {
		word = stop + 2 <= r->end && stop[0] == ':' && stop[1] == '-' ? stop + 2 : NULL;
		while (stop < r->end && *stop != '}' && *stop != '\n')
			stop++;
	}
	if (len == 0 || (braces && (stop == r->end || *stop != '}'))) {
		buf_put_u8(&r->word, (uint8_t)take(r));
		return;
	}
	v = find(r->vars, name, len);
	if (v != NULL)
		buf_put(&r->word, v->value, strlen(v->value));
	else if (word != NULL)
		buf_put(&r->word, word, (size_t)(stop - word));
	else
		buf_put(&r->word, begin, (size_t)(stop + braces - begin));
	r->p = stop + braces;
}

static void
take_quoted(struct reader *r, char quote)
{
	while (r->p < r->end && *r->p != quote) {
		if (quote == '"' && *r->p == '$') {
			take_variable(r);
			continue;
		}
		if (quote == '"' && *r->p == '\\' && r->p + 1 < r->end &&
		    strchr("\\\"$`\n", r->p[1]) != NULL) {
			r->p++;
			if (*r->p == '\n') {
				take(r);
				continue;
			}
		}
		buf_put_u8(&r->word, (uint8_t)take(r));
	}
	if (r->p < r->end)
		r->p++;
}

/* A value up to a blank, a semicolon or the end of its line. */
static void
take_value(struct reader *r)
{
	buf_reset(&r->word, SIZE_MAX);
	while (r->p < r->end && !isspace((unsigned char)*r->p) && strchr(";&|()", *r->p) == NULL) {
		char c = *r->p;
		if (c == '\'' || c == '"') {
			r->p++;
			take_quoted(r, c);
		} else if (c == '$') {
			take_variable(r);
		} else if (c == '\\' && r->p + 1 < r->end) {
			r->p++;
			c = take(r);
			if (c != '\n')
				buf_put_u8(&r->word, (uint8_t)c);
		} else {
			buf_put_u8(&r->word, (uint8_t)take(r));
		}
	}
}

/* A word of a command line: an assignment, or passed over. */
static void
take_word(struct reader *r)
{
	size_t len = name_length(r->p, r->end);
	const char *name = r->p;
	int line = r->line;
	bool assigns = len > 0 && r->p + len < r->end && r->p[len] == '=';

	if (assigns)
		r->p += len + 1;
	const char *before = r->p;
	take_value(r);
	if (assigns)
		assign(r, name, len, line);
	else if (r->p == before)
		take(r); /* a separator */
}

void
shellvars_read(struct shellvars *s, struct slice text)
{
	struct reader r = { .vars = s, .p = (const char *)text.data, .line = 1 };

	r.end = r.p + text.len;
	buf_init(&r.word, SHELLVARS_TEXT_MAX);
	while (r.p < r.end) {
		if (isspace((unsigned char)*r.p))
			take(&r);
		else if (*r.p == '#')
			while (r.p < r.end && *r.p != '\n')
				r.p++;
		else
			take_word(&r);
	}
	buf_free(&r.word);
}
