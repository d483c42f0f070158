/*
 * The second step of an adoption: what each setting did in ZooKeeper, and what becomes of it. What zkd knows of a key
 * comes from the table of common/config alone; here stands what ZooKeeper does with the places where a key can be
 * written (ZooKeeper: QuorumPeerConfig.parseProperties, and the System.getProperty calls).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "adopt.h"
#include "base/assert.h"

/* Read in zoo.cfg, and nowhere else. */
static const char *const cfg_only[] = {
	"dataDir",
	"dataLogDir",
	"clientPort",
	"localSessionsEnabled",
	"localSessionsUpgradingEnabled",
	"clientPortAddress",
	"secureClientPort",
	"secureClientPortAddress",
	"observerMasterPort",
	"clientPortListenBacklog",
	"tickTime",
	"maxClientCnxns",
	"minSessionTimeout",
	"maxSessionTimeout",
	"initLimit",
	"syncLimit",
	"connectToLearnerMasterLimit",
	"electionAlg",
	"quorumListenOnAllIPs",
	"peerType",
	"syncEnabled",
	"dynamicConfigFile",
	"autopurge.snapRetainCount",
	"autopurge.purgeInterval",
	"standaloneEnabled",
	"reconfigEnabled",
	"sslQuorum",
	"portUnification",
	"sslQuorumReloadCertFiles",
	"server.*",
	"group.*",
	"weight.*",
	"quorum.auth.enableSasl",
	"quorum.auth.learnerRequireSasl",
	"quorum.auth.serverRequireSasl",
	"quorum.auth.learner.saslLoginContext",
	"quorum.auth.server.saslLoginContext",
	"quorum.auth.kerberos.servicePrincipal",
	"quorum.cnxn.threads.size",
	"jvm.pause.monitor",
	"jvm.pause.warn-threshold.ms",
	"jvm.pause.info-threshold.ms",
	"jvm.pause.sleep.time.ms",
	"metricsProvider.className",
	"metricsProvider.*",
	"oraclePath",
};

/* Properties of just this name: zoo.cfg cannot set them, for there every key gets "zookeeper." before it. */
static const char *const bare_only[] = {
	"jute.maxbuffer",
	"readonlymode.enabled",
	"znode.container.checkIntervalMs",
	"znode.container.maxPerMinute",
	"znode.container.maxNeverUsedIntervalMs",
	"leader.nodelay",
	"follower.nodelay",
	"java.security.auth.login.config",
};

/* Properties of the JVM and its logging; the first that fits. */
static const struct {
	const char *begin, *text;
} jvm_properties[] = {
	{ "com.sun.management.", "there is no JMX; metrics are had by mntr, the AdminServer and Prometheus" },
	{ "java.rmi.", "there is no JMX; metrics are had by mntr, the AdminServer and Prometheus" },
	{ "zookeeper.jmx.", "there is no JMX; metrics are had by mntr, the AdminServer and Prometheus" },
	{ "zookeeper.log", "zkd logs to standard error and the journal" },
	{ "zookeeper.root.logger", "zkctl log-level sets how much zkd logs" },
	{ "zookeeper.console.", "zkctl log-level sets how much zkd logs" },
	{ "zookeeper.tracelog.", "zkctl trace shows what a daemon decides" },
	{ "log4j", "zkd logs to standard error and the journal" },
	{ "logback", "zkd logs to standard error and the journal" },
	{ "java.security.krb5.", "of SASL, which zkd does not have; of no effect alone" },
	{ "sun.security.", "of the JVM" },
	{ "java.", "of the JVM" },
	{ "javax.", "of the JVM" },
	{ "sun.", "of the JVM" },
	{ "jdk.", "of the JVM" },
	{ "file.encoding", "of the JVM" },
	{ "user.", "of the JVM" },
};

/* What is honoured and yet not quite the same; value NULL: any. */
static const struct {
	const char *key, *value, *text;
} remarks[] = {
	{ "reconfigEnabled", "true",
	  "zkd follows a change of membership that a ZooKeeper leader commits; it may refuse to make one "
	  "itself" },
	{ "dynamicConfigFile", NULL, "zkd reads it; see zoo.cfg(5) for who writes it" },
	{ "skipACL", "yes", "as in ZooKeeper, no ACL is checked" },
	{ "forceSync", "no", "as in ZooKeeper, a power failure loses acknowledged writes" },
};

