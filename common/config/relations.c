/* Relations between keys, and what follows from others. Source: ZooKeeper, QuorumPeerConfig. */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/quorum.h"
#include "room.h"

/* Largest server number that fits beside the TTL in an ephemeral owner (ZooKeeper: EphemeralType). */
enum { SID_MAX_EXTENDED = 254 };

/* What the checks look at. */
struct check {
	struct config *c;
	struct config_report *r;
	struct origin file;
	const struct setting *settings;
	size_t n;
};

static const struct setting *
find(const struct check *k, const char *name)
{
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->settings[i].name, name) == 0)
			return &k->settings[i];
	return NULL;
}

/* Where name was said, or else the file as a whole. */
static struct origin
where(const struct check *k, const char *name)
{
	const struct setting *s = find(k, name);

	return s == NULL ? k->file : s->origin;
}

static size_t
count_participants(const struct config *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nservers; i++)
		n += !c->servers[i].observer;
	return n;
}

bool
config_is_ensemble(const struct config *c)
{
	size_t participants = count_participants(c);

	return participants > 1 || (participants == 1 && !c->standalone_enabled);
}

const struct config_server *
config_find_server(const struct config *c, int64_t sid)
{
	for (size_t i = 0; i < c->nservers; i++)
		if (c->servers[i].sid == sid)
			return &c->servers[i];
	return NULL;
}

bool
config_word_allowed(const struct config *c, const char *word)
{
	if (c->words_all)
		return true;
	for (size_t i = 0; i < c->nwords; i++)
		if (strlen(c->words[i]) == 4 && memcmp(c->words[i], word, 4) == 0)
			return true;
	return false;
}

const char *
config_daemon_name(enum config_daemon d)
{
	static const char *const names[CONFIG_DAEMONS] = {
		[CONFIG_ELECTIOND] = "electiond", [CONFIG_SYNCD] = "syncd",   [CONFIG_CLIENTD] = "clientd",
		[CONFIG_LOGD] = "logd",           [CONFIG_ADMIND] = "admind",
	};

	return names[d];
}

static int
ticks_to_ms(const struct config *c, int ticks)
{
	int ms;

	return __builtin_mul_overflow(c->tick_time_ms, ticks, &ms) ? INT32_MAX : ms;
}

/* "[::1]" is how some write an address where no port follows. */
static const char *
without_brackets(struct config *c, const char *host)
{
	size_t len = host == NULL ? 0 : strlen(host);
	struct slice copy;

	if (len < 3 || host[0] != '[' || host[len - 1] != ']')
		return host;
	copy = arena_copy(&c->arena, slice_of(host + 1, len - 1));
	ASSERT(copy.data != NULL);
	((char *)copy.data)[len - 2] = '\0';
	return (const char *)copy.data;
}

static void
derive(struct config *c)
{
	if (c->data_log_dir == NULL)
		c->data_log_dir = c->data_dir;
	if (c->min_session_timeout_ms == -1)
		c->min_session_timeout_ms = ticks_to_ms(c, 2);
	if (c->max_session_timeout_ms == -1)
		c->max_session_timeout_ms = ticks_to_ms(c, 20);
	c->client_port_address = without_brackets(c, c->client_port_address);
	c->admin_address = without_brackets(c, c->admin_address);
	c->metrics_host = without_brackets(c, c->metrics_host);
}

/* Missing, that is: not even said with a value that was refused. */
static bool
is_missing(const struct check *k, const char *name)
{
	const struct setting *s = find(k, name);

	return s == NULL || s->value[0] == '\0';
}

/* ZooKeeper: QuorumPeerConfig.parseDynamicConfig. */
static void
note_tolerance(const struct check *k, size_t participants)
{
	if (participants <= 2)
		report_notice(k->r, k->file, NULL,
			      "%zu participant%s: the failure of no server is tolerated; that takes three",
			      participants, participants == 1 ? "" : "s");
	else if (participants % 2 == 0)
		report_notice(k->r, k->file, NULL, "%zu participants tolerate no more failures than %zu do",
			      participants, participants - 1);
}

/* Session ids have one byte for the server that made them, and so has every set of servers here. */
static void
check_sids(const struct check *k)
{
	for (size_t i = 0; i < k->c->nservers; i++)
		if (k->c->servers[i].sid >= SID_LIMIT)
			report_error(k->r, k->file, NULL,
				     "server.%lld: the number is too high; allowed: server.N with N 0..%d",
				     (long long)k->c->servers[i].sid, SID_LIMIT - 1);
}

