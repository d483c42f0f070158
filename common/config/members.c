/* See members.h. Invariant: servers are sorted by sid, each sid once and within 0..255; a participant of a hierarchical
 * list has a group. */
#include "members.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "room.h"

enum {
	ARENA_MAX = 16 << 20, /* far above what a text of MEMBERS_TEXT_MAX takes */
	LINES_MAX = 4 * MEMBERS_MAX,
	JAVA_TABLE_FIRST = 16, /* of java.util.HashMap: it doubles when three quarters full */
};

/* What is being read. */
struct reader {
	struct members *m;
	struct config_server *list; /* = m->servers */
};

static struct members *
make(size_t nservers, struct config_server **list)
{
	struct members *m = mem_zalloc(1, sizeof *m);

	arena_init(&m->arena, ARENA_MAX);
	*list = arena_array(&m->arena, nservers, sizeof **list);
	ASSERT(*list != NULL);
	m->servers = *list;
	return m;
}

void
members_free(struct members *m)
{
	if (m == NULL)
		return;
	arena_free(&m->arena);
	mem_free(m);
}

/* Reading */

static struct config_server *
find(struct reader *r, int64_t sid)
{
	for (size_t i = 0; i < r->m->nservers; i++)
		if (r->list[i].sid == sid)
			return &r->list[i];
	return NULL;
}

static int
take_server(struct reader *r, int64_t sid, const char *value)
{
	struct config_server s = { .sid = sid };
	size_t at = r->m->nservers;

	if (sid >= SID_LIMIT || find(r, sid) != NULL || server_read(&r->m->arena, &s, value) != NULL)
		return -EPROTO;
	while (at > 0 && r->list[at - 1].sid > sid)
		at--;
	memmove(r->list + at + 1, r->list + at, (r->m->nservers - at) * sizeof *r->list);
	r->list[at] = s;
	r->m->nservers++;
	return 0;
}

static int
take_group(struct reader *r, int64_t gid, const char *value)
{
	char sid_text[24];
	int64_t sid;

	if (gid > UINT32_MAX)
		return -EPROTO;
	r->m->hierarchical = true;
	for (;;) {
		size_t len = strcspn(value, ":");
		struct config_server *s;

		if (len >= sizeof sid_text)
			return -EPROTO;
		memcpy(sid_text, value, len);
		sid_text[len] = '\0';
		if (!read_number(sid_text, false, &sid) || (s = find(r, sid)) == NULL || s->group >= 0)
			return -EPROTO;
		s->group = gid;
		if (value[len] == '\0')
			return 0;
		value += len + 1;
	}
}

static int
take_weight(struct reader *r, int64_t sid, const char *value)
{
	struct config_server *s = find(r, sid);
	int64_t weight;

	r->m->hierarchical = true;
	if (s == NULL || !read_number(value, false, &weight) || weight < 0 || weight > INT32_MAX)
		return -EPROTO;
	s->weight = weight;
	return 0;
}

/* Groups and weights name servers, whose lines may stand behind theirs. */
static const struct {
	const char *prefix;
	bool first_pass;
	int (*take)(struct reader *r, int64_t number, const char *value);
} kinds[] = {
	{ "server.", true, take_server },
	{ "group.", false, take_group },
	{ "weight.", false, take_weight },
};

static int
take_setting(struct reader *r, char *line, bool first_pass)
{
	char *value = strchr(line, '=');
	int64_t number;

	if (value == NULL)
		return -EPROTO;
	*value++ = '\0';
	if (strcmp(line, "version") == 0)
		return server_read_version(slice_str(value), &r->m->version) ? 0 : -EPROTO;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		size_t len = strlen(kinds[i].prefix);

		if (strncmp(line, kinds[i].prefix, len) != 0)
			continue;
		if (kinds[i].first_pass != first_pass)
			return 0;
		if (!read_number(line + len, false, &number) || number < 0)
			return -EPROTO;
		return kinds[i].take(r, number, value);
	}
	return -EPROTO;
}

/* Blanks around a line go, as Java's reader of properties has it; so do empty lines and comments. */
static char *
trim(char *line)
{
	size_t len;

	while (*line == ' ' || *line == '\t' || *line == '\r')
		line++;
	len = strlen(line);
	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
		line[--len] = '\0';
	return line;
}

static int
read_lines(struct reader *r, struct slice text, bool first_pass)
{
	struct slice copy = arena_copy(&r->m->arena, text);
	char *rest = (char *)copy.data, *line;
	unsigned lines = 0;
	int error = 0;

	while (error == 0 && (line = strsep(&rest, "\n")) != NULL) {
		line = trim(line);
		if (*line == '\0' || *line == '#')
			continue;
		error = ++lines > LINES_MAX ? -EPROTO : take_setting(r, line, first_pass);
	}
	return error;
}

