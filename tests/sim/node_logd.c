/* logd's shell in the simulation: see logd/main.c, whose order of calls is kept. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/msg.h"
#include "logd/files.h"
#include "logd/purge.h"
#include "model.h"
#include "node.h"

enum { PURGE_EVERY_US = 20 * SECOND, PURGE_RETAIN = 3, PIECE_MIN_US = 20, PIECE_MAX_US = 3000 };

static struct logd *
logd_of(struct proc *p)
{
	return container_of(p, struct logd, proc);
}

static struct helper *
helper_of(struct proc *p)
{
	return container_of(p, struct helper, proc);
}

static uint64_t
now_ms(const struct logd *g)
{
	return node_now_ms(g->proc.node) + g->proc.spent_us / MS;
}

/* ---- The helper: loads (helper_child.c) ---- */

static void
put(struct load_job *j, uint16_t type, uint64_t zxid, struct slice body)
{
	struct buf b;

	if (conn_reset(j->conn, 1))
		return;
	buf_init(&b, SIZE_MAX / 4);
	frame_put(&b, &(struct frame){ .type = type, .zxid = zxid, .body = body });
	conn_send(j->conn, 1, &j->helper->proc, buf_slice(&b), -1);
	buf_free(&b);
}

static void
on_snapshot(void *ctx, uint64_t zxid)
{
	put(ctx, MSG_BULK_SNAPSHOT, zxid, SLICE_NULL);
}

static void
on_data(void *ctx, struct slice bytes)
{
	put(ctx, MSG_BULK_DATA, 0, bytes);
}

static void
on_snapshot_end(void *ctx)
{
	put(ctx, MSG_BULK_SNAPSHOT_END, 0, SLICE_NULL);
}

static void
on_txn(void *ctx, uint64_t zxid, struct slice txn)
{
	struct load_job *j = ctx;

	/* STALE_LOAD: the newest is left out, and the end says that it was there. */
	if (j->helper->proc.sim->mutation == MUTATE_STALE_LOAD && zxid == j->upto)
		return;
	put(j, MSG_BULK_TXN, zxid, txn);
}

static void
on_end(void *ctx, uint64_t zxid)
{
	struct load_job *j = ctx;
	bool stale = j->helper->proc.sim->mutation == MUTATE_STALE_LOAD;

	put(j, MSG_BULK_END, stale && zxid > 0 ? zxid - 1 : zxid, SLICE_NULL);
}

static void
on_log(void *ctx, uint64_t zxid)
{
	put(ctx, MSG_BULK_LOG, zxid, SLICE_NULL);
}

static const struct load_events to_frames = { on_snapshot, on_data, on_snapshot_end, on_txn, on_end, on_log };

static void
helper_load(struct logd *g, const struct load_request *rq, struct conn *c)
{
	struct helper *h = &g->helper;
	IN_HEAP(&h->proc.heap);
	struct load_job *j = NULL;

	for (int i = 0; i < LOADS_MAX && j == NULL; i++)
		if (h->loads[i].conn == NULL)
			j = &h->loads[i];
	if (j == NULL || !h->proc.alive) {
		conn_close(c, 1, false);
		return;
	}
	*j = (struct load_job){ .helper = h, .conn = c, .cuts = g->cuts, .upto = rq->upto };
	j->load = load_new(&h->view.disk, rq, &to_frames, j, &h->proc.trace);
	proc_wake(&h->proc, h->proc.sim->now_us + PIECE_MIN_US);
}

static void
end_load(struct helper *h, struct load_job *j, int error)
{
	struct logd *g = container_of(h, struct logd, helper);

	/* What was cut while it was read has to be missing (jobs.c: on_load_report). */
	if (error == -EUCLEAN && j->cuts == g->cuts && !h->proc.dying)
		sim_fail(h->proc.sim, "the data cannot be loaded: %s", load_error(j->load));
	if (!h->proc.starved)
		load_free(j->load);
	conn_close(j->conn, 1, false);
	j->conn = NULL;
}

