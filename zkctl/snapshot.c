/*
 * zkctl snapshot ls, stat, get: one node of a snapshot, found while the file streams by. What was found before
 * damage is told too: it may be all that is left.
 */
#include "snapshot.h"
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "facts.h"
#include "json.h"
#include "jute/op.h"

enum { LIST_ARENA_MAX = 256 << 20 };

int
snapshot_status(const char *file, int ret, const struct snapfile *s)
{
	if (ret == 0 || ret == -ECANCELED)
		return ZKCTL_OK;
	return ret > 0 ? ret : complain(ZKCTL_UNWELL, "%s: %s", file, s->problem);
}

enum owner
snapshot_owner(int64_t ephemeral_owner)
{
	if (ephemeral_owner == 0)
		return OWNER_NONE;
	if (ephemeral_owner == ZK_OWNER_CONTAINER)
		return OWNER_CONTAINER;
	if (((uint64_t)ephemeral_owner & ZK_OWNER_TTL_MASK) == ZK_OWNER_TTL_MASK)
		return OWNER_TTL;
	return OWNER_SESSION;
}

/* As snapshots have it: the root is "". */
static struct slice
key_of(const char *path)
{
	return strcmp(path, "/") == 0 ? SLICE_LIT("") : slice_str(path);
}

static int
complain_missing(const char *file, const char *path)
{
	return complain(ZKCTL_UNWELL, "%s has no node %s", file, path);
}

/* Whether path lies below key, and as a child. */
static bool
is_below(struct slice path, struct slice key, bool *child)
{
	if (path.len < key.len + 2 || memcmp(path.data, key.data, key.len) != 0 || path.data[key.len] != '/')
		return false;
	*child = memchr(path.data + key.len + 1, '/', path.len - key.len - 1) == NULL;
	return true;
}

/* ---- ls ---- */

/* Of a name or path in the listing's text. */
struct name {
	size_t at, len;
};

struct listing {
	struct slice key;
	bool recursive, found;
	struct buf text; /* names or paths, one behind the other */
	struct name *names;
	size_t n, room;
};

static void
add_name(struct listing *l, struct slice name)
{
	if (l->n == l->room) {
		l->room = l->room == 0 ? 64 : l->room * 2;
		l->names = mem_realloc(l->names, l->room * sizeof *l->names);
	}
	l->names[l->n++] = (struct name){ buf_len(&l->text), name.len };
	buf_put_slice(&l->text, name);
}

static struct slice
name_text(const struct listing *l, const struct name *name)
{
	return slice_of(buf_head(&l->text) + name->at, name->len);
}

static int
list_node(void *ctx, const struct snapshot_node *node)
{
	struct listing *l = ctx;
	size_t skip = l->recursive ? 0 : l->key.len + 1;
	bool child = false;

	l->found = l->found || slice_equal(node->path, l->key);
	if (is_below(node->path, l->key, &child) && (child || l->recursive))
		add_name(l, slice_of(node->path.data + skip, node->path.len - skip));
	return 0;
}

/* By bytes, with the slash below all others: a node, then all that is below it, then its sibling. */
static int
compare_names(const void *a, const void *b, void *listing)
{
	struct slice x = name_text(listing, a), y = name_text(listing, b);
	size_t i = 0;

	while (i < x.len && i < y.len && x.data[i] == y.data[i])
		i++;
	if (i == x.len || i == y.len)
		return x.len < y.len ? -1 : x.len > y.len;
	if (x.data[i] == '/' || y.data[i] == '/')
		return x.data[i] == '/' ? -1 : 1;
	return x.data[i] < y.data[i] ? -1 : 1;
}

static void
print_names(const struct listing *l, const char *path, bool json)
{
	json_t *list = json ? json_array() : NULL;
	struct buf line;

	buf_init(&line, SIZE_MAX / 4);
	for (size_t i = 0; i < l->n; i++) {
		struct slice name = name_text(l, &l->names[i]);
		if (json) {
			json_array_append_new(list, facts_json_string(name));
			continue;
		}
		facts_escape(&line, name, true);
		buf_put_u8(&line, '\n');
		fwrite(buf_head(&line), 1, buf_len(&line), stdout);
		buf_reset(&line, 4096);
	}
	buf_free(&line);
	if (json)
		json_print(json_pack("{s:o, s:o}", "path", json_text(path),
				     l->recursive ? "paths" : "children", list));
}

