/*
 * What logd has its helper do: loads, snapshots, purges and chores, and what becomes of their reports. Invariant: for
 * each snapshot begun the store is told once how it ended, and each INSTALL is answered once.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "base/list.h"
#include "config/config.h"
#include "io/clock.h"
#include "logd.h"
#include "snapfile.h"

enum {
	CHANNEL_BYTES = 1 << 20,   /* asked of the kernel for a bulk channel's buffer */
	KEEP_FREE_BYTES = 8 << 20, /* what a snapshot may take between two looks at the space */
	GUARD_EVERY_MS = 10000,
};

/* A pair for bulk data; which end is the other process's is up to the caller. */
static int
make_channel(int ends[2])
{
	int size = CHANNEL_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return 0;
}

/* What snapshots leave to the log: the reserve, space allocated ahead, and a little. */
static uint64_t
keep_free(const struct logd *g)
{
	const struct config *c = g->daemon->config;

	return (uint64_t)c->disk_reserve_bytes + (uint64_t)c->prealloc_bytes + KEEP_FREE_BYTES;
}

int
jobs_load(struct logd *g, const struct load_request *request, int *fd)
{
	struct helper_job job = { .kind = HELPER_LOAD, .load = *request };
	int ends[2], ret = make_channel(ends);

	if (ret != 0)
		return ret;
	/* Where the helper does not get it the reader sees its channel end, and asks again. */
	ret = helper_send(&g->helper, &job, ends[1]);
	if (ret != 0)
		log_event(LOG_WARNING, "helper did not take a load", "reason=%s",
			  log_quote(slice_str(strerror(-ret))).text);
	*fd = ends[0];
	return 0;
}

void
jobs_snapshot(struct logd *g)
{
	static const enum snapfile_form forms[] = {
		[CONFIG_COMPRESSION_NONE] = SNAPFILE_PLAIN,
		[CONFIG_COMPRESSION_GZ] = SNAPFILE_GZ,
		[CONFIG_COMPRESSION_SNAPPY] = SNAPFILE_SNAPPY,
	};
	struct helper_job job = { .kind = HELPER_SNAPSHOT,
				  .keep_free = keep_free(g),
				  .form = forms[g->daemon->config->snapshot_compression] };
	int ends[2];

	if (!link_is_up(&g->syncd) || g->install.active || make_channel(ends) != 0)
		return;
	store_snapshot_begun(g->store);
	if (helper_send(&g->helper, &job, ends[0]) != 0)
		store_snapshot_ended(g->store, false, 0, clock_mono_ms());
	link_send_fd(&g->syncd, &(struct frame){ .type = MSG_SNAPSHOT }, ends[1]);
}

void
jobs_purge(struct logd *g, uint64_t now_ms)
{
	const struct config *c = g->daemon->config;
	struct helper_job job = { .kind = HELPER_PURGE, .retain = (uint32_t)c->snap_retain_count };

	g->purge_ms = UINT64_MAX;
	if (c->purge_interval_ms == 0)
		return;
	helper_send(&g->helper, &job, -1);
	g->purge_ms = now_ms + (uint64_t)c->purge_interval_ms;
}

void
jobs_guard(struct logd *g, uint64_t now_ms)
{
	const struct config *c = g->daemon->config;
	struct helper_job job = { .kind = HELPER_GUARD, .keep_free = keep_free(g) };

	if (c->purge_interval_ms > 0)
		job.retain = (uint32_t)c->snap_retain_count;
	helper_send(&g->helper, &job, -1);
	g->guard_ms = now_ms + GUARD_EVERY_MS;
}

void
jobs_scrub(struct logd *g, uint64_t now_ms)
{
	const struct config *c = g->daemon->config;
	struct helper_job job = { .kind = HELPER_SCRUB,
				  .upto = store_durable(g->store),
				  .rate = (uint64_t)c->scrub_rate_bytes };

	g->scrub_ms = UINT64_MAX;
	if (c->scrub_interval_ms == 0)
		return;
	helper_send(&g->helper, &job, -1);
	g->scrub_ms = now_ms + (uint64_t)c->scrub_interval_ms;
}

static void
on_scrub_report(struct logd *g, const struct helper_report *r)
{
	if (r->error != 0) {
		log_event(LOG_WARNING, "scrub not finished", "reason=%s",
			  log_quote(slice_str(strerror(-r->error))).text);
		return;
	}
	g->scrubs++;
	g->scrub_damaged = r->count;
	memcpy(g->scrub_text, r->text, sizeof g->scrub_text);
	if (r->count == 0) {
		log_event(LOG_INFO, "scrubbed", "files=%" PRIu64 " bytes=%" PRIu64, r->files, r->bytes);
		return;
	}
	/* Not quoted, which would cut it. */
	log_event(LOG_ERR, "data on the disk is damaged",
		  "places=%" PRIu64 " files=%" PRIu64
		  " way_out=\"a new snapshot is taken at once; see that it is written, and "
		  "look after the disk\" reason=%s",
		  r->count, r->files, r->text);
	store_want_snapshot(g->store);
}

