/*
 * What the suite runs with: the configuration as zkd read it, and the same as one sealed text that every daemon is
 * given, so that a daemon restarted later reads what its siblings read, whatever happened to the file meanwhile.
 */
#ifndef SUPERVISOR_SETTINGS_H
#define SUPERVISOR_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "config/members.h"
#include "io/user.h"
#include "watch.h"

enum { SETTINGS_OVERRIDES_MAX = 200 /* -D on one command line */ };

/* The command line, as main read it. */
struct invocation {
	const char *config_file; /* NULL: the embedded default */
	const char *overrides[SETTINGS_OVERRIDES_MAX];
	size_t noverrides;
	int verbose;
};

struct settings {
	struct config *config;
	uint8_t hash[CONFIG_HASH_BYTES]; /* as it was read */
	const char *runtime_key;         /* runtimeDir as it was read; NULL: not set */
	int text_fd; /* sealed memfd with the effective configuration; -1 until settings_seal */
	struct user users[WATCH_DAEMONS]; /* whom the daemons become; meaningful when zkd is root */
};

/*
 * Reads and checks the configuration, and says all that there is to say about it, to the log. 0 or -EINVAL with
 * *s empty.
 */
int settings_load(struct settings *s, const struct invocation *inv);
/*
 * Makes text_fd; runtime_dir is the folder that zkd picked, in full; it stands in the text whatever the file said, and
 * has to live as long as the settings. 0 or -errno, after a log line.
 */
int settings_seal(struct settings *s, const char *runtime_dir);
/* Another list of members (config/members.h): text_fd has it from now on, unless no daemon could start with it. */
void settings_take_members(struct settings *s, const char *runtime_dir, const struct members *m);
/* Finds the users. 0 or -ENOENT after a log line. */
int settings_find_users(struct settings *s);
void settings_free(struct settings *s);

/* Silence that means a hang, by failureDetection. */
int64_t settings_watchdog_ms(const struct settings *s);
/* Whether something is to be served over HTTP. */
bool settings_want_admind(const struct settings *s);
const char *settings_daemon_name(enum watch_daemon d);
/* user.DAEMON of the configuration, or NULL. */
const char *settings_user_name(const struct settings *s, enum watch_daemon d);

#endif