int
snapshot_ls(const struct options *o, const char *file, const char *path)
{
	static const struct snapshot_events events = { .node = list_node };
	struct listing l = { .key = key_of(path), .recursive = GIVEN(o, RECURSIVE) };
	struct snapfile s;
	int status;

	buf_init(&l.text, SIZE_MAX / 4);
	status = snapshot_status(file, snapfile_read(file, &events, &l, &s), &s);
	if (l.found) {
		if (l.n > 0)
			qsort_r(l.names, l.n, sizeof *l.names, compare_names, &l);
		print_names(&l, path, o->json);
	} else if (status == ZKCTL_OK) {
		status = complain_missing(file, path);
	}
	buf_free(&l.text);
	mem_free(l.names);
	return status;
}

/* ---- stat and get ---- */

struct sought {
	struct slice key;
	bool found, with_data;
	struct snapshot_stat stat;
	int64_t acl_key;
	bool data_null;
	uint8_t *data; /* a copy, where it is wanted */
	size_t data_len;
	uint32_t children;
	/* The ACL's bytes, by a second reading: the table comes before the nodes. */
	uint8_t *acl;
	size_t acl_len;
};

static int
seek_node(void *ctx, const struct snapshot_node *node)
{
	struct sought *k = ctx;
	bool child = false;

	if (is_below(node->path, k->key, &child)) {
		k->children += child;
		return 0;
	}
	if (k->found || !slice_equal(node->path, k->key))
		return 0;
	k->found = true;
	k->stat = node->stat;
	k->acl_key = node->acl;
	k->data_null = node->data.data == NULL;
	k->data_len = node->data.len;
	if (k->with_data && node->data.len > 0) {
		k->data = mem_alloc(node->data.len);
		memcpy(k->data, node->data.data, node->data.len);
	}
	return 0;
}

static int
seek_acl(void *ctx, int64_t key, struct slice list)
{
	struct sought *k = ctx;

	if (key != k->acl_key)
		return 0;
	k->acl = mem_alloc(list.len);
	memcpy(k->acl, list.data, list.len);
	k->acl_len = list.len;
	return -ECANCELED;
}

/* Nodes come after all ACLs: there is none with this key. */
static int
stop_at_node(void *ctx, const struct snapshot_node *node)
{
	(void)ctx;
	(void)node;
	return -ECANCELED;
}

/* Exit status of what is found, or complained about. */
static int
seek(struct sought *k, const char *file, const char *path)
{
	static const struct snapshot_events events = { .node = seek_node };
	struct snapfile s;
	int status;

	k->key = key_of(path);
	status = snapshot_status(file, snapfile_read(file, &events, k, &s), &s);
	return !k->found && status == ZKCTL_OK ? complain_missing(file, path) : status;
}

/* The node's ACL, with its vector in the arena. False: its key is in no table. */
static bool
find_acl(struct sought *k, const char *file, struct arena *a, struct jute_acl_vec *acl)
{
	static const struct snapshot_events events = { .acl = seek_acl, .node = stop_at_node };
	static struct jute_acl open[] = { { ZK_PERM_ALL, { SLICE_LIT("world"), SLICE_LIT("anyone") } } };
	struct jute_reader r;
	struct snapfile s;

	*acl = (struct jute_acl_vec){ open, 1 };
	if (k->acl_key == SNAPSHOT_ACL_OPEN)
		return true;
	*acl = (struct jute_acl_vec){ NULL, -1 };
	if (snapfile_read(file, &events, k, &s) != -ECANCELED || k->acl == NULL)
		return false;
	jute_reader_init(&r, slice_of(k->acl, k->acl_len), UINT32_MAX);
	return jute_read_acl_vec(&r, a, acl);
}

/* As Java prints a Date, in UTC. */
static const char *
java_date(int64_t ms, char *out, size_t size)
{
	time_t s = (time_t)(ms / 1000 - (ms % 1000 < 0));
	struct tm tm;

	if (gmtime_r(&s, &tm) == NULL || strftime(out, size, "%a %b %d %H:%M:%S UTC %Y", &tm) == 0)
		snprintf(out, size, "%" PRId64, ms);
	return out;
}

/* What a client sees: changes of the list of children, where creations are stored (ZooKeeper: DataNode.copyStat). */
static int32_t
client_cversion(const struct sought *k)
{
	return (int32_t)((uint32_t)k->stat.cversion * 2 - k->children);
}

