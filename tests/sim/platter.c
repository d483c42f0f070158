/* See platter.h. Invariant: only kept content and kept names are looked at. */
#include "platter.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"

enum { ENTRY_HEAD = 12 /* checksum, length */ };

/* The entry at offset; 0: there is no whole one, else where the next begins. */
static uint64_t
read_entry(const struct disk_file *f, uint64_t offset, struct slice *txn, struct txnlog_head *h)
{
	uint32_t len;

	if (offset + ENTRY_HEAD + TXNLOG_TXN_MIN + 1 > f->kept_size)
		return 0;
	len = get_be32(f->kept + offset + 8);
	if (len < TXNLOG_TXN_MIN || offset + ENTRY_HEAD + len + 1 > f->kept_size ||
	    f->kept[offset + ENTRY_HEAD + len] != 0x42)
		return 0;
	*txn = slice_of(f->kept + offset + ENTRY_HEAD, len);
	if (adler32(1, txn->data, len) != get_be64(f->kept + offset))
		return 0;
	txnlog_peek(*txn, h);
	return offset + ENTRY_HEAD + len + 1;
}

static bool
is_named(const struct disk_name *n, const char *prefix, uint64_t *zxid)
{
	size_t len = strlen(prefix);
	char *end;

	if (n->kept == NULL || strncmp(n->name, prefix, len) != 0)
		return false;
	*zxid = strtoull(n->name + len, &end, 16);
	return *end == '\0';
}

/* The log with the highest name at or below zxid, or with the lowest above it. */
static const struct disk_file *
find_log(const struct sim_disk *d, uint64_t zxid, bool above, uint64_t *name)
{
	const struct disk_file *best = NULL;
	uint64_t first;

	for (int i = 0; i < DISK_NAMES; i++) {
		if (!is_named(&d->names[i], "log.", &first) || (first > zxid) != above)
			continue;
		if (best == NULL || (above ? first < *name : first > *name)) {
			best = d->names[i].kept;
			*name = first;
		}
	}
	return best;
}

static bool
has_snapshot(const struct sim_disk *d, uint64_t zxid)
{
	uint64_t at;

	for (int i = 0; i < DISK_NAMES; i++)
		if (is_named(&d->names[i], "snapshot.", &at) && at == zxid)
			return true;
	return false;
}

uint64_t
platter_snapshot(const struct sim_disk *d)
{
	uint64_t at, newest = 0;

	for (int i = 0; i < DISK_NAMES; i++)
		if (is_named(&d->names[i], "snapshot.", &at) && at > newest)
			newest = at;
	return newest;
}

static void
point(struct cursor *c, const struct disk_file *f, uint64_t offset, uint64_t after)
{
	*c = (struct cursor){ f, f->id, f->shrunk, offset, after };
}

/* Also under its name: what is set aside is no log any more. */
static bool
still_there(const struct cursor *c, const struct sim_disk *d)
{
	uint64_t name;

	if (c->file == NULL)
		return false;
	for (int i = 0; i < DISK_NAMES; i++)
		if (d->names[i].kept == c->file && is_named(&d->names[i], "log.", &name))
			return c->file->id == c->id && c->file->shrunk == c->shrunk;
	return false;
}

/* The entry behind the cursor, in its file or at the beginning of the next; 0, or where that ends in *f. */
static uint64_t
peek(const struct sim_disk *d, const struct cursor *c, const struct disk_file **f, struct slice *txn,
     struct txnlog_head *h)
{
	uint64_t next = read_entry(c->file, c->offset, txn, h), name = 0;

	*f = c->file;
	if (next == 0 && c->offset > TXNLOG_HEADER_BYTES) {
		*f = find_log(d, c->after, true, &name);
		next = *f == NULL ? 0 : read_entry(*f, TXNLOG_HEADER_BYTES, txn, h);
	}
	return next > 0 && h->zxid > c->after ? next : 0;
}

/* Puts the cursor behind the txn `after`. */
static bool
seek(const struct sim_disk *d, struct cursor *c, uint64_t after)
{
	uint64_t at = TXNLOG_HEADER_BYTES, name = 0;
	const struct disk_file *f = find_log(d, after, false, &name);
	struct txnlog_head h = { .zxid = 0 };
	struct slice txn;

	c->file = NULL;
	while (f != NULL && (at = read_entry(f, at, &txn, &h)) > 0 && h.zxid < after)
		;
	if (f != NULL && at > 0 && h.zxid == after) {
		point(c, f, at, after);
		return true;
	}
	if (after != 0 && !has_snapshot(d, after))
		return false;
	f = find_log(d, after, true, &name);
	if (f == NULL)
		return false;
	point(c, f, TXNLOG_HEADER_BYTES, after);
	return true;
}

bool
platter_reaches(const struct sim_disk *d, struct cursor *c, uint64_t zxid)
{
	const struct disk_file *f;
	struct txnlog_head h;
	struct slice txn;
	uint64_t next;

	if (!still_there(c, d))
		return seek(d, c, zxid) || has_snapshot(d, zxid);
	while (c->after < zxid && (next = peek(d, c, &f, &txn, &h)) > 0)
		point(c, f, next, h.zxid);
	return c->after == zxid || seek(d, c, zxid) || has_snapshot(d, zxid);
}

bool
platter_next(const struct sim_disk *d, struct cursor *c, uint64_t after, struct slice *txn,
	     struct txnlog_head *h)
{
	const struct disk_file *f;

	return platter_reaches(d, c, after) && c->file != NULL && peek(d, c, &f, txn, h) > 0;
}

void
platter_each(const struct sim_disk *d,
	     void (*visit)(void *ctx, struct slice txn, const struct txnlog_head *h), void *ctx)
{
	const struct disk_file *f;
	uint64_t name = 0; /* no log is named 0: zxids begin at 1 */

	while ((f = find_log(d, name, true, &name)) != NULL) {
		uint64_t at = TXNLOG_HEADER_BYTES;
		struct txnlog_head h;
		struct slice txn;

		while ((at = read_entry(f, at, &txn, &h)) > 0)
			visit(ctx, txn, &h);
	}
}

uint64_t
platter_number(const struct sim_disk *d, const char *name)
{
	char text[24] = "";

	for (int i = 0; i < DISK_NAMES; i++)
		if (d->names[i].kept != NULL && strcmp(d->names[i].name, name) == 0 &&
		    d->names[i].kept->kept_size < sizeof text)
			memcpy(text, d->names[i].kept->kept, d->names[i].kept->kept_size);
	return strtoull(text, NULL, 10);
}