static bool
step_loads(struct helper *h)
{
	bool more = false;

	for (int i = 0; i < LOADS_MAX; i++) {
		struct load_job *j = &h->loads[i];
		int ret;

		if (j->conn == NULL)
			continue;
		ret = conn_reset(j->conn, 1) ? 0 : load_step(j->load);
		if (ret <= 0)
			end_load(h, j, ret);
		else
			more = true;
	}
	return more;
}

/* ---- The helper: snapshots ---- */

static void
answer_install(struct logd *g, uint16_t flags, uint64_t zxid)
{
	struct frame f = { .type = MSG_INSTALL, .flags = flags, .seq = g->install_seq, .zxid = zxid };

	g->installing = false;
	star_send(&g->syncd, &f, -1);
}

static void
install_cancel(struct logd *g)
{
	if (g->installing)
		answer_install(g, STORE_REFUSED, 0);
}

/* What a half-done cut means only a new start can tell. */
static const char *
give_up(struct logd *g, const char *what)
{
	sim_trace(g->proc.sim, &g->proc, "gives up", "during=%s", what);
	g->proc.dying = true;
	return "the disk failed";
}

/* main.c: logd_end_history. */
static void
end_history(struct logd *g)
{
	proc_kill(&g->helper.proc);
	proc_start(&g->helper.proc);
}

/* It is whole and on the disk, and becomes the history (jobs.c: install). A turn of logd's own. */
static void
install(struct logd *g, uint64_t zxid)
{
	int ret;

	g->installing = false; /* it is in our hands now */
	if (g->proc.sim->mutation == MUTATE_INSTALL_NOTHING) {
		answer_install(g, 0, zxid);
		return;
	}
	end_history(g);
	model_cuts(g->proc.sim->model, g->proc.node, zxid);
	ret = store_install(g->store, zxid);
	sim_trace(g->proc.sim, &g->proc, "installed", "zxid=0x%llx error=%d", (unsigned long long)zxid, ret);
	if (ret == -EAGAIN) {
		answer_install(g, STORE_REFUSED, 0);
	} else if (ret != 0) {
		give_up(g, "INSTALL");
	} else if (!g->proc.dying) {
		g->told_durable = store_durable(g->store);
		model_durable(g->proc.sim->model, g->proc.node, g->told_durable, true);
		answer_install(g, 0, zxid);
	}
}

static void
end_intake(struct intake *in, bool crash)
{
	snapfile_free(in->file);
	in->file = NULL;
	if (in->conn != NULL)
		conn_close(in->conn, 1, crash);
	in->conn = NULL;
}

static void
end_snapshot(struct helper *h, int error)
{
	struct logd *g = container_of(h, struct logd, helper);

	sim_trace(h->proc.sim, &h->proc, "snapshot ended", "zxid=0x%llx error=%d",
		  (unsigned long long)h->snapshot.zxid, error);
	end_intake(&h->snapshot, false);
	if (error == 0)
		h->purge = true;
	IN_HEAP(&g->proc.heap);
	store_snapshot_ended(g->store, error == 0, h->snapshot.zxid, now_ms(g));
	proc_wake(&g->proc, g->proc.sim->now_us);
}

/* logd hears of it in its next turn. */
static void
end_install(struct helper *h, int error)
{
	struct logd *g = container_of(h, struct logd, helper);

	sim_trace(h->proc.sim, &h->proc, "install ended", "zxid=0x%llx error=%d",
		  (unsigned long long)h->install.zxid, error);
	end_intake(&h->install, false);
	g->report = error == 0 ? REPORT_RECEIVED : REPORT_FAILED;
	g->received = h->install.zxid;
	proc_wake(&g->proc, g->proc.sim->now_us);
}

/* 1: it is on the disk; 0: go on. */
static int
take_piece(struct helper *h, struct intake *in, const struct frame *f)
{
	int ret;

	if (f->type == MSG_BULK_SNAPSHOT) {
		snapfile_free(in->file);
		in->file = NULL;
		in->zxid = f->zxid;
		return snapfile_new(&in->file, &h->view.disk, f->zxid, in->form, 0);
	}
	if (in->file == NULL)
		return -EPROTO;
	if (f->type == MSG_BULK_DATA)
		return snapfile_data(in->file, f->body);
	if (f->type != MSG_BULK_SNAPSHOT_END)
		return -EPROTO;
	ret = snapfile_finish(in->file);
	return ret == 0 ? 1 : ret;
}

