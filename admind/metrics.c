/* See metrics.h. Invariant: each name is printed once, with its type before its samples. */
#include "config.h"

#include "metrics.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "words.h"

/* The order of the page's sources. */
enum { FROM_CLIENTD, FROM_ZKD, FROM_FACTS /* and those after it */ };

/* What only grows, by ZooKeeper's names (ServerMetrics, in 3.8 to 3.10). mntr's other single numbers are gauges. */
static const char *const counters[] = {
	"add_dead_watcher_stall_time",
	"bytes_received_count",
	"cnxn_closed_without_zk_server_running",
	"commit_count",
	"connection_drop_count",
	"connection_rejected",
	"connection_request_count",
	"connection_revalidate_count",
	"dead_watchers_cleared",
	"dead_watchers_queued",
	"diff_count",
	"digest_mismatches_count",
	"ensemble_auth_fail",
	"ensemble_auth_skip",
	"ensemble_auth_success",
	"insecure_admin_count",
	"large_requests_rejected",
	"learner_commit_received_count",
	"learner_proposal_received_count",
	"looking_count",
	"outstanding_changes_queued",
	"outstanding_changes_removed",
	"prep_processor_request_queued",
	"proposal_count",
	"quit_leading_due_to_disloyal_voter",
	"request_commit_queued",
	"request_throttle_wait_count",
	"response_bytes",
	"response_packet_cache_hits",
	"response_packet_cache_misses",
	"response_packet_get_children_cache_hits",
	"response_packet_get_children_cache_misses",
	"restore_error_count",
	"restore_rate_limited_count",
	"revalidate_count",
	"sessionless_connections_expired",
	"skip_learner_request_to_next_processor_count",
	"snap_count",
	"snapshot_error_count",
	"snapshot_rate_limited_count",
	"stale_replies",
	"stale_requests",
	"stale_requests_dropped",
	"stale_sessions_expired",
	"sync_processor_request_queued",
	"throttled_ops",
	"tls_handshake_exceeded",
	"ttl_node_created_count",
	"ttl_node_deleted_count",
	"unrecoverable_error_count",
	"unsuccessful_handshake",
	"watch_bytes",
};

static void __attribute__((format(printf, 2, 3))) put(struct exchange *x, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n > 0)
		buf_put(&x->out, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static void
put_head(struct exchange *x, const char *name, const char *type, const char *help)
{
	put(x, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A number in decimal, as mntr and the facts print them. */
static bool
is_number(struct slice v)
{
	size_t dots = 0;

	for (size_t i = 0; i < v.len; i++) {
		dots += v.data[i] == '.';
		if (!isdigit(v.data[i]) && v.data[i] != '.' && !(i == 0 && v.data[i] == '-'))
			return false;
	}
	return v.len > 0 && dots <= 1 && isdigit(v.data[v.len - 1]);
}

/* ---- what mntr has ---- */

static bool
is_counter(const char *name)
{
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		if (strcmp(counters[i], name) == 0)
			return true;
	return false;
}

static void
put_counter(struct exchange *x, const char *name, struct slice value)
{
	put_head(x, name, "counter", name);
	put(x, "%s %.*s\n", name, (int)value.len, (const char *)value.data);
	put(x, "# HELP %s_total %s\n# TYPE %s_total counter\n", name, name, name);
	put(x, "%s_total %.*s\n", name, (int)value.len, (const char *)value.data);
}

static void
put_gauge(struct exchange *x, const char *name, struct slice value)
{
	put_head(x, name, "gauge", name);
	put(x, "%s %.*s\n", name, (int)value.len, (const char *)value.data);
}

static struct slice
find_part(struct slice mntr, const char *prefix, const char *name)
{
	char text[128];

	snprintf(text, sizeof text, "%s%s", prefix, name);
	return words_find_metric(mntr, text);
}

/* Those with p50 have the other quantiles too. */
static void
put_summary(struct exchange *x, struct slice mntr, const char *name, struct slice count)
{
	static const struct {
		const char *prefix, *quantile;
	} quantiles[] = { { "p50_", "0.5" }, { "p95_", "0.95" }, { "p99_", "0.99" }, { "p999_", "0.999" } };
	struct slice sum = find_part(mntr, "sum_", name), v;

	put_head(x, name, "summary", name);
	for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
		v = find_part(mntr, quantiles[i].prefix, name);
		if (v.data != NULL)
			put(x, "%s{quantile=\"%s\"} %.*s\n", name, quantiles[i].quantile, (int)v.len,
			    (const char *)v.data);
	}
	put(x, "%s_count %.*s\n", name, (int)count.len, (const char *)count.data);
	put(x, "%s_sum %.*s\n", name, (int)sum.len, (const char *)sum.data);
}

/* min_, max_, ... of something that is counted: printed with its summary. */
static bool
is_part_of_summary(struct slice mntr, const char *name)
{
	static const char *const prefixes[] = { "avg_", "min_", "max_", "sum_",
						"p50_", "p95_", "p99_", "p999_" };

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], n) == 0 && find_part(mntr, "cnt_", name + n).data != NULL)
			return true;
	}
	return false;
}

