/*
 * The settings of a node: ZooKeeper's zoo.cfg, overridden by -D key=value, as typed fields.
 *
 * Every daemon, zkd and zkctl read the same text by this code: a daemon with config_load before it locks its
 * door, tests and the fuzzer with config_parse. All errors of a file are reported, not only the first, each
 * naming file, line, key, value and what is allowed. A struct config is read-only once made; it owns its
 * strings and is released by config_free.
 *
 * Source of names, defaults and ranges: the table in keys.c, which man page and `zkctl config keys` follow.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

enum {
	CONFIG_TEXT_MAX = 1 << 20, /* bytes of a configuration file */
	CONFIG_ENTRIES_MAX = 2000, /* lines with a key */
	CONFIG_NOTICES_MAX = 50,   /* notices kept; further ones are dropped, so that errors have room */
	CONFIG_FINDINGS_MAX = 100, /* findings kept; after that parsing ends, and not well */
	CONFIG_HASH_BYTES = 32,
	CONFIG_DAEMONS = 5,
	CONFIG_ADDRESSES_MAX = 16, /* of one server */
};

/* The order of config.user[]. */
enum config_daemon { CONFIG_ELECTIOND, CONFIG_SYNCD, CONFIG_CLIENTD, CONFIG_LOGD, CONFIG_ADMIND };

enum config_failure_detection { CONFIG_FAILURE_NORMAL, CONFIG_FAILURE_FAST };
enum config_peer_type { CONFIG_PARTICIPANT, CONFIG_OBSERVER };
enum config_metrics { CONFIG_METRICS_DEFAULT, CONFIG_METRICS_NULL, CONFIG_METRICS_PROMETHEUS };
enum config_compression { CONFIG_COMPRESSION_NONE, CONFIG_COMPRESSION_GZ, CONFIG_COMPRESSION_SNAPPY };

/* One of a server's addresses; an IPv6 literal stands here without its brackets. */
struct config_server_address {
	const char *host;
	uint16_t quorum_port;
	uint16_t election_port; /* 0: not given */
};

struct config_address {
	const char *host; /* NULL: all addresses */
	int port;         /* -1: none */
};

/* server.N=host:quorum:election[:role][|...][;[host:]client[;[host:]secure]] */
struct config_server {
	int64_t sid;
	const struct config_server_address *addresses;
	size_t naddresses; /* >= 1 */
	bool observer;
	struct config_address client, secure_client;
	int64_t group;  /* group.N, -1: none */
	int64_t weight; /* weight.N, 1 where nothing is said */
};

/* A key that is not honoured and was set to something else than its default. */
struct config_entry {
	const char *key; /* canonical: without "zookeeper." */
	const char *value;
};

struct config {
	/* Folders. Paths may be relative to the working directory of whoever started the node. */
	const char *data_dir;     /* snapshots, myid, epochs */
	const char *data_log_dir; /* transaction logs; data_dir where not set */
	const char *runtime_dir;  /* our sockets; NULL: the rule of config_runtime_dir */
	bool data_dir_autocreate;
	bool db_autocreate;
	bool snapshot_trust_empty;

	/* Client listener. */
	const char *client_port_address; /* NULL: all addresses */
	int client_port;                 /* 0: the kernel chooses; -1: none */
	int client_port_listen_backlog;  /* -1: ours to choose */
	bool client_tcp_keep_alive;

	/* HTTP: the AdminServer, and metrics for Prometheus. */
	bool admin_enabled;
	const char *admin_address;
	int admin_port;
	int admin_idle_ms;           /* 0: no limit but that of the connection */
	const char *admin_url;       /* begins with a slash and does not end with one */
	enum config_metrics metrics; /* only CONFIG_METRICS_PROMETHEUS is served */
	const char *metrics_host;
	int metrics_port;

