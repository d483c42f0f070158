/*
 * zkctl log verify: whether log files are whole and follow each other. Invariant: `last` is the highest zxid of a
 * valid txn in all files so far; a torn tail is forgiven when the next file goes on right behind it, because the
 * server that began that file had passed the tail over.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "disk/names.h"
#include "file.h"
#include "json.h"
#include "facts.h"
#include "log.h"
#include "txn.h"

enum {
	TXN_ARENA_MAX = 512 << 20,
	PROBLEMS_MAX = 100, /* of one file; behind so many the rest of it is left alone */
};

struct verify {
	bool json;
	struct arena arena;
	uint64_t first, last, txns; /* over all files */
	bool damaged, torn;         /* torn: the file before this one, or the last */
	json_t *files;
	/* Of the file at hand. */
	const char *name;
	uint64_t file_first, file_txns;
	int problems;
	json_t *list;
};

static uint32_t
epoch_of(uint64_t zxid)
{
	return (uint32_t)(zxid >> 32);
}

static void __attribute__((format(printf, 3, 4)))
tell(struct verify *v, const char *kind, const char *format, ...)
{
	char text[FILE_TEXT_BYTES + 64];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	v->problems++;
	if (v->json)
		json_array_append_new(v->list, json_pack("{s:s, s:s}", "kind", kind, "text", text));
	else
		printf("%s: %s\n", v->name, text);
}

/* Zxids rise by one; a new epoch begins with 1 (ZooKeeper: ZooKeeperServer.getNextZxid, Leader.lead). */
static void
check_order(struct verify *v, const struct txnlog_entry *e)
{
	uint64_t zxid = e->head.zxid, expected = v->last + 1;

	if (v->txns == 0 || zxid == expected)
		return;
	if (epoch_of(zxid) > epoch_of(v->last))
		expected = (zxid >> 32 << 32) + 1;
	if (zxid == expected)
		return;
	v->damaged = true;
	if (zxid <= v->last)
		tell(v, "order",
		     "offset %" PRIu64 ": zxid 0x%" PRIx64 " does not rise; the one before is 0x%" PRIx64,
		     e->offset, zxid, v->last);
	else
		tell(v, "gap",
		     "offset %" PRIu64 ": zxids 0x%" PRIx64 " to 0x%" PRIx64
		     " are missing; good only where a snapshot has them",
		     e->offset, expected, zxid - 1);
}

static void
check_first(struct verify *v, const struct txnlog_entry *e)
{
	uint64_t named;

	v->file_first = e->head.zxid;
	if (disk_name_parse(file_base_name(v->name), &named) != DISK_LOG || named == e->head.zxid)
		return;
	v->damaged = true;
	tell(v, "name",
	     "offset %" PRIu64 ": its name says that it begins with zxid 0x%" PRIx64
	     ", and it begins with 0x%" PRIx64,
	     e->offset, named, e->head.zxid);
}

static void
check_entry(struct verify *v, const struct txnlog_entry *e)
{
	if (v->file_txns++ == 0)
		check_first(v, e);
	check_order(v, e);
	if (!txn_readable(e, &v->arena)) {
		v->damaged = true;
		tell(v, "record",
		     "offset %" PRIu64 ": the record of zxid 0x%" PRIx64 ", type %" PRId32
		     ", cannot be read, though its checksum is right",
		     e->offset, e->head.zxid, e->head.type);
	}
	if (v->txns++ == 0)
		v->first = e->head.zxid;
	if (e->head.zxid > v->last)
		v->last = e->head.zxid;
}

static const char *const end_names[] = {
	[TXNLOG_CLEAN] = "clean", [TXNLOG_NO_HEADER] = "no-header", [TXNLOG_FOREIGN] = "foreign",
	[TXNLOG_TORN] = "torn",   [TXNLOG_DAMAGED] = "damaged",
};

static const char *
end_name(const struct logfile *l)
{
	return l->error != 0 ? "unreadable" : end_names[l->reader.end.kind];
}

