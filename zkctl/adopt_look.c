/* The last step of an adoption: the data folders and who uses them, as findings. See adopt.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "base/bytes.h"

/* ACL schemes whose clients zkd can tell apart (clientd/acl.h). */
static bool
known_scheme(const char *scheme)
{
	static const char *const known[] = { "world", "auth", "digest", "ip", "super" };

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(scheme, known[i]) == 0)
			return true;
	return false;
}

/* A folder that zkd is to begin in may be another one than ZooKeeper's: what is there to take over is in the old one. */
static const char *
old_folder(const struct adoption *a, const char *key)
{
	for (size_t i = a->nsettings; i-- > 0;)
		if (a->settings[i].source == ADOPT_CFG && a->settings[i].name != NULL &&
		    strcmp(a->settings[i].name, key) == 0)
			return a->settings[i].value;
	return NULL;
}

static void
look_at_snapshot(struct adoption *a)
{
	struct census *c = &a->census;

	if (c->newest_snapshot == NULL)
		return;
	if (c->snapshot_result == -EBADMSG || c->snapshot_result == -EIO)
		adopt_add(a, a->nprocesses > 0 ? ADOPT_DECIDE : ADOPT_STOPS, c->newest_snapshot,
			  "the newest snapshot is not whole (%s)%s", c->snapshot.problem,
			  a->nprocesses > 0 ? "; it may just be being written: run this again" : "");
	else if (c->snapshot_result != 0)
		adopt_add(a, ADOPT_STOPS, c->newest_snapshot, "cannot be read");
	for (unsigned i = 0; i < c->nschemes; i++)
		if (!known_scheme(c->schemes[i]))
			adopt_add(a, ADOPT_STOPS, "ACLs",
				  "there are ACLs of scheme %s, which zkd cannot check: nobody would get "
				  "through them",
				  c->schemes[i]);
	if (c->ttls > 0 && a->config != NULL && !a->config->extended_types_enabled)
		adopt_add(a, ADOPT_DECIDE, "TTL nodes",
			  "there are %" PRIu64
			  " znodes with a time to live; without extendedTypesEnabled=true they "
			  "count as ephemerals of sessions that nobody knows",
			  c->ttls);
	if (a->config != NULL && c->largest_data > (uint64_t)a->config->jute_max_buffer_bytes)
		adopt_add(a, ADOPT_STOPS, "jute.maxbuffer",
			  "%s has %" PRIu64 " bytes, above the %" PRId64
			  " that zkd would send; -D jute.maxbuffer=%" PRIu64,
			  c->largest_path, c->largest_data, a->config->jute_max_buffer_bytes,
			  c->largest_data + (c->largest_data >> 2));
}

static void
look_at_log(struct adoption *a)
{
	struct census *c = &a->census;
	char text[FILE_TEXT_BYTES];

	if (c->newest_log == NULL)
		return;
	if (!c->log_read)
		adopt_add(a, ADOPT_STOPS, c->newest_log, "cannot be read");
	else if (c->log_end.kind == TXNLOG_DAMAGED || c->log_end.kind == TXNLOG_FOREIGN)
		adopt_add(a, ADOPT_STOPS, c->newest_log, "%s; zkctl log verify tells more",
			  logfile_explain(&c->log_end, text));
	else if (c->log_end.kind == TXNLOG_TORN && a->nprocesses == 0)
		adopt_add(a, ADOPT_DIFFERS, c->newest_log, "%s; zkd cuts it, as ZooKeeper passes it over",
			  logfile_explain(&c->log_end, text));
}

static void
look_at_folders(struct adoption *a)
{
	struct census *c = &a->census;

	if (c->error == -ENOENT)
		adopt_add(
		    a, ADOPT_DECIDE, c->data_dir,
		    "has no version-2: zkd would begin with nothing; is it the folder that ZooKeeper uses?");
	else if (c->error != 0)
		adopt_add(a, ADOPT_STOPS, c->data_dir,
			  "version-2: %s; run zkctl as root, or as ZooKeeper's user", strerror(-c->error));
	else if (c->log_error != 0)
		adopt_add(a, ADOPT_STOPS, c->log_dir, "version-2: %s", strerror(-c->log_error));
	else if (c->snapshots == 0 && c->logs > 0)
		adopt_add(a,
			  a->config != NULL && a->config->snapshot_trust_empty ? ADOPT_DIFFERS : ADOPT_DECIDE,
			  c->data_dir,
			  "has logs but no snapshot, as ZooKeeper before 3.5 left it; "
			  "snapshot.trust.empty=true lets zkd start on it once");
	if (c->error == 0 && c->free_bytes > 0 && c->free_bytes < c->snapshot_bytes / (c->snapshots + 1) * 2)
		adopt_add(a, ADOPT_DECIDE, c->data_dir,
			  "%" PRIu64 " MiB are free, less than two more snapshots take", c->free_bytes >> 20);
}

static void
look_at_processes(struct adoption *a)
{
	for (size_t i = 0; i < a->nprocesses; i++) {
		const struct adopt_process *p = &a->processes[i];
		bool ours = strcmp(p->name, "logd") == 0 || strcmp(p->name, "zkd") == 0;
		adopt_add(a, ADOPT_DIFFERS, adopt_format(a, "pid %ld (%s)", p->pid, p->name), "%s",
			  ours           ? "zkd uses the data folder already"
			  : p->by_config ? "a server runs with this configuration; stop it before zkd starts"
					 : "has files in the data folder open; stop it before zkd starts");
	}
}

void
adopt_look(struct adoption *a)
{
	const char *data = old_folder(a, "dataDir"), *logs = old_folder(a, "dataLogDir");

	if (data == NULL && a->config != NULL)
		data = a->config->data_dir;
	if (data == NULL)
		return;
	for (size_t i = 0; data[0] != '/' && i < a->nprocesses; i++)
		if (a->processes[i].by_config && a->processes[i].cwd != NULL)
			data = adopt_format(a, "%s/%s", a->processes[i].cwd, data);
	census_take(&a->census, data, logs, &a->arena);
	look_at_folders(a);
	look_at_snapshot(a);
	look_at_log(a);
	look_at_processes(a);
}