static bool
is_in(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}
#define IS_IN(name, list) is_in(name, list, sizeof(list) / sizeof(list)[0])

static bool
begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static const char *
table_name(const char *name)
{
	const struct config_key *k = config_key_find(name);

	return k == NULL ? name : k->name;
}

/* ---- Findings ---- */

bool
adopt_is_secret(const struct adopt_setting *s)
{
	static const struct config_key none = { .name = "" };

	return config_key_is_secret(s->key == NULL ? &none : s->key, s->written);
}

static struct adopt_finding *__attribute__((format(printf, 4, 0)))
add(struct adoption *a, enum adopt_class class, const char *subject, const char *format, va_list ap)
{
	struct adopt_finding *f = &a->findings[a->nfindings];
	char text[1024];

	if (a->nfindings == ADOPT_FINDINGS_MAX - 1)
		return f;
	a->nfindings++;
	*f = (struct adopt_finding){ .class = class, .subject = subject };
	if (format != NULL) {
		vsnprintf(text, sizeof text, format, ap);
		f->text = adopt_format(a, "%s", text);
	}
	return f;
}

void
adopt_add(struct adoption *a, enum adopt_class class, const char *subject, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add(a, class, subject, format, ap);
	va_end(ap);
}

void
adopt_add_setting(struct adoption *a, enum adopt_class class, const struct adopt_setting *s,
		  const char *format, ...)
{
	struct adopt_finding *f;
	va_list ap;

	va_start(ap, format);
	f = add(a, class, s->written, format, ap);
	va_end(ap);
	f->where = s->where;
	f->value = adopt_is_secret(s) ? NULL : s->value;
	f->tier = s->key == NULL ? 0 : s->key->tier;
}

size_t
adopt_count(const struct adoption *a, enum adopt_class class)
{
	size_t n = 0;

	for (size_t i = 0; i < a->nfindings; i++)
		n += a->findings[i].class == class;
	return n;
}

/* ---- What a setting does in ZooKeeper ---- */

static const char *
effective_in_cfg(struct adoption *a, const struct adopt_setting *s)
{
	if (IS_IN(s->written, bare_only))
		adopt_add_setting(
		    a, ADOPT_DECIDE, s,
		    "left out: ZooKeeper reads it only as the JVM property -D%s, so it had no effect "
		    "here; -D %s=... puts it in",
		    s->written, s->written);
	else if (begins(s->written, "zookeeper."))
		adopt_add_setting(
		    a, ADOPT_DECIDE, s,
		    "left out: in zoo.cfg it stands without \"zookeeper.\", so it had no effect here; "
		    "-D %s=... puts it in",
		    s->written + strlen("zookeeper."));
	else
		return s->written;
	return NULL;
}

static const char *
effective_property(struct adoption *a, const struct adopt_setting *s)
{
	const char *name = begins(s->written, "zookeeper.") ? s->written + strlen("zookeeper.") : NULL;

	if (IS_IN(s->written, bare_only) || strcmp(s->written, "fsync.warningthresholdms") == 0)
		return s->written;
	for (size_t i = 0; i < sizeof jvm_properties / sizeof jvm_properties[0]; i++)
		if (begins(s->written, jvm_properties[i].begin)) {
			adopt_add_setting(a, ADOPT_DIFFERS, s, "%s", jvm_properties[i].text);
			return NULL;
		}
	if (name != NULL && !IS_IN(table_name(name), cfg_only) && !IS_IN(name, bare_only))
		return name;
	if (config_key_find(name == NULL ? s->written : name) != NULL)
		adopt_add_setting(
		    a, ADOPT_DECIDE, s,
		    "left out: ZooKeeper reads it %s, so it had no effect here; -D %s=... puts it in",
		    name != NULL && IS_IN(table_name(name), cfg_only) ? "only in zoo.cfg"
		    : name != NULL                                    ? "without \"zookeeper.\""
								      : "as zookeeper.NAME",
		    name == NULL ? s->written : name);
	else
		adopt_add_setting(a, ADOPT_DIFFERS, s,
				  "neither ZooKeeper's manual nor zkd knows it; left out");
	return NULL;
}

