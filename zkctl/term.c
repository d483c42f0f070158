/* See term.h. */
#include "term.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "zkctl.h"

enum { WIDTH = 80, DRAW_MS = 100, SILENT_MS = 500 /* what is done sooner needs no progress */ };

bool
term_output_is_terminal(void)
{
	return isatty(STDOUT_FILENO) != 0;
}

int
term_width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : WIDTH;
}

void
term_print_folded(FILE *out, size_t used, const char *text, size_t indent)
{
	size_t at = indent - 1;

	fprintf(out, "%*s", (int)(indent - 1 - used), "");
	while (*text != '\0') {
		size_t len = strcspn(text, " ");
		if (at >= indent && at + 1 + len > WIDTH) {
			fprintf(out, "\n%*s", (int)indent - 1, "");
			at = indent - 1;
		}
		fprintf(out, " %.*s", (int)len, text);
		at += 1 + len;
		text += len + strspn(text + len, " ");
	}
	fputc('\n', out);
}

static bool
colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return term_output_is_terminal() && (no == NULL || no[0] == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

const char *
term_style(enum term_style style)
{
	static const char *const sequences[] = {
		[TERM_PLAIN] = "\033[0m",     [TERM_DIM] = "\033[2m",        [TERM_BOLD] = "\033[1m",
		[TERM_BRANCH] = "\033[1;34m", [TERM_EPHEMERAL] = "\033[33m", [TERM_BAD] = "\033[1;31m",
	};
	static int known = -1;

	if (known < 0)
		known = colour();
	return known ? sequences[style] : "";
}

bool
term_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

bool
term_confirm(const char *question)
{
	char line[16];

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return true;
	fflush(stdout);
	fprintf(stderr, "%s [y/N] ", question);
	return fgets(line, sizeof line, stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}

void
progress_begin(struct progress *p, const char *doing, uint64_t total, bool wanted)
{
	*p = (struct progress){ .doing = doing, .total = total, .begun_ms = clock_ms() };
	p->drawn_ms = p->begun_ms + SILENT_MS - DRAW_MS;
	p->on = wanted && isatty(STDERR_FILENO) != 0;
}

void
progress_step(struct progress *p, uint64_t done)
{
	int64_t now_ms = clock_ms(), spent_ms = now_ms - p->begun_ms;
	char left[32];
	double rate;

	p->done = done;
	if (!p->on || now_ms - p->drawn_ms < DRAW_MS || spent_ms == 0)
		return;
	p->drawn_ms = now_ms;
	rate = (double)done * 1000 / (double)spent_ms;
	fprintf(stderr, "\r\033[K%s: %" PRIu64, p->doing, done);
	if (p->total > 0)
		fprintf(stderr, " of %" PRIu64 " (%" PRIu64 " %%)", p->total, done * 100 / p->total);
	fprintf(stderr, ", %.0f/s", rate);
	if (p->total > done && done > 0)
		fprintf(
		    stderr, ", %s left",
		    format_duration((uint64_t)((double)(p->total - done) * 1000 / rate), left, sizeof left));
	fflush(stderr);
}

void
progress_end(struct progress *p)
{
	if (p->on)
		fputs("\r\033[K", stderr);
	p->on = false;
}
