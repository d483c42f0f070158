/* See quote.h. */
#include "base/quote.h"

/* The code point of the well-formed UTF-8 sequence of *len bytes at p; 0 when it is none. */
static uint32_t
decode(const uint8_t *p, size_t left, size_t *len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c;

	*len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
	if (*len == 0 || *len > left)
		return 0;
	c = *len == 1 ? p[0] : p[0] & (0x7fu >> *len);
	for (size_t i = 1; i < *len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[*len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : c;
}

/* Neither a control character nor one that moves what stands beside it. */
static bool
is_plain(uint32_t c)
{
	return c >= 0x20 && (c < 0x7f || c >= 0xa0) && (c < 0x200b || c > 0x200f) &&
	       (c < 0x2028 || c > 0x202e) && (c < 0x2060 || c > 0x206f) && c != 0xfeff;
}

/* Writes what stands at p as it may stand between quotes; the bytes written, 0 where there is no room. */
static size_t
put_escaped(char *to, size_t room, const uint8_t *p, size_t left, size_t *taken)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t c = decode(p, left, taken);

	if (c == '"' || c == '\\') {
		if (room < 2)
			return 0;
		memcpy(to, (const char[]){ '\\', (char)c }, 2);
		return 2;
	}
	if (c != 0 && is_plain(c)) {
		if (room < *taken)
			return 0;
		memcpy(to, p, *taken);
		return *taken;
	}
	*taken = 1;
	if (room < 4)
		return 0;
	memcpy(to, (const char[]){ '\\', 'x', digits[*p >> 4], digits[*p & 15] }, 4);
	return 4;
}

struct quoted
quote(struct slice value)
{
	static const char cut[] = "...\"";
	struct quoted q;
	size_t n = 0, added, taken, room = sizeof q.text - sizeof cut, i;

	q.text[n++] = '"';
	for (i = 0; i < value.len; i += taken) {
		added = put_escaped(q.text + n, room - n, value.data + i, value.len - i, &taken);
		if (added == 0)
			break;
		n += added;
	}
	memcpy(q.text + n, i < value.len ? cut : "\"", i < value.len ? sizeof cut : 2);
	return q;
}
