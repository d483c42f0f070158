/*
 * mntr: one line for each number, by ZooKeeper's names and in its order of kinds: gauges, counters, summaries, summaries
 * with quantiles (ZooKeeper: MonitorCommand, ServerMetrics). A number that this
 * server does not know is left out; clientd(8) has the list.
 */
#include <inttypes.h>
#include <stddef.h>

#include "words.h"

static void
put_metric(struct word_call *w, const char *name, uint64_t v)
{
	word_put(w, "zk_%s\t%" PRIu64 "\n", name, v);
}

static void
put_size(struct word_call *w, const char *name, int64_t v)
{
	word_put(w, "zk_%s_client_response_size\t%" PRId64 "\n", name, v);
}

static void
put_state(struct word_call *w, const char *mode)
{
	static const char *const peer_states[] = {
		[ROLE_LEADER] = "leading - broadcast",
		[ROLE_FOLLOWER] = "following - broadcast",
		[ROLE_OBSERVER] = "observing - broadcast",
	};
	const struct front_role *role = &w->f->role;

	word_put(w, "zk_version\t%s\nzk_server_state\t%s\n", w->f->config.version, mode);
	if (!role->standalone && role->state != ROLE_READONLY)
		word_put(w, "zk_peer_state\t%s\n", peer_states[role->state]);
	if (role->state == ROLE_OBSERVER)
		put_metric(w, "observer_master_id", role->leader);
}

/* Those who vote. */
static uint64_t
count_voters(struct slice members)
{
	static const char role[] = ":participant";
	uint64_t n = 0;

	for (size_t i = 0; i + sizeof role - 1 <= members.len; i++)
		n += memcmp(members.data + i, role, sizeof role - 1) == 0;
	return n;
}

/* zk_followers is an older name of zk_learners that collectors still ask for. */
static void
put_ensemble(struct word_call *w)
{
	const struct front *f = w->f;

	if (f->role.standalone || f->role.state == ROLE_READONLY)
		return;
	put_metric(w, "quorum_size", count_voters(buf_slice(&f->members)));
	if (!front_leads(f))
		return;
	put_metric(w, "learners", f->learners.all);
	put_metric(w, "followers", f->learners.all);
	put_metric(w, "synced_followers", f->learners.synced_followers);
	put_metric(w, "synced_non_voting_followers", f->learners.synced_non_voting);
	put_metric(w, "synced_observers", f->learners.synced_observers);
	put_metric(w, "pending_syncs", f->learners.pending_syncs);
	put_metric(w, "leader_uptime", f->now_ms - f->role.since_ms);
	word_put(w, "zk_last_proposal_size\t%" PRId64 "\n", f->proposal_sizes.last);
	word_put(w, "zk_min_proposal_size\t%" PRId64 "\nzk_max_proposal_size\t%" PRId64 "\n",
		 f->proposal_sizes.least, f->proposal_sizes.most);
}

static void
put_gauges(struct word_call *w)
{
	const struct front *f = w->f;
	const struct conn_stats *s = &f->stats;
	struct front_facts facts;
	char avg[32];

	front_facts(f, &facts);
	put_state(w, facts.mode);
	word_put(w, "zk_avg_latency\t%s\n", word_average(s->latency_total_ms, s->latency_count, avg));
	put_metric(w, "max_latency", s->latency_max_ms);
	put_metric(w, "min_latency", s->latency_min_ms);
	put_metric(w, "packets_received", facts.received);
	put_metric(w, "packets_sent", facts.sent);
	put_metric(w, "num_alive_connections", facts.connections);
	put_metric(w, "outstanding_requests", facts.outstanding);
	put_metric(w, "uptime", f->now_ms - f->created_ms);
	put_metric(w, "znode_count", facts.znodes);
	put_metric(w, "watch_count", facts.watches);
	put_metric(w, "ephemerals_count", facts.ephemerals);
	put_metric(w, "approximate_data_size", facts.data_bytes);
	put_metric(w, "global_sessions", facts.sessions);
	put_metric(w, "local_sessions", f->local == NULL ? 0 : sessions_held(f->local));
	if (f->config.base_descriptors != NULL)
		put_metric(w, "open_file_descriptor_count",
			   *f->config.base_descriptors + f->nconns + (f->phase != PHASE_DOWN));
	if (f->config.max_descriptors != 0)
		put_metric(w, "max_file_descriptor_count", f->config.max_descriptors);
	/* No request to connect is ever dropped at random. */
	word_put(w, "zk_connection_drop_probability\t0.0\n");
	put_size(w, "last", f->metrics.response_last);
	put_size(w, "max", f->metrics.response_max);
	put_size(w, "min", f->metrics.response_min);
	put_ensemble(w);
	put_metric(w, "digest_mismatches_count", facts.digest_mismatches);
}

