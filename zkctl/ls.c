/* zkctl ls, zkctl tree: which znodes there are. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data.h"
#include "facts.h"
#include "json.h"
#include "jute/path.h"
#include "term.h"
#include "walk.h"

struct listing {
	const struct options *o;
	const char *start;
	struct buf line;
	json_t *list;
	uint64_t nodes, bytes, ephemerals, unreadable;
	int status;
};

static void
print_buf(struct buf *b)
{
	fwrite(buf_head(b), 1, buf_len(b), stdout);
	buf_reset(b, 1 << 16);
}

static void
put_str(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

/* A name, escaped as a terminal and a script can bear it, in the style of its kind. */
static void
put_name(struct buf *b, struct slice name, const struct jute_stat *st)
{
	enum term_style style = st->ephemeral_owner != 0 ? TERM_EPHEMERAL
				: st->num_children > 0   ? TERM_BRANCH
							 : TERM_PLAIN;

	if (style != TERM_PLAIN)
		put_str(b, term_style(style));
	facts_escape(b, name, true);
	if (style != TERM_PLAIN)
		put_str(b, term_style(TERM_PLAIN));
}

/* "3 children, 12 B, ephemeral of 0x1", what there is of it. */
static void
put_remarks(struct buf *b, const struct walk_node *n)
{
	char text[96];

	if (n->stat.data_length > 0) {
		put_str(b, "  ");
		put_str(b, data_format_size((uint64_t)n->stat.data_length, text, sizeof text));
	}
	if (n->stat.ephemeral_owner != 0) {
		snprintf(text, sizeof text, "  ephemeral of 0x%" PRIx64, (uint64_t)n->stat.ephemeral_owner);
		put_str(b, text);
	}
	if (n->error != ZK_OK) {
		put_str(b, "  ");
		put_str(b, n->error == ZK_NOAUTH ? "not readable" : zk_error_name(n->error));
	}
}

static json_t *
node_json(const struct walk_node *n)
{
	json_t *v = json_object();
	struct facts f = { .json = v };

	facts_word(&f, "path", slice_str(n->path));
	if (n->error != ZK_OK)
		facts_text(&f, "error", slice_str(zk_error_name(n->error)));
	else
		data_tell_stat(&f, &n->stat);
	return v;
}

static void
count_node(struct listing *l, const struct walk_node *n)
{
	l->nodes++;
	l->bytes += (uint64_t)n->stat.data_length;
	l->ephemerals += n->stat.ephemeral_owner != 0;
	l->unreadable += n->error != ZK_OK;
}

/* ---- ls ---- */

static void
print_long(struct listing *l, const struct walk_node *n, struct slice name)
{
	char size[32], when[48];

	data_format_size((uint64_t)n->stat.data_length, size, sizeof size);
	facts_iso_time(n->stat.mtime, when, sizeof when);
	printf("%s %10s %6" PRId32 " %6" PRId32 "  ", when, size, n->stat.version, n->stat.num_children);
	put_name(&l->line, name, &n->stat);
	if (n->stat.ephemeral_owner != 0 || n->error != ZK_OK) {
		struct walk_node bare = *n;
		bare.stat.data_length = 0;
		put_str(&l->line, term_style(TERM_DIM));
		put_remarks(&l->line, &bare);
		put_str(&l->line, term_style(TERM_PLAIN));
	}
	buf_put_u8(&l->line, '\n');
	print_buf(&l->line);
}

static int
visit_ls(void *owner, const struct walk_node *n)
{
	struct listing *l = owner;
	bool recursive = GIVEN(l->o, RECURSIVE);
	struct slice name = recursive ? slice_str(n->path) : path_last(slice_str(n->path));

	if (n->depth == 0 && n->error != ZK_OK)
		l->status = data_fail(NULL, 0, n->error, "list", n->path);
	if (n->depth == 0 && !recursive)
		return 0;
	count_node(l, n);
	if (l->o->json) {
		json_array_append_new(l->list, node_json(n));
	} else if (GIVEN(l->o, LONG)) {
		print_long(l, n, name);
	} else {
		put_name(&l->line, name, &n->stat);
		buf_put_u8(&l->line, '\n');
		print_buf(&l->line);
	}
	return 0;
}

