/*
 * See daemon.h. Invariants: nothing that comes from outside is read before the door is locked, but arguments,
 * environment and configuration; after it the daemon needs no right that the sandbox does not grant.
 */
#include "config.h"

#include "io/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "config/config.h"
#include "io/clock.h"
#include "io/probe.h"
#include "io/user.h"

enum { OVERRIDES_MAX = 64 };

struct arguments {
	const char *file;
	const char *overrides[OVERRIDES_MAX];
	size_t noverrides;
	bool check_only;
	int verbose;
};

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static void
print_help(const struct daemon_spec *spec)
{
	printf("usage: %s [-nv] [-c file] [-D key=value ...]\n"
	       "%s\n\n"
	       "  -c file       read the configuration from this file\n"
	       "  -D key=value  set one key, over what the file says\n"
	       "  -n            check the configuration and exit\n"
	       "  -v            log more; twice: log every decision\n"
	       "  --help, --version\n\n"
	       "Part of zkd; started by zkd(8) or a service manager, which pass the sockets.\n",
	       spec->name, spec->purpose);
}

/* -1 to go on, else the exit status. */
static int
parse_arguments(const struct daemon_spec *spec, int argc, char **argv, struct arguments *a)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:D:nvh", long_options, NULL)) != -1) {
		switch (c) {
		case 'c':
			a->file = optarg;
			break;
		case 'D':
			if (a->noverrides == OVERRIDES_MAX) {
				fprintf(stderr, "%s: more than %d -D\n", spec->name, OVERRIDES_MAX);
				return EXIT_BAD_INVOCATION;
			}
			a->overrides[a->noverrides++] = optarg;
			break;
		case 'n':
			a->check_only = true;
			break;
		case 'v':
			a->verbose++;
			break;
		case 'h':
			print_help(spec);
			return EXIT_SUCCESS;
		case 'V':
			printf("%s (zkd) %s\n", spec->name, PACKAGE_VERSION);
			return EXIT_SUCCESS;
		default:
			return EXIT_BAD_INVOCATION;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument %s\n", spec->name, argv[optind]);
		return EXIT_BAD_INVOCATION;
	}
	return -1;
}

/* The pid of zkd where it is our parent, else 0. */
static pid_t
parent_zkd(void)
{
	const char *pid = getenv("ZKD_PARENT_PID");

	return pid == NULL ? 0 : (pid_t)strtol(pid, NULL, 10);
}

