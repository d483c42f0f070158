/*
 * What a leader's learners have asked for and its clientd has not consumed yet, in the order in which it came. Each
 * is given to clientd under a number, which rises by one from 1 in each role of clientd, and leaves when clientd
 * answers with that number; clientd answers in order, so it is always the oldest. A clientd that dies leaves all
 * that it was given: its successor gets it again, under new numbers. What two clientds had when they died is not given
 * a third time.
 *
 * Those of a connection that is closed leave unless clientd has them. Memory is two rings that grow only when more
 * is held than ever before.
 */
#ifndef SYNCD_REQUESTS_H
#define SYNCD_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "window.h"

enum { REQUEST_LIVES = 2 }; /* clientds that may die of one */

struct learner_request {
	uint32_t peer;
	uint16_t type; /* of the message that asks clientd */
	uint8_t deaths;
	bool gone; /* its connection is closed; not given, or no clientd has it any more */
};

struct requests {
	struct learner_request *ring;
	size_t cap, first;    /* as the window's; count is bytes.count */
	struct window bytes;  /* their bodies, in the same order */
	uint64_t serial;      /* of the newest in bytes */
	size_t given;         /* so many of the oldest clientd has, or had before they were gone */
	uint64_t head_number; /* of the oldest that clientd has */
	uint64_t last_number; /* given last */
	uint64_t out_bytes;   /* of those that clientd has */
};

void requests_init(struct requests *r);
void requests_free(struct requests *r);
/* Nothing is asked any more; the memory is kept. */
void requests_reset(struct requests *r);

void requests_add(struct requests *r, uint32_t peer, uint16_t type, struct slice body);

/*
 * The oldest that clientd does not have: its number, or 0 when it has all. From then on clientd has it. *body is valid
 * until window_settle(&r->bytes), also when more is added before: see window.h.
 */
uint64_t requests_give(struct requests *r, const struct learner_request **request, struct slice *body);
/* How many clientd has and has not answered; their bytes are out_bytes. */
static inline uint64_t
requests_out(const struct requests *r)
{
	return r->last_number + 1 - r->head_number;
}
/* The one that clientd has to answer next, or NULL; it has *number. */
const struct learner_request *requests_oldest(const struct requests *r, uint64_t *number, struct slice *body);
/* The oldest is answered. */
void requests_consume(struct requests *r);

/* clientd begins anew, in a new role: numbers start from 1. died: the one that had them did so by dying. */
void requests_take_back(struct requests *r, bool died);
/* One that has had all its lives: its peer, or 0 when there is none. */
uint32_t requests_find_deadly(const struct requests *r);
/* A connection is closed. */
void requests_drop_peer(struct requests *r, uint32_t peer);

#endif
