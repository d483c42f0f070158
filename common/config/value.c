/* Values: one reader per type, in a table. A reader that fails has reported why, and stored nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "room.h"

enum { ALLOWED_BYTES = 256 };

struct reading {
	struct config *config;
	const struct config_key *key;
	const char *name; /* of the key, as written */
	const char *value;
	struct origin origin;
	struct config_report *report;
};

static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

bool
read_number(const char *text, bool decode, int64_t *out)
{
	bool negative = *text == '-';
	int64_t v = 0;
	int base = 10;

	if (*text == '-' || *text == '+')
		text++;
	if (decode && (strncasecmp(text, "0x", 2) == 0 || *text == '#')) {
		text += *text == '#' ? 1 : 2;
		base = 16;
	} else if (decode && text[0] == '0' && text[1] != '\0') {
		text++;
		base = 8;
	}
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		int digit = digit_of(*text);
		/* Summed up below zero, where there is room for one number more. */
		if (digit >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_sub_overflow(v, digit, &v))
			return false;
	}
	if (!negative && v == INT64_MIN)
		return false;
	*out = negative ? v : -v;
	return true;
}

const char *
config_key_allowed(const struct config_key *k, char *out, size_t size)
{
	size_t n = 0;

	switch (k->type) {
	case CONFIG_BOOL:
		return "true, false";
	case CONFIG_YESNO:
		return "yes, no";
	case CONFIG_REAL:
		return "a number such as 0.5";
	case CONFIG_CHOICE:
		for (const char *c = k->choices; *c != '\0' && n + 3 < size; c++) {
			out[n++] = *c == '|' ? ',' : *c;
			if (*c == '|')
				out[n++] = ' ';
		}
		out[n] = '\0';
		return out;
	case CONFIG_STRING:
	case CONFIG_SPECIAL:
		return "text";
	default:
		snprintf(out, size, "%lld..%lld%s%s%s", (long long)k->min, (long long)k->max,
			 *k->unit == '\0' ? "" : " (", k->unit, *k->unit == '\0' ? "" : ")");
		return out;
	}
}

static int
refuse(const struct reading *v, const char *what)
{
	char quoted[QUOTED_BYTES], allowed[ALLOWED_BYTES];
	const char *hint = "";

	if (strpbrk(v->value, "#!") != NULL)
		hint = "; a comment needs a line of its own";
	if (config_key_is_secret(v->key, v->name))
		snprintf(quoted, sizeof quoted, "the value");
	else
		quote_value(v->value, quoted);
	report_error(v->report, v->origin, v->name, "%s %s; allowed: %s%s", quoted, what,
		     config_key_allowed(v->key, allowed, sizeof allowed), hint);
	return -EINVAL;
}

static void *
field_of(const struct reading *v)
{
	return v->key->field == CONFIG_NO_FIELD ? NULL : (char *)v->config + v->key->field;
}

static void
store_bool(const struct reading *v, bool b)
{
	bool *field = field_of(v);

	if (field != NULL)
		*field = b;
}

static int
read_bool(const struct reading *v)
{
	bool yes = strcasecmp(v->value, "true") == 0;

	if (!yes && strcasecmp(v->value, "false") != 0)
		return refuse(v, "is neither true nor false");
	store_bool(v, yes);
	return 0;
}

/*
 * ZooKeeper takes anything but "yes" as no. Here true and false are understood too, and the rest refused:
 * forceSync=true was never meant to switch syncing off.
 */
static int
read_yesno(const struct reading *v)
{
	bool yes = strcasecmp(v->value, "yes") == 0 || strcasecmp(v->value, "true") == 0;

	if (!yes && strcasecmp(v->value, "no") != 0 && strcasecmp(v->value, "false") != 0)
		return refuse(v, "is neither yes nor no");
	store_bool(v, yes);
	return 0;
}

/* The number as written, within the key's range (or raised into it). */
static int
take_number(const struct reading *v, const char *text, bool decode, int64_t *n)
{
	const struct config_key *k = v->key;

	if (!read_number(text, decode, n))
		return refuse(v, "is not a number");
	if (*n < k->min && k->raise) {
		report_notice(v->report, v->origin, v->name,
			      "%lld is too low; %lld is used, as ZooKeeper does", (long long)*n,
			      (long long)k->min);
		*n = k->min;
	}
	/* What has no effect does no harm: it ends no start that ZooKeeper would not end. */
	if ((*n < k->min || *n > k->max) && k->status != CONFIG_ACCEPTED)
		return refuse(v, "is out of range");
	return 0;
}

