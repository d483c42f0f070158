/* zkctl get, set, stat: one znode. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "data.h"
#include "facts.h"
#include "json.h"
#include "term.h"

enum { HEX_COLUMNS = 16 };

/* ---- get ---- */

static void
print_hex(struct slice d)
{
	for (size_t at = 0; at < d.len; at += HEX_COLUMNS) {
		size_t n = d.len - at < HEX_COLUMNS ? d.len - at : HEX_COLUMNS;
		printf("%08zx ", at);
		for (size_t i = 0; i < HEX_COLUMNS; i++)
			if (i < n)
				printf("%s%02x", i == HEX_COLUMNS / 2 ? "  " : " ", d.data[at + i]);
			else
				fputs(i == HEX_COLUMNS / 2 ? "    " : "   ", stdout);
		fputs("  |", stdout);
		for (size_t i = 0; i < n; i++)
			putchar(isprint(d.data[at + i]) ? d.data[at + i] : '.');
		puts("|");
	}
}

/* What would move a terminal's cursor or colours is shown as bytes there. */
static bool
is_text(struct slice d)
{
	struct buf out;
	size_t n;
	bool clean = true;

	for (size_t i = 0; i < d.len && clean; i++)
		clean = d.data[i] >= 0x20 || d.data[i] == '\n' || d.data[i] == '\t';
	if (!clean)
		return false;
	buf_init(&out, SIZE_MAX / 4);
	facts_escape(&out, d, true);
	/* Line breaks, tabs and backslashes are escaped, each with 3 bytes more; nothing else may be. */
	n = buf_len(&out);
	for (size_t i = 0; i < d.len; i++)
		n -= d.data[i] == '\n' || d.data[i] == '\t' || d.data[i] == '\\' ? 3 : 0;
	buf_free(&out);
	return n == d.len;
}

static void
print_data(const struct options *o, struct slice d)
{
	bool terminal = term_output_is_terminal();

	if (GIVEN(o, HEX) || (terminal && !is_text(d))) {
		print_hex(d);
		return;
	}
	fwrite(d.data, 1, d.len, stdout);
	if (terminal && d.len > 0 && d.data[d.len - 1] != '\n')
		putchar('\n');
}

static void
print_data_json(const char *path, const struct zk_answer *a)
{
	json_t *v = json_object(), *text;
	struct facts f = { .json = v };

	facts_word(&f, "path", slice_str(path));
	json_object_set_new(v, "data_base64", facts_json_base64(a->data));
	text = a->data.data == NULL ? NULL : json_stringn((const char *)a->data.data, a->data.len);
	if (text != NULL)
		json_object_set_new(v, "data", text);
	data_tell_stat(&f, &a->stat);
	json_print(v);
}

int
command_get(const struct options *o, int argc, char **argv)
{
	char *path = data_path(o, argv[0]);
	struct zk_answer a;
	struct zk *z;
	int32_t code = ZK_OK;
	int status = path == NULL ? ZKCTL_USAGE : data_open(o, &z);

	(void)argc;
	if (status == ZKCTL_OK) {
		status = data_check(z, zk_get(z, path, &a, &code), &code, "read", path);
		if (status == ZKCTL_OK && o->json)
			print_data_json(path, &a);
		else if (status == ZKCTL_OK)
			print_data(o, a.data);
		data_close(o, z);
	}
	mem_free(path);
	return status;
}

/* ---- set ---- */

int
data_take(const struct options *o, int argc, char **argv, int at, struct slice *out, uint8_t **owned)
{
	size_t len = 0;
	int status;

	*owned = NULL;
	*out = SLICE_NULL;
	if (o->file != NULL && argc > at)
		return complain(ZKCTL_USAGE,
				"data stands on the command line and in --file; give one of them");
	if (argc > at)
		*out = slice_of(argv[at], strlen(argv[at]));
	if (o->file == NULL)
		return ZKCTL_OK;
	status = data_read_file(o->file, owned, &len);
	*out = slice_of(*owned, len);
	return status;
}

