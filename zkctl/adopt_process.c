/*
 * Servers that run with the configuration being adopted, or on its data: from /proc, as far as the caller may look. The
 * command line of such a server is the last word on its JVM properties, wherever they came from.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "base/mem.h"

enum { COMMAND_MAX = 1 << 20, LINK_BYTES = 4096 };

static ssize_t
read_proc(long pid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, out, size - 1);
	close(fd);
	out[n < 0 ? 0 : n] = '\0';
	return n;
}

static bool
read_link(const char *path, char out[LINK_BYTES])
{
	ssize_t n = readlink(path, out, LINK_BYTES - 1);

	out[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

/* Whether two paths are one file; b may be relative to cwd. */
static bool
same_file(const char *real, const char *b, const char *cwd)
{
	char joined[2 * LINK_BYTES], *other;
	bool same;

	snprintf(joined, sizeof joined, "%s%s%s", b[0] == '/' ? "" : cwd, b[0] == '/' ? "" : "/", b);
	other = realpath(joined, NULL);
	same = other != NULL && strcmp(real, other) == 0;
	free(other); /* realpath's */
	return same;
}

/* A ZooKeeper server whose last argument is our zoo.cfg. */
static bool
runs_with(const char *command, size_t len, const char *cfg, const char *cwd)
{
	bool server = false;
	const char *last = "";

	for (const char *word = command; word < command + len; word += strlen(word) + 1) {
		server |=
		    strstr(word, "QuorumPeerMain") != NULL || strstr(word, "ZooKeeperServerMain") != NULL;
		last = word[0] == '\0' ? last : word;
	}
	return server && same_file(cfg, last, cwd);
}

/* Whether a file of one of the folders is open there. */
static bool
has_open(long pid, const char *const folders[2])
{
	char path[64 + 256], target[LINK_BYTES];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%ld/fd", pid);
	dir = opendir(path);
	while (dir != NULL && !found && (e = readdir(dir)) != NULL) {
		snprintf(path, sizeof path, "/proc/%ld/fd/%s", pid, e->d_name);
		for (int i = 0; i < 2 && read_link(path, target); i++) {
			size_t len = folders[i] == NULL ? 0 : strlen(folders[i]);
			found |= len > 0 && strncmp(target, folders[i], len) == 0 &&
				 (target[len] == '/' || target[len] == '\0');
		}
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

/* What the environment files told already is marked, not told again. */
static bool
is_known(struct adoption *a, const char *key, const char *value)
{
	bool known = false;

	for (size_t i = 0; i < a->nsettings; i++) {
		struct adopt_setting *s = &a->settings[i];
		if (s->source == ADOPT_CFG || strcmp(s->written, key) != 0 || strcmp(s->value, value) != 0)
			continue;
		s->seen = known = true;
	}
	return known;
}

static void
take_properties(struct adoption *a, long pid, const char *command, size_t len)
{
	const char *where = adopt_format(a, "pid %ld", pid);

	for (const char *word = command; word < command + len; word += strlen(word) + 1) {
		const char *equals = strchr(word, '=');
		if (strncmp(word, "-D", 2) != 0 || word[2] == '\0' || a->nsettings == ADOPT_SETTINGS_MAX)
			continue;
		const char *key = adopt_format(
		    a, "%.*s", (int)(equals == NULL ? strlen(word) : (size_t)(equals - word)) - 2, word + 2);
		const char *value = equals == NULL ? "" : adopt_format(a, "%s", equals + 1);
		if (!is_known(a, key, value))
			a->settings[a->nsettings++] = (struct adopt_setting){
				.source = ADOPT_PROCESS, .where = where, .written = key, .value = value
			};
	}
}

static void
look_at(struct adoption *a, long pid, const char *cfg, const char *const folders[2], char *command)
{
	char path[64], cwd[LINK_BYTES], name[64];
	ssize_t len = read_proc(pid, "cmdline", command, COMMAND_MAX);
	bool by_config, by_data;

	if (len <= 0 || a->nprocesses == ADOPT_PROCESSES_MAX)
		return;
	snprintf(path, sizeof path, "/proc/%ld/cwd", pid);
	read_link(path, cwd);
	by_config = cfg != NULL && runs_with(command, (size_t)len, cfg, cwd);
	by_data = has_open(pid, folders);
	if (!by_config && !by_data)
		return;
	read_proc(pid, "comm", name, sizeof name);
	name[strcspn(name, "\n")] = '\0';
	a->processes[a->nprocesses++] = (struct adopt_process){
		.pid = pid,
		.name = adopt_format(a, "%s", name),
		.cwd = cwd[0] == '\0' ? NULL : adopt_format(a, "%s", cwd),
		.by_config = by_config,
	};
	if (by_config)
		take_properties(a, pid, command, (size_t)len);
}

/* version-2 of what the file calls dataDir or dataLogDir, as the kernel names it. */
static char *
real_folder(const struct adoption *a, const char *key)
{
	const struct adopt_setting *s = NULL;
	char path[LINK_BYTES];

	for (size_t i = 0; i < a->nsettings; i++)
		if (a->settings[i].source == ADOPT_CFG && strcmp(a->settings[i].written, key) == 0)
			s = &a->settings[i];
	if (s == NULL)
		return NULL;
	snprintf(path, sizeof path, "%s/version-2", s->value);
	return realpath(path, NULL);
}

void
adopt_find_processes(struct adoption *a)
{
	char *cfg = realpath(a->cfg, NULL), *data = real_folder(a, "dataDir"),
	     *logs = real_folder(a, "dataLogDir");
	char *command = mem_alloc(COMMAND_MAX);
	const char *const folders[2] = { data, logs };
	DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc != NULL && (e = readdir(proc)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]) && strtol(e->d_name, NULL, 10) != getpid())
			look_at(a, strtol(e->d_name, NULL, 10), cfg, folders, command);
	if (proc != NULL)
		closedir(proc);
	mem_free(command);
	free(cfg); /* realpath's, all three */
	free(data);
	free(logs);
}
