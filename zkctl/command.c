/* The table of commands, and which row a command line means. See command.h. */
#include "config.h"

#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

const char *const group_titles[NGROUPS] = {
	[GROUP_DATA] = "data, of the local node or of --server",
	[GROUP_NODE] = "the node on this machine",
	[GROUP_CONFIG] = "a configuration, before it is used",
	[GROUP_FILES] = "files of ZooKeeper or zkd",
	[GROUP_ITSELF] = "zkctl itself",
};

const struct command commands[] = {
	{ GROUP_DATA, "ls", NULL, "[PATH]", "the children of a znode", command_ls, 0, 1,
	  BIT(RECURSIVE) | BIT(LONG) },
	{ GROUP_DATA, "tree", NULL, "[PATH]", "a znode and what is below it, drawn as a tree", command_tree,
	  0, 1, BIT(DEPTH) },
	{ GROUP_DATA, "get", NULL, "PATH", "the data of a znode", command_get, 1, 1, BIT(HEX) },
	{ GROUP_DATA, "stat", NULL, "PATH", "when and how a znode was made and changed", command_stat, 1, 1,
	  0 },
	{ GROUP_DATA, "create", NULL, "PATH [DATA]", "a new znode", command_create, 1, 2,
	  BIT(EPHEMERAL) | BIT(SEQUENTIAL) | BIT(CONTAINER) | BIT(TTL) | BIT(PARENTS) | BIT(ACL) |
	      BIT(FILE) },
	{ GROUP_DATA, "set", NULL, "PATH [DATA]", "new data for a znode", command_set, 1, 2,
	  BIT(FILE) | BIT(VERSION_IS) },
	{ GROUP_DATA, "rm", NULL, "PATH ...", "delete znodes", command_rm, 1, -1,
	  BIT(REMOVE) | BIT(YES) | BIT(VERSION_IS) },
	{ GROUP_DATA, "watch", NULL, "PATH ...", "print changes as they happen", command_watch, 1, -1,
	  BIT(RECURSIVE) | BIT(EVENTS) },
	{ GROUP_DATA, "acl", "get", "PATH", "who may do what with a znode", command_acl, 1, 1, 0 },
	{ GROUP_DATA, "acl", "set", "PATH ACL,...", "let these do that, and nobody else anything",
	  command_acl, 2, 2, BIT(RECURSIVE) | BIT(VERSION_IS) },
	{ GROUP_DATA, "quota", "ls", "", "all quotas, and how much of them is used", command_quota, 0, 0, 0 },
	{ GROUP_DATA, "quota", "get", "PATH", "the quota of a znode and what is below it", command_quota, 1,
	  1, 0 },
	{ GROUP_DATA, "quota", "set", "PATH", "limit a znode and what is below it", command_quota, 1, 1,
	  BIT(COUNT) | BIT(BYTES) | BIT(HARD) },
	{ GROUP_DATA, "quota", "rm", "PATH", "limit it no longer", command_quota, 1, 1, 0 },
	{ GROUP_DATA, "sessions", "ls", "", "sessions, their clients and their ephemerals", command_sessions,
	  0, 0, BIT(LONG) },
	{ GROUP_DATA, "sessions", "kill", "SESSION ...", "end sessions: their ephemerals go",
	  command_sessions, 1, -1, BIT(YES) },
	{ GROUP_DATA, "export", NULL, "PATH", "a znode and what is below it as lines of JSON", command_export,
	  1, 1, BIT(FILE) | BIT(SNAPSHOT) },
	{ GROUP_DATA, "import", NULL, "FILE", "create what was exported", command_import, 1, 1,
	  BIT(INTO) | BIT(OVERWRITE) | BIT(KEEP) },
	{ GROUP_DATA, "shell", NULL, "", "commands one after the other, in one session", command_shell, 0, 0,
	  0 },
	{ GROUP_NODE, "ps", NULL, "", "the processes: memory, what waits, longest turn", command_ps, 0, 0,
	  0 },
	{ GROUP_NODE, "status", NULL, "", "what the node is doing, and whether it is well", command_status, 0,
	  0, BIT(FACTS) },
	{ GROUP_NODE, "doctor", NULL, "[FOLDER]", "what is not well, and the way out", command_doctor, 0, 1,
	  BIT(MIGRATION) | BIT(COUNT) | BIT(WITHOUT) },
	{ GROUP_NODE, "election", NULL, "", "the votes on who leads, as they stand", command_election, 0, 0,
	  0 },
	{ GROUP_NODE, "move-leader", NULL, "[SID]", "a follower leads in place of this server",
	  command_move_leader, 0, 1, 0 },
	{ GROUP_NODE, "wait", "ready", "", "until the node serves (30 s, or --timeout)", command_wait, 0, -1,
	  0 },
	{ GROUP_NODE, "restart", NULL, "DAEMON", "restart one daemon and wait for the new one",
	  command_restart, 0, -1, 0 },
	{ GROUP_NODE, "log-level", NULL, "[PROGRAM ...] LEVEL",
	  "how much the programs log, until they restart", command_log_level, 0, -1, 0 },
	{ GROUP_NODE, "trace", "on", "ROOM", "log every decision of a core, such as zab", command_trace, 1, 1,
	  0 },
	{ GROUP_NODE, "trace", "off", "ROOM", "no longer", command_trace, 1, 1, 0 },
#ifdef ZKD_DEBUG
	{ GROUP_NODE, "debug", "probe", "DAEMON", "tries what the daemon's locked room must refuse",
	  command_debug, 1, 1, 0 },
	{ GROUP_NODE, "debug", "drop", "PACKET", "lose the next ack, ping, ... sent to a peer",
	  command_debug_drop, 1, 1, BIT(PEER) | BIT(COUNT) },
	{ GROUP_NODE, "debug", "stall", "DAEMON", "let a daemon stand still for a while (1 s)",
	  command_debug_fault, 1, 1, BIT(MS) },
	{ GROUP_NODE, "debug", "crash", "DAEMON", "let a daemon die as of a bug of its own",
	  command_debug_fault, 1, 1, 0 },
#endif
	{ GROUP_CONFIG, "adopt", NULL, "FOLDER", "zkd's zoo.cfg of a ZooKeeper installation's", command_adopt,
	  1, 1, BIT(OUTPUT) | BIT(FORCE) | BIT(WITHOUT) },
	{ GROUP_CONFIG, "config", "check", "[FILE]", "whether it is good, with all that is wrong",
	  command_config, 0, 1, 0 },
	{ GROUP_CONFIG, "config", "show", "[FILE]", "the effective settings, defaults included",
	  command_config, 0, 1, 0 },
	{ GROUP_CONFIG, "config", "keys", "", "every key, its default, whether honoured", command_config, 0,
	  0, 0 },
	{ GROUP_FILES, "log", "dump", "FILE ...", "the transactions of log files, one a line", command_log, 0,
	  -1, BIT(FROM) | BIT(TO) | BIT(DATA) },
	{ GROUP_FILES, "log", "verify", "FILE ...", "whether they are whole and follow each other",
	  command_log, 0, -1, 0 },
	{ GROUP_FILES, "snapshot", "ls", "FILE [PATH]", "the children of a znode in a snapshot",
	  command_snapshot, 1, 2, BIT(RECURSIVE) },
	{ GROUP_FILES, "snapshot", "stat", "FILE PATH", "a znode's Stat and ACL", command_snapshot, 2, 2, 0 },
	{ GROUP_FILES, "snapshot", "get", "FILE PATH", "a znode's data as it is", command_snapshot, 2, 2, 0 },
	{ GROUP_FILES, "snapshot", "verify", "FILE", "whether a snapshot is whole, and what is in it",
	  command_snapshot, 1, 1, 0 },
	{ GROUP_ITSELF, "help", NULL, "[COMMAND]", "what a command takes and does", command_help, 0, -1, 0 },
	{ GROUP_ITSELF, "complete", NULL, "WORD ...", "how the last word may go on: for shells",
	  command_complete, 0, -1, 0 },
};
const size_t ncommands = sizeof commands / sizeof commands[0];

