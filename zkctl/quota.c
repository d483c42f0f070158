/*
 * zkctl quota: limits on the number of znodes and the bytes of data below a znode, as ZooKeeper keeps them: texts in
 * /zookeeper/quota/PATH/zookeeper_limits and zookeeper_stats ("count=5,bytes=-1=;byteHardLimit=100;countHardLimit=-1").
 * Soft limits are warned about in the server's log; hard ones are refused where the server has enforceQuota=true.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data.h"
#include "json.h"
#include "walk.h"

#define QUOTA_ROOT "/zookeeper/quota"

static const char limits_node[] = "/zookeeper_limits", stats_node[] = "/zookeeper_stats";

struct limits {
	int64_t count, bytes, hard_count, hard_bytes; /* -1: none */
};

/* ---- Their text ---- */

/* The number behind name, which stands at the beginning or behind a comma, "=" or ";". */
static int64_t
find_number(struct slice text, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i + len < text.len; i++) {
		bool begins = i == 0 || memchr(",;", text.data[i - 1], 2) != NULL;
		if (begins && memcmp(text.data + i, name, len) == 0) {
			char digits[24];
			size_t n =
			    text.len - i - len < sizeof digits - 1 ? text.len - i - len : sizeof digits - 1;
			memcpy(digits, text.data + i + len, n);
			digits[n] = '\0';
			return strtoll(digits, NULL, 10);
		}
	}
	return -1;
}

static struct limits
parse(struct slice text)
{
	return (struct limits){
		.count = find_number(text, "count="),
		.bytes = find_number(text, "bytes="),
		.hard_count = find_number(text, "countHardLimit="),
		.hard_bytes = find_number(text, "byteHardLimit="),
	};
}

static struct slice
print(const struct limits *l, char *out, size_t size)
{
	int n = snprintf(out, size, "count=%" PRId64 ",bytes=%" PRId64, l->count, l->bytes);

	if (l->hard_count >= 0 || l->hard_bytes >= 0)
		n +=
		    snprintf(out + n, size - (size_t)n, "=;byteHardLimit=%" PRId64 ";countHardLimit=%" PRId64,
			     l->hard_bytes, l->hard_count);
	return slice_of(out, (size_t)n);
}

/* ---- ls, get ---- */

struct quotas {
	const struct options *o;
	struct limits limits; /* of the path whose stats come next */
	json_t *list;
	uint64_t n;
};

/* "5 znodes of 10 (never more than 20)" */
static const char *
format_use(const char *what, int64_t used, int64_t soft, int64_t hard, char *out, size_t size)
{
	int n = snprintf(out, size, "%" PRId64 " %s", used, what);

	if (soft >= 0)
		n += snprintf(out + n, size - (size_t)n, " of %" PRId64, soft);
	if (hard >= 0)
		n += snprintf(out + n, size - (size_t)n, " (never more than %" PRId64 ")", hard);
	if (soft < 0 && hard < 0)
		snprintf(out + n, size - (size_t)n, " (no limit)");
	return out;
}

static bool
is_exceeded(const struct limits *l, int64_t count, int64_t bytes)
{
	return (l->count >= 0 && count > l->count) || (l->bytes >= 0 && bytes > l->bytes) ||
	       (l->hard_count >= 0 && count > l->hard_count) || (l->hard_bytes >= 0 && bytes > l->hard_bytes);
}

static void
tell(struct quotas *q, const char *path, struct slice stats)
{
	int64_t count = find_number(stats, "count="), bytes = find_number(stats, "bytes=");
	const struct limits *l = &q->limits;
	char counts[96], sizes[96];

	if (q->o->json)
		json_array_append_new(
		    q->list,
		    json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "path", json_text(path), "count",
			      (json_int_t)count, "bytes", (json_int_t)bytes, "count_limit",
			      (json_int_t)l->count, "bytes_limit", (json_int_t)l->bytes, "count_hard_limit",
			      (json_int_t)l->hard_count, "bytes_hard_limit", (json_int_t)l->hard_bytes));
	else
		printf("%s: %s, %s%s\n", path,
		       format_use("znodes", count, l->count, l->hard_count, counts, sizeof counts),
		       format_use("bytes", bytes, l->bytes, l->hard_bytes, sizes, sizeof sizes),
		       is_exceeded(l, count, bytes) ? ": exceeded" : "");
	q->n++;
}

static bool
ends_with(const char *path, const char *end, size_t *len)
{
	size_t n = strlen(path), m = strlen(end);

	*len = n - m;
	return n >= m && strcmp(path + n - m, end) == 0;
}

/* The limits of a path come before its stats: names are sorted. */
static int
visit(void *owner, const struct walk_node *n)
{
	struct quotas *q = owner;
	size_t len;

	if (ends_with(n->path, limits_node, &len)) {
		q->limits = parse(n->data);
	} else if (ends_with(n->path, stats_node, &len) && len > strlen(QUOTA_ROOT)) {
		char *path = mem_strndup(n->path + strlen(QUOTA_ROOT), len - strlen(QUOTA_ROOT));
		tell(q, path, n->data);
		mem_free(path);
	}
	return 0;
}

