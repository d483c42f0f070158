/* See census.h. Only the newest snapshot and the newest log are read to their ends: what a start would read first. */
#include "census.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "disk/names.h"
#include "jute/records.h"
#include "snapshot.h"

enum { EPOCH_BYTES = 32, ACL_ARENA_MAX = 64 << 20 };

static const char *
join(struct arena *arena, const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = arena_alloc(arena, size);

	ASSERT(path != NULL);
	snprintf(path, size, "%s/%s", dir, name);
	return path;
}

/* The newest of a kind so far. */
struct newest {
	bool any;
	uint64_t zxid;
	char name[256];
};

static void
offer(struct newest *n, uint64_t zxid, const char *name)
{
	if (n->any && zxid <= n->zxid)
		return;
	n->any = true;
	n->zxid = zxid;
	snprintf(n->name, sizeof n->name, "%s", name);
}

/* One folder's files of one kind: logs or snapshots. -errno where it cannot be listed. */
static int
list_folder(const char *folder, bool logs, struct newest *newest, uint64_t *count, uint64_t *bytes)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	struct stat st;
	uint64_t zxid;

	if (dir == NULL)
		return -errno;
	while ((e = readdir(dir)) != NULL) {
		enum disk_file_kind kind = disk_name_parse(e->d_name, &zxid);
		if (kind == DISK_FOREIGN || (kind == DISK_LOG) != logs ||
		    fstatat(dirfd(dir), e->d_name, &st, 0) != 0 || st.st_size == 0)
			continue;
		++*count;
		*bytes += (uint64_t)st.st_blocks * 512;
		offer(newest, zxid, e->d_name);
	}
	closedir(dir);
	return 0;
}

static uint64_t
free_space(const char *folder)
{
	struct statvfs v;

	return statvfs(folder, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
}

static int64_t
read_epoch(const char *folder, const char *name, struct arena *arena)
{
	int fd = open(join(arena, folder, name), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[EPOCH_BYTES + 1];
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, EPOCH_BYTES);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text[0] >= '0' && text[0] <= '9' ? strtoll(text, NULL, 10) : -1;
}

/* ---- The snapshot ---- */

static void
add_scheme(struct census *c, struct slice scheme)
{
	size_t len = scheme.len < sizeof c->schemes[0] ? scheme.len : sizeof c->schemes[0] - 1;

	for (unsigned i = 0; i < c->nschemes; i++)
		if (strlen(c->schemes[i]) == len && memcmp(c->schemes[i], scheme.data, len) == 0)
			return;
	if (c->nschemes == CENSUS_SCHEMES_MAX)
		return;
	memcpy(c->schemes[c->nschemes], scheme.data, len);
	c->schemes[c->nschemes++][len] = '\0';
}

static int
take_acl(void *ctx, int64_t key, struct slice list)
{
	struct census *c = ctx;
	struct jute_acl_vec acl;
	struct jute_reader r;
	struct arena arena;

	(void)key;
	arena_init(&arena, ACL_ARENA_MAX);
	jute_reader_init(&r, list, SNAPSHOT_RECORD_MAX);
	if (jute_read_acl_vec(&r, &arena, &acl))
		for (int32_t i = 0; i < acl.n; i++)
			add_scheme(c, acl.v[i].id.scheme);
	arena_free(&arena);
	return 0;
}

/* /zookeeper/quota/PATH/zookeeper_limits */
static bool
is_quota(struct slice path)
{
	static const char begin[] = "/zookeeper/quota/", end[] = "/zookeeper_limits";

	return path.len > sizeof begin + sizeof end - 2 && memcmp(path.data, begin, sizeof begin - 1) == 0 &&
	       memcmp(path.data + path.len - (sizeof end - 1), end, sizeof end - 1) == 0;
}

static int
take_node(void *ctx, const struct snapshot_node *node)
{
	struct census *c = ctx;
	enum owner owner = snapshot_owner(node->stat.ephemeral_owner);

	c->ephemerals += owner == OWNER_SESSION;
	c->containers += owner == OWNER_CONTAINER;
	c->ttls += owner == OWNER_TTL;
	c->quotas += is_quota(node->path);
	c->data_bytes += node->data.len;
	if (node->data.len > c->largest_data) {
		c->largest_data = node->data.len;
		snprintf(c->largest_path, sizeof c->largest_path, "%.*s", (int)node->path.len,
			 (const char *)node->path.data);
	}
	return 0;
}

static void
read_snapshot(struct census *c)
{
	static const struct snapshot_events events = { .acl = take_acl, .node = take_node };
	const struct snapshot_end *end = &c->snapshot.end;

	c->snapshot_result = snapfile_read(c->newest_snapshot, &events, c, &c->snapshot);
	if (c->snapshot_result != 0)
		return;
	c->last_zxid =
	    end->has_last_zxid && end->last_zxid > c->snapshot_zxid ? end->last_zxid : c->snapshot_zxid;
}

static void
read_log(struct census *c)
{
	struct txnlog_entry e;
	struct logfile l;

	if (logfile_open(&l, c->newest_log) != 0)
		return;
	while (logfile_next(&l, &e))
		if (e.head.zxid > c->last_zxid)
			c->last_zxid = e.head.zxid;
	c->log_read = l.error == 0;
	c->log_end = l.reader.end;
	logfile_close(&l);
}

void
census_take(struct census *c, const char *data_dir, const char *log_dir, struct arena *arena)
{
	struct newest snapshot = { .any = false }, log = { .any = false };

	*c = (struct census){ .data_dir = data_dir, .log_dir = log_dir == NULL ? data_dir : log_dir };
	const char *snaps = join(arena, c->data_dir, "version-2"),
		   *logs = join(arena, c->log_dir, "version-2");

	c->error = list_folder(snaps, false, &snapshot, &c->snapshots, &c->snapshot_bytes);
	c->log_error = list_folder(logs, true, &log, &c->logs, &c->log_bytes);
	c->free_bytes = free_space(c->data_dir);
	c->log_free_bytes = free_space(c->log_dir);
	c->accepted_epoch = read_epoch(snaps, "acceptedEpoch", arena);
	c->current_epoch = read_epoch(snaps, "currentEpoch", arena);
	if (snapshot.any) {
		c->newest_snapshot = join(arena, snaps, snapshot.name);
		c->snapshot_zxid = snapshot.zxid;
		read_snapshot(c);
	}
	if (log.any) {
		c->newest_log = join(arena, logs, log.name);
		read_log(c);
	}
}
