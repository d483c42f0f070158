/*
 * The requests that workloads send, and what their replies have to look like. Every znode of a run is under a base of
 * its own, /zkbench-R; keys are called kNNNNNNNN and created znodes nNNNNNNNN in it. Its data begin with its number
 * and with the count of the writes before (the mark, which is also its version), so that a reply that belongs to
 * another znode or another write is seen.
 *
 * A request is a template, made once, in which number, mark and xid are filled in: nothing is encoded or allocated in
 * the steady state.
 */
#ifndef BENCH_REQUESTS_H
#define BENCH_REQUESTS_H

#include "bench/swarm.h"

enum request_op {
	REQUEST_GET,
	REQUEST_WATCH, /* get, with a watch */
	REQUEST_SET,
	REQUEST_EXISTS,
	REQUEST_CHILDREN, /* of the base: the keys */
	REQUEST_SYNC,
	REQUEST_CREATE,
	REQUEST_GET_NODE, /* of what REQUEST_CREATE created */
	REQUEST_DELETE_NODE,
	REQUEST_CREATE_BASE,
	REQUEST_CREATE_KEY,
	REQUEST_DELETE_KEY,
	REQUEST_DELETE_BASE,
	REQUEST_OPS,
};

enum { REQUEST_BASE_BYTES = 32, REQUEST_DIGITS = 8, REQUEST_MARK_BYTES = 8 };

struct request_template {
	uint8_t *bytes; /* the whole frame */
	size_t len;
	size_t number_at, data_at; /* 0: it has none */
};

struct requests {
	char base[REQUEST_BASE_BYTES];
	unsigned size, keys; /* bytes of data; children of the base */
	bool loose;          /* for a server that keeps nothing: only shapes and sizes are checked */
	struct request_template templates[REQUEST_OPS];
};

void requests_init(struct requests *q, unsigned size, unsigned keys, bool loose);
void requests_free(struct requests *q);
/* Bytes of the largest. */
size_t requests_frame_max(const struct requests *q);

/* What the server calls it: "getData". */
const char *requests_name(uint32_t op);

/* Sends one; key and mark as told. */
void requests_send(const struct requests *q, struct session *s, uint32_t op, uint32_t key, uint32_t mark);

/*
 * Whether a reply is one to that request. The mark that the server has for the znode in *mark, where the operation
 * tells it (else the request's own); whether it is the right one is for the caller, who knows what was written. NULL,
 * or what is wrong with it, in static storage.
 */
const char *requests_check(const struct requests *q, const struct request *r, int32_t err,
			   struct jute_reader *body, uint32_t *mark);

#endif
