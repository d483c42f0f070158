/* See config_fixture.h. */
#include "config_fixture.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct config *config;
struct config_report report;

void
setup(void)
{
	config = NULL;
	config_report_init(&report);
}

void
teardown(void)
{
	config_free(config);
	config_report_free(&report);
}

int
parse_with(const char *text, const char *const *overrides, size_t n)
{
	teardown();
	setup();
	return config_parse(slice_str(text), "zoo.cfg", overrides, n, &config, &report);
}

int
parse(const char *text)
{
	return parse_with(text, NULL, 0);
}

void
must_parse(const char *text)
{
	int rc = parse(text);

	ck_assert_msg(rc == 0, "%s: %s", text, report.nfindings > 0 ? report.findings[0].text : "?");
}

static bool
found(enum config_severity severity, const char *text)
{
	for (size_t i = 0; i < report.nfindings; i++)
		if (report.findings[i].severity == severity && strcmp(report.findings[i].text, text) == 0)
			return true;
	return false;
}

void
assert_found(enum config_severity severity, const char *text)
{
	if (found(severity, text))
		return;
	for (size_t i = 0; i < report.nfindings; i++)
		fprintf(stderr, "  found: %s\n", report.findings[i].text);
	ck_abort_msg("not reported: %s", text);
}

void
print(bool secrets, struct buf *out)
{
	buf_init(out, 1 << 20);
	config_print(config, secrets, out);
	buf_put_u8(out, '\0');
	ck_assert(!out->overflow);
}