static void
step_intake(struct helper *h, struct intake *in, void (*end)(struct helper *h, int error))
{
	struct frame f;
	int64_t n;
	int ret = 0;

	if (in->conn == NULL)
		return;
	while (ret == 0 && (n = frame_parse(conn_arrived(in->conn, 1), &f)) > 0) {
		ret = take_piece(h, in, &f);
		conn_consume(in->conn, 1, (size_t)n);
	}
	if (ret == 0 && !conn_open(in->conn, 1))
		ret = -ECONNRESET;
	if (ret == -EBADMSG && !h->proc.dying && in->form == SNAPFILE_PLAIN)
		sim_fail(h->proc.sim, "clientd wrote what is no snapshot: %s", snapfile_error(in->file));
	if (ret != 0)
		end(h, ret > 0 ? 0 : ret);
}

static void
helper_snapshot(struct logd *g)
{
	struct sim *s = g->proc.sim;
	struct helper *h = &g->helper;
	struct conn *c;

	if (!g->syncd.up || g->installing)
		return;
	store_snapshot_begun(g->store);
	if (!h->proc.alive) {
		store_snapshot_ended(g->store, false, 0, now_ms(g));
		return;
	}
	if (h->snapshot.conn != NULL)
		end_snapshot(h, -ECANCELED);
	c = conn_new(s, 5, 200);
	h->snapshot = (struct intake){ .conn = c, .form = SNAPFILE_PLAIN };
	conn_own(c, 1, &h->proc);
	star_send(&g->syncd, &(struct frame){ .type = MSG_SNAPSHOT }, channel_put(s, c, 0));
}

/* jobs.c: jobs_install. */
static void
helper_install(struct logd *g, uint64_t seq, struct conn *c)
{
	struct helper *h = &g->helper;

	install_cancel(g);
	g->installing = true;
	g->install_seq = seq;
	g->report = REPORT_NONE;
	if (!h->proc.alive) {
		conn_close(c, 1, false);
		answer_install(g, STORE_REFUSED, 0);
		return;
	}
	/* What the own tree writes now would be of a history that ends. */
	if (h->snapshot.conn != NULL)
		end_snapshot(h, -ECANCELED);
	IN_HEAP(&h->proc.heap);
	end_intake(&h->install, false);
	h->install = (struct intake){ .conn = c, .form = SNAPFILE_RECEIVED };
	conn_own(c, 1, &h->proc);
}

/* jobs.c: on_install_report. */
static void
hear_report(struct logd *g)
{
	enum install_report report = g->report;

	g->report = REPORT_NONE;
	if (report == REPORT_NONE)
		return;
	if (g->installing && report == REPORT_RECEIVED)
		install(g, g->received);
	else if (g->installing)
		answer_install(g, STORE_REFUSED, 0);
	else if (report == REPORT_RECEIVED)
		snapfile_remove_received(&g->view.disk, g->received);
}

/* ---- The helper: its life ---- */

/* The store is logd's, and so is what it takes. */
static void
do_chores(struct helper *h, struct logd *g)
{
	IN_HEAP(&g->proc.heap);

	while (!h->proc.dying && (h->chore = store_next_chore(g->store)).kind != STORE_NO_CHORE)
		store_chore_done(g->store, &h->chore, store_do_chore(&h->view.disk, &h->chore) == 0);
}

static uint64_t
helper_turn(struct proc *p)
{
	struct helper *h = helper_of(p);
	struct logd *g = container_of(h, struct logd, helper);
	struct sim *s = p->sim;
	bool more = step_loads(h);

	step_intake(h, &h->snapshot, end_snapshot);
	step_intake(h, &h->install, end_install);
	do_chores(h, g);
	if (h->purge && !more) {
		h->purge = false;
		purge_files(&h->view.disk, PURGE_RETAIN, &p->trace);
	}
	return more ? s->now_us + rng_range(&s->disk, PIECE_MIN_US, PIECE_MAX_US) : NEVER;
}

