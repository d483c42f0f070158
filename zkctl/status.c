/* zkctl status: what the node is doing, in people's words; first whether it is well. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "ensemble.h"
#include "health.h"
#include "json.h"
#include "term.h"

enum { LINE_WIDTH = 80, INDENT = 11 };

/* What the first lines say of the node: facts in people's words, those that are there. */
struct saying {
	int program;
	const char *fact;
	const char *before, *one, *many; /* behind the value: where it is 1, and else */
};

static const struct saying data_sayings[] = {
	{ NODE_SYNCD, "committed_zxid", "last committed transaction ", "", "" },
	{ NODE_LOGD, "durable_zxid", "on disk up to ", "", "" },
	{ NODE_LOGD, "snapshot_zxid", "newest snapshot at ", "", "" },
	{ NODE_LOGD, "txns_since_snapshot", "", " transaction since", " transactions since" },
	{ NODE_CLIENTD, "znodes", "", " znode", " znodes" },
	{ NODE_CLIENTD, "ephemerals", "", " ephemeral", " ephemerals" },
};

static const struct saying client_sayings[] = {
	{ NODE_CLIENTD, "connections", "", " connection", " connections" },
	{ NODE_CLIENTD, "sessions", "", " session", " sessions" },
	{ NODE_CLIENTD, "watches", "", " watch", " watches" },
	{ NODE_CLIENTD, "outstanding", "", " request outstanding", " requests outstanding" },
};

static void
say_line(const char *title, const struct saying *sayings, size_t n, const struct node_status *s)
{
	const char *separator = title;
	char part[128];
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		const struct saying *y = &sayings[i];
		const char *value = node_find_fact(node_status_of(s, y->program), y->fact);
		if (value == NULL)
			continue;
		snprintf(part, sizeof part, "%s%s%s", y->before, value,
			 strcmp(value, "1") == 0 ? y->one : y->many);
		if (at > 0 && at + strlen(part) + 3 > LINE_WIDTH) {
			separator = ",\n      ";
			at = 0;
		}
		at += strlen(separator) + strlen(part);
		printf("%s%s", separator, part);
		separator = ", ";
	}
	if (at > 0)
		puts(".");
}

/* "It is a leader of one (standalone) in epoch 0, with clients at ADDRESS." */
static void
say_role(const struct node_status *s)
{
	const Zkd__Status *syncd = node_status_of(s, NODE_SYNCD);
	const char *role = node_find_fact(syncd, "role"), *epoch = node_find_fact(syncd, "epoch");
	const char *leader = node_find_fact(syncd, "leader");
	const char *mode = node_find_fact(node_status_of(s, NODE_CLIENTD), "mode");
	const char *address = node_find_fact(node_status_of(s, NODE_ZKD), "client");

	if (role == NULL)
		return;
	printf("It is %s%s", strcmp(role, "looking") == 0 ? "looking for a leader" : "a ",
	       strcmp(role, "looking") == 0 ? "" : role);
	if (mode != NULL && strcmp(mode, "standalone") == 0)
		fputs(" of one (standalone)", stdout);
	else if (leader != NULL && role[0] != 'l')
		printf(" of server %s", leader);
	if (epoch != NULL)
		printf(" in epoch %s", epoch);
	if (address != NULL)
		printf(", with clients at %s", address);
	puts(".");
}

/* "committed_zxid" -> "committed zxid" */
static size_t
put_words(const char *name)
{
	size_t n = 0;

	for (; *name != '\0'; name++, n++)
		putchar(*name == '_' ? ' ' : *name);
	return n;
}

/* "name value, name value", folded. uptime_ms is said in words by the caller. */
static void
print_facts(const Zkd__Status *s)
{
	size_t at = 0;

	for (size_t i = 0; i < s->n_facts; i++) {
		const Zkd__Fact *f = s->facts[i];
		size_t need = strlen(f->name) + strlen(f->value) + 3;
		if (strcmp(f->name, "uptime_ms") == 0)
			continue;
		if (at > 0 && at + need > LINE_WIDTH) {
			fputs(",\n", stdout);
			at = 0;
		} else if (at > 0) {
			at += (size_t)printf(", ");
		}
		if (at == 0)
			at += (size_t)printf("%*s", INDENT, "");
		at += put_words(f->name);
		at += (size_t)printf(" %s", f->value);
	}
	if (at > 0)
		putchar('\n');
}

