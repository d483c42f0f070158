/*
 * zkctl import: creates what `zkctl export` wrote, many at once, in the file's order. What is there already ends it
 * unless --overwrite or --keep says what to do. Ephemerals are left out: their sessions are not here.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium/utils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "data.h"
#include "export.h"
#include "json.h"
#include "jute/path.h"
#include "term.h"

enum { ACLS_MAX = 1000, LATE_MS = 1000 };

struct import {
	const struct options *o;
	struct zk *z;
	FILE *in;
	const char *file;
	uint64_t line;
	char *root, *into; /* what the file's paths begin with, and what with here */
	uint64_t created, kept, overwritten, ephemerals, expected;
	bool whole;
	struct progress progress;
	int status; /* of the first failure; complained about */
};

/* A znode between its line and the answer. */
struct item {
	char *path;
	uint8_t *data;
	size_t data_len;
	bool data_null;
	struct jute_acl_vec acl;
	json_t *acl_json; /* its texts */
	enum zk_create_mode mode;
	int64_t ttl_ms;
	unsigned due; /* answers of an overwrite */
};

static void
free_item(struct item *it)
{
	mem_free(it->path);
	mem_free(it->data);
	mem_free(it->acl.v);
	json_decref(it->acl_json);
	mem_free(it);
}

static int
bad_line(struct import *m, const char *what)
{
	m->status = complain(ZKCTL_UNWELL, "%s:%" PRIu64 ": %s", m->file, m->line, what);
	return m->status;
}

/* ---- A line into an item ---- */

static struct slice
text_of(const json_t *v)
{
	return slice_of(json_string_value(v), json_string_length(v));
}

