/*
 * zkctl rm: deletes znodes; with -r all below them, counted first. Children go before their parents, many at once. What
 * somebody else deletes meanwhile is as good as deleted; what somebody creates meanwhile stays, and is told.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data.h"
#include "json.h"
#include "term.h"
#include "walk.h"

struct victim {
	struct list link;
	char path[];
};

struct removal {
	const struct options *o;
	struct zk *z;
	struct list victims; /* parents before children */
	uint64_t total, asked, done, failed;
	struct progress progress;
	int status; /* of the first failure */
};

static int
count(void *owner, const struct walk_node *n)
{
	struct removal *m = owner;
	size_t len = strlen(n->path) + 1;
	struct victim *v = mem_alloc(sizeof *v + len);

	memcpy(v->path, n->path, len);
	list_append(&m->victims, &v->link);
	progress_step(&m->progress, ++m->total);
	return 0;
}

static void
delete_later(struct removal *m, struct victim *v)
{
	jute_write_delete_request(zk_begin(m->z, ZK_OP_DELETE),
				  &(struct jute_delete_request){ .path = slice_str(v->path), .version = -1 });
	zk_end(m->z, v, ZK_REPEATABLE);
	list_remove(&v->link);
	m->asked++;
}

static void
take_answer(struct removal *m, const struct zk_news *n)
{
	struct victim *v = n->tag;

	if (n->err == ZK_OK || n->err == ZK_NONODE) {
		progress_step(&m->progress, ++m->done);
	} else {
		/* A parent that stays because of its child is no news. */
		if (m->failed++ == 0) {
			progress_end(&m->progress);
			m->status =
			    n->err == ZK_NOTEMPTY
				? complain(ZKCTL_CONFLICT,
					   "%s has children again: somebody creates them meanwhile", v->path)
				: data_fail(m->z, 0, n->err, "delete", v->path);
		}
	}
	mem_free(v);
}

/* Deletes all that was counted. When told to stop it takes the answers that are due, so that it knows how far it went. */
static int
delete_all(struct removal *m)
{
	struct zk_news n;
	int r = 0;

	while (r == 0 && m->asked + m->failed < UINT64_MAX &&
	       (m->z->nflights > 0 || !list_empty(&m->victims))) {
		while (m->failed == 0 && !list_empty(&m->victims) && zk_room(m->z))
			delete_later(m, container_of(m->victims.prev, struct victim, link));
		if (m->z->nflights == 0)
			break;
		r = zk_next(m->z, &n, -1);
		if (r == 0 && n.kind == ZK_NEWS_REPLY)
			take_answer(m, &n);
		if (r == -EINTR) {
			m->z->config.stop = NULL;
			while (m->z->nflights > 0 && zk_next(m->z, &n, 1000) == 0)
				if (n.kind == ZK_NEWS_REPLY)
					take_answer(m, &n);
			m->z->config.stop = data_stopped;
		}
	}
	return r;
}

static int
tell(struct removal *m, const char *path, int r)
{
	progress_end(&m->progress);
	if (m->o->json)
		json_print(json_pack("{s:o, s:I, s:I}", "path", json_text(path), "deleted",
				     (json_int_t)m->done, "counted", (json_int_t)m->total));
	if (r == 0 && m->failed == 0) {
		if (!m->o->json)
			printf("%" PRIu64 " znode%s deleted\n", m->done, m->done == 1 ? "" : "s");
		return ZKCTL_OK;
	}
	if (r < 0 && r != -EINTR)
		data_fail(m->z, r, ZK_OK, "delete", path);
	return complain(r == 0        ? m->status
			: r == -EINTR ? ZKCTL_INTERRUPTED
				      : ZKCTL_UNKNOWN,
			"%s%" PRIu64 " of %" PRIu64 " znodes are deleted, %s itself is still there",
			r == -EINTR ? "interrupted: " : "", m->done, m->total, path);
}

/* Asks before more than one goes. */
static bool
confirm(const struct removal *m, const char *path)
{
	char question[512];

	if (m->total <= 1 || GIVEN(m->o, YES))
		return true;
	snprintf(question, sizeof question, "Delete %s and %" PRIu64 " znode%s below it?", path, m->total - 1,
		 m->total == 2 ? "" : "s");
	return term_confirm(question);
}

static int
remove_tree(const struct options *o, struct zk *z, const char *path)
{
	struct removal m = { .o = o, .z = z, .status = ZKCTL_OK };
	struct walk w = { .visit = count, .owner = &m, .depth_most = -1 };
	int32_t code = ZK_OK;
	int status;

	list_init(&m.victims);
	progress_begin(&m.progress, "counting", 0, !o->json);
	status = data_check(z, walk_tree(z, path, &w, &code), &code, "count", path);
	progress_end(&m.progress);
	if (status == ZKCTL_OK && !confirm(&m, path))
		status = complain(ZKCTL_UNWELL, "nothing is deleted");
	else if (status == ZKCTL_OK) {
		progress_begin(&m.progress, "deleting", m.total, !o->json);
		status = tell(&m, path, delete_all(&m));
	}
	while (!list_empty(&m.victims)) {
		struct victim *v = container_of(m.victims.next, struct victim, link);
		list_remove(&v->link);
		mem_free(v);
	}
	return status;
}

static int
remove_one(const struct options *o, struct zk *z, const char *path)
{
	int32_t code = ZK_OK;
	int status = data_check(z, zk_delete(z, path, o->version, &code), &code, "delete", path);

	if (status == ZKCTL_OK && o->json)
		json_print(json_pack("{s:o, s:i}", "path", json_text(path), "deleted", 1));
	return status;
}

int
command_rm(const struct options *o, int argc, char **argv)
{
	bool all = GIVEN(o, REMOVE);
	struct zk *z;
	int status = ZKCTL_OK;

	if (all && o->version >= 0)
		return complain(
		    ZKCTL_USAGE,
		    "-r and --if-version cannot go together: each znode has a version of its own");
	status = data_open(o, &z);
	if (status != ZKCTL_OK)
		return status;
	for (int i = 0; i < argc && status == ZKCTL_OK; i++) {
		char *path = data_path(o, argv[i]);
		if (path == NULL)
			status = ZKCTL_USAGE;
		else if (strcmp(path, "/") == 0)
			status = complain(ZKCTL_USAGE, "/ cannot be deleted; name what is to go");
		else
			status = all ? remove_tree(o, z, path) : remove_one(o, z, path);
		mem_free(path);
	}
	data_close(o, z);
	return status;
}
