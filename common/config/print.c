/* Canonical text. Invariant: parsing what was printed with secrets gives the same configuration. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/assert.h"
#include "room.h"

enum { TEXT_MAX = 8 << 20 }; /* every byte of a text escaped, and the defaults */

static void
put_text(struct buf *out, const char *s)
{
	buf_put(out, s, strlen(s));
}

/* Escaped for the Properties syntax. Values have no blanks at their ends and no NUL. */
static void
put_escaped(struct buf *out, const char *s, bool is_key)
{
	static const char plain[] = "\t\n\r\f", letters[] = "tnrf";

	for (; *s != '\0'; s++) {
		const char *at = strchr(plain, *s);
		if (at != NULL) {
			buf_put_u8(out, '\\');
			buf_put_u8(out, (uint8_t)letters[at - plain]);
			continue;
		}
		if (*s == '\\' || (is_key && strchr(" =:#!", *s) != NULL))
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)*s);
	}
}

static void
put_line(struct buf *out, const char *key, const char *value)
{
	put_escaped(out, key, true);
	put_text(out, "=");
	/* A value that begins with a separator would lose it when read again. */
	if (*value == '=' || *value == ':')
		put_text(out, "\\");
	put_escaped(out, value, false);
	put_text(out, "\n");
}

/* The value of a key with a field; false where it is not set. */
static bool
format_value(const struct config *c, const struct config_key *k, char *out, size_t size, const char **value)
{
	const void *field = (const char *)c + k->field;
	const char *choice = k->choices;
	int64_t n;
	int i;

	*value = out;
	switch (k->type) {
	case CONFIG_BOOL:
		*value = *(const bool *)field ? "true" : "false";
		return true;
	case CONFIG_YESNO:
		*value = *(const bool *)field ? "yes" : "no";
		return true;
	case CONFIG_STRING:
		*value = *(const char *const *)field;
		return *value != NULL;
	case CONFIG_CHOICE:
		memcpy(&i, field, sizeof i);
		while (i-- > 0)
			choice = strchr(choice, '|') + 1;
		snprintf(out, size, "%.*s", (int)strcspn(choice, "|"), choice);
		return true;
	case CONFIG_INT:
	case CONFIG_JINT:
		n = *(const int *)field;
		break;
	case CONFIG_REAL: /* with so many digits it reads as the same */
		snprintf(out, size, "%.17g", *(const double *)field);
		return true;
	case CONFIG_INTERVAL:
		n = *(const int64_t *)field;
		snprintf(out, size, "%" PRId64 "%s", n, n == 0 ? "" : "ms");
		return true;
	default:
		n = *(const int64_t *)field / k->scale;
		break;
	}
	snprintf(out, size, "%" PRId64, n);
	return n >= k->min;
}

static void
put_words(struct buf *out, const struct config *c)
{
	put_text(out, "4lw.commands.whitelist=");
	if (c->words_all)
		put_text(out, "*");
	for (size_t i = 0; !c->words_all && i < c->nwords; i++) {
		put_text(out, i == 0 ? "" : ",");
		put_escaped(out, c->words[i], false);
	}
	put_text(out, "\n");
}

/* "sep[host:]port" where the address is there. */
static void
put_address(struct buf *out, const struct config_address *a)
{
	char port[16];

	if (a->port < 0)
		return;
	put_text(out, ";");
	if (a->host != NULL) {
		bool six = strchr(a->host, ':') != NULL;
		put_text(out, six ? "[" : "");
		put_escaped(out, a->host, false);
		put_text(out, six ? "]:" : ":");
	}
	snprintf(port, sizeof port, "%d", a->port);
	put_text(out, port);
}

static void
put_server(struct buf *out, const struct config_server *s)
{
	char number[64];

	snprintf(number, sizeof number, "server.%" PRId64 "=", s->sid);
	put_text(out, number);
	for (size_t i = 0; i < s->naddresses; i++) {
		const struct config_server_address *a = &s->addresses[i];
		bool six = strchr(a->host, ':') != NULL;
		put_text(out, i == 0 ? "" : "|");
		put_text(out, six ? "[" : "");
		put_escaped(out, a->host, false);
		snprintf(number, sizeof number, "%s:%d:%d:%s", six ? "]" : "", a->quorum_port,
			 a->election_port, s->observer ? "observer" : "participant");
		put_text(out, number);
	}
	put_address(out, &s->client);
	put_text(out, "\n");
}

