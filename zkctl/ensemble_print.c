/* The ensemble for people and as JSON. See ensemble.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ensemble.h"
#include "json.h"
#include "term.h"

static const char *const state_words[SERVER_STATES] = {
	[SERVER_SERVES] = "in sync",   [SERVER_SYNCED] = "in sync",  [SERVER_SYNCING] = "syncing",
	[SERVER_IDLE] = "not serving", [SERVER_UNKNOWN] = "unknown", [SERVER_DOWN] = "no answer",
};

const char *
ensemble_describe(const struct ensemble *e, char *text, size_t size)
{
	size_t in = e->voters_in_sync, all = e->voters;

	if (!e->quorum)
		snprintf(text, size, "%zu of %zu voters are in sync: NO QUORUM, nothing can be written", in,
			 all);
	else if (!e->counted)
		snprintf(text, size,
			 "%zu of %zu voters are known to be in sync; there is a quorum all the same", in,
			 all);
	else if (e->spare == 0)
		snprintf(text, size, "%zu of %zu voters are in sync: enough, but none more may fail", in,
			 all);
	else
		snprintf(text, size, "%zu of %zu voters are in sync, any %u may fail", in, all, e->spare);
	return text;
}

static const char *
role_of(const struct server *v)
{
	if (v->role[0] != '\0')
		return v->role;
	return v->member->observer ? "observer" : "voter";
}

static void
print_server(const struct server *v)
{
	bool bad = !(v->state <= SERVER_SYNCED);
	char zxid[24] = "-", lag[24] = "-";

	if (v->zxid_known)
		snprintf(zxid, sizeof zxid, "0x%" PRIx64, v->zxid);
	if (v->lag >= 0)
		snprintf(lag, sizeof lag, "%" PRId64, v->lag);
	printf("%c%5" PRId64 "  %-9s  %s%-11s%s  %-18s  %6s  %s\n", v->own ? '*' : ' ', v->member->sid,
	       role_of(v), bad ? term_style(TERM_BAD) : "", state_words[v->state],
	       bad ? term_style(TERM_PLAIN) : "", zxid, lag, v->version[0] == '\0' ? "-" : v->version);
	if (v->why[0] != '\0')
		printf("        %.71s\n", v->why);
}

void
ensemble_print(const struct ensemble *e)
{
	const char *style = e->quorum && e->spare > 0 ? "" : term_style(TERM_BAD);
	char text[120];

	printf("Ensemble: %s%s%s.\n", style, ensemble_describe(e, text, sizeof text),
	       style[0] == '\0' ? "" : term_style(TERM_PLAIN));
	printf("%s%6s  %-9s  %-11s  %-18s  %6s  %s%s\n", term_style(TERM_DIM), "SERVER", "ROLE", "STATE",
	       "ZXID", "LAG", "VERSION", term_style(TERM_PLAIN));
	for (size_t i = 0; i < e->nservers; i++)
		print_server(&e->servers[i]);
}

static json_t *
text_or_null(const char *text)
{
	return text[0] == '\0' ? json_null() : json_text(text);
}

static json_t *
server_json(const struct server *v)
{
	char address[ZK_HOST_BYTES + 16] = "";

	if (v->asked.server.host[0] != '\0')
		snprintf(address, sizeof address, "%s:%s", v->asked.server.host, v->asked.server.port);
	return json_pack("{s:I, s:b, s:b, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "sid",
			 (json_int_t)v->member->sid, "this", v->own, "voter", !v->member->observer, "role",
			 text_or_null(v->role), "state", state_words[v->state], "in_sync",
			 v->state <= SERVER_SYNCED, "zxid",
			 v->zxid_known ? json_sprintf("0x%" PRIx64, v->zxid) : json_null(), "epoch",
			 v->zxid_known ? json_integer((json_int_t)(v->zxid >> 32)) : json_null(), "lag",
			 v->lag < 0 ? json_null() : json_integer(v->lag), "version", text_or_null(v->version),
			 "asked", text_or_null(address), "why", text_or_null(v->why));
}

json_t *
ensemble_json(const struct ensemble *e)
{
	json_t *servers = json_array();

	for (size_t i = 0; i < e->nservers; i++)
		json_array_append_new(servers, server_json(&e->servers[i]));
	return json_pack("{s:o, s:I, s:b, s:I, s:I, s:o, s:o}", "leader",
			 e->leader < 0 ? json_null() : json_integer(e->leader), "epoch", (json_int_t)e->epoch,
			 "quorum", e->quorum, "voters", (json_int_t)e->voters, "voters_in_sync",
			 (json_int_t)e->voters_in_sync, "may_fail",
			 e->quorum && !e->counted ? json_null() : json_integer(e->spare), "servers", servers);
}