const char *
command_title(const struct command *c, char out[48])
{
	snprintf(out, 48, "%s%s%s", c->name, c->verb == NULL ? "" : " ", c->verb == NULL ? "" : c->verb);
	return out;
}

/* "acl get PATH, acl set PATH ACL,..." */
static void
list_verbs(const char *name, struct buf *out)
{
	char line[128];

	for (size_t i = 0; i < ncommands; i++) {
		const struct command *c = &commands[i];
		if (strcmp(c->name, name) != 0)
			continue;
		snprintf(line, sizeof line, "%s%s %s%s%s", buf_len(out) == 0 ? "" : ", ", c->name, c->verb,
			 c->arguments[0] == '\0' ? "" : " ", c->arguments);
		buf_put(out, line, strlen(line));
	}
}

static const struct command *
complain_verb(const char *name, const char *verb)
{
	const char **names = mem_zalloc(ncommands + 1, sizeof *names);
	struct buf allowed;
	size_t n = 0;

	buf_init(&allowed, 4096);
	for (size_t i = 0; i < ncommands; i++)
		if (strcmp(commands[i].name, name) == 0)
			names[n++] = commands[i].verb;
	list_verbs(name, &allowed);
	complain(ZKCTL_USAGE, "%s does what%s; allowed: %.*s", name,
		 verb == NULL ? "?" : suggestion(verb, names), (int)buf_len(&allowed),
		 (const char *)buf_head(&allowed));
	buf_free(&allowed);
	mem_free(names);
	return NULL;
}

