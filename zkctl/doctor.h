/*
 * zkctl doctor: a list of checks, each ok, a warning or a stop, each but the ok ones with the way out. Three files find
 * things out: doctor_servers (the words of every server of the ensemble), doctor_tree (what a session reads), doctor_host
 * (this machine, its node and its data folders). They only read; nothing is written, on disk or in the tree.
 */
#ifndef ZKCTL_DOCTOR_H
#define ZKCTL_DOCTOR_H

#include "adopt.h"
#include "base/arena.h"
#include "zk.h"
#include "zkctl.h"

enum {
	DOCTOR_CHECKS_MAX = 500,
	DOCTOR_ARENA_MAX = 64 << 20,
	DOCTOR_ZNODES = 100000, /* read for their ACLs, where --count does not say otherwise */
};

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_STOP, DOCTOR_LEVELS };

struct check {
	enum doctor_level level;
	const char *subject, *text;
	const char *way; /* out; NULL where it is ok */
};

/* What a server says of itself; -1 and NULL where it does not. */
struct server_view {
	const char *name; /* host:port */
	bool answers;     /* srvr */
	const char *version, *mode;
	uint64_t zxid;
	int64_t znodes, watches, outstanding, largest_response, open_files, most_files, synced_followers,
	    mismatches;
	int64_t tick_time_ms, least_session_ms, most_session_ms;
};

struct doctor {
	struct arena arena;
	bool migration;
	struct check checks[DOCTOR_CHECKS_MAX];
	size_t nchecks;
	struct zk_servers servers;
	struct server_view views[ZK_SERVERS_MAX]; /* of each */
	const struct config *config;              /* of the server here; NULL: not known */
	int64_t max_buffer;                       /* the largest reply that clients would take, bytes */
};

/* subject is copied; way is a constant, NULL for DOCTOR_OK. */
void doctor_say(struct doctor *d, enum doctor_level level, const char *subject, const char *way,
		const char *format, ...) __attribute__((format(printf, 5, 6)));
const char *doctor_format(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether zkd refuses a configuration with this key: what it would ask for is then not to be had. */
static inline bool
doctor_is_refused(const char *key)
{
	const struct config_key *k = config_key_find(key);

	return k != NULL && k->status == CONFIG_REFUSED;
}

/* Asks every server its words, and judges each and all together. */
void doctor_ask_servers(struct doctor *d);
/* Reads by a session what words do not tell: the member list, quotas, the ACLs of at most `most` znodes. */
void doctor_read_tree(struct doctor *d, const struct options *o, int64_t most);
/* The clock of this machine. */
void doctor_look_at_clock(struct doctor *d);
/* Space and state of the data folders. */
void doctor_look_at_data(struct doctor *d, const struct census *c);
/* The zkd node of this machine. Returns false where none answers. */
bool doctor_look_at_node(struct doctor *d, const struct options *o);

#endif
