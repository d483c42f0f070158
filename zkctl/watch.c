/* zkctl watch: persistent watches, one line for each event, until interrupted. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "data.h"
#include "facts.h"
#include "json.h"
#include "term.h"

struct watcher {
	const struct options *o;
	struct zk *z;
	char **paths;
	int npaths;
	int64_t seen;
};

static const char *
event_text(int32_t type)
{
	static const char *const texts[] = {
		[ZK_EVENT_CREATED] = "created",
		[ZK_EVENT_DELETED] = "deleted",
		[ZK_EVENT_DATA_CHANGED] = "changed",
		[ZK_EVENT_CHILDREN_CHANGED] = "children",
	};

	return type < 1 || type > ZK_EVENT_CHILDREN_CHANGED ? "unknown" : texts[type];
}

static void
print_event(const struct watcher *w, const struct zk_news *n)
{
	const char *what = event_text(n->event.type);
	struct timespec now;
	char when[48];
	struct buf path;

	clock_gettime(CLOCK_REALTIME, &now);
	facts_iso_time((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, when, sizeof when);
	if (w->o->json) {
		json_t *v = json_pack("{s:s, s:s, s:o}", "time", when, "event", what, "path",
				      facts_json_string(n->event.path));
		/* Servers before 3.9 do not tell which transaction it was. */
		if ((int64_t)n->zxid > 0)
			json_object_set_new(v, "zxid", facts_json_hex(n->zxid));
		json_print(v);
	} else {
		buf_init(&path, SIZE_MAX / 4);
		facts_escape(&path, n->event.path, true);
		printf("%s%s%s  %-8s  %.*s\n", term_style(TERM_DIM), when, term_style(TERM_PLAIN), what,
		       (int)buf_len(&path), (const char *)buf_head(&path));
		buf_free(&path);
	}
	fflush(stdout);
}

static void
set_watches(struct watcher *w)
{
	enum zk_add_watch mode =
	    GIVEN(w->o, RECURSIVE) ? ZK_ADD_WATCH_PERSISTENT_RECURSIVE : ZK_ADD_WATCH_PERSISTENT;

	for (int i = 0; i < w->npaths; i++) {
		struct jute_add_watch_request q = { .path = slice_str(w->paths[i]), .mode = (int32_t)mode };
		jute_write_add_watch_request(zk_begin(w->z, ZK_OP_ADD_WATCH), &q);
		zk_end(w->z, w->paths[i], ZK_REPEATABLE);
	}
}

/* 0 to go on, else the exit status + 1. */
static int
take(struct watcher *w, const struct zk_news *n)
{
	switch (n->kind) {
	case ZK_NEWS_REPLY:
		return n->err == ZK_OK ? 0 : 1 + data_fail(w->z, 0, n->err, "watch", n->tag);
	case ZK_NEWS_EVENT:
		print_event(w, n);
		return ++w->seen == w->o->events ? 1 + ZKCTL_OK : 0;
	case ZK_NEWS_RECONNECTED:
	case ZK_NEWS_NEW_SESSION:
		complain(0, "connected again, to %s:%s: what happened in between is not known",
			 w->z->server->host, w->z->server->port);
		set_watches(w);
		return 0;
	}
	return 0;
}

static int
follow(struct watcher *w)
{
	int64_t end_ms = w->o->timeout_ms < 0 ? -1 : clock_ms() + w->o->timeout_ms;
	int status = 0, r = 0;
	struct zk_news n;

	set_watches(w);
	while (status == 0 && r == 0) {
		int64_t left_ms = end_ms < 0 ? -1 : end_ms - clock_ms();
		if (end_ms >= 0 && left_ms <= 0)
			return ZKCTL_OK;
		r = zk_next(w->z, &n, left_ms);
		if (r == 0)
			status = take(w, &n);
	}
	if (r == -ETIMEDOUT || r == -EINTR)
		return ZKCTL_OK; /* it watched as long as it was to */
	return r < 0 ? data_fail(w->z, r, ZK_OK, "go on watching", NULL) : status - 1;
}

int
command_watch(const struct options *o, int argc, char **argv)
{
	struct watcher w = { .o = o, .paths = mem_zalloc((size_t)argc, sizeof *w.paths), .npaths = argc };
	int status = ZKCTL_OK;

	for (int i = 0; i < argc && status == ZKCTL_OK; i++) {
		w.paths[i] = data_path(o, argv[i]);
		status = w.paths[i] == NULL ? ZKCTL_USAGE : ZKCTL_OK;
	}
	if (status == ZKCTL_OK && (status = data_open(o, &w.z)) == ZKCTL_OK) {
		status = follow(&w);
		if (o->zk != NULL)
			zk_reset(w.z); /* the watches go with the connection */
		data_close(o, w.z);
	}
	for (int i = 0; i < argc; i++)
		mem_free(w.paths[i]);
	mem_free(w.paths);
	return status;
}
