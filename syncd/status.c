/*
 * What syncd says of itself when it is asked (MSG_STATUS): its part, its positions, and in an ensemble the members, and
 * on a leader each learner. zkctl reads these facts by name.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shell.h"

#include "config/members.h"

/* The lines of the members' text, "server.1=...": each a fact. */
static void
tell_members(const struct zab *z, struct status_writer *w)
{
	struct buf text;
	char *line, *rest;

	buf_init(&text, MEMBERS_TEXT_MAX);
	zab_members_put(z, &text);
	buf_put_u8(&text, '\0');
	rest = (char *)buf_head(&text);
	while (!text.overflow && (line = strsep(&rest, "\n")) != NULL) {
		char *value = strchr(line, '=');

		if (value == NULL)
			continue;
		*value++ = '\0';
		status_fact(w, strcmp(line, "version") == 0 ? "members_version" : line, "%s", value);
	}
	buf_free(&text);
}

static void
tell_learner(struct syncd *s, const struct zab_learner *l, struct status_writer *w)
{
	const struct peer *p = peers_find(s, l->peer);
	char name[40];

	snprintf(name, sizeof name, "learner.%" PRId64, (int64_t)l->sid);
	status_fact(w, name, "%s %s acked=0x%" PRIx64 " sent=0x%" PRIx64 " silent_ms=%" PRIu64 " from=%s",
		    l->state,
		    l->voter      ? "voter"
		    : l->observer ? "observer"
				  : "stranger",
		    l->acked, l->sent, l->silent_ms, p != NULL ? p->name : "?");
}

static void
tell_ensemble(struct syncd *s, struct status_writer *w)
{
	const struct zab *z = &s->zab;
	struct zab_learner l;

	status_fact(w, "sid", "%" PRIu64, z->config.sid);
	if (z->part != ZAB_LOOKING)
		status_fact(w, "leader", "%" PRIu64,
			    z->part == ZAB_LEADER ? z->config.sid : z->election.result.leader);
	if (z->move.on)
		status_fact(w, "moving_to", "%" PRIu64, z->move.target);
	if (z->move.given_up != NULL)
		status_fact(w, "move_given_up", "%s", z->move.given_up);
	if (z->members != NULL)
		tell_members(z, w);
	for (size_t i = 0; zab_learner_at(z, i, &l); i++)
		if (l.known)
			tell_learner(s, &l, w);
}

/* Txns proposed and not committed yet. */
static uint64_t
uncommitted(const struct zab *z)
{
	return z->proposed >> 32 == z->committed >> 32 && z->proposed > z->committed
		   ? z->proposed - z->committed
		   : z->open_txns;
}

void
shell_status(struct daemon *d, struct status_writer *w)
{
	static const char *const roles[] = { "looking", "leader", "follower", "observer", "read-only" };
	static const char *const names[ZAB_LINKS] = { "logd", "clientd", "electiond" };
	struct syncd *s = d->room;
	const struct zab *z = &s->zab;
	char text[200];

	status_text(w, "%s", zab_describe(z, text, sizeof text));
	status_fact(w, "role", "%s", roles[z->role]);
	status_fact(w, "standalone", "%d", z->config.standalone);
	status_fact(w, "version", "%s", PACKAGE_VERSION);
	status_fact(w, "epoch", "%u", z->epoch);
	status_fact(w, "proposed_zxid", "0x%llx", (unsigned long long)z->proposed);
	status_fact(w, "committed_zxid", "0x%llx", (unsigned long long)z->committed);
	status_fact(w, "durable_zxid", "0x%llx", (unsigned long long)z->durable);
	for (int i = 0; i < ZAB_LINKS; i++)
		status_fact(w, names[i], "%s", z->links[i].up ? "up" : "down");
	status_fact(w, "serving", "%d", z->role != ZAB_LOOKING && z->phase == ZAB_READY);
	status_fact(w, "disk", "%s", z->disk_failed ? z->disk_error : "ok");
	status_fact(w, "credit_txns", "%u of %u", z->open_txns, z->config.window_txns);
	status_fact(w, "credit_bytes", "%llu of %llu", (unsigned long long)z->open_bytes,
		    (unsigned long long)z->config.window_bytes);
	status_queue(w, z->role == ZAB_LOOKING ? 0 : uncommitted(z));
	status_fact(w, "window_txns", "%zu", z->window.count);
	status_fact(w, "window_bytes", "%zu", z->window.held);
	if (!z->config.standalone)
		tell_ensemble(s, w);
	loss_tell(&s->loss, w);
}
