/* The control socket of zkd: how the suite is (zkctl ps, zkctl status), and restarts on request. See zkd.h. */
#include "zkd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "ipc/control.pb-c.h"
#include "ipc/msg.h"

static void
describe_zkd(struct zkd *z, Zkd__DaemonStatus *out)
{
	zkd__daemon_status__init(out);
	out->name = (char *)"zkd";
	out->pid = getpid();
	out->uptime_ms = clock_mono_ms() - z->zkd_started_ms;
	out->rss_bytes = child_rss_bytes(getpid());
	out->cpu_ms = child_cpu_ms(getpid());
	out->ready = watch_all_ready(&z->watch);
	out->text = (char *)(out->ready ? "all daemons ready" : "not all daemons ready");
}

static void
describe_child(struct zkd *z, enum watch_daemon d, Zkd__DaemonStatus *out)
{
	struct child *c = &z->children[d];

	zkd__daemon_status__init(out);
	out->name = (char *)settings_daemon_name(d);
	out->pid = c->pid;
	out->uptime_ms = c->pid != 0 ? clock_mono_ms() - z->started_ms[d] : 0;
	out->restarts = watch_restarts(&z->watch, d);
	out->rss_bytes = c->pid != 0 ? child_rss_bytes(c->pid) : 0;
	out->cpu_ms = c->pid != 0 ? child_cpu_ms(c->pid) : 0;
	out->ready = z->watch.unit[d].state == WATCH_READY;
	out->text = c->status;
}

static int
answer_status(void *owner, struct control_conn *c, const struct frame *f)
{
	struct zkd *z = owner;
	Zkd__DaemonStatus each[1 + WATCH_DAEMONS];
	Zkd__DaemonStatus *list[1 + WATCH_DAEMONS];
	/* In full, for who asks stands elsewhere. Not there: not yet made. */
	char *data_dir = realpath(z->settings.config->data_dir, NULL);
	struct status_writer w;
	size_t n = 1;

	status_begin(&w, "zkd");
	describe_zkd(z, &each[0]);
	list[0] = &each[0];
	for (unsigned d = 0; d < WATCH_DAEMONS; d++) {
		if (!watch_wanted(&z->watch, d))
			continue;
		describe_child(z, d, &each[n]);
		list[n] = &each[n];
		n++;
	}
	status_text(&w, "%s", each[0].text);
	status_fact(&w, "runtime_dir", "%s", z->runtime.path);
	if (data_dir != NULL)
		status_fact(&w, "data_dir", "%s", data_dir);
	for (unsigned i = 0; i < z->sockets.n; i++)
		if (z->sockets.all[i].network)
			status_fact(&w, z->sockets.all[i].name, "%s", z->sockets.all[i].address);
	status_turns(&w, &z->turn);
	w.status.daemons = list;
	w.status.n_daemons = n;
	control_reply(c, f, &w.status.base);
	status_end(&w);
	free(data_dir); /* realpath's */
	return 0;
}

static int
answer_restart(void *owner, struct control_conn *c, const struct frame *f)
{
	const Zkd__RestartRequest *r = control_take(c, f, &zkd__restart_request__descriptor);
	struct zkd *z = owner;

	if (r == NULL)
		return -EPROTO;
	for (unsigned d = 0; d < WATCH_DAEMONS; d++) {
		if (strcmp(r->daemon, settings_daemon_name(d)) != 0)
			continue;
		if (z->watch.plan != WATCH_RUN) {
			control_answer(c, f, false, "all daemons are being stopped or restarted already");
			return 0;
		}
		if (!watch_wanted(&z->watch, d)) {
			control_answer(c, f, false, "the configuration does not have it run");
			return 0;
		}
		log_event(LOG_NOTICE, "restart on request", "daemon=%s pid=%d", r->daemon,
			  (int)z->children[d].pid);
		zkd_tell(z, WATCH_EV_RESTART, d);
		control_answer(c, f, true, "restarting");
		return 0;
	}
	control_answer(c, f, false, "no such daemon: electiond, syncd, clientd, logd or admind");
	return 0;
}

static int
answer_log_level(void *owner, struct control_conn *c, const struct frame *f)
{
	const Zkd__LogLevelRequest *r = control_take(c, f, &zkd__log_level_request__descriptor);

	(void)owner;
	if (r == NULL)
		return -EPROTO;
	if (log_set_level_name(r->level) != 0)
		control_answer(c, f, false, "no such level: error, warning, notice, info or debug");
	else
		control_answer(c, f, true, "done");
	return 0;
}

static const struct control_message messages[] = {
	{ MSG_STATUS, true, answer_status },
	{ MSG_RESTART, false, answer_restart },
	{ MSG_LOG_LEVEL, false, answer_log_level },
};

void
answers_start(struct zkd *z)
{
	control_start(&z->control, &z->turn, z->sockets.control_fd, messages,
		      sizeof messages / sizeof messages[0], z);
	if (geteuid() == 0)
		control_restrict(&z->control, z->settings.users[WATCH_ADMIND].uid);
}
