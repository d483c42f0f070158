/*
 * See commands.h. A row for each command: its names, what is asked for it, and what it makes of the answers. Invariant:
 * every answer has `command` and `error`, as ZooKeeper's have; a command whose numbers this node does not know has no
 * row, and is answered as an unknown one.
 */
#include "commands.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "words.h"

enum { NAMES_MAX = 3 };

struct command {
	struct page page; /* first: a page of ours is a command */
	const char *names[NAMES_MAX];
	bool alone; /* what it says is only true of a standalone node; unknown on others */
	/* Adds what is its own; may be NULL. The text of an error, or NULL. */
	const char *(*fill)(struct exchange *x, json_t *o);
};

static const char not_serving[] = "This ZooKeeper instance is not currently serving requests";

/* The text of source i, which is a word; empty where there is no answer. */
static struct slice
text_of(const struct exchange *x, unsigned i)
{
	const Zkd__WordAnswer *a = x->answers[i];

	return a == NULL ? SLICE_LIT("")
			 : slice_of(a->text.data == NULL ? (uint8_t *)"" : a->text.data, a->text.len);
}

/* ---- what each makes of its answers ---- */

static const char *
fill_monitor(struct exchange *x, json_t *o)
{
	words_monitor(o, text_of(x, 0));
	return NULL;
}

static const char *
fill_configuration(struct exchange *x, json_t *o)
{
	words_configuration(o, text_of(x, 0));
	return NULL;
}

static const char *
fill_connections(struct exchange *x, json_t *o)
{
	words_connections(o, text_of(x, 0), true);
	return NULL;
}

static const char *
fill_dump(struct exchange *x, json_t *o)
{
	words_dump(o, text_of(x, 0));
	return NULL;
}

static const char *
fill_environment(struct exchange *x, json_t *o)
{
	words_environment(o, text_of(x, 0));
	return NULL;
}

static const char *
fill_hash(struct exchange *x, json_t *o)
{
	words_hash(o, text_of(x, 0));
	return NULL;
}

static const char *
fill_is_read_only(struct exchange *x, json_t *o)
{
	json_object_set_new(o, "read_only", json_boolean(slice_equal(text_of(x, 0), SLICE_LIT("ro"))));
	return NULL;
}

static const char *
fill_trace_mask(struct exchange *x, json_t *o)
{
	json_object_set_new(o, "tracemask", words_value(text_of(x, 0)));
	return NULL;
}

static const char *
fill_set_trace_mask(struct exchange *x, json_t *o)
{
	if (!x->has_argument)
		return "setTraceMask requires long traceMask argument";
	json_object_set_new(o, "tracemask", words_value(text_of(x, 0)));
	return NULL;
}

static const char *
fill_server_stats(struct exchange *x, json_t *o)
{
	words_server_stats(o, text_of(x, 0), text_of(x, 1));
	return NULL;
}

static const char *
fill_stats(struct exchange *x, json_t *o)
{
	words_server_stats(o, text_of(x, 0), text_of(x, 1));
	words_connections(o, text_of(x, 2), false);
	return NULL;
}

static const char *
fill_watch_summary(struct exchange *x, json_t *o)
{
	words_watch_summary(o, text_of(x, 0));
	return NULL;
}

static const char *
fill_watches(struct exchange *x, json_t *o)
{
	words_watches(o, text_of(x, 0));
	return NULL;
}

static const char *
fill_watches_by_path(struct exchange *x, json_t *o)
{
	words_watches_by_path(o, text_of(x, 0));
	return NULL;
}

/* The configuration in force, key by key, but for its secrets. */
static const char *
fill_initial_configuration(struct exchange *x, json_t *o)
{
	struct buf text;

	buf_init(&text, 2 * CONFIG_TEXT_MAX);
	config_print(x->http->config, false, &text);
	json_object_set_new(o, "initial_configuration", words_string(buf_slice(&text)));
	buf_free(&text);
	return NULL;
}

/* HOST:PORT */
static json_t *
address(const char *host, int port)
{
	bool six = strchr(host, ':') != NULL;

	return json_sprintf("%s%s%s:%d", six ? "[" : "", host, six ? "]" : "", port);
}

