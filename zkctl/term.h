/*
 * What a terminal gets and a file does not: colour, progress, a question. Colour only where standard output is a
 * terminal, TERM is not "dumb" and NO_COLOR is not set; progress where standard error is one.
 */
#ifndef ZKCTL_TERM_H
#define ZKCTL_TERM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum term_style { TERM_PLAIN, TERM_DIM, TERM_BOLD, TERM_BRANCH, TERM_EPHEMERAL, TERM_BAD };

/* The sequence that begins a style, TERM_PLAIN ends it; "" where there is no colour. Static storage. */
const char *term_style(enum term_style style);
bool term_output_is_terminal(void);
/* Columns of the terminal at standard output; 80 where it does not tell. */
int term_width(void);
/* Whether line drawing characters may be printed. */
bool term_utf8(void);

/*
 * Words of a text in lines of at most 80 columns, each behind so many spaces, at least one; on the first line so many
 * columns are used already, fewer than those spaces.
 */
void term_print_folded(FILE *out, size_t used, const char *text, size_t indent);

/* A yes or no from the person at the terminal; true without asking where there is none. */
bool term_confirm(const char *question);

/* A line on the terminal that is drawn again and again: what is done, of how much, rate, time left. */
struct progress {
	const char *doing;    /* "deleting" */
	uint64_t done, total; /* total 0: not known */
	int64_t begun_ms, drawn_ms;
	bool on;
};
void progress_begin(struct progress *p, const char *doing, uint64_t total, bool wanted);
void progress_step(struct progress *p, uint64_t done);
/* Removes the line. */
void progress_end(struct progress *p);

#endif
