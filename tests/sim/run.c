/* One seed from its beginning to its end: faults and requests, then healing, then silence and the last checks. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "born.h"
#include "client.h"
#include "model.h"
#include "node.h"
#include "story.h"

enum {
	CLIENTS = 8,
	STORY_CLIENTS = 2,
	STORY_FROM_US = 5 * SECOND, /* by then the ensemble has begun to serve */
	STORY_US = 30 * SECOND,
	FAULTS_US = 40 * SECOND, /* and up to half as long again */
	HEAL_US = 10 * SECOND,
	QUIET_US = 22 * SECOND, /* more than the longest session timeout and what expiry adds */
};

static struct rng
stream(uint64_t seed, uint64_t number)
{
	struct rng r = { seed * UINT64_C(0x2545f4914f6cdd1d) + number };

	rng_next(&r);
	return r;
}

/*
 * In one seed of four of three voters an observer is with them, in one of sixteen two; in one of eight of five. Any sid may
 * be an observer's.
 */
static void
add_observers(struct sim *s)
{
	uint64_t kind = s->seed % 16;
	unsigned voters = 0;

	s->reconfigures |=
	    s->story == NULL && s->nvoters == 3 && s->nobservers == BY_SEED &&
	    (kind % 8 == 5 || s->mutation == MUTATE_PENDING_IGNORED || s->mutation == MUTATE_FORGET_MEMBERS);
	if (s->reconfigures)
		s->nobservers = 2;
	if (s->nobservers == BY_SEED && s->nvoters == 3)
		s->nobservers = kind == 7 ? 2 : kind % 4 == 1 || s->mutation == MUTATE_OBSERVER_ACKS;
	else if (s->nobservers == BY_SEED)
		s->nobservers = s->nvoters == 5 && kind % 8 == 1;
	s->nnodes = s->nvoters + s->nobservers;
	for (int i = 0; i < s->nobservers; i++)
		s->observers |= 1u << (1 + (s->seed / 16 + 2 * (uint64_t)i) % (uint64_t)s->nnodes);
	for (int sid = 1; sid <= s->nnodes; sid++)
		voters |= sim_observes(s, sid) ? 0 : 1u << sid;
	node_put_members(s, voters, 0, s->members);
}

/* In one seed of eight the zxids of the first epoch run out in the first seconds. */
static void
draw_first_zxid(struct sim *s)
{
	if (s->story == NULL && s->seed % 8 == 3 &&
	    (s->mutation == MUTATE_NOTHING || s->mutation == MUTATE_NO_ROLLOVER))
		s->first_zxid = (UINT64_C(2) << 32) - rng_range(&s->load, 20, 300);
}

static void
begin(struct sim *s)
{
	add_observers(s);
	s->net = stream(s->seed, 1);
	s->disk = stream(s->seed, 2);
	s->faults = stream(s->seed, 3);
	s->load = stream(s->seed, 4);
	s->mutate = stream(s->seed, 5);
	list_init(&s->net_conns);
	draw_first_zxid(s);
	s->model = model_new(s);
	for (int i = 0; i < s->nnodes; i++) {
		s->nodes[i] = node_new(s, i + 1);
		if (s->first_zxid != 0)
			born_with(s->nodes[i], s->first_zxid);
	}
	/* Now and then little is asked: a leader that is deposed is alone with its last txns. */
	s->think = s->nnodes > 1 && rng_once_in(&s->load, 4) ? 10 : 1;
	s->scenes_from_us = STORY_FROM_US;
	s->nclients = s->story != NULL ? STORY_CLIENTS : CLIENTS;
	for (int i = 0; i < s->nclients; i++)
		s->clients[i] = client_new(s, i + 1);
	for (int i = 0; i < s->nclients; i++)
		proc_start(&s->clients[i]->proc);
	faults_begin(s);
}

static void
run_until(struct sim *s, uint64_t end_us)
{
	while (s->nheap > 0 && s->heap[0].at_us < end_us && !s->failed)
		sim_next(s);
	if (!s->failed)
		s->now_us = end_us;
}

/* Every request has its answer, every client a session, the tree is what the model says. */
static void
check_end(struct sim *s)
{
	for (int i = 0; i < s->nclients; i++) {
		const struct client *c = s->clients[i];

		if (!c->connected)
			sim_fail(s, "%s is not connected, %d s after the last fault", c->proc.name,
				 (HEAL_US + QUIET_US) / SECOND);
		if (c->answered < c->nasks)
			sim_fail(s, "%s waits for the answer to request %d", c->proc.name, c->answered + 1);
	}
	for (int i = 0; i < s->nnodes; i++) {
		if (!node_serves(s->nodes[i])) {
			sim_fail(s, "n%d does not serve after the last fault", i + 1);
			continue;
		}
		model_compare(s->model, s->nodes[i]);
		model_check_members(s->model, s->nodes[i]);
	}
	model_check_sessions(s->model);
}

static void
end(struct sim *s)
{
	/* Nothing may be judged any more. */
	s->failed = true;
	for (int i = 0; i < s->nclients; i++)
		client_free(s->clients[i]);
	for (int i = 0; i < s->nnodes; i++)
		node_free(s->nodes[i]);
	model_free(s->model);
	mem_free(s->heap);
	mem_free(s->channels);
}

void
sim_run(struct sim *s, uint64_t seed)
{
	uint64_t faults_us;
	bool failed;

	s->seed = seed;
	begin(s);
	faults_us = FAULTS_US + rng_below(&s->faults, FAULTS_US / 2);
	if (s->story != NULL)
		faults_us = STORY_US;
	run_until(s, faults_us);
	if (!s->failed)
		faults_heal(s);
	run_until(s, faults_us + HEAL_US);
	s->quiet = true;
	for (int i = 0; i < s->nclients; i++)
		s->clients[i]->calm = s->clients[i]->connected;
	run_until(s, faults_us + HEAL_US + QUIET_US);
	if (!s->failed)
		check_end(s);
	if (!s->failed && story_missed(s) != NULL)
		sim_fail(s, "scene %d never came: nobody said \"%s\"", s->scene + 1, story_missed(s));
	failed = s->failed;
	end(s);
	s->failed = failed;
}
