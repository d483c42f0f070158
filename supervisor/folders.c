/* See folders.h. What zkd does here as root in folders that logd may write follows no link and trusts no name. */
#include "folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/daemon.h"
#include "io/log.h"

enum { DATA_MODE = 0750, PARENT_MODE = 0755 };

#define LOCK_NAME "zkd.lock"

/* mkdir -p; the folder itself gets mode. 0, 1 when it was made, or -errno. */
static int
make_folders(const char *path, mode_t mode)
{
	char *copy = mem_strndup(path, strlen(path));
	int error = 0, made = 0;

	for (char *p = copy; error == 0; p++) {
		char kept = *p;

		if ((kept != '/' && kept != '\0') || (kept == '/' && p == copy))
			continue;
		*p = '\0';
		made = mkdir(copy, kept == '\0' ? mode : PARENT_MODE) == 0;
		if (!made && errno != EEXIST)
			error = -errno;
		*p = kept;
		if (kept == '\0')
			break;
	}
	mem_free(copy);
	return error != 0 ? error : made;
}

static int
tell_runtime_error(const char *what, const char *path, int error)
{
	log_event(LOG_ERR, what, "runtimeDir=%s error=\"%s\" hint=\"choose another with -D runtimeDir=DIR\"",
		  path != NULL ? path : "", strerror(-error));
	return EXIT_BAD_INVOCATION;
}

/* The process that holds the lock, as it wrote it; 0 when it says nothing. */
static int
read_holder(int fd)
{
	char text[16] = "";

	return pread(fd, text, sizeof text - 1, 0) > 0 ? atoi(text) : 0;
}

static int
lock_runtime(struct runtime_folder *f)
{
	char text[16];
	int n;

	f->lock_fd = openat(f->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (f->lock_fd < 0)
		return tell_runtime_error("cannot lock the runtime folder", f->path, -errno);
	if (flock(f->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return tell_runtime_error("cannot lock the runtime folder", f->path, -errno);
		log_event(LOG_ERR, "another zkd runs here",
			  "pid=%d runtimeDir=%s hint=\"stop it, or give this one a folder of its own: -D "
			  "runtimeDir=DIR\"",
			  read_holder(f->lock_fd), f->path);
		return EXIT_BIND;
	}
	n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (ftruncate(f->lock_fd, 0) < 0 || pwrite(f->lock_fd, text, (size_t)n, 0) != n)
		return tell_runtime_error("cannot write to the runtime folder", f->path, -errno);
	return 0;
}

int
runtime_folder_open(struct runtime_folder *f, const struct settings *s)
{
	char *picked = NULL;
	int error;

	*f = (struct runtime_folder){ .fd = -1, .lock_fd = -1 };
	error = config_runtime_dir(s->config, &picked);
	if (error == 0) {
		f->fd = open(picked, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		f->path = realpath(picked, NULL);
		error = f->fd < 0 || f->path == NULL ? -errno : 0;
	}
	if (error != 0) {
		int status = tell_runtime_error("cannot use the runtime folder", picked, error);

		mem_free(picked);
		return status;
	}
	mem_free(picked);
	return lock_runtime(f);
}

void
runtime_folder_close(struct runtime_folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->lock_fd >= 0)
		close(f->lock_fd);
	free(f->path); /* realpath's */
	*f = (struct runtime_folder){ .fd = -1, .lock_fd = -1 };
}

/* What ZooKeeper and zkd keep in a data folder. */
static bool
is_data_name(const char *name)
{
	return strcmp(name, "version-2") == 0 || strcmp(name, "myid") == 0 || strcmp(name, "initialize") == 0;
}

/* Gives what fd stands for to logd; not a file with other names elsewhere. */
static int
give_fd(int fd, const struct user *u)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid == u->uid || (!S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || st.st_nlink != 1)))
		return 0;
	return fchown(fd, u->uid, u->gid) < 0 ? -errno : 0;
}

/*
 * Gives one entry of a data folder, and what is directly in it, to logd. Opened without following links or waiting,
 * so that a name put there by somebody else leads nowhere.
 */
static int
give_entry(int dirfd, const char *name, const struct user *u, bool descend)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct dirent *e;
	int error;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	error = give_fd(fd, u);
	dir = descend && error == 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		close(fd);
		return error;
	}
	while (error == 0 && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			error = give_entry(fd, e->d_name, u, false);
	closedir(dir);
	return error;
}

/* Whether a folder that somebody named is a data folder, or may become one: else it is not ours to give away. */
static bool
looks_like_data(DIR *dir, const struct user *u)
{
	bool empty = true;
	struct dirent *e;
	struct stat st;

	if (fstat(dirfd(dir), &st) == 0 && st.st_uid == u->uid)
		return true;
	while ((e = readdir(dir)) != NULL) {
		if (is_data_name(e->d_name))
			return true;
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			empty = false;
	}
	return empty;
}

static int
give_folder(const char *path, bool made, const struct user *u)
{
	DIR *dir = opendir(path);
	int error = 0;

	if (dir == NULL)
		return -errno;
	if (made || looks_like_data(dir, u)) {
		error = give_fd(dirfd(dir), u);
		if (error == 0)
			error = give_entry(dirfd(dir), "version-2", u, true);
		if (error == 0)
			error = give_entry(dirfd(dir), "myid", u, false);
		if (error == 0)
			error = give_entry(dirfd(dir), "initialize", u, false);
	} else {
		log_event(LOG_WARNING, "the folder holds other things and keeps its owner", "folder=%s",
			  path);
	}
	closedir(dir);
	return error;
}

static int
prepare_folder(const struct settings *s, const char *key, const char *path)
{
	int made = 0, error = 0;

	if (s->config->data_dir_autocreate) {
		made = make_folders(path, DATA_MODE);
	} else if (access(path, F_OK) < 0) {
		log_event(LOG_ERR, "the data folder does not exist and datadir.autocreate is off", "%s=%s",
			  key, path);
		return EXIT_DATA_DIR;
	}
	if (made < 0)
		error = made;
	else if (geteuid() == 0)
		error = give_folder(path, made == 1, &s->users[WATCH_LOGD]);
	if (error == 0)
		return 0;
	log_event(LOG_ERR, "cannot use the data folder", "%s=%s error=\"%s\"", key, path, strerror(-error));
	return EXIT_DATA_DIR;
}

int
data_folders_prepare(const struct settings *s)
{
	int status = prepare_folder(s, "dataDir", s->config->data_dir);

	if (status == 0 && strcmp(s->config->data_log_dir, s->config->data_dir) != 0)
		status = prepare_folder(s, "dataLogDir", s->config->data_log_dir);
	return status;
}
