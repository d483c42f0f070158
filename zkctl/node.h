/* Which node is meant: the folder of its sockets, and what its programs say of themselves. */
#ifndef ZKCTL_NODE_H
#define ZKCTL_NODE_H

#include "ask.h"
#include "base/arena.h"
#include "zkctl.h"

/* zkd first, then the daemons in the order of enum config_daemon; the last one, admind, not every node has. */
enum { NODE_ZKD, NODE_ELECTIOND, NODE_SYNCD, NODE_CLIENTD, NODE_LOGD, NODE_ADMIND, NODE_PROGRAMS };
#define NODE_DAEMON_NAMES "electiond, syncd, clientd, logd, admind"
extern const char *const node_programs[NODE_PROGRAMS + 1]; /* ends with NULL */

struct node {
	char *path; /* of the folder, for messages */
	int dirfd;
	struct arena arena; /* the answers of the last node_ask_* */
};

/* The folders where the node may have its sockets, in the order to look. */
struct places {
	char *paths[2];
	size_t n;
	/*
	 * In full: the data folder of the node that is meant, where a configuration was named that says nothing of the
	 * folder of its sockets; NULL: whoever listens there is meant.
	 */
	char *data_dir;
};

/* --runtime, or what the configuration says. 0, or an exit status after a complaint. */
int places_find(const struct options *o, struct places *p);
void places_free(struct places *p);

/* Opens the folder where a node listens, or else the first that is there. 0, or the -errno of the first. */
int node_open_at(const struct places *p, struct node *n);
/*
 * Whether the node opened is the one that is meant: with no runtimeDir of its own it may be another one's /run/zkd. 0 (also
 * when nobody answers), or an exit status, after a complaint unless quietly.
 */
int node_check(const struct places *p, struct node *n, bool quietly);
/* All three. 0, or an exit status after a complaint. */
int node_open(const struct options *o, struct node *n);
/* The same, silent where there is no such folder. */
int node_open_quietly(const struct options *o, struct node *n);
void node_close(struct node *n);

/* Where the configuration says that clients are served, "host:port"; NULL: nowhere. Static storage. */
const char *node_configured_address(const struct options *o);

/* Asks one program. NULL when it did not answer, after a complaint. Lives until the next question. */
void *node_ask(struct node *n, const char *program, uint16_t type, const ProtobufCMessage *body,
	       const ProtobufCMessageDescriptor *answer_type);
/* Says that there was no answer to q, and why. ZKCTL_NO_ANSWER. */
int node_complain(const struct node *n, const struct question *q);
/* zkd's own account of the suite; likewise. */
Zkd__Status *node_ask_zkd(struct node *n);

/* Status of all, asked at once. */
struct node_status {
	struct question all[NODE_PROGRAMS];
};
void node_ask_all(struct node *n, struct node_status *s, int64_t limit_ms);
static inline Zkd__Status *
node_status_of(const struct node_status *s, int program)
{
	return s->all[program].answer;
}
/* What zkd knows of one program, or NULL. */
const Zkd__DaemonStatus *node_find_daemon(const Zkd__Status *zkd, const char *name);
/* Whether the program belongs to this node: all but an admind that was not started do. */
bool node_has(const struct node_status *s, int program);
/* A fact's value, or NULL. */
const char *node_find_fact(const Zkd__Status *s, const char *name);

#endif