	/* Time. */
	int tick_time_ms;
	int init_limit_ticks;       /* 0: not set */
	int sync_limit_ticks;       /* 0: not set */
	int min_session_timeout_ms; /* never -1: filled in from tick_time_ms */
	int max_session_timeout_ms;
	int sessionless_cnxn_timeout_ms;
	enum config_failure_detection failure_detection;

	/* Limits. */
	int max_client_cnxns;          /* per address, 0: no limit */
	int max_cnxns;                 /* in all, 0: no limit */
	int64_t jute_max_buffer_bytes; /* largest request, without its length field */
	int global_outstanding_limit;

	/* Four-letter words. Ask with config_word_allowed. */
	const char *const *words;
	size_t nwords;
	bool words_all;

	/* Data model. */
	bool extended_types_enabled; /* TTL nodes */
	bool emulate_353_ttl;
	int container_check_interval_ms;
	int container_max_per_minute;
	int64_t container_max_never_used_ms; /* 0: never-used containers stay */
	bool enforce_quota;
	bool read_only_mode_enabled;
	bool close_session_txn_enabled;
	bool digest_enabled; /* tree digests in txns and snapshots */

	/* Access. */
	bool skip_acl;
	const char *super_digest; /* super:base64(SHA-1), NULL: no super user. A secret. */
	bool enforce_auth;
	const char *enforce_auth_schemes; /* commas between; not NULL where enforce_auth */
	bool reconfig_enabled;

	/* Log and snapshots. */
	int snap_count;
	int64_t snap_size_limit_bytes;    /* <= 0: no limit */
	int64_t txn_log_size_limit_bytes; /* <= 0: no limit */
	int64_t prealloc_bytes;
	bool force_sync;
	int64_t fsync_warning_ms;
	int max_batch_size;
	int commit_log_count;
	enum config_compression snapshot_compression;
	int64_t purge_interval_ms; /* 0: no purge */
	int snap_retain_count;
	int64_t disk_reserve_bytes;
	int64_t scrub_interval_ms; /* 0: no scrub */
	int64_t scrub_rate_bytes;  /* a second */
	double snapshot_size_factor; /* as ZooKeeper: below 0 none, above 1 counts as 0.33 */

	/* The ensemble. */
	const struct config_server *servers; /* by rising sid */
	size_t nservers;
	bool hierarchical; /* group.N or weight.N lines are there */
	bool standalone_enabled;
	bool leader_serves;
	bool local_sessions, upgrade_local_sessions;
	int64_t myid; /* -1: not known */
	const char *
	    dynamic_config_file; /* where the list stands instead; NULL: in the file itself, or read already */
	uint64_t
	    servers_version; /* of the list: the zxid that put it in force, 0 for one that was written by hand */
	enum config_peer_type peer_type; /* what the file says; the list decides */

	/* The ports for peers. */
	bool quorum_listen_on_all_ips;
	int election_port_bind_retry; /* attempts, 0: without end */
	int cnx_timeout_ms;
	int quorum_cnxn_timeout_ms; /* <= 0: syncLimit ticks */
	bool tcp_keep_alive;
	bool multi_address_enabled;
	int min_notification_interval_ms, max_notification_interval_ms;

	/* User each daemon runs as when zkd was started by root; NULL: the rule of zkd(8). */
	const char *user[CONFIG_DAEMONS];

	/* Keys accepted but not honoured, sorted by name. */
	const struct config_entry *ignored;
	size_t nignored;

	struct arena arena; /* owns everything above */
};

enum config_severity { CONFIG_NOTICE, CONFIG_ERROR };

/* One thing to tell: a whole line for people, without its newline, such as
 * zoo.cfg:7: tickTime: "fast" is not a number; allowed: 1..2147483647 (ms) */
struct config_finding {
	enum config_severity severity;
	int line; /* 0: no line of the file says it, such as an override */
	char *text;
};

struct config_report {
	struct config_finding *findings; /* in the order of the file; relations last */
	size_t nfindings;
	size_t nerrors;
};

