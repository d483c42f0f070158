/*
 * syncd's shell: what turns the events of libev into events of the zab core, and the core's actions into system calls;
 * it decides nothing. main.c holds the daemon's life and carries out the actions, status.c what it says of itself, star.c the links to the siblings,
 * peers.c the connections on the quorum port, dial.c the one that this server makes, channels.c the bulk channels of
 * logd that peers are fed from and that a leader's snapshot goes to, loss.c what is lost on purpose. One thread, one loop.
 */
#ifndef SYNCD_SHELL_H
#define SYNCD_SHELL_H

#include <ev.h>
#include <sys/socket.h>

#include "base/list.h"
#include "config/config.h"
#include "io/acceptor.h"
#include "io/daemon.h"
#include "io/link.h"
#include "io/resolver.h"
#include "io/stream.h"
#include "loss.h"
#include "zab.h"

enum {
	QUORUM_LISTENERS_MAX = 8,             /* addresses of this server */
	PEER_READ_BYTES = TURN_SCRATCH_BYTES, /* of one connection in one turn */
};

/* One connection on the quorum port. Its number tells its slot, and differs from those that had the slot before. */
struct peer {
	struct list link; /* syncd.gone, when it is over and its memory may still be in use by a caller */
	struct syncd *syncd;
	struct turn_item item; /* has output */
	struct stream channel; /* logd's, that it is fed from; closed where there is none */
	ev_io readable, writable;
	uint32_t number;
	int fd;
	char name[64]; /* ADDRESS:PORT, for the log */
};

/* Copied, for the list of members may change while names are looked up. */
struct dial_address {
	char host[RESOLVER_NAME_MAX + 1];
	uint16_t port;
};

/* The connection to a leader that is being made: its addresses one after the other. */
struct dial {
	struct syncd *syncd;
	struct resolver_query query;
	uint64_t sid;
	struct dial_address addresses[CONFIG_ADDRESSES_MAX];
	size_t naddresses, next;
	struct sockaddr_storage found[RESOLVER_ADDRESSES_MAX];
	size_t nfound, tried; /* of what the present address stands for */
	ev_io connected;
	ev_timer limit;
	uint32_t attempt; /* 0: none */
	int fd;           /* -1: none yet */
};

struct syncd {
	struct zab zab;
	struct link links[ZAB_LINKS];
	struct daemon *daemon;
	struct loss loss;
	bool sizes_known; /* logd has told these, for clientd */
	uint64_t data_bytes, log_bytes;
	uint64_t peers_refused, refusal_told_ms; /* for want of a slot; when that was last logged */
	uint64_t members_told;                   /* version of those that zkd was told */
	bool status_stale;                       /* the role or a link has changed */
	uint64_t status_zxid, status_ms;         /* of the newest STATUS= */
	enum zab_phase status_phase;             /* of clientd, then */

	struct acceptor acceptors[QUORUM_LISTENERS_MAX];
	unsigned nacceptors;
	struct peer *peers[ZAB_PEERS_MAX]; /* by number % ZAB_PEERS_MAX */
	uint32_t peer_generation;
	struct list gone;
	struct dial dial;
	struct stream install;
	size_t install_given; /* bytes of the core's output that are in `install` */
	bool install_failed;  /* it could not be opened, and the core is to be told */
};

/* main.c: gives the core an event, with the time as it is now, and carries out what it says. */
void shell_step(struct syncd *s, struct zab_event *e);
/* The same for an event of a link; returns why that link has to end, or NULL. */
const char *shell_step_link(struct syncd *s, struct zab_event *e, enum zab_link link);

/* status.c: the answer to MSG_STATUS. */
void shell_status(struct daemon *d, struct status_writer *w);

/* star.c */
void star_start(struct syncd *s);
void star_stop(struct syncd *s);
void star_send(struct syncd *s, const struct zab_action *a);
void star_send_role(struct syncd *s, const struct zab_action *a);
void star_send_disk(struct syncd *s, const struct zab_action *a);
void star_send_epochs(struct syncd *s, const struct zab_action *a);
void star_send_look(struct syncd *s, const struct zab_action *a);
void star_send_result(struct syncd *s, const struct zab_action *a);
void star_send_learners(struct syncd *s, const struct zab_action *a);

/* peers.c */
/* Accepts from the inherited listeners `quorum`. */
void peers_start(struct syncd *s);
void peers_stop(struct syncd *s);
/* Takes over a connected socket; attempt is that of the dial that made it, 0 for one that was accepted. */
void peers_open(struct syncd *s, int fd, const struct sockaddr_storage *address, uint32_t attempt);
/* NULL where there is none of that number. */
struct peer *peers_find(struct syncd *s, uint32_t number);
void peers_flush(struct syncd *s, const struct zab_action *a);
void peers_read(struct syncd *s, const struct zab_action *a);
void peers_close(struct syncd *s, const struct zab_action *a);
/* Frees those that are gone: at the end of a turn, when nobody holds them. */
void peers_bury(struct syncd *s);

/* dial.c */
void dial_init(struct syncd *s);
void dial_begin(struct syncd *s, const struct zab_action *a);
void dial_stop(struct syncd *s);

/* channels.c */
void channel_init(struct peer *p);
void channel_open(struct syncd *s, const struct zab_action *a);
void channel_read(struct syncd *s, const struct zab_action *a);
void channel_close(struct syncd *s, const struct zab_action *a);
void install_init(struct syncd *s);
void install_open(struct syncd *s, const struct zab_action *a);
void install_settle(struct syncd *s);
void install_flush(struct syncd *s, const struct zab_action *a);
void install_close(struct syncd *s, const struct zab_action *a);

#endif
