/*
 * Listens to what a core says through its trace, and holds each line to the form that base/trace.h promises: an event in
 * a few fixed words, then "key=value ...", a value in quotes where it has blanks.
 */
#ifndef TESTS_EAR_H
#define TESTS_EAR_H

#include <stdbool.h>

#include "base/trace.h"

/* Fails the test where the line has not that form. */
void ear_judge(const char *event, const char *text);

/* Hears and judges everything from TRACE_DEBUG on. */
extern struct trace ear;
/* Whether a line of this event, whose text has `part` in it, came since ear_forget. Remembers the newest 64. */
bool ear_heard(const char *event, const char *part);
void ear_forget(void);

#endif
