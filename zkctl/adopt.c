/* zkctl adopt: reads an installation of ZooKeeper and writes what zkd needs to take its place. See adopt.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adopt.h"
#include "base/mem.h"
#include "command.h"
#include "json.h"

static const char *const class_names[ADOPT_CLASSES] = {
	[ADOPT_CARRIES] = "carries", [ADOPT_DIFFERS] = "differs", [ADOPT_MISSING] = "missing",
	[ADOPT_DECIDE] = "decide",   [ADOPT_STOPS] = "stops",
};

int
adopt_all(const struct options *o, const char *path, struct adoption *a)
{
	int status = adopt_read(path, a);

	if (status != ZKCTL_OK)
		return status;
	adopt_judge(o, a);
	adopt_compose(o, a);
	adopt_look(a);
	return ZKCTL_OK;
}

/* ---- The file ---- */

/* --output, or zoo.cfg in the folder that it names; to be released with mem_free. */
static char *
output_path(const char *output)
{
	size_t len = strlen(output);
	struct stat st;
	char *path;

	if ((stat(output, &st) == 0 && S_ISDIR(st.st_mode)) || (len > 0 && output[len - 1] == '/')) {
		path = mem_alloc(len + sizeof "/zoo.cfg");
		sprintf(path, "%s%szoo.cfg", output, output[len - 1] == '/' ? "" : "/");
		return path;
	}
	return mem_strndup(output, len);
}

static int
write_text(int fd, const char *path, const struct buf *text)
{
	const uint8_t *p = buf_head(text);
	size_t left = buf_len(text);

	while (left > 0) {
		ssize_t n = write(fd, p, left);
		if (n < 0)
			return complain(ZKCTL_USAGE, "%s: %s", path, strerror(errno));
		p += n;
		left -= (size_t)n;
	}
	return fsync(fd) == 0 ? ZKCTL_OK : complain(ZKCTL_USAGE, "%s: %s", path, strerror(errno));
}

/* Beside its place and then renamed, so that nobody finds half a configuration; link refuses what is there. */
static int
write_file(const struct adoption *a, const char *path, bool force)
{
	char *new = mem_alloc(strlen(path) + sizeof ".XXXXXX");
	int fd, status;

	sprintf(new, "%s.XXXXXX", path);
	fd = mkstemp(new);
	if (fd < 0) {
		status = complain(ZKCTL_USAGE, "%s: %s", path, strerror(errno));
		mem_free(new);
		return status;
	}
	fchmod(fd, a->has_secret ? 0600 : 0644);
	status = write_text(fd, path, &a->text);
	close(fd);
	if (status == ZKCTL_OK && (force ? rename(new, path) : link(new, path)) != 0)
		status = errno == EEXIST
			     ? complain(ZKCTL_CONFLICT, "%s is there already; --force writes over it", path)
			     : complain(ZKCTL_USAGE, "%s: %s", path, strerror(errno));
	unlink(new);
	mem_free(new);
	return status;
}

/* ---- The answer ---- */

static json_t *
findings_json(const struct adoption *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->nfindings; i++) {
		const struct adopt_finding *f = &a->findings[i];
		json_array_append_new(list, json_pack("{s:s, s:o, s:o?, s:s?, s:o, s:o?}", "class",
						      class_names[f->class], "subject", json_text(f->subject),
						      "value", f->value == NULL ? NULL : json_text(f->value),
						      "where", f->where, "tier",
						      f->tier == 0 ? json_null() : json_integer(f->tier),
						      "text", f->text == NULL ? NULL : json_text(f->text)));
	}
	return list;
}

static json_t *
processes_json(const struct adoption *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->nprocesses; i++)
		json_array_append_new(list, json_pack("{s:I, s:o}", "pid", (json_int_t)a->processes[i].pid,
						      "name", json_text(a->processes[i].name)));
	return list;
}

static json_t *
hex_json(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof text, "0x%" PRIx64, v);
	return json_string(text);
}

