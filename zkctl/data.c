/* See data.h. */
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "base/mem.h"
#include "facts.h"
#include "jute/path.h"
#include "node.h"

static volatile sig_atomic_t stopped;
static struct zk session; /* of the one command */

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

bool
data_stopped(void)
{
	return stopped != 0;
}

void
data_go_on(void)
{
	stopped = 0;
}

static void
catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

/* ---- Which servers ---- */

/* "0.0.0.0:2181" is where a server listens; where it is reached is loopback. */
static int
take_local(const char *address, struct zk_config *c)
{
	char why[ZK_WHY_BYTES], text[ZK_HOST_BYTES];
	const char *port = strrchr(address, ':');

	if (port != NULL && (strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0)) {
		snprintf(text, sizeof text, "%s%s", address[0] == '[' ? "[::1]" : "127.0.0.1", port);
		address = text;
	}
	if (zk_servers_parse(address, &c->servers, why) == 0)
		return ZKCTL_OK;
	return complain(ZKCTL_NO_ANSWER, "the node listens at %s, which cannot be reached: %s", address, why);
}

/* What the running node says of its own listener, and where it says nothing its configuration. */
static int
find_local(const struct options *o, struct zk_config *c)
{
	const char *address;
	struct node n;
	int status = node_open_quietly(o, &n);

	if (status == ZKCTL_OK) {
		struct node_status s;
		node_ask_all(&n, &s, ASK_LIMIT_MS);
		address = node_find_fact(node_status_of(&s, NODE_ZKD), "client");
		status = address == NULL ? ZKCTL_NO_ANSWER : take_local(address, c);
		node_close(&n);
	}
	if (status == ZKCTL_USAGE || status == ZKCTL_OK)
		return status;
	if (o->runtime == NULL && (address = node_configured_address(o)) != NULL)
		return take_local(address, c);
	return complain(ZKCTL_NO_ANSWER,
			"no node runs here that could be asked; name a server with --server HOST:PORT or in "
			"ZKCTL_SERVER");
}

bool
data_servers_named(const struct options *o)
{
	const char *list = getenv("ZKCTL_SERVER");
	bool node_named = o->config_file != NULL || o->runtime != NULL || o->noverrides > 0;

	return o->server != NULL || (list != NULL && list[0] != '\0' && !node_named);
}

int
data_config(const struct options *o, struct zk_config *c)
{
	char why[ZK_WHY_BYTES];
	int status = ZKCTL_OK;

	*c = (struct zk_config){
		.wait_ms = o->timeout_ms < 0 ? 0 : o->timeout_ms,
		.read_only = GIVEN(o, READ_ONLY),
		.stop = data_stopped,
	};
	if (!data_servers_named(o))
		status = find_local(o, c);
	else if (zk_servers_parse(o->server != NULL ? o->server : getenv("ZKCTL_SERVER"), &c->servers, why) <
		 0)
		status =
		    complain(ZKCTL_USAGE, "%s: %s", o->server != NULL ? "--server" : "ZKCTL_SERVER", why);
	return status == ZKCTL_OK ? auth_read(o, c) : status;
}

void
data_config_free(struct zk_config *c)
{
	auth_forget(c);
}

int
data_open(const struct options *o, struct zk **z)
{
	struct zk_config c;
	int status, r;

	*z = o->zk;
	if (*z != NULL)
		return ZKCTL_OK;
	status = data_config(o, &c);
	if (status != ZKCTL_OK)
		return status;
	catch_signals();
	*z = &session;
	r = zk_open(&session, &c);
	if (r == 0)
		return ZKCTL_OK;
	status = data_fail(&session, r, ZK_OK, "open a session", NULL);
	data_close(o, &session);
	return status;
}

void
data_close(const struct options *o, struct zk *z)
{
	if (z == NULL || z == o->zk)
		return;
	/* What was found out can be read while the server still writes that the session is over. */
	fflush(stdout);
	struct zk_config config = z->config; /* which zk_close forgets */
	zk_close(z);
	auth_forget(&config);
}

/* ---- Paths ---- */

char *
data_join(const char *parent, struct slice name)
{
	size_t len = strcmp(parent, "/") == 0 ? 0 : strlen(parent);
	char *path = mem_alloc(len + name.len + 2);

	memcpy(path, parent, len);
	path[len] = '/';
	memcpy(path + len + 1, name.data, name.len);
	path[len + 1 + name.len] = '\0';
	return path;
}

