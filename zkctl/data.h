/*
 * What the commands on data share: the session they use, the paths they take, and how a failure is told.
 */
#ifndef ZKCTL_DATA_H
#define ZKCTL_DATA_H

#include "command.h"
#include "zk.h"

enum { DATA_MAX = 64 << 20 /* data that is read from a file: far beyond what any server takes */ };

/*
 * The session of a command: that of the shell, or a new one with --server, ZKCTL_SERVER or the local node. 0, or an exit
 * status after a complaint. data_close ends it, unless it is the shell's.
 */
int data_open(const struct options *o, struct zk **z);
void data_close(const struct options *o, struct zk *z);
/* The configuration of a session as the options say, for who opens sessions of his own. Likewise. */
int data_config(const struct options *o, struct zk_config *c);
/* Whether servers are named, by option or environment, rather than the local node meant. */
bool data_servers_named(const struct options *o);
/* Releases credentials. */
void data_config_free(struct zk_config *c);

/* Whether a signal (SIGINT, SIGTERM) told the command to end. */
bool data_stopped(void);
/* Forgets it. */
void data_go_on(void);

/*
 * A path as typed: absolute, or in the shell relative to where it stands; a slash behind it is forgiven. To be
 * released with mem_free; NULL after a complaint.
 */
char *data_path(const struct options *o, const char *typed);
/* "/a" and "b" -> "/a/b"; released with mem_free. */
char *data_join(const char *parent, struct slice name);

/*
 * Tells why an operation on path did not succeed: rc is what the session said (-errno) or 0, code what the server said.
 * doing: "read", "delete". Returns the exit status.
 */
int data_fail(const struct zk *z, int rc, int32_t code, const char *doing, const char *path);
/*
 * The same of an operation that may have succeeded: rc 0 and ZK_OK are ZKCTL_OK and silent. code is looked at after the
 * call that is rc; NULL: there is none.
 */
int data_check(const struct zk *z, int rc, const int32_t *code, const char *doing, const char *path);
/* What an error of the server means to people: "there is no such znode". */
const char *data_error_text(int32_t code);
int data_error_status(int32_t code);

/* All of a file, or of standard input for "-"; released with mem_free. 0, or an exit status after a complaint. */
int data_read_file(const char *file, uint8_t **data, size_t *len);

/*
 * The data of create and set: the argument at index `at`, or that of --file; null where there is neither. owned is to
 * be released with mem_free. 0, or an exit status after a complaint.
 */
int data_take(const struct options *o, int argc, char **argv, int at, struct slice *out, uint8_t **owned);

/* "12 B", "3.1 KiB" into out. */
const char *data_format_size(uint64_t bytes, char *out, size_t size);

/* By their bytes. */
void data_sort_names(struct jute_string_vec *names);

/*
 * "scheme:id:perms,..." with the perms of "cdrwa" into a vector that mem_free(acl->v) releases with the text it points
 * into. 0, or ZKCTL_USAGE after a complaint.
 */
int data_parse_acl(const char *text, struct jute_acl_vec *acl);

/* Bits of "cdrwa", "all" for all of them; -1 when it is neither. */
int32_t data_parse_perms(const char *text, size_t len);

/* A Stat as facts, for stat and its kin. */
struct facts;
void data_tell_stat(struct facts *f, const struct jute_stat *st);

#endif
