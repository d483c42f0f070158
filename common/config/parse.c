/*
 * From text and overrides to a struct config, in three steps: collect what was said last of each key, store
 * each value, then check how they go together. Invariant: a struct config is handed out only where no error
 * was found.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/mem.h"
#include "properties.h"
#include "room.h"

enum {
	ARENA_MAX = 32 << 20, /* far above what CONFIG_TEXT_MAX and CONFIG_ENTRIES_MAX allow */
	SUGGESTIONS_MAX = 20, /* after that a misspelt key is only called unknown */
};

const char config_default_text[] = "# What zkd runs with when no file is named.\n"
				   "clientPort=2181\n"
				   "clientPortAddress=127.0.0.1\n"
				   "dataDir=./zkd-data\n"
				   "tickTime=2000\n"
				   "admin.enableServer=false\n"
				   "4lw.commands.whitelist=srvr,ruok,stat,mntr,conf,isro\n";

struct parser {
	struct config *c;
	struct config_report *r;
	const char *file;
	const struct config_list *list; /* or NULL */
	struct setting *settings;       /* in the order in which the keys first came */
	size_t nsettings;
	size_t suggestions;
};

static const char *
canonical_name(const char *key)
{
	static const char prefix[] = "zookeeper.";

	return strncmp(key, prefix, sizeof prefix - 1) == 0 ? key + sizeof prefix - 1 : key;
}