/* Dies with zkd, whatever kills it. Has to be said again after the user changed. */
static void
die_with(pid_t zkd)
{
	if (zkd == 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died before we asked. */
	if (getppid() != zkd) {
		log_event(LOG_ERR, "zkd is gone", "pid=%d", (int)zkd);
		exit(EXIT_FAILURE);
	}
}

static void
log_findings(const struct config_report *report, bool notices)
{
	for (size_t i = 0; i < report->nfindings; i++) {
		const struct config_finding *f = &report->findings[i];
		if (f->severity == CONFIG_ERROR || notices)
			log_plain(f->severity == CONFIG_ERROR ? LOG_ERR : LOG_NOTICE, f->text);
	}
}

static int
load_config(struct daemon *d, const struct arguments *a, bool notices)
{
	struct config_source source = { .file = a->file,
					.overrides = a->overrides,
					.noverrides = a->noverrides };
	struct config_report report;
	struct config *config = NULL;
	int r;

	source.fd = listen_take(&d->listeners, "config");
	if (source.fd < 0)
		source.fd = -1;
	config_report_init(&report);
	r = config_load(&source, &config, &report);
	log_findings(&report, notices);
	config_report_free(&report);
	if (source.fd >= 0)
		close(source.fd);
	d->config = config;
	d->data_dir = config == NULL ? NULL : realpath(config->data_dir, NULL);
	return r < 0 ? EXIT_BAD_INVOCATION : -1;
}

static int
introduce(struct daemon *d)
{
	d->identity.daemon = d->spec->name;
	d->identity.suite = PACKAGE_VERSION;
	_Static_assert(sizeof d->identity.config_hash == CONFIG_HASH_BYTES, "one size of hash");
	config_hash(d->config, d->identity.config_hash);
	while (d->identity.incarnation == 0) {
		if (getrandom(&d->identity.incarnation, sizeof d->identity.incarnation, 0) < 0)
			return EXIT_FAILURE;
	}
	return -1;
}

/*
 * From here on relative paths mean the folder of the sockets, or nothing. As the working directory it may have a path
 * of any length, which a socket's address may not.
 */
static int
change_folder(const struct daemon *d)
{
	char *paths[2];
	size_t n, i;
	int status = -1;

	if (!d->spec->dials) {
		if (chdir("/") != 0)
			status = EXIT_FAILURE;
		return status;
	}
	n = config_runtime_candidates(d->config, paths);
	for (i = 0; i < n && chdir(paths[i]) != 0; i++)
		;
	if (i == n) {
		log_event(LOG_ERR, "cannot enter runtimeDir", "path=%s reason=%s",
			  log_quote(slice_str(paths[0])).text, log_quote(slice_str(strerror(errno))).text);
		status = EXIT_BAD_INVOCATION;
	}
	for (i = 0; i < n; i++)
		mem_free(paths[i]);
	return status;
}

/* Accounts can be looked up only before the door is locked. */
static void
find_asker(struct daemon *d)
{
	struct user user;

	d->asker = user_find("admind", d->config->user[CONFIG_ADMIND], &user) == 0 ? user.uid : (uid_t)-1;
}

static int
change_user(const struct daemon *d, bool notices)
{
	const char *configured = NULL;
	struct user user;
	int r;

	if (geteuid() != 0)
		return -1;
	for (int i = 0; i < CONFIG_DAEMONS; i++) {
		if (strcmp(config_daemon_name((enum config_daemon)i), d->spec->name) == 0)
			configured = d->config->user[i];
	}
	r = user_find(d->spec->name, configured, &user);
	if (r < 0) {
		log_event(LOG_ERR, "no such user", "key=user.%s value=%s", d->spec->name,
			  log_quote(slice_str(configured)).text);
		return EXIT_BAD_INVOCATION;
	}
	if (user.by_number && notices)
		log_event(LOG_NOTICE, "no account, running as a number", "account=zkd-%s uid=%d",
			  d->spec->name, (int)user.uid);
	r = user_become(&user);
	if (r < 0) {
		log_event(LOG_ERR, "cannot change user", "uid=%d reason=%s", (int)user.uid,
			  log_quote(slice_str(strerror(-r))).text);
		return EXIT_FAILURE;
	}
	return -1;
}

static int
lock_door(struct daemon *d)
{
	struct sandbox_report report;
	int r = sandbox_lock(&d->sandbox, &report);

	if (r < 0) {
		log_event(LOG_ERR, "cannot lock the room", "reason=%s",
			  log_quote(slice_str(strerror(-r))).text);
		return EXIT_FAILURE;
	}
	if (report.missing[0] != '\0')
		log_event(LOG_WARNING, "room is not fully locked", "kernel_lacks=%s",
			  log_quote(slice_str(report.missing)).text);
	return -1;
}

static int
answer_status(void *owner, struct control_conn *c, const struct frame *f)
{
	struct daemon *d = owner;
	struct status_writer w;

	status_begin(&w, d->spec->name);
	status_fact(&w, "uptime_ms", "%llu", (unsigned long long)(clock_mono_ms() - d->started_ms));
	if (d->data_dir != NULL)
		status_fact(&w, "data_dir", "%s", d->data_dir);
	if (d->spec->status != NULL && !d->stopped)
		d->spec->status(d, &w);
	status_turns(&w, &d->turn);
	if (w.status.text[0] == '\0')
		status_text(&w, "%s", d->status_line);
	control_reply(c, f, &w.status.base);
	status_end(&w);
	return 0;
}

static int
answer_trace(struct control_conn *c, const struct frame *f, const Zkd__LogLevelRequest *q)
{
	if (log_set_trace(q->room, q->trace) < 0) {
		control_answer(c, f, false, "this is no room, or too many are traced");
		return 0;
	}
	log_event(log_level(), "trace set", "room=%s on=%d", log_quote(slice_str(q->room)).text, q->trace);
	control_answer(c, f, true, "");
	return 0;
}

static int
answer_log_level(void *owner, struct control_conn *c, const struct frame *f)
{
	const Zkd__LogLevelRequest *q = control_take(c, f, &zkd__log_level_request__descriptor);

	(void)owner;
	if (q == NULL)
		return -EPROTO;
	if (q->room[0] != '\0')
		return answer_trace(c, f, q);
	if (log_set_level_name(q->level) < 0) {
		control_answer(c, f, false, "levels are error, warning, notice, info, debug");
		return 0;
	}
	log_event(log_level(), "log level set", "level=%s", q->level);
	control_answer(c, f, true, "");
	return 0;
}

static int
answer_probe(void *owner, struct control_conn *c, const struct frame *f)
{
#ifdef ZKD_DEBUG
	const Zkd__ProbeRequest *q = control_take(c, f, &zkd__probe_request__descriptor);
	struct probe p;

	(void)owner;
	if (q == NULL)
		return -EPROTO;
	probe_run(&p, q);
	control_reply(c, f, &p.reply.base);
	return 0;
#else
	(void)owner;
	(void)c;
	(void)f;
	log_plain(LOG_WARNING, "probe asked of a build without --enable-debug");
	return -EOPNOTSUPP;
#endif
}

static int
answer_fault(void *owner, struct control_conn *c, const struct frame *f)
{
	struct daemon *d = owner;

	fault_take(&d->fault, d->loop, c, f);
	return 0;
}

static const struct control_message control_messages[] = {
	{ MSG_STATUS, true, answer_status },
	{ MSG_LOG_LEVEL, false, answer_log_level },
	{ MSG_PROBE, false, answer_probe },
	{ MSG_FAULT, false, answer_fault },
};

enum { CONTROL_MESSAGES = sizeof control_messages / sizeof *control_messages };

static void
start_control(struct daemon *d, int listener)
{
	const struct daemon_spec *s = d->spec;

	ASSERT(CONTROL_MESSAGES + s->nquestions <= DAEMON_QUESTIONS_MAX);
	memcpy(d->messages, control_messages, sizeof control_messages);
	for (size_t i = 0; i < s->nquestions; i++)
		d->messages[CONTROL_MESSAGES + i] = s->questions[i];
	control_start(&d->control, &d->turn, listener, d->messages, CONTROL_MESSAGES + s->nquestions, d);
	control_restrict(&d->control, d->asker);
}

static void
on_beat(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct daemon *d = w->data;

	(void)loop;
	(void)revents;
	if (d->spec->healthy == NULL || d->stopping || d->spec->healthy(d))
		notify_beat(&d->notify);
	notify_again(&d->notify, d->status_line);
}

static void
on_stop_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	log_event(LOG_WARNING, "stopping takes too long", "limit_ms=%d", DAEMON_STOP_MS);
	daemon_quit(w->data, EXIT_SUCCESS);
}

