/* Whether a node is well, judged by what its programs say; `status` tells it, `wait ready` waits for it. */
#ifndef ZKCTL_HEALTH_H
#define ZKCTL_HEALTH_H

#include "node.h"

enum { HEALTH_PROBLEMS_MAX = 24, HEALTH_PROBLEM_BYTES = 200 };

struct health {
	char problems[HEALTH_PROBLEMS_MAX][HEALTH_PROBLEM_BYTES]; /* one sentence each, without a full stop */
	size_t nproblems;
	size_t answered; /* programs that did */
	bool serves; /* all that is needed to serve is there; a node that serves may still have problems */
	bool split;  /* no zkd: each daemon is a unit of its own */
};

void health_judge(const struct node_status *s, struct health *h);

#endif
