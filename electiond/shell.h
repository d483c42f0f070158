/* The shell of electiond: what main.c (its life) and star.c (its link to syncd) share. */
#ifndef ELECTIOND_SHELL_H
#define ELECTIOND_SHELL_H

#include "config/members.h"
#include "election.h"
#include "io/daemon.h"
#include "io/link.h"
#include "peers.h"
#include "selfcheck.h"

struct electiond {
	struct daemon *daemon;
	struct link syncd;
	bool ensemble; /* else there are no peers, and nothing below is in use */
	struct members *members;
	struct election core;
	struct peers peers;
	struct selfcheck selfcheck;
	uint64_t look_seq;        /* of the LOOK that was given to the core last */
	uint64_t offered_version; /* newest configuration that syncd was told of, since then */
	uint64_t elections;       /* results given */
};

/* star.c */
void star_listen(struct electiond *e, int listener);
/* RESULT and CONFIG, to syncd. */
void star_result(struct electiond *e, const struct vote *v);
void star_newer_config(struct electiond *e, struct slice text);
void star_doubt(struct electiond *e, bool lost);

/* main.c */
/* Hands the core an event and does what it answers. */
void electiond_tell(struct electiond *e, struct election_event *ev);
/* Takes m, which the shell owns from now on, for the members; observer is this server's part. */
void electiond_adopt(struct electiond *e, struct members *m, bool observer);
/* Whether this server only follows, by the members. */
bool electiond_is_observer(const struct electiond *e, const struct members *m);
void electiond_describe(struct electiond *e);

#endif
