/* What the files of this room share; nobody else includes it. */
#ifndef CONFIG_ROOM_H
#define CONFIG_ROOM_H

#include "config.h"
#include "keys.h"

/* Where a setting was written, for messages. */
struct origin {
	const char *file; /* NULL: an override, -D */
	int line;         /* 0: none */
};

/* Appends a finding "WHERE: KEY: text"; key may be NULL. Past CONFIG_FINDINGS_MAX it is counted but not kept.
 */
void report_error(struct config_report *r, struct origin o, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_notice(struct config_report *r, struct origin o, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

enum { QUOTED_BYTES = 96 };
/* value as it may stand in a message: in quotes, its odd bytes as '?', cut when long. Returns out. */
const char *quote_value(const char *value, char out[QUOTED_BYTES]);

/* Reads text as a whole number of an int64_t; decode also takes 0x, # and a leading 0 as Java's decode does.
 */
bool read_number(const char *text, bool decode, int64_t *out);

/* Checks value and, where the key has a field, stores it. key is the name as written. 0 or -EINVAL, reported.
 */
int value_store(struct config *c, const struct config_key *k, const char *key, const char *value,
		struct origin o, struct config_report *r);
/* Whether a refused key's value asks for nothing. */
bool value_is_harmless(const struct config_key *k, const char *value);

/* One effective line of the configuration: the last that was said of a key. */
struct setting {
	const char *name; /* canonical */
	const char *value;
	const struct config_key *key; /* NULL: unknown */
	struct origin origin;
};

/* Reads the value of a server.N line into *s, whose sid stays; arena owns what it points at. NULL, or what is wrong. */
const char *server_read(struct arena *arena, struct config_server *s, const char *value);
/* Hexadecimal digits; false where they are none or too many. */
bool server_read_version(struct slice text, uint64_t *version);

/* Reads all server.N, group.N and weight.N settings into c->servers. Errors are reported. */
void servers_read(struct config *c, const struct setting *settings, size_t n, struct config_report *r);

/* Relations between keys, and what follows from others. file is for what no single line said. */
void relations_check(struct config *c, struct origin file, const struct setting *settings, size_t n,
		     struct config_report *r);

#endif
