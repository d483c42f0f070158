/*
 * The four-letter words that print lists: connections, sessions, ephemerals, watches, digests. Invariant: each item is
 * paid for by list_more before it is printed, so that no list takes long, whatever clients have done.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "words.h"

/* ---- stat and cons ---- */

void
word_put_head(struct word_call *w)
{
	word_put(w, "Zookeeper version: %s\n", w->f->config.version);
	if (w->f->role.state == ROLE_READONLY)
		word_put(w, "READ-ONLY mode; serving only read-only clients\n");
}

void
word_put_server(struct word_call *w)
{
	const struct conn_stats *s = &w->f->stats;
	struct front_facts facts;
	char avg[32];

	front_facts(w->f, &facts);
	word_put(w, "Latency min/avg/max: %u/%s/%u\n", s->latency_min_ms,
		 word_average(s->latency_total_ms, s->latency_count, avg), s->latency_max_ms);
	word_put(w, "Received: %" PRIu64 "\nSent: %" PRIu64 "\n", facts.received, facts.sent);
	word_put(w, "Connections: %" PRIu64 "\nOutstanding: %" PRIu64 "\n", facts.connections,
		 facts.outstanding);
	word_put(w, "Zxid: 0x%" PRIx64 "\nMode: %s\n", facts.shown_zxid, facts.mode);
	word_put(w, "Node count: %" PRIu64 "\n", facts.znodes);
	if (front_leads(w->f) && !w->f->role.standalone)
		word_put(w, "Proposal sizes last/min/max: %" PRId64 "/%" PRId64 "/%" PRId64 "\n",
			 w->f->proposal_sizes.last, w->f->proposal_sizes.least, w->f->proposal_sizes.most);
}

/* Java's selection keys: 1 = read, 4 = write; none for the connection whose bytes are being worked on. */
static int
interest(const struct word_call *w, const struct front_conn *c)
{
	if (c == w->asker)
		return 0;
	return (c->reading && c->state < CONN_CLOSING ? 1 : 0) + (buf_len(&c->out) > 0 ? 4 : 0);
}

/* "/10.0.0.1:2345", "/[::1]:2345" */
static void
put_peer(struct word_call *w, const struct front_conn *c)
{
	const char *open = c->peer.address_len == 16 ? "[" : "",
		   *close = c->peer.address_len == 16 ? "]" : "";

	word_put(w, "/%s%s%s:%u", open, c->peer.text, close, c->peer.port);
}

static void
put_connection(struct word_call *w, const struct front_conn *c)
{
	word_put(w, " ");
	put_peer(w, c);
	word_put(w, "[%d](queued=%u,recved=%" PRIu64 ",sent=%" PRIu64, interest(w, c),
		 c->nwaiting > c->inflight ? c->nwaiting : c->inflight, c->stats.received, c->stats.sent);
}

void
word_stat(struct word_call *w)
{
	word_put_head(w);
	word_put(w, "Clients:\n");
	list_for_each (e, &w->f->conns) {
		if (!list_more(w))
			break;
		put_connection(w, container_of(e, struct front_conn, link));
		word_put(w, ")\n");
	}
	word_put(w, "\n");
	word_put_server(w);
}

/* ZooKeeper's averages of a connection are whole numbers, those of the server are not. */
static void
put_session_of(struct word_call *w, const struct front_conn *c)
{
	const struct conn_stats *s = &c->stats;

	word_put(w, ",sid=0x%" PRIx64 ",lop=%s,est=%" PRId64 ",to=%d", (uint64_t)c->session,
		 zk_op_lop(s->last_op), c->established_ms, c->timeout_ms);
	if (s->last_cxid >= 0)
		word_put(w, ",lcxid=0x%x", (unsigned)s->last_cxid);
	word_put(w, ",lzxid=0x%" PRIx64 ",lresp=%" PRIu64 ",llat=%u,minlat=%u,avglat=%" PRIu64 ",maxlat=%u",
		 (uint64_t)s->last_zxid, s->response_ms, s->latency_last_ms, s->latency_min_ms,
		 s->latency_count == 0 ? 0 : s->latency_total_ms / s->latency_count, s->latency_max_ms);
}

void
word_cons(struct word_call *w)
{
	list_for_each (e, &w->f->conns) {
		const struct front_conn *c = container_of(e, struct front_conn, link);

		if (!list_more(w))
			break;
		put_connection(w, c);
		if (c->session != 0)
			put_session_of(w, c);
		word_put(w, ")\n");
	}
	word_put(w, "\n");
}

/* ---- Watches ---- */

void
word_wchs(struct word_call *w)
{
	struct watch_summary s;

	watch_summarize(w->f->watches, &s);
	word_put(w, "%" PRIu64 " connections watching %" PRIu64 " paths\nTotal watches:%" PRIu64 "\n",
		 s.connections, s.paths, s.watches);
}

struct watch_list {
	struct word_call *w;
	const struct watcher *owner; /* printed last */
	const uint8_t *path;
};

/* Of a watch that the words count, the connection; else NULL. */
static const struct front_conn *
listed_conn(const struct watcher *owner, unsigned modes)
{
	const struct front_conn *c = container_of(owner, const struct front_conn, watcher);

	return modes == WATCH_CHILD || c->state == CONN_DEAD ? NULL : c;
}

