/*
 * zkctl snapshot verify: whether a snapshot is whole, and what is in it. The digest that is stored is that of the tree
 * at digest_zxid; the file holds just that tree unless txns went on while a ZooKeeper server wrote it (digest_zxid is
 * then above the zxid in the file's name): only a replay of the log can compare such a one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "disk/digest.h"
#include "disk/names.h"
#include "facts.h"
#include "json.h"
#include "snapshot.h"

enum digest_verdict { DIGEST_RIGHT, DIGEST_WRONG, DIGEST_FUZZY, DIGEST_NONE };

struct verify {
	struct snapfile s;
	uint64_t digest; /* recomputed */
	uint64_t owners[OWNER_TTL + 1];
	uint64_t data_bytes, path_bytes;
	uint64_t newest; /* highest zxid in a stat */
	int64_t *acls;   /* keys of the table, sorted before the first node */
	size_t nacls, room;
	uint64_t unknown_acls; /* nodes whose key is in no table */
	bool named;
	uint64_t name_zxid;
};

static int
take_acl(void *ctx, int64_t key, struct slice list)
{
	struct verify *v = ctx;

	(void)list;
	if (v->nacls == v->room) {
		v->room = v->room == 0 ? 64 : v->room * 2;
		v->acls = mem_realloc(v->acls, v->room * sizeof *v->acls);
	}
	v->acls[v->nacls++] = key;
	return 0;
}

