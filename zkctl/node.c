/* See node.h. */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "io/listen.h"
#include "ipc/msg.h"

enum { CHECK_LIMIT_MS = 300 };

const char *const node_programs[NODE_PROGRAMS + 1] = {
	[NODE_ZKD] = "zkd",         [NODE_ELECTIOND] = "electiond", [NODE_SYNCD] = "syncd",
	[NODE_CLIENTD] = "clientd", [NODE_LOGD] = "logd",           [NODE_ADMIND] = "admind",
};

/* The settings, without what only a start needs (an ensemble's myid). NULL after a complaint. */
static struct config *
read_config(const struct options *o)
{
	struct config_source source = { .file = o->config_file, .fd = -1 };
	struct config_report report;
	struct config *c = NULL;
	struct buf text;
	int rc;

	buf_init(&text, 2 * CONFIG_TEXT_MAX);
	config_report_init(&report);
	rc = config_read_source(&source, &text);
	if (rc < 0)
		complain(0, "%s: cannot be read: %s", o->config_file, strerror(-rc));
	else
		config_parse(buf_slice(&text),
			     o->config_file == NULL ? "(built-in configuration)" : o->config_file,
			     o->overrides, o->noverrides, &c, &report);
	for (size_t i = 0; i < report.nfindings; i++)
		if (report.findings[i].severity == CONFIG_ERROR)
			complain(0, "%s", report.findings[i].text);
	config_report_free(&report);
	buf_free(&text);
	return c;
}

