/*
 * What the servers of an ensemble say of themselves, by four-letter words: versions, roles, how far each is, sizes. A word
 * that a whitelist refuses is named with the way out, and what it would have told stays unknown.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor.h"
#include "words.h"

enum {
	LAG_TXNS = 1000,      /* behind the first: a warning */
	BUSY_REQUESTS = 100,  /* waiting on one server: a warning */
	WATCHES = 10000000,   /* above: a warning */
	VERSION_OLDEST = 305, /* 3.5: the quorum protocol that zkd speaks */
	VERSION_TRIED = 308,  /* 3.8 and 3.9 are tried against zkd */
	VERSION_NEWEST = 309,
};

static const char whitelist[] =
    "4lw.commands.whitelist=srvr,mntr,conf in its zoo.cfg and a restart; or leave it: what "
    "the word tells is then not checked";

/* The value behind "name<separator>" at the beginning of a line, or NULL. */
static const char *
find_line(struct doctor *d, const char *text, const char *name, char separator)
{
	size_t len = strlen(name);

	for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || line[len] != separator)
			continue;
		line += len + 1;
		line += strspn(line, " ");
		return doctor_format(d, "%.*s", (int)strcspn(line, "\r\n"), line);
	}
	return NULL;
}

static int64_t
find_number(struct doctor *d, const char *text, const char *name, char separator)
{
	const char *value = text == NULL ? NULL : find_line(d, text, name, separator);

	return value == NULL ? -1 : strtoll(value, NULL, 10);
}

/* A word's answer, or NULL after a check that says why there is none. */
static char *
ask(struct doctor *d, unsigned i, const char word[4])
{
	char *answer, why[ZK_WHY_BYTES];
	const struct server_view *v = &d->views[i];

	switch (word_fetch(&d->servers.all[i], word, &answer, why)) {
	case ZKCTL_OK:
		return answer;
	case ZKCTL_NOT_ALLOWED:
		doctor_say(d, DOCTOR_WARN, v->name, whitelist, "the word %.4s is not on its whitelist", word);
		return NULL;
	default:
		doctor_say(d, DOCTOR_STOP, v->name,
			   "bring it back first: while another one is replaced the ensemble needs it", "%s",
			   why);
		return NULL;
	}
}

/* ---- One server ---- */

/* "3.8.0-..., built on ..." -> 308; -1 where it is none. */
static int
version_number(const char *version)
{
	int major, minor;

	return sscanf(version, "%d.%d", &major, &minor) == 2 ? major * 100 + minor : -1;
}

static void
judge_version(struct doctor *d, const struct server_view *v)
{
	const char *version = doctor_format(d, "%.*s", (int)strcspn(v->version, ","), v->version);
	int n = version_number(version);

	if (strstr(version, "zkd") != NULL)
		doctor_say(d, DOCTOR_OK, v->name, NULL, "%s, zkd %s", v->mode, version);
	else if (n >= VERSION_TRIED && n <= VERSION_NEWEST)
		doctor_say(d, DOCTOR_OK, v->name, NULL, "%s, ZooKeeper %s", v->mode, version);
	else if (n >= 0 && n < VERSION_OLDEST)
		doctor_say(d, DOCTOR_STOP, v->name, "bring the ensemble to ZooKeeper 3.8 first",
			   "ZooKeeper %s, whose servers zkd cannot talk to", version);
	else
		doctor_say(d, DOCTOR_WARN, v->name, "try it with a copy of this ensemble first",
			   "%s, ZooKeeper %s, which zkd was not tried with (3.8 and 3.9 are)", v->mode,
			   version);
}

static void
judge_load(struct doctor *d, const struct server_view *v)
{
	if (v->outstanding > BUSY_REQUESTS)
		doctor_say(d, DOCTOR_WARN, v->name, "wait for a quieter hour",
			   "%" PRId64 " requests wait for their answer", v->outstanding);
	if (v->most_files > 0 && v->open_files > v->most_files / 10 * 9)
		doctor_say(d, DOCTOR_WARN, v->name,
			   "raise LimitNOFILE: its clients come to the others for each step",
			   "%" PRId64 " of %" PRId64 " file descriptors are in use", v->open_files,
			   v->most_files);
	if (v->largest_response > d->max_buffer)
		doctor_say(d, DOCTOR_WARN, v->name,
			   "see whether clients have a jute.maxbuffer above it, and give zkd the same",
			   "its largest reply had %" PRId64 " bytes, above jute.maxbuffer %" PRId64,
			   v->largest_response, d->max_buffer);
	if (v->watches > WATCHES)
		doctor_say(d, DOCTOR_WARN, v->name, "see that each machine has memory for them",
			   "%" PRId64 " watches, which come to the other servers while it is replaced",
			   v->watches);
	if (v->mismatches > 0)
		doctor_say(d, DOCTOR_STOP, v->name,
			   "find out which server differs (zkctl export, diff); stop it, empty its data "
			   "folder and let "
			   "it fetch everything from the leader",
			   "%" PRId64 " times its tree was not that of the leader (digest mismatches)",
			   v->mismatches);
}