static void
judge_end(struct verify *v, const struct logfile *l)
{
	enum txnlog_end_kind kind = l->reader.end.kind;
	char text[FILE_TEXT_BYTES];

	v->torn = l->error == 0 && (kind == TXNLOG_TORN || kind == TXNLOG_NO_HEADER);
	if (l->error == 0 && kind == TXNLOG_CLEAN)
		return;
	v->damaged |= !v->torn;
	if (l->error != 0)
		tell(v, "unreadable", "cannot read: %s", strerror(-l->error));
	else
		tell(v, end_name(l), "%s", logfile_explain(&l->reader.end, text));
}

static void
sum_up_file(struct verify *v, const struct logfile *l)
{
	const struct txnlog_end *end = &l->reader.end;

	if (v->json) {
		json_array_append_new(
		    v->files, json_pack("{s:o, s:I, s:o, s:o, s:I, s:I, s:s, s:o}", "file",
					facts_json_string(slice_str(v->name)), "txns",
					(json_int_t)v->file_txns, "first_zxid", facts_json_hex(v->file_first),
					"last_zxid", facts_json_hex(v->file_txns == 0 ? 0 : v->last),
					"good_bytes", (json_int_t)end->good, "size_bytes",
					(json_int_t)end->size, "end", end_name(l), "problems", v->list));
		return;
	}
	printf("%s: %" PRIu64 " transactions", v->name, v->file_txns);
	if (v->file_txns > 0)
		printf(", zxid 0x%" PRIx64 " to 0x%" PRIx64 ", epoch %" PRIu32 " to %" PRIu32, v->file_first,
		       v->last, epoch_of(v->file_first), epoch_of(v->last));
	printf(", up to offset %" PRIu64, end->good);
	if (end->kind == TXNLOG_CLEAN && end->size > end->good)
		printf(", then %" PRIu64 " bytes of padding", end->size - end->good);
	printf("; end: %s\n", end_name(l));
}

static void
verify_stretch(struct verify *v, struct logfile *l)
{
	struct txnlog_entry e;

	while (v->problems < PROBLEMS_MAX && logfile_next(l, &e))
		check_entry(v, &e);
	if (v->problems < PROBLEMS_MAX)
		judge_end(v, l);
}

static int
verify_file(struct verify *v, const char *name)
{
	struct logfile l;
	int status = logfile_open(&l, name);

	if (status != 0)
		return status;
	v->name = name;
	v->file_first = v->file_txns = 0;
	v->problems = 0;
	v->list = v->json ? json_array() : NULL;
	verify_stretch(v, &l);
	while (v->problems < PROBLEMS_MAX && l.error == 0 && l.reader.end.kind == TXNLOG_DAMAGED) {
		logfile_resume(&l);
		verify_stretch(v, &l);
	}
	if (v->problems >= PROBLEMS_MAX)
		tell(v, "more", "that is enough; what follows was not looked at");
	sum_up_file(v, &l);
	logfile_close(&l);
	return 0;
}

static int
sum_up(const struct verify *v, int nfiles)
{
	const char *verdict = v->damaged ? "damaged" : v->torn ? "torn" : "good";

	if (v->json)
		json_print(json_pack("{s:s, s:I, s:o, s:o, s:O}", "verdict", verdict, "txns",
				     (json_int_t)v->txns, "first_zxid", facts_json_hex(v->first), "last_zxid",
				     facts_json_hex(v->last), "files", v->files));
	else
		printf("%s: %d file%s, %" PRIu64 " transactions, zxid 0x%" PRIx64 " to 0x%" PRIx64 "%s\n",
		       verdict, nfiles, nfiles == 1 ? "" : "s", v->txns, v->first, v->last,
		       v->damaged || !v->torn ? "" : "; the server cuts the torn tail off when it starts");
	return v->damaged ? ZKCTL_UNWELL : v->torn ? ZKCTL_RESERVED : ZKCTL_OK;
}

int
log_verify(const struct options *o, int nfiles, char **files)
{
	struct verify v = { .json = o->json, .files = o->json ? json_array() : NULL };
	int status = 0;

	arena_init(&v.arena, TXN_ARENA_MAX);
	for (int i = 0; i < nfiles && status == 0; i++)
		status = verify_file(&v, files[i]);
	if (status == 0)
		status = sum_up(&v, nfiles);
	json_decref(v.files);
	arena_free(&v.arena);
	return status;
}
