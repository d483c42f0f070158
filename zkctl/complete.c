/* See complete.h. Nothing is known here of any command but what the tables say. */
#include "complete.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "command.h"
#include "data.h"
#include "jute/path.h"
#include "node.h"

struct completion {
	struct options o;
	const char *word; /* to go on */
	void (*offer)(void *ctx, const char *word, const char *about);
	void *ctx;
};

static void
offer(struct completion *c, const char *word, const char *about)
{
	if (strncmp(word, c->word, strlen(c->word)) == 0)
		c->offer(c->ctx, word, about);
}

/* ---- Names ---- */

static void
offer_commands(struct completion *c)
{
	const char *last = "";

	for (size_t i = 0; i < ncommands; i++)
		if (strcmp(commands[i].name, last) != 0) {
			last = commands[i].name;
			offer(c, last,
			      commands[i].verb == NULL ? commands[i].about : group_titles[commands[i].group]);
		}
}

static void
offer_verbs(struct completion *c, const char *name)
{
	for (size_t i = 0; i < ncommands; i++)
		if (strcmp(commands[i].name, name) == 0 && commands[i].verb != NULL)
			offer(c, commands[i].verb, commands[i].about);
}

static void
offer_options(struct completion *c, uint64_t mask)
{
	char text[64];

	for (int id = 0; id < NOPTIONS; id++) {
		const struct option_row *row = &option_rows[id];
		if ((mask >> id & 1) == 0)
			continue;
		if (row->name != NULL) {
			snprintf(text, sizeof text, "--%s", row->name);
			offer(c, text, row->about);
		} else {
			snprintf(text, sizeof text, "-%c", row->letter);
			offer(c, text, row->about);
		}
	}
}

/* ---- Paths ---- */

/* Children of what the word names up to its last slash. */
static void
offer_paths(struct completion *c)
{
	const char *slash = strrchr(c->word, '/');
	char *typed =
	    slash == NULL ? mem_strndup("", 0) : mem_strndup(c->word, (size_t)(slash - c->word) + 1);
	char *folder = data_path(&c->o, typed[0] == '\0' ? c->o.folder : typed);
	struct zk_answer a;
	struct zk *z;
	int32_t code = ZK_OK;

	if (folder != NULL && (slash != NULL || c->o.zk != NULL) && data_open(&c->o, &z) == ZKCTL_OK) {
		if (zk_children(z, folder, &a, &code) == 0 && code == ZK_OK) {
			data_sort_names(&a.names);
			for (int32_t i = 0; i < a.names.n; i++) {
				struct slice name = a.names.v[i];
				char *path = mem_alloc(strlen(typed) + name.len + 1);
				sprintf(path, "%s%.*s", typed, (int)name.len, (const char *)name.data);
				offer(c, path, NULL);
				mem_free(path);
			}
		}
		data_close(&c->o, z);
	} else if (slash == NULL) {
		offer(c, "/", NULL);
	}
	mem_free(folder);
	mem_free(typed);
}

/* ---- Which of them ---- */

/* What stands for the n-th argument in the row: "PATH", "FILE", ... */
static size_t
argument_name(const struct command *c, int n, char out[32])
{
	const char *p = c->arguments, *last = p;
	size_t len;

	for (; *p != '\0' && n >= 0; n--) {
		if (strncmp(p, " ...]", 5) == 0)
			break;
		p += strspn(p, " [");
		if (*p != '.' && *p != '\0')
			last = p;
		p += strcspn(p, " ");
	}
	last += strspn(last, " [");
	len = strcspn(last, " ],");
	len = len < 31 ? len : 31;
	memcpy(out, last, len);
	out[len] = '\0';
	return len;
}

static enum complete_kind
offer_named(struct completion *c, const char *name)
{
	static const char *const levels[] = { "error", "warning", "notice", "info", "debug" };
	static const char *const packets[] = { "proposal", "ack", "commit", "ping" };
	static const char *const rooms[] = { "front", "tree", "zab", "store", "election" };

	if (strcmp(name, "PATH") == 0) {
		offer_paths(c);
		return COMPLETE_PATHS;
	}
	if (strcmp(name, "FILE") == 0 || strcmp(name, "FOLDER") == 0)
		return COMPLETE_FILES;
	if (strcmp(name, "ROOM") == 0)
		for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
			offer(c, rooms[i], NULL);
	if (strcmp(name, "PACKET") == 0)
		for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++)
			offer(c, packets[i], NULL);
	if (strcmp(name, "LEVEL") == 0)
		for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
			offer(c, levels[i], NULL);
	if (strcmp(name, "DAEMON") == 0 || strcmp(name, "PROGRAM") == 0)
		for (const char *const *p = node_programs + (name[0] == 'D'); *p != NULL; p++)
			offer(c, *p, NULL);
	if (strcmp(name, "COMMAND") == 0)
		offer_commands(c);
	return COMPLETE_WORDS;
}