static void
on_stop_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct daemon *d = w->data;

	(void)revents;
	if (d->stopping)
		return;
	d->stopping = true;
	log_event(LOG_INFO, "stopping", "signal=%d", w->signum);
	notify_stopping(&d->notify);
	ev_timer_start(loop, &d->stop_limit);
	if (d->spec->stop == NULL || d->spec->stop(d))
		daemon_stop_done(d);
}

static uint64_t
step(void *owner, uint64_t now_ms)
{
	struct daemon *d = owner;

	return d->spec->step == NULL || d->stopped ? TURN_NO_DEADLINE : d->spec->step(d, now_ms);
}

static void
start_loop(struct daemon *d)
{
	double third = (double)d->notify.watchdog_us / 3e6;
	int control = listen_take(&d->listeners, "control");

	d->loop = ev_default_loop(EVFLAG_NOENV | EVBACKEND_EPOLL);
	turn_start(&d->turn, d->loop, step, d);
	ev_signal_init(&d->on_term, on_stop_signal, SIGTERM);
	ev_signal_init(&d->on_int, on_stop_signal, SIGINT);
	ev_timer_init(&d->beat, on_beat, 0., third);
	ev_timer_init(&d->stop_limit, on_stop_limit, DAEMON_STOP_MS / 1e3, 0.);
	d->on_term.data = d->on_int.data = d->beat.data = d->stop_limit.data = d;
	ev_signal_start(d->loop, &d->on_term);
	ev_signal_start(d->loop, &d->on_int);
	if (d->notify.watchdog_us > 0)
		ev_timer_start(d->loop, &d->beat);
	if (control >= 0)
		start_control(d, control);
}

