/*
 * The server list: server.N, group.N and weight.N. Source: ZooKeeper, QuorumPeer.QuorumServer and
 * QuorumHierarchical. Invariant: c->servers is sorted by sid, each sid once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "room.h"

static const char FORM[] = "allowed: host:quorumPort:electionPort[:participant|:observer][|more addresses]"
			   "[;[host:]clientPort]";

/* Cuts the next part off *rest at the first sep; the part is NUL-terminated in place. NULL when nothing is
 * left. */
static char *
cut(char **rest, char sep)
{
	char *part = *rest, *end;

	if (part == NULL)
		return NULL;
	end = strchr(part, sep);
	if (end != NULL)
		*end++ = '\0';
	*rest = end;
	return part;
}

/* Cuts the host off *rest, which goes on behind the ':' (NULL where nothing follows). NULL when malformed. */
static char *
cut_host(char **rest)
{
	char *host = *rest, *close;

	if (*host != '[')
		return cut(rest, ':');
	close = strchr(++host, ']');
	if (close == NULL || (close[1] != ':' && close[1] != '\0'))
		return NULL;
	*rest = close[1] == ':' ? close + 2 : NULL;
	*close = '\0';
	return host;
}

/* A host is a name or an address; what it resolves to is found out at each dial. */
static bool
is_host(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len > 255)
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr("[]|;,=/\"", *s) != NULL)
			return false;
	return true;
}

static bool
read_port(const char *text, int *port)
{
	int64_t n;

	if (text == NULL || !read_number(text, false, &n) || n < 1 || n > 65535)
		return false;
	*port = (int)n;
	return true;
}

/* "[host:]port"; an empty or missing part says nothing. */
static const char *
read_client_part(char *part, struct config_address *out)
{
	char *rest = part, *host;

	if (part == NULL || *part == '\0')
		return NULL;
	if (*part != '[' && strchr(part, ':') == NULL)
		return read_port(part, &out->port) ? NULL : "has a client port that is not 1..65535";
	host = cut_host(&rest);
	if (host == NULL || !is_host(host))
		return "has a malformed client address";
	if (!read_port(rest, &out->port))
		return "has a client port that is not 1..65535";
	out->host = host;
	return NULL;
}

/* "host:quorum:election[:role]"; role is -1 where it says none. */
static const char *
read_address(char *part, struct config_server_address *out, int *role)
{
	int quorum, election;
	char *rest = part, *host = cut_host(&rest), *word;

	if (host == NULL || !is_host(host))
		return "has a malformed host";
	if (!read_port(cut(&rest, ':'), &quorum))
		return "has no quorum port (1..65535)";
	if (!read_port(cut(&rest, ':'), &election))
		return "has no election port (1..65535)";
	if (quorum == election)
		return "has one port for both quorum and election";
	*out = (struct config_server_address){ host, (uint16_t)quorum, (uint16_t)election };
	*role = -1;
	word = cut(&rest, ':');
	if (word == NULL)
		return NULL;
	*role = strcasecmp(word, "observer") == 0;
	if (rest != NULL || (*role == 0 && strcasecmp(word, "participant") != 0))
		return "has a role that is neither participant nor observer";
	return NULL;
}

static const char *
read_addresses(struct arena *arena, struct config_server *s, char *list)
{
	struct config_server_address *a = arena_array(arena, CONFIG_ADDRESSES_MAX, sizeof *a);
	char *part;
	int known = -1;

	ASSERT(a != NULL);
	s->addresses = a;
	while ((part = cut(&list, '|')) != NULL) {
		int role;
		if (s->naddresses == CONFIG_ADDRESSES_MAX)
			return "has more than 16 addresses";
		const char *problem = read_address(part, &a[s->naddresses], &role);
		if (problem != NULL)
			return problem;
		if (role >= 0 && known >= 0 && role != known)
			return "has different roles for its addresses";
		known = role >= 0 ? role : known;
		s->naddresses++;
	}
	s->observer = known == 1;
	return NULL;
}

const char *
server_read(struct arena *arena, struct config_server *s, const char *value)
{
	struct slice copy = arena_copy(arena, slice_of(value, strlen(value) + 1));
	char *rest = (char *)copy.data, *addresses;
	const char *problem;

	ASSERT(rest != NULL);
	*s = (struct config_server){
		.sid = s->sid, .group = -1, .weight = 1, .client = { NULL, -1 }, .secure_client = { NULL, -1 }
	};
	addresses = cut(&rest, ';');
	problem = read_addresses(arena, s, addresses);
	if (problem == NULL)
		problem = read_client_part(cut(&rest, ';'), &s->client);
	if (problem == NULL)
		problem = read_client_part(cut(&rest, ';'), &s->secure_client);
	return problem == NULL && rest != NULL ? "has too many parts" : problem;
}

bool
server_read_version(struct slice text, uint64_t *version)
{
	/* A digit has the bit that makes a letter small already. */
	static const char digits[16] = "0123456789abcdef";
	uint64_t n = 0;

	if (text.len == 0 || text.len > 16)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		const char *digit = c < '0' ? NULL : memchr(digits, c | 0x20, sizeof digits);

		if (digit == NULL)
			return false;
		n = n << 4 | (uint64_t)(digit - digits);
	}
	*version = n;
	return true;
}

