/* zkctl restart DAEMON: asks zkd for it and waits until the successor is ready. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ipc/msg.h"
#include "json.h"
#include "node.h"

enum { RESTART_MS = 10000, PAUSE_NS = 5000000 };

/* zkd itself is not among them: whoever started it restarts it. */
static int
check_name(int argc, char **argv)
{
	if (argc == 1 && strcmp(argv[0], "zkd") == 0)
		return complain(ZKCTL_USAGE,
				"zkd is restarted by what started it (systemctl restart zkd); restart takes "
				"electiond, syncd, clientd, logd or admind");
	for (int i = NODE_ELECTIOND; argc == 1 && i < NODE_PROGRAMS; i++)
		if (strcmp(argv[0], node_programs[i]) == 0)
			return ZKCTL_OK;
	if (argc != 1)
		return complain(ZKCTL_USAGE,
				"restart takes one name: electiond, syncd, clientd, logd or admind");
	return complain(ZKCTL_USAGE, "no daemon \"%s\"%s; allowed: " NODE_DAEMON_NAMES, argv[0],
			suggestion(argv[0], node_programs + NODE_ELECTIOND));
}

static int
request(struct node *n, const char *name)
{
	Zkd__RestartRequest r = ZKD__RESTART_REQUEST__INIT;
	const Zkd__Answer *a;

	r.daemon = (char *)name;
	a = node_ask(n, "zkd", MSG_RESTART, &r.base, &zkd__answer__descriptor);
	if (a == NULL)
		return ZKCTL_NO_ANSWER;
	return a->ok ? ZKCTL_OK : complain(ZKCTL_UNWELL, "%s is not restarted: %s", name, a->text);
}

/* Until a process other than old_pid is ready. */
static int
await(struct node *n, const char *name, int32_t old_pid, int64_t begun, int64_t limit_ms, bool json)
{
	char took[32];

	while (clock_ms() - begun < limit_ms) {
		const Zkd__DaemonStatus *d = node_find_daemon(node_ask_zkd(n), name);
		if (d != NULL && d->pid != 0 && d->pid != old_pid && d->ready) {
			if (json)
				json_print(json_pack("{s:s, s:i, s:i, s:I}", "daemon", name, "pid", d->pid,
						     "old_pid", old_pid, "took_ms",
						     (json_int_t)(clock_ms() - begun)));
			else
				printf("%s restarted in %s (pid %d, was %d)\n", name,
				       format_duration((uint64_t)(clock_ms() - begun), took, sizeof took),
				       d->pid, old_pid);
			return ZKCTL_OK;
		}
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	}
	return complain(ZKCTL_UNWELL, "%s is not ready again after %s; see zkctl status and the log", name,
			format_duration((uint64_t)limit_ms, took, sizeof took));
}

int
command_restart(const struct options *o, int argc, char **argv)
{
	int64_t limit_ms = o->timeout_ms < 0 ? RESTART_MS : o->timeout_ms, begun = clock_ms();
	const Zkd__DaemonStatus *d;
	struct node n;
	int status = check_name(argc, argv);
	int32_t old_pid;

	if (status != ZKCTL_OK || (status = node_open(o, &n)) != ZKCTL_OK)
		return status;
	d = node_find_daemon(node_ask_zkd(&n), argv[0]);
	old_pid = d == NULL ? 0 : d->pid;
	status = d == NULL ? ZKCTL_NO_ANSWER : request(&n, argv[0]);
	if (status == ZKCTL_OK)
		status = await(&n, argv[0], old_pid, begun, limit_ms, o->json);
	node_close(&n);
	return status;
}
