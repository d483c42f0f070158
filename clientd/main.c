/*
 * clientd: the clients of a node. The shell around the front and the tree: it accepts, reads, writes, and does what
 * the front says. Invariant: nothing is decided here that a client could notice.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "shell.h"

#include "base/assert.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/members.h"
#include "io/clock.h"
#include "io/fdlimit.h"
#include "io/log.h"

enum {
	ACCEPT_DELAY_MS =
	    1000, /* a node that does not serve yet by then accepts, and closes clients at once */
	WORD_LISTS_MAX = PROTO_BODY_MAX * 3 / 4, /* the rest is for what stands around the lists */
	WORD_ANSWER_REST = 64,                   /* of a WordAnswer, besides the text */
	LOW_DESCRIPTORS = 256,
	FRAME_LIMIT = FRAME_BODY_MAX / 2 - 1,
};

/* The version of ZooKeeper whose behaviour clients may expect, then our own: clients parse the first three numbers. */
#define VERSION_TEXT "3.9.5-zkd-" PACKAGE_VERSION

struct front_event
shell_event(enum front_event_type type)
{
	return (struct front_event){
		.type = type,
		.now_ms = clock_mono_ms(),
		.wall_ms = (int64_t)clock_wall_ms(),
	};
}

/* ---- Actions ---- */

static void
do_adopt(struct clientd *d, const struct front_action *a)
{
	clients_adopt(d, a->owner, a->conn);
}

static void
do_write(struct clientd *d, const struct front_action *a)
{
	clients_write(d, a->owner);
}

static void
do_read(struct clientd *d, const struct front_action *a)
{
	clients_read(d, a->owner, a->on);
}

static void
do_close(struct clientd *d, const struct front_action *a)
{
	clients_close(d, a->owner);
}

static void
do_send(struct clientd *d, const struct front_action *a)
{
	(void)a;
	star_send(d);
}

static void
do_drop_link(struct clientd *d, const struct front_action *a)
{
	star_drop(d, a->why);
}

static void
do_write_snapshot(struct clientd *d, const struct front_action *a)
{
	(void)a;
	star_write_snapshot(d);
}

static void
do_close_snapshot(struct clientd *d, const struct front_action *a)
{
	(void)a;
	star_close_snapshot(d);
}

static void
do_close_load(struct clientd *d, const struct front_action *a)
{
	(void)a;
	star_close_load(d);
}

static void (*const actions[])(struct clientd *d, const struct front_action *a) = {
	[FRONT_ADOPT] = do_adopt,
	[FRONT_WRITE] = do_write,
	[FRONT_READ] = do_read,
	[FRONT_CLOSE] = do_close,
	[FRONT_SEND] = do_send,
	[FRONT_LINK_BAD] = do_drop_link,
	[FRONT_SNAPSHOT_WRITE] = do_write_snapshot,
	[FRONT_SNAPSHOT_CLOSE] = do_close_snapshot,
	[FRONT_LOAD_CLOSE] = do_close_load,
};

static void
tell_state(struct clientd *d, const struct front_facts *facts)
{
	if (facts->disk_failed)
		daemon_status(d->daemon, "%s, disk failed: reads only", facts->mode);
	else if (facts->serving)
		daemon_status(d->daemon, "%s, serving", facts->mode);
	else if (facts->loading)
		daemon_status(d->daemon, "loading");
	else
		daemon_status(d->daemon, "waiting for syncd");
}

static uint64_t
end_turn(struct daemon *daemon, uint64_t now_ms)
{
	struct clientd *d = daemon->room;
	struct front_event tick = shell_event(FRONT_TICK);
	struct front_facts facts;
	struct front_action a;
	uint64_t due;

	if (now_ms >= d->due_ms)
		front_step(d->front, &tick);
	while (front_next(d->front, &a))
		actions[a.type](d, &a);
	if (d->state_seen != front_state(d->front)) {
		d->state_seen = front_state(d->front);
		front_facts(d->front, &facts);
		tell_state(d, &facts);
		if (facts.ready)
			daemon_ready(daemon);
		if (facts.ready)
			clients_accept(d);
	}
	due = d->due_ms = front_deadline(d->front);
	if (d->listener >= 0 && now_ms >= d->accept_by_ms)
		clients_accept(d);
	return d->listener >= 0 && d->accept_by_ms < due ? d->accept_by_ms : due;
}

/* ---- Life ---- */

static char *
print_words(const struct config *c)
{
	size_t n = c->nwords * 5 + 2;
	char *text = mem_zalloc(n, 1), *p = text;

	if (c->words_all)
		return strcpy(text, "*");
	for (size_t i = 0; i < c->nwords; i++)
		p += snprintf(p, n - (size_t)(p - text), "%s%s", i == 0 ? "" : ",", c->words[i]);
	return text;
}

