/* zkctl acl get, acl set: who may do what. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data.h"
#include "facts.h"
#include "json.h"
#include "walk.h"

/* ---- ACLs as text ---- */

int32_t
data_parse_perms(const char *text, size_t len)
{
	static const char letters[] = "rwcda"; /* in the order of the bits */
	int32_t perms = 0;

	if (len == 3 && strncmp(text, "all", 3) == 0)
		return ZK_PERM_ALL;
	for (size_t i = 0; i < len; i++) {
		const char *letter = memchr(letters, text[i], sizeof letters - 1);
		if (letter == NULL)
			return -1;
		perms |= 1 << (letter - letters);
	}
	return perms;
}

/* One entry: the scheme up to the first colon, the permissions behind the last one, the id between. */
static bool
parse_entry(const char *text, size_t len, struct jute_acl *out)
{
	const char *first = memchr(text, ':', len), *last = memrchr(text, ':', len);
	int32_t perms;

	if (first == NULL || first == text || last == first)
		return false;
	perms = data_parse_perms(last + 1, (size_t)(text + len - last - 1));
	*out = (struct jute_acl){
		.perms = perms,
		.id = { slice_of(text, (size_t)(first - text)),
			slice_of(first + 1, (size_t)(last - first - 1)) },
	};
	return perms >= 0;
}

int
data_parse_acl(const char *text, struct jute_acl_vec *acl)
{
	size_t n = 1, len = strlen(text);
	const char *p;

	for (p = text; *p != '\0'; p++)
		n += *p == ',';
	/* The text lies behind the vector: one owner for both. */
	acl->v = mem_alloc(n * sizeof *acl->v + len + 1);
	acl->n = 0;
	p = memcpy(acl->v + n, text, len + 1);
	for (size_t i = 0; i < n; i++) {
		size_t part = strcspn(p, ",");
		if (!parse_entry(p, part, &acl->v[acl->n++])) {
			complain(
			    0,
			    "\"%.*s\" is no entry of an ACL; allowed: scheme:id:perms with perms of the "
			    "letters "
			    "cdrwa (create, delete, read, write, admin) or \"all\", as in world:anyone:r or "
			    "auth::all",
			    (int)part, p);
			mem_free(acl->v);
			*acl = (struct jute_acl_vec){ NULL, 0 };
			return ZKCTL_USAGE;
		}
		p += part + 1;
	}
	return ZKCTL_OK;
}

/* ---- get ---- */

static int
get(const struct options *o, struct zk *z, const char *path)
{
	struct zk_answer a;
	struct buf line;
	int32_t code = ZK_OK;
	int status = data_check(z, zk_get_acl(z, path, &a, &code), &code, "read the ACL of", path);

	if (status != ZKCTL_OK)
		return status;
	if (o->json) {
		json_print(json_pack("{s:o, s:o, s:i}", "path", json_text(path), "acl",
				     facts_json_acl(&a.acl), "aversion", a.stat.aversion));
		return ZKCTL_OK;
	}
	buf_init(&line, SIZE_MAX / 4);
	for (int32_t i = 0; i < a.acl.n; i++) {
		facts_put_acl(&line, &a.acl.v[i]);
		buf_put_u8(&line, '\n');
	}
	fwrite(buf_head(&line), 1, buf_len(&line), stdout);
	buf_free(&line);
	return ZKCTL_OK;
}

/* ---- set ---- */

struct setting {
	const struct options *o;
	struct zk *z;
	const struct jute_acl_vec *acl;
	struct list paths; /* struct setting_path */
	uint64_t n;
};

struct setting_path {
	struct list link;
	char path[];
};

static int
remember(void *owner, const struct walk_node *n)
{
	struct setting *s = owner;
	size_t len = strlen(n->path) + 1;
	struct setting_path *p = mem_alloc(sizeof *p + len);

	memcpy(p->path, n->path, len);
	list_append(&s->paths, &p->link);
	s->n++;
	return 0;
}

static int
set_one(struct setting *s, const char *path)
{
	struct zk_answer a;
	int32_t code = ZK_OK;
	int r = zk_set_acl(s->z, path, s->acl, s->o->version, &a, &code);

	return data_check(s->z, r, &code, "set the ACL of", path);
}

static void
report(const struct setting *s, const char *path, uint64_t done, int status)
{
	if (s->o->json)
		json_print(json_pack("{s:o, s:I, s:I}", "path", json_text(path), "set", (json_int_t)done,
				     "of", (json_int_t)s->n));
	else if (status != ZKCTL_OK && s->n > 1)
		complain(0, "%" PRIu64 " of %" PRIu64 " ACLs are set", done, s->n);
	else if (s->n > 1)
		printf("%" PRIu64 " ACLs are set\n", done);
}

static int
set_alone(struct setting *s, const char *path)
{
	int status = set_one(s, path);

	s->n = 1;
	if (status == ZKCTL_OK)
		report(s, path, 1, status);
	return status;
}

/* Those below first: who loses the right to go on has done all that is below. */
static int
set_all(struct setting *s, const char *path)
{
	struct walk w = { .visit = remember, .owner = s, .depth_most = -1 };
	int32_t code = ZK_OK;
	uint64_t done = 0;
	int status;

	list_init(&s->paths);
	status = data_check(s->z, walk_tree(s->z, path, &w, &code), &code, "list", path);
	while (!list_empty(&s->paths)) {
		struct setting_path *p = container_of(s->paths.prev, struct setting_path, link);
		if (status == ZKCTL_OK)
			status = set_one(s, p->path);
		done += status == ZKCTL_OK;
		list_remove(&p->link);
		mem_free(p);
	}
	report(s, path, done, status);
	return status;
}

int
command_acl(const struct options *o, int argc, char **argv)
{
	bool setting = strcmp(argv[0], "set") == 0;
	struct jute_acl_vec acl = { NULL, 0 };
	char *path = data_path(o, argv[1]);
	struct zk *z;
	int status = path == NULL ? ZKCTL_USAGE : ZKCTL_OK;

	(void)argc;
	if (status == ZKCTL_OK && setting)
		status = data_parse_acl(argv[2], &acl);
	if (status == ZKCTL_OK && (status = data_open(o, &z)) == ZKCTL_OK) {
		struct setting s = { .o = o, .z = z, .acl = &acl };
		if (!setting)
			status = get(o, z, path);
		else if (GIVEN(o, RECURSIVE))
			status = set_all(&s, path);
		else
			status = set_alone(&s, path);
		data_close(o, z);
	}
	mem_free(acl.v);
	mem_free(path);
	return status;
}
