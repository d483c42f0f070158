/* zkctl doctor: what is not well with a node and its ensemble, or what stands in the way of replacing it. See doctor.h. */
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "command.h"
#include "data.h"
#include "json.h"
#include "term.h"

enum { LEFT = 6 };

static const char *const level_names[DOCTOR_LEVELS] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_WARN] = "warn",
	[DOCTOR_STOP] = "stop",
};

static const char *__attribute__((format(printf, 2, 0)))
format_text(struct doctor *d, const char *format, va_list ap)
{
	char text[2048];
	struct slice copy;
	int n = vsnprintf(text, sizeof text, format, ap);

	copy = arena_copy(&d->arena,
			  slice_of(text, (size_t)(n < (int)sizeof text ? n : (int)sizeof text - 1) + 1));
	ASSERT(copy.data != NULL);
	return (const char *)copy.data;
}

const char *
doctor_format(struct doctor *d, const char *format, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, format);
	text = format_text(d, format, ap);
	va_end(ap);
	return text;
}

void
doctor_say(struct doctor *d, enum doctor_level level, const char *subject, const char *way,
	   const char *format, ...)
{
	va_list ap;

	if (d->nchecks == DOCTOR_CHECKS_MAX)
		return;
	va_start(ap, format);
	d->checks[d->nchecks++] =
	    (struct check){ level, doctor_format(d, "%s", subject), format_text(d, format, ap), way };
	va_end(ap);
}

/* ---- Which servers ---- */

/* The servers of a configuration, where clients reach them; all use this one's client port unless the list says more. */
static void
take_configured(struct doctor *d, const struct config *c)
{
	for (size_t i = 0; i < c->nservers && d->servers.n < ZK_SERVERS_MAX; i++) {
		const struct config_server *s = &c->servers[i];
		struct zk_server *out = &d->servers.all[d->servers.n];
		bool own = s->sid == c->myid && c->client_port_address != NULL;
		int port = s->client.port > 0 ? s->client.port : c->client_port;
		const char *host = own ? c->client_port_address : s->addresses[0].host;
		if (!own && s->client.host != NULL && strcmp(s->client.host, "0.0.0.0") != 0 &&
		    strcmp(s->client.host, "::") != 0)
			host = s->client.host;
		if (port <= 0)
			continue;
		snprintf(out->host, sizeof out->host, "%s", host);
		snprintf(out->port, sizeof out->port, "%u", (unsigned)(uint16_t)port);
		d->servers.n++;
	}
	if (c->nservers == 0 && c->client_port > 0) {
		struct zk_server *out = &d->servers.all[d->servers.n++];
		snprintf(out->host, sizeof out->host, "%s",
			 c->client_port_address == NULL ? "127.0.0.1" : c->client_port_address);
		snprintf(out->port, sizeof out->port, "%u", (unsigned)(uint16_t)c->client_port);
	}
}

/* --server and ZKCTL_SERVER before the list of the file. */
static int
find_servers(struct doctor *d, const struct options *o)
{
	const char *named = o->server != NULL ? o->server : getenv("ZKCTL_SERVER");
	char why[ZK_WHY_BYTES];

	if (o->server != NULL || (d->config == NULL && named != NULL && named[0] != '\0')) {
		if (zk_servers_parse(named, &d->servers, why) == 0)
			return ZKCTL_OK;
		return complain(ZKCTL_USAGE, "%s: %s", o->server != NULL ? "--server" : "ZKCTL_SERVER", why);
	}
	if (d->config != NULL)
		take_configured(d, d->config);
	return ZKCTL_OK;
}

/* ---- The two kinds of visit ---- */

/* What the adoption of the configuration found, in a doctor's words. */
static void
take_findings(struct doctor *d, const struct adoption *a)
{
	for (size_t i = 0; i < a->nfindings; i++) {
		const struct adopt_finding *f = &a->findings[i];
		const char *subject =
		    f->value == NULL ? f->subject : doctor_format(d, "%s=%s", f->subject, f->value);
		if (f->class == ADOPT_STOPS)
			doctor_say(d, DOCTOR_STOP, subject, "see zkctl adopt, which tells the ways out", "%s",
				   f->text);
		else if (f->class == ADOPT_DECIDE)
			doctor_say(d, DOCTOR_WARN, subject, "decide it with zkctl adopt -D or --without",
				   "%s", f->text);
	}
	doctor_say(d, DOCTOR_OK, "zoo.cfg", NULL,
		   "%zu settings carry over, %zu go another way, %zu have no effect in zkd",
		   adopt_count(a, ADOPT_CARRIES), adopt_count(a, ADOPT_DIFFERS),
		   adopt_count(a, ADOPT_MISSING));
}