static int
list(const struct options *o, struct zk *z, const char *below)
{
	struct quotas q = { .o = o, .list = json_array() };
	struct walk w = { .want = WALK_DATA, .visit = visit, .owner = &q, .depth_most = -1 };
	int32_t code = ZK_OK;
	int status;

	if (strcmp(below, QUOTA_ROOT) != 0)
		w.depth_most = 1; /* of one path */
	status = data_check(z, walk_tree(z, below, &w, &code), NULL, "list", below);
	if (status == ZKCTL_OK && o->json)
		json_print(json_pack("{s:O}", "quotas", q.list));
	else if (status == ZKCTL_OK && q.n == 0 && w.depth_most < 0)
		puts("no quota is set");
	json_decref(q.list);
	return status == ZKCTL_OK && q.n == 0 && w.depth_most == 1
		   ? complain(ZKCTL_NO_NODE, "%s has no quota of its own; zkctl quota ls shows them all",
			      below + strlen(QUOTA_ROOT))
		   : status;
}

/* ---- set, rm ---- */

/* One znode of the quota tree; that it is there already is as good. */
static int
make(struct zk *z, const char *path, struct slice data)
{
	struct zk_create c = { .path = slice_str(path), .data = data, .acl = zk_acl_open };
	struct zk_answer a;
	int32_t code = ZK_OK;
	int r = zk_create(z, &c, &a, &code);

	return r == 0 && code == ZK_NODEEXISTS ? ZKCTL_OK : data_check(z, r, &code, "create", path);
}

static int
make_all(struct zk *z, const char *path)
{
	int status = ZKCTL_OK;

	for (const char *end = path + strlen(QUOTA_ROOT); end != NULL && status == ZKCTL_OK;) {
		end = *end == '\0' ? NULL : strchr(end + 1, '/');
		char *above = mem_strndup(path, end == NULL ? strlen(path) : (size_t)(end - path));
		status = make(z, above, SLICE_NULL);
		mem_free(above);
	}
	return status;
}

static void
merge(const struct options *o, struct limits *l)
{
	bool hard = GIVEN(o, HARD);

	if (o->count >= 0)
		*(hard ? &l->hard_count : &l->count) = o->count;
	if (o->bytes >= 0)
		*(hard ? &l->hard_bytes : &l->bytes) = o->bytes;
}

static int
set(const struct options *o, struct zk *z, const char *path, const char *below)
{
	char *limits = data_join(below, slice_str(limits_node + 1)),
	     *stats = data_join(below, slice_str(stats_node + 1));
	struct limits l = { -1, -1, -1, -1 };
	struct zk_answer a;
	char text[160];
	int32_t code = ZK_OK;
	int status = data_check(z, zk_exists(z, path, &a, &code), &code, "limit", path), r;

	if (status == ZKCTL_OK) {
		r = zk_get(z, limits, &a, &code);
		if (r == 0 && code == ZK_OK)
			l = parse(a.data);
		merge(o, &l);
		if (r == 0 && code == ZK_OK)
			status = data_check(z, zk_set(z, limits, print(&l, text, sizeof text), -1, &a, &code),
					    &code, "set", limits);
		else if (r == 0 && code == ZK_NONODE && (status = make_all(z, below)) == ZKCTL_OK)
			status = make(z, limits, print(&l, text, sizeof text));
		else if (status == ZKCTL_OK)
			status = data_fail(z, r, code, "read", limits);
		/* The server fills it in when it is created. */
		if (status == ZKCTL_OK)
			status = make(z, stats, SLICE_LIT("count=0,bytes=0"));
	}
	mem_free(limits);
	mem_free(stats);
	return status == ZKCTL_OK ? list(o, z, below) : status;
}

/* Also what stands above it only for its sake. */
static int
unset(const struct options *o, struct zk *z, const char *path, char *below)
{
	char *limits = data_join(below, slice_str(limits_node + 1)),
	     *stats = data_join(below, slice_str(stats_node + 1));
	int32_t code = ZK_OK;
	int r = zk_delete(z, limits, -1, &code), status;

	if (r == 0 && code == ZK_NONODE) {
		status = complain(ZKCTL_NO_NODE, "%s has no quota", path);
	} else {
		status = data_check(z, r, &code, "delete", limits);
		r = status == ZKCTL_OK ? zk_delete(z, stats, -1, &code) : -1;
		while (status == ZKCTL_OK && r == 0 && code == ZK_OK && strlen(below) > strlen(QUOTA_ROOT)) {
			r = zk_delete(z, below, -1, &code); /* NOTEMPTY ends it */
			*strrchr(below, '/') = '\0';
		}
	}
	mem_free(limits);
	mem_free(stats);
	if (status == ZKCTL_OK && o->json)
		json_print(json_pack("{s:o, s:b}", "path", json_text(path), "removed", true));
	return status;
}

static int
run(const struct options *o, struct zk *z, const char *verb, const char *path)
{
	char *below = path == NULL || strcmp(path, "/") == 0 ? mem_strndup(QUOTA_ROOT, strlen(QUOTA_ROOT))
							     : data_join(QUOTA_ROOT, slice_str(path + 1));
	int status;

	if (strcmp(verb, "set") == 0)
		status = set(o, z, path, below);
	else if (strcmp(verb, "rm") == 0)
		status = unset(o, z, path, below);
	else
		status = list(o, z, below);
	mem_free(below);
	return status;
}

int
command_quota(const struct options *o, int argc, char **argv)
{
	char *path = argc > 1 ? data_path(o, argv[1]) : NULL;
	struct zk *z;
	int status = ZKCTL_USAGE;

	if (argc > 1 && path == NULL)
		return status;
	if (path != NULL && strcmp(path, "/") == 0)
		complain(0, "a quota is for a znode below /");
	else if (strcmp(argv[0], "set") == 0 && o->count < 0 && o->bytes < 0)
		complain(0, "quota set takes --count N, --bytes N, or both");
	else
		status = data_open(o, &z);
	if (status == ZKCTL_OK) {
		status = run(o, z, argv[0], path);
		data_close(o, z);
	}
	mem_free(path);
	return status;
}
