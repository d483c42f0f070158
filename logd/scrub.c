/*
 * See scrub.h. Invariant: `last` is the zxid up to which the logs read so far follow each other, where `known`; a log
 * that ends unclean is only damage if what follows it does not go on from there, for a crash leaves such ends behind.
 */
#include "scrub.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "snapread.h"

enum { STEP_BYTES = 256 << 10 };

struct scrub {
	struct store_disk *disk;
	struct trace *trace;
	uint64_t upto;
	int (*step)(struct scrub *s);
	struct files files;
	struct scrub_result result;
	size_t next; /* log, then snapshot, to read */

	struct walk walk;
	bool walking;
	bool known;
	uint64_t last;
	char ended[FILES_TEXT_BYTES]; /* how the log before ended, where not well */

	struct snapread *snapshot;
};

static int step_list(struct scrub *s);
static int step_logs(struct scrub *s);
static int step_snapshots(struct scrub *s);

struct scrub *
scrub_new(struct store_disk *d, uint64_t upto, struct trace *t)
{
	struct scrub *s = mem_zalloc(1, sizeof *s);

	s->disk = d;
	s->trace = t;
	s->upto = upto;
	s->step = step_list;
	return s;
}

static void
close_log(struct scrub *s)
{
	if (s->walking)
		walk_close(&s->walk);
	s->walking = false;
}

void
scrub_free(struct scrub *s)
{
	if (s == NULL)
		return;
	close_log(s);
	snapread_close(s->snapshot);
	files_free(&s->files);
	mem_free(s);
}

int
scrub_step(struct scrub *s)
{
	return s->step(s);
}

const struct scrub_result *
scrub_so_far(const struct scrub *s)
{
	return &s->result;
}

static void __attribute__((format(printf, 2, 3))) found(struct scrub *s, const char *fmt, ...)
{
	char text[FILES_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	/* The first is the result's; only what does not fit there is told here. */
	if (s->result.damaged++ == 0)
		memcpy(s->result.first, text, sizeof text);
	else
		trace(s->trace, TRACE_ERROR, "store", "scrub found more damage", "what=\"%s\"", text);
}

static int
step_list(struct scrub *s)
{
	char why[FILES_TEXT_BYTES];
	int ret = files_list(&s->files, s->disk, why);

	if (ret != 0)
		return ret;
	s->step = step_logs;
	return 1;
}

/* ---- Logs ---- */

static int
begin_snapshots(struct scrub *s)
{
	close_log(s);
	s->next = 0;
	s->step = step_snapshots;
	return 1;
}

/* Whether a snapshot closes the gap: one installed, or of a server whose logs were removed. */
static bool
is_bridged(const struct scrub *s, uint64_t next)
{
	for (size_t i = 0; i < s->files.nsnapshots; i++) {
		uint64_t zxid = s->files.snapshots[i].zxid;
		if (zxid >= s->last && (zxid == next || zxid_follows(zxid, next)))
			return true;
	}
	return false;
}

static void
found_gap(struct scrub *s, const char *what, uint64_t next)
{
	found(s, "%s: transactions after zxid 0x%" PRIx64 " are missing, %s 0x%" PRIx64 "%s%s",
	      s->disk->names[STORE_LOG], s->last, what, next, s->ended[0] == '\0' ? "" : "; ", s->ended);
	s->ended[0] = '\0';
}

/* All logs are read: do they reach what was durable? */
static int
end_logs(struct scrub *s)
{
	if (s->known && s->last < s->upto && !is_bridged(s, s->upto))
		found_gap(s, "durable was", s->upto);
	return begin_snapshots(s);
}

static int
open_log(struct scrub *s)
{
	uint64_t zxid;
	int ret;

	if (s->next == s->files.nlogs)
		return end_logs(s);
	zxid = s->files.logs[s->next++].zxid;
	if (zxid > s->upto)
		return end_logs(s);
	ret = walk_open_cold(&s->walk, s->disk, zxid);
	if (ret == -ENOENT) { /* purged meanwhile, and what was before it too */
		s->known = false;
		return 1;
	}
	if (ret != 0) {
		found(s, "%s/log.%" PRIx64 ": %s", s->disk->names[STORE_LOG], zxid, strerror(-ret));
		s->known = false;
		return 1;
	}
	s->walking = true;
	s->result.files++;
	return 1;
}

static int
end_log(struct scrub *s)
{
	const struct txnlog_end *end = &s->walk.reader.end;
	uint64_t zxid = s->files.logs[s->next - 1].zxid;

	s->ended[0] = '\0';
	if (end->kind != TXNLOG_CLEAN)
		walk_explain(s->ended, s->disk, zxid, end);
	if (end->kind == TXNLOG_DAMAGED || end->kind == TXNLOG_FOREIGN) {
		found(s, "%s", s->ended);
		s->known = false;
	}
	close_log(s);
	return 1;
}

static void
take_entry(struct scrub *s, const struct txnlog_entry *e)
{
	uint64_t zxid = e->head.zxid;

	if (s->known && zxid > s->last && !zxid_follows(s->last, zxid) && !is_bridged(s, zxid))
		found_gap(s, "the next one is", zxid);
	if (!s->known || zxid > s->last)
		s->last = zxid;
	s->known = true;
	s->result.bytes += e->end - e->offset;
}

static int
step_logs(struct scrub *s)
{
	uint64_t begun = s->result.bytes;
	struct txnlog_entry e;
	int ret;

	if (!s->walking)
		return open_log(s);
	while (s->result.bytes - begun < STEP_BYTES) {
		ret = walk_next(&s->walk, &e);
		if (ret < 0) {
			found(s, "%s/log.%" PRIx64 " at offset %" PRIu64 ": %s", s->disk->names[STORE_LOG],
			      s->files.logs[s->next - 1].zxid, s->walk.offset, strerror(-ret));
			s->known = false;
			close_log(s);
			return 1;
		}
		if (ret == 0)
			return end_log(s);
		take_entry(s, &e);
		if (e.head.zxid >= s->upto)
			return begin_snapshots(s);
	}
	return 1;
}

/* ---- Snapshots ---- */

static void
found_snapshot(struct scrub *s, int error)
{
	char name[DISK_NAME_BYTES];
	const struct file_name *n = &s->files.snapshots[s->next - 1];

	disk_name_make(name, n->kind, n->zxid);
	if (error == -EBADMSG)
		found(s, "%s/%s at offset %" PRIu64 " of its content: %s", s->disk->names[STORE_SNAP], name,
		      snapread_offset(s->snapshot), snapread_error(s->snapshot));
	else
		found(s, "%s/%s: %s", s->disk->names[STORE_SNAP], name, strerror(-error));
}

static int
open_snapshot(struct scrub *s)
{
	int ret;

	if (s->next == s->files.nsnapshots)
		return 0;
	ret = snapread_open(&s->snapshot, s->disk, &s->files.snapshots[s->next++], STORE_COLD);
	if (ret != 0 && ret != -ENOENT)
		found_snapshot(s, ret);
	s->result.files += ret == 0;
	return 1;
}

static int
step_snapshots(struct scrub *s)
{
	struct slice bytes;
	int ret;

	if (s->snapshot == NULL)
		return open_snapshot(s);
	ret = snapread_step(s->snapshot, &bytes);
	s->result.bytes += bytes.len;
	if (ret > 0)
		return 1;
	if (ret < 0)
		found_snapshot(s, ret);
	snapread_close(s->snapshot);
	s->snapshot = NULL;
	return 1;
}
