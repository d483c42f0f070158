/*
 * The command line as tables: every command with its arguments and options, every option once. What zkctl parses,
 * `zkctl --help` and `zkctl help` print, the shells complete, and the lint compares with zkctl(1) is this.
 */
#ifndef ZKCTL_COMMAND_H
#define ZKCTL_COMMAND_H

#include "zkctl.h"

/* X(id, letter or 0, name or NULL, argument or NULL, about) in the order to list them */
#define OPTIONS(X)                                                                                           \
	X(CONFIG, 'c', "config", "FILE", "the zoo.cfg the node was started with")                            \
	X(DEFINE, 'D', "define", "KEY=VALUE", "a key over what the file says; may be repeated")              \
	X(RUNTIME, 0, "runtime", "DIR", "the runtimeDir of the node")                                        \
	X(SERVER, 's', "server", "HOST:PORT,...", "servers to talk to, instead of the local node")           \
	X(AUTH, 'a', "auth", "SCHEME:SOURCE", "a credential of @FILE, env:NAME or tty")                      \
	X(READ_ONLY, 0, "read-only", NULL, "a server without a quorum will do")                              \
	X(TIMEOUT, 0, "timeout", "SECONDS", "how long to wait")                                              \
	X(JSON, 0, "json", NULL, "the answer as JSON")                                                       \
	X(HELP, 'h', "help", NULL, "what is on this page")                                                   \
	X(VERSION, 0, "version", NULL, "the version")                                                        \
	X(FACTS, 0, "facts", NULL, "all that the daemons tell of themselves")                                \
	X(FROM, 0, "from", "ZXID", "only from this one on; 0x... is hexadecimal")                            \
	X(TO, 0, "to", "ZXID", "only up to this one")                                                        \
	X(DATA, 0, "data", NULL, "the data of znodes too")                                                   \
	X(RECURSIVE, 'R', "recursive", NULL, "with all that is below")                                       \
	X(REMOVE, 'r', NULL, NULL, "with all that is below")                                                 \
	X(LONG, 'l', "long", NULL, "with version, size and kind of each")                                    \
	X(DEPTH, 0, "depth", "N", "not deeper than this")                                                    \
	X(HEX, 0, "hex", NULL, "data in hexadecimal")                                                        \
	X(EPHEMERAL, 'e', "ephemeral", NULL, "gone when zkctl ends: it waits to be interrupted")             \
	X(SEQUENTIAL, 's', "sequential", NULL, "with a number behind its name")                              \
	X(CONTAINER, 'c', "container", NULL, "goes when its last child has gone")                            \
	X(TTL, 0, "ttl", "SECONDS", "goes when it was not changed for so long")                              \
	X(PARENTS, 'p', "parents", NULL, "create what is missing above it; no error when it is there")       \
	X(ACL, 0, "acl", "ACL,...", "scheme:id:perms instead of world:anyone:cdrwa")                         \
	X(FILE, 'f', "file", "FILE", "data from this file; - is standard input")                             \
	X(VERSION_IS, 'v', "if-version", "N", "only if it has this version")                                 \
	X(YES, 'y', "yes", NULL, "do not ask")                                                               \
	X(EVENTS, 'n', "events", "N", "end after so many events")                                            \
	X(INTO, 0, "into", "PATH", "below this znode instead of where it was")                               \
	X(OVERWRITE, 0, "overwrite", NULL, "set data and ACL of what is there already")                      \
	X(KEEP, 0, "keep", NULL, "leave what is there already as it is")                                     \
	X(SNAPSHOT, 0, "snapshot", "FILE", "from a snapshot file, which knows TTLs and containers")          \
	X(COUNT, 0, "count", "N", "so many znodes at most, this one included; so many packets")              \
	X(BYTES, 0, "bytes", "N", "most bytes of data")                                                      \
	X(HARD, 0, "hard", NULL, "refuse what goes beyond it (enforceQuota=true), not only warn")            \
	X(PEER, 0, "peer", "SID", "only what is sent to this server")                                        \
	X(MS, 0, "ms", "N", "so many milliseconds")                                                          \
	X(OUTPUT, 'o', "output", "FILE", "into this file, or as zoo.cfg into this folder")                   \
	X(MIGRATION, 0, "migration", NULL, "of a ZooKeeper ensemble, before zkd takes its place")            \
	X(FORCE, 0, "force", NULL, "write over a file that is there")                                        \
	X(WITHOUT, 0, "without", "KEY,...", "leave these keys out, such as ssl.*")

enum option_id {
#define X(id, letter, name, arg, about) OPTION_##id,
	OPTIONS(X)
#undef X
	    NOPTIONS
};

struct option_row {
	char letter;
	const char *name, *arg, *about;
};
extern const struct option_row option_rows[NOPTIONS];

#define BIT(id) ((uint64_t)1 << OPTION_##id)

/* Options that stand before any command, and behind one unless it has another meaning for the letter. */
#define OPTIONS_GLOBAL                                                                                       \
	(BIT(CONFIG) | BIT(DEFINE) | BIT(RUNTIME) | BIT(SERVER) | BIT(AUTH) | BIT(READ_ONLY) |               \
	 BIT(TIMEOUT) | BIT(JSON) | BIT(HELP) | BIT(VERSION))

enum command_group { GROUP_DATA, GROUP_NODE, GROUP_CONFIG, GROUP_FILES, GROUP_ITSELF, NGROUPS };
extern const char *const group_titles[NGROUPS];

struct command {
	enum command_group group;
	const char *name, *verb, *arguments, *about; /* verb: NULL, or the second word */
	/* argv begins with the verb where there is one. */
	int (*run)(const struct options *o, int argc, char **argv);
	int least, most;  /* arguments behind the verb; most -1: the command tells */
	uint64_t options; /* besides the global ones */
};
extern const struct command commands[];
extern const size_t ncommands;

/* "acl get" into out. */
const char *command_title(const struct command *c, char out[48]);
/* The row for the words of a command line, or NULL after a complaint. */
const struct command *command_find(int argc, char **argv);
/* Options behind a command and its arguments; runs it. Also for the shell, whose words come again and again. */
int command_run(const struct options *base, int argc, char **argv);
/*
 * Takes options from the front of argv up to the first word (c NULL), or from anywhere between those of c. -1 and the
 * index of the first word in *words (they have been moved to the end), else an exit status.
 */
int options_take(struct options *o, const struct command *c, int argc, char **argv, int *words);

void print_usage(void);
void print_help(void);
void print_command_help(const struct command *c);
int command_help(const struct options *o, int argc, char **argv);
int command_complete(const struct options *o, int argc, char **argv);

#endif
