/* The stories. README.md says which lessons they tell. */
#include <string.h>

#include "node.h"
#include "story.h"

/* ---- What happens in scenes ---- */

/* The process that spoke dies before anything else of this turn leaves. */
static void
it_dies(struct sim *s, struct proc *p, uint64_t arg)
{
	(void)s;
	(void)arg;
	p->dying = true;
}

static void
kill_it(struct sim *s, void *who, uint64_t tag)
{
	(void)s;
	(void)tag;
	proc_kill(who);
}

/* Its sibling dies: as an event of its own, for the process that spoke is in the middle of its turn. */
static void
sibling_dies(struct sim *s, struct proc *p, uint64_t kind)
{
	for (int i = 0; i < p->node->nprocs; i++)
		if (p->node->procs[i]->kind == (enum proc_kind)kind)
			sim_at(s, s->now_us, kill_it, p->node->procs[i], 0);
}

/* Its sibling dies at the message with the variant's number. */
static void
sibling_dies_at_message(struct sim *s, struct proc *p, uint64_t kind)
{
	for (int i = 0; i < p->node->nprocs; i++)
		if (p->node->procs[i]->kind == (enum proc_kind)kind)
			p->node->procs[i]->sends_left = s->variant;
}

/* Who next calls the disk of its node dies at the call with the variant's number; with power, the machine does. */
static void
dies_at_disk_call(struct sim *s, struct proc *p, uint64_t power)
{
	p->node->disk.crash_in = s->variant;
	p->node->disk.power_follows = power != 0;
}

static void
sync_fails(struct sim *s, struct proc *p, uint64_t times)
{
	(void)s;
	p->node->disk.fail_syncs = (unsigned)times;
}

static void
has_room(struct sim *s, void *who, uint64_t tag)
{
	(void)s;
	(void)tag;
	((struct sim_disk *)who)->full = false;
}

static void
disk_is_full(struct sim *s, struct proc *p, uint64_t seconds)
{
	p->node->disk.full = true;
	sim_at(s, s->now_us + seconds * SECOND, has_room, &p->node->disk, 0);
}

static void
lose_power_of(struct sim *s, void *who, uint64_t tag)
{
	(void)s;
	(void)tag;
	faults_lose_power(who);
}

static void
power_goes(struct sim *s, struct proc *p, uint64_t arg)
{
	(void)arg;
	sim_at(s, s->now_us, lose_power_of, p->node, 0);
}

/* Who votes from now on. */
static void
members_change(struct sim *s, struct proc *p, uint64_t voters)
{
	(void)s;
	node_reconfigure(p->node, (unsigned)voters);
}

/* Only in the second variant. */
static void
power_goes_sometimes(struct sim *s, struct proc *p, uint64_t arg)
{
	if (s->variant == 2)
		power_goes(s, p, arg);
}

static void
nothing_happens(struct sim *s, struct proc *p, uint64_t arg)
{
	(void)s;
	(void)p;
	(void)arg;
}

static void
all_power_goes(struct sim *s, struct proc *p, uint64_t arg)
{
	(void)p;
	(void)arg;
	for (int i = 0; i < s->nnodes; i++)
		sim_at(s, s->now_us, lose_power_of, s->nodes[i], 0);
}

static void
is_cut_off(struct sim *s, struct proc *p, uint64_t seconds)
{
	faults_partition(s, 1u << p->node->sid, false, seconds * SECOND);
}

/* ---- All of them ---- */

#define COMMITS(who, nth) who, PROC_SYNCD, "zab: commit", NULL, nth

