/*
 * The four-letter words: the first four bytes of a connection, an answer in text, the end of the connection
 * (ZooKeeper: FourLetterCommands). Texts are ZooKeeper's, since people's scripts parse them.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "front_int.h"

enum { LINE_MAX_BYTES = 512 };

static const char not_serving[] = "This ZooKeeper instance is not currently serving requests\n";

static void __attribute__((format(printf, 2, 3))) put(struct buf *out, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n > 0)
		buf_put(out, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

/* As Java prints a double rounded to four places: "0.0", "1.25". */
static const char *
average(const struct conn_stats *s, char text[32])
{
	double avg = s->latency_count == 0 ? 0 : (double)s->latency_total_ms / (double)s->latency_count;
	int n = snprintf(text, 32, "%.4f", avg);

	while (n > 2 && text[n - 1] == '0' && text[n - 2] != '.')
		text[--n] = '\0';
	return text;
}

static void
put_server(struct front *f, struct buf *out)
{
	struct front_facts facts;
	char avg[32];

	front_facts(f, &facts);
	put(out, "Latency min/avg/max: %u/%s/%u\n", f->stats.latency_min_ms, average(&f->stats, avg),
	    f->stats.latency_max_ms);
	put(out, "Received: %" PRIu64 "\nSent: %" PRIu64 "\n", facts.received, facts.sent);
	put(out, "Connections: %" PRIu64 "\nOutstanding: %" PRIu64 "\n", facts.connections,
	    facts.outstanding);
	put(out, "Zxid: 0x%" PRIx64 "\nMode: %s\n", facts.shown_zxid, facts.mode);
	put(out, "Node count: %" PRIu64 "\n", facts.znodes);
}

static void
word_srvr(struct front *f, struct buf *out)
{
	put(out, "Zookeeper version: %s\n", f->config.version);
	put_server(f, out);
}

/* Java's selection keys: 1 = read, 4 = write. */
static int
interest(const struct front_conn *c)
{
	return (c->reading && c->state < CONN_CLOSING ? 1 : 0) + (buf_len(&c->out) > 0 ? 4 : 0);
}

static void
put_connection(const struct front_conn *c, struct buf *out)
{
	const char *open = c->peer.address_len == 16 ? "[" : "",
		   *close = c->peer.address_len == 16 ? "]" : "";

	put(out, " /%s%s%s:%u[%d](queued=%u,recved=%" PRIu64 ",sent=%" PRIu64, open, c->peer.text, close,
	    c->peer.port, interest(c), c->inflight, c->stats.received, c->stats.sent);
}

static void
word_stat(struct front *f, struct buf *out)
{
	put(out, "Zookeeper version: %s\nClients:\n", f->config.version);
	list_for_each (e, &f->conns) {
		put_connection(container_of(e, struct front_conn, link), out);
		put(out, ")\n");
	}
	put(out, "\n");
	put_server(f, out);
}

static void
word_cons(struct front *f, struct buf *out)
{
	char avg[32];

	list_for_each (e, &f->conns) {
		const struct front_conn *c = container_of(e, struct front_conn, link);
		const struct conn_stats *s = &c->stats;

		put_connection(c, out);
		if (c->session != 0)
			put(out,
			    ",sid=0x%" PRIx64 ",lop=%s,est=%" PRId64 ",to=%d,lcxid=0x%x,lzxid=0x%" PRIx64
			    ",lresp=%" PRIu64 ",llat=%u,minlat=%u,avglat=%s,maxlat=%u",
			    (uint64_t)c->session, zk_op_lop(s->last_op), c->established_ms, c->timeout_ms,
			    (unsigned)s->last_cxid, (uint64_t)s->last_zxid, s->response_ms,
			    s->latency_last_ms, s->latency_min_ms, average(s, avg), s->latency_max_ms);
		put(out, ")\n");
	}
	put(out, "\n");
}

static void
put_metric(struct buf *out, const char *name, uint64_t v)
{
	put(out, "zk_%s\t%" PRIu64 "\n", name, v);
}

