/* The stories. README.md says which lesson each one tells. */
#include "node.h"
#include "story.h"

#include <string.h>

/* ---- What happens in scenes ---- */

/* The process that spoke dies before anything else of this turn leaves. */
static void
it_dies(struct sim *s, struct proc *p, uint64_t arg)
{
	(void)s;
	(void)arg;
	p->dying = true;
}

/* Its sibling of that kind dies. */
static void
sibling_dies(struct sim *s, struct proc *p, uint64_t arg)
{
	(void)s;
	proc_kill(p->node->procs[arg]);
}

/* ---- All of them ---- */

static const struct story stories[] = {
	{ "clientd-dies-and-reloads",
	  "clientd of a server that stands alone dies when it is asked for something",
	  1,
	  0,
	  { { ANYBODY, PROC_SYNCD, "zab: commit", NULL, 3, sibling_dies, 3 },
	    { THE_SAME, PROC_CLIENTD, "front: serving", NULL, 1, it_dies, 0 } } },
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
