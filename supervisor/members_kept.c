/*
 * See members_kept.h. Invariants: each file is whole or not there, and the list is on disk before zoo.cfg points at it; a
 * failure to write costs the file only, never the node.
 */
#include "members_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/dynamic.h"
#include "config/members.h"
#include "io/log.h"

enum { LIST_MODE = 0644, SUFFIX_BYTES = 40 };

bool
members_same_place(const struct config_server *x, const struct config_server *y)
{
	if (x->naddresses != y->naddresses)
		return false;
	for (size_t i = 0; i < x->naddresses; i++)
		if (strcmp(x->addresses[i].host, y->addresses[i].host) != 0 ||
		    x->addresses[i].quorum_port != y->addresses[i].quorum_port ||
		    x->addresses[i].election_port != y->addresses[i].election_port)
			return false;
	return true;
}

static int
put_bytes(int fd, struct slice bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes.data += n;
		bytes.len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int
sync_folder(const char *path)
{
	char *copy = mem_strndup(path, strlen(path));
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;

	mem_free(copy);
	if (fd < 0)
		return -errno;
	error = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return error;
}

/* The file holds text afterwards, or what it held before; like is whose owner and mode it gets, or NULL. */
static int
replace_file(const char *path, struct slice text, const struct stat *like)
{
	char temporary[PATH_MAX + SUFFIX_BYTES];
	int fd, error;

	snprintf(temporary, sizeof temporary, "%s.tmp", path);
	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, LIST_MODE);
	if (fd < 0)
		return -errno;
	error = put_bytes(fd, text);
	if (error == 0 && like != NULL &&
	    (fchmod(fd, like->st_mode & 07777) < 0 ||
	     ((like->st_uid != geteuid() || like->st_gid != getegid()) &&
	      fchown(fd, like->st_uid, like->st_gid) < 0)))
		error = -errno;
	close(fd);
	if (error == 0 && rename(temporary, path) < 0)
		error = -errno;
	if (error != 0)
		unlink(temporary);
	return error != 0 ? error : sync_folder(path);
}

static int
point_at(const char *config, const char *list, bool erase_client)
{
	struct config_source source = { .file = config, .fd = -1 };
	struct buf before, after;
	struct stat like;
	int error;

	buf_init(&before, 2 * CONFIG_TEXT_MAX);
	buf_init(&after, 2 * CONFIG_TEXT_MAX + PATH_MAX);
	error = stat(config, &like) < 0 ? -errno : config_read_source(&source, &before);
	if (error == 0)
		error = dynamic_edit_static(buf_slice(&before), list, erase_client, &after);
	if (error == 0)
		error = replace_file(config, buf_slice(&after), &like);
	buf_free(&before);
	buf_free(&after);
	return error;
}

/* ZooKeeper: QuorumPeer.setQuorumVerifier. */
static int
write_down(const char *config_file, const struct members *m, const struct config_server *own)
{
	char config[PATH_MAX], list[PATH_MAX + SUFFIX_BYTES];
	struct buf text;
	int error;

	if (realpath(config_file, config) == NULL)
		return -errno;
	snprintf(list, sizeof list, "%s.dynamic.%" PRIx64, config, m->version);
	buf_init(&text, MEMBERS_TEXT_MAX);
	dynamic_put_list(m, &text);
	error = replace_file(list, buf_slice(&text), NULL);
	buf_free(&text);
	return error != 0 ? error : point_at(config, list, own != NULL && own->client.port >= 0);
}

static void
keep_file(const struct invocation *inv, const struct members *m, const struct config_server *own)
{
	int error = inv->config_file == NULL ? -ENOENT : write_down(inv->config_file, m, own);

	if (error == 0)
		log_event(LOG_NOTICE, "members written down", "version=%" PRIx64 " servers=%zu", m->version,
			  m->nservers);
	else
		log_event(LOG_ERR, "members not written down",
			  "version=%" PRIx64
			  " file=%s error=\"%s\" consequence=\"the next start knows an older list\"",
			  m->version,
			  inv->config_file != NULL ? log_quote(slice_str(inv->config_file)).text : "",
			  strerror(-error));
}

/* Daemons that are started later begin with the list. */
static void
hand_out(struct settings *s, const char *runtime_dir, const struct members *m)
{
	const struct config_server *was = config_find_server(s->config, s->config->myid);
	const struct config_server *own = members_find(m, s->config->myid);

	if (own == NULL) {
		log_event(LOG_WARNING, "this server is no member any more", "myid=%lld",
			  (long long)s->config->myid);
		return;
	}
	if (was != NULL && !members_same_place(was, own))
		log_event(LOG_WARNING, "this server has other addresses now",
			  "hint=\"restart zkd to listen there\"");
	settings_take_members(s, runtime_dir, m);
}

void
members_kept(struct settings *s, const struct invocation *inv, const char *runtime_dir, struct slice text)
{
	char *lines = mem_strndup((const char *)text.data, text.len);
	struct members *m;

	for (size_t i = 0; i < text.len; i++)
		if (lines[i] == ',')
			lines[i] = '\n';
	if (s->config->reconfig_enabled && config_is_ensemble(s->config) &&
	    members_parse(slice_of(lines, text.len), &m) == 0) {
		if (m->version > s->config->servers_version) {
			keep_file(inv, m, members_find(m, s->config->myid));
			hand_out(s, runtime_dir, m);
		}
		members_free(m);
	}
	mem_free(lines);
}
