/*
 * A front with a syncd and clients around it that a test plays by hand: frames in, bytes out. The syncd here commits
 * when it is told to, or at once (auto_commit). Used by the unit tests and the fuzz targets of the front.
 */
#ifndef TESTS_FRONT_WORLD_H
#define TESTS_FRONT_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "clientd/front.h"
#include "ipc/msg.h"
#include "ipc/proto.h"

enum { WORLD_CLIENTS = 16, WORLD_FRAMES = 4096 };

struct world_client {
	struct front_conn *conn;
	bool closed, reads, stuck; /* stuck: its socket takes nothing */
	bool spare;                /* the test has done with it, and another may have its place */
	struct buf got;
	size_t taken; /* bytes its socket has taken, counted also when they are not kept */
};

struct world {
	struct front *front;
	uint64_t now_ms;
	int64_t wall_ms;
	struct world_client clients[WORLD_CLIENTS];
	int nclients;
	/* What clientd said to syncd, oldest first: type, seq, zxid. */
	struct {
		uint16_t type;
		uint64_t seq, zxid;
	} said[WORLD_FRAMES];
	int nsaid;
	struct buf txns;   /* bodies of all PROPOSEs, as BULK_TXN frames, for a later load */
	struct buf frames; /* if kept: all that clientd said, whole, until a test takes it off */
	bool keep_frames;
	uint64_t proposed, committed;
	uint64_t role;
	bool auto_commit;
	bool unchecked; /* zxids of PROPOSE may jump: the syncd of this world tells lies */
	const char *link_bad;
	struct buf snapshot; /* bytes of the snapshot channel */
	bool snapshot_closed, load_closed;
	char traced[512]; /* last warning or error */
	int warnings;
	struct trace trace;
};

/* A front that knows nothing. The configuration may be changed between config and open. */
void world_config(struct world *w, struct front_config *config);
void world_open(struct world *w, const struct front_config *config);
void world_close(struct world *w);
/* Link, role as a standalone leader of an empty node, load: serving. */
void world_serve(struct world *w);
void world_role(struct world *w, uint64_t proposed, uint64_t committed, uint32_t window);
/* The link comes up. */
void world_link_up(struct world *w);
/* Any role; state, epoch, proposed, committed and reload are taken from r, the window is 1000 txns if r has none. */
void world_role_of(struct world *w, const Zkd__Role *r);

/* Takes all actions. */
void world_run(struct world *w);
void world_frame(struct world *w, uint16_t type, uint64_t seq, uint64_t zxid, struct slice body);
void world_bulk(struct world *w, uint16_t type, uint64_t zxid, struct slice body);
/* Commits all that was proposed. */
void world_commit(struct world *w);
/* Time passes in steps no longer than the front's deadline. */
void world_sleep(struct world *w, uint64_t ms);

struct world_client *world_connect(struct world *w);
/* As long as the front reads this client; what is left then is lost. */
void world_input(struct world *w, struct world_client *c, struct slice bytes);
void world_hangup(struct world *w, struct world_client *c);
/* Lets a stuck client read what waits for it. */
void world_unstick(struct world *w, struct world_client *c);

#endif
