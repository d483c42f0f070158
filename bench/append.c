/* See append.h. Invariant: nothing is written outside the allocated space. */
#include "bench/append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

int
append_open(struct append_file *f, const char *folder, bool zeros_ahead)
{
	char name[4096];
	int error;

	*f = (struct append_file){ .zeros_ahead = zeros_ahead };
	snprintf(name, sizeof name, "%s/.zkd-bench-%d", folder, (int)getpid());
	f->fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return -errno;
	unlink(name);
	error = fallocate(f->fd, 0, 0, APPEND_SPACE) != 0 || fsync(f->fd) != 0 ? -errno : 0;
	if (error != 0)
		append_close(f);
	return error;
}

static int
put(struct append_file *f, const uint8_t *bytes, size_t len, uint64_t at)
{
	ssize_t n = pwrite(f->fd, bytes, len, (off_t)at);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* All of it for the second time: what is there is used already, which is not what is measured. */
static int
begin_again(struct append_file *f)
{
	f->end = f->zeros = 0;
	return ftruncate(f->fd, 0) != 0 || fallocate(f->fd, 0, 0, APPEND_SPACE) != 0 ? -errno : 0;
}

int
append_sync(struct append_file *f, size_t len)
{
	static const uint8_t zeros[APPEND_ZEROS];
	static uint8_t bytes[APPEND_MAX];
	int error = 0;

	ASSERT(len <= sizeof bytes);
	memset(bytes, 'z', len);
	if (f->end + len + sizeof zeros > APPEND_SPACE)
		error = begin_again(f);
	error = error ?: put(f, bytes, len, f->end);
	f->end += len;
	if (error == 0 && f->zeros_ahead && f->end > f->zeros) {
		error = put(f, zeros, sizeof zeros, f->end);
		f->zeros = f->end + sizeof zeros;
	}
	if (error == 0 && fdatasync(f->fd) != 0)
		error = -errno;
	return error;
}

void
append_close(struct append_file *f)
{
	close(f->fd);
}
