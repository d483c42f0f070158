/* zkctl debug probe DAEMON: has a locked daemon try what it must not be able to do. Debug builds only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/msg.h"
#include "json.h"
#include "node.h"

enum { PROBE_PORT = 22 /* any: what counts is whether a socket may be had */ };

/* Another daemon's process, to be signalled with 0. */
static int32_t
sibling_pid(const Zkd__Status *zkd, const char *name)
{
	for (int i = NODE_ELECTIOND; i < NODE_PROGRAMS; i++) {
		const Zkd__DaemonStatus *d = node_find_daemon(zkd, node_programs[i]);
		if (d != NULL && d->pid != 0 && strcmp(d->name, name) != 0)
			return d->pid;
	}
	return 0;
}

static int
print_reply(const Zkd__ProbeReply *r, const char *name, bool json)
{
	json_t *list = json_array();
	int status = r->n_results == 0 ? ZKCTL_UNWELL : ZKCTL_OK;

	for (size_t i = 0; i < r->n_results; i++) {
		const Zkd__ProbeResult *a = r->results[i];
		if (!a->refused)
			status = ZKCTL_UNWELL;
		if (json)
			json_array_append_new(list, json_pack("{s:o, s:b, s:o}", "attempt",
							      json_text(a->attempt), "refused", a->refused,
							      "detail", json_text(a->detail)));
		else
			printf("%-12s %-12s %s\n", a->attempt, a->refused ? "refused" : "NOT REFUSED",
			       a->detail);
	}
	if (json)
		json_print(json_pack("{s:s, s:o}", "daemon", name, "attempts", list));
	else
		json_decref(list);
	return status;
}

static int
probe(struct node *n, const char *name, bool json)
{
	Zkd__ProbeRequest q = ZKD__PROBE_REQUEST__INIT;
	const Zkd__ProbeReply *r;
	const Zkd__Status *zkd = node_ask_zkd(n);
	char data_dir[4096] = "";

	if (zkd == NULL)
		return ZKCTL_NO_ANSWER;
	/* logd may open its folders, and nothing else. */
	if (strcmp(name, "logd") != 0 && node_find_fact(zkd, "data_dir") != NULL)
		snprintf(data_dir, sizeof data_dir, "%s", node_find_fact(zkd, "data_dir"));
	q.file = (char *)"/etc/passwd";
	q.data_dir = data_dir;
	q.exec = (char *)"/bin/true";
	q.port = PROBE_PORT;
	q.pid = sibling_pid(zkd, name);
	r = node_ask(n, name, MSG_PROBE, &q.base, &zkd__probe_reply__descriptor);
	return r == NULL ? ZKCTL_NO_ANSWER : print_reply(r, name, json);
}

int
command_debug(const struct options *o, int argc, char **argv)
{
	struct node n;
	int status, i;

	if (argc != 2 || strcmp(argv[0], "probe") != 0)
		return complain(ZKCTL_USAGE, "allowed: zkctl debug probe DAEMON");
	for (i = NODE_ELECTIOND; i < NODE_PROGRAMS && strcmp(argv[1], node_programs[i]) != 0; i++)
		;
	if (i == NODE_PROGRAMS)
		return complain(ZKCTL_USAGE, "no daemon \"%s\"%s; allowed: " NODE_DAEMON_NAMES, argv[1],
				suggestion(argv[1], node_programs + NODE_ELECTIOND));
	status = node_open(o, &n);
	if (status != ZKCTL_OK)
		return status;
	status = probe(&n, argv[1], o->json);
	node_close(&n);
	return status;
}