static bool
take_data(struct item *it, const json_t *v)
{
	const json_t *text = json_object_get(v, "data"), *base64 = json_object_get(v, "data_base64");
	size_t len;

	it->data_null = text == NULL && base64 == NULL;
	if (json_is_string(text)) {
		it->data_len = json_string_length(text);
		it->data = mem_alloc(it->data_len);
		memcpy(it->data, json_string_value(text), it->data_len);
	} else if (json_is_string(base64)) {
		len = json_string_length(base64);
		it->data = mem_alloc(len);
		if (sodium_base642bin(it->data, len, json_string_value(base64), len, NULL, &it->data_len,
				      NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
			return false;
	}
	return (text == NULL || json_is_string(text)) && (base64 == NULL || json_is_string(base64));
}

static bool
take_acl(struct item *it, json_t *v)
{
	json_t *list = json_object_get(v, "acl");
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n == 0 || n > ACLS_MAX)
		return false;
	it->acl_json = json_incref(list);
	it->acl.v = mem_zalloc(n, sizeof *it->acl.v);
	it->acl.n = (int32_t)n;
	for (size_t i = 0; i < n; i++) {
		const json_t *e = json_array_get(list, i);
		const char *perms = json_string_value(json_object_get(e, "perms"));
		struct jute_acl *a = &it->acl.v[i];
		if (!json_is_string(json_object_get(e, "scheme")) ||
		    !json_is_string(json_object_get(e, "id")) || perms == NULL ||
		    (a->perms = data_parse_perms(perms, strlen(perms))) < 0)
			return false;
		a->id = (struct jute_id){ text_of(json_object_get(e, "scheme")),
					  text_of(json_object_get(e, "id")) };
	}
	return true;
}

static void
take_kind(struct item *it, const json_t *v)
{
	const json_t *ttl = json_object_get(v, "ttl_ms");

	if (json_is_integer(ttl)) {
		it->mode = ZK_CREATE_TTL;
		it->ttl_ms = json_integer_value(ttl);
	}
	if (json_is_true(json_object_get(v, "container")))
		it->mode = ZK_CREATE_CONTAINER;
}

/* The path here of a path in the file; NULL when it is not below the file's root. */
static char *
place(const struct import *m, struct slice path)
{
	struct slice root = slice_str(m->root);
	size_t skip = root.len == 1 ? 0 : root.len, into = strcmp(m->into, "/") == 0 ? 0 : strlen(m->into);
	char *out;

	if (!path_valid(path) || !path_within(path, root))
		return NULL;
	if (path.len == 1)
		skip = 1; /* "/" itself */
	out = mem_alloc(into + path.len - skip + 2);
	memcpy(out, m->into, into);
	memcpy(out + into, path.data + skip, path.len - skip);
	out[into + path.len - skip] = '\0';
	if (out[0] == '\0')
		strcpy(out, "/");
	return out;
}

static struct item *
parse_item(struct import *m, json_t *v)
{
	struct item *it = mem_zalloc(1, sizeof *it);
	const json_t *path = json_object_get(v, "path");

	it->path = json_is_string(path) ? place(m, text_of(path)) : NULL;
	if (it->path == NULL)
		bad_line(m, "its path is none, or not below the root that the first line names");
	else if (!take_data(it, v) || !take_acl(it, v))
		bad_line(m, "its data or its ACL is malformed");
	else
		take_kind(it, v);
	if (m->status == ZKCTL_OK)
		return it;
	free_item(it);
	return NULL;
}

/* ---- Requests and answers ---- */

static struct slice
data_of(const struct item *it)
{
	return it->data_null ? SLICE_NULL
			     : slice_of(it->data == NULL ? (const uint8_t *)"" : it->data, it->data_len);
}

static void
send_create(struct import *m, struct item *it)
{
	zk_put_create(m->z,
		      &(struct zk_create){ slice_str(it->path), data_of(it), it->acl, it->mode, it->ttl_ms });
	/* Where it does not matter who created it, it may be created again. */
	zk_end(m->z, it, GIVEN(m->o, KEEP) || GIVEN(m->o, OVERWRITE) ? ZK_REPEATABLE : ZK_ONCE);
}

static void
send_overwrite(struct import *m, struct item *it)
{
	jute_write_set_data_request(zk_begin(m->z, ZK_OP_SET_DATA),
				    &(struct jute_set_data_request){ slice_str(it->path), data_of(it), -1 });
	zk_end(m->z, it, ZK_REPEATABLE);
	jute_write_set_acl_request(zk_begin(m->z, ZK_OP_SET_ACL),
				   &(struct jute_set_acl_request){ slice_str(it->path), it->acl, -1 });
	zk_end(m->z, it, ZK_REPEATABLE);
	it->due = 2;
}

static void
fail_item(struct import *m, const struct item *it, const struct zk_news *n)
{
	if (m->status != ZKCTL_OK)
		return;
	progress_end(&m->progress);
	if (n->err == ZK_NODEEXISTS)
		m->status = complain(
		    ZKCTL_CONFLICT,
		    "%s exists already; --keep leaves what exists, --overwrite sets its data and ACL",
		    it->path);
	else if (n->err == ZK_NONODE)
		m->status =
		    complain(ZKCTL_NO_NODE, "cannot create %s: its parent is not there; create it first (-p)",
			     it->path);
	else
		m->status = data_fail(
		    m->z, 0, n->err,
		    n->op == ZK_OP_SET_DATA || n->op == ZK_OP_SET_ACL ? "overwrite" : "create", it->path);
}

/* Whether the znode is there for all, whoever made it: then an import into it has nothing to do. */
static bool
is_ready_made(const char *path)
{
	return strcmp(path, "/") == 0 || strcmp(path, "/zookeeper") == 0 ||
	       strcmp(path, "/zookeeper/quota") == 0 || strcmp(path, "/zookeeper/config") == 0;
}

static void
take_answer(struct import *m, const struct zk_news *n)
{
	struct item *it = n->tag;

	if (it->due > 0) {
		it->due--;
		if (n->err != ZK_OK)
			fail_item(m, it, n);
		else if (it->due == 0)
			m->overwritten++;
	} else if (n->err == ZK_OK) {
		m->created++;
	} else if (n->err == ZK_NODEEXISTS && (GIVEN(m->o, KEEP) || is_ready_made(it->path))) {
		m->kept++;
	} else if (n->err == ZK_NODEEXISTS && GIVEN(m->o, OVERWRITE)) {
		send_overwrite(m, it);
	} else {
		fail_item(m, it, n);
	}
	if (it->due == 0)
		free_item(it);
	progress_step(&m->progress, m->created + m->kept + m->overwritten);
}

/* Takes answers until there is room, or with all of them until none is due. */
static int
take_answers(struct import *m, bool all)
{
	struct zk_news n;
	int r = 0;

	while (r == 0 && (all ? m->z->nflights > 0 : !zk_room(m->z))) {
		r = zk_next(m->z, &n, -1);
		if (r == 0 && n.kind == ZK_NEWS_REPLY)
			take_answer(m, &n);
	}
	return r;
}

/* ---- The file ---- */

static int
take_head(struct import *m, const json_t *v)
{
	const json_t *root = json_object_get(v, "root");

	if (json_integer_value(json_object_get(v, "zkctl_export")) != EXPORT_FORM || !json_is_string(root) ||
	    !path_valid(text_of(root)))
		return bad_line(m, "this is not what zkctl export wrote");
	m->root = mem_strndup(json_string_value(root), json_string_length(root));
	if (m->into == NULL)
		m->into = mem_strndup(m->root, strlen(m->root));
	return ZKCTL_OK;
}

static int
take_line(struct import *m, char *text, size_t len)
{
	json_t *v = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	struct item *it = NULL;
	int r = 0;

	m->line++;
	if (!json_is_object(v))
		bad_line(m, "this is no JSON object");
	else if (m->line == 1)
		take_head(m, v);
	else if (json_object_get(v, "nodes") != NULL)
		m->whole = true;
	else if (json_object_get(v, "ephemeral_owner") != NULL)
		m->ephemerals++;
	else if ((it = parse_item(m, v)) != NULL) {
		send_create(m, it);
		r = take_answers(m, false);
	}
	json_decref(v);
	return r;
}

static int
read_lines(struct import *m)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t len;
	int r = 0;

	while (r == 0 && m->status == ZKCTL_OK && (len = getline(&text, &size, m->in)) > 0)
		r = take_line(m, text, (size_t)len);
	free(text); /* getline's */
	if (r == 0)
		r = take_answers(m, true);
	if (r == 0 && m->status == ZKCTL_OK && !m->whole)
		m->status = complain(ZKCTL_UNWELL, "%s ends early: the export was not whole", m->file);
	return r;
}