static void
name_setting(struct adoption *a, struct adopt_setting *s)
{
	switch (s->source) {
	case ADOPT_CFG:
		s->name = effective_in_cfg(a, s);
		break;
	case ADOPT_FLAGS:
	case ADOPT_PROCESS:
		s->name = effective_property(a, s);
		break;
	case ADOPT_DEFINE:
		s->name = begins(s->written, "zookeeper.") ? s->written + strlen("zookeeper.") : s->written;
		break;
	}
	if (s->name == NULL)
		return;
	s->key = config_key_find(s->name);
	if (s->key != NULL && !config_key_is_pattern(s->key))
		s->name = s->key->name;
}

/* Who wins when a key is said twice: -D of zkctl, then zoo.cfg, then the command line of a running server. */
static int
rank(const struct adopt_setting *s)
{
	static const int ranks[] = {
		[ADOPT_FLAGS] = 0, [ADOPT_PROCESS] = 1, [ADOPT_CFG] = 2, [ADOPT_DEFINE] = 3
	};

	return ranks[s->source];
}

/* The setting of the same name that counts instead of this one, or NULL. */
static const struct adopt_setting *
find_stronger(const struct adoption *a, const struct adopt_setting *s)
{
	for (const struct adopt_setting *t = a->settings + a->nsettings - 1; t >= a->settings; t--)
		if (t != s && t->name != NULL && strcmp(t->name, s->name) == 0 &&
		    (rank(t) > rank(s) || (rank(t) == rank(s) && t > s)))
			return t;
	return NULL;
}

const struct adopt_setting *
adopt_find(const struct adoption *a, const char *name)
{
	for (size_t i = 0; i < a->nsettings; i++)
		if (a->settings[i].name != NULL && strcmp(a->settings[i].name, name) == 0 &&
		    find_stronger(a, &a->settings[i]) == NULL)
			return &a->settings[i];
	return NULL;
}

/* ---- What becomes of it ---- */

static void
judge_overruled(struct adoption *a, const struct adopt_setting *s, const struct adopt_setting *by)
{
	if (strcmp(s->value, by->value) == 0)
		return;
	if (s->source == ADOPT_FLAGS && by->source == ADOPT_PROCESS)
		adopt_add_setting(
		    a, ADOPT_DECIDE, s,
		    "the server that runs was started with another value, which is taken; the file was "
		    "changed since");
	else
		adopt_add_setting(a, ADOPT_DIFFERS, s, "overruled by %s", by->where);
}

/* "ssl.*" or a name; commas between them. */
static bool
is_left_out(const char *without, const char *name)
{
	while (without != NULL && *without != '\0') {
		size_t len = strcspn(without, ",");
		bool pattern = len > 0 && without[len - 1] == '*';
		if (pattern ? strncmp(name, without, len - 1) == 0
			    : strlen(name) == len && strncmp(name, without, len) == 0)
			return true;
		without += len + (without[len] == ',');
	}
	return false;
}

/* Whether a refused or accepted value says no more than the default. */
static bool
asks_for_nothing(const struct adopt_setting *s)
{
	const struct config_key *k = s->key;

	if (k->def != NULL && strcasecmp(k->def, s->value) == 0)
		return true;
	if (s->value[0] == '\0')
		return true;
	return k->status == CONFIG_REFUSED && k->type == CONFIG_JLONG && strcmp(s->value, "-1") == 0;
}

static void
judge_unknown(struct adoption *a, struct adopt_setting *s)
{
	const char *near = config_key_suggest(s->name);

	if (near == NULL)
		adopt_add_setting(a, ADOPT_DIFFERS, s,
				  "neither ZooKeeper's manual nor zkd knows it; left out");
	else
		adopt_add_setting(a, ADOPT_DECIDE, s,
				  "left out: no such key, and ZooKeeper ignored it; did you mean %.*s%s?",
				  (int)strcspn(near, "*"), near, strchr(near, '*') != NULL ? "N" : "");
}

/* A flag of a file that the server which runs does not have: it was started otherwise, or before. */
static bool
is_doubtful(const struct adoption *a, const struct adopt_setting *s)
{
	for (size_t i = 0; i < a->nprocesses; i++)
		if (a->processes[i].by_config)
			return s->source == ADOPT_FLAGS && !s->seen;
	return false;
}

/*
 * Of a key that is yes or no ZooKeeper knows one word, the one that is not its default: forceSync=false syncs, and
 * skipACL=true checks ACLs. zkd takes true and false for what they say, so the word that ZooKeeper went by is written.
 */
