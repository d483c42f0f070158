/*
 * The third step of an adoption: zkd's zoo.cfg, and what the configuration's own parser says of it. Invariant: a
 * configuration is handed out only where `zkctl config check` accepts it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adopt.h"
#include "base/mem.h"

static void
put(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

/* Escaped as Properties are. */
static void
put_escaped(struct buf *out, const char *s, bool is_key)
{
	static const char plain[] = "\t\n\r\f", letters[] = "tnrf";

	for (const char *p = s; *p != '\0'; p++) {
		const char *at = strchr(plain, *p);
		if (at != NULL || *p == '\\' || (is_key && strchr(" =:#!", *p) != NULL) ||
		    (p == s && (*p == '=' || *p == ':')))
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)(at != NULL ? letters[at - plain] : *p));
	}
}

static void
put_line(struct buf *out, const char *key, const char *value)
{
	put_escaped(out, key, true);
	put(out, "=");
	put_escaped(out, value, false);
	put(out, "\n");
}

static bool
is_path_key(const char *name)
{
	return strcmp(name, "dataDir") == 0 || strcmp(name, "dataLogDir") == 0 ||
	       strcmp(name, "dynamicConfigFile") == 0;
}

/* The folder in which the server that runs was started: what relative paths are relative to. */
static const char *
working_folder(const struct adoption *a)
{
	for (size_t i = 0; i < a->nprocesses; i++)
		if (a->processes[i].by_config)
			return a->processes[i].cwd;
	return NULL;
}

static const char *
full_value(struct adoption *a, const struct adopt_setting *s)
{
	const char *cwd;

	if (!is_path_key(s->name) || s->value[0] == '/' || s->value[0] == '\0')
		return s->value;
	cwd = working_folder(a);
	if (cwd != NULL)
		return adopt_format(a, "%s/%s", cwd, s->value);
	adopt_add_setting(
	    a, ADOPT_DECIDE, s,
	    "relative to the folder in which ZooKeeper is started, which nothing here tells; say -D "
	    "%s=/full/path",
	    s->name);
	return s->value;
}

/* A setting that a property or -D brought has its own remark: the file it stands in now is another. */
static void
put_setting(struct adoption *a, const struct adopt_setting *s)
{
	if (s->source != ADOPT_CFG) {
		put(&a->text, "# from ");
		put(&a->text, s->source == ADOPT_DEFINE ? "zkctl adopt -D" : s->where);
		put(&a->text, "\n");
	}
	put_line(&a->text, s->name, full_value(a, s));
	a->has_secret |= adopt_is_secret(s);
}

/* The number of the server whose folder it was, where zkd is to begin in another one. */
static void
put_myid(struct adoption *a)
{
	const struct adopt_setting *s = adopt_find(a, "dataDir");
	const char *old = NULL;
	struct buf text;
	size_t len;

	for (size_t i = 0; i < a->nsettings; i++)
		if (a->settings[i].source == ADOPT_CFG && a->settings[i].name != NULL &&
		    strcmp(a->settings[i].name, "dataDir") == 0)
			old = full_value(a, &a->settings[i]);
	if (s == NULL || s->source != ADOPT_DEFINE || old == NULL || adopt_find(a, "myid") != NULL)
		return;
	buf_init(&text, 1 << 16);
	struct config_source source = { .file = adopt_format(a, "%s/myid", old), .fd = -1 };
	if (config_read_source(&source, &text) == 0) {
		const char *number = (const char *)buf_head(&text);
		for (len = 0; len < buf_len(&text) && number[len] >= '0' && number[len] <= '9'; len++)
			;
		if (len > 0) {
			put(&a->text, "# from ");
			put(&a->text, source.file);
			put(&a->text, "\n");
			put_line(&a->text, "myid", adopt_format(a, "%.*s", (int)len, number));
		}
	}
	buf_free(&text);
}

/* As config check would. */
static void
check(struct adoption *a)
{
	struct config_source s = { .file = "zkd's zoo.cfg", .fd = memfd_create("zoo.cfg", MFD_CLOEXEC) };
	struct config_report r;
	size_t len = buf_len(&a->text);

	config_report_init(&r);
	if (s.fd < 0 || write(s.fd, buf_head(&a->text), len) != (ssize_t)len)
		adopt_add(a, ADOPT_STOPS, s.file, "cannot be checked: %s", strerror(errno));
	else if (config_load(&s, &a->config, &r) != 0)
		for (size_t i = 0; i < r.nfindings; i++)
			if (r.findings[i].severity == CONFIG_ERROR)
				adopt_add(a, ADOPT_STOPS, "not accepted", "%s", r.findings[i].text);
	if (s.fd >= 0)
		close(s.fd);
	config_report_free(&r);
}

/* What systemd's unit, which locks zkd in, would not let it do. */
static void
check_places(struct adoption *a)
{
	if (a->config != NULL && a->config->client_port > 0 && a->config->client_port < 1024)
		adopt_add(a, ADOPT_DECIDE, "clientPort",
			  "zkd.service runs as user zkd, who may not listen below 1024; add "
			  "AmbientCapabilities=CAP_NET_BIND_SERVICE to it, or start zkd as root");
}

void
adopt_compose(const struct options *o, struct adoption *a)
{
	(void)o;
	put(&a->text, "# Configuration of zkd, see zoo.cfg(5). Written by zkctl adopt, from ");
	put_escaped(&a->text, a->cfg, false);
	put(&a->text, ".\n");
	for (size_t i = 0; i < a->nsettings; i++)
		if (a->settings[i].carried)
			put_setting(a, &a->settings[i]);
	if (adopt_find(a, "autopurge.purgeInterval") == NULL)
		put(&a->text,
		    "# ZooKeeper's default: old logs and snapshots are kept.\nautopurge.purgeInterval=0\n");
	put_myid(a);
	check(a);
	check_places(a);
}