static void
take_signals(void)
{
	sigset_t none;

	/* Whoever started us may have had signals blocked. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A terminal that hangs up is zkd's business. */
	signal(SIGHUP, SIG_IGN);
}

static int
fork_resolver(struct daemon *d)
{
	int r = resolver_fork(&d->resolver);

	if (r < 0) {
		log_event(LOG_ERR, "cannot make the resolver", "reason=%s",
			  log_quote(slice_str(strerror(-r))).text);
		return EXIT_FAILURE;
	}
	return -1;
}

/* Everything before the lock, and the lock. -1 to go on, else the exit status. */
static int
prepare(struct daemon *d, const struct arguments *a, pid_t zkd)
{
	int status = load_config(d, a, zkd == 0);

	if (status >= 0)
		return status;
	if (a->check_only)
		return EXIT_SUCCESS;
	status = introduce(d);
	if (status < 0 && d->spec->open != NULL && (status = d->spec->open(d)) == 0)
		status = -1;
	if (status < 0)
		status = change_folder(d);
	find_asker(d);
	if (status < 0)
		status = change_user(d, zkd == 0);
	if (status < 0 && d->spec->resolves && config_is_ensemble(d->config))
		status = fork_resolver(d);
	if (status >= 0)
		return status;
	die_with(zkd);
	return lock_door(d);
}

static int
live(struct daemon *d, int argc, char **argv)
{
	struct arguments a = { 0 };
	int status = parse_arguments(d->spec, argc, argv, &a);
	pid_t zkd = parent_zkd();

	if (status >= 0)
		return status;
	umask(077);
	take_signals();
	log_open(d->spec->name);
	log_set_level(LOG_NOTICE + a.verbose);
	die_with(zkd);
	notify_open(&d->notify);
	if (listen_inherit(&d->listeners) < 0) {
		log_plain(LOG_ERR, "LISTEN_FDS makes no sense");
		return EXIT_BAD_INVOCATION;
	}
#ifdef ZKD_DEBUG
	d->sandbox.core_dumps = getenv("ZKD_CORE_DUMPS") != NULL;
#endif
	clearenv();
	status = prepare(d, &a, zkd);
	if (status >= 0)
		return status;
	start_loop(d);
	status = d->spec->start == NULL ? 0 : d->spec->start(d);
	if (status != 0)
		return status;
	listen_close(&d->listeners);
	log_event(LOG_INFO, "started", "pid=%d", (int)getpid());
	ev_run(d->loop, 0);
	turn_finish(&d->turn);
	return d->exit_status;
}

int
daemon_run(const struct daemon_spec *spec, void *room, int argc, char **argv)
{
	struct daemon d = { .spec = spec, .room = room, .started_ms = clock_mono_ms() };

	/* Not by returning: a daemon's memory goes with it, and a leak check at exit sees what it still points to. */
	exit(live(&d, argc, argv));
}

void
daemon_ready(struct daemon *d)
{
	if (d->ready)
		return;
	d->ready = true;
	notify_ready(&d->notify);
}

void
daemon_status(struct daemon *d, const char *fmt, ...)
{
	char line[sizeof d->status_line];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (strcmp(line, d->status_line) == 0)
		return;
	strcpy(d->status_line, line);
	notify_status(&d->notify, line);
}

void
daemon_stop_done(struct daemon *d)
{
	d->stopped = true;
	daemon_quit(d, EXIT_SUCCESS);
}

void
daemon_quit(struct daemon *d, int exit_status)
{
	d->exit_status = exit_status;
	ev_break(d->loop, EVBREAK_ALL);
}

void
daemon_mismatch(const char *peer, const char *why)
{
	log_event(LOG_ERR, "sibling does not match", "peer=%s reason=%s", peer,
		  log_quote(slice_str(why)).text);
	exit(EXIT_SUITE_MISMATCH);
}
