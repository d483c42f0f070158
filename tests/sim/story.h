/*
 * Stories: fixed courses of events. A story is a seed of the ordinary world with few requests and no chance faults; instead
 * its scenes happen one after the other, each as soon as a process says what the scene waits for. Every check of a seed
 * holds for a story too, and what the daemons decide in it is compared with the trace recorded in stories/NAME.trace.
 */
#ifndef SIM_STORY_H
#define SIM_STORY_H

#include "sim.h"

enum { SCENES_MAX = 8 };

/* Of whom a scene speaks. */
enum story_who { ANYBODY, LEADER, LEARNER, OBSERVER, THE_SAME /* node as in the scene before */ };

struct scene {
	enum story_who who;
	enum proc_kind kind;
	const char *event; /* beginning of the trace's event, */
	const char *text;  /* and what its text has in it, or NULL */
	unsigned nth;      /* time that it is said; 0 and 1: the first */
	void (*act)(struct sim *s, struct proc *p, uint64_t arg);
	uint64_t arg;
};

struct story {
	const char *name, *what;
	int nodes;
	unsigned variants; /* runs, numbered from 1; in each s->variant says which; 0: one */
	struct scene scenes[SCENES_MAX];
	int observers; /* with the nodes */
	uint64_t first_zxid;
	bool reconfigures;
};

/* NULL behind the last. */
const struct story *story_nth(size_t i);
const struct story *story_find(const char *name);

/* A line was said. Called whatever is printed. */
void story_hear(struct sim *s, struct proc *p, const char *event, const char *text);
/* Whether the line belongs into the recorded trace. */
bool story_keeps(const struct proc *p, const char *event);
/* Why the story did not happen as it is written, or NULL. */
const char *story_missed(const struct sim *s);

/*
 * Runs it and compares, or records, the trace in folder. True: it held. Output: one line, and where the trace differs.
 */
bool story_play(const struct story *story, const char *folder, bool rewrite, bool tracing);

#endif