static json_t *
data_json(const struct census *c)
{
	json_t *schemes = json_array();

	if (c->data_dir == NULL || c->error != 0) {
		json_decref(schemes);
		return json_null();
	}
	for (unsigned i = 0; i < c->nschemes; i++)
		json_array_append_new(schemes, json_text(c->schemes[i]));
	return json_pack(
	    "{s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "dir",
	    json_text(c->data_dir), "snapshots", (json_int_t)c->snapshots, "snapshot_bytes",
	    (json_int_t)c->snapshot_bytes, "logs", (json_int_t)c->logs, "log_bytes", (json_int_t)c->log_bytes,
	    "free_bytes", (json_int_t)c->free_bytes, "last_zxid", hex_json(c->last_zxid), "accepted_epoch",
	    (json_int_t)c->accepted_epoch, "current_epoch", (json_int_t)c->current_epoch, "snapshot_whole",
	    c->newest_snapshot != NULL && c->snapshot_result == 0, "znodes",
	    (json_int_t)c->snapshot.end.nodes, "ephemerals", (json_int_t)c->ephemerals, "containers",
	    (json_int_t)c->containers, "ttls", (json_int_t)c->ttls, "quotas", (json_int_t)c->quotas,
	    "largest_data", (json_int_t)c->largest_data, "acl_schemes", schemes);
}

/* A line each, comments left out. */
static json_t *
commands_json(const struct buf *text)
{
	char *copy = mem_strndup(buf_head(text), buf_len(text)), *rest = copy, *line;
	json_t *list = json_array();

	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0' && line[0] != '#')
			json_array_append_new(list, json_text(line));
	mem_free(copy);
	return list;
}

static void
print_json(const struct adoption *a, const char *path, const struct buf *steps, int status)
{
	const char *text = a->config == NULL ? NULL : (const char *)buf_head(&a->text);
	json_t *configuration = text == NULL ? NULL : json_stringn(text, buf_len(&a->text));

	json_print(
	    json_pack("{s:o, s:s, s:o, s:o, s:o, s:o?, s:o?, s:o}", "source", json_text(a->cfg), "verdict",
		      status == ZKCTL_OK       ? "ready"
		      : status == ZKCTL_UNWELL ? "stop"
					       : "decide",
		      "findings", findings_json(a), "data", data_json(&a->census), "processes",
		      processes_json(a), "configuration", path == NULL ? configuration : NULL, "output",
		      path == NULL ? NULL : json_text(path), "commands", commands_json(steps)));
	if (path != NULL)
		json_decref(configuration);
}

/* People read the report; zoo.cfg goes to standard output where it goes to no file. */
static void
print_people(const struct adoption *a, const char *path, const struct buf *steps)
{
	FILE *out = path == NULL ? stderr : stdout;

	adopt_print(a, out);
	if (a->config == NULL) {
		fprintf(out, "\nNo configuration was written.\n");
		return;
	}
	if (path == NULL)
		fwrite(buf_head(&a->text), 1, buf_len(&a->text), stdout);
	fprintf(out, "\n%s%s. How to go on, see zkd-migrate(7):\n%.*s",
		path == NULL ? "zkd's zoo.cfg is on standard output" : "Written: ", path == NULL ? "" : path,
		(int)buf_len(steps), (const char *)buf_head(steps));
}

static int
verdict(const struct adoption *a)
{
	if (adopt_count(a, ADOPT_STOPS) > 0)
		return ZKCTL_UNWELL;
	return adopt_count(a, ADOPT_DECIDE) > 0 ? ZKCTL_RESERVED : ZKCTL_OK;
}

int
command_adopt(const struct options *o, int argc, char **argv)
{
	struct buf steps;
	struct adoption a;
	char *path = NULL;
	int status, written = ZKCTL_OK;

	(void)argc;
	status = adopt_all(o, argv[0], &a);
	if (status != ZKCTL_OK) {
		adopt_free(&a);
		return status;
	}
	status = verdict(&a);
	if (status == ZKCTL_UNWELL) {
		config_free(a.config);
		a.config = NULL;
	}
	if (o->output != NULL && strcmp(o->output, "-") != 0)
		path = output_path(o->output);
	if (path != NULL && a.config != NULL)
		written = write_file(&a, path, GIVEN(o, FORCE));
	buf_init(&steps, 1 << 20);
	adopt_put_commands(&a, path == NULL ? "zoo.cfg" : path, &steps);
	if (written == ZKCTL_OK && o->json)
		print_json(&a, a.config == NULL ? NULL : path, &steps, status);
	else if (written == ZKCTL_OK)
		print_people(&a, path, &steps);
	buf_free(&steps);
	mem_free(path);
	adopt_free(&a);
	return written != ZKCTL_OK ? written : status;
}