static void
on_load_report(struct logd *g, const struct helper_report *r)
{
	bool learner = r->load == LOAD_SINCE || r->load == LOAD_EVERYTHING;

	if (r->error == 0) {
		log_event(LOG_INFO, "loaded", "for=%s bytes=%" PRIu64, learner ? "learner" : "clientd",
			  r->count);
		return;
	}
	/* Not quoted, which would cut it: the way out stands at its end. */
	log_event(LOG_ERR, "cannot load", "for=%s reason=%s", learner ? "learner" : "clientd", r->text);
	/*
	 * The data is not all there: as at the start, nobody is served an incomplete database. A learner goes elsewhere,
	 * and what was read in vain may be read again: whoever asked does so, at a pace of its own.
	 */
	if (r->error == -EUCLEAN && !learner)
		daemon_quit(g->daemon, EXIT_DATA_DIR);
}

static void
answer_install(struct logd *g, uint16_t flags, uint64_t zxid)
{
	g->install.active = false;
	link_send(&g->syncd, &(struct frame){
				 .type = MSG_INSTALL, .flags = flags, .seq = g->install.seq, .zxid = zxid });
}

void
jobs_install(struct logd *g, uint64_t seq, int fd)
{
	struct helper_job job = { .kind = HELPER_INSTALL, .keep_free = keep_free(g) };

	jobs_install_cancel(g);
	job.number = ++g->install.number;
	g->install.active = true;
	g->install.seq = seq;
	if (helper_send(&g->helper, &job, fd) != 0)
		answer_install(g, STORE_REFUSED, 0);
}

void
jobs_install_cancel(struct logd *g)
{
	if (g->install.active)
		answer_install(g, STORE_REFUSED, 0);
}

/* It is whole and on the disk, and becomes the history. */
static void
install(struct logd *g, const struct helper_report *r)
{
	int ret;

	/* It is in our hands now: that its helper is taken away is no reason to refuse it. */
	g->install.active = false;
	if (logd_end_history(g) != 0)
		return;
	ret = store_install(g->store, r->zxid);
	if (ret == -EAGAIN) {
		logd_tell_disk(g);
		answer_install(g, STORE_REFUSED, 0);
	} else if (ret != 0) {
		logd_give_up(g, "INSTALL", ret);
	} else {
		log_event(LOG_NOTICE, "snapshot installed", "zxid=0x%" PRIx64 " bytes=%" PRIu64, r->zxid,
			  r->count);
		g->told_durable = store_durable(g->store);
		answer_install(g, 0, r->zxid);
	}
}

static void
on_install_report(struct logd *g, const struct helper_report *r)
{
	bool wanted = g->install.active && r->number == g->install.number;

	if (r->error != 0)
		log_event(LOG_WARNING, "snapshot of the leader not stored",
			  "zxid=0x%" PRIx64 " bytes=%" PRIu64 " reason=%s", r->zxid, r->count,
			  log_quote(slice_str(r->text)).text);
	if (wanted && r->error == 0)
		install(g, r);
	else if (wanted)
		answer_install(g, STORE_REFUSED, 0);
	else if (r->error == 0 && !g->install.active)
		snapfile_remove_received(&g->disk.disk, r->zxid);
}

static void
on_snapshot_report(struct logd *g, const struct helper_report *r)
{
	uint64_t now_ms = clock_mono_ms();

	store_snapshot_ended(g->store, r->error == 0, r->zxid, now_ms);
	if (r->error == -ECONNRESET && r->zxid == 0) {
		/* Not one byte of it came: clientd is still loading, as it is after every start. */
		log_event(LOG_INFO, "snapshot put off", "retry_ms=%d", STORE_SNAPSHOT_RETRY_MS);
		return;
	}
	if (r->error != 0) {
		log_event(LOG_WARNING, "snapshot not finished", "zxid=0x%" PRIx64 " reason=%s", r->zxid,
			  log_quote(slice_str(r->text)).text);
		return;
	}
	log_event(LOG_NOTICE, "snapshot", "zxid=0x%" PRIx64 " bytes=%" PRIu64, r->zxid, r->count);
	jobs_purge(g, now_ms);
}

