/* See ensemble.h. Invariant: a server counts as in sync only where itself or the leader says so. */
#include "ensemble.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- What the own node knows ---- */

/* The members' text, put together again of the facts that it was taken apart to. */
static struct members *
read_members(const Zkd__Status *s)
{
	const char *version = node_find_fact(s, "members_version");
	struct members *m = NULL;
	struct buf text;

	buf_init(&text, MEMBERS_TEXT_MAX);
	for (size_t i = 0; i < s->n_facts; i++) {
		const Zkd__Fact *f = s->facts[i];

		if (strncmp(f->name, "server.", 7) != 0 && strncmp(f->name, "group.", 6) != 0 &&
		    strncmp(f->name, "weight.", 7) != 0)
			continue;
		buf_put(&text, f->name, strlen(f->name));
		buf_put_u8(&text, '=');
		buf_put(&text, f->value, strlen(f->value));
		buf_put_u8(&text, '\n');
	}
	if (version != NULL) {
		buf_put(&text, "version=", 8);
		buf_put(&text, version, strlen(version));
	}
	if (members_parse(buf_slice(&text), &m) != 0)
		m = NULL;
	buf_free(&text);
	return m;
}

static uint64_t
read_zxid(const char *text)
{
	return text == NULL ? 0 : strtoull(text, NULL, 16);
}

static struct server *
find_server(struct ensemble *e, int64_t sid)
{
	for (size_t i = 0; i < e->nservers; i++)
		if (e->servers[i].member->sid == sid)
			return &e->servers[i];
	return NULL;
}

static void
set_zxid(struct server *v, uint64_t zxid)
{
	v->zxid_known = true;
	v->zxid = zxid;
}

static void
describe_own(struct ensemble *e, struct server *own, const Zkd__Status *syncd)
{
	const char *role = node_find_fact(syncd, "role"), *serving = node_find_fact(syncd, "serving");
	const char *version = node_find_fact(syncd, "version");
	uint64_t start = (uint64_t)e->epoch << 32, zxid = read_zxid(node_find_fact(syncd, "committed_zxid"));
	bool serves = serving != NULL && strcmp(serving, "1") == 0;

	own->own = true;
	own->state = serves ? SERVER_SERVES : SERVER_IDLE;
	snprintf(own->role, sizeof own->role, "%s", role == NULL ? "" : role);
	snprintf(own->version, sizeof own->version, "zkd %s", version == NULL ? "" : version);
	set_zxid(own, serves && zxid < start ? start : zxid);
	if (!serves)
		snprintf(own->why, sizeof own->why, "%s", syncd->text);
}

/* What a leader knows of one of its learners: "synced voter acked=0x1 sent=0x1 silent_ms=3 from=127.0.0.1:1". */
static void
describe_learner(struct server *v, const char *text)
{
	unsigned long long acked;
	char state[16], kind[16], from[80];

	if (sscanf(text, "%15s %15s acked=0x%llx sent=%*s silent_ms=%*s from=%79s", state, kind, &acked,
		   from) != 4)
		return;
	v->state = strcmp(state, "synced") == 0 ? SERVER_SYNCED : SERVER_SYNCING;
	snprintf(v->role, sizeof v->role, "%s", strcmp(kind, "observer") == 0 ? kind : "follower");
	set_zxid(v, acked);
	if (v->state != SERVER_SYNCED)
		snprintf(v->why, sizeof v->why, "the leader says: %s", state);
}

/* Servers on one machine have ports of their own. */
static bool
is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

