/*
 * See window.h. A txn's bytes are never split: where one does not fit before the end of the ring, the rest of
 * the ring stays unused for this round. head == offset of the oldest means full, unless the window is empty.
 */
#include "window.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

enum { FIRST_TXNS = 64, FIRST_BYTES = 64 << 10 };
#define NO_ROOM SIZE_MAX

void
window_init(struct window *w, uint64_t base)
{
	memset(w, 0, sizeof *w);
	w->base = base;
}

void
window_free(struct window *w)
{
	window_settle(w);
	mem_free(w->outgrown);
	mem_free(w->txns);
	mem_free(w->bytes);
	window_init(w, 0);
}

void
window_reset(struct window *w, uint64_t base)
{
	w->first = w->count = w->head = w->held = 0;
	w->base = base;
}

const struct window_txn *
window_at(const struct window *w, size_t i)
{
	ASSERT(i < w->count);
	return &w->txns[(w->first + i) & (w->cap - 1)];
}

struct slice
window_body(const struct window *w, size_t i)
{
	const struct window_txn *t = window_at(w, i);

	return slice_of(w->bytes + t->off, t->len);
}

uint64_t
window_last(const struct window *w)
{
	return w->count == 0 ? w->base : window_at(w, w->count - 1)->zxid;
}

/* Where len bytes fit without growing, or NO_ROOM. */
static size_t
find_room(const struct window *w, size_t len)
{
	size_t tail;

	if (w->count == 0)
		return len <= w->size ? 0 : NO_ROOM;
	tail = window_at(w, 0)->off;
	if (w->head <= tail)
		return len <= tail - w->head ? w->head : NO_ROOM;
	if (len <= w->size - w->head)
		return w->head;
	return len <= tail ? 0 : NO_ROOM;
}

/* A larger ring, with all txns moved together at its start. */
static void
grow_bytes(struct window *w, size_t len)
{
	size_t size = w->size == 0 ? FIRST_BYTES : 2 * w->size, off = 0;
	uint8_t *bytes;

	while (size < w->held + len)
		size *= 2;
	bytes = mem_alloc(size);
	for (size_t i = 0; i < w->count; i++) {
		struct window_txn *t = &w->txns[(w->first + i) & (w->cap - 1)];

		memcpy(bytes + off, w->bytes + t->off, t->len);
		t->off = off;
		off += t->len;
	}
	w->outgrown = mem_realloc(w->outgrown, (w->noutgrown + 1) * sizeof *w->outgrown);
	w->outgrown[w->noutgrown++] = w->bytes;
	w->bytes = bytes;
	w->size = size;
	w->head = off;
}

static void
grow_txns(struct window *w)
{
	size_t cap = w->cap == 0 ? FIRST_TXNS : 2 * w->cap;
	struct window_txn *txns = mem_alloc(cap * sizeof *txns);

	for (size_t i = 0; i < w->count; i++)
		txns[i] = *window_at(w, i);
	mem_free(w->txns);
	w->txns = txns;
	w->cap = cap;
	w->first = 0;
}

void
window_push(struct window *w, uint64_t zxid, struct slice body)
{
	size_t off;

	ASSERT(zxid > window_last(w) && body.len > 0);
	if (w->count == w->cap)
		grow_txns(w);
	off = find_room(w, body.len);
	if (off == NO_ROOM) {
		grow_bytes(w, body.len);
		off = w->head;
	}
	memcpy(w->bytes + off, body.data, body.len);
	w->head = off + body.len;
	w->held += body.len;
	w->txns[(w->first + w->count) & (w->cap - 1)] =
	    (struct window_txn){ .zxid = zxid, .off = off, .len = body.len };
	w->count++;
}

void
window_drop_first(struct window *w)
{
	const struct window_txn *t = window_at(w, 0);

	w->base = t->zxid;
	w->held -= t->len;
	w->first = (w->first + 1) & (w->cap - 1);
	w->count--;
}

void
window_cut(struct window *w, uint64_t zxid)
{
	size_t keep = window_after(w, zxid);

	if (!window_continues(w, zxid)) {
		window_reset(w, zxid);
		return;
	}
	for (size_t i = keep; i < w->count; i++)
		w->held -= window_at(w, i)->len;
	w->count = keep;
	w->head = keep == 0 ? 0 : window_at(w, keep - 1)->off + window_at(w, keep - 1)->len;
}

void
window_settle(struct window *w)
{
	while (w->noutgrown > 0)
		mem_free(w->outgrown[--w->noutgrown]);
}

size_t
window_after(const struct window *w, uint64_t zxid)
{
	size_t low = 0, high = w->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (window_at(w, mid)->zxid <= zxid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
window_continues(const struct window *w, uint64_t zxid)
{
	size_t n = window_after(w, zxid);

	return n == 0 ? zxid == w->base : window_at(w, n - 1)->zxid == zxid;
}
