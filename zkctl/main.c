/* zkctl: options before the command, the command, and whether its answer could be written. */
#include <locale.h>
#include <stdio.h>

#include "command.h"

int
main(int argc, char **argv)
{
	struct options o = {
		.timeout_ms = -1,
		.to_zxid = UINT64_MAX,
		.ttl_ms = -1,
		.depth = -1,
		.events = -1,
		.count = -1,
		.bytes = -1,
		.peer = -1,
		.ms = -1,
		.version = -1,
		.folder = "/",
	};
	int words, status;

	setlocale(LC_CTYPE, "");
	status = options_take(&o, NULL, argc, argv, &words);
	if (status < 0 && words == argc) {
		print_usage();
		return ZKCTL_USAGE;
	}
	if (status < 0)
		status = command_run(&o, argc - words, argv + words);
	/* A full disk or a closed pipe under the answer is a failure too. */
	if (fflush(stdout) != 0)
		return complain(ZKCTL_UNWELL, "cannot write the answer");
	return status;
}
