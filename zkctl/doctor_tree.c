/*
 * What a session finds that words do not tell: the member list in force, quotas, and by a walk through the tree the
 * schemes of its ACLs and its largest replies. The walk ends after so many znodes: an ensemble is not to be burdened for
 * the sake of the last one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/members.h"
#include "data.h"
#include "doctor.h"
#include "walk.h"

enum { DEPTH_MAX = 512, SCHEMES_MAX = 16, ENOUGH = 1 };

struct survey {
	struct doctor *d;
	int64_t most, seen, unreadable;
	char schemes[SCHEMES_MAX][32];
	int64_t of_scheme[SCHEMES_MAX];
	unsigned nschemes;
	uint64_t largest_data, largest_list;
	char data_path[256], list_path[256];
	uint64_t lists[DEPTH_MAX]; /* bytes of the names below the znode at each depth of the way here */
	char way[DEPTH_MAX][64];   /* and the beginning of its path */
};

/* ---- The member list ---- */

static void
judge_members(struct doctor *d, const struct members *m)
{
	bool secure = false;

	for (size_t i = 0; i < m->nservers; i++)
		secure |= m->servers[i].secure_client.port > 0;
	if (secure && doctor_is_refused("secureClientPort"))
		doctor_say(d, DOCTOR_STOP, "members",
			   "have the clients use the plain port on a network that you trust",
			   "a server of the list serves clients over TLS, which zkd does not have");
	if (m->nservers > d->servers.n)
		doctor_say(d, DOCTOR_WARN, "members", "name all servers with --server",
			   "the list in force has %zu servers, and %u were asked", m->nservers, d->servers.n);
	if (m->version > 0)
		doctor_say(
		    d, DOCTOR_WARN, "members",
		    "see that every server has it in its zoo.cfg.dynamic file; a leader of zkd refuses to "
		    "change it, so do that before, or while a ZooKeeper server leads",
		    "the list was changed while the ensemble ran (version 0x%" PRIx64 ")", m->version);
	else
		doctor_say(d, DOCTOR_OK, "members", NULL, "%zu servers, as the files say", m->nservers);
}

static void
read_members(struct doctor *d, struct zk *z)
{
	struct members *m;
	struct zk_answer a;
	int32_t code;

	if (zk_get(z, "/zookeeper/config", &a, &code) != 0 || code != ZK_OK || a.data.len == 0)
		return;
	if (members_parse(a.data, &m) != 0) {
		doctor_say(d, DOCTOR_WARN, "members", "look at it: zkctl get /zookeeper/config",
			   "the list in /zookeeper/config cannot be read");
		return;
	}
	judge_members(d, m);
	members_free(m);
}

/* ---- The tree ---- */

static void
count_scheme(struct survey *s, struct slice scheme)
{
	size_t len = scheme.len < sizeof s->schemes[0] ? scheme.len : sizeof s->schemes[0] - 1;

	for (unsigned i = 0; i < s->nschemes; i++)
		if (strlen(s->schemes[i]) == len && memcmp(s->schemes[i], scheme.data, len) == 0) {
			s->of_scheme[i]++;
			return;
		}
	if (s->nschemes == SCHEMES_MAX)
		return;
	memcpy(s->schemes[s->nschemes], scheme.data, len);
	s->schemes[s->nschemes][len] = '\0';
	s->of_scheme[s->nschemes++] = 1;
}

/* The name goes into its parent's list, which is whole when the walk has come back from it. */
static void
count_name(struct survey *s, const struct walk_node *n)
{
	const char *slash = strrchr(n->path, '/');

	if (n->depth >= DEPTH_MAX)
		return;
	s->lists[n->depth] = 4;
	snprintf(s->way[n->depth], sizeof s->way[0], "%s", n->path);
	if (n->depth == 0)
		return;
	uint64_t *list = &s->lists[n->depth - 1];
	*list += 4 + strlen(slash + 1);
	if (*list > s->largest_list) {
		s->largest_list = *list;
		snprintf(s->list_path, sizeof s->list_path, "%s", s->way[n->depth - 1]);
	}
}

static int
visit(void *owner, const struct walk_node *n)
{
	struct survey *s = owner;

	if (s->seen == s->most || data_stopped())
		return ENOUGH;
	s->seen++;
	count_name(s, n);
	if (n->error != 0)
		s->unreadable++;
	for (int32_t i = 0; n->acl != NULL && i < n->acl->n; i++)
		count_scheme(s, n->acl->v[i].id.scheme);
	if (n->stat.data_length > 0 && (uint64_t)n->stat.data_length > s->largest_data) {
		s->largest_data = (uint64_t)n->stat.data_length;
		snprintf(s->data_path, sizeof s->data_path, "%s", n->path);
	}
	return 0;
}