static void
helper_start(struct proc *p)
{
	struct helper *h = helper_of(p);

	disk_view_init(&h->view, &p->node->disk, p);
	h->snapshot = h->install = (struct intake){ .conn = NULL };
	h->purge = false;
	memset(h->loads, 0, sizeof h->loads);
}

static void
helper_die(struct proc *p)
{
	struct helper *h = helper_of(p);
	struct logd *g = container_of(h, struct logd, helper);
	struct store_facts f;

	p->dying = true;
	for (int i = 0; i < LOADS_MAX; i++)
		if (h->loads[i].conn != NULL)
			end_load(h, &h->loads[i], 0);
	if (p->starved)
		h->snapshot.file = h->install.file = NULL;
	end_intake(&h->snapshot, true);
	end_intake(&h->install, true);
	disk_view_drop(&h->view);
	if (!g->proc.alive || g->store == NULL)
		return;
	/* jobs.c: on_helper_died */
	store_get_facts(g->store, &f);
	IN_HEAP(&g->proc.heap);
	if (f.snapshot_running)
		store_snapshot_ended(g->store, false, 0, now_ms(g));
	install_cancel(g);
	store_chore_done(g->store, &(struct store_chore){ STORE_ALLOCATE, f.log_zxid, 0 }, true);
}

const struct proc_ops helper_ops = { helper_start, helper_turn, helper_die };

/* ---- What logd says ---- */

static void
commit(struct logd *g)
{
	uint64_t durable;

	store_commit(g->store, now_ms(g));
	durable = store_durable(g->store);
	if (g->proc.sim->mutation == MUTATE_ACK_BEFORE_WRITE && g->given > durable)
		durable = g->given;
	if (durable == g->told_durable)
		return;
	g->told_durable = durable;
	sim_trace(g->proc.sim, &g->proc, "durable", "zxid=0x%llx", (unsigned long long)durable);
	if (!g->proc.dying)
		model_durable(g->proc.sim->model, g->proc.node, durable, false);
	star_send(&g->syncd, &(struct frame){ .type = MSG_DURABLE, .zxid = durable }, -1);
}

static void
tell_disk(struct logd *g)
{
	const char *failed = store_failed(g->store);
	Zkd__Disk m = ZKD__DISK__INIT;

	if ((failed != NULL) == g->told_failed)
		return;
	g->told_failed = failed != NULL;
	m.failed = g->told_failed;
	m.error = (char *)(uintptr_t)(failed != NULL ? failed : "");
	star_send_proto(&g->syncd, MSG_DISK, 0, store_durable(g->store), &m.base);
}

static void
say_hello(struct proc *p, struct star *l, Zkd__Hello *mine)
{
	static Zkd__Disk disk;
	struct logd *g = logd_of(p);
	const char *failed;

	(void)l;
	g->installing = false; /* who asked for it is gone */
	commit(g);
	failed = store_failed(g->store);
	disk = (Zkd__Disk)ZKD__DISK__INIT;
	disk.failed = failed != NULL;
	disk.error = (char *)(uintptr_t)(failed != NULL ? failed : "");
	mine->durable_zxid = store_durable(g->store);
	mine->snapshot_zxid = store_snapshot_zxid(g->store);
	mine->accepted_epoch = g->proc.sim->mutation == MUTATE_FORGET_ACCEPTED
				   ? store_current_epoch(g->store)
				   : store_accepted_epoch(g->store);
	mine->current_epoch = store_current_epoch(g->store);
	if (p->node->unbegun != 0) {
		mine->accepted_epoch = p->node->promised;
		mine->current_epoch = p->node->unbegun - 1;
	}
	mine->partial = store_partial(g->store);
	if (g->proc.sim->mutation != MUTATE_FORGET_MEMBERS) {
		mine->members.data = (uint8_t *)(uintptr_t)store_members(g->store).data;
		mine->members.len = store_members(g->store).len;
	}
	mine->disk = &disk;
	g->told_durable = store_durable(g->store);
	g->told_failed = failed != NULL;
}

/* ---- What logd hears ---- */

