/* zkctl create: a new znode of any kind. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data.h"
#include "facts.h"
#include "json.h"
#include "jute/path.h"

/* The mode that the options ask for, or -1 after a complaint. */
static int
find_mode(const struct options *o)
{
	bool e = GIVEN(o, EPHEMERAL), s = GIVEN(o, SEQUENTIAL), c = GIVEN(o, CONTAINER), t = o->ttl_ms >= 0;

	if ((int)e + (int)c + (int)t > 1 || (s && c)) {
		complain(
		    0,
		    "%s cannot go together: a znode is ephemeral, a container (never sequential), or has a "
		    "time to live",
		    c && s   ? "-c and -s"
		    : c && e ? "-c and -e"
		    : c      ? "-c and --ttl"
			     : "-e and --ttl");
		return -1;
	}
	if (c)
		return ZK_CREATE_CONTAINER;
	if (t)
		return s ? ZK_CREATE_SEQUENTIAL_TTL : ZK_CREATE_TTL;
	return (e ? ZK_CREATE_EPHEMERAL : 0) | (s ? ZK_CREATE_PERSISTENT_SEQUENTIAL : 0);
}

/* Creates what is missing above path, from the top. 0, or an exit status after a complaint. */
static int
create_parents(struct zk *z, const char *path, const struct jute_acl_vec *acl)
{
	int status = ZKCTL_OK;

	for (const char *end = strchr(path + 1, '/'); end != NULL && status == ZKCTL_OK;
	     end = strchr(end + 1, '/')) {
		char *above = mem_strndup(path, (size_t)(end - path));
		struct zk_create c = { .path = slice_str(above), .acl = *acl };
		struct zk_answer a;
		int32_t code = ZK_OK;
		int r = zk_create(z, &c, &a, &code);
		if (r < 0 || code != ZK_NODEEXISTS)
			status = data_check(z, r, &code, "create", above);
		mem_free(above);
	}
	return status;
}

/* The path that came of it, printed. */
static void
tell_created(const struct options *o, const struct zk_answer *a)
{
	json_t *v;
	struct facts f;

	if (!o->json) {
		printf("%.*s\n", (int)a->path.len, (const char *)a->path.data);
		return;
	}
	v = json_object();
	f = (struct facts){ .json = v };
	facts_word(&f, "path", a->path);
	data_tell_stat(&f, &a->stat);
	json_print(v);
}

/* An ephemeral lives as long as its session, and the session as long as this program. */
static int
hold(struct zk *z)
{
	struct zk_news n;
	int r;

	fflush(stdout);
	complain(0, "it is there until this program ends; interrupt it (Ctrl-C) to have it go");
	do
		r = zk_next(z, &n, -1);
	while (r == 0 && n.kind != ZK_NEWS_NEW_SESSION);
	if (r == -EINTR)
		return ZKCTL_OK;
	return r < 0 ? data_fail(z, r, ZK_OK, "keep the session", NULL)
		     : complain(ZKCTL_UNWELL, "the session has expired, and the znode with it");
}

static int
create(const struct options *o, const struct zk_create *c, const char *path)
{
	struct zk_answer a;
	struct zk *z;
	int32_t code = ZK_OK;
	int status = data_open(o, &z), r;

	if (status != ZKCTL_OK)
		return status;
	if (GIVEN(o, PARENTS))
		status = create_parents(z, path, &c->acl);
	if (status == ZKCTL_OK) {
		r = zk_create(z, c, &a, &code);
		if (r == 0 && code == ZK_NODEEXISTS && GIVEN(o, PARENTS)) {
			data_close(o, z);
			return ZKCTL_OK;
		}
		if (r == 0 && code == ZK_NONODE)
			status =
			    complain(ZKCTL_NO_NODE,
				     "cannot create %s: its parent is not there; -p creates that too", path);
		else
			status = data_check(z, r, &code, "create", path);
	}
	if (status == ZKCTL_OK) {
		tell_created(o, &a);
		if (GIVEN(o, EPHEMERAL) && o->zk == NULL)
			status = hold(z);
	}
	data_close(o, z);
	return status;
}

int
command_create(const struct options *o, int argc, char **argv)
{
	struct zk_create c = { .acl = zk_acl_open, .ttl_ms = o->ttl_ms };
	struct jute_acl_vec acl = { NULL, 0 };
	int mode = find_mode(o), status;
	char *path = mode < 0 ? NULL : data_path(o, argv[0]);
	uint8_t *owned = NULL;

	if (path == NULL)
		return ZKCTL_USAGE;
	c.mode = (enum zk_create_mode)mode;
	c.path = slice_str(path);
	status = data_take(o, argc, argv, 1, &c.data, &owned);
	if (status == ZKCTL_OK && o->acl != NULL) {
		status = data_parse_acl(o->acl, &acl);
		c.acl = acl;
	}
	if (status == ZKCTL_OK)
		status = create(o, &c, path);
	mem_free(acl.v);
	mem_free(owned);
	mem_free(path);
	return status;
}
