/*
 * Named values of something read from a file, told once and printed in two forms: for people appended to a line
 * as " name=value", for scripts set in a JSON object. Whatever a client chose is escaped in lines: spaces,
 * backslashes, control characters and what is no UTF-8 become \xNN, so that nobody forges a line or a field.
 *
 * Every function takes NULL for facts: then nobody wants to know.
 */
#ifndef ZKCTL_FACTS_H
#define ZKCTL_FACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "jute/records.h"

struct facts {
	bool with_data;    /* znode data itself, not only its length */
	struct buf *line;  /* for people; NULL: JSON */
	struct buf *below; /* lines behind the one being made, begun with a newline each */
	json_t *json;      /* borrowed */
};

/* The bare word or path, first of a line; in JSON a member like the others. */
void facts_word(struct facts *f, const char *name, struct slice v);
void facts_text(struct facts *f, const char *name, struct slice v);
void facts_number(struct facts *f, const char *name, int64_t v);
/* A zxid, session or digest: 0x1a, in JSON a string, for its readers lose the low bits of such numbers. */
void facts_hex(struct facts *f, const char *name, uint64_t v);
/* In a line only when it is true. */
void facts_flag(struct facts *f, const char *name, bool v);
/* In a line 2026-11-22T12:00:00.000Z; in JSON that, and ms since 1970 as NAME_ms. */
void facts_time(struct facts *f, const char *name, int64_t ms);
/* data_length, -1 for null data, and the data where it is wanted (in JSON as base64). */
void facts_data(struct facts *f, struct slice data);
void facts_acl(struct facts *f, const struct jute_acl_vec *acl);
/* A list of n (below 0: none) strings or parts follows: in a line their number, in JSON an array. */
void facts_list(struct facts *f, const char *name, int32_t n);
/* One string of the list, in a line of its own. */
void facts_item(struct facts *f, const char *name, struct slice v);
/* The facts of one part of the list, in a line of its own or an object. f must not be NULL. */
struct facts facts_part(struct facts *f, const char *name);

/* Appends v escaped; spaces are kept where they cannot be taken for the end of a value. */
void facts_escape(struct buf *out, struct slice v, bool keep_spaces);
/* A string of v; escaped where it is no UTF-8. */
json_t *facts_json_string(struct slice v);
json_t *facts_json_hex(uint64_t v);
json_t *facts_json_base64(struct slice v);
json_t *facts_json_acl(const struct jute_acl_vec *acl);
/* "cdrwa" as zkCli has it. */
const char *facts_perms(int32_t perms, char out[8]);
/* "scheme:id:perms", escaped. */
void facts_put_acl(struct buf *out, const struct jute_acl *acl);
/* ISO 8601 in UTC with ms; the bare number where no calendar has it. */
const char *facts_iso_time(int64_t ms, char *out, size_t size);

#endif
