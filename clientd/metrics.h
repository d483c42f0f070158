/*
 * The numbers behind the word mntr: counters, summaries, and summaries with quantiles. Each room of the front adds to
 * its own; srst sets all back (ZooKeeper: ServerMetrics, ServerStats.reset).
 */
#ifndef CLIENTD_METRICS_H
#define CLIENTD_METRICS_H

#include <stdint.h>

struct summary {
	uint64_t count, sum, min, max; /* min and max are 0 as long as count is */
};

/* Values up to 63 are told apart, larger ones by their first six bits: a quantile is at most 3% too large. */
enum { QUANTILE_EXACT = 64, QUANTILE_BUCKETS = 896 };
struct quantiles {
	struct summary summary;
	uint64_t buckets[QUANTILE_BUCKETS];
};

struct metrics {
	uint64_t bytes_received;
	uint64_t closed_not_serving;   /* connect requests while the node did not serve */
	uint64_t connections_dropped;  /* their clients hung up */
	uint64_t connections_rejected; /* by a limit, at the door */
	uint64_t connection_requests;  /* well-formed ones */
	uint64_t connections_renewed;  /* tries to go on with a session */
	uint64_t response_bytes;       /* of replies to requests, pings aside */
	uint64_t watch_bytes;          /* of notifications */
	uint64_t silent_expired;       /* connections without a connect request in time */
	uint64_t sessions_expired;
	uint64_t lookings;           /* roles in which the node looked for another */
	uint64_t proposals, commits; /* on a leader: txns */
	uint64_t learned;            /* on a learner: txns whose commit has come */
	uint64_t revalidations;      /* on a leader: questions of learners */
	int64_t response_last, response_min,
	    response_max; /* bytes of whatever goes to a session; -1: nothing yet */
	struct summary created_watches, deleted_watches, changed_watches,
	    children_watches; /* told by one event */
	struct summary load_ms, snapshot_ms;
	struct quantiles read_ms, update_ms; /* from a request's arrival to its reply */
	struct quantiles propagation_ms;     /* from the making of a txn to its being applied */
};

void metrics_reset(struct metrics *m);
void summary_add(struct summary *s, uint64_t v);
void quantiles_add(struct quantiles *q, uint64_t v);
/* The least value that at least so many thousandths of all do not exceed; 0 when there are none. */
uint64_t quantiles_at(const struct quantiles *q, unsigned thousandths);
/* A reply or a notification of so many bytes, its length prefix not counted. */
void metrics_response(struct metrics *m, uint64_t bytes);

#endif