static void
judge_ports(struct doctor *d, const struct server_view *v, const char *conf)
{
	if (find_number(d, conf, "secureClientPort", '=') > 0 && doctor_is_refused("secureClientPort"))
		doctor_say(d, DOCTOR_STOP, v->name,
			   "have the clients use the plain port on a network that you trust, or a TLS proxy",
			   "it serves clients over TLS, which zkd does not have");
}

static void
look_at_server(struct doctor *d, unsigned i)
{
	struct server_view *v = &d->views[i];
	const struct zk_server *s = &d->servers.all[i];
	bool v6 = strchr(s->host, ':') != NULL;
	char *srvr, *mntr, *conf;
	const char *zxid;

	v->name = doctor_format(d, "%s%s%s:%s", v6 ? "[" : "", s->host, v6 ? "]" : "", s->port);
	srvr = ask(d, i, "srvr");
	if (srvr == NULL)
		return;
	zxid = find_line(d, srvr, "Zxid", ':');
	v->version = find_line(d, srvr, "Zookeeper version", ':');
	v->mode = find_line(d, srvr, "Mode", ':');
	v->answers = zxid != NULL && v->version != NULL && v->mode != NULL;
	v->zxid = zxid == NULL ? 0 : strtoull(zxid, NULL, 16);
	mem_free(srvr);
	if (!v->answers) {
		doctor_say(d, DOCTOR_STOP, v->name, "is it a ZooKeeper server?",
			   "its answer to srvr is none");
		return;
	}
	judge_version(d, v);
	mntr = ask(d, i, "mntr");
	conf = ask(d, i, "conf");
	v->znodes = find_number(d, mntr, "zk_znode_count", '\t');
	v->watches = find_number(d, mntr, "zk_watch_count", '\t');
	v->outstanding = find_number(d, mntr, "zk_outstanding_requests", '\t');
	v->largest_response = find_number(d, mntr, "zk_max_client_response_size", '\t');
	v->open_files = find_number(d, mntr, "zk_open_file_descriptor_count", '\t');
	v->most_files = find_number(d, mntr, "zk_max_file_descriptor_count", '\t');
	v->synced_followers = find_number(d, mntr, "zk_synced_followers", '\t');
	v->mismatches = find_number(d, mntr, "zk_digest_mismatches_count", '\t');
	v->tick_time_ms = find_number(d, conf, "tickTime", '=');
	v->least_session_ms = find_number(d, conf, "minSessionTimeout", '=');
	v->most_session_ms = find_number(d, conf, "maxSessionTimeout", '=');
	judge_load(d, v);
	judge_ports(d, v, conf);
	mem_free(mntr);
	mem_free(conf);
}

/* ---- All together ---- */

static unsigned
count_mode(const struct doctor *d, const char *mode)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->servers.n; i++)
		n += d->views[i].answers && strcmp(d->views[i].mode, mode) == 0;
	return n;
}

static void
judge_quorum(struct doctor *d)
{
	unsigned leaders = count_mode(d, "leader"), followers = count_mode(d, "follower");
	unsigned alone = count_mode(d, "standalone"), answers = 0;

	for (unsigned i = 0; i < d->servers.n; i++)
		answers += d->views[i].answers;
	if (answers == 0)
		return;
	if (alone > 0 && d->servers.n == 1)
		doctor_say(d, d->migration ? DOCTOR_WARN : DOCTOR_OK, "quorum",
			   d->migration ? "announce a pause of some seconds, or make it an ensemble first"
					: NULL,
			   "a server of its own: while it is replaced nobody serves");
	else if (alone > 0)
		doctor_say(d, DOCTOR_STOP, "quorum", "name the servers of one ensemble",
			   "%u of %u servers are standalone: they are no ensemble", alone, d->servers.n);
	else if (leaders != 1)
		doctor_say(d, DOCTOR_STOP, "quorum",
			   "name all servers with --server, or the folder of the configuration; else wait "
			   "until one leads",
			   "of the servers named %u lead", leaders);
	else if (leaders + followers < 3)
		doctor_say(d, DOCTOR_WARN, "quorum",
			   "name all servers; or add one that votes before you begin",
			   "one leader and %u follower%s were found: with one away there is no quorum",
			   followers, followers == 1 ? "" : "s");
	else
		doctor_say(d, DOCTOR_OK, "quorum", NULL, "one leader, %u followers, %u observers", followers,
			   count_mode(d, "observer"));
}

