/* See file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "disk/inflater.h"
#include "disk/snapshot_format.h"
#include "zkctl.h"

enum {
	READ_BYTES = 256 << 10,
	LOG_MAGIC = 0x5a4b4c47,
	SNAPPY_MAGIC = 0x82534e41,
	GZIP_MAGIC = 0x1f8b,
};

int
file_open(const char *name)
{
	/* Not to wait for the writer of a pipe. */
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		complain(0, "%s: %s", name, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		complain(0, "%s is %s, no file; name the files in its version-2 folder themselves", name,
			 S_ISDIR(st.st_mode) ? "a folder" : "a device or a pipe");
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

const char *
file_base_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash == NULL ? name : slash + 1;
}

/* The same as read, but for the interruptions. */
static ssize_t
read_some(int fd, void *out, size_t size)
{
	ssize_t n;

	do
		n = read(fd, out, size);
	while (n < 0 && errno == EINTR);
	return n;
}

/* ---- Logs ---- */

int
logfile_open(struct logfile *l, const char *name)
{
	*l = (struct logfile){ .name = name, .fd = file_open(name) };
	if (l->fd < 0)
		return ZKCTL_USAGE;
	txnlog_reader_init(&l->reader, TXNLOG_TXN_MAX);
	l->chunk = mem_alloc(READ_BYTES);
	return 0;
}

void
logfile_close(struct logfile *l)
{
	txnlog_reader_free(&l->reader);
	mem_free(l->chunk);
	close(l->fd);
}

bool
logfile_next(struct logfile *l, struct txnlog_entry *e)
{
	enum txnlog_next got;
	ssize_t n;

	while ((got = txnlog_reader_next(&l->reader, e)) == TXNLOG_MORE) {
		n = read_some(l->fd, l->chunk, READ_BYTES);
		if (n > 0) {
			txnlog_reader_feed(&l->reader, slice_of(l->chunk, (size_t)n));
			continue;
		}
		if (n < 0) {
			l->error = -errno;
			return false;
		}
		txnlog_reader_eof(&l->reader);
	}
	return got == TXNLOG_ENTRY;
}

void
logfile_resume(struct logfile *l)
{
	struct txnlog_end end = l->reader.end;

	txnlog_reader_free(&l->reader);
	txnlog_reader_init_at(&l->reader, TXNLOG_TXN_MAX, end.resume, end.last_zxid);
	if (lseek(l->fd, (off_t)end.resume, SEEK_SET) < 0)
		l->error = -errno;
}

/* What a file is that begins with this, or "". */
static const char *
other_file(uint32_t magic)
{
	if (magic == SNAPSHOT_MAGIC)
		return " (a snapshot; see zkctl snapshot)";
	if (magic == LOG_MAGIC)
		return " (a transaction log; see zkctl log)";
	if (magic >> 16 == GZIP_MAGIC || magic == SNAPPY_MAGIC)
		return " (compressed, as snapshots may be; see zkctl snapshot)";
	return "";
}

static const char *
explain_foreign(const struct txnlog_end *end, char text[FILE_TEXT_BYTES])
{
	bool magic = strcmp(end->what, "magic") == 0;

	snprintf(text, FILE_TEXT_BYTES,
		 magic ? "no transaction log: it begins with 0x%08" PRIx64 ", expected 0x%08" PRIx64 "%s"
		       : "a transaction log of version %" PRIu64 ", and only version %" PRIu64 " is known%s",
		 end->found, end->expected, magic ? other_file((uint32_t)end->found) : "");
	return text;
}

/* The first bad record. */
static size_t
explain_record(const struct txnlog_end *end, char text[FILE_TEXT_BYTES])
{
	int n = snprintf(text, FILE_TEXT_BYTES, "offset %" PRIu64 ": %s", end->good, end->what);

	if (strcmp(end->what, "checksum") == 0 || strcmp(end->what, "end byte") == 0)
		n += snprintf(text + n, FILE_TEXT_BYTES - (size_t)n,
			      ": expected 0x%" PRIx64 ", found 0x%" PRIx64, end->expected, end->found);
	else if (strcmp(end->what, "length") == 0)
		n += snprintf(text + n, FILE_TEXT_BYTES - (size_t)n,
			      ": expected %d to %" PRIu64 ", found %" PRIu64, TXNLOG_TXN_MIN, end->expected,
			      end->found);
	else if (strcmp(end->what, "unfinished") == 0)
		n += snprintf(text + n, FILE_TEXT_BYTES - (size_t)n,
			      ": expected %" PRIu64 " bytes, found %" PRIu64, end->expected, end->found);
	return (size_t)n;
}

const char *
logfile_explain(const struct txnlog_end *end, char text[FILE_TEXT_BYTES])
{
	size_t n;

	if (end->kind == TXNLOG_FOREIGN)
		return explain_foreign(end, text);
	if (end->kind == TXNLOG_NO_HEADER) {
		snprintf(text, FILE_TEXT_BYTES,
			 "offset 0: no header and nothing else, as a crash leaves a log that was just made");
		return text;
	}
	n = explain_record(end, text);
	if (end->kind == TXNLOG_TORN)
		snprintf(text + n, FILE_TEXT_BYTES - n,
			 "; torn tail of %" PRIu64 " bytes, no valid transaction behind it",
			 end->size - end->good);
	else
		snprintf(text + n, FILE_TEXT_BYTES - n,
			 "; valid transactions behind it: %" PRIu64 ", from offset %" PRIu64
			 ", zxid 0x%" PRIx64 "%s",
			 end->after, end->resume, end->resume_zxid,
			 end->lost_sector ? "; a sector of zeros is in it, as a power loss leaves one" : "");
	return text;
}