/* Where its clients go: as its line says, else at our own port of its host, as most ensembles have it. */
static void
find_address(struct server *v, const char *own_client)
{
	const struct config_address *c = &v->member->client;
	bool any = c->host == NULL || strcmp(c->host, "0.0.0.0") == 0 || strcmp(c->host, "::") == 0;
	const char *host = any ? v->member->addresses[0].host : c->host;
	const char *colon = own_client == NULL ? NULL : strrchr(own_client, ':');
	struct zk_server *to = &v->asked.server;

	if (c->port > 0) {
		snprintf(to->port, sizeof to->port, "%u", (unsigned)(uint16_t)c->port);
	} else if (colon != NULL && !is_loopback(host)) {
		snprintf(to->port, sizeof to->port, "%s", colon + 1);
	} else {
		snprintf(v->why, sizeof v->why,
			 "its client port is not known; write it behind ; in its line");
		return;
	}
	snprintf(to->host, sizeof to->host, "%s", host);
}

bool
ensemble_begin(struct ensemble *e, const struct node_status *s)
{
	const Zkd__Status *syncd = node_status_of(s, NODE_SYNCD);
	const char *sid = node_find_fact(syncd, "sid"), *leader = node_find_fact(syncd, "leader");
	const char *epoch = node_find_fact(syncd, "epoch"), *learner;
	char name[40];

	*e = (struct ensemble){ .leader = leader == NULL ? -1 : strtoll(leader, NULL, 10) };
	if (sid == NULL || (e->members = read_members(syncd)) == NULL)
		return false;
	e->epoch = epoch == NULL ? 0 : (uint32_t)strtoul(epoch, NULL, 10);
	e->nservers = e->members->nservers;
	e->servers = mem_zalloc(e->nservers, sizeof *e->servers);
	for (size_t i = 0; i < e->nservers; i++) {
		struct server *v = &e->servers[i];

		v->member = &e->members->servers[i];
		v->state = SERVER_UNKNOWN;
		v->lag = -1;
		snprintf(name, sizeof name, "learner.%" PRId64, v->member->sid);
		learner = node_find_fact(syncd, name);
		if (v->member->sid == strtoll(sid, NULL, 10)) {
			describe_own(e, v, syncd);
			continue;
		}
		if (learner != NULL)
			describe_learner(v, learner);
		find_address(v, node_find_fact(node_status_of(s, NODE_ZKD), "client"));
	}
	return true;
}

/* ---- What the others say ---- */

/* The rest of the line that begins with name, into out; false where there is none. */
static bool
read_line(const char *text, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);

	for (; text != NULL; text = strchr(text, '\n') == NULL ? NULL : strchr(text, '\n') + 1) {
		if (strncmp(text, name, len) != 0)
			continue;
		snprintf(out, size, "%.*s", (int)strcspn(text + len, "\r\n"), text + len);
		return true;
	}
	return false;
}

/* "3.9.5-zkd-0.1.0--1, built on ..." or "3.8.0-5a02a05..., built on ..." */
static void
read_version(struct server *v, const char *line)
{
	const char *zkd = strstr(line, "-zkd-");

	if (zkd != NULL)
		snprintf(v->version, sizeof v->version, "zkd %.*s", (int)strspn(zkd + 5, "0123456789."),
			 zkd + 5);
	else
		snprintf(v->version, sizeof v->version, "ZooKeeper %.*s", (int)strspn(line, "0123456789."),
			 line);
}

static void
read_srvr(struct server *v)
{
	char line[128];

	v->state = SERVER_SERVES;
	v->why[0] = '\0';
	if (read_line(v->asked.answer, "Zookeeper version: ", line, sizeof line))
		read_version(v, line);
	if (read_line(v->asked.answer, "Mode: ", line, sizeof line))
		snprintf(v->role, sizeof v->role, "%.31s", line);
	if (read_line(v->asked.answer, "Zxid: ", line, sizeof line))
		set_zxid(v, read_zxid(line));
}

static void
explain(struct server *v, const char *what, const char *help)
{
	snprintf(v->why, sizeof v->why, "%.60s:%s: %s%s", v->asked.server.host, v->asked.server.port, what,
		 help);
}

