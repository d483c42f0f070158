/*
 * zkctl sessions: who is connected, and ending a session. What there is of it in ZooKeeper's own protocols: the words
 * `cons` and `dump` list connections and ephemerals (each server only its own connections), and a session whose id is
 * known can be taken over, since its password follows from the id (common/jute/passwd.h), and closed like any other.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "data.h"
#include "facts.h"
#include "json.h"
#include "node.h"
#include "term.h"
#include "words.h"

struct seen_session {
	uint64_t sid;
	char client[64], server[ZK_HOST_BYTES + 16]; /* "" where no server asked holds its connection */
	int64_t connected_ms, timeout_ms;            /* -1: not known */
	char **ephemerals;
	size_t nephemerals;
};

struct seen {
	struct seen_session *all;
	size_t n, cap;
};

static struct seen_session *
take(struct seen *s, uint64_t sid)
{
	for (size_t i = s->n; i-- > 0;)
		if (s->all[i].sid == sid)
			return &s->all[i];
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 64 : 2 * s->cap;
		s->all = mem_realloc(s->all, s->cap * sizeof *s->all);
	}
	s->all[s->n] = (struct seen_session){ .sid = sid, .connected_ms = -1, .timeout_ms = -1 };
	return &s->all[s->n++];
}

static void
forget(struct seen *s)
{
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < s->all[i].nephemerals; k++)
			mem_free(s->all[i].ephemerals[k]);
		mem_free(s->all[i].ephemerals);
	}
	mem_free(s->all);
}

/* ---- What the words say ---- */

/* "name=value" in a line of cons, as a number; -1 where it is not there. */
static int64_t
find_value(const char *line, const char *name)
{
	const char *p = strstr(line, name);

	return p == NULL ? -1 : strtoll(p + strlen(name), NULL, 0);
}

/* " /127.0.0.1:5[1](queued=0,...,sid=0x1,lop=PING,est=1700000000000,to=10000,...)" */
static void
take_connection(struct seen *s, const char *line, const char *server)
{
	const char *sid = strstr(line, ",sid=0x");
	struct seen_session *e;

	if (line[0] != ' ' || line[1] != '/' || sid == NULL)
		return;
	e = take(s, strtoull(sid + 5, NULL, 16));
	/* Up to the number of the connection's interest in brackets; IPv6 addresses have none of their own. */
	snprintf(e->client, sizeof e->client, "%.*s", (int)strcspn(line + 2, "["), line + 2);
	snprintf(e->server, sizeof e->server, "%s", server);
	e->connected_ms = find_value(line, ",est=");
	e->timeout_ms = find_value(line, ",to=");
}

static void
add_ephemeral(struct seen_session *e, const char *path)
{
	e->ephemerals = mem_realloc(e->ephemerals, (e->nephemerals + 1) * sizeof *e->ephemerals);
	e->ephemerals[e->nephemerals++] = mem_strndup(path, strlen(path));
}

/* Of dump: "0x1:" and then its ephemerals, each behind a tab; before that ids of all sessions, on a learner with ms. */
static void
take_dump(struct seen *s, char *text)
{
	struct seen_session *owner = NULL;
	bool ephemerals = false, connections = false;
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *end;
		uint64_t sid;
		ephemerals = ephemerals || strncmp(line, "Sessions with Ephemerals", 24) == 0;
		connections = connections || strncmp(line, "Connections dump", 16) == 0;
		if (connections)
			return;
		if (ephemerals && line[0] == '\t' && owner != NULL) {
			add_ephemeral(owner, line + 1);
			continue;
		}
		line += strspn(line, "\t ");
		if (strncmp(line, "0x", 2) != 0)
			continue;
		sid = strtoull(line, &end, 16);
		if (*end != '\0' && *end != ':' && *end != '\t')
			continue;
		owner = take(s, sid);
		if (*end == '\t')
			owner->timeout_ms = strtoll(end + 1, NULL, 10);
	}
}

static void
take_cons(struct seen *s, char *text, const char *server)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		take_connection(s, line, server);
}

/* Both words of one server, or of the node (server NULL). 0, or an exit status after a complaint. */
static int
ask_both(struct node *n, const struct zk_server *server, struct seen *s)
{
	char name[ZK_HOST_BYTES + 16] = "";
	char *cons = NULL, *dump = NULL;
	int status = server == NULL ? word_ask_node(n, "dump", &dump) : word_ask(server, "dump", &dump);

	if (server != NULL)
		snprintf(name, sizeof name, "%s:%s", server->host, server->port);
	if (status == ZKCTL_OK)
		status = server == NULL ? word_ask_node(n, "cons", &cons) : word_ask(server, "cons", &cons);
	if (status == ZKCTL_OK) {
		take_dump(s, dump);
		take_cons(s, cons, name);
	}
	mem_free(cons);
	mem_free(dump);
	return status;
}

