/*
 * zkctl: one question to a running node or to files of one, one answer for people or scripts. Each command is one function in a file of
 * its own; main.c has the table. Commands write their answer to standard output and why they failed to standard error.
 */
#ifndef ZKCTL_ZKCTL_H
#define ZKCTL_ZKCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses; part of the contract for scripts, see zkctl(1). */
enum {
	ZKCTL_OK = 0,
	ZKCTL_UNWELL = 1,    /* asked and answered, but not what was hoped for */
	ZKCTL_USAGE = 2,     /* the invocation or the configuration is wrong */
	ZKCTL_NO_ANSWER = 3, /* no such node, or it does not answer */
	ZKCTL_TORN = 4,      /* good, but for a torn tail of the newest log */
};

enum { ZKCTL_OVERRIDES_MAX = 64 };

struct options {
	const char *config_file;                    /* -c */
	const char *overrides[ZKCTL_OVERRIDES_MAX]; /* -D */
	size_t noverrides;
	const char *runtime; /* --runtime */
	bool json;
	bool facts;         /* --facts */
	int64_t timeout_ms; /* --timeout; -1: not given */
	bool data;          /* --data */
	bool recursive;     /* -R */
	bool range_given;   /* --from or --to */
	uint64_t from_zxid, to_zxid;
};

int command_ps(const struct options *o, int argc, char **argv);
int command_status(const struct options *o, int argc, char **argv);
int command_wait(const struct options *o, int argc, char **argv);
int command_restart(const struct options *o, int argc, char **argv);
int command_log_level(const struct options *o, int argc, char **argv);
int command_config(const struct options *o, int argc, char **argv);
int command_log(const struct options *o, int argc, char **argv);
int command_snapshot(const struct options *o, int argc, char **argv);
int command_debug(const struct options *o, int argc, char **argv);

/* One line on standard error. Returns status, so that a command can end with it. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ", did you mean X?" for a word that is none of choices (ends with NULL), or "". */
const char *suggestion(const char *word, const char *const *choices);

int64_t clock_ms(void);
/* "3 min 12 s" into out. */
const char *format_duration(uint64_t ms, char *out, size_t size);
/* "3.1 MiB" into out. */
const char *format_bytes(uint64_t bytes, char *out, size_t size);

#endif
