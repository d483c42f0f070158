/* zkctl: the command line. Each command is a row of the table. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zkctl.h"

static const struct command {
	const char *name, *arguments, *about;
	int (*run)(const struct options *o, int argc, char **argv);
	bool no_arguments;
} commands[] = {
	{ "ps", "", "the processes: pid, uptime, restarts, memory", command_ps, true },
	{ "status", "", "what the node is doing, and whether it is well", command_status, true },
	{ "wait", "ready", "until the node serves (30 s, or --timeout)", command_wait, false },
	{ "restart", "DAEMON",
	  "electiond, syncd, clientd or logd; waits for the new one (10 s, or --timeout)", command_restart,
	  false },
	{ "log-level", "LEVEL [PROGRAM ...]",
	  "error, warning, notice, info or debug, until the program restarts", command_log_level, false },
	{ "config", "check [FILE]", "whether a configuration is good, with all that is wrong with it",
	  command_config, false },
	{ "config", "show [FILE]", "the effective settings, defaults included", command_config, false },
	{ "config", "keys", "every key, its default, and whether it is honoured", command_config, false },
	{ "log", "dump FILE ...", "the transactions of ZooKeeper's log files, one a line", command_log,
	  false },
	{ "log", "verify FILE ...", "whether log files are whole and follow each other", command_log, false },
	{ "snapshot", "ls FILE [PATH]", "the children of a node in a snapshot; with -R all below it",
	  command_snapshot, false },
	{ "snapshot", "stat FILE PATH", "a node's Stat and ACL", command_snapshot, false },
	{ "snapshot", "get FILE PATH", "a node's data as it is", command_snapshot, false },
	{ "snapshot", "verify FILE", "whether a snapshot is whole, and what is in it", command_snapshot,
	  false },
#ifdef ZKD_DEBUG
	{ "debug", "probe DAEMON", "tries what the daemon's locked room must refuse", command_debug, false },
#endif
};
enum { NCOMMANDS = sizeof commands / sizeof commands[0] };

static const char usage_line[] =
    "usage: zkctl [-c FILE | --runtime DIR] [--json] COMMAND; zkctl --help lists the commands";

static void
print_help(void)
{
	char usage[64];

	puts("usage: zkctl [-c FILE [-D KEY=VALUE ...] | --runtime DIR] [--json] COMMAND\n"
	     "\n"
	     "Asks a running node on this machine. Which one: the folder of its sockets by --runtime, or "
	     "what its\n"
	     "configuration says; without either that of the configuration built in. log and snapshot read "
	     "files of\n"
	     "ZooKeeper or zkd and need no node.\n"
	     "\ncommands:");
	for (int i = 0; i < NCOMMANDS; i++) {
		snprintf(usage, sizeof usage, "%s %s", commands[i].name, commands[i].arguments);
		printf("  %-30s %s\n", usage, commands[i].about);
	}
	puts("\noptions:\n"
	     "  -c, --config FILE              the zoo.cfg the node was started with\n"
	     "  -D, --define KEY=VALUE         a key over what the file says; may be repeated\n"
	     "      --runtime DIR              its runtimeDir\n"
	     "      --json                     the answer as JSON on one line\n"
	     "      --facts                    status tells all that the daemons tell of themselves\n"
	     "      --timeout SECONDS          how long wait and restart wait\n"
	     "      --from ZXID, --to ZXID     log dump: only these, both included; 0x... is hexadecimal\n"
	     "      --data                     log dump: the data of znodes too\n"
	     "  -R                             snapshot ls: all paths below\n"
	     "      --help, --version\n"
	     "\n"
	     "exit status: 0 yes, done; 1 answered, but not well, not in time, or refused; 2 wrong "
	     "invocation or\n"
	     "configuration, or a file cannot be opened; 3 no such node, or it does not answer; 4 good but "
	     "for "
	     "a torn\n"
	     "tail of the newest log. See zkctl(1).");
}

enum {
	OPT_RUNTIME = 256,
	OPT_JSON,
	OPT_FACTS,
	OPT_TIMEOUT,
	OPT_FROM,
	OPT_TO,
	OPT_DATA,
	OPT_HELP,
	OPT_VERSION
};

/* Seconds with decimals into ms; false when it is no such number. */
static bool
read_timeout(const char *text, int64_t *ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= 86400))
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