static int
set(const struct options *o, const char *path, struct slice data)
{
	struct zk_answer a;
	struct zk *z;
	int32_t code = ZK_OK;
	int status = data_open(o, &z);

	if (status != ZKCTL_OK)
		return status;
	status = data_check(z, zk_set(z, path, data, o->version, &a, &code), &code, "set", path);
	if (status == ZKCTL_OK && o->json) {
		json_t *v = json_object();
		struct facts f = { .json = v };
		facts_word(&f, "path", slice_str(path));
		data_tell_stat(&f, &a.stat);
		json_print(v);
	} else if (status == ZKCTL_OK) {
		printf("%s has version %" PRId32 " now\n", path, a.stat.version);
	}
	data_close(o, z);
	return status;
}

int
command_set(const struct options *o, int argc, char **argv)
{
	struct slice data;
	uint8_t *owned;
	char *path = data_path(o, argv[0]);
	int status = path == NULL ? ZKCTL_USAGE : data_take(o, argc, argv, 1, &data, &owned);

	if (path == NULL)
		return status;
	if (status == ZKCTL_OK && data.data == NULL)
		status = complain(
		    ZKCTL_USAGE,
		    "set takes data: as second argument (\"\" empties the znode), or with --file FILE");
	if (status == ZKCTL_OK)
		status = set(o, path, data);
	mem_free(owned);
	mem_free(path);
	return status;
}

/* ---- stat ---- */

static const char *
ago(int64_t ms, char *out, size_t size)
{
	struct timespec now;
	char text[32];
	int64_t past;

	clock_gettime(CLOCK_REALTIME, &now);
	past = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - ms;
	out[0] = '\0';
	if (past >= 0 && ms > 0)
		snprintf(out, size, ", %s ago", format_duration((uint64_t)past, text, sizeof text));
	return out;
}

static void
print_time(const char *title, int64_t ms, uint64_t zxid)
{
	char when[48], since[48];

	facts_iso_time(ms, when, sizeof when);
	printf("%-10s %s by transaction 0x%" PRIx64 "%s\n", title, when, zxid, ago(ms, since, sizeof since));
}

static void
print_stat(const char *path, const struct jute_stat *st)
{
	printf("%s%s%s\n", term_style(TERM_BOLD), path, term_style(TERM_PLAIN));
	print_time("created", st->ctime, st->czxid);
	print_time("changed", st->mtime, st->mzxid);
	printf("%-10s %" PRId32 " bytes, version %" PRId32 "\n", "data", st->data_length, st->version);
	printf("%-10s %" PRId32 ", version %" PRId32 ", last changed by transaction 0x%" PRIx64 "\n",
	       "children", st->num_children, st->cversion, st->pzxid);
	printf("%-10s version %" PRId32 "\n", "ACL", st->aversion);
	if (st->ephemeral_owner != 0)
		printf("%-10s session 0x%" PRIx64 ": it goes when that ends\n", "ephemeral",
		       (uint64_t)st->ephemeral_owner);
}

int
command_stat(const struct options *o, int argc, char **argv)
{
	char *path = data_path(o, argv[0]);
	struct zk_answer a;
	struct zk *z;
	int32_t code = ZK_OK;
	int status = path == NULL ? ZKCTL_USAGE : data_open(o, &z);

	(void)argc;
	if (status == ZKCTL_OK) {
		status = data_check(z, zk_exists(z, path, &a, &code), &code, "look at", path);
		if (status == ZKCTL_OK && o->json) {
			json_t *v = json_object();
			struct facts f = { .json = v };
			facts_word(&f, "path", slice_str(path));
			data_tell_stat(&f, &a.stat);
			json_print(v);
		} else if (status == ZKCTL_OK) {
			print_stat(path, &a.stat);
		}
		data_close(o, z);
	}
	mem_free(path);
	return status;
}
