/* See folders.h. Invariant: no file of the store is looked at before both locks are held. */
#include "folders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "disk.h"
#include "io/clock.h"
#include "io/daemon.h"
#include "io/user.h"

#define LOCK_NAME "zkd.lock"
enum { LOCK_POLL_MS = 5, LOCK_TEXT_BYTES = 128, FOLDER_MODE = 0750 };

static int
complain(const char *what, const char *path, int error)
{
	log_event(LOG_ERR, what, "path=%s reason=%s", log_quote(slice_str(path)).text,
		  log_quote(slice_str(strerror(error))).text);
	return EXIT_DATA_DIR;
}

/* As mkdir -p. 0 or -errno. */
static int
make_path(const char *path)
{
	char *copy = mem_strndup(path, strlen(path));
	int ret = 0;

	for (char *p = copy + 1; ret == 0 && *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, FOLDER_MODE) != 0 && errno != EEXIST)
			ret = -errno;
		*p = '/';
	}
	if (ret == 0 && mkdir(copy, FOLDER_MODE) != 0 && errno != EEXIST)
		ret = -errno;
	mem_free(copy);
	return ret;
}

static int
open_folder(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The folder itself; made when it may be. */
static int
open_top(const char *path, bool create)
{
	int fd = open_folder(AT_FDCWD, path), ret;

	if (fd != -ENOENT || !create)
		return fd;
	ret = make_path(path);
	return ret == 0 ? open_folder(AT_FDCWD, path) : ret;
}

static int
open_version(int top)
{
	int fd = open_folder(top, "version-2");

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(top, "version-2", FOLDER_MODE) != 0 && errno != EEXIST)
		return -errno;
	/* Names below it are worth nothing if its own is lost. */
	if (fsync(top) != 0)
		return -errno;
	return open_folder(top, "version-2");
}

/* A number behind a word at the start of a line of text, or -1. */
static int64_t
find_number(const char *text, const char *word)
{
	const char *p = strstr(text, word);

	return p == NULL || !isdigit((unsigned char)p[strlen(word)]) ? -1
								     : strtoll(p + strlen(word), NULL, 10);
}

static void
read_text(int fd, char text[LOCK_TEXT_BYTES])
{
	ssize_t n = pread(fd, text, LOCK_TEXT_BYTES - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
}

static int
write_text(int fd, int64_t server)
{
	char text[LOCK_TEXT_BYTES];
	int n = snprintf(text, sizeof text, "pid %d\n", (int)getpid());

	if (server >= 0)
		n += snprintf(text + n, sizeof text - (size_t)n, "server %" PRId64 "\n", server);
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return -errno;
	return 0;
}

static int
wait_for_lock(int fd)
{
	uint64_t until = clock_mono_ms() + FOLDERS_LOCK_WAIT_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (clock_mono_ms() >= until)
			return -EWOULDBLOCK;
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_POLL_MS * 1000000L }, NULL);
	}
	return 0;
}

static int
refuse_server(const char *path, int64_t theirs, int64_t ours)
{
	log_event(LOG_ERR, "data folder belongs to another server",
		  "path=%s server=%" PRId64 " ours=%" PRId64
		  " way_out=\"set dataDir or myid right; or, if this data is really to become ours, "
		  "remove " LOCK_NAME " and correct myid in that folder\"",
		  log_quote(slice_str(path)).text, theirs, ours);
	return EXIT_DATA_DIR;
}

