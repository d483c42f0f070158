/* zkctl log dump: what the transactions of log files say. */
#include "log.h"
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "disk/names.h"
#include "file.h"
#include "json.h"
#include "txn.h"

enum {
	TXN_ARENA_MAX = 512 << 20, /* vectors of the largest txn, decoded */
	DAMAGES_MAX = 100,         /* behind so many the rest of a file is left alone */
};

struct dump {
	const struct options *o;
	struct arena arena;
	struct buf line, below;
	uint64_t unreadable; /* records of the file at hand */
	int status;
};

static void
print_line(struct dump *d, const struct txnlog_entry *e)
{
	struct facts f = { .with_data = GIVEN(d->o, DATA), .line = &d->line, .below = &d->below };

	d->unreadable += !txn_tell(e, &d->arena, &f);
	buf_put_slice(&d->line, buf_slice(&d->below));
	buf_put_u8(&d->line, '\n');
	fwrite(buf_head(&d->line), 1, buf_len(&d->line), stdout);
	buf_reset(&d->line, 1 << 20);
	buf_reset(&d->below, 1 << 20);
}

static void
print_object(struct dump *d, const struct txnlog_entry *e)
{
	struct facts f = { .with_data = GIVEN(d->o, DATA), .json = json_object() };

	d->unreadable += !txn_tell(e, &d->arena, &f);
	json_print(f.json);
}

/* The txns up to the file's end or the next damage. */
static void
dump_stretch(struct dump *d, struct logfile *l)
{
	struct txnlog_entry e;

	while (logfile_next(l, &e)) {
		if (e.head.zxid < d->o->from_zxid || e.head.zxid > d->o->to_zxid)
			continue;
		if (d->o->json)
			print_object(d, &e);
		else
			print_line(d, &e);
	}
}

/* Complains about an end that is no clean one. */
static void
judge_end(struct dump *d, const struct logfile *l)
{
	char text[FILE_TEXT_BYTES];

	if (l->error != 0)
		complain(0, "%s: cannot read: %s", l->name, strerror(-l->error));
	else if (l->reader.end.kind != TXNLOG_CLEAN)
		complain(0, "%s: %s", l->name, logfile_explain(&l->reader.end, text));
	if (l->error != 0 || l->reader.end.kind == TXNLOG_DAMAGED || l->reader.end.kind == TXNLOG_FOREIGN)
		d->status = ZKCTL_UNWELL;
}

static int
dump_file(struct dump *d, const char *name)
{
	struct logfile l;
	int status = logfile_open(&l, name);

	if (status != 0)
		return status;
	d->unreadable = 0;
	dump_stretch(d, &l);
	judge_end(d, &l);
	for (int i = 0; i < DAMAGES_MAX && l.error == 0 && l.reader.end.kind == TXNLOG_DAMAGED; i++) {
		logfile_resume(&l);
		dump_stretch(d, &l);
		judge_end(d, &l);
	}
	if (d->unreadable > 0)
		d->status =
		    complain(ZKCTL_UNWELL, "%s: %" PRIu64 " records cannot be read", name, d->unreadable);
	logfile_close(&l);
	return 0;
}

int
log_dump(const struct options *o, int nfiles, char **files)
{
	struct dump d = { .o = o };
	int status = 0;

	arena_init(&d.arena, TXN_ARENA_MAX);
	buf_init(&d.line, SIZE_MAX / 4);
	buf_init(&d.below, SIZE_MAX / 4);
	for (int i = 0; i < nfiles && status == 0; i++)
		status = dump_file(&d, files[i]);
	arena_free(&d.arena);
	buf_free(&d.line);
	buf_free(&d.below);
	return status != 0 ? status : d.status;
}

/* By the zxid in their names: a shell puts log.a before log.b, but log.10 before log.9 too. */
static int
compare_names(const void *a, const void *b)
{
	uint64_t x = 0, y = 0;

	disk_name_parse(file_base_name(*(char *const *)a), &x);
	disk_name_parse(file_base_name(*(char *const *)b), &y);
	return x < y ? -1 : x > y;
}

/* Into the order of their zxids, unless one has a name of its own. */
static void
sort_files(int nfiles, char **files)
{
	uint64_t zxid;

	for (int i = 0; i < nfiles; i++)
		if (disk_name_parse(file_base_name(files[i]), &zxid) != DISK_LOG)
			return;
	qsort(files, (size_t)nfiles, sizeof *files, compare_names);
}

int
command_log(const struct options *o, int argc, char **argv)
{
	bool dump = strcmp(argv[0], "dump") == 0;

	if (o->runtime != NULL || o->config_file != NULL)
		return complain(ZKCTL_USAGE, "log reads files, no running node; leave -c and --runtime away");
	if (argc == 1)
		return complain(ZKCTL_USAGE, "log %s which files? They are named log.ZXID", argv[0]);
	sort_files(argc - 1, argv + 1);
	return dump ? log_dump(o, argc - 1, argv + 1) : log_verify(o, argc - 1, argv + 1);
}
