/*
 * logd: the only daemon that may open the data folders. This shell turns what syncd's link brings into calls of the
 * store, and lets the helper do what takes long. Invariants: the store's batch is committed at the end of every turn,
 * and before anything that depends on it (HELLO, LOAD, TRUNCATE); DURABLE is said only of what is on the disk.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "config/config.h"
#include "io/clock.h"
#include "logd.h"

enum { STATUS_EVERY_MS = 1000 /* the zxid in STATUS= follows at this pace */ };

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct store_settings
settings_of(const struct config *c)
{
	struct store_settings s = {
		.snap_count = (uint32_t)c->snap_count,
		.snap_size_bytes = c->snap_size_limit_bytes > 0 ? (uint64_t)c->snap_size_limit_bytes : 0,
		.log_size_bytes = c->txn_log_size_limit_bytes > 0 ? (uint64_t)c->txn_log_size_limit_bytes : 0,
		.prealloc_bytes = (uint64_t)c->prealloc_bytes,
		.reserve_bytes = (uint64_t)c->disk_reserve_bytes,
		.batch_txns = c->max_batch_size > 0 ? (uint32_t)c->max_batch_size : 0,
		.force_sync = c->force_sync,
		.sync_warning_ms = (uint64_t)c->fsync_warning_ms,
		.db_autocreate = c->db_autocreate,
		.member = config_is_ensemble(c),
		.trust_empty = c->snapshot_trust_empty,
	};

	if (getrandom(&s.seed, sizeof s.seed, 0) < 0)
		s.seed = clock_mono_ns();
	return s;
}

/* What changed in the store is told to syncd: at the end of a turn, and before an answer that presumes it. */
static void
commit(struct logd *g)
{
	store_commit(g->store, clock_mono_ms());
	if (store_durable(g->store) == g->told_durable)
		return;
	g->told_durable = store_durable(g->store);
	link_send_short(&g->syncd, MSG_DURABLE, 0, g->told_durable);
}

void
logd_tell_disk(struct logd *g)
{
	const char *failed = store_failed(g->store);
	Zkd__Disk m = ZKD__DISK__INIT;

	if ((failed != NULL) == g->told_failed)
		return;
	g->told_failed = failed != NULL;
	m.failed = g->told_failed;
	m.error = (char *)(uintptr_t)(failed != NULL ? failed : "");
	link_send_proto(&g->syncd, MSG_DISK, 0, store_durable(g->store), &m.base);
	g->status_ms = 0;
}

void
logd_tell_sizes(struct logd *g)
{
	Zkd__Sizes m = ZKD__SIZES__INIT;

	if (g->sizes_told || g->data_bytes == 0 || !link_is_up(&g->syncd))
		return;
	g->sizes_told = true;
	m.data_bytes = g->data_bytes;
	m.log_bytes = g->log_bytes;
	link_send_proto(&g->syncd, MSG_SIZES, 0, 0, &m.base);
}

static int
on_append(void *owner, struct link *l, const struct frame *f)
{
	struct logd *g = owner;

	jobs_install_cancel(g); /* who appends without its answer has given it up */
	if (store_batch_full(g->store, f->body.len))
		commit(g);
	if (store_append(g->store, f->zxid, f->body) == 0)
		return 0;
	return link_refuse(l, "zxid 0x%" PRIx64 " of %zu bytes does not follow", f->zxid, f->body.len);
}

static enum load_kind
kind_of_load(uint16_t flags)
{
	if (flags & LOAD_SNAPSHOT)
		return LOAD_EVERYTHING;
	if (flags & LOAD_LEARNER)
		return LOAD_SINCE;
	return flags & LOAD_HAVE_TREE ? LOAD_TXNS : LOAD_ALL;
}

/* ZooKeeper takes its default for a share above 1. */
static double
size_factor(const struct config *c)
{
	return c->snapshot_size_factor > 1 ? 0.33 : c->snapshot_size_factor;
}

static int
on_load(void *owner, struct link *l, const struct frame *f)
{
	struct load_request request = { .kind = kind_of_load(f->flags), .have = f->zxid };
	struct logd *g = owner;
	int fd, ret;

	commit(g);
	request.upto = store_durable(g->store);
	request.size_factor = size_factor(g->daemon->config);
	if (request.kind == LOAD_ALL || request.kind == LOAD_TXNS)
		store_load_begun(g->store);
	ret = jobs_load(g, &request, &fd);
	if (ret != 0)
		return link_refuse(l, "no channel: %s", strerror(-ret));
	link_send_fd(l, &(struct frame){ .type = MSG_LOAD_CHANNEL, .seq = f->seq }, fd);
	return 0;
}

