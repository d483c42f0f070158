/* See settings.h. Nothing here outlives a reload but the invocation: a reload makes new settings beside the old. */
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/log.h"

enum { WATCHDOG_NORMAL_MS = 2000, WATCHDOG_FAST_MS = 500 };

static const struct {
	const char *name;
	enum config_daemon in_config;
} daemons[WATCH_DAEMONS] = {
	[WATCH_ELECTIOND] = { "electiond", CONFIG_ELECTIOND }, [WATCH_LOGD] = { "logd", CONFIG_LOGD },
	[WATCH_CLIENTD] = { "clientd", CONFIG_CLIENTD },       [WATCH_SYNCD] = { "syncd", CONFIG_SYNCD },
	[WATCH_ADMIND] = { "admind", CONFIG_ADMIND },
};

const char *
settings_daemon_name(enum watch_daemon d)
{
	return daemons[d].name;
}

const char *
settings_user_name(const struct settings *s, enum watch_daemon d)
{
	return s->config->user[daemons[d].in_config];
}

bool
settings_want_admind(const struct settings *s)
{
	return s->config->admin_enabled || s->config->metrics == CONFIG_METRICS_PROMETHEUS;
}

int64_t
settings_watchdog_ms(const struct settings *s)
{
	return s->config->failure_detection == CONFIG_FAILURE_FAST ? WATCHDOG_FAST_MS : WATCHDOG_NORMAL_MS;
}

int
settings_load(struct settings *s, const struct invocation *inv)
{
	struct config_source source = {
		.file = inv->config_file,
		.fd = -1,
		.overrides = inv->overrides,
		.noverrides = inv->noverrides,
	};
	struct config_report report;
	int error;

	*s = (struct settings){ .text_fd = -1 };
	config_report_init(&report);
	error = config_load(&source, &s->config, &report);
	for (size_t i = 0; i < report.nfindings; i++) {
		const struct config_finding *f = &report.findings[i];

		log_plain(f->severity == CONFIG_ERROR ? LOG_ERR : LOG_NOTICE, f->text);
	}
	config_report_free(&report);
	if (error == 0) {
		config_hash(s->config, s->hash);
		s->runtime_key = s->config->runtime_dir;
	}
	return error;
}

int
settings_find_users(struct settings *s)
{
	bool by_number = false;

	for (unsigned d = 0; d < WATCH_DAEMONS; d++) {
		const char *wanted = settings_user_name(s, d);
		int error = user_find(daemons[d].name, wanted, &s->users[d]);

		if (error != 0) {
			log_event(LOG_ERR, "no such user", "daemon=%s user=%s", daemons[d].name,
				  wanted != NULL ? wanted : "");
			return -ENOENT;
		}
		by_number |= s->users[d].by_number;
	}
	if (by_number)
		log_event(LOG_NOTICE, "no accounts for the daemons, using fixed numbers",
			  "electiond=%u syncd=%u clientd=%u logd=%u admind=%u",
			  (unsigned)s->users[WATCH_ELECTIOND].uid, (unsigned)s->users[WATCH_SYNCD].uid,
			  (unsigned)s->users[WATCH_CLIENTD].uid, (unsigned)s->users[WATCH_LOGD].uid,
			  (unsigned)s->users[WATCH_ADMIND].uid);
	return 0;
}

static int
write_all(int fd, struct slice text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.data, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text.data += n;
		text.len -= (size_t)n;
	}
	return 0;
}

static int
seal_text(struct slice text, int *fd_out)
{
	int fd = memfd_create("zkd-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int error;

	if (fd < 0)
		return -errno;
	error = write_all(fd, text);
	if (error == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		error = -errno;
	if (error != 0) {
		close(fd);
		return error;
	}
	*fd_out = fd;
	return 0;
}

/* Whether a daemon that reads this would start. */
static bool
is_good(struct slice text)
{
	struct config_report report;
	struct config *c;
	int error;

	config_report_init(&report);
	error = config_parse(text, "", NULL, 0, &c, &report);
	config_report_free(&report);
	if (error == 0)
		config_free(c);
	return error == 0;
}

int
settings_seal(struct settings *s, const char *runtime_dir)
{
	struct buf text;
	int error, fd = -1;

	buf_init(&text, CONFIG_TEXT_MAX);
	s->config->runtime_dir = runtime_dir;
	config_print(s->config, true, &text);
	error = text.overflow               ? -EFBIG
		: is_good(buf_slice(&text)) ? seal_text(buf_slice(&text), &fd)
					    : -EINVAL;
	buf_free(&text);
	if (error == 0) {
		if (s->text_fd >= 0)
			close(s->text_fd);
		s->text_fd = fd;
	}
	if (error != 0)
		log_event(LOG_ERR, "cannot hand out the configuration", "error=\"%s\"", strerror(-error));
	return error;
}

void
settings_take_members(struct settings *s, const char *runtime_dir, const struct members *m)
{
	const struct config_server *own = members_find(m, s->config->myid);

	config_set_members(s->config, m);
	s->config->peer_type = own != NULL && own->observer ? CONFIG_OBSERVER : CONFIG_PARTICIPANT;
	(void)settings_seal(s, runtime_dir);
}

void
settings_free(struct settings *s)
{
	if (s->config != NULL)
		config_free(s->config);
	if (s->text_fd >= 0)
		close(s->text_fd);
	*s = (struct settings){ .text_fd = -1 };
}
