/* See path.h. One pass over characters for their range, one over components for their shape. */
#include "jute/path.h"

/*
 * Bytes of the character at p when ZooKeeper permits it in a path, else 0. Only what has at most three bytes
 * can be permitted. The least lead byte of each form excludes overlong forms together with the ranges checked
 * here.
 */
static size_t
permitted_char(const uint8_t *p, size_t left)
{
	uint32_t c;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (p[0] >= 0xc2 && p[0] <= 0xdf && left >= 2 && (p[1] & 0xc0) == 0x80) {
		c = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
		return c >= 0xa0 ? 2 : 0;
	}
	if ((p[0] & 0xf0) == 0xe0 && left >= 3 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80) {
		c = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
		return (c >= 0x800 && c < 0xd800) || (c > 0xf8ff && c < 0xfff0) ? 3 : 0;
	}
	return 0;
}

static bool
valid_chars(struct slice path)
{
	size_t n;

	for (size_t i = 0; i < path.len; i += n)
		if ((n = permitted_char(path.data + i, path.len - i)) == 0)
			return false;
	return true;
}

/* A component without its slashes. */
static bool
valid_component(struct slice c)
{
	return c.len > 0 && !slice_equal(c, SLICE_LIT(".")) && !slice_equal(c, SLICE_LIT(".."));
}

static bool
valid_components(struct slice path)
{
	size_t start = 1;

	for (size_t i = 1; i <= path.len; i++) {
		if (i < path.len && path.data[i] != '/')
			continue;
		if (!valid_component(slice_of(path.data + start, i - start)))
			return false;
		start = i + 1;
	}
	return true;
}

bool
path_valid(struct slice path)
{
	if (path.len == 0 || path.data[0] != '/')
		return false;
	return path.len == 1 || (valid_chars(path) && valid_components(path));
}

/* Index just behind the last slash; 0 when there is none. */
static size_t
last_start(struct slice path)
{
	size_t i = path.len;

	while (i > 0 && path.data[i - 1] != '/')
		i--;
	return i;
}

struct slice
path_parent(struct slice path)
{
	size_t start = last_start(path);

	if (start == 0 || path.len == 1)
		return SLICE_NULL;
	return slice_of(path.data, start == 1 ? 1 : start - 1);
}

struct slice
path_last(struct slice path)
{
	size_t start = last_start(path);

	if (path.data == NULL)
		return SLICE_NULL;
	return slice_of(path.data + start, path.len - start);
}

bool
path_within(struct slice path, struct slice ancestor)
{
	if (ancestor.len == 1 && ancestor.data[0] == '/')
		return path.len > 0 && path.data[0] == '/';
	if (path.len < ancestor.len || !slice_equal(slice_of(path.data, ancestor.len), ancestor))
		return false;
	return path.len == ancestor.len || path.data[ancestor.len] == '/';
}
