/*
 * zoo.cfg. The input is the file's text, then after a NUL each an override of -D. Where it is refused there
 * is a reason; where it is taken, its canonical text means the same configuration.
 */
#include "fuzz.h"

#include <string.h>

#include "base/mem.h"
#include "config/config.h"

enum { OVERRIDES_MAX = 4, TEXT_MAX = 4 << 20 };

/* Takes the overrides off the end of the input; they are freed with mem_free. */
static size_t
take_overrides(struct slice *in, char *overrides[OVERRIDES_MAX])
{
	const uint8_t *nul = memchr(in->data, 0, in->len), *p = nul, *end = in->data + in->len;
	size_t n = 0;

	if (nul == NULL)
		return 0;
	in->len = (size_t)(nul - in->data);
	while (n < OVERRIDES_MAX && p < end) {
		const uint8_t *next = memchr(p + 1, 0, (size_t)(end - p - 1));
		if (next == NULL)
			next = end;
		overrides[n++] = mem_strndup(p + 1, (size_t)(next - p - 1));
		p = next;
	}
	return n;
}

static void
check_canonical(const struct config *c)
{
	uint8_t first[CONFIG_HASH_BYTES], second[CONFIG_HASH_BYTES];
	struct config_report r;
	struct config *again;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	config_print(c, true, &text);
	config_report_init(&r);
	FUZZ_CHECK(config_parse(buf_slice(&text), "printed", NULL, 0, &again, &r) == 0);
	config_hash(c, first);
	config_hash(again, second);
	FUZZ_CHECK(memcmp(first, second, sizeof first) == 0);
	config_report_free(&r);
	config_free(again);
	buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	char *overrides[OVERRIDES_MAX];
	struct config_report r;
	struct config *c;
	size_t n = size == 0 ? 0 : take_overrides(&text, overrides);

	config_report_init(&r);
	if (config_parse(text, "zoo.cfg", (const char *const *)overrides, n, &c, &r) == 0) {
		FUZZ_CHECK(r.nerrors == 0 && c != NULL);
		check_canonical(c);
		config_free(c);
	} else {
		FUZZ_CHECK(r.nerrors > 0 && c == NULL);
	}
	config_report_free(&r);
	for (size_t i = 0; i < n; i++)
		mem_free(overrides[i]);
	return 0;
}