/* The leader counts the voters that are in sync, whether they were named here or not. */
static void
judge_synced(struct doctor *d)
{
	unsigned followers = count_mode(d, "follower");

	for (unsigned i = 0; i < d->servers.n; i++) {
		const struct server_view *v = &d->views[i];
		if (!v->answers || strcmp(v->mode, "leader") != 0 || v->synced_followers < 0)
			continue;
		if (v->synced_followers > followers)
			doctor_say(d, DOCTOR_WARN, "quorum", "name all servers with --server",
				   "the leader has %" PRId64 " followers in sync, and %u of them were named",
				   v->synced_followers, followers);
		else if (v->synced_followers < followers)
			doctor_say(d, DOCTOR_STOP, "quorum", "wait until they are; ask again",
				   "of %u followers the leader counts %" PRId64 " in sync", followers,
				   v->synced_followers);
	}
}

static void
judge_lag(struct doctor *d)
{
	uint64_t most = 0;
	bool said = false;

	for (unsigned i = 0; i < d->servers.n; i++)
		most = d->views[i].answers && d->views[i].zxid > most ? d->views[i].zxid : most;
	for (unsigned i = 0; i < d->servers.n; i++) {
		const struct server_view *v = &d->views[i];
		/* A leader shows its epoch before the first transaction in it, and others what they have. */
		if (!v->answers || v->zxid + LAG_TXNS >= most || most << 32 == 0)
			continue;
		said = true;
		doctor_say(d, v->zxid >> 32 == most >> 32 ? DOCTOR_WARN : DOCTOR_STOP, v->name,
			   "wait until it has caught up; ask again",
			   "it is at 0x%" PRIx64 ", and another one at 0x%" PRIx64, v->zxid, most);
	}
	if (!said && most > 0 && d->servers.n > 1)
		doctor_say(d, DOCTOR_OK, "lag", NULL, "every server is within %d transactions of 0x%" PRIx64,
			   LAG_TXNS, most);
}

/* Servers that do not mean the same with a tick grant the same client different timeouts. */
static void
judge_sameness(struct doctor *d)
{
	const struct server_view *first = NULL;

	for (unsigned i = 0; i < d->servers.n; i++) {
		const struct server_view *v = &d->views[i];
		if (!v->answers || v->tick_time_ms < 0)
			continue;
		if (first == NULL)
			first = v;
		else if (v->tick_time_ms != first->tick_time_ms ||
			 v->least_session_ms != first->least_session_ms ||
			 v->most_session_ms != first->most_session_ms)
			doctor_say(d, DOCTOR_WARN, v->name, "set them alike before servers change places",
				   "its tickTime or session timeouts are not those of %s", first->name);
	}
}

/* The largest count of any server. */
static void
tell_sizes(struct doctor *d)
{
	int64_t znodes = -1, watches = -1, response = -1;

	for (unsigned i = 0; i < d->servers.n; i++) {
		const struct server_view *v = &d->views[i];
		if (!v->answers)
			continue;
		znodes = v->znodes > znodes ? v->znodes : znodes;
		watches = v->watches > watches ? v->watches : watches;
		response = v->largest_response > response ? v->largest_response : response;
	}
	if (znodes >= 0)
		doctor_say(d, DOCTOR_OK, "sizes", NULL,
			   "%" PRId64 " znodes, %" PRId64 " watches on one server, largest reply %" PRId64
			   " bytes",
			   znodes, watches, response);
}

void
doctor_ask_servers(struct doctor *d)
{
	for (unsigned i = 0; i < d->servers.n; i++) {
		d->views[i] = (struct server_view){ .znodes = -1,
						    .watches = -1,
						    .outstanding = -1,
						    .largest_response = -1,
						    .open_files = -1,
						    .most_files = -1,
						    .synced_followers = -1,
						    .mismatches = -1,
						    .tick_time_ms = -1 };
		look_at_server(d, i);
	}
	judge_quorum(d);
	judge_synced(d);
	judge_lag(d);
	judge_sameness(d);
	tell_sizes(d);
}