/* The number behind the dot of server.N, group.N, weight.N. */
static bool
read_suffix(const struct setting *s, int64_t *n)
{
	return read_number(strchr(s->name, '.') + 1, false, n) && *n >= 0;
}

static bool
has_prefix(const struct setting *s, const char *prefix)
{
	return s->key != NULL && s->key->type == CONFIG_SPECIAL &&
	       strncmp(s->name, prefix, strlen(prefix)) == 0;
}

static void
take_server(struct config *c, struct config_server *list, const struct setting *set, struct config_report *r)
{
	char quoted[QUOTED_BYTES];
	const char *problem;
	struct config_server s = { .sid = -1 };
	size_t at = c->nservers;

	if (!read_suffix(set, &s.sid)) {
		report_error(r, set->origin, set->name,
			     "the server's number is missing; allowed: server.N with N 0 or above");
		return;
	}
	problem = server_read(&c->arena, &s, set->value);
	if (problem != NULL) {
		report_error(r, set->origin, set->name, "%s %s; %s", quote_value(set->value, quoted), problem,
			     FORM);
		return;
	}
	if (s.secure_client.port >= 0)
		report_error(r, set->origin, set->name,
			     "%s has a TLS client port; TLS is not built yet; remove the part "
			     "behind the second ';'",
			     quote_value(set->value, quoted));
	while (at > 0 && list[at - 1].sid > s.sid)
		at--;
	if (at > 0 && list[at - 1].sid == s.sid) {
		report_error(r, set->origin, set->name, "server %lld is there twice, written differently",
			     (long long)s.sid);
		return;
	}
	memmove(list + at + 1, list + at, (c->nservers - at) * sizeof *list);
	list[at] = s;
	c->nservers++;
}

static struct config_server *
find_server(struct config *c, int64_t sid)
{
	for (size_t i = 0; i < c->nservers; i++)
		if (c->servers[i].sid == sid)
			return (struct config_server *)&c->servers[i];
	return NULL;
}

static void
take_group(struct config *c, const struct setting *set, struct config_report *r)
{
	struct slice copy = arena_copy(&c->arena, slice_of(set->value, strlen(set->value) + 1));
	char *rest = (char *)copy.data, *part, quoted[QUOTED_BYTES];
	int64_t gid, sid;

	ASSERT(rest != NULL);
	if (!read_suffix(set, &gid) || gid > UINT32_MAX) {
		report_error(r, set->origin, set->name,
			     "the group's number is missing; allowed: group.N with N 0..4294967295");
		return;
	}
	c->hierarchical = true;
	while ((part = cut(&rest, ':')) != NULL) {
		struct config_server *s = read_number(part, false, &sid) ? find_server(c, sid) : NULL;
		if (s == NULL)
			report_error(r, set->origin, set->name,
				     "%s is not a server of the list; allowed: numbers of "
				     "server.N lines, with ':' between",
				     quote_value(part, quoted));
		else if (s->group >= 0)
			report_error(r, set->origin, set->name, "server %lld is in more than one group",
				     (long long)sid);
		else
			s->group = gid;
	}
}

static void
take_weight(struct config *c, const struct setting *set, struct config_report *r)
{
	char quoted[QUOTED_BYTES];
	int64_t sid, weight;
	struct config_server *s = read_suffix(set, &sid) ? find_server(c, sid) : NULL;

	c->hierarchical = true;
	if (s == NULL)
		report_error(r, set->origin, set->name,
			     "there is no such server in the list; allowed: weight.N for a server.N");
	else if (!read_number(set->value, false, &weight) || weight < 0 || weight > INT32_MAX)
		report_error(r, set->origin, set->name, "%s is not a weight; allowed: 0..2147483647",
			     quote_value(set->value, quoted));
	else
		s->weight = weight;
}

static void
take_version(struct config *c, const struct setting *set, struct config_report *r)
{
	char quoted[QUOTED_BYTES];

	if (!server_read_version(slice_str(set->value), &c->servers_version))
		report_error(r, set->origin, set->name,
			     "%s is no version; allowed: 1 to 16 hexadecimal digits",
			     quote_value(set->value, quoted));
}

static void
check_groups(struct config *c, struct origin o, struct config_report *r)
{
	for (size_t i = 0; c->hierarchical && i < c->nservers; i++)
		if (!c->servers[i].observer && c->servers[i].group < 0)
			report_error(r, o, NULL,
				     "server.%lld is in no group; with group.N or weight.N lines every "
				     "participant needs one",
				     (long long)c->servers[i].sid);
}

void
servers_read(struct config *c, const struct setting *settings, size_t n, struct config_report *r)
{
	struct config_server *list;
	struct origin last = { "configuration", 0 };
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += has_prefix(&settings[i], "server.");
	list = arena_array(&c->arena, count + 1, sizeof *list);
	ASSERT(list != NULL);
	c->servers = list;
	for (size_t i = 0; i < n; i++)
		if (has_prefix(&settings[i], "server."))
			take_server(c, list, &settings[i], r);
		else if (strcmp(settings[i].name, "version") == 0)
			take_version(c, &settings[i], r);
	for (size_t i = 0; i < n; i++) {
		if (has_prefix(&settings[i], "group."))
			take_group(c, &settings[i], r);
		else if (has_prefix(&settings[i], "weight."))
			take_weight(c, &settings[i], r);
		else
			continue;
		last = settings[i].origin;
	}
	check_groups(c, last, r);
}