static void
word_mntr(struct front *f, struct buf *out)
{
	struct front_facts facts;
	char avg[32];

	front_facts(f, &facts);
	put(out, "zk_version\t%s\nzk_server_state\t%s\n", f->config.version, facts.mode);
	put(out, "zk_avg_latency\t%s\n", average(&f->stats, avg));
	put_metric(out, "max_latency", f->stats.latency_max_ms);
	put_metric(out, "min_latency", f->stats.latency_min_ms);
	put_metric(out, "packets_received", facts.received);
	put_metric(out, "packets_sent", facts.sent);
	put_metric(out, "num_alive_connections", facts.connections);
	put_metric(out, "outstanding_requests", facts.outstanding);
	put_metric(out, "uptime", f->now_ms - f->created_ms);
	put_metric(out, "znode_count", facts.znodes);
	put_metric(out, "watch_count", facts.watches);
	put_metric(out, "ephemerals_count", facts.ephemerals);
	put_metric(out, "approximate_data_size", facts.data_bytes);
	put_metric(out, "global_sessions", facts.sessions);
	put_metric(out, "local_sessions", 0);
	put_metric(out, "connection_rejected", f->rejected);
	put_metric(out, "cnxn_closed_without_zk_server_running", f->closed_not_serving);
	put_metric(out, "digest_mismatches_count", facts.digest_mismatches);
}

static void
word_ruok(struct front *f, struct buf *out)
{
	(void)f;
	put(out, "imok");
}

static void
word_isro(struct front *f, struct buf *out)
{
	put(out, front_serving(f) ? "rw" : "null");
}

static void
word_conf(struct front *f, struct buf *out)
{
	buf_put_slice(out, slice_str(f->config.conf));
}

static void
word_envi(struct front *f, struct buf *out)
{
	put(out, "Environment:\nzookeeper.version=%s\n", f->config.version);
	buf_put_slice(out, slice_str(f->config.environment));
}

static void
word_wchs(struct front *f, struct buf *out)
{
	struct watch_summary s;

	watch_summarize(f->watches, &s);
	put(out, "%" PRIu64 " connections watching %" PRIu64 " paths\nTotal watches:%" PRIu64 "\n",
	    s.connections, s.paths, s.watches);
}

static void
word_crst(struct front *f, struct buf *out)
{
	list_for_each (e, &f->conns)
		container_of(e, struct front_conn, link)->stats = (struct conn_stats){ 0 };
	put(out, "Connection stats reset.\n");
}

static void
word_srst(struct front *f, struct buf *out)
{
	f->stats = (struct conn_stats){ 0 };
	put(out, "Server stats reset.\n");
}

static const struct word {
	char name[5];
	bool always;                                      /* also while the node does not serve */
	void (*answer)(struct front *f, struct buf *out); /* NULL: not built yet */
} words[] = {
	{ "srvr", false, word_srvr }, { "stat", false, word_stat }, { "ruok", true, word_ruok },
	{ "mntr", false, word_mntr }, { "conf", false, word_conf }, { "cons", false, word_cons },
	{ "isro", true, word_isro },  { "envi", true, word_envi },  { "wchs", false, word_wchs },
	{ "crst", false, word_crst }, { "srst", false, word_srst }, { "dirs", false, NULL },
	{ "dump", false, NULL },      { "hash", false, NULL },      { "wchc", false, NULL },
	{ "wchp", false, NULL },      { "gtmk", true, NULL },       { "stmk", true, NULL },
};

static const struct word *
find_word(const uint8_t first[4])
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (memcmp(words[i].name, first, 4) == 0)
			return &words[i];
	return NULL;
}

/* list: words separated by commas and blanks, or "*". */
static bool
listed(const char *list, const char *name)
{
	if (strcmp(list, "*") == 0)
		return true;
	for (const char *p = list; *p != '\0';) {
		size_t n = strcspn(p, ", \t");

		if ((n == 4 && strncmp(p, name, 4) == 0) || (n == 1 && *p == '*'))
			return true;
		p += n;
		p += strspn(p, ", \t");
	}
	return false;
}

static void
answer(struct front *f, struct front_conn *c, const struct word *w)
{
	if (!listed(f->config.words, w->name))
		put(&c->out, "%s is not executed because it is not in the whitelist.\n", w->name);
	else if (!w->always && !front_serving(f))
		put(&c->out, "%s", not_serving);
	else if (w->answer == NULL)
		put(&c->out, "%s is not built into this server.\n", w->name);
	else
		w->answer(f, &c->out);
}

bool
word_answer(struct front *f, struct front_conn *c, const uint8_t first[4])
{
	static const uint8_t telnet_interrupt[4] = { 0xff, 0xf4, 0xff, 0xfd };
	const struct word *w = find_word(first);

	if (memcmp(first, telnet_interrupt, 4) == 0) {
		conn_kill(f, c, NULL);
		return true;
	}
	if (w == NULL)
		return false;
	answer(f, c, w);
	conn_written(f, c);
	conn_finish(f, c);
	return true;
}
