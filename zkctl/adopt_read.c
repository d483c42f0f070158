/*
 * The first step of an adoption: which files there are, and what they say. See adopt.h. Invariant: settings stand in the
 * order of the files, and later steps only read them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adopt.h"
#include "base/assert.h"
#include "base/mem.h"
#include "config/properties.h"
#include "shellvars.h"

/* What zkEnv.sh sources, in its order; Debian's scripts read "environment". */
static const char *const environment_files[] = { "zookeeper-env.sh", "java.env", "environment" };
static const char debian_folder[] = "/etc/zookeeper", debian_defaults[] = "/etc/default/zookeeper";
/* The variables that end on the server's command line, the stronger ones later. */
static const char *const flag_variables[] = { "JAVA_OPTS", "SERVER_JVMFLAGS", "JVMFLAGS" };

const char *
adopt_format(struct adoption *a, const char *format, ...)
{
	va_list ap;
	char *out;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	out = arena_alloc(&a->arena, (size_t)n + 1);
	ASSERT(out != NULL);
	va_start(ap, format);
	vsnprintf(out, (size_t)n + 1, format, ap);
	va_end(ap);
	return out;
}

static void
add_setting(struct adoption *a, enum adopt_source source, const char *where, const char *key,
	    const char *value)
{
	if (a->nsettings < ADOPT_SETTINGS_MAX)
		a->settings[a->nsettings++] = (struct adopt_setting){
			.source = source, .where = where, .written = key, .value = value
		};
}

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool
is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The text of a file; 0 or -errno. */
static int
read_text(const char *path, struct buf *text)
{
	struct config_source s = { .file = path, .fd = -1 };

	return config_read_source(&s, text);
}

/* ---- Which files ---- */

/* A folder that is zoo.cfg's, or the one above conf. */
static int
find_in_folder(struct adoption *a, const char *path)
{
	const char *const names[] = { "zoo.cfg", "conf/zoo.cfg" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *cfg = adopt_format(a, "%s/%s", path, names[i]);
		if (!is_file(cfg))
			continue;
		a->cfg = cfg;
		a->folder = i == 0 ? path : adopt_format(a, "%s/conf", path);
		return ZKCTL_OK;
	}
	return complain(ZKCTL_USAGE,
			"%s holds no zoo.cfg; name the folder where it is (Debian: /etc/zookeeper/conf, the "
			"tarball: conf), or the file itself where it has another name",
			path);
}

