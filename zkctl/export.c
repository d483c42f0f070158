/*
 * zkctl export: a subtree as lines of JSON (export.h), from a server or from a snapshot file. The client protocol does
 * not tell that a znode is a container or has a time to live; a snapshot does.
 */
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "data.h"
#include "facts.h"
#include "json.h"
#include "jute/path.h"
#include "snapshot.h"
#include "term.h"
#include "walk.h"

struct export
{
	FILE *out;
	uint64_t nodes, hidden, unreadable;
	struct progress progress;
	int error; /* of writing */
};

static void
put_line(struct export *x, json_t *v)
{
	if (json_dumpf(v, x->out, JSON_COMPACT) != 0 || fputc('\n', x->out) == EOF)
		x->error = errno == 0 ? EIO : errno;
	json_decref(v);
}

static void
put_head(struct export *x, const char *root, const char *source)
{
	put_line(x, json_pack("{s:i, s:o, s:s}", "zkctl_export", EXPORT_FORM, "root", json_text(root),
			      "source", source));
}

static json_t *
node_json(struct slice path, struct slice data)
{
	json_t *v = json_object(), *text = NULL;

	json_object_set_new(v, "path", facts_json_string(path));
	if (data.data != NULL)
		text = json_stringn((const char *)data.data, data.len);
	if (text != NULL)
		json_object_set_new(v, "data", text);
	else if (data.data != NULL)
		json_object_set_new(v, "data_base64", facts_json_base64(data));
	return v;
}

/* Servers show "user:x" to whoever may not administer the znode. */
static bool
is_hidden(const struct jute_acl_vec *acl)
{
	for (int32_t i = 0; i < acl->n; i++) {
		struct slice id = acl->v[i].id.id;
		if (slice_equal(acl->v[i].id.scheme, SLICE_LIT("digest")) && id.len >= 2 &&
		    memcmp(id.data + id.len - 2, ":x", 2) == 0)
			return true;
	}
	return false;
}

/* ---- From a server ---- */

static int
visit(void *owner, const struct walk_node *n)
{
	struct export *x = owner;
	json_t *v;

	if (n->error != ZK_OK) {
		x->unreadable++;
		progress_end(&x->progress);
		data_fail(NULL, 0, n->error, "export", n->path);
		return 0;
	}
	v = node_json(slice_str(n->path), n->data);
	json_object_set_new(v, "acl", facts_json_acl(n->acl));
	if (n->stat.ephemeral_owner != 0)
		json_object_set_new(v, "ephemeral_owner", facts_json_hex((uint64_t)n->stat.ephemeral_owner));
	x->hidden += is_hidden(n->acl);
	put_line(x, v);
	progress_step(&x->progress, ++x->nodes);
	return x->error == 0 ? 0 : -EIO;
}

static int
export_server(const struct options *o, struct export *x, const char *path)
{
	struct walk w = { .want = WALK_DATA | WALK_ACL, .visit = visit, .owner = x, .depth_most = -1 };
	struct zk_answer a = { .number = 0 };
	int32_t code = ZK_OK;
	struct zk *z;
	int status = data_open(o, &z), r;

	if (status != ZKCTL_OK)
		return status;
	r = zk_count(z, path, &a, &code);
	progress_begin(&x->progress, "exporting", r == 0 && code == ZK_OK ? (uint64_t)a.number + 1 : 0,
		       x->out != stdout || !term_output_is_terminal());
	if (r == 0 && code == ZK_OK) {
		put_head(x, path, "server");
		r = walk_tree(z, path, &w, &code);
	}
	progress_end(&x->progress);
	status = x->error != 0 ? ZKCTL_OK : data_check(z, r, &code, "export", path);
	data_close(o, z);
	return status;
}

/* ---- From a snapshot ---- */

enum { LISTS_MAX = 64 << 20, FIRST_LISTS = 64 };

/* ACL lists by their keys; the text lies behind each. */
struct acl_list {
	int64_t key;
	size_t len;
	uint8_t bytes[];
};

struct reading {
	struct export *x;
	struct slice root;
	struct acl_list **lists;
	size_t nlists, cap;
	bool found;
};

static int
take_list(void *ctx, int64_t key, struct slice list)
{
	struct reading *g = ctx;
	struct acl_list *l = mem_alloc(sizeof *l + list.len);

	*l = (struct acl_list){ .key = key, .len = list.len };
	memcpy(l->bytes, list.data, list.len);
	if (g->nlists == g->cap) {
		g->cap = g->cap == 0 ? FIRST_LISTS : 2 * g->cap;
		g->lists = mem_realloc(g->lists, g->cap * sizeof *g->lists);
	}
	g->lists[g->nlists++] = l;
	return 0;
}