static void
check_ensemble(const struct check *k)
{
	static const char *const limits[] = { "initLimit", "syncLimit" };
	size_t participants = count_participants(k->c);

	if (k->c->nservers > participants && participants < 2)
		report_error(
		    k->r, k->file, NULL,
		    "observers need an ensemble; allowed: at least two server.N that are participants");
	if (!k->c->standalone_enabled && participants == 0)
		report_error(k->r, where(k, "standaloneEnabled"), "standaloneEnabled",
			     "\"false\" needs a server list; allowed: at least one server.N");
	for (size_t i = 0; config_is_ensemble(k->c) && i < sizeof limits / sizeof limits[0]; i++)
		if (find(k, limits[i]) == NULL)
			report_error(k->r, k->file, limits[i],
				     "missing; an ensemble needs it; allowed: 1..2147483647 (ticks)");
	if (config_is_ensemble(k->c)) {
		check_sids(k);
		note_tolerance(k, participants);
	}
}

static void
check_intervals(const struct check *k)
{
	static const char least[] = "fastleader.minNotificationInterval";

	if (k->c->min_notification_interval_ms > k->c->max_notification_interval_ms)
		report_error(
		    k->r, where(k, least), least,
		    "\"%d\" is above fastleader.maxNotificationInterval \"%d\"; allowed: at most that",
		    k->c->min_notification_interval_ms, k->c->max_notification_interval_ms);
}

static void
check_myid(const struct config *c, struct origin o, struct config_report *r)
{
	if (c->myid < 0)
		return;
	if (config_is_ensemble(c) && config_find_server(c, c->myid) == NULL)
		report_error(r, o, "myid", "\"%lld\" is no server of the list; allowed: the N of a server.N",
			     (long long)c->myid);
	if (c->extended_types_enabled && c->myid > SID_MAX_EXTENDED)
		report_error(r, o, "myid", "\"%lld\" is too high with extendedTypesEnabled; allowed: 0..%d",
			     (long long)c->myid, SID_MAX_EXTENDED);
}

/* The list decides which role this server has (ZooKeeper: setupPeerType). */
static void
note_peer_type(const struct config *c, struct origin o, struct config_report *r)
{
	const struct config_server *s = c->myid < 0 ? NULL : config_find_server(c, c->myid);

	if (s == NULL || !config_is_ensemble(c) || s->observer == (c->peer_type == CONFIG_OBSERVER))
		return;
	report_notice(r, o, "peerType", "%s, but server.%lld is %s in the list, which decides",
		      c->peer_type == CONFIG_OBSERVER ? "observer" : "participant", (long long)s->sid,
		      s->observer ? "an observer" : "a participant");
}

/* The client part of this server's own line is where it listens (ZooKeeper: setupClientPort). */
static void
take_own_client_part(struct config *c, struct origin o, struct config_report *r)
{
	const struct config_server *s = c->myid < 0 ? NULL : config_find_server(c, c->myid);
	const char *host;

	if (s == NULL || s->client.port < 0)
		return;
	host = s->client.host;
	if (host != NULL && (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0))
		host = NULL;
	if (c->client_port >= 0 && (c->client_port != s->client.port ||
				    (c->client_port_address != NULL &&
				     (host == NULL || strcmp(host, c->client_port_address) != 0)))) {
		report_error(r, o, "clientPort",
			     "\"%d\" is not the client address of server.%lld, port %d; allowed: one of "
			     "the two, or the same in both",
			     c->client_port, (long long)s->sid, s->client.port);
		return;
	}
	c->client_port = s->client.port;
	c->client_port_address = host;
}

/* The schemes that this version can prove; each one in the list must be one (ZooKeeper: AuthenticationHelper). */
static bool
known_schemes(const char *list)
{
	for (;; list++) {
		size_t len;
		list += strspn(list, " \t");
		len = strcspn(list, ", \t");
		if (!(len == 6 && strncmp(list, "digest", 6) == 0) &&
		    !(len == 2 && strncmp(list, "ip", 2) == 0))
			return false;
		list += len;
		list += strspn(list, " \t");
		if (*list != ',')
			return *list == '\0';
	}
}

