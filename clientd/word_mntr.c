/*
 * mntr: one line for each number, with ZooKeeper's names (MonitorCommand, ServerMetrics). A number that this server
 * does not know is left out.
 */
#include <inttypes.h>

#include "words.h"

static void
put_metric(struct word_call *w, const char *name, uint64_t v)
{
	word_put(w, "zk_%s\t%" PRIu64 "\n", name, v);
}

void
word_mntr(struct word_call *w)
{
	struct front *f = w->f;
	struct front_facts facts;
	char avg[32];

	front_facts(f, &facts);
	word_put(w, "zk_version\t%s\nzk_server_state\t%s\n", f->config.version, facts.mode);
	word_put(w, "zk_avg_latency\t%s\n",
		 word_average(f->stats.latency_total_ms, f->stats.latency_count, avg));
	put_metric(w, "max_latency", f->stats.latency_max_ms);
	put_metric(w, "min_latency", f->stats.latency_min_ms);
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
	put_metric(w, "local_sessions", 0);
	put_metric(w, "connection_rejected", f->rejected);
	put_metric(w, "cnxn_closed_without_zk_server_running", f->closed_not_serving);
	put_metric(w, "digest_mismatches_count", facts.digest_mismatches);
}
