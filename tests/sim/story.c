/* Stories are heard, played and compared. See story.h. */
#include "story.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "node.h"

enum { STORY_SEED = 1, TRACE_MAX = 16 << 20 };

static bool
is_meant(const struct sim *s, const struct scene *c, const struct proc *p)
{
	bool leads;

	if (p == NULL || p->kind != c->kind || p->node == NULL)
		return false;
	leads = node_leads(p->node);
	switch (c->who) {
	case LEADER:
		return leads;
	case LEARNER:
		return !leads;
	case OBSERVER:
		return sim_observes(s, p->node->sid);
	case THE_SAME:
		return p->node == s->story_node;
	default:
		return true;
	}
}

void
story_hear(struct sim *s, struct proc *p, const char *event, const char *text)
{
	const struct scene *c = s->story == NULL ? NULL : &s->story->scenes[s->scene];

	if (c == NULL || s->scene == SCENES_MAX || c->act == NULL || s->now_us < s->scenes_from_us)
		return;
	if (!is_meant(s, c, p) || strncmp(event, c->event, strlen(c->event)) != 0 ||
	    (c->text != NULL && strstr(text, c->text) == NULL))
		return;
	if (++s->said < c->nth)
		return;
	s->said = 0;
	s->scene++;
	s->story_node = p->node;
	sim_line(s, NULL, "scene", "number=%d", s->scene);
	c->act(s, p, c->arg);
}

const char *
story_missed(const struct sim *s)
{
	if (s->story == NULL || s->scene == SCENES_MAX || s->story->scenes[s->scene].act == NULL)
		return NULL;
	return s->story->scenes[s->scene].event;
}

/* Roles, elections, epochs, synchronisation, deaths: not each request and each commit. */
bool
story_keeps(const struct proc *p, const char *event)
{
	static const char *const kept[] = {
		"start",   "dead",   "recovered",         "role",      "epochs",  "zab:", "store:", "dies",
		"install", "out of", "election: elected", "disk call", "gives up"
	};
	static const char *const dropped[] = { "zab: commit",    "zab: clientd ready", "zab: members",
					       "zab: link",      "zab: learner ",      "store: log begun",
					       "store: purged",  "zab: disk",          "zab: peer",
					       "zab: following", "zab: leading" };

	if (p == NULL)
		return strcmp(event, "txn") != 0;
	if (p->kind == PROC_CLIENT)
		return false;
	for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
		if (strncmp(event, dropped[i], strlen(dropped[i])) == 0)
			return false;
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		if (strncmp(event, kept[i], strlen(kept[i])) == 0)
			return true;
	return false;
}

/* ---- Playing ---- */

static bool
play_once(const struct story *story, unsigned variant, bool tracing, struct buf *trace)
{
	struct sim *s = mem_zalloc(1, sizeof *s);
	bool failed;

	s->nvoters = story->nodes;
	s->nobservers = story->observers;
	s->first_zxid = story->first_zxid;
	s->reconfigures = story->reconfigures;
	s->story = story;
	s->variant = variant;
	s->tracing = tracing;
	s->record = trace;
	sim_run(s, STORY_SEED);
	failed = s->failed;
	if (failed)
		printf("story %s, variant %u FAILED at %.6f s: %s\nreplay: zkdsim --story %s --trace\n",
		       story->name, variant, (double)s->now_us / SECOND, s->failure, story->name);
	mem_free(s);
	return !failed;
}

static bool
read_file(const char *path, struct buf *b)
{
	char chunk[4096];
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL)
		return false;
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_put(b, chunk, n);
	fclose(f);
	return true;
}

/* The first line that is another one. */
static void
print_difference(const char *path, struct slice is, struct slice was)
{
	size_t at = 0, line = 1, begin = 0;

	for (; at < is.len && at < was.len && is.data[at] == was.data[at]; at++)
		if (is.data[at] == '\n') {
			line++;
			begin = at + 1;
		}
	printf("%s:%zu differs:\n", path, line);
	printf("  is  %.*s\n", (int)strcspn((const char *)is.data + begin, "\n"),
	       (const char *)is.data + begin);
	printf("  was %.*s\n", (int)strcspn((const char *)was.data + begin, "\n"),
	       (const char *)was.data + begin);
}

static bool
compare(const char *path, struct buf *trace)
{
	struct buf was;
	bool same;

	buf_init(&was, TRACE_MAX);
	if (!read_file(path, &was)) {
		printf("%s: cannot be read; --rewrite records it\n", path);
		buf_free(&was);
		return false;
	}
	same = slice_equal(buf_slice(&was), buf_slice(trace));
	buf_put_u8(trace, 0);
	buf_put_u8(&was, 0);
	if (!same)
		print_difference(path, buf_slice(trace), buf_slice(&was));
	buf_free(&was);
	return same;
}

static bool
record(const char *path, const struct buf *trace)
{
	struct slice b = buf_slice(trace);
	FILE *f = fopen(path, "w");
	bool ok = f != NULL && fwrite(b.data, 1, b.len, f) == b.len;

	if (f == NULL || fclose(f) != 0 || !ok) {
		printf("%s: cannot be written\n", path);
		return false;
	}
	return true;
}

bool
story_play(const struct story *story, const char *folder, bool rewrite, bool tracing)
{
	unsigned variants = story->variants == 0 ? 1 : story->variants;
	char path[512];
	struct buf trace;
	bool ok = true;

	buf_init(&trace, TRACE_MAX);
	for (unsigned v = 1; v <= variants && ok; v++)
		ok = play_once(story, v, tracing, &trace);
	snprintf(path, sizeof path, "%s/%s.trace", folder, story->name);
	if (ok)
		ok = rewrite ? record(path, &trace) : compare(path, &trace);
	buf_free(&trace);
	printf("story %-32s %s\n", story->name, ok ? "held" : "FAILED");
	return ok;
}
