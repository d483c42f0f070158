/*
 * See acl.h. A list is walked where it lies: a struct jute_reader over its bytes, one entry at a time. What cannot be
 * parsed permits nothing.
 */
#include "acl.h"

#include "base/bytes.h"
#include "ip.h"

const struct slice acl_open = { (const uint8_t *)"\0\0\0\1\0\0\0\37\0\0\0\5world\0\0\0\6anyone", 27 };
const struct slice acl_read_only = { (const uint8_t *)"\0\0\0\1\0\0\0\1\0\0\0\5world\0\0\0\6anyone", 27 };

static bool
is(struct slice s, const char *word)
{
	return slice_equal(s, slice_str(word));
}

/* The schemes that stand in ACLs, and what their providers say. "world" and "super" have none, as in ZooKeeper. */
struct scheme {
	const char *name;
	bool (*valid)(struct slice id); /* as id of an ACL entry */
	bool (*matches)(struct slice shown, struct slice entry);
	bool authenticated; /* an id of it counts for "auth" */
};

/* Exactly two parts around one colon, as Java's split sees it: trailing empty parts do not count. */
static bool
digest_valid(struct slice id)
{
	size_t len = id.len, colons = 0;

	while (len > 0 && id.data[len - 1] == ':')
		len--;
	for (size_t i = 0; i < len; i++)
		colons += id.data[i] == ':';
	return colons == 1;
}

static bool
same_id(struct slice shown, struct slice entry)
{
	return slice_equal(shown, entry);
}

static const struct scheme schemes[] = {
	{ "digest", digest_valid, same_id, true },
	{ "ip", ip_valid, ip_matches, false },
};

static const struct scheme *
scheme_find(struct slice name)
{
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		if (is(name, schemes[i].name))
			return &schemes[i];
	return NULL;
}

static bool
is_anyone(const struct jute_id *id)
{
	return is(id->scheme, "world") && is(id->id, "anyone");
}

static bool
entry_matches(const struct jute_id *entry, const struct auth *who)
{
	const struct scheme *s;

	if (is_anyone(entry))
		return true;
	s = scheme_find(entry->scheme);
	for (int32_t i = 0; s != NULL && i < who->n; i++)
		if (is(who->ids[i].scheme, s->name) && s->matches(who->ids[i].id, entry->id))
			return true;
	return false;
}

static bool
is_super(const struct auth *who)
{
	for (int32_t i = 0; i < who->n; i++)
		if (is(who->ids[i].scheme, "super"))
			return true;
	return false;
}

bool
acl_allows(const struct acl_rules *rules, struct slice list, int32_t perm, const struct auth *who)
{
	struct jute_reader r;
	struct jute_acl acl;
	int32_t n;

	/* What nearly every node has, and nearly every request asks. */
	if (list.data == acl_open.data || rules->skip || list.len == 0)
		return true;
	jute_reader_init(&r, list, UINT32_MAX);
	n = jute_read_count(&r, 12);
	if (!jute_ok(&r))
		return false;
	if (n <= 0 || is_super(who))
		return true;
	while (n-- > 0 && jute_read_acl(&r, NULL, &acl))
		if ((acl.perms & perm) != 0 && entry_matches(&acl.id, who))
			return true;
	return false;
}

/* A list under construction. */
struct list_maker {
	struct buf *out;
	size_t start;
	int32_t n;
};

static void
add_entry(struct list_maker *m, int32_t perms, const struct jute_id *id)
{
	struct jute_acl acl = { .perms = perms, .id = *id };

	jute_write_acl(m->out, &acl);
	m->n++;
}

static bool
add_callers(struct list_maker *m, int32_t perms, const struct auth *who)
{
	bool any = false;

	for (int32_t i = 0; i < who->n; i++) {
		const struct scheme *s = scheme_find(who->ids[i].scheme);
		if (s == NULL || !s->authenticated)
			continue;
		add_entry(m, perms, &who->ids[i]);
		any = true;
	}
	return any;
}

static bool
add_normalised(struct list_maker *m, const struct jute_acl *a, const struct auth *who)
{
	const struct scheme *s;

	if (a->id.scheme.data == NULL || a->id.id.data == NULL)
		return false;
	if (is(a->id.scheme, "auth"))
		return add_callers(m, a->perms, who);
	if (!is_anyone(&a->id)) {
		s = scheme_find(a->id.scheme);
		if (s == NULL || !s->valid(a->id.id))
			return false;
	}
	add_entry(m, a->perms, &a->id);
	return true;
}

static bool
repeats(const struct jute_acl_vec *acl, int32_t i)
{
	for (int32_t k = 0; k < i; k++)
		if (acl->v[k].perms == acl->v[i].perms &&
		    slice_equal(acl->v[k].id.scheme, acl->v[i].id.scheme) &&
		    slice_equal(acl->v[k].id.id, acl->v[i].id.id))
			return true;
	return false;
}

enum zk_error
acl_normalise(const struct jute_acl_vec *acl, const struct auth *who, struct buf *out)
{
	struct list_maker m = { .out = out, .start = buf_len(out) };

	/* The limit keeps the search for duplicates short; no real list comes near it. */
	if (acl->n <= 0 || acl->n > ACL_ENTRIES_MAX)
		return ZK_INVALIDACL;
	jute_write_count(out, 0);
	for (int32_t i = 0; i < acl->n; i++) {
		if (repeats(acl, i))
			continue;
		if (!add_normalised(&m, &acl->v[i], who)) {
			buf_truncate(out, m.start);
			return ZK_INVALIDACL;
		}
	}
	if (!out->overflow)
		put_be32(out->data + out->off + m.start, (uint32_t)m.n);
	return ZK_OK;
}

/* A digest id up to its colon, and "x". */
static void
write_masked(const struct jute_acl *acl, struct buf *out)
{
	struct slice user = auth_user(&acl->id);

	jute_write_int(out, acl->perms);
	jute_write_string(out, acl->id.scheme);
	if (user.len == acl->id.id.len) {
		jute_write_string(out, acl->id.id);
		return;
	}
	jute_write_int(out, (int32_t)user.len + 2);
	buf_put_slice(out, user);
	buf_put(out, ":x", 2);
}

void
acl_write_shown(struct slice list, bool full, struct buf *out)
{
	struct jute_reader r;
	struct jute_acl acl;
	int32_t n;

	if (full) {
		buf_put_slice(out, list);
		return;
	}
	jute_reader_init(&r, list, UINT32_MAX);
	n = jute_read_count(&r, 12);
	jute_write_count(out, n);
	while (n-- > 0) {
		jute_read_acl(&r, NULL, &acl);
		if (is(acl.id.scheme, "digest"))
			write_masked(&acl, out);
		else
			jute_write_acl(out, &acl);
	}
}

struct slice
acl_read_raw(struct jute_reader *r)
{
	const uint8_t *start = r->p;
	struct jute_acl acl;
	int32_t n = jute_read_count(r, 12);

	if (n < 0)
		return acl_open;
	while (n-- > 0 && jute_ok(r))
		jute_read_acl(r, NULL, &acl);
	return slice_of(start, (size_t)(r->p - start));
}

bool
acl_list_valid(struct slice list)
{
	struct jute_reader r;

	jute_reader_init(&r, list, UINT32_MAX);
	acl_read_raw(&r);
	return jute_ok(&r) && jute_left(&r) == 0;
}
