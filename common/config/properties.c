/* See properties.h. Each call consumes at least one byte, so a reader always ends. */
#include "properties.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"

void
properties_init(struct properties *p, struct slice text)
{
	*p = (struct properties){ .text = text, .line = 1 };
	buf_init(&p->logical, text.len);
}

void
properties_free(struct properties *p)
{
	buf_free(&p->logical);
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

static bool
is_eol(uint8_t c)
{
	return c == '\n' || c == '\r';
}

static bool
at_end(const struct properties *p)
{
	return p->pos >= p->text.len;
}

/* Passes one line end: \n, \r or \r\n. */
static void
pass_eol(struct properties *p)
{
	if (p->text.data[p->pos] == '\r' && p->pos + 1 < p->text.len && p->text.data[p->pos + 1] == '\n')
		p->pos++;
	p->pos++;
	p->line++;
}

static void
pass_blanks(struct properties *p)
{
	while (!at_end(p) && is_blank(p->text.data[p->pos]))
		p->pos++;
}

static void
pass_comment(struct properties *p)
{
	while (!at_end(p) && !is_eol(p->text.data[p->pos]))
		p->pos++;
}

/* Appends the natural line at pos up to its end; true when an odd backslash at its end continues it. */
static bool
take_natural_line(struct properties *p)
{
	size_t start = p->pos;
	bool backslash = false;

	for (; !at_end(p) && !is_eol(p->text.data[p->pos]); p->pos++)
		backslash = p->text.data[p->pos] == '\\' && !backslash;
	buf_put(&p->logical, p->text.data + start, p->pos - start);
	if (backslash)
		buf_truncate(&p->logical, buf_len(&p->logical) - 1);
	return backslash;
}

/* The next logical line into p->logical; false at the end of the text. *line is where it began. */
static bool
next_logical_line(struct properties *p, int *line)
{
	bool continues = false;

	buf_reset(&p->logical, p->text.len);
	*line = p->line;
	for (;;) {
		pass_blanks(p);
		if (at_end(p))
			return buf_len(&p->logical) > 0;
		uint8_t c = p->text.data[p->pos];
		if (buf_len(&p->logical) == 0) {
			*line = p->line;
			if (c == '#' || c == '!') {
				pass_comment(p);
				continues = false;
				continue;
			}
		}
		if (is_eol(c)) {
			pass_eol(p);
			if (continues && buf_len(&p->logical) > 0)
				return true;
			continues = false;
			continue;
		}
		continues = take_natural_line(p);
		if (at_end(p))
			return buf_len(&p->logical) > 0;
		pass_eol(p);
		if (!continues)
			return true;
	}
}

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* XXXX of \uXXXX at s[0..3]; -1 when malformed. */
static int32_t
utf16_unit(struct slice s)
{
	int32_t unit = 0;

	if (s.len < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_value(s.data[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static size_t
put_utf8(uint8_t *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

/* One \uXXXX, or the two of a surrogate pair, s just behind the first 'u'. Bytes of s used, 0 when malformed.
 */
static size_t
unescape_unicode(struct slice s, uint8_t *out, size_t *outlen)
{
	int32_t unit = utf16_unit(s), low;

	if (unit < 0)
		return 0;
	if (unit < 0xd800 || unit > 0xdfff) {
		*outlen += put_utf8(out + *outlen, (uint32_t)unit);
		return 4;
	}
	if (unit > 0xdbff || s.len < 10 || s.data[4] != '\\' || s.data[5] != 'u')
		return 0;
	low = utf16_unit(slice_of(s.data + 6, s.len - 6));
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	*outlen +=
	    put_utf8(out + *outlen, 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
	return 10;
}

/* s without its escapes, NUL-terminated, trimmed; never longer than s. NULL with *problem set when it has
 * none. */
static char *
unescape(struct slice s, struct arena *a, const char **problem)
{
	uint8_t *out = arena_alloc(a, s.len + 1), *start = out;
	size_t n = 0;

	ASSERT(out != NULL);
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.data[i];
		if (c == '\\' && i + 1 < s.len) {
			static const char from[] = "tnrf", to[] = "\t\n\r\f";
			c = s.data[++i];
			if (c == 'u') {
				size_t used =
				    unescape_unicode(slice_of(s.data + i + 1, s.len - i - 1), out, &n);
				if (used == 0) {
					*problem =
					    "malformed \\u escape; allowed: \\u and four hexadecimal digits "
					    "that name a character";
					return NULL;
				}
				i += used;
				continue;
			}
			const char *found = c == '\0' ? NULL : strchr(from, c);
			if (found != NULL)
				c = (uint8_t)to[found - from];
		} else if (c == '\\') {
			continue;
		}
		out[n++] = c;
	}
	if (memchr(out, '\0', n) != NULL) {
		*problem = "contains a NUL byte";
		return NULL;
	}
	while (n > 0 && out[n - 1] <= ' ')
		n--;
	out[n] = '\0';
	while (*start != '\0' && *start <= ' ')
		start++;
	return (char *)start;
}

/* Splits the logical line at its first unescaped '=', ':' or blank. */
static void
split(struct slice line, struct slice *key, struct slice *value)
{
	size_t i = 0, klen;
	bool backslash = false, separated = false;

	for (; i < line.len; i++) {
		uint8_t c = line.data[i];
		if (!backslash && (c == '=' || c == ':' || is_blank(c)))
			break;
		backslash = c == '\\' && !backslash;
	}
	klen = i;
	for (; i < line.len; i++) {
		uint8_t c = line.data[i];
		if (!separated && (c == '=' || c == ':'))
			separated = true;
		else if (!is_blank(c))
			break;
	}
	*key = slice_of(line.data, klen);
	*value = slice_of(line.data + i, line.len - i);
}

int
properties_next(struct properties *p, struct property *e, struct arena *a)
{
	struct slice key, value;

	*e = (struct property){ 0 };
	if (!next_logical_line(p, &e->line))
		return 0;
	split(buf_slice(&p->logical), &key, &value);
	e->key = unescape(key, a, &e->problem);
	if (e->key == NULL)
		return -EINVAL;
	e->value = unescape(value, a, &e->problem);
	return e->value == NULL ? -EINVAL : 1;
}
