/* See posix_disk.h. Invariant: a handle is a file descriptor; every write is complete or an error. */
#include "posix_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"

enum { FILE_MODE = 0640 };

/* statfs f_type of OpenZFS and of bcachefs, which the kernel's headers lack. */
#define ZFS_SUPER_MAGIC      0x2fc12fc1u
#define BCACHEFS_SUPER_MAGIC 0xca451a4eu

static struct posix_disk *
self(struct store_disk *d)
{
	return container_of(d, struct posix_disk, disk);
}

static void
enter(struct store_disk *d)
{
	if (self(d)->pulse != NULL)
		pulse_flip(self(d)->pulse);
}

/* Ends what enter began; a system call's -1 becomes -errno. */
static int
leave(struct store_disk *d, int result)
{
	int error = errno;

	if (self(d)->pulse != NULL)
		pulse_flip(self(d)->pulse);
	return result < 0 ? -error : result;
}

static bool
is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int
disk_open(struct store_disk *d, enum store_folder folder, const char *name, enum store_open how)
{
	static const int flags[] = {
		[STORE_READ] = O_RDONLY,
		[STORE_COLD] = O_RDONLY,
		[STORE_WRITE] = O_RDWR,
		[STORE_CREATE] = O_RDWR | O_CREAT | O_EXCL,
	};

	int fd;

	enter(d);
	/* Nothing but a file is read or written; O_NONBLOCK, lest a pipe of that name keep us waiting for ever. */
	fd = leave(d, openat(self(d)->folders[folder], name, flags[how] | O_CLOEXEC | O_NONBLOCK, FILE_MODE));
	if (fd >= 0 && !is_file(fd)) {
		close(fd);
		return -EISDIR;
	}
	/*
	 * We read in large pieces anyway; reading ahead would fill the cache with the zeros of space allocated ahead,
	 * which then no longer count as a hole and are read at every start.
	 */
	if (fd >= 0)
		posix_fadvise(fd, 0, 0, how == STORE_COLD ? POSIX_FADV_DONTNEED : POSIX_FADV_RANDOM);
	return fd;
}

static void
disk_close(struct store_disk *d, int handle)
{
	enter(d);
	leave(d, close(handle));
}

static int
disk_info(struct store_disk *d, int handle, struct store_info *info)
{
	struct stat st;

	(void)d;
	if (fstat(handle, &st) != 0)
		return -errno;
	info->size = (uint64_t)st.st_size;
	info->id = (uint64_t)st.st_ino;
	return 0;
}