/* The setting of that name already collected, or NULL. An alias and its key are one. */
static struct setting *
find_setting(const struct parser *p, const char *name, const struct config_key *k)
{
	for (size_t i = 0; i < p->nsettings; i++) {
		struct setting *s = &p->settings[i];
		if (k != NULL && !config_key_is_pattern(k) ? s->key == k : strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

static void
collect(struct parser *p, struct origin o, const char *key, const char *value)
{
	const char *name = canonical_name(key);
	const struct config_key *k = config_key_find(name);
	struct setting *s;

	if (k != NULL && !config_key_is_pattern(k))
		name = k->name;
	s = find_setting(p, name, k);
	if (s == NULL) {
		if (p->nsettings == CONFIG_ENTRIES_MAX) {
			report_error(p->r, o, key, "too many keys; allowed: %d", CONFIG_ENTRIES_MAX);
			return;
		}
		s = &p->settings[p->nsettings++];
	} else if (o.file != NULL) {
		report_notice(p->r, o, key, "set again; this value holds, not that of line %d",
			      s->origin.line);
	}
	*s = (struct setting){ name, value, k, o };
}

/* Whether k is a line of the server list. */
static bool
is_of_list(const struct config_key *k)
{
	static const char *const names[] = { "server.*", "group.*", "weight.*", "version" };

	for (size_t i = 0; k != NULL && i < sizeof names / sizeof names[0]; i++)
		if (strcmp(k->name, names[i]) == 0)
			return true;
	return false;
}

/* A list stands in one place: in its own file where there is one. */
static void
collect_line(struct parser *p, struct origin o, bool in_list, const char *key, const char *value)
{
	const struct config_key *k = config_key_find(canonical_name(key));
	bool of_list = is_of_list(k);

	if (in_list && strcmp(key, "version") == 0)
		report_error(p->r, o, key,
			     "may not stand in a dynamic configuration file; its name has the version");
	else if (in_list && !of_list)
		report_error(p->r, o, key,
			     "may not stand in a dynamic configuration file; allowed: server.N, "
			     "group.N, weight.N");
	else if (!in_list && of_list && p->list != NULL)
		report_error(p->r, o, key, "may not stand beside dynamicConfigFile; allowed: in %s",
			     p->list->file);
	else
		collect(p, o, key, value);
}

static void
collect_text(struct parser *p, struct slice text, const char *file, bool in_list)
{
	struct properties in;
	struct property e;
	int rc;

	properties_init(&in, text);
	while (p->r->nfindings < CONFIG_FINDINGS_MAX && (rc = properties_next(&in, &e, &p->c->arena)) != 0) {
		struct origin o = { file, e.line };
		if (rc < 0)
			report_error(p->r, o, e.key, "%s", e.problem);
		else if (e.key[0] == '\0')
			report_error(p->r, o, NULL, "a value without a key; allowed: key=value");
		else
			collect_line(p, o, in_list, e.key, e.value);
	}
	properties_free(&in);
}

/* "zoo.cfg.dynamic.100000003": what a server wrote there when that version came into force. */
static void
collect_list(struct parser *p)
{
	const char *dot = strrchr(p->list->file, '.');
	uint64_t version;

	collect_text(p, p->list->text, p->list->file, true);
	if (dot != NULL && server_read_version(slice_str(dot + 1), &version))
		collect(p, (struct origin){ p->list->file, 0 }, "version", dot + 1);
}

static char *
copy_trimmed(struct parser *p, const char *s, size_t len)
{
	struct slice copy;

	while (len > 0 && (unsigned char)*s <= ' ') {
		s++;
		len--;
	}
	while (len > 0 && (unsigned char)s[len - 1] <= ' ')
		len--;
	copy = arena_copy(&p->c->arena, slice_of(s, len + 1));
	ASSERT(copy.data != NULL);
	((char *)copy.data)[len] = '\0';
	return (char *)copy.data;
}

static void
collect_override(struct parser *p, const char *override)
{
	const char *equals = strchr(override, '=');
	struct origin o = { NULL, 0 };
	const char *key;

	if (strlen(override) > CONFIG_TEXT_MAX) {
		report_error(p->r, o, NULL, "longer than %d bytes", CONFIG_TEXT_MAX);
		return;
	}
	if (equals == NULL) {
		report_error(p->r, o, override, "has no value; allowed: -D key=value");
		return;
	}
	key = copy_trimmed(p, override, (size_t)(equals - override));
	if (*key == '\0')
		report_error(p->r, o, NULL, "a value without a key; allowed: -D key=value");
	else
		collect(p, o, key, copy_trimmed(p, equals + 1, strlen(equals + 1)));
}

/* Not in the table. Near a known name it is a slip, which could switch off what somebody relies on: an error.
 */
static void
take_unknown(struct parser *p, const struct setting *s)
{
	const char *near = p->suggestions < SUGGESTIONS_MAX ? config_key_suggest(s->name) : NULL;

	if (near == NULL) {
		report_notice(p->r, s->origin, s->name, "unknown key, ignored");
		return;
	}
	p->suggestions++;
	/* server.* stands for server.N */
	report_error(p->r, s->origin, s->name, "unknown key; did you mean %.*s%s?", (int)strcspn(near, "*"),
		     near, strchr(near, '*') != NULL ? "N" : "");
}

static void
take_refused(struct parser *p, const struct setting *s)
{
	char quoted[QUOTED_BYTES];

	if (value_store(p->c, s->key, s->name, s->value, s->origin, p->r) < 0 ||
	    value_is_harmless(s->key, s->value))
		return;
	report_error(p->r, s->origin, s->name, "%s asks for what this version cannot give: %s",
		     config_key_is_secret(s->key, s->name) ? "the value" : quote_value(s->value, quoted),
		     s->key->about);
}

static void
take_accepted(struct parser *p, const struct setting *s, struct config_entry *ignored)
{
	struct config *c = p->c;
	size_t at = c->nignored;

	if (value_store(c, s->key, s->name, s->value, s->origin, p->r) < 0)
		return;
	/* Nobody misses what is off anyway. */
	if (s->key->def != NULL && strcasecmp(s->value, s->key->def) == 0)
		return;
	while (at > 0 && strcmp(ignored[at - 1].key, s->name) > 0)
		at--;
	memmove(ignored + at + 1, ignored + at, (c->nignored - at) * sizeof *ignored);
	ignored[at] = (struct config_entry){ s->name, s->value };
	c->nignored++;
}

static void
take_settings(struct parser *p)
{
	struct config_entry *ignored = arena_array(&p->c->arena, p->nsettings + 1, sizeof *ignored);

	ASSERT(ignored != NULL);
	p->c->ignored = ignored;
	for (size_t i = 0; i < p->nsettings && p->r->nfindings < CONFIG_FINDINGS_MAX; i++) {
		const struct setting *s = &p->settings[i];
		if (s->key == NULL)
			take_unknown(p, s);
		else if (s->key->status == CONFIG_REFUSED)
			take_refused(p, s);
		else if (s->key->status == CONFIG_ACCEPTED)
			take_accepted(p, s, ignored);
		else
			value_store(p->c, s->key, s->name, s->value, s->origin, p->r);
	}
}

/* One line for all, once: what the file asks for and this version does not do. */
static void
name_ignored(struct parser *p)
{
	char names[512];
	size_t n = 0;

	if (p->c->nignored == 0)
		return;
	names[0] = '\0';
	for (size_t i = 0; i < p->c->nignored; i++) {
		size_t len = strlen(p->c->ignored[i].key);
		if (n + len + 8 > sizeof names) {
			memcpy(names + n, ", ...", 6);
			break;
		}
		if (n > 0) {
			memcpy(names + n, ", ", 2);
			n += 2;
		}
		memcpy(names + n, p->c->ignored[i].key, len + 1);
		n += len;
	}
	report_notice(p->r, (struct origin){ p->file, 0 }, NULL, "accepted but not honoured: %s", names);
}

static void
add_word(struct config *c, const char **words, const char *word)
{
	for (size_t i = 0; i < c->nwords; i++)
		if (strcmp(words[i], word) == 0)
			return;
	words[c->nwords++] = word;
}

/* The whitelist as ZooKeeper reads it (FourLetterCommands): commas between, blanks around, * for all, and isro
 * besides where read-only mode is on. Unknown words do no harm. */
static void
take_words(struct parser *p)
{
	const struct config_key *k = config_key_find("4lw.commands.whitelist");
	const struct setting *s = find_setting(p, k->name, k);
	const char *list = s == NULL ? k->def : s->value;
	struct config *c = p->c;
	const char **words = arena_array(&c->arena, strlen(list) / 2 + 3, sizeof *words);

	ASSERT(words != NULL);
	c->words = words;
	for (;; list++) {
		size_t len = strcspn(list, ",");
		char *word = copy_trimmed(p, list, len);
		if (strcmp(word, "*") == 0)
			c->words_all = true;
		else if (*word != '\0')
			add_word(c, words, word);
		list += len;
		if (*list == '\0')
			break;
	}
	if (c->read_only_mode_enabled)
		add_word(c, words, "isro");
	/* zkServer.sh lives by it, and so does zkctl status (ZooKeeper: FourLetterCommands.isEnabled). */
	add_word(c, words, "srvr");
}

/* Who loads the file reads the list that it names; once it has, nothing is left to be read. */
static void
take_dynamic_file(struct parser *p)
{
	const struct setting *s = find_setting(p, "dynamicConfigFile", config_key_find("dynamicConfigFile"));

	if (s != NULL && s->value[0] != '\0' && p->list == NULL)
		p->c->dynamic_config_file = s->value;
}

static void
set_defaults(struct config *c)
{
	struct config_report none;

	config_report_init(&none);
	for (const struct config_key *k = config_keys; k < config_keys + config_nkeys; k++)
		if (k->def != NULL && k->field != CONFIG_NO_FIELD)
			value_store(c, k, k->name, k->def, (struct origin){ "default", 0 }, &none);
	ASSERT(none.nfindings == 0);
	c->client_port = -1;
	c->myid = -1;
}

static void
parse(struct parser *p, struct slice text, const char *const *overrides, size_t noverrides)
{
	if (text.len > CONFIG_TEXT_MAX) {
		report_error(p->r, (struct origin){ p->file, 0 }, NULL, "the file has %zu bytes; allowed: %d",
			     text.len, CONFIG_TEXT_MAX);
		return;
	}
	collect_text(p, text, p->file, false);
	if (p->list != NULL)
		collect_list(p);
	for (size_t i = 0; i < noverrides && p->r->nfindings < CONFIG_FINDINGS_MAX; i++)
		collect_override(p, overrides[i]);
	set_defaults(p->c);
	take_settings(p);
	take_words(p);
	take_dynamic_file(p);
	servers_read(p->c, p->settings, p->nsettings, p->r);
	relations_check(p->c, (struct origin){ p->file, 0 }, p->settings, p->nsettings, p->r);
	name_ignored(p);
}

int
config_parse(struct slice text, const char *file, const char *const *overrides, size_t noverrides,
	     struct config **c, struct config_report *r)
{
	return config_parse_with_list(text, file, NULL, overrides, noverrides, c, r);
}

int
config_parse_with_list(struct slice text, const char *file, const struct config_list *list,
		       const char *const *overrides, size_t noverrides, struct config **c,
		       struct config_report *r)
{
	struct parser p = { .r = r, .file = file, .list = list };

	*c = NULL;
	p.c = mem_zalloc(1, sizeof *p.c);
	arena_init(&p.c->arena, ARENA_MAX);
	p.settings = mem_zalloc(CONFIG_ENTRIES_MAX, sizeof *p.settings);
	parse(&p, text, overrides, noverrides);
	mem_free(p.settings);
	if (r->nerrors > 0) {
		config_free(p.c);
		return -EINVAL;
	}
	*c = p.c;
	return 0;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	arena_free(&c->arena);
	mem_free(c);
}