static const struct command *
complain_name(const char *name)
{
	const char **names = mem_zalloc(ncommands + 1, sizeof *names);

#ifndef ZKD_DEBUG
	if (strcmp(name, "debug") == 0) {
		complain(0, "debug: this zkctl is built without debugging verbs; ./configure --enable-debug "
			    "has them");
		mem_free(names);
		return NULL;
	}
#endif
	for (size_t i = 0; i < ncommands; i++)
		names[i] = commands[i].name;
	complain(ZKCTL_USAGE, "no command \"%s\"%s; zkctl --help lists them", name, suggestion(name, names));
	mem_free(names);
	return NULL;
}

/* The second word, also where options stand before it; NULL when there is none. */
static const char *
find_verb(int argc, char **argv, const char *verb)
{
	const char *word = NULL;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], verb) == 0)
			return argv[i];
		if (argv[i][0] != '-')
			word = word == NULL ? argv[i] : word;
		if (argv[1][0] != '-')
			break;
	}
	return word;
}

const struct command *
command_find(int argc, char **argv)
{
	const char *verb = NULL;
	bool named = false;

	for (size_t i = 0; i < ncommands; i++) {
		const struct command *c = &commands[i];
		if (strcmp(argv[0], c->name) != 0)
			continue;
		verb = c->verb == NULL ? NULL : find_verb(argc, argv, c->verb);
		if (c->verb == NULL || (verb != NULL && strcmp(verb, c->verb) == 0))
			return c;
		named = true;
	}
	return named ? complain_verb(argv[0], verb) : complain_name(argv[0]);
}

/* n: of the arguments behind the verb. */
static int
check_count(const struct command *c, int n, char **arguments)
{
	char title[48];

	command_title(c, title);
	if (c->most < 0 ? n >= c->least : n >= c->least && n <= c->most)
		return ZKCTL_OK;
	if (c->most == 0)
		return complain(ZKCTL_USAGE, "%s takes no argument, but \"%s\" was given", title,
				arguments[0]);
	return complain(ZKCTL_USAGE, "%s takes %s; zkctl help %s tells more", title, c->arguments, title);
}

int
command_run(const struct options *base, int argc, char **argv)
{
	const struct command *c;
	struct options o = *base;
	int words, status, verb;

	c = command_find(argc, argv);
	if (c == NULL)
		return ZKCTL_USAGE;
	status = options_take(&o, c, argc, argv, &words);
	if (status >= 0)
		return status;
	verb = c->verb == NULL ? 0 : 1;
	argc -= words;
	argv += words;
	status = check_count(c, argc - verb, argv + verb);
	return status != ZKCTL_OK ? status : c->run(&o, argc, argv);
}
