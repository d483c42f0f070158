/*
 * See requests.h. Invariant: the oldest is never gone; those that clientd has, are among the first `given`, and their
 * numbers are head_number to last_number without a gap.
 */
#include "requests.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

enum { FIRST_REQUESTS = 64 };

void
requests_init(struct requests *r)
{
	memset(r, 0, sizeof *r);
	window_init(&r->bytes, 0);
	r->head_number = 1;
}

void
requests_free(struct requests *r)
{
	mem_free(r->ring);
	window_free(&r->bytes);
	requests_init(r);
}

void
requests_reset(struct requests *r)
{
	window_reset(&r->bytes, r->serial);
	r->first = r->given = 0;
	r->head_number = 1;
	r->last_number = r->out_bytes = 0;
}

static struct learner_request *
at(const struct requests *r, size_t i)
{
	return &r->ring[(r->first + i) & (r->cap - 1)];
}

static void
grow(struct requests *r)
{
	size_t cap = r->cap == 0 ? FIRST_REQUESTS : 2 * r->cap;
	struct learner_request *ring = mem_alloc(cap * sizeof *ring);

	for (size_t i = 0; i < r->bytes.count; i++)
		ring[i] = *at(r, i);
	mem_free(r->ring);
	r->ring = ring;
	r->cap = cap;
	r->first = 0;
}

void
requests_add(struct requests *r, uint32_t peer, uint16_t type, struct slice body)
{
	if (r->bytes.count == r->cap)
		grow(r);
	*at(r, r->bytes.count) = (struct learner_request){ .peer = peer, .type = type };
	window_push(&r->bytes, ++r->serial, body);
}

static void
drop_first(struct requests *r)
{
	window_drop_first(&r->bytes);
	r->first = (r->first + 1) & (r->cap - 1);
	if (r->given > 0)
		r->given--;
}

static void
drop_gone(struct requests *r)
{
	while (r->bytes.count > 0 && at(r, 0)->gone)
		drop_first(r);
}

uint64_t
requests_give(struct requests *r, const struct learner_request **request, struct slice *body)
{
	while (r->given < r->bytes.count) {
		size_t i = r->given++;

		if (at(r, i)->gone)
			continue;
		*request = at(r, i);
		*body = window_body(&r->bytes, i);
		r->out_bytes += body->len;
		return ++r->last_number;
	}
	return 0;
}

const struct learner_request *
requests_oldest(const struct requests *r, uint64_t *number, struct slice *body)
{
	if (r->given == 0)
		return NULL;
	*number = r->head_number;
	*body = window_body(&r->bytes, 0);
	return at(r, 0);
}

void
requests_consume(struct requests *r)
{
	ASSERT(r->given > 0);
	r->out_bytes -= window_body(&r->bytes, 0).len;
	drop_first(r);
	r->head_number++;
	drop_gone(r);
}

void
requests_take_back(struct requests *r, bool died)
{
	for (size_t i = 0; died && i < r->given; i++)
		at(r, i)->deaths++;
	r->given = 0;
	r->head_number = 1;
	r->last_number = r->out_bytes = 0;
}

uint32_t
requests_find_deadly(const struct requests *r)
{
	/* The older a request, the more clientds have had it. */
	return r->bytes.count > 0 && at(r, 0)->deaths >= REQUEST_LIVES ? at(r, 0)->peer : 0;
}

void
requests_drop_peer(struct requests *r, uint32_t peer)
{
	for (size_t i = r->given; i < r->bytes.count; i++)
		if (at(r, i)->peer == peer)
			at(r, i)->gone = true;
	drop_gone(r);
}