static int
tell(struct import *m, int r)
{
	progress_end(&m->progress);
	if (r < 0)
		m->status = data_fail(m->z, r, ZK_OK, "import", m->file);
	if (m->o->json)
		json_print(json_pack("{s:I, s:I, s:I, s:I, s:b}", "created", (json_int_t)m->created, "kept",
				     (json_int_t)m->kept, "overwritten", (json_int_t)m->overwritten,
				     "ephemerals_left_out", (json_int_t)m->ephemerals, "whole",
				     m->status == ZKCTL_OK));
	else
		fprintf(m->status == ZKCTL_OK ? stdout : stderr,
			"%s%" PRIu64 " created, %" PRIu64 " overwritten, %" PRIu64 " kept, %" PRIu64
			" ephemerals left out\n",
			m->status == ZKCTL_OK ? "" : "zkctl: so far ", m->created, m->overwritten, m->kept,
			m->ephemerals);
	return m->status;
}

/* What is under way when something ends the import counts too, if its answer comes soon. */
static void
take_late(struct import *m)
{
	struct zk_news n;

	m->z->config.stop = NULL;
	while (m->z->nflights > 0 && m->z->fd >= 0 && zk_next(m->z, &n, LATE_MS) == 0)
		if (n.kind == ZK_NEWS_REPLY)
			take_answer(m, &n);
	m->z->config.stop = data_stopped;
	if (m->z->nflights > 0)
		zk_reset(m->z);
}

static int
import(struct import *m)
{
	int status = data_open(m->o, &m->z), r;

	if (status != ZKCTL_OK)
		return status;
	progress_begin(&m->progress, "importing", m->expected, !m->o->json);
	r = read_lines(m);
	take_late(m);
	status = tell(m, r);
	data_close(m->o, m->z);
	return status;
}

/* Lines of a file, less head and end; 0 for what can be read only once. */
static uint64_t
count_lines(FILE *in)
{
	char chunk[65536];
	uint64_t n = 0;
	struct stat st;
	size_t got;

	if (fstat(fileno(in), &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	while ((got = fread(chunk, 1, sizeof chunk, in)) > 0)
		for (size_t i = 0; i < got; i++)
			n += chunk[i] == '\n';
	rewind(in);
	return n > 2 ? n - 2 : 0;
}

int
command_import(const struct options *o, int argc, char **argv)
{
	struct import m = { .o = o, .file = argv[0], .status = ZKCTL_OK };
	bool standard = strcmp(argv[0], "-") == 0;
	int status = ZKCTL_OK;

	(void)argc;
	if (GIVEN(o, OVERWRITE) && GIVEN(o, KEEP))
		return complain(ZKCTL_USAGE,
				"--overwrite and --keep contradict each other; give one of them");
	if (o->into != NULL && (m.into = data_path(o, o->into)) == NULL)
		return ZKCTL_USAGE;
	m.in = standard ? stdin : fopen(argv[0], "re");
	if (m.in == NULL)
		status = complain(ZKCTL_USAGE, "%s: %s", argv[0], strerror(errno));
	if (status == ZKCTL_OK) {
		m.expected = count_lines(m.in);
		status = import(&m);
	}
	if (m.in != NULL && !standard)
		fclose(m.in);
	mem_free(m.root);
	mem_free(m.into);
	return status;
}