static void
answer(struct link *l, const struct frame *f, uint16_t flags, uint64_t zxid)
{
	link_send(l, &(struct frame){ .type = f->type, .flags = flags, .seq = f->seq, .zxid = zxid });
}

int
logd_give_up(struct logd *g, const char *what, int error)
{
	log_event(LOG_ERR, "disk failed", "during=%s reason=%s", what,
		  log_quote(slice_str(strerror(-error))).text);
	daemon_quit(g->daemon, EXIT_FAILURE);
	return -EIO;
}

int
logd_end_history(struct logd *g)
{
	int ret = helper_renew(&g->helper);

	return ret == 0 ? 0 : logd_give_up(g, "start of another helper", ret);
}

static int
on_truncate(void *owner, struct link *l, const struct frame *f)
{
	struct logd *g = owner;
	int ret;

	jobs_install_cancel(g);
	commit(g);
	if (logd_end_history(g) != 0)
		return -EIO;
	ret = store_truncate(g->store, f->zxid);
	if (ret == -ENOENT) {
		logd_tell_disk(g);
		answer(l, f, STORE_REFUSED, 0);
		return 0;
	}
	if (ret != 0)
		return logd_give_up(g, "TRUNCATE", ret);
	g->told_durable = store_durable(g->store);
	answer(l, f, 0, f->zxid);
	return 0;
}

static int
on_install(void *owner, struct link *l, const struct frame *f)
{
	struct logd *g = owner;
	int fd = link_take_fd(l);

	if (fd < 0)
		return link_refuse(l, "no descriptor came with it");
	commit(g);
	jobs_install(g, f->seq, fd);
	return 0;
}

static int
on_epochs(void *owner, struct link *l, const struct frame *f)
{
	const Zkd__Epochs *m = link_take_proto(l, f, &zkd__epochs__descriptor);
	struct logd *g = owner;
	int ret;

	if (m == NULL)
		return link_refuse(l, "malformed body");
	commit(g); /* history before epoch */
	ret = store_set_epochs(g->store, m->accepted, m->current, clock_mono_ms());
	if (ret == -EPROTO)
		return link_refuse(l, "epochs %" PRIu32 ", %" PRIu32 " do not follow", m->accepted,
				   m->current);
	logd_tell_disk(g);
	answer(l, f, ret == 0 ? 0 : STORE_REFUSED, 0);
	return 0;
}

static int
on_config(void *owner, struct link *l, const struct frame *f)
{
	struct logd *g = owner;

	if (f->body.len > STORE_MEMBERS_MAX)
		return link_refuse(l, "a list of members of %zu bytes", f->body.len);
	commit(g);
	store_set_members(g->store, f->body, clock_mono_ms());
	logd_tell_disk(g);
	return 0;
}

static void
say_hello(void *owner, struct link *l, Zkd__Hello *mine)
{
	static Zkd__Disk disk;
	struct logd *g = owner;
	const char *failed;

	(void)l;
	g->install.active = false; /* who asked for it is gone */
	commit(
	    g); /* of the link that is replaced: its last words are on the disk before the positions are told */
	failed = store_failed(g->store);
	disk = (Zkd__Disk)ZKD__DISK__INIT;
	disk.failed = failed != NULL;
	disk.error = (char *)(uintptr_t)(failed != NULL ? failed : "");
	mine->durable_zxid = store_durable(g->store);
	mine->snapshot_zxid = store_snapshot_zxid(g->store);
	mine->accepted_epoch = store_accepted_epoch(g->store);
	mine->current_epoch = store_current_epoch(g->store);
	mine->partial = store_partial(g->store);
	mine->members.data = (uint8_t *)(uintptr_t)store_members(g->store).data;
	mine->members.len = store_members(g->store).len;
	mine->disk = &disk;
	g->told_durable = store_durable(g->store);
	g->told_failed = failed != NULL;
}

static int
on_up(void *owner, struct link *l, const Zkd__Hello *theirs)
{
	struct logd *g = owner;

	(void)l;
	(void)theirs;
	g->sizes_told = false;
	logd_tell_sizes(g);
	return 0;
}

