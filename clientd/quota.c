/*
 * See quota.h. Invariant: a path is in quotas.paths exactly when /zookeeper/quota<path>/zookeeper_limits exists and
 * the path is not the root's.
 */
#include "quota.h"

#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/quote.h"
#include "tree_priv.h"

static const struct slice quota_root = { (const uint8_t *)"/zookeeper/quota", 16 };
static const struct slice limits_suffix = { (const uint8_t *)"/zookeeper_limits", 17 };
static const struct slice stats_suffix = { (const uint8_t *)"/zookeeper_stats", 16 };

struct quota {
	struct table_entry entry;
	uint32_t len;
	uint8_t path[];
};

void
quotas_init(struct quotas *q)
{
	table_init(&q->paths);
}

static void
free_quota(struct table_entry *e, void *ctx)
{
	(void)ctx;
	mem_free(container_of(e, struct quota, entry));
}

void
quotas_free(struct quotas *q)
{
	table_each(&q->paths, free_quota, NULL);
	table_free(&q->paths);
}

/* ---- The texts ---- */

static bool
parse_long(struct slice s, int64_t *v)
{
	bool negative = s.len > 0 && s.data[0] == '-';
	uint64_t n = 0;

	if (s.len - negative == 0 || s.len - negative > 18)
		return false;
	for (size_t i = negative; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		n = n * 10 + (s.data[i] - '0');
	}
	*v = negative ? -(int64_t)n : (int64_t)n;
	return true;
}

/* One "key=value", where a second = and what follows is ignored. */
static void
take_pair(struct quota_track *q, struct slice pair)
{
	const struct {
		struct slice key;
		int64_t *value;
	} keys[] = { { SLICE_LIT("count"), &q->count },
		     { SLICE_LIT("bytes"), &q->bytes },
		     { SLICE_LIT("countHardLimit"), &q->count_hard },
		     { SLICE_LIT("byteHardLimit"), &q->bytes_hard } };
	size_t eq = 0, end;

	while (eq < pair.len && pair.data[eq] != '=')
		eq++;
	for (end = eq + 1; end < pair.len && pair.data[end] != '=';)
		end++;
	if (eq >= pair.len)
		return;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (slice_equal(slice_of(pair.data, eq), keys[i].key))
			parse_long(slice_of(pair.data + eq + 1, end - eq - 1), keys[i].value);
}

struct quota_track
quota_parse(struct slice text)
{
	struct quota_track q = { -1, -1, -1, -1 };
	size_t start = 0;

	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && text.data[i] != ',' && text.data[i] != ';')
			continue;
		if (i > start)
			take_pair(&q, slice_of(text.data + start, i - start));
		start = i + 1;
	}
	return q;
}

struct text_out {
	char *p;
};

static void
put_text(struct text_out *o, const char *s)
{
	size_t n = strlen(s);

	memcpy(o->p, s, n);
	o->p += n;
}

static void
put_long(struct text_out *o, int64_t v)
{
	char digits[20];
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
	size_t n = 0;

	if (v < 0)
		*o->p++ = '-';
	do
		digits[n++] = (char)('0' + u % 10);
	while ((u /= 10) > 0);
	while (n > 0)
		*o->p++ = digits[--n];
}

size_t
quota_format(const struct quota_track *q, char out[QUOTA_TEXT_MAX])
{
	struct text_out o = { out };

	put_text(&o, "count=");
	put_long(&o, q->count);
	put_text(&o, ",bytes=");
	put_long(&o, q->bytes);
	if (q->bytes_hard != -1 || q->count_hard != -1)
		put_text(&o, "=");
	if (q->bytes_hard != -1) {
		put_text(&o, ";byteHardLimit=");
		put_long(&o, q->bytes_hard);
	}
	if (q->count_hard != -1) {
		put_text(&o, ";countHardLimit=");
		put_long(&o, q->count_hard);
	}
	return (size_t)(o.p - out);
}

/* ---- Which quota a path has ---- */

static bool
same_path(const struct table_entry *e, const void *key)
{
	const struct quota *q = container_of(e, const struct quota, entry);

	return slice_equal(slice_of(q->path, q->len), *(const struct slice *)key);
}

static struct quota *
find_quota(const struct tree *t, struct slice path)
{
	struct table_entry *e =
	    table_find(&t->quotas.paths, table_hash(path, t->config->seed), same_path, &path);

	return e == NULL ? NULL : container_of(e, struct quota, entry);
}

/* The deepest limited path that is key or above it. */
static struct quota *
quota_over(const struct tree *t, struct slice key)
{
	struct quota *q = NULL;

	if (t->quotas.paths.count == 0)
		return NULL;
	while (key.len > 0 && (q = find_quota(t, key)) == NULL) {
		while (key.data[key.len - 1] != '/')
			key.len--;
		key.len--;
	}
	return q;
}

static bool
ends_with(struct slice s, struct slice end)
{
	return s.len >= end.len && memcmp(s.data + s.len - end.len, end.data, end.len) == 0;
}

/* The path that key, a limits or stats node with this suffix, is about; null when it is no such node. */
static struct slice
subject_of(struct slice key, struct slice suffix)
{
	if (key.len <= quota_root.len + suffix.len ||
	    memcmp(key.data, quota_root.data, quota_root.len) != 0 || key.data[quota_root.len] != '/' ||
	    !ends_with(key, suffix))
		return SLICE_NULL;
	return slice_of(key.data + quota_root.len, key.len - quota_root.len - suffix.len);
}

