/* See watches.h. Invariant: each is held once for its path and what it is on. */
#include "watches.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "client.h"
#include "jute/op.h"
#include "model.h"

static bool
stands(const struct watch_held *w)
{
	return w->on >= WATCH_STANDS;
}

/* Each is told of all, each once. */
static void
check_standing(struct client *c, struct watch_held *w, uint64_t zxid)
{
	unsigned n = model_events(c->proc.sim->model, w->path, w->on == WATCH_STANDS_BELOW, w->zxid, zxid);

	if (n != w->told)
		sim_fail(c->proc.sim,
			 "%s: a reply at 0x%" PRIx64
			 " comes behind %u events of the watch on %s%s, which had %u "
			 "since 0x%" PRIx64,
			 c->proc.name, zxid, w->told, w->path,
			 w->on == WATCH_STANDS_BELOW ? " and all below it" : "", n, w->zxid);
	if (zxid > w->zxid)
		w->zxid = zxid;
	w->told = 0;
}

/* While setWatches is not answered nothing else is, and its own rules hold. */
void
watches_check(struct client *c, uint64_t zxid)
{
	for (int i = 0; i < c->nwatches && !c->restoring; i++) {
		struct watch_held *w = &c->watches[i];
		bool children = w->on == WATCH_ON_CHILDREN;
		uint64_t due;

		if (stands(w)) {
			check_standing(c, w, zxid);
			continue;
		}
		due = model_change(c->proc.sim->model, w->path, children, w->zxid);
		if (due <= zxid)
			sim_fail(c->proc.sim,
				 "%s: a reply at 0x%" PRIx64 " comes before the event of %s at 0x%" PRIx64
				 " (watch on %s, set at 0x%" PRIx64 ")",
				 c->proc.name, zxid, w->path, due, children ? "children" : "data", w->zxid);
	}
}

void
watches_add(struct client *c, const char *path, enum watch_on on, uint64_t zxid)
{
	for (int i = 0; i < c->nwatches; i++)
		if (c->watches[i].on == on && strcmp(c->watches[i].path, path) == 0)
			return;
	if (c->nwatches == WATCHES_MAX)
		return;
	c->watches[c->nwatches] = (struct watch_held){ .on = on, .zxid = zxid };
	snprintf(c->watches[c->nwatches++].path, ASK_PATH, "%s", path);
}

/* Takes the watches away that the event is for; of setWatches each one has an event of its own. */
static bool
take(struct client *c, const char *path, int32_t type)
{
	bool known = false;

	for (int i = 0; i < c->nwatches && !(known && c->restoring); i++) {
		struct watch_held *w = &c->watches[i];
		bool children = w->on == WATCH_ON_CHILDREN;

		if (stands(w) || strcmp(w->path, path) != 0 ||
		    (children != (type == ZK_EVENT_CHILDREN_CHANGED) && type != ZK_EVENT_DELETED))
			continue;
		if (model_change(c->proc.sim->model, path, children, w->zxid) == NEVER)
			sim_fail(c->proc.sim, "%s: an event of type %d on %s, but nothing has changed",
				 c->proc.name, type, path);
		known = true;
		c->watches[i--] = c->watches[--c->nwatches];
	}
	return known;
}

/* Those that stand and are to hear of it; of setWatches they are told nothing. */
static bool
tell_standing(struct client *c, const char *path, int32_t type)
{
	bool known = false;

	for (int i = 0; i < c->nwatches && !c->restoring; i++) {
		struct watch_held *w = &c->watches[i];
		size_t len = strcmp(w->path, "/") == 0 ? 0 : strlen(w->path);
		bool below = w->on == WATCH_STANDS_BELOW && type != ZK_EVENT_CHILDREN_CHANGED &&
			     strncmp(path, w->path, len) == 0 && (path[len] == '/' || path[len] == '\0');

		if (below || (w->on == WATCH_STANDS && strcmp(path, w->path) == 0)) {
			w->told++;
			known = true;
		}
	}
	return known;
}

void
watches_hear(struct client *c, const struct jute_watcher_event *e, uint64_t zxid)
{
	bool known;

	char path[ASK_PATH];

	if (e->path.len >= sizeof path) {
		sim_fail(c->proc.sim, "%s: an event of a path that nobody has", c->proc.name);
		return;
	}
	memcpy(path, e->path.data, e->path.len);
	path[e->path.len] = '\0';
	sim_trace(c->proc.sim, &c->proc, "event", "type=%d path=%s", e->type, path);
	if (zxid != UINT64_MAX && !model_happened(c->proc.sim->model, path, e->type, zxid))
		sim_fail(c->proc.sim, "%s: an event of type %d on %s at 0x%" PRIx64 ", which never was",
			 c->proc.name, e->type, path, zxid);
	known = take(c, path, e->type);
	if (!(tell_standing(c, path, e->type) || known))
		sim_fail(c->proc.sim, "%s: an event of type %d on %s, which is not watched", c->proc.name,
			 e->type, path);
}

/* ---- setWatches ---- */

static void
put_paths(const struct client *c, struct buf *b, enum watch_on on)
{
	uint32_t n = 0;

	for (int i = 0; i < c->nwatches; i++)
		n += c->watches[i].on == on;
	buf_put_be32(b, n);
	for (int i = 0; i < c->nwatches; i++)
		if (c->watches[i].on == on)
			jute_write_string(b, slice_str(c->watches[i].path));
}

void
watches_put(const struct client *c, struct buf *b)
{
	buf_put_be64(b, c->last_zxid);
	put_paths(c, b, WATCH_ON_DATA);
	put_paths(c, b, WATCH_ON_CREATION);
	put_paths(c, b, WATCH_ON_CHILDREN);
	put_paths(c, b, WATCH_STANDS);
	put_paths(c, b, WATCH_STANDS_BELOW);
}

/* ZooKeeper: DataTree.setWatches. */
static bool
was_due(const struct watch_held *w, const struct znode_state *s, uint64_t since)
{
	switch (w->on) {
	case WATCH_ON_DATA:
		return s == NULL || s->mzxid > since;
	case WATCH_ON_CREATION:
		return s != NULL;
	default:
		return s == NULL || s->pzxid > since;
	}
}

void
watches_restored(struct client *c, uint64_t zxid)
{
	struct model *m = c->proc.sim->model;

	if (!c->restoring || zxid < c->last_zxid)
		sim_fail(c->proc.sim, "%s: setWatches is answered at 0x%" PRIx64 " behind 0x%" PRIx64,
			 c->proc.name, zxid, c->last_zxid);
	c->restoring = false;
	for (int i = 0; i < c->nwatches; i++) {
		struct watch_held *w = &c->watches[i];

		if (!stands(w) && was_due(w, model_at(model_find(m, w->path), zxid), c->last_zxid))
			sim_fail(c->proc.sim,
				 "%s: setWatches at 0x%" PRIx64
				 " tells nothing of %s, which has changed since 0x%" PRIx64,
				 c->proc.name, zxid, w->path, c->last_zxid);
		w->zxid = zxid;
		w->told = 0;
	}
	c->last_zxid = zxid;
}