static bool
is_decoded(const struct config_key *k)
{
	return k->type == CONFIG_JINT || k->type == CONFIG_JLONG;
}

static int
read_int(const struct reading *v)
{
	int64_t n;
	int *field = field_of(v), rc = take_number(v, v->value, is_decoded(v->key), &n);

	if (rc == 0 && field != NULL)
		*field = (int)n;
	return rc;
}

static int
read_long(const struct reading *v)
{
	int64_t n, *field = field_of(v);
	int rc = take_number(v, v->value, is_decoded(v->key), &n);

	if (rc == 0 && field != NULL)
		*field = n * v->key->scale;
	return rc;
}

static int
read_real(const struct reading *v)
{
	double number;
	char *end;

	/* strtod would also take "inf", "nan" and hexadecimal, none of which a rate can be. */
	if (v->value[0] == '\0' || strspn(v->value, "0123456789.+-eE") != strlen(v->value))
		return refuse(v, "is not a number");
	number = strtod(v->value, &end);
	if (*end != '\0' || !__builtin_isfinite(number))
		return refuse(v, "is not a number");
	if (v->key->field != CONFIG_NO_FIELD)
		*(double *)field_of(v) = number;
	return 0;
}

/* ZooKeeper master: Time.parseTimeInterval, but a bare number counts hours. */
static int
read_interval(const struct reading *v)
{
	static const struct {
		const char *suffix;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	size_t len = strlen(v->value), digits = strspn(v->value, "+-0123456789");
	int64_t unit = digits == len ? 3600000 : 0, n, *field = field_of(v);
	char number[24];

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcasecmp(v->value + digits, units[i].suffix) == 0)
			unit = units[i].ms;
	if (unit == 0 || digits == 0 || digits >= sizeof number)
		return refuse(v, "is not a number of hours, nor one with ms, s, m, h or d");
	memcpy(number, v->value, digits);
	number[digits] = '\0';
	if (take_number(v, number, false, &n) < 0)
		return -EINVAL;
	*field = n * unit;
	return 0;
}

static int
read_string(const struct reading *v)
{
	const char **field = field_of(v);

	if (field != NULL)
		*field = v->value[0] == '\0' ? NULL : v->value;
	return 0;
}

static int
read_choice(const struct reading *v)
{
	const char *choice = v->key->choices;
	size_t len = strlen(v->value);
	int i = 0, *field = field_of(v);

	for (;; i++) {
		size_t n = strcspn(choice, "|");
		if (n == len && strncasecmp(choice, v->value, n) == 0)
			break;
		if (choice[n] == '\0')
			return refuse(v, "is not known");
		choice += n + 1;
	}
	if (field != NULL)
		memcpy(field, &i, sizeof i);
	return 0;
}

/* Read elsewhere: servers.c, parse.c. */
static int
read_nothing(const struct reading *v)
{
	(void)v;
	return 0;
}

int
value_store(struct config *c, const struct config_key *k, const char *name, const char *value,
	    struct origin o, struct config_report *r)
{
	static int (*const readers[])(const struct reading *) = {
		[CONFIG_BOOL] = read_bool,       [CONFIG_YESNO] = read_yesno,
		[CONFIG_INT] = read_int,         [CONFIG_JINT] = read_int,
		[CONFIG_LONG] = read_long,       [CONFIG_JLONG] = read_long,
		[CONFIG_REAL] = read_real,       [CONFIG_INTERVAL] = read_interval,
		[CONFIG_STRING] = read_string,   [CONFIG_CHOICE] = read_choice,
		[CONFIG_SPECIAL] = read_nothing,
	};
	struct reading v = { c, k, name, value, o, r };

	_Static_assert(sizeof(enum config_compression) == sizeof(int), "read_choice stores an int");
	ASSERT((size_t)k->type < sizeof readers / sizeof readers[0]);
	return readers[k->type](&v);
}

bool
value_is_harmless(const struct config_key *k, const char *value)
{
	if (k->def != NULL)
		return strcasecmp(value, k->def) == 0;
	return value[0] == '\0' || (k->min < 0 && k->type == CONFIG_JLONG && value[0] == '-');
}