static json_t *
server_view(const struct config_server *s)
{
	json_t *o = json_object(), *quorum = json_array(), *election = json_array();

	for (size_t i = 0; i < s->naddresses; i++) {
		json_array_append_new(quorum, address(s->addresses[i].host, s->addresses[i].quorum_port));
		json_array_append_new(election, address(s->addresses[i].host, s->addresses[i].election_port));
	}
	json_object_set_new(o, "server_addresses", quorum);
	json_object_set_new(o, "election_addresses", election);
	json_object_set_new(o, "client_address",
			    s->client.port < 0 ? json_string("")
					       : address(s->client.host == NULL ? "0.0.0.0" : s->client.host,
							 s->client.port));
	json_object_set_new(o, "learner_type", json_string("participant"));
	return o;
}

/* The members that vote, as the configuration has them; none on a standalone node. */
static const char *
fill_voting_view(struct exchange *x, json_t *o)
{
	const struct config *c = x->http->config;
	json_t *view = json_object();
	char sid[24];

	for (size_t i = 0; config_is_ensemble(c) && i < c->nservers; i++) {
		if (c->servers[i].observer)
			continue;
		snprintf(sid, sizeof sid, "%lld", (long long)c->servers[i].sid);
		json_object_set_new(view, sid, server_view(&c->servers[i]));
	}
	json_object_set_new(o, "current_config", view);
	return NULL;
}

static const char *
find_fact(const Zkd__Status *s, const char *name)
{
	for (size_t i = 0; s != NULL && i < s->n_facts; i++)
		if (strcmp(s->facts[i]->name, name) == 0)
			return s->facts[i]->value;
	return NULL;
}

/* The hosts at which the configuration has server `sid`, as ZooKeeper joins them. */
static json_t *
hosts_of(const struct config *c, int64_t sid)
{
	const struct config_server *s = config_find_server(c, sid);
	struct buf text;
	json_t *j;

	buf_init(&text, 64 << 10);
	for (size_t i = 0; s != NULL && i < s->naddresses; i++) {
		buf_put(&text, "|", i > 0);
		buf_put_slice(&text, slice_str(s->addresses[i].host));
	}
	j = words_string(buf_slice(&text));
	buf_free(&text);
	return j;
}

/* On a standalone node there is no leader, no observer and no Zab state; ZooKeeper says so in these words. */
static const char *
fill_leader(struct exchange *x, json_t *o)
{
	const char *leader = find_fact(x->answers[1], "leader"), *mode = find_fact(x->answers[1], "mode");
	int64_t sid;

	if (!config_is_ensemble(x->http->config))
		return "server is not initialized";
	if (leader == NULL || mode == NULL)
		return not_serving;
	sid = words_number(slice_str(leader));
	json_object_set_new(o, "is_leader", json_boolean(strcmp(mode, "leader") == 0));
	json_object_set_new(o, "leader_id", json_integer(sid));
	json_object_set_new(o, "leader_ip", hosts_of(x->http->config, sid));
	return NULL;
}

static const char *
fill_observers(struct exchange *x, json_t *o)
{
	(void)x;
	json_object_set_new(o, "synced_observers", json_integer(0));
	json_object_set_new(o, "observers", json_array());
	return NULL;
}

/* What this server is in Zab; "following - broadcast" is how mntr says it. */
static void
put_zab(struct exchange *x, json_t *o)
{
	const struct config *c = x->http->config;
	const struct config_server *own = config_find_server(c, c->myid);
	struct slice peer = words_find_metric(text_of(x, 0), "peer_state");
	const uint8_t *dash = peer.data == NULL ? NULL : memmem(peer.data, peer.len, " - ", 3);
	uint64_t zxid = (uint64_t)words_zxid(text_of(x, 1));

	json_object_set_new(o, "myid", json_integer(c->myid));
	json_object_set_new(
	    o, "is_leader",
	    json_boolean(slice_equal(words_find_metric(text_of(x, 0), "server_state"), SLICE_LIT("leader"))));
	json_object_set_new(o, "voting", json_boolean(own != NULL && !own->observer));
	json_object_set_new(o, "last_zxid", json_sprintf("0x%llx", (unsigned long long)zxid));
	json_object_set_new(o, "zab_epoch", json_integer((json_int_t)(zxid >> 32)));
	json_object_set_new(o, "zab_counter", json_integer((json_int_t)(zxid & UINT32_MAX)));
	json_object_set_new(
	    o, "zabstate",
	    dash == NULL ? json_string("")
			 : words_string(slice_of(dash + 3, (size_t)(peer.data + peer.len - dash) - 3)));
}