/* The node itself where it is meant, each of the servers else. The number that answered. */
static unsigned
ask_all(const struct options *o, const struct zk_config *c, struct seen *s, int *status)
{
	unsigned answered = 0;
	struct node n;

	*status = ZKCTL_OK;
	if (!data_servers_named(o) && node_open_quietly(o, &n) == ZKCTL_OK) {
		*status = ask_both(&n, NULL, s);
		node_close(&n);
		return *status == ZKCTL_OK;
	}
	for (unsigned i = 0; i < c->servers.n; i++) {
		int one = ask_both(NULL, &c->servers.all[i], s);
		answered += one == ZKCTL_OK;
		*status = one == ZKCTL_OK ? *status : one;
	}
	return answered;
}

/* ---- ls ---- */

static int
compare_sessions(const void *a, const void *b)
{
	const struct seen_session *x = a, *y = b;

	return x->sid < y->sid ? -1 : x->sid > y->sid;
}

static int64_t
wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
print_sessions(const struct options *o, const struct seen *s)
{
	char age[32], timeout[32];

	printf("%s%-20s %-24s %-12s %-9s %10s%s\n", term_style(TERM_DIM), "SESSION", "CLIENT", "CONNECTED",
	       "TIMEOUT", "EPHEMERALS", term_style(TERM_PLAIN));
	for (size_t i = 0; i < s->n; i++) {
		const struct seen_session *e = &s->all[i];
		int64_t ms = e->connected_ms < 0 ? 0 : wall_ms() - e->connected_ms;
		printf("0x%-18" PRIx64 " %-24s %-12s %-9s %10zu\n", e->sid,
		       e->client[0] == '\0' ? "-" : e->client,
		       e->connected_ms < 0 ? "-"
					   : format_duration(ms < 0 ? 0 : (uint64_t)ms, age, sizeof age),
		       e->timeout_ms < 0 ? "-"
					 : format_duration((uint64_t)e->timeout_ms, timeout, sizeof timeout),
		       e->nephemerals);
		for (size_t k = 0; GIVEN(o, LONG) && k < e->nephemerals; k++)
			printf("    %s\n", e->ephemerals[k]);
	}
}

static json_t *
session_json(const struct seen_session *e)
{
	json_t *paths = json_array();

	for (size_t k = 0; k < e->nephemerals; k++)
		json_array_append_new(paths, json_text(e->ephemerals[k]));
	return json_pack("{s:o, s:s, s:s, s:I, s:I, s:o}", "session", facts_json_hex(e->sid), "client",
			 e->client, "server", e->server, "connected_since_ms", (json_int_t)e->connected_ms,
			 "timeout_ms", (json_int_t)e->timeout_ms, "ephemerals", paths);
}

static int
list(const struct options *o, const struct zk_config *c)
{
	struct seen s = { 0 };
	int status;
	unsigned answered = ask_all(o, c, &s, &status);

	if (s.n > 0)
		qsort(s.all, s.n, sizeof *s.all, compare_sessions);
	if (answered > 0 && o->json) {
		json_t *all = json_array();
		for (size_t i = 0; i < s.n; i++)
			json_array_append_new(all, session_json(&s.all[i]));
		json_print(json_pack("{s:o}", "sessions", all));
	} else if (answered > 0) {
		print_sessions(o, &s);
	}
	forget(&s);
	return status;
}

/* ---- kill ---- */

static bool
parse_sid(const char *text, int64_t *sid)
{
	const char *digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text;
	char *end;

	errno = 0;
	*sid = (int64_t)strtoull(digits, &end, 16);
	return errno == 0 && *digits != '\0' && *digits != '-' && *end == '\0' && *sid != 0;
}

static int
kill_one(const struct options *o, const struct zk_config *c, const char *text)
{
	struct zk_config own = *c;
	struct zk z;
	char question[96];
	int r;

	if (!parse_sid(text, &own.session))
		return complain(
		    ZKCTL_USAGE,
		    "\"%s\" is no session; they look like 0x10000a2b3c40000, see zkctl sessions ls", text);
	snprintf(question, sizeof question, "End session 0x%" PRIx64 ", with its ephemerals?",
		 (uint64_t)own.session);
	if (!GIVEN(o, YES) && !term_confirm(question))
		return complain(ZKCTL_UNWELL, "nothing was done");
	own.nauths = 0;
	r = zk_open(&z, &own);
	if (r == -EKEYEXPIRED)
		complain(0, "there is no session 0x%" PRIx64 ", or its password does not follow from its id",
			 (uint64_t)own.session);
	else if (r < 0)
		data_fail(&z, r, ZK_OK, "take over session", text);
	zk_close(&z);
	if (r < 0)
		return r == -EKEYEXPIRED ? ZKCTL_NO_NODE : ZKCTL_NO_ANSWER;
	if (o->json)
		json_print(json_pack("{s:o}", "killed", facts_json_hex((uint64_t)own.session)));
	else
		printf("session 0x%" PRIx64 " is over\n", (uint64_t)own.session);
	return ZKCTL_OK;
}

int
command_sessions(const struct options *o, int argc, char **argv)
{
	struct zk_config c;
	int status = data_config(o, &c);

	if (status != ZKCTL_OK)
		return status;
	if (strcmp(argv[0], "ls") == 0)
		status = list(o, &c);
	for (int i = 1; i < argc && status == ZKCTL_OK; i++)
		status = kill_one(o, &c, argv[i]);
	data_config_free(&c);
	return status;
}