/* Names alone need one request. */
static int
list_names(struct zk *z, struct listing *l)
{
	struct zk_answer a;
	int32_t code = ZK_OK;
	int status = data_check(z, zk_children(z, l->start, &a, &code), &code, "list", l->start);

	if (status != ZKCTL_OK)
		return status;
	data_sort_names(&a.names);
	for (int32_t i = 0; i < a.names.n; i++) {
		if (l->o->json) {
			json_array_append_new(l->list, facts_json_string(a.names.v[i]));
			continue;
		}
		facts_escape(&l->line, a.names.v[i], true);
		buf_put_u8(&l->line, '\n');
	}
	print_buf(&l->line);
	return ZKCTL_OK;
}

static int
walk(struct zk *z, struct listing *l, const struct walk *w)
{
	int32_t code = ZK_OK;
	int r = walk_tree(z, l->start, w, &code), status = data_check(z, r, &code, "list", l->start);

	return status != ZKCTL_OK ? status : l->status;
}

static int
list(struct zk *z, struct listing *l)
{
	struct walk w = { .visit = visit_ls, .owner = l, .depth_most = GIVEN(l->o, RECURSIVE) ? -1 : 1 };
	bool plain = !GIVEN(l->o, RECURSIVE) && !GIVEN(l->o, LONG);

	if (GIVEN(l->o, LONG) && !l->o->json)
		printf("%s%-24s %10s %6s %6s  %s%s\n", term_style(TERM_DIM), "CHANGED", "SIZE", "VERS",
		       "KIDS", "NAME", term_style(TERM_PLAIN));
	return plain ? list_names(z, l) : walk(z, l, &w);
}

/* ---- tree ---- */

static void
put_guide(struct buf *b, const char *guide)
{
	static const char *const lines[2][4] = { { "|   ", "    ", "|-- ", "`-- " },
						 { "│   ", "    ", "├── ", "└── " } };
	const char *const *set = lines[term_utf8()];

	put_str(b, term_style(TERM_DIM));
	for (; *guide != '\0'; guide++)
		put_str(b, set[(*guide == '|' ? 0 : 1) + (guide[1] == '\0' ? 2 : 0)]);
	put_str(b, term_style(TERM_PLAIN));
}

static int
visit_tree(void *owner, const struct walk_node *n)
{
	struct listing *l = owner;
	struct slice path = slice_str(n->path);

	count_node(l, n);
	if (l->o->json) {
		json_array_append_new(l->list, node_json(n));
		return 0;
	}
	put_guide(&l->line, n->guide);
	put_name(&l->line, n->depth == 0 ? path : path_last(path), &n->stat);
	put_str(&l->line, term_style(TERM_DIM));
	put_remarks(&l->line, n);
	put_str(&l->line, term_style(TERM_PLAIN));
	buf_put_u8(&l->line, '\n');
	print_buf(&l->line);
	return 0;
}

static int
draw(struct zk *z, struct listing *l)
{
	struct walk w = { .visit = visit_tree, .owner = l, .depth_most = l->o->depth };
	char size[32];
	int status = walk(z, l, &w);

	if (status != ZKCTL_OK || l->o->json)
		return status;
	printf("\n%" PRIu64 " znode%s, %s of data", l->nodes, l->nodes == 1 ? "" : "s",
	       data_format_size(l->bytes, size, sizeof size));
	if (l->ephemerals > 0)
		printf(", %" PRIu64 " ephemeral", l->ephemerals);
	if (l->unreadable > 0)
		printf(", %" PRIu64 " not readable", l->unreadable);
	puts("");
	return ZKCTL_OK;
}

static int
run(const struct options *o, int argc, char **argv, int (*command)(struct zk *z, struct listing *l))
{
	struct listing l = { .o = o, .list = json_array() };
	char *path = data_path(o, argc > 0 ? argv[0] : o->folder);
	struct zk *z;
	int status = path == NULL ? ZKCTL_USAGE : data_open(o, &z);

	if (status == ZKCTL_OK) {
		l.start = path;
		buf_init(&l.line, SIZE_MAX / 4);
		status = command(z, &l);
		if (o->json && status == ZKCTL_OK)
			json_print(json_pack("{s:s, s:O}", "path", path, "nodes", l.list));
		data_close(o, z);
		buf_free(&l.line);
	}
	json_decref(l.list);
	mem_free(path);
	return status;
}

int
command_ls(const struct options *o, int argc, char **argv)
{
	return run(o, argc, argv, list);
}

int
command_tree(const struct options *o, int argc, char **argv)
{
	return run(o, argc, argv, draw);
}