static int
visit_before_migration(struct doctor *d, const struct options *o, const char *folder)
{
	struct adoption a = { .config = NULL };
	int status = ZKCTL_OK;

	if (folder == NULL)
		folder = o->config_file;
	if (folder != NULL)
		status = adopt_all(o, folder, &a);
	if (status == ZKCTL_OK && a.config != NULL) {
		d->config = a.config;
		d->max_buffer = a.config->jute_max_buffer_bytes;
	}
	if (status == ZKCTL_OK)
		status = find_servers(d, o);
	if (status == ZKCTL_OK && d->servers.n == 0 && folder == NULL)
		status = complain(ZKCTL_USAGE,
				  "which ensemble? Name its servers with --server HOST:PORT,..., or the "
				  "folder of ZooKeeper's configuration");
	if (status == ZKCTL_OK && folder != NULL)
		take_findings(d, &a);
	if (status == ZKCTL_OK && d->servers.n > 0) {
		doctor_ask_servers(d);
		doctor_read_tree(d, o, o->count >= 0 ? o->count : DOCTOR_ZNODES);
	} else if (status == ZKCTL_OK) {
		doctor_say(d, DOCTOR_WARN, "servers", "name them with --server",
			   "the configuration tells of none");
	}
	if (status == ZKCTL_OK && folder != NULL)
		doctor_look_at_data(d, &a.census);
	if (status == ZKCTL_OK)
		doctor_look_at_clock(d);
	if (folder != NULL)
		adopt_free(&a);
	d->config = NULL;
	return status;
}

/* The node here, what its configuration says of it, and the servers that it knows. */
static int
visit_node(struct doctor *d, const struct options *o)
{
	struct config_source s = {
		.file = o->config_file, .fd = -1, .overrides = o->overrides, .noverrides = o->noverrides
	};
	struct config_report r;
	struct config *c = NULL;
	struct census census;
	int status = ZKCTL_OK;

	if (o->server == NULL && !doctor_look_at_node(d, o))
		return ZKCTL_NO_ANSWER;
	config_report_init(&r);
	if (o->config_file != NULL && config_load(&s, &c, &r) == 0)
		d->config = c;
	for (size_t i = 0; i < r.nfindings; i++)
		doctor_say(d, r.findings[i].severity == CONFIG_ERROR ? DOCTOR_STOP : DOCTOR_WARN,
			   "configuration", "zoo.cfg(5)", "%s", r.findings[i].text);
	config_report_free(&r);
	status = find_servers(d, o);
	if (status == ZKCTL_OK && d->servers.n > 0)
		doctor_ask_servers(d);
	if (status == ZKCTL_OK && c != NULL) {
		census_take(&census, doctor_format(d, "%s", c->data_dir),
			    doctor_format(d, "%s", c->data_log_dir), &d->arena);
		doctor_look_at_data(d, &census);
	}
	doctor_look_at_clock(d);
	config_free(c);
	return status;
}

/* ---- The answer ---- */

static enum doctor_level
worst(const struct doctor *d)
{
	enum doctor_level level = DOCTOR_OK;

	for (size_t i = 0; i < d->nchecks; i++)
		level = d->checks[i].level > level ? d->checks[i].level : level;
	return level;
}

/* Servers and files may have said anything. */
static const char *
plain(struct doctor *d, const char *text)
{
	char *copy = (char *)(uintptr_t)doctor_format(d, "%s", text);

	for (char *p = copy; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return copy;
}

static void
print_people(struct doctor *d)
{
	static const enum term_style styles[DOCTOR_LEVELS] = { TERM_PLAIN, TERM_BOLD, TERM_BAD };
	size_t count[DOCTOR_LEVELS] = { 0 };

	for (size_t i = 0; i < d->nchecks; i++) {
		const struct check *c = &d->checks[i];
		count[c->level]++;
		printf("%s%s%s", term_style(styles[c->level]), level_names[c->level], term_style(TERM_PLAIN));
		term_print_folded(stdout, strlen(level_names[c->level]),
				  doctor_format(d, "%s: %s", plain(d, c->subject), plain(d, c->text)), LEFT);
		if (c->way != NULL)
			term_print_folded(stdout, 0, doctor_format(d, "-> %s", c->way), LEFT);
	}
	printf("\n%zu ok, %zu to look at, %zu in the way.\n", count[DOCTOR_OK], count[DOCTOR_WARN],
	       count[DOCTOR_STOP]);
}

static void
print_json(const struct doctor *d)
{
	json_t *checks = json_array();

	for (size_t i = 0; i < d->nchecks; i++) {
		const struct check *c = &d->checks[i];
		json_array_append_new(checks,
				      json_pack("{s:s, s:o, s:o, s:o?}", "level", level_names[c->level],
						"subject", json_text(c->subject), "text", json_text(c->text),
						"way", c->way == NULL ? NULL : json_text(c->way)));
	}
	json_print(json_pack("{s:s, s:o}", "verdict", level_names[worst(d)], "checks", checks));
}

int
command_doctor(const struct options *o, int argc, char **argv)
{
	static const int statuses[DOCTOR_LEVELS] = { ZKCTL_OK, ZKCTL_RESERVED, ZKCTL_UNWELL };
	struct doctor *d = mem_zalloc(1, sizeof *d);
	int status;

	*d = (struct doctor){ .migration = GIVEN(o, MIGRATION), .max_buffer = 0xfffff };
	arena_init(&d->arena, DOCTOR_ARENA_MAX);
	if (!d->migration && argc > 0)
		status = complain(ZKCTL_USAGE,
				  "doctor takes a folder only with --migration; -c FILE names a node");
	else
		status =
		    d->migration ? visit_before_migration(d, o, argc > 0 ? argv[0] : NULL) : visit_node(d, o);
	if (status == ZKCTL_OK && o->json)
		print_json(d);
	else if (status == ZKCTL_OK)
		print_people(d);
	if (status == ZKCTL_OK)
		status = statuses[worst(d)];
	arena_free(&d->arena);
	mem_free(d);
	return status;
}
