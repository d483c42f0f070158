/* zkctl config: a configuration before it is used. Asks no running node. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/keys.h"
#include "json.h"
#include "term.h"
#include "zkctl.h"

enum { ABOUT_INDENT = 4 };

static void
print_findings(const struct config_report *r)
{
	for (size_t i = 0; i < r->nfindings; i++)
		fprintf(stderr, "%s\n", r->findings[i].text);
	if (r->nerrors > r->nfindings)
		fprintf(stderr, "and more\n");
}

static json_t *
findings_json(const struct config_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->nfindings; i++) {
		const struct config_finding *f = &r->findings[i];
		json_array_append_new(list, json_pack("{s:s, s:i, s:o}", "severity",
						      f->severity == CONFIG_ERROR ? "error" : "notice",
						      "line", f->line, "text", json_text(f->text)));
	}
	return list;
}

static int
check(const struct config_source *s, bool json)
{
	struct config_report r;
	struct config *c = NULL;
	int rc;

	config_report_init(&r);
	rc = config_load(s, &c, &r);
	if (json)
		json_print(json_pack("{s:b, s:o}", "good", rc == 0, "findings", findings_json(&r)));
	else
		print_findings(&r);
	if (!json && rc == 0)
		printf("%s is good\n", s->file == NULL ? "the built-in configuration" : s->file);
	config_report_free(&r);
	config_free(c);
	return rc == 0 ? ZKCTL_OK : ZKCTL_USAGE;
}

/* {"key":"value",...} of lines key=value; comments stand where secrets are. */
static void
print_settings(struct buf *text)
{
	json_t *all = json_object();
	char *lines, *rest, *line, *equals;

	buf_put_u8(text, '\0');
	rest = lines = mem_strndup(buf_head(text), buf_len(text) - 1);
	while ((line = strsep(&rest, "\n")) != NULL) {
		equals = strchr(line, '=');
		if (line[0] == '#' || equals == NULL)
			continue;
		*equals = '\0';
		json_object_set_new(all, line, json_text(equals + 1));
	}
	mem_free(lines);
	json_print(json_pack("{s:o}", "settings", all));
}

static int
show(const struct config_source *s, bool json)
{
	struct config_report r;
	struct config *c = NULL;
	struct buf text;

	config_report_init(&r);
	if (config_load(s, &c, &r) == 0) {
		buf_init(&text, 8 * CONFIG_TEXT_MAX);
		config_print(c, false, &text);
		if (json)
			print_settings(&text);
		else
			fwrite(buf_head(&text), 1, buf_len(&text), stdout);
		buf_free(&text);
		config_free(c);
		config_report_free(&r);
		return ZKCTL_OK;
	}
	print_findings(&r);
	config_report_free(&r);
	return ZKCTL_USAGE;
}

static const char *const status_names[] = {
	[CONFIG_HONOURED] = "honoured",
	[CONFIG_ACCEPTED] = "accepted",
	[CONFIG_REFUSED] = "refused",
};

static json_t *
key_json(const struct config_key *k)
{
	char allowed[256];

	return json_pack("{s:s, s:s, s:s?, s:s, s:i, s:s}", "key", k->name, "status", status_names[k->status],
			 "default", k->def, "allowed", config_key_allowed(k, allowed, sizeof allowed), "tier",
			 k->tier, "about", k->about);
}

static void
print_key(const struct config_key *k)
{
	char allowed[128];

	printf("%s%s%s", term_style(TERM_BOLD), k->name, term_style(TERM_PLAIN));
	if (k->status != CONFIG_REFUSED)
		printf("  default %s, allowed %s", k->def == NULL ? "none" : k->def,
		       config_key_allowed(k, allowed, sizeof allowed));
	putchar('\n');
	term_print_folded(stdout, 0, k->about, ABOUT_INDENT);
}

static int
print_keys(bool json)
{
	static const char *const headings[] = {
		[CONFIG_HONOURED] = "Honoured:",
		[CONFIG_ACCEPTED] = "Accepted, without effect:",
		[CONFIG_REFUSED] = "Refused, for the node would be less secure than the configuration says:",
	};
	json_t *list = json_array();

	for (const struct config_key *k = config_keys; json && k < config_keys + config_nkeys; k++)
		json_array_append_new(list, key_json(k));
	if (json) {
		json_print(json_pack("{s:o}", "keys", list));
		return ZKCTL_OK;
	}
	json_decref(list);
	for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
		printf("%s%s\n\n", i == 0 ? "" : "\n", headings[i]);
		for (const struct config_key *k = config_keys; k < config_keys + config_nkeys; k++)
			if (k->status == (enum config_status)i)
				print_key(k);
	}
	return ZKCTL_OK;
}

int
command_config(const struct options *o, int argc, char **argv)
{
	struct config_source s = {
		.file = o->config_file,
		.fd = -1,
		.overrides = o->overrides,
		.noverrides = o->noverrides,
	};

	if (argc == 2)
		s.file = argv[1];
	if (o->runtime != NULL)
		return complain(ZKCTL_USAGE, "config reads a file, not a running node; name it with -c FILE");
	if (strcmp(argv[0], "check") == 0)
		return check(&s, o->json);
	return strcmp(argv[0], "show") == 0 ? show(&s, o->json) : print_keys(o->json);
}