static int
compare_keys(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void
check_acl(struct verify *v, int64_t key)
{
	if (key != SNAPSHOT_ACL_OPEN &&
	    (v->nacls == 0 || bsearch(&key, v->acls, v->nacls, sizeof key, compare_keys) == NULL))
		v->unknown_acls++;
}

static uint64_t
higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static int
take_node(void *ctx, const struct snapshot_node *node)
{
	struct verify *v = ctx;
	const struct snapshot_stat *st = &node->stat;
	struct jute_stat_persisted digested = { .czxid = st->czxid,
						.mzxid = st->mzxid,
						.ctime = st->ctime_ms,
						.mtime = st->mtime_ms,
						.version = st->version,
						.cversion = st->cversion,
						.aversion = st->aversion,
						.ephemeral_owner = st->ephemeral_owner,
						.pzxid = st->pzxid };

	if (node->path.len == 0 && v->nacls > 0)
		qsort(v->acls, v->nacls, sizeof *v->acls, compare_keys);
	if (!digest_excludes(node->path))
		v->digest += digest_finish(digest_prefix(node->path, node->data), &digested);
	check_acl(v, node->acl);
	v->owners[snapshot_owner(st->ephemeral_owner)]++;
	v->data_bytes += node->data.len;
	v->path_bytes += node->path.len;
	v->newest = higher(v->newest, higher(st->czxid, higher(st->mzxid, st->pzxid)));
	return 0;
}

/* The highest zxid that the file knows of (ZooKeeper: SnapshotFormatter). */
static uint64_t
last_zxid(const struct verify *v)
{
	uint64_t last = higher(v->named ? v->name_zxid : 0, v->newest);

	return v->s.end.has_last_zxid ? higher(last, v->s.end.last_zxid) : last;
}

/* Whether the file is known to hold the tree of one moment, that of the zxid in its name. */
static bool
is_exact(const struct verify *v)
{
	const struct snapshot_end *end = &v->s.end;

	return v->named && v->newest <= v->name_zxid &&
	       (!end->has_digest || end->digest_zxid <= v->name_zxid);
}

static enum digest_verdict
judge_digest(const struct verify *v)
{
	const struct snapshot_end *end = &v->s.end;

	/* A ZooKeeper server that has none to tell writes zeros. */
	if (!end->has_digest || end->digest_version != DIGEST_VERSION || end->digest_zxid == 0)
		return DIGEST_NONE;
	if (end->digest == v->digest)
		return DIGEST_RIGHT;
	return is_exact(v) && end->digest_zxid == v->name_zxid ? DIGEST_WRONG : DIGEST_FUZZY;
}

static const char *const verdict_names[] = {
	[DIGEST_RIGHT] = "right",
	[DIGEST_WRONG] = "wrong",
	[DIGEST_FUZZY] = "fuzzy",
	[DIGEST_NONE] = "none",
};

static void
print_digest(const struct verify *v, enum digest_verdict verdict)
{
	const struct snapshot_end *end = &v->s.end;

	switch (verdict) {
	case DIGEST_NONE:
		printf("digest: none stored; recomputed 0x%" PRIx64 "\n", v->digest);
		return;
	case DIGEST_RIGHT:
		printf("digest: 0x%" PRIx64 " at zxid 0x%" PRIx64 ", as recomputed\n", end->digest,
		       end->digest_zxid);
		return;
	case DIGEST_FUZZY:
		printf("digest: 0x%" PRIx64 " at zxid 0x%" PRIx64 "; recomputed 0x%" PRIx64
		       ": transactions went on while it was written, or its name does not tell; only a "
		       "replay of "
		       "the log can compare\n",
		       end->digest, end->digest_zxid, v->digest);
		return;
	default:
		printf("digest: stored 0x%" PRIx64 " at zxid 0x%" PRIx64 ", recomputed 0x%" PRIx64
		       ": the content is not what it was\n",
		       end->digest, end->digest_zxid, v->digest);
	}
}

static void
print_text(const struct verify *v, const char *file, bool good)
{
	const struct snapshot_end *end = &v->s.end;

	if (v->s.problem[0] != '\0')
		printf("%s\n", v->s.problem);
	printf("nodes: %" PRIu64 " (%" PRIu64 " ephemeral, %" PRIu64 " container, %" PRIu64 " with a TTL)\n",
	       end->nodes, v->owners[OWNER_SESSION], v->owners[OWNER_CONTAINER], v->owners[OWNER_TTL]);
	printf("sessions: %" PRIu64 "\nACL lists: %" PRIu64 "\n", end->sessions, end->acls);
	if (v->unknown_acls > 0)
		printf("nodes whose ACL is in no list: %" PRIu64 "\n", v->unknown_acls);
	printf("bytes: %" PRIu64 " of data, %" PRIu64 " of paths, %" PRIu64 " of file", v->data_bytes,
	       v->path_bytes, v->s.size);
	if (strcmp(v->s.compression, "none") != 0)
		printf(" (%s; %" PRIu64 " inflated)", v->s.compression, v->s.plain_size);
	printf("\nlast zxid: 0x%" PRIx64 "\n", last_zxid(v));
	if (v->s.problem[0] == '\0')
		print_digest(v, judge_digest(v));
	printf("%s: %s\n", good ? "good" : "damaged", file);
}

static void
print_json(const struct verify *v, const char *file, bool good)
{
	const struct snapshot_end *end = &v->s.end;
	json_t *o = json_object();
	struct facts f = { .json = o };

	facts_text(&f, "file", slice_str(file));
	facts_text(&f, "verdict", slice_str(good ? "good" : "damaged"));
	facts_text(&f, "problem", slice_str(v->s.problem));
	facts_number(&f, "nodes", (int64_t)end->nodes);
	facts_number(&f, "ephemerals", (int64_t)v->owners[OWNER_SESSION]);
	facts_number(&f, "containers", (int64_t)v->owners[OWNER_CONTAINER]);
	facts_number(&f, "ttls", (int64_t)v->owners[OWNER_TTL]);
	facts_number(&f, "sessions", (int64_t)end->sessions);
	facts_number(&f, "acl_lists", (int64_t)end->acls);
	facts_number(&f, "unknown_acls", (int64_t)v->unknown_acls);
	facts_number(&f, "data_bytes", (int64_t)v->data_bytes);
	facts_number(&f, "path_bytes", (int64_t)v->path_bytes);
	facts_number(&f, "size_bytes", (int64_t)v->s.size);
	facts_number(&f, "inflated_bytes", (int64_t)v->s.plain_size);
	facts_text(&f, "compression", slice_str(v->s.compression));
	facts_hex(&f, "last_zxid", last_zxid(v));
	facts_flag(&f, "exact", is_exact(v));
	facts_text(&f, "digest_verdict",
		   slice_str(v->s.problem[0] == '\0' ? verdict_names[judge_digest(v)] : "none"));
	facts_hex(&f, "digest", v->digest);
	if (end->has_digest) {
		facts_hex(&f, "stored_digest", end->digest);
		facts_hex(&f, "digest_zxid", end->digest_zxid);
		facts_number(&f, "digest_version", end->digest_version);
	}
	json_print(o);
}

int
snapshot_verify(const struct options *o, const char *file)
{
	static const struct snapshot_events events = { .acl = take_acl, .node = take_node };
	struct verify v = { .named = false };
	int ret = snapfile_read(file, &events, &v, &v.s);
	bool good;

	v.named = disk_name_parse(file_base_name(file), &v.name_zxid) >= DISK_SNAPSHOT;
	/* Txns that went on while it was written may bring lists that the table at its front has not yet. */
	good = ret == 0 && judge_digest(&v) != DIGEST_WRONG && (v.unknown_acls == 0 || !is_exact(&v));
	if (ret <= 0 && o->json)
		print_json(&v, file, good);
	else if (ret <= 0)
		print_text(&v, file, good);
	mem_free(v.acls);
	if (ret > 0)
		return ret;
	return good ? ZKCTL_OK : ZKCTL_UNWELL;
}