static void
judge_answer(struct server *v)
{
	const char *a = v->asked.answer;

	if (a == NULL) {
		explain(v, v->asked.why, "");
		if (v->state == SERVER_UNKNOWN)
			v->state = SERVER_DOWN;
	} else if (strstr(a, "not currently serving requests") != NULL) {
		if (v->state == SERVER_UNKNOWN) {
			v->state = SERVER_IDLE;
			explain(v, "it answers, and serves nobody", ": it has no leader");
		}
	} else if (strstr(a, "is not in the whitelist") != NULL) {
		explain(v, "srvr is not allowed", "; 4lw.commands.whitelist=srvr allows it");
	} else if (strncmp(a, "Zookeeper version: ", 19) == 0) {
		read_srvr(v);
	} else {
		explain(v, "what answers there is no ZooKeeper server", "");
	}
}

/* ---- All together ---- */

static bool
in_sync(const struct server *v)
{
	return v->state <= SERVER_SYNCED && strcmp(v->role, "looking") != 0;
}

static bool
reached(const struct ensemble *e, const struct quorum *q, const struct server *without)
{
	struct sid_set set = { { 0 } };

	for (size_t i = 0; i < e->nservers; i++)
		if (&e->servers[i] != without && in_sync(&e->servers[i]) && e->servers[i].member->sid >= 0)
			sid_set_add(&set, (uint64_t)e->servers[i].member->sid);
	return quorum_reached(q, &set);
}

/* How many of those in sync may fail, whichever these are. With groups and weights: whether one may. */
static void
judge_quorum(struct ensemble *e)
{
	struct quorum_pair q;

	members_quorums(e->members, NULL, &q);
	e->voters = q.current.nvoters;
	for (size_t i = 0; i < e->nservers; i++)
		e->voters_in_sync += !e->servers[i].member->observer && in_sync(&e->servers[i]);
	e->counted = e->quorum = reached(e, &q.current, NULL);
	for (size_t i = 0; i < e->nservers; i++)
		e->quorum |= e->servers[i].own && e->servers[i].state == SERVER_SERVES;
	if (!e->counted)
		return;
	if (!q.current.hierarchical) {
		e->spare = (unsigned)(e->voters_in_sync - (e->voters / 2 + 1));
		return;
	}
	e->spare = 1;
	for (size_t i = 0; i < e->nservers; i++)
		if (!reached(e, &q.current, &e->servers[i]))
			e->spare = 0;
}

static void
judge_lags(struct ensemble *e)
{
	struct server *leader = NULL;

	for (size_t i = 0; i < e->nservers; i++)
		if (strcmp(e->servers[i].role, "leader") == 0)
			e->leader = e->servers[i].member->sid;
	leader = find_server(e, e->leader);
	if (leader == NULL || !leader->zxid_known)
		return;
	for (size_t i = 0; i < e->nservers; i++) {
		struct server *v = &e->servers[i];

		if (v->zxid_known && v->zxid >> 32 == leader->zxid >> 32)
			v->lag = v->zxid >= leader->zxid ? 0 : (int64_t)(leader->zxid - v->zxid);
	}
}

void
ensemble_ask(struct ensemble *e, int64_t limit_ms)
{
	struct word_question *q = mem_zalloc(e->nservers, sizeof *q);
	size_t n = 0;

	for (size_t i = 0; i < e->nservers; i++)
		if (e->servers[i].asked.server.host[0] != '\0')
			q[n++] = e->servers[i].asked;
	words_ask_all(q, n, "srvr", limit_ms);
	n = 0;
	for (size_t i = 0; i < e->nservers; i++)
		if (e->servers[i].asked.server.host[0] != '\0') {
			e->servers[i].asked = q[n++];
			judge_answer(&e->servers[i]);
		}
	mem_free(q);
	judge_lags(e);
	judge_quorum(e);
}

void
ensemble_free(struct ensemble *e)
{
	for (size_t i = 0; i < e->nservers; i++)
		mem_free(e->servers[i].asked.answer);
	mem_free(e->servers);
	members_free(e->members);
	*e = (struct ensemble){ .leader = -1 };
}