/* /zookeeper/quota<path><suffix>, or NODE_NONE. */
static uint32_t
quota_node(const struct tree *t, const struct quota *q, struct slice suffix)
{
	size_t len = quota_root.len + q->len + suffix.len;
	uint8_t *p = mem_alloc(len);
	uint32_t number;

	memcpy(p, quota_root.data, quota_root.len);
	memcpy(p + quota_root.len, q->path, q->len);
	memcpy(p + quota_root.len + q->len, suffix.data, suffix.len);
	number = tree_find(t, slice_of(p, len));
	mem_free(p);
	return number;
}

/* ---- What changes ---- */

/* Local: no stat changes, no watch fires, and below /zookeeper there is no digest. */
static void
write_stats(struct tree *t, uint32_t number, const struct quota_track *use)
{
	char text[QUOTA_TEXT_MAX];
	size_t len = quota_format(use, text);
	struct node *n = node_at(&t->nodes, number);

	walk_before_change(t, number);
	t->data_bytes += len;
	t->data_bytes -= node_data_len(n);
	nodes_set_data(&t->nodes, n, slice_of(text, len));
	n->crc = digest_prefix(node_path(&t->nodes, number, &t->scratch), slice_of(text, len));
}

/* Counts the subtree of the quota's path and writes that to its stats node. */
static void
recount(struct tree *t, const struct quota *q)
{
	struct quota_track use = { 0, 0, -1, -1 };
	uint32_t stats = quota_node(t, q, stats_suffix), top = tree_find(t, slice_of(q->path, q->len));

	if (stats == NODE_NONE)
		return;
	for (uint32_t i = top; i != NODE_NONE; i = node_next(&t->nodes, i, top)) {
		use.count++;
		use.bytes += node_data_len(node_at(&t->nodes, i));
	}
	write_stats(t, stats, &use);
}

static struct quota *
add_quota(struct tree *t, struct slice path)
{
	struct quota *q = find_quota(t, path);

	if (q != NULL)
		return q;
	q = mem_alloc(sizeof *q + path.len);
	q->len = (uint32_t)path.len;
	memcpy(q->path, path.data, path.len);
	table_insert(&t->quotas.paths, &q->entry, table_hash(path, t->config->seed));
	return q;
}

void
quota_created(struct tree *t, struct slice key)
{
	struct slice path = subject_of(key, limits_suffix);
	struct quota *q;

	if (path.len > 0)
		add_quota(t, path);
	path = subject_of(key, stats_suffix);
	if (path.len > 0) {
		/* ZooKeeper counts as soon as there is a stats node, limits or not. */
		q = mem_alloc(sizeof *q + path.len);
		q->len = (uint32_t)path.len;
		memcpy(q->path, path.data, path.len);
		recount(t, q);
		mem_free(q);
	}
}

void
quota_deleted(struct tree *t, struct slice key)
{
	struct slice path = subject_of(key, limits_suffix);
	struct quota *q = path.len == 0 ? NULL : find_quota(t, path);

	if (q == NULL)
		return;
	table_remove(&t->quotas.paths, &q->entry);
	mem_free(q);
}

void
quota_use(struct tree *t, struct slice key, int64_t bytes, int64_t count)
{
	struct quota *q = quota_over(t, key);
	struct quota_track use;
	uint32_t stats;

	if (q == NULL || (bytes == 0 && count == 0))
		return;
	stats = quota_node(t, q, stats_suffix);
	if (stats == NODE_NONE)
		return;
	use = quota_parse(node_data(node_at(&t->nodes, stats)));
	use.bytes += bytes;
	use.count += count;
	write_stats(t, stats, &use);
}

static bool
exceeds(int64_t now, int64_t more, int64_t hard)
{
	return more != 0 && hard > -1 && now + more > hard;
}

enum zk_error
quota_check(const struct tree *t, struct slice key, int64_t bytes, int64_t count)
{
	const struct quota *q = t->config->enforce_quota ? quota_over(t, key) : NULL;
	struct quota_track limits, use;
	uint32_t number;

	if (q == NULL || (number = quota_node(t, q, limits_suffix)) == NODE_NONE)
		return ZK_OK;
	limits = quota_parse(node_data(node_at(&t->nodes, number)));
	if ((number = quota_node(t, q, stats_suffix)) == NODE_NONE)
		return ZK_OK;
	use = quota_parse(node_data(node_at(&t->nodes, number)));
	if (exceeds(use.count, count, limits.count_hard) || exceeds(use.bytes, bytes, limits.bytes_hard))
		return ZK_QUOTAEXCEEDED;
	if (exceeds(use.count, count, limits.count) || exceeds(use.bytes, bytes, limits.bytes))
		trace(t->config->trace, TRACE_DEBUG, "tree", "quota exceeded", "path=%s",
		      quote(slice_of(q->path, q->len)).text);
	return ZK_OK;
}

void
quota_load(struct tree *t)
{
	uint32_t top = tree_find(t, quota_root);

	for (uint32_t i = top; i != NODE_NONE; i = node_next(&t->nodes, i, top)) {
		struct slice path = subject_of(node_path(&t->nodes, i, &t->scratch), limits_suffix);
		if (path.len > 0)
			recount(t, add_quota(t, path));
	}
}
