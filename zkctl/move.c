/* zkctl move-leader [SID]: the leader hands its part to a follower; waits until that one leads. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ensemble.h"
#include "ipc/msg.h"
#include "json.h"

enum { MOVE_MS = 10000, PAUSE_NS = 5000000 };

struct move {
	struct node node;
	const struct options *o;
	int64_t from, to, begun_ms, limit_ms;
	uint32_t epoch; /* before */
};

static Zkd__Status *
ask_syncd(struct move *m)
{
	return node_ask(&m->node, node_programs[NODE_SYNCD], MSG_STATUS, NULL, &zkd__status__descriptor);
}

static int64_t
number_of(const Zkd__Status *s, const char *fact)
{
	const char *value = node_find_fact(s, fact);

	return value == NULL ? -1 : strtoll(value, NULL, 10);
}

/* Only the leader can do it: whoever is asked elsewhere says where. */
static int
check_role(struct move *m)
{
	const Zkd__Status *s = ask_syncd(m);
	const char *role = node_find_fact(s, "role");
	char name[32];

	if (s == NULL)
		return ZKCTL_NO_ANSWER;
	m->from = number_of(s, "sid");
	m->epoch = (uint32_t)number_of(s, "epoch");
	if (m->from < 0)
		return complain(ZKCTL_UNWELL,
				"this server is alone (standalone): there is nobody to lead it");
	if (role != NULL && strcmp(role, "leader") == 0)
		return ZKCTL_OK;
	if (number_of(s, "leader") < 0)
		return complain(ZKCTL_UNWELL, "there is no leader now: %s; zkctl status tells more", s->text);
	snprintf(name, sizeof name, "server.%" PRId64, number_of(s, "leader"));
	return complain(ZKCTL_UNWELL,
			"this is server %" PRId64 ", and server %" PRId64
			" leads (%s): run zkctl move-leader there",
			m->from, number_of(s, "leader"),
			node_find_fact(s, name) == NULL ? "not listed" : node_find_fact(s, name));
}

static int
request(struct move *m, const char *target)
{
	Zkd__MoveRequest q = ZKD__MOVE_REQUEST__INIT;
	const Zkd__MoveAnswer *a;

	q.any = target == NULL;
	q.sid = target == NULL ? 0 : strtoull(target, NULL, 10);
	a = node_ask(&m->node, node_programs[NODE_SYNCD], MSG_MOVE, &q.base, &zkd__move_answer__descriptor);
	if (a == NULL)
		return ZKCTL_NO_ANSWER;
	m->to = (int64_t)a->sid;
	if (a->refused[0] == '\0')
		return ZKCTL_OK;
	return complain(ZKCTL_UNWELL, "%s%s%s: zkctl status shows who could lead",
			target == NULL ? "" : target, target == NULL ? "" : ": ", a->refused);
}

static int
tell(const struct move *m, int64_t leader, uint32_t epoch)
{
	int64_t took_ms = clock_ms() - m->begun_ms;

	if (m->o->json)
		json_print(json_pack("{s:I, s:I, s:I, s:I, s:I}", "from", (json_int_t)m->from, "asked",
				     (json_int_t)m->to, "leader", (json_int_t)leader, "epoch",
				     (json_int_t)epoch, "took_ms", (json_int_t)took_ms));
	else if (leader == m->to)
		printf("Server %" PRId64 " leads now, in epoch %u, and server %" PRId64
		       " follows it; it took %" PRId64 " ms.\n",
		       leader, epoch, m->from, took_ms);
	if (leader == m->to)
		return ZKCTL_OK;
	return complain(ZKCTL_UNWELL,
			"server %" PRId64 " was to lead, but server %" PRId64 " was elected: zkctl election "
			"shows the votes; you may try again",
			m->to, leader);
}

/* Until this server has a part in a later epoch, or the leader has given it up. */
static int
await(struct move *m)
{
	while (clock_ms() - m->begun_ms < m->limit_ms) {
		const Zkd__Status *s = ask_syncd(m);
		const char *serving = node_find_fact(s, "serving"),
			   *given_up = node_find_fact(s, "move_given_up");
		uint32_t epoch = (uint32_t)number_of(s, "epoch");

		if (given_up != NULL)
			return complain(ZKCTL_UNWELL, "server %" PRId64 " leads on: %s", m->from, given_up);
		if (serving != NULL && strcmp(serving, "1") == 0 && epoch > m->epoch &&
		    number_of(s, "leader") >= 0)
			return tell(m, number_of(s, "leader"), epoch);
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	}
	return complain(ZKCTL_UNWELL,
			"no server leads yet after %" PRId64 " ms; zkctl status and zkctl election tell more",
			m->limit_ms);
}

int
command_move_leader(const struct options *o, int argc, char **argv)
{
	struct move m = { .o = o, .limit_ms = o->timeout_ms < 0 ? MOVE_MS : o->timeout_ms };
	const char *target = argc > 0 ? argv[0] : NULL;
	int status;

	if (target != NULL &&
	    (strlen(target) > 3 || target[strspn(target, "0123456789")] != '\0' || atoi(target) >= SID_LIMIT))
		return complain(ZKCTL_USAGE,
				"\"%s\" is no number of a server; allowed: 0..255, as in server.N of zoo.cfg",
				target);
	status = node_open(o, &m.node);
	if (status != ZKCTL_OK)
		return status;
	status = check_role(&m);
	m.begun_ms = clock_ms();
	if (status == ZKCTL_OK)
		status = request(&m, target);
	if (status == ZKCTL_OK)
		status = await(&m);
	node_close(&m.node);
	return status;
}