static void
print_program(const struct question *q, const Zkd__DaemonStatus *d, bool facts)
{
	const Zkd__Status *s = q->answer;
	char up[32], restarts[48] = "";

	if (s == NULL) {
		printf("%-*s%s\n", INDENT, q->daemon, ask_error_text(q->error));
		return;
	}
	printf("%-*s%s", INDENT, q->daemon, s->text[0] == '\0' ? "running" : s->text);
	if (d != NULL && d->pid != 0) {
		if (d->restarts > 0)
			snprintf(restarts, sizeof restarts, ", restarted %u time%s", d->restarts,
				 d->restarts == 1 ? "" : "s");
		printf(" (pid %d, up %s%s)", d->pid, format_duration(d->uptime_ms, up, sizeof up), restarts);
	}
	putchar('\n');
	if (facts)
		print_facts(s);
}

/* The node first: it has answered. The others may take their time. */
static void
print_people(const struct node *n, const struct node_status *s, const struct health *h, bool facts,
	     struct ensemble *e, int64_t limit_ms)
{
	if (h->nproblems == 0)
		printf("The node in %s is well%s.\n", n->path,
		       h->split ? "; its daemons run without zkd" : "");
	else
		printf("The node in %s is %sNOT well%s:\n", n->path, term_style(TERM_BAD),
		       term_style(TERM_PLAIN));
	for (size_t i = 0; i < h->nproblems; i++)
		printf("  - %s\n", h->problems[i]);
	say_role(s);
	say_line("Data: ", data_sayings, sizeof data_sayings / sizeof data_sayings[0], s);
	say_line("Clients: ", client_sayings, sizeof client_sayings / sizeof client_sayings[0], s);
	putchar('\n');
	if (e != NULL) {
		ensemble_ask(e, limit_ms);
		ensemble_print(e);
		putchar('\n');
	}
	for (int i = 0; i < NODE_PROGRAMS; i++)
		if (node_has(s, i) && (i != NODE_ZKD || !h->split))
			print_program(&s->all[i],
				      node_find_daemon(node_status_of(s, NODE_ZKD), node_programs[i]), facts);
}

static json_t *
program_json(const struct question *q)
{
	const Zkd__Status *s = q->answer;
	json_t *facts = json_object();

	if (s == NULL) {
		json_decref(facts);
		return json_pack("{s:s, s:b, s:s}", "name", q->daemon, "answered", 0, "text",
				 ask_error_text(q->error));
	}
	for (size_t i = 0; i < s->n_facts; i++)
		json_object_set_new(facts, s->facts[i]->name, json_text(s->facts[i]->value));
	return json_pack("{s:s, s:b, s:o, s:o}", "name", q->daemon, "answered", 1, "text", json_text(s->text),
			 "facts", facts);
}

static void
print_json(const struct node *n, const struct node_status *s, const struct health *h, struct ensemble *e,
	   int64_t limit_ms)
{
	json_t *problems = json_array(), *daemons = json_array();

	for (size_t i = 0; i < h->nproblems; i++)
		json_array_append_new(problems, json_text(h->problems[i]));
	for (int i = 0; i < NODE_PROGRAMS; i++)
		if (node_has(s, i) && (i != NODE_ZKD || !h->split))
			json_array_append_new(daemons, program_json(&s->all[i]));
	if (e != NULL)
		ensemble_ask(e, limit_ms);
	json_print(json_pack("{s:o, s:b, s:o, s:o, s:o}", "runtime_dir", json_text(n->path), "well",
			     h->nproblems == 0, "problems", problems, "daemons", daemons, "ensemble",
			     e == NULL ? json_null() : ensemble_json(e)));
}

int
command_status(const struct options *o, int argc, char **argv)
{
	struct node n;
	struct node_status s;
	struct health h;
	struct ensemble e;
	int64_t limit_ms = o->timeout_ms < 0 ? ENSEMBLE_LIMIT_MS : o->timeout_ms;
	int status = node_open(o, &n);
	bool member;

	(void)argc;
	(void)argv;
	if (status != ZKCTL_OK)
		return status;
	node_ask_all(&n, &s, ASK_LIMIT_MS);
	health_judge(&s, &h);
	member = ensemble_begin(&e, &s);
	if (h.answered == 0)
		status = complain(ZKCTL_NO_ANSWER,
				  "zkd %s (asked in %s); start zkd, or name another folder with "
				  "--runtime DIR",
				  ask_error_text(s.all[NODE_ZKD].error), n.path);
	else if (o->json)
		print_json(&n, &s, &h, member ? &e : NULL, limit_ms);
	else
		print_people(&n, &s, &h, GIVEN(o, FACTS), member ? &e : NULL, limit_ms);
	ensemble_free(&e);
	node_close(&n);
	if (status == ZKCTL_OK && h.nproblems > 0)
		status = ZKCTL_UNWELL;
	return status;
}
