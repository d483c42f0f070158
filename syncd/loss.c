/* See loss.h. Invariant: a kind without a rule loses nothing. */
#include "config.h"

#include "loss.h"

#include <stdio.h>
#include <string.h>

#include "io/fault.h"
#include "io/log.h"
#include "packet.h"

static const struct {
	const char *name;
	bool leaders; /* it is the leader that sends them */
	bool learners;
	int32_t types[2];
} kinds[LOSS_KINDS] = {
	[LOSS_PROPOSAL] = { "proposal", true, false, { PACKET_PROPOSAL, PACKET_PROPOSAL } },
	[LOSS_ACK] = { "ack", false, true, { PACKET_ACK, PACKET_ACK } },
	/* An observer gets the txn with its commit. */
	[LOSS_COMMIT] = { "commit", true, false, { PACKET_COMMIT, PACKET_INFORM } },
	[LOSS_PING] = { "ping", true, true, { PACKET_PING, PACKET_PING } },
};

static int
find_kind(int32_t type)
{
	int i = 0;

	while (i < LOSS_KINDS && kinds[i].types[0] != type && kinds[i].types[1] != type)
		i++;
	return i;
}

static bool
lose(struct zab_filter *filter, uint64_t sid, int32_t type, uint64_t zxid)
{
	struct loss *l = container_of(filter, struct loss, filter);
	int kind = find_kind(type);
	struct loss_rule *r = &l->rules[kind];

	if (kind == LOSS_KINDS || r->left == 0 || (r->to_one && r->sid != sid))
		return false;
	r->left--;
	r->lost++;
	log_event(LOG_WARNING, "packet dropped on request", "type=%s sid=%lld zxid=0x%llx left=%u",
		  packet_name(type), (long long)sid, (unsigned long long)zxid, r->left);
	return true;
}

void
loss_init(struct loss *l)
{
	*l = (struct loss){ .filter = { .lose = lose } };
}

void
loss_tell(const struct loss *l, struct status_writer *w)
{
	char name[32];

	for (int i = 0; i < LOSS_KINDS; i++) {
		const struct loss_rule *r = &l->rules[i];

		if (r->left == 0 && r->lost == 0)
			continue;
		snprintf(name, sizeof name, "drop_%s", kinds[i].name);
		status_fact(w, name, "%u done, %u to come", r->lost, r->left);
	}
}

#ifdef ZKD_DEBUG

/* NULL, or why nothing of it would ever be lost. */
static const char *
judge(const struct zab *z, int kind)
{
	if (kind == LOSS_KINDS)
		return "packets are proposal, ack, commit, ping";
	if (z->config.standalone)
		return "this server is alone: it sends nothing to peers";
	if (z->role == ZAB_LOOKING)
		return "this server has no role now; try when it has";
	if (z->role == ZAB_LEADER && !kinds[kind].leaders)
		return "this server leads: acks are sent by followers, so ask one of them";
	if (z->role != ZAB_LEADER && !kinds[kind].learners)
		return "this server does not lead: proposals and commits are sent by the leader, so ask that "
		       "one";
	return NULL;
}

void
loss_take(struct loss *l, const struct zab *z, struct control_conn *c, const struct frame *question)
{
	const Zkd__LoseRequest *q = control_take(c, question, &zkd__lose_request__descriptor);
	const char *wrong = "malformed";
	int kind = 0;

	if (q != NULL) {
		while (kind < LOSS_KINDS && strcmp(kinds[kind].name, q->packet) != 0)
			kind++;
		/* To stop is always possible. */
		wrong = q->count == 0 && kind < LOSS_KINDS ? NULL : judge(z, kind);
	}
	control_answer(c, question, wrong == NULL, wrong == NULL ? "" : wrong);
	if (wrong != NULL)
		return;
	l->rules[kind] = (struct loss_rule){ .to_one = q->to_one, .sid = q->peer, .left = q->count };
	log_event(LOG_WARNING, "packets will be dropped on request", "type=%s count=%u", kinds[kind].name,
		  q->count);
}

#else

void
loss_take(struct loss *l, const struct zab *z, struct control_conn *c, const struct frame *question)
{
	(void)l;
	(void)z;
	fault_refuse(c, question);
}

#endif