/* Takes ".." and "." out of a path the shell has put together. */
static void
fold_dots(char *path)
{
	char *to = path;

	for (const char *p = path; *p != '\0';) {
		size_t len = 1 + strcspn(p + 1, "/");
		if (len == 3 && strncmp(p, "/..", 3) == 0) {
			while (to > path && *--to != '/')
				continue;
		} else if (len > 1 && !(len == 2 && p[1] == '.')) {
			memmove(to, p, len);
			to += len;
		}
		p += len;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

char *
data_path(const struct options *o, const char *typed)
{
	size_t len = strlen(typed);
	char *path;

	if (typed[0] != '/' && o->zk == NULL) {
		complain(0, "\"%s\" is no path of a znode; paths begin with /, as in /%s", typed, typed);
		return NULL;
	}
	path = typed[0] == '/' ? mem_strndup(typed, len) : data_join(o->folder, slice_of(typed, len));
	if (o->zk != NULL)
		fold_dots(path);
	len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	if (path_valid(slice_str(path)))
		return path;
	complain(
	    0,
	    "\"%s\" is no path of a znode: empty components, \".\", \"..\", control characters and what is "
	    "no UTF-8 are not allowed",
	    path);
	mem_free(path);
	return NULL;
}

/* ---- Failures ---- */

static const struct {
	int32_t code;
	int status;
	const char *text;
} errors[] = {
	{ ZK_NONODE, ZKCTL_NO_NODE, "there is no such znode" },
	{ ZK_NODEEXISTS, ZKCTL_CONFLICT, "it exists already" },
	{ ZK_NOTEMPTY, ZKCTL_CONFLICT, "it has children; rm -r deletes them too" },
	{ ZK_BADVERSION, ZKCTL_CONFLICT, "it has another version; zkctl stat tells which" },
	{ ZK_NOCHILDRENFOREPHEMERALS, ZKCTL_CONFLICT, "its parent is ephemeral and can have no children" },
	{ ZK_NOAUTH, ZKCTL_NOT_ALLOWED,
	  "its ACL does not allow it; --auth gives a credential, zkctl acl get shows the ACL" },
	{ ZK_AUTHFAILED, ZKCTL_NOT_ALLOWED, "the server refuses the credential" },
	{ ZK_INVALIDACL, ZKCTL_USAGE,
	  "the server does not take this ACL: unknown scheme, malformed id, or \"auth\" without --auth" },
	{ ZK_QUOTAEXCEEDED, ZKCTL_NOT_ALLOWED, "it would go beyond a quota; zkctl quota ls shows them" },
	{ ZK_SESSIONCLOSEDREQUIRESASLAUTH, ZKCTL_NOT_ALLOWED,
	  "the server wants a credential first (enforce.auth)" },
	{ ZK_BADARGUMENTS, ZKCTL_USAGE, "the server does not allow that for this path" },
	{ ZK_UNIMPLEMENTED, ZKCTL_UNWELL,
	  "the server cannot do that (TTL znodes need extendedTypesEnabled=true)" },
	{ ZK_NOTREADONLY, ZKCTL_UNWELL, "the server has no quorum and can only be read" },
	{ ZK_SESSIONEXPIRED, ZKCTL_NO_ANSWER, "the session is over" },
	{ ZK_SESSIONMOVED, ZKCTL_NO_ANSWER, "the session has moved to another server" },
	{ ZK_THROTTLEDOP, ZKCTL_UNWELL, "the server is overloaded and dropped it; try again later" },
	{ ZK_CONNECTIONLOSS, ZKCTL_UNKNOWN,
	  "the connection was lost before the answer came: it may or may not have been done" },
};

const char *
data_error_text(int32_t code)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (errors[i].code == code)
			return errors[i].text;
	return zk_error_name(code);
}

int
data_error_status(int32_t code)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (errors[i].code == code)
			return errors[i].status;
	return ZKCTL_UNWELL;
}

int
data_fail(const struct zk *z, int rc, int32_t code, const char *doing, const char *path)
{
	const char *space = path == NULL ? "" : " ";
	int status = rc == -EACCES ? ZKCTL_NOT_ALLOWED : ZKCTL_NO_ANSWER;

	path = path == NULL ? "" : path;
	if (rc == -EINTR)
		return complain(ZKCTL_INTERRUPTED, "interrupted");
	if (rc < 0)
		return complain(status, "cannot %s%s%s: %s", doing, space, path,
				z->why[0] == '\0' ? strerror(-rc) : z->why);
	return complain(data_error_status(code), "cannot %s%s%s: %s", doing, space, path,
			data_error_text(code));
}

int
data_check(const struct zk *z, int rc, const int32_t *code, const char *doing, const char *path)
{
	int32_t said = code == NULL ? ZK_OK : *code;

	return rc == 0 && said == ZK_OK ? ZKCTL_OK : data_fail(z, rc, said, doing, path);
}

/* ---- Files ---- */

int
data_read_file(const char *file, uint8_t **data, size_t *len)
{
	int fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	struct buf b;
	ssize_t n = -1;
	uint8_t *room;

	if (fd < 0)
		return complain(ZKCTL_USAGE, "%s: %s", file, strerror(errno));
	buf_init(&b, DATA_MAX);
	while ((room = buf_reserve(&b, 65536)) != NULL && (n = read(fd, room, 65536)) > 0)
		buf_commit(&b, (size_t)n);
	if (fd != STDIN_FILENO)
		close(fd);
	if (room == NULL || n < 0) {
		buf_free(&b);
		return complain(ZKCTL_USAGE, "%s: %s", file,
				room == NULL ? "is longer than any znode's data may be" : strerror(errno));
	}
	*len = buf_len(&b);
	*data = mem_alloc(*len);
	memcpy(*data, buf_head(&b), *len);
	buf_free(&b);
	return ZKCTL_OK;
}

/* ---- Told alike by several ---- */

void
data_tell_stat(struct facts *f, const struct jute_stat *st)
{
	facts_hex(f, "czxid", st->czxid);
	facts_time(f, "ctime", st->ctime);
	facts_hex(f, "mzxid", st->mzxid);
	facts_time(f, "mtime", st->mtime);
	facts_hex(f, "pzxid", st->pzxid);
	facts_number(f, "version", st->version);
	facts_number(f, "cversion", st->cversion);
	facts_number(f, "aversion", st->aversion);
	facts_hex(f, "ephemeral_owner", (uint64_t)st->ephemeral_owner);
	facts_number(f, "data_length", st->data_length);
	facts_number(f, "num_children", st->num_children);
}

static int
compare_names(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int r = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

	return r != 0 ? r : x->len < y->len ? -1 : x->len > y->len;
}

void
data_sort_names(struct jute_string_vec *names)
{
	if (names->n > 1)
		qsort(names->v, (size_t)names->n, sizeof *names->v, compare_names);
}

const char *
data_format_size(uint64_t bytes, char *out, size_t size)
{
	if (bytes >= 1024)
		return format_bytes(bytes, out, size);
	snprintf(out, size, "%" PRIu64 " B", bytes);
	return out;
}
