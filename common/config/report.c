/* Findings: one line for people each. Invariant: nerrors counts all errors, also those not kept; a full report has errors. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "room.h"

enum { FINDING_BYTES = 1024 };

void
config_report_init(struct config_report *r)
{
	*r = (struct config_report){ 0 };
}

void
config_report_free(struct config_report *r)
{
	for (size_t i = 0; i < r->nfindings; i++)
		mem_free(r->findings[i].text);
	mem_free(r->findings);
	config_report_init(r);
}

static size_t
put_origin(char *line, size_t size, struct origin o, const char *key)
{
	int n;

	if (o.file == NULL)
		n = snprintf(line, size, "-D %.80s%s", key == NULL ? "" : key, key == NULL ? "" : ": ");
	else if (o.line > 0)
		n = snprintf(line, size, "%.400s:%d: %.80s%s", o.file, o.line, key == NULL ? "" : key,
			     key == NULL ? "" : ": ");
	else
		n = snprintf(line, size, "%.400s: %.80s%s", o.file, key == NULL ? "" : key,
			     key == NULL ? "" : ": ");
	return n < 0 ? 0 : (size_t)n;
}

/* Control bytes of a key or file name do not reach a terminal or a log. */
static void
clean(char *line)
{
	for (; *line != '\0'; line++)
		if ((unsigned char)*line < ' ' || *line == 0x7f)
			*line = '?';
}

static void __attribute__((format(printf, 5, 0)))
report(struct config_report *r, enum config_severity severity, struct origin o, const char *key,
       const char *format, va_list ap)
{
	char line[FINDING_BYTES];
	size_t n;

	if (severity == CONFIG_ERROR)
		r->nerrors++;
	if (r->nfindings == CONFIG_FINDINGS_MAX ||
	    (severity == CONFIG_NOTICE && r->nfindings >= CONFIG_NOTICES_MAX))
		return;
	n = put_origin(line, sizeof line, o, key);
	vsnprintf(line + n, sizeof line - n, format, ap);
	clean(line);
	if (r->findings == NULL)
		r->findings = mem_zalloc(CONFIG_FINDINGS_MAX, sizeof *r->findings);
	r->findings[r->nfindings++] = (struct config_finding){
		.severity = severity,
		.line = o.line,
		.text = mem_strndup(line, strlen(line)),
	};
}

void
report_error(struct config_report *r, struct origin o, const char *key, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	report(r, CONFIG_ERROR, o, key, format, ap);
	va_end(ap);
}

void
report_notice(struct config_report *r, struct origin o, const char *key, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	report(r, CONFIG_NOTICE, o, key, format, ap);
	va_end(ap);
}

const char *
quote_value(const char *value, char out[QUOTED_BYTES])
{
	size_t len = strlen(value), shown = len < QUOTED_BYTES - 8 ? len : QUOTED_BYTES - 8;

	snprintf(out, QUOTED_BYTES, "\"%.*s%s\"", (int)shown, value, shown < len ? "..." : "");
	return out;
}