static enum complete_kind
offer_argument(struct completion *c, const struct command *row, int n)
{
	/* Behind any number of what may be left out: "[PROGRAM ...] LEVEL". */
	const char *last = strstr(row->arguments, "...] ");
	char name[32];

	if (last != NULL)
		offer_named(c, last + strlen("...] "));
	argument_name(row, n, name);
	return offer_named(c, name);
}

/* The option that wants the last word as its value, or -1. */
static int
find_value(uint64_t mask, uint64_t own, const char *word)
{
	for (int pass = 0; pass < 2; pass++)
		for (int id = 0; id < NOPTIONS; id++) {
			const struct option_row *row = &option_rows[id];
			if ((mask >> id & 1) == 0 || row->arg == NULL ||
			    ((own >> id & 1) != 0) != (pass == 0))
				continue;
			if (word[0] == '-' && word[1] == '-'
				? row->name != NULL && strcmp(word + 2, row->name) == 0
				: row->letter != '\0' && word[0] == '-' && word[1] == row->letter &&
				      word[2] == '\0')
				return id;
		}
	return -1;
}

static enum complete_kind
offer_value(struct completion *c, int id)
{
	const char *arg = option_rows[id].arg;

	if (strcmp(arg, "PATH") == 0) {
		offer_paths(c);
		return COMPLETE_PATHS;
	}
	return strcmp(arg, "FILE") == 0 || strcmp(arg, "DIR") == 0 ? COMPLETE_FILES : COMPLETE_WORDS;
}

/* Behind the command: words[0] is its name, the last word is to go on. */
static enum complete_kind
complete_command(struct completion *c, int nwords, char **words)
{
	const struct command *row = NULL;
	int before, at, id;

	for (size_t i = 0; i < ncommands && row == NULL; i++)
		if (strcmp(commands[i].name, words[0]) == 0 &&
		    (commands[i].verb == NULL || (nwords > 2 && strcmp(commands[i].verb, words[1]) == 0)))
			row = &commands[i];
	if (row == NULL) {
		if (nwords == 2)
			offer_verbs(c, words[0]);
		return COMPLETE_WORDS;
	}
	id = find_value(OPTIONS_GLOBAL | row->options, row->options, words[nwords - 2]);
	if (id >= 0)
		return offer_value(c, id);
	if (c->word[0] == '-') {
		offer_options(c, OPTIONS_GLOBAL | row->options);
		return COMPLETE_WORDS;
	}
	before = nwords - 1; /* without the word that is to go on */
	if (options_take(&c->o, row, before, words, &at) >= 0)
		return COMPLETE_WORDS;
	return offer_argument(c, row, before - at - (row->verb != NULL));
}

enum complete_kind
complete(const struct options *base, int nwords, char **words,
	 void (*offer_word)(void *ctx, const char *word, const char *about), void *ctx)
{
	struct completion c = { .o = *base, .word = words[nwords - 1], .offer = offer_word, .ctx = ctx };
	char **argv = mem_zalloc((size_t)nwords + 2, sizeof *argv);
	enum complete_kind kind = COMPLETE_WORDS;
	int at, id;

	argv[0] = (char *)"zkctl";
	memcpy(argv + 1, words, (size_t)nwords * sizeof *words);
	id = find_value(OPTIONS_GLOBAL, 0, argv[nwords - 1]);
	if (options_take(&c.o, NULL, nwords, argv, &at) >= 0 || at > nwords)
		at = nwords;
	if (at < nwords)
		kind = complete_command(&c, nwords + 1 - at, argv + at);
	else if (id >= 0)
		kind = offer_value(&c, id);
	else if (c.word[0] == '-')
		offer_options(&c, OPTIONS_GLOBAL);
	else
		offer_commands(&c);
	mem_free(argv);
	return kind;
}

/* ---- zkctl complete ---- */

static void
print_offer(void *ctx, const char *word, const char *about)
{
	(void)ctx;
	printf("%s\t%s\n", word, about == NULL ? "" : about);
}

/* A line for each, the word, a tab, what it is; then the kind. */
int
command_complete(const struct options *o, int argc, char **argv)
{
	static const char *const kinds[] = { "words", "paths", "files" };
	int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char *empty[] = { (char *)"" };
	enum complete_kind kind;

	/* A complaint would stand in the middle of what is being typed. */
	if (quiet >= 0)
		dup2(quiet, STDERR_FILENO);
	kind = complete(o, argc < 1 ? 1 : argc, argc < 1 ? empty : argv, print_offer, NULL);
	puts(kinds[kind]);
	return ZKCTL_OK;
}
