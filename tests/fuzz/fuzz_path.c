/*
 * Paths: parts of any bytes stay inside them, and the verdict on validity agrees with a second reading of
 * the rules that decodes UTF-8 by another way.
 */
#include "fuzz.h"

#include "jute/path.h"

enum { MALFORMED = 0xfffd };

/* The character at p as Java decodes it, with *n its bytes; MALFORMED for anything that is no UTF-8. */
static uint32_t
decode(const uint8_t *p, size_t left, size_t *n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t want = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
	uint32_t c = want == 1 ? p[0] : p[0] & (0x7fu >> want);

	*n = 1;
	if (want == 0 || want > left)
		return MALFORMED;
	for (size_t i = 1; i < want; i++) {
		if (p[i] >> 6 != 2)
			return MALFORMED;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[want] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return MALFORMED;
	*n = want;
	return c;
}

static bool
is_forbidden(uint32_t c)
{
	return c <= 0x1f || (c >= 0x7f && c <= 0x9f) || (c >= 0xd800 && c <= 0xf8ff) || c >= 0xfff0;
}

/* One pass with the state of the component that is being read. */
static bool
is_valid(const uint8_t *p, size_t size)
{
	size_t n, chars = 0, dots = 0;

	if (size == 0 || p[0] != '/')
		return false;
	if (size == 1)
		return true;
	for (size_t i = 1; i < size; i += n) {
		uint32_t c = decode(p + i, size - i, &n);
		if (is_forbidden(c))
			return false;
		if (c == '/') {
			if (chars == 0 || (chars == dots && dots <= 2))
				return false;
			chars = dots = 0;
			continue;
		}
		chars++;
		dots += c == '.';
	}
	return chars > 0 && !(chars == dots && dots <= 2);
}

static bool
is_part(struct slice part, struct slice whole)
{
	return part.data == NULL ||
	       (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice path = slice_of(data, size), parent = path_parent(path), last = path_last(path);
	bool valid = path_valid(path);

	FUZZ_CHECK(valid == is_valid(data, size));
	FUZZ_CHECK(is_part(parent, path) && is_part(last, path));
	FUZZ_CHECK(path_within(path, SLICE_LIT("/")) == (size > 0 && data[0] == '/'));
	if (valid && size > 1) {
		FUZZ_CHECK(path_valid(parent) && last.len > 0);
		FUZZ_CHECK(path_within(path, parent) && !path_within(parent, path));
		FUZZ_CHECK(parent.len + last.len + (parent.len > 1) == size);
	}
	return 0;
}