static const char *
fill_zabstate(struct exchange *x, json_t *o)
{
	if (config_is_ensemble(x->http->config)) {
		put_zab(x, o);
		return NULL;
	}
	json_object_set_new(o, "voting", json_false());
	json_object_set_new(o, "zabstate", json_string(""));
	return NULL;
}

/* ---- the table ---- */

static void print_command(struct exchange *x);

#define JSON_TYPE "application/json"
#define WORD(w)                                                                                              \
	{                                                                                                    \
		ASK_CLIENTD, w                                                                               \
	}
#define COUNT(...) (sizeof((const struct source[]){ __VA_ARGS__ }) / sizeof(struct source))
#define ASKS(...)                                                                                            \
	.page = { .sources = (const struct source[]){ __VA_ARGS__ },                                         \
		  .nsources = COUNT(__VA_ARGS__),                                                            \
		  .type = JSON_TYPE,                                                                         \
		  .print = print_command }

/* clang-format off */
/* By name, as the list shows them. Who needs nothing but a node that serves asks for srvr. */
static const struct command commands[] = {
	{ ASKS(WORD("conf")), .names = { "configuration", "conf", "config" }, .fill = fill_configuration },
	{ ASKS(WORD("crst")), .names = { "connection_stat_reset", "crst" } },
	{ ASKS(WORD("cons")), .names = { "connections", "cons" }, .fill = fill_connections },
	{ ASKS(WORD("dump")), .names = { "dump" }, .fill = fill_dump },
	{ ASKS(WORD("envi")), .names = { "environment", "env", "envi" }, .fill = fill_environment },
	{ ASKS(WORD("gtmk")), .names = { "get_trace_mask", "gtmk" }, .fill = fill_trace_mask },
	{ ASKS(WORD("hash")), .names = { "hash" }, .fill = fill_hash },
	{ ASKS(WORD("srvr")), .names = { "initial_configuration", "icfg" }, .fill = fill_initial_configuration },
	{ ASKS(WORD("isro"), WORD("srvr")), .names = { "is_read_only", "isro" }, .fill = fill_is_read_only },
	{ ASKS(WORD("srvr"), { ASK_CLIENTD, NULL }), .names = { "leader", "lead" }, .fill = fill_leader },
	{ ASKS(WORD("mntr")), .names = { "monitor", "mntr" }, .fill = fill_monitor },
	{ ASKS(WORD("srvr")), .names = { "observers", "obsr" }, .alone = true, .fill = fill_observers },
	{ ASKS(WORD("srvr")), .names = { "ruok" } },
	{ ASKS(WORD("mntr"), WORD("srvr")), .names = { "server_stats", "srvr" }, .fill = fill_server_stats },
	{ .page = { .sources = (const struct source[]){ WORD("stmk") }, .nsources = 1, .type = JSON_TYPE,
		    .argument = "traceMask", .print = print_command },
	  .names = { "set_trace_mask", "stmk" }, .fill = fill_set_trace_mask },
	{ ASKS(WORD("srst")), .names = { "stat_reset", "srst" } },
	{ ASKS(WORD("mntr"), WORD("srvr"), WORD("cons")), .names = { "stats", "stat" }, .fill = fill_stats },
	{ ASKS(WORD("srvr")), .names = { "voting_view" }, .fill = fill_voting_view },
	{ ASKS(WORD("wchs")), .names = { "watch_summary", "wchs" }, .fill = fill_watch_summary },
	{ ASKS(WORD("wchc")), .names = { "watches", "wchc" }, .fill = fill_watches },
	{ ASKS(WORD("wchp")), .names = { "watches_by_path", "wchp" }, .fill = fill_watches_by_path },
	{ ASKS(WORD("mntr"), WORD("srvr")), .names = { "zabstate" }, .fill = fill_zabstate },
};
/* clang-format on */
enum { COMMANDS = sizeof commands / sizeof *commands };

