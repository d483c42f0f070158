/* See ip.h. An address is its bytes in network order and their number, 4 or 16; 0 stands for "none". */
#include "ip.h"

#include <stddef.h>

struct address {
	uint8_t bytes[16];
	unsigned len;
	unsigned bits; /* of the prefix */
};

/* Digits of base 10 or 16 at p, at most max_digits; -1 if there are none, too many, or others. */
static int
parse_number(struct slice s, unsigned base, size_t max_digits)
{
	int v = 0;

	if (s.len == 0 || s.len > max_digits)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		unsigned c = s.data[i], d = 99;
		if (c >= '0' && c <= '9')
			d = c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			d = (c | 32) - 'a' + 10;
		if (d >= base)
			return -1;
		v = v * (int)base + (int)d;
	}
	return v;
}

/* Cuts the part before the first `at` off *s; *more says whether there was one. */
static struct slice
next_part(struct slice *s, uint8_t at, bool *more)
{
	const uint8_t *p = s->len == 0 ? NULL : memchr(s->data, at, s->len);
	struct slice part = *s;

	*more = p != NULL;
	if (p != NULL) {
		part.len = (size_t)(p - s->data);
		*s = slice_of(p + 1, s->len - part.len - 1);
	} else {
		*s = slice_of(s->data + s->len, 0);
	}
	return part;
}

static bool
parse_v4(struct slice s, struct address *a)
{
	bool more = true;

	for (int i = 0; i < 4; i++) {
		int v = more ? parse_number(next_part(&s, '.', &more), 10, 9) : -1;
		if (v < 0 || v > 255)
			return false;
		a->bytes[i] = (uint8_t)v;
	}
	a->len = 4;
	return !more;
}

/* Groups of 16 bits; their number, or -1. */
static int
parse_groups(struct slice s, uint8_t out[16])
{
	bool more = s.len > 0;
	int n = 0;

	while (more) {
		int v = parse_number(next_part(&s, ':', &more), 16, 4);
		if (v < 0 || n == 8)
			return -1;
		out[2 * n] = (uint8_t)(v >> 8);
		out[2 * n + 1] = (uint8_t)v;
		n++;
	}
	return n;
}

/* Where "::" is, or s.len. */
static size_t
find_gap(struct slice s)
{
	for (size_t i = 0; i + 1 < s.len; i++)
		if (s.data[i] == ':' && s.data[i + 1] == ':')
			return i;
	return s.len;
}

static bool
parse_v6(struct slice s, struct address *a)
{
	size_t gap = find_gap(s);
	uint8_t tail[16];
	int head, rest;

	a->len = 16;
	head = parse_groups(slice_of(s.data, gap), a->bytes);
	if (gap == s.len)
		return head == 8;
	rest = parse_groups(slice_of(s.data + gap + 2, s.len - gap - 2), tail);
	if (head < 0 || rest < 0 || head + rest >= 8)
		return false;
	memset(a->bytes + 2 * head, 0, 16 - 2 * (size_t)head);
	memcpy(a->bytes + 16 - 2 * (size_t)rest, tail, 2 * (size_t)rest);
	return true;
}

/* An address without or with /bits. */
static bool
parse_prefix(struct slice s, struct address *a)
{
	bool more;
	struct slice addr = next_part(&s, '/', &more);
	int bits;

	if (memchr(addr.data, ':', addr.len) != NULL ? !parse_v6(addr, a) : !parse_v4(addr, a))
		return false;
	a->bits = a->len * 8;
	if (!more)
		return true;
	bits = parse_number(s, 10, 9);
	if (bits < 0 || (unsigned)bits > a->bits)
		return false;
	a->bits = (unsigned)bits;
	return true;
}

bool
ip_valid(struct slice id)
{
	struct address a;

	return id.len > 0 && parse_prefix(id, &a);
}

bool
ip_matches(struct slice shown, struct slice entry)
{
	struct address a, e;

	if (shown.len == 0 || entry.len == 0 || !parse_prefix(shown, &a) || !parse_prefix(entry, &e) ||
	    a.len != e.len)
		return false;
	for (unsigned i = 0; i < e.bits / 8; i++)
		if (a.bytes[i] != e.bytes[i])
			return false;
	return e.bits % 8 == 0 || ((a.bytes[e.bits / 8] ^ e.bytes[e.bits / 8]) >> (8 - e.bits % 8)) == 0;
}
