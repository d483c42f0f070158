/*
 * The table of every key that zoo.cfg may hold: name, type, default, range, and what zkd does with it. Names,
 * defaults and tiers are those of ZooKeeper's master (3.10); where 3.8 or 3.9 differ the row says so. One default is our
 * own: old snapshots and logs are purged once an hour.
 *
 * A name written with "zookeeper." in front means the same key: in a Java server both spellings name one JVM
 * property. A name that ends in '*' is a pattern: it stands for every key that begins with what is before the
 * '*'.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
	CONFIG_BOOL,     /* true|false, any case; bool */
	CONFIG_YESNO,    /* yes|no, also true|false; bool */
	CONFIG_INT,      /* decimal; int */
	CONFIG_LONG,     /* decimal, times scale; int64_t */
	CONFIG_JINT,     /* as Java's Integer.decode: also 0x1f, #1f, 017; int */
	CONFIG_JLONG,    /* likewise, times scale; int64_t */
	CONFIG_REAL,     /* 0.33; double */
	CONFIG_INTERVAL, /* hours, or a number with ms, s, m, h, d; int64_t milliseconds */
	CONFIG_STRING,   /* const char *, NULL when empty */
	CONFIG_CHOICE,   /* one of choices; an enum in their order */
	CONFIG_SPECIAL,  /* has a reader of its own */
};

enum config_status {
	CONFIG_HONOURED, /* does what ZooKeeper does */
	CONFIG_ACCEPTED, /* checked, then named once at start as not honoured */
	CONFIG_REFUSED,  /* any value but the harmless one ends the start: without it the node would be less
			    secure */
};

/* field of a key that is stored nowhere */
#define CONFIG_NO_FIELD SIZE_MAX

struct config_key {
	const char *name;
	const char *also; /* a second name: what the manual calls it, or NULL */
	enum config_type type;
	enum config_status status;
	size_t field;     /* offset in struct config */
	int64_t min, max; /* of the number as written */
	int64_t scale;    /* field = number * scale */
	bool raise;       /* below min: raised to min with a notice, as ZooKeeper does; not an error */
	bool secret;
	const char *unit;    /* of the number as written, "" for none */
	const char *choices; /* "a|b|c" */
	const char *def;     /* default as text, NULL: none */
	int tier;
	const char *about; /* what it means, for people; refused: the way out */
};

extern const struct config_key config_keys[];
extern const size_t config_nkeys;

/* The key of that name (its pattern, for server.1 and the like), or NULL. name has no "zookeeper." in front.
 */
const struct config_key *config_key_find(const char *name);
/* The known name nearest to a misspelt one, or NULL when none is near. */
const char *config_key_suggest(const char *name);
bool config_key_is_pattern(const struct config_key *k);
/*
 * Whether a value is not to be shown: the key is a secret's, or name, which may stand for a pattern (ssl.*), is that of a
 * password.
 */
bool config_key_is_secret(const struct config_key *k, const char *name);
/* What its value may be, such as "1..65535 (port)". Returns out, or fixed words. */
const char *config_key_allowed(const struct config_key *k, char *out, size_t size);

#endif