static bool
known_scheme(const char *scheme)
{
	return strcmp(scheme, "world") == 0 || strcmp(scheme, "digest") == 0 || strcmp(scheme, "ip") == 0 ||
	       strcmp(scheme, "auth") == 0;
}

static void
judge_schemes(struct survey *s)
{
	struct doctor *d = s->d;
	const char *known = "";

	for (unsigned i = 0; i < s->nschemes; i++) {
		if (known_scheme(s->schemes[i]))
			known =
			    doctor_format(d, "%s%s%s", known, known[0] == '\0' ? "" : ", ", s->schemes[i]);
		else
			doctor_say(d, DOCTOR_STOP, "ACLs",
				   "give these znodes an ACL of scheme digest or ip first (zkctl acl set)",
				   "%" PRId64
				   " entries of scheme %s, which zkd cannot check: nobody would get through "
				   "them",
				   s->of_scheme[i], s->schemes[i]);
	}
	if (known[0] != '\0')
		doctor_say(d, DOCTOR_OK, "ACLs", NULL, "%" PRId64 " znodes read, with ACLs of %s", s->seen,
			   known);
	if (s->unreadable > 0)
		doctor_say(d, DOCTOR_WARN, "ACLs", "ask again with a credential: --auth digest:@FILE",
			   "%" PRId64 " znodes may not be read, and what is below them was not seen",
			   s->unreadable);
	if (s->seen == s->most)
		doctor_say(d, DOCTOR_WARN, "ACLs", "look at more with --count",
			   "only the first %" PRId64 " znodes were read", s->seen);
}

static void
judge_sizes(struct survey *s)
{
	struct doctor *d = s->d;
	static const char way[] =
	    "give zkd the jute.maxbuffer that ZooKeeper's servers and clients have: zkctl adopt -D "
	    "jute.maxbuffer=...";

	if (s->largest_data > (uint64_t)d->max_buffer)
		doctor_say(d, DOCTOR_STOP, "jute.maxbuffer", way,
			   "%s has %" PRIu64 " bytes of data, above %" PRId64, s->data_path, s->largest_data,
			   d->max_buffer);
	if (s->largest_list > (uint64_t)d->max_buffer)
		doctor_say(d, DOCTOR_STOP, "jute.maxbuffer", way,
			   "the children of %s take %" PRIu64 " bytes, above %" PRId64, s->list_path,
			   s->largest_list, d->max_buffer);
	if (s->largest_data <= (uint64_t)d->max_buffer && s->largest_list <= (uint64_t)d->max_buffer)
		doctor_say(d, DOCTOR_OK, "jute.maxbuffer", NULL,
			   "largest data %" PRIu64 " bytes, largest list of children %" PRIu64
			   ", allowed %" PRId64,
			   s->largest_data, s->largest_list, d->max_buffer);
}

static int
count_quota(void *owner, const struct walk_node *n)
{
	static const char end[] = "/zookeeper_limits";
	size_t len = strlen(n->path);

	if (len > sizeof end && strcmp(n->path + len - (sizeof end - 1), end) == 0)
		++*(int64_t *)owner;
	return 0;
}

static void
read_quotas(struct doctor *d, struct zk *z)
{
	int64_t quotas = 0;
	struct walk w = { .depth_most = -1, .visit = count_quota, .owner = &quotas };
	int32_t code;

	if (walk_tree(z, "/zookeeper/quota", &w, &code) == 0 && quotas > 0)
		doctor_say(d, DOCTOR_OK, "quotas", NULL,
			   "%" PRId64 ", which zkd counts and, with enforceQuota=true, enforces alike",
			   quotas);
}

void
doctor_read_tree(struct doctor *d, const struct options *o, int64_t most)
{
	struct survey *s = mem_zalloc(1, sizeof *s);
	struct walk w = { .want = WALK_ACL, .depth_most = -1, .visit = visit, .owner = s };
	struct options own = *o;
	char list[ZK_SERVERS_MAX * (ZK_HOST_BYTES + 8)] = "";
	struct zk *z;
	int32_t code;

	*s = (struct survey){ .d = d, .most = most };
	for (unsigned i = 0, n = 0; i < d->servers.n; i++)
		if (d->views[i].answers)
			n += (unsigned)snprintf(list + n, sizeof list - n, "%s%s", n == 0 ? "" : ",",
						d->views[i].name);
	own.server = list;
	if (list[0] == '\0' || data_open(&own, &z) != ZKCTL_OK) {
		doctor_say(d, DOCTOR_STOP, "tree", "see why no server takes a session",
			   "no session could be opened");
		mem_free(s);
		return;
	}
	read_members(d, z);
	read_quotas(d, z);
	if (walk_tree(z, "/", &w, &code) < 0)
		doctor_say(d, DOCTOR_WARN, "tree", "ask again", "it could not be read to its end: %s",
			   z->why);
	judge_schemes(s);
	judge_sizes(s);
	data_close(&own, z);
	mem_free(s);
}