static int
check(const struct members *m)
{
	size_t participants = 0;

	for (size_t i = 0; i < m->nservers; i++) {
		const struct config_server *s = &m->servers[i];

		participants += !s->observer;
		if (m->hierarchical && !s->observer && s->group < 0)
			return -EPROTO;
	}
	return participants == 0 ? -EPROTO : 0;
}

int
members_parse(struct slice text, struct members **out)
{
	struct reader r;
	struct buf copy;
	int error;

	*out = NULL;
	if (text.len > MEMBERS_TEXT_MAX || (text.len > 0 && memchr(text.data, '\0', text.len) != NULL))
		return -EPROTO;
	buf_init(&copy, MEMBERS_TEXT_MAX + 1);
	buf_put_slice(&copy, text);
	buf_put_u8(&copy, '\0');
	r.m = make(MEMBERS_MAX, &r.list);
	error = read_lines(&r, buf_slice(&copy), true);
	if (error == 0)
		error = read_lines(&r, buf_slice(&copy), false);
	if (error == 0)
		error = check(r.m);
	buf_free(&copy);
	if (error == 0)
		*out = r.m;
	else
		members_free(r.m);
	return error;
}

/* Copying */

static const char *
copy_text(struct arena *a, const char *text)
{
	struct slice copy;

	if (text == NULL)
		return NULL;
	copy = arena_copy(a, slice_of(text, strlen(text) + 1));
	ASSERT(copy.data != NULL);
	return (const char *)copy.data;
}

static void
copy_servers(struct arena *arena, const struct config_server *servers, size_t n, struct config_server *list)
{
	for (size_t i = 0; i < n; i++) {
		struct config_server_address *a = arena_array(arena, servers[i].naddresses, sizeof *a);

		ASSERT(a != NULL);
		list[i] = servers[i];
		for (size_t k = 0; k < servers[i].naddresses; k++) {
			a[k] = servers[i].addresses[k];
			a[k].host = copy_text(arena, a[k].host);
		}
		list[i].addresses = a;
		list[i].client.host = copy_text(arena, servers[i].client.host);
		list[i].secure_client.host = copy_text(arena, servers[i].secure_client.host);
	}
}

static struct members *
copy_list(const struct config_server *servers, size_t n, bool hierarchical, uint64_t version)
{
	struct config_server *list;
	struct members *m = make(n, &list);

	copy_servers(&m->arena, servers, n, list);
	m->nservers = n;
	m->hierarchical = hierarchical;
	m->version = version;
	return m;
}

struct members *
members_from_config(const struct config *c)
{
	return copy_list(c->servers, c->nservers, c->hierarchical, c->servers_version);
}

struct members *
members_with_version(const struct members *m, uint64_t version)
{
	return copy_list(m->servers, m->nservers, m->hierarchical, version);
}

void
config_set_members(struct config *c, const struct members *m)
{
	struct config_server *list = arena_array(&c->arena, m->nservers, sizeof *list);

	ASSERT(list != NULL);
	copy_servers(&c->arena, m->servers, m->nservers, list);
	c->servers = list;
	c->nservers = m->nservers;
	c->hierarchical = m->hierarchical;
	c->servers_version = m->version;
}

/* Writing */

/* The order of n keys, rising, in a java.util.HashMap of Longs below 2^16: by their place in its table. */
static void
sort_as_java(const int64_t *keys, size_t n, size_t *order)
{
	uint64_t mask = JAVA_TABLE_FIRST - 1;

	while (n > (mask + 1) * 3 / 4)
		mask = mask << 1 | 1;
	for (size_t i = 0; i < n; i++) {
		size_t at = i;

		while (at > 0 && ((uint64_t)keys[order[at - 1]] & mask) > ((uint64_t)keys[i] & mask)) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = i;
	}
}