static void
put_metric(struct exchange *x, struct slice mntr, const char *name, struct slice value)
{
	if (strncmp(name, "cnt_", 4) == 0 && find_part(mntr, "sum_", name + 4).data != NULL)
		put_summary(x, mntr, name + 4, value);
	else if (is_part_of_summary(mntr, name))
		return;
	else if (is_counter(name))
		put_counter(x, name, value);
	else
		put_gauge(x, name, value);
}

static void
put_mntr(struct exchange *x, struct slice mntr)
{
	struct slice rest = mntr, line, name, value;
	char text[128];

	while (words_line(&rest, &line)) {
		if (!words_metric(line, &name, &value) || !is_number(value) || name.len >= sizeof text)
			continue;
		memcpy(text, name.data, name.len);
		text[name.len] = '\0';
		put_metric(x, mntr, text, value);
	}
}

/* ---- our own ---- */

static void
put_processes(struct exchange *x, const Zkd__Status *zkd)
{
	static const char restarts[] = "zkd_process_restarts_total",
			  rss[] = "zkd_process_resident_memory_bytes",
			  cpu[] = "zkd_process_cpu_seconds_total", up[] = "zkd_process_uptime_seconds",
			  ready[] = "zkd_process_ready";

	put_head(x, restarts, "counter", "How often the daemon was started again since zkd started.");
	for (size_t i = 0; i < zkd->n_daemons; i++)
		put(x, "%s{daemon=\"%s\"} %u\n", restarts, zkd->daemons[i]->name, zkd->daemons[i]->restarts);
	put_head(x, rss, "gauge", "Resident memory.");
	for (size_t i = 0; i < zkd->n_daemons; i++)
		put(x, "%s{daemon=\"%s\"} %llu\n", rss, zkd->daemons[i]->name,
		    (unsigned long long)zkd->daemons[i]->rss_bytes);
	put_head(x, cpu, "counter", "Processor time of the present process.");
	for (size_t i = 0; i < zkd->n_daemons; i++)
		put(x, "%s{daemon=\"%s\"} %.3f\n", cpu, zkd->daemons[i]->name,
		    (double)zkd->daemons[i]->cpu_ms / 1e3);
	put_head(x, up, "gauge", "Age of the present process.");
	for (size_t i = 0; i < zkd->n_daemons; i++)
		put(x, "%s{daemon=\"%s\"} %.3f\n", up, zkd->daemons[i]->name,
		    (double)zkd->daemons[i]->uptime_ms / 1e3);
	put_head(x, ready, "gauge", "Whether it can do its work.");
	for (size_t i = 0; i < zkd->n_daemons; i++)
		put(x, "%s{daemon=\"%s\"} %d\n", ready, zkd->daemons[i]->name, zkd->daemons[i]->ready);
}

static void
put_answering(struct exchange *x)
{
	put_head(x, "zkd_answers", "gauge", "Whether the program answered this scrape.");
	for (unsigned i = 0; i < x->page->nsources; i++)
		if (x->page->sources[i].word == NULL)
			put(x, "zkd_answers{daemon=\"%s\"} %d\n", ask_names[x->page->sources[i].program],
			    x->answers[i] != NULL);
	put(x, "zkd_answers{daemon=\"clientd\"} %d\n", x->answers[FROM_CLIENTD] != NULL);
}

/* What a daemon says of itself, as far as it is numbers. */
static void
put_facts(struct exchange *x, const Zkd__Status *s)
{
	char name[128];

	for (size_t i = 0; i < s->n_facts; i++) {
		const char *value = s->facts[i]->value;

		if (!is_number(slice_str(value)))
			continue;
		snprintf(name, sizeof name, "zkd_%s_%s", s->daemon, s->facts[i]->name);
		put_head(x, name, "untyped", "See zkctl status.");
		put(x, "%s %s\n", name, value);
	}
}

static void
print_metrics(struct exchange *x)
{
	const Zkd__WordAnswer *mntr = x->answers[FROM_CLIENTD];
	const Zkd__Status *zkd = x->answers[FROM_ZKD];

	if (mntr != NULL && mntr->serving)
		put_mntr(x, slice_of(mntr->text.data, mntr->text.len));
	put_head(x, "zkd_serving", "gauge", "Whether the node serves clients.");
	put(x, "zkd_serving %d\n", mntr != NULL && mntr->serving);
	put_head(x, "zkd_build_info", "gauge", "The version of the suite.");
	put(x, "zkd_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
	put_answering(x);
	if (zkd != NULL)
		put_processes(x, zkd);
	for (unsigned i = FROM_FACTS; i < x->page->nsources; i++)
		if (x->answers[i] != NULL)
			put_facts(x, x->answers[i]);
}

const struct page *
metrics_find(const struct config *c, const char *path)
{
	static const struct source sources[] = {
		[FROM_CLIENTD] = { ASK_CLIENTD, "mntr" },
		[FROM_ZKD] = { ASK_ZKD, NULL },
		[FROM_FACTS] = { ASK_SYNCD, NULL },
		{ ASK_LOGD, NULL },
		{ ASK_ELECTIOND, NULL },
	};
	static const struct page page = {
		.sources = sources,
		.nsources = sizeof sources / sizeof *sources,
		.type = "text/plain; version=0.0.4; charset=utf-8",
		.print = print_metrics,
	};

	(void)c;
	return strcmp(path, "/metrics") == 0 ? &page : NULL;
}