/* One end of a range. -1 to go on, else the exit status. */
static int
take_zxid(struct options *o, const char *name, uint64_t *zxid)
{
	o->range_given = true;
	if (read_zxid(optarg, zxid))
		return -1;
	return complain(ZKCTL_USAGE, "%s: \"%s\" is no zxid; allowed: 0x... or decimal", name, optarg);
}

/* -1 to go on, else the exit status. */
static int
take_option(struct options *o, int opt)
{
	switch (opt) {
	case 'c':
		o->config_file = optarg;
		return -1;
	case 'D':
		if (o->noverrides == ZKCTL_OVERRIDES_MAX)
			return complain(ZKCTL_USAGE, "more than %d -D", ZKCTL_OVERRIDES_MAX);
		o->overrides[o->noverrides++] = optarg;
		return -1;
	case OPT_RUNTIME:
		o->runtime = optarg;
		return -1;
	case OPT_JSON:
		o->json = true;
		return -1;
	case OPT_FACTS:
		o->facts = true;
		return -1;
	case OPT_TIMEOUT:
		if (read_timeout(optarg, &o->timeout_ms))
			return -1;
		return complain(ZKCTL_USAGE, "--timeout: \"%s\" is no number of seconds; allowed: 0..86400",
				optarg);
	case OPT_FROM:
		return take_zxid(o, "--from", &o->from_zxid);
	case OPT_TO:
		return take_zxid(o, "--to", &o->to_zxid);
	case OPT_DATA:
		o->data = true;
		return -1;
	case 'R':
		o->recursive = true;
		return -1;
	case OPT_HELP:
		print_help();
		return ZKCTL_OK;
	case OPT_VERSION:
		puts("zkctl " PACKAGE_VERSION);
		return ZKCTL_OK;
	default:
		fprintf(stderr, "%s\n", usage_line);
		return ZKCTL_USAGE;
	}
}

static int
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "define", required_argument, NULL, 'D' },
		{ "runtime", required_argument, NULL, OPT_RUNTIME },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "facts", no_argument, NULL, OPT_FACTS },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		{ "from", required_argument, NULL, OPT_FROM },
		{ "to", required_argument, NULL, OPT_TO },
		{ "data", no_argument, NULL, OPT_DATA },
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ NULL, 0, NULL, 0 },
	};
	int opt, status;

	while ((opt = getopt_long(argc, argv, "c:D:R", known, NULL)) != -1)
		if ((status = take_option(o, opt)) >= 0)
			return status;
	if (o->runtime != NULL && o->config_file != NULL)
		return complain(ZKCTL_USAGE, "-c and --runtime both name a node; give one of them");
	return -1;
}

static int
run_command(const struct options *o, int argc, char **argv)
{
	const char *names[NCOMMANDS + 1] = { NULL };

	for (int i = 0; i < NCOMMANDS; i++) {
		names[i] = commands[i].name;
		if (strcmp(argv[0], commands[i].name) != 0)
			continue;
		if (commands[i].no_arguments && argc > 1)
			return complain(ZKCTL_USAGE, "%s takes no argument, but \"%s\" was given", argv[0],
					argv[1]);
		return commands[i].run(o, argc - 1, argv + 1);
	}
	return complain(ZKCTL_USAGE, "no command \"%s\"%s; zkctl --help lists them", argv[0],
			suggestion(argv[0], names));
}

int
main(int argc, char **argv)
{
	struct options o = { .timeout_ms = -1, .to_zxid = UINT64_MAX };
	int status = parse_options(&o, argc, argv);

	if (status >= 0)
		return status;
	if (optind == argc) {
		fprintf(stderr, "%s\n", usage_line);
		return ZKCTL_USAGE;
	}
	status = run_command(&o, argc - optind, argv + optind);
	/* A full disk or a closed pipe under the answer is a failure too. */
	if (fflush(stdout) != 0)
		return complain(ZKCTL_UNWELL, "cannot write the answer");
	return status;
}