static int
find_files(struct adoption *a, const char *path)
{
	size_t len = strlen(path);
	const char *slash;

	while (len > 1 && path[len - 1] == '/')
		len--;
	path = adopt_format(a, "%.*s", (int)len, path);
	if (is_folder(path))
		return find_in_folder(a, path);
	if (access(path, F_OK) != 0)
		return complain(ZKCTL_USAGE, "%s: %s", path, strerror(errno));
	slash = strrchr(path, '/');
	a->cfg = path;
	a->folder =
	    slash == NULL ? "." : adopt_format(a, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	return ZKCTL_OK;
}

/* ---- zoo.cfg ---- */

/* A file that a hand picked by mistake has lines without a value, or none at all. */
static int
read_properties(struct adoption *a, struct slice text)
{
	const char *name = strrchr(a->cfg, '/');
	struct properties in;
	struct property e;
	int rc;

	name = name == NULL ? a->cfg : name + 1;
	properties_init(&in, text);
	while ((rc = properties_next(&in, &e, &a->arena)) != 0) {
		const char *where = adopt_format(a, "%s:%d", name, e.line);
		if (rc < 0)
			adopt_add(a, ADOPT_STOPS, where, "%s", e.problem);
		else if (e.key[0] != '\0')
			add_setting(a, ADOPT_CFG, where, e.key, e.value);
	}
	properties_free(&in);
	if (a->nsettings > 0)
		return ZKCTL_OK;
	return complain(ZKCTL_USAGE, "%s says nothing: no line is key=value", a->cfg);
}

static int
read_cfg(struct adoption *a)
{
	struct buf text;
	int rc;

	buf_init(&text, 2 * CONFIG_TEXT_MAX);
	rc = read_text(a->cfg, &text);
	if (rc < 0)
		rc = complain(ZKCTL_USAGE, "%s: cannot be read: %s", a->cfg, strerror(-rc));
	else if (memchr(buf_head(&text), '\0', buf_len(&text)) != NULL)
		rc = complain(ZKCTL_USAGE, "%s is no text", a->cfg);
	else
		rc = read_properties(a, buf_slice(&text));
	buf_free(&text);
	return rc;
}

/* ---- The environment ---- */

/* "-Dkey=value -Xmx1g ...": the properties become settings, the rest one finding. */
static void
take_flags(struct adoption *a, const char *flags, const char *where, const char *variable)
{
	const char *others = "";

	while (*(flags += strspn(flags, " \t\n")) != '\0') {
		size_t len = strcspn(flags, " \t\n");
		const char *word = adopt_format(a, "%.*s", (int)len, flags), *equals = strchr(word, '=');
		if (strncmp(word, "-D", 2) == 0 && word[2] != '\0' && word[2] != '=')
			add_setting(a, ADOPT_FLAGS, where,
				    equals == NULL
					? word + 2
					: adopt_format(a, "%.*s", (int)(equals - word - 2), word + 2),
				    equals == NULL ? "" : equals + 1);
		else if (word[0] != '$')
			others = adopt_format(a, "%s%s%s", others, others[0] == '\0' ? "" : " ", word);
		flags += len;
	}
	if (others[0] != '\0') {
		adopt_add(a, ADOPT_DIFFERS, variable, "zkd has no JVM; its memory grows with the data");
		a->findings[a->nfindings - 1].value = others;
		a->findings[a->nfindings - 1].where = where;
	}
}

static void
take_variables(struct adoption *a, const struct shellvars *vars, const char *file)
{
	const struct shellvar *v;

	for (size_t i = 0; i < sizeof flag_variables / sizeof flag_variables[0]; i++)
		if ((v = shellvars_find(vars, flag_variables[i])) != NULL)
			take_flags(a, v->value, adopt_format(a, "%s:%d", file, v->line), v->name);
	v = shellvars_find(vars, "ZOO_DATADIR_AUTOCREATE_DISABLE");
	if (v != NULL && v->value[0] != '\0')
		add_setting(a, ADOPT_FLAGS, adopt_format(a, "%s:%d", file, v->line),
			    "zookeeper.datadir.autocreate", "false");
	v = shellvars_find(vars, "JMXPORT");
	if (v != NULL && v->value[0] != '\0')
		adopt_add(a, ADOPT_DIFFERS, "JMXPORT",
			  "there is no JMX; metrics are had by mntr, the AdminServer and Prometheus");
	v = shellvars_find(vars, "ZOOCFG");
	if (v != NULL && strcmp(strrchr(a->cfg, '/') == NULL ? a->cfg : strrchr(a->cfg, '/') + 1,
				strrchr(v->value, '/') == NULL ? v->value : strrchr(v->value, '/') + 1) != 0)
		adopt_add(a, ADOPT_DECIDE, "ZOOCFG",
			  "%s starts ZooKeeper with %s, and %s was read; name that file if it is the one",
			  file, v->value, a->cfg);
}

/* Each file's own flags, seen with the variables of those before it. */
static void
read_environment(struct adoption *a, struct shellvars *vars, const char *path, const char *name)
{
	struct shellvars before = *vars;
	struct buf text;

	buf_init(&text, 2 * CONFIG_TEXT_MAX);
	if (is_file(path)) {
		int rc = read_text(path, &text);
		if (rc < 0)
			adopt_add(a, ADOPT_STOPS, name, "cannot be read: %s", strerror(-rc));
		shellvars_read(vars, buf_slice(&text));
	}
	buf_free(&text);
	/* A variable that this file did not touch was told already. */
	struct shellvars changed = { .arena = vars->arena };
	for (size_t i = 0; i < vars->n; i++)
		if (i >= before.n || vars->v[i].value != before.v[i].value)
			changed.v[changed.n++] = vars->v[i];
	take_variables(a, &changed, name);
}

static void
read_environments(struct adoption *a)
{
	struct shellvars *vars = mem_alloc(sizeof *vars);
	char *real = realpath(a->folder, NULL);

	shellvars_init(vars, &a->arena);
	for (size_t i = 0; i < sizeof environment_files / sizeof environment_files[0]; i++)
		read_environment(a, vars, adopt_format(a, "%s/%s", a->folder, environment_files[i]),
				 environment_files[i]);
	if (strncmp(a->folder, debian_folder, sizeof debian_folder - 1) == 0 ||
	    (real != NULL && strncmp(real, debian_folder, sizeof debian_folder - 1) == 0))
		read_environment(a, vars, debian_defaults, debian_defaults);
	free(real); /* realpath's */
	mem_free(vars);
}

/* ---- Files that zkd does not read ---- */

static void
note_other_files(struct adoption *a)
{
	static const struct {
		const char *name, *text;
	} files[] = {
		{ "log4j.properties",
		  "zkd logs to standard error and the journal; zkctl log-level sets how much" },
		{ "logback.xml",
		  "zkd logs to standard error and the journal; zkctl log-level sets how much" },
		{ "jaas.conf", "SASL's; of no effect unless java.security.auth.login.config names it" },
	};

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (is_file(adopt_format(a, "%s/%s", a->folder, files[i].name)))
			adopt_add(a, ADOPT_DIFFERS, files[i].name, "%s", files[i].text);
}

int
adopt_read(const char *path, struct adoption *a)
{
	int status;

	*a = (struct adoption){ .nsettings = 0 };
	arena_init(&a->arena, ADOPT_ARENA_MAX);
	buf_init(&a->text, 4 * CONFIG_TEXT_MAX);
	a->settings = mem_zalloc(ADOPT_SETTINGS_MAX, sizeof *a->settings);
	a->findings = mem_zalloc(ADOPT_FINDINGS_MAX, sizeof *a->findings);
	status = find_files(a, path);
	if (status == ZKCTL_OK)
		status = read_cfg(a);
	if (status != ZKCTL_OK)
		return status;
	read_environments(a);
	adopt_find_processes(a);
	note_other_files(a);
	return ZKCTL_OK;
}

void
adopt_free(struct adoption *a)
{
	config_free(a->config);
	mem_free(a->settings);
	mem_free(a->findings);
	buf_free(&a->text);
	arena_free(&a->arena);
}
