/*
 * zkctl: questions to a running node, to the data of any ZooKeeper server, or to files; one answer for people or scripts.
 * Each command is one function in a file of its own; command.c has the table. Commands write their answer to standard
 * output and why they failed to standard error.
 */
#ifndef ZKCTL_ZKCTL_H
#define ZKCTL_ZKCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, status, meaning): exit statuses, part of the contract for scripts; see zkctl(1). */
#define STATUSES(X)                                                                                          \
	X(OK, 0, "yes, done")                                                                                \
	X(UNWELL, 1, "answered, but not as hoped: not well, not in time, refused, a bad file")               \
	X(USAGE, 2, "wrong invocation or configuration, or a file cannot be opened")                         \
	X(NO_ANSWER, 3, "no such node or server, or it does not answer")                                     \
	X(RESERVED, 4, "good, with a torn tail (log verify), a question (adopt, doctor)")                          \
	X(NO_NODE, 5, "there is no such znode, or no such session")                                          \
	X(CONFLICT, 6, "the znode (or file) is there already, has children, or another version")             \
	X(NOT_ALLOWED, 7, "an ACL, a quota or a credential stands against it")                               \
	X(UNKNOWN, 8, "the connection was lost: nobody knows whether the write was done")                    \
	X(INTERRUPTED, 130, "interrupted by a signal")

enum {
#define X(name, status, meaning) ZKCTL_##name = status,
	STATUSES(X)
#undef X
};

enum { ZKCTL_OVERRIDES_MAX = 64, ZKCTL_AUTHS_MAX = 16 };

struct zk;

struct options {
	const char *config_file;                    /* -c */
	const char *overrides[ZKCTL_OVERRIDES_MAX]; /* -D */
	size_t noverrides;
	const char *runtime;                /* --runtime */
	const char *server;                 /* --server */
	const char *auths[ZKCTL_AUTHS_MAX]; /* --auth: where credentials stand, never they themselves */
	size_t nauths;
	uint64_t given; /* bits of enum option_id */
	bool json;
	int64_t timeout_ms; /* --timeout; -1: not given */
	uint64_t from_zxid, to_zxid;
	int64_t ttl_ms, depth, events, count, bytes, peer, ms; /* -1: not given */
	int32_t version;                                       /* -1: any */
	const char *acl, *file, *into, *snapshot, *output, *without;

	/* Of the shell, whose commands share a session; else NULL. */
	struct zk *zk;
	const char *folder; /* where relative paths begin */
};
#define GIVEN(o, id) (((o)->given & BIT(id)) != 0)

int command_election(const struct options *o, int argc, char **argv);
int command_doctor(const struct options *o, int argc, char **argv);
int command_move_leader(const struct options *o, int argc, char **argv);
int command_ps(const struct options *o, int argc, char **argv);
int command_status(const struct options *o, int argc, char **argv);
int command_wait(const struct options *o, int argc, char **argv);
int command_restart(const struct options *o, int argc, char **argv);
int command_log_level(const struct options *o, int argc, char **argv);
int command_trace(const struct options *o, int argc, char **argv);
int command_adopt(const struct options *o, int argc, char **argv);
int command_config(const struct options *o, int argc, char **argv);
int command_log(const struct options *o, int argc, char **argv);
int command_snapshot(const struct options *o, int argc, char **argv);
int command_debug(const struct options *o, int argc, char **argv);
int command_debug_drop(const struct options *o, int argc, char **argv);
int command_debug_fault(const struct options *o, int argc, char **argv);
int command_ls(const struct options *o, int argc, char **argv);
int command_tree(const struct options *o, int argc, char **argv);
int command_get(const struct options *o, int argc, char **argv);
int command_stat(const struct options *o, int argc, char **argv);
int command_create(const struct options *o, int argc, char **argv);
int command_set(const struct options *o, int argc, char **argv);
int command_rm(const struct options *o, int argc, char **argv);
int command_watch(const struct options *o, int argc, char **argv);
int command_acl(const struct options *o, int argc, char **argv);
int command_quota(const struct options *o, int argc, char **argv);
int command_sessions(const struct options *o, int argc, char **argv);
int command_export(const struct options *o, int argc, char **argv);
int command_import(const struct options *o, int argc, char **argv);
int command_shell(const struct options *o, int argc, char **argv);

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