static void
print_stat(const struct sought *k, const struct jute_acl_vec *acl)
{
	const struct snapshot_stat *st = &k->stat;
	struct buf line;
	char date[64];

	printf("cZxid = 0x%" PRIx64 "\n", st->czxid);
	printf("ctime = %s\n", java_date(st->ctime_ms, date, sizeof date));
	printf("mZxid = 0x%" PRIx64 "\n", st->mzxid);
	printf("mtime = %s\n", java_date(st->mtime_ms, date, sizeof date));
	printf("pZxid = 0x%" PRIx64 "\ncversion = %" PRId32 "\n", st->pzxid, client_cversion(k));
	printf("dataVersion = %" PRId32 "\naclVersion = %" PRId32 "\n", st->version, st->aversion);
	printf("ephemeralOwner = 0x%" PRIx64 "\n", (uint64_t)st->ephemeral_owner);
	printf("dataLength = %zu\nnumChildren = %" PRIu32 "\n", k->data_len, k->children);
	buf_init(&line, SIZE_MAX / 4);
	for (int32_t i = 0; i < acl->n; i++) {
		buf_put(&line, "acl = ", 6);
		facts_put_acl(&line, &acl->v[i]);
		buf_put_u8(&line, '\n');
	}
	fwrite(buf_head(&line), 1, buf_len(&line), stdout);
	buf_free(&line);
}

static void
print_stat_json(const struct sought *k, const char *path, const struct jute_acl_vec *acl)
{
	const struct snapshot_stat *st = &k->stat;
	json_t *v = json_object();
	struct facts f = { .json = v };

	facts_word(&f, "path", slice_str(path));
	facts_hex(&f, "czxid", st->czxid);
	facts_time(&f, "ctime", st->ctime_ms);
	facts_hex(&f, "mzxid", st->mzxid);
	facts_time(&f, "mtime", st->mtime_ms);
	facts_hex(&f, "pzxid", st->pzxid);
	facts_number(&f, "cversion", client_cversion(k));
	facts_number(&f, "stored_cversion", st->cversion);
	facts_number(&f, "version", st->version);
	facts_number(&f, "aversion", st->aversion);
	facts_hex(&f, "ephemeral_owner", (uint64_t)st->ephemeral_owner);
	facts_number(&f, "data_length", k->data_null ? -1 : (int64_t)k->data_len);
	facts_number(&f, "num_children", k->children);
	facts_acl(&f, acl);
	json_print(v);
}

int
snapshot_stat(const struct options *o, const char *file, const char *path)
{
	struct sought k = { .with_data = false };
	struct jute_acl_vec acl;
	struct arena a;
	int status = seek(&k, file, path);

	if (!k.found)
		return status;
	arena_init(&a, LIST_ARENA_MAX);
	if (!find_acl(&k, file, &a, &acl) && status == ZKCTL_OK)
		status = complain(ZKCTL_UNWELL, "%s: %s has ACL key %" PRId64 ", which is in no table", file,
				  path, k.acl_key);
	if (o->json)
		print_stat_json(&k, path, &acl);
	else
		print_stat(&k, &acl);
	arena_free(&a);
	mem_free(k.acl);
	return status;
}

int
snapshot_get(const struct options *o, const char *file, const char *path)
{
	struct sought k = { .with_data = true };
	int status = seek(&k, file, path);
	struct slice data = slice_of(k.data_len == 0 ? (const uint8_t *)"" : k.data, k.data_len);

	if (k.found && o->json)
		json_print(json_pack("{s:o, s:o}", "path", json_text(path), "data_base64",
				     facts_json_base64(k.data_null ? SLICE_NULL : data)));
	else if (k.found)
		fwrite(data.data, 1, data.len, stdout);
	mem_free(k.data);
	return status;
}

/* ---- The command ---- */

static bool
path_sound(const char *path)
{
	size_t n = strlen(path);

	return path[0] == '/' && (n == 1 || (path[n - 1] != '/' && strstr(path, "//") == NULL));
}

static int
verify_file(const struct options *o, const char *file, const char *path)
{
	(void)path;
	return snapshot_verify(o, file);
}

/* The verbs of the table of commands, which has checked the number of arguments. */
static const struct {
	const char *name;
	int (*run)(const struct options *o, const char *file, const char *path);
} verbs[] = {
	{ "ls", snapshot_ls },
	{ "stat", snapshot_stat },
	{ "get", snapshot_get },
	{ "verify", verify_file },
};

int
command_snapshot(const struct options *o, int argc, char **argv)
{
	const char *path = argc > 2 ? argv[2] : "/";

	if (o->runtime != NULL || o->config_file != NULL)
		return complain(ZKCTL_USAGE,
				"snapshot reads a file, no running node; leave -c and --runtime away");
	if (!path_sound(path))
		return complain(ZKCTL_USAGE,
				"\"%s\" is no path of a node; it begins with / and does not end with it",
				path);
	for (int i = 0;; i++)
		if (strcmp(argv[0], verbs[i].name) == 0)
			return verbs[i].run(o, argv[1], path);
}