static void
check_enforced_auth(const struct check *k)
{
	static const char schemes[] = "enforce.auth.schemes";
	const char *list = k->c->enforce_auth_schemes;

	if (!k->c->enforce_auth)
		return;
	if (list == NULL)
		report_error(
		    k->r, where(k, "enforce.auth.enabled"), schemes,
		    "missing; enforce.auth.enabled needs it; allowed: digest, ip, or both with a comma");
	else if (!known_schemes(list))
		report_error(k->r, where(k, schemes), schemes,
			     "\"%s\" asks for what this version cannot prove; allowed: digest, ip, or both "
			     "with a comma",
			     list);
}

static void
check_session_timeouts(const struct check *k)
{
	const char *name = find(k, "minSessionTimeout") != NULL ? "minSessionTimeout" : "maxSessionTimeout";

	if (k->c->min_session_timeout_ms > k->c->max_session_timeout_ms)
		report_error(k->r, where(k, name), "minSessionTimeout",
			     "\"%d\" is above maxSessionTimeout \"%d\"; allowed: at most that",
			     k->c->min_session_timeout_ms, k->c->max_session_timeout_ms);
}

static void
check_client_port(const struct check *k)
{
	if (k->c->client_port >= 0 || find(k, "clientPort") != NULL)
		return;
	if (k->c->client_port_address != NULL)
		report_error(k->r, where(k, "clientPortAddress"), "clientPort",
			     "missing, but clientPortAddress is set; allowed: 0..65535 (port)");
	else if (k->c->nservers == 0)
		report_notice(k->r, k->file, "clientPort", "missing; no client will be able to connect");
}

/* Where the commands of the AdminServer are. */
static void
check_admin_url(const struct check *k)
{
	const char *url = k->c->admin_url;
	size_t len = url == NULL ? 0 : strlen(url);

	if (len < 2 || url[0] != '/' || url[len - 1] == '/' || strcspn(url, " ?#%") != len)
		report_error(
		    k->r, where(k, "admin.commandURL"), "admin.commandURL",
		    "is no path; allowed: a path that begins with a slash and does not end with one, "
		    "such as /commands");
}

void
relations_check(struct config *c, struct origin file, const struct setting *settings, size_t n,
		struct config_report *r)
{
	struct check k = { c, r, file, settings, n };

	derive(c);
	if (is_missing(&k, "dataDir"))
		report_error(r, where(&k, "dataDir"), "dataDir", "missing; allowed: the path of a folder");
	check_session_timeouts(&k);
	check_enforced_auth(&k);
	if (c->dynamic_config_file != NULL)
		return; /* the list is still to come */
	check_ensemble(&k);
	check_intervals(&k);
	check_myid(c, where(&k, "myid"), r);
	take_own_client_part(c, where(&k, "clientPort"), r);
	note_peer_type(c, where(&k, "peerType"), r);
	check_client_port(&k);
	check_admin_url(&k);
	if (!c->force_sync)
		report_notice(r, where(&k, "forceSync"), "forceSync",
			      "no: a power failure loses acknowledged writes");
	if (c->skip_acl)
		report_notice(r, where(&k, "skipACL"), "skipACL",
			      "yes: no ACL is checked, every client may do everything");
}

int
config_take_myid(struct config *c, struct slice content, const char *file, struct config_report *r)
{
	char line[32], quoted[QUOTED_BYTES];
	size_t len = 0, before = r->nerrors;
	struct origin o = { file, 1 };

	/* ZooKeeper reads the first line; blanks around the number are forgiven here. */
	while (content.len > 0 && *content.data == ' ') {
		content.data++;
		content.len--;
	}
	while (len < content.len && len < sizeof line - 1 && content.data[len] > ' ') {
		line[len] = (char)content.data[len];
		len++;
	}
	line[len] = '\0';
	if (!read_number(line, false, &c->myid) || c->myid < 0) {
		c->myid = -1;
		report_error(r, o, NULL, "%s is not a server number; allowed: 0..9223372036854775807",
			     quote_value(line, quoted));
		return -EINVAL;
	}
	check_myid(c, o, r);
	take_own_client_part(c, o, r);
	note_peer_type(c, o, r);
	return r->nerrors > before ? -EINVAL : 0;
}