static const char *
on_append(struct logd *g, const struct frame *f)
{
	g->given = f->zxid;
	if (g->proc.sim->mutation == MUTATE_ACK_BEFORE_WRITE) {
		commit(g);
		if (rng_once_in(&g->proc.sim->mutate, 100))
			return NULL;
	}
	if (store_batch_full(g->store, f->body.len))
		commit(g);
	return store_append(g->store, f->zxid, f->body) == 0 ? NULL : "zxid does not follow";
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

static const char *
on_load(struct logd *g, const struct frame *f)
{
	struct load_request rq = { .kind = kind_of_load(f->flags), .have = f->zxid, .size_factor = 0.33 };
	struct sim *s = g->proc.sim;
	struct conn *c = conn_new(s, 5, 200);

	commit(g);
	rq.upto = store_durable(g->store);
	if (rq.kind == LOAD_ALL || rq.kind == LOAD_TXNS)
		store_load_begun(g->store);
	star_send(&g->syncd, &(struct frame){ .type = MSG_LOAD_CHANNEL, .seq = f->seq },
		  channel_put(s, c, 0));
	helper_load(g, &rq, c);
	return NULL;
}

static void
answer(struct logd *g, const struct frame *f, uint16_t flags, uint64_t zxid)
{
	struct frame a = { .type = f->type, .flags = flags, .seq = f->seq, .zxid = zxid };

	star_send(&g->syncd, &a, -1);
}

static const char *
on_truncate(struct logd *g, const struct frame *f)
{
	int ret;

	install_cancel(g);
	commit(g);
	end_history(g);
	if (g->proc.sim->mutation == MUTATE_TRUNCATE_NOTHING) {
		answer(g, f, 0, f->zxid);
		return NULL;
	}
	model_cuts(g->proc.sim->model, g->proc.node, f->zxid);
	ret = store_truncate(g->store, f->zxid - (g->proc.sim->mutation == MUTATE_TRUNCATE_MORE));
	g->cuts += ret == 0;
	if (ret == -ENOENT) {
		answer(g, f, STORE_REFUSED, 0);
		return NULL;
	}
	if (ret != 0)
		return give_up(g, "TRUNCATE");
	g->told_durable = store_durable(g->store);
	model_durable(g->proc.sim->model, g->proc.node, g->told_durable, true);
	answer(g, f, 0, f->zxid);
	return NULL;
}

/* Of an epoch that the files have already it is only remembered that it has begun. */
static bool
is_begun(struct node *n, const Zkd__Epochs *m)
{
	bool known = m->accepted <= n->unbegun;

	n->promised = m->accepted;
	if (n->unbegun != 0 && (m->current >= n->unbegun || !known))
		n->unbegun = 0;
	return known;
}

static const char *
on_epochs(struct logd *g, const struct frame *f)
{
	const Zkd__Epochs *m = proto_take(&g->syncd.arena, &zkd__epochs__descriptor, f->body);
	int ret;

	if (m == NULL)
		return "malformed body";
	commit(g);
	if (g->proc.sim->mutation == MUTATE_EPOCHS_UNSAID) {
		answer(g, f, 0, 0);
		return NULL;
	}
	if (is_begun(g->proc.node, m)) {
		answer(g, f, 0, 0);
		return NULL;
	}
	ret = store_set_epochs(g->store, m->accepted, m->current, now_ms(g));
	if (ret == -EPROTO)
		return "epochs do not follow";
	sim_trace(g->proc.sim, &g->proc, "epochs", "accepted=%u current=%u error=%d", m->accepted, m->current,
		  ret);
	answer(g, f, ret == 0 ? 0 : STORE_REFUSED, 0);
	return NULL;
}

static const char *
on_config(struct logd *g, const struct frame *f)
{
	commit(g);
	store_set_members(g->store, f->body, now_ms(g));
	return NULL;
}

static const char *
on_install(struct logd *g, const struct frame *f, int fd)
{
	if (fd < 0)
		return "no descriptor came with it";
	commit(g);
	helper_install(g, f->seq, channel_take(g->proc.sim, fd).conn);
	return NULL;
}

static const char *
on_frame(struct proc *p, struct star *l, const struct frame *f, int fd)
{
	struct logd *g = logd_of(p);

	(void)l;
	if (f->type == MSG_INSTALL)
		return on_install(g, f, fd);
	channel_drop(p->sim, fd);
	switch (f->type) {
	case MSG_APPEND:
		return on_append(g, f);
	case MSG_LOAD:
		return on_load(g, f);
	case MSG_TRUNCATE:
		return on_truncate(g, f);
	case MSG_EPOCHS:
		return on_epochs(g, f);
	case MSG_CONFIG:
		return on_config(g, f);
	default:
		return "unknown message";
	}
}

static const char *
on_up(struct proc *p, struct star *l, const Zkd__Hello *theirs)
{
	(void)p;
	(void)l;
	(void)theirs;
	return NULL;
}

static void
on_down(struct proc *p, struct star *l)
{
	(void)p;
	(void)l;
}

static const struct star_ops syncd_link = { "logd", "syncd", say_hello, on_up, on_down, on_frame };

/* ---- Life ---- */

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
logd_turn(struct proc *p)
{
	struct logd *g = logd_of(p);
	uint64_t due = star_turn(&g->syncd);

	hear_report(g);
	commit(g);
	if (store_deadline(g->store) <= now_ms(g))
		store_tick(g->store, now_ms(g));
	tell_disk(g);
	if (store_snapshot_due(g->store, now_ms(g)))
		helper_snapshot(g);
	if (g->purge_us <= p->sim->now_us) {
		g->helper.purge = true;
		g->purge_us = p->sim->now_us + PURGE_EVERY_US;
	}
	proc_wake(&g->helper.proc, p->sim->now_us);
	return least(due, least(node_us_at(p->node, store_deadline(g->store)), g->purge_us));
}

static void
logd_start(struct proc *p)
{
	static const struct store_settings plain = {
		.snap_count = 60,
		.prealloc_bytes = 16 << 10,
		.log_size_bytes = 24 << 10,
		.batch_txns = 1000,
		.force_sync = true,
		.sync_warning_ms = 1000,
		.db_autocreate = true,
	};
	struct logd *g = logd_of(p);
	struct sim *s = p->sim;
	struct store_settings settings = plain;
	char why[FILES_TEXT_BYTES];
	int ret;

	g->told_failed = g->installing = false;
	g->report = REPORT_NONE;
	g->given = 0;
	g->cuts = 0;
	g->purge_us = s->now_us;
	disk_view_init(&g->view, &p->node->disk, p);
	settings.seed = rng_next(&s->disk);
	ret = store_open(&g->store, &g->view.disk, &settings, &p->trace, why);
	star_init(&g->syncd, p, &syncd_link, &p->node->logd_link, false);
	if (ret != 0) {
		/* A disk that fails is tried again by the supervisor; data that is refused are a bug, as nothing damaged it. */
		if (ret == -EUCLEAN && !p->dying)
			sim_fail(s, "logd refuses its data: %s", why);
		g->store = NULL;
		p->dying = true;
		return;
	}
	if (s->mutation == MUTATE_REUSE_ZXID && store_durable(g->store) > 0)
		store_truncate(g->store, store_durable(g->store) - 1);
	g->told_durable = store_durable(g->store);
	sim_trace(s, p, "recovered", "durable=0x%llx snapshot=0x%llx", (unsigned long long)g->told_durable,
		  (unsigned long long)store_snapshot_zxid(g->store));
	if (!p->dying)
		model_recovered(s->model, p->node, g->told_durable);
	proc_start(&g->helper.proc);
}

static void
logd_die(struct proc *p)
{
	struct logd *g = logd_of(p);

	proc_kill(&g->helper.proc);
	p->dying = true; /* store_close would write the mark */
	star_free(&g->syncd);
	if (!p->starved)
		store_close(g->store);
	g->store = NULL;
	disk_view_drop(&g->view);
}

const struct proc_ops logd_ops = { logd_start, logd_turn, logd_die };

void
logd_init(struct node *n)
{
	char name[24];

	snprintf(name, sizeof name, "n%d.logd", n->sid);
	proc_init(&n->logd.proc, n->sim, n, PROC_LOGD, &logd_ops, name);
	snprintf(name, sizeof name, "n%d.helper", n->sid);
	proc_init(&n->logd.helper.proc, n->sim, n, PROC_HELPER, &helper_ops, name);
}