static char *
print_common_conf(const struct config *c)
{
	char *text;
	int n = asprintf(&text,
			 "clientPort=%d\nsecureClientPort=-1\ndataDir=%s/version-2\ndataLogDir=%s/version-2\n"
			 "tickTime=%d\nmaxClientCnxns=%d\nminSessionTimeout=%d\nmaxSessionTimeout=%d\n"
			 "clientPortListenBacklog=%d\n",
			 c->client_port, c->data_dir, c->data_log_dir, c->tick_time_ms, c->max_client_cnxns,
			 c->min_session_timeout_ms, c->max_session_timeout_ms, c->client_port_listen_backlog);

	ASSERT(n >= 0);
	return text;
}

/* The word conf: a standalone server of ZooKeeper calls itself 0 there. The members follow where there are any. */
static char *
print_conf(const struct config *c)
{
	const struct config_server *own = config_is_ensemble(c) ? config_find_server(c, c->myid) : NULL;
	char *common = print_common_conf(c), *text;
	int n;

	if (own == NULL)
		n = asprintf(&text, "%sserverId=0\n", common);
	else
		n = asprintf(&text,
			     "%sserverId=%lld\ninitLimit=%d\nsyncLimit=%d\nelectionAlg=3\nelectionPort=%d\n"
			     "quorumPort=%d\npeerType=%d\nmembership: \n",
			     common, (long long)c->myid, c->init_limit_ticks, c->sync_limit_ticks,
			     own->addresses[0].election_port, own->addresses[0].quorum_port, own->observer);
	ASSERT(n >= 0);
	free(common);
	return text;
}

/* As /zookeeper/config shows them; NULL where the node stands alone. */
static char *
print_members(const struct config *c)
{
	struct members *m;
	struct buf text;

	if (!config_is_ensemble(c))
		return NULL;
	m = members_from_config(c);
	buf_init(&text, MEMBERS_TEXT_MAX);
	members_put(m, &text);
	buf_put_u8(&text, '\0');
	ASSERT(!text.overflow);
	members_free(m);
	return (char *)text.data;
}

static char *
print_environment(void)
{
	struct utsname u;
	char *text;
	int n;

	if (uname(&u) != 0)
		memset(&u, 0, sizeof u);
	n = asprintf(&text, "host.name=%s\nos.name=%s\nos.arch=%s\nos.version=%s\n", u.nodename, u.sysname,
		     u.machine, u.release);
	ASSERT(n >= 0);
	return text;
}

static void
fill_tree_config(const struct config *c, struct tree_config *t)
{
	tree_config_init(t);
	t->acl = (struct acl_rules){
		.skip = c->skip_acl,
		.super_digest = slice_str(c->super_digest),
		.enforced = slice_str(c->enforce_auth ? c->enforce_auth_schemes : NULL),
	};
	t->digest = c->digest_enabled;
	t->extended_types = c->extended_types_enabled;
	t->emulate_353_ttl = c->emulate_353_ttl;
	t->enforce_quota = c->enforce_quota;
	t->reconfig_enabled = c->reconfig_enabled;
	t->standalone_enabled = c->standalone_enabled;
	t->close_session_txn = c->close_session_txn_enabled;
	t->container_unused_ms = c->container_max_never_used_ms;
	t->trace = log_trace();
}

static uint32_t
frame_limit(const struct config *c)
{
	if (c->jute_max_buffer_bytes <= FRAME_LIMIT)
		return (uint32_t)c->jute_max_buffer_bytes;
	log_event(LOG_NOTICE, "jute.maxbuffer is limited", "asked=%lld limit=%d",
		  (long long)c->jute_max_buffer_bytes, FRAME_LIMIT);
	return FRAME_LIMIT;
}

static struct front *
make_front(struct clientd *d)
{
	const struct config *c = d->daemon->config;
	struct front_config fc = {
		.tick_ms = (uint32_t)c->tick_time_ms,
		.min_session_ms = (uint32_t)c->min_session_timeout_ms,
		.max_session_ms = (uint32_t)c->max_session_timeout_ms,
		.max_per_address = (uint32_t)c->max_client_cnxns,
		.max_connections = (uint32_t)c->max_cnxns,
		.frame_max = frame_limit(c),
		.max_descriptors = d->max_descriptors,
		.base_descriptors = &d->base_descriptors,
		.silent_ms = (uint32_t)c->sessionless_cnxn_timeout_ms,
		.container_check_ms = (uint64_t)c->container_check_interval_ms,
		.container_max_per_minute = (uint32_t)c->container_max_per_minute,
		.words = d->words = print_words(c),
		.version = VERSION_TEXT,
		.conf = d->conf = print_conf(c),
		.members = d->members = print_members(c),
		.leader_idle = !c->leader_serves,
		.local_sessions = c->local_sessions,
		.upgrade_sessions = c->upgrade_local_sessions,
		.environment = d->environment = print_environment(),
		.trace = log_trace(),
	};

	fill_tree_config(c, &fc.tree);
	if (getrandom(fc.tree.seed, sizeof fc.tree.seed, 0) != (ssize_t)sizeof fc.tree.seed)
		assert_panic("no randomness");
	return front_create(&fc);
}