/* ---- Snapshots ---- */

struct snapread {
	struct snapshot_reader reader;
	struct inflater *inflater; /* NULL: not compressed */
	struct buf plain;
	struct snapfile *out;
	bool begun;
};

static void __attribute__((format(printf, 2, 3))) set_problem(struct snapfile *out, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(out->problem, sizeof out->problem, format, ap);
	va_end(ap);
}

/* By its first bytes: a file may have been given any name. */
static int
begin_snapshot(struct snapread *s, struct slice first)
{
	uint32_t magic = first.len < 4 ? 0 : get_be32(first.data);

	s->begun = true;
	if (magic >> 16 == GZIP_MAGIC || magic == SNAPPY_MAGIC) {
		bool gz = magic != SNAPPY_MAGIC;
		s->inflater = inflater_new(gz ? DISK_SNAPSHOT_GZ : DISK_SNAPSHOT_SNAPPY);
		s->out->compression = gz ? "gz" : "snappy";
	} else if (first.len >= 4 && magic != SNAPSHOT_MAGIC) {
		set_problem(s->out,
			    "offset 0: no snapshot: it begins with 0x%08" PRIx32 ", expected 0x%08x%s", magic,
			    SNAPSHOT_MAGIC, other_file(magic));
		return -EBADMSG;
	}
	return 0;
}

static int
feed_plain(struct snapread *s, struct slice bytes)
{
	int64_t ret = snapshot_reader_feed(&s->reader, bytes);

	s->out->plain_size += bytes.len;
	if (ret == -EBADMSG)
		set_problem(s->out, "offset %" PRIu64 "%s: %s", s->reader.offset,
			    s->inflater == NULL ? "" : " when inflated", s->reader.error);
	return ret < 0 ? (int)ret : 0;
}

static int
feed_packed(struct snapread *s, struct slice bytes)
{
	int64_t added;
	int ret = 0;

	while (ret == 0 && (added = inflater_step(s->inflater, &bytes, &s->plain)) != 0) {
		if (added < 0) {
			set_problem(s->out, "the %s stream is damaged before offset %" PRIu64,
				    s->out->compression, s->out->size);
			return -EBADMSG;
		}
		ret = feed_plain(s, buf_slice(&s->plain));
		buf_consume(&s->plain, buf_len(&s->plain));
	}
	if (ret == 0 && bytes.len > 0) {
		set_problem(s->out, "offset %" PRIu64 ": %zu bytes behind the end of the %s stream",
			    s->out->size - bytes.len, bytes.len, s->out->compression);
		return -EBADMSG;
	}
	return ret;
}

static int
finish_snapshot(struct snapread *s)
{
	int ret;

	if (s->inflater != NULL && !inflater_done(s->inflater)) {
		set_problem(s->out, "offset %" PRIu64 ": the %s stream ends unfinished", s->out->size,
			    s->out->compression);
		return -EBADMSG;
	}
	ret = snapshot_reader_finish(&s->reader);
	if (ret != 0)
		set_problem(s->out, "offset %" PRIu64 ": %s", s->reader.offset, s->reader.error);
	return ret;
}

static int
read_all(struct snapread *s, int fd, uint8_t *chunk)
{
	ssize_t n;
	int ret = 0;

	while (ret == 0 && (n = read_some(fd, chunk, READ_BYTES)) != 0) {
		struct slice bytes = slice_of(chunk, n < 0 ? 0 : (size_t)n);
		if (n < 0) {
			set_problem(s->out, "offset %" PRIu64 ": cannot read: %s", s->out->size,
				    strerror(errno));
			return -EIO;
		}
		if (!s->begun)
			ret = begin_snapshot(s, bytes);
		s->out->size += bytes.len;
		if (ret == 0)
			ret = s->inflater == NULL ? feed_plain(s, bytes) : feed_packed(s, bytes);
	}
	return ret == 0 ? finish_snapshot(s) : ret;
}

int
snapfile_read(const char *name, const struct snapshot_events *events, void *ctx, struct snapfile *out)
{
	struct snapread s = { .out = out };
	int fd = file_open(name), ret;
	uint8_t *chunk;

	*out = (struct snapfile){ .compression = "none" };
	if (fd < 0)
		return ZKCTL_USAGE;
	chunk = mem_alloc(READ_BYTES);
	buf_init(&s.plain, SIZE_MAX / 4);
	snapshot_reader_init(&s.reader, SNAPSHOT_FILE, events, ctx);
	ret = read_all(&s, fd, chunk);
	out->end = s.reader.end;
	snapshot_reader_free(&s.reader);
	buf_free(&s.plain);
	inflater_free(s.inflater);
	mem_free(chunk);
	close(fd);
	return ret;
}
