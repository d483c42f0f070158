/* zkctl log-level, zkctl trace: how much the programs log, until they restart. */
#include <string.h>

#include "ipc/msg.h"
#include "json.h"
#include "node.h"

static int
set_level(struct node *n, const char *program, const char *level)
{
	Zkd__LogLevelRequest r = ZKD__LOG_LEVEL_REQUEST__INIT;
	const Zkd__Answer *a;

	r.level = (char *)level;
	a = node_ask(n, program, MSG_LOG_LEVEL, &r.base, &zkd__answer__descriptor);
	if (a == NULL)
		return ZKCTL_NO_ANSWER;
	return a->ok ? ZKCTL_OK : complain(ZKCTL_USAGE, "%s: %s", program, a->text);
}

/* The level comes last, behind the programs. */
static int
check_arguments(int argc, char **argv)
{
	static const char *const levels[] = { "error", "warning", "notice", "info", "debug", NULL };
	bool level_known = false;

	if (argc < 1)
		return complain(ZKCTL_USAGE,
				"log-level takes a level: error, warning, notice, info or debug");
	for (int a = 0; a < argc - 1; a++) {
		bool known = false;
		for (int i = 0; i < NODE_PROGRAMS; i++)
			known |= strcmp(argv[a], node_programs[i]) == 0;
		if (!known)
			return complain(ZKCTL_USAGE, "no program \"%s\"%s; allowed: zkd, " NODE_DAEMON_NAMES,
					argv[a], suggestion(argv[a], node_programs));
	}
	for (int i = 0; levels[i] != NULL; i++)
		level_known |= strcmp(argv[argc - 1], levels[i]) == 0;
	if (!level_known)
		return complain(ZKCTL_USAGE,
				"no level \"%s\"%s; allowed: error, warning, notice, info, debug",
				argv[argc - 1], suggestion(argv[argc - 1], levels));
	return ZKCTL_OK;
}

/* Of all that this node has. */
static int
set_all(struct node *n, const char *level)
{
	bool present[NODE_PROGRAMS];
	struct node_status all;
	int status = ZKCTL_OK, one;

	node_ask_all(n, &all, ASK_LIMIT_MS);
	/* The answers live until the next question. */
	for (int i = 0; i < NODE_PROGRAMS; i++)
		present[i] = node_has(&all, i);
	for (int i = 0; i < NODE_PROGRAMS; i++)
		if (present[i] && (one = set_level(n, node_programs[i], level)) != ZKCTL_OK)
			status = one;
	return status;
}

int
command_log_level(const struct options *o, int argc, char **argv)
{
	struct node n;
	int status = check_arguments(argc, argv), one;
	const char *level;

	if (status != ZKCTL_OK || (status = node_open(o, &n)) != ZKCTL_OK)
		return status;
	level = argv[argc - 1];
	if (argc == 1)
		status = set_all(&n, level);
	for (int a = 0; a < argc - 1; a++)
		if ((one = set_level(&n, argv[a], level)) != ZKCTL_OK)
			status = one;
	node_close(&n);
	if (o->json && status == ZKCTL_OK)
		json_print(json_pack("{s:s}", "level", level));
	return status;
}

/* ---- trace ---- */

/* The cores, and the daemons they live in. */
static const struct {
	const char *room, *daemon;
} rooms[] = {
	{ "front", "clientd" }, { "tree", "clientd" },       { "zab", "syncd" },
	{ "store", "logd" },    { "election", "electiond" },
};
enum { NROOMS = sizeof rooms / sizeof rooms[0] };

/* The daemon of the room; NULL after a complaint. */
static const char *
find_daemon(const char *room)
{
	const char *names[NROOMS + 1] = { NULL };

	for (int i = 0; i < NROOMS; i++) {
		if (strcmp(rooms[i].room, room) == 0)
			return rooms[i].daemon;
		names[i] = rooms[i].room;
	}
	complain(0, "no room \"%s\"%s; allowed: front, tree, zab, store, election", room,
		 suggestion(room, names));
	return NULL;
}

int
command_trace(const struct options *o, int argc, char **argv)
{
	Zkd__LogLevelRequest r = ZKD__LOG_LEVEL_REQUEST__INIT;
	const char *daemon = find_daemon(argv[1]);
	const Zkd__Answer *a;
	struct node n;
	int status = daemon == NULL ? ZKCTL_USAGE : node_open(o, &n);

	(void)argc;
	if (status != ZKCTL_OK)
		return status;
	r.room = argv[1];
	r.trace = strcmp(argv[0], "on") == 0;
	a = node_ask(&n, daemon, MSG_LOG_LEVEL, &r.base, &zkd__answer__descriptor);
	if (a == NULL)
		status = ZKCTL_NO_ANSWER;
	else if (!a->ok)
		status = complain(ZKCTL_UNWELL, "%s: %s", daemon, a->text);
	else if (o->json)
		json_print(json_pack("{s:s, s:s, s:b}", "room", argv[1], "daemon", daemon, "trace", r.trace));
	node_close(&n);
	return status;
}