static void
put_line(struct word_call *w, const char *indent, struct slice text)
{
	buf_put_slice(w->out, slice_str(indent));
	buf_put_slice(w->out, text);
	buf_put_u8(w->out, '\n');
}

static bool
put_by_path(void *ctx, const struct watcher *owner, struct slice path, unsigned modes)
{
	struct watch_list *l = ctx;
	const struct front_conn *c = listed_conn(owner, modes);

	if (!list_more(l->w))
		return false;
	if (c == NULL)
		return true;
	if (path.data != l->path)
		put_line(l->w, "", path);
	l->path = path.data;
	word_put(l->w, "\t0x%" PRIx64 "\n", (uint64_t)c->session);
	return true;
}

static bool
put_by_owner(void *ctx, const struct watcher *owner, struct slice path, unsigned modes)
{
	struct watch_list *l = ctx;
	const struct front_conn *c = listed_conn(owner, modes);

	if (!list_more(l->w))
		return false;
	if (c == NULL)
		return true;
	if (owner != l->owner)
		word_put(l->w, "0x%" PRIx64 "\n", (uint64_t)c->session);
	l->owner = owner;
	put_line(l->w, "\t", path);
	return true;
}

void
word_wchp(struct word_call *w)
{
	struct watch_list list = { .w = w };

	watch_each_by_path(w->f->watches, put_by_path, &list);
	word_put(w, "\n");
}

void
word_wchc(struct word_call *w)
{
	struct watch_list list = { .w = w };

	watch_each_by_owner(w->f->watches, put_by_owner, &list);
	word_put(w, "\n");
}

/* ---- dump ---- */

/* One line of an expiry table: a session, or a connection. */
struct expiring {
	int64_t in_ms;
	int64_t session;
	const struct front_conn *conn;
};

static int
by_time(const void *a, const void *b)
{
	const struct expiring *x = a, *y = b;

	if (x->in_ms != y->in_ms)
		return x->in_ms < y->in_ms ? -1 : 1;
	return x->session < y->session ? -1 : x->session > y->session;
}

/* As Java's Date prints it, in UTC: "Sun Nov 22 11:59:44 UTC 2026". */
static void
put_date(struct word_call *w, int64_t wall_ms)
{
	static const char days[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
	int64_t s = wall_ms / 1000, day = s / 86400;
	/* Days since 0000-03-01: years that begin in March have their leap day at the end. */
	int64_t d = day + 719468, era = d / 146097, in_era = d % 146097;
	int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * in_year + 2) / 153;

	word_put(w, "%.3s %.3s %02d %02d:%02d:%02d UTC %" PRId64, days + day % 7 * 3, months + month * 3,
		 (int)(in_year - (153 * month + 2) / 5 + 1), (int)(s / 3600 % 24), (int)(s / 60 % 60),
		 (int)(s % 60), era * 400 + year + (month >= 10));
}

static void
put_expiring(struct word_call *w, const struct expiring *x)
{
	if (x->conn == NULL) {
		word_put(w, "\t0x%" PRIx64 "\n", (uint64_t)x->session);
		return;
	}
	word_put(w, "\tip: ");
	put_peer(w, x->conn);
	word_put(w, " sessionId: 0x%" PRIx64 "\n", (uint64_t)x->session);
}

/* How many of v, which is sorted, expire together with the first. */
static uint32_t
bucket_size(const struct expiring *v, uint32_t n)
{
	uint32_t i = 1;

	while (i < n && v[i].in_ms == v[0].in_ms)
		i++;
	return i;
}

static void
put_buckets(struct word_call *w, struct expiring *v, uint32_t n)
{
	uint32_t buckets = 0, size;

	qsort(v, n, sizeof *v, by_time);
	for (uint32_t i = 0; i < n; i += bucket_size(v + i, n - i))
		buckets++;
	word_put(w, "Sets (%u)/(%u):\n", buckets, n);
	for (uint32_t i = 0; i < n; i += size) {
		size = bucket_size(v + i, n - i);
		word_put(w, "%u expire at ", size);
		put_date(w, w->f->wall_ms + v[i].in_ms);
		word_put(w, ":\n");
		for (uint32_t j = 0; j < size; j++) {
			if (!list_more(w))
				return;
			put_expiring(w, &v[i + j]);
		}
	}
}

/* So many entries at most can be printed with what is left. */
static uint32_t
most_entries(const struct word_call *w)
{
	return (uint32_t)(w->left / LIST_ITEM_COST / 2) + 1;
}

static void
put_sessions(struct word_call *w, const struct sessions *sessions, uint32_t most)
{
	uint32_t count = 0, n;
	struct session_due *due;
	struct expiring *v;

	most = most < sessions_held(sessions) ? most : sessions_held(sessions);
	due = arena_array(&w->f->arena, most + 1, sizeof *due);
	v = arena_array(&w->f->arena, most + 1, sizeof *v);
	n = sessions_due(sessions, (int64_t)w->f->now_ms, due, most);
	w->cut = w->cut || n < sessions_held(sessions);
	for (uint32_t i = 0; i < n; i++)
		if (due[i].expires_ms >= 0)
			v[count++] = (struct expiring){ due[i].expires_ms, due[i].id, NULL };
	word_put(w, "Session ");
	put_buckets(w, v, count);
}

