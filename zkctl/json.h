/* JSON for scripts: one value on one line of standard output, members in the order in which they were set. */
#ifndef ZKCTL_JSON_H
#define ZKCTL_JSON_H

#include <jansson.h>

/* Prints v and releases it. */
void json_print(json_t *v);
/* A string; bytes that are no UTF-8 are replaced. */
json_t *json_text(const char *s);

#endif
