/* The thin part that touches the system: reads the text and dataDir/myid, finds the folder of the sockets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "room.h"

enum { MYID_FILE_MAX = 4096 /* a number, or what a package left there to be replaced */, READ_STEP = 16384 };

static const char SYSTEM_RUNTIME_DIR[] = "/run/zkd";

/* The file from its start, by position: a sealed descriptor is shared by all who inherited it. */
static int
read_fd(int fd, size_t max, struct buf *out)
{
	off_t at = 0;

	for (;;) {
		uint8_t *room = buf_reserve(out, READ_STEP);
		ssize_t n;
		if (room == NULL || (size_t)at > max)
			return -EFBIG;
		n = pread(fd, room, READ_STEP, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf_commit(out, (size_t)n);
		at += n;
	}
}

static int
read_path(const char *path, size_t max, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0)
		return -errno;
	rc = read_fd(fd, max, out);
	close(fd);
	return rc;
}

int
config_read_source(const struct config_source *s, struct buf *text)
{
	if (s->fd >= 0)
		return read_fd(s->fd, CONFIG_TEXT_MAX, text);
	if (s->file != NULL)
		return read_path(s->file, CONFIG_TEXT_MAX, text);
	buf_put(text, config_default_text, strlen(config_default_text));
	return text->overflow ? -EFBIG : 0;
}

static const char *
source_name(const struct config_source *s)
{
	return s->file == NULL ? "(built-in configuration)" : s->file;
}

static char *
join(const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = mem_alloc(size);

	snprintf(path, size, "%s/%s", dir, name);
	return path;
}

/* An ensemble needs to know who it is; a lone server of a list takes its client port by it, if the file is
 * there. */
static int
load_myid(struct config *c, struct config_report *r)
{
	struct buf text;
	char *path;
	int rc;

	if (c->myid >= 0 || c->nservers == 0)
		return 0;
	buf_init(&text, MYID_FILE_MAX + READ_STEP);
	path = join(c->data_dir, "myid");
	rc = read_path(path, MYID_FILE_MAX, &text);
	if (rc == 0) {
		rc = config_take_myid(c, buf_slice(&text), path, r);
	} else if (config_is_ensemble(c)) {
		report_error(r, (struct origin){ path, 0 }, NULL,
			     "%s; an ensemble needs the server's number there, or "
			     "-D myid=N",
			     strerror(-rc));
		rc = -EINVAL;
	} else {
		rc = 0;
	}
	mem_free(path);
	buf_free(&text);
	return rc;
}

/* The file, then once more with the list that it names. */
static int
parse_source(const struct config_source *s, struct slice text, struct config **c, struct config_report *r)
{
	const char *file = source_name(s);
	struct config_report first;
	struct config_list list;
	struct buf content;
	int rc;

	config_report_init(&first);
	rc = config_parse(text, file, s->overrides, s->noverrides, c, &first);
	if (rc < 0 || (*c)->dynamic_config_file == NULL) {
		config_report_free(r);
		*r = first;
		return rc;
	}
	config_report_free(&first);
	buf_init(&content, CONFIG_TEXT_MAX + 2 * READ_STEP);
	list.file = (*c)->dynamic_config_file;
	rc = read_path(list.file, CONFIG_TEXT_MAX, &content);
	if (rc < 0) {
		report_error(r, (struct origin){ file, 0 }, "dynamicConfigFile", "%s cannot be read: %s",
			     list.file, strerror(-rc));
		buf_free(&content);
		return -EINVAL;
	}
	struct config *outer = *c;
	list.text = buf_slice(&content);
	rc = config_parse_with_list(text, file, &list, s->overrides, s->noverrides, c, r);
	config_free(outer); /* its name was in use */
	buf_free(&content);
	return rc;
}

int
config_load(const struct config_source *s, struct config **c, struct config_report *r)
{
	const char *file = source_name(s);
	struct buf text;
	int rc;

	*c = NULL;
	buf_init(&text, CONFIG_TEXT_MAX + 2 * READ_STEP);
	rc = config_read_source(s, &text);
	if (rc < 0) {
		report_error(r, (struct origin){ file, 0 }, NULL, "cannot be read: %s", strerror(-rc));
		rc = -EINVAL;
	} else {
		rc = parse_source(s, buf_slice(&text), c, r);
	}
	buf_free(&text);
	if (rc == 0)
		rc = load_myid(*c, r);
	if (rc < 0) {
		config_free(*c);
		*c = NULL;
	}
	return rc;
}

/* mkdir with its parents; an existing folder is fine. 0 or -errno. */
static int
make_folders(const char *path, mode_t mode)
{
	char *copy = mem_strndup(path, strlen(path));
	int rc = 0;

	for (char *p = copy + 1; rc == 0 && *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			rc = -errno;
		*p = '/';
	}
	if (rc == 0 && mkdir(copy, mode) < 0 && errno != EEXIST)
		rc = -errno;
	mem_free(copy);
	return rc;
}

static int
usable_folder(const char *path)
{
	return faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int
make_runtime_dir(const char *path)
{
	int rc = make_folders(path, 0755);

	return rc < 0 ? rc : usable_folder(path);
}

int
config_runtime_dir(const struct config *c, char **path)
{
	int rc;

	if (c->runtime_dir != NULL) {
		*path = mem_strndup(c->runtime_dir, strlen(c->runtime_dir));
		return make_runtime_dir(*path);
	}
	*path = mem_strndup(SYSTEM_RUNTIME_DIR, sizeof SYSTEM_RUNTIME_DIR - 1);
	if (make_runtime_dir(*path) == 0)
		return 0;
	mem_free(*path);
	*path = join(c->data_dir, "run");
	/* The data folder itself is not ours to create where the operator said so. */
	if (!c->data_dir_autocreate) {
		rc = mkdir(*path, 0755) < 0 && errno != EEXIST ? -errno : 0;
		return rc < 0 ? rc : usable_folder(*path);
	}
	return make_runtime_dir(*path);
}

size_t
config_runtime_candidates(const struct config *c, char *paths[2])
{
	if (c->runtime_dir != NULL) {
		paths[0] = mem_strndup(c->runtime_dir, strlen(c->runtime_dir));
		return 1;
	}
	/* The data folder's own first: it can only be this node's. */
	paths[0] = join(c->data_dir, "run");
	paths[1] = mem_strndup(SYSTEM_RUNTIME_DIR, sizeof SYSTEM_RUNTIME_DIR - 1);
	return 2;
}