/* What a learner knows of the leader's sessions. */
struct session_list {
	struct session_view *v;
	uint32_t n, most;
};

static void
add_session(const struct session_view *v, void *ctx)
{
	struct session_list *l = ctx;

	if (v->applied && l->n < l->most)
		l->v[l->n++] = *v;
}

static int
by_id(const void *a, const void *b)
{
	const struct session_view *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void
put_global_sessions(struct word_call *w, const struct sessions *sessions, uint32_t most)
{
	struct session_list l = { .v = arena_array(&w->f->arena, most + 1, sizeof *l.v), .most = most };

	sessions_each(sessions, add_session, &l);
	qsort(l.v, l.n, sizeof *l.v, by_id);
	word_put(w, "Global Sessions(%u):\n", sessions_count(sessions));
	for (uint32_t i = 0; i < l.n && list_more(w); i++)
		word_put(w, "0x%" PRIx64 "\t%dms\n", (uint64_t)l.v[i].id, l.v[i].timeout_ms);
}

static bool
put_ephemeral(void *ctx, struct slice path)
{
	struct word_call *w = ctx;

	if (list_more(w))
		put_line(w, "\t", path);
	return !w->cut;
}

static void
put_ephemerals(struct word_call *w, const struct session_due *due, uint32_t n)
{
	uint32_t owners = 0;

	for (uint32_t i = 0; i < n; i++)
		owners += due[i].ephemerals > 0;
	word_put(w, "ephemeral nodes dump:\nSessions with Ephemerals (%u):\n", owners);
	for (uint32_t i = 0; i < n; i++) {
		if (due[i].ephemerals == 0)
			continue;
		if (!list_more(w))
			return;
		word_put(w, "0x%" PRIx64 ":\n", (uint64_t)due[i].id);
		tree_ephemerals_each(w->f->tree, due[i].id, put_ephemeral, w);
	}
}

/*
 * A connection ends with its session, or, without one, by its timer, which is shown by ticks. ZooKeeper keeps a clock
 * for each connection besides; what it says is the same but for its rounding.
 */
static int64_t
connection_expires(const struct front *f, const struct front_conn *c)
{
	uint64_t tick = f->config.tick_ms, now = f->now_ms;

	if (c->state != CONN_OPEN && c->state != CONN_OPENING)
		return (int64_t)((c->timer_ms / tick + 1) * tick - now);
	if (c->local)
		return sessions_expires(f->local, (int64_t)now, c->session);
	if (front_leads(f))
		return sessions_expires(tree_sessions_const(f->tree), (int64_t)now, c->session);
	return (int64_t)(((c->heard_ms + (uint64_t)c->timeout_ms) / tick + 1) * tick - now);
}

static void
put_connections(struct word_call *w)
{
	struct front *f = w->f;
	uint32_t n = 0, most = most_entries(w);
	struct expiring *v = arena_array(&f->arena, f->nconns < most ? f->nconns : most, sizeof *v);

	list_for_each (e, &f->conns) {
		const struct front_conn *c = container_of(e, struct front_conn, link);
		int64_t in_ms = connection_expires(f, c);

		if (n == most)
			break;
		if (in_ms >= 0)
			v[n++] = (struct expiring){ in_ms, c->session, c };
	}
	w->cut = w->cut || n == most;
	word_put(w, "Connections dump:\nConnections ");
	put_buckets(w, v, n);
}

static void
put_trackers(struct word_call *w, const struct sessions *sessions)
{
	const struct front *f = w->f;

	word_put(w, "SessionTracker dump:\n");
	if (f->local != NULL) {
		word_put(w, "Local ");
		put_sessions(w, f->local, most_entries(w));
	}
	if (!front_leads(f))
		put_global_sessions(w, sessions, most_entries(w));
	else if (f->local != NULL)
		word_put(w, "Global ");
	if (front_leads(f))
		put_sessions(w, sessions, most_entries(w));
}

void
word_dump(struct word_call *w)
{
	const struct sessions *sessions = tree_sessions_const(w->f->tree);
	uint32_t most = most_entries(w), n;
	struct session_due *due;

	arena_reset(&w->f->arena);
	most = most < sessions_held(sessions) ? most : sessions_held(sessions);
	due = arena_array(&w->f->arena, most + 1, sizeof *due);
	n = sessions_due(sessions, (int64_t)w->f->now_ms, due, most);
	put_trackers(w, sessions);
	put_ephemerals(w, due, n);
	put_connections(w);
}

/* ---- hash ---- */

static void
put_digest(void *ctx, uint64_t zxid, uint64_t digest)
{
	word_put(ctx, "%" PRIx64 ": %" PRId64 "\n", zxid, (int64_t)digest);
}

/* A thousand lines at most. */
void
word_hash(struct word_call *w)
{
	tree_digests_each(w->f->tree, put_digest, w);
}
