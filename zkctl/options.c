/*
 * Options into struct options. Before the command only the global ones stand; behind it its own too, and where both
 * have a letter the command's counts: "zkctl -c FILE create -c /x" makes a container.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

const struct option_row option_rows[NOPTIONS] = {
#define X(id, letter_, name_, arg_, about_) { letter_, name_, arg_, about_ },
	OPTIONS(X)
#undef X
};

enum { OPT_BASE = 256 };

/* Seconds with decimals into ms; false when it is no such number. */
static bool
read_seconds(const char *text, double most, int64_t *ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= most))
		return false;
	*ms = (int64_t)(seconds * 1000);
	return true;
}

/* As zxids are written: 0x1a, or decimal. */
static bool
read_zxid(const char *text, uint64_t *zxid)
{
	bool hex = strncmp(text, "0x", 2) == 0;
	const char *digits = hex ? text + 2 : text;
	char *end;

	if (*digits == '\0' || digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")] != '\0')
		return false;
	errno = 0;
	*zxid = strtoull(digits, &end, hex ? 16 : 10);
	return errno == 0;
}

static bool
read_number(const char *text, int64_t most, int64_t *n)
{
	if (*text == '\0' || strlen(text) > 18 || text[strspn(text, "0123456789")] != '\0')
		return false;
	*n = strtoll(text, NULL, 10);
	return *n <= most;
}

static int
take_define(struct options *o, const char *value)
{
	if (o->noverrides == ZKCTL_OVERRIDES_MAX)
		return complain(ZKCTL_USAGE, "more than %d -D", ZKCTL_OVERRIDES_MAX);
	o->overrides[o->noverrides++] = value;
	return -1;
}

/* What stands on a command line everybody may read, so a credential itself is not taken. */
static int
take_auth(struct options *o, const char *value)
{
	const char *source = strchr(value, ':');

	if (source == NULL || source == value ||
	    (source[1] != '@' && strncmp(source + 1, "env:", 4) != 0 && strcmp(source + 1, "tty") != 0))
		return complain(
		    ZKCTL_USAGE,
		    "--auth tells where a credential stands, for everybody may read a command line; "
		    "allowed: SCHEME:@FILE, SCHEME:env:NAME, SCHEME:tty, as in --auth digest:@~/.zkauth");
	if (o->nauths == ZKCTL_AUTHS_MAX)
		return complain(ZKCTL_USAGE, "more than %d --auth", ZKCTL_AUTHS_MAX);
	o->auths[o->nauths++] = value;
	return -1;
}

/* One number of an option; -1 to go on. */
static int
take_number(const char *name, const char *value, int64_t most, int64_t *n)
{
	if (read_number(value, most, n))
		return -1;
	return complain(ZKCTL_USAGE, "--%s: \"%s\" is no number; allowed: 0..%" PRId64, name, value, most);
}

static int
take_value(struct options *o, enum option_id id, const char *value)
{
	const char *name = option_rows[id].name;
	int64_t n;
	int r;

	switch (id) {
	case OPTION_DEFINE:
		return take_define(o, value);
	case OPTION_AUTH:
		return take_auth(o, value);
	case OPTION_TIMEOUT:
		if (read_seconds(value, 86400, &o->timeout_ms))
			return -1;
		return complain(ZKCTL_USAGE, "--timeout: \"%s\" is no number of seconds; allowed: 0..86400",
				value);
	case OPTION_TTL:
		if (read_seconds(value, 1099511627, &o->ttl_ms) && o->ttl_ms > 0)
			return -1;
		return complain(ZKCTL_USAGE,
				"--ttl: \"%s\" is no number of seconds; allowed: 0.001..1099511627", value);
	case OPTION_FROM:
	case OPTION_TO:
		if (read_zxid(value, id == OPTION_FROM ? &o->from_zxid : &o->to_zxid))
			return -1;
		return complain(ZKCTL_USAGE, "--%s: \"%s\" is no zxid; allowed: 0x... or decimal", name,
				value);
	case OPTION_DEPTH:
		return take_number(name, value, 10000, &o->depth);
	case OPTION_EVENTS:
		return take_number(name, value, INT32_MAX, &o->events);
	case OPTION_COUNT:
		return take_number(name, value, INT64_MAX / 16, &o->count);
	case OPTION_PEER:
		return take_number(name, value, 255, &o->peer);
	case OPTION_MS:
		return take_number(name, value, 600000, &o->ms);
	case OPTION_BYTES:
		return take_number(name, value, INT64_MAX / 16, &o->bytes);
	case OPTION_VERSION_IS:
		r = take_number(name, value, INT32_MAX, &n);
		o->version = r < 0 ? (int32_t)n : -1;
		return r;
	default:
		return -1;
	}
}

/* Words that are kept as they are. */
static void
take_text(struct options *o, enum option_id id, const char *value)
{
	const struct {
		enum option_id id;
		const char **to;
	} texts[] = {
		{ OPTION_CONFIG, &o->config_file }, { OPTION_RUNTIME, &o->runtime },
		{ OPTION_SERVER, &o->server },      { OPTION_ACL, &o->acl },
		{ OPTION_FILE, &o->file },          { OPTION_INTO, &o->into },
		{ OPTION_SNAPSHOT, &o->snapshot },  { OPTION_OUTPUT, &o->output },
		{ OPTION_WITHOUT, &o->without },
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (texts[i].id == id)
			*texts[i].to = value;
}

static int
take(struct options *o, const struct command *c, enum option_id id, const char *value)
{
	o->given |= (uint64_t)1 << id;
	if (id == OPTION_JSON)
		o->json = true;
	if (id == OPTION_HELP && c != NULL)
		print_command_help(c);
	else if (id == OPTION_HELP)
		print_help();
	if (id == OPTION_VERSION)
		puts("zkctl " PACKAGE_VERSION);
	if (id == OPTION_HELP || id == OPTION_VERSION)
		return ZKCTL_OK;
	if (value == NULL)
		return -1;
	take_text(o, id, value);
	return take_value(o, id, value);
}

/* getopt's own tables, of the options in mask; of two with one letter the one that is in first. */
struct getopt_tables {
	char letters[4 + 3 * NOPTIONS];
	struct option names[NOPTIONS + 1];
	enum option_id by_letter[128];
};

static void
fill_tables(struct getopt_tables *t, uint64_t mask, uint64_t first, const char *mode)
{
	size_t n = strlen(mode), nnames = 0;
	uint64_t letters_seen[2] = { 0 };

	memset(t, 0, sizeof *t);
	memcpy(t->letters, mode, n);
	for (int pass = 0; pass < 2; pass++) {
		for (int id = 0; id < NOPTIONS; id++) {
			const struct option_row *row = &option_rows[id];
			bool own = (first >> id & 1) != 0;
			unsigned char letter = (unsigned char)row->letter;
			if ((mask >> id & 1) == 0 || own != (pass == 0))
				continue;
			if (row->name != NULL)
				t->names[nnames++] =
				    (struct option){ row->name, row->arg != NULL, NULL, OPT_BASE + id };
			if (letter == 0 || (letters_seen[letter / 64] >> (letter % 64) & 1) != 0)
				continue;
			letters_seen[letter / 64] |= (uint64_t)1 << (letter % 64);
			t->by_letter[letter] = (enum option_id)id;
			t->letters[n++] = row->letter;
			if (row->arg != NULL)
				t->letters[n++] = ':';
		}
	}
}

/* Which commands take an option that this one does not. */
static void
tell_takers(int id)
{
	const char *separator = "; it is for ";
	char title[48];

	for (size_t i = 0; i < ncommands; i++) {
		if ((commands[i].options >> id & 1) == 0)
			continue;
		fprintf(stderr, "%s%s", separator, command_title(&commands[i], title));
		separator = ", ";
	}
}

/* An option that is not among those of the tables. */
static int
complain_option(const struct command *c, const char *word, int letter)
{
	char title[48] = "zkctl", shown[3] = { '-', (char)letter, '\0' };
	size_t len = strcspn(word, "=");
	const char *names[NOPTIONS + 1] = { NULL };
	size_t n = 0;
	int known = -1;

	if (c != NULL)
		command_title(c, title);
	for (int id = 0; id < NOPTIONS; id++) {
		const struct option_row *row = &option_rows[id];
		if (letter != 0 ? row->letter == letter
				: row->name != NULL && len == strlen(row->name) + 2 &&
				      strncmp(row->name, word + 2, len - 2) == 0)
			known = id;
		if (row->name != NULL)
			names[n++] = row->name;
	}
	fprintf(stderr, "zkctl: %s%s takes no %.*s", title, c == NULL ? " before a command" : "",
		(int)(letter != 0 ? 2 : len), letter != 0 ? shown : word);
	if (known >= 0)
		tell_takers(known);
	else if (letter == 0)
		fputs(suggestion(word + 2, names), stderr);
	if (c != NULL)
		fprintf(stderr, "; zkctl help %s lists what it takes\n", title);
	else
		fputc('\n', stderr);
	if (c == NULL)
		print_usage();
	return ZKCTL_USAGE;
}

int
options_take(struct options *o, const struct command *c, int argc, char **argv, int *words)
{
	uint64_t own = c == NULL ? 0 : c->options;
	struct getopt_tables t;
	int opt, status;

	/* "+": up to the first word. ":" tells a missing value from an unknown option. */
	fill_tables(&t, OPTIONS_GLOBAL | own, own, c == NULL ? "+:" : ":");
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((opt = getopt_long(argc, argv, t.letters, t.names, NULL)) != -1) {
		if (opt == ':')
			return complain(ZKCTL_USAGE, "%s wants a value; zkctl --help tells which",
					argv[optind - 1]);
		if (opt == '?')
			return complain_option(c, argv[optind - 1], optopt < OPT_BASE ? optopt : 0);
		status =
		    take(o, c, opt >= OPT_BASE ? (enum option_id)(opt - OPT_BASE) : t.by_letter[opt], optarg);
		if (status >= 0)
			return status;
	}
	*words = optind;
	if (o->runtime != NULL && o->config_file != NULL)
		return complain(ZKCTL_USAGE, "-c and --runtime both name a node; give one of them");
	return -1;
}