void config_report_init(struct config_report *r);
void config_report_free(struct config_report *r);

/* What a node is configured with when no file is named: one server on loopback, data in ./zkd-data. */
extern const char config_default_text[];

struct config_source {
	/* Name for messages and, where fd is -1, the file to read; NULL: the embedded default. */
	const char *file;
	int fd; /* the text (LISTEN_FDNAMES config), read from its start; -1: read the file */
	const char *const *overrides; /* "key=value" of -D, applied last, in order */
	size_t noverrides;
};

/*
 * Pure: reads text (and overrides) into *c, to be released with config_free. Returns 0, also with notices in
 * r, or -EINVAL with every error in r and *c NULL. r was initialised by config_report_init. file is for
 * messages. An ensemble is parsed in full; its myid may still be missing (see config_take_myid). The server list of a
 * file that dynamicConfigFile names is not looked for: see config_parse_with_list.
 */
int config_parse(struct slice text, const char *file, const char *const *overrides, size_t noverrides,
		 struct config **c, struct config_report *r);

/* The text of a dynamic configuration file: server, group and weight lines and nothing else. */
struct config_list {
	struct slice text;
	const char *file; /* its version is read from its name (ZooKeeper: getVersionFromFilename) */
};

/* The same with the server list in a file of its own; then text may hold none. */
int config_parse_with_list(struct slice text, const char *file, const struct config_list *list,
			   const char *const *overrides, size_t noverrides, struct config **c,
			   struct config_report *r);
void config_free(struct config *c);

/*
 * What a program calls at its start: reads the source, parses it, reads dataDir/myid where an ensemble needs
 * it. Returns 0, -EINVAL with errors in r, also where the file cannot be read.
 */
int config_load(const struct config_source *s, struct config **c, struct config_report *r);
/* The text of the source as config_load would read it, appended to text; what zkd seals for its daemons. 0 or
 * -errno. */
int config_read_source(const struct config_source *s, struct buf *text);

/* Takes the content of dataDir/myid; checks it against the server list. 0 or -EINVAL with errors in r. */
int config_take_myid(struct config *c, struct slice content, const char *file, struct config_report *r);

/* More than one voter, or one with standaloneEnabled=false (ZooKeeper: QuorumPeerConfig.isDistributed). */
bool config_is_ensemble(const struct config *c);
/* The server with this sid, or NULL. */
const struct config_server *config_find_server(const struct config *c, int64_t sid);
/* Whether a four-letter word is on the whitelist; word is 4 bytes. */
bool config_word_allowed(const struct config *c, const char *word);
/* The user key's suffix and the daemon's name: "electiond", ... */
const char *config_daemon_name(enum config_daemon d);

/*
 * Canonical text of the effective settings, one key=value per line in the order of the table, defaults
 * included; parsing it again gives the same configuration. A secret is replaced by a comment unless secrets
 * is set.
 */
void config_print(const struct config *c, bool secrets, struct buf *out);

/*
 * BLAKE2b over the canonical text with secrets and without myid (which daemons other than logd may not be
 * able to read): equal hashes mean equal effective settings, wherever the file lay. With reconfigEnabled the list of
 * servers is not in it: its versions come and go while the daemons run, and they tell each other.
 */
void config_hash(const struct config *c, uint8_t hash[CONFIG_HASH_BYTES]);

/*
 * Where the sockets of the node are. runtimeDir if set; else /run/zkd where the caller can write or create
 * it, else dataDir/run. For zkd, which creates what it picks (and dataDir, where datadir.autocreate allows).
 * Returns 0 and a path to be freed with mem_free, or -errno with the path that failed.
 */
int config_runtime_dir(const struct config *c, char **path);
/* For who looks for a running node: the folders to try, in order. Returns their number (1 or 2); mem_free
 * each. */
size_t config_runtime_candidates(const struct config *c, char *paths[2]);

#endif
