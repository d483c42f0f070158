/* zkctl help: what the tables say, for people at 80 columns and, with --json, for scripts and the lint. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "json.h"

enum { LEFT = 30 };

static const struct {
	const char *name;
	int status;
	const char *meaning;
} statuses[] = {
#define X(name, status, meaning) { #name, status, meaning },
	STATUSES(X)
#undef X
};
enum { NSTATUSES = sizeof statuses / sizeof statuses[0] };

void
print_usage(void)
{
	fputs("usage: zkctl [-s SERVERS | -c FILE | --runtime DIR] [--json] COMMAND ...; zkctl --help lists "
	      "the "
	      "commands\n",
	      stderr);
}

/* "  -c, --config FILE          about" */
static void
print_option(int id)
{
	const struct option_row *row = &option_rows[id];
	char left[64], letter[3] = { '-', row->letter, '\0' };

	snprintf(left, sizeof left, "%s%s%s%s%s%s", row->letter == '\0' ? "    " : letter,
		 row->letter != '\0' && row->name != NULL ? ", " : "", row->name == NULL ? "" : "--",
		 row->name == NULL ? "" : row->name, row->arg == NULL ? "" : " ",
		 row->arg == NULL ? "" : row->arg);
	printf("  %-*s%s\n", LEFT, left, row->about);
}

static void
print_options(uint64_t mask)
{
	for (int id = 0; id < NOPTIONS; id++)
		if ((mask >> id & 1) != 0)
			print_option(id);
}

void
print_help(void)
{
	char title[48], usage[80];

	puts("usage: zkctl [OPTION ...] COMMAND [OPTION ...] [ARGUMENT ...]\n"
	     "\n"
	     "Reads and writes the data of a ZooKeeper server, asks the zkd node on this\n"
	     "machine how it is, and reads the files of either. Which node: by --runtime, or\n"
	     "by what its configuration (-c, else the one built in) says. Which data: that of\n"
	     "--server or ZKCTL_SERVER, else that of the node. zkctl help COMMAND tells more.");
	for (int g = 0; g < NGROUPS; g++) {
		printf("\n%s:\n", group_titles[g]);
		for (size_t i = 0; i < ncommands; i++) {
			const struct command *c = &commands[i];
			if ((int)c->group != g)
				continue;
			snprintf(usage, sizeof usage, "%s %s", command_title(c, title), c->arguments);
			printf("  %-*s%s\n", LEFT, usage, c->about);
		}
	}
	puts("\noptions of all commands:");
	print_options(OPTIONS_GLOBAL);
	puts("\nexit status:");
	for (size_t i = 0; i < NSTATUSES; i++)
		printf("  %3d  %s\n", statuses[i].status, statuses[i].meaning);
}

void
print_command_help(const struct command *c)
{
	char title[48];

	printf("usage: zkctl %s%s%s%s\n\n%c%s.\n", command_title(c, title),
	       c->options != 0 ? " [OPTION ...]" : "", c->arguments[0] == '\0' ? "" : " ", c->arguments,
	       c->about[0] >= 'a' && c->about[0] <= 'z' ? c->about[0] - 'a' + 'A' : c->about[0],
	       c->about + 1);
	if (c->options != 0)
		puts("");
	print_options(c->options);
	puts("\nzkctl --help lists the options of all commands; zkctl(1) has an example.");
}

/* ---- JSON ---- */

static json_t *
option_json(int id)
{
	const struct option_row *row = &option_rows[id];
	char letter[2] = { row->letter, '\0' };

	return json_pack("{s:s?, s:s?, s:s?, s:s}", "letter", row->letter == '\0' ? NULL : letter, "name",
			 row->name, "argument", row->arg, "about", row->about);
}

static json_t *
options_json(uint64_t mask)
{
	json_t *list = json_array();

	for (int id = 0; id < NOPTIONS; id++)
		if ((mask >> id & 1) != 0)
			json_array_append_new(list, option_json(id));
	return list;
}

static json_t *
command_json(const struct command *c)
{
	return json_pack("{s:s, s:s?, s:s, s:s, s:s, s:o}", "name", c->name, "verb", c->verb, "arguments",
			 c->arguments, "about", c->about, "group", group_titles[c->group], "options",
			 options_json(c->options));
}

static int
print_json(void)
{
	json_t *list = json_array(), *exits = json_array();

	for (size_t i = 0; i < ncommands; i++)
		json_array_append_new(list, command_json(&commands[i]));
	for (size_t i = 0; i < NSTATUSES; i++)
		json_array_append_new(exits, json_pack("{s:i, s:s}", "status", statuses[i].status, "meaning",
						       statuses[i].meaning));
	json_print(json_pack("{s:o, s:o, s:o}", "commands", list, "options", options_json(OPTIONS_GLOBAL),
			     "exit_statuses", exits));
	return ZKCTL_OK;
}

int
command_help(const struct options *o, int argc, char **argv)
{
	bool found = false;

	if (o->json && argc == 0)
		return print_json();
	if (argc == 0)
		print_help();
	for (size_t i = 0; i < ncommands && argc == 1; i++) {
		if (strcmp(commands[i].name, argv[0]) != 0)
			continue;
		if (found)
			puts("");
		found = true;
		if (o->json)
			json_print(command_json(&commands[i]));
		else
			print_command_help(&commands[i]);
	}
	if (argc == 0 || found)
		return ZKCTL_OK;
	const struct command *c = command_find(argc, argv);
	if (c == NULL)
		return ZKCTL_USAGE;
	if (o->json)
		json_print(command_json(c));
	else
		print_command_help(c);
	return ZKCTL_OK;
}