static void
on_chore_report(struct logd *g, const struct helper_report *r)
{
	store_chore_done(g->store, &r->chore, r->error == 0);
	if (r->error != 0 && r->chore.kind == STORE_RESERVE && !g->reserve_missed)
		log_event(LOG_WARNING, "no reserve for a full disk", "bytes=%" PRIu64 " reason=%s",
			  r->chore.size, log_quote(slice_str(strerror(-r->error))).text);
	if (r->chore.kind == STORE_RESERVE)
		g->reserve_missed = r->error != 0;
	if (r->error != 0 && r->chore.kind == STORE_ALLOCATE)
		log_event(LOG_WARNING, "no space could be allocated ahead", "log=%" PRIx64 " reason=%s",
			  r->chore.log_zxid, log_quote(slice_str(strerror(-r->error))).text);
}

static void
on_purge_report(struct logd *g, const struct helper_report *r)
{
	(void)g;
	if (r->error != 0)
		log_event(LOG_WARNING, "purge failed", "reason=%s",
			  log_quote(slice_str(strerror(-r->error))).text);
	else if (r->count > 0)
		log_event(LOG_NOTICE, "old files purged", "files=%" PRIu64, r->count);
}

static void
on_guard_report(struct logd *g, const struct helper_report *r)
{
	bool low = r->free_bytes < r->wanted_bytes;

	on_purge_report(g, r);
	if (r->error != 0)
		return;
	g->free_bytes = r->free_bytes;
	if (r->data_bytes != g->data_bytes || r->log_bytes != g->log_bytes)
		g->sizes_told = false;
	g->data_bytes = r->data_bytes;
	g->log_bytes = r->log_bytes;
	logd_tell_sizes(g);
	if (low && !g->disk_low)
		log_event(LOG_WARNING, "disk space is low", "free=%" PRIu64 " wanted=%" PRIu64, r->free_bytes,
			  r->wanted_bytes);
	if (!low && g->disk_low)
		log_event(LOG_NOTICE, "disk space is enough again", "free=%" PRIu64, r->free_bytes);
	g->disk_low = low;
}

static struct logd *
logd_of(struct helper *h)
{
	return container_of(h, struct logd, helper);
}

static void
on_report(struct helper *h, const struct helper_report *r)
{
	static void (*const take[])(struct logd *, const struct helper_report *) = {
		[HELPER_LOAD] = on_load_report,       [HELPER_SNAPSHOT] = on_snapshot_report,
		[HELPER_INSTALL] = on_install_report, [HELPER_CHORE] = on_chore_report,
		[HELPER_PURGE] = on_purge_report,     [HELPER_SCRUB] = on_scrub_report,
		[HELPER_GUARD] = on_guard_report,
	};

	take[r->kind](logd_of(h), r);
}

static void
on_helper_died(struct helper *h)
{
	struct logd *g = logd_of(h);
	struct store_facts f;

	store_get_facts(g->store, &f);
	if (f.snapshot_running)
		store_snapshot_ended(g->store, false, 0, clock_mono_ms());
	/* A scrub begins anew soon; whatever ended the helper may have been in what it read. */
	if (g->scrub_ms != UINT64_MAX)
		g->scrub_ms = clock_mono_ms() + SCRUB_FIRST_MS;
	jobs_install_cancel(g);
	store_chore_done(g->store, &(struct store_chore){ STORE_ALLOCATE, f.log_zxid, 0 }, true);
	if (!f.reserve_held)
		store_chore_done(g->store, &(struct store_chore){ .kind = STORE_RESERVE }, false);
}

void
jobs_chores(struct logd *g)
{
	struct helper_job job = { .kind = HELPER_CHORE };

	while ((job.chore = store_next_chore(g->store)).kind != STORE_NO_CHORE)
		if (helper_send(&g->helper, &job, -1) != 0)
			store_chore_done(g->store, &job.chore, false);
}

int
jobs_start(struct logd *g)
{
	const char *const *names = (const char *const *)g->folders.names;
	const struct folders *f = &g->folders;

	memcpy(g->keep, (int[]){ f->fds[0], f->fds[1], f->fds[2], f->locks[0], f->locks[1] }, sizeof g->keep);
	posix_disk_init(&g->helper_disk, f->fds, names, f->one);
	g->helper.loop = g->daemon->loop;
	g->helper.disk = &g->helper_disk;
	g->helper.keep = g->keep;
	g->helper.nkeep = sizeof g->keep / sizeof *g->keep;
	g->helper.report = on_report;
	g->helper.died = on_helper_died;
	return helper_start(&g->helper);
}
