/*
 * zkd: starts and watches the daemons. Everything that can fail for a reason that the operator has to know
 * (configuration, folders, ports, programs) fails here, before the loop, with a line that says what to do.
 */
#include "config.h"

#include "zkd.h"

#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harden.h"
#include "io/daemon.h"
#include "io/fdlimit.h"
#include "io/log.h"

static const char usage_text[] =
    "usage: zkd [-c zoo.cfg] [-D key=value ...] [-n] [-v]\n"
    "\n"
    "Runs a ZooKeeper-compatible node in the foreground: starts electiond, syncd, clientd and logd, and "
    "restarts\n"
    "whichever dies or hangs. Without -c: one node on 127.0.0.1:2181 with its data in ./zkd-data.\n"
    "\n"
    "  -c, --config FILE       read this zoo.cfg\n"
    "  -D, --define KEY=VALUE  set a key, over what the file says; may be repeated\n"
    "  -n, --check             check the configuration and leave: status 0 if it is good, 2 if not\n"
    "  -v, --verbose           say more; twice: everything\n"
    "      --help              this text\n"
    "      --version           the version\n"
    "\n"
    "SIGTERM stops the node, SIGHUP reads the configuration again. See zkd(8).\n";

enum { OPT_HELP = 256, OPT_VERSION };

struct command {
	struct invocation invocation;
	bool check_only;
};

/* 0 to go on, else the exit status + 1. */
static int
take_option(struct command *c, int opt)
{
	struct invocation *inv = &c->invocation;

	switch (opt) {
	case 'c':
		inv->config_file = optarg;
		return 0;
	case 'D':
		if (inv->noverrides == SETTINGS_OVERRIDES_MAX) {
			fprintf(stderr, "zkd: more than %d -D\n", (int)SETTINGS_OVERRIDES_MAX);
			return EXIT_BAD_INVOCATION + 1;
		}
		inv->overrides[inv->noverrides++] = optarg;
		return 0;
	case 'n':
		c->check_only = true;
		return 0;
	case 'v':
		inv->verbose++;
		return 0;
	case OPT_HELP:
		fputs(usage_text, stdout);
		return 1;
	case OPT_VERSION:
		puts("zkd " PACKAGE_VERSION);
		return 1;
	default:
		fputs("usage: zkd [-c zoo.cfg] [-D key=value ...] [-n] [-v]\n", stderr);
		return EXIT_BAD_INVOCATION + 1;
	}
}

static int
parse_command(struct command *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "define", required_argument, NULL, 'D' },
		{ "check", no_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ NULL, 0, NULL, 0 },
	};
	int opt, leave;

	while ((opt = getopt_long(argc, argv, "c:D:nv", options, NULL)) != -1)
		if ((leave = take_option(c, opt)) != 0)
			return leave;
	if (optind == argc)
		return 0;
	fprintf(stderr, "zkd: \"%s\" is no option; a configuration file is named with -c\n", argv[optind]);
	return EXIT_BAD_INVOCATION + 1;
}

/*
 * Descriptors 0, 1 and 2 stand for something, whatever we were started with: else a socket would take their place.
 * Others that somebody left open go no further.
 */
static void
tidy_descriptors(void)
{
	int fd;

	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* What is sent to us before there is a loop to take it waits for that: it shall end us in order, or not at all. */
static void
hold_signals(void)
{
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGQUIT);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, NULL);
}

/* Folders, sockets, programs. 0 or an exit status. */
static int
prepare(struct zkd *z)
{
	int status;

	if (geteuid() == 0 && settings_find_users(&z->settings) != 0)
		return EXIT_BAD_INVOCATION;
	status = child_open_programs(z->children, settings_want_admind(&z->settings));
	if (status == 0)
		status = data_folders_prepare(&z->settings);
	if (status == 0)
		status = runtime_folder_open(&z->runtime, &z->settings);
	if (status == 0)
		status = sockets_open(&z->sockets, &z->settings, &z->runtime,
				      z->children[WATCH_ADMIND].program_fd >= 0);
	if (status == 0 && settings_seal(&z->settings, z->runtime.path) != 0)
		status = 1;
	return status;
}

int
main(int argc, char **argv)
{
	static const int levels[] = { LOG_NOTICE, LOG_INFO, LOG_DEBUG };
	static struct zkd z;
	struct command c = { .check_only = false };
	int status = parse_command(&c, argc, argv);

	if (status != 0)
		return status - 1;
	tidy_descriptors();
	hold_signals();
	umask(022);
	log_open("zkd");
	log_set_level(levels[c.invocation.verbose < 2 ? c.invocation.verbose : 2]);
	z.invocation = c.invocation;
	if (settings_load(&z.settings, &z.invocation) != 0)
		return EXIT_BAD_INVOCATION;
	if (c.check_only) {
		puts("zkd: the configuration is good");
		return 0;
	}
	fdlimit_raise();
	notify_open(&z.up);
	status = prepare(&z);
	if (status != 0)
		return status;
	harden();
	status = zkd_run(&z);
	sockets_close(&z.sockets);
	settings_free(&z.settings);
	runtime_folder_close(&z.runtime);
	return status;
}