static void
put_text(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void
put_format(struct buf *out, const char *format, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	put_text(out, text);
}

static void
put_host(struct buf *out, const char *host)
{
	bool six = strchr(host, ':') != NULL;

	put_text(out, six ? "[" : "");
	put_text(out, host);
	put_text(out, six ? "]" : "");
}

/* Java sorts the addresses of a server by their hosts. */
static void
put_addresses(struct buf *out, const struct config_server *s)
{
	const struct config_server_address *sorted[CONFIG_ADDRESSES_MAX];

	ASSERT(s->naddresses <= CONFIG_ADDRESSES_MAX);
	for (size_t i = 0; i < s->naddresses; i++) {
		size_t at = i;

		while (at > 0 && strcmp(sorted[at - 1]->host, s->addresses[i].host) > 0) {
			sorted[at] = sorted[at - 1];
			at--;
		}
		sorted[at] = &s->addresses[i];
	}
	for (size_t i = 0; i < s->naddresses; i++) {
		put_text(out, i > 0 ? "|" : "");
		put_host(out, sorted[i]->host);
		put_format(out, ":%u:%u", sorted[i]->quorum_port, sorted[i]->election_port);
	}
}

static void
put_client(struct buf *out, const struct config_address *a)
{
	put_text(out, ";");
	if (a->port < 0)
		return;
	put_host(out, a->host == NULL ? "0.0.0.0" : a->host);
	put_format(out, ":%d", a->port);
}

static void
put_server(struct buf *out, const struct config_server *s)
{
	put_format(out, "server.%" PRId64 "=", s->sid);
	put_addresses(out, s);
	put_text(out, s->observer ? ":observer" : ":participant");
	if (s->client.port >= 0 || s->secure_client.port >= 0)
		put_client(out, &s->client);
	if (s->secure_client.port >= 0)
		put_client(out, &s->secure_client);
	put_text(out, "\n");
}

static void
put_group(struct buf *out, const struct members *m, const size_t *order, int64_t group)
{
	bool first = true;

	put_format(out, "group.%" PRId64 "=", group);
	for (size_t i = 0; i < m->nservers; i++) {
		const struct config_server *s = &m->servers[order[i]];

		if (s->group != group)
			continue;
		put_format(out, first ? "%" PRId64 : ":%" PRId64, s->sid);
		first = false;
	}
	put_text(out, "\n");
}

/* The groups, each once, rising. */
static size_t
list_groups(const struct members *m, int64_t groups[MEMBERS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < m->nservers; i++) {
		int64_t g = m->servers[i].group;
		size_t at = n;

		while (at > 0 && groups[at - 1] > g)
			at--;
		if (g < 0 || (at > 0 && groups[at - 1] == g))
			continue;
		memmove(groups + at + 1, groups + at, (n - at) * sizeof *groups);
		groups[at] = g;
		n++;
	}
	return n;
}

/* Each of the three maps of a hierarchical verifier has as many entries as there are in it, and so its own order. */
static void
put_hierarchy(struct buf *out, const struct members *m)
{
	int64_t sids[MEMBERS_MAX] = { 0 }, groups[MEMBERS_MAX] = { 0 };
	size_t order[MEMBERS_MAX], group_order[MEMBERS_MAX], n = list_groups(m, groups);

	for (size_t i = 0; i < m->nservers; i++)
		sids[i] = m->servers[i].sid;
	sort_as_java(sids, m->nservers, order);
	sort_as_java(groups, n, group_order);
	for (size_t i = 0; i < n; i++)
		put_group(out, m, order, groups[group_order[i]]);
	for (size_t i = 0; i < m->nservers; i++) {
		const struct config_server *s = &m->servers[order[i]];

		if (s->observer && s->group < 0 && s->weight == 1)
			continue;
		put_format(out, "weight.%" PRId64 "=", s->sid);
		put_format(out, "%" PRId64 "\n", s->weight);
	}
}

void
members_put(const struct members *m, struct buf *out)
{
	int64_t sids[MEMBERS_MAX] = { 0 };
	size_t order[MEMBERS_MAX];

	ASSERT(m->nservers <= MEMBERS_MAX);
	for (size_t i = 0; i < m->nservers; i++)
		sids[i] = m->servers[i].sid;
	sort_as_java(sids, m->nservers, order);
	for (size_t i = 0; i < m->nservers; i++)
		put_server(out, &m->servers[order[i]]);
	if (m->hierarchical)
		put_hierarchy(out, m);
	put_format(out, "version=%" PRIx64, m->version);
}

/* Asking */

const struct config_server *
members_find(const struct members *m, int64_t sid)
{
	for (size_t i = 0; i < m->nservers; i++)
		if (m->servers[i].sid == sid)
			return &m->servers[i];
	return NULL;
}

static void
fill_quorum(const struct members *m, struct quorum *q)
{
	quorum_init(q, m->hierarchical);
	for (size_t i = 0; i < m->nservers; i++) {
		const struct config_server *s = &m->servers[i];
		int error = s->observer
				? 0
				: quorum_add(q, (uint64_t)s->sid, m->hierarchical ? (uint32_t)s->group : 0,
					     (uint32_t)s->weight);

		ASSERT(error == 0);
	}
}

void
members_quorums(const struct members *current, const struct members *pending, struct quorum_pair *q)
{
	*q = (struct quorum_pair){ .has_pending = pending != NULL };
	fill_quorum(current, &q->current);
	if (pending == NULL)
		return;
	q->pending_from = pending->version;
	fill_quorum(pending, &q->pending);
}

bool
members_equal(const struct members *a, const struct members *b)
{
	struct buf x, y;
	bool equal;

	buf_init(&x, MEMBERS_TEXT_MAX);
	buf_init(&y, MEMBERS_TEXT_MAX);
	members_put(a, &x);
	members_put(b, &y);
	equal = slice_equal(buf_slice(&x), buf_slice(&y));
	buf_free(&x);
	buf_free(&y);
	return equal;
}