static bool
judge_yes_or_no(struct adoption *a, struct adopt_setting *s)
{
	const char *meant;

	if (s->key->type != CONFIG_YESNO || strcmp(s->value, "yes") == 0 || strcmp(s->value, "no") == 0)
		return false;
	meant = strcmp(s->key->def, "yes") == 0 ? "no" : "yes";
	adopt_add_setting(
	    a, ADOPT_DECIDE, s,
	    "ZooKeeper knows only the word %s here, and took this for %s, which is written; -D %s=%s, if "
	    "you mean that",
	    meant, s->key->def, s->name, meant);
	s->value = s->key->def;
	return true;
}

static void
judge_honoured(struct adoption *a, struct adopt_setting *s)
{
	s->carried = true;
	if (judge_yes_or_no(a, s))
		return;
	for (size_t i = 0; i < sizeof remarks / sizeof remarks[0]; i++)
		if (strcmp(remarks[i].key, s->name) == 0 &&
		    (remarks[i].value == NULL || strcasecmp(remarks[i].value, s->value) == 0)) {
			adopt_add_setting(a, ADOPT_CARRIES, s, "%s", remarks[i].text);
			return;
		}
	if (is_doubtful(a, s))
		adopt_add_setting(
		    a, ADOPT_DECIDE, s,
		    "the server that runs was started without it; it is taken all the same, unless you "
		    "say --without %s",
		    s->name);
	else if (strchr(s->value, '$') != NULL && s->source == ADOPT_FLAGS)
		adopt_add_setting(a, ADOPT_DECIDE, s,
				  "the shell knows what this is, zkctl does not; give it with -D %s=...",
				  s->name);
	else
		adopt_add_setting(a, ADOPT_CARRIES, s, NULL);
}

static void
judge_setting(const struct options *o, struct adoption *a, struct adopt_setting *s)
{
	const struct adopt_setting *stronger = find_stronger(a, s);

	if (stronger != NULL)
		judge_overruled(a, s, stronger);
	else if (is_left_out(o->without, s->name))
		adopt_add_setting(a, ADOPT_DIFFERS, s, "left out, as --without says");
	else if (s->key == NULL)
		judge_unknown(a, s);
	else if (s->key->status == CONFIG_HONOURED)
		judge_honoured(a, s);
	else if (asks_for_nothing(s))
		adopt_add_setting(a, ADOPT_CARRIES, s, "left out: it says what is so anyway");
	else if (s->key->status == CONFIG_ACCEPTED)
		adopt_add_setting(a, ADOPT_MISSING, s, "left out: %s; zkd does nothing of it", s->key->about);
	else
		adopt_add_setting(a, ADOPT_STOPS, s, "%s; or say --without %s, if you can do without",
				  s->key->about, s->name);
}

/* ---- What nobody said ---- */

static void
judge_defaults(struct adoption *a)
{
	if (adopt_find(a, "autopurge.purgeInterval") == NULL)
		adopt_add(a, ADOPT_DIFFERS, "autopurge.purgeInterval",
			  "not set: ZooKeeper keeps old logs and snapshots for ever, zkd by itself only "
			  "three; 0 is "
			  "written, so that zkd keeps them too");
	if (adopt_find(a, "znode.container.maxNeverUsedIntervalMs") == NULL)
		adopt_add(a, ADOPT_DIFFERS, "znode.container.maxNeverUsedIntervalMs",
			  "not set: containers that never had a child go after five minutes, as from "
			  "ZooKeeper 3.9 on; "
			  "0 keeps them, as before");
}

void
adopt_judge(const struct options *o, struct adoption *a)
{
	for (size_t i = 0; i < o->noverrides && a->nsettings < ADOPT_SETTINGS_MAX; i++) {
		const char *equals = strchr(o->overrides[i], '=');
		if (equals == NULL) {
			adopt_add(a, ADOPT_STOPS, o->overrides[i], "has no value; allowed: -D key=value");
			continue;
		}
		a->settings[a->nsettings++] = (struct adopt_setting){
			.source = ADOPT_DEFINE,
			.where = "-D",
			.written = adopt_format(a, "%.*s", (int)(equals - o->overrides[i]), o->overrides[i]),
			.value = equals + 1,
		};
	}
	for (size_t i = 0; i < a->nsettings; i++)
		name_setting(a, &a->settings[i]);
	for (size_t i = 0; i < a->nsettings; i++)
		if (a->settings[i].name != NULL)
			judge_setting(o, a, &a->settings[i]);
	judge_defaults(a);
}