/* ---- pages ---- */

static void
put_json(struct exchange *x, json_t *o)
{
	char *text = json_dumps(o, JSON_INDENT(2));

	buf_put_slice(&x->out, slice_str(text != NULL ? text : "{}"));
	free(text); /* jansson's */
	json_decref(o);
}

static json_t *
error_text(const char *error)
{
	return error == NULL ? json_null() : json_string(error);
}

/* Whether clientd has answered all that was asked, of a node that serves; *cut: but not in full. */
static bool
is_answered(const struct exchange *x, bool *cut)
{
	const Zkd__WordAnswer *a;

	*cut = false;
	for (unsigned i = 0; i < x->page->nsources; i++) {
		a = x->answers[i];
		if (a == NULL)
			return false;
		if (x->page->sources[i].word == NULL)
			continue;
		if (!a->serving)
			return false;
		*cut |= a->cut;
	}
	return true;
}

static void
print_command(struct exchange *x)
{
	const struct command *c = container_of(x->page, const struct command, page);
	json_t *o = json_object();
	const char *error = NULL;
	bool cut = false;

	if ((c->page.argument == NULL || x->has_argument) && !is_answered(x, &cut))
		error = not_serving;
	else if (c->fill != NULL)
		error = c->fill(x, o);
	if (cut)
		json_object_set_new(o, "truncated", json_true());
	json_object_set_new(o, "command", json_string(c->names[0]));
	json_object_set_new(o, "error", error_text(error));
	put_json(x, o);
}

/* The part of the path behind admin.commandURL and its slash; NULL: it is elsewhere. "" is the list. */
static const char *
command_part(const struct config *c, const char *path)
{
	size_t len = strlen(c->admin_url);

	if (strncmp(path, c->admin_url, len) != 0 || (path[len] != '\0' && path[len] != '/'))
		return NULL;
	return path[len] == '/' ? path + len + 1 : path + len;
}

static void
print_unknown(struct exchange *x)
{
	const char *name = command_part(x->http->config, x->path);
	json_t *command = words_string(slice_str(name)), *o = json_object();

	json_object_set(o, "command", command);
	json_object_set_new(o, "error", json_sprintf("Unknown command: %s", json_string_value(command)));
	json_decref(command);
	put_json(x, o);
}

static bool
is_offered(const struct config *c, const struct command *k)
{
	return !k->alone || !config_is_ensemble(c);
}

static void
print_list(struct exchange *x)
{
	const struct config *c = x->http->config;
	char line[512];

	for (size_t i = 0; i < COMMANDS; i++) {
		if (!is_offered(c, &commands[i]))
			continue;
		snprintf(line, sizeof line, "<a href=\"%s/%s\">%s</a>\n<br/>\n", c->admin_url,
			 commands[i].names[0], commands[i].names[0]);
		buf_put_slice(&x->out, slice_str(line));
	}
}

static bool
is_called(const struct command *k, const char *name)
{
	for (int i = 0; i < NAMES_MAX && k->names[i] != NULL; i++)
		if (strcmp(k->names[i], name) == 0)
			return true;
	return false;
}

const struct page *
commands_find(const struct config *c, const char *path)
{
	static const struct page list = { .type = "text/html; charset=utf-8", .print = print_list };
	static const struct page unknown = { .type = JSON_TYPE, .print = print_unknown };
	const char *name = command_part(c, path);

	if (name == NULL)
		return NULL;
	if (*name == '\0')
		return &list;
	for (size_t i = 0; i < COMMANDS; i++)
		if (is_called(&commands[i], name) && is_offered(c, &commands[i]))
			return &commands[i].page;
	return &unknown;
}