static int64_t
disk_read(struct store_disk *d, int handle, uint64_t offset, void *data, size_t len)
{
	size_t done = 0;

	enter(d);
	while (done < len) {
		ssize_t got = pread(handle, (char *)data + done, len - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return leave(d, -1);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	leave(d, 0);
	return (int64_t)done;
}

static int64_t
disk_next_data(struct store_disk *d, int handle, uint64_t offset)
{
	struct store_info info;
	off_t at;
	int ret;

	enter(d);
	at = lseek(handle, (off_t)offset, SEEK_DATA);
	ret = leave(d, at < 0 ? -1 : 0);
	if (ret == 0)
		return at;
	if (ret == -ENXIO) { /* nothing but a hole up to the end */
		ret = disk_info(d, handle, &info);
		return ret != 0 ? ret : (int64_t)(info.size > offset ? info.size : offset);
	}
	/* A file system that does not tell: all of it may be data. */
	return ret == -EINVAL || ret == -EOPNOTSUPP ? (int64_t)offset : ret;
}

static int
disk_write(struct store_disk *d, int handle, uint64_t offset, const void *data, size_t len)
{
	size_t done = 0;

	enter(d);
	while (done < len) {
		ssize_t got = pwrite(handle, (const char *)data + done, len - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got == 0 ? EIO : errno;
			return leave(d, -1);
		}
		done += (size_t)got;
	}
	return leave(d, 0);
}

static int
disk_write_back(struct store_disk *d, int handle, uint64_t offset, uint64_t len)
{
	enter(d);
	return leave(d, sync_file_range(handle, (off_t)offset, (off_t)len,
					SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
					    SYNC_FILE_RANGE_WAIT_AFTER));
}

static int
disk_sync(struct store_disk *d, int handle)
{
	enter(d);
	return leave(d, fdatasync(handle));
}

static int
disk_truncate(struct store_disk *d, int handle, uint64_t size)
{
	enter(d);
	return leave(d, ftruncate(handle, (off_t)size));
}

static int
disk_allocate(struct store_disk *d, int handle, uint64_t size)
{
	struct store_info info;
	int ret = disk_info(d, handle, &info);

	if (ret != 0 || info.size >= size)
		return ret;
	enter(d);
	return leave(d, fallocate(handle, 0, (off_t)info.size, (off_t)(size - info.size)));
}

static int
disk_rename(struct store_disk *d, enum store_folder folder, const char *from, const char *to)
{
	int fd = self(d)->folders[folder];

	enter(d);
	return leave(d, renameat(fd, from, fd, to));
}

static int
disk_remove(struct store_disk *d, enum store_folder folder, const char *name)
{
	enter(d);
	return leave(d, unlinkat(self(d)->folders[folder], name, 0));
}

static int
disk_sync_folder(struct store_disk *d, enum store_folder folder)
{
	enter(d);
	return leave(d, fsync(self(d)->folders[folder]));
}

static int
disk_space(struct store_disk *d, enum store_folder folder, uint64_t *free_bytes)
{
	struct statfs st;
	int ret;

	enter(d);
	ret = leave(d, fstatfs(self(d)->folders[folder], &st));
	*free_bytes = ret == 0 ? (uint64_t)st.f_bavail * (uint64_t)st.f_bsize : 0;
	return ret;
}

static int
disk_list(struct store_disk *d, enum store_folder folder, int (*visit)(void *ctx, const char *name),
	  void *ctx)
{
	int fd = openat(self(d)->folders[folder], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (dir == NULL) {
		ret = -errno;
		close(fd);
		return ret;
	}
	errno = 0;
	while (ret == 0 && (entry = readdir(dir)) != NULL)
		ret = visit(ctx, entry->d_name);
	if (ret == 0 && errno != 0)
		ret = -errno;
	closedir(dir);
	return ret;
}

static uint64_t
disk_now_us(struct store_disk *d)
{
	struct timespec ts;

	(void)d;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static const struct store_disk_ops ops = {
	.open = disk_open,
	.close = disk_close,
	.info = disk_info,
	.read = disk_read,
	.next_data = disk_next_data,
	.write = disk_write,
	.write_back = disk_write_back,
	.sync = disk_sync,
	.truncate = disk_truncate,
	.allocate = disk_allocate,
	.rename = disk_rename,
	.remove = disk_remove,
	.sync_folder = disk_sync_folder,
	.space = disk_space,
	.list = disk_list,
	.now_us = disk_now_us,
};

/* Where writing over anything takes new space, what was allocated or filled ahead is of no use. */
static bool
writes_in_place(int folder)
{
	struct statfs st;

	if (fstatfs(folder, &st) != 0)
		return false;
	switch ((uint32_t)st.f_type) {
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case NILFS_SUPER_MAGIC:
	case ZFS_SUPER_MAGIC:
	case BCACHEFS_SUPER_MAGIC:
		return false;
	default:
		return true;
	}
}

void
posix_disk_init(struct posix_disk *p, const int folders[3], const char *const names[3], bool one_folder)
{
	*p = (struct posix_disk){ .disk = { .ops = &ops, .one_folder = one_folder } };
	for (int i = 0; i < 3; i++) {
		p->folders[i] = folders[i];
		p->disk.names[i] = names[i];
	}
	p->disk.in_place = writes_in_place(folders[STORE_LOG]);
}