static void
on_mismatch(void *owner, struct link *l, const char *why)
{
	(void)owner;
	daemon_mismatch(l->ops->peer, why);
}

static const struct link_message syncd_messages[] = {
	{ MSG_APPEND, false, LINK_ANY_STATE, "APPEND", on_append },
	{ MSG_LOAD, false, LINK_ANY_STATE, "LOAD", on_load },
	{ MSG_TRUNCATE, false, LINK_ANY_STATE, "TRUNCATE", on_truncate },
	{ MSG_EPOCHS, false, LINK_ANY_STATE, "EPOCHS", on_epochs },
	{ MSG_INSTALL, true, LINK_ANY_STATE, "INSTALL", on_install },
	{ MSG_CONFIG, false, LINK_ANY_STATE, "CONFIG", on_config },
};

static const struct link_ops syncd_ops = {
	.peer = "syncd",
	.messages = syncd_messages,
	.nmessages = sizeof syncd_messages / sizeof *syncd_messages,
	.hello = say_hello,
	.up = on_up,
	.mismatch = on_mismatch,
};

static void
renew_status(struct logd *g, uint64_t now_ms)
{
	const char *failed = store_failed(g->store);

	g->status_ms = now_ms;
	g->status_zxid = store_durable(g->store);
	if (failed != NULL)
		daemon_status(g->daemon, "disk failed: %s", failed);
	else
		daemon_status(g->daemon, "durable to 0x%" PRIx64, g->status_zxid);
}

static uint64_t
step(struct daemon *d, uint64_t now_ms)
{
	struct logd *g = d->room;
	uint64_t deadline;

	commit(g);
	if (store_deadline(g->store) <= now_ms)
		store_tick(g->store, now_ms);
	logd_tell_disk(g);
	if (store_snapshot_due(g->store, now_ms))
		jobs_snapshot(g);
	if (g->purge_ms <= now_ms)
		jobs_purge(g, now_ms);
	if (g->guard_ms <= now_ms)
		jobs_guard(g, now_ms);
	if (g->scrub_ms <= now_ms)
		jobs_scrub(g, now_ms);
	jobs_chores(g);
	if (now_ms - g->status_ms >= STATUS_EVERY_MS)
		renew_status(g, now_ms);
	deadline = least(least(store_deadline(g->store), g->purge_ms), least(g->guard_ms, g->scrub_ms));
	return g->status_zxid == store_durable(g->store) ? deadline
							 : least(deadline, g->status_ms + STATUS_EVERY_MS);
}

static int
open_room(struct daemon *d)
{
	struct logd *g = d->room;
	int status = folders_open(&g->folders, d->config);

	if (status != 0)
		return status;
	d->sandbox.grants |= SANDBOX_FILES | SANDBOX_FORK | SANDBOX_THREADS;
	for (int i = 0; i < 3; i++)
		d->sandbox.folders[d->sandbox.nfolders++] = g->folders.fds[i];
	return 0;
}

/* What only the operator can mend ends the node; a disk that failed is tried again, with the supervisor's patience. */
static int
status_of(int error)
{
	bool for_good = error == -EUCLEAN || error == -EACCES || error == -EPERM || error == -EROFS;

	return for_good ? EXIT_DATA_DIR : EXIT_FAILURE;
}

static void
warn_of_settings(const struct config *c)
{
	if (!c->force_sync)
		log_plain(LOG_WARNING, "forceSync=no: a power failure loses acknowledged writes");
}

static int
open_store(struct logd *g)
{
	const char *const *names = (const char *const *)g->folders.names;
	struct store_settings s = settings_of(g->daemon->config);
	char why[FILES_TEXT_BYTES];
	uint64_t began = clock_mono_ms();
	int ret;

	warn_of_settings(g->daemon->config);
	posix_disk_init(&g->disk, g->folders.fds, names, g->folders.one);
	/* Recovery is one long disk call to the watchdog. */
	pulse_flip(&g->beat.pulse);
	ret = store_open(&g->store, &g->disk.disk, &s, log_trace(), why);
	pulse_flip(&g->beat.pulse);
	g->disk.pulse = &g->beat.pulse;
	if (ret != 0) {
		log_event(LOG_ERR, ret == -EUCLEAN ? "data refused" : "cannot open the data", "reason=%s",
			  why);
		return status_of(ret);
	}
	g->told_durable = store_durable(g->store);
	log_event(LOG_NOTICE, "recovered", "durable=0x%" PRIx64 " snapshot=0x%" PRIx64 " took_ms=%" PRIu64,
		  g->told_durable, store_snapshot_zxid(g->store), clock_mono_ms() - began);
	return 0;
}