static void
set_acl(const struct reading *g, int64_t key, json_t *v)
{
	struct jute_acl_vec acl = zk_acl_open;
	struct jute_reader r;
	struct arena arena;

	arena_init(&arena, LISTS_MAX);
	for (size_t i = 0; key != SNAPSHOT_ACL_OPEN && i < g->nlists; i++) {
		if (g->lists[i]->key != key)
			continue;
		jute_reader_init(&r, slice_of(g->lists[i]->bytes, g->lists[i]->len), UINT32_MAX);
		if (!jute_read_acl_vec(&r, &arena, &acl))
			acl = zk_acl_open;
	}
	json_object_set_new(v, "acl", facts_json_acl(&acl));
	arena_free(&arena);
}

static void
set_kind(const struct snapshot_node *n, json_t *v)
{
	uint64_t owner = (uint64_t)n->stat.ephemeral_owner;

	switch (snapshot_owner(n->stat.ephemeral_owner)) {
	case OWNER_SESSION:
		json_object_set_new(v, "ephemeral_owner", facts_json_hex(owner));
		break;
	case OWNER_CONTAINER:
		json_object_set_new(v, "container", json_true());
		break;
	case OWNER_TTL:
		json_object_set_new(v, "ttl_ms", json_integer((json_int_t)(owner & ~ZK_OWNER_TTL_MASK)));
		break;
	case OWNER_NONE:
		break;
	}
}

static int
take_node(void *ctx, const struct snapshot_node *n)
{
	struct reading *g = ctx;
	/* The root's own name in the file is "". */
	struct slice path = n->path.len == 0 ? SLICE_LIT("/") : n->path;
	json_t *v;

	if (!path_within(path, g->root))
		return 0;
	g->found = true;
	v = node_json(path, n->data);
	set_acl(g, n->acl, v);
	set_kind(n, v);
	put_line(g->x, v);
	g->x->nodes++;
	return g->x->error == 0 ? 0 : -EIO;
}

static int
export_snapshot(const struct options *o, struct export *x, const char *path)
{
	static const struct snapshot_events events = { .acl = take_list, .node = take_node };
	struct reading g = { .x = x, .root = slice_str(path) };
	struct snapfile s;
	int status;

	put_head(x, path, "snapshot");
	status = snapshot_status(o->snapshot, snapfile_read(o->snapshot, &events, &g, &s), &s);
	for (size_t i = 0; i < g.nlists; i++)
		mem_free(g.lists[i]);
	mem_free(g.lists);
	if (status == ZKCTL_OK && !g.found)
		status = complain(ZKCTL_NO_NODE, "%s has no znode %s", o->snapshot, path);
	return status;
}

/* ---- The command ---- */

static int
finish(struct export *x, const char *file, int status)
{
	if (status == ZKCTL_OK)
		put_line(x, json_pack("{s:I}", "nodes", (json_int_t)x->nodes));
	if (fflush(x->out) != 0 && x->error == 0)
		x->error = errno;
	if (x->error != 0)
		return complain(ZKCTL_UNWELL, "%s: %s", file == NULL ? "cannot write" : file,
				strerror(x->error));
	if (status == ZKCTL_OK && x->hidden > 0)
		complain(0,
			 "note: %" PRIu64
			 " ACLs have ids that are hidden (user:x) from who may not administer the "
			 "znode; import would set them so. --auth as an administrator shows them",
			 x->hidden);
	if (status == ZKCTL_OK && x->unreadable > 0)
		status =
		    complain(ZKCTL_NOT_ALLOWED,
			     "%" PRIu64 " znodes, and what is below them, are missing in it", x->unreadable);
	if (status == ZKCTL_OK && file != NULL)
		printf("%" PRIu64 " znodes are in %s\n", x->nodes, file);
	return status;
}

int
command_export(const struct options *o, int argc, char **argv)
{
	struct export x = { .out = stdout };
	bool named = o->file != NULL && strcmp(o->file, "-") != 0;
	char *path = data_path(o, argv[0]);
	int status = path == NULL ? ZKCTL_USAGE : ZKCTL_OK, fd;

	(void)argc;
	if (status == ZKCTL_OK && named) {
		/* Data may be secret: nobody else reads it. */
		fd = open(o->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		x.out = fd < 0 ? NULL : fdopen(fd, "w");
		if (x.out == NULL)
			status = complain(ZKCTL_USAGE, "%s: %s", o->file, strerror(errno));
	}
	if (status == ZKCTL_OK) {
		status = o->snapshot != NULL ? export_snapshot(o, &x, path) : export_server(o, &x, path);
		status = finish(&x, named ? o->file : NULL, status);
	}
	if (named && x.out != NULL)
		fclose(x.out);
	mem_free(path);
	return status;
}