static int
open_folder(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Whether a node is alive there: zkd, or in the split form any of the daemons. */
static bool
somebody_listens(int dirfd)
{
	char name[64];

	for (int i = 0; i < NODE_PROGRAMS; i++) {
		snprintf(name, sizeof name, "%s.control", node_programs[i]);
		int fd = listen_dial_unix(dirfd, name, SOCK_NONBLOCK);
		if (fd >= 0)
			close(fd);
		if (fd >= 0 || fd == -EAGAIN)
			return true;
	}
	return false;
}

/* Also of a folder that is not there: then no node has it, and any that answers is another one. */
static char *
full_path(const char *path)
{
	char *real = realpath(path, NULL), *copy;

	copy = mem_strndup(real == NULL ? path : real, strlen(real == NULL ? path : real));
	free(real); /* realpath's */
	return copy;
}

int
places_find(const struct options *o, struct places *p)
{
	struct config *c;

	*p = (struct places){ .n = 0 };
	if (o->runtime != NULL) {
		p->paths[p->n++] = mem_strndup(o->runtime, strlen(o->runtime));
		return ZKCTL_OK;
	}
	c = read_config(o);
	if (c == NULL)
		return ZKCTL_USAGE;
	p->n = config_runtime_candidates(c, p->paths);
	if (c->runtime_dir == NULL && (o->config_file != NULL || o->noverrides > 0))
		p->data_dir = full_path(c->data_dir);
	config_free(c);
	return ZKCTL_OK;
}

void
places_free(struct places *p)
{
	while (p->n > 0)
		mem_free(p->paths[--p->n]);
	mem_free(p->data_dir);
}

int
node_open_at(const struct places *p, struct node *n)
{
	int error = 0;

	*n = (struct node){ .dirfd = -1 };
	arena_init(&n->arena, (size_t)NODE_PROGRAMS * PROTO_ARENA_MAX);
	for (size_t i = 0; i < p->n; i++) {
		int fd = open_folder(p->paths[i]);
		bool listens = fd >= 0 && somebody_listens(fd);
		if (error == 0 && fd < 0)
			error = fd;
		/* The first folder that is there, until a better one comes: its sockets may be a dead node's. */
		if (fd < 0 || (n->dirfd >= 0 && !listens)) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		if (n->dirfd >= 0)
			close(n->dirfd);
		n->dirfd = fd;
		n->path = p->paths[i];
		if (listens)
			break;
	}
	if (n->dirfd < 0)
		return error;
	n->path = mem_strndup(n->path, strlen(n->path));
	return 0;
}

int
node_check(const struct places *p, struct node *n, bool quietly)
{
	const char *data_dir = NULL;
	struct node_status s;

	if (p->data_dir == NULL)
		return ZKCTL_OK;
	node_ask_all(n, &s, CHECK_LIMIT_MS);
	for (int i = 0; i < NODE_PROGRAMS && data_dir == NULL; i++)
		data_dir = node_find_fact(node_status_of(&s, i), "data_dir");
	if (data_dir == NULL || strcmp(data_dir, p->data_dir) == 0)
		return ZKCTL_OK;
	if (quietly)
		return ZKCTL_NO_ANSWER;
	return complain(
	    ZKCTL_NO_ANSWER,
	    "the node that listens in %s is another one: its dataDir is %s, that of the configuration "
	    "named is %s. Yours does not run, or its runtimeDir is to be named: --runtime DIR",
	    n->path, data_dir, p->data_dir);
}

static int
open_node(const struct options *o, struct node *n, bool quietly)
{
	struct places p;
	int status = places_find(o, &p), error;

	if (status != ZKCTL_OK)
		return status;
	error = node_open_at(&p, n);
	if (error == 0)
		status = node_check(&p, n, quietly);
	else
		status = ZKCTL_NO_ANSWER;
	if (error == 0 && status != ZKCTL_OK)
		node_close(n);
	if (error < 0 && !quietly)
		complain(
		    0,
		    "no node runs here: %s%s%s: %s; start zkd, or name the runtimeDir of a running one with "
		    "--runtime DIR",
		    p.paths[0], p.n > 1 ? ", " : "", p.n > 1 ? p.paths[1] : "", strerror(-error));
	places_free(&p);
	return status;
}

int
node_open(const struct options *o, struct node *n)
{
	return open_node(o, n, false);
}

int
node_open_quietly(const struct options *o, struct node *n)
{
	return open_node(o, n, true);
}

const char *
node_configured_address(const struct options *o)
{
	static char address[300];
	struct config *c = read_config(o);
	const char *host = c == NULL || c->client_port_address == NULL ? "127.0.0.1" : c->client_port_address;
	bool v6 = strchr(host, ':') != NULL;
	int port = c == NULL ? -1 : c->client_port;

	snprintf(address, sizeof address, "%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "", port);
	config_free(c);
	return port > 0 ? address : NULL;
}

void
node_close(struct node *n)
{
	if (n->dirfd >= 0)
		close(n->dirfd);
	mem_free(n->path);
	arena_free(&n->arena);
}

static const char without_zkd[] = "; start it, or where each daemon is a unit of its own ask systemctl";

int
node_complain(const struct node *n, const struct question *q)
{
	return complain(ZKCTL_NO_ANSWER, "%s %s (asked at %s/%s.control)%s", q->daemon,
			ask_error_text(q->error), n->path, q->daemon,
			strcmp(q->daemon, "zkd") == 0 && q->error == -ENOENT ? without_zkd : "");
}

void *
node_ask(struct node *n, const char *program, uint16_t type, const ProtobufCMessage *body,
	 const ProtobufCMessageDescriptor *answer_type)
{
	struct question q = { .daemon = program, .type = type, .body = body, .answer_type = answer_type };

	arena_reset(&n->arena);
	ask(n->dirfd, &q, 1, ASK_LIMIT_MS, &n->arena);
	if (q.answer == NULL)
		node_complain(n, &q);
	return q.answer;
}

Zkd__Status *
node_ask_zkd(struct node *n)
{
	return node_ask(n, "zkd", MSG_STATUS, NULL, &zkd__status__descriptor);
}

void
node_ask_all(struct node *n, struct node_status *s, int64_t limit_ms)
{
	for (int i = 0; i < NODE_PROGRAMS; i++)
		s->all[i] = (struct question){
			.daemon = node_programs[i],
			.type = MSG_STATUS,
			.answer_type = &zkd__status__descriptor,
		};
	arena_reset(&n->arena);
	ask(n->dirfd, s->all, NODE_PROGRAMS, limit_ms, &n->arena);
}

const Zkd__DaemonStatus *
node_find_daemon(const Zkd__Status *zkd, const char *name)
{
	for (size_t i = 0; zkd != NULL && i < zkd->n_daemons; i++)
		if (strcmp(zkd->daemons[i]->name, name) == 0)
			return zkd->daemons[i];
	return NULL;
}

bool
node_has(const struct node_status *s, int program)
{
	const struct question *q = &s->all[program];

	if (program != NODE_ADMIND || q->answer != NULL)
		return true;
	if (node_status_of(s, NODE_ZKD) != NULL)
		return node_find_daemon(node_status_of(s, NODE_ZKD), q->daemon) != NULL;
	return q->error != -ENOENT && q->error != -ECONNREFUSED;
}

const char *
node_find_fact(const Zkd__Status *s, const char *name)
{
	for (size_t i = 0; s != NULL && i < s->n_facts; i++)
		if (strcmp(s->facts[i]->name, name) == 0)
			return s->facts[i]->value;
	return NULL;
}