/* A daemon that has just started has only low ones. */
static uint64_t
count_descriptors(void)
{
	uint64_t n = 0;

	for (int fd = 0; fd < LOW_DESCRIPTORS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int
start(struct daemon *daemon)
{
	struct clientd *d = daemon->room;
	int link = listen_take(&daemon->listeners, "link");

	d->daemon = daemon;
	d->listener = listen_take(&daemon->listeners, "client");
	if (link < 0 || d->listener < 0) {
		log_event(LOG_ERR, "listener missing", "name=%s", link < 0 ? "link" : "client");
		return EXIT_BAD_INVOCATION;
	}
	d->max_descriptors = fdlimit_raise();
	clients_init(d);
	d->front = make_front(d);
	d->accept_by_ms = clock_mono_ms() + ACCEPT_DELAY_MS;
	star_start(d, link);
	d->base_descriptors = count_descriptors();
	return 0;
}

static bool
stop(struct daemon *daemon)
{
	struct clientd *d = daemon->room;

	/* Sessions outlive us: clients are cut off, not logged out. */
	clients_stop(d);
	star_stop(d);
	return true;
}

/* A four-letter word, asked at the control socket. */
static int
answer_word(void *owner, struct control_conn *c, const struct frame *question)
{
	const Zkd__WordRequest *q = control_take(c, question, &zkd__word_request__descriptor);
	struct clientd *d = ((struct daemon *)owner)->room;
	struct front_event tick = shell_event(FRONT_TICK);
	Zkd__WordAnswer a = ZKD__WORD_ANSWER__INIT;
	struct buf text;
	int r;

	if (q == NULL)
		return -EPROTO;
	buf_init(&text, PROTO_BODY_MAX - WORD_ANSWER_REST);
	front_step(d->front, &tick);
	r = front_word(d->front, q->word, q->mask, WORD_LISTS_MAX, &text);
	a.known = r != -ENOENT;
	a.serving = r >= 0;
	a.cut = r > 0 || text.overflow;
	a.text.data = (uint8_t *)(uintptr_t)buf_head(&text);
	a.text.len = buf_len(&text);
	control_reply(c, question, &a.base);
	buf_free(&text);
	return 0;
}

static const struct control_message questions[] = { { MSG_WORD, true, answer_word } };

static void
status(struct daemon *daemon, struct status_writer *w)
{
	struct clientd *d = daemon->room;
	struct front_facts f;

	front_facts(d->front, &f);
	status_fact(w, "mode", "%s", f.mode);
	status_fact(w, "serving", "%s", f.serving ? "yes" : "no");
	if (f.has_leader)
		status_fact(w, "leader", "%llu", (unsigned long long)f.leader);
	status_fact(w, "zxid", "0x%llx", (unsigned long long)f.applied_zxid);
	status_fact(w, "connections", "%llu", (unsigned long long)f.connections);
	status_fact(w, "sessions", "%llu", (unsigned long long)f.sessions);
	status_fact(w, "znodes", "%llu", (unsigned long long)f.znodes);
	status_fact(w, "ephemerals", "%llu", (unsigned long long)f.ephemerals);
	status_fact(w, "watches", "%llu", (unsigned long long)f.watches);
	status_fact(w, "outstanding", "%llu", (unsigned long long)f.outstanding);
	status_queue(w, f.outstanding);
	status_fact(w, "tree_bytes", "%llu", (unsigned long long)f.tree_bytes);
	status_fact(w, "watch_bytes", "%llu", (unsigned long long)f.watch_bytes);
	status_fact(w, "packets_received", "%llu", (unsigned long long)f.received);
	status_fact(w, "packets_sent", "%llu", (unsigned long long)f.sent);
	status_fact(w, "snapshot_in_progress", "%s", f.snapshot ? "yes" : "no");
	status_fact(w, "disk", "%s", f.disk_failed ? "failed" : "ok");
	status_fact(w, "digest_mismatches", "%llu", (unsigned long long)f.digest_mismatches);
	status_fact(w, "syncd", "%s", link_is_up(&d->syncd) ? "up" : "down");
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "clientd",
		.purpose = "serves the clients of the node and holds its tree.",
		.start = start,
		.step = end_turn,
		.questions = questions,
		.nquestions = sizeof questions / sizeof *questions,
		.status = status,
		.stop = stop,
	};
	struct clientd clientd = { .listener = -1 };

	return daemon_run(&spec, &clientd, argc, argv);
}
