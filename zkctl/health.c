/* See health.h. A fact that a daemon does not give is no problem: daemons of later versions may say less. */
#include "health.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 2, 3))) add(struct health *h, const char *format, ...)
{
	va_list ap;

	if (h->nproblems == HEALTH_PROBLEMS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(h->problems[h->nproblems++], HEALTH_PROBLEM_BYTES, format, ap);
	va_end(ap);
}

static bool
is_no(const char *value)
{
	return strcmp(value, "0") == 0 || strcmp(value, "no") == 0;
}

static bool
is_sound_disk(const char *value)
{
	return strcmp(value, "ok") == 0 || strcmp(value, "works") == 0;
}

static void
judge_facts(struct health *h, const char *program, const Zkd__Status *s)
{
	const char *serving = node_find_fact(s, "serving"), *disk = node_find_fact(s, "disk");
	const char *mismatches = node_find_fact(s, "digest_mismatches");

	if (serving != NULL && is_no(serving)) {
		add(h, "%s does not serve: %s", program, s->text);
		h->serves = false;
	}
	if (disk != NULL && strcmp(disk, "failed") == 0)
		add(h, "%s says that the disk failed", program);
	else if (disk != NULL && !is_sound_disk(disk))
		add(h, "%s says that the disk failed: %s", program, disk);
	if (mismatches != NULL && !is_no(mismatches))
		add(h, "%s counts digest mismatches: %s", program, mismatches);
}

static void
judge_daemon(struct health *h, const Zkd__Status *zkd, const struct question *q)
{
	const Zkd__DaemonStatus *d = node_find_daemon(zkd, q->daemon);

	if (q->answer == NULL)
		add(h, "%s %s", q->daemon, ask_error_text(q->error));
	else if (d != NULL && !d->ready)
		add(h, "%s is not ready: %s", q->daemon, d->text);
	/* Clients do without admind. */
	if ((q->answer == NULL || (d != NULL && !d->ready)) &&
	    strcmp(q->daemon, node_programs[NODE_ADMIND]) != 0)
		h->serves = false;
	judge_facts(h, q->daemon, q->answer);
}

void
health_judge(const struct node_status *s, struct health *h)
{
	const struct question *zkd = &s->all[NODE_ZKD];

	*h = (struct health){ .serves = true };
	for (int i = 0; i < NODE_PROGRAMS; i++)
		h->answered += s->all[i].answer != NULL;
	/* Started as units of their own the daemons have no zkd, and nothing is wrong with that. */
	h->split = zkd->answer == NULL && zkd->error == -ENOENT && h->answered > 0;
	if (zkd->answer == NULL && !h->split) {
		add(h, "zkd %s", ask_error_text(zkd->error));
		h->serves = false;
	}
	for (int i = NODE_ELECTIOND; i < NODE_PROGRAMS; i++)
		if (node_has(s, i))
			judge_daemon(h, zkd->answer, &s->all[i]);
}
