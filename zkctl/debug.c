/*
 * zkctl debug, in debug builds only. probe: a locked daemon tries what it must not be able to do. drop, stall, crash:
 * the faults of the field, on request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "ipc/msg.h"
#include "json.h"
#include "node.h"

enum {
	PROBE_PORT = 22, /* any: what counts is whether a socket may be had */
	STALL_MS = 1000,
};

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

/* NULL after a complaint. */
static const char *
find_daemon(const char *name)
{
	for (int i = NODE_ELECTIOND; i < NODE_PROGRAMS; i++)
		if (strcmp(name, node_programs[i]) == 0)
			return node_programs[i];
	complain(0, "no daemon \"%s\"%s; allowed: " NODE_DAEMON_NAMES, name,
		 suggestion(name, node_programs + NODE_ELECTIOND));
	return NULL;
}

int
command_debug(const struct options *o, int argc, char **argv)
{
	struct node n;
	int status;

	(void)argc;
	if (find_daemon(argv[1]) == NULL)
		return ZKCTL_USAGE;
	status = node_open(o, &n);
	if (status != ZKCTL_OK)
		return status;
	status = probe(&n, argv[1], o->json);
	node_close(&n);
	return status;
}

/* ---- Faults ---- */

/* Asks, and says what will come; done: an object with that as JSON, taken over here. */
static int
request(const struct options *o, const char *daemon, uint16_t type, const ProtobufCMessage *body,
	const char *sentence, json_t *done)
{
	const Zkd__Answer *a = NULL;
	struct node n;
	int status = node_open(o, &n);

	if (status == ZKCTL_OK) {
		a = node_ask(&n, daemon, type, body, &zkd__answer__descriptor);
		if (a == NULL)
			status = ZKCTL_NO_ANSWER;
		else if (!a->ok)
			status = complain(ZKCTL_UNWELL, "%s: %s", daemon, a->text);
		else if (!o->json)
			puts(sentence);
		else
			json_print(json_incref(done));
		node_close(&n);
	}
	json_decref(done);
	return status;
}

int
command_debug_drop(const struct options *o, int argc, char **argv)
{
	static const char *const packets[] = { "proposal", "ack", "commit", "ping", NULL };
	Zkd__LoseRequest q = ZKD__LOSE_REQUEST__INIT;
	char whom[40] = "any server", sentence[128];
	size_t i = 0;

	(void)argc;
	while (packets[i] != NULL && strcmp(packets[i], argv[1]) != 0)
		i++;
	if (packets[i] == NULL)
		return complain(ZKCTL_USAGE, "no packet \"%s\"%s; allowed: proposal, ack, commit, ping",
				argv[1], suggestion(argv[1], packets));
	if (o->count > UINT32_MAX)
		return complain(ZKCTL_USAGE, "--count: allowed: 0..%u", UINT32_MAX);
	q.packet = argv[1];
	q.to_one = GIVEN(o, PEER);
	q.peer = q.to_one ? (uint64_t)o->peer : 0;
	q.count = o->count < 0 ? 1 : (uint32_t)o->count;
	if (q.to_one)
		snprintf(whom, sizeof whom, "server %lld", (long long)o->peer);
	if (q.count == 0)
		snprintf(sentence, sizeof sentence, "syncd drops no %s any more", argv[1]);
	else
		snprintf(sentence, sizeof sentence, "syncd will drop the next %u %s%s to %s", q.count,
			 argv[1], q.count == 1 ? "" : "s", whom);
	return request(o, "syncd", MSG_LOSE, &q.base, sentence,
		       json_pack("{s:s, s:I, s:o}", "drop", argv[1], "count", (json_int_t)q.count, "peer",
				 q.to_one ? json_integer(o->peer) : json_null()));
}

int
command_debug_fault(const struct options *o, int argc, char **argv)
{
	Zkd__FaultRequest q = ZKD__FAULT_REQUEST__INIT;
	const char *daemon = find_daemon(argv[1]);
	bool stall = strcmp(argv[0], "stall") == 0;
	char sentence[128];

	(void)argc;
	if (daemon == NULL)
		return ZKCTL_USAGE;
	if (o->ms == 0)
		return complain(ZKCTL_USAGE, "--ms: allowed: 1..600000");
	q.fault = argv[0];
	q.ms = !stall ? 0 : o->ms < 0 ? STALL_MS : (uint32_t)o->ms;
	if (stall)
		snprintf(sentence, sizeof sentence, "%s stands still for %u ms", daemon, q.ms);
	else
		snprintf(sentence, sizeof sentence, "%s dies now", daemon);
	return request(o, daemon, MSG_FAULT, &q.base, sentence,
		       json_pack("{s:s, s:s, s:i}", "fault", argv[0], "daemon", daemon, "ms", (int)q.ms));
}
