/* zkctl election: the votes as they stand, as electiond knows them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/msg.h"
#include "json.h"
#include "node.h"

/* What electiond says of a server's vote: a fact "vote.N". */
struct vote_line {
	int64_t sid;
	char state[16];
	long long leader, round, epoch;
	unsigned long long zxid;
};

/* False for a fact that is none. kind: "vote", or "outside" for servers that do not look, from other rounds. */
static bool
read_vote(const Zkd__Fact *f, const char *kind, struct vote_line *v)
{
	size_t len = strlen(kind);

	return strncmp(f->name, kind, len) == 0 && sscanf(f->name + len, ".%" SCNd64, &v->sid) == 1 &&
	       sscanf(f->value, "state=%15s leader=%lld round=%lld epoch=%lld zxid=%llx", v->state,
		      &v->leader, &v->round, &v->epoch, &v->zxid) == 5;
}

/* "connected", "down", "not connected", or that it is this server. */
static const char *
link_of(const Zkd__Status *s, int64_t sid)
{
	const char *own = node_find_fact(s, "sid"), *link;
	char name[32], text[24];

	snprintf(text, sizeof text, "%" PRId64, sid);
	if (own != NULL && strcmp(own, text) == 0)
		return "this server";
	snprintf(name, sizeof name, "peer.%" PRId64, sid);
	link = node_find_fact(s, name);
	return link == NULL ? "not listed" : link;
}

static json_t *
list_json(const Zkd__Status *s, const char *kind)
{
	json_t *list = json_array();
	struct vote_line v;
	char zxid[24];

	for (size_t i = 0; i < s->n_facts; i++) {
		if (!read_vote(s->facts[i], kind, &v))
			continue;
		snprintf(zxid, sizeof zxid, "0x%llx", v.zxid);
		json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:s}", "sid",
						      (json_int_t)v.sid, "link", link_of(s, v.sid), "state",
						      v.state, "leader", (json_int_t)v.leader, "round",
						      (json_int_t)v.round, "epoch", (json_int_t)v.epoch,
						      "zxid", zxid));
	}
	return list;
}

static void
print_json(const Zkd__Status *s)
{
	json_t *all = json_object();

	json_object_set_new(all, "text", json_text(s->text));
	for (size_t i = 0; i < s->n_facts; i++) {
		static const char *const numbers[] = { "sid", "round", "elections" };

		for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
			if (strcmp(s->facts[i]->name, numbers[k]) == 0)
				json_object_set_new(all, numbers[k],
						    json_integer(strtoll(s->facts[i]->value, NULL, 10)));
	}
	json_object_set_new(all, "votes", list_json(s, "vote"));
	json_object_set_new(all, "outside", list_json(s, "outside"));
	json_print(all);
}

static void
print_votes(const Zkd__Status *s, const char *kind, const char *title)
{
	struct vote_line v;
	bool first = true;

	for (size_t i = 0; i < s->n_facts; i++) {
		if (!read_vote(s->facts[i], kind, &v))
			continue;
		if (first)
			printf("%s\n%-7s %-10s %8s %8s %8s  %-18s  %s\n", title, "SERVER", "STATE", "FOR",
			       "ROUND", "EPOCH", "ZXID", "LINK");
		printf("%-7" PRId64 " %-10s %8lld %8lld %8lld  0x%-16llx  %s\n", v.sid, v.state, v.leader,
		       v.round, v.epoch, v.zxid, link_of(s, v.sid));
		first = false;
	}
}

/* Servers of the list that have no vote in the table. */
static void
print_silent(const Zkd__Status *s)
{
	struct vote_line v;
	long long sid;

	for (size_t i = 0; i < s->n_facts; i++) {
		bool voted = false;

		if (sscanf(s->facts[i]->name, "peer.%lld", &sid) != 1)
			continue;
		for (size_t k = 0; k < s->n_facts; k++)
			voted |= read_vote(s->facts[k], "vote", &v) && v.sid == sid;
		if (!voted)
			printf("%-7lld %-10s %8s %8s %8s  %-18s  %s\n", sid, "-", "-", "-", "-", "-",
			       s->facts[i]->value);
	}
}

static void
print_all(const Zkd__Status *s)
{
	printf("%s\n", s->text);
	if (node_find_fact(s, "sid") == NULL)
		return;
	print_votes(s, "vote", "\nVotes of the election:");
	print_silent(s);
	print_votes(s, "outside", "\nWhat servers with a role say, which are not in this election:");
}

int
command_election(const struct options *o, int argc, char **argv)
{
	struct node n;
	const Zkd__Status *s;
	int status = node_open(o, &n);

	(void)argc;
	(void)argv;
	if (status != ZKCTL_OK)
		return status;
	s = node_ask(&n, node_programs[NODE_ELECTIOND], MSG_STATUS, NULL, &zkd__status__descriptor);
	if (s == NULL)
		status = ZKCTL_NO_ANSWER;
	else if (o->json)
		print_json(s);
	else
		print_all(s);
	node_close(&n);
	return status;
}