static void
put_group(struct buf *out, const struct config *c, int64_t group)
{
	char number[64];
	bool first = true;

	for (size_t i = 0; i < c->nservers; i++) {
		if (c->servers[i].group != group)
			continue;
		if (first)
			snprintf(number, sizeof number, "group.%" PRId64 "=%" PRId64, group,
				 c->servers[i].sid);
		else
			snprintf(number, sizeof number, ":%" PRId64, c->servers[i].sid);
		put_text(out, number);
		first = false;
	}
	put_text(out, "\n");
}

/* Groups in the order of their first server, each once. */
static void
put_groups(struct buf *out, const struct config *c)
{
	for (size_t i = 0; i < c->nservers; i++) {
		bool seen = c->servers[i].group < 0;
		for (size_t j = 0; j < i && !seen; j++)
			seen = c->servers[j].group == c->servers[i].group;
		if (!seen)
			put_group(out, c, c->servers[i].group);
	}
}

static void
put_weights(struct buf *out, const struct config *c)
{
	char line[64];

	for (size_t i = 0; c->hierarchical && i < c->nservers; i++) {
		snprintf(line, sizeof line, "weight.%" PRId64 "=%" PRId64 "\n", c->servers[i].sid,
			 c->servers[i].weight);
		put_text(out, line);
	}
}

static void
put_version(struct buf *out, const struct config *c)
{
	char line[64];

	if (c->servers_version == 0)
		return;
	snprintf(line, sizeof line, "version=%" PRIx64 "\n", c->servers_version);
	put_text(out, line);
}

static void
put_special(struct buf *out, const struct config *c, const struct config_key *k)
{
	if (strcmp(k->name, "4lw.commands.whitelist") == 0) {
		put_words(out, c);
	} else if (strcmp(k->name, "version") == 0) {
		put_version(out, c);
	} else if (strcmp(k->name, "dynamicConfigFile") == 0) {
		/* the list itself is printed */
	} else if (strcmp(k->name, "server.*") == 0) {
		for (size_t i = 0; i < c->nservers; i++)
			put_server(out, &c->servers[i]);
	} else if (strcmp(k->name, "group.*") == 0) {
		put_groups(out, c);
	} else {
		put_weights(out, c);
	}
}

static void
put_key(struct buf *out, const struct config *c, const struct config_key *k, bool secrets)
{
	char number[128];
	const char *value;

	if (k->type == CONFIG_SPECIAL) {
		put_special(out, c, k);
	} else if (k->field != CONFIG_NO_FIELD && format_value(c, k, number, sizeof number, &value)) {
		if (k->secret && !secrets) {
			put_text(out, "# ");
			put_text(out, k->name);
			put_text(out, " is set, not shown\n");
		} else {
			put_line(out, k->name, value);
		}
	}
}

/* Part of a list that servers may change while they run. */
static bool
is_of_list(const struct config_key *k)
{
	return strcmp(k->name, "peerType") == 0 ||
	       (k->type == CONFIG_SPECIAL && strcmp(k->name, "4lw.commands.whitelist") != 0);
}

static bool
is_hashed(const struct config *c, const struct config_key *k)
{
	return strcmp(k->name, "myid") != 0 && !(c->reconfig_enabled && is_of_list(k));
}

static void
print(const struct config *c, bool secrets, bool for_hash, struct buf *out)
{
	for (const struct config_key *k = config_keys; k < config_keys + config_nkeys; k++)
		if (k->status == CONFIG_HONOURED && (!for_hash || is_hashed(c, k)))
			put_key(out, c, k, secrets);
	if (c->nignored > 0)
		put_text(out, "# accepted, not honoured\n");
	for (size_t i = 0; i < c->nignored; i++) {
		const struct config_key *k = config_key_find(c->ignored[i].key);
		if (config_key_is_secret(k, c->ignored[i].key) && !secrets)
			continue;
		put_line(out, c->ignored[i].key, c->ignored[i].value);
	}
}

void
config_print(const struct config *c, bool secrets, struct buf *out)
{
	print(c, secrets, false, out);
}

void
config_hash(const struct config *c, uint8_t hash[CONFIG_HASH_BYTES])
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	print(c, true, true, &text);
	ASSERT(!text.overflow);
	crypto_generichash(hash, CONFIG_HASH_BYTES, buf_head(&text), buf_len(&text), NULL, 0);
	buf_free(&text);
}