static const struct story stories[] = {
	{ "clientd-dies-and-reloads",
	  "clientd of a server that stands alone dies, and again when it is back",
	  1,
	  0,
	  { { COMMITS(ANYBODY, 3), sibling_dies, PROC_CLIENTD },
	    { THE_SAME, PROC_CLIENTD, "front: serving", NULL, 1, it_dies, 0 } } },
	{ "leaders-clientd-dies-between-messages",
	  "the leader's clientd dies at every boundary between two messages",
	  3,
	  12,
	  { { COMMITS(LEADER, 5), sibling_dies_at_message, PROC_CLIENTD } } },
	{ "leaders-syncd-dies-between-messages",
	  "the leader's syncd dies at every boundary between two messages",
	  3,
	  12,
	  { { COMMITS(LEADER, 5), sibling_dies_at_message, PROC_SYNCD } } },
	{ "leaders-logd-dies-at-disk-calls",
	  "the leader's logd dies before each call of the disk: between write, sync and answer",
	  3,
	  8,
	  { { COMMITS(LEADER, 5), dies_at_disk_call, 0 } } },
	{ "learners-logd-dies-at-disk-calls",
	  "the same at a learner, with its power",
	  3,
	  8,
	  { { COMMITS(LEARNER, 5), dies_at_disk_call, 1 } } },
	{ "leaders-sync-fails",
	  "an fsync of the leader's log fails: it must not go on leading as if nothing had been",
	  3,
	  0,
	  { { COMMITS(LEADER, 5), sync_fails, 1 } } },
	{ "learners-sync-fails",
	  "an fsync of a learner's log fails, and the next",
	  3,
	  0,
	  { { COMMITS(LEARNER, 5), sync_fails, 2 } } },
	{ "leaders-disk-is-full",
	  "the leader's disk is full for six seconds",
	  3,
	  0,
	  { { COMMITS(LEADER, 5), disk_is_full, 6 } } },
	{ "epoch-files-at-disk-calls",
	  "the leader dies; who stores the next epoch first loses its power at each call of the disk",
	  3,
	  14,
	  { { COMMITS(LEADER, 5), sibling_dies, PROC_ELECTIOND },
	    { COMMITS(LEADER, 2), it_dies, 0 },
	    { ANYBODY, PROC_SYNCD, "zab: store epochs", NULL, 1, dies_at_disk_call, 1 } } },
	{ "current-epoch-at-disk-calls",
	  "the same where a learner stores the current epoch, before its ack of NEWLEADER",
	  3,
	  14,
	  { { COMMITS(LEADER, 5), it_dies, 0 },
	    { LEARNER, PROC_SYNCD, "zab: store epochs", "current=2", 1, dies_at_disk_call, 1 } } },
	{ "leader-dies-after-newleader",
	  "a leader loses its power when it has sent NEWLEADER to the first",
	  3,
	  0,
	  { { COMMITS(LEADER, 5), it_dies, 0 },
	    { ANYBODY, PROC_SYNCD, "zab: newleader sent", NULL, 1, power_goes, 0 } } },
	{ "syncd-reborn-in-sync",
	  "a learner's syncd dies while it is brought up to date, and when it has acked NEWLEADER",
	  3,
	  0,
	  { { COMMITS(LEARNER, 5), power_goes, 0 },
	    { THE_SAME, PROC_SYNCD, "zab: store epochs", NULL, 1, it_dies, 0 },
	    { THE_SAME, PROC_SYNCD, "zab: ack newleader", NULL, 1, it_dies, 0 } } },
	{ "snap-at-disk-calls",
	  "a learner loses its power at each call of the disk while the leader's snapshot comes",
	  3,
	  24,
	  { { COMMITS(LEARNER, 5), power_goes, 0 },
	    { THE_SAME, PROC_SYNCD, "zab: install", NULL, 1, dies_at_disk_call, 1 } } },
	{ "snap-helper-dies",
	  "the helper that takes the leader's snapshot in dies, then logd when it is installed",
	  3,
	  0,
	  { { COMMITS(LEARNER, 5), power_goes, 0 },
	    { THE_SAME, PROC_SYNCD, "zab: install", NULL, 1, sibling_dies, PROC_HELPER },
	    { THE_SAME, PROC_HELPER, "install ended", NULL, 1, sibling_dies, PROC_LOGD } } },
	{ "leader-cut-off-alone",
	  "the leader proposes to nobody, while the others elect another: what it alone has must go",
	  3,
	  0,
	  { { COMMITS(LEADER, 5), is_cut_off, 12 } } },
	{ "two-leaders-cut-off",
	  "the leader is cut off, and so is the next",
	  5,
	  0,
	  { { COMMITS(LEADER, 5), is_cut_off, 20 },
	    { ANYBODY, PROC_SYNCD, "zab: leading", NULL, 1, is_cut_off, 12 } } },
	{ "all-lose-power",
	  "all servers lose their power: what was committed comes from the disks",
	  3,
	  0,
	  { { COMMITS(LEADER, 5), all_power_goes, 0 } } },
	{ "electiond-dies",
	  "electiond of the leader and of a learner dies: nobody gives up its role",
	  3,
	  0,
	  { { COMMITS(LEADER, 5), sibling_dies, PROC_ELECTIOND },
	    { COMMITS(LEARNER, 5), sibling_dies, PROC_ELECTIOND } } },
	{ "all-lose-power-over-a-reconfiguration",
	  "all lose their power when the first learner has a reconfig txn on its disk: both quorums count "
	  "till it is committed",
	  3,
	  0,
	  { { COMMITS(LEADER, 5), members_change, 0x3e },
	    { LEADER, PROC_SYNCD, "reconfigures", NULL, 1, nothing_happens, 0 },
	    { ANYBODY, PROC_LOGD, "durable", "0x100000043", 2, all_power_goes, 0 },
	    { ANYBODY, PROC_SYNCD, "zab: leading", "epoch=2", 1, nothing_happens, 0 } },
	  2,
	  0,
	  true },
	{ "zxids-run-out",
	  "the zxids of the epoch are used up: the leader gives up, and the next epoch begins; then it loses "
	  "its power too",
	  3,
	  2,
	  { { LEADER, PROC_SYNCD, "zab: looking", "no zxid left", 1, power_goes_sometimes, 0 },
	    { ANYBODY, PROC_SYNCD, "zab: leading", "epoch=2", 1, nothing_happens, 0 },
	    { COMMITS(LEARNER, 5), nothing_happens, 0 } },
	  0,
	  (UINT64_C(2) << 32) - 100 },
	{ "observer-finds-the-next-leader",
	  "the leader dies, then the observer's syncd while the next one synchronises it, and its clientd",
	  3,
	  0,
	  { { COMMITS(LEADER, 5), it_dies, 0 },
	    { OBSERVER, PROC_SYNCD, "zab: store epochs", "current=2", 1, it_dies, 0 },
	    { COMMITS(OBSERVER, 5), sibling_dies, PROC_CLIENTD } },
	  1 },
};

const struct story *
story_nth(size_t i)
{
	return i < sizeof stories / sizeof *stories ? &stories[i] : NULL;
}

const struct story *
story_find(const char *name)
{
	for (size_t i = 0; i < sizeof stories / sizeof *stories; i++)
		if (strcmp(stories[i].name, name) == 0)
			return &stories[i];
	return NULL;
}
