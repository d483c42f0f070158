/*
 * clientd's shell: what turns the events of libev into events of the front, and the front's actions into system
 * calls. main.c holds the daemon's life and the actions, clients.c the client sockets, star.c the link to syncd and
 * the bulk channels. Everything runs in one thread and one loop.
 */
#ifndef CLIENTD_SHELL_H
#define CLIENTD_SHELL_H

#include "front.h"

#include "base/list.h"
#include "io/acceptor.h"
#include "io/daemon.h"
#include "io/link.h"
#include "io/stream.h"

struct clientd {
	struct daemon *daemon;
	struct front *front;
	struct link syncd;
	struct stream load;     /* bulk channel that a tree comes through */
	struct stream snapshot; /* and that one goes through */
	size_t snapshot_given;  /* bytes of the front's output that are in `snapshot` */
	ev_timer slice;         /* writes the next slice */
	struct acceptor acceptor;
	int listener;                  /* of clients, until the acceptor has it */
	uint64_t accept_by_ms, due_ms; /* the latter: of the front */
	unsigned state_seen;           /* front_state at the end of the last turn */
	struct list clients;
	uint64_t base_descriptors; /* open when the daemon has started */
	uint64_t max_descriptors;
	char *words, *conf, *members, *environment; /* texts of the front's configuration */
};

/* An event of this type, with the time as it is now. */
struct front_event shell_event(enum front_event_type type);

/* ---- clients.c ---- */
void clients_init(struct clientd *d);
/* Accepts from now on. */
void clients_accept(struct clientd *d);
/* The front's actions on a client. */
void clients_adopt(struct clientd *d, void *owner, struct front_conn *conn);
void clients_write(struct clientd *d, void *owner);
void clients_read(struct clientd *d, void *owner, bool on);
void clients_close(struct clientd *d, void *owner);
void clients_stop(struct clientd *d);

/* ---- star.c ---- */
void star_start(struct clientd *d, int listener);
void star_send(struct clientd *d);
void star_drop(struct clientd *d, const char *why);
void star_close_load(struct clientd *d);
void star_write_snapshot(struct clientd *d);
void star_close_snapshot(struct clientd *d);
void star_stop(struct clientd *d);

#endif