/* Takes the lock in a folder and puts our names into it. */
static int
claim(int *lock, int top, const char *path, int64_t server)
{
	char text[LOCK_TEXT_BYTES];
	int64_t theirs;
	int ret;

	*lock = openat(top, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (*lock < 0)
		return complain("cannot open the lock", path, errno);
	ret = wait_for_lock(*lock);
	read_text(*lock, text);
	if (ret == -EWOULDBLOCK) {
		log_event(LOG_ERR, "data folder is in use", "path=%s pid=%" PRId64,
			  log_quote(slice_str(path)).text, find_number(text, "pid "));
		return EXIT_DATA_DIR;
	}
	if (ret != 0)
		return complain("cannot lock the data folder", path, -ret);
	theirs = find_number(text, "server ");
	if (theirs >= 0 && server >= 0 && theirs != server)
		return refuse_server(path, theirs, server);
	ret = write_text(*lock, server >= 0 ? server : theirs);
	return ret == 0 ? 0 : complain("cannot write the lock", path, -ret);
}

/* The number in dataDir/myid, or -1. */
static int64_t
read_myid(int top)
{
	char text[LOCK_TEXT_BYTES] = "";
	int fd = openat(top, "myid", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	read_text(fd, text);
	close(fd);
	return isdigit((unsigned char)text[0]) ? strtoll(text, NULL, 10) : -1;
}

static int
claim_all(struct folders *f, const struct config *c, int snap_top)
{
	int64_t file = read_myid(snap_top), server = c->myid >= 0 ? c->myid : file;
	int status;

	if (file >= 0 && file != server)
		return refuse_server(c->data_dir, file, server);
	status = claim(&f->locks[0], snap_top, c->data_dir, server);
	if (status == 0 && !f->one)
		status = claim(&f->locks[1], f->fds[STORE_LOG_TOP], c->data_log_dir, server);
	return status;
}

/* Everything in a version-2 folder becomes the user's that logd will be. */
static int
give_files(int folder, const struct user *u)
{
	int fd = open_folder(folder, "."), ret = 0;
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	while (ret == 0 && dir != NULL && (entry = readdir(dir)) != NULL) {
		if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
		    (st.st_uid == u->uid && st.st_gid == u->gid))
			continue;
		if (fchownat(folder, entry->d_name, u->uid, u->gid, AT_SYMLINK_NOFOLLOW) != 0)
			ret = -errno;
	}
	if (dir == NULL)
		close(fd);
	else
		closedir(dir);
	if (ret == 0 && fchown(folder, u->uid, u->gid) != 0)
		ret = -errno;
	return ret;
}

static int
give_all(const struct folders *f, const struct config *c)
{
	struct user u;
	int ret;

	if (geteuid() != 0)
		return 0;
	if (user_find("logd", c->user[CONFIG_LOGD], &u) != 0)
		return 0; /* the skeleton complains of it */
	ret = give_files(f->fds[STORE_SNAP], &u);
	if (ret == 0 && !f->one)
		ret = give_files(f->fds[STORE_LOG], &u);
	return ret == 0 ? 0 : complain("cannot hand the files to their user", c->data_dir, -ret);
}

static char *
join(const char *path, const char *name)
{
	size_t n = strlen(path) + strlen(name) + 2;
	char *joined = mem_alloc(n);

	snprintf(joined, n, "%s/%s", path, name);
	return joined;
}

static bool
same_folder(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int
folders_open(struct folders *f, const struct config *c)
{
	int snap_top = open_top(c->data_dir, c->data_dir_autocreate), status;

	*f = (struct folders){ .locks = { -1, -1 } };
	if (snap_top < 0)
		return complain("cannot open dataDir", c->data_dir, -snap_top);
	f->fds[STORE_LOG_TOP] = open_top(c->data_log_dir, c->data_dir_autocreate);
	if (f->fds[STORE_LOG_TOP] < 0)
		return complain("cannot open dataLogDir", c->data_log_dir, -f->fds[STORE_LOG_TOP]);
	f->one = same_folder(snap_top, f->fds[STORE_LOG_TOP]);
	status = claim_all(f, c, snap_top);
	if (status != 0)
		return status;
	f->fds[STORE_SNAP] = open_version(snap_top);
	f->fds[STORE_LOG] = f->one ? f->fds[STORE_SNAP] : open_version(f->fds[STORE_LOG_TOP]);
	close(snap_top);
	if (f->fds[STORE_SNAP] < 0)
		return complain("cannot open version-2 in dataDir", c->data_dir, -f->fds[STORE_SNAP]);
	if (f->fds[STORE_LOG] < 0)
		return complain("cannot open version-2 in dataLogDir", c->data_log_dir, -f->fds[STORE_LOG]);
	f->names[STORE_SNAP] = join(c->data_dir, "version-2");
	f->names[STORE_LOG] = join(c->data_log_dir, "version-2");
	f->names[STORE_LOG_TOP] = join(c->data_log_dir, "");
	return give_all(f, c);
}