static int
start(struct daemon *d)
{
	struct logd *g = d->room;
	int listener = listen_take(&d->listeners, "link"), ret, status;

	g->daemon = d;
	if (listener < 0) {
		log_plain(LOG_ERR, "no listener named link was passed");
		return EXIT_BAD_INVOCATION;
	}
	ret = jobs_start(g);
	if (ret == 0)
		ret = beat_start(&g->beat, &d->notify);
	if (ret != 0) {
		log_event(LOG_ERR, "cannot start the helper", "reason=%s",
			  log_quote(slice_str(strerror(-ret))).text);
		return EXIT_FAILURE;
	}
	status = open_store(g);
	if (status != 0)
		return status;
	link_init(&g->syncd, &d->turn, &syncd_ops, g, &d->identity);
	link_listen(&g->syncd, listener);
	jobs_purge(g, clock_mono_ms());
	/* Soon after the start, that a server which is started daily is scrubbed at all. */
	g->scrub_ms = clock_mono_ms() + least(SCRUB_FIRST_MS, (uint64_t)d->config->scrub_interval_ms);
	renew_status(g, clock_mono_ms());
	daemon_ready(d);
	return 0;
}

static void
status(struct daemon *d, struct status_writer *w)
{
	struct logd *g = d->room;
	const char *failed = store_failed(g->store);
	struct store_facts f;

	/* The supervisor's line may be older, and whoever asks would wonder. */
	renew_status(g, clock_mono_ms());
	store_get_facts(g->store, &f);
	status_fact(w, "syncd", "%s", link_is_up(&g->syncd) ? "up" : "down");
	status_fact(w, "disk", "%s", failed == NULL ? "ok" : failed);
	status_fact(w, "durable_zxid", "0x%" PRIx64, store_durable(g->store));
	status_fact(w, "snapshot_zxid", "0x%" PRIx64, store_snapshot_zxid(g->store));
	status_fact(w, "snapshot_running", "%d", f.snapshot_running);
	status_fact(w, "txns_since_snapshot", "%" PRIu64, f.txns_since_snapshot);
	status_fact(w, "accepted_epoch", "%" PRIu32, store_accepted_epoch(g->store));
	status_fact(w, "current_epoch", "%" PRIu32, store_current_epoch(g->store));
	status_fact(w, "log_file", "log.%" PRIx64, f.log_zxid);
	status_fact(w, "log_bytes", "%" PRIu64, f.log_bytes);
	status_fact(w, "txns", "%" PRIu64, f.txns);
	status_fact(w, "bytes", "%" PRIu64, f.bytes);
	status_queue(w, f.waiting_txns);
	status_fact(w, "syncs", "%" PRIu64, f.syncs);
	status_fact(w, "sync_p50_us", "%" PRIu64, f.sync_p50_us);
	status_fact(w, "sync_p99_us", "%" PRIu64, f.sync_p99_us);
	status_fact(w, "sync_max_us", "%" PRIu64, f.sync_max_us);
	status_fact(w, "scrubs", "%" PRIu64, g->scrubs);
	status_fact(w, "scrub_damaged", "%" PRIu64, g->scrub_damaged);
	if (g->scrub_damaged > 0)
		status_fact(w, "scrub_found", "%s", g->scrub_text);
	status_fact(w, "disk_free_bytes", "%" PRIu64, g->free_bytes);
	status_fact(w, "disk_low", "%d", g->disk_low);
	status_fact(w, "disk_reserve", "%s", f.reserve_held ? "held" : "none");
	status_fact(w, "helper_pid", "%d", (int)g->helper.pid);
}

static bool
stop(struct daemon *d)
{
	struct logd *g = d->room;

	commit(g);
	link_close(&g->syncd);
	helper_stop(&g->helper);
	store_close(g->store);
	return true;
}

static const struct daemon_spec spec = {
	.name = "logd",
	.purpose = "keeps the transaction log and the snapshots; the only one that opens the data folders.",
	.open = open_room,
	.start = start,
	.step = step,
	.status = status,
	.stop = stop,
};

int
main(int argc, char **argv)
{
	static struct logd logd;

	return daemon_run(&spec, &logd, argc, argv);
}