/* ZooKeeper's name, and where the number lies in struct metrics. */
struct metric {
	const char *name;
	size_t offset;
};
#define METRIC(name, field)                                                                                  \
	{                                                                                                    \
		name, offsetof(struct metrics, field)                                                        \
	}

static const struct metric counters[] = {
	METRIC("bytes_received_count", bytes_received),
	METRIC("cnxn_closed_without_zk_server_running", closed_not_serving),
	METRIC("commit_count", commits),
	METRIC("connection_drop_count", connections_dropped),
	METRIC("connection_rejected", connections_rejected),
	METRIC("connection_request_count", connection_requests),
	METRIC("connection_revalidate_count", connections_renewed),
	METRIC("learner_commit_received_count", learned),
	METRIC("looking_count", lookings),
	METRIC("proposal_count", proposals),
	METRIC("response_bytes", response_bytes),
	METRIC("revalidate_count", revalidations),
	METRIC("sessionless_connections_expired", silent_expired),
	METRIC("stale_sessions_expired", sessions_expired),
	METRIC("watch_bytes", watch_bytes),
};
static const struct metric summaries[] = {
	METRIC("dbinittime", load_ms),
	METRIC("node_changed_watch_count", changed_watches),
	METRIC("node_children_watch_count", children_watches),
	METRIC("node_created_watch_count", created_watches),
	METRIC("node_deleted_watch_count", deleted_watches),
	METRIC("snapshottime", snapshot_ms),
};
static const struct metric quantiles[] = {
	METRIC("propagation_latency", propagation_ms),
	METRIC("readlatency", read_ms),
	METRIC("updatelatency", update_ms),
};

static const void *
value_of(const struct word_call *w, const struct metric *m)
{
	return (const char *)&w->f->metrics + m->offset;
}

static void
put_summary(struct word_call *w, const char *name, const struct summary *s)
{
	char avg[32];

	word_put(w, "zk_avg_%s\t%s\n", name, word_average(s->sum, s->count, avg));
	word_put(w, "zk_min_%s\t%" PRIu64 "\nzk_max_%s\t%" PRIu64 "\n", name, s->min, name, s->max);
	word_put(w, "zk_cnt_%s\t%" PRIu64 "\nzk_sum_%s\t%" PRIu64 "\n", name, s->count, name, s->sum);
}

static void
put_quantiles(struct word_call *w, const char *name, const struct quantiles *q)
{
	put_summary(w, name, &q->summary);
	word_put(w, "zk_p50_%s\t%" PRIu64 "\nzk_p95_%s\t%" PRIu64 "\n", name, quantiles_at(q, 500), name,
		 quantiles_at(q, 950));
	word_put(w, "zk_p99_%s\t%" PRIu64 "\nzk_p999_%s\t%" PRIu64 "\n", name, quantiles_at(q, 990), name,
		 quantiles_at(q, 999));
}

void
word_mntr(struct word_call *w)
{
	put_gauges(w);
	for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
		put_metric(w, counters[i].name, *(const uint64_t *)value_of(w, &counters[i]));
	for (size_t i = 0; i < sizeof summaries / sizeof summaries[0]; i++)
		put_summary(w, summaries[i].name, value_of(w, &summaries[i]));
	for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
		put_quantiles(w, quantiles[i].name, value_of(w, &quantiles[i]));
}
